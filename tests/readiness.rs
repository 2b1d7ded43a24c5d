//! Metering readiness and findings: chargers that are asked at their boot, told what to change, and counted by their faults.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use veripile_tests::{Charger, Database, Server, command, free_port, provided, written};

const REGISTER: &str = "Energy.Active.Import.Register";

/// RFC 6979 appendix A.2.5: the public point of the example key on P-256.
const PUBLIC_KEY: &str = concat!(
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
);

/// How a played charger behaves when it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// From its table.
    Answers,
    /// With an error to everything.
    Errs,
    /// Not at all.
    Mute,
}

/// A charger with a configuration.
struct Played {
    charger: Charger,
    is_16: bool,
    manner: Manner,
    /// Names, values, and whether they can be written.
    table: Vec<(String, String, bool)>,
    /// Actions that it was called with.
    called: Vec<String>,
    boots: u32,
}

impl Played {
    async fn connect(server: &Server, identity: &str, protocol: &str, table: &[(&str, &str, bool)]) -> Self {
        let charger = Charger::connect(&server.ocpp(), identity, Some(protocol)).await.unwrap();
        let table = table.iter().map(|(name, value, rw)| ((*name).into(), (*value).into(), *rw)).collect();
        let is_16 = protocol == "ocpp1.6";
        Self { charger, is_16, manner: Manner::Answers, table, called: Vec::new(), boots: 0 }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.table.iter().find(|(known, ..)| known == name).map(|(_, value, _)| value.as_str())
    }

    /// Writes an entry: this charger knows no state of charge, and takes one measurand at the end of a charge.
    fn write(&mut self, name: &str, value: &str) -> &'static str {
        let ends = name.contains("StopTxn") || name.contains("TxEnded");
        match self.table.iter_mut().find(|(known, ..)| known == name) {
            None if self.is_16 => "NotSupported",
            None => "UnknownVariable",
            Some((.., false)) => "Rejected",
            Some(_) if value.contains("SoC") || (ends && value.contains(',')) => "Rejected",
            Some(entry) => {
                value.clone_into(&mut entry.1);
                "Accepted"
            }
        }
    }

    fn answer(&mut self, action: &str, payload: &Value) -> Option<Value> {
        match action {
            "GetConfiguration" => {
                let asked: Vec<String> = match payload["key"].as_array() {
                    Some(keys) => keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect(),
                    None => self.table.iter().map(|(name, ..)| name.clone()).collect(),
                };
                let (known, unknown): (Vec<_>, Vec<_>) =
                    asked.into_iter().partition(|name| self.value(name).is_some());
                let entry = |name: &String| {
                    let (_, value, rw) = self.table.iter().find(|(known, ..)| known == name).unwrap();
                    json!({ "key": name, "value": value, "readonly": !rw })
                };
                let known: Vec<_> = known.iter().map(entry).collect();
                Some(json!({ "configurationKey": known, "unknownKey": unknown }))
            }
            "ChangeConfiguration" => {
                let status = self.write(payload["key"].as_str().unwrap(), payload["value"].as_str().unwrap());
                Some(json!({ "status": status }))
            }
            "GetVariables" => {
                let asked = payload["getVariableData"].as_array().unwrap();
                // A small charger: more than one variable at once is too much for it.
                if asked.len() > 1 {
                    return None;
                }
                let result = asked.iter().map(|data| {
                    let status = if self.value(&name_of(data)).is_some() { "Accepted" } else { "UnknownVariable" };
                    let mut result = json!({ "attributeStatus": status, "component": data["component"], "variable": data["variable"] });
                    if let Some(value) = self.value(&name_of(data)) {
                        result["attributeValue"] = json!(value);
                    }
                    result
                });
                Some(json!({ "getVariableResult": result.collect::<Vec<_>>() }))
            }
            "SetVariables" => {
                let data = &payload["setVariableData"][0];
                let status = self.write(&name_of(data), data["attributeValue"].as_str().unwrap());
                let result = json!({ "attributeStatus": status, "component": data["component"], "variable": data["variable"] });
                Some(json!({ "setVariableResult": [result] }))
            }
            _ => Some(json!({ "status": "Accepted" })),
        }
    }

    /// Takes the next text within a time; a call is answered. Gives a result, or the action of the call.
    async fn turn(&mut self, within: Duration) -> Option<Result<Value, String>> {
        let text = tokio::time::timeout(within, self.charger.receive()).await.ok()?.expect("connected");
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame[0] != 2 {
            return Some(Ok(frame));
        }
        let action = frame[2].as_str().unwrap().to_owned();
        self.called.push(action.clone());
        let answer = if self.manner == Manner::Answers { self.answer(&action, &frame[3]) } else { None };
        match answer {
            _ if self.manner == Manner::Mute => {}
            Some(answer) => self.charger.say(&json!([3, frame[1], answer]).to_string()).await,
            None => {
                let error = json!([4, frame[1], "InternalError", "too much", {}]);
                self.charger.say(&error.to_string()).await;
            }
        }
        Some(Err(action))
    }

    /// Boots; the status told.
    async fn boot(&mut self) -> String {
        self.boots += 1;
        let id = format!("boot-{}", self.boots);
        let payload = if self.is_16 {
            json!({ "chargePointVendor": "V", "chargePointModel": "M", "meterSerialNumber": "SN-77" })
        } else {
            json!({ "reason": "PowerUp", "chargingStation": { "vendorName": "V", "model": "M" } })
        };
        self.charger.say(&json!([2, id, "BootNotification", payload]).to_string()).await;
        loop {
            if let Ok(frame) = self.turn(Duration::from_secs(10)).await.expect("an answer")
                && frame[1] == id.as_str()
            {
                return frame[2]["status"].as_str().unwrap().to_owned();
            }
        }
    }

    /// Answers until an action comes.
    async fn until(&mut self, action: &str) {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            if let Some(Err(called)) = self.turn(Duration::from_secs(10)).await
                && called == action
            {
                return;
            }
            assert!(Instant::now() < deadline, "{action} never came: {:?}", self.called);
        }
    }

    /// Answers what comes within a time.
    async fn work(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            self.turn(left).await;
        }
    }

    /// Orders something and works until it was done; its outcome and answer.
    async fn order(&mut self, database: &Database, order: &Value) -> (String, String) {
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO command (pile_no, call, person, asked_at, expires_at)
             SELECT pile_no, $1, 'test', now(), now() + interval '1 minute' FROM pile RETURNING command_no",
        )
        .bind(order)
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
        for _ in 0..100 {
            self.work(Duration::from_millis(200)).await;
            let done: Option<(String, String)> = sqlx::query_as(
                "SELECT outcome, answer FROM command WHERE command_no = $1 AND outcome IS NOT NULL",
            )
            .bind(number)
            .fetch_optional(&mut database.connect().await)
            .await
            .unwrap();
            if let Some(done) = done {
                return done;
            }
        }
        panic!("{order} was never done");
    }
}

