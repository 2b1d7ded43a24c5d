//! What happens at one pile on one day: charges with energies, durations, vehicles, and the dirt of real life.
//!
//! Used by [`crate::history`] and [`crate::live`]. Drawn from the pile's own random numbers, so that no pile's day depends
//! on another's.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson, StudentT};

use crate::city::{City, SimulatedPile};
use crate::numbers::{PowerClass, hour, quantile};
use crate::speaker::Told;

/// Shares of dirty charges (`sessions.md` §1, Dundee).
const NO_STOP: f64 = 0.004;
const ZERO: f64 = 0.038;
const NEGATIVE: f64 = 0.000_4;
const ABSURD: f64 = 0.000_05;
const NO_DURATION: f64 = 0.007;
const OVER_RATING: f64 = 0.005;

/// Of the arrivals that find every connector busy, those of which the charger tells all the same: two charges at once on one
/// connector. The others drive on. About one arrival in five finds no place, so that 0.2 % of charges overlap.
const OVERLAP_IF_BUSY: f64 = 0.01;

/// Connectors of a pile: AC posts have two sockets; cars stand at them for hours after they are full.
const CONNECTORS_AC: usize = 2;
const CONNECTORS_DC: usize = 1;

/// Of the charges without a duration, those that end before they began.
const BACKWARDS: f64 = 0.3;

/// Noise between the two meters of a charge: σ² = σ₀² + (δ/E)², E in kWh (metrology.md §2.1).
pub(crate) const NOISE: f64 = 0.02;
pub(crate) const NOISE_KWH: f64 = 0.15;

/// Noise is cut here: in a charge of a few Wh the vehicle's meter says nothing, but it is no astronomical number.
const NOISE_MAX: f64 = 1.0;

/// Least time between two charges on a connector.
const TURN_ROUND: SignedDuration = SignedDuration::from_mins(3);

/// Shanghai is eight hours ahead of UTC all year.
const LOCAL_AHEAD: SignedDuration = SignedDuration::from_hours(8);

/// Day (since 1970) on which the simulated meters were new: 2025-01-01.
const REGISTERS_BEGAN_DAY: i64 = 20_089;

/// More than any simulated pile delivers in a day, Wh.
const DAILY_MAX_WH: i64 = 1_000_000;

/// Where registers stand, Wh, by pile and connector.
#[derive(Debug, Clone, Default)]
pub struct Stands(HashMap<(String, u32), i64>);

impl Stands {
    /// Of these piles and connectors.
    pub fn new(stands: impl IntoIterator<Item = (String, u32, i64)>) -> Self {
        let stand = |(pile_id, connector, wh): (String, u32, i64)| ((pile_id, connector), wh);
        Self(stands.into_iter().map(stand).collect())
    }

    fn of(&self, pile_id: &str, connector: u32) -> Option<i64> {
        self.0.get(&(pile_id.to_owned(), connector)).copied()
    }
}

/// One pile's future.
pub(crate) struct Planner {
    rng: ChaCha8Rng,
    connectors: Vec<Connector>,
}

/// One connector's meter and next free moment.
#[derive(Clone)]
struct Connector {
    /// Where its register stands, Wh.
    register_wh: i64,
    free_at: Timestamp,
}

impl Planner {
    /// The future from `from` on. The register stands higher the later that is, so that a simulation begun anew goes on
    /// above where an earlier one ended.
    ///
    /// Where `stands` knows a register it goes on from there, as a meter does.
    pub(crate) fn new(city: &City, index: usize, from: Timestamp, stands: &Stands) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(city.seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
        let days = from.as_second() / 86_400 - REGISTERS_BEGAN_DAY;
        let register_wh = city.piles[index].register_wh + days * DAILY_MAX_WH;
        let count = match city.piles[index].power {
            PowerClass::Ac7 | PowerClass::Ac22 => CONNECTORS_AC,
            PowerClass::Dc50 | PowerClass::Dc120 => CONNECTORS_DC,
        };
        let pile_id = city.piles[index].pile.pile_id.as_str();
        let connector = |at: usize| Connector {
            register_wh: stands.of(pile_id, at as u32 + 1).unwrap_or(register_wh),
            free_at: Timestamp::UNIX_EPOCH,
        };
        Self { rng, connectors: (0..count).map(connector).collect() }
    }

