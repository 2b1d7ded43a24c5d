//! The error chart of a verification: load points along, errors in percent up, the band of the maximum permissible error,
//! single readings, means with their expanded uncertainty, verdicts by shape and colour.
//!
//! Made by `api` for the pages of a run and a document (as SVG) and by [`crate::certificate::pdf`] (as PDF), from one drawing.
//! It decides nothing: verdicts come in with the points.

mod axis;
mod svg;

use rust_decimal::Decimal;
use veripile_metrology::crossing::to_f64;
use veripile_metrology::rounding::in_full;

use crate::order::Order;
use crate::plan::LoadPoint;
use crate::result::{self, PointResult, RunResult, Verdict};
use crate::run::Taken;
use crate::shape::{Anchor, Ink, Label, Outline, Place, Run, Shape, Weight};
use crate::texts::{Language, Texts, fill};
use axis::{Axis, signed};

/// A load point of the chart.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartPoint {
    /// What it is called, e.g. `220 V 32 A 1.0`.
    pub label: String,
    /// Error of each reading so far, percent, corrected as the mean is.
    pub errors_percent: Vec<Decimal>,
    /// Mean error, percent, once there is one.
    pub error_percent: Option<Decimal>,
    /// Its expanded uncertainty, percent.
    pub expanded_percent: Option<Decimal>,
    /// The decision, once there is one.
    pub verdict: Option<Verdict>,
}

/// A chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Maximum permissible error, percent, ±.
    pub limit_percent: Decimal,
    /// Load points, in order.
    pub points: Vec<ChartPoint>,
    /// What the upward axis is.
    pub y_title: String,
    /// What the other is.
    pub x_title: String,
    /// What the band is.
    pub limit_label: String,
    /// What the chart says, in words.
    pub alt: String,
}

/// Width of the SVG: pages show it no narrower than 376 pixels, where letters of [`LETTER`] are 11, and move it sideways on a phone.
const SVG_WIDTH: f64 = 400.0;
/// Size of letters.
const LETTER: f64 = 12.0;
/// Height of the plot.
const PLOT: f64 = 210.0;
/// Room above the plot for the titles, left of it for marks, right of it for the limits.
const TOP: f64 = 30.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 44.0;
/// Height of a line of text below the plot.
const LINE: f64 = 15.0;
/// Lines of a label, before it is turned.
const LABEL_LINES_MAX: usize = 3;

impl Chart {
    /// The chart of a result.
    pub fn of_result(result: &RunResult, language: Language) -> Self {
        let limit_percent = result.points.first().map_or(Decimal::ONE, |point| point.limit_percent);
        let has_factors = result.points.iter().any(|point| point.point.power_factor.is_some());
        let points = result.points.iter().map(ChartPoint::from).collect();
        Self::of_points(limit_percent, points, has_factors, language)
    }

    /// The chart of a run that goes on: every load point of the plan, with what is known of it. None if the order names rules
    /// that give no limit.
    pub fn so_far(order: &Order, taken: &[Taken], language: Language) -> Option<Self> {
        let limit_percent = order.rules().ok()?.mpe_percent(order.plate.class.0).ok()?;
        let known = result::so_far(order, taken);
        let mut known = known.iter().peekable();
        let points = order.plan.points.iter().enumerate().map(|(index, point)| {
            let readings = taken.iter().filter(|reading| reading.point == index);
            let errors_percent: Vec<_> = readings.filter_map(result::reading_percent).collect();
            // Results come in the order of the plan and leave out what has too few readings.
            let is_its =
                |found: &&PointResult| found.point == *point && found.errors_percent == errors_percent;
            match known.next_if(is_its) {
                Some(found) => ChartPoint::from(found),
                None => ChartPoint {
                    label: label(point),
                    errors_percent,
                    error_percent: None,
                    expanded_percent: None,
                    verdict: None,
                },
            }
        });
        let has_factors = order.plan.points.iter().any(|point| point.power_factor.is_some());
        Some(Self::of_points(limit_percent, points.collect(), has_factors, language))
    }

