//! What assessments rest on, taken in once and kept as it was: so a run reads what is new only, and every past one can be made again.
//!
//! Called by `app::assess` and `app::check`. Nothing is judged here.

mod charge;

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use veripile_pile::{AccuracyClass, Act, Measurand, OperatorId, PileId, PileKind, StationId};

pub use charge::{EvidenceCharge, Witnessed};

use crate::pile_number::pile_number;
use crate::registration::ActRow;
use crate::report::ReportReason;
use crate::row::{SqlTime, corrupt, jiff_time};
use crate::{Store, StoreError};

/// Charges taken in with one transaction: some 20 ms on the embedded database, whose one connection chargers wait for meanwhile.
const TAKEN_MAX: i64 = 200;

/// Changes are looked for from so long before the last one seen: batches of charges commit in another order than they arrive in.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// Rows are numbered before they are committed: one may appear so many numbers behind the last one seen. More are not written at once.
const NUMBERS_BEHIND: i64 = 1_000_000;

/// What was taken in at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakenIn {
    /// Charges, new or changed.
    pub charges: u64,
    /// Those of them with energies from both sides.
    pub comparable: u64,
    /// When the earliest of the latter ended, and of those that can be compared no longer.
    pub earliest: Option<Timestamp>,
    /// Acts, changed piles, intervals of energy, calibrations of reference vehicles and prices; and charges that were compared and are no longer,
    /// as when a witness takes back what it told, or another contradicts it.
    pub others: u64,
}

impl TakenIn {
    fn add(&mut self, batch: &Self) {
        self.charges += batch.charges;
        self.comparable += batch.comparable;
        self.others += batch.others;
        self.earliest = [self.earliest, batch.earliest].into_iter().flatten().min();
    }
}

/// A pile as an assessment knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidencePile {
    /// Its number.
    pub pile_no: i64,
    /// Which.
    pub pile_id: PileId,
    /// AC or DC.
    pub kind: PileKind,
    /// Its class.
    pub class: AccuracyClass,
    /// Its station.
    pub station_id: Option<StationId>,
    /// Its operator.
    pub operator_id: Option<OperatorId>,
    /// Make and model.
    pub model: Option<String>,
    /// What was told of its efficiency.
    pub efficiency: Option<Efficiency>,
}

/// Energy out over energy in of a pile, as somebody told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Efficiency {
    /// As a fraction.
    pub ratio: Decimal,
    /// Its standard uncertainty, of the same unit; none where nobody told that.
    pub standard_uncertainty: Option<Decimal>,
}

/// Energy in an interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnergyInterval {
    /// Whose meter.
    pub meter: EnergyMeter,
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
    /// Energy, kWh; none where it was not read.
    pub energy_kwh: Option<Decimal>,
    /// Class of a master.
    pub class: Option<Decimal>,
}

/// Whose energy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EnergyMeter {
    /// A station's master meter.
    Master(StationId),
    /// A pile's register.
    Register(PileId),
}

/// Firmware that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareRow {
    /// Of which pile.
    pub pile_no: i64,
    /// When it was first heard of.
    pub at: Timestamp,
    /// Version.
    pub version: String,
}

/// What a lifetime register counted in a charge that is no evidence: it never ended, or ended before it began. Wh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRegisterRow {
    /// Of which pile.
    pub pile_no: i64,
    /// On which connector.
    pub connector: i64,
    /// Register at the begin.
    pub start_wh: Decimal,
    /// The last that was told of it.
    pub end_wh: Decimal,
}

impl Store {
    /// Takes in what is new: everything that assessments of `now` and later rest on. `now` must be later than every moment before.
    pub async fn take_in(&self, now: Timestamp) -> Result<TakenIn, StoreError> {
        let until: Option<SqlTime> =
            sqlx::query_scalar("SELECT charges_until FROM evidence_taken").fetch_optional(&self.pool).await?;
        let until = jiff_time(until);
        let mut after =
            until.and_then(|until| until.checked_sub(OVERLAP).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut transaction = self.pool.begin().await?;
        let mut taken =
            TakenIn { others: take_in_others(&mut transaction, now).await?, ..TakenIn::default() };
        transaction.commit().await?;
        loop {
            let mut transaction = self.pool.begin().await?;
            let (batch, last) = take_in_changed(&mut transaction, after, now).await?;
            transaction.commit().await?;
            taken.add(&batch);
            // Those that changed in the same moment as the last one are still to come; the others are not looked at again.
            after = last
                .and_then(|last| last.checked_sub(SignedDuration::from_micros(1)).ok())
                .unwrap_or(after)
                .max(after);
            if batch.charges < TAKEN_MAX.unsigned_abs() {
                break;
            }
        }
        loop {
            let mut transaction = self.pool.begin().await?;
            let (named, batch) = take_in_due(&mut transaction, now).await?;
            transaction.commit().await?;
            taken.add(&batch);
            if named < TAKEN_MAX.unsigned_abs() {
                return Ok(taken);
            }
        }
    }

    /// The latest moment at which anything was taken in.
    pub async fn taken_in_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<SqlTime> = sqlx::query_scalar(
            "SELECT max(at) FROM (SELECT max(known_from) AS at FROM evidence_pile
                                  UNION ALL SELECT max(known_from) FROM evidence_act
                                  UNION ALL SELECT max(known_from) FROM evidence_charge
                                  UNION ALL SELECT max(known_from) FROM evidence_energy
                                  UNION ALL SELECT max(known_from) FROM evidence_reference
                                  UNION ALL SELECT max(known_from) FROM evidence_price
                                  UNION ALL SELECT max(as_of) FROM assessment_run) AS moments",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(jiff_time(at))
    }

