//! Standings: the last judgement of each pile, rewritten whenever there is new evidence.
//!
//! Called by [`crate::assessment`] for all piles, and by [`crate::verification`] for one whose acts changed. The judgement is `veripile_pile::Standing::judge`; here it is kept.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use veripile_pile::{Act, Estimate, Standing};

use crate::StoreError;
use crate::registration::all_acts;
use crate::row::corrupt;

/// Holds piles until the transaction ends: who judges reads acts that nobody adds to meanwhile. In the order of their numbers, so that
/// two who hold several do not wait for each other.
pub(crate) async fn hold(connection: &mut PgConnection, piles: &[i64]) -> Result<(), StoreError> {
    sqlx::query("SELECT FROM pile WHERE pile_no = ANY($1) ORDER BY pile_no FOR NO KEY UPDATE")
        .bind(piles)
        .execute(connection)
        .await?;
    Ok(())
}

/// Judges every pile that has an estimate in this run, with all of its acts, and writes the standings. The acts are those of now, not
/// of when the run began: what was issued or withdrawn meanwhile stands.
pub(crate) async fn judge(
    connection: &mut PgConnection,
    estimates: &[(i64, Estimate)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let piles: Vec<i64> = estimates.iter().map(|(pile_no, _)| *pile_no).collect();
    hold(connection, &piles).await?;
    let mut acts_of: HashMap<i64, Vec<Act>> = HashMap::new();
    for (pile_no, act) in all_acts(&mut *connection).await? {
        acts_of.entry(pile_no).or_default().push(act);
    }
    let mut bodies = Vec::with_capacity(estimates.len());
    for (pile_no, estimate) in estimates {
        let acts = acts_of.get(pile_no).map_or(&[][..], Vec::as_slice);
        let standing = Standing::judge(acts, Some(estimate.clone()));
        bodies.push(serde_json::to_value(&standing).map_err(|error| corrupt("standing", error))?);
    }
    sqlx::query(
        "INSERT INTO standing (pile_no, judged_at, verdict, probability_conform, body)
         SELECT pile_no, $1, verdict, probability_conform, body
         FROM unnest($2::bigint[], $3::text[], $4::float8[], $5::jsonb[]) AS s(pile_no, verdict, probability_conform, body)
         ON CONFLICT (pile_no) DO UPDATE SET judged_at = excluded.judged_at, verdict = excluded.verdict,
             probability_conform = excluded.probability_conform, body = excluded.body",
    )
    .bind(now.to_sqlx())
    .bind(piles)
    .bind(estimates.iter().map(|(_, estimate)| estimate.verdict.word()).collect::<Vec<_>>())
    .bind(estimates.iter().map(|(_, estimate)| estimate.probability_conform).collect::<Vec<_>>())
    .bind(bodies)
    .execute(connection)
    .await?;
    Ok(())
}

/// Judges one pile anew after an act on it, beside the estimate that it has. What an act says counts at once, not with the next
/// assessment.
pub(crate) async fn judge_again(
    connection: &mut PgConnection,
    pile_no: i64,
    acts: &[Act],
    now: Timestamp,
) -> Result<(), StoreError> {
    let body: Option<Value> = sqlx::query_scalar("SELECT body FROM standing WHERE pile_no = $1 FOR UPDATE")
        .bind(pile_no)
        .fetch_optional(&mut *connection)
        .await?;
    let before: Option<Standing> =
        body.map(serde_json::from_value).transpose().map_err(|error| corrupt("standing", error))?;
    let standing = Standing::judge(acts, before.and_then(|standing| standing.estimate));
    let estimate = standing.estimate.as_ref();
    sqlx::query(
        "INSERT INTO standing (pile_no, judged_at, verdict, probability_conform, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (pile_no) DO UPDATE SET judged_at = excluded.judged_at, body = excluded.body",
    )
    .bind(pile_no)
    .bind(now.to_sqlx())
    .bind(estimate.map(|estimate| estimate.verdict.word()))
    .bind(estimate.and_then(|estimate| estimate.probability_conform))
    .bind(serde_json::to_value(&standing).map_err(|error| corrupt("standing", error))?)
    .execute(connection)
    .await?;
    Ok(())
}
