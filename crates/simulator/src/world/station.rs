//! Master meters and registers of a world's stations, hour by hour (metrology.md §2.3).
//!
//! Called when a world is written to files. Only worlds like Anhui's have master meters.

use rand::RngExt;
use veripile_pile::PileKind;

use super::charges::normal;
use super::{Layout, Purpose, World, random};

/// Class of master meters, and the standard uncertainty of one of that class, fraction.
pub const MASTER_CLASS: &str = "0.5";
const MASTER_SD: f64 = 0.0029;

/// What a station takes besides: standby, kW; losses in proportion, their deviation; losses by the square of the load.
const STANDBY_KW: (f64, f64) = (0.2, 0.8);
const LINEAR_SD: f64 = 0.002;
const SQUARE_LOSS: f64 = 0.004;

/// Efficiency of a DC pile and its deviation; AC piles pass on what they take.
const EFFICIENCY: f64 = 0.95;
const EFFICIENCY_SD: f64 = 0.007;

/// Loss in a pile's own cable at full load, fraction, as its length has it.
const CABLE_LOSS: (f64, f64) = (0.001, 0.003);

/// Noise of a master meter's hour: a share of the energy and a resolution, kWh.
const NOISE_SHARE: f64 = 0.003;
const RESOLUTION_KWH: f64 = 0.01;

/// Load of a station at which its losses are stated, kWh per hour and pile.
const FULL_KWH: f64 = 20.0;

/// Energies hour by hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    /// By pile: increments of its register, kWh.
    pub registers: Vec<Vec<f64>>,
    /// By station: energy by its master meter, kWh.
    pub masters: Vec<Vec<f64>>,
}

impl World {
    /// Registers and master meters; none for a world without them.
    pub fn hours(&self) -> Option<Hours> {
        if self.settings.layout != Layout::Anhui {
            return None;
        }
        let count = 24 * self.days as usize;
        let mut registers = vec![vec![0.0; count]; self.piles.len()];
        let mut truths = registers.clone();
        for charge in &self.charges {
            for (hour, share) in self.shares(charge.started_s, charge.ended_s) {
                registers[charge.pile][hour] += share * charge.energy_pile_kwh();
                truths[charge.pile][hour] += share * charge.energy_kwh;
            }
        }
        let masters = (0..self.stations.len()).map(|station| self.master(station, &truths)).collect();
        let to_wh = |kwh: f64| (1000.0 * kwh).round() / 1000.0;
        for register in &mut registers {
            // A register shows whole Wh: its increments carry what was not yet shown.
            let (mut sum, mut shown) = (0.0, 0.0);
            for value in register {
                sum += *value;
                *value = to_wh(to_wh(sum) - shown);
                shown = to_wh(sum);
            }
        }
        Some(Hours { registers, masters })
    }

    /// Hours of a span with their shares of it.
    fn shares(&self, started_s: i64, ended_s: i64) -> Vec<(usize, f64)> {
        let (from, to) = (started_s - self.start.as_second(), ended_s - self.start.as_second());
        let length = (to - from).max(1) as f64;
        let hours = from / 3_600..=(to - 1).max(from) / 3_600;
        let share = |hour: i64| (to.min((hour + 1) * 3_600) - from.max(hour * 3_600)).max(0) as f64 / length;
        hours.map(|hour| (hour as usize, share(hour))).collect()
    }

    /// A master meter's hours.
    fn master(&self, station: usize, truths: &[Vec<f64>]) -> Vec<f64> {
        let mut rng = random(self.settings.seed ^ ((station as u64 + 1) << 32), Purpose::Station);
        let piles: Vec<usize> =
            (0..self.piles.len()).filter(|at| self.piles[*at].station == station).collect();
        let error = MASTER_SD * normal(&mut rng);
        let standby_kw = rng.random_range(STANDBY_KW.0..STANDBY_KW.1);
        let linear = LINEAR_SD * normal(&mut rng);
        let efficiencies: Vec<f64> = piles
            .iter()
            .map(|at| match self.piles[*at].kind {
                PileKind::Ac => 1.0,
                PileKind::Dc => EFFICIENCY + EFFICIENCY_SD * normal(&mut rng),
            })
            .collect();
        let cables: Vec<f64> = piles.iter().map(|_| rng.random_range(CABLE_LOSS.0..CABLE_LOSS.1)).collect();
        let full = FULL_KWH * piles.len() as f64;
        (0..truths.first().map_or(0, Vec::len))
            .map(|hour| {
                let sum: f64 = piles.iter().map(|at| truths[*at][hour]).sum();
                let through =
                    piles.iter().zip(efficiencies.iter().zip(&cables)).map(|(at, (efficiency, cable))| {
                        let energy = truths[*at][hour];
                        energy / efficiency + cable * energy * energy / FULL_KWH
                    });
                let taken = through.sum::<f64>() + standby_kw + linear * sum + SQUARE_LOSS * sum * sum / full;
                let noise = (NOISE_SHARE * sum).hypot(RESOLUTION_KWH) * normal(&mut rng);
                (100.0 * ((1.0 + error) * taken + noise)).round().max(0.0) / 100.0
            })
            .collect()
    }
}
