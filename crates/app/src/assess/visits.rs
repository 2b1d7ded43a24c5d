//! Whom to visit next: what is at stake at each pile, and by what the lot of a week is drawn. Choosing is `assessment::targeting`'s.
//!
//! Called by [`super::outcome`] with every whole assessment. It says nothing of a pile: a visit does.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use veripile_assessment::Assessment;
use veripile_assessment::signals::Severity;
use veripile_assessment::targeting::Candidate;
use veripile_metrology::crossing::to_f64;
use veripile_ocpp::IdentityKey;
use veripile_pile::{Estimate, PileId, Standing};
use veripile_store::signal::{SignalRow, SignalSubject};

use super::facts::{Facts, Prepared};
use super::outcome::{Now, day, energies};
use super::weekly::week_of;

/// Share of piles outside their limits where nothing is known of any: 99.55 % of those verified pass.
const NONCONFORM_ASSUMED: f64 = 0.004_5;

/// The same, at least, of a pile whose charges and on-site result contradict each other, since one of the two is wrong, or that relays what no
/// vehicle said, since its estimate is what it makes of it.
const NONCONFORM_DOUBTED: f64 = 0.5;

/// What one complaint adds to a pile's weight, and how many count: anybody can complain, so that at most they double it.
const COMPLAINT_WEIGHT: f64 = 0.25;
const COMPLAINTS_MAX: i64 = 4;

/// Findings that count: each adds what the pile has by itself, and a few are enough to be among the first.
const FINDINGS_MAX: u32 = 4;

/// Energy is at stake by the year.
const DAYS_OF_YEAR: f64 = 365.25;

/// When a pile was last verified, by a certificate that nobody questions, and for how long at most by law.
#[derive(Default)]
pub(super) struct Verified {
    pub(super) on: Option<Date>,
    /// The last day of its validity.
    pub(super) valid_until: Option<Date>,
    /// 0: the law names none.
    pub(super) legal_years: u32,
    /// What acts say of it beside that, without its estimate.
    pub(super) standing: Standing,
}

