//! OCPI's Locations: stations, each pile an EVSE, with our verdicts beside them.
//!
//! What OCPI asks for and nobody has told us is assumed, and named in `veripile.assumed`: so are country and time zone, which the place tells
//! where it is in China, and settings elsewhere; `veripile.coordinate_system` says that coordinates are WGS-84, which in China goes without
//! saying for nobody. Extension: an EVSE's object `veripile` holds
//! `verification` and `assessment` as `/api/v1/piles/{id}` tells them; a connector's says which of its own fields are assumed. A pile has one
//! kind and one power; a plug of the other kind is told with what such plugs usually give, and that is said to be assumed.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use veripile_pile::{ConnectorType, CoordinateSystem, PileKind, Place, State, presumed_country};
use veripile_store::PileRecord;
use veripile_store::ocpi::Location;

use super::page::Parameters;
use super::readings::Name;
use super::{OcpiSettings, Refusal, Registered, answer, base, moment};
use crate::Site;
use crate::api::{Assessment, Pile};
use crate::standing::Verification;
use crate::view;

/// Longest texts that OCPI takes.
const NAME_CHARS_MAX: usize = 255;
const ADDRESS_CHARS_MAX: usize = 45;
const CITY_CHARS_MAX: usize = 45;
const OPERATOR_CHARS_MAX: usize = 100;

/// Voltages assumed: between line and neutral, of one phase as of three (OCPI 2.2.1, 8.3.3: "line to neutral for AC_3_PHASE"), and the
/// higher one of GB/T 20234.3's two.
const AC_V: i64 = 220;
const DC_V: i64 = 1_000;

/// Strongest pile that is taken for one of a single phase, W: 32 A.
const SINGLE_PHASE_W_MAX: i64 = 7_040;

/// Most that a plug of a single phase carries, W: 80 A (SAE J1772, type 1). A stronger pile gives it by another plug.
const TYPE1_W_MAX: i64 = 17_600;

/// Power assumed where none is known, W.
const AC_W: i64 = 7_000;
const DC_W: i64 = 60_000;

/// GET `/ocpi/2.2.1/locations`.
pub(crate) async fn list(
    Registered(party): Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    parameters: web::Query<Parameters>,
) -> Result<HttpResponse, Refusal> {
    let query = parameters.query()?;
    let store = &site.store;
    let (locations, total) = if query.from.is_none() && query.to.is_none() {
        store.ocpi_locations(query.offset, query.limit).await?
    } else {
        let name = Name { list: "locations", party: party.name, from: query.from, to: query.to };
        let changed = store.ocpi_changed(query.from, query.to);
        let (ids, total) = site.readings.page(name, &query, changed).await?;
        (store.ocpi_locations_of(&ids).await?, total)
    };
    let (now, base) = (Timestamp::now(), base(&request, &site));
    let us = Us { ocpi: &site.settings.ocpi, base: &base };
    let told: Vec<Value> = locations.iter().map(|location| told(location, us, now)).collect();
    Ok(parameters.answer(&told, &query, total, &format!("{base}/ocpi/2.2.1/locations")))
}

/// GET `/ocpi/2.2.1/locations/{location}`.
pub(crate) async fn location(
    _: Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    Ok(answer(&find(&request, &site, &id).await?))
}

/// GET `/ocpi/2.2.1/locations/{location}/{evse}`.
pub(crate) async fn evse(
    _: Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    address: web::Path<(String, String)>,
) -> Result<HttpResponse, Refusal> {
    Ok(answer(&part(&find(&request, &site, &address.0).await?, "evses", "uid", &address.1)?))
}

/// GET `/ocpi/2.2.1/locations/{location}/{evse}/{connector}`.
pub(crate) async fn connector(
    _: Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    address: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Refusal> {
    let location = find(&request, &site, &address.0).await?;
    let evse = part(&location, "evses", "uid", &address.1)?;
    Ok(answer(&part(&evse, "connectors", "id", &address.2)?))
}

async fn find(request: &HttpRequest, site: &Site, id: &str) -> Result<Value, Refusal> {
    let found = site.store.ocpi_location(id).await?;
    let location = found.ok_or_else(|| Refusal::missing(2003, "there is no such location"))?;
    let us = Us { ocpi: &site.settings.ocpi, base: &base(request, site) };
    Ok(told(&location, us, Timestamp::now()))
}

fn part(whole: &Value, parts: &str, key: &str, id: &str) -> Result<Value, Refusal> {
    let found = whole[parts].as_array().into_iter().flatten().find(|part| part[key] == id);
    found
        .cloned()
        .ok_or_else(|| Refusal::missing(2003, "there is no such EVSE or connector at this location"))
}

/// As whom we tell it, and below which address our own things stand.
#[derive(Clone, Copy)]
struct Us<'a> {
    ocpi: &'a OcpiSettings,
    base: &'a str,
}

