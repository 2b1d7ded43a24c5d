//! The study on worlds of a second.

use super::goal::Reached;
use super::*;
use veripile_assessment::signals::Code;
use veripile_simulator::world::WorldSettings;

/// Two cities of ten piles, three months, with errors and steps.
fn small(noise: Noise) -> WorldSettings {
    let injections =
        ["constant:2:2", "constant:4:2", "step:2:2:60"].map(|text| text.parse().expect("a form"));
    WorldSettings {
        days: 98,
        cities: 2,
        stations_per_city: 1,
        piles_per_station: 10,
        charges_per_day: 4.0,
        vehicles: 150,
        models: 4,
        anchors: 4,
        on_site: 6,
        noise,
        injections: injections.to_vec(),
        ..WorldSettings::reference(1)
    }
}

const WHOLE: Depth = Depth { anchors: true, windows: true };

fn seen(settings: &WorldSettings, seeds: &[u64]) -> Vec<SeedSeen> {
    see(settings, seeds, WHOLE).expect("seen")
}

#[test]
fn the_same_seeds_give_the_same_bytes_of_every_file() {
    let settings = small(Noise::Nuisances);
    let texts = || report(&settings, &seen(&settings, &[1, 2]), &[], false).expect("a report");
    let (once, again) = (texts(), texts());
    assert_eq!(once.0.len(), 13 + figures::FILES.len() + 2);
    assert_eq!(once, again);
    let other = report(&settings, &seen(&settings, &[3, 4]), &[], false).expect("a report");
    assert_ne!(once.0[1], other.0[1]);
}

// Files of visits name piles as they like.
#[test]
fn a_pile_s_name_with_commas_and_quotes_is_one_field() {
    let settings = small(Noise::Gaussian);
    let mut seen = seen(&settings, &[1]);
    let named = |id: &str| format!("桩,\"{id}\"");
    seen[0].piles.iter_mut().for_each(|pile| pile.id = named(&pile.id));
    seen[0].anchors.iter_mut().for_each(|anchor| anchor.pile = named(&anchor.pile));
    let tables = files::tables(&measures::study(&settings, &seen), &seen).expect("tables");
    let mut names = Vec::new();
    for (file, text) in &tables {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let at = reader.headers().expect("a header").iter().position(|name| name == "pile_id");
        // A row of more fields than the header has is an error here.
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect(file);
        names.extend(at.into_iter().flat_map(|at| rows.iter().map(move |row| row[at].to_owned())));
    }
    assert!(seen[0].piles.len() + seen[0].anchors.len() + seen[0].pairs.len() < names.len(), "steps, too");
    assert!(names.iter().all(|name| name.starts_with("桩,\"P") && name.ends_with('"')), "{names:?}");
}

