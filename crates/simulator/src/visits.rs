//! Who visits where: the graph of vehicles and piles that remote assessment lives on.
//!
//! Made once by [`crate::city`]; [`crate::life`] draws the visitor of every charge from it. As in Dundee's data a user with
//! several visits makes about half of them at one favourite, has two piles in the median and ten among the busiest, and
//! the busiest tenth of users makes more than half of all charges.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::random::{self, Purpose};
use crate::vehicle::Vehicle;

/// Share of a vehicle's wish to visit that goes to its favourite. Above the 47 % that come out in the end, since a crowded
/// pile turns some of its regulars away.
const FAVOURITE: f64 = 0.50;

/// Median of the other piles that a vehicle of middling activity knows.
const OTHERS_MEDIAN: f64 = 3.0;

/// How the number of piles known grows with activity, and its own spread.
const OTHERS_BY_ACTIVITY: f64 = 0.45;
const OTHERS_SPREAD: f64 = 0.6;

/// Most piles a vehicle knows besides its favourite.
const OTHERS_MAX: usize = 24;

/// Share of the other piles that lie in the home district.
const NEAR_HOME: f64 = 0.75;

/// Visitors that every pile has at least, so that none depends on a single vehicle.
const VISITORS_MIN: usize = 8;

/// Wish to visit of a visitor who is only passing.
const PASSING: f64 = 0.2;

/// What the graph must know of a pile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    /// District where it stands.
    pub(crate) district: usize,
    /// Charges a month.
    pub(crate) per_month: f64,
    /// Whether only vehicles that take direct current can charge there.
    pub(crate) is_dc: bool,
}

/// A pile's visitors.
#[derive(Debug, Default)]
pub(crate) struct Visitors {
    vehicles: Vec<u32>,
    sums: Vec<f64>,
}

impl Visitors {
    /// Index of the vehicle that comes.
    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        self.vehicles[random::by_running_sum(rng, &self.sums)] as usize
    }
}

/// The graph: visitors of each site.
pub(crate) fn graph(seed: u64, vehicles: &[Vehicle], sites: &[Site]) -> Vec<Visitors> {
    let mut rng = random::stream(seed, Purpose::Visits, 0);
    let menu = Menu::new(sites);
    let mut wishes: Vec<Vec<(u32, f64)>> = vec![Vec::new(); sites.len()];
    for (index, vehicle) in vehicles.iter().enumerate() {
        for (site, wish) in wishes_of(&mut rng, vehicle, &menu) {
            wishes[site].push((index as u32, wish * vehicle.activity));
        }
    }
    let takes_dc = |index: u32| vehicles[index as usize].specs().dc_kw.is_some();
    for (site, wishes) in sites.iter().zip(&mut wishes) {
        while wishes.len() < VISITORS_MIN.min(vehicles.len()) {
            let index = rng.random_range(0..vehicles.len()) as u32;
            if takes_dc(index) || !site.is_dc || !vehicles.iter().any(|v| v.specs().dc_kw.is_some()) {
                wishes.push((index, PASSING));
            }
        }
    }
    wishes
        .into_iter()
        .map(|wishes| Visitors {
            sums: random::running_sums(wishes.iter().map(|(_, wish)| *wish)),
            vehicles: wishes.into_iter().map(|(index, _)| index).collect(),
        })
        .collect()
}

/// Sites to choose from, by busyness: everywhere and per district, with and without DC.
struct Menu {
    /// `[takes DC][district]`, the last district meaning everywhere: sites and running sums.
    lists: [Vec<(Vec<usize>, Vec<f64>)>; 2],
}

impl Menu {
    fn new(sites: &[Site]) -> Self {
        let districts = sites.iter().map(|site| site.district + 1).max().unwrap_or(0);
        let list = |takes_dc: bool, district: Option<usize>| {
            let fits = |site: &Site| {
                district.is_none_or(|district| district == site.district) && (takes_dc || !site.is_dc)
            };
            let chosen: Vec<usize> = (0..sites.len()).filter(|index| fits(&sites[*index])).collect();
            let sums = random::running_sums(chosen.iter().map(|index| sites[*index].per_month));
            (chosen, sums)
        };
        let lists = [false, true]
            .map(|dc| (0..districts).map(Some).chain([None]).map(|district| list(dc, district)).collect());
        Self { lists }
    }

    fn draw(&self, rng: &mut ChaCha8Rng, takes_dc: bool, district: Option<usize>) -> Option<usize> {
        let lists = &self.lists[usize::from(takes_dc)];
        let near = district.and_then(|district| lists.get(district)).filter(|(sites, _)| !sites.is_empty());
        let (sites, sums) = near.or(lists.last())?;
        if sites.is_empty() { None } else { Some(sites[random::by_running_sum(rng, sums)]) }
    }
}

fn wishes_of(rng: &mut ChaCha8Rng, vehicle: &Vehicle, menu: &Menu) -> Vec<(usize, f64)> {
    let takes_dc = vehicle.specs().dc_kw.is_some();
    let Some(favourite) = menu.draw(rng, takes_dc, Some(vehicle.home)) else { return Vec::new() };
    let spread = (OTHERS_SPREAD * random::normal(rng)).exp();
    let known = OTHERS_MEDIAN * vehicle.activity.powf(OTHERS_BY_ACTIVITY) * spread;
    let count = (known as usize).min(OTHERS_MAX);
    let mut wishes = vec![(favourite, FAVOURITE)];
    let total: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
    for rank in 1..=count {
        let district = rng.random_bool(NEAR_HOME).then_some(vehicle.home);
        if let Some(site) = menu.draw(rng, takes_dc, district) {
            wishes.push((site, (1.0 - FAVOURITE) / (rank as f64 * total)));
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle;

    #[test]
    fn nobody_charges_direct_current_who_cannot_and_every_site_has_visitors() {
        let sites: Vec<Site> = (0..60)
            .map(|n| Site { district: n % 3, per_month: 1.0 + n as f64 * 5.0, is_dc: n % 4 == 0 })
            .collect();
        let park = vehicle::park(5, 400, &[20, 20, 20]);
        let graph = graph(5, &park, &sites);
        for (site, visitors) in sites.iter().zip(&graph) {
            assert!(visitors.vehicles.len() >= VISITORS_MIN);
            let all_fit = visitors.vehicles.iter().all(|v| park[*v as usize].specs().dc_kw.is_some());
            assert!(!site.is_dc || all_fit);
        }
    }
}
