//! A charge as an assessment knows it: what the pile told, and what witnesses did.
//!
//! Read by `app::assess` and `app::check`. Nothing is judged here.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use sqlx::types::Json;
use veripile_metrology::payment::Tariffed;
use veripile_pile::{VehicleKey, VehiclePath};

use crate::row::{SqlTime, corrupt, jiff_time};
use crate::witness::Bill;
use crate::{Store, StoreError};

/// A charge as an assessment knows it. Energies and registers in Wh, exact as stored; states of charge in percent.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceCharge {
    /// Its number.
    pub charge_no: i64,
    /// At which pile.
    pub pile_no: i64,
    /// On which connector.
    pub connector: Option<i64>,
    /// Which vehicle, as the pile told it: a card's or a vehicle's key.
    pub vehicle: Option<VehicleKey>,
    /// From when.
    pub started_at: Timestamp,
    /// To when.
    pub ended_at: Timestamp,
    /// Energy by the pile.
    pub energy_pile_wh: Decimal,
    /// Energy by the vehicle, as the pile relayed it.
    pub energy_vehicle_wh: Option<Decimal>,
    /// Ends of the outlet's register, if it is a lifetime register.
    pub register_wh: [Option<Decimal>; 2],
    /// State of charge at both ends.
    pub soc_percent: [Option<Decimal>; 2],
    /// Whether the meter signed both ends, with good signatures.
    pub signed: bool,
    /// SHA-256 of the key that signed.
    pub signature_key: Option<[u8; 32]>,
    /// SHA-256 of the signed record.
    pub record_digest: Option<[u8; 32]>,
    /// Error of the pile's clock, s; positive: ahead.
    pub clock_offset_s: Option<f64>,
    /// What others than the pile told.
    pub witnessed: Option<Box<Witnessed>>,
}

/// What witnesses told of a charge.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Witnessed {
    /// Energy by the vehicle, Wh, and the way on which it came.
    pub energy: Option<(Decimal, VehiclePath)>,
    /// Which vehicle.
    pub vehicle: Option<VehicleKey>,
    /// Its make and model.
    pub vehicle_model: Option<String>,
    /// Temperature of the air, °C.
    pub ambient_c: Option<Decimal>,
    /// What was asked for the charge.
    pub bill: Option<Bill>,
}

impl EvidenceCharge {
    /// A charge of which nothing else is known.
    pub fn new(charge_no: i64, pile_no: i64, times: [Timestamp; 2], energy_pile_wh: Decimal) -> Self {
        let [started_at, ended_at] = times;
        Self {
            charge_no,
            pile_no,
            connector: None,
            vehicle: None,
            started_at,
            ended_at,
            energy_pile_wh,
            energy_vehicle_wh: None,
            register_wh: [None; 2],
            soc_percent: [None; 2],
            signed: false,
            signature_key: None,
            record_digest: None,
            clock_offset_s: None,
            witnessed: None,
        }
    }

    /// The energy that the vehicle counted, Wh, and the way on which it came. A witness's word goes before the pile's: the pile is what is
    /// judged.
    pub fn vehicle_energy(&self) -> Option<(Decimal, VehiclePath)> {
        let witnessed = self.witnessed.as_ref().and_then(|told| told.energy);
        witnessed.or_else(|| Some((self.energy_vehicle_wh?, VehiclePath::Relayed)))
    }

    /// The vehicle whose energy that is.
    pub fn vehicle_key(&self) -> Option<VehicleKey> {
        match self.witnessed.as_ref() {
            Some(told) if told.energy.is_some() => told.vehicle.or(self.vehicle),
            told => self.vehicle.or(told.and_then(|told| told.vehicle)),
        }
    }

    /// Both, where both are known: then a charge can be compared.
    pub fn vehicle_side(&self) -> Option<(VehicleKey, Decimal, VehiclePath)> {
        let (energy, path) = self.vehicle_energy()?;
        Some((self.vehicle_key()?, energy, path))
    }

    /// The vehicle's make and model, where somebody told it.
    pub fn vehicle_model(&self) -> Option<&str> {
        self.witnessed.as_ref()?.vehicle_model.as_deref()
    }

