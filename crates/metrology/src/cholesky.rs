//! Cholesky factorisation of a dense symmetric positive definite matrix, in a fixed order of operations.
//!
//! Used by [`crate::comparison`]. A linear-algebra library is faster, but picks its instructions by processor and so gives
//! other last bits on other machines; a verdict must come out the same everywhere. Columns are updated as wholes, which the
//! compiler vectorises without changing any sum's order.

/// A symmetric matrix, lower triangle, packed by columns: column j holds rows j..n.
#[derive(Debug, Clone)]
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
    pub fn factor(mut self) -> Option<Factor> {
        let n = self.size;
        for k in 0..n {
            let start = self.start(k);
            let pivot = self.values[start];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return None;
            }
            let root = pivot.sqrt();
            let (head, tail) = self.values.split_at_mut(start + n - k);
            let column = &mut head[start..];
            for value in column.iter_mut() {
                *value /= root;
            }
            let mut next = 0;
            for j in k + 1..n {
                let factor = column[j - k];
                let length = n - j;
                if factor != 0.0 {
                    let target = &mut tail[next..next + length];
                    for (target, source) in target.iter_mut().zip(&column[j - k..]) {
                        *target -= factor * source;
                    }
                }
                next += length;
            }
        }
        Some(Factor(self))
    }
}

impl Factor {
    /// Solves A x = b.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        self.forward(&mut x, 0);
        self.backward(&mut x, 0);
        x
    }

    /// A⁻¹.
    pub fn inverse(&self) -> Symmetric {
        let n = self.0.size;
        let mut inverse = Symmetric::zero(n);
        let mut column = vec![0.0; n];
        for j in 0..n {
            column.fill(0.0);
            column[j] = 1.0;
            self.forward(&mut column, j);
            self.backward(&mut column, j);
            let start = inverse.start(j);
            inverse.values[start..start + n - j].copy_from_slice(&column[j..]);
        }
        inverse
    }

    /// Solves L y = b in place; b is zero above `from`.
    fn forward(&self, b: &mut [f64], from: usize) {
        for k in from..self.0.size {
            let column = &self.0.values[self.0.start(k)..];
            let value = b[k] / column[0];
            b[k] = value;
            for (target, source) in b[k + 1..].iter_mut().zip(&column[1..]) {
                *target -= value * source;
            }
        }
    }

    /// Solves Lᵀ x = y in place, down to row `to`.
    fn backward(&self, b: &mut [f64], to: usize) {
        for k in (to..self.0.size).rev() {
            let column = &self.0.values[self.0.start(k)..];
            let sum: f64 = b[k + 1..].iter().zip(&column[1..]).map(|(x, l)| x * l).sum();
            b[k] = (b[k] - sum) / column[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