/// As the house spells a variable.
fn name_of(data: &Value) -> String {
    let evse =
        data["component"]["evse"]["id"].as_i64().map(|evse| format!("EVSE:{evse}/")).unwrap_or_default();
    let [component, variable] = ["component", "variable"].map(|part| data[part]["name"].as_str().unwrap());
    format!("{evse}{component}.{variable}")
}

/// The verdict stored of the only pile.
async fn stored(database: &Database) -> Value {
    let body: Option<Value> = sqlx::query_scalar("SELECT body FROM readiness")
        .fetch_optional(&mut database.connect().await)
        .await
        .unwrap();
    body.unwrap_or_default()
}

fn lights(body: &Value) -> Vec<String> {
    let lines = body["lines"].as_array().unwrap().iter();
    lines
        .map(|line| format!("{} {}", line["code"].as_str().unwrap(), line["light"].as_str().unwrap()))
        .collect()
}

const ON_BOOT: (&str, &str) = ("VERIPILE_OCPP__READINESS_ON_BOOT", "true");

async fn started(binary: &PathBuf, database: &Database, settings: &[(&str, &str)]) -> Server {
    Server::start_with(binary, database, free_port(), "open", settings).await
}

#[tokio::test]
async fn a_charger_of_1_6_waits_until_it_was_read_and_is_set_one_measurand_at_a_time() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = started(&binary, &database, &[ON_BOOT]).await;
    let table = [
        ("MeterValuesSampledData", "Voltage", true),
        ("MeterValueSampleInterval", "900", true),
        ("StopTxnSampledData", "Voltage", true),
        ("MeterValuesAlignedData", REGISTER, true),
        ("ClockAlignedDataInterval", "900", true),
        ("NumberOfConnectors", "1", false),
        ("MeterPublicKey1", PUBLIC_KEY, false),
        ("SampledDataSignReadings", "false", false),
        ("G_PowerMeterType", "DTSU666", true),
    ];
    let mut pile = Played::connect(&server, "CP", "ocpp1.6", &table).await;
    assert_eq!(pile.boot().await, "Pending");
    pile.until("TriggerMessage").await;
    assert_eq!(pile.boot().await, "Accepted");
    let body = stored(&database).await;
    assert_eq!(body["ended"], "complete");
    let expected = [
        "register red",
        "interval amber",
        "begin_end amber",
        "clock unknown",
        "signed red",
        "vehicle unknown",
    ];
    assert_eq!(lights(&body), expected);
    assert_eq!(body["lines"][0]["steps"][0]["value"], format!("Voltage,{REGISTER}"));
    assert_eq!((&body["lines"][4]["readonly"], &body["lines"][4]["steps"]), (&json!(true), &json!([])));
    assert_eq!(body["public_keys"], json!([{ "connector": 1, "public_key": PUBLIC_KEY }]));
    let kept = "SELECT count(*) FROM first_key WHERE meter_serial = 'SN-77'";
    assert_eq!(database.number(kept).await, 1, "self-supplied, of the meter that the boot named");
    let asked = pile.called.len();
    assert_eq!(pile.boot().await, "Accepted", "it was read a moment ago");
    pile.work(Duration::from_millis(500)).await;
    assert_eq!(pile.called.len(), asked, "nothing more is asked");

    let set = |line: &str| json!({ "readiness": "set", "line": line });
    let (outcome, answer) = pile.order(&database, &set("register")).await;
    assert_eq!(outcome, "accepted", "{answer}");
    assert_eq!(pile.value("MeterValuesSampledData").unwrap(), format!("Voltage,{REGISTER}"));
    assert_eq!(answer, format!("set MeterValuesSampledData=Voltage,{REGISTER}; register green"));
    let (outcome, answer) = pile.order(&database, &set("vehicle")).await;
    assert_eq!(outcome, "refused", "{answer}");
    assert!(answer.contains(&format!("refused MeterValuesSampledData=Voltage,{REGISTER},SoC (Rejected)")));
    assert_eq!(pile.value("MeterValuesSampledData").unwrap(), format!("Voltage,{REGISTER}"), "as it was");
    let (outcome, answer) = pile.order(&database, &set("begin_end")).await;
    assert_eq!(outcome, "accepted");
    assert!(answer.starts_with(&format!("set StopTxnSampledData={REGISTER}; refused")), "{answer}");
    let (outcome, _) = pile.order(&database, &set("interval")).await;
    assert_eq!((outcome.as_str(), pile.value("MeterValueSampleInterval")), ("accepted", Some("60")));
    let (outcome, answer) = pile.order(&database, &set("signed")).await;
    assert_eq!((outcome.as_str(), answer.as_str()), ("refused", "nothing to set; signed red"));

    let now: String = sqlx::query_scalar(
        "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 hour', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    .fetch_one(&mut database.connect().await)
    .await
    .unwrap();
    let status = json!([2, "s", "StatusNotification", { "connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": now }]);
    pile.charger.say(&status.to_string()).await;
    pile.work(Duration::from_millis(300)).await;
    let (outcome, answer) = pile.order(&database, &json!({ "readiness": "check" })).await;
    assert_eq!(outcome, "accepted");
    assert!(answer.contains("register green; interval green; begin_end amber; clock red"), "{answer}");
    let found: i64 = stored(&database).await["lines"][3]["found"].as_str().unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&found), "{found} s");
    let (outcome, answer) = pile.order(&database, &json!({ "readiness": "set", "line": "nonsense" })).await;
    assert_eq!(outcome, "unspeakable", "{answer}");
}

