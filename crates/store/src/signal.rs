//! Findings of assessments and operators' balances: written with their run, read by the operators' pages and the API.
//!
//! A finding is a reason to look, never a verdict: whoever shows it says so, and to nobody but those in charge.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use veripile_pile::{OperatorId, PileId, StationId};

use crate::row::{SqlTime, jiff_time, sql_time, storable};
use crate::{Store, StoreError};

/// Findings on one page.
pub const SIGNALS_PER_PAGE_MAX: u32 = 200;

/// Balances on one page: the operators of a province.
const BALANCES_MAX: i64 = 1_000;

/// Whom a finding speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalSubject {
    /// A pile, by number and identifier.
    Pile(i64, PileId),
    /// A station.
    Station(StationId),
    /// An operator.
    Operator(OperatorId),
}

/// One thing said of a subject: a key, and what its sentence is filled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saying {
    /// Which sentence, as `assessment::signals::Phrase` names it.
    pub key: String,
    /// Values by name.
    pub values: BTreeMap<String, String>,
}

/// A finding to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalRow {
    /// Whom it speaks of.
    pub subject: SignalSubject,
    /// What, in the word of `signals.csv`.
    pub code: &'static str,
    /// info, warning or critical.
    pub severity: &'static str,
    /// The statistic.
    pub statistic: f64,
    /// Probability of as much by chance; none for an exact finding.
    pub p_value: Option<f64>,
    /// Begin of the time it speaks of.
    pub from: Option<Timestamp>,
    /// Its end.
    pub to: Option<Timestamp>,
    /// What is said of it, in order.
    pub said: Vec<Saying>,
    /// Numbers of the charges it rests on most.
    pub charges: Vec<i64>,
}

/// A finding as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalRecord {
    /// Its place in its run, a cursor.
    pub place: i32,
    /// When the run was made.
    pub as_of: Timestamp,
    /// The pile it speaks of.
    pub pile_id: Option<String>,
    /// The station.
    pub station_id: Option<String>,
    /// The operator.
    pub operator_id: Option<String>,
    /// What.
    pub code: String,
    /// info, warning or critical.
    pub severity: String,
    /// The statistic.
    pub statistic: f64,
    /// Probability of as much by chance; none for an exact finding.
    pub p_value: Option<f64>,
    /// Begin of the time it speaks of.
    pub from: Option<Timestamp>,
    /// Its end.
    pub to: Option<Timestamp>,
    /// What is said of it, in order; empty for a finding of before, which has `detail`.
    pub said: Vec<Saying>,
    /// An English sentence, of a finding of before; else empty.
    pub detail: String,
    /// Numbers of charges.
    pub charges: Vec<i64>,
}

/// The newest run, where it looked for no findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLookedFor {
    /// When it was made.
    pub as_of: Timestamp,
    /// Charges of its window: too many.
    pub charges: i64,
}

/// How an operator's errors balance. Errors are fractions.
#[derive(Debug, Clone, PartialEq)]
pub struct BalanceRow {
    /// Which operator.
    pub operator_id: OperatorId,
    /// Piles with a level.
    pub piles: usize,
    /// Energy they registered, kWh.
    pub energy_kwh: Decimal,
    /// Mean error, weighted by energy.
    pub mean_error: Option<f64>,
    /// Its standard uncertainty.
    pub standard_uncertainty: Option<f64>,
    /// Probability, over all operators.
    pub p_value: Option<f64>,
    /// balanced, biased or undecided.
    pub balance: &'static str,
    /// Energy paid for and not had, kWh: value, lower and upper end of its 95 % interval.
    pub excess_kwh: Option<[f64; 3]>,
    /// What was paid for it, CNY, in the same way, where prices are known.
    pub excess_cny: Option<[Decimal; 3]>,
    /// Share of the energy whose price is known.
    pub priced_share: f64,
}

