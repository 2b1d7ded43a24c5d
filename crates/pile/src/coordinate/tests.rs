//! Tests of coordinate systems: published values, where maps are shifted, and there and back.

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

fn there_and_back(place: Place) -> Result<(), TestCaseError> {
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
    Ok(())
}

proptest! {
    #[test]
    fn there_and_back_is_less_than_a_millimetre(lon in 73.5..135.0_f64, lat in 3.0..53.6_f64) {
        there_and_back(Place { lon, lat })?;
    }

    /// Within two kilometres of a corner a pair can mean two places.
    #[test]
    fn so_it_is_at_the_outline(
        corner in 0..OUTLINE.len(),
        east in -0.02..0.02_f64,
        north in -0.02..0.02_f64,
    ) {
        let (lon, lat) = OUTLINE[corner];
        let [lon, lat] = [lon, lat].map(|unit| f64::from(unit) / UNITS_PER_DEGREE);
        there_and_back(Place { lon: lon + east, lat: lat + north })?;
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
        ("Ussuriysk", 131.957, 43.805),
        ("Khabarovsk", 135.097, 48.462),
        ("Chegdomyn", 133.002, 51.131),
        ("Zaysan", 84.871, 47.467),
        ("Naryn", 75.996, 41.428),
        ("Thimphu", 89.642, 27.466),
        ("Dibrugarh", 94.908, 27.480),
        ("Myitkyina", 97.396, 25.383),
        ("Lạng Sơn", 106.761, 21.853),
        ("Brooke's Point", 117.837, 8.772),
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

/// Places of `GeoNames` within 20 km of the outline, and those outside China that it holds; which it holds is what `shapely` says
/// (`outline/build.py`), which also found none of China outside among all 16,381.
#[test]
fn no_town_of_china_is_left_out_and_95_elsewhere_are_shifted() {
    let (mut elsewhere, mut farthest_km) = (0, 0.0_f64);
    for line in include_str!("towns.csv").lines().skip(1) {
        let fields: Vec<&str> = line.splitn(6, ',').collect();
        let [country, lon, lat, inside, km, name] = fields[..] else { panic!("six fields: {line}") };
        let [lon, lat, km] = [lon, lat, km].map(|text| text.parse::<f64>().expect("a number"));
        let is_shifted = Gcj02.of(Place { lon, lat }) != (lon, lat);
        assert_eq!(is_shifted, inside == "1", "{name}");
        if ["CN", "HK", "MO"].contains(&country) {
            assert!(is_shifted, "{name}");
            for system in [Gcj02, Bd09] {
                let (lon, lat) = system.of(Place { lon, lat });
                let (_, given) = GivenPlace::read(Some(system), lon, lat).expect("on the globe");
                assert_eq!(given.doubts, [], "{name}");
            }
        } else if is_shifted {
            elsewhere += 1;
            // Kinmen and Matsu are shifted as before, and so is what two countries claim.
            farthest_km = if ["TW", "IN"].contains(&country) { farthest_km } else { farthest_km.max(km) };
        }
    }
    assert_eq!((elsewhere, farthest_km), (95, 8.4));
}

/// The cities of China on our own map.
#[test]
fn all_406_cities_of_the_map_are_shifted() {
    let cities = include_str!("../../../api/assets/basemap/cities.geojson");
    let mut count = 0;
    for rest in cities.split("\"coordinates\":[").skip(1) {
        let (pair, _) = rest.split_once(']').expect("an array");
        let (lon, lat) = pair.split_once(',').expect("a pair");
        let [lon, lat] = [lon, lat].map(|text| text.parse::<f64>().expect("degrees"));
        assert!(Gcj02.of(Place { lon, lat }) != (lon, lat), "{pair}");
        count += 1;
    }
    assert_eq!(count, 406);
}

#[test]
fn the_outline_is_closed_and_lies_in_the_box() {
    assert_eq!(OUTLINE.first(), OUTLINE.last());
    for (lon, lat) in OUTLINE {
        let [lon, lat] = [lon, lat].map(|unit| f64::from(unit) / UNITS_PER_DEGREE);
        assert!(holds(SHIFTED, 0.0, lon, lat), "{lon}, {lat}");
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
