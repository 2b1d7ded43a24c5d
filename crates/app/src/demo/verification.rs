//! The demo's verification: a bench with instruments that speak SCPI and a pile over OCPP, an order, its run live on its page, and the
//! certificate at its end; and a second order that waits for whoever looks.
//!
//! Started by [`super`] beside the simulated city. What people would do at the pages (look at the pile, read the clock, confirm) is
//! done here in their names; everything else is the product's own way.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::json;
use tokio::sync::watch;
use veripile_pile::{AccuracyClass, Pile, PileId, PileKind, Place, Station};
use veripile_simulator::Protocol;
use veripile_simulator::bench::{self, BenchServer, BenchSettings, WatchdogClock};
use veripile_simulator::link::Line;
use veripile_store::Store;
use veripile_store::verification::{CertificateQuery, OrderState};
use veripile_verification::certificate::{SigningKey, pdf};
use veripile_verification::item::{Evidence, Seal};
use veripile_verification::run::{Event, Happening};
use veripile_verification::texts::Language;
use veripile_verification::{
    Calibration, Certificate, Conditions, Instrument, InstrumentRole, ItemCode, ItemRecord, Order, Pace,
    Plan, Plate, Reason, Run,
};

/// The pile on the bench.
const PILE: &str = "SIM-BENCH-1";

/// Bench time passes so many times faster than ours: a run of hours is over in two minutes and can be watched.
const SPEED: f64 = 120.0;

/// The bench stands so far north of the middle of its station, degrees: 30 m, so that no pile of the station is under it on the map.
const ASIDE_DEG: f64 = 0.000_27;

/// A charge on the bench, s of bench time.
const CHARGE_S: f64 = 600.0;

/// Secret of the simulated meter.
const METER_KEY: [u8; 32] = [7; 32];

/// How often something awaited is looked for, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS_MAX: u32 = 1200;

/// Names of who verifies and who reviews, as they sign in.
const VERIFIER: &str = "verifier";
const REVIEWER: &str = "reviewer";

/// What the step needs of the demo.
pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) line: Line,
    /// Where the pages are, `http://HOST:PORT`.
    pub(super) site: String,
    pub(super) signing: SigningKey,
    /// The body that verifies.
    pub(super) body: &'static str,
    /// A station of the city; its first outlet for tests stands there.
    pub(super) station: Station,
    pub(super) seed: u64,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Verifies the pile on the bench, unless an earlier start of the demo has.
pub(super) async fn show(scene: Scene) -> Result<()> {
    let mut stopping = scene.stopping.clone();
    tokio::select! {
        done = verify(&scene) => done,
        _ = stopping.wait_for(|stop| *stop) => Ok(()),
    }
}

async fn verify(scene: &Scene) -> Result<()> {
    let store = &scene.store;
    let pile_id = PileId::parse(PILE)?;
    register(scene, &pile_id).await?;
    let any = "127.0.0.1:0".parse()?;
    let settings = BenchSettings {
        speed: SPEED,
        watchdog_clock: WatchdogClock::Client,
        charge_s: CHARGE_S,
        signing_key: Some(METER_KEY),
        ..BenchSettings::default()
    };
    let bench = BenchServer::start(settings, scene.seed, any, any).await?;
    let pile = bench::pile::run(bench.handle(), scene.line.clone(), PILE.to_owned(), Protocol::V16);
    let pile = tokio::spawn(pile);
    let instruments = instruments(&bench)?;
    for instrument in &instruments {
        store.save_instrument(instrument, "demo", Timestamp::now()).await?;
    }
    await_pile(store, &pile_id).await?;
    let query = CertificateQuery { pile: Some(pile_id.clone()), limit: 1, ..CertificateQuery::default() };
    if store.certificates_page(&query, Timestamp::now()).await?.is_empty() {
        let number = order(scene, &pile_id, &instruments).await?;
        super::say(&format!(
            "检定正在进行 / a verification runs live  {}/ver/orders/{number}  (signed in as {VERIFIER} or {REVIEWER})",
            scene.site
        ));
        carry_out(scene, &pile_id, &number).await?;
        let next = order(scene, &pile_id, &instruments).await?;
        super::say(&format!("您来检定 / another to start yourself  {}/ver/orders/{next}", scene.site));
    }
    // The bench stands as long as the demo runs.
    pile.await?.context("the pile on the bench gave up")
}

