//! The filter over weeks: what is kept is enough, steps are told, and the truth is found.

use jiff::SignedDuration;
use rust_decimal::Decimal;
use veripile_assessment::learnt::Way;
use veripile_assessment::vehicles::{VehicleUpdate, Who};
use veripile_pile::{ActKind, OnSiteResult};
use veripile_store::evidence::Witnessed;

use super::*;

const PILES: i64 = 12;
const WEEKS: i32 = 12;
const FIRST: i32 = 2_900;

/// Uniform numbers in −1..1 from a fixed sequence (Lehmer, modulus 2³¹ − 1), so that the world is the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        2.0 * self.0 as f64 / 2_147_483_647.0 - 1.0
    }
}

/// True error of a pile in a week: pile 3 steps by +2 % in the eighth.
fn truth(pile: i64, week: i32) -> f64 {
    let step = if pile == 3 && FIRST + 7 <= week { 0.02 } else { 0.0 };
    0.001 * (pile % 5) as f64 - 0.002 + step
}

/// Thirty vehicles charge at every pile twice a week, each biased by up to 1 %.
fn charges() -> Vec<EvidenceCharge> {
    let mut numbers = Numbers(7);
    let biases: Vec<f64> = (0..30).map(|_| 0.01 * numbers.next()).collect();
    let mut charges = Vec::new();
    for week in FIRST..FIRST + WEEKS {
        for pile in 1..=PILES {
            for vehicle in 0..30_u8 {
                let charge_no = charges.len() as i64 + 1;
                let noise = 0.01 * (numbers.next() + numbers.next());
                let ratio = (truth(pile, week) - biases[usize::from(vehicle)] + noise).exp();
                let ended_at = beginning(week) + SignedDuration::from_mins(17 * (charge_no % 590));
                let mut key = [0; 16];
                key[0] = vehicle;
                let times = [ended_at - SignedDuration::from_mins(40), ended_at];
                let energy_pile_wh = Decimal::from((20_000.0 * ratio).round() as i64);
                charges.push(EvidenceCharge {
                    vehicle: Some(VehicleKey(key)),
                    energy_vehicle_wh: Some(Decimal::from(20_000)),
                    ..EvidenceCharge::new(charge_no, pile, times, energy_pile_wh)
                });
            }
        }
    }
    charges
}

/// Noise and vehicles' spread, and nothing beside them.
fn learnt() -> Learnt {
    let way = Way {
        path: Some(VehiclePath::Relayed),
        charges: 1,
        bias: 0.0,
        noise: 0.01,
        noise_kwh: 0.05,
        degrees_of_freedom: 4.0,
    };
    Learnt { ways: vec![way], vehicle_sd: 0.01, ..Learnt::default() }
}

/// Three piles measured before the first week, right to 0.05 %.
fn acts() -> Vec<(i64, Act)> {
    let act = |pile: i64| Act {
        outlet: None,
        kind: ActKind::Measured,
        number: format!("M{pile}"),
        issuer: "I".into(),
        person: "P".into(),
        acted_at: beginning(FIRST) - SignedDuration::from_hours(24),
        valid_until: None,
        reply_until: None,
        result: Some(OnSiteResult {
            error_percent: Decimal::try_from(100.0 * truth(pile, FIRST)).expect("a number"),
            expanded_uncertainty_percent: Decimal::new(10, 2),
            coverage_factor: Decimal::TWO,
        }),
    };
    [1, 5, 9].map(|pile| (pile, act(pile))).to_vec()
}

/// What these acts say, without a calibration.
fn results(acts: &[(i64, Act)]) -> Results {
    Results { on_site: standing(acts, Timestamp::MAX), ..Results::default() }
}

