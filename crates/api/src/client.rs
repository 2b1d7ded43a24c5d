//! Who asks, as far as counting goes: the network that a request comes from.
//!
//! Called by [`crate::door`] and [`crate::report`]. What it tells is held in memory for as long as something is counted, and stored
//! and logged nowhere.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;

/// Network of a request's client; behind a proxy, of whom that one saw last: what stands before is the client's own word. The proxy's
/// own where it says nothing.
pub(crate) fn client(request: &HttpRequest, behind_proxy: bool) -> Option<IpAddr> {
    let forwarded = || {
        let list = request.headers().get("x-forwarded-for")?.to_str().ok()?;
        list.rsplit(',').next()?.trim().parse().ok()
    };
    let address = if behind_proxy { forwarded() } else { None };
    address.or_else(|| request.peer_addr().map(|peer| peer.ip())).map(network)
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
        let check = |peer: &str, forwarded: Option<&str>, behind_proxy, expected: &str| {
            let peer = format!("{peer}:4000").parse().expect("an address");
            let request = TestRequest::default().peer_addr(peer);
            let request = match forwarded {
                Some(list) => request.insert_header(("x-forwarded-for", list)),
                None => request,
            };
            let found = client(&request.to_http_request(), behind_proxy);
            assert_eq!(found, Some(expected.parse().expect("an address")), "{forwarded:?} {behind_proxy}");
        };
        check("192.0.2.1", None, false, "192.0.2.1");
        check("[2001:db8:1:2:3::4]", None, false, "2001:db8:1:2::");
        check("[::ffff:192.0.2.1]", None, false, "192.0.2.1");
        check("192.0.2.1", Some("203.0.113.9"), false, "192.0.2.1");
        check("192.0.2.1", Some("198.51.100.1, 203.0.113.9"), true, "203.0.113.9");
        check("192.0.2.1", Some("somebody"), true, "192.0.2.1");
        check("192.0.2.1", None, true, "192.0.2.1");
    }
}
