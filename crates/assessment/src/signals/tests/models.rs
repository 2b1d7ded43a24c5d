//! Piles that read one model of vehicles otherwise than others, which is no gain by night even where that model comes by night.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::*;
use super::fleet::{Fleet, Random};

const MODELS: usize = 8;

/// By how much honest piles read a model otherwise than the others, fraction.
const INTERACTION: f64 = 0.006;

/// A fleet and the model of each of its vehicles.
struct Cities {
    fleet: Fleet,
    models: Vec<Option<usize>>,
}

impl Cities {
    /// Thirty piles, some 700 charges each. The first of the models makes such a share of the charges by night, and few by day.
    fn new(seed: u64, models: usize, by_night: f64, interaction: f64) -> Self {
        let mut fleet = Fleet::new(seed, 30, 700, |_| None);
        let mut random = Random(ChaCha8Rng::seed_from_u64(1_000 + seed));
        let vehicles = fleet.biases.len() / models * models;
        let own: Vec<f64> = (0..30 * models).map(|_| interaction * random.normal()).collect();
        for charge in &mut fleet.charges {
            let night = charge.local_hour.is_some_and(|hour| !(6.0..22.0).contains(&hour));
            let is_first = random.uniform() < if night { by_night } else { 1.0 / models as f64 / 4.0 };
            let model = if is_first { 0 } else { 1 + (random.uniform() * (models - 1) as f64) as usize };
            charge.vehicle = charge.vehicle.map(|vehicle| vehicle % vehicles / models * models + model);
            let moved = own[charge.pile * models + model];
            charge.residual = charge.residual.map(|r| Residual { z: r.z + moved / r.sigma, ..r });
        }
        let models = (0..fleet.biases.len()).map(|vehicle| Some(vehicle % models)).collect();
        Self { fleet, models }
    }

    /// Adds a gain by night to a pile.
    fn stealing(mut self, pile: usize, gain: f64) -> Self {
        let is_then = |charge: &&mut SignalCharge<'_>| {
            charge.pile == pile && charge.local_hour.is_some_and(|hour| !(6.0..22.0).contains(&hour))
        };
        for charge in self.fleet.charges.iter_mut().filter(is_then) {
            charge.residual = charge.residual.map(|r| Residual { z: r.z + gain / r.sigma, ..r });
        }
        self
    }

    fn evidence(&self, interaction_sd: f64) -> SignalEvidence<'_> {
        SignalEvidence { vehicle_models: &self.models, interaction_sd, ..self.fleet.evidence() }
    }
}

fn by_hour(evidence: &SignalEvidence<'_>) -> Vec<Finding> {
    let mut found = find(evidence, &Settings::default()).expect("sound");
    found.retain(|finding| finding.code == Code::TimeOfDayGain);
    found
}

/// Taxis of one model make four fifths of the charges by night. Ten honest worlds: no pile gains by night, and of what is asked of hours as
/// little is at most 1 % as there should be, twice that being allowed for what is not known of windows, and four deviations. Who takes
/// charges for independent accuses many.
#[test]
fn a_model_that_comes_by_night_makes_no_gain_by_night() {
    let (mut asked, mut small, mut accused, mut blind) = (0, [0usize; 2], 0, 0);
    for seed in 200..210 {
        let cities = Cities::new(seed, MODELS, 0.8, INTERACTION);
        let evidence = cities.evidence(INTERACTION);
        accused += by_hour(&evidence).len();
        blind += by_hour(&cities.evidence(0.0)).len();
        for finding in statistical(&World::new(&evidence), &Settings::default()) {
            let p = finding.p_value.unwrap_or(1.0);
            if finding.code == Code::TimeOfDayGain {
                asked += 1;
                small[0] += usize::from(p <= 0.01);
                small[1] += usize::from(p <= 0.5);
            }
        }
    }
    eprintln!("{accused} accused, {blind} if independent; of {asked} asked {small:?} at most 1 % and 50 %");
    assert_eq!(accused, 0);
    assert!(5 < blind, "{blind}");
    let expected = 0.01 * f64::from(asked);
    assert!(small[0] as f64 <= 2.0 * expected + 4.0 * expected.sqrt(), "{small:?} of {asked}");
}

/// 3 % by night at one pile, twenty models at all hours: as clear as without models. And 6 % where taxis come by night: ten times what a pile
/// reads a model otherwise by.
#[test]
fn who_gains_by_night_from_many_models_is_named() {
    let cities = Cities::new(220, 20, 0.05, INTERACTION).stealing(3, 0.03);
    let found = by_hour(&cities.evidence(INTERACTION));
    assert!(found.iter().all(|finding| finding.subject == Subject::Pile(3)), "{found:?}");
    assert!(found.iter().any(|finding| finding.p_value.is_some_and(|p| p < 1e-8)), "{found:?}");
    let cities = Cities::new(221, MODELS, 0.8, INTERACTION).stealing(3, 0.06);
    let found = by_hour(&cities.evidence(INTERACTION));
    assert!(
        found.iter().all(|finding| finding.subject == Subject::Pile(3)) && !found.is_empty(),
        "{found:?}"
    );
}

/// Vehicles of which nobody tells the model are each like no other: nothing is doubted but what one of them alone shows.
#[test]
fn vehicles_without_a_model_are_like_no_other() {
    let cities = Cities::new(222, MODELS, 1.0 / MODELS as f64, 0.0).stealing(3, 0.03);
    let named = |found: Vec<Finding>| found.iter().map(|finding| finding.subject).collect::<Vec<_>>();
    let told = SignalEvidence { vehicle_models: &[], ..cities.evidence(INTERACTION) };
    assert_eq!(named(by_hour(&told)), named(by_hour(&cities.evidence(0.0))));
    assert!(named(by_hour(&told)).contains(&Subject::Pile(3)));
}