#[test]
fn what_is_kept_is_enough_to_go_on() {
    let (charges, acts) = (charges(), acts());
    let open = FIRST + WEEKS - 1;
    let (_, at_once) = filter(Kept::default(), &charges, &results(&acts), open, &learnt()).expect("filtered");
    let mut kept = Kept::default();
    let mut step_by_step = Vec::new();
    for week in FIRST..=open {
        let since = beginning(kept.filter.week.map_or(FIRST, |last| last + 1));
        let known: Vec<_> = charges
            .iter()
            .filter(|charge| since <= charge.ended_at && charge.ended_at < beginning(week + 1))
            .cloned()
            .collect();
        let (next, weeks) = filter(kept, &known, &results(&acts), week, &learnt()).expect("filtered");
        assert_eq!(
            weeks.len(),
            if week == FIRST { 1 } else { 2 },
            "the last one, now finished, and the open one"
        );
        step_by_step.extend(weeks.into_iter().filter(|told| told.state.is_some()));
        // As after a restart.
        kept = read(&write(&next).expect("written")).expect("read");
        assert_eq!((&kept.filter, &kept.on_site), (&next.filter, &next.on_site), "to the last bit");
    }
    let finished: Vec<_> = at_once.iter().filter(|told| told.week < open).collect();
    let with_state = finished.iter().filter(|told| told.state.is_some()).count();
    assert_eq!(with_state, usize::try_from(STATES_KEPT).expect("few"), "older ones are not kept");
    assert_eq!(finished.len(), usize::try_from(WEEKS - 1).expect("few"));
    let is_same = |a: f64, b: f64| a.to_bits() == b.to_bits();
    for (one, other) in finished.iter().zip(&step_by_step) {
        assert_eq!(
            (one.week, one.errors.len(), one.steps.len()),
            (other.week, other.errors.len(), other.steps.len())
        );
        for ((pile, a), (of, b)) in one.errors.iter().zip(&other.errors) {
            assert_eq!((pile, a.charges), (of, b.charges));
            assert!(
                is_same(a.error, b.error) && is_same(a.standard_uncertainty, b.standard_uncertainty),
                "{a:?} {b:?}"
            );
        }
    }
}

#[test]
fn a_step_is_told_once_and_the_truth_lies_within_its_uncertainty() {
    let (charges, acts) = (charges(), acts());
    let open = FIRST + WEEKS - 1;
    let (_, weeks) = filter(Kept::default(), &charges, &results(&acts), open, &learnt()).expect("filtered");
    let steps: Vec<_> = weeks.iter().flat_map(|week| &week.steps).collect();
    assert_eq!(steps.len(), 1, "{steps:?}");
    let (pile, step) = steps[0];
    assert_eq!((*pile, step.first_week), (3, FIRST + 7));
    assert!((step.size - 0.02).abs() < 4.0 * step.standard_uncertainty, "{step:?}");
    let last = weeks.last().expect("weeks");
    for (pile, told) in &last.errors {
        let beyond = (told.error - truth(*pile, open)).abs() / told.standard_uncertainty;
        assert!(beyond < 4.0, "pile {pile}: {told:?}");
        assert!(told.standard_uncertainty < 0.005);
    }
}

#[test]
fn a_pile_that_was_adjusted_is_known_anew() {
    let (charges, mut acts) = (charges(), acts());
    let after = FIRST + 7;
    // Its error fell by 1.5 % at a repair in the eighth week, after which it was measured.
    let charges: Vec<_> = charges
        .into_iter()
        .map(|mut charge| {
            if charge.pile_no == 5 && after <= week_of(charge.ended_at) {
                charge.energy_pile_wh *= Decimal::new(985, 3);
            }
            charge
        })
        .collect();
    let mut measured = acts[1].clone();
    measured.1.acted_at = beginning(after) + SignedDuration::from_hours(1);
    measured.1.result.as_mut().expect("a result").error_percent -= Decimal::new(15, 1);
    acts.push(measured);
    let (_, weeks) =
        filter(Kept::default(), &charges, &results(&acts), after + 1, &learnt()).expect("filtered");
    assert!(weeks.iter().flat_map(|week| &week.steps).all(|(pile, _)| *pile != 5), "its step is explained");
    let (_, told) = weeks.last().expect("weeks").errors.iter().find(|(pile, _)| *pile == 5).expect("pile 5");
    let expected = (1.0 + truth(5, after)) * 0.985 - 1.0;
    assert!((told.error - expected).abs() < 4.0 * told.standard_uncertainty, "{told:?} {expected}");
}

