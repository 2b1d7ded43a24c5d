//! What stands beside the query API, as paths of the description: OCPI, what the map of ours reads, and what others embed.
//!
//! Called by [`super`], which joins it to what the query API says of itself. Of OCPI here are addresses, parameters, the envelope and our
//! extensions; what else `data` holds is OCPI's own specification. Operators' and verifiers' pages are no interface and are not here.

use serde_json::{Map, Value, json};

/// An operation below `/ocpi`.
#[derive(Clone, Copy)]
struct Operation {
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    /// What `data` holds, in OCPI's words; empty: null.
    data: &'static str,
    is_list: bool,
    /// Schema of the object `veripile` in it.
    extension: Option<&'static str>,
    /// What is sent, in OCPI's words.
    sent: Option<&'static str>,
    /// Refusals beside those of every operation.
    refusals: &'static [u16],
}

const fn read(path: &'static str, summary: &'static str, data: &'static str) -> Operation {
    Operation {
        path,
        method: "get",
        summary,
        data,
        is_list: false,
        extension: None,
        sent: None,
        refusals: &[],
    }
}

const fn named(path: &'static str, summary: &'static str, data: &'static str) -> Operation {
    Operation { refusals: &[404], ..read(path, summary, data) }
}

const fn listed(path: &'static str, summary: &'static str, data: &'static str) -> Operation {
    Operation { is_list: true, refusals: &[400], ..read(path, summary, data) }
}

const fn with(extension: &'static str, operation: Operation) -> Operation {
    Operation { extension: Some(extension), ..operation }
}

const CREDENTIALS: &str = "/ocpi/2.2.1/credentials";
const CDRS: &str = "/ocpi/2.2.1/cdrs";

/// What is answered in place of a registration that cannot be.
const UNREGISTERED: &[u16] = &[400, 405, 413];

const fn credentials(method: &'static str, summary: &'static str) -> Operation {
    let sent = Some("Credentials: our own are answered; the token in these is not kept");
    Operation { method, sent, refusals: UNREGISTERED, ..read(CREDENTIALS, summary, "Credentials") }
}

/// Every operation below `/ocpi`.
const OCPI: [Operation; 13] = [
    Operation { is_list: true, ..read("/ocpi/versions", "Versions that are answered", "Version") },
    read("/ocpi/2.2.1", "Addresses of the modules", "VersionDetail"),
    read(CREDENTIALS, "Our credentials, with the token that was shown", "Credentials"),
    credentials("post", "Registers a party: from then on it has the token of the answer"),
    credentials("put", "Brings a registration up to date, with a new token"),
    Operation {
        method: "delete",
        refusals: &[405],
        ..read(CREDENTIALS, "Ends a registration: the party goes, and with it what it sent", "")
    },
    listed(
        "/ocpi/2.2.1/locations",
        "Stations, or those that changed, in the order of identifiers",
        "Location",
    ),
    named("/ocpi/2.2.1/locations/{location}", "One station", "Location"),
    with("OcpiEvseExtension", named("/ocpi/2.2.1/locations/{location}/{evse}", "One pile", "EVSE")),
    with(
        "OcpiConnectorExtension",
        named("/ocpi/2.2.1/locations/{location}/{evse}/{connector}", "One connector of a pile", "Connector"),
    ),
    with(
        "OcpiTariffExtension",
        listed("/ocpi/2.2.1/tariffs", "Prices by hours, or those that changed", "Tariff"),
    ),
    Operation {
        method: "post",
        extension: Some("OcpiCdrExtension"),
        sent: Some("CDR: checked, and kept without what names a driver"),
        refusals: &[400, 409, 413],
        ..read(CDRS, "Sends a charge detail record, and is told of its signed values", "verdicts on a CDR")
    },
    with(
        "OcpiCdrExtension",
        named("/ocpi/2.2.1/cdrs/{reference}", "A record that one has sent, as it is kept", "CDR"),
    ),
];

/// Parameters of OCPI's lists, but of the list of versions, which has none.
const PAGE: [(&str, &str); 4] = [
    ("date_from", "Changed at this moment or later, RFC 3339"),
    ("date_to", "Changed before this moment, RFC 3339"),
    ("offset", "How many to pass over"),
    ("limit", "At most so many; a hundred where more are asked for, or none"),
];

