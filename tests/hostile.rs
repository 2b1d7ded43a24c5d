//! Names made up to harm: what others call their stations, piles, operators and makers stands on pages, in pictures and in feeds as text
//! and nothing else, and no name makes a page too long for a bad line.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fmt::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use veripile_tests::{
    Charger, Database, Server, command, free_port, header, provided, python, script, written,
};

/// Pages of the public stay under this, so that they open on a bad line.
const PAGE_BYTES_MAX: usize = 40 * 1024;

/// Opens a script, leaves an attribute, turns the line around, rings the bell, and ends a line for some.
const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202E}live\u{2069}\u{7}\u{85}z";

/// The same as far as identifiers may be: neither control characters nor slashes.
const ID: &str = "<script>alert(1)\"'>\u{202E}live\u{2069}z";

/// More than any page has room for: 10 kB.
fn long() -> String {
    format!("{HOSTILE}{}", "长".repeat(3_400))
}

/// A path segment or a value of an address.
fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "%{byte:02X}").unwrap();
        all
    })
}

/// An operator, its station with two piles, and a certificate, all of awkward names; those that are too long came past registration.
async fn prepare(binary: &PathBuf, database: &Database) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, header: &str, rows: &[&[&str]]| {
        let quoted = |cell: &&str| format!("\"{}\"", cell.replace('"', "\"\""));
        let line = |row: &&[&str]| row.iter().map(quoted).collect::<Vec<_>>().join(",");
        let rows = rows.iter().map(line).collect::<Vec<_>>().join("\n");
        written(folder.path(), name, format!("{header}\n{rows}\n"))
    };
    let long = long();
    let operators = file("operators.csv", "operator_id,name_zh,name_en", &[&[ID, HOSTILE, HOSTILE]]);
    let stations = file(
        "stations.csv",
        "station_id,operator_id,name_zh,name_en,lon,lat,coordinate_system,region,address,phone,fee_cny_kwh,fee_note",
        &[&[ID, ID, HOSTILE, HOSTILE, "120.3", "31.5", "wgs84", HOSTILE, HOSTILE, HOSTILE, "1", HOSTILE]],
    );
    let piles = file(
        "piles.csv",
        "pile_id,station_id,kind,accuracy_class,lon,lat,coordinate_system,model,meter_serial",
        &[
            &[ID, ID, "ac", "2", "120.3", "31.5", "wgs84", HOSTILE, HOSTILE],
            &["B1", ID, "ac", "2", "120.31", "31.5", "wgs84", "", ""],
        ],
    );
    let anchors = file(
        "anchors.csv",
        "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor,valid_until,number,issuer",
        &[&[ID, "2026-01-05T00:00:00Z", "0.1", "0.2", "2", "2099-01-05T00:00:00Z", HOSTILE, &long]],
    );
    let files =
        ["--operators", &operators, "--stations", &stations, "--piles", &piles, "--anchors", &anchors];
    command(binary, database, &[&["register"], files.as_slice()].concat());
    for statement in [
        "UPDATE operator SET name_zh = $1, name_en = $1, search = NULL",
        "UPDATE station SET name_zh = $1, name_en = $1, search = NULL",
        "UPDATE pile SET model = $1, search = NULL WHERE pile_id <> 'B1'",
        // A meter's serial number is what the meter signs.
        "INSERT INTO meter_key (pile_no, public_key, meter_serial) SELECT pile_no, '0a', $1 FROM pile",
        "INSERT INTO signed_value (pile_no, at, received_at, connector, digest, container, sealed, verdict, layers, meter_serial)
         SELECT pile_no, now(), now(), 1, gen_random_uuid(), 'c', '', 'valid', '{}', $1 FROM pile",
    ] {
        sqlx::query(statement).bind(&long).execute(&mut database.connect().await).await.unwrap();
    }
}

