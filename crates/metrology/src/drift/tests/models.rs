//! What instruments read otherwise of one model of travellers: against a dense computation, by hand, and over worlds.

use super::super::equations::Posterior;
use super::coverage::tally;
use super::world::Habit;
use super::*;

const INTERACTION: f64 = 0.003;

fn settings() -> Settings {
    Settings { interaction_sd: INTERACTION, ..Settings::default() }
}

fn counted(state: &State) -> State {
    state.counted(&settings())
}

fn posterior(state: &State) -> Posterior {
    let counted = counted(state);
    counted.posterior(&counted.conditionals(settings().traveller_sd)).expect("regular")
}

/// Five travellers of two models, and one of none, at three instruments; the two instruments without an anchor are compared by one model mostly.
fn mixed() -> Week {
    let visits = [(0, 0, 5), (0, 1, 9), (1, 0, 2), (1, 1, 14), (1, 2, 1), (2, 2, 6), (2, 1, 3), (3, 0, 4)];
    let alone = [(3, 2, 8), (4, 1, 7), (4, 2, 11), (5, 0, 3), (5, 2, 2)];
    let comparisons = visits.iter().chain(&alone).flat_map(|(traveller, instrument, count)| {
        let value = 0.001 * (*traveller as f64) - 0.002 * (*instrument as f64);
        (0..*count).map(move |n| comparison(*instrument, *traveller, value + 0.01 * (f64::from(n % 3) - 1.0)))
    });
    Week {
        elapsed_weeks: 0.0,
        travellers: 6,
        comparisons: comparisons.collect(),
        models: vec![(0, 7), (1, 7), (2, 7), (3, 2), (4, 2)],
        ..small()
    }
}

/// Covariance of (c, ẽ) when the interactions are unknowns of their own, by elimination of nothing: of the pairs given and of the base, in which
/// no pair must be.
fn exact(state: &State, gone: &[Traveller]) -> Symmetric {
    let (size, sd) = (state.right.len(), settings().traveller_sd);
    let pairs = || {
        let all = state.travellers.iter().chain(gone).enumerate();
        all.flat_map(|(t, traveller)| traveller.pairs.iter().map(move |pair| (t, traveller, pair)))
    };
    let mut cells: Vec<(usize, usize)> = Vec::new();
    let cell_of = |t: usize, traveller: &Traveller, pair: &Pair| {
        (pair.instrument, traveller.model.unwrap_or(1_000 + t))
    };
    pairs().for_each(|(t, traveller, pair)| cells.push(cell_of(t, traveller, pair)));
    cells.sort_unstable();
    cells.dedup();
    let travellers = state.travellers.len() + gone.len();
    let mut matrix = Symmetric::zero(size + travellers + cells.len());
    // Anchor of `small`, and priors.
    let start = State::new();
    let mut only_base = start.clone();
    let no_pairs = Week { comparisons: vec![], ..mixed() };
    only_base.advance(&no_pairs, &settings()).expect("advances");
    (0..size).for_each(|i| (0..=i).for_each(|j| matrix.add(i, j, only_base.base.get(i, j))));
    (0..travellers).for_each(|t| matrix.add(size + t, size + t, sd.powi(-2)));
    (0..cells.len())
        .for_each(|k| matrix.add(size + travellers + k, size + travellers + k, INTERACTION.powi(-2)));
    for (t, traveller, pair) in pairs() {
        let cell = cells.binary_search(&cell_of(t, traveller, pair)).expect("a cell");
        let along = [(pair.instrument + 1, 1.0), (size + t, -1.0), (size + travellers + cell, 1.0)];
        for (position, (at, by)) in along.iter().enumerate() {
            for (other, of_other) in &along[..=position] {
                matrix.add(*at, *other, pair.weight * by * of_other);
            }
        }
    }
    matrix.factor().expect("regular").inverse()
}

