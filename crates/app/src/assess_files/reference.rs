//! The files of piles and of anchors. They are small and made by hand or by a register, and every row of them moves verdicts:
//! a bad one is an error with file, line and column, not a rejected row.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_assessment::ReferenceVehicle;
use veripile_assessment::signals::FirmwareChange;
use veripile_pile::time::rfc3339;
use veripile_pile::{AccuracyClass, OnSiteResult, PileId, PileKind, VehicleKey};
use veripile_store::evidence::Efficiency;
use veripile_store::witness::Calibration;

use super::rows::{FileFacts, Row, Rows, short};
use crate::plausible::{
    self, COVERAGE_FACTOR_MAX, EFFICIENCY_MIN, EFFICIENCY_U_MAX, ERROR_MAX_PERCENT, REGISTER_MAX_KWH,
    UNCERTAINTY_MAX_PERCENT,
};

/// What is known of a pile; none where unknown.
#[derive(Debug, Clone)]
pub(crate) struct Plate {
    pub(crate) kind: Option<PileKind>,
    pub(crate) class: AccuracyClass,
    pub(crate) station: Option<String>,
    pub(crate) operator: Option<String>,
    pub(crate) model: Option<String>,
    /// The firmware that it has now, where the file says since when.
    pub(crate) firmware: Option<FirmwareChange>,
    pub(crate) efficiency: Option<Efficiency>,
}

impl Plate {
    /// Of a pile that the file does not name.
    pub(crate) const UNKNOWN: Self = Self {
        kind: None,
        class: AccuracyClass::ASSUMED,
        station: None,
        operator: None,
        model: None,
        firmware: None,
        efficiency: None,
    };
}

pub(super) const SECONDS_OF_HOUR: Decimal = Decimal::from_parts(3_600, 0, 0, false, 0);

/// A row of the files of masters or registers: a meter's energy in an interval.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IntervalRow {
    /// Station or pile.
    pub(crate) id: String,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// None where the meter was not read.
    pub(crate) energy_kwh: Option<Decimal>,
    /// Of masters.
    pub(crate) class: Decimal,
}

impl IntervalRow {
    /// Whether it is of the same meter and time.
    fn is_of(&self, other: &Self) -> bool {
        (&self.id, self.from, self.to) == (&other.id, other.from, other.to)
    }
}

/// Accuracy class of a master that the file names none of.
pub(crate) const MASTER_CLASS: Decimal = Decimal::from_parts(5, 0, 0, false, 1);

/// Reads `station_id,from,to,energy_kwh,accuracy_class` or `pile_id,from,to,energy_kwh`, in the order of time and name. An empty energy
/// is a meter that was not read; one below zero a register that fell, of which the balance makes no use. More than a meter can have
/// counted in the interval at the power that `power_max_kw` tells of each name is an error: one such row would move every pile of the station.
pub(crate) fn read_intervals(
    path: &Path,
    id: &str,
    power_max_kw: impl Fn(&str) -> Decimal,
) -> Result<(Vec<IntervalRow>, FileFacts)> {
    let mut rows = Rows::open(path, &[id, "from", "to", "energy_kwh"])?;
    let class_at = rows.column("accuracy_class");
    let mut intervals = Vec::new();
    let mut row = Row::default();
    while rows.next(&mut row)? {
        let place = Place::of(&rows, &row)?;
        let (from, to) = (place.time("from")?, place.time("to")?);
        if to <= from {
            return Err(place.wrong("to", place.field("to"), "it must be after `from`"));
        }
        let name = place.field(id);
        if name.is_empty() {
            return Err(place.wrong(id, name, "write whose meter it is"));
        }
        let energy_kwh = if place.field("energy_kwh").is_empty() {
            None
        } else {
            let seconds = Decimal::from(to.as_second() - from.as_second() + 1);
            Some(place.counted("energy_kwh", power_max_kw(name), seconds)?)
        };
        let class = match row.optional(class_at) {
            "" => MASTER_CLASS,
            _ => place.positive("accuracy_class", Decimal::TEN)?,
        };
        intervals.push((IntervalRow { id: name.to_owned(), from, to, energy_kwh, class }, row.line));
    }
    intervals.sort_by(|(a, line), (b, other)| (a.from, a.to, &a.id, line).cmp(&(b.from, b.to, &b.id, other)));
    if let Some(two) = intervals.windows(2).find(|two| two[0].0.is_of(&two[1].0)) {
        let (IntervalRow { id, from, to, .. }, first) = &two[0];
        let id = short(id);
        bail!(
            "{}, line {}: {id} has two rows from {from} to {to}, the other in line {first}; remove one",
            rows.name(),
            two[1].1
        );
    }
    Ok((intervals.into_iter().map(|(row, _)| row).collect(), rows.facts()))
}

