//! The normal equations with travellers eliminated, kept as the few numbers a traveller leaves behind.
//!
//! # Formula
//! Parameters β = (e, c, z) with the border z = (c', m, g); a comparison's row is x = (+1 at its instrument, −1 at its fleet's c, −1 at its
//! model, h at g) and −1 at its traveller's d. With `u_t = Σ_{s∈t} w x`, `W_t = Σ w`, `R_t = Σ w y`, `f_t = 1/(W_t + 1/σ_t²)`:
//! `J = Σ w x xᵀ + P − Σ_t f_t u_t u_tᵀ`, `b = Σ w x y − Σ_t f_t u_t R_t`, and back: `d_t = f_t (u_tᵀβ − R_t)`.
//! Of the sum over comparisons only a diagonal D (e and c), one number an instrument and c that came to it, a border E (e and c × z) and a
//! corner Z (z × z) are left: a fleet costs what an instrument does, however many there are. c' is what the fleets share of which
//! nothing but comparisons is known. A fleet of K communities has a c_k of each, `c_k ~ N(c_f, τ²)`: with c_f integrated out their prior precision
//! is `(I − σ_c²/(τ² + K σ_c²) 1 1ᵀ)/τ²` (Sherman and Morrison).

use std::ops::Range;
use std::sync::Arc;

use super::fleets::{Common, Met};
use super::layout::Layout;
use super::members::Members;
use super::{Information, Network, Settings};
use crate::cholesky::Symmetric;
use crate::shared::shared;

/// Weights of comparisons, scales in them.
pub(super) struct Weights<'a> {
    /// By position in the layout.
    pub(super) of_comparison: &'a [f64],
    /// By cell: what an interaction leaves of them.
    pub(super) of_cell: &'a [f64],
    /// σ_b.
    pub(super) traveller_sd: f64,
    /// τ.
    pub(super) linked_sd: f64,
}

/// The equations.
pub(super) struct Equations {
    /// D.
    diagonal: Vec<f64>,
    /// Of each instrument and c that came to it what they have with each other.
    commons: Vec<f64>,
    met: Arc<Met>,
    /// Positions of the c of each fleet of several communities, and what their prior has off the diagonal.
    linked: Vec<(Range<usize>, f64)>,
    /// E, row by row.
    border: Vec<f64>,
    /// Z, all of it, priors included.
    corner: Vec<f64>,
    /// b.
    pub(super) right: Vec<f64>,
    /// W of each pair.
    pub(super) pair_weights: Vec<f64>,
    /// What each traveller leaves.
    pub(super) travellers: Vec<Left>,
    /// Σ w h of each traveller, row by row.
    covariates: Vec<f64>,
    information: Vec<Information>,
    pub(super) shape: Shape,
}

/// What a traveller leaves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Left {
    /// W_t.
    pub(super) weight: f64,
    /// The same without what interactions take.
    pub(super) plain: f64,
    /// R_t.
    pub(super) weighted: f64,
    /// f_t; 0 for one that compared nothing.
    pub(super) variance: f64,
    /// Position of its model; none if unknown.
    pub(super) model: Option<u32>,
    /// Position of its fleet's, or its community's, c; none if its bias is known.
    pub(super) common: Option<u32>,
}

/// Positions of parameters: instruments, fleets' c, border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) instruments: usize,
    /// Instruments and fleets: what belongs to one connected set. Behind them begins the border.
    pub(super) inner: usize,
    /// c', models, covariates and classes.
    pub(super) border: usize,
    /// First model in the border.
    models: usize,
    /// First covariate in the border.
    covariates: usize,
    /// Covariates given.
    given: usize,
}

impl Shape {
    pub(super) fn of(network: &Network, members: &Members) -> Self {
        let models = usize::from(members.fleets.are_others);
        let covariates = models + network.models;
        Self {
            instruments: network.instruments,
            inner: network.instruments + members.fleets.sets.len(),
            border: covariates + network.covariates + network.classes.saturating_sub(1),
            models,
            covariates,
            given: network.covariates,
        }
    }

