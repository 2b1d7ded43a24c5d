//! A gain that switches at hours, or changed at a date, that nobody told: residuals that wander.
//!
//! The range (Kuiper) of partial sums in order of the hour, and a scan of windows of whole hours, which sees short
//! ones better; the excursion (Kolmogorov) in order of time. What all piles share in the same hour or week is taken
//! off first; with fewer than twenty nobody can say what that is, and nothing is asked. What a pile reads one model of
//! vehicles otherwise by wanders with that model's hours and weeks, and is allowed for (`stray`).

use std::collections::BTreeSet;

use veripile_metrology::bridge::{self, Wandering};
use veripile_metrology::contrast::{
    Interaction, POINTS_MIN, SCORE_VARIANCE, SLOPE, Sides, believed, location,
};
use veripile_metrology::student;

use super::gains::severity;
use super::said;
use super::stray::{self, HOURS, windows};
use super::world::{Scored, World, heaviest, median};
use super::{Code, Finding, Phrase, Subject};
use crate::assess::FoundStep;
use crate::common::FLEET_MIN;

/// Residuals from which a wandering is asked for: a step in forty charges must be of a sigma to be seen at all.
const RESIDUALS_MIN: usize = 40;

/// Medians of the range and the excursion of a Brownian bridge (mpmath, roots of both series at 1/2).
const MEDIAN_RANGE: f64 = 1.223_488_019_724_78;
const MEDIAN_EXCURSION: f64 = 0.827_573_555_189_908;

/// Asks every pile.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let mut asked = hours(world);
    asked.extend(steps(world));
    asked
}

fn hours(world: &World<'_>) -> Vec<Finding> {
    let hour = |charge: usize| world.charges[charge].local_hour.filter(|hour| hour.is_finite());
    let Some((scored, usual)) = world.without_common(|charge| charge.local_hour.map(|hour| hour as i64))
    else {
        return Vec::new();
    };
    let found =
        walks(&scored, |scored| hour(scored.charge), |ordered| stray::over_hours(ordered, world.interaction));
    let spread = fleet_excess(&found, &usual, |found| found.wandering.range / found.unit, MEDIAN_RANGE);
    let windows = found.iter().filter_map(|found| window(world, found, spread));
    let windows: Vec<Finding> = windows.collect();
    let found = found.iter().map(|found| {
        let inside = found.wandering.stretch;
        let found_effect = found.effect(inside, world.interaction);
        let at = |place: usize| found.ordered.get(place).map_or(24.0, |(hour, _)| *hour);
        let (effect, u) = said::effect(found_effect);
        let [from, to] = [inside.0, inside.1].map(|place| format!("{:.1}", at(place)));
        let said = Phrase::BetweenHours { from, to, effect, u };
        let statistic = found.wandering.range / found.unit / spread;
        let p = bridge::range_above(statistic);
        found.finding(world, Code::TimeOfDayGain, (statistic, p), (found_effect.0, inside), said)
    });
    found.chain(windows).collect()
}

/// The window of whole hours that differs most from the rest of the day.
///
/// # Formula
/// Welch's t of the scores inside against outside, what models of vehicles add to its variance beside it, for every
/// window of 1 to 12 hours, 276 in all; the least probability counts as many times as windows were looked at (Bonferroni).
fn window(world: &World<'_>, found: &Walk, spread: f64) -> Option<Finding> {
    let mut hours = [Sums::default(); HOURS];
    for (hour, scored) in &found.ordered {
        hours[(*hour as usize).min(HOURS - 1)].add(scored.score());
    }
    let all = hours.iter().fold(Sums::default(), |all, hour| all.and(hour));
    let (mut looked_at, mut best) = (0usize, None::<(f64, f64, usize, usize)>);
    let mut inside = Sums::default();
    windows(&found.ordered, world.interaction, |from, length, sides| {
        inside = if length == 1 { Sums::default() } else { inside };
        inside = inside.and(&hours[(from + length - 1) % HOURS]);
        let models = (world.interaction, SLOPE * SLOPE * sides.map_or(0.0, Sides::excess));
        let Some((t, p)) = inside.against(&all.without(&inside), models, spread) else { return };
        looked_at += 1;
        if best.is_none_or(|(_, least, ..)| p < least) {
            best = Some((t, p, from, length));
        }
    });
    let (t, p, from, length) = best?;
    let is_inside =
        |hour: f64| (hour as usize).min(HOURS - 1).wrapping_sub(from).wrapping_add(HOURS) % HOURS < length;
    let sorted = found.by_side(is_inside);
    let inside =
        (sorted.ordered.iter().take_while(|(hour, _)| !is_inside(*hour)).count(), sorted.ordered.len());
    let found_effect = sorted.effect(inside, world.interaction);
    let (effect, u) = said::effect(found_effect);
    let [from, to] = [from, (from + length) % HOURS].map(|hour| hour.to_string());
    let said = Phrase::FromHourToHour { from, to, effect, u };
    let p = (p * looked_at as f64).min(1.0);
    Some(sorted.finding(world, Code::TimeOfDayGain, (t, p), (found_effect.0, inside), said))
}