#[tokio::test]
async fn a_charger_of_2_0_1_that_takes_one_variable_at_a_time_is_read_and_set() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = started(&binary, &database, &[ON_BOOT]).await;
    let table = [
        ("SampledDataCtrlr.Enabled", "true", true),
        ("SampledDataCtrlr.TxUpdatedMeasurands", REGISTER, true),
        ("SampledDataCtrlr.TxUpdatedInterval", "30", true),
        ("SampledDataCtrlr.TxStartedMeasurands", "", true),
        ("SampledDataCtrlr.TxEndedMeasurands", "Voltage,Current.Import", true),
        ("ClockCtrlr.DateTime", "2020-01-01T00:00:00Z", true),
        ("OCPPCommCtrlr.HeartbeatInterval", "86400", true),
    ];
    let mut pile = Played::connect(&server, "CP", "ocpp2.0.1", &table).await;
    assert_eq!(pile.boot().await, "Pending");
    pile.until("TriggerMessage").await;
    assert_eq!(pile.boot().await, "Accepted");
    let body = stored(&database).await;
    assert_eq!(body["ended"], "complete");
    let expected =
        ["register green", "interval green", "begin_end red", "clock red", "signed red", "vehicle unknown"];
    assert_eq!(lights(&body), expected);
    let (outcome, answer) = pile.order(&database, &json!({ "readiness": "set", "line": "begin_end" })).await;
    assert_eq!(outcome, "accepted", "{answer}");
    assert!(answer.ends_with("begin_end green"), "{answer}");
    assert_eq!(pile.value("SampledDataCtrlr.TxStartedMeasurands"), Some(REGISTER));
    assert_eq!(pile.value("SampledDataCtrlr.TxEndedMeasurands"), Some(REGISTER), "it takes no more than one");
    assert_eq!(lights(&stored(&database).await)[2], "begin_end green");
    let (outcome, answer) = pile.order(&database, &json!({ "readiness": "set", "line": "clock" })).await;
    assert_eq!(
        (outcome.as_str(), pile.value("OCPPCommCtrlr.HeartbeatInterval")),
        ("accepted", Some("300")),
        "{answer}"
    );
}

