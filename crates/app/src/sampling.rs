//! `veripile sampling`: how many piles of a lot must be tested on site, and what is known of each batch.
//!
//! Called by the command line. The mathematics are `metrology::acceptance_sampling`'s and `metrology::batch`'s, the counts the store's; it
//! decides nothing about a pile.

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use veripile_metrology::acceptance_sampling::{LOT_MAX, LotError, LotQuestion, answer};
use veripile_metrology::batch::{BatchDecision, JudgedBatch, MeasuredRate, judge};
use veripile_pile::OperatorId;
use veripile_store::batch::{BATCHES_MAX, BatchRow};

use crate::config::Config;
use crate::serve;

/// Points of the operating characteristic that are printed.
const CURVE_POINTS: u32 = 10;

/// What `sampling` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct SamplingArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// The smallest sample of a lot that keeps the producer's and the consumer's risk; or what a given plan does
    Plan(PlanArgs),
    /// Every make, model, firmware and year in the database: passes and failures on site, verdicts from afar, and what follows
    Batches(BatchArgs),
}

#[derive(Debug, Clone, clap::Args)]
struct PlanArgs {
    /// Piles in the lot, 10,000 at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(LOT_MAX)))]
    lot: u32,
    /// Acceptable quality: a lot with so many percent of bad piles is to be accepted
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    aql: f64,
    /// Limiting quality: a lot with so many percent of bad piles is to be rejected
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    lq: f64,
    /// Largest producer's risk: that a lot of acceptable quality is rejected, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    producer_risk: f64,
    /// Largest consumer's risk: that a lot of limiting quality is accepted, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    consumer_risk: f64,
    /// Instead: judge this plan, so many tested and so many failures accepted
    #[arg(long, value_name = "TESTED,ACCEPTED", value_parser = given, conflicts_with_all = ["aql", "producer_risk"])]
    plan: Option<(u32, u32)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, clap::Args)]
struct BatchArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// This operator's piles only
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
    /// How often verdicts from afar found a bad pile, as a trial measured it [default: as first verifications here did]
    #[arg(long, value_name = "RIGHT/CASES", value_parser = rate, requires = "specificity")]
    sensitivity: Option<MeasuredRate>,
    /// How often they found a good pile good
    #[arg(long, value_name = "RIGHT/CASES", value_parser = rate, requires = "sensitivity")]
    specificity: Option<MeasuredRate>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "expected a percentage".to_owned())?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err("expected 0 to 100".to_owned()) }
}

fn given(text: &str) -> Result<(u32, u32), String> {
    let numbers = text
        .split_once(',')
        .and_then(|(tested, accepted)| Some((tested.parse().ok()?, accepted.parse().ok()?)));
    numbers.ok_or_else(|| "expected TESTED,ACCEPTED, such as 13,0".to_owned())
}

fn rate(text: &str) -> Result<MeasuredRate, String> {
    let numbers =
        text.split_once('/').and_then(|(right, cases)| Some((right.parse().ok()?, cases.parse().ok()?)));
    match numbers {
        Some((right, cases)) if right <= cases => Ok(MeasuredRate { right, cases }),
        _ => Err("expected RIGHT/CASES, such as 48/50".to_owned()),
    }
}

/// Runs the command; gives what is to be printed.
pub async fn run(args: &SamplingArgs) -> Result<String> {
    match &args.what {
        What::Plan(args) => plan(args),
        What::Batches(args) => batches(args).await,
    }
}

fn plan(args: &PlanArgs) -> Result<String> {
    let question = LotQuestion {
        lot: args.lot,
        acceptable: args.aql / 100.0,
        limiting: args.lq / 100.0,
        producer_risk: args.producer_risk / 100.0,
        consumer_risk: args.consumer_risk / 100.0,
        given: args.plan,
    };
    let found = answer(&question).map_err(|error| match error {
        LotError::Contradictory { .. } => anyhow!("{error}; widen the distance of --aql and --lq"),
        LotError::TooMany { .. } => anyhow!("--plan: {error}"),
    })?;
    let (plan, producer, consumer) = (found.plan, found.producer, found.consumer);
    let curve = found.characteristic(CURVE_POINTS);
    if args.json {
        let curve: Vec<Value> =
            curve.iter().map(|(bad, accepted)| json!({ "bad": bad, "accepted": accepted })).collect();
        return Ok(serde_json::to_string_pretty(&json!({
            "lot": plan.lot, "sample": plan.sample, "accepted_failures": plan.accepted_failures,
            "producer": { "bad": producer.bad, "risk": producer.risk }, "consumer": { "bad": consumer.bad, "risk": consumer.risk },
            "confidence": found.confidence, "ruled_out_from": found.ruled_out_from, "operating_characteristic": curve,
        }))?);
    }
    let mut text = format!(
        "抽样方案 sampling plan: 批量 lot {} · 抽检 test {} · 允许不合格 accept with up to {} failures\n",
        plan.lot, plan.sample, plan.accepted_failures
    );
    text += &format!(
        "生产方风险 producer's risk at {} bad: {:.2} %\n使用方风险 consumer's risk at {} bad: {:.2} %\n",
        producer.bad,
        100.0 * producer.risk,
        consumer.bad,
        100.0 * consumer.risk
    );
    text += &match found.ruled_out_from {
        Some(bad) => format!(
            "接收时以 {0:.0} % 的把握排除 an accepted lot has, with {0:.0} %, fewer bad ones than: {bad}\n",
            100.0 * found.confidence
        ),
        None => "接收不能排除任何数量 an accepted lot rules out no number of bad ones\n".to_owned(),
    };
    text += "不合格数 bad · 接收概率 accepted\n";
    for (bad, accepted) in curve {
        text += &format!("{bad:>8}   {:>7.2} %\n", 100.0 * accepted);
    }
    Ok(text.trim_end().to_owned())
}

