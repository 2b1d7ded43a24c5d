//! Cholesky factorisation of a symmetric positive definite matrix, in a fixed order of operations.
//!
//! Used by [`crate::comparison`] and [`crate::balance`]. A linear-algebra library is faster, but picks its instructions by processor
//! and so gives other last bits on other machines; a verdict must come out the same everywhere. Work is shared between threads by
//! columns, each of which is summed in one order whatever the threads. What is zero costs nothing: a matrix of many connected sets,
//! each with its rows together, is factorised set by set.

use std::ops::Range;
use std::thread;

use crate::shared::shared;

/// Columns that are eliminated together: their tile of rows stays in the second-level cache.
const PANEL: usize = 64;

/// Rows that are updated together: 64 columns of 256 numbers take 128 KiB.
const TILE: usize = 256;

/// Right-hand sides that are solved together: one number of the factor is read for all of them.
const TOGETHER: usize = 16;

/// From this size on work is shared between threads; below, starting them takes longer.
const SHARED_FROM: usize = 256;

/// A symmetric matrix, lower triangle, packed by columns: column j holds rows j..n.
#[derive(Debug, Clone, PartialEq)]
pub struct Symmetric {
    size: usize,
    values: Vec<f64>,
}

/// A lower triangular factor L with A = L Lᵀ.
#[derive(Debug, Clone)]
pub struct Factor(Symmetric);

impl Symmetric {
    /// The zero matrix.
    pub fn zero(size: usize) -> Self {
        Self { size, values: vec![0.0; size * (size + 1) / 2] }
    }

    /// Rows, and columns.
    pub fn size(&self) -> usize {
        self.size
    }

    fn start(&self, column: usize) -> usize {
        column * (2 * self.size + 1 - column) / 2
    }

    fn index(&self, row: usize, column: usize) -> usize {
        let (row, column) = if row < column { (column, row) } else { (row, column) };
        self.start(column) + row - column
    }

    /// Adds to an element (and its mirror).
    pub fn add(&mut self, row: usize, column: usize, value: f64) {
        let index = self.index(row, column);
        self.values[index] += value;
    }

    /// An element.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        self.values[self.index(row, column)]
    }

    /// Factorises; none if the matrix is not positive definite to working accuracy.
    ///
    /// Panel by panel: the panel's columns are eliminated among themselves, then from all later columns.
    pub fn factor(mut self) -> Option<Factor> {
        let n = self.size;
        let mut first = 0;
        while first < n {
            let last = (first + PANEL).min(n);
            let (start, end) =
                (self.start(first), if last < n { self.start(last) } else { self.values.len() });
            let (head, tail) = self.values.split_at_mut(end);
            let panel = Panel { first, last, size: n, values: &mut head[start..] };
            panel.eliminate()?.update(tail);
            first = last;
        }
        Some(Factor(self))
    }
}

/// Columns `first..last` of a matrix, packed as there.
struct Panel<'a> {
    first: usize,
    last: usize,
    size: usize,
    values: &'a mut [f64],
}

