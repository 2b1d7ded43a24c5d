//! What a master tells of DC piles follows the efficiency that is registered of them: known from then on, and as each run knew it.

use std::process::Command;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use veripile_tests::{Database, Server, command, free_port, provided, written};

use super::{PILES, STEP, STEPPED, WHOLE_ONCE, charges, check, city, run, truth, until};

/// What the first station's piles truly give of what they take.
const EFFICIENCY: f64 = 0.93;

/// Days of energies by its master and its piles' registers, hour by hour.
const DAYS: i64 = 14;

const RUNS: &str = "SELECT coalesce(max(run_no), 0) FROM assessment_run";
const GROUNDED: &str =
    "SELECT count(*) FROM estimate WHERE run_no = (SELECT max(run_no) FROM assessment_run) AND grounded";

/// The first station's piles, DC all of them, with other columns and what these say of each.
fn direct(columns: &str, cells: &str) -> String {
    let mut table = format!("pile_id,kind,accuracy_class{columns}\n");
    for pile in (0..PILES).step_by(2) {
        table += &format!("P{pile:02},dc,2{cells}\n");
    }
    table
}

/// Energies of the station's master and of its piles' registers: with losses of 0.3 % and 0.2 kW of standby.
fn energies() -> [String; 2] {
    let mut masters = "station_id,from,to,energy_kwh,accuracy_class\n".to_owned();
    let mut registers = "pile_id,from,to,energy_kwh\n".to_owned();
    let first = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * (DAYS + 6));
    let first = jiff::Timestamp::from_second(first.as_second() / 3600 * 3600).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let load = Normal::new(20.0, 8.0).unwrap();
    for hour in 0..24 * DAYS {
        let from = first + jiff::SignedDuration::from_hours(hour);
        let to = from + jiff::SignedDuration::from_hours(1);
        let mut taken = 0.0;
        for pile in (0..PILES).step_by(2) {
            let sampled: f64 = load.sample(&mut random);
            let told = sampled.max(0.0);
            taken += told / (1.0 + truth(pile)) / EFFICIENCY;
            registers += &format!("P{pile:02},{from},{to},{told:.4}\n");
        }
        masters += &format!("S1,{from},{to},{:.4},0.2\n", taken * 1.003 + 0.2);
    }
    [masters, registers]
}

/// Each pile's error and its standard uncertainty, as the newest run tells them.
async fn errors(database: &Database) -> Vec<(f64, f64)> {
    let query = "SELECT error, standard_uncertainty FROM estimate JOIN pile USING (pile_no)
                 WHERE run_no = (SELECT max(run_no) FROM assessment_run) ORDER BY pile_id";
    sqlx::query_as(query).fetch_all(&mut database.connect().await).await.unwrap()
}

// By hand: where η is 0.93 and 0.95 is told, the same registers stand for 0.93/0.95 of the energy that came in, and ln(1 + e) is lower by
// ln(0.95/0.93) = 0.02128; a twentieth less, since what vehicles read in the mean has a prior, too.
#[tokio::test]
async fn the_level_of_dc_piles_follows_the_efficiency_that_is_registered() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    city(&binary, &database);
    charges(&database, 1..20, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let told = |columns: &str, cells: &str| {
        let piles = file("piles.csv", &direct(columns, cells));
        command(&binary, &database, &["register", "--piles", &piles]);
    };
    told("", "");
    let [masters, registers] = energies();
    let (masters, registers) = (file("masters.csv", &masters), file("registers.csv", &registers));
    command(&binary, &database, &["register", "--masters", &masters, "--registers", &registers]);
    let server = Server::start_with(&binary, &database, free_port(), "closed", &WHOLE_ONCE).await;
    until(&database, RUNS, 1).await;
    assert_eq!(database.number(GROUNDED).await, 0, "a presumed efficiency tells no level");

    // What is no efficiency is refused with line and column, and one that stands in two columns by its name; nothing of them is kept.
    let refused = |columns: &str, cells: &str, expected: &str| {
        let piles = file("refused.csv", &direct(columns, cells));
        let output = Command::new(&binary)
            .args(["register", "--piles", &piles])
            .env("VERIPILE_DATABASE_URL", &database.url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    refused(",efficiency", ",93", "refused.csv, line 2: column efficiency: 93 is no fraction from 0.5 to 1");
    refused(",efficiency_u", ",0.001", "line 2: column efficiency_u: 0.001 is of no efficiency");
    refused(",efficiency,efficiency", ",0.93,0.95", "line 1: the column efficiency stands twice");
    let known = "SELECT count(*) FROM pile WHERE efficiency IS NOT NULL OR efficiency_u IS NOT NULL";
    assert_eq!(database.number(known).await, 0);

    // The right one grounds both stations, by the vehicles that they share.
    told(",efficiency,efficiency_u", ",0.93,0.001");
    until(&database, RUNS, 2).await;
    assert_eq!(database.number(GROUNDED).await, PILES as i64);
    let right = errors(&database).await;
    for (pile, (error, u)) in right.iter().enumerate() {
        let is = truth(pile) + if pile == STEPPED { STEP } else { 0.0 };
        assert!((error - is).abs() < 4.0 * u && *u < 0.005, "P{pile:02}: {error} ± {u} of {is}");
    }

    // Another moves all of them by as much as it is another; one by which most would be nonconform would not be believed.
    told(",efficiency,efficiency_u", ",0.935,0.001");
    until(&database, RUNS, 3).await;
    for ((before, _), (after, _)) in right.iter().zip(errors(&database).await) {
        let moved = after.ln_1p() - before.ln_1p();
        assert!((moved + 0.00536).abs() < 0.0015, "{before} to {after}");
    }

    // A table without the columns says nothing of it, an empty one takes it back.
    told("", "");
    assert_eq!(database.number(known).await, PILES as i64 / 2);
    told(",efficiency,efficiency_u", ",,");
    assert_eq!(database.number(known).await, 0);
    until(&database, RUNS, 4).await;
    assert_eq!(database.number(GROUNDED).await, 0);
    assert!(server.stop());

    // Each run comes out as it did, by what it knew.
    for number in ["1", "2", "3", "4"] {
        let (code, said) = check(&binary, &database, &["--run", number]);
        assert!(code == 0 && said.contains("all 24 piles of the run are those of then"), "{number}: {said}");
    }
    // What was known is part of what is held against it.
    run(&database, "UPDATE evidence_pile SET efficiency = 0.94 WHERE efficiency = 0.93").await;
    let (code, said) = check(&binary, &database, &["--run", "2"]);
    assert!(code == 1 && said.contains("the facts are not those of then"), "{said}");
}
