//! `/stats/operators`: which operators have piles that a search finds, each with how many and the list of them. Whole without any script.
//!
//! Mounted by [`crate::routes`]. It takes what the front page takes, so that numbers of operators in statistics open the list that they
//! count, and whoever looks for an operator finds it where the front page's form has no room for all.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;

use crate::Site;
use crate::finder::{self, Asked, PAGES_MAX};
use crate::map::{operator_name, understood};
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::view;

/// Operators on a page.
const LINES_PER_PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "operators.html")]
struct OperatorsPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    asked: &'a Asked,
    /// What their piles are.
    sentence: String,
    /// Name, number of piles, address of their list.
    lines: Vec<(String, u64, String)>,
    next: Option<String>,
    /// That there are more than are listed on any page.
    end: Option<String>,
}

/// GET `/stats/operators`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    query: Result<web::Query<Asked>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let now = Timestamp::now();
    let asked = understood(query)?;
    let wish = asked.wish(now)?;
    let skip = (wish.page as u64 - 1) * u64::from(LINES_PER_PAGE);
    let mut found = site.store.operators_found(&wish.query, now, skip, LINES_PER_PAGE + 1).await?;
    let has_next = LINES_PER_PAGE < found.len() as u32;
    found.truncate(LINES_PER_PAGE as usize);
    let line = |(operator, piles): &(veripile_pile::Operator, u64)| {
        let theirs = Asked { operator: operator.operator_id.to_string(), ..asked.clone() };
        let name = view::name(t.pick(&operator.name_zh, &operator.name_en));
        (name, *piles, format!("/?{}&lang={}", theirs.address(), t.short()))
    };
    let address = format!("/stats/operators?{}", asked.address());
    let operator = operator_name(t, &site, wish.query.operator.as_ref()).await?;
    let page = OperatorsPage {
        t,
        simulated: site.settings.simulated,
        here: address.clone(),
        asked: &asked,
        sentence: finder::conditions(t, &asked, &wish, operator.as_deref()),
        lines: found.iter().map(line).collect(),
        end: (has_next && wish.page == PAGES_MAX).then(|| {
            let listed = PAGES_MAX * LINES_PER_PAGE as usize;
            t.of("list.end").replace("{n}", &listed.to_string())
        }),
        next: (has_next && wish.page < PAGES_MAX)
            .then(|| format!("{address}&lang={}&page={}", t.short(), wish.page + 1)),
    };
    Ok(html(StatusCode::OK, &page))
}