/// Count, sum and sum of squares of scores.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: usize,
    sum: f64,
    square: f64,
}

impl Sums {
    fn add(&mut self, score: f64) {
        *self = self.and(&Self { count: 1, sum: score, square: score * score });
    }

    fn and(&self, other: &Self) -> Self {
        let (sum, square) = (self.sum + other.sum, self.square + other.square);
        Self { count: self.count + other.count, sum, square }
    }

    fn without(&self, other: &Self) -> Self {
        let (sum, square) = (self.sum - other.sum, self.square - other.square);
        Self { count: self.count - other.count, sum, square }
    }

    /// Welch's t, an interaction so many times beside the scatter, made smaller by `spread`, and its two-sided probability; none with fewer
    /// than [`POINTS_MIN`] on a side.
    fn against(&self, other: &Self, models: (Interaction, f64), spread: f64) -> Option<(f64, f64)> {
        if self.count.min(other.count) < POINTS_MIN {
            return None;
        }
        let ((a, (u_a, free_a)), (b, (u_b, free_b))) = (self.mean(), other.mean());
        let variance = u_a + u_b;
        let free = variance * variance / (u_a * u_a / free_a + u_b * u_b / free_b);
        let (interaction, times) = models;
        let (whole, free) = interaction.with((variance, free), times);
        let t = (a - b) / whole.sqrt() / spread;
        (0.0 < variance).then(|| (t, 2.0 * student::cdf(-t.abs(), free)))
    }

    /// Mean and its variance with degrees of freedom: hours that agree by chance are the ones that a search finds.
    fn mean(&self) -> (f64, (f64, f64)) {
        let n = self.count as f64;
        let mean = self.sum / n;
        let own = ((self.square - n * mean * mean) / (n - 1.0)).max(0.0) / n;
        (mean, believed(self.count, own, SCORE_VARIANCE / n))
    }
}

/// Steps that the assessment found and measured: they were held against chance there, over all piles. Their probabilities are of one pile
/// looked at; told is what is left of them when all are (Bonferroni's, which is Holm's for the first).
pub(super) fn known(world: &World<'_>) -> Vec<Finding> {
    let looked_at = world.scored.iter().filter(|scored| !scored.is_empty()).count().max(1) as f64;
    let finding = |step: &FoundStep| {
        let (size, uncertainty) = step.size?;
        let (effect, u) = said::effect((size, uncertainty));
        let is_since = |scored: &&Scored| step.at <= world.charges[scored.charge].ended_at;
        let since = world.scored[step.pile].iter().filter(is_since);
        let weighed = since.map(|scored| (size.signum() * scored.score(), scored.charge)).collect();
        let (_, to) = world.span(world.scored[step.pile].iter().map(|scored| scored.charge));
        let date = world.day(step.at);
        Some(Finding {
            subject: Subject::Pile(step.pile),
            code: Code::Step,
            severity: severity(size, world.piles[step.pile].limit),
            statistic: step.t,
            p_value: Some((looked_at * step.p_value).min(1.0)),
            from: Some(step.at),
            to,
            said: vec![Phrase::StepSince { date, effect, u }],
            evidence: heaviest(weighed),
        })
    };
    world.evidence.steps.iter().filter_map(finding).collect()
}

fn steps(world: &World<'_>) -> Vec<Finding> {
    let start = |charge: usize| world.charges[charge].started_at;
    let Some((scored, usual)) = world.without_common_by_week() else { return Vec::new() };
    let known: BTreeSet<usize> = world.evidence.steps.iter().map(|step| step.pile).collect();
    let second = |scored: &Scored| Some(start(scored.charge).as_second() as f64);
    let mut found = walks(scored, second, |ordered| stray::over_time(ordered, world.interaction));
    // Of a set of few the assessment asked, each pile beside the others of its set: here it would be held against piles of other vehicles.
    let are_of_few = world.are_of_few();
    found.retain(|found| !known.contains(&found.pile) && !are_of_few[found.pile]);
    let spread =
        fleet_excess(&found, usual, |found| found.wandering.excursion / found.unit, MEDIAN_EXCURSION);
    let found = found.iter().map(|found| {
        let inside = (found.wandering.turn, found.ordered.len());
        let found_effect = found.effect(inside, world.interaction);
        let turn = start(found.ordered[inside.0.min(found.ordered.len() - 1)].1.charge);
        let (effect, u) = said::effect(found_effect);
        let said = Phrase::StepSince { date: world.day(turn), effect, u };
        let statistic = found.wandering.excursion / found.unit / spread;
        let p = bridge::excursion_above(statistic);
        let finding = found.finding(world, Code::Step, (statistic, p), (found_effect.0, inside), said);
        Finding { from: Some(turn), ..finding }
    });
    found.collect()
}

