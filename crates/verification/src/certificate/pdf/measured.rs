//! What was measured: the load points with their errors, the chart, the decisions, the uncertainty budgets.
//!
//! Called by [`super::pdf`]. Prints what the result says; computes nothing but, for older formats, a risk from its probability.

use rust_decimal::Decimal;
use veripile_metrology::decision;

use super::number::{digits, given, plain, probability, signed};
use super::sheet::{SIDE, SMALL, WIDTH};
use super::table::{Cell, Column, Table};
use super::{Document, PdfError};
use crate::chart::{self, Chart};
use crate::result::{PointResult, RiskBearer, Verdict};
use crate::texts::{Texts, fill};
use veripile_pile::PileKind;

/// Width of the chart in its own units: with it its letters are as large as a table's.
const CHART_WIDTH: f64 = 720.0;

/// Single errors that have room beside the mean; more have a table of their own.
const SINGLES_MAX: usize = 6;

/// Digits after the point of a coverage factor.
const FACTOR_DIGITS: u32 = 2;

impl Document<'_, '_> {
    /// The table of load points.
    pub(super) fn points(&mut self) -> Result<(), PdfError> {
        self.heading("section.points", 80.0)?;
        let (texts, result) = (self.texts, &self.certificate().result);
        let digits = digits(&result.points);
        let form = Form {
            has_factor: self.certificate().order.plate.kind == PileKind::Ac,
            has_singles: result.points.iter().all(|point| point.errors_percent.len() <= SINGLES_MAX),
            digits,
        };
        let rows: Vec<Vec<Cell>> =
            result.points.iter().enumerate().map(|(index, point)| self.point(index, point, &form)).collect();
        Table::whole(self.sheets, form.columns(texts), &rows)?;
        self.sheets.paragraph(texts.of("points.note"), SMALL)?;
        self.corrections(digits)?;
        if form.has_singles { Ok(()) } else { self.singles(digits) }
    }

    fn point(&self, index: usize, point: &PointResult, form: &Form) -> Vec<Cell> {
        let digits = form.digits;
        let rounded =
            point.rounded_percent.map_or_else(|| "—".to_owned(), |value| signed(value, value.scale()));
        let mut cells = vec![
            Cell::plain((index + 1).to_string()),
            Cell::plain(given(point.point.voltage_v)),
            Cell::plain(given(point.point.current_a)),
        ];
        if form.has_factor {
            let factor = point.point.power_factor;
            cells.push(Cell::plain(factor.map_or_else(|| "—".to_owned(), chart::power_factor)));
        }
        if form.has_singles {
            cells.push(Cell::plain(singles(point, digits)));
        }
        cells.extend([
            Cell::plain(signed(point.error_percent, digits)),
            Cell::strong(rounded),
            Cell::plain(plain(point.expanded_uncertainty_percent, digits)),
            Cell::plain(plain(point.coverage_factor, FACTOR_DIGITS)),
            Cell::plain(format!("±{}", given(point.limit_percent))),
            Cell::verdict(self.verdict(point.verdict), point.verdict),
        ]);
        cells
    }

    /// Single errors in a table of their own, where they are many.
    fn singles(&mut self, digits: u32) -> Result<(), PdfError> {
        let (texts, result) = (self.texts, &self.certificate().result);
        self.sheets.heading(texts.of("points.singles"), 60.0)?;
        let columns = vec![
            Column::middle(texts.of("column.number"), 4.0),
            Column::left(texts.of("column.point"), 16.0),
            Column::left(texts.of("column.singles"), 60.0),
        ];
        let mut table = Table::begin(self.sheets, columns)?;
        for (index, point) in result.points.iter().enumerate() {
            table.row(&[
                Cell::plain((index + 1).to_string()),
                Cell::plain(chart::label(&point.point)),
                Cell::plain(singles(point, digits)),
            ])?;
        }
        table.end();
        Ok(())
    }

    /// What the cable's drop adds, where something was corrected.
    fn corrections(&mut self, digits: u32) -> Result<(), PdfError> {
        let points = self.certificate().result.points.iter().enumerate();
        let corrected: Vec<String> = points
            .filter(|(_, point)| !point.correction_percent.is_zero())
            .map(|(index, point)| {
                format!("{}: {} %", index + 1, signed(point.correction_percent, digits + 1))
            })
            .collect();
        if corrected.is_empty() {
            return Ok(());
        }
        let text = fill(self.texts.of("points.corrected"), &[("corrections", &corrected.join("; "))]);
        self.sheets.paragraph(&text, SMALL)
    }

