//! `/stats`: what was looked at, found and promised, with the columns of the national notice, by district, operator and maker. Each
//! number opens the list that it counts. Whole without any script.
//!
//! Mounted by [`crate::routes`]. It counts what is public and judges nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use veripile_store::tally::{GroupBy, NONE, ROWS_MAX, Tally};

use crate::Site;
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::view;

/// Rows of a table on one page: a province has a hundred districts.
const ROWS_PER_PAGE: usize = 200;

/// A table.
struct Table<'a> {
    id: &'static str,
    title: &'a str,
    rows: Vec<Row<'a>>,
    /// Which rows these are of how many, where they are not all.
    cut: Option<String>,
    before: Option<String>,
    next: Option<String>,
    /// That there are more than are listed on any page.
    rest: Option<String>,
}

/// A row: the group, then columns with their numbers and lists.
struct Row<'a> {
    name: String,
    cells: Vec<(&'a str, i64, String)>,
}

/// Which table and which page of it; without, the first page of each. An empty value is one that was not asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    by: String,
    page: String,
}

impl Asked {
    /// The page, from 1.
    fn page(&self) -> Result<usize, Problem> {
        let text = self.page.trim();
        let number =
            if text.is_empty() { Some(1) } else { text.parse().ok().filter(|page: &usize| 1 <= *page) };
        number.ok_or_else(|| Problem::parameter("page", "a number from 1"))
    }
}

#[derive(Template)]
#[template(path = "stats.html")]
struct StatsPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    as_of: String,
    columns: [&'a str; 6],
    tables: Vec<Table<'a>>,
}

/// GET `/stats`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    asked: Result<web::Query<Asked>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let bad = |error| Problem::parameter("query", &format!("known parameters ({error})"));
    let asked = asked.map_err(bad)?.into_inner();
    let one = GroupBy::ALL.into_iter().find(|by| by.word() == asked.by);
    if one.is_none() && !asked.by.is_empty() {
        return Err(Problem::parameter("by", &GroupBy::ALL.map(GroupBy::word).join(", ")));
    }
    let number = if one.is_some() { asked.page()? } else { 1 };
    let tallies = site.overviews.tallies(&site.store).await?;
    let tables = tallies.tables.iter().filter(|(by, _)| one.is_none_or(|one| one == *by));
    let page = StatsPage {
        t,
        simulated: site.settings.simulated,
        here: match one {
            Some(by) => format!("/stats?by={}&page={number}", by.word()),
            None => "/stats?".to_owned(),
        },
        as_of: view::minute(tallies.as_of),
        columns: columns(t),
        tables: tables.map(|(by, rows)| table(t, *by, rows, number)).collect(),
    };
    Ok(html(StatusCode::OK, &page))
}

fn columns(t: &Texts) -> [&str; 6] {
    [
        t.of("stats.piles"),
        t.of("stats.checked_operators"),
        t.of("stats.checked_piles"),
        t.of("stats.failed"),
        t.of("stats.cases"),
        t.of("stats.commitments"),
    ]
}

/// A page of a table, from 1; of those beyond its end, the last.
fn table<'a>(t: &'a Texts, by: GroupBy, tallies: &[Tally], number: usize) -> Table<'a> {
    let number = number.min(tallies.len().div_ceil(ROWS_PER_PAGE)).max(1);
    let skip = (number - 1) * ROWS_PER_PAGE;
    let end = (skip + ROWS_PER_PAGE).min(tallies.len());
    let all = tallies.first().map_or(0, |tally| tally.groups);
    let to = |number: usize| format!("/stats?by={}&page={number}&lang={}", by.word(), t.short());
    let is_whole = skip == 0 && i64::try_from(end) == Ok(all);
    let cut = || {
        let text = t.of("stats.cut").replace("{from}", &(skip + 1).min(end).to_string());
        text.replace("{to}", &end.to_string()).replace("{all}", &all.to_string())
    };
    Table {
        id: by.word(),
        title: t.of_owned(&format!("stats.by_{}", by.word())),
        rows: tallies[skip..end].iter().map(|tally| row(t, by, tally)).collect(),
        cut: (!is_whole).then(cut),
        before: (number > 1).then(|| to(number - 1)),
        next: (end < tallies.len()).then(|| to(number + 1)),
        rest: (ROWS_MAX < all).then(|| t.of("stats.rest").replace("{n}", &ROWS_MAX.to_string())),
    }
}

