//! Public states in the database, held against what the standing says, one by one, at the moments at which they change; and the map that
//! opens where most piles are.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use jiff::{SignedDuration, Timestamp};
use veripile_pile::{Certified, Estimate, OpenCase, Place, RemoteVerdict, Standing, State};
use veripile_store::Store;
use veripile_store::finder::{FindQuery, NEAR_KM, STEP_M};
use veripile_tests::{Database, Server, free_port, provided};

/// Where Wuxi's railway station is taken to be.
const HERE: Place = Place { lon: 120.30, lat: 31.59 };

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A pile as it is stored, and where.
struct Stored {
    id: String,
    place: Place,
    standing: Standing,
    last_seen: Option<Timestamp>,
}

fn cases(now: Timestamp) -> Vec<Option<OpenCase>> {
    let case = |confirmed_at, reply_until| {
        Some(OpenCase {
            number: "K".to_owned(),
            issuer: "市监局".to_owned(),
            at: now,
            confirmed_by: None,
            confirmed_at,
            reply_until,
        })
    };
    vec![
        None,
        case(None, Some(now - SECOND)),
        case(Some(now), None),
        case(Some(now), Some(now - SECOND)),
        case(Some(now), Some(now)),
        case(Some(now), Some(now + SECOND)),
    ]
}

fn certificates(now: Timestamp) -> Vec<Option<Certified>> {
    let year = SignedDuration::from_hours(365 * 24);
    let mut all = vec![None];
    for at in [now - year, now, now + SECOND] {
        for valid_until in [now - SECOND, now, now + year] {
            for questioned_at in [None, Some(now)] {
                let (number, issuer) = ("C".to_owned(), "计量所".to_owned());
                all.push(Some(Certified { number, issuer, at, valid_until, questioned_at }));
            }
        }
    }
    all
}

fn estimates(now: Timestamp) -> Vec<Option<Estimate>> {
    let fortnight = SignedDuration::from_hours(14 * 24);
    let mut all = vec![None];
    for verdict in [RemoteVerdict::Conform, RemoteVerdict::Undecided] {
        for charges in [19, 20] {
            for last in [None, Some(now - fortnight), Some(now - fortnight - SECOND)] {
                all.push(Some(Estimate {
                    as_of: now,
                    component: 1,
                    grounded: true,
                    charges,
                    period: last.map(|last| (last - fortnight, last)),
                    error: Some(0.001),
                    standard_uncertainty: Some(0.001),
                    probability_conform: Some(0.99),
                    limit: 0.02,
                    rule: "a rule".to_owned(),
                    verdict,
                }));
            }
        }
    }
    all
}

/// A pile for every way in which a standing can be, and on both sides of every limit of time; scattered over 40 km.
fn every_standing(now: Timestamp) -> Vec<Stored> {
    let month = SignedDuration::from_hours(30 * 24);
    let seen = [None, Some(now), Some(now - month), Some(now - month - SECOND)];
    let mut all = Vec::new();
    for case in cases(now) {
        for stopped_at in [None, Some(now)] {
            for certificate in certificates(now) {
                for estimate in estimates(now) {
                    for last_seen in seen {
                        let n = all.len();
                        // By two irrational numbers: nowhere twice.
                        let part = |by: f64| (n as f64 * by).fract() - 0.5;
                        let place = Place {
                            lon: HERE.lon + 0.4 * part(0.618_033_988_7),
                            lat: HERE.lat + 0.4 * part(0.414_213_562_4),
                        };
                        let (case, certificate) = (case.clone(), certificate.clone());
                        let standing = Standing {
                            certificate,
                            case,
                            stopped_at,
                            stopped_by: None,
                            cleared_at: None,
                            failure_ended_at: None,
                            estimate: estimate.clone(),
                        };
                        all.push(Stored {
                            id: format!("P{:05}", n * 7_919 % 11_856),
                            place,
                            standing,
                            last_seen,
                        });
                    }
                }
            }
        }
    }
    all
}

