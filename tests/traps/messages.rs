//! Traps of messages: late, twice, without a transaction or a time, on the wrong connector, over a dying connection.

use serde_json::{Value, json};
use veripile_tests::Charger;

use crate::field::{BOTH, Field, Told, V16, V201, as_2, at, begin, end, energy, event, good, number, with};

/// lbbrhzn/ocpp#1069.
#[tokio::test]
async fn energy_that_rises_after_the_stop_is_kept_with_the_charge_and_marked() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let transaction = pile.charges(&good()).await;
    pile.values(1, &transaction, 541, &[energy("11050", "Wh")]).await;
    field.expect(&pile, &[(Some("10000"), &["energy_after_stop"])]).await;

    let mut still = field.charger(V201).await;
    let transaction = still.charges(&good()).await;
    still.event("Updated", transaction.as_str().unwrap(), 1, 541, &[energy("11000", "Wh")]).await;
    field.expect(&still, &[(Some("10000"), &[])]).await;
    still.event("Updated", transaction.as_str().unwrap(), 1, 542, &[energy("11050", "Wh")]).await;
    field.expect(&still, &[(Some("10000"), &["energy_after_stop"])]).await;
    let last = "SELECT trim_scale(last_wh)::text FROM charge JOIN pile USING (pile_no) WHERE pile_id = $1";
    assert_eq!(field.text(&pile, last).await.as_deref(), Some("11050"));
    assert_eq!(field.text(&still, last).await.as_deref(), Some("11050"));
}

/// lbbrhzn/ocpp#2075.
#[tokio::test]
async fn the_final_samples_that_come_after_the_stop_are_the_charges_end() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    for (named, from) in [(true, 480), (false, 600)] {
        let transaction = pile.start(1, from, "1000").await;
        let id = if named { transaction.clone() } else { Value::Null };
        pile.values(1, &id, from, &[begin("1000.25")]).await;
        pile.stop(&transaction, from + 60, "11000").await;
        pile.values(1, &id, from + 61, &[end("11000.5")]).await;
    }
    field.expect(&pile, &[(Some("10000.25"), &[]), (Some("10000.25"), &[])]).await;

    let mut pile = field.charger(V201).await;
    pile.event("Started", "T", 1, 480, &[begin("1000.25")]).await;
    pile.event("Ended", "T", 1, 540, &[]).await;
    pile.says(
        "MeterValues",
        &json!({ "evseId": 1, "meterValue": [{ "timestamp": at(541),
        "sampledValue": [as_2(&end("11000.5"))] }] }),
    )
    .await;
    field.expect(&pile, &[(Some("10000.25"), &[])]).await;
}

/// citrineos/citrineos-core#1025, sap-labs-france/ev-dashboard#1817, EVerest/libocpp#495, lbbrhzn/ocpp#46.
#[tokio::test]
async fn samples_without_a_transaction_belong_to_the_charge_open_on_their_connector() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let other = pile.start(2, 470, "500").await;
    for (n, id) in (0..).zip(["null", "0", "-1", "9223372036854775807"]) {
        let (id, from) = (number(id), 480 + n * 70);
        let transaction = pile.start(1, from, "1000").await;
        pile.values(1, &id, from, &[begin("1000.25")]).await;
        pile.values(1, &id, from + 30, &[energy("6000", "Wh")]).await;
        pile.values(1, &id, from + 60, &[end("11000.5")]).await;
        pile.stop(&transaction, from + 60, "11000").await;
    }
    pile.stop(&other, 800, "700").await;
    let placed: (Option<&str>, &[&str]) = (Some("10000.25"), &["no_transaction"]);
    field.expect(&pile, &[(Some("200"), &[]), (Some("10000.25"), &[]), placed, placed, placed]).await;

    let mut pile = field.charger(V201).await;
    pile.event("Started", "T", 1, 480, &[]).await;
    for (minute, sample) in [(480, begin("1000.25")), (540, end("11000.5"))] {
        pile.says("MeterValues", &json!({ "evseId": 1, "meterValue": [{ "timestamp": at(minute), "sampledValue": [as_2(&sample)] }] })).await;
    }
    pile.event("Ended", "T", 1, 540, &[]).await;
    let mut nameless = event("Updated", 7, "T", 1, 545, &[energy("11000.5", "Wh")]);
    nameless["transactionInfo"] = json!({});
    pile.says("TransactionEvent", &nameless).await;
    field.expect(&pile, &[(Some("10000.25"), &[])]).await;
    assert_eq!(
        field.marks(&pile).await,
        "no_transaction",
        "the event without a transaction is kept with its mark"
    );
}

