//! Next dates by state: written with their run, read by pages and API. A date is a proposal to the authority, no verification.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::{OperatorId, PileId};

use crate::row::{SqlTime, asked_day, storable};
use crate::{Store, StoreError};

/// Dates on one page.
pub const DATES_PER_PAGE_MAX: u32 = 200;

/// A pile's next date, to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct DateRow {
    /// Which pile.
    pub pile_no: i64,
    /// By when; none where it is withdrawn.
    pub due_on: Option<Date>,
    /// Why there is none, in the words of `assessment::interval`.
    pub withdrawn: Vec<String>,
    /// Energy at stake in a year, kWh.
    pub risk_kwh: Option<f64>,
    /// Why it would be among those visited next: `by_lot` or `by_risk`.
    pub chosen: Option<&'static str>,
}

/// A pile's next date as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateRecord {
    /// When the run was made.
    pub as_of: Timestamp,
    /// Which pile.
    pub pile_id: String,
    /// By when.
    pub due_on: Option<Date>,
    /// Why there is none.
    pub withdrawn: Vec<String>,
}

const SELECT: &str = "
SELECT run.as_of, pile_id, due_on, withdrawn FROM next_date JOIN assessment_run run USING (run_no) JOIN pile USING (pile_no)
WHERE run_no = (SELECT max(run_no) FROM assessment_run) ";

impl Store {
    /// The next date of a pile, by the newest run.
    pub async fn next_date(&self, pile_id: &PileId) -> Result<Option<DateRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(&format!("{SELECT} AND pile_id = $1"))
            .bind(pile_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(Row::record))
    }

    /// Next dates that a run stored, by pile; none where a later run of its day took their place.
    pub async fn dates_of_run(&self, run_no: i64) -> Result<Vec<DateRecord>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT run.as_of, pile_id, due_on, withdrawn FROM next_date JOIN assessment_run run USING (run_no) JOIN pile USING (pile_no)
             WHERE run_no = $1 ORDER BY pile_id",
        )
        .bind(run_no)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Row::record).collect())
    }

    /// Next dates of an operator's piles or of all, the earliest first and those without one last; after one with this date and pile, at
    /// most `limit`.
    pub async fn next_dates(
        &self,
        scope: Option<&OperatorId>,
        after: Option<(Option<Date>, &str)>,
        limit: u32,
    ) -> Result<Vec<DateRecord>, StoreError> {
        let query = format!(
            "{SELECT} AND ($1::text IS NULL OR pile.operator_id = $1)
               AND ($3::text IS NULL OR (coalesce(due_on, 'infinity'), pile_id) > (coalesce($2::date, 'infinity'), $3))
             ORDER BY coalesce(due_on, 'infinity'), pile_id LIMIT $4"
        );
        let rows: Vec<Row> = sqlx::query_as(&query)
            .bind(scope.map(OperatorId::as_str))
            .bind(after.and_then(|(due, _)| due).map(asked_day))
            .bind(after.map(|(_, pile)| storable(pile)))
            .bind(i64::from(limit.min(DATES_PER_PAGE_MAX + 1)))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Row::record).collect())
    }
}

/// Writes a run's dates.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    run_no: i64,
    dates: &[DateRow],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO next_date (run_no, pile_no, due_on, withdrawn, risk_kwh, chosen)
         SELECT $1, pile_no, due_on, coalesce(string_to_array(nullif(withdrawn, ''), ','), '{}'), risk_kwh, chosen
         FROM unnest($2::bigint[], $3::date[], $4::text[], $5::float8[], $6::text[]) AS d(pile_no, due_on, withdrawn, risk_kwh, chosen)",
    )
    .bind(run_no)
    .bind(dates.iter().map(|d| d.pile_no).collect::<Vec<_>>())
    .bind(dates.iter().map(|d| d.due_on.map(ToSqlx::to_sqlx)).collect::<Vec<_>>())
    .bind(dates.iter().map(|d| d.withdrawn.join(",")).collect::<Vec<_>>())
    .bind(dates.iter().map(|d| d.risk_kwh).collect::<Vec<_>>())
    .bind(dates.iter().map(|d| d.chosen).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    as_of: SqlTime,
    pile_id: String,
    due_on: Option<jiff_sqlx::Date>,
    withdrawn: Vec<String>,
}

impl Row {
    fn record(self) -> DateRecord {
        DateRecord {
            as_of: self.as_of.to_jiff(),
            pile_id: self.pile_id,
            due_on: self.due_on.map(jiff_sqlx::Date::to_jiff),
            withdrawn: self.withdrawn,
        }
    }
}
