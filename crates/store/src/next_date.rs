//! Next dates by state: written with their run, read by pages and API. A date is a proposal to the authority, no verification.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::proposal::{self, Withdrawn};
use veripile_pile::{OperatorId, PileId, Standing};

use crate::row::{SqlTime, asked_day, corrupt, jiff_time, storable};
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

/// A pile's next date as its run said, with what tells whether it still holds.
#[derive(Debug, Clone, PartialEq)]
pub struct DateRecord {
    /// When the run was made.
    pub as_of: Timestamp,
    /// Which pile.
    pub pile_id: String,
    /// By when.
    pub due_on: Option<Date>,
    /// Why there is none.
    pub withdrawn: Vec<String>,
    /// What is known of the pile by now.
    pub standing: Standing,
    /// When it was last heard of.
    pub last_heard_at: Option<Timestamp>,
}

impl DateRecord {
    /// The words of why it does not hold now, in the order of the enum; none of a date that does. What its run said stays said.
    pub fn lapsed(&self, now: Timestamp) -> Vec<&'static str> {
        let lapsed = proposal::lapsed(self.as_of, &self.standing, self.last_heard_at, now);
        let is_said = |reason: &Withdrawn| self.withdrawn.iter().any(|word| word == reason.word());
        Withdrawn::ALL
            .into_iter()
            .filter(|reason| is_said(reason) || lapsed.contains(reason))
            .map(Withdrawn::word)
            .collect()
    }
}

/// What a run said of each pile: by when, or why not.
pub type SaidOfRun = (String, (Option<Date>, Vec<String>));

const SELECT: &str = "
SELECT run.as_of, pile_no, pile_id, due_on, withdrawn
FROM next_date JOIN assessment_run run USING (run_no) JOIN pile USING (pile_no)
WHERE run_no = (SELECT max(run_no) FROM assessment_run) ";

/// What the newest run said, with what is known by now of those piles alone that are told.
fn with_today(said: &str) -> String {
    format!(
        "SELECT as_of, pile_id, due_on, withdrawn, live.last_seen, standing.body
         FROM ({said}) AS said LEFT JOIN pile_live AS live USING (pile_no) LEFT JOIN standing USING (pile_no)
         ORDER BY coalesce(due_on, 'infinity'), pile_id"
    )
}

impl Store {
    /// The next date of a pile, by the newest run, however old that is.
    pub async fn next_date(&self, pile_id: &PileId) -> Result<Option<DateRecord>, StoreError> {
        let row: Option<Row> = sqlx::query_as(&with_today(&format!("{SELECT} AND pile_id = $1")))
            .bind(pile_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map(Row::record).transpose()
    }

    /// Next dates that a run stored, by pile; none where a later run of its day took their place.
    pub async fn dates_of_run(&self, run_no: i64) -> Result<Vec<SaidOfRun>, StoreError> {
        let rows: Vec<(String, Option<jiff_sqlx::Date>, Vec<String>)> = sqlx::query_as(
            "SELECT pile_id, due_on, withdrawn FROM next_date JOIN pile USING (pile_no) WHERE run_no = $1 ORDER BY pile_id",
        )
        .bind(run_no)
        .fetch_all(&self.pool)
        .await?;
        let said = |(pile_id, due_on, withdrawn): (String, Option<jiff_sqlx::Date>, Vec<String>)| {
            (pile_id, (due_on.map(jiff_sqlx::Date::to_jiff), withdrawn))
        };
        Ok(rows.into_iter().map(said).collect())
    }

    /// Next dates of an operator's piles or of all, the earliest first and those without one by their run last; after one with this date and
    /// pile, at most `limit`.
    pub async fn next_dates(
        &self,
        scope: Option<&OperatorId>,
        after: Option<(Option<Date>, &str)>,
        limit: u32,
    ) -> Result<Vec<DateRecord>, StoreError> {
        let said = format!(
            "{SELECT} AND ($1::text IS NULL OR pile.operator_id = $1)
               AND ($3::text IS NULL OR (coalesce(due_on, 'infinity'), pile_id) > (coalesce($2::date, 'infinity'), $3))
             ORDER BY coalesce(due_on, 'infinity'), pile_id LIMIT $4"
        );
        let rows: Vec<Row> = sqlx::query_as(&with_today(&said))
            .bind(scope.map(OperatorId::as_str))
            .bind(after.and_then(|(due, _)| due).map(asked_day))
            .bind(after.map(|(_, pile)| storable(pile)))
            .bind(i64::from(limit.min(DATES_PER_PAGE_MAX + 1)))
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Row::record).collect()
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
    last_seen: Option<SqlTime>,
    body: Option<serde_json::Value>,
}

impl Row {
    fn record(self) -> Result<DateRecord, StoreError> {
        let standing = self.body.map(serde_json::from_value).transpose();
        Ok(DateRecord {
            as_of: self.as_of.to_jiff(),
            pile_id: self.pile_id,
            due_on: self.due_on.map(jiff_sqlx::Date::to_jiff),
            withdrawn: self.withdrawn,
            standing: standing.map_err(|error| corrupt("standing", error))?.unwrap_or_default(),
            last_heard_at: jiff_time(self.last_seen),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use veripile_pile::{Certified, Estimate, RemoteVerdict};

    use super::*;

    /// Verified a year ago, compared and heard of on the day before its assessment.
    fn record(as_of: Timestamp, withdrawn: &[&str]) -> DateRecord {
        let day_before = as_of - SignedDuration::from_hours(24);
        let year = SignedDuration::from_hours(24 * 365);
        let certificate = Certified {
            number: "C".to_owned(),
            issuer: "计量所".to_owned(),
            at: as_of - year,
            valid_until: as_of + year,
            questioned_at: None,
        };
        let estimate = Estimate {
            as_of,
            component: 0,
            grounded: true,
            charges: 900,
            period: Some((as_of - year, day_before)),
            error: Some(0.001),
            standard_uncertainty: Some(0.001),
            probability_conform: Some(1.0),
            limit: 0.01,
            rule: String::new(),
            verdict: RemoteVerdict::Conform,
        };
        DateRecord {
            as_of,
            pile_id: "P".to_owned(),
            due_on: withdrawn.is_empty().then(|| jiff::civil::date(2028, 1, 1)),
            withdrawn: withdrawn.iter().map(|word| (*word).to_owned()).collect(),
            standing: Standing {
                certificate: Some(certificate),
                estimate: Some(estimate),
                ..Standing::default()
            },
            last_heard_at: Some(day_before),
        }
    }

    #[test]
    fn what_its_run_said_stays_said_and_what_lapsed_since_is_said_too() {
        let as_of: Timestamp = "2026-07-01T00:00:00Z".parse().expect("literal");
        let after = |days: i64| as_of + SignedDuration::from_hours(24 * days);
        let good = record(as_of, &[]);
        assert_eq!(good.lapsed(after(13)), [""; 0]);
        assert_eq!(good.lapsed(after(14)), ["connection_lapsed"]);
        assert_eq!(good.lapsed(after(15)), ["connection_lapsed", "assessment_old"]);
        let withdrawn = record(as_of, &["not_reliable", "few_charges"]);
        assert_eq!(withdrawn.lapsed(after(1)), ["few_charges", "not_reliable"]);
        let stopped = Standing { stopped_at: Some(after(1)), ..good.standing.clone() };
        let stopped = DateRecord { standing: stopped, ..good };
        assert_eq!(stopped.lapsed(after(2)), ["stopped"]);
    }
}
