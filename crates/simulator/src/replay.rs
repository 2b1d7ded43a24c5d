//! Replay: real charging sessions from a file, sent row by row as OCPP traffic, as dirty as they are, with known errors
//! injected on the vehicle's side.
//!
//! Called by `veripile simulate --replay`. Reads the columns of `dundee-2018` or the `charges` file of the interfaces note.
//! The file's energy is what the pile registered; what the vehicle says follows from the injected errors.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::Distribution;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use tokio::task::JoinSet;
use veripile_pile::time::rfc3339;

use crate::city::normal;
use crate::link::{Line, Link};
use crate::plan::vehicle_energy_wh;
use crate::speaker::{Identity, Running, Speaker, Told};
use crate::truth::{self, Kind, Truth};
use crate::{Protocol, SimulatorError};

/// Times without zone in the Dundee file are local.
const LOCAL_ZONE: &str = "Europe/London";

/// Standard deviation of ordinary piles' errors, and the errors of the few bad ones.
const PILE_SD: f64 = 0.01;
const BAD_ERRORS: [f64; 4] = [0.03, 0.02, -0.02, 0.04];

/// Standard deviation of vehicles' biases, and their common part.
const VEHICLE_SD: f64 = 0.015;
const COMMON_SD: f64 = 0.005;

/// Anchors written for a replay, each on a pile with at least so many charges.
const ANCHORS: usize = 5;
const ANCHOR_CHARGES_MIN: usize = 20;

/// Expanded uncertainty of an anchor, percent, k = 2.
const ANCHOR_U_PERCENT: f64 = 0.15;

/// Columns of a file that a message names.
const COLUMNS_SHOWN: usize = 30;

/// What to replay.
#[derive(Debug, Clone)]
pub struct ReplaySettings {
    /// The sessions.
    pub charges: PathBuf,
    /// What the chargers speak.
    pub protocol: Protocol,
    /// How many times faster than life; none = as fast as answered.
    pub speed: Option<f64>,
    /// Where to write the injected errors.
    pub truth: Option<PathBuf>,
    /// Where to write on-site results of some piles (`anchors` file of the interfaces note).
    pub anchors: Option<PathBuf>,
    /// Seed of the injected errors.
    pub seed: u64,
}

/// What became of a file.
#[derive(Debug, Clone, Default)]
pub struct ReplayReport {
    /// Rows read.
    pub rows: usize,
    /// Rows that could not be sent: line and reason.
    pub unreadable: Vec<(u64, String)>,
    /// Rows sent with a start and a stop.
    pub whole: usize,
    /// Rows sent with a start only: the file has no end.
    pub without_end: usize,
    /// Of the rows sent, those with a stop that tells no register.
    pub without_energy: usize,
    /// Of the rows sent, those with negative energy.
    pub negative: usize,
    /// Of the rows sent, those with zero energy.
    pub zero: usize,
    /// Piles.
    pub piles: usize,
    /// Cards.
    pub cards: usize,
}

/// A row of the file.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    pile: String,
    card: String,
    connector: u32,
    start: Timestamp,
    end: Option<Timestamp>,
    energy_wh: Option<i64>,
}

/// Sends every row.
pub async fn run(settings: &ReplaySettings, line: &Line) -> Result<ReplayReport, SimulatorError> {
    let (rows, mut report) = read(&settings.charges)?;
    let errors = Errors::draw(&rows, settings.seed);
    if let Some(file) = &settings.truth {
        truth::write(file, &errors.truth())?;
    }
    if let Some(file) = &settings.anchors {
        errors.write_anchors(file, &rows, settings.seed)?;
    }
    let mut by_pile: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        report.count(&row);
        by_pile.entry(row.pile.clone()).or_default().push(row);
    }
    (report.piles, report.cards) = (by_pile.len(), errors.vehicles.len());
    line.progress.total.store(report.rows as u64, Ordering::Relaxed);
    let first = by_pile.values().flatten().map(|row| row.start).min();
    let clock =
        settings.speed.zip(first).map(|(speed, first)| Clock { first, began: Timestamp::now(), speed });
    let mut tasks = JoinSet::new();
    for (index, (pile, rows)) in by_pile.into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed.wrapping_mul(7_919).wrapping_add(index as u64));
        let told: Vec<Told> = tell(&rows, &errors, &mut rng);
        let link = Link::new(line.clone(), pile, settings.protocol);
        let speaker = Speaker::new(link, index % 2 == 0, format!("replay{}", settings.seed));
        tasks.spawn(replay_pile(speaker, told, clock, line.clone()));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or(Err(SimulatorError::Stopped))?;
    }
    Ok(report)
}

