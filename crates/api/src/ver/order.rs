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
    let repairers = site.store.repairers(&row.order.plate.pile_id).await?;
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
        seen: 0,
        path,
    }
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
mod tests {
    use veripile_store::account::PersonRole;
    use veripile_verification::run::{Event, Happening, Party};

    use super::*;
    use crate::entries::Fault;
    use crate::texts::Language;
    use crate::ver::access::tests::person;
    use crate::ver::fixture;

    const SCRIPT: &str = "<script>alert(1)</script>";

    fn row(state: OrderState) -> OrderRow {
        let mut order = fixture::order();
        order.body = SCRIPT.to_owned();
        order.plate.station = Some(SCRIPT.to_owned());
        let note = (state == OrderState::Cancelled).then(|| SCRIPT.to_owned());
        OrderRow {
            order_no: 1,
            pile_no: 1,
            order,
            state,
            made_at: fixture::at(),
            began_at: None,
            ended_at: None,
            ending: None,
            note,
            lease_until: Some(now() + jiff::SignedDuration::from_hours(1)),
        }
    }

    /// A run that began and met a trouble whose detail is not ours.
    fn run(order: &Order) -> Run {
        let event = |what| Event { at: fixture::at(), what };
        let failed = Happening::Failed { party: Party::Pile, lost: false, detail: SCRIPT.to_owned() };
        Run::replay(order.clone(), &[event(Happening::Begun), event(failed)])
    }

    fn rendered(language: Language, who: &Person, row: &OrderRow, said: &Said) -> String {
        let t = Texts::in_language(language);
        page_of(t, who, row, &run(&row.order), None, said).render().expect("renders")
    }

    #[test]
    fn whatever_others_wrote_is_shown_as_text_in_every_state() {
        let who = person("赵工", &[PersonRole::Verifier], None);
        let said = Said { faults: vec![Fault::new(SCRIPT, SCRIPT)], ..Said::default() };
        for state in OrderState::ALL {
            for language in [Language::Zh, Language::En] {
                let page = rendered(language, &who, &row(state), &said);
                assert!(!page.contains(SCRIPT), "{state:?}");
                assert!(page.contains("&#60;script&#62;alert(1)"), "{state:?}");
                assert!(!page.contains(" style=\"") && !page.contains("onclick"), "the policy forbids it");
            }
        }
    }

    #[test]
    fn each_person_has_the_forms_that_are_theirs_and_every_form_its_token() {
        let verifier = person("赵工", &[PersonRole::Verifier], None);
        let reviewer = person("钱工", &[PersonRole::Reviewer], None);
        let boss = person("boss", &[], None);
        let clerk = person("clerk", &[], Some("O1"));
        let check = |who: &Person, state, forms: &[&str]| {
            let page = rendered(Language::En, who, &row(state), &Said::default());
            let number = fixture::order().number;
            for form in ["start", "stop", "cancel", "conditions", "item", "seals", "confirm", "send-back"] {
                let has = page.contains(&format!("action=\"/ver/orders/{number}/{form}?"));
                assert_eq!(has, forms.contains(&form), "{} {state:?} {form}", who.name);
            }
            let posts = page.matches("<form method=\"post\"").count();
            assert_eq!(page.matches("name=\"token\"").count(), posts, "{} {state:?}", who.name);
        };
        check(&verifier, OrderState::Ordered, &["start", "cancel", "conditions", "item", "seals"]);
        check(&verifier, OrderState::Running, &["stop", "conditions", "item", "seals"]);
        check(&verifier, OrderState::Measured, &["conditions", "item", "seals"]);
        check(&verifier, OrderState::Issued, &[]);
        check(&reviewer, OrderState::Measured, &["confirm", "send-back"]);
        check(&reviewer, OrderState::Running, &["stop"]);
        check(&boss, OrderState::Ordered, &["cancel"]);
        check(&boss, OrderState::Measured, &[]);
        check(&clerk, OrderState::Running, &[]);
        check(&clerk, OrderState::Measured, &[]);
    }

    #[test]
    fn who_calls_off_what_was_left_alone_is_told_what_to_look_at() {
        let verifier = person("赵工", &[PersonRole::Verifier], None);
        let t = Texts::in_language(Language::En);
        let shown = |run: &Run, state| {
            let row = row(state);
            let page = page_of(t, &verifier, &row, run, None, &Said::default()).render().expect("renders");
            ["ending.outputs", "ending.operative"].map(|key| page.contains(&t.of(key).replace('\'', "&#39;")))
        };
        let order = fixture::order();
        assert_eq!(shown(&run(&order), OrderState::Cancelled), [true; 2]);
        assert_eq!(shown(&run(&order), OrderState::Running), [false; 2]);
        let waiting = Run::replay(order, &[]);
        assert_eq!(shown(&waiting, OrderState::Cancelled), [false; 2], "nothing was switched on or closed");
    }

