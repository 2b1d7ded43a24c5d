//! A verification from order to certificate: the real server, instruments that speak SCPI over real sockets, a pile over OCPP whose
//! true error is known, and people at the pages. Its documents are read by others' programs; the server is killed in the middle of
//! runs and of confirmations; and everything goes wrong that the bench has a name for.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

#[path = "verification/documents.rs"]
mod documents;
#[path = "verification/faults.rs"]
mod faults;
#[path = "verification/firmware.rs"]
mod firmware;
#[path = "verification/house.rs"]
mod house;
#[path = "verification/killed.rs"]
mod killed;
#[path = "verification/load.rs"]
mod load;
#[path = "verification/methods.rs"]
mod methods;

use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use veripile_pile::PileId;
use veripile_simulator::Protocol;
use veripile_simulator::bench::{BenchSettings, StandardModel};
use veripile_store::verification::OrderState;
use veripile_tests::Server;
use veripile_verification::{Ending, ItemCode};

use house::{Bench, Form, House, Visitor, register_instruments};

/// Bench time passes so many times faster than the server's: a kilowatt hour at 7 kW takes a quarter of a second.
const SPEED: f64 = 2000.0;

/// Longest wait for a run. Nothing is timed: a run that hangs fails.
const RUN_S_MAX: u64 = 120;

const PASSWORD: &str = "a password of mine";

/// Makes an order from a form; its number.
async fn ordered(visitor: &Visitor<'_>, form: &Form) -> String {
    let leads = visitor.done("/ver/orders/new?lang=en", &form.pairs()).await;
    leads.split('/').nth(3).unwrap().split(['?', '#']).next().unwrap().to_owned()
}

/// A normal charge at the outlet; its number and its energy as the bill has it, kWh.
async fn charge(house: &House, pile: &str) -> (i64, String) {
    let id = PileId::parse(pile).unwrap();
    let ended = || async {
        let charges = house.store.charges(&id, 100).await.expect("read");
        charges
            .into_iter()
            .filter(|charge| charge.ended_at.is_some())
            .map(|c| c.charge_no)
            .collect::<Vec<_>>()
    };
    let before = ended().await;
    let call = json!({ "call": "start_charge", "connector": 1, "token": "CARD-1", "remote_start_id": 1 });
    house.store.order(&id, &call, "zhang", Timestamp::now()).await.expect("ordered").expect("taken");
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(charge_no) = ended().await.into_iter().find(|number| !before.contains(number)) {
            let evidence = house.store.charge_evidence(&id, charge_no).await.expect("read").expect("there");
            let energy_kwh = evidence.register_wh.expect("registers") / rust_decimal::Decimal::ONE_THOUSAND;
            return (charge_no, format!("{energy_kwh:.3}"));
        }
    }
    panic!("{pile} makes no charge");
}

/// A charge beside the test, with its bill, as the verifier records it.
async fn record_charge(house: &House, verifier: &Visitor<'_>, number: &str, item: ItemCode) {
    let row = house.order(number).await;
    let (charge_no, bill) = charge(house, row.order.plate.pile_id.as_str()).await;
    let charge_no = charge_no.to_string();
    let form = [("item", item.word()), ("charge", charge_no.as_str()), ("bill_kwh", bill.as_str())];
    verifier.done(&format!("/ver/orders/{number}/item?lang=en"), &form).await;
}

/// Records what an order asks for besides its readings and the charge before them.
async fn record_items(house: &House, verifier: &Visitor<'_>, number: &str) {
    let row = house.order(number).await;
    let at = |part: &str| format!("/ver/orders/{number}/{part}?lang=en");
    verifier.done(&at("conditions"), &[("temperature_c", "21.5"), ("humidity_percent", "45")]).await;
    for item in &row.order.plan.items {
        match item {
            ItemCode::Seal => {
                let form = [("item", "seal"), ("number_0", "F-0001"), ("place_0", "表盖"), ("whole", "yes")];
                verifier.done(&at("item"), &form).await;
            }
            ItemCode::Clock => record_clock(verifier, number).await,
            ItemCode::ConsistencyBefore => {}
            ItemCode::ConsistencyAfter => record_charge(house, verifier, number, *item).await,
            ItemCode::Payment => {
                let form = [
                    ("item", "payment"),
                    ("energy_0", "10"),
                    ("price_0", "0.8"),
                    ("service_0", "0.4"),
                    ("amount", "12.00"),
                ];
                verifier.done(&at("item"), &form).await;
            }
            other => {
                verifier.done(&at("item"), &[("item", other.word()), ("good", "yes")]).await;
            }
        }
    }
}

