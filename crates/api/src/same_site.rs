//! Whether a form was sent from a page of this site, told by what the browser says of it, for forms without a session.
//!
//! Used by [`crate::report`]. A browser says where a POST comes from: in `Sec-Fetch-Site`, or, without encryption, in `Origin`.
//! What sends neither is no browser, and so has no visitor whose name could be misused.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, ORIGIN};

use crate::client;
use crate::problem::Problem;

/// An error if another site made the browser send this.
pub(crate) fn own(request: &HttpRequest, public_url: Option<&str>) -> Result<(), Problem> {
    if is_own(request.headers(), client::host(request), public_url) {
        Ok(())
    } else {
        Err(Problem::forbidden("this form was sent by another site; open it here and send it again"))
    }
}

fn is_own(headers: &HeaderMap, host: &str, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(from) = text("sec-fetch-site") {
        return from == "same-origin" || from == "none";
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return true };
    let host_of = |url: &str| url.split_once("://").map(|(_, rest)| rest.trim_end_matches('/').to_owned());
    let origin = host_of(origin);
    origin.is_some() && (origin.as_deref() == Some(host) || origin == public_url.and_then(host_of))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_forms_of_this_site_are_its_own() {
        let check = |expected: bool, headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let found = is_own(&map, "map.example:8080", Some("https://public.example/"));
            assert_eq!(found, expected, "{headers:?}");
        };
        check(true, &[]);
        check(true, &[("sec-fetch-site", "same-origin")]);
        check(true, &[("sec-fetch-site", "none")]);
        check(false, &[("sec-fetch-site", "cross-site")]);
        check(false, &[("sec-fetch-site", "same-site")]);
        check(false, &[("sec-fetch-site", "cross-site"), ("origin", "http://map.example:8080")]);
        check(true, &[("origin", "http://map.example:8080")]);
        check(true, &[("origin", "https://public.example")]);
        check(false, &[("origin", "http://map.example")]);
        check(false, &[("origin", "https://evil.example")]);
        check(false, &[("origin", "null")]);
    }
}
