//! Who asks, as far as counting goes, and under which address: the network that a request comes from, our host and scheme as it reached
//! them. Of what proxies say only that of one of ours is believed, and only of the client's address and the scheme.
//!
//! Called by [`crate::door`] and [`crate::report`], and by whoever writes a whole address. What it tells of a client is held in memory for
//! as long as something is counted, and stored and logged nowhere.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use actix_web::http::uri::Authority;

use crate::SiteSettings;

/// Network of a request's client; behind a proxy, of whom that one saw last. The proxy's own where it says nothing.
pub(crate) fn client(request: &HttpRequest, behind_proxy: bool) -> Option<IpAddr> {
    let address =
        if behind_proxy { last(request, "x-forwarded-for").and_then(|word| word.parse().ok()) } else { None };
    address.or_else(|| request.peer_addr().map(|peer| peer.ip())).map(network)
}

/// `http` or `https`, as the client reached us: over a port of ours that is encrypted, or one of our proxy's.
pub(crate) fn scheme(request: &HttpRequest, behind_proxy: bool) -> &'static str {
    let told = if behind_proxy { last(request, "x-forwarded-proto") } else { None };
    if told.map_or_else(|| request.app_config().secure(), |word| word.eq_ignore_ascii_case("https")) {
        "https"
    } else {
        "http"
    }
}

/// Whether whoever reaches this site does so encrypted: this request came so, or the address of the site says that somebody before us
/// encrypts. Then a browser is asked to come no other way, and a session is for no other.
pub(crate) fn is_encrypted(request: &HttpRequest, settings: &SiteSettings) -> bool {
    scheme(request, settings.behind_proxy) == "https"
        || settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
}

/// Host and port under which the client reached us. A proxy that asks us for another host than it was asked for needs `http.public_url`.
pub(crate) fn host(request: &HttpRequest) -> &str {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    named
        .or_else(|| request.uri().authority().map(Authority::as_str))
        .unwrap_or_else(|| request.app_config().host())
}

/// The last value of a header that proxies append to, on the last of its lines: what stands before is the client's own word, or that of
/// a proxy that is not ours.
fn last<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let line = request.headers().get_all(name).next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

/// What one client is given by its network: an address, or the 64 bits of IPv6 that a household has. An IPv4 address that a socket of
/// both kinds tells as IPv6 is itself.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_client_is_its_network_and_only_a_proxy_of_ours_speaks_for_it() {
        let check = |peer: &str, forwarded: &[&str], behind_proxy, expected: &str| {
            let peer = format!("{peer}:4000").parse().expect("an address");
            let append =
                |request: TestRequest, line: &&str| request.append_header(("x-forwarded-for", *line));
            let request = forwarded.iter().fold(TestRequest::default().peer_addr(peer), append);
            let found = client(&request.to_http_request(), behind_proxy);
            assert_eq!(found, Some(expected.parse().expect("an address")), "{forwarded:?} {behind_proxy}");
        };
        check("192.0.2.1", &[], false, "192.0.2.1");
        check("[2001:db8:1:2:3::4]", &[], false, "2001:db8:1:2::");
        check("[::ffff:192.0.2.1]", &[], false, "192.0.2.1");
        check("192.0.2.1", &["203.0.113.9"], false, "192.0.2.1");
        check("192.0.2.1", &["198.51.100.1, 203.0.113.9"], true, "203.0.113.9");
        check("192.0.2.1", &["198.51.100.1", "198.51.100.2, 203.0.113.9"], true, "203.0.113.9");
        check("192.0.2.1", &["198.51.100.1", "203.0.113.9"], true, "203.0.113.9");
        check("192.0.2.1", &["somebody"], true, "192.0.2.1");
        check("192.0.2.1", &[], true, "192.0.2.1");
    }

    #[test]
    fn our_own_address_is_what_the_client_asked_for_and_no_stranger_s_word() {
        let check = |headers: &[(&str, &str)], behind_proxy, expected: (&str, &str)| {
            let append =
                |request: TestRequest, header: &(&str, &str)| request.append_header((header.0, header.1));
            let request = headers.iter().fold(TestRequest::default(), append).to_http_request();
            assert_eq!((scheme(&request, behind_proxy), host(&request)), expected, "{headers:?}");
        };
        let ours = ("host", "map.example:8080");
        let said = [
            ours,
            ("forwarded", "host=evil.example;proto=https"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
        ];
        check(&[ours], false, ("http", "map.example:8080"));
        check(&said, false, ("http", "map.example:8080"));
        check(&said, true, ("https", "map.example:8080"));
        check(&said[..3], true, ("http", "map.example:8080"));
        // The proxy's word is the last one.
        let both = [ours, ("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")];
        check(&both, true, ("http", "map.example:8080"));
    }

    #[test]
    fn a_site_is_encrypted_where_its_address_or_a_proxy_of_ours_says_so() {
        let check = |forwarded: &str, behind_proxy, public_url: Option<&str>, expected| {
            let request =
                TestRequest::default().append_header(("x-forwarded-proto", forwarded)).to_http_request();
            let public_url = public_url.map(str::to_owned);
            let settings = SiteSettings { public_url, behind_proxy, ..SiteSettings::default() };
            assert_eq!(is_encrypted(&request, &settings), expected, "{forwarded} {settings:?}");
        };
        check("https", false, None, false);
        check("https", true, None, true);
        check("http", true, None, false);
        // The proxy says nothing of it, or is not believed.
        check("http", false, Some("https://piles.example"), true);
        check("http", false, Some("http://piles.example"), false);
    }
}
