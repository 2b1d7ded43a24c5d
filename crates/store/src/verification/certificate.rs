//! Documents as issued: kept for ever, with what became of them since.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::case::Rules;
use veripile_pile::{Act, ActKind, PileId};
use veripile_verification::certificate::Issued;
use veripile_verification::{Certificate, CertificateKind, result};

use super::PAGE_MAX;
use super::question::{Question, question_if_repaired_since};
use crate::registration::{acts_of, insert_act};
use crate::row::{SqlTime, corrupt, jiff_time, storable};
use crate::{Store, StoreError, standing};

/// Validity is counted in China's days.
const SHANGHAI: Offset = Offset::constant(8);

/// What a document is worth today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateStatus {
    /// A certificate that holds.
    Valid,
    /// A seal is broken or the firmware is another: the pile is to be verified anew.
    InQuestion,
    /// A later document of the same outlet stands in its place.
    Superseded,
    /// Withdrawn by who issued it.
    Withdrawn,
    /// Its validity is over.
    Expired,
    /// A notice of result.
    Notice,
}

impl CertificateStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Valid, Self::InQuestion, Self::Superseded, Self::Withdrawn, Self::Expired, Self::Notice];

    /// The word used in API and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::InQuestion => "in_question",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Notice => "notice",
        }
    }
}

/// A withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub person: String,
    /// Why.
    pub reason: String,
}

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct CertificateRow {
    /// Its number in the database.
    pub certificate_no: i64,
    /// Its number.
    pub number: String,
    /// Which document.
    pub kind: CertificateKind,
    /// Of which pile.
    pub pile_id: PileId,
    /// Who answers for the pile.
    pub operator_id: Option<String>,
    /// Of which outlet.
    pub connector: i64,
    /// The body that issued it.
    pub issuer: String,
    /// Day of the verification.
    pub verified_on: Date,
    /// Last day of validity.
    pub valid_until: Option<Date>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The signed file.
    pub json: String,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// What it is worth today.
    pub status: CertificateStatus,
    /// The later document of the same outlet.
    pub superseded_by: Option<String>,
    /// Whether that one is a notice of result, which may not be for everybody to see.
    pub superseded_by_notice: bool,
    /// Its withdrawal.
    pub withdrawn: Option<Withdrawal>,
    /// Why it is in question.
    pub questions: Vec<Question>,
}

/// What became of a document that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuance {
    /// It is issued.
    Done,
    /// Its order is not one that waits for it.
    NotWaiting,
    /// This document of the same outlet rests on later readings.
    Overtaken(String),
}

