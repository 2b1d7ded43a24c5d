//! Charges: found, extended by the events of a batch, and written back, inside intake's transaction.
//!
//! Called by [`crate::intake`] only. How an event changes a charge is decided in `veripile_pile::charge`; here rows are
//! found and kept.

mod kept;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use veripile_pile::Mark;
use veripile_pile::charge::{Charge, ChargeEvent, ChargeReference, Stage};

use self::kept::{Counted, Kept, Row};
use crate::intake::register::{self, Changed, Place, Registers};
use crate::intake::{Arrival, Effect};
use crate::row::{SqlTime, jiff_time, storable};
use crate::{Store, StoreError};

/// What the charge events of a batch have changed.
pub(crate) struct Applied {
    /// Each arrival's transaction id.
    pub(crate) transactions: Vec<Option<String>>,
    /// Whether any charge now has energies from both sides.
    pub(crate) comparable: bool,
    /// Registers as they are now known; to be remembered after the commit.
    pub(crate) registers: Changed,
}

/// Applies the charge events among the arrivals.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
    fresh: &[bool],
    registers: &Registers,
) -> Result<Applied, StoreError> {
    let events: Vec<Option<&ChargeEvent>> = arrivals
        .iter()
        .map(|arrival| match &arrival.effect {
            Effect::Charge(event) => Some(event),
            _ => None,
        })
        .collect();
    if events.iter().all(Option::is_none) {
        let (transactions, registers) = (vec![None; arrivals.len()], Changed::new());
        return Ok(Applied { transactions, comparable: false, registers });
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
    let registers = book.finish(connection, registers).await?;
    let comparable = kept::save(connection, &book.kept.values().collect::<Vec<_>>()).await?;
    kept::count(connection, &book.counted).await?;
    mark_never_ended(connection, arrivals, fresh, &events).await?;
    Ok(Applied { transactions, comparable, registers })
}

/// A charge that has begun and not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCharge {
    /// Its transaction id.
    pub reference: String,
    /// Connector (EVSE in 2.x).
    pub connector: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// `meterStart`, Wh.
    pub register_start_wh: Option<Decimal>,
}

/// Open charges told of one pile, the newest: beyond its connectors' they are charges that never ended.
const OPEN_MAX: i64 = 64;

impl Store {
    /// The charges of a pile that are open, the latest to begin last.
    pub async fn open_charges(&self, pile_no: i64) -> Result<Vec<OpenCharge>, StoreError> {
        let rows: Vec<(String, i64, SqlTime, Option<Decimal>)> = sqlx::query_as(
            "SELECT * FROM (
                 SELECT reference, connector, started_at, register_start_wh FROM charge
                 WHERE pile_no = $1 AND ended_at IS NULL AND connector IS NOT NULL AND started_at IS NOT NULL
                 ORDER BY started_at DESC LIMIT $2) AS open
             ORDER BY started_at",
        )
        .bind(pile_no)
        .bind(OPEN_MAX)
        .fetch_all(&self.pool)
        .await?;
        let open = |(reference, connector, started_at, register_start_wh): (_, _, SqlTime, _)| {
            let connector = u32::try_from(connector).ok()?;
            Some(OpenCharge { reference, connector, started_at: started_at.to_jiff(), register_start_wh })
        };
        Ok(rows.into_iter().filter_map(open).collect())
    }

    /// Where the registers of all connectors stood highest, whole Wh: pile, connector, register.
    pub async fn register_stands(&self) -> Result<Vec<(String, u32, i64)>, StoreError> {
        let rows: Vec<(String, i64, Decimal)> = sqlx::query_as(
            "SELECT pile_id, connector, ceil(max(greatest(register_start_wh, register_stop_wh, pile_end_wh, last_wh)))
             FROM charge JOIN pile USING (pile_no)
             WHERE connector IS NOT NULL AND coalesce(register_start_wh, register_stop_wh, pile_end_wh, last_wh) IS NOT NULL
             GROUP BY pile_id, connector",
        )
        .fetch_all(&self.pool)
        .await?;
        let stand = |(pile_id, connector, wh): (_, i64, Decimal)| {
            Some((pile_id, u32::try_from(connector).ok()?, i64::try_from(wh).ok()?))
        };
        Ok(rows.into_iter().filter_map(stand).collect())
    }

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
    /// What comes to the counts of each pile.
    counted: BTreeMap<i64, Counted>,
    piles: HashMap<i64, OfPile>,
}