impl ReplayReport {
    fn count(&mut self, row: &Row) {
        match (row.end, row.energy_wh) {
            (None, _) => self.without_end += 1,
            (Some(_), energy) => {
                self.whole += 1;
                match energy {
                    None => self.without_energy += 1,
                    Some(wh) if wh < 0 => self.negative += 1,
                    Some(0) => self.zero += 1,
                    Some(_) => {}
                }
            }
        }
    }
}

/// The injected errors.
struct Errors {
    piles: BTreeMap<String, f64>,
    vehicles: BTreeMap<String, f64>,
}

impl Errors {
    fn draw(rows: &[Row], seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut piles: BTreeMap<String, f64> = rows.iter().map(|row| (row.pile.clone(), 0.0)).collect();
        let mut vehicles: BTreeMap<String, f64> = rows.iter().map(|row| (row.card.clone(), 0.0)).collect();
        piles.values_mut().for_each(|error| *error = normal(PILE_SD).sample(&mut rng));
        let mut names: Vec<String> = piles.keys().cloned().collect();
        names.shuffle(&mut rng);
        for (name, error) in names.iter().zip(BAD_ERRORS) {
            piles.insert(name.clone(), error);
        }
        let common = normal(COMMON_SD).sample(&mut rng);
        vehicles.values_mut().for_each(|bias| *bias = common + normal(VEHICLE_SD).sample(&mut rng));
        Self { piles, vehicles }
    }

    fn truth(&self) -> Vec<Truth> {
        let of = |kind, map: &BTreeMap<String, f64>| -> Vec<Truth> {
            map.iter().map(|(id, error)| Truth { kind, id: id.clone(), error: *error }).collect()
        };
        [of(Kind::Pile, &self.piles), of(Kind::Vehicle, &self.vehicles)].concat()
    }

    fn write_anchors(&self, file: &Path, rows: &[Row], seed: u64) -> Result<(), SimulatorError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xA0C4);
        let mut charges: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.energy_wh.is_some_and(|wh| wh > 0)) {
            *charges.entry(&row.pile).or_default() += 1;
        }
        let mut visited: Vec<&str> = charges
            .iter()
            .filter(|(_, count)| **count >= ANCHOR_CHARGES_MIN)
            .map(|(pile, _)| *pile)
            .collect();
        visited.shuffle(&mut rng);
        let verified_at = rows.iter().map(|row| row.start).min().unwrap_or(Timestamp::UNIX_EPOCH);
        let mut text =
            String::from("pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor\n");
        for pile in visited.into_iter().take(ANCHORS) {
            let measured = 100.0 * self.piles[pile] + normal(ANCHOR_U_PERCENT / 2.0).sample(&mut rng);
            text.push_str(&format!("{pile},{verified_at},{measured:.3},{ANCHOR_U_PERCENT},2\n"));
        }
        std::fs::write(file, text).map_err(|error| SimulatorError::File {
            file: file.display().to_string(),
            reason: error.to_string(),
        })
    }
}

/// A charge of a file that names pile and card and has an end and energy.
pub(crate) struct Visit {
    pub(crate) pile: String,
    pub(crate) card: String,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) energy_wh: i64,
}