/// The extension: the object `veripile` of an OCPI EVSE. Everything else there is OCPI 2.2.1's
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OcpiEvseExtension {
    pile_id: String,
    /// As `/api/v1/piles/{id}` tells it, with whole addresses
    verification: Verification,
    /// As `/api/v1/piles/{id}` tells it
    assessment: Option<Assessment>,
    /// Fields that OCPI demands of its connectors and nobody told us of one of them at least: format, max_voltage, max_amperage, standard,
    /// power_type, max_electric_power; of which one, its own `veripile` says
    assumed: Vec<&'static str>,
}

/// The extension: the object `veripile` of an OCPI Connector. Everything else there is OCPI 2.2.1's
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OcpiConnectorExtension {
    /// Fields of this connector that OCPI demands and nobody told us: format, max_voltage, max_amperage, standard, power_type,
    /// max_electric_power
    assumed: Vec<&'static str>,
}

/// What the EVSEs of a location have in common.
#[derive(Clone, Copy)]
struct Shared<'a> {
    /// Where our own addresses are.
    base: &'a str,
    /// ISO 3166-1 alpha-3, as the location tells it.
    country: &'a str,
    now: Timestamp,
}

/// A location as OCPI has it.
fn told(location: &Location, us: Us<'_>, now: Timestamp) -> Value {
    let station = &location.station;
    let (country, time_zone) =
        presumed_country(station.place).unwrap_or((us.ocpi.country.as_str(), us.ocpi.time_zone.as_str()));
    let country = location.country.as_deref().unwrap_or(country);
    let shared = Shared { base: us.base, country, now };
    let present = station.piles.iter().zip(&location.evses);
    let evses = present
        .map(|(pile, (uid, at))| evse_told(pile, uid, *at, status(pile, now), &location.tariffs, shared));
    // Nothing is sold there any more.
    let removed =
        location.removed.iter().map(|(pile, uid, at)| evse_told(pile, uid, *at, "REMOVED", &[], shared));
    let region = station.region.as_deref().filter(|region| !region.trim().is_empty());
    let address = location.address.as_deref().filter(|address| !address.trim().is_empty());
    let mut assumed = vec!["city"];
    if address.is_none() {
        assumed.push("address");
    }
    assumed.extend(location.country.is_none().then_some("country"));
    assumed.extend(location.time_zone.is_none().then_some("time_zone"));
    json!({
        "country_code": us.ocpi.country_code,
        "party_id": us.ocpi.party_id,
        "id": location.ocpi_id,
        "publish": true,
        "name": cut(&station.name_zh, NAME_CHARS_MAX),
        "address": cut(address.unwrap_or(&station.name_zh), ADDRESS_CHARS_MAX),
        // Nobody tells it apart from the address; a district is the nearest to it.
        "city": cut(region.unwrap_or("-"), CITY_CHARS_MAX),
        "country": country,
        "coordinates": coordinates(station.place),
        "evses": evses.chain(removed).collect::<Vec<_>>(),
        "operator": { "name": cut(&station.operator.name_zh, OPERATOR_CHARS_MAX) },
        "time_zone": location.time_zone.as_deref().unwrap_or(time_zone),
        "last_updated": moment(location.changed_at),
        "veripile": {
            "station_id": station.station_id.as_str(), "operator_id": station.operator.operator_id.as_str(),
            "name_en": cut(&station.name_en, NAME_CHARS_MAX), "coordinate_system": CoordinateSystem::Wgs84.word(), "assumed": assumed,
        },
    })
}

