//! What others than the pile tell of charges (a vehicle's maker, a driver's app, an authority with a reference vehicle), and when reference
//! vehicles were calibrated.
//!
//! Written by `veripile witness` and `veripile register`; taken in with the charges by [`crate::evidence`]. What is told is kept as it was
//! told, whether it fits a charge or not: the charge may come later. Nothing is judged here.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use veripile_metrology::payment::Tariffed;
use veripile_pile::{NameKind, OnSiteResult, PileId, VehicleKey, VehiclePath};

use crate::row::{SqlTime, corrupt};
use crate::{Store, StoreError};

/// What somebody else tells of a charge. Energy in Wh.
#[derive(Debug, Clone, PartialEq)]
pub struct Witness {
    /// At which pile.
    pub pile_id: PileId,
    /// On which connector, where it is known.
    pub connector: Option<i64>,
    /// From when, by the witness's clock.
    pub started_at: Timestamp,
    /// To when; later.
    pub ended_at: Timestamp,
    /// Which vehicle, and by what kind of name.
    pub vehicle: Option<(VehicleKey, NameKind)>,
    /// Its make and model.
    pub vehicle_model: Option<String>,
    /// On which way the vehicle's energy came.
    pub path: Option<VehiclePath>,
    /// Energy by the vehicle, Wh; none with a way takes back what was told on it of the same time.
    pub energy_wh: Option<Decimal>,
    /// State of charge at both ends, percent.
    pub soc_percent: [Option<Decimal>; 2],
    /// Temperature of the air, °C.
    pub ambient_c: Option<Decimal>,
    /// What was asked for the charge.
    pub bill: Option<Bill>,
}

/// A bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// What was asked for, CNY.
    pub amount: Decimal,
    /// Energy at each price.
    pub parts: Vec<Tariffed>,
}

/// What became of a batch of witnesses' rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Rows that were not known yet.
    pub new: u64,
    /// Of these: such as fit one charge.
    pub fit: u64,
    /// Such as fit none that is known by now.
    pub fit_none: u64,
    /// Such as fit several, and so speak of none.
    pub fit_several: u64,
}

/// The calibration of a reference vehicle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Of which vehicle.
    pub vehicle: VehicleKey,
    /// When.
    pub at: Timestamp,
    /// What was found.
    pub result: OnSiteResult,
}

