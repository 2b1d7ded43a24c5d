//! The traps real chargers set, one test or more to each (`ocpp.md` §2): however a charger gets it wrong, its messages are
//! answered, kept once, and end in a stored, marked, correct charge. Threads are cited as `repository#number`.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

#[path = "traps/field.rs"]
mod field;
#[path = "traps/messages.rs"]
mod messages;
#[path = "traps/registers.rs"]
mod registers;
