//! `veripile simulate`: a fleet over real sockets against any central system; real sessions replayed; load; a bench.

mod bench;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use veripile_simulator::link::Line;
use veripile_simulator::replay::{self, ReplayReport, ReplaySettings};
use veripile_simulator::{
    City, Ledger, Progress, Protocol, SimulatorError, Stands, history, live, load, truth,
};

use crate::signals;

/// What `simulate` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// Where chargers connect, without the identity: ws://HOST:PORT/ocpp
    #[arg(long)]
    pub url: String,
    /// How many piles
    #[arg(long, default_value_t = 20)]
    pub piles: usize,
    /// What they speak: ocpp1.6, ocpp2.0.1 or ocpp2.1 (without: both 1.6 and 2.0.1; a replay: 1.6)
    #[arg(long, value_parser = protocol)]
    pub protocol: Option<Protocol>,
    /// Send the real sessions of this CSV file (columns of `charges` or of the Dundee data; .gz accepted)
    #[arg(long, value_name = "CHARGES.csv")]
    pub replay: Option<PathBuf>,
    /// Replay so many times faster than life; without: as fast as answered
    #[arg(long, requires = "replay")]
    pub speed: Option<f64>,
    /// Write the injected errors here (kind,id,error_percent)
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Write on-site results of some piles of a replay here, to be registered as anchors
    #[arg(long, value_name = "FILE", requires = "replay")]
    pub anchors: Option<PathBuf>,
    /// Write one line per acknowledged message here
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Tell so many days of history before going live
    #[arg(long, default_value_t = 0)]
    pub days: u32,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Instead: send so many MeterValues of eight samples as fast as answered
    #[arg(long, value_name = "MESSAGES", conflicts_with_all = ["replay", "idle"])]
    pub load: Option<usize>,
    /// Instead: connect, boot and stay silent
    #[arg(long, conflicts_with = "replay")]
    pub idle: bool,
    /// A verification bench
    #[command(flatten)]
    pub bench: bench::BenchArgs,
}

fn protocol(name: &str) -> Result<Protocol, String> {
    Protocol::from_name(name).ok_or_else(|| "expected ocpp1.6, ocpp2.0.1 or ocpp2.1".to_owned())
}

/// Runs the simulation to its end, or until told to stop.
pub async fn run(args: &SimulateArgs) -> Result<()> {
    let (stop, stopping) = watch::channel(false);
    let ledger = args.ledger.as_deref().map(Ledger::create).transpose()?.map(Arc::new);
    let url = args.url.trim_end_matches('/').to_owned();
    let line = Line { url, progress: Progress::new(), ledger, stopping };
    let work = tokio::spawn(work(args.clone(), line.clone()));
    // A bench prints lines of its own.
    let bar = args.bench.bench.is_none().then(|| tokio::spawn(show(Arc::clone(&line.progress))));
    let outcome = tokio::select! {
        () = signals::stop() => {
            let _ = stop.send(true);
            Ok(())
        }
        done = work => match done? {
            Ok(()) | Err(SimulatorError::Stopped) => Ok(()),
            Err(error) => Err(error.into()),
        },
    };
    if let Some(bar) = bar {
        bar.abort();
    }
    let progress = &line.progress;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let told = say(&format!(
        "charges started {}, messages acknowledged {}, refused {}",
        count(&progress.charges),
        count(&progress.acknowledged),
        count(&progress.refused)
    ));
    outcome.and(told.map_err(Into::into))
}

async fn work(args: SimulateArgs, line: Line) -> Result<(), SimulatorError> {
    if let Some(address) = args.bench.bench {
        return bench::run(&args, address, line).await;
    }
    if let Some(messages) = args.load {
        return load::meter_values(&line, args.piles, messages).await;
    }
    if args.idle {
        return load::idle(&line, args.piles).await;
    }
    if let Some(charges) = args.replay {
        let settings = ReplaySettings {
            charges,
            protocol: args.protocol.unwrap_or(Protocol::V16),
            speed: args.speed,
            truth: args.truth,
            anchors: args.anchors,
            seed: args.seed,
        };
        let report = replay::run(&settings, &line).await?;
        return say(&words(&report));
    }
    let mut city = City::wuxi(args.seed, args.piles);
    if let Some(protocol) = args.protocol {
        city.piles.iter_mut().for_each(|pile| pile.protocol = protocol);
    }
    if let Some(file) = &args.truth {
        truth::write(file, &city.truth())?;
    }
    let now = Timestamp::now();
    let from = now - SignedDuration::from_hours(24 * i64::from(args.days));
    let fleet = history::connect(Arc::new(city), &line, from, &Stands::default()).await?;
    let fleet = history::tell(fleet, &line, args.days, now).await?;
    live::run(fleet).await
}

fn words(report: &ReplayReport) -> String {
    let mut text = format!(
        "rows {}: {} whole ({} without a register at the stop, {} negative, {} zero), {} without an end, {} unreadable; \
         {} piles, {} cards",
        report.rows,
        report.whole,
        report.without_energy,
        report.negative,
        report.zero,
        report.without_end,
        report.unreadable.len(),
        report.piles,
        report.cards
    );
    for (line, reason) in &report.unreadable {
        text.push_str(&format!("\n  line {line}: {reason}"));
    }
    text
}

async fn show(progress: Arc<Progress>) {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} · {msg} messages acknowledged · {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tick.tick().await;
        bar.set_length(progress.total.load(Ordering::Relaxed));
        bar.set_position(progress.done.load(Ordering::Relaxed));
        bar.set_message(progress.acknowledged.load(Ordering::Relaxed).to_string());
    }
}

/// Prints a line of the summary.
fn say(line: &str) -> Result<(), SimulatorError> {
    crate::say(line).map_err(|error| SimulatorError::File {
        file: "standard output".to_owned(),
        reason: error.root_cause().to_string(),
    })
}

/// Refuses what cannot be simulated.
pub fn check(args: &SimulateArgs) -> Result<()> {
    if !args.url.starts_with("ws://") {
        bail!(
            "--url must start with ws:// (got {}); a charger behind TLS comes with the security profiles",
            args.url
        );
    }
    bench::check(&args.bench)
}
