//! Signed values of charge detail records, by what they are known again: a bill that rests on what another one rests on already, or on what a
//! pile sent with a charge.
//!
//! Called by `api::ocpi`, and by [`super`] when a record is kept. Only digests are here; what they are of is told nowhere.

use jiff::Timestamp;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::row::SqlTime;
use crate::{Store, StoreError};

/// Charges looked at with which the values of one record came: each comes with one, or was sent with others by a pile that repeats it.
const CHARGES_MAX: i64 = 200;

/// By what a signed value is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDigest {
    /// Its place among those of its charge detail record.
    pub place: usize,
    /// SHA-256 of its text, or of its content.
    pub digest: [u8; 32],
}

/// That a signed value came in another charge detail record before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentBefore {
    /// Its place among those of the later one.
    pub place: usize,
    /// Owner and identifier of the earlier one; none where another party sent it.
    pub cdr: Option<(String, String)>,
}

/// A charge over OCPP with which a signed value came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedWith {
    /// Place of the value among those of its charge detail record.
    pub place: usize,
    /// Number of the charge.
    pub charge_no: i64,
    /// Number of its pile.
    pub pile_no: i64,
    /// Identifier of its pile, as stored.
    pub pile_id: String,
    /// When it began and ended, as its pile tells it; of what it does not tell, when the value was read.
    pub span: (Timestamp, Timestamp),
    /// When the value came, by our own clock.
    pub received_at: Timestamp,
    /// Whether the key was a registered one with which it was found good.
    pub is_registered: bool,
}

/// Place, charge, pile's number and name, begin, end, arrival, whether the key was registered.
type ArrivedRow = (i32, i64, i64, String, SqlTime, SqlTime, SqlTime, bool);

impl Store {
    /// The charges over OCPP with which the signed values of a kept record came, by place; of a credit none, nor those of a charger that had
    /// not proved who it is.
    pub async fn ocpi_records_arrived(&self, reference: &str) -> Result<Vec<ArrivedWith>, StoreError> {
        let Ok(reference) = Uuid::parse_str(reference) else { return Ok(Vec::new()) };
        let rows: Vec<ArrivedRow> = sqlx::query_as(
            "SELECT DISTINCT ON (mine.place, charge.charge_no) mine.place, charge.charge_no, pile.pile_no, pile.pile_id,
                    coalesce(charge.started_at, came.at), coalesce(charge.ended_at, came.at), came.received_at,
                    coalesce(came.key_source = 'register', false)
             FROM ocpi_cdr AS kept
             JOIN ocpi_cdr_record AS mine ON mine.cdr_no = kept.cdr_no
             JOIN signed_value AS came ON came.content = mine.digest
             JOIN pile ON pile.pile_no = came.pile_no AND NOT pile.inbox
             JOIN charge ON charge.pile_no = came.pile_no AND charge.reference = came.reference AND NOT 'unproven' = ANY(charge.marks)
             WHERE kept.reference = $1 AND kept.credits IS NULL
             ORDER BY mine.place, charge.charge_no, came.received_at LIMIT $2",
        )
        .bind(reference)
        .bind(CHARGES_MAX)
        .fetch_all(&self.pool)
        .await?;
        let arrived =
            |(place, charge_no, pile_no, pile_id, from, to, received_at, is_registered): ArrivedRow| {
                ArrivedWith {
                    place: usize::try_from(place).unwrap_or_default(),
                    charge_no,
                    pile_no,
                    pile_id,
                    span: (from.to_jiff(), to.to_jiff()),
                    received_at: received_at.to_jiff(),
                    is_registered,
                }
            };
        Ok(rows.into_iter().map(arrived).collect())
    }

    /// Which signed values of a kept record came in another one before, the first each. Another one is of another identifier: whoever repeats
    /// a record, or passes on somebody else's, bills nothing twice. Neither does a credit, nor what takes the place of a record that one has
    /// taken back.
    pub async fn ocpi_records_sent_before(&self, reference: &str) -> Result<Vec<SentBefore>, StoreError> {
        let Ok(reference) = Uuid::parse_str(reference) else { return Ok(Vec::new()) };
        let rows: Vec<(i32, bool, String, String)> = sqlx::query_as(
            "SELECT DISTINCT ON (mine.place) mine.place, before.party = kept.party, before.owner, before.cdr_id
             FROM ocpi_cdr AS kept
             JOIN ocpi_cdr_record AS mine ON mine.cdr_no = kept.cdr_no
             CROSS JOIN LATERAL (
                 SELECT sent.cdr_no, sent.party, sent.owner, sent.cdr_id
                 FROM ocpi_cdr_record AS known JOIN ocpi_cdr AS sent ON sent.cdr_no = known.cdr_no
                 WHERE known.digest = mine.digest AND known.cdr_no < kept.cdr_no AND sent.credits IS NULL
                   AND (sent.owner, sent.cdr_id) <> (kept.owner, kept.cdr_id)
                   AND NOT EXISTS (SELECT FROM ocpi_cdr AS credit
                                   WHERE credit.owner = sent.owner AND credit.credits = sent.cdr_id AND credit.party = sent.party)
                 ORDER BY known.cdr_no LIMIT 1) AS before
             WHERE kept.reference = $1 AND kept.credits IS NULL
             ORDER BY mine.place, before.cdr_no",
        )
        .bind(reference)
        .fetch_all(&self.pool)
        .await?;
        let before = |(place, is_own, owner, id): (i32, bool, String, String)| SentBefore {
            place: usize::try_from(place).unwrap_or_default(),
            cdr: is_own.then_some((owner, id)),
        };
        Ok(rows.into_iter().map(before).collect())
    }
}

/// Keeps the digests of a new record.
pub(super) async fn keep(
    connection: &mut PgConnection,
    reference: &str,
    records: &[RecordDigest],
) -> Result<(), StoreError> {
    let place = |record: &RecordDigest| i32::try_from(record.place).unwrap_or(i32::MAX);
    sqlx::query(
        "INSERT INTO ocpi_cdr_record (digest, cdr_no, place)
         SELECT told.digest, cdr_no, told.place FROM ocpi_cdr, unnest($2::bytea[], $3::integer[]) AS told(digest, place)
         WHERE reference = $1::uuid ON CONFLICT DO NOTHING",
    )
    .bind(reference)
    .bind(records.iter().map(|record| &record.digest[..]).collect::<Vec<_>>())
    .bind(records.iter().map(place).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
