//! Cities whose vehicles differ in the mean, joined by a few that travel: that stated intervals cover, and that cities that are alike pay nothing.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StudentT};

use super::super::fleets::Common;
use super::super::solver::{Preconditioner, SHRUNK, conjugate_gradients, solve_at};
use super::super::*;
use super::fleets::normal;
use crate::cholesky::Symmetric;

/// What a world is drawn from.
#[derive(Clone, Copy)]
struct World {
    cities: usize,
    /// Instruments of each city.
    instruments: usize,
    /// Travellers of each city.
    travellers: usize,
    /// Comparisons of each.
    visits: usize,
    /// Share of comparisons in another city than the traveller's.
    elsewhere: f64,
    /// What cities' travellers differ by in the mean (σ).
    between: f64,
    /// Of each city how many of its instruments have an anchor.
    anchors: fn(usize) -> usize,
    /// Models, told; 0: no model is known, and none differs.
    models: usize,
}

impl World {
    fn draw(&self, seed: u64) -> Drawn {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let t4 = StudentT::new(4.0).expect("degrees of freedom");
        let all = self.cities * self.instruments;
        let errors: Vec<f64> = (0..all).map(|_| normal(&mut rng, 0.006)).collect();
        let models: Vec<f64> = (0..self.models).map(|_| normal(&mut rng, 0.005)).collect();
        let common = normal(&mut rng, 0.01);
        let mut biases = Vec::new();
        let mut network = Network { instruments: all, models: self.models, ..Network::default() };
        for city in 0..self.cities {
            let of_city = common + normal(&mut rng, self.between);
            for _ in 0..self.travellers {
                let model = (0 < self.models).then(|| rng.random_range(0..self.models));
                let bias = of_city + model.map_or(0.0, |model| models[model]) + normal(&mut rng, 0.015);
                for _ in 0..self.visits {
                    let away = rng.random_bool(self.elsewhere);
                    let at = if away { rng.random_range(0..self.cities) } else { city };
                    let instrument = self.instruments * at + rng.random_range(0..self.instruments);
                    let size: f64 = rng.random_range(5.0..40.0);
                    let z: f64 = t4.sample(&mut rng);
                    let log_ratio = errors[instrument] - bias + 0.02_f64.hypot(0.15 / size) * z;
                    let traveller = network.travellers.len();
                    let comparison =
                        Comparison { instrument, traveller, log_ratio, size, class: 0, covariates: &[] };
                    network.comparisons.push(&comparison);
                }
                network.travellers.push(super::of_model(model));
                biases.push(bias);
            }
            for instrument in (0..(self.anchors)(city)).map(|at| self.instruments * city + at) {
                let error = errors[instrument] + normal(&mut rng, 0.000_75);
                network.anchors.push(Anchor { instrument, error, standard_uncertainty: 0.000_75 });
            }
        }
        Drawn { network, errors, biases }
    }
}

/// A world with its truth.
struct Drawn {
    network: Network,
    errors: Vec<f64>,
    biases: Vec<f64>,
}

impl Drawn {
    fn fit(&self, linked_sd: f64) -> Fit {
        fit(&self.network, &Settings { linked_sd, ..Settings::default() }).expect("fits")
    }
}

/// What came of many worlds, of instruments with a level that have no anchor.
#[derive(Default)]
struct Sums {
    count: f64,
    covered: f64,
    square: f64,
    variance: f64,
    checks: f64,
    beyond: f64,
}

impl Sums {
    fn add(&mut self, fit: &Fit, drawn: &Drawn, is_asked: impl Fn(usize) -> bool) {
        let anchored: Vec<usize> = drawn.network.anchors.iter().map(|anchor| anchor.instrument).collect();
        for (at, truth) in drawn.errors.iter().enumerate() {
            let found = fit.instruments[at];
            let Some(found) = found.error.filter(|_| found.grounded && is_asked(at)) else { continue };
            if !anchored.contains(&at) {
                self.one(found, *truth);
            }
        }
        let checks = fit.diagnostics.anchors.iter();
        self.checks += checks.len() as f64;
        self.beyond += checks.filter(|check| 1.0 < check.normalised_error.abs()).count() as f64;
    }

