//! OCPI's Locations: stations, each pile an EVSE, with our verdicts beside them.
//!
//! What OCPI asks for and nobody has told us is assumed, and named in `veripile.assumed`. Extension: an EVSE's object `veripile` holds
//! `verification` and `assessment` as `/api/v1/piles/{id}` tells them.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use veripile_pile::{ConnectorType, PileKind, Place, State};
use veripile_store::PileRecord;
use veripile_store::ocpi::Location;

use super::readings::Name;
use super::{OcpiSettings, Refusal, Registered, answer, base, moment};
use crate::Site;
use crate::api::{Assessment, Pile, Verification};

/// Locations on a page, at most; a station has some ten piles.
const LIMIT_MAX: u32 = 100;

/// Where stations are: the country whose authorities verify them.
const COUNTRY: &str = "CHN";
const TIME_ZONE: &str = "Asia/Shanghai";

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

/// Which locations.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    date_from: Option<String>,
    date_to: Option<String>,
    offset: Option<String>,
    limit: Option<String>,
}

/// The same, read.
#[derive(Debug)]
struct Query {
    /// Changed at this moment or later.
    from: Option<Timestamp>,
    /// Changed before this moment.
    to: Option<Timestamp>,
    /// How many to pass over.
    offset: u64,
    /// At most this many.
    limit: u32,
}

/// GET `/ocpi/2.2.1/locations`.
pub(crate) async fn list(
    Registered(party): Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    parameters: web::Query<Parameters>,
) -> Result<HttpResponse, Refusal> {
    let query = parameters.query()?;
    let (locations, total) = if query.from.is_none() && query.to.is_none() {
        site.store.ocpi_locations(query.offset, query.limit).await?
    } else {
        changed(&site, party.name, &query).await?
    };
    let (now, base) = (Timestamp::now(), base(&request, &site));
    let us = Us { ocpi: &site.settings.ocpi, base: &base };
    let told: Vec<Value> = locations.iter().map(|location| told(location, us, now)).collect();
    let mut response = answer(&told);
    let headers = response.headers_mut();
    let next = query.offset.saturating_add(u64::from(query.limit));
    let mut put = |name, text: String| {
        if let Ok(value) = actix_web::http::header::HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    };
    put(actix_web::http::header::HeaderName::from_static("x-total-count"), total.to_string());
    put(actix_web::http::header::HeaderName::from_static("x-limit"), LIMIT_MAX.to_string());
    if next < total {
        let address = format!("{base}/ocpi/2.2.1/locations");
        put(LINK, format!("<{address}?{}>; rel=\"next\"", parameters.next(next, query.limit)));
    }
    Ok(response)
}

/// A page of those that changed in a time, and how many did. Which ones is found with the first page, and kept for the others.
async fn changed(site: &Site, party: String, query: &Query) -> Result<(Vec<Location>, u64), Refusal> {
    let name = Name { party, from: query.from, to: query.to };
    let going_on = if query.offset == 0 { None } else { site.readings.going_on(&name, Instant::now()) };
    let ids = if let Some(ids) = going_on {
        ids
    } else {
        let ids: Arc<[String]> = site.store.ocpi_changed(query.from, query.to).await?.into();
        site.readings.keep(name, Arc::clone(&ids), Instant::now());
        ids
    };
    let first = usize::try_from(query.offset).unwrap_or(usize::MAX).min(ids.len());
    let end = first.saturating_add(query.limit as usize).min(ids.len());
    Ok((site.store.ocpi_locations_of(&ids[first..end]).await?, ids.len() as u64))
}

impl Parameters {
    fn query(&self) -> Result<Query, Refusal> {
        let number = |name, text: &Option<String>| match text.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                // Beyond what the database counts nothing can stand.
                let number = text.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
                number.map(Some).ok_or_else(|| Refusal::invalid(format!("{name}: expected a whole number")))
            }
            None => Ok(None),
        };
        let limit = number("limit", &self.limit)?.unwrap_or(u64::from(LIMIT_MAX));
        Ok(Query {
            from: date("date_from", self.date_from.as_deref())?,
            to: date("date_to", self.date_to.as_deref())?,
            offset: number("offset", &self.offset)?.unwrap_or(0),
            limit: u32::try_from(limit.clamp(1, u64::from(LIMIT_MAX))).unwrap_or(LIMIT_MAX),
        })
    }

    /// The next page's, with the filters of this one.
    fn next(&self, offset: u64, limit: u32) -> String {
        let filter = |name, value: &Option<String>| {
            let value = value.as_deref().filter(|text| !text.is_empty());
            value.map_or_else(String::new, |value| format!("&{name}={}", crate::view::segment(value)))
        };
        let (from, to) = (filter("date_from", &self.date_from), filter("date_to", &self.date_to));
        format!("offset={offset}&limit={limit}{from}{to}")
    }
}

