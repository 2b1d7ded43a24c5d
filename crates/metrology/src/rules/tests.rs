use super::*;
use crate::rounding::round_to_interval;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn text_of(name: &str) -> String {
    let path = format!("{}/rules/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the file is there")
}

#[test]
fn every_file_of_the_folder_is_embedded_and_reads() {
    let folder =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")).expect("the folder is there");
    let mut files: Vec<String> =
        folder.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    files.sort();
    let mut embedded: Vec<String> =
        library().expect("readable").newest.iter().map(|(name, _)| format!("{name}.toml")).collect();
    embedded.push(FORMER.to_owned());
    embedded.sort();
    assert_eq!(embedded, files);
    let library = library().expect("readable");
    for (name, rules) in library.newest.iter().chain(&library.former) {
        assert_eq!(named(name).as_ref(), Ok(rules));
        for reference in [rules.reference(), rules.citation()] {
            assert_eq!(named(&reference).as_ref(), Ok(rules), "references are different");
        }
    }
    for (name, rules) in &library.newest {
        assert_eq!(parse(&text_of(name)).as_ref(), Ok(rules), "what is embedded is what is in the folder");
    }
    assert_eq!(all().expect("readable").len() + 1, files.len());
    assert_eq!(named("JJG 1-1900"), Err(RuleError::Name("JJG 1-1900".to_owned())));
}

// Classes and limits of JJG 1148-2022 and JJG 1149-2022: ±1.0 % and ±2.0 %.
#[test]
fn classes_have_their_limits() {
    for (kind, citation) in [("ac", "JJG 1148-2022 v1"), ("dc", "JJG 1149-2022 v1")] {
        let rules = for_kind(kind).expect("known");
        assert_eq!(rules.citation(), citation);
        assert_eq!(rules.class_names(), "1, 2");
        assert_eq!(rules.mpe(Decimal::ONE), Ok(0.01));
        assert_eq!(rules.mpe(decimal("2.0")), Ok(0.02));
        assert_eq!(rules.mpe_percent(Decimal::TWO), Ok(decimal("2.0")));
        assert!(rules.mpe(Decimal::TEN).is_err() && rules.mpe_percent(Decimal::TEN).is_err());
    }
    assert!(for_kind("steam").is_err());
}

// Documents of the first version name the rule set alone, and must find what they were made under.
#[test]
fn a_former_version_is_found_and_knows_what_took_its_place() {
    for name in ["JJG 1148-2018", "JJG 1149-2018", "NIST Handbook 44 3.40 (AC)"] {
        let first = named(name).expect("there for ever");
        assert_eq!((first.citation(), first.reference()), (format!("{name} v1"), name.to_owned()));
        assert!(first.insulation.is_none() && first.indication.is_none(), "version 1 had no such limits");
        let newest = replacement(&first).expect("there");
        assert_eq!((newest.citation(), newest.reference()), (format!("{name} v2"), format!("{name} v2")));
        assert_eq!(replacement(&newest), None);
        assert!(all().expect("readable").contains(&newest) && !all().expect("readable").contains(&first));
    }
}

// NIST Handbook 44, 3.40 (design notes, metrology §1.1): AC 1.0 % acceptance, 2.0 % maintenance, whatever the plate says. Documents of
// version 1 keep the class that their plate chose.
#[test]
fn a_reason_chooses_the_tolerance_where_the_rules_say_so() {
    let rules = named("nist-hb44-3.40").expect("known");
    for (reason, limit) in [("first", "1.0"), ("after_repair", "1.0"), ("periodic", "2.0"), ("case", "2.0")] {
        let chosen = rules.clone().for_reason(reason);
        assert_eq!(chosen.classes.len(), 1, "{reason}");
        for plate in [Decimal::ONE, Decimal::TWO] {
            assert_eq!(chosen.mpe_percent(plate), Ok(decimal(limit)), "{reason}, class {plate}");
        }
        // A register of 0.001 kWh: by the tolerance, not by the plate.
        let least = if limit == "1.0" { "1000" } else { "500" };
        assert_eq!(chosen.least_energy_wh(Decimal::TWO, Decimal::ONE), Some(decimal(least)));
    }
    let former = named("NIST Handbook 44 3.40 (AC)").expect("there for ever").for_reason("first");
    assert_eq!(former.mpe_percent(Decimal::TWO), Ok(decimal("2.0")));
    let jjg = for_kind("ac").expect("known");
    assert_eq!(jjg.clone().for_reason("case"), jjg);
    let text = text_of("nist-hb44-3.40").replace("\"periodic\", ", "");
    assert!(matches!(parse(&text), Err(RuleError::File(_))), "a reason without a tolerance");
}