/// A pile as an EVSE.
fn evse_told(
    pile: &PileRecord,
    uid: &str,
    at: Timestamp,
    status: &str,
    tariffs: &[String],
    shared: Shared<'_>,
) -> Value {
    let presumed = presumed_standard(pile.kind, shared.country);
    let standards = if pile.connectors.is_empty() { &[presumed][..] } else { &pile.connectors };
    let plugs: Vec<Plug> = standards.iter().map(|standard| Plug::of(pile, *standard)).collect();
    let mut assumed: Vec<&'static str> = Vec::new();
    for name in plugs.iter().flat_map(|plug| &plug.assumed) {
        if !assumed.contains(name) {
            assumed.push(*name);
        }
    }
    let connectors: Vec<Value> = plugs
        .into_iter()
        .enumerate()
        .map(|(index, plug)| connector_told(index + 1, plug, tariffs, at))
        .collect();
    let told = Pile::of(pile, shared.now);
    json!({
        "uid": uid,
        "status": status,
        "capabilities": [],
        "connectors": connectors,
        "coordinates": pile.place.map(coordinates),
        "last_updated": moment(at),
        "veripile": OcpiEvseExtension {
            pile_id: pile.pile_id.to_string(),
            verification: told.verification.at(shared.base),
            assessment: told.assessment,
            assumed,
        },
    })
}

/// What is plugged in where nobody told: what a country's standards, or most of its piles, have. That it is presumed is said.
fn presumed_standard(kind: PileKind, country: &str) -> ConnectorType {
    let (ac, dc) = match country {
        "CHN" => (ConnectorType::GbtAc, ConnectorType::GbtDc),
        "JPN" => (ConnectorType::Type1, ConnectorType::Chademo),
        "CAN" | "KOR" | "MEX" | "USA" => (ConnectorType::Type1, ConnectorType::Ccs1),
        _ => (ConnectorType::Type2, ConnectorType::Ccs2),
    };
    match kind {
        PileKind::Ac => ac,
        PileKind::Dc => dc,
    }
}

/// Rated power of a pile, W; none where nobody told it, nor where what stands here is none that a party could read (OCPI's integers are
/// taken for 32 bits).
fn power_w(pile: &PileRecord) -> Option<i64> {
    let power_w = pile.power_kw?.checked_mul(Decimal::ONE_THOUSAND)?.round().to_i64()?;
    (1..=i64::from(i32::MAX)).contains(&power_w).then_some(power_w)
}

/// What is told of a plug, and which of it nobody told us.
struct Plug {
    standard: ConnectorType,
    power_type: &'static str,
    volts: i64,
    amperes: i64,
    power_w: i64,
    assumed: Vec<&'static str>,
}

impl Plug {
    fn of(pile: &PileRecord, standard: ConnectorType) -> Self {
        let (kind, is_type1) = match standard {
            ConnectorType::GbtAc | ConnectorType::Type2 => (PileKind::Ac, false),
            ConnectorType::Type1 => (PileKind::Ac, true),
            ConnectorType::GbtDc | ConnectorType::Chademo => (PileKind::Dc, false),
            // With contacts for both: what the pile gives.
            ConnectorType::Ccs1 => (pile.kind, true),
            ConnectorType::Ccs2 => (pile.kind, false),
        };
        let is_of_pile = kind == pile.kind;
        let is_one_phase = is_type1 && kind == PileKind::Ac;
        let is_its_own = |power_w: &i64| is_of_pile && !(is_one_phase && TYPE1_W_MAX < *power_w);
        let known_w = power_w(pile).filter(is_its_own);
        let power_w = known_w.unwrap_or(match kind {
            PileKind::Dc => DC_W,
            PileKind::Ac => AC_W,
        });
        let (power_type, volts, phases) = match kind {
            PileKind::Dc => ("DC", DC_V, 1),
            PileKind::Ac if is_one_phase || power_w <= SINGLE_PHASE_W_MAX => ("AC_1_PHASE", AC_V, 1),
            PileKind::Ac => ("AC_3_PHASE", AC_V, 3),
        };
        let mut assumed = vec!["format", "max_voltage", "max_amperage"];
        assumed.extend(pile.connectors.is_empty().then_some("standard"));
        // That it is direct current the pile's kind tells, that it is one phase the plug; how many others have, nobody.
        let is_told = is_of_pile && (kind == PileKind::Dc || is_one_phase);
        assumed.extend((!is_told).then_some("power_type"));
        assumed.extend(known_w.is_none().then_some("max_electric_power"));
        let amperes = (power_w as f64 / (volts * phases) as f64).round() as i64;
        Self { standard, power_type, volts, amperes, power_w, assumed }
    }
}

fn connector_told(number: usize, plug: Plug, tariffs: &[String], at: Timestamp) -> Value {
    json!({
        "id": number.to_string(),
        "standard": standard_word(plug.standard),
        "format": "CABLE",
        "power_type": plug.power_type,
        "max_voltage": plug.volts,
        "max_amperage": plug.amperes,
        "max_electric_power": plug.power_w,
        "tariff_ids": tariffs,
        "last_updated": moment(at),
        "veripile": OcpiConnectorExtension { assumed: plug.assumed },
    })
}

