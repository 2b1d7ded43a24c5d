//! The pile on the bench against a central system played here, over real sockets.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::bench::{BenchSettings, Injection};

/// What must come comes sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// A central system with one pile.
struct Central {
    listener: TcpListener,
    socket: WebSocketStream<TcpStream>,
    bench: BenchHandle,
    stop: watch::Sender<bool>,
    pile: tokio::task::JoinHandle<Result<(), SimulatorError>>,
    calls: u64,
}

impl Central {
    /// Connects the pile of a bench and answers its boot and its first status.
    async fn start(settings: BenchSettings, protocol: Protocol) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}/ocpp", listener.local_addr().expect("an address"));
        let (stop, stopping) = watch::channel(false);
        let line = Line { url, progress: Progress::new(), ledger: None, stopping };
        let bench = BenchHandle::start(settings, 1);
        let pile = tokio::spawn(run(bench.clone(), line, "SIM-BENCH-1".to_owned(), protocol));
        let socket = accept(&listener).await;
        let mut central = Self { listener, socket, bench, stop, pile, calls: 0 };
        let boot = central.hear("BootNotification").await;
        assert!(boot.to_string().contains("M-SIM-BENCH-1"), "{boot}");
        let status = central.hear("StatusNotification").await;
        assert!(status.to_string().contains("Available"), "{status}");
        central
    }

    async fn frame(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("in time");
            match next {
                Some(Ok(Frame::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(frame)) if !frame.is_close() => {}
                _ => return None,
            }
        }
    }

    async fn send(&mut self, frame: Value) {
        self.socket.send(Frame::text(frame.to_string())).await.expect("sent");
    }

    /// The payload of the pile's next call, which must be this one; it is answered.
    async fn hear(&mut self, action: &str) -> Value {
        let frame = self.frame().await.expect("a call");
        assert_eq!((&frame[0], &frame[2]), (&json!(2), &json!(action)), "{frame}");
        let answer = match action {
            "BootNotification" => {
                json!({ "status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 300 })
            }
            "StartTransaction" => json!({ "transactionId": 17, "idTagInfo": { "status": "Accepted" } }),
            _ => json!({}),
        };
        self.send(json!([3, frame[1], answer])).await;
        frame[3].clone()
    }

    async fn call(&mut self, action: &str, payload: Value) -> String {
        self.calls += 1;
        let id = format!("c{}", self.calls);
        self.send(json!([2, id, action, payload])).await;
        id
    }

    /// Calls the pile; the status it answers.
    async fn ask(&mut self, action: &str, payload: Value) -> String {
        let id = self.call(action, payload).await;
        let frame = self.frame().await.expect("an answer");
        assert_eq!((&frame[0], &frame[1]), (&json!(3), &json!(id)), "{frame}");
        frame[2]["status"].as_str().expect("a status").to_owned()
    }
}

async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (socket, _) =
        tokio::time::timeout(PATIENCE, listener.accept()).await.expect("in time").expect("a socket");
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let choose = |request: &Request, mut response: Response| {
        assert!(request.uri().path().ends_with("/SIM%2DBENCH%2D1"), "{}", request.uri());
        let protocol = request.headers()["Sec-WebSocket-Protocol"].clone();
        response.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        Ok(response)
    };
    accept_hdr_async(socket, choose).await.expect("a handshake")
}

fn still() -> BenchSettings {
    // Nothing moves by itself.
    BenchSettings { speed: 0.0, ..BenchSettings::default() }
}