/// The clock as the pile's messages tell it is offered; who read another time must say why. The simulated pile's clock is ours.
async fn record_clock(verifier: &Visitor<'_>, number: &str) {
    let (_, page) = verifier.get(&format!("/ver/orders/{number}?lang=en")).await;
    assert!(page.contains("messages, shortest round trip"), "{page}");
    let form = format!("/ver/orders/{number}/item?lang=en");
    let wrong = [("item", "clock"), ("offset_s", "999")];
    let (status, _, page) = verifier.post(&form, &wrong).await;
    assert!(status == 422 && page.contains("differs from what was measured"), "{status} {page}");
    verifier.done(&form, &[("item", "clock"), ("offset_s", "999"), ("note", "misread")]).await;
    let (_, page) = verifier.get(&format!("/ver/orders/{number}?lang=en")).await;
    assert!(page.contains("⚠"), "the page says that they contradict: {page}");
    verifier.done(&form, &[("item", "clock"), ("offset_s", "1.5")]).await;
}

/// A document says how the clock was measured, whose the risk of each decision is, and what a Monte Carlo method makes of each budget.
fn has_risks_and_clock(certificate: &Value) {
    assert_eq!(certificate["format"], "veripile-certificate/5");
    for point in certificate["result"]["points"].as_array().expect("a list") {
        assert_eq!(point["risk"]["bearer"], "consumer", "{point}");
        assert_eq!(point["monte_carlo"]["trials"], 300_000, "{point}");
    }
    let items = certificate["items"].as_array().expect("a list");
    let clock = &items.iter().find(|item| item["code"] == "clock").expect("asked for")["evidence"];
    let seconds = |value: &Value| value.as_str().expect("a text").parse::<f64>().expect("a number");
    let measured = &clock["measured"];
    // To the millisecond that stamps and arrivals are cut to.
    let off = seconds(&measured["offset_s"]).abs();
    assert!(off <= seconds(&measured["half_width_s"]) + 0.002, "{clock}");
    assert_eq!(clock["offset_s"], "1.5");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_order_to_certificate_and_to_notice() {
    let piles = [("BENCH-1", "ac", "2"), ("BENCH-2", "dc", "1")];
    let Some(house) = House::build(&piles).await else { return };
    let server = house.serve().await;
    let good = BenchSettings { error_percent: 0.4, error_at_tenth_percent: 0.6, ..BenchSettings::default() };
    let bad = BenchSettings {
        error_percent: 2.6,
        error_at_tenth_percent: 2.6,
        standard: StandardModel::YokogawaWt,
        ..BenchSettings::dc()
    };
    let benches = [
        Bench::start(1, &house.ocpp(), Protocol::V16, good).await,
        Bench::start(2, &house.ocpp(), Protocol::V201, bad).await,
    ];
    let [root, zhang, li] = [
        Visitor::sign_in(&server, "root").await,
        Visitor::sign_in(&server, "zhang").await,
        Visitor::sign_in(&server, "li").await,
    ];
    register_instruments(&root, &benches[0], 1, ("fluke-6105a-like", "zera-like")).await;
    register_instruments(&root, &benches[1], 2, ("dc-phantom-like", "yokogawa-wt-like")).await;
    for bench in &benches {
        house.until_connected(&bench.pile).await;
    }

    refused_in_both_roles(&zhang).await;

    let mut numbers = Vec::new();
    for (number, bench) in (1..).zip(&benches) {
        numbers.push(started(&house, &zhang, &bench.pile, number).await);
    }
    for number in &numbers {
        confirmed(&house, &zhang, &li, number).await;
    }
    let json = certified(&house, &server, &numbers[0]).await;
    offline(&house, &server, &json).await;
    offline_inside(&house, &server, &numbers[0], &json).await;
    noticed(&server, &li, &numbers[1]).await;
    documents::read(&server, "", &numbers[0]).await;
    documents::read(&server, &li.cookie, &numbers[1]).await;
    sent_back(&house, &server, [&zhang, &li], &numbers[0]).await;
    assert!(server.stop());
}

async fn refused_in_both_roles(verifier: &Visitor<'_>) {
    let mut form = Form::proposed(verifier, "BENCH-1", 1).await;
    assert_eq!(form.get("body"), "无锡市计量测试院");
    form.set("reviewer", "zhang");
    let (status, _, page) = verifier.post("/ver/orders/new?lang=en", &form.pairs()).await;
    assert_ne!(status, 303, "one person in both roles");
    assert!(page.contains("Verifier and reviewer are both zhang"), "{page}");
}

/// Orders as proposed, makes the charge before, starts; the order's number.
async fn started(house: &House, verifier: &Visitor<'_>, pile: &str, bench: u32) -> String {
    let form = Form::proposed(verifier, pile, bench).await;
    let number = ordered(verifier, &form).await;
    record_charge(house, verifier, &number, ItemCode::ConsistencyBefore).await;
    verifier.done(&format!("/ver/orders/{number}/start?lang=en"), &[]).await;
    number
}

/// Waits until the run is over and records the rest.
async fn measured(house: &House, verifier: &Visitor<'_>, number: &str) {
    let row = house.until(number, &[OrderState::Measured, OrderState::Abandoned]).await;
    assert_eq!(row.ending, Some(Ending::Measured));
    let waits = async || {
        let (_, page) = verifier.get("/ver/orders?lang=en").await;
        let line =
            page.split(&format!(">{number}</a>")).nth(1).expect("listed").split("</tr>").next().unwrap();
        line.contains("Still to be recorded: ")
    };
    assert!(waits().await, "the list says what its verifier has to record");
    record_items(house, verifier, number).await;
    assert!(!waits().await);
    let (_, page) = verifier.get(&format!("/ver/orders/{number}?lang=en")).await;
    assert!(page.contains("<svg"), "the chart");
}

/// Measured, and confirmed by its reviewer, by nobody else, and not before what was recorded last was seen.
async fn confirmed(house: &House, verifier: &Visitor<'_>, reviewer: &Visitor<'_>, number: &str) {
    measured(house, verifier, number).await;
    let confirm = format!("/ver/orders/{number}/confirm?lang=en");
    let (_, page) = reviewer.get(&format!("/ver/orders/{number}?lang=en")).await;
    let seen =
        page.split("name=\"seen\" value=\"").nth(1).expect("a form to confirm").split('"').next().unwrap();
    let form = [("remarks", "按规程检定。"), ("seen", seen)];
    assert_ne!(verifier.post(&confirm, &form).await.0, 303, "the verifier is not the reviewer");
    let stale = [("remarks", ""), ("seen", "1")];
    assert_ne!(reviewer.post(&confirm, &stale).await.0, 303, "something was recorded since");
    assert_eq!(house.order(number).await.state, OrderState::Measured);
    reviewer.done(&confirm, &form).await;
}

/// The good pile has a certificate, is verified at once and anchors the remote estimates; the signed file.
async fn certified(house: &House, server: &Server, number: &str) -> String {
    let (status, json) = server.get(&format!("/api/v1/certificates/{number}.json")).await;
    assert_eq!(status, 200, "{json}");
    let certificate: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(certificate["certificate"]["kind"], "certificate");
    has_risks_and_clock(&certificate["certificate"]);
    let (status, page) = server.get("/p/BENCH-1?lang=en").await;
    assert!(status == 200 && page.contains("Verified"), "{page}");
    let (_, pile) = server.get("/api/v1/piles/BENCH-1").await;
    let pile: Value = serde_json::from_str(&pile).expect("JSON");
    let address = pile["verification"]["certificate_url"].as_str().expect("a document of ours");
    assert_eq!(server.get(address).await, (200, json.clone()), "what it says is there");
    let (_, dump) = server.get("/api/v1/dumps/piles.ndjson").await;
    let rows = dump.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let row = rows.into_iter().find(|row| row["pile_id"] == "BENCH-1").expect("its row");
    assert_eq!(row["certificate_url"], address, "and the dumps say it, too");
    let (_, list) = server.get("/api/v1/verifications").await;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["meta"]["last_updated"], list["verifications"][0]["issued_at"]);
    let anchors = "SELECT count(*) FROM act WHERE kind = 'certificate' AND error_percent BETWEEN 0.2 AND 0.8";
    assert_eq!(house.database.number(anchors).await, 1);
    json
}

