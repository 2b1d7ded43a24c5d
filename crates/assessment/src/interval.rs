//! The next date of a pile by its state: how long it may go unverified, from its remote estimate, and why not at all.
//!
//! Called with every new assessment, so that the date moves with the evidence; what lapses between two is found by whoever reads it
//! (`pile::proposal`). It is a proposal to the authority: it never makes a pile verified, and never goes beyond the legal maximum since the
//! last verification, nor beyond the end of the certificate.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use veripile_metrology::reliability::{State, interval_days};
pub use veripile_pile::proposal::{COVERAGE_DAYS_MAX, SILENCE_DAYS_MAX, Withdrawn};
use veripile_pile::proposal::{barred, is_old};
use veripile_pile::{Estimate, RemoteVerdict, Standing};

/// Charges that a date must rest on: with 30 a dozen wrong vehicle readings no longer move a pile across its limit, and the stated
/// uncertainty has been seen to hold.
pub const CHARGES_MIN: u32 = 30;

/// Days after which an anchor, or what stands for one, is too old to carry dates: a year; one or two per city are renewed every year.
pub const ANCHOR_DAYS_MAX: i64 = 366;

/// Drift assumed of piles: none on average, and a walk of 0.1 % after a year, as for anchors ([`crate::anchors`]).
const DRIFT_PER_YEAR: f64 = 0.0;
const WALK_PER_ROOT_YEAR: f64 = 0.001;

const YEAR_S: f64 = 365.25 * 86_400.0;

/// What a date rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalFacts<'a> {
    /// The moment it speaks of.
    pub as_of: Timestamp,
    /// The day that it is then where the piles stand.
    pub today: Date,
    /// The pile's newest estimate.
    pub estimate: &'a Estimate,
    /// What acts say of it: of a pile that failed, is under review or stopped there is no date.
    pub standing: &'a Standing,
    /// Day of its last verification that passed; none: never.
    pub verified_on: Option<Date>,
    /// Last day of the validity of that certificate.
    pub valid_until: Option<Date>,
    /// Longest interval by law, years.
    pub legal_years: u32,
    /// When it was last heard of.
    pub last_heard_at: Option<Timestamp>,
    /// When the newest of what gives its connected set a level was measured: an anchor, a calibration of a reference vehicle, an energy
    /// balance.
    pub newest_level_at: Option<Timestamp>,
}

/// The next date of a pile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum NextDate {
    /// To be verified by this day.
    By(Date),
    /// No date by state: what the law says applies. Every reason, in the order of the enum.
    Withdrawn(Vec<Withdrawn>),
}

/// The next date, or why there is none.
///
/// # Formula
/// The longest T with `R(T) ≥ 0.97` throughout ([`interval_days`]) from the day of the estimate, and not later than the legal
/// maximum after the last verification, nor than the end of its certificate, after which the pile is due whatever is proposed. What
/// is estimated is the mean of an error that walks, what counts is where it stands today: over a period of length t that ended d ago
/// these differ by q²(t/3 + d), so that `P = u² + q²(t/3 + d)`.
pub fn next_date(facts: &IntervalFacts<'_>) -> NextDate {
    let today = facts.today;
    let legal = facts.verified_on.and_then(|day| day.checked_add(i64::from(facts.legal_years).years()).ok());
    let mut reasons = lapsed(facts);
    reasons.extend(match legal {
        None => Some(Withdrawn::NeverVerified),
        Some(legal) if legal <= today => Some(Withdrawn::LegallyDue),
        Some(_) => None,
    });
    // One that is over is a reason of its own.
    let valid_until = facts.valid_until.filter(|until| today <= *until);
    let last = |legal: Date| valid_until.map_or(legal, |until| until.min(legal));
    let by = legal.filter(|legal| today < *legal).and_then(|legal| by_state(facts, today, last(legal)));
    let known = !reasons.contains(&Withdrawn::NotComparable);
    let is_sure = by.is_some() && facts.estimate.verdict == RemoteVerdict::Conform;
    if !is_sure && known && legal.is_some_and(|legal| today < legal) {
        reasons.push(Withdrawn::NotReliable);
    }
    reasons.sort_unstable();
    match by {
        Some(by) if reasons.is_empty() => NextDate::By(by),
        _ => NextDate::Withdrawn(reasons),
    }
}

