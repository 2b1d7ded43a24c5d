//! What others than the pile tell of charges: imported before and after the charges it speaks of, joined, compared, reproduced.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use veripile_tests::{Database, Server, free_port, provided, written};

use super::{BAD, CHARGES, COMPARED, PILES, WHOLE_ONCE, charges, check, register, run, until};

/// Days of charges of which only the piles told.
const TOLD: std::ops::Range<i64> = 1..31;

const HEADER: &str = "pile_id,started_at,ended_at,connector,vehicle_id,vehicle_model,vehicle_path,energy_vehicle_kwh,ambient_c,amount,energy_parts\n";

/// Runs a command with an identity key; exit code and what was said.
fn told(binary: &Path, database: &Database, key: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary)
        .args(arguments)
        .env("VERIPILE_DATABASE_URL", &database.url)
        .env("VERIPILE_IDENTITY__KEY_FILE", key)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

struct Place {
    folder: tempfile::TempDir,
    key: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("identity.key");
        std::fs::write(&key, "07".repeat(32)).unwrap();
        Self { folder, key }
    }

    fn witness(&self, binary: &Path, database: &Database, name: &str, rows: &[String]) -> String {
        let file = written(self.folder.path(), name, HEADER.to_owned() + &rows.concat());
        let (code, said) = told(binary, database, &self.key, &["witness", &file]);
        assert_eq!(code, 0, "{said}");
        said
    }
}

/// A charge as a witness sees it: its clock is a minute and a half behind, and it saw a bit less of it.
#[derive(sqlx::FromRow)]
struct Seen {
    pile_id: String,
    started_at: String,
    ended_at: String,
    vehicle: String,
    energy: i64,
    relayed: i64,
}

impl Seen {
    fn row(&self, amount: &str) -> String {
        let Self { pile_id, started_at, ended_at, vehicle, energy, relayed } = self;
        let model = if vehicle.ends_with(['0', '1', '2', '3']) { "M1" } else { "M2" };
        let degrees = u32::from(vehicle.as_bytes()[31]) % 30;
        let [energy, relayed] = [energy, relayed].map(|wh| format!("{}.{:03}", wh / 1000, wh % 1000));
        let amount = if amount.is_empty() { String::new() } else { format!("{amount},{energy}@1.00") };
        let amount = if amount.is_empty() { ",".to_owned() } else { amount };
        format!(
            "{pile_id},{started_at},{ended_at},1,{vehicle},{model},telematics,{relayed},{degrees},{amount}\n"
        )
    }
}

