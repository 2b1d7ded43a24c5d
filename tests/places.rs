//! Lists of stations as they are in the world, registered: they stand where they should, whatever their coordinates were in.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

#[path = "places/moves.rs"]
mod moves;
#[path = "places/whole.rs"]
mod whole;

use std::collections::HashMap;
use std::path::Path;

use flate2::read::GzDecoder;
use rust_decimal::Decimal;
use veripile_pile::{AccuracyClass, Operator, OperatorId, Pile, PileId, PileKind, Place, Station, StationId};
use veripile_store::{Hands, Store};
use veripile_tests::{Database, command, provided, shared_data};

fn written(folder: &Path, name: &str, content: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, content).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Columns of a table, of all its rows.
fn columns(table: impl std::io::Read, names: &[&str]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(table);
    let header = reader.headers().unwrap().clone();
    let at: Vec<usize> =
        names.iter().map(|name| header.iter().position(|column| column == *name).unwrap()).collect();
    reader
        .records()
        .map(|record| record.unwrap())
        .map(|record| at.iter().map(|at| record[*at].to_owned()).collect())
        .collect()
}

fn table(folder: &Path, header: &[&str], rows: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).unwrap();
    rows.iter().for_each(|row| writer.write_record(row).unwrap());
    written(folder, "stations.csv", &String::from_utf8(writer.into_inner().unwrap()).unwrap())
}

/// What is stored: place, pair as given, system, doubts.
type Stored = (Place, Place, String, Vec<String>);

