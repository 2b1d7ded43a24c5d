//! Errors of instruments as they drift, week by week: a filter for the running platform and a smoother for looking back.
//!
//! Called by `assessment`. [`State`] is all that is kept from week to week, a plain value of bounded size: a new week costs the same
//! after a month and after ten years. Steps are told by [`crate::change_point`] from the innovations. It estimates no scale of noise
//! and no travellers' spread: [`crate::comparison`] does.
//!
//! # Model
//! metrology.md §2.4: `y_s = e_i + a_ik − c − d_t + ε_s`, `ε_s ~ t_4(0, σ_s²)`, `d_t ~ N(0, σ_b²)`, `a_ik ~ N(0, σ_i²)` of instrument i and
//! the traveller's model k ([`cells`]); `e_i`, `c` and `d_t` are random walks, `d_t` one that stays within `σ_b`. An anchor is an observation of
//! `e_i`. All in logarithms, `e` for `ln(1+e)`. Of a calibrated traveller the bias `c + d_t` is known beforehand, `~ N(b, u²)`, and not that it is
//! like the others'.
//!
//! # Method
//! Unknowns are c and `ẽ_i = e_i − c`; comparisons see only `ẽ_i − d_t`. Within a week travellers are eliminated exactly, and so
//! they would be between weeks if nothing drifted: what is kept is, for each pair of traveller and instrument, the weight w of its
//! comparisons and their mean y, a factor `w (ẽ_i − d_t − y)²` of the posterior; travellers are eliminated anew from them. Keeping
//! each traveller's mean and variance instead would forget that its error is that of the instruments it visited, and
//! count their evidence again each week. A calibration is one more factor of its traveller, `(c + d_t − b)²/u²` in the place of
//! `d_t²/σ_b²`: it is kept beside the pairs, weakened as they are, and a newer one takes its place, so that none counts twice.
//!
//! Drift is common to all factors of an instrument, which couples them; kept apart, they are weakened instead, each by
//! `1 + q_i W_i + q_t W_t` with `W_i`, `W_t` the weight of all pairs of the instrument, the traveller. As `1 1ᵀ ≼ diag(W_i/w)` on the
//! factors of one instrument, that never claims more than the exact posterior of the pairs, and as much of the instrument itself.
//!
//! What an energy balance says of the instruments behind one master ([`Information`]) is not kept: it is brought with each week, as it is known by
//! then of all intervals together, and counts in that week only. Its master's error, losses and efficiencies are the same ones in all weeks: a
//! week's balance added to those before would count what is presumed of them each week, and tell a level ever better that no master told. So
//! whatever the weeks, a network without an anchor knows its level as well as its balances do, and no better. Innovations are of what is kept,
//! without it: a balance takes an instrument that changed meanwhile for one all the while, and says of its neighbours what is its own.
//!
//! Two things are not exact and not bounded, but measured (tests, and the numbers there): an anchored instrument's drift is taken to
//! be another for the anchor than for its pairs, and the common walk, exact for anchors, is left out of the pairs, whose `ẽ` follow it
//! late. In the reference-like city 95 % intervals cover 0.94 to 0.96, and 0.95 to 0.975 where travellers keep to three instruments.

mod cells;
mod equations;
mod innovation;
mod packed;
mod smoother;
mod walk;
mod week;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::balance::Information;
use cells::{Cell, Room};
pub use innovation::Innovation;
pub use packed::Packed;
pub use smoother::{Snapshot, smooth};

/// Degrees of freedom of the noise.
const NU: f64 = 4.0;

/// Information of a comparison with t_4 noise, in units of 1/σ²: (ν+1)/(ν+3).
const EFFICIENCY: f64 = (NU + 1.0) / (NU + 3.0);

/// Instruments: the dense part takes 0.1 GB, and its cost grows with the cube.
pub const INSTRUMENTS_MAX: usize = 3_000;