/// Takes from the charges what vehicles told, and gives it as their makers would.
async fn seen(database: &Database) -> Vec<Seen> {
    let seen = sqlx::query_as(
        "SELECT pile_id, to_char((started_at - interval '90 s' + interval '1 min') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS started_at,
                to_char((ended_at - interval '90 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS ended_at,
                encode(charge.vehicle, 'hex') AS vehicle, energy_pile_wh::bigint AS energy, energy_vehicle_wh::bigint AS relayed
         FROM charge JOIN pile USING (pile_no) ORDER BY charge_no",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    run(
        database,
        "UPDATE charge SET vehicle = NULL, energy_vehicle_wh = NULL, updated_at = clock_timestamp()",
    )
    .await;
    seen
}

#[tokio::test]
async fn what_makers_apps_and_reference_vehicles_tell_is_compared_and_reproduced() {
    let Some((binary, url)) = provided() else { return };
    let (database, place) = (Database::timescale(&url).await, Place::new());
    register(&binary, &database);
    charges(&database, TOLD, 1).await;
    let all = seen(&database).await;
    let server = Server::start_with(&binary, &database, free_port(), "closed", &WHOLE_ONCE).await;
    until(&database, "SELECT count(*) FROM evidence_charge", all.len() as i64).await;
    assert_eq!(database.number(COMPARED).await, 0, "billed energy alone is no score");

    // All but the last twenty, three bad rows among them; one bill asks for a yuan more than its energy costs.
    let (late, early) = all.split_at(20);
    let mut rows: Vec<String> = early.iter().map(|seen| seen.row("")).collect();
    let billed = |seen: &Seen, more: i64| {
        let fen = (seen.energy + 5) / 10 + more;
        seen.row(&format!("{}.{:02}", fen / 100, fen % 100))
    };
    let overcharged = early.iter().position(|seen| seen.pile_id == "P02").unwrap();
    let correct = early.iter().position(|seen| seen.pile_id == "P04").unwrap();
    rows[overcharged] = billed(&early[overcharged], 100);
    rows[correct] = billed(&early[correct], 0);
    rows.push(early[0].row("").replace('P', "Q"));
    rows.push(early[0].row("").replace("telematics", "relayed"));
    rows.push("P00,yesterday,today,1,V,M,app,1,2,,\n".to_owned());
    let said = place.witness(&binary, &database, "first.csv", &rows);
    let fine = early.len();
    assert!(said.contains(&format!("{} rows: {fine} new, 0 known already, 3 rejected", fine + 3)), "{said}");
    assert!(said.contains(&format!("of the new ones {fine} fit a charge, 0 fit none yet")), "{said}");
    let rejected = std::fs::read_to_string(place.folder.path().join("first.csv.rejected.csv")).unwrap();
    let reasons: Vec<&str> = ["pile_not_registered", "vehicle_path_relayed", "not_a_time"]
        .into_iter()
        .filter(|reason| rejected.contains(reason))
        .collect();
    assert!(reasons.len() == 3 && rejected.lines().count() == 4, "{rejected}");
    until(&database, COMPARED, fine as i64).await;

    // The same again says nothing new, and nothing is compared anew.
    let said = place.witness(&binary, &database, "again.csv", &rows[..fine]);
    assert!(said.contains(&format!("{fine} rows: 0 new, {fine} known already, 0 rejected")), "{said}");
    assert!(!place.folder.path().join("again.csv.rejected.csv").exists());

    let verdict = "SELECT count(*) FROM estimate JOIN pile USING (pile_no)
                   WHERE run_no = (SELECT max(run_no) FROM assessment_run) AND pile_id = 'P07' AND verdict = 'nonconform'";
    assert_eq!((BAD, database.number(verdict).await), (7, 1));
    let bills = "SELECT count(*) FROM signal JOIN pile USING (pile_no) WHERE code = 'amount' AND pile_id = 'P02' AND statistic = 1";
    assert_eq!(database.number(bills).await, 1);
    assert_eq!(database.number("SELECT count(*) FROM signal WHERE code = 'amount'").await, 1);

    // What was told before its charge came waits for it; of two charges that a row fits it says nothing of either.
    let charge = "INSERT INTO charge (pile_no, reference, connector, started_at, ended_at, energy_pile_wh, updated_at)
                  SELECT pile_no, 'late', 1, '2026-01-02T10:00:00Z', '2026-01-02T11:00:00Z', 20000, clock_timestamp()
                  FROM pile WHERE pile_id = 'P03'";
    let of = |pile: &str, connector: &str, kwh: &str| {
        format!("{pile},2026-01-02T10:01:00Z,2026-01-02T11:04:00Z,{connector},LATECAR,,app,{kwh},,,\n")
    };
    let said = place.witness(&binary, &database, "before.csv", &[of("P03", "1", "19.5")]);
    assert!(said.contains("0 fit a charge, 1 fit none yet and wait for it"), "{said}");
    run(&database, charge).await;
    let witnessed =
        "SELECT count(*) FROM evidence_charge JOIN charge USING (charge_no) WHERE reference = 'late'
                       AND witness_wh = 19500 AND witness_path = 'app'";
    until(&database, witnessed, 1).await;
    run(&database, "INSERT INTO charge (pile_no, reference, connector, started_at, ended_at, energy_pile_wh, updated_at)
                    SELECT pile_no, 'two' || connector, connector, '2026-01-02T10:00:00Z', '2026-01-02T11:00:00Z', 20000, clock_timestamp()
                    FROM pile, generate_series(1, 2) AS connector WHERE pile_id = 'P05'").await;
    let said = place.witness(&binary, &database, "two.csv", &[of("P05", "", "19.5")]);
    assert!(said.contains("1 fit several charges and speak of none (name the connector)"), "{said}");
    let up_to_date = "SELECT count(*) FROM charge JOIN evidence_charge e USING (charge_no)
                      WHERE reference LIKE 'two%' AND e.updated_at = charge.updated_at";
    until(&database, up_to_date, 2).await;
    let speaks = "SELECT count(*) FROM evidence_charge JOIN charge USING (charge_no) WHERE reference LIKE 'two%' AND witness_wh IS NOT NULL";
    assert_eq!(database.number(speaks).await, 0);

    // The page and the API say how the vehicle's energy came; nothing says whose it is, and nothing that it was a reference vehicle's.
    let number = database.number("SELECT charge_no FROM charge WHERE reference = 'late'").await;
    let side = async || {
        let (_, body) = server.get(&format!("/api/v1/charges/{number}")).await;
        let charge: Value = serde_json::from_str(&body).unwrap();
        let text = |key: &str| charge[key].as_str().map(str::to_owned);
        let (_, page) = server.get(&format!("/check?charge={number}&lang=en")).await;
        assert!(!page.to_lowercase().contains("latecar"), "{page}");
        (text("energy_vehicle_kwh"), text("vehicle_path"), page)
    };
    let (energy, way, page) = side().await;
    assert_eq!((energy.as_deref(), way.as_deref()), (Some("19.5"), Some("app")));
    assert!(page.contains("19.500 (driver&#39;s app)") || page.contains("19.500 (driver's app)"), "{page}");
    let row = of("P03", "1", "19.9").replace(",app,", ",reference,");
    place.witness(&binary, &database, "reference.csv", &[row]);
    let before = "SELECT count(*) FROM evidence_charge JOIN charge USING (charge_no) WHERE reference = 'late'
                    AND witness_wh = 19900 AND witness_path = 'reference'";
    until(&database, before, 1).await;
    let (energy, way, page) = side().await;
    assert!(energy.is_none() && way.is_none() && !page.contains("19.9"), "{page}");

    // Charges of which the rest is told now, and then everything is made again from what is kept.
    let rest: Vec<String> = late.iter().map(|seen| seen.row("")).collect();
    place.witness(&binary, &database, "rest.csv", &rest);
    let taken = "SELECT count(DISTINCT charge_no) FROM evidence_charge WHERE witness_wh IS NOT NULL";
    until(&database, taken, all.len() as i64 + 1).await;
    assert!(server.stop());
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 0 && said.contains(&format!("{PILES} of {PILES} piles the same")), "{said}");
    assert_eq!(all.len() as i64, (TOLD.end - TOLD.start) * CHARGES * PILES as i64);

    let (code, said) =
        told(&binary, &database, &place.folder.path().join("none.key"), &["witness", "none.csv"]);
    assert!(code == 2 && said.contains("no identity key"), "{said}");
}

/// A charge of 20 kWh of which the pile relays 19.
const CHARGE: &str = "INSERT INTO charge (pile_no, reference, connector, vehicle, started_at, ended_at, energy_pile_wh, energy_vehicle_wh, updated_at)
        SELECT pile_no, 'A', 1, '\\x01010101010101010101010101010101', '2026-01-02T10:00:00Z', '2026-01-02T11:00:00Z', 20000, 19000, clock_timestamp()
        FROM pile WHERE pile_id = 'P05'";

/// The newest that is known of a charge: what the pile relayed and what a witness told, Wh; -1 for nothing.
async fn known(database: &Database, expected: (i64, i64)) {
    const RELAYED: &str = "SELECT coalesce((SELECT coalesce(evidence_charge.energy_vehicle_wh, -1)::bigint FROM evidence_charge JOIN charge USING (charge_no)
        WHERE reference = 'A' ORDER BY known_from DESC LIMIT 1), -2)";
    const TOLD: &str = "SELECT coalesce((SELECT coalesce(witness_wh, -1)::bigint FROM evidence_charge JOIN charge USING (charge_no)
        WHERE reference = 'A' ORDER BY known_from DESC LIMIT 1), -2)";
    until(database, TOLD, expected.1).await;
    assert_eq!(database.number(RELAYED).await, expected.0);
}