async fn stations(database: &Database) -> HashMap<String, Stored> {
    type Row = (String, f64, f64, f64, f64, String, Vec<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT station_id, lon, lat, given_lon, given_lat, given_system, place_doubts FROM station",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    rows.into_iter()
        .map(|(id, lon, lat, given_lon, given_lat, system, doubts)| {
            (id, (Place { lon, lat }, Place { lon: given_lon, lat: given_lat }, system, doubts))
        })
        .collect()
}

fn register(
    binary: &std::path::PathBuf,
    database: &Database,
    folder: &Path,
    stations: &str,
    more: &[&str],
) -> String {
    let operators = written(folder, "operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\n");
    let arguments = ["register", "--operators", &operators, "--stations", stations, "--operator", "O1"];
    command(binary, database, &[&arguments[..], more].concat())
}

fn place(lon: &str, lat: &str) -> Place {
    Place::new(lon.parse().unwrap(), lat.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn shenzhen_given_in_gcj_02_lands_where_others_compute_it() {
    let (Some((binary, url)), Some(list)) = (provided(), shared_data("shenzhen-chargers/stations.csv"))
    else {
        return;
    };
    let names = ["station_id", "lon_gcj02", "lat_gcj02", "lon_wgs84", "lat_wgs84"];
    let rows = columns(std::fs::File::open(list).unwrap(), &names);
    let folder = tempfile::tempdir().unwrap();
    let given: Vec<_> = rows.iter().map(|row| row[..3].to_vec()).collect();
    let file = table(folder.path(), &["station_id", "lon", "lat"], &given);
    let database = Database::timescale(&url).await;
    let told = register(&binary, &database, folder.path(), &file, &["--coordinate-system", "GCJ-02"]);
    assert!(!told.contains("doubtful"), "{told}");
    let stored = stations(&database).await;
    assert_eq!(stored.len(), 1587);
    for row in &rows {
        let (place_wgs84, raw, system, _) = &stored[&row[0]];
        // Computed by others from the usual formula, rounded to a micro-degree; they state 1 m.
        let off_m = place_wgs84.distance_m(place(&row[3], &row[4]));
        assert!(off_m < 1.5, "{row:?}: {off_m} m");
        assert_eq!((raw, system.as_str()), (&place(&row[1], &row[2]), "gcj02"));
        // The list's own description: 300 to 600 m.
        let offset_m = raw.distance_m(*place_wgs84);
        assert!(300.0 < offset_m && offset_m < 620.0, "{row:?}: {offset_m} m");
        // The city is some 80 km long; its centre is the Civic Centre.
        assert!(place_wgs84.distance_m(Place { lon: 114.0579, lat: 22.5431 }) < 65_000.0, "{row:?}");
    }
    // The same numbers once more, said to be WGS-84: every one is off exactly as GCJ-02 is, and that is noticed.
    let told = register(&binary, &database, folder.path(), &file, &["--coordinate-system", "wgs84"]);
    assert!(told.contains("doubtful places, looks_gcj02: 1587"), "{told}");
    assert!(stations(&database).await.values().all(|(_, _, _, doubts)| doubts == &["looks_gcj02"]));
}

#[tokio::test]
async fn british_charge_points_stay_where_they_are() {
    let (Some((binary, url)), Some(list)) =
        (provided(), shared_data("uk-charge-points/charge_points.csv.gz"))
    else {
        return;
    };
    let names = ["chargeDeviceID", "name", "longitude", "latitude"];
    let mut rows = columns(GzDecoder::new(std::fs::File::open(list).unwrap()), &names);
    // Two lines are remnants of a torn one, without a latitude.
    rows.retain(|row| !row[3].is_empty());
    let folder = tempfile::tempdir().unwrap();
    let file = table(folder.path(), &["station_id", "name", "lon", "lat"], &rows);
    let database = Database::timescale(&url).await;
    // Nobody says in which system: where maps are not shifted that is WGS-84 without a doubt.
    let told = register(&binary, &database, folder.path(), &file, &[]);
    assert!(!told.contains("doubtful"), "{told}");
    let stored = stations(&database).await;
    assert_eq!(stored.len(), 3966);
    for row in &rows {
        assert_eq!(stored[&row[0]].0, place(&row[2], &row[3]), "{row:?}");
    }
    let is_british = |at: &Place| (-9.0..3.0).contains(&at.lon) && (49.0..61.0).contains(&at.lat);
    let mut abroad: Vec<_> =
        stored.iter().filter(|(_, (at, ..))| !is_british(at)).map(|(id, _)| id.as_str()).collect();
    abroad.sort_unstable();
    // The list itself has one of Manchester in Madrid, and one of Felixstowe in the middle of Australia.
    assert_eq!(abroad, ["6dada9cba3b4705f0c88c59d2dcc98d3", "d14136bfef12dc8b55cacb005f38637b"]);
    // Riddons Road, SE12, is in London, 13 km from Charing Cross; Bath Road, TW6, is at Heathrow.
    for (id, lon, lat, within_m) in [
        ("cfeedcdd5e287bef4b583158a12363f1", -0.1276, 51.5073, 14_500.0),
        ("cf164e398bebd2384cbbbfe73fa72fcf", -0.4543, 51.4700, 4_000.0),
    ] {
        let distance_m = stored[id].0.distance_m(Place { lon, lat });
        assert!(distance_m < within_m, "{id}: {distance_m} m");
    }
    let told = register(&binary, &database, folder.path(), &file, &["--coordinate-system", "bd09"]);
    assert!(told.contains("doubtful places, not_shifted: 3966"), "{told}");
}

#[tokio::test]
async fn a_list_in_json_brings_its_piles_and_a_pile_off_its_station_is_noticed() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    // Shanghai, in WGS-84 and GCJ-02, as github.com/googollee/eviltransform has it.
    let locations = r#"[{"id":"L1","country_code":"CN","party_id":"ABC","name":"浦东",
        "coordinates":{"latitude":"31.1774276","longitude":"121.5272106"},
        "evses":[{"uid":"E1","status":"AVAILABLE","connectors":[{"id":"1","standard":"GBT_DC","power_type":"DC","max_electric_power":60000},
                    {"id":"2","standard":"TESLA_S","power_type":"DC"}]},
                 {"uid":"E2","status":"AVAILABLE","coordinates":{"latitude":"31.175304","longitude":"121.531542"},
                  "connectors":[{"id":"1","power_type":"AC_1_PHASE","max_voltage":220,"max_amperage":32}]}]}]"#;
    let file = written(folder.path(), "locations.json", locations);
    let told = register(&binary, &database, folder.path(), &file, &[]);
    assert!(told.contains("doubtful places, looks_gcj02: 1, the first E2"), "{told}");
    assert!(told.contains("connectors not imported") && told.contains("chademo, 1: E1 (TESLA_S)"), "{told}");
    let piles: Vec<(String, String, i64, String, Vec<String>)> = sqlx::query_as(
        "SELECT pile_id, kind, (power_kw * 1000)::bigint, operator_id, connectors FROM pile ORDER BY pile_id",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    let expected = [("E1", "dc", 60_000, vec!["gbt_dc".to_owned()]), ("E2", "ac", 7_040, vec![])]
        .map(|(id, kind, power_w, plugs)| (id.to_owned(), kind.to_owned(), power_w, "O1".to_owned(), plugs));
    assert_eq!(piles, expected);
}

#[tokio::test]
async fn a_pile_without_coordinates_stands_at_its_station() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let stations = written(
        folder.path(),
        "stations.csv",
        "station_id,operator_id,name_zh,name_en,lon,lat,coordinate_system\n\
         S1,O1,一,One,120.3,31.6,wgs84\nS2,O1,二,Two,120.4,31.7,wgs84\n",
    );
    let table = |name: &str, rows: &str| {
        let header = "pile_id,kind,accuracy_class,station_id,lon,lat,coordinate_system";
        written(folder.path(), name, &format!("{header}\n{rows}"))
    };
    // With its stations in one go, with an empty cell, with its own coordinates, and with nothing at all.
    let rows = "P1,ac,2,S1,,,\nP2,ac,2,S1,120.301,31.6,wgs84\nP3,ac,2,,,,\n";
    let piles = table("piles.csv", rows);
    let told = register(&binary, &database, folder.path(), &stations, &["--piles", &piles]);
    assert!(told.contains("on no map") && told.contains("has a place, 1: P3"), "{told}");
    let places = async || -> Vec<(String, Option<f64>, Option<f64>, bool)> {
        sqlx::query_as("SELECT pile_id, lon, lat, given_lon IS NOT NULL FROM pile ORDER BY pile_id")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap()
    };
    let at = |id: &str, place: Option<(f64, f64)>, is_own: bool| {
        (id.to_owned(), place.map(|(lon, _)| lon), place.map(|(_, lat)| lat), is_own)
    };
    let p2 = at("P2", Some((120.301, 31.6)), true);
    let stood = [at("P1", Some((120.3, 31.6)), false), p2.clone(), at("P3", None, false)];
    assert_eq!(places().await, stood);
    // To a station that is registered already: one that moves, and one that stood nowhere.
    let bare = written(
        folder.path(),
        "moved.csv",
        "pile_id,kind,accuracy_class,station_id\nP1,ac,2,S2\nP3,ac,2,S2\n",
    );
    let told = command(&binary, &database, &["register", "--piles", &bare]);
    assert!(!told.contains("on no map"), "{told}");
    let second = Some((120.4, 31.7));
    assert_eq!(places().await, [at("P1", second, false), p2, at("P3", second, false)]);
}

