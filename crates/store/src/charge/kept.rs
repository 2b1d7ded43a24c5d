//! A charge as it is kept: its row, its keys, its marks; read by [`super`] and written back, many at once.
//!
//! Decides nothing about the charge itself but which remarks a row bears.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use veripile_pile::charge::{Charge, Span, Stand};
use veripile_pile::register::is_coarse;
use veripile_pile::{Course, Mark, VehicleKey};

use crate::StoreError;
use crate::intake::register::Place;
use crate::row::{SqlTime, codes, corrupt, jiff_time, marks, sql_time, storable};

/// A charge with its keys.
pub(super) struct Kept {
    pub(super) charge_no: i64,
    pub(super) pile_no: i64,
    pub(super) reference: String,
    pub(super) start_key: Option<String>,
    pub(super) charge: Charge,
    pub(super) marks: Vec<Mark>,
    pub(super) updated_at: Timestamp,
    /// The charger's last boot before it, as far as it was known then.
    pub(super) booted_at: Option<Timestamp>,
}

#[derive(FromRow)]
pub(super) struct Row {
    charge_no: i64,
    pile_no: i64,
    reference: String,
    start_key: Option<String>,
    connector: Option<i64>,
    vehicle: Option<Vec<u8>>,
    started_at: Option<SqlTime>,
    ended_at: Option<SqlTime>,
    register_start_wh: Option<Decimal>,
    register_stop_wh: Option<Decimal>,
    pile_begin_at: Option<SqlTime>,
    pile_begin_wh: Option<Decimal>,
    pile_end_at: Option<SqlTime>,
    pile_end_wh: Option<Decimal>,
    vehicle_begin_at: Option<SqlTime>,
    vehicle_begin_wh: Option<Decimal>,
    vehicle_end_at: Option<SqlTime>,
    vehicle_end_wh: Option<Decimal>,
    signed_begin_at: Option<SqlTime>,
    signed_begin_wh: Option<Decimal>,
    signed_end_at: Option<SqlTime>,
    signed_end_wh: Option<Decimal>,
    reason: Option<String>,
    marks: Vec<String>,
    updated_at: SqlTime,
    pile_begin_phases: i16,
    pile_end_phases: i16,
    last_at: Option<SqlTime>,
    last_wh: Option<Decimal>,
    last_phases: i16,
    course: Option<Json<Course>>,
    sequence: String,
    offline: bool,
    placed: bool,
    booted_at: Option<SqlTime>,
}

impl TryFrom<Row> for Kept {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let stand =
            |at: Option<SqlTime>, energy_wh: Option<Decimal>| Some(Stand::total(at?.to_jiff(), energy_wh?));
        let of_phases = |stand: Option<Stand>, phases: i16| {
            let phases = u8::try_from(phases).map_err(|_| corrupt("phases", phases))?;
            Ok::<_, StoreError>(stand.map(|stand| Stand { phases, ..stand }))
        };
        let vehicle = row
            .vehicle
            .map(|bytes| <[u8; 16]>::try_from(bytes).map_err(|bytes| corrupt("vehicle", bytes.len())))
            .transpose()?;
        Ok(Self {
            charge_no: row.charge_no,
            pile_no: row.pile_no,
            reference: row.reference,
            start_key: row.start_key,
            charge: Charge {
                connector: row.connector.and_then(|connector| u32::try_from(connector).ok()),
                vehicle: vehicle.map(VehicleKey),
                started_at: jiff_time(row.started_at),
                ended_at: jiff_time(row.ended_at),
                register_start_wh: row.register_start_wh,
                register_stop_wh: row.register_stop_wh,
                pile: Span {
                    begin: of_phases(stand(row.pile_begin_at, row.pile_begin_wh), row.pile_begin_phases)?,
                    end: of_phases(stand(row.pile_end_at, row.pile_end_wh), row.pile_end_phases)?,
                },
                vehicle_side: Span {
                    begin: stand(row.vehicle_begin_at, row.vehicle_begin_wh),
                    end: stand(row.vehicle_end_at, row.vehicle_end_wh),
                },
                signed: Span {
                    begin: stand(row.signed_begin_at, row.signed_begin_wh),
                    end: stand(row.signed_end_at, row.signed_end_wh),
                },
                reason: row.reason,
                last: of_phases(stand(row.last_at, row.last_wh), row.last_phases)?,
                course: row.course.map(|Json(course)| course),
                sequence: row.sequence.parse().map_err(|_| corrupt("sequence", &row.sequence))?,
                offline: row.offline,
                placed: row.placed,
            },
            marks: marks(&row.marks)?,
            updated_at: row.updated_at.to_jiff(),
            booted_at: jiff_time(row.booted_at),
        })
    }
}

impl Kept {
    /// Where it ended; none while it is open.
    pub(super) fn ended_on(&self) -> Option<Place> {
        self.charge.ended_at?;
        Some((self.pile_no, i64::from(self.charge.connector?)))
    }

