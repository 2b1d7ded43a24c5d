//! `/openapi.json`: the query API described by itself (OpenAPI 3.1), joined with what stands beside it (`beside`). What its door answers is
//! said here once for every path behind it.

mod beside;

use actix_web::HttpResponse;
use serde_json::Value;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, OpenApi as Described, Ref, Response, ResponseBuilder, SecurityRequirement,
};
use utoipa::{Modify, OpenApi};

/// The paths that are for those who are signed in.
const SIGNED_IN: [&str; 2] = ["/api/v1/piles/{id}/signals", "/api/v1/balances"];

/// The path that stands elsewhere, behind the same door.
const KEYS: &str = "/.well-known/veripile-keys.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "veripile",
        description = "Charging piles: public state, verifications with their documents, remote assessment, live status. Errors are \
                       relative errors of indication in percent, positive when the pile over-registers. A remote assessment is \
                       evidence, not a verification.\n\nEvery list pages by `cursor` (`meta.next` of the page before) and `limit`. \
                       `before` of /api/v1/verifications is its former name and goes on working.\n\nBesides, Open Charge Point \
                       Interface 2.2.1 is answered in role NAP, as its own specification has it \
                       (https://github.com/ocpi/ocpi, 2.2.1-d2): sender of Locations and Tariffs, receiver of CDRs. What `data` holds \
                       stands there; here are addresses, parameters, refusals and the envelope. An EVSE has the object `veripile`: \
                       schema OcpiEvseExtension; so have a Connector (OcpiConnectorExtension), a Tariff (OcpiTariffExtension) \
                       and a CDR (OcpiCdrExtension). \
                       `last_updated` moves with whatever changes the public state or the tariffs, also where nothing but time \
                       went by."
    ),
    modifiers(&Door),
    components(schemas(
        crate::ocpi::locations::OcpiEvseExtension,
        crate::ocpi::locations::OcpiConnectorExtension,
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
        let behind = |path: &str| path.starts_with("/api/v1/") || path == KEYS;
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
                ("401", problem("Nobody gave out this key; `WWW-Authenticate` says how one is shown")),
                ("406", problem("Answers come as they are, or with gzip or br")),
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

/// The whole description.
fn described() -> Result<Value, serde_json::Error> {
    let mut whole = serde_json::to_value(Document::openapi())?;
    join(&mut whole, beside::described());
    Ok(whole)
}

/// Joins what stands in two objects, at every depth; of what is in both and no object the second counts.
fn join(whole: &mut Value, other: Value) {
    match (whole, other) {
        (Value::Object(whole), Value::Object(other)) => {
            for (name, value) in other {
                match whole.get_mut(&name) {
                    Some(there) => join(there, value),
                    None => {
                        whole.insert(name, value);
                    }
                }
            }
        }
        (whole, other) => *whole = other,
    }
}

/// GET `/openapi.json`.
pub(crate) async fn document() -> HttpResponse {
    match described() {
        Ok(whole) => HttpResponse::Ok().content_type("application/json").body(whole.to_string()),
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
        let served = serde_json::to_string_pretty(&described().expect("writable")).expect("writable");
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
        let document = described().expect("writable");
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
            "/badge/{pile}.svg",
            "/found.geojson",
            "/mini-map.svg",
            "/openapi.json",
            "/widget/{pile}",
            "/ocpi/versions",
            "/ocpi/2.2.1",
            "/ocpi/2.2.1/credentials",
            "/ocpi/2.2.1/locations",
            "/ocpi/2.2.1/locations/{location}",
            "/ocpi/2.2.1/locations/{location}/{evse}",
            "/ocpi/2.2.1/locations/{location}/{evse}/{connector}",
            "/ocpi/2.2.1/tariffs",
            "/ocpi/2.2.1/cdrs/{reference}",
        ] {
            assert!(document["paths"][path]["get"].is_object(), "{path}");
        }
    }

    #[test]
    fn what_the_door_answers_is_described_on_every_path_behind_it() {
        let document = described().expect("writable");
        let paths = document["paths"].as_object().expect("paths");
        let is_behind = |path: &str| path.starts_with("/api/v1/") || path == KEYS;
        let behind: Vec<_> = paths.iter().filter(|(path, _)| is_behind(path)).collect();
        assert_eq!(behind.len(), 18);
        for (path, item) in behind {
            for status in ["200", "304", "401", "406", "429", "503"] {
                assert!(item["get"]["responses"][status].is_object(), "{path}: {status}");
            }
            assert!(item["get"]["security"].is_array(), "{path}");
        }
        assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
        let extension = &document["components"]["schemas"]["OcpiEvseExtension"]["properties"];
        assert!(extension["verification"].is_object() && extension["assumed"].is_object(), "{extension}");
        let extension = &document["components"]["schemas"]["OcpiConnectorExtension"]["properties"];
        assert!(extension["assumed"].is_object(), "{extension}");
        let extension = &document["components"]["schemas"]["OcpiTariffExtension"]["properties"];
        assert!(extension["tax_included"].is_object(), "{extension}");
        for field in ["certificate_url", "evidence_url"] {
            assert!(
                document["components"]["schemas"]["Verification"]["properties"][field].is_object(),
                "{field}"
            );
        }
    }

    /// Every operation, with its path.
    fn operations(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().expect("paths");
        let of = |(path, item): (&String, &Value)| {
            let item = item.as_object().expect("an item").clone();
            item.into_iter().map(|(_, one)| (path.clone(), one)).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_the_parameters_of_its_path() {
        let document = described().expect("writable");
        let all = operations(&document);
        // 18 of the query API, five of ours beside it, thirteen of OCPI.
        assert_eq!(all.len(), 36);
        let names: std::collections::BTreeSet<&str> =
            all.iter().map(|(_, one)| one["operationId"].as_str().expect("a name")).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        for (path, one) in &all {
            let told = one["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = told.iter().filter(|one| one["in"] == "path").map(|one| one["name"].as_str());
            let in_path: Vec<&str> = in_path.map(|name| name.expect("a name")).collect();
            let named: Vec<&str> =
                path.split('{').skip(1).map(|part| part.split('}').next().expect("a part")).collect();
            assert_eq!(in_path, named, "{path}");
            assert!(one["responses"]["200"].is_object() && one["responses"]["503"].is_object(), "{path}");
        }
    }

    #[test]
    fn what_is_referred_to_is_there() {
        fn look(document: &Value, at: &Value, found: &mut usize) {
            match at {
                Value::Object(object) => {
                    if let Some(Value::String(to)) = object.get("$ref") {
                        *found += 1;
                        assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                    }
                    object.values().for_each(|value| look(document, value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| look(document, value, found)),
                _ => {}
            }
        }
        let document = described().expect("writable");
        let mut found = 0;
        look(&document, &document, &mut found);
        assert!(100 < found, "{found}");
    }
}
