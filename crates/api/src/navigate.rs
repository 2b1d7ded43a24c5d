//! Hand-offs to navigation: an address for each of the maps that drivers use, with the coordinates that this map expects.
//!
//! Used by the pages of stations and of piles. Nothing is asked of a map's maker: no key, no script, and browsers tell it nothing of
//! where its visitor comes from (`Referrer-Policy`).
//!
//! Sources: Amap, URI API "路径规划" (lbs.amap.com/api/uri-api/guide/travel/route); Baidu, URI API for the web, "标注" (lbsyun.baidu.com,
//! uri/api/web), since its route asks for an origin, which we do not know; Tencent, URI API "路线规划"
//! (lbs.qq.com/webApi/uriV1/uriGuide/uriWebRoute); Apple, "Map Links"; Google, "Maps URLs", directions.

use veripile_pile::{CoordinateSystem, Place};

use crate::texts::Texts;
use crate::view;

/// Longest name of a destination, characters: maps show some twenty.
const NAME_CHARS_MAX: usize = 40;

/// A link: the map's name and the address. In China Apple's and Google's maps, too, are drawn in GCJ-02, and what is handed to them is
/// not converted; elsewhere GCJ-02 is WGS-84, but within some hundred kilometres of a land border (`veripile_pile::coordinate`). In Hong Kong
/// and Macau Amap and Tencent are shifted, Google is not: its mark lies some 500 m off there.
pub(crate) fn links<'a>(t: &'a Texts, place: Place, name: &str) -> Vec<(&'a str, String)> {
    let (lon, lat) = CoordinateSystem::Gcj02.of(place);
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
                "https://www.google.com/maps/dir/?api=1&destination={lat:.6},{lon:.6}&travelmode=driving"
            ),
        ),
    ]
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

    #[test]
    fn where_maps_are_not_shifted_coordinates_stay_and_a_name_cannot_add_parameters() {
        let london = hrefs(-0.1276, 51.5072, "x&callnative=0\" onclick=\"y,z");
        for href in &london {
            assert_eq!(href.matches("51.5072").count(), 1 - usize::from(href.contains("baidu")), "{href}");
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