/// The same threads, for the stop: it ends the one charge that can end there, or is an orphan.
#[tokio::test]
async fn a_stop_without_a_transaction_ends_the_only_open_charge_and_is_else_an_orphan() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    pile.start(1, 480, "1000").await;
    pile.stop(&json!(-1), 540, "11000").await;
    let placed: (Option<&str>, &[&str]) = (Some("10000"), &["no_transaction"]);
    field.expect(&pile, &[placed]).await;
    let (first, second) = (pile.start(1, 600, "11000").await, pile.start(2, 601, "500").await);
    pile.stop(&json!(0), 660, "12000").await;
    pile.stop(&first, 661, "12000").await;
    pile.stop(&second, 662, "700").await;
    let orphan: (Option<&str>, &[&str]) = (None, &["orphan_stop", "no_energy"]);
    field.expect(&pile, &[placed, (Some("1000"), &[]), (Some("200"), &[]), orphan]).await;
}

/// lbbrhzn/ocpp#1767 (3 h late), lbbrhzn/ocpp#2135, citrineos/citrineos-core#1053, SAP/e-mobility-charging-stations-simulator#1204.
#[tokio::test]
async fn an_offline_queue_told_late_out_of_order_and_twice_is_the_same_charge() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V201).await;
    let samples = |wh: &str| vec![energy(wh, "Wh")];
    let told = |kind: &str, sequence: u32, minute: u32, wh: &str| {
        let mut payload = event(kind, sequence, "T", 1, minute, &samples(wh));
        payload["offline"] = json!(true);
        payload
    };
    let events =
        [told("Ended", 3, 540, "11000"), told("Updated", 1, 500, "4000"), told("Started", 0, 480, "1000")];
    for _ in 0..2 {
        for event in &events {
            pile.says("TransactionEvent", event).await;
        }
    }
    field.expect(&pile, &[(Some("10000"), &["offline", "sequence_gap"])]).await;
    pile.says("TransactionEvent", &told("Updated", 2, 520, "7000")).await;
    field.expect(&pile, &[(Some("10000"), &["offline"])]).await;
    let order = "SELECT string_agg(trim_scale(number)::text, ' ' ORDER BY time) FROM reading
                 JOIN series USING (series_no) JOIN pile USING (pile_no) WHERE pile_id = $1 AND device_time AND received_at > time";
    assert_eq!(
        field.text(&pile, order).await.as_deref(),
        Some("1000 4000 7000 11000"),
        "by the charger's clock"
    );

    let mut pile = field.charger(V16).await;
    let transaction = pile.start(1, 480, "1000").await;
    pile.stop(&transaction, 540, "11000").await;
    for minute in (481..540).rev() {
        pile.values(1, &transaction, minute, &[energy(&(1000 + (minute - 480) * 166).to_string(), "Wh")])
            .await;
    }
    field.expect(&pile, &[(Some("10000"), &[])]).await;
}

