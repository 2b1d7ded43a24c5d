//! What the fuzz targets share: fixed secrets, an input read as choices, signed records and what may never be said of them.
//!
//! Called by `fuzz_targets/*`. Here stands no knowledge of how `veripile_ocpp` works inside: what is asserted can be read off
//! the input alone.

pub mod binary;
pub mod choices;
pub mod signed;

use veripile_ocpp::IdentityKey;
use veripile_pile::ReceiveTime;

/// The key under which cards are hashed.
pub fn identity_key() -> IdentityKey {
    IdentityKey::new([7; 32])
}

/// When everything arrives.
pub fn received() -> ReceiveTime {
    ReceiveTime("2026-03-01T12:00:00Z".parse().expect("literal"))
}
