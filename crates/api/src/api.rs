//! The query API for piles: GeoJSON lists and single piles. Verification (an act with legal effect) and assessment (evidence
//! from afar) are separate objects everywhere.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use veripile_pile::{ConnectorType, Estimate, OperatorId, PileId, PileKind, Place, State};
use veripile_store::map::PILES_PER_PAGE_MAX;
use veripile_store::verification::QuestionReason;
use veripile_store::{BoundingBox, PileQuery, PileRecord};

use crate::Site;
use crate::problem::{self, Problem};
use crate::view::segment;

/// Piles on a page where the request does not say.
const LIMIT_DEFAULT: u32 = 500;

/// Licence of what the API publishes.
pub(crate) const LICENSE: &str = "CC-BY-4.0";

/// Which piles.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PilesParameters {
    /// west,south,east,north in WGS-84 degrees
    bbox: Option<String>,
    /// verified_monitored, verified, due, under_review, failed or out_of_use
    state: Option<String>,
    /// Operator identifier
    operator: Option<String>,
    /// ac or dc
    kind: Option<String>,
    /// gbt_ac, gbt_dc, type1, type2, ccs1, ccs2 or chademo
    connector: Option<String>,
    /// Rated power of at least this, kW
    min_power_kw: Option<String>,
    /// longitude,latitude in WGS-84 degrees: the nearest, nearest first; no cursor then
    near: Option<String>,
    /// Where the page before ended (`meta.next`)
    cursor: Option<String>,
    /// At most this many, from 1 to 5000 piles or 500 stations
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Ignored; pages pass it on
    #[param(ignore)]
    #[serde(rename = "lang")]
    _lang: Option<String>,
}

impl PilesParameters {
    /// The query for piles.
    pub(crate) fn query(&self, default_limit: u32) -> Result<PileQuery, Problem> {
        let after = self.cursor().map(PileId::parse).transpose();
        let after =
            after.map_err(|error| Problem::parameter("cursor", &format!("an identifier ({error})")))?;
        Ok(PileQuery { after, ..self.query_of(default_limit, PILES_PER_PAGE_MAX)? })
    }

    /// The query without a cursor, which may be one of something else.
    pub(crate) fn query_of(&self, default_limit: u32, limit_max: u32) -> Result<PileQuery, Problem> {
        let state = match self.state.as_deref().filter(|word| !word.is_empty()) {
            Some(word) => Some(
                State::from_word(word)
                    .ok_or_else(|| Problem::parameter("state", &State::ALL.map(State::word).join(", ")))?,
            ),
            None => None,
        };
        let limit = problem::limit(self.limit.as_deref(), default_limit, limit_max)?;
        let identifier = |name: &str, error| Problem::parameter(name, &format!("an identifier ({error})"));
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(PileQuery {
            bounding_box: some(&self.bbox).as_deref().map(bounding_box).transpose()?,
            operator: some(&self.operator)
                .map(|id| OperatorId::parse(&id).map_err(|error| identifier("operator", error)))
                .transpose()?,
            kind: some(&self.kind)
                .map(|word| PileKind::from_word(&word).ok_or_else(|| Problem::parameter("kind", "ac or dc")))
                .transpose()?,
            connector: some(&self.connector)
                .map(|word| {
                    ConnectorType::from_word(&word)
                        .ok_or_else(|| Problem::parameter("connector", &ConnectorType::words()))
                })
                .transpose()?,
            min_power_kw: some(&self.min_power_kw)
                .map(|text| {
                    let power_kw = text.parse().ok().filter(|kw| *kw >= Decimal::ZERO);
                    power_kw.ok_or_else(|| Problem::parameter("min_power_kw", "a number of kW"))
                })
                .transpose()?,
            state,
            after: None,
            limit,
        })
    }

