//! A verification under a real load, from order to certificate: a person charges a vehicle through the standard, brings it to each load
//! point, and the charge ends once in the middle of a reading. Neither source nor outlet is told anything.

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::json;
use veripile_pile::PileId;
use veripile_simulator::Protocol;
use veripile_simulator::bench::BenchSettings;
use veripile_verification::Run;
use veripile_verification::certificate::check::check;
use veripile_verification::run::{Indication, Why};

use super::house::{Bench, Form, House};
use super::methods::{Stage, erring, until};

/// Bench time of a reading: twenty seconds of the server's, beside which a register that takes a busy machine a tenth of one to read
/// leaves room for a decision.
const SPEED: f64 = 100.0;
const READING_S: f64 = 20.0 * SPEED;

/// A charge of the simulated vehicle that nobody ends.
const LONG_S: f64 = 1e9;

const TRUE_PERCENT: f64 = 0.9;

#[tokio::test(flavor = "multi_thread")]
async fn under_a_real_load() {
    let Some(house) = House::build(&[("BENCH-36", "ac", "2")]).await else { return };
    let server = house.serve().await;
    let stage = Stage::new(&house, &server).await;
    let settings = BenchSettings { standard_sees_charges: true, ..erring(TRUE_PERCENT) };
    let bench = stage.bench_at(SPEED, 36, Protocol::V201, settings).await;
    let form = real_load(&stage, &bench).await;
    let number = stage.started(&bench, &form).await;

    person(&stage, &bench, &number).await;

    bench.server.handle().set_vehicle(0.9 * 32.0, 600.0);
    let certificate = stage.certified(&number, TRUE_PERCENT).await;
    let whys: Vec<Why> = certificate.troubles.iter().map(|trouble| trouble.why).collect();
    assert_eq!(whys, [Why::NoLoad], "{:?}", certificate.troubles);
    assert_eq!(certificate.taken.iter().map(|reading| reading.discarded).sum::<u32>(), 1);
    let roles: Vec<_> = certificate.order.instruments.iter().map(|known| known.role.word()).collect();
    assert_eq!(roles, ["standard"]);
    for reading in &certificate.taken {
        assert!(matches!(reading.indication, Indication::Running { .. }), "{:?}", reading.indication);
        assert_eq!(reading.source_c_max, None);
    }
    assert!(!house.run(&number).await.may_be_closed());
    let told = house
        .database
        .number("SELECT count(*) FROM command WHERE call->>'call' = 'change_availability'")
        .await;
    assert_eq!(told, 0, "the outlet is told nothing");
    documents(&stage, &number).await;
    assert!(server.stop());
}

// A charge runs already when the run begins, at the first load point; the others are reached.
#[tokio::test(flavor = "multi_thread")]
async fn under_a_real_load_by_pulses() {
    let Some(house) = House::build(&[("BENCH-37", "dc", "2")]).await else { return };
    let server = house.serve().await;
    let stage = Stage::new(&house, &server).await;
    let settings = BenchSettings {
        standard_sees_charges: true,
        error_percent: TRUE_PERCENT,
        error_at_tenth_percent: TRUE_PERCENT,
        ..BenchSettings::dc()
    };
    let bench = stage.bench_at(super::SPEED, 37, Protocol::V16, settings).await;
    let mut form = Form::proposed(&stage.zhang, &bench.pile, 37).await;
    form.set("load", "real");
    form.set("pulse_constant", "100");
    let mut row = 0;
    while !form.get(&format!("voltage_{row}")).is_empty() {
        form.set(&format!("pulses_{row}"), "1000");
        form.set(&format!("energy_{row}"), "");
        row += 1;
    }
    let number = stage.started(&bench, &form).await;
    let handle = bench.server.handle();
    let mut told = String::new();
    until("the end", async || {
        let run = house.run(&number).await;
        let progress = run.progress();
        tell(&mut told, &run);
        let wanted = run.order().plan.points.get(progress.point).and_then(|point| point.current_a.to_f64());
        handle.set_vehicle(wanted.unwrap_or_default(), LONG_S);
        if progress.stage == "awaiting_charge" && !handle.state().is_charging {
            charge(&stage, &bench).await;
        }
        stage.is_over(&number).await
    })
    .await;
    handle.set_vehicle(0.0, 0.0);
    until("the end of the charge", async || !handle.state().is_charging).await;
    handle.set_vehicle(100.0, 600.0);
    let certificate = stage.certified(&number, TRUE_PERCENT).await;
    assert!(certificate.troubles.is_empty(), "{:?}", certificate.troubles);
    for reading in &certificate.taken {
        assert!(
            matches!(reading.indication, Indication::Pulses { pulses: 1000, .. }),
            "{:?}",
            reading.indication
        );
    }
    super::documents::read(&server, &stage.zhang.cookie, &number).await;
    assert!(server.stop());
}

