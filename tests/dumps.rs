//! The bulk dumps as whoever downloads them reads them: sizes and hashes of the index, three formats that say the same as the API.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;
use veripile_tests::{Database, Server, command, free_port, header, provided, written};

/// A name that a spreadsheet would run.
const FORMULA: &str = "=HYPERLINK(\"http://evil.example\",\"电费\")";

/// Hash of a file by a program that is not ours.
fn sha256(bytes: &[u8]) -> String {
    let mut child =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum");
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let told = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    told.split(' ').next().unwrap().to_owned()
}

/// P0000 spoke last in OCPP 1.6. P0001 and P0002 have a certificate until 2099. That of P0001 is in question since somebody saw a broken seal.
const CERTIFIED: &[&str] = &[
    "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, valid_until)
     SELECT pile_no, 'certificate', 'C-' || pile_id, '计量所', '检', '2026-01-05Z', '2099-01-05Z' FROM pile WHERE pile_id IN ('P0001', 'P0002')",
    "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at)
     SELECT pile_no, 'certificate_questioned', 'C-' || pile_id, '计量所', '检', '2026-02-03Z' FROM pile WHERE pile_id = 'P0001'",
    "INSERT INTO verification_order (order_no, number, pile_no, state, instruments, body, made_at)
     SELECT 1, 'V-1', pile_no, 'issued', '{}', '{}', '2026-01-04Z' FROM pile WHERE pile_id = 'P0001'",
    "INSERT INTO verification_certificate (order_no, number, pile_no, connector, kind, issuer, verified_on, valid_until, issued_at, json, sha256, pdf)
     SELECT 1, 'C-P0001', pile_no, 1, 'certificate', '计量所', '2026-01-05', '2099-01-05', '2026-01-05Z', '{}', '', '' FROM pile WHERE pile_id = 'P0001'",
    "INSERT INTO pile_live (pile_no, last_seen, protocol) SELECT pile_no, now(), 'ocpp1.6' FROM pile WHERE pile_id = 'P0000'",
    "INSERT INTO certificate_question (certificate_no, reason, detail, person, asked_at)
     SELECT certificate_no, 'seal_broken', '', '检', '2026-02-03Z' FROM verification_certificate",
];

#[tokio::test]
async fn dumps_are_what_their_index_says_and_what_the_api_says() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let quoted = format!("\"{}\"", FORMULA.replace('"', "\"\""));
    let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\n");
    let stations = file(
        "stations.csv",
        &format!(
            "station_id,operator_id,name_zh,name_en,lon,lat,coordinate_system,region,address,phone,fee_cny_kwh,piles\n\
             S1,O1,{quoted},Station,-120.5,31.6,wgs84,梁溪区,中山路 1 号,0510-8888 0000,1.250,1200\n"
        ),
    );
    let mut table =
        "pile_id,station_id,kind,accuracy_class,power_kw,connectors,lon,lat,coordinate_system,meter_serial\n"
            .to_owned();
    // More than are read at a time, and one of which nothing is known.
    for n in 0..1_100 {
        table.push_str(&format!("P{n:04},S1,ac,2,7.04,gbt_ac type2,-120.5,31.6,wgs84,M{n}\n"));
    }
    table.push_str("Z,,dc,1,,,,,,\n");
    let piles = file("piles.csv", &table);
    command(
        &binary,
        &database,
        &["register", "--operators", &operators, "--stations", &stations, "--piles", &piles],
    );
    for statement in CERTIFIED {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    judged(&server).await;
    let (status, body) = server.get("/api/v1/dumps").await;
    assert_eq!(status, 200, "{body}");
    let index: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&index["license"], index["files"].as_array().unwrap().len()), (&"CC-BY-4.0".into(), 6));
    let mut files = HashMap::new();
    for told in index["files"].as_array().unwrap() {
        let href = told["href"].as_str().unwrap();
        let (status, headers, plain) = server.get_with(href, &[]).await;
        assert_eq!(
            (status, header(&headers, "Content-Length")),
            (200, Some(told["bytes"].to_string().as_str()))
        );
        assert_eq!(
            (plain.len() as u64, sha256(&plain)),
            (told["bytes"].as_u64().unwrap(), told["sha256"].as_str().unwrap().to_owned())
        );
        assert_eq!(header(&headers, "Content-Type"), told["media_type"].as_str());
        assert_eq!(told["updated"], index["record_date"]);
        assert_eq!(header(&headers, "Content-Encoding"), None, "as it is: {headers}");
        // In no other coding than the one that it is kept in.
        let (_, headers, other) = server.get_with(href, &[("Accept-Encoding", "br")]).await;
        assert!(other == plain && header(&headers, "Content-Encoding").is_none(), "{headers}");
        assert!(header(&headers, "Vary").is_some_and(|name| name == "accept-encoding"), "{headers}");
        let (_, headers, packed) = server.get_with(href, &[("Accept-Encoding", "gzip")]).await;
        assert_eq!(
            (packed.len() as u64, header(&headers, "Content-Encoding")),
            (told["gzip_bytes"].as_u64().unwrap(), Some("gzip"))
        );
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain, "{href}");
        let tag = header(&headers, "ETag").unwrap().to_owned();
        assert_eq!(server.get_with(href, &[("If-None-Match", &tag)]).await.0, 304);
        files.insert(href.rsplit('/').next().unwrap().to_owned(), String::from_utf8(plain).unwrap());
    }
    assert_eq!(server.get("/api/v1/dumps/piles.xlsx").await.0, 404);
    rows(&index, &files);
    formulas(&files);
    as_the_api_says(&server, &files).await;
    in_question(&index, &files);
    server.stop();
}