/// The bad pile has a notice, which is not public before the reply window is over.
async fn noticed(server: &Server, reviewer: &Visitor<'_>, number: &str) {
    let path = format!("/api/v1/certificates/{number}.json");
    assert_eq!(server.get(&path).await.0, 404);
    let (status, notice) = reviewer.get(&path).await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<Value>(&notice).expect("JSON")["certificate"]["kind"], "notice");
    let (_, page) = server.get("/p/BENCH-2?lang=en").await;
    assert!(page.contains("Under review") && !page.contains("Failed"), "no pile turns red before");
}

/// A repair puts the certificate in question; who repaired a pile does not verify it; and a result that its reviewer sends back is no
/// document, and leaves the last one as it is.
async fn sent_back(house: &House, server: &Server, people: [&Visitor<'_>; 2], certified: &str) {
    let [zhang, li] = people;
    let zhao = Visitor::sign_in(server, "zhao").await;
    zhao.done("/ver/piles/BENCH-1/repair?lang=en", &[("what", "换接触器")]).await;
    let (_, page) = server.get(&format!("/c/{certified}?lang=en")).await;
    assert!(page.contains("In question") && page.contains("repaired since"), "{page}");
    let (_, page) = zhang.get("/ver/orders?lang=en").await;
    assert!(page.contains("repaired since 换接触器"), "it is to be verified anew: {page}");
    let mut form = Form::proposed(&zhao, "BENCH-1", 1).await;
    form.set("verifier", "zhao");
    let (status, _, page) = zhao.post("/ver/orders/new?lang=en", &form.pairs()).await;
    assert_ne!(status, 303, "who repaired it");
    assert!(page.contains("zhao repaired this pile"), "{page}");

    let number = started(house, zhang, "BENCH-1", 1).await;
    measured(house, zhang, &number).await;
    house.database.number(firmware::OTHER).await;
    let form = [("remarks", ""), ("seen", &*killed::seen(li, &number).await)];
    let (status, _, page) = li.post(&format!("/ver/orders/{number}/confirm?lang=en"), &form).await;
    assert!(status == 422 && page.contains("The pile runs firmware 2.0; the order is for 1.0"), "{page}");
    house.database.number(firmware::USUAL).await;
    let path = format!("/ver/orders/{number}/send-back?lang=en");
    assert_ne!(zhang.post(&path, &[("reason", "mine")]).await.0, 303, "the verifier sends nothing back");
    assert_ne!(li.post(&path, &[("reason", "")]).await.0, 303, "not without a reason");
    li.done(&path, &[("reason", "照片不清")]).await;
    let row = house.order(&number).await;
    assert_eq!(row.state, OrderState::Cancelled);
    assert_eq!(server.get(&format!("/api/v1/certificates/{number}.json")).await.0, 404);
    assert_eq!(server.get(&format!("/api/v1/certificates/{certified}.json")).await.0, 200);
    let (_, page) = li.get(&format!("/ver/orders/{number}?lang=en")).await;
    assert!(page.contains("照片不清"), "{page}");
}

/// Anybody checks the file without the server, and a changed digit is found.
async fn offline(house: &House, server: &Server, json: &str) {
    let (code, told) = house.check_offline(server, json).await;
    assert_eq!(code, Some(0), "{told}");
    let changed = json.replacen("\"stop_wh\":\"1", "\"stop_wh\":\"2", 1);
    assert_ne!(changed, json);
    assert_eq!(house.check_offline(server, &changed).await.0, Some(1));
}

/// So they check the PDF and the DCC, by the signed file inside.
async fn offline_inside(house: &House, server: &Server, number: &str, json: &str) {
    for (served, container) in [("pdf", "PDF"), ("pdf?lang=en", "PDF"), ("dcc.xml", "DCC")] {
        let file = server.file(&format!("/api/v1/certificates/{number}.{served}"), "").await;
        let (code, told) = house.check_offline(server, &file).await;
        assert_eq!(code, Some(0), "{served}: {told}");
        assert!(told.contains(container) && told.contains(number), "{served}: {told}");
    }
    // Another file inside, with a digit changed; and one that is cut off before its file ends.
    let dcc = server.file(&format!("/api/v1/certificates/{number}.dcc.xml"), "").await;
    let dcc = String::from_utf8(dcc).unwrap();
    let coded = |json: &str| base64::engine::general_purpose::STANDARD.encode(json);
    let changed = json.replacen("\"stop_wh\":\"1", "\"stop_wh\":\"2", 1);
    let spoiled = dcc.replacen(&coded(json), &coded(&changed), 1);
    assert_ne!(spoiled, dcc);
    assert_eq!(house.check_offline(server, &spoiled).await.0, Some(1));
    let cut = dcc.split(&coded(json)).next().unwrap();
    assert_ne!(house.check_offline(server, cut).await.0, Some(0));
}
