//! The query API as an app asks it: filters, pages, the nearest, stations, the past, tags, limits and keys.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::io::Read;
use std::path::PathBuf;

use serde_json::Value;
use veripile_pile::Place;
use veripile_tests::{Database, Server, command, free_port, header, provided, written};

/// Where Wuxi's railway station is taken to be.
const HERE: Place = Place { lon: 120.30, lat: 31.59 };

/// Twelve stations north of each other, 0.01° apart from 31.60° on, with an AC and a DC pile each; S01 is operator O2's.
fn prepare(binary: &PathBuf, database: &Database) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: String| written(folder.path(), name, content);
    let mut stations = "station_id,operator_id,name_zh,name_en,lon,lat,coordinate_system\n".to_owned();
    let mut piles =
        "pile_id,station_id,kind,accuracy_class,power_kw,connectors,lon,lat,coordinate_system\n".to_owned();
    for n in 1..=12 {
        let (operator, lat) = (if n == 1 { "O2" } else { "O1" }, 31.59 + 0.01 * f64::from(n));
        stations.push_str(&format!("S{n:02},{operator},站{n},Station {n},120.30,{lat:.2},wgs84\n"));
        piles.push_str(&format!("S{n:02}-A,S{n:02},ac,2,7,gbt_ac type2,120.30,{lat:.2},wgs84\n"));
        piles.push_str(&format!("S{n:02}-D,S{n:02},dc,1,{},gbt_dc,120.30,{lat:.2},wgs84\n", 10 * n));
    }
    let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\nO2,乙,Two\n".to_owned());
    let (stations, piles) = (file("stations.csv", stations), file("piles.csv", piles));
    let anchors = file(
        "anchors.csv",
        "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor,valid_until\n\
         S03-D,2026-01-05T00:00:00Z,0.1,0.1,2,2099-01-05T00:00:00Z\n"
            .to_owned(),
    );
    command(
        binary,
        database,
        &[
            "register",
            "--operators",
            &operators,
            "--stations",
            &stations,
            "--piles",
            &piles,
            "--anchors",
            &anchors,
        ],
    );
}

async fn list(server: &Server, path: &str) -> (Vec<Value>, Value) {
    let (status, body) = server.get(path).await;
    assert_eq!(status, 200, "{path}: {body}");
    let mut body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["type"], "FeatureCollection");
    assert_eq!(body["meta"]["license"], "CC-BY-4.0");
    let Value::Array(features) = body["features"].take() else { panic!("{body}") };
    (features, body["meta"].take())
}

