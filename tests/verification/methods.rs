//! The other ways to take a reading, each whole, from order to certificate, at a pile whose true error is known: by pulses, off the
//! display by a person at the page, and in a vendor's virtual-load mode, without which the pile's meter stands still.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use veripile_simulator::Protocol;
use veripile_simulator::bench::BenchSettings;
use veripile_store::verification::OrderState;
use veripile_tests::Server;
use veripile_verification::certificate::check::check;
use veripile_verification::run::{Indication, Why};
use veripile_verification::{Certificate, Ending, Happening, ItemCode, Verdict};

use super::house::{Bench, Form, House, Visitor, register_instruments};
use super::{RUN_S_MAX, SPEED, confirmed, ordered, record_charge};

/// Pulses of one reading: a kilowatt hour of a pile that gives a thousand for it.
const PULSES: u64 = 1000;

/// Vendor of the simulated pile's virtual-load mode, and one whose mode no pile here has.
const VENDOR: &str = "veripile";
const STRANGER: &str = "com.example";

/// A pile of this true error at every load, percent. Its register is so fine that readings hardly scatter for its steps.
pub(crate) fn erring(percent: f64) -> BenchSettings {
    BenchSettings {
        error_percent: percent,
        error_at_tenth_percent: percent,
        register_step_wh: Decimal::new(1, 1),
        ..BenchSettings::default()
    }
}

/// The same whose meter meters the source's load in its virtual-load mode only.
fn with_mode(percent: f64) -> BenchSettings {
    BenchSettings { meters_in_mode_only: true, ..erring(percent) }
}

/// What these tests share.
pub(crate) struct Stage<'a> {
    pub(crate) house: &'a House,
    pub(crate) server: &'a Server,
    root: Visitor<'a>,
    pub(crate) zhang: Visitor<'a>,
    pub(crate) li: Visitor<'a>,
}

impl<'a> Stage<'a> {
    pub(crate) async fn new(house: &'a House, server: &'a Server) -> Self {
        Self {
            house,
            server,
            root: Visitor::sign_in(server, "root").await,
            zhang: Visitor::sign_in(server, "zhang").await,
            li: Visitor::sign_in(server, "li").await,
        }
    }

    /// A bench with its pile connected and its instruments registered.
    async fn bench(&self, number: u32, protocol: Protocol, settings: BenchSettings) -> Bench {
        self.bench_at(SPEED, number, protocol, settings).await
    }

    pub(crate) async fn bench_at(
        &self,
        speed: f64,
        number: u32,
        protocol: Protocol,
        settings: BenchSettings,
    ) -> Bench {
        let bench = Bench::start_at(speed, number, &self.house.ocpp(), protocol, settings).await;
        register_instruments(&self.root, &bench, number, ("fluke-6105a-like", "zera-like")).await;
        self.house.until_connected(&bench.pile).await;
        bench
    }

    /// Orders, makes the charge before, starts; the order's number.
    pub(crate) async fn started(&self, bench: &Bench, form: &Form) -> String {
        let number = ordered(&self.zhang, form).await;
        assert_eq!(self.house.order(&number).await.order.plate.pile_id.as_str(), bench.pile);
        record_charge(self.house, &self.zhang, &number, ItemCode::ConsistencyBefore).await;
        self.zhang.done(&format!("/ver/orders/{number}/start?lang=en"), &[]).await;
        number
    }

    pub(crate) async fn is_over(&self, number: &str) -> bool {
        matches!(self.house.order(number).await.state, OrderState::Measured | OrderState::Abandoned)
    }

    /// Measured, recorded and confirmed: the certificate, in which the true error lies inside the stated uncertainty.
    pub(crate) async fn certified(&self, number: &str, true_percent: f64) -> Certificate {
        confirmed(self.house, &self.zhang, &self.li, number).await;
        let (status, json) = self.server.get(&format!("/api/v1/certificates/{number}.json")).await;
        assert_eq!(status, 200, "{json}");
        let certificate = *check(&json, &[]).certificate.expect("a document");
        assert_eq!(certificate.result.verdict, Verdict::Conform);
        for point in &certificate.result.points {
            let [error, expanded, limit] =
                [point.error_percent, point.expanded_uncertainty_percent, point.limit_percent]
                    .map(|value| f64::try_from(value).expect("a number"));
            assert!((error - true_percent).abs() <= expanded, "{error} ± {expanded}, truth {true_percent}");
            // It says something: no error at all would not lie inside.
            assert!(expanded < limit / 3.0 && limit / 3.0 < true_percent.abs(), "{expanded} of {limit}");
        }
        certificate
    }

