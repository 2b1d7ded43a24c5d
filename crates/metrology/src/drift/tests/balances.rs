//! Energy balances give a level in every week, and none that their masters did not tell: by hand, and over worlds.

use super::world::{Habit, World};
use super::*;
use crate::balance::tests::world::World as Stations;
use crate::balance::{Feeder, Settings as Presumed, balance};
use crate::normal::QUANTILE_975;

/// What a master of this uncertainty says of the mean of instruments.
fn mean_of(instruments: &[usize], log_error: f64, u: f64) -> Information {
    let (count, weight) = (instruments.len(), u.powi(-2));
    let share = 1.0 / count as f64;
    let mut matrix = Symmetric::zero(count);
    (0..count).for_each(|i| (0..=i).for_each(|j| matrix.add(i, j, weight * share * share)));
    Information { instruments: instruments.to_vec(), matrix, right: vec![weight * share * log_error; count] }
}

/// By hand: masters to 0.3 % tell 0.4 % of the mean of two instruments and 0.2 % of a third; travellers tell that all are alike. So all err by 0.3 % to
/// 0.3/√2 = 0.212 %, in the first week as in the fifth, and looking back. With one of 0 % to 0.1 % in the place of the second it is 0.04 % to
/// √(1/(1/0.09 + 1/0.01)) = 0.095 %; without any, nothing is known of the level.
#[test]
fn a_balance_counts_once_in_all_weeks_and_a_newer_one_takes_its_place() {
    let still = Settings {
        instrument_walk: 0.0,
        traveller_walk: 0.0,
        common_walk: 0.0,
        traveller_sd: 0.001,
        common_sd: 1.0,
        instrument_sd: 1.0,
        ..Settings::default()
    };
    let visits = |t: usize| [0, 1, 2].map(|i| Comparison { variance: 4e-6, ..comparison(i, t, 0.0) });
    let first = vec![mean_of(&[0, 1], 0.004, 0.003), mean_of(&[2], 0.002, 0.003)];
    let mut week = Week {
        elapsed_weeks: 1.0,
        instruments: 3,
        travellers: 2_000,
        comparisons: (0..2_000).flat_map(visits).collect(),
        information: first,
        ..Week::default()
    };
    let mut state = State::new();
    let mut snapshots = Vec::new();
    let check = |told: &Estimate, error: f64, u: f64| {
        assert!((told.log_error - error).abs() < 3e-5, "{told:?}");
        assert!((told.standard_uncertainty / u - 1.0).abs() < 0.002, "{told:?} {u}");
    };
    for _ in 0..5 {
        let update = state.advance(&week, &still).expect("advances");
        update.estimates.iter().for_each(|told| check(told, 0.003, 0.003 / 2.0_f64.sqrt()));
        snapshots.push(update.snapshot);
    }
    let smoothed = smooth(&snapshots).expect("of one filter");
    smoothed.iter().flatten().for_each(|told| check(told, 0.003, 0.003 / 2.0_f64.sqrt()));
    week.information[1] = mean_of(&[2], 0.0, 0.001);
    let update = state.advance(&week, &still).expect("advances");
    let u_of_both = (1.0_f64 / (1.0 / 0.09 + 100.0)).sqrt() / 100.0;
    update.estimates.iter().for_each(|told| check(told, 0.000_4, u_of_both));
    snapshots.push(update.snapshot);
    let smoothed = smooth(&snapshots).expect("of one filter");
    assert_eq!(smoothed.iter().flatten().map(|told| check(told, 0.000_4, u_of_both)).count(), 18);
    // Of a first week without any balance, later ones tell likewise.
    snapshots[0].informed = None;
    let smoothed = smooth(&snapshots).expect("of one filter");
    smoothed.iter().flatten().for_each(|told| check(told, 0.000_4, u_of_both));
    week.information.clear();
    let update = state.advance(&week, &still).expect("advances");
    assert!(update.estimates.iter().all(|told| 0.5 < told.standard_uncertainty), "{:?}", update.estimates);
}

