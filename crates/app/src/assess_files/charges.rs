//! The file of charges: read row by row, good rows into memory, bad ones to `rejected.csv` with the reason.
//!
//! Called by `assess_files`. A row is bad if it cannot be read or cannot be true; one that merely says nothing (no vehicle's
//! value) is good and is counted as set aside later, with its reason.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Result, bail};
use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use veripile_assessment::{Screened, VehiclePath, evidence};
use veripile_pile::PileId;

use super::room;
use super::rows::{FileFacts, Row, Rows};

/// Columns that must be there.
const REQUIRED: [&str; 8] = [
    "charge_id",
    "pile_id",
    "vehicle_id",
    "vehicle_model",
    "started_at",
    "ended_at",
    "energy_pile_kwh",
    "energy_vehicle_kwh",
];

/// Covariates by name, as the assessment is told of them.
pub(super) const COVARIATES: [&str; 3] = ["ambient_c", "mean_power_kw", "soc_span"];

/// Believable values of the columns that covariates come from. One reading of 9999 would outweigh all others; what lies
/// outside counts as unknown.
const AMBIENT_C: (f64, f64) = (-60.0, 60.0);
const MEAN_POWER_KW: (f64, f64) = (0.0, 5_000.0);
const SOC_PERCENT: (f64, f64) = (0.0, 100.0);

/// A good row. Pile and vehicle are numbered in the order of their first row.
#[derive(Debug, Clone)]
pub(super) struct ChargeRow {
    pub(super) pile: usize,
    /// None where the row names none.
    pub(super) vehicle: Option<usize>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    /// Hour of the day at the begin, in the offset that the row is written in.
    pub(super) hour: f32,
    pub(super) energy_pile_kwh: Decimal,
    /// None where the vehicle said nothing.
    pub(super) energy_vehicle_kwh: Option<Decimal>,
    /// As [`COVARIATES`]; NaN where unknown.
    pub(super) covariates: [f32; 3],
    /// None where the row does not say.
    pub(super) path: Option<VehiclePath>,
    /// The same.
    pub(super) signed: Option<bool>,
}

/// Everything read.
#[derive(Debug, Default)]
pub(super) struct Charges {
    pub(super) rows: Vec<ChargeRow>,
    pub(super) piles: Vec<PileId>,
    pub(super) vehicles: Vec<String>,
    /// Model of each vehicle; of several named for one vehicle the first in alphabetical order, whatever the rows' order.
    pub(super) models: Vec<Option<String>>,
    /// Rows of the file.
    pub(super) read: u64,
    /// Rejected rows by reason, without what is particular to a row.
    pub(super) rejected: BTreeMap<&'static str, u64>,
    /// Values of covariates that cannot be true and count as unknown.
    pub(super) unbelievable_covariates: u64,
}

/// Where rejected rows go: line, reason, text.
pub(super) type Reject<'a> = &'a mut dyn FnMut(u64, &str, &str) -> Result<()>;

/// Reads the file; one whose charges do not fit into memory is an error, before the memory is full.
pub(super) fn read(path: &Path, reject: Reject<'_>) -> Result<(Charges, FileFacts)> {
    read_up_to(room::charges_max().unwrap_or(u64::MAX), path, reject)
}

fn read_up_to(most: u64, path: &Path, reject: Reject<'_>) -> Result<(Charges, FileFacts)> {
    let mut rows = Rows::open(path, &REQUIRED)?;
    let columns = Columns::of(&rows);
    let mut reader = Reader::default();
    let mut row = Row::default();
    while rows.next(&mut row)? {
        reader.charges.read += 1;
        if let Err(bad) = reader.take(&row, &columns) {
            *reader.charges.rejected.entry(bad.code).or_insert(0) += 1;
            reject(row.line, &bad.text(), &row.text)?;
        }
        if most < reader.charges.rows.len() as u64 {
            bail!(
                "{}, line {}: more charges than fit into this machine's memory, {most} in {:.1} GB; give a province, a city or a month \
                 at a time, or take a machine with more memory",
                rows.name(),
                row.line,
                room::gigabytes(most)
            );
        }
    }
    Ok((reader.charges, rows.facts()))
}

/// Positions of the columns.
struct Columns {
    count: usize,
    required: [usize; 8],
    ambient: Option<usize>,
    mean_power: Option<usize>,
    soc_start: Option<usize>,
    soc_end: Option<usize>,
    path: Option<usize>,
    signed: Option<usize>,
}

impl Columns {
    fn of(rows: &Rows) -> Self {
        Self {
            count: rows.columns(),
            required: REQUIRED
                .map(|name| rows.column(name).expect("Rows::open checked the required columns")),
            ambient: rows.column("ambient_c"),
            mean_power: rows.column("mean_power_kw"),
            soc_start: rows.column("soc_start"),
            soc_end: rows.column("soc_end"),
            path: rows.column("vehicle_path"),
            signed: rows.column("signed"),
        }
    }
}