    /// A run that was stopped in the pile's virtual-load mode, which the pile may have left or not.
    fn stopped_in_test_mode(order: &Order, leaves: bool) -> Run {
        let identity = |text: &str| Happening::Identity { text: text.to_owned() };
        let accepted = || Happening::Availability { status: "Accepted".to_owned() };
        let off = || Happening::State { on: false };
        let refused = Happening::Failed { party: Party::Pile, lost: false, detail: "Rejected".to_owned() };
        let mut happenings = vec![
            Happening::Begun,
            accepted(),
            Happening::Idle { charging: false, status: None },
            identity("FLUKE,6105A,S1-1,1.0"),
            identity("ZERA,COM3003,R1-1,1.0"),
            Happening::Done,
            off(),
            Happening::Done,
            Happening::Done,
            Happening::Stopped { person: "赵工".to_owned(), reason: "smell".to_owned() },
            Happening::Done,
            off(),
        ];
        happenings.extend(match leaves {
            true => vec![Happening::Done, accepted()],
            false => vec![refused.clone(), Happening::Waited, refused],
        });
        let events: Vec<Event> =
            happenings.into_iter().map(|what| Event { at: fixture::at(), what }).collect();
        Run::replay(order.clone(), &events)
    }

    #[test]
    fn a_pile_that_may_still_be_in_its_test_mode_is_told_of_before_its_outlet_is_opened() {
        let verifier = person("赵工", &[PersonRole::Verifier], None);
        let mut row = row(OrderState::Abandoned);
        row.order.plan.test_mode_vendor = Some("vendor".to_owned());
        for language in [Language::Zh, Language::En] {
            let t = Texts::in_language(language);
            for leaves in [true, false] {
                let run = stopped_in_test_mode(&row.order, leaves);
                assert!(run.ending().is_some());
                let page =
                    page_of(t, &verifier, &row, &run, None, &Said::default()).render().expect("renders");
                let place = |key: &str| page.find(&t.of_owned(key).replace('\'', "&#39;"));
                let (mode, closed) = (place("ending.test_mode"), place("ending.operative"));
                assert_eq!((mode.is_some(), closed.is_some()), (!leaves, !leaves), "{page}");
                assert!(leaves || mode < closed, "first the mode, then the outlet");
            }
        }
    }

    #[test]
    fn what_nobody_goes_on_with_is_called_off_and_its_page_offers_it() {
        let verifier = person("赵工", &[PersonRole::Verifier], None);
        let (at, second) = (now(), jiff::SignedDuration::from_secs(1));
        for state in OrderState::ALL {
            let is_open = matches!(state, OrderState::Ordered | OrderState::Queued);
            let is_running = state == OrderState::Running;
            for (lease_until, expected) in [
                (Some(at + second), is_open),
                (Some(at), is_open),
                (Some(at - second), is_open || is_running),
            ] {
                let row = OrderRow { lease_until, ..row(state) };
                assert_eq!(can_be_called_off(&row, at), expected, "{state:?} {lease_until:?}");
            }
            let left = OrderRow { lease_until: Some(at - second), ..row(state) };
            let page = rendered(Language::En, &verifier, &left, &Said::default());
            let offers = page.contains(&format!("action=\"/ver/orders/{}/cancel?", left.order.number));
            assert_eq!(offers, can_be_called_off(&left, now()), "{state:?}");
        }
    }

    // By the rule set's file: 10 MΩ at 500 V, and the ±2 % of class 2.
    #[test]
    fn insulation_and_indication_error_have_forms_that_name_their_limits() {
        let who = person("赵工", &[PersonRole::Verifier], None);
        let mut row = row(OrderState::Ordered);
        row.order.rule_set = "JJG 1148-2018 v2".to_owned();
        row.order.plan.items = ItemCode::ALL.to_vec();
        for language in [Language::Zh, Language::En] {
            let page = rendered(language, &who, &row, &Said::default());
            let names = ["test_voltage_v", "between_0", "megohm_5", "start_kwh", "stop_kwh", "reference_kwh"];
            for name in names {
                assert_eq!(page.matches(&format!("name=\"{name}\"")).count(), 1, "{name}");
            }
            assert!(page.contains("500 V") && page.contains("10 MΩ") && page.contains("±2"), "{page}");
        }
    }

    #[test]
    fn what_was_typed_into_a_form_that_could_not_be_taken_stands_in_it_again() {
        let who = person("赵工", &[PersonRole::Verifier], None);
        let mut entries = Entries::default();
        entries.set("offset_s", "\"later\"");
        let said = Said { form: "clock".to_owned(), entries, faults: Vec::new() };
        let page = rendered(Language::En, &who, &row(OrderState::Ordered), &said);
        assert!(page.contains("name=\"offset_s\" value=\"&#34;later&#34;\""), "{page}");
    }
}
