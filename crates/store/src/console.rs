//! What the operators' pages ask: their piles and how each is connected, the inbox, and one pile's access.
//!
//! Called by `api`. A scope is an operator, or none for an administrator, who sees all.

use jiff::Timestamp;
use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::register::RegisterKind;
use veripile_pile::{OperatorId, PileId};

use crate::row::{SqlTime, corrupt, jiff_time, storable};
use crate::{Store, StoreError};

/// Piles on one page.
pub const PAGE_MAX: i64 = 200;

/// Stations offered where one is to be named: a city's. Whoever wants another types its identifier.
const STATIONS_OFFERED: i64 = 200;

/// How a pile is connected and kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsolePile {
    /// Number, for other questions.
    pub pile_no: i64,
    /// Identity.
    pub pile_id: PileId,
    /// Its station's names.
    pub station: Option<(String, String)>,
    /// Who answers for it; none for one that knocked unregistered.
    pub operator_id: Option<String>,
    /// Whether it waits in the inbox.
    pub inbox: bool,
    /// Sub-protocol of its last connection.
    pub protocol: Option<String>,
    /// Whether a connection is noted.
    pub connected: bool,
    /// When it connected.
    pub connected_at: Option<Timestamp>,
    /// When it was last heard.
    pub last_seen: Option<Timestamp>,
    /// Vendor, model, firmware, meter, as it says itself.
    pub identity: [Option<String>; 4],
    /// Statuses of its connectors, best first.
    pub statuses: Vec<String>,
    /// Security profile asked of it; none: the server's least.
    pub security_profile: Option<i16>,
    /// When its key was made.
    pub key_made_at: Option<Timestamp>,
    /// Whether it has yet to come with its newest key.
    pub key_pending: bool,
    /// Where it is relayed to.
    pub upstream_url: Option<String>,
    /// Whether that is reached.
    pub upstream: Option<String>,
    /// What its configuration says of its metering, as last read, JSON.
    pub readiness: Option<(Timestamp, serde_json::Value)>,
    /// Messages heard, and those without findings.
    pub messages: (i64, i64),
}

/// How the register of a connector counts, as its charges show.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorRegister {
    /// Connector (EVSE in 2.x).
    pub connector: i64,
    /// Its kind.
    pub kind: RegisterKind,
    /// The step in which it counts, Wh, if it is coarse.
    pub step_wh: Option<Decimal>,
    /// How often it was seen to begin anew.
    pub restarts: i64,
}

/// Connectors whose registers are told of one pile.
const REGISTERS_MAX: i64 = 64;

#[derive(FromRow)]
struct Row {
    pile_no: i64,
    pile_id: String,
    name_zh: Option<String>,
    name_en: Option<String>,
    operator_id: Option<String>,
    inbox: bool,
    protocol: Option<String>,
    connected: bool,
    connected_at: Option<SqlTime>,
    last_seen: Option<SqlTime>,
    vendor: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    meter_serial: Option<String>,
    statuses: Vec<String>,
    security_profile: Option<i16>,
    key_made_at: Option<SqlTime>,
    key_pending: bool,
    upstream_url: Option<String>,
    upstream: Option<String>,
    read_at: Option<SqlTime>,
    readiness: Option<serde_json::Value>,
    messages: i64,
    clean_messages: i64,
}

/// Everything of a pile that the console shows; a condition follows.
const SELECT: &str = "
SELECT pile.pile_no, pile.pile_id, station.name_zh, station.name_en, pile.operator_id, pile.inbox, live.protocol,
       live.connection IS NOT NULL AND live.last_seen > now() - interval '15 minutes' AS connected, live.connected_at,
       live.last_seen, live.vendor, live.model, live.firmware,
       coalesce(live.meter_serial, pile.meter_serial) AS meter_serial,
       ARRAY(SELECT connector || ': ' || status FROM connector_live WHERE connector_live.pile_no = pile.pile_no
             ORDER BY connector LIMIT 8) AS statuses,
       access.security_profile, access.key_made_at, coalesce(access.previous_hashes <> '{}', false) AS key_pending,
       access.upstream_url, live.upstream, readiness.read_at, readiness.body AS readiness,
       coalesce(live.messages, 0) AS messages, coalesce(live.clean_messages, 0) AS clean_messages
FROM pile
LEFT JOIN station USING (station_id)
LEFT JOIN pile_live AS live USING (pile_no)
LEFT JOIN access USING (pile_no)
LEFT JOIN readiness USING (pile_no)
WHERE ($1::text IS NULL OR pile.operator_id = $1) ";

