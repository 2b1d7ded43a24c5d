//! Tests of the robust contrast.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// No point has anything in common with another.
const ALONE: Interaction = Interaction { standard_deviation: 0.0, degrees_of_freedom: 0.0 };

fn relative(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
}

/// Numbers that anybody can write down again: (37 k mod 101) / 25 − 2, raised by 0.4 at every third.
fn residual(k: u32) -> f64 {
    f64::from((k * 37) % 101) / 25.0 - 2.0 + if k.is_multiple_of(3) { 0.4 } else { 0.0 }
}

// scipy 1.17 stats.ttest_ind(equal_var=False) of the scores: the statistic; statsmodels OLS with HC2 for effect and
// uncertainty, divided by P(|T₄| < 2) = 0.884 of scipy.
#[test]
fn two_strata_are_compared_as_welch_did() {
    let points: Vec<Point> = (0..60)
        .map(|k| Point {
            z: residual(k),
            scale: 0.02,
            regressor: if k.is_multiple_of(3) { 1.0 } else { 0.0 },
            group: 0,
        })
        .collect();
    let found = contrast(&points, &ALONE).expect("enough");
    relative(found.t(), 1.192_606_294_921_52, 1e-12);
    relative(found.effect, 0.008_643_673_293_224_36, 1e-12);
    relative(found.standard_uncertainty, 0.007_247_717_314_617_38, 1e-12);
    // Welch's own degrees of freedom, with the strata's variances instead of equal ones, are 38.6.
    assert!((30.0..45.0).contains(&found.degrees_of_freedom), "{}", found.degrees_of_freedom);
}

// statsmodels OLS with HC2 on 1/σ and h/σ.
#[test]
fn a_slope_is_that_of_weighted_least_squares_on_scores() {
    let points: Vec<Point> = (0..60)
        .map(|k| {
            let size = f64::from(5 + (k * 7) % 31);
            let scale = 0.02 * (1.0 + (0.15 / 0.02 / size).powi(2)).sqrt();
            Point { z: residual(k), scale, regressor: 1.0 / size, group: 0 }
        })
        .collect();
    let found = contrast(&points, &ALONE).expect("enough");
    relative(found.effect, -0.003_645_957_137_068_72, 1e-10);
    relative(found.standard_uncertainty, 0.116_767_949_617_4, 1e-10);
    relative(found.t(), -0.031_223_954_424_266_3, 1e-10);
}

#[test]
fn what_says_nothing_is_no_contrast() {
    let point = |k: u32, regressor: f64| Point { z: residual(k), scale: 0.02, regressor, group: 0 };
    let constant: Vec<Point> = (0..60).map(|k| point(k, 1.0)).collect();
    let thin: Vec<Point> = (0..60).map(|k| point(k, if k < 4 { 1.0 } else { 0.0 })).collect();
    let few: Vec<Point> = (0..19).map(|k| point(k, f64::from(k))).collect();
    let broken: Vec<Point> =
        (0..60).map(|k| point(k, if k == 7 { f64::NAN } else { f64::from(k) })).collect();
    let still: Vec<Point> = (0..60).map(|k| Point { z: 0.0, ..point(k, f64::from(k)) }).collect();
    for points in [constant, thin, few, broken, still, Vec::new()] {
        assert_eq!(contrast(&points, &ALONE), None);
    }
}

fn t4(random: &mut ChaCha8Rng) -> f64 {
    let normal = |random: &mut ChaCha8Rng| crate::normal::quantile(random.random::<f64>().max(1e-300));
    let squares: f64 = (0..4).map(|_| normal(random).powi(2)).sum();
    normal(random) / (squares / 4.0).sqrt()
}

