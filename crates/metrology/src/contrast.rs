//! Whether something moves the residuals of one instrument: a robust regression on scores, of which Welch's
//! comparison of two strata is a case.
//!
//! Called by the signals of `assessment` with the standardised residuals of a comparison. It never fits the
//! instrument's level or the noise: both are given.

mod sides;

use crate::normal::QUANTILE_75;
use crate::student;
pub use sides::Sides;

/// Scores are cut off here, in units of the t₄ scale. Bounded scores make the tails of the statistic Student's even
/// where residuals are heavy-tailed; monotone ones (unlike those of maximum t-likelihood) still see a shift of ten
/// sigmas. The information kept is 93 % of what t₄ noise offers. A cut at 1.5 would keep 98 %, but with twenty points
/// its probabilities of 10⁻⁵ are too small by a factor of two to four.
pub const CUT: f64 = 2.0;

/// Mean slope of the scores against the residual under t₄ noise, `P(|T₄| < 2)` (scipy).
pub const SLOPE: f64 = 0.883_883_476_483_184;

/// Variance of the scores under t₄ noise, `E min(T₄², 4)` (Simpson's rule with 10⁶ steps).
pub const SCORE_VARIANCE: f64 = 1.171_572_875_253_85;

/// Least points of a regression, and of a side whose scatter is its own. With twenty on either side the probability is right to a factor of
/// 1.5 down to 3 × 10⁻⁶ (numpy, four million pairs of twenty and twenty).
pub const POINTS_MIN: usize = 20;

/// Least points on either side of a contrast of two strata: of fewer than [`POINTS_MIN`] their scatter is what scales state, or more.
pub const SIDE_MIN: usize = 5;

/// A side of fewer points scatters by what their scales state at least: its own scatter, known to a tenth from here on, may be small by chance,
/// and then whatever it shows stands out.
const OWN_FROM: usize = 50;

/// Degrees of freedom of what scales state: they are known of a whole fleet, but of the few vehicles of a side only in the mean.
const STATED_FREEDOM: f64 = 50.0;

/// A leverage beyond this belongs to a point that determines its own fit.
const LEVERAGE_MAX: f64 = 0.99;

/// One residual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Residual in units of its scale, t₄-like.
    pub z: f64,
    /// That scale.
    pub scale: f64,
    /// What might move it: 1 or 0 for two strata, else any quantity.
    pub regressor: f64,
    /// Number of those that have an [`Interaction`] in common with it, densely from 0.
    pub group: u32,
}

/// An amount of its own by which each group of points is off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Interaction {
    /// Its standard deviation over groups, in the unit of the scales; 0 for points without one.
    pub standard_deviation: f64,
    /// Degrees of freedom that this was found with.
    pub degrees_of_freedom: f64,
}

impl Interaction {
    /// A variance with its degrees of freedom, and how many times the interaction's beside it: both together (Welch and Satterthwaite).
    pub fn with(&self, (variance, degrees_of_freedom): (f64, f64), times: f64) -> (f64, f64) {
        let own = self.standard_deviation * self.standard_deviation * times;
        if own <= 0.0 {
            return (variance, degrees_of_freedom);
        }
        let whole = variance + own;
        let spent = variance * variance / degrees_of_freedom + own * own / self.degrees_of_freedom;
        (whole, whole * whole / spent)
    }
}

impl Point {
    /// The bounded score of the residual.
    pub fn score(&self) -> f64 {
        self.z.clamp(-CUT, CUT)
    }
}

/// Rounds of reweighting for a location: beyond, it moves by less than it is uncertain by.
const LOCATION_ROUNDS: usize = 20;

/// A bounded location stands still when it moves by less than this share of its scale.
const LOCATION_TOLERANCE: f64 = 1e-12;

/// Where residuals of t₄ noise lie, and its standard uncertainty: of (residual, scale), both in one unit; none of none.
///
/// # Formula
/// Maximum likelihood from the median on, `w = 5/(4 + (x − m)²/σ²)/σ²`; `u² = (7/5)/Σ 1/σ²`, the information of t₄ being (ν+1)/(ν+3).
pub fn location(residuals: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = residuals.iter().map(|(x, _)| *x).collect();
    sorted.sort_by(f64::total_cmp);
    let mut middle = *sorted.get(sorted.len() / 2)?;
    for _ in 0..LOCATION_ROUNDS {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (x, scale) in residuals {
            let weight = 5.0 / (4.0 + ((x - middle) / scale).powi(2)) / (scale * scale);
            sum += weight * x;
            weights += weight;
        }
        middle = sum / weights;
    }
    let information: f64 = residuals.iter().map(|(_, scale)| scale.powi(-2)).sum();
    Some((middle, (1.4 / information).sqrt()))
}

