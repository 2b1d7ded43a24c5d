//! Who charges where and when: drawn, or read from a file of real charges.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, LogNormal, Poisson};
use veripile_pile::PileKind;

use super::charges::WorldCharge;
use super::people::WorldVehicle;
use super::{
    DAY_S, Layout, Purpose, START, World, WorldError, WorldPile, WorldSettings, WorldStation, random,
};
use crate::numbers::{PowerClass, hour, quantile};
use crate::replay;

/// Share of a vehicle's charges in its city at its favourite station (sessions.md §2).
const FAVOURITE: f64 = 0.47;

/// Deviation of the logarithm of how much a pile, and a vehicle, is used.
const PILE_USE_SD: f64 = 0.35;
const VEHICLE_USE_SD: f64 = 0.7;

/// Energies of the reference world, kWh: logarithm of the median, its deviation, and what a charge has at least and at most.
const ENERGY_LOG_KWH: (f64, f64) = (2.995_732_273_553_991, 0.6);
const ENERGY_KWH: (f64, f64) = (2.0, 90.0);

/// Share of the rated power at which charges run on average.
const POWER_SHARE: (f64, f64) = (0.35, 0.9);

/// Rated power of the reference world's piles, kW.
const REFERENCE_KW: f64 = 60.0;

/// Of ten piles of a station like Anhui's, so many are AC.
const AC_OF_TEN: usize = 5;

/// Pause between two charges at a pile, s.
const PAUSE_S: i64 = 120;

/// A charge of a file longer than this, days, is no charge.
const CHARGE_DAYS_MAX: i64 = 3;

/// Draws a world's places and visits; errors come later.
pub(super) fn draw(settings: &WorldSettings) -> World {
    let mut world = World {
        settings: settings.clone(),
        start: START.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        days: settings.days,
        stations: stations(settings),
        piles: Vec::new(),
        models: settings.models,
        vehicles: (0..settings.vehicles)
            .map(|n| WorldVehicle::new(format!("V{n:05}"), n % settings.cities))
            .collect(),
        charges: Vec::new(),
        anchors: Vec::new(),
        on_site: Vec::new(),
    };
    world.piles = piles(settings);
    let mut rng = random(settings.seed, Purpose::Visits);
    let drivers = Drivers::draw(&world, &mut rng);
    for pile in 0..world.piles.len() {
        let mut charges = visits(&world, pile, &drivers, &mut rng);
        world.charges.append(&mut charges);
    }
    world
}

fn stations(settings: &WorldSettings) -> Vec<WorldStation> {
    let places =
        (0..settings.cities).flat_map(|city| (0..settings.stations_per_city).map(move |n| (city, n)));
    places.map(|(city, n)| WorldStation { id: format!("S{city}{n}"), city }).collect()
}

fn piles(settings: &WorldSettings) -> Vec<WorldPile> {
    let of_station = settings.piles_per_station;
    let count = settings.cities * settings.stations_per_city * of_station;
    let pile = |n: usize| {
        let is_ac = settings.layout == Layout::Anhui && is_ac(n / of_station, n % of_station, of_station);
        let (kind, class) = if is_ac { (PileKind::Ac, 2) } else { (PileKind::Dc, 1) };
        WorldPile {
            id: format!("P{n:04}"),
            station: n / of_station,
            kind,
            class,
            error: 0.0,
            injection: None,
        }
    };
    (0..count).map(pile).collect()
}

/// Whether a pile of a station like Anhui's is AC: the first of each ten, and of fewer as many in proportion, rounded up at every other station.
fn is_ac(station: usize, pile: usize, of_station: usize) -> bool {
    let ten = (of_station - pile / 10 * 10).min(10);
    pile % 10 < (ten * AC_OF_TEN + station % 2 * 5) / 10
}

/// Who may come: vehicles with cumulative weights.
struct Drivers {
    by_city: Vec<Vec<(usize, f64)>>,
    /// Those whose favourite a station is.
    by_station: Vec<Vec<(usize, f64)>>,
}