/// steve-community/steve#81, #1294, #1295; matth-x/MicroOcpp#237; EVerest/libocpp#907.
#[tokio::test]
async fn a_start_or_stop_sent_again_after_a_lost_answer_changes_nothing() {
    let Some(field) = Field::open().await else { return };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        let first = pile.charges(&good()).await;
        let again = pile.charges(&good()).await;
        assert_eq!(first, again, "the same transaction");
        drop(pile.charger);
        pile.charger = Charger::connect(&field.server.ocpp(), protocol, Some(protocol)).await.unwrap();
        assert_eq!(pile.charges(&good()).await, first);
        field.expect(&pile, &[(Some("10000"), &[])]).await;
    }
    // Under another message, but by SteVe's key the same start: card, connector, time and register.
    let mut pile = field.charger(V16).await;
    pile.told.clear();
    let start = json!({ "connectorId": 1, "idTag": "CARD", "meterStart": 1000, "timestamp": at(480), "reservationId": 7 });
    let transaction = pile.says("StartTransaction", &start).await["transactionId"].clone();
    let known = "SELECT reference FROM charge JOIN pile USING (pile_no) WHERE pile_id = $1";
    assert_eq!(field.text(&pile, known).await, Some(transaction.to_string()));
}

/// connectorio/connectorio-addons#199.
#[tokio::test]
async fn a_stop_of_an_unknown_transaction_is_acknowledged_and_kept_as_an_orphan() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let open = pile.start(1, 480, "1000").await;
    pile.stop(&json!(4711), 500, "9000").await;
    pile.stop(&open, 540, "11000").await;
    let orphan: (Option<&str>, &[&str]) = (None, &["orphan_stop", "no_energy"]);
    field.expect(&pile, &[(Some("10000"), &[]), orphan]).await;
    let mut pile = field.charger(V201).await;
    pile.event("Ended", "UNKNOWN", 1, 500, &[end("9000")]).await;
    field.expect(&pile, &[orphan]).await;
}

/// connectorio/connectorio-addons#161. Over 1.6 ids are ours and differ; over 2.x the charger gives them.
#[tokio::test]
async fn one_transaction_id_on_two_connectors_is_two_charges() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let (first, second) = (pile.start(1, 480, "1000").await, pile.start(2, 480, "1000").await);
    assert_ne!(first, second);
    pile.stop(&second, 540, "4000").await;
    pile.stop(&first, 541, "11000").await;
    field.expect(&pile, &[(Some("10000"), &[]), (Some("3000"), &[])]).await;

    let mut pile = field.charger(V201).await;
    for (kind, minute, first, second) in
        [("Started", 480, "1000", "500"), ("Updated", 500, "5000", "600"), ("Ended", 540, "11000", "700")]
    {
        let sequence = pile.sequence;
        pile.event(kind, "1", 1, minute, &[energy(first, "Wh")]).await;
        pile.sequence = sequence;
        pile.event(kind, "1", 2, minute, &[energy(second, "Wh")]).await;
    }
    field.expect(&pile, &[(Some("10000"), &[]), (Some("200"), &["reused_transaction"])]).await;
}

/// OCPP-J 1.6 §4.1.4, citrineos/citrineos-core#212, dallmann-consulting/OCPP.Core#36, EVerest/libocpp#298.
#[tokio::test]
async fn a_message_id_used_again_is_another_message() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    for minute in 480..483 {
        let payload = json!({ "connectorId": 1, "meterValue": [{ "timestamp": at(minute), "sampledValue": [energy("1", "Wh")] }] });
        let answer = pile.charger.send(&json!([2, "1", "MeterValues", payload]).to_string()).await;
        assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("1")));
        (pile.frames, pile.samples) = (pile.frames + 1, pile.samples + 1);
    }
    field.expect(&pile, &[]).await;
}

/// citrineos/citrineos-core#189: the message we triggered comes before the answer to our trigger.
#[tokio::test]
async fn a_triggered_message_may_come_before_the_answer_to_the_trigger() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let transaction = pile.start(1, 480, "1000").await;
    field.order(&json!({ "call": "trigger", "message": "MeterValues", "connector": 1 })).await;
    let call: Value = serde_json::from_str(&pile.charger.receive().await.unwrap()).unwrap();
    assert_eq!(call[2], "TriggerMessage", "{call}");
    pile.values(1, &transaction, 500, &[with(energy("6000", "Wh"), "context", "Trigger")]).await;
    pile.charger.say(&json!([3, call[1], { "status": "Accepted" }]).to_string()).await;
    assert_eq!(field.answered().await.0, "accepted");
    pile.stop(&transaction, 540, "11000").await;
    pile.frames += 1;
    field.expect(&pile, &[(Some("10000"), &[])]).await;
}

