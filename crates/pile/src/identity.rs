//! Names by which the field knows things: pile, station, operator, vehicle.
//!
//! Parsed once at the door; inside, a value of these types is known to be well formed.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest identifier accepted. OCPP 1.6 allows 20, 2.0.1 48 characters; chargers in the field exceed both.
pub const IDENTIFIER_CHARS_MAX: usize = 64;

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The text is empty or only blanks.
    #[error("the identifier is empty")]
    Empty,
    /// The text is longer than [`IDENTIFIER_CHARS_MAX`].
    #[error("the identifier has {0} characters, at most {IDENTIFIER_CHARS_MAX} are allowed")]
    TooLong(usize),
    /// The text has a character that would end a path segment or a log line.
    #[error("the identifier contains {0:?}; any character but control characters and / is allowed")]
    Character(char),
}

fn check(text: &str) -> Result<(), IdentityError> {
    if text.trim().is_empty() {
        return Err(IdentityError::Empty);
    }
    let count = text.chars().count();
    if count > IDENTIFIER_CHARS_MAX {
        return Err(IdentityError::TooLong(count));
    }
    match text.chars().find(|c| c.is_control() || *c == '/') {
        Some(c) => Err(IdentityError::Character(c)),
        None => Ok(()),
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses an identifier: 1 to 64 characters of any script, but no control character and no `/`.
            pub fn parse(text: &str) -> Result<Self, IdentityError> {
                check(text).map(|()| Self(text.to_owned()))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdentityError;

            fn try_from(text: String) -> Result<Self, IdentityError> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

identifier!(
    /// A charging pile, as its operator and its OCPP connection name it (the OCPP charge point identity).
    PileId
);
identifier!(
    /// A charging station: the place where piles stand together.
    StationId
);
identifier!(
    /// The operator (经营者) who answers for a pile.
    OperatorId
);

/// A vehicle or card, known only by a keyed hash of what the charger sent (HMAC-SHA-256, first 16 bytes).
///
/// The plain identity is never stored; whoever lacks the key cannot get from here back to a person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VehicleKey(pub [u8; 16]);

impl fmt::Debug for VehicleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VehicleKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_any_script_pass_and_unsafe_ones_say_why() {
        for good in ["WX-0001", "桩-17", "CP:A*1@site", "pile no 7", "a"] {
            assert!(PileId::parse(good).is_ok(), "{good}");
        }
        assert_eq!(PileId::parse("  "), Err(IdentityError::Empty));
        assert_eq!(PileId::parse("a/b"), Err(IdentityError::Character('/')));
        assert_eq!(PileId::parse("a\nb"), Err(IdentityError::Character('\n')));
        assert_eq!(PileId::parse(&"x".repeat(65)), Err(IdentityError::TooLong(65)));
    }

    #[test]
    fn a_vehicle_key_does_not_show_itself_in_a_log() {
        assert_eq!(format!("{:?}", VehicleKey([7; 16])), "VehicleKey(…)");
    }
}
