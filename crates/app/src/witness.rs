//! `veripile witness`: what others than the pile tell of charges, from a CSV file into the database: energies by telematics, by drivers' apps,
//! by reference vehicles; vehicles' models, the temperature of the air, and bills.
//!
//! Called by the command line. Rows that cannot be are rejected one by one, with line and reason, as in files of `assess`; of the others it
//! decides nothing: which charge a row speaks of is the store's to find, what it is worth the assessment's.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use veripile_assessment::evidence;
use veripile_metrology::payment::{self, Tariffed};
use veripile_ocpp::IdentityKey;
use veripile_pile::{NameKind, PileId, VehicleKey, VehiclePath, is_vin};
use veripile_store::Store;
use veripile_store::witness::{Bill, Recorded, Witness};

use crate::assess_files::charges::{AMBIENT_C, Bad, SOC_PERCENT, bad, name, path, period};
use crate::assess_files::rows::{Row, Rows, short};
use crate::config::Config;
use crate::{identity, serve};

/// Columns that must be there.
const REQUIRED: [&str; 3] = ["pile_id", "started_at", "ended_at"];

/// Columns that may be.
const OPTIONAL: [&str; 10] = [
    "connector",
    "vehicle_id",
    "vehicle_model",
    "vehicle_path",
    "energy_vehicle_kwh",
    "soc_start",
    "soc_end",
    "ambient_c",
    "amount",
    "energy_parts",
];

/// Rows recorded with one transaction.
const BATCH: usize = 1_000;

/// A charge that ends later than this after now has not taken place.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// No bill of a charge is higher, CNY.
const AMOUNT_MAX: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// What `witness` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct WitnessArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where rejected rows go: line,reason,row [default: FILE.rejected.csv, if there are any]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// pile_id,started_at,ended_at and of connector,vehicle_id,vehicle_model,vehicle_path(telematics|app|reference),energy_vehicle_kwh,
    /// soc_start,soc_end,ambient_c,amount,energy_parts what is known; energy_parts is kWh@price[+service], parts separated by semicolons
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What came of a file.
#[derive(Debug, Default)]
struct Outcome {
    rows: u64,
    recorded: Recorded,
    /// Good rows with an energy.
    with_energy: u64,
    /// Columns of the file that nothing is read from.
    unread: Vec<String>,
    /// By reason, without what is particular to a row.
    rejected: BTreeMap<&'static str, u64>,
}

/// Records what the file tells; the summary.
pub async fn run(args: &WitnessArgs) -> Result<String> {
    let config = Config::read(args.config.as_deref())?;
    let key = identity::existing(Path::new(&config.identity.key_file))?;
    let mut rows = Rows::open(&args.file, &REQUIRED)?;
    let rejects = Rejects::beside(&args.file, args.rejected.as_deref())?;
    let mut store = serve::connect(&config).await?;
    store.migrate().await?;
    let outcome = Outcome { unread: unread(&rows), ..Outcome::default() };
    let mut import =
        Import { store: &store, rejects, outcome, waiting: Vec::new(), first_lines: HashMap::new() };
    let columns = Columns::of(&rows);
    let done = import.take(&mut rows, &columns, &key).await;
    let summary = import.summary();
    store.close().await;
    done.with_context(|| format!("the file was not read to its end; up to there {summary}"))?;
    Ok(summary)
}

/// A file on its way into the database.
struct Import<'a> {
    store: &'a Store,
    rejects: Rejects,
    outcome: Outcome,
    /// Good rows that are not recorded yet.
    waiting: Vec<(u64, String, Witness)>,
    /// First line of each time and way at a connector, by the first half of a SHA-256.
    first_lines: HashMap<[u8; 16], u64>,
}