#[tokio::test]
async fn a_16_pile_tells_its_register_when_asked_and_opens_and_closes() {
    let mut central = Central::start(still(), Protocol::V16).await;
    let availability = |wanted: &str| json!({ "connectorId": 1, "type": wanted });
    assert_eq!(central.ask("ChangeAvailability", availability("Inoperative")).await, "Accepted");
    assert_eq!(central.hear("StatusNotification").await["status"], "Unavailable");
    assert_eq!(
        central.ask("TriggerMessage", json!({ "requestedMessage": "MeterValues", "connectorId": 1 })).await,
        "Accepted"
    );
    let values = central.hear("MeterValues").await;
    let sample = &values["meterValue"][0]["sampledValue"][0];
    assert_eq!((&values["connectorId"], &sample["context"]), (&json!(1), &json!("Trigger")));
    assert_eq!((&sample["value"], &sample["unit"]), (&json!("12345678"), &json!("Wh")));
    assert_eq!(sample["measurand"], "Energy.Active.Import.Register");
    for (message, status) in
        [("StatusNotification", "Accepted"), ("BootNotification", "Accepted"), ("Heartbeat", "Accepted")]
    {
        assert_eq!(central.ask("TriggerMessage", json!({ "requestedMessage": message })).await, status);
        central.hear(message).await;
    }
    assert_eq!(
        central.ask("TriggerMessage", json!({ "requestedMessage": "DiagnosticsStatusNotification" })).await,
        "NotImplemented"
    );
    assert_eq!(
        central.ask("TriggerMessage", json!({ "requestedMessage": "MeterValues", "connectorId": 2 })).await,
        "Rejected"
    );
    assert_eq!(central.ask("ChangeAvailability", availability("Broken")).await, "Rejected");
    assert_eq!(
        central.ask("RemoteStartTransaction", json!({ "idTag": "C" })).await,
        "Rejected",
        "it is closed"
    );
    assert_eq!(
        central.ask("ChangeAvailability", json!({ "connectorId": 0, "type": "Operative" })).await,
        "Accepted"
    );
    assert_eq!(central.hear("StatusNotification").await["status"], "Available");
    // What it does not answer itself its configuration answers.
    let id = central.call("GetConfiguration", json!({ "key": ["NumberOfConnectors"] })).await;
    let answer = central.frame().await.expect("an answer");
    assert_eq!((&answer[1], &answer[2]["configurationKey"][0]["value"]), (&json!(id), &json!("1")));
    assert_eq!(central.ask("Reset", json!({ "type": "Soft" })).await, "Rejected");
}

#[tokio::test]
async fn the_order_for_a_virtual_load_is_taken() {
    let mut central = Central::start(still(), Protocol::V16).await;
    let order = |vendor: &str, message: &str, data: &str| json!({ "vendorId": vendor, "messageId": message, "data": data });
    for (payload, status, is_virtual_load) in [
        (order("veripile", "VirtualLoad", "start"), "Accepted", true),
        (order("veripile", "VirtualLoad", "sideways"), "Rejected", true),
        (order("veripile", "VirtualLoad", "{\"action\":\"stop\"}"), "Accepted", false),
        (order("veripile", "VirtualLoad", "{\"action\":\"start\"}"), "Accepted", true),
        (order("veripile", "Other", "stop"), "UnknownMessageId", true),
        (order("another", "VirtualLoad", "stop"), "UnknownVendorId", true),
    ] {
        assert_eq!(central.ask("DataTransfer", payload.clone()).await, status, "{payload}");
        assert_eq!(central.bench.state().is_virtual_load, is_virtual_load, "{payload}");
    }
}

