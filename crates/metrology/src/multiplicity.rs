//! Many tests at once: how small a probability must be when many were looked at.
//!
//! Called by `assessment` for its signals. It changes no test and drops none: it only says what each is worth beside
//! the others. A probability that is no number counts as 1.

/// Holm's step-down adjustment: rejecting what is at most α keeps the chance of even one false rejection at α, whatever the
/// dependence between the tests.
///
/// # Formula
/// With `p_(1) ≤ … ≤ p_(m)`: `p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) p_(j))` (Holm, Scand. J. Statist. 6, 1979).
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let order = ascending(probabilities);
    let mut adjusted = vec![1.0; probabilities.len()];
    let mut largest = 0.0f64;
    for (rank, index) in order.iter().enumerate() {
        let factor = (probabilities.len() - rank) as f64;
        largest = largest.max((factor * sound(probabilities[*index])).min(1.0));
        adjusted[*index] = largest;
    }
    adjusted
}

/// Benjamini–Hochberg: rejecting what is at most q keeps the expected share of false ones among the rejected at q, for
/// independent tests and those of positive regression dependence.
///
/// # Formula
/// `p̃_(i) = min_{j ≥ i} min(1, m p_(j) / j)` (J. R. Statist. Soc. B 57, 1995).
pub fn benjamini_hochberg(probabilities: &[f64]) -> Vec<f64> {
    let order = ascending(probabilities);
    let mut adjusted = vec![1.0; probabilities.len()];
    let mut least = 1.0f64;
    for (rank, index) in order.iter().enumerate().rev() {
        let factor = probabilities.len() as f64 / (rank + 1) as f64;
        least = least.min(factor * sound(probabilities[*index]));
        adjusted[*index] = least;
    }
    adjusted
}

/// What is reported of families of tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    /// Families with anything to report, of all.
    pub families: usize,
    /// Level that a test of a selected family had to reach after Holm.
    pub level: f64,
    /// By family and test: the probability after Holm within the family, and whether it is reported.
    pub tests: Vec<Vec<(f64, bool)>>,
}

/// Selects families (instruments) among all of a fleet, then tests within the selected.
///
/// # Formula
/// A family's probability is its least after [`holm`], valid for "nothing is wrong here". [`benjamini_hochberg`] at q
/// selects R of m families; a test in a selected family is reported if its Holm probability is at most `q R / m`. The
/// expected average, over the selected families, of the chance of a false report within them is then at most q
/// (Benjamini and Bogomolov, J. R. Statist. Soc. B 76, 2014). Where nothing is wrong anywhere, the chance of even one
/// report is at most q.
pub fn select(families: &[Vec<f64>], false_discovery_rate: f64) -> Selected {
    let adjusted: Vec<Vec<f64>> = families.iter().map(|tests| holm(tests)).collect();
    let least: Vec<f64> =
        adjusted.iter().map(|tests| tests.iter().fold(1.0f64, |least, p| least.min(*p))).collect();
    let selected: Vec<bool> = benjamini_hochberg(&least).iter().map(|p| *p <= false_discovery_rate).collect();
    let count = selected.iter().filter(|selected| **selected).count();
    let level = false_discovery_rate * count as f64 / families.len().max(1) as f64;
    let tests = adjusted
        .into_iter()
        .zip(&selected)
        .map(|(tests, selected)| tests.into_iter().map(|p| (p, *selected && p <= level)).collect())
        .collect();
    Selected { families: count, level, tests }
}

fn sound(probability: f64) -> f64 {
    if probability.is_nan() { 1.0 } else { probability.clamp(0.0, 1.0) }
}

/// Indices by ascending probability; ties in their given order.
fn ascending(probabilities: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| sound(probabilities[*a]).total_cmp(&sound(probabilities[*b])).then(a.cmp(b)));
    order
}

#[cfg(test)]
mod tests;