/// OCPI's word for a connector.
fn standard_word(standard: ConnectorType) -> &'static str {
    match standard {
        ConnectorType::GbtAc => "GBT_AC",
        ConnectorType::GbtDc => "GBT_DC",
        ConnectorType::Type1 => "IEC_62196_T1",
        ConnectorType::Type2 => "IEC_62196_T2",
        ConnectorType::Ccs1 => "IEC_62196_T1_COMBO",
        ConnectorType::Ccs2 => "IEC_62196_T2_COMBO",
        ConnectorType::Chademo => "CHADEMO",
    }
}

/// OCPP's word in OCPI's; what a pile said before it fell silent is told as little as on its page.
fn status(pile: &PileRecord, now: Timestamp) -> &'static str {
    if pile.state(now) == State::OutOfUse || pile.standing.stopped_at.is_some() {
        return "INOPERATIVE";
    }
    let word = pile.status.as_ref().map(|(word, _)| word.as_str());
    match word.filter(|_| view::live(pile, now) != "stale") {
        Some("Available") => "AVAILABLE",
        Some("Preparing" | "Charging" | "SuspendedEV" | "SuspendedEVSE" | "Finishing" | "Occupied") => {
            "CHARGING"
        }
        Some("Reserved") => "RESERVED",
        Some("Unavailable") => "INOPERATIVE",
        Some("Faulted") => "OUTOFORDER",
        _ => "UNKNOWN",
    }
}

/// Degrees as text, with six decimals: 0.1 m.
fn coordinates(place: Place) -> Value {
    json!({ "latitude": format!("{:.6}", place.lat), "longitude": format!("{:.6}", place.lon) })
}