impl Drivers {
    fn draw(world: &World, rng: &mut impl Rng) -> Self {
        let settings = &world.settings;
        let mut drivers = Self {
            by_city: vec![Vec::new(); settings.cities],
            by_station: vec![Vec::new(); world.stations.len()],
        };
        let weights = LogNormal::new(0.0, VEHICLE_USE_SD).expect("a positive deviation");
        for (index, vehicle) in world.vehicles.iter().enumerate() {
            let weight = weights.sample(rng);
            let favourite =
                vehicle.city * settings.stations_per_city + rng.random_range(0..settings.stations_per_city);
            push(&mut drivers.by_city[vehicle.city], index, weight);
            push(&mut drivers.by_station[favourite], index, weight);
        }
        drivers
    }

    /// Who comes to a station.
    fn one(&self, world: &World, station: usize, rng: &mut impl Rng) -> usize {
        let (city, cities) = (world.stations[station].city, self.by_city.len());
        if 1 < cities && rng.random_bool(world.settings.travel) {
            let other = (city + rng.random_range(1..cities)) % cities;
            return pick(&self.by_city[other], rng);
        }
        let is_favourite = rng.random_bool(FAVOURITE) && !self.by_station[station].is_empty();
        pick(if is_favourite { &self.by_station[station] } else { &self.by_city[city] }, rng)
    }
}

fn push(list: &mut Vec<(usize, f64)>, index: usize, weight: f64) {
    let before = list.last().map_or(0.0, |(_, sum)| *sum);
    list.push((index, before + weight));
}

fn pick(list: &[(usize, f64)], rng: &mut impl Rng) -> usize {
    let all = list.last().map_or(0.0, |(_, sum)| *sum);
    let wanted = all * rng.random_range(0.0..1.0);
    let at = list.partition_point(|(_, sum)| *sum <= wanted).min(list.len() - 1);
    list[at].0
}

fn visits(world: &World, pile: usize, drivers: &Drivers, rng: &mut impl Rng) -> Vec<WorldCharge> {
    let power = class(world, pile);
    // The mean of a log-normal number is above its median.
    let usage = LogNormal::new(-0.5 * PILE_USE_SD * PILE_USE_SD, PILE_USE_SD).expect("a positive deviation");
    let rate = world.settings.charges_per_day * usage.sample(rng);
    let per_day = Poisson::new(rate).expect("a rate above zero");
    let shares = power.unwrap_or(PowerClass::Dc120).arrivals_by_hour();
    let mut charges = Vec::new();
    let mut free_s = world.start.as_second();
    for day in 0..world.days {
        let count = per_day.sample(rng) as usize;
        let begins = world.day(day).as_second();
        let mut starts: Vec<i64> = (0..count)
            .map(|_| begins + i64::from(hour(shares, rng)) * 3_600 + rng.random_range(0..3_600))
            .collect();
        starts.sort_unstable();
        for start in starts {
            let vehicle = drivers.one(world, world.piles[pile].station, rng);
            let (energy_kwh, duration_s) = amount(power, rng);
            let started_s = start.max(free_s);
            let ended_s = started_s + duration_s;
            free_s = ended_s + PAUSE_S;
            if ended_s < world.day(world.days).as_second() {
                charges.push(WorldCharge::new(pile, vehicle, (started_s, ended_s), energy_kwh));
            }
        }
    }
    charges
}

/// The class of a pile for which there are numbers; none in the reference world.
fn class(world: &World, pile: usize) -> Option<PowerClass> {
    let is_anhui = world.settings.layout == Layout::Anhui;
    is_anhui.then(|| match world.piles[pile].kind {
        PileKind::Ac => PowerClass::Ac7,
        PileKind::Dc => PowerClass::Dc120,
    })
}