    /// What was asked for it, where somebody told it.
    pub fn bill(&self) -> Option<&Bill> {
        self.witnessed.as_ref()?.bill.as_ref()
    }
}

impl Store {
    /// Charges that ended from `since` on, as they were known at a moment, in the order of their numbers.
    pub async fn evidence_charges(
        &self,
        since: Timestamp,
        known: Timestamp,
    ) -> Result<Vec<EvidenceCharge>, StoreError> {
        let mut rows = sqlx::query_as::<_, ChargeRow>(
            "SELECT charge_no, pile_no, connector, vehicle, started_at, ended_at, energy_pile_wh, energy_vehicle_wh,
                    register_start_wh, register_stop_wh, soc_start, soc_end, signed, signature_key, record_digest, clock_offset_s,
                    witness_wh, witness_path, witness_vehicle, vehicle_model, ambient_c, amount, parts
             FROM evidence_charge e
             WHERE ended_at >= $1 AND known_from <= $2 AND energy_pile_wh IS NOT NULL
               AND NOT EXISTS (SELECT FROM evidence_charge later
                               WHERE later.charge_no = e.charge_no AND later.known_from > e.known_from AND later.known_from <= $2)
             ORDER BY charge_no",
        )
        .bind(since.to_sqlx())
        .bind(known.to_sqlx())
        .fetch(&self.pool);
        // Row by row: all of them beside all charges would take the memory twice.
        let mut charges = Vec::new();
        while let Some(row) = rows.try_next().await? {
            charges.push(row.charge()?);
        }
        Ok(charges)
    }

    /// How many [`Self::evidence_charges`] gives at most: more where charges were taken in anew.
    pub async fn evidence_charges_at_most(
        &self,
        since: Timestamp,
        known: Timestamp,
    ) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM evidence_charge WHERE ended_at >= $1 AND known_from <= $2 AND energy_pile_wh IS NOT NULL",
        )
        .bind(since.to_sqlx())
        .bind(known.to_sqlx())
        .fetch_one(&self.pool)
        .await?;
        Ok(count.unsigned_abs())
    }

    /// Charges with energies from both sides that were taken in after a moment, and when the earliest of them ended, and of those that can be
    /// compared no longer since.
    pub async fn comparable_since(
        &self,
        known_after: Timestamp,
    ) -> Result<(u64, Option<Timestamp>), StoreError> {
        let (count, earliest): (i64, Option<SqlTime>) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE e.comparable), min(e.ended_at)
             FROM (SELECT charge_no, known_from, ended_at,
                          energy_pile_wh IS NOT NULL AND coalesce(witness_wh, energy_vehicle_wh) IS NOT NULL
                              AND coalesce(witness_vehicle, vehicle) IS NOT NULL AS comparable
                   FROM evidence_charge WHERE known_from > $1) AS e
             LEFT JOIN LATERAL (
                 SELECT b.energy_pile_wh IS NOT NULL AND coalesce(b.witness_wh, b.energy_vehicle_wh) IS NOT NULL
                            AND coalesce(b.witness_vehicle, b.vehicle) IS NOT NULL AS comparable
                 FROM evidence_charge b WHERE NOT e.comparable AND b.charge_no = e.charge_no AND b.known_from < e.known_from
                 ORDER BY b.known_from DESC LIMIT 1) AS before ON true
             WHERE e.comparable OR before.comparable",
        )
        .bind(known_after.to_sqlx())
        .fetch_one(&self.pool)
        .await?;
        Ok((count.unsigned_abs(), jiff_time(earliest)))
    }
}

#[derive(FromRow)]
struct ChargeRow {
    charge_no: i64,
    pile_no: i64,
    connector: Option<i64>,
    vehicle: Option<Vec<u8>>,
    started_at: SqlTime,
    ended_at: SqlTime,
    energy_pile_wh: Decimal,
    energy_vehicle_wh: Option<Decimal>,
    register_start_wh: Option<Decimal>,
    register_stop_wh: Option<Decimal>,
    soc_start: Option<Decimal>,
    soc_end: Option<Decimal>,
    signed: bool,
    signature_key: Option<Vec<u8>>,
    record_digest: Option<Vec<u8>>,
    clock_offset_s: Option<f64>,
    #[sqlx(flatten)]
    witnessed: WitnessedRow,
}