    fn one(&mut self, (found, u): (f64, f64), truth: f64) {
        self.count += 1.0;
        self.covered += f64::from((found - truth).abs() <= crate::normal::QUANTILE_975 * u);
        self.square += (found - truth).powi(2);
        self.variance += u * u;
    }

    /// Share of intervals that cover, RMSE, stated, and share of anchors beyond.
    fn told(&self) -> [f64; 4] {
        let [error, stated] = [self.square, self.variance].map(|sum| (sum / self.count).sqrt());
        [self.covered / self.count, error, stated, self.beyond / self.checks]
    }
}

/// Cities of twenty instruments, two with an anchor.
const CITIES: World = World {
    cities: 25,
    instruments: 20,
    travellers: 120,
    visits: 15,
    elsewhere: 0.0,
    between: 0.011,
    anchors: |_| 2,
    models: 0,
};

fn members(network: &Network) -> (Layout, Members) {
    let layout = Layout::of(network).expect("fits");
    let members = Members::of(network, &layout, &Settings::default());
    (layout, members)
}

#[test]
fn communities_are_cities_and_a_city_is_one() {
    for (cities, elsewhere, expected) in [(5, 0.0, 0), (5, 0.01, 5), (5, 0.1, 5), (25, 0.2, 25), (1, 0.0, 0)]
    {
        for seed in 0..4 {
            let drawn = World { cities, elsewhere, ..CITIES }.draw(seed);
            let (_, members) = members(&drawn.network);
            let found: usize = members.fleets.linked.iter().map(ExactSizeIterator::len).sum();
            // A few who met by chance are one more at times.
            assert!(
                (expected..=expected + usize::from(1 < cities)).contains(&found),
                "{cities} {elsewhere}: {found}"
            );
            let home = |city: usize| members.fleets.home(20 * city);
            for city in 1..cities.min(expected) {
                assert!(home(city).is_some() && home(city) != home(city - 1), "{cities} {elsewhere}");
            }
        }
    }
}

/// In all worlds of one percent of comparisons elsewhere, and where each traveller is known to be of which city.
fn of_city(world: &World, members: &Members) -> Vec<usize> {
    let bias = |traveller: usize| match members.fleets.of_traveller(traveller) {
        Common::Own(bias) => bias,
        Common::Nothing | Common::Shared => panic!("everybody belongs somewhere"),
    };
    let of: Vec<usize> = (0..world.cities * world.travellers).map(bias).collect();
    (0..of.len()).for_each(|at| assert_eq!(of[at], of[at / world.travellers * world.travellers]));
    of
}

/// Every parameter in full, with c_f and what each community differs from it by: e, c_f, γ, d. Matrix and right-hand side.
fn in_full(drawn: &Drawn, of: &[usize], weight: f64, linked_sd: f64) -> (Symmetric, Vec<f64>) {
    let (network, settings) = (&drawn.network, Settings::default());
    let (c, cities) = (network.instruments, of.iter().max().map_or(0, |last| last + 1));
    let (own, n) = (c + 1 + cities, c + 1 + cities + of.len());
    let (mut matrix, mut right) = (Symmetric::zero(n), vec![0.0; n]);
    let given = &network.comparisons;
    for s in 0..given.len() {
        let traveller = given.traveller[s] as usize;
        let row = [
            (given.instrument[s] as usize, 1.0),
            (c, -1.0),
            (c + 1 + of[traveller], -1.0),
            (own + traveller, -1.0),
        ];
        for (i, a) in row {
            row.iter().filter(|(j, _)| *j <= i).for_each(|(j, b)| matrix.add(i, *j, weight * a * b));
            right[i] += weight * a * given.log_ratio[s];
        }
    }
    matrix.add(c, c, settings.common_sd.powi(-2));
    (c + 1..own).for_each(|at| matrix.add(at, at, linked_sd.powi(-2)));
    let variance = 0.015_f64.powi(2) + settings.model_sd.powi(2);
    (own..n).for_each(|at| matrix.add(at, at, 1.0 / variance));
    for anchor in &network.anchors {
        let precision = anchor.standard_uncertainty.powi(-2);
        matrix.add(anchor.instrument, anchor.instrument, precision);
        right[anchor.instrument] += precision * anchor.error;
    }
    (matrix, right)
}

