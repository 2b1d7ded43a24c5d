//! The relay: an operator's own central system behind us sees its chargers as if we were not there.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::result_large_err)]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use veripile_tests::{Charger, Database, Server, basic, command, free_port, provided, written};

const KEY: &str = "correct-horse-battery";

/// The operator's own central system, played by the test.
struct Upstream {
    socket: WebSocketStream<TcpStream>,
    /// Path, sub-protocol and authorization that it was called with.
    called: [String; 3],
}

impl Upstream {
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) =
            tokio::time::timeout(Duration::from_secs(20), listener.accept()).await.unwrap().unwrap();
        let mut called = [const { String::new() }; 3];
        let note = |request: &Request, mut response: Response| {
            let header = |name: &str| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
            let protocol = header("Sec-WebSocket-Protocol").unwrap_or_default();
            response.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
            called = [request.uri().path().to_owned(), protocol, header("Authorization").unwrap_or_default()];
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, note).await.unwrap();
        Self { socket, called }
    }

    async fn next(&mut self) -> String {
        loop {
            let next =
                tokio::time::timeout(Duration::from_secs(10), self.socket.next()).await.expect("in time");
            if let Message::Text(text) = next.unwrap().unwrap() {
                return text.to_string();
            }
        }
    }

    async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }
}

fn register(binary: &std::path::PathBuf, database: &Database, upstream: &TcpListener) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: String| written(folder.path(), name, content);
    let piles = file("piles.csv", "pile_id,kind,accuracy_class\nCP 1,ac,2\n".to_owned());
    let address = upstream.local_addr().unwrap();
    let access = format!("pile_id,key,upstream_url\nCP 1,{KEY},ws://{address}/own/system/\n");
    let access = file("access.csv", access);
    command(binary, database, &["register", "--piles", &piles, "--access", &access]);
}

async fn charger(server: &Server) -> Charger {
    let headers = [("Sec-WebSocket-Protocol", "ocpp1.6".to_owned()), ("Authorization", basic("CP 1", KEY))];
    Charger::connect_with(&format!("{}/CP%201", server.ocpp()), &headers, None).await.unwrap()
}

async fn order(database: &Database, call: &Value) {
    sqlx::query(
        "INSERT INTO command (pile_no, call, person, asked_at, expires_at)
         SELECT pile_no, $1, 'test', now(), now() + interval '1 minute' FROM pile",
    )
    .bind(call)
    .execute(&mut database.connect().await)
    .await
    .unwrap();
}

const SETTINGS: [(&str, &str); 2] = [
    ("VERIPILE_OCPP__READINESS_ON_BOOT", "false"),
    ("VERIPILE_OCPP__ANSWER_WHILE_UPSTREAM_IS_DOWN", "Heartbeat, MeterValues"),
];

