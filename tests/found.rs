//! What is searched is found: counts, piles and stations of every kind of question against a reading of every pile, with awkward names.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use veripile_pile::{
    ConnectorType, Operator, OperatorId, PileId, PileKind, Place, Standing, State, Station, StationId,
};
use veripile_store::Store;
use veripile_store::finder::{FindQuery, Only, UNCOUNTED};
use veripile_store::search::plain;
use veripile_tests::{Database, provided};

const NOW_S: i64 = 1_800_000_000;

/// Names of piles but for their numbers, as they are read off metal, typed, and made up by those who test.
const PILES: [&str; 9] = ["WX-", "ＷＸ－", "桩", "🔌", "50%_", "a\\b", "pile no ", "Ｐ―", "ﬁle"];

/// Names of stations, Chinese and English.
const STATIONS: [(&str, &str); 7] = [
    ("太湖充电站", "Taihu"),
    ("１００％电", "100% power"),
    ("重庆长江路", "Changjiang Rd"),
    ("下划_线", "under_score \\ back"),
    ("🔋站", "Battery 🔋"),
    ("Ａ座", "Ärger"),
    ("", "no Chinese name"),
];

/// Stations of one name, more than are looked up one by one.
const COMMON: usize = 1_100;

/// A pile as it is written, and what follows from it.
struct Truth {
    id: String,
    station: Option<usize>,
    operator: Option<usize>,
    row: Value,
    state: State,
    is_free: bool,
    status: Option<&'static str>,
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).unwrap()
}

/// So many hours before now, as it is written.
fn ago(hours: i64) -> String {
    (now() - SignedDuration::from_hours(hours)).to_string()
}

/// The standing of a pile, as the assessment writes it.
fn standing(n: usize) -> Option<Value> {
    let certificate = json!({"number": "C", "issuer": "I", "at": ago(900), "valid_until": ago(-900)});
    let case = |confirmed: bool| {
        json!({"number": "K", "issuer": "I", "at": ago(99),
        "confirmed_at": confirmed.then(|| ago(50)), "reply_until": ago(10)})
    };
    let estimate = json!({"as_of": ago(1), "component": 1, "grounded": true, "charges": 20, "period": [ago(500), ago(300)], "error": 0.001,
        "standard_uncertainty": 0.001, "probability_conform": 0.99, "limit": 0.02, "rule": "r", "verdict": "conform"});
    match n % 7 {
        0 => None,
        1 => Some(json!({"certificate": certificate})),
        2 => Some(json!({"certificate": certificate, "estimate": estimate})),
        3 => Some(json!({"case": case(false), "certificate": certificate})),
        4 => Some(json!({"case": case(true), "stopped_at": ago(5)})),
        5 => Some(json!({"stopped_at": ago(5)})),
        _ => Some(json!({"estimate": estimate})),
    }
}

/// Status of a pile's connectors: number, status, hours ago.
fn plugs(n: usize) -> Vec<(i64, &'static str, i64)> {
    let all = [
        (0, "Available", 1),
        (1, "Charging", 2),
        (2, "Available", 9),
        (3, "Faulted", 1),
        (1, "Available", 30),
        (0, "Faulted", 3),
    ];
    all.into_iter()
        .enumerate()
        .filter(|(bit, _)| {
            let taken = match bit {
                4 => n >> 1 & 1,
                5 => n & 1,
                _ => 0,
            };
            n >> bit & 1 == 1 && taken == 0
        })
        .map(|(_, plug)| plug)
        .collect()
}

