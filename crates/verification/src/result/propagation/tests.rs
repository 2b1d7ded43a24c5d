//! The Monte Carlo check against another one: numpy 2.4 with 2 or 4·10⁷ trials (PCG64), written from the formula of [`check`] and from the
//! readings, nothing of this program; and against what can be done by hand.

use veripile_pile::PileKind;

use super::*;
use crate::order::Order;
use crate::plan::{Load, Tap};
use crate::result::{PointResult, result};
use crate::testing::*;

fn found(order: &Order, pairs: &[(&str, &str)]) -> PointResult {
    let taken: Vec<_> =
        (0..).zip(pairs).map(|(repeat, (shown, flowed))| reading(order, 0, repeat, shown, flowed)).collect();
    let items = all_good(order);
    result(order, &taken, &items.iter().collect::<Vec<_>>()).expect("computable").points.remove(0)
}

/// The ends of the interval, percent, within what 300,000 trials scatter by (four standard deviations).
fn check_ends(found: &PointResult, expected: (f64, f64), tolerance: f64) -> MonteCarlo {
    let checked = found.monte_carlo.clone().expect("an uncertainty to check");
    for (end, expected) in [(checked.low_percent, expected.0), (checked.high_percent, expected.1)] {
        assert!((to_f64(end) - expected).abs() <= tolerance, "{end} is not {expected} ± {tolerance}");
    }
    checked
}

// u = 0.0368 %: one digit, 0.04, so that δ = 0.005 %; 1.96 u = 0.0721 against half of 0.0716. Readings that do not scatter.
#[test]
fn a_budget_without_a_dominant_part_is_validated() {
    let found = found(&one_point(PileKind::Ac, Some("1"), 3), &[("1001", "1000"); 3]);
    let checked = check_ends(&found, (0.028_45, 0.171_62), 0.000_5);
    assert_eq!((checked.trials, checked.tolerance_percent), (300_000, decimal("0.005")));
    for difference in [checked.low_difference_percent, checked.high_difference_percent] {
        assert!(difference <= decimal("0.0011"), "{difference}");
    }
    assert!(checked.validated);
}

// The t distribution of three readings has longer tails than effective degrees of freedom allow for: U = 0.239 % by the budget.
#[test]
fn three_readings_that_scatter_do_not_pass() {
    let pairs = [("1006", "1000.2"), ("1005", "1000.4"), ("1008", "1000.9")];
    let found = found(&one_point(PileKind::Ac, Some("0.5"), 3), &pairs);
    let checked = check_ends(&found, (0.250_06, 0.916_25), 0.008);
    assert_eq!(checked.tolerance_percent, decimal("0.05"));
    assert!(!checked.validated);
}

#[test]
fn a_dc_point_is_as_computed_elsewhere() {
    let pairs = [("996", "1000"), ("997", "1000"), ("995", "1000"), ("996", "1001"), ("997", "999.5")];
    let found = found(&one_point(PileKind::Dc, None, 5), &pairs);
    let checked = check_ends(&found, (-0.560_87, -0.218_81), 0.002);
    assert_eq!((checked.tolerance_percent, checked.validated), (decimal("0.005"), false));
}

#[test]
fn the_cable_s_drop_is_part_of_the_model() {
    let mut order = one_point(PileKind::Dc, None, 2);
    order.plan.effects.cable_mohm = decimal("5");
    (order.plan.load, order.plan.tap) = (Load::Real, Tap::Terminals);
    let found = found(&order, &[("1000", "1000"), ("1002", "1001")]);
    let checked = check_ends(&found, (-0.423_56, 0.856_45), 0.03);
    assert!(!checked.validated);
}

// By hand: of anything within ± 1 % alone 95 % lie within ± 0.95 %, and what is far smaller does not reach its steep ends. It divides:
// 1/1.0095 − 1 and 1/0.9905 − 1. The linear budget says ± 1.96 × 0.5785 = ± 1.1338.
#[test]
fn one_large_rectangular_part_does_not_pass() {
    let mut order = one_point(PileKind::Ac, Some("1"), 3);
    order.plan.effects.self_heating_percent = decimal("1");
    let found = found(&order, &[("1000", "1000"); 3]);
    let checked = check_ends(&found, (-0.941_06, 0.959_11), 0.003);
    for (difference, expected) in
        [(checked.low_difference_percent, 0.1927), (checked.high_difference_percent, 0.1747)]
    {
        assert!((to_f64(difference) - expected).abs() < 0.003, "{difference} is not {expected}");
    }
    assert!(!checked.validated);
}

#[test]
fn the_seed_is_of_the_facts() {
    let order = one_point(PileKind::Ac, Some("1"), 2);
    let of = |stop: &str| {
        let taken = [reading(&order, 0, 0, stop, "1000"), reading(&order, 0, 1, "1001", "1000")];
        seed(&order.plan.points[0], &[&taken[0], &taken[1]])
    };
    assert_eq!(of("1001"), of("1001"));
    assert_ne!(of("1001"), of("1002"));
    // int(hashlib.sha256(…).hexdigest()[:16], 16) by Python, over {"point":{"current_a":"32","energy_wh":"1000","method":{"method":
    // "register"},"power_factor":"1","voltage_v":"220"},"readings":[]}.
    assert_eq!(seed(&order.plan.points[0], &[]), 15_568_345_428_210_062_710);
}
