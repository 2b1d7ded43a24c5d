//! Coordinates as they are given in China, and WGS-84, in which alone they are kept: WGS-84, GCJ-02 and BD-09 into each other.
//!
//! Called where places come in (import, registration) and where links leave for maps that expect another system. It never
//! corrects what looks wrong: it says what, and the pair as it was given is kept beside the place.
//!
//! # Formula
//! GCJ-02 was never published; these are the formulas by which everybody computes it ("eviltransform", "coordtransform"), on
//! the ellipsoid of Krasovsky 1940. Back again there is no closed form: a fixed point is sought, see [`ROUND_TRIP_DEG`].

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use self::outline::OUTLINE;
use crate::Place;

mod outline;

/// Semi-major axis of Krasovsky's ellipsoid, m.
const AXIS_M: f64 = 6_378_245.0;

/// Square of its first eccentricity, as in the formulas' published form.
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;

/// Angular frequency of BD-09's ripple, per degree.
const RIPPLE: f64 = PI * 3000.0 / 180.0;

/// The inverse is found when one more step moves it by less, degrees: a hundredth of a millimetre.
const ROUND_TRIP_DEG: f64 = 1e-10;

/// Steps of the inverse at most. Each gains some two digits, so that six suffice; more are only a guard against an endless loop.
const STEPS_MAX: usize = 20;

/// Where the offset can apply, west, south, east, north in degrees: the box of all implementations. It reaches to Seoul and Delhi, where
/// maps are not shifted: within it [`OUTLINE`] decides.
///
/// The outline is a tool to compute with, and says nothing of borders. It runs some five kilometres outside Natural Earth's, nowhere less
/// than 2.8, since that is itself up to 2.5 km off, and at sea as far as nobody else has piles. Of the 16,381 places that `GeoNames` (cities of 500
/// and more, CC BY 4.0) lists under CN, HK or MO none is outside; of 19,415 others in the box 95 are inside: 53 across a land border, up to
/// 8.4 km from it, 8 on Kinmen and Matsu, and 34 east of Bhutan, which China and India both claim and maps made in China draw as China.
///
/// Hong Kong and Macau are shifted and Taiwan is not, as Tencent says of its own coordinates (lbs.qq.com/faq/latlngFaq, question 4), Amap of
/// where its data are (`isAMapDataAvailable`, "大陆以及港、澳地区"), and Huawei of its map ("Coordinate Rectification").
const SHIFTED: [f64; 4] = [72.004, 0.8293, 137.8347, 55.8271];

/// Units of [`OUTLINE`] in a degree.
const UNITS_PER_DEGREE: f64 = 1000.0;

/// Where Baidu's coordinates are BD-09 though GCJ-02 is not shifted: Taiwan with Penghu, as above; Yonaguni, the next island, begins at 122.93.
///
/// Baidu's documents: BD-09 "在国内（包括港澳台）", WGS-84 everywhere else (lbsyun.baidu.com, Android and iOS SDK, "坐标转换"; JSAPI, "非中国地区地图统一使用
/// WGS-84 坐标").
const BAIDU_TAIWAN: [f64; 4] = [119.2, 21.7, 122.5, 25.7];

/// How far beyond the box a shifted pair can lie, degrees: a kilometre and more, and as much again in BD-09.
const SHIFT_DEG: f64 = 0.04;

/// Closer than this, m, a place is "the same" as another computed in a wrong system: a station's extent.
const SAME_M: f64 = 100.0;

/// What longitude and latitude refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoordinateSystem {
    /// The world's: GPS, GeoJSON, OCPI.
    Wgs84,
    /// What maps in China must show (Amap, Tencent): off by some 500 m.
    Gcj02,
    /// Baidu's, on top of GCJ-02: off by some 1,100 m. Outside China Baidu's coordinates are WGS-84.
    Bd09,
}

impl CoordinateSystem {
    /// Every system.
    pub const ALL: [Self; 3] = [Self::Wgs84, Self::Gcj02, Self::Bd09];

    /// The word used in files and in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Wgs84 => "wgs84",
            Self::Gcj02 => "gcj02",
            Self::Bd09 => "bd09",
        }
    }

    /// Reads [`Self::word`] back; capitals and a hyphen do not matter.
    pub fn from_word(word: &str) -> Option<Self> {
        let plain = word.trim().to_ascii_lowercase().replace('-', "");
        Self::ALL.into_iter().find(|system| system.word() == plain)
    }

    /// A place's longitude and latitude in this system, degrees. Where maps are not shifted (outside [`OUTLINE`])
    /// GCJ-02 is WGS-84; so is BD-09, but in Taiwan ([`BAIDU_TAIWAN`]).
    pub fn of(self, place: Place) -> (f64, f64) {
        match self {
            Self::Gcj02 => gcj02(place.lon, place.lat),
            Self::Bd09 if is_of_baidu(place.lon, place.lat) => {
                let (lon, lat) = gcj02(place.lon, place.lat);
                bd09(lon, lat)
            }
            Self::Wgs84 | Self::Bd09 => (place.lon, place.lat),
        }
    }

    /// The place at longitude and latitude in this system; none if they are not on the globe.
    pub fn place(self, lon: f64, lat: f64) -> Option<Place> {
        let given = Place::new(lon, lat)?;
        match self {
            Self::Wgs84 => Some(given),
            Self::Gcj02 => of_gcj02(lon, lat),
            Self::Bd09 => of_bd09(lon, lat).or(Some(given)),
        }
    }
}