fn truth(n: usize) -> Truth {
    let stations = STATIONS.len() + COMMON;
    // Some stand nowhere, and some belong to another operator than their station.
    let station = (!n.is_multiple_of(11)).then_some(if n.is_multiple_of(3) {
        n % STATIONS.len()
    } else {
        n * 7 % stations
    });
    let operator = (!n.is_multiple_of(13)).then_some(n % 4);
    let seen = [None, Some(1), Some(400), Some(721)][n % 4];
    let (standing, plugs) = (standing(n), plugs(n / 2 % 64));
    let judged: Standing =
        standing.clone().map(|body| serde_json::from_value(body).unwrap()).unwrap_or_default();
    let last_seen = seen.map(|hours| now() - SignedDuration::from_hours(hours));
    // A faulted pile lends no plug; else what counts is no word of the pile itself, is available, and is the newest.
    let told = plugs.iter().min_by_key(|(number, status, hours)| {
        let rank = match (*number, *status) {
            (0, "Faulted") => 0,
            (0, _) => 2,
            _ => 1,
        };
        (rank, *status != "Available", *hours)
    });
    let is_out_of_use = judged.stopped_at.is_some() || seen == Some(721);
    let says_free =
        told.is_some_and(|(_, status, hours)| *status == "Available" && (*hours).min(seen.unwrap_or(99)) < 5);
    let is_free = says_free && !is_out_of_use && judged.case.is_none();
    let vendor = ["厂", "M%", "-"].get(n % 4);
    let id = format!("{}{n}", PILES[n % PILES.len()]);
    let row = json!({
        "pile_id": id, "station_id": station.map(|at| format!("S{at}")), "operator_id": operator.map(|of| format!("O{of}")),
        "kind": if n.is_multiple_of(2) { "ac" } else { "dc" }, "power_kw": (!n.is_multiple_of(5)).then_some(n % 5 * 30),
        "connectors": match n % 3 { 0 => vec![], 1 => vec!["gbt_dc"], _ => vec!["gbt_ac", "type2"] },
        "vendor": vendor, "last_seen": seen.map(ago), "standing": standing, "checked": n % 6 == 1,
        "plugs": plugs.iter().map(|(number, status, hours)| json!([number, status, ago(*hours)])).collect::<Vec<_>>(),
    });
    let state = judged.state(now(), last_seen);
    Truth { id, station, operator, row, state, is_free, status: told.map(|(_, status, _)| *status) }
}

const WRITTEN: &[&str] = &[
    "INSERT INTO pile (pile_id, station_id, operator_id, kind, accuracy_class, power_kw, registered, connectors)
     SELECT pile_id, station_id, operator_id, kind, 2, power_kw, true, connectors
     FROM jsonb_to_recordset($1::jsonb) AS r(pile_id text, station_id text, operator_id text, kind text, power_kw numeric, connectors text[])",
    "INSERT INTO pile_live (pile_no, vendor, last_seen) SELECT pile_no, vendor, last_seen
     FROM jsonb_to_recordset($1::jsonb) AS r(pile_id text, vendor text, last_seen timestamptz) JOIN pile USING (pile_id)
     WHERE last_seen IS NOT NULL OR vendor IS NOT NULL",
    "INSERT INTO standing (pile_no, judged_at, body) SELECT pile_no, now(), standing
     FROM jsonb_to_recordset($1::jsonb) AS r(pile_id text, standing jsonb) JOIN pile USING (pile_id) WHERE standing IS NOT NULL",
    "INSERT INTO connector_live SELECT pile_no, (plug ->> 0)::bigint, plug ->> 1, (plug ->> 2)::timestamptz
     FROM jsonb_to_recordset($1::jsonb) AS r(pile_id text, plugs jsonb) JOIN pile USING (pile_id), jsonb_array_elements(plugs) AS plug",
    "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at) SELECT pile_no, 'measured', 'N', 'I', 'P', now()
     FROM jsonb_to_recordset($1::jsonb) AS r(pile_id text, checked boolean) JOIN pile USING (pile_id) WHERE checked",
    "UPDATE operator SET committed_on = '2026-01-01' WHERE operator_id IN ('O1', 'O2') AND $1 <> ''",
    "ANALYZE",
];

