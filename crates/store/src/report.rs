//! What drivers report of a pile: a reason of a fixed list, a receipt number, a time. Never who reported it.
//!
//! Called by `api::report` and the operators' pages. Reports are appended and change no standing by themselves.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use veripile_pile::{OperatorId, PileId};

use crate::row::{SqlTime, corrupt, storable};
use crate::{Store, StoreError};

/// Reports on one page, the newest.
const PAGE_MAX: i64 = 100;

/// What can be reported. No free text: it would hold names and telephone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportReason {
    /// The energy shown is not what the vehicle got.
    Energy,
    /// The bill is not what the price list says.
    Price,
    /// It does not charge, or stops.
    NoCharge,
    /// A seal is broken or gone.
    Seal,
    /// The display cannot be read.
    Display,
    /// Something stands in the way.
    Blocked,
    /// It is not where the map says.
    Place,
    /// Bare wires, smoke, a broken case.
    Danger,
}

impl ReportReason {
    /// Every reason, in the order of the form.
    pub const ALL: [Self; 8] = [
        Self::Energy,
        Self::Price,
        Self::NoCharge,
        Self::Seal,
        Self::Display,
        Self::Blocked,
        Self::Place,
        Self::Danger,
    ];

    /// The word in forms, the database and the table of texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Price => "price",
            Self::NoCharge => "no_charge",
            Self::Seal => "seal",
            Self::Display => "display",
            Self::Blocked => "blocked",
            Self::Place => "place",
            Self::Danger => "danger",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its number, drawn at random: whoever knows it has made the report.
    pub receipt: String,
    /// Of which pile.
    pub pile_id: PileId,
    /// What is wrong.
    pub reason: ReportReason,
    /// When it came.
    pub reported_at: Timestamp,
}

impl Store {
    /// Keeps a report; false if there is no such pile.
    pub async fn record_report(&self, report: &Report) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO report (receipt, pile_no, reason, reported_at)
             SELECT $1, pile_no, $3, $4 FROM pile WHERE pile_id = $2 AND NOT inbox",
        )
        .bind(&report.receipt)
        .bind(report.pile_id.as_str())
        .bind(report.reason.word())
        .bind(report.reported_at.to_sqlx())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The report with a receipt number.
    pub async fn report(&self, receipt: &str) -> Result<Option<Report>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT receipt, pile_id, reason, reported_at FROM report JOIN pile USING (pile_no) WHERE receipt = $1",
        )
        .bind(storable(receipt))
        .fetch_optional(&self.pool)
        .await?;
        row.map(read).transpose()
    }

    /// The newest reports on the piles of an operator, or of all.
    pub async fn reports(&self, scope: Option<&OperatorId>) -> Result<Vec<Report>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT receipt, pile_id, reason, reported_at FROM report JOIN pile USING (pile_no)
             WHERE $1::text IS NULL OR operator_id = $1 ORDER BY report_no DESC LIMIT $2",
        )
        .bind(scope.map(OperatorId::as_str))
        .bind(PAGE_MAX)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(read).collect()
    }
}

/// Receipt, pile, reason, time.
type Row = (String, String, String, SqlTime);

fn read((receipt, pile_id, reason, at): Row) -> Result<Report, StoreError> {
    Ok(Report {
        receipt,
        pile_id: PileId::parse(&pile_id).map_err(|_| corrupt("pile", &pile_id))?,
        reason: ReportReason::from_word(&reason).ok_or_else(|| corrupt("reason", &reason))?,
        reported_at: at.to_jiff(),
    })
}
