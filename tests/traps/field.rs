//! What the tests of traps share: a server, chargers that tell charges in their version, and what must have become of them.

use std::collections::HashSet;

use serde_json::{Value, json};
use veripile_tests::{Charger, Database, Server, free_port, provided};

pub(crate) const V16: &str = "ocpp1.6";
pub(crate) const V201: &str = "ocpp2.0.1";
pub(crate) const BOTH: [&str; 2] = [V16, V201];

/// A server on a fresh database.
pub(crate) struct Field {
    pub(crate) server: Server,
    pub(crate) database: Database,
}

impl Field {
    pub(crate) async fn open() -> Option<Self> {
        let (binary, url) = provided()?;
        let database = Database::timescale(&url).await;
        let settings = [("VERIPILE_OCPP__READINESS_ON_BOOT", "false")];
        let server = Server::start_with(&binary, &database, free_port(), "open", &settings).await;
        Some(Self { server, database })
    }

    /// A charger, named after its protocol.
    pub(crate) async fn charger(&self, protocol: &'static str) -> Pile {
        let charger = Charger::connect(&self.server.ocpp(), protocol, Some(protocol)).await.unwrap();
        let (told, sequence) = (HashSet::new(), 0);
        Pile { charger, protocol, told, frames: 0, samples: 0, sequence }
    }

    /// Charges of a pile in the order they became known: energy in Wh, marks; and that nothing was lost or kept twice.
    pub(crate) async fn expect(&self, pile: &Pile, charges: &[(Option<&str>, &[&str])]) {
        let mut connection = self.database.connect().await;
        let found: Vec<(Option<String>, Vec<String>)> = sqlx::query_as(
            "SELECT trim_scale(energy_pile_wh)::text, marks FROM charge JOIN pile USING (pile_no)
             WHERE pile_id = $1 ORDER BY charge_no",
        )
        .bind(pile.protocol)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let found: Vec<(Option<&str>, Vec<&str>)> = found
            .iter()
            .map(|(energy, marks)| (energy.as_deref(), marks.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<_> = charges.iter().map(|(energy, marks)| (*energy, marks.to_vec())).collect();
        assert_eq!(found, expected, "{}", pile.protocol);
        assert_eq!(self.database.miscounted().await, 0, "{}", pile.protocol);
        let kept: (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM frame JOIN pile USING (pile_no) WHERE pile_id = $1),
                    (SELECT count(*) FROM reading JOIN series USING (series_no) JOIN pile USING (pile_no) WHERE pile_id = $1)",
        )
        .bind(pile.protocol)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(
            kept,
            (pile.frames, pile.samples),
            "{}: frames and readings, nothing lost, nothing twice",
            pile.protocol
        );
    }

    /// One text from a query on a pile, whose identity is `$1`.
    pub(crate) async fn text(&self, pile: &Pile, query: &'static str) -> Option<String> {
        sqlx::query_scalar(query)
            .bind(pile.protocol)
            .fetch_one(&mut self.database.connect().await)
            .await
            .unwrap()
    }

    /// Kind and step of the register of connector 1.
    pub(crate) async fn register(&self, pile: &Pile) -> String {
        let query = "SELECT concat(register.kind, ' ', step_wh) FROM register JOIN pile USING (pile_no)
                     WHERE pile_id = $1 AND connector = 1";
        self.text(pile, query).await.unwrap()
    }

    /// Codes of the marks on frames and readings of a pile, each once, sorted.
    pub(crate) async fn marks(&self, pile: &Pile) -> String {
        let query = "SELECT string_agg(DISTINCT mark, ' ' ORDER BY mark) FROM (
                 SELECT unnest(frame.marks) AS mark FROM frame JOIN pile USING (pile_no) WHERE pile_id = $1
                 UNION ALL
                 SELECT unnest(reading.marks) FROM reading JOIN series USING (series_no) JOIN pile USING (pile_no)
                 WHERE pile_id = $1) AS m";
        self.text(pile, query).await.unwrap_or_default()
    }

    /// Orders a call to the only pile there is.
    pub(crate) async fn order(&self, call: &Value) {
        sqlx::query(
            "INSERT INTO command (pile_no, call, person, asked_at, expires_at)
             SELECT pile_no, $1, 'test', now(), now() + interval '1 minute' FROM pile",
        )
        .bind(call)
        .execute(&mut self.database.connect().await)
        .await
        .unwrap();
    }

