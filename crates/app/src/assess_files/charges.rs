//! The file of charges: read row by row, good rows into memory, bad ones to `rejected.csv` with the reason.
//!
//! Called by `assess_files`. A row is bad if it cannot be read or cannot be true; one that merely says nothing (no vehicle's
//! value) is good and is counted as set aside later, with its reason.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Result, anyhow};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use veripile_assessment::{Screened, evidence};
use veripile_pile::time::rfc3339;
use veripile_pile::{PileId, VehiclePath};

use super::findings::CHARGES_MAX;
use super::reference::SECONDS_OF_HOUR;
use super::room::{self, CHARGE_BYTES, Taken};
use super::rows::{FileFacts, Row, Rows, short};

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
pub(crate) const AMBIENT_C: (f64, f64) = (-60.0, 60.0);
const MEAN_POWER_KW: (f64, f64) = (0.0, 5_000.0);
pub(crate) const SOC_PERCENT: (f64, f64) = (0.0, 100.0);

/// Names of vehicles and models are this long at most, bytes: a hash in hexadecimal has 64 to 128, and each is kept several times.
const NAME_BYTES_MAX: usize = 256;

/// A charge of before 2009-01-01T00:00:00Z is none: no vehicle that drives on roads could be bought that charges at a public pile.
const FIRST: Timestamp = Timestamp::constant(1_230_768_000, 0);

/// A charge takes this long at most: a car may stay plugged in as long as its driver is on holiday.
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Times may be written to the minute: what lasted a minute may be written as nothing.
const ROUNDING_SECONDS: i64 = 60;

/// After so many rows it is known how long one is, and so how many there are about.
const SAMPLE_ROWS: u64 = 1_000;

/// A good row. Pile and vehicle are numbered in the order of their first row.
#[derive(Debug, Clone)]
pub(super) struct ChargeRow {
    pub(super) pile: usize,
    /// None where the row names none.
    pub(super) vehicle: Option<usize>,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    /// Hour of the day at the begin where the charge took place, 0 to 24, whatever offset the row is written in.
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
    /// The line of a last row without a line end: its last field may be cut off.
    pub(super) unended: Option<u64>,
    /// Values of covariates that cannot be true and count as unknown.
    pub(super) unbelievable_covariates: u64,
}

/// Where rejected rows go: line, reason, text.
pub(super) type Reject<'a> = &'a mut dyn FnMut(u64, &str, &str) -> Result<()>;

/// Where and what the charges of a file were.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    /// Hours are those of this zone.
    pub(super) zone: &'a TimeZone,
    /// Power, kW, that a pile does not exceed.
    pub(super) power_max_kw: &'a dyn Fn(&PileId) -> Decimal,
}

/// Reads the file; one whose charges do not fit into memory is an error, before the memory is full.
pub(super) fn read(path: &Path, setting: Setting<'_>, reject: Reject<'_>) -> Result<(Charges, FileFacts)> {
    read_into(room::free(), path, setting, reject)
}

/// Reads as [`read`] does, into so many bytes.
fn read_into(
    room: u64,
    path: &Path,
    setting: Setting<'_>,
    reject: Reject<'_>,
) -> Result<(Charges, FileFacts)> {
    let rows = Rows::open(path, &REQUIRED)?;
    let columns = Columns::of(&rows);
    let name = rows.name().to_owned();
    let bytes = rows.bytes().unwrap_or_default();
    let mut reader = Reader::new(setting);
    let (mut last_line, mut bytes_read) = (1, 0);
    let facts = rows.each(|row| {
        last_line = row.line;
        reader.charges.read += 1;
        if row.is_unended {
            if row.fields() < columns.count {
                return Err(broken_off(&name, row, columns.count));
            }
            reader.charges.unended = Some(row.line);
        }
        bytes_read += row.text.len() as u64 + 1;
        if reader.charges.read == SAMPLE_ROWS {
            // A twentieth more: rows grow with their numbers, and one too many would be a list of twice the size.
            let about = bytes.saturating_mul(SAMPLE_ROWS) / bytes_read * 21 / 20;
            reader.expect(about.min(room / CHARGE_BYTES));
        }
        if let Err(bad) = reader.take(row, &columns) {
            *reader.charges.rejected.entry(bad.code).or_insert(0) += 1;
            reject(row.line, &bad.text(), &row.text)?;
        }
        let taken = reader.taken();
        if room < taken.bytes() {
            return Err(too_many(&format!("{name}, line {last_line}"), &taken));
        }
        Ok(())
    })?;
    let taken = reader.taken();
    if taken.charges <= CHARGES_MAX && room < taken.bytes_with_signals() {
        return Err(too_many(&format!("{name}, line {last_line}"), &taken));
    }
    Ok((reader.charges, facts))
}

