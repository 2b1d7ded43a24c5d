//! Tables: columns with titles that come again on every sheet, rows with wrapped cells, bands that head a group of rows.
//!
//! Called by the parts of a document. A row stays whole unless it is taller than a sheet.

use super::PdfError;
use super::sheet::{CELL, HEIGHT, SIDE, Sheets, Style, WIDTH};
use crate::chart;
use crate::result::Verdict;
use crate::shape::{Anchor, Ink, Shape, Weight};

/// Space above and below the text of a row, and left and right of a cell's.
const PAD: (f64, f64) = (2.3, 2.5);

/// Bold cells.
const STRONG: Style = Style { weight: Weight::Bold, ..CELL };

/// A column.
pub(super) struct Column<'a> {
    title: &'a str,
    share: f64,
    anchor: Anchor,
}

impl<'a> Column<'a> {
    /// A column of texts, without a head where no column has a title; its share of the width against those of the others.
    pub(super) fn left(title: &'a str, share: f64) -> Self {
        Self { title, share, anchor: Anchor::Start }
    }

    /// A column of short texts and numbers of one form.
    pub(super) fn middle(title: &'a str, share: f64) -> Self {
        Self { title, share, anchor: Anchor::Middle }
    }
}

/// A cell.
pub(super) struct Cell {
    text: String,
    verdict: Option<Verdict>,
    style: Style,
}

impl Cell {
    /// A plain cell.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), verdict: None, style: CELL }
    }

    /// A cell that stands out.
    pub(super) fn strong(text: impl Into<String>) -> Self {
        Self { text: text.into(), verdict: None, style: STRONG }
    }

    /// What a fact is called.
    pub(super) fn name(text: impl Into<String>) -> Self {
        Self { text: text.into(), verdict: None, style: Style { ink: Ink::Grey, ..CELL } }
    }

    /// A conclusion with its mark.
    pub(super) fn verdict(text: impl Into<String>, verdict: Verdict) -> Self {
        Self { text: text.into(), verdict: Some(verdict), style: STRONG }
    }
}

/// Width that a mark needs before a text.
const MARK: f64 = 10.0;

/// A table being written.
pub(super) struct Table<'s, 'a, 'c> {
    sheets: &'s mut Sheets<'a>,
    columns: Vec<Column<'c>>,
    titles: Vec<Vec<String>>,
    lefts: Vec<f64>,
}

impl<'s, 'a, 'c> Table<'s, 'a, 'c> {
    /// Begins a table. Its head and a row fit on the sheet, or it begins on the next one.
    pub(super) fn begin(sheets: &'s mut Sheets<'a>, columns: Vec<Column<'c>>) -> Result<Self, PdfError> {
        let whole: f64 = columns.iter().map(|column| column.share).sum();
        let mut lefts = vec![SIDE];
        for column in &columns {
            lefts.push(lefts.last().copied().unwrap_or(SIDE) + WIDTH * column.share / whole);
        }
        let mut table = Self { sheets, columns, titles: Vec::new(), lefts };
        let titles = table.columns.iter().enumerate();
        let titles = titles.map(|(index, column)| table.lines(index, column.title, STRONG, 0.0)).collect();
        table.titles = titles;
        table.sheets.need(table.head_height() + 3.0 * CELL.leading)?;
        table.head();
        Ok(table)
    }

    /// Writes a table of rows that are there already.
    pub(super) fn whole(
        sheets: &'s mut Sheets<'a>,
        columns: Vec<Column<'c>>,
        rows: &[Vec<Cell>],
    ) -> Result<(), PdfError> {
        let mut table = Self::begin(sheets, columns)?;
        for row in rows {
            table.row(row)?;
        }
        table.end();
        Ok(())
    }

    /// Writes a row.
    pub(super) fn row(&mut self, cells: &[Cell]) -> Result<(), PdfError> {
        let cells: Vec<(Vec<String>, &Cell)> = cells
            .iter()
            .enumerate()
            .map(|(index, cell)| {
                let mark = if cell.verdict.is_some() { MARK } else { 0.0 };
                (self.lines(index, &cell.text, cell.style, mark), cell)
            })
            .collect();
        let most = cells.iter().map(|(lines, _)| lines.len()).max().unwrap_or(0).max(1);
        if self.sheets.room() < height(most) {
            self.turn()?;
        }
        let mut done = 0;
        while done < most {
            let fitting = ((self.sheets.room() - 2.0 * PAD.0) / CELL.leading).floor() as usize;
            let end = (done + fitting.max(1)).min(most);
            self.part(&cells, done, end);
            done = end;
            if done < most {
                self.turn()?;
            }
        }
        Ok(())
    }

