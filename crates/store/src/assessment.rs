//! What the assess role writes: a run with its estimates, signals, balances, next dates and standings, in one transaction.
//!
//! Called by `app::assess`, and by `app::check`, which makes runs again. What runs rest on is [`crate::evidence`]'s; nothing is computed
//! here.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use veripile_pile::{
    AccuracyClass, Estimate, OperatorId, Pile, PileId, PileKind, Place, RemoteVerdict, StationId,
};

use crate::next_date::{self, DateRow};
use crate::row::{SqlTime, asked_time, corrupt, jiff_time, sql_time};
use crate::signal::{self, BalanceRow, SignalRow};
use crate::{Store, StoreError, standing};

/// A finished assessment, ready to be written.
#[derive(Debug, Clone)]
pub struct AssessmentRun {
    /// The moment it speaks of.
    pub as_of: Timestamp,
    /// Name and version of the software.
    pub software: String,
    /// SHA-256 over its inputs in a fixed order.
    pub input_sha256: [u8; 32],
    /// Diagnostics, JSON.
    pub facts: serde_json::Value,
    /// What it takes to make it again: settings, window, what the evidence counted, JSON.
    pub basis: serde_json::Value,
    /// One estimate a pile.
    pub estimates: Vec<(i64, Estimate)>,
    /// SHA-256 over all of them.
    pub estimates_sha256: [u8; 32],
    /// What is remarkable.
    pub signals: Vec<SignalRow>,
    /// How operators' errors balance.
    pub balances: Vec<BalanceRow>,
    /// By when each pile is to be verified next, by its state.
    pub dates: Vec<DateRow>,
}

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// Its number.
    pub run_no: i64,
    /// The moment it speaks of.
    pub as_of: Timestamp,
    /// Name and version of the software.
    pub software: String,
    /// SHA-256 over its inputs.
    pub input_sha256: Vec<u8>,
    /// Diagnostics, JSON.
    pub facts: serde_json::Value,
    /// What it takes to make it again; none for a run of before that was kept.
    pub basis: Option<serde_json::Value>,
    /// SHA-256 over its estimates; none for a run of before that was kept.
    pub estimates_sha256: Option<Vec<u8>>,
}

/// A pile's verdict that a run changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictChange {
    /// Number of the run.
    pub run_no: i64,
    /// The moment it speaks of.
    pub as_of: Timestamp,
    /// The verdict before; none: there was no run before.
    pub before: Option<String>,
    /// The verdict since.
    pub verdict: String,
}

/// Changes of one pile's verdict told at once, the newest.
const CHANGES_MAX: i64 = 100;

/// What `estimate` and `verdict_change` both say of a pile.
const ESTIMATE: &str = "run_no, pile_no, as_of, component, grounded, charges, first_charge_at, last_charge_at, error, standard_uncertainty,
     probability_conform, mpe, rule, verdict";

impl Store {
    /// Every pile with its number.
    pub async fn all_piles(&self) -> Result<Vec<(i64, Pile)>, StoreError> {
        let rows: Vec<PileRow> = sqlx::query_as(
            "SELECT pile_no, pile_id, station_id, operator_id, kind, accuracy_class, power_kw, lon, lat, model, meter_serial
             FROM pile WHERE NOT inbox ORDER BY pile_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(PileRow::pile).collect()
    }

    /// Writes a run: its facts, its estimates, and every standing judged anew from all acts, in one transaction. Of the runs of before what
    /// is no longer asked for goes: see [`prune`]. Gives its number.
    pub async fn save_assessment(&self, run: &AssessmentRun) -> Result<i64, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let run_no: i64 = sqlx::query_scalar(
            "INSERT INTO assessment_run (as_of, software, input_sha256, facts, basis, estimates_sha256)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING run_no",
        )
        .bind(run.as_of.to_sqlx())
        .bind(&run.software)
        .bind(run.input_sha256.to_vec())
        .bind(&run.facts)
        .bind(&run.basis)
        .bind(run.estimates_sha256.to_vec())
        .fetch_one(&mut *transaction)
        .await?;
        signal::insert(&mut transaction, run_no, &run.signals).await?;
        signal::insert_balances(&mut transaction, run_no, &run.balances).await?;
        next_date::insert(&mut transaction, run_no, &run.dates).await?;
        insert_estimates(&mut transaction, run_no, &run.estimates).await?;
        insert_changes(&mut transaction, run_no).await?;
        prune(&mut transaction, run_no).await?;
        standing::judge(&mut transaction, &run.estimates, run.as_of).await?;
        transaction.commit().await?;
        Ok(run_no)
    }