/// Least variance that is stated over the exact one, of many weighted sums of (c, ẽ).
fn least(stated: &Symmetric, exact: &Symmetric) -> f64 {
    let mut seed = 7u32;
    let mut smallest = f64::INFINITY;
    for _ in 0..3_000 {
        let direction: Vec<f64> = (0..stated.size())
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(seed) / f64::from(u32::MAX) - 0.5
            })
            .collect();
        let quadratic = |matrix: &Symmetric| -> f64 {
            let row = |i: usize| (0..direction.len()).map(|j| direction[j] * matrix.get(i, j)).sum::<f64>();
            (0..direction.len()).map(|i| direction[i] * row(i)).sum()
        };
        smallest = smallest.min(quadratic(stated) / quadratic(exact));
    }
    smallest
}

/// Also where some of the travellers were eliminated for good and others, of the same models, came since.
#[test]
fn interactions_never_leave_more_known_than_there_is() {
    let still = Settings { instrument_walk: 0.0, traveller_walk: 0.0, common_walk: 0.0, ..settings() };
    let mut state = State::new();
    state.advance(&mixed(), &still).expect("advances");
    let plain = posterior(&State { travellers: vec![Traveller::default(); 6], ..state.clone() });
    let at_once = least(&posterior(&state).covariance, &exact(&state, &[]));
    assert!((0.999..1.3).contains(&at_once), "{at_once}");
    assert!(plain.covariance.get(2, 2) > 2.0 * posterior(&state).covariance.get(2, 2), "it says something");

    let before = posterior(&state);
    let gone: Vec<Traveller> = [1, 3].map(|t| state.travellers[t].clone()).into();
    state.eliminate(&[1, 3], &still);
    let after = posterior(&state);
    for i in 0..4 {
        assert!((before.mean[i] - after.mean[i]).abs() < 1e-12, "eliminating moves nothing");
        for j in 0..=i {
            assert!((before.covariance.get(i, j) - after.covariance.get(i, j)).abs() < 1e-12);
        }
    }
    let more = Week { anchors: vec![], models: vec![(1, 7), (3, 2)], ..mixed() };
    state.advance(&more, &still).expect("advances");
    let since = least(&posterior(&state).covariance, &exact(&state, &gone));
    println!("least variance over the exact one: {at_once:.4}; with some gone: {since:.4}");
    assert!((0.999..1.5).contains(&since), "{since}");
    state.forget(1, &still);
    assert!(!state.cells.is_empty() && state.cells.iter().all(|cell| cell.instrument != 1));
}

/// By hand: an anchor of 0.05 % at the one instrument, thousands of travellers of one model and of two, whose comparisons alone leave nothing unknown:
/// nothing being known of levels otherwise u² of the other is 0.05² + 2 · 0.3² (%²) with one model, for what both instruments read otherwise of it, and half of that 0.18 with two. In the
/// next weeks the same come, and say nothing new. Without interactions it would be the anchor's.
#[test]
fn however_many_of_one_model_come_they_say_no_more_than_its_maker_allows() {
    let still = Settings {
        instrument_walk: 0.0,
        traveller_walk: 0.0,
        common_walk: 0.0,
        common_sd: 10.0,
        instrument_sd: 10.0,
        ..settings()
    };
    let after = |models: usize, interaction_sd: f64| {
        let travellers = 2_000;
        let visit = |t: usize| [0, 1].map(|i| Comparison { variance: 1e-8, ..comparison(i, t, 0.0) });
        let mut week = Week {
            elapsed_weeks: 1.0,
            instruments: 2,
            travellers,
            comparisons: (0..travellers).flat_map(visit).collect(),
            anchors: vec![Anchor { instrument: 0, log_error: 0.0, standard_uncertainty: 0.000_5 }],
            models: (0..travellers).map(|t| (t, t % models)).collect(),
            ..Week::default()
        };
        let mut state = State::new();
        let mut told = Vec::new();
        for _ in 0..3 {
            told = state.advance(&week, &Settings { interaction_sd, ..still }).expect("advances").estimates;
            week.anchors.clear();
        }
        told[1].standard_uncertainty
    };
    for (models, interaction, expected) in [
        (1, INTERACTION, (0.0025_f64 + 0.18).sqrt()),
        (2, INTERACTION, (0.0025_f64 + 0.09).sqrt()),
        (1, 0.0, 0.05),
    ] {
        let u = 100.0 * after(models, interaction);
        assert!(
            (u / expected - 1.0).abs() < 0.01,
            "{models} models, {interaction}: {u} instead of {expected}"
        );
    }
}

