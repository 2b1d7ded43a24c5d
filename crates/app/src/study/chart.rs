//! Charts as SVG: a plane with axes, and marks, lines and bars on it.
//!
//! Called by [`super::figures`]. Colours are those of certificates' charts (crate `verification`), dark enough for print in grey; no
//! meaning hangs on colour alone. Numbers have two decimals, so that the same chart is the same bytes.

/// Size of a chart and its margins, in the drawing's unit.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;

/// Size of letters.
const LETTER: f64 = 12.0;

/// Marks on an axis, about.
const MARKS: f64 = 6.0;

/// A colour by its role.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ink {
    Black,
    Grey,
    Pale,
    Good,
    Open,
    Bad,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Black => "#1c1f23",
            Self::Grey => "#575e66",
            Self::Pale => "#c9ced4",
            Self::Good => "#1a7f37",
            Self::Open => "#b06a00",
            Self::Bad => "#c61f2b",
        }
    }
}

/// A range of an axis.
pub(super) type Range = (f64, f64);

/// How numbers become places.
#[derive(Debug, Clone, Copy)]
enum Scale {
    Linear,
    Logarithmic,
}

impl Scale {
    fn share(self, range: Range, value: f64) -> f64 {
        match self {
            Self::Linear => share(range, value),
            Self::Logarithmic => share((range.0.ln(), range.1.ln()), value.ln()),
        }
    }

    fn marks(self, range: Range) -> Vec<f64> {
        match self {
            Self::Linear => marks(range),
            Self::Logarithmic => logarithmic_marks(range),
        }
    }
}

/// A chart being drawn. Places are in its own numbers.
pub(super) struct Chart {
    x: Range,
    y: Range,
    scale: Scale,
    body: String,
}

impl Chart {
    /// An empty plane with its axes; labels stand in both languages.
    pub(super) fn new(x: Range, y: Range, labels: (&str, &str)) -> Self {
        Self::drawn(wide(x), wide(y), Scale::Linear, labels)
    }

    /// The same with both axes logarithmic; numbers must be above zero.
    pub(super) fn logarithmic(x: Range, y: Range, labels: (&str, &str)) -> Self {
        let wider = |(low, high): Range| if low < high { (low, high) } else { (0.5 * low, 2.0 * high) };
        Self::drawn(wider(x), wider(y), Scale::Logarithmic, labels)
    }

    fn drawn(x: Range, y: Range, scale: Scale, labels: (&str, &str)) -> Self {
        let mut chart = Self { x, y, scale, body: String::new() };
        chart.axes();
        let middle = LEFT + 0.5 * (WIDTH - LEFT - RIGHT);
        chart.text((middle, HEIGHT - 8.0), "middle", labels.0, "");
        let turned = format!(" transform=\"rotate(-90 14 {:.2})\"", 0.5 * (TOP + HEIGHT - BOTTOM));
        chart.text((14.0, 0.5 * (TOP + HEIGHT - BOTTOM)), "middle", labels.1, &turned);
        chart
    }

    /// A line through places.
    pub(super) fn line(&mut self, places: &[(f64, f64)], ink: Ink, width: f64, is_dashed: bool) {
        let points: Vec<String> = places.iter().map(|place| self.place(*place)).collect();
        let dash = if is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        self.body.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dash}/>\n",
            points.join(" "),
            ink.code()
        ));
    }

    /// A circle.
    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        let (x, y) = (self.across(at.0), self.down(at.1));
        let code = ink.code();
        self.body.push_str(&format!(
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{code}\" fill-opacity=\"0.65\"/>\n"
        ));
    }

    /// A diamond, for what is not like the dots.
    pub(super) fn diamond(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        let (x, y) = (self.across(at.0), self.down(at.1));
        let (left, right, up, down) = (x - radius, x + radius, y - radius, y + radius);
        let code = ink.code();
        self.body.push_str(&format!(
            "<path d=\"M{left:.2} {y:.2}L{x:.2} {up:.2}L{right:.2} {y:.2}L{x:.2} {down:.2}Z\" fill=\"{code}\"/>\n"
        ));
    }

    /// A bar from zero.
    pub(super) fn bar(&mut self, x: Range, height: f64, ink: Ink) {
        let (left, right, top, foot) =
            (self.across(x.0), self.across(x.1), self.down(height), self.down(0.0));
        let (width, height, code) = ((right - left - 1.0).max(0.5), foot - top, ink.code());
        self.body.push_str(&format!(
            "<rect x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{code}\" \
             fill-opacity=\"0.55\"/>\n"
        ));
    }

    /// The whole drawing.
    pub(super) fn svg(self, title: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             role=\"img\" font-family=\"sans-serif\" font-size=\"{LETTER}\">\n<title>{}</title>\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n{}</svg>\n",
            escape(title),
            self.body
        )
    }

    fn axes(&mut self) {
        for value in self.scale.marks(self.y) {
            let (y, right) = (self.down(value), WIDTH - RIGHT);
            self.rule((LEFT, y), (right, y), Ink::Pale);
            self.text((LEFT - 6.0, y + 0.35 * LETTER), "end", &number(value), "");
        }
        for value in self.scale.marks(self.x) {
            let (x, foot) = (self.across(value), HEIGHT - BOTTOM);
            self.rule((x, foot), (x, foot + 4.0), Ink::Grey);
            self.text((x, foot + 4.0 + LETTER), "middle", &number(value), "");
        }
        self.rule((LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM), Ink::Grey);
        self.rule((LEFT, TOP), (LEFT, HEIGHT - BOTTOM), Ink::Grey);
    }

    fn rule(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        self.body.push_str(&format!(
            "<line x1=\"{:.2}\" y1=\"{:.2}\" x2=\"{:.2}\" y2=\"{:.2}\" stroke=\"{}\" stroke-width=\"0.8\"/>\n",
            from.0,
            from.1,
            to.0,
            to.1,
            ink.code()
        ));
    }

    fn text(&mut self, at: (f64, f64), anchor: &str, words: &str, rest: &str) {
        let (x, y, ink, words) = (at.0, at.1, Ink::Black.code(), escape(words));
        self.body.push_str(&format!(
            "<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\" fill=\"{ink}\"{rest}>{words}</text>\n"
        ));
    }

    fn place(&self, (x, y): (f64, f64)) -> String {
        format!("{:.2},{:.2}", self.across(x), self.down(y))
    }

    /// What lies outside stands on the edge.
    fn across(&self, x: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * self.scale.share(self.x, x)
    }

    fn down(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * self.scale.share(self.y, y)
    }
}

fn share(range: Range, value: f64) -> f64 {
    let share = (value - range.0) / (range.1 - range.0);
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
}

/// A range that has a width.
fn wide((low, high): Range) -> Range {
    if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
}

/// Round numbers within a range.
fn marks((low, high): Range) -> Vec<f64> {
    let rough = (high - low) / MARKS;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| rough <= step * power).unwrap_or(10.0);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|at| at as f64 * step).collect()
}

/// One, two and five in each power of ten within a range.
fn logarithmic_marks((low, high): Range) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let all = (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10.0_f64.powi(power)));
    all.filter(|value| low * (1.0 - 1e-9) <= *value && *value <= high * (1.0 + 1e-9)).collect()
}

fn number(value: f64) -> String {
    let text = format!("{:.2}", value + 0.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.replace('-', "−") }
}

/// Text for XML and HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
