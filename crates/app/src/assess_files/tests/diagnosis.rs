//! Evidence that says nothing, or less than people think: what they are told.

use rust_decimal::Decimal;

use super::*;

/// Two hundred charges with another choice of piles and vehicles.
fn changed(change: impl Fn(usize, &mut Vec<String>)) -> String {
    let change = |(at, row): (usize, String)| {
        let mut fields: Vec<String> = row.split(',').map(str::to_owned).collect();
        change(at, &mut fields);
        fields.join(",")
    };
    file(&rows().into_iter().enumerate().map(change).collect::<Vec<_>>())
}

/// Codes of the remarks; each says something in both languages, on the terminal and in `run.json` alike.
fn codes(scratch: &Scratch, args: &AssessArgs) -> Vec<String> {
    let summary = run(args).expect("runs");
    let run: Value = serde_json::from_str(&scratch.read("run.json")).expect("JSON");
    let terminal = summary.to_string();
    let remarks = run["remarks"].as_array().expect("a list");
    for remark in remarks {
        let [zh, en] = ["zh", "en"].map(|language| remark[language].as_str().expect("a text"));
        assert!(
            zh.chars().any(|c| ('一'..='龥').contains(&c)) && en.replace("桩-A", "A").is_ascii(),
            "{zh} / {en}"
        );
        assert!(terminal.contains(zh) && terminal.contains(en), "{terminal}");
    }
    let code = |remark: &Value| remark["code"].as_str().expect("a text").to_owned();
    remarks.iter().map(code).filter(|code| code != "signals").collect()
}

#[test]
fn where_nothing_can_be_told_it_says_why() {
    let scratch = Scratch::new("diagnosis");
    let anchors = scratch.write("anchors.csv", ANCHORS);
    let check = |charges: String, anchors: Option<&PathBuf>, as_of: Option<&str>, expected: &[&str]| {
        let charges = scratch.write("charges.csv", charges);
        let as_of = as_of.map(|text| text.parse().expect("a time"));
        let args = AssessArgs { as_of, ..scratch.args(&charges, None, anchors.cloned()) };
        assert_eq!(codes(&scratch, &args), expected);
    };
    let one_pile = changed(|at, row| {
        row[1] = "B".to_owned();
        row[6] = format!("30.{:03}", at * 37 % 400);
    });
    check(one_pile, None, None, &["one_pile", "no_level"]);
    let apart = changed(|at, row| row[2] = format!("V{at}"));
    check(apart.clone(), None, None, &["no_shared_vehicle", "no_level"]);
    check(apart, Some(&anchors), None, &["piles_without_level", "piles_alone"]);
    check(file(&rows()), None, None, &["no_level"]);
    check(file(&rows()), Some(&anchors), None, &[]);
    let silent = changed(|_, row| row[7].clear());
    check(silent, Some(&anchors), Some("2026-04-01T00:00:00Z"), &["no_vehicle_energy"]);
    let nameless = changed(|_, row| row[2].clear());
    check(nameless, Some(&anchors), Some("2026-04-01T00:00:00Z"), &["no_vehicle_id"]);
    check(
        file(&rows()),
        Some(&anchors),
        Some("2020-01-01T00:00:00Z"),
        &["as_of_before_all", "anchors_later"],
    );
    check(
        file(&rows()),
        Some(&anchors),
        Some("2026-03-01T12:00:00Z"),
        &["anchors_after_as_of", "anchors_later"],
    );
    check(changed(|_, row| row[6] = "0".to_owned()), None, None, &["all_rejected"]);
    let mixed = changed(|at, row| row[7] = if at % 2 == 0 { String::new() } else { "3".to_owned() });
    check(mixed, None, None, &["nothing_compared"]);
}

