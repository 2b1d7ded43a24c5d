//! Acceptance sampling by attributes from finite lots: what a sample without (or with few) failures proves, and how large it must be.
//!
//! Called for batches of instruments and by the study command. It never draws a sample.

/// Largest lot: batches of one make, model, firmware and year are smaller, and the search for a plan grows with its square.
pub const LOT_MAX: u32 = 10_000;

/// A plan: so many are tested, the lot is accepted with up to so many failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplingPlan {
    /// Instruments in the lot.
    pub lot: u32,
    /// Instruments tested.
    pub sample: u32,
    /// Failures up to which the lot is accepted.
    pub accepted_failures: u32,
}

/// A point that the operating characteristic must keep: with so many bad ones in the lot, at most this risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskPoint {
    /// Bad instruments in the lot.
    pub bad: u32,
    /// Largest risk: the producer's of rejection, or the consumer's of acceptance.
    pub risk: f64,
}

/// What a sample of a lot is to do. Shares and risks are fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LotQuestion {
    /// Instruments in the lot.
    pub lot: u32,
    /// Acceptable quality: a lot with up to this share of bad ones is to be accepted.
    pub acceptable: f64,
    /// Limiting quality: one with this share or more is to be rejected.
    pub limiting: f64,
    /// Largest risk that a lot of acceptable quality is rejected.
    pub producer_risk: f64,
    /// Largest risk that one of limiting quality is accepted.
    pub consumer_risk: f64,
    /// A plan that is given, instead of the smallest one that keeps both risks: so many tested, so many failures accepted.
    pub given: Option<(u32, u32)>,
}

/// A plan and what it does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LotAnswer {
    /// The plan.
    pub plan: SamplingPlan,
    /// With so many bad ones the lot is to be accepted; the risk that it is not.
    pub producer: RiskPoint,
    /// With so many it is to be rejected; the risk that it is not.
    pub consumer: RiskPoint,
    /// With which an accepted lot rules out bad ones.
    pub confidence: f64,
    /// So many of them or more; none if it rules out no number.
    pub ruled_out_from: Option<u32>,
}

/// Why there is no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LotError {
    /// No sample keeps both risks.
    #[error("no sample keeps both risks: {good} bad of {lot} are to be accepted and {bad} rejected")]
    Contradictory {
        /// Instruments in the lot.
        lot: u32,
        /// Bad ones with which it is to be accepted.
        good: u32,
        /// Bad ones with which it is to be rejected.
        bad: u32,
    },
    /// More tested than there are, or than [`LOT_MAX`].
    #[error("at most {most} can be tested")]
    TooMany {
        /// How many can.
        most: u32,
    },
}

/// Finds the plan that is asked for and what it does. Shares that are no whole number of instruments count for the producer: of
/// acceptable quality is what does not exceed its share, of limiting quality what reaches it.
pub fn answer(question: &LotQuestion) -> Result<LotAnswer, LotError> {
    let LotQuestion { lot, producer_risk, consumer_risk, .. } = *question;
    let size = f64::from(lot);
    let good = (question.acceptable * size + 1e-9).floor() as u32;
    let bad = ((question.limiting * size - 1e-9).ceil() as u32).max(1);
    let plan = match question.given {
        Some((sample, accepted_failures)) => SamplingPlan { lot, sample, accepted_failures },
        None => {
            let producer = RiskPoint { bad: good, risk: producer_risk };
            let consumer = RiskPoint { bad, risk: consumer_risk };
            smallest_plan(lot, producer, consumer).ok_or(LotError::Contradictory { lot, good, bad })?
        }
    };
    let too_many = LotError::TooMany { most: lot.min(LOT_MAX) };
    let accepted = |bad: u32| acceptance_probability(&plan, bad).ok_or(too_many);
    let confidence = 1.0 - consumer_risk;
    Ok(LotAnswer {
        plan,
        producer: RiskPoint { bad: good, risk: 1.0 - accepted(good)? },
        consumer: RiskPoint { bad, risk: accepted(bad)? },
        confidence,
        ruled_out_from: rejected_from(&plan, confidence),
    })
}

impl LotAnswer {
    /// The operating characteristic: how likely the lot is accepted with so many bad ones, at some `points` numbers from none to
    /// twice those with which it is to be rejected, evenly.
    pub fn characteristic(&self, points: u32) -> Vec<(u32, f64)> {
        let last = self.consumer.bad.saturating_mul(2).min(self.plan.lot);
        let step = last.div_ceil(points.max(1)).max(1);
        let mut numbers: Vec<u32> = (0..=last).step_by(step as usize).collect();
        if numbers.last() != Some(&last) {
            numbers.push(last);
        }
        numbers.into_iter().filter_map(|bad| Some((bad, acceptance_probability(&self.plan, bad)?))).collect()
    }
}

