//! Sheets as a PDF file: PDF/A-3b, the archive's form, with the signed JSON attached, from which all of it was made.
//!
//! Called by [`super::pdf`]. The same sheets give the same bytes: dates and the document's id come from the certificate.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::{PathBuilder, Point, Rect, Transform};
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::{Fill, FillRule, Stroke, StrokeDash};
use krilla::surface::Surface;
use krilla::{Document, SerializeSettings};

use super::PdfError;
use super::font::Font;
use super::sheet::PAPER;
use crate::certificate::SHANGHAI;
use crate::shape::{Anchor, Ink, Label, Outline, Place, Run, Shape, Weight};

/// Thickness that makes a text bold, as a part of its size.
const BOLD: f64 = 0.035;

/// A quarter of a circle as a Bézier curve: distance of the control points, as a part of the radius.
const CIRCLE: f64 = 0.552_284_75;

/// What a reader of the file is told besides its sheets.
pub(super) struct Facts<'a> {
    /// Title.
    pub(super) title: String,
    /// Who issued it.
    pub(super) author: &'a str,
    /// Program and version.
    pub(super) software: &'a str,
    /// When.
    pub(super) at: Timestamp,
    /// Language code.
    pub(super) language: &'a str,
    /// What identifies it.
    pub(super) id: &'a str,
    /// Name, description and content of the attached file.
    pub(super) attached: (String, &'a str, &'a str),
}

/// The file.
pub(super) fn write(sheets: &[Vec<Shape>], font: &Font, facts: &Facts) -> Result<Vec<u8>, PdfError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A3_B)
        .finish()
        .map_err(|error| PdfError::Write(format!("{error:?}")))?;
    let mut document = Document::new_with(SerializeSettings { configuration, ..Default::default() });
    let date = date(facts.at);
    document.set_metadata(
        Metadata::new()
            .title(facts.title.clone())
            .authors(vec![facts.author.to_owned()])
            .creator(facts.software.to_owned())
            .producer(facts.software.to_owned())
            .language(facts.language.to_owned())
            .document_id(facts.id.to_owned())
            .creation_date(date),
    );
    let (path, description, content) = &facts.attached;
    let attached = EmbeddedFile {
        path: path.clone(),
        mime_type: MimeType::new("application/json"),
        description: Some((*description).to_owned()),
        association_kind: AssociationKind::Source,
        data: content.as_bytes().to_vec().into(),
        modification_date: Some(date),
        compress: Some(true),
        location: None,
    };
    document.embed_file(attached).ok_or_else(|| PdfError::Write("nothing can be attached".to_owned()))?;
    let paper = PageSettings::from_wh(PAPER.0 as f32, PAPER.1 as f32);
    let paper = paper.ok_or_else(|| PdfError::Write("paper without a size".to_owned()))?;
    for sheet in sheets {
        let mut page = document.start_page_with(paper.clone());
        let mut surface = page.surface();
        sheet.iter().for_each(|shape| draw(&mut surface, font, shape));
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| PdfError::Write(error.to_string()))
}

fn date(at: Timestamp) -> DateTime {
    let at = at.to_zoned(TimeZone::fixed(SHANGHAI)).datetime();
    DateTime::new(at.year().unsigned_abs())
        .month(at.month().unsigned_abs())
        .day(at.day().unsigned_abs())
        .hour(at.hour().unsigned_abs())
        .minute(at.minute().unsigned_abs())
        .second(at.second().unsigned_abs())
        .utc_offset_hour(8)
        .utc_offset_minute(0)
}

