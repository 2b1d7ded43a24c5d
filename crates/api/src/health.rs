//! For whoever watches the process: alive, ready, metrics.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use prometheus::TextEncoder;

use crate::Site;
use crate::problem::Problem;

/// A database that takes longer to say anything is not ready.
const READY_TIMEOUT: Duration = Duration::from_secs(3);

/// GET `/healthz`: the process lives.
pub(crate) async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// GET `/readyz`: the database answers.
pub(crate) async fn ready(site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    match tokio::time::timeout(READY_TIMEOUT, site.store.ping()).await {
        Ok(Ok(())) => Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n")),
        Ok(Err(error)) => Err(Problem::from(error)),
        Err(_) => Err(Problem::unavailable("the database does not answer in time")),
    }
}

/// GET `/metrics`: Prometheus's text format.
pub(crate) async fn metrics(site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    match TextEncoder::new().encode_to_string(&site.registry.gather()) {
        Ok(text) => {
            Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
        }
        Err(error) => Err(Problem::unavailable(&error.to_string())),
    }
}