    /// Waits for the answer to the ordered call.
    pub(crate) async fn answered(&self) -> (String, String) {
        for _ in 0..100 {
            let answered: Option<(String, String)> =
                sqlx::query_as("SELECT outcome, answer FROM command WHERE outcome IS NOT NULL")
                    .fetch_optional(&mut self.database.connect().await)
                    .await
                    .unwrap();
            if let Some(answered) = answered {
                return answered;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("no answer was noted in 10 s");
    }
}

/// A charger, and what it has told.
pub(crate) struct Pile {
    pub(crate) charger: Charger,
    pub(crate) protocol: &'static str,
    pub(crate) told: HashSet<String>,
    pub(crate) frames: i64,
    pub(crate) samples: i64,
    pub(crate) sequence: u32,
}

/// A charge to be told: registers in Wh at both ends, samples between at these minutes, and at both ends besides.
#[derive(Default, Clone)]
pub(crate) struct Told {
    pub(crate) connector: u32,
    /// Minute of the day.
    pub(crate) from: u32,
    pub(crate) minutes: u32,
    pub(crate) start: &'static str,
    pub(crate) begin: Vec<Value>,
    pub(crate) between: Vec<(u32, Vec<Value>)>,
    pub(crate) end: Vec<Value>,
    pub(crate) stop: &'static str,
}

impl Pile {
    /// Calls; whatever is wrong with the message, the answer must be a CALLRESULT.
    pub(crate) async fn says(&mut self, action: &str, payload: &Value) -> Value {
        if self.told.insert(format!("{action} {payload}")) {
            self.frames += 1;
            self.samples += samples_in(payload);
        }
        let answer = self.charger.call(action, payload).await;
        assert_eq!(answer[0], 3, "{action} {payload}: {answer}");
        answer[2].clone()
    }

    pub(crate) async fn boots(&mut self) {
        let payload = match self.protocol {
            V16 => json!({ "chargePointVendor": "V", "chargePointModel": "M" }),
            _ => json!({ "reason": "PowerUp", "chargingStation": { "vendorName": "V", "model": "M" } }),
        };
        self.says("BootNotification", &payload).await;
        // A boot is never a repeat of another.
        self.told.clear();
    }

    /// Starts over 1.6; the transaction id.
    pub(crate) async fn start(&mut self, connector: u32, minute: u32, meter: &str) -> Value {
        let payload = json!({ "connectorId": connector, "idTag": "CARD", "meterStart": number(meter), "timestamp": at(minute) });
        self.says("StartTransaction", &payload).await["transactionId"].clone()
    }

    /// Samples over 1.6; a transaction id of null is left out.
    pub(crate) async fn values(
        &mut self,
        connector: u32,
        transaction: &Value,
        minute: u32,
        samples: &[Value],
    ) {
        let mut payload = json!({ "connectorId": connector,
            "meterValue": [{ "timestamp": at(minute), "sampledValue": samples }] });
        if !transaction.is_null() {
            payload["transactionId"] = transaction.clone();
        }
        self.says("MeterValues", &payload).await;
    }

    /// Stops over 1.6.
    pub(crate) async fn stop(&mut self, transaction: &Value, minute: u32, meter: &str) {
        let payload =
            json!({ "transactionId": transaction, "meterStop": number(meter), "timestamp": at(minute) });
        self.says("StopTransaction", &payload).await;
    }

    /// An event of 2.x, with the next number.
    pub(crate) async fn event(
        &mut self,
        kind: &str,
        transaction: &str,
        evse: u32,
        minute: u32,
        samples: &[Value],
    ) {
        let payload = event(kind, self.sequence, transaction, evse, minute, samples);
        self.sequence += 1;
        self.says("TransactionEvent", &payload).await;
    }

    /// Tells a whole charge in its version.
    pub(crate) async fn charges(&mut self, told: &Told) -> Value {
        match self.protocol {
            V16 => self.charges_16(told).await,
            _ => self.charges_2(told).await,
        }
    }

    pub(crate) async fn charges_16(&mut self, told: &Told) -> Value {
        let transaction = self.start(told.connector, told.from, told.start).await;
        for (minute, samples) in &told.between {
            self.values(told.connector, &transaction, told.from + minute, samples).await;
        }
        let end = told.from + told.minutes;
        let data =
            |minute: u32, samples: &[Value]| json!({ "timestamp": at(minute), "sampledValue": samples });
        let mut stop =
            json!({ "transactionId": transaction, "timestamp": at(end), "meterStop": number(told.stop) });
        if !told.begin.is_empty() || !told.end.is_empty() {
            stop["transactionData"] = json!([data(told.from, &told.begin), data(end, &told.end)]);
        }
        self.says("StopTransaction", &stop).await;
        transaction
    }

    pub(crate) async fn charges_2(&mut self, told: &Told) -> Value {
        let transaction = format!("T-{}-{}", told.connector, told.from);
        let ends = |meter: &'static str, context: &str, samples: &[Value]| {
            let own = (samples.is_empty() && !meter.is_empty())
                .then(|| with(energy(meter, "Wh"), "context", context));
            own.into_iter().chain(samples.iter().cloned()).collect::<Vec<_>>()
        };
        self.sequence = 0;
        let begin = ends(told.start, "Transaction.Begin", &told.begin);
        self.event("Started", &transaction, told.connector, told.from, &begin).await;
        for (minute, samples) in &told.between {
            self.event("Updated", &transaction, told.connector, told.from + minute, samples).await;
        }
        let end = ends(told.stop, "Transaction.End", &told.end);
        self.event("Ended", &transaction, told.connector, told.from + told.minutes, &end).await;
        json!(transaction)
    }
}

pub(crate) fn event(
    kind: &str,
    sequence: u32,
    transaction: &str,
    evse: u32,
    minute: u32,
    samples: &[Value],
) -> Value {
    let samples: Vec<Value> = samples.iter().map(as_2).collect();
    let mut payload = json!({ "eventType": kind, "timestamp": at(minute), "triggerReason": "Trigger", "seqNo": sequence,
        "transactionInfo": { "transactionId": transaction }, "evse": { "id": evse } });
    if !samples.is_empty() {
        payload["meterValue"] = json!([{ "timestamp": at(minute), "sampledValue": samples }]);
    }
    payload
}

/// A sample of 1.6 as 2.x has it.
pub(crate) fn as_2(sample: &Value) -> Value {
    let mut sample = sample.clone();
    if let Some(unit) = sample.as_object_mut().unwrap().remove("unit") {
        sample["unitOfMeasure"] = json!({ "unit": unit });
    }
    if let Some(value) = sample["value"].as_str().and_then(|text| serde_json::from_str(text).ok()) {
        sample["value"] = value;
    }
    sample
}

/// A number as it is written, in JSON.
pub(crate) fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// A moment of 2026-03-01.
pub(crate) fn at(minute: u32) -> String {
    format!("2026-03-01T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

pub(crate) fn energy(value: &str, unit: &str) -> Value {
    json!({ "value": value, "unit": unit, "measurand": "Energy.Active.Import.Register" })
}

pub(crate) fn power(value: &str, unit: &str) -> Value {
    json!({ "value": value, "unit": unit, "measurand": "Power.Active.Import" })
}

pub(crate) fn begin(value: &str) -> Value {
    with(energy(value, "Wh"), "context", "Transaction.Begin")
}

pub(crate) fn end(value: &str) -> Value {
    with(energy(value, "Wh"), "context", "Transaction.End")
}

pub(crate) fn with(mut sample: Value, key: &str, value: &str) -> Value {
    sample[key] = json!(value);
    sample
}

pub(crate) fn samples_in(payload: &Value) -> i64 {
    match payload {
        Value::Array(all) => all.iter().map(samples_in).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("sampledValue", Value::Array(samples)) => i64::try_from(samples.len()).unwrap(),
                ("sampledValue", Value::Object(_)) => 1,
                _ => samples_in(value),
            })
            .sum(),
        _ => 0,
    }
}

/// 10 kWh in an hour from the register 1,000 Wh, with samples as a good charger sends them.
pub(crate) fn good() -> Told {
    Told {
        connector: 1,
        from: 480,
        minutes: 60,
        start: "1000",
        between: vec![(30, vec![energy("6000", "Wh"), power("10000", "W")])],
        stop: "11000",
        ..Told::default()
    }
}
