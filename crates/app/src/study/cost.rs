//! How the estimator's cost grows with charges, piles and vehicles: worlds of growing size, each assessed in a process of its own, so that
//! CPU time and peak memory are that world's alone.
//!
//! Called by [`super`] for `--cost`, and by its own processes. Figures are of the machine they were taken on: nothing is held against them,
//! and no file of a study without `--cost` has any.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use procfs::process::Process;
use serde::{Deserialize, Serialize};
use veripile_assessment::assess;
use veripile_metrology::comparison::Settings;
use veripile_simulator::world::{World, WorldSettings};

use super::chart::{Chart, Ink};
use super::evidence::{evidence, piles};
use super::figures::Figure;

/// The size around which each of the three grows while the others stay: the reference world's, near enough.
const BASE: Size = Size { charges: 240_000, piles: 200, vehicles: 10_000 };

/// By what each grows: as far as worlds go, two million charges and two thousand piles.
const CHARGES_BY: [f64; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
const PILES_BY: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];
const VEHICLES_BY: [f64; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// Names of the files.
pub(super) const FILES: [&str; 3] = ["cost.csv", "cost_cpu.svg", "cost_memory.svg"];

/// Size of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Size {
    pub(super) charges: usize,
    pub(super) piles: usize,
    pub(super) vehicles: usize,
}

/// What one world took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Cost {
    /// As drawn: charges are as many as chance made.
    pub(super) size: Size,
    /// CPU time of the estimator, all threads, user and kernel, s.
    pub(super) cpu_s: f64,
    /// Resident memory with the evidence, before the estimator began, MB.
    pub(super) evidence_mb: f64,
    /// The most there was meanwhile, evidence included, MB.
    pub(super) peak_mb: f64,
}

/// Which of the three grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Growing {
    Charges,
    Piles,
    Vehicles,
}

impl Growing {
    const ALL: [Self; 3] = [Self::Charges, Self::Piles, Self::Vehicles];

    /// Its word in files and its names.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Charges => ("charges", "充电次数"),
            Self::Piles => ("piles", "充电桩"),
            Self::Vehicles => ("vehicles", "车辆"),
        }
    }

    fn factors(self) -> &'static [f64] {
        match self {
            Self::Charges => &CHARGES_BY,
            Self::Piles => &PILES_BY,
            Self::Vehicles => &VEHICLES_BY,
        }
    }

    /// How many times the base a world is: two hundred piles have no room for as many charges as are asked for.
    fn factor(self, size: &Size) -> f64 {
        match self {
            Self::Charges => size.charges as f64 / BASE.charges as f64,
            Self::Piles => size.piles as f64 / BASE.piles as f64,
            Self::Vehicles => size.vehicles as f64 / BASE.vehicles as f64,
        }
    }

    fn size(self, factor: f64) -> Size {
        let grown = |of: usize| (of as f64 * factor).round() as usize;
        match self {
            Self::Charges => Size { charges: grown(BASE.charges), ..BASE },
            Self::Piles => Size { piles: grown(BASE.piles), ..BASE },
            Self::Vehicles => Size { vehicles: grown(BASE.vehicles), ..BASE },
        }
    }
}

/// One step of one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Step {
    pub(super) growing: Growing,
    /// Size over that of the base.
    pub(super) factor: f64,
    pub(super) cost: Cost,
}

impl Size {
    /// As one process tells the other.
    fn text(&self) -> String {
        format!("{},{},{}", self.charges, self.piles, self.vehicles)
    }

    fn read(text: &str) -> Result<Self> {
        let numbers: Vec<usize> =
            text.split(',').map(str::parse).collect::<Result<_, _>>().context("CHARGES,PILES,VEHICLES")?;
        let [charges, piles, vehicles] = numbers[..] else { bail!("CHARGES,PILES,VEHICLES") };
        Ok(Self { charges, piles, vehicles })
    }

