//! Charts as SVG, made here so that page, letter and evidence package show the same bytes. No script, no style attribute.

use std::fmt::Write;

use veripile_pile::Estimate;

use crate::view;

/// As wide as the smallest phone: a chart is scaled to its page, and its letters with it. Style sheets make letters smaller where it is larger.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 26.0;

/// Room for a letter: marks that are nearer to each other would be drawn one upon the other.
const LETTER: f64 = 15.0;

/// Between the edge of the plot and the first or last point.
const INSET: f64 = 10.0;

/// Radius of a point where there is room; of many points it is smaller.
const RADIUS: f64 = 3.5;

/// The scale reaches to four limits at most, unless errors lie beyond: a first week knows nothing, and its interval would flatten all others.
const REACH_LIMITS: f64 = 4.0;

/// An error at a moment with its interval, fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) error: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// What is marked in a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// The error stepped.
    Step,
    /// Other firmware came.
    Firmware,
    /// It was measured on site.
    OnSite,
}

impl EventKind {
    /// Every kind.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Step, Self::Firmware, Self::OnSite];

    /// Its word, in classes and in the API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Firmware => "firmware",
            Self::OnSite => "on_site",
        }
    }

    /// Key of its name.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Step => "event.step",
            Self::Firmware => "event.firmware",
            Self::OnSite => "event.on_site",
        }
    }

    /// In which row above the plot its letter stands: those of different kinds never meet.
    fn row(self) -> usize {
        match self {
            Self::Step => 0,
            Self::Firmware => 1,
            Self::OnSite => 2,
        }
    }

    /// A letter beside its line: colour alone tells nothing to many.
    fn letter(self) -> &'static str {
        match self {
            Self::Step => "↕",
            Self::Firmware => "F",
            Self::OnSite => "◆",
        }
    }
}

/// An event at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) kind: EventKind,
    pub(crate) title: String,
}

/// Errors over time with their 95 % intervals against the band of the maximum permissible error. Estimates newest first;
/// those without a level are left out: a difference from a set's mean has no place in an absolute band.
pub(crate) fn errors(estimates: &[Estimate], label: &str) -> String {
    let points: Vec<Point> = estimates
        .iter()
        .rev()
        .filter(|estimate| estimate.grounded)
        .filter_map(|estimate| {
            let (lower, upper) = estimate.interval95()?;
            Some(Point { at: estimate.as_of.as_second(), error: estimate.error?, lower, upper })
        })
        .collect();
    match estimates.first() {
        Some(newest) => over_time(&points, &[], newest.limit, label),
        None => String::new(),
    }
}

/// Points in the order of time, with lines where something happened; what happened before the first point is not in the chart. Empty
/// without a point. The scale follows the points; an interval that is far wider than the band is cut off at its edge.
pub(crate) fn over_time(points: &[Point], events: &[Event], limit: f64, label: &str) -> String {
    let Some(plot) = Plot::of(points, events, limit) else { return String::new() };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
         <rect class=\"band\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        escape(label),
        plot.y(limit),
        WIDTH - LEFT - RIGHT,
        plot.y(-limit) - plot.y(limit)
    );
    plot.write_errors(&mut svg);
    plot.write_events(&mut svg, events);
    plot.write_points(&mut svg, points);
    plot.write_days(&mut svg);
    svg.push_str("</svg>");
    svg
}

/// Where moments and errors lie in a chart.
struct Plot {
    first: i64,
    last: i64,
    limit: f64,
    /// The largest error shown.
    reach: f64,
    top: f64,
}

impl Plot {
    fn of(points: &[Point], events: &[Event], limit: f64) -> Option<Self> {
        let (first, last) = (points.first()?.at, points.last()?.at);
        let wide = points.iter().fold(1.5 * limit, |reach, point| reach.max(-point.lower).max(point.upper));
        let least =
            points.iter().fold(REACH_LIMITS * limit, |reach, point| reach.max(1.5 * point.error.abs()));
        let shown = events.iter().filter(|event| (first..=last).contains(&event.at));
        let rows = shown.map(|event| event.kind.row() + 1).max().unwrap_or(0);
        Some(Self { first, last, limit, reach: 1.05 * wide.min(least), top: TOP + LETTER * rows as f64 })
    }