impl Import<'_> {
    async fn take(&mut self, rows: &mut Rows, columns: &Columns, key: &IdentityKey) -> Result<()> {
        let now = Timestamp::now();
        let mut row = Row::default();
        while rows.next(&mut row)? {
            self.outcome.rows += 1;
            match witness(&row, columns, key, now).and_then(|told| self.first(row.line, told)) {
                Ok(witness) => {
                    self.outcome.with_energy += u64::from(witness.energy_wh.is_some());
                    self.waiting.push((row.line, row.text.clone(), witness));
                }
                Err(bad) => self.reject(row.line, &bad, &row.text)?,
            }
            if BATCH <= self.waiting.len() {
                self.record().await?;
            }
        }
        self.record().await?;
        self.rejects.finish()
    }

    /// Refuses what speaks of the same time on the same way as another row of the file: which of them is newer nobody can tell.
    fn first(&mut self, line: u64, told: Witness) -> Result<Witness, Bad> {
        let Witness { pile_id, connector, started_at, ended_at, path, .. } = &told;
        let digest =
            Sha256::digest(format!("{pile_id}\n{connector:?} {started_at} {ended_at} {path:?}").as_bytes());
        let key: [u8; 16] = digest[..16].try_into().expect("SHA-256 has 32 bytes");
        let first = *self.first_lines.entry(key).or_insert(line);
        if first == line { Ok(told) } else { Err(bad("duplicate_row", format!("first on line {first}"))) }
    }

    async fn record(&mut self) -> Result<()> {
        let piles: Vec<PileId> = self.waiting.iter().map(|(.., witness)| witness.pile_id.clone()).collect();
        let unknown = self.store.unknown_piles(&piles).await?;
        let mut good = Vec::with_capacity(self.waiting.len());
        for (line, text, witness) in std::mem::take(&mut self.waiting) {
            if unknown.contains(&witness.pile_id) {
                let next = "register it first (`veripile register --piles`)";
                self.reject(line, &bad("pile_not_registered", next), &text)?;
            } else {
                good.push(witness);
            }
        }
        let recorded = self.store.record_witnesses(&good).await?;
        let total = &mut self.outcome.recorded;
        total.new += recorded.new;
        total.fit += recorded.fit;
        total.fit_none += recorded.fit_none;
        total.fit_several += recorded.fit_several;
        Ok(())
    }

    fn reject(&mut self, line: u64, bad: &Bad, text: &str) -> Result<()> {
        *self.outcome.rejected.entry(bad.code).or_insert(0) += 1;
        self.rejects.write(line, &bad.text(), text)
    }

    fn summary(&self) -> String {
        let Outcome { rows, recorded, with_energy, unread, rejected } = &self.outcome;
        let refused: u64 = rejected.values().sum();
        let known = rows.saturating_sub(refused + recorded.new);
        let mut lines = vec![format!(
            "{rows} rows: {} new, {known} known already, {refused} rejected; {with_energy} with an energy",
            recorded.new
        )];
        lines.push(format!(
            "of the new ones {} fit a charge, {} fit none yet and wait for it, {} fit several charges and speak of none{}",
            recorded.fit,
            recorded.fit_none,
            recorded.fit_several,
            if recorded.fit_several > 0 { " (name the connector)" } else { "" }
        ));
        if !unread.is_empty() {
            lines.push(format!("columns that nothing is read from: {}", unread.join(", ")));
        }
        lines.extend(rejected.iter().map(|(code, count)| format!("rejected, {code}: {count}")));
        if refused > 0 {
            lines.push(format!("rejected rows with line and reason: {}", self.rejects.path.display()));
        }
        lines.join("\n")
    }
}

/// The file of rejected rows, made with the first of them.
struct Rejects {
    path: PathBuf,
    writer: Option<csv::Writer<File>>,
}

