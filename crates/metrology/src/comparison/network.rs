//! What is compared: instruments, travellers, comparisons in columns, and what gives a level.
//!
//! Made by `assessment`, taken by [`super::fit`]. Nothing is estimated here.

use super::ComparisonError;
pub use crate::balance::Information;

/// Comparisons of one fit at most: positions are 32 bits.
pub const COMPARISONS_MAX: usize = 1 << 31;

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison<'a> {
    /// Index of the instrument.
    pub instrument: usize,
    /// Index of the traveller.
    pub traveller: usize,
    /// ln(value by instrument / value by traveller).
    pub log_ratio: f64,
    /// Size of the measured quantity; small ones are noisier.
    pub size: f64,
    /// Class: the way on which the traveller's value came.
    pub class: u8,
    /// Covariates, as many as in every other comparison, centred by the caller; 0 where unknown.
    pub covariates: &'a [f32],
}

/// Comparisons, column by column: ten million of them take a third of a gigabyte.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparisons {
    pub(super) instrument: Vec<u32>,
    pub(super) traveller: Vec<u32>,
    pub(super) log_ratio: Vec<f64>,
    pub(super) size: Vec<f64>,
    pub(super) class: Vec<u8>,
    pub(super) covariates: Vec<f32>,
}

impl Comparisons {
    /// None yet, with room for so many.
    pub fn with_capacity(comparisons: usize) -> Self {
        Self {
            instrument: Vec::with_capacity(comparisons),
            traveller: Vec::with_capacity(comparisons),
            log_ratio: Vec::with_capacity(comparisons),
            size: Vec::with_capacity(comparisons),
            class: Vec::with_capacity(comparisons),
            covariates: Vec::new(),
        }
    }

    /// Adds one.
    pub fn push(&mut self, comparison: &Comparison<'_>) {
        // Indices beyond 32 bits are out of every network's range and are found as such.
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.instrument.push(index(comparison.instrument));
        self.traveller.push(index(comparison.traveller));
        self.log_ratio.push(comparison.log_ratio);
        self.size.push(comparison.size);
        self.class.push(comparison.class);
        self.covariates.extend_from_slice(comparison.covariates);
    }

    /// Takes something off the logarithm of each one's ratio, by its place and its instrument.
    pub fn take_off(&mut self, by: impl Fn(usize, usize) -> f64) {
        let all = self.log_ratio.iter_mut().zip(&self.instrument).enumerate();
        all.for_each(|(at, (log_ratio, instrument))| *log_ratio -= by(at, *instrument as usize));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.instrument.len()
    }

    /// Index of each one's instrument.
    pub fn instruments(&self) -> &[u32] {
        &self.instrument
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.instrument.is_empty()
    }
}

/// A traveller.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Traveller {
    /// Its model, by number; none = unknown, and the model's share of variance goes into its own bias.
    pub model: Option<usize>,
    /// Bias and its standard uncertainty, fractions, of a reference traveller: it gives a level as an anchor does.
    pub known: Option<(f64, f64)>,
}

/// A result that gives a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    /// Index of the instrument.
    pub instrument: usize,
    /// Its error, fraction.
    pub error: f64,
    /// Standard uncertainty of that, fraction, drift since included.
    pub standard_uncertainty: f64,
}

/// What is compared.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Number of instruments.
    pub instruments: usize,
    /// The travellers.
    pub travellers: Vec<Traveller>,
    /// Number of models.
    pub models: usize,
    /// Number of covariates.
    pub covariates: usize,
    /// Number of classes; 0 and 1 mean the same.
    pub classes: usize,
    /// Comparisons, in any order: not one bit of the result depends on it.
    pub comparisons: Comparisons,
    /// Anchors.
    pub anchors: Vec<Anchor>,
    /// What else is known.
    pub information: Vec<Information>,
}

pub(super) fn check(network: &Network) -> Result<(), ComparisonError> {
    let given = &network.comparisons;
    if given.len() > COMPARISONS_MAX {
        return Err(ComparisonError::TooMany(given.len()));
    }
    let (q, classes) = (network.covariates, network.classes.max(1));
    for index in 0..given.len() {
        let covariates = given.covariates.get(index * q..(index + 1) * q);
        let fits = (given.instrument[index] as usize) < network.instruments
            && (given.traveller[index] as usize) < network.travellers.len()
            && usize::from(given.class[index]) < classes
            && given.log_ratio[index].is_finite()
            && given.size[index].is_finite()
            && 0.0 < given.size[index]
            && covariates.is_some_and(|values| values.iter().all(|value| value.is_finite()));
        if !fits {
            return Err(ComparisonError::Malformed(index));
        }
    }
    let travellers_fit = network.travellers.iter().all(|traveller| {
        traveller.model.is_none_or(|model| model < network.models)
            && traveller.known.is_none_or(|(bias, u)| bias.is_finite() && u.is_finite() && 0.0 < u)
    });
    if !travellers_fit {
        return Err(ComparisonError::Malformed(given.len()));
    }
    let anchor_fits = |anchor: &Anchor| {
        anchor.instrument < network.instruments
            && anchor.error.is_finite()
            && anchor.standard_uncertainty.is_finite()
            && 0.0 < anchor.standard_uncertainty
    };
    let information_fits = |information: &Information| {
        let count = information.instruments.len();
        information.matrix.size() == count
            && information.right.len() == count
            && information.instruments.iter().all(|instrument| *instrument < network.instruments)
    };
    let anchors =
        network.anchors.iter().map(anchor_fits).chain(network.information.iter().map(information_fits));
    match anchors.enumerate().find(|(_, fits)| !fits) {
        Some((at, _)) => Err(ComparisonError::MalformedAnchor(at)),
        None => Ok(()),
    }
}
