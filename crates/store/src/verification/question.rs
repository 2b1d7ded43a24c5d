//! What puts a certificate in question (a broken seal, other firmware, a repair), and which piles are to be verified.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::{ActKind, OperatorId, PileId};

use super::PAGE_MAX;
use super::certificate::bare_act;
use crate::registration::{acts_of, insert_act};
use crate::row::{SqlTime, corrupt, storable};
use crate::{Store, StoreError, standing};

/// A certificate that ends within this time is to be renewed.
const RENEW_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Questions told of one certificate.
const QUESTIONS_MAX: i64 = 50;

/// Piles looked at in one sweep for changed firmware.
const SWEEP_MAX: i64 = 1000;

/// Name under which the platform itself asks.
const PLATFORM: &str = "veripile";

/// Why a certificate is in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuestionReason {
    /// A seal is broken, missing or another.
    SealBroken,
    /// The pile runs firmware that is neither the one of the certificate nor approved for its model.
    FirmwareChanged,
    /// The pile was repaired since: what was verified is no longer what stands there, and seals were broken for it.
    Repaired,
    /// Anything else.
    Other,
}

impl QuestionReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::SealBroken, Self::FirmwareChanged, Self::Repaired, Self::Other];

    /// Whether a person may give it in so many words; the others follow from what the platform itself knows.
    pub fn is_reported(self) -> bool {
        matches!(self, Self::SealBroken | Self::Other)
    }

    /// The word used in database and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::SealBroken => "seal_broken",
            Self::FirmwareChanged => "firmware_changed",
            Self::Repaired => "repaired",
            Self::Other => "other",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Why.
    pub reason: QuestionReason,
    /// What exactly.
    pub detail: String,
    /// Who asked.
    pub person: String,
    /// When.
    pub at: Timestamp,
}

/// A pile to be verified.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ToVerify {
    /// Which.
    pub pile_id: String,
    /// `question`, `expiring`, `expired`.
    pub why: String,
    /// What exactly: the question, or the certificate's number.
    pub detail: String,
}

/// Firmware approved for a model.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Approval {
    /// Model.
    pub model: String,
    /// Firmware.
    pub firmware: String,
    /// Who approved it.
    pub person: String,
    /// Who withdrew that, if anybody did.
    pub withdrawn_by: Option<String>,
}

/// The newest certificate of each outlet that holds, with what its pile runs now.
#[derive(FromRow)]
struct Changed {
    certificate_no: i64,
    now_runs: String,
}

#[derive(FromRow)]
struct Questioned {
    certificate_no: i64,
    pile_no: i64,
    number: String,
    issuer: String,
}

#[derive(FromRow)]
struct Row {
    certificate_no: i64,
    reason: String,
    detail: String,
    person: String,
    asked_at: SqlTime,
}

impl Store {
    /// Puts a certificate in question; false if there is none of this number that holds, or the same was said before.
    pub async fn question_certificate(
        &self,
        number: &str,
        reason: QuestionReason,
        detail: &str,
        person: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let found: Option<Questioned> = sqlx::query_as(
            "SELECT certificate_no, pile_no, number, issuer FROM verification_certificate
             WHERE number = $1 AND kind = 'certificate' AND withdrawn_at IS NULL",
        )
        .bind(storable(number))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(found) = found else { return Ok(false) };
        let is_new = ask(&mut transaction, &found, reason, detail, person, now).await?;
        transaction.commit().await?;
        Ok(is_new)
    }