/// Travellers: a country's fleet that charges in public in one state would be split by city.
pub const TRAVELLERS_MAX: usize = 1_000_000;

/// Comparisons of one week.
pub const COMPARISONS_MAX: usize = 1_000_000;

/// A traveller not seen for this many weeks is eliminated for good, which keeps what it said of the instruments and forgets who said
/// it: half a year, so that the state is as large as the fleet that travels, not as history. If it comes back it is a new one.
const IDLE_WEEKS_MAX: f64 = 26.0;

/// Pairs kept of one traveller, the weightiest: its cost grows with their square, and few vehicles know more chargers. What is dropped is
/// forgotten, which claims less.
const PAIRS_MAX: usize = 64;

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Index of the instrument.
    pub instrument: usize,
    /// Index of the traveller.
    pub traveller: usize,
    /// ln(value by instrument / value by traveller), covariates and model taken out.
    pub log_ratio: f64,
    /// σ_s², square of the scale of its t_4 noise.
    pub variance: f64,
}

/// A result that gives a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Index of the instrument.
    pub instrument: usize,
    /// ln(1 + its error).
    pub log_error: f64,
    /// Standard uncertainty of that.
    pub standard_uncertainty: f64,
}

/// The calibration of a traveller: what is known of its bias before it compared anything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Index of the traveller.
    pub traveller: usize,
    /// Its bias, in logarithms: of one that reads too much it is positive.
    pub bias: f64,
    /// Standard uncertainty of that at the end of the week, with the drift between its day and then.
    pub standard_uncertainty: f64,
}

/// What a week brings. Indices mean the same in every week; new ones come at the end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Week {
    /// Weeks since the last one, 1 if none is missing; what the first one says does not matter.
    pub elapsed_weeks: f64,
    /// Instruments there are now.
    pub instruments: usize,
    /// Travellers there are now.
    pub travellers: usize,
    /// Comparisons, in any order: not one bit of the result depends on it.
    pub comparisons: Vec<Comparison>,
    /// Anchors.
    pub anchors: Vec<Anchor>,
    /// Calibrations, each in the place of what was known of its traveller before. One that is kept weakens with time; it need not be brought
    /// again.
    pub calibrations: Vec<Calibration>,
    /// What balances say of instruments' errors at the end of the week, all of their intervals together, in the place of what they said before: it
    /// counts in this week, and is not kept. None of an instrument that has become another since the intervals began ([`Information::of`]).
    pub information: Vec<Information>,
    /// Models of travellers, by their index and a number of the caller's that means the same in every week. Of one whose model is known it is
    /// passed over: what its pairs say was told of that.
    pub models: Vec<(usize, usize)>,
    /// Travellers whose bias was drawn anew before this week (another battery management, say). The caller must be told of it: it is not
    /// looked for. Of one that is not told, comparisons deviate and count for little (t_4) until the walk has followed; that the instruments
    /// it meets are met by others too is what they rest on meanwhile.
    pub resets: Vec<usize>,
}

/// Priors and walks, fractions; a walk is a standard deviation after one week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// √q of instruments.
    pub instrument_walk: f64,
    /// √q of travellers.
    pub traveller_walk: f64,
    /// √q of calibrated travellers.
    pub calibrated_walk: f64,
    /// √q of c.
    pub common_walk: f64,
    /// σ_b.
    pub traveller_sd: f64,
    /// σ_i; zero: instruments read all models alike.
    pub interaction_sd: f64,
    /// Prior of c.
    pub common_sd: f64,
    /// Prior of ẽ of a new instrument: wide, so that the data decide.
    pub instrument_sd: f64,
}

impl Default for Settings {
    /// Instruments walk 0.1 % in a year, as anchors are taken to; travellers somewhat more, calibrated ones twice as much; the rest as in
    /// metrology.md §2.1, but for c, of which as little is presumed as in a whole comparison, and interactions, of which the caller must know.
    fn default() -> Self {
        Self {
            instrument_walk: 0.000_14,
            traveller_walk: 0.000_2,
            calibrated_walk: 0.000_28,
            common_walk: 0.000_1,
            traveller_sd: 0.015,
            interaction_sd: 0.0,
            common_sd: 0.1,
            instrument_sd: 0.1,
        }
    }
}

