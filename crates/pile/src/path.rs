//! By which way a vehicle's own energy came to be known.
//!
//! Called by whoever reads, keeps and compares vehicles' values. It says nothing of how good a way is: that is the fit's to find.

use serde::{Deserialize, Serialize};

/// How the vehicle's energy came to be known: each way has its own noise, and a bias of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VehiclePath {
    /// The pile told it: it can be forged there.
    Relayed,
    /// From the vehicle to its maker to us.
    Telematics,
    /// From the driver's app.
    App,
    /// A reference vehicle of an authority.
    Reference,
}

impl VehiclePath {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Relayed, Self::Telematics, Self::App, Self::Reference];

    /// Its word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Relayed => "relayed",
            Self::Telematics => "telematics",
            Self::App => "app",
            Self::Reference => "reference",
        }
    }

    /// The one of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|path| path.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_found_by_its_word_alone() {
        for path in VehiclePath::ALL {
            assert_eq!(VehiclePath::from_word(path.word()), Some(path));
        }
        assert_eq!(VehiclePath::from_word("Telematics"), None);
    }
}
