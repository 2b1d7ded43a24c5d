//! `/op/sampling`: how many piles of a lot must be tested on site, and what is known of each batch.
//!
//! For those in charge, as findings are. It shows what `metrology` computes, by the same functions as the command `sampling`, and decides
//! nothing about a pile; an operator sees batches of its own piles.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use veripile_metrology::acceptance_sampling::{LOT_MAX, LotAnswer, LotError, LotQuestion, answer};
use veripile_metrology::batch::{JudgedBatch, MeasuredRate, judge};
use veripile_store::batch::BatchRow;

use crate::Site;
use crate::chart;
use crate::entries::{Entries, Fault, decimal};
use crate::problem::{Problem, html};
use crate::session::{Person, private};
use crate::signals::in_charge;
use crate::texts::Texts;
use crate::view;

/// Batches on one page: where verdicts from afar count, judging one takes some 0.07 s of processor time.
const BATCHES_PER_PAGE: usize = 20;

/// Points of the curve, and of the table beside it.
const CURVE_POINTS: u32 = 60;
const TABLE_POINTS: u32 = 10;

/// Fields of the form that are whole numbers.
const LOT: &str = "lot";
const TESTED: &str = "tested";
const ACCEPTED: &str = "accepted";

/// Fields that are percentages, with what they hold at first, as the command has it, and the key of their label.
pub(crate) const PERCENTAGES: [(&str, &str, &str); 4] = [
    ("aql", "1", "sampling.aql"),
    ("lq", "5", "sampling.lq"),
    ("producer_risk", "5", "sampling.producer_risk"),
    ("consumer_risk", "5", "sampling.consumer_risk"),
];

/// A field: name, label, what it holds.
struct Field<'a> {
    name: &'static str,
    label: &'a str,
    value: String,
}

/// A plan in words.
struct PlanView {
    sample: u32,
    accepted_failures: u32,
    lot: u32,
    facts: Vec<(String, String)>,
    ruled_out: String,
    curve: String,
    points: Vec<(u32, String)>,
}

/// A batch's line.
struct BatchLine {
    name: String,
    piles: i64,
    on_site: String,
    remote: String,
    extend: String,
    replace: String,
    sample: String,
    word: &'static str,
    decision: String,
    /// What to know before an interval is extended.
    caution: Option<String>,
}

#[derive(Template)]
#[template(path = "op_sampling.html")]
struct SamplingPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    faults: Vec<Fault>,
    f: &'a Entries,
    lot_max: u32,
    percentages: Vec<Field<'a>>,
    plan: Option<PlanView>,
    rates: String,
    batches: Vec<BatchLine>,
    next: Option<usize>,
}

/// GET `/op/sampling`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    fields: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    in_charge(&person)?;
    let t = Texts::of_request(&request);
    let entries = Entries::new(fields.into_inner());
    let from: usize = entries.get("from").parse().unwrap_or(0);
    let rates = site.store.remote_agreement().await?.rates();
    let mut rows = site.store.batches(person.scope.as_ref()).await?;
    let next = Some(from.saturating_add(BATCHES_PER_PAGE)).filter(|next| *next < rows.len());
    rows = rows.into_iter().skip(from).take(BATCHES_PER_PAGE).collect();
    let question = (!entries.get(LOT).is_empty()).then(|| question(t, &entries));
    // Large lots and many verdicts from afar take a second or two: not on the thread that answers everybody.
    let computed = web::block(move || {
        let plan = question.map(|question| question.map(|question| (question, answer(&question))));
        let judged: Vec<_> =
            rows.into_iter().filter_map(|row| Some((judge(row.size(), &row.results(rates))?, row))).collect();
        (plan, judged)
    });
    let (plan, judged) = computed.await.map_err(|error| {
        tracing::error!(%error, "a sample could not be planned");
        Problem::unavailable("no sample can be planned now")
    })?;
    let (plan, faults) = match plan {
        None => (None, Vec::new()),
        Some(Err(faults)) => (None, faults),
        Some(Ok((_, Ok(found)))) => (Some(shown(t, &found)), Vec::new()),
        Some(Ok((question, Err(error)))) => (None, vec![no_plan(t, &question, error)]),
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = SamplingPage {
        t,
        simulated: site.settings.simulated,
        here: here(&entries),
        person: &person,
        faults,
        f: &entries,
        lot_max: LOT_MAX,
        percentages: PERCENTAGES
            .map(|(name, usual, label)| Field {
                name,
                label: t.of(label),
                value: held(&entries, name, usual),
            })
            .into(),
        plan,
        rates: measured(t, rates),
        batches: judged.iter().map(|(found, row)| line(t, found, row)).collect(),
        next,
    };
    Ok(private(html(status, &page)))
}

/// The page's address with what is asked, for the other language.
fn here(entries: &Entries) -> String {
    let names = [LOT, TESTED, ACCEPTED].into_iter().chain(PERCENTAGES.map(|(name, ..)| name));
    let asked: Vec<String> = names
        .filter(|name| !entries.get(name).is_empty())
        .map(|name| format!("{name}={}", view::segment(entries.get(name))))
        .collect();
    format!("/op/sampling?{}", asked.join("&"))
}