    fn y(&self, error: f64) -> f64 {
        let share = (self.reach - error.clamp(-self.reach, self.reach)) / (2.0 * self.reach);
        self.top + (HEIGHT - self.top - BOTTOM) * share
    }

    fn x(&self, at: i64) -> f64 {
        let share = if self.first == self.last {
            0.5
        } else {
            (at - self.first) as f64 / (self.last - self.first) as f64
        };
        LEFT + INSET + (WIDTH - LEFT - RIGHT - 2.0 * INSET) * share
    }

    /// Errors that are named: zero and the limit, else the first of its 2, 5, 10, … -fold that leave room for letters; and the last that fits.
    fn ticks(&self) -> Vec<f64> {
        let room = |step: &f64| LETTER <= self.y(0.0) - self.y(*step);
        let folds = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
        let step = folds.map(|fold| fold * self.limit).into_iter().find(room).unwrap_or(self.reach);
        let outer = step * (self.reach / step).floor();
        let mut ticks = vec![-step, 0.0, step];
        if 1.5 * step < outer {
            ticks.extend([-outer, outer]);
        }
        ticks
    }

    fn write_errors(&self, svg: &mut String) {
        for tick in self.ticks() {
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>\
                 <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
                WIDTH - RIGHT,
                self.y(tick),
                LEFT - 6.0,
                self.y(tick) + 4.5,
                if tick == 0.0 { "0 %".to_owned() } else { format!("{:+.1} %", 100.0 * tick) }
            );
        }
    }

    /// Lines where something happened. Of several of a kind that are too near each other the first has the letter.
    fn write_events(&self, svg: &mut String, events: &[Event]) {
        let mut shown: Vec<&Event> =
            events.iter().filter(|event| (self.first..=self.last).contains(&event.at)).collect();
        shown.sort_by_key(|event| event.at);
        let mut lettered = [f64::NEG_INFINITY; 3];
        for event in shown {
            let (x, row) = (self.x(event.at), event.kind.row());
            let _ = write!(
                svg,
                "<g class=\"event {0}\"><title>{1}</title><line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{2:.1}\" y2=\"{3:.1}\"/>",
                event.kind.word(),
                escape(&event.title),
                self.top,
                HEIGHT - BOTTOM
            );
            if LETTER <= x - lettered[row] {
                lettered[row] = x;
                let _ = write!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    TOP + LETTER * row as f64,
                    event.kind.letter()
                );
            }
            svg.push_str("</g>");
        }
    }

    fn write_points(&self, svg: &mut String, points: &[Point]) {
        let room = (WIDTH - LEFT - RIGHT) / points.len().max(1) as f64;
        svg.push_str("<path class=\"interval\" d=\"");
        for point in points {
            let _ =
                write!(svg, "M{:.1} {:.1}V{:.1}", self.x(point.at), self.y(point.upper), self.y(point.lower));
        }
        svg.push_str("\"/>");
        for point in points {
            let _ = write!(
                svg,
                "<circle class=\"point\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\"/>",
                self.x(point.at),
                self.y(point.error),
                RADIUS.min(0.45 * room)
            );
        }
    }

    /// The first and the last day.
    fn write_days(&self, svg: &mut String) {
        let ends = [(self.first, "start", LEFT), (self.last, "end", WIDTH - RIGHT)];
        let one = [(self.last, "middle", self.x(self.last))];
        for (at, anchor, x) in if self.first == self.last { &one[..] } else { &ends } {
            let day = jiff::Timestamp::from_second(*at).map(crate::view::day).unwrap_or_default();
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{day}</text>",
                HEIGHT - 8.0
            );
        }
    }
}