// Twenty against forty, t₄ noise: false alarms at 1 % and 0.1 % no more than four binomial deviations plus a quarter beyond, what simulation
// (numpy, 1.2 million) found the tails off by with their own scatter alone, and no fewer than a third.
#[test]
fn false_alarms_are_as_rare_as_promised_under_heavy_tails() {
    const SAMPLES: usize = 40_000;
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut alarms = [0usize; 2];
    for _ in 0..SAMPLES {
        let points: Vec<Point> = (0..60)
            .map(|k| Point {
                z: t4(&mut random),
                scale: 0.02,
                regressor: if k < 20 { 1.0 } else { 0.0 },
                group: 0,
            })
            .collect();
        let found = contrast(&points, &ALONE).expect("enough");
        let p = found.p_value(found.t());
        alarms[0] += usize::from(p <= 0.01);
        alarms[1] += usize::from(p <= 0.001);
    }
    for (count, p) in alarms.into_iter().zip([0.01, 0.001]) {
        let expected = SAMPLES as f64 * p;
        let most = 4.0 * expected.sqrt() + 1.25 * expected;
        assert!(expected / 3.0 <= count as f64 && count as f64 <= most, "{p}: {count} of {expected}");
    }
}

/// So many of a side raised by so much, and three hundred beside them.
fn few_against_many(random: &mut ChaCha8Rng, few: u32, raised: f64) -> Contrast {
    let points: Vec<Point> = (0..300 + few)
        .map(|k| {
            let regressor = f64::from(u8::from(k < few));
            Point { z: t4(random) + raised * regressor, scale: 0.02, regressor, group: 0 }
        })
        .collect();
    contrast(&points, &ALONE).expect("enough")
}

// Five against three hundred: by their own scatter alone, small by chance, 2.0 times as many false alarms as promised at 0.1 % (numpy, a million).
// Of 40,000 then 80, and of 40 promised more than 65 are a chance of 10⁻⁴ (scipy: poisson.sf(65, 40) = 0.0001).
#[test]
fn few_points_that_agree_by_chance_raise_no_alarm() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    let of = |_| few_against_many(&mut random, 5, 0.0);
    let alarms = (0..40_000).map(of).filter(|found| found.p_value(found.t()) <= 0.001).count();
    assert!(alarms <= 40, "{alarms}");
}

// 18 raised by 1.5 scales: 1.5/√(1.4/18 + 1.4/300) = 5.22, less where they scatter more by chance (numpy: 5.03 beside 400).
#[test]
fn a_shift_of_few_points_is_found() {
    let mut random = ChaCha8Rng::seed_from_u64(13);
    let mut found: Vec<f64> = (0..99).map(|_| few_against_many(&mut random, 18, 1.5).t()).collect();
    found.sort_by(f64::total_cmp);
    assert!((4.6..5.4).contains(&found[49]), "{found:?}");
}

// A shift of half a sigma in half of 400 charges: the effect comes back within four of its uncertainties of the
// truth, give or take a tenth for the first step.
#[test]
fn an_effect_that_was_put_in_comes_out() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let points: Vec<Point> = (0..400)
        .map(|k| {
            let regressor = f64::from(k % 2);
            Point { z: t4(&mut random) + 0.5 * (regressor - 0.5), scale: 0.02, regressor, group: 0 }
        })
        .collect();
    let found = contrast(&points, &ALONE).expect("enough");
    assert!((found.effect - 0.01).abs() < 4.0 * found.standard_uncertainty + 0.001, "{found:?}");
    // Information of 400 residuals split in halves: 2 σ / √(400 × 0.7) = 0.0024, and 3.5 % more for the cut.
    assert!((found.standard_uncertainty / 0.0024 - 1.0).abs() < 0.1, "{found:?}");
}

