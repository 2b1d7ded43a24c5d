//! The uncertainty budget by the GUM (JCGM 100:2008): components in, combined and expanded uncertainty out.
//!
//! Called with the components of one measurement, all in the unit of the result or with a sensitivity that leads to it. It never
//! decides (see [`crate::decision`]), and it is linear: where the model is not, [`crate::monte_carlo`] checks it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::graph::DisjointSets;
use crate::student;

/// Most components of a budget; published ones have a dozen.
pub const COMPONENTS_MAX: usize = 256;

/// How far below zero an eigenvalue of the correlations may seem to lie by rounding, in units of a variance.
const DEFINITE_TOLERANCE: f64 = 1e-9;

/// How a component was evaluated (GUM 4.2, 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// From a series of readings.
    A,
    /// By other means.
    B,
}

/// The distribution of what is known of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Normal.
    Normal,
    /// Student's t, scaled and shifted.
    Student,
    /// Anything between two limits is as likely.
    Rectangular,
    /// Most likely in the middle of two limits.
    Triangular,
    /// Most likely at two limits, as of a quantity that swings between them.
    UShaped,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// What it is.
    pub name: String,
    /// How it was evaluated.
    pub evaluation: Evaluation,
    /// Its distribution.
    pub distribution: Distribution,
    /// Standard uncertainty u(x), in the unit of x.
    pub standard_uncertainty: f64,
    /// Sensitivity coefficient c = ∂y/∂x.
    pub sensitivity: f64,
    /// Degrees of freedom ν; infinite where u(x) is known exactly. Written as nothing (`null`) when infinite.
    #[serde(with = "infinite_as_none", default = "infinite")]
    pub degrees_of_freedom: f64,
}

/// The correlation of two components, by their place in the budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// One.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// Correlation coefficient r, −1..1.
    pub coefficient: f64,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Components.
    pub components: Vec<Component>,
    /// Correlations of those that are not independent.
    #[serde(default)]
    pub correlations: Vec<Correlation>,
}

/// What a budget comes to, in the unit of the result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combined {
    /// Combined standard uncertainty u_c.
    pub standard_uncertainty: f64,
    /// Effective degrees of freedom, cut to a whole number where 1 or more: those that the coverage factor belongs to.
    #[serde(with = "infinite_as_none", default = "infinite")]
    pub effective_degrees_of_freedom: f64,
    /// Coverage factor k.
    pub coverage_factor: f64,
    /// Expanded uncertainty U = k u_c.
    pub expanded_uncertainty: f64,
    /// Coverage probability that was asked for; a least coverage factor can only raise it.
    pub coverage_probability: f64,
}