#[test]
fn one_rule_set_is_current_for_each_kind() {
    for kind in ["ac", "dc"] {
        let all = all().expect("readable");
        let current = all.iter().filter(|rules| rules.status == Status::Current && rules.applies_to == kind);
        assert_eq!(current.count(), 1, "{kind}");
    }
}

// Design notes, metrology §1.1 (marks S and K there): each number and how sure it is.
#[test]
fn the_current_rules_say_what_the_design_notes_say() {
    for kind in ["ac", "dc"] {
        let rules = for_kind(kind).expect("known");
        let items: Vec<ItemCode> = rules.items.iter().map(|item| item.code).collect();
        assert_eq!(items, [ItemCode::Appearance, ItemCode::OperatingError, ItemCode::Clock]);
        assert_eq!((rules.load_points.at_least, rules.load_points.sureness), (1, Sureness::Source));
        assert_eq!(
            (rules.current_range.least_fraction, rules.current_range.least_a),
            (decimal("0.1"), decimal("6"))
        );
        assert_eq!(rules.energy.register_step_wh, Decimal::ONE);
        let clock = rules.clock.as_ref().expect("tested");
        assert_eq!(
            (clock.first_s, clock.later_s, clock.sureness),
            (decimal("5"), decimal("180"), Sureness::Source)
        );
        assert_eq!(rules.interval.as_ref().map(|interval| interval.years), Some(3));
        assert_eq!(rules.rounding.as_ref().map(|rounding| rounding.sureness), Some(Sureness::ToBeConfirmed));
        assert_eq!(rules.readings.at_least, 2);
        assert!(rules.decision.on_rounded);
        let third = DecisionRule::SimpleAcceptance { uncertainty_ratio_max: 1.0 / 3.0 };
        assert_eq!(rules.decision_rule(), third);
        assert_eq!(rules.rounding_interval_percent(Decimal::ONE), Some(decimal("0.1")));
        assert_eq!(rules.rounding_interval_percent(Decimal::TWO), Some(decimal("0.2")));
        assert_eq!(rules.rounding_interval_percent(Decimal::TEN), None);
        // A register of 0.001 kWh: 1 kWh for class 1, 0.5 kWh for class 2.
        assert_eq!(rules.least_energy_wh(Decimal::ONE, Decimal::ONE), Some(decimal("1000")));
        assert_eq!(rules.least_energy_wh(Decimal::TWO, Decimal::ONE), Some(decimal("500")));
        assert_eq!(rules.least_energy_wh(Decimal::TEN, Decimal::ONE), None);
        assert_eq!(rules.least_energy_wh(Decimal::ONE, Decimal::ZERO), None);
        assert_eq!(rules.least_energy_wh(Decimal::ONE, Decimal::MAX), None);
    }
}

#[test]
fn the_editions_of_2018_had_six_items_and_more_load_points() {
    for (name, points) in [("jjg-1148-2018", 3), ("jjg-1149-2018", 2)] {
        let rules = named(name).expect("known");
        assert_eq!(
            (rules.status, rules.items.len(), rules.load_points.at_least),
            (Status::Superseded, 6, points)
        );
        // Both limits are general knowledge: 10 MΩ, and that of the operating error.
        let insulation = rules.insulation.as_ref().expect("tested");
        assert_eq!((insulation.least_megohm, insulation.sureness), (decimal("10"), Sureness::ToBeConfirmed));
        assert_eq!(rules.indication.as_ref().map(|limit| limit.sureness), Some(Sureness::ToBeConfirmed));
        assert_eq!(rules.indication_limit_percent(Decimal::TWO), Some(decimal("2.0")));
        assert_eq!(rules.indication_limit_percent(Decimal::TEN), None);
        assert_eq!(for_kind(&rules.applies_to).expect("known").indication_limit_percent(Decimal::ONE), None);
    }
}