// By hand, in tenths of a percent: −3, −2, −1, 0, 0, 1, 2, 3 and one of 100. Median 0, MAD 2, σ = 2/0.67449 = 2.96520. Eight lie within 2σ:
// Σψ = −8m/σ + 2 = 0, m = σ/4. Σψ² = (28 + 8m²)/σ² + 4, u² = σ² Σψ² · 9/8 / 64.
#[test]
fn one_wild_value_moves_a_bounded_location_by_a_quarter_of_its_scale() {
    let values = [-3.0, -2.0, 100.0, -1.0, 0.0, 3.0, 0.0, 1.0, 2.0];
    let (middle, u) = bounded_location(&values, 0.01).expect("values");
    let scale = 2.0 / 0.674_489_750_196_081_7;
    assert!((middle - scale / 4.0).abs() < 1e-9, "{middle}");
    let expected = ((28.0 + scale * scale / 2.0 + 4.0 * scale * scale) * 9.0 / 8.0 / 64.0).sqrt();
    assert!((u - expected).abs() < 1e-9, "{u} {expected}");
    // Without it they are mean and s/√n: s² = 28/7.
    let tame = [-3.0, -2.0, -1.0, 0.0, 3.0, 0.0, 1.0, 2.0];
    let (middle, u) = bounded_location(&tame, 0.01).expect("values");
    assert!(middle.abs() < 1e-12 && (u - (4.0_f64 / 8.0).sqrt()).abs() < 1e-12, "{middle} {u}");
    // Equal ones, and one wild: σ is the least there is.
    let (middle, u) = bounded_location(&[1.0, 1.0, 1.0, 1.0, 9.0], 0.1).expect("values");
    assert!((middle - 1.05).abs() < 1e-12, "{middle}");
    // Σψ² = 4 · 0.5² + 2² = 5; u = 0.1 √(5 · 5/4) / 4 = 0.0625.
    assert!((u - 0.062_5).abs() < 1e-12, "{u}");
    assert_eq!(bounded_location(&[1.0], 0.1), None);
}

/// Three neighbours in a group, of four groups.
fn in_groups(count: u32, scale: impl Fn(u32) -> f64) -> Vec<Point> {
    (0..count)
        .map(|k| Point {
            z: residual(k),
            scale: scale(k),
            regressor: f64::from((k * k) % 17 + (k / 3) % 4 * 4),
            group: (k / 3) % 4,
        })
        .collect()
}

// By every pair of points: what two of one group share is counted once for each order of them.
#[test]
fn groups_add_what_pairs_of_their_points_share() {
    const SD: f64 = 0.006;
    let points = in_groups(60, |k| 0.02 + 0.001 * f64::from(k % 5));
    let weight = |point: &Point| point.scale.powi(-2);
    let weights: f64 = points.iter().map(weight).sum();
    let along = points.iter().map(|point| weight(point) * point.regressor).sum::<f64>() / weights;
    let part = |point: &Point| weight(point) * (point.regressor - along);
    let square: f64 = points.iter().map(|point| part(point) * (point.regressor - along)).sum();
    let mut added = 0.0;
    for (a, one) in points.iter().enumerate() {
        let others = points.iter().enumerate().filter(|(b, other)| a != *b && one.group == other.group);
        added += others.map(|(_, other)| part(one) * part(other)).sum::<f64>();
    }
    added *= (SD / square).powi(2);
    let alone = contrast(&points, &ALONE).expect("enough");
    let shared = Interaction { standard_deviation: SD, degrees_of_freedom: 9.0 };
    let found = contrast(&points, &shared).expect("enough");
    let variance = alone.standard_uncertainty.powi(2);
    assert!(0.0 < added);
    relative(found.standard_uncertainty.powi(2), variance + added, 1e-9);
    relative(found.effect, alone.effect, 1e-15);
    let spent = variance.powi(2) / alone.degrees_of_freedom + added.powi(2) / 9.0;
    relative(found.degrees_of_freedom, (variance + added).powi(2) / spent, 1e-9);
    // Alone in their groups they share nothing.
    let each: Vec<Point> = points.iter().zip(0..).map(|(point, group)| Point { group, ..*point }).collect();
    relative(contrast(&each, &shared).expect("enough").t(), alone.t(), 1e-12);
}

/// Nights of one group, days of seven others, each off by 0.6 % of its own: t₄ noise.
fn nights_of_one(random: &mut ChaCha8Rng) -> Vec<Point> {
    let own: Vec<f64> = (0..8).map(|_| 0.3 * crate::normal::quantile(random.random::<f64>())).collect();
    (0..120_u32)
        .map(|k| {
            let group = if k < 40 { 0 } else { 1 + k % 7 };
            let regressor = if k < 40 { 1.0 } else { 0.0 };
            Point { z: t4(random) + own[group as usize], scale: 0.02, regressor, group }
        })
        .collect()
}