    /// The charges that begin within the 24 hours before `end_of_day`, none ending after `limit`.
    pub(crate) fn day(
        &mut self,
        city: &City,
        index: usize,
        end_of_day: Timestamp,
        limit: Timestamp,
    ) -> Vec<Told> {
        let pile = &city.piles[index];
        if pile.out_of_use {
            return Vec::new();
        }
        let mean = pile.charges_per_month / 30.0;
        let count = Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut self.rng)) as u32;
        let midnight = end_of_day - SignedDuration::from_hours(24);
        let mut starts: Vec<Timestamp> = (0..count).map(|_| self.arrival(pile, midnight)).collect();
        starts.sort();
        starts.into_iter().filter_map(|start| self.charge(city, pile, start, limit)).collect()
    }

    fn arrival(&mut self, pile: &SimulatedPile, midnight: Timestamp) -> Timestamp {
        let local = SignedDuration::from_hours(i64::from(hour(pile.power.arrivals_by_hour(), &mut self.rng)));
        let offset = (midnight + LOCAL_AHEAD).as_second().rem_euclid(86_400);
        let hours = (local.as_secs() - offset).rem_euclid(86_400);
        midnight + SignedDuration::from_secs(hours + self.rng.random_range(0..3600))
    }

    /// A charge that begins at `start`; none if no connector is free or it would not end in time.
    pub(crate) fn charge(
        &mut self,
        city: &City,
        pile: &SimulatedPile,
        start: Timestamp,
        limit: Timestamp,
    ) -> Option<Told> {
        let overlaps = self.rng.random_bool(OVERLAP_IF_BUSY);
        let free = self.connectors.iter().position(|connector| connector.free_at + TURN_ROUND <= start);
        let at = free.or(overlaps.then_some(0))?;
        let (energy_kwh, duration) = self.size(pile);
        let end = start + duration;
        if limit < end {
            return None;
        }
        let mut told = self.tell(city, pile, (start, end), energy_kwh, at);
        let counted = told.energy_wh.unwrap_or(0);
        self.soil(&mut told, pile.power.rated_kw());
        let connector = &mut self.connectors[at];
        connector.free_at = connector.free_at.max(end);
        // A stop told below its start was misread; the meter itself goes on.
        connector.register_wh += told.energy_wh.map_or(0, |told| if told < 0 { counted } else { told });
        Some(told)
    }

    /// Energy and time plugged in; longer charges give more, and no pile gives more than its rating allows.
    fn size(&mut self, pile: &SimulatedPile) -> (f64, SignedDuration) {
        let rank: f64 = self.rng.random_range(0.0..1.0);
        let other: f64 = self.rng.random_range(0.0..1.0);
        let energy_kwh = quantile(pile.power.energy_kwh(), rank);
        let related = if self.rng.random_bool(0.6) { rank } else { other };
        let hours =
            quantile(pile.power.duration_h(), related).max(energy_kwh / (0.92 * pile.power.rated_kw()));
        (energy_kwh, SignedDuration::from_secs((3600.0 * hours) as i64))
    }

    fn tell(
        &mut self,
        city: &City,
        pile: &SimulatedPile,
        (start, end): (Timestamp, Timestamp),
        energy_kwh: f64,
        at: usize,
    ) -> Told {
        let vehicle = &city.vehicles[self.visitor(city, pile)];
        let vehicle_wh = if vehicle.tells {
            Some(vehicle_energy_wh(energy_kwh, pile.error, vehicle.bias, &mut self.rng))
        } else {
            None
        };
        Told {
            connector: at as u32 + 1,
            card: vehicle.card.clone(),
            start,
            end: Some(end),
            register_wh: self.connectors[at].register_wh,
            energy_wh: Some((1000.0 * energy_kwh).round() as i64),
            vehicle_wh,
        }
    }

    fn visitor(&mut self, city: &City, pile: &SimulatedPile) -> usize {
        let Some((_, total)) = pile.visitors.last() else {
            return self.rng.random_range(0..city.vehicles.len());
        };
        let at = self.rng.random_range(0.0..*total);
        let found = pile.visitors.partition_point(|(_, sum)| *sum <= at);
        pile.visitors[found.min(pile.visitors.len() - 1)].0
    }

    /// Makes some charges as dirty as real ones are.
    fn soil(&mut self, told: &mut Told, rated_kw: f64) {
        let mut lot: f64 = self.rng.random_range(0.0..1.0);
        let mut drawn = |share: f64| {
            lot -= share;
            -share <= lot && lot < 0.0
        };
        if drawn(NO_STOP) {
            told.end = None;
            told.energy_wh = None;
        } else if drawn(ZERO) {
            (told.energy_wh, told.vehicle_wh) = (Some(0), None);
        } else if drawn(NEGATIVE) {
            (told.energy_wh, told.vehicle_wh) = (told.energy_wh.map(|wh| -wh / 4), None);
        } else if drawn(ABSURD) {
            (told.energy_wh, told.vehicle_wh) = (Some(1_430_000), None);
        } else if drawn(NO_DURATION) {
            let back = if self.rng.random_bool(BACKWARDS) { self.rng.random_range(1..3600) } else { 0 };
            told.end = Some(told.start - SignedDuration::from_secs(back));
        } else if drawn(OVER_RATING) {
            let hours = told.energy_wh.unwrap_or(0) as f64 / (1500.0 * rated_kw);
            told.end = Some(told.start + SignedDuration::from_secs((3600.0 * hours) as i64));
        }
    }
}