    /// Acts, changes of piles, intervals of energy, calibrations and prices that were taken in after a moment, and charges that can be compared
    /// no longer since: [`TakenIn::others`]. Charges and intervals of that time are found by `known_from` (0028_known.sql), the row of before
    /// of each such charge by its number.
    pub async fn others_since(&self, known_after: Timestamp) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM evidence_act WHERE known_from > $1)
                  + (SELECT count(*) FROM evidence_pile WHERE known_from > $1)
                  + (SELECT count(*) FROM evidence_energy WHERE known_from > $1)
                  + (SELECT count(*) FROM evidence_reference WHERE known_from > $1)
                  + (SELECT count(*) FROM evidence_price WHERE known_from > $1)
                  + (SELECT count(*) FROM evidence_charge e
                     CROSS JOIN LATERAL (SELECT b.* FROM evidence_charge b WHERE b.charge_no = e.charge_no AND b.known_from < e.known_from
                                         ORDER BY b.known_from DESC LIMIT 1) AS before
                     WHERE e.known_from > $1
                       AND NOT (e.energy_pile_wh IS NOT NULL AND coalesce(e.witness_wh, e.energy_vehicle_wh) IS NOT NULL
                                AND coalesce(e.witness_vehicle, e.vehicle) IS NOT NULL)
                       AND before.energy_pile_wh IS NOT NULL AND coalesce(before.witness_wh, before.energy_vehicle_wh) IS NOT NULL
                       AND coalesce(before.witness_vehicle, before.vehicle) IS NOT NULL)",
        )
        .bind(known_after.to_sqlx())
        .fetch_one(&self.pool)
        .await?;
        Ok(count.unsigned_abs())
    }

    /// Piles as they were known at a moment, by identifier.
    pub async fn evidence_piles(&self, known: Timestamp) -> Result<Vec<EvidencePile>, StoreError> {
        let rows: Vec<PileRow> = sqlx::query_as(
            "SELECT DISTINCT ON (pile_id) pile_no, pile_id, e.kind, e.accuracy_class, e.station_id, e.operator_id, e.model,
                    e.efficiency, e.efficiency_u
             FROM evidence_pile e JOIN pile USING (pile_no) WHERE known_from <= $1 ORDER BY pile_id, known_from DESC",
        )
        .bind(known.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(PileRow::pile).collect()
    }

    /// Acts as they were known at a moment, by pile number and time.
    pub async fn evidence_acts(&self, known: Timestamp) -> Result<Vec<(i64, Act)>, StoreError> {
        let rows: Vec<ActRow> = sqlx::query_as(
            "SELECT act.* FROM act JOIN evidence_act USING (act_no) WHERE known_from <= $1 ORDER BY pile_no, acted_at, act_no",
        )
        .bind(known.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(ActRow::act).collect()
    }

    /// Intervals of master meters and registers that end from `since` on, as they were known at a moment.
    pub async fn evidence_energy(
        &self,
        since: Timestamp,
        known: Timestamp,
    ) -> Result<Vec<EnergyInterval>, StoreError> {
        let rows: Vec<EnergyRow> = sqlx::query_as(
            "SELECT DISTINCT ON (i.station_id, pile_id, from_at, to_at)
                    i.station_id, pile_id, from_at, to_at, energy_kwh, i.accuracy_class
             FROM energy_interval i JOIN evidence_energy USING (energy_no) LEFT JOIN pile USING (pile_no)
             WHERE to_at >= $1 AND known_from <= $2
             ORDER BY i.station_id, pile_id, from_at, to_at, energy_no DESC",
        )
        .bind(since.to_sqlx())
        .bind(known.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(EnergyRow::interval).collect()
    }

    /// Changes of firmware, by pile and time. The first firmware of a pile is no change.
    pub async fn firmware_changes(&self) -> Result<Vec<FirmwareRow>, StoreError> {
        let rows: Vec<(i64, SqlTime, String)> = sqlx::query_as(
            "SELECT pile_no, at, version FROM firmware_change f
             WHERE EXISTS (SELECT FROM firmware_change before WHERE before.pile_no = f.pile_no AND before.at < f.at)
             ORDER BY pile_no, at",
        )
        .fetch_all(&self.pool)
        .await?;
        let row = |(pile_no, at, version): (i64, SqlTime, String)| FirmwareRow {
            pile_no,
            at: at.to_jiff(),
            version,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Registers of charges that began from `since` on and are no evidence, as they are now; by pile, connector and register.
    pub async fn told_registers(&self, since: Timestamp) -> Result<Vec<ToldRegisterRow>, StoreError> {
        let rows: Vec<(i64, i64, Decimal, Decimal)> = sqlx::query_as(
            "SELECT * FROM (
                 SELECT pile_no, connector,
                        CASE WHEN pile_begin_phases = 0 THEN coalesce(pile_begin_wh, register_start_wh) ELSE register_start_wh END
                            AS start_wh,
                        CASE WHEN ended_at IS NULL AND last_phases = 0 THEN last_wh
                             WHEN pile_end_phases = 0 THEN coalesce(pile_end_wh, register_stop_wh) ELSE register_stop_wh END AS end_wh
                 FROM charge JOIN register USING (pile_no, connector)
                 WHERE register.kind = 'lifetime' AND started_at >= $1 AND (ended_at IS NULL OR ended_at < started_at)
                   AND NOT 'unproven' = ANY(marks)) AS told
             WHERE start_wh <= end_wh ORDER BY pile_no, connector, start_wh, end_wh",
        )
        .bind(since.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        let row =
            |(pile_no, connector, start_wh, end_wh)| ToldRegisterRow { pile_no, connector, start_wh, end_wh };
        Ok(rows.into_iter().map(row).collect())
    }

    /// The highest price of a kWh in the course of a day, CNY, of each station that tells one.
    pub async fn station_prices(&self) -> Result<Vec<(StationId, Decimal)>, StoreError> {
        let rows: Vec<(String, Decimal)> =
            sqlx::query_as("SELECT station_id, fee_cny_kwh FROM station WHERE fee_cny_kwh IS NOT NULL")
                .fetch_all(&self.pool)
                .await?;
        let station = |(id, price): (String, Decimal)| {
            Ok((StationId::parse(&id).map_err(|_| corrupt("station", &id))?, price))
        };
        rows.into_iter().map(station).collect()
    }

    /// How often drivers reported of each pile since a moment that its energy or bill is wrong, or a seal broken; by its number.
    pub async fn complaints(&self, since: Timestamp) -> Result<Vec<(i64, i64)>, StoreError> {
        const REASONS: [ReportReason; 3] = [ReportReason::Energy, ReportReason::Price, ReportReason::Seal];
        let rows = sqlx::query_as(
            "SELECT pile_no, count(*) FROM report WHERE reported_at >= $1 AND reason = ANY($2) GROUP BY pile_no",
        )
        .bind(since.to_sqlx())
        .bind(REASONS.map(ReportReason::word).to_vec())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// When each pile was last heard, by its number.
    pub async fn last_heard(&self) -> Result<Vec<(i64, Timestamp)>, StoreError> {
        let rows: Vec<(i64, SqlTime)> =
            sqlx::query_as("SELECT pile_no, last_seen FROM pile_live WHERE last_seen IS NOT NULL")
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(|(pile_no, at)| (pile_no, at.to_jiff())).collect())
    }
}

/// Records intervals of energy; one that stands there already with the same energy is not repeated. Gives how many are new. Fails if a
/// station or pile is not registered.
pub(crate) async fn write_energy(
    connection: &mut PgConnection,
    intervals: &[EnergyInterval],
) -> Result<u64, StoreError> {
    let mut recorded = 0;
    for interval in intervals {
        let (station, pile_no) = match &interval.meter {
            EnergyMeter::Master(station) => (Some(station.as_str()), None),
            EnergyMeter::Register(pile_id) => (None, Some(pile_number(&mut *connection, pile_id).await?)),
        };
        let stored = sqlx::query(
            "INSERT INTO energy_interval (station_id, pile_no, from_at, to_at, energy_kwh, accuracy_class)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE NOT EXISTS (
                 SELECT FROM (SELECT energy_kwh, accuracy_class FROM energy_interval i
                              WHERE i.station_id IS NOT DISTINCT FROM $1 AND i.pile_no IS NOT DISTINCT FROM $2
                                AND i.from_at = $3 AND i.to_at = $4 ORDER BY energy_no DESC LIMIT 1) AS known
                 WHERE known.energy_kwh IS NOT DISTINCT FROM $5 AND known.accuracy_class IS NOT DISTINCT FROM $6)",
        )
        .bind(station)
        .bind(pile_no)
        .bind(interval.from.to_sqlx())
        .bind(interval.to.to_sqlx())
        .bind(interval.energy_kwh)
        .bind(interval.class)
        .execute(&mut *connection)
        .await?;
        recorded += stored.rows_affected();
    }
    Ok(recorded)
}

/// The statement that takes in charges of which a condition on `$1` holds.
fn statement(which: &str) -> String {
    include_str!("evidence/take_in_charges.sql").replace("{which}", which)
}

static CHANGED: LazyLock<String> = LazyLock::new(|| {
    statement(
        "updated_at > $1 AND NOT EXISTS (SELECT FROM evidence_charge known
                                         WHERE known.charge_no = charge.charge_no AND known.updated_at = charge.updated_at)",
    )
});

static NAMED: LazyLock<String> = LazyLock::new(|| statement("charge_no = ANY($1)"));

/// Numbers of the charges taken in, how many are comparable and how many no longer, when the earliest of both ended, the last change seen.
type Stored = (Vec<i64>, i64, i64, Option<SqlTime>, Option<SqlTime>);

/// A batch of charges that changed after a moment, and what came of it; those beside them are named for taking in anew. And the last change
/// seen.
async fn take_in_changed(
    connection: &mut PgConnection,
    after: Timestamp,
    now: Timestamp,
) -> Result<(TakenIn, Option<Timestamp>), StoreError> {
    let stored: Stored = sqlx::query_as(&CHANGED)
        .bind(after.to_sqlx())
        .bind(now.to_sqlx())
        .bind(TAKEN_MAX)
        .bind(Measurand::STATE_OF_CHARGE)
        .fetch_one(&mut *connection)
        .await?;
    let last = jiff_time(stored.4);
    if let Some(last) = last {
        sqlx::query(include_str!("evidence/neighbours.sql"))
            .bind(&stored.0)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT INTO evidence_taken (charges_until) VALUES ($1)
             ON CONFLICT (only_row) DO UPDATE SET charges_until = greatest(evidence_taken.charges_until, excluded.charges_until)",
        )
        .bind(last.to_sqlx())
        .execute(connection)
        .await?;
    }
    Ok((taken(&stored), last))
}

/// A batch of charges that were named for taking in anew: how many were, and what came of it.
async fn take_in_due(connection: &mut PgConnection, now: Timestamp) -> Result<(u64, TakenIn), StoreError> {
    let named: Vec<i64> = sqlx::query_scalar(
        "DELETE FROM evidence_due WHERE charge_no IN (SELECT charge_no FROM evidence_due ORDER BY charge_no LIMIT $1)
         RETURNING charge_no",
    )
    .bind(TAKEN_MAX)
    .fetch_all(&mut *connection)
    .await?;
    if named.is_empty() {
        return Ok((0, TakenIn::default()));
    }
    let stored: Stored = sqlx::query_as(&NAMED)
        .bind(&named)
        .bind(now.to_sqlx())
        .bind(TAKEN_MAX)
        .bind(Measurand::STATE_OF_CHARGE)
        .fetch_one(connection)
        .await?;
    Ok((named.len() as u64, taken(&stored)))
}

fn taken((charges, comparable, gone, earliest, _): &Stored) -> TakenIn {
    TakenIn {
        charges: charges.len() as u64,
        comparable: comparable.unsigned_abs(),
        earliest: jiff_time(*earliest),
        others: gone.unsigned_abs(),
    }
}

/// Acts, piles, intervals, calibrations and prices; how many are new or changed.
async fn take_in_others(connection: &mut PgConnection, now: Timestamp) -> Result<u64, StoreError> {
    const STATEMENTS: [&str; 5] = [
        "INSERT INTO evidence_pile (pile_no, known_from, kind, accuracy_class, station_id, operator_id, model, efficiency, efficiency_u)
         SELECT pile_no, $1, pile.kind, pile.accuracy_class, pile.station_id, pile.operator_id, coalesce(pile.model, live.model),
                pile.efficiency, pile.efficiency_u
         FROM pile LEFT JOIN pile_live live USING (pile_no)
         LEFT JOIN LATERAL (SELECT e.* FROM evidence_pile e WHERE e.pile_no = pile.pile_no
                            ORDER BY known_from DESC LIMIT 1) AS known USING (pile_no)
         WHERE NOT inbox AND $2 > 0 AND (known.pile_no IS NULL OR
             (pile.kind, pile.accuracy_class, pile.station_id, pile.operator_id, coalesce(pile.model, live.model),
              pile.efficiency, pile.efficiency_u) IS DISTINCT FROM
             (known.kind, known.accuracy_class, known.station_id, known.operator_id, known.model,
              known.efficiency, known.efficiency_u))
         ON CONFLICT DO NOTHING",
        "INSERT INTO evidence_act (act_no, known_from)
         SELECT act_no, $1 FROM act
         WHERE act_no > coalesce((SELECT max(act_no) FROM evidence_act), 0) - $2
           AND NOT EXISTS (SELECT FROM evidence_act known WHERE known.act_no = act.act_no)
         ON CONFLICT DO NOTHING",
        "INSERT INTO evidence_energy (energy_no, known_from)
         SELECT energy_no, $1 FROM energy_interval i
         WHERE energy_no > coalesce((SELECT max(energy_no) FROM evidence_energy), 0) - $2
           AND NOT EXISTS (SELECT FROM evidence_energy known WHERE known.energy_no = i.energy_no)
         ON CONFLICT DO NOTHING",
        "INSERT INTO evidence_reference (reference_no, known_from)
         SELECT reference_no, $1 FROM reference_vehicle r
         WHERE reference_no > coalesce((SELECT max(reference_no) FROM evidence_reference), 0) - $2
           AND NOT EXISTS (SELECT FROM evidence_reference known WHERE known.reference_no = r.reference_no)
         ON CONFLICT DO NOTHING",
        "INSERT INTO evidence_price (price_no, known_from)
         SELECT price_no, $1 FROM station_price p
         WHERE price_no > coalesce((SELECT max(price_no) FROM evidence_price), 0) - $2
           AND NOT EXISTS (SELECT FROM evidence_price known WHERE known.price_no = p.price_no)
         ON CONFLICT DO NOTHING",
    ];
    let mut taken = 0;
    for statement in STATEMENTS {
        let query = sqlx::query(statement).bind(now.to_sqlx()).bind(NUMBERS_BEHIND);
        taken += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(taken)
}

#[derive(FromRow)]
struct PileRow {
    pile_no: i64,
    pile_id: String,
    kind: String,
    accuracy_class: Decimal,
    station_id: Option<String>,
    operator_id: Option<String>,
    model: Option<String>,
    efficiency: Option<Decimal>,
    efficiency_u: Option<Decimal>,
}

impl PileRow {
    fn pile(self) -> Result<EvidencePile, StoreError> {
        let station = |id: String| StationId::parse(&id).map_err(|_| corrupt("station", &id));
        let operator = |id: String| OperatorId::parse(&id).map_err(|_| corrupt("operator", &id));
        let standard_uncertainty = self.efficiency_u;
        Ok(EvidencePile {
            pile_no: self.pile_no,
            pile_id: PileId::parse(&self.pile_id).map_err(|_| corrupt("pile", &self.pile_id))?,
            kind: PileKind::from_word(&self.kind).ok_or_else(|| corrupt("kind", &self.kind))?,
            class: AccuracyClass(self.accuracy_class),
            station_id: self.station_id.map(station).transpose()?,
            operator_id: self.operator_id.map(operator).transpose()?,
            model: self.model,
            efficiency: self.efficiency.map(|ratio| Efficiency { ratio, standard_uncertainty }),
        })
    }
}

#[derive(FromRow)]
struct EnergyRow {
    station_id: Option<String>,
    pile_id: Option<String>,
    from_at: SqlTime,
    to_at: SqlTime,
    energy_kwh: Option<Decimal>,
    accuracy_class: Option<Decimal>,
}

impl EnergyRow {
    fn interval(self) -> Result<EnergyInterval, StoreError> {
        let meter = match (&self.station_id, &self.pile_id) {
            (Some(id), _) => EnergyMeter::Master(StationId::parse(id).map_err(|_| corrupt("station", id))?),
            (None, Some(id)) => EnergyMeter::Register(PileId::parse(id).map_err(|_| corrupt("pile", id))?),
            (None, None) => return Err(corrupt("interval of energy", "of no meter")),
        };
        Ok(EnergyInterval {
            meter,
            from: self.from_at.to_jiff(),
            to: self.to_at.to_jiff(),
            energy_kwh: self.energy_kwh,
            class: self.accuracy_class,
        })
    }
}
