//! `veripile assess` on the database: everything is assessed once, as the role does once a day, and what came of it is told.
//!
//! Called by [`crate::assess_command`]. It waits for its turn where a role assesses (`store::alone`); the role goes on from the run made here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::{Value, json};
use veripile_assessment::Assessment;
use veripile_ocpp::IdentityKey;
use veripile_pile::RemoteVerdict;
use veripile_store::{AssessLock, AssessmentRun, Store};

use super::facts::{BALANCED, VEHICLES};
use super::{AssessMetrics, AssessSettings, Assessor, clock};

/// Another process may assess for so long; a nation takes minutes.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// Between two looks whether it has ended.
const WAIT_STEP: Duration = Duration::from_millis(250);

/// Every verdict, in the order in which they are told.
const VERDICTS: [RemoteVerdict; 4] = [
    RemoteVerdict::Conform,
    RemoteVerdict::Nonconform,
    RemoteVerdict::Undecided,
    RemoteVerdict::NotComparable,
];

/// What came of a whole assessment.
#[derive(Debug)]
pub(crate) struct Told {
    run_no: i64,
    as_of: Timestamp,
    input_sha256: String,
    /// Piles, in the order of [`VERDICTS`].
    verdicts: [usize; 4],
    /// Charges compared, and those with both sides that were not, by reason.
    compared: usize,
    screened: BTreeMap<&'static str, usize>,
    signals: BTreeMap<&'static str, usize>,
    operators: BTreeMap<&'static str, usize>,
    /// With what it was made: [`super::Basis`].
    basis: Value,
    fit: Value,
    /// Why errors by week could not be told, if so. The verdicts stand.
    pub(super) weeks_failed: Option<String>,
    /// Set at the end.
    seconds: f64,
}

impl Told {
    pub(super) fn of(run_no: i64, mut run: AssessmentRun, assessment: &Assessment) -> Self {
        if let Some(facts) = run.facts.as_object_mut() {
            facts.remove(BALANCED);
            facts.remove(VEHICLES);
        }
        let count = |verdict: RemoteVerdict| {
            assessment.estimates.iter().filter(|(_, estimate)| estimate.verdict == verdict).count()
        };
        Self {
            run_no,
            as_of: run.as_of,
            input_sha256: hex::encode(run.input_sha256),
            verdicts: VERDICTS.map(count),
            compared: assessment.facts.charges,
            screened: assessment.facts.screened.clone(),
            signals: counted(run.signals.iter().map(|signal| signal.code)),
            operators: counted(run.balances.iter().map(|balance| balance.balance)),
            basis: run.basis,
            fit: run.facts,
            weeks_failed: None,
            seconds: 0.0,
        }
    }

    /// Whether everything was done.
    pub(crate) fn is_whole(&self) -> bool {
        self.weeks_failed.is_none()
    }

    /// What `run.json` tells of files, of the database.
    pub(crate) fn json(&self) -> Value {
        let verdicts: BTreeMap<&str, usize> =
            VERDICTS.map(RemoteVerdict::word).into_iter().zip(self.verdicts).collect();
        json!({
            "software": { "name": "veripile", "version": env!("CARGO_PKG_VERSION") },
            "run": self.run_no,
            "as_of": self.as_of.to_string(),
            "input_sha256": self.input_sha256,
            "settings": self.basis["settings"],
            "basis": self.basis,
            "counts": {
                "compared": self.compared,
                "set_aside": self.set_aside(),
                "verdicts": verdicts,
                "signals": self.signals_told(),
                "operators": self.operators,
            },
            "not_asked": self.not_asked(),
            "fit": self.fit,
            "weeks_failed": self.weeks_failed,
            "timings_s": { "total": self.seconds },
        })
    }

    /// Charges of the window that were not compared, by reason.
    fn set_aside(&self) -> BTreeMap<&'static str, usize> {
        let known = self.basis["charges"].as_u64().unwrap_or_default() as usize;
        let both_sides = self.compared + self.screened.values().sum::<usize>();
        let mut all = self.screened.clone();
        let one_side = known.saturating_sub(both_sides);
        if 0 < one_side {
            all.insert("vehicle_side_missing", one_side);
        }
        all
    }

    /// Findings by code; none where there were too many charges to look.
    fn signals_told(&self) -> Option<&BTreeMap<&'static str, usize>> {
        let is_skipped = self.basis["signals_skipped"].as_bool().unwrap_or_default();
        (!is_skipped).then_some(&self.signals)
    }

    /// Signals that nothing told enough for, by code.
    fn not_asked(&self) -> Vec<&str> {
        let codes = self.basis["signals_not_asked"].as_array();
        codes.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

fn counted(words: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_insert(0) += 1);
    counts
}

