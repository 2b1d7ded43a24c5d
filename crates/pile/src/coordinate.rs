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

use crate::Place;

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

/// Where the offset applies, west, south, east, north in degrees: the box of all implementations. It reaches where maps are
/// not shifted: [`UNSHIFTED`].
const SHIFTED: [f64; 4] = [72.004, 0.8293, 137.8347, 55.8271];

/// Boxes within it, as above, whose maps are not shifted. Coarse on purpose: they say nothing of borders, and hold none of the places that
/// `GeoNames` (cities of 500 and more, CC BY 4.0) lists under CN, HK or MO, so that none of these is ever left unshifted. Elsewhere 587 of its
/// places remain shifted, of 19,415 in the usual box: along land borders, up to 500 km far in the north-east, and on southern Palawan.
///
/// Hong Kong and Macau are shifted and Taiwan is not, as Tencent says of its own coordinates (lbs.qq.com/faq/latlngFaq, question 4), Amap of
/// where its data are (`isAMapDataAvailable`, "大陆以及港、澳地区"), and Huawei of its map ("Coordinate Rectification").
const UNSHIFTED: [[f64; 4]; 27] = [
    [124.7, 0.829_3, 137.834_7, 39.8],
    [131.4, 39.8, 137.834_7, 44.8],
    [135.1, 44.8, 137.834_7, 55.827_1],
    [72.004, 53.6, 137.834_7, 55.827_1],
    [72.004, 0.829_3, 73.4, 53.6],
    [73.4, 0.829_3, 97.0, 26.6],
    [73.4, 26.6, 78.3, 34.9],
    [78.3, 26.6, 88.0, 27.75],
    [78.3, 27.75, 82.0, 29.9],
    [97.0, 0.829_3, 107.9, 21.1],
    [107.9, 0.829_3, 109.5, 17.9],
    [118.6, 0.829_3, 124.7, 21.7],
    [119.92, 21.7, 124.7, 25.4],
    [119.2, 23.1, 119.92, 23.9],
    [91.3, 45.4, 111.6, 53.6],
    [111.6, 47.0, 115.4, 53.6],
    [96.6, 43.0, 110.0, 45.4],
    [73.4, 42.5, 80.1, 53.6],
    [80.1, 49.3, 91.3, 53.6],
    [107.9, 0.829_3, 118.6, 7.4],
    [102.3, 21.1, 106.3, 22.0],
    [124.65, 39.8, 126.95, 40.2],
    [126.95, 39.8, 131.4, 41.3],
    [129.4, 41.3, 131.4, 42.2],
    [73.4, 34.9, 75.9, 36.5],
    [82.0, 27.75, 84.0, 29.0],
    [88.0, 26.6, 91.5, 27.0],
];

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

    /// A place's longitude and latitude in this system, degrees. Where maps are not shifted ([`UNSHIFTED`], and outside [`SHIFTED`])
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

/// Country (ISO 3166-1 alpha-3) and time zone (IANA) that a place is presumed to be in where nobody said: China's where maps are shifted. The
/// boxes say nothing of borders, so that it is no more than presumed; none elsewhere.
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
    holds(SHIFTED, 0.0, lon, lat) && !UNSHIFTED.iter().any(|part| holds(*part, 0.0, lon, lat))
}

fn holds([west, south, east, north]: [f64; 4], margin: f64, lon: f64, lat: f64) -> bool {
    west - margin <= lon && lon <= east + margin && south - margin <= lat && lat <= north + margin
}

/// GCJ-02 of WGS-84.
fn gcj02(lon: f64, lat: f64) -> (f64, f64) {
    if is_shifted(lon, lat) { shifted(lon, lat) } else { (lon, lat) }
}

/// WGS-84 of GCJ-02: of the two places that such a pair can mean at the edge of a box the one that is shifted.
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
    // At the edge of a box the pair between can be one that no place has.
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
mod tests {
    use proptest::prelude::*;

    use super::CoordinateSystem::{Bd09, Gcj02, Wgs84};
    use super::*;

    /// Central Wuxi.
    const WUXI: Place = Place { lon: 120.30, lat: 31.57 };