    /// All parameters.
    pub(super) fn size(&self) -> usize {
        self.inner + self.border
    }

    /// Position of a common bias.
    fn common(&self, common: Common) -> Option<u32> {
        let at = match common {
            Common::Nothing => return None,
            Common::Own(fleet) => self.instruments + fleet,
            Common::Shared => self.inner,
        };
        Some(at as u32)
    }

    /// Covariates and classes.
    pub(super) fn slopes(&self) -> usize {
        self.border - self.covariates
    }

    /// g: the covariates', and the classes' with the first.
    pub(super) fn effects(&self, beta: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (covariates, classes) = beta[self.inner + self.covariates..].split_at(self.given);
        (covariates.to_vec(), std::iter::once(0.0).chain(classes.iter().copied()).collect())
    }

    /// `h·g` of a comparison: its covariates', and its class's if that is not the first.
    pub(super) fn slope(&self, layout: &Layout, s: usize, beta: &[f64]) -> f64 {
        let g = &beta[self.inner + self.covariates..];
        let mut sum = 0.0;
        for (value, g) in layout.covariates[s * self.given..(s + 1) * self.given].iter().zip(g) {
            sum += f64::from(*value) * g;
        }
        match layout.class[s] {
            0 => sum,
            class => sum + g[self.given + usize::from(class) - 1],
        }
    }

    /// h of a comparison.
    fn covariates_of(&self, layout: &Layout, s: usize, h: &mut [f64]) {
        h.fill(0.0);
        for (h, value) in h.iter_mut().zip(&layout.covariates[s * self.given..(s + 1) * self.given]) {
            *h = f64::from(*value);
        }
        if layout.class[s] > 0 {
            h[self.given + usize::from(layout.class[s]) - 1] = 1.0;
        }
    }
}

/// Where a parameter stands in a factor.
pub(super) fn placed(places: &[u32], at: usize) -> usize {
    places.get(at).map_or(at, |place| *place as usize)
}

/// Sums over the travellers of a piece.
struct Piece {
    diagonal: Vec<f64>,
    commons: Vec<f64>,
    border: Vec<f64>,
    corner: Vec<f64>,
    right: Vec<f64>,
    pair_weights: Vec<f64>,
    travellers: Vec<Left>,
    covariates: Vec<f64>,
}

/// Of the prior precision of the c of a fleet of so many communities, what is on the diagonal and what is off it.
pub(super) fn common_precision(communities: usize, common_sd: f64, linked_sd: f64) -> [f64; 2] {
    let (common, own) = (common_sd * common_sd, linked_sd * linked_sd);
    let off = common / (own * (own + communities as f64 * common));
    [1.0 / own - off, -off]
}

/// Variance of a traveller's own bias before it compared anything.
fn prior_variance(network: &Network, settings: &Settings, traveller_sd: f64, traveller: usize) -> f64 {
    let given = &network.travellers[traveller];
    match (given.known, given.model) {
        (Some((_, u)), _) => u * u,
        (None, Some(_)) => traveller_sd * traveller_sd,
        (None, None) => traveller_sd * traveller_sd + settings.model_sd * settings.model_sd,
    }
}