/// matth-x/MicroOcpp#311, matth-x/MicroOcpp#354, EVerest/libocpp#678, evcc-io/evcc#3930.
#[tokio::test]
async fn impossible_times_are_marked_and_ours_is_taken() {
    let Some(field) = Field::open().await else { return };
    let times = ["1970-01-01T00:00:00Z", "", "2026-03-01T08:00:00"];
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        for (n, time) in times.iter().enumerate() {
            let stamped = |mut payload: Value, later: &str| {
                let time = if time.starts_with("2026") { later } else { time };
                payload["timestamp"] = json!(time);
                if payload.get("meterValue").is_some() {
                    payload["meterValue"][0]["timestamp"] = json!(time);
                }
                payload
            };
            if protocol == V16 {
                let start =
                    stamped(json!({ "connectorId": n + 1, "idTag": "CARD", "meterStart": 1000 }), time);
                let transaction = pile.says("StartTransaction", &start).await["transactionId"].clone();
                tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
                let stop = stamped(
                    json!({ "transactionId": transaction, "meterStop": 11000 }),
                    "2026-03-01T09:00:00",
                );
                pile.says("StopTransaction", &stop).await;
            } else {
                let evse = u32::try_from(n + 1).unwrap();
                let id = format!("T{n}");
                let started = event("Started", 0, &id, evse, 0, &[energy("1000", "Wh")]);
                pile.says("TransactionEvent", &stamped(started, time)).await;
                tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
                let ended = event("Ended", 1, &id, evse, 0, &[energy("11000", "Wh")]);
                pile.says("TransactionEvent", &stamped(ended, "2026-03-01T09:00:00")).await;
            }
        }
        let charge: (Option<&str>, &[&str]) = (Some("10000"), &[]);
        field.expect(&pile, &[charge, charge, charge]).await;
        assert_eq!(field.marks(&pile).await, "bad_timestamp zoneless_timestamp");
        let ours = "SELECT count(*)::text FROM charge JOIN pile USING (pile_no)
                    WHERE pile_id = $1 AND started_at > now() - interval '1 minute' AND ended_at > started_at";
        assert_eq!(field.text(&pile, ours).await.as_deref(), Some("2"), "receive time where theirs is none");
    }
}

/// The same threads: a time that is left out altogether.
#[tokio::test]
async fn a_missing_time_is_marked_and_a_repeat_is_still_a_repeat() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let start = r#"[2,"s","StartTransaction",{"connectorId":1,"idTag":"C","meterStart":1000}]"#;
    let transaction = pile.charger.send(start).await[2]["transactionId"].clone();
    assert_eq!(pile.charger.send(start).await[2]["transactionId"], transaction);
    let stop = format!(r#"[2,"e","StopTransaction",{{"transactionId":{transaction},"meterStop":11000}}]"#);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for _ in 0..2 {
        assert_eq!(pile.charger.send(&stop).await[0], 3);
    }
    pile.frames = 2;
    field.expect(&pile, &[(Some("10000"), &[])]).await;
    assert_eq!(field.marks(&pile).await, "bad_timestamp");
}

/// EVerest/libocpp#445.
#[tokio::test]
async fn clock_aligned_samples_off_the_boundary_keep_their_time() {
    let Some(field) = Field::open().await else { return };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        let transaction = pile.charges(&good()).await;
        let sample = with(energy("6000", "Wh"), "context", "Sample.Clock");
        let mut payload = match protocol {
            V16 => json!({ "connectorId": 1, "transactionId": transaction }),
            _ => json!({ "evseId": 1 }),
        };
        let sample = if protocol == V16 { sample } else { as_2(&sample) };
        payload["meterValue"] =
            json!([{ "timestamp": "2026-03-01T08:15:02.700Z", "sampledValue": [sample] }]);
        pile.says("MeterValues", &payload).await;
        field.expect(&pile, &[(Some("10000"), &[])]).await;
        let time = "SELECT (time AT TIME ZONE 'UTC')::text FROM reading JOIN series USING (series_no) JOIN pile USING (pile_no)
                    WHERE pile_id = $1 AND context = 'Sample.Clock'";
        assert_eq!(field.text(&pile, time).await.as_deref(), Some("2026-03-01 08:15:02.7"));
    }
}

