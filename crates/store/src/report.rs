//! What drivers report of a pile: a reason of a fixed list, a receipt number, a time. Never who reported it.
//!
//! Called by `api::report` and the operators' pages. Reports are appended and change no standing by themselves.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use veripile_pile::{OperatorId, PileId};

use crate::row::{SqlTime, corrupt, storable};
use crate::{Store, StoreError};

/// Groups of reports on one page.
const GROUPS_PER_PAGE: usize = 100;

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

/// The reports on a pile for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportGroup {
    /// Of which pile.
    pub pile_id: PileId,
    /// What is wrong.
    pub reason: ReportReason,
    /// How many there are.
    pub count: u64,
    /// When the newest came.
    pub newest_at: Timestamp,
    /// Numbers of the newest ten.
    pub receipts: Vec<String>,
}

/// One page of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportGroups {
    /// Danger first, then those reported last.
    pub groups: Vec<ReportGroup>,
    /// Whether there is a page after this.
    pub has_next: bool,
    /// How many reports there are on all pages; 0 on a page beyond the last.
    pub total: u64,
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

    /// A page, from 1, of the reports on the piles of an operator, or of all, by pile and reason: what is reported often hides nothing.
    pub async fn report_groups(
        &self,
        scope: Option<&OperatorId>,
        page: u32,
    ) -> Result<ReportGroups, StoreError> {
        // One more than is shown tells whether there is a next page.
        let mut rows: Vec<GroupRow> = sqlx::query_as(
            "SELECT pile_id, reason, count(*) AS reports, max(reported_at) AS newest_at,
                    (array_agg(receipt ORDER BY report_no DESC))[1:10] AS receipts, (sum(count(*)) OVER ())::bigint AS total
             FROM report JOIN pile USING (pile_no) WHERE $1::text IS NULL OR operator_id = $1
             GROUP BY pile_id, reason ORDER BY reason <> 'danger', max(report_no) DESC LIMIT $2 OFFSET $3",
        )
        .bind(scope.map(OperatorId::as_str))
        .bind(GROUPS_PER_PAGE as i64 + 1)
        .bind(i64::from(page.max(1) - 1) * GROUPS_PER_PAGE as i64)
        .fetch_all(&self.pool)
        .await?;
        let has_next = GROUPS_PER_PAGE < rows.len();
        rows.truncate(GROUPS_PER_PAGE);
        let total = rows.first().map_or(0, |row| row.total.unsigned_abs());
        let groups = rows.into_iter().map(GroupRow::group).collect::<Result<_, _>>()?;
        Ok(ReportGroups { groups, has_next, total })
    }
}

#[derive(FromRow)]
struct GroupRow {
    pile_id: String,
    reason: String,
    reports: i64,
    newest_at: SqlTime,
    receipts: Vec<String>,
    total: i64,
}

impl GroupRow {
    fn group(self) -> Result<ReportGroup, StoreError> {
        Ok(ReportGroup {
            pile_id: PileId::parse(&self.pile_id).map_err(|_| corrupt("pile", &self.pile_id))?,
            reason: ReportReason::from_word(&self.reason).ok_or_else(|| corrupt("reason", &self.reason))?,
            count: self.reports.unsigned_abs(),
            newest_at: self.newest_at.to_jiff(),
            receipts: self.receipts,
        })
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