/// Where values lie, and its standard uncertainty, whatever few of them say; none of fewer than two. Scales below `least` are none: values
/// that agree to the last digit have no scatter of their own.
///
/// # Formula
/// Huber's estimate with scores `ψ = clamp((x − m)/σ, ±2)`, σ = max(least, MAD/0.6745): `Σ ψ = 0` from the median on; of the n values those
/// of `|x − m| < 2σ` are n₀: `u² = σ² (Σ ψ²) n/(n − 1) / n₀²`, the M-estimator's variance as the values themselves tell it. Where no value is
/// far off, that is mean and `s/√n`.
pub fn bounded_location(values: &[f64], least: f64) -> Option<(f64, f64)> {
    let middle_of = |values: &mut [f64]| {
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        0.5 * (values[half] + values[(values.len() - 1) / 2])
    };
    if values.len() < 2 {
        return None;
    }
    let mut middle = middle_of(&mut values.to_vec());
    let mut far: Vec<f64> = values.iter().map(|x| (x - middle).abs()).collect();
    let scale = (middle_of(&mut far) / QUANTILE_75).max(least);
    let (mut square, mut near) = (0.0, 0.0);
    for _ in 0..LOCATION_ROUNDS {
        let (mut sum, mut inside, mut squares) = (0.0, 0.0, 0.0);
        for score in values.iter().map(|x| (x - middle) / scale) {
            let bounded = score.clamp(-CUT, CUT);
            sum += bounded;
            squares += bounded * bounded;
            inside += f64::from(u8::from(score.abs() < CUT));
        }
        (square, near) = (squares, inside);
        if inside == 0.0 || (sum / inside).abs() < LOCATION_TOLERANCE {
            break;
        }
        middle += scale * sum / inside;
    }
    let n = values.len() as f64;
    let found = (middle, scale * (square * n / (n - 1.0)).sqrt() / near);
    (found.0.is_finite() && found.1.is_finite()).then_some(found)
}

/// What moves the residuals, and by how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// Change of the residual (in units of the scale's unit) per unit of the regressor: the first step towards it from zero,
    /// so that a change of several scales is understated.
    pub effect: f64,
    /// Standard uncertainty of that.
    pub standard_uncertainty: f64,
    /// Degrees of freedom.
    pub degrees_of_freedom: f64,
    /// Points it rests on.
    pub points: usize,
}

impl Contrast {
    /// `effect / standard uncertainty`, Student-like.
    pub fn t(&self) -> f64 {
        self.effect / self.standard_uncertainty
    }

    /// Two-sided probability of as much or more, of a statistic that may have been centred or scaled since.
    pub fn p_value(&self, t: f64) -> f64 {
        2.0 * student::cdf(-t.abs(), self.degrees_of_freedom)
    }
}