    fn close(found: (f64, f64), expected: (f64, f64)) {
        // 1e-9 degrees are 0.1 mm: published values come from the same formulas in another order of operations.
        assert!(
            (found.0 - expected.0).abs() < 1e-9 && (found.1 - expected.1).abs() < 1e-9,
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn a_country_is_presumed_in_china_alone() {
        let presumed = |lon: f64, lat: f64| presumed_country(Place { lon, lat });
        for (lon, lat) in [(120.3, 31.57), (87.6, 43.8), (126.6, 45.8), (109.5, 18.25)] {
            assert_eq!(presumed(lon, lat), Some(("CHN", "Asia/Shanghai")), "{lon}, {lat}");
        }
        // London, Taipei, Tokyo, Delhi.
        for (lon, lat) in [(-0.28, 51.54), (121.56, 25.04), (139.7, 35.7), (77.2, 28.6)] {
            assert_eq!(presumed(lon, lat), None, "{lon}, {lat}");
        }
    }

    #[test]
    fn values_published_by_others() {
        // github.com/googollee/eviltransform, go/transform_test.go: Shanghai, Shenzhen, Beijing.
        for (lat, lon, gcj_lat, gcj_lon) in [
            (31.177_427_6, 121.527_210_6, 31.175_303_983_645_97, 121.531_541_859_215),
            (22.543_847, 113.912_316, 22.540_796_131_694_766, 113.917_176_480_836_3),
            (39.911_954, 116.377_817, 39.913_345_455_360_69, 116.384_047_224_556_57),
        ] {
            close(Gcj02.of(Place { lon, lat }), (gcj_lon, gcj_lat));
        }
        // github.com/wandergis/coordtransform, test/app.js.
        close(Gcj02.of(Place { lon: 116.404, lat: 39.915 }), (116.410_244_499_169_38, 39.916_404_281_501_64));
        close(bd09(116.404, 39.915), (116.410_369_493_710_29, 39.921_336_993_510_21));
    }

    #[test]
    fn at_wuxi_the_offsets_are_484_and_1138_metres() {
        for (system, expected_m, tolerance_m) in [(Gcj02, 484.0, 1.0), (Bd09, 1138.0, 3.0)] {
            let (lon, lat) = system.of(WUXI);
            let offset_m = Place { lon, lat }.distance_m(WUXI);
            assert!((offset_m - expected_m).abs() < tolerance_m, "{system:?} {offset_m}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_less_than_a_millimetre(lon in 73.5..135.0_f64, lat in 3.0..53.6_f64) {
            let place = Place { lon, lat };
            for system in CoordinateSystem::ALL {
                let (there_lon, there_lat) = system.of(place);
                let back = system.place(there_lon, there_lat).expect("on the globe");
                // What is found means the same pair, and where maps are shifted it is the same place.
                let (lon, lat) = system.of(back);
                let same_m = Place { lon, lat }.distance_m(Place { lon: there_lon, lat: there_lat });
                prop_assert!(same_m < 0.001, "{system:?} {back:?}");
                let is_here = is_shifted(place.lon, place.lat);
                prop_assert!(!is_here || back.distance_m(place) < 0.001, "{system:?} {back:?}");
                if system != Wgs84 && is_here {
                    let offset_m = Place { lon: there_lon, lat: there_lat }.distance_m(place);
                    prop_assert!(20.0 < offset_m && offset_m < 2500.0, "{system:?} {offset_m}");
                }
            }
        }

        #[test]
        fn no_pair_of_numbers_makes_it_give_up(lon in any::<f64>(), lat in any::<f64>()) {
            for system in CoordinateSystem::ALL {
                prop_assert_eq!(system.place(lon, lat).is_some(), Place::new(lon, lat).is_some());
            }
        }
    }

    /// Longitudes and latitudes from `GeoNames`.
    #[test]
    fn what_lies_across_the_sea_or_far_beyond_a_border_is_not_shifted_and_border_towns_are() {
        for (name, lon, lat) in [
            ("Seoul", 126.978, 37.566),
            ("Busan", 129.030, 35.102),
            ("Pyongyang", 125.754, 39.034),
            ("Hamhung", 127.536, 39.918),
            ("Chongjin", 129.776, 41.796),
            ("Fukuoka", 130.417, 33.600),
            ("Naha", 127.679, 26.213),
            ("Taipei", 121.526, 25.053),
            ("Magong", 119.586, 23.565),
            ("Manila", 120.982, 14.604),
            ("Hanoi", 105.841, 21.025),
            ("Ho Chi Minh City", 106.630, 10.823),
            ("Bangkok", 100.501, 13.754),
            ("Singapore", 103.850, 1.290),
            ("Dhaka", 90.407, 23.710),
            ("Delhi", 77.231, 28.652),
            ("Kathmandu", 85.321, 27.702),
            ("Pokhara", 83.969, 28.267),
            ("Bishkek", 74.590, 42.870),
            ("Almaty", 76.912, 43.252),
            ("Ulaanbaatar", 106.883, 47.908),
            ("Irkutsk", 104.291, 52.296),
            ("Vladivostok", 131.874, 43.106),
        ] {
            assert_eq!(Gcj02.of(Place { lon, lat }), (lon, lat), "{name}");
            assert_eq!(Gcj02.place(lon, lat), Some(Place { lon, lat }), "{name}");
        }
        for (name, lon, lat) in [
            ("丹东", 124.395, 40.129),
            ("珲春", 130.357, 42.867),
            ("绥芬河", 131.148, 44.400),
            ("密山", 131.883, 45.550),
            ("虎林", 132.960, 45.765),
            ("抚远", 134.298, 48.363),
            ("黑河", 127.490, 50.244),
            ("漠河", 122.526, 52.971),
            ("满洲里", 117.433, 49.600),
            ("二连浩特", 111.977, 43.648),
            ("塔城", 82.958, 46.745),
            ("喀什", 75.987, 39.467),
            ("瑞丽", 97.865, 24.001),
            ("樟木", 85.983, 27.983),
            ("墨脱", 95.307, 29.313),
            ("塔什库尔干", 75.225, 37.778),
            ("景洪", 100.770, 22.003),
            ("东兴", 107.967, 21.550),
            ("三亚", 109.509, 18.254),
            ("三沙", 112.341, 16.839),
            ("福田", 114.056, 22.522),
            ("珠海", 113.568, 22.277),
            ("香港", 114.175, 22.278),
            ("澳门", 113.546, 22.201),
            ("平潭", 119.807, 25.508),
        ] {
            assert!(Gcj02.of(Place { lon, lat }) != (lon, lat), "{name}");
        }
    }

    #[test]
    fn where_maps_are_not_shifted_gcj_02_is_wgs_84_and_that_is_doubtful() {
        let (place, given) = GivenPlace::read(Some(Gcj02), -0.1276, 51.5072).expect("London");
        assert_eq!(place, Place { lon: -0.1276, lat: 51.5072 });
        assert_eq!(given.doubts, [PlaceDoubt::NotShifted]);
        let (place, given) = GivenPlace::read(Some(Gcj02), 121.565, 25.034).expect("Taipei");
        assert_eq!(place, Place { lon: 121.565, lat: 25.034 });
        assert_eq!(given.doubts, [PlaceDoubt::NotShifted]);
    }

    /// Places as `GeoNames` has them; BD-09 by the published formulas in Python.
    #[test]
    fn outside_china_baidus_coordinates_are_wgs_84() {
        for (name, lon, lat) in [
            ("Beckton", 0.061_6, 51.514_6),
            ("New York", -74.006, 40.714),
            ("Sydney", 151.207, -33.868),
            ("Seoul", 126.978, 37.566),
            ("Singapore", 103.850, 1.290),
            ("Yonaguni", 123.004, 24.468),
        ] {
            assert_eq!(Bd09.of(Place { lon, lat }), (lon, lat), "{name}");
            assert_eq!(Bd09.place(lon, lat), Some(Place { lon, lat }), "{name}");
        }
        for (name, lon, lat, expected) in [
            ("Hong Kong", 114.158_46, 22.281_89, (114.169_980_826_4, 22.284_945_315_3)),
            ("Macau", 113.548_42, 22.200_56, (113.560_021_101_4, 22.203_547_577_8)),
            ("Taipei", 121.526, 25.053, (121.532_496_279_5, 25.058_920_211_5)),
            ("Magong", 119.586, 23.565, (119.592_581_109_8, 23.570_661_534_9)),
        ] {
            close(Bd09.of(Place { lon, lat }), expected);
            let back = Bd09.place(expected.0, expected.1).expect("on the globe");
            assert!(back.distance_m(Place { lon, lat }) < 0.001, "{name}");
        }
    }

    #[test]
    fn what_looks_wrong_is_said() {
        let doubts = |system, lon, lat| GivenPlace::read(system, lon, lat).expect("on the globe").1.doubts;
        assert_eq!(doubts(None, 120.3, 31.57), [PlaceDoubt::SystemAssumed]);
        assert_eq!(doubts(Some(Wgs84), 120.3, 31.57), []);
        assert_eq!(doubts(None, 2.35, 48.86), []);
        // Xining; where longitude exceeds 90 degrees an exchanged pair is off the globe.
        assert_eq!(doubts(None, 43.8, 87.6), [PlaceDoubt::LooksExchanged]);
        assert_eq!(doubts(None, 0.0, 0.0), [PlaceDoubt::AtZero]);
        assert_eq!(doubts(None, 0.0, 51.48), [], "Greenwich");
        assert!(GivenPlace::read(None, 31.57, 120.3).is_none());
        for (system, doubt) in [(Gcj02, PlaceDoubt::LooksGcj02), (Bd09, PlaceDoubt::LooksBd09)] {
            let (lon, lat) = system.of(WUXI);
            let (place, mut given) = GivenPlace::read(Some(Wgs84), lon, lat).expect("on the globe");
            given.compare(place, WUXI);
            assert_eq!(given.doubts, [doubt]);
            let (place, mut given) = GivenPlace::read(Some(system), lon, lat).expect("on the globe");
            given.compare(place, WUXI);
            assert_eq!(given.doubts, []);
        }
    }

    #[test]
    fn words_read_back() {
        for system in CoordinateSystem::ALL {
            assert_eq!(CoordinateSystem::from_word(system.word()), Some(system));
        }
        assert_eq!(CoordinateSystem::from_word(" GCJ-02 "), Some(Gcj02));
        assert_eq!(CoordinateSystem::from_word("epsg:4326"), None);
    }
}