async fn write(store: &Store, database: &Database, piles: &[Truth]) {
    let operators = [("太湖充电", "Taihu Charging"), ("甲％", "One%"), ("🔌公司", "Plug_Co"), ("乙", "Two")];
    let operator = |(n, (zh, en)): (usize, &(&str, &str))| Operator {
        operator_id: OperatorId::parse(&format!("O{n}")).unwrap(),
        name_zh: (*zh).to_owned(),
        name_en: (*en).to_owned(),
    };
    store.register_operators(&operators.iter().enumerate().map(operator).collect::<Vec<_>>()).await.unwrap();
    let station = |n: usize| Station {
        station_id: StationId::parse(&format!("S{n}")).unwrap(),
        operator_id: OperatorId::parse("O0").unwrap(),
        name_zh: STATIONS.get(n).map_or_else(|| format!("大站{n}"), |(zh, _)| (*zh).to_owned()),
        name_en: STATIONS.get(n).map_or("", |(_, en)| en).to_owned(),
        place: Place { lon: 120.3, lat: 31.5 },
        region: [Some("梁溪区"), Some("滨湖%"), None][n % 3].map(str::to_owned),
        address: (n == 2).then(|| "中山路 1_号".to_owned()),
        phone: None,
        fee_cny_kwh: (!n.is_multiple_of(4)).then(|| Decimal::new(100 + (n % 4) as i64, 2)),
        fee_note: None,
        country: None,
        time_zone: None,
        told_piles: None,
        given: None,
    };
    let stations: Vec<Station> = (0..STATIONS.len() + COMMON).map(station).collect();
    store.register_stations(&stations).await.unwrap();
    let rows = Value::from(piles.iter().map(|pile| pile.row.clone()).collect::<Vec<_>>()).to_string();
    for statement in WRITTEN {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") { query.bind(&rows) } else { query };
        query.execute(&mut database.connect().await).await.unwrap();
    }
}

/// What operators and stations are found by, as it was written for them.
async fn texts(database: &Database, query: &str) -> BTreeMap<String, String> {
    let rows: Vec<(String, String)> =
        sqlx::query_as(query).fetch_all(&mut database.connect().await).await.unwrap();
    rows.into_iter().collect()
}

/// Whether a pile matches, by reading it.
fn matches(pile: &Truth, query: &FindQuery, texts: &BTreeMap<String, String>) -> bool {
    let row = &pile.row;
    let at = |name: &str| row[name].as_str().and_then(|id| texts.get(id)).map_or("", String::as_str);
    let (own, names) = (plain(&pile.id), [at("station_id"), at("operator_id")]);
    let region = pile.station.and_then(|n| [Some("梁溪区"), Some("滨湖%"), None][n % 3]).unwrap_or("-");
    let fee = pile.station.filter(|n| !n.is_multiple_of(4)).map(|n| Decimal::new(100 + (n % 4) as i64, 2));
    let power = row["power_kw"].as_u64().map(Decimal::from);
    let connectors = row["connectors"].as_array().unwrap();
    query
        .words
        .iter()
        .all(|word| own.contains(word.as_str()) || names.iter().any(|text| text.contains(word.as_str())))
        && query.operator.as_ref().is_none_or(|id| match id.as_str() {
            "-" => pile.operator.is_none(),
            id => row["operator_id"] == id,
        })
        && query.region.as_ref().is_none_or(|asked| asked == region)
        && query.maker.as_ref().is_none_or(|asked| asked == row["vendor"].as_str().unwrap_or("-"))
        && query.kind.is_none_or(|kind| row["kind"] == kind.word())
        && query.connector.is_none_or(|one| connectors.iter().any(|word| word == one.word()))
        && query.min_power_kw.is_none_or(|least| power.is_some_and(|power| power >= least))
        && query.max_fee_cny_kwh.is_none_or(|most| fee.is_some_and(|fee| fee <= most))
        && (query.free_since.is_none() || pile.is_free)
        && query.state.is_none_or(|state| state == pile.state)
        && (!query.verified || matches!(pile.state, State::VerifiedMonitored | State::Verified))
        && query.only.is_none_or(|only| match only {
            Only::Checked => row["checked"] == true,
            Only::InCase => row["standing"]["case"].is_object(),
            Only::Committed => matches!(pile.operator, Some(1 | 2)),
        })
}

