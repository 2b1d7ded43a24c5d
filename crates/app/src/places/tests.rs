//! Lists as others make them: what is read of them, and what is refused.

use veripile_pile::PlaceDoubt;

use super::*;

/// The OCPI 2.2.1 specification's example of a Location (mod_locations), shortened, as a server's page.
const LOCATIONS: &str = r#"{"status_code": 1000, "data": [{
    "country_code": "BE", "party_id": "BEC", "id": "LOC1", "publish": true, "name": "Gent Zuid",
    "address": "F.Rooseveltlaan 3A", "city": "Gent", "country": "BEL",
    "coordinates": {"latitude": "51.047599", "longitude": "3.729944"},
    "evses": [
        {"uid": "3256", "evse_id": "BE*BEC*E041503001", "status": "AVAILABLE", "connectors": [
            {"id": "1", "standard": "IEC_62196_T2", "format": "CABLE", "power_type": "AC_3_PHASE",
             "max_voltage": 220, "max_amperage": 16}]},
        {"uid": "3257", "evse_id": "BE*BEC*E041503002", "status": "REMOVED", "connectors": []},
        {"uid": "3258", "status": "RESERVED", "connectors": [
            {"id": "1", "standard": "IEC_62196_T2_COMBO", "power_type": "DC", "max_electric_power": 50000}]}],
    "time_zone": "Europe/Brussels", "last_updated": "2015-06-29T20:39:09Z"},
    {"id": "LOC2", "country_code": "BE", "party_id": "BEC"}]}"#;

#[test]
fn ocpi_locations_are_stations_and_their_evses_piles() {
    let imported = of_json(LOCATIONS, &Assumed::default());
    let [Told { record: station, unsaid }] = &imported.stations[..] else { panic!("{imported:?}") };
    assert_eq!(
        *unsaid,
        BTreeSet::from([Field::NameEn, Field::Phone, Field::Fee, Field::FeeNote, Field::ToldPiles])
    );
    assert_eq!((station.station_id.as_str(), station.operator_id.as_str()), ("LOC1", "BE-BEC"));
    assert_eq!((station.name_zh.as_str(), station.name_en.as_str()), ("Gent Zuid", "Gent Zuid"));
    assert_eq!(station.place, Place { lon: 3.729_944, lat: 51.047_599 });
    let there = (station.country.as_deref(), station.time_zone.as_deref());
    assert_eq!(there, (Some("BEL"), Some("Europe/Brussels")));
    let piles: Vec<_> = imported
        .piles
        .iter()
        .map(|told| &told.record)
        .map(|pile| (pile.pile_id.as_str(), pile.kind, pile.power_kw.map(|kw| kw.to_string())))
        .collect();
    let expected = [
        ("BE*BEC*E041503001", PileKind::Ac, Some("10.56".to_owned())),
        ("3258", PileKind::Dc, Some("50".to_owned())),
    ];
    assert_eq!(piles, expected);
    let [Removed { pile_id, station_id, operator_id }] = &imported.removed[..] else {
        panic!("{imported:?}")
    };
    let removed = (pile_id.as_str(), station_id.as_str(), operator_id.as_str());
    assert_eq!(removed, ("BE*BEC*E041503002", "LOC1", "BE-BEC"));
    assert_eq!(imported.errors.len(), 1, "{:?}", imported.errors);
    assert!(
        imported.errors[0].reason.contains("location 2") && imported.errors[0].reason.contains("coordinates")
    );
}

/// What was removed from one station and stands at another is not gone.
#[test]
fn a_list_with_a_mark_of_byte_order_is_a_list() {
    let marked = format!("\u{feff}{LOCATIONS}");
    let imported = of_json(&marked, &Assumed::default());
    assert_eq!((imported.stations.len(), imported.piles.len()), (1, 2), "{imported:?}");
    let pasted = crate::register::import(&format!("\u{feff}\r\n {LOCATIONS}"), &Assumed::default());
    assert_eq!((pasted.stations.len(), pasted.errors), (1, imported.errors));
}