#[test]
fn what_is_kept_is_gone_on_from_only_with_the_results_it_took_in() {
    let (charges, mut acts) = (charges(), acts());
    let open = FIRST + WEEKS - 1;
    let (_, weeks) = filter(Kept::default(), &charges, &results(&acts), open, &learnt()).expect("filtered");
    let state = |week: i32| {
        let told = weeks.iter().find(|told| told.week == week).and_then(|told| told.state.as_ref());
        read(told.expect("a state")).expect("read")
    };
    let fits = |acts: &[(i64, Act)], week| state(week).fits(open, &results(acts), &learnt());
    assert!(fits(&acts, open - 1) && fits(&acts, open - 4));
    assert!(!state(open - 1).fits(open - 1, &results(&acts), &learnt()), "it is of that week itself");

    // One of three weeks ago is entered today: states of before it stay.
    let mut entered = acts[0].clone();
    (entered.0, entered.1.number) = (2, "M2".into());
    entered.1.acted_at = beginning(open - 3) + SignedDuration::from_hours(1);
    acts.push(entered.clone());
    assert_eq!([1, 3, 4].map(|ago| fits(&acts, open - ago)), [false, false, true]);
    // It is withdrawn: as if it had never been.
    acts.push((2, Act { kind: ActKind::CertificateWithdrawn, result: None, ..entered.1 }));
    assert!(fits(&acts, open - 1));
    // One of the first three is put in question: nothing that is kept can be gone on from.
    let first = Act { kind: ActKind::CertificateQuestioned, result: None, ..acts[0].1.clone() };
    acts.push((acts[0].0, first));
    assert!((open - STATES_KEPT..open).all(|week| !fits(&acts, week)));
    assert!(Kept::default().fits(FIRST, &results(&acts), &learnt()));
}

/// What was taken out of the weeks kept must be what would be taken out today.
#[test]
fn what_is_kept_is_gone_on_from_only_with_what_is_known_of_ways() {
    let (charges, acts) = (charges(), acts());
    let results = results(&acts);
    let noise = |noise: f64| {
        let mut learnt = learnt();
        learnt.ways[0].noise = noise;
        learnt
    };
    let (kept, _) = filter(Kept::default(), &charges, &results, FIRST + 3, &learnt()).expect("filtered");
    let fits = |learnt: &Learnt| kept.fits(FIRST + 4, &results, learnt);
    assert!(fits(&learnt()) && fits(&noise(0.010_8)) && !fits(&noise(0.011_6)));
    // Gone on from with what is a little otherwise, it still holds what was taken out first: small changes do not add up unseen.
    let (next, _) = filter(kept.clone(), &charges, &results, FIRST + 4, &noise(0.010_8)).expect("filtered");
    assert!(!next.fits(FIRST + 5, &results, &noise(0.011_6)));
}

fn calibrated(at: Timestamp) -> witness::Calibration {
    let result = OnSiteResult {
        error_percent: Decimal::new(4, 1),
        expanded_uncertainty_percent: Decimal::new(2, 1),
        coverage_factor: Decimal::TWO,
    };
    witness::Calibration { vehicle: VehicleKey([7; 16]), at, result }
}

/// A calibration that the last whole assessment did not use (nobody met the vehicle, or it contradicts everything else) is none.
#[test]
fn what_is_kept_is_gone_on_from_only_with_the_calibrations_it_took_in() {
    let (charges, acts) = (charges(), acts());
    let calibrations = [calibrated(beginning(FIRST)), calibrated(beginning(FIRST + 2))];
    let standing = |used: &[usize]| {
        let used = used.iter().map(|at| (calibrations[*at].vehicle, calibrations[*at].at)).collect();
        let given = Given {
            acts: &acts,
            calibrations: &calibrations,
            used: &used,
            balances: &[],
            vehicles: &Vehicles::default(),
        };
        given.standing(Timestamp::MAX, &learnt(), &HashMap::new())
    };
    let both = standing(&[0, 1]);
    assert_eq!(both.calibrations.len(), 2);
    assert!(both.calibrations[0].vehicle.ends_with("reference"), "as its charges are named");
    let (kept, _) = filter(Kept::default(), &charges, &both, FIRST + 4, &learnt()).expect("filtered");
    let fits = |used: &[usize]| kept.fits(FIRST + 5, &standing(used), &learnt());
    assert!(fits(&[0, 1]) && !fits(&[1]) && !fits(&[0]) && !fits(&[]));
    // One that is made later is known of the weeks before, too.
    let (kept, _) =
        filter(Kept::default(), &charges, &standing(&[0]), FIRST + 1, &learnt()).expect("filtered");
    assert!(!kept.fits(FIRST + 2, &both, &learnt()));
}