fn ids(features: &[Value]) -> Vec<&str> {
    features.iter().map(|feature| feature["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn piles_and_stations_are_found_by_what_they_are_and_where() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    // Certificates count once they are judged.
    for _ in 0..100 {
        if list(&server, "/api/v1/piles?state=verified").await.0.len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    for (filter, expected) in [
        ("kind=ac", 12),
        ("kind=dc&min_power_kw=100", 3),
        ("min_power_kw=7.5", 12),
        ("connector=gbt_dc", 12),
        ("connector=type2&kind=dc", 0),
        ("operator=O2", 2),
        ("state=verified", 1),
        ("state=due", 23),
        ("bbox=120,31.595,121,31.615", 4),
        ("bbox=120,31.595,121,31.615&connector=GBT_AC", 2),
    ] {
        let (piles, _) = list(&server, &format!("/api/v1/piles?{filter}")).await;
        assert_eq!(piles.len(), expected, "{filter}");
    }
    for (filter, expected) in [
        ("kind=dc&min_power_kw=100", vec!["S10", "S11", "S12"]),
        ("operator=O2", vec!["S01"]),
        ("state=verified", vec!["S03"]),
        ("bbox=120,31.595,121,31.615", vec!["S01", "S02"]),
        ("connector=chademo", vec![]),
    ] {
        let (stations, _) = list(&server, &format!("/api/v1/stations?{filter}")).await;
        assert_eq!(ids(&stations), expected, "{filter}");
    }
    // Pages join to the whole, nothing twice.
    for (path, total) in [("piles", 24), ("stations", 12), ("stations?state=due", 12)] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let (page, meta) = list(&server, &format!("/api/v1/{path}{sign}limit=5&cursor={cursor}")).await;
            seen.extend(page.iter().map(|feature| feature["id"].as_str().unwrap().to_owned()));
            match meta["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert!(seen.len() == total && seen.is_sorted_by(|a, b| a < b), "{path}: {seen:?}");
    }
    nearest(&server).await;
    past(&server, &database).await;
    details(&server).await;
    server.stop();
}

/// The highest price that may apply today is what a driver is shown and searches by, told by itself or by hours.
#[tokio::test]
async fn prices_by_hours_reach_the_driver() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    // Two piles at each station. S01: a list of before, the one in force, and one to come; S02: from ever; S03: with a
    // price that was told as the highest, and is not.
    let folder = tempfile::tempdir().unwrap();
    let prices = "station_id,from,to,cny_kwh,valid_from\n\
        S01,00:00,24:00,2.0,2020-01-01\nS01,00:00,08:00,0.5,2026-01-01\nS01,08:00,24:00,1.3,2026-01-01\n\
        S01,00:00,24:00,9.0,2099-01-01\nS02,22:00,06:00,0.4,\nS02,06:00,22:00,1.2,\nS03,00:00,24:00,1.9,\n";
    let prices = written(folder.path(), "prices.csv", prices);
    command(&binary, &database, &["register", "--prices", &prices]);
    sqlx::query("UPDATE station SET fee_cny_kwh = 1.0 WHERE station_id = 'S03'")
        .execute(&mut database.connect().await)
        .await
        .unwrap();
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let (stations, _) = list(&server, "/api/v1/stations").await;
    let fees: Vec<&Value> = stations[..4].iter().map(|one| &one["properties"]["fee_cny_kwh"]).collect();
    assert_eq!(fees, [&"1.3".into(), &"1.2".into(), &"1.9".into(), &Value::Null]);
    let told: Vec<&Value> = stations[..4].iter().map(|one| &one["properties"]["fee_told_cny_kwh"]).collect();
    assert_eq!(told, [&Value::Null, &Value::Null, &"1".into(), &Value::Null]);
    for (most, expected) in
        [("0.9", 0), ("1", 0), ("1.2", 2), ("1.29", 2), ("1.3", 4), ("1.89", 4), ("1.9", 6), ("20", 6)]
    {
        let (status, body) = server.get(&format!("/found.geojson?max_fee={most}")).await;
        let found: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, found["features"].as_array().unwrap().len()), (200, expected), "{most}");
    }
    for path in ["/s/S01?lang=en", "/?max_fee=1.3&view=stations&lang=en"] {
        let (_, page) = server.get(path).await;
        assert!(page.contains("CNY 1.30 a kWh"), "{path}: {page}");
    }
    let (_, page) = server.get("/s/S02?lang=en").await;
    assert!(page.contains("00:00–06:00 0.40 · 06:00–22:00 1.20 · 22:00–24:00 0.40"), "{page}");
    let (_, page) = server.get("/s/S03?lang=en").await;
    assert!(!page.contains("By hours"), "one price all day is told already");
    assert!(page.contains("CNY 1.90 a kWh") && page.contains("CNY 1.00 a kWh: prices by hours go"), "{page}");
    // One told as the highest stays it where hours are below, and is told in every digit: found and shown is the same.
    sqlx::query("UPDATE station SET fee_cny_kwh = 2.0051 WHERE station_id = 'S03'")
        .execute(&mut database.connect().await)
        .await
        .unwrap();
    let (_, page) = server.get("/s/S03?lang=en").await;
    assert!(page.contains("CNY 2.0051 a kWh") && !page.contains("prices by hours go"), "{page}");
    for (most, expected) in [("2", 4), ("2.0051", 6)] {
        let (_, body) = server.get(&format!("/found.geojson?max_fee={most}")).await;
        let found: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(found["features"].as_array().unwrap().len(), expected, "{most}");
    }
    // It is shown, and not registered: a list that says nothing of the price leaves none behind.
    assert_eq!(database.number("SELECT count(*) FROM station WHERE fee_cny_kwh IS NOT NULL").await, 1);
    server.stop();
}