/// Why a budget cannot be combined.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BudgetError {
    /// No component.
    #[error("the budget has no component")]
    Empty,
    /// Too many components.
    #[error("{0} components, more than {COMPONENTS_MAX}")]
    TooMany(usize),
    /// A component whose numbers are not finite, or whose uncertainty or degrees of freedom are not of this world.
    #[error("component {index} ({name}): {what}")]
    Component {
        /// Place in the budget.
        index: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A correlation that names no two components, or not between −1 and 1, or of a pair that was there before.
    #[error("correlation {index}: {what}")]
    Correlation {
        /// Place in the list.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Correlations that no quantities can have together.
    #[error("the correlations contradict each other (not positive semidefinite)")]
    NotSemidefinite,
    /// A probability outside 0..1.
    #[error("coverage probability {0} is not between 0 and 1")]
    Probability(f64),
    /// A least coverage factor that is negative or not finite.
    #[error("least coverage factor {0} is not a number from 0 on")]
    CoverageFactor(f64),
    /// The result is no finite number.
    #[error("the combined uncertainty is too large for a number")]
    Overflow,
}

impl Component {
    /// From repeated readings: the standard uncertainty of their mean. None with fewer than two, or one that is not finite.
    ///
    /// # Formula
    /// `u = s / √n`, `s² = Σ(x − x̄)² / (n − 1)`, ν = n − 1 (GUM 4.2).
    pub fn type_a(name: impl Into<String>, readings: &[f64]) -> Option<Self> {
        let count = readings.len() as f64;
        if readings.len() < 2 {
            return None;
        }
        let squares: f64 = deviations(readings).iter().map(|deviation| deviation * deviation).sum();
        let standard_uncertainty = (squares / (count - 1.0) / count).sqrt();
        standard_uncertainty.is_finite().then(|| Self {
            name: name.into(),
            evaluation: Evaluation::A,
            distribution: Distribution::Student,
            standard_uncertainty,
            sensitivity: 1.0,
            degrees_of_freedom: count - 1.0,
        })
    }

    /// From a certificate: `u = U / k` (GUM 4.3.3). A factor of 0 gives a component that [`Budget::combine`] refuses.
    pub fn from_expanded(name: impl Into<String>, expanded: f64, coverage_factor: f64) -> Self {
        Self::type_b(name, Distribution::Normal, expanded / coverage_factor)
    }

    /// Anywhere within ± the half-width: `u = a / √3` (GUM 4.3.7).
    pub fn rectangular(name: impl Into<String>, half_width: f64) -> Self {
        Self::type_b(name, Distribution::Rectangular, half_width / 3.0f64.sqrt())
    }

    /// Within ± the half-width and most likely in the middle: `u = a / √6` (GUM 4.3.9).
    pub fn triangular(name: impl Into<String>, half_width: f64) -> Self {
        Self::type_b(name, Distribution::Triangular, half_width / 6.0f64.sqrt())
    }

    /// Swinging between ± the half-width: `u = a / √2` (JCGM 101 6.4.6).
    pub fn u_shaped(name: impl Into<String>, half_width: f64) -> Self {
        Self::type_b(name, Distribution::UShaped, half_width / 2.0f64.sqrt())
    }

    fn type_b(name: impl Into<String>, distribution: Distribution, standard_uncertainty: f64) -> Self {
        Self {
            name: name.into(),
            evaluation: Evaluation::B,
            distribution,
            standard_uncertainty,
            sensitivity: 1.0,
            degrees_of_freedom: f64::INFINITY,
        }
    }

    /// The same with another sensitivity coefficient.
    #[must_use]
    pub fn with_sensitivity(self, sensitivity: f64) -> Self {
        Self { sensitivity, ..self }
    }

    /// The same with other degrees of freedom.
    #[must_use]
    pub fn with_degrees_of_freedom(self, degrees_of_freedom: f64) -> Self {
        Self { degrees_of_freedom, ..self }
    }

    /// What it contributes, `c u(x)`, with the sign of c; in the unit of the result.
    pub fn contribution(&self) -> f64 {
        self.sensitivity * self.standard_uncertainty
    }

    fn fault(&self) -> Option<&'static str> {
        if !self.standard_uncertainty.is_finite() {
            Some("its standard uncertainty is not finite")
        } else if self.standard_uncertainty < 0.0 {
            Some("its standard uncertainty is negative")
        } else if !self.sensitivity.is_finite() {
            Some("its sensitivity is not finite")
        } else if 0.0 < self.degrees_of_freedom {
            None
        } else {
            Some("its degrees of freedom are not above zero")
        }
    }
}

impl Correlation {
    /// From readings that were taken together, one of each component at a time. None where their numbers differ, with fewer than
    /// two, or where one of them never moves.
    ///
    /// # Formula
    /// `r = Σ(x − x̄)(y − ȳ) / √(Σ(x − x̄)² Σ(y − ȳ)²)` (GUM 5.2.3, eq. 17 over the standard deviations).
    pub fn from_readings(a: usize, b: usize, readings_a: &[f64], readings_b: &[f64]) -> Option<Self> {
        if readings_a.len() != readings_b.len() || readings_a.len() < 2 {
            return None;
        }
        let (from_a, from_b) = (deviations(readings_a), deviations(readings_b));
        let product = |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(x, y)| x * y).sum() };
        let scale = (product(&from_a, &from_a) * product(&from_b, &from_b)).sqrt();
        let coefficient = product(&from_a, &from_b) / scale;
        // Readings in step give 1 and a last bit more.
        coefficient.is_finite().then(|| Self { a, b, coefficient: coefficient.clamp(-1.0, 1.0) })
    }
}