    /// Number of the newest run.
    pub async fn newest_run(&self) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar("SELECT max(run_no) FROM assessment_run").fetch_one(&self.pool).await?)
    }

    /// A run, or the newest where none is named.
    pub async fn run(&self, run_no: Option<i64>) -> Result<Option<StoredRun>, StoreError> {
        type Row =
            (i64, SqlTime, String, Vec<u8>, serde_json::Value, Option<serde_json::Value>, Option<Vec<u8>>);
        let row: Option<Row> = sqlx::query_as(
            "SELECT run_no, as_of, software, input_sha256, facts, basis, estimates_sha256 FROM assessment_run
             WHERE $1::bigint IS NULL OR run_no = $1 ORDER BY run_no DESC LIMIT 1",
        )
        .bind(run_no)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(run_no, as_of, software, input_sha256, facts, basis, estimates_sha256)| StoredRun {
            run_no,
            as_of: as_of.to_jiff(),
            software,
            input_sha256,
            facts,
            basis,
            estimates_sha256,
        }))
    }

    /// The newest changes of a pile's verdict, newest first.
    pub async fn verdict_changes(&self, pile_id: &PileId) -> Result<Vec<VerdictChange>, StoreError> {
        let rows: Vec<(i64, SqlTime, Option<String>, String)> = sqlx::query_as(
            "SELECT run_no, as_of, verdict_before, verdict FROM verdict_change JOIN pile USING (pile_no) WHERE pile_id = $1
             ORDER BY run_no DESC LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(CHANGES_MAX)
        .fetch_all(&self.pool)
        .await?;
        let change = |(run_no, as_of, before, verdict): (i64, SqlTime, Option<String>, String)| {
            VerdictChange { run_no, as_of: as_of.to_jiff(), before, verdict }
        };
        Ok(rows.into_iter().map(change).collect())
    }

    /// Verdicts of the standings that stem from the run of a moment, by pile.
    pub async fn standing_verdicts(&self, as_of: Timestamp) -> Result<Vec<(PileId, String)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT pile_id, verdict FROM standing JOIN pile USING (pile_no)
             WHERE verdict IS NOT NULL AND (body->'estimate'->>'as_of')::timestamptz = $1 ORDER BY pile_id",
        )
        .bind(as_of.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(pile, verdict)| Ok((PileId::parse(&pile).map_err(|_| corrupt("pile", &pile))?, verdict)))
            .collect()
    }

    /// What is stored of a run's estimates, by pile: all, or those of the piles whose verdict it changed.
    pub async fn estimates_of_run(&self, run_no: i64) -> Result<Vec<(PileId, Estimate)>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct Row {
            pile_id: String,
            #[sqlx(flatten)]
            estimate: EstimateRow,
        }
        let query = format!(
            "SELECT pile_id, e.* FROM (
                 SELECT {ESTIMATE} FROM estimate WHERE run_no = $1
                 UNION ALL
                 SELECT {ESTIMATE} FROM verdict_change c WHERE run_no = $1
                    AND NOT EXISTS (SELECT FROM estimate e WHERE e.run_no = $1 AND e.pile_no = c.pile_no)) AS e
             JOIN pile USING (pile_no) ORDER BY pile_id"
        );
        let rows: Vec<Row> = sqlx::query_as(&query).bind(run_no).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let pile_id = PileId::parse(&row.pile_id).map_err(|_| corrupt("pile", &row.pile_id))?;
                Ok((pile_id, row.estimate.estimate()?))
            })
            .collect()
    }

    /// Estimates of a pile, those before a moment if one is named, newest first, the last of each day (UTC).
    pub async fn estimates(
        &self,
        pile_id: &PileId,
        before: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<Estimate>, StoreError> {
        let rows: Vec<EstimateRow> = sqlx::query_as(
            "SELECT estimate.* FROM estimate JOIN pile USING (pile_no)
             WHERE pile_id = $1 AND as_of < coalesce($2::timestamptz, 'infinity')
               AND day <= coalesce(($2::timestamptz AT TIME ZONE 'UTC')::date, 'infinity')
             ORDER BY day DESC LIMIT $3",
        )
        .bind(pile_id.as_str())
        .bind(before.map(asked_time))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(EstimateRow::estimate).collect()
    }
}

