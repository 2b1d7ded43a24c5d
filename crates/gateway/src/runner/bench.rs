//! What a run acts upon: the pile, its source and its standard. One action in, one happening out.
//!
//! Used by [`super::conduct`]. Turns faults into happenings and never hides one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use veripile_verification::instrument::{InstrumentRole, Reply};
use veripile_verification::run::Party;
use veripile_verification::{Action, Happening, Instrument, Order};

use crate::Gateway;
use crate::instrument::{InstrumentFault, ReferenceStandard, ScpiSource, ScpiStandard, VirtualLoadSource};
use crate::pile_under_test::PileUnderTest;
use crate::reception::now;

/// Longest wait at once: that of a plan before a new try. A longer one is a clock that was set back.
const WAIT_MAX: SignedDuration = SignedDuration::from_hours(1);

/// What a run acts upon.
pub(super) trait Bench: Send {
    /// Performs an action; tells what came of it. What a person is asked for never comes from here: that waits for ever.
    fn perform(&mut self, action: &Action) -> impl Future<Output = Happening> + Send;
}

/// The field: a pile connected here, instruments in its network.
pub(super) struct FieldBench<S, R> {
    pile: PileUnderTest,
    source: Result<S, InstrumentFault>,
    standard: Result<R, InstrumentFault>,
}

impl FieldBench<ScpiSource, ScpiStandard> {
    /// The bench that an order names. An instrument that is registered wrongly fails at its first command, in the run's own record.
    pub(super) fn of(gateway: &Arc<Gateway>, pile_no: i64, order: &Order) -> Self {
        Self {
            pile: PileUnderTest::of(Arc::clone(gateway), pile_no, order),
            source: named(order, InstrumentRole::Source).and_then(ScpiSource::of),
            standard: named(order, InstrumentRole::Standard).and_then(ScpiStandard::of),
        }
    }
}

fn named(order: &Order, role: InstrumentRole) -> Result<&Instrument, InstrumentFault> {
    let none = || InstrumentFault::Wrong(format!("the order names no {}; order again with one", role.word()));
    order.instrument(role).ok_or_else(none)
}

impl<S: VirtualLoadSource, R: ReferenceStandard> Bench for FieldBench<S, R> {
    async fn perform(&mut self, action: &Action) -> Happening {
        match action {
            Action::MakeInoperative => self.pile.change_availability(false).await,
            Action::MakeOperative => self.pile.change_availability(true).await,
            Action::CheckIdle => self.pile.is_idle().await,
            Action::TestMode { on } => self.pile.test_mode(*on).await,
            Action::ReadRegister => self.pile.read_register().await,
            Action::Source(command) => {
                let reply = match &mut self.source {
                    Ok(source) => source.perform(command).await,
                    Err(fault) => Err(fault.clone()),
                };
                match reply {
                    // A source's only number.
                    Ok(Reply::Number(celsius)) => Happening::Temperature { celsius },
                    reply => reply.map_or_else(|fault| failed(Party::Source, &fault), happened),
                }
            }
            Action::Standard(command) => {
                let reply = match &mut self.standard {
                    Ok(standard) => standard.perform(command).await,
                    Err(fault) => Err(fault.clone()),
                };
                reply.map_or_else(|fault| failed(Party::Standard, &fault), happened)
            }
            Action::Wait { until } => {
                tokio::time::sleep(wait(*until)).await;
                Happening::Waited
            }
            Action::AskRegister => std::future::pending().await,
        }
    }
}

/// How long it is until a moment of our clock. One that is set back in between prolongs no wait.
fn wait(until: Timestamp) -> Duration {
    let left = until.duration_since(now()).min(WAIT_MAX);
    left.try_into().unwrap_or(Duration::ZERO)
}

fn failed(party: Party, fault: &InstrumentFault) -> Happening {
    Happening::Failed { party, lost: fault.is_lost(), detail: fault.to_string() }
}

/// An instrument's reply as what happened.
fn happened(reply: Reply) -> Happening {
    match reply {
        Reply::Done => Happening::Done,
        Reply::Identity(text) => Happening::Identity { text },
        Reply::State(on) => Happening::State { on },
        Reply::Number(value) => Happening::Number { value },
        Reply::Measured { voltage_v, current_a, power_w } => {
            Happening::Measured { voltage_v, current_a, power_w }
        }
    }
}