/// Piles are levelled by a vehicle alone, which an authority reads; nobody measured one.
#[test]
fn a_reference_vehicle_levels_piles_that_nobody_measured() {
    let mut charges = charges();
    for charge in charges.iter_mut().filter(|charge| charge.vehicle == Some(VehicleKey([0; 16]))) {
        let energy = charge.energy_vehicle_wh.take().map(|wh| (wh, VehiclePath::Reference));
        charge.witnessed = Some(Box::new(Witnessed { energy, ..Witnessed::default() }));
    }
    let open = FIRST + WEEKS - 1;
    let bias = 0.01 * Numbers(7).next();
    let calibration = witness::Calibration {
        vehicle: VehicleKey([0; 16]),
        result: OnSiteResult {
            error_percent: Decimal::try_from(100.0 * bias.exp_m1()).expect("a number"),
            ..calibrated(beginning(FIRST)).result
        },
        ..calibrated(beginning(FIRST))
    };
    let of_reference = Way { path: Some(VehiclePath::Reference), ..learnt().ways[0] };
    let learnt = Learnt { ways: vec![learnt().ways[0], of_reference], ..learnt() };
    let told = |used: &BTreeSet<(VehicleKey, Timestamp)>| {
        let given = Given {
            acts: &[],
            calibrations: &[calibration],
            used,
            balances: &[],
            vehicles: &Vehicles::default(),
        };
        let results = given.standing(Timestamp::MAX, &learnt, &HashMap::new());
        let (_, weeks) = filter(Kept::default(), &charges, &results, open, &learnt).expect("filtered");
        weeks.last().expect("weeks").errors.clone()
    };
    for (pile, error) in told(&BTreeSet::from([(calibration.vehicle, calibration.at)])) {
        let beyond = (error.error - truth(pile, open)).abs() / error.standard_uncertainty;
        assert!(beyond < 4.0 && error.standard_uncertainty < 0.004, "{pile}: {error:?}");
    }
    let without = told(&BTreeSet::new());
    assert!(without.iter().all(|(_, error)| 0.004 < error.standard_uncertainty), "no level: {without:?}");
}

/// Piles are levelled by a master of piles 1 and 2, right to 0.2 %; nobody measured one. What it says is in no state: with another one, or none, the same
/// is gone on from.
#[test]
fn a_balance_levels_piles_that_nobody_measured_and_is_in_no_state() {
    let (charges, open) = (charges(), FIRST + WEEKS - 1);
    let weight = 0.25 / 0.002_f64.powi(2);
    let right = weight * (truth(1, FIRST).ln_1p() + truth(2, FIRST).ln_1p());
    let told = serde_json::json!({ "piles": ["P1", "P2"], "from": beginning(FIRST), "to": beginning(FIRST + WEEKS),
        "matrix": [weight, weight, weight], "right": [right, right] });
    let balances: Vec<Balanced<PileId>> = vec![serde_json::from_value(told).expect("as it is stored")];
    let numbers = ["P1", "P2"].into_iter().zip(1..);
    let numbers: HashMap<PileId, i64> =
        numbers.map(|(id, number)| (PileId::parse(id).expect("literal"), number)).collect();
    let standing = |balances: &[Balanced<PileId>]| {
        let (used, vehicles) = (&BTreeSet::new(), &Vehicles::default());
        let given = Given { acts: &[], calibrations: &[], used, balances, vehicles };
        given.standing(Timestamp::MAX, &learnt(), &numbers)
    };
    let with = standing(&balances);
    assert_eq!(with.balances.len(), 1);
    let (kept, weeks) = filter(Kept::default(), &charges, &with, open, &learnt()).expect("filtered");
    let last = weeks.last().expect("weeks");
    for (pile, error) in &last.errors {
        let beyond = (error.error - truth(*pile, open)).abs() / error.standard_uncertainty;
        assert!(beyond < 4.0 && error.standard_uncertainty < 0.004, "{pile}: {error:?}");
    }
    let without = standing(&[]);
    let (_, weeks) = filter(kept.clone(), &charges, &without, open, &learnt()).expect("filtered");
    let last = weeks.last().expect("weeks");
    assert!(last.errors.iter().all(|(_, error)| 0.004 < error.standard_uncertainty), "{:?}", last.errors);
    assert!(kept.fits(open, &without, &learnt()) && kept.fits(open, &with, &learnt()));
}