/// Which documents.
#[derive(Debug, Clone, Default)]
pub struct CertificateQuery {
    /// Of this pile.
    pub pile: Option<PileId>,
    /// Certificates only: notices have a reply window.
    pub certificates_only: bool,
    /// Older than this one.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A query of documents with what follows the common part.
macro_rules! documents {
    ($rest:literal) => {
        concat!(
            "SELECT c.certificate_no, c.number, c.kind, pile.pile_id, pile.operator_id, c.connector, c.issuer, c.verified_on,
                    c.valid_until, c.issued_at, c.json, c.sha256, c.withdrawn_at, c.withdrawn_by, c.withdrawn_reason,
                    later.number AS superseded_by, coalesce(later.kind = 'notice', false) AS superseded_by_notice
             FROM verification_certificate c JOIN pile USING (pile_no)
             LEFT JOIN LATERAL (
                 SELECT later.number, later.kind FROM verification_certificate later
                 WHERE later.pile_no = c.pile_no AND later.connector = c.connector AND later.certificate_no > c.certificate_no
                 ORDER BY later.certificate_no LIMIT 1) AS later ON true ",
            $rest
        )
    };
}

impl Store {
    /// Keeps a document with all that follows from it, in one transaction: the acts of authority, the pile's standing at once, its
    /// seals, the order's end.
    pub async fn issue(
        &self,
        order_no: i64,
        issued: &Issued,
        pdf: &[u8],
        rules: Rules,
        now: Timestamp,
    ) -> Result<Issuance, StoreError> {
        let certificate = &issued.certificate;
        let mut transaction = self.pool.begin().await?;
        let pile_no: Option<i64> = sqlx::query_scalar(
            "UPDATE verification_order SET state = 'issued' WHERE order_no = $1 AND state = 'measured' AND number = $2
             RETURNING pile_no",
        )
        .bind(order_no)
        .bind(&certificate.number)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(pile_no) = pile_no else { return Ok(Issuance::NotWaiting) };
        standing::hold(&mut transaction, &[pile_no]).await?;
        // A transaction that is dropped is undone.
        if let Some(newer) = newer_document(&mut transaction, pile_no, certificate).await? {
            return Ok(Issuance::Overtaken(newer));
        }
        let certificate_no = insert(&mut transaction, order_no, pile_no, issued, pdf).await?;
        // Those of a notice may be broken: nothing is certified by them.
        let seals =
            if certificate.kind == CertificateKind::Certificate { certificate.seals() } else { Vec::new() };
        for seal in seals {
            sqlx::query(
                "INSERT INTO seal (certificate_no, number, place, photo_sha256) VALUES ($1, $2, $3, $4)",
            )
            .bind(certificate_no)
            .bind(storable(&seal.number))
            .bind(storable(&seal.place))
            .bind(&seal.photo_sha256)
            .execute(&mut *transaction)
            .await?;
        }
        let is_only_outlet = is_only_outlet(&mut transaction, pile_no, certificate.order.connector).await?;
        for act in acts(certificate, rules, is_only_outlet) {
            insert_act(&mut transaction, pile_no, &act).await?;
        }
        let acts = acts_of(&mut transaction, pile_no).await?;
        standing::judge_again(&mut transaction, pile_no, &acts, now).await?;
        question_if_repaired_since(&mut transaction, certificate_no, measured_at(certificate), now).await?;
        transaction.commit().await?;
        self.evidence.notify_one();
        Ok(Issuance::Done)
    }

    /// A document by its number.
    pub async fn certificate_by_number(
        &self,
        number: &str,
        now: Timestamp,
    ) -> Result<Option<CertificateRow>, StoreError> {
        let row: Option<Row> = sqlx::query_as(documents!("WHERE c.number = $1"))
            .bind(storable(number))
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let questions = self.questions(&[row.certificate_no]).await?.into_values().next();
        row.certificate(questions.unwrap_or_default(), now).map(Some)
    }

    /// Documents, newest first.
    pub async fn certificates_page(
        &self,
        query: &CertificateQuery,
        now: Timestamp,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(documents!(
            "WHERE ($1::text IS NULL OR pile.pile_id = $1) AND ($2::bigint IS NULL OR c.certificate_no < $2)
               AND (NOT $4 OR c.kind = 'certificate')
             ORDER BY c.certificate_no DESC LIMIT $3"
        ))
        .bind(query.pile.as_ref().map(PileId::as_str))
        .bind(query.before)
        .bind(i64::from(query.limit.min(PAGE_MAX)))
        .bind(query.certificates_only)
        .fetch_all(&self.pool)
        .await?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.certificate_no).collect();
        let mut questions = self.questions(&numbers).await?;
        let document = |row: Row| {
            let questions = questions.remove(&row.certificate_no).unwrap_or_default();
            row.certificate(questions, now)
        };
        rows.into_iter().map(document).collect()
    }

    /// The PDF of a document as it was made when it was issued.
    pub async fn certificate_pdf(&self, number: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let pdf = sqlx::query_scalar("SELECT pdf FROM verification_certificate WHERE number = $1")
            .bind(storable(number))
            .fetch_optional(&self.pool)
            .await?;
        Ok(pdf)
    }