fn draw(surface: &mut Surface, font: &Font, shape: &Shape) {
    let mut path = PathBuilder::new();
    match shape {
        Shape::Text(label) => return text(surface, font, label),
        Shape::Line { from, to, outline, dash } => {
            path.move_to(from.0 as f32, from.1 as f32);
            path.line_to(to.0 as f32, to.1 as f32);
            surface.set_fill(None);
            surface.set_stroke(Some(stroke(*outline, *dash)));
        }
        Shape::Area { corners, fill: inside, outline } => {
            polygon(&mut path, corners);
            surface.set_fill(Some(fill(*inside)));
            surface.set_stroke(outline.map(|outline| stroke(outline, 0.0)));
        }
        Shape::Circle { centre, radius, fill: inside, outline } => {
            circle(&mut path, *centre, *radius);
            surface.set_fill(Some(fill(*inside)));
            surface.set_stroke(outline.map(|outline| stroke(outline, 0.0)));
        }
    }
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}

fn polygon(path: &mut PathBuilder, corners: &[Place]) {
    let (xs, ys) = (corners.iter().map(|corner| corner.0), corners.iter().map(|corner| corner.1));
    let (left, right) = (xs.clone().fold(f64::MAX, f64::min), xs.fold(f64::MIN, f64::max));
    let (top, bottom) = (ys.clone().fold(f64::MAX, f64::min), ys.fold(f64::MIN, f64::max));
    let is_edge = |corner: &Place| [left, right].contains(&corner.0) && [top, bottom].contains(&corner.1);
    // An upright rectangle is one operator instead of five.
    if corners.len() == 4 && corners.iter().all(is_edge) {
        let rect = Rect::from_ltrb(left as f32, top as f32, right as f32, bottom as f32);
        if let Some(rect) = rect {
            path.push_rect(rect);
            return;
        }
    }
    for (index, (x, y)) in corners.iter().enumerate() {
        if index == 0 {
            path.move_to(*x as f32, *y as f32);
        } else {
            path.line_to(*x as f32, *y as f32);
        }
    }
    path.close();
}

fn circle(path: &mut PathBuilder, centre: Place, radius: f64) {
    let at = |x: f64, y: f64| ((centre.0 + radius * x) as f32, (centre.1 + radius * y) as f32);
    let begin = at(1.0, 0.0);
    path.move_to(begin.0, begin.1);
    for (x, y) in [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)] {
        // The quarter from (x, y) to (−y, x).
        let first = at(x - CIRCLE * y, y + CIRCLE * x);
        let second = at(-y + CIRCLE * x, x + CIRCLE * y);
        let end = at(-y, x);
        path.cubic_to(first.0, first.1, second.0, second.1, end.0, end.1);
    }
    path.close();
}

fn text(surface: &mut Surface, font: &Font, label: &Label) {
    let printable = font.printable(&label.text);
    let width = font.width(&printable, label.size);
    let before = match label.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    let at = label.at;
    let glyphs = font.glyphs(&printable);
    surface.set_fill(Some(fill(label.ink)));
    let bold = Outline { ink: label.ink, width: BOLD * label.size };
    surface.set_stroke((label.weight == Weight::Bold).then(|| stroke(bold, 0.0)));
    let (start, turn) = match label.run {
        Run::Level => ((at.0 - before, at.1), Transform::identity()),
        Run::Upwards => ((-before, 0.0), Transform::from_row(0.0, -1.0, 1.0, 0.0, at.0 as f32, at.1 as f32)),
    };
    let start = Point::from_xy(start.0 as f32, start.1 as f32);
    surface.push_transform(&turn);
    surface.draw_glyphs(start, &glyphs, font.embedded(), &printable, label.size as f32, false);
    surface.pop();
}

fn colour(ink: Ink) -> rgb::Color {
    let (red, green, blue) = ink.rgb();
    rgb::Color::new(red, green, blue)
}

fn fill(ink: Ink) -> Fill {
    Fill { paint: colour(ink).into(), rule: FillRule::NonZero, ..Default::default() }
}

fn stroke(outline: Outline, dash: f64) -> Stroke {
    let dash = (0.0 < dash).then(|| StrokeDash { array: vec![dash as f32, dash as f32], offset: 0.0 });
    Stroke { paint: colour(outline.ink).into(), width: outline.width as f32, dash, ..Default::default() }
}
