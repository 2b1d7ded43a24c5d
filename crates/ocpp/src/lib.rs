//! OCPP: text ⇄ typed messages ⇄ readings, for 1.6J, 2.0.1 and 2.1. The only crate that knows OCPP's spelling.
//!
//! Called by `gateway`, and by `app` for signed records. [`frame`] opens the envelope, [`hear`] understands what a charger
//! says (tolerantly: what is wrong is marked, never lost), [`answer`] says what we reply, [`call`] what we ask of a charger and
//! what it answers, [`signed`] checks signed meter values, [`signing`] judges requests
//! for certificates. Pure: times, keys and state are arguments; no IO, no clock.
//!
//! # What is done with each call of a charger
#![doc = include_str!("action.md")]

pub mod action;
pub mod answer;
pub mod boot;
pub mod call;
pub mod card;
pub mod configuration;
pub mod conformance;
pub mod credential;
pub mod frame;
mod hear;
mod json;
mod normalise;
pub mod readiness;
pub mod register;
pub mod secret;
pub mod signed;
pub mod signing;
mod time;
pub mod typed;
mod v16;
mod v2;
mod version;

pub use call::{AnswerHeard, Call, CallError, hear_answer};
pub use card::IdentityKey;
pub use configuration::{ConfigurationEntry, report_entries};
pub use frame::{Frame, FrameError};
pub use hear::{BootIdentity, Heard, Meaning, MeterIdentity, PlugStatus, hear};
pub use register::{Registers, Stands};
pub use version::Version;
