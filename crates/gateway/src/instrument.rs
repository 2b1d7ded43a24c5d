//! Instruments on the bench: a virtual-load source and a reference standard, over the network.
//!
//! Driven by [`crate::runner`], one command at a time; what is said on the wire comes from the command maps of
//! `verification::instrument`. Never decides what to do, and never retries: a run does, from what it is told here.
//!
//! Each trait has one method and not one for each command: the commands are an enum of the engine already, stored with a run
//! and spelled by the maps, and a method for each would say all of them a third time without checking anything more.

mod address;
mod link;
mod scpi;
#[cfg(test)]
mod tests;

use std::future::Future;

use thiserror::Error;
use veripile_verification::instrument::Reply;
use veripile_verification::{SourceCommand, StandardCommand};

pub(crate) use scpi::{ScpiSource, ScpiStandard};

/// A virtual-load source (虚负荷源): feeds voltage and current apart.
pub(crate) trait VirtualLoadSource: Send {
    /// Carries out a command, and confirms that it was done. Dropped in the middle, it leaves nothing that a later answer could
    /// be mixed up with; whether the command was done is then not known.
    fn perform(
        &mut self,
        command: &SourceCommand,
    ) -> impl Future<Output = Result<Reply, InstrumentFault>> + Send;
}

/// A reference standard (标准表): measures the energy that the pile is given.
pub(crate) trait ReferenceStandard: Send {
    /// As [`VirtualLoadSource::perform`].
    fn perform(
        &mut self,
        command: &StandardCommand,
    ) -> impl Future<Output = Result<Reply, InstrumentFault>> + Send;
}

/// Why a command to an instrument failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum InstrumentFault {
    /// It cannot be reached, closed the connection, or did not answer in time.
    #[error("{0}")]
    Lost(String),
    /// It said that something is wrong, or nothing readable; or it is registered wrongly.
    #[error("{0}")]
    Wrong(String),
}

impl InstrumentFault {
    /// Whether the instrument cannot be reached.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}
