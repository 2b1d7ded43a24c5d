//! `veripile case`: moves a case on a pile from one stage to the next, writes down what the operator replied, says whose a case is where nobody
//! had, or shows where its cases stand.
//!
//! For whoever leads the platform, until the regulator's pages do it. Which step may follow which is `veripile_pile::case`'s.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use veripile_pile::case::reply::{self, Reply, ReplyBy};
use veripile_pile::case::{Stage, Step};
use veripile_pile::{NO_BODY, PileId, body};
use veripile_store::Store;

use crate::config::Config;
use crate::serve;

/// Longest reason, characters.
const REASON_CHARS_MAX: usize = 2_000;

/// What `case` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct CaseArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which pile; alone: shows its cases
    #[arg(value_parser = PileId::parse, value_name = "PILE")]
    pile: PileId,
    /// Number of the case
    #[arg(long, requires = "person")]
    number: Option<String>,
    /// The stage it goes to: signal, triage, open, test_requested, on_site, proposed, confirmed, served, published, rectified,
    /// reverified, closed, dismissed, merged, escalated; without it and `--reply` `--issuer` says whose a case is of which nobody had said so
    #[arg(long, group = "what", value_parser = stage, requires_all = ["number", "person"], value_name = "STAGE")]
    to: Option<Stage>,
    /// What the operator replied on paper to the open case, word by word, up to 2,000 characters: the case stays where it is. The public reads it
    /// beside the state; what is said of a failure that is not public yet waits with it. Name nobody
    #[arg(long, group = "what", requires_all = ["number", "person"], value_name = "TEXT")]
    reply: Option<String>,
    /// Who takes the step, or writes the reply down
    #[arg(long, requires = "number")]
    person: Option<String>,
    /// The body that leads the case, needed at the latest with `--to open`; with `--to escalated` the one above that leads it on
    #[arg(long, requires = "number")]
    issuer: Option<String>,
    /// Outlet that the case is about, where it begins; else the whole pile
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    outlet: Option<u32>,
    /// Why; needed to open, propose, dismiss, merge and escalate, and to say afterwards whose a case is
    #[arg(long, default_value = "")]
    reason: String,
    /// SHA-256 of the evidence, 64 hexadecimal digits
    #[arg(long, value_parser = sha256, value_name = "HEX")]
    evidence_sha256: Option<String>,
    /// The operator gave up its time to reply (with `--to served`)
    #[arg(long)]
    reply_waived: bool,
}

fn stage(word: &str) -> Result<Stage> {
    let words = || Stage::ALL.map(Stage::word).join(", ");
    Stage::from_word(word).ok_or_else(|| anyhow!("{word:?} is none of {}", words()))
}

fn sha256(text: &str) -> Result<String> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("{text:?} is not 64 hexadecimal digits");
    }
    Ok(text.to_ascii_lowercase())
}

/// Takes the step, or shows the steps taken.
pub async fn run(args: &CaseArgs) -> Result<()> {
    let config = Config::read(args.config.as_deref())?;
    let rules = config.supervision.rules()?;
    let mut store = serve::connect(&config).await?;
    store.migrate().await?;
    if let (Some(words), Some(number), Some(person)) = (&args.reply, &args.number, &args.person) {
        let reply = Reply {
            number: given("--number", number)?,
            at: Timestamp::now(),
            by: ReplyBy::Authority,
            person: given("--person", person)?,
            words: reply::words(words).context("--reply")?,
        };
        let taken = store.take_case_reply(&args.pile, &reply).await?;
        let is_new = taken.with_context(|| format!("case {number} of {}", args.pile))?;
        let told = if is_new {
            reply_line(&reply)
        } else {
            format!("{number}: the last reply said so already; nothing was done")
        };
        super::say(&told)?;
    } else if let Some((number, person)) = args.number.as_ref().zip(args.person.as_ref()) {
        let (to, issuer) = (args.to.unwrap_or(Stage::Named), args.issuer.as_deref().unwrap_or(NO_BODY));
        if args.reply_waived && to != Stage::Served {
            bail!("--reply-waived goes with --to served");
        }
        if to == Stage::Escalated && issuer.trim() == NO_BODY {
            bail!("--to escalated needs --issuer, the body that leads the case on");
        }
        let step = Step {
            number: given("--number", number)?,
            outlet: args.outlet,
            issuer: given("--issuer", issuer)?,
            person: given("--person", person)?,
            at: Timestamp::now(),
            from: None,
            to,
            reason: args.reason.trim().chars().take(REASON_CHARS_MAX).collect(),
            evidence_sha256: args.evidence_sha256.clone(),
        };
        let taken = store.take_case_step(&args.pile, step, rules, args.reply_waived).await?;
        let taken = taken.with_context(|| format!("case {number} of {}", args.pile))?;
        super::say(&line(&taken))?;
    } else {
        for line in told(&store, &args.pile).await? {
            super::say(&line)?;
        }
    }
    let pile = store.pile(&args.pile).await?.ok_or_else(|| anyhow!("there is no pile {}", args.pile))?;
    super::say(&format!("{} is {}", args.pile, pile.state(Timestamp::now()).word()))?;
    store.close().await;
    Ok(())
}

/// Steps taken and replies, in the order of time.
async fn told(store: &Store, pile: &PileId) -> Result<Vec<String>> {
    let mut lines: Vec<_> = store.case_steps(pile).await?.iter().map(|step| (step.at, line(step))).collect();
    let replies = store.case_replies(pile).await?;
    lines.extend(replies.iter().map(|reply| (reply.at, reply_line(reply))));
    lines.sort_by_key(|(at, _)| *at);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

/// A name or number that is not empty and stands on one line.
fn given(what: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
        bail!("{what}: 1 to 100 characters on one line");
    }
    Ok(text.to_owned())
}

/// A step in words; the body is the one that led the case with it.
fn line(step: &Step) -> String {
    let Step { at, number, to, person, reason, .. } = step;
    let from = step.from.map_or("-", Stage::word);
    let issuer = body(&step.issuer).unwrap_or("body not told");
    format!("{at} {number}: {from} -> {to} by {person} ({issuer}) {reason}").trim_end().to_owned()
}

fn reply_line(reply: &Reply) -> String {
    let words = reply.words.replace('\n', " ");
    format!(
        "{} {}: the operator replied, by {} ({}): {words}",
        reply.at,
        reply.number,
        reply.person,
        reply.by.word()
    )
}
