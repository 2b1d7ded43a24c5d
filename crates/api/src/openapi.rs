//! `/openapi.json`: the query API described by itself (OpenAPI 3.1). What its door answers is said here once for every path behind it.
//!
//! What stands under `/ocpi` is described by the Open Charge Point Interface's own specification; here its addresses are listed, and our
//! extensions have schemas.

use actix_web::HttpResponse;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, OpenApi as Described, Ref, Response, ResponseBuilder, SecurityRequirement,
};
use utoipa::{Modify, OpenApi};

/// The paths that are for those who are signed in.
const SIGNED_IN: [&str; 2] = ["/api/v1/piles/{id}/signals", "/api/v1/balances"];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "veripile",
        description = "Charging piles: public state, verifications with their documents, remote assessment, live status. Errors are \
                       relative errors of indication in percent, positive when the pile over-registers. A remote assessment is \
                       evidence, not a verification.\n\nEvery list pages by `cursor` (`meta.next` of the page before) and `limit`. \
                       `before` of /api/v1/verifications is its former name and goes on working.\n\nBesides, Open Charge Point \
                       Interface 2.2.1 is answered in role NAP, as its own specification has it \
                       (https://github.com/ocpi/ocpi, 2.2.1-d2): Authorization: Token, from whoever runs this site; sender of \
                       Locations and Tariffs (`date_from`, `date_to`, `offset`, `limit`), receiver of CDRs. GET /ocpi/versions; \
                       GET /ocpi/2.2.1; GET, POST, PUT, DELETE /ocpi/2.2.1/credentials; GET /ocpi/2.2.1/locations; \
                       GET /ocpi/2.2.1/locations/{location}; GET /ocpi/2.2.1/locations/{location}/{evse}; \
                       GET /ocpi/2.2.1/locations/{location}/{evse}/{connector}; GET /ocpi/2.2.1/tariffs; POST /ocpi/2.2.1/cdrs; \
                       GET /ocpi/2.2.1/cdrs/{reference}. An EVSE has the object `veripile`: schema OcpiEvseExtension; so has a Tariff: \
                       schema OcpiTariffExtension. `last_updated` moves with whatever changes the public state or the tariffs, also where \
                       nothing but time went by."
    ),
    modifiers(&Door),
    components(schemas(
        crate::ocpi::locations::OcpiEvseExtension,
        crate::ocpi::tariffs::OcpiTariffExtension
    )),
    paths(
        crate::api::piles,
        crate::api::pile,
        crate::history::history,
        crate::charge::charge,
        crate::tiles::tile,
        crate::dumps::index,
        crate::dumps::file,
        crate::station_list::stations,
        crate::station_list::station,
        crate::next_date::date,
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

/// What holds for every path of the query API: tags, keys, limits.
struct Door;

impl Modify for Door {
    fn modify(&self, described: &mut Described) {
        let components = described.components.get_or_insert_default();
        let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let key = key.description(Some(
            "A key for heavier use, from whoever runs this site; without one requests count by address",
        ));
        components.add_security_scheme("key", SecurityScheme::Http(key.build()));
        let session = ApiKeyValue::with_description("veripile_session", "Who is signed in at /op/sign-in");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
        let behind = |path: &str| path.starts_with("/api/v1/");
        for (path, item) in described.paths.paths.iter_mut().filter(|(path, _)| behind(path)) {
            let Some(get) = &mut item.get else { continue };
            let one = |name: &str| SecurityRequirement::new(name, [""; 0]);
            get.security = Some(if SIGNED_IN.contains(&path.as_str()) {
                vec![one("session")]
            } else {
                vec![SecurityRequirement::default(), one("key")]
            });
            for (status, answer) in [
                ("304", ResponseBuilder::new().description("As it was").build()),
                ("401", problem("Nobody gave out this key")),
                ("429", problem("Too many requests; `Retry-After` says when")),
                ("503", problem("Try again")),
            ] {
                get.responses.responses.entry(status.to_owned()).or_insert_with(|| answer.into());
            }
        }
    }
}

fn problem(description: &str) -> Response {
    let schema = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", schema).build()
}

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
            "/api/v1/balances",
            "/api/v1/charges/{number}",
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

    #[test]
    fn what_the_door_answers_is_described_on_every_path_behind_it() {
        let document: serde_json::Value =
            serde_json::from_str(&Document::openapi().to_json().expect("writable")).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let behind: Vec<_> = paths.iter().filter(|(path, _)| path.starts_with("/api/v1/")).collect();
        assert_eq!(behind.len(), 17);
        for (path, item) in behind {
            for status in ["200", "304", "401", "429", "503"] {
                assert!(item["get"]["responses"][status].is_object(), "{path}: {status}");
            }
            assert!(item["get"]["security"].is_array(), "{path}");
        }
        assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
        let extension = &document["components"]["schemas"]["OcpiEvseExtension"]["properties"];
        assert!(extension["verification"].is_object() && extension["assumed"].is_object(), "{extension}");
        let extension = &document["components"]["schemas"]["OcpiTariffExtension"]["properties"];
        assert!(extension["tax_included"].is_object(), "{extension}");
        for field in ["certificate_url", "evidence_url"] {
            assert!(
                document["components"]["schemas"]["Verification"]["properties"][field].is_object(),
                "{field}"
            );
        }
    }
}