    /// The place whose neighbours are asked for.
    pub(crate) fn near(&self) -> Result<Option<Place>, Problem> {
        let Some(text) = self.near.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        if self.cursor().is_some() {
            return Err(Problem::parameter("cursor", "none beside near, which has one page only"));
        }
        let place = text
            .split_once(',')
            .and_then(|(lon, lat)| Place::new(lon.trim().parse().ok()?, lat.trim().parse().ok()?));
        let expected = "longitude,latitude in WGS-84 degrees";
        place.map(Some).ok_or_else(|| Problem::parameter("near", expected))
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref().filter(|text| !text.is_empty())
    }
}

/// West, south, east and north in degrees.
pub(crate) fn bounding_box(text: &str) -> Result<BoundingBox, Problem> {
    let expected =
        || Problem::parameter("bbox", "west,south,east,north in degrees, west ≤ east and south ≤ north");
    let numbers: Vec<f64> = text
        .split(',')
        .map(|part| part.trim().parse::<f64>())
        .collect::<Result<_, _>>()
        .map_err(|_| expected())?;
    let [west, south, east, north] = numbers[..] else { return Err(expected()) };
    let is_box = west <= east && south <= north;
    if !is_box {
        return Err(expected());
    }
    // No pile is registered beyond them: a box over the 180th meridian would leave its other side out and say nothing.
    if west < -180.0 || 180.0 < east || south < -90.0 || 90.0 < north {
        return Err(Problem::parameter(
            "bbox",
            "longitudes from -180 to 180 and latitudes from -90 to 90; over the 180th meridian ask for each side of it",
        ));
    }
    Ok(BoundingBox { west, south, east, north })
}

/// A name in two languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Named {
    id: String,
    name_zh: String,
    name_en: String,
}

/// The public state, on the strength of acts of authority.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verification {
    /// verified_monitored, verified, due, under_review, failed or out_of_use
    state: &'static str,
    /// What the state rests on: certificate, question (of the certificate), case, stopped, unseen, or none
    basis: &'static str,
    /// When that began to hold: certificate issued or put in question, case opened, use stopped, last seen
    since: Option<String>,
    /// Number of that document
    number: Option<String>,
    issued_by: Option<String>,
    /// Date of the verification, where the basis is a certificate; null where it is in question
    verified_at: Option<String>,
    /// End of the certificate's validity; null where it is in question: it is valid for nothing then
    valid_until: Option<String>,
    /// Where the basis is a question: what was verified once, and since when and why that does not count
    question: Option<InQuestion>,
    /// Address of the certificate's signed file, where the basis is a certificate, also one in question, that was issued here; `.pdf` and
    /// `.dcc.xml` stand beside it. Below our own address here, whole over OCPI
    certificate_url: Option<String>,
    /// Address of the evidence from afar: weeks, assessments, events, on-site results. Below our own address here, whole over OCPI
    evidence_url: String,
}

/// A certificate in question: the pile is due, whatever the certificate says of its validity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InQuestion {
    /// Date of the verification that it was issued for
    was_verified_at: String,
    /// Since when it is in question
    since: String,
    /// seal_broken, firmware_changed, repaired or other; null where nobody said
    because: Option<&'static str>,
}

/// What is said from afar: evidence, never a verification.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Assessment {
    as_of: String,
    /// conform, nonconform, undecided or not_comparable
    verdict: &'static str,
    error_percent: Option<f64>,
    standard_uncertainty_percent: Option<f64>,
    lower95_percent: Option<f64>,
    upper95_percent: Option<f64>,
    probability_conform: Option<f64>,
    limit_percent: f64,
    charges: u32,
    grounded: bool,
    rule: String,
}

/// Live state.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Live {
    /// Connector status in OCPP's word
    status: Option<String>,
    status_at: Option<String>,
    last_seen: Option<String>,
    protocol: Option<String>,
}

