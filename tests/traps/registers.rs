//! Traps of readings and registers: wrong units, sessions, restarts, placeholders, rounding.

use serde_json::{Value, json};

use crate::field::{BOTH, Field, Pile, Told, V16, V201, at, begin, end, energy, event, good, power, with};

#[tokio::test]
async fn a_good_charge_has_no_mark() {
    let Some(field) = Field::open().await else { return };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        pile.charges(&good()).await;
        field.expect(&pile, &[(Some("10000"), &[])]).await;
        assert_eq!(field.register(&pile).await, "unknown ");
    }
}

/// OpenEVSE/openevse_esp32_firmware#703. Over 1.6 start and stop tell, over 2.x power.
#[tokio::test]
async fn kilowatt_hours_labelled_wh_are_marked_and_never_rescaled() {
    let Some(field) = Field::open().await else { return };
    let between: Vec<_> = (1..12).map(|n| (n * 5, vec![energy("5", "Wh"), power("10000", "W")])).collect();
    let told = Told { begin: vec![begin("1.0")], end: vec![end("11.0")], between, ..good() };
    for (protocol, wh) in [(V16, "10000"), (V201, "10")] {
        let mut pile = field.charger(protocol).await;
        pile.charges(&told).await;
        field.expect(&pile, &[(Some(wh), &["unit_suspect"])]).await;
        let sent =
            "SELECT count(*)::text FROM reading JOIN series USING (series_no) JOIN pile USING (pile_no)
                    WHERE pile_id = $1 AND unit = 'Wh' AND number = 11.0";
        assert_eq!(field.text(&pile, sent).await.as_deref(), Some("1"), "as sent");
    }
}

/// evcc-io/evcc#19420, lbbrhzn/ocpp#1311: each sample has its own unit; none means Wh.
#[tokio::test]
async fn each_sample_of_a_message_has_its_own_unit_and_none_means_wh() {
    let Some(field) = Field::open().await else { return };
    let unitless = |sample: Value| {
        let mut sample = sample;
        sample.as_object_mut().unwrap().remove("unit");
        sample
    };
    let kwh = with(energy("1.00025", "kWh"), "context", "Transaction.Begin");
    let told = Told {
        begin: vec![kwh],
        between: vec![(30, vec![energy("6000", "Wh"), power("10.0", "kW")])],
        end: vec![unitless(end("11000.75"))],
        ..good()
    };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        pile.charges(&told).await;
        field.expect(&pile, &[(Some("10000.5"), &[])]).await;
        assert!(field.marks(&pile).await.contains("missing_unit"));
    }
}

/// lbbrhzn/ocpp#1576, lbbrhzn/ocpp#1969, mobilityhouse/ocpp#54, mobilityhouse/ocpp#70, openevse_esp32_firmware#726.
#[tokio::test]
async fn illegal_units_and_measurands_are_kept_and_marked_beside_a_sound_charge() {
    let Some(field) = Field::open().await else { return };
    let odd = |measurand: &str, unit: &str| json!({ "value": "50", "measurand": measurand, "unit": unit });
    let told = Told {
        between: vec![(
            30,
            vec![odd("Frequency", "Hertz"), odd("Request.Energy", "Wh"), odd("Temperature", "C")],
        )],
        ..good()
    };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        pile.charges(&told).await;
        field.expect(&pile, &[(Some("10000"), &[])]).await;
        let marks = field.marks(&pile).await;
        assert!(marks.contains("unknown_measurand") && marks.contains("unknown_unit"), "{marks}");
    }
}

/// mobilityhouse/ocpp#377, evcc-io/evcc#17585, evcc-io/evcc#19354, lbbrhzn/ocpp#1144, lbbrhzn/ocpp#466.
#[tokio::test]
async fn numbers_for_text_blanks_objects_for_arrays_and_no_samples_at_all_are_read_nonetheless() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let transaction = pile.start(1, 480, "1000").await;
    let shapes = [
        json!({ "connectorId": "1", "transactionId": transaction, "meterValue":
            { "timestamp": at(490), "sampledValue": { "value": 1000.5, "context": "Transaction.Begin" } } }),
        json!({ "connectorId": 1, "transactionId": transaction, "meterValue": [
            { "timestamp": at(500), "sampledValue": [{ "value": "", "unit": "Wh" }, { "value": " 7000", "unit": "Wh" }] }] }),
        json!({ "connectorId": 1, "transactionId": transaction, "meterValue": [{ "timestamp": at(510), "sampledValue": [] }] }),
        json!({ "connectorId": 1, "transactionId": transaction, "meterValue": [] }),
        json!({ "connectorId": 1, "transactionId": transaction.to_string(), "meterValue": [
            { "timestamp": at(540), "sampledValue": [{ "value": " 11000.5 ", "unit": "Wh", "context": "Transaction.End" }] }] }),
    ];
    for shape in &shapes {
        pile.says("MeterValues", shape).await;
    }
    pile.stop(&transaction, 540, "11000").await;
    field.expect(&pile, &[(Some("10000"), &[])]).await;
    let marks = field.marks(&pile).await;
    assert_eq!(marks, "bad_number bad_shape empty_sample missing_unit number_not_text");

    let mut pile = field.charger(V201).await;
    let mut started = event("Started", 0, "T", 1, 480, &[]);
    started["meterValue"] = json!({ "timestamp": at(480), "sampledValue": { "value": "1000.5" } });
    let mut ended = event("Ended", 1, "T", 1, 540, &[]);
    ended["meterValue"] = json!([{ "timestamp": at(539), "sampledValue": [] },
        { "timestamp": at(540), "sampledValue": [{ "value": " 11000.5", "unitOfMeasure": { "unit": "Wh", "multiplier": "0" } }] }]);
    pile.says("TransactionEvent", &started).await;
    pile.says("TransactionEvent", &ended).await;
    field.expect(&pile, &[(Some("10000"), &[])]).await;
}

