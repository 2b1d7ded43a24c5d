//! The map's vector tiles, read by libraries that are not ours (`tiles.py`) and compared with the piles and stations of the database.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use veripile_tests::{Database, Server, command, free_port, header, provided, python, script, written};

/// Piles by the thousand: some 4,500 in a few streets of Wuxi, more than a tile takes, the rest around the earth.
fn piles() -> String {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(6);
    let mut piles =
        "pile_id,station_id,kind,accuracy_class,power_kw,connectors,lon,lat,coordinate_system\n".to_owned();
    let mut add = |n: usize, lon: f64, lat: f64| {
        let (kind, power) = [("ac", "7"), ("dc", "120.5"), ("dc", "")][n % 3];
        let station = if n == 4_804 { "TAKEN" } else { "" };
        piles.push_str(&format!("P{n:05},{station},{kind},2,{power},,{lon:.7},{lat:.7},wgs84\n"));
    };
    for n in 0..4_500 {
        add(n, 120.300 + rng.random_range(0.0..0.02), 31.570 + rng.random_range(0.0..0.02));
    }
    for n in 4_500..4_800 {
        add(n, rng.random_range(-180.0..180.0), rng.random_range(-84.0..84.0));
    }
    for (n, (lon, lat)) in
        [(0.0, 0.0), (-179.999_999, 0.5), (179.999_999, -0.5), (12.5, 85.0), (-70.0, -84.9)]
            .into_iter()
            .enumerate()
    {
        add(4_800 + n, lon, lat);
    }
    piles
}

/// Stations by the hundred among them, one alone far from all, and one at which a pile is registered.
fn stations() -> String {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut stations = "station_id,operator_id,name,lon,lat,coordinate_system\n".to_owned();
    let mut add = |id: &str, lon: f64, lat: f64| {
        stations.push_str(&format!("{id},O1,{id},{lon:.7},{lat:.7},wgs84\n"));
    };
    for n in 0..300 {
        let (lon, lat) = (120.300 + rng.random_range(0.0..0.02), 31.570 + rng.random_range(0.0..0.02));
        add(&format!("S{n:03}"), lon, lat);
    }
    add("ALONE", -150.0, -40.0);
    add("TAKEN", 120.31, 31.58);
    stations
}