/// As much of a text as OCPI takes, that it is cut shows; of what is no printable character, which OCPI allows in no text, that it was there.
fn cut(text: &str, chars: usize) -> String {
    let printable = text.chars().map(view::visible);
    if text.chars().nth(chars).is_none() {
        return printable.collect();
    }
    printable.take(chars - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_longer_than_ocpi_takes_and_shows_that_it_was_cut() {
        assert_eq!(["长站名", "长站名字"].map(|text| cut(text, 3)), ["长站名", "长站…"]);
    }

    #[test]
    fn a_text_is_printable() {
        for (text, told) in [
            ("a\r\nb", "a  b"),
            ("a\u{2028}b", "a b"),
            ("one\u{202e}two", "one\u{fffd}two"),
            ("\u{0}\u{7f}\u{85}x", "\u{fffd}\u{fffd}\u{fffd}x"),
        ] {
            assert_eq!(cut(text, 9), told, "{text:?}");
        }
        assert_eq!(cut("\n\u{202e}\u{202e}x", 3), " \u{fffd}…");
    }

    /// A pile of 150 kW with a plug of each kind, and one that gives alternating current by whatever it has.
    #[test]
    fn a_plug_gives_what_its_standard_can() {
        use ConnectorType::{Ccs1, Ccs2, Chademo, GbtAc, GbtDc, Type1, Type2};
        let at = Timestamp::UNIX_EPOCH;
        let check = |kind: PileKind,
                     kw: i64,
                     standard: ConnectorType,
                     expected: (&str, i64, i64, i64),
                     is_told: [bool; 2]| {
            let pile = PileRecord {
                kind,
                power_kw: Some(Decimal::from(kw)),
                connectors: vec![standard],
                ..view::bare_pile(veripile_pile::Standing::default())
            };
            let told = connector_told(1, Plug::of(&pile, standard), &[], at);
            let number = |name: &str| told[name].as_i64().expect("a number");
            let power_type = told["power_type"].as_str().expect("a text");
            let found =
                (power_type, number("max_voltage"), number("max_amperage"), number("max_electric_power"));
            assert_eq!(found, expected, "{kind:?} {standard:?}");
            let assumed = told["veripile"]["assumed"].as_array().expect("a list");
            let has = |name: &str| assumed.contains(&name.into());
            assert_eq!(
                ["power_type", "max_electric_power"].map(|name| !has(name)),
                is_told,
                "{kind:?} {standard:?}"
            );
            assert!(has("format") && has("max_voltage") && has("max_amperage") && !has("standard"));
        };
        // 150 kW at 1,000 V are 150 A, 7 kW at 220 V 31.8 A.
        let (direct, usual) = (("DC", 1_000, 150, 150_000), ("AC_1_PHASE", 220, 32, 7_000));
        for standard in [GbtDc, Ccs1, Ccs2, Chademo] {
            check(PileKind::Dc, 150, standard, direct, [true, true]);
        }
        for standard in [GbtAc, Type1, Type2] {
            check(PileKind::Dc, 150, standard, usual, [false, false]);
        }
        // 22 kW over three phases of 220 V are 33.3 A; no plug of type 1 carries that in one, 11 kW it does: 50 A.
        for standard in [GbtAc, Type2, Ccs2] {
            check(PileKind::Ac, 22, standard, ("AC_3_PHASE", 220, 33, 22_000), [false, true]);
        }
        for standard in [Type1, Ccs1] {
            check(PileKind::Ac, 22, standard, usual, [true, false]);
            check(PileKind::Ac, 11, standard, ("AC_1_PHASE", 220, 50, 11_000), [true, true]);
        }
        check(PileKind::Ac, 7, GbtDc, ("DC", 1_000, 60, 60_000), [false, false]);
    }

    /// What is assumed of one plug is named of the EVSE; where none was told it is one of the country.
    #[test]
    fn an_evse_names_what_is_assumed_of_any_of_its_plugs() {
        let told = |kind: PileKind, connectors: &[ConnectorType], country: &str| {
            let pile = PileRecord {
                kind,
                power_kw: Some(Decimal::from(150)),
                connectors: connectors.to_vec(),
                ..view::bare_pile(veripile_pile::Standing::default())
            };
            let shared = Shared { base: "https://example.org", country, now: Timestamp::UNIX_EPOCH };
            evse_told(&pile, "E", Timestamp::UNIX_EPOCH, "UNKNOWN", &[], shared)
        };
        let mixed = told(PileKind::Dc, &[ConnectorType::Ccs2, ConnectorType::Type2], "CHN");
        let all = ["format", "max_voltage", "max_amperage", "power_type", "max_electric_power"];
        assert_eq!(mixed["veripile"]["assumed"], json!(all));
        assert_eq!(mixed["connectors"][0]["veripile"]["assumed"], json!(all[..3]));
        assert_eq!(mixed["connectors"][1]["veripile"]["assumed"], json!(all));
        for (country, ac, dc) in [
            ("CHN", "GBT_AC", "GBT_DC"),
            ("DEU", "IEC_62196_T2", "IEC_62196_T2_COMBO"),
            ("USA", "IEC_62196_T1", "IEC_62196_T1_COMBO"),
            ("JPN", "IEC_62196_T1", "CHADEMO"),
        ] {
            for (kind, standard) in [(PileKind::Ac, ac), (PileKind::Dc, dc)] {
                let evse = told(kind, &[], country);
                assert_eq!(evse["connectors"][0]["standard"], standard, "{country}");
                for assumed in [&evse["veripile"], &evse["connectors"][0]["veripile"]] {
                    assert!(assumed["assumed"].as_array().expect("a list").contains(&"standard".into()));
                }
            }
        }
    }

    /// One pile of absurd power, from before it was looked at, is told as one of which none is known, and stops nobody else's.
    #[test]
    fn power_is_told_as_integers_whatever_stands_here() {
        let at = Timestamp::UNIX_EPOCH;
        for (kw, power_w, amperes, phases) in [
            (None, 7_000_i64, 32_i64, "AC_1_PHASE"),
            (Some(Decimal::new(704, 2)), 7_040, 32, "AC_1_PHASE"),
            (Some(Decimal::from(22)), 22_000, 33, "AC_3_PHASE"),
            (Some(Decimal::MAX), 7_000, 32, "AC_1_PHASE"),
            (Some(Decimal::from(10_000_000)), 7_000, 32, "AC_1_PHASE"),
            (Some(Decimal::new(1, 9)), 7_000, 32, "AC_1_PHASE"),
            (Some(Decimal::ZERO), 7_000, 32, "AC_1_PHASE"),
            (Some(Decimal::from(-7)), 7_000, 32, "AC_1_PHASE"),
        ] {
            let pile = PileRecord { power_kw: kw, ..view::bare_pile(veripile_pile::Standing::default()) };
            let told = connector_told(1, Plug::of(&pile, ConnectorType::GbtAc), &[], at);
            assert_eq!(told["max_electric_power"], power_w, "{kw:?}");
            assert_eq!(
                (&told["max_amperage"], &told["power_type"]),
                (&amperes.into(), &phases.into()),
                "{kw:?}"
            );
        }
    }
}
