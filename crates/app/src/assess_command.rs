//! `veripile assess`: on files where `--charges` names one, on the configured database where not.
//!
//! Called by the command line. What is assessed, and how, is [`crate::assess_files`]'s and [`crate::assess`]'s; here arguments are told apart
//! and the summary is shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use veripile_pile::time::rfc3339;

use crate::assess::once::{Told, once};
use crate::assess_files::{self, AssessArgs};
use crate::config::Config;
use crate::{identity, serve};

/// Whose hours of the day count where nothing else is said.
const ZONE: &str = "Asia/Shanghai";

/// Arguments of `veripile assess`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AssessCommand {
    /// Charges, CSV or CSV.gz; without it the configured database is assessed once, as the role `assess` of `veripile serve` does once a day
    #[arg(long, value_name = "FILE")]
    charges: Option<PathBuf>,
    /// Of files: piles with kind and accuracy class; without it every pile of the charges counts as class 2
    #[arg(long, value_name = "FILE")]
    piles: Option<PathBuf>,
    /// Of files: on-site results that give the estimates their level, of the pile or of the outlet in a column `outlet`; without them only
    /// differences can be told
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// Of files: energy by the stations' master meters, interval by interval; with --registers
    #[arg(long, value_name = "FILE", requires = "registers")]
    masters: Option<PathBuf>,
    /// Of files: energy by the piles' registers in the same intervals
    #[arg(long, value_name = "FILE", requires = "masters")]
    registers: Option<PathBuf>,
    /// Of files: calibrations of reference vehicles, vehicle_id and the columns of anchors; they speak of charges whose vehicle_path is
    /// reference, where an authority read the energy off that vehicle itself
    #[arg(long, value_name = "FILE")]
    references: Option<PathBuf>,
    /// Of files: the moment to speak of, RFC 3339; later charges and anchors do not count [default: the latest of all that the
    /// files tell of, charges with billed energy alone among it, but not after now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<Timestamp>,
    /// Of files: time zone of the place, IANA: its days and hours of the day are what signals speak of, whatever offset the charges are
    /// written in
    /// [default: Asia/Shanghai]
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    time_zone: Option<TimeZone>,
    /// Of files: folder for estimates.csv, vehicles.csv, signals.csv, operators.csv, rejected.csv and run.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Of the database: TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Of the database: first withdraw what a machine with a wrong clock assessed under moments of the future; all of it is assessed anew
    #[arg(long, conflicts_with = "charges")]
    forget_future: bool,
    /// Print the summary as one JSON object: of files what stands in run.json, of the database the like
    #[arg(long)]
    json: bool,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    rfc3339(text).ok_or_else(|| "no time; write RFC 3339, as 2026-03-01T08:00:00+08:00".to_owned())
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("no such time zone; write its IANA name, as {ZONE}"))
}

/// What is to be assessed.
#[derive(Debug)]
enum What {
    Files(Box<AssessArgs>),
    /// As this file configures it.
    Database(Option<PathBuf>),
}

impl AssessCommand {
    fn what(self) -> Result<What> {
        let Some(charges) = self.charges else {
            let of_files = [
                ("--piles", self.piles.is_some()),
                ("--anchors", self.anchors.is_some()),
                ("--masters", self.masters.is_some()),
                ("--registers", self.registers.is_some()),
                ("--references", self.references.is_some()),
                ("--as-of", self.as_of.is_some()),
                ("--time-zone", self.time_zone.is_some()),
                ("--out", self.out.is_some()),
            ];
            let given: Vec<&str> = of_files.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
            if !given.is_empty() {
                let given = given.join(", ");
                bail!(
                    "without --charges the database is assessed, and {given} would not count: add --charges FILE to assess files, or leave \
                     {given} out; what the database is to know of is brought in with `veripile register`"
                );
            }
            return Ok(What::Database(self.config));
        };
        if self.config.is_some() {
            bail!(
                "files are assessed without a database, and --config would not count: leave it out, or leave --charges out to assess the \
                 database"
            );
        }
        let Some(out) = self.out else {
            bail!("--charges needs a folder for the results: add --out DIR");
        };
        Ok(What::Files(Box::new(AssessArgs {
            charges,
            piles: self.piles,
            anchors: self.anchors,
            masters: self.masters,
            registers: self.registers,
            references: self.references,
            as_of: self.as_of,
            time_zone: match self.time_zone {
                Some(zone) => zone,
                None => TimeZone::get(ZONE)?,
            },
            out,
        })))
    }
}

/// Assesses; false if something that belongs to it could not be told.
pub(crate) async fn run(command: AssessCommand) -> Result<bool> {
    let (json, forget_future) = (command.json, command.forget_future);
    match command.what()? {
        What::Files(args) => {
            let summary = tokio::task::spawn_blocking(move || assess_files::run(&args)).await??;
            crate::say(&if json {
                serde_json::to_string_pretty(&summary.run)?
            } else {
                summary.to_string()
            })?;
            Ok(true)
        }
        What::Database(config) => {
            let told = database(config.as_deref(), forget_future).await;
            let told = told.context("assessing the database (no --charges)")?;
            crate::say(&if json { serde_json::to_string_pretty(&told.json())? } else { told.to_string() })?;
            Ok(told.is_whole())
        }
    }
}

async fn database(config: Option<&Path>, forget_future: bool) -> Result<Told> {
    let config = Config::read(config)?;
    let mut store = serve::connect(&config).await?;
    // Whom to visit is drawn under the server's key: another one would draw others.
    let key = identity::existing(Path::new(&config.identity.key_file))?;
    if !config.database.skip_migrations {
        store.migrate().await.context("the schema could not be brought up to date")?;
    }
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let settings = serve::assess_settings(&config.assess);
    let told = once(store.clone(), settings, key, spinner, forget_future).await;
    store.close().await;
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(command: AssessCommand) -> String {
        command.what().expect_err("a mistake").to_string()
    }

    #[test]
    fn without_charges_the_database_is_assessed_and_what_belongs_to_files_is_refused() {
        let config = Some(PathBuf::from("veripile.toml"));
        let database = AssessCommand { config: config.clone(), json: true, ..AssessCommand::default() };
        assert!(matches!(database.what().expect("the database"), What::Database(of) if of == config));
        let file = || Some(PathBuf::from("F"));
        let many =
            AssessCommand { masters: file(), registers: file(), out: file(), ..AssessCommand::default() };
        let said = told(many);
        assert!(said.contains("--masters, --registers, --out would not count"), "{said}");
        assert!(said.contains("add --charges FILE"), "{said}");
        let timed = AssessCommand { as_of: Some(Timestamp::UNIX_EPOCH), ..AssessCommand::default() };
        assert!(told(timed).contains("--as-of would not count"));
        let zoned = AssessCommand { time_zone: Some(TimeZone::UTC), ..AssessCommand::default() };
        assert!(told(zoned).contains("--time-zone would not count"));
    }

    #[test]
    fn files_need_a_folder_and_no_database() {
        let file = || Some(PathBuf::from("F"));
        let nowhere = AssessCommand { charges: file(), ..AssessCommand::default() };
        assert!(told(nowhere).contains("add --out DIR"));
        let both = AssessCommand { charges: file(), out: file(), config: file(), ..AssessCommand::default() };
        assert!(told(both).contains("--config would not count"));
        let files = AssessCommand { charges: file(), out: file(), ..AssessCommand::default() };
        let What::Files(args) = files.what().expect("files") else { panic!("not the database") };
        assert_eq!(args.time_zone.iana_name(), Some("Asia/Shanghai"));
    }
}
