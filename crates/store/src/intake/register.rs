//! Registers of connectors: their epochs as they begin, and their kind and step as charges show them.
//!
//! Called inside intake's transaction, by [`super::batch`] and by `charge` when charges have ended. What a register is like is
//! decided in `veripile_pile::register`; here the last charges of a connector are found and remembered.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use veripile_pile::register::{CHARGES_OBSERVED_MAX, Observed, RegisterKind, coarse_step_wh, kind};
use veripile_pile::{Charge, Course, Phase, Restart, Span, Stand};

use super::Arrival;
use crate::StoreError;
use crate::row::{SqlTime, corrupt, jiff_time, storable};

/// Connectors whose last charges are kept in memory; beyond it the cache starts anew. Each takes some 3 kB.
const CONNECTORS_CACHED_MAX: usize = 50_000;

/// A connector: number of the pile, and of the connector on it.
pub(crate) type Place = (i64, i64);

/// A connector's register: its last charges, oldest first, and what was decided of it.
#[derive(Clone, Default)]
pub(crate) struct Register {
    charges: Vec<(Option<Timestamp>, i64, Observed)>,
    /// As stored; none before anything is.
    stored: Option<(RegisterKind, Option<Decimal>)>,
}

/// The registers of connectors whose charges ended lately.
#[derive(Default)]
pub(crate) struct Registers(HashMap<Place, Register>);

/// Registers as a batch leaves them; to be remembered once it is committed.
pub(crate) type Changed = HashMap<Place, Register>;

impl Register {
    /// Adds a charge that has ended, or what is newly known of one.
    pub(crate) fn observe(&mut self, charge_no: i64, charge: &Charge, booted_at: Option<Timestamp>) {
        self.charges.retain(|(_, known, _)| *known != charge_no);
        let entry = (charge.started_at, charge_no, observed(charge, booted_at));
        let place = self.charges.partition_point(|known| (known.0, known.1) < (entry.0, entry.1));
        self.charges.insert(place, entry);
        let excess = self.charges.len().saturating_sub(CHARGES_OBSERVED_MAX);
        self.charges.drain(..excess);
    }

    /// The step of the register, Wh, if it is coarse.
    pub(crate) fn step_wh(&self) -> Option<Decimal> {
        coarse_step_wh(&self.observed())
    }

    fn observed(&self) -> Vec<Observed> {
        self.charges.iter().map(|(.., observed)| *observed).collect()
    }
}

fn observed(charge: &Charge, booted_at: Option<Timestamp>) -> Observed {
    let (first_wh, last_wh) = charge.register_ends_wh();
    let restarted = charge.course.as_ref().is_some_and(|course| 0 < course.restarts);
    Observed { start_wh: charge.register_start_wh, first_wh, last_wh, booted_at, restarted }
}

impl Registers {
    /// The registers of these connectors, asked of the database where they are not remembered.
    pub(crate) async fn of(
        &self,
        connection: &mut PgConnection,
        places: &[Place],
    ) -> Result<Changed, StoreError> {
        let missing: Vec<Place> =
            places.iter().copied().filter(|place| !self.0.contains_key(place)).collect();
        let mut found = if missing.is_empty() { Changed::new() } else { load(connection, &missing).await? };
        for place in places {
            let known = self.0.get(place).cloned();
            found.entry(*place).or_insert_with(|| known.unwrap_or_default());
        }
        Ok(found)
    }

    pub(crate) fn remember(&mut self, changed: Changed) {
        if self.0.len() + changed.len() > CONNECTORS_CACHED_MAX {
            self.0.clear();
        }
        self.0.extend(changed);
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    pile_no: i64,
    connector: i64,
    kind: Option<String>,
    step_wh: Option<Decimal>,
    charge_no: Option<i64>,
    started_at: Option<SqlTime>,
    register_start_wh: Option<Decimal>,
    register_stop_wh: Option<Decimal>,
    pile_begin_wh: Option<Decimal>,
    pile_end_wh: Option<Decimal>,
    course: Option<Json<Course>>,
    booted_at: Option<SqlTime>,
}

async fn load(connection: &mut PgConnection, places: &[Place]) -> Result<Changed, StoreError> {
    let limit = i64::try_from(CHARGES_OBSERVED_MAX).unwrap_or(i64::MAX);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT place.pile_no, place.connector, register.kind, register.step_wh, last.*
         FROM unnest($1::bigint[], $2::bigint[]) AS place(pile_no, connector)
         LEFT JOIN register USING (pile_no, connector)
         LEFT JOIN LATERAL (
             SELECT charge_no, started_at, register_start_wh, register_stop_wh, pile_begin_wh, pile_end_wh, course, booted_at
             FROM charge
             WHERE charge.pile_no = place.pile_no AND charge.connector = place.connector AND ended_at IS NOT NULL
             ORDER BY started_at DESC NULLS LAST LIMIT $3) AS last ON true",
    )
    .bind(places.iter().map(|place| place.0).collect::<Vec<_>>())
    .bind(places.iter().map(|place| place.1).collect::<Vec<_>>())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let mut found = Changed::new();
    for row in rows {
        row.add_to(&mut found)?;
    }
    Ok(found)
}

