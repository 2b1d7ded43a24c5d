//! Rows of a file of charges, good and bad.

use veripile_pile::PileKind;

use super::*;
use crate::plausible::power_max_kw;

/// Reads a file as one of Greenwich, of piles of which nobody knows the kind.
fn read_file(room: u64, path: &Path, reject: Reject<'_>) -> Result<Charges> {
    let most = |_: &PileId| power_max_kw(None);
    let setting = Setting { zone: &TimeZone::UTC, power_max_kw: &most };
    read_into(room, path, setting, reject).map(|(charges, _)| charges)
}

/// Reads rows under the header; with so much room.
fn read_rows(room: u64, rows: &[String]) -> Result<Charges> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("charges.csv");
    std::fs::write(&path, format!("{}\n{}\n", REQUIRED.join(","), rows.join("\n"))).expect("written");
    read_file(room, &path, &mut |_, _, _| Ok(()))
}

fn row(charge_id: &str, vehicle_id: &str) -> String {
    format!("{charge_id},P,{vehicle_id},M,2026-03-01T08:00:00Z,2026-03-01T09:00:00Z,10,10")
}

#[test]
fn more_charges_than_fit_are_an_error_with_the_next_step() {
    let rows = [row("C1", "V"), row("C2", "V")];
    let taken = Taken { charges: 2, piles: 1, vehicles: 1, name_bytes: 2 };
    let room = taken.bytes_with_signals();
    assert_eq!(read_rows(room, &rows).expect("they fit").rows.len(), 2);
    let refused = |room| read_rows(room, &rows).err().map(|error| error.to_string()).unwrap_or_default();
    let error = refused(room - 1);
    assert!(error.starts_with("charges.csv, line 3: more charges than fit"), "{error}");
    assert!(error.contains("up to here 2, of 1 vehicles") && error.contains("a month"), "{error}");
    let error = refused(taken.bytes() - 1);
    assert!(error.starts_with("charges.csv, line 3: more charges than fit"), "{error}");
    let other_vehicles = [row("C1", "V"), row("C2", "W")];
    assert!(read_rows(room, &other_vehicles).is_err(), "a vehicle more takes memory, too");
}

#[test]
fn a_vehicle_s_name_of_a_page_is_rejected() {
    let read = |chars: usize| read_rows(u64::MAX, &[row("C1", &"车".repeat(chars))]).expect("readable");
    assert_eq!(read(85).rows.len(), 1, "255 bytes");
    assert_eq!(read(86).rejected["vehicle_id_too_long"], 1);
}

#[test]
fn hours_are_those_of_the_place_however_the_time_is_written() {
    let shanghai = TimeZone::get("Asia/Shanghai").expect("in the database");
    let check = |text: &str, zone: &TimeZone, expected: f32| {
        let at = text.parse().expect("a time");
        assert!((hour(at, zone) - expected).abs() < 1e-4, "{text}: {}", hour(at, zone));
    };
    // China has had UTC+8 all year round since 1991.
    check("2026-03-01T22:30:00+08:00", &shanghai, 22.5);
    check("2026-03-01T14:30:00Z", &shanghai, 22.5);
    check("2026-03-01T15:30:36+01:00", &shanghai, 22.51);
    // Germany's clocks go from 1 to 3 h UTC+2 on the last Sunday of March, here the 29th.
    let berlin = TimeZone::get("Europe/Berlin").expect("in the database");
    check("2026-03-29T00:30:00Z", &berlin, 1.5);
    check("2026-03-29T01:30:00Z", &berlin, 3.5);
}

#[test]
fn a_rejected_row_leaves_no_trace_and_a_good_one_with_its_charge_id_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("charges.csv");
    let times = "2026-03-01T08:00:00Z,2026-03-01T09:00:00Z";
    let rows = [
        format!("C1,P,V,M,{times},0,10,9999,"),
        format!("C1,P,V,M,{times},10,10,9999,carrier pigeon"),
        format!("C1,P,V,M,{times},10,10,9999,app"),
        format!("C1,P,V,M,{times},10,10,9999,app"),
    ];
    let header = format!("{},ambient_c,vehicle_path", REQUIRED.join(","));
    std::fs::write(&path, format!("{header}\n{}\n", rows.join("\n"))).expect("written");
    let mut rejected = Vec::new();
    let charges = read_file(u64::MAX, &path, &mut |line, reason, _| {
        rejected.push((line, reason.to_owned()));
        Ok(())
    })
    .expect("readable");
    assert_eq!(charges.rows.len(), 1);
    assert_eq!(rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5]);
    assert_eq!(rejected[2].1, "duplicate_charge_id: first on line 4");
    assert_eq!(charges.unbelievable_covariates, 1, "of the row that counts");
}