/// What a traveller's comparisons with one instrument say, together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Pair {
    instrument: usize,
    /// w.
    weight: f64,
    /// w y.
    weighted: f64,
}

/// What a traveller's calibration says of `c + d`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Known {
    /// 1/u².
    weight: f64,
    /// b/u².
    weighted: f64,
}

/// What is kept of a traveller.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Traveller {
    idle_weeks: f64,
    /// None of one that is taken to be like the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known: Option<Known>,
    /// None where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<usize>,
    /// In the order of instruments.
    pairs: Vec<Pair>,
}

impl Traveller {
    /// Weight of everything that speaks of its bias: pairs, and a calibration.
    fn weight(&self) -> f64 {
        let pairs: f64 = self.pairs.iter().map(|pair| pair.weight).sum();
        self.known.map_or(pairs, |known| pairs + known.weight)
    }

    /// Σ w y, a calibration taken for a pair that sees `−b` at `−c`.
    fn weighted(&self) -> f64 {
        let pairs: f64 = self.pairs.iter().map(|pair| pair.weighted).sum();
        self.known.map_or(pairs, |known| pairs - known.weighted)
    }

    /// How its bias hangs on (c, ẽ…): unknown and weight, below zero where it falls with it.
    fn along(&self) -> impl Iterator<Item = (usize, f64)> {
        let known = self.known.iter().map(|known| (0, -known.weight));
        known.chain(self.pairs.iter().map(|pair| (pair.instrument + 1, pair.weight)))
    }

    /// Drops the lightest pairs beyond [`PAIRS_MAX`].
    fn limit(&mut self) {
        if self.pairs.len() <= PAIRS_MAX {
            return;
        }
        self.pairs.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.instrument.cmp(&b.instrument)));
        self.pairs.truncate(PAIRS_MAX);
        self.pairs.sort_by_key(|pair| pair.instrument);
    }
}

/// All that is kept between weeks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Information on (c, ẽ…) not in pairs: priors, anchors, travellers eliminated for good.
    base: Packed,
    right: Vec<f64>,
    travellers: Vec<Traveller>,
    /// Of which something is in the base, in order; states of before told of none.
    #[serde(default)]
    cells: Vec<Cell>,
}

/// An instrument's error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// ln(1+e).
    pub log_error: f64,
    /// Standard uncertainty. Without anchors it contains the prior of c (1 %), and so says that there is no level.
    pub standard_uncertainty: f64,
}

/// What a week gave.
#[derive(Debug, Clone)]
pub struct Update {
    /// By instrument, at the end of the week.
    pub estimates: Vec<Estimate>,
    /// By instrument; none without comparisons.
    pub innovations: Vec<Option<Innovation>>,
    /// For [`smooth`], if the caller keeps history.
    pub snapshot: Snapshot,
}

/// Why a week was not taken in; the state is as before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DriftError {
    /// An index is out of range, or a number is not finite or not positive where it must be.
    #[error("comparison {0} is malformed")]
    MalformedComparison(usize),
    /// Likewise.
    #[error("anchor {0} is malformed")]
    MalformedAnchor(usize),
    /// Likewise of what a balance says, or it names an instrument twice.
    #[error("information {0} is malformed")]
    MalformedInformation(usize),
    /// Fewer instruments or travellers than before, a reset of none, or a negative time.
    #[error("the week is malformed")]
    MalformedWeek,
    /// More than is taken.
    #[error("the week is larger than the filter takes")]
    TooLarge,
    /// A state that this filter did not write.
    #[error("the state is malformed")]
    MalformedState,
    /// The equations cannot be solved to working accuracy.
    #[error("the filter is degenerate")]
    Singular,
}