    /// Puts certificates in question whose piles run firmware that is neither theirs nor approved; how many.
    pub async fn find_changed_firmware(&self, now: Timestamp) -> Result<usize, StoreError> {
        let changed: Vec<Changed> = sqlx::query_as(
            "SELECT c.certificate_no, live.firmware AS now_runs
             FROM verification_certificate c
             JOIN pile_live live USING (pile_no) JOIN pile USING (pile_no)
             WHERE c.kind = 'certificate' AND c.withdrawn_at IS NULL AND c.valid_until >= ($1 AT TIME ZONE 'Asia/Shanghai')::date
               AND c.firmware IS NOT NULL AND live.firmware IS NOT NULL AND live.firmware <> c.firmware
               AND NOT EXISTS (SELECT FROM verification_certificate later WHERE later.pile_no = c.pile_no
                               AND later.connector = c.connector AND later.certificate_no > c.certificate_no)
               AND NOT EXISTS (SELECT FROM firmware_approval a WHERE a.firmware = live.firmware
                               AND a.withdrawn_at IS NULL AND a.model = coalesce(pile.model, live.model))
               AND NOT EXISTS (SELECT FROM certificate_question q WHERE q.certificate_no = c.certificate_no
                               AND q.reason = 'firmware_changed' AND q.detail = live.firmware)
             ORDER BY c.certificate_no LIMIT $2",
        )
        .bind(now.to_sqlx())
        .bind(SWEEP_MAX)
        .fetch_all(&self.pool)
        .await?;
        for Changed { certificate_no, now_runs } in &changed {
            let mut transaction = self.pool.begin().await?;
            let found: Questioned = sqlx::query_as(
                "SELECT certificate_no, pile_no, number, issuer FROM verification_certificate WHERE certificate_no = $1",
            )
            .bind(certificate_no)
            .fetch_one(&mut *transaction)
            .await?;
            ask(&mut transaction, &found, QuestionReason::FirmwareChanged, now_runs, PLATFORM, now).await?;
            transaction.commit().await?;
        }
        Ok(changed.len())
    }