#[tokio::test]
async fn a_normal_charge_tells_one_register_in_message_and_record() {
    // Fast enough for the register to move; an order ends the charge.
    let settings = BenchSettings { speed: 2000.0, charge_s: 1e9, signing_key: Some([7; 32]), ..still() };
    let mut central = Central::start(settings, Protocol::V16).await;
    assert_eq!(
        central.ask("RemoteStartTransaction", json!({ "connectorId": 1, "idTag": "CARD-1" })).await,
        "Accepted"
    );
    let start = central.hear("StartTransaction").await;
    assert_eq!((&start["connectorId"], &start["idTag"]), (&json!(1), &json!("CARD-1")));
    assert_eq!(central.hear("StatusNotification").await["status"], "Charging");
    assert_eq!(central.ask("RemoteStartTransaction", json!({ "idTag": "CARD-2" })).await, "Rejected");
    assert_eq!(
        central.ask("ChangeAvailability", json!({ "connectorId": 1, "type": "Inoperative" })).await,
        "Scheduled"
    );
    assert_eq!(central.hear("StatusNotification").await["status"], "Charging");
    assert_eq!(central.ask("RemoteStopTransaction", json!({ "transactionId": 16 })).await, "Rejected");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(central.ask("RemoteStopTransaction", json!({ "transactionId": 17 })).await, "Accepted");
    let stop = central.hear("StopTransaction").await;
    assert_eq!((&stop["transactionId"], &stop["reason"]), (&json!(17), &json!("Remote")));
    let wh = |value: &Value| value.to_string().trim_matches('"').parse::<i64>().expect("Wh");
    assert!(wh(&start["meterStart"]) < wh(&stop["meterStop"]));
    assert_eq!(
        wh(&stop["meterStop"]),
        i64::try_from(central.bench.register_wh()).expect("Wh"),
        "nothing flows now"
    );
    let billed_wh = central.bench.state().bill_kwh.expect("a bill") * rust_decimal::Decimal::ONE_THOUSAND;
    assert_eq!(billed_wh, rust_decimal::Decimal::from(wh(&stop["meterStop"]) - wh(&start["meterStart"])));
    let ends = stop["transactionData"].as_array().expect("both ends");
    assert_eq!(wh(&ends[0]["sampledValue"][0]["value"]), wh(&start["meterStart"]));
    let container: Value =
        serde_json::from_str(ends[1]["sampledValue"][1]["value"].as_str().expect("text")).expect("JSON");
    let payload = container["signedMeterData"].as_str().expect("text").split('|').nth(1).expect("a payload");
    let payload: Value = serde_json::from_str(payload).expect("JSON");
    let mwh =
        |at: usize| payload["RD"][at]["RV"].to_string().replace('.', "").parse::<i64>().expect("a register");
    assert_eq!((mwh(0), mwh(1)), (wh(&start["meterStart"]), wh(&stop["meterStop"])));
    assert_eq!(container["publicKey"].as_str(), public_key(&[7; 32]).as_deref());
    // What was put off is done now, and told.
    let mut told = central.hear("StatusNotification").await["status"].clone();
    if told == "Available" {
        told = central.hear("StatusNotification").await["status"].clone();
    }
    assert_eq!(told, "Unavailable");
}

#[tokio::test]
async fn a_201_pile_does_the_same_in_its_own_words_and_its_charge_ends_by_itself() {
    let settings = BenchSettings { speed: 2000.0, charge_s: 600.0, writes_kwh: true, ..still() };
    let mut central = Central::start(settings, Protocol::V201).await;
    let availability = |wanted: &str| json!({ "operationalStatus": wanted, "evse": { "id": 1 } });
    assert_eq!(central.ask("ChangeAvailability", availability("Inoperative")).await, "Accepted");
    assert_eq!(central.hear("StatusNotification").await["connectorStatus"], "Unavailable");
    assert_eq!(central.ask("ChangeAvailability", availability("Operative")).await, "Accepted");
    assert_eq!(central.hear("StatusNotification").await["connectorStatus"], "Available");
    let trigger = json!({ "requestedMessage": "MeterValues", "evse": { "id": 1 } });
    assert_eq!(central.ask("TriggerMessage", trigger).await, "Accepted");
    let values = central.hear("MeterValues").await;
    let sample = &values["meterValue"][0]["sampledValue"][0];
    assert_eq!((&values["evseId"], &sample["unitOfMeasure"]["unit"]), (&json!(1), &json!("kWh")));
    assert_eq!(sample["value"].to_string(), "12345.678");
    let order = json!({ "evseId": 1, "idToken": { "idToken": "C", "type": "ISO14443" }, "remoteStartId": 5 });
    assert_eq!(central.ask("RequestStartTransaction", order).await, "Accepted");
    let start = central.hear("TransactionEvent").await;
    assert_eq!(
        (&start["eventType"], &start["transactionInfo"]["remoteStartId"]),
        (&json!("Started"), &json!(5))
    );
    assert_eq!(central.hear("StatusNotification").await["connectorStatus"], "Occupied");
    let end = central.hear("TransactionEvent").await;
    assert_eq!((&end["eventType"], &end["triggerReason"]), (&json!("Ended"), &json!("EVDeparted")));
    assert_eq!(end["transactionInfo"]["transactionId"], start["transactionInfo"]["transactionId"]);
    assert_eq!(central.hear("StatusNotification").await["connectorStatus"], "Available");
}