/// A pile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pile {
    pile_id: String,
    station: Option<Named>,
    operator: Option<Named>,
    /// ac or dc
    kind: &'static str,
    accuracy_class: String,
    power_kw: Option<String>,
    /// What can be plugged in: gbt_ac, gbt_dc, type1, type2, ccs1, ccs2, chademo
    connectors: Vec<&'static str>,
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    meter_serial: Option<String>,
    charges: i64,
    pub(crate) verification: Verification,
    pub(crate) assessment: Option<Assessment>,
    live: Live,
}

/// A pile, with what stands beside a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnePile {
    meta: Meta,
    #[serde(flatten)]
    pile: Pile,
}

/// A GeoJSON point.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Point {
    #[serde(rename = "type")]
    kind: &'static str,
    /// Longitude, latitude, WGS-84
    coordinates: [f64; 2],
}

/// A GeoJSON feature.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Feature {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    geometry: Option<Point>,
    properties: Pile,
    /// Metres from the place asked for, where one was
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<f64>,
}

/// What stands beside a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Meta {
    license: &'static str,
    /// When the newest judgement in the list was made
    last_updated: Option<String>,
    /// Cursor of the next page
    next: Option<String>,
}

impl Named {
    pub(crate) fn new(id: String, name_zh: &str, name_en: &str) -> Self {
        Self { id, name_zh: name_zh.to_owned(), name_en: name_en.to_owned() }
    }
}

impl Point {
    pub(crate) fn at(place: Place) -> Self {
        Self { kind: "Point", coordinates: [place.lon, place.lat] }
    }
}

impl Meta {
    pub(crate) fn new(last_updated: Option<Timestamp>, next: Option<String>) -> Self {
        Self { license: LICENSE, last_updated: time(last_updated), next }
    }
}

/// A distance as told: to 0.1 m, which is finer than any place is known.
pub(crate) fn rounded_m(distance_m: f64) -> f64 {
    (10.0 * distance_m).round() / 10.0
}

/// A GeoJSON feature collection (RFC 7946).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeatureCollection {
    #[serde(rename = "type")]
    kind: &'static str,
    meta: Meta,
    features: Vec<Feature>,
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// Who issued something; none where nobody said.
fn issuer(told: &str) -> Option<String> {
    veripile_pile::body(told).map(str::to_owned)
}

impl Verification {
    fn of(pile: &PileRecord, now: Timestamp) -> Self {
        let standing = &pile.standing;
        let bare = |basis, since| Self::bare(pile, now, basis, since);
        if let Some(case) = &standing.case {
            return Self {
                number: Some(case.number.clone()),
                issued_by: issuer(case.said_by(now)),
                ..bare("case", Some(case.at))
            };
        }
        match &standing.certificate {
            _ if standing.stopped_at.is_some() => Self {
                number: standing.stopped_by.as_ref().map(|by| by.number.clone()),
                issued_by: standing.stopped_by.as_ref().and_then(|by| issuer(&by.issuer)),
                ..bare("stopped", standing.stopped_at)
            },
            _ if pile.state(now) == State::OutOfUse => bare("unseen", pile.last_seen),
            Some(certificate) => {
                let rest = match certificate.questioned_at {
                    Some(since) => Self {
                        question: Some(InQuestion {
                            was_verified_at: certificate.at.to_string(),
                            since: since.to_string(),
                            because: pile.questioned_because.map(QuestionReason::word),
                        }),
                        ..bare("question", Some(since))
                    },
                    None => Self {
                        verified_at: time(Some(certificate.at)),
                        valid_until: time(Some(certificate.valid_until)),
                        ..bare("certificate", Some(certificate.at))
                    },
                };
                Self {
                    number: Some(certificate.number.clone()),
                    issued_by: issuer(&certificate.issuer),
                    certificate_url: pile
                        .has_document
                        .then(|| format!("/api/v1/certificates/{}.json", segment(&certificate.number))),
                    ..rest
                }
            }
            None => bare("none", None),
        }
    }