#[tokio::test]
async fn a_list_changes_what_it_speaks_of_and_nothing_else() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let told = async || -> String {
        sqlx::query_scalar(
            "SELECT concat_ws('|', name_zh, name_en, coalesce(region, '-'), coalesce(phone, '-'), coalesce(fee_cny_kwh::text, '-'),
                    coalesce(fee_note, '-'), coalesce(address, '-'), search ~ '湖滨') FROM station",
        )
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap()
    };
    let full = r#"{"features":[{"id":"S","geometry":{"type":"Point","coordinates":[120.3,31.6]},"properties":{"name_zh":"甲",
        "name_en":"A","region":"滨湖区","address":"湖滨路","phone":"0510","fee_cny_kwh":1.25,"fee_note":"夜间"}}]}"#;
    let file = written(folder.path(), "full.geojson", full);
    register(&binary, &database, folder.path(), &file, &[]);
    assert_eq!(told().await, "甲|A|滨湖区|0510|1.25|夜间|湖滨路|t");
    // Other columns only, of each kind of list; an empty cell says that there is none.
    let bare = r#"{"features":[{"id":"S","geometry":{"type":"Point","coordinates":[120.3,31.6]},"properties":{"phone":"110"}}]}"#;
    let file = written(folder.path(), "bare.geojson", bare);
    register(&binary, &database, folder.path(), &file, &[]);
    assert_eq!(told().await, "甲|A|滨湖区|110|1.25|夜间|湖滨路|t");
    let file = written(folder.path(), "bare.csv", "station_id,lon,lat,fee_note\nS,120.3,31.6,\n");
    register(&binary, &database, folder.path(), &file, &[]);
    assert_eq!(told().await, "甲|A|滨湖区|110|1.25|-|湖滨路|t");
    let location = r#"[{"id":"S","name":"乙","address":"大街","coordinates":{"latitude":"31.6","longitude":"120.3"},"evses":[]}]"#;
    let file = written(folder.path(), "location.json", location);
    register(&binary, &database, folder.path(), &file, &[]);
    assert_eq!(told().await, "乙|A|滨湖区|110|1.25|-|大街|f");
    let piles = |name: &str, table: &str| {
        let file = written(folder.path(), name, table);
        command(&binary, &database, &["register", "--piles", &file]);
    };
    piles(
        "piles.csv",
        "pile_id,station_id,kind,accuracy_class,power_kw,connectors,model,meter_serial,lon,lat\nP,S,dc,1,60,gbt_dc,M,7,120.31,31.61\n",
    );
    piles("again.csv", "pile_id,kind,accuracy_class,model\nP,dc,1,\n");
    let pile: String = sqlx::query_scalar(
        "SELECT concat_ws('|', station_id, operator_id, power_kw, connectors, coalesce(model, '-'), meter_serial, lon, given_lon) FROM pile",
    )
    .fetch_one(&mut database.connect().await)
    .await
    .unwrap();
    assert_eq!(pile, "S|O1|60|{gbt_dc}|-|7|120.31|120.31");
}

