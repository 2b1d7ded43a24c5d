//! A pile's next date alone, with what stands beside every answer of the query API.
//!
//! Mounted by [`crate::routes`] at `/api/v1/piles/{id}/next-date`. What is proposed, or withdrawn, is [`crate::history`]'s to tell.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Site;
use crate::api::{Meta, json};
use crate::history::{NextDate, find};
use crate::problem::Problem;

/// A next date, with what stands beside it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneNextDate {
    meta: Meta,
    #[serde(flatten)]
    date: NextDate,
}

/// By when a pile is proposed to be verified, from its state: a proposal, not a verification
#[utoipa::path(get, path = "/api/v1/piles/{id}/next-date", params(("id" = String, Path, description = "Pile identifier")), responses(
    (status = 200, description = "The proposal, or why it is withdrawn", body = OneNextDate),
    (status = 404, description = "No such pile, or not assessed yet", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn date(site: web::Data<Site>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let pile = find(&site, &id).await?;
    let date = site.store.next_date(&pile.pile_id).await?;
    let date = date.ok_or_else(|| Problem::missing("the pile has not been assessed yet"))?;
    let answer =
        OneNextDate { meta: Meta::new(Some(date.as_of), None), date: NextDate::of(&date, Timestamp::now()) };
    Ok(json("application/json", &answer))
}
