//! The Monte Carlo check of a load point's linear budget (JCGM 101, clause 8): the same components with their distributions, through the
//! whole model instead of its first derivatives.
//!
//! Called for every load point of a result that becomes a document, and again by whoever checks it. The seed comes from the load
//! point and its readings, so that the same facts give the same numbers. It never changes what is stated or decided.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use veripile_metrology::budget::Component;
use veripile_metrology::crossing::to_f64;
use veripile_metrology::monte_carlo::{self, Input};

use super::{COVERAGE, Evaluated, percent};
use crate::canonical;
use crate::plan::LoadPoint;
use crate::run::Taken;

/// Trials. The ends of a 95 % interval of a normal distribution scatter by 2.7 u/√M; at worst, with u = 9.9 in its last place,
/// twice that is a fifth of the tolerance (JCGM 101, 8.2) from 280,000 on.
pub const TRIALS: usize = 300_000;

/// Significant digits of the standard uncertainty that the two intervals are compared in. In two digits the comparison would take
/// a hundred times as many trials, and no budget of three readings would pass it.
const DIGITS: u32 = 1;

/// How the linear budget compares with a Monte Carlo propagation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonteCarlo {
    /// Trials.
    pub trials: u32,
    /// Lower end of the error's probabilistically symmetric 95 % interval, percent.
    pub low_percent: Decimal,
    /// Upper end, percent.
    pub high_percent: Decimal,
    /// Numerical tolerance δ, percent.
    pub tolerance_percent: Decimal,
    /// How far the budget's lower end is off, d_low, percent.
    pub low_difference_percent: Decimal,
    /// How far its upper end is off, d_high, percent.
    pub high_difference_percent: Decimal,
    /// Whether neither is larger than δ: the linear budget is validated.
    pub validated: bool,
}

/// What a component does in the model.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// It adds to what the pile indicates, relative to the energy.
    Indicated,
    /// It multiplies the energy that the standard is thought to have measured.
    True,
    /// It shifts the angle between voltage and current, rad.
    Angle,
    /// It adds to what the cable takes, relative to the energy.
    Drop,
}

impl Part {
    fn of(component: &Component) -> Self {
        match component.name.as_str() {
            "repeatability" | "resolution" | "register_time" => Self::Indicated,
            "phase" => Self::Angle,
            "cable" => Self::Drop,
            _ => Self::True,
        }
    }
}

/// Checks a load point's budget. None where there is no uncertainty to compare.
///
/// # Formula
/// `e = (1 + ē + x_a + x_r) / (Π (1 + x_i) · cos(φ + x_φ)/cos φ · (1 − d − x_d)) − 1`: ē the mean error of the readings, x_a and x_r
/// repeatability and resolution (and a running register's time), x_i standard, drift, ripple and self-heating, x_φ the phase, d the cable's drop and x_d its
/// uncertainty, all about zero. The linear budget is `e` with the first derivatives of this at zero, `|ē|`, `d` ≪ 1.
pub(super) fn check(
    point: &LoadPoint,
    readings: &[&Taken],
    evaluated: &Evaluated,
) -> Result<Option<MonteCarlo>, String> {
    let components = &evaluated.budget.components;
    let inputs: Vec<Input> = components.iter().map(Input::deviation).collect();
    let parts: Vec<Part> = components.iter().map(Part::of).collect();
    let cosine = to_f64(point.power_factor.unwrap_or(Decimal::ONE)).clamp(-1.0, 1.0);
    let angle = libm::acos(cosine);
    let model = |values: &[f64]| {
        let (mut indicated, mut truth, mut kept) = (1.0 + evaluated.mean, 1.0, 1.0 - evaluated.drop);
        for (part, value) in parts.iter().zip(values) {
            match part {
                Part::Indicated => indicated += value,
                Part::True => truth *= 1.0 + value,
                Part::Angle => truth *= libm::cos(angle + value) / cosine,
                Part::Drop => kept -= value,
            }
        }
        indicated / (truth * kept) - 1.0
    };
    // The clause compares intervals of 95 %: the budget's without the least coverage factor that documents state it with.
    let gum = evaluated.budget.combine(COVERAGE, 0.0).map_err(|error| error.to_string())?;
    let propagated = monte_carlo::propagate(&inputs, model, TRIALS, seed(point, readings), COVERAGE)
        .map_err(|error| error.to_string())?;
    let Some(compared) = monte_carlo::compare(&gum, evaluated.error, &propagated, DIGITS) else {
        return Ok(None);
    };
    Ok(Some(MonteCarlo {
        trials: TRIALS as u32,
        low_percent: percent(propagated.symmetric.0)?,
        high_percent: percent(propagated.symmetric.1)?,
        tolerance_percent: percent(compared.tolerance)?,
        low_difference_percent: percent(compared.low_difference)?,
        high_difference_percent: percent(compared.high_difference)?,
        validated: compared.validated,
    }))
}

/// The first sixteen digits, hexadecimal, of the SHA-256 of the canonical text of load point and readings.
fn seed(point: &LoadPoint, readings: &[&Taken]) -> u64 {
    let text = canonical::text(&json!({ "point": point, "readings": readings }));
    let digits = canonical::sha256(text.as_bytes());
    u64::from_str_radix(&digits[..16], 16).expect("a hash is hexadecimal")
}

#[cfg(test)]
mod tests;
