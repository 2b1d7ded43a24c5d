//! Files of worlds whose truth is known: balances, signals, operators, reference vehicles.

use std::collections::BTreeMap;

use veripile_simulator::world::{Injection, InjectionKind, Noise, World, WorldSettings, files};

use super::*;

/// One city of two stations with ten piles each, sixty days.
fn settings(base: WorldSettings) -> WorldSettings {
    WorldSettings {
        cities: 1,
        stations_per_city: 2,
        piles_per_station: 10,
        days: 60,
        vehicles: 600,
        anchors: 3,
        on_site: 0,
        travel: 0.0,
        ..base
    }
}

fn args(scratch: &Scratch, out: &str) -> AssessArgs {
    let file = |name: &str| Some(scratch.0.join(name)).filter(|path| path.exists());
    AssessArgs {
        charges: scratch.0.join("charges.csv"),
        piles: file("piles.csv"),
        anchors: file("anchors.csv"),
        masters: None,
        registers: None,
        references: None,
        as_of: None,
        time_zone: TimeZone::get("Asia/Shanghai").expect("in the database"),
        out: scratch.0.join(out),
    }
}

/// A table by its first column.
fn table(scratch: &Scratch, name: &str) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(scratch.0.join(name)).expect("written");
    let rows = text.lines().skip(1).map(|row| row.split(',').map(str::to_owned).collect::<Vec<_>>());
    rows.map(|row| (row[0].clone(), row)).collect()
}

fn number(row: &[String], column: usize) -> f64 {
    row[column].parse().expect("a number")
}

/// True errors of piles, percent.
fn truth(scratch: &Scratch) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(scratch.0.join("truth.csv")).expect("written");
    let rows = text.lines().filter_map(|row| row.strip_prefix("pile,"));
    rows.map(|row| row.split(',').collect::<Vec<_>>())
        .map(|row| (row[0].to_owned(), row[1].parse().expect("a number")))
        .collect()
}

#[test]
fn a_balance_joins_vehicles_in_one_posterior() {
    let scratch = Scratch::new("balance");
    let world =
        WorldSettings { vehicle_share: 0.3, injections: Vec::new(), ..settings(WorldSettings::anhui(3)) };
    files::write(&World::draw(&world).expect("a world"), &scratch.0).expect("written");
    let alone = args(&scratch, "alone");
    run(&alone).expect("runs");
    let [masters, registers] = ["masters.csv", "registers.csv"].map(|name| Some(scratch.0.join(name)));
    let joined = AssessArgs { masters, registers, ..args(&scratch, "joined") };
    let summary = run(&joined).expect("runs");
    assert!(!summary.remarks.iter().any(|remark| remark.code == "balance_silent"), "{:?}", summary.remarks);
    let (alone, joined) = (table(&scratch, "alone/estimates.csv"), table(&scratch, "joined/estimates.csv"));
    let (truth, piles) = (truth(&scratch), table(&scratch, "piles.csv"));
    let (mut better, mut count, mut squares) = (0.0, 0.0, 0.0);
    for (pile, row) in &joined {
        let u = number(row, 5);
        squares += ((number(row, 4) - truth[pile]) / u).powi(2);
        count += 1.0;
        if piles[pile][3] == "ac" {
            better += f64::from(u8::from(u < 0.95 * number(&alone[pile], 5)));
        }
    }
    // A χ² of twenty, by a fit of three anchors: a mean below 2.5 leaves one in two thousand.
    assert!(squares / count < 2.5, "mean square {}", squares / count);
    assert!(better >= 3.0, "{better} AC piles are known better");
}