#[test]
fn large_errors_are_found_and_the_error_is_near_the_bound() {
    let settings = small(Noise::Gaussian);
    let seen = seen(&settings, &[1, 2, 3, 4]);
    let study = measures::study(&settings, &seen);
    let measure = |key: &str| study.measures.iter().find(|measure| measure.key == key).expect("known");
    let ratio = measure("rmse_over_bound");
    // 18 constant piles of four seeds: 72 estimates, a deviation of 1/√144 = 8 %; four of them, and what shared anchors add.
    assert_eq!(ratio.observations, 72);
    assert!((0.6..1.45).contains(&ratio.value.expect("observed")), "{ratio:?}");
    let large = study.detections.iter().find(|d| (d.size - 4.0).abs() < 1e-9).expect("injected");
    assert_eq!((large.piles, large.found), (8, 8), "four times the limit cannot be missed");
    let false_nonconform = measure("false_nonconform");
    assert_eq!(false_nonconform.value, Some(0.0));
    assert_eq!(study.steps.len(), 8);
    // A week of 28 charges knows an error to some 0.5 %: five weeks after a step of 2 % hardly any is left unfound, and none is told before.
    let told: Vec<_> = study.steps.iter().filter_map(|step| step.told).collect();
    assert!(7 <= told.len(), "{:?}", study.steps);
    for told in &told {
        let beyond = (told.size_percent - 2.0).abs() / told.standard_uncertainty_percent;
        assert!(beyond < 4.0 && told.began_from < told.began_to, "{told:?}");
    }
    // What is told is what is counted, by whoever reads the file.
    let tables = files::tables(&study, &seen).expect("tables");
    let (_, text) = tables.iter().find(|(name, _)| *name == "steps.csv").expect("written");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let column =
        |name: &str| reader.headers().expect("a header").iter().position(|at| at == name).expect(name);
    let columns = ["told_from_day", "day", "told_to_day"].map(column);
    let rows =
        reader.records().map(|row| columns.map(|at| row.as_ref().expect("a row")[at].parse::<f64>().ok()));
    let dated: Vec<bool> = rows.filter_map(|[from, day, to]| Some(from? <= day? && day? <= to?)).collect();
    let (within, all) = (dated.iter().filter(|within| **within).count(), dated.len());
    assert_eq!((all, measure("step_date_covered").observations), (told.len(), told.len()));
    assert_eq!(measure("step_date_covered").value, Some(within as f64 / all as f64));
    assert!(all <= within + 1, "{text}");
    // None of 72 is no proof of one in a thousand: up to 1 − 0.025^(1/n), ln 0.025 / ln 0.999 = 3,687.04.
    assert_eq!((false_nonconform.reached, false_nonconform.needed), (Some(Reached::Open), Some(3_688)));
    let said = files::words(&settings, &study, &seen);
    let row = said.lines().find(|line| line.contains("good piles called nonconform")).expect("a row");
    assert!(row.starts_with('○') && row.contains("n ≈ 3688, "), "{row}");
    assert_eq!(seen[0].weeks.len(), 15, "98 days from a Wednesday on touch fifteen weeks");
    // Of the 16 some are of piles that stepped since: against what these are today they say nothing.
    let piles = seen.iter().flat_map(|seed| &seed.piles);
    let constant = piles.filter(|pile| pile.is_anchor && pile.is_constant).count();
    assert!((12..=16).contains(&constant));
    assert_eq!(measure("anchors_agree").observations, constant);
    let pairs: usize = study.concordance.table.iter().flatten().sum();
    assert_eq!(pairs, 24);
}

// What cannot be computed because it is bad is a goal missed: it must neither vanish nor be taken for one that nobody asked for.
#[test]
fn a_goal_without_a_number_is_missed() {
    let mut settings = small(Noise::Gaussian);
    settings.injections.push("step:1:3:60".parse().expect("a form"));
    let sound = seen(&settings, &[1]);
    let missed = |key: &str, lacking: measures::Lacking, spoil: &dyn Fn(&mut SeedSeen)| {
        let mut seen = sound.clone();
        spoil(&mut seen[0]);
        let study = measures::study(&settings, &seen);
        let measure = study.measures.iter().find(|measure| measure.key == key).expect("known");
        assert_eq!((measure.value, measure.lacking), (None, Some(lacking)), "{key}");
        assert_eq!(measure.reached, Some(Reached::No), "{key}");
        let (word, zh, en) = lacking.words();
        let (texts, said) = report(&settings, &seen, &[], false).expect("a report");
        let text = |name: &str| &texts.iter().find(|(file, _)| *file == name).expect("written").1;
        let row = text("summary.csv").lines().find(|line| line.starts_with(&format!("{key},,"))).expect(key);
        assert!(row.ends_with(&format!(",no,{word},")), "{row}");
        let row = said.lines().find(|line| line.contains(&format!("{}: {zh} {en}", measure.en))).expect(key);
        assert!(row.starts_with('✗'), "{row}");
        let missed = study.measures.iter().filter(|m| m.reached == Some(Reached::No)).count();
        assert!(
            text("report.html").contains(&format!("{missed} not reached"))
                && text("report.html").contains(en)
        );
    };
    missed("step_delay_days", measures::Lacking::NotFound, &|seed| {
        seed.alarms.clear();
        seed.piles.iter_mut().for_each(|pile| pile.alarmed_day = None);
    });
    missed("found_twice_mpe_month", measures::Lacking::NeverComparable, &|seed| {
        seed.piles.iter_mut().for_each(|pile| (pile.windows, pile.windows_nonconform) = (0, 0));
    });
    missed("rmse_over_bound", measures::Lacking::NoNumber, &|seed| {
        let grounded = seed.piles.iter_mut().find(|pile| pile.is_constant && pile.grounded);
        grounded.expect("a pile").error = Some(f64::NAN);
    });
    missed("anchors_variance", measures::Lacking::NoNumber, &|seed| {
        seed.anchors[0].normalized_error = f64::NAN;
    });
    missed("anchors_mean", measures::Lacking::NoNumber, &|seed| {
        seed.anchors[0].normalized_error = f64::NAN;
    });
    missed("on_site_variance", measures::Lacking::NoNumber, &|seed| {
        for pair in &mut seed.pairs {
            pair.normalized_error = Some(f64::NAN);
        }
    });
    missed("smoother_coverage95", measures::Lacking::NoNumber, &|seed| seed.smoothing_failed = true);
    missed("ac_joined_over_alone", measures::Lacking::NoNumber, &|seed| {
        seed.joined = vec![run::Joined { alone: 0.001, joined: None }];
    });
}

