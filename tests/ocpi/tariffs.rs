//! Tariffs over OCPI as their prices are told, change and take each other's place: what a party learns that asks for what changed.
//!
//! What a kWh costs at each minute is `ocpi.py`'s.

use std::path::{Path, PathBuf};

use serde_json::Value;
use veripile_tests::{Database, Server, command};

use super::asked;

/// Prices of six stations by hours of the day: over midnight, of a whole day, to change in the year 2099, of nothing, by the quarter of an hour,
/// and changed on 1 February 2026; and of the one whose identifier OCPI cannot have. No prices are told of the other five.
pub(crate) fn prices() -> String {
    let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let quarter = |n: u32| {
        format!("S05,{},{},{}\n", clock(15 * n), clock(15 * (n + 1)), ["0.5,", "1.50,"][n as usize % 2])
    };
    let quarters: String = (0..96).map(quarter).collect();
    format!(
        "station_id,from,to,cny_kwh,valid_from\n\
         S01,22:30,06:00,0.45,\nS01,06:00,22:30,1.10,\n\
         S02,00:00,24:00,1.10,\n\
         S03,0,8,0.3000,\nS03,8,24,1.23456,\nS03,0,24,0.9,2099-01-01\n\
         S04,0,24,0.00,\n\
         {quarters}\
         S10,0,24,1.5,\nS10,0,24,1.6,2026-02-01\n\
         无锡十二站,0,12,1,\n无锡十二站,12,0,2,\n"
    )
}

/// What was read is what was registered, and nothing else has a tariff.
pub(crate) fn read(locations: &[Value], tariffs: &[Value]) {
    // Nine lists, the one that is over since February among them.
    assert_eq!(tariffs.len(), 9);
    let of = |location: &Value| {
        let ids = location["evses"][0]["connectors"][0]["tariff_ids"].as_array().unwrap();
        let tariff = |id: &Value| tariffs.iter().find(|tariff| tariff["id"] == *id).unwrap().clone();
        ids.iter().map(tariff).collect::<Vec<_>>()
    };
    let numbers: Vec<usize> = locations.iter().map(|location| of(location).len()).collect();
    assert_eq!(numbers, [1, 1, 2, 1, 1, 0, 0, 0, 0, 1, 0, 1]);
    let two = of(&locations[2]);
    let [now, then] = &two[..] else { panic!("two") };
    // Midnight in China.
    assert_eq!(
        (&now["end_date_time"], &then["start_date_time"]),
        (&"2098-12-31T16:00:00Z".into(), &now["end_date_time"])
    );
    assert_eq!((now.get("start_date_time"), then.get("end_date_time")), (None, None));
    let free = of(&locations[3]);
    let free = &free[0]["elements"];
    let kinds: Vec<&Value> =
        free[0]["price_components"].as_array().unwrap().iter().map(|component| &component["type"]).collect();
    assert_eq!(kinds, ["ENERGY", "FLAT"]);
    assert_eq!(of(&locations[4])[0]["elements"].as_array().unwrap().len(), 96);
    assert_eq!(of(&locations[9])[0]["start_date_time"], "2026-01-31T16:00:00Z");
}

/// The database's moment.
async fn now(database: &Database) -> String {
    let now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    sqlx::query_scalar(now).fetch_one(&mut database.connect().await).await.unwrap()
}

/// Identifiers of what changed of a list, by what is asked behind its address.
async fn changed(server: &Server, token: &str, list: &str, asked_for: &str) -> Vec<String> {
    let (found, total) = asked(server, token, &format!("/ocpi/2.2.1/{list}?{asked_for}")).await;
    let ids: Vec<String> =
        found.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(total, Some(ids.len() as u64), "{list}?{asked_for}");
    ids
}