/// Regresses the scores of an instrument on a regressor, its level taken out. None where points are fewer than
/// [`POINTS_MIN`], a stratum of a regressor of two values has fewer than [`SIDE_MIN`], the regressor does not vary, or a number is not finite.
///
/// # Formula
/// A change `β h_s` of the residual changes the score by about `κ β h_s / σ_s`, κ = P(|T₄| < 2): ordinary least squares of
/// `u_s = clamp(z_s, ±2)` on `c_s = 1/σ_s` (the level) and `x_s = h_s/σ_s`, by residuals x̃ of x on c:
/// `β = Σ x̃ u / (κ Σ x̃²)`, `var = Σ x̃² û² / (1 − ℓ) / (κ Σ x̃²)²` (HC2; for two strata of equal scale it is Welch's),
/// degrees of freedom `(Σ x̃²)² / Σ x̃⁴ − 1`, after Satterthwaite with equal noise. Of two strata each has its part of `var`, see `stated`; with few
/// points in one it is another statistic, see `of_few`.
/// An interaction of variance σ_i² moves the score by about `κ a_g c_s`, and `var` by `σ_i² Σ_g ((Σ_{s∈g} x̃ c)² − Σ_{s∈g} (x̃ c)²) / (Σ x̃²)²`
/// if that is not negative: the squares that are taken off are in û.
pub fn contrast(points: &[Point], interaction: &Interaction) -> Option<Contrast> {
    let strata = Strata::of(points);
    let is_thin = strata.is_some_and(|strata| strata.counts.into_iter().any(|count| count < SIDE_MIN));
    if points.len() < POINTS_MIN || is_thin {
        return None;
    }
    if let Some(few) = strata.filter(|strata| strata.counts.into_iter().any(|count| count < POINTS_MIN)) {
        return of_few(points, &few, interaction);
    }
    let level = |point: &Point| 1.0 / point.scale;
    let total = |value: &dyn Fn(&Point) -> f64| points.iter().map(value).sum::<f64>();
    let level_square = total(&|point| level(point) * level(point));
    let along = total(&|point| level(point) * level(point) * point.regressor) / level_square;
    let residual = |point: &Point| (point.regressor - along) * level(point);
    let square = total(&|point| residual(point).powi(2));
    let fourth = total(&|point| residual(point).powi(4));
    let slope = total(&|point| residual(point) * point.score()) / square;
    let mean = total(&|point| level(point) * point.score()) / level_square;
    let part = |point: &Point| {
        let left = point.score() - mean * level(point) - slope * residual(point);
        let leverage = level(point).powi(2) / level_square + residual(point).powi(2) / square;
        (residual(point) * left).powi(2) / (1.0 - leverage.min(LEVERAGE_MAX))
    };
    let sides = strata.map(|strata| {
        let mut sides = strata.counts.map(|count| Side { count, own: 0.0, stated: 0.0 });
        for point in points {
            let side = &mut sides[strata.side(point)];
            side.own += part(point);
            side.stated += SCORE_VARIANCE * residual(point).powi(2);
        }
        sides
    });
    let own = || (total(&part), square * square / fourth - 1.0);
    let (variance, freedom) = sides.and_then(stated).unwrap_or_else(own);
    let variance = variance / (square * square);
    let of_noise = (variance / (SLOPE * SLOPE), freedom);
    let times = if 0.0 < interaction.standard_deviation {
        together(points, |point| residual(point) * level(point)) / (square * square)
    } else {
        0.0
    };
    let (whole, degrees_of_freedom) = interaction.with(of_noise, times);
    let found = Contrast {
        effect: slope / SLOPE,
        standard_uncertainty: whole.sqrt(),
        degrees_of_freedom,
        points: points.len(),
    };
    let sound = found.effect.is_finite() && 0.0 < variance && 0.0 < found.degrees_of_freedom;
    (sound && found.t().is_finite()).then_some(found)
}

/// The squares of groups' sums less those of their parts; 0 at least.
fn together(points: &[Point], part: impl Fn(&Point) -> f64) -> f64 {
    let groups = points.iter().map(|point| point.group as usize + 1).max().unwrap_or(0);
    let mut sums = vec![0.0; groups];
    let mut alone = 0.0;
    for point in points {
        let part = part(point);
        alone += part * part;
        sums[point.group as usize] += part;
    }
    (sums.iter().map(|sum| sum * sum).sum::<f64>() - alone).max(0.0)
}

/// The points of a regressor that has two values.
#[derive(Debug, Clone, Copy)]
struct Strata {
    /// The first one's bits.
    first: u64,
    counts: [usize; 2],
}

impl Strata {
    /// None where there is a third value, which ends the search. Of one value alone the other has no points.
    fn of(points: &[Point]) -> Option<Self> {
        let first = points.first()?.regressor.to_bits();
        let mut strata = Self { first, counts: [0; 2] };
        let mut other = None;
        for point in points {
            let side = strata.side(point);
            let bits = point.regressor.to_bits();
            if side == 1 && *other.get_or_insert(bits) != bits {
                return None;
            }
            strata.counts[side] += 1;
        }
        Some(strata)
    }

    fn side(&self, point: &Point) -> usize {
        usize::from(point.regressor.to_bits() != self.first)
    }
}