/// Estimates and covariance, and the likelihood of τ, against every parameter in full.
#[test]
fn communities_are_what_a_bias_of_each_about_the_fleets_is() {
    let world = World { cities: 3, instruments: 4, travellers: 12, visits: 6, elsewhere: 0.05, ..CITIES };
    let drawn = World { anchors: |city| usize::from(city < 2), ..world }.draw(2);
    let (layout, members) = members(&drawn.network);
    assert_eq!((members.fleets.linked.len(), members.fleets.linked.first()), (1, Some(&(0..3))));
    let (of, weight) = (of_city(&world, &members), 1_800.0);
    let (settings, places) = (Settings::default(), places_of(&members));
    let of_comparison = vec![weight; layout.caller.len()];
    let of_cell = vec![1.0; layout.cells.len()];
    let weights =
        Weights { of_comparison: &of_comparison, of_cell: &of_cell, traveller_sd: 0.015, linked_sd: 0.004 };
    let equations = Equations::build(&drawn.network, &layout, &members, &settings, &weights);
    let factor = equations.matrix(&layout, &places).factor().expect("regular");
    let direct = solve_at(&factor, &places, &equations.right);
    let diagonal = Preconditioner::Diagonal(equations.diagonal(&layout));
    let times = |x: &[f64]| equations.times(&layout, x);
    let precondition = |r: &[f64]| diagonal.solve(&places, r);
    let start = vec![0.0; direct.len()];
    let stepped =
        conjugate_gradients(times, precondition, &equations.right, &start, SHRUNK).expect("regular");
    let (matrix, right) = in_full(&drawn, &of, weight, 0.004);
    let whole = matrix.factor().expect("regular");
    let (expected, inverse) = (whole.solve(&right), whole.inverse());
    let e = drawn.network.instruments;
    for at in 0..e {
        assert!(
            (expected[at] - direct[at]).abs() < 1e-12 && (direct[at] - stepped[at]).abs() < 1e-10,
            "{at}"
        );
        let mut unit = vec![0.0; direct.len()];
        unit[at] = 1.0;
        let variance = solve_at(&factor, &places, &unit)[at];
        assert!((variance / inverse.get(at, at) - 1.0).abs() < 1e-9, "{at}");
    }
    for (at, found) in direct[e..].iter().enumerate() {
        assert!((expected[e] + expected[e + 1 + at] - found).abs() < 1e-12, "bias {at}");
    }
    // The likelihood of τ but for what no τ changes, in full: −½ ln |A| + ½ bᵀA⁻¹b − K ln τ.
    let in_full = |sd: f64| {
        let (matrix, right) = in_full(&drawn, &of, weight, sd);
        let factor = matrix.factor().expect("regular");
        let solved = factor.solve(&right);
        let square: f64 = right.iter().zip(&solved).map(|(right, solved)| right * solved).sum();
        0.5 * (square - factor.log_determinant()) - 3.0 * libm::log(sd)
    };
    let mut state = State::start(&drawn.network, &layout, &members, &settings);
    (state.beta, state.linked_sd) = (direct, 0.004);
    let told = linked::tests::told(&equations, &layout, &places, &members, &settings, &state);
    let found = |sd: f64| told[0].likelihood(settings.common_sd, sd).expect("computed");
    for sd in [0.000_3, 0.002, 0.01, 0.03] {
        let (found, expected) = (found(sd) - found(0.004), in_full(sd) - in_full(0.004));
        assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{sd}: {found} {expected}");
    }
    let alike = told[0].alike(settings.common_sd);
    assert!((found(1e-7) - alike).abs() < 1e-4, "{alike} {}", found(1e-7));
}

