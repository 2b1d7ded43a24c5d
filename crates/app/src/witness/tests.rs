use super::*;

const NOW: &str = "2026-11-01T00:00:00Z";

/// Reads one row under a header.
fn read(header: &str, row: &str) -> Result<Witness, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("witness.csv");
    std::fs::write(&file, format!("{header}\n{row}\n")).expect("written");
    let mut rows = Rows::open(&file, &REQUIRED).expect("opens");
    let columns = Columns::of(&rows);
    let mut text = Row::default();
    assert!(rows.next(&mut text).expect("a row"));
    witness(&text, &columns, &IdentityKey::new([1; 32]), NOW.parse().expect("a time"))
        .map_err(|bad| bad.text())
}

/// Reads a row of time and pile with some fields.
fn with(columns: &str, fields: &str) -> Result<Witness, String> {
    read(
        &format!("pile_id,started_at,ended_at,{columns}"),
        &format!("P1,2026-10-01T08:00:00+08:00,2026-10-01T09:00:00+08:00,{fields}"),
    )
}

fn number(text: &str) -> Decimal {
    text.parse().expect("a number")
}

#[test]
fn a_row_is_read_whole_and_no_vehicle_is_named() {
    let row = with(
        "energy_parts,amount,ambient_c,soc_end,soc_start,energy_vehicle_kwh,vehicle_path,vehicle_model,vehicle_id,connector",
        "10@1.2;2.5@0.8+0.4,15.00,-7.5,80,20,12.345,telematics,Han EV,LC0CE4DB,2",
    )
    .expect("a good row");
    assert_eq!(row.started_at.to_string(), "2026-10-01T00:00:00Z");
    assert_eq!(row.connector, Some(2));
    assert_eq!((row.energy_wh, row.path), (Some(number("12345")), Some(VehiclePath::Telematics)));
    assert_eq!(row.vehicle_model.as_deref(), Some("Han EV"));
    assert_eq!(row.soc_percent, [Some(number("20")), Some(number("80"))]);
    assert_eq!(row.ambient_c, Some(number("-7.5")));
    let bill = row.bill.expect("a bill");
    assert_eq!((bill.amount, bill.parts.len()), (number("15"), 2));
    assert_eq!(bill.parts[1].service_per_kwh, number("0.4"));
    assert_eq!(row.vehicle, Some((IdentityKey::new([1; 32]).vehicle("lc0ce4db"), NameKind::Other)));
}

#[test]
fn what_cannot_be_is_rejected_with_a_reason() {
    let cases = [
        ("energy_vehicle_kwh,vehicle_path", "10,", "vehicle_path_missing"),
        ("energy_vehicle_kwh,vehicle_path", "10,relayed", "vehicle_path_relayed"),
        ("energy_vehicle_kwh,vehicle_path", "10,radio", "vehicle_path_unknown"),
        ("energy_vehicle_kwh,vehicle_path", "ten,app", "not_a_number"),
        ("energy_vehicle_kwh,vehicle_path", "-3,app", "energy_not_positive"),
        ("energy_vehicle_kwh,vehicle_path", "1e9,app", "energy_implausible"),
        ("energy_vehicle_kwh,vehicle_path", ",", "tells_nothing"),
        ("vehicle_model", "LSVNV2182E2100001", "vehicle_model_is_a_vin"),
        ("vehicle_model", "Han\u{0}EV", "vehicle_model_unusable"),
        ("connector", "0", "connector_unusable"),
        ("soc_start", "101", "out_of_range"),
        ("ambient_c", "9999", "out_of_range"),
        ("amount", "3", "bill_incomplete"),
        ("amount,energy_parts", "3,3", "bill_unusable"),
        ("amount,energy_parts", "3,-1@3", "bill_unusable"),
        ("amount,energy_parts", "-3,1@3", "out_of_range"),
        (
            "amount,energy_parts",
            "3,79228162514264337593543950335@79228162514264337593543950335",
            "bill_unusable",
        ),
    ];
    for (columns, fields, reason) in cases {
        let error = with(columns, fields).expect_err(fields);
        assert!(error.starts_with(reason), "{columns} {fields}: {error}");
    }
    let back = with("vehicle_path,energy_vehicle_kwh", "app,").expect("takes back");
    assert_eq!((back.path, back.energy_wh), (Some(VehiclePath::App), None));
    assert!(with("vehicle_model", "LongRangeAllWheel").is_ok(), "17 letters without a digit are a name");
    let header = "pile_id,started_at,ended_at,vehicle_model";
    let read = |row: &str| read(header, row).expect_err(row);
    assert!(read("P1,2026-10-01T08:00:00Z,2026-10-01T08:00:00Z,M").starts_with("ends_before_it_starts"));
    assert!(read("P1,2026-10-01T08:00:00,2026-10-01T09:00:00,M").starts_with("not_a_time"));
    assert!(read("P1,2026-11-01T00:00:00Z,2026-11-01T00:05:01Z,M").starts_with("not_yet"));
    assert!(read(",2026-10-01T08:00:00Z,2026-10-01T09:00:00Z,M").starts_with("pile_id_unusable"));
}