/// Country (ISO 3166-1 alpha-3) and time zone (IANA) that a place is presumed to be in where nobody said: China's where maps are shifted. That
/// outline says nothing of borders, so that it is no more than presumed; none elsewhere.
pub fn presumed_country(place: Place) -> Option<(&'static str, &'static str)> {
    is_shifted(place.lon, place.lat).then_some(("CHN", "Asia/Shanghai"))
}

/// How far around 0, 0 nobody registers anything, degrees: a kilometre; the next land is 600 km away.
const ZERO_DEGREES: f64 = 0.01;

/// What looks wrong with a place. Reasons to look, never corrected by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceDoubt {
    /// Where maps are shifted, and nobody said in which system: WGS-84 was assumed.
    SystemAssumed,
    /// GCJ-02 or BD-09, where maps are not shifted. It says nothing of borders.
    NotShifted,
    /// With latitude and longitude exchanged it would be where maps are shifted.
    LooksExchanged,
    /// Off from where its station, or it itself, is known to be exactly as GCJ-02 is off from WGS-84.
    LooksGcj02,
    /// The same, as BD-09 is off from WGS-84.
    LooksBd09,
    /// At 0, 0, where there is sea: what an empty cell becomes in many a program.
    AtZero,
}

impl PlaceDoubt {
    /// Every doubt.
    pub const ALL: [Self; 6] = [
        Self::SystemAssumed,
        Self::NotShifted,
        Self::LooksExchanged,
        Self::LooksGcj02,
        Self::LooksBd09,
        Self::AtZero,
    ];

    /// The stable code, as stored and exported.
    pub fn code(self) -> &'static str {
        match self {
            Self::SystemAssumed => "system_assumed",
            Self::NotShifted => "not_shifted",
            Self::LooksExchanged => "looks_exchanged",
            Self::LooksGcj02 => "looks_gcj02",
            Self::LooksBd09 => "looks_bd09",
            Self::AtZero => "at_zero",
        }
    }
}

/// A place as somebody gave it, beside the WGS-84 made of it once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenPlace {
    /// In which system; WGS-84 where nobody said.
    pub system: CoordinateSystem,
    /// Longitude as given, degrees.
    pub lon: f64,
    /// Latitude as given, degrees.
    pub lat: f64,
    /// What looks wrong with it.
    pub doubts: Vec<PlaceDoubt>,
}

impl GivenPlace {
    /// A pair in the system that was named, or in WGS-84 if none was, and the place that it means; none if it is not on the globe.
    pub fn read(system: Option<CoordinateSystem>, lon: f64, lat: f64) -> Option<(Place, Self)> {
        let place = system.unwrap_or(CoordinateSystem::Wgs84).place(lon, lat)?;
        let mut doubts = Vec::new();
        match system {
            None if is_shifted(lon, lat) => doubts.push(PlaceDoubt::SystemAssumed),
            Some(CoordinateSystem::Gcj02 | CoordinateSystem::Bd09) if !is_shifted(lon, lat) => {
                doubts.push(PlaceDoubt::NotShifted);
            }
            _ => {}
        }
        if !is_shifted(lon, lat) && is_shifted(lat, lon) {
            doubts.push(PlaceDoubt::LooksExchanged);
        }
        if lon.abs() < ZERO_DEGREES && lat.abs() < ZERO_DEGREES {
            doubts.push(PlaceDoubt::AtZero);
        }
        Some((place, Self { system: system.unwrap_or(CoordinateSystem::Wgs84), lon, lat, doubts }))
    }

    /// Holds the place made of this against where it is known to be: off by a system's offset, the wrong system was named.
    pub fn compare(&mut self, place: Place, known: Place) {
        for (system, doubt) in [
            (CoordinateSystem::Gcj02, PlaceDoubt::LooksGcj02),
            (CoordinateSystem::Bd09, PlaceDoubt::LooksBd09),
        ] {
            let (lon, lat) = system.of(known);
            let is_off = place.distance_m(known) > 2.0 * SAME_M;
            let twin = Place { lon, lat };
            if is_off && place.distance_m(twin) < SAME_M && !self.doubts.contains(&doubt) {
                self.doubts.push(doubt);
            }
        }
    }
}

fn is_shifted(lon: f64, lat: f64) -> bool {
    holds(SHIFTED, 0.0, lon, lat) && is_in_outline(lon * UNITS_PER_DEGREE, lat * UNITS_PER_DEGREE)
}

