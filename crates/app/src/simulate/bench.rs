//! `veripile simulate --bench`: a verification bench on TCP and its pile over OCPP, with a true error that is known.
//!
//! Called by [`super::run`].

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use veripile_simulator::bench::{
    BenchHandle, BenchKind, BenchServer, BenchSettings, BenchState, Injection, SourceModel, StandardModel,
    WatchdogClock, pile,
};
use veripile_simulator::link::Line;
use veripile_simulator::truth::{self, Kind, Truth};
use veripile_simulator::{Protocol, SimulatorError};

use super::{SimulateArgs, say};

/// A line of progress this often.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// What a bench takes.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Instead: a verification bench. The source listens here, the standard on the next port (port 0: any)
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["replay", "idle", "load"])]
    pub bench: Option<SocketAddr>,
    /// Kind of load: ac (7 kW pile) or dc (120 kW)
    #[arg(long, value_name = "KIND", default_value = "ac", requires = "bench", value_parser = kind)]
    pub bench_kind: BenchKind,
    /// Source: fluke-6105a-like or dc-phantom-like (without: as the kind of load asks for)
    #[arg(long, value_name = "MODEL", requires = "bench", value_parser = source)]
    pub bench_source: Option<SourceModel>,
    /// Reference standard: zera-like or yokogawa-wt-like
    #[arg(long, value_name = "MODEL", default_value = "zera-like", requires = "bench", value_parser = standard)]
    pub bench_standard: StandardModel,
    /// Identity of the pile
    #[arg(long, value_name = "IDENTITY", default_value = "SIM-BENCH-1", requires = "bench")]
    pub bench_pile: String,
    /// True error of the pile, percent; positive: it registers too much
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 0.4,
        requires = "bench",
        allow_negative_numbers = true
    )]
    pub bench_error: f64,
    /// The same at a tenth of the rated current (without: no other)
    #[arg(long, value_name = "PERCENT", requires = "bench", allow_negative_numbers = true)]
    pub bench_error_at_tenth: Option<f64>,
    /// How many seconds of bench time pass in one; the watchdog of the source counts yours
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "bench")]
    pub bench_speed: f64,
    /// Something that goes wrong, from a second of bench time on and for so many; may be repeated
    #[arg(long, value_name = "NAME[@SECONDS[+SECONDS]]", requires = "bench")]
    pub bench_fault: Vec<Injection>,
    /// The pile's meter signs its charges with a key drawn from the seed; the public key is printed
    #[arg(long, requires = "bench")]
    pub bench_signed: bool,
}

fn kind(word: &str) -> Result<BenchKind, String> {
    match word {
        "ac" => Ok(BenchKind::Ac),
        "dc" => Ok(BenchKind::Dc),
        _ => Err("expected ac or dc".to_owned()),
    }
}

fn source(word: &str) -> Result<SourceModel, String> {
    SourceModel::from_word(word).ok_or_else(|| "expected fluke-6105a-like or dc-phantom-like".to_owned())
}

fn standard(word: &str) -> Result<StandardModel, String> {
    StandardModel::from_word(word).ok_or_else(|| "expected zera-like or yokogawa-wt-like".to_owned())
}

/// Refuses a bench that cannot be.
pub fn check(args: &BenchArgs) -> Result<()> {
    let by_kind = settings(args, 0).source;
    if args.bench_source.is_some_and(|source| source != by_kind) {
        bail!("--bench-source must be {} for this --bench-kind", by_kind.word());
    }
    let plausible = |percent: f64| (-99.0..=100.0).contains(&percent);
    if !plausible(args.bench_error) || args.bench_error_at_tenth.is_some_and(|percent| !plausible(percent)) {
        bail!("an error of the pile must lie between -99 and 100 %");
    }
    if !(args.bench_speed.is_finite() && 0.0 < args.bench_speed) {
        bail!("--bench-speed must be a number above 0");
    }
    if args.bench.is_some_and(|address| address.port() == u16::MAX) {
        bail!("--bench needs a port after its own, for the standard");
    }
    Ok(())
}

