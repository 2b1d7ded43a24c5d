//! Information on several instruments at once (an energy balance), held against everything else as a whole.
//!
//! Called by [`super::left_out`]. It leaves nothing out for good: what is to go is the caller's to say.

use super::{CHECKED_MAX, RELATIVE_ROUNDING, Robust};
use crate::cholesky::Symmetric;
use crate::comparison::Network;
use crate::comparison::members::Members;
use crate::comparison::network::Information;
use crate::comparison::solver::Covariance;

/// Instruments of which shapes are looked at, at most: each takes a solution of its own.
const SHAPES_MAX: usize = 500;

/// Share of the mean precision that is added to every shift: of what nothing is known, nothing must follow.
const RIDGE: f64 = 1e-6;

/// Information held against everything else: the estimates of its instruments had it been left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InformationCheck {
    /// Position in [`Network::information`].
    pub information: usize,
    /// E_n of its level, by how much all its instruments are off together; beyond ±1 they contradict each other (k = 2). None where no other
    /// measurement tells a level.
    pub normalised_error: Option<f64>,
    /// Deviate of the normal distribution that is as improbable as the χ² of all its instruments, one by one; none where there are too many
    /// of them.
    pub shape: Option<f64>,
}

/// Holds every block against the rest, up to [`CHECKED_MAX`] of the surest levels.
///
/// # Formula
/// A block is `−½ λᵀ J λ + bᵀ λ`; β are the estimates with it, C and K their covariances in the robust and in the constant equations. Were the
/// block off by `B g`, its residual `r = b − J β` would be `S B g` with `S = J − J C J`: the inverse of what `J⁻¹ b` and the estimates without
/// the block vary by together. So `ĝ = (Bᵀ S B)⁻¹ Bᵀ r`, S the smaller of S_C and S_K (why, [`super::Known::against`] says), and its variance is
/// `(Bᵀ S_K B)⁻¹`. Level: `B = 1`, `E_n = ĝ √(1ᵀ S_K 1)/2`. Of one instrument that is the E_n of an anchor. Shape: `B = I`, `χ² = ĝᵀ S_K ĝ` with
/// as many degrees of freedom as there are instruments. Either χ² is what leaving the block out (or its level) takes off the sum of squares.
pub(super) fn blocks(
    network: &Network,
    members: &Members,
    robust: &Robust<'_>,
    beta: &[f64],
    covariance: &Covariance,
) -> Vec<InformationCheck> {
    let mut order: Vec<usize> = (0..network.information.len()).collect();
    let level = |at: &usize| network.information[*at].level_uncertainty();
    order.sort_by(|a, b| level(a).total_cmp(&level(b)).then(a.cmp(b)));
    order.truncate(CHECKED_MAX);
    order.sort_unstable();
    let mut instruments = 0;
    let checks = order.into_iter().filter_map(|information| {
        let block = Block { told: &network.information[information], robust, covariance };
        let left = block.left(beta);
        let is_checkable = members.is_checkable(*block.told.instruments.first()?);
        let normalised_error = Some(block.level(&left)?).filter(|_| is_checkable);
        instruments += left.len();
        let shape = if instruments <= SHAPES_MAX { block.shape(&left) } else { None };
        Some(InformationCheck { information, normalised_error, shape })
    });
    checks.collect()
}

struct Block<'a> {
    told: &'a Information,
    robust: &'a Robust<'a>,
    covariance: &'a Covariance,
}