fn listed(counts: &BTreeMap<&'static str, usize>) -> String {
    counts.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(" · ")
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [conform, nonconform, undecided, not_comparable] = self.verdicts;
        let set_aside = self.set_aside();
        let aside: usize = set_aside.values().sum();
        writeln!(
            f,
            "充电桩 piles: 限内 conform {conform} · 限外 nonconform {nonconform} · 待定 undecided {undecided} · 不可比 not comparable {not_comparable}"
        )?;
        writeln!(f, "充电 charges: 参与比对 compared {} · 未参与 set aside {aside}", self.compared)?;
        if !set_aside.is_empty() {
            writeln!(f, "  未参与 set aside: {}", listed(&set_aside))?;
        }
        match self.signals_told() {
            Some(found) if found.is_empty() => {}
            Some(found) => writeln!(f, "信号 signals: {}（/op/signals）", listed(found))?,
            None => writeln!(f, "注意 note: 充电太多，未查找可疑信号 / too many charges for signals")?,
        }
        if !self.not_asked().is_empty() {
            let codes = self.not_asked().join(", ");
            writeln!(f, "缺少所需的数据、未查找的信号 signals not asked for want of data: {codes}")?;
        }
        if !self.operators.is_empty() {
            writeln!(f, "运营商 operators: {}", listed(&self.operators))?;
        }
        if let Some(error) = &self.weeks_failed {
            writeln!(f, "注意 note: 逐周误差未能得出 / errors by week could not be told: {error}")?;
        }
        writeln!(f, "远程证据，不是检定 / remote evidence, not a verification")?;
        write!(
            f,
            "已写入 written: 第 {run} 次评估，run {run} as of {}; veripile check assessment --run {run}",
            self.as_of,
            run = self.run_no
        )
    }
}

/// Assesses everything once; before that, if so asked, withdraws what was assessed under moments of the future.
///
/// # Errors
/// If there is no pile, if clocks differ or are behind what was assessed, or another process goes on assessing for an hour.
pub(crate) async fn once(
    store: Store,
    settings: AssessSettings,
    key: IdentityKey,
    progress: ProgressBar,
    forget_future: bool,
) -> Result<Told> {
    let metrics = AssessMetrics::register(&prometheus::Registry::new())?;
    let mut assessor = Assessor::new(store, settings, key, metrics, progress);
    let mut lock = turn(&assessor).await?;
    let began = Instant::now();
    let told = whole(&mut assessor, &mut lock, forget_future).await;
    lock.release().await;
    assessor.progress.finish_and_clear();
    match told? {
        Some(told) => Ok(Told { seconds: began.elapsed().as_secs_f64(), ..told }),
        None => bail!(
            "no pile is registered, so there is nothing to assess: register some with `veripile register --piles FILE`"
        ),
    }
}

async fn whole(assessor: &mut Assessor, lock: &mut AssessLock, forget_future: bool) -> Result<Option<Told>> {
    if forget_future {
        clock::forget_future(&assessor.store).await?;
    }
    let (as_of, _) = assessor.take_in().await?;
    assessor.assess_whole(as_of, lock).await
}

/// Waits until nobody else assesses.
async fn turn(assessor: &Assessor) -> Result<AssessLock> {
    let began = Instant::now();
    loop {
        if let Some(lock) = assessor.store.assess_alone().await? {
            return Ok(lock);
        }
        if WAIT_MAX <= began.elapsed() {
            bail!(
                "another process has been assessing this database for an hour: wait until it has ended, or look into it (role `assess` of \
                 `veripile serve`), and try again"
            );
        }
        assessor.progress.set_message("等待正在进行的评估 waiting for the assessment that runs");
        tokio::time::sleep(WAIT_STEP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told {
            run_no: 7,
            as_of: Timestamp::UNIX_EPOCH,
            input_sha256: "00".to_owned(),
            verdicts: [3, 1, 2, 4],
            compared: 90,
            screened: BTreeMap::from([("energy_too_small", 4)]),
            signals: BTreeMap::from([("clock", 2)]),
            operators: BTreeMap::from([("biased", 1)]),
            basis: json!({ "charges": 100, "signals_skipped": false, "signals_not_asked": ["efficiency"] }),
            fit: json!({ "rounds": 3 }),
            weeks_failed: None,
            seconds: 1.5,
        }
    }

    // By hand: of 100 charges 90 were compared and 4 too small, so that 6 have one side only.
    #[test]
    fn what_was_not_compared_is_told_with_its_reason() {
        let told = told();
        let json = told.json();
        let aside = json!({ "energy_too_small": 4, "vehicle_side_missing": 6 });
        assert_eq!(json["counts"]["set_aside"], aside);
        assert_eq!(json["counts"]["verdicts"]["not_comparable"], 4);
        let text = told.to_string();
        assert!(text.contains("compared 90 · 未参与 set aside 10") && text.contains("run 7"), "{text}");
        assert!(text.contains("clock 2") && told.is_whole(), "{text}");
        assert!(text.contains("not asked for want of data: efficiency\n"), "{text}");
        assert_eq!(json["not_asked"], json!(["efficiency"]));
    }

    #[test]
    fn signals_that_were_not_looked_for_are_none_and_weeks_that_failed_are_told() {
        let told = Told {
            basis: json!({ "charges": 100, "signals_skipped": true }),
            weeks_failed: Some("no memory".to_owned()),
            ..told()
        };
        assert_eq!(told.json()["counts"]["signals"], Value::Null);
        assert!(told.to_string().contains("no memory") && !told.is_whole());
    }
}