    /// The chart.
    pub(super) fn chart(&mut self) -> Result<(), PdfError> {
        let chart = Chart::of_result(&self.certificate().result, self.texts.language);
        let (size, shapes) = chart.draw(CHART_WIDTH);
        let scale = WIDTH / size.0;
        let height = size.1 * scale;
        self.heading("section.chart", height + 24.0)?;
        let top = self.sheets.y();
        shapes.into_iter().for_each(|shape| self.sheets.put(shape.placed(scale, (SIDE, top))));
        self.sheets.advance(height + 4.0);
        self.sheets.paragraph(self.texts.of("chart.note"), SMALL)
    }

    /// The decision rule, and what it says of each load point.
    pub(super) fn decisions(&mut self) -> Result<(), PdfError> {
        self.heading("section.decision", 80.0)?;
        let (texts, result) = (self.texts, &self.certificate().result);
        let rules = result.points.iter().map(|point| point.rule.as_str());
        let mut rules: Vec<&str> = rules.collect();
        rules.dedup();
        for rule in rules {
            let known = match rule {
                decision::SIMPLE_ACCEPTANCE => texts.of("rule.simple_acceptance"),
                decision::THREE_ZONES => texts.of("rule.three_zones"),
                decision::GUARD_BAND => texts.of("rule.guard_band"),
                _ => "",
            };
            let text = fill(texts.of("rule"), &[("rule", rule), ("known", known)]);
            self.sheets.paragraph(&text, super::sheet::BODY)?;
        }
        self.sheets.skip(3.0);
        let columns = vec![
            Column::middle(texts.of("column.number"), 4.0),
            Column::left(texts.of("column.point"), 14.0),
            Column::middle(texts.of("column.limit"), 7.0),
            Column::middle(texts.of("column.conform"), 12.0),
            Column::middle(texts.of("column.risk"), 14.0),
            Column::middle(texts.of("column.conclusion"), 10.0),
        ];
        let rows: Vec<Vec<Cell>> = result
            .points
            .iter()
            .enumerate()
            .map(|(index, point)| {
                vec![
                    Cell::plain((index + 1).to_string()),
                    Cell::plain(chart::label(&point.point)),
                    Cell::plain(format!("±{}", given(point.limit_percent))),
                    Cell::plain(probability(point.probability_conform)),
                    Cell::plain(risk(point, texts)),
                    Cell::verdict(self.verdict(point.verdict), point.verdict),
                ]
            })
            .collect();
        Table::whole(self.sheets, columns, &rows)?;
        self.sheets.paragraph(texts.of("decision.note"), SMALL)
    }

    /// The budgets, load point by load point.
    pub(super) fn budgets(&mut self) -> Result<(), PdfError> {
        self.heading("section.budget", 100.0)?;
        let (texts, result) = (self.texts, &self.certificate().result);
        let digits = digits(&result.points) + 1;
        let columns = vec![
            Column::left(texts.of("column.source"), 20.0),
            Column::middle(texts.of("column.evaluation"), 8.0),
            Column::middle(texts.of("column.distribution"), 12.0),
            Column::middle(texts.of("column.uncertainty"), 14.0),
            Column::middle(texts.of("column.sensitivity"), 12.0),
            Column::middle(texts.of("column.freedom"), 10.0),
            Column::middle(texts.of("column.contribution"), 12.0),
        ];
        let mut table = Table::begin(self.sheets, columns)?;
        for (index, point) in result.points.iter().enumerate() {
            let freedom = point.effective_degrees_of_freedom.map_or_else(|| "∞".to_owned(), given);
            let band = fill(
                texts.of("budget.point"),
                &[
                    ("number", &(index + 1).to_string()),
                    ("point", &chart::label(&point.point)),
                    ("combined", &plain(point.standard_uncertainty_percent, digits)),
                    ("freedom", &freedom),
                    ("coverage", &plain(point.coverage_factor, FACTOR_DIGITS)),
                    ("expanded", &plain(point.expanded_uncertainty_percent, digits)),
                ],
            );
            table.band(&band, point.budget.len())?;
            for line in &point.budget {
                let freedom = line.degrees_of_freedom.map_or_else(|| "∞".to_owned(), given);
                table.row(&[
                    Cell::plain(texts.word("budget", &line.code)),
                    Cell::plain(line.evaluation.as_str()),
                    Cell::plain(texts.word("distribution", &line.distribution)),
                    Cell::plain(plain(line.standard_uncertainty_percent, digits)),
                    Cell::plain(given(line.sensitivity)),
                    Cell::plain(freedom),
                    Cell::plain(plain(line.contribution_percent, digits)),
                ])?;
            }
        }
        table.end();
        self.sheets.paragraph(texts.of("budget.note"), SMALL)?;
        self.propagations(digits)
    }

