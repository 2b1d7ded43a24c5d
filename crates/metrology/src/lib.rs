//! The mathematics: decisions under uncertainty, rule sets, and the comparison of instruments through travelling standards.
//!
//! It does not know that a pile exists. Pure: no IO, no clock, no randomness; elementary functions come from `libm` and
//! sums are taken in a fixed order, so that the same facts give the same bits on any machine.

pub mod cholesky;
pub mod comparison;
pub mod decision;
pub mod graph;
pub mod normal;
pub mod rules;
