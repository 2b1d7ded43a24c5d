//! OCPI's Locations: stations, each pile an EVSE, with our verdicts beside them.
//!
//! What OCPI asks for and nobody has told us is assumed, and named in `veripile.assumed`: so are country and time zone, which the place tells
//! where it is in China, and settings elsewhere; `veripile.coordinate_system` says that coordinates are WGS-84, which in China goes without
//! saying for nobody. Extension: an EVSE's object `veripile` holds
//! `verification` and `assessment` as `/api/v1/piles/{id}` tells them.

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

/// Longest texts that OCPI takes.
const NAME_CHARS_MAX: usize = 255;
const ADDRESS_CHARS_MAX: usize = 45;
const OPERATOR_CHARS_MAX: usize = 100;

/// Voltages assumed: between line and neutral, of one phase as of three (OCPI 2.2.1, 8.3.3: "line to neutral for AC_3_PHASE"), and the
/// higher one of GB/T 20234.3's two.
const AC_V: i64 = 220;
const DC_V: i64 = 1_000;

/// Strongest pile that is taken for one of a single phase, W: 32 A.
const SINGLE_PHASE_W_MAX: i64 = 7_040;

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
    /// Fields that OCPI demands and nobody told us: format, max_voltage, max_amperage, standard, max_electric_power
    assumed: Vec<&'static str>,
}

/// A location as OCPI has it.
fn told(location: &Location, us: Us<'_>, now: Timestamp) -> Value {
    let station = &location.station;
    let present = station.piles.iter().zip(&location.evses);
    let evses = present
        .map(|(pile, (uid, at))| evse_told(pile, uid, *at, status(pile, now), &location.tariffs, us, now));
    // Nothing is sold there any more.
    let removed =
        location.removed.iter().map(|(pile, uid, at)| evse_told(pile, uid, *at, "REMOVED", &[], us, now));
    let address = location.address.as_deref().filter(|address| !address.trim().is_empty());
    let mut assumed = vec!["city"];
    if address.is_none() {
        assumed.push("address");
    }
    let (country, time_zone) =
        presumed_country(station.place).unwrap_or((us.ocpi.country.as_str(), us.ocpi.time_zone.as_str()));
    assumed.extend(location.country.is_none().then_some("country"));
    assumed.extend(location.time_zone.is_none().then_some("time_zone"));
    json!({
        "country_code": us.ocpi.country_code,
        "party_id": us.ocpi.party_id,
        "id": location.ocpi_id,
        "publish": true,
        "name": cut(&station.name_zh, NAME_CHARS_MAX),
        "address": cut(address.unwrap_or(&station.name_zh), ADDRESS_CHARS_MAX),
        // Nobody tells it apart from the address.
        "city": "-",
        "country": location.country.as_deref().unwrap_or(country),
        "coordinates": coordinates(station.place),
        "evses": evses.chain(removed).collect::<Vec<_>>(),
        "operator": { "name": cut(&station.operator.name_zh, OPERATOR_CHARS_MAX) },
        "time_zone": location.time_zone.as_deref().unwrap_or(time_zone),
        "last_updated": moment(location.changed_at),
        "veripile": {
            "station_id": station.station_id.as_str(), "operator_id": station.operator.operator_id.as_str(),
            "name_en": station.name_en, "coordinate_system": CoordinateSystem::Wgs84.word(), "assumed": assumed,
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
    us: Us<'_>,
    now: Timestamp,
) -> Value {
    let mut assumed = vec!["format", "max_voltage", "max_amperage"];
    if pile.connectors.is_empty() {
        assumed.push("standard");
    }
    if power_w(pile).is_none() {
        assumed.push("max_electric_power");
    }
    let by_kind = match pile.kind {
        PileKind::Ac => ConnectorType::GbtAc,
        PileKind::Dc => ConnectorType::GbtDc,
    };
    let standards = if pile.connectors.is_empty() { &[by_kind][..] } else { &pile.connectors };
    let connectors: Vec<Value> = standards
        .iter()
        .enumerate()
        .map(|(index, standard)| connector_told(pile, index + 1, *standard, tariffs, at))
        .collect();
    let told = Pile::of(pile, now);
    json!({
        "uid": uid,
        "status": status,
        "capabilities": [],
        "connectors": connectors,
        "coordinates": pile.place.map(coordinates),
        "last_updated": moment(at),
        "veripile": OcpiEvseExtension {
            pile_id: pile.pile_id.to_string(),
            verification: told.verification.at(us.base),
            assessment: told.assessment,
            assumed,
        },
    })
}

/// Rated power of a pile, W; none where nobody told it, nor where what stands here is none that a party could read (OCPI's integers are
/// taken for 32 bits).
fn power_w(pile: &PileRecord) -> Option<i64> {
    let power_w = pile.power_kw?.checked_mul(Decimal::ONE_THOUSAND)?.round().to_i64()?;
    (1..=i64::from(i32::MAX)).contains(&power_w).then_some(power_w)
}

fn connector_told(
    pile: &PileRecord,
    number: usize,
    standard: ConnectorType,
    tariffs: &[String],
    at: Timestamp,
) -> Value {
    let power_w = power_w(pile).unwrap_or(match pile.kind {
        PileKind::Dc => DC_W,
        PileKind::Ac => AC_W,
    });
    let (power_type, volts, phases) = match pile.kind {
        PileKind::Dc => ("DC", DC_V, 1),
        PileKind::Ac if power_w <= SINGLE_PHASE_W_MAX => ("AC_1_PHASE", AC_V, 1),
        PileKind::Ac => ("AC_3_PHASE", AC_V, 3),
    };
    let amperes = power_w as f64 / (volts * phases) as f64;
    json!({
        "id": number.to_string(),
        "standard": standard_word(standard),
        "format": "CABLE",
        "power_type": power_type,
        "max_voltage": volts,
        "max_amperage": amperes.round() as i64,
        "max_electric_power": power_w,
        "tariff_ids": tariffs,
        "last_updated": moment(at),
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
    match word.filter(|_| crate::view::live(pile, now) != "stale") {
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

/// As much of a text as OCPI takes; that it is cut shows.
fn cut(text: &str, chars: usize) -> String {
    if text.chars().nth(chars).is_none() {
        return text.to_owned();
    }
    text.chars().take(chars - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_longer_than_ocpi_takes_and_shows_that_it_was_cut() {
        assert_eq!(["长站名", "长站名字"].map(|text| cut(text, 3)), ["长站名", "长站…"]);
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
            let pile =
                PileRecord { power_kw: kw, ..crate::view::bare_pile(veripile_pile::Standing::default()) };
            let told = connector_told(&pile, 1, ConnectorType::GbtAc, &[], at);
            assert_eq!(told["max_electric_power"], power_w, "{kw:?}");
            assert_eq!(
                (&told["max_amperage"], &told["power_type"]),
                (&amperes.into(), &phases.into()),
                "{kw:?}"
            );
        }
    }
}