/// Pile 3 steps in the eighth week (see `truth`), and pile 5 never does. Of the first charge of each a witness told, too.
#[test]
fn what_no_vehicle_said_tells_no_step_and_no_error() {
    let mut charges = charges();
    for pile in [3, 5] {
        let first = charges.iter_mut().find(|charge| charge.pile_no == pile).expect("charges");
        let energy = first.energy_vehicle_wh.map(|wh| (wh, VehiclePath::App));
        first.witnessed = Some(Box::new(Witnessed { energy, ..Witnessed::default() }));
    }
    let [three, five] = ["P3", "P5"].map(|id| PileId::parse(id).expect("literal"));
    let numbers = HashMap::from([(three.clone(), 3), (five.clone(), 5)]);
    let learnt = Learnt { doubted: vec![three], copying: vec![five], ..learnt() };
    let all = charges.len();
    leave_out(&mut charges, &learnt, &numbers);
    assert_eq!(all - charges.len(), 2 * (30 * WEEKS.unsigned_abs() as usize - 1), "theirs alone");
    assert!(
        charges.iter().any(|charge| charge.pile_no == 3) && charges.iter().any(|charge| charge.pile_no == 5)
    );
    let open = FIRST + WEEKS - 1;
    let (_, weeks) = filter(Kept::default(), &charges, &results(&acts()), open, &learnt).expect("filtered");
    assert!(weeks.iter().all(|week| week.steps.is_empty()), "nobody but pile 3 says so");
    let of_three =
        |week: &FilteredWeek| week.errors.iter().find(|(pile, _)| *pile == 3).map(|(_, told)| told.charges);
    assert_eq!(of_three(&weeks[0]), Some(1));
    assert!(weeks[1..].iter().all(|week| of_three(week) == Some(0)));
}

/// A week that was late when the filter failed is late when it is brought up next, and after a look that was not asked.
#[test]
fn what_came_late_stays_late_until_the_filter_came_to_its_end() {
    let as_of = beginning(FIRST + 8) + SignedDuration::from_hours(50);
    let taken = |week: i32, comparable: u64| TakenIn {
        comparable,
        earliest: Some(beginning(week) + SignedDuration::from_hours(1)),
        ..TakenIn::default()
    };
    let mut behind = Behind::default();
    assert_eq!(behind.late(as_of, 1_000), Late::Nothing);
    behind.add(&taken(FIRST + 8, 5));
    assert_eq!(behind.late(as_of, 1_000), Late::Nothing, "of the open week");
    behind.add(&taken(FIRST + 6, 1));
    behind.is_interrupted = true;
    assert_eq!(behind.late(as_of, 1_000), Late::Week(FIRST + 6));
    behind.brought_up(Late::Unasked);
    assert_eq!((behind.late(as_of, 1_000), behind.is_interrupted), (Late::Week(FIRST + 6), false));
    // Older than any state that is kept: passed over, unless they are many.
    behind.add(&taken(FIRST, 1));
    assert_eq!(behind.late(as_of, 1_000), Late::Week(FIRST + 9 - STATES_KEPT));
    assert_eq!(behind.late(as_of, 140), Late::Everything);
    behind.brought_up(Late::Week(FIRST + 6));
    assert_eq!(behind, Behind::default());
}

/// Where a process ends before the filter has, the next one reads off the state kept from when on it must ask for what came late.
#[test]
fn a_state_says_until_when_it_took_in_what_came() {
    let (charges, acts) = (charges(), acts());
    let at = |week: i32| beginning(week) + SignedDuration::from_hours(30);
    let go_on = |kept: Kept, late: Late, week: i32| {
        let start = kept.taking_in(late, at(week));
        let (kept, weeks) = filter(start, &charges, &results(&acts), week, &learnt()).expect("filtered");
        let states = weeks.iter().filter_map(|told| told.state.as_ref());
        assert!(states.map(|state| read(state).expect("read")).all(|state| state.taken_in == kept.taken_in));
        kept
    };
    let kept = go_on(Kept::default(), Late::Unasked, FIRST + 2);
    assert_eq!(kept.taken_in, Some(at(FIRST + 2)), "from the beginning everything is asked for");
    let kept = go_on(kept, Late::Unasked, FIRST + 4);
    assert_eq!((kept.filter.week, kept.taken_in), (Some(FIRST + 3), Some(at(FIRST + 2))));
    let kept = go_on(kept, Late::Nothing, FIRST + 5);
    assert_eq!(kept.taken_in, Some(at(FIRST + 5)));
}