async fn register(scene: &Scene, pile_id: &PileId) -> Result<()> {
    let pile = Pile {
        pile_id: pile_id.clone(),
        station_id: Some(scene.station.station_id.clone()),
        operator_id: Some(scene.station.operator_id.clone()),
        kind: PileKind::Ac,
        class: AccuracyClass(Decimal::TWO),
        power_kw: Some(Decimal::from(7)),
        place: Place::new(scene.station.place.lon, scene.station.place.lat + ASIDE_DEG),
        model: None,
        meter_serial: None,
    };
    scene.store.register_piles(&[pile]).await?;
    Ok(())
}

/// The bench's two instruments, calibrated last month.
fn instruments(bench: &BenchServer) -> Result<Vec<Instrument>> {
    let calibrated_at = Timestamp::now() - SignedDuration::from_hours(30 * 24);
    let settings = BenchSettings::default();
    [
        (InstrumentRole::Source, "SIM-SOURCE", settings.source.word(), settings.source_serial, bench.source),
        (
            InstrumentRole::Standard,
            "SIM-STANDARD",
            settings.standard.word(),
            settings.standard_serial,
            bench.standard,
        ),
    ]
    .into_iter()
    .map(|(role, id, model, serial, address)| {
        Ok(Instrument {
            instrument_id: id.to_owned(),
            role,
            model: model.to_owned(),
            serial,
            address: address.to_string(),
            calibration: Calibration {
                number: format!("SIM-{id}"),
                issuer: "模拟 / simulated".to_owned(),
                calibrated_at,
                valid_until: calibrated_at + SignedDuration::from_hours(365 * 24),
                expanded_uncertainty_percent: "0.03".parse()?,
                coverage_factor: Decimal::TWO,
                drift_percent_per_year: "0.01".parse()?,
            },
        })
    })
    .collect()
}

