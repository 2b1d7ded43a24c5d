//! Piles that relay vehicles' values which no vehicle said, for all that can be seen, as the newest run found them.
//!
//! Read by the operators' pages and the API out of the run's facts; written with the run ([`crate::assessment`]). Nothing is judged here.

use jiff::Timestamp;
use sqlx::FromRow;
use veripile_pile::{OperatorId, PileId};

use crate::row::SqlTime;
use crate::{Store, StoreError};

/// As many are told at once, the clearest: where there are more, it is a fleet's firmware and no single pile.
const TOLD_MAX: i64 = 20;

/// A pile of which no vehicle seems to have said what it relays.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// When the run was made.
    pub as_of: Timestamp,
    /// The pile.
    pub pile_id: String,
    /// What says so: `too_good`, `deaf`, `relayed` or `alike`.
    pub test: String,
    /// Probability of as much by chance.
    pub p_value: f64,
    /// On what that rests; none of a run of before.
    pub evidence: Option<DoubtEvidence>,
}

/// On what a doubt rests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DoubtEvidence {
    /// How much shows of what vehicles' values scatter by, or of what vehicles' own errors show elsewhere, percent.
    pub share_percent: f64,
    /// Charges that were asked.
    pub charges: i64,
    /// Vehicles that made them.
    pub vehicles: i64,
}

impl Store {
    /// Piles that relay what no vehicle said by the newest run, and how many there are: of an operator, the one pile, or, where neither is
    /// named, all. The clearest first.
    pub async fn doubts(
        &self,
        scope: Option<&OperatorId>,
        pile: Option<&PileId>,
    ) -> Result<(Vec<Doubt>, u64), StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "WITH run AS (SELECT as_of, facts FROM assessment_run ORDER BY run_no DESC LIMIT 1)
             SELECT as_of, pile.pile_id, named->>'test' AS test, (named->>'p_value')::float8 AS p_value,
                    (named->>'share_percent')::float8 AS share_percent, (named->>'charges')::bigint AS charges,
                    (named->>'vehicles')::bigint AS vehicles, count(*) OVER () AS total
             FROM run CROSS JOIN LATERAL jsonb_array_elements(facts->'doubted_values') AS list(named)
             JOIN pile ON pile.pile_id = named->>'pile_id'
             WHERE ($1::text IS NULL OR operator_id = $1) AND ($2::text IS NULL OR pile.pile_id = $2)
             ORDER BY (named->>'p_value')::float8, pile.pile_id LIMIT $3",
        )
        .bind(scope.map(OperatorId::as_str))
        .bind(pile.map(PileId::as_str))
        .bind(TOLD_MAX)
        .fetch_all(&self.pool)
        .await?;
        let total = rows.first().map_or(0, |row| row.total.unsigned_abs());
        Ok((rows.into_iter().map(Row::doubt).collect(), total))
    }
}

#[derive(FromRow)]
struct Row {
    as_of: SqlTime,
    pile_id: String,
    test: String,
    p_value: f64,
    share_percent: Option<f64>,
    charges: Option<i64>,
    vehicles: Option<i64>,
    total: i64,
}

impl Row {
    fn doubt(self) -> Doubt {
        let numbers = self.share_percent.zip(self.charges).zip(self.vehicles);
        let evidence =
            |((share_percent, charges), vehicles)| DoubtEvidence { share_percent, charges, vehicles };
        Doubt {
            as_of: self.as_of.to_jiff(),
            pile_id: self.pile_id,
            test: self.test,
            p_value: self.p_value,
            evidence: numbers.map(evidence),
        }
    }
}
