//! Where stations and piles stand, in whatever form a list of them comes: rows of a table, GeoJSON, OCPI Locations.
//!
//! Used by `register` and by the operators' page of import. Coordinates become WGS-84 here, once; the pair as it was given
//! stays beside them, with what looks wrong. Nothing is corrected and nothing is written here.

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use rust_decimal::Decimal;
use serde_json::Value;
use veripile_api::{Assumed, Imported, RowError};
use veripile_pile::{
    AccuracyClass, ConnectorType, CoordinateSystem, Field, GivenPlace, OperatorId, Pile, PileId, PileKind,
    Place, Station, StationId, Told,
};

use crate::plausible;
use crate::table::{Row, Seen};

/// Longest name, address, phone number or note on the price of a station, characters: what OCPI gives a name, and a line of its page takes.
const STATION_TEXT_CHARS_MAX: usize = 255;

/// Highest price of a kWh that is no slip of the pen, CNY.
pub const FEE_MAX_CNY_KWH: Decimal = Decimal::ONE_HUNDRED;

/// What a list of stations may say nothing of, and the columns or properties that would.
pub const STATION_FIELDS: [(Field, &[&str]); 7] = [
    (Field::NameZh, &["name_zh", "name"]),
    (Field::NameEn, &["name_en"]),
    (Field::Region, &["region"]),
    (Field::Address, &["address"]),
    (Field::Phone, &["phone"]),
    (Field::Fee, &["fee_cny_kwh"]),
    (Field::FeeNote, &["fee_note"]),
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

/// Reads a list in JSON: a GeoJSON collection of stations, or OCPI Locations (a page as a server answers it, or their list
/// alone). Both are WGS-84 by their rules; who knows better says so in `assumed`.
pub fn of_json(text: &str, assumed: &Assumed) -> Imported {
    let mut imported = Imported::default();
    let read = || -> Result<(Vec<Value>, bool)> {
        let mut document: Value =
            serde_json::from_str(text).context("neither a table nor JSON that can be read")?;
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
            let (station, of_station) =
                if is_geojson { feature(item, assumed)? } else { location(item, assumed)? };
            stations.once("station", station.record.station_id.as_str(), &place)?;
            for pile in &of_station {
                piles.once("pile", pile.record.pile_id.as_str(), &place)?;
            }
            imported.stations.push(station);
            imported.piles.extend(of_station);
            Ok(())
        };
        if let Err(error) = take() {
            imported.errors.push(RowError { line: 0, reason: format!("{place}: {error:#}") });
        }
    }
    imported
}

/// A GeoJSON feature: a point, with `station_id` (or its own `id`), and the other columns of a table of stations as properties.
fn feature(item: &Value, assumed: &Assumed) -> Result<(Told<Station>, Vec<Told<Pile>>)> {
    let property = |name: &str| text(item, &format!("/properties/{name}"));
    let numbers = |n: usize| item.pointer(&format!("/geometry/coordinates/{n}")).and_then(Value::as_f64);
    if text(item, "/geometry/type").as_deref() != Some("Point") {
        bail!("its geometry is not a Point");
    }
    let (lon, lat) = numbers(0).zip(numbers(1)).ok_or_else(|| anyhow!("a point has two coordinates"))?;
    let named = property("coordinate_system").as_deref().map(system).transpose()?;
    let (place, given) = place(named.or(assumed.system).or(Some(CoordinateSystem::Wgs84)), lon, lat)?;
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
    };
    let is_said = |name: &&str| item.pointer(&format!("/properties/{name}")).is_some();
    let unsaid = STATION_FIELDS.iter().filter(|(_, names)| !names.iter().any(is_said));
    Ok((Told { record, unsaid: unsaid.map(|(field, _)| *field).collect() }, Vec::new()))
}