impl Rejects {
    /// The file that was named, else one beside the input. What an earlier run left there goes: it spoke of other rows.
    fn beside(input: &Path, named: Option<&Path>) -> Result<Self> {
        let path = named.map_or_else(
            || {
                let mut name = input.to_owned().into_os_string();
                name.push(".rejected.csv");
                PathBuf::from(name)
            },
            Path::to_owned,
        );
        let same = |file: &Path| std::fs::canonicalize(file).ok();
        if same(&path).is_some_and(|path| Some(path) == same(input)) {
            bail!("{}: rejected rows cannot go into the file that is read", path.display());
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot write {}", path.display()))
            }
            _ => Ok(Self { path, writer: None }),
        }
    }

    fn write(&mut self, line: u64, reason: &str, row: &str) -> Result<()> {
        let cannot = || format!("cannot write {}; name another place with --rejected", self.path.display());
        if self.writer.is_none() {
            let mut writer = csv::Writer::from_path(&self.path).with_context(cannot)?;
            writer.write_record(["line", "reason", "row"]).with_context(cannot)?;
            self.writer = Some(writer);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write_record([line.to_string().as_str(), reason, row]).with_context(cannot)
    }

    fn finish(&mut self) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.flush().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Columns of the file that nothing is read from, ten at most: a misspelt name would otherwise go unseen.
fn unread(rows: &Rows) -> Vec<String> {
    let is_read = |name: &&String| REQUIRED.iter().chain(&OPTIONAL).any(|known| *known == name.as_str());
    rows.names().iter().filter(|name| !is_read(name)).take(10).map(|name| short(name)).collect()
}

/// Positions of the columns.
struct Columns {
    required: [usize; 3],
    optional: [Option<usize>; 10],
}

impl Columns {
    fn of(rows: &Rows) -> Self {
        Self {
            required: REQUIRED
                .map(|name| rows.column(name).expect("Rows::open checked the required columns")),
            optional: OPTIONAL.map(|name| rows.column(name)),
        }
    }
}

/// Reads a row.
fn witness(row: &Row, columns: &Columns, key: &IdentityKey, now: Timestamp) -> Result<Witness, Bad> {
    let [pile_id, started_at, ended_at] = columns.required.map(|at| row.field(at));
    let [
        connector,
        vehicle_id,
        vehicle_model,
        vehicle_path,
        energy,
        soc_start,
        soc_end,
        ambient,
        amount,
        parts,
    ] = columns.optional.map(|at| row.optional(at));
    let pile_id = PileId::parse(pile_id).map_err(|error| bad("pile_id_unusable", error.to_string()))?;
    let (started_at, ended_at) = period(started_at, ended_at)?;
    if started_at == ended_at {
        return Err(bad("ends_before_it_starts", "it takes no time"));
    }
    if now + CLOCKS_DIFFER < ended_at {
        return Err(bad("not_yet", format!("ended_at is {ended_at}")));
    }
    name("vehicle_id_too_long", vehicle_id)?;
    let vehicle_model = model(vehicle_model)?;
    let (path, energy_wh) = vehicle_energy(energy, vehicle_path)?;
    let told = Witness {
        pile_id,
        connector: self::connector(connector)?,
        started_at,
        ended_at,
        vehicle: vehicle(vehicle_id, key),
        vehicle_model,
        path,
        energy_wh,
        soc_percent: [within("soc_start", soc_start, SOC_PERCENT)?, within("soc_end", soc_end, SOC_PERCENT)?],
        ambient_c: within("ambient_c", ambient, AMBIENT_C)?,
        bill: bill(amount, parts)?,
    };
    let tells = told.path.is_some()
        || told.vehicle.is_some()
        || told.vehicle_model.is_some()
        || told.soc_percent.iter().any(Option::is_some)
        || told.ambient_c.is_some()
        || told.bill.is_some();
    if tells { Ok(told) } else { Err(bad("tells_nothing", "fill in one of the other columns")) }
}

/// A model, not the vehicle itself: a vehicle identification number would be kept as it stands.
fn model(text: &str) -> Result<Option<String>, Bad> {
    name("vehicle_model_too_long", text)?;
    if is_vin(text) {
        return Err(bad("vehicle_model_is_a_vin", "give make and model; the number belongs into vehicle_id"));
    }
    if text.chars().any(char::is_control) {
        return Err(bad("vehicle_model_unusable", "it has control characters"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Who a vehicle is, is not kept; what kind of name that was, is.
fn vehicle(id: &str, key: &IdentityKey) -> Option<(VehicleKey, NameKind)> {
    let kind = NameKind::of(id);
    // A plate is the same with its dot and without.
    let plain: String = id.chars().filter(|char| kind != NameKind::Plate || char.is_alphanumeric()).collect();
    (!id.is_empty()).then(|| (key.vehicle(&plain), kind))
}

fn connector(text: &str) -> Result<Option<i64>, Bad> {
    if text.is_empty() {
        return Ok(None);
    }
    let connector = text.parse().ok().filter(|connector| (1..=i64::from(u16::MAX)).contains(connector));
    connector.map(Some).ok_or_else(|| bad("connector_unusable", format!("{text:?}; connectors count from 1")))
}

fn decimal(column: &str, text: &str) -> Result<Decimal, Bad> {
    let parsed = text.parse().or_else(|_| Decimal::from_scientific(text));
    parsed.map_err(|_| bad("not_a_number", format!("{column} is {text:?}")))
}

/// A number between two bounds; none where the field is empty.
fn within(column: &str, text: &str, (low, high): (f64, f64)) -> Result<Option<Decimal>, Bad> {
    if text.is_empty() {
        return Ok(None);
    }
    let value = decimal(column, text)?;
    let is_within = (low..=high).contains(&veripile_metrology::crossing::to_f64(value));
    if is_within {
        Ok(Some(value))
    } else {
        Err(bad("out_of_range", format!("{column} is {text}, not {low} to {high}")))
    }
}

/// The way on which the vehicle's energy came, and the energy, Wh. A way without an energy takes back what was told.
fn vehicle_energy(energy: &str, word: &str) -> Result<(Option<VehiclePath>, Option<Decimal>), Bad> {
    let way = path(word)?;
    if way == Some(VehiclePath::Relayed) {
        return Err(bad("vehicle_path_relayed", "what a pile relays, the pile tells itself over OCPP"));
    }
    if energy.is_empty() {
        return Ok((way, None));
    }
    let kwh = decimal("energy_vehicle_kwh", energy)?;
    if let Err(reason @ (evidence::Screened::NotPositive | evidence::Screened::Implausible)) =
        evidence::compare(kwh, kwh)
    {
        return Err(bad(reason.code(), format!("vehicle {kwh} kWh")));
    }
    if way.is_none() {
        return Err(bad("vehicle_path_missing", "telematics, app or reference"));
    }
    Ok((way, Some(kwh * Decimal::ONE_THOUSAND)))
}

/// A bill: what was asked for and the energy at each price, both or neither.
fn bill(amount: &str, parts: &str) -> Result<Option<Bill>, Bad> {
    if amount.is_empty() && parts.is_empty() {
        return Ok(None);
    }
    if amount.is_empty() || parts.is_empty() {
        return Err(bad("bill_incomplete", "amount and energy_parts belong together"));
    }
    let amount = decimal("amount", amount)?;
    let parts: Vec<Tariffed> = parts.split(';').map(part).collect::<Result<_, Bad>>()?;
    let checked = payment::check(&parts, amount);
    let is_money = (Decimal::ZERO..=AMOUNT_MAX).contains(&amount);
    match checked {
        Ok(checked) if is_money && checked.expected.abs() <= AMOUNT_MAX => Ok(Some(Bill { amount, parts })),
        Ok(_) => Err(bad("out_of_range", format!("amount is {amount}, not 0 to {AMOUNT_MAX}"))),
        Err(error) => Err(bad("bill_unusable", error.to_string())),
    }
}

/// `kWh@price` or `kWh@price+service`.
fn part(text: &str) -> Result<Tariffed, Bad> {
    let unreadable =
        || bad("bill_unusable", format!("energy_parts: {text:?} is not kWh@price or kWh@price+service"));
    let (energy, price) = text.split_once('@').ok_or_else(unreadable)?;
    let (price, service) = price.split_once('+').unwrap_or((price, "0"));
    let number = |text: &str| text.trim().parse::<Decimal>().map_err(|_| unreadable());
    Ok(Tariffed {
        energy_kwh: number(energy)?,
        price_per_kwh: number(price)?,
        service_per_kwh: number(service)?,
    })
}

#[cfg(test)]
mod tests;