// One charge of 20 kWh of which the pile relays 19, and what is told of it, row after row.
#[tokio::test]
async fn what_witnesses_tell_is_corrected_taken_back_and_doubted() {
    let Some((binary, url)) = provided() else { return };
    let (database, place) = (Database::timescale(&url).await, Place::new());
    register(&binary, &database);
    run(&database, CHARGE).await;
    // The charge is older than half a year.
    let settings = [WHOLE_ONCE[0], ("VERIPILE_ASSESS__WINDOW_DAYS", "36500")];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    known(&database, (19_000, -1)).await;
    let tell = |name: &str, from: &str, to: &str, vehicle: &str, way: &str, kwh: &str| {
        let row = format!("P05,2026-01-02T{from}:00Z,2026-01-02T{to}:00Z,,{vehicle},,{way},{kwh},,,\n");
        place.witness(&binary, &database, name, &[row])
    };
    tell("first.csv", "10:01", "10:59", "V1", "telematics", "18.0");
    known(&database, (19_000, 18_000)).await;
    tell("corrected.csv", "10:01", "10:59", "V2", "telematics", "18.5");
    known(&database, (19_000, 18_500)).await;
    until(&database, COMPARED, 1).await;
    // An app's word counts less; of another vehicle it is a contradiction, and the pile's own word does not settle it.
    tell("app.csv", "10:00", "11:00", "V2", "app", "18.9");
    known(&database, (19_000, 18_500)).await;
    tell("other.csv", "10:00", "11:00", "V3", "app", "18.9");
    known(&database, (-1, -1)).await;
    // What was compared is no longer: nobody waits a day for verdicts that no longer rest on it.
    until(&database, COMPARED, 0).await;
    tell("back.csv", "10:00", "11:00", "", "app", "");
    known(&database, (19_000, 18_500)).await;
    // A second part of the session: neither part is the whole.
    tell("part.csv", "10:40", "10:59", "V2", "telematics", "5.0");
    known(&database, (19_000, -1)).await;
    tell("part back.csv", "10:40", "10:59", "V2", "telematics", "");
    known(&database, (19_000, 18_500)).await;
    // A charge on the other connector in the same hour comes in late: which of the two was meant nobody knows any more. It turns out to
    // have been another hour: now it is known again.
    run(&database, "INSERT INTO charge (pile_no, reference, connector, started_at, ended_at, energy_pile_wh, updated_at)
                    SELECT pile_no, 'B', 2, started_at, ended_at, energy_pile_wh, clock_timestamp() FROM charge WHERE reference = 'A'").await;
    known(&database, (19_000, -1)).await;
    run(&database, "UPDATE charge SET ended_at = '2026-01-02T10:30:00Z', updated_at = clock_timestamp() WHERE reference = 'B'").await;
    known(&database, (19_000, 18_500)).await;
    assert!(server.stop());
}

// A maker calls the car by its VIN and the driver by its plate: that is one car. Another plate is another car. And of a session told in
// pieces, one of which began before the pile says it ended and ended long after, the piece that fits is not the whole.
#[tokio::test]
async fn two_names_are_one_car_s_and_one_piece_is_no_session() {
    let Some((binary, url)) = provided() else { return };
    let (database, place) = (Database::timescale(&url).await, Place::new());
    register(&binary, &database);
    run(&database, CHARGE).await;
    let server = Server::start_with(&binary, &database, free_port(), "closed", &WHOLE_ONCE).await;
    known(&database, (19_000, -1)).await;
    let tell = |name: &str, from: &str, to: &str, vehicle: &str, way: &str, kwh: &str| {
        let row = format!("P05,2026-01-02T{from}:00Z,2026-01-02T{to}:00Z,,{vehicle},,{way},{kwh},,,\n");
        place.witness(&binary, &database, name, &[row])
    };
    tell("app.csv", "10:00", "11:00", "沪A·12345", "app", "18.9");
    known(&database, (19_000, 18_900)).await;
    tell("maker.csv", "10:01", "10:59", "LSVNV2182E2100001", "telematics", "18.5");
    known(&database, (19_000, 18_500)).await;
    tell("plate.csv", "10:02", "10:58", "沪B·54321", "app", "18.9");
    known(&database, (-1, -1)).await;
    tell("plate back.csv", "10:02", "10:58", "沪B·54321", "app", "");
    known(&database, (19_000, 18_500)).await;
    tell("app back.csv", "10:00", "11:00", "沪A12345", "app", "");
    known(&database, (19_000, 18_500)).await;
    // The maker's first row was of the half hour before a pause.
    tell("maker back.csv", "10:01", "10:59", "LSVNV2182E2100001", "telematics", "");
    known(&database, (19_000, -1)).await;
    // A third of the time is not the whole that the pile relayed; nor may the pile, which says when a charge ended, be rid of it so.
    tell("third.csv", "10:01", "10:21", "LSVNV2182E2100001", "telematics", "6.0");
    until(&database, "SELECT count(*) FROM evidence_due", 0).await;
    known(&database, (-1, -1)).await;
    tell("third back.csv", "10:01", "10:21", "LSVNV2182E2100001", "telematics", "");
    tell("half.csv", "10:01", "10:32", "LSVNV2182E2100001", "telematics", "9.0");
    known(&database, (19_000, 9_000)).await;
    let said = tell("rest.csv", "10:35", "11:20", "LSVNV2182E2100001", "telematics", "9.5");
    assert!(said.contains("0 fit a charge, 1 fit none yet"), "{said}");
    known(&database, (19_000, -1)).await;
    // Another car's session in the same time at the other outlet is no piece of this one.
    tell("rest back.csv", "10:35", "11:20", "LSVNV2182E2100001", "telematics", "");
    known(&database, (19_000, 9_000)).await;
    tell("neighbour.csv", "10:35", "11:20", "LSVNV2182E2100002", "telematics", "9.5");
    tell("app again.csv", "10:00", "11:00", "沪A12345", "app", "8.9");
    until(&database, "SELECT count(*) FROM evidence_due", 0).await;
    known(&database, (19_000, 9_000)).await;
    assert!(server.stop());
}

// No pile was measured on site. One vehicle in sixty is an authority's, read off at its charges, and calibrated: it gives the level.
#[tokio::test]
async fn a_calibrated_reference_vehicle_gives_the_level() {
    let Some((binary, url)) = provided() else { return };
    let (database, place) = (Database::timescale(&url).await, Place::new());
    super::city(&binary, &database);
    charges(&database, TOLD, 1).await;
    let server = Server::start_with(&binary, &database, free_port(), "closed", &WHOLE_ONCE).await;
    until(&database, COMPARED, (TOLD.end - TOLD.start) * CHARGES * PILES as i64).await;
    let grounded =
        "SELECT count(*) FROM estimate WHERE run_no = (SELECT max(run_no) FROM assessment_run) AND grounded";
    assert_eq!(database.number(grounded).await, 0);
    let header = "vehicle_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor\n";
    let mut rows = Vec::new();
    // It reads half a percent too little, which its calibration says, and is at one pile at a time.
    let energies: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT pile_id, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), energy_pile_wh::bigint
         FROM (SELECT DISTINCT ON (ended_at) * FROM charge ORDER BY ended_at, charge_no * 7919 % 24) AS charge
         JOIN pile USING (pile_no)",
    )
    .fetch_all(&mut database.connect().await)
    .await
    .unwrap();
    for (pile, from, to, energy) in &energies {
        let number: usize = pile[1..].parse().unwrap();
        let true_kwh = *energy as f64 / 1000.0 / (1.0 + super::truth(number));
        rows.push(format!("{pile},{from},{to},1,Reference 1,,reference,{:.3},,,\n", 0.995 * true_kwh));
    }
    place.witness(&binary, &database, "reference.csv", &rows);
    // Told rightly, wrongly, and rightly again: the last word counts; the same again is nothing new.
    for (error, new) in [("-0.5", 1), ("-1.5", 1), ("-0.5", 1), ("-0.5", 0)] {
        let row = format!("{header}reference 1,2026-01-01T00:00:00Z,{error},0.1,2\n");
        let references = written(place.folder.path(), "references.csv", row);
        let arguments = ["register", "--references", &references];
        let (code, said) = told(&binary, &database, &place.key, &arguments);
        assert!(code == 0 && said.contains(&format!("{new} new calibrations of vehicles")), "{said}");
    }
    let settled = "SELECT coalesce((SELECT count(*) FROM evidence_reference)
                       * (SELECT (max(as_of) >= (SELECT max(known_from) FROM evidence_reference))::int FROM assessment_run), 0)";
    until(&database, settled, 3).await;
    until(&database, grounded, PILES as i64).await;
    // Four standard uncertainties, of which the pile over by 3 % has none near zero.
    let off = "SELECT count(*) FROM estimate JOIN pile USING (pile_no) WHERE run_no = (SELECT max(run_no) FROM assessment_run)
                 AND pile_id = 'P07' AND abs(error - 0.03) < 4 * standard_uncertainty AND standard_uncertainty < 0.005";
    assert_eq!(database.number(off).await, 1);
    assert!(server.stop());
    let (code, said) = check(&binary, &database, &[]);
    assert!(code == 0 && said.contains(&format!("{PILES} of {PILES} piles the same")), "{said}");
}
