//! The operators' pages: sign in, see one's piles and how they are connected, let chargers in, ask them things, reply to cases.
//!
//! Mounted by [`crate::routes`]. Everybody sees the piles of their operator; an administrator sees all, and the inbox. Every
//! form carries the session's own token; nothing here is cached, and a key is shown once.

mod cases;
mod certificates;
mod import;
mod label;
mod message;
mod orders;
mod overview;
mod pile;
mod reports;
mod sampling;

#[cfg(test)]
pub(crate) use certificates::KINDS as CERTIFICATE_KINDS;
#[cfg(test)]
pub(crate) use sampling::PERCENTAGES as SAMPLING_PERCENTAGES;

use actix_web::web;

use crate::{session, signals};

pub use import::{
    Assumed, Import, Imported, Other, RowError, cannot_be, doubtful_places, of_others, public_still,
};

/// Mounts the pages under `/op`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::Data::new(session::Doorman::default()))
        .route("/op", web::get().to(overview::page))
        .route("/op/sign-in", web::get().to(session::form))
        .route("/op/sign-in", web::post().to(session::sign_in))
        .route("/op/sign-out", web::post().to(session::sign_out))
        .service(
            web::resource("/op/import")
                .app_data(web::FormConfig::default().limit(import::FORM_BYTES_MAX))
                .route(web::get().to(import::form))
                .route(web::post().to(import::import)),
        )
        .route("/op/signals", web::get().to(signals::page))
        .route("/op/dates", web::get().to(signals::dates))
        .route("/op/reports", web::get().to(reports::page))
        .route("/op/sampling", web::get().to(sampling::page))
        .route("/op/inbox/{pile}/let-in", web::post().to(overview::let_in))
        .route("/op/inbox/{pile}/dismiss", web::post().to(overview::dismiss))
        .route("/op/piles/{pile}", web::get().to(pile::page))
        .route("/op/piles/{pile}/key", web::post().to(pile::new_key))
        .route("/op/piles/{pile}/access", web::post().to(pile::access))
        .route("/op/piles/{pile}/order", web::post().to(orders::order))
        .service(
            web::resource("/op/piles/{pile}/reply")
                .app_data(web::FormConfig::default().limit(cases::FORM_BYTES_MAX))
                .route(web::post().to(cases::reply)),
        )
        .route("/op/piles/{pile}/label.pdf", web::get().to(label::pdf))
        .route("/op/piles/{pile}/messages", web::get().to(message::page))
        .route("/op/piles/{pile}/messages.ndjson", web::get().to(message::export));
}