/// The operating characteristic of a sampling plan: probability up, a number of bad ones across, and marks with a letter each. Empty
/// without a point.
pub(crate) fn characteristic(
    points: &[(u32, f64)],
    marks: &[(&str, u32, f64)],
    (across, up): (&str, &str),
    label: &str,
) -> String {
    let Some((last, _)) = points.last() else { return String::new() };
    let foot = HEIGHT - 2.0 * BOTTOM;
    let x = |bad: u32| LEFT + (WIDTH - RIGHT - LEFT) * f64::from(bad) / f64::from(*last).max(1.0);
    let y = |share: f64| TOP + LETTER + (foot - TOP - LETTER) * (1.0 - share);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
         <text x=\"4\" y=\"{:.1}\">{}</text>",
        escape(label),
        TOP - 2.0,
        escape(up)
    );
    let line: Vec<String> =
        points.iter().map(|(bad, share)| format!("{:.1},{:.1}", x(*bad), y(*share))).collect();
    write_shares(&mut svg, y);
    let _ = write!(svg, "<polyline class=\"curve\" points=\"{}\"/>", line.join(" "));
    for (letter, bad, share) in marks.iter().filter(|(_, bad, _)| bad <= last) {
        let _ = write!(
            svg,
            "<circle class=\"point\" cx=\"{0:.1}\" cy=\"{1:.1}\" r=\"4\"/><text x=\"{2:.1}\" y=\"{3:.1}\">{letter}</text>",
            x(*bad),
            y(*share),
            x(*bad) + 7.0,
            y(*share) - 5.0
        );
    }
    for (bad, anchor) in [(0, "start"), (last / 2, "middle"), (*last, "end")] {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{bad}</text>",
            x(bad),
            foot + 18.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></svg>",
        0.5 * (LEFT + WIDTH - RIGHT),
        foot + 38.0,
        escape(across)
    );
    svg
}

/// Lines at none, half and all.
fn write_shares(svg: &mut String, y: impl Fn(f64) -> f64) {
    for share in [0.0, 0.5, 1.0] {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>\
             <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4:.0} %</text>",
            WIDTH - RIGHT,
            y(share),
            LEFT - 6.0,
            y(share) + 4.5,
            100.0 * share
        );
    }
}

