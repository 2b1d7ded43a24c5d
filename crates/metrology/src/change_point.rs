//! Steps in a series of innovations: whether (CUSUM), when and how large (generalised likelihood ratio).
//!
//! Called by `assessment` with what [`crate::drift`] gives each week. Pure arithmetic on a short series of one instrument; a step is a
//! finding, never a verdict.

use serde::{Deserialize, Serialize};

use crate::drift::Innovation;
use crate::normal;

/// Drift of an innovation, in its own standard deviations, that is not summed: half of the step that is to be found soonest.
pub const REFERENCE: f64 = 0.5;

/// Alarm: metrology.md §2.4.
pub const ALARM: f64 = 6.0;

/// `2 ln Λ` from which the likelihood ratio confirms an alarm of the sums. Sums of perfect normal innovations reach [`ALARM`] in 1.4 % of
/// half-years (simulated, 2 million), mostly by long chance shifts with a statistic of 9 to 14; a step of 1 % that alarms has 15 to 35. Open
/// weeks are looked at daily: with 16.5 the study's clean piles are alarmed less than once in a hundred half-years in each of its worlds.
pub const CONFIRMED: f64 = 16.5;

/// Prior of a step's size, standard deviation, fraction: of the order of maximum permissible errors. Flat, it would favour late dates,
/// whose sizes are large because they are uncertain.
const SIZE_SD: f64 = 0.02;

/// Half a year of weeks is looked through: an older step has long been alarmed.
pub const WEEKS_MAX: usize = 26;

/// Share of probability that a range of dates covers.
const DATE_COVERAGE: f64 = 0.95;

/// Where an error went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It grew.
    Up,
    /// It fell.
    Down,
}

/// Sums of one instrument, kept from week to week.
///
/// # Formula
/// `C⁺ = max(0, C⁺ + z − 0.5)`, `C⁻ = max(0, C⁻ − z − 0.5)` (Page 1954).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cusum {
    /// C⁺.
    pub up: f64,
    /// C⁻.
    pub down: f64,
}

impl Cusum {
    /// Adds a standardised innovation; an alarm is told each week as long as it lasts. What is not finite is not added.
    pub fn add(&mut self, z: f64) -> Option<Direction> {
        if z.is_finite() {
            self.up = (self.up + z - REFERENCE).max(0.0);
            self.down = (self.down - z - REFERENCE).max(0.0);
        }
        if self.up < ALARM && self.down < ALARM {
            return None;
        }
        Some(if self.down <= self.up { Direction::Up } else { Direction::Down })
    }
}

/// An instrument under watch, kept from week to week.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The sums.
    pub cusum: Cusum,
    /// The last innovations with the number of their week, at most [`WEEKS_MAX`].
    pub innovations: Vec<(u32, Innovation)>,
}

impl Watch {
    /// Adds the innovation of a week; a step if there is an alarm: the sums have reached [`ALARM`] and the likelihood ratio
    /// [`CONFIRMED`]. One that is no number is not added. After an alarm the instrument is another: start a new watch, and let the
    /// filter forget the old one ([`crate::drift::State::forget`]).
    pub fn add(&mut self, week: u32, innovation: Innovation) -> Option<Step> {
        if !(innovation.difference.is_finite()
            && 0.0 < innovation.variance
            && innovation.variance.is_finite())
        {
            return None;
        }
        if WEEKS_MAX <= self.innovations.len() {
            self.innovations.drain(..=self.innovations.len() - WEEKS_MAX);
        }
        self.innovations.push((week, innovation));
        self.cusum.add(innovation.standardised())?;
        largest_step(&self.innovations).filter(|step| CONFIRMED <= step.statistic)
    }
}