/// A batch with what follows.
struct Judged {
    row: BatchRow,
    found: JudgedBatch,
}

async fn batches(args: &BatchArgs) -> Result<String> {
    let scope = args.operator.as_deref().map(OperatorId::parse).transpose()?;
    let store = serve::connect(&Config::read(args.config.as_deref())?).await?;
    let rates = match args.sensitivity.zip(args.specificity) {
        Some(given) => given,
        None => store.remote_agreement().await?.rates(),
    };
    let rows = store.batches(scope.as_ref()).await?;
    let is_cut = rows.len() as i64 == BATCHES_MAX;
    let judged: Vec<Judged> = rows.into_iter().map(|row| judged(row, rates)).collect::<Result<_>>()?;
    if args.json {
        let rows: Vec<Value> = judged.iter().map(Judged::json).collect();
        return Ok(serde_json::to_string_pretty(&json!({
            "sensitivity": { "right": rates.0.right, "cases": rates.0.cases },
            "specificity": { "right": rates.1.right, "cases": rates.1.cases },
            "batches": rows, "more": is_cut,
        }))?);
    }
    let mut text = format!(
        "批次 batches {}{} · 远程结论灵敏度 sensitivity {}/{} · 特异度 specificity {}/{}\n",
        judged.len(),
        if is_cut { "+" } else { "" },
        rates.0.right,
        rates.0.cases,
        rates.1.right,
        rates.1.cases
    );
    text += "桩 piles · 现场合格/不合格 passed/failed · 远程限内/限外 conform/nonconform · P(≥ 97 %) · P(< 95 %) · 抽检 sample · 结论 decision\n";
    for batch in &judged {
        text += &batch.words();
    }
    if judged.iter().any(Judged::leans_on_remote) {
        text += "* 远程结论按相互独立计入，而相互可比的桩共用一个水准：宜先在现场抽检 verdicts from afar count as independent, while piles compared with each other share one level: better test a sample on site first\n";
    }
    Ok(text.trim_end().to_owned())
}

fn judged(row: BatchRow, rates: (MeasuredRate, MeasuredRate)) -> Result<Judged> {
    let found = judge(row.size(), &row.results(rates)).context("a rate of more right ones than cases")?;
    Ok(Judged { row, found })
}

impl Judged {
    fn leans_on_remote(&self) -> bool {
        self.row.leans_on_remote(&self.found)
    }

    fn decision_zh(&self) -> &'static str {
        match self.found.decision {
            BatchDecision::Extend => "可延长",
            BatchDecision::Keep => "照旧",
            BatchDecision::Replace => "应更换",
        }
    }

    fn json(&self) -> Value {
        let row = &self.row;
        json!({
            "vendor": row.vendor, "model": row.model, "firmware": row.firmware, "made_in": row.made_in, "piles": row.piles,
            "passes": row.passes, "failures": row.failures, "conform": row.conform, "nonconform": row.nonconform,
            "probability_share_97": self.found.extend, "probability_below_95": 1.0 - self.found.keep, "sample": self.found.sample,
            "decision": self.found.decision.word(), "leans_on_remote": self.leans_on_remote(),
        })
    }

    fn words(&self) -> String {
        let row = &self.row;
        let year = row.made_in.map(|year| year.to_string());
        let known = [&row.vendor, &row.model, &row.firmware, &year];
        let name = known.map(|name| name.as_deref().unwrap_or("–")).join(" ");
        let (en, zh) = (self.found.decision.word(), self.decision_zh());
        let mark = if self.leans_on_remote() { "*" } else { "" };
        format!(
            "{:>6}  {}/{}  {}/{}  {:.3}  {:.3}  {:>4}  {zh} {en}{mark}  {name}\n",
            row.piles,
            row.passes,
            row.failures,
            row.conform,
            row.nonconform,
            self.found.extend,
            1.0 - self.found.keep,
            self.found.sample.map_or("–".to_owned(), |sample| sample.to_string())
        )
    }
}

