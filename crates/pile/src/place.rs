//! Where a pile stands and what its plate says. Written from the operator's registration, read by every page.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{OperatorId, PileId, StationId};

/// What a pile gives the vehicle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PileKind {
    /// Alternating current; the vehicle converts (JJG 1148).
    Ac,
    /// Direct current from an off-board charger (JJG 1149).
    Dc,
}

impl PileKind {
    /// The word used in files and in the database: `ac` or `dc`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ac => "ac",
            Self::Dc => "dc",
        }
    }

    /// Reads [`Self::word`] back, in any letter case.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "ac" => Some(Self::Ac),
            "dc" => Some(Self::Dc),
            _ => None,
        }
    }
}

/// Accuracy class of a pile: the name on the plate, e.g. `1` or `2`. What it permits is a rule set's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccuracyClass(pub Decimal);

impl AccuracyClass {
    /// Class 2, assumed where the plate is unknown (the laxer of the two classes of JJG 1148/1149).
    pub const ASSUMED: Self = Self(Decimal::TWO);
}

/// A point on the earth, WGS-84 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Longitude, degrees east.
    pub lon: f64,
    /// Latitude, degrees north.
    pub lat: f64,
}

impl Place {
    /// A place, if both numbers are finite and on the globe.
    pub fn new(lon: f64, lat: f64) -> Option<Self> {
        ((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)).then_some(Self { lon, lat })
    }
}

/// Who answers for piles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    /// Identifier.
    pub operator_id: OperatorId,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
}

/// A place with piles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Station {
    /// Identifier.
    pub station_id: StationId,
    /// Who runs it.
    pub operator_id: OperatorId,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Where it stands, WGS-84.
    pub place: Place,
    /// Street address.
    pub address: Option<String>,
    /// Telephone number of its service.
    pub phone: Option<String>,
    /// Highest price of a kWh in the course of a day, service included, CNY.
    pub fee_cny_kwh: Option<Decimal>,
    /// What else there is to say of the price: hours, parking.
    pub fee_note: Option<String>,
}

/// A charging pile as registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pile {
    /// Identifier; also the identity in its OCPP address.
    pub pile_id: PileId,
    /// The station it belongs to; none for a charger that connected before it was registered.
    pub station_id: Option<StationId>,
    /// The operator who answers for it.
    pub operator_id: Option<OperatorId>,
    /// AC or DC.
    pub kind: PileKind,
    /// Accuracy class on the plate.
    pub class: AccuracyClass,
    /// Rated power, kW.
    pub power_kw: Option<Decimal>,
    /// Where it stands; usually its station's place with a few metres of offset.
    pub place: Option<Place>,
    /// Model on the plate; a boot message may add it.
    pub model: Option<String>,
    /// Serial number of its meter.
    pub meter_serial: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_off_the_globe_is_none() {
        assert!(Place::new(120.3, 31.5).is_some());
        assert!(Place::new(181.0, 0.0).is_none());
        assert!(Place::new(f64::NAN, 0.0).is_none());
    }
}
