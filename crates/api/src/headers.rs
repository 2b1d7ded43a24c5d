//! What holds for every answer: its headers, that who came encrypted comes back so, and that HEAD is answered wherever GET is.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    self, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY,
};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, HttpResponse, web};

use crate::session::COOKIE;
use crate::{Site, client};

/// Nothing runs in a page that we did not serve: no inline script or style, no other host.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     connect-src 'self'; manifest-src 'self'; worker-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What a page that asks others for pictures tells them of itself: of which site it is, and not which page. Who gives out tiles answers nobody
/// who does not say so much.
const SITE_ALONE: &str = "strict-origin";

/// Lets the page in an answer ask one other host for the pictures of its map.
pub(crate) fn open_to(answer: &mut HttpResponse, host: &str) {
    let Ok(policy) = HeaderValue::from_str(&policy_with(host)) else { return };
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    answer.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static(SITE_ALONE));
}

fn policy_with(host: &str) -> String {
    let ours = ["img-src 'self'", "connect-src 'self'"];
    ours.into_iter().fold(CONTENT_SECURITY_POLICY.to_owned(), |policy, ours| {
        policy.replace(ours, &format!("{ours} {host}"))
    })
}

/// The middleware. It leaves alone what an answer says itself.
pub fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Content-Security-Policy", CONTENT_SECURITY_POLICY))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "same-origin"))
        .add(("Permissions-Policy", "geolocation=(self), camera=(), microphone=()"))
}

/// The middleware of pages. Each is in the language that was asked for, so that no cache may give it to who asks for another, and tells of
/// now. What an answer says of itself stays: pages of people signed in are in no cache.
pub async fn pages<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let is_signed_in = request.cookie(COOKIE).is_some();
    let mut answer = next.call(request).await?;
    as_page(answer.headers_mut(), is_signed_in);
    Ok(answer)
}

fn as_page(headers: &mut HeaderMap, is_signed_in: bool) {
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return;
    }
    if !varies_by(headers, "accept-language") {
        headers.append(VARY, HeaderValue::from_static("Accept-Language"));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        let kept = if is_signed_in { "private, no-cache" } else { "no-cache" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    }
}

/// Whether an answer says that it would be another by a header of this name, in small letters.
fn varies_by(headers: &HeaderMap, name: &str) -> bool {
    let is_it =
        |value: &HeaderValue| value.to_str().is_ok_and(|names| names.to_ascii_lowercase().contains(name));
    headers.get_all(VARY).any(is_it)
}

/// The middleware around what goes over the line compressed for who likes it. Also what goes as it is says that it would have been another
/// (RFC 9110, 12.5.5); and nobody is told of `identity`, by which a handler keeps an answer from being compressed, and which is no coding (8.4).
pub(crate) async fn coded<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut answer = next.call(request).await?;
    as_coded(answer.headers_mut());
    Ok(answer)
}

fn as_coded(headers: &mut HeaderMap) {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding == "identity") {
        headers.remove(CONTENT_ENCODING);
    }
    if !varies_by(headers, "accept-encoding") {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// How long a browser asks for this host encrypted only, from its last visit on: a year. Of other hosts below this one it says nothing.
const TRANSPORT_SECURITY: &str = "max-age=31536000";

/// The middleware that says so (RFC 6797) where we encrypt ourselves, or the address of the site says that somebody before us does.
pub async fn encrypted_only<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let is_encrypted = request.app_data::<web::Data<Site>>().map_or_else(
        || request.app_config().secure(),
        |site| client::is_encrypted(request.request(), &site.settings),
    );
    let mut answer = next.call(request).await?;
    if is_encrypted {
        answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TRANSPORT_SECURITY));
    }
    Ok(answer)
}