/// What of a pile bears on its charges.
#[derive(Clone, Copy, Default)]
struct OfPile {
    rated_kw: Option<Decimal>,
    booted_at: Option<Timestamp>,
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
        let of_piles: Vec<(i64, Option<Decimal>, Option<SqlTime>)> = sqlx::query_as(
            "SELECT pile_no, power_kw, booted_at FROM pile LEFT JOIN pile_live USING (pile_no) WHERE pile_no = ANY($1)",
        )
        .bind(&piles)
        .fetch_all(&mut *connection)
        .await?;
        let of_pile =
            |(pile_no, rated_kw, booted_at)| (pile_no, OfPile { rated_kw, booted_at: jiff_time(booted_at) });
        let mut book = Self {
            kept: BTreeMap::new(),
            by_reference: HashMap::new(),
            by_start: HashMap::new(),
            unused: Vec::new(),
            counted: BTreeMap::new(),
            piles: of_piles.into_iter().map(of_pile).collect(),
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

    /// The charge that the event belongs to, if there is one already. A charger that gives one id to charges on two EVSEs
    /// means two charges.
    fn known(&self, pile_no: i64, event: &ChargeEvent) -> Option<i64> {
        let (reference, start_key) = keys(event);
        let by = |map: &HashMap<(i64, String), i64>, key: Option<String>| map.get(&(pile_no, key?)).copied();
        by(&self.by_reference, reference)
            .filter(|charge_no| self.is_there(*charge_no, event))
            .or_else(|| by(&self.by_start, start_key))
    }

    /// Whether an event can be of this charge by its place.
    fn is_there(&self, charge_no: i64, event: &ChargeEvent) -> bool {
        let place = self.kept[&charge_no].charge.connector.zip(event.connector);
        !matches!(event.reference, ChargeReference::Named(_))
            || place.is_none_or(|(known, named)| known == named)
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
                self.kept.get_mut(&charge_no)?.mark(Mark::ReusedTransaction);
                charge_no
            }
            Some(charge_no) => charge_no,
            None => self.begin(arrival, event)?,
        };
        let kept = self.kept.get_mut(&charge_no)?;
        if arrival.unproven && kept.mark(Mark::Unproven) {
            self.counted.entry(arrival.pile_no).or_default().unproven += 1;
        }
        kept.charge.apply(event);
        kept.updated_at = kept.updated_at.max(arrival.received.0);
        Some(kept.reference.clone())
    }

    /// Remarks on the charges that have ended, in the light of what their registers are like; gives the latter.
    async fn finish(
        &mut self,
        connection: &mut PgConnection,
        registers: &Registers,
    ) -> Result<Changed, StoreError> {
        let mut places: Vec<Place> = self.kept.values().filter_map(Kept::ended_on).collect();
        places.sort_unstable();
        places.dedup();
        let mut changed =
            if places.is_empty() { Changed::new() } else { registers.of(connection, &places).await? };
        for kept in self.kept.values() {
            if let Some(register) = kept.ended_on().and_then(|place| changed.get_mut(&place)) {
                register.observe(kept.charge_no, &kept.charge, kept.booted_at);
            }
        }
        for kept in self.kept.values_mut().filter(|kept| kept.charge.ended_at.is_some()) {
            let register = kept.ended_on().and_then(|place| changed.get(&place));
            let of_pile = self.piles.get(&kept.pile_no).copied().unwrap_or_default();
            kept.remark(of_pile.rated_kw, register.and_then(register::Register::step_wh));
        }
        if let Some(now) = self.kept.values().map(|kept| kept.updated_at).max() {
            register::save(connection, &mut changed, now).await?;
        }
        Ok(changed)
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
            if let Some(start_key) = kept.start_key.take() {
                self.by_start.remove(&(kept.pile_no, start_key));
            }
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
            ((Some(id), start_key), ChargeReference::Named(_)) => {
                return self.begin_named(arrival, id, start_key);
            }
            (keys, _) => keys,
        };
        let charge_no = self.unused.pop()?;
        let reference = reference.unwrap_or_else(|| transaction_id(charge_no).to_string());
        self.open(arrival, charge_no, reference, start_key);
        Some(charge_no)
    }

    /// Opens a charge under the id that the charger gave it; where a charge on another EVSE bears that already, beside it.
    fn begin_named(&mut self, arrival: &Arrival, id: String, place_key: Option<String>) -> Option<i64> {
        let charge_no = self.unused.pop()?;
        if self.by_reference.contains_key(&(arrival.pile_no, id.clone())) {
            self.open(arrival, charge_no, format!("{id}@{charge_no}"), place_key);
            self.kept.get_mut(&charge_no)?.mark(Mark::ReusedTransaction);
        } else {
            self.open(arrival, charge_no, id, None);
        }
        Some(charge_no)
    }

    fn open(&mut self, arrival: &Arrival, charge_no: i64, reference: String, start_key: Option<String>) {
        self.counted.entry(arrival.pile_no).or_default().charges += 1;
        self.keep(Kept {
            charge_no,
            pile_no: arrival.pile_no,
            reference,
            start_key,
            charge: Charge::default(),
            marks: Vec::new(),
            updated_at: arrival.received.0,
            booted_at: self.piles.get(&arrival.pile_no).and_then(|of_pile| of_pile.booted_at),
        });
    }
}

/// Numbers for new charges. One whose transaction id a relay's upstream has used on one of these piles is passed over.
const DRAW: &str = "
WITH drawn AS (
    SELECT nextval(pg_get_serial_sequence('charge', 'charge_no')) AS n FROM generate_series(1, $1::bigint))
SELECT n FROM drawn WHERE NOT EXISTS (
    SELECT 1 FROM charge WHERE pile_no = ANY($2) AND reference = ((n - 1) % 2147483647 + 1)::text)
ORDER BY n";

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
        ChargeReference::Named(id) => {
            let id = storable(id).into_owned();
            let place_key = event.connector.map(|connector| format!("evse:{id}:{connector}"));
            (Some(id), place_key)
        }
        ChargeReference::Start(key) => (None, Some(key.clone())),
    }
}

/// Marks charges that are still open when a later one begins on their connector. A repeated start begins none.
async fn mark_never_ended(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
    fresh: &[bool],
    events: &[Option<&ChargeEvent>],
) -> Result<(), StoreError> {
    let begins: Vec<(i64, i64, Timestamp)> = arrivals
        .iter()
        .zip(events)
        .zip(fresh)
        .filter_map(|((arrival, event), fresh)| {
            let event = event.filter(|event| *fresh && event.stage == Stage::Begin)?;
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
