//! Piles by the thousand for benchmarks, written into an empty database by its own generators.
//!
//! Never part of the tests: what is measured with them is time.

use sqlx::PgConnection;

/// Piles around forty places in China as a town's are, ten a station, in 200 districts; seven in ten with a certificate and the act behind it, half
/// with an estimate.
const SYNTHETIC: &[&str] = &[
    "SELECT setseed(0.6)",
    "INSERT INTO operator (operator_id, name_zh, name_en, committed_on)
     SELECT 'O' || n, '运营商' || n, 'Operator ' || n, CASE WHEN n % 2 = 0 THEN date '2026-01-01' END FROM generate_series(1, 20) AS n",
    "CREATE TABLE town AS SELECT n, 102 + 18 * random() AS lon, 23 + 17 * random() AS lat FROM generate_series(0, 39) AS n",
    "INSERT INTO station (station_id, operator_id, region, name_zh, name_en, lon, lat)
     SELECT 'S' || i, 'O' || (1 + i % 20), '区' || i % 200, '站' || i, 'Station ' || i,
            lon + 0.3 * (random() + random() + random() - 1.5), lat + 0.3 * (random() + random() + random() - 1.5)
     FROM generate_series(0, $1 / 10 - 1) AS i JOIN town ON town.n = i % 40",
    "INSERT INTO pile (pile_id, station_id, operator_id, kind, accuracy_class, power_kw, lon, lat, registered, connectors)
     SELECT 'CN' || lpad(i::text, 10, '0'), station_id, operator_id, CASE i % 3 WHEN 0 THEN 'ac' ELSE 'dc' END, 2, 7 + 113 * (i % 3),
            lon + 0.0003 * random(), lat + 0.0003 * random(), true, '{gbt_dc}'
     FROM generate_series(0, $1 - 1) AS i JOIN station ON station_id = 'S' || i / 10",
    "INSERT INTO pile_live (pile_no, protocol, last_seen, vendor, model, firmware)
     SELECT pile_no, 'ocpp1.6', now() - random() * interval '20 days', '厂', 'M1', '1.0' FROM pile WHERE $1 > 0",
    "INSERT INTO connector_live SELECT pile_no, 1, CASE pile_no % 3 WHEN 0 THEN 'Charging' ELSE 'Available' END, now()
     FROM pile WHERE $1 > 0",
    "INSERT INTO standing (pile_no, judged_at, verdict, body)
     SELECT pile_no, now(), 'conform', jsonb_build_object('case', NULL, 'stopped_at', NULL,
        'certificate', CASE WHEN pile_no % 10 < 7 THEN jsonb_build_object('number', 'C' || pile_no, 'issuer', '计量所',
            'at', '2026-01-05T00:00:00Z', 'valid_until', '2029-01-05T00:00:00Z', 'questioned_at', NULL) END,
        'estimate', CASE WHEN pile_no % 2 = 0 THEN jsonb_build_object('as_of', '2026-11-20T00:00:00Z', 'component', 0, 'grounded', true,
            'charges', 40, 'period', jsonb_build_array('2026-06-01T00:00:00Z', '2026-11-20T00:00:00Z'), 'error', 0.0012,
            'standard_uncertainty', 0.001, 'probability_conform', 0.99, 'limit', 0.02, 'rule', 'a rule', 'verdict', 'conform') END)
     FROM pile WHERE $1 > 0",
    "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, valid_until)
     SELECT pile_no, 'certificate', 'C' || pile_no, '计量所', 'P', '2026-01-05T00:00:00Z', '2029-01-05T00:00:00Z' FROM pile
     WHERE pile_no % 10 < 7 AND $1 > 0",
    "VACUUM ANALYZE",
];

/// Writes so many piles; the same every time, but for when they were last heard.
pub async fn synthetic(connection: &mut PgConnection, piles: i64) {
    for statement in SYNTHETIC {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") { query.bind(piles) } else { query };
        query.execute(&mut *connection).await.expect("written");
    }
}
