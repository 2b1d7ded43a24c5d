//! `veripile register`: operators, stations and their prices, piles, on-site results, keys of meters and calibrations from CSV files into the
//! database.
//!
//! One transaction: with a bad row in any file nothing is registered. What is registered already is brought up to date, and stays as it is where a file has no column for it; on-site results are recorded once. A result with `valid_until` is a
//! certificate; one without is a measurement, which anchors estimates and changes no state. Beyond the limit it is public only with a failure
//! that was confirmed since.

mod files;
mod left_out;
mod unknown;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use veripile_api::{Assumed, Imported, RowError};
use veripile_ocpp::signed::key;
use veripile_pile::time::rfc3339;
use veripile_pile::{
    AccuracyClass, Act, ActKind, ConnectorType, CoordinateSystem, Field, KeySource, MeterKey, NO_BODY,
    OnSiteResult, Operator, OperatorId, Pile, PileId, PileKind, Station, StationId, Told,
};
use veripile_store::evidence::{Efficiency, EnergyInterval, EnergyMeter};
use veripile_store::witness::Calibration;
use veripile_store::{Hands, Store};

use crate::assess_files::reference::{read_intervals, read_references};
use crate::config::Config;
use crate::keys::Prepared;
use crate::plausible::{
    self, COVERAGE_FACTOR_MAX, EFFICIENCY_MIN, EFFICIENCY_U_MAX, ERROR_MAX_PERCENT, STATION_POWER_MAX_KW,
    UNCERTAINTY_MAX_PERCENT, power_max_kw,
};
use crate::table::{Row, Seen, Table, Unread};
use crate::{identity, keys, places, serve};
use files::Files;

/// Columns that a table of stations must have.
const STATION_COLUMNS: [&str; 1] = ["station_id"];

/// Days of public acts are those of China.
const SHANGHAI: Offset = Offset::constant(8);

/// Nothing was made or verified before: a slip of the pen.
const YEAR_MIN: i16 = 1990;

/// Columns that a table of piles must have.
const PILE_COLUMNS: [&str; 3] = ["pile_id", "kind", "accuracy_class"];

/// What a table of piles may say nothing of, and the columns that would.
const PILE_FIELDS: [(Field, &[&str]); 6] = [
    (Field::Station, &["station_id"]),
    (Field::Operator, &["operator_id"]),
    (Field::Power, &["power_kw"]),
    (Field::Connectors, &["connectors"]),
    (Field::Model, &["model"]),
    (Field::MeterSerial, &["meter_serial"]),
];

/// What `register` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct RegisterArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// operator_id,name_zh,name_en[,committed_on]: the last is the day of the public commitment to honest metering
    #[arg(long, value_name = "FILE")]
    operators: Option<PathBuf>,
    /// station_id,operator_id,name_zh,name_en,lon,lat[,coordinate_system,region,address,phone,fee_cny_kwh,fee_note,country,time_zone,piles]; or GeoJSON, or OCPI Locations
    /// (*.json, *.geojson)
    #[arg(long, value_name = "FILE")]
    stations: Option<PathBuf>,
    /// What coordinates are in where a file does not say: wgs84, gcj02 or bd09
    #[arg(long, value_name = "SYSTEM", value_parser = places::system)]
    coordinate_system: Option<CoordinateSystem>,
    /// Whose stations these are where a file does not say
    #[arg(long, value_name = "ID", value_parser = OperatorId::parse)]
    operator: Option<OperatorId>,
    /// Stations, and piles of OCPI Locations, that are registered with another operator change hands
    #[arg(long)]
    change_operator: bool,
    /// pile_id,station_id,operator_id,kind,accuracy_class[,model,power_kw,connectors,lon,lat,coordinate_system,meter_serial,
    /// made_in,efficiency,efficiency_u]: year in which it was made, by which batches are told apart; energy out over energy in and its standard
    /// uncertainty, fractions (0.94 and 0.003), by which a master meter tells what DC piles err by
    #[arg(long, value_name = "FILE")]
    piles: Option<PathBuf>,
    /// pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor[,number,issuer,person,valid_until,outlet]
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// pile_id,public_key[,meter_serial]: keys that sign meter values, from plate or certificate
    #[arg(long, value_name = "FILE")]
    meter_keys: Option<PathBuf>,
    /// station_id,from,to,energy_kwh[,accuracy_class]: energy by stations' master meters, interval by interval
    #[arg(long, value_name = "FILE")]
    masters: Option<PathBuf>,
    /// pile_id,from,to,energy_kwh: energy by the piles' registers in the same intervals
    #[arg(long, value_name = "FILE")]
    registers: Option<PathBuf>,
    /// vehicle_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor: calibrations of reference vehicles
    #[arg(long, value_name = "FILE")]
    references: Option<PathBuf>,
    /// station_id,from,to,cny_kwh[,valid_from]: what a station asks drivers for a kWh, service and tax included, by hours of the day where it stands (column
    /// time_zone of stations, else in China; 08:30; to 24:00, or over midnight; or from_hour,to_hour), each day whole, from a day on; they tell what wrong clocks and errors cost, and are OCPI's
    /// Tariffs
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// pile_id[,security_profile,key,upstream_url]: how piles prove who they are; key `new` draws one
    #[arg(long, value_name = "FILE")]
    access: Option<PathBuf>,
    /// New file for the keys drawn, readable by its owner only
    #[arg(long, value_name = "FILE")]
    keys_out: Option<PathBuf>,
}