impl Store {
    /// Which of these piles nobody registered, in their order.
    pub async fn unknown_piles(&self, piles: &[PileId]) -> Result<Vec<PileId>, StoreError> {
        let ids: Vec<&str> = piles.iter().map(PileId::as_str).collect();
        let unknown: Vec<String> = sqlx::query_scalar(
            "SELECT told.pile_id FROM unnest($1::text[]) WITH ORDINALITY AS told (pile_id, place)
             LEFT JOIN pile ON pile.pile_id = told.pile_id AND NOT inbox WHERE pile_no IS NULL ORDER BY place",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        unknown.iter().map(|id| PileId::parse(id).map_err(|_| corrupt("pile", id))).collect()
    }

    /// Records what witnesses tell of charges at registered piles; rows that say again what the newest of the same time and way said are not
    /// repeated. Charges that they fit are taken in anew.
    pub async fn record_witnesses(&self, witnesses: &[Witness]) -> Result<Recorded, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let all = witnesses.iter();
        let numbers: Vec<i64> = sqlx::query_scalar(include_str!("witness/record.sql"))
            .bind(all.clone().map(|w| w.pile_id.as_str()).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.connector).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.started_at.to_sqlx()).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.ended_at.to_sqlx()).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.vehicle.map(|(key, _)| key.0.to_vec())).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.vehicle_model.as_deref()).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.path.map(VehiclePath::word)).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.energy_wh).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.soc_percent[0]).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.soc_percent[1]).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.ambient_c).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.bill.as_ref().map(|bill| bill.amount)).collect::<Vec<_>>())
            .bind(all.clone().map(|w| w.bill.as_ref().map(|bill| Json(&bill.parts))).collect::<Vec<_>>())
            .bind(all.map(|w| w.vehicle.map(|(_, kind)| kind.word())).collect::<Vec<_>>())
            .fetch_all(&mut *transaction)
            .await?;
        let (fit, fit_several): (i64, i64) = sqlx::query_as(
            "WITH fit AS MATERIALIZED (SELECT witness_no, charge_no FROM witness_fit WHERE witness_no = ANY($1)),
             due AS (INSERT INTO evidence_due SELECT DISTINCT charge_no FROM fit ON CONFLICT DO NOTHING)
             SELECT count(*) FILTER (WHERE charges = 1), count(*) FILTER (WHERE charges > 1)
             FROM (SELECT count(*) AS charges FROM fit GROUP BY witness_no) AS fit",
        )
        .bind(&numbers)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        // Once more: a charge that came meanwhile knew nothing of these rows, nor they of it. And a row that does not fit a charge in whose
        // time it lies may make parts of those that do.
        sqlx::query(
            "INSERT INTO evidence_due
             SELECT charge_no FROM witness_fit WHERE witness_no = ANY($1)
             UNION
             SELECT charge_no FROM witness JOIN charge ON charge.pile_no = witness.pile_no
                 AND charge.started_at BETWEEN witness.started_at - interval '7 days' AND witness.ended_at
                 AND charge.ended_at >= witness.started_at
             WHERE witness_no = ANY($1) AND EXISTS (SELECT FROM witness_fit fit WHERE fit.charge_no = charge.charge_no)
             ON CONFLICT DO NOTHING",
        )
        .bind(&numbers)
        .execute(&self.pool)
        .await?;
        self.evidence.notify_one();
        let (new, fit, fit_several) = (numbers.len() as u64, fit.unsigned_abs(), fit_several.unsigned_abs());
        Ok(Recorded { new, fit, fit_none: new - fit - fit_several, fit_several })
    }

    /// Calibrations as they were known at a moment, by vehicle and time.
    pub async fn evidence_calibrations(&self, known: Timestamp) -> Result<Vec<Calibration>, StoreError> {
        let rows: Vec<(Vec<u8>, SqlTime, Decimal, Decimal, Decimal)> = sqlx::query_as(
            "SELECT DISTINCT ON (vehicle, verified_at) vehicle, verified_at, error_percent, expanded_uncertainty_percent, coverage_factor
             FROM reference_vehicle JOIN evidence_reference USING (reference_no)
             WHERE known_from <= $1 ORDER BY vehicle, verified_at, reference_no DESC",
        )
        .bind(known.to_sqlx())
        .fetch_all(&self.pool)
        .await?;
        let calibration = |(vehicle, at, error_percent, expanded_uncertainty_percent, coverage_factor): (
            Vec<u8>,
            SqlTime,
            Decimal,
            Decimal,
            Decimal,
        )| {
            let vehicle = vehicle.try_into().map_err(|bytes: Vec<u8>| corrupt("vehicle", bytes.len()))?;
            let result = OnSiteResult { error_percent, expanded_uncertainty_percent, coverage_factor };
            Ok(Calibration { vehicle: VehicleKey(vehicle), at: at.to_jiff(), result })
        };
        rows.into_iter().map(calibration).collect()
    }
}

/// Records calibrations of reference vehicles; one that says what the newest of its moment says is not repeated. Gives how many are new.
pub(crate) async fn write_calibrations(
    connection: &mut PgConnection,
    calibrations: &[Calibration],
) -> Result<u64, StoreError> {
    let all = calibrations.iter();
    let stored = sqlx::query(
        "INSERT INTO reference_vehicle (vehicle, verified_at, error_percent, expanded_uncertainty_percent, coverage_factor)
         SELECT given.* FROM unnest($1::bytea[], $2::timestamptz[], $3::numeric[], $4::numeric[], $5::numeric[])
             AS given (vehicle, verified_at, error, u, k)
         WHERE NOT EXISTS (
             SELECT FROM (SELECT * FROM reference_vehicle r WHERE r.vehicle = given.vehicle AND r.verified_at = given.verified_at
                          ORDER BY reference_no DESC LIMIT 1) AS known
             WHERE (known.error_percent, known.expanded_uncertainty_percent, known.coverage_factor) = (given.error, given.u, given.k))",
    )
    .bind(all.clone().map(|c| c.vehicle.0.to_vec()).collect::<Vec<_>>())
    .bind(all.clone().map(|c| c.at.to_sqlx()).collect::<Vec<_>>())
    .bind(all.clone().map(|c| c.result.error_percent).collect::<Vec<_>>())
    .bind(all.clone().map(|c| c.result.expanded_uncertainty_percent).collect::<Vec<_>>())
    .bind(all.map(|c| c.result.coverage_factor).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(stored.rows_affected())
}