#[test]
fn a_goal_that_nobody_looked_at_is_neither_reached_nor_missed() {
    let settings = small(Noise::Gaussian);
    let seen = see(&settings, &[1], Depth { anchors: false, windows: false }).expect("seen");
    let study = measures::study(&settings, &seen);
    for key in ["step_delay_days", "found_twice_mpe_month", "anchors_variance", "smoother_coverage95"] {
        let measure = study.measures.iter().find(|measure| measure.key == key).expect("known");
        assert_eq!((measure.value, measure.lacking, measure.reached), (None, None, None), "{key}");
    }
}

// 5 % in the night of 98 days: some hundred charges a pile by night, of 2 % noise.
#[test]
fn a_gain_by_night_that_no_verdict_need_see_is_found_by_its_signal() {
    let injections = ["hours:5:2:20-6".parse().expect("a form")].to_vec();
    let settings = WorldSettings { injections, ..small(Noise::Gaussian) };
    let seen = see(&settings, &[1], Depth { anchors: false, windows: false }).expect("seen");
    let study = measures::study(&settings, &seen);
    let [found] = &study.signals.found[..] else { panic!("{:?}", study.signals.found) };
    assert_eq!((found.kind, found.piles, found.by_signal, found.by_either), ("hours", 2, 2, 2), "{found:?}");
    assert_eq!(found.by_code.get(&Code::TimeOfDayGain), Some(&2), "{found:?}");
    let (texts, said) = report(&settings, &seen, &[], false).expect("a report");
    let text = |name: &str| &texts.iter().find(|(file, _)| *file == name).expect("written").1;
    assert!(text("signal_detection.csv").contains("\nhours,5,1,2,time_of_day_gain,2\n"));
    assert!(text("signal_detection.csv").contains("\nhours,5,1,2,signal,2\n"));
    assert!(2 <= text("signals.csv").matches(",hours,5,time_of_day_gain,").count());
    assert!(text("signal_false_alarms.csv").contains("\nany,18,"));
    assert!(text("report.html").contains("<td>hours 5 %</td>") && said.contains("hours 5 %"));
    let json: serde_json::Value = serde_json::from_str(text("study.json")).expect("JSON");
    assert_eq!(json["study"]["signals"]["found"][0]["by_code"]["time_of_day_gain"], 2);
}

/// Two piles of 40 clean ones signalled, one of them twice; of four with errors two nonconform, two signalled, one both.
fn counted(days: u32) -> (WorldSettings, Vec<SeedSeen>) {
    let settings = small(Noise::Gaussian);
    let quick = Depth { anchors: false, windows: false };
    let mut seed = see(&settings, &[1], quick).expect("seen").remove(0);
    let mut pile = seed.piles[0].clone();
    pile.signals.clear();
    (pile.injected, pile.charges, pile.limit) = (None, 100, 0.01);
    pile.verdict = veripile_pile::RemoteVerdict::Conform;
    seed.piles = vec![pile; 44];
    (seed.days, seed.signals) = (days, Vec::new());
    for at in 40..44 {
        seed.piles[at].injected = Some(InjectionKind::Offset { energy_kwh: 0.3 });
    }
    seed.piles[40].verdict = veripile_pile::RemoteVerdict::Nonconform;
    seed.piles[42].verdict = veripile_pile::RemoteVerdict::Nonconform;
    seed.piles[40].signals.insert(Code::SizeBias);
    seed.piles[41].signals.insert(Code::SizeBias);
    seed.piles[0].signals.extend([Code::Step, Code::SizeBias]);
    seed.piles[1].signals.insert(Code::Step);
    (settings, vec![seed])
}