    /// The first questions about each of these certificates, oldest first.
    pub(super) async fn questions(
        &self,
        certificates: &[i64],
    ) -> Result<HashMap<i64, Vec<Question>>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT certificate_no, reason, detail, person, asked_at
             FROM (SELECT *, row_number() OVER (PARTITION BY certificate_no ORDER BY asked_at, reason) AS place
                   FROM certificate_question WHERE certificate_no = ANY($1)) AS asked
             WHERE place <= $2 ORDER BY certificate_no, place",
        )
        .bind(certificates)
        .bind(QUESTIONS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let mut questions: HashMap<i64, Vec<Question>> = HashMap::new();
        for row in rows {
            let reason =
                QuestionReason::from_word(&row.reason).ok_or_else(|| corrupt("question", &row.reason))?;
            let question =
                Question { reason, detail: row.detail, person: row.person, at: row.asked_at.to_jiff() };
            questions.entry(row.certificate_no).or_default().push(question);
        }
        Ok(questions)
    }

    /// Approves firmware for a model.
    pub async fn approve_firmware(
        &self,
        model: &str,
        firmware: &str,
        person: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO firmware_approval (model, firmware, person, approved_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(storable(model.trim()))
        .bind(storable(firmware.trim()))
        .bind(person)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Withdraws an approval; false if none holds. Piles that run it come into question at the next look.
    pub async fn withdraw_approval(
        &self,
        model: &str,
        firmware: &str,
        person: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE firmware_approval SET withdrawn_at = $4, withdrawn_by = $3
             WHERE model = $1 AND firmware = $2 AND withdrawn_at IS NULL",
        )
        .bind(storable(model.trim()))
        .bind(storable(firmware.trim()))
        .bind(person)
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Approved firmware by model, those withdrawn last.
    pub async fn approved_firmware(&self) -> Result<Vec<Approval>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT model, firmware, person, withdrawn_by FROM firmware_approval
             ORDER BY withdrawn_at IS NOT NULL, model, firmware, withdrawn_at DESC LIMIT $1",
        )
        .bind(i64::from(PAGE_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Piles whose newest certificate is in question, or ends soon, or has ended: those in question first.
    pub async fn piles_to_verify(
        &self,
        scope: Option<&OperatorId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ToVerify>, StoreError> {
        let rows = sqlx::query_as(
            "WITH newest AS (
                 SELECT DISTINCT ON (c.pile_no, c.connector) c.* FROM verification_certificate c
                 WHERE c.withdrawn_at IS NULL ORDER BY c.pile_no, c.connector, c.certificate_no DESC),
             found AS (
                 SELECT pile_no, 'question' AS why, 0 AS rank, q.reason || ': ' || q.detail AS detail, q.asked_at AS since
                 FROM newest JOIN certificate_question q USING (certificate_no) WHERE kind = 'certificate'
                 UNION ALL
                 SELECT pile_no, CASE WHEN valid_until < ($1 AT TIME ZONE 'Asia/Shanghai')::date THEN 'expired' ELSE 'expiring' END, 1, number,
                        valid_until::timestamptz
                 FROM newest WHERE kind = 'certificate' AND valid_until < ($2 AT TIME ZONE 'Asia/Shanghai')::date)
             SELECT pile.pile_id, why, detail FROM found JOIN pile USING (pile_no)
             WHERE $3::text IS NULL OR pile.operator_id = $3
             ORDER BY rank, since, pile.pile_id LIMIT $4",
        )
        .bind(now.to_sqlx())
        .bind((now + RENEW_WITHIN).to_sqlx())
        .bind(scope.map(OperatorId::as_str))
        .bind(i64::from(limit.min(PAGE_MAX)))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Seals of a pile, as its newest certificates have them: number, place, hash of the photo. A notice has none and takes none away: it may
    /// not be public yet.
    pub async fn seals(&self, pile_id: &PileId) -> Result<Vec<(String, String, Option<String>)>, StoreError> {
        let rows = sqlx::query_as(
            "WITH newest AS (
                 SELECT DISTINCT ON (c.connector) c.certificate_no FROM verification_certificate c JOIN pile USING (pile_no)
                 WHERE pile_id = $1 AND c.kind = 'certificate' AND c.withdrawn_at IS NULL
                 ORDER BY c.connector, c.certificate_no DESC)
             SELECT number, place, photo_sha256 FROM seal JOIN newest USING (certificate_no) ORDER BY place, number LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(i64::from(PAGE_MAX))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }
}

/// Puts in question what a pile's outlets are certified by today: it was repaired. How many certificates.
pub(super) async fn question_repaired(
    connection: &mut PgConnection,
    pile_no: i64,
    repair: (&str, &str),
    now: Timestamp,
) -> Result<usize, StoreError> {
    let (person, what) = repair;
    let held: Vec<Questioned> = sqlx::query_as(
        "SELECT certificate_no, pile_no, number, issuer FROM verification_certificate c
         WHERE pile_no = $1 AND kind = 'certificate' AND withdrawn_at IS NULL AND issued_at <= $2
           AND valid_until >= ($2 AT TIME ZONE 'Asia/Shanghai')::date
           AND NOT EXISTS (SELECT FROM verification_certificate later WHERE later.pile_no = c.pile_no
                           AND later.connector = c.connector AND later.certificate_no > c.certificate_no)
         ORDER BY certificate_no LIMIT $3",
    )
    .bind(pile_no)
    .bind(now.to_sqlx())
    .bind(SWEEP_MAX)
    .fetch_all(&mut *connection)
    .await?;
    for certificate in &held {
        ask(connection, certificate, QuestionReason::Repaired, what, person, now).await?;
    }
    Ok(held.len())
}

/// Puts a certificate that is being issued in question if its pile was repaired after its last reading.
pub(super) async fn question_if_repaired_since(
    connection: &mut PgConnection,
    certificate_no: i64,
    measured_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let repairs: Vec<(String, String)> = sqlx::query_as(
        "SELECT repair.person, repair.what FROM repair JOIN verification_certificate c USING (pile_no)
         WHERE c.certificate_no = $1 AND c.kind = 'certificate' AND repair.repaired_at > $2
         ORDER BY repair.repaired_at LIMIT $3",
    )
    .bind(certificate_no)
    .bind(measured_at.to_sqlx())
    .bind(QUESTIONS_MAX)
    .fetch_all(&mut *connection)
    .await?;
    if repairs.is_empty() {
        return Ok(());
    }
    let certificate: Questioned = sqlx::query_as(
        "SELECT certificate_no, pile_no, number, issuer FROM verification_certificate WHERE certificate_no = $1",
    )
    .bind(certificate_no)
    .fetch_one(&mut *connection)
    .await?;
    for (person, what) in &repairs {
        ask(connection, &certificate, QuestionReason::Repaired, what, person, now).await?;
    }
    Ok(())
}

/// Asks, and lets the pile's standing follow; whether it is new. The pile is held until all of it is committed.
async fn ask(
    connection: &mut PgConnection,
    certificate: &Questioned,
    reason: QuestionReason,
    detail: &str,
    person: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO certificate_question (certificate_no, reason, detail, person, asked_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
    )
    .bind(certificate.certificate_no)
    .bind(reason.word())
    .bind(storable(detail))
    .bind(person)
    .bind(now.to_sqlx())
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    standing::hold(connection, &[certificate.pile_no]).await?;
    let act = bare_act(ActKind::CertificateQuestioned, &certificate.number, &certificate.issuer, person, now);
    insert_act(connection, certificate.pile_no, &act).await?;
    let acts = acts_of(connection, certificate.pile_no).await?;
    standing::judge_again(connection, certificate.pile_no, &acts, now).await?;
    Ok(true)
}
