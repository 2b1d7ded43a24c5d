//! What an instrument reads otherwise of one model of travellers than of the others: however many comparisons of one model there are, they say no
//! more than this allows.
//!
//! # Formula
//! `a_ik ~ N(0, σ_i²)` is common to all comparisons of the cell (instrument i, model k) and not solved for. As `1 1ᵀ ≼ diag(1/α)` for any shares α
//! that add up to one, it is taken for noise of each pair's own, of variance `σ_i²/α`, α = w/W with W the weight of all the cell's pairs: a pair of
//! weight w counts as `s w`, `s = 1/(1 + σ_i² W)`. That never claims more than the exact posterior (tests), and a cell never more than 1/σ_i². A
//! traveller of unknown model is a model by itself.
//!
//! What is kept is w, not s w: so all of a cell's comparisons count alike, the last as the first, and a cell that a walk weakened, or an instrument
//! that is forgotten, needs no care. Pairs eliminated for good take their shares into the base; where A is gone the others have the rest,
//! `s = (1 − A)/(1 − A + σ_i² W)`, so that eliminating moves nothing. The base weakens with the walk, and shares come back: `A' = A/(1 + q A/σ_i²)`.
//! Then what is gone is known to `σ_i²/A'` at best, and with what came since it still says no more than 1/σ_i².

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Pair, Settings, State, Traveller};

/// A cell of which something went into the base.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) instrument: usize,
    model: usize,
    /// A, the share of `a_ik` that is gone: above 0, up to 1.
    spent: f64,
}

impl Cell {
    pub(super) fn is_sound(&self, size: usize) -> bool {
        self.instrument + 1 < size && (0.0..=1.0).contains(&self.spent)
    }

    /// Once an instrument walked by this variance.
    pub(super) fn walk(&mut self, variance: f64, settings: &Settings) {
        let interaction = settings.interaction_sd.powi(2);
        if 0.0 < interaction {
            self.spent /= 1.0 + self.spent * variance / interaction;
        }
    }
}

/// What cells have room for.
pub(super) struct Room {
    /// σ_i².
    interaction: f64,
    /// W and 1 − A by instrument and model; of others, 0 and 1.
    of_cells: HashMap<(usize, usize), (f64, f64)>,
}

impl Room {
    /// s of a pair.
    fn counts(&self, traveller: &Traveller, pair: &Pair) -> f64 {
        if self.interaction <= 0.0 {
            return 1.0;
        }
        let cell = traveller.model.and_then(|model| self.of_cells.get(&(pair.instrument, model)));
        let (weight, rest) = cell.copied().unwrap_or((pair.weight, 1.0));
        rest / (rest + self.interaction * weight)
    }

    /// A traveller with its pairs as they count.
    pub(super) fn counted(&self, traveller: &Traveller) -> Traveller {
        let mut counted = traveller.clone();
        for pair in &mut counted.pairs {
            let counts = self.counts(traveller, pair);
            pair.weight *= counts;
            pair.weighted *= counts;
        }
        counted
    }

    /// A traveller is eliminated for good.
    pub(super) fn spend(&mut self, traveller: &Traveller) {
        let Some(model) = traveller.model else { return };
        for pair in &traveller.pairs {
            if let Some((weight, rest)) = self.of_cells.get_mut(&(pair.instrument, model)) {
                let share = if pair.weight < *weight { pair.weight / *weight } else { 1.0 };
                *weight -= share * *weight;
                *rest -= share * *rest;
            }
        }
    }

    /// Cells of which something is gone, in order.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let gone = self.of_cells.iter().filter(|(_, (_, rest))| self.interaction > 0.0 && *rest < 1.0);
        let cell = |((instrument, model), (_, rest)): (&(usize, usize), &(f64, f64))| Cell {
            instrument: *instrument,
            model: *model,
            spent: 1.0 - rest,
        };
        let mut cells: Vec<Cell> = gone.map(cell).collect();
        cells.sort_by_key(|cell| (cell.instrument, cell.model));
        cells
    }
}

impl State {
    pub(super) fn room(&self, settings: &Settings) -> Room {
        let mut of_cells: HashMap<(usize, usize), (f64, f64)> = HashMap::new();
        for traveller in &self.travellers {
            let Some(model) = traveller.model else { continue };
            for pair in &traveller.pairs {
                of_cells.entry((pair.instrument, model)).or_insert((0.0, 1.0)).0 += pair.weight;
            }
        }
        for cell in &self.cells {
            of_cells.entry((cell.instrument, cell.model)).or_insert((0.0, 1.0)).1 = 1.0 - cell.spent;
        }
        Room { interaction: settings.interaction_sd.powi(2), of_cells }
    }

    /// The same with its pairs as they count.
    pub(super) fn counted(&self, settings: &Settings) -> Self {
        let room = self.room(settings);
        let travellers = self.travellers.iter().map(|traveller| room.counted(traveller)).collect();
        Self { base: self.base.clone(), right: self.right.clone(), travellers, cells: Vec::new() }
    }
}