    /// Withdraws a document; whether it was there and not withdrawn. The pile's standing follows at once.
    pub async fn withdraw_certificate(
        &self,
        number: &str,
        person: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let found: Option<(i64, String)> = sqlx::query_as(
            "UPDATE verification_certificate SET withdrawn_at = $2, withdrawn_by = $3, withdrawn_reason = $4
             WHERE number = $1 AND withdrawn_at IS NULL RETURNING pile_no, issuer",
        )
        .bind(storable(number))
        .bind(now.to_sqlx())
        .bind(person)
        .bind(storable(reason))
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((pile_no, issuer)) = found else { return Ok(false) };
        standing::hold(&mut transaction, &[pile_no]).await?;
        let act = bare_act(ActKind::CertificateWithdrawn, number, &issuer, person, now);
        insert_act(&mut transaction, pile_no, &act).await?;
        let acts = acts_of(&mut transaction, pile_no).await?;
        standing::judge_again(&mut transaction, pile_no, &acts, now).await?;
        transaction.commit().await?;
        self.evidence.notify_one();
        Ok(true)
    }
}

/// A document of the same outlet that stands and rests on later readings: with it, this one would be superseded before it is issued.
async fn newer_document(
    connection: &mut PgConnection,
    pile_no: i64,
    certificate: &Certificate,
) -> Result<Option<String>, StoreError> {
    let newer = sqlx::query_scalar(
        "SELECT c.number FROM verification_certificate c JOIN act USING (pile_no, number)
         WHERE c.pile_no = $1 AND c.connector = $2 AND c.withdrawn_at IS NULL AND act.kind IN ('certificate', 'notice')
           AND act.acted_at > $3
         ORDER BY act.acted_at DESC LIMIT 1",
    )
    .bind(pile_no)
    .bind(i64::from(certificate.order.connector))
    .bind(measured_at(certificate).to_sqlx())
    .fetch_optional(connection)
    .await?;
    Ok(newer)
}

/// An act without validity and result.
pub(super) fn bare_act(kind: ActKind, number: &str, issuer: &str, person: &str, at: Timestamp) -> Act {
    Act {
        kind,
        number: number.to_owned(),
        outlet: None,
        issuer: issuer.to_owned(),
        person: person.to_owned(),
        acted_at: at,
        valid_until: None,
        reply_until: None,
        result: None,
    }
}

/// Whether a pile tells of no other outlet than this one, and no act names another.
async fn is_only_outlet(
    connection: &mut PgConnection,
    pile_no: i64,
    connector: u32,
) -> Result<bool, StoreError> {
    let is_only = sqlx::query_scalar(
        "SELECT count(*) = 1 AND coalesce(bool_and(connector = $2), false)
                AND NOT EXISTS (SELECT FROM act WHERE act.pile_no = $1 AND act.outlet <> $2)
         FROM connector_live WHERE pile_no = $1 AND connector > 0",
    )
    .bind(pile_no)
    .bind(i64::from(connector))
    .fetch_one(connection)
    .await?;
    Ok(is_only)
}

/// What a document is in acts of authority. Of the only outlet it is one of the whole pile. A notice opens a case that two people have
/// confirmed: who verified and who reviewed; it becomes public when the operator's window to reply is over.
fn acts(certificate: &Certificate, rules: Rules, is_only_outlet: bool) -> Vec<Act> {
    let order = &certificate.order;
    let at = measured_at(certificate);
    let outlet = (!is_only_outlet).then_some(order.connector);
    let act = |kind, person: &str, at| Act {
        outlet,
        ..bare_act(kind, &certificate.number, &order.body, person, at)
    };
    let found = result::on_site(&certificate.result);
    match certificate.kind {
        CertificateKind::Certificate => {
            let valid_until = certificate.valid_until_moment();
            vec![Act { valid_until, result: found, ..act(ActKind::Certificate, &order.verifier, at) }]
        }
        CertificateKind::Notice => {
            let issued_at = certificate.issued_at;
            let reply_until = Some(issued_at + rules.reply_window);
            vec![
                Act { result: found, reply_until, ..act(ActKind::Notice, &order.verifier, at) },
                act(ActKind::FailureConfirmed, &order.verifier, issued_at),
                act(ActKind::FailureConfirmed, &order.reviewer, issued_at),
            ]
        }
    }
}