/// The nearest: by distance, whatever the identifiers say, within the filters.
async fn nearest(server: &Server) {
    let (piles, meta) = list(server, "/api/v1/piles?near=120.30,31.59&limit=3&kind=dc").await;
    assert_eq!(ids(&piles), ["S01-D", "S02-D", "S03-D"]);
    assert_eq!(meta["next"], Value::Null);
    for (n, pile) in piles.iter().enumerate() {
        let there = Place { lon: 120.30, lat: 31.60 + 0.01 * n as f64 };
        let distance_m = pile["distance_m"].as_f64().unwrap();
        assert!((distance_m - HERE.distance_m(there)).abs() < 0.1, "{pile}");
        // 0.01° of latitude is 1,112 m on the sphere.
        assert!((distance_m - 1112.0 * (n + 1) as f64).abs() < 2.0, "{pile}");
    }
    // The farthest of all is in a circle much wider than the first.
    let (piles, _) = list(server, "/api/v1/piles?near=121.5,31.2&limit=24").await;
    assert_eq!(piles.len(), 24);
    assert!(piles.windows(2).all(|pair| pair[0]["distance_m"].as_f64() <= pair[1]["distance_m"].as_f64()));
    let (piles, _) = list(server, "/api/v1/piles?near=-60,-31&limit=1&state=verified").await;
    assert_eq!(ids(&piles), ["S03-D"], "on the other side of the earth, too");
    let (stations, _) = list(server, "/api/v1/stations?near=120.30,31.59&limit=2&min_power_kw=50").await;
    assert_eq!(ids(&stations), ["S05", "S06"]);
    assert!(stations[0]["properties"]["distance_m"].as_f64().is_some_and(|m| (m - 5560.0).abs() < 5.0));
    for (path, name) in [
        ("piles?near=120.30", "near"),
        ("stations?near=0,91", "near"),
        ("piles?near=120,31&cursor=S01-A", "cursor"),
        ("stations?limit=501", "limit"),
        ("piles?colour=red", "query"),
        ("piles/S01-A/history?cursor=yesterday", "cursor"),
    ] {
        let (status, body) = server.get(&format!("/api/v1/{path}")).await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert!(status == 400 && problem["detail"].as_str().unwrap().starts_with(name), "{path}: {body}");
    }
}

/// Three days of the past, page by page, newest first.
async fn past(server: &Server, database: &Database) {
    sqlx::query(
        "WITH run AS (INSERT INTO assessment_run (as_of, software, input_sha256, facts)
                      VALUES (now(), 'test', '', '{}') RETURNING run_no)
         INSERT INTO estimate (run_no, pile_no, day, as_of, component, grounded, charges, error, standard_uncertainty,
                               probability_conform, mpe, rule, verdict)
         SELECT run_no, pile_no, day::date, day + interval '5 hours', 1, true, 10, 0.0025, 0.001, 0.9, 0.02, 'a rule', 'conform'
         FROM run, pile, generate_series('2026-02-01T00:00:00Z'::timestamptz, '2026-02-03T00:00:00Z', '1 day') AS day
         WHERE pile_id = 'S07-A'",
    )
    .execute(&mut database.connect().await)
    .await
    .unwrap();
    let page = async |query: &str| -> Value {
        let (status, body) = server.get(&format!("/api/v1/piles/S07-A/history?{query}")).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let days = |page: &Value| -> Vec<String> {
        let days = page["assessments"].as_array().unwrap().iter();
        days.map(|one| one["as_of"].as_str().unwrap().to_owned()).collect()
    };
    // The cursor leaves out what the server itself has estimated today.
    let first = page("limit=2&cursor=2026-03-01T00:00:00Z").await;
    assert_eq!(days(&first), ["2026-02-03T05:00:00Z", "2026-02-02T05:00:00Z"]);
    assert_eq!(
        (&first["pile_id"], &first["assessments"][0]["error_percent"]),
        (&"S07-A".into(), &0.25.into())
    );
    let next = first["meta"]["next"].as_str().unwrap();
    let second = page(&format!("limit=2&cursor={next}")).await;
    assert_eq!(days(&second), ["2026-02-01T05:00:00Z"]);
    assert_eq!(second["meta"]["next"], Value::Null);
    // A year that no database knows.
    assert_eq!(days(&page("cursor=-009000-01-01T00:00:00Z").await), [""; 0]);
    assert!(
        days(&page("cursor=9999-12-30T00:00:00Z").await)
            .ends_with(&days(&page("cursor=2026-03-01T00:00:00Z").await))
    );
}

