//! Hand-offs to navigation: an address for each of the maps that drivers use, with the coordinates that this map expects.
//!
//! Used by the pages of stations and of piles. Nothing is asked of a map's maker: no key, no script, and browsers tell it nothing of
//! where its visitor comes from (`Referrer-Policy`).
//!
//! Sources: Amap, URI API "路径规划" (lbs.amap.com/api/uri-api/guide/travel/route); Baidu, URI API for the web, "标注" (lbsyun.baidu.com,
//! uri/api/web), since its route asks for an origin, which we do not know; in its own coordinates (`bd09ll`), which outside China are WGS-84; Tencent, URI API "路线规划"
//! (lbs.qq.com/webApi/uriV1/uriGuide/uriWebRoute); Apple, "Map Links"; Google, "Maps URLs", directions.

use veripile_pile::{CoordinateSystem, Place};

use crate::texts::Texts;
use crate::view;

/// Longest name of a destination, characters: maps show some twenty.
const NAME_CHARS_MAX: usize = 40;

/// Where Google's map is not shifted though Amap's and Tencent's are: Hong Kong, in two pieces beside Shekou, and Macau; west, south, east, north,
/// up to where the border comes farthest south, so that nothing of Shenzhen or Zhuhai lies within.
const GOOGLE_UNSHIFTED: [[f64; 4]; 3] =
    [[113.83, 22.14, 113.97, 22.43], [113.97, 22.14, 114.45, 22.50], [113.547, 22.10, 113.61, 22.216]];

/// A link: the map's name and the address. In China Apple's and Google's maps, too, are drawn in GCJ-02, and what is handed to them is
/// not converted; elsewhere GCJ-02 is WGS-84, but within some kilometres of a land border (`veripile_pile::coordinate`).
pub(crate) fn links<'a>(t: &'a Texts, place: Place, name: &str) -> Vec<(&'a str, String)> {
    let (lon, lat) = CoordinateSystem::Gcj02.of(place);
    let (google_lon, google_lat) =
        if is_unshifted_by_google(place) { (place.lon, place.lat) } else { (lon, lat) };
    let (baidu_lon, baidu_lat) = CoordinateSystem::Bd09.of(place);
    // Amap takes what follows a comma for something else.
    let name: String = name.replace([',', '，'], " ").chars().take(NAME_CHARS_MAX).collect();
    let name = view::segment(&name);
    vec![
        (
            t.of("navigate.amap"),
            format!(
                "https://uri.amap.com/navigation?to={lon:.6},{lat:.6},{name}&mode=car&coordinate=gaode&src=veripile&callnative=1"
            ),
        ),
        (
            t.of("navigate.baidu"),
            format!(
                "https://api.map.baidu.com/marker?location={baidu_lat:.6},{baidu_lon:.6}&title={name}&content={name}&output=html\
                 &coord_type=bd09ll&src=webapp.veripile.map"
            ),
        ),
        (
            t.of("navigate.tencent"),
            format!(
                "https://apis.map.qq.com/uri/v1/routeplan?type=drive&to={name}&tocoord={lat:.6},{lon:.6}&coord_type=2&referer=veripile"
            ),
        ),
        (t.of("navigate.apple"), format!("https://maps.apple.com/?daddr={lat:.6},{lon:.6}&dirflg=d")),
        (
            t.of("navigate.google"),
            format!(
                "https://www.google.com/maps/dir/?api=1&destination={google_lat:.6},{google_lon:.6}&travelmode=driving"
            ),
        ),
    ]
}