/// A has a level and shares no vehicle with B and C, which share all of theirs.
#[test]
fn piles_without_a_level_beside_others_are_told_what_their_own_set_lacks() {
    let scratch = Scratch::new("sets");
    let charges = changed(|at, row| match at % 2 {
        0 => row[2] = format!("W{at}"),
        _ if at / 2 % 20 < 10 => row[1] = "C".to_owned(),
        _ => {}
    });
    let charges = scratch.write("charges.csv", charges);
    let as_of = Some("2026-03-29T00:00:00Z".parse().expect("a time"));
    let check = |more: &str, expected: &[&str]| {
        let anchors = Some(scratch.write("anchors.csv", format!("{ANCHORS}{more}")));
        let args = AssessArgs { as_of, ..scratch.args(&charges, None, anchors) };
        assert_eq!(codes(&scratch, &args), expected, "{more}");
    };
    check("", &["piles_without_level", "piles_alone"]);
    check("B,2026-03-02T00:00:00Z,4.0,1.2,2\n", &["piles_level_too_uncertain", "piles_alone"]);
    check(
        "B,2026-04-02T00:00:00Z,4.0,0.15,2\n",
        &["piles_anchors_after_as_of", "piles_alone", "anchors_later"],
    );
    let contradict =
        ["piles_anchors_contradict", "piles_alone", "contradictory_anchor", "contradictory_anchor"];
    let both = "B,2026-03-02T00:00:00Z,4.0,0.15,2\nC,2026-03-02T00:00:00Z,-4.0,0.15,2\n";
    check(both, &contradict);
    // What B's result said a week before is not what is used now.
    check(&format!("B,2026-02-23T00:00:00Z,4.0,0.15,2\n{both}"), &contradict);
}

/// A has a level by its on-site result and 200 reference vehicles; of B speaks one more alone, which says least and is not used.
#[test]
fn a_pile_whose_only_calibration_is_one_too_many_is_told_so() {
    let scratch = Scratch::new("beyond");
    let of_a = |(at, row): (usize, String)| {
        let mut fields: Vec<String> = row.split(',').map(str::to_owned).collect();
        fields[1] = "桩-A".to_owned();
        fields[2] = format!("R{at}");
        let wh = 29_800 + at * 37 % 400;
        fields[6] = format!("{}.{:03}", wh / 1_000, wh % 1_000);
        fields.join(",")
    };
    let mut rows: Vec<String> = rows().into_iter().enumerate().map(of_a).collect();
    rows.push("W,B,W,,2026-03-05T08:00:00+08:00,2026-03-05T09:00:00+08:00,30.1,30".to_owned());
    let rows: Vec<String> = rows.into_iter().map(|row| format!("{row},reference")).collect();
    let charges = format!("{},vehicle_path\n{}\n", HEADER.trim_end(), rows.join("\n"));
    let header = ANCHORS.lines().next().expect("a header").replace("pile_id", "vehicle_id");
    let calibration =
        |id: &str, uncertainty: &str| format!("{id},2026-03-01T00:00:00Z,0.0,{uncertainty},2\n");
    let good: String = (0..200).map(|at| calibration(&format!("R{at}"), "0.15")).collect();
    let references = format!("{header}\n{good}{}", calibration("W", "6.0"));
    let charges = scratch.write("charges.csv", charges);
    let args = AssessArgs {
        references: Some(scratch.write("references.csv", references)),
        ..scratch.args(&charges, None, Some(scratch.write("anchors.csv", ANCHORS)))
    };
    let told = codes(&scratch, &args);
    let has = |code: &str| told.iter().any(|told| told == code);
    assert!(has("piles_references_beyond") && has("references_beyond"), "{told:?}");
    assert!(!has("piles_level_too_uncertain") && !has("piles_without_level"), "{told:?}");
}

/// Masters and registers without a file of piles: no pile has a station, and their times are as they should be.
#[test]
fn registers_of_piles_without_a_station_are_not_told_that_their_times_differ() {
    let scratch = Scratch::new("stationless");
    let charges = scratch.write("charges.csv", file(&rows()));
    let times = "2026-03-01T00:00:00Z,2026-03-01T01:00:00Z";
    let later = "2026-03-01T01:00:00Z,2026-03-01T02:00:00Z";
    let masters =
        Some(scratch.write("masters.csv", format!("station_id,from,to,energy_kwh\nS1,{times},50\n")));
    let registers = format!("pile_id,from,to,energy_kwh\nB,{times},20\nC,{times},20\n");
    let registers = Some(scratch.write("registers.csv", format!("{registers}B,{later},20\n")));
    let anchors = Some(scratch.write("anchors.csv", ANCHORS));
    let told = |piles: Option<&str>| {
        let piles = piles.map(|text| scratch.write("piles.csv", text));
        let (masters, registers) = (masters.clone(), registers.clone());
        let args = AssessArgs { masters, registers, ..scratch.args(&charges, piles, anchors.clone()) };
        let told = codes(&scratch, &args);
        let of_balances =
            |code: &String| ["registers", "stations"].iter().any(|start| code.starts_with(start));
        told.into_iter().filter(of_balances).collect::<Vec<_>>()
    };
    assert_eq!(told(None), ["stations_without_piles", "registers_without_station"]);
    assert_eq!(
        told(Some("pile_id,station_id\nB,S1\nC,S2\n")),
        ["registers_without_master", "registers_unmatched"]
    );
    let run: Value = serde_json::from_str(&scratch.read("run.json")).expect("JSON");
    assert_eq!(run["counts"]["registers_unmatched"], 2);
}

