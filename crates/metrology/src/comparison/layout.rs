//! The comparisons in an order of their own: by traveller, then by instrument, so that each traveller is one stretch and each pair of
//! traveller and instrument is one stretch of that.
//!
//! Made once a fit. Not one bit of a sum depends on the caller's order.

use std::cmp::Ordering;
use std::ops::Range;

use super::{ComparisonError, Network};

/// Pieces that travellers are shared out in between threads; a number of its own, since sums depend on it and must not depend on
/// the machine.
const PIECES: usize = 8;

/// Cells of instrument and model are looked up in a table of at most so many entries (128 MiB); beyond, each pair is its own cell.
const CELL_TABLE_MAX: usize = 1 << 25;

/// A traveller's comparisons with one instrument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) instrument: u32,
    /// Position of the first comparison.
    pub(super) first: u32,
    /// Instrument and model of traveller: what an interaction is common to.
    pub(super) cell: u32,
}

/// Comparisons by traveller and instrument.
pub(super) struct Layout {
    /// Positions in the caller's columns.
    pub(super) caller: Vec<u32>,
    /// y, a known traveller's bias taken out.
    pub(super) log_ratio: Vec<f64>,
    /// 1 / W².
    pub(super) inverse_square: Vec<f64>,
    pub(super) class: Vec<u8>,
    /// Row by row.
    pub(super) covariates: Vec<f32>,
    /// Pairs in order, and one behind the last.
    pub(super) pairs: Vec<Pair>,
    /// First pair of each traveller, and one behind the last.
    pub(super) travellers: Vec<u32>,
    /// Instrument of each cell.
    pub(super) cells: Vec<u32>,
    /// Travellers to do together.
    pub(super) pieces: Vec<Range<usize>>,
}

impl Layout {
    pub(super) fn of(network: &Network) -> Result<Self, ComparisonError> {
        let caller = sorted(network)?;
        let given = &network.comparisons;
        let q = network.covariates;
        let by = |s: &u32| *s as usize;
        let known =
            |s: usize| network.travellers[given.traveller[s] as usize].known.map_or(0.0, |(bias, _)| bias);
        let mut layout = Self {
            log_ratio: caller.iter().map(by).map(|s| given.log_ratio[s] + known(s)).collect(),
            inverse_square: caller.iter().map(by).map(|s| (given.size[s] * given.size[s]).recip()).collect(),
            class: caller.iter().map(by).map(|s| given.class[s]).collect(),
            covariates: caller
                .iter()
                .map(by)
                .flat_map(|s| given.covariates[s * q..(s + 1) * q].iter().copied())
                .collect(),
            caller,
            pairs: Vec::new(),
            travellers: Vec::with_capacity(network.travellers.len() + 1),
            cells: Vec::new(),
            pieces: Vec::new(),
        };
        layout.pair_up(network);
        layout.cut();
        Ok(layout)
    }

    fn pair_up(&mut self, network: &Network) {
        let given = &network.comparisons;
        let mut cells = CellTable::new(network);
        let mut last = None;
        for (position, s) in self.caller.iter().map(|s| *s as usize).enumerate() {
            let (traveller, instrument) = (given.traveller[s], given.instrument[s]);
            if last != Some((traveller, instrument)) {
                let pairs = place(self.pairs.len());
                while self.travellers.len() <= traveller as usize {
                    self.travellers.push(pairs);
                }
                let cell = cells.number(instrument, network.travellers[traveller as usize].model);
                self.pairs.push(Pair { instrument, first: place(position), cell });
                last = Some((traveller, instrument));
            }
        }
        let pairs = place(self.pairs.len());
        self.travellers.resize(network.travellers.len() + 1, pairs);
        self.pairs.push(Pair { instrument: 0, first: place(self.caller.len()), cell: 0 });
        self.cells = cells.instruments;
    }

