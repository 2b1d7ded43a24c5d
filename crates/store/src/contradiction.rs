//! On-site results, calibrations of reference vehicles and stations' energy balances that contradict everything else, as the newest run found
//! them.
//!
//! Read by the operators' pages and the API out of the run's facts; written with the run ([`crate::assessment`]). Nothing is judged here.

use jiff::Timestamp;
use sqlx::FromRow;
use veripile_pile::{OperatorId, PileId};

use crate::row::SqlTime;
use crate::{Store, StoreError};

/// As many are told at once, those that contradict most: where more do, something else is wrong than single results.
const TOLD_MAX: i64 = 20;

/// What contradicts everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Contradiction {
    /// When the run was made.
    pub as_of: Timestamp,
    /// The pile whose on-site result it is; none: it is a vehicle's calibration, or a station's balance.
    pub pile_id: Option<String>,
    /// The reference vehicle, by its key.
    pub vehicle: Option<String>,
    /// The station whose energy balance it is.
    pub station: Option<String>,
    /// How improbable a balance is pile by pile, in standard deviations; none where that is not what is wrong.
    pub shape: Option<f64>,
    /// Energy by a station's master and by its piles, kWh, where they cannot be the same.
    pub energies_kwh: Option<(f64, f64)>,
    /// When it was measured.
    pub at: Timestamp,
    /// The error that the calibration found, percent.
    pub error_percent: Option<String>,
    /// E_n against the estimate without it; none: nothing else can be said of it, and it was left out with its like.
    pub normalised_error: Option<f64>,
    /// Whether it gives a level all the same.
    pub is_used: bool,
}

impl Store {
    /// What contradicts everything else by the newest run, and how many there are: of an operator's piles and stations, of one pile and
    /// its station, or, where neither is named, of all piles, stations and reference vehicles. The worst first.
    pub async fn contradictions(
        &self,
        scope: Option<&OperatorId>,
        pile: Option<&PileId>,
    ) -> Result<(Vec<Contradiction>, u64), StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "WITH run AS (SELECT as_of, facts FROM assessment_run ORDER BY run_no DESC LIMIT 1),
             told AS (
                 SELECT as_of, named FROM run CROSS JOIN LATERAL jsonb_array_elements(facts->'contradictory_anchors') AS list(named)
                 JOIN pile ON pile.pile_id = named->>'pile_id'
                 WHERE ($1::text IS NULL OR operator_id = $1) AND ($2::text IS NULL OR pile_id = $2)
                 UNION ALL
                 SELECT as_of, named FROM run CROSS JOIN LATERAL jsonb_array_elements(facts->'contradictory_references') AS list(named)
                 WHERE $1::text IS NULL AND $2::text IS NULL
                 UNION ALL
                 SELECT as_of, named FROM run CROSS JOIN LATERAL jsonb_array_elements(facts->'contradictory_balances') AS list(named)
                 JOIN station ON station.station_id = named->>'station'
                 WHERE ($1::text IS NULL OR operator_id = $1)
                   AND ($2::text IS NULL OR station_id IN (SELECT pile.station_id FROM pile WHERE pile_id = $2)))
             SELECT as_of, named->>'pile_id' AS pile_id, named->>'vehicle' AS vehicle, named->>'station' AS station,
                    (named->>'shape')::float8 AS shape, (named->'energies_kwh'->>0)::float8 AS master_kwh,
                    (named->'energies_kwh'->>1)::float8 AS registers_kwh, (named->>'at')::timestamptz AS at,
                    named->>'error_percent' AS error_percent, (named->>'is_used')::boolean AS is_used,
                    (named->>'normalised_error')::float8 AS normalised_error, count(*) OVER () AS total
             FROM told ORDER BY abs((named->>'normalised_error')::float8) DESC NULLS LAST, pile_id, vehicle, station LIMIT $3",
        )
        .bind(scope.map(OperatorId::as_str))
        .bind(pile.map(PileId::as_str))
        .bind(TOLD_MAX)
        .fetch_all(&self.pool)
        .await?;
        let total = rows.first().map_or(0, |row| row.total.unsigned_abs());
        Ok((rows.into_iter().map(Row::contradiction).collect(), total))
    }
}

#[derive(FromRow)]
struct Row {
    as_of: SqlTime,
    pile_id: Option<String>,
    vehicle: Option<String>,
    station: Option<String>,
    shape: Option<f64>,
    master_kwh: Option<f64>,
    registers_kwh: Option<f64>,
    at: SqlTime,
    error_percent: Option<String>,
    is_used: bool,
    normalised_error: Option<f64>,
    total: i64,
}

impl Row {
    fn contradiction(self) -> Contradiction {
        Contradiction {
            as_of: self.as_of.to_jiff(),
            pile_id: self.pile_id,
            vehicle: self.vehicle,
            station: self.station,
            shape: self.shape,
            energies_kwh: self.master_kwh.zip(self.registers_kwh),
            at: self.at.to_jiff(),
            error_percent: self.error_percent,
            normalised_error: self.normalised_error,
            is_used: self.is_used,
        }
    }
}
