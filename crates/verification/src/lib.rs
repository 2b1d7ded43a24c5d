//! The virtual-load verification engine: plan, instrument, run, result, certificate. It moves in with issue 4.
//!
//! Stands here already because its walls do: it may lean on `metrology` and `pile` only, and never on `assessment`. A
//! verification (检定) is an act with legal effect; an assessment is an opinion from afar.
