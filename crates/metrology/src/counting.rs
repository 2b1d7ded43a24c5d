//! Exact chances of counts: binomial tails and runs in a sequence of two kinds.
//!
//! Called by the signals of `assessment`. Everything is summed term by term, so that small samples need no approximation.

/// Longest sequence whose runs are counted exactly: the sum has as many terms.
pub const RUNS_MAX: usize = 1_000_000;

/// Probability of `successes` or more in `trials` of chance `chance`; 1 for none, 0 for more than there are trials, not a
/// number for a chance outside 0..1.
///
/// # Formula
/// `Σ_{k ≥ s} C(n, k) p^k (1 − p)^{n−k}`, from its largest term outwards.
pub fn binomial_at_least(successes: usize, trials: usize, chance: f64) -> f64 {
    if !(0.0..=1.0).contains(&chance) {
        return f64::NAN;
    }
    if successes == 0 || 1.0 <= chance {
        return if successes <= trials { 1.0 } else { 0.0 };
    }
    if trials < successes || chance <= 0.0 {
        return 0.0;
    }
    let odds = chance / (1.0 - chance);
    let mode = ((trials as f64 + 1.0) * chance) as usize;
    if successes <= mode {
        // The lower tail is the smaller or about a half: its complement keeps the digits.
        return (1.0 - upwards(trials - successes + 1, trials, 1.0 - chance, 1.0 / odds)).max(0.0);
    }
    upwards(successes, trials, chance, odds)
}

/// The sum from k = `from` upwards; terms fall from there on, or rise a little before they fall.
fn upwards(from: usize, trials: usize, chance: f64, odds: f64) -> f64 {
    let first = ln_choose(trials, from)
        + from as f64 * libm::log(chance)
        + (trials - from) as f64 * libm::log1p(-chance);
    let (mut term, mut sum) = (1.0, 1.0);
    for k in from..trials {
        term *= (trials - k) as f64 / (k + 1) as f64 * odds;
        sum += term;
        if term < sum * f64::EPSILON * 1e-2 {
            break;
        }
    }
    libm::exp(first) * sum
}

/// Probability of so few runs or fewer among `ones` and `others` in random order (Wald and Wolfowitz, Ann. Math.
/// Statist. 11, 1940); 1 where there is only one kind, none beyond [`RUNS_MAX`].
///
/// # Formula
/// `P(2k) = 2 C(a−1, k−1) C(b−1, k−1) / C(a+b, a)`,
/// `P(2k+1) = [C(a−1, k) C(b−1, k−1) + C(a−1, k−1) C(b−1, k)] / C(a+b, a)`.
pub fn runs_at_most(runs: usize, ones: usize, others: usize) -> Option<f64> {
    if RUNS_MAX < ones + others {
        return None;
    }
    if ones == 0 || others == 0 {
        return Some(1.0);
    }
    let all = ln_choose(ones + others, ones);
    let pairs = |x: usize, y: usize| {
        if x < ones && y < others {
            libm::exp(ln_choose(ones - 1, x) + ln_choose(others - 1, y) - all)
        } else {
            0.0
        }
    };
    let chance = |runs: usize| {
        let k = runs / 2;
        if runs.is_multiple_of(2) { 2.0 * pairs(k - 1, k - 1) } else { pairs(k, k - 1) + pairs(k - 1, k) }
    };
    let most = runs.min(2 * ones.min(others) + 1);
    Some((2..=most).map(chance).sum::<f64>().min(1.0))
}

/// Runs in a sequence: 0 for an empty one.
pub fn runs(sequence: &[bool]) -> usize {
    usize::from(!sequence.is_empty()) + sequence.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// ln C(n, k) for k ≤ n.
fn ln_choose(n: usize, k: usize) -> f64 {
    let ln_factorial = |n: usize| libm::lgamma(n as f64 + 1.0);
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

#[cfg(test)]
mod tests;