// R 46 and G 22: A, B, C are 2, 1, 0.5 %; Handbook 44: 1 % at acceptance, 2 % later, 5 % for DC in transition; in German service
// twice the limit of verification.
#[test]
fn rules_from_elsewhere_have_their_limits() {
    for name in ["oiml-r46", "oiml-g22", "oiml-g22-dc"] {
        let rules = named(name).expect("known");
        assert_eq!(rules.class_names(), "A, B, C");
        for class in ["2", "1", "0.5"] {
            assert_eq!(rules.mpe_percent(decimal(class)), Ok(decimal(class)), "{name}");
        }
    }
    let check = |name: &str, class: &str, percent: &str| {
        assert_eq!(named(name).expect("known").mpe_percent(decimal(class)), Ok(decimal(percent)), "{name}");
    };
    check("nist-hb44-3.40-v1", "1", "1");
    check("nist-hb44-3.40-v1", "2", "2");
    check("nist-hb44-3.40-dc", "5", "5");
    for name in ["eichrecht-in-service", "eichrecht-in-service-dc"] {
        check(name, "2", "4");
        check(name, "1", "2");
        check(name, "0.5", "1");
    }
    for rules in all().expect("readable").iter().filter(|rules| rules.status == Status::Foreign) {
        assert_eq!(rules.rounding_interval_percent(Decimal::ONE), None, "{} rounds nothing", rules.name);
    }
}

#[test]
fn what_is_to_be_confirmed_is_listed_with_its_clause_in_both_languages() {
    let lines = for_kind("ac").expect("known").unconfirmed();
    for (zh, en) in [
        (
            "化整间隔为等级的 0.1（检定结果的处理，化整）",
            "rounding to 0.1 of the class (handling of results, rounding (化整))",
        ),
        (
            "标准器的不确定度不大于限值的 1/3（检定条件，标准器）",
            "uncertainty of the standard up to 1/3 of the limit (verification conditions, standards (检定条件))",
        ),
        (
            "3 个负载点由本平台建议，并非规程所定",
            "3 load points are proposed by this platform, not by the regulation",
        ),
    ] {
        let expected = Bilingual { zh: zh.to_owned(), en: en.to_owned() };
        assert!(lines.contains(&expected), "{expected:?} is not in {lines:#?}");
    }
    for sure in ["class 1", "interval", "clock", "item"] {
        assert!(!lines.iter().any(|line| line.en.starts_with(sure)), "{sure} was read in a source");
    }
    let older = named("jjg-1148-2018").expect("known").unconfirmed();
    for expected in
        ["class 1: ±1.0 %", "insulation of at least 10 MΩ at 500 V", "indication error up to 1 of"]
    {
        assert!(older.iter().any(|line| line.en.starts_with(expected)), "{expected}");
    }
}

// Every Chinese text has a Chinese character, so that none is an English one left standing.
#[test]
fn every_rule_set_says_what_is_to_be_confirmed_in_chinese() {
    for rules in all().expect("readable") {
        for line in rules.unconfirmed() {
            let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            let has_words = line.zh.split(|c: char| !c.is_ascii_lowercase()).any(|word| 6 < word.len());
            let is_named = line.zh.contains("Verkehrsfehlergrenze");
            assert!(is_chinese(&line.zh) && (is_named || !has_words), "{}: {line:?}", rules.name);
        }
    }
}

#[test]
fn a_rule_set_from_elsewhere_needs_no_code() {
    let text = text_of("jjg-1148-2022")
        .replace("JJG 1148-2022", "Somewhere 1")
        .replace("rule = \"simple_acceptance\"", "rule = \"guard_band\"\nguard_factor = \"0.5\"");
    let rules = parse(&text).expect("readable");
    assert_eq!(rules.citation(), "Somewhere 1 v1");
    assert_eq!(rules.decision_rule(), DecisionRule::GuardBand { factor: 0.5 });
    let zones =
        parse(&text_of("jjg-1148-2022").replace("simple_acceptance", "three_zones")).expect("readable");
    assert_eq!(zones.decision_rule(), DecisionRule::ThreeZones);
}