#[test]
fn without_vehicles_values_a_balance_speaks_and_billed_energy_does_not() {
    let scratch = Scratch::new("placebo");
    let world = WorldSettings { injections: Vec::new(), ..settings(WorldSettings::anhui(4)) };
    files::write(&World::draw(&world).expect("a world"), &scratch.0).expect("written");
    let charges = fs::read_to_string(scratch.0.join("charges.csv")).expect("written");
    let without = |row: &str| {
        let mut fields: Vec<&str> = row.split(',').collect();
        if fields[7] != "energy_vehicle_kwh" {
            fields[7] = "";
        }
        fields.join(",")
    };
    scratch.write("charges.csv", charges.lines().map(without).collect::<Vec<_>>().join("\n"));
    let placebo = run(&args(&scratch, "placebo")).expect("runs");
    assert_eq!(placebo.piles[..3], [0, 0, 0], "no score from billed energy, however many charges there are");
    let [masters, registers] = ["masters.csv", "registers.csv"].map(|name| Some(scratch.0.join(name)));
    let balanced = AssessArgs { masters, registers, ..args(&scratch, "balanced") };
    run(&balanced).expect("runs");
    let known = table(&scratch, "balanced/estimates.csv").values().filter(|row| !row[4].is_empty()).count();
    assert!(known >= 10, "{known} piles are known by their master");
}

#[test]
fn a_step_is_found_where_it_is_and_the_operator_s_energy_adds_up() {
    let scratch = Scratch::new("signals");
    let injection = Injection { kind: InjectionKind::Step { percent: 4.0, day: 30 }, piles: 1 };
    let world = WorldSettings {
        noise: Noise::Gaussian,
        injections: vec![injection],
        ..settings(WorldSettings::reference(5))
    };
    let world = World::draw(&world).expect("a world");
    files::write(&world, &scratch.0).expect("written");
    run(&args(&scratch, "out")).expect("runs");
    let stepped = world.piles.iter().find(|pile| pile.injection.is_some()).expect("injected").id.clone();
    let signals = fs::read_to_string(scratch.0.join("out/signals.csv")).expect("written");
    let steps: Vec<&str> = signals.lines().filter(|row| row.contains(",step,")).collect();
    assert!(steps.len() == 1 && steps[0].starts_with(&format!("{stepped},step,")), "{signals}");
    let operators = table(&scratch, "out/operators.csv");
    let all: f64 = world.charges.iter().map(|charge| charge.energy_pile_wh as f64 / 1000.0).sum();
    let weighed: f64 = operators.values().map(|row| number(row, 2)).sum();
    assert_eq!(operators.len(), 3);
    assert!((weighed / all - 1.0).abs() < 0.01, "{weighed} of {all} kWh; small charges are not compared");
}

#[test]
fn a_reference_vehicle_gives_a_level_where_no_pile_was_measured() {
    let scratch = Scratch::new("reference");
    // Of V1 and V2 an authority reads the energy off the vehicle.
    let by_way = |way: &str| {
        let read_off = |row: &str| row.contains(",V1,") || row.contains(",V2,");
        let row =
            |row: String| if read_off(&row) { format!("{row},{way}") } else { format!("{row},relayed") };
        let header = HEADER.trim_end();
        let rows: Vec<String> = rows().into_iter().map(row).collect();
        format!("{header},vehicle_path\n{}\n", rows.join("\n"))
    };
    let charges = scratch.write("charges.csv", by_way("reference"));
    let ungrounded = scratch.run(&charges, None, None).expect("runs");
    assert_eq!(ungrounded.piles, [0, 0, 0, 2]);
    let references = "vehicle_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor\n";
    let references =
        format!("{references}V1,2026-02-01T00:00:00Z,0,0.2,2\nV2,2026-02-01T00:00:00Z,0,0.2,2\n");
    let references = Some(scratch.write("references.csv", references));
    let grounded =
        run(&AssessArgs { references: references.clone(), ..args(&scratch, "grounded") }).expect("runs");
    assert_eq!(grounded.piles, [1, 1, 0, 0], "one good, one 4 % too much");
    // The same energies as piles relay them, or from nobody knows where: whoever relays could set its own level.
    for way in ["relayed", ""] {
        scratch.write("charges.csv", by_way(way));
        let relayed =
            run(&AssessArgs { references: references.clone(), ..args(&scratch, "relayed") }).expect("runs");
        assert_eq!(relayed.piles, [0, 0, 0, 2], "{way}");
        let told =
            relayed.remarks.iter().find(|remark| remark.code == "reference_without_charge").expect("told");
        assert!(told.to_string().contains(": V1, V2;"), "{told}");
    }
    // A pile that relays an invented charge of V1 does not speak for V1: there are two of it.
    let invented = by_way("reference") + "x,B,V1,,2026-03-02T18:00:00Z,2026-03-02T19:00:00Z,30,39,relayed\n";
    scratch.write("charges.csv", invented);
    run(&AssessArgs { references, ..args(&scratch, "invented") }).expect("runs");
    let vehicles = fs::read_to_string(scratch.0.join("invented/vehicles.csv")).expect("written");
    let of_v1: Vec<(&str, &str)> = vehicles
        .lines()
        .filter(|row| row.starts_with("V1,"))
        .map(|row| (row.split(',').nth(4).expect("charges"), row.rsplit(',').next().expect("reference")))
        .collect();
    assert_eq!(of_v1, [("1", "false"), ("20", "true")]);
}