impl State {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The model of a traveller, by the caller's number; none where it is not known.
    pub fn model(&self, traveller: usize) -> Option<usize> {
        self.travellers.get(traveller)?.model
    }

    /// Takes in a week.
    pub fn advance(&mut self, week: &Week, settings: &Settings) -> Result<Update, DriftError> {
        let (next, update) = self.advanced(week, settings)?;
        *self = next;
        Ok(update)
    }

    /// The state after a week, and what the week gave; this one stays.
    pub fn advanced(&self, week: &Week, settings: &Settings) -> Result<(Self, Update), DriftError> {
        self.check(week)?;
        let mut next = self.clone();
        if !next.right.is_empty() {
            next.walk(week.elapsed_weeks, settings).ok_or(DriftError::Singular)?;
        }
        next.grow(week, settings);
        for (traveller, model) in &week.models {
            next.travellers[*traveller].model.get_or_insert(*model);
        }
        next.eliminate(&week.resets, settings);
        for calibration in &week.calibrations {
            let weight = calibration.standard_uncertainty.powi(-2);
            let known = Known { weight, weighted: weight * calibration.bias };
            next.travellers[calibration.traveller].known = Some(known);
        }
        let update = next.take_in(week, settings).ok_or(DriftError::Singular)?;
        next.travellers.iter_mut().for_each(Traveller::limit);
        // A calibrated one stays: were it a new one when it comes back, its calibration would count twice.
        let is_idle = |at: &usize| {
            let traveller = &next.travellers[*at];
            IDLE_WEEKS_MAX < traveller.idle_weeks && traveller.known.is_none()
        };
        let idle: Vec<usize> = (0..next.travellers.len()).filter(is_idle).collect();
        next.eliminate(&idle, settings);
        Ok((next, update))
    }

    /// Forgets everything known of an instrument, what travellers had learnt from it included: after a step, when it is another.
    pub fn forget(&mut self, instrument: usize, settings: &Settings) {
        for traveller in &mut self.travellers {
            traveller.pairs.retain(|pair| pair.instrument != instrument);
        }
        if instrument + 1 < self.right.len() {
            self.base.eliminate(instrument + 1, &mut self.right);
            self.base.add(instrument + 1, instrument + 1, settings.instrument_sd.powi(-2));
        }
        self.cells.retain(|cell| cell.instrument != instrument);
    }

    /// Drops travellers of whom nothing is kept: which stay, by their index before.
    pub fn forget_idle(&mut self) -> Vec<bool> {
        let stay: Vec<bool> = self.travellers.iter().map(|traveller| !traveller.pairs.is_empty()).collect();
        self.travellers.retain(|traveller| !traveller.pairs.is_empty());
        stay
    }

    /// Pairs kept: what the state's size grows with.
    pub fn pairs(&self) -> usize {
        self.travellers.iter().map(|traveller| traveller.pairs.len()).sum()
    }

