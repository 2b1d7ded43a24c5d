//! Variances of the estimates of a network that is too large for a factor of its equations.
//!
//! Used by [`super::solver`] beyond [`super::DENSE_MAX`] unknowns. Deterministic: its random signs have a seed.
//!
//! # Method
//! What connected sets share (models, covariates) is eliminated exactly: with the block E of instruments and fleets, the border B
//! and the corner M of the equations, `C = E⁻¹ + (E⁻¹B) S⁻¹ (E⁻¹B)ᵀ`, `S = M − BᵀE⁻¹B`. In E sets have nothing to do with each other.
//! Of `E⁻¹` the mode of each [cluster](super::clusters), what a common push moves in it, is solved for, and the rest is probed: with P the
//! projection that takes the modes q out, `E[z ∘ P E⁻¹ P z] = diag(P E⁻¹ P)` for random signs z (Hutchinson 1990, Bekas, Kokiopoulou and
//! Saad 2007), and `(E⁻¹)_ii = (P E⁻¹ P)_ii + 2 q_i v_i − q_i² qᵀv`, `v = E⁻¹ q`.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::clusters::clusters;
use super::equations::Equations;
use super::layout::Layout;
use super::members::{Members, Set};
use super::solver::{SHRUNK, conjugate_gradients};
use crate::cholesky::Symmetric;

/// Probes: the standard deviation of a probed variance is √(1/n) of what its row has off the diagonal, which is some percent of the
/// variance itself once its cluster's mode is taken out.
const PROBES: usize = 64;

/// Seed of the probes' signs; any would do, but always the same.
const SEED: u64 = 0x7665_7269_7069_6c65;

/// Clusters of each set.
type Clusters = Vec<Vec<Vec<usize>>>;

/// Variance of every instrument's estimate; where its set has no level, of its difference from the set's mean. None where the
/// equations cannot be solved.
pub(super) fn variances(equations: &Equations, layout: &Layout, members: &Members) -> Option<Vec<f64>> {
    let probe = Probe { equations, layout, diagonal: equations.diagonal(layout) };
    let (sets, clusters) = (members.sets(), clusters(layout, members));
    let (modes, pushed) = probe.modes(&clusters)?;
    let mut variances = probe.of_rest(&clusters, &modes)?;
    for round in 0..rounds(&clusters) {
        let moved = probe.pushed(&clusters, round, &modes)?;
        for cluster in clusters.iter().filter_map(|of_set| of_set.get(round)) {
            let along = along(&modes, cluster, &moved);
            cluster.iter().for_each(|i| variances[*i] += modes[*i] * (2.0 * moved[*i] - modes[*i] * along));
        }
    }
    for set in sets.iter().filter(|set| !set.grounded) {
        // `2 s_i − s̄` with `s = E⁻¹ 1/n`, which all its clusters pushed together have moved.
        let n = set.instruments.len() as f64;
        let mean = set.instruments.iter().map(|i| pushed[*i]).sum::<f64>() / (n * n);
        set.instruments.iter().for_each(|i| variances[*i] -= 2.0 * pushed[*i] / n - mean);
    }
    probe.add_shared(&sets, &mut variances)?;
    Some(variances.into_iter().map(|variance| variance.max(0.0)).collect())
}

struct Probe<'a> {
    equations: &'a Equations,
    layout: &'a Layout,
    diagonal: Vec<f64>,
}

