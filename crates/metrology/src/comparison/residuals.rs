//! What a solution leaves over: residuals with the noise's own scale, the travellers' mean residuals, and the cells'.

use std::ops::Range;

use super::LEVERAGE_MAX;
use super::equations::{Equations, Weights, placed};
use super::layout::Layout;
use crate::cholesky::Symmetric;
use crate::shared::shared;

/// How uncertain a solution is, for leverages.
pub(super) enum Spread<'a> {
    /// J⁻¹, instruments and fleets at their places.
    Exact(&'a Symmetric, &'a [u32]),
    /// Its diagonal, about: an instrument of a large network has so many comparisons that none has much to say in its fit.
    Diagonal(&'a [f64]),
}

/// Share of its own fit that each comparison of a pair would have with weight 1, and of each traveller's mean.
pub(super) struct Leverages {
    /// By pair: `a C aᵀ + f`, to be multiplied by the comparison's weight.
    pub(super) of_pair: Vec<f64>,
    /// By traveller: variance of the fit of its mean residual, not yet divided by what that varies itself.
    pub(super) of_traveller: Vec<f64>,
}

impl Leverages {
    /// # Formula
    /// `h_s = w_s (a C aᵀ + f_t)` with `a = x_s − f_t u_t`, covariates left out; expanded so that `C u_t` is made once a traveller.
    pub(super) fn of(equations: &Equations, layout: &Layout, spread: &Spread<'_>) -> Self {
        let parts = shared(&layout.pieces, |piece| Self::of_piece(equations, layout, spread, piece));
        let mut leverages =
            Self { of_pair: Vec::with_capacity(layout.pairs.len()), of_traveller: Vec::new() };
        for part in parts {
            leverages.of_pair.extend(part.of_pair);
            leverages.of_traveller.extend(part.of_traveller);
        }
        leverages
    }

    fn of_piece(equations: &Equations, layout: &Layout, spread: &Spread<'_>, piece: &Range<usize>) -> Self {
        let mut part = Self { of_pair: Vec::new(), of_traveller: Vec::with_capacity(piece.len()) };
        let mut products = Vec::new();
        for t in piece.clone() {
            let left = equations.travellers[t];
            let bias: Vec<usize> = left.bias().collect();
            let element = |a: usize, b: usize| match spread {
                Spread::Exact(inverse, places) => inverse.get(placed(places, a), placed(places, b)),
                Spread::Diagonal(diagonal) if a == b && a < equations.shape.instruments => diagonal[a],
                Spread::Diagonal(_) => 0.0,
            };
            // C u_t at a parameter.
            let product = |at: usize| {
                let pairs = layout.pairs_of(t);
                let of_instruments = pairs.map(|pair| {
                    equations.pair_weights[pair] * element(at, layout.pairs[pair].instrument as usize)
                });
                of_instruments.sum::<f64>() - bias.iter().map(|i| left.weight * element(at, *i)).sum::<f64>()
            };
            let is_exact = matches!(spread, Spread::Exact(..));
            products.clear();
            products.extend(layout.pairs_of(t).map(|pair| {
                let instrument = layout.pairs[pair].instrument as usize;
                if is_exact {
                    product(instrument)
                } else {
                    equations.pair_weights[pair] * element(instrument, instrument)
                }
            }));
            let of_bias: f64 = if is_exact { bias.iter().map(|i| product(*i)).sum() } else { 0.0 };
            let square = layout
                .pairs_of(t)
                .zip(&products)
                .map(|(pair, product)| equations.pair_weights[pair] * product)
                .sum::<f64>()
                - left.weight * of_bias;
            let bias_square: f64 = bias.iter().flat_map(|i| bias.iter().map(|j| element(*i, *j))).sum();
            for (pair, product) in layout.pairs_of(t).zip(&products) {
                let instrument = layout.pairs[pair].instrument as usize;
                let with_bias: f64 = bias.iter().map(|i| element(instrument, *i)).sum();
                let of_row = element(instrument, instrument) - 2.0 * with_bias + bias_square;
                let of_fit = of_row - 2.0 * left.variance * (product - of_bias)
                    + left.variance * left.variance * square;
                part.of_pair.push(of_fit + left.variance);
            }
            part.of_traveller.push(if left.weight > 0.0 {
                square / (left.weight * left.weight)
            } else {
                0.0
            });
        }
        part
    }
}

/// What is left over.
pub(super) struct Residuals {
    /// By position, each divided by √(1 − leverage): of the noise's own scale, also where a traveller made few comparisons and its
    /// bias follows them.
    pub(super) of_comparison: Vec<f64>,
    /// By cell: Σ w r and Σ w (1 − f W): what an interaction would show in, and how much of it.
    pub(super) cells: Vec<(f64, f64)>,
}

impl Residuals {
    pub(super) fn of(
        layout: &Layout,
        equations: &Equations,
        weights: &Weights<'_>,
        beta: &[f64],
        leverages: &Leverages,
    ) -> Self {
        let parts = shared(&layout.pieces, |piece| {
            let mut left = Vec::with_capacity(layout.comparisons_of_piece(piece).len());
            let mut cells = Vec::with_capacity(layout.pairs_of_piece(piece).len());
            for t in piece.clone() {
                let traveller = &equations.travellers[t];
                let own = equations.own_bias(layout, t, beta);
                let bias = own + traveller.bias().map(|i| beta[i]).sum::<f64>();
                for pair in layout.pairs_of(t) {
                    let (cell, instrument) =
                        (layout.pairs[pair].cell as usize, layout.pairs[pair].instrument as usize);
                    let (mut score, mut weight) = (0.0, 0.0);
                    for s in layout.comparisons_of(pair) {
                        let residual = layout.log_ratio[s] - beta[instrument] + bias
                            - equations.shape.slope(layout, s, beta);
                        let w = weights.of_comparison[s];
                        score += w * residual;
                        weight += w;
                        let leverage = w * weights.of_cell[cell] * leverages.of_pair[pair];
                        left.push(residual / (1.0 - leverage.clamp(0.0, LEVERAGE_MAX)).sqrt());
                    }
                    cells.push((
                        cell,
                        score,
                        weight * (1.0 - traveller.variance * equations.pair_weights[pair]),
                    ));
                }
            }
            (left, cells)
        });
        let mut residuals = Self {
            of_comparison: Vec::with_capacity(layout.caller.len()),
            cells: vec![(0.0, 0.0); layout.cells.len()],
        };
        for (left, cells) in parts {
            residuals.of_comparison.extend(left);
            for (cell, score, weight) in cells {
                residuals.cells[cell].0 += score;
                residuals.cells[cell].1 += weight;
            }
        }
        residuals
    }
}