/// Probability that a lot with `bad` bad instruments is accepted. None for a sample larger than the lot, more bad ones than
/// instruments, or a lot above [`LOT_MAX`].
///
/// # Formula
/// `P_a(D) = Σ_{k ≤ c} C(D, k) C(N − D, n − k) / C(N, n)`. Terms follow from each other, beginning at the largest, and are divided
/// by their sum: no factorial overflows, no logarithm cancels.
pub fn acceptance_probability(plan: &SamplingPlan, bad: u32) -> Option<f64> {
    let SamplingPlan { lot, sample, accepted_failures } = *plan;
    if LOT_MAX < lot || lot < sample || lot < bad {
        return None;
    }
    let (least, most) = ((sample + bad).saturating_sub(lot), sample.min(bad));
    let mode = ((u64::from(sample) + 1) * (u64::from(bad) + 1) / (u64::from(lot) + 2)) as u32;
    let mode = mode.clamp(least, most);
    // p(k + 1) / p(k) = (D − k)(n − k) / ((k + 1)(N − D − n + k + 1))
    let rise = |k: u32| {
        f64::from(bad - k) * f64::from(sample - k)
            / (f64::from(k + 1) * f64::from(lot + k + 1 - bad - sample))
    };
    let mut terms = vec![0.0; (most - least + 1) as usize];
    terms[(mode - least) as usize] = 1.0;
    for k in mode..most {
        terms[(k + 1 - least) as usize] = terms[(k - least) as usize] * rise(k);
    }
    for k in (least..mode).rev() {
        terms[(k - least) as usize] = terms[(k + 1 - least) as usize] / rise(k);
    }
    let total: f64 = terms.iter().sum();
    let accepted = terms.iter().zip(least..).filter(|(_, k)| *k <= accepted_failures);
    // The sum of no floats is -0.0, which no probability is.
    Some((0.0 + accepted.map(|(term, _)| term).sum::<f64>()) / total)
}

/// The least number of bad instruments from which the plan rejects the lot with this confidence: what an accepted sample rules out.
/// None if no number of bad ones suffices, or the plan is none.
pub fn rejected_from(plan: &SamplingPlan, confidence: f64) -> Option<u32> {
    // Acceptance falls with every bad one more.
    let rejects = |bad: u32| Some(acceptance_probability(plan, bad)? <= 1.0 - confidence);
    first(0, plan.lot, rejects)
}

/// The smallest sample whose plan keeps both points; ties by the fewest failures accepted. None if the points contradict each
/// other or do not fit the lot.
///
/// For every number of accepted failures the least sample that protects the consumer is the best for the producer too, and it
/// grows with that number: the first that protects both is the smallest.
pub fn smallest_plan(lot: u32, producer: RiskPoint, consumer: RiskPoint) -> Option<SamplingPlan> {
    if consumer.bad <= producer.bad {
        return None;
    }
    for accepted_failures in 0..consumer.bad {
        let plan = |sample: u32| SamplingPlan { lot, sample, accepted_failures };
        let protects =
            |sample: u32| Some(acceptance_probability(&plan(sample), consumer.bad)? <= consumer.risk);
        let plan = plan(first(0, lot, protects)?);
        if 1.0 - producer.risk <= acceptance_probability(&plan, producer.bad)? {
            return Some(plan);
        }
    }
    None
}