    /// The Monte Carlo check of each budget, where the document's format has one.
    fn propagations(&mut self, digits: u32) -> Result<(), PdfError> {
        let (texts, points) = (self.texts, &self.certificate().result.points);
        let checked = points.iter().enumerate();
        let checked: Vec<_> = checked
            .filter_map(|(index, point)| point.monte_carlo.as_ref().map(|checked| (index, point, checked)))
            .collect();
        let Some((.., first)) = checked.first() else { return Ok(()) };
        self.sheets.heading(texts.of("propagation.title"), 70.0)?;
        let columns = vec![
            Column::middle(texts.of("column.number"), 4.0),
            Column::left(texts.of("column.point"), 15.0),
            Column::middle(texts.of("column.interval"), 15.0),
            Column::middle(texts.of("column.low"), 9.0),
            Column::middle(texts.of("column.high"), 9.0),
            Column::middle(texts.of("column.tolerance"), 8.0),
            Column::middle(texts.of("column.validated"), 11.0),
        ];
        let mut table = Table::begin(self.sheets, columns)?;
        for (index, point, checked) in &checked {
            let ends = [checked.low_percent, checked.high_percent].map(|end| signed(end, digits));
            let found = if checked.validated {
                texts.of("propagation.validated")
            } else {
                texts.of("propagation.not_validated")
            };
            table.row(&[
                Cell::plain((index + 1).to_string()),
                Cell::plain(chart::label(&point.point)),
                Cell::plain(format!("[{}, {}]", ends[0], ends[1])),
                Cell::plain(plain(checked.low_difference_percent, digits)),
                Cell::plain(plain(checked.high_difference_percent, digits)),
                Cell::plain(given(checked.tolerance_percent)),
                Cell::plain(found),
            ])?;
        }
        table.end();
        let trials = first.trials.to_string();
        self.sheets.paragraph(&fill(texts.of("propagation.note"), &[("trials", &trials)]), SMALL)
    }
}

/// Which columns the table of load points has.
struct Form {
    has_factor: bool,
    has_singles: bool,
    digits: u32,
}

impl Form {
    fn columns(&self, texts: &'static Texts) -> Vec<Column<'static>> {
        let mut columns = vec![
            Column::middle(texts.of("column.number"), 3.4),
            Column::middle(texts.of("column.voltage"), 5.0),
            Column::middle(texts.of("column.current"), 5.0),
        ];
        if self.has_factor {
            columns.push(Column::middle(texts.of("column.factor"), 4.4));
        }
        if self.has_singles {
            columns.push(Column::left(texts.of("column.singles"), 16.5));
        }
        columns.extend([
            Column::middle(texts.of("column.mean"), 6.8),
            Column::middle(texts.of("column.rounded"), 6.6),
            Column::middle(texts.of("column.expanded"), 6.2),
            Column::middle(texts.of("column.coverage"), 4.6),
            Column::middle(texts.of("column.limit"), 5.4),
            Column::middle(texts.of("column.conclusion"), 9.0),
        ]);
        columns
    }
}

/// Errors of single readings, in their order.
fn singles(point: &PointResult, digits: u32) -> String {
    let errors: Vec<String> = point.errors_percent.iter().map(|error| signed(*error, digits)).collect();
    errors.join("  ")
}

/// Risk that the decision is wrong, and whose. Formats that state none leave it to the probability, of which it is the rest.
fn risk(point: &PointResult, texts: &Texts) -> String {
    let rest = || Decimal::ONE.checked_sub(point.probability_conform).unwrap_or(Decimal::ONE);
    let (bearer, specific) = match (&point.risk, point.verdict) {
        (Some(risk), _) => (risk.bearer, risk.specific),
        (None, Verdict::Conform) => (RiskBearer::Consumer, rest()),
        (None, Verdict::Nonconform) => (RiskBearer::Producer, point.probability_conform),
        (None, Verdict::Undecided) => return "—".to_owned(),
    };
    fill(texts.word("risk", bearer.word()), &[("risk", &probability(specific))])
}
