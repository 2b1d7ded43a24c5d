//! The protocol versions and how one is agreed on: the WebSocket sub-protocol.

/// A version of OCPP-J.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// 1.6J with the security extension.
    V16,
    /// 2.0.1.
    V201,
    /// 2.1.
    V21,
}

impl Version {
    /// In the order of our preference.
    pub const ALL: [Self; 3] = [Self::V21, Self::V201, Self::V16];

    /// Its sub-protocol name, as registered with IANA.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// Its number, as people say it.
    pub fn number(self) -> &'static str {
        match self {
            Self::V16 => "1.6",
            Self::V201 => "2.0.1",
            Self::V21 => "2.1",
        }
    }

    /// Picks from what a client offers in `Sec-WebSocket-Protocol` (comma-separated, in its order of preference): the
    /// first that we speak, as RFC 6455 §4.1 leaves the choice to the server and the charger knows best what it speaks well.
    pub fn agree(offered: &str) -> Option<Self> {
        offered
            .split(',')
            .find_map(|name| Self::ALL.into_iter().find(|version| version.subprotocol() == name.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_offer_that_we_speak_is_taken() {
        assert_eq!(Version::agree("ocpp1.6"), Some(Version::V16));
        assert_eq!(Version::agree("ocpp9.9, ocpp2.0.1,ocpp1.6"), Some(Version::V201));
        assert_eq!(Version::agree("ocpp1.5, mqtt"), None);
        assert_eq!(Version::agree(""), None);
    }
}
