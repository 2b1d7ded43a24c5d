//! Sheets of paper being filled from top to bottom: where the next line goes, when a new sheet begins, what stands on each.
//!
//! Called by the parts of a document. Knows paper and lines, nothing of certificates.

use super::PdfError;
use super::font::Font;
use crate::shape::{Anchor, Ink, Label, Place, Run, Shape, Weight};

/// A4, points.
pub(super) const PAPER: (f64, f64) = (595.276, 841.89);
/// Margins, points: 20 mm at the sides, 22 mm at top and bottom with number and page in them.
pub(super) const SIDE: f64 = 56.7;
pub(super) const TOP: f64 = 62.4;
pub(super) const BOTTOM: f64 = 62.4;
/// Width of what is printed.
pub(super) const WIDTH: f64 = PAPER.0 - 2.0 * SIDE;
/// Height of what is printed.
pub(super) const HEIGHT: f64 = PAPER.1 - TOP - BOTTOM;

/// Sheets of one document, at most: the largest plan with its budgets needs a tenth; more is a text that nobody reads.
pub(super) const SHEETS_MAX: usize = 200;

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Size, points.
    pub(super) size: f64,
    /// From base line to base line, points.
    pub(super) leading: f64,
    /// Weight.
    pub(super) weight: Weight,
    /// Colour.
    pub(super) ink: Ink,
}

/// Running text.
pub(super) const BODY: Style = Style { size: 9.0, leading: 13.5, weight: Weight::Regular, ink: Ink::Black };
/// Explanations.
pub(super) const SMALL: Style = Style { size: 7.5, leading: 11.0, weight: Weight::Regular, ink: Ink::Grey };
/// Cells of tables.
pub(super) const CELL: Style = Style { size: 8.0, leading: 11.0, weight: Weight::Regular, ink: Ink::Black };

/// The sheets.
pub(super) struct Sheets<'a> {
    /// The font.
    pub(super) font: &'a Font,
    sheets: Vec<Vec<Shape>>,
    y: f64,
}

impl<'a> Sheets<'a> {
    /// One empty sheet.
    pub(super) fn new(font: &'a Font) -> Self {
        Self { font, sheets: vec![Vec::new()], y: TOP }
    }

    /// Height of what has been used of the sheet at hand, from the paper's top.
    pub(super) fn y(&self) -> f64 {
        self.y
    }

    /// Height that is left on the sheet at hand.
    pub(super) fn room(&self) -> f64 {
        PAPER.1 - BOTTOM - self.y
    }

    /// Whether nothing stands on the sheet at hand.
    pub(super) fn is_fresh(&self) -> bool {
        self.y <= TOP
    }

    /// Goes down; at the top of a sheet there is nothing to keep away from.
    pub(super) fn skip(&mut self, height: f64) {
        if !self.is_fresh() {
            self.y += height;
        }
    }

    /// Goes down by what was drawn.
    pub(super) fn advance(&mut self, height: f64) {
        self.y += height;
    }

    /// Goes to a new sheet if less than that is left.
    pub(super) fn need(&mut self, height: f64) -> Result<(), PdfError> {
        if self.room() < height && !self.is_fresh() { self.turn() } else { Ok(()) }
    }

    /// Goes to a new sheet.
    pub(super) fn turn(&mut self) -> Result<(), PdfError> {
        if self.sheets.len() == SHEETS_MAX {
            return Err(PdfError::TooLong);
        }
        self.sheets.push(Vec::new());
        self.y = TOP;
        Ok(())
    }

    /// Draws on the sheet at hand, where the shape says.
    pub(super) fn put(&mut self, shape: Shape) {
        if let Some(sheet) = self.sheets.last_mut() {
            sheet.push(shape);
        }
    }

    /// Writes one line, where its place says. The text must be printable.
    pub(super) fn write(&mut self, at: Place, anchor: Anchor, style: Style, text: &str) {
        self.put(label(at, anchor, style, text));
    }

    /// A heading, kept together with so much of what follows.
    pub(super) fn heading(&mut self, text: &str, following: f64) -> Result<(), PdfError> {
        self.need(30.0 + following)?;
        self.skip(10.0);
        let style = Style { size: 11.0, leading: 16.0, weight: Weight::Bold, ink: Ink::Black };
        let text = self.font.printable(text);
        self.write((SIDE, self.y + 11.5), Anchor::Start, style, &text);
        self.y += 20.0;
        Ok(())
    }

    /// A paragraph over the whole width, from sheet to sheet.
    pub(super) fn paragraph(&mut self, text: &str, style: Style) -> Result<(), PdfError> {
        for line in self.font.lines(text, style.size, WIDTH) {
            self.need(style.leading)?;
            self.write((SIDE, self.y + 0.76 * style.leading), Anchor::Start, style, &line);
            self.y += style.leading;
        }
        Ok(())
    }

    /// The sheets, each with what stands on all of them.
    pub(super) fn finish(mut self, running: impl Fn(usize, usize) -> Vec<Shape>) -> Vec<Vec<Shape>> {
        let count = self.sheets.len();
        for (index, sheet) in self.sheets.iter_mut().enumerate() {
            sheet.extend(running(index + 1, count));
        }
        self.sheets
    }
}

/// One line of text.
pub(super) fn label(at: Place, anchor: Anchor, style: Style, text: &str) -> Shape {
    Shape::Text(Label {
        at,
        anchor,
        size: style.size,
        weight: style.weight,
        run: Run::Level,
        ink: style.ink,
        text: text.to_owned(),
    })
}