    /// The state and what it rests on, without a document.
    fn bare(pile: &PileRecord, now: Timestamp, basis: &'static str, since: Option<Timestamp>) -> Self {
        Self {
            state: pile.state(now).word(),
            basis,
            since: time(since),
            number: None,
            issued_by: None,
            verified_at: None,
            valid_until: None,
            question: None,
            certificate_url: None,
            evidence_url: format!("/api/v1/piles/{}/history", segment(pile.pile_id.as_str())),
        }
    }

    /// The same with whole addresses, for those who read it elsewhere.
    pub(crate) fn at(self, base: &str) -> Self {
        Self {
            certificate_url: self.certificate_url.map(|path| format!("{base}{path}")),
            evidence_url: format!("{base}{}", self.evidence_url),
            ..self
        }
    }
}

impl From<&Estimate> for Assessment {
    fn from(estimate: &Estimate) -> Self {
        let percent = |fraction: f64| 100.0 * fraction;
        let interval = estimate.interval95();
        Self {
            as_of: estimate.as_of.to_string(),
            verdict: estimate.verdict.word(),
            error_percent: estimate.error.map(percent),
            standard_uncertainty_percent: estimate.standard_uncertainty.map(percent),
            lower95_percent: interval.map(|(lower, _)| percent(lower)),
            upper95_percent: interval.map(|(_, upper)| percent(upper)),
            probability_conform: estimate.probability_conform,
            limit_percent: percent(estimate.limit),
            charges: estimate.charges,
            grounded: estimate.grounded,
            rule: estimate.rule.clone(),
        }
    }
}

impl Feature {
    pub(crate) fn of(pile: &PileRecord, distance_m: Option<f64>, now: Timestamp) -> Self {
        Self {
            kind: "Feature",
            id: pile.pile_id.to_string(),
            geometry: pile.place.map(Point::at),
            properties: Pile::of(pile, now),
            distance_m: distance_m.map(rounded_m),
        }
    }
}

impl Pile {
    pub(crate) fn of(pile: &PileRecord, now: Timestamp) -> Self {
        Self {
            pile_id: pile.pile_id.to_string(),
            station: pile.station.as_ref().map(|(id, zh, en)| Named::new(id.to_string(), zh, en)),
            operator: pile.operator.as_ref().map(|(id, zh, en)| Named::new(id.to_string(), zh, en)),
            kind: pile.kind.word(),
            accuracy_class: pile.class.0.normalize().to_string(),
            power_kw: pile.power_kw.map(|kw| kw.normalize().to_string()),
            connectors: pile.connectors.iter().map(|connector| connector.word()).collect(),
            vendor: pile.vendor.clone(),
            model: pile.model.clone(),
            firmware: pile.firmware.clone(),
            meter_serial: pile.meter_serial.clone(),
            charges: pile.charges,
            verification: Verification::of(pile, now),
            assessment: pile.standing.estimate.as_ref().map(Assessment::from),
            live: Live {
                status: pile.status.as_ref().map(|(word, _)| word.clone()),
                status_at: time(pile.status.as_ref().map(|(_, at)| *at)),
                last_seen: time(pile.last_seen),
                protocol: pile.protocol.clone(),
            },
        }
    }
}

