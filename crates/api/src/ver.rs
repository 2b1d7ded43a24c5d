//! Verifications on site with a virtual load (线下虚负荷检定): orders, runs as they go on, results for their reviewers, the register of
//! instruments, approved firmware, and each pile's history.
//!
//! Mounted by [`crate::routes`] under `/ver`. Everything here is for people who are signed in; who may do what stands in [`access`].
//! What can be seen of a document by everybody is [`crate::certificate`]'s.

pub(crate) mod access;
mod acts;
mod firmware;
mod instruments;
pub(crate) mod live;
mod new_order;
mod order;
mod order_form;
mod orders;
mod pile;
mod plan_view;
mod record;
mod review;
mod runs;
mod words;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) use record::difference_key;
#[cfg(test)]
pub(crate) use words::{PLAN_EXPECTED, PLAN_WORDS};

use actix_web::web;

/// Mounts the pages under `/ver`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let form = |most: usize| web::FormConfig::default().limit(most);
    config
        .app_data(web::Data::new(runs::Runs::default()))
        .route("/ver", web::get().to(orders::page))
        .route("/ver/orders", web::get().to(orders::page))
        .service(
            web::resource("/ver/orders/new")
                .app_data(form(new_order::FORM_BYTES_MAX))
                .route(web::get().to(new_order::form))
                .route(web::post().to(new_order::make)),
        )
        .service(
            web::scope("/ver/orders/{number}")
                .app_data(form(acts::FORM_BYTES_MAX))
                .route("", web::get().to(order::page))
                .route("/live", web::get().to(order::fragment))
                .route("/start", web::post().to(acts::start))
                .route("/stop", web::post().to(acts::stop))
                .route("/cancel", web::post().to(acts::cancel))
                .route("/conditions", web::post().to(acts::conditions))
                .route("/display", web::post().to(acts::display))
                .route("/item", web::post().to(acts::item))
                .route("/seals", web::post().to(acts::seals))
                .route("/confirm", web::post().to(review::confirm))
                .route("/send-back", web::post().to(review::send_back)),
        )
        .route("/ver/instruments", web::get().to(instruments::page))
        .route("/ver/instruments", web::post().to(instruments::save))
        .route("/ver/instruments/{id}/retire", web::post().to(instruments::retire))
        .route("/ver/firmware", web::get().to(firmware::page))
        .route("/ver/firmware", web::post().to(firmware::approve))
        .route("/ver/piles/{pile}", web::get().to(pile::page))
        .route("/ver/piles/{pile}/question", web::post().to(pile::question))
        .route("/ver/piles/{pile}/repair", web::post().to(pile::repair));
}
