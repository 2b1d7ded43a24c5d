//! Errors week by week: what the filter said of each pile, the steps it found, and what it knows at the end of finished weeks.
//!
//! Written by `app::assess`, read by it, by pages and API. Weeks are numbered from the one that began on Monday, 29 December 1969.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::Connection as _;
use sqlx::FromRow;
use veripile_pile::PileId;

use crate::row::SqlTime;
use crate::{Store, StoreError};

/// Weeks told of one pile: two years.
pub const WEEKS_PER_PAGE_MAX: u32 = 104;

/// Events told of one pile, the newest.
const EVENTS_MAX: i64 = 100;

/// Finished weeks whose state is kept. A charge that is told later than that is missed by the filter, not by whole assessments.
pub const STATES_KEPT: i32 = 5;

/// What the filter knows is kept in pieces of so many bytes: a field takes 1 GB, and each is in memory several times while it is written or read.
const PIECE_BYTES: usize = 1 << 26;

/// A pile's week. Errors are fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeeklyError {
    /// The week.
    pub week: i32,
    /// Error at its end.
    pub error: f64,
    /// Its standard uncertainty.
    pub standard_uncertainty: f64,
    /// Comparisons of the week.
    pub charges: i64,
    /// How much the week's comparisons differed from what was expected, and the variance of that, enlarged where they are few and differ
    /// very much; none without comparisons.
    pub innovation: Option<(f64, f64)>,
}

/// A step of a pile's error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorStep {
    /// The week whose comparisons told it.
    pub found_week: i32,
    /// The most likely first week after it.
    pub first_week: i32,
    /// First and last of the weeks in which it began, with 95 % of the probability.
    pub range: (i32, i32),
    /// Size, fraction.
    pub size: f64,
    /// Its standard uncertainty.
    pub standard_uncertainty: f64,
    /// Twice the logarithm of the likelihood ratio.
    pub statistic: f64,
}

/// What the filter said of a week.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilteredWeek {
    /// The week.
    pub week: i32,
    /// By pile number.
    pub errors: Vec<(i64, WeeklyError)>,
    /// By pile number.
    pub steps: Vec<(i64, ErrorStep)>,
    /// What it knows at its end; none while the week is open.
    pub state: Option<Vec<u8>>,
}

impl Store {
    /// The newest state of the filter at the end of a week before `week`, and that week.
    pub async fn filter_state_before(&self, week: i32) -> Result<Option<(i32, Vec<u8>)>, StoreError> {
        let pieces = sqlx::query_as(
            "SELECT week, state FROM filter_week WHERE week = (SELECT max(week) FROM filter_week WHERE week < $1) ORDER BY piece",
        )
        .bind(week)
        .fetch_all(&self.pool)
        .await?;
        Ok(joined(pieces))
    }

    /// Numbers of piles; those that are not known are left out.
    pub async fn pile_numbers(&self, piles: &[PileId]) -> Result<HashMap<PileId, i64>, StoreError> {
        let ids: Vec<&str> = piles.iter().map(PileId::as_str).collect();
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT pile_id, pile_no FROM pile WHERE pile_id = ANY($1)")
                .bind(ids)
                .fetch_all(&self.pool)
                .await?;
        let known: HashMap<String, i64> = rows.into_iter().collect();
        Ok(piles.iter().filter_map(|pile| Some((pile.clone(), *known.get(pile.as_str())?))).collect())
    }

