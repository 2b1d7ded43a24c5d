//! The virtual-load verification engine (线下虚负荷检定): order, plan, instruments, run, result, certificate.
//!
//! A verification (检定) is an act with legal effect; an assessment is an opinion from afar, and this crate never sees one.
//! Pure: an event in, commands out; time, seed and key are arguments, so that a run, its result and its certificate can be had
//! again from what was stored, byte for byte. Sockets are `gateway`'s, rows are `store`'s, pages are `api`'s.

mod canonical;
pub mod certificate;
pub mod chart;
pub mod clock;
pub mod consistency;
pub mod instrument;
pub mod item;
pub mod order;
pub mod plan;
pub mod result;
pub mod run;
#[cfg(test)]
mod samples;
mod shape;
#[cfg(test)]
mod testing;
pub mod texts;

pub use certificate::{Certificate, CertificateError, CertificateKind, Issued};
pub use chart::{Chart, ChartPoint};
pub use instrument::{Calibration, Instrument, InstrumentRole, SourceCommand, StandardCommand};
pub use item::{Conditions, ItemCode, ItemRecord};
pub use order::{Order, OrderError, Plate, Reason};
pub use plan::{LoadPoint, Method, Pace, Plan};
pub use result::{PointResult, RunResult, Verdict};
pub use run::{Action, Command, Ending, Event, Happening, Party, Run, Taken};
pub use texts::{Language, Texts};
