//! What a wrong clock costs: stations' prices are registered, come into the next assessment, and stay as they were known.

use std::process::Command;

use veripile_tests::{Database, Server, command, free_port, provided, written};

use super::{CHARGES, COMPARED, PILES, WHOLE_ONCE, charges, check, register, run, until};

/// Five charges of 12 kWh on five days from 7:30 to 8:30 by the clock of the pile, in China.
const MORNINGS: &str = "
    INSERT INTO charge (pile_no, reference, connector, started_at, ended_at, energy_pile_wh, updated_at)
    SELECT pile_no, 'M' || n, 1, begun, begun + interval '1 hour', 12000, clock_timestamp()
    FROM pile, generate_series(2, 6) AS n,
         LATERAL (SELECT ((now() AT TIME ZONE 'Asia/Shanghai')::date - n + time '07:30') AT TIME ZONE 'Asia/Shanghai' AS begun) AS morning
    WHERE pile_id = 'Q1'";

/// Four messages of each, which came ten minutes before the time they bear: the clock is ten minutes ahead.
const MESSAGES: &str = "
    INSERT INTO frame (pile_no, time, digest, received_at, connection, protocol, message_id, action, body, mac)
    SELECT pile_no, at, gen_random_uuid(), at - interval '10 minutes', '00000000-0000-0000-0000-000000000001', 'ocpp1.6',
           'm' || minute, 'MeterValues', '', ''
    FROM charge JOIN pile USING (pile_no), generate_series(10, 40, 10) AS minute,
         LATERAL (SELECT started_at + make_interval(mins => minute) AS at) AS told
    WHERE pile_id = 'Q1'";

/// The pile's findings: how many are of a clock that costs nothing that is known, and how many of one that cost 6 too much.
const UNPRICED: &str = "SELECT count(*) FROM signal JOIN pile USING (pile_no)
    WHERE run_no = (SELECT max(run_no) FROM assessment_run) AND pile_id = 'Q1' AND code = 'clock' AND severity = 'warning'
      AND said::text NOT LIKE '%clock_cost%'";
const PRICED: &str = "SELECT count(*) FROM signal JOIN pile USING (pile_no)
    WHERE run_no = (SELECT max(run_no) FROM assessment_run) AND pile_id = 'Q1' AND code = 'clock' AND severity = 'critical'
      AND said::text LIKE '%clock_cost%+6.00%'";

/// Money is told by those prices: of O1, whose highest price of a day is 1.5, at a mean between 0.5 and 1.1; of O2, who tells nothing else, at 0.8.
const MONEY: &str = "SELECT count(*) FROM operator_balance WHERE priced_share = 1 AND CASE operator_id
    WHEN 'O1' THEN abs(excess_cny_upper)::float8 BETWEEN 0.5 * abs(excess_kwh_upper) - 0.006 AND 1.1 * abs(excess_kwh_upper) + 0.006
    ELSE abs(excess_cny_upper::float8 - 0.8 * excess_kwh_upper) < 0.006 END";

// By hand: half of each charge is billed at the price from eight o'clock on, and truly 20 of its 60 minutes lie after it:
// 12 × (1/2 − 1/3) × (1.1 − 0.5) = 1.2 too much, 6 in five days.
#[tokio::test]
async fn a_wrong_clock_costs_what_the_stations_prices_make_of_it() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    register(&binary, &database);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let pile = file("pile.csv", "pile_id,station_id,operator_id,kind,accuracy_class\nQ1,S1,O1,ac,2\n");
    command(&binary, &database, &["register", "--piles", &pile]);
    charges(&database, 1..20, 1).await;
    run(&database, MORNINGS).await;
    run(&database, MESSAGES).await;
    let server = Server::start_with(&binary, &database, free_port(), "closed", &WHOLE_ONCE).await;
    until(&database, COMPARED, 19 * CHARGES * PILES as i64).await;
    assert_eq!(database.number(UNPRICED).await, 1);

    // A day with a gap, and a station that nobody registered, are refused; nothing of them is kept.
    let refused = |content: &str, expected: &str| {
        let prices = file("refused.csv", &format!("station_id,from,to,cny_kwh\n{content}"));
        let output = Command::new(&binary)
            .args(["register", "--prices", &prices])
            .env("VERIPILE_DATABASE_URL", &database.url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    refused("S1,00:00,08:00,0.5\nS1,09:00,24:00,1.1\n", "station S1: none from 08:00 to 09:00");
    refused("S1,00:00,24:00,0.5\nNOBODY,00:00,24:00,1.1\n", "station NOBODY is not registered");
    assert_eq!(database.number("SELECT count(*) FROM station_price").await, 0);

    // With prices the same charges have a cost: the assessment is made anew by itself.
    let prices = file(
        "prices.csv",
        "station_id,from,to,cny_kwh\nS1,00:00,08:00,0.5\nS1,08:00,24:00,1.1\nS2,00:00,24:00,0.8\n",
    );
    let once = command(&binary, &database, &["register", "--prices", &prices]);
    assert!(once.contains("2 new days of prices"), "{once}");
    let again = command(&binary, &database, &["register", "--prices", &prices]);
    assert!(again.contains("0 new days of prices"), "{again}");
    until(&database, PRICED, 1).await;
    assert_eq!(database.number(MONEY).await, 2);
    assert!(server.stop());

    // Prices told since change nothing of what that run knew.
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 0 && said.contains("25 of 25 piles the same"), "{said}");
    let dearer = file("dearer.csv", "station_id,from_hour,to_hour,cny_kwh\nS1,0,24,2\n");
    command(&binary, &database, &["register", "--prices", &dearer]);
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 0 && said.contains("25 of 25 piles the same"), "{said}");
    // They are known of, were the run not to know them.
    run(&database, "DELETE FROM evidence_price").await;
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 2 && said.contains("stations' prices by the hour"), "{said}");
}