/// The last moment of its readings: what happened to the pile since, it does not know.
fn measured_at(certificate: &Certificate) -> Timestamp {
    let last = certificate.taken.iter().map(|reading| reading.ended_at).max();
    last.unwrap_or(certificate.issued_at)
}

async fn insert(
    connection: &mut PgConnection,
    order_no: i64,
    pile_no: i64,
    issued: &Issued,
    pdf: &[u8],
) -> Result<i64, StoreError> {
    let certificate = &issued.certificate;
    let order = &certificate.order;
    // What the order did not know of the firmware, the pile may have told since: else a change could not be seen.
    let certificate_no = sqlx::query_scalar(
        "INSERT INTO verification_certificate
             (order_no, number, pile_no, connector, kind, issuer, firmware, verified_on, valid_until, issued_at, json, sha256, pdf)
         VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, (SELECT firmware FROM pile_live WHERE pile_no = $3)), $8, $9, $10, $11, $12, $13) RETURNING certificate_no",
    )
    .bind(order_no)
    .bind(&certificate.number)
    .bind(pile_no)
    .bind(i64::from(order.connector))
    .bind(certificate.kind.word())
    .bind(&order.body)
    .bind(&order.plate.firmware)
    .bind(certificate.verified_on.to_sqlx())
    .bind(certificate.valid_until.map(ToSqlx::to_sqlx))
    .bind(certificate.issued_at.to_sqlx())
    .bind(&issued.json)
    .bind(&issued.sha256)
    .bind(pdf)
    .fetch_one(connection)
    .await?;
    Ok(certificate_no)
}

#[derive(FromRow)]
struct Row {
    certificate_no: i64,
    number: String,
    kind: String,
    pile_id: String,
    operator_id: Option<String>,
    connector: i64,
    issuer: String,
    verified_on: jiff_sqlx::Date,
    valid_until: Option<jiff_sqlx::Date>,
    issued_at: SqlTime,
    json: String,
    sha256: String,
    withdrawn_at: Option<SqlTime>,
    withdrawn_by: Option<String>,
    withdrawn_reason: Option<String>,
    superseded_by: Option<String>,
    superseded_by_notice: bool,
}

impl Row {
    fn certificate(self, questions: Vec<Question>, now: Timestamp) -> Result<CertificateRow, StoreError> {
        let kind = CertificateKind::from_word(&self.kind).ok_or_else(|| corrupt("document", &self.kind))?;
        let valid_until = self.valid_until.map(jiff_sqlx::Date::to_jiff);
        let withdrawn = jiff_time(self.withdrawn_at).map(|at| Withdrawal {
            at,
            person: self.withdrawn_by.unwrap_or_default(),
            reason: self.withdrawn_reason.unwrap_or_default(),
        });
        let today = now.to_zoned(TimeZone::fixed(SHANGHAI)).date();
        let is_over = valid_until.is_some_and(|until| until < today);
        let status = match kind {
            _ if withdrawn.is_some() => CertificateStatus::Withdrawn,
            _ if self.superseded_by.is_some() => CertificateStatus::Superseded,
            CertificateKind::Notice => CertificateStatus::Notice,
            CertificateKind::Certificate if is_over => CertificateStatus::Expired,
            CertificateKind::Certificate if !questions.is_empty() => CertificateStatus::InQuestion,
            CertificateKind::Certificate => CertificateStatus::Valid,
        };
        Ok(CertificateRow {
            certificate_no: self.certificate_no,
            number: self.number,
            kind,
            pile_id: PileId::parse(&self.pile_id).map_err(|_| corrupt("pile", &self.pile_id))?,
            operator_id: self.operator_id,
            connector: self.connector,
            issuer: self.issuer,
            verified_on: self.verified_on.to_jiff(),
            valid_until,
            issued_at: self.issued_at.to_jiff(),
            json: self.json,
            sha256: self.sha256,
            status,
            superseded_by: self.superseded_by,
            superseded_by_notice: self.superseded_by_notice,
            withdrawn,
            questions,
        })
    }
}
