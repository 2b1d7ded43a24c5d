//! Register readings of outlets under test, handed from [`crate::reception`] to whoever waits for one.
//!
//! A reading is handed on only after it was committed. For all other piles this costs one look at a counter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio::sync::mpsc;
use veripile_pile::reading::{Location, Phase};
use veripile_pile::{Reading, ReadingContext};

/// Readings that wait for who asked: one message has a few, and they are looked at as they come.
const WAITING_MAX: usize = 64;

/// A register reading of an outlet, as far as a verification needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RegisterTold {
    pub(crate) connector: u32,
    /// Wh, exact.
    pub(crate) wh: Decimal,
    /// As the pile sent it.
    pub(crate) text: String,
    pub(crate) context: ReadingContext,
    /// By the pile's clock, if it can be believed.
    pub(crate) device_time: Option<Timestamp>,
    /// By ours.
    pub(crate) received: Timestamp,
}

impl RegisterTold {
    /// The register of a whole outlet; none of any other reading. Of a register that is told by phases there is no total.
    fn of(reading: &Reading) -> Option<Self> {
        let is_total = reading.phase == Phase::Total && reading.location == Location::Outlet;
        if !is_total || !reading.measurand.is_energy_register() {
            return None;
        }
        Some(Self {
            connector: reading.connector,
            wh: reading.energy_wh()?,
            text: reading.value.clone(),
            context: reading.context.clone(),
            device_time: reading.device_time.map(|time| time.0),
            received: reading.received.0,
        })
    }
}

/// Who waits for readings of which outlet.
#[derive(Default)]
pub(crate) struct Watched {
    /// How many watch. Read before anything is locked.
    watches: AtomicUsize,
    outlets: Mutex<HashMap<(i64, u32), mpsc::Sender<RegisterTold>>>,
}

/// Readings of one outlet as they come, until it is dropped.
pub(crate) struct Watch<'a> {
    watched: &'a Watched,
    outlet: (i64, u32),
    told: mpsc::Receiver<RegisterTold>,
}

impl Watched {
    /// Watches an outlet from now on. A newer watch takes an older one's place.
    pub(crate) fn watch(&self, pile_no: i64, connector: u32) -> Watch<'_> {
        let (sender, told) = mpsc::channel(WAITING_MAX);
        let outlet = (pile_no, connector);
        self.outlets().insert(outlet, sender);
        self.watches.fetch_add(1, Ordering::AcqRel);
        Watch { watched: self, outlet, told }
    }

    /// Picks from a message what somebody waits for, before it is committed; empty for all other piles.
    pub(crate) fn pick(&self, pile_no: i64, readings: &[Reading]) -> Vec<RegisterTold> {
        if self.watches.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let outlets = self.outlets();
        let is_awaited = |told: &RegisterTold| outlets.contains_key(&(pile_no, told.connector));
        readings.iter().filter_map(RegisterTold::of).filter(is_awaited).collect()
    }

    /// Hands on what was picked, once it is committed.
    pub(crate) fn hand_on(&self, pile_no: i64, picked: Vec<RegisterTold>) {
        if picked.is_empty() {
            return;
        }
        let outlets = self.outlets();
        for told in picked {
            if let Some(sender) = outlets.get(&(pile_no, told.connector)) {
                // Full only if nobody looks; who does will ask for another reading.
                let _ = sender.try_send(told);
            }
        }
    }

    fn outlets(&self) -> MutexGuard<'_, HashMap<(i64, u32), mpsc::Sender<RegisterTold>>> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch<'_> {
    /// The next reading; none once a newer watch has taken over.
    pub(crate) async fn next(&mut self) -> Option<RegisterTold> {
        self.told.recv().await
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.told.close();
        // Only this one's own place, not that of a newer watch.
        self.watched.outlets().retain(|outlet, sender| *outlet != self.outlet || !sender.is_closed());
        self.watched.watches.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veripile_pile::reading::Measurand;
    use veripile_pile::{DeviceTime, ReceiveTime};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("literal")
    }

    fn reading(connector: u32, measurand: &str, phase: Phase, unit: &str, value: &str) -> Reading {
        Reading {
            connector,
            measurand: Measurand(measurand.to_owned()),
            phase,
            location: Location::Outlet,
            context: ReadingContext::Trigger,
            unit: unit.to_owned(),
            value: value.to_owned(),
            number: value.parse().ok(),
            device_time: Some(DeviceTime(at("2026-03-01T08:00:00Z"))),
            received: ReceiveTime(at("2026-03-01T08:00:01Z")),
            signed: None,
            marks: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_register_of_the_whole_outlet_is_handed_on_exactly_and_nothing_else() {
        let watched = Watched::default();
        let mut watch = watched.watch(7, 2);
        let register = Measurand::ENERGY_IMPORT_REGISTER;
        let split = Phase::Named("L1".to_owned());
        let readings = [
            reading(2, register, split, "kWh", "4.1"),
            reading(2, Measurand::POWER_IMPORT, Phase::Total, "W", "0"),
            reading(1, register, Phase::Total, "Wh", "5"),
            reading(2, register, Phase::Total, "Wh", "not a number"),
            reading(2, register, Phase::Total, "kvarh", "9"),
            reading(2, register, Phase::Total, "kWh", "12.3450"),
        ];
        assert!(watched.pick(8, &readings).is_empty(), "another pile");
        let picked = watched.pick(7, &readings);
        assert_eq!(picked.len(), 1);
        watched.hand_on(7, picked);
        let told = watch.next().await.expect("handed on");
        assert_eq!((told.wh.to_string().as_str(), told.text.as_str()), ("12345.0000", "12.3450"));
        assert_eq!(told.device_time, Some(at("2026-03-01T08:00:00Z")));
    }

    #[tokio::test]
    async fn a_newer_watch_takes_over_and_nothing_is_picked_after_the_last() {
        let watched = Watched::default();
        let readings = [reading(1, Measurand::ENERGY_IMPORT_REGISTER, Phase::Total, "Wh", "1")];
        let mut older = watched.watch(7, 1);
        let mut newer = watched.watch(7, 1);
        assert!(older.next().await.is_none());
        drop(older);
        watched.hand_on(7, watched.pick(7, &readings));
        assert!(newer.next().await.is_some());
        drop(newer);
        assert!(watched.pick(7, &readings).is_empty());
        assert!(watched.outlets().is_empty());
    }
}
