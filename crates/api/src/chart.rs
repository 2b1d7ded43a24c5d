//! Charts as SVG, made here so that page, letter and evidence package show the same bytes. No script, no style attribute.

use std::fmt::Write;

use veripile_pile::Estimate;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 26.0;

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
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let (first, last) = (first.at, last.at);
    let wide = points.iter().fold(1.5 * limit, |reach, point| reach.max(-point.lower).max(point.upper));
    let least = points.iter().fold(REACH_LIMITS * limit, |reach, point| reach.max(1.5 * point.error.abs()));
    let reach = wide.min(least) * 1.05;
    let y = |error: f64| TOP + (HEIGHT - TOP - BOTTOM) * (reach - error.clamp(-reach, reach)) / (2.0 * reach);
    let span = (last - first).max(1) as f64;
    let inner = WIDTH - LEFT - RIGHT - 40.0;
    let x = |at: i64| {
        let share = if first == last { 0.5 } else { (at - first) as f64 / span };
        LEFT + 20.0 + inner * share
    };
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
         <rect class=\"band\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        escape(label),
        y(limit),
        WIDTH - LEFT - RIGHT,
        y(-limit) - y(limit)
    );
    for tick in [-limit, 0.0, limit] {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>\
             <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
            WIDTH - RIGHT,
            y(tick),
            LEFT - 6.0,
            y(tick) + 4.0,
            if tick == 0.0 { "0 %".to_owned() } else { format!("{:+.1} %", 100.0 * tick) }
        );
    }
    for event in events.iter().filter(|event| (first..=last).contains(&event.at)) {
        let _ = write!(
            svg,
            "<g class=\"event {0}\"><title>{1}</title><line x1=\"{2:.1}\" x2=\"{2:.1}\" y1=\"{3:.1}\" y2=\"{4:.1}\"/>\
             <text x=\"{2:.1}\" y=\"{5:.1}\" text-anchor=\"middle\">{6}</text></g>",
            event.kind.word(),
            escape(&event.title),
            x(event.at),
            TOP,
            HEIGHT - BOTTOM,
            TOP - 3.0,
            event.kind.letter()
        );
    }
    for point in points {
        let _ = write!(
            svg,
            "<line class=\"interval\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"/>\
             <circle class=\"point\" cx=\"{0:.1}\" cy=\"{3:.1}\" r=\"3.5\"/>",
            x(point.at),
            y(point.upper),
            y(point.lower),
            y(point.error)
        );
    }
    let mut days = vec![(first, "start"), (last, "end")];
    if first == last {
        days = vec![(last, "middle")];
    }
    for (at, anchor) in days {
        let day = jiff::Timestamp::from_second(at).map(crate::view::day).unwrap_or_default();
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{day}</text>",
            x(at),
            HEIGHT - 8.0
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Width of a chart that a phone shows whole: its letters are still some ten pixels there.
const NARROW: f64 = 400.0;

/// The operating characteristic of a sampling plan: probability up, a number of bad ones across, and marks with a letter each. Empty
/// without a point.
pub(crate) fn characteristic(
    points: &[(u32, f64)],
    marks: &[(&str, u32, f64)],
    (across, up): (&str, &str),
    label: &str,
) -> String {
    let Some((last, _)) = points.last() else { return String::new() };
    let (right, foot) = (NARROW - RIGHT, HEIGHT - 2.0 * BOTTOM);
    let x = |bad: u32| LEFT + (right - LEFT) * f64::from(bad) / f64::from(*last).max(1.0);
    let y = |share: f64| TOP + 8.0 + (foot - TOP - 8.0) * (1.0 - share);
    let mut svg = format!(
        "<svg class=\"chart error-chart\" viewBox=\"0 0 {NARROW} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
         <text x=\"4\" y=\"{:.1}\">{}</text>",
        escape(label),
        TOP,
        escape(up)
    );
    for share in [0.0, 0.5, 1.0] {
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>\
             <text x=\"{1:.1}\" y=\"{2:.1}\" text-anchor=\"end\">{3:.0} %</text>",
            y(share),
            LEFT - 6.0,
            y(share) + 4.0,
            100.0 * share
        );
    }
    let line: Vec<String> =
        points.iter().map(|(bad, share)| format!("{:.1},{:.1}", x(*bad), y(*share))).collect();
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
        0.5 * (LEFT + right),
        foot + 36.0,
        escape(across)
    );
    svg
}

/// Text fit for SVG and HTML.
pub(crate) fn escape(text: &str) -> String {
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

    // Half of the way across is x = 52 + (388 − 52)/2 = 220; half of the way up y = 22 + (168 − 22)/2 = 95.
    #[test]
    fn a_characteristic_runs_from_corner_to_corner_and_marks_are_on_it() {
        let points = [(0, 1.0), (10, 0.5), (20, 0.0)];
        let svg = characteristic(&points, &[("a", 10, 0.5), ("b", 21, 0.1)], ("bad < all", "share"), "x");
        assert!(svg.contains("points=\"52.0,22.0 220.0,95.0 388.0,168.0\""), "{svg}");
        assert!(svg.contains("cx=\"220.0\" cy=\"95.0\"") && svg.matches("<circle").count() == 1, "{svg}");
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
        // The band is ±1 of ±4.2: 180 × 1/4.2 = 42.9 high.
        assert!(svg.contains("height=\"42.9\""), "{svg}");
        assert_eq!(over_time(&[], &[event(1)], 0.01, "x"), "");
    }
}
