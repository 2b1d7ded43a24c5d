//! What is known of a pile for the form of an order, and of a charge that is to be consistent.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::{Pile, PileId};
use veripile_verification::consistency::ChargeEvidence;

use super::question::question_repaired;
use crate::assessment::PileRow;
use crate::pile_number::hold_pile;
use crate::row::{SqlTime, jiff_time, storable};
use crate::{Store, StoreError};

/// Repairers told of one pile.
const REPAIRERS_MAX: i64 = 100;

/// A pile with what its plate does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateFacts {
    /// The pile.
    pub pile: Pile,
    /// Firmware that it told.
    pub firmware: Option<String>,
    /// Names of its station, Chinese and English.
    pub station: Option<(String, String)>,
    /// Names of its operator, Chinese and English.
    pub operator: Option<(String, String)>,
}

#[derive(FromRow)]
struct NamesRow {
    firmware: Option<String>,
    model: Option<String>,
    meter_serial: Option<String>,
    station_zh: Option<String>,
    station_en: Option<String>,
    operator_zh: Option<String>,
    operator_en: Option<String>,
}

#[derive(FromRow)]
struct ChargeRow {
    charge_no: i64,
    started_at: Option<SqlTime>,
    ended_at: SqlTime,
    register_wh: Option<Decimal>,
    /// Whether they are of start and stop messages, which only OCPP 1.6 has: whole watt hours.
    in_whole_wh: bool,
    samples_wh: Option<Decimal>,
    signed_wh: Option<Decimal>,
    signed_verdict: Option<String>,
}

impl Store {
    /// A pile for the form of an order: as registered, and as it told of itself.
    pub async fn plate_of(&self, pile_id: &PileId) -> Result<Option<PlateFacts>, StoreError> {
        let row: Option<PileRow> = sqlx::query_as(
            "SELECT pile_no, pile_id, station_id, operator_id, kind, accuracy_class, power_kw, lon, lat, model, meter_serial
             FROM pile WHERE pile_id = $1 AND NOT inbox",
        )
        .bind(pile_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        let Some((_, mut pile)) = row.map(PileRow::pile).transpose()? else { return Ok(None) };
        let names: NamesRow = sqlx::query_as(
            "SELECT live.firmware, live.model, live.meter_serial, station.name_zh AS station_zh, station.name_en AS station_en,
                    operator.name_zh AS operator_zh, operator.name_en AS operator_en
             FROM pile LEFT JOIN pile_live live USING (pile_no)
                  LEFT JOIN station ON station.station_id = pile.station_id
                  LEFT JOIN operator ON operator.operator_id = pile.operator_id
             WHERE pile.pile_id = $1",
        )
        .bind(pile_id.as_str())
        .fetch_one(&self.pool)
        .await?;
        pile.model = pile.model.or(names.model);
        pile.meter_serial = pile.meter_serial.or(names.meter_serial);
        Ok(Some(PlateFacts {
            pile,
            firmware: names.firmware,
            station: names.station_zh.zip(names.station_en),
            operator: names.operator_zh.zip(names.operator_en),
        }))
    }

    /// What is known of an ended charge of a pile; the bill is read by a person. Messages of 2.x have no registers but their samples. The signature's verdict is the worst of the
    /// charge's records.
    pub async fn charge_evidence(
        &self,
        pile_id: &PileId,
        charge_no: i64,
    ) -> Result<Option<ChargeEvidence>, StoreError> {
        let row: Option<ChargeRow> = sqlx::query_as(
            "SELECT charge_no, started_at, ended_at,
                    coalesce(register_stop_wh - register_start_wh, pile_end_wh - pile_begin_wh) AS register_wh,
                    register_stop_wh - register_start_wh IS NOT NULL AS in_whole_wh,
                    pile_end_wh - pile_begin_wh AS samples_wh, signed_end_wh - signed_begin_wh AS signed_wh,
                    (SELECT verdict FROM signed_value s
                     WHERE s.pile_no = charge.pile_no AND s.reference = charge.reference
                       AND s.at BETWEEN charge.started_at - interval '1 day' AND charge.ended_at + interval '1 day'
                     ORDER BY verdict = 'valid', s.at LIMIT 1) AS signed_verdict
             FROM charge JOIN pile USING (pile_no)
             WHERE pile_id = $1 AND charge_no = $2 AND ended_at IS NOT NULL",
        )
        .bind(pile_id.as_str())
        .bind(charge_no)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| ChargeEvidence {
            charge_no: row.charge_no,
            began_at: jiff_time(row.started_at),
            ended_at: row.ended_at.to_jiff(),
            register_wh: row.register_wh.map(|wh| wh.normalize()),
            register_step_wh: row.in_whole_wh.then_some(Decimal::ONE),
            samples_wh: row.samples_wh.map(|wh| wh.normalize()),
            signed_wh: row.signed_wh.map(|wh| wh.normalize()),
            signed_verdict: row.signed_verdict,
            bill_kwh: None,
        }))
    }

    /// Who repaired a pile since the readings that an outlet is certified by, or ever if it is by none: a withdrawn certificate
    /// does not count, and one that was issued after a repair from readings before it says nothing of it.
    pub async fn repairers(&self, pile_id: &PileId, outlet: u32) -> Result<Vec<String>, StoreError> {
        let people = sqlx::query_scalar(
            "SELECT DISTINCT repair.person FROM repair JOIN pile USING (pile_no)
             WHERE pile_id = $1 AND repaired_at > coalesce(
                 (SELECT max(act.acted_at) FROM verification_certificate c JOIN act USING (pile_no, number)
                  WHERE c.pile_no = pile.pile_no AND c.connector = $3 AND c.kind = 'certificate' AND c.withdrawn_at IS NULL
                    AND act.kind = 'certificate'),
                 '-infinity')
             ORDER BY 1 LIMIT $2",
        )
        .bind(pile_id.as_str())
        .bind(REPAIRERS_MAX)
        .bind(i64::from(outlet))
        .fetch_all(&self.pool)
        .await?;
        Ok(people)
    }

    /// Notes a repair; how many certificates it put in question: those that the pile's outlets are certified by today. Fails if the
    /// pile is not registered.
    pub async fn record_repair(
        &self,
        pile_id: &PileId,
        person: &str,
        what: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut transaction = self.pool.begin().await?;
        // The pile is held, as an issue holds it: neither misses the other.
        let pile_no = hold_pile(&mut transaction, pile_id).await?;
        sqlx::query("INSERT INTO repair (pile_no, person, what, repaired_at) VALUES ($1, $2, $3, $4)")
            .bind(pile_no)
            .bind(person)
            .bind(storable(what))
            .bind(now.to_sqlx())
            .execute(&mut *transaction)
            .await?;
        let questioned = question_repaired(&mut transaction, pile_no, (person, what), now).await?;
        transaction.commit().await?;
        Ok(questioned)
    }
}