fn is_unshifted_by_google(Place { lon, lat }: Place) -> bool {
    let holds = |[west, south, east, north]: &[f64; 4]| {
        *west <= lon && lon <= *east && *south <= lat && lat <= *north
    };
    GOOGLE_UNSHIFTED.iter().any(holds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    fn hrefs(lon: f64, lat: f64, name: &str) -> Vec<String> {
        let place = Place::new(lon, lat).expect("on the globe");
        links(Texts::in_language(Language::Zh), place, name).into_iter().map(|(_, href)| href).collect()
    }

    /// GCJ-02 as published in eviltransform's test of Shanghai: 31.17530398364597, 121.531541859215. BD-09 of it by the published
    /// formulas in arithmetic of 40 digits (mpmath): 31.1813286069, 121.538015686.
    #[test]
    fn each_map_gets_shanghai_in_its_own_system_and_order() {
        let expected = [
            "https://uri.amap.com/navigation?to=121.531542,31.175304,%E7%AB%99%20A&mode=car&coordinate=gaode&src=veripile&callnative=1",
            "https://api.map.baidu.com/marker?location=31.181329,121.538016&title=%E7%AB%99%20A&content=%E7%AB%99%20A&output=html&coord_type=bd09ll&src=webapp.veripile.map",
            "https://apis.map.qq.com/uri/v1/routeplan?type=drive&to=%E7%AB%99%20A&tocoord=31.175304,121.531542&coord_type=2&referer=veripile",
            "https://maps.apple.com/?daddr=31.175304,121.531542&dirflg=d",
            "https://www.google.com/maps/dir/?api=1&destination=31.175304,121.531542&travelmode=driving",
        ];
        assert_eq!(hrefs(121.527_210_6, 31.177_427_6, "站,A"), expected);
    }

    /// Places as GeoNames has them: Central, Tuen Mun, Macau; Shekou, Luohu, Gongbei.
    #[test]
    fn in_hong_kong_and_macau_google_gets_wgs_84_and_amap_does_not() {
        let is_as_stored = |lon: f64, lat: f64| {
            let hrefs = hrefs(lon, lat, "x");
            [&hrefs[0], &hrefs[4]].map(|href| href.contains(&format!("{lat:.6}")))
        };
        for (lon, lat) in [(114.158_46, 22.281_89), (113.972_6, 22.391_75), (113.548_42, 22.200_56)] {
            assert_eq!(is_as_stored(lon, lat), [false, true], "{lon}, {lat}");
        }
        for (lon, lat) in [(113.914_96, 22.481_25), (114.129_16, 22.548_78), (113.551_4, 22.217_4)] {
            assert_eq!(is_as_stored(lon, lat), [false, false], "{lon}, {lat}");
        }
    }

    /// Baidu's coordinates are its own in all of China; Taipei in BD-09 by the published formulas in Python, of WGS-84.
    #[test]
    fn baidu_gets_its_own_coordinates_in_hong_kong_and_taiwan_and_wgs_84_abroad() {
        for (lon, lat, expected) in [
            (114.158_46, 22.281_89, "location=22.284945,114.169981&"),
            (121.526, 25.053, "location=25.058920,121.532496&"),
            (126.978, 37.566, "location=37.566000,126.978000&"),
            (0.061_6, 51.514_6, "location=51.514600,0.061600&"),
        ] {
            let href = &hrefs(lon, lat, "x")[1];
            assert!(href.contains(expected), "{href}");
        }
    }

    #[test]
    fn where_maps_are_not_shifted_coordinates_stay_and_a_name_cannot_add_parameters() {
        let london = hrefs(-0.1276, 51.5072, "x&callnative=0\" onclick=\"y,z");
        for href in &london {
            assert_eq!(href.matches("51.507200").count(), 1, "{href}");
            assert_eq!(href.matches("-0.127600").count(), 1, "{href}");
            assert!(!href.contains(['"', ' ', '<']) && !href.contains("&callnative=0"), "{href}");
        }
        assert!(
            london[0].contains("to=-0.127600,51.507200,x%26callnative%3D0%22%20onclick%3D%22y%20z&"),
            "{}",
            london[0]
        );
        assert!(hrefs(-0.1276, 51.5072, &"站".repeat(300))[0].len() < 600);
    }
}
