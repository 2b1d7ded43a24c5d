//! Tests of adjustments for many tests.

use super::*;

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found} is not {expected}");
    }
}

// statsmodels 0.15 multipletests, methods holm and fdr_bh.
#[test]
fn adjustments_agree_with_another_implementation() {
    let given = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04];
    near(&holm(&given), &[0.05, 0.12, 0.12, 0.03, 0.5, 0.12]);
    near(&benjamini_hochberg(&given), &[0.03, 0.048, 0.048, 0.03, 0.5, 0.048]);
}

#[test]
fn what_is_no_probability_counts_as_one_and_nothing_stays_nothing() {
    near(&holm(&[f64::NAN, 0.01]), &[1.0, 0.02]);
    near(&benjamini_hochberg(&[f64::NAN, 2.0]), &[1.0, 1.0]);
    assert!(holm(&[]).is_empty() && benjamini_hochberg(&[]).is_empty());
    assert_eq!(select(&[], 0.01), Selected { families: 0, level: 0.0, tests: Vec::new() });
}

// By hand: least after Holm 0.0002, 0.004, 0.6, 1 of four families; Benjamini–Hochberg at 1 % takes 0.0002 ≤ 0.0025
// and 0.004 ≤ 0.005; the level is 0.01 × 2/4 = 0.005, so the first family's second test (Holm 0.006) is not reported.
#[test]
fn a_selected_family_reports_only_what_stands_up_to_the_selection() {
    let families = [vec![0.0001, 0.006], vec![0.004], vec![0.3, 0.9], vec![]];
    let selected = select(&families, 0.01);
    assert_eq!(selected.families, 2);
    near(&[selected.level], &[0.005]);
    let reported: Vec<Vec<bool>> =
        selected.tests.iter().map(|tests| tests.iter().map(|(_, reported)| *reported).collect()).collect();
    assert_eq!(reported, [vec![true, false], vec![true], vec![false, false], vec![]]);
}

proptest::proptest! {
    #[test]
    fn adjusting_never_makes_more_of_a_test_nor_changes_their_order(given in proptest::collection::vec(0.0f64..1.0, 1..40)) {
        for adjusted in [holm(&given), benjamini_hochberg(&given)] {
            for (a, before) in adjusted.iter().zip(&given) {
                proptest::prop_assert!(before <= a && *a <= 1.0);
                for (b, other) in adjusted.iter().zip(&given) {
                    proptest::prop_assert!(before > other || a <= b);
                }
            }
        }
    }
}