impl Piece {
    fn sum(
        network: &Network,
        layout: &Layout,
        members: &Members,
        settings: &Settings,
        weights: &Weights<'_>,
        piece: &Range<usize>,
    ) -> Self {
        let shape = Shape::of(network, members);
        let (p, b, q) = (shape.inner, shape.border, shape.slopes());
        let mut sums = Self {
            diagonal: vec![0.0; p],
            commons: vec![0.0; members.fleets.met.biases.len()],
            border: vec![0.0; p * b],
            corner: vec![0.0; b * b],
            right: vec![0.0; shape.size()],
            pair_weights: Vec::with_capacity(layout.pairs_of_piece(piece).len()),
            travellers: Vec::with_capacity(piece.len()),
            covariates: Vec::with_capacity(piece.len() * q),
        };
        let (mut h, mut of_pair, mut of_traveller) = (vec![0.0; q], vec![0.0; q], vec![0.0; q]);
        for t in piece.clone() {
            of_traveller.fill(0.0);
            let mut left = Left {
                model: network.travellers[t]
                    .model
                    .filter(|_| network.travellers[t].known.is_none())
                    .map(|k| (shape.inner + shape.models + k) as u32),
                common: shape.common(members.fleets.of_traveller(t)),
                ..Left::default()
            };
            for pair in layout.pairs_of(t) {
                let (cell, instrument) =
                    (layout.pairs[pair].cell as usize, layout.pairs[pair].instrument as usize);
                let (mut weight, mut weighted) = (0.0, 0.0);
                of_pair.fill(0.0);
                for s in layout.comparisons_of(pair) {
                    let w = weights.of_comparison[s] * weights.of_cell[cell];
                    weight += w;
                    left.plain += weights.of_comparison[s];
                    weighted += w * layout.log_ratio[s];
                    if q > 0 {
                        shape.covariates_of(layout, s, &mut h);
                        sums.add_slopes(&shape, w, layout.log_ratio[s], &h);
                        of_pair.iter_mut().zip(&h).for_each(|(sum, h)| *sum += w * h);
                    }
                }
                sums.diagonal[instrument] += weight;
                sums.right[instrument] += weighted;
                let row = &mut sums.border[instrument * b..(instrument + 1) * b];
                for at in left.bias() {
                    match at.checked_sub(shape.inner) {
                        Some(at) => row[at] -= weight,
                        None => {
                            sums.commons[members.fleets.met.position(instrument, at - shape.instruments)] -=
                                weight;
                        }
                    }
                }
                row[shape.covariates..].iter_mut().zip(&of_pair).for_each(|(sum, h)| *sum += h);
                of_traveller.iter_mut().zip(&of_pair).for_each(|(sum, h)| *sum += h);
                left.weight += weight;
                left.weighted += weighted;
                sums.pair_weights.push(weight);
            }
            if left.weight > 0.0 {
                left.variance =
                    1.0 / (left.weight + 1.0 / prior_variance(network, settings, weights.traveller_sd, t));
                sums.add_bias(&shape, &left, &of_traveller);
                sums.eliminate(&shape, layout, t, &left, &of_traveller);
            }
            sums.travellers.push(left);
            sums.covariates.extend_from_slice(&of_traveller);
        }
        sums
    }

    /// A comparison's part in the corner and on the right that has to do with h.
    fn add_slopes(&mut self, shape: &Shape, w: f64, y: f64, h: &[f64]) {
        for (i, a) in h.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            let row = (shape.covariates + i) * shape.border + shape.covariates;
            for (sum, b) in self.corner[row..row + h.len()].iter_mut().zip(h) {
                *sum += w * a * b;
            }
            self.right[shape.inner + shape.covariates + i] += w * a * y;
        }
    }

    /// A traveller's part in what is left and on the right that has to do with its fleet's c and its model.
    fn add_bias(&mut self, shape: &Shape, left: &Left, covariates: &[f64]) {
        for i in left.bias() {
            self.right[i] -= left.weighted;
            let Some(row) = i.checked_sub(shape.inner) else {
                self.diagonal[i] += left.weight;
                let row = &mut self.border[i * shape.border..(i + 1) * shape.border];
                left.model.iter().for_each(|model| row[*model as usize - shape.inner] += left.weight);
                row[shape.covariates..].iter_mut().zip(covariates).for_each(|(sum, h)| *sum -= h);
                continue;
            };
            for column in left.bias().filter_map(|j| j.checked_sub(shape.inner)) {
                self.corner[row * shape.border + column] += left.weight;
            }
            for (q, sum) in covariates.iter().enumerate() {
                let at = shape.covariates + q;
                self.corner[row * shape.border + at] -= sum;
                self.corner[at * shape.border + row] -= sum;
            }
        }
    }

    /// Takes `f u R` out of the right-hand side.
    fn eliminate(&mut self, shape: &Shape, layout: &Layout, t: usize, left: &Left, covariates: &[f64]) {
        let factor = left.variance * left.weighted;
        let pairs = layout.pairs_of(t);
        let weights = &self.pair_weights[self.pair_weights.len() - pairs.len()..];
        for (pair, weight) in pairs.zip(weights) {
            self.right[layout.pairs[pair].instrument as usize] -= factor * weight;
        }
        left.bias().for_each(|i| self.right[i] += factor * left.weight);
        let slopes = &mut self.right[shape.inner + shape.covariates..];
        slopes.iter_mut().zip(covariates).for_each(|(sum, h)| *sum -= factor * h);
    }
}

