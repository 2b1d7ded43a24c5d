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

/// A clock that is off by more, or a charge that takes longer, is no matter of prices.
const SPAN_MAX: SignedDuration = SignedDuration::from_hours(24 * 31);

/// Minutes of a day by the clock; how long it truly is, its zone says.
const DAY_MINUTES: u16 = 24 * 60;

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
        let of_charges = facts.charges.iter().filter_map(|charge| {
            let station = station_of.get(&charge.pile_no).filter(|station| stations.contains(*station))?;
            Some((*station, span(charge)?))
        });
        Self { periods: periods(&tariffs, of_charges), station_of }
    }

    /// The prices around a charge, by its own times and by true ones; empty where none are known or needed.
    pub(super) fn around(&self, charge: &EvidenceCharge) -> &[PricePeriod] {
        let periods = self.station_of.get(&charge.pile_no).and_then(|station| self.periods.get(station));
        let Some((periods, span)) = periods.zip(span(charge)) else { return &[] };
        within(periods, span)
    }
}

/// The lists of prices of a station.
struct Lists<'a> {
    /// Whose clock they are by: as was told of the station last.
    zone: TimeZone,
    /// Ascending by their first day.
    tariffs: Vec<&'a Tariff>,
}

impl Lists<'_> {
    fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// The prices of a day; none where nothing is told of it.
    fn in_force(&self, on: Date) -> Option<&Tariff> {
        self.tariffs.iter().rfind(|tariff| tariff.valid_from.is_none_or(|first| first <= on)).copied()
    }

    /// From the first day to the last of a span, ascending.
    fn periods(&self, (from, to): Span) -> Vec<PricePeriod> {
        let mut periods = Vec::new();
        let (mut on, last) = (self.day(from), self.day(to));
        while on <= last {
            let Ok(next) = on.tomorrow() else { break };
            if let Some(tariff) = self.in_force(on) {
                periods.extend(of_day(tariff, &self.zone, on, next));
            }
            on = next;
        }
        periods
    }
}

/// From when to when.
type Span = (Timestamp, Timestamp);

/// The lists of each station.
fn by_station(facts: &Facts) -> BTreeMap<&StationId, Lists<'_>> {
    let mut lists: BTreeMap<&StationId, Vec<&Tariff>> = BTreeMap::new();
    for tariff in &facts.tariffs {
        lists.entry(&tariff.station_id).or_default().push(tariff);
    }
    let of = lists.into_iter().map(|(station, tariffs)| {
        let zone = tariffs.last().map_or(TimeZone::UTC, |tariff| tariff.zone());
        (station, Lists { zone, tariffs })
    });
    of.collect()
}

/// The prices of each station over all of its spans.
fn periods<'a>(
    lists: &BTreeMap<&'a StationId, Lists<'_>>,
    spans: impl Iterator<Item = (&'a StationId, Span)>,
) -> BTreeMap<&'a StationId, Vec<PricePeriod>> {
    let mut whole: BTreeMap<&StationId, Span> = BTreeMap::new();
    for (station, (from, to)) in spans {
        let all = whole.entry(station).or_insert((from, to));
        *all = (all.0.min(from), all.1.max(to));
    }
    whole.into_iter().map(|(station, span)| (station, lists[station].periods(span))).collect()
}

/// Those of ascending periods that have a part in a span.
fn within(periods: &[PricePeriod], (from, to): Span) -> &[PricePeriod] {
    let first = periods.partition_point(|period| period.to <= from);
    let end = periods.partition_point(|period| period.from < to);
    periods.get(first..end).unwrap_or_default()
}

/// The station of each pile, by its number, where it tells prices.
fn stations_of<'a>(
    facts: &'a Facts,
    tariffs: &BTreeMap<&'a StationId, Lists<'_>>,
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
    let periods = periods(&tariffs, priced(facts, &station_of).map(|(station, _, span)| (station, span)));
    let mut sold: BTreeMap<&StationId, (Decimal, Decimal)> = BTreeMap::new();
    for (station, charge, span) in priced(facts, &station_of) {
        let Some(price) = mean_price(within(&periods[station], span), span) else { continue };
        let energy = kwh(charge.energy_pile_wh);
        let (energies, money) = sold.entry(station).or_default();
        *energies = energies.saturating_add(energy);
        *money = money.saturating_add(energy.saturating_mul(price));
    }
    let means = tariffs.iter().filter_map(|(station, lists)| {
        let by_energy = sold.get(station).and_then(|(energies, money)| money.checked_div(*energies));
        let whole_day = || mean_of_day(lists.in_force(lists.day(facts.as_of))?);
        Some((*station, by_energy.or_else(whole_day)?))
    });
    means.collect()
}

/// The charges that can have a price, each with its station and its time.
fn priced<'a>(
    facts: &'a Facts,
    station_of: &BTreeMap<i64, &'a StationId>,
) -> impl Iterator<Item = (&'a StationId, &'a EvidenceCharge, Span)> {
    let as_of = facts.as_of;
    let is_sold = move |charge: &&EvidenceCharge| {
        charge.ended_at <= as_of
            && charge.started_at < charge.ended_at
            && charge.ended_at.duration_since(charge.started_at) <= SPAN_MAX
            && Decimal::ZERO < charge.energy_pile_wh
    };
    facts.charges.iter().filter(is_sold).filter_map(move |charge| {
        let station = station_of.get(&charge.pile_no)?;
        Some((*station, charge, (charge.started_at, charge.ended_at)))
    })
}

