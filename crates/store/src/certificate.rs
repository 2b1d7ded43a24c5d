//! Certificates issued for chargers, each with the order that delivers it, and requests for one that were refused.
//!
//! Written by the gateway, read by the console. No private key is ever here: chargers keep theirs.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::json;
use sqlx::FromRow;
use veripile_pile::PileId;

use crate::command::WAITS;
use crate::row::{SqlTime, storable};
use crate::{Store, StoreError};

/// Certificates of one pile on one page, the newest: some years of renewals.
const PAGE_MAX: i64 = 20;

/// Who orders a delivery, beside the people who order other things.
const PERSON: &str = "SignCertificate";

/// A certificate to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Serial number, hex.
    pub serial: String,
    /// Subject.
    pub subject: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// With the chain that it needs, the charger's own first, PEM.
    pub pem: String,
    /// Under which it was asked for (2.1).
    pub request_id: Option<i32>,
}

/// A certificate, as the console lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRow {
    /// Serial number, hex.
    pub serial: String,
    /// Subject.
    pub subject: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// The charger's own, PEM.
    pub pem: String,
    /// What became of its delivery, as in [`crate::command::CommandRow`]; none while it waits.
    pub outcome: Option<String>,
}

/// Requests of a pile that were refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRow {
    /// Code of the reason (`ocpp::signing::Reason`).
    pub reason: String,
    /// What was found at the last.
    pub detail: String,
    /// How many.
    pub count: i64,
    /// When the last came.
    pub last_at: Timestamp,
}

impl Store {
    /// Keeps a certificate and orders its delivery, unless as many as `most` were issued for this pile since a time. Whether
    /// it was kept.
    pub async fn keep_certificate(
        &self,
        pile_no: i64,
        certificate: &Certificate,
        since: Timestamp,
        most: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let number: Option<i64> = sqlx::query_scalar(
            "INSERT INTO certificate (pile_no, serial, subject, not_before, not_after, issued_at, pem, request_id)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8
             WHERE (SELECT count(*) FROM certificate WHERE pile_no = $1 AND issued_at > $9) < $10
             RETURNING certificate_no",
        )
        .bind(pile_no)
        .bind(&certificate.serial)
        .bind(storable(&certificate.subject))
        .bind(certificate.not_before.to_sqlx())
        .bind(certificate.not_after.to_sqlx())
        .bind(now.to_sqlx())
        .bind(&certificate.pem)
        .bind(certificate.request_id)
        .bind(since.to_sqlx())
        .bind(most)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(number) = number else { return Ok(false) };
        sqlx::query(
            "WITH ordered AS (
                 INSERT INTO command (pile_no, call, person, asked_at, expires_at) VALUES ($1, $2, $3, $4, $5)
                 RETURNING command_no)
             UPDATE certificate SET command_no = ordered.command_no FROM ordered WHERE certificate_no = $6",
        )
        .bind(pile_no)
        .bind(json!({ "certificate": number }))
        .bind(PERSON)
        .bind(now.to_sqlx())
        .bind((now + WAITS).to_sqlx())
        .bind(number)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.orders.notify_one();
        Ok(true)
    }

    /// A certificate's chain, and under which request it is to come.
    pub async fn certificate(
        &self,
        certificate_no: i64,
    ) -> Result<Option<(String, Option<i32>)>, StoreError> {
        let found = sqlx::query_as("SELECT pem, request_id FROM certificate WHERE certificate_no = $1")
            .bind(certificate_no)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found)
    }

    /// Counts a request that was refused.
    pub async fn certificate_refused(
        &self,
        pile_no: i64,
        reason: &str,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO certificate_refusal (pile_no, reason, detail, count, first_at, last_at)
             VALUES ($1, $2, $3, 1, $4, $4)
             ON CONFLICT (pile_no, reason) DO UPDATE SET
                 detail = excluded.detail, count = certificate_refusal.count + 1, last_at = excluded.last_at",
        )
        .bind(pile_no)
        .bind(reason)
        .bind(storable(detail))
        .bind(now.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The newest certificates of a pile, and what was refused it, the newest first.
    pub async fn certificates(
        &self,
        pile_id: &PileId,
    ) -> Result<(Vec<CertificateRow>, Vec<RefusalRow>), StoreError> {
        let issued: Vec<Row> = sqlx::query_as(
            "SELECT serial, subject, issued_at, not_after, pem, outcome FROM certificate
             LEFT JOIN command USING (command_no)
             WHERE certificate.pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1)
             ORDER BY certificate_no DESC LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        let refused: Vec<Refusal> = sqlx::query_as(
            "SELECT reason, detail, count, last_at FROM certificate_refusal
             WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1) ORDER BY last_at DESC, reason",
        )
        .bind(pile_id.as_str())
        .fetch_all(&self.pool)
        .await?;
        Ok((
            issued.into_iter().map(Row::certificate).collect(),
            refused.into_iter().map(Refusal::refusal).collect(),
        ))
    }
}

#[derive(FromRow)]
struct Row {
    serial: String,
    subject: String,
    issued_at: SqlTime,
    not_after: SqlTime,
    pem: String,
    outcome: Option<String>,
}

impl Row {
    fn certificate(self) -> CertificateRow {
        let Self { serial, subject, issued_at, not_after, pem, outcome } = self;
        let (issued_at, not_after) = (issued_at.to_jiff(), not_after.to_jiff());
        CertificateRow { serial, subject, issued_at, not_after, pem, outcome }
    }
}

#[derive(FromRow)]
struct Refusal {
    reason: String,
    detail: String,
    count: i64,
    last_at: SqlTime,
}

impl Refusal {
    fn refusal(self) -> RefusalRow {
        let Self { reason, detail, count, last_at } = self;
        RefusalRow { reason, detail, count, last_at: last_at.to_jiff() }
    }
}