/// What a week's visits are drawn by: whoever looks twice in a week sees one draw, and nobody without the key sees it beforehand. Piles are
/// public, and a lot that anybody can draw for years ahead keeps nobody honest.
pub(super) fn lot(key: &IdentityKey, as_of: Timestamp) -> u64 {
    let mac = key.mac(&[b"lot", &week_of(as_of).to_be_bytes()]);
    mac[..8].iter().fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// What is at stake at each pile, in money where prices are known: where one is not, the median of those that are stands for it, so that
/// nobody is visited less for telling none. Without any price it is energy.
pub(super) fn risks(
    (facts, prepared): (&Facts, &Prepared),
    assessment: &Assessment,
    (now, prices): (&Now, &[Option<Decimal>]),
    signals: &[SignalRow],
    verified: &[Verified],
) -> Vec<Candidate> {
    let mut known: Vec<Decimal> = prices.iter().copied().flatten().collect();
    known.sort();
    let assumed = known.get(known.len() / 2).copied().unwrap_or(Decimal::ONE);
    let first = facts.charges.iter().map(|charge| charge.ended_at).min().unwrap_or(facts.as_of);
    let days = (facts.as_of.duration_since(first).as_secs_f64() / 86_400.0).max(1.0);
    let contradictory = assessment.facts.contradictory_anchors.iter().map(|anchor| &anchor.pile_id);
    let made_up: BTreeSet<&PileId> =
        assessment.facts.doubted_values.iter().map(|values| &values.pile_id).collect();
    let honest = assessment.estimates.iter().filter(|(pile_id, _)| !made_up.contains(pile_id));
    let unknown = unknown(honest.filter_map(|(_, estimate)| nonconform(estimate)));
    let doubted: BTreeSet<&PileId> = contradictory.chain(made_up).collect();
    let least = |pile_id: &PileId| if doubted.contains(pile_id) { NONCONFORM_DOUBTED } else { 0.0 };
    let (findings, today) = (findings(signals), day(facts.as_of));
    let both = assessment.estimates.iter().zip(energies(facts, prepared)).enumerate();
    both.map(|(at, ((pile_id, estimate), energy))| Candidate {
        pile_id: pile_id.clone(),
        probability_nonconform: nonconform(estimate).unwrap_or(unknown).max(least(pile_id)),
        energy_kwh: to_f64(energy) * DAYS_OF_YEAR / days,
        price_per_kwh: to_f64(prices[at].unwrap_or(assumed)),
        weight: weight(
            now.complaints.get(&facts.piles[at].pile_no).copied().unwrap_or_default(),
            findings.get(&facts.piles[at].pile_no).copied().unwrap_or_default(),
            age(&verified[at], today),
        ),
    })
    .collect()
}

/// Probability that a pile is outside its limit, as its estimate says.
fn nonconform(estimate: &Estimate) -> Option<f64> {
    estimate.probability_conform.map(|conform| 1.0 - conform)
}

/// The same of a pile without an estimate: as a bad one of those that have one (the upper quartile), so that nobody gains by going dark. Not
/// `estimated` is what a pile made up.
fn unknown(estimated: impl Iterator<Item = f64>) -> f64 {
    let mut estimated: Vec<f64> = estimated.collect();
    estimated.sort_by(f64::total_cmp);
    estimated.get(3 * estimated.len() / 4).copied().unwrap_or_default().max(NONCONFORM_ASSUMED)
}

/// Findings of each pile that are more than a remark, by its number.
fn findings(signals: &[SignalRow]) -> BTreeMap<i64, u32> {
    let mut findings = BTreeMap::new();
    let grave = [Severity::Warning, Severity::Critical].map(Severity::word);
    for signal in signals.iter().filter(|signal| grave.contains(&signal.severity)) {
        if let SignalSubject::Pile(pile_no, _) = &signal.subject {
            *findings.entry(*pile_no).or_insert(0) += 1;
        }
    }
    findings
}

/// What the time since its last verification makes of a pile: 1 on that day, since who turns his pile up on the next is visited all the
/// same, and 2 when the legal interval is over, as without a certificate that holds. Where the law names no interval age says nothing.
fn age(verified: &Verified, today: Date) -> f64 {
    let Some(on) = verified.on else { return 2.0 };
    let legal_days = DAYS_OF_YEAR * f64::from(verified.legal_years);
    if legal_days <= 0.0 {
        return 1.0;
    }
    let days = on.until(today).map_or(0, |since| since.get_days());
    1.0 + (f64::from(days) / legal_days).clamp(0.0, 1.0)
}

/// Weight of a pile of which drivers complained so often, of so many findings, and of such an age.
fn weight(complaints: i64, findings: u32, age: f64) -> f64 {
    let complained = 1.0 + COMPLAINT_WEIGHT * complaints.clamp(0, COMPLAINTS_MAX) as f64;
    complained * (1.0 + f64::from(findings.min(FINDINGS_MAX))) * age
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use veripile_assessment::DoubtedValues;
    use veripile_assessment::levels::ContradictoryAnchor;
    use veripile_pile::StationId;

    use super::super::outcome::prices;
    use super::super::outcome::tests::world;
    use super::*;

    /// Of piles that were verified today, and of which nothing was found.
    fn at_stake(facts: &Facts, prepared: &Prepared, assessment: &Assessment, now: &Now) -> Vec<Candidate> {
        let verified = |_: &_| Verified { on: Some(day(facts.as_of)), legal_years: 3, ..Verified::default() };
        let verified: Vec<Verified> = facts.piles.iter().map(verified).collect();
        risks((facts, prepared), assessment, (now, &prices(facts, now)), &[], &verified)
    }

    // Equal piles: at half the price half is at stake; where none is told the (upper) median of 1 and 2; two complaints weigh 1.5. In
    // money: 0.45 % of 10 kWh a day, 365.25 days, at 2 CNY.
    #[test]
    fn at_stake_is_money_and_nobody_gains_by_telling_no_price() {
        let (facts, prepared, assessment) = world(3);
        let price =
            |station: &str, cny: i64| (StationId::parse(station).expect("literal"), Decimal::from(cny));
        let now = Now {
            prices: BTreeMap::from([price("S1", 2), price("S2", 1)]),
            complaints: BTreeMap::from([(3, 2)]),
            ..Now::default()
        };
        let risks: Vec<f64> =
            at_stake(&facts, &prepared, &assessment, &now).iter().map(Candidate::risk).collect();
        let first = 0.004_5 * 10.0 * 365.25 * 2.0;
        for (risk, expected) in risks.iter().zip([first, 0.5 * first, 1.5 * first]) {
            assert!((risk - expected).abs() < 1e-9 * first, "{risks:?}");
        }
        assert!((weight(1_000, 0, 1.0) - 2.0).abs() < f64::EPSILON, "a crowd at most doubles it");
    }

    // By hand: of 0, 1, 20 and 60 % the upper quartile is 60 %; of four good ones it is less than what is assumed of all, 0.45 %.
    #[test]
    fn who_goes_dark_is_no_smaller_risk() {
        let (facts, prepared, mut assessment) = world(5);
        let mut of_the_last = |conform: [f64; 4]| {
            for ((_, estimate), conform) in assessment.estimates.iter_mut().zip(conform) {
                estimate.probability_conform = Some(conform);
            }
            at_stake(&facts, &prepared, &assessment, &Now::default())[4].probability_nonconform
        };
        assert!((of_the_last([1.0, 0.4, 0.99, 0.8]) - 0.6).abs() < 1e-12);
        assert!((of_the_last([1.0; 4]) - 0.004_5).abs() < 1e-12);
    }

    fn doubted(pile_id: PileId) -> DoubtedValues {
        DoubtedValues {
            pile_id,
            test: "deaf",
            p_value: 1e-12,
            share_percent: 3.0,
            charges: 200,
            relayed: 200,
            vehicles: 40,
        }
    }

    // By hand: the same four, whose upper quartile is 60 %, beside four that say what they like. Among all eight it would be 20 %.
    #[test]
    fn whoever_makes_estimates_up_makes_no_dark_pile_safer() {
        let (facts, prepared, mut assessment) = world(9);
        for (at, conform) in [1.0, 0.4, 0.99, 0.8, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
            let (pile_id, estimate) = &mut assessment.estimates[at];
            estimate.probability_conform = Some(conform);
            if 4 <= at {
                assessment.facts.doubted_values.push(doubted(pile_id.clone()));
            }
        }
        let found = at_stake(&facts, &prepared, &assessment, &Now::default());
        assert!((found[8].probability_nonconform - 0.6).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_pile_whose_on_site_result_contradicts_its_charges_is_even_odds_at_least() {
        let (facts, prepared, mut assessment) = world(2);
        let pile_id = assessment.estimates[0].0.clone();
        let contradictory =
            ContradictoryAnchor { pile_id, at: facts.as_of, normalised_error: Some(2.0), is_used: true };
        assessment.facts.contradictory_anchors.push(contradictory);
        let mut of_the_first = |conform: f64| {
            assessment.estimates[0].1.probability_conform = Some(conform);
            at_stake(&facts, &prepared, &assessment, &Now::default())[0].probability_nonconform
        };
        assert!((of_the_first(0.999) - 0.5).abs() < 1e-12);
        assert!((of_the_first(0.1) - 0.9).abs() < 1e-12);
    }

    /// The better its estimate, the better it lies.
    #[test]
    fn a_pile_that_makes_vehicles_values_up_is_even_odds_at_least() {
        let (facts, prepared, mut assessment) = world(2);
        assessment.estimates.iter_mut().for_each(|(_, estimate)| estimate.probability_conform = Some(0.999));
        let pile_id = assessment.estimates[1].0.clone();
        assessment.facts.doubted_values.push(doubted(pile_id));
        let found = at_stake(&facts, &prepared, &assessment, &Now::default());
        assert!((found[0].probability_nonconform - 0.001).abs() < 1e-12, "{found:?}");
        assert!((found[1].probability_nonconform - 0.5).abs() < 1e-12, "{found:?}");
    }

    // By hand: two complaints 1.5, two findings besides a remark 3, half of three years (1,095.75 days) since the last verification 1.5.
    #[test]
    fn findings_and_age_weigh() {
        let (facts, prepared, assessment) = world(2);
        let signal = |severity: Severity| SignalRow {
            subject: SignalSubject::Pile(1, facts.piles[0].pile_id.clone()),
            code: "step",
            severity: severity.word(),
            statistic: 0.0,
            p_value: None,
            from: None,
            to: None,
            said: Vec::new(),
            charges: Vec::new(),
        };
        let signals = [Severity::Warning, Severity::Info, Severity::Critical].map(signal);
        let today = day(facts.as_of);
        let of = |on: Option<Date>| Verified { on, legal_years: 3, ..Verified::default() };
        let verified = [of(today.checked_sub(jiff::ToSpan::days(548)).ok()), of(Some(today))];
        let now = Now { complaints: BTreeMap::from([(1, 2)]), ..Now::default() };
        let found = risks((&facts, &prepared), &assessment, (&now, &[None; 2]), &signals, &verified);
        assert!((found[0].weight - 1.5 * 3.0 * 1.5).abs() < 0.002, "{found:?}");
        assert!((found[1].weight - 1.0).abs() < 1e-12, "{found:?}");
        assert!((weight(0, 1_000, 1.0) - 5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn age_ends_with_the_legal_interval_and_who_has_no_certificate_is_as_old() {
        let today = date(2026, 7, 1);
        let of =
            |on: Option<Date>, legal_years| age(&Verified { on, legal_years, ..Verified::default() }, today);
        for (found, expected) in [
            (of(None, 3), 2.0),
            (of(Some(date(2020, 1, 1)), 3), 2.0),
            (of(Some(date(2027, 1, 1)), 3), 1.0),
            (of(Some(date(2020, 1, 1)), 0), 1.0),
        ] {
            assert!((found - expected).abs() < f64::EPSILON, "{found}");
        }
    }

    // Python's hmac, SHA-256 with 32 bytes of 3 over "lot", a zero byte, the week (2926 and 2927 of 32 bits, the highest first) and a zero byte.
    #[test]
    fn a_week_has_one_lot_that_takes_the_key_to_draw() {
        let key = IdentityKey::new([3; 32]);
        let monday = 1_769_990_400;
        let of = |second| lot(&key, Timestamp::from_second(second).expect("in range"));
        assert_eq!(of(monday - 1), 10_275_128_240_004_008_316);
        assert_eq!([of(monday), of(monday + 7 * 86_400 - 1)], [13_222_233_496_325_285_369; 2]);
        let at = Timestamp::from_second(monday).expect("in range");
        assert_ne!(lot(&IdentityKey::new([4; 32]), at), lot(&key, at));
    }
}