/// Of a file that is not whole nobody knows how much is missing.
fn broken_off(name: &str, row: &Row, columns: usize) -> anyhow::Error {
    anyhow!(
        "{name}, line {}: the file breaks off: its last row has {} fields, the header {columns}, and no line end follows; export or fetch it \
         again, or remove the row if it is whole without it",
        row.line,
        row.fields()
    )
}

fn too_many(place: &str, taken: &Taken) -> anyhow::Error {
    anyhow!(
        "{place}: more charges than fit into this machine's memory: up to here {}, of {} vehicles; give a province, a city or a month at \
         a time, or take a machine with more memory",
        taken.charges,
        taken.vehicles
    )
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
pub(crate) struct Bad {
    pub(crate) code: &'static str,
    detail: String,
}

impl Bad {
    pub(crate) fn text(&self) -> String {
        if self.detail.is_empty() { self.code.to_owned() } else { format!("{}: {}", self.code, self.detail) }
    }
}

pub(crate) fn bad(code: &'static str, detail: impl AsRef<str>) -> Bad {
    Bad { code, detail: short(detail.as_ref()) }
}

struct Reader<'a> {
    setting: Setting<'a>,
    charges: Charges,
    /// Bytes of the names of vehicles and models.
    name_bytes: u64,
    pile_numbers: HashMap<String, usize>,
    vehicle_numbers: HashMap<String, usize>,
    /// First line of each charge, by the first half of the SHA-256 of its name: of fixed size, whatever the names are.
    first_lines: HashMap<[u8; 16], u64>,
}

impl<'a> Reader<'a> {
    fn new(setting: Setting<'a>) -> Self {
        Self {
            setting,
            charges: Charges::default(),
            name_bytes: 0,
            pile_numbers: HashMap::new(),
            vehicle_numbers: HashMap::new(),
            first_lines: HashMap::new(),
        }
    }

    /// Takes addresses for so many charges: a list that grows is copied each time, and every page of it touched anew. Where there are none,
    /// or the file was packed, it grows as it must.
    fn expect(&mut self, charges: u64) {
        let more = usize::try_from(charges).unwrap_or_default().saturating_sub(self.charges.rows.len());
        let _ = self.charges.rows.try_reserve_exact(more);
        let _ = self.first_lines.try_reserve(more);
    }

    /// What is in memory by now.
    fn taken(&self) -> Taken {
        Taken {
            charges: self.charges.rows.len(),
            piles: self.charges.piles.len(),
            vehicles: self.charges.vehicles.len(),
            name_bytes: self.name_bytes,
        }
    }

