//! Signed meter values and the keys of meters: kept by intake, asked by the gateway and the pages.
//!
//! Containers come sealed and leave sealed: this crate has no key.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::{KeySource, MeterKey, PileId};

use crate::intake::{Arrival, Sealed};
use crate::row::{SqlTime, brief, corrupt, storable};
use crate::{Store, StoreError, pile_number};

/// Keys looked at for one pile: two outlets, each with a few meters over the years.
const KEYS_MAX: i64 = 32;

/// First keys kept from one batch of messages: it has one now and then.
const FIRST_KEYS_MAX: usize = 64;

/// Piles named that one meter is of: it is one, and after a move two.
const PILES_OF_METER_MAX: i64 = 3;

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
    /// Serial number of the meter, as signed, as far as anybody reads it. The container has it whole.
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
             ORDER BY 3 DESC, 1 LIMIT $2",
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

    /// The same of a pile by its identifier; none if it is not known.
    pub async fn meter_keys_of_pile(&self, pile_id: &PileId) -> Result<Vec<MeterKey>, StoreError> {
        let pile_no: Option<i64> = sqlx::query_scalar("SELECT pile_no FROM pile WHERE pile_id = $1")
            .bind(pile_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        match pile_no {
            Some(pile_no) => self.meter_keys(pile_no).await,
            None => Ok(Vec::new()),
        }
    }

    /// The registered public keys of a meter, by its serial number as printed or typed.
    pub async fn meter_keys_of_serial(&self, meter_serial: &str) -> Result<Vec<MeterKey>, StoreError> {
        let rows: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT public_key, meter_serial FROM meter_key WHERE lower(meter_serial) = lower($1) ORDER BY registered_at DESC, public_key LIMIT $2",
        )
        .bind(storable(meter_serial.trim()))
        .bind(KEYS_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(registered).collect())
    }

    /// Registered keys that are written in one of these ways, of meters whose serial number was told.
    pub async fn meter_keys_written(&self, writings: &[String]) -> Result<Vec<MeterKey>, StoreError> {
        let rows: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT public_key, meter_serial FROM meter_key WHERE public_key = ANY($1) AND meter_serial IS NOT NULL
             ORDER BY registered_at DESC, public_key LIMIT $2",
        )
        .bind(writings.iter().map(|text| storable(text).into_owned()).collect::<Vec<_>>())
        .bind(KEYS_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(registered).collect())
    }

    /// Piles that a meter is registered for, by its serial number; and where `first_key` is told, those that came with that key first. The pile
    /// `before` stands before all others; beyond a few they are left out.
    pub async fn piles_of_meter(
        &self,
        meter_serial: &str,
        first_key: Option<&str>,
        before: Option<i64>,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT pile_no, pile_id FROM pile
             WHERE NOT inbox AND pile_no IN (
                 SELECT pile_no FROM meter_key WHERE lower(meter_serial) = lower($1)
                 UNION ALL
                 SELECT pile_no FROM first_key WHERE lower(meter_serial) = lower($1) AND public_key = $2)
             ORDER BY pile_no IS NOT DISTINCT FROM $3 DESC, pile_no LIMIT $4",
        )
        .bind(storable(meter_serial.trim()))
        .bind(first_key.map(storable))
        .bind(before)
        .bind(PILES_OF_METER_MAX)
        .fetch_all(&self.pool)
        .await?)
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

    /// The newest signed values that came with a charge, and how many there are in all.
    pub async fn signed_values_of(&self, charge_no: i64) -> Result<(Vec<SignedLine>, usize), StoreError> {
        let all: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM signed_value JOIN charge USING (pile_no, reference) WHERE charge_no = $1",
        )
        .bind(charge_no)
        .fetch_one(&self.pool)
        .await?;
        let rows: Vec<SignedRow> = sqlx::query_as(
            "SELECT at, signed_value.connector, format, verdict, key_source, meter_serial, layers, reference, sealed
             FROM signed_value JOIN charge USING (pile_no, reference) WHERE charge_no = $1 ORDER BY at DESC, container LIMIT $2",
        )
        .bind(charge_no)
        .bind(VALUES_MAX)
        .fetch_all(&self.pool)
        .await?;
        let lines = rows.into_iter().map(SignedRow::line).collect::<Result<_, _>>()?;
        Ok((lines, usize::try_from(all).unwrap_or_default()))
    }
}

