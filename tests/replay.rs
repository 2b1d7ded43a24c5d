//! Real sessions, replayed: every row is accounted for, and estimates agree with the injected truth within what they state.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StudentT};
use veripile_tests::{Database, Server, binary, free_port, provided, shared_data};

const ROWS: i64 = 10_757;

#[tokio::test]
async fn dundee_is_stored_row_by_row_and_its_piles_are_estimated_honestly() {
    let Some(sessions) = shared_data("dundee-2018/sessions_2018-06-06_to_07-31.csv.gz") else { return };
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "open").await;
    let file = |name: &str| std::env::temp_dir().join(format!("veripile-{}-{name}", std::process::id()));
    let (truth, anchors) = (file("truth.csv"), file("anchors.csv"));
    let replayed = Command::new(&binary)
        .args(["simulate", "--url", &server.ocpp(), "--seed", "11", "--replay"])
        .arg(&sessions)
        .arg("--truth")
        .arg(&truth)
        .arg("--anchors")
        .arg(&anchors)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success() && said.contains("refused 0"), "{said}");
    assert_eq!(database.number("SELECT count(*) FROM charge").await, ROWS, "every row is a charge");
    assert_eq!(database.miscounted().await, 0);
    let open = "SELECT count(*) FROM charge WHERE ended_at IS NULL";
    let unexplained = "SELECT count(*) FROM charge WHERE marks = '{}' AND ended_at IS NOT NULL AND (energy_pile_wh IS NULL OR energy_pile_wh <= 0)";
    assert_eq!(database.number(open).await, 45, "the file has 45 rows without an end");
    assert_eq!(database.number(unexplained).await, 0, "whatever is odd is marked with a reason");
    let registered = Command::new(&binary)
        .args(["register", "--anchors"])
        .arg(&anchors)
        .env("VERIPILE_DATABASE_URL", &database.url)
        .status()
        .unwrap();
    assert!(registered.success());
    let estimates = settled(&database).await;
    let anchored: BTreeSet<String> = column(&anchors, 0).into_iter().collect();
    let truth: BTreeMap<String, f64> = column(&truth, 1)
        .into_iter()
        .zip(column(&truth, 2).into_iter().map(|text| text.parse::<f64>().unwrap() / 100.0))
        .collect();
    let (mut covered, mut square, mut stated, mut count) = (0, 0.0, 0.0, 0);
    for (pile, error, u) in estimates.iter().filter(|(pile, _, _)| !anchored.contains(pile)) {
        let off = error - truth[pile];
        covered += i32::from(off.abs() <= 1.96 * u);
        square += off * off;
        stated += u * u;
        count += 1;
    }
    let (rmse, rms_u) = ((square / f64::from(count)).sqrt(), (stated / f64::from(count)).sqrt());
    let coverage = f64::from(covered) / f64::from(count);
    println!(
        "{count} piles: RMSE {:.3} %, stated {:.3} %, coverage {coverage:.3}",
        100.0 * rmse,
        100.0 * rms_u
    );
    assert!(count > 50);
    // One replay has some 57 piles with a common level error: this is no more than a check of the way through OCPP. How honest
    // the intervals are is asked of many seeds below.
    assert!(coverage >= 0.85, "coverage {coverage}");
    assert!(rmse < 1.5 * rms_u, "RMSE {rmse} against stated {rms_u}");
}

/// The grounded estimates of the run that knows the anchors and all charges.
async fn settled(database: &Database) -> Vec<(String, f64, f64)> {
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let charges = "SELECT coalesce((SELECT (facts->>'charges')::bigint FROM assessment_run WHERE (facts->>'anchors')::int = 5 ORDER BY run_no DESC LIMIT 1), 0)";
        // Of one card that was at two chargers at once, again and again, 88 charges are not compared.
        if database.number(charges).await > 9_800 {
            return sqlx::query_as(
                "SELECT pile_id, error, standard_uncertainty FROM estimate JOIN pile USING (pile_no)
                 WHERE grounded AND error IS NOT NULL AND run_no = (SELECT max(run_no) FROM assessment_run)",
            )
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap();
        }
    }
    panic!("no assessment with the anchors in a minute");
}

fn column(file: &std::path::Path, at: usize) -> Vec<String> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let is_truth = reader.headers().unwrap().get(0) == Some("kind");
    let rows = reader.records().map(|record| record.unwrap());
    rows.filter(|row| !is_truth || &row[0] == "pile").map(|row| row[at].to_owned()).collect()
}

const SEEDS: u64 = 40;

/// Who charged where, and how much: the real visits.
fn visits(sessions: &Path) -> Vec<(String, String, f64)> {
    let unpacked = flate2::read::MultiGzDecoder::new(std::fs::File::open(sessions).unwrap());
    let mut reader = csv::Reader::from_reader(unpacked);
    let rows = reader.records().map(|row| row.unwrap());
    rows.filter_map(|row| Some((row[3].to_owned(), row[1].to_owned(), row[7].parse().ok()?)))
        .filter(|(_, user, energy_kwh)| !user.is_empty() && (0.5..200.0).contains(energy_kwh))
        .collect()
}