fn settings(args: &BenchArgs, seed: u64) -> BenchSettings {
    let by_kind = match args.bench_kind {
        BenchKind::Ac => BenchSettings::default(),
        BenchKind::Dc => BenchSettings::dc(),
    };
    BenchSettings {
        standard: args.bench_standard,
        error_percent: args.bench_error,
        error_at_tenth_percent: args.bench_error_at_tenth.unwrap_or(args.bench_error),
        speed: args.bench_speed,
        // Nobody lives at the bench's speed but the bench.
        watchdog_clock: WatchdogClock::Client,
        faults: args.bench_fault.clone(),
        signing_key: args.bench_signed.then(|| pile::signing_key(seed)),
        ..by_kind
    }
}

/// Runs a bench until told to stop.
pub async fn run(args: &SimulateArgs, source: SocketAddr, line: Line) -> Result<(), SimulatorError> {
    let settings = settings(&args.bench, args.seed);
    let standard = match source.port() {
        0 => source,
        port => SocketAddr::new(source.ip(), port + 1),
    };
    let identity = args.bench.bench_pile.clone();
    let (words, key) = ((settings.source.word(), settings.standard.word()), settings.signing_key);
    let server = BenchServer::start(settings, args.seed, source, standard).await?;
    let handle = server.handle();
    if let Some(file) = &args.truth {
        let truth = Truth { kind: Kind::Pile, id: identity.clone(), error: handle.true_error() };
        truth::write(file, &[truth])?;
    }
    say(&format!("source {} on {}, standard {} on {}", words.0, server.source, words.1, server.standard))?;
    say(&format!("pile {identity} at {}", line.url))?;
    if let Some(public_key) = key.and_then(|key| pile::public_key(&key)) {
        say(&format!("meter {} signs with the key {public_key}", pile::meter_serial(&identity)))?;
    }
    let protocol = args.protocol.unwrap_or(Protocol::V16);
    tokio::select! {
        ended = pile::run(handle.clone(), line, identity, protocol) => ended,
        () = show(handle) => Ok(()),
    }
}

/// Prints a line of progress each second. It never ends; where nobody reads any more, it falls silent.
async fn show(handle: BenchHandle) {
    let mut ticks = tokio::time::interval(SHOW_EVERY);
    loop {
        ticks.tick().await;
        if writeln!(std::io::stdout(), "{}", words(&handle.state())).is_err() {
            return std::future::pending().await;
        }
    }
}

fn words(state: &BenchState) -> String {
    format!(
        "{:9.1} s  {}  {:8.3} V  {:8.4} A  {:10.2} W  {:5.1} °C  reference {:10.3} Wh  register {} Wh{}",
        state.at_s,
        if state.is_on { "on " } else { "off" },
        state.voltage_v,
        state.current_a,
        state.power_w,
        state.temperature_c,
        state.reference_wh,
        state.register_wh,
        if state.is_charging { "  charging" } else { "" },
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        simulate: SimulateArgs,
    }

    fn read(words: &str) -> Result<BenchArgs> {
        let words = format!("veripile --url ws://127.0.0.1:1/ocpp {words}");
        let args = Line::try_parse_from(words.split_whitespace())?.simulate;
        super::super::check(&args).map(|()| args.bench)
    }

    #[test]
    fn a_bench_is_read_with_its_faults() {
        let args = read("--bench 127.0.0.1:5025 --bench-kind dc --bench-error -1.5 --bench-fault garbage@5+2 --bench-fault pile_silent")
            .expect("a bench");
        let settings = settings(&args, 1);
        assert_eq!((settings.source, settings.kind), (SourceModel::DcPhantom, BenchKind::Dc));
        assert!(
            (settings.error_percent + 1.5).abs() < 1e-12
                && (settings.error_at_tenth_percent + 1.5).abs() < 1e-12
        );
        assert_eq!((settings.faults.len(), settings.faults[0].until_s), (2, Some(7.0)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(read("").is_ok());
        for words in [
            "--bench-speed 5",
            "--bench nowhere",
            "--bench 127.0.0.1:65535",
            "--bench 127.0.0.1:1 --idle",
            "--bench 127.0.0.1:1 --bench-kind threephase",
            "--bench 127.0.0.1:1 --bench-source dc-phantom-like",
            "--bench 127.0.0.1:1 --bench-error 500",
            "--bench 127.0.0.1:1 --bench-speed 0",
            "--bench 127.0.0.1:1 --bench-fault nonsense",
        ] {
            assert!(read(words).is_err(), "{words}");
        }
    }
}
