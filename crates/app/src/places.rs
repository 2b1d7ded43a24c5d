//! Where stations and piles stand, in whatever form a list of them comes: rows of a table, GeoJSON, OCPI Locations.
//!
//! Used by `register` and by the operators' page of import. Coordinates become WGS-84 here, once; the pair as it was given
//! stays beside them, with what looks wrong. Nothing is corrected and nothing is written here.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use rust_decimal::Decimal;
use serde_json::Value;
use veripile_api::{Assumed, Imported, RowError};
use veripile_pile::{
    AccuracyClass, ConnectorType, CoordinateSystem, Field, GivenPlace, OperatorId, Pile, PileId, PileKind,
    Place, Station, StationId, Told,
};
use veripile_store::Removed;

use crate::plausible;
use crate::table::{Row, Seen};

/// Longest name, address, phone number or note on the price of a station, characters: what OCPI gives a name, and a line of its page takes.
const STATION_TEXT_CHARS_MAX: usize = 255;

/// Highest price of a kWh that is no slip of the pen, CNY.
pub const FEE_MAX_CNY_KWH: Decimal = Decimal::ONE_HUNDRED;

/// Longest word for a plug that is told again, characters: OCPI's own have some twenty at most.
const STANDARD_CHARS_MAX: usize = 36;

/// More piles than any station has; the largest charging parks have some six hundred.
const TOLD_PILES_MAX: u32 = 10_000;

/// What a list of stations may say nothing of, and the columns or properties that would.
pub const STATION_FIELDS: [(Field, &[&str]); 10] = [
    (Field::NameZh, &["name_zh", "name"]),
    (Field::NameEn, &["name_en"]),
    (Field::Region, &["region"]),
    (Field::Address, &["address"]),
    (Field::Phone, &["phone"]),
    (Field::Fee, &["fee_cny_kwh"]),
    (Field::FeeNote, &["fee_note"]),
    (Field::Country, &["country"]),
    (Field::TimeZone, &["time_zone"]),
    (Field::ToldPiles, &["piles"]),
];

/// Whether a table has columns for places.
pub fn are_told(row: &Row<'_>) -> bool {
    let named = |system: CoordinateSystem| row.has(&format!("lon_{}", system.word()));
    row.has("lon") || CoordinateSystem::ALL.into_iter().any(named)
}

/// A price of a kWh, CNY, if it can be one.
pub fn fee(text: Option<&str>) -> Result<Option<Decimal>> {
    let Some(text) = text else { return Ok(None) };
    let fee: Decimal = text.parse().map_err(|_| anyhow!("fee_cny_kwh: {text:?} cannot be read"))?;
    if fee.is_sign_negative() || fee > FEE_MAX_CNY_KWH {
        bail!("fee_cny_kwh: not between 0 and {FEE_MAX_CNY_KWH} CNY a kWh");
    }
    Ok(Some(fee))
}

/// A country by its three letters (ISO 3166-1 alpha-3), as OCPI has it, in any letter case.
pub fn country(text: Option<&str>) -> Result<Option<String>> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() != 3 || !text.chars().all(|char| char.is_ascii_alphabetic()) {
        bail!("country: {text:?} is none of three letters (ISO 3166-1 alpha-3), as CHN");
    }
    Ok(Some(text.to_ascii_uppercase()))
}

/// A time zone that is in the IANA's database, by the name that it has there.
pub fn time_zone(text: Option<&str>) -> Result<Option<String>> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let unknown = || anyhow!("time_zone: {text:?} is no name in the IANA's database, as Asia/Shanghai");
    let zone = jiff::tz::TimeZone::get(text).map_err(|_| unknown())?;
    Ok(Some(zone.iana_name().ok_or_else(unknown)?.to_owned()))
}

/// How many piles a station is said to have, if it can have so many.
pub fn told_piles(text: Option<&str>) -> Result<Option<u32>> {
    let Some(text) = text else { return Ok(None) };
    let count: u32 = text.parse().map_err(|_| anyhow!("{text:?} is no number of piles"))?;
    if count > TOLD_PILES_MAX {
        bail!("{count} piles, and no station has more than {TOLD_PILES_MAX}");
    }
    Ok(Some(count))
}

