//! Which traveller of the network a vehicle is at a time: another one since it, or its model, was updated.
//!
//! Called by [`super::network`] and [`super::assess`]. A vehicle's own number is what it is today, or, of one that was calibrated, what it was on
//! the day of its calibration; whatever else it was comes after all vehicles. It estimates nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use veripile_metrology::comparison::{Fit, Traveller, TravellerEstimate};

use super::VehicleEstimate;
use super::updates::{Updates, Who};
use crate::evidence::ComparableCharge;

/// How often the model of a vehicle, and the vehicle by itself, was updated since.
type Age = [usize; 2];

/// Vehicles as travellers.
pub(super) struct Travelling<'a> {
    of_vehicles: &'a [Option<usize>],
    updates: &'a Updates,
    /// Of calibrated vehicles how often they were updated since.
    calibrated: BTreeMap<usize, Age>,
    /// The traveller that a vehicle was so many updates ago.
    others: BTreeMap<(usize, Age), usize>,
}

impl<'a> Travelling<'a> {
    /// Of the models of vehicles, updates, calibrations and charges.
    pub(super) fn of<'c>(
        of_vehicles: &'a [Option<usize>],
        updates: &'a Updates,
        calibrated: impl Iterator<Item = (usize, Timestamp)>,
        charges: impl Iterator<Item = &'c ComparableCharge>,
    ) -> Self {
        let mut travelling =
            Self { of_vehicles, updates, calibrated: BTreeMap::new(), others: BTreeMap::new() };
        if updates.is_empty() {
            return travelling;
        }
        travelling.calibrated =
            calibrated.map(|(vehicle, at)| (vehicle, travelling.age(vehicle, at))).collect();
        let met = charges.map(|charge| (charge.vehicle, travelling.age(charge.vehicle, charge.ended_at)));
        let others: BTreeSet<(usize, Age)> =
            met.filter(|(vehicle, age)| *age != travelling.own(*vehicle)).collect();
        travelling.others = others.into_iter().zip(of_vehicles.len()..).collect();
        travelling
    }

    /// How often a vehicle was updated since.
    fn age(&self, vehicle: usize, at: Timestamp) -> Age {
        let since = |who: Who| {
            let moments = self.updates.get(&who).into_iter().flatten();
            moments.filter(|(moment, _)| at < *moment).count()
        };
        let of_model = self.of_vehicles[vehicle].map_or(0, |model| since(Who::Model(model)));
        [of_model, since(Who::Vehicle(vehicle))]
    }

    /// So many updates ago a vehicle was what its own number stands for.
    fn own(&self, vehicle: usize) -> Age {
        self.calibrated.get(&vehicle).copied().unwrap_or_default()
    }

    /// Who a vehicle is at a time.
    pub(super) fn traveller(&self, vehicle: usize, at: Timestamp) -> usize {
        if self.others.is_empty() {
            return vehicle;
        }
        self.others.get(&(vehicle, self.age(vehicle, at))).copied().unwrap_or(vehicle)
    }

    /// All travellers, and how many models they are of: a model before an update is another one, numbered after `models`.
    pub(super) fn all(
        &self,
        places: &[Option<usize>],
        models: usize,
        known: impl Fn(usize) -> Option<(f64, f64)>,
    ) -> (Vec<Traveller>, usize) {
        let mut earlier: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut model = |vehicle: usize, [age, _]: Age| {
            let model = self.of_vehicles[vehicle]?;
            let place = places[model]?;
            let next = models + earlier.len();
            Some(if age == 0 { place } else { *earlier.entry((model, age)).or_insert(next) })
        };
        let own = 0..self.of_vehicles.len();
        let own: Vec<Traveller> = own
            .map(|vehicle| Traveller { model: model(vehicle, self.own(vehicle)), known: known(vehicle) })
            .collect();
        let others =
            self.others.keys().map(|(vehicle, age)| Traveller { model: model(*vehicle, *age), known: None });
        let all = own.into_iter().chain(others).collect();
        (all, models + earlier.len())
    }
}

/// What is known of each of so many vehicles.
pub(super) fn vehicles(fit: &Fit, vehicles: usize) -> Vec<Option<VehicleEstimate>> {
    let grounded: BTreeSet<usize> =
        fit.instruments.iter().filter(|i| i.grounded).map(|i| i.component).collect();
    let of_traveller = |found: &Option<TravellerEstimate>| {
        found.map(|found| VehicleEstimate {
            component: u32::try_from(found.component).unwrap_or(u32::MAX),
            grounded: grounded.contains(&found.component),
            charges: u32::try_from(found.comparisons).unwrap_or(u32::MAX),
            bias: found.bias.0,
            standard_uncertainty: found.bias.1,
        })
    };
    fit.travellers.iter().take(vehicles).map(of_traveller).collect()
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::evidence::COVARIATES_MAX;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    /// Four vehicles, the first three of model 1, which was updated at 100 and 200; the third was calibrated at 150, and the last updated by itself.
    #[test]
    fn a_vehicle_is_another_after_its_model_was_updated() {
        let charge = |(vehicle, second)| ComparableCharge {
            pile: 0,
            vehicle,
            lasted_s: 0,
            ended_at: at(second),
            energy_pile_kwh: Decimal::TEN,
            energy_vehicle_kwh: Decimal::TEN,
            path: None,
            covariates: [f32::NAN; COVARIATES_MAX],
        };
        let charges =
            [(0, 50), (0, 150), (0, 250), (1, 300), (2, 120), (2, 220), (3, 10), (3, 90)].map(charge);
        let updates = Updates::from([
            (Who::Model(1), vec![(at(100), 0.01), (at(200), 0.01)]),
            (Who::Vehicle(3), vec![(at(80), 0.01)]),
        ]);
        let models = [Some(1), Some(1), Some(1), None];
        let travelling = Travelling::of(&models, &updates, [(2, at(150))].into_iter(), charges.iter());
        let told: Vec<usize> =
            charges.iter().map(|charge| travelling.traveller(charge.vehicle, charge.ended_at)).collect();
        assert_eq!(told, [5, 4, 0, 1, 2, 6, 7, 3]);
        let (all, models) =
            travelling.all(&[Some(0), Some(1)], 2, |vehicle| (vehicle == 2).then_some((0.01, 0.001)));
        let of: Vec<Option<usize>> = all.iter().map(|traveller| traveller.model).collect();
        assert_eq!(
            (of, models),
            ([1, 1, 2, 9, 2, 3, 1, 9].map(|model| Some(model).filter(|model| *model < 9)).to_vec(), 4)
        );
        assert!(all.iter().enumerate().all(|(at, traveller)| traveller.known.is_some() == (at == 2)));
        let none = Updates::new();
        let travelling = Travelling::of(&[Some(0)], &none, std::iter::empty(), charges.iter());
        assert_eq!((travelling.traveller(0, at(1)), travelling.all(&[Some(0)], 1, |_| None).0.len()), (0, 1));
    }
}