impl Left {
    /// Positions of what makes up its bias besides its own d.
    pub(super) fn bias(&self) -> impl Iterator<Item = usize> + use<> {
        self.common.into_iter().chain(self.model).map(|at| at as usize)
    }
}

impl Equations {
    pub(super) fn build(
        network: &Network,
        layout: &Layout,
        members: &Members,
        settings: &Settings,
        weights: &Weights<'_>,
    ) -> Self {
        let pieces =
            shared(&layout.pieces, |piece| Piece::sum(network, layout, members, settings, weights, piece));
        let shape = Shape::of(network, members);
        let mut equations = Self {
            diagonal: vec![0.0; shape.inner],
            commons: vec![0.0; members.fleets.met.biases.len()],
            met: Arc::clone(&members.fleets.met),
            linked: Vec::new(),
            border: vec![0.0; shape.inner * shape.border],
            corner: vec![0.0; shape.border * shape.border],
            right: vec![0.0; shape.size()],
            pair_weights: Vec::with_capacity(layout.pairs.len()),
            travellers: Vec::with_capacity(network.travellers.len()),
            covariates: Vec::with_capacity(network.travellers.len() * shape.slopes()),
            information: network.information.clone(),
            shape,
        };
        equations.add_priors(network, members, settings, weights.linked_sd);
        let add = |sums: &mut Vec<f64>, of_piece: &[f64]| {
            sums.iter_mut().zip(of_piece).for_each(|(sum, value)| *sum += value);
        };
        for piece in pieces {
            add(&mut equations.diagonal, &piece.diagonal);
            add(&mut equations.commons, &piece.commons);
            add(&mut equations.border, &piece.border);
            add(&mut equations.corner, &piece.corner);
            add(&mut equations.right, &piece.right);
            equations.pair_weights.extend(piece.pair_weights);
            equations.travellers.extend(piece.travellers);
            equations.covariates.extend(piece.covariates);
        }
        equations
    }

    fn add_priors(&mut self, network: &Network, members: &Members, settings: &Settings, linked_sd: f64) {
        for instrument in (0..network.instruments).filter(|instrument| !members.takes_part(*instrument)) {
            // Nothing is known of it and nothing is said of it; a one on the diagonal keeps the matrix regular.
            self.diagonal[instrument] += 1.0;
        }
        let (first, mut commons) = (self.shape.instruments, vec![true; members.fleets.sets.len()]);
        for linked in &members.fleets.linked {
            let [diagonal, off] = common_precision(linked.len(), settings.common_sd, linked_sd);
            linked.clone().for_each(|bias| self.diagonal[first + bias] += diagonal);
            commons[linked.clone()].fill(false);
            self.linked.push((first + linked.start..first + linked.end, off));
        }
        for (bias, _) in commons.iter().enumerate().filter(|(_, is_alone)| **is_alone) {
            self.diagonal[first + bias] += 1.0 / (settings.common_sd * settings.common_sd);
        }
        for at in 0..self.shape.border {
            let sd = match at {
                at if at < self.shape.models => settings.common_sd,
                at if at < self.shape.covariates => settings.model_sd,
                at if at < self.shape.covariates + self.shape.given => settings.covariate_sd,
                _ => settings.class_sd,
            };
            self.corner[at * self.shape.border + at] += 1.0 / (sd * sd);
        }
        for anchor in &network.anchors {
            let weight = 1.0 / (anchor.standard_uncertainty * anchor.standard_uncertainty);
            self.diagonal[anchor.instrument] += weight;
            self.right[anchor.instrument] += weight * anchor.error;
        }
        for information in &network.information {
            for (at, instrument) in information.instruments.iter().enumerate() {
                self.diagonal[*instrument] += information.matrix.get(at, at);
                self.right[*instrument] += information.right[at];
            }
        }
    }

