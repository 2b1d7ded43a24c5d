//! Open Charge Point Interface: who may ask, what changed when, and the charge detail records that were sent.
//!
//! Called by `api::ocpi` and `veripile ocpi-party`. Locations are read as the query API reads stations; when they changed stands in `changed`.

mod changed;
mod record;
mod tariffs;

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use uuid::Uuid;
use veripile_pile::StationId;

use crate::listing::StationRecord;
use crate::row::{SqlTime, corrupt, jiff_time, storable};
use crate::{PileRecord, Store, StoreError};

use changed::{pile_changed, stations_changed};
pub use record::{ArrivedWith, RecordDigest, SentBefore};
pub use tariffs::OfferedTariff;

/// Charge detail records kept of a party; older ones go. Some 4 kB each.
const CDRS_PER_PARTY_MAX: i64 = 100_000;

/// Bytes kept of a party's records; older ones go. Twice what so many take that are as they usually are.
const CDR_BYTES_PER_PARTY_MAX: i64 = 1 << 30;

/// Records looked at to see which of the oldest go; where more would have to, they go with those that come next.
const CDRS_GONE_AT_ONCE_MAX: i64 = 1_000;

/// Records of other content kept beside the first of their identifier; somebody who sends more has lost count of his bills.
const OTHERS_PER_CDR_MAX: i64 = 5;

/// An identifier as OCPI has it: 36 printable ASCII characters; any other by its hash, which has 32.
macro_rules! ocpi_id {
    ($column:literal) => {
        concat!(
            "CASE WHEN ",
            $column,
            " ~ '^[!-~]{1,36}$' THEN ",
            $column,
            " ELSE 'md5-' || md5(",
            $column,
            ") END"
        )
    };
}
pub(crate) use ocpi_id;

/// A charge detail record as [`KeptCdr`] reads it.
macro_rules! kept_cdr {
    () => {
        "SELECT reference::text, body, checked, others FROM ocpi_cdr"
    };
}

/// A party, by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Name that it was given here.
    pub name: String,
    /// Whether it has registered; before, its token is good for that alone.
    pub is_registered: bool,
}

/// A station as OCPI tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its identifier there.
    pub ocpi_id: String,
    /// The station; its piles in the order of [`Self::evses`].
    pub station: StationRecord,
    /// Street address, if anybody said.
    pub address: Option<String>,
    /// Country that it stands in, ISO 3166-1 alpha-3, if anybody said.
    pub country: Option<String>,
    /// Its time zone by the IANA's name, if anybody said.
    pub time_zone: Option<String>,
    /// When anything told of it last changed.
    pub changed_at: Timestamp,
    /// Identifier and last change of each pile.
    pub evses: Vec<(String, Timestamp)>,
    /// Identifiers of the tariffs of its piles, the one in force first.
    pub tariffs: Vec<String>,
    /// Piles that have left it, with identifier and when.
    pub removed: Vec<(PileRecord, String, Timestamp)>,
}

/// A charge detail record as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Cdr {
    /// Country code and party of its owner.
    pub owner: String,
    /// Its identifier there.
    pub cdr_id: String,
    /// What is kept of it, as JSON.
    pub body: String,
    /// What is to be thought of its signed values, as JSON.
    pub checked: String,
    /// By what its signed values are known again.
    pub records: Vec<RecordDigest>,
    /// The identifier of the one that it takes back, if it is a credit; empty where it does not say which.
    pub credits: Option<String>,
}

impl Cdr {
    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.checked.len()
    }
}

/// A pile that a record may be of.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct NamedPile {
    /// Its number.
    pub pile_no: i64,
    /// Whose it is; none: nobody's yet.
    pub operator_id: Option<String>,
    /// Its station's identifier in OCPI.
    pub location_id: Option<String>,
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KeptCdr {
    /// By which it is read back.
    pub reference: String,
    /// What is kept of it, as JSON.
    pub body: String,
    /// What is to be thought of its signed values, as JSON.
    pub checked: String,
    /// How often another record came under its identifier, the same one counted once as long as it is among the few that are kept.
    pub others: i64,
}

impl Store {
    /// Makes a party with a token, or gives one another token, with which it must register again.
    pub async fn save_ocpi_party(&self, name: &str, token_hash: &[u8; 32]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO ocpi_party (name, token_hash) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET token_hash = excluded.token_hash, roles = NULL, url = NULL, made_at = now()",
        )
        .bind(name)
        .bind(&token_hash[..])
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes a party away with everything it sent; whether there was one.
    pub async fn remove_ocpi_party(&self, name: &str) -> Result<bool, StoreError> {
        let done =
            sqlx::query("DELETE FROM ocpi_party WHERE name = $1").bind(name).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }

    /// The party with a token.
    pub async fn ocpi_party(&self, token_hash: &[u8; 32]) -> Result<Option<Party>, StoreError> {
        let row: Option<(String, bool)> =
            sqlx::query_as("SELECT name, roles IS NOT NULL FROM ocpi_party WHERE token_hash = $1")
                .bind(&token_hash[..])
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(name, is_registered)| Party { name, is_registered }))
    }

    /// Registers a party, or registers it anew, and changes its token; whether it was as the caller believed.
    pub async fn register_ocpi_party(
        &self,
        party: &Party,
        token_hash: &[u8; 32],
        url: &str,
        roles: &Value,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE ocpi_party SET token_hash = $2, url = $3, roles = $4 WHERE name = $1 AND (roles IS NOT NULL) = $5",
        )
        .bind(&party.name)
        .bind(&token_hash[..])
        .bind(storable(url))
        .bind(roles)
        .bind(party.is_registered)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Locations in the order of their identifiers, and how many there are in all.
    pub async fn ocpi_locations(&self, offset: u64, limit: u32) -> Result<(Vec<Location>, u64), StoreError> {
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM station").fetch_one(&self.pool).await?;
        let rows: Vec<ChangedRow> = sqlx::query_as(concat!(
            stations_changed!("(SELECT * FROM station ORDER BY station_id OFFSET $1 LIMIT $2)"),
            "ORDER BY station.station_id"
        ))
        .bind(i64::try_from(offset).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok((self.locations(rows).await?, u64::try_from(total).unwrap_or_default()))
    }

    /// The locations of these stations, in the order of their identifiers.
    pub async fn ocpi_locations_of(&self, station_ids: &[String]) -> Result<Vec<Location>, StoreError> {
        let rows: Vec<ChangedRow> = sqlx::query_as(concat!(
            stations_changed!("(SELECT * FROM station WHERE station_id = ANY($1))"),
            "ORDER BY station.station_id"
        ))
        .bind(station_ids)
        .fetch_all(&self.pool)
        .await?;
        self.locations(rows).await
    }

    /// One location, by its identifier in OCPI.
    pub async fn ocpi_location(&self, ocpi_id: &str) -> Result<Option<Location>, StoreError> {
        let rows: Vec<ChangedRow> = sqlx::query_as(stations_changed!(
            "(SELECT * FROM station WHERE station_id = $1 AND $1 ~ '^[!-~]{1,36}$'
              UNION ALL SELECT * FROM station WHERE md5(station_id) = $2 AND station_id !~ '^[!-~]{1,36}$')"
        ))
        .bind(storable(ocpi_id))
        .bind(storable(ocpi_id.strip_prefix("md5-").unwrap_or_default()))
        .fetch_all(&self.pool)
        .await?;
        Ok(self.locations(rows).await?.pop())
    }

    /// The pile that has an identifier, its own or in OCPI.
    pub async fn ocpi_pile(&self, ocpi_uid: &str) -> Result<Option<NamedPile>, StoreError> {
        Ok(sqlx::query_as(concat!(
            "SELECT pile_no, operator_id, CASE WHEN station_id IS NOT NULL THEN ",
            ocpi_id!("station_id"),
            " END AS location_id
             FROM (SELECT * FROM pile WHERE pile_id = $1 AND NOT inbox
                   UNION ALL SELECT * FROM pile WHERE md5(pile_id) = $2 AND pile_id !~ '^[!-~]{1,36}$' AND NOT inbox) AS named"
        ))
        .bind(storable(ocpi_uid))
        .bind(storable(ocpi_uid.strip_prefix("md5-").unwrap_or_default()))
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Reads stations with their piles, and with those that left them.
    async fn locations(&self, rows: Vec<ChangedRow>) -> Result<Vec<Location>, StoreError> {
        let ids: Vec<&str> = rows.iter().map(|row| row.station_id.as_str()).collect();
        let piles: Vec<(String, String, SqlTime)> = sqlx::query_as(concat!(
            "SELECT pile.pile_id, ",
            ocpi_id!("pile.pile_id"),
            ", ",
            pile_changed!(),
            " FROM pile LEFT JOIN standing USING (pile_no) WHERE pile.station_id = ANY($1)"
        ))
        .bind(&ids)
        .fetch_all(&self.pool)
        .await?;
        let uids: HashMap<String, (String, Timestamp)> =
            piles.into_iter().map(|(id, uid, at)| (id, (uid, at.to_jiff()))).collect();
        let former: Vec<(String, String, String, SqlTime)> = sqlx::query_as(concat!(
            "SELECT former_pile.station_id, pile.pile_id, ", ocpi_id!("pile.pile_id"), ", left_at
             FROM former_pile JOIN pile USING (pile_no)
             WHERE former_pile.station_id = ANY($1) AND pile.station_id IS DISTINCT FROM former_pile.station_id
             ORDER BY pile.pile_id"
        ))
        .bind(&ids)
        .fetch_all(&self.pool)
        .await?;
        let records =
            self.piles_of_ids(&former.iter().map(|(_, id, ..)| id.as_str()).collect::<Vec<_>>()).await?;
        let mut stations: HashMap<StationId, StationRecord> = HashMap::new();
        for station in self.stations_of_ids(&ids).await? {
            stations.insert(station.station_id.clone(), station);
        }
        let mut tariffs = self.ocpi_tariff_ids(&ids).await?;
        let mut locations = Vec::with_capacity(rows.len());
        for row in rows {
            let id = StationId::parse(&row.station_id).map_err(|_| corrupt("station", &row.station_id))?;
            let Some(mut station) = stations.remove(&id) else { continue };
            station.piles.retain(|pile| uids.contains_key(pile.pile_id.as_str()));
            let told_since = jiff_time(row.tariffs_changed_at);
            let evses = station.piles.iter().map(|pile| {
                let (uid, at) = &uids[pile.pile_id.as_str()];
                (uid.clone(), told_since.map_or(*at, |since| since.max(*at)))
            });
            let evses = evses.collect();
            let left = former.iter().filter(|(station, ..)| *station == row.station_id);
            let removed = left.filter_map(|(_, pile, uid, at)| {
                let record = records.iter().find(|record| record.pile_id.as_str() == pile)?;
                Some((record.clone(), uid.clone(), at.to_jiff()))
            });
            locations.push(Location {
                ocpi_id: row.ocpi_id,
                address: row.address,
                country: row.country,
                time_zone: row.time_zone,
                changed_at: row.changed_at.to_jiff(),
                evses,
                tariffs: tariffs.remove(&row.station_id).unwrap_or_default(),
                removed: removed.collect(),
                station,
            });
        }
        Ok(locations)
    }

    /// Keeps a charge detail record, and tells which one stands under its identifier: the first. Another one is kept beside that. The oldest
    /// go where a party has sent too many, or too much.
    pub async fn keep_ocpi_cdr(&self, party: &str, cdr: &Cdr, now: Timestamp) -> Result<KeptCdr, StoreError> {
        let bytes = i64::try_from(cdr.bytes()).unwrap_or(i64::MAX);
        let mut transaction = self.pool.begin().await?;
        // One record of a party after the other: what all of them take is counted with it.
        let (mut cdrs, mut cdr_bytes): (i64, i64) =
            sqlx::query_as("SELECT cdrs, cdr_bytes FROM ocpi_party WHERE name = $1 FOR NO KEY UPDATE")
                .bind(party)
                .fetch_one(&mut *transaction)
                .await?;
        let inserted = sqlx::query(
            "INSERT INTO ocpi_cdr (party, reference, owner, cdr_id, received_at, body, checked, bytes, credits)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (party, owner, cdr_id) DO NOTHING",
        )
        .bind(party)
        .bind(Uuid::new_v4())
        .bind(storable(&cdr.owner))
        .bind(storable(&cdr.cdr_id))
        .bind(now.to_sqlx())
        .bind(&cdr.body)
        .bind(&cdr.checked)
        .bind(bytes)
        .bind(cdr.credits.as_deref().map(storable))
        .execute(&mut *transaction)
        .await?;
        let kept: KeptCdr = sqlx::query_as(concat!(
            kept_cdr!(),
            " WHERE party = $1 AND owner = $2 AND cdr_id = $3 FOR UPDATE"
        ))
        .bind(party)
        .bind(storable(&cdr.owner))
        .bind(storable(&cdr.cdr_id))
        .fetch_one(&mut *transaction)
        .await?;
        let is_new = inserted.rows_affected() > 0;
        if is_new {
            record::keep(&mut transaction, &kept.reference, &cdr.records).await?;
        }
        let is_more =
            is_new || (kept.body != cdr.body && keep_beside(&mut transaction, &kept, cdr, now).await?);
        if is_more {
            cdrs += i64::from(is_new);
            cdr_bytes = cdr_bytes.saturating_add(bytes);
            count_cdrs(&mut transaction, party, cdrs, cdr_bytes).await?;
        }
        transaction.commit().await?;
        Ok(kept)
    }

    /// The record that stands under the identifier of this one, if it is the same.
    pub async fn same_ocpi_cdr(&self, party: &str, cdr: &Cdr) -> Result<Option<KeptCdr>, StoreError> {
        let kept: Option<KeptCdr> =
            sqlx::query_as(concat!(kept_cdr!(), " WHERE party = $1 AND owner = $2 AND cdr_id = $3"))
                .bind(party)
                .bind(storable(&cdr.owner))
                .bind(storable(&cdr.cdr_id))
                .fetch_optional(&self.pool)
                .await?;
        Ok(kept.filter(|kept| kept.body == cdr.body))
    }

    /// A party's charge detail record.
    pub async fn ocpi_cdr(&self, party: &str, reference: &str) -> Result<Option<KeptCdr>, StoreError> {
        let Ok(reference) = Uuid::parse_str(reference) else { return Ok(None) };
        Ok(sqlx::query_as(concat!(kept_cdr!(), " WHERE party = $1 AND reference = $2"))
            .bind(party)
            .bind(reference)
            .fetch_optional(&self.pool)
            .await?)
    }
}

/// Keeps a record beside the first of its identifier, unless it is there already or there are too many; whether it did.
async fn keep_beside(
    connection: &mut PgConnection,
    kept: &KeptCdr,
    cdr: &Cdr,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "WITH new AS (
             SELECT reference, (SELECT count(*) FROM ocpi_cdr_other o WHERE o.reference = $1::uuid) < $5 AS is_kept
             FROM ocpi_cdr WHERE reference = $1::uuid
             AND NOT EXISTS (SELECT FROM ocpi_cdr_other o WHERE o.reference = $1::uuid AND o.body = $3)),
         counted AS (UPDATE ocpi_cdr SET others = others + 1, bytes = bytes + CASE WHEN is_kept THEN $6::bigint ELSE 0 END
                     FROM new WHERE ocpi_cdr.reference = new.reference)
         INSERT INTO ocpi_cdr_other (reference, received_at, body, checked)
         SELECT reference, $2, $3, $4 FROM new WHERE is_kept",
    )
    .bind(&kept.reference)
    .bind(now.to_sqlx())
    .bind(&cdr.body)
    .bind(&cdr.checked)
    .bind(OTHERS_PER_CDR_MAX)
    .bind(i64::try_from(cdr.bytes()).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Notes how many records a party has and how much they take. Where that is too much the oldest go, as many as need be.
async fn count_cdrs(
    connection: &mut PgConnection,
    party: &str,
    mut cdrs: i64,
    mut bytes: i64,
) -> Result<(), StoreError> {
    let (too_many, too_much) = (cdrs - CDRS_PER_PARTY_MAX, bytes - CDR_BYTES_PER_PARTY_MAX);
    if too_many > 0 || too_much > 0 {
        let (gone, freed): (i64, i64) = sqlx::query_as(
            "WITH gone AS (DELETE FROM ocpi_cdr WHERE cdr_no IN
                 (SELECT cdr_no FROM (SELECT cdr_no, row_number() OVER older AS place, sum(bytes) OVER older - bytes AS before
                      FROM (SELECT cdr_no, bytes FROM ocpi_cdr WHERE party = $1 ORDER BY cdr_no LIMIT $4) AS oldest
                      WINDOW older AS (ORDER BY cdr_no ROWS UNBOUNDED PRECEDING)) AS record
                  WHERE place <= $2 OR before < $3)
                 RETURNING bytes)
             SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM gone",
        )
        .bind(party)
        .bind(too_many)
        .bind(too_much)
        .bind(CDRS_GONE_AT_ONCE_MAX)
        .fetch_one(&mut *connection)
        .await?;
        (cdrs, bytes) = (cdrs - gone, bytes - freed);
    }
    sqlx::query("UPDATE ocpi_party SET cdrs = $2, cdr_bytes = $3 WHERE name = $1")
        .bind(party)
        .bind(cdrs)
        .bind(bytes)
        .execute(connection)
        .await?;
    Ok(())
}

#[derive(FromRow)]
struct ChangedRow {
    station_id: String,
    address: Option<String>,
    country: Option<String>,
    time_zone: Option<String>,
    ocpi_id: String,
    tariffs_changed_at: Option<SqlTime>,
    changed_at: SqlTime,
}
