//! `/ver/orders/{number}`: an order while it is carried out and after: progress, chart, readings, what is to be recorded, and the
//! result for its reviewer. `…/live` is the part that changes by itself.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_metrology::rules::RuleSet;
use veripile_store::verification::{OrderRow, OrderState};
use veripile_verification::item::{ItemCode, clock_limit_s};
use veripile_verification::order::Order;
use veripile_verification::result::RunResult;
use veripile_verification::run::Run;

use super::live::Live;
use super::plan_view::PlanView;
use super::review::{self, ResultView};
use super::runs::Runs;
use super::{access, live, record, words};
use crate::Site;
use crate::entries::{Entries, Fault};
use crate::problem::{Problem, html, missing_page};
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::view;

/// Charges to choose from for an item of consistency, the newest.
const CHARGES_MAX: u32 = 20;

/// What a form said that could not be done, to be shown again with what was typed.
#[derive(Default)]
pub(crate) struct Said {
    /// Which form.
    pub(crate) form: String,
    /// What was typed.
    pub(crate) entries: Entries,
    /// What is wrong.
    pub(crate) faults: Vec<Fault>,
}

/// An item to be recorded, or as recorded.
struct ItemView {
    code: &'static str,
    name: String,
    /// Recorded: passed or not, evidence, remark, by whom and when.
    recorded: Option<(bool, String, String, String)>,
    /// Which form records it.
    form: &'static str,
    /// What is asked, where the rule set has a limit.
    hint: String,
}

#[derive(Template)]
#[template(path = "ver_order.html")]
#[expect(clippy::struct_excessive_bools, reason = "what a page shows, each on its own")]
struct OrderPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    path: String,
    person: &'a Person,
    order: &'a Order,
    said: &'a Said,
    facts: Vec<(&'a str, String)>,
    note: Option<String>,
    live: Live<'a>,
    items: Vec<ItemView>,
    conditions: Option<String>,
    missing: Vec<&'a str>,
    charges: Vec<(i64, String)>,
    /// The clock's offset as measured, in a line.
    measured: Option<String>,
    rows: Vec<usize>,
    result: Option<ResultView>,
    asks_display: bool,
    may_start: bool,
    may_stop: bool,
    may_record: bool,
    may_cancel: bool,
    may_review: bool,
    document: Option<String>,
    /// The whole plan.
    plan: PlanView,
    /// Where the order can be made anew, of one that came to nothing.
    again: Option<String>,
    /// Number of the newest event that this page shows.
    seen: i64,
}

impl OrderPage<'_> {
    /// What was typed into a field of a form that could not be taken.
    fn typed(&self, form: &str, name: &str) -> &str {
        if self.said.form == form { self.said.entries.get(name) } else { "" }
    }

    /// The same in a row.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn typed_row(&self, form: &str, name: &str, row: &usize) -> &str {
        if self.said.form == form { self.said.entries.row(name, row) } else { "" }
    }
}

/// GET `/ver/orders/{number}`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let Some(row) = find(&site, &person, &number).await? else {
        return Ok(missing_page(t, site.settings.simulated, "/ver/orders?".to_owned()));
    };
    show(t, &site, &runs, &person, &row, &Said::default()).await
}

/// GET `/ver/orders/{number}/live`: the part of the page that changes by itself.
pub(crate) async fn fragment(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    number: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let row = find(&site, &person, &number).await?.ok_or_else(missing)?;
    let run = runs.current(&site.store, &row).await?;
    Ok(private(html(StatusCode::OK, &Live::of(t, &row, &run))))
}

/// There is no such order, or it is not this person's to see.
pub(crate) fn missing() -> Problem {
    Problem::missing("no such order; /ver/orders lists them")
}

/// An order of a pile that this person sees.
pub(crate) async fn find(site: &Site, person: &Person, number: &str) -> Result<Option<OrderRow>, Problem> {
    let Some(row) = site.store.verification(number).await? else { return Ok(None) };
    if person.scope.is_none() {
        return Ok(Some(row));
    }
    let pile = site.store.console_pile(person.scope.as_ref(), &row.order.plate.pile_id).await?;
    Ok(pile.map(|_| row))
}

