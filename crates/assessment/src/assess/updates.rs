//! Models, and single vehicles, that read otherwise since a date, as after an update of their software: found in what a fit with one bias a
//! vehicle has left over.
//!
//! Called by [`super::steps`] before it looks for piles that changed: the piles that such vehicles frequent would seem to. What is found
//! accuses no pile.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use veripile_metrology::change_point::chance_of;
use veripile_metrology::comparison::Fit;
use veripile_metrology::contrast::{CUT, SLOPE};

use super::network::Given;
use super::steps::FoundStep;
use crate::common::{WEEK_S, week};
use crate::evidence::Evidence;

/// Probability at which an update is believed, over all that are asked together: as that of a pile's step.
const BELIEVED: f64 = 0.01;

/// Charges of a model, or vehicle, on either side of its update.
const CHARGES_MIN: usize = 20;

/// What piles tell of an update without the one that tells most must be so many standard deviations: one pile may read one model, or vehicle,
/// otherwise since a date, and that is the pile's.
const ELSEWHERE: f64 = 3.0;

/// A smaller update, fraction, is left alone: it moves no pile by as much as is asked of it, and whoever is taken for two vehicles says less.
const SIZE_MIN: f64 = 0.003;

/// Updates of one lie so many weeks apart: what is left over of one beside its date is no other.
const APART_WEEKS: i64 = 3;

/// Updates looked for at once at most, the clearest first.
const UPDATES_MAX: usize = 16;

/// Weeks looked through at most, the last ones: ten years.
const WEEKS_MAX: i64 = 522;

/// Who was updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// All vehicles of a model, by its number in the evidence.
    Model(usize),
    /// A vehicle by itself.
    Vehicle(usize),
}

/// When each was updated, ascending, and by how much it reads more since, fraction.
pub(super) type Updates = BTreeMap<Who, Vec<(Timestamp, f64)>>;

/// Vehicles that read otherwise than before: they are others from then on, and no pile is to blame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Updated {
    /// Number of the model in the evidence: which it is, the caller knows. None of a vehicle by itself.
    #[serde(skip)]
    pub model: Option<usize>,
    /// Index of the vehicle in the evidence; none of a model.
    #[serde(skip)]
    pub vehicle: Option<usize>,
    /// Begin of the week since which.
    pub at: Timestamp,
    /// By about how much they read more since, percent.
    pub size_percent: f64,
}

/// All of them, models first, by time.
pub(super) fn told(updates: &Updates) -> Vec<Updated> {
    let of_one = |(who, moments): (&Who, &Vec<(Timestamp, f64)>)| {
        let (model, vehicle) = match *who {
            Who::Model(model) => (Some(model), None),
            Who::Vehicle(vehicle) => (None, Some(vehicle)),
        };
        let told =
            |(at, size): &(Timestamp, f64)| Updated { model, vehicle, at: *at, size_percent: 100.0 * size };
        moments.iter().map(told).collect::<Vec<_>>()
    };
    updates.iter().flat_map(of_one).collect()
}

/// Adds what a fit tells of further updates of models; whether it tells of any.
pub(super) fn models(evidence: &Evidence, given: &Given<'_>, fit: &Fit, updates: &mut Updates) -> bool {
    let all: Vec<Who> = (0..evidence.models).map(Who::Model).collect();
    2 <= evidence.models && find(evidence, given, fit, &all, updates)
}

/// The same of vehicles that made half and more of the charges of a pile that seems to have changed, and that charge elsewhere, too.
pub(super) fn vehicles(
    evidence: &Evidence,
    given: &Given<'_>,
    fit: &Fit,
    steps: &[FoundStep],
    updates: &mut Updates,
) -> bool {
    let mut visits: BTreeMap<usize, BTreeMap<usize, usize>> =
        steps.iter().map(|step| (step.pile, BTreeMap::new())).collect();
    for charge in given.compared.iter().map(|at| &evidence.charges[*at as usize]) {
        if let Some(visits) = visits.get_mut(&charge.pile) {
            *visits.entry(charge.vehicle).or_default() += 1;
        }
    }
    let regular = visits.values().flat_map(|visits| {
        let all: usize = visits.values().sum();
        visits.iter().filter(move |(_, count)| all <= 2 * **count).map(|(vehicle, _)| *vehicle)
    });
    let regular: BTreeSet<usize> = regular.collect();
    let regular: Vec<Who> = regular.into_iter().map(Who::Vehicle).collect();
    !regular.is_empty() && find(evidence, given, fit, &regular, updates)
}