/// A step, given that there was one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The most likely first week after it.
    pub first: u32,
    /// First and last of the shortest range of such weeks that holds 95 % of the probability.
    pub range: (u32, u32),
    /// The first week in which it may have begun, with that probability: one on the way through a week is in part of that week's comparisons
    /// only, so that the next is as likely the first after it. That week is the one compared before the range; before the first of the series
    /// the week before. It may have begun until the end of the last week of the range.
    pub earliest: u32,
    /// Size, fraction; mean over the dates.
    pub size: f64,
    /// Its standard uncertainty, that of the date included.
    pub standard_uncertainty: f64,
    /// Twice the logarithm of the largest likelihood ratio against no step.
    pub statistic: f64,
}

/// A step of unknown size at one date.
struct Candidate {
    size: f64,
    variance: f64,
    statistic: f64,
    /// `2 ln` of the likelihood ratio averaged over the prior of the size, but for `ln` of its variance.
    evidence: f64,
}

/// The step that a series of innovations, one a week, speaks of most; none without one. Only the last [`WEEKS_MAX`] count.
///
/// # Formula
/// A step δ before innovation τ shows as `m_k = δ g_k`, `g_τ = 1`, `g_{k+1} = g_k (1 − K_k)`, as the filter takes it over. For each τ
/// `I = Σ g²/S`, `B = Σ g m/S`, `2 ln Λ = B²/I`. With the size's prior `N(0, s²)`: `V = 1/(I + 1/s²)`, `δ = V B`, probability of the date
/// `∝ √V exp(V B²/2)`.
pub fn largest_step(innovations: &[(u32, Innovation)]) -> Option<Step> {
    let skipped = innovations.len().saturating_sub(WEEKS_MAX);
    let series = &innovations[skipped..];
    let candidates: Vec<Candidate> = (0..series.len()).map(|at| candidate(&series[at..])).collect();
    let largest = |value: fn(&Candidate) -> f64| candidates.iter().map(value).fold(0.0, f64::max);
    let statistic = largest(|candidate| candidate.statistic);
    let evidence = largest(|candidate| candidate.evidence);
    let weights: Vec<f64> = candidates
        .iter()
        .map(|candidate| libm::exp(0.5 * (candidate.evidence - evidence)) * candidate.variance.sqrt())
        .collect();
    let (first, _) = weights.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let sum: f64 = weights.iter().sum();
    let mean = |value: &dyn Fn(&Candidate) -> f64| {
        candidates.iter().zip(&weights).map(|(candidate, weight)| weight * value(candidate)).sum::<f64>()
            / sum
    };
    let size = mean(&|candidate| candidate.size);
    let variance = mean(&|candidate| candidate.variance + (candidate.size - size).powi(2));
    let (from, to) = shortest_range(&weights, DATE_COVERAGE * sum);
    Some(Step {
        first: series[first].0,
        range: (series[from].0, series[to].0),
        earliest: match from.checked_sub(1) {
            Some(before) => series[before].0,
            None => series[from].0.saturating_sub(1),
        },
        size,
        standard_uncertainty: variance.sqrt(),
        statistic,
    })
}

fn candidate(series: &[(u32, Innovation)]) -> Candidate {
    let (mut seen, mut information, mut weighted) = (1.0, 0.0, 0.0);
    for (_, innovation) in series {
        information += seen * seen / innovation.variance;
        weighted += seen * innovation.difference / innovation.variance;
        seen *= 1.0 - innovation.gain;
    }
    let variance = 1.0 / (information + SIZE_SD.powi(-2));
    Candidate {
        size: variance * weighted,
        variance,
        statistic: weighted * weighted / information,
        evidence: variance * weighted * weighted,
    }
}

/// Where a series of scores changed its level most, and how clearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Position of the first score after it.
    pub at: usize,
    /// Student's t of the scores after it against those before.
    pub t: f64,
}