    /// Writes weeks in place of everything from the first of them on, in one transaction.
    pub async fn save_weeks(&self, weeks: &[FilteredWeek]) -> Result<(), StoreError> {
        let Some(first) = weeks.first().map(|week| week.week) else { return Ok(()) };
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        for statement in [
            "DELETE FROM filter_week WHERE week >= $1",
            "DELETE FROM weekly_error WHERE week >= $1",
            "DELETE FROM error_step WHERE found_week >= $1",
        ] {
            sqlx::query(statement).bind(first).execute(&mut *transaction).await?;
        }
        let last_states = weeks.iter().rev().filter(|week| week.state.is_some()).take(STATES_KEPT as usize);
        for week in last_states {
            for (number, piece) in pieces(week.state.as_deref().unwrap_or_default(), PIECE_BYTES) {
                sqlx::query("INSERT INTO filter_week (week, piece, state) VALUES ($1, $2, $3)")
                    .bind(week.week)
                    .bind(number)
                    .bind(piece)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        sqlx::query("DELETE FROM filter_week WHERE week <= (SELECT max(week) FROM filter_week) - $1")
            .bind(STATES_KEPT)
            .execute(&mut *transaction)
            .await?;
        for week in weeks {
            let errors = &week.errors;
            sqlx::query(
                "INSERT INTO weekly_error (pile_no, week, error, standard_uncertainty, charges, innovation, innovation_variance)
                 SELECT pile_no, $1, error, u, charges, innovation, variance
                 FROM unnest($2::bigint[], $3::float8[], $4::float8[], $5::bigint[], $6::float8[], $7::float8[])
                      AS e(pile_no, error, u, charges, innovation, variance)",
            )
            .bind(week.week)
            .bind(errors.iter().map(|(pile_no, _)| *pile_no).collect::<Vec<_>>())
            .bind(errors.iter().map(|(_, e)| e.error).collect::<Vec<_>>())
            .bind(errors.iter().map(|(_, e)| e.standard_uncertainty).collect::<Vec<_>>())
            .bind(errors.iter().map(|(_, e)| e.charges).collect::<Vec<_>>())
            .bind(errors.iter().map(|(_, e)| e.innovation.map(|(m, _)| m)).collect::<Vec<_>>())
            .bind(errors.iter().map(|(_, e)| e.innovation.map(|(_, s)| s)).collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await?;
            for (pile_no, step) in &week.steps {
                sqlx::query(
                    "INSERT INTO error_step (pile_no, found_week, first_week, earliest_week, latest_week, size, standard_uncertainty,
                                             statistic)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(pile_no)
                .bind(step.found_week)
                .bind(step.first_week)
                .bind(step.range.0)
                .bind(step.range.1)
                .bind(step.size)
                .bind(step.standard_uncertainty)
                .bind(step.statistic)
                .execute(&mut *transaction)
                .await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Weeks of a pile, newest first; at most [`WEEKS_PER_PAGE_MAX`].
    pub async fn weekly_errors(&self, pile_id: &PileId, limit: u32) -> Result<Vec<WeeklyError>, StoreError> {
        let rows: Vec<WeekRow> = sqlx::query_as(
            "SELECT week, error, standard_uncertainty, charges, innovation, innovation_variance
             FROM weekly_error JOIN pile USING (pile_no) WHERE pile_id = $1 ORDER BY week DESC LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(i64::from(limit.min(WEEKS_PER_PAGE_MAX)))
        .fetch_all(&self.pool)
        .await?;
        let week = |row: WeekRow| WeeklyError {
            week: row.week,
            error: row.error,
            standard_uncertainty: row.standard_uncertainty,
            charges: row.charges,
            innovation: row.innovation.zip(row.innovation_variance),
        };
        Ok(rows.into_iter().map(week).collect())
    }

    /// Steps of a pile, newest first.
    pub async fn error_steps(&self, pile_id: &PileId) -> Result<Vec<ErrorStep>, StoreError> {
        let rows: Vec<StepRow> = sqlx::query_as(
            "SELECT found_week, first_week, earliest_week, latest_week, size, error_step.standard_uncertainty, statistic
             FROM error_step JOIN pile USING (pile_no) WHERE pile_id = $1 ORDER BY found_week DESC LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(EVENTS_MAX)
        .fetch_all(&self.pool)
        .await?;
        let step = |row: StepRow| ErrorStep {
            found_week: row.found_week,
            first_week: row.first_week,
            range: (row.earliest_week, row.latest_week),
            size: row.size,
            standard_uncertainty: row.standard_uncertainty,
            statistic: row.statistic,
        };
        Ok(rows.into_iter().map(step).collect())
    }

    /// When a pile's firmware changed and to what, newest first; the first that it ever told is no change.
    pub async fn firmware_of_pile(&self, pile_id: &PileId) -> Result<Vec<(Timestamp, String)>, StoreError> {
        let rows: Vec<(SqlTime, String)> = sqlx::query_as(
            "SELECT at, version FROM firmware_change f JOIN pile USING (pile_no) WHERE pile_id = $1
               AND EXISTS (SELECT FROM firmware_change before WHERE before.pile_no = f.pile_no AND before.at < f.at)
             ORDER BY at DESC LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(EVENTS_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(at, version)| (at.to_jiff(), version)).collect())
    }
}

/// A state cut into pieces, with their numbers.
fn pieces(state: &[u8], length: usize) -> impl Iterator<Item = (i32, &[u8])> {
    (0..).zip(state.chunks(length))
}

/// Pieces of one week, in order, together.
fn joined(pieces: Vec<(i32, Vec<u8>)>) -> Option<(i32, Vec<u8>)> {
    pieces.into_iter().reduce(|(week, mut state), (_, piece)| {
        state.extend(piece);
        (week, state)
    })
}

#[derive(FromRow)]
struct WeekRow {
    week: i32,
    error: f64,
    standard_uncertainty: f64,
    charges: i64,
    innovation: Option<f64>,
    innovation_variance: Option<f64>,
}

#[derive(FromRow)]
struct StepRow {
    found_week: i32,
    first_week: i32,
    earliest_week: i32,
    latest_week: i32,
    size: f64,
    standard_uncertainty: f64,
    statistic: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_in_pieces_is_the_same_again() {
        let state: Vec<u8> = (0..25).collect();
        let cut: Vec<(i32, &[u8])> = pieces(&state, 10).collect();
        assert_eq!(cut, [(0, &state[..10]), (1, &state[10..20]), (2, &state[20..])]);
        assert_eq!(joined(cut.iter().map(|(_, piece)| (7, piece.to_vec())).collect()), Some((7, state)));
        assert_eq!(joined(vec![(7, vec![1, 2])]), Some((7, vec![1, 2])), "of before there were pieces");
        assert_eq!(joined(Vec::new()), None);
    }
}
