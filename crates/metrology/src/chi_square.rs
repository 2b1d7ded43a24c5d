//! χ² and Poisson: the incomplete gamma function and the tests that rest on it.
//!
//! Called by the signals of `assessment` for variances, digits and coincidences, and by the study for the interval of a variance. It estimates nothing.

/// Most terms of the series and of the continued fraction; both need some √a beyond the first few.
const TERMS_MAX: usize = 100_000;

/// Regularised incomplete gamma functions `(P(a, x), Q(a, x))`, each to its last digits where it is the smaller one.
/// Not numbers for a ≤ 0 or x < 0.
///
/// # Formula
/// `P(a, x) = γ(a, x) / Γ(a)`, `Q = 1 − P`; below x = a + 1 the series (Abramowitz and Stegun 6.5.29), above it the
/// continued fraction (6.5.31) by the method of Lentz.
pub fn incomplete_gamma(a: f64, x: f64) -> (f64, f64) {
    if a.is_nan() || x.is_nan() || a <= 0.0 || x < 0.0 || a.is_infinite() {
        return (f64::NAN, f64::NAN);
    }
    if x == 0.0 || x.is_infinite() {
        return if x == 0.0 { (0.0, 1.0) } else { (1.0, 0.0) };
    }
    let front = front(a, x);
    if x < a + 1.0 {
        let lower = front * series(a, x);
        (lower, 1.0 - lower)
    } else {
        let upper = front * fraction(a, x);
        (1.0 - upper, upper)
    }
}

/// `x^a e^{−x} / Γ(a)`.
///
/// # Formula
/// From a = 20 on by Stirling's series, `√(a / 2π) exp(−a (μ − ln(1 + μ)) − s(a))`, `μ = x/a − 1`: the logarithm of Γ would
/// cancel and lose as many digits as a has.
fn front(a: f64, x: f64) -> f64 {
    if a < 20.0 {
        return libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    }
    let mu = (x - a) / a;
    let square = a * a;
    let stirling =
        (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / a;
    (a / (2.0 * std::f64::consts::PI)).sqrt() * libm::exp(-a * (mu - libm::log1p(mu)) - stirling)
}

fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0 / a, 1.0 / a);
    for n in 1..=TERMS_MAX {
        term *= x / (a + n as f64);
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

fn fraction(a: f64, x: f64) -> f64 {
    const LEAST: f64 = 1e-300;
    let guarded = |value: f64| if value.abs() < LEAST { LEAST } else { value };
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / LEAST, 1.0 / guarded(b));
    let mut product = d;
    for n in 1..=TERMS_MAX {
        let n = n as f64;
        let step = n * (a - n);
        b += 2.0;
        d = 1.0 / guarded(b + step * d);
        c = guarded(b + step / c);
        product *= d * c;
        if (d * c - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    product
}

/// Probabilities of a χ² variable `(below, above)` x.
///
/// # Formula
/// `P(k/2, x/2)` and `Q(k/2, x/2)` for k degrees of freedom.
pub fn tails(x: f64, degrees_of_freedom: f64) -> (f64, f64) {
    incomplete_gamma(0.5 * degrees_of_freedom, 0.5 * x)
}

/// Most doublings and halvings when a quantile is searched: enough for every `f64`.
const STEPS_MAX: usize = 1_100;

/// The x with that probability below it, by halving; not a number for a probability outside 0..1 or degrees of freedom that are not above zero.
pub fn quantile(p: f64, degrees_of_freedom: f64) -> f64 {
    let is_sound = 0.0 < degrees_of_freedom && degrees_of_freedom.is_finite();
    if !is_sound || !(0.0..1.0).contains(&p) {
        return f64::NAN;
    }
    let is_below = |x: f64| tails(x, degrees_of_freedom).0 < p;
    let (mut low, mut high) = (0.0, degrees_of_freedom);
    for _ in 0..STEPS_MAX {
        if !is_below(high) {
            break;
        }
        high *= 2.0;
    }
    for _ in 0..STEPS_MAX {
        let middle = 0.5 * (low + high);
        if middle <= low || high <= middle {
            break;
        }
        if is_below(middle) { low = middle } else { high = middle }
    }
    high
}

/// Probability of `count` or more where `mean` are expected (Poisson). It also bounds the sum of independent rare events of
/// unequal chances from count = mean + 1 on (Hoeffding, Ann. Math. Statist. 27, 1956).
///
/// # Formula
/// `P(N ≥ n) = P(n, λ)`, the lower incomplete gamma function; 1 for n = 0.
pub fn poisson_at_least(count: usize, mean: f64) -> f64 {
    if count == 0 { 1.0 } else { incomplete_gamma(count as f64, mean).0 }
}

/// A goodness of fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fitness {
    /// χ².
    pub statistic: f64,
    /// Degrees of freedom.
    pub degrees_of_freedom: f64,
    /// Probability of this much or more.
    pub p_value: f64,
}

/// Least expected count of a cell for which χ² is used (Cochran's rule).
pub const EXPECTED_MIN: f64 = 5.0;

/// Whether counts are as equal as chance makes them; none where a cell expects fewer than [`EXPECTED_MIN`].
///
/// # Formula
/// `χ² = Σ (n_i − n/k)² / (n/k)`, k − 1 degrees of freedom.
pub fn uniformity(counts: &[usize]) -> Option<Fitness> {
    let total: usize = counts.iter().sum();
    let expected = total as f64 / counts.len() as f64;
    if counts.len() < 2 || expected < EXPECTED_MIN {
        return None;
    }
    let statistic: f64 = counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    Some(fitness(statistic, counts.len() - 1))
}

/// Whether two sets of counts come from the same distribution; cells empty in both are left out. None where a cell expects
/// fewer than [`EXPECTED_MIN`] in the smaller set, or fewer than two cells are left.
///
/// # Formula
/// `χ² = Σ_ij (n_ij − n_i. n_.j / n)² / (n_i. n_.j / n)`, cells − 1 degrees of freedom.
pub fn homogeneity(first: &[usize], second: &[usize]) -> Option<Fitness> {
    let (a, b): (usize, usize) = (first.iter().sum(), second.iter().sum());
    let total = (a + b) as f64;
    let cells: Vec<(usize, usize)> =
        first.iter().copied().zip(second.iter().copied()).filter(|(x, y)| 0 < x + y).collect();
    let enough = cells.iter().all(|(x, y)| EXPECTED_MIN <= (x + y) as f64 * a.min(b) as f64 / total);
    if cells.len() < 2 || !enough {
        return None;
    }
    let statistic = cells
        .iter()
        .map(|(x, y)| {
            let share = (x + y) as f64 / total;
            let (expected_x, expected_y) = (share * a as f64, share * b as f64);
            (*x as f64 - expected_x).powi(2) / expected_x + (*y as f64 - expected_y).powi(2) / expected_y
        })
        .sum();
    Some(fitness(statistic, cells.len() - 1))
}

fn fitness(statistic: f64, degrees_of_freedom: usize) -> Fitness {
    let degrees_of_freedom = degrees_of_freedom as f64;
    Fitness { statistic, degrees_of_freedom, p_value: tails(statistic, degrees_of_freedom).1 }
}

#[cfg(test)]
mod tests;
