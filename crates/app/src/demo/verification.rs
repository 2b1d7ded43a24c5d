//! The demo's verification: a bench with instruments that speak SCPI and a pile over OCPP, an order, its run live on its page, and the
//! certificate at its end; and a second order that waits for whoever looks.
//!
//! Started by [`super`] beside the simulated city. What people do at the pages (record what they found, start, confirm) two persons of
//! the demo do there, over HTTP ([`visitor`]); what they find is the bench's own truth. It never writes past the product's own way.

mod visitor;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::json;
use tokio::sync::watch;
use veripile_pile::{AccuracyClass, ConnectorType, Pile, PileId, PileKind, Place, Station};
use veripile_simulator::Protocol;
use veripile_simulator::bench::{self, BenchHandle, BenchServer, BenchSettings, WatchdogClock};
use veripile_simulator::link::Line;
use veripile_store::Store;
use veripile_store::verification::{CertificateQuery, OrderState};
use veripile_verification::{
    Calibration, Instrument, InstrumentRole, ItemCode, Order, Pace, Plan, Plate, Reason,
};
use visitor::Visitor;

use super::{REVIEWER, VERIFIER};

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

/// By how much the pile's clock is ahead, ms: within five seconds, as a first verification wants it.
const CLOCK_OFFSET_MS: i64 = 1400;

/// Relative humidity that is told: no bench has any.
const HUMIDITY_PERCENT: &str = "48";

/// Remark on what a simulated pile does not have.
const SIMULATED: &str = "模拟桩 / a simulated pile";

/// What the step needs of the demo.
pub(super) struct Scene {
    pub(super) store: Store,
    pub(super) line: Line,
    /// Where the pages are.
    pub(super) site: SocketAddr,
    /// With which the verifier signs in.
    pub(super) verifier_password: String,
    /// With which the reviewer does.
    pub(super) reviewer_password: String,
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
        clock_offset_ms: CLOCK_OFFSET_MS,
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
            "检定正在进行 / a verification runs live  http://{}/ver/orders/{number}  (signed in as {VERIFIER} or {REVIEWER})",
            scene.site
        ));
        carry_out(scene, &bench.handle(), &pile_id, &number).await?;
        let next = order(scene, &pile_id, &instruments).await?;
        super::say(&format!("您来检定 / another to start yourself  http://{}/ver/orders/{next}", scene.site));
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
        given: None,
        connectors: vec![ConnectorType::GbtAc],
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
                number: format!("{id}-CAL"),
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
        cause: None,
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

/// Lets an order run, records what people look at, and confirms its result as its reviewer: all of it at the pages.
async fn carry_out(scene: &Scene, bench: &BenchHandle, pile_id: &PileId, number: &str) -> Result<()> {
    let store = &scene.store;
    let row = store.verification(number).await?.context("the order is gone")?;
    let verifier = Visitor::sign_in(scene.site, VERIFIER, &scene.verifier_password).await?;
    let at = |part: &str| format!("/ver/orders/{number}/{part}");
    let temperature = bench.settings().ambient_c.to_string();
    let conditions = [("temperature_c", temperature.as_str()), ("humidity_percent", HUMIDITY_PERCENT)];
    verifier.post(&at("conditions"), &conditions).await?;
    for code in row.order.plan.items.iter().filter(|code| **code != ItemCode::ConsistencyAfter) {
        record(scene, bench, pile_id, &verifier, number, *code).await?;
    }
    verifier.post(&at("start"), &[]).await?;
    if await_end(store, number).await? != OrderState::Measured {
        super::say(&format!(
            "检定未完成 / the verification was given up: http://{}/ver/orders/{number}",
            scene.site
        ));
        return Ok(());
    }
    record(scene, bench, pile_id, &verifier, number, ItemCode::ConsistencyAfter).await?;
    let reviewer = Visitor::sign_in(scene.site, REVIEWER, &scene.reviewer_password).await?;
    let page = reviewer.get(&format!("/ver/orders/{number}")).await?;
    let seen = visitor::value(&page, "seen").context("the reviewer is not asked to confirm")?;
    reviewer.post(&at("confirm"), &[("remarks", "模拟检定 / simulated"), ("seen", &seen)]).await?;
    super::say(&format!("已出证 / a certificate was issued  http://{}/c/{number}", scene.site));
    Ok(())
}

/// What somebody finds who looks at an item of a simulated pile, told at the page. What is measured is the bench's own truth.
async fn record(
    scene: &Scene,
    bench: &BenchHandle,
    pile_id: &PileId,
    verifier: &Visitor,
    number: &str,
    code: ItemCode,
) -> Result<()> {
    let mut form = vec![("item", code.word().to_owned())];
    match code {
        ItemCode::Clock => {
            let offset_s = Decimal::new(bench.settings().clock_offset_ms, 3).normalize();
            form.push(("offset_s", offset_s.to_string()));
        }
        ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter => {
            let charge_no = charge(scene, pile_id).await?;
            let bill_kwh = bench.state().bill_kwh.context("the pile on the bench made no bill")?;
            form.extend([("charge", charge_no.to_string()), ("bill_kwh", bill_kwh.to_string())]);
        }
        ItemCode::Seal => form.extend([
            ("number_0", "SIM-0001".to_owned()),
            ("place_0", "表盖 / meter cover".to_owned()),
            ("whole", "yes".to_owned()),
            ("note", SIMULATED.to_owned()),
        ]),
        _ => form.extend([("good", "yes".to_owned()), ("note", SIMULATED.to_owned())]),
    }
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    verifier.post(&format!("/ver/orders/{number}/item"), &form).await
}

/// A normal charge at the pile; its number.
async fn charge(scene: &Scene, pile_id: &PileId) -> Result<i64> {
    let store = &scene.store;
    let before = store.charges(pile_id, 1).await?.first().map(|charge| charge.charge_no);
    let call = json!({ "call": "start_charge", "connector": 1, "token": "BENCH-CARD", "remote_start_id": 1 });
    store.order(pile_id, &call, VERIFIER, Timestamp::now()).await?;
    for _ in 0..LOOKS_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
        let charges = store.charges(pile_id, 1).await?;
        let is_new = |charge_no: i64| Some(charge_no) != before;
        let ended = charges.first().filter(|charge| is_new(charge.charge_no) && charge.ended_at.is_some());
        if let Some(ended) = ended {
            return Ok(ended.charge_no);
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