/// The mean price over a time, to the second; none where a part of it has no price. `periods` are those that have a part in it.
fn mean_price(periods: &[PricePeriod], (from, to): Span) -> Option<Decimal> {
    let (from, to) = (from.as_second(), to.as_second());
    let (mut priced, mut sum) = (0, Decimal::ZERO);
    for period in periods {
        let seconds = (to.min(period.to.as_second()) - from.max(period.from.as_second())).max(0);
        sum = sum.checked_add(period.price_per_kwh.checked_mul(Decimal::from(seconds))?)?;
        priced += seconds;
    }
    if priced < to - from { None } else { sum.checked_div(Decimal::from(priced)) }
}

/// The mean price of a day by the clock.
fn mean_of_day(tariff: &Tariff) -> Option<Decimal> {
    let ends = tariff.prices.iter().skip(1).map(|(minute, _)| *minute).chain([DAY_MINUTES]);
    let mut parts = tariff.prices.iter().zip(ends);
    let sum = parts.try_fold(Decimal::ZERO, |sum, ((begins, price), ends)| {
        sum.checked_add(price.checked_mul(Decimal::from(ends.saturating_sub(*begins)))?)
    });
    sum?.checked_div(Decimal::from(DAY_MINUTES))
}

/// The time of a charge, by the pile's clock and by true time together; none where the clock is not known, or all of it makes no sense.
fn span(charge: &EvidenceCharge) -> Option<Span> {
    let offset_s = charge.clock_offset_s.filter(|offset_s| offset_s.abs() <= SPAN_MAX.as_secs_f64())?;
    let offset = SignedDuration::try_from_secs_f64(offset_s).ok()?;
    let (started, ended) = (charge.started_at, charge.ended_at);
    if SPAN_MAX < ended.duration_since(started) {
        return None;
    }
    let truly = [started.checked_sub(offset).ok()?, ended.checked_sub(offset).ok()?];
    Some((started.min(truly[0]), ended.max(truly[1])))
}

/// The prices of a day, ascending, one until the next. A time that the clock leaves out, where it is put forward, is as much later, and no price
/// begins after the one that follows it.
fn of_day(tariff: &Tariff, zone: &TimeZone, on: Date, next: Date) -> Vec<PricePeriod> {
    let moment = |day: Date, minute: u16| {
        let midnight = day.at(0, 0, 0, 0);
        let time = midnight.checked_add(SignedDuration::from_mins(i64::from(minute))).ok()?;
        Some(time.to_zoned(zone.clone()).ok()?.timestamp())
    };
    let mut periods = Vec::new();
    let Some(mut to) = moment(next, 0) else { return periods };
    for (minute, price) in tariff.prices.iter().rev() {
        let Some(from) = moment(on, *minute).map(|from| from.min(to)) else { break };
        if from < to {
            periods.push(PricePeriod { from, to, price_per_kwh: *price });
        }
        to = from;
    }
    periods.reverse();
    periods
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
            time_zone: None,
        }
    }

    /// The periods of lists that are ascending by their first day.
    fn told(tariffs: &[&Tariff], from: &str, to: &str) -> Vec<String> {
        let zone = tariffs[0].zone();
        let periods = Lists { zone, tariffs: tariffs.to_vec() }.periods((at(from), at(to)));
        periods.iter().map(|p| format!("{} {} {}", p.from, p.to, p.price_per_kwh)).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("literal")
    }

    // By hand: the first of July in China begins on the thirtieth of June at 16:00 UTC.
    #[test]
    fn prices_change_at_their_hours_in_china_and_on_the_day_that_is_named() {
        let always = tariff(None, &[(0, 50), (480, 110)]);
        let since = tariff(Some(jiff::civil::date(2026, 7, 1)), &[(0, 90)]);
        let both = told(&[&always, &since], "2026-06-30T01:00:00Z", "2026-06-30T16:30:00Z");
        let expected = [
            "2026-06-29T16:00:00Z 2026-06-30T00:00:00Z 0.50",
            "2026-06-30T00:00:00Z 2026-06-30T16:00:00Z 1.10",
            "2026-06-30T16:00:00Z 2026-07-01T16:00:00Z 0.90",
        ];
        assert_eq!(both, expected);
        let later = told(&[&since], "2026-06-29T16:00:00Z", "2026-06-30T16:00:00Z");
        assert_eq!(later.len(), 1, "of the day before nothing is known");
    }

    // By hand: in London clocks went from 1:00 to 2:00 on 29 March 2026 and from 2:00 to 1:00 on 25 October.
    #[test]
    fn prices_change_at_their_hours_where_the_station_stands() {
        let zone = Some("Europe/London".to_owned());
        let list = Tariff { time_zone: zone.clone(), ..tariff(None, &[(0, 50), (480, 110)]) };
        let of = |day: &str| told(&[&list], &format!("{day}T12:00:00Z"), &format!("{day}T12:00:00Z"));
        let spring = [
            "2026-03-29T00:00:00Z 2026-03-29T07:00:00Z 0.50",
            "2026-03-29T07:00:00Z 2026-03-29T23:00:00Z 1.10",
        ];
        assert_eq!(of("2026-03-29"), spring);
        let autumn = [
            "2026-10-24T23:00:00Z 2026-10-25T08:00:00Z 0.50",
            "2026-10-25T08:00:00Z 2026-10-26T00:00:00Z 1.10",
        ];
        assert_eq!(of("2026-10-25"), autumn);
        // Half past one was not on that day: its price holds for no time.
        let list = Tariff { time_zone: zone, ..tariff(None, &[(0, 50), (90, 70), (120, 110)]) };
        let told = told(&[&list], "2026-03-29T12:00:00Z", "2026-03-29T12:00:00Z");
        let expected = [
            "2026-03-29T00:00:00Z 2026-03-29T01:00:00Z 0.50",
            "2026-03-29T01:00:00Z 2026-03-29T23:00:00Z 1.10",
        ];
        assert_eq!(told, expected);
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