#[tokio::test]
async fn no_name_is_more_than_text() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database).await;
    let told = command(&binary, &database, &["ocpi-party", "a party"]);
    let token = told.split("token ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let registered = "UPDATE ocpi_party SET roles = '[]'";
    sqlx::query(registered).execute(&mut database.connect().await).await.unwrap();
    let settings =
        [("VERIPILE_OCPP__LEAST_SECURITY_PROFILE", "0"), ("VERIPILE_OCPP__READINESS_ON_BOOT", "false")];
    let server = Server::start_with(&binary, &database, free_port(), "open", &settings).await;
    // Its maker, firmware and status are what a pile says itself.
    let mut charger = Charger::connect(&server.ocpp(), "B1", Some("ocpp1.6")).await.unwrap();
    let boot = json!({ "chargePointVendor": long(), "chargePointModel": HOSTILE, "firmwareVersion": long() });
    charger.call("BootNotification", &boot).await;
    let status = json!({ "connectorId": 1, "errorCode": "NoError", "status": long() });
    charger.call("StatusNotification", &status).await;
    let pile = format!("/api/v1/piles/{}", segment(ID));
    for _ in 0..100 {
        if server.get(&pile).await.1.contains("\"state\":\"verified\"") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    pages(&server).await;
    pictures(&server).await;
    feeds(&server).await;
    locations(&server, &token).await;
    drop(charger);
    server.stop();
}

/// What a page shows: its text without values that fields hold, which nobody reads as part of it.
fn shown(page: &str) -> String {
    let page = page.replace("data-operator=\"", "value=\"");
    let mut parts = page.split("value=\"");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |all, part| all + part.split_once('"').unwrap().1)
}

