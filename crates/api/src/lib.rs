//! Answers over HTTP: the map, the pages, the query API. The only crate that turns outcomes into statuses.
//!
//! Mounted by `app`. Handlers parse, make one call to the store, and answer; nothing is computed here that is not shown, and
//! no verdict is: pages show the last judgement and its date.

mod about;
mod api;
mod archive;
mod assets;
mod atlas;
mod badge;
mod basemap;
mod certificate;
mod charge;
mod chart;
mod check;
mod client;
mod columns;
mod contradictions;
mod door;
mod doubts;
mod dumps;
mod entries;
mod finder;
mod fresh;
mod headers;
mod health;
mod history;
#[cfg(test)]
mod isolated;
mod map;
mod navigate;
mod next_date;
mod ocpi;
mod op;
mod openapi;
mod operators;
mod overview;
mod pile;
mod problem;
mod qr;
mod queue;
mod reply;
mod report;
mod same_site;
mod sentence;
mod session;
mod signals;
mod sketch;
mod standing;
mod station;
mod station_list;
mod stats;
mod texts;
mod tiles;
mod ver;
mod view;

use std::sync::Arc;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{FromRequest, Handler, Resource, Responder, Route, web};
use prometheus::Registry;
use veripile_pile::case::Rules;
use veripile_store::Store;
use veripile_verification::certificate::{PublicKey, SigningKey};

pub use basemap::Basemap;
pub use certificate::checks::Checks;
pub use door::{Limiter, key_hash};
pub use dumps::Dumps;
pub use headers::{encrypted_only, head, headers, pages};
pub use ocpi::{OcpiSettings, Readings};
pub use op::{
    Assumed, Import, Imported, Other, RowError, cannot_be, doubtful_places, of_others, public_still,
};
pub use overview::Overviews;
pub use problem::for_people;
pub use report::Reporters;
pub use sentence::{figure, told_in_english};
pub use session::password_hash;
pub use tiles::Tiles;

/// What the pages need.
pub struct Site {
    /// The database.
    pub store: Store,
    /// What `/metrics` shows.
    pub registry: Registry,
    /// How the site presents itself.
    pub settings: SiteSettings,
    /// Reads a table of piles.
    pub import: Import,
    /// Signs documents of verifications.
    pub signing: Arc<SigningKey>,
    /// Keys that signed documents before.
    pub former_keys: Vec<PublicKey>,
    /// What was found of documents.
    pub checks: Checks,
    /// Counts requests to the query API.
    pub limiter: Limiter,
    /// The map's tiles.
    pub tiles: Tiles,
    /// Lists that parties read over OCPI, page by page.
    pub readings: Readings,
    /// Bulk dumps.
    pub dumps: Dumps,
    /// What the front page says of all piles.
    pub overviews: Overviews,
    /// Counts what drivers report.
    pub reporters: Reporters,
}

/// How the site presents itself.
#[derive(Debug, Clone, Default)]
pub struct SiteSettings {
    /// Whether everything shown is simulated; every page says so.
    pub simulated: bool,
    /// Address under which the public reaches the site; none = relative links.
    pub public_url: Option<String>,
    /// Port that serves everything encrypted, if there is one.
    pub tls_port: Option<u16>,
    /// Whether a proxy in front of us says where requests come from.
    pub behind_proxy: bool,
    /// Least security profile of OCPP asked of every pile.
    pub least_profile: i16,
    /// The body that verifies (检定机构), proposed in the form of an order; empty: none is set, and the form must name one.
    pub body: String,
    /// Requests to the query API that one address may make in a minute without a key.
    pub requests_per_minute: u32,
    /// How long operators may reply to a notice of result.
    pub rules: Rules,
    /// As whom we answer over OCPI.
    pub ocpi: OcpiSettings,
    /// What lies beneath the piles on the map.
    pub basemap: Basemap,
}