/// The tariffs of a location's first connector.
async fn ids(server: &Server, token: &str, location: &str) -> Vec<String> {
    let (told, _) = asked(server, token, &format!("/ocpi/2.2.1/locations/{location}")).await;
    let ids = told["evses"][0]["connectors"][0]["tariff_ids"].as_array().unwrap();
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Other prices change the tariff, other tariffs the location too; the same once more changes nothing.
pub(crate) async fn told_anew(
    binary: &PathBuf,
    database: &Database,
    server: &Server,
    folder: &Path,
    token: &str,
) {
    let file = folder.join("new_prices.csv");
    let register = |rows: &str| {
        std::fs::write(&file, format!("station_id,from,to,cny_kwh,valid_from\n{rows}")).unwrap();
        command(binary, database, &["register", "--prices", file.to_str().unwrap()]);
    };
    let tariff = async |id: &str| {
        let (found, _) = asked(server, token, "/ocpi/2.2.1/tariffs").await;
        found.as_array().unwrap().iter().find(|tariff| tariff["id"] == *id).unwrap().clone()
    };
    let since =
        async |list: &str, from: &str| changed(server, token, list, &format!("date_from={from}")).await;
    let before = ids(server, token, "S02").await;
    let [first] = &before[..] else { panic!("one: {before:?}") };

    let from = now(database).await;
    register("S02,0,24,1.20,\n");
    assert_eq!(since("tariffs", &from).await, before);
    assert_eq!(since("locations", &from).await, [""; 0], "it goes by the same name");
    let told = tariff(first).await;
    let price = &told["elements"][0]["price_components"][0]["price"];
    assert_eq!(price.to_string(), "1.20", "digit by digit");

    let from = now(database).await;
    register("S02,0,24,1.2,\n");
    assert_eq!((since("tariffs", &from).await, since("locations", &from).await), (vec![], vec![]));

    let from = now(database).await;
    register("S02,0,24,1.3,2099-07-01\n");
    let both = ids(server, token, "S02").await;
    let [same, second] = &both[..] else { panic!("two: {both:?}") };
    assert_eq!(same, first);
    // The one that was there has an end now.
    assert_eq!(since("tariffs", &from).await, both);
    assert_eq!(since("locations", &from).await, ["S02"]);
    assert_eq!(tariff(first).await["end_date_time"], "2099-06-30T16:00:00Z");
    assert_eq!(tariff(second).await["start_date_time"], "2099-06-30T16:00:00Z");

    // One that holds since 1 February already: its forerunner is named no longer, and is told to have ended.
    let from = now(database).await;
    register("S02,0,24,1.4,2026-02-01\n");
    let now_on = ids(server, token, "S02").await;
    assert!(now_on.len() == 2 && now_on[1] == *second && !both.contains(&now_on[0]), "{now_on:?}");
    assert_eq!(since("tariffs", &from).await, [first.clone(), now_on[0].clone()]);
    assert_eq!(since("locations", &from).await, ["S02"]);
    assert_eq!(tariff(first).await["end_date_time"], "2026-01-31T16:00:00Z");
    assert_eq!(tariff(&now_on[0]).await["end_date_time"], "2099-06-30T16:00:00Z");
}

/// A list begins on its day where the station stands. Whoever tells another time zone of it later changes its tariffs, and whoever asks for
/// changes learns of it; the same once more changes nothing.
pub(crate) async fn abroad(
    binary: &PathBuf,
    database: &Database,
    server: &Server,
    folder: &Path,
    token: &str,
) {
    let file = folder.join("prices_abroad.csv");
    let rows = "station_id,from,to,cny_kwh,valid_from\nS93,0,24,1.5,2099-07-01\nS93,0,24,1.6,2099-12-01\n";
    std::fs::write(&file, rows).unwrap();
    command(binary, database, &["register", "--prices", file.to_str().unwrap()]);
    let begins = async || -> Vec<String> {
        let (found, _) = asked(server, token, "/ocpi/2.2.1/tariffs").await;
        let here = |tariff: &&Value| tariff["veripile"]["station_id"] == "S93";
        let tariffs = found.as_array().unwrap().iter().filter(here);
        tariffs.map(|tariff| tariff["start_date_time"].as_str().unwrap().to_owned()).collect()
    };
    // Summer time in London, and none.
    assert_eq!(begins().await, ["2099-06-30T23:00:00Z", "2099-12-01T00:00:00Z"]);
    let list = folder.join("moved_abroad.csv");
    let header = "station_id,operator_id,name_zh,lon,lat,coordinate_system,country,time_zone";
    for (zone, expected) in [
        ("Asia/Tokyo", ["2099-06-30T15:00:00Z", "2099-11-30T15:00:00Z"]),
        ("", ["2099-06-30T16:00:00Z", "2099-11-30T16:00:00Z"]),
        ("Asia/Shanghai", ["2099-06-30T16:00:00Z", "2099-11-30T16:00:00Z"]),
        ("Europe/London", ["2099-06-30T23:00:00Z", "2099-12-01T00:00:00Z"]),
    ] {
        std::fs::write(&list, format!("{header}\nS93,O1,外,-0.28,51.54,wgs84,gbr,{zone}\n")).unwrap();
        let from = now(database).await;
        for _ in 0..2 {
            command(binary, database, &["register", "--stations", list.to_str().unwrap()]);
        }
        assert_eq!(begins().await, expected, "{zone}");
        let anew = if zone == "Asia/Shanghai" { 0 } else { 2 };
        let told = changed(server, token, "tariffs", &format!("date_from={from}")).await;
        assert_eq!(told.len(), anew, "{zone}: {told:?}");
    }
    assert_eq!(database.number("SELECT count(*) FROM station_price WHERE station_id = 'S93'").await, 8);
}

/// Of forty lists a year's are told, the next comes in sight when one is over, and whoever asks for changes learns of it.
pub(crate) async fn many(binary: &PathBuf, database: &Database, server: &Server, folder: &Path, token: &str) {
    let file = folder.join("many_prices.csv");
    let day = jiff::civil::date(2099, 1, 1);
    let rows: Vec<String> =
        (0..40).map(|n| format!("S11,0,24,{n},{}\n", day + jiff::Span::new().days(n))).collect();
    std::fs::write(&file, format!("station_id,from,to,cny_kwh,valid_from\n{}", rows.concat())).unwrap();
    command(binary, database, &["register", "--prices", file.to_str().unwrap()]);
    let told = ids(server, token, "S11").await;
    assert_eq!(told.len(), 12);
    // As if five had begun, on 5 to 9 January 2026 in China.
    let passed = "UPDATE station_price SET recorded_at = '2026-01-01Z',
                      valid_from = valid_from - earlier, starts_at = starts_at - earlier * interval '1 day'
                  FROM (SELECT price_no, CASE WHEN valid_from < '2099-01-06' THEN date '2099-01-01' - date '2026-01-05' ELSE 0 END AS earlier
                        FROM station_price) AS shift
                  WHERE shift.price_no = station_price.price_no AND station_id = 'S11'";
    sqlx::query(passed).execute(&mut database.connect().await).await.unwrap();
    let later = ids(server, token, "S11").await;
    assert_eq!((later.len(), &later[..8]), (12, &told[4..]));
    let then = "date_from=2026-01-08T16:00:00Z&date_to=2026-01-08T16:00:01Z";
    assert_eq!(changed(server, token, "tariffs", then).await, [later[11].clone()]);
    assert_eq!(changed(server, token, "locations", then).await, ["S11"]);
    let (found, _) = asked(server, token, "/ocpi/2.2.1/tariffs").await;
    let of_station = |tariff: &&Value| tariff["veripile"]["station_id"] == "S11";
    let found: Vec<Value> =
        found.as_array().unwrap().iter().filter(of_station).map(|one| one["id"].clone()).collect();
    // With the one before.
    assert_eq!(found.len(), 13);
    assert_eq!((&found[0], &found[1]), (&told[3].as_str().into(), &told[4].as_str().into()));
}