/// The change of level that a series of independent scores of one variance speaks of most, with `margin` scores at least on either
/// side and where it `may` be: positions between two scores of one time are no place for it. None in a series that is too short or does not
/// vary. Both levels are unknown. `t²` is about twice the logarithm of its likelihood ratio. Of few scores that agree by chance s is far too
/// small at some date or other: it is held to be `least` at least, the standard deviation that scores are known to have otherwise, or 0.
///
/// # Formula
/// `t = (m₂ − m₁)/(s √(1/n₁ + 1/n₂))`, s² the mean square about the two means with n − 2 degrees of freedom or `least²`, for every n₁.
pub fn change_of_level(
    scores: &[f64],
    least: f64,
    margin: usize,
    may: impl Fn(usize) -> bool,
) -> Option<Change> {
    let (count, margin) = (scores.len(), margin.max(1));
    let all = Sums::of(scores);
    let mut before = Sums::default();
    let changes = scores.iter().enumerate().filter_map(|(at, score)| {
        let change = (margin <= at && at + margin <= count && may(at)).then(|| all.student(&before, least));
        before.add(*score);
        change.flatten().map(|t| Change { at, t })
    });
    changes.max_by(|a, b| a.t.abs().total_cmp(&b.t.abs()).then(b.at.cmp(&a.at)))
}

/// Probability that chance alone makes `|t|` of [`change_of_level`] so large, for many scores, or for fewer of a known standard deviation.
///
/// # Formula
/// `4 φ(t)/t + φ(t) (t − 1/t) ln[(1 − ε)²/ε²]`, ε the share of the margin (Miller and Siegmund, Biometrics 38 (1982) 1011, two-sided).
pub fn chance_of(t: f64, scores: usize, margin: usize) -> f64 {
    let (t, share) = (t.abs(), margin.max(1) as f64 / scores.max(1) as f64);
    let density = normal::density(t);
    let dates = 2.0 * libm::log((1.0 - share) / share).max(0.0);
    (4.0 * density / t + density * (t - 1.0 / t) * dates).clamp(0.0, 1.0)
}

/// Student's t of the second half of a series against the first, its s at least `least`; none if it is too short or does not vary.
pub fn halves(scores: &[f64], least: f64) -> Option<f64> {
    Sums::of(scores).student(&Sums::of(&scores[..scores.len() / 2]), least)
}

/// Count, sum and sum of squares of scores.
#[derive(Default)]
struct Sums {
    count: f64,
    sum: f64,
    square: f64,
}

impl Sums {
    fn of(scores: &[f64]) -> Self {
        let mut sums = Self::default();
        scores.iter().for_each(|score| sums.add(*score));
        sums
    }

    fn add(&mut self, score: f64) {
        self.count += 1.0;
        self.sum += score;
        self.square += score * score;
    }

    /// t of what is not in `before` against what is, of a standard deviation of `least` at least.
    fn student(&self, before: &Self, least: f64) -> Option<f64> {
        let (n, m) = (before.count, self.count - before.count);
        let (mean, after) = (before.sum / n, (self.sum - before.sum) / m);
        let variance = (self.square - n * mean * mean - m * after * after) / (self.count - 2.0);
        let t = (after - mean) / (variance.max(least * least) * (1.0 / n + 1.0 / m)).sqrt();
        t.is_finite().then_some(t)
    }
}