    fn of_points(
        limit_percent: Decimal,
        points: Vec<ChartPoint>,
        has_factors: bool,
        language: Language,
    ) -> Self {
        let texts = Texts::in_language(language);
        let x_title = if has_factors { texts.of("chart.points.ac") } else { texts.of("chart.points.dc") };
        let limit = limit_percent.normalize().to_string();
        let count = points.len().to_string();
        let outside = points.iter().filter(|point| point.verdict == Some(Verdict::Nonconform)).count();
        Self {
            limit_percent,
            points,
            y_title: texts.of("chart.error").to_owned(),
            x_title: x_title.to_owned(),
            limit_label: fill(texts.of("chart.limit"), &[("limit", &limit)]),
            alt: fill(
                texts.of("chart.alt"),
                &[("count", &count), ("limit", &limit), ("outside", &outside.to_string())],
            ),
        }
    }

    /// The chart as SVG. The same chart gives the same bytes.
    pub fn svg(&self) -> String {
        let (size, shapes) = self.draw(SVG_WIDTH);
        svg::text(size, &self.alt, &shapes)
    }

    /// The chart as shapes in a given width; its size, and the shapes from back to front.
    pub(crate) fn draw(&self, width: f64) -> ((f64, f64), Vec<Shape>) {
        let labels = Labels::of(&self.points, (width - LEFT - RIGHT) / self.points.len().max(1) as f64);
        let height = TOP + PLOT + 6.0 + labels.height + LINE + 6.0;
        let limit = to_f64(self.limit_percent);
        let plot = Plot { axis: Axis::around(limit, self.reach()), width, count: self.points.len() };
        let mut shapes = vec![Shape::block((0.0, 0.0), (width, height), Ink::White)];
        plot.band(limit, &mut shapes);
        plot.grid(&mut shapes);
        plot.limits(limit, self.limit_percent, &mut shapes);
        self.titles(width, height, &mut shapes);
        labels.draw(&plot, &mut shapes);
        for (index, point) in self.points.iter().enumerate() {
            plot.point(index, point, &mut shapes);
        }
        ((width, height), shapes)
    }

    /// Everything that the axis must hold.
    fn reach(&self) -> Vec<f64> {
        let mut reach = Vec::new();
        for point in &self.points {
            reach.extend(point.errors_percent.iter().map(|error| to_f64(*error)));
            if let Some(error) = point.error_percent.map(to_f64) {
                let expanded = point.expanded_percent.map_or(0.0, to_f64);
                reach.extend([error - expanded, error + expanded]);
            }
        }
        reach
    }

    fn titles(&self, width: f64, height: f64, shapes: &mut Vec<Shape>) {
        shapes.push(words((4.0, 14.0), Anchor::Start, Ink::Black, &self.y_title));
        let swatch = (width - 4.0 - measure(&self.limit_label) - 20.0, 5.0);
        shapes.push(Shape::block(swatch, (14.0, 10.0), Ink::Band));
        for y in [swatch.1, swatch.1 + 10.0] {
            shapes.push(Shape::line((swatch.0, y), (swatch.0 + 14.0, y), Ink::Good, 1.0));
        }
        shapes.push(words((swatch.0 + 19.0, 14.0), Anchor::Start, Ink::Black, &self.limit_label));
        let middle = (LEFT + width - RIGHT) / 2.0;
        shapes.push(words((middle, height - 6.0), Anchor::Middle, Ink::Grey, &self.x_title));
    }
}

impl From<&PointResult> for ChartPoint {
    fn from(point: &PointResult) -> Self {
        // Single readings are drawn where the mean is theirs: with the cable's drop corrected.
        let corrected = |error: &Decimal| error.checked_add(point.correction_percent).unwrap_or(*error);
        Self {
            label: label(&point.point),
            errors_percent: point.errors_percent.iter().map(corrected).collect(),
            error_percent: Some(point.error_percent),
            expanded_percent: Some(point.expanded_uncertainty_percent),
            verdict: Some(point.verdict),
        }
    }
}

/// What a load point is called: voltage, current, power factor.
pub fn label(point: &LoadPoint) -> String {
    let (voltage, current) = (point.voltage_v.normalize(), point.current_a.normalize());
    match point.power_factor {
        Some(factor) => format!("{voltage} V {current} A {}", power_factor(factor)),
        None => format!("{voltage} V {current} A"),
    }
}