/// A balance as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BalanceRecord {
    /// When the run was made.
    pub as_of: Timestamp,
    /// Which operator.
    pub operator_id: String,
    /// Its names.
    pub names: (String, String),
    /// Piles with a level.
    pub piles: i64,
    /// Energy they registered, kWh.
    pub energy_kwh: Decimal,
    /// Mean error, weighted by energy.
    pub mean_error: Option<f64>,
    /// Its standard uncertainty.
    pub standard_uncertainty: Option<f64>,
    /// Probability, over all operators.
    pub p_value: Option<f64>,
    /// balanced, biased or undecided.
    pub balance: String,
    /// Energy paid for and not had, kWh: value, lower and upper end of its 95 % interval.
    pub excess_kwh: Option<[f64; 3]>,
    /// What was paid for it, CNY, in the same way, where prices are known.
    pub excess_cny: Option<[Decimal; 3]>,
    /// Share of the energy whose price is known; none: the run did not look.
    pub priced_share: Option<f64>,
}

/// A condition follows.
const SELECT: &str = "
SELECT signal.place, run.as_of, pile.pile_id, signal.station_id, signal.operator_id, code, severity, statistic, p_value, from_at, to_at,
       said, detail, charges
FROM signal JOIN assessment_run run USING (run_no) LEFT JOIN pile USING (pile_no)
LEFT JOIN station ON station.station_id = signal.station_id
WHERE run_no = (SELECT max(run_no) FROM assessment_run) ";

impl Store {
    /// Findings of the newest run about one pile; at most [`SIGNALS_PER_PAGE_MAX`].
    pub async fn signals_of_pile(&self, pile_id: &PileId) -> Result<Vec<SignalRecord>, StoreError> {
        let query = format!("{SELECT} AND pile.pile_id = $1 ORDER BY place LIMIT $2");
        let rows: Vec<Row> = sqlx::query_as(&query)
            .bind(pile_id.as_str())
            .bind(i64::from(SIGNALS_PER_PAGE_MAX))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Row::record).collect())
    }

    /// Findings of the newest run about an operator, its stations and piles, or all; those after a place, at most `limit`.
    pub async fn signals(
        &self,
        scope: Option<&OperatorId>,
        severity: Option<&str>,
        after: i32,
        limit: u32,
    ) -> Result<Vec<SignalRecord>, StoreError> {
        let query = format!(
            "{SELECT} AND ($1::text IS NULL OR $1 IN (pile.operator_id, station.operator_id, signal.operator_id))
               AND ($2::text IS NULL OR severity = $2) AND place > $3 ORDER BY place LIMIT $4"
        );
        let rows: Vec<Row> = sqlx::query_as(&query)
            .bind(scope.map(OperatorId::as_str))
            .bind(severity.map(storable))
            .bind(after)
            .bind(i64::from(limit.min(SIGNALS_PER_PAGE_MAX + 1)))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(Row::record).collect())
    }

    /// Whether the newest run looked for no findings: then there is none, whatever there is to find.
    pub async fn signals_not_looked_for(&self) -> Result<Option<NotLookedFor>, StoreError> {
        let row: Option<(SqlTime, i64)> = sqlx::query_as(
            "SELECT as_of, coalesce((basis->>'charges')::bigint, 0) FROM assessment_run
             WHERE run_no = (SELECT max(run_no) FROM assessment_run) AND basis @> '{\"signals_skipped\": true}'",
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(as_of, charges)| NotLookedFor { as_of: as_of.to_jiff(), charges }))
    }

    /// Signals that the newest run could not ask for, by code: of these there is no finding, whatever there is to find.
    pub async fn signals_not_asked(&self) -> Result<Vec<String>, StoreError> {
        let codes = sqlx::query_scalar(
            "SELECT code FROM assessment_run, jsonb_array_elements_text(basis->'signals_not_asked') AS told(code)
             WHERE run_no = (SELECT max(run_no) FROM assessment_run)",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(codes)
    }

    /// Balances of the newest run, of one operator or of all, those that are biased first.
    pub async fn balances(&self, scope: Option<&OperatorId>) -> Result<Vec<BalanceRecord>, StoreError> {
        let rows: Vec<BalanceOf> = sqlx::query_as(
            "SELECT run.as_of, operator_id, name_zh, name_en, piles, energy_kwh, mean_error, standard_uncertainty, p_value, balance,
                    excess_kwh, excess_kwh_lower, excess_kwh_upper, excess_cny, excess_cny_lower, excess_cny_upper, priced_share
             FROM operator_balance JOIN assessment_run run USING (run_no) JOIN operator USING (operator_id)
             WHERE run_no = (SELECT max(run_no) FROM assessment_run) AND ($1::text IS NULL OR operator_id = $1)
             ORDER BY balance <> 'biased', operator_id LIMIT $2",
        )
        .bind(scope.map(OperatorId::as_str))
        .bind(BALANCES_MAX)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(BalanceOf::record).collect())
    }
}