/// Piles as GeoJSON, in the order of their identifiers; or the nearest to a place, nearest first
#[utoipa::path(get, path = "/api/v1/piles", params(PilesParameters), responses(
    (status = 200, description = "Piles", body = FeatureCollection, content_type = "application/geo+json"),
    (status = 304, description = "As it was"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 400, description = "A parameter cannot be", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn piles(
    site: web::Data<Site>,
    parameters: Result<web::Query<PilesParameters>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let parameters =
        parameters.map_err(|error| Problem::parameter("query", &format!("known parameters ({error})")))?;
    let query = parameters.query(LIMIT_DEFAULT)?;
    let now = Timestamp::now();
    let (meta, features) = match parameters.near()? {
        Some(near) => {
            let (piles, last_updated) = site.store.nearest_piles(near, &query).await?;
            let nearest = piles.iter().map(|(pile, distance_m)| Feature::of(pile, Some(*distance_m), now));
            (Meta::new(last_updated, None), nearest.collect())
        }
        None => {
            let page = site.store.piles(&query).await?;
            let features = page.piles.iter().map(|pile| Feature::of(pile, None, now)).collect();
            (Meta::new(page.last_updated, page.next.map(|next| next.to_string())), features)
        }
    };
    let collection = FeatureCollection { kind: "FeatureCollection", meta, features };
    Ok(json("application/geo+json", &collection))
}

/// One pile
#[utoipa::path(get, path = "/api/v1/piles/{id}", params(("id" = String, Path, description = "Pile identifier")), responses(
    (status = 200, description = "The pile", body = OnePile),
    (status = 304, description = "As it was"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such pile", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn pile(site: web::Data<Site>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let missing = || Problem::missing("no pile has this identifier; /api/v1/piles lists them");
    let pile_id = PileId::parse(&id).map_err(|_| missing())?;
    let (pile, judged_at) = site.store.judged_pile(&pile_id).await?.ok_or_else(missing)?;
    let pile = Pile::of(&pile, Timestamp::now());
    Ok(json("application/json", &OnePile { meta: Meta::new(judged_at, None), pile }))
}

pub(crate) fn json(content_type: &str, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_string(body) {
        Ok(text) => HttpResponse::Ok()
            .content_type(content_type)
            .insert_header((CACHE_CONTROL, "no-cache"))
            .body(text),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_cannot_be_are_named() {
        let check = |parameters: PilesParameters, name: &str| {
            let problem = parameters.query(10).expect_err(name);
            assert!(problem.status == 400 && problem.detail.starts_with(name), "{problem}");
        };
        let some = |text: &str| Some(text.to_owned());
        for bbox in ["1,2,3", "a,b,c,d", "3,2,1,4", "1,4,3,2", "NaN,1,2,3", "1,2,3,1e9", "1,2,inf,3"] {
            check(PilesParameters { bbox: some(bbox), ..Default::default() }, "bbox: expected");
        }
        for bbox in ["170,-10,190,10", "-190,-10,-170,10", "0,-91,1,0", "0,0,1,90.1"] {
            let problem = bounding_box(bbox).expect_err(bbox);
            assert!(problem.detail.ends_with("ask for each side of it"), "{bbox}: {problem}");
        }
        let whole = PilesParameters { bbox: some("-180,-90,180,90"), ..Default::default() };
        assert!(whole.query(10).is_ok_and(|query| query.bounding_box.is_some()));
        let unsaid = PilesParameters { bbox: some(""), ..Default::default() };
        assert!(unsaid.query(10).is_ok_and(|query| query.bounding_box.is_none()), "as with other filters");
        check(PilesParameters { state: some("good"), ..Default::default() }, "state");
        for limit in ["0", "5001", "abc", "-1", "1.5"] {
            check(PilesParameters { limit: some(limit), ..Default::default() }, "limit: ");
        }
        check(PilesParameters { cursor: some("a/b"), ..Default::default() }, "cursor");
        check(PilesParameters { kind: some("hybrid"), ..Default::default() }, "kind");
        check(PilesParameters { connector: some("schuko"), ..Default::default() }, "connector");
        for power in ["-1", "much", "NaN"] {
            check(PilesParameters { min_power_kw: some(power), ..Default::default() }, "min_power_kw");
        }
        for near in ["120", "120,91", "a,b", "NaN,1", "120,31,5"] {
            let asked = PilesParameters { near: some(near), ..Default::default() };
            assert!(asked.near().expect_err(near).detail.starts_with("near"));
        }
        let both = PilesParameters { near: some("120,31"), cursor: some("a"), ..Default::default() };
        assert!(both.near().expect_err("no pages").detail.starts_with("cursor"));
        let good =
            PilesParameters { bbox: some("120,31,121,32"), state: some("failed"), ..Default::default() };
        let query = good.query(10).expect("good");
        assert_eq!((query.state, query.limit), (Some(State::Failed), 10));
    }
}