async fn write(database: &Database, piles: &[Stored], now: Timestamp) {
    let connection = &mut database.connect().await;
    let texts = |pick: fn(&Stored) -> String| piles.iter().map(pick).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO pile (pile_id, kind, accuracy_class, lon, lat, registered)
         SELECT id, 'ac', 2, lon, lat, true FROM unnest($1::text[], $2::float8[], $3::float8[]) AS p(id, lon, lat)",
    )
    .bind(texts(|pile| pile.id.clone()))
    .bind(piles.iter().map(|pile| pile.place.lon).collect::<Vec<_>>())
    .bind(piles.iter().map(|pile| pile.place.lat).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await
    .unwrap();
    for statement in [
        "INSERT INTO standing (pile_no, judged_at, body) SELECT pile_no, $3::timestamptz, body::jsonb
         FROM unnest($1::text[], $2::text[]) AS p(id, body) JOIN pile ON pile_id = id",
        "INSERT INTO pile_live (pile_no, last_seen) SELECT pile_no, nullif(seen, '')::timestamptz
         FROM unnest($1::text[], $2::text[]) AS p(id, seen) JOIN pile ON pile_id = id WHERE $3 <> ''",
    ] {
        let values = if statement.contains("pile_live") {
            texts(|pile| pile.last_seen.map_or(String::new(), |seen| seen.to_string()))
        } else {
            texts(|pile| serde_json::to_string(&pile.standing).unwrap())
        };
        sqlx::query(statement)
            .bind(texts(|pile| pile.id.clone()))
            .bind(values)
            .bind(now.to_string())
            .execute(&mut *connection)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn states_are_in_the_database_what_the_standing_says() {
    let Some((_, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let piles = every_standing(now);
    assert_eq!(piles.len(), 11_856);
    write(&database, &piles, now).await;
    let state = |pile: &Stored| pile.standing.state(now, pile.last_seen);
    let query = FindQuery::default();
    let by_state = store.count_found(&query, now).await.unwrap();
    for (wanted, count) in State::ALL.into_iter().zip(by_state) {
        let expected = piles.iter().filter(|pile| state(pile) == wanted).count() as u64;
        assert_eq!(count, expected, "{wanted:?}");
        let query = FindQuery { state: Some(wanted), ..query.clone() };
        assert_eq!(store.count_found(&query, now).await.unwrap().iter().sum::<u64>(), expected);
    }
    // Page after page, the whole list: by state, then by identifier.
    let mut expected: Vec<(State, &str)> = piles.iter().map(|pile| (state(pile), pile.id.as_str())).collect();
    expected.sort_unstable();
    let mut listed = Vec::new();
    while listed.len() < piles.len() {
        let page = store.find_piles(&query, &by_state, now, listed.len() as u64, 2_017).await.unwrap();
        assert!(!page.is_empty(), "after {}", listed.len());
        listed.extend(page.into_iter().map(|pile| (pile.state(now), pile.pile_id.to_string())));
    }
    assert!(listed.iter().map(|(state, id)| (*state, id.as_str())).eq(expected.iter().copied()));
    // Near a place: by distance, a step of standing counting as 500 m, failed ones and those out of use last.
    let mut expected: Vec<(bool, f64, &str)> = piles
        .iter()
        .map(|pile| {
            let state = state(pile);
            let counted = pile.place.distance_m(HERE) + STEP_M * f64::from(state as u8);
            (matches!(state, State::Failed | State::OutOfUse), counted, pile.id.as_str())
        })
        .collect();
    expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let query = FindQuery { near: Some(HERE), ..query };
    for skip in [0, 6_000] {
        let page = store.find_piles(&query, &by_state, now, skip as u64, 3_000).await.unwrap();
        for (found, (_, counted, _)) in page.iter().zip(&expected[skip..]) {
            let told = found.place.unwrap().distance_m(HERE) + STEP_M * f64::from(found.state(now) as u8);
            // Within a decimetre the identifier decides.
            assert!((told - counted).abs() < 0.11, "{skip}: {told} {counted}");
        }
        assert_eq!(page.len(), 3_000);
    }
    store.close().await;
}

/// A box of that size has corners that are farther away than what people are told.
#[tokio::test]
async fn near_is_as_far_as_people_are_told() {
    let Some((_, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    let at = |(id, east, north): (&str, f64, f64)| Stored {
        id: id.to_owned(),
        place: Place { lon: HERE.lon + east, lat: HERE.lat + north },
        standing: Standing::default(),
        last_seen: None,
    };
    let piles = [("HERE", 0.0, 0.0), ("NORTH", 0.0, 0.449), ("WEST", -0.526, 0.0), ("BEYOND", 0.0, 0.451)]
        .into_iter()
        .chain([("CORNER", 0.5, 0.45), ("SOUTH", 0.3, -0.4)])
        .map(at)
        .collect::<Vec<_>>();
    let now = Timestamp::now();
    write(&database, &piles, now).await;
    let is_near = |pile: &&Stored| pile.place.distance_m(HERE) <= 1000.0 * f64::from(NEAR_KM);
    let mut expected: Vec<&str> = piles.iter().filter(is_near).map(|pile| pile.id.as_str()).collect();
    assert_eq!(expected, ["HERE", "NORTH", "WEST"]);
    let query = FindQuery { near: Some(HERE), ..FindQuery::default() };
    let by_state = store.count_found(&query, now).await.unwrap();
    assert_eq!(by_state.iter().sum::<u64>(), 3);
    let found = store.find_piles(&query, &by_state, now, 0, 10).await.unwrap();
    let mut found: Vec<_> = found.iter().map(|pile| pile.pile_id.as_str()).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    store.close().await;
}

/// Taveuni in Fiji lies on both sides of the 180th meridian.
#[tokio::test]
async fn near_does_not_end_at_the_180th_meridian() {
    let Some((_, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    let at = |(id, lon, lat): (&str, f64, f64)| Stored {
        id: id.to_owned(),
        place: Place { lon, lat },
        standing: Standing::default(),
        last_seen: None,
    };
    let piles = [
        ("EAST", -179.999_6, -16.5),
        ("WEST", 179.999, -16.5),
        ("FAR-EAST", -179.4, -16.5),
        ("FAR-WEST", 179.4, -16.5),
        ("GREENWICH", 0.0, -16.5),
        ("POLE", 75.0, 89.9),
    ];
    let now = Timestamp::now();
    write(&database, &piles.map(at), now).await;
    for ((lon, lat), expected) in [
        ((179.999_5, -16.5), &["EAST", "WEST"][..]),
        ((-179.999_5, -16.5), &["EAST", "WEST"][..]),
        ((179.9, -16.5), &["EAST", "WEST"][..]),
        ((-105.0, 89.9), &["POLE"][..]),
    ] {
        let query = FindQuery { near: Place::new(lon, lat), ..FindQuery::default() };
        let by_state = store.count_found(&query, now).await.unwrap();
        let found = store.find_piles(&query, &by_state, now, 0, 10).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|pile| pile.pile_id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(
            (by_state.iter().sum::<u64>(), &found[..]),
            (expected.len() as u64, expected),
            "{lon}, {lat}"
        );
    }
    store.close().await;
}

/// Medians of longitude and latitude apart lie at 113° E, 30° N, where nothing is; most piles are in Beijing, spread over two squares.
#[tokio::test]
async fn the_map_looks_first_where_most_piles_are() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.center().await.unwrap(), None);
    let cities = [("B", 5, 116.40, 39.90), ("G", 4, 113.30, 23.10), ("C", 4, 104.10, 30.60)];
    let piles: Vec<Stored> = cities
        .into_iter()
        .flat_map(|(id, piles, lon, lat)| {
            (0..piles).map(move |n| Stored {
                id: format!("{id}{n}"),
                place: Place { lon: lon + 0.01 * f64::from(n), lat },
                standing: Standing::default(),
                last_seen: None,
            })
        })
        .collect();
    write(&database, &piles, Timestamp::now()).await;
    assert_eq!(store.center().await.unwrap(), Some(Place { lon: 116.42, lat: 39.90 }));
    store.close().await;
    let server =
        Server::start_with(&binary, &database, free_port(), "closed", &[("VERIPILE_ROLES", "api")]).await;
    let (_, page) = server.get("/").await;
    assert!(page.contains("data-lon=\"116.42\" data-lat=\"39.9\""), "{page}");
    server.stop();
}
