//! Stations at which no pile is registered: what drivers find of them.

use serde_json::json;
use veripile_tests::{Database, Server, command, free_port, provided, written};

use super::{found, prepare};

/// A list of stations alone, as cities publish them: sixty in Shenzhen, one in Wuxi.
#[tokio::test]
async fn stations_without_a_registered_pile_are_found_and_say_so() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let folder = tempfile::tempdir().unwrap();
    let mut list = "station_id,name,lon_wgs84,lat_wgs84,region,piles,fee_cny_kwh\nWX-9,太湖站,120.302,31.576,锡山区,,1.5\n".to_owned();
    for n in 1_001..=1_060 {
        list.push_str(&format!("SZ{n},深圳站{n},114.{n},22.6,南山区,{},\n", n - 1_000));
    }
    let list = written(folder.path(), "list.csv", list);
    command(&binary, &database, &["register", "--operator", "O1", "--stations", &list]);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let cards = |page: &str| {
        page.split("<li class=\"station\"><a href=\"/s/")
            .skip(1)
            .map(|card| card.split('?').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (query, piles, expected) in [
        ("q=sz1001", 0, &["SZ1001"][..]),
        ("q=SZ-1001", 0, &["SZ1001"][..]),
        // 深圳站1002
        ("q=%E6%B7%B1%E5%9C%B3%E7%AB%991002", 0, &["SZ1002"][..]),
        ("q=xishanqu", 0, &["WX-9"][..]),
        ("q=taihu+one", 0, &["WX-9"][..]),
        ("near=120.301,31.575", 46, &["WX-9"][..]),
        ("near=120.301,31.575&view=stations", 46, &["S1", "S2", "WX-9"][..]),
        ("region=%E9%94%A1%E5%B1%B1%E5%8C%BA", 0, &["WX-9"][..]),
        ("max_fee=1.5", 45, &["WX-9"][..]),
        ("max_fee=1.5&view=stations", 45, &["S1", "WX-9"][..]),
        ("operator=O2&view=stations", 1, &["S2"][..]),
        ("bbox=120.3015,31.5,120.4,31.6", 0, &["WX-9"][..]),
        ("q=sz1001&kind=dc", 0, &[][..]),
        ("q=sz1001&state=due", 0, &[][..]),
        ("q=sz1001&free=yes&view=stations", 0, &[][..]),
        ("only=checked", 0, &[][..]),
    ] {
        let (counted, page) = found(&server, query).await;
        assert_eq!((counted, cards(&page).join(" ")), (piles, expected.join(" ")), "{query}");
    }
    // What a list tells is told, and nothing of it is counted.
    let (all, page) = found(&server, "q=sz1020").await;
    assert!(all == 0 && page.contains("No pile registered here yet: unverified · <bdi>One</bdi>"), "{page}");
    assert!(page.contains("20 piles, says the list") && page.contains("class=\"badge due\""), "{page}");
    assert!(!page.contains("No pile matches") && !page.contains("0 free of 0"), "{page}");
    let (status, page) = server.get("/s/SZ1020?lang=en").await;
    assert!(status == 200 && page.contains("No pile of this station is registered yet."), "{page}");
    assert!(page.contains("unverified") && page.contains("20 piles, says the list"), "{page}");
    assert!(!page.contains("0 of 0") && !page.contains("0 free of 0"), "{page}");
    for (path, told, registered) in [("SZ1020", json!(20), 0), ("S1", json!(null), 45)] {
        let (_, body) = server.get(&format!("/api/v1/stations/{path}")).await;
        let station: serde_json::Value = serde_json::from_str(&body).unwrap();
        let told_of = &station["station"]["properties"];
        assert_eq!((&told_of["told_piles"], &told_of["piles"]), (&told, &json!(registered)), "{body}");
    }
    // Below 46 piles there is room for four, and the list by stations has them all, each once.
    let (_, page) = found(&server, "").await;
    assert_eq!(cards(&page), ["SZ1001", "SZ1002", "SZ1003", "SZ1004"]);
    assert!(page.contains("more stations without a registered pile"), "{page}");
    let mut listed = Vec::new();
    for number in 1..=2 {
        let (_, page) = found(&server, &format!("view=stations&page={number}")).await;
        assert_eq!(page.contains("class=\"pager\""), number == 1, "{page}");
        listed.extend(cards(&page));
    }
    assert_eq!(
        (listed.len(), &listed[..3]),
        (63, &["S1".to_owned(), "S2".to_owned(), "SZ1001".to_owned()][..])
    );
    listed.sort();
    listed.dedup();
    assert_eq!(listed.len(), 63);
    let (_, page) = found(&server, "view=stations&page=3").await;
    assert!(cards(&page).is_empty() && page.contains("The list has fewer pages."), "{page}");
    // And the map shows where they are.
    let (_, json) = server.get("/found.geojson?q=sz1001").await;
    let places: serde_json::Value = serde_json::from_str(&json).unwrap();
    let features = places["features"].as_array().unwrap();
    assert_eq!(features.len(), 1, "{json}");
    assert_eq!(
        (&features[0]["id"], &features[0]["properties"]),
        (&"SZ1001".into(), &json!({"station": "SZ1001"}))
    );
    let (_, sketch) = server.get("/mini-map.svg?q=sz1001&lang=en").await;
    assert!(sketch.contains("<title>SZ1001 · No pile registered here yet: unverified</title>"), "{sketch}");
    // Once a pile is registered there the station is one of the others.
    let piles = "pile_id,station_id,kind,accuracy_class\nN1,SZ1001,dc,1\n";
    let piles = written(folder.path(), "more.csv", piles);
    command(&binary, &database, &["register", "--piles", &piles]);
    let (all, page) = found(&server, "q=sz1001&view=stations").await;
    assert!(all == 1 && cards(&page) == ["SZ1001"] && page.contains("0 free of 1"), "{page}");
}