/// Mounts every route.
pub fn routes(site: web::Data<Site>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        health_routes(site)(config);
        config
            .service(searched(shown("/", map::page)))
            .service(counted(read("/mini-map.svg", map::mini)))
            .service(counted(read("/found.geojson", map::found)))
            .service(packed(shown("/p/{pile}", pile::page)))
            .service(both("/p/{pile}/report", report::form, report::send))
            .service(shown("/p/{pile}/report/{receipt}", report::receipt_page))
            .service(packed(shown("/s/{station}", station::page)))
            .service(
                both("/check", check::page, check::judge)
                    .app_data(web::PayloadConfig::new(check::FORM_BYTES_MAX))
                    .wrap(from_fn(map::guard)),
            )
            .service(shown("/about", about::page))
            .service(shown("/open-data", about::open_data))
            .service(tagged(shown("/badge/{pile}.svg", badge::badge)))
            .service(tagged(shown("/widget/{pile}", badge::widget)))
            .service(packed(shown("/stats", stats::page)))
            .service(searched(shown("/stats/operators", operators::page)))
            .service(shown("/reg/queue", queue::page))
            .service(shown("/reg/queue/{pile}", queue::evidence))
            .service(query_api())
            .service(ocpi::routes())
            .service(counted(read("/openapi.json", openapi::document)))
            .service(counted(read("/.well-known/veripile-keys.json", certificate::keys::serve)))
            // Not compressed: a page of somebody signed in has a secret in its form.
            .service(shown("/c/{number}", certificate::page).wrap(from_fn(map::guard)))
            .service(sent("/c/{number}/withdraw", certificate::withdraw))
            .configure(op::routes)
            .configure(ver::routes)
            .service(shown("/basemap/{z}/{x}/{y}", archive::tile))
            .service(packed(shown("/assets/{path:.*}", assets::serve)))
            .service(shown("/manifest.webmanifest", assets::manifest))
            .service(shown("/sw.js", assets::service_worker))
            .service(shown("/favicon.ico", assets::favicon))
            .default_service(web::to(problem::not_found));
    }
}

/// A page or file that goes over the line compressed, if the reader likes. Nothing private stands in it.
fn packed(page: Resource) -> impl HttpServiceFactory {
    page.wrap(Compress::default()).wrap(from_fn(headers::coded))
}

/// A page that searches: packed, and counted.
fn searched(page: Resource) -> impl HttpServiceFactory {
    page.wrap(from_fn(map::guard)).wrap(Compress::default()).wrap(from_fn(headers::coded))
}

/// What costs as much as the query API does and stands outside it: behind the same door.
fn counted(answer: Resource) -> impl HttpServiceFactory {
    answer.wrap(from_fn(door::guard)).wrap(Compress::default()).wrap(from_fn(headers::coded))
}

/// A page or picture that is known by its content.
fn tagged(page: Resource) -> impl HttpServiceFactory {
    page.wrap(from_fn(door::tag))
}

/// A page or file: read, and nothing else.
fn shown<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(web::get().to(handler)).default_service(only("GET, HEAD"))
}

/// The same behind the query API's door, which answers OPTIONS itself.
fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    shown(path, handler).default_service(only("GET, HEAD, OPTIONS"))
}

/// A page with a form that is sent to the same address.
fn both<F, FArgs, G, GArgs>(path: &str, show: F, take: G) -> Resource
where
    F: Handler<FArgs>,
    FArgs: FromRequest + 'static,
    F::Output: Responder + 'static,
    G: Handler<GArgs>,
    GArgs: FromRequest + 'static,
    G::Output: Responder + 'static,
{
    shown(path, show).route(web::post().to(take)).default_service(only("GET, HEAD, POST"))
}

/// Where a form is sent that is on a page of another address.
fn sent<F, Args>(path: &str, take: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(web::post().to(take)).default_service(only("POST"))
}

/// What answers every other method than those that an address has.
fn only(methods: &'static str) -> Route {
    web::to(move || async move { problem::not_allowed(methods) })
}

/// The query API, behind its door.
fn query_api() -> impl HttpServiceFactory {
    web::scope("/api/v1")
        .wrap(from_fn(door::guard))
        .wrap(Compress::default())
        .wrap(from_fn(headers::coded))
        .service(read("/piles", api::piles))
        .service(read("/piles/{id}", api::pile))
        .service(read("/piles/{id}/history", history::history))
        .service(read("/piles/{id}/next-date", next_date::date))
        .service(read("/piles/{id}/signals", signals::of_pile))
        .service(read("/balances", signals::balances))
        .service(read("/charges/{number}", charge::charge))
        .service(read("/tiles/piles/{z}/{x}/{y}.mvt", tiles::tile))
        .service(read("/dumps", dumps::index))
        .service(read("/dumps/{file}", dumps::file))
        .service(read("/stations", station_list::stations))
        .service(read("/stations/{id}", station_list::station))
        .service(read("/verifications", certificate::list::verifications))
        .service(read("/certificates/{number}.json", certificate::document::json))
        .service(read("/certificates/{number}.pdf", certificate::document::print))
        .service(read("/certificates/{number}.dcc.xml", certificate::document::calibration))
        .service(read("/certificates/{number}", certificate::document::any))
        .default_service(web::to(problem::not_found))
}

/// Mounts what a process without pages still answers: `/healthz`, `/readyz`, `/metrics`.
pub fn health_routes(site: web::Data<Site>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(site)
            .service(shown("/healthz", health::alive))
            .service(shown("/readyz", health::ready))
            .service(shown("/metrics", health::metrics));
    }
}