/// A day after the last comparison B gave 30 kWh to somebody, which is its operator's energy all the same; what is of the future is not.
#[test]
fn the_moment_is_that_of_the_latest_charge_whatever_it_tells() {
    let scratch = Scratch::new("latest");
    let charge = |id: &str, from: &str, to: &str| format!("{id},B,,,{from},{to},30,");
    let mut all = rows();
    let energy =
        |row: &String| row.split(',').nth(6).expect("a column").parse::<Decimal>().expect("a number");
    let registered: Decimal = all.iter().map(energy).sum();
    all.push(charge("billed", "2026-03-29T08:00:00Z", "2026-03-29T09:00:00Z"));
    all.push(charge("slip", "9026-03-29T08:00:00Z", "9026-03-29T09:00:00Z"));
    let charges = scratch.write("charges.csv", file(&all));
    let piles = Some(scratch.write("piles.csv", "pile_id,operator_id\n桩-A,O\nB,O\n"));
    let anchors = Some(scratch.write("anchors.csv", ANCHORS));
    scratch.run(&charges, piles, anchors).expect("runs");
    let as_of = || {
        let run: Value = serde_json::from_str(&scratch.read("run.json")).expect("JSON");
        run["as_of"].as_str().expect("a time").parse::<Timestamp>().expect("a time")
    };
    assert_eq!(as_of().to_string(), "2026-03-29T09:00:00Z");
    let operators = scratch.read("operators.csv");
    let told = operators.lines().nth(1).expect("an operator").split(',').nth(2).expect("a column");
    assert_eq!(told.parse::<Decimal>().expect("a number"), registered + Decimal::from(30));
    // Nothing but what is billed tells of a moment, too, and where there is none it is now.
    let billed = scratch.write("billed.csv", file(&all[200..201]));
    scratch.run(&billed, None, None).expect("runs");
    assert_eq!(as_of().to_string(), "2026-03-29T09:00:00Z");
    let before = Timestamp::now();
    let slip = scratch.write("slip.csv", file(&all[201..]));
    scratch.run(&slip, None, None).expect("runs");
    assert!(before <= as_of() && as_of() <= Timestamp::now());
}

#[test]
fn what_was_left_out_is_counted_by_reason_on_the_terminal() {
    let scratch = Scratch::new("reasons");
    let charges = changed(|at, row| match at {
        0..3 => row[7].clear(),
        3..5 => row[6] = "0".to_owned(),
        _ => {}
    });
    let charges = scratch.write("charges.csv", charges);
    let terminal = scratch.run(&charges, None, None).expect("runs").to_string();
    assert!(terminal.contains("未参与 set aside: 无车辆侧电量 vehicle_energy_missing 3\n"), "{terminal}");
    assert!(terminal.contains("拒收 rejected: 电量不大于零 energy_not_positive 2\n"), "{terminal}");
}

/// Cut within its last row it is not whole and leaves nothing; a last row that has all its fields and no line end may be cut, which is told; a short
/// one that has one is a bad row.
#[test]
fn a_file_that_breaks_off_in_its_last_row_leaves_no_result() {
    let scratch = Scratch::new("broken-off");
    let whole = file(&rows());
    let cut = &whole[..whole.len() - 20];
    let charges = scratch.write("charges.csv", cut);
    let error = scratch.run(&charges, None, None).expect_err("refused").to_string();
    assert!(error.starts_with("charges.csv, line 201: the file breaks off"), "{error}");
    assert!(scratch.left().is_empty());
    let told = |text: &str| {
        let charges = scratch.write("charges.csv", text);
        let remarks = scratch.run(&charges, None, None).expect("runs").remarks;
        let told = remarks.iter().find(|remark| remark.code == "charges_unended").map(ToString::to_string);
        told.unwrap_or_default()
    };
    let remark = told(whole.trim_end());
    assert!(remark.contains("第 201 行") && remark.contains("(line 201) has no line end"), "{remark}");
    for text in [&whole, &format!("{cut}\n")] {
        assert_eq!(told(text), "");
    }
}

