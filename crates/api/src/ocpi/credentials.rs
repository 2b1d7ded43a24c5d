//! OCPI's versions and credentials: what there is, and how a party registers.
//!
//! A token made by `veripile ocpi-party` opens these alone; with it a party registers and is given another one.

use actix_web::{HttpRequest, HttpResponse, web};
use rand::random;
use serde::Deserialize;
use serde_json::{Value, json};
use veripile_store::ocpi::Party;

use super::{Anyone, Body, Refusal, answer, base, body};
use crate::{Site, door};

/// Roles a party may have, names and address, at most: a platform for some operators.
const ROLES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 100;
const URL_CHARS_MAX: usize = 255;

/// What a party says of itself. Its own token, which would let us call it, is left where it is.
#[derive(Deserialize)]
struct Credentials {
    url: String,
    roles: Vec<Role>,
    #[serde(rename = "token")]
    _token: String,
}

#[derive(Deserialize)]
struct Role {
    role: String,
    party_id: String,
    country_code: String,
    business_details: BusinessDetails,
}

#[derive(Deserialize)]
struct BusinessDetails {
    name: String,
}

/// GET `/ocpi/versions`.
pub(crate) async fn versions(_: Anyone, request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    answer(&json!([{ "version": "2.2.1", "url": format!("{}/ocpi/2.2.1", base(&request, &site)) }]))
}

/// GET `/ocpi/2.2.1`.
pub(crate) async fn endpoints(_: Anyone, request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let base = base(&request, &site);
    let endpoint = |identifier: &str, role: &str| json!({ "identifier": identifier, "role": role, "url": format!("{base}/ocpi/2.2.1/{identifier}") });
    answer(&json!({
        "version": "2.2.1",
        // Of credentials the role has no meaning, and is to be RECEIVER or SENDER all the same.
        "endpoints": [
            endpoint("credentials", "RECEIVER"), endpoint("locations", "SENDER"), endpoint("tariffs", "SENDER"),
            endpoint("cdrs", "RECEIVER"),
        ],
    }))
}

/// GET `/ocpi/2.2.1/credentials`: ours, with the token that was shown; we keep its hash alone.
pub(crate) async fn get(anyone: Anyone, request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    answer(&ours(&request, &site, &anyone.token))
}

/// POST `/ocpi/2.2.1/credentials`: registers.
pub(crate) async fn post(
    Anyone { party, .. }: Anyone,
    request: HttpRequest,
    site: web::Data<Site>,
    bytes: Body,
) -> Result<HttpResponse, Refusal> {
    if party.is_registered {
        return Err(Refusal::not_allowed("already registered; PUT brings it up to date"));
    }
    register(&party, &request, &site, bytes).await
}

/// PUT `/ocpi/2.2.1/credentials`: brings a registration up to date.
pub(crate) async fn put(
    Anyone { party, .. }: Anyone,
    request: HttpRequest,
    site: web::Data<Site>,
    bytes: Body,
) -> Result<HttpResponse, Refusal> {
    if !party.is_registered {
        return Err(Refusal::not_allowed("not registered yet; POST registers"));
    }
    register(&party, &request, &site, bytes).await
}

/// DELETE `/ocpi/2.2.1/credentials`: ends it. The party goes, and with it what it sent.
pub(crate) async fn delete(
    Anyone { party, .. }: Anyone,
    site: web::Data<Site>,
) -> Result<HttpResponse, Refusal> {
    if !party.is_registered {
        return Err(Refusal::not_allowed("not registered"));
    }
    site.store.remove_ocpi_party(&party.name).await?;
    Ok(answer(&Value::Null))
}

async fn register(
    party: &Party,
    request: &HttpRequest,
    site: &Site,
    bytes: Body,
) -> Result<HttpResponse, Refusal> {
    let given: Credentials = serde_json::from_value(body(bytes)?)
        .map_err(|error| Refusal::invalid(format!("no credentials object: {error}")))?;
    check(&given)?;
    let roles = given.roles.iter().map(|role| {
        json!({
            "role": role.role, "party_id": role.party_id, "country_code": role.country_code,
            "name": role.business_details.name.replace('\0', ""),
        })
    });
    let token = hex::encode(random::<[u8; 16]>());
    let roles = roles.collect();
    if site.store.register_ocpi_party(party, &door::key_hash(&token), &given.url, &roles).await? {
        Ok(answer(&ours(request, site, &token)))
    } else {
        Err(Refusal::not_allowed("another request has registered this party meanwhile"))
    }
}

fn check(given: &Credentials) -> Result<(), Refusal> {
    let is_code = |text: &str, chars| text.len() == chars && text.chars().all(|c| c.is_ascii_alphanumeric());
    let is_url = given.url.starts_with("https://") || given.url.starts_with("http://");
    if !is_url || given.url.chars().count() > URL_CHARS_MAX {
        return Err(Refusal::invalid("url: expected the address of your versions"));
    }
    if given.roles.is_empty() || given.roles.len() > ROLES_MAX {
        return Err(Refusal::invalid("roles: expected one to a hundred"));
    }
    for role in &given.roles {
        let is_role = ["CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"].contains(&role.role.as_str());
        let is_named = role.business_details.name.chars().count() <= NAME_CHARS_MAX;
        if !is_role || !is_code(&role.party_id, 3) || !is_code(&role.country_code, 2) || !is_named {
            return Err(Refusal::invalid(
                "roles: expected role, party_id (3 characters), country_code (2) and business_details.name (up to 100)",
            ));
        }
    }
    Ok(())
}

/// Our credentials with a token for the party.
fn ours(request: &HttpRequest, site: &Site, token: &str) -> Value {
    let us = &site.settings.ocpi;
    json!({
        "token": token, "url": format!("{}/ocpi/versions", base(request, site)),
        "roles": [{
            "role": "NAP", "party_id": us.party_id, "country_code": us.country_code, "business_details": { "name": us.name },
        }],
    })
}