#[test]
fn a_file_that_says_nothing_sensible_is_refused() {
    let sound = text_of("jjg-1148-2022");
    let refused = |from: &str, to: &str, expected: &str| {
        assert!(sound.contains(from), "{from}");
        let error = parse(&sound.replace(from, to)).expect_err(to).to_string();
        assert!(error.contains(expected), "{error} does not say {expected}");
    };
    refused("mpe_percent", "mpe_per_cent", "unknown field");
    refused("years = 3", "years = 3\nmonths = 1", "unknown field");
    refused("current_fraction = \"0.1\"", "current_fraction = \"0.1\"\nvoltage = \"1\"", "unknown field");
    refused("[readings]\nat_least = 2", "[readings]", "missing field");
    refused("status = \"current\"", "status = \"valid\"", "unknown variant");
    refused("sureness = \"source\"", "sureness = \"certain\"", "unknown variant");
    refused("code = \"clock\"", "code = \"colour\"", "unknown variant");
    refused("applies_to = \"ac\"", "applies_to = \"steam\"", "neither ac nor dc");
    refused("mpe_percent = \"2.0\"", "mpe_percent = \"0\"", "not above zero");
    refused("first_s = \"5\"", "first_s = \"-5\"", "not above zero");
    refused("name = \"2\"", "name = \"1.0\"", "same number");
    refused("name = \"2\"", "name = \"B\"", "neither a number");
    refused("at_least = 1\n", "at_least = 0\n", "nothing would be tested");
    for ratio in ["1/0", "0", "-1/3", "a third", "1/3/1", ""] {
        refused("\"1/3\"", &format!("\"{ratio}\""), "not a ratio");
    }
    assert!(matches!(parse(&"#".repeat(FILE_BYTES_MAX + 1)), Err(RuleError::File(_))));
}

// By hand: 0.333 % is within a third of 1 %, 0.3334 % is not; and exactly a third of 0.3 % is 0.1 %.
#[test]
fn a_third_is_exact() {
    let third = Ratio::try_from("1/3".to_owned()).expect("a ratio");
    assert_eq!(third.holds(decimal("0.333"), Decimal::ONE), Some(true));
    assert_eq!(third.holds(decimal("0.3334"), Decimal::ONE), Some(false));
    assert_eq!(third.holds(decimal("0.1"), decimal("0.3")), Some(true));
    assert_eq!(third.holds(Decimal::MAX, Decimal::ONE), None);
    assert_eq!(third.of(decimal("0.3")), Some(decimal("0.1")));
    assert_eq!(third.to_string(), "1/3");
    assert_eq!(Ratio::try_from("0.25".to_owned()).expect("a ratio").to_string(), "0.25");
}

#[test]
fn a_rule_set_is_written_as_it_is_read() {
    for rules in all().expect("readable") {
        let text = toml::to_string(&rules).expect("writable");
        assert_eq!(parse(&text).as_ref(), Ok(&rules), "{}", rules.name);
    }
}

// The whole way of one result, by hand: mean +1.04 % of class 1 rounds to 1.0 % and conforms; +1.06 % to 1.1 % and does not.
#[test]
fn a_rounded_result_on_its_limit_conforms() {
    let rules = for_kind("ac").expect("known");
    let interval = rules.rounding_interval_percent(Decimal::ONE).expect("rounds");
    for (percent, conforms) in
        [("1.04", true), ("1.05", true), ("1.06", false), ("-1.04", true), ("-1.06", false)]
    {
        let rounded = round_to_interval(decimal(percent), interval).expect("fits");
        let value = crossing::to_f64(rounded / Decimal::ONE_HUNDRED);
        let limit = rules.mpe(Decimal::ONE).expect("known");
        let decision = crate::decision::decide(rules.decision_rule(), value, 0.0005, 0.001, limit);
        assert_eq!(decision.zone == crate::decision::Zone::Conform, conforms, "{percent}");
    }
}
