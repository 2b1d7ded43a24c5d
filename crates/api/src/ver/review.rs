//! The result of a run in full, budget line by line, and what its reviewer makes of it: a signed document, or nothing.

use actix_web::{HttpRequest, HttpResponse, web};
use rust_decimal::Decimal;
use veripile_metrology::rounding::written;
use veripile_store::verification::{Issuance, OrderState};
use veripile_verification::certificate::{Certificate, pdf};
use veripile_verification::order::{Order, OrderError};
use veripile_verification::result::{
    BudgetLine, MonteCarlo, PointResult, Risk, RiskBearer, RunResult, result,
};
use veripile_verification::run::Run;
use veripile_verification::texts::Language;

use super::acts::{call_off, take};
use super::order::{load, now};
use super::runs::Runs;
use super::{access, live, words};
use crate::Site;
use crate::entries::{Entries, Fault};
use crate::problem::Problem;
use crate::session::Person;
use crate::texts::Texts;

/// Program and version, as documents name it.
const SOFTWARE: &str = concat!("veripile ", env!("CARGO_PKG_VERSION"));

/// A line of a budget.
pub(crate) struct BudgetView {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) standard: String,
    pub(crate) sensitivity: String,
    pub(crate) degrees: String,
    pub(crate) contribution: String,
}

/// A load point in full.
pub(crate) struct PointView {
    pub(crate) number: usize,
    pub(crate) load: String,
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) budget: Vec<BudgetView>,
    pub(crate) verdict: &'static str,
    pub(crate) verdict_text: String,
}

