//! What can be said of a pile from afar: evidence in, estimates with honest uncertainty out. An opinion, never a verification.
//!
//! Called by `app` for the running platform and for files alike. Pure: the moment is an argument, nothing is read or drawn.

pub mod anchors;
pub mod assess;
mod calibration;
mod common;
pub mod evidence;
pub mod interval;
pub mod learnt;
pub mod levels;
pub mod operators;
pub mod signals;
pub mod targeting;
pub mod weekly;

pub use assess::{
    Assessment, AssessmentError, BY_BALANCE, ChangedPile, DoubtedValues, FoundStep, RunFacts, Stage, Stages,
    UsedReference, VehicleEstimate, assess,
};
pub use evidence::{Anchor, ComparableCharge, Evidence, PileFact, ReferenceVehicle, Screened};
pub use learnt::Learnt;