impl Panel<'_> {
    /// Where a column starts in the panel.
    fn start(&self, column: usize) -> usize {
        let before = column - self.first;
        before * (2 * (self.size - self.first) + 1 - before) / 2
    }

    /// Eliminates the panel's columns among themselves.
    fn eliminate(self) -> Option<Self> {
        let n = self.size;
        for k in self.first..self.last {
            let start = self.start(k);
            let pivot = self.values[start];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return None;
            }
            let root = pivot.sqrt();
            let (head, tail) = self.values.split_at_mut(start + n - k);
            let column = &mut head[start..];
            column.iter_mut().for_each(|value| *value /= root);
            let mut next = 0;
            for j in k + 1..self.last {
                let (factor, length) = (column[j - k], n - j);
                if factor != 0.0 {
                    let target = &mut tail[next..next + length];
                    target.iter_mut().zip(&column[j - k..]).for_each(|(target, l)| *target -= factor * l);
                }
                next += length;
            }
        }
        Some(self)
    }

    /// Takes the panel's columns out of all later ones, which `tail` holds.
    fn update(self, tail: &mut [f64]) {
        let rows = self.size - self.last;
        let threads =
            if rows < SHARED_FROM { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
        let mut columns = columns(tail, self.last, self.size);
        if threads == 1 {
            self.update_columns(&mut columns);
            return;
        }
        // Long and short columns alternate, so that all have as much to do.
        let mut shares: Vec<Vec<(usize, &mut [f64])>> = (0..threads).map(|_| Vec::new()).collect();
        for (at, column) in columns.into_iter().enumerate() {
            shares[at % threads].push(column);
        }
        let panel = &self;
        thread::scope(|scope| {
            for mut share in shares {
                scope.spawn(move || panel.update_columns(&mut share));
            }
        });
    }

    fn update_columns(&self, columns: &mut [(usize, &mut [f64])]) {
        let mut from = self.last;
        while from < self.size {
            let to = (from + TILE).min(self.size);
            for (j, column) in columns.iter_mut() {
                let begin = from.max(*j);
                if begin < to {
                    let target = &mut column[begin - *j..to - *j];
                    self.update_tile(*j, begin, target);
                }
            }
            from = to;
        }
    }

    /// `target[i] −= Σ_k L[i,k] L[j,k]` over the panel's columns k, four at a time in their order.
    fn update_tile(&self, j: usize, begin: usize, target: &mut [f64]) {
        let length = target.len();
        let source = |k: usize| {
            let start = self.start(k);
            let rows = start + begin - k;
            (self.values[start + j - k], &self.values[rows..rows + length])
        };
        let mut k = self.first;
        while k + 4 <= self.last {
            let sources = [source(k), source(k + 1), source(k + 2), source(k + 3)];
            if sources.iter().any(|(factor, _)| *factor != 0.0) {
                subtract_four(target, sources);
            }
            k += 4;
        }
        for k in k..self.last {
            let (factor, column) = source(k);
            if factor != 0.0 {
                target.iter_mut().zip(column).for_each(|(target, l)| *target -= factor * l);
            }
        }
    }
}

/// Takes multiples of four columns out of one, one after the other.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn subtract_four(target: &mut [f64], [(f0, a), (f1, b), (f2, c), (f3, d)]: [(f64, &[f64]); 4]) {
    let length = target.len();
    let (a, b, c, d) = (&a[..length], &b[..length], &c[..length], &d[..length]);
    for i in 0..length {
        target[i] = target[i] - f0 * a[i] - f1 * b[i] - f2 * c[i] - f3 * d[i];
    }
}

/// `target −= l value`, right-hand side by right-hand side.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn subtract_rows(targets: &mut [[f64; TOGETHER]], column: &[f64], value: &[f64; TOGETHER]) {
    for (target, l) in targets.iter_mut().zip(column) {
        if *l != 0.0 {
            for i in 0..TOGETHER {
                target[i] -= l * value[i];
            }
        }
    }
}

/// Packed columns `first..size`, with their numbers.
fn columns(mut packed: &mut [f64], first: usize, size: usize) -> Vec<(usize, &mut [f64])> {
    let mut columns = Vec::with_capacity(size - first);
    for j in first..size {
        let (column, rest) = packed.split_at_mut(size - j);
        columns.push((j, column));
        packed = rest;
    }
    columns
}