#[test]
fn signals_are_counted_by_error_and_by_code() {
    let (settings, seen) = counted(182);
    let study = measures::study(&settings, &seen);
    let [found] = &study.signals.found[..] else { panic!("{:?}", study.signals.found) };
    let counts = [found.piles, found.by_verdict, found.by_signal, found.by_either];
    assert_eq!((found.kind, counts), ("offset", [4, 2, 2, 3]));
    assert_eq!(found.by_code, BTreeMap::from([(Code::SizeBias, 2)]));
    let at_clean = |code: Option<Code>| {
        let row = study.signals.at_clean.iter().find(|row| row.code == code).expect("a row");
        (row.piles, row.signalled)
    };
    assert_eq!(at_clean(None), (40, 2));
    assert_eq!(at_clean(Some(Code::Step)), (40, 2));
    assert_eq!(at_clean(Some(Code::SizeBias)), (40, 1));
    assert_eq!(at_clean(Some(Code::PowerBias)), (40, 0));
    // Of what a world tells nothing nobody could find anything.
    assert!(study.signals.at_clean.iter().all(|row| row.code != Some(Code::Amount)));
    let measure = |key: &str| study.measures.iter().find(|measure| measure.key == key).expect("known");
    assert_eq!(measure("injected_signalled").value, Some(0.5));
    assert_eq!(measure("injected_found").value, Some(0.75));
    assert_eq!(measure("clean_signalled").value, Some(0.05));
}

// Clopper and Pearson for 2 of 40, as below; in a quarter of a year so many are twice as many in half a year.
#[test]
fn false_signals_are_told_per_half_year_with_a_bound() {
    for (days, times) in [(182, 1.0), (91, 2.0)] {
        let (settings, seen) = counted(days);
        let study = measures::study(&settings, &seen);
        let any = study.signals.at_clean[0];
        assert_eq!((any.code, any.piles, any.signalled), (None, 40, 2));
        let expected = [0.05, 0.006_113_646_599_350_838, 0.169_196_863_959_417_6];
        let told = [any.per_half_year, any.interval.0, any.interval.1];
        for (told, expected) in told.into_iter().zip(expected) {
            assert!((told - times * expected).abs() < 1e-9, "{any:?}");
        }
    }
}

// Half of the charges tell no vehicle's value: what is left over of the others must be theirs.
#[test]
fn each_charge_has_what_the_fit_left_over_of_it() {
    let settings = WorldSettings { vehicle_share: 0.5, injections: Vec::new(), ..small(Noise::Gaussian) };
    let world = draw(&settings).expect("a world");
    let facts = evidence::piles(&world).expect("piles");
    let evidence_of_all = evidence::evidence(&world, &facts, (0, world.days), None);
    let assessment =
        veripile_assessment::assess(&evidence_of_all, &veripile_metrology::comparison::Settings::default())
            .expect("an assessment");
    let charges = evidence::signal_charges(&world, &assessment);
    assert_eq!(charges.len(), world.charges_in(0, world.days).count());
    let (mut apart, mut count) = (0.0, 0);
    for (charge, truth) in charges.iter().zip(world.charges_in(0, world.days)) {
        assert_eq!(charge.energy_vehicle_kwh.is_some(), truth.energy_vehicle_wh.is_some());
        let (Some(residual), Some(by_vehicle)) = (charge.residual, truth.energy_vehicle_wh) else { continue };
        let error = assessment.estimates[charge.pile].1.error.expect("compared");
        let bias = assessment.vehicles[truth.vehicle].as_ref().expect("compared").bias;
        let expected = (truth.energy_pile_wh as f64 / by_vehicle as f64).ln() - error.ln_1p() + bias.ln_1p();
        apart += (residual.z * residual.sigma - expected).abs();
        count += 1;
    }
    assert_eq!(count, assessment.facts.charges);
    // Noise is of 2 %: of another charge it would differ by as much.
    assert!(apart / f64::from(count as u32) < 0.003, "{apart} {count}");
}

#[test]
fn without_anchors_nothing_absolute_is_said() {
    let settings = WorldSettings { anchors: 0, ..small(Noise::Gaussian) };
    let seen = seen(&settings, &[1]);
    let study = measures::study(&settings, &seen);
    let absolute = study.measures.iter().find(|measure| measure.key == "ungrounded_absolute").expect("known");
    assert_eq!((absolute.value, absolute.observations), (Some(0.0), 20));
    assert_eq!((absolute.reached, absolute.interval), (Some(Reached::Yes), None), "a rule has no interval");
    let (texts, _) = report(&settings, &seen, &[], true).expect("a report");
    assert!(texts.iter().any(|(name, _)| *name == "report.html"), "a page with what there is");
}