/// First and last of the shortest run of weights that sums to `wanted`.
fn shortest_range(weights: &[f64], wanted: f64) -> (usize, usize) {
    for length in 1..weights.len() {
        for from in 0..=weights.len() - length {
            if wanted <= weights[from..from + length].iter().sum() {
                return (from, from + length - 1);
            }
        }
    }
    (0, weights.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Normal};

    use super::*;

    #[test]
    fn sums_by_hand() {
        let mut cusum = Cusum::default();
        let found: Vec<_> = [0.4, 2.5, -1.0, 3.0, 3.0].into_iter().map(|z| cusum.add(z)).collect();
        // 0, 2, 0.5, 3, 5.5
        assert_eq!(found, [None; 5]);
        assert!((cusum.up - 5.5).abs() < 1e-12 && cusum.down == 0.0);
        assert_eq!(cusum.add(1.0), Some(Direction::Up));
        assert_eq!(cusum.add(f64::NAN), Some(Direction::Up));
        let mut cusum = Cusum::default();
        assert_eq!((cusum.add(-4.0), cusum.add(-4.0)), (None, Some(Direction::Down)));
    }

    fn series(differences: &[f64]) -> Vec<(u32, Innovation)> {
        let innovation = |difference: &f64| Innovation { difference: *difference, variance: 1e-6, gain: 0.0 };
        (100..).zip(differences.iter().map(innovation)).collect()
    }

    // By hand: I = 3 × 10⁶, B = 3 × 10⁴, so 2 ln Λ = 300, and the prior of 2 % takes 2500 of 3,002,500 from the size. Other dates lose at
    // least 20 in the statistic.
    #[test]
    fn a_clear_step_is_dated_and_measured() {
        let step = largest_step(&series(&[0.0, 0.001, -0.001, 0.0, 0.011, 0.009, 0.010])).expect("a series");
        assert_eq!((step.first, step.range), (104, (104, 104)));
        assert!((step.size - 0.01 / (1.0 + 1.0 / 1_200.0)).abs() < 1e-6);
        assert!((step.standard_uncertainty / (1e-6f64 / 3.0).sqrt() - 1.0).abs() < 1e-3);
        assert!((step.statistic - 300.0).abs() < 1e-6);
    }

    // A step of 1 % in week 104 shows there in part and since then whole. In the middle of it 2 ln Λ is 306.25 for 104 and 300 for 105, which has 4.7 % of
    // the probability; seen by less, 105 has it all, by more 104 (plain Python). Either way the day lies in the weeks told.
    #[test]
    fn a_step_on_the_way_through_a_week_lies_in_the_weeks_told() {
        let of = |half: f64| {
            let step =
                largest_step(&series(&[0.0, 0.0, 0.0, 0.0, half, 0.01, 0.01, 0.01])).expect("a series");
            (step.earliest, step.range)
        };
        for half in [0.001, 0.003, 0.005, 0.007, 0.009] {
            let (earliest, (_, last)) = of(half);
            assert!(earliest <= 104 && 104 <= last, "{half}: {earliest} to {last}");
        }
        assert_eq!(of(0.001), (104, (105, 105)));
        assert_eq!(of(0.009), (103, (104, 104)));
    }

    // Between week 101 and 106 nothing was compared: the step may have begun anywhere since some day of 101.
    #[test]
    fn a_step_after_weeks_without_comparisons_may_have_begun_in_any_of_them() {
        let mut series = series(&[0.0, 0.0, 0.01, 0.01, 0.01]);
        series[2..].iter_mut().for_each(|(week, _)| *week += 4);
        let step = largest_step(&series).expect("a series");
        assert_eq!((step.first, step.range, step.earliest), (106, (106, 106), 101));
        // One as old as the series began before it, nobody knows when: a week is told.
        let step = largest_step(&series[2..]).expect("a series");
        assert_eq!((step.range, step.earliest), ((106, 106), 105));
    }

    // By hand: with gain 1/2 a step of 0.01 shows as 0.01, 0.005, 0.0025, so I = 1,312,500 and B = 13,125; the prior adds 2500 to I.
    #[test]
    fn what_the_prediction_has_taken_over_is_given_back() {
        let mut series = series(&[0.01, 0.005, 0.002_5]);
        series.iter_mut().for_each(|(_, innovation)| innovation.gain = 0.5);
        let candidate = candidate(&series);
        assert!((candidate.size - 13_125.0 / 1_315_000.0).abs() < 1e-15);
        assert!((candidate.variance - 1.0 / 1_315_000.0).abs() < 1e-18);
    }

    // numpy and scipy: ttest_ind of the last four against the first six gives t = 7.155 418, larger than at every other date.
    #[test]
    fn levels_change_where_student_says_so() {
        let scores = [0.0, 1.0, -1.0, 0.0, 1.0, -1.0, 4.0, 5.0, 3.0, 4.0];
        let change = change_of_level(&scores, 0.0, 2, |_| true).expect("varies");
        assert_eq!(change.at, 6);
        assert!((change.t - 7.155_417_527_999_327).abs() < 1e-12, "{}", change.t);
        assert_eq!(change_of_level(&scores, 0.0, 6, |_| true), None);
        assert_eq!(change_of_level(&scores, 0.0, 2, |at| at != 6).expect("elsewhere").at, 7);
        assert_eq!(change_of_level(&[1.0; 20], 0.0, 2, |_| true), None);
        assert_eq!(change_of_level(&[], 0.0, 0, |_| true), None);
        // The same by numpy for five and five.
        assert!((halves(&scores, 0.0).expect("varies") - 2.514_474_228_374_849).abs() < 1e-12);
    }

    // The formula is for many scores and holds dates for continuous: of 4,000 series (standard error 0.35 %) a little less than 5 % exceed it.
    #[test]
    fn noise_changes_as_often_as_it_should() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let noise = Normal::new(0.0, 1.0).expect("positive");
        let mut beyond = 0;
        for _ in 0..4_000 {
            let scores: Vec<f64> = (0..500).map(|_| noise.sample(&mut rng)).collect();
            let change = change_of_level(&scores, 0.0, 50, |_| true).expect("varies");
            beyond += u32::from(chance_of(change.t, 500, 50) < 0.05);
        }
        let share = f64::from(beyond) / 4_000.0;
        assert!((0.035..=0.06).contains(&share), "{share}");
    }

    // Of 20,000 series of twenty-five 60 exceed 0.3 % by the formula (± 8), fewer since dates are no continuum. With their own s alone, which is too
    // small at one of the dates or other, nearly twice as many do.
    #[test]
    fn few_scores_that_agree_by_chance_are_no_change() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let noise = Normal::new(0.0, 1.0).expect("positive");
        let mut beyond = [0, 0];
        for _ in 0..20_000 {
            let scores: Vec<f64> = (0..25).map(|_| noise.sample(&mut rng)).collect();
            for (beyond, least) in beyond.iter_mut().zip([0.0, 1.0]) {
                let change = change_of_level(&scores, least, 10, |_| true).expect("varies");
                *beyond += u32::from(chance_of(change.t, 25, 10) < 0.003);
            }
        }
        assert!(60 + 3 * 8 < beyond[0] && beyond[1] < 60, "{beyond:?}");
        let change =
            |least| change_of_level(&[0.0, 0.0, 1.0, 1.0], least, 2, |_| true).map(|change| change.t);
        // By hand: 1/(2 √(1/2 + 1/2)); of no scatter at all there is nothing to divide by.
        assert_eq!((change(2.0), change(0.0)), (Some(0.5), None));
    }

    #[test]
    fn nothing_has_no_step_and_noise_has_no_date() {
        assert_eq!(largest_step(&[]), None);
        let step = largest_step(&series(&[0.000_1, -0.000_2, 0.000_1, 0.0])).expect("a series");
        assert!(step.statistic < 1.0 && step.range.1 - step.range.0 >= 2);
    }

    #[test]
    fn an_enormous_step_is_a_step_too() {
        let step = largest_step(&series(&[0.0, 0.0, 0.7])).expect("a series");
        assert_eq!((step.first, step.range), (102, (102, 102)));
        assert!(0.6 < step.size && step.size < 0.7 && step.standard_uncertainty.is_finite());
    }

    #[test]
    fn a_watch_is_bounded_and_alarms_for_steps_that_are_clear() {
        let mut watch = Watch::default();
        let mut differences = vec![0.0; 40];
        // Nine of 1.2 standard deviations: the sum is 6.3, the statistic 13.
        differences.extend([0.001_2; 9]);
        let small: Vec<_> =
            series(&differences).into_iter().filter_map(|(week, m)| watch.add(week, m)).collect();
        assert_eq!((small, watch.innovations.len()), (vec![], WEEKS_MAX));
        assert!(watch.cusum.up >= ALARM);
        let large = series(&[0.0, 0.0, 0.007, 0.007]).into_iter();
        let mut watch = Watch::default();
        let steps: Vec<_> = large.filter_map(|(week, m)| watch.add(week, m)).collect();
        assert_eq!(steps[0].first, 102);
    }
}
