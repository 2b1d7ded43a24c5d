//! What the authority did with each pile of the city: certificates, on-site results, cases; and the acts that tell it.
//!
//! Decided once per city, dated relative to a moment when asked for ([`City::acts`]). Fictional bodies and persons.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use veripile_pile::{Act, ActKind, OnSiteResult, PileId};

use crate::City;
use crate::catalogue::OPERATORS;
use crate::city::Detail;
use crate::random::{self, Purpose};
use crate::truth;

/// Piles whose error was measured on site.
const ANCHORS: usize = 10;

/// Piles found to fail, if so many are bad.
const FAILED: usize = 3;

/// Piles under review, if so many are bad.
const UNDER_REVIEW: usize = 3;

/// Piles out of use.
const OUT_OF_USE: usize = 3;

/// Smaller cities get one pile of each special fate for this many piles, at most the numbers above.
const PILES_PER_SPECIAL: usize = 40;

/// Of a hundred other piles: with a valid certificate, with an expired one; the rest were never verified.
const VALID_PERCENT: u32 = 76;
const EXPIRED_PERCENT: u32 = 12;

/// Interval of verification, days (JJG 1148/1149-2022: three years).
const VALID_DAYS: i64 = 3 * 365;

/// Days ago by which a pile out of use was stopped.
const STOPPED_DAYS_AGO: i64 = 12;

/// Days an operator has for a reply.
const REPLY_DAYS: i64 = 15;

const ISSUER: &str = "模拟计量所";

const PERSONS: [&str; 6] = ["Z. L.", "W. H.", "C. Y.", "L. Q.", "X. M.", "S. T."];

/// What happened to a pile. Days count back from the moment for which acts are asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// It never was verified.
    NeverVerified,
    /// A certificate, valid or not.
    Certified { days_ago: i64 },
    /// A certificate of the last month, with its on-site result.
    Anchor { days_ago: i64, result: OnSiteResult },
    /// Verified once, found to fail, confirmed by two persons, reply window over.
    Failed { days_ago: i64 },
    /// Verified once; a case was opened a few days ago.
    UnderReview { days_ago: i64, opened_days_ago: i64 },
    /// Verified once, then stopped.
    OutOfUse { days_ago: i64 },
}

impl Fate {
    /// Days before the end of the history from which on the pile takes no more charges.
    pub(crate) fn stopped_days_ago(&self) -> Option<i64> {
        matches!(self, Self::OutOfUse { .. }).then_some(STOPPED_DAYS_AGO)
    }
}

impl City {
    /// The acts of authority as of a moment, by pile, each pile's in order of time.
    ///
    /// Exactly ten certificates carry an on-site result (fewer in cities under 400 piles): the anchors. Ask once per
    /// registered city: a later moment moves the dates.
    pub fn acts(&self, now: Timestamp) -> Vec<(PileId, Act)> {
        let piles = self.piles.iter().zip(&self.details).enumerate();
        piles
            .flat_map(|(number, (pile, detail))| {
                let clerk = Clerk { number, now };
                clerk.acts(&detail.fate).into_iter().map(|act| (pile.pile_id.clone(), act))
            })
            .collect()
    }
}

/// Decides the fate of each pile.
pub(crate) fn decide(seed: u64, piles: &[Detail]) -> Vec<Fate> {
    let mut rng = random::stream(seed, Purpose::Acts, 0);
    let mut fates: Vec<Fate> = piles.iter().map(|_| ordinary(&mut rng)).collect();
    let mut order: Vec<usize> = (0..piles.len()).collect();
    order.shuffle(&mut rng);
    let most = |count: usize| count.min(piles.len().div_ceil(PILES_PER_SPECIAL));
    let mut bad = order.iter().copied().filter(|pile| is_bad(&piles[*pile])).collect::<Vec<_>>().into_iter();
    let mut taken = vec![false; piles.len()];
    for pile in bad.by_ref().take(most(FAILED)) {
        fates[pile] = Fate::Failed { days_ago: rng.random_range(300..900) };
        taken[pile] = true;
    }
    for pile in bad.take(most(UNDER_REVIEW)) {
        let opened_days_ago = rng.random_range(2..6);
        fates[pile] = Fate::UnderReview { days_ago: rng.random_range(200..900), opened_days_ago };
        taken[pile] = true;
    }
    for pile in anchors(&order, piles, &taken, most(ANCHORS)) {
        if let Some(result) = passing_result(&mut rng, &piles[pile]) {
            fates[pile] = Fate::Anchor { days_ago: rng.random_range(3..29), result };
            taken[pile] = true;
        }
    }
    for pile in order.into_iter().filter(|pile| !taken[*pile]).take(most(OUT_OF_USE)) {
        fates[pile] = Fate::OutOfUse { days_ago: rng.random_range(300..900) };
    }
    fates
}

