//! Why a connection is refused, and what the person at the other end can do about it.
//!
//! Made by [`crate::admission`] and [`crate::handshake`]; told to the client, noted among the attempts, counted.

use veripile_pile::IdentityError;

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No WebSocket: somebody looks at the address with a browser.
    NoWebSocket,
    /// The identity in the address is malformed.
    Identity(IdentityError),
    /// Nobody registered the identity.
    Unknown,
    /// The inbox for unknown chargers is full.
    InboxFull,
    /// The connection is not encrypted, and must be.
    NoTls,
    /// No key was ever made for this pile.
    NoKeyMade,
    /// The charger sent no Basic credentials.
    NoCredentials,
    /// The user of the credentials is not the identity in the address.
    WrongUser,
    /// The key is not the pile's.
    WrongKey,
    /// No client certificate, or one of another name.
    Certificate,
    /// Too many attempts in a minute.
    TooOften,
    /// No sub-protocol, or none that we speak.
    Subprotocol,
    /// Our own fault.
    Store,
}

impl Refused {
    /// One of each, for the counters.
    pub(crate) const ALL: [Self; 13] = [
        Self::NoWebSocket,
        Self::Identity(IdentityError::Empty),
        Self::Unknown,
        Self::InboxFull,
        Self::NoTls,
        Self::NoKeyMade,
        Self::NoCredentials,
        Self::WrongUser,
        Self::WrongKey,
        Self::Certificate,
        Self::TooOften,
        Self::Subprotocol,
        Self::Store,
    ];

    /// Its code in metrics and among the attempts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoWebSocket => "no_websocket",
            Self::Identity(_) => "identity",
            Self::Unknown => "unknown",
            Self::InboxFull => "inbox_full",
            Self::NoTls => "no_tls",
            Self::NoKeyMade => "no_key_made",
            Self::NoCredentials => "no_credentials",
            Self::WrongUser => "wrong_user",
            Self::WrongKey => "wrong_key",
            Self::Certificate => "certificate",
            Self::TooOften => "too_often",
            Self::Subprotocol => "subprotocol",
            Self::Store => "store",
        }
    }

    /// What to do next.
    pub(crate) fn help(&self) -> String {
        let text = match self {
            Self::NoWebSocket => {
                "This is an OCPP-J address. Point a charger at it as ws://HOST:PORT/ocpp/{identity}, with the charger's own \
                 identity at the end and one of the WebSocket sub-protocols ocpp1.6, ocpp2.0.1 or ocpp2.1."
            }
            Self::Identity(error) => return format!("The identity in the address cannot be used: {error}."),
            Self::Unknown => {
                "No pile is registered under this identity. Register it first, or check the spelling."
            }
            Self::InboxFull => "Too many unknown chargers are waiting; let some in, or register this one.",
            Self::NoTls => "This pile must connect encrypted: use wss:// and the TLS port.",
            Self::NoKeyMade => {
                "No key was made for this pile yet. Make one (veripile register --access, or the operator's \
                 pages), and enter it in the charger as AuthorizationKey or BasicAuthPassword."
            }
            Self::NoCredentials => {
                "The charger sent no Basic credentials. Set its security profile to 1 or 2 and enter its key."
            }
            Self::WrongUser => {
                "The user of the Basic credentials must be the identity at the end of the address."
            }
            Self::WrongKey => "The key is not this pile's. Make a new one and enter it in the charger.",
            Self::Certificate => {
                "Security profile 3: the client certificate is missing, or its common name is not the identity."
            }
            Self::TooOften => "Too many attempts; wait a minute.",
            Self::Subprotocol => "offer sub-protocol ocpp1.6, ocpp2.0.1 or ocpp2.1",
            Self::Store => "The database cannot be reached; try again in a minute.",
        };
        text.to_owned()
    }
}