/// The first of `low..=high` for which a condition holds that holds for all after it.
fn first(low: u32, high: u32, holds: impl Fn(u32) -> Option<bool>) -> Option<u32> {
    let (mut low, mut high) = (low, high);
    if !holds(high)? {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(lot: u32, sample: u32, accepted_failures: u32) -> SamplingPlan {
        SamplingPlan { lot, sample, accepted_failures }
    }

    // Exact fractions of binomial coefficients (Python's integers), to 17 digits.
    #[test]
    fn acceptance_to_the_last_digits() {
        for (given, bad, expected) in [
            (plan(40, 13, 0), 6, 0.077_118_471_855_313_96),
            (plan(40, 13, 0), 7, 0.047_631_997_322_399_8),
            (plan(1000, 80, 2), 50, 0.218_644_725_404_169_4),
            (plan(1000, 80, 2), 10, 0.960_751_681_552_385_7),
            (plan(10_000, 500, 5), 200, 0.060_517_212_375_148_3),
            (plan(10_000, 9000, 3), 40, 4.000_447_131_744_504e-34),
            (plan(20, 20, 1), 1, 1.0),
            (plan(20, 15, 2), 8, 0.0),
        ] {
            let found = acceptance_probability(&given, bad).expect("a plan");
            assert!((found - expected).abs() <= 1e-12 * expected, "{given:?} {bad}: {found}");
            assert!(found.is_sign_positive(), "{given:?} {bad}: {found}");
        }
    }

    // metrology.md §4; by the fractions above 6 bad ones are rejected with 92.3 %, 7 with 95.2 %.
    #[test]
    fn thirteen_of_forty_none_bad_rejects_with_95_percent_only_from_seven_bad() {
        assert_eq!(rejected_from(&plan(40, 13, 0), 0.95), Some(7));
    }

    // By trying every plan with exact fractions (Python).
    #[test]
    fn the_smallest_sample_for_two_points() {
        let check = |lot, (good, alpha), (bad, beta), expected| {
            let found =
                smallest_plan(lot, RiskPoint { bad: good, risk: alpha }, RiskPoint { bad, risk: beta });
            assert_eq!(found.map(|plan| (plan.sample, plan.accepted_failures)), expected);
        };
        check(40, (1, 0.05), (7, 0.10), Some((18, 1)));
        check(40, (0, 0.05), (7, 0.05), Some((13, 0)));
        check(200, (2, 0.05), (20, 0.05), Some((42, 1)));
        check(500, (5, 0.05), (40, 0.10), Some((63, 2)));
    }

    #[test]
    fn the_acceptance_falls_with_every_bad_one_more() {
        let of = |bad| acceptance_probability(&plan(300, 45, 2), bad).expect("a plan");
        for bad in 0..300 {
            assert!(of(bad + 1) <= of(bad) + 1e-15, "{bad}");
        }
    }

    #[test]
    fn what_is_no_plan_has_no_probability() {
        assert_eq!(acceptance_probability(&plan(40, 41, 0), 1), None);
        assert_eq!(acceptance_probability(&plan(40, 13, 0), 41), None);
        assert_eq!(acceptance_probability(&plan(LOT_MAX + 1, 13, 0), 1), None);
        assert_eq!(rejected_from(&plan(40, 13, 13), 0.95), None, "every sample is accepted");
        let points = |good, bad| (RiskPoint { bad: good, risk: 0.05 }, RiskPoint { bad, risk: 0.05 });
        let (producer, consumer) = points(7, 7);
        assert_eq!(smallest_plan(40, producer, consumer), None);
        let (producer, consumer) = points(1, 50);
        assert_eq!(smallest_plan(40, producer, consumer), None);
    }

    // The plans by trying every one with exact fractions (scipy's hypergeom agrees): of 200 with 2 and 20 bad ones, 42 and 1.
    // metrology.md §4: 13 of 40, none bad, rule out 7; C(34, 13)/C(40, 13) = 0.0771 is the chance that six are missed.
    #[test]
    fn what_is_asked_of_a_lot_is_answered_with_its_plan_and_risks() {
        let asked = LotQuestion {
            lot: 200,
            acceptable: 0.01,
            limiting: 0.1,
            producer_risk: 0.05,
            consumer_risk: 0.05,
            given: None,
        };
        let found = answer(&asked).expect("a plan");
        assert_eq!((found.plan, found.producer.bad, found.consumer.bad), (plan(200, 42, 1), 2, 20));
        assert!(found.producer.risk <= 0.05 && found.consumer.risk <= 0.05);
        let curve = found.characteristic(10);
        assert_eq!((curve.len(), curve[0], curve[10].0), (11, (0, 1.0), 40));
        assert!(curve.windows(2).all(|pair| pair[1].1 < pair[0].1));

        let given = LotQuestion { lot: 40, limiting: 0.15, given: Some((13, 0)), ..asked };
        let found = answer(&given).expect("a plan");
        assert_eq!(found.ruled_out_from, Some(7));
        assert!((found.consumer.risk - 0.077_118_471_855_313_96).abs() < 1e-12);
        let refused = |question| answer(&question).expect_err("none");
        assert_eq!(refused(LotQuestion { given: Some((41, 0)), ..given }), LotError::TooMany { most: 40 });
        let narrow = LotQuestion { acceptable: 0.1, limiting: 0.05, lot: 40, ..asked };
        assert_eq!(refused(narrow), LotError::Contradictory { lot: 40, good: 4, bad: 2 });
    }
}