/// The page, with what a form said that could not be done.
pub(crate) async fn show(
    t: &Texts,
    site: &Site,
    runs: &Runs,
    person: &Person,
    row: &OrderRow,
    said: &Said,
) -> Result<HttpResponse, Problem> {
    let (seen, run) = runs.numbered(&site.store, row).await?;
    let repairers = site.store.repairers(&row.order.plate.pile_id, row.order.connector).await?;
    let may_record = may_record(person, row) && !access::repaired(&person.name, &repairers);
    let charges = if may_record { charges(t, site, row).await? } else { Vec::new() };
    let is_asked = may_record && row.order.plan.items.contains(&ItemCode::Clock);
    let measured =
        if is_asked { site.store.measured_offset(&row.order.plate.pile_id, now()).await? } else { None };
    let measured = measured.map(|measured| record::measured_text(t, &measured));
    let found = if sees_result(person, row) { review::complete(&row.order, &run).await? } else { None };
    let page = page_of(t, person, row, &run, found.as_ref(), said);
    let page = OrderPage { simulated: site.settings.simulated, charges, measured, seen, may_record, ..page };
    let status = if said.faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(private(html(status, &page)))
}

/// Whether an order can be called off now. What is measured is the reviewer's to send back, not another's to make vanish; what runs
/// is stopped, unless nobody goes on with it.
pub(crate) fn can_be_called_off(row: &OrderRow, now: Timestamp) -> bool {
    matches!(row.state, OrderState::Ordered | OrderState::Queued) || row.is_left_alone(now)
}

fn may_record(person: &Person, row: &OrderRow) -> bool {
    use OrderState::{Measured, Ordered, Queued, Running};
    matches!(row.state, Ordered | Queued | Running | Measured) && access::may_record(person, &row.order)
}

/// Whether a person sees the result: it is its operator's to see when there is a document.
fn sees_result(person: &Person, row: &OrderRow) -> bool {
    row.state == OrderState::Issued || (row.state == OrderState::Measured && person.scope.is_none())
}

/// The page of an order and its run, as one person sees it. `found`: the result, if it is complete.
fn page_of<'a>(
    t: &'a Texts,
    person: &'a Person,
    row: &'a OrderRow,
    run: &Run,
    found: Option<&RunResult>,
    said: &'a Said,
) -> OrderPage<'a> {
    let order = &row.order;
    let path = format!("/ver/orders/{}", view::segment(&order.number));
    OrderPage {
        t,
        simulated: false,
        here: format!("{path}?"),
        person,
        order,
        said,
        facts: facts(t, row),
        note: row.note.clone(),
        live: Live::of(t, row, run),
        items: items(t, order, run),
        conditions: run.conditions().map(|conditions| {
            format!(
                "{} °C · {} % · {} · {}",
                conditions.temperature_c.normalize(),
                conditions.humidity_percent.normalize(),
                conditions.person,
                view::minute(conditions.at)
            )
        }),
        missing: run.missing().into_iter().map(|code| words::missing_word(t, code)).collect(),
        charges: Vec::new(),
        measured: None,
        rows: (0..record::ROWS).collect(),
        result: sees_result(person, row).then(|| review::view(t, order, run, found)),
        asks_display: run.progress().asks_display && row.state == OrderState::Running,
        may_start: row.state == OrderState::Ordered && access::may_run(person, order),
        may_stop: row.state == OrderState::Running && access::may_stop(person),
        may_record: may_record(person, row),
        may_cancel: can_be_called_off(row, now()) && access::may_cancel(person, order),
        may_review: row.state == OrderState::Measured && access::may_review(person, order),
        document: (row.state == OrderState::Issued)
            .then(|| format!("/c/{}?lang={}", view::segment(&order.number), t.short())),
        plan: PlanView::of(t, order),
        again: again(t, person, row),
        seen: 0,
        path,
    }
}

/// Where an order that came to nothing is made anew, filled in as it was.
fn again(t: &Texts, person: &Person, row: &OrderRow) -> Option<String> {
    let came_to_nothing = matches!(row.state, OrderState::Cancelled | OrderState::Abandoned);
    (came_to_nothing && access::may_order(person)).then(|| {
        let pile = view::segment(row.order.plate.pile_id.as_str());
        let number = view::segment(&row.order.number);
        format!("/ver/orders/new?pile={pile}&from={number}&lang={}", t.short())
    })
}

/// Ended charges at the order's outlet: number and what it was.
async fn charges(t: &Texts, site: &Site, row: &OrderRow) -> Result<Vec<(i64, String)>, Problem> {
    let order = &row.order;
    let found = site.store.charges(&order.plate.pile_id, CHARGES_MAX).await?;
    let ended = found
        .iter()
        .filter(|charge| charge.connector.is_none_or(|connector| connector == i64::from(order.connector)));
    let named = ended.filter_map(|charge| {
        let line = view::charge(t, charge);
        charge.ended_at.map(|_| (charge.charge_no, format!("{} · {} kWh", line.end, line.pile_kwh)))
    });
    Ok(named.collect())
}