#[tokio::test]
async fn tiles_hold_the_piles_of_the_database_where_they_stand() {
    let (Some((binary, url)), Some(python)) = (provided(), python()) else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let acts = "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor,valid_until\n\
                P00007,2026-01-05T00:00:00Z,0.1,0.1,2,2099-01-05T00:00:00Z\n\
                P04700,2026-01-05T00:00:00Z,0.1,0.1,2,2099-01-05T00:00:00Z\n";
    let (table, acts) = (file("piles.csv", &piles()), file("anchors.csv", acts));
    let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\n");
    let stations = file("stations.csv", &stations());
    command(&binary, &database, &["register", "--operators", &operators, "--stations", &stations]);
    command(&binary, &database, &["register", "--piles", &table, "--anchors", &acts]);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let state = async |id: &str| -> Value {
        let (_, body) = server.get(&format!("/api/v1/piles/{id}")).await;
        serde_json::from_str::<Value>(&body).unwrap()["verification"]["state"].clone()
    };
    for _ in 0..100 {
        if state("P04700").await == "verified" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(state("P00007").await, "verified");
    let rows: Vec<(String, f64, f64, String, Option<f64>)> =
        sqlx::query_as("SELECT pile_id, lon, lat, kind, power_kw::float8 FROM pile ORDER BY pile_id")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap();
    assert_eq!(rows.len(), 4_805);
    let states = HashMap::from([("P00007", "verified"), ("P04700", "verified")]);
    let all: Vec<Value> = rows
        .iter()
        .map(|(id, lon, lat, kind, power_kw)| {
            let state = states.get(id.as_str()).unwrap_or(&"due");
            json!({ "id": id, "lon": lon, "lat": lat, "kind": kind, "power_kw": power_kw, "state": state })
        })
        .collect();
    let list = file("all.json", &Value::Array(all).to_string());
    let rows: Vec<(String, f64, f64)> =
        sqlx::query_as("SELECT station_id, lon, lat FROM station WHERE station_id <> 'TAKEN'")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap();
    assert_eq!(rows.len(), 301);
    let unpiled: Vec<Value> =
        rows.iter().map(|(id, lon, lat)| json!({ "id": id, "lon": lon, "lat": lat })).collect();
    let unpiled = file("stations.json", &Value::Array(unpiled).to_string());
    let address = format!("http://127.0.0.1:{}", server.port);
    let told = script(&python, "tiles.py", [&address, &list, &unpiled].map(|text| OsStr::new(text.as_str())));
    if let Err(complaint) = told {
        panic!("{complaint}");
    }
    unchanged_and_refused(&server).await;
    newer(&server, &database).await;
    server.stop();
}

/// Tags and addresses.
async fn unchanged_and_refused(server: &Server) {
    let path = "/api/v1/tiles/piles/5/26/12.mvt";
    let (status, headers, plain) = server.get_with(path, &[]).await;
    let tag = header(&headers, "ETag").unwrap().to_owned();
    assert!(status == 200 && !plain.is_empty() && header(&headers, "Content-Encoding").is_none());
    let (status, _, body) = server.get_with(path, &[("If-None-Match", &tag)]).await;
    assert_eq!((status, body.len()), (304, 0));
    for address in ["23/0/0", "3/8/0", "3/0/8", "-1/0/0", "3/0/1e1", "a/b/c", "3/0/99999999999999999999"] {
        let (status, headers, _) = server.get_with(&format!("/api/v1/tiles/piles/{address}.mvt"), &[]).await;
        assert!(status == 404 && headers.contains("application/problem+json"), "{address}: {status}");
    }
}

/// A pile that is registered later is soon on the map, and the tag another.
async fn newer(server: &Server, database: &Database) {
    let path = "/api/v1/tiles/piles/20/0/0.mvt";
    let (_, _, before) = server.get_with(path, &[]).await;
    sqlx::query(
        "INSERT INTO pile (pile_id, kind, accuracy_class, lon, lat, registered) VALUES ('NEW', 'ac', 2, -179.9999, 85.05112, true)",
    )
    .execute(&mut database.connect().await)
    .await
    .unwrap();
    for _ in 0..150 {
        let (_, _, after) = server.get_with(path, &[]).await;
        if after != before {
            assert!(after.windows(3).any(|bytes| bytes == b"NEW"));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("the map is never drawn anew");
}

/// Whose map lies beneath the piles is said on the page, and the page's policy names that host, which is told the site that asks; no other
/// page's does.
#[tokio::test]
async fn a_map_of_others_is_named_on_its_page_and_in_its_policy() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let settings = [
        ("VERIPILE_ROLES", "api"),
        ("VERIPILE_MAP__BASEMAP", "xyz"),
        ("VERIPILE_MAP__URL", "https://tiles.example/{z}/{x}/{y}.png"),
        ("VERIPILE_MAP__ATTRIBUTION", "Survey of A & B"),
        ("VERIPILE_MAP__APPROVAL_NUMBER", "GS(2024)0001号"),
    ];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    let (_, headers, page) = server.get_as("/?lang=en", "").await;
    let policy = header(&headers, "Content-Security-Policy").unwrap();
    for part in ["img-src 'self' https://tiles.example data:", "connect-src 'self' https://tiles.example;"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(headers.to_lowercase().matches("content-security-policy").count(), 1, "{headers}");
    assert_eq!(header(&headers, "Referrer-Policy"), Some("strict-origin"), "{headers}");
    assert_eq!(headers.to_lowercase().matches("referrer-policy").count(), 1, "{headers}");
    assert!(page.contains("A &#38; B, map approval number (审图号) GS(2024)0001号"), "{page}");
    assert!(page.contains("https://tiles.example/{z}/{x}/{y}.png"), "{page}");
    let (_, headers, _) = server.get_as("/about", "").await;
    assert!(!header(&headers, "Content-Security-Policy").unwrap().contains("tiles.example"), "{headers}");
    assert_eq!(header(&headers, "Referrer-Policy"), Some("same-origin"), "{headers}");
    server.stop();
    database.drop().await;
}

/// An archive of tiles is served by ourselves, and no host is named for it; one that cannot be shown ends the start, with what to do.
#[tokio::test]
async fn a_map_in_a_file_is_served_by_us() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tiles/quarters.pmtiles");
    let quarters = std::fs::read(&file).unwrap();
    let settings = |file: &Path| {
        [
            ("VERIPILE_ROLES", "api".to_owned()),
            ("VERIPILE_MAP__BASEMAP", "pmtiles".to_owned()),
            ("VERIPILE_MAP__FILE", file.to_str().unwrap().to_owned()),
            ("VERIPILE_MAP__ATTRIBUTION", "Survey of A".to_owned()),
        ]
    };
    let ours = settings(&file);
    let ours = ours.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start_with(&binary, &database, free_port(), "closed", &ours).await;
    let (_, headers, page) = server.get_as("/?lang=en", "").await;
    let policy = header(&headers, "Content-Security-Policy").unwrap();
    assert!(policy.contains("img-src 'self' data: blob:; connect-src 'self';"), "{policy}");
    assert!(page.contains("Base map: Survey of A"), "{page}");
    let tag = page.split("/basemap/{z}/{x}/{y}?v=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    // The last of four tiles of 69 bytes.
    let (status, headers, tile) = server.get_with(&format!("/basemap/1/1/0?v={tag}"), &[]).await;
    assert!(status == 200 && tile == quarters[quarters.len() - 69..], "{status} {headers}");
    assert_eq!(header(&headers, "Content-Type"), Some("image/png"));
    assert!(header(&headers, "Cache-Control").unwrap().contains("immutable"), "{headers}");
    assert_eq!(server.get_with("/basemap/1/1/1", &[]).await.0, 204, "there is none");
    for address in ["1/2/0", "32/0/0", "a/b/c", "1/-1/0"] {
        assert_eq!(server.get_with(&format!("/basemap/{address}"), &[]).await.0, 404, "{address}");
    }
    server.stop();
    let server =
        Server::start_with(&binary, &database, free_port(), "closed", &[("VERIPILE_ROLES", "api")]).await;
    assert_eq!(server.get_with("/basemap/0/0/0", &[]).await.0, 404, "there is no archive");
    server.stop();
    let folder = tempfile::tempdir().unwrap();
    let mut vector = quarters.clone();
    vector[99] = 1; // the kind of tiles: Mapbox vector tiles
    for (name, bytes, why) in [
        ("vector.pmtiles", &vector[..], "has no pictures but vector tiles"),
        ("cut.pmtiles", &quarters[..400], "is not whole: it has 400 of 459 bytes; copy it again"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let output = Command::new(&binary)
            .arg("serve")
            .env("VERIPILE_DATABASE_URL", &database.url)
            .env("VERIPILE_HTTP__LISTEN", format!("127.0.0.1:{}", free_port()))
            .env("VERIPILE_IDENTITY__KEY_FILE", folder.path().join("identity.key"))
            .env("VERIPILE_VERIFICATION__KEY_FILE", folder.path().join("signing.key"))
            .envs(settings(&file))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains("map.file") && told.contains(why), "{told}");
    }
    database.drop().await;
}
