//! Registers of one pile as last seen, to notice one that falls, and one that counts anew: a new epoch of it.
//!
//! Kept by `gateway` per pile; survives reconnections, not restarts (a charge that spans one is judged from its stored ends).

use std::collections::HashMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_pile::register::{Restart, STEP_BACK_WH, has_restarted};
use veripile_pile::{Location, Mark, Phase, Reading};

/// Series followed per pile: connectors times phases, generously. Beyond it, all are followed anew.
const SERIES_MAX: usize = 256;

/// Where the energy registers of a pile stood last, by connector and phase.
#[derive(Debug, Default)]
pub struct Registers(HashMap<(u32, Phase), (Timestamp, Decimal)>);

/// Where registers stand after a message; to be remembered once the message is stored.
#[derive(Debug, Default)]
pub struct Stands {
    last: HashMap<(u32, Phase), (Timestamp, Decimal)>,
    /// Where registers began to count anew in the message.
    pub restarts: Vec<Restart>,
}

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
            match stands.last.get(&key).or_else(|| self.0.get(&key)) {
                Some((last_at, _)) if at < *last_at => continue,
                Some((_, last_wh)) if energy_wh.saturating_add(STEP_BACK_WH) < *last_wh => {
                    reading.marks.push(Mark::RegisterFalling);
                    if has_restarted(*last_wh, energy_wh) {
                        let (connector, phase) = key.clone();
                        let (before_wh, after_wh) = (*last_wh, energy_wh);
                        stands.restarts.push(Restart { connector, phase, at, before_wh, after_wh });
                    }
                }
                _ => {}
            }
            stands.last.insert(key, (at, energy_wh));
        }
        stands
    }

    /// Remembers where the registers stand.
    pub fn remember(&mut self, stands: Stands) {
        if self.0.len() + stands.last.len() > SERIES_MAX {
            self.0.clear();
        }
        self.0.extend(stands.last);
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
    fn a_register_that_counts_anew_begins_an_epoch_and_one_that_slips_does_not() {
        let mut registers = Registers::default();
        let mut check = |second, value, epoch: Option<(i64, i64)>| {
            let mut readings = [reading(second, value, Location::Outlet)];
            let stands = registers.follow(&mut readings);
            let found: Vec<_> = stands.restarts.iter().map(|r| (r.before_wh, r.after_wh)).collect();
            let expected = epoch.map(|(before, after)| (Decimal::from(before), Decimal::from(after)));
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{value} at {second}");
            registers.remember(stands);
        };
        check(0, "1000", None);
        check(1, "990", None);
        check(2, "0", Some((990, 0)));
        check(3, "600", None);
        check(1, "5", None);
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
