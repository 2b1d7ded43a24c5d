//! A gain that switches at hours, or changed at a date, that nobody told: residuals that wander.
//!
//! The range (Kuiper) of partial sums in order of the hour, the excursion (Kolmogorov) in order of time. Effects that all piles
//! share in the same hour or week are taken off first.

use veripile_metrology::bridge::{self, Wandering};

use super::gains::{WEEK_S, more, severity};
use super::world::{FLEET_MIN, Scored, World, heaviest, median};
use super::{Code, Finding, Subject};

/// Residuals from which a wandering is asked for: a step in forty charges must be of a sigma to be seen at all.
const RESIDUALS_MIN: usize = 40;

/// Medians of the range and the excursion of a Brownian bridge (mpmath, roots of both series at 1/2).
const MEDIAN_RANGE: f64 = 1.223_488_019_724_78;
const MEDIAN_EXCURSION: f64 = 0.827_573_555_189_908;

/// Slope of scores against residuals.
const SLOPE: f64 = 0.792;

/// Asks every pile.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let mut asked = hours(world);
    asked.extend(steps(world));
    asked
}

fn hours(world: &World<'_>) -> Vec<Finding> {
    let hour = |charge: usize| world.charges[charge].local_hour.filter(|hour| hour.is_finite());
    let scored = world.without_common(|charge| charge.local_hour.map(|hour| hour as i64));
    let found = walks(&scored, |scored| hour(scored.charge));
    let spread = fleet_excess(&found, |found| found.wandering.range, MEDIAN_RANGE);
    let found = found.iter().map(|found| {
        let inside = found.wandering.stretch;
        let (effect, u) = found.effect(inside);
        let at = |place: usize| found.ordered.get(place).map_or(24.0, |(hour, _)| *hour);
        let detail = format!(
            "between {:.1} and {:.1} h the pile registers {} than at other hours",
            at(inside.0),
            at(inside.1),
            more(100.0 * effect, 100.0 * u)
        );
        let statistic = found.wandering.range / spread;
        let p = bridge::range_above(statistic);
        found.finding(world, Code::TimeOfDayGain, (statistic, p), (effect, inside), detail)
    });
    found.collect()
}

fn steps(world: &World<'_>) -> Vec<Finding> {
    let start = |charge: usize| world.charges[charge].started_at;
    let scored = world.without_common(|charge| Some(charge.started_at.as_second().div_euclid(WEEK_S)));
    let found = walks(&scored, |scored| Some(start(scored.charge).as_second() as f64));
    let spread = fleet_excess(&found, |found| found.wandering.excursion, MEDIAN_EXCURSION);
    let found = found.iter().map(|found| {
        let inside = (found.wandering.turn, found.ordered.len());
        let (effect, u) = found.effect(inside);
        let turn = found.ordered.get(inside.0).map(|(_, scored)| start(scored.charge));
        let since = turn.map_or(String::new(), |at| format!("since {} ", at.strftime("%Y-%m-%d")));
        let detail = format!("{since}the pile registers {} than before", more(100.0 * effect, 100.0 * u));
        let statistic = found.wandering.excursion / spread;
        let p = bridge::excursion_above(statistic);
        let finding = found.finding(world, Code::Step, (statistic, p), (effect, inside), detail);
        Finding { from: turn, ..finding }
    });
    found.collect()
}

/// A pile's residuals in an order, and how they wander.
struct Walk {
    pile: usize,
    ordered: Vec<(f64, Scored)>,
    wandering: Wandering,
}

impl Walk {
    /// Mean residual inside a stretch less that outside, fraction, and its standard uncertainty for t₄ noise.
    fn effect(&self, (from, to): (usize, usize)) -> (f64, f64) {
        let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
        for (at, (_, scored)) in self.ordered.iter().enumerate() {
            let side = usize::from(from <= at && at < to);
            sums[side] += scored.score();
            counts[side] += 1.0;
        }
        let mut scales: Vec<f64> = self.ordered.iter().map(|(_, scored)| scored.scale).collect();
        let scale = median(&mut scales).unwrap_or(0.0) / SLOPE;
        if counts[0] < 1.0 || counts[1] < 1.0 {
            return (0.0, 0.0);
        }
        let effect = sums[1] / counts[1] - sums[0] / counts[0];
        (scale * effect, scale * (1.0 / counts[0] + 1.0 / counts[1]).sqrt())
    }

    fn finding(
        &self,
        world: &World<'_>,
        code: Code,
        (statistic, p): (f64, f64),
        (effect, inside): (f64, (usize, usize)),
        detail: String,
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
            detail,
            evidence: heaviest(weighed),
        }
    }
}

fn walks(scored: &[Vec<Scored>], key: impl Fn(&Scored) -> Option<f64>) -> Vec<Walk> {
    let walk = |(pile, of_pile): (usize, &Vec<Scored>)| {
        let mut ordered: Vec<(f64, Scored)> =
            of_pile.iter().filter_map(|scored| Some((key(scored)?, *scored))).collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (keys, scores): (Vec<f64>, Vec<f64>) =
            ordered.iter().map(|(key, scored)| (*key, scored.score())).unzip();
        let wandering = bridge::wandering(&scores, &keys).filter(|_| RESIDUALS_MIN <= ordered.len())?;
        Some(Walk { pile, ordered, wandering })
    };
    scored.iter().enumerate().filter_map(walk).collect()
}

/// By how much the fleet wanders more than chance makes it; never less than 1.
fn fleet_excess(found: &[Walk], statistic: impl Fn(&Walk) -> f64, usual: f64) -> f64 {
    let mut statistics: Vec<f64> = found.iter().map(statistic).collect();
    median(&mut statistics)
        .filter(|_| FLEET_MIN <= found.len())
        .map_or(1.0, |middle| (middle / usual).max(1.0))
}
