//! What can be said of a pile from afar: evidence in, estimates with honest uncertainty out. An opinion, never a verification.
//!
//! Called by `app` for the running platform and for files alike. Pure: the moment is an argument, nothing is read or drawn.

/// Revision of what estimates: stored with every run beside the version, so that of two programs whose results differ each says which it is.
/// To be raised by one with every change after which the same evidence gives other numbers, verdicts or next dates, to the last bit: here, in
/// `metrology` (`comparison`, `balance`, `decision`, `reliability`, `drift`, `change_point`, rule sets), or in what `app::assess::facts` makes
/// evidence of. A run of another revision is made anew, not gone on from, weeks that the filter of another one took in too, and `veripile check
/// assessment` does not expect its numbers.
///
/// Runs without one are of before 1.
pub const REVISION: u32 = 4;

pub mod anchors;
pub mod assess;
pub mod balanced;
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
    Updated, UsedReference, VehicleEstimate, assess,
};
pub use balanced::Balanced;
pub use evidence::{Anchor, ComparableCharge, Evidence, PileFact, ReferenceVehicle, Screened};
pub use learnt::Learnt;