fn by_state(facts: &IntervalFacts<'_>, today: Date, last_day: Date) -> Option<Date> {
    let (first, last) = facts.estimate.period.unwrap_or((facts.as_of, facts.as_of));
    let years = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64().max(0.0) / YEAR_S;
    let walked = WALK_PER_ROOT_YEAR.powi(2) * (years(first, last) / 3.0 + years(last, facts.as_of));
    let state = State {
        error: facts.estimate.error?,
        standard_uncertainty: (facts.estimate.standard_uncertainty?.powi(2) + walked).sqrt(),
        drift_per_year: DRIFT_PER_YEAR,
        walk_per_root_year: WALK_PER_ROOT_YEAR,
    };
    let left = u32::try_from(today.until(last_day).ok()?.get_days()).ok()?;
    let days = interval_days(&state, facts.estimate.limit, left)?;
    today.checked_add(i64::from(days).days()).ok()
}

/// What of the evidence has lapsed.
fn lapsed(facts: &IntervalFacts<'_>) -> Vec<Withdrawn> {
    let estimate = facts.estimate;
    let last_charge = estimate.period.map(|(_, last)| last);
    let checks = [
        (!estimate.grounded || estimate.verdict == RemoteVerdict::NotComparable, Withdrawn::NotComparable),
        (is_old(facts.newest_level_at, ANCHOR_DAYS_MAX, facts.as_of), Withdrawn::AnchorsLapsed),
        (estimate.charges < CHARGES_MIN, Withdrawn::FewCharges),
        (is_old(last_charge, COVERAGE_DAYS_MAX, facts.as_of), Withdrawn::CoverageLapsed),
        (is_old(facts.last_heard_at, SILENCE_DAYS_MAX, facts.as_of), Withdrawn::ConnectionLapsed),
        (estimate.verdict == RemoteVerdict::Nonconform, Withdrawn::Nonconform),
    ];
    let lapsed = checks.into_iter().filter_map(|(is_so, reason)| is_so.then_some(reason));
    barred(facts.standing, facts.as_of).into_iter().chain(lapsed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use veripile_pile::{Certified, OpenCase};

    /// Nothing that acts have against a date.
    static FREE: Standing = Standing {
        certificate: None,
        case: None,
        stopped_at: None,
        stopped_by: None,
        cleared_at: None,
        failure_ended_at: None,
        estimate: None,
    };

    fn at(text: &str) -> Timestamp {
        text.parse().expect("literal")
    }

    fn estimate(error: f64, standard_uncertainty: f64) -> Estimate {
        Estimate {
            as_of: at("2026-07-01T00:00:00Z"),
            component: 0,
            grounded: true,
            charges: 900,
            period: Some((at("2026-01-01T00:00:00Z"), at("2026-06-30T00:00:00Z"))),
            error: Some(error),
            standard_uncertainty: Some(standard_uncertainty),
            probability_conform: Some(0.9),
            limit: 0.01,
            rule: "JJG 1149-2022 v1".to_owned(),
            verdict: RemoteVerdict::Conform,
        }
    }

    fn facts(estimate: &Estimate) -> IntervalFacts<'_> {
        IntervalFacts {
            as_of: at("2026-07-01T00:00:00Z"),
            today: date(2026, 7, 1),
            estimate,
            standing: &FREE,
            verified_on: Some(date(2025, 7, 1)),
            valid_until: None,
            legal_years: 3,
            last_heard_at: Some(at("2026-06-30T12:00:00Z")),
            newest_level_at: Some(at("2026-02-01T00:00:00Z")),
        }
    }

    fn withdrawn(facts: &IntervalFacts<'_>) -> Vec<Withdrawn> {
        match next_date(facts) {
            NextDate::Withdrawn(reasons) => reasons,
            NextDate::By(day) => panic!("{day}"),
        }
    }

    #[test]
    fn a_good_pile_waits_until_the_law_asks() {
        assert_eq!(next_date(&facts(&estimate(0.002, 0.001))), NextDate::By(date(2028, 7, 1)));
    }

    // R(T) with m = 0.77 %, q = 0.1 % and P = 0.1² + 0.1² (180/3 + 1)/365.25 %² by mpmath, day by day: above 0.97 up to day 119; of a mean
    // over 29 days, which is nearer to today, up to day 170.
    #[test]
    fn a_pile_near_its_limit_comes_earlier() {
        let after = |days: i64| date(2026, 7, 1).checked_add(days.days()).expect("in range");
        let half_a_year = estimate(0.0077, 0.001);
        assert_eq!(next_date(&facts(&half_a_year)), NextDate::By(after(119)));
        let (_, last) = half_a_year.period.expect("a period");
        let month = Estimate { period: Some((at("2026-06-01T00:00:00Z"), last)), ..half_a_year };
        assert_eq!(next_date(&facts(&month)), NextDate::By(after(170)));
    }

    #[test]
    fn a_pile_at_its_limit_has_no_date() {
        assert_eq!(withdrawn(&facts(&estimate(0.009, 0.001))), [Withdrawn::NotReliable]);
    }

    // Its charges speak for it, its on-site result does not; or the numbers are good and nobody has decided.
    #[test]
    fn a_pile_that_is_not_known_to_conform_has_no_longer_date() {
        let doubted = Estimate { verdict: RemoteVerdict::Undecided, ..estimate(0.002, 0.001) };
        assert_eq!(withdrawn(&facts(&doubted)), [Withdrawn::NotReliable]);
    }

    // However good its charges are, and though its certificate of a year ago was never taken back.
    #[test]
    fn a_pile_that_failed_or_is_stopped_has_no_date_but_a_reason() {
        let good = estimate(0.002, 0.001);
        let case = OpenCase {
            number: "N1".to_owned(),
            issuer: "计量所".to_owned(),
            at: at("2026-05-01T00:00:00Z"),
            confirmed_by: None,
            confirmed_at: None,
            reply_until: Some(at("2026-06-01T00:00:00Z")),
        };
        let told = |standing: &Standing| withdrawn(&IntervalFacts { standing, ..facts(&good) });
        let reviewed = Standing { case: Some(case.clone()), ..Standing::default() };
        assert_eq!(told(&reviewed), [Withdrawn::UnderReview]);
        let case = OpenCase { confirmed_at: Some(at("2026-05-09T00:00:00Z")), ..case };
        assert_eq!(told(&Standing { case: Some(case), ..Standing::default() }), [Withdrawn::Failed]);
        let stopped_at = Some(at("2026-06-30T00:00:00Z"));
        assert_eq!(told(&Standing { stopped_at, ..Standing::default() }), [Withdrawn::Stopped]);
    }

    // Verified in January 2025 for a year: the law would let it wait until 2028, but it is due since January 2026.
    #[test]
    fn a_pile_whose_certificate_has_expired_has_no_date_but_that_reason() {
        let good = estimate(0.002, 0.001);
        let verified_on = Some(date(2025, 1, 1));
        let until = |valid_until: &str| {
            let certificate = Certified {
                number: "C1".to_owned(),
                issuer: "计量所".to_owned(),
                at: at("2025-01-01T00:00:00Z"),
                valid_until: at(valid_until),
                questioned_at: None,
            };
            Standing { certificate: Some(certificate), ..Standing::default() }
        };
        let told = |standing: &Standing, valid_until: Date| {
            let valid_until = Some(valid_until);
            next_date(&IntervalFacts { standing, verified_on, valid_until, ..facts(&good) })
        };
        let holds = told(&until("2027-01-01T00:00:00Z"), date(2027, 1, 1));
        assert_eq!(holds, NextDate::By(date(2027, 1, 1)));
        let expired = NextDate::Withdrawn(vec![Withdrawn::CertificateExpired]);
        assert_eq!(told(&until("2026-01-01T00:00:00Z"), date(2026, 1, 1)), expired);
        // It ran out this morning.
        assert_eq!(told(&until("2026-06-30T20:00:00Z"), date(2026, 7, 1)), expired);
    }

    // The law names three years to the day, the certificate ends the day before: a date beyond it would be one at which the pile is due.
    #[test]
    fn no_date_lies_beyond_the_end_of_the_certificate() {
        let good = estimate(0.002, 0.001);
        let by =
            |valid_until: Date| next_date(&IntervalFacts { valid_until: Some(valid_until), ..facts(&good) });
        assert_eq!(by(date(2028, 6, 30)), NextDate::By(date(2028, 6, 30)));
        assert_eq!(
            by(date(2026, 8, 1)),
            NextDate::By(date(2026, 8, 1)),
            "nearer than what is proposed at least"
        );
        assert_eq!(by(date(2026, 7, 1)), NextDate::By(date(2026, 7, 1)), "today is its last day");
        assert_eq!(by(date(2029, 1, 1)), NextDate::By(date(2028, 7, 1)), "the law ends before");
    }

    // The legal interval ends on 1 July where the pile stands, whatever day it is in Greenwich.
    #[test]
    fn the_day_is_that_of_the_place() {
        let good = estimate(0.002, 0.001);
        let (as_of, verified_on) = (at("2026-06-30T17:00:00Z"), Some(date(2023, 7, 1)));
        let on = |today| IntervalFacts { as_of, today, verified_on, ..facts(&good) };
        assert_eq!(withdrawn(&on(date(2026, 7, 1))), [Withdrawn::LegallyDue]);
        assert_eq!(next_date(&on(date(2026, 6, 30))), NextDate::By(date(2026, 7, 1)));
    }

    #[test]
    fn whatever_lapses_withdraws_the_date_and_is_named() {
        let good = estimate(0.002, 0.001);
        let long_ago = Some(at("2025-01-01T00:00:00Z"));
        let check = |change: &dyn Fn(&mut IntervalFacts<'_>), expected: &[Withdrawn]| {
            let mut facts = facts(&good);
            change(&mut facts);
            assert_eq!(withdrawn(&facts), expected);
        };
        check(&|facts| facts.last_heard_at = None, &[Withdrawn::ConnectionLapsed]);
        check(&|facts| facts.newest_level_at = long_ago, &[Withdrawn::AnchorsLapsed]);
        check(&|facts| facts.verified_on = None, &[Withdrawn::NeverVerified]);
        check(&|facts| facts.verified_on = Some(date(2023, 7, 1)), &[Withdrawn::LegallyDue]);
        check(
            &|facts| {
                facts.last_heard_at = long_ago;
                facts.newest_level_at = long_ago;
            },
            &[Withdrawn::AnchorsLapsed, Withdrawn::ConnectionLapsed],
        );
        let few = Estimate { charges: 29, period: None, ..good.clone() };
        assert_eq!(withdrawn(&facts(&few)), [Withdrawn::FewCharges, Withdrawn::CoverageLapsed]);
        let alone = Estimate { grounded: false, verdict: RemoteVerdict::NotComparable, ..good.clone() };
        assert_eq!(withdrawn(&facts(&alone)), [Withdrawn::NotComparable]);
        let bad = Estimate { error: Some(0.02), verdict: RemoteVerdict::Nonconform, ..good.clone() };
        assert_eq!(withdrawn(&facts(&bad)), [Withdrawn::Nonconform, Withdrawn::NotReliable]);
    }
}