/// The place of a row: columns `lon` and `lat`, with the system in `coordinate_system`; or columns that carry the system in
/// their names (`lon_gcj02`, `lat_gcj02`). None where they are empty or missing.
pub fn of_row(row: &Row<'_>, assumed: &Assumed) -> Result<Option<(Place, GivenPlace)>> {
    let named = row.text("coordinate_system").map(system).transpose()?.or(assumed.system);
    if let Some(found) = pair(row, "lon", "lat", named)? {
        return Ok(Some(found));
    }
    for system in CoordinateSystem::ALL {
        let column = |side: &str| format!("{side}_{}", system.word());
        if let Some(found) = pair(row, &column("lon"), &column("lat"), Some(system))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A system's word, as a column or an argument gives it.
pub fn system(word: &str) -> Result<CoordinateSystem> {
    CoordinateSystem::from_word(word).ok_or_else(|| {
        anyhow!(
            "coordinate_system: {word:?} is none of {}",
            CoordinateSystem::ALL.map(CoordinateSystem::word).join(", ")
        )
    })
}

fn pair(
    row: &Row<'_>,
    lon: &str,
    lat: &str,
    system: Option<CoordinateSystem>,
) -> Result<Option<(Place, GivenPlace)>> {
    let number = |column: &str| -> Result<Option<f64>> {
        let text = row.text(column);
        text.map(|text| text.parse().map_err(|_| anyhow!("column {column}: {text:?} cannot be read")))
            .transpose()
    };
    match (number(lon)?, number(lat)?) {
        (Some(x), Some(y)) => place(system, x, y).map(Some).with_context(|| format!("columns {lon}, {lat}")),
        (None, None) => Ok(None),
        _ => bail!("columns {lon}, {lat}: one is empty"),
    }
}

fn place(system: Option<CoordinateSystem>, lon: f64, lat: f64) -> Result<(Place, GivenPlace)> {
    GivenPlace::read(system, lon, lat)
        .ok_or_else(|| anyhow!("{lon}, {lat} is not on the globe; are longitude and latitude exchanged?"))
}

/// A text without what stands before its first letter: blanks, and the mark of byte order that some programs write.
pub fn bare(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Reads a list in JSON: a GeoJSON collection of stations, or OCPI Locations (a page as a server answers it, or their list
/// alone). Both are WGS-84 by their rules and often GCJ-02 all the same where maps are shifted: one that names no system is taken as
/// WGS-84 and doubted, as a table is. Who knows better says so in `assumed`.
pub fn of_json(text: &str, assumed: &Assumed) -> Imported {
    let mut imported = Imported::default();
    let read = || -> Result<(Vec<Value>, bool)> {
        let mut document: Value =
            serde_json::from_str(bare(text)).context("neither a table nor JSON that can be read")?;
        for (list, is_geojson) in [("features", true), ("data", false)] {
            if let Some(Value::Array(items)) = document.get_mut(list).map(Value::take) {
                return Ok((items, is_geojson));
            }
        }
        match document {
            Value::Array(items) => Ok((items, false)),
            _ => bail!("JSON, but neither a GeoJSON FeatureCollection nor OCPI Locations"),
        }
    };
    let (items, is_geojson) = match read() {
        Ok(read) => read,
        Err(error) => {
            imported.errors.push(RowError { line: 0, reason: format!("{error:#}") });
            return imported;
        }
    };
    let (mut stations, mut piles) = (Seen::default(), Seen::default());
    for (n, item) in items.iter().enumerate() {
        let place = format!("{} {}", if is_geojson { "feature" } else { "location" }, n + 1);
        let mut take = || -> Result<()> {
            if !is_geojson && !is_public(item)? {
                imported.private.push(identity(item, assumed)?);
                return Ok(());
            }
            let Listed { station, piles: of_station, removed, unknown_plugs } =
                if is_geojson { feature(item, assumed)? } else { location(item, assumed)? };
            stations.once("station", station.record.station_id.as_str(), &place)?;
            for pile in &of_station {
                piles.once("pile", pile.record.pile_id.as_str(), &place)?;
            }
            let Station { station_id, operator_id, .. } = &station.record;
            imported.removed.extend(removed.into_iter().map(|pile_id| Removed {
                pile_id,
                station_id: station_id.clone(),
                operator_id: operator_id.clone(),
            }));
            imported.stations.push(station);
            imported.piles.extend(of_station);
            imported.unknown_plugs.extend(unknown_plugs);
            Ok(())
        };
        if let Err(error) = take() {
            imported.errors.push(RowError { line: 0, reason: format!("{place}: {error:#}") });
        }
    }
    // One that is removed here and stands there has moved.
    let there: HashSet<&PileId> = imported.piles.iter().map(|told| &told.record.pile_id).collect();
    imported.removed.retain(|one| !there.contains(&one.pile_id));
    imported
}

/// A station of a list, with its piles and those that the list says to be removed.
struct Listed {
    station: Told<Station>,
    piles: Vec<Told<Pile>>,
    removed: Vec<PileId>,
    /// Plugs of these piles that nobody here knows, each by its word.
    unknown_plugs: Vec<(PileId, String)>,
}

/// A GeoJSON feature: a point, with `station_id` (or its own `id`), and the other columns of a table of stations as properties.
fn feature(item: &Value, assumed: &Assumed) -> Result<Listed> {
    let property = |name: &str| text(item, &format!("/properties/{name}"));
    let numbers = |n: usize| item.pointer(&format!("/geometry/coordinates/{n}")).and_then(Value::as_f64);
    if text(item, "/geometry/type").as_deref() != Some("Point") {
        bail!("its geometry is not a Point");
    }
    let (lon, lat) = numbers(0).zip(numbers(1)).ok_or_else(|| anyhow!("a point has two coordinates"))?;
    let named = property("coordinate_system").as_deref().map(system).transpose()?;
    let (place, given) = place(named.or(assumed.system), lon, lat)?;
    let station_id = property("station_id").or_else(|| text(item, "/id"));
    let station_id =
        StationId::parse(&station_id.ok_or_else(|| anyhow!("neither a property station_id nor an id"))?)?;
    let name = |name: &str| brief(name, property(name));
    let names = [name("name_zh")?, name("name_en")?, name("name")?];
    let operator_id = operator(property("operator_id"), assumed)?;
    let [name_zh, name_en] = two_names(names, &station_id);
    let record = Station {
        station_id,
        operator_id,
        name_zh,
        name_en,
        place,
        given: Some(given),
        region: brief("region", property("region"))?,
        address: brief("address", property("address"))?,
        phone: brief("phone", property("phone"))?,
        fee_cny_kwh: fee(property("fee_cny_kwh").as_deref())?,
        fee_note: brief("fee_note", property("fee_note"))?,
        country: country(property("country").as_deref())?,
        time_zone: time_zone(property("time_zone").as_deref())?,
        told_piles: told_piles(property("piles").as_deref()).context("piles")?,
    };
    let is_said = |field: Field, name: &str| {
        if is_name(field) {
            property(name).is_some()
        } else {
            item.pointer(&format!("/properties/{name}")).is_some()
        }
    };
    let unsaid =
        STATION_FIELDS.iter().filter(|(field, names)| !names.iter().any(|name| is_said(*field, name)));
    let station = Told { record, unsaid: unsaid.map(|(field, _)| *field).collect() };
    Ok(Listed { station, piles: Vec::new(), removed: Vec::new(), unknown_plugs: Vec::new() })
}

/// An OCPI 2.2.1 Location: a station, and an EVSE for each pile. It knows no telephone number and no price; and what it says itself to be
/// assumed (`veripile.assumed`), nobody told.
fn location(item: &Value, assumed: &Assumed) -> Result<Listed> {
    let (station_id, operator_id) = identity(item, assumed)?;
    let named = text(item, "/veripile/coordinate_system").as_deref().map(system).transpose()?;
    let system = named.or(assumed.system);
    let (place, given) = coordinates(item, system)?.ok_or_else(|| anyhow!("no coordinates"))?;
    let names =
        [None, brief("name_en", text(item, "/veripile/name_en"))?, brief("name", text(item, "/name"))?];
    let [name_zh, name_en] = two_names(names, &station_id);
    let evses = item.get("evses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_removed = |evse: &&Value| evse.get("status").and_then(Value::as_str) == Some("REMOVED");
    // What has no identifier that a pile can have was never here.
    let removed = evses.iter().filter(is_removed).filter_map(|evse| pile_id(evse).ok()).collect();
    let station = Station {
        station_id,
        operator_id,
        name_zh,
        name_en,
        place,
        given: Some(given),
        region: brief("city", said(item, "city"))?,
        address: brief("address", said(item, "address"))?,
        phone: None,
        fee_cny_kwh: None,
        fee_note: None,
        country: country(said(item, "country").as_deref())?,
        time_zone: time_zone(said(item, "time_zone").as_deref())?,
        told_piles: None,
    };
    let (mut piles, mut unknown_plugs) = (Vec::new(), Vec::new());
    for evse in evses.iter().filter(|evse| !is_removed(evse)) {
        let uid = text(evse, "/uid").unwrap_or_default();
        let (pile, unknown) = self::evse(evse, &station, system).with_context(|| format!("EVSE {uid:?}"))?;
        unknown_plugs.extend(unknown.into_iter().map(|word| (pile.record.pile_id.clone(), word)));
        piles.push(pile);
    }
    let is_said = |pointer: &str| text(item, pointer).is_some();
    let mut unsaid = BTreeSet::from([Field::Phone, Field::Fee, Field::FeeNote, Field::ToldPiles]);
    let parts = [
        (Field::NameZh, !is_said("/name")),
        (Field::NameEn, !is_said("/veripile/name_en")),
        (Field::Region, said(item, "city").is_none()),
        (Field::Address, said(item, "address").is_none()),
        (Field::Country, said(item, "country").is_none()),
        (Field::TimeZone, said(item, "time_zone").is_none()),
    ];
    unsaid.extend(parts.into_iter().filter(|(_, is_unsaid)| *is_unsaid).map(|(field, _)| field));
    Ok(Listed { station: Told { record: station, unsaid }, piles, removed, unknown_plugs })
}

/// Whose a Location is, and which.
fn identity(item: &Value, assumed: &Assumed) -> Result<(StationId, OperatorId)> {
    let station_id = StationId::parse(&need(item, "/id")?)?;
    let operator_id = match &assumed.operator {
        Some(operator_id) => operator_id.clone(),
        None => OperatorId::parse(&format!("{}-{}", need(item, "/country_code")?, need(item, "/party_id")?))?,
    };
    Ok((station_id, operator_id))
}

/// Whether a Location may be shown to anybody (`publish`). OCPI before 2.2 did not know the question, and published them all.
fn is_public(item: &Value) -> Result<bool> {
    match item.get("publish") {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Bool(publish)) => Ok(*publish),
        Some(other) => bail!("publish: {other} is neither true nor false"),
    }
}

/// A text of a Location or an EVSE, unless it says itself that it is assumed. OCPI demands city and address, so that none is never meant.
fn said(item: &Value, name: &str) -> Option<String> {
    text(item, &format!("/{name}")).filter(|_| !is_assumed(item, name))
}

fn is_assumed(item: &Value, name: &str) -> bool {
    assumed_of(item).into_iter().flatten().any(|one| one == name)
}

/// What an object of a list says itself to be assumed; none where it does not speak of that.
fn assumed_of(item: &Value) -> Option<&Vec<Value>> {
    item.pointer("/veripile/assumed").and_then(Value::as_array)
}

/// Which pile an EVSE is: by its identifier for people where it has one.
fn pile_id(evse: &Value) -> Result<PileId> {
    let id = text(evse, "/evse_id").map_or_else(|| need(evse, "/uid"), Ok)?;
    Ok(PileId::parse(&id)?)
}

fn is_dc(connector: &Value) -> bool {
    text(connector, "/power_type").as_deref() == Some("DC")
}

/// A pile, and the words of its plugs that nobody here knows: those are left out. Its power is that of plugs of its kind; what a plug of
/// the other kind gives is kept nowhere.
fn evse(
    evse: &Value,
    station: &Station,
    system: Option<CoordinateSystem>,
) -> Result<(Told<Pile>, Vec<String>)> {
    let connectors = evse.get("connectors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (place, given) = match coordinates(evse, system)? {
        Some((place, given)) => (place, Some(given)),
        None => (station.place, None),
    };
    // A connector that names what is assumed of it is asked itself: its EVSE names what is assumed of any.
    let told = |name: &'static str| {
        connectors.iter().filter(move |connector| {
            let named = if assumed_of(connector).is_some() { *connector } else { evse };
            !is_assumed(named, name)
        })
    };
    let is_direct = connectors.iter().any(is_dc);
    let kind = if is_direct { PileKind::Dc } else { PileKind::Ac };
    let of_kind = told("max_electric_power").filter(|connector| is_dc(connector) == is_direct);
    let powers = of_kind.map(|connector| power_kw(connector, kind));
    let power_kw = powers.collect::<Result<Vec<_>>>()?.into_iter().flatten().max();
    let (mut plugs, mut unknown) = (Vec::new(), Vec::new());
    for word in told("standard").filter_map(|connector| text(connector, "/standard")) {
        match ConnectorType::from_word(&word) {
            Some(plug) => plugs.push(plug),
            None => unknown.push(repeatable(&word)),
        }
    }
    unknown.sort_unstable();
    unknown.dedup();
    let mut unsaid = BTreeSet::from([Field::Class, Field::Model, Field::MeterSerial]);
    let parts = [
        (Field::Kind, connectors.is_empty()),
        (Field::Power, power_kw.is_none()),
        (Field::Connectors, plugs.is_empty()),
        (Field::Place, given.is_none()),
    ];
    unsaid.extend(parts.into_iter().filter(|(_, is_unsaid)| *is_unsaid).map(|(field, _)| field));
    let record = Pile {
        pile_id: pile_id(evse)?,
        station_id: Some(station.station_id.clone()),
        operator_id: Some(station.operator_id.clone()),
        kind,
        class: AccuracyClass::ASSUMED,
        power_kw,
        connectors: plugs,
        place: Some(place),
        given,
        model: None,
        meter_serial: None,
    };
    Ok((Told { record, unsaid }, unknown))
}

/// A word of a list as it is told again: the beginning of a long one, and what cannot be printed as its number.
fn repeatable(word: &str) -> String {
    word.chars().take(STANDARD_CHARS_MAX).collect::<String>().escape_debug().to_string()
}

/// Rated power of an OCPI connector, kW: as stated (W), else voltage times current, times three between three phases' neutral.
fn power_kw(connector: &Value, kind: PileKind) -> Result<Option<Decimal>> {
    let number = |name: &str| -> Result<Option<Decimal>> {
        let Some(text) = text(connector, &format!("/{name}")) else { return Ok(None) };
        let number = Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text));
        number.map(Some).map_err(|_| anyhow!("{name}: {text:?} cannot be read"))
    };
    let rated = |what: &str, power_w: Decimal| {
        let power_kw = plausible::rated_power_kw(power_w / Decimal::ONE_THOUSAND, kind);
        power_kw.map(Some).map_err(|why| anyhow!("{what}: {why}"))
    };
    if let Some(power_w) = number("max_electric_power")? {
        return rated("max_electric_power", power_w);
    }
    let (volts, amperes) = (number("max_voltage")?, number("max_amperage")?);
    let Some(((volts, amperes), power_type)) = volts.zip(amperes).zip(text(connector, "/power_type")) else {
        return Ok(None);
    };
    // OCPI demands both; where nobody knows them they are zero.
    if volts.is_zero() || amperes.is_zero() {
        return Ok(None);
    }
    let phases = if power_type == "AC_3_PHASE" { Decimal::from(3) } else { Decimal::ONE };
    let power_w = volts.checked_mul(amperes).and_then(|va| va.checked_mul(phases));
    rated("max_voltage, max_amperage", power_w.unwrap_or(Decimal::MAX))
}

/// OCPI's `coordinates`: latitude and longitude as texts.
fn coordinates(item: &Value, system: Option<CoordinateSystem>) -> Result<Option<(Place, GivenPlace)>> {
    if item.get("coordinates").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let number = |name: &str| -> Result<f64> {
        let text = need(item, &format!("/coordinates/{name}"))?;
        text.parse().map_err(|_| anyhow!("coordinates: {name} {text:?} cannot be read"))
    };
    place(system, number("longitude")?, number("latitude")?).map(Some)
}

/// Who answers for a station: who is named, else who is assumed.
pub fn operator(named: Option<String>, assumed: &Assumed) -> Result<OperatorId> {
    match named {
        Some(id) => Ok(OperatorId::parse(&id)?),
        None => assumed.operator.clone().ok_or_else(|| {
            anyhow!("operator_id is empty; name it, or say whose stations these are (--operator)")
        }),
    }
}

/// Chinese and English name of what has perhaps only one, or one in no stated language, or none but its identifier.
pub fn two_names([zh, en, any]: [Option<String>; 3], id: &StationId) -> [String; 2] {
    let one = any.or_else(|| zh.clone()).or_else(|| en.clone()).unwrap_or_else(|| id.to_string());
    [zh.unwrap_or_else(|| one.clone()), en.unwrap_or(one)]
}

/// Whether a field is a name of a station, which it always has: one that is there and empty says nothing.
pub fn is_name(field: Field) -> bool {
    matches!(field, Field::NameZh | Field::NameEn)
}

/// A text that fits one line of a page, and that the database can hold.
pub(crate) fn brief(what: &str, text: Option<String>) -> Result<Option<String>> {
    if text.as_ref().is_some_and(|text| text.contains('\0')) {
        bail!("{what}: has a NUL character; take it out");
    }
    if text.as_ref().is_some_and(|text| text.chars().count() > STATION_TEXT_CHARS_MAX) {
        bail!("{what}: longer than {STATION_TEXT_CHARS_MAX} characters");
    }
    Ok(text)
}

/// A text, or a number as text, at a pointer; none where it is empty.
fn text(item: &Value, pointer: &str) -> Option<String> {
    match item.pointer(pointer)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn need(item: &Value, pointer: &str) -> Result<String> {
    text(item, pointer).ok_or_else(|| anyhow!("{} is missing", &pointer[1..]))
}

#[cfg(test)]
mod tests;