/// Whatever is only read says so to who asks otherwise, and nothing that is there says that it is not.
async fn other_methods(server: &Server) {
    for (path, allowed) in [
        ("/", "GET, HEAD"),
        ("/stats", "GET, HEAD"),
        ("/about", "GET, HEAD"),
        ("/p/S01-A", "GET, HEAD"),
        ("/badge/S01-A.svg", "GET, HEAD"),
        ("/assets/site.css", "GET, HEAD"),
        ("/manifest.webmanifest", "GET, HEAD"),
        ("/sw.js", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/found.geojson", "GET, HEAD, OPTIONS"),
        ("/.well-known/veripile-keys.json", "GET, HEAD, OPTIONS"),
        ("/check", "GET, HEAD, POST"),
        ("/p/S01-A/report", "GET, HEAD, POST"),
        ("/c/N-1/withdraw", "POST"),
        // What stands behind a sign-in, too, to whoever asks.
        ("/op", "GET, HEAD"),
        ("/op/sign-in", "GET, HEAD, POST"),
        ("/op/sign-out", "POST"),
        ("/op/import", "GET, HEAD, POST"),
        ("/op/sampling", "GET, HEAD"),
        ("/op/inbox/X/dismiss", "POST"),
        ("/op/piles/S01-A", "GET, HEAD"),
        ("/op/piles/S01-A/key", "POST"),
        ("/op/piles/S01-A/messages.ndjson", "GET, HEAD"),
        ("/ver", "GET, HEAD"),
        ("/ver/orders/new", "GET, HEAD, POST"),
        ("/ver/orders/N-1", "GET, HEAD"),
        ("/ver/orders/N-1/live", "GET, HEAD"),
        ("/ver/orders/N-1/seals", "POST"),
        ("/ver/instruments", "GET, HEAD, POST"),
        ("/ver/instruments/N-1/retire", "POST"),
        ("/ver/firmware", "GET, HEAD, POST"),
        ("/ver/piles/S01-A/repair", "POST"),
    ] {
        let (status, headers, body) = server.ask_with("DELETE", path, &[]).await;
        assert_eq!((status, header(&headers, "Allow")), (405, Some(allowed)), "{path}: {headers}");
        assert!(headers.contains("application/problem+json"), "{path}: {headers}");
        assert!(String::from_utf8(body).unwrap().contains("\"status\":405"), "{path}");
        let (status, headers, _) = server.ask_with("PUT", path, &[("Accept", "text/html")]).await;
        assert_eq!((status, header(&headers, "Allow")), (405, Some(allowed)), "a person, {path}: {headers}");
        let is_for_programs = path.starts_with("/.well-known") || path == "/openapi.json";
        assert_eq!(headers.contains("text/html"), !is_for_programs, "{path}: {headers}");
    }
    for path in ["/op/sign-out", "/op/piles/S01-A/order", "/ver/orders/N-1/start"] {
        let (status, headers, _) = server.get_with(path, &[]).await;
        assert_eq!((status, header(&headers, "Allow")), (405, Some("POST")), "{path}: {headers}");
    }
    for path in ["/op/none", "/ver/none", "/ver/orders/N-1/none"] {
        assert_eq!(server.ask_with("DELETE", path, &[]).await.0, 404, "{path}");
    }
    for (path, allowed) in [
        ("/ocpi/versions", "GET"),
        ("/ocpi/2.2.1/locations", "GET"),
        ("/ocpi/2.2.1/locations/S01", "GET"),
        ("/ocpi/2.2.1/tariffs", "GET"),
        ("/ocpi/2.2.1/cdrs", "POST"),
        ("/ocpi/2.2.1/credentials", "GET, POST, PUT, DELETE"),
    ] {
        let (status, headers, body) = server.ask_with("PATCH", path, &[]).await;
        assert_eq!((status, header(&headers, "Allow")), (405, Some(allowed)), "{path}: {headers}");
        assert!(String::from_utf8(body).unwrap().contains("\"status_code\":2000"), "{path}");
    }
    let (status, headers, body) =
        server.get_with("/api/v1/piles", &[("Accept-Encoding", "identity;q=0")]).await;
    assert!(status == 406 && headers.contains("application/problem+json"), "{headers}");
    assert!(String::from_utf8(body).unwrap().contains("\"status\":406"));
    // Who takes it as it is, is told all the same that others get it compressed.
    for path in ["/", "/p/S01-A", "/s/S01", "/stats", "/api/v1/piles", "/api/v1/piles/none", "/openapi.json"]
    {
        for accepted in [&[][..], &[("Accept-Encoding", "identity")][..], &[("Accept-Encoding", "gzip")][..]]
        {
            let (_, headers, _) = server.get_with(path, accepted).await;
            let headers = headers.to_lowercase();
            let varies: Vec<&str> = headers.lines().filter_map(|line| line.strip_prefix("vary: ")).collect();
            assert_eq!(varies.join(", ").matches("accept-encoding").count(), 1, "{path}: {headers}");
            assert!(!headers.contains("content-encoding: identity"), "{path}: {headers}");
        }
    }
}

async fn details(server: &Server) {
    let (_, body) = server.get("/api/v1/stations/S03").await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    let station = &answer["station"]["properties"];
    assert_eq!((&station["piles"], &station["max_power_kw"]), (&2.into(), &"30".into()));
    assert_eq!(station["connectors"], serde_json::json!(["gbt_ac", "gbt_dc", "type2"]));
    assert_eq!((&station["states"]["verified"], &station["states"]["due"]), (&1.into(), &1.into()));
    assert_eq!(station["given"]["coordinate_system"], "wgs84");
    assert_eq!(answer["piles"][1]["verification"]["state"], "verified");
    let (_, body) = server.get("/api/v1/piles/S03-D").await;
    let pile: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&pile["pile_id"], &pile["meta"]["license"]), (&"S03-D".into(), &"CC-BY-4.0".into()));
    assert!(pile["meta"]["last_updated"].is_string(), "{body}");
    assert_eq!(pile["verification"]["evidence_url"], "/api/v1/piles/S03-D/history");
    // Registered from a list: there is no document of ours to fetch.
    assert_eq!(pile["verification"]["certificate_url"], Value::Null);
    let (_, body) = server.get("/api/v1/verifications").await;
    assert!(body.contains("\"last_updated\":null"), "{body}");
    assert_eq!(server.get("/api/v1/verifications?cursor=7&limit=3").await.0, 200);
    for path in ["piles", "stations", "verifications", "piles/S03-D/history"] {
        for limit in ["abc", "0", "1e9"] {
            let (status, body) = server.get(&format!("/api/v1/{path}?limit={limit}")).await;
            assert!(
                status == 400 && body.contains("\"limit: expected a number from 1 to "),
                "{path}: {body}"
            );
        }
    }
    for (method, path) in
        [("POST", "piles"), ("DELETE", "piles/S03-D"), ("PUT", "verifications"), ("PATCH", "dumps")]
    {
        let (status, headers, body) = server.ask_with(method, &format!("/api/v1/{path}"), &[]).await;
        assert!(status == 405 && headers.contains("application/problem+json"), "{method} {path}: {headers}");
        assert_eq!(header(&headers, "Allow"), Some("GET, HEAD, OPTIONS"), "{method} {path}");
        assert!(String::from_utf8(body).unwrap().contains("\"status\":405"));
    }
    other_methods(server).await;
    // What the description lists of OCPI is there: it asks who one is.
    let (_, described) = server.get("/openapi.json").await;
    let described: Value = serde_json::from_str(&described).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let listed = paths.iter().filter(|(path, _)| path.starts_with("/ocpi/"));
    let listed =
        listed.flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (path, method)));
    let listed: Vec<(&String, &String)> = listed.collect();
    assert_eq!(listed.len(), 13, "{listed:?}");
    for (path, method) in listed {
        let (method, path) = (method.to_uppercase(), path.replace(['{', '}'], ""));
        assert_eq!(server.ask_with(&method, &path, &[]).await.0, 401, "{method} {path}");
    }
    // What the door and the library that compresses refuse is described wherever they do.
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("/ocpi/")) {
        let asked = path.replace(['{', '}'], "").replace("z/x/y", "0/0/0");
        for (name, value) in
            [("Authorization", "Bearer wrong"), ("Accept-Encoding", "zstd;q=1, identity;q=0")]
        {
            let (status, ..) = server.get_with(&asked, &[(name, value)]).await;
            assert!(item["get"]["responses"][status.to_string()].is_object(), "{path}, {value}: {status}");
        }
    }
    for path in ["stations/S99", "piles/S99/history", "nothing"] {
        let (status, headers, body) = server.get_with(&format!("/api/v1/{path}"), &[]).await;
        assert!(status == 404 && headers.contains("application/problem+json"), "{path}: {headers}");
        assert!(String::from_utf8(body).unwrap().contains("\"title\":\"Not found\""));
    }
}