#[derive(FromRow)]
struct WitnessedRow {
    witness_wh: Option<Decimal>,
    witness_path: Option<String>,
    witness_vehicle: Option<Vec<u8>>,
    vehicle_model: Option<String>,
    ambient_c: Option<Decimal>,
    amount: Option<Decimal>,
    parts: Option<Json<Vec<Tariffed>>>,
}

/// Exactly so many bytes.
fn bytes<const N: usize>(what: &'static str, stored: Option<Vec<u8>>) -> Result<Option<[u8; N]>, StoreError> {
    stored.map(|bytes| bytes.try_into().map_err(|bytes: Vec<u8>| corrupt(what, bytes.len()))).transpose()
}

impl ChargeRow {
    fn charge(self) -> Result<EvidenceCharge, StoreError> {
        Ok(EvidenceCharge {
            charge_no: self.charge_no,
            pile_no: self.pile_no,
            connector: self.connector,
            vehicle: bytes("vehicle", self.vehicle)?.map(VehicleKey),
            started_at: self.started_at.to_jiff(),
            ended_at: self.ended_at.to_jiff(),
            energy_pile_wh: self.energy_pile_wh,
            energy_vehicle_wh: self.energy_vehicle_wh,
            register_wh: [self.register_start_wh, self.register_stop_wh],
            soc_percent: [self.soc_start, self.soc_end],
            signed: self.signed,
            signature_key: bytes("signature key", self.signature_key)?,
            record_digest: bytes("record digest", self.record_digest)?,
            clock_offset_s: self.clock_offset_s,
            witnessed: self.witnessed.witnessed()?,
        })
    }
}

impl WitnessedRow {
    fn witnessed(self) -> Result<Option<Box<Witnessed>>, StoreError> {
        let path = |word: String| VehiclePath::from_word(&word).ok_or_else(|| corrupt("way", &word));
        let path = self.witness_path.map(path).transpose()?;
        let told = Witnessed {
            energy: self.witness_wh.zip(path),
            vehicle: bytes("vehicle", self.witness_vehicle)?.map(VehicleKey),
            vehicle_model: self.vehicle_model,
            ambient_c: self.ambient_c,
            bill: self.amount.zip(self.parts).map(|(amount, Json(parts))| Bill { amount, parts }),
        };
        Ok((told != Witnessed::default()).then(|| Box::new(told)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(witnessed: Option<Witnessed>) -> EvidenceCharge {
        EvidenceCharge {
            vehicle: Some(VehicleKey([1; 16])),
            energy_vehicle_wh: Some(Decimal::from(9_000)),
            witnessed: witnessed.map(Box::new),
            ..EvidenceCharge::new(1, 1, [Timestamp::UNIX_EPOCH; 2], Decimal::from(10_000))
        }
    }

    #[test]
    fn a_witness_goes_before_the_pile_and_names_the_vehicle_it_speaks_of() {
        let (card, car) = (VehicleKey([1; 16]), VehicleKey([2; 16]));
        let (relayed, told) = (Decimal::from(9_000), Decimal::from(9_500));
        assert_eq!(charge(None).vehicle_side(), Some((card, relayed, VehiclePath::Relayed)));
        let by =
            |vehicle| Witnessed { energy: Some((told, VehiclePath::App)), vehicle, ..Witnessed::default() };
        assert_eq!(charge(Some(by(Some(car)))).vehicle_side(), Some((car, told, VehiclePath::App)));
        assert_eq!(charge(Some(by(None))).vehicle_side(), Some((card, told, VehiclePath::App)));
        let model_only = Witnessed { vehicle: Some(car), ..Witnessed::default() };
        assert_eq!(charge(Some(model_only)).vehicle_side(), Some((card, relayed, VehiclePath::Relayed)));
        let nobody = EvidenceCharge { vehicle: None, ..charge(Some(by(None))) };
        assert_eq!(nobody.vehicle_side(), None, "whose vehicle it was is not known");
    }
}