impl Row {
    fn add_to(self, found: &mut Changed) -> Result<(), StoreError> {
        let register = found.entry((self.pile_no, self.connector)).or_default();
        let kind = self.kind.map(|word| RegisterKind::from_word(&word).ok_or_else(|| corrupt("kind", &word)));
        register.stored = kind.transpose()?.map(|kind| (kind, self.step_wh));
        let started_at = jiff_time(self.started_at);
        if let Some(charge_no) = self.charge_no {
            // Which moments the ends had does not matter here.
            let stand = |wh: Option<Decimal>| wh.map(|wh| Stand::total(Timestamp::UNIX_EPOCH, wh));
            let charge = Charge {
                started_at,
                register_start_wh: self.register_start_wh,
                register_stop_wh: self.register_stop_wh,
                pile: Span { begin: stand(self.pile_begin_wh), end: stand(self.pile_end_wh) },
                course: self.course.map(|Json(course)| course),
                ..Charge::default()
            };
            register.observe(charge_no, &charge, jiff_time(self.booted_at));
        }
        Ok(())
    }
}

/// Writes the kind and step of registers that have changed; they hold from `now` on.
pub(crate) async fn save(
    connection: &mut PgConnection,
    registers: &mut Changed,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut changed = Vec::new();
    for (place, register) in registers {
        let observed = register.observed();
        let decided = (kind(&observed), coarse_step_wh(&observed));
        if register.stored != Some(decided) {
            register.stored = Some(decided);
            changed.push((*place, decided));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO register (pile_no, connector, kind, step_wh, decided_at)
         SELECT pile_no, connector, kind, step_wh, $5
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::numeric[]) AS r(pile_no, connector, kind, step_wh)
         ON CONFLICT (pile_no, connector) DO UPDATE SET
             kind = excluded.kind, step_wh = excluded.step_wh, decided_at = excluded.decided_at",
    )
    .bind(changed.iter().map(|(place, _)| place.0).collect::<Vec<_>>())
    .bind(changed.iter().map(|(place, _)| place.1).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, (kind, _))| kind.word()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, (_, step))| *step).collect::<Vec<_>>())
    .bind(now.to_sqlx())
    .execute(connection)
    .await?;
    Ok(())
}

/// Appends the epochs that begin in the arrivals.
pub(super) async fn insert_epochs(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
    fresh: &[bool],
) -> Result<(), StoreError> {
    let restarts: Vec<(i64, &Restart)> = arrivals
        .iter()
        .zip(fresh)
        .filter(|(_, fresh)| **fresh)
        .flat_map(|(arrival, _)| arrival.restarts.iter().map(|restart| (arrival.pile_no, restart)))
        .collect();
    if restarts.is_empty() {
        return Ok(());
    }
    let number = |pick: fn(&Restart) -> Decimal| restarts.iter().map(|(_, r)| pick(r)).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO register_epoch (pile_no, connector, phase, began_at, epoch, before_wh, after_wh)
         SELECT pile_no, connector, phase, began_at,
                coalesce((SELECT max(known.epoch) FROM register_epoch AS known
                 WHERE known.pile_no = r.pile_no AND known.connector = r.connector AND known.phase = r.phase), 0)
                + row_number() OVER (PARTITION BY pile_no, connector, phase ORDER BY began_at),
                before_wh, after_wh
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::numeric[], $6::numeric[])
             AS r(pile_no, connector, phase, began_at, before_wh, after_wh)
         ON CONFLICT DO NOTHING",
    )
    .bind(restarts.iter().map(|(pile_no, _)| *pile_no).collect::<Vec<_>>())
    .bind(restarts.iter().map(|(_, r)| i64::from(r.connector)).collect::<Vec<_>>())
    .bind(restarts.iter().map(|(_, r)| phase(&r.phase)).collect::<Vec<_>>())
    .bind(restarts.iter().map(|(_, r)| r.at.to_sqlx()).collect::<Vec<_>>())
    .bind(number(|restart| restart.before_wh))
    .bind(number(|restart| restart.after_wh))
    .execute(connection)
    .await?;
    Ok(())
}

fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Total => String::new(),
        Phase::Named(name) => storable(name).into_owned(),
    }
}