/// mobilityhouse/ocpp#128, mobilityhouse/ocpp#122, lbbrhzn/ocpp#2075: the card's id grows by two characters at the stop.
#[tokio::test]
async fn fields_longer_than_ocpp_allows_are_taken() {
    let Some(field) = Field::open().await else { return };
    let mut pile = field.charger(V16).await;
    let serial = "S".repeat(26);
    let boot = json!({ "chargePointVendor": "V".repeat(30), "chargePointModel": "M".repeat(30), "meterSerialNumber": serial });
    pile.says("BootNotification", &boot).await;
    let card = "C".repeat(20);
    let start = json!({ "connectorId": 1, "idTag": card, "meterStart": 1000, "timestamp": at(480) });
    let transaction = pile.says("StartTransaction", &start).await["transactionId"].clone();
    let stop = json!({ "transactionId": transaction, "idTag": format!("{card}00"), "meterStop": 11000,
        "timestamp": at(540), "reason": "R".repeat(60) });
    pile.says("StopTransaction", &stop).await;
    field.expect(&pile, &[(Some("10000"), &[])]).await;
    let kept = "SELECT pile_live.meter_serial FROM pile_live JOIN pile USING (pile_no) WHERE pile_id = $1";
    assert_eq!(field.text(&pile, kept).await, Some(serial));
}

/// lbbrhzn/ocpp#2093 (Grizzl-E: −4076 kWh), lbbrhzn/ocpp#919, lbbrhzn/ocpp#374.
#[tokio::test]
async fn samples_of_the_session_beside_a_lifetime_register_give_the_right_energy() {
    let Some(field) = Field::open().await else { return };
    let samples = [(1, "0"), (30, "2500"), (59, "5000")];
    let between: Vec<_> = samples.map(|(minute, wh)| (minute, vec![energy(wh, "Wh")])).into();
    let told = Told { start: "4080000", stop: "4085000", between, ..good() };
    let later = Told { from: 600, start: "4085000", stop: "4090000", ..told.clone() };
    let mut pile = field.charger(V16).await;
    pile.charges(&told).await;
    pile.charges(&later).await;
    let charge: (Option<&str>, &[&str]) = (Some("5000"), &["session_register"]);
    field.expect(&pile, &[charge, charge]).await;
    assert_eq!(field.register(&pile).await, "session ");

    // The same with samples at both ends in the stop's data.
    let ends = Told {
        from: 720,
        start: "4090000",
        stop: "4095000",
        begin: vec![begin("0")],
        end: vec![end("5000")],
        ..told.clone()
    };
    pile.charges(&ends).await;
    field.expect(&pile, &[charge, charge, charge]).await;

    // Over 2.x the ends are samples too: the register falls and rises again, or stays with the session.
    let mut pile = field.charger(V201).await;
    pile.charges(&told).await;
    pile.charges(&Told { stop: "5000", ..later }).await;
    let charge: (Option<&str>, &[&str]) = (Some("5000"), &["register_restarted"]);
    field.expect(&pile, &[charge, charge]).await;
}

/// ChargeTimeEU/Java-OCA-OCPP#331: the register starts from 0 when the charger reboots in the middle of a charge.
#[tokio::test]
async fn a_register_that_restarts_in_a_charge_begins_an_epoch_and_energy_is_counted_inside_epochs() {
    let Some(field) = Field::open().await else { return };
    let samples = [(1, "1000"), (20, "4000"), (30, "0"), (50, "2500")];
    let between: Vec<_> = samples.map(|(minute, wh)| (minute, vec![energy(wh, "Wh")])).into();
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        pile.charges(&Told { stop: "3000", between: between.clone(), ..good() }).await;
        field.expect(&pile, &[(Some("6000"), &["register_restarted"])]).await;
        let epochs = "SELECT string_agg(concat(connector, ' ', epoch, ' ', before_wh, ' ', after_wh, ' ', began_at AT TIME ZONE 'UTC'), ',')
                      FROM register_epoch JOIN pile USING (pile_no) WHERE pile_id = $1";
        let epochs = field.text(&pile, epochs).await;
        assert_eq!(epochs.as_deref(), Some("1 1 4000 0 2026-03-01 08:30:00"));
    }
}

