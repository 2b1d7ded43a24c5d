//! `veripile check assessment`: makes a past run of the remote assessment again, from the facts as they were known then, and says of every
//! pile whether the same comes out.
//!
//! Called by [`super::run`]. It writes nothing; next dates are made again, too, from the same facts. Exit 0: all the same; 1: something
//! differs; 2: the run cannot be made again, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Serialize;
use veripile_assessment::interval::Withdrawn;
use veripile_assessment::{Assessment, assess};
use veripile_metrology::comparison::Settings;
use veripile_pile::{Estimate, PileId};
use veripile_store::evidence::EvidencePile;
use veripile_store::{Store, StoredRun, VerdictChange};

use crate::assess::facts::Facts;
use crate::assess::{Basis, NextByState, digest, next_dates, since, software};
use crate::config::Config;
use crate::serve;

/// What is written with a run or from it and not made again here: it is told so that nobody believes it checked.
const NOT_COMPARED: [&str; 5] = [
    "findings (signals)",
    "operators' balances",
    "which piles were connected, and whom to visit",
    "errors by week",
    "what acts make of a standing beside the verdict",
];

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AssessmentArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of the run [default: the newest]
    #[arg(long, value_name = "N")]
    run: Option<i64>,
    /// Tells the runs that changed this pile's verdict instead of making one again
    #[arg(long, value_name = "PILE", conflicts_with = "run")]
    pile: Option<String>,
    /// Tell it as JSON
    #[arg(long)]
    json: bool,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Report {
    run: i64,
    as_of: String,
    software: String,
    /// The one that checks.
    checked_by: String,
    /// Whether the two are one: else nobody can expect the same to the last bit.
    same_software: bool,
    /// Whether the facts are those of then, by their hash.
    same_input: bool,
    /// Whether all estimates are those of then, by their hash; none where the run has none.
    same_estimates: Option<bool>,
    /// Piles of which it spoke.
    piles_assessed: usize,
    /// Standings whose verdict stems from this run.
    standings: usize,
    /// Next dates that are stored with it.
    dates: usize,
    /// Piles whose estimate is stored: all of the last run of a day, those whose verdict changed of another one.
    piles: Vec<Line>,
    not_compared: [&'static str; 5],
}

/// A pile.
#[derive(Debug, Serialize)]
struct Line {
    pile_id: PileId,
    same: bool,
    /// What differs: stored and made again.
    differs: BTreeMap<&'static str, [String; 2]>,
}

/// A run that changed a verdict.
#[derive(Debug, Serialize)]
struct Change {
    run: i64,
    as_of: String,
    before: Option<String>,
    verdict: String,
}

/// Checks; whether all is the same.
pub(super) async fn run(args: &AssessmentArgs) -> Result<bool> {
    let config = Config::read(args.config.as_deref())?;
    let store = serve::connect(&config).await?;
    if let Some(pile) = &args.pile {
        let told = changes(&store, pile, args.json).await;
        store.close().await;
        crate::say(&told?)?;
        return Ok(true);
    }
    let report = report(&store, args.run).await;
    store.close().await;
    let report = report?;
    crate::say(&if args.json { serde_json::to_string_pretty(&report)? } else { told(&report) })?;
    let same = report.piles.iter().all(|line| line.same) && report.same_estimates != Some(false);
    Ok(report.same_input && same)
}

/// Which runs changed a pile's verdict, newest first.
async fn changes(store: &Store, pile: &str, json: bool) -> Result<String> {
    let changes = store.verdict_changes(&PileId::parse(pile)?).await?;
    let change = |change: VerdictChange| Change {
        run: change.run_no,
        as_of: change.as_of.to_string(),
        before: change.before,
        verdict: change.verdict,
    };
    let changes: Vec<Change> = changes.into_iter().map(change).collect();
    if json {
        return Ok(serde_json::to_string_pretty(&changes)?);
    }
    let line = |change: &Change| {
        let before = change.before.as_deref().unwrap_or("none");
        format!("run {} as of {}: {before} → {}", change.run, change.as_of, change.verdict)
    };
    match changes[..] {
        [] => bail!("no run that is stored changed a verdict of pile {pile}"),
        _ => Ok(changes.iter().map(line).collect::<Vec<_>>().join("\n")),
    }
}

async fn report(store: &Store, number: Option<i64>) -> Result<Report> {
    let Some(run) = store.run(number).await? else {
        match number {
            Some(number) => bail!(
                "run {number} is not stored: of each day the last run is kept, and those that changed a verdict (--pile PILE tells which); \
                 leave --run out for the newest"
            ),
            None => bail!("there is no run yet: the role `assess` of `veripile serve` makes them"),
        }
    };
    let basis = basis(&run)?;
    let facts = Facts::load(store, run.as_of, since(run.as_of, basis.window_days)).await?;
    pruned(&run, &basis, &facts)?;
    let stored = store.estimates_of_run(run.run_no).await?;
    let standings: BTreeMap<PileId, String> = store.standing_verdicts(run.as_of).await?.into_iter().collect();
    let dates: BTreeMap<String, NextByState> = store.dates_of_run(run.run_no).await?.into_iter().collect();
    let lapsed: BTreeSet<String> =
        dates.iter().filter(|(_, date)| is_silent(date)).map(|(pile_id, _)| pile_id.clone()).collect();
    let same_input = facts.fingerprint().as_slice() == run.input_sha256;
    let settings = basis.settings.into();
    let (made, made_dates) = tokio::task::spawn_blocking(move || again(&facts, &settings, &lapsed)).await??;
    let same_estimates = run.estimates_sha256.map(|stored| stored == digest(&made.estimates));
    let piles_assessed = made.estimates.len();
    let made: BTreeMap<PileId, Estimate> = made.estimates.into_iter().collect();
    let line = |(pile_id, stored): (PileId, Estimate)| {
        let mut differs = match made.get(&pile_id) {
            Some(made) => differences(&stored, made),
            None => BTreeMap::from([("pile", ["there".to_owned(), "missing".to_owned()])]),
        };
        let verdict = made.get(&pile_id).map_or("none", |made| made.verdict.word());
        if let Some(standing) = standings.get(&pile_id).filter(|standing| *standing != verdict) {
            differs.insert("standing's verdict", [standing.clone(), verdict.to_owned()]);
        }
        if let Some(stored) = dates.get(pile_id.as_str()) {
            let both = [Some(stored), made_dates.get(&pile_id)];
            if both[0] != both[1] {
                differs.insert("next date", both.map(told_date));
            }
        }
        Line { same: differs.is_empty(), pile_id, differs }
    };
    Ok(Report {
        run: run.run_no,
        as_of: run.as_of.to_string(),
        same_software: run.software == software(),
        software: run.software,
        checked_by: software(),
        same_input,
        same_estimates,
        piles_assessed,
        standings: standings.len(),
        dates: dates.len(),
        piles: stored.into_iter().map(line).collect(),
        not_compared: NOT_COMPARED,
    })
}

/// The assessment, and each pile's next date. When piles were heard last is overwritten: whether one was silent is taken as the run told it.
fn again(
    facts: &Facts,
    settings: &Settings,
    silent: &BTreeSet<String>,
) -> Result<(Assessment, BTreeMap<PileId, NextByState>)> {
    let made = assess(&facts.prepare().evidence, settings)?;
    let heard = |pile: &EvidencePile| Some(facts.as_of).filter(|_| !silent.contains(pile.pile_id.as_str()));
    let dates = next_dates(facts, &made, heard);
    let dates = facts.piles.iter().map(|pile| pile.pile_id.clone()).zip(dates).collect();
    Ok((made, dates))
}

fn is_silent((_, withdrawn): &NextByState) -> bool {
    withdrawn.iter().any(|word| word == Withdrawn::ConnectionLapsed.word())
}

/// A next date in words.
fn told_date(date: Option<&NextByState>) -> String {
    match date {
        None => "missing".to_owned(),
        Some((Some(due), _)) => due.to_string(),
        Some((None, withdrawn)) => format!("withdrawn ({})", withdrawn.join(", ")),
    }
}

fn basis(run: &StoredRun) -> Result<Basis> {
    let Some(basis) = &run.basis else {
        bail!(
            "run {} was made by {} before facts were kept as they were known: it cannot be made again",
            run.run_no,
            run.software
        );
    };
    match serde_json::from_value(basis.clone()) {
        Ok(basis) => Ok(basis),
        Err(error) => bail!(
            "run {} was made by {}, whose notes this program ({}) cannot read: {error}",
            run.run_no,
            run.software,
            software()
        ),
    }
}

/// Fails where facts of the run are no longer stored.
fn pruned(run: &StoredRun, basis: &Basis, facts: &Facts) -> Result<()> {
    let counts = [
        ("charges", basis.charges, facts.charges.len()),
        ("piles", basis.piles, facts.piles.len()),
        ("acts", basis.acts, facts.acts.len()),
        ("intervals of energy", basis.intervals, facts.energy.len()),
        ("calibrations of reference vehicles", basis.calibrations, facts.calibrations.len()),
        ("stations' prices by the hour", basis.tariffs, facts.tariffs.len()),
    ];
    for (what, then, now) in counts {
        if now < then {
            bail!(
                "run {} cannot be made again: of the {then} {what} that it rests on {} are no longer stored",
                run.run_no,
                then - now
            );
        }
    }
    Ok(())
}

/// Numbers are compared bit by bit.
fn differences(stored: &Estimate, made: &Estimate) -> BTreeMap<&'static str, [String; 2]> {
    let both = crate::assess::told(stored).into_iter().zip(crate::assess::told(made));
    both.filter(|((_, stored), (_, made))| stored != made)
        .map(|((what, stored), (_, made))| (what, [stored, made]))
        .collect()
}

