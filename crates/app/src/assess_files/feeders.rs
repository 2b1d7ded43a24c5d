//! The files of master meters and registers as feeders: which piles are behind which master, interval by interval.
//!
//! Called by `assess_files`, and by `assess` with what was registered. It balances nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use veripile_assessment::evidence::TimedFeeder;
use veripile_metrology::balance::{Feeder, Instrument, Interval, class_uncertainty};
use veripile_metrology::crossing::to_f64;
use veripile_pile::{PileId, PileKind};

use super::reference::{IntervalRow, Plate};

/// Energy out over energy in of an off-board charger whose own is not known, and how well that is known: converters in service lie
/// between 93 and 97 %.
pub(crate) const DC_EFFICIENCY: (f64, f64) = (0.95, 0.008);

/// Relative standard uncertainty of what all chargers of which that is presumed have in common: 93 and 97 % as the ends of a rectangle
/// (`0.02/√3/0.95`). A fleet of one make is off together.
pub(crate) const DC_EFFICIENCY_COMMON: f64 = 0.012;

/// Standard uncertainty of an efficiency that is told without one, as a fraction.
const TOLD_UNCERTAINTY: f64 = 0.008;

/// What is known of a pile's efficiency: as told, or as presumed by its kind.
fn efficiency(kind: Option<PileKind>, told: Option<(f64, Option<f64>)>) -> (f64, f64, f64) {
    match (told, kind) {
        (Some((efficiency, u)), _) => (efficiency, u.unwrap_or(TOLD_UNCERTAINTY) / efficiency, 0.0),
        (None, Some(PileKind::Dc)) => (DC_EFFICIENCY.0, DC_EFFICIENCY.1, DC_EFFICIENCY_COMMON),
        (None, _) => (1.0, 0.0, 0.0),
    }
}

/// What became of the two files.
pub(crate) struct Fed {
    /// By name of station.
    pub(crate) stations: Vec<String>,
    pub(crate) feeders: Vec<TimedFeeder>,
    pub(crate) unmatched: Unmatched,
}

/// Rows of registers that no balance makes use of, by what is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unmatched {
    /// Nobody says at which station the pile stands.
    pub(crate) without_station: u64,
    /// Of its station no master tells anything.
    pub(crate) without_master: u64,
    /// Its station's master has other intervals.
    pub(crate) other_times: u64,
}

impl Unmatched {
    pub(crate) fn all(self) -> u64 {
        self.without_station + self.without_master + self.other_times
    }
}

/// Feeders by the intervals of their masters. Piles are numbered by `pile_at`; every pile of a station counts, also one whose register
/// was never read: what it took would else look like the others' error.
pub(crate) fn feeders(
    masters: &[IntervalRow],
    registers: &[IntervalRow],
    plates: &BTreeMap<PileId, Plate>,
    pile_at: &BTreeMap<&PileId, usize>,
    as_of: Timestamp,
) -> Fed {
    let mut stations: BTreeMap<&str, Station<'_>> = BTreeMap::new();
    for master in masters.iter().filter(|master| master.to <= as_of) {
        stations.entry(&master.id).or_default().masters.push(master);
    }
    let mut station_of: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for (pile_id, plate) in plates {
        let Some((name, station)) =
            plate.station.as_deref().and_then(|name| stations.get_mut(name).map(|station| (name, station)))
        else {
            continue;
        };
        station_of.insert(pile_id.as_str(), (name, station.piles.len()));
        station.piles.push((pile_at[pile_id], plate));
    }
    let places: BTreeMap<(&str, Timestamp, Timestamp), usize> = stations
        .iter()
        .flat_map(|(name, station)| {
            station.masters.iter().enumerate().map(move |(at, master)| ((*name, master.from, master.to), at))
        })
        .collect();
    let mut energies: BTreeMap<&str, Vec<Vec<Option<f64>>>> = stations
        .iter()
        .map(|(name, station)| (*name, vec![vec![None; station.piles.len()]; station.masters.len()]))
        .collect();
    let has_station = |id: &str| {
        PileId::parse(id).is_ok_and(|pile| plates.get(&pile).is_some_and(|plate| plate.station.is_some()))
    };
    let mut unmatched = Unmatched::default();
    for register in registers.iter().filter(|register| register.to <= as_of) {
        let Some((station, pile)) = station_of.get(register.id.as_str()) else {
            if has_station(&register.id) {
                unmatched.without_master += 1;
            } else {
                unmatched.without_station += 1;
            }
            continue;
        };
        let Some(interval) = places.get(&(*station, register.from, register.to)) else {
            unmatched.other_times += 1;
            continue;
        };
        if let Some(row) = energies.get_mut(station).and_then(|rows| rows.get_mut(*interval)) {
            row[*pile] = register.energy_kwh.map(to_f64);
        }
    }
    let feeders =
        stations.iter().filter_map(|(name, station)| Some(station.feeder(energies.remove(name)?))).collect();
    Fed { stations: stations.keys().map(|name| (*name).to_owned()).collect(), feeders, unmatched }
}

#[derive(Default)]
struct Station<'a> {
    masters: Vec<&'a IntervalRow>,
    piles: Vec<(usize, &'a Plate)>,
}

impl Station<'_> {
    fn feeder(&self, energies: Vec<Vec<Option<f64>>>) -> TimedFeeder {
        // The weakest class of its rows: a master that was exchanged is as good as the worse of the two.
        let class =
            self.masters.iter().map(|master| to_f64(master.class)).max_by(f64::total_cmp).unwrap_or(0.0);
        let intervals = self.masters.iter().zip(energies).map(|(master, instruments_kwh)| Interval {
            hours: master.to.duration_since(master.from).as_secs_f64() / 3600.0,
            master_kwh: master.energy_kwh.map(to_f64),
            instruments_kwh,
        });
        let instruments = self.piles.iter().map(|(index, plate)| {
            let told =
                plate.efficiency.map(|told| (to_f64(told.ratio), told.standard_uncertainty.map(to_f64)));
            let (efficiency, efficiency_uncertainty, efficiency_common) = efficiency(plate.kind, told);
            Instrument { index: *index, efficiency, efficiency_uncertainty, efficiency_common }
        });
        let feeder = Feeder {
            master_uncertainty: class_uncertainty(class),
            instruments: instruments.collect(),
            intervals: intervals.collect(),
        };
        TimedFeeder { feeder, begins: self.masters.iter().map(|master| master.from).collect() }
    }
}
