//! Answers over HTTP: the map, the pages, the query API. The only crate that turns outcomes into statuses.
//!
//! Mounted by `app`. Handlers parse, make one call to the store, and answer; nothing is computed here that is not shown, and
//! no verdict is: pages show the last judgement and its date.

mod api;
mod assets;
mod certificate;
mod chart;
mod check;
mod entries;
mod headers;
mod health;
mod history;
mod map;
mod op;
mod openapi;
mod pile;
mod problem;
mod queue;
mod sentence;
mod session;
mod signals;
mod texts;
mod ver;
mod view;

use std::sync::Arc;

use actix_web::web;
use prometheus::Registry;
use veripile_store::Store;
use veripile_verification::certificate::{PublicKey, SigningKey};

pub use headers::headers;
pub use op::{Import, Imported, RowError};
pub use session::password_hash;

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
    /// Least security profile of OCPP asked of every pile.
    pub least_profile: i16,
    /// The body that verifies (检定机构), proposed in the form of an order; empty: none is set, and the form must name one.
    pub body: String,
}

/// Mounts every route.
pub fn routes(site: web::Data<Site>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        health_routes(site)(config);
        config
            .route("/", web::get().to(map::page))
            .route("/mini-map.svg", web::get().to(map::mini))
            .route("/p/{pile}", web::get().to(pile::page))
            .service(
                web::resource("/check")
                    .app_data(web::FormConfig::default().limit(check::FORM_BYTES_MAX))
                    .route(web::get().to(check::page))
                    .route(web::post().to(check::judge)),
            )
            .route("/reg/queue", web::get().to(queue::page))
            .route("/reg/queue/{pile}", web::get().to(queue::evidence))
            .route("/api/v1/piles", web::get().to(api::piles))
            .route("/api/v1/piles/{id}", web::get().to(api::pile))
            .route("/api/v1/piles/{id}/history", web::get().to(history::history))
            .route("/api/v1/piles/{id}/next-date", web::get().to(history::date))
            .route("/api/v1/piles/{id}/signals", web::get().to(signals::of_pile))
            .route("/api/v1/verifications", web::get().to(certificate::list::verifications))
            .route("/api/v1/certificates/{number}.json", web::get().to(certificate::document::json))
            .route("/api/v1/certificates/{number}.pdf", web::get().to(certificate::document::print))
            .route("/api/v1/certificates/{number}.dcc.xml", web::get().to(certificate::document::calibration))
            .route("/api/v1/certificates/{number}", web::get().to(certificate::document::any))
            .route("/.well-known/veripile-keys.json", web::get().to(certificate::keys::serve))
            .route("/c/{number}", web::get().to(certificate::page))
            .route("/c/{number}/withdraw", web::post().to(certificate::withdraw))
            .configure(op::routes)
            .configure(ver::routes)
            .route("/openapi.json", web::get().to(openapi::document))
            .route("/assets/{path:.*}", web::get().to(assets::serve))
            .route("/favicon.ico", web::get().to(assets::favicon))
            .default_service(web::to(problem::not_found));
    }
}

/// Mounts what a process without pages still answers: `/healthz`, `/readyz`, `/metrics`.
pub fn health_routes(site: web::Data<Site>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(site)
            .route("/healthz", web::get().to(health::alive))
            .route("/readyz", web::get().to(health::ready))
            .route("/metrics", web::get().to(health::metrics));
    }
}