const WEEKS: usize = 8;
const STATIONS: usize = 8;
const PILES: usize = 5;

/// The city of `coverage` without an anchor, its instruments in eight stations with a master of class 0.5 (u 0.29 %) each and losses that nobody knows,
/// read every hour. Each week all hours until then are balanced anew; what walked meanwhile is taken off as for a mean over the time. By the last
/// week differences are known, so that u is no less than the eight masters' together, and hardly more.
#[test]
fn without_an_anchor_the_band_is_the_balances_and_covers() {
    let settings = Settings::default();
    let stations = Stations::sized(PILES, 7 * WEEKS);
    let (mut covered, mut square, mut u, mut of_masters) = ([0.0; WEEKS], 0.0, 0.0, 0.0);
    let mut covered_back = [0.0; WEEKS];
    let (worlds, count) = (60, (60 * PILES * STATIONS) as f64);
    for seed in 0..worlds {
        let mut world = World::new(2_000 + seed, settings, Habit::Roaming);
        let weeks: Vec<(Week, Vec<f64>)> = (0..WEEKS).map(|_| (world.week(0), world.errors())).collect();
        let feeder = |station: usize| {
            let piles = PILES * station..PILES * (station + 1);
            let errors =
                weeks.iter().map(|(_, errors)| errors[piles.clone()].iter().map(|e| e.exp_m1()).collect());
            stations.of_weeks(&errors.collect::<Vec<_>>(), piles.start, 100 * seed + station as u64)
        };
        let feeders: Vec<Feeder> = (0..STATIONS).map(feeder).collect();
        let mut state = State::new();
        let mut snapshots = Vec::with_capacity(WEEKS);
        for (at, (week, truth)) in weeks.iter().enumerate() {
            let mut week = week.clone();
            let walked = settings.instrument_walk.powi(2) * (at + 1) as f64 / 3.0;
            let told = feeders.iter().map(|feeder| {
                let intervals = feeder.intervals[..168 * (at + 1)].to_vec();
                let until = Feeder { intervals, instruments: feeder.instruments.clone(), ..*feeder };
                let told = balance(&until, &Presumed::default()).expect("solvable").information;
                told.walked(walked).expect("regular")
            });
            week.information = told.collect();
            week.anchors.clear();
            let Update { estimates, snapshot, .. } = state.advance(&week, &settings).expect("advances");
            snapshots.push(snapshot);
            for (told, truth) in estimates.iter().zip(truth) {
                let off = (told.log_error - truth).abs();
                covered[at] += f64::from(off <= QUANTILE_975 * told.standard_uncertainty) / count;
                if at + 1 == WEEKS {
                    square += off * off / count;
                    u += told.standard_uncertainty.powi(2) / count;
                }
            }
            if at + 1 == WEEKS {
                let levels = week.information.iter().map(|told| told.level_uncertainty().powi(-2));
                of_masters += 1.0 / levels.sum::<f64>() / worlds as f64;
            }
        }
        for (at, week) in smooth(&snapshots).expect("of one filter").iter().enumerate() {
            for (told, truth) in week.iter().zip(&weeks[at].1) {
                let off = (told.log_error - truth).abs();
                covered_back[at] += f64::from(off <= QUANTILE_975 * told.standard_uncertainty) / count;
            }
        }
    }
    let [rmse, u, of_masters] = [square, u, of_masters].map(|square: f64| 100.0 * square.sqrt());
    println!(
        "covered by week {covered:.3?}, looking back {covered_back:.3?}; last week u {u:.3} %, rmse {rmse:.3} %, masters {of_masters:.3} %"
    );
    for covered in [covered, covered_back] {
        let all = covered.iter().sum::<f64>() / WEEKS as f64;
        assert!((0.93..=0.97).contains(&all), "{all}");
    }
    assert!((1.0..1.5).contains(&(u / of_masters)), "{u} {of_masters}");
}