async fn insert_estimates(
    connection: &mut PgConnection,
    run_no: i64,
    estimates: &[(i64, Estimate)],
) -> Result<(), StoreError> {
    let column =
        |pick: fn(&Estimate) -> Option<f64>| estimates.iter().map(|(_, e)| pick(e)).collect::<Vec<_>>();
    let time = |pick: fn(&Estimate) -> Option<Timestamp>| {
        estimates.iter().map(|(_, e)| sql_time(pick(e))).collect::<Vec<_>>()
    };
    sqlx::query(
        "INSERT INTO estimate (run_no, pile_no, day, as_of, component, grounded, charges, first_charge_at, last_charge_at,
                               error, standard_uncertainty, probability_conform, mpe, rule, verdict)
         SELECT $1, pile_no, (as_of AT TIME ZONE 'UTC')::date, as_of, component, grounded, charges, first_charge_at,
                last_charge_at, error, standard_uncertainty, probability_conform, mpe, rule, verdict
         FROM unnest($2::bigint[], $3::timestamptz[], $4::bigint[], $5::boolean[], $6::bigint[],
              $7::timestamptz[], $8::timestamptz[], $9::float8[], $10::float8[], $11::float8[], $12::float8[],
              $13::text[], $14::text[])
              AS e(pile_no, as_of, component, grounded, charges, first_charge_at, last_charge_at, error,
                   standard_uncertainty, probability_conform, mpe, rule, verdict)
         ON CONFLICT (pile_no, day) DO UPDATE SET run_no = excluded.run_no, as_of = excluded.as_of,
             component = excluded.component, grounded = excluded.grounded, charges = excluded.charges,
             first_charge_at = excluded.first_charge_at, last_charge_at = excluded.last_charge_at,
             error = excluded.error, standard_uncertainty = excluded.standard_uncertainty,
             probability_conform = excluded.probability_conform, mpe = excluded.mpe, rule = excluded.rule,
             verdict = excluded.verdict",
    )
    .bind(run_no)
    .bind(estimates.iter().map(|(pile_no, _)| *pile_no).collect::<Vec<_>>())
    .bind(estimates.iter().map(|(_, e)| e.as_of.to_sqlx()).collect::<Vec<_>>())
    .bind(estimates.iter().map(|(_, e)| i64::from(e.component)).collect::<Vec<_>>())
    .bind(estimates.iter().map(|(_, e)| e.grounded).collect::<Vec<_>>())
    .bind(estimates.iter().map(|(_, e)| i64::from(e.charges)).collect::<Vec<_>>())
    .bind(time(|e| e.period.map(|(first, _)| first)))
    .bind(time(|e| e.period.map(|(_, last)| last)))
    .bind(column(|e| e.error))
    .bind(column(|e| e.standard_uncertainty))
    .bind(column(|e| e.probability_conform))
    .bind(estimates.iter().map(|(_, e)| e.limit).collect::<Vec<_>>())
    .bind(estimates.iter().map(|(_, e)| e.rule.as_str()).collect::<Vec<_>>())
    .bind(estimates.iter().map(|(_, e)| e.verdict.word()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps what a run says of the piles whose verdict is another than in their standing, which is written next.
async fn insert_changes(connection: &mut PgConnection, run_no: i64) -> Result<(), StoreError> {
    let query = format!(
        "INSERT INTO verdict_change ({ESTIMATE}, verdict_before)
         SELECT {ESTIMATE}, standing.verdict_before
         FROM estimate LEFT JOIN (SELECT pile_no, verdict AS verdict_before FROM standing) AS standing USING (pile_no)
         WHERE run_no = $1 AND verdict_before IS DISTINCT FROM verdict"
    );
    sqlx::query(&query).bind(run_no).execute(connection).await?;
    Ok(())
}

/// Of the runs before, those go whose estimates later ones of their day have taken the place of, and which changed no verdict. Those that
/// did stay, so that every verdict that a standing ever had can be made again; their findings, balances and dates go.
async fn prune(connection: &mut PgConnection, run_no: i64) -> Result<(), StoreError> {
    const OVERTAKEN: &str = "run_no IN (SELECT run_no FROM assessment_run run WHERE run_no < $1
        AND NOT EXISTS (SELECT FROM estimate WHERE estimate.run_no = run.run_no))";
    let of_them = ["signal", "operator_balance", "next_date"]
        .map(|table| format!("DELETE FROM {table} WHERE {OVERTAKEN}"));
    let unchanged = format!(
        "DELETE FROM assessment_run WHERE {OVERTAKEN}
           AND NOT EXISTS (SELECT FROM verdict_change c WHERE c.run_no = assessment_run.run_no)"
    );
    for statement in of_them.iter().chain([&unchanged]) {
        sqlx::query(statement).bind(run_no).execute(&mut *connection).await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
pub(crate) struct PileRow {
    pile_no: i64,
    pile_id: String,
    station_id: Option<String>,
    operator_id: Option<String>,
    kind: String,
    accuracy_class: Decimal,
    power_kw: Option<Decimal>,
    lon: Option<f64>,
    lat: Option<f64>,
    model: Option<String>,
    meter_serial: Option<String>,
}

impl PileRow {
    pub(crate) fn pile(self) -> Result<(i64, Pile), StoreError> {
        let station = |id: String| StationId::parse(&id).map_err(|_| corrupt("station", &id));
        let operator = |id: String| OperatorId::parse(&id).map_err(|_| corrupt("operator", &id));
        let pile = Pile {
            pile_id: PileId::parse(&self.pile_id).map_err(|_| corrupt("pile", &self.pile_id))?,
            station_id: self.station_id.map(station).transpose()?,
            operator_id: self.operator_id.map(operator).transpose()?,
            kind: PileKind::from_word(&self.kind).ok_or_else(|| corrupt("kind", &self.kind))?,
            class: AccuracyClass(self.accuracy_class),
            power_kw: self.power_kw,
            place: self.lon.zip(self.lat).and_then(|(lon, lat)| Place::new(lon, lat)),
            // These are of interest where they are written only.
            given: None,
            connectors: Vec::new(),
            model: self.model,
            meter_serial: self.meter_serial,
        };
        Ok((self.pile_no, pile))
    }
}

#[derive(sqlx::FromRow)]
struct EstimateRow {
    as_of: SqlTime,
    component: i64,
    grounded: bool,
    charges: i64,
    first_charge_at: Option<SqlTime>,
    last_charge_at: Option<SqlTime>,
    error: Option<f64>,
    standard_uncertainty: Option<f64>,
    probability_conform: Option<f64>,
    mpe: f64,
    rule: String,
    verdict: String,
}

impl EstimateRow {
    fn estimate(self) -> Result<Estimate, StoreError> {
        Ok(Estimate {
            as_of: self.as_of.to_jiff(),
            component: u32::try_from(self.component).map_err(|_| corrupt("component", self.component))?,
            grounded: self.grounded,
            charges: u32::try_from(self.charges).map_err(|_| corrupt("charges", self.charges))?,
            period: jiff_time(self.first_charge_at).zip(jiff_time(self.last_charge_at)),
            error: self.error,
            standard_uncertainty: self.standard_uncertainty,
            probability_conform: self.probability_conform,
            limit: self.mpe,
            rule: self.rule,
            verdict: RemoteVerdict::from_word(&self.verdict)
                .ok_or_else(|| corrupt("verdict", &self.verdict))?,
        })
    }
}
