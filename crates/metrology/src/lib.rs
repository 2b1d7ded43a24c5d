//! The mathematics: quantities, errors, uncertainty, decisions, rule sets, and the comparison of instruments through travelling
//! standards.
//!
//! It knows a pile as something with a register and a limit, nothing of identities, messages or places. Pure: no IO, no clock, no
//! randomness (a seed is an argument); elementary functions come from `libm` and
//! sums are taken in a fixed order, so that the same facts give the same bits on any machine.

pub mod acceptance_sampling;
pub mod agreement;
pub mod balance;
pub mod batch;
pub mod beta;
pub mod bridge;
pub mod budget;
pub mod change_point;
pub mod chi_square;
pub mod cholesky;
pub mod clock;
pub mod comparison;
pub mod contrast;
pub mod counting;
pub mod crossing;
pub mod decision;
pub mod discontinuity;
pub mod drift;
pub mod error;
pub mod graph;
pub mod monte_carlo;
pub mod multiplicity;
pub mod normal;
pub mod payment;
pub mod quantity;
pub mod reliability;
pub mod risk;
pub mod rounding;
pub mod rules;
pub mod shared;
pub mod student;