/// Looks for updates of some, and whether there were any.
///
/// # Formula
/// Of each k of them, instrument p and week: `d = mean of k's scores − mean of all others' there`, weight `w = n_k n_o/(n_k + n_o)`: whatever
/// the instrument did is in both. For each week τ and p: d after less d before, with `i = W₁W₂/(W₁ + W₂)`; over all p `D = Σ i d/Σ i`,
/// `t = Σ i d/√(v Σ i)`, v the scores' mean square. Of k and all others the one is meant that moved by itself. Its D is taken off its
/// scores before the next is looked for.
fn find(evidence: &Evidence, given: &Given<'_>, fit: &Fit, all: &[Who], updates: &mut Updates) -> bool {
    let mut table = Table::of(evidence, given, fit, all);
    let scale =
        fit.residuals.iter().map(|residual| residual.scale).sum::<f64>() / fit.residuals.len().max(1) as f64;
    let mut is_any = false;
    for _ in 0..UPDATES_MAX {
        let clearest = all.iter().enumerate().filter_map(|(at, who)| {
            let known = updates.get(who).map_or(&[][..], Vec::as_slice);
            Some((at, table.turn(at, SIZE_MIN * SLOPE / scale, known)?))
        });
        let Some((one, turn)) = clearest.max_by(|(_, a), (_, b)| a.t.abs().total_cmp(&b.t.abs())) else {
            break;
        };
        let Ok(at) = Timestamp::from_second((table.first + turn.week as i64) * WEEK_S) else { break };
        table.take_off(one, &turn);
        let moments = updates.entry(all[one]).or_default();
        moments.push((at, -turn.difference / SLOPE * scale));
        moments.sort_by_key(|(at, _)| *at);
        is_any = true;
    }
    is_any
}

/// Charges of one group of vehicles at one instrument in one week.
struct Cell {
    week: usize,
    /// Place in [`Table::totals`].
    total: usize,
    sum: f64,
    count: f64,
}

/// Group, week from the first on, and score of a charge: of ten million it matters how wide that is.
type Scored = (Option<u32>, u32, f32);

/// Scores by instrument, week and group of vehicles: the models, or vehicles, that are asked.
struct Table {
    /// Number of the first week.
    first: i64,
    weeks: usize,
    /// Mean square of a score.
    square: f64,
    /// Sum and number of all scores of an instrument in a week.
    totals: Vec<(f64, f64)>,
    /// Of each group, by instrument, in the order of weeks.
    groups: Vec<Vec<Vec<Cell>>>,
}

/// What one week says of an update at its begin.
#[derive(Clone, Copy, Default)]
struct Sums {
    /// Σ i, Σ i d, and the same without controls.
    information: f64,
    beside: f64,
    alone: f64,
    /// i and i d of the instrument that tells most.
    most: (f64, f64),
}

/// An update.
struct Turn {
    week: usize,
    /// Of scores.
    difference: f64,
    t: f64,
}

impl Table {
    /// Of those that are asked; all others are what they are held against.
    fn of(evidence: &Evidence, given: &Given<'_>, fit: &Fit, all: &[Who]) -> Self {
        let places: BTreeMap<Who, u32> = all.iter().copied().zip(0..).collect();
        let of_vehicle = |vehicle: usize| {
            let model = evidence.vehicle_models[vehicle].and_then(|model| places.get(&Who::Model(model)));
            model.or_else(|| places.get(&Who::Vehicle(vehicle))).copied()
        };
        let charge = |at: usize| &evidence.charges[given.compared[at] as usize];
        let weeks = || (0..given.compared.len()).map(|at| week(charge(at).ended_at));
        let last = weeks().max().unwrap_or(0);
        let first = weeks().min().unwrap_or(0).max(last - WEEKS_MAX + 1);
        let mut by_instrument: Vec<Vec<Scored>> = vec![Vec::new(); given.network.instruments];
        let (mut square, mut count) = (0.0, 0.0);
        for (at, instrument) in given.network.comparisons.instruments().iter().enumerate() {
            let charge = charge(at);
            let Ok(week) = u32::try_from(week(charge.ended_at) - first) else { continue };
            let score = fit.residuals[at].standardised.clamp(-CUT, CUT);
            (square, count) = (square + score * score, count + 1.0);
            by_instrument[*instrument as usize].push((of_vehicle(charge.vehicle), week, score as f32));
        }
        let mut table = Self {
            first,
            weeks: usize::try_from(last - first + 1).unwrap_or(0),
            square: square / f64::max(count, 1.0),
            totals: Vec::new(),
            groups: Vec::new(),
        };
        table.groups.resize_with(all.len(), Vec::new);
        by_instrument.into_iter().for_each(|scores| table.add(&scores));
        table
    }