/// Why a row is rejected.
#[derive(Debug, PartialEq, Eq)]
struct Bad {
    code: &'static str,
    detail: String,
}

impl Bad {
    fn text(&self) -> String {
        if self.detail.is_empty() { self.code.to_owned() } else { format!("{}: {}", self.code, self.detail) }
    }
}

fn bad(code: &'static str, detail: impl Into<String>) -> Bad {
    Bad { code, detail: detail.into() }
}

#[derive(Default)]
struct Reader {
    charges: Charges,
    pile_numbers: HashMap<String, usize>,
    vehicle_numbers: HashMap<String, usize>,
    /// First line of each charge, by the first half of the SHA-256 of its name: of fixed size, whatever the names are.
    first_lines: HashMap<[u8; 16], u64>,
}

impl Reader {
    /// Takes a row in, or says why not; a rejected row leaves no trace but its charge_id's line.
    fn take(&mut self, row: &Row, columns: &Columns) -> Result<(), Bad> {
        if row.fields() != columns.count {
            let detail = format!("{} fields, the header has {}", row.fields(), columns.count);
            return Err(bad("wrong_number_of_fields", detail));
        }
        let [charge_id, pile_id, vehicle_id, model, started_at, ended_at, pile_kwh, vehicle_kwh] =
            columns.required.map(|at| row.field(at));
        if charge_id.is_empty() {
            return Err(bad("charge_id_empty", ""));
        }
        let parsed_pile =
            PileId::parse(pile_id).map_err(|error| bad("pile_id_unusable", error.to_string()))?;
        let hour = hour(started_at);
        let (started_at, ended_at) = period(started_at, ended_at)?;
        let (energy_pile_kwh, energy_vehicle_kwh) = energies(pile_kwh, vehicle_kwh)?;
        let covariates = self.covariates(row, columns)?;
        let path = path(row.optional(columns.path))?;
        let signed = signed(row.optional(columns.signed))?;
        let digest = Sha256::digest(charge_id.as_bytes());
        let key: [u8; 16] = digest[..16].try_into().expect("SHA-256 has 32 bytes");
        if let Some(first) = self.first_lines.get(&key) {
            return Err(bad("duplicate_charge_id", format!("first on line {first}")));
        }
        self.first_lines.insert(key, row.line);
        let pile = self.pile(pile_id, parsed_pile);
        let vehicle = (!vehicle_id.is_empty()).then(|| self.vehicle(vehicle_id, model));
        self.charges.rows.push(ChargeRow {
            pile,
            vehicle,
            started_at,
            ended_at,
            hour,
            energy_pile_kwh,
            energy_vehicle_kwh,
            covariates,
            path,
            signed,
        });
        Ok(())
    }

    fn pile(&mut self, text: &str, pile_id: PileId) -> usize {
        if let Some(number) = self.pile_numbers.get(text) {
            return *number;
        }
        let number = self.charges.piles.len();
        self.charges.piles.push(pile_id);
        self.pile_numbers.insert(text.to_owned(), number);
        number
    }

    fn vehicle(&mut self, text: &str, model: &str) -> usize {
        let number = if let Some(number) = self.vehicle_numbers.get(text) {
            *number
        } else {
            let number = self.charges.vehicles.len();
            self.charges.vehicles.push(text.to_owned());
            self.charges.models.push(None);
            self.vehicle_numbers.insert(text.to_owned(), number);
            number
        };
        let known = &mut self.charges.models[number];
        if !model.is_empty() && known.as_deref().is_none_or(|known| model < known) {
            *known = Some(model.to_owned());
        }
        number
    }

    fn covariates(&mut self, row: &Row, columns: &Columns) -> Result<[f32; 3], Bad> {
        let mut outside = 0;
        let mut read = |at: Option<usize>, name: &str, (low, high): (f64, f64)| -> Result<f64, Bad> {
            let text = row.optional(at);
            if text.is_empty() {
                return Ok(f64::NAN);
            }
            let value: f64 = text.parse().map_err(|_| bad("not_a_number", format!("{name} is {text:?}")))?;
            if low <= value && value <= high {
                return Ok(value);
            }
            outside += 1;
            Ok(f64::NAN)
        };
        let ambient = read(columns.ambient, "ambient_c", AMBIENT_C)?;
        let mean_power = read(columns.mean_power, "mean_power_kw", MEAN_POWER_KW)?;
        let soc_start = read(columns.soc_start, "soc_start", SOC_PERCENT)?;
        let soc_end = read(columns.soc_end, "soc_end", SOC_PERCENT)?;
        self.charges.unbelievable_covariates += outside;
        Ok([ambient, mean_power, soc_end - soc_start].map(|value| value as f32))
    }
}

/// How the vehicle's energy came to be known.
fn path(word: &str) -> Result<Option<VehiclePath>, Bad> {
    let unknown =
        || bad("vehicle_path_unknown", format!("{word:?} is none of relayed, telematics, app, reference"));
    if word.is_empty() { Ok(None) } else { VehiclePath::from_word(word).map(Some).ok_or_else(unknown) }
}

