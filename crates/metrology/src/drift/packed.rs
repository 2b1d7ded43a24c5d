//! A symmetric matrix that can be written down and can grow: the dense part of the filter's state. Factorising is done by
//! [`crate::cholesky`].

use serde::{Deserialize, Serialize};

use crate::cholesky::Symmetric;

/// Lower triangle by rows, so that a new unknown is a new row at the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Packed(Vec<f64>);

fn index(row: usize, column: usize) -> usize {
    let (row, column) = if row < column { (column, row) } else { (row, column) };
    row * (row + 1) / 2 + column
}

impl Packed {
    pub(super) fn of(matrix: &Symmetric, size: usize) -> Self {
        let row = |row: usize| (0..=row).map(move |column| matrix.get(row, column));
        Self((0..size).flat_map(row).collect())
    }

    /// Whether it is a matrix of that size of finite numbers.
    pub(super) fn is_sound(&self, size: usize) -> bool {
        self.0.len() == size * (size + 1) / 2 && self.0.iter().all(|value| value.is_finite())
    }

    /// An element.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        self.0[index(row, column)]
    }

    pub(super) fn add(&mut self, row: usize, column: usize, value: f64) {
        self.0[index(row, column)] += value;
    }

    /// A further unknown, of which nothing is known. A triangle of n rows has n (n+1)/2 elements, so that of the new row is n + 1.
    pub(super) fn grow(&mut self) {
        let size = self.size();
        self.0.extend(std::iter::repeat_n(0.0, size + 1));
    }

    pub(super) fn size(&self) -> usize {
        (0..=self.0.len()).find(|size| self.0.len() <= size * (size + 1) / 2).unwrap_or(0)
    }

    pub(super) fn symmetric(&self, size: usize) -> Symmetric {
        let mut matrix = Symmetric::zero(size);
        for row in 0..size {
            for column in 0..=row {
                matrix.add(row, column, self.get(row, column));
            }
        }
        matrix
    }

    /// Eliminates one unknown and leaves its row empty.
    pub(super) fn eliminate(&mut self, at: usize, right: &mut [f64]) {
        let size = right.len();
        let pivot = self.get(at, at);
        let column: Vec<f64> = (0..size).map(|row| self.get(row, at)).collect();
        if 0.0 < pivot {
            let shift = right[at] / pivot;
            for row in 0..size {
                right[row] -= column[row] * shift;
                for other in 0..=row {
                    self.add(row, other, -column[row] * column[other] / pivot);
                }
            }
        }
        for row in 0..size {
            self.0[index(row, at)] = 0.0;
        }
        right[at] = 0.0;
    }
}
