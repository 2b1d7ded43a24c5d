//! Tests of the break of a density.

use super::*;

fn values(counts: [usize; 4]) -> Vec<f64> {
    let middles = [0.625, 0.875, 1.125, 1.375];
    counts.into_iter().zip(middles).flat_map(|(count, middle)| vec![middle; count]).collect()
}

// By hand: b₂ = 10, b₁ = 30, a₁ = 4, a₂ = 4: D = (90 − 10 − 12 + 4)/2 = 36; mean 12, slope (3(4 − 10) + 4 − 30)/10 = −4.4: smooth counts
// 18.6, 14.2, 9.8, 5.4; variance (18.6 + 5.4)/4 + 9 (14.2 + 9.8)/4 = 60; z = 35.5/√60 = 4.583030…; tail by scipy.
#[test]
fn heaped_counts_are_a_drop() {
    let found = drop_at(&values([10, 30, 4, 4]), 1.0, 0.25).expect("enough");
    assert_eq!(found.counts, [10, 30, 4, 4]);
    assert!((found.z - 35.5 / 60.0f64.sqrt()).abs() < 1e-12, "{found:?}");
    assert!((found.p_value / 2.291_428_088_239_16e-6 - 1.0).abs() < 1e-12, "{found:?}");
}

#[test]
fn counts_on_a_line_are_no_drop() {
    let found = drop_at(&values([16, 12, 8, 4]), 1.0, 0.25).expect("enough");
    assert!((found.z).abs() < 1e-12 && (found.p_value - 0.5).abs() < 1e-12);
    assert!(drop_at(&values([4, 4, 30, 10]), 1.0, 0.25).expect("enough").p_value > 0.999);
}

#[test]
fn few_values_say_nothing() {
    assert_eq!(drop_at(&values([5, 14, 0, 0]), 1.0, 0.25), None);
    assert_eq!(drop_at(&values([50, 50, 50, 50]), 1.0, 0.0), None);
    assert_eq!(drop_at(&[f64::NAN; 50], 1.0, 0.25), None);
}