/// An anchor of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AnchorRow {
    pub(super) pile_id: PileId,
    pub(super) outlet: Option<u32>,
    pub(super) at: Timestamp,
    pub(super) error_percent: Decimal,
    pub(super) expanded_uncertainty_percent: Decimal,
    pub(super) coverage_factor: Decimal,
}

/// Reads `pile_id,station_id,operator_id,kind,accuracy_class,model,firmware,firmware_since,efficiency,efficiency_u`; only `pile_id` must be there. Of a firmware
/// without the moment since when nothing follows.
pub(super) fn read_piles(path: &Path) -> Result<(BTreeMap<PileId, Plate>, FileFacts)> {
    let mut rows = Rows::open(path, &["pile_id"])?;
    let mut piles = BTreeMap::new();
    let mut row = Row::default();
    while rows.next(&mut row)? {
        let place = Place::of(&rows, &row)?;
        if piles.insert(place.pile_id()?, place.plate()?).is_some() {
            return Err(place.wrong(
                "pile_id",
                place.field("pile_id"),
                "it stood in the file before; remove one row",
            ));
        }
    }
    Ok((piles, rows.facts()))
}

/// Number of an outlet: they count from 1.
fn outlet(word: &str) -> Option<u32> {
    word.parse().ok().filter(|outlet| *outlet > 0)
}

/// Reads `pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor[,outlet]`, in the order of pile and time.
pub(super) fn read_anchors(path: &Path) -> Result<(Vec<AnchorRow>, FileFacts)> {
    const COLUMNS: [&str; 5] =
        ["pile_id", "verified_at", "error_percent", "expanded_uncertainty_percent", "coverage_factor"];
    let mut rows = Rows::open(path, &COLUMNS)?;
    let outlet_at = rows.column("outlet");
    let mut anchors = Vec::new();
    let mut row = Row::default();
    while rows.next(&mut row)? {
        let place = Place::of(&rows, &row)?;
        anchors.push(AnchorRow {
            pile_id: place.pile_id()?,
            outlet: match row.optional(outlet_at) {
                "" => None,
                word => Some(outlet(word).ok_or_else(|| {
                    place.wrong(
                        "outlet",
                        word,
                        "write its number, from 1, or leave it empty for the whole pile",
                    )
                })?),
            },
            at: place.time("verified_at")?,
            error_percent: place.between("error_percent", -ERROR_MAX_PERCENT, ERROR_MAX_PERCENT)?,
            expanded_uncertainty_percent: place
                .positive("expanded_uncertainty_percent", UNCERTAINTY_MAX_PERCENT)?,
            coverage_factor: place.positive("coverage_factor", COVERAGE_FACTOR_MAX)?,
        });
    }
    anchors.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok((anchors, rows.facts()))
}

/// The calibration of a reference vehicle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReferenceRow {
    vehicle_id: String,
    at: Timestamp,
    error_percent: Decimal,
    expanded_uncertainty_percent: Decimal,
    coverage_factor: Decimal,
}

impl ReferenceRow {
    pub(crate) fn vehicle_id(&self) -> &str {
        &self.vehicle_id
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// As it is registered.
    pub(crate) fn calibration(&self, vehicle: VehicleKey) -> Calibration {
        let result = OnSiteResult {
            error_percent: self.error_percent,
            expanded_uncertainty_percent: self.expanded_uncertainty_percent,
            coverage_factor: self.coverage_factor,
        };
        Calibration { vehicle, at: self.at, result }
    }

    /// As evidence; none where no charge was read off the vehicle.
    pub(super) fn reference(&self, vehicle_at: &BTreeMap<&str, usize>) -> Option<ReferenceVehicle> {
        Some(ReferenceVehicle {
            vehicle: *vehicle_at.get(self.vehicle_id.as_str())?,
            at: self.at,
            error_percent: self.error_percent,
            expanded_uncertainty_percent: self.expanded_uncertainty_percent,
            coverage_factor: self.coverage_factor,
        })
    }
}

/// Reads `vehicle_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor`, in the order of vehicle and time.
pub(crate) fn read_references(path: &Path) -> Result<(Vec<ReferenceRow>, FileFacts)> {
    const COLUMNS: [&str; 5] =
        ["vehicle_id", "verified_at", "error_percent", "expanded_uncertainty_percent", "coverage_factor"];
    let mut rows = Rows::open(path, &COLUMNS)?;
    let mut references = Vec::new();
    let mut row = Row::default();
    while rows.next(&mut row)? {
        let place = Place::of(&rows, &row)?;
        references.push(ReferenceRow {
            vehicle_id: place.field("vehicle_id").to_owned(),
            at: place.time("verified_at")?,
            error_percent: place.between("error_percent", -ERROR_MAX_PERCENT, ERROR_MAX_PERCENT)?,
            expanded_uncertainty_percent: place
                .positive("expanded_uncertainty_percent", UNCERTAINTY_MAX_PERCENT)?,
            coverage_factor: place.positive("coverage_factor", COVERAGE_FACTOR_MAX)?,
        });
    }
    let key = |row: &ReferenceRow| {
        (row.vehicle_id.clone(), row.at, row.error_percent, row.expanded_uncertainty_percent)
    };
    references.sort_by_key(key);
    Ok((references, rows.facts()))
}

impl AnchorRow {
    fn key(&self) -> (&PileId, Timestamp, Option<u32>, Decimal, Decimal, Decimal) {
        let numbers = (self.error_percent, self.expanded_uncertainty_percent, self.coverage_factor);
        (&self.pile_id, self.at, self.outlet, numbers.0, numbers.1, numbers.2)
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
            "{}, line {}, column `{column}`: {:?} is not usable; {next}",
            self.rows.name(),
            self.row.line,
            short(value)
        )
    }

