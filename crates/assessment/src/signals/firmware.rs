//! Did the error change with the firmware? Asked of each pile by itself, and of all piles of a model that got one version.
//!
//! What most piles share in the same week is taken off first, if there are enough of them. How much such contrasts scatter is what piles show
//! at dates on which only others changed: the changes themselves are no measure of it, for all piles of a rollout gain alike.

use std::collections::BTreeMap;

use jiff::Timestamp;
use veripile_metrology::normal::QUANTILE_75;
use veripile_metrology::student;

use super::gains::{Expected, Found, judged, severity, with_regressor};
use super::said;
use super::world::{Effect, GROUP_MIN, Scored, World, common, heaviest, median};
use super::{Code, Finding, Phrase, SignalCharge, Subject};

/// Characters of a firmware's version in a finding: a charger may send anything.
const VERSION_CHARS_MAX: usize = 40;

/// Changes of firmware asked about per pile, the last ones: a pile that boots with another version every day must not make
/// every other question worthless.
const CHANGES_MAX: usize = 5;

/// Piles whose contrast at others' dates is computed, for one question: a spread and a middle of a hundred are known to a tenth.
const OTHERS_MAX: usize = 100;

/// Versions asked about as a whole, those of the most piles.
const VERSIONS_MAX: usize = 30;

/// Piles named in a finding on a version; its charges are of others, too.
const NAMED_MAX: usize = 10;

/// What piles of a model may share beside the firmware and others do not, fraction: where they stand, who charges there, the season. An
/// assumption, a twentieth of the limit of class 1: no rollout is told of for less than some four times that.
const OF_MODEL: f64 = 0.000_5;

/// Residuals of each pile, by time.
type Residuals = [Vec<Scored>];

/// Asks every pile and every version.
pub(super) fn ask(world: &World<'_>) -> Vec<Finding> {
    let without = world.without_common_by_week();
    let is_without = without.is_some();
    let scored = without.map_or(&world.scored, |(scored, _)| scored);
    let mut found = Vec::new();
    for (pile, fact) in world.piles.iter().enumerate() {
        let changes = &fact.firmware_changes;
        for change in &changes[changes.len().saturating_sub(CHANGES_MAX)..] {
            let version = change.version.chars().take(VERSION_CHARS_MAX).collect();
            let found_here = split(world, &scored[pile], pile, change.at);
            found.extend(found_here.map(|found| (change.at, Found { version, ..found })));
        }
    }
    let mut dates: Vec<Timestamp> = found.iter().map(|(at, _)| *at).collect();
    dates.sort_unstable();
    dates.dedup();
    let spread = spread(world, scored, &dates);
    let mut asked = together(world, scored, &found, is_without, spread);
    let found: Vec<Found> = found.into_iter().map(|(_, found)| found).collect();
    let say = |found: &Found, effect, u| Phrase::Firmware { version: found.version.clone(), effect, u };
    asked.extend(judged(world, Code::FirmwareStep, &found, Expected::Zero(spread), |_| 1.0, &say));
    asked
}

/// A pile's charges since a moment against those before it, up to its own changes of firmware before and after.
fn split(world: &World<'_>, scored: &[Scored], pile: usize, at: Timestamp) -> Option<Found> {
    let changes = &world.piles[pile].firmware_changes;
    let before = changes.iter().rev().map(|change| change.at).find(|change| *change < at);
    let after = changes.iter().map(|change| change.at).find(|change| at < *change);
    let regress = |charge: &SignalCharge<'_>| {
        let between = before.is_none_or(|before| before <= charge.started_at)
            && after.is_none_or(|after| charge.started_at < after);
        between.then(|| f64::from(u8::from(at <= charge.started_at)))
    };
    Found::of(world, pile, with_regressor(world, scored, &regress))
}

/// Whether a pile's own firmware changed at that moment.
fn changed(world: &World<'_>, pile: usize, at: Timestamp) -> bool {
    world.piles[pile].firmware_changes.iter().any(|change| change.at == at)
}

/// At most [`OTHERS_MAX`] of some piles, evenly.
fn some(piles: Vec<usize>) -> impl Iterator<Item = usize> {
    let step = piles.len().div_ceil(OTHERS_MAX).max(1);
    piles.into_iter().step_by(step)
}