/// The whole charges of a file: who charged where, when and how much.
pub(crate) fn visits(file: &Path) -> Result<Vec<Visit>, SimulatorError> {
    let whole = |row: Row| {
        let end = row.end.filter(|end| row.start <= *end)?;
        let energy_wh = row.energy_wh.filter(|wh| 0 < *wh)?;
        (!row.card.is_empty()).then_some(Visit {
            pile: row.pile,
            card: row.card,
            start: row.start,
            end,
            energy_wh,
        })
    };
    Ok(read(file)?.0.into_iter().filter_map(whole).collect())
}

/// Gives each row its registers and its vehicle-side energy, in the order of starts.
fn tell(rows: &[Row], errors: &Errors, rng: &mut ChaCha8Rng) -> Vec<Told> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| (row.start, row.end, row.connector));
    let mut registers: BTreeMap<u32, i64> = BTreeMap::new();
    let mut last: BTreeMap<(u32, &str), Timestamp> = BTreeMap::new();
    rows.into_iter()
        .map(|row| {
            // The file has minutes only, and the same card may start twice within one: the second start is a second later,
            // or a central system would rightly take it for the first one repeated.
            let after_last =
                last.get(&(row.connector, row.card.as_str())).map(|at| *at + SignedDuration::from_secs(1));
            let start = after_last.map_or(row.start, |after| row.start.max(after));
            last.insert((row.connector, &row.card), start);
            let register =
                registers.entry(row.connector).or_insert_with(|| rng.random_range(100_000..50_000_000));
            let register_wh = *register;
            *register += row.energy_wh.unwrap_or(0);
            let tells = row.energy_wh.filter(|wh| *wh > 0);
            let vehicle_wh = tells.map(|wh| {
                let (error, bias) = (errors.piles[&row.pile], errors.vehicles[&row.card]);
                vehicle_energy_wh(wh.to_f64().unwrap_or(0.0) / 1000.0, error, bias, rng)
            });
            Told {
                connector: row.connector,
                card: row.card.clone(),
                start,
                end: row.end,
                register_wh,
                energy_wh: row.energy_wh,
                vehicle_wh,
            }
        })
        .collect()
}

/// Maps the file's time to now.
#[derive(Debug, Clone, Copy)]
struct Clock {
    first: Timestamp,
    began: Timestamp,
    speed: f64,
}