/// What a state of before these were known says is read as of no such piles, and of models that all piles read alike.
#[test]
fn a_state_of_before_is_read() {
    let kept = Kept { learnt: learnt(), ..Kept::default() };
    let mut told = serde_json::to_value(&kept).expect("plain");
    for since in ["doubted", "interaction_sd"] {
        assert!(told["learnt"].as_object_mut().expect("an object").remove(since).is_some());
    }
    for since in ["taken_in", "revision", "vehicles"] {
        assert!(told.as_object_mut().expect("an object").remove(since).is_some());
    }
    let read: Kept = serde_json::from_value(told).expect("of before");
    assert_eq!((&read.learnt, read.taken_in, read.revision), (&kept.learnt, None, None));
}

/// Of updates only those of a state's own weeks matter, of ids of many those that were met by then.
#[test]
fn what_is_kept_is_gone_on_from_only_with_what_is_known_of_vehicles() {
    let (charges, acts) = (charges(), acts());
    let open = FIRST + WEEKS - 1;
    let update = |who, week, size| VehicleUpdate { who, at: beginning(week), size };
    let of_model = |size| update(Who::Model("M".to_owned()), FIRST + 7, size);
    let with = |vehicles: &Vehicles<String>| Results { vehicles: vehicles.clone(), ..results(&acts) };
    let first = Vehicles { of_many: Vec::new(), updates: vec![of_model(0.02)] };
    let (kept, weeks) = filter(Kept::default(), &charges, &with(&first), open, &learnt()).expect("filtered");
    let newest = |vehicles: &Vehicles<String>| {
        let results = with(vehicles);
        let states = weeks.iter().filter_map(|told| read(told.state.as_ref()?).ok());
        states.filter(|kept| kept.fits(open, &results, &learnt())).filter_map(|kept| kept.filter.week).max()
    };
    assert_eq!(newest(&first), Some(open - 1));
    assert_eq!(newest(&Vehicles::default()), Some(FIRST + 6), "before the update");
    // A little larger is the same, and what was taken off stays.
    let larger = |by: f64| Vehicles { updates: vec![of_model(0.02 + by)], ..first.clone() };
    assert_eq!([0.000_9, 0.001_1].map(|by| newest(&larger(by))), [Some(open - 1), Some(FIRST + 6)]);
    let (next, _) = filter(kept, &charges, &with(&larger(0.000_9)), open, &learnt()).expect("filtered");
    assert_eq!(next.vehicles, first);
    let also = |week| {
        let vehicle = update(Who::Vehicle("V".to_owned()), week, 0.01);
        Vehicles { updates: vec![of_model(0.02), vehicle], ..first.clone() }
    };
    let since = [open, open - 1, open - 2];
    assert_eq!(since.map(|week| newest(&also(week))), since.map(|week| Some(week - 1)));
    let met = |week| {
        let ids = names((VehicleKey([9; 16]), false)).into_iter();
        Vehicles { of_many: ids.map(|id| (id, beginning(week))).collect(), ..first.clone() }
    };
    assert_eq!(since.map(|week| newest(&met(week))), since.map(|week| Some(week - 1)));
    assert_eq!(newest(&met(FIRST)), None);
}

/// The same results, ways and covariates: but other numbers may have come of them.
#[test]
fn what_another_estimator_kept_is_not_gone_on_from() {
    let (charges, acts) = (charges(), acts());
    let results = results(&acts);
    let (kept, weeks) = filter(Kept::default(), &charges, &results, FIRST + 3, &learnt()).expect("filtered");
    let states = weeks.iter().filter_map(|told| told.state.as_ref());
    let revisions: BTreeSet<_> = states.map(|state| read(state).expect("read").revision).collect();
    assert_eq!(revisions, BTreeSet::from([Some(REVISION)]));
    let fits = |revision| Kept { revision, ..kept.clone() }.fits(FIRST + 4, &results, &learnt());
    assert!(fits(Some(REVISION)) && !fits(Some(REVISION + 1)) && !fits(None));
}

/// It must not be refused for what a whole assessment would need.
#[test]
fn a_week_asks_for_less_memory_than_a_whole_assessment_and_for_more_than_its_charges_are() {
    for count in [1_000, 10_000_000] {
        assert!(bytes(count) < facts::assessed_bytes(count, 0), "{count}");
        assert!((CHARGE_BYTES + size_of::<WeekCharge<i64, String>>() as u64) * count < bytes(count));
    }
}