    fn pile_id(&self) -> Result<PileId> {
        let text = self.field("pile_id");
        PileId::parse(text).map_err(|error| self.wrong("pile_id", text, &error.to_string()))
    }

    fn time(&self, column: &str) -> Result<Timestamp> {
        let text = self.field(column);
        rfc3339(text).ok_or_else(|| self.wrong(column, text, "write RFC 3339, as 2026-03-01T08:00:00+08:00"))
    }

    fn decimal(&self, column: &str) -> Result<Decimal> {
        let text = self.field(column);
        text.parse().map_err(|_| self.wrong(column, text, "write a decimal number, as 0.15"))
    }

    /// Energy that a meter counted in an interval; one that fell may have been exchanged for any other, but for one of more digits than there are.
    fn counted(&self, column: &str, power_max_kw: Decimal, seconds: Decimal) -> Result<Decimal> {
        let energy = self.decimal(column)?;
        // Power is some 10⁵ kW and an interval at most 10¹² s: far below what a decimal holds.
        let most = power_max_kw * seconds / SECONDS_OF_HOUR;
        let next = if energy > most {
            format!(
                "at {power_max_kw} kW the interval has {} kWh at most; correct it, or leave it empty",
                most.round_dp(1)
            )
        } else if energy < -REGISTER_MAX_KWH {
            format!("no register falls by more than {REGISTER_MAX_KWH} kWh; correct it, or leave it empty")
        } else {
            return Ok(energy);
        };
        Err(self.wrong(column, self.field(column), &next))
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

/// The fields of a pile.
impl Place<'_> {
    fn plate(&self) -> Result<Plate> {
        let kind = match self.field("kind") {
            "" => None,
            word => {
                Some(PileKind::from_word(word).ok_or_else(|| self.wrong("kind", word, "write ac or dc"))?)
            }
        };
        Ok(Plate {
            kind,
            class: self.class(kind)?,
            station: self.text("station_id"),
            operator: self.text("operator_id"),
            model: self.text("model"),
            firmware: self.firmware()?,
            efficiency: self.efficiency()?,
        })
    }

    fn text(&self, column: &str) -> Option<String> {
        Some(self.field(column)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn class(&self, kind: Option<PileKind>) -> Result<AccuracyClass> {
        match self.field("accuracy_class") {
            "" => Ok(AccuracyClass::ASSUMED),
            word => {
                let class = AccuracyClass(self.decimal("accuracy_class")?);
                plausible::limit(kind.unwrap_or(PileKind::Ac), class).map_err(|classes| {
                    self.wrong("accuracy_class", word, &format!("write one of {classes}, or leave it empty"))
                })?;
                Ok(class)
            }
        }
    }

    fn firmware(&self) -> Result<Option<FirmwareChange>> {
        match (self.text("firmware"), self.field("firmware_since")) {
            (_, "") => Ok(None),
            (Some(version), _) => Ok(Some(FirmwareChange { at: self.time("firmware_since")?, version })),
            (None, since) => {
                Err(self.wrong("firmware_since", since, "name the firmware in `firmware`, or leave it empty"))
            }
        }
    }

    fn efficiency(&self) -> Result<Option<Efficiency>> {
        match (self.field("efficiency"), self.field("efficiency_u")) {
            ("", "") => Ok(None),
            ("", u) => {
                Err(self.wrong("efficiency_u", u, "name the efficiency in `efficiency`, or leave it empty"))
            }
            (_, u) => {
                let ratio = self.between("efficiency", EFFICIENCY_MIN, Decimal::ONE)?;
                let standard_uncertainty =
                    if u.is_empty() { None } else { Some(self.positive("efficiency_u", EFFICIENCY_U_MAX)?) };
                Ok(Some(Efficiency { ratio, standard_uncertainty }))
            }
        }
    }
}
