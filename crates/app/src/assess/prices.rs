//! Stations' prices by the hour of the day: by true time around charges, for what a wrong clock costs, and their mean, for what is at stake.
//!
//! Called by [`super::outcome`]. What a customer paid too much is computed by `assessment::signals` and `operators`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_assessment::signals::{PricePeriod, Settings};
use veripile_pile::StationId;
use veripile_store::evidence::{EvidenceCharge, EvidencePile};
use veripile_store::price::Tariff;

use super::facts::{Facts, kwh};
use super::outcome::{SHANGHAI, day};

/// A clock that is off by more, or a charge that takes longer, is no matter of prices.
const SPAN_MAX: SignedDuration = SignedDuration::from_hours(24 * 31);

/// Seconds of a day: in China all are as long.
const DAY_S: i64 = 86_400;

/// Prices of the stations where a clock is wrong.
pub(super) struct Prices<'a> {
    /// By station and time; each station's cover all its charges whose clock is known, as far as prices are.
    periods: BTreeMap<&'a StationId, Vec<PricePeriod>>,
    station_of: BTreeMap<i64, &'a StationId>,
}

impl<'a> Prices<'a> {
    /// Makes periods of prices where they are needed: at stations that tell prices, and where a clock is beyond its limit in some charge.
    pub(super) fn of(facts: &'a Facts) -> Self {
        let tariffs = by_station(facts);
        let station_of = stations_of(facts, &tariffs);
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

/// Each station's prices, ascending by their first day.
fn by_station(facts: &Facts) -> BTreeMap<&StationId, Vec<&Tariff>> {
    let mut tariffs: BTreeMap<&StationId, Vec<&Tariff>> = BTreeMap::new();
    for tariff in &facts.tariffs {
        tariffs.entry(&tariff.station_id).or_default().push(tariff);
    }
    tariffs
}

/// The station of each pile, by its number, where it tells prices.
fn stations_of<'a>(
    facts: &'a Facts,
    tariffs: &BTreeMap<&'a StationId, Vec<&'a Tariff>>,
) -> BTreeMap<i64, &'a StationId> {
    let station = |pile: &'a EvidencePile| {
        let station = pile.station_id.as_ref().filter(|station| tariffs.contains_key(station))?;
        Some((pile.pile_no, station))
    };
    facts.piles.iter().filter_map(station).collect()
}

/// The mean price of a kWh, CNY, at each station that tells prices by the hour: that of its charges' times at even power, weighted by their
/// energy; of a station without a charge whose time has a price, that of the whole day at the moment of the facts.
pub(super) fn means(facts: &Facts) -> BTreeMap<&StationId, Decimal> {
    let tariffs = by_station(facts);
    let station_of = stations_of(facts, &tariffs);
    let mut sold: BTreeMap<&StationId, (Decimal, Decimal)> = BTreeMap::new();
    for charge in facts.charges.iter().filter(|charge| charge.ended_at <= facts.as_of) {
        let Some(station) = station_of.get(&charge.pile_no) else { continue };
        let energy = kwh(charge.energy_pile_wh);
        let price = mean_price(&tariffs[station], (charge.started_at, charge.ended_at));
        let Some(price) = price.filter(|_| Decimal::ZERO < energy) else { continue };
        let (energies, money) = sold.entry(*station).or_default();
        *energies = energies.saturating_add(energy);
        *money = money.saturating_add(energy.saturating_mul(price));
    }
    let means = tariffs.iter().filter_map(|(station, tariffs)| {
        let by_energy = sold.get(station).and_then(|(energies, money)| money.checked_div(*energies));
        let whole_day = || {
            let tariff = in_force(tariffs, day(facts.as_of))?;
            price_time(tariff, (0, DAY_S))?.checked_div(Decimal::from(DAY_S))
        };
        Some((*station, by_energy.or_else(whole_day)?))
    });
    means.collect()
}

/// The prices of a day; none where nothing is told of it. `tariffs` are ascending by their first day.
fn in_force<'a>(tariffs: &[&'a Tariff], on: Date) -> Option<&'a Tariff> {
    tariffs.iter().rfind(|tariff| tariff.valid_from.is_none_or(|first| first <= on)).copied()
}

