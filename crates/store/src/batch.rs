//! Batches: piles of one make, model, firmware and year, with what is known of them on site and from afar.
//!
//! Called by `app` (sampling) and by `api`'s page of it. It counts; what counts mean is decided in `metrology::batch`.

use sqlx::FromRow;
use veripile_metrology::batch::{BatchDecision, BatchResults, JudgedBatch, MeasuredRate, RemoteVerdicts};
use veripile_pile::OperatorId;

use crate::{Store, StoreError};

/// Batches told of at most: a province's makes, models and firmwares are some hundreds.
pub const BATCHES_MAX: i64 = 1_000;

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct BatchRow {
    /// Make; none where the charger did not tell.
    pub vendor: Option<String>,
    /// Model, as registered, else as told.
    pub model: Option<String>,
    /// Firmware, as told.
    pub firmware: Option<String>,
    /// Year in which they were made, as registered.
    pub made_in: Option<i16>,
    /// Piles of it.
    pub piles: i64,
    /// Whose newest verification that stands was passed: with their present firmware, and it has not run out.
    pub passes: i64,
    /// Whose newest verification was not, with their present firmware.
    pub failures: i64,
    /// Of those not verified: conform by the newest estimate.
    pub conform: i64,
    /// Nonconform by it.
    pub nonconform: i64,
}

/// How verdicts from afar agreed with first verifications on site: of piles that had anchored no estimate before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct AgreementRow {
    /// Failed on site: conform and nonconform from afar the day before.
    pub failed_conform: i64,
    /// Likewise nonconform.
    pub failed_nonconform: i64,
    /// Passed on site: conform from afar.
    pub passed_conform: i64,
    /// Likewise nonconform.
    pub passed_nonconform: i64,
}

impl Store {
    /// Batches of an operator's piles or of all, the largest first; at most [`BATCHES_MAX`]. The firmware that was first heard of a pile is
    /// no change: nobody knows since when it had it.
    pub async fn batches(&self, scope: Option<&OperatorId>) -> Result<Vec<BatchRow>, StoreError> {
        let rows = sqlx::query_as(
            "WITH present AS (
                 SELECT pile_no, max(at) AS since FROM firmware_change later
                 WHERE EXISTS (SELECT FROM firmware_change earlier WHERE earlier.pile_no = later.pile_no AND earlier.at < later.at)
                 GROUP BY pile_no
             ), newest AS (
                 SELECT DISTINCT ON (pile_no) pile_no, kind, acted_at, valid_until FROM act
                 WHERE kind IN ('certificate', 'notice')
                   AND NOT EXISTS (SELECT FROM act gone WHERE gone.pile_no = act.pile_no AND gone.number = act.number
                                   AND gone.kind IN ('certificate_withdrawn', 'certificate_questioned'))
                 ORDER BY pile_no, acted_at DESC, act_no DESC
             ), site AS (
                 SELECT newest.pile_no, newest.kind FROM newest LEFT JOIN present USING (pile_no)
                 WHERE (present.since IS NULL OR present.since <= newest.acted_at)
                   AND (newest.kind = 'notice' OR newest.valid_until IS NULL OR now() < newest.valid_until)
             ), remote AS (
                 SELECT DISTINCT ON (pile_no) pile_no, verdict FROM estimate ORDER BY pile_no, day DESC
             )
             SELECT live.vendor, coalesce(pile.model, live.model) AS model, live.firmware, pile.made_in, count(*) AS piles,
                    count(*) FILTER (WHERE site.kind = 'certificate') AS passes,
                    count(*) FILTER (WHERE site.kind = 'notice') AS failures,
                    count(*) FILTER (WHERE site.kind IS NULL AND remote.verdict = 'conform') AS conform,
                    count(*) FILTER (WHERE site.kind IS NULL AND remote.verdict = 'nonconform') AS nonconform
             FROM pile LEFT JOIN pile_live live USING (pile_no) LEFT JOIN site USING (pile_no) LEFT JOIN remote USING (pile_no)
             WHERE NOT pile.inbox AND ($1::text IS NULL OR pile.operator_id = $1)
             GROUP BY live.vendor, coalesce(pile.model, live.model), live.firmware, pile.made_in
             ORDER BY count(*) DESC, model, firmware, vendor, made_in LIMIT $2",
        )
        .bind(scope.map(OperatorId::as_str))
        .bind(BATCHES_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// How verdicts from afar agreed with what was found on site later. Only the first result of a pile counts: afterwards it anchors
    /// its own estimate, and agrees with itself.
    pub async fn remote_agreement(&self) -> Result<AgreementRow, StoreError> {
        let row = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE first.kind = 'notice' AND before.verdict = 'conform') AS failed_conform,
                    count(*) FILTER (WHERE first.kind = 'notice' AND before.verdict = 'nonconform') AS failed_nonconform,
                    count(*) FILTER (WHERE first.kind = 'certificate' AND before.verdict = 'conform') AS passed_conform,
                    count(*) FILTER (WHERE first.kind = 'certificate' AND before.verdict = 'nonconform') AS passed_nonconform
             FROM (SELECT DISTINCT ON (pile_no) pile_no, kind, acted_at FROM act
                   WHERE error_percent IS NOT NULL OR kind IN ('certificate', 'notice')
                   ORDER BY pile_no, acted_at, act_no) AS first
             JOIN LATERAL (SELECT verdict FROM estimate
                           WHERE estimate.pile_no = first.pile_no AND estimate.as_of < first.acted_at
                           ORDER BY day DESC LIMIT 1) AS before ON true
             WHERE first.kind IN ('certificate', 'notice')",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row)
    }
}

impl BatchRow {
    /// Piles of it, as statistics count.
    pub fn size(&self) -> u32 {
        count(self.piles)
    }

    /// Whether its interval is to be extended by what was seen from afar: verdicts that share a level count as independent.
    pub fn leans_on_remote(&self, found: &JudgedBatch) -> bool {
        found.decision == BatchDecision::Extend && (0 < self.conform || 0 < self.nonconform)
    }

    /// What is known of it, with the rates (see [`AgreementRow::rates`]) by which verdicts from afar count.
    pub fn results(&self, (sensitivity, specificity): (MeasuredRate, MeasuredRate)) -> BatchResults {
        let [passes, failures, conform, nonconform] =
            [self.passes, self.failures, self.conform, self.nonconform].map(count);
        let remote = RemoteVerdicts { conform, nonconform, sensitivity, specificity };
        BatchResults { passes, failures, remote: Some(remote) }
    }
}

impl AgreementRow {
    /// Sensitivity and specificity of verdicts from afar, as first verifications measured them.
    pub fn rates(&self) -> (MeasuredRate, MeasuredRate) {
        let rate = |right: i64, wrong: i64| MeasuredRate {
            right: count(right),
            cases: count(right.saturating_add(wrong)),
        };
        (rate(self.failed_nonconform, self.failed_conform), rate(self.passed_conform, self.passed_nonconform))
    }
}

/// A count as statistics take it.
fn count(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(if value < 0 { 0 } else { u32::MAX })
}
