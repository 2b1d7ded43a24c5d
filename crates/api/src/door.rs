//! The query API's door: who may ask how often, answers that have not changed, and reading from pages of other sites.
//!
//! A middleware around `/api/v1` and what costs as much. Counts are kept in this process's memory for a minute and written nowhere: neither an address
//! nor a key is logged.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, CACHE_CONTROL, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError, web};
use sha2::{Digest, Sha256};

use crate::Site;
use crate::client::client;
use crate::problem::Problem;

/// Requests are counted by the minute: short enough to wait for, long enough for bursts.
const WINDOW: Duration = Duration::from_secs(60);

/// Clients counted apart; more share one count. A few megabytes, and far more than a city's drivers within a minute.
const CLIENTS_MAX: usize = 100_000;

/// Keys that one address may show in a minute without having shown them in it before. Each costs a query; an office has a few.
const KEYS_SHOWN_MAX: u32 = 100;

/// Tiles that an address may read for each other request: they cost a twentieth of one, and the map must not spend what an app has.
const TILES: u32 = 10;

/// What else reads many piles, or computes: the map, pages that search, and the check of records. Counted apart, so that who looks spends
/// nothing of what an app has.
const LOOKED_AT: [&str; 5] = ["/", "/found.geojson", "/mini-map.svg", "/stats/operators", "/check"];

/// With them, the pages of documents, which are checked, too.
const DOCUMENTS: &str = "/c/";

/// How long a browser may remember that reading is allowed, s: a day.
const PREFLIGHT_S: &str = "86400";

/// Characters of a tag: 128 bits of the answer's SHA-256.
pub(crate) const TAG_CHARS: usize = 32;

/// Counts of the running minute.
#[derive(Debug, Default)]
pub struct Limiter(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    counts: HashMap<Client, u32>,
    /// What keys seen this minute allow.
    quotas: HashMap<[u8; 32], u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    Address(IpAddr),
    /// An address that reads the map: a look costs a dozen tiles, and many people may look from behind one address.
    Tiles(IpAddr),
    /// An address that looks: [`is_look`].
    Looks(IpAddr),
    Key([u8; 32]),
    /// An address that shows a key not seen this minute.
    Stranger(IpAddr),
    /// All who came when [`CLIENTS_MAX`] were being counted.
    Rest,
}

/// What a client may still ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    quota: u32,
    remaining: u32,
    reset_s: u64,
    is_allowed: bool,
}

impl Limiter {
    fn take(&self, client: Client, quota: u32, now: Instant) -> Allowance {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let began = match window.began {
            Some(began) if now.duration_since(began) < WINDOW => began,
            _ => {
                *window = Window { began: Some(now), ..Window::default() };
                now
            }
        };
        let is_new = !window.counts.contains_key(&client);
        let client = if is_new && window.counts.len() >= CLIENTS_MAX { Client::Rest } else { client };
        let count = window.counts.entry(client).or_default();
        let is_allowed = *count < quota;
        *count += u32::from(is_allowed);
        let remaining = quota - (*count).min(quota);
        let left = WINDOW.saturating_sub(now.duration_since(began));
        Allowance { quota, remaining, reset_s: left.as_secs() + 1, is_allowed }
    }

    fn known_quota(&self, key: &[u8; 32]) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).quotas.get(key).copied()
    }

    fn remember_quota(&self, key: [u8; 32], quota: u32) {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.quotas.len() < CLIENTS_MAX {
            window.quotas.insert(key, quota);
        }
    }
}

/// The hash under which a key is kept. A key is 120 random bits, so that a plain hash does.
pub fn key_hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The middleware.
pub(crate) async fn guard(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.method() == Method::OPTIONS {
        let mut response = request.into_response(HttpResponse::NoContent().finish());
        open(response.headers_mut());
        return Ok(response);
    }
    let (admitted, allowance) = admit(request.request()).await;
    let mut response = match admitted {
        Ok(()) => tagged(next.call(request).await?),
        Err(problem) => request.into_response(problem.error_response()),
    };
    let headers = response.headers_mut();
    open(headers);
    if let Some(allowance) = allowance {
        tell(headers, allowance);
    }
    Ok(response)
}

/// The middleware of what is public and stands outside the query API: an answer that has not changed is not sent again.
pub(crate) async fn tag(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    Ok(tagged(next.call(request).await?))
}

/// Counts a request against its key or its address. Keys seen for the first time in a minute are counted by address, so that
/// they cannot be tried at will; a known one has its quota whatever its neighbours at the same address ask.
pub(crate) async fn admit(request: &HttpRequest) -> (Result<(), Problem>, Option<Allowance>) {
    let Some(site) = request.app_data::<web::Data<Site>>() else { return (Ok(()), None) };
    let now = Instant::now();
    let key = credentials(request, "Bearer").map(key_hash);
    let address = client(request, site.settings.behind_proxy);
    let Some(key) = key else {
        let quota = site.settings.requests_per_minute;
        let (client, quota) = match address {
            Some(address) if request.path().starts_with("/api/v1/tiles/") => {
                (Client::Tiles(address), quota.saturating_mul(TILES))
            }
            Some(address) if is_look(request.path()) => (Client::Looks(address), quota),
            address => (address.map_or(Client::Rest, Client::Address), quota),
        };
        return verdict(site.limiter.take(client, quota, now));
    };
    if let Some(quota) = site.limiter.known_quota(&key) {
        return verdict(site.limiter.take(Client::Key(key), quota, now));
    }
    let shown = site.limiter.take(address.map_or(Client::Rest, Client::Stranger), KEYS_SHOWN_MAX, now);
    if !shown.is_allowed {
        return verdict(shown);
    }
    match site.store.api_key_quota(&key).await {
        Ok(Some(quota)) => {
            site.limiter.remember_quota(key, quota);
            verdict(site.limiter.take(Client::Key(key), quota, now))
        }
        Ok(None) => (Err(Problem::unknown_key()), Some(shown)),
        Err(error) => (Err(error.into()), None),
    }
}