    /// Marks it; whether it was not marked so before.
    pub(super) fn mark(&mut self, mark: Mark) -> bool {
        let is_new = !self.marks.contains(&mark);
        if is_new {
            self.marks.push(mark);
        }
        is_new
    }

    /// Remarks anew on a charge that has ended; what only its neighbours tell stays.
    pub(super) fn remark(&mut self, rated_kw: Option<Decimal>, step_wh: Option<Decimal>) {
        let before = std::mem::replace(&mut self.marks, self.charge.marks(rated_kw));
        if self.charge.energy_pile_wh().zip(step_wh).is_some_and(|(wh, step_wh)| is_coarse(wh, step_wh)) {
            self.mark(Mark::CoarseRegister);
        }
        for sticky in [Mark::ReusedTransaction, Mark::Unproven] {
            if before.contains(&sticky) {
                self.mark(sticky);
            }
        }
        if before.contains(&Mark::NeverEnded) || before.contains(&Mark::Overlap) {
            self.mark(Mark::Overlap);
        }
    }
}

const SAVE: &str = include_str!("save.sql");

/// Writes charges; true if one of them has energies from both sides.
pub(super) async fn save(connection: &mut PgConnection, all: &[&Kept]) -> Result<bool, StoreError> {
    let time = |pick: fn(&Charge) -> Option<Timestamp>| {
        all.iter().map(|k| sql_time(pick(&k.charge))).collect::<Vec<_>>()
    };
    let number =
        |pick: fn(&Charge) -> Option<Decimal>| all.iter().map(|k| pick(&k.charge)).collect::<Vec<_>>();
    let phases = |pick: fn(&Charge) -> Option<Stand>| {
        all.iter().map(|k| pick(&k.charge).map_or(0, |s| i16::from(s.phases))).collect::<Vec<_>>()
    };
    sqlx::query(SAVE)
        .bind(all.iter().map(|k| k.charge_no).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.pile_no).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.reference.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.start_key.as_deref()).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.charge.connector.map(i64::from)).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.charge.vehicle.map(|v| v.0.to_vec())).collect::<Vec<_>>())
        .bind(time(|c| c.started_at))
        .bind(time(|c| c.ended_at))
        .bind(number(|c| c.register_start_wh))
        .bind(number(|c| c.register_stop_wh))
        .bind(time(|c| c.pile.begin.map(|s| s.at)))
        .bind(number(|c| c.pile.begin.map(|s| s.energy_wh)))
        .bind(time(|c| c.pile.end.map(|s| s.at)))
        .bind(number(|c| c.pile.end.map(|s| s.energy_wh)))
        .bind(time(|c| c.vehicle_side.begin.map(|s| s.at)))
        .bind(number(|c| c.vehicle_side.begin.map(|s| s.energy_wh)))
        .bind(time(|c| c.vehicle_side.end.map(|s| s.at)))
        .bind(number(|c| c.vehicle_side.end.map(|s| s.energy_wh)))
        .bind(time(|c| c.signed.begin.map(|s| s.at)))
        .bind(number(|c| c.signed.begin.map(|s| s.energy_wh)))
        .bind(time(|c| c.signed.end.map(|s| s.at)))
        .bind(number(|c| c.signed.end.map(|s| s.energy_wh)))
        .bind(all.iter().map(|k| k.charge.reason.as_deref().map(storable)).collect::<Vec<_>>())
        .bind(number(Charge::energy_pile_wh))
        .bind(number(Charge::energy_vehicle_wh))
        .bind(all.iter().map(|k| codes(&k.marks)).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.updated_at.to_sqlx()).collect::<Vec<_>>())
        .bind(phases(|c| c.pile.begin))
        .bind(phases(|c| c.pile.end))
        .bind(time(|c| c.last.map(|s| s.at)))
        .bind(number(|c| c.last.map(|s| s.energy_wh)))
        .bind(phases(|c| c.last))
        .bind(all.iter().map(|k| k.charge.course.clone().map(Json)).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.charge.sequence.to_string()).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.charge.offline).collect::<Vec<_>>())
        .bind(all.iter().map(|k| k.charge.placed).collect::<Vec<_>>())
        .bind(all.iter().map(|k| sql_time(k.booted_at)).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(all.iter().any(|k| k.charge.energy_vehicle_wh().is_some()))
}

/// What comes to the counts of a pile's charges.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) charges: i64,
    pub(super) unproven: i64,
}

/// Adds to the counts of piles.
pub(super) async fn count(
    connection: &mut PgConnection,
    counted: &BTreeMap<i64, Counted>,
) -> Result<(), StoreError> {
    if counted.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO pile_live (pile_no, charges, unproven_charges)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
         ON CONFLICT (pile_no) DO UPDATE SET charges = pile_live.charges + excluded.charges,
             unproven_charges = pile_live.unproven_charges + excluded.unproven_charges",
    )
    .bind(counted.keys().copied().collect::<Vec<_>>())
    .bind(counted.values().map(|counted| counted.charges).collect::<Vec<_>>())
    .bind(counted.values().map(|counted| counted.unproven).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
