//! `/openapi.json`: the query API described by itself (OpenAPI 3.1).

use actix_web::HttpResponse;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "veripile",
        description = "Charging piles: public state, verifications with their documents, remote assessment, live status. Errors are \
                       relative errors of indication in percent, positive when the pile over-registers. A remote assessment is \
                       evidence, not a verification."
    ),
    paths(
        crate::api::piles,
        crate::api::pile,
        crate::history::history,
        crate::history::date,
        crate::signals::of_pile,
        crate::certificate::list::verifications,
        crate::certificate::document::any,
        crate::certificate::document::json,
        crate::certificate::document::print,
        crate::certificate::document::calibration,
        crate::certificate::keys::serve
    )
)]
struct Document;

/// GET `/openapi.json`.
pub(crate) async fn document() -> HttpResponse {
    match Document::openapi().to_json() {
        Ok(text) => HttpResponse::Ok().content_type("application/json").body(text),
        Err(error) => {
            tracing::error!(%error, "the API description could not be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_openapi_3_1_and_lists_the_paths() {
        let document: serde_json::Value =
            serde_json::from_str(&Document::openapi().to_json().expect("writable")).expect("JSON");
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
        for path in [
            "/api/v1/piles",
            "/api/v1/piles/{id}",
            "/api/v1/piles/{id}/history",
            "/api/v1/piles/{id}/next-date",
            "/api/v1/piles/{id}/signals",
            "/api/v1/verifications",
            "/api/v1/certificates/{number}",
            "/api/v1/certificates/{number}.json",
            "/api/v1/certificates/{number}.pdf",
            "/api/v1/certificates/{number}.dcc.xml",
            "/.well-known/veripile-keys.json",
        ] {
            assert!(document["paths"][path]["get"].is_object(), "{path}");
        }
    }
}