#[test]
fn an_evse_that_moved_is_not_removed() {
    let location = |id: &str, status: &str| {
        format!(
            r#"{{"id":"{id}","country_code":"CN","party_id":"AAA","coordinates":{{"latitude":"31.6","longitude":"120.3"}},
                "evses":[{{"uid":"E","status":"{status}","connectors":[]}},{{"uid":"a/b","status":"REMOVED"}}]}}"#
        )
    };
    let read = |second: &str| {
        let list = format!("[{},{}]", location("L1", "REMOVED"), location("L2", second));
        let imported = of_json(&list, &Assumed::default());
        (imported.errors.len(), imported.piles.len(), imported.removed.len())
    };
    assert_eq!((read("AVAILABLE"), read("REMOVED")), ((0, 1, 0), (0, 0, 2)));
}

/// A station always has a name: what is no text says nothing of it, and renames it to nothing.
#[test]
fn a_name_that_is_null_or_empty_is_unsaid() {
    for name in ["null", "\"\"", "\" \""] {
        let list = LOCATIONS.replace("\"Gent Zuid\"", name);
        let list = list.replace("\"publish\"", "\"veripile\": {\"name_en\": null}, \"publish\"");
        let feature = format!(
            r#"{{"features":[{{"id":"S","geometry":{{"type":"Point","coordinates":[120.3,31.6]}},
                "properties":{{"operator_id":"O1","name":{name},"name_zh":{name},"name_en":{name}}}}}]}}"#
        );
        for list in [list, feature] {
            let Told { record, unsaid } = of_json(&list, &Assumed::default()).stations.remove(0);
            assert!(unsaid.contains(&Field::NameZh) && unsaid.contains(&Field::NameEn), "{name}: {unsaid:?}");
            for name_en in ["A", "甲"] {
                let was =
                    Station { name_zh: "甲".to_owned(), name_en: name_en.to_owned(), ..record.clone() };
                let station = Told { record: record.clone(), unsaid: unsaid.clone() }.over(&was);
                assert_eq!((station.name_zh.as_str(), station.name_en.as_str()), ("甲", name_en), "{name}");
            }
        }
    }
}