/// What may be asked of the map and its list.
const SEARCH: [(&str, &str); 13] = [
    ("q", "Words in the pile's number, the station's names or address, or the operator's name"),
    ("state", "verified_any, or verified_monitored, verified, due, under_review, failed or out_of_use"),
    ("operator", "Operator identifier; - where nobody said"),
    ("region", "District as stations have it; - where nobody said"),
    ("maker", "Maker as piles tell it; - where none is told"),
    ("only", "checked (on site), in_case or committed"),
    ("kind", "ac or dc"),
    ("connector", "gbt_ac, gbt_dc, type1, type2, ccs1, ccs2 or chademo"),
    ("min_power_kw", "Rated power of at least this, kW"),
    ("max_fee", "A kWh at this price at most, CNY, by what may apply today"),
    ("free", "yes: only piles that are free now"),
    ("near", "longitude,latitude in WGS-84 degrees: nearest first, and only around there"),
    ("bbox", "west,south,east,north in WGS-84 degrees"),
];

/// Parameters of a query, each with what it says.
type Query<'a> = &'a [(&'a str, &'a str)];

const LANGUAGE: [(&str, &str); 1] = [("lang", "zh or en; without it what the browser prefers")];

/// The paths and what they refer to.
pub(super) fn described() -> Value {
    let mut paths = Map::new();
    for operation in &OCPI {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = of_ocpi(operation);
    }
    paths.extend(ours());
    let token = json!({
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "`Token`, a blank, and a party's token in Base64 (OCPI 2.2.1, 4.1.2); the first one is from whoever runs this site",
    });
    json!({
        "paths": paths,
        "components": { "schemas": schemas(), "securitySchemes": { "ocpi": token } },
    })
}