#[test]
fn a_file_of_charges_without_a_charge_is_an_error() {
    let scratch = Scratch::new("header");
    let charges = scratch.write("charges.csv", HEADER);
    let error = scratch.run(&charges, None, None).expect_err("refused").to_string();
    assert!(error.starts_with("charges.csv: ") && error.contains("no charge"), "{error}");
    assert!(scratch.left().is_empty());
}

#[test]
fn results_that_contradict_are_told_and_that_nothing_has_a_level() {
    let scratch = Scratch::new("contradict");
    let charges = scratch.write("charges.csv", file(&rows()));
    // The piles are 4 % apart; these results say 4 % the other way round.
    let other = "B,2026-03-02T00:00:00Z,-4.0,0.15,2\n";
    let anchors = scratch.write("anchors.csv", format!("{ANCHORS}{other}"));
    let args = scratch.args(&charges, None, Some(anchors));
    assert_eq!(
        codes(&scratch, &args),
        ["anchors_contradict", "contradictory_anchor", "contradictory_anchor"]
    );
}

/// The one result is of a DC pile. Of an AC pile it tells only what vehicles tell alike of both; with a result of its own it does not rest on that.
#[test]
fn a_level_that_comes_from_the_other_kind_alone_is_told() {
    let scratch = Scratch::new("other-kind");
    let charges = scratch.write("charges.csv", file(&rows()));
    let told = |kind: &str, anchors: String| {
        let piles = PILES.replace("B,dc,", &format!("B,{kind},"));
        let piles = scratch.write("piles.csv", piles);
        let anchors = scratch.write("anchors.csv", anchors);
        let summary = scratch.run(&charges, Some(piles), Some(anchors)).expect("runs");
        let found = summary.remarks.iter().find(|remark| remark.code == "level_of_other_kind");
        found.map(ToString::to_string).unwrap_or_default()
    };
    let remark = told("ac", ANCHORS.to_owned());
    assert!(remark.contains("1 个交流桩") && remark.contains("the 1 AC piles"), "{remark}");
    assert_eq!(told("dc", ANCHORS.to_owned()), "");
    assert_eq!(told("", ANCHORS.to_owned()), "", "of a kind that nobody told nothing is known");
    assert_eq!(told("ac", format!("{ANCHORS}B,2026-03-02T00:00:00Z,4.0,0.15,2\n")), "");
}

/// U of 1.2 % at k = 2 is u = 0.6 %, more than the 0.5 % that may give a level; and a result of a pile that nobody compared is elsewhere.
#[test]
fn a_result_too_uncertain_to_give_a_level_is_not_told_to_be_elsewhere() {
    let scratch = Scratch::new("weak");
    let charges = scratch.write("charges.csv", file(&rows()));
    let told = |anchors: String| {
        let anchors = scratch.write("anchors.csv", anchors);
        codes(&scratch, &scratch.args(&charges, None, Some(anchors)))
    };
    assert_eq!(told(ANCHORS.replace(",0.15,2", ",1.2,2")), ["level_too_uncertain"]);
    assert_eq!(told(ANCHORS.replace("桩-A,", "C,")), ["level_elsewhere", "anchor_of_unknown_pile"]);
}