/// A result in full.
pub(crate) struct ResultView {
    /// Verdict of the whole, once everything is recorded.
    pub(crate) verdict: Option<(&'static str, String)>,
    /// Why there is none.
    pub(crate) open: Option<String>,
    pub(crate) points: Vec<PointView>,
    /// What of the rule set is to be confirmed.
    pub(crate) unconfirmed: Vec<String>,
}

/// The result of a run, if it is complete. Its Monte Carlo check takes a second or so of a large plan, which nobody else's request
/// must wait for.
pub(crate) async fn complete(order: &Order, run: &Run) -> Result<Option<RunResult>, Problem> {
    let (order, run) = (order.clone(), run.clone());
    let computed = web::block(move || result(&order, run.taken(), &run.items()).ok()).await;
    computed.map_err(|error| {
        tracing::error!(%error, "a result could not be computed");
        Problem::unavailable("the result cannot be computed now")
    })
}

/// The result of a run as it stands. `complete`: with everything recorded, if it is.
pub(crate) fn view(t: &Texts, order: &Order, run: &Run, complete: Option<&RunResult>) -> ResultView {
    let found = match complete {
        Some(result) => result.points.iter().cloned().map(Some).collect(),
        None => live::found(order, run.taken()),
    };
    let points = found
        .iter()
        .enumerate()
        .filter_map(|(index, found)| found.as_ref().map(|found| point(t, index, found)));
    let open: Vec<&str> = run.missing().into_iter().map(|code| words::missing_word(t, code)).collect();
    ResultView {
        verdict: complete.map(|result| {
            let word = result.verdict.word();
            (word, t.of_owned(&format!("found.{word}")).to_owned())
        }),
        open: (!open.is_empty()).then(|| open.join(t.of("comma"))),
        points: points.collect(),
        unconfirmed: order.rules().map(|rules| words::unconfirmed(t, &rules)).unwrap_or_default(),
    }
}

fn point(t: &Texts, index: usize, found: &PointResult) -> PointView {
    let errors: Vec<String> = found.errors_percent.iter().map(|error| live::signed_percent(*error)).collect();
    let mut facts = vec![
        (t.of("result.readings").to_owned(), errors.join(t.of("comma"))),
        (t.of("result.error").to_owned(), percent(found.error_percent)),
    ];
    if !found.correction_percent.is_zero() {
        facts.push((t.of("result.correction").to_owned(), percent(found.correction_percent)));
    }
    if let Some(rounded) = found.rounded_percent {
        facts.push((t.of("result.rounded").to_owned(), format!("{rounded:+} %")));
    }
    let degrees =
        found.effective_degrees_of_freedom.map_or_else(|| "∞".to_owned(), |value| value.to_string());
    facts.extend([
        (
            t.of("result.standard_uncertainty").to_owned(),
            format!("{} % (ν = {degrees})", found.standard_uncertainty_percent),
        ),
        (
            t.of("result.expanded").to_owned(),
            format!("{} % (k = {})", found.expanded_uncertainty_percent, found.coverage_factor),
        ),
        (t.of("result.limit").to_owned(), format!("±{} %", found.limit_percent.normalize())),
        (t.of("result.rule").to_owned(), found.rule.clone()),
        (t.of("result.probability").to_owned(), probability(found.probability_conform)),
    ]);
    facts.extend(found.risk.as_ref().map(|risk| fact_of_risk(t, risk)));
    let checked = found.monte_carlo.as_ref();
    facts.extend(checked.map(|checked| (t.of("result.monte_carlo").to_owned(), monte_carlo(t, checked))));
    PointView {
        number: index + 1,
        load: load(t, &found.point),
        facts,
        budget: found.budget.iter().map(|line| budget(t, line)).collect(),
        verdict: found.verdict.word(),
        verdict_text: t.of_owned(&format!("found.{}", found.verdict.word())).to_owned(),
    }
}

fn fact_of_risk(t: &Texts, risk: &Risk) -> (String, String) {
    let name = match risk.bearer {
        RiskBearer::Consumer => t.of("result.risk_consumer"),
        RiskBearer::Producer => t.of("result.risk_producer"),
    };
    (name.to_owned(), t.of("result.risk_is").replace("{risk}", &probability(risk.specific)))
}

fn monte_carlo(t: &Texts, checked: &MonteCarlo) -> String {
    let found = if checked.validated { t.of("result.validated") } else { t.of("result.not_validated") };
    t.of("result.monte_carlo_is")
        .replace("{low}", &format!("{:+}", checked.low_percent))
        .replace("{high}", &format!("{:+}", checked.high_percent))
        .replace("{low_difference}", &checked.low_difference_percent.to_string())
        .replace("{high_difference}", &checked.high_difference_percent.to_string())
        .replace("{tolerance}", &checked.tolerance_percent.to_string())
        .replace("{found}", found)
}

fn percent(value: Decimal) -> String {
    format!("{value:+} %")
}

/// A probability in percent; none is shown as certain.
fn probability(p: Decimal) -> String {
    let percent = p * Decimal::ONE_HUNDRED;
    match percent {
        percent if percent > Decimal::new(999, 1) => "> 99.9 %".to_owned(),
        percent if percent < Decimal::new(1, 1) => "< 0.1 %".to_owned(),
        percent => format!("{} %", written(percent, 1)),
    }
}

fn budget(t: &Texts, line: &BudgetLine) -> BudgetView {
    let distribution = t.of_owned(&format!("distribution.{}", line.distribution));
    BudgetView {
        name: t.of_owned(&format!("budget.{}", line.code)).to_owned(),
        kind: format!("{} · {distribution}", line.evaluation),
        standard: line.standard_uncertainty_percent.to_string(),
        sensitivity: line.sensitivity.normalize().to_string(),
        degrees: line
            .degrees_of_freedom
            .map_or_else(|| "∞".to_owned(), |value| value.normalize().to_string()),
        contribution: line.contribution_percent.to_string(),
    }
}

/// POST `/ver/orders/{number}/confirm`: the reviewer confirms. The document is made, signed and kept, with all that follows from
/// it, or nothing is.
pub(crate) async fn confirm(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let taken = take(&request, &site, person, &number, Entries::new(fields.into_inner())).await?;
    let order = &taken.row.order;
    access::demand(
        access::may_review(&taken.person, order),
        "only the order's reviewer confirms its result",
    )?;
    let (seen, run) = runs.numbered(&site.store, &taken.row).await?;
    // What is confirmed is what was looked at: an item recorded since would be in the document unseen.
    if taken.entries.get("seen") != seen.to_string() {
        let faults = vec![Fault::new(taken.t.of("fault.changed"), taken.t.of("fault.changed.next"))];
        return taken.again(&site, &runs, "review", faults).await;
    }
    let repairers = site.store.repairers(&order.plate.pile_id, order.connector).await?;
    if let Some(name) = repairer_of(&run, &repairers) {
        let error = OrderError::Repairer(name.to_owned());
        let faults = vec![words::order_fault(taken.t, &error)];
        return taken.again(&site, &runs, "review", faults).await;
    }
    let told = site.store.firmware_told(taken.row.pile_no).await?;
    if let Err(error) = order.check_firmware(told.as_deref()) {
        let faults = vec![words::order_fault(taken.t, &error)];
        return taken.again(&site, &runs, "review", faults).await;
    }
    let (reviewer, remarks) = (taken.person.name.clone(), taken.entries.get("remarks").to_owned());
    let made = web::block(move || Certificate::of(&run, &reviewer, &remarks, now(), SOFTWARE)).await;
    let certificate = match made.map_err(|error| {
        tracing::error!(%error, order.number = order.number, "a document could not be made");
        Problem::unavailable("the document could not be made; nothing was issued")
    })? {
        Ok(certificate) => certificate,
        Err(error) => {
            let faults = vec![words::certificate_fault(taken.t, &error)];
            return taken.again(&site, &runs, "review", faults).await;
        }
    };
    let kind = certificate.kind.word();
    let issued = certificate.sign(&site.signing);
    let address = crate::certificate::address(&request, &site, &order.number);
    let printed = pdf::pdf(&issued, Language::Zh, &address).map_err(|error| {
        tracing::error!(%error, order.number = order.number, "a document could not be printed");
        Problem::unavailable("the document could not be printed; nothing was issued")
    })?;
    let faults =
        match site.store.issue(taken.row.order_no, &issued, &printed, site.settings.rules, now()).await? {
            Issuance::Done => Vec::new(),
            Issuance::NotWaiting => taken.too_late(),
            Issuance::Overtaken(newer) => vec![Fault::new(
                taken.t.of("fault.overtaken").replace("{number}", &newer),
                taken.t.of("fault.overtaken.next"),
            )],
        };
    if !faults.is_empty() {
        return taken.again(&site, &runs, "review", faults).await;
    }
    tracing::info!(order.number = order.number, kind, person = taken.person.name, "a document was issued");
    Ok(taken.back(""))
}

/// Who had a part in a verification and repaired its pile: verifier, reviewer, or whoever recorded something.
fn repairer_of<'a>(run: &'a Run, repairers: &[String]) -> Option<&'a str> {
    let order = run.order();
    let named = [order.verifier.as_str(), order.reviewer.as_str()];
    named.into_iter().chain(run.recorders()).find(|name| access::repaired(name, repairers))
}