    /// Writes a band over all columns, kept together with so many rows of one line.
    pub(super) fn band(&mut self, text: &str, rows: usize) -> Result<(), PdfError> {
        let lines = self.sheets.font.lines(text, STRONG.size, WIDTH - 2.0 * PAD.1);
        let tall = height(lines.len());
        let together = tall + rows as f64 * height(1);
        if self.sheets.room() < together.min(HEIGHT - self.head_height()) {
            self.turn()?;
        }
        let top = self.sheets.y();
        self.sheets.put(Shape::block((SIDE, top), (WIDTH, tall), Ink::Wash));
        for (number, line) in lines.iter().enumerate() {
            let place = (SIDE + PAD.1, base_line(top, number));
            self.sheets.write(place, Anchor::Start, STRONG, line);
        }
        self.sheets.put(Shape::line((SIDE, top + tall), (SIDE + WIDTH, top + tall), Ink::Pale, 0.4));
        self.sheets.advance(tall);
        Ok(())
    }

    /// Ends it with its last line.
    pub(super) fn end(self) {
        let y = self.sheets.y();
        self.sheets.put(Shape::line((SIDE, y), (SIDE + WIDTH, y), Ink::Black, 0.9));
        self.sheets.advance(5.0);
    }

    fn turn(&mut self) -> Result<(), PdfError> {
        let y = self.sheets.y();
        self.sheets.put(Shape::line((SIDE, y), (SIDE + WIDTH, y), Ink::Black, 0.9));
        self.sheets.turn()?;
        self.head();
        Ok(())
    }

    fn has_head(&self) -> bool {
        self.columns.iter().any(|column| !column.title.is_empty())
    }

    fn head_height(&self) -> f64 {
        if !self.has_head() {
            return 0.0;
        }
        height(self.titles.iter().map(Vec::len).max().unwrap_or(1))
    }

    fn head(&mut self) {
        let (top, tall) = (self.sheets.y(), self.head_height());
        if !self.has_head() {
            self.sheets.put(Shape::line((SIDE, top), (SIDE + WIDTH, top), Ink::Black, 0.9));
            return;
        }
        self.sheets.put(Shape::block((SIDE, top), (WIDTH, tall), Ink::Wash));
        for (y, width) in [(top, 0.9), (top + tall, 0.5)] {
            self.sheets.put(Shape::line((SIDE, y), (SIDE + WIDTH, y), Ink::Black, width));
        }
        let titles = std::mem::take(&mut self.titles);
        for (index, lines) in titles.iter().enumerate() {
            for (number, line) in lines.iter().enumerate() {
                let place = (self.anchored(index, 0.0), base_line(top, number));
                self.sheets.write(place, self.columns[index].anchor, STRONG, line);
            }
        }
        self.titles = titles;
        self.sheets.advance(tall);
    }

    /// Lines of a row from one to before another.
    fn part(&mut self, cells: &[(Vec<String>, &Cell)], from: usize, to: usize) {
        let (top, tall) = (self.sheets.y(), height(to - from));
        for (index, (lines, cell)) in cells.iter().enumerate() {
            let mark = if cell.verdict.is_some() { MARK } else { 0.0 };
            let anchor = self.columns[index].anchor;
            for (number, line) in lines.iter().enumerate().take(to).skip(from) {
                let place = (self.anchored(index, mark), base_line(top, number - from));
                self.sheets.write(place, anchor, cell.style, line);
                if number == 0 && cell.verdict.is_some() {
                    let begin = match anchor {
                        Anchor::Middle => place.0 - self.sheets.font.width(line, cell.style.size) / 2.0,
                        Anchor::Start | Anchor::End => place.0,
                    };
                    let at = (begin - 0.6 * MARK, place.1 - 0.36 * cell.style.size);
                    self.sheets.put(chart::mark(at, 3.0, cell.verdict));
                }
            }
        }
        self.sheets.advance(tall);
        let y = self.sheets.y();
        self.sheets.put(Shape::line((SIDE, y), (SIDE + WIDTH, y), Ink::Pale, 0.4));
    }

    fn lines(&self, column: usize, text: &str, style: Style, mark: f64) -> Vec<String> {
        let width = self.lefts[column + 1] - self.lefts[column] - 2.0 * PAD.1 - mark;
        self.sheets.font.lines(text, style.size, width)
    }

    /// Where the text of a column is anchored, after a mark.
    fn anchored(&self, column: usize, mark: f64) -> f64 {
        let (left, right) = (self.lefts[column] + PAD.1 + mark, self.lefts[column + 1] - PAD.1);
        match self.columns[column].anchor {
            Anchor::Start => left,
            Anchor::Middle => f64::midpoint(left, right),
            Anchor::End => right,
        }
    }
}

/// Height of a row of so many lines.
fn height(lines: usize) -> f64 {
    lines.max(1) as f64 * CELL.leading + 2.0 * PAD.0
}

fn base_line(top: f64, number: usize) -> f64 {
    top + PAD.0 + (number as f64 + 0.75) * CELL.leading
}
