//! Prices by true time around charges, out of stations' prices by the hour of the day: what a wrong clock costs.
//!
//! Called by [`super::outcome`]. What a customer paid too much is computed by `assessment::signals`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use veripile_assessment::signals::{PricePeriod, Settings};
use veripile_pile::StationId;
use veripile_store::evidence::{EvidenceCharge, EvidencePile};
use veripile_store::price::Tariff;

use super::facts::Facts;
use super::outcome::{SHANGHAI, day};

/// A clock that is off by more, or a charge that takes longer, is no matter of prices.
const SPAN_MAX: SignedDuration = SignedDuration::from_hours(24 * 31);

/// Prices of the stations where a clock is wrong.
pub(super) struct Prices<'a> {
    /// By station and time; each station's cover all its charges whose clock is known, as far as prices are.
    periods: BTreeMap<&'a StationId, Vec<PricePeriod>>,
    station_of: BTreeMap<i64, &'a StationId>,
}

impl<'a> Prices<'a> {
    /// Makes periods of prices where they are needed: at stations that tell prices, and where a clock is beyond its limit in some charge.
    pub(super) fn of(facts: &'a Facts) -> Self {
        let mut tariffs: BTreeMap<&StationId, Vec<&Tariff>> = BTreeMap::new();
        for tariff in &facts.tariffs {
            tariffs.entry(&tariff.station_id).or_default().push(tariff);
        }
        let station = |pile: &'a EvidencePile| {
            let station = pile.station_id.as_ref().filter(|station| tariffs.contains_key(station))?;
            Some((pile.pile_no, station))
        };
        let station_of: BTreeMap<i64, &StationId> = facts.piles.iter().filter_map(station).collect();
        let limit_s = Settings::default().clock_limit_s;
        let is_beyond = |charge: &&EvidenceCharge| charge.clock_offset_s.is_some_and(|s| limit_s < s.abs());
        let beyond = facts.charges.iter().filter(is_beyond);
        let stations: BTreeSet<&StationId> =
            beyond.filter_map(|charge| station_of.get(&charge.pile_no).copied()).collect();
        let mut spans: BTreeMap<&StationId, (Timestamp, Timestamp)> = BTreeMap::new();
        for charge in &facts.charges {
            let station = station_of.get(&charge.pile_no).filter(|station| stations.contains(*station));
            let Some((station, (from, to))) = station.zip(span(charge)) else { continue };
            let all = spans.entry(*station).or_insert((from, to));
            *all = (all.0.min(from), all.1.max(to));
        }
        let periods = spans.into_iter().map(|(station, span)| (station, periods(&tariffs[station], span)));
        Self { periods: periods.collect(), station_of }
    }

    /// The prices around a charge, by its own times and by true ones; empty where none are known or needed.
    pub(super) fn around(&self, charge: &EvidenceCharge) -> &[PricePeriod] {
        let periods = self.station_of.get(&charge.pile_no).and_then(|station| self.periods.get(station));
        let Some((periods, (from, to))) = periods.zip(span(charge)) else { return &[] };
        let first = periods.partition_point(|period| period.to <= from);
        let end = periods.partition_point(|period| period.from < to);
        periods.get(first..end).unwrap_or_default()
    }
}

/// The time of a charge, by the pile's clock and by true time together; none where the clock is not known, or all of it makes no sense.
fn span(charge: &EvidenceCharge) -> Option<(Timestamp, Timestamp)> {
    let offset_s = charge.clock_offset_s.filter(|offset_s| offset_s.abs() <= SPAN_MAX.as_secs_f64())?;
    let offset = SignedDuration::try_from_secs_f64(offset_s).ok()?;
    let (started, ended) = (charge.started_at, charge.ended_at);
    if SPAN_MAX < ended.duration_since(started) {
        return None;
    }
    let truly = [started.checked_sub(offset).ok()?, ended.checked_sub(offset).ok()?];
    Some((started.min(truly[0]), ended.max(truly[1])))
}