// As above; where points count as independent ones, one in eight is an alarm at 1 % (numpy, 20,000): the standard deviation is 1.7 times what noise alone makes.
#[test]
fn groups_that_differ_make_no_alarms() {
    const SAMPLES: usize = 40_000;
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let shared = Interaction { standard_deviation: 0.006, degrees_of_freedom: 200.0 };
    let (mut alarms, mut blind) = ([0usize; 3], 0);
    for _ in 0..SAMPLES {
        let points = nights_of_one(&mut random);
        let p = |interaction| contrast(&points, interaction).map(|found| found.p_value(found.t()));
        let found = p(&shared).expect("enough");
        for (count, limit) in alarms.iter_mut().zip([0.5, 0.01, 0.001]) {
            *count += usize::from(found <= limit);
        }
        blind += usize::from(p(&ALONE).is_some_and(|p| p <= 0.01));
    }
    eprintln!("{alarms:?}, {blind} as if independent");
    for (count, p) in alarms.into_iter().zip([0.5, 0.01, 0.001]) {
        let expected = SAMPLES as f64 * p;
        let allowed = 4.0 * expected.sqrt() + if p < 0.1 { 0.25 } else { 0.05 } * expected;
        assert!((count as f64 - expected).abs() <= allowed, "{p}: {count} of {expected}");
    }
    assert!(SAMPLES / 10 < blind, "{blind}");
}

// 3 % in a third of 400: of twenty groups alike in both strata that is twelve standard uncertainties of noise. That one group is off by 3 %,
// five times what groups are off by, is no proof of its nights.
#[test]
fn what_many_groups_show_is_found_and_what_one_shows_is_doubted() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let shared = Interaction { standard_deviation: 0.006, degrees_of_freedom: 200.0 };
    let mut p = |group: &dyn Fn(u32, bool) -> u32| {
        let points: Vec<Point> = (0..400)
            .map(|k| {
                let is_night = k % 3 == 0;
                let regressor = if is_night { 1.0 } else { 0.0 };
                let z = t4(&mut random) + 1.5 * regressor;
                Point { z, scale: 0.02, regressor, group: group(k, is_night) }
            })
            .collect();
        let found = contrast(&points, &shared).expect("enough");
        found.p_value(found.t())
    };
    let (many, one) = (p(&|k, _| (k / 3) % 20), p(&|k, is_night| if is_night { 0 } else { 1 + k % 19 }));
    assert!(many < 1e-10, "{many}");
    assert!(1e-8 < one && one < 0.01, "{one}");
}

// By hand: 5 at 0.01 beside 20 at 0, scale 0.02, no scatter: 0.01 and 0.02 √(1.4 (1/5 + 1/20)) = 0.011832, with
// (1/5 + 1/20)²/(1/25/10 + 1/400/40) = 15.38 degrees of freedom. A group of its own in the five adds σ_i² (1 − 1/5).
#[test]
fn few_points_by_hand() {
    let points: Vec<Point> = (0..25)
        .map(|k| {
            let (z, regressor) = if k < 5 { (0.5, 3.0) } else { (0.0, 1.0) };
            Point { z, scale: 0.02, regressor, group: if k < 5 { 0 } else { k } }
        })
        .collect();
    let found = contrast(&points, &ALONE).expect("enough");
    relative(found.effect, 0.005, 1e-9);
    relative(found.standard_uncertainty, 0.5 * 0.02 * (1.4_f64 * 0.25).sqrt(), 1e-12);
    relative(found.degrees_of_freedom, 0.0625 / (0.004 + 0.000_062_5), 1e-12);
    let interaction = Interaction { standard_deviation: 0.006, degrees_of_freedom: 1e9 };
    let found = contrast(&points, &interaction).expect("enough");
    let variance = 0.02_f64.powi(2) * 1.4 * 0.25 + 0.006_f64.powi(2) * 0.8;
    relative(found.standard_uncertainty, 0.5 * variance.sqrt(), 1e-12);
}