fn of_ocpi(operation: &Operation) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answer("OCPI's status 1000", &enveloped(operation)));
    for status in [401, 429, 503].iter().chain(operation.refusals) {
        responses.insert(status.to_string(), refusal(*status, operation));
    }
    responses.insert("406".to_owned(), fault(406, &["application/problem+json"]));
    let is_paged = operation.is_list && operation.data != "Version";
    if is_paged {
        let header = |what: &str, kind: &str| json!({ "description": what, "schema": { "type": kind } });
        responses["200"]["headers"] = json!({
            "X-Total-Count": header("How many there are in all", "integer"),
            "X-Limit": header("Most on one page", "integer"),
            "Link": header("The next page, where there is one", "string"),
        });
    }
    let name = operation.path.trim_start_matches('/').replace(['/', '.'], "_").replace(['{', '}'], "");
    let page = if is_paged { &PAGE[..] } else { &[] };
    let mut told = json!({
        "tags": ["ocpi"], "summary": operation.summary, "operationId": format!("{}_{name}", operation.method),
        "parameters": parameters(operation.path, page), "security": [{ "ocpi": [] }], "responses": responses,
    });
    if let Some(sent) = operation.sent {
        let schema = json!({ "type": "object", "description": sent });
        told["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    told
}

/// OCPI's envelope around what an operation answers.
fn enveloped(operation: &Operation) -> Value {
    let mut object = json!({ "type": "object", "description": format!("OCPI 2.2.1: {}", operation.data) });
    if let Some(extension) = operation.extension {
        object["properties"] = json!({ "veripile": { "$ref": format!("#/components/schemas/{extension}") } });
    }
    let data = match operation {
        Operation { data: "", .. } => json!({ "type": "null" }),
        Operation { is_list: true, .. } => json!({ "type": "array", "items": object }),
        _ => object,
    };
    json!({ "allOf": [{ "$ref": "#/components/schemas/OcpiEnvelope" }, { "properties": { "data": data }, "required": ["data"] }] })
}

/// A refusal in OCPI's envelope.
fn refusal(status: u16, operation: &Operation) -> Value {
    let what = match status {
        400 => "A parameter or the body cannot be: status 2001, and the field by its name",
        401 => "No party has this token, or it has not registered; `WWW-Authenticate` says how one is shown",
        404 => "There is no such thing",
        405 => "Not for a party that is registered, or is not yet",
        409 => "Another record with this identifier came before, and stands",
        413 => "The body is too large",
        429 => "Too many requests; `Retry-After` says when",
        _ => "Try again",
    };
    if status == 409 {
        return answer(what, &enveloped(operation));
    }
    answer(what, &json!({ "$ref": "#/components/schemas/OcpiEnvelope" }))
}

fn answer(what: &str, schema: &Value) -> Value {
    json!({ "description": what, "content": { "application/json": { "schema": schema } } })
}

/// A fault of ours: a problem, and where people look a page.
fn fault(status: u16, kinds: &[&str]) -> Value {
    let what = match status {
        400 => "A parameter cannot be",
        401 => "Nobody gave out this key; `WWW-Authenticate` says how one is shown",
        404 => "There is no such pile",
        406 => "Answers come as they are, or with gzip or br",
        429 => "Too many requests; `Retry-After` says when",
        _ => "Try again",
    };
    let schema = |kind: &str| match kind {
        "text/html" => json!({ "schema": { "type": "string" } }),
        _ => json!({ "schema": { "$ref": "#/components/schemas/Problem" } }),
    };
    let content: Map<String, Value> =
        kinds.iter().copied().map(|kind| (kind.to_owned(), schema(kind))).collect();
    json!({ "description": what, "content": content })
}

/// Parameters in the path, by its braces, and in the query.
fn parameters(path: &str, query: Query<'_>) -> Vec<Value> {
    let names = path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let in_path = names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = query.iter().map(|(name, what)| {
        json!({ "name": name, "in": "query", "description": what, "required": false, "schema": { "type": "string" } })
    });
    in_path.chain(in_query).collect()
}

/// What the map of ours reads, what others embed, and the description itself.
fn ours() -> impl Iterator<Item = (String, Value)> {
    let text = json!({ "type": "string" });
    let found = json!({ "$ref": "#/components/schemas/FoundCollection" });
    let object = json!({ "type": "object" });
    let pictured = [&SEARCH[..], &LANGUAGE[..]].concat();
    let (language, search, none): (Query<'_>, Query<'_>, Query<'_>) = (&LANGUAGE, &SEARCH, &[]);
    let counted: &[u16] = &[401, 406, 429, 503];
    let searched: &[u16] = &[400, 401, 406, 429, 503];
    let embedded: &[u16] = &[404, 503];
    [
        (
            "/badge/{pile}.svg",
            "A pile's state as a picture of 320 by 64, to embed",
            "image/svg+xml",
            &text,
            language,
            embedded,
        ),
        (
            "/found.geojson",
            "Where what was found stands and how, in the order of the list: 5,000 at most",
            "application/geo+json",
            &found,
            search,
            searched,
        ),
        (
            "/mini-map.svg",
            "The same as marks in a picture",
            "image/svg+xml",
            &text,
            pictured.as_slice(),
            searched,
        ),
        ("/openapi.json", "This description", "application/json", &object, none, counted),
        (
            "/widget/{pile}",
            "A pile's state as a small page for frames, to embed",
            "text/html",
            &text,
            language,
            embedded,
        ),
    ]
    .map(|(path, summary, kind, schema, query, faults)| {
        let mut responses = Map::new();
        responses.insert(
            "200".to_owned(),
            json!({ "description": summary, "content": { kind: { "schema": schema } } }),
        );
        responses.insert("304".to_owned(), json!({ "description": "As it was" }));
        // The description is for programs only.
        let kinds: &[&str] = if kind == "application/json" {
            &["application/problem+json"]
        } else {
            &["application/problem+json", "text/html"]
        };
        for status in faults {
            responses.insert(status.to_string(), fault(*status, kinds));
        }
        let name = path.trim_start_matches('/').replace(['/', '.', '-'], "_").replace(['{', '}'], "");
        let mut told = json!({
            "tags": ["beside"], "summary": summary, "operationId": format!("get_{name}"),
            "parameters": parameters(path, query), "responses": responses,
        });
        if faults.contains(&401) {
            told["security"] = json!([{}, { "key": [] }]);
        }
        (path.to_owned(), json!({ "get": told }))
    })
    .into_iter()
}

fn schemas() -> Map<String, Value> {
    let all = [
        ("OcpiEnvelope", envelope()),
        ("OcpiCdrExtension", cdr_extension()),
        ("OcpiSignedRecord", signed_record()),
        ("FoundCollection", found_collection()),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn text(what: &str) -> Value {
    json!({ "type": "string", "description": what })
}

fn maybe(kind: &str, what: &str) -> Value {
    json!({ "type": [kind, "null"], "description": what })
}

fn list(items: &Value, what: &str) -> Value {
    json!({ "type": "array", "items": items, "description": what })
}

fn envelope() -> Value {
    let code = "1000: good; 2000 and more: the request cannot be; 3000 and more: we cannot";
    let properties = json!({
        "status_code": { "type": "integer", "description": code },
        "status_message": text("What cannot be, where something cannot"),
        "timestamp": text("When it was answered, RFC 3339 in UTC"),
    });
    json!({
        "type": "object", "description": "What every answer below /ocpi is wrapped in (OCPI 2.2.1, 4.1.7)",
        "required": ["status_code", "timestamp"], "properties": properties,
    })
}

fn cdr_extension() -> Value {
    let record = json!({ "$ref": "#/components/schemas/OcpiSignedRecord" });
    let others = "How many other records came under its identifier; only where it is read back";
    let properties = json!({
        "pile_known": { "type": "boolean", "description": "Whether the EVSE is a pile of the register" },
        "charge": maybe("integer", "Number of the charge, as /api/v1/charges/{number} tells it, with which the pile itself sent these values over OCPP"),
        "records": list(&record, "The signed values, in their order"),
        "signed_energy_kwh": maybe("string", "Energy that is signed, kWh"),
        "billed_as_signed": maybe("boolean", "Whether total_energy is that, digit by digit"),
        "numbers_as_text": list(&json!({ "type": "string" }), "Fields whose number was told as text, twenty at most"),
        "other_records": { "type": "integer", "description": others },
    });
    json!({
        "type": "object", "description": "The extension: the object `veripile` of an OCPI CDR. Everything else there is OCPI 2.2.1's",
        "required": ["pile_known", "records", "signed_energy_kwh", "billed_as_signed"], "properties": properties,
    })
}

fn signed_record() -> Value {
    let before = json!({
        "type": ["object", "null"],
        "description": "The CDR in which it came before; owner and id are null where another party sent that one",
        "properties": { "owner": maybe("string", "Country code and party"), "id": maybe("string", "Its identifier") },
    });
    let other = json!({
        "type": ["object", "null"],
        "description": "The charge with which a pile sent it over OCPP, where that was at another pile or at another time than this bill says",
        "properties": {
            "charge": { "type": "integer", "description": "Its number, as /api/v1/charges/{number} tells it" },
            "pile_id": text("Its pile"),
        },
    });
    let layers = "syntax, signature, key and transaction: outcome and codes of findings";
    let properties = json!({
        "nature": text("Start, End or Intermediate, as sent"),
        "verdict": text("valid, valid_unregistered, other_meter, invalid, malformed, no_key or unsupported"),
        "billable": { "type": "boolean", "description": "Whether a bill may rest on it" },
        "meter_of": list(&json!({ "type": "string" }), "Other piles whose meter signed it, three at most"),
        "sent_before": before,
        "other_charge": other,
        "key_from": maybe("string", "register, first_use or message"),
        "layers": { "type": "object", "description": layers },
    });
    json!({
        "type": "object", "description": "What is to be thought of one signed value",
        "required": ["nature", "verdict", "billable", "key_from", "layers"], "properties": properties,
    })
}

fn found_collection() -> Value {
    let cut = json!({ "type": "boolean", "description": "Whether more were found than are told" });
    let feature = json!({
        "type": "object", "required": ["type", "id", "geometry", "properties"],
        "properties": {
            "type": text("Feature"), "id": text("Identifier of the pile"),
            "geometry": { "$ref": "#/components/schemas/Point" },
            "properties": { "type": "object", "description": "`verification.state` as of a pile" },
        },
    });
    json!({
        "type": "object", "description": "A GeoJSON feature collection (RFC 7946)", "required": ["type", "meta", "features"],
        "properties": {
            "type": text("FeatureCollection"),
            "meta": { "type": "object", "required": ["is_cut"], "properties": { "is_cut": cut } },
            "features": { "type": "array", "items": feature },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_of_the_map_is_what_its_form_understands() {
        let names: Vec<&str> = SEARCH.iter().map(|(name, _)| *name).collect();
        let all: Vec<String> = names.iter().map(|name| format!("{name}=")).collect();
        let asked = actix_web::web::Query::<crate::finder::Asked>::from_query(&all.join("&"));
        assert!(asked.is_ok(), "{names:?}");
        for (name, value) in [
            ("kind", "x"),
            ("connector", "x"),
            ("near", "x"),
            ("bbox", "x"),
            ("max_fee", "x"),
            ("state", "x"),
            ("only", "x"),
        ] {
            let asked = actix_web::web::Query::<crate::finder::Asked>::from_query(&format!("{name}={value}"))
                .expect("it reads");
            assert!(
                names.contains(&name) && asked.wish(jiff::Timestamp::UNIX_EPOCH).is_err(),
                "{name} is read"
            );
        }
    }

    #[test]
    fn an_operation_of_ocpi_has_an_address_of_its_own() {
        let addresses: std::collections::BTreeSet<(&str, &str)> =
            OCPI.iter().map(|one| (one.path, one.method)).collect();
        assert_eq!(addresses.len(), OCPI.len());
    }
}