    /// Adds an instrument's.
    fn add(&mut self, scores: &[Scored]) {
        let (mut places, mut own) = (BTreeMap::<usize, usize>::new(), BTreeMap::<_, (f64, f64)>::new());
        for (group, week, score) in scores {
            let (week, score) = (*week as usize, f64::from(*score));
            let place = *places.entry(week).or_insert(self.totals.len());
            if place == self.totals.len() {
                self.totals.push((0.0, 0.0));
            }
            let (sum, count) = &mut self.totals[place];
            (*sum, *count) = (*sum + score, *count + 1.0);
            if let Some(group) = group {
                let (sum, count) = own.entry((*group as usize, week)).or_default();
                (*sum, *count) = (*sum + score, *count + 1.0);
            }
        }
        let mut last = None;
        for ((group, week), (sum, count)) in own {
            let of_group = &mut self.groups[group];
            if last != Some(group) {
                of_group.push(Vec::new());
            }
            last = Some(group);
            if let Some(cells) = of_group.last_mut() {
                cells.push(Cell { week, total: places[&week], sum, count });
            }
        }
    }

    /// The clearest update of a group that is believed, of a size at least, in scores, and not beside those that are known.
    fn turn(&self, group: usize, least: f64, known: &[(Timestamp, f64)]) -> Option<Turn> {
        let (sums, before) = self.sums(group);
        let count = before.last().copied()?;
        let is_apart = |at: usize| {
            known.iter().all(|(moment, _)| APART_WEEKS <= (week(*moment) - self.first - at as i64).abs())
        };
        let believed = BELIEVED / self.groups.len() as f64;
        let turns = sums.iter().enumerate().skip(1).filter_map(|(at, sums)| {
            let Sums { information, beside, alone, most } = *sums;
            let is_met = CHARGES_MIN <= before[at - 1] && before[at - 1] + CHARGES_MIN <= count;
            let difference = beside / information;
            let t = beside / (self.square * information).sqrt();
            let elsewhere = (beside - most.1) / (self.square * (information - most.0)).sqrt();
            // Whatever one does all others seem to do the other way round.
            let moved_itself = difference.abs() <= 2.0 * alone / information * difference.signum();
            let is_one = is_met
                && least <= difference.abs()
                && ELSEWHERE <= elsewhere * t.signum()
                && moved_itself
                && is_apart(at);
            is_one.then_some(Turn { week: at, difference, t })
        });
        turns
            .max_by(|a, b| a.t.abs().total_cmp(&b.t.abs()))
            .filter(|turn| chance_of(turn.t, count, CHARGES_MIN) <= believed)
    }

    /// By week what it says of an update at its begin, and how many charges of the group were up to its end.
    fn sums(&self, group: usize) -> (Vec<Sums>, Vec<usize>) {
        let (mut sums, mut counts) = (vec![Sums::default(); self.weeks], vec![0.0; self.weeks]);
        for cells in &self.groups[group] {
            let told = cells.iter().filter_map(|cell| {
                let (sum, count) = self.totals[cell.total];
                let others = count - cell.count;
                let own = cell.sum / cell.count;
                let weight = cell.count * others / count;
                (0.5 < others)
                    .then(|| (cell.week, weight, weight * (own - (sum - cell.sum) / others), weight * own))
            });
            let told: Vec<(usize, f64, f64, f64)> = told.collect();
            cells.iter().for_each(|cell| counts[cell.week] += cell.count);
            let all =
                told.iter().fold((0.0, 0.0, 0.0), |all, (_, w, d, own)| (all.0 + w, all.1 + d, all.2 + own));
            let (mut next, mut then) = (0, (0.0, 0.0, 0.0));
            for (at, sums) in sums.iter_mut().enumerate() {
                while let Some((_, w, d, own)) = told.get(next).filter(|(week, ..)| *week < at) {
                    then = (then.0 + w, then.1 + d, then.2 + own);
                    next += 1;
                }
                if next == 0 || told.len() <= next {
                    continue;
                }
                let since = all.0 - then.0;
                let information = then.0 * since / all.0;
                let beside = information * ((all.1 - then.1) / since - then.1 / then.0);
                sums.information += information;
                sums.beside += beside;
                sums.alone += information * ((all.2 - then.2) / since - then.2 / then.0);
                if sums.most.0 < information {
                    sums.most = (information, beside);
                }
            }
        }
        let mut before = 0.0;
        let counts = counts.into_iter().map(|count| {
            before += count;
            before as usize
        });
        (sums, counts.collect())
    }

    /// Takes an update off the scores since.
    fn take_off(&mut self, group: usize, turn: &Turn) {
        for cell in self.groups[group].iter_mut().flatten().filter(|cell| turn.week <= cell.week) {
            cell.sum -= turn.difference * cell.count;
            self.totals[cell.total].0 -= turn.difference * cell.count;
        }
    }
}
