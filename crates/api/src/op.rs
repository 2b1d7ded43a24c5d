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

use crate::{both, sent, session, shown, signals};

pub use import::{
    Assumed, Import, Imported, Other, RowError, cannot_be, doubtful_places, of_others, public_still,
};

/// Mounts the pages under `/op`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::Data::new(session::Doorman::default()))
        .service(shown("/op", overview::page))
        .service(both("/op/sign-in", session::form, session::sign_in))
        .service(sent("/op/sign-out", session::sign_out))
        .service(
            both("/op/import", import::form, import::import)
                .app_data(web::FormConfig::default().limit(import::FORM_BYTES_MAX)),
        )
        .service(shown("/op/signals", signals::page))
        .service(shown("/op/dates", signals::dates))
        .service(shown("/op/reports", reports::page))
        .service(shown("/op/sampling", sampling::page))
        .service(sent("/op/inbox/{pile}/let-in", overview::let_in))
        .service(sent("/op/inbox/{pile}/dismiss", overview::dismiss))
        .service(shown("/op/piles/{pile}", pile::page))
        .service(sent("/op/piles/{pile}/key", pile::new_key))
        .service(sent("/op/piles/{pile}/access", pile::access))
        .service(sent("/op/piles/{pile}/order", orders::order))
        .service(
            web::resource("/op/piles/{pile}/reply")
                .app_data(web::FormConfig::default().limit(cases::FORM_BYTES_MAX))
                .route(web::post().to(cases::reply)),
        )
        .service(shown("/op/piles/{pile}/label.pdf", label::pdf))
        .service(shown("/op/piles/{pile}/messages", message::page))
        .service(shown("/op/piles/{pile}/messages.ndjson", message::export));
}
