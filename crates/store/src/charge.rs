//! Charges: found, extended by the events of a batch, and written back, inside intake's transaction.
//!
//! Called by [`crate::intake`] only. How an event changes a charge is decided in `veripile_pile::charge`; here rows are
//! found and kept.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::charge::{Charge, ChargeEvent, ChargeReference, Span, Stage, Stand};
use veripile_pile::{Mark, VehicleKey};

use crate::intake::{Arrival, Effect};
use crate::row::{SqlTime, codes, corrupt, jiff_time, marks, sql_time, storable};
use crate::{Store, StoreError};

/// A charge with its keys.
struct Kept {
    charge_no: i64,
    pile_no: i64,
    reference: String,
    start_key: Option<String>,
    charge: Charge,
    marks: Vec<Mark>,
    updated_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
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
}

impl TryFrom<Row> for Kept {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let stand = |at: Option<SqlTime>, energy_wh: Option<Decimal>| {
            Some(Stand { at: at?.to_jiff(), energy_wh: energy_wh? })
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
                    begin: stand(row.pile_begin_at, row.pile_begin_wh),
                    end: stand(row.pile_end_at, row.pile_end_wh),
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
            },
            marks: marks(&row.marks)?,
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// Applies the charge events among the arrivals. Gives each arrival its transaction id, and whether any charge now has
/// energies from both sides.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
    fresh: &[bool],
) -> Result<(Vec<Option<String>>, bool), StoreError> {
    let events: Vec<Option<&ChargeEvent>> = arrivals
        .iter()
        .map(|arrival| match &arrival.effect {
            Effect::Charge(event) => Some(event),
            _ => None,
        })
        .collect();
    if events.iter().all(Option::is_none) {
        return Ok((vec![None; arrivals.len()], false));
    }
    let mut book = Book::load(connection, arrivals, &events).await?;
    let mut transactions = Vec::with_capacity(arrivals.len());
    for ((arrival, fresh), event) in arrivals.iter().zip(fresh).zip(&events) {
        transactions.push(match event {
            Some(event) if *fresh => book.apply(arrival, event),
            Some(event) => book.recall(arrival.pile_no, event),
            None => None,
        });
    }
    let comparable = book.save(connection).await?;
    mark_never_ended(connection, arrivals, &events).await?;
    Ok((transactions, comparable))
}

