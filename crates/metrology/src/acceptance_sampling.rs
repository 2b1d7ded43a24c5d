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
    Some(accepted.map(|(term, _)| term).sum::<f64>() / total)
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
}
