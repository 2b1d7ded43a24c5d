//! Tests of the balance of errors.

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn pile(operator: usize, error: f64) -> OperatorPile {
    OperatorPile {
        operator,
        is_same: false,
        energy_kwh: decimal("1000"),
        error,
        standard_uncertainty: 0.001,
        limit: 0.01,
        price_per_kwh: None,
    }
}

/// Own variance u² and an error c common to all, of the anchors.
fn with_common(u: f64, common: f64) -> impl Fn(&[f64]) -> Vec<f64> {
    move |vector| {
        let sum: f64 = vector.iter().sum();
        vector.iter().map(|a| u * u * a + common * common * sum).collect()
    }
}

// By hand: forty piles at +0.25 %, u 0.1 %, spread 0.5 %: var = (0.1² + 0.5²)/40 %² = 0.0065 %², √ = 0.08062 %, z =
// 3.1009; the tail by scipy.stats.norm.sf(0.25 / 0.0065 ** 0.5) = 9.6477e-4. metrology.md: "40 piles reveal an
// operator mean of about +0.25 %".
#[test]
fn forty_legal_piles_are_caught_together() {
    let piles: Vec<_> = (0..40).map(|_| pile(0, 0.0025)).collect();
    let found = &balance(&piles, 1, &with_common(0.001, 0.0), 0.005)[0];
    assert_eq!((found.piles, found.balance), (40, Balance::Biased));
    assert!((found.mean_error.expect("a level") - 0.0025).abs() < 1e-15);
    assert!((found.standard_uncertainty.expect("a level") - 0.0065f64.sqrt() / 100.0).abs() < 1e-12);
    assert!((found.p_value.expect("a level") / P_FORTY - 1.0).abs() < 1e-9, "{found:?}");
}

/// scipy, as above.
const P_FORTY: f64 = 0.000_964_770_237_923_542;

// The same with anchors' common error of 0.15 %: var = 0.0065 + 0.0225 %², z = 1.468: nobody is accused of his
// anchors' error.
#[test]
fn the_anchors_common_error_is_not_the_operators() {
    let piles: Vec<_> = (0..40).map(|_| pile(0, 0.0025)).collect();
    let found = &balance(&piles, 1, &with_common(0.001, 0.0015), 0.005)[0];
    assert!((found.standard_uncertainty.expect("a level") - 0.029f64.sqrt() / 100.0).abs() < 1e-12);
    assert_eq!(found.balance, Balance::Undecided);
}

// By hand: two piles, 3000 kWh at +1 % and 1000 kWh at −1 %: T = 0.5 %; X = 3000 × 0.01/1.01 − 1000 × 0.01/0.99 =
// 29.70297 − 10.10101 = 19.60196 kWh; g = 3000/1.0201 and 1000/0.9801, u = 0.1 %: 1.959964 × √(2940.888² + 1020.304²)
// × 0.001 = 6.101077 (python).
#[test]
fn energy_and_money_at_stake_have_their_interval() {
    let piles = [
        OperatorPile { energy_kwh: decimal("3000"), price_per_kwh: Some(decimal("0.5")), ..pile(0, 0.01) },
        OperatorPile { price_per_kwh: Some(decimal("0.5")), ..pile(0, -0.01) },
    ];
    let found = &balance(&piles, 1, &with_common(0.001, 0.0), 0.005)[0];
    assert!((found.mean_error.expect("a level") - 0.005).abs() < 1e-15);
    let excess = found.excess_kwh.expect("a level");
    assert!((excess.value - 19.601_960).abs() < 1e-6, "{excess:?}");
    assert!((excess.upper - excess.value - 6.101_077).abs() < 1e-5, "{excess:?}");
    let money = found.excess_money.expect("a price");
    assert!(
        (money.value - 0.5 * excess.value).abs() < 1e-12 && (money.lower - 0.5 * excess.lower).abs() < 1e-12
    );
}

// By hand: one pile, 3000 kWh at 0 and, since it changed, 1000 kWh at +2 %: T = 0.5 %, X = 1000 × 0.02/1.02 = 19.607843. One pile is one
// draw: var = (0.75² + 0.25²) × 0.1² + 0.5² %² = 0.25625 %², not 0.5² × 0.625 %² as of two piles.
#[test]
fn a_pile_that_changed_owes_by_what_it_was_in_each_time_and_is_one_pile() {
    let piles = [
        OperatorPile { energy_kwh: decimal("3000"), ..pile(0, 0.0) },
        OperatorPile { is_same: true, ..pile(0, 0.02) },
    ];
    let found = &balance(&piles, 1, &with_common(0.001, 0.0), 0.005)[0];
    assert_eq!((found.piles, found.energy_kwh), (1, decimal("4000")));
    assert!((found.mean_error.expect("a level") - 0.005).abs() < 1e-15);
    assert!((found.standard_uncertainty.expect("a level") - 0.256_25f64.sqrt() / 100.0).abs() < 1e-12);
    assert!((found.excess_kwh.expect("a level").value - 19.607_843).abs() < 1e-6);
}