/// Ray casting: whether an odd number of the ring's edges is crossed on the way from a point to the east.
fn is_in_outline(x: f64, y: f64) -> bool {
    let is_crossed = |((from_x, from_y), (to_x, to_y)): (&(i32, i32), &(i32, i32))| {
        let [from_x, from_y, to_x, to_y] = [from_x, from_y, to_x, to_y].map(|unit| f64::from(*unit));
        // A corner belongs to one of its two edges alone.
        (from_y > y) != (to_y > y) && x < from_x + (to_x - from_x) * (y - from_y) / (to_y - from_y)
    };
    let edges = OUTLINE.iter().zip(OUTLINE.iter().skip(1));
    edges.filter(|edge| is_crossed(*edge)).count() % 2 == 1
}

fn holds([west, south, east, north]: [f64; 4], margin: f64, lon: f64, lat: f64) -> bool {
    west - margin <= lon && lon <= east + margin && south - margin <= lat && lat <= north + margin
}

/// GCJ-02 of WGS-84.
fn gcj02(lon: f64, lat: f64) -> (f64, f64) {
    if is_shifted(lon, lat) { shifted(lon, lat) } else { (lon, lat) }
}

/// WGS-84 of GCJ-02: of the two places that such a pair can mean at the outline the one that is shifted.
fn of_gcj02(lon: f64, lat: f64) -> Option<Place> {
    let found = if holds(SHIFTED, SHIFT_DEG, lon, lat) { inverse(shifted, lon, lat) } else { None };
    found.filter(|place| is_shifted(place.lon, place.lat)).or_else(|| Place::new(lon, lat))
}

/// Whether Baidu's coordinates of a place differ from WGS-84.
fn is_of_baidu(lon: f64, lat: f64) -> bool {
    is_shifted(lon, lat) || holds(BAIDU_TAIWAN, 0.0, lon, lat)
}

/// WGS-84 of BD-09; none where no place has such a pair in it.
fn of_bd09(lon: f64, lat: f64) -> Option<Place> {
    if !holds(SHIFTED, SHIFT_DEG, lon, lat) {
        return None;
    }
    let between = inverse(bd09, lon, lat)?;
    // At the outline the pair between can be one that no place has.
    of_gcj02(between.lon, between.lat).filter(|place| {
        let (there_lon, there_lat) = CoordinateSystem::Bd09.of(*place);
        (there_lon - lon).abs().max((there_lat - lat).abs()) < 100.0 * ROUND_TRIP_DEG
    })
}

/// GCJ-02 of WGS-84, wherever it is.
fn shifted(lon: f64, lat: f64) -> (f64, f64) {
    let (x, y) = (lon - 105.0, lat - 35.0);
    let waves = |t: f64, terms: [(f64, f64); 2]| {
        terms.iter().map(|(amplitude, period)| amplitude * (2.0 * PI * t / period).sin()).sum::<f64>() * 2.0
            / 3.0
    };
    // Both shifts have this ripple along longitude, m.
    let ripple = waves(x, [(20.0, 1.0 / 3.0), (20.0, 1.0)]);
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + ripple
        + waves(y, [(20.0, 2.0), (40.0, 6.0)])
        + waves(y, [(160.0, 24.0), (320.0, 60.0)]);
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + ripple
        + waves(x, [(20.0, 2.0), (40.0, 6.0)])
        + waves(x, [(150.0, 24.0), (300.0, 60.0)]);
    let latitude = lat.to_radians();
    let squashed = 1.0 - ECCENTRICITY_SQUARED * latitude.sin().powi(2);
    let meridian_m = AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / squashed.powf(1.5);
    let parallel_m = AXIS_M / squashed.sqrt() * latitude.cos();
    (lon + (east_m / parallel_m).to_degrees(), lat + (north_m / meridian_m).to_degrees())
}

/// BD-09 of GCJ-02.
fn bd09(lon: f64, lat: f64) -> (f64, f64) {
    let radius = lon.hypot(lat) + 0.000_02 * (lat * RIPPLE).sin();
    let angle = lat.atan2(lon) + 0.000_003 * (lon * RIPPLE).cos();
    (radius * angle.cos() + 0.0065, radius * angle.sin() + 0.006)
}

/// What `forward` makes this pair of: it is moved by what it misses until it misses nothing.
fn inverse(forward: fn(f64, f64) -> (f64, f64), lon: f64, lat: f64) -> Option<Place> {
    let mut found = (lon, lat);
    for _ in 0..STEPS_MAX {
        let (there_lon, there_lat) = forward(found.0, found.1);
        let missed = (lon - there_lon, lat - there_lat);
        found = (found.0 + missed.0, found.1 + missed.1);
        if missed.0.abs().max(missed.1.abs()) < ROUND_TRIP_DEG {
            break;
        }
    }
    Place::new(found.0, found.1)
}

#[cfg(test)]
mod tests;