/// A pile's residuals in an order, and how they wander.
struct Walk {
    pile: usize,
    ordered: Vec<(f64, Scored)>,
    wandering: Wandering,
    /// How far its sums may stray because of models of vehicles, see [`stray`].
    unit: f64,
}

impl Walk {
    /// The same residuals, those outside first.
    fn by_side(&self, is_inside: impl Fn(f64) -> bool) -> Self {
        let (inside, outside): (Vec<_>, Vec<_>) = self.ordered.iter().partition(|(hour, _)| is_inside(*hour));
        Self { ordered: outside.into_iter().chain(inside).collect(), ..*self }
    }

    /// Residuals inside a stretch less those outside, fraction, and standard uncertainty, for t₄ noise and what models of vehicles add. What a
    /// fit leaves over of a change is less than the change: vehicles' biases take a part of it.
    fn effect(&self, (from, to): (usize, usize), interaction: Interaction) -> (f64, f64) {
        let residuals = |is_inside: bool| {
            let of_side = self.ordered.iter().enumerate();
            let of_side = of_side.filter(|(at, _)| (from <= *at && *at < to) == is_inside);
            let of_side = of_side.map(|(_, (_, scored))| (scored.z * scored.scale, scored.scale));
            location(&of_side.collect::<Vec<_>>())
        };
        let (Some((inside, u)), Some((outside, v))) = (residuals(true), residuals(false)) else {
            return (0.0, 0.0);
        };
        let weighed = |scored: &Scored| (scored.group, scored.scale.powi(-2), scored.scale.powi(-2));
        let mut sides = Sides::of(self.ordered.iter().map(|(_, scored)| weighed(scored)));
        self.ordered[from..to].iter().for_each(|(_, scored)| sides.enter(weighed(scored)));
        let models = interaction.standard_deviation * sides.excess().sqrt();
        (inside - outside, libm::hypot(libm::hypot(u, v), models))
    }

    fn finding(
        &self,
        world: &World<'_>,
        code: Code,
        (statistic, p): (f64, f64),
        (effect, inside): (f64, (usize, usize)),
        said: Phrase,
    ) -> Finding {
        let (from, to) = world.span(self.ordered.iter().map(|(_, scored)| scored.charge));
        let stretch = &self.ordered[inside.0..inside.1];
        let weighed =
            stretch.iter().map(|(_, scored)| (effect.signum() * scored.score(), scored.charge)).collect();
        Finding {
            subject: Subject::Pile(self.pile),
            code,
            severity: severity(effect, world.piles[self.pile].limit),
            statistic,
            p_value: Some(p),
            from,
            to,
            said: vec![said],
            evidence: heaviest(weighed),
        }
    }
}

fn walks(
    scored: &[Vec<Scored>],
    key: impl Fn(&Scored) -> Option<f64>,
    unit: impl Fn(&[(f64, Scored)]) -> f64,
) -> Vec<Walk> {
    let walk = |(pile, of_pile): (usize, &Vec<Scored>)| {
        let mut ordered: Vec<(f64, Scored)> =
            of_pile.iter().filter_map(|scored| Some((key(scored)?, *scored))).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (keys, scores): (Vec<f64>, Vec<f64>) =
            ordered.iter().map(|(key, scored)| (*key, scored.score())).unzip();
        let wandering = bridge::wandering(&scores, &keys).filter(|_| RESIDUALS_MIN <= ordered.len())?;
        let unit = unit(&ordered);
        Some(Walk { pile, ordered, wandering, unit })
    };
    scored.iter().enumerate().filter_map(walk).collect()
}

/// By how much the fleet wanders more than chance makes it, those piles left out that go their own way: what many do together is no scatter.
/// Never less than 1.
fn fleet_excess(found: &[Walk], usual: &[bool], statistic: impl Fn(&Walk) -> f64, chance: f64) -> f64 {
    let mut statistics: Vec<f64> = found.iter().filter(|walk| usual[walk.pile]).map(statistic).collect();
    let enough = FLEET_MIN <= statistics.len();
    median(&mut statistics).filter(|_| enough).map_or(1.0, |middle| (middle / chance).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: 25 scores of −1 ± 0.2 beside 400 of ±1: by their own scatter 1/√(0.0417/25 + 1.0025/400) = 15.5, by the stated one 1/√(1.1716/25 +
    // 1.0025/400) = 4.50.
    #[test]
    fn few_hours_that_agree_by_chance_scatter_as_scales_state() {
        let sums = |count: usize, middle: f64, off: f64| {
            let mut sums = Sums::default();
            (0..count).for_each(|n| sums.add(middle + if n % 2 == 0 { off } else { -off }));
            sums
        };
        let (few, rest) = (sums(25, -1.0, 0.2), sums(400, 0.0, 1.0));
        let (t, p) = few.against(&rest, (Interaction::default(), 0.0), 1.0).expect("enough");
        // The odd one moves the mean by 0.2/25.
        assert!((t + 4.50 * 0.992).abs() < 0.02, "{t}");
        assert!((1e-5..1e-3).contains(&p), "{p}");
    }
}