// By hand: of the same piles the second tells no price: 0.5 × 29.70297 = 14.851485 over three quarters of the energy; the interval is the
// first one's, 1.959964 × 0.5 × 2940.888 × 0.001 = 2.882017.
#[test]
fn money_is_of_the_piles_whose_price_is_known() {
    let piles = [
        OperatorPile { energy_kwh: decimal("3000"), price_per_kwh: Some(decimal("0.5")), ..pile(0, 0.01) },
        pile(0, -0.01),
    ];
    let found = &balance(&piles, 1, &with_common(0.001, 0.0), 0.005)[0];
    let money = found.excess_money.expect("a price");
    assert!(
        (money.value - 14.851_485).abs() < 1e-6 && (money.upper - money.value - 2.882_017).abs() < 1e-5,
        "{money:?}"
    );
    assert!((found.priced_share - 0.75).abs() < 1e-15);
    let silent = &balance(&[pile(0, 0.01)], 1, &with_common(0.001, 0.0), 0.005)[0];
    assert_eq!((silent.excess_money, silent.priced_share), (None, 0.0));
}

// Margin 0.2 × 1 % = 0.2 %; hundred piles, spread 0.5 %, u 0.1 %: √var = 0.05099 %; |T| + 1.645 × 0.05099 % ≤ 0.2 %
// up to T = 0.1161 %.
#[test]
fn balanced_takes_evidence_and_no_evidence_is_undecided() {
    let verdict = |error: f64, count: usize| {
        let piles: Vec<_> = (0..count).map(|_| pile(0, error)).collect();
        balance(&piles, 1, &with_common(0.001, 0.0), 0.005)[0].balance
    };
    assert_eq!(verdict(0.001_16, 100), Balance::Balanced);
    assert_eq!(verdict(-0.001_16, 100), Balance::Balanced);
    assert_eq!(verdict(0.001_17, 100), Balance::Undecided);
    assert_eq!(verdict(0.0, 5), Balance::Undecided);
    assert_eq!(verdict(-0.005, 100), Balance::Undecided, "customers who win are no fraud");
}

#[test]
fn an_operator_of_whom_nothing_is_known_is_undecided() {
    let idle = OperatorPile { energy_kwh: Decimal::ZERO, ..pile(1, 0.01) };
    let found = balance(&[pile(0, 0.0), idle], 3, &with_common(0.001, 0.0), 0.005);
    for silent in &found[1..] {
        assert_eq!((silent.balance, silent.mean_error, silent.p_value), (Balance::Undecided, None, None));
    }
    let broken = |_: &[f64]| Vec::new();
    assert_eq!(balance(&[pile(0, 0.0)], 1, &broken, 0.005)[0].mean_error, None);
}

// Honest operators, true errors N(0, 0.5 %), estimated with own and common error: at most q of the worlds with a
// biased one in the mean; of 300 worlds of ten operators the binomial exceeds 9 with a chance of 0.1 % (scipy:
// binom.sf(9, 300, 0.01) = 0.0010).
#[test]
fn honest_operators_are_not_called_biased() {
    use rand::{RngExt, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut draw = |sd: f64| sd * normal::quantile(random.random::<f64>().max(1e-300));
    let mut worlds = 0;
    for _ in 0..300 {
        let common = draw(0.0005);
        let piles: Vec<_> = (0..200).map(|n| pile(n % 10, draw(0.005) + draw(0.001) + common)).collect();
        let spread = population_spread(&piles);
        let found = balance(&piles, 10, &with_common(0.001, 0.0005), spread);
        worlds += usize::from(found.iter().any(|operator| operator.balance == Balance::Biased));
    }
    assert!(worlds <= 9, "{worlds}");
}

// Scatter of a rectangular sample: by hand, MAD of −1 %…1 % in even steps is 0.5 %, /0.6745 = 0.7413 %; less u = 0.1
// %: 0.7345 %.
#[test]
fn the_spread_of_piles_is_their_scatter_less_the_estimates_own() {
    let piles: Vec<_> = (-100..=100).map(|n| pile(0, f64::from(n) * 1e-4)).collect();
    assert!((population_spread(&piles) - 0.007_345).abs() < 1e-6, "{}", population_spread(&piles));
    assert!((population_spread(&piles[..19]) - 0.005).abs() < 1e-15);
}