impl Store {
    /// Piles of a scope whose identity contains a text, in the order of their identities after `after`; at most one more than
    /// [`PAGE_MAX`], which tells that there is another page.
    pub async fn console_piles(
        &self,
        scope: Option<&OperatorId>,
        text: &str,
        after: &str,
    ) -> Result<Vec<ConsolePile>, StoreError> {
        let query = format!(
            "{SELECT} AND NOT pile.inbox AND strpos(lower(pile.pile_id), lower($2)) > 0 AND pile.pile_id > $3
             ORDER BY pile.pile_id LIMIT $4"
        );
        let rows: Vec<Row> = sqlx::query_as(&query)
            .bind(scope.map(OperatorId::as_str))
            .bind(storable(text))
            .bind(storable(after))
            .bind(PAGE_MAX + 1)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Row::pile).collect()
    }

    /// One pile of a scope.
    pub async fn console_pile(
        &self,
        scope: Option<&OperatorId>,
        pile_id: &PileId,
    ) -> Result<Option<ConsolePile>, StoreError> {
        let row: Option<Row> = sqlx::query_as(&format!("{SELECT} AND pile.pile_id = $2"))
            .bind(scope.map(OperatorId::as_str))
            .bind(pile_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map(Row::pile).transpose()
    }

    /// What the registers of a pile are like, by connector.
    pub async fn registers(&self, pile_no: i64) -> Result<Vec<ConnectorRegister>, StoreError> {
        let rows: Vec<(i64, String, Option<Decimal>, i64)> = sqlx::query_as(
            "SELECT connector, kind, step_wh,
                    (SELECT count(*) FROM register_epoch AS epoch
                     WHERE epoch.pile_no = register.pile_no AND epoch.connector = register.connector AND phase = '')
             FROM register WHERE pile_no = $1 ORDER BY connector LIMIT $2",
        )
        .bind(pile_no)
        .bind(REGISTERS_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(connector, word, step_wh, restarts)| {
                let kind = RegisterKind::from_word(&word).ok_or_else(|| corrupt("kind", &word))?;
                Ok(ConnectorRegister { connector, kind, step_wh, restarts })
            })
            .collect()
    }

    /// Chargers that wait to be let in, the last heard first.
    pub async fn inbox(&self) -> Result<Vec<ConsolePile>, StoreError> {
        let query = format!(
            "{SELECT} AND pile.inbox AND dismissed_at IS NULL ORDER BY live.last_seen DESC NULLS LAST LIMIT $2"
        );
        let rows: Vec<Row> =
            sqlx::query_as(&query).bind(None::<&str>).bind(PAGE_MAX).fetch_all(&self.pool).await?;
        rows.into_iter().map(Row::pile).collect()
    }

    /// Sends a waiting charger away: it is forgotten, its messages stay. Whether it was waiting.
    pub async fn dismiss(&self, pile_id: &PileId) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let pile_no: Option<i64> =
            sqlx::query_scalar("SELECT pile_no FROM pile WHERE pile_id = $1 AND inbox FOR UPDATE")
                .bind(pile_id.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(pile_no) = pile_no else { return Ok(false) };
        // Facts stay under the number; only what names it goes, so that it must knock anew.
        sqlx::query("UPDATE pile SET pile_id = $2, dismissed_at = now() WHERE pile_no = $1")
            .bind(pile_no)
            .bind(format!("{pile_id}#{pile_no}"))
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE pile_live SET connection = NULL WHERE pile_no = $1")
            .bind(pile_no)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The stations that were registered last: identifier and names; at most [`STATIONS_OFFERED`].
    pub async fn newest_stations(&self) -> Result<Vec<(String, String, String)>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT station_id, name_zh, name_en FROM station ORDER BY changed_at DESC, station_id LIMIT $1",
        )
        .bind(STATIONS_OFFERED)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}

impl Row {
    fn pile(self) -> Result<ConsolePile, StoreError> {
        Ok(ConsolePile {
            pile_no: self.pile_no,
            pile_id: PileId::parse(&self.pile_id).map_err(|_| corrupt("pile", &self.pile_id))?,
            station: self.name_zh.zip(self.name_en),
            operator_id: self.operator_id,
            inbox: self.inbox,
            protocol: self.protocol,
            connected: self.connected,
            connected_at: jiff_time(self.connected_at),
            last_seen: jiff_time(self.last_seen),
            identity: [self.vendor, self.model, self.firmware, self.meter_serial],
            statuses: self.statuses,
            security_profile: self.security_profile,
            key_made_at: jiff_time(self.key_made_at),
            key_pending: self.key_pending,
            upstream_url: self.upstream_url,
            upstream: self.upstream,
            readiness: jiff_time(self.read_at).zip(self.readiness),
            messages: (self.messages, self.clean_messages),
        })
    }
}