// Clopper and Pearson for 2 of 40: scipy 1.17.1, beta.ppf(0.025, 2, 39) and beta.ppf(0.975, 3, 38).
#[test]
fn shares_have_exact_intervals() {
    let (low, high) = measures::interval(2, 40);
    assert!(
        (low - 0.006_113_646_599_350_838).abs() < 1e-9 && (high - 0.169_196_863_959_417_6).abs() < 1e-9,
        "{low} {high}"
    );
    assert_eq!(measures::interval(0, 5).0.to_bits(), 0.0_f64.to_bits());
    assert_eq!(measures::interval(5, 5).1.to_bits(), 1.0_f64.to_bits());
}

fn arguments(words: &[&str]) -> Result<WorldSettings> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        study: StudyArgs,
    }
    let line = ["study", "--out", "nowhere"].iter().chain(words);
    settings(&<Line as clap::Parser>::try_parse_from(line)?.study)
}

#[test]
fn nonsense_is_refused_and_says_why() {
    let refused = |words: &[&str], part: &str| {
        let drawn = arguments(words).and_then(|settings| Ok(World::draw(&settings)?));
        let error = format!("{:#}", drawn.expect_err("refused"));
        assert!(error.contains(part), "{words:?}: {error}");
    };
    refused(&["--world", "atlantis"], "no such file");
    refused(&["--noise", "pink"], "gaussian");
    refused(&["--seeds", "0"], "0 is not in 1..=1000");
    refused(&["--seed", "1", "--seeds", "2"], "cannot be used with");
    refused(&["--vehicle-share", "1.5"], "share of charges");
    refused(&["--vehicle-share", "NaN"], "share of charges");
    refused(&["--days", "0"], "a day");
    refused(&["--inject", "constant:2"], "is no injected error");
    refused(&["--inject", "constant:2:500"], "more piles than there are");
    refused(&["--piles", "1000"], "2,000 piles");
    // Twenty piles.
    refused(&["--piles", "1", "--days", "9", "--anchors", "100"], "(100 of 20); name at most 20");
    refused(&["--piles", "1", "--days", "9", "--on-site", "500"], "(500 of 10); name at most 10");
    assert!(arguments(&["--inject", "none"]).expect("settings").injections.is_empty());
}

// Twenty piles at twenty stations; or three in a file.
#[test]
fn nobody_who_asked_for_no_number_is_told_of_more_results_on_site_than_there_are() {
    let measured = |words: &[&str]| {
        let settings = arguments(words).expect("settings");
        let world = World::draw(&settings).expect("a world");
        assert_eq!((world.anchors.len(), world.on_site.len()), (settings.anchors, settings.on_site));
        (settings.anchors, settings.on_site)
    };
    let twenty = ["--piles", "1", "--days", "9", "--vehicles", "100"];
    assert_eq!(measured(&twenty), (10, 10));
    assert_eq!(measured(&[&twenty[..], &["--anchors", "20"][..]].concat()), (20, 0));
    assert_eq!(measured(&[&twenty[..], &["--on-site", "3"][..]].concat()), (10, 3));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("visits.csv");
    let row =
        |n: u32| format!("P{},V{},2026-02-{1:02}T08:00:00Z,2026-02-{1:02}T09:00:00Z,20\n", n % 3, n + 1);
    let rows: String = (0..12).map(row).collect();
    fs::write(&file, format!("pile_id,vehicle_id,started_at,ended_at,energy_pile_kwh\n{rows}"))
        .expect("written");
    let file = file.to_str().expect("a path");
    let none = ["--world", file, "--inject", "none"];
    assert_eq!(measured(&none), (3, 0));
    assert_eq!(measured(&[&none[..], &["--anchors", "2", "--on-site", "1"][..]].concat()), (2, 1));
}

#[test]
fn a_step_after_the_last_day_is_refused_with_the_reason() {
    let step = |day: u32| WorldSettings {
        days: 14,
        injections: vec![format!("step:1:2:{day}").parse().expect("a form")],
        ..small(Noise::Gaussian)
    };
    assert!(draw(&step(13)).is_ok());
    for day in [14, 500] {
        let error = draw(&step(day)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(&format!("step:1:2:{day}")) && error.contains("--days"), "{error}");
    }
    assert!(see(&step(500), &[1], WHOLE).is_err());
}