fn told(report: &Report) -> String {
    let mut lines = vec![format!(
        "run {} as of {}, made by {}, made again by {}",
        report.run, report.as_of, report.software, report.checked_by
    )];
    if !report.same_software {
        lines.push(
            "another program made it: this one cannot be expected to make the same, and what differs does not say that somebody changed it; \
             check it with the program that made it"
                .to_owned(),
        );
    }
    if !report.same_input {
        lines.push("the facts are not those of then: their hash differs".to_owned());
    }
    for line in report.piles.iter().filter(|line| !line.same) {
        let differs: Vec<String> =
            line.differs.iter().map(|(what, [stored, made])| format!("{what} {stored} → {made}")).collect();
        lines.push(format!("{} differs: {}", line.pile_id, differs.join(", ")));
    }
    let same = report.piles.iter().filter(|line| line.same).count();
    lines.push(format!("{same} of {} piles the same", report.piles.len()));
    let all = report.piles_assessed;
    lines.push(match report.same_estimates {
        Some(true) => format!("the estimates of all {all} piles of the run are those of then, by their hash"),
        Some(false) => format!("the estimates of all {all} piles of the run have another hash than then"),
        None => format!("this run kept no hash: of {all} piles those that are stored were compared"),
    });
    lines.push(format!("verdicts of {} standings stem from this run and were compared", report.standings));
    lines.push(match report.dates {
        0 => "no next dates are stored with this run: those of a later one of its day took their place"
            .to_owned(),
        dates => format!("next dates of {dates} piles were compared"),
    });
    lines.push(format!("not compared: {}", report.not_compared.join("; ")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use veripile_pile::RemoteVerdict;

    fn estimate() -> Estimate {
        Estimate {
            as_of: jiff::Timestamp::UNIX_EPOCH,
            component: 0,
            grounded: true,
            charges: 30,
            period: None,
            error: Some(0.1 + 0.2),
            standard_uncertainty: Some(0.001),
            probability_conform: Some(0.9),
            limit: 0.01,
            rule: "r".into(),
            verdict: RemoteVerdict::Conform,
        }
    }

    fn made_by(software: String) -> Report {
        Report {
            run: 7,
            as_of: "2026-07-01T00:00:00Z".to_owned(),
            same_software: software == super::software(),
            software,
            checked_by: super::software(),
            same_input: true,
            same_estimates: Some(false),
            piles_assessed: 1,
            standings: 1,
            dates: 1,
            piles: Vec::new(),
            not_compared: NOT_COMPARED,
        }
    }

    /// The version alone was the same before and after a change of the estimator.
    #[test]
    fn what_differs_is_put_down_to_another_program_where_there_is_one() {
        let revision = veripile_assessment::REVISION.to_string();
        assert!(
            software().starts_with("veripile ") && software().ends_with(&format!(", estimator {revision}"))
        );
        let said = told(&made_by(software()));
        assert!(said.contains("another hash than then") && !said.contains("another program"), "{said}");
        let before = concat!("veripile ", env!("CARGO_PKG_VERSION"));
        let said = told(&made_by(before.to_owned()));
        assert!(said.contains("another program made it"), "{said}");
        let both = format!("made by {before}, made again by {}", software());
        assert!(said.contains(&both), "{said}");
    }

    #[test]
    fn a_date_is_told_in_words_and_who_was_silent_is_read_off_it() {
        let due: NextByState = (Some(jiff::civil::date(2027, 1, 31)), Vec::new());
        let none: NextByState = (None, vec!["few_charges".to_owned(), "connection_lapsed".to_owned()]);
        let told = [Some(&due), Some(&none), None].map(told_date);
        assert_eq!(told, ["2027-01-31", "withdrawn (few_charges, connection_lapsed)", "missing"]);
        assert!(!is_silent(&due) && is_silent(&none));
    }

    #[test]
    fn the_last_bit_of_a_number_is_a_difference() {
        assert!(differences(&estimate(), &estimate()).is_empty());
        let other = Estimate { error: Some(0.3), ..estimate() };
        assert_eq!(differences(&estimate(), &other).keys().copied().collect::<Vec<_>>(), ["error"]);
        let none = Estimate { error: None, verdict: RemoteVerdict::Undecided, ..estimate() };
        assert_eq!(differences(&estimate(), &none).keys().copied().collect::<Vec<_>>(), ["error", "verdict"]);
    }
}