/// By hand: of a cell of which all is gone nobody that comes says anything; when the instrument has walked by σ_i² since, half: A' = 1/(1 + 1).
#[test]
fn shares_come_back_as_the_instrument_walks() {
    let settings = Settings { instrument_walk: INTERACTION, ..settings() };
    let mut state = State::new();
    let week = Week { models: vec![(0, 7), (1, 7), (2, 7)], ..small() };
    state.advance(&week, &settings).expect("advances");
    state.eliminate(&[0, 1, 2], &settings);
    let share = |state: &State| {
        let mut newcomer = state.clone();
        let pair = Pair { instrument: 1, weight: 1e12, weighted: 0.0 };
        newcomer.travellers[0].pairs = vec![pair];
        counted(&newcomer).travellers[0].pairs[0].weight * INTERACTION.powi(2)
    };
    assert!(share(&state).abs() < 1e-9);
    state.walk(1.0, &settings).expect("regular");
    assert!((share(&state) - 0.5).abs() < 1e-4, "{}", share(&state));
    state.walk(1.0, &settings).expect("regular");
    assert!((share(&state) - 2.0 / 3.0).abs() < 1e-4, "{}", share(&state));
    let read: State = toml::from_str(&toml::to_string(&state).expect("plain")).expect("plain");
    assert_eq!(read, state);
    let of_before = State { cells: vec![], ..state };
    let text = toml::to_string(&of_before).expect("plain").replace("cells = []\n", "");
    assert!(!text.contains("cells"));
    assert_eq!(toml::from_str::<State>(&text).expect("of before"), of_before);
}

/// The city of `coverage`, with three makers: an instrument reads each by 0.3 % (one standard deviation) otherwise, which a filter that does not know
/// of it takes for its error.
#[test]
fn with_few_makers_intervals_cover_the_truth_as_often_as_they_say() {
    let blind = Settings { interaction_sd: 0.0, ..settings() };
    for (name, habit) in [("roaming", Habit::Roaming), ("three instruments each", Habit::Home)] {
        let mean = |filter: Settings| {
            let tallies = tally(settings(), filter, habit, 0, 30);
            let last = tallies.last().expect("weeks");
            println!("{name}, σ_i {}:", filter.interaction_sd);
            last.print(tallies.len() - 1);
            let of = |value: &dyn Fn(&super::coverage::Tally) -> f64| {
                tallies[1..].iter().map(|tally| value(tally) / tally.count).sum::<f64>()
                    / (tallies.len() - 1) as f64
            };
            let told = (
                of(&|tally| tally.covered),
                of(&|tally| tally.smooth_covered),
                of(&|tally| tally.innovation),
            );
            println!("all: filter {:.3}, smoother {:.3}, z² {:.3}", told.0, told.1, told.2);
            told
        };
        let (filtered, smoothed, innovation) = mean(settings());
        assert!((0.93..=0.985).contains(&filtered), "{name}: {filtered}");
        assert!((0.93..=0.985).contains(&smoothed), "{name}: {smoothed}");
        assert!((0.75..=1.07).contains(&innovation), "{name}: {innovation}");
        let (filtered, smoothed, _) = mean(blind);
        assert!(filtered < 0.9 && smoothed < 0.9, "{name}: {filtered}, {smoothed}");
    }
}