/// Registers what the files say; with a bad row in any of them, nothing.
pub async fn run(args: &RegisterArgs) -> Result<()> {
    let config = Config::read(args.config.as_deref())?;
    let mut files = Files::read(args, &config)?;
    let mut store = serve::connect(&config).await?;
    store.migrate().await?;
    let mut stations = store.complete_stations(std::mem::take(&mut files.stations)).await?;
    let mut piles = store.complete_piles(std::mem::take(&mut files.piles), &stations).await?;
    for pile in &piles {
        if let Some(why) = veripile_api::cannot_be(pile) {
            bail!("pile {}: {why}", pile.pile_id);
        }
    }
    let mut known: HashMap<PileId, Pile> =
        store.all_piles().await?.into_iter().map(|(_, pile)| (pile.pile_id.clone(), pile)).collect();
    known.extend(piles.iter().map(|pile| (pile.pile_id.clone(), pile.clone())));
    certify_within_limits(&files.anchors, &known)?;
    unknown::refuse(&store, args, &files.operators, &stations, &piles).await?;
    let hands = if args.change_operator { Hands::MayChange } else { Hands::Stay };
    if hands == Hands::Stay {
        belong_to_nobody_else(&store, &stations, &piles[..files.of_locations]).await?;
    }
    let doubts = veripile_api::doubtful_places(&store, &mut stations, &mut piles).await?;
    let public_still = veripile_api::public_still(&store, &files.private).await?;
    let standing = store.piles_standing_at(&files.removed).await?;
    let keys = Prepared::of(&files.access, args.keys_out.as_ref())?;
    // One transaction: whatever fails from here on up to its commit, nothing was registered.
    let mut registering = store.registering().await?;
    // Before what is registered: that goes before what is said to be gone.
    let gone = registering.take_away(&files.removed).await?;
    let [intervals, calibrated, priced] = files.write(&mut registering, &stations, &piles, hands).await?;
    keys.register(&mut registering).await?;
    let kept = keys.keep();
    registering.commit().await.with_context(|| keys::uncertain(kept.as_deref()))?;
    crate::say(&format!(
        "registered {} operators, {} stations, {} piles, {} on-site results, {} meter keys, {intervals} new intervals of energy, {calibrated} new calibrations of vehicles, {priced} new days of prices, access of {} piles",
        files.operators.len(),
        stations.len(),
        piles.len(),
        files.anchors.len(),
        files.meter_keys.len(),
        files.access.len()
    ))?;
    left_out::tell_unread(&files.unread)?;
    left_out::tell(&doubts)?;
    left_out::tell_placeless(&piles)?;
    left_out::tell_private(&files.private, &public_still)?;
    left_out::tell_unknown_plugs(&files.unknown_plugs)?;
    left_out::tell_removed(&files.removed, &standing, &gone)?;
    store.close().await;
    Ok(())
}

/// Piles from their own table; one that a list of Locations brought along already is an error.
fn more_piles(
    args: &RegisterArgs,
    with_stations: &[Told<Pile>],
    assumed: &Assumed,
    unread: &mut Unread,
) -> Result<Vec<Told<Pile>>> {
    let mut seen = Seen::default();
    let list = args.stations.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    for told in with_stations {
        seen.once("pile", told.record.pile_id.as_str(), &list)?;
    }
    read(args.piles.as_ref(), &PILE_COLUMNS, unread, |row| {
        let told = pile(row, assumed)?;
        seen.once("pile", told.record.pile_id.as_str(), &row.place())?;
        Ok(told)
    })
}

