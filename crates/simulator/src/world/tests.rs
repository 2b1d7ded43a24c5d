//! Worlds are what they say, and the bound is what a pencil finds.

use std::fs;
use std::path::PathBuf;

use super::*;

/// Two cities of one station of five piles, a fortnight.
fn small(seed: u64) -> WorldSettings {
    WorldSettings {
        days: 14,
        cities: 2,
        stations_per_city: 1,
        piles_per_station: 5,
        vehicles: 60,
        models: 3,
        anchors: 2,
        on_site: 3,
        ..WorldSettings::reference(seed)
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("veripile-world-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn files(settings: &WorldSettings, name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(name);
    let written = files::write(&World::draw(settings).expect("a world"), &folder).expect("written");
    let read = |file: &&str| ((*file).to_owned(), fs::read(folder.join(file)).expect("there"));
    let read = written.iter().map(read).collect();
    fs::remove_dir_all(&folder).expect("removed");
    read
}

#[test]
fn the_same_seed_writes_the_same_bytes_and_another_does_not() {
    let anhui = |seed| WorldSettings { layout: Layout::Anhui, noise: Noise::Nuisances, ..small(seed) };
    let (once, again, other) =
        (files(&anhui(1), "once"), files(&anhui(1), "again"), files(&anhui(2), "other"));
    assert_eq!(once.len(), 7, "with master meters and registers");
    assert_eq!(once, again);
    assert_ne!(once[0], other[0]);
}

/// By hand: half of all; where they cannot be halved half of the stations have one AC pile more. Of ten, those of the worlds that results were
/// published of, the first five.
#[test]
fn a_world_like_anhui_s_has_ac_and_dc_piles_whatever_its_stations_size() {
    for (of_station, ac) in [(1, [0, 1]), (2, [1, 1]), (3, [1, 2]), (5, [2, 3]), (10, [5, 5]), (15, [7, 8])] {
        let world = WorldSettings {
            cities: 1,
            stations_per_city: 2,
            piles_per_station: of_station,
            anchors: 1,
            on_site: 0,
            days: 2,
            ..WorldSettings::anhui(1)
        };
        let world = World::draw(&world).expect("a world");
        let is_ac: Vec<bool> = world.piles.iter().map(|pile| pile.kind == PileKind::Ac).collect();
        let found: Vec<usize> =
            is_ac.chunks(of_station).map(|of| of.iter().filter(|ac| **ac).count()).collect();
        assert_eq!(found, ac, "{of_station}");
        if of_station == 10 {
            assert!(is_ac[..5].iter().all(|ac| *ac));
        }
    }
}

#[test]
fn what_vehicles_tell_does_not_change_who_comes() {
    let visits = |settings: &WorldSettings| -> Vec<(usize, usize, i64)> {
        let world = World::draw(settings).expect("a world");
        world.charges.iter().map(|charge| (charge.pile, charge.vehicle, charge.started_s)).collect()
    };
    let some = WorldSettings { vehicle_share: 0.3, noise: Noise::T4, ..small(3) };
    assert_eq!(visits(&small(3)), visits(&some));
}

#[test]
fn a_world_has_what_was_asked_for() {
    let injections = vec!["constant:2:2".parse().expect("a form"), "step:1:1:7".parse().expect("a form")];
    let settings = WorldSettings { vehicle_share: 0.3, injections, days: 60, ..small(5) };
    let world = World::draw(&settings).expect("a world");
    // 10 piles × 60 days × 7: 4,200; a pile's use varies by 37 %, the mean of ten by 12 %: ± 4 deviations.
    assert!((2_200..6_200).contains(&world.charges.len()), "{}", world.charges.len());
    let told = world.charges.iter().filter(|charge| charge.energy_vehicle_wh.is_some()).count() as f64;
    let share = told / world.charges.len() as f64;
    // 30 % ± 4 √(0.3 · 0.7 / 2,200)
    assert!((share - 0.3).abs() < 0.04, "{share}");
    let constant = |pile: &&WorldPile| matches!(pile.injection, Some(InjectionKind::Constant { .. }));
    assert_eq!(world.piles.iter().filter(constant).count(), 2);
    assert!(world.on_site.iter().all(|result| world.anchors.iter().all(|anchor| anchor.pile != result.pile)));
    let step = world.piles.iter().position(|pile| matches!(pile.injection, Some(InjectionKind::Step { .. })));
    let step = step.expect("drawn");
    for charge in world.charges.iter().filter(|charge| charge.pile == step) {
        let expected = if world.days_at(charge.ended_s) < 7.0 { 0.0 } else { 0.01 };
        assert!((charge.error - expected).abs() < 1e-12);
    }
}

/// The four of ten with an injected error are anchors as often as others, found as they were before any step.
#[test]
fn anchors_are_drawn_blindly_and_before_any_step() {
    let injections = vec!["constant:2:2".parse().expect("a form"), "step:1:2:7".parse().expect("a form")];
    let mut counts = [0; 3];
    let worlds = (0..40).map(|seed| {
        World::draw(&WorldSettings { injections: injections.clone(), ..small(seed) }).expect("a world")
    });
    let anchors = worlds.flat_map(|world| {
        let of = |anchor: &OnSite| (world.piles[anchor.pile].clone(), anchor.error_percent);
        world.anchors.iter().map(of).collect::<Vec<_>>()
    });
    for (pile, found) in anchors {
        let (at, injected) = match pile.injection {
            None => (0, 0.0),
            Some(InjectionKind::Constant { percent }) => (1, percent),
            Some(_) => (2, 0.0),
        };
        let truth = 100.0 * pile.error + injected;
        counts[at] += 1;
        // U = 0.15 %: five standard deviations.
        assert!((found - truth).abs() < 0.375, "{:?}: {found}", pile.injection);
    }
    // 80 anchors, of each of the latter two 16 ± 4 √(80 · 0.2 · 0.8).
    assert_eq!(counts.iter().sum::<i32>(), 80);
    assert!((2..=30).contains(&counts[1]) && (2..=30).contains(&counts[2]), "{counts:?}");
}

// The deviation of the mean of what piles say against the truth is known: y + b − ln(1 + e) is noise of scale σ_s alone.
#[test]
fn the_noise_has_the_stated_scale() {
    let world = World::draw(&WorldSettings { days: 60, ..small(9) }).expect("a world");
    let standardised = |charge: &WorldCharge| {
        let told = charge.energy_vehicle_wh.expect("all tell") as f64;
        let y = (charge.energy_pile_wh as f64 / told).ln();
        (y + world.vehicles[charge.vehicle].bias - charge.error.ln_1p()) / world.scale(charge)
    };
    let count = world.charges.len() as f64;
    let mean = world.charges.iter().map(standardised).sum::<f64>() / count;
    let square = world.charges.iter().map(|charge| standardised(charge).powi(2)).sum::<f64>() / count;
    // Four standard deviations of a mean and of a mean square of normal numbers.
    assert!(mean.abs() < 4.0 / count.sqrt(), "{mean}");
    assert!((square - 1.0).abs() < 4.0 * (2.0 / count).sqrt(), "{square}");
}

/// A world of one vehicle without model at two piles, the first of them anchored.
fn tiny(charges: usize) -> World {
    let settings = WorldSettings { noise_kwh: 0.0, models: 0, ..small(1) };
    let mut world = World::draw(&WorldSettings { models: 1, ..settings.clone() }).expect("a world");
    world.settings = settings;
    world.models = 0;
    world.piles.truncate(2);
    for pile in &mut world.piles {
        (pile.error, pile.injection) = (0.0, None);
    }
    world.vehicles.truncate(1);
    world.vehicles[0].model = None;
    let charge =
        WorldCharge { vehicle: 0, energy_kwh: 20.0, energy_pile_wh: 20_000, ..world.charges[0].clone() };
    let at = |n: usize| WorldCharge { pile: n % 2, ended_s: world.start.as_second() + 60, ..charge.clone() };
    world.charges = (0..2 * charges).map(at).collect();
    let anchor = OnSite { pile: 0, ..world.anchors[0].clone() };
    world.anchors = vec![anchor];
    world
}

// By pencil: the graph is a chain. The anchor gives the first pile u²; n charges add s = σ²/n; together with the prior of the vehicle's
// whole bias, B = σ_c² + σ_m² + σ_b², they give its variance; n charges more add s again. The first pile the other way round.
#[test]
fn the_bound_of_a_chain_is_what_a_pencil_finds() {
    let world = tiny(25);
    let found = bound::bound(&world, 0, 14);
    let (u, s) = (0.0015_f64 / 2.0, 0.02_f64 * 0.02 / 25.0);
    let whole = 0.01_f64.powi(2) + 0.005_f64.powi(2) + 0.015_f64.powi(2);
    let second = 1.0 / (1.0 / (u * u + s) + 1.0 / whole) + s;
    // The second pile has no prior: it adds nothing to what is known of the first.
    let first = 1.0 / (1.0 / (u * u) + 1.0 / (whole + s));
    for (found, expected) in found.iter().zip([first, second]) {
        let found = found.expect("known");
        assert!((found / expected.sqrt() - 1.0).abs() < 1e-9, "{found} is not {}", expected.sqrt());
    }
}

#[test]
fn heavy_tails_raise_the_bound_by_their_information() {
    let of = |noise| {
        let mut world = tiny(25);
        world.anchors[0].expanded_percent = 1e-6;
        world.settings.noise = noise;
        world.settings.vehicle_sd = 10.0;
        bound::bound(&world, 0, 14)[1].expect("known")
    };
    // Without anything else to know, the variance is 2 s / κ; κ = 5/7 for t₄.
    assert!((of(Noise::T4) / of(Noise::Gaussian) - (7.0_f64 / 5.0).sqrt()).abs() < 1e-4);
}

#[test]
fn the_master_meter_sees_what_the_piles_pass_on() {
    let world = World::draw(&WorldSettings { layout: Layout::Anhui, ..small(2) }).expect("a world");
    let hours = world.hours().expect("master meters");
    let registered: f64 = hours.registers.iter().flatten().sum();
    let charged: f64 = world.charges.iter().map(WorldCharge::energy_pile_kwh).sum();
    assert!((registered - charged).abs() < 0.01, "registers lose nothing: {registered} {charged}");
    let taken: f64 = hours.masters.iter().flatten().sum();
    // DC piles lose some 5 %, standby takes up to 0.8 kW at either station for 336 hours.
    assert!(charged < taken && taken < 1.08 * charged + 2.0 * 0.8 * 336.0, "{charged} {taken}");
}

#[test]
fn a_file_of_charges_gives_its_graph() {
    let folder = folder("graph");
    let mut original = World::draw(&small(4)).expect("a world");
    // Names as they stand in others' files.
    original.piles.iter_mut().for_each(|pile| pile.id.push_str(", \"north\""));
    original.vehicles.iter_mut().for_each(|vehicle| vehicle.id.push_str(",2"));
    files::write(&original, &folder).expect("written");
    let settings = WorldSettings::graph(folder.join("charges.csv"), 8);
    let world = World::draw(&settings).expect("a world");
    assert_eq!(world.charges.len(), original.charges.len());
    let pairs = |world: &World| -> std::collections::BTreeSet<(String, String)> {
        let pair = |charge: &WorldCharge| {
            (world.piles[charge.pile].id.clone(), world.vehicles[charge.vehicle].id.clone())
        };
        world.charges.iter().map(pair).collect()
    };
    assert_eq!(pairs(&world), pairs(&original));
    assert!(world.vehicles.iter().all(|vehicle| vehicle.model.is_none()));
    fs::remove_dir_all(&folder).expect("removed");
}

/// A file in steps of 10 Wh: what piles say of its charges has every last digit as often, and is within half a step of the file.
#[test]
fn energies_of_a_file_lie_anywhere_within_its_step() {
    let folder = folder("step");
    let rows: Vec<String> = (0..2_000)
        .map(|n| {
            let (day, hour) = (1 + n / 24 % 28, n % 24);
            format!(
                "P{},V{},2026-02-{day:02}T{hour:02}:00:00Z,2026-02-{day:02}T{hour:02}:50:00Z,{}.{:02}\n",
                n % 7,
                n % 90,
                5 + n % 20,
                n % 100
            )
        })
        .collect();
    let file = folder.join("steps.csv");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(&file, format!("pile_id,vehicle_id,started_at,ended_at,energy_pile_kwh\n{}", rows.concat()))
        .expect("written");
    let settings = WorldSettings { injections: Vec::new(), anchors: 5, ..WorldSettings::graph(file, 3) };
    let world = World::draw(&settings).expect("a world");
    assert_eq!(world.charges.len(), 2_000);
    let mut last = [0_usize; 10];
    world.charges.iter().for_each(|charge| last[charge.energy_pile_wh.unsigned_abs() as usize % 10] += 1);
    let mut told: Vec<i64> = (0..2_000).map(|n| 100 * (5 + n % 20) + n % 100).collect();
    let mut drawn: Vec<i64> =
        world.charges.iter().map(|charge| (100.0 * charge.energy_kwh).round() as i64).collect();
    told.sort_unstable();
    drawn.sort_unstable();
    assert_eq!(drawn, told, "each within half a step of the file");
    // 200 of each are expected, with a deviation of 13.
    assert!(last.iter().all(|count| (135..265).contains(count)), "{last:?}");
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn injected_errors_depend_on_what_they_say() {
    let at = injection::Circumstances { day: 10.0, hour: 23, energy_kwh: 10.0, power_kw: 40.0 };
    let check = |text: &str, percent: f64| {
        let injection: Injection = text.parse().expect("a form");
        assert_eq!(injection.to_string(), text, "it is written as it is read");
        let found = 100.0 * injection.kind.error(&at);
        assert!((found - percent).abs() < 1e-9, "{text}: {found}");
    };
    check("constant:-2:1", -2.0);
    check("step:1:1:10", 1.0);
    check("step:1:1:11", 0.0);
    check("hours:3:1:20-6", 3.0);
    check("hours:3:1:6-20", 0.0);
    check("offset:0.1:1", 1.0);
    check("power:2:1:30", 2.0);
    check("power:2:1:50", 0.0);
}

#[test]
fn nonsense_is_refused() {
    for text in
        ["constant:2", "constant:x:1", "constant:99:1", "step:1:1", "hours:1:1:25-3", "meteor:1:1", ""]
    {
        assert!(text.parse::<Injection>().is_err(), "{text}");
    }
    let refused = |settings: WorldSettings| assert!(World::draw(&settings).is_err(), "{settings:?}");
    refused(WorldSettings { vehicle_share: 0.0, ..small(1) });
    refused(WorldSettings { vehicle_share: f64::NAN, ..small(1) });
    refused(WorldSettings { days: 0, ..small(1) });
    refused(WorldSettings { days: 1_000_000, ..small(1) });
    refused(WorldSettings { injections: vec!["constant:2:11".parse().expect("a form")], ..small(1) });
    refused(WorldSettings::graph(PathBuf::from("/nowhere/charges.csv"), 1));
}

// Ten piles.
#[test]
fn no_more_piles_are_measured_on_site_than_there_are() {
    let drawn = |anchors: usize, on_site: usize| World::draw(&WorldSettings { anchors, on_site, ..small(1) });
    for (anchors, on_site) in [(0, 0), (4, 6), (10, 0), (0, 10)] {
        let world = drawn(anchors, on_site).expect("a world");
        assert_eq!((world.anchors.len(), world.on_site.len()), (anchors, on_site));
    }
    for (anchors, on_site, told) in
        [(11, 0, "(11 of 10); name at most 10"), (4, 7, "(7 of 6); name at most 6")]
    {
        let error = drawn(anchors, on_site).expect_err("refused").to_string();
        assert!(error.contains("more piles") && error.contains(told), "{error}");
    }
}