fn deviations(readings: &[f64]) -> Vec<f64> {
    let mean = readings.iter().sum::<f64>() / readings.len() as f64;
    readings.iter().map(|reading| reading - mean).collect()
}

impl Budget {
    /// Combines and expands.
    ///
    /// # Formula
    /// `u_c² = Σ_i Σ_j c_i c_j u_i u_j r_ij` (GUM eq. 13, 16); `U = k u_c`, `k = max(t_p(ν_eff), least coverage factor)`, t_p
    /// two-sided (GUM G.6.4).
    ///
    /// `ν_eff = u_c⁴ / Σ_g (u_g⁴ / ν_g)` (Welch–Satterthwaite, GUM eq. G.2b). That formula holds for independent components
    /// only. So components that are correlated, directly or through others, count as one group g with its own variance
    /// `u_g²`, correlations included, and with the least degrees of freedom of its members; groups are independent of
    /// each other. For quantities observed together n times that is n − 1, as it must be (GUM H.2); else it is cautious.
    ///
    /// Of ν_eff the whole part counts (GUM G.4.1 leaves the choice between this and interpolation; less is the cautious one);
    /// below 1 it is left as it is, since there are no 0 degrees of freedom.
    pub fn combine(
        &self,
        coverage_probability: f64,
        least_coverage_factor: f64,
    ) -> Result<Combined, BudgetError> {
        if !(0.0 < coverage_probability && coverage_probability < 1.0) {
            return Err(BudgetError::Probability(coverage_probability));
        }
        if !(0.0 <= least_coverage_factor && least_coverage_factor.is_finite()) {
            return Err(BudgetError::CoverageFactor(least_coverage_factor));
        }
        self.check_components()?;
        self.check_correlations()?;
        let groups = self.groups();
        let variance: f64 = groups.iter().map(|group| group.variance).sum();
        let standard_uncertainty = variance.sqrt();
        let effective = effective(&groups, variance);
        let coverage_factor =
            student::coverage_factor(coverage_probability, effective).max(least_coverage_factor);
        let expanded_uncertainty = coverage_factor * standard_uncertainty;
        if !expanded_uncertainty.is_finite() {
            return Err(BudgetError::Overflow);
        }
        Ok(Combined {
            standard_uncertainty,
            effective_degrees_of_freedom: effective,
            coverage_factor,
            expanded_uncertainty,
            coverage_probability,
        })
    }

    fn check_components(&self) -> Result<(), BudgetError> {
        if self.components.is_empty() {
            return Err(BudgetError::Empty);
        }
        if COMPONENTS_MAX < self.components.len() {
            return Err(BudgetError::TooMany(self.components.len()));
        }
        for (index, component) in self.components.iter().enumerate() {
            if let Some(what) = component.fault() {
                return Err(BudgetError::Component { index, name: component.name.clone(), what });
            }
        }
        Ok(())
    }

    fn check_correlations(&self) -> Result<(), BudgetError> {
        let count = self.components.len();
        let mut matrix = vec![vec![0.0; count]; count];
        let mut seen = vec![false; count * count];
        for (index, correlation) in self.correlations.iter().enumerate() {
            let Correlation { a, b, coefficient } = *correlation;
            let fault = |what| Err(BudgetError::Correlation { index, what });
            if count <= a || count <= b {
                return fault("it names a component that is not there");
            }
            if a == b {
                return fault("a component is not correlated with itself");
            }
            if !(-1.0..=1.0).contains(&coefficient) {
                return fault("its coefficient is not between -1 and 1");
            }
            if std::mem::replace(&mut seen[a.min(b) * count + a.max(b)], true) {
                return fault("its pair was there before");
            }
            matrix[a][b] = coefficient;
            matrix[b][a] = coefficient;
        }
        for (index, row) in matrix.iter_mut().enumerate() {
            row[index] = 1.0;
        }
        if is_semidefinite(matrix) { Ok(()) } else { Err(BudgetError::NotSemidefinite) }
    }