async fn await_pile(store: &Store, pile_id: &PileId) -> Result<()> {
    for _ in 0..LOOKS_MAX {
        let is_here = store.plate_of(pile_id).await?.is_some_and(|facts| facts.firmware.is_some());
        if is_here {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    anyhow::bail!("the pile on the bench does not connect")
}

/// Makes an order as the rule set proposes it, at a pace that can be watched.
async fn order(scene: &Scene, pile_id: &PileId, instruments: &[Instrument]) -> Result<String> {
    let facts = scene.store.plate_of(pile_id).await?.context("the pile on the bench is not registered")?;
    let voltage_v = Plate::assumed_voltage_v(PileKind::Ac);
    let plate = Plate {
        pile_id: pile_id.clone(),
        kind: PileKind::Ac,
        class: facts.pile.class,
        model: facts.pile.model,
        meter_serial: facts.pile.meter_serial,
        firmware: facts.firmware,
        power_kw: facts.pile.power_kw,
        voltage_v,
        current_max_a: Decimal::from(32),
        register_step_wh: Decimal::ONE,
        pulse_constant: None,
        station: facts.station.map(|(zh, _)| zh),
        operator: facts.operator.map(|(zh, _)| zh),
    };
    let rules = veripile_metrology::rules::for_kind(PileKind::Ac.word())?;
    let pace = Pace { warm_up_s: 5, settle_ms: 500, poll_ms: 500, ..Pace::default() };
    let plan = Plan { pace, ..Plan::propose(&plate, &rules) };
    let now = Timestamp::now();
    let order = Order {
        number: String::new(),
        plate,
        connector: 1,
        reason: Reason::First,
        rule_set: rules.name,
        plan,
        body: scene.body.to_owned(),
        verifier: VERIFIER.to_owned(),
        reviewer: REVIEWER.to_owned(),
        instruments: instruments.to_vec(),
        ordered_by: VERIFIER.to_owned(),
        ordered_at: now,
    };
    Ok(scene.store.make_verification(order, now).await?.number)
}

/// Lets an order run, records what people look at, and confirms its result as its reviewer.
async fn carry_out(scene: &Scene, pile_id: &PileId, number: &str) -> Result<()> {
    let store = &scene.store;
    let row = store.verification(number).await?.context("the order is gone")?;
    let tell = |what| {
        let event = Event { at: Timestamp::now(), what };
        async move { store.append_person_event(number, &event).await }
    };
    tell(Happening::Conditions(Conditions {
        temperature_c: "21.5".parse()?,
        humidity_percent: "48".parse()?,
        person: VERIFIER.to_owned(),
        at: Timestamp::now(),
    }))
    .await?;
    for code in row.order.plan.items.iter().filter(|code| **code != ItemCode::ConsistencyAfter) {
        tell(item(*code, look(scene, pile_id, *code).await?)).await?;
    }
    store.queue_run(number).await?;
    let row = await_end(store, number).await?;
    if row != OrderState::Measured {
        super::say(&format!(
            "检定未完成 / the verification was given up: {}/ver/orders/{number}",
            scene.site
        ));
        return Ok(());
    }
    let after = ItemCode::ConsistencyAfter;
    tell(item(after, look(scene, pile_id, after).await?)).await?;
    issue(scene, number).await
}

/// What somebody finds who looks at an item.
async fn look(scene: &Scene, pile_id: &PileId, code: ItemCode) -> Result<Evidence> {
    Ok(match code {
        ItemCode::Seal => Evidence::Seals {
            seals: vec![Seal {
                number: "SIM-0001".to_owned(),
                place: "表盖 / meter cover".to_owned(),
                photo_sha256: None,
            }],
            whole: true,
        },
        ItemCode::Clock => Evidence::Clock { offset_s: "0.4".parse()?, measured: None },
        ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter => charge(scene, pile_id).await?,
        _ => Evidence::Looked { good: true },
    })
}

fn item(code: ItemCode, evidence: Evidence) -> Happening {
    Happening::Item(ItemRecord {
        code,
        evidence,
        note: String::new(),
        person: VERIFIER.to_owned(),
        at: Timestamp::now(),
    })
}

/// A normal charge at the pile, whose bill is its register's.
async fn charge(scene: &Scene, pile_id: &PileId) -> Result<Evidence> {
    let store = &scene.store;
    let before = store.charges(pile_id, 1).await?.first().map(|charge| charge.charge_no);
    let call = json!({ "call": "start_charge", "connector": 1, "token": "BENCH-CARD", "remote_start_id": 1 });
    store.order(pile_id, &call, VERIFIER, Timestamp::now()).await?;
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        let charges = store.charges(pile_id, 1).await?;
        let ended =
            charges.first().filter(|charge| Some(charge.charge_no) != before && charge.ended_at.is_some());
        let Some(ended) = ended else { continue };
        if let Some(mut evidence) = store.charge_evidence(pile_id, ended.charge_no).await? {
            evidence.bill_kwh = evidence.register_wh.and_then(|wh| wh.checked_div(Decimal::ONE_THOUSAND));
            return Ok(Evidence::Charge(evidence));
        }
    }
    anyhow::bail!("the pile on the bench makes no charge")
}

async fn await_end(store: &Store, number: &str) -> Result<OrderState> {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let row = store.verification(number).await?.context("the order is gone")?;
        if !matches!(row.state, OrderState::Queued | OrderState::Running) {
            return Ok(row.state);
        }
    }
}

async fn issue(scene: &Scene, number: &str) -> Result<()> {
    let store = &scene.store;
    let row = store.verification(number).await?.context("the order is gone")?;
    let run = Run::replay(row.order, &store.all_run_events(row.order_no).await?);
    let now = Timestamp::now();
    let software = concat!("veripile ", env!("CARGO_PKG_VERSION"));
    let certificate = Certificate::of(&run, REVIEWER, "模拟检定 / simulated", now, software)?;
    let issued = certificate.sign(&scene.signing);
    let address = format!("{}/c/{number}", scene.site);
    let printed = pdf::pdf(&issued, Language::Zh, &address)?;
    store.issue(row.order_no, &issued, &printed, now).await?;
    super::say(&format!("已出证 / a certificate was issued  {address}"));
    Ok(())
}