/// Cities that differ by 1.1 %, whether nobody travels between them, two in ten thousand comparisons are elsewhere, or three in a hundred.
#[test]
fn intervals_cover_however_many_travel_between_cities_that_differ() {
    for elsewhere in [0.0, 0.000_2, 0.001, 0.03] {
        let mut sums = Sums::default();
        for seed in 0..8 {
            let drawn = World { elsewhere, ..CITIES }.draw(seed);
            sums.add(&drawn.fit(0.01), &drawn, |_| true);
        }
        let [coverage, error, stated, beyond] = sums.told();
        println!(
            "{elsewhere}: coverage {coverage:.3}, {error:.5} of {stated:.5}, anchors beyond {beyond:.3}"
        );
        assert!((0.93..=0.97).contains(&coverage), "{elsewhere}: {coverage}");
        // By chance 4.6 %; with one common bias a third of them.
        assert!(beyond <= 0.08, "{elsewhere}: {beyond}");
    }
}

/// Where cities are alike it costs next to nothing that they need not be.
#[test]
fn cities_that_are_alike_are_known_as_well_as_with_one_bias_for_all() {
    for (cities, elsewhere) in [(5, 0.05), (25, 0.001), (25, 0.03)] {
        let (mut one, mut each) = (Sums::default(), Sums::default());
        for seed in 0..8 {
            let drawn = World { cities, elsewhere, between: 0.0, ..CITIES }.draw(seed);
            one.add(&drawn.fit(0.0), &drawn, |_| true);
            each.add(&drawn.fit(0.01), &drawn, |_| true);
        }
        let ([_, error, stated, _], [coverage, with, told, _]) = (one.told(), each.told());
        println!("{cities} {elsewhere}: {with:.6} after {error:.6}, stated {told:.6} after {stated:.6}");
        assert!((with / error - 1.0).abs() < 0.03 && (told / stated - 1.0).abs() < 0.03, "{cities}");
        assert!((0.93..=0.97).contains(&coverage), "{cities} {elsewhere}: {coverage}");
    }
}

/// The level of a city without an anchor of its own, in which the vehicles may read otherwise, beside one that has three.
#[test]
fn what_one_city_says_of_another_is_as_sure_as_cities_are_alike() {
    for elsewhere in [0.002, 0.01, 0.03] {
        let (mut one, mut each) = (Sums::default(), Sums::default());
        let world = World {
            cities: 2,
            elsewhere,
            between: 0.01,
            anchors: |city| if city == 0 { 3 } else { 0 },
            ..CITIES
        };
        for seed in 0..150 {
            let drawn = world.draw(seed);
            one.add(&drawn.fit(0.0), &drawn, |at| 20 <= at);
            each.add(&drawn.fit(0.01), &drawn, |at| 20 <= at);
        }
        let ([before, ..], [coverage, error, stated, _]) = (one.told(), each.told());
        println!("{elsewhere}: {coverage:.3} after {before:.3}, {error:.5} of {stated:.5}");
        assert!((0.91..=0.97).contains(&coverage) && before < 0.6, "{elsewhere}: {coverage} {before}");
    }
}

/// Beyond a thousand unknowns, where travellers' uncertainties are about; levels of two cities in three are told from elsewhere.
#[test]
fn travellers_are_as_uncertain_as_the_level_of_their_city() {
    let mut sums = Sums::default();
    for seed in 0..8 {
        let world =
            World { cities: 54, elsewhere: 0.000_5, anchors: |city| usize::from(city % 3 == 0), ..CITIES };
        let drawn = world.draw(seed);
        let fit = drawn.fit(0.01);
        let grounded: std::collections::BTreeSet<usize> =
            fit.instruments.iter().filter(|found| found.grounded).map(|found| found.component).collect();
        for (found, truth) in fit.travellers.iter().zip(&drawn.biases) {
            let found = found.expect("compared");
            if grounded.contains(&found.component) {
                sums.one(found.bias, *truth);
            }
        }
    }
    let [coverage, error, stated, _] = sums.told();
    println!("coverage {coverage:.3}, {error:.5} of {stated:.5}");
    assert!((0.91..=0.97).contains(&coverage), "{coverage}");
}