/// Watts as stated, else of volts and amperes; what no pile has is told with the EVSE.
#[test]
fn power_of_a_location_is_what_a_pile_can_have() {
    let read = |connector: &str| {
        of_json(
            &format!(
                r#"[{{"id":"L","country_code":"CN","party_id":"AAA","coordinates":{{"latitude":"31.6","longitude":"120.3"}},
                    "evses":[{{"uid":"E","connectors":[{{"power_type":"DC",{connector}}}]}}]}}]"#
            ),
            &Assumed::default(),
        )
    };
    for (connector, kw) in [
        (r#""max_electric_power":60000"#, Some("60")),
        (r#""max_electric_power":6e4"#, Some("60")),
        (r#""max_electric_power":null,"max_voltage":1000,"max_amperage":250"#, Some("250")),
        (r#""max_voltage":0,"max_amperage":0"#, None),
    ] {
        let piles = read(connector).piles;
        let [Told { record, .. }] = &piles[..] else { panic!("{connector}: {:?}", read(connector)) };
        assert_eq!(record.power_kw.map(|kw| kw.normalize().to_string()).as_deref(), kw, "{connector}");
    }
    for (connector, why) in [
        (r#""max_electric_power":0"#, "max_electric_power: 0 kW is not above 0"),
        (r#""max_electric_power":-7000"#, "max_electric_power: -7 kW"),
        (r#""max_electric_power":5000001"#, "max_electric_power: 5000.001 kW"),
        (r#""max_electric_power":1e400"#, "max_electric_power: \"1e"),
        (r#""max_voltage":70000000000000000000000000000,"max_amperage":7000"#, "max_voltage, max_amperage: "),
    ] {
        let told = read(connector);
        assert!(told.stations.is_empty() && told.errors.len() == 1, "{connector}: {told:?}");
        let reason = &told.errors[0].reason;
        assert!(reason.starts_with(&format!("location 1: EVSE \"E\": {why}")), "{connector}: {reason}");
    }
}

/// One EVSE of some connectors, in a list of Locations.
fn evse_with(connectors: &str, veripile: &str) -> Imported {
    let list = format!(
        r#"[{{"id":"L","country_code":"BE","party_id":"BEC","coordinates":{{"latitude":"51.04","longitude":"3.72"}},
            "evses":[{{"uid":"E",{veripile}"connectors":[{connectors}]}}]}}]"#
    );
    let imported = of_json(&list, &Assumed::default());
    assert!(imported.piles.len() == 1 && imported.errors.is_empty(), "{connectors}: {imported:?}");
    imported
}

/// A pile is as strong as its plugs of its own kind say, whatever a plug of the other kind gives.
#[test]
fn a_plug_of_the_other_kind_says_nothing_of_the_pile_s_power() {
    let direct = r#"{"standard":"GBT_DC","power_type":"DC","max_voltage":750,"max_amperage":80}"#;
    // 3 × 380 V × 63 A are 71.82 kW.
    let alternating =
        r#"{"standard":"GBT_AC","power_type":"AC_3_PHASE","max_voltage":380,"max_amperage":63}"#;
    for (connectors, kind, watts) in [
        (format!("{direct},{alternating}"), PileKind::Dc, 60_000),
        (format!("{alternating},{direct}"), PileKind::Dc, 60_000),
        (alternating.to_owned(), PileKind::Ac, 71_820),
    ] {
        let Told { record, .. } = evse_with(&connectors, "").piles.remove(0);
        assert_eq!(record.kind, kind, "{connectors}");
        assert_eq!(record.power_kw, Some(Decimal::new(watts, 3)), "{connectors}");
    }
}

/// As we tell a pile of 150 kW ourselves, with a plug of each kind: what is assumed of one is told of the other.
#[test]
fn what_is_assumed_of_one_plug_is_told_of_another() {
    let direct = r#"{"standard":"IEC_62196_T2_COMBO","power_type":"DC","max_electric_power":150000,
        "veripile":{"assumed":["max_voltage"]}}"#;
    let alternating = r#"{"standard":"IEC_62196_T2","power_type":"AC_1_PHASE","max_electric_power":7000,
        "veripile":{"assumed":["power_type","max_electric_power"]}}"#;
    let of_evse = r#""veripile":{"assumed":["max_voltage","power_type","max_electric_power"]},"#;
    let Told { record, .. } = evse_with(&format!("{direct},{alternating}"), of_evse).piles.remove(0);
    assert_eq!((record.kind, record.power_kw), (PileKind::Dc, Some(Decimal::from(150))));
    assert_eq!(record.connectors, [ConnectorType::Ccs2, ConnectorType::Type2]);
    // A connector that says nothing is as its EVSE says.
    let silent = direct.replace(r#""veripile":{"assumed":["max_voltage"]}"#, r#""format":"CABLE""#);
    let Told { record, unsaid } = evse_with(&silent, of_evse).piles.remove(0);
    assert!(record.power_kw.is_none() && unsaid.contains(&Field::Power), "{record:?}");
}

#[test]
fn a_plug_that_nobody_here_knows_is_left_out_and_named() {
    let plug = |standard: &str| format!(r#"{{"standard":"{standard}","power_type":"DC"}}"#);
    let named = |connectors: &str| -> Vec<(String, String)> {
        let of = |(pile_id, word): (PileId, String)| (pile_id.to_string(), word);
        evse_with(connectors, "").unknown_plugs.into_iter().map(of).collect()
    };
    let one = |word: &str| vec![("E".to_owned(), word.to_owned())];
    assert_eq!(named(&plug("TESLA_S")), one("TESLA_S"));
    assert_eq!(named(&[plug("TESLA_S"), plug("TESLA_S"), plug("CHADEMO")].join(",")), one("TESLA_S"));
    assert_eq!(named(&plug(r"a\nb\u202e")), one(r"a\nb\u{202e}"));
    assert_eq!(named(&plug(&"X".repeat(50))), one(&"X".repeat(36)));
    assert!(named(&plug("IEC_62196_T2_COMBO")).is_empty());
    assert!(named(r#"{"power_type":"DC"}"#).is_empty(), "none was told");
    let Told { record, unsaid } = evse_with(&plug("TESLA_S"), "").piles.remove(0);
    assert!(record.connectors.is_empty() && unsaid.contains(&Field::Connectors), "{record:?}");
}

/// As OCPI 2.2.1's example of a Location without public access: `publish` is false, and nothing of it is for a map.
#[test]
fn what_is_not_to_be_published_is_left_out_and_named() {
    let list = |publish: &str| LOCATIONS.replace("\"publish\": true", publish);
    let imported = of_json(&list("\"publish\": false"), &Assumed::default());
    assert!(imported.stations.is_empty() && imported.piles.is_empty(), "{imported:?}");
    let [(station, operator)] = &imported.private[..] else { panic!("{imported:?}") };
    assert_eq!((station.as_str(), operator.as_str()), ("LOC1", "BE-BEC"));
    assert_eq!(imported.errors.len(), 1, "the other location's");
    for publish in ["\"publish\": null", "\"type\": \"ON_STREET\""] {
        let imported = of_json(&list(publish), &Assumed::default());
        assert_eq!((imported.stations.len(), imported.private.len()), (1, 0), "{publish}");
    }
    let imported = of_json(&list("\"publish\": \"false\""), &Assumed::default());
    assert!(imported.stations.is_empty() && imported.private.is_empty(), "{imported:?}");
    assert_eq!(imported.errors[0].reason, "location 1: publish: \"false\" is neither true nor false");
}

#[test]
fn an_identifier_twice_in_a_list_names_both_places() {
    let location = |id: &str, party: &str, uids: &[&str]| {
        let evses = uids.iter().map(|uid| format!(r#"{{"uid":"{uid}","connectors":[]}}"#));
        format!(
            r#"{{"id":"{id}","country_code":"CN","party_id":"{party}","coordinates":{{"latitude":"31.6","longitude":"120.3"}},
                "evses":[{}]}}"#,
            evses.collect::<Vec<_>>().join(",")
        )
    };
    // Two operators that count from 1: neither becomes the other's.
    let list = [location("1", "AAA", &["1"]), location("2", "AAA", &["2"]), location("1", "BBB", &["3"])];
    let imported = of_json(&format!("[{}]", list.join(",")), &Assumed::default());
    assert_eq!((imported.stations.len(), imported.piles.len(), imported.errors.len()), (2, 2, 1));
    let reason = &imported.errors[0].reason;
    assert_eq!(reason, "location 3: station 1 stands in location 1 already; keep one of the two");
    let list = [location("1", "AAA", &["1"]), location("2", "AAA", &["2", "1"])];
    let imported = of_json(&format!("[{}]", list.join(",")), &Assumed::default());
    assert_eq!((imported.stations.len(), imported.piles.len(), imported.errors.len()), (1, 1, 1));
    let reason = &imported.errors[0].reason;
    assert_eq!(reason, "location 2: pile 1 stands in location 1 already; keep one of the two");
    let feature = r#"{"id":"S","geometry":{"type":"Point","coordinates":[120.3,31.6]},"properties":{"operator_id":"O1"}}"#;
    let imported = of_json(&format!(r#"{{"features":[{feature},{feature}]}}"#), &Assumed::default());
    let reason = &imported.errors[0].reason;
    assert_eq!(reason, "feature 2: station S stands in feature 1 already; keep one of the two");
}

#[test]
fn geojson_is_taken_as_wgs_84_and_doubted_unless_somebody_knows() {
    let text = |extra: &str| {
        format!(
            r#"{{"type":"FeatureCollection","features":[{{"type":"Feature","id":7,"geometry":{{"type":"Point",
                "coordinates":[121.531541859215,31.17530398364597]}},"properties":{{"operator_id":"O1",
                "name_zh":"浦东"{extra}}}}}]}}"#
        )
    };
    let read = |text: &str| of_json(text, &Assumed::default()).stations.remove(0).record;
    let station = read(&text(""));
    assert_eq!((station.station_id.as_str(), station.name_en.as_str()), ("7", "浦东"));
    assert_eq!(station.place, Place { lon: 121.531_541_859_215, lat: 31.175_303_983_645_97 });
    assert_eq!(station.given.expect("kept").doubts, [PlaceDoubt::SystemAssumed]);
    let station = read(&text(r#","coordinate_system":"wgs84""#));
    assert_eq!(station.given.expect("kept").doubts, []);
    // github.com/googollee/eviltransform: Shanghai.
    let station = read(&text(r#","coordinate_system":"GCJ-02""#));
    assert!(station.place.distance_m(Place { lon: 121.527_210_6, lat: 31.177_427_6 }) < 0.001);
    let given = station.given.expect("kept");
    assert_eq!((given.system, given.lon), (CoordinateSystem::Gcj02, 121.531_541_859_215));
    assert_eq!(given.doubts, []);
    let assumed = Assumed { operator: None, system: Some(CoordinateSystem::Gcj02) };
    let station = of_json(&text(""), &assumed).stations.remove(0).record;
    assert!(station.place.distance_m(Place { lon: 121.527_210_6, lat: 31.177_427_6 }) < 0.001);
    assert_eq!(station.given.expect("kept").doubts, []);
}

#[test]
fn locations_in_china_that_name_no_system_are_doubted_with_their_evses() {
    let list = |extra: &str| {
        let coordinates = r#""coordinates":{"latitude":"31.17530398364597","longitude":"121.531541859215"}"#;
        format!(
            r#"[{{"id":"L","country_code":"CN","party_id":"AAA",{coordinates}{extra},
                "evses":[{{"uid":"E","connectors":[],{coordinates}}}]}}]"#
        )
    };
    let named = |system: CoordinateSystem| Assumed { operator: None, system: Some(system) };
    let told = r#","veripile":{"coordinate_system":"gcj02"}"#;
    for (list, assumed, system, doubts) in [
        (list(""), Assumed::default(), CoordinateSystem::Wgs84, &[PlaceDoubt::SystemAssumed][..]),
        (list(""), named(CoordinateSystem::Wgs84), CoordinateSystem::Wgs84, &[][..]),
        (list(""), named(CoordinateSystem::Gcj02), CoordinateSystem::Gcj02, &[][..]),
        (list(told), named(CoordinateSystem::Wgs84), CoordinateSystem::Gcj02, &[][..]),
    ] {
        let imported = of_json(&list, &assumed);
        let ([station], [pile]) = (&imported.stations[..], &imported.piles[..]) else {
            panic!("{imported:?}")
        };
        for given in [&station.record.given, &pile.record.given] {
            let given = given.as_ref().expect("kept");
            assert_eq!((given.system, &given.doubts[..]), (system, doubts), "{list}");
        }
    }
    let abroad = of_json(LOCATIONS, &Assumed::default()).stations.remove(0).record;
    assert_eq!(abroad.given.expect("kept").doubts, []);
}

#[test]
fn geojson_tells_what_a_table_can_tell_and_what_it_leaves_out_is_unsaid() {
    let read = |properties: &str| {
        let text = format!(
            r#"{{"features":[{{"id":"S","geometry":{{"type":"Point","coordinates":[120.3,31.6]}},"properties":{properties}}}]}}"#
        );
        of_json(&text, &Assumed::default())
    };
    let all = r#"{"operator_id":"O1","name_zh":"甲","name_en":"A","region":"滨湖区","address":"路1号","phone":"0510",
        "fee_cny_kwh":1.25,"fee_note":"夜间 0.8","country":"gbr","time_zone":"europe/london","piles":20}"#;
    let Told { record, unsaid } = read(all).stations.remove(0);
    assert_eq!((record.fee_cny_kwh, record.phone.as_deref()), (Some(Decimal::new(125, 2)), Some("0510")));
    assert_eq!((record.region.as_deref(), record.fee_note.as_deref()), (Some("滨湖区"), Some("夜间 0.8")));
    let there = (record.country.as_deref(), record.time_zone.as_deref());
    assert_eq!(there, (Some("GBR"), Some("Europe/London")));
    assert_eq!((record.told_piles, unsaid), (Some(20), BTreeSet::new()));
    // An empty property says that there is none; one that is not there says nothing.
    let Told { record, unsaid } =
        read(r#"{"operator_id":"O1","name":"甲","phone":"","fee_cny_kwh":null}"#).stations.remove(0);
    assert_eq!((record.phone, record.fee_cny_kwh), (None, None));
    let parts = [
        Field::NameEn,
        Field::Region,
        Field::Address,
        Field::FeeNote,
        Field::Country,
        Field::TimeZone,
        Field::ToldPiles,
    ];
    assert_eq!(unsaid, BTreeSet::from(parts));
    for (name, told) in
        [("country", "GB"), ("country", "G8R"), ("time_zone", "Europe/Nowhere"), ("time_zone", "UTC+8")]
    {
        let imported = read(&format!(r#"{{"operator_id":"O1","{name}":"{told}"}}"#));
        assert!(imported.errors[0].reason.contains(name), "{told}: {:?}", imported.errors);
    }
    for (fee, why) in [("-1", "not between"), ("101", "not between"), (r#""much""#, "cannot be read")] {
        let imported = read(&format!(r#"{{"operator_id":"O1","fee_cny_kwh":{fee}}}"#));
        assert!(imported.errors[0].reason.contains(why), "{fee}: {:?}", imported.errors);
    }
}

#[test]
fn what_is_no_list_of_stations_says_why() {
    let named = |property: &str, chars: usize| {
        let name = "站".repeat(chars);
        format!(
            r#"{{"features":[{{"id":"S","geometry":{{"type":"Point","coordinates":[120.3,31.6]}},
                "properties":{{"operator_id":"O1","{property}":"{name}"}}}}]}}"#
        )
    };
    assert_eq!(of_json(&named("name_zh", 255), &Assumed::default()).stations.len(), 1);
    let location = format!(
        r#"[{{"id":"a","name":"{}","coordinates":{{"latitude":"31.6","longitude":"120.3"}},"country_code":"CN",
            "party_id":"ABC"}}]"#,
        "站".repeat(256)
    );
    let long = [named("name_zh", 256), named("name", 256), location];
    let nul = named("name_zh", 1).replace('站', r"\u0000");
    for (text, why) in [
        ("{", "neither a table nor JSON"),
        ("7", "neither a GeoJSON"),
        (r#"{"features":[{"geometry":{"type":"Polygon"}}]}"#, "not a Point"),
        (r#"{"features":[{"geometry":{"type":"Point","coordinates":[1]}}]}"#, "two coordinates"),
        (r#"{"features":[{"id":"a","geometry":{"type":"Point","coordinates":[31,120]}}]}"#, "exchanged"),
        (r#"{"features":[{"id":"a","geometry":{"type":"Point","coordinates":[1,2]}}]}"#, "operator_id"),
        (r#"[{"id":"a/b"}]"#, "identifier"),
        (long[0].as_str(), "feature 1: name_zh: longer than 255 characters"),
        (long[1].as_str(), "feature 1: name: longer"),
        (long[2].as_str(), "location 1: name: longer"),
        (nul.as_str(), "feature 1: name_zh: has a NUL character"),
    ] {
        let imported = of_json(text, &Assumed::default());
        assert!(imported.stations.is_empty() && imported.errors.len() == 1, "{text}");
        assert!(imported.errors[0].reason.contains(why), "{text}: {:?}", imported.errors);
    }
    let assumed = Assumed { operator: None, system: Some(CoordinateSystem::Bd09) };
    let text = LOCATIONS;
    let doubts = of_json(text, &assumed).stations.remove(0).record.given.expect("kept").doubts;
    assert_eq!(doubts, [PlaceDoubt::NotShifted]);
}