/// No list takes over what is registered with another operator: identifiers are each operator's own, and two of them may both have a
/// station 1.
async fn belong_to_nobody_else(store: &Store, stations: &[Station], piles: &[Pile]) -> Result<()> {
    let others = veripile_api::of_others(store, stations, piles).await?;
    match others.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} of these stations and piles are another operator's, the first: {first}. Give yours identifiers of their own in the \
             list; or, if they changed hands, register them with --change-operator",
            others.len()
        ),
    }
}

/// The intervals of master meters and of piles' registers.
fn energy(args: &RegisterArgs) -> Result<Vec<EnergyInterval>> {
    let mut energy = Vec::new();
    for (file, is_master) in [(&args.masters, true), (&args.registers, false)] {
        let Some(file) = file else { continue };
        let column = if is_master { "station_id" } else { "pile_id" };
        let power_max_kw = if is_master { STATION_POWER_MAX_KW } else { power_max_kw(None) };
        let (rows, _) = read_intervals(file, column, |_| power_max_kw)?;
        for row in rows {
            let unknown = || format!("{}: {:?} is no identifier", file.display(), row.id);
            let meter = if is_master {
                EnergyMeter::Master(StationId::parse(&row.id).with_context(unknown)?)
            } else {
                EnergyMeter::Register(PileId::parse(&row.id).with_context(unknown)?)
            };
            let class = is_master.then_some(row.class);
            energy.push(EnergyInterval {
                meter,
                from: row.from,
                to: row.to,
                energy_kwh: row.energy_kwh,
                class,
            });
        }
    }
    Ok(energy)
}

/// The calibrations of reference vehicles. Who a vehicle is, is not kept.
fn calibrations(args: &RegisterArgs, config: &Config) -> Result<Vec<Calibration>> {
    let Some(file) = &args.references else { return Ok(Vec::new()) };
    let key = identity::existing(Path::new(&config.identity.key_file))?;
    let (rows, _) = read_references(file)?;
    Ok(rows.iter().map(|row| row.calibration(key.vehicle(row.vehicle_id()))).collect())
}

/// Reads a table of piles, or of stations, for the operators' pages: good rows and bad ones. The header says which it is.
pub fn import(text: &str, assumed: &Assumed) -> Imported {
    if places::bare(text).starts_with(['{', '[']) {
        return not_empty(places::of_json(text, assumed));
    }
    let header = text.lines().next().unwrap_or_default();
    let is_of_stations = !header.contains("pile_id") && header.contains("station_id");
    let mut imported = Imported::default();
    let mut seen = Seen::default();
    let table = Table::of_text(text, if is_of_stations { &STATION_COLUMNS } else { &PILE_COLUMNS });
    let read = table.and_then(|table| {
        table.rows(|row| {
            let mut take = || -> Result<()> {
                row.fits()?;
                if is_of_stations {
                    let station = station(&row, assumed)?;
                    seen.once("station", station.record.station_id.as_str(), &row.place())?;
                    imported.stations.push(station);
                } else {
                    let (pile, year) = (pile(&row, assumed)?, made_in(&row)?);
                    seen.once("pile", pile.record.pile_id.as_str(), &row.place())?;
                    imported.made_in.extend(year);
                    imported.piles.push(pile);
                }
                Ok(())
            };
            if let Err(error) = take() {
                imported.errors.push(RowError { line: row.line, reason: format!("{error:#}") });
            }
            Ok(())
        })
    });
    match read {
        Err(error) => imported.errors.push(RowError { line: 0, reason: format!("{error:#}") }),
        // Of a bad row some columns were not looked at.
        Ok(unread) if !imported.piles.is_empty() || !imported.stations.is_empty() => imported.unread = unread,
        Ok(_) => {}
    }
    not_empty(imported)
}

/// A list that tells of nothing is told of.
fn not_empty(mut imported: Imported) -> Imported {
    let Imported { piles, stations, private, removed, errors, .. } = &imported;
    if piles.is_empty()
        && stations.is_empty()
        && private.is_empty()
        && removed.is_empty()
        && errors.is_empty()
    {
        imported.errors.push(RowError { line: 0, reason: "the table has no rows".to_owned() });
    }
    imported
}