/// Runs `register` with an end that is not good: what it complains of.
fn refused(binary: &Path, database: &Database, arguments: &[&str]) -> String {
    let output = std::process::Command::new(binary)
        .arg("register")
        .args(arguments)
        .env("VERIPILE_DATABASE_URL", &database.url)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?}: {told}");
    told
}

/// An OCPI Location of a party with an EVSE.
fn location(id: &str, party: &str, uid: &str, publish: bool) -> String {
    format!(
        r#"[{{"id":"{id}","country_code":"CN","party_id":"{party}","publish":{publish},"name":"{party}",
            "coordinates":{{"latitude":"31.6","longitude":"120.3"}},"evses":[{{"uid":"{uid}","connectors":[]}}]}}]"#
    )
}

/// Stations and piles with their operators.
async fn owners(database: &Database) -> Vec<String> {
    let all = "SELECT 'station ' || station_id || ' ' || operator_id FROM station
               UNION ALL SELECT 'pile ' || pile_id || ' ' || station_id || ' ' || operator_id FROM pile ORDER BY 1";
    sqlx::query_scalar(all).fetch_all(&mut database.connect().await).await.unwrap()
}

#[tokio::test]
async fn operators_that_both_count_from_one_stay_apart() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let operators = "operator_id,name_zh,name_en\nCN-AAA,甲,A\nCN-BBB,乙,B\n";
    let operators = written(folder.path(), "operators.csv", operators);
    let list = |id: &str, party: &str, uid: &str| {
        written(folder.path(), &format!("{party}.json"), &location(id, party, uid, true))
    };
    let first = list("1", "AAA", "7");
    command(&binary, &database, &["register", "--operators", &operators, "--stations", &first]);
    let before = ["pile 7 1 CN-AAA", "station 1 CN-AAA"];
    assert_eq!(owners(&database).await, before);
    for (id, uid, whose) in
        [("1", "8", "station 1, registered with CN-AAA"), ("B1", "7", "pile 7, registered with CN-AAA")]
    {
        let told = refused(&binary, &database, &["--stations", &list(id, "BBB", uid)]);
        assert!(told.contains(whose) && told.contains("--change-operator"), "{told}");
    }
    let table =
        written(folder.path(), "b.csv", "station_id,operator_id,name,lon,lat\n1,CN-BBB,b,120.3,31.6\n");
    let told = refused(&binary, &database, &["--stations", &table]);
    assert!(told.contains("station 1, registered with CN-AAA"), "{told}");
    assert_eq!(owners(&database).await, before);
    // One's own again, and what changes hands.
    command(&binary, &database, &["register", "--stations", &first]);
    let sold = list("1", "BBB", "7");
    command(&binary, &database, &["register", "--change-operator", "--stations", &sold]);
    assert_eq!(owners(&database).await, ["pile 7 1 CN-BBB", "station 1 CN-BBB"]);
}

fn station(id: &str, operator: &str) -> Station {
    Station {
        station_id: StationId::parse(id).unwrap(),
        operator_id: OperatorId::parse(operator).unwrap(),
        name_zh: "站".to_owned(),
        name_en: "Station".to_owned(),
        place: place("120.3", "31.6"),
        region: None,
        address: None,
        phone: None,
        fee_cny_kwh: None,
        fee_note: None,
        country: None,
        time_zone: None,
        told_piles: None,
        given: None,
    }
}