/// An OCPI 2.2.1 Location: a station, and an EVSE for each pile. It knows no telephone number and no price; and what it says itself to be
/// assumed (`veripile.assumed`), nobody told.
fn location(item: &Value, assumed: &Assumed) -> Result<(Told<Station>, Vec<Told<Pile>>)> {
    let (station_id, operator_id) = identity(item, assumed)?;
    let system = assumed.system.or(Some(CoordinateSystem::Wgs84));
    let (place, given) = coordinates(item, system)?.ok_or_else(|| anyhow!("no coordinates"))?;
    let names =
        [None, brief("name_en", text(item, "/veripile/name_en"))?, brief("name", text(item, "/name"))?];
    let [name_zh, name_en] = two_names(names, &station_id);
    let evses = item.get("evses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_there = |evse: &&Value| evse.get("status").and_then(Value::as_str) != Some("REMOVED");
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
    };
    let piles = evses.iter().filter(is_there).map(|evse| {
        let uid = text(evse, "/uid").unwrap_or_default();
        self::evse(evse, &station, system).with_context(|| format!("EVSE {uid:?}"))
    });
    let piles = piles.collect::<Result<_>>()?;
    let mut unsaid = BTreeSet::from([Field::Phone, Field::Fee, Field::FeeNote]);
    let parts = [
        (Field::NameZh, item.get("name").is_none()),
        (Field::NameEn, item.pointer("/veripile/name_en").is_none()),
        (Field::Region, said(item, "city").is_none()),
        (Field::Address, said(item, "address").is_none()),
    ];
    unsaid.extend(parts.into_iter().filter(|(_, is_unsaid)| *is_unsaid).map(|(field, _)| field));
    Ok((Told { record: station, unsaid }, piles))
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
    let assumed = item.pointer("/veripile/assumed").and_then(Value::as_array);
    assumed.into_iter().flatten().any(|one| one == name)
}

