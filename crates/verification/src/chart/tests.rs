//! Tests of the error chart.

use super::*;
use crate::samples::{self, decimal};
use veripile_pile::PileKind;

fn point(label: &str, errors: &[&str], mean: Option<(&str, &str)>, verdict: Option<Verdict>) -> ChartPoint {
    ChartPoint {
        label: label.into(),
        errors_percent: errors.iter().map(|error| decimal(error)).collect(),
        error_percent: mean.map(|(error, _)| decimal(error)),
        expanded_percent: mean.map(|(_, expanded)| decimal(expanded)),
        verdict,
    }
}

fn chart(points: Vec<ChartPoint>) -> Chart {
    Chart {
        limit_percent: decimal("2"),
        points,
        y_title: "Error / %".into(),
        x_title: "Load point".into(),
        limit_label: "MPE ±2 %".into(),
        alt: "a < b & \"c\"".into(),
    }
}

#[test]
fn every_reading_is_a_circle_and_every_verdict_its_shape() {
    let svg = chart(vec![
        point("220 V 32 A 1.0", &["0.1", "0.2"], Some(("0.15", "0.1")), Some(Verdict::Conform)),
        point("220 V 32 A 0.5", &["3.1", "3.2"], Some(("3.15", "0.1")), Some(Verdict::Nonconform)),
        point("220 V 6 A 1.0", &["2.0", "2.1"], Some(("2.05", "0.1")), Some(Verdict::Undecided)),
    ])
    .svg();
    assert_eq!(svg.matches("<circle").count(), 6 + 1);
    assert_eq!(svg.matches("fill=\"#1a7f37\"/>").count(), 1, "one filled circle");
    assert_eq!(svg.matches("fill=\"#c61f2b\"").count(), 1);
    assert_eq!(svg.matches("fill=\"#b06a00\"").count(), 1);
    for text in
        ["role=\"img\"", "<title>a &lt; b &amp; &quot;c&quot;</title>", ">+2</text>", ">\u{2212}2</text>"]
    {
        assert!(svg.contains(text), "{text} in {svg}");
    }
    for banned in ["style=", "<script", "<style", "on", "href"] {
        let attributes = svg.split('>').filter(|part| part.contains('<'));
        let has = attributes.filter(|part| part.contains(&format!(" {banned}"))).count();
        assert_eq!(has, 0, "{banned}");
    }
}

// The zero line and a mean of zero are at the same height; by the axis ±2.8 with 4 % air on both sides zero is the middle of
// a plot from 30 to 240: 135.
#[test]
fn zero_is_in_the_middle_where_nothing_stretches_the_axis() {
    let svg = chart(vec![point("a", &[], Some(("0", "0.1")), None)]).svg();
    assert!(svg.contains("cy=\"135\""), "{svg}");
    assert!(svg.contains("y1=\"135\" x2=\"356\" y2=\"135\" stroke=\"#1c1f23\""), "{svg}");
}

#[test]
fn a_run_that_goes_on_is_drawn_as_far_as_it_is() {
    let order = samples::order(PileKind::Ac, "2");
    let none = Chart::so_far(&order, &[], Language::En).expect("a limit");
    assert_eq!(none.points.len(), 3);
    assert_eq!(none.svg().matches("<circle").count(), 0);
    let errors: Vec<Decimal> = ["0.3", "0.31", "0.29", "0.5"].iter().map(|error| decimal(error)).collect();
    let taken = samples::readings(&order, &errors);
    let some = Chart::so_far(&order, &taken, Language::En).expect("a limit");
    assert_eq!(some.points[0].verdict, Some(Verdict::Conform));
    assert_eq!((some.points[1].errors_percent.len(), some.points[1].error_percent), (1, None));
    assert_eq!(some.points[2].errors_percent.len(), 0);
    assert_eq!(some.svg().matches("<circle").count(), 4 + 1);
}

#[test]
fn a_chart_of_nothing_and_one_of_wild_numbers_are_drawn() {
    let empty = chart(Vec::new()).svg();
    assert!(empty.contains("</svg>"));
    let wild = "79228162514264337593543950335";
    let mean = Some((wild, wild));
    let svg = chart(vec![point(&"桩".repeat(300), &[wild, "-1"], mean, Some(Verdict::Nonconform))]).svg();
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn the_same_chart_gives_the_same_bytes() {
    let result = samples::longest().certificate.result;
    let svg = |language| Chart::of_result(&result, language).svg();
    assert_eq!(svg(Language::Zh), svg(Language::Zh));
    assert_ne!(svg(Language::Zh), svg(Language::En));
}

#[test]
fn labels_keep_numbers_with_their_units() {
    assert_eq!(lines("220 V 32 A 1.0", 45.0), ["220 V", "32 A", "1.0"]);
    assert_eq!(lines("220 V 32 A 1.0", 200.0), ["220 V 32 A 1.0"]);
    assert_eq!(power_factor(decimal("1")), "1.0");
    assert_eq!(power_factor(decimal("0.50")), "0.5");
    assert_eq!(power_factor(decimal("0.25")), "0.25");
}
