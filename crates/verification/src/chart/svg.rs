//! Shapes as SVG text. Presentation attributes only: no style attribute, no script, as pages with a strict policy need it.
//!
//! Called by [`super::Chart::svg`]. The same shapes give the same bytes.

use std::fmt::Write;

use crate::shape::{Anchor, Ink, Label, Outline, Place, Run, Shape, Weight};

/// A drawing of a size, with what it says to those who cannot see it.
pub(super) fn text(size: (f64, f64), alt: &str, shapes: &[Shape]) -> String {
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"error-chart\" role=\"img\" \
         viewBox=\"0 0 {} {}\" font-family=\"system-ui, 'Noto Sans CJK SC', sans-serif\"><title>{}</title>",
        number(size.0),
        number(size.1),
        escape(alt)
    );
    shapes.iter().for_each(|shape| one(&mut svg, shape));
    svg.push_str("</svg>");
    svg
}

fn one(svg: &mut String, shape: &Shape) {
    let _ = match shape {
        Shape::Line { from, to, outline, dash } => write!(
            svg,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}{}/>",
            number(from.0),
            number(from.1),
            number(to.0),
            number(to.1),
            stroke(Some(*outline)),
            if 0.0 < *dash { format!(" stroke-dasharray=\"{}\"", number(*dash)) } else { String::new() }
        ),
        Shape::Area { corners, fill, outline } => write!(
            svg,
            "<polygon points=\"{}\" fill=\"{}\"{}/>",
            corners.iter().map(pair).collect::<Vec<_>>().join(" "),
            colour(*fill),
            stroke(*outline)
        ),
        Shape::Circle { centre, radius, fill, outline } => write!(
            svg,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"{}/>",
            number(centre.0),
            number(centre.1),
            number(*radius),
            colour(*fill),
            stroke(*outline)
        ),
        Shape::Text(label) => write!(svg, "{}", words(label)),
    };
}

fn words(label: &Label) -> String {
    let anchor = match label.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = if label.weight == Weight::Bold { " font-weight=\"bold\"" } else { "" };
    let (x, y) = (number(label.at.0), number(label.at.1));
    let turn = match label.run {
        Run::Level => String::new(),
        Run::Upwards => format!(" transform=\"rotate(-90 {x} {y})\""),
    };
    format!(
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"{anchor}{weight}{turn}>{}</text>",
        number(label.size),
        colour(label.ink),
        escape(&label.text)
    )
}

fn pair(place: &Place) -> String {
    format!("{},{}", number(place.0), number(place.1))
}

fn stroke(outline: Option<Outline>) -> String {
    outline.map_or_else(String::new, |outline| {
        format!(" stroke=\"{}\" stroke-width=\"{}\"", colour(outline.ink), number(outline.width))
    })
}

fn colour(ink: Ink) -> String {
    let (red, green, blue) = ink.rgb();
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Two digits are a hundredth of a pixel; no trailing zeros, and no zero with a minus.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text fit for SVG. Control characters, which XML does not know, become spaces.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_text_is_escaped() {
        for (value, expected) in [(1.0, "1"), (1.5, "1.5"), (1.006, "1.01"), (-0.001, "0"), (100.0, "100")] {
            assert_eq!(number(value), expected);
        }
        assert_eq!(escape("a<b>&\"'\u{1}é桩"), "a&lt;b&gt;&amp;&quot;&#39; é桩");
    }

    #[test]
    fn each_shape_is_one_element() {
        let shapes = [
            Shape::line((0.0, 0.0), (1.0, 1.0), Ink::Black, 1.0),
            Shape::block((0.0, 0.0), (2.0, 1.0), Ink::Band),
        ];
        let svg = text((10.0, 5.0), "x", &shapes);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
        assert!(svg.contains("viewBox=\"0 0 10 5\"") && svg.contains("<title>x</title>"));
        assert!(svg.contains("<polygon points=\"0,0 2,0 2,1 0,1\" fill=\"#e2efe6\"/>"), "{svg}");
        assert!(
            svg.contains("<line x1=\"0\" y1=\"0\" x2=\"1\" y2=\"1\" stroke=\"#1c1f23\" stroke-width=\"1\"/>")
        );
    }
}
