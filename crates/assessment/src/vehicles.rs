//! What a whole assessment found of vehicles that single weeks cannot see: ids that stand for many of them, and since when a model, or a single
//! vehicle, reads otherwise.
//!
//! Made of [`RunFacts`] by the caller, who knows names; kept with the run, brought to the filter over weeks ([`crate::weekly`]), which leaves
//! the charges of the former out and takes the latter off. It finds nothing.

use std::collections::HashSet;
use std::hash::Hash;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::assess::RunFacts;
use crate::weekly::week_of;

/// Sizes that differ by no more than this, fraction, are the same one: each vehicle's bias takes up what is left, as long as it is small against
/// what they differ by.
const SAME_SIZE: f64 = 0.001;

/// What was found, of vehicles that the caller names so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Vehicles<V> {
    /// Ids that stand for many vehicles, and when the first of their charges ended that the assessment saw.
    pub of_many: Vec<(V, Timestamp)>,
    /// Who reads otherwise since when.
    pub updates: Vec<VehicleUpdate<V>>,
}

/// Who reads otherwise since a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VehicleUpdate<V> {
    /// Who it is.
    pub who: Who<V>,
    /// Since when.
    pub at: Timestamp,
    /// By how much more, fraction.
    pub size: f64,
}

/// Who was updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who<V> {
    /// All vehicles of a make and model.
    Model(String),
    /// A vehicle by itself.
    Vehicle(V),
}

impl<V: Clone + Eq + Hash> Vehicles<V> {
    /// What an assessment found, by the caller's names: a vehicle of its evidence may be several of the caller's.
    pub fn of(
        facts: &RunFacts,
        vehicles: impl Fn(usize) -> Vec<V>,
        model: impl Fn(usize) -> Option<String>,
    ) -> Self {
        let of_many = facts.ids_of_many.iter();
        let of_many = of_many.flat_map(|(id, since)| vehicles(*id).into_iter().map(|name| (name, *since)));
        let updates = facts.updated.iter().flat_map(|updated| {
            let alone = updated.vehicle.map(&vehicles).unwrap_or_default().into_iter().map(Who::Vehicle);
            let all = alone.chain(updated.model.and_then(&model).map(Who::Model));
            let update = |who| VehicleUpdate { who, at: updated.at, size: updated.size_percent / 100.0 };
            all.map(update).collect::<Vec<_>>()
        });
        Self { of_many: of_many.collect(), updates: updates.collect() }
    }

    /// Ids of many that were met up to a week's end.
    fn of_many_until(&self, week: i32) -> HashSet<&V> {
        self.of_many.iter().filter(|(_, since)| week_of(*since) <= week).map(|(id, _)| id).collect()
    }

    /// Updates up to a week's end.
    fn updates_until(&self, week: i32) -> impl Iterator<Item = &VehicleUpdate<V>> {
        self.updates.iter().filter(move |update| week_of(update.at) <= week)
    }

    /// Whether weeks up to one in which this was known can be gone on from, now that `other` is.
    pub fn is_like(&self, other: &Self, week: i32) -> bool {
        let is_known =
            |update: &VehicleUpdate<V>| other.updates_until(week).any(|known| known.is_like(update));
        self.of_many_until(week) == other.of_many_until(week)
            && self.updates_until(week).count() == other.updates_until(week).count()
            && self.updates_until(week).all(is_known)
    }

    /// What is known now, with what was taken off weeks up to one as it was: else piles would move with each size that is learnt a little better.
    #[must_use]
    pub fn renewed(&self, newest: &Self, week: Option<i32>) -> Self {
        let Some(week) = week else { return newest.clone() };
        let since = newest.updates.iter().filter(|update| week < week_of(update.at));
        let updates = self.updates_until(week).chain(since).cloned().collect();
        Self { of_many: newest.of_many.clone(), updates }
    }

    /// Vehicle and model: by how much it reads more at a time than at first, fraction.
    pub(crate) fn more(&self, vehicle: &V, model: Option<&str>, at: Timestamp) -> f64 {
        let is_its = |update: &&VehicleUpdate<V>| match &update.who {
            Who::Model(of) => model == Some(of),
            Who::Vehicle(of) => vehicle == of,
        };
        let until = self.updates.iter().filter(|update| update.at <= at).filter(is_its);
        until.map(|update| update.size).sum()
    }
}

impl<V: Eq> VehicleUpdate<V> {
    fn is_like(&self, other: &Self) -> bool {
        self.who == other.who && self.at == other.at && (self.size - other.size).abs() <= SAME_SIZE
    }
}
