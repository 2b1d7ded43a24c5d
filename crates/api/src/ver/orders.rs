//! `/ver/orders`: every order with its state, and the piles that are to be verified.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use veripile_store::verification::{OrderRow, OrderState, ToVerify, VerificationQuery};
use veripile_verification::Run;

use super::runs::Runs;
use super::{access, words};
use crate::Site;
use crate::problem::{Problem, html};
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::view;

/// Orders on one page.
const ORDERS_MAX: u32 = 50;

/// Piles to verify that are listed.
const TO_VERIFY_MAX: u32 = 100;

/// Which orders.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    state: String,
    before: Option<i64>,
}

/// An order's line.
pub(crate) struct OrderLine {
    pub(crate) number: String,
    pub(crate) href: String,
    pub(crate) state: &'static str,
    pub(crate) state_text: String,
    pub(crate) pile: String,
    pub(crate) outlet: u32,
    pub(crate) reason: String,
    pub(crate) people: String,
    pub(crate) made: String,
    /// Readings taken of all there are to be, where it has begun.
    pub(crate) progress: Option<(usize, usize)>,
    /// What its verifier still has to record, of one that is measured; empty: nothing.
    pub(crate) missing: String,
}

/// A pile to be verified.
struct ToVerifyLine {
    pile: String,
    why: String,
    detail: String,
    href: String,
    order: Option<String>,
}

#[derive(Template)]
#[template(path = "ver_orders.html")]
struct OrdersPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    may_order: bool,
    state: &'a str,
    states: Vec<(&'static str, String)>,
    orders: Vec<OrderLine>,
    next: Option<String>,
    to_verify: Vec<ToVerifyLine>,
}

/// GET `/ver/orders`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    runs: web::Data<Runs>,
    person: Person,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let state = OrderState::from_word(&asked.state);
    let scope = person.scope.clone();
    let query = VerificationQuery { state, scope, before: asked.before, limit: ORDERS_MAX + 1, pile: None };
    let mut rows = site.store.verifications(&query).await?;
    let next = view::cut_to_page(&mut rows, ORDERS_MAX as usize).map(|last| last.order_no);
    let word = state.map_or("", OrderState::word);
    let mut orders = Vec::with_capacity(rows.len());
    for row in &rows {
        orders.push(line(t, &site, &runs, row).await?);
    }
    let to_verify =
        site.store.piles_to_verify(person.scope.as_ref(), Timestamp::now(), TO_VERIFY_MAX).await?;
    let may_order = access::may_order(&person);
    let page = OrdersPage {
        t,
        simulated: site.settings.simulated,
        here: format!("/ver/orders?state={word}"),
        person: &person,
        may_order,
        state: word,
        states: OrderState::ALL.map(|state| (state.word(), state_text(t, state).to_owned())).to_vec(),
        orders,
        next: next.map(|before| format!("/ver/orders?state={word}&before={before}&lang={}", t.short())),
        to_verify: to_verify.iter().map(|row| to_verify_line(t, row, may_order)).collect(),
    };
    Ok(private(html(StatusCode::OK, &page)))
}

/// The word for a state.
pub(crate) fn state_text(t: &Texts, state: OrderState) -> &str {
    t.of_owned(&format!("order.{}", state.word()))
}

/// Makes an order's line. The readings of a running one are counted; the others have none, or all.
pub(crate) async fn line(t: &Texts, site: &Site, runs: &Runs, row: &OrderRow) -> Result<OrderLine, Problem> {
    let order = &row.order;
    let total = order.plan.points.len() * order.plan.repeats as usize;
    let progress = match row.state {
        OrderState::Running => Some((runs.current(&site.store, row).await?.taken().len(), total)),
        OrderState::Measured | OrderState::Issued => Some((total, total)),
        _ => None,
    };
    let missing = match row.state {
        OrderState::Measured => {
            let recorded = site.store.recorded_events(row.order_no).await?;
            words::missing(t, &Run::replay(order.clone(), &recorded))
        }
        _ => String::new(),
    };
    Ok(OrderLine {
        number: order.number.clone(),
        href: format!("/ver/orders/{}?lang={}", view::segment(&order.number), t.short()),
        state: row.state.word(),
        state_text: state_text(t, row.state).to_owned(),
        pile: order.plate.pile_id.to_string(),
        outlet: order.connector,
        reason: t.of_owned(&format!("reason_of_order.{}", order.reason.word())).to_owned(),
        people: format!("{} → {}", order.verifier, order.reviewer),
        made: view::minute(row.made_at),
        progress,
        missing,
    })
}

fn to_verify_line(t: &Texts, row: &ToVerify, may_order: bool) -> ToVerifyLine {
    let pile = view::segment(&row.pile_id);
    let lang = t.short();
    // A question begins with its reason's word.
    let detail = match row.detail.split_once(": ") {
        Some((reason, detail)) if row.why == "question" => {
            format!("{} {detail}", t.of_owned(&format!("question.{reason}")))
        }
        _ => row.detail.clone(),
    };
    ToVerifyLine {
        pile: row.pile_id.clone(),
        why: t.of_owned(&format!("to_verify.{}", row.why)).to_owned(),
        detail,
        href: format!("/ver/piles/{pile}?lang={lang}"),
        order: may_order.then(|| format!("/ver/orders/new?pile={pile}&lang={lang}")),
    }
}
