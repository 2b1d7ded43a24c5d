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
        crate::tiles::tile,
        crate::dumps::index,
        crate::dumps::file,
        crate::station_list::stations,
        crate::station_list::station,
        crate::history::date,
        crate::signals::of_pile,
        crate::signals::balances,
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

    /// The description as it was agreed to.
    const AGREED: &str = include_str!("../openapi.json");

    #[test]
    fn the_description_is_the_one_agreed_to() {
        let served = Document::openapi().to_pretty_json().expect("writable");
        let value = |text: &str| -> serde_json::Value { serde_json::from_str(text).expect("JSON") };
        if value(&served) != value(AGREED) {
            let file = std::env::temp_dir().join("veripile-openapi.json");
            std::fs::write(&file, &served).expect("written");
            panic!(
                "the API's description has changed. If that is meant, and breaks nobody:\n  cp {} {}/openapi.json",
                file.display(),
                env!("CARGO_MANIFEST_DIR")
            );
        }
    }

    #[test]
    fn the_description_is_openapi_3_1_and_lists_the_paths() {
        let document: serde_json::Value =
            serde_json::from_str(&Document::openapi().to_json().expect("writable")).expect("JSON");
        assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
        for path in [
            "/api/v1/piles",
            "/api/v1/piles/{id}",
            "/api/v1/piles/{id}/history",
            "/api/v1/tiles/piles/{z}/{x}/{y}.mvt",
            "/api/v1/dumps",
            "/api/v1/dumps/{file}",
            "/api/v1/stations",
            "/api/v1/stations/{id}",
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
