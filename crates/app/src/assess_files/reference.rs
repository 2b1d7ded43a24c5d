//! The files of piles and of anchors. They are small and made by hand or by a register, and every row of them moves verdicts:
//! a bad one is an error with file, line and column, not a rejected row.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_pile::{AccuracyClass, PileId, PileKind};

use super::rows::{FileFacts, Row, Rows};
use crate::plausible::{self, COVERAGE_FACTOR_MAX, ERROR_MAX_PERCENT, UNCERTAINTY_MAX_PERCENT};

/// What the plate says; none where unknown.
pub(super) type Plate = (Option<PileKind>, AccuracyClass);

/// An anchor of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AnchorRow {
    pub(super) pile_id: PileId,
    pub(super) at: Timestamp,
    pub(super) error_percent: Decimal,
    pub(super) expanded_uncertainty_percent: Decimal,
    pub(super) coverage_factor: Decimal,
}

/// Reads `pile_id,station_id,operator_id,kind,accuracy_class,model,firmware`; only `pile_id` must be there.
pub(super) fn read_piles(path: &Path) -> Result<(BTreeMap<PileId, Plate>, FileFacts)> {
    let mut rows = Rows::open(path, &["pile_id"])?;
    let (kind_at, class_at) = (rows.column("kind"), rows.column("accuracy_class"));
    let mut piles = BTreeMap::new();
    let mut row = Row::default();
    while rows.next(&mut row)? {
        let place = Place::of(&rows, &row)?;
        let pile_id = place.pile_id()?;
        let kind = match row.optional(kind_at) {
            "" => None,
            word => {
                Some(PileKind::from_word(word).ok_or_else(|| place.wrong("kind", word, "write ac or dc"))?)
            }
        };
        let class = match row.optional(class_at) {
            "" => AccuracyClass::ASSUMED,
            word => {
                let class = AccuracyClass(place.decimal("accuracy_class")?);
                plausible::limit(kind.unwrap_or(PileKind::Ac), class).map_err(|classes| {
                    place.wrong("accuracy_class", word, &format!("write one of {classes}, or leave it empty"))
                })?;
                class
            }
        };
        if piles.insert(pile_id, (kind, class)).is_some() {
            return Err(place.wrong(
                "pile_id",
                place.field("pile_id"),
                "it stood in the file before; remove one row",
            ));
        }
    }
    Ok((piles, rows.facts()))
}

/// Reads `pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor`, in the order of pile and time.
pub(super) fn read_anchors(path: &Path) -> Result<(Vec<AnchorRow>, FileFacts)> {
    const COLUMNS: [&str; 5] =
        ["pile_id", "verified_at", "error_percent", "expanded_uncertainty_percent", "coverage_factor"];
    let mut rows = Rows::open(path, &COLUMNS)?;
    let mut anchors = Vec::new();
    let mut row = Row::default();
    while rows.next(&mut row)? {
        let place = Place::of(&rows, &row)?;
        let at = place.field("verified_at");
        anchors.push(AnchorRow {
            pile_id: place.pile_id()?,
            at: at.parse().map_err(|_| {
                place.wrong("verified_at", at, "write RFC 3339, as 2026-03-01T08:00:00+08:00")
            })?,
            error_percent: place.between("error_percent", -ERROR_MAX_PERCENT, ERROR_MAX_PERCENT)?,
            expanded_uncertainty_percent: place
                .positive("expanded_uncertainty_percent", UNCERTAINTY_MAX_PERCENT)?,
            coverage_factor: place.positive("coverage_factor", COVERAGE_FACTOR_MAX)?,
        });
    }
    anchors.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok((anchors, rows.facts()))
}

impl AnchorRow {
    fn key(&self) -> (&PileId, Timestamp, Decimal, Decimal, Decimal) {
        (&self.pile_id, self.at, self.error_percent, self.expanded_uncertainty_percent, self.coverage_factor)
    }
}

/// Where we are in a file, for parsing a field or saying what is wrong with it.
struct Place<'a> {
    rows: &'a Rows,
    row: &'a Row,
}

impl<'a> Place<'a> {
    fn of(rows: &'a Rows, row: &'a Row) -> Result<Self> {
        if row.fields() != rows.columns() {
            bail!(
                "{}, line {}: the row has {} fields, the header {}; bring them to the same number",
                rows.name(),
                row.line,
                row.fields(),
                rows.columns()
            );
        }
        Ok(Self { rows, row })
    }

    fn field(&self, column: &str) -> &'a str {
        self.row.optional(self.rows.column(column))
    }

    fn wrong(&self, column: &str, value: &str, next: &str) -> anyhow::Error {
        anyhow!(
            "{}, line {}, column `{column}`: {value:?} is not usable; {next}",
            self.rows.name(),
            self.row.line
        )
    }

    fn pile_id(&self) -> Result<PileId> {
        let text = self.field("pile_id");
        PileId::parse(text).map_err(|error| self.wrong("pile_id", text, &error.to_string()))
    }

    fn decimal(&self, column: &str) -> Result<Decimal> {
        let text = self.field(column);
        text.parse().map_err(|_| self.wrong(column, text, "write a decimal number, as 0.15"))
    }

    fn between(&self, column: &str, low: Decimal, high: Decimal) -> Result<Decimal> {
        let value = self.decimal(column)?;
        if low <= value && value <= high {
            Ok(value)
        } else {
            Err(self.wrong(column, self.field(column), &format!("it must lie between {low} and {high}")))
        }
    }

    fn positive(&self, column: &str, high: Decimal) -> Result<Decimal> {
        let value = self.between(column, Decimal::ZERO, high)?;
        if value.is_zero() {
            Err(self.wrong(column, self.field(column), "it must be above zero"))
        } else {
            Ok(value)
        }
    }
}
