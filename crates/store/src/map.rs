//! What the map and the list ask: piles in a box, with what the public is told of them.
//!
//! Called by `api::map`. It never computes a verdict: it reads the last judgement.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::{
    AccuracyClass, ConnectorType, OperatorId, PileId, PileKind, Place, Standing, State, StationId,
};

use crate::row::{SqlTime, corrupt, jiff_time};
use crate::state::{in_state, is_silent};
use crate::verification::QuestionReason;
use crate::{Store, StoreError};

/// Most piles one page of the list may hold.
pub const PILES_PER_PAGE_MAX: u32 = 5_000;

/// A box on the map, WGS-84 degrees; `west <= east`, `south <= north`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Least longitude.
    pub west: f64,
    /// Least latitude.
    pub south: f64,
    /// Greatest longitude.
    pub east: f64,
    /// Greatest latitude.
    pub north: f64,
}

impl BoundingBox {
    /// What lies in both; a box with `west > east` or `south > north`, in which nothing lies, where they are apart.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        Self {
            west: self.west.max(other.west),
            south: self.south.max(other.south),
            east: self.east.min(other.east),
            north: self.north.min(other.north),
        }
    }
}

/// Which piles.
#[derive(Debug, Clone, Default)]
pub struct PileQuery {
    /// Only inside this box; a pile without a place is in no box.
    pub bounding_box: Option<BoundingBox>,
    /// Only of this operator.
    pub operator: Option<OperatorId>,
    /// Only of this kind.
    pub kind: Option<PileKind>,
    /// Only with such a connector; a pile of which nobody said has none.
    pub connector: Option<ConnectorType>,
    /// Only of at least this rated power, kW; a pile of unknown power has none.
    pub min_power_kw: Option<Decimal>,
    /// Only in this public state, as of now.
    pub state: Option<State>,
    /// Only after this pile in the order of identifiers (the cursor).
    pub after: Option<PileId>,
    /// At most this many, capped at [`PILES_PER_PAGE_MAX`].
    pub limit: u32,
}

/// A pile with its names and standing, as one row of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct PileRecord {
    /// Identifier.
    pub pile_id: PileId,
    /// Its station: identifier, Chinese and English name.
    pub station: Option<(StationId, String, String)>,
    /// Its operator: identifier, Chinese and English name.
    pub operator: Option<(OperatorId, String, String)>,
    /// AC or DC.
    pub kind: PileKind,
    /// Accuracy class on the plate.
    pub class: AccuracyClass,
    /// Rated power, kW.
    pub power_kw: Option<Decimal>,
    /// What can be plugged in, as far as anybody said.
    pub connectors: Vec<ConnectorType>,
    /// Where it stands.
    pub place: Option<Place>,
    /// Vendor, from its boot message.
    pub vendor: Option<String>,
    /// Model, from its plate or boot message.
    pub model: Option<String>,
    /// Firmware, from its boot message.
    pub firmware: Option<String>,
    /// Serial number of its meter, from registration or boot message.
    pub meter_serial: Option<String>,
    /// OCPP sub-protocol of its last connection, e.g. `ocpp1.6`.
    pub protocol: Option<String>,
    /// Status of the connector that a driver would take (an available one, else the one that changed last; the pile's own
    /// only where no connector has told any) in OCPP's word, and since when.
    pub status: Option<(String, Timestamp)>,
    /// When we last heard of it.
    pub last_seen: Option<Timestamp>,
    /// Charges on record.
    pub charges: i64,
    /// Whether the certificate that the standing names is a document of ours, with files to fetch.
    pub has_document: bool,
    /// Why the certificate that the standing names is in question, where it is and somebody said: the first reason given.
    pub questioned_because: Option<QuestionReason>,
    /// What the public is told; its state is evaluated by the caller with `standing.state(now, last_seen)`.
    pub standing: Standing,
}

impl PileRecord {
    /// The public state now.
    pub fn state(&self, now: Timestamp) -> State {
        self.standing.state(now, self.last_seen)
    }

    /// When that state began to hold.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        self.standing.since(now, self.last_seen)
    }

    /// Whether it is out of use, whatever its state: then it is not free, whatever its connectors say.
    pub fn is_out_of_use(&self, now: Timestamp) -> bool {
        self.standing.is_out_of_use(now, self.last_seen)
    }
}

