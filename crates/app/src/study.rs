//! `veripile study`: seeded worlds with known truth, assessed, and what came out held against what could be known.
//!
//! Called by the command line. Progress and times go to standard error; files have neither, so that the same seeds give the same
//! bytes. It never changes how anything is assessed.

mod agreement;
mod chart;
mod cost;
mod evidence;
mod figures;
mod files;
mod goal;
mod measures;
mod page;
mod run;
mod signals;
mod tables;
#[cfg(test)]
mod tests;
mod weeks;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use veripile_simulator::world::{self, Injection, InjectionKind, Layout, Noise, World, WorldSettings};

use run::{Depth, SeedSeen};

/// Seeds at most: each takes a minute of a core in the reference world.
const SEEDS_MAX: u64 = 1_000;

/// Seeds without being asked.
const SEEDS: u64 = 4;

/// Days from which steps are injected without being asked: before them there must be weeks that expect nothing, and after them a month.
const STEP_DAYS_MIN: u32 = 98;

/// Arguments of `veripile study`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["out", "write", "cost_of"]))]
pub(crate) struct StudyArgs {
    /// reference, anhui, or a file of charges whose graph is used (columns of `assess` or of the Dundee data; .gz accepted)
    #[arg(long, value_name = "reference|anhui|FILE", default_value = "reference")]
    pub(crate) world: String,
    /// So many seeds, 1 to N [default: 4]
    #[arg(long, value_name = "N", conflicts_with = "seed", value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    pub(crate) seeds: Option<u64>,
    /// One seed
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// gaussian, t4, outliers (5 %) or nuisances (everything that goes wrong) [default: gaussian; anhui: nuisances]
    #[arg(long, value_parser = noise)]
    pub(crate) noise: Option<Noise>,
    /// Share of charges with the vehicle's own value
    #[arg(long, value_name = "0..1", default_value_t = 1.0)]
    pub(crate) vehicle_share: f64,
    /// Days [default: 182; a file: all]
    #[arg(long)]
    pub(crate) days: Option<u32>,
    /// Piles per station, of 20 stations [default: 10]
    #[arg(long, value_name = "N")]
    pub(crate) piles: Option<usize>,
    /// Vehicles [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) vehicles: Option<usize>,
    /// Piles measured on site before the first day [default: 10, or all]
    #[arg(long, value_name = "N")]
    pub(crate) anchors: Option<usize>,
    /// Piles measured on site after the last day, other ones [default: 40, or all of them; a file: 0]
    #[arg(long, value_name = "N")]
    pub(crate) on_site: Option<usize>,
    /// Errors to inject, repeatable: constant:PERCENT:PILES, step:PERCENT:PILES:DAY, hours:PERCENT:PILES:FROM-TO, offset:KWH:PILES,
    /// power:PERCENT:PILES:ABOVE_KW; `none` for no error [default: constant errors of several sizes, and steps]
    #[arg(long, value_name = "KIND:SIZE:PILES[:…]")]
    pub(crate) inject: Vec<String>,
    /// Only the assessment itself and its signals: no anchors left out, no windows
    #[arg(long)]
    pub(crate) quick: bool,
    /// Also show how the estimator's CPU time and memory grow with charges, piles and vehicles: figures of this machine
    #[arg(long, conflicts_with = "write")]
    pub(crate) cost: bool,
    /// Instead: assess one world of this size and print what it took; each size of --cost is a process of its own
    #[arg(long, value_name = "CHARGES,PILES,VEHICLES", hide = true)]
    pub(crate) cost_of: Option<String>,
    /// Folder for report.html, charts, CSV files and study.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Instead: write one world as files for `veripile assess` and outside tools, with its truth
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "seeds", "quick"])]
    pub(crate) write: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn noise(word: &str) -> Result<Noise, String> {
    let found = Noise::ALL.into_iter().find(|noise| noise.word() == word);
    found.ok_or_else(|| "expected gaussian, t4, outliers or nuisances".to_owned())
}