fn registered((public_key, meter_serial): (String, Option<String>)) -> MeterKey {
    MeterKey { public_key, meter_serial, source: KeySource::Register }
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

/// Registers public keys of meters. Fails if a pile is not registered.
pub(crate) async fn write_meter_keys(
    connection: &mut PgConnection,
    keys: &[(PileId, MeterKey)],
) -> Result<(), StoreError> {
    for (pile_id, key) in keys {
        let done = sqlx::query(
            "INSERT INTO meter_key (pile_no, public_key, meter_serial)
             SELECT pile_no, $2, coalesce($3, meter_serial) FROM pile WHERE pile_id = $1
             ON CONFLICT (pile_no, public_key) DO UPDATE SET meter_serial = excluded.meter_serial",
        )
        .bind(pile_id.as_str())
        .bind(&key.public_key)
        .bind(&key.meter_serial)
        .execute(&mut *connection)
        .await?;
        if done.rows_affected() == 0 {
            return Err(pile_number::unknown(pile_id));
        }
    }
    Ok(())
}

/// Keeps the signed values of the arrivals that are no repeats, and the keys seen for the first time among them.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
    fresh: &[bool],
    transactions: &[Option<String>],
) -> Result<(), StoreError> {
    let values: Vec<(&Arrival, &Sealed, Option<&str>)> = arrivals
        .iter()
        .zip(fresh)
        .zip(transactions)
        .filter(|((_, fresh), _)| **fresh)
        .flat_map(|((arrival, _), reference)| {
            arrival.signed.iter().map(move |sealed| (arrival, sealed, reference.as_deref()))
        })
        .collect();
    if values.is_empty() {
        return Ok(());
    }
    let text = |pick: fn(&Sealed) -> Option<&str>| {
        values.iter().map(|(_, sealed, _)| pick(sealed).map(storable)).collect::<Vec<_>>()
    };
    sqlx::query(
        "INSERT INTO signed_value (pile_no, at, received_at, connector, digest, container, sealed, encoding_method,
                                   public_key, format, verdict, key_source, meter_serial, layers, reference, content)
         SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::uuid[], $6::text[],
                              $7::bytea[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
                              $14::text[], $15::text[], $16::bytea[])",
    )
    .bind(values.iter().map(|(arrival, ..)| arrival.pile_no).collect::<Vec<_>>())
    .bind(values.iter().map(|(_, sealed, _)| sealed.record.at.to_sqlx()).collect::<Vec<_>>())
    .bind(values.iter().map(|(arrival, ..)| arrival.received.0.to_sqlx()).collect::<Vec<_>>())
    .bind(values.iter().map(|(_, sealed, _)| i64::from(sealed.record.connector)).collect::<Vec<_>>())
    .bind(values.iter().map(|(arrival, ..)| arrival.frame.digest).collect::<Vec<_>>())
    .bind(text(|sealed| Some(&sealed.container)))
    .bind(values.iter().map(|(_, sealed, _)| sealed.sealed.as_slice()).collect::<Vec<_>>())
    .bind(text(|sealed| sealed.record.value.encoding_method.as_deref()))
    .bind(text(|sealed| sealed.record.value.public_key.as_deref()))
    .bind(text(|sealed| sealed.record.format.as_deref()))
    .bind(text(|sealed| Some(&sealed.record.verdict)))
    .bind(text(|sealed| sealed.record.key_source.map(KeySource::word)))
    .bind(values.iter().map(|(_, sealed, _)| sealed.record.meter_serial.as_deref().map(brief)).collect::<Vec<_>>())
    .bind(text(|sealed| Some(&sealed.record.layers)))
    .bind(values.iter().map(|(.., reference)| *reference).collect::<Vec<_>>())
    .bind(values.iter().map(|(_, sealed, _)| sealed.content.as_ref().map(|digest| &digest[..])).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    // Of a meter's own keys the first counts, so a message that names many adds one for each meter.
    let mut first: BTreeMap<(i64, &str), (&str, Timestamp)> = BTreeMap::new();
    for (arrival, sealed, _) in values.iter().filter(|(arrival, ..)| !arrival.unproven) {
        let record = &sealed.record;
        if let Some(key) = record.value.public_key.as_deref()
            && record.key_source == Some(KeySource::Message)
            && record.verdict == "valid"
        {
            let meter = (arrival.pile_no, record.meter_serial.as_deref().unwrap_or_default());
            first.entry(meter).or_insert((key, arrival.received.0));
        }
    }
    for ((pile_no, serial), (public_key, at)) in first.into_iter().take(FIRST_KEYS_MAX) {
        insert_first_key(connection, pile_no, Some(serial), public_key, at).await?;
    }
    Ok(())
}

/// Keeps the first key of a meter, unless the pile has told of as many meters as are looked at.
async fn insert_first_key(
    connection: &mut PgConnection,
    pile_no: i64,
    meter_serial: Option<&str>,
    public_key: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO first_key (pile_no, meter_serial, public_key, seen_at) SELECT $1, $2, $3, $4
         WHERE (SELECT count(*) FROM first_key WHERE pile_no = $1) < $5 ON CONFLICT DO NOTHING",
    )
    .bind(pile_no)
    .bind(brief(meter_serial.unwrap_or_default()))
    .bind(storable(public_key))
    .bind(now.to_sqlx())
    .bind(KEYS_MAX)
    .execute(connection)
    .await?;
    Ok(())
}