/// lbbrhzn/ocpp#1311, citrineos/citrineos-core#123, lbbrhzn/ocpp#1925.
#[tokio::test]
async fn a_register_split_by_phase_is_summed_without_the_neutral() {
    let Some(field) = Field::open().await else { return };
    let split = |context: &str, values: &[(&str, &str)]| -> Vec<Value> {
        let sample =
            |(phase, wh): &(&str, &str)| with(with(energy(wh, "Wh"), "phase", phase), "context", context);
        values.iter().map(sample).collect()
    };
    let mut phases =
        split("Transaction.Begin", &[("L1", "100.5"), ("L2", "200"), ("L3", "300"), ("N", "77")]);
    phases.push(json!({ "value": "0.3", "unit": "A", "measurand": "Current.Import", "phase": "L1-N" }));
    let ends = split("Transaction.End", &[("L1", "3100.75"), ("L2", "3200"), ("L3", "4300"), ("N", "9999")]);
    let neutral = |context| split(context, &[("N", "5000")]);
    // Over 1.6, start and stop registers would do without samples: 0 and 0 say nothing was delivered.
    for (protocol, without) in [(V16, (Some("0"), vec!["zero_energy"])), (V201, (None, vec!["no_energy"]))] {
        let mut pile = field.charger(protocol).await;
        let told = Told {
            start: "600",
            stop: "10600",
            between: vec![],
            begin: phases.clone(),
            end: ends.clone(),
            ..good()
        };
        pile.charges(&told).await;
        let only = Told {
            from: 600,
            start: "0",
            stop: "0",
            begin: neutral("Transaction.Begin"),
            end: neutral("Transaction.End"),
            between: vec![],
            ..good()
        };
        pile.charges(&only).await;
        field.expect(&pile, &[(Some("10000.25"), &[]), (without.0, &without.1)]).await;
    }
}

/// lbbrhzn/ocpp#1742.
#[tokio::test]
async fn the_main_meter_is_a_series_of_its_own_and_never_in_a_charge() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let transaction = pile.start(1, 480, "1000").await;
    for id in [Value::Null, json!(0), transaction.clone()] {
        let minute = 490 + u32::try_from(pile.frames).unwrap();
        pile.values(0, &id, minute, &[begin("777000"), end("888000")]).await;
    }
    pile.values(1, &transaction, 500, &[energy("5000", "Wh")]).await;
    pile.stop(&transaction, 540, "11000").await;
    field.expect(&pile, &[(Some("10000"), &[])]).await;

    let mut other = field.charger(V201).await;
    other.event("Started", "T", 1, 480, &[begin("1000")]).await;
    other.says("MeterValues", &json!({ "evseId": 0, "meterValue": [{ "timestamp": at(490), "sampledValue": [as_2(&end("888000"))] }] })).await;
    other.event("Ended", "T", 1, 540, &[end("11000")]).await;
    field.expect(&other, &[(Some("10000"), &[])]).await;
    let series = "SELECT string_agg(DISTINCT connector::text, ' ' ORDER BY connector::text) FROM series JOIN pile USING (pile_no) WHERE pile_id = $1";
    for pile in [&pile, &other] {
        assert_eq!(field.text(pile, series).await.as_deref(), Some("0 1"));
    }
}

