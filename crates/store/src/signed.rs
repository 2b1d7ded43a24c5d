//! Signed meter values and the keys of meters: kept by intake, asked by the gateway and the pages.
//!
//! Containers come sealed and leave sealed: this crate has no key.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::{KeySource, MeterKey, PileId};

use crate::intake::{Arrival, Sealed};
use crate::row::{SqlTime, corrupt, storable};
use crate::{Store, StoreError};

/// Keys looked at for one pile: two outlets, each with a few meters over the years.
const KEYS_MAX: i64 = 32;

/// Signed values of one pile on one page, the newest.
const VALUES_MAX: i64 = 50;

/// A signed value as pages list it.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedLine {
    /// When the reading was taken.
    pub at: Timestamp,
    /// Connector.
    pub connector: i64,
    /// Format, if recognised.
    pub format: Option<String>,
    /// `valid`, `invalid`, `malformed`, `no_key`, `unsupported`, `unchecked`.
    pub verdict: String,
    /// Where the key came from.
    pub key_source: Option<KeySource>,
    /// Serial number of the meter, as signed.
    pub meter_serial: Option<String>,
    /// Layers with findings, JSON text.
    pub layers: String,
    /// The charge it belongs to.
    pub reference: Option<String>,
    /// The container, sealed.
    pub sealed: Vec<u8>,
}

impl Store {
    /// The public keys known of a pile's meters: registered ones, and the first that each meter supplied.
    pub async fn meter_keys(&self, pile_no: i64) -> Result<Vec<MeterKey>, StoreError> {
        let rows: Vec<(String, Option<String>, bool)> = sqlx::query_as(
            "SELECT public_key, meter_serial, true FROM meter_key WHERE pile_no = $1
             UNION ALL
             SELECT public_key, nullif(meter_serial, ''), false FROM first_key WHERE pile_no = $1
             LIMIT $2",
        )
        .bind(pile_no)
        .bind(KEYS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let key = |(public_key, meter_serial, registered)| MeterKey {
            public_key,
            meter_serial,
            source: if registered { KeySource::Register } else { KeySource::FirstUse },
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// The registered public keys of a meter, by its serial number as printed or typed.
    pub async fn meter_keys_of_serial(&self, meter_serial: &str) -> Result<Vec<MeterKey>, StoreError> {
        let rows: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT public_key, meter_serial FROM meter_key WHERE lower(meter_serial) = lower($1) LIMIT $2",
        )
        .bind(storable(meter_serial.trim()))
        .bind(KEYS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let key =
            |(public_key, meter_serial)| MeterKey { public_key, meter_serial, source: KeySource::Register };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Registers public keys of meters. Fails if a pile is not registered, and then registers none.
    pub async fn register_meter_keys(&self, keys: &[(PileId, MeterKey)]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for (pile_id, key) in keys {
            let done = sqlx::query(
                "INSERT INTO meter_key (pile_no, public_key, meter_serial)
                 SELECT pile_no, $2, coalesce($3, meter_serial) FROM pile WHERE pile_id = $1
                 ON CONFLICT (pile_no, public_key) DO UPDATE SET meter_serial = excluded.meter_serial",
            )
            .bind(pile_id.as_str())
            .bind(&key.public_key)
            .bind(&key.meter_serial)
            .execute(&mut *transaction)
            .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Unknown(format!("pile {pile_id}")));
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps a public key that a pile told of its meter, unless one of the same meter is known from before: trusted from its first
    /// use on, like the first that comes with a signed value.
    pub async fn note_first_key(
        &self,
        pile_no: i64,
        meter_serial: Option<&str>,
        public_key: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        insert_first_key(&mut *self.pool.acquire().await?, pile_no, meter_serial, public_key, now).await
    }

    /// The newest signed values of a pile.
    pub async fn signed_values(&self, pile_id: &PileId) -> Result<Vec<SignedLine>, StoreError> {
        let rows: Vec<SignedRow> = sqlx::query_as(
            "SELECT at, connector, format, verdict, key_source, meter_serial, layers, reference, sealed FROM signed_value
             WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1) ORDER BY at DESC, container LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(VALUES_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(SignedRow::line).collect()
    }
}

#[derive(FromRow)]
struct SignedRow {
    at: SqlTime,
    connector: i64,
    format: Option<String>,
    verdict: String,
    key_source: Option<String>,
    meter_serial: Option<String>,
    layers: String,
    reference: Option<String>,
    sealed: Vec<u8>,
}

impl SignedRow {
    fn line(self) -> Result<SignedLine, StoreError> {
        let source = |word: String| KeySource::from_word(&word).ok_or_else(|| corrupt("key source", &word));
        Ok(SignedLine {
            at: self.at.to_jiff(),
            connector: self.connector,
            format: self.format,
            verdict: self.verdict,
            key_source: self.key_source.map(source).transpose()?,
            meter_serial: self.meter_serial,
            layers: self.layers,
            reference: self.reference,
            sealed: self.sealed,
        })
    }
}

/// Keeps the signed values of the arrivals that are no repeats, and the keys seen for the first time among them.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
    fresh: &[bool],
    transactions: &[Option<String>],
) -> Result<(), StoreError> {
    for ((arrival, fresh), reference) in arrivals.iter().zip(fresh).zip(transactions) {
        for sealed in arrival.signed.iter().filter(|_| *fresh) {
            insert_one(connection, arrival, sealed, reference.as_deref()).await?;
        }
    }
    Ok(())
}

/// One row at a time: a charge has two signed values, and few chargers sign at all.
async fn insert_one(
    connection: &mut PgConnection,
    arrival: &Arrival,
    sealed: &Sealed,
    reference: Option<&str>,
) -> Result<(), StoreError> {
    let record = &sealed.record;
    sqlx::query(
        "INSERT INTO signed_value (pile_no, at, received_at, connector, digest, container, sealed, encoding_method,
                                   public_key, format, verdict, key_source, meter_serial, layers, reference)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(arrival.pile_no)
    .bind(record.at.to_sqlx())
    .bind(arrival.received.0.to_sqlx())
    .bind(i64::from(record.connector))
    .bind(arrival.frame.digest)
    .bind(&sealed.container)
    .bind(&sealed.sealed)
    .bind(record.value.encoding_method.as_deref().map(storable))
    .bind(record.value.public_key.as_deref().map(storable))
    .bind(&record.format)
    .bind(&record.verdict)
    .bind(record.key_source.map(KeySource::word))
    .bind(record.meter_serial.as_deref().map(storable))
    .bind(storable(&record.layers))
    .bind(reference)
    .execute(&mut *connection)
    .await?;
    let first = record
        .value
        .public_key
        .as_deref()
        .filter(|_| record.key_source == Some(KeySource::Message) && record.verdict == "valid")
        .filter(|_| !arrival.unproven);
    if let Some(public_key) = first {
        let serial = record.meter_serial.as_deref();
        insert_first_key(connection, arrival.pile_no, serial, public_key, arrival.received.0).await?;
    }
    Ok(())
}

async fn insert_first_key(
    connection: &mut PgConnection,
    pile_no: i64,
    meter_serial: Option<&str>,
    public_key: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO first_key (pile_no, meter_serial, public_key, seen_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(pile_no)
    .bind(storable(meter_serial.unwrap_or_default()))
    .bind(storable(public_key))
    .bind(now.to_sqlx())
    .execute(connection)
    .await?;
    Ok(())
}