fn read<T>(
    file: Option<&PathBuf>,
    columns: &[&str],
    unread: &mut Unread,
    mut parse: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    let unasked = Table::open(file, columns)?.rows(|row| {
        let parsed = row.fits().and_then(|()| parse(&row));
        rows.push(parsed.with_context(|| format!("{}, line {}", file.display(), row.line))?);
        Ok(())
    })?;
    unread.of(file, unasked);
    Ok(rows)
}

/// The rows of a table that names each thing once.
fn once<T>(
    file: Option<&PathBuf>,
    columns: &[&str],
    unread: &mut Unread,
    what: &str,
    parse: impl Fn(&Row<'_>) -> Result<T>,
    id: impl Fn(&T) -> &str,
) -> Result<Vec<T>> {
    let mut seen = Seen::default();
    read(file, columns, unread, |row| {
        let parsed = parse(row)?;
        seen.once(what, id(&parsed), &row.place())?;
        Ok(parsed)
    })
}

/// Stations from a table; or, with the piles it lists, from a file in JSON.
fn stations(file: Option<&PathBuf>, assumed: &Assumed, unread: &mut Unread) -> Result<Imported> {
    let is_json = |file: &&PathBuf| file.extension().is_some_and(|e| e == "json" || e == "geojson");
    let Some(json) = file.filter(is_json) else {
        let parse = |row: &Row<'_>| station(row, assumed);
        let stations = once(file, &STATION_COLUMNS, unread, "station", parse, |told: &Told<Station>| {
            told.record.station_id.as_str()
        })?;
        return Ok(Imported { stations, ..Imported::default() });
    };
    let text = std::fs::read_to_string(json).with_context(|| format!("cannot read {}", json.display()))?;
    let imported = places::of_json(&text, assumed);
    match imported.errors.first() {
        Some(error) => bail!("{}, {}", json.display(), error.reason),
        None => Ok(imported),
    }
}

fn need<'a>(row: &'a Row<'_>, column: &str) -> Result<&'a str> {
    row.text(column).ok_or_else(|| anyhow!("column {column} is empty"))
}

fn parse<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> Result<T> {
    let text = need(row, column)?;
    text.parse().map_err(|_| anyhow!("column {column}: {text:?} cannot be read"))
}

fn moment(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    let text = need(row, column)?;
    rfc3339(text).ok_or_else(|| {
        anyhow!("column {column}: {text:?} cannot be read; write RFC 3339, as 2026-03-01T08:00:00+08:00")
    })
}

fn parse_some<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    row.text(column).map(|_| parse(row, column)).transpose()
}

fn operator(row: &Row<'_>) -> Result<Operator> {
    let name = |column: &str| -> Result<String> {
        short(row, column)?;
        Ok(need(row, column)?.to_owned())
    };
    Ok(Operator {
        operator_id: OperatorId::parse(need(row, "operator_id")?)?,
        name_zh: name("name_zh")?,
        name_en: name("name_en")?,
    })
}

/// The day of an operator's commitment, where one is told.
fn commitment(row: &Row<'_>) -> Result<Option<(OperatorId, Date)>> {
    let Some(day) = parse_some::<Date>(row, "committed_on")? else { return Ok(None) };
    if day > Timestamp::now().to_zoned(TimeZone::fixed(SHANGHAI)).date() {
        bail!("column committed_on: {day} has not come yet");
    }
    Ok(Some((OperatorId::parse(need(row, "operator_id")?)?, day)))
}

fn station(row: &Row<'_>, assumed: &Assumed) -> Result<Told<Station>> {
    let station_id = StationId::parse(need(row, "station_id")?)?;
    let operator_id = places::operator(row.text("operator_id").map(str::to_owned), assumed)
        .context("column operator_id")?;
    let names = [short(row, "name_zh")?, short(row, "name_en")?, short(row, "name")?];
    let [name_zh, name_en] = places::two_names(names, &station_id);
    let (place, given) =
        places::of_row(row, assumed)?.ok_or_else(|| anyhow!("columns lon, lat: empty or missing"))?;
    let record = Station {
        station_id,
        operator_id,
        name_zh,
        name_en,
        place,
        given: Some(given),
        region: short(row, "region")?,
        address: short(row, "address")?,
        phone: short(row, "phone")?,
        fee_cny_kwh: places::fee(row.text("fee_cny_kwh"))?,
        fee_note: short(row, "fee_note")?,
        country: places::country(row.text("country"))?,
        time_zone: places::time_zone(row.text("time_zone"))?,
        told_piles: places::told_piles(row.text("piles")).context("column piles")?,
    };
    let mut unsaid = row.unsaid(&places::STATION_FIELDS);
    let is_empty = |names: &[&str]| names.iter().all(|name| row.text(name).is_none());
    let names =
        places::STATION_FIELDS.iter().filter(|(field, names)| places::is_name(*field) && is_empty(names));
    unsaid.extend(names.map(|(field, _)| *field));
    Ok(Told { record, unsaid })
}