/// What a stratum adds to the variance of a contrast: by its own scatter, and by what its scales state.
#[derive(Debug, Clone, Copy)]
struct Side {
    count: usize,
    own: f64,
    stated: f64,
}

/// Variance of a contrast of two strata of which one's own scatter is not to be believed, and its degrees of freedom; none where both are believed.
///
/// # Formula
/// Of each side what is [`believed`] of `v = Σ x̃² û²/(1 − ℓ)` beside `Σ x̃² E[u²]`, degrees of freedom `(Σ v)² / Σ v²/ν` after Satterthwaite.
fn stated(sides: [Side; 2]) -> Option<(f64, f64)> {
    let parts = sides.map(|side| believed(side.count, side.own, side.stated));
    let is_own = |(side, (part, _)): (&Side, &(f64, f64))| *part <= side.own;
    if sides.iter().zip(&parts).all(is_own) { None } else { Some(whole(parts)) }
}

/// Of two variances with their degrees of freedom the sum and its own, after Satterthwaite.
fn whole(parts: [(f64, f64); 2]) -> (f64, f64) {
    let whole: f64 = parts.iter().map(|(part, _)| part).sum();
    let spent: f64 = parts.iter().map(|(part, freedom)| part * part / freedom).sum();
    (whole, whole * whole / spent)
}

/// Contrast of two strata of which one has fewer than [`POINTS_MIN`] points. Bounded scores see little of a shift of one or two scales, and few points
/// have no scatter to speak of: here each side is where it lies for t₄ noise of the scales that are stated.
///
/// # Formula
/// Difference of the sides' [`location`]s m; of each `u² = (7/5)/Σ 1/σ² · max(1, Σ clamp((x − m)/σ, ±2)²/((n − 1) E[u²]))`, so that vehicles that measure
/// worse than others make no alarm, with two degrees of freedom a point. Of 5 to 19 beside 400 false alarms are at most half of what is
/// promised down to 10⁻⁵, also of vehicles that differ by a third in how they measure (numpy, half a million of each).
fn of_few(points: &[Point], strata: &Strata, interaction: &Interaction) -> Option<Contrast> {
    let of_side = |side: usize| points.iter().filter(move |point| strata.side(point) == side);
    let located = |side: usize| {
        let residuals: Vec<(f64, f64)> =
            of_side(side).map(|point| (point.z * point.scale, point.scale)).collect();
        let (middle, u) = location(&residuals)?;
        let score = |(x, scale): &(f64, f64)| ((x - middle) / scale).clamp(-CUT, CUT);
        let squares: f64 = residuals.iter().map(|residual| score(residual).powi(2)).sum();
        let n = residuals.len() as f64;
        let scatter = squares / ((n - 1.0) * SCORE_VARIANCE);
        Some((middle, (u * u * scatter.max(1.0), 2.0 * n)))
    };
    let ((first, of_first), (other, of_other)) = (located(0)?, located(1)?);
    let weights = [0, 1].map(|side| of_side(side).map(|point| point.scale.powi(-2)).sum::<f64>());
    let sign = |side: usize| if side == 0 { -1.0 } else { 1.0 };
    let times = together(points, |point| {
        let side = strata.side(point);
        sign(side) * point.scale.powi(-2) / weights[side]
    });
    let (variance, degrees_of_freedom) = interaction.with(whole([of_first, of_other]), times);
    let step = of_side(1).next()?.regressor - f64::from_bits(strata.first);
    let found = Contrast {
        effect: (other - first) / step,
        standard_uncertainty: variance.sqrt() / step.abs(),
        degrees_of_freedom,
        points: points.len(),
    };
    found.t().is_finite().then_some(found)
}

/// Variance of what so many points of a side show, and its degrees of freedom: by their own scatter, or of fewer than [`OWN_FROM`] by what their
/// scales state where that is more. Of 25 and 40 against 400 false alarms are half of what is promised at 10⁻³ then, by their own scatter alone 1.2
/// times as many, and up to twice at 10⁻⁵ (numpy, a million of each).
pub fn believed(count: usize, own: f64, stated: f64) -> (f64, f64) {
    let freedom = count as f64 - 1.0;
    if count < OWN_FROM && own < stated { (stated, STATED_FREEDOM) } else { (own, freedom) }
}

#[cfg(test)]
mod tests;