/// Energy, kWh, and duration, s.
fn amount(class: Option<PowerClass>, rng: &mut impl Rng) -> (f64, i64) {
    let energy = match class {
        Some(class) => quantile(class.energy_kwh(), rng.random_range(0.0..1.0)),
        None => {
            let energies = LogNormal::new(ENERGY_LOG_KWH.0, ENERGY_LOG_KWH.1).expect("a positive deviation");
            energies.sample(rng).clamp(ENERGY_KWH.0, ENERGY_KWH.1)
        }
    };
    let rated = class.map_or(REFERENCE_KW, PowerClass::rated_kw);
    let power = rated * rng.random_range(POWER_SHARE.0..POWER_SHARE.1);
    // Whole Wh, as registers have them.
    ((energy * 1000.0).round() / 1000.0, (energy / power * 3_600.0).ceil() as i64)
}

/// The step in which a file tells its energies, Wh.
fn step_wh(rows: &[&replay::Visit]) -> i64 {
    let common = |a: i64, b: i64| {
        let (mut a, mut b) = (a, b.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    rows.iter().map(|row| row.energy_wh).fold(0, common).abs()
}

/// What was charged lies anywhere within the step in which the file tells it: else what piles say of it, with errors injected, would have last
/// digits that no register makes.
fn spread(charges: &mut [WorldCharge], step_wh: i64, seed: u64) {
    if step_wh <= 1 {
        return;
    }
    let mut rng = random(seed, Purpose::Visits);
    let step_kwh = step_wh as f64 / 1000.0;
    for charge in charges {
        charge.energy_kwh += step_kwh * rng.random_range(-0.5..0.5_f64);
    }
}

/// Reads the visits of a file: charges with a card, an end and energy. Cards become vehicles.
pub(super) fn read(settings: &WorldSettings, file: &Path) -> Result<World, WorldError> {
    let rows = replay::visits(file)?;
    let Some(first) = rows.iter().map(|row| row.start).min() else {
        return Err(WorldError::Settings(format!("{}: no charge with card, end and energy", file.display())));
    };
    let last = rows.iter().map(|row| row.end).max().unwrap_or(first);
    let length = (last.duration_since(first).as_secs() / DAY_S) as u32 + 1;
    let days = length.min(settings.days);
    let until = first + SignedDuration::from_hours(24 * i64::from(days));
    let fits = |row: &&replay::Visit| {
        row.end < until && row.end.duration_since(row.start).as_secs() <= CHARGE_DAYS_MAX * DAY_S
    };
    let rows: Vec<&replay::Visit> = rows.iter().filter(fits).collect();
    let number = |names: std::collections::BTreeSet<&str>| -> BTreeMap<String, usize> {
        names.into_iter().map(str::to_owned).zip(0..).collect()
    };
    let piles = number(rows.iter().map(|row| row.pile.as_str()).collect());
    let cards = number(rows.iter().map(|row| row.card.as_str()).collect());
    let mut charges: Vec<WorldCharge> = rows
        .iter()
        .map(|row| {
            let times = (row.start.as_second(), row.end.as_second());
            WorldCharge::new(piles[&row.pile], cards[&row.card], times, row.energy_wh as f64 / 1000.0)
        })
        .collect();
    charges.sort_by_key(|charge| (charge.pile, charge.started_s, charge.ended_s, charge.vehicle));
    spread(&mut charges, step_wh(&rows), settings.seed);
    let pile =
        |id: String| WorldPile { id, station: 0, kind: PileKind::Ac, class: 2, error: 0.0, injection: None };
    Ok(World {
        settings: settings.clone(),
        start: first,
        days,
        stations: vec![WorldStation { id: "S0".to_owned(), city: 0 }],
        piles: piles.into_keys().map(pile).collect(),
        models: 0,
        vehicles: cards.into_keys().map(|id| WorldVehicle::new(id, 0)).collect(),
        charges,
        anchors: Vec::new(),
        on_site: Vec::new(),
    })
}
