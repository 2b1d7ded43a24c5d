//! The errors that were injected, so that estimates can be held against them.

use std::path::Path;

use crate::SimulatorError;

/// Whose error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pile's error of indication.
    Pile,
    /// A vehicle's bias.
    Vehicle,
}

/// One injected error.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Whose.
    pub kind: Kind,
    /// Pile identifier or card.
    pub id: String,
    /// Relative error, fraction.
    pub error: f64,
}

/// Writes `kind,id,error_percent`.
pub fn write(file: &Path, truths: &[Truth]) -> Result<(), SimulatorError> {
    let mut text = String::from("kind,id,error_percent\n");
    for truth in truths {
        let kind = if truth.kind == Kind::Pile { "pile" } else { "vehicle" };
        text.push_str(&format!("{kind},{},{:.6}\n", truth.id, 100.0 * truth.error));
    }
    std::fs::write(file, text)
        .map_err(|error| SimulatorError::File { file: file.display().to_string(), reason: error.to_string() })
}
