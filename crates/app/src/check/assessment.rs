//! `veripile check assessment`: makes a past run of the remote assessment again, from the facts as they were known then, and says of every
//! pile whether the same comes out.
//!
//! Called by [`super::run`]. It writes nothing. Exit 0: all the same; 1: something differs; 2: the run cannot be made again, and why.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Serialize;
use veripile_assessment::assess;
use veripile_pile::{Estimate, PileId};
use veripile_store::{Store, StoredRun};

use crate::assess::facts::Facts;
use crate::assess::{Basis, SOFTWARE, since};
use crate::config::Config;
use crate::serve;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AssessmentArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number of the run [default: the newest]
    #[arg(long, value_name = "N")]
    run: Option<i64>,
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
    checked_by: &'static str,
    /// Whether the facts are those of then, by their hash.
    same_input: bool,
    piles: Vec<Line>,
}

/// A pile.
#[derive(Debug, Serialize)]
struct Line {
    pile_id: PileId,
    same: bool,
    /// What differs: stored and made again.
    differs: BTreeMap<&'static str, [String; 2]>,
}

/// Checks; whether all is the same.
pub(super) async fn run(args: &AssessmentArgs) -> Result<bool> {
    let config = Config::read(args.config.as_deref())?;
    let store = serve::connect(&config).await?;
    let report = report(&store, args.run).await;
    store.close().await;
    let report = report?;
    crate::say(&if args.json { serde_json::to_string_pretty(&report)? } else { told(&report) })?;
    Ok(report.same_input && report.piles.iter().all(|line| line.same))
}

async fn report(store: &Store, number: Option<i64>) -> Result<Report> {
    let Some(run) = store.run(number).await? else {
        match number {
            Some(number) => bail!(
                "run {number} is not stored: of each day only the last run is kept; leave --run out for the newest"
            ),
            None => bail!("there is no run yet: the role `assess` of `veripile serve` makes them"),
        }
    };
    let basis = basis(&run)?;
    let facts = Facts::load(store, run.as_of, since(run.as_of, basis.window_days)).await?;
    pruned(&run, &basis, &facts)?;
    let stored = store.estimates_of_run(run.run_no).await?;
    let same_input = facts.fingerprint().as_slice() == run.input_sha256;
    let settings = basis.settings.into();
    let made = tokio::task::spawn_blocking(move || assess(&facts.prepare().evidence, &settings)).await??;
    let made: BTreeMap<PileId, Estimate> = made.estimates.into_iter().collect();
    let line = |(pile_id, stored): (PileId, Estimate)| {
        let differs = match made.get(&pile_id) {
            Some(made) => differences(&stored, made),
            None => BTreeMap::from([("pile", ["there".to_owned(), "missing".to_owned()])]),
        };
        Line { same: differs.is_empty(), pile_id, differs }
    };
    Ok(Report {
        run: run.run_no,
        as_of: run.as_of.to_string(),
        software: run.software,
        checked_by: SOFTWARE,
        same_input,
        piles: stored.into_iter().map(line).collect(),
    })
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
            "run {} was made by {}, whose notes this program ({SOFTWARE}) cannot read: {error}",
            run.run_no,
            run.software
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
    let bits = |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{value:e}"));
    let told = |estimate: &Estimate| {
        [
            ("component", estimate.component.to_string()),
            ("grounded", estimate.grounded.to_string()),
            ("charges", estimate.charges.to_string()),
            ("period", format!("{:?}", estimate.period)),
            ("error", bits(estimate.error)),
            ("standard_uncertainty", bits(estimate.standard_uncertainty)),
            ("probability_conform", bits(estimate.probability_conform)),
            ("limit", bits(Some(estimate.limit))),
            ("rule", estimate.rule.clone()),
            ("verdict", estimate.verdict.word().to_owned()),
        ]
    };
    let both = told(stored).into_iter().zip(told(made));
    both.filter(|((_, stored), (_, made))| stored != made)
        .map(|((what, stored), (_, made))| (what, [stored, made]))
        .collect()
}

fn told(report: &Report) -> String {
    let mut lines = vec![format!(
        "run {} as of {}, made by {}, made again by {}",
        report.run, report.as_of, report.software, report.checked_by
    )];
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

    #[test]
    fn the_last_bit_of_a_number_is_a_difference() {
        assert!(differences(&estimate(), &estimate()).is_empty());
        let other = Estimate { error: Some(0.3), ..estimate() };
        assert_eq!(differences(&estimate(), &other).keys().copied().collect::<Vec<_>>(), ["error"]);
        let none = Estimate { error: None, verdict: RemoteVerdict::Undecided, ..estimate() };
        assert_eq!(differences(&estimate(), &none).keys().copied().collect::<Vec<_>>(), ["error", "verdict"]);
    }
}
