//! veripile: every public charging pile's metering error, known with a number and an honest uncertainty.
//!
//! The one binary: reads the command line and hands over to the module of the command.

mod account;
mod api_key;
mod assess;
mod assess_command;
mod assess_files;
mod authority;
mod balances;
mod case;
mod check;
mod config;
#[cfg(feature = "embedded")]
mod demo;
mod identity;
mod keys;
mod ocpi_party;
mod places;
mod plausible;
mod prices;
mod register;
mod said;
mod sampling;
mod secret;
mod serve;
mod server;
mod signals;
mod signing;
mod simulate;
#[cfg(feature = "embedded")]
mod story;
mod study;
mod table;
mod tls;
mod witness;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::Config;

/// The gateway makes and drops many short strings; the C library's allocator took a fifth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 充电桩计量：在线监测、远程评估、虚负荷检定 / charging piles: monitored, assessed from afar, verified
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A simulated city on an embedded database, in one process: open the page it prints
    #[cfg(feature = "embedded")]
    Demo(demo::DemoArgs),
    /// Production: chargers, pages and assessment on a PostgreSQL or TimescaleDB server
    Serve(ConfigArgs),
    /// Bring the database's schema up to date
    Migrate(ConfigArgs),
    /// Register stations, prices, piles and on-site results from CSV files; stations from GeoJSON and OCPI too
    Register(register::RegisterArgs),
    /// What others than the pile tell of charges: telematics, apps, reference vehicles; models, temperatures, bills
    Witness(witness::WitnessArgs),
    /// Who may sign in to the operators' pages
    Account(account::AccountArgs),
    /// Keys for those who ask the query API more than anybody may
    ApiKey(api_key::ApiKeyArgs),
    /// Moves a case, step by step: who, when, why; two people confirm, and the operator has its time to reply
    Case(case::CaseArgs),
    /// Parties that may read locations and tariffs over OCPI
    OcpiParty(ocpi_party::OcpiPartyArgs),
    /// Chargers over real sockets: a fleet, real sessions replayed, or load
    Simulate(simulate::SimulateArgs),
    /// The remote assessment: on files (--charges), without a database; or once on the configured database
    Assess(assess_command::AssessCommand),
    /// Seeded worlds with known truth, assessed: error against the bound, coverage, detection, false alarms
    Study(study::StudyArgs),
    /// Sampling plans for verifications on site, and what is known of each make, model and firmware
    Sampling(sampling::SamplingArgs),
    /// Signed meter values and certificates offline, assessments from the database: exit 0 all good, 1 something failed, 2 could not run
    Check(check::CheckArgs),
    /// Exit 0 when the local server answers
    Healthcheck(ConfigArgs),
}

#[derive(Debug, Clone, clap::Args)]
struct ConfigArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    fn read(&self) -> Result<Config> {
        Config::read(self.config.as_deref())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log(&arguments.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(arguments.command)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => fail(&error),
    }
}

/// Runs a command; false if what it checked is not good.
async fn run(command: Command) -> Result<bool> {
    match command {
        #[cfg(feature = "embedded")]
        Command::Demo(args) => demo::run(&args).await?,
        Command::Serve(args) => serve::serve(&args.read()?).await?,
        Command::Migrate(args) => serve::migrate(&args.read()?).await?,
        Command::Register(args) => register::run(&args).await?,
        Command::Witness(args) => say(&witness::run(&args).await?)?,
        Command::Account(args) => account::run(&args).await?,
        Command::ApiKey(args) => api_key::run(&args).await?,
        Command::Case(args) => case::run(&args).await?,
        Command::OcpiParty(args) => ocpi_party::run(&args).await?,
        Command::Simulate(args) => {
            simulate::check(&args)?;
            simulate::run(&args).await?;
        }
        Command::Assess(command) => return assess_command::run(command).await,
        Command::Study(args) => {
            let summary = tokio::task::spawn_blocking(move || study::run(&args)).await??;
            say(&summary)?;
        }
        Command::Sampling(args) => say(&sampling::run(&args).await?)?,
        Command::Check(args) => return check::run(&args).await,
        Command::Healthcheck(args) => serve::healthcheck(&args.read()?).await?,
    }
    Ok(true)
}

/// Logs go to standard error; the demo, which talks to a person, logs warnings only. `VERIPILE_LOG` sets other levels.
fn log(command: &Command) {
    let default = match command {
        Command::Serve(_) | Command::Migrate(_) => "info,actix_server=warn",
        _ => "warn",
    };
    let filter = EnvFilter::try_from_env("VERIPILE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// Prints the summary, which is the command's output.
fn say(text: &str) -> Result<()> {
    say_to(&mut io::stdout().lock(), text).context("standard output: cannot be written")
}

/// Whoever reads through a pipe may have read enough (`| head -2`): the work is done, and nothing is wrong.
fn say_to(output: &mut impl Write, text: &str) -> io::Result<()> {
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    remark(&format!("veripile: {error:#}"));
    ExitCode::from(2)
}

/// Tells whoever called the command something that is not its output. Where nobody reads it, nothing can be told of that either.
fn remark(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_read_enough_is_no_error_and_a_full_disk_is_one() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        drop(reader);
        assert!(say_to(&mut writer, "three\nlines\nof text").is_ok());
        let mut full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        assert_eq!(say_to(&mut full, "text").expect_err("full").kind(), io::ErrorKind::StorageFull);
        let mut kept = Vec::new();
        say_to(&mut kept, "text").expect("in memory");
        assert_eq!(kept, b"text\n");
    }
}
