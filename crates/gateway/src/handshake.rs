//! The handshake: who connects, in which version, and what a refused one is told.
//!
//! The only place outside `api` that answers in HTTP statuses. A browser or `curl` on the WebSocket address gets help.

use actix_web::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{CloseCode, CloseReason};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use uuid::Uuid;
use veripile_ocpp::Version;
use veripile_pile::{IdentityError, PileId};

use crate::Gateway;
use crate::socket::Socket;

/// Largest message accepted, bytes: a stop with a day of signed samples fits; a larger one closes the connection.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 20;

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No WebSocket: somebody looks at the address with a browser.
    NoWebSocket,
    /// The identity in the address is malformed.
    Identity(IdentityError),
    /// Nobody registered the identity.
    Unknown,
    /// No sub-protocol, or none that we speak.
    Subprotocol,
    /// Our own fault.
    Store,
}

impl Refused {
    /// One of each, for the counters.
    pub(crate) const ALL: [Self; 5] = [
        Self::NoWebSocket,
        Self::Identity(IdentityError::Empty),
        Self::Unknown,
        Self::Subprotocol,
        Self::Store,
    ];

    /// Its code in metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoWebSocket => "no_websocket",
            Self::Identity(_) => "identity",
            Self::Unknown => "unknown",
            Self::Subprotocol => "subprotocol",
            Self::Store => "store",
        }
    }

    /// What to do next, for the person at the other end.
    fn help(&self) -> String {
        match self {
            Self::NoWebSocket => "This is an OCPP-J address. Point a charger at it as \
                ws://HOST:PORT/ocpp/{identity}, with the charger's own identity at the end and one of the WebSocket \
                sub-protocols ocpp1.6, ocpp2.0.1 or ocpp2.1.\n"
                .to_owned(),
            Self::Identity(error) => format!("The identity in the address cannot be used: {error}.\n"),
            Self::Unknown => {
                "No pile is registered under this identity. Register it first, or check the spelling.\n".to_owned()
            }
            Self::Subprotocol => "offer sub-protocol ocpp1.6, ocpp2.0.1 or ocpp2.1".to_owned(),
            Self::Store => "The database cannot be reached; try again in a minute.\n".to_owned(),
        }
    }
}

/// GET `/ocpp/{identity}`.
pub(crate) async fn connect(
    request: HttpRequest,
    body: web::Payload,
    gateway: web::Data<Gateway>,
) -> actix_web::Result<HttpResponse> {
    let gateway = gateway.into_inner();
    let admitted = match admit(&request, &gateway).await {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(refuse(&gateway, &request, &refused)),
    };
    let (mut response, session, stream) = actix_ws::handle(&request, body)?;
    let offered = offered(&request);
    let Some(version) = Version::agree(&offered) else {
        // OCPP-J 1.6 §3.2: complete the handshake without a sub-protocol, then close.
        gateway.metrics.refusals.with_label_values(&[Refused::Subprotocol.code()]).inc();
        tracing::warn!(pile.id = %admitted.1, %offered, "refused: no sub-protocol that we speak");
        let reason =
            CloseReason { code: CloseCode::Protocol, description: Some(Refused::Subprotocol.help()) };
        actix_web::rt::spawn(session.close(Some(reason)));
        return Ok(response);
    };
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(version.subprotocol()));
    let (pile_no, pile_id) = admitted;
    let connection = Uuid::now_v7();
    if let Err(error) =
        gateway.store.connected(pile_no, connection, version.subprotocol(), Timestamp::now()).await
    {
        tracing::error!(pile.id = %pile_id, %error, "refused: the connection could not be noted");
        return Ok(refuse(&gateway, &request, &Refused::Store));
    }
    gateway.metrics.opened.with_label_values(&[version.subprotocol()]).inc();
    let socket = Socket { gateway, session, pile_no, pile_id, version, connection };
    actix_web::rt::spawn(socket.serve(stream.max_frame_size(FRAME_BYTES_MAX)));
    Ok(response)
}

async fn admit(request: &HttpRequest, gateway: &Gateway) -> Result<(i64, PileId), Refused> {
    if !request.headers().contains_key(UPGRADE) {
        return Err(Refused::NoWebSocket);
    }
    let raw = request.uri().path().rsplit('/').next().unwrap_or_default();
    let identity = percent_decode_str(raw).decode_utf8_lossy();
    let pile_id = PileId::parse(&identity).map_err(Refused::Identity)?;
    match gateway.store.admit(&pile_id, gateway.admission).await {
        Ok(Some(admitted)) => Ok((admitted.pile_no, pile_id)),
        Ok(None) => Err(Refused::Unknown),
        Err(error) => {
            tracing::error!(pile.id = %pile_id, %error, "a charger could not be admitted");
            Err(Refused::Store)
        }
    }
}

fn offered(request: &HttpRequest) -> String {
    let values = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",")
}

fn refuse(gateway: &Gateway, request: &HttpRequest, refused: &Refused) -> HttpResponse {
    gateway.metrics.refusals.with_label_values(&[refused.code()]).inc();
    tracing::warn!(address = request.uri().path(), reason = refused.code(), "a connection was refused");
    let mut response = match refused {
        Refused::NoWebSocket => HttpResponse::UpgradeRequired(),
        Refused::Unknown => HttpResponse::NotFound(),
        Refused::Identity(_) | Refused::Subprotocol => HttpResponse::BadRequest(),
        Refused::Store => HttpResponse::ServiceUnavailable(),
    };
    if *refused == Refused::NoWebSocket {
        response.insert_header((UPGRADE, "websocket"));
    }
    response.content_type("text/plain; charset=utf-8").body(refused.help())
}