    /// Takes a row in, or says why not; a rejected row leaves no trace: a good one with its charge_id may follow.
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
        let (started_at, ended_at) = period(started_at, ended_at)?;
        let (energy_pile_kwh, energy_vehicle_kwh) = energies(pile_kwh, vehicle_kwh)?;
        power(
            energy_pile_kwh,
            ended_at.duration_since(started_at),
            (self.setting.power_max_kw)(&parsed_pile),
        )?;
        let (covariates, unbelievable) = covariates(row, columns)?;
        name("vehicle_id_too_long", vehicle_id)?;
        name("vehicle_model_too_long", model)?;
        let path = path(row.optional(columns.path))?;
        let signed = signed(row.optional(columns.signed))?;
        let digest = Sha256::digest(charge_id.as_bytes());
        let key: [u8; 16] = digest[..16].try_into().expect("SHA-256 has 32 bytes");
        if let Some(first) = self.first_lines.get(&key) {
            return Err(bad("duplicate_charge_id", format!("first on line {first}")));
        }
        self.first_lines.insert(key, row.line);
        self.charges.unbelievable_covariates += unbelievable;
        let hour = hour(started_at, self.setting.zone);
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
            self.name_bytes += text.len() as u64;
            self.charges.models.push(None);
            self.vehicle_numbers.insert(text.to_owned(), number);
            number
        };
        let known = &mut self.charges.models[number];
        if !model.is_empty() && known.as_deref().is_none_or(|known| model < known) {
            self.name_bytes += model.len() as u64;
            *known = Some(model.to_owned());
        }
        number
    }
}

/// Covariates of a row, and how many of its values cannot be true.
fn covariates(row: &Row, columns: &Columns) -> Result<([f32; 3], u64), Bad> {
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
    Ok(([ambient, mean_power, soc_end - soc_start].map(|value| value as f32), outside))
}

/// Refuses a name that nobody gives a vehicle.
pub(crate) fn name(code: &'static str, text: &str) -> Result<(), Bad> {
    if text.len() <= NAME_BYTES_MAX { Ok(()) } else { Err(bad(code, format!("{} bytes", text.len()))) }
}

/// How the vehicle's energy came to be known.
pub(crate) fn path(word: &str) -> Result<Option<VehiclePath>, Bad> {
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

/// Hour of the day in a zone: half past eight is 8.5.
fn hour(at: Timestamp, zone: &TimeZone) -> f32 {
    let time = zone.to_datetime(at).time();
    f32::from(time.hour()) + f32::from(time.minute()) / 60.0 + f32::from(time.second()) / 3_600.0
}

/// Begin and end of the charge, if both are times, in order, and such as a charge can have.
pub(crate) fn period(started_at: &str, ended_at: &str) -> Result<(Timestamp, Timestamp), Bad> {
    let time = |name: &str, text: &str| {
        rfc3339(text)
            .ok_or_else(|| bad("not_a_time", format!("{name} is {text:?}, not RFC 3339 with offset")))
    };
    let (start, end) = (time("started_at", started_at)?, time("ended_at", ended_at)?);
    if end < start {
        return Err(bad("ends_before_it_starts", ""));
    }
    if start < FIRST {
        return Err(bad("before_any_charge", format!("started_at is {start}")));
    }
    if DURATION_MAX < end.duration_since(start) {
        return Err(bad("lasts_too_long", format!("from {start} to {end}")));
    }
    Ok((start, end))
}

/// Refuses more energy than the pile can have given in the time.
fn power(energy_kwh: Decimal, lasted: SignedDuration, power_max_kw: Decimal) -> Result<(), Bad> {
    let seconds = lasted.as_secs().saturating_add(ROUNDING_SECONDS);
    if power_max_kw * Decimal::from(seconds) < energy_kwh * SECONDS_OF_HOUR {
        let told = format!("{energy_kwh} kWh in {} s at {power_max_kw} kW at most", lasted.as_secs());
        return Err(bad("power_implausible", told));
    }
    Ok(())
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
        Err(
            Screened::TooSmall
            | Screened::Incomparable
            | Screened::Copied
            | Screened::ManyVehicles
            | Screened::Doubted,
        )
        | Ok(_) => Ok((pile, vehicle)),
    }
}

#[cfg(test)]
mod tests;