#[tokio::test]
async fn whatever_becomes_of_a_check_the_charger_is_accepted_and_the_result_says_so() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let settings = [ON_BOOT, ("VERIPILE_OCPP__PENDING_S_MAX", "2")];
    let server = started(&binary, &database, &settings).await;
    let mut mute = Played::connect(&server, "CP", "ocpp1.6", &[]).await;
    mute.manner = Manner::Mute;
    assert_eq!(mute.boot().await, "Pending");
    assert_eq!(mute.boot().await, "Pending");
    mute.work(Duration::from_millis(2500)).await;
    assert_eq!(mute.boot().await, "Accepted");
    let body = stored(&database).await;
    assert_eq!((&body["ended"], &body["detail"]), (&json!("mute"), &json!("no answers within 2 s")));
    assert!(lights(&body).iter().all(|line| line.ends_with("unknown")), "{body}");
    assert_eq!(mute.called, ["GetConfiguration"], "it is not pestered");
    drop(mute);

    let mut leaves = Played::connect(&server, "LEAVES", "ocpp1.6", &[]).await;
    leaves.manner = Manner::Mute;
    assert_eq!(leaves.boot().await, "Pending");
    leaves.until("GetConfiguration").await;
    drop(leaves);
    let gone = "SELECT count(*) FROM readiness JOIN pile USING (pile_no) WHERE pile_id = 'LEAVES' AND body ->> 'ended' = 'gone'";
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if database.number(gone).await == 1 {
            break;
        }
    }
    assert_eq!(database.number(gone).await, 1);

    let mut errs = Played::connect(&server, "ERRS", "ocpp2.0.1", &[]).await;
    errs.manner = Manner::Errs;
    assert_eq!(errs.boot().await, "Pending");
    errs.until("TriggerMessage").await;
    assert_eq!(errs.boot().await, "Accepted");
    let detail = "SELECT count(*) FROM readiness WHERE body ->> 'ended' = 'errors' AND body ->> 'detail' LIKE 'InternalError%'";
    assert_eq!(database.number(detail).await, 1);
}

#[tokio::test]
async fn one_that_left_in_the_middle_is_read_when_it_comes_again() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = started(&binary, &database, &[ON_BOOT]).await;
    let mut first = Played::connect(&server, "CP", "ocpp1.6", &[]).await;
    first.manner = Manner::Mute;
    assert_eq!(first.boot().await, "Pending");
    first.until("GetConfiguration").await;
    let mut again =
        Played::connect(&server, "CP", "ocpp1.6", &[("MeterValuesSampledData", REGISTER, true)]).await;
    assert_eq!(again.boot().await, "Pending");
    again.until("TriggerMessage").await;
    assert_eq!(again.boot().await, "Accepted");
    assert_eq!(lights(&stored(&database).await)[0], "register green");
}

