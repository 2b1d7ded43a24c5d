//! `/about` and `/open-data`: what is checked and how in plain words, and what anybody may take and embed. Whole without any script.
//!
//! Mounted by [`crate::routes`]. Texts only; what they say of rules stands in the text table, both languages beside each other.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use veripile_pile::State;

use crate::Site;
use crate::api::LICENSE;
use crate::problem::html;
use crate::qr;
use crate::texts::Texts;
use crate::view;

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    /// Heading and paragraphs.
    sections: Vec<(&'a str, Vec<&'a str>)>,
    /// Word, symbol, name and meaning of each public state.
    states: Vec<(&'static str, &'static str, String, &'a str)>,
}

/// GET `/about`.
pub(crate) async fn page(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let t = Texts::of_request(&request);
    let page = AboutPage {
        t,
        simulated: site.settings.simulated,
        here: "/about?".to_owned(),
        sections: vec![
            (t.of("about.what"), vec![t.of("about.what.1"), t.of("about.what.2")]),
            (t.of("about.verification"), vec![t.of("about.verification.1"), t.of("about.verification.2")]),
            (
                t.of("about.remote"),
                vec![t.of("about.remote.1"), t.of("about.remote.2"), t.of("about.remote.3")],
            ),
            (t.of("about.uncertainty"), vec![t.of("about.uncertainty.1"), t.of("about.uncertainty.2")]),
            (t.of("about.signed"), vec![t.of("about.signed.1")]),
            (t.of("about.wrong"), vec![t.of("about.wrong.1"), t.of("about.wrong.2")]),
            (t.of("about.privacy"), vec![t.of("about.privacy.1")]),
        ],
        states: State::ALL
            .iter()
            .map(|state| {
                let meaning = t.of_owned(&format!("about.state.{}", state.word()));
                (state.word(), view::symbol(*state), view::state_text(t, *state), meaning)
            })
            .collect(),
    };
    html(StatusCode::OK, &page)
}

/// A set of data: its name, what it holds, its addresses.
struct DataSet<'a> {
    name: &'a str,
    what: &'a str,
    addresses: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "open_data.html")]
struct OpenDataPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    site: String,
    license: &'static str,
    requests_per_minute: u32,
    sets: Vec<DataSet<'a>>,
}

/// GET `/open-data`.
pub(crate) async fn open_data(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let t = Texts::of_request(&request);
    let set = |name, what, addresses| DataSet { name, what, addresses };
    let page = OpenDataPage {
        t,
        simulated: site.settings.simulated,
        here: "/open-data?".to_owned(),
        site: qr::site_address(&request, &site),
        license: LICENSE,
        requests_per_minute: site.settings.requests_per_minute,
        sets: vec![
            set(t.of("data.piles"), t.of("data.piles.what"), vec!["/api/v1/piles?limit=100"]),
            set(
                t.of("data.history"),
                t.of("data.history.what"),
                vec!["/api/v1/piles/{id}/history", "/api/v1/piles/{id}/next-date"],
            ),
            set(t.of("data.tiles"), t.of("data.tiles.what"), vec!["/api/v1/tiles/piles/{z}/{x}/{y}.mvt"]),
            set(t.of("data.stations"), t.of("data.stations.what"), vec!["/api/v1/stations?limit=100"]),
            set(t.of("data.verifications"), t.of("data.verifications.what"), vec!["/api/v1/verifications"]),
            set(t.of("data.keys"), t.of("data.keys.what"), vec!["/.well-known/veripile-keys.json"]),
            set(
                t.of("data.dumps"),
                t.of("data.dumps.what"),
                vec![
                    "/api/v1/dumps",
                    "/api/v1/dumps/piles.csv",
                    "/api/v1/dumps/piles.ndjson",
                    "/api/v1/dumps/piles.geojson",
                    "/api/v1/dumps/stations.csv",
                    "/api/v1/dumps/stations.ndjson",
                    "/api/v1/dumps/stations.geojson",
                ],
            ),
            set(t.of("data.ocpi"), t.of("data.ocpi.what"), vec!["/ocpi/versions"]),
            set(t.of("data.description"), t.of("data.description.what"), vec!["/openapi.json"]),
        ],
    };
    html(StatusCode::OK, &page)
}