fn evse(evse: &Value, station: &Station, system: Option<CoordinateSystem>) -> Result<Told<Pile>> {
    let id = text(evse, "/evse_id").map_or_else(|| need(evse, "/uid"), Ok)?;
    let connectors = evse.get("connectors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_dc = |connector: &Value| text(connector, "/power_type").as_deref() == Some("DC");
    let (place, given) = match coordinates(evse, system)? {
        Some((place, given)) => (place, Some(given)),
        None => (station.place, None),
    };
    let standard = |connector: &Value| ConnectorType::from_word(&text(connector, "/standard")?);
    let told = |name: &str| if is_assumed(evse, name) { &[][..] } else { connectors };
    let kind = if connectors.iter().any(is_dc) { PileKind::Dc } else { PileKind::Ac };
    let powers = told("max_electric_power").iter().map(|connector| power_kw(connector, kind));
    let power_kw = powers.collect::<Result<Vec<_>>>()?.into_iter().flatten().max();
    let plugs: Vec<ConnectorType> = told("standard").iter().filter_map(standard).collect();
    let mut unsaid = BTreeSet::from([Field::Class, Field::Model, Field::MeterSerial]);
    let parts = [
        (Field::Kind, connectors.is_empty()),
        (Field::Power, power_kw.is_none()),
        (Field::Connectors, plugs.is_empty()),
        (Field::Place, given.is_none()),
    ];
    unsaid.extend(parts.into_iter().filter(|(_, is_unsaid)| *is_unsaid).map(|(field, _)| field));
    let record = Pile {
        pile_id: PileId::parse(&id)?,
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
    Ok(Told { record, unsaid })
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

/// A text that fits one line of a page.
pub(crate) fn brief(what: &str, text: Option<String>) -> Result<Option<String>> {
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
mod tests {
    use veripile_pile::PlaceDoubt;

    use super::*;

    /// The OCPI 2.2.1 specification's example of a Location (mod_locations), shortened, as a server's page.
    const LOCATIONS: &str = r#"{"status_code": 1000, "data": [{
        "country_code": "BE", "party_id": "BEC", "id": "LOC1", "publish": true, "name": "Gent Zuid",
        "address": "F.Rooseveltlaan 3A", "city": "Gent", "country": "BEL",
        "coordinates": {"latitude": "51.047599", "longitude": "3.729944"},
        "evses": [
            {"uid": "3256", "evse_id": "BE*BEC*E041503001", "status": "AVAILABLE", "connectors": [
                {"id": "1", "standard": "IEC_62196_T2", "format": "CABLE", "power_type": "AC_3_PHASE",
                 "max_voltage": 220, "max_amperage": 16}]},
            {"uid": "3257", "evse_id": "BE*BEC*E041503002", "status": "REMOVED", "connectors": []},
            {"uid": "3258", "status": "RESERVED", "connectors": [
                {"id": "1", "standard": "IEC_62196_T2_COMBO", "power_type": "DC", "max_electric_power": 50000}]}],
        "time_zone": "Europe/Brussels", "last_updated": "2015-06-29T20:39:09Z"},
        {"id": "LOC2", "country_code": "BE", "party_id": "BEC"}]}"#;

    #[test]
    fn ocpi_locations_are_stations_and_their_evses_piles() {
        let imported = of_json(LOCATIONS, &Assumed::default());
        let [Told { record: station, unsaid }] = &imported.stations[..] else { panic!("{imported:?}") };
        assert_eq!(*unsaid, BTreeSet::from([Field::NameEn, Field::Phone, Field::Fee, Field::FeeNote]));
        assert_eq!((station.station_id.as_str(), station.operator_id.as_str()), ("LOC1", "BE-BEC"));
        assert_eq!((station.name_zh.as_str(), station.name_en.as_str()), ("Gent Zuid", "Gent Zuid"));
        assert_eq!(station.place, Place { lon: 3.729_944, lat: 51.047_599 });
        let piles: Vec<_> = imported
            .piles
            .iter()
            .map(|told| &told.record)
            .map(|pile| (pile.pile_id.as_str(), pile.kind, pile.power_kw.map(|kw| kw.to_string())))
            .collect();
        let expected = [
            ("BE*BEC*E041503001", PileKind::Ac, Some("10.56".to_owned())),
            ("3258", PileKind::Dc, Some("50".to_owned())),
        ];
        assert_eq!(piles, expected);
        assert_eq!(imported.errors.len(), 1, "{:?}", imported.errors);
        assert!(
            imported.errors[0].reason.contains("location 2")
                && imported.errors[0].reason.contains("coordinates")
        );
    }

    /// Watts as stated, else of volts and amperes; what no pile has is told with the EVSE.
    #[test]
    fn power_of_a_location_is_what_a_pile_can_have() {
        let read = |connector: &str| {
            of_json(
                &format!(
                    r#"[{{"id":"L","country_code":"CN","party_id":"AAA","coordinates":{{"latitude":"31.6","longitude":"120.3"}},
                        "evses":[{{"uid":"E","connectors":[{{"power_type":"DC",{connector}}}]}}]}}]"#
                ),
                &Assumed::default(),
            )
        };
        for (connector, kw) in [
            (r#""max_electric_power":60000"#, Some("60")),
            (r#""max_electric_power":6e4"#, Some("60")),
            (r#""max_electric_power":null,"max_voltage":1000,"max_amperage":250"#, Some("250")),
            (r#""max_voltage":0,"max_amperage":0"#, None),
        ] {
            let piles = read(connector).piles;
            let [Told { record, .. }] = &piles[..] else { panic!("{connector}: {:?}", read(connector)) };
            assert_eq!(record.power_kw.map(|kw| kw.normalize().to_string()).as_deref(), kw, "{connector}");
        }
        for (connector, why) in [
            (r#""max_electric_power":0"#, "max_electric_power: 0 kW is not above 0"),
            (r#""max_electric_power":-7000"#, "max_electric_power: -7 kW"),
            (r#""max_electric_power":5000001"#, "max_electric_power: 5000.001 kW"),
            (r#""max_electric_power":1e400"#, "max_electric_power: \"1e"),
            (
                r#""max_voltage":70000000000000000000000000000,"max_amperage":7000"#,
                "max_voltage, max_amperage: ",
            ),
        ] {
            let told = read(connector);
            assert!(told.stations.is_empty() && told.errors.len() == 1, "{connector}: {told:?}");
            let reason = &told.errors[0].reason;
            assert!(reason.starts_with(&format!("location 1: EVSE \"E\": {why}")), "{connector}: {reason}");
        }
    }

    /// As OCPI 2.2.1's example of a Location without public access: `publish` is false, and nothing of it is for a map.
    #[test]
    fn what_is_not_to_be_published_is_left_out_and_named() {
        let list = |publish: &str| LOCATIONS.replace("\"publish\": true", publish);
        let imported = of_json(&list("\"publish\": false"), &Assumed::default());
        assert!(imported.stations.is_empty() && imported.piles.is_empty(), "{imported:?}");
        let [(station, operator)] = &imported.private[..] else { panic!("{imported:?}") };
        assert_eq!((station.as_str(), operator.as_str()), ("LOC1", "BE-BEC"));
        assert_eq!(imported.errors.len(), 1, "the other location's");
        for publish in ["\"publish\": null", "\"type\": \"ON_STREET\""] {
            let imported = of_json(&list(publish), &Assumed::default());
            assert_eq!((imported.stations.len(), imported.private.len()), (1, 0), "{publish}");
        }
        let imported = of_json(&list("\"publish\": \"false\""), &Assumed::default());
        assert!(imported.stations.is_empty() && imported.private.is_empty(), "{imported:?}");
        assert_eq!(imported.errors[0].reason, "location 1: publish: \"false\" is neither true nor false");
    }

    #[test]
    fn an_identifier_twice_in_a_list_names_both_places() {
        let location = |id: &str, party: &str, uids: &[&str]| {
            let evses = uids.iter().map(|uid| format!(r#"{{"uid":"{uid}","connectors":[]}}"#));
            format!(
                r#"{{"id":"{id}","country_code":"CN","party_id":"{party}","coordinates":{{"latitude":"31.6","longitude":"120.3"}},
                    "evses":[{}]}}"#,
                evses.collect::<Vec<_>>().join(",")
            )
        };
        // Two operators that count from 1: neither becomes the other's.
        let list = [location("1", "AAA", &["1"]), location("2", "AAA", &["2"]), location("1", "BBB", &["3"])];
        let imported = of_json(&format!("[{}]", list.join(",")), &Assumed::default());
        assert_eq!((imported.stations.len(), imported.piles.len(), imported.errors.len()), (2, 2, 1));
        let reason = &imported.errors[0].reason;
        assert_eq!(reason, "location 3: station 1 stands in location 1 already; keep one of the two");
        let list = [location("1", "AAA", &["1"]), location("2", "AAA", &["2", "1"])];
        let imported = of_json(&format!("[{}]", list.join(",")), &Assumed::default());
        assert_eq!((imported.stations.len(), imported.piles.len(), imported.errors.len()), (1, 1, 1));
        let reason = &imported.errors[0].reason;
        assert_eq!(reason, "location 2: pile 1 stands in location 1 already; keep one of the two");
        let feature = r#"{"id":"S","geometry":{"type":"Point","coordinates":[120.3,31.6]},"properties":{"operator_id":"O1"}}"#;
        let imported = of_json(&format!(r#"{{"features":[{feature},{feature}]}}"#), &Assumed::default());
        let reason = &imported.errors[0].reason;
        assert_eq!(reason, "feature 2: station S stands in feature 1 already; keep one of the two");
    }

    #[test]
    fn geojson_is_wgs_84_unless_somebody_knows_better() {
        let text = |extra: &str| {
            format!(
                r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","id":7,"geometry":{{"type":"Point",
                    "coordinates":[121.531541859215,31.17530398364597]}},"properties":{{"operator_id":"O1",
                    "name_zh":"浦东"{extra}}}}}]}}"#
            )
        };
        let read = |text: &str| of_json(text, &Assumed::default()).stations.remove(0).record;
        let station = read(&text(""));
        assert_eq!((station.station_id.as_str(), station.name_en.as_str()), ("7", "浦东"));
        assert_eq!(station.place, Place { lon: 121.531_541_859_215, lat: 31.175_303_983_645_97 });
        assert_eq!(station.given.expect("kept").doubts, []);
        // github.com/googollee/eviltransform: Shanghai.
        let station = read(&text(r#","coordinate_system":"GCJ-02""#));
        assert!(station.place.distance_m(Place { lon: 121.527_210_6, lat: 31.177_427_6 }) < 0.001);
        let given = station.given.expect("kept");
        assert_eq!((given.system, given.lon), (CoordinateSystem::Gcj02, 121.531_541_859_215));
    }

    #[test]
    fn geojson_tells_what_a_table_can_tell_and_what_it_leaves_out_is_unsaid() {
        let read = |properties: &str| {
            let text = format!(
                r#"{{"features":[{{"id":"S","geometry":{{"type":"Point","coordinates":[120.3,31.6]}},"properties":{properties}}}]}}"#
            );
            of_json(&text, &Assumed::default())
        };
        let all = r#"{"operator_id":"O1","name_zh":"甲","name_en":"A","region":"滨湖区","address":"路1号","phone":"0510",
            "fee_cny_kwh":1.25,"fee_note":"夜间 0.8"}"#;
        let Told { record, unsaid } = read(all).stations.remove(0);
        assert_eq!((record.fee_cny_kwh, record.phone.as_deref()), (Some(Decimal::new(125, 2)), Some("0510")));
        assert_eq!(
            (record.region.as_deref(), record.fee_note.as_deref()),
            (Some("滨湖区"), Some("夜间 0.8"))
        );
        assert_eq!(unsaid, BTreeSet::new());
        // An empty property says that there is none; one that is not there says nothing.
        let Told { record, unsaid } =
            read(r#"{"operator_id":"O1","name":"甲","phone":"","fee_cny_kwh":null}"#).stations.remove(0);
        assert_eq!((record.phone, record.fee_cny_kwh), (None, None));
        assert_eq!(unsaid, BTreeSet::from([Field::NameEn, Field::Region, Field::Address, Field::FeeNote]));
        for (fee, why) in [("-1", "not between"), ("101", "not between"), (r#""much""#, "cannot be read")] {
            let imported = read(&format!(r#"{{"operator_id":"O1","fee_cny_kwh":{fee}}}"#));
            assert!(imported.errors[0].reason.contains(why), "{fee}: {:?}", imported.errors);
        }
    }

    #[test]
    fn what_is_no_list_of_stations_says_why() {
        let named = |property: &str, chars: usize| {
            let name = "站".repeat(chars);
            format!(
                r#"{{"features":[{{"id":"S","geometry":{{"type":"Point","coordinates":[120.3,31.6]}},
                    "properties":{{"operator_id":"O1","{property}":"{name}"}}}}]}}"#
            )
        };
        assert_eq!(of_json(&named("name_zh", 255), &Assumed::default()).stations.len(), 1);
        let location = format!(
            r#"[{{"id":"a","name":"{}","coordinates":{{"latitude":"31.6","longitude":"120.3"}},"country_code":"CN",
                "party_id":"ABC"}}]"#,
            "站".repeat(256)
        );
        let long = [named("name_zh", 256), named("name", 256), location];
        for (text, why) in [
            ("{", "neither a table nor JSON"),
            ("7", "neither a GeoJSON"),
            (r#"{"features":[{"geometry":{"type":"Polygon"}}]}"#, "not a Point"),
            (r#"{"features":[{"geometry":{"type":"Point","coordinates":[1]}}]}"#, "two coordinates"),
            (r#"{"features":[{"id":"a","geometry":{"type":"Point","coordinates":[31,120]}}]}"#, "exchanged"),
            (r#"{"features":[{"id":"a","geometry":{"type":"Point","coordinates":[1,2]}}]}"#, "operator_id"),
            (r#"[{"id":"a/b"}]"#, "identifier"),
            (long[0].as_str(), "feature 1: name_zh: longer than 255 characters"),
            (long[1].as_str(), "feature 1: name: longer"),
            (long[2].as_str(), "location 1: name: longer"),
        ] {
            let imported = of_json(text, &Assumed::default());
            assert!(imported.stations.is_empty() && imported.errors.len() == 1, "{text}");
            assert!(imported.errors[0].reason.contains(why), "{text}: {:?}", imported.errors);
        }
        let assumed = Assumed { operator: None, system: Some(CoordinateSystem::Bd09) };
        let text = LOCATIONS;
        let doubts = of_json(text, &assumed).stations.remove(0).record.given.expect("kept").doubts;
        assert_eq!(doubts, [PlaceDoubt::NotShifted]);
    }
}
