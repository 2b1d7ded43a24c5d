//! The message log of one pile: each call with its answer, who called, how long it took; filtered, paged, exported.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use veripile_ocpp::Frame;
use veripile_store::message::{EXPORT_MAX, Exchange, MessageFilter, PAGE_MAX};

use super::pile::known;
use crate::Site;
use crate::problem::{Problem, html};
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::view;

/// Which messages.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    action: String,
    #[serde(default)]
    marked: String,
    before: Option<Timestamp>,
}

impl Asked {
    fn filter(&self) -> MessageFilter<'_> {
        MessageFilter {
            action: Some(self.action.trim()).filter(|action| !action.is_empty()),
            marked: self.marked == "yes",
            before: self.before,
        }
    }
}

/// An exchange, ready to show.
struct ExchangeView {
    at: String,
    caller: &'static str,
    caller_text: String,
    action: String,
    latency: String,
    body: String,
    answer: String,
    marks: Vec<String>,
}

#[derive(Template)]
#[template(path = "op_messages.html")]
struct MessagesPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    id: String,
    path: String,
    asked: &'a Asked,
    is_marked: bool,
    exchanges: Vec<ExchangeView>,
    next: Option<String>,
}

/// GET `/op/piles/{pile}/messages`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let pile = known(&site, &person, &id).await?;
    let mut found = site.store.messages(pile.pile_no, asked.filter(), PAGE_MAX + 1).await?;
    let path = format!("/op/piles/{}", view::segment(&id));
    let next = view::cut_to_page(&mut found, PAGE_MAX as usize).map(|last| last.at.to_string());
    let page = MessagesPage {
        t,
        simulated: site.settings.simulated,
        here: format!("{path}/messages?"),
        person: &person,
        id: pile.pile_id.to_string(),
        path,
        is_marked: asked.filter().marked,
        asked: &asked,
        exchanges: found.iter().map(|exchange| exchange_view(t, exchange)).collect(),
        next,
    };
    Ok(private(html(StatusCode::OK, &page)))
}

/// GET `/op/piles/{pile}/messages.ndjson`: one exchange a line, as stored, newest first. Where there are more than fit, the last line says
/// `{"more_before": time}`, to be asked for as `?before=`.
pub(crate) async fn export(
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let pile = known(&site, &person, &id).await?;
    let mut found = site.store.messages(pile.pile_no, asked.filter(), EXPORT_MAX + 1).await?;
    let more_before = view::cut_to_page(&mut found, EXPORT_MAX as usize).map(|last| last.at);
    let mut lines = String::new();
    for exchange in &found {
        let line = json!({ "pile_id": pile.pile_id.as_str(), "at": exchange.at, "caller": exchange.caller,
            "call": exchange.body, "marks": exchange.marks, "answered_at": exchange.answered_at,
            "answer": exchange.answer });
        lines.push_str(&format!("{line}\n"));
    }
    if let Some(before) = more_before {
        lines.push_str(&format!("{}\n", json!({ "more_before": before })));
    }
    let file = format!("attachment; filename=\"messages-{}.ndjson\"", pile.pile_no);
    Ok(private(
        HttpResponse::Ok()
            .content_type("application/x-ndjson")
            .insert_header((CONTENT_DISPOSITION, file))
            .body(lines),
    ))
}

fn exchange_view(t: &Texts, exchange: &Exchange) -> ExchangeView {
    let caller = match exchange.caller.as_str() {
        "charger" => "charger",
        "call" => "call",
        "upstream_call" => "upstream_call",
        _ => "unreadable",
    };
    let action = match Frame::open(&exchange.body) {
        Ok(Frame::Call { action, .. }) => action,
        _ => String::new(),
    };
    let took = exchange.answered_at.map(|at| at.duration_since(exchange.at).as_micros());
    ExchangeView {
        at: view::second(exchange.at),
        caller,
        caller_text: t.of_owned(&format!("caller.{caller}")).to_owned(),
        action,
        latency: took
            .map_or_else(|| t.of("op.unanswered").to_owned(), |us| format!("{:.1} ms", us as f64 / 1000.0)),
        body: exchange.body.clone(),
        answer: exchange.answer.clone().unwrap_or_default(),
        marks: exchange.marks.iter().map(|code| t.of_owned(&format!("mark.{code}")).to_owned()).collect(),
    }
}
