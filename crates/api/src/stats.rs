//! `/stats`: what was looked at, found and promised, with the columns of the national notice, by district, operator and maker. Each
//! number of piles opens the list that it counts. Whole without any script.
//!
//! Mounted by [`crate::routes`]. It counts what is public and judges nothing.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use veripile_store::tally::{GroupBy, NONE, Tally};

use crate::Site;
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::view;

/// A table.
struct Table<'a> {
    id: &'static str,
    title: &'a str,
    rows: Vec<Row<'a>>,
}

/// A row: the group, then columns with their numbers and lists; of operators there is no list.
struct Row<'a> {
    name: String,
    cells: Vec<(&'a str, i64, Option<String>)>,
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
pub(crate) async fn page(request: HttpRequest, site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let tallies = site.overviews.tallies(&site.store).await?;
    let table = |(by, rows): &(GroupBy, Vec<Tally>)| Table {
        id: by.word(),
        title: t.of_owned(&format!("stats.by_{}", by.word())),
        rows: rows.iter().map(|tally| row(t, *by, tally)).collect(),
    };
    let page = StatsPage {
        t,
        simulated: site.settings.simulated,
        here: "/stats?".to_owned(),
        as_of: view::minute(tallies.as_of),
        columns: columns(t),
        tables: tallies.tables.iter().map(table).collect(),
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

fn row<'a>(t: &'a Texts, by: GroupBy, tally: &Tally) -> Row<'a> {
    let list = format!("/?lang={}&{}={}", t.short(), by.word(), view::segment(&tally.key));
    let name = t.pick(&tally.name_zh, &tally.name_en);
    // In the order of the columns.
    let numbers = [
        (tally.piles, Some("")),
        (tally.checked_operators, None),
        (tally.checked_piles, Some("&only=checked")),
        (tally.failed, Some("&state=failed")),
        (tally.cases, Some("&only=in_case")),
        (tally.commitments, None),
    ];
    let cells = columns(t).into_iter().zip(numbers);
    Row {
        name: if name == NONE { t.of("unknown").to_owned() } else { name.to_owned() },
        cells: cells
            .map(|(column, (count, condition))| {
                (column, count, condition.map(|condition| format!("{list}{condition}")))
            })
            .collect(),
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
        };
        let row = super::row(Texts::in_language(Language::En), GroupBy::Maker, &tally);
        assert_eq!(row.name, "unknown");
        assert_eq!(row.cells[3], ("Failed", 2, Some("/?lang=en&maker=a%26b&state=failed".to_owned())));
        assert_eq!(
            row.cells[4],
            ("With an open case", 3, Some("/?lang=en&maker=a%26b&only=in_case".to_owned()))
        );
        assert!([1, 5].iter().all(|operators| row.cells[*operators].2.is_none()), "piles are not operators");
    }
}