impl Clock {
    async fn wait_for(&self, moment: Timestamp) {
        let due = self.began
            + SignedDuration::from_secs_f64(moment.duration_since(self.first).as_secs_f64() / self.speed);
        let wait = due.duration_since(Timestamp::now());
        if let Ok(wait) = Duration::try_from(wait) {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Sends a pile's rows: starts and stops in the order of their times, as the charger would have.
async fn replay_pile(
    mut speaker: Speaker,
    told: Vec<Told>,
    clock: Option<Clock>,
    line: Line,
) -> Result<(), SimulatorError> {
    let identity = Identity {
        vendor: "Replay".to_owned(),
        model: "Replay".to_owned(),
        firmware: "1".to_owned(),
        meter_serial: format!("R-{}", speaker.link.identity),
    };
    speaker.boot(&identity).await?;
    // A stop comes after its start even where the file says otherwise.
    let mut events: Vec<(Timestamp, bool, usize)> = Vec::new();
    for (index, told) in told.iter().enumerate() {
        events.push((told.start, true, index));
        events.push((told.end.unwrap_or(told.start).max(told.start), false, index));
    }
    events.sort_by_key(|(at, begins, index)| (*at, *index, !*begins));
    let mut running: BTreeMap<usize, Running> = BTreeMap::new();
    for (at, begins, index) in events {
        if let Some(clock) = clock {
            clock.wait_for(at).await;
        }
        if begins {
            running.insert(index, speaker.start(told[index].clone()).await?);
        } else if let Some(running) = running.remove(&index) {
            speaker.stop(running).await?;
            line.progress.done.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<(Vec<Row>, ReplayReport), SimulatorError> {
    let fail = |reason: String| SimulatorError::File { file: file.display().to_string(), reason };
    let handle = File::open(file).map_err(|error| fail(error.to_string()))?;
    let mut plain: Box<dyn Read> = if file.extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(handle))
    } else {
        Box::new(handle)
    };
    let mut bytes = Vec::new();
    plain.read_to_end(&mut bytes).map_err(|error| fail(error.to_string()))?;
    rows(&bytes).map_err(fail)
}

/// The rows of a table, all of which are held at once.
fn rows(bytes: &[u8]) -> Result<(Vec<Row>, ReplayReport), String> {
    let mut lines = Lines { bytes, at: 0, line: 1 };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let columns = Columns::of(&header)?;
    let mut report = ReplayReport::default();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| match error.position() {
            Some(position) => format!("line {}: this is no UTF-8", lines.line_at(position.byte())),
            None => error.to_string(),
        })?;
        report.rows += 1;
        match columns.row(&record) {
            Ok(row) => rows.push(row),
            Err(reason) => {
                let line = lines.line_at(record.position().map_or(0, csv::Position::byte));
                report.unreadable.push((line, reason));
            }
        }
    }
    Ok((rows, report))
}

/// Physical lines of a table: the `csv` crate counts otherwise. After CRLF it is still on the line before, and a row that follows blank lines
/// begins with them.
struct Lines<'a> {
    bytes: &'a [u8],
    /// What was asked for last begins here, on this line; the header's is 1.
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of what begins at this byte, or after the line ends that stand there; bytes are asked for in their order.
    fn line_at(&mut self, byte: u64) -> u64 {
        let from = usize::try_from(byte).unwrap_or(usize::MAX).clamp(self.at, self.bytes.len());
        let blank = self.bytes[from..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = &self.bytes[self.at..from + blank];
        let is_end = |(at, byte): &(usize, &u8)| match byte {
            b'\r' => true,
            b'\n' => *at == 0 || passed[at - 1] != b'\r',
            _ => false,
        };
        self.line += passed.iter().enumerate().filter(is_end).count() as u64;
        self.at = from + blank;
        self.line
    }
}

/// Where the columns stand, under either of their names.
struct Columns {
    pile: usize,
    card: usize,
    connector: Option<usize>,
    start: usize,
    end: usize,
    energy: usize,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, String> {
        let find = |names: &[&str]| {
            header.iter().position(|name| names.contains(&name.trim_start_matches('\u{feff}').trim()))
        };
        let has = header.iter().take(COLUMNS_SHOWN).collect::<Vec<_>>().join(", ");
        let need = |names: &[&str], what: &str| {
            let missing = || {
                format!(
                    "no column {} ({what}); the file has: {has}. Name the column so if it is there under another name; a file that does not \
                     tell it has no graph of who charged where",
                    names.join(" or ")
                )
            };
            find(names).ok_or_else(missing)
        };
        Ok(Self {
            pile: need(&["charger_id", "pile_id"], "the charger")?,
            card: need(&["user", "vehicle_id"], "the card or vehicle")?,
            connector: find(&["connector"]),
            start: need(&["start_local", "started_at"], "the begin")?,
            end: need(&["end_local", "ended_at"], "the end")?,
            energy: need(&["energy_kwh", "energy_pile_kwh"], "energy in kWh")?,
        })
    }

    fn row(&self, record: &csv::StringRecord) -> Result<Row, String> {
        let text = |at: usize| record.get(at).map(str::trim).filter(|text| !text.is_empty());
        let energy = text(self.energy)
            .map(|text| energy_wh(text).ok_or_else(|| format!("energy {text:?} is no number")));
        Ok(Row {
            pile: text(self.pile).ok_or("no charger")?.to_owned(),
            // A few rows name nobody: sent without a card, as the charger must have been used without one.
            card: text(self.card).unwrap_or_default().to_owned(),
            connector: self.connector.and_then(text).and_then(|text| text.parse().ok()).unwrap_or(1),
            start: time(text(self.start).ok_or("no start")?)?,
            end: text(self.end).map(time).transpose()?,
            energy_wh: energy.transpose()?,
        })
    }
}

fn energy_wh(text: &str) -> Option<i64> {
    text.parse::<Decimal>().ok()?.checked_mul(Decimal::ONE_THOUSAND)?.round().to_i64()
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Some(time) = rfc3339(text) {
        return Ok(time);
    }
    let unreadable = || format!("time {text:?} cannot be read");
    // With an offset or a zone it is no local time, and none that can be read.
    let is_local = text.get(10..).is_some_and(|clock| !clock.contains(['+', '-', '[', 'Z', 'z']));
    let local: DateTime = text.parse().ok().filter(|_| is_local).ok_or_else(unreadable)?;
    local.in_tz(LOCAL_ZONE).map(|zoned| zoned.timestamp()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_both_formats_read_and_dirty_ones_stay_dirty() {
        let dundee = csv::StringRecord::from(vec![
            "user",
            "charger_id",
            "connector",
            "start_local",
            "end_local",
            "energy_kwh",
        ]);
        let columns = Columns::of(&dundee).expect("known");
        let row = |fields: &[&str]| columns.row(&csv::StringRecord::from(fields.to_vec()));
        let summer = row(&["U1", "5", "2", "2018-06-06T00:00", "2018-06-06T00:15", "11.219"]).expect("reads");
        assert_eq!(summer.start, "2018-06-05T23:00:00Z".parse().expect("literal"));
        assert_eq!((summer.connector, summer.energy_wh), (2, Some(11_219)));
        let dirty = row(&["U1", "5", "", "2018-06-06T00:00", "", "-60.8"]).expect("reads");
        assert_eq!((dirty.end, dirty.energy_wh), (None, Some(-60_800)));
        for unreadable in ["noon", "2018-06-06T00:00+25:00", "2018-06-06T00:00:00+25:00", "20180606T000000Z"]
        {
            assert!(row(&["U1", "5", "", unreadable, "", ""]).is_err(), "{unreadable}");
        }
        assert_eq!(row(&["", "5", "", "2018-06-06T00:00", "", ""]).expect("reads").card, "");
        assert!(row(&["U1", "", "", "2018-06-06T00:00", "", ""]).is_err());
        let ours = csv::StringRecord::from(vec![
            "pile_id",
            "vehicle_id",
            "started_at",
            "ended_at",
            "energy_pile_kwh",
        ]);
        assert!(Columns::of(&ours).is_ok());
        assert!(Columns::of(&csv::StringRecord::from(vec!["pile_id"])).is_err());
    }

    /// Lines as an editor counts them: a quoted field that goes on over a line end is of two, and blank lines count.
    #[test]
    fn what_cannot_be_read_is_told_with_its_line_however_lines_end() {
        let table = "user,charger_id,start_local,end_local,energy_kwh\nU1,5,2018-06-06T00:00,,1\nU1,5,noon,,\n\nU1,\"5\n\",2018-06-06T00:00,,1\nU1,,,,\n";
        for end in ["\n", "\r\n", "\r"] {
            let text = table.replace('\n', end);
            let (rows, report) = rows(text.as_bytes()).expect("a table");
            let lines: Vec<u64> = report.unreadable.iter().map(|(line, _)| *line).collect();
            assert_eq!((rows.len(), report.rows, lines), (2, 4, vec![3, 7]), "{end:?}");
            let mut broken = text.replace("U1,,,,", "U1,\u{ff},,,").into_bytes();
            broken.retain(|byte| *byte != 0xc3); // half of a letter
            let told = super::rows(&broken).expect_err("no text");
            assert_eq!(told, "line 7: this is no UTF-8", "{end:?}");
        }
    }
}