/// Whether the true error is beyond what the class permits (JJG 1148/1149: as many percent as the class says).
fn is_bad(pile: &Detail) -> bool {
    100.0 * pile.error.abs() > f64::from(pile.entry().class)
}

fn ordinary(rng: &mut ChaCha8Rng) -> Fate {
    match rng.random_range(0..100) {
        percent if percent < VALID_PERCENT => Fate::Certified { days_ago: rng.random_range(30..VALID_DAYS - 30) },
        percent if percent < VALID_PERCENT + EXPIRED_PERCENT => {
            Fate::Certified { days_ago: rng.random_range(VALID_DAYS + 5..VALID_DAYS + 400) }
        }
        _ => Fate::NeverVerified,
    }
}

/// Piles for anchors, in the drawn order but one operator after the other: two of each in a whole city. Only piles within
/// their class: an anchor is a certificate, and a failing pile gets none.
fn anchors(order: &[usize], piles: &[Detail], taken: &[bool], count: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    for round in 0..count.div_ceil(OPERATORS.len()) {
        for operator in 0..OPERATORS.len() {
            let mut fitting = order.iter().copied().filter(|pile| {
                piles[*pile].operator == operator && !taken[*pile] && !is_bad(&piles[*pile])
            });
            chosen.extend(fitting.nth(round));
        }
    }
    chosen.truncate(count);
    chosen
}

/// An on-site result within the class; a pile so close to the limit that ten tries fail is passed over.
fn passing_result(rng: &mut ChaCha8Rng, pile: &Detail) -> Option<OnSiteResult> {
    let limit = rust_decimal::Decimal::from(pile.entry().class);
    (0..10).map(|_| truth::measured_on_site(rng, pile.error)).find(|result| result.error_percent.abs() <= limit)
}

/// Writes the acts of one pile.
struct Clerk {
    number: usize,
    now: Timestamp,
}

impl Clerk {
    fn acts(&self, fate: &Fate) -> Vec<Act> {
        match fate {
            Fate::NeverVerified => vec![],
            Fate::Certified { days_ago } => vec![self.certificate(*days_ago, None)],
            Fate::Anchor { days_ago, result } => vec![self.certificate(*days_ago, Some(*result))],
            Fate::Failed { days_ago } => {
                let reply = Some(self.day(10));
                let number = self.numbered("锡检通", 26);
                vec![
                    self.certificate(*days_ago, None),
                    Act { reply_until: reply, ..self.act(ActKind::Notice, number.clone(), 26, 0) },
                    self.act(ActKind::FailureConfirmed, number.clone(), 24, 1),
                    self.act(ActKind::FailureConfirmed, number, 21, 2),
                ]
            }
            Fate::UnderReview { days_ago, opened_days_ago } => {
                let number = self.numbered("锡计案", *opened_days_ago);
                let reply = Some(self.day(opened_days_ago - REPLY_DAYS));
                let case = self.act(ActKind::CaseOpened, number, *opened_days_ago, 1);
                vec![self.certificate(*days_ago, None), Act { reply_until: reply, ..case }]
            }
            Fate::OutOfUse { days_ago } => {
                let number = self.numbered("锡停", STOPPED_DAYS_AGO);
                let stopped = self.act(ActKind::UseStopped, number, STOPPED_DAYS_AGO, 3);
                vec![self.certificate(*days_ago, None), stopped]
            }
        }
    }

    fn certificate(&self, days_ago: i64, result: Option<OnSiteResult>) -> Act {
        let number = self.numbered("锡检电桩", days_ago);
        let valid_until = Some(self.day(days_ago - VALID_DAYS));
        Act { valid_until, result, ..self.act(ActKind::Certificate, number, days_ago, 0) }
    }

