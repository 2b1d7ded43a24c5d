//! OCPP: text ⇄ typed messages ⇄ readings, for 1.6J, 2.0.1 and 2.1. The only crate that knows OCPP's spelling.
//!
//! Called by `gateway`, and by `app` for signed records. [`frame`] opens the envelope, [`hear`] understands what a charger
//! says (tolerantly: what is wrong is marked, never lost), [`answer`] says what we reply, [`signed`] checks signed meter
//! values. Pure: times, keys and state are arguments; no IO, no clock.
//!
//! # What is done with each call of a charger
//!
//! | action | 1.6 | 2.0.1 / 2.1 | what we do |
//! |---|---|---|---|
//! | BootNotification | ✓ | ✓ | kept; identity noted; Accepted |
//! | Heartbeat | ✓ | ✓ | kept; time given |
//! | StatusNotification | ✓ | ✓ | kept; live status |
//! | Authorize | ✓ | ✓ | kept; Accepted (who may charge is the operator's matter, not metrology's) |
//! | StartTransaction, StopTransaction | ✓ | – | kept; charge |
//! | TransactionEvent | – | ✓ | kept; charge, readings |
//! | MeterValues | ✓ | ✓ | kept; readings |
//! | DataTransfer | ✓ | ✓ | kept; UnknownVendorId |
//! | every other call of a charger | ✓ | ✓ | kept, checked against `ocpp_rs`'s types, acknowledged or declined |
//! | a call that only a central system makes | ✓ | ✓ | kept; NotSupported |
//! | an unknown action | ✓ | ✓ | kept; NotImplemented |

pub mod answer;
pub mod card;
pub mod frame;
mod hear;
mod json;
mod normalise;
pub mod register;
pub mod signed;
mod time;
mod v16;
mod v2;
mod version;

pub use card::IdentityKey;
pub use frame::{Frame, FrameError};
pub use hear::{BootIdentity, Heard, Meaning, hear};
pub use register::{Registers, Stands};
pub use version::Version;