/// A station's prices from the first day to the last of a span, ascending. `tariffs` are ascending by their first day.
fn periods(tariffs: &[&Tariff], (from, to): (Timestamp, Timestamp)) -> Vec<PricePeriod> {
    let mut periods = Vec::new();
    let (mut on, last) = (day(from), day(to));
    while on <= last {
        let in_force = tariffs.iter().rfind(|tariff| tariff.valid_from.is_none_or(|first| first <= on));
        let Ok(next) = on.tomorrow() else { break };
        if let Some(tariff) = in_force {
            periods.extend(of_day(tariff, on, next));
        }
        on = next;
    }
    periods
}

fn of_day(tariff: &Tariff, on: Date, next: Date) -> impl Iterator<Item = PricePeriod> {
    let midnight = |day: Date| day.to_zoned(TimeZone::fixed(SHANGHAI)).ok().map(|at| at.timestamp());
    let begins = tariff.prices.iter().map(move |(minute, _)| {
        midnight(on).and_then(|at| at.checked_add(SignedDuration::from_mins(i64::from(*minute))).ok())
    });
    let ends = begins.clone().skip(1).chain([midnight(next)]);
    let prices = tariff.prices.iter().map(|(_, price)| *price);
    begins
        .zip(ends)
        .zip(prices)
        .filter_map(|((from, to), price_per_kwh)| Some(PricePeriod { from: from?, to: to?, price_per_kwh }))
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::super::outcome::tests::world;
    use super::*;

    fn tariff(valid_from: Option<Date>, prices: &[(u16, i64)]) -> Tariff {
        Tariff {
            station_id: StationId::parse("S1").expect("literal"),
            valid_from,
            prices: prices.iter().map(|(minute, cents)| (*minute, Decimal::new(*cents, 2))).collect(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("literal")
    }

    // By hand: the first of July in China begins on the thirtieth of June at 16:00 UTC.
    #[test]
    fn prices_change_at_their_hours_in_china_and_on_the_day_that_is_named() {
        let always = tariff(None, &[(0, 50), (480, 110)]);
        let since = tariff(Some(jiff::civil::date(2026, 7, 1)), &[(0, 90)]);
        let told = periods(&[&always, &since], (at("2026-06-30T01:00:00Z"), at("2026-06-30T16:30:00Z")));
        let told: Vec<String> =
            told.iter().map(|p| format!("{} {} {}", p.from, p.to, p.price_per_kwh)).collect();
        let expected = [
            "2026-06-29T16:00:00Z 2026-06-30T00:00:00Z 0.50",
            "2026-06-30T00:00:00Z 2026-06-30T16:00:00Z 1.10",
            "2026-06-30T16:00:00Z 2026-07-01T16:00:00Z 0.90",
        ];
        assert_eq!(told, expected);
        let later = periods(&[&since], (at("2026-06-29T16:00:00Z"), at("2026-06-30T16:00:00Z")));
        assert_eq!(later.len(), 1, "of the day before nothing is known");
    }

    #[test]
    fn prices_are_made_where_a_clock_is_wrong_and_only_there() {
        let (mut facts, ..) = world(2);
        let of_other =
            Tariff { station_id: StationId::parse("S2").expect("literal"), ..tariff(None, &[(0, 100)]) };
        facts.tariffs = vec![tariff(None, &[(0, 50), (480, 110)]), of_other];
        assert!(Prices::of(&facts).periods.is_empty(), "no clock is known");
        facts.charges[0].clock_offset_s = Some(600.0);
        facts.charges[1].clock_offset_s = Some(100.0);
        let prices = Prices::of(&facts);
        assert_eq!(prices.periods.len(), 1, "the clock of the second is good enough");
        let around = prices.around(&facts.charges[0]);
        let (from, to) = span(&facts.charges[0]).expect("known");
        assert!(around.first().is_some_and(|p| p.from <= from) && around.last().is_some_and(|p| to <= p.to));
        assert!(prices.around(&facts.charges[1]).is_empty());
        facts.charges[0].clock_offset_s = Some(-1e10);
        assert!(Prices::of(&facts).periods.is_empty(), "a clock of another century has no price");
        facts.charges[0].clock_offset_s = Some(f64::NAN);
        assert!(Prices::of(&facts).periods.is_empty());
    }
}