/// A pile that is its station's operator's.
fn pile(id: &str, station: &str) -> Pile {
    Pile {
        pile_id: PileId::parse(id).unwrap(),
        station_id: Some(StationId::parse(station).unwrap()),
        operator_id: None,
        kind: PileKind::Ac,
        class: AccuracyClass(Decimal::TWO),
        power_kw: None,
        place: None,
        given: None,
        connectors: Vec::new(),
        model: None,
        meter_serial: None,
    }
}

/// Whoever looks up owners before a list is written may find others when it is: the write itself refuses.
#[tokio::test]
async fn what_became_anothers_since_it_was_looked_up_is_not_taken_over() {
    let Some((_, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    let operator = |id: &str| Operator {
        operator_id: OperatorId::parse(id).unwrap(),
        name_zh: id.to_owned(),
        name_en: id.to_owned(),
    };
    store.register_operators(&[operator("O1"), operator("O2")]).await.unwrap();
    store.register_stations(&[station("S1", "O1")]).await.unwrap();
    store.register_piles(&[pile("P1", "S1")]).await.unwrap();
    let before = owners(&database).await;

    let mut registering = store.registering().await.unwrap();
    let list = [station("S2", "O2"), station("S1", "O2")];
    let told = registering.stations(&list, Hands::Stay).await.unwrap_err().to_string();
    drop(registering);
    assert!(told.contains("1 of these") && told.contains("station S1, registered with O1"), "{told}");
    let mut registering = store.registering().await.unwrap();
    registering.stations(&list[..1], Hands::Stay).await.unwrap();
    let list = [pile("P2", "S2"), pile("P1", "S2")];
    let told = registering.piles(&list, Hands::Stay).await.unwrap_err().to_string();
    drop(registering);
    assert!(told.contains("1 of these") && told.contains("pile P1, registered with O1"), "{told}");
    assert_eq!(owners(&database).await, before);

    // One's own again, and a pile that is nobody's.
    sqlx::query("INSERT INTO pile (pile_id, kind, accuracy_class, registered) VALUES ('P0', 'ac', 2, false)")
        .execute(&mut database.connect().await)
        .await
        .unwrap();
    let mut registering = store.registering().await.unwrap();
    registering.stations(&[station("S1", "O1")], Hands::Stay).await.unwrap();
    registering.piles(&[pile("P0", "S1"), pile("P1", "S1")], Hands::Stay).await.unwrap();
    registering.commit().await.unwrap();
    assert_eq!(owners(&database).await, ["pile P0 S1 O1", "pile P1 S1 O1", "station S1 O1"]);
    let mut registering = store.registering().await.unwrap();
    registering.stations(&[station("S1", "O2")], Hands::MayChange).await.unwrap();
    registering.piles(&[pile("P1", "S1")], Hands::MayChange).await.unwrap();
    registering.commit().await.unwrap();
    assert_eq!(owners(&database).await, ["pile P0 S1 O1", "pile P1 S1 O2", "station S1 O2"]);
}

/// Where the connection ends with the commit nobody knows whether it counts, and keys that may count are not thrown away.
#[tokio::test]
async fn keys_stay_where_the_connection_ends_with_the_commit() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let piles = written(folder.path(), "piles.csv", "pile_id,kind,accuracy_class\nP1,ac,2\n");
    command(&binary, &database, &["register", "--piles", &piles]);
    for statement in [
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER cut AFTER INSERT OR UPDATE ON access DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION cut()",
    ] {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    let access = written(folder.path(), "access.csv", "pile_id,key\nP1,new\n");
    let keys = folder.path().join("keys.csv");
    let told = refused(&binary, &database, &["--access", &access, "--keys-out", keys.to_str().unwrap()]);
    assert!(told.contains("keys.csv may count") && told.contains("Run the same command again"), "{told}");
    assert!(std::fs::read_to_string(&keys).unwrap().contains("P1,"), "{told}");
}

#[tokio::test]
async fn what_an_operator_does_not_publish_is_left_out_and_named() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let register = |name: &str, list: &str| {
        register(&binary, &database, folder.path(), &written(folder.path(), name, list), &[])
    };
    let told = register("public.json", &location("L1", "AAA", "E1", true));
    assert!(!told.contains("publish"), "{told}");
    let told = register("home.json", &location("HOME", "AAA", "E2", false));
    assert!(
        told.contains("not imported, since they are not to be shown publicly (publish is false), 1: HOME"),
        "{told}"
    );
    assert!(!told.contains("public still"), "{told}");
    // What was public stays: nobody takes a pile out of the register by not publishing it.
    let told = register("hidden.json", &location("L1", "AAA", "E1", false));
    assert!(told.contains("(publish is false), 1: L1") && told.contains("public still, 1: L1"), "{told}");
    assert_eq!(owners(&database).await, ["pile E1 L1 O1", "station L1 O1"]);
}

#[tokio::test]
async fn what_a_list_removes_leaves_its_station_and_a_list_makes_no_pile_that_cannot_be() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let register = |name: &str, list: &str| {
        register(&binary, &database, folder.path(), &written(folder.path(), name, list), &[])
    };
    register("there.json", &location("L1", "AAA", "E1", true));
    let removed = location("L1", "AAA", "E1", true).replace("\"uid\"", "\"status\":\"REMOVED\",\"uid\"");
    let stands = "SELECT count(*) FROM pile WHERE pile_id = 'E1' AND station_id = 'L1' AND lon IS NOT NULL";
    // Not while it has an open case, and not where another operator has it, who alone could say so.
    for (before, after) in [
        (
            "INSERT INTO standing (pile_no, judged_at, body) SELECT pile_no, now(), '{\"case\": {\"number\": \"K\"}}'::jsonb FROM pile",
            "DELETE FROM standing",
        ),
        (
            "INSERT INTO operator (operator_id, name_zh, name_en) VALUES ('O2', '乙', 'Two'); UPDATE pile SET operator_id = 'O2'",
            "UPDATE pile SET operator_id = 'O1'",
        ),
    ] {
        sqlx::raw_sql(before).execute(&mut database.connect().await).await.unwrap();
        let told = register("removed.json", &removed);
        assert!(told.contains("an open case or are another operator's, 1: E1"), "{told}");
        assert_eq!(database.number(stands).await, 1, "{before}");
        sqlx::raw_sql(after).execute(&mut database.connect().await).await.unwrap();
    }
    let told = register("removed.json", &removed);
    let gone = "taken from their stations and places, since the list says REMOVED of them, 1: E1";
    assert!(told.contains(gone), "{told}");
    assert_eq!(database.number(stands).await, 0);
    let bare = "SELECT count(*) FROM pile JOIN former_pile USING (pile_no)
                WHERE pile_id = 'E1' AND pile.operator_id = 'O1' AND former_pile.station_id = 'L1' AND pile.station_id IS NULL
                  AND num_nulls(lon, lat, given_system, given_lon, given_lat) = 5 AND place_doubts = '{}'";
    assert_eq!(database.number(bare).await, 1);
    let told = register("removed.json", &removed);
    assert!(
        told.contains("not imported, since they are REMOVED, 1: E1") && !told.contains("taken"),
        "{told}"
    );
    // A name that is null is none that a station could have.
    register("null.json", &location("L1", "AAA", "E1", true).replace("\"name\":\"AAA\"", "\"name\":null"));
    let names: String = sqlx::query_scalar("SELECT name_zh || '|' || name_en FROM station")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(names, "AAA|AAA");
    let piles = |name: &str, table: &str| written(folder.path(), name, table);
    let dc = piles("dc.csv", "pile_id,kind,accuracy_class,power_kw,connectors\nP,dc,1,240,gbt_dc\n");
    command(&binary, &database, &["register", "--piles", &dc]);
    let ac = piles("ac.csv", "pile_id,kind,accuracy_class\nP,ac,2\n");
    let told = refused(&binary, &database, &["--piles", &ac]);
    assert!(told.contains("pile P: column power_kw: 240 kW, and no ac pile exceeds 200"), "{told}");
    // A pile that stood where its station is, and moves by a table without coordinates, stands where its new one is; at none, nowhere.
    register("second.json", &location("L2", "AAA", "E2", true).replace("31.6", "31.7"));
    let there = "SELECT count(*) FROM pile JOIN station USING (station_id)
                 WHERE pile_id = 'E1' AND pile.lon = station.lon AND pile.lat = station.lat AND station.lat > 31.65";
    assert_eq!(database.number(there).await, 0);
    let moved = piles("moved.csv", "pile_id,kind,accuracy_class,station_id\nE1,ac,2,L2\n");
    command(&binary, &database, &["register", "--piles", &moved]);
    assert_eq!(database.number(there).await, 1);
    let gone = piles("gone.csv", "pile_id,kind,accuracy_class,station_id\nE1,ac,2,\n");
    command(&binary, &database, &["register", "--piles", &gone]);
    assert_eq!(database.number("SELECT count(*) FROM pile WHERE pile_id = 'E1' AND lon IS NULL").await, 1);
}