/// The middleware that takes HEAD for GET (RFC 9110, 9.3.2). The server itself leaves the body out, as it knows how the request came.
pub async fn head<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_others_widens_the_policy_by_their_host_and_nothing_else() {
        let host = "https://tiles.example:8443";
        let (own, wide) = (CONTENT_SECURITY_POLICY, policy_with(host));
        let told = |policy: &str| policy.split("; ").map(str::to_owned).collect::<Vec<_>>();
        for (own, wide) in told(own).into_iter().zip(told(&wide)) {
            let expected = match own.split(' ').next() {
                Some("img-src") => format!("img-src 'self' {host} data: blob:"),
                Some("connect-src") => format!("connect-src 'self' {host}"),
                _ => own.clone(),
            };
            assert_eq!(wide, expected);
        }
        assert_eq!(wide.matches(host).count(), 2);
    }

    #[test]
    fn a_page_varies_by_language_beside_what_it_varies_by_already() {
        let told = |given: &[(header::HeaderName, &'static str)], is_signed_in: bool| {
            let mut answer = HttpResponse::Ok().finish();
            for (name, value) in given {
                answer.headers_mut().append(name.clone(), HeaderValue::from_static(value));
            }
            as_page(answer.headers_mut(), is_signed_in);
            let all = |name: header::HeaderName| -> Vec<String> {
                let values = answer.headers().get_all(name);
                values.map(|value| value.to_str().expect("text").to_owned()).collect()
            };
            (all(VARY).join("; "), all(CACHE_CONTROL).join("; "))
        };
        let html = (CONTENT_TYPE, "text/html; charset=utf-8");
        let expected = |vary: &str, kept: &str| (vary.to_owned(), kept.to_owned());
        let bare = [html.clone()];
        assert_eq!(told(&bare, false), expected("Accept-Language", "no-cache"));
        assert_eq!(told(&bare, true), expected("Accept-Language", "private, no-cache"));
        let packed = [html.clone(), (VARY, "accept-encoding")];
        assert_eq!(told(&packed, false), expected("accept-encoding; Accept-Language", "no-cache"));
        let widget = [html.clone(), (VARY, "Accept-Language"), (CACHE_CONTROL, "public, max-age=300")];
        assert_eq!(told(&widget, true), expected("Accept-Language", "public, max-age=300"));
        assert_eq!(told(&[html, (CACHE_CONTROL, "no-store")], true), expected("Accept-Language", "no-store"));
        assert_eq!(told(&[(CONTENT_TYPE, "application/json")], false), expected("", ""));
    }

    #[test]
    fn what_may_be_compressed_varies_by_that_and_as_it_is_goes_without_saying() {
        let told = |given: &[(header::HeaderName, &'static str)]| {
            let mut answer = HttpResponse::Ok().finish();
            for (name, value) in given {
                answer.headers_mut().append(name.clone(), HeaderValue::from_static(value));
            }
            as_coded(answer.headers_mut());
            [VARY, CONTENT_ENCODING].map(|name| {
                let values = answer.headers().get_all(name);
                values.map(|value| value.to_str().expect("text")).collect::<Vec<_>>().join("; ")
            })
        };
        assert_eq!(told(&[]), ["accept-encoding", ""]);
        assert_eq!(told(&[(CONTENT_ENCODING, "identity")]), ["accept-encoding", ""]);
        assert_eq!(
            told(&[(CONTENT_ENCODING, "gzip"), (VARY, "Accept-Encoding")]),
            ["Accept-Encoding", "gzip"]
        );
        assert_eq!(told(&[(VARY, "Accept-Language")]), ["Accept-Language; accept-encoding", ""]);
    }

    /// OpenStreetMap answers 403 to who asks without a `Referer`; no host learns what a driver looks for.
    #[test]
    fn a_map_of_others_is_told_which_site_asks_and_not_which_page() {
        let host = "https://tiles.example";
        let policy = policy_with(host);
        let mut answer = HttpResponse::Ok().finish();
        open_to(&mut answer, host);
        for (name, expected) in
            [(REFERRER_POLICY, "strict-origin"), (header::CONTENT_SECURITY_POLICY, policy.as_str())]
        {
            let told: Vec<&str> =
                answer.headers().get_all(&name).map(|value| value.to_str().expect("text")).collect();
            assert_eq!(told, [expected]);
        }
    }
}
