//! A station that moves, and what of its piles goes along.

use std::path::Path;

use jiff::Timestamp;
use veripile_pile::{PileId, Place};
use veripile_store::{BoundingBox, PileQuery, Store};
use veripile_tests::{Database, command, provided};

use super::{register, written};

/// A table of one station at a longitude.
fn station_at(folder: &Path, lon: &str, more: &str) -> String {
    let header = "station_id,operator_id,name,lon,lat,coordinate_system,phone";
    written(folder, "stations.csv", &format!("{header}\nS1,O1,一,{lon},31.6,wgs84,{more}\n"))
}

/// Where each pile stands: its longitude, and whether somebody gave it.
async fn places(database: &Database) -> Vec<(String, Option<f64>, bool)> {
    sqlx::query_as("SELECT pile_id, lon, given_lon IS NOT NULL FROM pile ORDER BY pile_id")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap()
}

/// The database's clock, by which changes are told.
async fn now(database: &Database) -> Timestamp {
    let told: String =
        sqlx::query_scalar("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap();
    told.parse().unwrap()
}

/// Piles by identifier that every reader finds around a longitude: the nearest, those in a box, those on the map, and those that OCPI tells of.
async fn found_at(store: &Store, lon: f64) -> [Vec<String>; 4] {
    let near = Place { lon, lat: 31.6 };
    let (west, east) = (lon - 0.01, lon + 0.01);
    let bounds = BoundingBox { west, south: 31.59, east, north: 31.61 };
    let query = PileQuery { bounding_box: Some(bounds), limit: 10, ..PileQuery::default() };
    let is_there = |place: Option<Place>| place.is_some_and(|place| place.distance_m(near) < 500.0);
    let (nearest, _) =
        store.nearest_piles(near, &PileQuery { limit: 10, ..PileQuery::default() }).await.unwrap();
    let nearest = nearest.into_iter().filter(|(pile, _)| is_there(pile.place));
    let boxed = store.piles(&query).await.unwrap().piles;
    let (spots, _) = store.spots(0).await.unwrap();
    let location = store.ocpi_location("S1").await.unwrap().unwrap();
    let told = location.station.piles.into_iter().filter(|pile| is_there(pile.place));
    let id = |id: PileId| id.to_string();
    let mut found = [
        nearest.map(|(pile, _)| id(pile.pile_id)).collect::<Vec<_>>(),
        boxed.into_iter().map(|pile| id(pile.pile_id)).collect(),
        spots.into_iter().filter(|spot| is_there(Some(spot.place))).map(|spot| spot.pile_id).collect(),
        told.map(|pile| id(pile.pile_id)).collect(),
    ];
    found.iter_mut().for_each(|ids| ids.sort_unstable());
    found
}

#[tokio::test]
async fn a_station_takes_piles_along_that_have_no_place_of_their_own() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    // One that stands where its station is, one of which somebody says that it stands there, one beside it.
    let piles = written(
        folder.path(),
        "piles.csv",
        "pile_id,kind,accuracy_class,station_id,lon,lat,coordinate_system\n\
         P1,ac,2,S1,,,\nP2,ac,2,S1,120.3,31.6,wgs84\nP3,ac,2,S1,120.301,31.6,wgs84\n",
    );
    let first = station_at(folder.path(), "120.3", "110");
    register(&binary, &database, folder.path(), &first, &["--piles", &piles]);
    let store = Store::connect(&database.url).await.unwrap();
    let all = ["P1", "P2", "P3"].map(str::to_owned).to_vec();
    assert_eq!(found_at(&store, 120.3).await, [all.clone(), all.clone(), all.clone(), all]);

    let since = now(&database).await;
    register(&binary, &database, folder.path(), &station_at(folder.path(), "120.4", "110"), &[]);
    let own = |lon: f64, is_own: bool| (Some(lon), is_own);
    let stand = |lon: f64| {
        ["P1", "P2", "P3"]
            .into_iter()
            .zip([own(lon, false), own(120.3, true), own(120.301, true)])
            .map(|(id, (lon, is_own))| (id.to_owned(), lon, is_own))
            .collect::<Vec<_>>()
    };
    assert_eq!(places(&database).await, stand(120.4));
    let (moved, stayed) = (vec!["P1".to_owned()], vec!["P2".to_owned(), "P3".to_owned()]);
    assert_eq!(found_at(&store, 120.4).await, [moved.clone(), moved.clone(), moved.clone(), moved]);
    assert_eq!(found_at(&store, 120.3).await, [stayed.clone(), stayed.clone(), stayed.clone(), stayed]);
    // Who asks over OCPI what changed is told of the station, and of the one pile.
    assert_eq!(store.ocpi_changed(Some(since), None).await.unwrap(), ["S1"]);
    let changed = async |since: Timestamp| {
        let location = store.ocpi_location("S1").await.unwrap().unwrap();
        let newer = location.evses.into_iter().filter(|(_, at)| since <= *at);
        newer.map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(changed(since).await, ["P1"]);

    // One that does not move changes no pile.
    let since = now(&database).await;
    register(&binary, &database, folder.path(), &station_at(folder.path(), "120.4", "112"), &[]);
    assert_eq!(places(&database).await, stand(120.4));
    assert_eq!(changed(since).await, [""; 0]);
}

#[tokio::test]
async fn a_list_that_moves_a_station_and_names_its_pile_does_not_leave_it_behind() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let piles = |header: &str, cells: &str| {
        written(folder.path(), "piles.csv", &format!("pile_id,kind,accuracy_class{header}\nP1,ac,2{cells}\n"))
    };
    let register_at = |lon: &str, more: &[&str]| {
        register(&binary, &database, folder.path(), &station_at(folder.path(), lon, "110"), more)
    };
    register_at("120.3", &["--piles", &piles(",station_id", ",S1")]);
    // Of its place the table says nothing: it keeps what it had, which is its station's.
    register_at("120.4", &["--piles", &piles(",model", ",M")]);
    let stands = |lon: Option<f64>| vec![("P1".to_owned(), lon, false)];
    assert_eq!(places(&database).await, stands(Some(120.4)));
    let location = r#"[{"id":"S1","country_code":"CN","party_id":"O1","name":"一","coordinates":{"latitude":"31.6","longitude":"120.5"},
        "evses":[{"uid":"P1","connectors":[]}]}]"#;
    let location = written(folder.path(), "location.json", location);
    register(&binary, &database, folder.path(), &location, &[]);
    assert_eq!(places(&database).await, stands(Some(120.5)));
    let bare = location.replace("location.json", "bare.json");
    let text = std::fs::read_to_string(&location).unwrap();
    std::fs::write(&bare, text.replace("120.5", "120.6").replace(r#"{"uid":"P1","connectors":[]}"#, ""))
        .unwrap();
    register(&binary, &database, folder.path(), &bare, &[]);
    assert_eq!(places(&database).await, stands(Some(120.6)));

    // One that stands nowhere, as piles did that were let in at a station, stands there with the migration, and with the next list of it.
    let nowhere = "UPDATE pile SET lon = NULL, lat = NULL";
    let migration = include_str!("../../crates/store/migrations/0047_let_in.sql");
    for is_migrated in [true, false] {
        sqlx::query(nowhere).execute(&mut database.connect().await).await.unwrap();
        if is_migrated {
            sqlx::raw_sql(migration).execute(&mut database.connect().await).await.unwrap();
        } else {
            register_at("120.6", &[]);
        }
        assert_eq!(places(&database).await, stands(Some(120.6)), "{is_migrated}");
    }
    // From no station on it goes nowhere any more.
    command(&binary, &database, &["register", "--piles", &piles(",station_id", ",")]);
    register_at("120.7", &[]);
    assert_eq!(places(&database).await, stands(None));
}
