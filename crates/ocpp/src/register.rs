//! Registers of one pile as last seen, to notice one that falls.
//!
//! Kept by `gateway` per pile; survives reconnections, not restarts (a charge that spans one is judged from its stored ends).

use std::collections::HashMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_pile::{Location, Mark, Phase, Reading};

/// Registers are whole Wh in many chargers, rounded here and truncated there: a step back of 1 Wh is no fall
/// (lbbrhzn/ocpp#1810).
const QUANTISATION_WH: Decimal = Decimal::ONE;

/// Series followed per pile: connectors times phases, generously. Beyond it, all are followed anew.
const SERIES_MAX: usize = 256;

/// Where the energy registers of a pile stood last, by connector and phase.
#[derive(Debug, Default)]
pub struct Registers(HashMap<(u32, Phase), (Timestamp, Decimal)>);

/// Where registers stand after a message; to be remembered once the message is stored.
#[derive(Debug, Default)]
pub struct Stands(HashMap<(u32, Phase), (Timestamp, Decimal)>);

impl Registers {
    /// Marks readings that stand lower than the register stood before; gives where it stands now.
    ///
    /// Vehicle-side values start anew with each charge and are not followed; nor are samples older than the last one.
    pub fn follow(&self, readings: &mut [Reading]) -> Stands {
        let mut stands = Stands::default();
        for reading in readings {
            if reading.location != Location::Outlet || !reading.measurand.is_energy_register() {
                continue;
            }
            let Some(energy_wh) = reading.energy_wh() else { continue };
            let key = (reading.connector, reading.phase.clone());
            let at = reading.time();
            match stands.0.get(&key).or_else(|| self.0.get(&key)) {
                Some((last_at, _)) if at < *last_at => continue,
                Some((_, last_wh)) if energy_wh.saturating_add(QUANTISATION_WH) < *last_wh => {
                    reading.marks.push(Mark::RegisterFalling);
                }
                _ => {}
            }
            stands.0.insert(key, (at, energy_wh));
        }
        stands
    }

    /// Remembers where the registers stand.
    pub fn remember(&mut self, stands: Stands) {
        if self.0.len() + stands.0.len() > SERIES_MAX {
            self.0.clear();
        }
        self.0.extend(stands.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veripile_pile::{Measurand, ReadingContext, ReceiveTime};

    fn reading(second: i64, value: &str, location: Location) -> Reading {
        let at = Timestamp::from_second(1_770_000_000 + second).expect("in range");
        Reading {
            connector: 1,
            measurand: Measurand(Measurand::ENERGY_IMPORT_REGISTER.into()),
            phase: Phase::Total,
            location,
            context: ReadingContext::SamplePeriodic,
            unit: "Wh".into(),
            value: value.into(),
            number: value.parse().ok(),
            device_time: None,
            received: ReceiveTime(at),
            signed: None,
            marks: vec![],
        }
    }

    #[test]
    fn a_falling_register_is_a_signal_and_one_watt_hour_is_not() {
        let mut registers = Registers::default();
        let mut check = |second, value, location, falls| {
            let mut readings = [reading(second, value, location)];
            let stands = registers.follow(&mut readings);
            registers.remember(stands);
            assert_eq!(readings[0].marks.contains(&Mark::RegisterFalling), falls, "{value} at {second}");
        };
        check(0, "1000", Location::Outlet, false);
        check(1, "999", Location::Outlet, false);
        check(2, "900", Location::Outlet, true);
        check(1, "10", Location::Outlet, false);
        check(3, "950", Location::Outlet, false);
        check(4, "0", Location::Ev, false);
    }

    #[test]
    fn a_message_that_was_not_stored_is_marked_again_when_it_comes_again() {
        let mut registers = Registers::default();
        let mut high = [reading(0, "1000", Location::Outlet)];
        let stands = registers.follow(&mut high);
        registers.remember(stands);
        for _ in 0..2 {
            let mut low = [reading(1, "500", Location::Outlet), reading(2, "500", Location::Outlet)];
            registers.follow(&mut low);
            assert_eq!(low.map(|reading| reading.marks), [vec![Mark::RegisterFalling], vec![]]);
        }
    }
}