/// Questions: every word alone and with others, every condition alone and with a word.
fn questions() -> Vec<FindQuery> {
    let words =
        |text: &str| text.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let mut all: Vec<FindQuery> = [
        "",
        "-",
        "wx",
        "WX-1",
        "ｗｘ－１",
        "太湖",
        "湖",
        "thcd",
        "taihuchongdian",
        "changjianglu",
        "zjl",
        "1",
        "12",
        "%",
        "50%",
        "100%",
        "_",
        "e_s",
        "\\",
        "a\\b",
        "under",
        "🔌",
        "🔋",
        "🔌1",
        "大站",
        "大站 1",
        "大站 wx",
        "1 2 3",
        "dz 站",
        "p―1",
        "file",
        "fi",
        "ﬁ",
        "pile no 6",
        "ärger",
        "中山路1号",
        "甲%",
        "plugco",
        "公司 🔌",
        "no such",
        "nochinese",
        "' OR 1=1 --",
        "100 % ％",
    ]
    .into_iter()
    .map(|text| FindQuery { words: words(text), ..FindQuery::default() })
    .collect();
    let none = FindQuery::default;
    let text = |text: &str| Some(text.to_owned());
    let mut conditions = vec![
        FindQuery { free_since: Some(now() - SignedDuration::from_hours(5)), ..none() },
        FindQuery { verified: true, ..none() },
        FindQuery { min_power_kw: Some(Decimal::from(60)), ..none() },
        FindQuery { max_fee_cny_kwh: Some(Decimal::new(102, 2)), ..none() },
    ];
    conditions.extend(
        ["O0", "O1", "O9", "-"]
            .map(|id| FindQuery { operator: Some(OperatorId::parse(id).unwrap()), ..none() }),
    );
    conditions
        .extend(["梁溪区", "滨湖%", "-", "%"].map(|region| FindQuery { region: text(region), ..none() }));
    conditions.extend(["厂", "M%", "-", "%"].map(|maker| FindQuery { maker: text(maker), ..none() }));
    conditions.extend(Only::ALL.map(|only| FindQuery { only: Some(only), ..none() }));
    conditions.extend([PileKind::Ac, PileKind::Dc].map(|kind| FindQuery { kind: Some(kind), ..none() }));
    conditions.extend(ConnectorType::ALL.map(|one| FindQuery { connector: Some(one), ..none() }));
    all.extend(conditions.iter().cloned());
    all.extend(conditions.iter().map(|query| FindQuery { words: words("大站 1"), ..query.clone() }));
    let states = all
        .iter()
        .flat_map(|query| State::ALL.map(|state| FindQuery { state: Some(state), ..query.clone() }));
    let states: Vec<FindQuery> = states.collect();
    all.extend(states);
    all
}

