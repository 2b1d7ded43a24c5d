//! What the pile page asks: the charges and acts of one pile, newest first.
//!
//! Called by `api`. Reads only.

use jiff::Timestamp;
use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::{Mark, PileId, VehiclePath};

use crate::row::{SqlTime, jiff_time, marks, storable};
use crate::{Store, StoreError};

/// Most charges of one pile on one page.
pub const CHARGES_PER_PAGE_MAX: u32 = 1_000;

/// A charge as the pile page lists it. No card, no vehicle: only whether there was one.
#[derive(Debug, Clone, PartialEq)]
pub struct ChargeRecord {
    /// Number of the charge.
    pub charge_no: i64,
    /// Connector.
    pub connector: Option<i64>,
    /// Began.
    pub started_at: Option<Timestamp>,
    /// Ended; none while it runs.
    pub ended_at: Option<Timestamp>,
    /// Energy by the pile's meter, Wh.
    pub energy_pile_wh: Option<Decimal>,
    /// Energy by the vehicle's own meter, Wh: what a witness told, else what the pile relayed.
    pub energy_vehicle_wh: Option<Decimal>,
    /// On which way that came.
    pub vehicle_path: Option<VehiclePath>,
    /// Remarks.
    pub marks: Vec<Mark>,
}

/// A charge and where it took place.
#[derive(Debug, Clone, PartialEq)]
pub struct OneCharge {
    /// Its pile.
    pub pile_id: String,
    /// It.
    pub record: ChargeRecord,
    /// Energy between the signed registers of its begin and its end, Wh: of records whose signature is good.
    pub energy_signed_wh: Option<Decimal>,
}

/// A statement that reads charges, with what witnesses told when each was last taken in. Not which of them a reference vehicle was at: an
/// operator that learns it here can be honest to that one alone.
macro_rules! charge_sql {
    ($more:literal, $which:literal) => {
        concat!(
            "SELECT ",
            $more,
            "charge_no, charge.connector, started_at, ended_at, energy_pile_wh, coalesce(told.wh, energy_vehicle_wh) AS energy_vehicle_wh,
                    CASE WHEN told.wh IS NOT NULL THEN told.way WHEN energy_vehicle_wh IS NOT NULL THEN 'relayed' END AS vehicle_path, marks
             FROM charge LEFT JOIN LATERAL (
                 SELECT CASE WHEN witness_path <> 'reference' THEN witness_wh END AS wh, witness_path AS way FROM evidence_charge e
                 WHERE e.charge_no = charge.charge_no ORDER BY known_from DESC LIMIT 1) AS told ON true ",
            $which
        )
    };
}

impl Store {
    /// A charge by its number; none of a charger that waits in the inbox, which is nobody's yet.
    pub async fn charge(&self, charge_no: i64) -> Result<Option<OneCharge>, StoreError> {
        let row: Option<OneRow> = sqlx::query_as(charge_sql!(
            "pile_id, signed_end_wh - signed_begin_wh AS energy_signed_wh, ",
            "JOIN pile USING (pile_no) WHERE charge_no = $1 AND NOT inbox"
        ))
        .bind(charge_no)
        .fetch_optional(&self.pool)
        .await?;
        let charge = |row: OneRow| {
            let (pile_id, energy_signed_wh) = (row.pile_id, row.energy_signed_wh);
            Ok(OneCharge { pile_id, energy_signed_wh, record: row.charge.record()? })
        };
        row.map(charge).transpose()
    }

    /// Charges of a pile, newest first; at most [`CHARGES_PER_PAGE_MAX`].
    pub async fn charges(&self, pile_id: &PileId, limit: u32) -> Result<Vec<ChargeRecord>, StoreError> {
        let rows: Vec<ChargeRow> = sqlx::query_as(charge_sql!(
            "",
            "WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1)
                 ORDER BY started_at DESC NULLS LAST, charge_no DESC LIMIT $2"
        ))
        .bind(pile_id.as_str())
        .bind(i64::from(limit.min(CHARGES_PER_PAGE_MAX)))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(ChargeRow::record).collect()
    }

    /// On which connector of a pile a charge runs or ran.
    pub async fn connector_of(&self, pile_no: i64, reference: &str) -> Result<Option<u32>, StoreError> {
        let connector: Option<Option<i64>> =
            sqlx::query_scalar("SELECT connector FROM charge WHERE pile_no = $1 AND reference = $2")
                .bind(pile_no)
                .bind(&*storable(reference))
                .fetch_optional(&self.pool)
                .await?;
        Ok(connector.flatten().and_then(|connector| u32::try_from(connector).ok()))
    }

    /// Those of the last 10,000 charges of a pile that have energies from both sides, newest first; at most [`CHARGES_PER_PAGE_MAX`].
    pub async fn comparable_charges(
        &self,
        pile_id: &PileId,
        limit: u32,
    ) -> Result<Vec<ChargeRecord>, StoreError> {
        let rows: Vec<ChargeRow> = sqlx::query_as(charge_sql!(
            "",
            "WHERE charge_no IN (SELECT charge_no FROM charge WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1)
                                     ORDER BY started_at DESC NULLS LAST LIMIT 10000)
                   AND energy_pile_wh IS NOT NULL AND coalesce(told.wh, energy_vehicle_wh) IS NOT NULL
                 ORDER BY started_at DESC NULLS LAST, charge_no DESC LIMIT $2"
        ))
        .bind(pile_id.as_str())
        .bind(i64::from(limit.min(CHARGES_PER_PAGE_MAX)))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(ChargeRow::record).collect()
    }
}

#[derive(FromRow)]
struct ChargeRow {
    charge_no: i64,
    connector: Option<i64>,
    started_at: Option<SqlTime>,
    ended_at: Option<SqlTime>,
    energy_pile_wh: Option<Decimal>,
    energy_vehicle_wh: Option<Decimal>,
    vehicle_path: Option<String>,
    marks: Vec<String>,
}

#[derive(FromRow)]
struct OneRow {
    pile_id: String,
    energy_signed_wh: Option<Decimal>,
    #[sqlx(flatten)]
    charge: ChargeRow,
}

impl ChargeRow {
    fn record(self) -> Result<ChargeRecord, StoreError> {
        Ok(ChargeRecord {
            charge_no: self.charge_no,
            connector: self.connector,
            started_at: jiff_time(self.started_at),
            ended_at: jiff_time(self.ended_at),
            energy_pile_wh: self.energy_pile_wh,
            energy_vehicle_wh: self.energy_vehicle_wh,
            vehicle_path: self.vehicle_path.as_deref().and_then(VehiclePath::from_word),
            marks: marks(&self.marks)?,
        })
    }
}