/// The mean price over a time, to the second; none where a day of it has no price, where it is no time, or too long for a charge.
fn mean_price(tariffs: &[&Tariff], (from, to): (Timestamp, Timestamp)) -> Option<Decimal> {
    let whole = to.as_second() - from.as_second();
    if whole <= 0 || SPAN_MAX < to.duration_since(from) {
        return None;
    }
    let (mut on, mut left, mut sum) = (day(from), whole, Decimal::ZERO);
    let mut begins = (from.as_second() + i64::from(SHANGHAI.seconds())).rem_euclid(DAY_S);
    while 0 < left {
        let ends = DAY_S.min(begins + left);
        sum = sum.checked_add(price_time(in_force(tariffs, on)?, (begins, ends))?)?;
        left -= ends - begins;
        (on, begins) = (on.tomorrow().ok()?, 0);
    }
    sum.checked_div(Decimal::from(whole))
}

/// Price times time from a second of the day to another.
fn price_time(tariff: &Tariff, (from, to): (i64, i64)) -> Option<Decimal> {
    let begins = tariff.prices.iter().map(|(minute, _)| 60 * i64::from(*minute));
    let ends = begins.clone().skip(1).chain([DAY_S]);
    let mut parts = begins.zip(ends).zip(&tariff.prices);
    parts.try_fold(Decimal::ZERO, |sum, ((begins, ends), (_, price))| {
        let seconds = (to.min(ends) - from.max(begins)).max(0);
        sum.checked_add(price.checked_mul(Decimal::from(seconds))?)
    })
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
        let Ok(next) = on.tomorrow() else { break };
        if let Some(tariff) = in_force(tariffs, on) {
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
    use super::super::outcome::tests::world;
    use super::super::outcome::{Now, prices};
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

    // By hand: 10 kWh from 9:40 to 10:40 in China, a third of it at 0.50 and two thirds at 1.10, are 9.00; 30 kWh from half past eleven at night, half at
    // 1.10 and half at 0.50, 24.00; in all 33.00 for 40 kWh. A day of 0.40 until noon and 1.00 after has the mean 0.70.
    #[test]
    fn what_is_at_stake_is_told_at_the_mean_price_of_what_was_sold() {
        let (mut facts, ..) = world(3);
        let of_other = Tariff {
            station_id: StationId::parse("S2").expect("literal"),
            ..tariff(None, &[(0, 40), (720, 100)])
        };
        facts.tariffs = vec![tariff(Some(jiff::civil::date(2026, 1, 31)), &[(0, 50), (600, 110)]), of_other];
        let night = ["2026-01-31T15:30:00Z", "2026-01-31T16:30:00Z"].map(at);
        facts.charges.push(EvidenceCharge::new(4, 1, night, Decimal::from(30_000)));
        // Of the day before nothing is known, so nothing of this charge counts; one without a duration has no price, one without energy no weight.
        let before = ["2026-01-30T15:30:00Z", "2026-01-30T16:30:00Z"].map(at);
        facts.charges.push(EvidenceCharge::new(5, 1, before, Decimal::from(90_000)));
        facts.charges.push(EvidenceCharge::new(6, 1, [night[1]; 2], Decimal::from(90_000)));
        facts.charges.push(EvidenceCharge::new(7, 1, night, Decimal::ZERO));
        // Nothing was sold at the second one.
        facts.charges.retain(|charge| charge.pile_no != 2);
        let fee = |station: &str| (StationId::parse(station).expect("literal"), Decimal::TWO);
        let now = Now { prices: BTreeMap::from([fee("S1"), fee("S3")]), ..Now::default() };
        let told: Vec<Option<String>> =
            prices(&facts, &now).into_iter().map(|price| Some(price?.normalize().to_string())).collect();
        assert_eq!(told, [Some("0.825".to_owned()), Some("0.7".to_owned()), Some("2".to_owned())]);
        facts.tariffs.clear();
        let told = prices(&facts, &now);
        assert_eq!(
            told,
            [Some(Decimal::TWO), None, Some(Decimal::TWO)],
            "the highest price of the day, or none"
        );
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
