//! `/op/reports`: what drivers report, by pile and reason: danger first, then what was reported last. Its first page stands on `/op`, too.
//!
//! Used by [`super`] and [`super::overview`]. Says nothing of who reported, which nobody knows.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use veripile_store::report::{ReportGroup, ReportGroups, ReportReason};

use crate::Site;
use crate::problem::{Problem, html};
use crate::report::reason_text;
use crate::session::{Person, private};
use crate::texts::Texts;
use crate::view;

/// Which page, from 1.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    page: u32,
}

#[derive(Template)]
#[template(path = "op_reports.html")]
struct ReportsPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    reports: Reports,
}

/// One page of reports.
pub(crate) struct Reports {
    /// How many there are in all.
    pub(crate) total: u64,
    pub(crate) lines: Vec<ReportLine>,
    pub(crate) next: Option<String>,
}

/// Reports on a pile for one reason: the pile and its page, what, how often, when last, the newest receipt numbers.
pub(crate) struct ReportLine {
    pub(crate) pile: String,
    pub(crate) href: String,
    pub(crate) is_danger: bool,
    pub(crate) reason: String,
    pub(crate) count: u64,
    pub(crate) newest: String,
    pub(crate) receipts: String,
}

/// GET `/op/reports`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    asked: Result<web::Query<Asked>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let asked = asked.map_err(|_| Problem::parameter("page", "a number from 1"))?;
    let t = Texts::of_request(&request);
    let number = asked.page.max(1);
    let page = ReportsPage {
        t,
        simulated: site.settings.simulated,
        here: format!("/op/reports?page={number}"),
        person: &person,
        reports: reports(t, &site.store.report_groups(person.scope.as_ref(), number).await?, number),
    };
    Ok(private(html(StatusCode::OK, &page)))
}

/// Makes a page's lines.
pub(crate) fn reports(t: &Texts, found: &ReportGroups, number: u32) -> Reports {
    Reports {
        total: found.total,
        lines: found.groups.iter().map(|group| line(t, group)).collect(),
        next: found
            .has_next
            .then(|| format!("/op/reports?page={}&lang={}", number.saturating_add(1), t.short())),
    }
}

fn line(t: &Texts, group: &ReportGroup) -> ReportLine {
    ReportLine {
        pile: group.pile_id.to_string(),
        href: format!("/op/piles/{}?lang={}", view::segment(group.pile_id.as_str()), t.short()),
        is_danger: group.reason == ReportReason::Danger,
        reason: reason_text(t, group.reason).to_owned(),
        count: group.count,
        newest: view::minute(group.newest_at),
        receipts: group.receipts.join(" "),
    }
}