/// POST `/ver/orders/{number}/send-back`: the reviewer does not confirm. The order ends, its readings stay with it, and whoever
/// still wants a result orders anew.
pub(crate) async fn send_back(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    let taken = take(&request, &site, person, &number, Entries::new(fields.into_inner())).await?;
    let may = access::may_review(&taken.person, &taken.row.order);
    access::demand(may, "only the order's reviewer sends its result back")?;
    if taken.row.state != OrderState::Measured {
        let faults = taken.too_late();
        return taken.again(&site, &runs, "send-back", faults).await;
    }
    call_off(&site, &runs, taken, "send-back").await
}

#[cfg(test)]
mod tests {
    use veripile_verification::item::{Conditions, Evidence, ItemCode, ItemRecord};
    use veripile_verification::run::{Event, Happening};

    use super::*;
    use crate::ver::fixture;

    #[test]
    fn nobody_who_repaired_the_pile_had_a_part_in_its_verification() {
        let at = fixture::at();
        let item = |person: &str| {
            Happening::Item(ItemRecord {
                code: ItemCode::Appearance,
                evidence: Evidence::Looked { good: true },
                note: String::new(),
                person: person.to_owned(),
                at,
            })
        };
        let conditions = Happening::Conditions(Conditions {
            temperature_c: Decimal::from(23),
            humidity_percent: Decimal::from(45),
            person: "周工".to_owned(),
            at,
        });
        let run_of = |happenings: &[Happening]| {
            let events: Vec<Event> = happenings.iter().map(|what| Event { at, what: what.clone() }).collect();
            Run::replay(fixture::order(), &events)
        };
        let run = run_of(&[item("孙工"), conditions]);
        for (name, has_part) in
            [("赵工", true), ("钱工", true), ("孙工", true), ("周工", true), ("吴工", false)]
        {
            assert_eq!(repairer_of(&run, &[name.to_owned()]), has_part.then_some(name), "{name}");
        }
        assert_eq!(repairer_of(&run, &[]), None);
        // What was recorded anew by somebody else rests on them no longer.
        let again = run_of(&[item("孙工"), item("吴工")]);
        assert_eq!(repairer_of(&again, &["孙工".to_owned()]), None);
        assert_eq!(repairer_of(&again, &["吴工".to_owned()]), Some("吴工"));
    }
}
