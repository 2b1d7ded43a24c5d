//! The handshake: who connects, in which version, and what a refused one is told.
//!
//! The only place outside `api` that answers in HTTP statuses. A browser or `curl` on the WebSocket address gets help. Every
//! attempt is noted, whatever becomes of it.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{
    AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
    WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{CloseCode, CloseReason};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use uuid::Uuid;
use veripile_ocpp::Version;
use veripile_ocpp::credential::Basic;
use veripile_pile::PileId;
use veripile_store::{Admission, Admitted, Attempt};

use crate::Gateway;
use crate::admission::{self, Proof, Shown, TlsPeer};
use crate::reception::Reception;
use crate::refused::Refused;
use crate::relay::{Relay, Route};
use crate::signing::Ground;
use crate::socket::Socket;

/// Largest message accepted, bytes: a stop with a day of signed samples fits; a larger one closes the connection.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 20;

/// The reason noted of a connection that was let in.
const CONNECTED: &str = "connected";

/// Seconds after which a refused client may try again.
const RETRY_AFTER_S: &str = "60";

/// GET `/ocpp/{identity}`.
pub(crate) async fn connect(
    request: HttpRequest,
    body: web::Payload,
    gateway: web::Data<Gateway>,
) -> actix_web::Result<HttpResponse> {
    let gateway = gateway.into_inner();
    let (pile_id, admitted, proof) = match admit(&request, &gateway).await {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(refuse(&gateway, &request, &refused)),
    };
    let (mut response, session, stream) = actix_ws::handle(&request, body)?;
    let offered = offered(&request);
    let Some(version) = Version::agree(&offered) else {
        // OCPP-J 1.6 §3.2: complete the handshake without a sub-protocol, then close.
        note(&gateway, &request, &Refused::Subprotocol);
        let reason =
            CloseReason { code: CloseCode::Protocol, description: Some(Refused::Subprotocol.help()) };
        actix_web::rt::spawn(session.close(Some(reason)));
        return Ok(response);
    };
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(version.subprotocol()));
    let Admitted { pile_no, inbox, access } = admitted;
    let (connection, since) = (Uuid::now_v7(), Timestamp::now());
    if let Err(error) = gateway.store.connected(pile_no, connection, version.subprotocol(), since).await {
        tracing::error!(pile.id = %pile_id, %error, "refused: the connection could not be noted");
        return Ok(refuse(&gateway, &request, &Refused::Store));
    }
    gateway.metrics.opened.with_label_values(&[version.subprotocol()]).inc();
    gateway.notebook.note(attempt(&gateway, &request, CONNECTED, String::new()));
    let over_tls = shown(&gateway, &request).tls.is_some();
    let ground = Ground::of(proof, over_tls, access.upstream_url.is_some());
    let relay = access.upstream_url.map(|url| {
        let route = route(&request, &url, version);
        Relay::open(Arc::clone(&gateway), (pile_no, pile_id.clone()), connection, route)
    });
    let reception = Reception { gateway, pile_no, pile_id, version, connection, since, inbox, ground };
    let socket = Socket { reception, session, relay };
    actix_web::rt::spawn(socket.serve(stream.max_frame_size(FRAME_BYTES_MAX)));
    Ok(response)
}

/// Where a charger's messages are relayed to: the upstream's address with the identity as the charger wrote it.
fn route(request: &HttpRequest, url: &str, version: Version) -> Route {
    let identity = request.uri().path().rsplit('/').next().unwrap_or_default();
    Route {
        url: format!("{}/{identity}", url.trim_end_matches('/')),
        subprotocol: version.subprotocol(),
        authorization: request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec()),
    }
}

async fn admit(request: &HttpRequest, gateway: &Gateway) -> Result<(PileId, Admitted, Proof), Refused> {
    if !request.headers().contains_key(UPGRADE) {
        return Err(Refused::NoWebSocket);
    }
    let identity = identity(request);
    gateway.throttle.count(&identity, &address(gateway, request), Instant::now())?;
    let pile_id = PileId::parse(&identity).map_err(Refused::Identity)?;
    let failed = |error| {
        tracing::error!(pile.id = %pile_id, %error, "a charger could not be admitted");
        Refused::Store
    };
    let admission = gateway.settings.admission;
    let Some(admitted) = gateway.store.admit(&pile_id, admission).await.map_err(failed)? else {
        return Err(if admission == Admission::Inbox { Refused::InboxFull } else { Refused::Unknown });
    };
    // One that waits in the inbox has nothing to prove: nobody knows it, and nothing it says counts.
    if admitted.inbox {
        return Ok((pile_id, admitted, Proof::None));
    }
    let shown = shown(gateway, request);
    let least = gateway.settings.least_profile;
    let proof = admission::judge(&pile_id, &admitted.access, least, &shown, &gateway.verified, &gateway.key)?;
    if let Some(newest) = admitted.access.key_hash.as_deref()
        && proof == Proof::Key
        && !admitted.access.previous_hashes.is_empty()
    {
        gateway.store.key_taken(admitted.pile_no, newest).await.map_err(failed)?;
    }
    Ok((pile_id, admitted, proof))
}