/// A moment as OCPI writes it: RFC 3339 in UTC, the zone left out if one likes.
fn date(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let moment = text.parse().or_else(|_| format!("{text}Z").parse());
    moment
        .map(Some)
        .map_err(|_| Refusal::invalid(format!("{name}: expected a moment as 2019-01-28T12:00:00Z")))
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
    let evses = present.map(|(pile, (uid, at))| evse_told(pile, uid, *at, status(pile, now), us, now));
    let removed =
        location.removed.iter().map(|(pile, uid, at)| evse_told(pile, uid, *at, "REMOVED", us, now));
    let address = location.address.as_deref().filter(|address| !address.trim().is_empty());
    let mut assumed = vec!["city"];
    if address.is_none() {
        assumed.push("address");
    }
    json!({
        "country_code": us.ocpi.country_code,
        "party_id": us.ocpi.party_id,
        "id": location.ocpi_id,
        "publish": true,
        "name": cut(&station.name_zh, NAME_CHARS_MAX),
        "address": cut(address.unwrap_or(&station.name_zh), ADDRESS_CHARS_MAX),
        // Nobody tells it apart from the address.
        "city": "-",
        "country": COUNTRY,
        "coordinates": coordinates(station.place),
        "evses": evses.chain(removed).collect::<Vec<_>>(),
        "operator": { "name": cut(&station.operator.name_zh, OPERATOR_CHARS_MAX) },
        "time_zone": TIME_ZONE,
        "last_updated": moment(location.changed_at),
        "veripile": {
            "station_id": station.station_id.as_str(), "operator_id": station.operator.operator_id.as_str(),
            "name_en": station.name_en, "assumed": assumed,
        },
    })
}

/// A pile as an EVSE.
fn evse_told(pile: &PileRecord, uid: &str, at: Timestamp, status: &str, us: Us<'_>, now: Timestamp) -> Value {
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
        .map(|(index, standard)| connector_told(pile, index + 1, *standard, at))
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

fn connector_told(pile: &PileRecord, number: usize, standard: ConnectorType, at: Timestamp) -> Value {
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

    fn parameters(date_from: &str, offset: &str, limit: &str) -> Parameters {
        let some = |text: &str| Some(text.to_owned());
        Parameters { date_from: some(date_from), date_to: None, offset: some(offset), limit: some(limit) }
    }

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
            let told = connector_told(&pile, 1, ConnectorType::GbtAc, at);
            assert_eq!(told["max_electric_power"], power_w, "{kw:?}");
            assert_eq!(
                (&told["max_amperage"], &told["power_type"]),
                (&amperes.into(), &phases.into()),
                "{kw:?}"
            );
        }
    }

    #[test]
    fn moments_may_leave_the_zone_out_and_limits_are_kept() {
        let query = parameters("2019-01-28T12:00:00", "50", "2000").query().expect("good");
        assert_eq!(query.from.expect("given").to_string(), "2019-01-28T12:00:00Z");
        assert_eq!((query.offset, query.limit, query.to), (50, LIMIT_MAX, None));
        assert_eq!(
            parameters("2019-01-28T12:00:00+08:00", "", "")
                .query()
                .expect("good")
                .from
                .expect("given")
                .to_string(),
            "2019-01-28T04:00:00Z"
        );
        for (from, offset, limit) in [("yesterday", "", ""), ("", "-1", ""), ("", "", "x"), ("", "1e400", "")]
        {
            assert!(parameters(from, offset, limit).query().is_err(), "{from} {offset} {limit}");
        }
        let next = parameters("2019-01-28T12:00:00+08:00", "50", "10").next(60, 10);
        assert_eq!(next, "offset=60&limit=10&date_from=2019-01-28T12%3A00%3A00%2B08%3A00");
    }
}