    /// `u_tᵀ x`.
    pub(super) fn along(&self, layout: &Layout, t: usize, x: &[f64]) -> f64 {
        let left = &self.travellers[t];
        let mut sum = 0.0;
        for pair in layout.pairs_of(t) {
            sum += self.pair_weights[pair] * x[layout.pairs[pair].instrument as usize];
        }
        left.bias().for_each(|i| sum -= left.weight * x[i]);
        let g = &x[self.shape.inner + self.shape.covariates..];
        sum + self.slopes_of(t).iter().zip(g).map(|(h, g)| h * g).sum::<f64>()
    }

    fn slopes_of(&self, t: usize) -> &[f64] {
        let q = self.shape.slopes();
        &self.covariates[t * q..(t + 1) * q]
    }

    /// A traveller's own bias d_t.
    pub(super) fn own_bias(&self, layout: &Layout, t: usize, beta: &[f64]) -> f64 {
        let left = &self.travellers[t];
        left.variance * (self.along(layout, t, beta) - left.weighted)
    }

    /// J in full, instruments and fleets at their places, the border behind them.
    pub(super) fn matrix(&self, layout: &Layout, places: &[u32]) -> Symmetric {
        let (p, b) = (self.shape.inner, self.shape.border);
        let mut matrix = Symmetric::zero(self.shape.size());
        for (i, place) in places.iter().enumerate() {
            let place = *place as usize;
            matrix.add(place, place, self.diagonal[i]);
            for (at, value) in
                self.border[i * b..(i + 1) * b].iter().enumerate().filter(|(_, value)| **value != 0.0)
            {
                matrix.add(place, p + at, *value);
            }
        }
        for instrument in 0..self.shape.instruments {
            for (at, value) in self.commons_of(instrument) {
                matrix.add(places[instrument] as usize, places[at] as usize, value);
            }
        }
        for (linked, off) in &self.linked {
            for at in linked.clone() {
                let others = linked.start..at;
                others.for_each(|other| matrix.add(places[at] as usize, places[other] as usize, *off));
            }
        }
        for i in 0..b {
            (0..=i).for_each(|j| matrix.add(p + i, p + j, self.corner[i * b + j]));
        }
        for information in &self.information {
            let place = |at: usize| places[information.instruments[at]] as usize;
            for i in 0..information.instruments.len() {
                (0..i).for_each(|j| matrix.add(place(i), place(j), information.matrix.get(i, j)));
            }
        }
        let mut row = Vec::new();
        for t in 0..self.travellers.len() {
            self.row(layout, t, places, &mut row);
            for (position, (i, a)) in row.iter().enumerate() {
                let factor = self.travellers[t].variance * a;
                for (j, b) in &row[..=position] {
                    matrix.add(*i, *j, -factor * b);
                }
            }
        }
        matrix
    }

    /// Positions of the c that came to an instrument, and what it has with each.
    fn commons_of(&self, instrument: usize) -> impl Iterator<Item = (usize, f64)> {
        let of_instrument = self.met.of_instrument(instrument);
        let biases = self.met.biases[of_instrument.clone()].iter();
        biases.map(|bias| self.shape.instruments + bias).zip(self.commons[of_instrument].iter().copied())
    }

    /// u_t, instruments and fleets at their places.
    pub(super) fn row(&self, layout: &Layout, t: usize, places: &[u32], row: &mut Vec<(usize, f64)>) {
        let left = &self.travellers[t];
        row.clear();
        if left.variance == 0.0 {
            return;
        }
        row.extend(
            layout.pairs_of(t).map(|pair| {
                (places[layout.pairs[pair].instrument as usize] as usize, self.pair_weights[pair])
            }),
        );
        let p = self.shape.inner;
        row.extend(left.bias().map(|i| (placed(places, i), -left.weight)));
        let slopes = self.slopes_of(t).iter().enumerate().filter(|(_, h)| **h != 0.0);
        row.extend(slopes.map(|(q, h)| (p + self.shape.covariates + q, *h)));
    }

