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

use crate::{both, sent, shown};

/// Mounts the pages under `/ver`.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let form = |most: usize| web::FormConfig::default().limit(most);
    config
        .app_data(web::Data::new(runs::Runs::default()))
        .service(shown("/ver", orders::page))
        .service(shown("/ver/orders", orders::page))
        .service(
            both("/ver/orders/new", new_order::form, new_order::make)
                .app_data(form(new_order::FORM_BYTES_MAX)),
        )
        .service(
            web::scope("/ver/orders/{number}")
                .app_data(form(acts::FORM_BYTES_MAX))
                .service(shown("", order::page))
                .service(shown("/live", order::fragment))
                .service(sent("/start", acts::start))
                .service(sent("/stop", acts::stop))
                .service(sent("/cancel", acts::cancel))
                .service(sent("/conditions", acts::conditions))
                .service(sent("/display", acts::display))
                .service(sent("/item", acts::item))
                .service(sent("/seals", acts::seals))
                .service(sent("/confirm", review::confirm))
                .service(sent("/send-back", review::send_back)),
        )
        .service(both("/ver/instruments", instruments::page, instruments::save))
        .service(sent("/ver/instruments/{id}/retire", instruments::retire))
        .service(both("/ver/firmware", firmware::page, firmware::approve))
        .service(shown("/ver/piles/{pile}", pile::page))
        .service(sent("/ver/piles/{pile}/question", pile::question))
        .service(sent("/ver/piles/{pile}/repair", pile::repair));
}