#[tokio::test]
async fn answers_are_tagged_compressed_and_open_to_other_sites() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let path = "/api/v1/stations/S05";
    // Judged once, nothing changes any more.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let (status, headers, plain) = server.get_with(path, &[]).await;
    assert_eq!(status, 200);
    assert_eq!(header(&headers, "Access-Control-Allow-Origin"), Some("*"));
    let tag = header(&headers, "ETag").unwrap().to_owned();
    let (status, headers, body) = server.get_with(path, &[("If-None-Match", &tag)]).await;
    assert_eq!((status, body.len()), (304, 0), "{headers}");
    assert_eq!(header(&headers, "ETag"), Some(tag.as_str()));
    let (status, ..) = server.get_with(path, &[("If-None-Match", "W/\"other\"")]).await;
    assert_eq!(status, 200);
    let (_, headers, body) = server.get_with(path, &[("Accept-Encoding", "gzip")]).await;
    assert_eq!(header(&headers, "Content-Encoding"), Some("gzip"));
    assert_eq!(header(&headers, "ETag"), Some(tag.as_str()), "a weak tag holds for every encoding");
    let body = unchunked(&headers, &body);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let (_, headers, _) = server.get_with(path, &[("Accept-Encoding", "br")]).await;
    assert_eq!(header(&headers, "Content-Encoding"), Some("br"));
    // HEAD is answered as GET is, without the body; the description stands behind the same door.
    for (path, of) in
        [(path, "application/json"), ("/openapi.json", "application/json"), ("/", "text/html; charset=utf-8")]
    {
        let (status, headers, body) = server.ask_with("HEAD", path, &[]).await;
        assert_eq!((status, body.len(), header(&headers, "Content-Type")), (200, 0, Some(of)), "{path}");
        assert!(header(&headers, "Content-Length").is_some_and(|length| length != "0"), "{path}: {headers}");
    }
    assert_eq!(server.ask_with("HEAD", "/api/v1/piles/none", &[]).await.0, 404);
    // So do the keys: whoever checks a document in a page of theirs reads them there.
    for path in ["/openapi.json", "/.well-known/veripile-keys.json"] {
        let (status, headers, _) = server.get_with(path, &[]).await;
        assert_eq!((status, header(&headers, "Access-Control-Allow-Origin")), (200, Some("*")), "{path}");
        assert!(header(&headers, "RateLimit").is_some() && header(&headers, "ETag").is_some(), "{headers}");
        let (status, headers, _) = server.ask_with("OPTIONS", path, &[]).await;
        assert_eq!((status, header(&headers, "Access-Control-Allow-Origin")), (204, Some("*")), "{path}");
    }
    // A certificate's page is not the API's: nothing is opened there.
    let (_, headers, _) = server.get_with("/", &[]).await;
    assert_eq!(header(&headers, "Access-Control-Allow-Origin"), None);
    server.stop();
}