/// What `Authorization` shows by a scheme, whose name is written in any case (RFC 9110, 11.1).
pub(crate) fn credentials<'a>(request: &'a HttpRequest, scheme: &str) -> Option<&'a str> {
    let shown = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (name, credentials) = shown.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
}

fn is_look(path: &str) -> bool {
    LOOKED_AT.contains(&path) || path.starts_with(DOCUMENTS)
}

fn verdict(allowance: Allowance) -> (Result<(), Problem>, Option<Allowance>) {
    let result = if allowance.is_allowed {
        Ok(())
    } else {
        Err(Problem::busy(&format!(
            "{} requests a minute are allowed; try again in {} s, or ask for a key",
            allowance.quota, allowance.reset_s
        )))
    };
    (result, Some(allowance))
}

/// Pages of other sites may read, without anybody's cookies.
fn open(headers: &mut HeaderMap) {
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, if-none-match"),
        (ACCESS_CONTROL_EXPOSE_HEADERS, "etag, ratelimit, ratelimit-policy, retry-after"),
        (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// `RateLimit` and `RateLimit-Policy` as the IETF's draft has them (draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) fn tell(headers: &mut HeaderMap, allowance: Allowance) {
    let Allowance { quota, remaining, reset_s, is_allowed } = allowance;
    let mut put = |name: HeaderName, text: String| {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    };
    let window_s = WINDOW.as_secs();
    put(HeaderName::from_static("ratelimit-policy"), format!("\"minute\";q={quota};w={window_s}"));
    put(HeaderName::from_static("ratelimit"), format!("\"minute\";r={remaining};t={reset_s}"));
    if !is_allowed {
        put(RETRY_AFTER, reset_s.to_string());
    }
}

/// Gives an answer its tag, and answers 304 to who has it already. Weak: what is compressed on its way has other bytes.
fn tagged(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let is_private = response.headers().get(CACHE_CONTROL).is_some_and(|value| value == "no-store");
    if response.status() != StatusCode::OK || is_private || response.headers().contains_key(ETAG) {
        return response;
    }
    let (request, response) = response.into_parts();
    let (mut head, body) = response.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(body) => return ServiceResponse::new(request, head.set_body(body)),
    };
    let tag = format!("W/\"{}\"", &hex::encode(Sha256::digest(&bytes))[..TAG_CHARS]);
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|list| is_known(list, &tag));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        head.headers_mut().insert(ETAG, value);
    }
    if is_known {
        *head.status_mut() = StatusCode::NOT_MODIFIED;
        return ServiceResponse::new(request, head.set_body(BoxBody::new(())));
    }
    ServiceResponse::new(request, head.set_body(BoxBody::new(bytes)))
}

/// Whether a list of tags has this one.
pub(crate) fn is_known(list: &str, tag: &str) -> bool {
    list.split(',').any(|one| matches(one.trim(), tag))
}

/// Weak comparison (RFC 9110, 8.8.3.2): a proxy may have taken the mark of weakness away.
fn matches(one: &str, tag: &str) -> bool {
    one == "*" || one.trim_start_matches("W/") == tag.trim_start_matches("W/")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_minute_has_its_quota_and_the_next_one_a_new_one() {
        let limiter = Limiter::default();
        let began = Instant::now();
        let (one, other) = (Client::Address([1, 1, 1, 1].into()), Client::Key([7; 32]));
        for remaining in [1, 0] {
            let allowance = limiter.take(one, 2, began);
            assert!(allowance.is_allowed && allowance.remaining == remaining, "{allowance:?}");
        }
        let refused = limiter.take(one, 2, began + Duration::from_secs(20));
        assert_eq!((refused.is_allowed, refused.remaining, refused.reset_s), (false, 0, 41));
        assert!(limiter.take(other, 1, began).is_allowed, "each on its own");
        assert!(limiter.take(one, 2, began + WINDOW).is_allowed);
    }

    #[test]
    fn a_crowd_shares_one_count() {
        let limiter = Limiter::default();
        let now = Instant::now();
        let client = |n: usize| Client::Address(std::net::Ipv4Addr::from(n as u32).into());
        for n in 0..CLIENTS_MAX {
            limiter.take(client(n), 1, now);
        }
        assert!(limiter.take(client(CLIENTS_MAX), 1, now).is_allowed);
        assert!(!limiter.take(client(CLIENTS_MAX + 1), 1, now).is_allowed);
        assert!(limiter.take(client(5), 2, now).is_allowed, "who was there before is counted apart");
    }

    #[test]
    fn a_scheme_is_known_in_any_case() {
        let read = |value: &'static str| {
            let request = TestRequest::default().insert_header((AUTHORIZATION, value)).to_http_request();
            credentials(&request, "Bearer").map(str::to_owned)
        };
        for shown in ["Bearer KEY", "bearer KEY", "BEARER  KEY "] {
            assert_eq!(read(shown).as_deref(), Some("KEY"), "{shown}");
        }
        for other in ["Token KEY", "BearerKEY", "Bearer", ""] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn tags_compare_weakly() {
        assert!(matches("W/\"a\"", "W/\"a\"") && matches("\"a\"", "W/\"a\"") && matches("*", "W/\"a\""));
        assert!(!matches("\"b\"", "W/\"a\""));
    }
}
