//! Elimination of unknowns from normal equations. Called by the fit of a balance; it never inverts what is kept.

use crate::cholesky::Symmetric;

/// Keeps the first `kept` unknowns of `matrix · x = right`; none if the others are not determined.
///
/// # Formula
/// `J_kk − J_kd J_dd⁻¹ J_dk`, `b_k − J_kd J_dd⁻¹ b_d`.
pub(crate) fn eliminate(matrix: &Symmetric, right: &[f64], kept: usize) -> Option<(Symmetric, Vec<f64>)> {
    let dropped = right.len() - kept;
    let mut block = Symmetric::zero(dropped);
    for i in 0..dropped {
        for j in 0..=i {
            block.add(i, j, matrix.get(kept + i, kept + j));
        }
    }
    let factor = block.factor()?;
    let column = |at: usize| (0..dropped).map(|i| matrix.get(kept + i, at)).collect::<Vec<f64>>();
    let shift = factor.solve(&right[kept..]);
    let (mut rest, mut rest_right) = (Symmetric::zero(kept), Vec::with_capacity(kept));
    for (at, right) in right.iter().enumerate().take(kept) {
        let cross = column(at);
        rest_right.push(right - dot(&cross, &shift));
        let solved = factor.solve(&cross);
        for other in 0..=at {
            let through: f64 = (0..dropped).map(|i| solved[i] * matrix.get(kept + i, other)).sum();
            rest.add(at, other, matrix.get(at, other) - through);
        }
    }
    Some((rest, rest_right))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: J_dd = 5, J_kd = (2, 0), b_d = 3.
    #[test]
    fn an_unknown_is_eliminated_by_hand() {
        let mut matrix = Symmetric::zero(3);
        for (row, column, value) in [(0, 0, 4.0), (1, 0, 1.0), (1, 1, 3.0), (2, 0, 2.0), (2, 2, 5.0)] {
            matrix.add(row, column, value);
        }
        let (rest, right) = eliminate(&matrix, &[1.0, 2.0, 3.0], 2).expect("determined");
        for (found, expected) in [
            (rest.get(0, 0), 3.2),
            (rest.get(1, 0), 1.0),
            (rest.get(1, 1), 3.0),
            (right[0], -0.2),
            (right[1], 2.0),
        ] {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
    }

    #[test]
    fn what_is_not_determined_cannot_be_eliminated() {
        assert!(eliminate(&Symmetric::zero(2), &[0.0, 0.0], 1).is_none());
    }
}