/// A body without the sizes of its chunks.
fn unchunked(headers: &str, body: &[u8]) -> Vec<u8> {
    if header(headers, "Transfer-Encoding") != Some("chunked") {
        return body.to_vec();
    }
    let (mut rest, mut whole) = (body, Vec::new());
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}

/// The query API's quota is spent; the map's, of five, is not.
async fn pages_are_counted_apart(server: &Server) {
    for path in ["/found.geojson?kind=dc", "/mini-map.svg", "/?kind=dc", "/?page=2", "/stats/operators"] {
        assert_eq!(server.get(path).await.0, 200, "{path}");
    }
    // With them what computes: the check of a document, and of records that are pasted.
    for path in ["/found.geojson?kind=dc", "/mini-map.svg", "/c/VP2026-000001", "/check"] {
        assert_eq!(server.get(path).await.0, 429, "{path}");
    }
    assert_eq!(server.post("/check", &[("record", "OCMF|{}|{}")]).await.0, 429);
    for path in ["/?kind=dc&lang=zh", "/?page=2&lang=zh", "/stats/operators?lang=zh"] {
        let (status, headers, body) = server.get_with(path, &[("Accept", "text/html")]).await;
        assert_eq!(status, 429, "{path}");
        assert!(header(&headers, "Retry-After").unwrap().parse::<u64>().unwrap() <= 60);
        let page = String::from_utf8(body).unwrap();
        assert!(page.contains("<html") && page.contains("请一分钟后再试"), "{path}: {page}");
    }
    // Where nothing is asked, nothing is counted.
    for path in ["/", "/?lang=en", "/stats"] {
        assert_eq!(server.get(path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn one_asks_so_often_and_more_often_with_a_key() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let told = command(&binary, &database, &["api-key", "an app", "--per-minute", "50"]);
    let key = told.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(key.len(), 30, "{told}");
    let kept: Vec<u8> = sqlx::query_scalar("SELECT key_hash FROM api_key WHERE name = 'an app'")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert!(kept.len() == 32 && kept != key.as_bytes(), "only a hash is kept");
    let settings = [("VERIPILE_HTTP__REQUESTS_PER_MINUTE", "5")];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    let path = "/api/v1/piles/S01-A";
    for left in (0..5).rev() {
        let (status, headers, _) = server.get_with(path, &[]).await;
        assert_eq!(status, 200);
        assert_eq!(header(&headers, "RateLimit-Policy"), Some("\"minute\";q=5;w=60"));
        assert!(header(&headers, "RateLimit").unwrap().starts_with(&format!("\"minute\";r={left};t=")));
    }
    let (status, headers, body) = server.get_with(path, &[]).await;
    assert_eq!(status, 429);
    assert!(header(&headers, "Retry-After").unwrap().parse::<u64>().unwrap() <= 60);
    assert!(header(&headers, "Access-Control-Allow-Origin").is_some(), "a page must be able to read why");
    assert!(String::from_utf8(body).unwrap().contains("5 requests a minute"));
    let (status, headers, _) = server.get_with("/openapi.json", &[("Accept", "text/html")]).await;
    assert_eq!((status, header(&headers, "Content-Type")), (429, Some("application/problem+json")));
    pages_are_counted_apart(&server).await;
    // A key holds whatever its neighbours at the same address have used up.
    let bearer = format!("Bearer {key}");
    for left in (0..50).rev() {
        // The scheme's name is written in any case (RFC 9110, 11.1).
        let bearer = if left % 2 == 0 { bearer.clone() } else { format!("bearer {key}") };
        let (status, headers, _) = server.get_with(path, &[("Authorization", &bearer)]).await;
        assert_eq!(status, 200);
        assert!(header(&headers, "RateLimit").unwrap().starts_with(&format!("\"minute\";r={left};t=")));
    }
    assert_eq!(server.get_with(path, &[("Authorization", &bearer)]).await.0, 429);
    // Keys can be tried a hundred times a minute: one was shown.
    for n in 2..=101 {
        let made_up = format!("Bearer made-up {n}");
        let (status, headers, body) = server.get_with(path, &[("Authorization", &made_up)]).await;
        let (expected, title) = if n <= 100 { (401, "Unknown key") } else { (429, "Too many") };
        assert!(status == expected && String::from_utf8(body).unwrap().contains(title), "{n}: {status}");
        let challenge = header(&headers, "WWW-Authenticate").unwrap_or_default();
        assert_eq!(challenge.starts_with("Bearer "), status == 401, "{n}: {headers}");
    }
    command(&binary, &database, &["api-key", "an app", "--remove"]);
    assert_eq!(database.number("SELECT count(*) FROM api_key").await, 0);
    server.stop();
}