impl Store {
    /// A relay's upstream has issued a transaction id of its own: the charge that we numbered bears it from now on. One that
    /// bore it before gives it up.
    pub async fn adopt_transaction(&self, pile_no: i64, ours: &str, theirs: &str) -> Result<(), StoreError> {
        if ours == theirs {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query("UPDATE charge SET reference = reference || '@' || charge_no WHERE pile_no = $1 AND reference = $2")
            .bind(pile_no)
            .bind(storable(theirs))
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE charge SET reference = $3 WHERE pile_no = $1 AND reference = $2")
            .bind(pile_no)
            .bind(ours)
            .bind(storable(theirs))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The charges a batch touches.
struct Book {
    kept: BTreeMap<i64, Kept>,
    by_reference: HashMap<(i64, String), i64>,
    by_start: HashMap<(i64, String), i64>,
    unused: Vec<i64>,
    rated_kw: HashMap<i64, Option<Decimal>>,
}

impl Book {
    async fn load(
        connection: &mut PgConnection,
        arrivals: &[Arrival],
        events: &[Option<&ChargeEvent>],
    ) -> Result<Self, StoreError> {
        let (mut piles, mut references, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for (arrival, event) in arrivals.iter().zip(events) {
            let Some(event) = event else { continue };
            let (reference, start) = keys(event);
            piles.push(arrival.pile_no);
            references.push(reference);
            starts.push(start);
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT charge.* FROM charge
             JOIN unnest($1::bigint[], $2::text[]) AS k(pile_no, reference) USING (pile_no, reference)
             UNION
             SELECT charge.* FROM charge
             JOIN unnest($1::bigint[], $3::text[]) AS k(pile_no, start_key) USING (pile_no, start_key)",
        )
        .bind(&piles)
        .bind(&references)
        .bind(&starts)
        .fetch_all(&mut *connection)
        .await?;
        let rated: Vec<(i64, Option<Decimal>)> =
            sqlx::query_as("SELECT pile_no, power_kw FROM pile WHERE pile_no = ANY($1)")
                .bind(&piles)
                .fetch_all(&mut *connection)
                .await?;
        let mut book = Self {
            kept: BTreeMap::new(),
            by_reference: HashMap::new(),
            by_start: HashMap::new(),
            unused: Vec::new(),
            rated_kw: rated.into_iter().collect(),
        };
        for row in rows {
            book.keep(row.try_into()?);
        }
        book.draw_numbers(connection, arrivals, events).await?;
        Ok(book)
    }

    /// Draws a number for each charge that the batch may begin; one not used leaves a gap, which is harmless.
    async fn draw_numbers(
        &mut self,
        connection: &mut PgConnection,
        arrivals: &[Arrival],
        events: &[Option<&ChargeEvent>],
    ) -> Result<(), StoreError> {
        let wanted = arrivals
            .iter()
            .zip(events)
            .filter(|(arrival, event)| {
                // One that begins may turn out to be a new charge under a used id.
                event.is_some_and(|event| {
                    event.stage == Stage::Begin || self.known(arrival.pile_no, event).is_none()
                })
            })
            .count();
        let piles: Vec<i64> = arrivals.iter().map(|arrival| arrival.pile_no).collect();
        while self.unused.len() < wanted {
            let missing = i64::try_from(wanted - self.unused.len()).unwrap_or(i64::MAX);
            let mut drawn: Vec<i64> =
                sqlx::query_scalar(DRAW).bind(missing).bind(&piles).fetch_all(&mut *connection).await?;
            self.unused.append(&mut drawn);
        }
        self.unused.reverse();
        Ok(())
    }

    /// The charge that the event belongs to, if there is one already.
    fn known(&self, pile_no: i64, event: &ChargeEvent) -> Option<i64> {
        let (reference, start_key) = keys(event);
        let by = |map: &HashMap<(i64, String), i64>, key: Option<String>| map.get(&(pile_no, key?)).copied();
        by(&self.by_reference, reference).or_else(|| by(&self.by_start, start_key))
    }

    fn keep(&mut self, kept: Kept) {
        self.by_reference.insert((kept.pile_no, kept.reference.clone()), kept.charge_no);
        if let Some(start) = &kept.start_key {
            self.by_start.insert((kept.pile_no, start.clone()), kept.charge_no);
        }
        self.kept.insert(kept.charge_no, kept);
    }

    /// The transaction id of the charge that a repeat belongs to; a repeat changes nothing.
    fn recall(&self, pile_no: i64, event: &ChargeEvent) -> Option<String> {
        let charge_no = self.known(pile_no, event)?;
        self.kept.get(&charge_no).map(|kept| kept.reference.clone())
    }

    /// Applies one event; the transaction id of its charge, or none where a message between names none that we issued.
    fn apply(&mut self, arrival: &Arrival, event: &ChargeEvent) -> Option<String> {
        let charge_no = match self.known(arrival.pile_no, event) {
            Some(charge_no) if self.is_reused(charge_no, event) => {
                self.retire(charge_no);
                let charge_no = self.begin(arrival, event)?;
                self.kept.get_mut(&charge_no)?.marks.push(Mark::ReusedTransaction);
                charge_no
            }
            Some(charge_no) => charge_no,
            None => self.begin(arrival, event)?,
        };
        let rated_kw = self.rated_kw.get(&arrival.pile_no).copied().flatten();
        let kept = self.kept.get_mut(&charge_no)?;
        kept.charge.apply(event);
        kept.updated_at = kept.updated_at.max(arrival.received.0);
        if kept.charge.ended_at.is_some() {
            let before = std::mem::replace(&mut kept.marks, kept.charge.marks(rated_kw));
            if before.contains(&Mark::ReusedTransaction) {
                kept.marks.push(Mark::ReusedTransaction);
            }
            if before.contains(&Mark::NeverEnded) || before.contains(&Mark::Overlap) {
                kept.marks.push(Mark::Overlap);
            }
        }
        Some(kept.reference.clone())
    }

    /// Whether a charger begins another charge under the id of one that has begun and ended: its counter started anew.
    fn is_reused(&self, charge_no: i64, event: &ChargeEvent) -> bool {
        let charge = &self.kept[&charge_no].charge;
        event.stage == Stage::Begin
            && matches!(event.reference, ChargeReference::Named(_))
            && charge.ended_at.is_some_and(|ended_at| ended_at <= event.at)
            && charge.started_at.is_some_and(|started_at| started_at != event.at)
    }

    /// Frees a charge's reference for the next charge that bears it.
    fn retire(&mut self, charge_no: i64) {
        if let Some(kept) = self.kept.get_mut(&charge_no) {
            self.by_reference.remove(&(kept.pile_no, kept.reference.clone()));
            kept.reference = format!("{}@{charge_no}", kept.reference);
            self.by_reference.insert((kept.pile_no, kept.reference.clone()), charge_no);
        }
    }

    /// Opens a new charge, whose number is the transaction id that an OCPP 1.6 charger will be told.
    ///
    /// A stop under an id that we never issued opens one too, under a number of its own: that id must stay free for its
    /// turn. Samples under such an id are kept as readings only.
    fn begin(&mut self, arrival: &Arrival, event: &ChargeEvent) -> Option<i64> {
        let (reference, start_key) = match (keys(event), &event.reference) {
            (_, ChargeReference::Issued(_)) if event.stage != Stage::End => return None,
            ((_, start_key), ChargeReference::Issued(_)) => (None, start_key),
            (keys, _) => keys,
        };
        let charge_no = self.unused.pop()?;
        self.keep(Kept {
            charge_no,
            pile_no: arrival.pile_no,
            reference: reference.unwrap_or_else(|| transaction_id(charge_no).to_string()),
            start_key,
            charge: Charge::default(),
            marks: Vec::new(),
            updated_at: arrival.received.0,
        });
        Some(charge_no)
    }

    /// Writes every touched charge back; true if one of them has energies from both sides.
    async fn save(self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        let all: Vec<&Kept> = self.kept.values().collect();
        let time = |pick: fn(&Charge) -> Option<Timestamp>| {
            all.iter().map(|k| sql_time(pick(&k.charge))).collect::<Vec<_>>()
        };
        let number =
            |pick: fn(&Charge) -> Option<Decimal>| all.iter().map(|k| pick(&k.charge)).collect::<Vec<_>>();
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
            .execute(connection)
            .await?;
        Ok(all.iter().any(|k| k.charge.energy_vehicle_wh().is_some()))
    }
}

/// Numbers for new charges. One whose transaction id a relay's upstream has used on one of these piles is passed over.
const DRAW: &str = "
WITH drawn AS (
    SELECT nextval(pg_get_serial_sequence('charge', 'charge_no')) AS n FROM generate_series(1, $1::bigint))
SELECT n FROM drawn WHERE NOT EXISTS (
    SELECT 1 FROM charge WHERE pile_no = ANY($2) AND reference = ((n - 1) % 2147483647 + 1)::text)
ORDER BY n";

const SAVE: &str = "
INSERT INTO charge (charge_no, pile_no, reference, start_key, connector, vehicle, started_at, ended_at,
    register_start_wh, register_stop_wh, pile_begin_at, pile_begin_wh, pile_end_at, pile_end_wh,
    vehicle_begin_at, vehicle_begin_wh, vehicle_end_at, vehicle_end_wh,
    signed_begin_at, signed_begin_wh, signed_end_at, signed_end_wh, reason, energy_pile_wh, energy_vehicle_wh,
    marks, updated_at)
SELECT charge_no, pile_no, reference, start_key, connector, vehicle, started_at, ended_at,
    register_start_wh, register_stop_wh, pile_begin_at, pile_begin_wh, pile_end_at, pile_end_wh,
    vehicle_begin_at, vehicle_begin_wh, vehicle_end_at, vehicle_end_wh,
    signed_begin_at, signed_begin_wh, signed_end_at, signed_end_wh, reason, energy_pile_wh, energy_vehicle_wh,
    coalesce(string_to_array(marks, ','), '{}'), updated_at
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::timestamptz[],
    $8::timestamptz[], $9::numeric[], $10::numeric[], $11::timestamptz[], $12::numeric[], $13::timestamptz[],
    $14::numeric[], $15::timestamptz[], $16::numeric[], $17::timestamptz[], $18::numeric[], $19::timestamptz[],
    $20::numeric[], $21::timestamptz[], $22::numeric[], $23::text[], $24::numeric[], $25::numeric[], $26::text[],
    $27::timestamptz[])
    AS c(charge_no, pile_no, reference, start_key, connector, vehicle, started_at, ended_at,
    register_start_wh, register_stop_wh, pile_begin_at, pile_begin_wh, pile_end_at, pile_end_wh,
    vehicle_begin_at, vehicle_begin_wh, vehicle_end_at, vehicle_end_wh,
    signed_begin_at, signed_begin_wh, signed_end_at, signed_end_wh, reason, energy_pile_wh, energy_vehicle_wh,
    marks, updated_at)
ON CONFLICT (charge_no) DO UPDATE SET
    reference = excluded.reference, connector = excluded.connector, vehicle = excluded.vehicle,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    register_start_wh = excluded.register_start_wh, register_stop_wh = excluded.register_stop_wh,
    pile_begin_at = excluded.pile_begin_at, pile_begin_wh = excluded.pile_begin_wh,
    pile_end_at = excluded.pile_end_at, pile_end_wh = excluded.pile_end_wh,
    vehicle_begin_at = excluded.vehicle_begin_at, vehicle_begin_wh = excluded.vehicle_begin_wh,
    vehicle_end_at = excluded.vehicle_end_at, vehicle_end_wh = excluded.vehicle_end_wh,
    signed_begin_at = excluded.signed_begin_at, signed_begin_wh = excluded.signed_begin_wh,
    signed_end_at = excluded.signed_end_at, signed_end_wh = excluded.signed_end_wh,
    reason = excluded.reason, energy_pile_wh = excluded.energy_pile_wh,
    energy_vehicle_wh = excluded.energy_vehicle_wh, marks = excluded.marks, updated_at = excluded.updated_at";

/// The transaction id of a charge that we number: 32 bits in OCPP 1.6, and unique for one pile as long as it makes fewer
/// than 2³¹ charges.
fn transaction_id(charge_no: i64) -> i64 {
    (charge_no - 1) % i64::from(i32::MAX) + 1
}

/// Reference and start key by which the event's charge may be known.
fn keys(event: &ChargeEvent) -> (Option<String>, Option<String>) {
    match &event.reference {
        ChargeReference::Issued(id) => {
            (Some(storable(id).into_owned()), Some(format!("orphan:{}:{}", storable(id), event.at)))
        }
        ChargeReference::Named(id) => (Some(storable(id).into_owned()), None),
        ChargeReference::Start(key) => (None, Some(key.clone())),
    }
}

/// Marks charges that are still open when a later one begins on their connector.
async fn mark_never_ended(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
    events: &[Option<&ChargeEvent>],
) -> Result<(), StoreError> {
    let begins: Vec<(i64, i64, Timestamp)> = arrivals
        .iter()
        .zip(events)
        .filter_map(|(arrival, event)| {
            let event = event.filter(|event| event.stage == Stage::Begin)?;
            Some((arrival.pile_no, i64::from(event.connector?), event.at))
        })
        .collect();
    if begins.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE charge SET marks = array_append(marks, $4)
         FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS b(pile_no, connector, at)
         WHERE charge.pile_no = b.pile_no AND charge.connector = b.connector AND charge.ended_at IS NULL
           AND charge.started_at < b.at AND NOT $4 = ANY(charge.marks)",
    )
    .bind(begins.iter().map(|begin| begin.0).collect::<Vec<_>>())
    .bind(begins.iter().map(|begin| begin.1).collect::<Vec<_>>())
    .bind(begins.iter().map(|begin| begin.2.to_sqlx()).collect::<Vec<_>>())
    .bind(Mark::NeverEnded.code())
    .execute(connection)
    .await?;
    Ok(())
}
