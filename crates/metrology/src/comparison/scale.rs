//! Scales fitted to what is left over: of the noise, of travellers, of interactions.
//!
//! σ_s² = σ₀² + (δ/W_s)² and the noise's degrees of freedom by maximum likelihood of Student's t, a class at a time; σ_b and σ_i by
//! maximum likelihood of normal means of known weight.

/// σ₀ is searched between these (fractions).
const NOISE_RANGE: (f64, f64) = (1e-4, 0.2);

/// δ is searched between these (unit of size).
const NOISE_SIZE_RANGE: (f64, f64) = (1e-3, 2.0);

/// σ_b and σ_i are searched between these (fractions): zero would freeze biases for ever.
const SD_RANGE: (f64, f64) = (1e-5, 0.2);

/// Degrees of freedom that are tried. Four is what real charging shows; noise that is normal, or heavier in its tails, is found here
/// too, for half a percent to five percent of precision.
const DEGREES: [f64; 8] = [2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 200.0];

/// Golden-section steps per parameter and round: the bracket shrinks to 0.618¹⁶ = 0.05 % of itself.
const STEPS: usize = 16;

/// Steps for a scale that is only compared with others.
const STEPS_COARSE: usize = 6;

/// Residuals that a scale is fitted to; evenly spaced ones where there are more. It is then known to a percent.
const POINTS_MAX: usize = 20_000;

/// Factors whose logarithms are taken as one, that of their product: of these, variances of 1e-8 and residuals of a million scales
/// are far from the ends of what a floating number holds.
const FACTORS: usize = 8;

/// A round moves a parameter by at most this factor at first, and by ever less: else the width of the last bracket would
/// keep the estimates trembling for ever.
const REACH_FIRST: f64 = 3.0;
const REACH_LAST: f64 = 1.02;
const REACH_DECAY: f64 = 0.6;

/// Rounds in which degrees of freedom are still chosen anew.
const DEGREES_ROUNDS: usize = 4;

/// Reach in a round, counted from 0.
pub(super) fn reach(round: usize) -> f64 {
    (0..round).fold(REACH_FIRST, |reach, _| (1.0 + (reach - 1.0) * REACH_DECAY).max(REACH_LAST))
}

/// Scale of the noise of a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// σ₀, fraction.
    pub(super) noise: f64,
    /// δ, unit of size.
    pub(super) noise_size: f64,
    /// ν.
    pub(super) degrees: f64,
}

impl Scale {
    /// σ_s² of a comparison of this 1/W².
    pub(super) fn variance(&self, inverse_square: f64) -> f64 {
        self.noise * self.noise + self.noise_size * self.noise_size * inverse_square
    }

    /// Weight of a comparison whose standardised residual is this, before its variance.
    pub(super) fn robust(&self, z: f64) -> f64 {
        (self.degrees + 1.0) / (self.degrees + z * z)
    }

    /// The most likely scale for residuals of these `(1/W², r²)`, searched around the last one.
    pub(super) fn fit(points: &[(f64, f64)], last: Self, round: usize) -> Self {
        let step = points.len().div_ceil(POINTS_MAX).max(1);
        let points: Vec<(f64, f64)> = points.iter().copied().step_by(step).collect();
        let reach = reach(round);
        let likelihood = |scale: &Self| likelihood(&points, scale);
        let noise = maximise(last.noise, reach, NOISE_RANGE, |noise| likelihood(&Self { noise, ..last }));
        let with_noise = Self { noise, ..last };
        let noise_size = maximise(last.noise_size, reach, NOISE_SIZE_RANGE, |noise_size| {
            likelihood(&Self { noise_size, ..with_noise })
        });
        let found = Self { noise_size, ..with_noise };
        if round == 0 || DEGREES_ROUNDS < round {
            return found;
        }
        // With other degrees of freedom another scale fits: each is tried with its own.
        let tried = DEGREES.map(|degrees| {
            let start = Self { degrees, ..found };
            let noise = maximise_in(STEPS_COARSE, start.noise, 1.5, NOISE_RANGE, |noise| {
                likelihood(&Self { noise, ..start })
            });
            Self { noise, ..start }
        });
        let best = tried
            .into_iter()
            .map(|scale| (likelihood(&scale), scale))
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        best.map_or(found, |(_, scale)| scale)
    }
}

/// Logarithm of the t-likelihood, but for a constant of the points alone.
fn likelihood(points: &[(f64, f64)], scale: &Scale) -> f64 {
    let nu = scale.degrees;
    let constant = libm::lgamma(0.5 * (nu + 1.0)) - libm::lgamma(0.5 * nu) - 0.5 * libm::log(nu);
    let (mut variances, mut ratios) = (0.0, 0.0);
    for points in points.chunks(FACTORS) {
        let (mut of_variances, mut of_ratios) = (1.0, 1.0);
        for (inverse_square, square) in points {
            let variance = scale.variance(*inverse_square);
            of_variances *= variance;
            of_ratios *= 1.0 + square / (nu * variance);
        }
        variances += libm::log(of_variances);
        ratios += libm::log(of_ratios);
    }
    constant * points.len() as f64 - 0.5 * variances - 0.5 * (nu + 1.0) * ratios
}