    /// The run is given up for this reason: outputs off, the outlet open again or not, no document, and the page says why.
    async fn given_up(&self, bench: &Bench, number: &str, opens: bool, (why, detail): (Why, &str)) {
        let row = self.house.until(number, &[OrderState::Measured, OrderState::Abandoned]).await;
        let Some(Ending::Abandoned { why: told, detail: said, outputs_off, operative }) = &row.ending else {
            panic!("{number}: {:?}", row.ending);
        };
        assert_eq!(*told, why, "{said}");
        assert!(said.contains(detail), "{said}");
        assert!(*outputs_off && *operative == opens, "{outputs_off} {operative}");
        let state = bench.server.handle().state();
        assert!(!state.is_on && !state.is_virtual_load);
        let (word, _) = self.house.store.connector_told(row.pile_no, 1).await.expect("read").expect("told");
        assert_eq!(word, if opens { "Available" } else { "Unavailable" });
        assert_eq!(self.server.get(&format!("/api/v1/certificates/{number}.json")).await.0, 404);
        let (_, page) = self.zhang.get(&format!("/ver/orders/{number}?lang=en")).await;
        assert!(page.contains(detail), "{page}");
    }
}

/// Does something until it says that it is done.
pub(crate) async fn until(what: &str, mut is_done: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_done().await {
        assert!(began.elapsed().as_secs() < RUN_S_MAX, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_pulses() {
    let Some(house) = House::build(&[("BENCH-31", "ac", "2")]).await else { return };
    let server = house.serve().await;
    let stage = Stage::new(&house, &server).await;
    // Its registers are told in whole watt hours: OCPP 1.6 has no others for the ends of a charge.
    let settings = BenchSettings { register_step_wh: Decimal::ONE, ..erring(0.9) };
    let bench = stage.bench(31, Protocol::V16, settings).await;
    let mut form = Form::proposed(&stage.zhang, &bench.pile, 31).await;
    let rows: Vec<usize> =
        (0..100).take_while(|row| !form.get(&format!("voltage_{row}")).is_empty()).collect();
    for row in &rows {
        form.set(&format!("pulses_{row}"), &PULSES.to_string());
        form.set(&format!("energy_{row}"), "");
    }
    // Without the constant on its plate a pile's pulses say nothing.
    let (status, _, page) = stage.zhang.post("/ver/orders/new?lang=en", &form.pairs()).await;
    assert!(status != 303 && page.contains("Pulse constant"), "{page}");
    form.set("pulse_constant", "1000");
    let number = stage.started(&bench, &form).await;
    let certificate = stage.certified(&number, 0.9).await;
    assert_eq!(certificate.result.points.len(), rows.len());
    for reading in &certificate.taken {
        let Indication::Pulses { pulses, pile_constant, standard_constant } = &reading.indication else {
            panic!("{:?}", reading.indication);
        };
        assert_eq!((*pulses, *pile_constant), (PULSES, Decimal::ONE_THOUSAND));
        // In the standard's range of 10 kW it gives a thousand pulses a second: 360,000 in a kilowatt hour.
        assert_eq!(*standard_constant, Decimal::from(360_000));
        // Some 0.9 % less than that flows while the pile shows one: to half of its limit of 2 %.
        let counted = f64::try_from(reading.reference).expect("a number");
        assert!((counted / 360_000.0 - 1.0 / 1.009).abs() < 0.01, "{counted}");
    }
    let json = server.get(&format!("/api/v1/certificates/{number}.json")).await.1;
    let (code, told) = house.check_offline(&server, &json).await;
    assert_eq!(code, Some(0), "{told}");
    super::documents::read(&server, &stage.zhang.cookie, &number).await;
    assert!(server.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn off_the_display_by_a_person() {
    let Some(house) = House::build(&[("BENCH-32", "ac", "2")]).await else { return };
    let server = house.serve().await;
    let stage = Stage::new(&house, &server).await;
    let bench = stage.bench(32, Protocol::V201, erring(-1.1)).await;
    let mut form = Form::proposed(&stage.zhang, &bench.pile, 32).await;
    form.set("register", "display");
    form.set("register_step_wh", "0.1");
    let number = stage.started(&bench, &form).await;
    until_asked(&stage, &number).await;
    display_refused(&stage, &number).await;
    let mut reads = 0;
    loop {
        until_asked(&stage, &number).await;
        if stage.is_over(&number).await {
            break;
        }
        let kwh = (bench.server.handle().register_wh() / Decimal::ONE_THOUSAND).to_string();
        let form = [("display_kwh", kwh.as_str())];
        stage.zhang.done(&format!("/ver/orders/{number}/display?lang=en"), &form).await;
        reads += 1;
    }
    let certificate = stage.certified(&number, -1.1).await;
    assert_eq!(reads, 2 * certificate.taken.len(), "before and after each reading, and at no other time");
    let row = house.order(&number).await;
    let events = house.store.all_run_events(row.order_no).await.expect("read");
    let readers = events.iter().filter_map(|event| match &event.what {
        Happening::DisplayRead { person, .. } => Some(person.as_str()),
        _ => None,
    });
    assert_eq!(readers.collect::<Vec<_>>(), vec!["zhang"; reads]);
    let asked = events.iter().filter(|event| matches!(event.what, Happening::Register { .. })).count();
    assert_eq!(asked, 0, "the pile itself was not asked");
    assert!(server.stop());
}

/// Waits until the run asks for the display, or is over.
async fn until_asked(stage: &Stage<'_>, number: &str) {
    until("a question for the display", async || {
        stage.is_over(number).await || stage.house.run(number).await.progress().asks_display
    })
    .await;
}

/// The verifier's page asks, a value that is none is refused, and nobody else's is taken.
async fn display_refused(stage: &Stage<'_>, number: &str) {
    let path = format!("/ver/orders/{number}/display?lang=en");
    let page_of = format!("/ver/orders/{number}?lang=en");
    let form = format!("/ver/orders/{number}/display?");
    assert!(stage.zhang.get(&page_of).await.1.contains(&form), "the verifier is asked");
    assert!(!stage.li.get(&page_of).await.1.contains(&form), "the reviewer is not");
    for wrong in ["", "12,5 kWh", "-1"] {
        let (status, _, page) = stage.zhang.post(&path, &[("display_kwh", wrong)]).await;
        assert_eq!(status, 422, "{wrong}");
        assert!(page.contains(&form), "it is asked again: {page}");
    }
    assert_ne!(stage.li.post(&path, &[("display_kwh", "1")]).await.0, 303, "the reviewer reads nothing");
    assert!(stage.house.run(number).await.progress().asks_display, "nothing was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_vendors_mode_and_not_without_it() {
    let piles = ["BENCH-33", "BENCH-34", "BENCH-35"].map(|pile| (pile, "ac", "2"));
    let Some(house) = House::build(&piles).await else { return };
    let server = house.serve().await;
    let stage = Stage::new(&house, &server).await;
    let mut orders = Vec::new();
    for (number, protocol, vendor) in
        [(33, Protocol::V201, VENDOR), (34, Protocol::V16, STRANGER), (35, Protocol::V16, "")]
    {
        let bench = stage.bench(number, protocol, with_mode(1.2)).await;
        let mut form = Form::proposed(&stage.zhang, &bench.pile, number).await;
        form.set("test_mode_vendor", vendor);
        form.set("failures_max", "0");
        form.set("register_step_wh", "0.1");
        orders.push((stage.started(&bench, &form).await, bench));
    }
    let [(good, in_mode), (strange, refusing), (without, still)] = &orders[..] else { panic!("three") };
    until("the mode", async || {
        house.order(good).await.state != OrderState::Running
            || in_mode.server.handle().state().is_virtual_load
    })
    .await;
    // Had it not been told to begin, its register would have stood still; that it was told to end its state says.
    let certificate = stage.certified(good, 1.2).await;
    assert!(!in_mode.server.handle().state().is_virtual_load, "it was taken out of its mode");
    assert_eq!(certificate.order.plan.test_mode_vendor.as_deref(), Some(VENDOR));
    assert!(certificate.troubles.is_empty(), "{:?}", certificate.troubles);

    let asked = "UnknownVendorId to DataTransfer com.example VirtualLoad start";
    // That it refuses is no proof that it is not in its mode: a person looks first.
    stage.given_up(refusing, strange, false, (Why::PileError, asked)).await;
    assert!(house.run(strange).await.taken().is_empty(), "nothing was measured");
    stage.given_up(still, without, true, (Why::RegisterStrange, "Wh before")).await;
    assert!(server.stop());
}