/// Fewer charges than this and the tails of the noise show through the robust fit; verdicts begin here too.
const ENOUGH: u32 = 10;

/// A pile without anchor: estimate minus truth, stated standard uncertainty, charges.
type Off = (f64, f64, u32);

/// One draw of errors on the visits, assessed.
fn draw(binary: &Path, visits: &[(String, String, f64)], seed: u64, folder: &Path) -> Vec<Off> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let normal = |sd: f64| Normal::new(0.0, sd).unwrap();
    let student = StudentT::new(4.0).unwrap();
    let common = normal(0.005).sample(&mut rng);
    let piles: BTreeSet<&str> = visits.iter().map(|visit| visit.0.as_str()).collect();
    let truth: BTreeMap<&str, f64> =
        piles.iter().map(|pile| (*pile, normal(0.01).sample(&mut rng))).collect();
    let vehicles: BTreeSet<&str> = visits.iter().map(|visit| visit.1.as_str()).collect();
    let biases: BTreeMap<&str, f64> =
        vehicles.iter().map(|vehicle| (*vehicle, common + normal(0.015).sample(&mut rng))).collect();
    let mut charges = String::from(
        "charge_id,pile_id,vehicle_id,vehicle_model,started_at,ended_at,energy_pile_kwh,energy_vehicle_kwh\n",
    );
    for (at, (pile, user, energy_kwh)) in visits.iter().enumerate() {
        let sd = (0.02f64 * 0.02 + (0.15 / energy_kwh) * (0.15 / energy_kwh)).sqrt();
        let noise = (sd * student.sample(&mut rng)).clamp(-0.6, 0.6);
        let vehicle_kwh = energy_kwh / (1.0 + truth[pile.as_str()]) * (biases[user.as_str()] - noise).exp();
        writeln!(
            charges,
            "{at},{pile},{user},,2018-07-01T08:00:00Z,2018-07-01T09:00:00Z,{energy_kwh:.3},{vehicle_kwh:.4}"
        )
        .unwrap();
    }
    let mut anchored: Vec<&str> = piles.into_iter().collect();
    anchored.shuffle(&mut rng);
    anchored.truncate(5);
    let mut anchors =
        String::from("pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor\n");
    for pile in &anchored {
        let found = 100.0 * truth[pile] + normal(0.075).sample(&mut rng);
        writeln!(anchors, "{pile},2018-06-30T00:00:00Z,{found:.4},0.15,2").unwrap();
    }
    let (charges_file, anchors_file) = (folder.join("charges.csv"), folder.join("anchors.csv"));
    std::fs::write(&charges_file, charges).unwrap();
    std::fs::write(&anchors_file, anchors).unwrap();
    let out = folder.join("out");
    let status = Command::new(binary)
        .arg("assess")
        .args([
            Path::new("--charges"),
            &charges_file,
            Path::new("--anchors"),
            &anchors_file,
            Path::new("--out"),
            &out,
        ])
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let mut reader = csv::Reader::from_path(out.join("estimates.csv")).unwrap();
    reader
        .records()
        .map(|row| row.unwrap())
        .filter(|row| &row[2] == "true" && !row[4].is_empty() && !anchored.contains(&&row[0]))
        .map(|row| {
            let number = |at: usize| row[at].parse::<f64>().unwrap() / 100.0;
            (number(4) - truth[&row[0]], number(5), row[3].parse().unwrap())
        })
        .collect()
}

#[test]
fn on_the_real_visits_intervals_hold_what_they_promise() {
    let Some(sessions) = shared_data("dundee-2018/sessions_2018-06-06_to_07-31.csv.gz") else { return };
    let Some(binary) = binary() else { return };
    let visits = visits(&sessions);
    let folder = std::env::temp_dir().join(format!("veripile-seeds-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let all: Vec<Off> = (0..SEEDS).flat_map(|seed| draw(&binary, &visits, seed, &folder)).collect();
    std::fs::remove_dir_all(&folder).unwrap();
    let enough: Vec<Off> = all.iter().copied().filter(|one| one.2 >= ENOUGH).collect();
    for (what, some) in [("all piles", &all), ("piles with ten charges or more", &enough)] {
        let count = some.len() as f64;
        let covered = some.iter().filter(|(off, u, _)| off.abs() <= 1.96 * u).count() as f64 / count;
        let rms = |value: fn(&Off) -> f64| {
            (some.iter().map(|one| value(one) * value(one)).sum::<f64>() / count).sqrt()
        };
        let (rmse, stated) = (rms(|one| one.0), rms(|one| one.1));
        println!(
            "{SEEDS} seeds, {what}, {count} estimates: RMSE {:.3} %, stated {:.3} %, coverage {covered:.3}",
            100.0 * rmse,
            100.0 * stated
        );
        assert!(count > 1500.0);
        assert!((0.93..=0.97).contains(&covered), "{what}: coverage {covered}");
        assert!((0.85..1.15).contains(&(rmse / stated)), "{what}: RMSE {rmse}, stated {stated}");
    }
}