/// Standard deviation σ of means `m ~ N(0, σ² + v)`, each `(m², v)`; searched around the last one.
pub(super) fn common_sd(means: &[(f64, f64)], last: f64, round: usize) -> f64 {
    maximise(last, reach(round), SD_RANGE, |sd| {
        let (mut logs, mut squares) = (0.0, 0.0);
        for means in means.chunks(FACTORS) {
            let mut product = 1.0;
            for (square, variance) in means {
                let whole = sd * sd + variance;
                product *= whole;
                squares += square / whole;
            }
            logs += libm::log(product);
        }
        -0.5 * (logs + squares)
    })
}

/// Standard deviation of what groups of means `m_j ~ N(μ_group, σ² + v_j)` differ by, by restricted maximum likelihood: each group's
/// own mean is not known. Groups are stretches of equal first number of `(group, m, v)`.
pub(super) fn within_sd(means: &[(u32, f64, f64)], last: f64, round: usize) -> f64 {
    maximise(last, reach(round), SD_RANGE, |sd| {
        means
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|group| group.len() > 1)
            .map(|group| {
                let (mut weights, mut weighted, mut logs) = (0.0, 0.0, 0.0);
                for (_, mean, variance) in group {
                    let whole = sd * sd + variance;
                    weights += 1.0 / whole;
                    weighted += mean / whole;
                    logs += libm::log(whole);
                }
                let centre = weighted / weights;
                let squares: f64 = group
                    .iter()
                    .map(|(_, mean, variance)| (mean - centre) * (mean - centre) / (sd * sd + variance))
                    .sum();
                -0.5 * (logs + libm::log(weights) + squares)
            })
            .sum()
    })
}

fn maximise(start: f64, reach: f64, range: (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    maximise_in(STEPS, start, reach, range, value)
}

/// Golden-section search on a logarithmic scale around `start`.
fn maximise_in(steps: usize, start: f64, reach: f64, range: (f64, f64), value: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let at = |log: f64| libm::exp(log);
    let (mut low, mut high) =
        (libm::log((start / reach).max(range.0)), libm::log((start * reach).min(range.1)));
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut value_a, mut value_b) = (value(at(a)), value(at(b)));
    for _ in 0..steps {
        if value_a < value_b {
            (low, a, value_a) = (a, b, value_b);
            b = low + GOLDEN * (high - low);
            value_b = value(at(b));
        } else {
            (high, b, value_b) = (b, a, value_a);
            a = high - GOLDEN * (high - low);
            value_a = value(at(a));
        }
    }
    at(0.5 * (low + high))
}

/// How weighted means of robust weights behave, the weights having been set without what the mean shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Response {
    /// κ = E[ψ']²/E[ψ²]: the information one comparison really carries, against a normal one of the same scale.
    pub(super) efficiency: f64,
    /// E[ψ']/E[w]: what of a common shift shows in a weighted mean.
    pub(super) shift: f64,
    /// E[ψ²]/E[w]: variance of a weighted mean, in units of 1/Σw.
    pub(super) variance: f64,
}

impl Response {
    /// Of noise that is t_ν: all three are (ν+1)/(ν+3).
    pub(super) fn of_degrees(nu: f64) -> Self {
        let share = (nu + 1.0) / (nu + 3.0);
        Self { efficiency: share, shift: share, variance: share }
    }

    /// Of Student's ψ(z) = (ν+1)z/(ν+z²) = w z for standardised residuals, each with its ν.
    pub(super) fn of(standardised: impl Iterator<Item = (f64, f64)>) -> Self {
        let (mut slope, mut square, mut weight, mut count) = (0.0, 0.0, 0.0, 0_usize);
        let mut expected = Self::of_degrees(4.0);
        for (z, nu) in standardised {
            let denominator = nu + z * z;
            slope += (nu + 1.0) * (nu - z * z) / (denominator * denominator);
            let w = (nu + 1.0) / denominator;
            weight += w;
            square += w * w * z * z;
            count += 1;
            if count == 1 {
                expected = Self::of_degrees(nu);
            }
        }
        if count < super::ENOUGH || square <= 0.0 || slope <= 0.0 {
            return expected;
        }
        Self {
            // No comparison carries more than one of normal noise; residuals that say so are too few or too alike.
            efficiency: (slope * slope / (square * count as f64)).min(1.0),
            shift: (slope / weight).min(1.0),
            variance: (square / weight).min(1.0),
        }
    }

    /// Information of a weighted mean, in units of Σw.
    pub(super) fn information(&self) -> f64 {
        self.shift * self.shift / self.variance
    }
}
