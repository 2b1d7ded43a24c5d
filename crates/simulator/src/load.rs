//! Load: many chargers sending samples as fast as they are answered, or only being there. For measuring what a message and a
//! connection cost; never a test.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::link::{Line, Link};
use crate::{Protocol, SimulatorError};

/// Eight samples, as a three-phase AC charger sends them.
const SAMPLES: [(&str, Option<&str>, &str, &str); 8] = [
    ("Energy.Active.Import.Register", None, "1234567.25", "Wh"),
    ("Power.Active.Import", None, "10987.5", "W"),
    ("Voltage", Some("L1-N"), "230.4", "V"),
    ("Voltage", Some("L2-N"), "229.8", "V"),
    ("Voltage", Some("L3-N"), "231.0", "V"),
    ("Current.Import", Some("L1"), "15.92", "A"),
    ("Current.Import", Some("L2"), "15.88", "A"),
    ("Current.Import", Some("L3"), "15.95", "A"),
];

/// Connects `piles` chargers, each sending its share of `messages` MeterValues of eight samples over OCPP 1.6.
pub async fn meter_values(line: &Line, piles: usize, messages: usize) -> Result<(), SimulatorError> {
    let mut tasks = JoinSet::new();
    let base = Timestamp::now() - SignedDuration::from_hours(24);
    for pile in 0..piles {
        let mut link = Link::new(line.clone(), format!("LOAD-{pile:05}"), Protocol::V16);
        let share = messages / piles + usize::from(pile < messages % piles);
        tasks.spawn(async move {
            link.boot(json!({ "chargePointVendor": "load", "chargePointModel": "load" })).await?;
            for number in 0..share {
                let at = (base + SignedDuration::from_millis(number as i64 * 10)).to_string();
                link.call("MeterValues", &message(&at), "", &at).await?;
            }
            Ok::<(), SimulatorError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or(Err(SimulatorError::Stopped))?;
    }
    Ok(())
}

fn message(at: &str) -> serde_json::Value {
    let samples: Vec<_> = SAMPLES
        .iter()
        .map(|(measurand, phase, value, unit)| {
            let mut sample =
                json!({ "value": value, "context": "Sample.Periodic", "measurand": measurand, "unit": unit });
            if let Some(phase) = phase {
                sample["phase"] = json!(phase);
            }
            sample
        })
        .collect();
    json!({ "connectorId": 1, "meterValue": [{ "timestamp": at, "sampledValue": samples }] })
}

/// Connects `piles` chargers that boot and then stay silent until told to stop.
pub async fn idle(line: &Line, piles: usize) -> Result<(), SimulatorError> {
    let mut tasks = JoinSet::new();
    for pile in 0..piles {
        let mut link = Link::new(line.clone(), format!("IDLE-{pile:05}"), Protocol::V16);
        tasks.spawn(async move {
            link.boot(json!({ "chargePointVendor": "idle", "chargePointModel": "idle" })).await?;
            while !link.is_stopping() {
                link.idle(Instant::now() + std::time::Duration::from_secs(60)).await;
            }
            Ok::<(), SimulatorError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or(Err(SimulatorError::Stopped))?;
    }
    Ok(())
}