/// What a vehicle's own meter says of a charge, Wh: `E_true · exp(b − ε)` with `E_true = E_registered / (1 + e)`.
pub(crate) fn vehicle_energy_wh(energy_kwh: f64, pile_error: f64, bias: f64, rng: &mut ChaCha8Rng) -> i64 {
    let sd = (NOISE.powi(2) + (NOISE_KWH / energy_kwh).powi(2)).sqrt();
    let noise = (sd * StudentT::new(4.0).map_or(0.0, |t| t.sample(rng))).clamp(-NOISE_MAX, NOISE_MAX);
    (1000.0 * energy_kwh / (1.0 + pile_error) * (bias - noise).exp()).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(city: &City) -> Vec<(PowerClass, Told)> {
        let end: Timestamp = "2026-03-01T00:00:00Z".parse().expect("literal");
        let mut all = Vec::new();
        for (index, pile) in city.piles.iter().enumerate() {
            let mut planner = Planner::new(city, index, end, &Stands::default());
            for day in (0..30).rev() {
                let told = planner.day(city, index, end - SignedDuration::from_hours(24 * day), end);
                all.extend(told.into_iter().map(|told| (pile.power, told)));
            }
        }
        all
    }

    #[test]
    fn energies_durations_and_arrivals_follow_the_published_quantiles() {
        let month = month(&City::wuxi(3, 400));
        for power in [PowerClass::Ac7, PowerClass::Dc50] {
            let mut energies: Vec<f64> = month
                .iter()
                .filter(|(of, told)| *of == power && told.energy_wh.is_some_and(|wh| 0 < wh && wh < 100_000))
                .map(|(_, told)| told.energy_wh.unwrap_or(0) as f64 / 1000.0)
                .collect();
            energies.sort_by(f64::total_cmp);
            let clean = |told: &&(PowerClass, Told)| {
                told.0 == power && told.1.energy_wh.is_some_and(|wh| 0 < wh && wh < 100_000)
            };
            let mut hours: Vec<f64> = month
                .iter()
                .filter(clean)
                .filter_map(|(_, told)| Some(told.end?.duration_since(told.start).as_secs_f64() / 3600.0))
                .filter(|hours| *hours > 0.0)
                .collect();
            hours.sort_by(f64::total_cmp);
            for p in [0.5, 0.9] {
                let found = hours[(p * hours.len() as f64) as usize];
                let expected = quantile(power.duration_h(), p);
                assert!(
                    (found / expected - 1.0).abs() < 0.12,
                    "{power:?} {p}: {found} h against {expected} h"
                );
            }
            for (p, expected) in [(0.25, 0.25), (0.5, 0.5), (0.9, 0.9)] {
                let found = energies[(p * energies.len() as f64) as usize];
                let expected = quantile(power.energy_kwh(), expected);
                assert!((found / expected - 1.0).abs() < 0.08, "{power:?} {p}: {found} against {expected}");
            }
        }
        for power in [PowerClass::Ac7, PowerClass::Dc50] {
            let hours = month
                .iter()
                .filter(|(of, _)| *of == power)
                .map(|(_, told)| (told.start + LOCAL_AHEAD).as_second() / 3600 % 24);
            let mut found = [0.0; 24];
            hours.for_each(|hour| found[hour as usize] += 1.0);
            let (all, shares) = (found.iter().sum::<f64>(), power.arrivals_by_hour());
            let whole: f64 = shares.iter().sum();
            for (hour, (found, share)) in found.iter().zip(shares).enumerate() {
                assert!((found / all - share / whole).abs() < 0.015, "{power:?} {hour} h: {found} of {all}");
            }
        }
    }

    /// Whatever a charger says of a charge, its meter only counts: the next charge on the connector begins where the last one left it.
    #[test]
    fn a_register_goes_on_from_charge_to_charge() {
        let city = City::wuxi(3, 60);
        let end: Timestamp = "2026-03-01T00:00:00Z".parse().expect("literal");
        let stands = Stands::new([(city.piles[0].pile.pile_id.to_string(), 1, 77)]);
        let (mut pairs, mut misread) = (0, 0);
        for index in 0..city.piles.len() {
            let mut planner = Planner::new(&city, index, end, &stands);
            let mut last: HashMap<u32, Told> = HashMap::new();
            for day in (0..200).rev() {
                for told in planner.day(&city, index, end - SignedDuration::from_hours(24 * day), end) {
                    match last.get(&told.connector) {
                        Some(before) => {
                            let gained = told.register_wh - before.register_wh;
                            let stated = before.energy_wh.unwrap_or(0);
                            assert!(gained == stated || (stated < 0 && 0 <= gained), "{before:?} {told:?}");
                            pairs += 1;
                            misread += usize::from(stated < 0);
                        }
                        None if index == 0 && told.connector == 1 => assert_eq!(told.register_wh, 77),
                        None => {}
                    }
                    last.insert(told.connector, told);
                }
            }
        }
        assert!(20_000 < pairs && 0 < misread, "{pairs} {misread}");
    }

    #[test]
    fn dirt_has_the_published_shares() {
        let month = month(&City::wuxi(3, 400));
        let share = |count: usize| count as f64 / month.len() as f64;
        let mut overlaps = 0;
        for pair in month.windows(2) {
            let [(_, before), (_, after)] = pair else { continue };
            let same = before.connector == after.connector && before.register_wh <= after.register_wh;
            overlaps += usize::from(
                same && before.start < after.start && before.end.is_some_and(|end| after.start < end),
            );
        }
        let overlaps = share(overlaps);
        assert!((0.001..0.004).contains(&overlaps), "{overlaps}");
        let zero = share(month.iter().filter(|(_, told)| told.energy_wh == Some(0)).count());
        assert!((0.03..0.046).contains(&zero), "{zero}");
        let no_stop = share(month.iter().filter(|(_, told)| told.end.is_none()).count());
        assert!((0.002..0.006).contains(&no_stop), "{no_stop}");
        let timed = || {
            month.iter().filter_map(|(power, told)| {
                Some((power, told, told.end?.duration_since(told.start).as_secs()))
            })
        };
        let no_duration = share(timed().filter(|(_, _, seconds)| *seconds <= 0).count());
        assert!((0.005..0.009).contains(&no_duration), "{no_duration}");
        assert!(timed().any(|(_, _, seconds)| seconds < 0));
        let over = timed().filter(|(power, told, seconds)| {
            let mean_kw = told.energy_wh.unwrap_or(0) as f64 * 3.6 / (*seconds).max(1) as f64;
            *seconds > 0 && mean_kw > 1.1 * power.rated_kw()
        });
        let over = share(over.count());
        assert!((0.003..0.007).contains(&over), "{over}");
        assert!((25_000..60_000).contains(&month.len()), "{}", month.len());
    }
}