#[tokio::test]
async fn frames_pass_byte_for_byte_and_our_own_calls_are_woven_in() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    register(&binary, &database, &listener);
    let server = Server::start_with(&binary, &database, free_port(), "closed", &SETTINGS).await;
    let mut charger = charger(&server).await;
    let mut upstream = Upstream::accept(&listener).await;
    assert_eq!(upstream.called, ["/own/system/CP%201".to_owned(), "ocpp1.6".to_owned(), basic("CP 1", KEY)]);
    tokio::time::sleep(Duration::from_millis(200)).await;

    let sent = r#"[2 ,"b-1", "BootNotification",{"chargePointVendor":"V\u0041","chargePointModel":"M" , "chargePointModel":"M"}]"#;
    charger.say(sent).await;
    assert_eq!(upstream.next().await, sent);
    let answer = r#" [3,"b-1",{"status" : "Accepted","currentTime":"2026-03-01T08:00:00Z","interval":0}]"#;
    upstream.say(answer).await;
    assert_eq!(charger.receive().await.as_deref(), Some(answer));

    let start = json!([2, "s", "StartTransaction", { "connectorId": 1, "idTag": "CARD", "meterStart": 1000, "timestamp": "2026-03-01T08:00:00Z" }]);
    charger.say(&start.to_string()).await;
    assert_eq!(upstream.next().await, start.to_string());
    let answer = r#"[3,"s",{"transactionId":777,"idTagInfo":{"status":"Accepted"}}]"#;
    upstream.say(answer).await;
    assert_eq!(charger.receive().await.as_deref(), Some(answer));

    // Our own call, and while it is open one of the upstream: the charger gets one at a time.
    order(&database, &json!({ "call": "trigger", "message": "StatusNotification", "connector": 1 })).await;
    let ours: Value = serde_json::from_str(&charger.receive().await.unwrap()).unwrap();
    assert_eq!(
        (&ours[2], &ours[3]["requestedMessage"]),
        (&json!("TriggerMessage"), &json!("StatusNotification"))
    );
    let theirs = r#"[2,"u-1","GetConfiguration", { } ]"#;
    upstream.say(theirs).await;
    assert!(tokio::time::timeout(Duration::from_millis(400), charger.receive()).await.is_err(), "held");
    charger.say(&json!([3, ours[1], { "status": "Accepted" }]).to_string()).await;
    assert_eq!(charger.receive().await.as_deref(), Some(theirs));
    order(&database, &json!({ "call": "trigger", "message": "Heartbeat", "connector": null })).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(3000), charger.receive()).await.is_err(),
        "ours waits too"
    );
    let configuration = r#"[3,"u-1",{"configurationKey":[]}]"#;
    charger.say(configuration).await;
    assert_eq!(upstream.next().await, configuration, "and of our own call's answer it saw nothing");
    let ours: Value = serde_json::from_str(&charger.receive().await.unwrap()).unwrap();
    charger.say(&json!([4, ours[1], "NotSupported", "no", {}]).to_string()).await;

    let stop = json!([2, "e", "StopTransaction", { "transactionId": 777, "meterStop": 6000, "timestamp": "2026-03-01T09:00:00Z" }]);
    charger.say(&stop.to_string()).await;
    assert_eq!(upstream.next().await, stop.to_string());
    upstream.say(r#"[3,"e",{}]"#).await;
    assert_eq!(charger.receive().await.as_deref(), Some(r#"[3,"e",{}]"#));
    let whole =
        "SELECT count(*) FROM charge WHERE reference = '777' AND energy_pile_wh = 5000 AND marks = '{}'";
    assert_eq!(database.number(whole).await, 1);
    assert_eq!(database.number("SELECT count(*) FROM charge").await, 1);
    assert_eq!(database.miscounted().await, 0);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let told: Vec<(String, i64)> =
        sqlx::query_as("SELECT kind, count(*) FROM sent GROUP BY kind ORDER BY kind")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap();
    let expected = [("call", 2), ("upstream_answer", 3), ("upstream_call", 1)];
    assert_eq!(told, expected.map(|(kind, count)| (kind.to_owned(), count)));
    let outcomes: Vec<Option<String>> = sqlx::query_scalar("SELECT outcome FROM command ORDER BY command_no")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(outcomes, [Some("accepted".to_owned()), Some("error".to_owned())]);
}

#[tokio::test]
async fn while_the_upstream_is_down_messages_wait_in_order_and_only_some_are_answered() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    register(&binary, &database, &listener);
    drop(listener);
    let server = Server::start_with(&binary, &database, free_port(), "closed", &SETTINGS).await;
    let mut charger = charger(&server).await;
    assert_eq!(charger.call("Heartbeat", &json!({})).await[0], 3, "answered by us, as configured");
    let sample = json!({ "connectorId": 1, "meterValue": [{ "timestamp": "2026-03-01T08:00:00Z", "sampledValue": [{ "value": "5" }] }] });
    assert_eq!(charger.call("MeterValues", &sample).await[0], 3);
    charger.say(r#"[2,"boot","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(500), charger.receive()).await.is_err(),
        "not ours to answer"
    );
    assert_eq!(database.number("SELECT count(*) FROM reading").await, 1, "stored meanwhile");
    let listener = TcpListener::bind(address).await.unwrap();
    let mut upstream = Upstream::accept(&listener).await;
    let mut actions = Vec::new();
    for _ in 0..3 {
        let call: Value = serde_json::from_str(&upstream.next().await).unwrap();
        upstream.say(&json!([3, call[1], { "late": true }]).to_string()).await;
        actions.push(call[2].as_str().unwrap().to_owned());
    }
    assert_eq!(actions, ["Heartbeat", "MeterValues", "BootNotification"], "nothing is reordered");
    assert_eq!(
        charger.receive().await.as_deref(),
        Some(r#"[3,"boot",{"late":true}]"#),
        "the other two had their answers"
    );
    let state: Option<String> = sqlx::query_scalar("SELECT upstream FROM pile_live")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(state.as_deref(), Some("connected"));
    drop(upstream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(charger.call("Heartbeat", &json!({})).await[0], 3, "and again");
}

#[tokio::test]
async fn what_we_answered_reaches_the_upstream_after_the_charger_has_come_back() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    register(&binary, &database, &listener);
    drop(listener);
    let server = Server::start_with(&binary, &database, free_port(), "closed", &SETTINGS).await;
    let mut older = charger(&server).await;
    for (id, register) in [("1", "5"), ("2", "6")] {
        older.say(&sample(id, register)).await;
        assert_eq!(older.receive().await.unwrap(), format!("[3,\"{id}\",{{}}]"));
    }
    // Nobody answered this one: a charger sends it again, and that is what counts.
    let boot = r#"[2,"3","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#;
    older.say(boot).await;
    drop(older);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(waiting_bytes(&server).await, sample("1", "5").len() + sample("2", "6").len());

    let mut newer = charger(&server).await;
    let listener = TcpListener::bind(address).await.unwrap();
    // The charger's ids begin anew with every connection.
    newer.say(&boot.replace("\"3\"", "\"1\"")).await;
    let mut upstream = Upstream::accept(&listener).await;
    assert_eq!(upstream.next().await, sample("1", "5"));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), upstream.socket.next()).await.is_err(),
        "one at a time"
    );
    upstream.say(r#"[3,"1",{}]"#).await;
    assert_eq!(upstream.next().await, sample("2", "6"));
    upstream.say(r#"[4,"2","InternalError","",{}]"#).await;
    assert_eq!(upstream.next().await, boot.replace("\"3\"", "\"1\""));
    let answer = r#"[3,"1",{"status":"Accepted","currentTime":"2026-03-01T08:00:00Z","interval":0}]"#;
    upstream.say(answer).await;
    assert_eq!(newer.receive().await.as_deref(), Some(answer), "of the others it has seen nothing");
    assert_eq!(waiting_bytes(&server).await, 0);
}

async fn waiting_bytes(server: &Server) -> usize {
    let (_, metrics) = server.get("/metrics").await;
    let mut lines = metrics.lines();
    lines
        .find_map(|line| line.strip_prefix("veripile_gateway_relay_waiting_bytes "))
        .unwrap()
        .parse()
        .unwrap()
}

fn sample(id: &str, register: &str) -> String {
    let sampled = json!([{ "value": register }]);
    let value = json!([{ "timestamp": format!("2026-03-01T08:0{id}:00Z"), "sampledValue": sampled }]);
    json!([2, id, "MeterValues", { "connectorId": 1, "meterValue": value }]).to_string()
}

#[tokio::test]
async fn a_key_that_the_upstream_gives_counts_here_too_once_the_charger_has_it() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    register(&binary, &database, &listener);
    let server = Server::start_with(&binary, &database, free_port(), "closed", &SETTINGS).await;
    let mut charger = charger(&server).await;
    let mut upstream = Upstream::accept(&listener).await;
    let keys = ["first-key-of-the-upstream", "second-key-of-the-upstream"];
    for (n, (key, word)) in keys.iter().zip(["Rejected", "Accepted"]).enumerate() {
        let change =
            json!([2, n.to_string(), "ChangeConfiguration", { "key": "AuthorizationKey", "value": key }]);
        upstream.say(&change.to_string()).await;
        assert_eq!(charger.receive().await.unwrap(), change.to_string(), "as it was sent");
        let answer = json!([3, n.to_string(), { "status": word }]).to_string();
        charger.say(&answer).await;
        assert_eq!(upstream.next().await, answer);
    }
    drop(charger);
    let address = format!("{}/CP%201", server.ocpp());
    let with =
        |key: &str| [("Sec-WebSocket-Protocol", "ocpp1.6".to_owned()), ("Authorization", basic("CP 1", key))];
    assert!(Charger::connect_with(&address, &with(keys[0]), None).await.is_err(), "the charger refused it");
    drop(Charger::connect_with(&address, &with(KEY), None).await.unwrap());
    drop(Charger::connect_with(&address, &with(keys[1]), None).await.unwrap());
    assert!(
        Charger::connect_with(&address, &with(KEY), None).await.is_err(),
        "it has come with the newer one"
    );
    tokio::time::sleep(Duration::from_millis(800)).await;
    let told = "SELECT count(*) FROM sent WHERE kind = 'upstream_call' AND body LIKE '%AuthorizationKey%'";
    assert_eq!(database.number(told).await, 2);
    let told = "SELECT count(*) FROM sent WHERE body LIKE '%key-of-the-upstream%'";
    assert_eq!(database.number(told).await, 0, "no log has a key");
}

#[tokio::test]
async fn an_upstream_that_gives_no_sign_of_life_is_called_again() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    register(&binary, &database, &listener);
    let server = Server::start_with(&binary, &database, free_port(), "closed", &SETTINGS).await;
    let mut charger = charger(&server).await;
    // Its connection stays open and nobody is there.
    let dead = Upstream::accept(&listener).await;
    let (stream, _) = tokio::time::timeout(Duration::from_secs(120), listener.accept())
        .await
        .expect("called again")
        .unwrap();
    let alive = tokio_tungstenite::accept_hdr_async(stream, |_: &Request, mut response: Response| {
        response.headers_mut().insert("Sec-WebSocket-Protocol", "ocpp1.6".parse().unwrap());
        Ok(response)
    });
    let mut alive = Upstream { socket: alive.await.unwrap(), called: [const { String::new() }; 3] };
    charger.say(&sample("1", "5")).await;
    assert_eq!(alive.next().await, sample("1", "5"));
    drop(dead);
}