#[cfg(test)]
mod tests {
    use veripile_store::batch::AgreementRow;

    use super::*;

    fn told(words: &[&str]) -> Result<Value> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            plan: PlanArgs,
        }
        let line = <Line as clap::Parser>::try_parse_from(["plan", "--json"].iter().chain(words))?;
        Ok(serde_json::from_str(&plan(&line.plan)?)?)
    }

    /// By trying every plan with exact fractions (as in `metrology::acceptance_sampling`): of 200 with 2 and 20 bad ones, 42 and 1; of 500
    /// with 5 and 40, 63 and 2. metrology.md §4: 13 of 40, none bad, rule out 7.
    #[test]
    fn plans_are_those_of_exact_fractions() {
        let found = told(&["--lot", "200", "--aql", "1", "--lq", "10"]).expect("a plan");
        assert_eq!((&found["sample"], &found["accepted_failures"]), (&json!(42), &json!(1)));
        let found =
            told(&["--lot", "500", "--aql", "1", "--lq", "8", "--consumer-risk", "10"]).expect("a plan");
        assert_eq!((&found["sample"], &found["accepted_failures"]), (&json!(63), &json!(2)));
        let found = told(&["--lot", "40", "--plan", "13,0", "--lq", "15"]).expect("a plan");
        assert_eq!(found["ruled_out_from"], 7);
        let risk = found["consumer"]["risk"].as_f64().expect("a risk");
        assert!((risk - 0.077_118_471_855_313_96).abs() < 1e-12, "six bad of forty");
    }

    #[test]
    fn what_is_no_plan_is_refused_and_says_why() {
        let refused = |words: &[&str], part: &str| {
            let error = format!("{:#}", told(words).expect_err("refused"));
            assert!(error.contains(part), "{words:?}: {error}");
        };
        refused(&["--lot", "40", "--plan", "41,0"], "at most 40");
        refused(&["--lot", "40", "--plan", "13"], "TESTED,ACCEPTED");
        refused(&["--lot", "40", "--aql", "10", "--lq", "5"], "no sample keeps both risks");
        refused(&["--lot", "0"], "0 is not in");
        refused(&["--lot", "40", "--lq", "NaN"], "0 to 100");
    }

    fn batch(passes: i64, failures: i64, conform: i64, nonconform: i64) -> BatchRow {
        let piles = passes + failures + conform + nonconform;
        BatchRow {
            vendor: None,
            model: Some("M".into()),
            firmware: None,
            made_in: Some(2024),
            piles,
            passes,
            failures,
            conform,
            nonconform,
        }
    }

    /// metrology.md §4: 98 passes without failure extend, 97 do not. Where nobody measured how well verdicts from afar find what is on site,
    /// a thousand of them decide nothing.
    #[test]
    fn a_batch_is_judged_by_what_is_known_of_it() {
        let unknown = MeasuredRate { right: 0, cases: 0 };
        let decision = |row: BatchRow, rates| judged(row, rates).expect("judged").found.decision;
        assert_eq!(decision(batch(98, 0, 0, 0), (unknown, unknown)), BatchDecision::Extend);
        assert_eq!(decision(batch(97, 0, 0, 0), (unknown, unknown)), BatchDecision::Keep);
        assert_eq!(decision(batch(5, 5, 0, 0), (unknown, unknown)), BatchDecision::Replace);
        assert_eq!(
            decision(batch(5, 0, 0, 9), (unknown, unknown)),
            BatchDecision::Keep,
            "nobody found a bad one"
        );
        assert_ne!(decision(batch(0, 0, 1_000, 0), (unknown, unknown)), BatchDecision::Extend);
        let well = MeasuredRate { right: 500, cases: 500 };
        assert_eq!(decision(batch(0, 0, 1_000, 0), (well, well)), BatchDecision::Extend);
        let words = |row: BatchRow| judged(row, (well, well)).expect("judged").words();
        assert!(words(batch(0, 0, 1_000, 0)).contains("extend*"), "what they share is told");
        assert!(words(batch(98, 0, 0, 0)).contains("extend "), "nothing seen from afar");
        assert!(words(batch(98, 0, 0, 0)).ends_with("– M – 2024\n"), "{}", words(batch(98, 0, 0, 0)));
        let agreement = AgreementRow {
            failed_conform: 1,
            failed_nonconform: 9,
            passed_conform: 80,
            passed_nonconform: 2,
        };
        let rates = agreement.rates();
        assert_eq!((rates.0.right, rates.0.cases, rates.1.right, rates.1.cases), (9, 10, 80, 82));
    }
}