/// One page of piles.
#[derive(Debug, Clone, PartialEq)]
pub struct PilePage {
    /// In the order of identifiers.
    pub piles: Vec<PileRecord>,
    /// Where the next page starts; none at the end.
    pub next: Option<PileId>,
    /// When the newest of the judgements on this page was made.
    pub last_updated: Option<Timestamp>,
}

/// What every query for pile records selects; `pile` and its neighbours must be joined as here.
macro_rules! select_piles {
    ($rest:expr) => {
        concat!(
            "SELECT pile.pile_id, pile.station_id, station.name_zh AS station_zh, station.name_en AS station_en,
                    operator.operator_id, operator.name_zh AS operator_zh, operator.name_en AS operator_en,
                    pile.kind, pile.accuracy_class, pile.power_kw, pile.connectors, pile.lon, pile.lat,
                    live.vendor, coalesce(pile.model, live.model) AS model, live.firmware,
                    coalesce(pile.meter_serial, live.meter_serial) AS meter_serial, live.protocol,
                    connector.status, connector.status_at, live.last_seen,
                    coalesce(live.charges, 0) AS charges,
                    standing.judged_at, standing.body,
                    EXISTS (SELECT FROM verification_certificate AS document
                            WHERE document.number = standing.body #>> '{certificate,number}'
                              AND document.pile_no = pile.pile_no AND document.kind = 'certificate') AS has_document,
                    CASE WHEN standing.body #>> '{certificate,questioned_at}' IS NOT NULL THEN
                        (SELECT question.reason FROM certificate_question AS question
                         JOIN verification_certificate AS document USING (certificate_no)
                         WHERE document.number = standing.body #>> '{certificate,number}' AND document.pile_no = pile.pile_no
                         ORDER BY question.asked_at, question.reason LIMIT 1) END AS questioned_because
             FROM (SELECT * FROM pile WHERE NOT inbox) AS pile
             LEFT JOIN station USING (station_id)
             LEFT JOIN operator ON operator.operator_id = pile.operator_id
             LEFT JOIN pile_live AS live USING (pile_no)
             LEFT JOIN LATERAL (
                 SELECT status, status_at FROM connector_live WHERE connector_live.pile_no = pile.pile_no
                 ORDER BY connector = 0, status <> 'Available', status_at DESC LIMIT 1) AS connector ON true
             LEFT JOIN standing USING (pile_no) ",
            $rest
        )
    };
}
pub(crate) use select_piles;

impl Store {
    /// Piles that match, in the order of their identifiers.
    pub async fn piles(&self, query: &PileQuery) -> Result<PilePage, StoreError> {
        let limit = query.limit.clamp(1, PILES_PER_PAGE_MAX) as usize;
        let mut page = PilePage { piles: Vec::new(), next: None, last_updated: None };
        // One more than is shown tells whether there is a next page.
        let mut rows = self.pile_rows(query, limit + 1, Timestamp::now()).await?;
        let has_next = limit < rows.len();
        rows.truncate(limit);
        for row in rows {
            let (record, judged_at) = row.record()?;
            page.last_updated = page.last_updated.max(judged_at);
            page.piles.push(record);
        }
        page.next = page.piles.last().filter(|_| has_next).map(|pile| pile.pile_id.clone());
        Ok(page)
    }

