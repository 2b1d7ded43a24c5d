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
    /// The text is `.` or `..`: clients resolve these in addresses (RFC 3986, section 5.2.4), also percent-encoded, so that no page is reached.
    #[error(
        "the identifier is `.` or `..`, which in an address stand for folders, so that nothing could be reached under it"
    )]
    Dots,
}

fn check(text: &str) -> Result<(), IdentityError> {
    if text.trim().is_empty() {
        return Err(IdentityError::Empty);
    }
    if matches!(text, "." | "..") {
        return Err(IdentityError::Dots);
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
            /// Parses an identifier: 1 to 64 characters of any script, but no control character and no `/`, and neither `.` nor `..`.
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

/// What kind of name a vehicle is called by: two names of one kind are two vehicles, a VIN and a plate may be one car's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// A vehicle identification number.
    Vin,
    /// A Chinese number plate.
    Plate,
    /// Any other: a number of an app's or an authority's own.
    Other,
}

/// What a Chinese plate begins with (GA 36): the provinces.
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";

impl NameKind {
    /// Of a name as somebody wrote it.
    pub fn of(name: &str) -> Self {
        let name = name.trim();
        if is_vin(name) {
            Self::Vin
        } else if is_plate(name) {
            Self::Plate
        } else {
            Self::Other
        }
    }

    /// Its word, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vin => "vin",
            Self::Plate => "plate",
            Self::Other => "other",
        }
    }
}

/// Whether a text can be a vehicle identification number (ISO 3779): 17 characters without I, O and Q, digits among them.
pub fn is_vin(text: &str) -> bool {
    let of_number = |char: char| char.is_ascii_alphanumeric() && !"IOQ".contains(char.to_ascii_uppercase());
    let has_digits = text.chars().any(|char| char.is_ascii_digit());
    text.chars().count() == 17 && has_digits && text.chars().all(of_number)
}

/// A province, a letter, and five or six letters and digits, the last perhaps a word (学, 警, 港); dots, dashes and blanks do not count.
fn is_plate(text: &str) -> bool {
    let mut chars = text.chars().filter(|char| !"·.-‧•・ ".contains(*char));
    let begins = chars.next().is_some_and(|char| PROVINCES.contains(char))
        && chars.next().is_some_and(|char| char.is_ascii_alphabetic());
    let rest: Vec<char> = chars.collect();
    begins && (5..=6).contains(&rest.len()) && rest.iter().all(|char| char.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_any_script_pass_and_unsafe_ones_say_why() {
        for good in ["WX-0001", "桩-17", "CP:A*1@site", "pile no 7", "a", "...", ".1", "a.."] {
            assert!(PileId::parse(good).is_ok(), "{good}");
        }
        assert_eq!(PileId::parse("  "), Err(IdentityError::Empty));
        for dots in [".", ".."] {
            assert_eq!(PileId::parse(dots), Err(IdentityError::Dots));
            assert_eq!(StationId::parse(dots), Err(IdentityError::Dots));
        }
        assert_eq!(PileId::parse("a/b"), Err(IdentityError::Character('/')));
        assert_eq!(PileId::parse("a\nb"), Err(IdentityError::Character('\n')));
        assert_eq!(PileId::parse(&"x".repeat(65)), Err(IdentityError::TooLong(65)));
    }

    // VINs: the example of ISO 3779's check digit, and a Chinese one; plates: GA 36's forms, of electric cars, of driving schools.
    #[test]
    fn a_name_is_of_a_kind() {
        let check = |kind, names: &[&str]| {
            names.iter().for_each(|name| assert_eq!(NameKind::of(name), kind, "{name}"));
        };
        check(NameKind::Vin, &["1M8GDM9AXKP042788", " lsvnv2182e2100001 "]);
        check(NameKind::Plate, &["沪A12345", "沪A·D12345", "京 a-12345", "粤B1234学"]);
        check(
            NameKind::Other,
            &["", "A12345", "沪A1234", "沪AD123456", "LSVNV2182E210000", "OSVNV2182E2100001", "REF-1"],
        );
    }

    #[test]
    fn a_vehicle_key_does_not_show_itself_in_a_log() {
        assert_eq!(format!("{:?}", VehicleKey([7; 16])), "VehicleKey(…)");
    }
}
