//! What groups of points that move together add to the uncertainty of a difference of two sides.
//!
//! Called by signals of `assessment` that look at many stretches of one series, and by nothing that fits. It knows no noise: what each point
//! scatters by itself is the caller's.

/// What a group has on both sides, and inside.
#[derive(Debug, Clone, Copy, Default)]
struct Loads {
    all: f64,
    inside: f64,
}

/// Points of two sides of which one grows point by point; each costs the same however many there are.
///
/// # Formula
/// A group's own amount a_g of variance 1 moves the difference of the weighted means by `Σ_g d_g a_g`, of loads l and weights w
/// `d_g = I_g/W_i − (T_g − I_g)/W_o`, so that `Σ d² = α² ΣI² − 2αβ ΣIT + β² ΣT²` with `β = 1/W_o`, `α = 1/W_i + β`: three sums.
#[derive(Debug, Clone, Default)]
pub struct Sides {
    groups: Vec<Loads>,
    /// ΣI², ΣIT, ΣT².
    products: [f64; 3],
    /// Σ w, inside and in all.
    weights: [f64; 2],
    /// Σ l², likewise.
    squares: [f64; 2],
}

impl Sides {
    /// All points outside: of each its group, numbered from 0, its weight, and what of the group's amount is in it.
    pub fn of(points: impl Iterator<Item = (u32, f64, f64)>) -> Self {
        let mut sides = Self::default();
        for (group, weight, load) in points {
            let at = group as usize;
            if sides.groups.len() <= at {
                sides.groups.resize(at + 1, Loads::default());
            }
            sides.groups[at].all += load;
            sides.weights[1] += weight;
            sides.squares[1] += load * load;
        }
        sides.products[2] = sides.groups.iter().map(|group| group.all * group.all).sum();
        sides
    }

    /// One of the points goes inside.
    pub fn enter(&mut self, (group, weight, load): (u32, f64, f64)) {
        let Some(group) = self.groups.get_mut(group as usize) else { return };
        self.products[0] += load * (2.0 * group.inside + load);
        self.products[1] += load * group.all;
        group.inside += load;
        self.weights[0] += weight;
        self.squares[0] += load * load;
    }

    /// All are outside again.
    pub fn clear(&mut self) {
        self.groups.iter_mut().for_each(|group| group.inside = 0.0);
        (self.products[0], self.products[1], self.weights[0], self.squares[0]) = (0.0, 0.0, 0.0, 0.0);
    }

    /// Share of the weight that is inside.
    pub fn share(&self) -> f64 {
        self.weights[0] / self.weights[1]
    }

    /// Variance that groups of variance 1 add to the difference, beyond what their points scatter by as if each were alone: that is in their
    /// own scatter already. 0 where both sides have as much of each group as chance gives them, or less, and where one is empty.
    pub fn excess(&self) -> f64 {
        let (inside, outside) = (self.weights[0], self.weights[1] - self.weights[0]);
        if inside <= 0.0 || outside <= 0.0 {
            return 0.0;
        }
        let (own, other) = (1.0 / inside + 1.0 / outside, 1.0 / outside);
        let [inner, mixed, whole] = self.products;
        let together = own * own * inner - 2.0 * own * other * mixed + other * other * whole;
        let alone = self.squares[0] / (inside * inside) + (self.squares[1] - self.squares[0]) * other * other;
        (together - alone).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [(u32, f64, f64); 6] =
        [(0, 1.0, 2.0), (1, 1.0, 1.0), (0, 1.0, 1.0), (1, 1.0, 3.0), (2, 1.0, 1.0), (2, 1.0, 2.0)];

    /// By hand, inside the first two and the fifth: d = (2/3 − 1/3, 1/3 − 1, 1/3 − 2/3), Σ d² = 1/9 + 4/9 + 1/9; each alone
    /// (4 + 1 + 1 + 1 + 9 + 4)/9. With the first and the third inside, of equal loads: d = (1, −1/2, −1/2).
    #[test]
    fn a_difference_by_hand() {
        let mut sides = Sides::of(POINTS.into_iter());
        for at in [0, 1, 4] {
            sides.enter(POINTS[at]);
        }
        assert!((sides.share() - 0.5).abs() < 1e-15 && sides.excess().abs() < 1e-15, "{sides:?}");
        let equal = POINTS.map(|(group, weight, _)| (group, weight, 1.0));
        let mut sides = Sides::of(equal.into_iter());
        assert!(sides.excess().abs() < 1e-15);
        for _ in 0..2 {
            sides.clear();
            [0, 2].into_iter().for_each(|at| sides.enter(equal[at]));
            // 1 + 1/4 + 1/4, less 2/4 + 4/16.
            assert!((sides.excess() - 0.75).abs() < 1e-15, "{sides:?}");
        }
    }
}