/// Whether the energy is signed by the meter.
fn signed(word: &str) -> Result<Option<bool>, Bad> {
    match word {
        "" => Ok(None),
        "true" | "1" | "yes" => Ok(Some(true)),
        "false" | "0" | "no" => Ok(Some(false)),
        _ => Err(bad("signed_unknown", format!("{word:?} is neither true nor false"))),
    }
}

/// Hour of the day as it is written: `2026-03-01T08:30` is 8.5. Only read of texts that are times.
fn hour(time: &str) -> f32 {
    let number = |range| time.get(range).and_then(|digits: &str| digits.parse::<f32>().ok());
    number(11..13).unwrap_or(f32::NAN) + number(14..16).unwrap_or(0.0) / 60.0
}

/// Begin and end of the charge, if both are times and in order.
fn period(started_at: &str, ended_at: &str) -> Result<(Timestamp, Timestamp), Bad> {
    let time = |name: &str, text: &str| {
        let parsed: Result<Timestamp, _> = text.parse();
        parsed.map_err(|_| bad("not_a_time", format!("{name} is {text:?}, not RFC 3339 with offset")))
    };
    let (start, end) = (time("started_at", started_at)?, time("ended_at", ended_at)?);
    if end < start {
        return Err(bad("ends_before_it_starts", ""));
    }
    Ok((start, end))
}

/// Both energies as exact decimals; what cannot have been charged is bad.
fn energies(pile: &str, vehicle: &str) -> Result<(Decimal, Option<Decimal>), Bad> {
    let energy = |name: &str, text: &str| {
        let parsed = text.parse().or_else(|_| Decimal::from_scientific(text));
        parsed.map_err(|_| bad("not_a_number", format!("{name} is {text:?}")))
    };
    let pile = energy("energy_pile_kwh", pile)?;
    let vehicle = if vehicle.is_empty() { None } else { Some(energy("energy_vehicle_kwh", vehicle)?) };
    // Without a vehicle's value the pile's own is judged alone.
    match evidence::compare(pile, vehicle.unwrap_or(pile)) {
        Err(reason @ (Screened::NotPositive | Screened::Implausible)) => {
            let vehicle = vehicle.map_or("none".to_owned(), |energy| format!("{energy} kWh"));
            Err(bad(reason.code(), format!("pile {pile} kWh, vehicle {vehicle}")))
        }
        Err(Screened::TooSmall | Screened::Incomparable | Screened::Copied) | Ok(_) => Ok((pile, vehicle)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_charges_than_fit_are_an_error_with_the_next_step() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("charges.csv");
        let row = |n: u32| format!("C{n},P,V,M,2026-03-01T08:00:00Z,2026-03-01T09:00:00Z,10,10\n");
        std::fs::write(&path, format!("{}\n{}{}", REQUIRED.join(","), row(1), row(2))).expect("written");
        let read =
            |most| read_up_to(most, &path, &mut |_, _, _| Ok(())).map(|(charges, _)| charges.rows.len());
        assert_eq!(read(2).expect("they fit"), 2);
        let error = read(1).expect_err("they do not").to_string();
        assert!(
            error.starts_with("charges.csv, line 3: more charges than fit") && error.contains("a month"),
            "{error}"
        );
    }

    #[test]
    fn energies_that_cannot_be_true_are_bad_and_odd_ones_are_kept() {
        let check = |pile: &str, vehicle: &str, expected: Option<&str>| {
            assert_eq!(energies(pile, vehicle).err().map(|bad| bad.code), expected, "{pile} {vehicle}");
        };
        check("10.125", "9.9", None);
        check("10", "", None);
        check("1e1", "9.9", None);
        check("0.001", "0.001", None);
        check("30", "10", None);
        check("0", "9", Some("energy_not_positive"));
        check("10", "-0.1", Some("energy_not_positive"));
        check("-60.8", "", Some("energy_not_positive"));
        check("1430", "20", Some("energy_implausible"));
        check("", "20", Some("not_a_number"));
        check("10,5", "20", Some("not_a_number"));
        check("NaN", "20", Some("not_a_number"));
    }

    #[test]
    fn times_need_an_offset_and_an_order() {
        let check = |start: &str, end: &str, expected: Option<&str>| {
            assert_eq!(period(start, end).err().map(|bad| bad.code), expected, "{start} {end}");
        };
        check("2026-03-01T08:00:00+08:00", "2026-03-01T00:30:00Z", None);
        check("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z", None);
        check("2026-03-01T08:00:00Z", "2026-03-01T07:59:59Z", Some("ends_before_it_starts"));
        check("2026-03-01T08:00:00", "2026-03-01T09:00:00Z", Some("not_a_time"));
        check("2026-03-01T08:00:00Z", "", Some("not_a_time"));
    }
}