/// By how much contrasts at dates of others scatter more than theory says; 1 at least, and where too few piles tell.
///
/// # Formula
/// Of each pile, in the longest time without a change of its own, the date nearest to the middle of its charges; `median|t| / 0.6745`.
fn spread(world: &World<'_>, scored: &Residuals, dates: &[Timestamp]) -> f64 {
    let of_pile = |pile: usize| {
        let starts: Vec<Timestamp> =
            scored[pile].iter().map(|scored| world.charges[scored.charge].started_at).collect();
        let changes = &world.piles[pile].firmware_changes;
        let mut cuts: Vec<usize> =
            changes.iter().map(|change| starts.partition_point(|start| *start < change.at)).collect();
        cuts.insert(0, 0);
        cuts.push(starts.len());
        let longest = cuts.windows(2).max_by_key(|cut| cut[1].saturating_sub(cut[0]))?;
        let middle = *starts.get(usize::midpoint(longest[0], longest[1]))?;
        let next = dates.partition_point(|date| *date < middle);
        let near = dates[next.saturating_sub(1)..].iter().take(2);
        let date = near.min_by_key(|date| date.duration_since(middle).abs())?;
        let found = (!changed(world, pile, *date)).then(|| split(world, &scored[pile], pile, *date));
        Some(found??.contrast.t().abs())
    };
    let mut sizes: Vec<f64> = some((0..world.piles.len()).collect()).filter_map(of_pile).collect();
    let enough = GROUP_MIN <= sizes.len();
    median(&mut sizes).filter(|_| enough).map_or(1.0, |size| (size / QUANTILE_75).max(1.0))
}

/// Piles that got a version, each with the last time that it did.
type Members<'f> = BTreeMap<usize, &'f (Timestamp, Found)>;

/// Model, version, and the piles that got it.
type Group<'f> = ((&'f str, &'f str), Members<'f>);

/// Each version of each model as a whole; told to every operator that has piles of it.
fn together<'f>(
    world: &'f World<'_>,
    scored: &Residuals,
    found: &'f [(Timestamp, Found)],
    is_without: bool,
    spread: f64,
) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, &str), Members<'_>> = BTreeMap::new();
    for change in found {
        let (_, found) = change;
        if let Some(model) = &world.piles[found.pile].model {
            groups.entry((model, &found.version)).or_default().insert(found.pile, change);
        }
    }
    let mut groups: Vec<Group<'_>> =
        groups.into_iter().filter(|(_, of_version)| GROUP_MIN <= of_version.len()).collect();
    groups.sort_by_key(|(_, of_version)| std::cmp::Reverse(of_version.len()));
    groups.truncate(VERSIONS_MAX);
    let rollouts =
        groups.into_iter().filter_map(|group| Rollout::of(world, scored, group, is_without, spread));
    rollouts.flat_map(|rollout| rollout.findings(world)).collect()
}

/// A version that many piles of a model got.
struct Rollout<'f> {
    model: &'f str,
    version: &'f str,
    members: Vec<&'f (Timestamp, Found)>,
    /// Against piles that did not get it.
    effect: Effect,
}

impl<'f> Rollout<'f> {
    /// # Formula
    /// The mean of effects, weighted by 1/u², its variance the larger of `s²/Σ 1/u²`, s the spread, and what the effects themselves scatter
    /// by; less the median of what piles of the same kind show at the middle date that did not get it then. None where neither others nor
    /// what all share tell what a pile without it would show.
    fn of(
        world: &World<'_>,
        scored: &Residuals,
        ((model, version), members): Group<'f>,
        is_without: bool,
        spread: f64,
    ) -> Option<Self> {
        let effects: Vec<Effect> = members.values().map(|(_, found)| effect(found)).collect();
        let mut dates: Vec<Timestamp> = members.values().map(|(at, _)| *at).collect();
        dates.sort_unstable();
        let date = dates[dates.len() / 2];
        let kind = members.keys().next().map(|pile| world.piles[*pile].kind)?;
        let others = (0..world.piles.len()).filter(|pile| {
            !members.contains_key(pile) && world.piles[*pile].kind == kind && !changed(world, *pile, date)
        });
        let others = some(others.collect()).filter_map(|pile| split(world, &scored[pile], pile, date));
        let others: Vec<Effect> = others.map(|found| effect(&found)).collect();
        let (usual, of_usual) = common(&others).or(is_without.then_some((0.0, 0.0)))?;
        let (mean, u) = mean(&effects, spread);
        let u = libm::hypot(libm::hypot(u, of_usual * spread), OF_MODEL);
        let members = members.into_values().collect();
        Some(Self { model, version, members, effect: (mean - usual, u) })
    }