/// A power factor as documents write it: one digit after the point at least.
pub(crate) fn power_factor(factor: Decimal) -> String {
    in_full(factor, 1)
}

fn words(at: Place, anchor: Anchor, ink: Ink, text: &str) -> Shape {
    Shape::Text(Label {
        at,
        anchor,
        size: LETTER,
        weight: Weight::Regular,
        run: Run::Level,
        ink,
        text: text.to_owned(),
    })
}

/// About how wide a text is: the font of a page is not known here. Rather too wide than too narrow.
fn measure(text: &str) -> f64 {
    text.chars().map(|character| if character.is_ascii() { 0.58 } else { 1.0 }).sum::<f64>() * LETTER
}

/// The labels below the plot.
struct Labels {
    lines: Vec<Vec<String>>,
    is_turned: bool,
    height: f64,
}

impl Labels {
    /// Level on a few lines where they fit their share of the width, else turned.
    fn of(points: &[ChartPoint], share: f64) -> Self {
        let lines: Vec<Vec<String>> = points.iter().map(|point| lines(&point.label, share - 6.0)).collect();
        let fits = |lines: &Vec<String>| {
            lines.len() <= LABEL_LINES_MAX && lines.iter().all(|line| measure(line) <= share - 4.0)
        };
        if lines.iter().all(fits) {
            let most = lines.iter().map(Vec::len).max().unwrap_or(1).max(1);
            return Self { lines, is_turned: false, height: LINE * most as f64 };
        }
        let lines: Vec<Vec<String>> = points.iter().map(|point| vec![point.label.clone()]).collect();
        let longest = lines.iter().flatten().map(|line| measure(line)).fold(0.0, f64::max);
        Self { lines, is_turned: true, height: longest + 6.0 }
    }

    fn draw(&self, plot: &Plot, shapes: &mut Vec<Shape>) {
        let top = TOP + PLOT + 6.0;
        for (index, lines) in self.lines.iter().enumerate() {
            let x = plot.x(index);
            shapes.push(Shape::line((x, TOP + PLOT), (x, TOP + PLOT + 4.0), Ink::Grey, 1.0));
            for (number, line) in lines.iter().enumerate() {
                if self.is_turned {
                    let place = (x + 0.36 * LETTER, top + 2.0);
                    let mut text = words(place, Anchor::End, Ink::Black, line);
                    if let Shape::Text(label) = &mut text {
                        label.run = Run::Upwards;
                        label.size = LETTER.min(plot.share() * 0.95);
                    }
                    shapes.push(text);
                } else {
                    let place = (x, top + LINE * (number as f64 + 0.75));
                    shapes.push(words(place, Anchor::Middle, Ink::Black, line));
                }
            }
        }
    }
}

/// A label in lines no wider than that, a number kept with its unit.
fn lines(label: &str, width: f64) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for word in label.split_whitespace() {
        let is_unit = !word.starts_with(|first: char| first.is_ascii_digit());
        match pieces.last_mut() {
            Some(last) if is_unit && last.ends_with(|end: char| end.is_ascii_digit()) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => pieces.push(word.to_owned()),
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if measure(line) + measure(" ") + measure(&piece) <= width => {
                line.push(' ');
                line.push_str(&piece);
            }
            _ => lines.push(piece),
        }
    }
    lines
}

/// Where things are.
struct Plot {
    axis: Axis,
    width: f64,
    count: usize,
}

impl Plot {
    fn right(&self) -> f64 {
        self.width - RIGHT
    }

    /// What of the width a load point has.
    fn share(&self) -> f64 {
        (self.right() - LEFT) / self.count.max(1) as f64
    }

    fn x(&self, index: usize) -> f64 {
        LEFT + self.share() * (index as f64 + 0.5)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + PLOT * (1.0 - self.axis.share(value))
    }

    fn band(&self, limit: f64, shapes: &mut Vec<Shape>) {
        let (top, bottom) = (self.y(limit), self.y(-limit));
        shapes.push(Shape::block((LEFT, top), (self.right() - LEFT, bottom - top), Ink::Band));
    }