    fn check(&self, week: &Week) -> Result<(), DriftError> {
        let size = self.right.len();
        let is_sound = |pair: &Pair| {
            pair.instrument + 1 < size
                && pair.weight.is_finite()
                && 0.0 <= pair.weight
                && pair.weighted.is_finite()
        };
        let are_pairs_sound = self.travellers.iter().flat_map(|traveller| &traveller.pairs).all(is_sound);
        let mut known = self.travellers.iter().filter_map(|traveller| traveller.known);
        let are_known_sound = known.all(|known| is_positive(known.weight) && known.weighted.is_finite());
        if !are_pairs_sound
            || !are_known_sound
            || !self.cells.iter().all(|cell| cell.is_sound(size))
            || !self.base.is_sound(size)
            || !self.right.iter().all(|value| value.is_finite())
        {
            return Err(DriftError::MalformedState);
        }
        if INSTRUMENTS_MAX < week.instruments
            || TRAVELLERS_MAX < week.travellers
            || COMPARISONS_MAX < week.comparisons.len()
        {
            return Err(DriftError::TooLarge);
        }
        if week.instruments + 1 < size
            || week.travellers < self.travellers.len()
            || week.resets.iter().any(|traveller| week.travellers <= *traveller)
            || week.models.iter().any(|(traveller, _)| week.travellers <= *traveller)
            || !week.calibrations.iter().all(|calibration| calibration.is_sound(week.travellers))
            || !(0.0 <= week.elapsed_weeks && week.elapsed_weeks.is_finite())
        {
            return Err(DriftError::MalformedWeek);
        }
        let is_comparison = |comparison: &Comparison| {
            comparison.instrument < week.instruments
                && comparison.traveller < week.travellers
                && comparison.log_ratio.is_finite()
                && is_positive(comparison.variance)
        };
        if let Some(at) = week.comparisons.iter().position(|comparison| !is_comparison(comparison)) {
            return Err(DriftError::MalformedComparison(at));
        }
        let is_anchor = |anchor: &Anchor| {
            anchor.instrument < week.instruments
                && anchor.log_error.is_finite()
                && is_positive(anchor.standard_uncertainty)
        };
        if let Some(at) = week.anchors.iter().position(|anchor| !is_anchor(anchor)) {
            return Err(DriftError::MalformedAnchor(at));
        }
        match week.information.iter().position(|told| !is_information(told, week.instruments)) {
            Some(at) => Err(DriftError::MalformedInformation(at)),
            None => Ok(()),
        }
    }

    /// Room for what is new.
    fn grow(&mut self, week: &Week, settings: &Settings) {
        self.travellers.resize_with(week.travellers, Traveller::default);
        for at in self.right.len()..=week.instruments {
            let sd = if at == 0 { settings.common_sd } else { settings.instrument_sd };
            self.right.push(0.0);
            self.base.grow();
            self.base.add(at, at, sd.powi(-2));
        }
    }

    /// Puts what travellers said of the instruments, and by their calibrations of their level, into the base and forgets the travellers.
    fn eliminate(&mut self, travellers: &[usize], settings: &Settings) {
        if travellers.is_empty() {
            return;
        }
        let mut room = self.room(settings);
        for traveller in travellers {
            self.eliminate_traveller(*traveller, &mut room, settings);
        }
        self.cells = room.cells();
    }

    fn eliminate_traveller(&mut self, traveller: usize, room: &mut Room, settings: &Settings) {
        let gone = std::mem::take(&mut self.travellers[traveller]);
        self.travellers[traveller].model = gone.model;
        let counted = room.counted(&gone);
        room.spend(&gone);
        let own = equations::Conditional::of(&counted, settings.traveller_sd);
        let along: Vec<(usize, f64)> = counted.along().collect();
        for (position, (at, weight)) in along.iter().enumerate() {
            self.base.add(*at, *at, weight.abs());
            for (other, of_other) in &along[..=position] {
                self.base.add(*at, *other, -own.variance * weight * of_other);
            }
        }
        own.add_right(&counted, &mut self.right);
    }
}

impl Calibration {
    fn is_sound(&self, travellers: usize) -> bool {
        self.traveller < travellers && self.bias.is_finite() && is_positive(self.standard_uncertainty)
    }
}

/// Whether it is of that many instruments, of each once, in finite numbers.
fn is_information(told: &Information, instruments: usize) -> bool {
    let count = told.instruments.len();
    let mut named = told.instruments.clone();
    named.sort_unstable();
    named.dedup();
    named.len() == count
        && named.last().is_none_or(|last| *last < instruments)
        && (told.matrix.size(), told.right.len()) == (count, count)
        && told.right.iter().all(|value| value.is_finite())
        && (0..count).all(|row| (0..=row).all(|column| told.matrix.get(row, column).is_finite()))
}

fn is_positive(value: f64) -> bool {
    0.0 < value && value.is_finite()
}

#[cfg(test)]
mod tests;