impl Probe<'_> {
    /// `E⁻¹ b`, of instruments and then of fleets; b is zero where it ends.
    fn solve(&self, mut b: Vec<f64>) -> Option<Vec<f64>> {
        let (p, size) = (self.equations.shape.inner, self.equations.shape.size());
        b.resize(size, 0.0);
        let times = |x: &[f64]| {
            let mut product = self.equations.times(self.layout, x);
            product[p..].fill(0.0);
            product
        };
        let precondition = |r: &[f64]| r.iter().zip(&self.diagonal).map(|(r, d)| r / d).collect();
        let mut x = conjugate_gradients(times, precondition, &b, &vec![0.0; size], SHRUNK)?;
        x.truncate(p);
        Some(x)
    }

    /// `E⁻¹ x` with x these values in the clusters of one round, one of each set.
    fn pushed(&self, clusters: &Clusters, round: usize, values: &[f64]) -> Option<Vec<f64>> {
        let mut x = vec![0.0; values.len()];
        for cluster in clusters.iter().filter_map(|of_set| of_set.get(round)) {
            cluster.iter().for_each(|i| x[*i] = values[*i]);
        }
        self.solve(x)
    }

    /// The mode of each cluster, of length 1, and `E⁻¹ 1` of each set.
    fn modes(&self, clusters: &Clusters) -> Option<(Vec<f64>, Vec<f64>)> {
        let ones = vec![1.0; self.equations.shape.instruments];
        let (mut modes, mut whole) = (ones.clone(), vec![0.0; ones.len()]);
        for round in 0..rounds(clusters) {
            let moved = self.pushed(clusters, round, &ones)?;
            whole.iter_mut().zip(&moved).for_each(|(sum, moved)| *sum += moved);
            for cluster in clusters.iter().filter_map(|of_set| of_set.get(round)) {
                let length = cluster.iter().map(|i| moved[*i] * moved[*i]).sum::<f64>().sqrt();
                cluster.iter().for_each(|i| modes[*i] = moved[*i] / length);
            }
        }
        Some((modes, whole))
    }

    /// What modes leave, probed.
    fn of_rest(&self, clusters: &Clusters, modes: &[f64]) -> Option<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut variances = vec![0.0; modes.len()];
        for _ in 0..PROBES {
            let signs: Vec<f64> =
                modes.iter().map(|_| if random.next_u32() & 1 == 0 { 1.0 } else { -1.0 }).collect();
            let mut z = signs.clone();
            take_out(clusters, modes, &mut z);
            let mut x = self.solve(z)?;
            take_out(clusters, modes, &mut x);
            for (variance, (sign, x)) in variances.iter_mut().zip(signs.iter().zip(&x)) {
                *variance += sign * x / PROBES as f64;
            }
        }
        Some(variances)
    }

    /// Adds what the shared unknowns make uncertain: `bᵀ S⁻¹ b` with b the instrument's row of `E⁻¹B`, of a set without level less
    /// the set's mean.
    fn add_shared(&self, sets: &[Set], variances: &mut [f64]) -> Option<()> {
        let (p, size) = (self.equations.shape.inner, self.equations.shape.size());
        let unit = |at: usize| {
            let mut unit = vec![0.0; size];
            unit[at] = 1.0;
            self.equations.times(self.layout, &unit)
        };
        let columns: Vec<Vec<f64>> = (p..size).map(unit).collect();
        let solved: Vec<Vec<f64>> =
            columns.iter().map(|column| self.solve(column[..p].to_vec())).collect::<Option<_>>()?;
        let mut schur = Symmetric::zero(columns.len());
        for (row, column) in columns.iter().enumerate() {
            for (other, solved) in solved.iter().enumerate().take(row + 1) {
                let through: f64 = column[..p].iter().zip(solved).map(|(a, b)| a * b).sum();
                schur.add(row, other, column[p + other] - through);
            }
        }
        let covariance = schur.factor()?.inverse();
        for set in sets {
            let n = set.instruments.len() as f64;
            let level = |column: &Vec<f64>| -> f64 {
                let sum = || set.instruments.iter().map(|i| column[*i]).sum::<f64>();
                if set.grounded { 0.0 } else { sum() / n }
            };
            let levels: Vec<f64> = solved.iter().map(level).collect();
            for i in &set.instruments {
                let b: Vec<f64> =
                    solved.iter().zip(&levels).map(|(column, level)| column[*i] - level).collect();
                let times = |row: usize| (0..b.len()).map(|at| covariance.get(row, at) * b[at]).sum::<f64>();
                variances[*i] += (0..b.len()).map(|row| b[row] * times(row)).sum::<f64>();
            }
        }
        Some(())
    }
}

fn rounds(clusters: &Clusters) -> usize {
    clusters.iter().map(Vec::len).max().unwrap_or(0)
}

fn along(modes: &[f64], cluster: &[usize], x: &[f64]) -> f64 {
    cluster.iter().map(|i| modes[*i] * x[*i]).sum()
}

/// Takes each cluster's mode out.
fn take_out(clusters: &Clusters, modes: &[f64], x: &mut [f64]) {
    for cluster in clusters.iter().flatten() {
        let along = along(modes, cluster, x);
        cluster.iter().for_each(|i| x[*i] -= modes[*i] * along);
    }
}

#[cfg(test)]
mod tests;
