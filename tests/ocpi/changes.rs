//! Which stations changed since a moment is the same whether it is asked of indexes or of every moment of every station.

use jiff::{SignedDuration, Timestamp};
use veripile_store::Store;
use veripile_tests::{Database, command, provided};

/// Stations, piles and all that changes of them, in every combination that chance makes of them. All moments are half an hour off full hours
/// before now, so that none passes while it is looked at: ten minutes, fourteen and thirty days later neither.
const WORLD: &[&str] = &[
    "SELECT setseed(0.4)",
    "CREATE FUNCTION pg_temp.ago(low float8, high float8) RETURNS timestamptz LANGUAGE sql VOLATILE AS
     $$ SELECT now() - (floor(low + (high - low) * random()) + 0.5) * interval '1 hour' $$",
    "INSERT INTO operator (operator_id, name_zh, name_en) VALUES ('O', '甲', 'One')",
    "INSERT INTO station (station_id, operator_id, name_zh, name_en, lon, lat, changed_at)
     SELECT 'S' || n, 'O', 'x', 'x', 120, 31, pg_temp.ago(CASE WHEN random() < 0.05 THEN 0 ELSE 900 END, 1000) FROM generate_series(1, 600) AS n",
    "INSERT INTO pile (pile_id, station_id, operator_id, kind, accuracy_class, registered, inbox, changed_at)
     SELECT 'P' || n, CASE WHEN random() < 0.95 THEN 'S' || ceil(600 * random())::int END, 'O', 'ac', 2, true, random() < 0.05,
            pg_temp.ago(CASE WHEN random() < 0.05 THEN 0 ELSE 900 END, 1000) FROM generate_series(1, 900) AS n",
    "INSERT INTO pile_live (pile_no, last_seen, back_at)
     SELECT pile_no, CASE WHEN random() < 0.1 THEN NULL WHEN random() < 0.3 THEN now() ELSE pg_temp.ago(0, 1500) END,
            CASE WHEN random() < 0.1 THEN pg_temp.ago(0, 900) END FROM pile WHERE random() < 0.9",
    "INSERT INTO connector_live (pile_no, connector, status, status_at, told_at)
     SELECT pile_no, connector, (ARRAY['Available', 'Charging'])[ceil(2 * random())], pg_temp.ago(0, 900),
            CASE WHEN random() < 0.6 THEN pg_temp.ago(0, 900) END
     FROM pile, generate_series(0, 2) AS connector WHERE random() < 0.3",
    "INSERT INTO standing (pile_no, judged_at, body)
     SELECT pile_no, pg_temp.ago(CASE WHEN random() < 0.05 THEN 0 ELSE 100 END, 900), jsonb_build_object(
         'stopped_at', CASE WHEN random() < 0.1 THEN pg_temp.ago(0, 900) END,
         'case', CASE WHEN random() < 0.2 THEN jsonb_build_object('number', 'K', 'issuer', 'I', 'at', pg_temp.ago(0, 900),
             'confirmed_at', CASE WHEN random() < 0.6 THEN pg_temp.ago(0, 900) END,
             'reply_until', CASE WHEN random() < 0.8 THEN pg_temp.ago(-300, 900) END) END,
         'certificate', CASE WHEN random() < 0.7 THEN jsonb_build_object('number', 'C', 'issuer', 'I', 'at', pg_temp.ago(-50, 900),
             'valid_until', pg_temp.ago(-900, 100), 'questioned_at', CASE WHEN random() < 0.1 THEN pg_temp.ago(0, 90) END) END,
         'estimate', CASE WHEN random() < 0.6 THEN jsonb_build_object('verdict', (ARRAY['conform', 'undecided'])[ceil(2 * random())],
             'as_of', pg_temp.ago(0, 800), 'component', 0, 'grounded', true, 'error', 0.001, 'standard_uncertainty', 0.002,
             'probability_conform', 0.9, 'limit', 0.02, 'rule', 'R', 'charges', floor(60 * random())::int, 'period', jsonb_build_array(pg_temp.ago(5000, 6000), pg_temp.ago(0, 800))) END)
     FROM pile WHERE random() < 0.9",
    "INSERT INTO former_pile (station_id, pile_no, left_at)
     SELECT 'S' || ceil(600 * random())::int, pile_no, pg_temp.ago(0, 900) FROM pile WHERE random() < 0.1",
    "INSERT INTO station_price (station_id, valid_from, starts_at, from_minute, cny_kwh, recorded_at)
     SELECT station_id, day, day::timestamp AT TIME ZONE 'Asia/Shanghai', '{0}', '{1.1}', recorded_at
     FROM (SELECT station_id, CASE WHEN random() < 0.8 THEN current_date + floor(60 * random() - 40)::int END AS day,
                  pg_temp.ago(CASE WHEN random() < 0.1 THEN 0 ELSE 800 END, 900) AS recorded_at
           FROM station, generate_series(1, 15) WHERE station_id < 'S3' AND random() < 0.5) AS drawn",
];

#[tokio::test]
async fn what_changed_since_a_moment_is_what_has_a_moment_since() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    command(&binary, &database, &["migrate"]);
    let mut connection = database.connect().await;
    for statement in WORLD {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    let store = Store::connect(&database.url).await.unwrap();
    let all = async || -> Vec<(String, Timestamp)> {
        let (locations, total) = store.ocpi_locations(0, 1_000).await.unwrap();
        assert_eq!((locations.len(), total), (600, 600));
        locations.into_iter().map(|one| (one.station.station_id.to_string(), one.changed_at)).collect()
    };
    let told = all().await;
    let check = async |from: Option<Timestamp>, to: Option<Timestamp>| {
        let is_between = |at: &Timestamp| from.is_none_or(|from| from <= *at) && to.is_none_or(|to| *at < to);
        let expected: Vec<&str> =
            told.iter().filter(|(_, at)| is_between(at)).map(|(id, _)| id.as_str()).collect();
        assert_eq!(store.ocpi_changed(from, to).await.unwrap(), expected, "{from:?} to {to:?}");
        expected.len()
    };
    let mut moments: Vec<Timestamp> = told.iter().map(|(_, at)| *at).collect();
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() > 200, "{}", moments.len());
    // At a change and a microsecond after it, from the first to the last.
    for at in moments.iter().step_by(11) {
        let after = *at + SignedDuration::from_micros(1);
        let from = check(Some(*at), None).await;
        assert!(check(Some(after), None).await < from, "{at}");
        assert!(check(None, Some(*at)).await < check(None, Some(after)).await, "{at}");
    }
    let (first, last) = (moments[0], moments[moments.len() - 1]);
    for (from, to) in [(1, 3), (2, 8), (3, 2), (2, 2)] {
        let at = |part: usize| moments[moments.len() - moments.len() / (part + 1)];
        check(Some(at(from)), Some(at(to))).await;
    }
    // Long ago, never, and as far as moments go.
    for (from, to, count) in [
        (Some(Timestamp::MIN), None, 600),
        (Some(Timestamp::MIN), Some(Timestamp::MAX), 600),
        (Some(first), Some(first), 0),
        (Some(last + SignedDuration::from_hours(24 * 400)), None, 0),
        (Some(Timestamp::MAX), None, 0),
        (None, Some(Timestamp::MIN), 0),
        (None, None, 600),
    ] {
        assert_eq!(check(from, to).await, count, "{from:?} to {to:?}");
    }
    assert_eq!(all().await, told, "nothing passed meanwhile");
}