fn short(row: &Row<'_>, column: &str) -> Result<Option<String>> {
    places::brief(&format!("column {column}"), row.text(column).map(str::to_owned))
}

/// No certificate for a pile that was found beyond its maximum permissible error.
fn certify_within_limits(anchors: &[(PileId, Act)], piles: &HashMap<PileId, Pile>) -> Result<()> {
    for (pile_id, act) in anchors {
        let Some(pile) = piles.get(pile_id) else {
            bail!("anchors: pile {pile_id} is not registered; register it first (--piles)");
        };
        let found =
            act.result.and_then(|result| (result.error_percent / Decimal::ONE_HUNDRED).abs().to_f64());
        let limit =
            plausible::limit(pile.kind, pile.class).map_err(|_| anyhow!("pile {pile_id}: no limit"))?;
        if act.kind == ActKind::Certificate && found.is_some_and(|error| error > limit) {
            bail!(
                "anchors: pile {pile_id} was found beyond its limit of {} %, so it cannot be certified; leave valid_until \
                 empty to record the measurement, which is public only once a failure of the pile is that was confirmed since",
                100.0 * limit
            );
        }
    }
    Ok(())
}

fn pile(row: &Row<'_>, assumed: &Assumed) -> Result<Told<Pile>> {
    let word = need(row, "kind")?;
    let kind =
        PileKind::from_word(word).ok_or_else(|| anyhow!("column kind: {word:?} is neither ac nor dc"))?;
    let class = AccuracyClass(parse(row, "accuracy_class")?);
    plausible::limit(kind, class)
        .map_err(|classes| anyhow!("column accuracy_class: {} is none of {classes}", class.0))?;
    let (place, given) = places::of_row(row, assumed)?.unzip();
    let record = Pile {
        pile_id: PileId::parse(need(row, "pile_id")?)?,
        station_id: row.text("station_id").map(StationId::parse).transpose()?,
        operator_id: row.text("operator_id").map(OperatorId::parse).transpose()?,
        kind,
        class,
        power_kw: power_kw(row, kind)?,
        connectors: connectors(row)?,
        place,
        given,
        model: short(row, "model")?,
        meter_serial: short(row, "meter_serial")?,
    };
    let mut unsaid = row.unsaid(&PILE_FIELDS);
    if !places::are_told(row) {
        unsaid.insert(Field::Place);
    }
    Ok(Told { record, unsaid })
}

/// The year in which a pile was made, where the table has a column for it; an empty cell takes it back.
fn made_in(row: &Row<'_>) -> Result<Option<(PileId, Option<i16>)>> {
    if !row.has("made_in") {
        return Ok(None);
    }
    let year: Option<i16> = parse_some(row, "made_in")?;
    let now = Timestamp::now().to_zoned(TimeZone::fixed(SHANGHAI)).year();
    if let Some(year) = year.filter(|year| !(YEAR_MIN..=now).contains(year)) {
        bail!("column made_in: {year} is no year from {YEAR_MIN} to {now}");
    }
    Ok(Some((PileId::parse(need(row, "pile_id")?)?, year)))
}

