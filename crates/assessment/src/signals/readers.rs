//! Charges that a pile reads alike: those of vehicles of one model, where nobody tells the model those of one vehicle.
//!
//! Called by `world` and `doubt`, once each. An honest pile reads one model otherwise than the others by the assessment's σ_i, so that such charges are no
//! independent witnesses of what one model's vehicles do at other hours, sizes or powers than the rest. It judges nothing.

use veripile_metrology::contrast::Interaction;

use super::world::Scored;

/// Variance of where residuals of t₄ lie in units of normal ones', (ν + 3)/(ν + 1).
const T4_VARIANCE: f64 = 1.4;

/// Whose charges are read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    Model(usize),
    Vehicle(usize),
    Charge(usize),
}

/// Numbers each pile's groups, and says how much they differ and how well that is known. Nothing where the assessment found no difference.
///
/// # Formula
/// A group whose mean has variance v tells of σ_i² with `(σ_i²/(σ_i² + v))²` degrees of freedom (Fisher's information of a variance), of k
/// groups of a pile one being its level: `ν = Σ_piles (k − 1)/k Σ_groups (σ_i²/(σ_i² + v))²`, 1 at least.
pub(super) fn number(
    standard_deviation: f64,
    scored: &mut [Vec<Scored>],
    vehicle: impl Fn(usize) -> Option<usize>,
    models: &[Option<usize>],
) -> Interaction {
    if !standard_deviation.is_finite() || standard_deviation <= 0.0 {
        return Interaction::default();
    }
    let reader = |scored: &Scored| match vehicle(scored.charge) {
        Some(vehicle) => {
            let model = models.get(vehicle).copied().flatten();
            model.map_or(Reader::Vehicle(vehicle), Reader::Model)
        }
        None => Reader::Charge(scored.charge),
    };
    let variance = standard_deviation * standard_deviation;
    let mut degrees_of_freedom = 0.0;
    for of_pile in scored {
        let mut readers: Vec<Reader> = of_pile.iter().map(reader).collect();
        readers.sort_unstable();
        readers.dedup();
        let mut weights = vec![0.0; readers.len()];
        for scored in of_pile {
            // Each is one of them.
            let at = readers.binary_search(&reader(scored)).unwrap_or_default();
            scored.group = u32::try_from(at).unwrap_or(u32::MAX);
            weights[at] += scored.scale.powi(-2);
        }
        let told = weights.iter().map(|weight| (variance / (variance + T4_VARIANCE / weight)).powi(2));
        degrees_of_freedom += told.sum::<f64>() * (1.0 - 1.0 / readers.len().max(1) as f64);
    }
    Interaction { standard_deviation, degrees_of_freedom: degrees_of_freedom.max(1.0) }
}
