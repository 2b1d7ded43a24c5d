//! Where a pile stands and what its plate says. Written from the operator's registration, read by every page.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{GivenPlace, OperatorId, PileId, StationId};

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

    /// Power, kW, that no pile of the kind exceeds. AC: three phases of 63 A give 44 kW, of 250 A 173 kW. DC: chargers of lorries reach
    /// 3,750 kW (MCS, 3,000 A at 1,250 V).
    pub fn power_max_kw(self) -> Decimal {
        match self {
            Self::Ac => Decimal::from_parts(200, 0, 0, false, 0),
            Self::Dc => Decimal::from_parts(5_000, 0, 0, false, 0),
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

/// What a vehicle plugs into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectorType {
    /// GB/T 20234.2, alternating current.
    GbtAc,
    /// GB/T 20234.3, direct current.
    GbtDc,
    /// IEC 62196 type 1.
    Type1,
    /// IEC 62196 type 2.
    Type2,
    /// CCS on type 1.
    Ccs1,
    /// CCS on type 2.
    Ccs2,
    /// CHAdeMO.
    Chademo,
}

impl ConnectorType {
    /// Every type, with the word used in files and in the database, and OCPI's.
    const WORDS: [(Self, &'static str, &'static str); 7] = [
        (Self::GbtAc, "gbt_ac", "GBT_AC"),
        (Self::GbtDc, "gbt_dc", "GBT_DC"),
        (Self::Type1, "type1", "IEC_62196_T1"),
        (Self::Type2, "type2", "IEC_62196_T2"),
        (Self::Ccs1, "ccs1", "IEC_62196_T1_COMBO"),
        (Self::Ccs2, "ccs2", "IEC_62196_T2_COMBO"),
        (Self::Chademo, "chademo", "CHADEMO"),
    ];

    /// Every type, those of China first.
    pub const ALL: [Self; 7] =
        [Self::GbtDc, Self::GbtAc, Self::Ccs2, Self::Type2, Self::Chademo, Self::Ccs1, Self::Type1];

    /// The word used in files and in the database, e.g. `gbt_dc`.
    pub fn word(self) -> &'static str {
        Self::WORDS.into_iter().find(|(one, ..)| *one == self).map_or("", |(_, word, _)| word)
    }

    /// Reads [`Self::word`], or OCPI's word for it, in any letter case.
    pub fn from_word(word: &str) -> Option<Self> {
        let is_it = |one: &str| one.eq_ignore_ascii_case(word.trim());
        Self::WORDS.into_iter().find(|(_, own, ocpi)| is_it(own) || is_it(ocpi)).map(|(one, ..)| one)
    }

    /// Whether it has no contacts for alternating current; a combined one has.
    pub fn is_dc_only(self) -> bool {
        matches!(self, Self::GbtDc | Self::Chademo)
    }

    /// Every word, with commas between.
    pub fn words() -> String {
        Self::WORDS.map(|(_, word, _)| word).join(", ")
    }
}

/// Accuracy class of a pile: the name on the plate, e.g. `1` or `2`. What it permits is a rule set's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccuracyClass(pub Decimal);

impl AccuracyClass {
    /// Class 2, assumed where the plate is unknown (the laxer of the two classes of JJG 1148/1149).
    pub const ASSUMED: Self = Self(Decimal::TWO);
}

/// Mean radius of the earth, m (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

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

    /// Distance along the great circle, m, on a sphere of the earth's mean radius: true to 0.5 %.
    ///
    /// # Formula
    /// `2 R asin √(sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2))` (haversine).
    pub fn distance_m(self, other: Self) -> f64 {
        let (here, there) = (self.lat.to_radians(), other.lat.to_radians());
        let half = |angle: f64| (angle / 2.0).sin().powi(2);
        let chord = half(there - here) + here.cos() * there.cos() * half((other.lon - self.lon).to_radians());
        2.0 * EARTH_RADIUS_M * chord.clamp(0.0, 1.0).sqrt().asin()
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
    /// The same as somebody gave it; none where nobody did.
    pub given: Option<GivenPlace>,
    /// District or county (行政区划) that it stands in, as its name is written.
    pub region: Option<String>,
    /// Street address.
    pub address: Option<String>,
    /// Telephone number of its service.
    pub phone: Option<String>,
    /// Highest price of a kWh in the course of a day, service included, CNY.
    pub fee_cny_kwh: Option<Decimal>,
    /// What else there is to say of the price: hours, parking.
    pub fee_note: Option<String>,
    /// Country that it stands in, ISO 3166-1 alpha-3; none where nobody said.
    pub country: Option<String>,
    /// Its time zone by the name of the IANA's database; none where nobody said.
    pub time_zone: Option<String>,
    /// How many piles a list says that it has; those registered are counted by themselves.
    pub told_piles: Option<u32>,
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
    /// What can be plugged in, as far as anybody said.
    pub connectors: Vec<ConnectorType>,
    /// Where it stands; usually its station's place with a few metres of offset.
    pub place: Option<Place>,
    /// The same as somebody gave it; none where nobody did.
    pub given: Option<GivenPlace>,
    /// Model on the plate; a boot message may add it.
    pub model: Option<String>,
    /// Serial number of its meter.
    pub meter_serial: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_latitude_is_a_nautical_mile() {
        let (here, there) = (Place { lon: 10.0, lat: 45.0 }, Place { lon: 10.0, lat: 45.0 + 1.0 / 60.0 });
        // The nautical mile is 1852 m by definition.
        assert!((here.distance_m(there) - 1852.0).abs() < 5.0);
        // A quarter of the sphere's circumference.
        let pole = Place { lon: 77.0, lat: 90.0 };
        let equator = Place { lon: 0.0, lat: 0.0 };
        assert!((pole.distance_m(equator) - EARTH_RADIUS_M * std::f64::consts::FRAC_PI_2).abs() < 1e-3);
    }

    #[test]
    fn a_connector_reads_by_either_word() {
        assert_eq!(ConnectorType::from_word("GBT_DC"), Some(ConnectorType::GbtDc));
        assert_eq!(ConnectorType::from_word("IEC_62196_T2_COMBO"), Some(ConnectorType::Ccs2));
        assert_eq!(ConnectorType::from_word("ccs2"), Some(ConnectorType::Ccs2));
        assert_eq!(ConnectorType::from_word("schuko"), None);
        assert_eq!(ConnectorType::Ccs2.word(), "ccs2");
        for one in ConnectorType::ALL {
            assert_eq!(ConnectorType::from_word(one.word()), Some(one));
        }
    }

    #[test]
    fn a_place_off_the_globe_is_none() {
        assert!(Place::new(120.3, 31.5).is_some());
        assert!(Place::new(181.0, 0.0).is_none());
        assert!(Place::new(f64::NAN, 0.0).is_none());
    }
}