/// What a field holds: what was sent, else what is usual.
fn held(entries: &Entries, name: &str, usual: &str) -> String {
    let sent = entries.get(name);
    if sent.is_empty() { usual.to_owned() } else { sent.to_owned() }
}

/// Reads what is asked of a lot; everything that is wrong with it otherwise.
fn question(t: &Texts, entries: &Entries) -> Result<LotQuestion, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut range = |label: &str, given: &str, least: u32, most: u32| {
        let what = t.of("fault.unread").replace("{field}", label).replace("{given}", given);
        let next = t.of("fault.range").replace("{least}", &least.to_string());
        faults.push(Fault::new(what, next.replace("{most}", &most.to_string())));
    };
    let mut whole = |name: &str, label: &str, least: u32, most: u32| -> u32 {
        let given = entries.get(name);
        let read = given.parse().ok().filter(|number| (least..=most).contains(number));
        read.unwrap_or_else(|| {
            range(label, given, least, most);
            least
        })
    };
    let lot = whole(LOT, t.of("sampling.lot"), 1, LOT_MAX);
    let has_plan = !entries.get(TESTED).is_empty() || !entries.get(ACCEPTED).is_empty();
    let given = has_plan.then(|| {
        let tested = whole(TESTED, t.of("sampling.tested"), 1, LOT_MAX);
        (tested, whole(ACCEPTED, t.of("sampling.accepted"), 0, LOT_MAX))
    });
    let [acceptable, limiting, producer_risk, consumer_risk] = PERCENTAGES.map(|(name, usual, label)| {
        let held = held(entries, name, usual);
        let read = decimal(&held).map(veripile_metrology::crossing::to_f64);
        read.filter(|percent| (0.0..=100.0).contains(percent)).map_or_else(
            || {
                range(t.of(label), &held, 0, 100);
                0.0
            },
            |percent| percent / 100.0,
        )
    });
    let question = LotQuestion { lot, acceptable, limiting, producer_risk, consumer_risk, given };
    if faults.is_empty() { Ok(question) } else { Err(faults) }
}

fn no_plan(t: &Texts, question: &LotQuestion, error: LotError) -> Fault {
    match error {
        LotError::Contradictory { lot, good, bad } => {
            let what = t.of("sampling.no_plan").replace("{lot}", &lot.to_string());
            let what = what.replace("{good}", &good.to_string()).replace("{bad}", &bad.to_string());
            Fault::new(what, t.of("sampling.no_plan.next"))
        }
        LotError::TooMany { most } => {
            let given = question.given.map_or(0, |(tested, _)| tested).to_string();
            let what = t.of("fault.unread").replace("{field}", t.of("sampling.tested"));
            let next = t.of("fault.range").replace("{least}", "1").replace("{most}", &most.to_string());
            Fault::new(what.replace("{given}", &given), next)
        }
    }
}

/// A probability as the page and the command write it.
fn percent(probability: f64) -> String {
    format!("{:.2} %", 100.0 * probability)
}

fn shown(t: &Texts, found: &LotAnswer) -> PlanView {
    let at = |text: &str, bad: u32| text.replace("{bad}", &bad.to_string());
    let ruled_out = match found.ruled_out_from {
        Some(bad) => at(t.of("sampling.ruled_out"), bad)
            .replace("{confidence}", &format!("{:.0}", 100.0 * found.confidence)),
        None => t.of("sampling.rules_out_nothing").to_owned(),
    };
    let (producer, consumer) = (found.producer, found.consumer);
    let marks = [("α", producer.bad, 1.0 - producer.risk), ("β", consumer.bad, consumer.risk)];
    let words = (t.of("sampling.bad"), t.of("sampling.accepted_share"));
    PlanView {
        sample: found.plan.sample,
        accepted_failures: found.plan.accepted_failures,
        lot: found.plan.lot,
        facts: vec![
            (at(t.of("sampling.producer_at"), producer.bad), percent(producer.risk)),
            (at(t.of("sampling.consumer_at"), consumer.bad), percent(consumer.risk)),
        ],
        curve: chart::characteristic(
            &found.characteristic(CURVE_POINTS),
            &marks,
            words,
            t.of("sampling.curve"),
        ),
        points: found
            .characteristic(TABLE_POINTS)
            .into_iter()
            .map(|(bad, share)| (bad, percent(share)))
            .collect(),
        ruled_out,
    }
}

/// How well verdicts from afar are known to find what is on site.
fn measured(t: &Texts, (sensitivity, specificity): (MeasuredRate, MeasuredRate)) -> String {
    let rate = |rate: MeasuredRate| format!("{}/{}", rate.right, rate.cases);
    t.of("batch.rates")
        .replace("{sensitivity}", &rate(sensitivity))
        .replace("{specificity}", &rate(specificity))
}