/// Runs the command; gives what is to be printed.
pub(crate) fn run(args: &StudyArgs) -> Result<String> {
    if let Some(size) = &args.cost_of {
        return cost::one(size);
    }
    let settings = settings(args)?;
    if let Some(folder) = &args.write {
        return write_world(&settings, folder, args.json);
    }
    let folder = args.out.as_deref().context("--out or --write is needed")?;
    fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot be written to; choose another --out", folder.display()))?;
    let seeds: Vec<u64> = match args.seed {
        Some(seed) => vec![seed],
        None => (1..=args.seeds.unwrap_or(SEEDS)).collect(),
    };
    let depth = Depth { anchors: !args.quick, windows: !args.quick };
    let started = std::time::Instant::now();
    let seen = see(&settings, &seeds, depth)?;
    let costs = if args.cost { cost::measure()? } else { Vec::new() };
    let (texts, said) = report(&settings, &seen, &costs, args.json)?;
    write(folder, &texts)?;
    // How long it took belongs to no result.
    crate::remark(&format!("用时 took {:.1} s", started.elapsed().as_secs_f64()));
    let end = if args.json { String::new() } else { format!("结果 results: {}", folder.display()) };
    Ok(format!("{said}{end}"))
}

/// The world asked for.
fn settings(args: &StudyArgs) -> Result<WorldSettings> {
    let seed = args.seed.unwrap_or(1);
    let mut settings = match args.world.as_str() {
        "reference" => WorldSettings::reference(seed),
        "anhui" => WorldSettings::anhui(seed),
        file if Path::new(file).is_file() => WorldSettings::graph(PathBuf::from(file), seed),
        other => bail!("--world {other}: neither reference nor anhui, and no such file"),
    };
    let is_file = matches!(settings.layout, Layout::Graph(_));
    if is_file && (args.piles.is_some() || args.vehicles.is_some()) {
        bail!("--piles and --vehicles belong to drawn worlds; a file has its own");
    }
    settings.vehicle_share = args.vehicle_share;
    settings.noise = args.noise.unwrap_or(settings.noise);
    settings.days = args.days.unwrap_or(settings.days);
    settings.piles_per_station = args.piles.unwrap_or(settings.piles_per_station);
    settings.vehicles = args.vehicles.unwrap_or(settings.vehicles);
    (settings.anchors, settings.on_site) = on_site(args, &settings)?;
    settings.injections = injections(&args.inject, &settings)?;
    Ok(settings)
}

/// Piles measured on site before and after: what was asked for, else as many as usual where there are so many.
fn on_site(args: &StudyArgs, settings: &WorldSettings) -> Result<(usize, usize)> {
    let piles = match (&settings.layout, args.anchors) {
        (Layout::Graph(_), None) => {
            let without = WorldSettings { anchors: 0, on_site: 0, ..settings.clone() };
            World::draw(&without)?.compared().into_iter().filter(|has| *has).count()
        }
        (Layout::Graph(_), Some(_)) => usize::MAX,
        (Layout::Reference | Layout::Anhui, _) => {
            settings.cities * settings.stations_per_city * settings.piles_per_station
        }
    };
    let anchors = args.anchors.unwrap_or(settings.anchors.min(piles));
    let others = piles.saturating_sub(anchors);
    Ok((anchors, args.on_site.unwrap_or(settings.on_site.min(others))))
}

fn injections(texts: &[String], settings: &WorldSettings) -> Result<Vec<Injection>> {
    match texts {
        [] => Ok(usual_injections(settings)),
        [none] if none == "none" => Ok(Vec::new()),
        texts => texts
            .iter()
            .map(|text| text.parse().map_err(|error: String| anyhow!("--inject {error}")))
            .collect(),
    }
}

/// Errors from just above the limit to three times it, each in 2 % of the piles; and steps of one and two percent, from several days on, as
/// it matters where in a week they fall.
fn usual_injections(settings: &WorldSettings) -> Vec<Injection> {
    let piles = match settings.layout {
        Layout::Graph(_) => 2,
        _ => (settings.cities * settings.stations_per_city * settings.piles_per_station).div_ceil(50),
    };
    let constant = |percent| Injection { kind: InjectionKind::Constant { percent }, piles };
    let mut injections: Vec<Injection> = [1.25, 1.5, 2.0, 3.0, -2.0].map(constant).to_vec();
    if settings.layout != Layout::Reference {
        // Twice the limit of class 2.
        injections.push(constant(4.0));
    }
    if !matches!(settings.layout, Layout::Graph(_)) && STEP_DAYS_MIN <= settings.days {
        let steps = [(1.0, 0), (2.0, 3), (-1.0, 9), (1.0, 12), (2.0, 15), (-2.0, 20)];
        injections.extend(steps.map(|(percent, later)| Injection {
            kind: InjectionKind::Step { percent, day: settings.days * 2 / 5 + later },
            piles: (2 * piles).div_ceil(3),
        }));
    }
    injections
}