#[tokio::test]
async fn every_question_finds_what_a_reading_of_every_pile_finds() {
    let Some((_, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    let piles: Vec<Truth> = (0..1_300).map(truth).collect();
    write(&store, &database, &piles).await;
    // What other hands have written gets its texts with the next start.
    store.migrate().await.unwrap();
    let texts = texts(
        &database,
        "SELECT station_id, search FROM station UNION ALL SELECT operator_id, search FROM operator",
    )
    .await;
    let mut found = 0;
    for query in questions() {
        let mut expected: Vec<&Truth> = piles.iter().filter(|pile| matches(pile, &query, &texts)).collect();
        expected.sort_by_key(|pile| (pile.state, &pile.id));
        found += usize::from(!expected.is_empty());
        let by_state = store.count_found(&query, now()).await.unwrap();
        for (state, count) in State::ALL.into_iter().zip(by_state) {
            let expected = expected.iter().filter(|pile| pile.state == state).count();
            assert_eq!(count, expected as u64, "{state:?} {query:?}");
        }
        let ids: Vec<&str> = expected.iter().map(|pile| pile.id.as_str()).collect();
        let mut best: BTreeMap<usize, State> = BTreeMap::new();
        for pile in &expected {
            if let Some(at) = pile.station {
                best.entry(at).or_insert(pile.state);
            }
        }
        let mut stations: Vec<(State, String)> =
            best.into_iter().map(|(at, state)| (state, format!("S{at}"))).collect();
        stations.sort();
        // As they are counted, put into order at once; uncounted, read state by state.
        for counted in [by_state, UNCOUNTED] {
            let listed = store.find_piles(&query, &counted, now(), 0, 2_000).await.unwrap();
            assert!(listed.iter().map(|pile| pile.pile_id.as_str()).eq(ids.iter().copied()), "{query:?}");
            let dots = store.find_dots(&query, &counted, now(), 2_000).await.unwrap();
            let dots = dots.iter().map(|dot| (dot.pile_id.as_str(), dot.state));
            assert!(dots.eq(expected.iter().map(|pile| (pile.id.as_str(), pile.state))), "{query:?}");
            for (skip, take) in [(0, 2_000), (3, 5)] {
                let listed = store.find_stations(&query, &counted, now(), skip, take).await.unwrap();
                let expected = stations.iter().skip(skip as usize).take(take as usize);
                assert!(
                    listed.iter().map(StationId::as_str).eq(expected.map(|(_, id)| id.as_str())),
                    "{query:?}: {listed:?}"
                );
            }
        }
    }
    assert!(400 < found, "{found}: hardly anything was found at all");
    statuses(&store, &piles).await;
    store.close().await;
}

/// What a pile says of itself, and how many are free at each station.
async fn statuses(store: &Store, piles: &[Truth]) {
    for pile in piles {
        let told = store.pile(&PileId::parse(&pile.id).unwrap()).await.unwrap().unwrap().status;
        assert_eq!(told.as_ref().map(|(word, _)| word.as_str()), pile.status, "{}: {}", pile.id, pile.row);
    }
    let lends_one = |pile: &Truth| {
        pile.row["plugs"].as_array().unwrap().iter().any(|plug| plug[0] != 0 && plug[1] == "Available")
    };
    assert!(piles.iter().any(|pile| pile.status == Some("Faulted") && lends_one(pile)));
    let stations: Vec<StationId> =
        (0..STATIONS.len()).map(|n| StationId::parse(&format!("S{n}")).unwrap()).collect();
    let since = now() - SignedDuration::from_hours(5);
    let cards = store.station_cards(&stations, since, now()).await.unwrap();
    assert_eq!(cards.len(), stations.len());
    for card in cards {
        let at = |pile: &&Truth| pile.station.is_some_and(|n| format!("S{n}") == card.station_id.as_str());
        let free = piles.iter().filter(at).filter(|pile| pile.is_free).count();
        assert_eq!(card.idle, free as u64, "{}", card.station_id);
    }
}

/// One pile that was let in, with a charge of an hour ago, one that ends tomorrow by its charger's clock, and one from before it had proved who
/// it is; and one that waits in the inbox and says as much of an hour ago.
const LET_IN_AND_WAITING: &[&str] = &[
    "INSERT INTO pile (pile_id, kind, accuracy_class, registered, inbox)
     VALUES ('LET IN', 'dc', 1, true, false), ('WAITS', 'ac', 2, false, true)",
    "INSERT INTO pile_live (pile_no, connection, last_seen) SELECT pile_no, gen_random_uuid(), now() FROM pile",
    "INSERT INTO standing (pile_no, judged_at, verdict, body) SELECT pile_no, now(), 'conform', '{}' FROM pile",
    "INSERT INTO charge (pile_no, reference, started_at, ended_at, marks, updated_at)
     SELECT pile_no, reference, now() - interval '9 hours', now() + ended, marks, now()
     FROM pile, (VALUES ('a', interval '-1 hour', '{}'::text[]), ('b', interval '1 day', '{}'),
                        ('c', interval '-1 minute', '{unproven}')) AS charge (reference, ended, marks)
     WHERE NOT inbox OR reference = 'a'",
];

#[tokio::test]
async fn the_front_page_counts_what_its_list_has() {
    let Some((_, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    for statement in LET_IN_AND_WAITING {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    database.count_charges().await;
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.piles, counts.connected, counts.charges, counts.scored), (1, 1, 2, 1));
    let age = Timestamp::now().duration_since(counts.latest_charge_at.unwrap());
    assert!((59..=75).contains(&age.as_mins()), "{age}");
    store.close().await;
}
