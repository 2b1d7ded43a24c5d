//! Registers of one pile as last seen, to notice one that falls.
//!
//! Kept by `gateway` per pile; survives reconnections, not restarts (a charge that spans one is judged from its stored ends).

use std::collections::HashMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_pile::{Location, Mark, Reading};

/// Registers are whole Wh in many chargers, rounded here and truncated there: a step back of 1 Wh is no fall
/// (lbbrhzn/ocpp#1810).
const QUANTISATION_WH: Decimal = Decimal::ONE;

/// Series followed per pile: connectors times phases, generously.
const SERIES_MAX: usize = 256;

/// The highest stand of each energy register of a pile.
#[derive(Debug, Default)]
pub struct Registers(HashMap<(u32, String), (Timestamp, Decimal)>);

impl Registers {
    /// Marks readings that stand lower than the register stood before, and remembers where it stands now.
    ///
    /// Vehicle-side values start anew with each charge and are not followed; nor are samples older than the last one.
    pub fn follow(&mut self, readings: &mut [Reading]) {
        for reading in readings {
            if reading.location != Location::Outlet || !reading.measurand.is_energy_register() {
                continue;
            }
            let Some(energy_wh) = reading.energy_wh() else { continue };
            let key = (reading.connector, format!("{:?}", reading.phase));
            let at = reading.time();
            match self.0.get(&key) {
                Some((last_at, _)) if at < *last_at => continue,
                Some((_, last_wh)) if energy_wh + QUANTISATION_WH < *last_wh => {
                    reading.marks.push(Mark::RegisterFalling);
                }
                None if self.0.len() == SERIES_MAX => continue,
                _ => {}
            }
            self.0.insert(key, (at, energy_wh));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veripile_pile::{Measurand, Phase, ReadingContext, ReceiveTime};

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
            marks: vec![],
        }
    }

    #[test]
    fn a_falling_register_is_a_signal_and_one_watt_hour_is_not() {
        let mut registers = Registers::default();
        let mut check = |second, value, location, falls| {
            let mut readings = [reading(second, value, location)];
            registers.follow(&mut readings);
            assert_eq!(readings[0].marks.contains(&Mark::RegisterFalling), falls, "{value} at {second}");
        };
        check(0, "1000", Location::Outlet, false);
        check(1, "999", Location::Outlet, false);
        check(2, "900", Location::Outlet, true);
        check(1, "10", Location::Outlet, false);
        check(3, "950", Location::Outlet, false);
        check(4, "0", Location::Ev, false);
    }
}