impl Factor {
    /// Solves A x = b.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        self.forward(&mut x);
        self.backward(&mut x);
        x
    }

    /// Of each pair (i, j) the variance of `x_i − x_j` where A⁻¹ is the covariance of x: bit for bit what [`Self::solve`] gives, many at once.
    ///
    /// # Formula
    /// `(e_i − e_j)ᵀ A⁻¹ (e_i − e_j)`; i and j are two.
    pub fn variances_of_differences(&self, pairs: &[(usize, usize)]) -> Vec<f64> {
        let blocks: Vec<&[(usize, usize)]> = pairs.chunks(TOGETHER).collect();
        let variances = shared(&blocks, |pairs| {
            let mut block = vec![[0.0; TOGETHER]; self.0.size];
            for (column, (i, j)) in pairs.iter().enumerate() {
                (block[*i][column], block[*j][column]) = (1.0, -1.0);
            }
            // Before the first of them all is zero, and of what comes before it nobody asks.
            let first = pairs.iter().map(|(i, j)| *i.min(j)).min().unwrap_or(0);
            self.forward_block(&mut block, first);
            self.backward_block(&mut block, first);
            let of_pairs = pairs.iter().enumerate();
            of_pairs.map(|(column, (i, j))| block[*i][column] - block[*j][column]).collect::<Vec<f64>>()
        });
        variances.concat()
    }

    /// ln |A|.
    pub fn log_determinant(&self) -> f64 {
        (0..self.0.size).map(|at| 2.0 * libm::log(self.0.get(at, at))).sum()
    }

    /// A⁻¹.
    pub fn inverse(&self) -> Symmetric {
        let n = self.0.size;
        let mut inverse = Symmetric::zero(n);
        let first: Vec<usize> = (0..n).step_by(TOGETHER).collect();
        let blocks = shared(&first, |first| {
            let mut block = self.units(*first);
            self.backward_block(&mut block, *first);
            block
        });
        for (first, block) in first.into_iter().zip(blocks) {
            for column in first..(first + TOGETHER).min(n) {
                let start = inverse.start(column);
                for (value, row) in inverse.values[start..].iter_mut().zip(&block[column..]) {
                    *value = row[column - first];
                }
            }
        }
        inverse
    }

    /// The diagonal of A⁻¹, for half of the work and nothing of the memory of [`Self::inverse`].
    ///
    /// # Formula
    /// `(A⁻¹)_jj = Σ_i (L⁻¹)_ij²`.
    pub fn inverse_diagonal(&self) -> Vec<f64> {
        let n = self.0.size;
        let first: Vec<usize> = (0..n).step_by(TOGETHER).collect();
        let squares = shared(&first, |first| {
            let mut sums = [0.0; TOGETHER];
            for row in &self.units(*first)[*first..] {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
            }
            sums
        });
        squares.concat().into_iter().take(n).collect()
    }

    /// L⁻¹ e_j for the columns of a block from `first` on.
    fn units(&self, first: usize) -> Vec<[f64; TOGETHER]> {
        let mut block = vec![[0.0; TOGETHER]; self.0.size];
        for column in 0..TOGETHER.min(self.0.size - first) {
            block[first + column][column] = 1.0;
        }
        self.forward_block(&mut block, first);
        block
    }

    /// Solves L Y = B in place; B is zero above `from`.
    fn forward_block(&self, b: &mut [[f64; TOGETHER]], from: usize) {
        for k in from..self.0.size {
            let column = &self.0.values[self.0.start(k)..];
            let value = b[k].map(|value| value / column[0]);
            b[k] = value;
            if value.iter().all(|value| *value == 0.0) {
                continue;
            }
            subtract_rows(&mut b[k + 1..], &column[1..], &value);
        }
    }

    /// Solves Lᵀ X = Y in place, down to row `to`.
    fn backward_block(&self, b: &mut [[f64; TOGETHER]], to: usize) {
        for k in (to..self.0.size).rev() {
            let column = &self.0.values[self.0.start(k)..];
            let mut sums = [0.0; TOGETHER];
            for (x, l) in b[k + 1..].iter().zip(&column[1..]) {
                if *l != 0.0 {
                    sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += l * x);
                }
            }
            b[k].iter_mut().zip(&sums).for_each(|(value, sum)| *value = (*value - sum) / column[0]);
        }
    }

    /// Solves A x = b where only rows of one set and the border behind all sets count: b and x are zero, or of no interest, elsewhere.
    /// Costs the square of the set, not of the matrix.
    pub fn solve_set(&self, b: &mut [f64], set: Range<usize>, border: usize) {
        let n = self.0.size;
        let below = |k: usize| k + 1..set.end.max(k + 1);
        let column = |k: usize, rows: Range<usize>| {
            &self.0.values[self.0.start(k) + rows.start - k..self.0.start(k) + rows.end - k]
        };
        for k in set.clone().chain(border..n) {
            let value = b[k] / column(k, k..k + 1)[0];
            b[k] = value;
            for rows in [below(k), border.max(k + 1)..n] {
                b[rows.clone()].iter_mut().zip(column(k, rows)).for_each(|(target, l)| *target -= value * l);
            }
        }
        for k in set.clone().chain(border..n).rev() {
            let parts = [below(k), border.max(k + 1)..n];
            let sum: f64 = parts
                .map(|rows| b[rows.clone()].iter().zip(column(k, rows)).map(|(x, l)| x * l).sum::<f64>())
                .iter()
                .sum();
            b[k] = (b[k] - sum) / column(k, k..k + 1)[0];
        }
    }

    fn forward(&self, b: &mut [f64]) {
        for k in 0..self.0.size {
            let column = &self.0.values[self.0.start(k)..];
            let value = b[k] / column[0];
            b[k] = value;
            if value != 0.0 {
                b[k + 1..].iter_mut().zip(&column[1..]).for_each(|(target, l)| *target -= value * l);
            }
        }
    }

    fn backward(&self, b: &mut [f64]) {
        for k in (0..self.0.size).rev() {
            let column = &self.0.values[self.0.start(k)..];
            let sum: f64 = b[k + 1..].iter().zip(&column[1..]).map(|(x, l)| x * l).sum();
            b[k] = (b[k] - sum) / column[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    fn matrix(rows: &[&[f64]]) -> Symmetric {
        let mut symmetric = Symmetric::zero(rows.len());
        for (i, row) in rows.iter().enumerate() {
            for (j, value) in row.iter().enumerate().take(i + 1) {
                symmetric.add(i, j, *value);
            }
        }
        symmetric
    }

    // The inverse of the 3 × 3 Hilbert matrix is known in whole numbers.
    #[test]
    fn the_inverse_of_a_hilbert_matrix() {
        let hilbert = matrix(&[&[1.0], &[0.5, 1.0 / 3.0], &[1.0 / 3.0, 0.25, 0.2]]);
        let inverse = hilbert.factor().expect("positive definite").inverse();
        let expected = [[9.0, -36.0, 30.0], [-36.0, 192.0, -180.0], [30.0, -180.0, 180.0]];
        for (i, row) in expected.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!((inverse.get(i, j) - value).abs() < 1e-10, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_solution_solves() {
        let a = matrix(&[&[4.0], &[1.0, 3.0], &[0.5, -1.0, 5.0]]);
        let x = a.clone().factor().expect("positive definite").solve(&[1.0, 2.0, 3.0]);
        for (i, b) in [1.0, 2.0, 3.0].into_iter().enumerate() {
            let product: f64 = (0..3).map(|j| a.get(i, j) * x[j]).sum();
            assert!((product - b).abs() < 1e-14);
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_factor() {
        assert!(matrix(&[&[1.0], &[2.0, 1.0]]).factor().is_none());
        assert!(matrix(&[&[f64::NAN]]).factor().is_none());
    }

    /// Three sets that only a last row joins.
    fn of_sets(n: usize) -> Symmetric {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut a = Symmetric::zero(n);
        for i in 0..n {
            a.add(i, i, f64::from(u32::try_from(n).expect("small")));
            for j in 0..i {
                if i / 100 == j / 100 || i == n - 1 {
                    a.add(i, j, random.random_range(-1.0..1.0));
                }
            }
        }
        a
    }

    /// Larger than a panel and than what is shared between threads.
    #[test]
    fn a_large_matrix_of_several_sets_has_its_inverse() {
        let n = 301;
        let a = of_sets(n);
        let factor = a.clone().factor().expect("positive definite");
        let inverse = factor.inverse();
        let diagonal = factor.inverse_diagonal();
        for (i, variance) in diagonal.iter().enumerate() {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| a.get(i, k) * inverse.get(k, j)).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12, "{i} {j}");
            }
            assert!((variance / inverse.get(i, i) - 1.0).abs() < 1e-13, "{i}");
        }
    }

    /// Forty pairs, within sets and between them, are three blocks.
    #[test]
    fn variances_of_many_differences_are_those_of_single_solutions_to_the_last_bit() {
        let n = 301;
        let factor = of_sets(n).factor().expect("positive definite");
        let pairs: Vec<(usize, usize)> =
            (0..40).map(|at| (7 * at + 3, (7 * at + 3 + 13 * (at + 1)) % n)).collect();
        let one_by_one = pairs.iter().map(|(i, j)| {
            let mut difference = vec![0.0; n];
            (difference[*i], difference[*j]) = (1.0, -1.0);
            let with = factor.solve(&difference);
            (with[*i] - with[*j]).to_bits()
        });
        let together = factor.variances_of_differences(&pairs);
        assert_eq!(together.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), one_by_one.collect::<Vec<_>>());
        assert!(factor.variances_of_differences(&[]).is_empty());
    }

    #[test]
    fn a_set_is_solved_without_the_others() {
        // Rows 0..2 and 2..4 are sets, row 4 is the border.
        let a = matrix(&[
            &[4.0],
            &[1.0, 3.0],
            &[0.0, 0.0, 2.0],
            &[0.0, 0.0, 0.5, 5.0],
            &[0.5, -1.0, 0.25, 1.0, 6.0],
        ]);
        let factor = a.factor().expect("positive definite");
        let whole = factor.solve(&[0.0, 0.0, 1.0, -2.0, 0.0]);
        let mut of_set = vec![0.0, 0.0, 1.0, -2.0, 0.0];
        factor.solve_set(&mut of_set, 2..4, 4);
        (2..5).for_each(|row| assert!((whole[row] - of_set[row]).abs() < 1e-15, "{row}"));
    }
}
