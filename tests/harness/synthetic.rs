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

/// What three years leave behind at the 1,000 piles about the middle of a town, which `busy` names: 1,000 charges each, a year of
/// assessments day by day and week by week, two documents, of one in five a notice too, and a question about one in ten.
const PAST: &[&str] = &[
    "CREATE TABLE busy AS
     SELECT pile_no, row_number() OVER () AS n FROM (
         SELECT pile_no FROM pile, town WHERE town.n = 0
         ORDER BY power(pile.lon - town.lon, 2) + power(pile.lat - town.lat, 2), pile_no LIMIT 1000) AS near",
    "INSERT INTO charge (pile_no, reference, connector, vehicle, started_at, ended_at, register_start_wh, register_stop_wh,
                         energy_pile_wh, energy_vehicle_wh, updated_at)
     SELECT pile_no, n::text, 1, decode(md5((n % 40)::text), 'hex'), began, began + interval '40 minutes', n * 20000, (n + 1) * 20000,
            20000, CASE WHEN n % 2 = 0 THEN 19900 END, began + interval '40 minutes'
     FROM (SELECT pile_no, round, now() - (1000 - round) * interval '8 hours' AS began, round AS n
           FROM generate_series(1, 1000) AS round, busy) AS told",
    "UPDATE pile_live SET charges = 1000 FROM busy WHERE busy.pile_no = pile_live.pile_no",
    "WITH run AS (INSERT INTO assessment_run (as_of, software, input_sha256, facts) VALUES (now(), 'a benchmark', '', '{}') RETURNING run_no)
     INSERT INTO estimate (run_no, pile_no, day, as_of, component, grounded, charges, error, standard_uncertainty, probability_conform,
                           mpe, rule, verdict)
     SELECT run_no, pile_no, current_date - day, (current_date - day) + interval '5 hours', 0, true, 40, 0.0012, 0.001, 0.99, 0.02,
            'a rule', 'conform'
     FROM run, generate_series(1, 365) AS day, busy",
    "INSERT INTO weekly_error (pile_no, week, error, standard_uncertainty, charges)
     SELECT pile_no, week, 0.0012, 0.001, 20 FROM generate_series(2910, 2961) AS week, busy",
    // Rounds one after the other: the last document of a pile is the newest, and stands in its standing where that has one.
    "WITH document AS (
         SELECT pile_no, round, round = 1 AS is_notice, CASE round WHEN 3 THEN 'C' || pile_no ELSE 'C' || pile_no || '-' || round END AS number
         FROM generate_series(1, 3) AS round, busy WHERE round > 1 OR n % 5 = 0),
     made AS (
         INSERT INTO verification_order (number, pile_no, state, instruments, body, made_at)
         SELECT number, pile_no, 'issued', '{}', '{}', now() FROM document ORDER BY round, pile_no RETURNING order_no, number)
     INSERT INTO verification_certificate (order_no, number, pile_no, connector, kind, issuer, verified_on, valid_until, issued_at, json, sha256, pdf)
     SELECT order_no, number, pile_no, 1, CASE WHEN is_notice THEN 'notice' ELSE 'certificate' END, '计量所', '2026-01-05',
            CASE WHEN NOT is_notice THEN date '2029-01-05' END, '2026-01-05T00:00:00Z', CASE WHEN is_notice THEN $2 ELSE $1 END,
            encode(sha256(number::bytea), 'hex'), ''
     FROM document JOIN made USING (number) ORDER BY round, pile_no",
    "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, reply_until)
     SELECT pile_no, of.kind, number, '计量所', of.person, '2024-01-05T00:00:00Z',
            CASE of.kind WHEN 'notice' THEN timestamptz '2024-02-05T00:00:00Z' END
     FROM verification_certificate AS c, (VALUES ('notice', 'P'), ('failure_confirmed', 'P'), ('failure_confirmed', 'Q')) AS of(kind, person)
     WHERE c.kind = 'notice'",
    "INSERT INTO certificate_question (certificate_no, reason, detail, person, asked_at)
     SELECT certificate_no, 'other', 'a scratch', 'P', now() FROM verification_certificate WHERE certificate_no % 10 = 0",
    "VACUUM ANALYZE",
];

/// Documents as they are signed: a certificate, a notice.
const DOCUMENTS: [&str; 2] = [
    include_str!("../../crates/verification/src/certificate/fixtures/certificate-5.json"),
    include_str!("../../crates/verification/src/certificate/fixtures/notice-5.json"),
];

/// Gives some of the piles a past.
pub async fn past(connection: &mut PgConnection) {
    for statement in PAST {
        let query = sqlx::query(statement);
        let query =
            if statement.contains("$1") { query.bind(DOCUMENTS[0]).bind(DOCUMENTS[1]) } else { query };
        query.execute(&mut *connection).await.expect("written");
    }
}