    /// Student's t with as many degrees of freedom as piles, less one.
    fn findings(&self, world: &World<'_>) -> Vec<Finding> {
        let (mean, u) = self.effect;
        let t = mean / u;
        let p_value = 2.0 * student::cdf(-t.abs(), self.members.len() as f64 - 1.0);
        let mut subjects: BTreeMap<Subject, Vec<&(Timestamp, Found)>> = BTreeMap::new();
        for member in &self.members {
            let operator = world.piles[member.1.pile].operator;
            // Of piles without an operator the first one is told for all.
            let first = || self.members.iter().find(|(_, other)| world.piles[other.pile].operator.is_none());
            let subject =
                operator.map(Subject::Operator).or(first().map(|(_, first)| Subject::Pile(first.pile)));
            subjects.entry(subject.unwrap_or(Subject::Pile(member.1.pile))).or_default().push(member);
        }
        let finding = |(subject, members): (Subject, Vec<&(Timestamp, Found)>)| {
            let ids = members.iter().map(|(_, found)| world.piles[found.pile].pile_id.as_str());
            let ids: Vec<&str> = ids.take(NAMED_MAX).collect();
            let limits = members.iter().map(|(_, found)| world.piles[found.pile].limit);
            let (effect, u) = said::effect((mean, u));
            let said = Phrase::FirmwareOfMany {
                version: self.version.to_owned(),
                model: self.model.to_owned(),
                count: self.members.len().to_string(),
                piles: ids.join(", "),
                effect,
                u,
            };
            let (_, to) = world.span(members.iter().flat_map(|(_, found)| found.charges.iter().copied()));
            let clearest = members.iter().filter_map(|(_, found)| found.clearest(mean.signum()));
            Finding {
                subject,
                code: Code::FirmwareStep,
                severity: severity(mean, limits.fold(f64::INFINITY, f64::min)),
                statistic: t,
                p_value: Some(p_value),
                from: members.iter().map(|(at, _)| *at).min(),
                to,
                said: vec![said],
                evidence: heaviest(clearest.collect()),
            }
        };
        subjects.into_iter().map(finding).collect()
    }
}

fn effect(found: &Found) -> Effect {
    (found.contrast.effect, found.contrast.standard_uncertainty)
}

fn mean(effects: &[Effect], spread: f64) -> Effect {
    let weights: f64 = effects.iter().map(|(_, u)| u.powi(-2)).sum();
    let mean = effects.iter().map(|(effect, u)| effect / (u * u)).sum::<f64>() / weights;
    let scatter: f64 = effects.iter().map(|(effect, u)| ((effect - mean) / (u * u)).powi(2)).sum();
    let count = effects.len() as f64;
    let scatter = scatter / (weights * weights) * count / (count - 1.0);
    (mean, scatter.max(spread * spread / weights).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: weights 10⁶, 10⁶, 0.25·10⁶; mean (1 + 3 + 2·0.25)/2.25 = 2 in thousandths, model 1/2.25 = (0.667)²; scatter of 10³·(−1, 1, 0):
    /// 2/2.25² · 3/2 = 0.593 = (0.77)².
    #[test]
    fn a_mean_is_as_uncertain_as_its_parts_or_as_they_scatter() {
        let effects = [(0.001, 0.001), (0.003, 0.001), (0.002, 0.002)];
        let (value, u) = mean(&effects, 1.0);
        assert!((value - 0.002).abs() < 1e-15 && (u - 0.000_769_8).abs() < 1e-7, "{value} {u}");
        let (_, wide) = mean(&effects, 2.0);
        assert!((wide - 0.001_333_3).abs() < 1e-7, "{wide}");
    }
}