#[test]
fn a_wrong_calibration_beside_right_on_site_results_is_named() {
    let scratch = Scratch::new("wrong-reference");
    let row = |row: String| {
        let way = if row.contains(",V1,") { "reference" } else { "telematics" };
        format!("{row},{way}")
    };
    let rows: Vec<String> = rows().into_iter().map(row).collect();
    scratch.write("charges.csv", format!("{},vehicle_path\n{}\n", HEADER.trim_end(), rows.join("\n")));
    // A reads right, B 4 % too much; V1 reads as all others do, and is said to read 5 % too much.
    let anchors = Some(scratch.write("anchors.csv", format!("{ANCHORS}B,2026-03-02T00:00:00Z,4.0,0.15,2\n")));
    let references = "vehicle_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor\n";
    let references = format!("{references}V1,2026-03-01T00:00:00Z,5.0,0.2,2\n");
    let references = Some(scratch.write("references.csv", references));
    let summary = run(&AssessArgs { anchors, references, ..args(&scratch, "out") }).expect("runs");
    let told: Vec<String> = summary
        .remarks
        .iter()
        .filter(|remark| remark.code.starts_with("contradictory"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    for part in
        ["标准车 V1 2026-03-01T00:00:00Z 的校准（5.0 %）", "未予采用", "reference vehicle V1", "left out"]
    {
        assert!(told[0].contains(part), "{told:?}");
    }
    let facts: serde_json::Value = serde_json::from_str(&scratch.read("run.json")).expect("JSON");
    let named = &facts["fit"]["contradictory_references"];
    assert_eq!((named[0]["vehicle"].as_str(), named[0]["is_used"].as_bool()), (Some("V1"), Some(false)));
    assert_eq!((facts["fit"]["anchors"].as_u64(), facts["fit"]["references"].as_u64()), (Some(2), Some(0)));
    assert_eq!(summary.piles[..2], [1, 1], "one good, one 4 % too much");
}

#[test]
fn bad_intervals_are_named_and_leave_nothing() {
    let scratch = Scratch::new("intervals");
    scratch.write("charges.csv", file(&rows()));
    let registers = scratch.write("registers.csv", "pile_id,from,to,energy_kwh\n");
    let check = |masters: &str, said: &str| {
        let masters = Some(scratch.write("masters.csv", masters));
        let wrong = AssessArgs { masters, registers: Some(registers.clone()), ..args(&scratch, "wrong") };
        let error = format!("{:#}", run(&wrong).expect_err("refused"));
        assert!(error.contains(said), "{error}");
        assert!(!scratch.0.join("wrong/estimates.csv").exists());
    };
    let header = "station_id,from,to,energy_kwh\n";
    let row = "S1,2026-03-01T00:00:00Z,2026-03-01T01:00:00Z,10.5\n";
    check(&format!("{header}{}", row.replace("10.5", "ten")), "masters.csv, line 2, column `energy_kwh`");
    check(&format!("{header}{}", row.replace("01:00", "00:00")), "column `to`");
    let other = row.replace("S1", "S2");
    check(&format!("{header}{row}{other}{row}"), "masters.csv, line 4: S1 has two rows");
    check(&format!("{header}{row}{other}{row}"), "the other in line 2");
    check("station_id,from,to\n", "`energy_kwh` is missing");
}

#[test]
fn energy_that_no_meter_can_have_counted_is_an_error_and_a_register_that_fell_is_told() {
    let scratch = Scratch::new("counted");
    scratch.write("charges.csv", file(&rows()));
    scratch.write("piles.csv", "pile_id,station_id,kind\nB,S1,ac\nC,S1,dc\nD,S1,\n");
    let try_with = |master: &str, register: &str| {
        let times = "2026-03-01T00:00:00Z,2026-03-01T01:00:00Z";
        let masters = format!("station_id,from,to,energy_kwh\nS1,{times},{master}\n");
        let registers =
            format!("pile_id,from,to,energy_kwh\n{},{times},{}\n", &register[..1], &register[1..]);
        let masters = Some(scratch.write("masters.csv", masters));
        let registers = Some(scratch.write("registers.csv", registers));
        run(&AssessArgs { masters, registers, ..args(&scratch, "out") })
    };
    let refused = |master: &str, register: &str, place: &str| {
        let error = format!("{:#}", try_with(master, register).expect_err("refused"));
        assert!(error.starts_with(&format!("{place}, line 2, column `energy_kwh`")), "{error}");
        assert!(scratch.left().is_empty());
    };
    // An hour at 200 kW, at 5 MW, at 100 MW, and a second's grace.
    for (pile, fits, too_much) in [("B", "200", "201"), ("C", "5000", "5002"), ("D", "5000", "5002")] {
        try_with("100000", &format!("{pile}{fits}")).expect("it can be");
        refused("10", &format!("{pile}{too_much}"), "registers.csv");
    }
    refused("10", "C1e7", "registers.csv");
    refused("10", "C10000000", "registers.csv");
    refused("10", "C70000000000000000000000000000", "registers.csv");
    refused("10", "C-70000000000000000000000000000", "registers.csv");
    refused("100030", "C5", "masters.csv");
    // A register that was exchanged: known to the balance, which makes no use of the interval.
    let summary = try_with("-10", "C-5000").expect("runs");
    let told = |code: &str| {
        summary.remarks.iter().find(|remark| remark.code == code).map(ToString::to_string).unwrap_or_default()
    };
    assert!(told("register_fell").contains("2 rows"), "{:?}", summary.remarks);
    assert!(told("balance_silent").contains("station S1 says nothing"), "{:?}", summary.remarks);
}

#[test]
fn hours_are_those_of_the_place_whatever_offset_the_file_is_written_in() {
    let injections = vec!["hours:6:2:22-6".parse().expect("a form")];
    let world = WorldSettings { noise: Noise::Gaussian, injections, ..settings(WorldSettings::reference(9)) };
    let world = World::draw(&world).expect("a world");
    let scratch = Scratch::new("zone");
    files::write(&world, &scratch.0).expect("written");
    let signals = |args: &AssessArgs| {
        run(args).expect("runs");
        scratch.read("signals.csv")
    };
    let there = signals(&args(&scratch, "out"));
    assert!(there.contains("time_of_day_gain"), "{there}");
    let text = fs::read_to_string(scratch.0.join("charges.csv")).expect("written");
    let elsewhere = TimeZone::fixed(jiff::tz::Offset::constant(-3));
    let rewritten = |field: &str| {
        let at = field.parse::<Timestamp>();
        let written =
            |at: Timestamp| at.to_zoned(elsewhere.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        at.map_or(field.to_owned(), written)
    };
    let rows: Vec<String> =
        text.lines().map(|row| row.split(',').map(rewritten).collect::<Vec<_>>().join(",")).collect();
    assert!(rows[1].contains("-03:00") && !text.contains("-03:00"));
    scratch.write("charges.csv", rows.join("\n"));
    assert_eq!(signals(&args(&scratch, "out")), there, "the same hours, written in another offset");
    let time_zone = TimeZone::UTC;
    let elsewhere = signals(&AssessArgs { time_zone, ..args(&scratch, "out") });
    assert!(elsewhere.contains("time_of_day_gain") && elsewhere != there, "hours of another place");
}