/// Writes a run's findings, in their order.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    run_no: i64,
    signals: &[SignalRow],
) -> Result<(), StoreError> {
    let number = |signal: &SignalRow| match &signal.subject {
        SignalSubject::Pile(pile_no, _) => Some(*pile_no),
        _ => None,
    };
    let station = |signal: &SignalRow| match &signal.subject {
        SignalSubject::Station(id) => Some(id.to_string()),
        _ => None,
    };
    let operator = |signal: &SignalRow| match &signal.subject {
        SignalSubject::Operator(id) => Some(id.to_string()),
        _ => None,
    };
    // Arrays of arrays do not travel through `unnest`.
    let charges =
        |signal: &SignalRow| signal.charges.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    sqlx::query(
        "INSERT INTO signal (run_no, place, pile_no, station_id, operator_id, code, severity, statistic, p_value, from_at, to_at, said,
                             charges)
         SELECT $1, place, pile_no, station_id, operator_id, code, severity, statistic, p_value, from_at, to_at, said,
                coalesce(string_to_array(nullif(charges, ''), ',')::bigint[], '{}')
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::float8[], $9::timestamptz[],
                     $10::timestamptz[], $11::jsonb[], $12::text[])
              WITH ORDINALITY AS s(pile_no, station_id, operator_id, code, severity, statistic, p_value, from_at, to_at, said, charges,
                                   place)",
    )
    .bind(run_no)
    .bind(signals.iter().map(number).collect::<Vec<_>>())
    .bind(signals.iter().map(station).collect::<Vec<_>>())
    .bind(signals.iter().map(operator).collect::<Vec<_>>())
    .bind(signals.iter().map(|s| s.code).collect::<Vec<_>>())
    .bind(signals.iter().map(|s| s.severity).collect::<Vec<_>>())
    .bind(signals.iter().map(|s| s.statistic).collect::<Vec<_>>())
    .bind(signals.iter().map(|s| s.p_value).collect::<Vec<_>>())
    .bind(signals.iter().map(|s| sql_time(s.from)).collect::<Vec<_>>())
    .bind(signals.iter().map(|s| sql_time(s.to)).collect::<Vec<_>>())
    .bind(signals.iter().map(said).collect::<Vec<_>>())
    .bind(signals.iter().map(charges).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What a finding says, fit for a `jsonb` column: chargers choose the names of their firmware.
fn said(signal: &SignalRow) -> Json<Vec<Saying>> {
    let fit = |said: &Saying| Saying {
        key: said.key.clone(),
        values: said
            .values
            .iter()
            .map(|(name, value)| (name.clone(), storable(value).into_owned()))
            .collect(),
    };
    Json(signal.said.iter().map(fit).collect())
}

/// Writes a run's balances.
pub(crate) async fn insert_balances(
    connection: &mut PgConnection,
    run_no: i64,
    balances: &[BalanceRow],
) -> Result<(), StoreError> {
    let excess = |end: usize| balances.iter().map(|b| b.excess_kwh.map(|ends| ends[end])).collect::<Vec<_>>();
    let money = |end: usize| balances.iter().map(|b| b.excess_cny.map(|ends| ends[end])).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO operator_balance (run_no, operator_id, piles, energy_kwh, mean_error, standard_uncertainty, p_value, balance,
                                       excess_kwh, excess_kwh_lower, excess_kwh_upper, excess_cny, excess_cny_lower,
                                       excess_cny_upper, priced_share)
         SELECT $1, b.* FROM unnest($2::text[], $3::bigint[], $4::numeric[], $5::float8[], $6::float8[], $7::float8[], $8::text[],
                                    $9::float8[], $10::float8[], $11::float8[], $12::numeric[], $13::numeric[], $14::numeric[],
                                    $15::float8[]) AS b",
    )
    .bind(run_no)
    .bind(balances.iter().map(|b| b.operator_id.as_str()).collect::<Vec<_>>())
    .bind(balances.iter().map(|b| b.piles as i64).collect::<Vec<_>>())
    .bind(balances.iter().map(|b| b.energy_kwh).collect::<Vec<_>>())
    .bind(balances.iter().map(|b| b.mean_error).collect::<Vec<_>>())
    .bind(balances.iter().map(|b| b.standard_uncertainty).collect::<Vec<_>>())
    .bind(balances.iter().map(|b| b.p_value).collect::<Vec<_>>())
    .bind(balances.iter().map(|b| b.balance).collect::<Vec<_>>())
    .bind(excess(0))
    .bind(excess(1))
    .bind(excess(2))
    .bind(money(0))
    .bind(money(1))
    .bind(money(2))
    .bind(balances.iter().map(|b| b.priced_share).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    place: i32,
    as_of: SqlTime,
    pile_id: Option<String>,
    station_id: Option<String>,
    operator_id: Option<String>,
    code: String,
    severity: String,
    statistic: f64,
    p_value: Option<f64>,
    from_at: Option<SqlTime>,
    to_at: Option<SqlTime>,
    said: Option<Json<Vec<Saying>>>,
    detail: String,
    charges: Vec<i64>,
}

impl Row {
    fn record(self) -> SignalRecord {
        SignalRecord {
            place: self.place,
            as_of: self.as_of.to_jiff(),
            pile_id: self.pile_id,
            station_id: self.station_id,
            operator_id: self.operator_id,
            code: self.code,
            severity: self.severity,
            statistic: self.statistic,
            p_value: self.p_value,
            from: jiff_time(self.from_at),
            to: jiff_time(self.to_at),
            said: self.said.map(|Json(said)| said).unwrap_or_default(),
            detail: self.detail,
            charges: self.charges,
        }
    }
}

#[derive(FromRow)]
struct BalanceOf {
    as_of: SqlTime,
    operator_id: String,
    name_zh: String,
    name_en: String,
    piles: i64,
    energy_kwh: Decimal,
    mean_error: Option<f64>,
    standard_uncertainty: Option<f64>,
    p_value: Option<f64>,
    balance: String,
    excess_kwh: Option<f64>,
    excess_kwh_lower: Option<f64>,
    excess_kwh_upper: Option<f64>,
    excess_cny: Option<Decimal>,
    excess_cny_lower: Option<Decimal>,
    excess_cny_upper: Option<Decimal>,
    priced_share: Option<f64>,
}

/// A value with both ends of its interval, if all three are there.
fn ends<T>(value: Option<T>, lower: Option<T>, upper: Option<T>) -> Option<[T; 3]> {
    Some([value?, lower?, upper?])
}

impl BalanceOf {
    fn record(self) -> BalanceRecord {
        BalanceRecord {
            as_of: self.as_of.to_jiff(),
            operator_id: self.operator_id,
            names: (self.name_zh, self.name_en),
            piles: self.piles,
            energy_kwh: self.energy_kwh,
            mean_error: self.mean_error,
            standard_uncertainty: self.standard_uncertainty,
            p_value: self.p_value,
            balance: self.balance,
            excess_kwh: ends(self.excess_kwh, self.excess_kwh_lower, self.excess_kwh_upper),
            excess_cny: ends(self.excess_cny, self.excess_cny_lower, self.excess_cny_upper),
            priced_share: self.priced_share,
        }
    }
}
