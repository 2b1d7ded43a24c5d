//! `/api/v1/piles/{id}/history`: what was said of a pile from afar, day by day. Its verifications are at `/api/v1/verifications`.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use veripile_pile::PileId;

use crate::Site;
use crate::api::{Assessment, Meta, json};
use crate::problem::Problem;

/// Days on a page where the request does not say, and at most: a year.
const LIMIT_DEFAULT: u32 = 90;
const LIMIT_MAX: u32 = 366;

/// Days looked back at, at most. A pile is scrapped after some ten years.
const DAYS_MAX: u32 = 5_000;

/// Which part of the past.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Where the page before ended (`meta.next`): a time
    cursor: Option<String>,
    /// At most this many days, 1 to 366
    limit: Option<u32>,
}

/// A pile's past, newest first, the last assessment of each day (UTC).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct History {
    meta: Meta,
    pile_id: String,
    assessments: Vec<Assessment>,
}

/// What was said of a pile from afar, day by day, newest first
#[utoipa::path(get, path = "/api/v1/piles/{id}/history",
    params(("id" = String, Path, description = "Pile identifier"), Parameters), responses(
    (status = 200, description = "Its past", body = History),
    (status = 304, description = "As it was"),
    (status = 400, description = "A parameter cannot be", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such pile", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn history(
    site: web::Data<Site>,
    id: web::Path<String>,
    parameters: Result<web::Query<Parameters>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let parameters =
        parameters.map_err(|error| Problem::parameter("query", &format!("known parameters ({error})")))?;
    let limit = parameters.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::parameter("limit", &format!("a number from 1 to {LIMIT_MAX}")));
    }
    let before = parameters.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let before: Option<Timestamp> = before
        .map(|cursor| cursor.parse().map_err(|_| Problem::parameter("cursor", "a time, RFC 3339")))
        .transpose()?;
    let missing = || Problem::missing("no pile has this identifier; /api/v1/piles lists them");
    let pile_id = PileId::parse(&id).map_err(|_| missing())?;
    site.store.pile(&pile_id).await?.ok_or_else(missing)?;
    let mut past = site.store.estimates(&pile_id, DAYS_MAX).await?;
    past.retain(|estimate| before.is_none_or(|before| estimate.as_of < before));
    let more = past.len() > limit as usize;
    past.truncate(limit as usize);
    let next = past.last().filter(|_| more).map(|estimate| estimate.as_of.to_string());
    let history = History {
        meta: Meta::new(past.first().map(|estimate| estimate.as_of), next),
        pile_id: pile_id.to_string(),
        assessments: past.iter().map(Assessment::from).collect(),
    };
    Ok(json("application/json", &history))
}