fn row<'a>(t: &'a Texts, by: GroupBy, tally: &Tally) -> Row<'a> {
    let list = |path: &str, condition: &str| {
        format!("{path}?lang={}&{}={}{condition}", t.short(), by.word(), view::segment(&tally.key))
    };
    let (piles, operators) = ("/", "/stats/operators");
    let name = t.pick(&tally.name_zh, &tally.name_en);
    // In the order of the columns.
    let numbers = [
        (tally.piles, list(piles, "")),
        (tally.checked_operators, list(operators, "&only=checked")),
        (tally.checked_piles, list(piles, "&only=checked")),
        (tally.failed, list(piles, "&state=failed")),
        (tally.cases, list(piles, "&only=in_case")),
        (tally.commitments, list(operators, "&only=committed")),
    ];
    let cells = columns(t).into_iter().zip(numbers);
    Row {
        name: if name == NONE { t.of("unknown").to_owned() } else { view::name(name) },
        cells: cells.map(|(column, (count, href))| (column, count, href)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn each_number_opens_the_list_that_it_counts() {
        let tally = Tally {
            by: "maker".to_owned(),
            key: "a&b".to_owned(),
            name_zh: "甲".to_owned(),
            name_en: NONE.to_owned(),
            piles: 9,
            checked_operators: 1,
            checked_piles: 7,
            failed: 2,
            cases: 3,
            commitments: 0,
            groups: 1,
        };
        let row = super::row(Texts::in_language(Language::En), GroupBy::Maker, &tally);
        assert_eq!(row.name, "unknown");
        assert_eq!(row.cells[3], ("Failed", 2, "/?lang=en&maker=a%26b&state=failed".to_owned()));
        assert_eq!(row.cells[4].2, "/?lang=en&maker=a%26b&only=in_case");
        assert_eq!(
            row.cells[1].2, "/stats/operators?lang=en&maker=a%26b&only=checked",
            "piles are not operators"
        );
        assert_eq!(row.cells[5].2, "/stats/operators?lang=en&maker=a%26b&only=committed");
        // 450 groups of 6,000 were read.
        let many = |groups: i64| vec![Tally { groups, ..tally.clone() }; 450];
        let page = |groups, number| {
            let table = table(Texts::in_language(Language::En), GroupBy::Maker, &many(groups), number);
            (
                table.rows.len(),
                table.cut.unwrap_or_default(),
                table.before.is_some(),
                table.next.is_some(),
                table.rest.is_some(),
            )
        };
        let told = |text: &str| format!("Rows {text}, those with most piles first.");
        assert_eq!(page(450, 1), (200, told("1 to 200 of 450"), false, true, false));
        assert_eq!(page(450, 3), (50, told("401 to 450 of 450"), true, false, false));
        assert_eq!(page(6_000, 3), (50, told("401 to 450 of 6000"), true, false, true));
        assert_eq!(page(450, usize::MAX), page(450, 3), "beyond the end is the last page");
        assert_eq!(table(Texts::in_language(Language::En), GroupBy::Maker, &[], 2).rows.len(), 0);
        let asked = |page: &str| Asked { page: page.to_owned(), ..Asked::default() }.page().ok();
        assert_eq!(["", " ", "3", "0", "-1", "x"].map(asked), [Some(1), Some(1), Some(3), None, None, None]);
    }
}