    /// Cuts the travellers into pieces of about as many comparisons.
    fn cut(&mut self) {
        let all = self.caller.len();
        let mut from = 0;
        for piece in 1..=PIECES {
            let goal = all * piece / PIECES;
            let to = if piece == PIECES {
                self.travellers.len() - 1
            } else {
                from + self.travellers[from..self.travellers.len() - 1]
                    .partition_point(|pair| self.first(*pair as usize) < goal)
            };
            self.pieces.push(from..to);
            from = to;
        }
    }

    fn first(&self, pair: usize) -> usize {
        self.pairs[pair].first as usize
    }

    /// Pairs of a traveller.
    pub(super) fn pairs_of(&self, traveller: usize) -> Range<usize> {
        self.travellers[traveller] as usize..self.travellers[traveller + 1] as usize
    }

    /// Comparisons of a pair.
    pub(super) fn comparisons_of(&self, pair: usize) -> Range<usize> {
        self.first(pair)..self.first(pair + 1)
    }

    /// Comparisons of travellers.
    pub(super) fn comparisons_of_piece(&self, piece: &Range<usize>) -> Range<usize> {
        self.first(self.travellers[piece.start] as usize)..self.first(self.travellers[piece.end] as usize)
    }

    /// Pairs of travellers.
    pub(super) fn pairs_of_piece(&self, piece: &Range<usize>) -> Range<usize> {
        self.travellers[piece.start] as usize..self.travellers[piece.end] as usize
    }
}

/// Positions fit into 32 bits: [`super::COMPARISONS_MAX`].
fn place(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Numbers cells in the order in which they occur.
struct CellTable {
    models: usize,
    numbers: Vec<u32>,
    instruments: Vec<u32>,
}

impl CellTable {
    fn new(network: &Network) -> Self {
        let size = network.instruments.saturating_mul(network.models);
        let numbers = if size <= CELL_TABLE_MAX { vec![u32::MAX; size] } else { Vec::new() };
        Self { models: network.models, numbers, instruments: Vec::new() }
    }

    /// The cell of an instrument and a model; a traveller of unknown model has one of its own with every instrument.
    fn number(&mut self, instrument: u32, model: Option<usize>) -> u32 {
        let next = place(self.instruments.len());
        let known = model.and_then(|model| self.numbers.get_mut(instrument as usize * self.models + model));
        let number = match known {
            Some(number) if *number != u32::MAX => return *number,
            known => {
                if let Some(number) = known {
                    *number = next;
                }
                next
            }
        };
        self.instruments.push(instrument);
        number
    }
}

/// Positions by traveller, instrument and content. Travellers are counted out, their few comparisons sorted.
fn sorted(network: &Network) -> Result<Vec<u32>, ComparisonError> {
    let given = &network.comparisons;
    let mut starts = vec![0_usize; network.travellers.len() + 1];
    for (s, traveller) in given.traveller.iter().enumerate() {
        *starts.get_mut(*traveller as usize + 1).ok_or(ComparisonError::Malformed(s))? += 1;
    }
    for t in 1..starts.len() {
        starts[t] += starts[t - 1];
    }
    let mut next = starts.clone();
    let mut order = vec![0_u32; given.traveller.len()];
    for (s, traveller) in given.traveller.iter().enumerate() {
        let at = &mut next[*traveller as usize];
        order[*at] = place(s);
        *at += 1;
    }
    for bounds in starts.windows(2) {
        order[bounds[0]..bounds[1]].sort_unstable_by(|a, b| content(network, *a as usize, *b as usize));
    }
    Ok(order)
}

fn content(network: &Network, a: usize, b: usize) -> Ordering {
    let given = &network.comparisons;
    let q = network.covariates;
    let covariates = |s: usize| &given.covariates[s * q..(s + 1) * q];
    (given.instrument[a].cmp(&given.instrument[b]))
        .then_with(|| given.log_ratio[a].total_cmp(&given.log_ratio[b]))
        .then_with(|| given.size[a].total_cmp(&given.size[b]))
        .then_with(|| given.class[a].cmp(&given.class[b]))
        .then_with(|| {
            let mut pairs = covariates(a).iter().zip(covariates(b)).map(|(a, b)| a.total_cmp(b));
            pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        })
}