#[tokio::test]
async fn a_charger_of_an_open_or_relayed_place_is_never_asked_unasked() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = started(&binary, &database, &[]).await;
    let mut pile = Played::connect(&server, "OPEN", "ocpp1.6", &[]).await;
    assert_eq!(pile.boot().await, "Accepted");
    pile.work(Duration::from_secs(1)).await;
    assert_eq!(pile.called, Vec::<String>::new());
    drop(server);

    // An upstream that never comes up; we answer for it.
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = upstream.local_addr().unwrap();
    let access = format!("pile_id,upstream_url\nOPEN,ws://{address}/own\n");
    let access = written(folder.path(), "access.csv", access);
    command(&binary, &database, &["register", "--access", &access]);
    let answered = ("VERIPILE_OCPP__ANSWER_WHILE_UPSTREAM_IS_DOWN", "BootNotification");
    let server = started(&binary, &database, &[ON_BOOT, answered]).await;
    let mut pile = Played::connect(&server, "OPEN", "ocpp1.6", &[]).await;
    assert_eq!(pile.boot().await, "Accepted");
    pile.work(Duration::from_secs(1)).await;
    assert_eq!(pile.called, Vec::<String>::new());
    assert_eq!(database.number("SELECT count(*) FROM readiness").await, 0);
}

#[tokio::test]
async fn a_charger_with_known_faults_gets_exactly_those_counts() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = started(&binary, &database, &[]).await;
    let mut charger = Charger::connect(&server.ocpp(), "CP", Some("ocpp1.6")).await.unwrap();
    let heartbeat = json!({});
    let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M" });
    assert_eq!(charger.call("BootNotification", &boot).await[2]["status"], "Accepted");
    let values = |minute: u32| {
        let time = format!("2026-03-01T08:{minute:02}:00Z");
        let samples: Vec<_> = (0..8).map(|n| json!({ "value": n, "measurand": "Voltage" })).collect();
        json!({ "connectorId": 1, "meterValue": [{ "timestamp": time, "sampledValue": samples }] })
    };
    for minute in [0, 1, 2, 2] {
        assert_eq!(charger.call("MeterValues", &values(minute)).await[0], 3);
    }
    let start = json!({ "connectorId": 1, "idTag": "SECRETCARD", "meterStart": 5, "timestamp": "1970-01-01T00:00:00Z" });
    assert_eq!(charger.call("StartTransaction", &start).await[0], 3);
    assert_eq!(charger.call("VendorsOwn", &heartbeat).await[2], "NotImplemented");
    assert_eq!(charger.call("VendorsOther", &heartbeat).await[2], "NotImplemented");
    assert_eq!(charger.call("Reset", &json!({ "type": "Hard" })).await[2], "NotSupported");
    assert_eq!(charger.send("hello").await[2], "FormationViolation");
    charger.say(r#"[6,"s","Heartbeat",{}]"#).await;
    charger.say(r#"[3,"nobody-asked",{}]"#).await;
    assert_eq!(charger.call("Heartbeat", &heartbeat).await[0], 3);
    assert!(server.stop(), "what was counted is written when the server stops");

    let found: Vec<(String, String, i64, String)> =
        sqlx::query_as("SELECT code, action, count, example FROM finding ORDER BY code, action")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap();
    let counts: Vec<_> =
        found.iter().map(|(code, action, count, _)| (code.as_str(), action.as_str(), *count)).collect();
    assert_eq!(
        counts,
        [
            ("bad_timestamp", "StartTransaction", 1),
            ("missing_unit", "MeterValues", 3),
            ("number_not_text", "MeterValues", 3),
            ("send_not_in_version", "Heartbeat", 1),
            ("unknown_action", "other", 2),
            ("unreadable_frame", "other", 1),
            ("wrong_way_round", "Reset", 1),
        ]
    );
    assert!(found.iter().all(|(.., example)| !example.contains("SECRETCARD")), "{found:?}");
    assert!(found[1].3.contains("08:02:00Z"), "the last example");
    assert!(found[4].3.contains("VendorsOther"));
    // Boot, three values (the fourth is a repeat), start, two unknown, reset, hello, send, an answer, a heartbeat.
    assert_eq!(database.number("SELECT messages FROM pile_live").await, 12);
    assert_eq!(database.number("SELECT clean_messages FROM pile_live").await, 3);
}