    fn grid(&self, shapes: &mut Vec<Shape>) {
        for (value, text) in self.axis.marks() {
            let y = self.y(value);
            let (ink, width) = if text == "0" { (Ink::Black, 1.2) } else { (Ink::Pale, 0.7) };
            shapes.push(Shape::line((LEFT, y), (self.right(), y), ink, width));
            shapes.push(words((LEFT - 6.0, y + 0.35 * LETTER), Anchor::End, Ink::Black, &text));
        }
        for x in [LEFT, self.right()] {
            shapes.push(Shape::line((x, TOP), (x, TOP + PLOT), Ink::Grey, 0.8));
        }
        shapes.push(Shape::line((LEFT, TOP + PLOT), (self.right(), TOP + PLOT), Ink::Grey, 0.8));
    }

    /// The band's edges with their numbers, which stay apart however thin the band is.
    fn limits(&self, limit: f64, limit_percent: Decimal, shapes: &mut Vec<Shape>) {
        let text = limit_percent.normalize().to_string();
        let (upper, lower) = (self.y(limit), self.y(-limit));
        let apart = ((1.1 * LETTER - (lower - upper)) / 2.0).max(0.0);
        for (y, at, text) in
            [(upper, upper - apart, format!("+{text}")), (lower, lower + apart, signed(&format!("-{text}")))]
        {
            shapes.push(Shape::Line {
                from: (LEFT, y),
                to: (self.right(), y),
                outline: Outline { ink: Ink::Good, width: 1.2 },
                dash: 5.0,
            });
            let place = (self.right() + 5.0, at + 0.35 * LETTER);
            shapes.push(words(place, Anchor::Start, Ink::Good, &text));
        }
    }

    /// Single readings in their order left of the mean; the mean by its verdict; its uncertainty as a bar over it.
    fn point(&self, index: usize, point: &ChartPoint, shapes: &mut Vec<Shape>) {
        let (x, share) = (self.x(index), self.share());
        let radius = (share / 6.0).clamp(1.8, 5.0);
        let width = (0.34 * share - radius).clamp(0.0, 26.0);
        let end = x - 2.5 * radius;
        let gaps = point.errors_percent.len().saturating_sub(1).max(1) as f64;
        for (number, error) in point.errors_percent.iter().enumerate() {
            shapes.push(Shape::Circle {
                centre: (end - width + width * number as f64 / gaps, self.y(to_f64(*error))),
                radius: 0.45 * radius,
                fill: Ink::White,
                outline: Some(Outline { ink: Ink::Grey, width: 0.9 }),
            });
        }
        let Some(error) = point.error_percent.map(to_f64) else { return };
        shapes.push(mark((x, self.y(error)), radius, point.verdict));
        let Some(expanded) = point.expanded_percent.map(to_f64) else { return };
        let (top, bottom) = (self.y(error + expanded), self.y(error - expanded));
        shapes.push(Shape::line((x, top), (x, bottom), Ink::Black, 1.0));
        for y in [top, bottom] {
            shapes.push(Shape::line((x - 1.5 * radius, y), (x + 1.5 * radius, y), Ink::Black, 1.0));
        }
    }
}

/// The mark of a verdict: a circle conforms, a square does not, a diamond is open; hollow: not decided yet.
pub(crate) fn mark(at: Place, radius: f64, verdict: Option<Verdict>) -> Shape {
    let (x, y) = at;
    let area = |corners: Vec<Place>, fill| Shape::Area { corners, fill, outline: None };
    match verdict {
        Some(Verdict::Conform) => Shape::Circle { centre: at, radius, fill: Ink::Good, outline: None },
        Some(Verdict::Nonconform) => {
            let half = 0.9 * radius;
            let corners =
                vec![(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)];
            area(corners, Ink::Bad)
        }
        Some(Verdict::Undecided) => {
            let half = 1.3 * radius;
            area(vec![(x, y - half), (x + half, y), (x, y + half), (x - half, y)], Ink::Open)
        }
        None => Shape::Circle {
            centre: at,
            radius,
            fill: Ink::White,
            outline: Some(Outline { ink: Ink::Grey, width: 1.2 }),
        },
    }
}

#[cfg(test)]
mod tests;