/// Waits until acts are judged.
async fn judged(server: &Server) {
    for _ in 0..100 {
        if server.get("/api/v1/piles/P0001").await.1.contains("\"basis\":\"question\"") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("nobody judged the certificate in question");
}

/// A pile whose certificate is in question has no validity in any format; what was verified once stands apart, and the dictionary says so.
fn in_question(index: &Value, files: &HashMap<String, String>) {
    let told = |id: &str| -> Value {
        let mut rows = files["piles.ndjson"].lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.find(|row| row["pile_id"] == id).unwrap()
    };
    let [questioned, valid] = ["P0001", "P0002"].map(told);
    for (name, of_questioned, of_valid) in [
        ("state", "due", "verified"),
        ("state_basis", "question", "certificate"),
        ("state_since", "2026-02-03T00:00:00Z", "2026-01-05T00:00:00Z"),
        ("document_number", "C-P0001", "C-P0002"),
        ("verified_at", "", "2026-01-05T00:00:00Z"),
        ("valid_until", "", "2099-01-05T00:00:00Z"),
        ("was_verified_at", "2026-01-05T00:00:00Z", ""),
        ("questioned_at", "2026-02-03T00:00:00Z", ""),
        ("questioned_because", "seal_broken", ""),
    ] {
        let value = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        assert_eq!(
            (&questioned[name], &valid[name]),
            (&value(of_questioned), &value(of_valid)),
            "{name}: {questioned}"
        );
    }
    for row in files["piles.csv"].lines().filter(|row| row.starts_with("\"P0001\"")) {
        assert!(!row.contains("2099") && row.contains("\"seal_broken\""), "{row}");
    }
    let collection: Value = serde_json::from_str(&files["piles.geojson"]).unwrap();
    let mut features = collection["features"].as_array().unwrap().iter();
    let feature = features.find(|one| one["properties"]["pile_id"] == "P0001").unwrap();
    assert!(!feature.to_string().contains("2099"), "{feature}");
    let columns = index["dictionary"]["piles"].as_array().unwrap();
    for name in ["verified_at", "valid_until"] {
        let column = columns.iter().find(|column| column["name"] == name).unwrap();
        assert!(column["meaning"].as_str().unwrap().contains("in question"), "{column}");
    }
}

/// Every format has every column of every row, nulls among them.
fn rows(index: &Value, files: &HashMap<String, String>) {
    for (table, count) in [("piles", 1_101), ("stations", 1)] {
        let columns: Vec<&str> = index["dictionary"][table]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        let lines: Vec<Value> = files[&format!("{table}.ndjson")]
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), count);
        for line in &lines {
            let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
            assert!(keys.len() == columns.len() && keys.iter().all(|key| columns.contains(&key.as_str())));
        }
        let collection: Value = serde_json::from_str(&files[&format!("{table}.geojson")]).unwrap();
        assert_eq!(
            (&collection["type"], &collection["meta"]["record_date"]),
            (&"FeatureCollection".into(), &index["record_date"])
        );
        let properties: Vec<&Value> =
            collection["features"].as_array().unwrap().iter().map(|one| &one["properties"]).collect();
        assert_eq!(properties, lines.iter().collect::<Vec<_>>());
        let mut reader = csv::Reader::from_reader(files[&format!("{table}.csv")].as_bytes());
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), columns);
        for (row, line) in reader.records().map(Result::unwrap).zip(&lines) {
            for (cell, name) in row.iter().zip(&columns) {
                let expected = match &line[*name] {
                    Value::Null => String::new(),
                    Value::String(text) if text == FORMULA => format!("'{text}"),
                    Value::String(text) => text.clone(),
                    Value::Array(list) => {
                        list.iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>().join(" ")
                    }
                    other => other.to_string(),
                };
                assert_eq!(cell, expected, "{name}");
            }
        }
    }
}

fn formulas(files: &HashMap<String, String>) {
    assert!(files["stations.csv"].contains("\"'=HYPERLINK(\"\"http://evil.example\"\""));
    assert!(files["stations.csv"].contains(",-120.5,31.6,"), "a number is no formula");
    let told = "\"梁溪区\",\"中山路 1 号\",\"0510-8888 0000\",1.25,,1100,0,1099,";
    assert!(files["stations.csv"].contains(told), "{}", files["stations.csv"]);
    assert!(files["stations.csv"].ends_with(",,1200\r\n"), "what a list says: {}", files["stations.csv"]);
    let last = files["piles.csv"].lines().last().unwrap();
    assert!(last.starts_with("\"Z\",,,,,,"), "nulls are empty without quotes: {last}");
}

async fn as_the_api_says(server: &Server, files: &HashMap<String, String>) {
    let (_, body) = server.get("/api/v1/piles/P0000").await;
    let told: Value = serde_json::from_str(&body).unwrap();
    let row: Value = serde_json::from_str(files["piles.ndjson"].lines().next().unwrap()).unwrap();
    assert_eq!((&row["pile_id"], &row["station_name_zh"]), (&told["pile_id"], &FORMULA.into()));
    assert_eq!((&row["state"], &row["connectors"]), (&told["verification"]["state"], &told["connectors"]));
    for name in ["certificate_url", "evidence_url"] {
        assert_eq!(row.get(name), told["verification"].get(name), "{name}");
    }
    assert_eq!(row["evidence_url"], "/api/v1/piles/P0000/history");
    assert_eq!((&row["meter_serial"], &told["meter_serial"]), (&"M0".into(), &"M0".into()));
    assert_eq!((&row["live_protocol"], &told["live"]["protocol"]), (&"ocpp1.6".into(), &"ocpp1.6".into()));
    assert_eq!((&row["power_kw"].to_string(), &row["error_percent"]), (&"7.04".to_owned(), &Value::Null));
}