/// Text fit for SVG and HTML.
pub(crate) fn escape(text: &str) -> String {
    let text: String = text.chars().map(view::visible).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use veripile_pile::RemoteVerdict;

    fn estimate(day: i64, error: Option<f64>) -> Estimate {
        Estimate {
            as_of: jiff::Timestamp::from_second(1_770_000_000 + 86_400 * day).expect("in range"),
            component: 0,
            grounded: true,
            charges: 10,
            period: None,
            error,
            standard_uncertainty: error.map(|_| 0.001),
            probability_conform: None,
            limit: 0.01,
            rule: "r".into(),
            verdict: RemoteVerdict::Conform,
        }
    }

    // Half of the way across is x = 60 + (312 − 60)/2 = 186; half of the way up y = 29 + (168 − 29)/2 = 98.5.
    #[test]
    fn a_characteristic_runs_from_corner_to_corner_and_marks_are_on_it() {
        let points = [(0, 1.0), (10, 0.5), (20, 0.0)];
        let svg = characteristic(&points, &[("a", 10, 0.5), ("b", 21, 0.1)], ("bad < all", "share"), "x");
        assert!(svg.contains("points=\"60.0,29.0 186.0,98.5 312.0,168.0\""), "{svg}");
        assert!(svg.contains("cx=\"186.0\" cy=\"98.5\"") && svg.matches("<circle").count() == 1, "{svg}");
        assert!(svg.contains("bad &lt; all"));
        assert_eq!(characteristic(&[], &[], ("", ""), ""), "");
    }

    #[test]
    fn every_estimate_with_a_value_is_a_point_and_zero_is_in_the_middle() {
        let svg = errors(&[estimate(2, Some(0.0)), estimate(1, None), estimate(0, Some(0.002))], "a < b");
        assert_eq!(svg.matches("class=\"point\"").count(), 2);
        // (14 + 220 − 26) / 2 = 104: the middle between top and bottom margin.
        assert!(svg.contains("cy=\"104.0\""), "{svg}");
        assert!(svg.contains("a &lt; b"));
        assert_eq!(errors(&[], "x"), "");
        assert_eq!(errors(&[estimate(0, None)], "x"), "");
    }

    #[test]
    fn events_are_marked_where_there_are_points_and_a_wide_interval_does_not_flatten_the_others() {
        let point = |at: i64, upper: f64| Point { at, error: 0.0, lower: -upper, upper };
        let event = |at: i64| Event { at, kind: EventKind::Step, title: "a < b".to_owned() };
        let points = [point(1_000_000, 0.5), point(2_000_000, 0.005)];
        let svg = over_time(&points, &[event(999_999), event(1_500_000)], 0.01, "x");
        assert_eq!(svg.matches("class=\"event step\"").count(), 1);
        assert!(svg.contains("<title>a &lt; b</title>"));
        // The band is ±1 of ±4.2, below a row of letters: (220 − 14 − 15 − 26) × 1/4.2 = 39.3 high.
        assert!(svg.contains("height=\"39.3\""), "{svg}");
        assert_eq!(over_time(&[], &[event(1)], 0.01, "x"), "");
    }

    /// Texts of a chart with the baseline of each.
    fn texts(svg: &str) -> Vec<(f64, f64, String)> {
        let number = |text: &str, name: &str| -> f64 {
            let (_, rest) = text.split_once(&format!(" {name}=\"")).expect("given");
            rest.split('"').next().expect("closed").parse().expect("a number")
        };
        let text = |one: &str| {
            let (_, content) = one.split_once('>').expect("a text");
            (number(one, "x"), number(one, "y"), content.split('<').next().unwrap_or_default().to_owned())
        };
        svg.split("<text").skip(1).map(text).collect()
    }

    #[test]
    fn letters_of_errors_leave_each_other_room_however_far_the_errors_reach() {
        for (error, expected) in [
            (0.0, &["-1.0 %", "0 %", "+1.0 %"][..]),
            // ±3.6 % and a margin of a twentieth: a limit is 90 × 1/3.78 = 24 high, and three of them fit.
            (0.035, &["-1.0 %", "0 %", "+1.0 %", "-3.0 %", "+3.0 %"]),
            // ±10.6 %: a limit is 90/10.6 = 8.5 high, two of them are 17; five times as much fits.
            (0.1, &["-2.0 %", "0 %", "+2.0 %", "-10.0 %", "+10.0 %"]),
        ] {
            let point = |at| Point { at, error, lower: error - 0.001, upper: error + 0.001 };
            let svg = over_time(&[point(0), point(86_400)], &[], 0.01, "x");
            let named: Vec<_> = texts(&svg).into_iter().filter(|(_, _, text)| text.ends_with('%')).collect();
            assert_eq!(named.iter().map(|(_, _, text)| text.as_str()).collect::<Vec<_>>(), expected);
            let mut heights: Vec<f64> = named.iter().map(|(_, y, _)| *y).collect();
            heights.sort_by(f64::total_cmp);
            assert!(heights.windows(2).all(|pair| LETTER - 0.1 <= pair[1] - pair[0]), "{heights:?}");
        }
    }

    #[test]
    fn letters_of_events_never_meet() {
        let point = |at: i64| Point { at: 86_400 * at, error: 0.0, lower: -0.001, upper: 0.001 };
        let events: Vec<Event> = (0..100)
            .flat_map(|at| EventKind::ALL.map(|kind| Event { at: 86_400 * at, kind, title: String::new() }))
            .collect();
        let svg = over_time(&[point(0), point(99)], &events, 0.01, "x");
        assert_eq!(svg.matches("<g class=\"event").count(), 300);
        let letters: Vec<_> = texts(&svg).into_iter().filter(|(_, y, _)| *y < 50.0).collect();
        // 232 units across hold a letter every 15 to 17 units: one of seven days.
        assert_eq!(letters.len(), 3 * 15, "{letters:?}");
        for (index, (x, y, _)) in letters.iter().enumerate() {
            let near = |(other_x, other_y, _): &(f64, f64, String)| {
                (other_x - x).abs() < LETTER - 0.1 && (other_y - y).abs() < LETTER - 0.1
            };
            assert!(!letters[index + 1..].iter().any(near), "{x} {y}");
        }
    }
}
