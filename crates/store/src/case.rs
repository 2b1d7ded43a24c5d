//! Cases: their steps, and the acts that steps are, in one transaction with the pile's standing.
//!
//! Called by `veripile case`. Whether a step may be taken is judged by `veripile_pile::case`; here it is kept.

mod reply;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::PileId;
use veripile_pile::case::{self, Refusal, Rules, Stage, Step};

use crate::pile_number::{hold_pile, pile_number};
use crate::registration::{acts_of, insert_case_act};
use crate::row::{SqlTime, corrupt, storable};
use crate::{Store, StoreError, standing};

pub use reply::OPEN_CASES_MAX;

/// Steps read of one pile: a dozen a case, and few piles have two.
const STEPS_MAX: i64 = 500;

impl Store {
    /// Takes a step; why not, if it may not be taken. `from` is filled in. The pile is held meanwhile, so that two who act at the same
    /// time do not confirm each other's.
    pub async fn take_case_step(
        &self,
        pile_id: &PileId,
        step: Step,
        rules: Rules,
        waived: bool,
    ) -> Result<Result<Step, Refusal>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let pile_no = hold_pile(&mut transaction, pile_id).await?;
        let mut steps = steps_of(&mut transaction, pile_no).await?;
        steps.retain(|one| one.number == step.number);
        // A case stays with the outlet that it began with, and once it is open with its body until it is handed to one above.
        let step = match steps.last() {
            Some(last) => {
                let issuer = case::led_by(&steps, step.to, &step.issuer);
                Step { from: Some(last.to), outlet: last.outlet, issuer, ..step }
            }
            None => step,
        };
        let acts = acts_of(&mut transaction, pile_no).await?;
        let new = match case::advance(&steps, &acts, &step, rules, waived) {
            Ok(new) => new,
            Err(refusal) => return Ok(Err(refusal)),
        };
        insert(&mut transaction, pile_no, &step).await?;
        for act in &new {
            insert_case_act(&mut transaction, pile_no, act).await?;
        }
        // Steps that are no act are nobody else's business: they do not move the date of the judgement, which is public.
        if !new.is_empty() {
            let acts = acts_of(&mut transaction, pile_no).await?;
            standing::judge_again(&mut transaction, pile_no, &acts, step.at).await?;
        }
        transaction.commit().await?;
        if !new.is_empty() {
            self.evidence.notify_one();
        }
        Ok(Ok(step))
    }

    /// Every step of a pile's cases, oldest first.
    pub async fn case_steps(&self, pile_id: &PileId) -> Result<Vec<Step>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let pile_no = pile_number(&mut *connection, pile_id).await?;
        steps_of(&mut connection, pile_no).await
    }
}

async fn insert(connection: &mut PgConnection, pile_no: i64, step: &Step) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO case_step (pile_no, number, outlet, issuer, person, taken_at, from_stage, to_stage, reason, evidence_sha256)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(pile_no)
    .bind(storable(&step.number))
    .bind(step.outlet.map(i64::from))
    .bind(storable(&step.issuer))
    .bind(storable(&step.person))
    .bind(step.at.to_sqlx())
    .bind(step.from.map(Stage::word))
    .bind(step.to.word())
    .bind(storable(&step.reason))
    .bind(step.evidence_sha256.as_deref().map(storable))
    .execute(connection)
    .await?;
    Ok(())
}

async fn steps_of(connection: &mut PgConnection, pile_no: i64) -> Result<Vec<Step>, StoreError> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT * FROM case_step WHERE pile_no = $1 ORDER BY step_no LIMIT $2")
            .bind(pile_no)
            .bind(STEPS_MAX)
            .fetch_all(connection)
            .await?;
    rows.into_iter().map(Row::step).collect()
}

#[derive(FromRow)]
struct Row {
    number: String,
    outlet: Option<i64>,
    issuer: String,
    person: String,
    taken_at: SqlTime,
    from_stage: Option<String>,
    to_stage: String,
    reason: String,
    evidence_sha256: Option<String>,
}

impl Row {
    fn step(self) -> Result<Step, StoreError> {
        let stage = |word: &str| Stage::from_word(word).ok_or_else(|| corrupt("stage", word));
        let at: Timestamp = self.taken_at.to_jiff();
        Ok(Step {
            number: self.number,
            outlet: self.outlet.and_then(|outlet| u32::try_from(outlet).ok()),
            issuer: self.issuer,
            person: self.person,
            at,
            from: self.from_stage.as_deref().map(stage).transpose()?,
            to: stage(&self.to_stage)?,
            reason: self.reason,
            evidence_sha256: self.evidence_sha256,
        })
    }
}
