//! Metering readiness: the last verdict on a pile's configuration, and what is known of the pile that bears on it.
//!
//! Written by the gateway, shown to operators. The verdict is JSON of `ocpp::readiness`; this crate does not look into it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::FromRow;
use veripile_pile::{Location, Measurand, PileId};

use crate::row::{SqlTime, storable};
use crate::{Store, StoreError};

/// A verdict, as last stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadinessRow {
    /// When the configuration was read.
    pub read_at: Timestamp,
    /// The verdict.
    pub body: Value,
}

/// What is known of a pile besides its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub struct MeteringSeen {
    /// Sub-protocol of its last connection.
    pub protocol: Option<String>,
    /// Serial number of its meter: registered, else as it told at its boot.
    pub meter_serial: Option<String>,
    /// Whether any reading came.
    pub has_readings: bool,
    /// Whether values of the vehicle's side came.
    pub has_vehicle_values: bool,
    /// Whether energies were among them.
    pub has_vehicle_energy: bool,
    /// Whether signed values came.
    pub has_signed_values: bool,
}

impl Store {
    /// What is known of a pile besides its configuration.
    pub async fn metering_seen(&self, pile_no: i64) -> Result<MeteringSeen, StoreError> {
        let seen: Option<MeteringSeen> = sqlx::query_as(
            "SELECT live.protocol, coalesce(pile.meter_serial, live.meter_serial) AS meter_serial,
                    EXISTS (SELECT FROM series WHERE pile_no = $1) AS has_readings,
                    EXISTS (SELECT FROM series WHERE pile_no = $1 AND location = $2) AS has_vehicle_values,
                    EXISTS (SELECT FROM series WHERE pile_no = $1 AND location = $2 AND measurand = $3) AS has_vehicle_energy,
                    EXISTS (SELECT FROM signed_value WHERE pile_no = $1) AS has_signed_values
             FROM pile LEFT JOIN pile_live live USING (pile_no) WHERE pile_no = $1",
        )
        .bind(pile_no)
        .bind(Location::Ev.word())
        .bind(Measurand::ENERGY_IMPORT_REGISTER)
        .fetch_optional(&self.pool)
        .await?;
        Ok(seen.unwrap_or_default())
    }

    /// Keeps a verdict in place of the one before.
    pub async fn save_readiness(
        &self,
        pile_no: i64,
        read_at: Timestamp,
        body: &Value,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO readiness (pile_no, read_at, body) VALUES ($1, $2, $3)
             ON CONFLICT (pile_no) DO UPDATE SET read_at = excluded.read_at, body = excluded.body",
        )
        .bind(pile_no)
        .bind(read_at.to_sqlx())
        .bind(storable_json(body))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The last verdict on a pile.
    pub async fn readiness(&self, pile_id: &PileId) -> Result<Option<ReadinessRow>, StoreError> {
        let row: Option<(SqlTime, Value)> = sqlx::query_as(
            "SELECT read_at, body FROM readiness WHERE pile_no = (SELECT pile_no FROM pile WHERE pile_id = $1)",
        )
        .bind(pile_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|(read_at, body)| ReadinessRow { read_at: read_at.to_jiff(), body }))
    }
}

/// JSON fit for a `jsonb` column: texts without NUL.
fn storable_json(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(storable(text).into_owned()),
        Value::Array(items) => items.iter().map(storable_json).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), storable_json(value))).collect()
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_charger_that_tells_nul_can_be_stored() {
        let told = json!({ "lines": [{ "found": "a\0b", "readonly": true }] });
        assert_eq!(storable_json(&told), json!({ "lines": [{ "found": "a\u{2400}b", "readonly": true }] }));
    }
}