/// A pile's efficiency with its uncertainty, where the table has a column for it; an empty cell takes both back.
fn efficiency(row: &Row<'_>) -> Result<Option<(PileId, Option<Efficiency>)>> {
    let ratio: Option<Decimal> = parse_some(row, "efficiency")?;
    let standard_uncertainty: Option<Decimal> = parse_some(row, "efficiency_u")?;
    if let Some(ratio) = ratio.filter(|ratio| !(EFFICIENCY_MIN..=Decimal::ONE).contains(ratio)) {
        bail!("column efficiency: {ratio} is no fraction from {EFFICIENCY_MIN} to 1");
    }
    if let Some(u) = standard_uncertainty {
        if u <= Decimal::ZERO || EFFICIENCY_U_MAX < u {
            bail!("column efficiency_u: {u} is no fraction above 0 and up to {EFFICIENCY_U_MAX}");
        }
        if ratio.is_none() {
            bail!(
                "column efficiency_u: {u} is of no efficiency; tell that in the column efficiency, or leave this one empty"
            );
        }
    }
    if !row.has("efficiency") {
        return Ok(None);
    }
    let told = ratio.map(|ratio| Efficiency { ratio, standard_uncertainty });
    Ok(Some((PileId::parse(need(row, "pile_id")?)?, told)))
}

/// The rated power, if it can be one.
fn power_kw(row: &Row<'_>, kind: PileKind) -> Result<Option<Decimal>> {
    let Some(power_kw) = parse_some(row, "power_kw")? else { return Ok(None) };
    plausible::rated_power_kw(power_kw, kind).map(Some).map_err(|why| anyhow!("column power_kw: {why}"))
}

/// What can be plugged in: words with blanks or semicolons between.
fn connectors(row: &Row<'_>) -> Result<Vec<ConnectorType>> {
    let words = row.text("connectors").unwrap_or_default().split([' ', ';']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            ConnectorType::from_word(word)
                .ok_or_else(|| anyhow!("column connectors: {word:?} is none of {}", ConnectorType::words()))
        })
        .collect()
}

fn meter_key(row: &Row<'_>) -> Result<(PileId, MeterKey)> {
    let public_key = need(row, "public_key")?.to_owned();
    key::read(&public_key, None).map_err(|why| anyhow!("column public_key cannot be read: {why}"))?;
    let meter_serial = short(row, "meter_serial")?;
    Ok((
        PileId::parse(need(row, "pile_id")?)?,
        MeterKey { public_key, meter_serial, source: KeySource::Register },
    ))
}

fn anchor(row: &Row<'_>) -> Result<(PileId, Act)> {
    let pile_id = PileId::parse(need(row, "pile_id")?)?;
    let verified_at = moment(row, "verified_at")?;
    let within = |column: &str, low: Decimal, high: Decimal| -> Result<Decimal> {
        let value: Decimal = parse(row, column)?;
        if value < low || value > high || (low.is_zero() && value.is_zero()) {
            bail!("column {column}: {value} is not between {low} and {high}");
        }
        Ok(value)
    };
    if verified_at.to_zoned(TimeZone::UTC).year() < YEAR_MIN {
        bail!("column verified_at: {verified_at} is before {YEAR_MIN}, when nobody verified a charging pile");
    }
    if verified_at > Timestamp::now() {
        bail!("column verified_at: {verified_at} has not come yet");
    }
    let valid_until = row.text("valid_until").map(|_| moment(row, "valid_until")).transpose()?;
    if valid_until.is_some_and(|until| until <= verified_at) {
        bail!("column valid_until: it must be later than verified_at");
    }
    let outlet: Option<u32> = parse_some(row, "outlet")?;
    if outlet == Some(0) {
        bail!("column outlet: outlets count from 1; leave it empty where the result is of the whole pile");
    }
    let of_outlet = outlet.map_or(String::new(), |outlet| format!(" {outlet}"));
    let text = |column: &str, default: String| row.text(column).map_or(default, str::to_owned);
    let act = Act {
        kind: if valid_until.is_some() { ActKind::Certificate } else { ActKind::Measured },
        number: text("number", [format!("{pile_id} {verified_at}"), of_outlet].concat()),
        outlet,
        issuer: text("issuer", NO_BODY.to_owned()),
        person: text("person", "-".to_owned()),
        acted_at: verified_at,
        valid_until,
        reply_until: None,
        result: Some(OnSiteResult {
            error_percent: within("error_percent", -ERROR_MAX_PERCENT, ERROR_MAX_PERCENT)?,
            expanded_uncertainty_percent: within(
                "expanded_uncertainty_percent",
                Decimal::ZERO,
                UNCERTAINTY_MAX_PERCENT,
            )?,
            coverage_factor: within("coverage_factor", Decimal::ZERO, COVERAGE_FACTOR_MAX)?,
        }),
    };
    Ok((pile_id, act))
}

#[cfg(test)]
mod tests;