impl Block<'_> {
    /// `J a`.
    fn times(&self, a: &[f64]) -> Vec<f64> {
        let of_row =
            |row: usize| a.iter().enumerate().map(|(at, a)| self.told.matrix.get(row, at) * a).sum::<f64>();
        (0..a.len()).map(of_row).collect()
    }

    /// r.
    fn left(&self, beta: &[f64]) -> Vec<f64> {
        let fitted: Vec<f64> = self.told.instruments.iter().map(|instrument| beta[*instrument]).collect();
        self.told.right.iter().zip(self.times(&fitted)).map(|(right, fitted)| right - fitted).collect()
    }

    /// `S_C a` and `S_K a`; none where they cannot be computed.
    fn free(&self, a: &[f64]) -> Option<[Vec<f64>; 2]> {
        let told = self.times(a);
        let (equations, ..) = self.covariance.parts();
        let mut right = vec![0.0; equations.shape.size()];
        self.told.instruments.iter().zip(&told).for_each(|(instrument, told)| right[*instrument] += told);
        let less = |solved: &[f64]| {
            let through: Vec<f64> =
                self.told.instruments.iter().map(|instrument| solved[*instrument]).collect();
            told.iter().zip(self.times(&through)).map(|(told, taken)| told - taken).collect::<Vec<f64>>()
        };
        Some([less(&self.robust.solve(&right)?), less(&self.covariance.solve(&right)?)])
    }

    /// E_n; none where nothing else speaks of the level.
    fn level(&self, left: &[f64]) -> Option<f64> {
        let ones = vec![1.0; left.len()];
        let [robust, constant] = self.free(&ones)?.map(|free| free.iter().sum::<f64>());
        let rounding = RELATIVE_ROUNDING * self.times(&ones).iter().sum::<f64>();
        let is_told = rounding < robust && rounding < constant;
        is_told.then(|| left.iter().sum::<f64>() / robust.min(constant) * constant.sqrt() / 2.0)
    }

    /// None where it cannot be computed.
    fn shape(&self, left: &[f64]) -> Option<f64> {
        let count = left.len();
        let (mut robust, mut constant) = (Symmetric::zero(count), Symmetric::zero(count));
        for column in 0..count {
            let mut unit = vec![0.0; count];
            unit[column] = 1.0;
            let [of_robust, of_constant] = self.free(&unit)?;
            (column..count).for_each(|row| robust.add(row, column, of_robust[row]));
            (column..count).for_each(|row| constant.add(row, column, of_constant[row]));
        }
        let trace = |of: &Symmetric| (0..count).map(|at| of.get(at, at)).sum::<f64>();
        let mut step = if trace(&robust) < trace(&constant) { robust } else { constant.clone() };
        let mean = trace(&step) / count as f64;
        (0..count).for_each(|at| step.add(at, at, RIDGE * mean));
        let shift = step.factor()?.solve(left);
        let of_row = |row: usize| (0..count).map(|at| constant.get(row, at) * shift[at]).sum::<f64>();
        Some(deviate((0..count).map(|row| shift[row] * of_row(row)).sum(), count as f64))
    }
}

