//! Charts as SVG, made here so that page, letter and evidence package show the same bytes. No script, no style attribute.

use std::fmt::Write;

use veripile_pile::Estimate;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 26.0;

/// Errors over time with their 95 % intervals against the band of the maximum permissible error. Estimates newest first;
/// those without a level are left out: a difference from a set's mean has no place in an absolute band.
pub(crate) fn errors(estimates: &[Estimate], label: &str) -> String {
    let points: Vec<(i64, f64, f64, f64)> = estimates
        .iter()
        .rev()
        .filter(|estimate| estimate.grounded)
        .filter_map(|estimate| {
            let (lower, upper) = estimate.interval95()?;
            Some((estimate.as_of.as_second(), estimate.error?, lower, upper))
        })
        .collect();
    let Some(limit) = estimates.first().map(|estimate| estimate.limit) else { return String::new() };
    let reach = points.iter().fold(1.5 * limit, |reach, (_, _, low, high)| reach.max(-low).max(*high)) * 1.05;
    let y = |error: f64| TOP + (HEIGHT - TOP - BOTTOM) * (reach - error.clamp(-reach, reach)) / (2.0 * reach);
    let (first, last) = match (points.first(), points.last()) {
        (Some(first), Some(last)) => (first.0, last.0),
        _ => return String::new(),
    };
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
    for (at, error, lower, upper) in &points {
        let _ = write!(
            svg,
            "<line class=\"interval\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"/>\
             <circle class=\"point\" cx=\"{0:.1}\" cy=\"{3:.1}\" r=\"3.5\"/>",
            x(*at),
            y(*upper),
            y(*lower),
            y(*error)
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
}