#[tokio::test]
async fn its_clock_is_off_as_it_was_told_to_be() {
    let settings = BenchSettings { clock_offset_ms: 3_600_000, ..still() };
    let mut central = Central::start(settings, Protocol::V16).await;
    let trigger = json!({ "requestedMessage": "MeterValues", "connectorId": 1 });
    assert_eq!(central.ask("TriggerMessage", trigger).await, "Accepted");
    let values = central.hear("MeterValues").await;
    let told: Timestamp =
        values["meterValue"][0]["timestamp"].as_str().expect("a time").parse().expect("a time");
    let ahead_s = told.duration_since(Timestamp::now()).as_secs();
    assert!((3580..=3600).contains(&ahead_s), "{ahead_s} s");
}

#[tokio::test]
async fn its_faults_are_those_that_were_injected() {
    let mut central = Central::start(still(), Protocol::V16).await;
    let trigger = json!({ "requestedMessage": "MeterValues", "connectorId": 1 });
    central.bench.inject(BenchFault::ChargeRunning);
    assert_eq!(central.hear("StatusNotification").await["status"], "Charging");
    assert_eq!(
        central.ask("ChangeAvailability", json!({ "connectorId": 1, "type": "Inoperative" })).await,
        "Scheduled"
    );
    assert_eq!(central.hear("StatusNotification").await["status"], "Charging");
    central.bench.clear(BenchFault::ChargeRunning);
    while central.hear("StatusNotification").await["status"] != "Unavailable" {}
    central.bench.inject_when(Injection::times(BenchFault::PileSilent, 1));
    central.call("TriggerMessage", trigger.clone()).await;
    // The next answer is the next call's.
    assert_eq!(central.ask("TriggerMessage", trigger.clone()).await, "Accepted");
    central.hear("MeterValues").await;
    central.bench.inject_when(Injection::times(BenchFault::PileDrops, 1));
    central.call("TriggerMessage", trigger.clone()).await;
    assert_eq!(central.frame().await, None, "it hangs up");
    central.socket = accept(&central.listener).await;
    central.hear("BootNotification").await;
    assert_eq!(central.ask("TriggerMessage", trigger).await, "Accepted");
    central.hear("MeterValues").await;
}

#[tokio::test]
async fn a_pile_that_is_not_accepted_yet_tells_its_configuration_and_boots_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}/ocpp", listener.local_addr().expect("an address"));
    let (stop, stopping) = watch::channel(false);
    let progress = Progress::new();
    let line = Line { url, progress: Arc::clone(&progress), ledger: None, stopping };
    let bench = BenchHandle::start(still(), 1);
    let pile = tokio::spawn(run(bench.clone(), line, "SIM-BENCH-1".to_owned(), Protocol::V16));
    let socket = accept(&listener).await;
    let mut central = Central { listener, socket, bench, stop, pile, calls: 0 };
    let boot = central.frame().await.expect("a boot");
    central.send(json!([3, boot[1], { "status": "Pending", "interval": 1, "currentTime": "2026-01-01T00:00:00Z" }])).await;
    let trigger = json!({ "requestedMessage": "MeterValues" });
    assert_eq!(central.ask("TriggerMessage", trigger).await, "Rejected");
    central.hear("BootNotification").await;
    central.hear("StatusNotification").await;
    central.stop.send(true).expect("the pile listens");
    let ended = tokio::time::timeout(PATIENCE, central.pile).await.expect("in time").expect("no panic");
    assert!(ended.is_ok(), "{ended:?}");
    assert!(0 < progress.acknowledged.load(std::sync::atomic::Ordering::Relaxed));
}