    /// Sets of correlated components; each independent one is a set of its own. In the order of their first member.
    fn groups(&self) -> Vec<Group> {
        let mut sets = DisjointSets::new(self.components.len());
        for correlation in self.correlations.iter().filter(|correlation| correlation.coefficient != 0.0) {
            sets.join(correlation.a, correlation.b);
        }
        let nothing = Group { variance: 0.0, degrees_of_freedom: f64::INFINITY };
        let mut groups = vec![nothing; self.components.len()];
        for (index, component) in self.components.iter().enumerate() {
            let group = &mut groups[sets.root(index)];
            group.variance += component.contribution() * component.contribution();
            // A component that contributes nothing makes its group no less certain.
            if component.contribution() != 0.0 {
                group.degrees_of_freedom = group.degrees_of_freedom.min(component.degrees_of_freedom);
            }
        }
        for Correlation { a, b, coefficient } in &self.correlations {
            let product = self.components[*a].contribution() * self.components[*b].contribution();
            groups[sets.root(*a)].variance += 2.0 * coefficient * product;
        }
        // Contributions that cancel leave a rounding error of either sign.
        groups.iter_mut().for_each(|group| group.variance = group.variance.max(0.0));
        groups
    }
}

/// Components that are correlated with each other, or a single one.
#[derive(Debug, Clone, Copy)]
struct Group {
    variance: f64,
    degrees_of_freedom: f64,
}

fn effective(groups: &[Group], variance: f64) -> f64 {
    let share = |group: &Group| {
        let part = group.variance / variance;
        part * part / group.degrees_of_freedom
    };
    if variance <= 0.0 {
        return f64::INFINITY;
    }
    let effective = 1.0 / groups.iter().map(share).sum::<f64>();
    // A budget of one component gives 2.999…96 for 3 in some last bit: the whole part must not lose one for it.
    let whole = libm::floor(effective * (1.0 + 8.0 * f64::EPSILON));
    if 1.0 <= whole { whole } else { effective }
}

/// Whether a correlation matrix can be one, by Cholesky's method with the largest pivot first.
fn is_semidefinite(mut matrix: Vec<Vec<f64>>) -> bool {
    let count = matrix.len();
    for step in 0..count {
        let pivot = (step..count)
            .max_by(|a, b| matrix[*a][*a].total_cmp(&matrix[*b][*b]))
            .expect("a step lies within the matrix");
        matrix.swap(step, pivot);
        matrix.iter_mut().for_each(|row| row.swap(step, pivot));
        let largest = matrix[step][step];
        if largest <= DEFINITE_TOLERANCE {
            // Nothing of any variance is left: then no covariance may be left either, and no variance may be negative.
            let rest = matrix[step..].iter().enumerate();
            return rest.into_iter().all(|(row, values)| {
                -DEFINITE_TOLERANCE <= values[step + row]
                    && values[step..].iter().all(|value| value.abs() <= DEFINITE_TOLERANCE.sqrt())
            });
        }
        for row in step + 1..count {
            let (above, below) = matrix.split_at_mut(row);
            let factor = below[0][step] / largest;
            for (value, pivot) in below[0][step + 1..].iter_mut().zip(&above[step][step + 1..]) {
                *value -= factor * pivot;
            }
        }
    }
    true
}

fn infinite() -> f64 {
    f64::INFINITY
}

/// Degrees of freedom in formats that have no infinity: JSON would write `null` and not read it back.
mod infinite_as_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
    }
}

#[cfg(test)]
mod tests;
