//! Verifications: the register of instruments, orders, runs event by event, documents, and what puts a document in question.
//!
//! Written by `api` (people's acts) and by `gateway::runner` (what happens in the field); each table names its author. Nothing is
//! decided here: whether an order may be carried out, what a run does next and what its result is are `veripile_verification`'s.

mod certificate;
mod clock;
mod instrument;
mod order;
mod plate;
mod question;
mod run;

pub use certificate::{CertificateQuery, CertificateRow, CertificateStatus, Issuance, Withdrawal};
pub use order::{OrderRow, OrderState, VerificationQuery};
pub use plate::PlateFacts;
pub use question::{Approval, Question, QuestionReason, ToVerify};
pub use run::{Appended, Claimed, EVENTS_PAGE_MAX};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::StoreError;
use crate::row::corrupt;

/// Rows of one page of orders or documents.
const PAGE_MAX: u32 = 500;

/// A stored document of ours, read back.
fn read<T: DeserializeOwned>(what: &'static str, body: Value) -> Result<T, StoreError> {
    serde_json::from_value(body).map_err(|error| corrupt(what, error))
}

/// A document of ours as it is stored.
fn stored(what: &'static str, body: &impl Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(body).map_err(|error| corrupt(what, error))
}