/// lbbrhzn/ocpp#2135: no connector beside the EVSE, and after the first message no EVSE either.
#[tokio::test]
async fn a_charge_is_known_by_its_evse_where_the_connector_is_left_out() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V201).await;
    pile.event("Started", "T", 2, 480, &[begin("1000")]).await;
    for (kind, sequence, minute, sample) in
        [("Updated", 1, 500, energy("5000", "Wh")), ("Ended", 2, 540, end("11000"))]
    {
        let mut payload = event(kind, sequence, "T", 2, minute, &[sample]);
        payload.as_object_mut().unwrap().remove("evse");
        pile.says("TransactionEvent", &payload).await;
    }
    field.expect(&pile, &[(Some("10000"), &[])]).await;
    let places = "SELECT concat(charge.connector, ' ', (SELECT string_agg(DISTINCT connector::text, ' ') FROM series WHERE series.pile_no = charge.pile_no))
                  FROM charge JOIN pile USING (pile_no) WHERE pile_id = $1";
    assert_eq!(field.text(&pile, places).await.as_deref(), Some("2 2"));
}

/// lbbrhzn/ocpp#1096 (Starcharge), EVerest/EVerest#1808, EVerest/EVerest#2475: every message on a connection of its own, the
/// older ones left for dead.
#[tokio::test]
async fn a_charge_told_over_many_connections_is_one_charge() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let mut dead = Vec::new();
    let transaction = pile.start(1, 480, "1000").await;
    for minute in 481..490 {
        let newer = Charger::connect(&field.server.ocpp(), V16, Some(V16)).await.unwrap();
        dead.push(std::mem::replace(&mut pile.charger, newer));
        let samples = [energy(&(1000 + (minute - 480) * 100).to_string(), "Wh")];
        pile.values(1, &transaction, minute, &samples).await;
        pile.values(1, &transaction, minute, &samples).await;
    }
    pile.stop(&transaction, 540, "11000").await;
    field.expect(&pile, &[(Some("10000"), &[])]).await;
    for mut older in dead {
        assert_eq!(older.receive().await, None, "closed by us");
    }
}

/// dallmann-consulting/OCPP.Core#31: a charger told off sends the same for ever.
#[tokio::test]
async fn a_stop_full_of_nonsense_is_acknowledged_all_the_same() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    for payload in [
        json!({}),
        json!({ "transactionId": {}, "meterStop": "many", "timestamp": 5, "transactionData": "none" }),
        json!({ "transactionId": 1.5, "meterStop": -7, "timestamp": "soon", "reason": ["x"] }),
    ] {
        pile.says("StopTransaction", &payload).await;
        pile.says("StartTransaction", &payload).await;
    }
    let mut other = field.charger(V201).await;
    for payload in
        [json!({}), json!({ "eventType": "Exploded", "transactionInfo": 5, "evse": "left", "seqNo": -1 })]
    {
        other.says("TransactionEvent", &payload).await;
    }
    field.expect(&other, &[]).await;
    assert!(
        field.marks(&pile).await.contains("bad_shape") && field.marks(&other).await.contains("bad_shape")
    );
}

/// evcc-io/evcc#15768, evcc-io/evcc#18215: keys typical of Chinese chargers.
#[tokio::test]
async fn vendor_keys_of_the_configuration_are_kept() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    field.order(&json!({ "call": "read_configuration", "names": [] })).await;
    let call: Value = serde_json::from_str(&pile.charger.receive().await.unwrap()).unwrap();
    assert_eq!(call[2], "GetConfiguration", "{call}");
    let keys = json!({ "configurationKey": [{ "key": "G_PowerMeterType", "readonly": false, "value": "DTSD1352" },
        { "key": "QrCode", "readonly": "false", "value": 7 },
        { "key": "AuthorizationKey", "readonly": false, "value": "its-own-basic-key" }], "unknownKey": [] });
    pile.charger.say(&json!([3, call[1], keys]).to_string()).await;
    let (outcome, answer) = field.answered().await;
    assert_eq!(outcome, "accepted", "{answer}");
    assert!(answer.contains("G_PowerMeterType") && answer.contains("DTSD1352") && answer.contains("QrCode"));
    assert_eq!(field.database.number("SELECT count(*) FROM frame WHERE body LIKE '%DTSD1352%'").await, 1);
    assert!(answer.contains("AuthorizationKey") && !answer.contains("its-own-basic-key"), "{answer}");
    assert_eq!(
        field.database.number("SELECT count(*) FROM frame WHERE body LIKE '%its-own-basic-key%'").await,
        0
    );
}