/// Whether a character is for machines, or turns the direction of writing.
fn is_unseen(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

async fn pages(server: &Server) {
    let id = segment(ID);
    // As statistics link to it: the maker as far as it is kept.
    let maker: String = long().chars().take(255).collect();
    let asked =
        format!("region={}&maker={}&q=%3Cscript%3E%22%27%3E%E2%80%AE", segment(HOSTILE), segment(&maker));
    // What nobody means: texts of 9 kB, blanks, and more than there is to choose.
    let text: String = long().chars().take(1_000).collect();
    let (filling, blanks) = ("x".repeat(4_000), "+".repeat(4_000));
    let inflated = format!(
        "q={}&view={filling}&free={filling}&near={blanks}120.3,31.5&kind={blanks}ac{blanks}",
        segment(&text)
    );
    for (path, names) in [
        ("/?lang=zh".to_owned(), true),
        (format!("/?lang=en&{inflated}"), true),
        ("/?lang=en&view=stations".to_owned(), true),
        ("/?lang=en&near=120.3,31.5&view=stations".to_owned(), true),
        (format!("/?lang=en&{asked}"), true),
        (format!("/?lang=zh&maker={}", segment(&maker)), true),
        (format!("/s/{id}?lang=zh"), true),
        (format!("/s/{id}?lang=en"), true),
        (format!("/p/{id}?lang=zh"), true),
        (format!("/p/{id}?lang=en"), true),
        (format!("/p/{id}/report?lang=en"), false),
        ("/p/B1?lang=en".to_owned(), true),
        (format!("/widget/{id}?lang=en"), true),
        ("/widget/B1?lang=zh".to_owned(), true),
        ("/stats?lang=zh".to_owned(), true),
        ("/stats?lang=en&by=maker".to_owned(), true),
        ("/stats/operators?lang=en".to_owned(), true),
        (format!("/stats/operators?lang=zh&{asked}"), true),
        (format!("/?lang=en&operator={id}"), true),
    ] {
        let (status, headers, body) = server.get_with(&path, &[("Accept", "text/html")]).await;
        assert!(status == 200 && body.len() < PAGE_BYTES_MAX, "{path}: {status}, {} bytes", body.len());
        let page = shown(&String::from_utf8(body).unwrap());
        assert!(page.contains("&#60;script&#62;"), "{path} shows no name: {page}");
        for harm in ["<script>", "<img src=x", "\"'>", &"长".repeat(101)] {
            assert!(!page.contains(harm), "{path}: {harm}: {page}");
        }
        assert!(!page.contains(is_unseen), "{path}: {page}");
        assert_eq!(page.contains("长…"), names, "{path}: what is cut shows that it is: {page}");
        let policy = header(&headers, "Content-Security-Policy").unwrap();
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}

/// Pictures are XML, which most control characters may not stand in at all.
async fn pictures(server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        format!("/badge/{}.svg?lang=en", segment(ID)),
        "/badge/B1.svg".to_owned(),
        "/mini-map.svg".to_owned(),
    ] {
        let (status, picture) = server.get(&path).await;
        assert!(status == 200 && picture.len() < PAGE_BYTES_MAX, "{path}: {status}");
        assert!(!picture.contains("<script") && !picture.contains(is_unseen), "{path}: {picture}");
        let Some(python) = python() else { continue };
        let file = folder.path().join("picture.svg");
        std::fs::write(&file, &picture).unwrap();
        let told = script(&python, "wellformed.py", [file.as_os_str()])
            .unwrap_or_else(|complaint| panic!("{path}: {complaint}: {picture}"));
        assert_eq!(told.contains("<script>alert(1)"), !path.contains("B1"), "{path}: {told}");
    }
}

/// Feeds tell names to the letter: whoever shows them escapes them.
async fn feeds(server: &Server) {
    let id = segment(ID);
    for (path, pointer) in [
        ("/api/v1/stations".to_owned(), "/features/0/properties"),
        (format!("/api/v1/stations/{id}"), "/station/properties"),
        ("/api/v1/piles".to_owned(), "/features/0/properties/station"),
        (format!("/api/v1/piles/{id}"), "/station"),
    ] {
        let (status, headers, body) = server.get_with(&path, &[]).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(header(&headers, "X-Content-Type-Options"), Some("nosniff"), "{path}");
        assert!(header(&headers, "Content-Type").unwrap().contains("json"), "{path}: {headers}");
        let told: Value = serde_json::from_slice(&body).unwrap();
        let station = told.pointer(pointer).unwrap();
        assert_eq!((&station["name_zh"], &station["name_en"]), (&long().into(), &long().into()), "{path}");
    }
    let (status, body) = server.get("/found.geojson?near=120.3,31.5").await;
    let found: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &found["features"][0]["id"]), (200, &ID.into()));
    // What a pile says of itself is kept as far as anybody reads it.
    let (_, body) = server.get("/api/v1/piles/B1").await;
    let told: Value = serde_json::from_str(&body).unwrap();
    let kept: String = long().chars().take(255).collect();
    assert_eq!(told["vendor"], *kept);
    assert_eq!(told["firmware"], *kept);
    assert_eq!(told["live"]["status"], *kept);
}

/// OCPI takes so many characters and no more, and such as can be printed.
async fn locations(server: &Server, token: &str) {
    let bearer = format!("Token {}", STANDARD.encode(token));
    let (status, _, body) = server.get_with("/ocpi/2.2.1/locations", &[("Authorization", &bearer)]).await;
    assert_eq!(status, 200);
    let told: Value = serde_json::from_slice(&body).unwrap();
    let location = &told["data"][0];
    for (pointer, whole, most) in
        [("/name", long(), 255), ("/address", HOSTILE.to_owned(), 45), ("/operator/name", long(), 100)]
    {
        let printed = |c| if "\u{202e}\u{2069}\u{7}\u{85}".contains(c) { '\u{fffd}' } else { c };
        let cut: String = whole.chars().map(printed).take(most - 1).chain(['…']).collect();
        assert_eq!(location.pointer(pointer).unwrap(), &*cut, "{pointer}");
    }
    assert_eq!(location["veripile"]["station_id"], ID);
}