/// # Formula
/// `((χ²/k)^⅓ − (1 − 2/(9 k))) / √(2/(9 k))` (Wilson and Hilferty, PNAS 17 (1931) 684).
fn deviate(chi_square: f64, degrees: f64) -> f64 {
    let ninth = 2.0 / (9.0 * degrees);
    (libm::cbrt(chi_square.max(0.0) / degrees) - (1.0 - ninth)) / ninth.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::{Anchor, Comparison, Comparisons, Settings, Traveller, fit};

    /// Three instruments, two of which meet the same travellers as the first does, which is known.
    fn network() -> Network {
        let mut comparisons = Comparisons::default();
        for n in 0..60 {
            let wobble = 0.002 * f64::from(n * 7 % 11 - 5);
            let log_ratio = [0.0, 0.004, -0.003][n as usize % 3] + wobble;
            let (instrument, traveller) = (n as usize % 3, n as usize / 3 % 5);
            comparisons.push(&Comparison {
                instrument,
                traveller,
                log_ratio,
                size: 20.0,
                class: 0,
                covariates: &[],
            });
        }
        Network {
            instruments: 3,
            travellers: vec![Traveller::default(); 5],
            comparisons,
            anchors: vec![Anchor { instrument: 0, error: 0.0, standard_uncertainty: 0.000_8 }],
            ..Network::default()
        }
    }

    /// A block of one instrument is an anchor: the same E_n by another way, and its χ² is 4 E_n² of one degree of freedom.
    #[test]
    fn information_on_one_instrument_is_checked_as_an_anchor_is() {
        let (error, u) = (0.012, 0.001);
        let mut anchored = network();
        anchored.anchors.push(Anchor { instrument: 2, error, standard_uncertainty: u });
        let expected = fit(&anchored, &Settings::default()).expect("fits").diagnostics.anchors[1];
        let mut balanced = network();
        let mut matrix = Symmetric::zero(1);
        matrix.add(0, 0, 1.0 / (u * u));
        let right = vec![error / (u * u)];
        balanced.information.push(Information { instruments: vec![2], matrix, right });
        let diagnostics = fit(&balanced, &Settings::default()).expect("fits").diagnostics;
        let [check] = diagnostics.information[..] else { panic!("{diagnostics:?}") };
        let (found, wanted) = (check.normalised_error.expect("an anchor, too"), expected.normalised_error);
        assert!((found / wanted - 1.0).abs() < 1e-6 && 1.0 < wanted, "{found} {wanted}");
        let shape = deviate(4.0 * found * found, 1.0);
        assert!((check.shape.expect("few") / shape - 1.0).abs() < 1e-3, "{check:?} {shape}");
    }

    /// A block that gives differences right and a level of 1 % for both, against a fit in which it says next to nothing.
    #[test]
    fn a_block_left_out_is_one_never_made() {
        let mut network = network();
        let block = |share: f64| {
            let mut matrix = Symmetric::zero(2);
            for (row, column, value) in [(0, 0, 1e5), (1, 0, 8e4), (1, 1, 1e5)] {
                matrix.add(row, column, share * value);
            }
            let right = vec![share * (1e5 * 0.012 + 8e4 * 0.008), share * (8e4 * 0.012 + 1e5 * 0.008)];
            Information { instruments: vec![1, 2], matrix, right }
        };
        network.information = vec![block(1.0)];
        let check = fit(&network, &Settings::default()).expect("fits").diagnostics.information[0];
        network.information = vec![block(1e-6)];
        let without = fit(&network, &Settings::default()).expect("fits");
        let error = |at: usize| without.instruments[at].error.expect("anchored").0;
        // By hand: J⁻¹ of 1e5, 8e4 is 1e5/3.6e9 and −8e4/3.6e9; V = J⁻¹ and what else varies, and ĝ = 1ᵀV⁻¹d / 1ᵀV⁻¹1.
        let with = |at: usize| {
            let mut unit = [0.0; 3];
            unit[at] = 1.0;
            without.covariance.times(&unit).expect("solved")
        };
        let (one, two) = (with(1), with(2));
        let (a, b, c) = (1e5 / 3.6e9 + one[1], -8e4 / 3.6e9 + one[2], 1e5 / 3.6e9 + two[2]);
        let (first, second) = (0.012 - error(1), 0.008 - error(2));
        let determinant = a * c - b * b;
        let precision = (a + c - 2.0 * b) / determinant;
        let sum = ((c - b) * first + (a - b) * second) / determinant;
        let expected = sum / precision.sqrt() / 2.0;
        // The weights of the robust fit, and scales, move with the block, so only nearly equal.
        assert!(
            (check.normalised_error.expect("an anchor, too") / expected - 1.0).abs() < 0.1 && 1.0 < expected,
            "{check:?} {expected}"
        );
        assert!(check.shape.is_some_and(|shape| 1.0 < shape), "{check:?}");
    }

    #[test]
    fn what_nothing_else_speaks_of_is_not_checked() {
        let mut matrix = Symmetric::zero(1);
        matrix.add(0, 0, 1e6);
        let information = vec![Information { instruments: vec![0], matrix, right: vec![2e4] }];
        let network = Network { instruments: 1, information, ..Network::default() };
        let diagnostics = fit(&network, &Settings::default()).expect("fits").diagnostics;
        assert!(diagnostics.information.is_empty(), "{diagnostics:?}");
    }

    // χ² of the tail of three standard deviations on one side, by scipy.stats.chi2.isf; the approximation is good to some hundredths.
    #[test]
    fn a_sum_of_squares_is_as_improbable_as_a_normal_deviate() {
        for (chi_square, degrees, tolerance) in [(15.630_563, 3.0, 0.05), (30.442_227, 11.0, 0.02)] {
            let found = deviate(chi_square, degrees);
            assert!((found - 3.0).abs() < tolerance, "{degrees}: {found}");
        }
    }
}