    async fn pile_rows(
        &self,
        query: &PileQuery,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<PileRow>, StoreError> {
        let side = |pick: fn(&BoundingBox) -> f64| query.bounding_box.as_ref().map(pick);
        Ok(sqlx::query_as(select_piles!(concat!(
            "WHERE ($1::text IS NULL OR pile.pile_id > $1)
               AND ($2::float8 IS NULL OR (pile.lon BETWEEN $2 AND $4 AND pile.lat BETWEEN $3 AND $5))
               AND ($6::text IS NULL OR pile.operator_id = $6)
               AND ($7::text IS NULL OR pile.kind = $7)
               AND ($8::text IS NULL OR pile.connectors @> ARRAY[$8::text])
               AND ($9::numeric IS NULL OR pile.power_kw >= $9)
               AND ",
            in_state!("$11", "$12", is_silent!("$12")),
            " ORDER BY pile.pile_id LIMIT $10"
        )))
        .bind(query.after.as_ref().map(PileId::as_str))
        .bind(side(|b| b.west))
        .bind(side(|b| b.south))
        .bind(side(|b| b.east))
        .bind(side(|b| b.north))
        .bind(query.operator.as_ref().map(OperatorId::as_str))
        .bind(query.kind.map(PileKind::word))
        .bind(query.connector.map(ConnectorType::word))
        .bind(query.min_power_kw)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(query.state.map(|state| state as i32))
        .bind(now.to_sqlx())
        .persistent(false)
        .fetch_all(&self.pool)
        .await?)
    }

    /// One pile.
    pub async fn pile(&self, pile_id: &PileId) -> Result<Option<PileRecord>, StoreError> {
        Ok(self.judged_pile(pile_id).await?.map(|(pile, _)| pile))
    }

    /// One pile, and when its standing was judged.
    pub async fn judged_pile(
        &self,
        pile_id: &PileId,
    ) -> Result<Option<(PileRecord, Option<Timestamp>)>, StoreError> {
        let row: Option<PileRow> = sqlx::query_as(select_piles!("WHERE pile.pile_id = $1"))
            .bind(pile_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map(PileRow::record).transpose()
    }

    /// Where most piles are: the middle (medians of longitude and latitude) of the fullest square of 0.2 degrees, some 20 km, as large as a
    /// city's core. The middle of all piles may lie where there is none, between cities.
    pub async fn center(&self) -> Result<Option<Place>, StoreError> {
        let middle: Option<(f64, f64)> = sqlx::query_as(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY lon), percentile_cont(0.5) WITHIN GROUP (ORDER BY lat)
             FROM pile WHERE lon IS NOT NULL AND lat IS NOT NULL AND NOT inbox
             GROUP BY floor(lon / 0.2), floor(lat / 0.2)
             ORDER BY count(*) DESC, floor(lon / 0.2), floor(lat / 0.2) LIMIT 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(middle.and_then(|(lon, lat)| Place::new(lon, lat)))
    }
}

#[derive(FromRow)]
pub(crate) struct PileRow {
    pile_id: String,
    station_id: Option<String>,
    station_zh: Option<String>,
    station_en: Option<String>,
    operator_id: Option<String>,
    operator_zh: Option<String>,
    operator_en: Option<String>,
    kind: String,
    accuracy_class: Decimal,
    power_kw: Option<Decimal>,
    connectors: Vec<String>,
    lon: Option<f64>,
    lat: Option<f64>,
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    meter_serial: Option<String>,
    protocol: Option<String>,
    status: Option<String>,
    status_at: Option<SqlTime>,
    last_seen: Option<SqlTime>,
    charges: i64,
    judged_at: Option<SqlTime>,
    body: Option<serde_json::Value>,
    has_document: bool,
    questioned_because: Option<String>,
}

impl PileRow {
    /// The record, and when its standing was judged.
    pub(crate) fn record(self) -> Result<(PileRecord, Option<Timestamp>), StoreError> {
        let station = match (self.station_id, self.station_zh, self.station_en) {
            (Some(id), Some(zh), Some(en)) => {
                Some((StationId::parse(&id).map_err(|_| corrupt("station", &id))?, zh, en))
            }
            _ => None,
        };
        let operator = match (self.operator_id, self.operator_zh, self.operator_en) {
            (Some(id), Some(zh), Some(en)) => {
                Some((OperatorId::parse(&id).map_err(|_| corrupt("operator", &id))?, zh, en))
            }
            _ => None,
        };
        let standing = match self.body {
            Some(body) => serde_json::from_value(body).map_err(|error| corrupt("standing", error))?,
            None => Standing::default(),
        };
        let record = PileRecord {
            pile_id: PileId::parse(&self.pile_id).map_err(|_| corrupt("pile", &self.pile_id))?,
            station,
            operator,
            kind: PileKind::from_word(&self.kind).ok_or_else(|| corrupt("kind", &self.kind))?,
            class: AccuracyClass(self.accuracy_class),
            power_kw: self.power_kw,
            connectors: self
                .connectors
                .iter()
                .map(|word| ConnectorType::from_word(word).ok_or_else(|| corrupt("connector", word)))
                .collect::<Result<_, _>>()?,
            place: self.lon.zip(self.lat).and_then(|(lon, lat)| Place::new(lon, lat)),
            vendor: self.vendor,
            model: self.model,
            firmware: self.firmware,
            meter_serial: self.meter_serial,
            protocol: self.protocol,
            status: self.status.zip(jiff_time(self.status_at)),
            last_seen: jiff_time(self.last_seen),
            charges: self.charges,
            has_document: self.has_document,
            questioned_because: self
                .questioned_because
                .map(|word| QuestionReason::from_word(&word).ok_or_else(|| corrupt("question", word)))
                .transpose()?,
            standing,
        };
        Ok((record, jiff_time(self.judged_at)))
    }
}