fn items(t: &Texts, order: &Order, run: &Run) -> Vec<ItemView> {
    let rules = order.rules().ok();
    let recorded = run.items();
    let asked = ItemCode::ALL.into_iter().filter(|code| order.plan.items.contains(code));
    asked
        .map(|code| {
            let record = recorded.iter().find(|record| record.code == code);
            ItemView {
                code: code.word(),
                name: t.of_owned(&format!("item.{}", code.word())).to_owned(),
                recorded: record.map(|record| {
                    let passed = rules.as_ref().is_some_and(|rules| record.passed(rules, order));
                    let evidence = record::evidence_text(t, order, rules.as_ref(), record);
                    let by = format!("{} · {}", record.person, view::minute(record.at));
                    (passed, evidence, record.note.clone(), by)
                }),
                form: form_of(code),
                hint: hint(t, order, rules.as_ref(), code),
            }
        })
        .collect()
}

/// Which form records an item.
fn form_of(code: ItemCode) -> &'static str {
    match code {
        ItemCode::Appearance => "looked",
        ItemCode::Display => "display",
        ItemCode::Seal => "seals",
        ItemCode::Clock => "clock",
        ItemCode::Payment => "payment",
        ItemCode::Insulation => "insulation",
        ItemCode::IndicationError => "indication",
        ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter => "charge",
    }
}

fn hint(t: &Texts, order: &Order, rules: Option<&RuleSet>, code: ItemCode) -> String {
    match code {
        ItemCode::Clock => {
            let limit = rules.and_then(|rules| clock_limit_s(rules, order.reason));
            limit.map_or(String::new(), |limit| format!("{} ±{} s", t.of("record.limit"), limit.normalize()))
        }
        ItemCode::Insulation => {
            let limit = rules.and_then(|rules| rules.insulation.as_ref());
            limit.map_or(String::new(), |limit| {
                t.of("record.insulation_why")
                    .replace("{volts}", &limit.test_voltage_v.normalize().to_string())
                    .replace("{megohm}", &limit.least_megohm.normalize().to_string())
            })
        }
        ItemCode::IndicationError => {
            let limit = rules.and_then(|rules| rules.indication_limit_percent(order.plate.class.0));
            limit.map_or(String::new(), |limit| {
                t.of("record.indication_why").replace("{limit}", &limit.normalize().to_string())
            })
        }
        ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter => t.of("record.charge_why").to_owned(),
        ItemCode::Seal => t.of("record.seal_why").to_owned(),
        _ => String::new(),
    }
}

fn facts<'a>(t: &'a Texts, row: &OrderRow) -> Vec<(&'a str, String)> {
    let order = &row.order;
    let plate = &order.plate;
    let instruments = order.instruments.iter().map(|instrument| {
        let role = t.of_owned(&format!("instrument.{}", instrument.role.word()));
        format!("{role} {} ({}, {})", instrument.instrument_id, instrument.model, instrument.serial)
    });
    let mut facts = vec![
        (t.of("queue.pile"), format!("{} · {} {}", plate.pile_id, t.of("ver.outlet"), order.connector)),
        (t.of("pile.station"), plate.station.clone().unwrap_or_default()),
        (t.of("ver.reason"), t.of_owned(&format!("reason_of_order.{}", order.reason.word())).to_owned()),
        (t.of("ver.cause"), order.cause.clone().unwrap_or_default()),
        (t.of("ver.rules"), order.rules().map_or_else(|_| order.rule_set.clone(), |rules| rules.citation())),
        (t.of("ver.body"), order.body.clone()),
        (t.of("ver.verifier"), order.verifier.clone()),
        (t.of("ver.reviewer"), order.reviewer.clone()),
        (t.of("ver.instruments"), instruments.collect::<Vec<_>>().join(t.of("comma"))),
        (
            t.of("ver.plan"),
            t.of("ver.plan_is")
                .replace("{points}", &order.plan.points.len().to_string())
                .replace("{repeats}", &order.plan.repeats.to_string()),
        ),
        (t.of("ver.made"), format!("{} · {}", view::minute(row.made_at), order.ordered_by)),
        (t.of("ver.began"), row.began_at.map_or(String::new(), view::minute)),
        (t.of("ver.ended"), row.ended_at.map_or(String::new(), view::minute)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// Now, to the second: what documents and records are dated with.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now)
}

/// Load points as the result lists them.
pub(crate) use live::load;

#[cfg(test)]
mod tests;