/// Draws a world; refuses one in which an error that was asked for would never begin: what was found of it would be told as of none.
fn draw(settings: &WorldSettings) -> Result<World> {
    let world = World::draw(settings)?;
    for injection in &settings.injections {
        if let InjectionKind::Step { day, .. } = injection.kind
            && world.days <= day
        {
            bail!(
                "--inject {injection}: the step is on day {day}, the world ends before day {}; name an earlier day, or more --days",
                world.days
            );
        }
    }
    Ok(world)
}

/// Sees every seed, as many at a time as there are cores; in the order of the seeds, whoever is done first.
fn see(settings: &WorldSettings, seeds: &[u64], depth: Depth) -> Result<Vec<SeedSeen>> {
    // One world is drawn to see that there is one, and how long a file's is.
    let days = draw(settings)?.days;
    let bar = ProgressBar::new(seeds.len() as u64 * run::assessments(settings, days, depth));
    let style =
        ProgressStyle::with_template("{bar:40} {pos}/{len} 次评估 assessments · {elapsed} · 余 {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(std::time::Duration::from_millis(250));
    let next = AtomicUsize::new(0);
    let seen: Mutex<BTreeMap<usize, Result<SeedSeen>>> = Mutex::new(BTreeMap::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(seeds.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = seeds.get(at) else { break };
                    let result = run::run(&WorldSettings { seed: *seed, ..settings.clone() }, depth, &bar);
                    seen.lock().unwrap_or_else(PoisonError::into_inner).insert(at, result);
                }
            });
        }
    });
    bar.finish_and_clear();
    seen.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Every file's name and text, the page last; and what is printed.
fn report(
    settings: &WorldSettings,
    seen: &[SeedSeen],
    costs: &[cost::Step],
    as_json: bool,
) -> Result<(Vec<(&'static str, String)>, String)> {
    let study = measures::study(settings, seen);
    let mut figures = figures::figures(&study, seen);
    figures.extend(cost::figures(costs));
    let page = page::page(settings, &study, seen, costs, &figures);
    let mut json = files::json(settings, &study, seen);
    let mut texts = files::tables(&study, seen)?;
    if !costs.is_empty() {
        json["cost"] = serde_json::to_value(costs)?;
        texts.push(("cost.csv", cost::csv(costs)));
    }
    let json = serde_json::to_string_pretty(&json)?;
    texts.extend(figures.into_iter().map(|figure| (figure.file, figure.svg)));
    let said = if as_json {
        json.clone()
    } else {
        let costs = if costs.is_empty() { String::new() } else { cost::words(costs) };
        files::words(settings, &study, seen) + &costs
    };
    texts.push(("study.json", format!("{json}\n")));
    texts.push(("report.html", page));
    Ok((texts, said))
}

/// Writes the files; an earlier study's page goes first, so that a page always stands beside its own numbers.
fn write(folder: &Path, texts: &[(&'static str, String)]) -> Result<()> {
    let path = |name: &str| folder.join(name);
    for name in texts.iter().map(|(name, _)| *name).chain(figures::FILES).chain(cost::FILES) {
        match fs::remove_file(path(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{}: cannot be replaced", path(name).display()));
            }
            _ => {}
        }
    }
    for (name, text) in texts {
        fs::write(path(name), text)
            .with_context(|| format!("{}: cannot be written", path(name).display()))?;
    }
    Ok(())
}

fn write_world(settings: &WorldSettings, folder: &Path, as_json: bool) -> Result<String> {
    let world = draw(settings)?;
    let written = world::files::write(&world, folder)?;
    if as_json {
        return Ok(serde_json::json!({ "folder": folder, "files": written, "charges": world.charges.len() })
            .to_string());
    }
    Ok(format!(
        "世界 world: {} 桩 piles · {} 车 vehicles · {} 次充电 charges\n文件 files: {} → {}",
        world.piles.len(),
        world.vehicles.len(),
        world.charges.len(),
        written.join(", "),
        folder.display()
    ))
}