/// The same thread: from 0 with each transaction, and from 0 with each boot.
#[tokio::test]
async fn whether_a_register_counts_for_life_for_the_session_or_since_the_boot_is_told_from_its_charges() {
    let Some(field) = Field::open().await else { return };
    let charge = |from: u32, start: &'static str, stop: &'static str| Told {
        from,
        start,
        stop,
        minutes: 30,
        between: vec![],
        ..good()
    };
    let check =
        async |pile: &mut Pile, charges: &[(bool, &'static str, &'static str)], from: u32, kind: &str| {
            for (n, (boots, start, stop)) in (0u32..).zip(charges) {
                if *boots {
                    pile.boots().await;
                }
                pile.charges(&charge(from + n * 40, start, stop)).await;
            }
            assert_eq!(field.register(pile).await.trim(), kind, "{}", pile.protocol);
        };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        let on_and_on = [(false, "1001", "6003"), (true, "6003", "9007"), (false, "9007", "12001")];
        check(&mut pile, &on_and_on, 0, "lifetime").await;
        let by_boot = [
            (true, "0", "4003"),
            (false, "4003", "9001"),
            (true, "0", "3007"),
            (false, "3007", "5003"),
            (true, "0", "3001"),
        ];
        check(&mut pile, &by_boot, 200, "reset_on_boot").await;
        let by_session = [(false, "0", "4001"); 8];
        check(&mut pile, &by_session, 500, "session").await;
    }
}

/// citrineos/citrineos-core#1060: the meter was not read yet when the charge began offline.
#[tokio::test]
async fn a_zero_at_the_start_is_no_baseline_if_the_next_reading_jumps() {
    let Some(field) = Field::open().await else { return };
    let samples = [(1, "5000100"), (30, "5005000")];
    let between: Vec<_> = samples.map(|(minute, wh)| (minute, vec![energy(wh, "Wh")])).into();
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        pile.charges(&Told { start: "0", stop: "5010000", between: between.clone(), ..good() }).await;
        pile.charges(&Told { from: 600, start: "0", stop: "5020000", between: vec![], ..good() }).await;
        // A register that truly begins at 0 is a baseline.
        pile.charges(&Told { from: 700, start: "0", stop: "5000", between: vec![], ..good() }).await;
        field
            .expect(
                &pile,
                &[
                    (Some("9900"), &["placeholder_start"]),
                    (None, &["no_energy", "placeholder_start"]),
                    (Some("5000"), &[]),
                ],
            )
            .await;
    }
}

/// evcc-io/evcc#29374, evcc-io/evcc#29654.
#[tokio::test]
async fn without_a_reading_at_the_beginning_a_lifetime_register_is_no_energy() {
    let Some(field) = Field::open().await else { return };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        let between = vec![(30, vec![energy("5005000", "Wh")])];
        pile.charges(&Told { start: "", stop: "5010000", between, ..good() }).await;
        field.expect(&pile, &[(None, &["no_energy"])]).await;
    }
}

/// lbbrhzn/ocpp#1810 (Huawei), EVerest/libocpp#638, ocpp-cp-simulator#83.
#[tokio::test]
async fn a_watt_hour_of_rounding_is_neither_a_fall_nor_a_mismatch_and_decimals_count() {
    let Some(field) = Field::open().await else { return };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        let nothing =
            Told { start: "1000", stop: "999", between: vec![(30, vec![energy("999", "Wh")])], ..good() };
        pile.charges(&nothing).await;
        let exact = Told { from: 600, begin: vec![begin("1000.9")], end: vec![end("11000.2")], ..good() };
        pile.charges(&exact).await;
        pile.charges(&Told { from: 700, stop: "11000.4", ..good() }).await;
        field
            .expect(&pile, &[(Some("-1"), &["zero_energy"]), (Some("9999.3"), &[]), (Some("10000.4"), &[])])
            .await;
    }
}

/// mikuso/ocpp-rpc#42.
#[tokio::test]
async fn a_charge_too_small_for_its_registers_step_is_marked() {
    let Some(field) = Field::open().await else { return };
    for protocol in BOTH {
        let mut pile = field.charger(protocol).await;
        let registers = ["1100", "13300", "26600", "45700", "45900"];
        for (n, pair) in (0..).zip(registers.windows(2)) {
            pile.charges(&Told {
                from: 300 + n * 70,
                start: pair[0],
                stop: pair[1],
                between: vec![],
                ..good()
            })
            .await;
        }
        // Not before six values are seen is a step known.
        pile.charges(&Told { from: 700, start: "45900", stop: "46000", between: vec![], ..good() }).await;
        let fine: &[&str] = &[];
        field
            .expect(
                &pile,
                &[
                    (Some("12200"), fine),
                    (Some("13300"), fine),
                    (Some("19100"), fine),
                    (Some("200"), fine),
                    (Some("100"), &["coarse_register"]),
                ],
            )
            .await;
        assert_eq!(field.register(&pile).await, "lifetime 100");
    }
}