fn line(t: &Texts, found: &JudgedBatch, row: &BatchRow) -> BatchLine {
    let year = row.made_in.map(|year| year.to_string());
    let known = [&row.vendor, &row.model, &row.firmware, &year];
    let known = known.map(|name| name.as_deref().unwrap_or(t.of("dash")));
    let word = found.decision.word();
    BatchLine {
        name: known.join(" "),
        piles: row.piles,
        on_site: format!("{} / {}", row.passes, row.failures),
        remote: format!("{} / {}", row.conform, row.nonconform),
        extend: format!("{:.3}", found.extend),
        replace: format!("{:.3}", 1.0 - found.keep),
        sample: found.sample.map_or(t.of("dash").to_owned(), |sample| sample.to_string()),
        word,
        decision: t.of_owned(&format!("batch.{word}")).to_owned(),
        caution: row.leans_on_remote(found).then(|| t.of("batch.extend_remote").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    fn asked(fields: &[(&str, &str)]) -> Result<LotQuestion, Vec<Fault>> {
        let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        question(Texts::in_language(Language::En), &Entries::new(fields))
    }

    #[test]
    fn a_form_is_a_question_and_whatever_is_out_of_range_is_named_with_its_limits() {
        let usual = asked(&[("lot", "200")]).expect("read");
        let expected = LotQuestion {
            lot: 200,
            acceptable: 0.01,
            limiting: 0.05,
            producer_risk: 0.05,
            consumer_risk: 0.05,
            given: None,
        };
        assert_eq!(usual, expected);
        let given = asked(&[("lot", "40"), ("tested", "13"), ("accepted", "0"), ("lq", "15")]).expect("read");
        assert_eq!(given, LotQuestion { lot: 40, limiting: 0.15, given: Some((13, 0)), ..expected });
        for (fields, label, limits) in [
            (&[("lot", "0")][..], "Piles in the lot", "1 to 10000"),
            (&[("lot", "10001")], "Piles in the lot", "1 to 10000"),
            (&[("lot", "many")], "Piles in the lot", "1 to 10000"),
            (&[("lot", "40"), ("tested", "0"), ("accepted", "0")], "Tested", "1 to 10000"),
            (&[("lot", "40"), ("tested", "4")], "Failures accepted", "0 to 10000"),
            (&[("lot", "40"), ("lq", "101")], "Limiting quality", "0 to 100"),
            (&[("lot", "40"), ("aql", "-1")], "Acceptable quality", "0 to 100"),
        ] {
            let faults = asked(fields).expect_err(limits);
            assert!(faults.len() == 1 && faults[0].what.contains(label), "{fields:?}: {faults:?}");
            assert!(faults[0].next.contains(limits), "{fields:?}: {faults:?}");
        }
        assert_eq!(asked(&[("lot", "x"), ("lq", "y"), ("aql", "z")]).expect_err("three").len(), 3);
    }

    #[test]
    fn an_extension_that_leans_on_verdicts_from_afar_says_what_they_share() {
        let rate = MeasuredRate { right: 500, cases: 500 };
        let line_of = |passes: i64, conform: i64| {
            let row = BatchRow {
                vendor: None,
                model: Some("M".to_owned()),
                firmware: None,
                made_in: None,
                piles: passes + conform,
                passes,
                failures: 0,
                conform,
                nonconform: 0,
            };
            let found = judge(row.size(), &row.results((rate, rate))).expect("judged");
            line(Texts::in_language(Language::En), &found, &row)
        };
        assert_eq!((line_of(98, 0).word, line_of(98, 0).caution), ("extend", None));
        let leaning = line_of(0, 1_000);
        assert!(
            leaning.word == "extend" && leaning.caution.is_some_and(|told| told.contains("share one level"))
        );
        assert_eq!((line_of(5, 1).word, line_of(5, 1).caution), ("keep", None));
    }

    /// metrology.md §4: 13 of 40, none bad, rule out 7.
    #[test]
    fn a_plan_is_told_with_its_curve_and_one_that_is_none_with_what_to_change() {
        let t = Texts::in_language(Language::En);
        let question =
            asked(&[("lot", "40"), ("tested", "13"), ("accepted", "0"), ("lq", "15")]).expect("read");
        let shown = shown(t, &answer(&question).expect("a plan"));
        assert_eq!(shown.ruled_out, "An accepted lot has, with 95 % confidence, fewer bad ones than 7.");
        assert_eq!(shown.facts[1].1, "7.71 %", "C(34, 13)/C(40, 13)");
        assert_eq!((shown.points[0].clone(), shown.points.len()), ((0, "100.00 %".to_owned()), 7));
        let large = LotQuestion { given: Some((41, 0)), ..question };
        let fault = no_plan(t, &large, answer(&large).expect_err("too many"));
        assert!(fault.what.contains("41") && fault.next.contains("1 to 40"), "{fault:?}");
        let narrow = LotQuestion { given: None, acceptable: 0.1, limiting: 0.05, ..question };
        let fault = no_plan(t, &narrow, answer(&narrow).expect_err("contradictory"));
        assert!(fault.what.contains("4 bad of 40") && fault.what.contains('2'), "{fault:?}");
    }
}