/// Tells how far a run is, where that is new.
fn tell(told: &mut String, run: &Run) {
    let progress = run.progress();
    let now = format!("{}, {} readings, {:?}", progress.stage, progress.taken, progress.missed);
    if *told != now {
        println!("{now}");
        *told = now;
    }
}

/// Begins a charge.
async fn charge(stage: &Stage<'_>, bench: &Bench) {
    let pile = PileId::parse(&bench.pile).expect("a number");
    let call = json!({ "call": "start_charge", "connector": 1, "token": "CARD-1", "remote_start_id": 1 });
    let ordered = stage.house.store.order(&pile, &call, "zhang", Timestamp::now()).await;
    ordered.expect("ordered").expect("taken");
    until("the charge", async || bench.server.handle().state().is_charging).await;
}

/// The form as it is proposed for a real load at one load point.
async fn real_load(stage: &Stage<'_>, bench: &Bench) -> Form {
    let mut form = Form::proposed(&stage.zhang, &bench.pile, 36).await;
    form.set("load", "real");
    form.set("register_step_wh", "0.1");
    let watts = ["voltage_0", "current_0"].map(|name| form.get(name).parse::<f64>().expect("a number"));
    form.set("energy_0", &format!("{:.0}", watts[0] * watts[1] * READING_S / 3600.0));
    // One load point is enough; all of them are measured by pulses.
    for (row, name) in
        (1..8).flat_map(|row| ["voltage", "current", "factor", "energy"].map(|name| (row, name)))
    {
        form.set(&format!("{name}_{row}"), "");
    }
    form.set("test_mode_vendor", "com.example");
    let (status, _, page) = stage.zhang.post("/ver/orders/new?lang=en", &form.pairs()).await;
    assert!(status == 422 && page.contains("in no mode of its own"), "{page}");
    form.set("test_mode_vendor", "");
    form
}

/// Somebody at the pile until the run is over: begins a charge when asked, brings it to the load point a moment after it was seen on the
/// page what is missed, and trips over the cable in the second reading.
async fn person(stage: &Stage<'_>, bench: &Bench, number: &str) {
    let handle = bench.server.handle();
    let (mut has_seen, mut has_tripped, mut told) = (false, false, String::new());
    until("the end", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let run = stage.house.run(number).await;
        let progress = run.progress();
        tell(&mut told, &run);
        let path = format!("/ver/orders/{number}?lang=en");
        let wanted = run.order().plan.points.get(progress.point).map(|point| point.current_a);
        let wanted = wanted.and_then(|current| current.to_f64()).unwrap_or_default();
        match progress.stage {
            "awaiting_charge" => {
                let asked = stage.zhang.get(&path).await.1;
                assert!(asked.contains("begin one at the outlet"), "{asked}");
                handle.set_vehicle(wanted / 2.0, LONG_S);
                if !handle.state().is_charging {
                    charge(stage, bench).await;
                }
            }
            "awaiting_point" => {
                if let Some(missed) = progress.missed {
                    has_seen |= stage.zhang.get(&path).await.1.contains(&missed);
                    handle.set_vehicle(wanted, LONG_S);
                }
            }
            "reading" if progress.taken == 1 && progress.energy_wh.is_some() && !has_tripped => {
                has_tripped = true;
                handle.set_vehicle(wanted, 0.0);
                until("the end of the charge", async || !handle.state().is_charging).await;
            }
            _ => {}
        }
        stage.is_over(number).await
    })
    .await;
    assert!(has_seen && has_tripped, "{has_seen} {has_tripped}");
    handle.set_vehicle(0.0, 0.0);
    until("the end of the last charge", async || !handle.state().is_charging).await;
}

/// The file holds offline, and the other forms say that the load was real.
async fn documents(stage: &Stage<'_>, number: &str) {
    let json = stage.server.get(&format!("/api/v1/certificates/{number}.json")).await.1;
    let (code, told) = stage.house.check_offline(stage.server, &json).await;
    assert_eq!(code, Some(0), "{told}");
    let certificate = check(&json, &[]).certificate.expect("a document");
    let doubt = certificate.result.points[0].budget.iter().find(|line| line.code == "register_time");
    assert!(doubt.is_some_and(|line| Decimal::ZERO < line.contribution_percent), "{doubt:?}");
    let xml = stage.server.get(&format!("/api/v1/certificates/{number}.dcc.xml")).await.1;
    assert!(
        xml.contains("Real load") && !xml.contains("outputs off") && !xml.contains("Virtual-load source")
    );
    super::documents::read(stage.server, &stage.zhang.cookie, number).await;
}