#[test]
fn energies_that_cannot_be_true_are_bad_and_odd_ones_are_kept() {
    let check = |pile: &str, vehicle: &str, expected: Option<&str>| {
        assert_eq!(energies(pile, vehicle).err().map(|bad| bad.code), expected, "{pile} {vehicle}");
    };
    check("10.125", "9.9", None);
    check("10", "", None);
    check("1e1", "9.9", None);
    check("0.001", "0.001", None);
    check("30", "10", None);
    check("0", "9", Some("energy_not_positive"));
    check("10", "-0.1", Some("energy_not_positive"));
    check("-60.8", "", Some("energy_not_positive"));
    check("1430", "20", Some("energy_implausible"));
    check("", "20", Some("not_a_number"));
    check("10,5", "20", Some("not_a_number"));
    check("NaN", "20", Some("not_a_number"));
}

#[test]
fn times_need_an_offset_and_an_order() {
    let check = |start: &str, end: &str, expected: Option<&str>| {
        assert_eq!(period(start, end).err().map(|bad| bad.code), expected, "{start} {end}");
    };
    check("2026-03-01T08:00:00+08:00", "2026-03-01T00:30:00Z", None);
    check("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z", None);
    check("2026-03-01T08:00:00Z", "2026-03-01T07:59:59Z", Some("ends_before_it_starts"));
    check("2026-03-01T08:00:00", "2026-03-01T09:00:00Z", Some("not_a_time"));
    check("2026-03-01T08:00:00Z", "", Some("not_a_time"));
    check("2026-03-01T08:00:00+25:00", "2026-03-01T09:00:00Z", Some("not_a_time"));
    check("20260301T080000Z", "20260301T090000Z", Some("not_a_time"));
    check("2026-03-01T08:00:00Z", "2026-03-01T09:00Z", Some("not_a_time"));
    check("0000-01-01T08:00:00Z", "0000-01-01T09:00:00Z", Some("before_any_charge"));
    check("2008-12-31T23:59:59Z", "2009-01-01T01:00:00Z", Some("before_any_charge"));
    check("2009-01-01T00:00:00Z", "2009-01-01T01:00:00Z", None);
    check("2026-03-01T08:00:00Z", "2026-04-01T08:00:00Z", None);
    check("2026-03-01T08:00:00Z", "2026-04-01T08:00:01Z", Some("lasts_too_long"));
    check("2020-03-01T08:00:00Z", "2026-03-01T08:00:00Z", Some("lasts_too_long"));
}

// By hand: 200 kW for an hour and a minute are 203.33 kWh, for a minute 3.33; 5 MW for a minute 83.33.
#[test]
fn no_pile_gives_more_than_its_power() {
    let check = |energy: &str, seconds: i64, kind: PileKind, expected: bool| {
        let energy: Decimal = energy.parse().expect("literal");
        let found = power(energy, SignedDuration::from_secs(seconds), kind.power_max_kw());
        assert_eq!(found.err().map(|bad| bad.code), (!expected).then_some("power_implausible"), "{energy}");
    };
    check("203.3", 3_600, PileKind::Ac, true);
    check("203.4", 3_600, PileKind::Ac, false);
    // A charge of some seconds, in times to the minute.
    check("0.4", 0, PileKind::Ac, true);
    check("3.4", 0, PileKind::Ac, false);
    check("83.3", 0, PileKind::Dc, true);
    check("90", 0, PileKind::Dc, false);
    let zeros = [row("C1", "V"), row("C2", "V").replace("09:00:00Z,10", "08:00:00Z,90")];
    let read = read_rows(u64::MAX, &zeros).expect("readable");
    assert_eq!((read.rows.len(), read.rejected["power_implausible"]), (1, 1));
}