/// What a client shows of itself. Behind a trusted TLS terminator its word counts for the encryption.
fn shown(gateway: &Gateway, request: &HttpRequest) -> Shown {
    let basic = request.headers().get(AUTHORIZATION).and_then(|value| Basic::read(value.to_str().ok()?));
    let forwarded = || (header(gateway, request, "x-forwarded-proto")? == "https").then(TlsPeer::default);
    Shown { tls: request.conn_data::<TlsPeer>().cloned().or_else(forwarded), basic }
}

/// What a proxy in front of us says, if one is trusted.
fn header<'a>(gateway: &Gateway, request: &'a HttpRequest, name: &'static str) -> Option<&'a str> {
    if gateway.settings.behind_proxy { last(request.headers(), name) } else { None }
}

/// The last value of a header, on the last of its lines: there a proxy appends whom it saw, and what stands before is the client's own
/// word.
fn last<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let line = headers.get_all(HeaderName::from_static(name)).next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

/// The identity in the address, decoded.
fn identity(request: &HttpRequest) -> String {
    let raw = request.uri().path().rsplit('/').next().unwrap_or_default();
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

fn address(gateway: &Gateway, request: &HttpRequest) -> String {
    let forwarded = header(gateway, request, "x-forwarded-for").map(str::to_owned);
    forwarded.or_else(|| request.peer_addr().map(|address| address.ip().to_string())).unwrap_or_default()
}

fn offered(request: &HttpRequest) -> String {
    let values = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",")
}

fn attempt(gateway: &Gateway, request: &HttpRequest, reason: &str, detail: String) -> Attempt {
    Attempt {
        identity: identity(request),
        reason: reason.to_owned(),
        address: address(gateway, request),
        offered: offered(request),
        detail,
        at: Timestamp::now(),
    }
}

/// Counts a refusal, logs it, and puts it among the attempts.
fn note(gateway: &Gateway, request: &HttpRequest, refused: &Refused) {
    gateway.metrics.refusals.with_label_values(&[refused.code()]).inc();
    tracing::warn!(
        address = request.uri().path(),
        offered = offered(request),
        reason = refused.code(),
        "a connection was refused"
    );
    if *refused != Refused::NoWebSocket {
        gateway.notebook.note(attempt(gateway, request, refused.code(), refused.help()));
    }
}

fn refuse(gateway: &Gateway, request: &HttpRequest, refused: &Refused) -> HttpResponse {
    note(gateway, request, refused);
    let mut response = match refused {
        Refused::NoWebSocket => HttpResponse::UpgradeRequired(),
        Refused::Unknown => HttpResponse::NotFound(),
        Refused::Identity(_) | Refused::Subprotocol => HttpResponse::BadRequest(),
        Refused::NoKeyMade | Refused::NoCredentials | Refused::WrongUser | Refused::WrongKey => {
            HttpResponse::Unauthorized()
        }
        Refused::NoTls | Refused::Certificate => HttpResponse::Forbidden(),
        Refused::TooOften => HttpResponse::TooManyRequests(),
        Refused::InboxFull | Refused::Store => HttpResponse::ServiceUnavailable(),
    };
    match refused {
        Refused::NoWebSocket => response.insert_header((UPGRADE, "websocket")),
        Refused::NoCredentials | Refused::WrongKey => {
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"OCPP\""))
        }
        Refused::TooOften | Refused::Store => response.insert_header((RETRY_AFTER, RETRY_AFTER_S)),
        _ => &mut response,
    };
    response.content_type("text/plain; charset=utf-8").body(format!("{}\n", refused.help()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_forwarded_the_last_word_is_our_proxy_s() {
        let check = |lines: &[&'static str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(line));
            }
            assert_eq!(last(&headers, "x-forwarded-for"), expected, "{lines:?}");
        };
        check(&[], None);
        check(&["203.0.113.9"], Some("203.0.113.9"));
        check(&["198.51.100.1, 203.0.113.9"], Some("203.0.113.9"));
        // A proxy may add a line of its own to the client's.
        check(&["198.51.100.1", "203.0.113.9"], Some("203.0.113.9"));
    }
}