    fn settings(&self) -> WorldSettings {
        let reference = WorldSettings::reference(1);
        let stations = reference.cities * reference.stations_per_city;
        let days = self.piles as f64 * f64::from(reference.days);
        WorldSettings {
            piles_per_station: self.piles / stations,
            charges_per_day: self.charges as f64 / days,
            vehicles: self.vehicles,
            on_site: reference.on_site.min(self.piles.saturating_sub(reference.anchors)),
            ..reference
        }
    }
}

/// Measures every size, each in its own process.
pub(super) fn measure() -> Result<Vec<Step>> {
    let program = std::env::current_exe().context("this program's own file")?;
    let wanted: Vec<(Growing, f64)> = Growing::ALL
        .into_iter()
        .flat_map(|growing| growing.factors().iter().map(move |factor| (growing, *factor)))
        .collect();
    let bar = ProgressBar::new(wanted.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} 规模 sizes · {msg} · {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(std::time::Duration::from_millis(250));
    let mut base: Option<Cost> = None;
    let mut steps = Vec::with_capacity(wanted.len());
    for (growing, factor) in wanted {
        let size = growing.size(factor);
        bar.set_message(size.text());
        let cost = match base.filter(|_| size == BASE) {
            Some(known) => known,
            None => measured(&program, size)?,
        };
        if size == BASE {
            base = Some(cost);
        }
        steps.push(Step { growing, factor: growing.factor(&cost.size), cost });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(steps)
}

fn measured(program: &std::path::Path, size: Size) -> Result<Cost> {
    let output = Command::new(program)
        .args(["study", "--cost-of", &size.text()])
        .output()
        .with_context(|| format!("{}: cannot be started", program.display()))?;
    if !output.status.success() {
        bail!("{}: {}", size.text(), String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("{}: what it cost", size.text()))
}

/// Draws one world, assesses it, and says what the latter took: the work of a process of its own.
pub(super) fn one(text: &str) -> Result<String> {
    let size = Size::read(text)?;
    let world = World::draw(&size.settings())?;
    let facts = piles(&world)?;
    let evidence = evidence(&world, &facts, (0, world.days), None);
    let size = Size {
        charges: evidence.charges.len(),
        piles: evidence.piles.len(),
        vehicles: evidence.vehicle_models.len(),
    };
    drop(world);
    let process = Process::myself().context("/proc/self")?;
    // From now on the peak counts anew; where that is not allowed, drawing the world counts as well.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (evidence_mb, before_s) = (memory(&process)?.0, cpu_s(&process)?);
    let assessment = assess(&evidence, &Settings::default())?;
    // The kernel counts pages by processor and in passing: what it tells as the most may be less than what it told before.
    let (peak_mb, cpu_s) = (memory(&process)?.1.max(evidence_mb), cpu_s(&process)? - before_s);
    anyhow::ensure!(assessment.facts.charges > 0, "nothing was compared");
    Ok(serde_json::to_string(&Cost { size, cpu_s, evidence_mb, peak_mb })?)
}

/// Resident memory now and at most, MB.
fn memory(process: &Process) -> Result<(f64, f64)> {
    let status = process.status().context("/proc/self/status")?;
    let mb = |kib: Option<u64>| kib.map(|kib| kib as f64 * 1024.0 / 1e6);
    mb(status.vmrss).zip(mb(status.vmhwm)).context("/proc/self/status tells no memory")
}

/// CPU time of all threads so far, s, in hundredths.
fn cpu_s(process: &Process) -> Result<f64> {
    let stat = process.stat().context("/proc/self/stat")?;
    Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

/// The table.
pub(super) fn csv(steps: &[Step]) -> String {
    let mut text = "growing,factor,charges,piles,vehicles,cpu_s,evidence_mb,peak_mb\n".to_owned();
    for Step { growing, factor, cost } in steps {
        text.push_str(&format!(
            "{},{factor:.3},{},{},{},{:.2},{:.1},{:.1}\n",
            growing.words().0,
            cost.size.charges,
            cost.size.piles,
            cost.size.vehicles,
            cost.cpu_s,
            cost.evidence_mb,
            cost.peak_mb
        ));
    }
    text
}

/// What the command prints.
pub(super) fn words(steps: &[Step]) -> String {
    let mut text = "估计器成本 cost of the estimator: CPU s, peak MB\n".to_owned();
    for Step { growing, factor, cost } in steps {
        let (en, zh) = growing.words();
        text.push_str(&format!(
            "  {:>7.2} {:>7.0}  {zh} {en} × {factor:.2}: {} · {} · {}\n",
            cost.cpu_s, cost.peak_mb, cost.size.charges, cost.size.piles, cost.size.vehicles
        ));
    }
    text
}

/// The charts of time and memory.
pub(super) fn figures(steps: &[Step]) -> Vec<Figure> {
    if steps.is_empty() {
        return Vec::new();
    }
    let factors = (CHARGES_BY[0], CHARGES_BY[CHARGES_BY.len() - 1]);
    let drawn = |label: &str, title: &str, value: &dyn Fn(&Cost) -> f64| {
        let values = || steps.iter().map(|step| value(&step.cost).max(0.01));
        let range = (values().fold(f64::INFINITY, f64::min), values().fold(0.01, f64::max));
        let mut chart = Chart::logarithmic(factors, range, ("规模 / 基准 size / base", label));
        for growing in Growing::ALL {
            let places: Vec<(f64, f64)> = steps
                .iter()
                .filter(|step| step.growing == growing)
                .map(|step| (step.factor, value(&step.cost).max(0.01)))
                .collect();
            let (width, is_dashed) = match growing {
                Growing::Charges => (2.0, false),
                Growing::Piles => (1.2, true),
                Growing::Vehicles => (0.8, false),
            };
            chart.line(&places, Ink::Black, width, is_dashed);
            for place in places {
                match growing {
                    Growing::Charges => chart.dot(place, 4.0, Ink::Good),
                    Growing::Piles => chart.diamond(place, 4.5, Ink::Open),
                    Growing::Vehicles => chart.dot(place, 2.2, Ink::Bad),
                }
            }
        }
        chart.svg(title)
    };
    let title = "估计器成本 / cost of the estimator";
    vec![
        Figure {
            file: "cost_cpu.svg",
            zh: "估计器的 CPU 时间随规模增长：粗线 ● 充电次数，虚线 ◆ 充电桩，细线 • 车辆；基准 24 万次充电、200 桩、1 万辆车",
            en: "CPU time of the estimator as one size grows: thick ● charges, dashed ◆ piles, thin • vehicles; base 240,000 charges, \
                 200 piles, 10,000 vehicles",
            svg: drawn("CPU / s", title, &|cost| cost.cpu_s),
        },
        Figure {
            file: "cost_memory.svg",
            zh: "内存峰值（含证据）",
            en: "peak memory, evidence included, likewise",
            svg: drawn("内存 memory / MB", title, &|cost| cost.peak_mb),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_to_a_process_and_back() {
        assert_eq!(Size::read(&BASE.text()).expect("a size"), BASE);
        assert!(Size::read("1,2").is_err() && Size::read("1,2,x").is_err());
    }

    #[test]
    fn every_size_is_a_world_that_can_be_drawn() {
        for growing in Growing::ALL {
            for factor in growing.factors() {
                let settings = growing.size(*factor).settings();
                let piles = settings.cities * settings.stations_per_city * settings.piles_per_station;
                assert_eq!(piles, growing.size(*factor).piles, "{growing:?} {factor}");
                let charges = piles as f64 * f64::from(settings.days) * settings.charges_per_day;
                assert!((charges / growing.size(*factor).charges as f64 - 1.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn one_world_says_what_it_took() {
        let told: Cost = serde_json::from_str(&one("2000,20,50").expect("assessed")).expect("a cost");
        assert_eq!((told.size.piles, told.size.vehicles), (20, 50));
        assert!((1_500..2_500).contains(&told.size.charges), "{told:?}");
        assert!(0.0 <= told.cpu_s && 0.0 < told.evidence_mb && told.evidence_mb <= told.peak_mb, "{told:?}");
        let step = Step { growing: Growing::Piles, factor: 1.0, cost: told };
        assert!(csv(&[step]).lines().nth(1).expect("a row").starts_with("piles,1.000,"));
        assert_eq!(figures(&[step]).len(), 2);
    }
}