    fn act(&self, kind: ActKind, number: String, days_ago: i64, person: usize) -> Act {
        Act {
            kind,
            number,
            issuer: ISSUER.to_owned(),
            person: PERSONS[(self.number + person) % PERSONS.len()].to_owned(),
            acted_at: self.day(days_ago),
            valid_until: None,
            reply_until: None,
            result: None,
        }
    }

    /// A document's number, as `锡检电桩 2025-01234`; unique by pile.
    fn numbered(&self, series: &str, days_ago: i64) -> String {
        let year = self.day(days_ago).to_zoned(jiff::tz::TimeZone::UTC).year();
        format!("{series} {year}-{:05}", 1001 + self.number)
    }

    fn day(&self, days_ago: i64) -> Timestamp {
        let whole = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        whole.checked_sub(SignedDuration::from_hours(24 * days_ago)).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use veripile_pile::{Standing, State};

    fn now() -> Timestamp {
        "2026-03-01T08:00:00Z".parse().expect("literal")
    }

    fn states(city: &City) -> BTreeMap<State, usize> {
        let mut acts: BTreeMap<PileId, Vec<Act>> = BTreeMap::new();
        for (pile, act) in city.acts(now()) {
            acts.entry(pile).or_default().push(act);
        }
        let mut counts = BTreeMap::new();
        for pile in &city.piles {
            let acts = acts.remove(&pile.pile_id).unwrap_or_default();
            *counts.entry(Standing::judge(&acts, None).state(now(), Some(now()))).or_default() += 1;
        }
        counts
    }

    #[test]
    fn a_city_shows_every_state_in_the_shares_wanted() {
        let states = states(&City::wuxi(1, 400));
        assert_eq!(states[&State::OutOfUse], 3);
        assert_eq!(states[&State::Failed], 3);
        assert_eq!(states[&State::UnderReview], 3);
        // 76 % of 391, give or take five standard deviations of a binomial, and nearly ten anchors more.
        assert!((260..=350).contains(&states[&State::Verified]), "{states:?}");
        assert!((50..=140).contains(&states[&State::Due]), "{states:?}");
    }

    #[test]
    fn ten_anchors_lie_in_the_last_month_within_their_class_and_near_the_truth() {
        for seed in 1..6 {
            let city = City::wuxi(seed, 400);
            let acts = city.acts(now());
            let anchors: Vec<_> = acts.iter().filter(|(_, act)| act.result.is_some()).collect();
            assert_eq!(anchors.len(), 10);
            let mut operators = BTreeMap::new();
            for (pile_id, act) in &anchors {
                assert_eq!(act.kind, ActKind::Certificate);
                assert!(now().duration_since(act.acted_at) < SignedDuration::from_hours(30 * 24));
                let index = city.piles.iter().position(|pile| pile.pile_id == *pile_id).expect("known");
                let found: f64 = act.result.expect("anchor").error_percent.to_string().parse().expect("decimal");
                // u = 0.075 %: five standard deviations.
                assert!((found - 100.0 * city.details[index].error).abs() < 0.375);
                *operators.entry(city.details[index].operator).or_insert(0) += 1;
            }
            assert!(operators.len() == 5 && operators.values().all(|count| *count == 2), "{operators:?}");
        }
    }

    #[test]
    fn only_truly_bad_piles_failed_or_are_under_review() {
        let city = City::wuxi(2, 400);
        for detail in &city.details {
            if matches!(detail.fate, Fate::Failed { .. } | Fate::UnderReview { .. }) {
                assert!(is_bad(detail));
            }
        }
    }

    #[test]
    fn document_numbers_are_unique_and_no_act_lies_in_the_future() {
        let acts = City::wuxi(1, 400).acts(now());
        let unique: BTreeSet<_> = acts.iter().map(|(_, act)| (&act.kind, &act.number, &act.person)).collect();
        assert_eq!(unique.len(), acts.len());
        assert!(acts.iter().all(|(_, act)| act.acted_at <= now()));
    }

    #[test]
    fn a_small_city_has_fates_too() {
        for piles in [1, 2, 10, 50] {
            let city = City::wuxi(1, piles);
            assert!(city.acts(now()).len() >= piles / 2);
        }
    }
}