/// Ten days of a master of class 2 with all three piles behind it, in intervals of so many hours: masters and registers.
fn ten_days(hours: u32) -> [String; 2] {
    let mut masters = "station_id,from,to,energy_kwh,accuracy_class\n".to_owned();
    let mut registers = "pile_id,from,to,energy_kwh\n".to_owned();
    for hour in 0..240 / hours {
        let at = |hour: u32| format!("2026-03-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
        let times = format!("{},{}", at(hour * hours), at((hour + 1) * hours));
        let kwh = [10 + hour * 7 % 23, 12 + hour * 5 % 19, 8 + hour * 11 % 17].map(f64::from);
        let wobble = f64::from(hour * 11 % 7) / 50.0 - 0.06;
        masters += &format!("S1,{times},{:.3},2\n", kwh[0] + kwh[1] / 1.04 + kwh[2] + wobble);
        for (pile, kwh) in ["桩-A", "B", "C"].iter().zip(kwh) {
            registers += &format!("{pile},{times},{kwh}\n");
        }
    }
    [masters, registers]
}

/// Who gave masters and registers is not told to give them: the master's class is what is lacking, or intervals that are short enough.
#[test]
fn masters_that_give_no_level_are_told_to_be_what_is_lacking() {
    let scratch = Scratch::new("masters");
    let charges = scratch.write("charges.csv", changed(|_, row| row[7].clear()));
    let told = |hours: u32, kind: &str| {
        let piles = ["桩-A", "B", "C"].map(|pile| format!("{pile},S1,{kind}\n")).concat();
        let piles = scratch.write("piles.csv", format!("pile_id,station_id,kind\n{piles}"));
        let [masters, registers] = ten_days(hours);
        let args = AssessArgs {
            masters: Some(scratch.write("masters.csv", masters)),
            registers: Some(scratch.write("registers.csv", registers)),
            ..scratch.args(&charges, Some(piles), None)
        };
        (codes(&scratch, &args), scratch.read("run.json"))
    };
    let (codes, run) = told(1, "ac");
    assert_eq!(codes, ["balances_too_uncertain"]);
    assert!(!run.contains("--masters") && !run.contains("efficiencies"), "{run}");
    let (codes, run) = told(1, "dc");
    assert_eq!(codes, ["balances_too_uncertain"]);
    assert!(run.contains("efficiencies of DC piles") && run.contains("直流桩的效率"), "{run}");
    let (codes, run) = told(2, "ac");
    assert_eq!(codes, ["balances_silent", "balance_silent"]);
    assert!(run.contains("120 longer than 1.1 h") && run.contains("120 个长于 1.1 小时"), "{run}");
}

/// The balance of a master of class 2 (u = 1.2 %) is no level either, but it joins C, at which nobody charged a vehicle, to both others: C's
/// result of u = 0.6 % speaks of them.
#[test]
fn a_weak_result_of_a_pile_that_only_a_master_joins_is_not_told_to_be_elsewhere() {
    let scratch = Scratch::new("joined");
    let charges = scratch.write("charges.csv", file(&rows()));
    let piles = scratch.write("piles.csv", "pile_id,station_id,kind\n桩-A,S1,ac\nB,S1,ac\nC,S1,ac\n");
    let anchors = scratch.write("anchors.csv", ANCHORS.replace("桩-A,", "C,").replace(",0.15,2", ",1.2,2"));
    let [masters, registers] = ten_days(1);
    let args = AssessArgs {
        masters: Some(scratch.write("masters.csv", masters)),
        registers: Some(scratch.write("registers.csv", registers)),
        ..scratch.args(&charges, Some(piles), Some(anchors))
    };
    assert_eq!(codes(&scratch, &args), ["level_too_uncertain"]);
}

/// Reference vehicles give a level to both piles as they were, and each was adjusted after its last charge: nothing is too uncertain.
#[test]
fn charges_that_are_all_of_before_their_piles_changed_are_told_to_be_that() {
    let scratch = Scratch::new("since");
    let rows: Vec<String> = rows().into_iter().map(|row| format!("{row},reference")).collect();
    let charges = format!("{},vehicle_path\n{}\n", HEADER.trim_end(), rows.join("\n"));
    let charges = scratch.write("charges.csv", charges);
    let header = ANCHORS.lines().next().expect("a header");
    let result = |id: &str, day: &str, error: &str| format!("{id},{day}T00:00:00Z,{error},0.15,2\n");
    let [first, last] = ["2026-02-20", "2026-04-02"];
    let of_piles = [("桩-A", first, "0.0"), ("桩-A", last, "3.0"), ("B", first, "4.0"), ("B", last, "0.0")];
    let anchors: String = of_piles.map(|(id, day, error)| result(id, day, error)).concat();
    let anchors = scratch.write("anchors.csv", format!("{header}\n{anchors}"));
    let references = ["V1", "V2"].map(|id| result(id, first, "0.0")).concat();
    let references = format!("{}\n{references}", header.replace("pile_id", "vehicle_id"));
    let args = AssessArgs {
        references: Some(scratch.write("references.csv", references)),
        as_of: Some("2026-04-03T00:00:00Z".parse().expect("a time")),
        ..scratch.args(&charges, None, Some(anchors))
    };
    let remarks = run(&args).expect("runs").remarks;
    let told: Vec<&str> =
        remarks.iter().map(|remark| remark.code).filter(|code| *code != "signals").collect();
    assert_eq!(told, ["charges_before_change", "pile_changed", "pile_changed"]);
}

#[test]
fn a_pile_that_counts_as_another_since_a_result_is_named_with_both_results() {
    let scratch = Scratch::new("changed");
    let charges = scratch.write("charges.csv", file(&rows()));
    let results = "B,2026-03-02T00:00:00Z,3.9,0.15,2\nB,2026-03-05T00:00:00Z,4.0,0.15,2\n\
                   B,2026-03-15T12:00:00Z,0.5,0.15,2\n";
    let anchors = scratch.write("anchors.csv", format!("{ANCHORS}{results}"));
    let summary = scratch.run(&charges, None, Some(anchors)).expect("runs");
    let told = summary.remarks.iter().find(|remark| remark.code == "pile_changed").expect("told").to_string();
    // Of B's hundred visits those of the first to the fifteenth of the month, 28 days and again: 15 in each of three, 15 of the rest.
    for part in
        ["B", "2026-03-05T00:00:00Z 4.0 ± 0.15 %", "2026-03-15T12:00:00Z 0.5 ± 0.15 %", "60 earlier charges"]
    {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn results_of_piles_and_vehicles_that_nothing_else_names_are_named_and_few_of_many() {
    let scratch = Scratch::new("misnamed");
    let charges = scratch.write("charges.csv", file(&rows()));
    let row = |id: &str| format!("{id},2026-03-02T00:00:00Z,0.0,0.15,2\n");
    let many: String = (1..=7).map(|n| row(&format!("X{n}"))).collect();
    // C stands in the file of piles, and had no charge.
    let anchors = scratch.write("anchors.csv", format!("{ANCHORS}{}{many}", row("C")));
    let references = ANCHORS.lines().next().expect("a header").replace("pile_id", "vehicle_id");
    let references = scratch.write("references.csv", format!("{references}\n{}{}", row("V1"), row("W1")));
    let piles = scratch.write("piles.csv", PILES);
    let args =
        AssessArgs { references: Some(references), ..scratch.args(&charges, Some(piles), Some(anchors)) };
    let summary = run(&args).expect("runs");
    let told = |code: &str| {
        summary.remarks.iter().find(|remark| remark.code == code).map(ToString::to_string).unwrap_or_default()
    };
    assert!(told("piles_without_charge").contains(": 8;"), "C and X1 to X7");
    let piles = told("anchor_of_unknown_pile");
    assert!(piles.contains("X1, X2, X3, X4, X5 and 2 more;") && piles.contains("X5等，另有 2 个"), "{piles}");
    // V1 made charges, but nobody says that an authority read them off it.
    assert!(told("reference_without_charge").contains(": V1, W1;"), "{}", told("reference_without_charge"));
}

#[test]
fn an_operator_s_energy_is_all_that_its_piles_registered() {
    let scratch = Scratch::new("energy");
    let mut all = rows();
    // Without the vehicle's value; the twenty with it are as good as before.
    all.iter_mut().skip(20).for_each(|row| row.truncate(row.rfind(',').expect("columns") + 1));
    let energy =
        |row: &String| row.split(',').nth(6).expect("a column").parse::<Decimal>().expect("a number");
    let registered: Decimal = all.iter().map(energy).sum();
    let charge = |id: &str, day: &str, energy: &str| {
        format!("{id},B,V1,,2026-{day}T08:00:00Z,2026-{day}T09:00:00Z,{energy},")
    };
    all.extend([
        charge("later", "04-02", "30"),
        charge("never", "03-02", "1430"),
        charge("small", "03-02", "0.1"),
    ]);
    let charges = scratch.write("charges.csv", file(&all));
    let piles = scratch.write("piles.csv", "pile_id,operator_id\n桩-A,O\nB,O\n");
    let anchors = Some(scratch.write("anchors.csv", ANCHORS));
    let as_of = Some("2026-04-01T00:00:00Z".parse().expect("a time"));
    run(&AssessArgs { as_of, ..scratch.args(&charges, Some(piles), anchors) }).expect("runs");
    let operators = scratch.read("operators.csv");
    let row: Vec<&str> = operators.lines().nth(1).expect("an operator").split(',').collect();
    let told: Decimal = row[2].parse().expect("a number");
    assert_eq!(told, registered + "0.1".parse::<Decimal>().expect("literal"));
    // Σ E ê of two piles that each registered half, within a twentieth, is E times the mean of ê within a fortieth of it.
    let number = |at: usize| row[at].parse::<f64>().expect("a number");
    assert!((number(7) / (number(3) / 100.0 * number(2)) - 1.0).abs() < 0.05, "{operators}");
}

/// Each signal is asked where any row has what it looks at, and otherwise named on the terminal and in `run.json`.
#[test]
fn signals_that_files_tell_too_little_for_are_named() {
    const NEVER: [&str; 8] = [
        "clock",
        "amount",
        "swapped_outlets",
        "replayed_record",
        "register_rollback",
        "register_gap",
        "register_mismatch",
        "silence",
    ];
    let scratch = Scratch::new("not-asked");
    let told = |args: &AssessArgs| -> Vec<String> {
        let summary = run(args).expect("runs");
        let written = scratch.read("run.json");
        let printed = serde_json::to_string_pretty(&summary.run).expect("JSON");
        assert_eq!(printed, written, "what --json prints is what stands there");
        let run: Value = serde_json::from_str(&written).expect("JSON");
        let codes: Vec<String> = serde_json::from_value(run["not_asked"].clone()).expect("codes");
        assert!(summary.to_string().contains(&codes.join(", ")), "{summary}");
        codes
    };
    let bare = scratch.args(&scratch.write("bare.csv", file(&rows())), None, None);
    let of_columns = [
        "firmware_step",
        "power_bias",
        "soc_bias",
        "unsigned_gain",
        "stranger_gain",
        "efficiency",
        "heaping",
    ];
    let mut not_asked = told(&bare);
    not_asked.sort_unstable();
    // Two piles of a kind do not tell what honest ones share.
    let of_few = ["time_of_day_gain", "size_bias"];
    let mut expected = [&of_columns[..], &of_few, &NEVER].concat();
    expected.sort_unstable();
    assert_eq!(not_asked, expected);

    let header = format!("{},mean_power_kw,soc_start,soc_end,signed,vehicle_path\n", HEADER.trim());
    let full: Vec<String> = rows().iter().map(|row| format!("{row},30,20,80,true,reference")).collect();
    let charges = scratch.write("full.csv", format!("{header}{}\n", full.join("\n")));
    let piles = "pile_id,station_id,operator_id,kind,accuracy_class,model,firmware,firmware_since\n\
                 桩-A,S1,O1,dc,1,M,2.0,2026-03-10T00:00:00+08:00\nB,S1,O1,dc,1,M,2.0,\n";
    let times = "2026-03-01T00:00:00Z,2026-03-01T01:00:00Z";
    let masters = format!("station_id,from,to,energy_kwh\nS1,{times},60\n");
    let registers = format!("pile_id,from,to,energy_kwh\n桩-A,{times},30\nB,{times},28\n");
    let args = AssessArgs {
        masters: Some(scratch.write("masters.csv", masters)),
        registers: Some(scratch.write("registers.csv", registers)),
        ..scratch.args(&charges, Some(scratch.write("piles.csv", piles)), None)
    };
    // All came from reference vehicles, so that there are no others to hold them against.
    let of_few = ["time_of_day_gain", "size_bias", "power_bias", "soc_bias", "stranger_gain"];
    assert_eq!(told(&args), [&of_few[..], &NEVER].concat());
}

#[test]
fn a_firmware_without_a_name_and_a_time_that_is_none_are_refused() {
    let scratch = Scratch::new("firmware");
    let charges = scratch.write("charges.csv", file(&rows()));
    for (row, expected) in [
        ("B,2.0,yesterday", "line 2, column `firmware_since`: \"yesterday\" is not usable"),
        (
            "B,,2026-03-10T00:00:00Z",
            "column `firmware_since`: \"2026-03-10T00:00:00Z\" is not usable; name the firmware",
        ),
    ] {
        let piles = scratch.write("piles.csv", format!("pile_id,firmware,firmware_since\n{row}\n"));
        let error = scratch.run(&charges, Some(piles), None).expect_err("refused").to_string();
        assert!(error.starts_with("piles.csv, ") && error.contains(expected), "{error}");
    }
}