    /// J x without making J; instruments in their own order.
    pub(super) fn times(&self, layout: &Layout, x: &[f64]) -> Vec<f64> {
        let (p, b) = (self.shape.inner, self.shape.border);
        let z = &x[p..];
        let mut result = vec![0.0; x.len()];
        let row = |i: usize| &self.border[i * b..(i + 1) * b];
        for i in 0..self.shape.instruments {
            let with_common = self.commons_of(i).map(|(at, value)| value * x[at]);
            let with_border = row(i).iter().zip(z).map(|(a, z)| a * z);
            result[i] = self.diagonal[i] * x[i] + with_common.chain(with_border).sum::<f64>();
            self.commons_of(i).for_each(|(at, value)| result[at] += value * x[i]);
            row(i).iter().zip(&mut result[p..]).for_each(|(a, sum)| *sum += a * x[i]);
        }
        for (linked, off) in &self.linked {
            let sum = x[linked.clone()].iter().sum::<f64>();
            linked.clone().for_each(|at| result[at] += off * (sum - x[at]));
        }
        let mut of_fleets = vec![0.0; b];
        for i in self.shape.instruments..p {
            let with_border = row(i).iter().zip(z).map(|(a, z)| a * z);
            result[i] += std::iter::once(self.diagonal[i] * x[i]).chain(with_border).sum::<f64>();
            row(i).iter().zip(&mut of_fleets).for_each(|(a, sum)| *sum += a * x[i]);
        }
        for (i, of_fleets) in of_fleets.into_iter().enumerate() {
            let corner = self.corner[i * b..(i + 1) * b].iter().zip(z);
            result[p + i] += corner.fold(of_fleets, |sum, (a, z)| sum + a * z);
        }
        for information in &self.information {
            for (i, instrument) in information.instruments.iter().enumerate() {
                for (j, other) in information.instruments.iter().enumerate().filter(|(j, _)| *j != i) {
                    result[*instrument] += information.matrix.get(i, j) * x[*other];
                }
            }
        }
        let parts = shared(&layout.pieces, |piece| {
            let mut part = vec![0.0; x.len()];
            for t in piece.clone().filter(|t| self.travellers[*t].variance > 0.0) {
                self.add_row(layout, t, -self.travellers[t].variance * self.along(layout, t, x), &mut part);
            }
            part
        });
        for part in parts {
            result.iter_mut().zip(&part).for_each(|(sum, value)| *sum += value);
        }
        result
    }

    /// Adds a multiple of u_t.
    pub(super) fn add_row(&self, layout: &Layout, t: usize, factor: f64, sum: &mut [f64]) {
        let left = &self.travellers[t];
        for pair in layout.pairs_of(t) {
            sum[layout.pairs[pair].instrument as usize] += factor * self.pair_weights[pair];
        }
        left.bias().for_each(|i| sum[i] -= factor * left.weight);
        let slopes = &mut sum[self.shape.inner + self.shape.covariates..];
        slopes.iter_mut().zip(self.slopes_of(t)).for_each(|(sum, h)| *sum += factor * h);
    }

    /// The diagonal of J.
    pub(super) fn diagonal(&self, layout: &Layout) -> Vec<f64> {
        let (p, b) = (self.shape.inner, self.shape.border);
        let mut diagonal = self.diagonal.clone();
        diagonal.extend((0..b).map(|i| self.corner[i * b + i]));
        for (t, left) in self.travellers.iter().enumerate() {
            for pair in layout.pairs_of(t) {
                diagonal[layout.pairs[pair].instrument as usize] -=
                    left.variance * self.pair_weights[pair] * self.pair_weights[pair];
            }
            left.bias().for_each(|i| diagonal[i] -= left.variance * left.weight * left.weight);
            for (q, h) in self.slopes_of(t).iter().enumerate() {
                diagonal[p + self.shape.covariates + q] -= left.variance * h * h;
            }
        }
        diagonal
    }
}
