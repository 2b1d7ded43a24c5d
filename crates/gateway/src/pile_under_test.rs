//! The pile on the bench: what a run asks of it, over the connection that it has with this gateway.
//!
//! Called by [`crate::runner`] with one action at a time; every answer, and every failure, is a [`Happening`] for the run. Knows
//! nothing of instruments, decides nothing, never asks twice.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use veripile_ocpp::call::{AnswerHeard, Call};
use veripile_pile::ReadingContext;
use veripile_store::StoreError;
use veripile_verification::order::Plate;
use veripile_verification::plan::Load;
use veripile_verification::{Happening, Order, Party};

use crate::Gateway;
use crate::desk::Reply;
use crate::reception::now;
use crate::test_mode::TestMode;
use crate::watched::{RegisterTold, Watch};

/// How long a pile may take from its promise to send its register until it is stored: it samples at once, but may first have
/// older messages to send.
const REGISTER_WITHIN: Duration = Duration::from_secs(30);

/// How much earlier than the request a reading may be sampled that names the request as its reason: clocks are told to the
/// second and compared by the newest messages. One that answers an older request of ours is older by [`REGISTER_WITHIN`].
const ANSWER_BEFORE_REQUEST: SignedDuration = SignedDuration::from_secs(10);

/// How much earlier at most any other reading may be sampled, and only as far as outputs have been off so long.
const SAMPLE_BEFORE_REQUEST: SignedDuration = SignedDuration::from_secs(5);

/// By how much a clock told to the second, compared to the second, may mislead.
const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(1);

/// Words of a connector with a charge or a vehicle at it: somebody may touch it, or begin.
const BUSY: [&str; 6] = ["Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Occupied"];

/// The status that follows a ChangeAvailability is on its way for a moment: a connector that is busy right after one is looked at
/// again so long. At any other time one look decides: outputs may be on.
const CLOSING: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// No charge takes longer; one that is open longer has lost its end.
const CHARGE_LONGEST: SignedDuration = SignedDuration::from_hours(48);

/// The pile of an order.
pub(crate) struct PileUnderTest {
    gateway: Arc<Gateway>,
    pile_no: i64,
    connector: u32,
    plate: Plate,
    /// Its virtual-load mode, where the plan says that it has one.
    test_mode: Option<TestMode>,
    /// How long outputs have been off when the register is asked for; under a real load energy always flows.
    settled: SignedDuration,
    /// Since when the outlet is being closed.
    closed_at: Option<Instant>,
}

impl PileUnderTest {
    /// The pile of an order.
    pub(crate) fn of(gateway: Arc<Gateway>, pile_no: i64, order: &Order) -> Self {
        Self {
            gateway,
            pile_no,
            connector: order.connector,
            plate: order.plate.clone(),
            test_mode: order.plan.test_mode_vendor.as_deref().map(TestMode::of),
            settled: match order.plan.load {
                Load::Virtual => SignedDuration::from_millis(i64::from(order.plan.pace.settle_ms)),
                Load::Real => SignedDuration::ZERO,
            },
            closed_at: None,
        }
    }

    /// Closes the outlet, or opens it.
    pub(crate) async fn change_availability(&mut self, operative: bool) -> Happening {
        self.closed_at = (!operative).then(Instant::now);
        let call = Call::ChangeAvailability { connector: self.connector, operative };
        match self.ask(call).await {
            Ok(AnswerHeard::Later { status } | AnswerHeard::Refused { status }) => {
                Happening::Availability { status }
            }
            Ok(_) => Happening::Availability { status: "Accepted".to_owned() },
            Err(failed) => failed,
        }
    }

    /// Whether a charge runs at the outlet, and the pile is still the one that was ordered: it may have booted with other firmware
    /// since. One that has just been closed is looked at again while it seems busy.
    pub(crate) async fn is_idle(&self) -> Happening {
        loop {
            if self.gateway.version(self.pile_no).is_none() {
                return gone();
            }
            match self.gateway.store.firmware_told(self.pile_no).await {
                Ok(Some(told)) if self.plate.is_other_firmware(&told) => {
                    return Happening::OtherFirmware { told };
                }
                Ok(_) => {}
                Err(error) => return failed(false, format!("its firmware could not be looked up: {error}")),
            }
            let (charging, status) = match self.look().await {
                Ok(told) => told,
                Err(error) => return failed(false, format!("its charges could not be looked up: {error}")),
            };
            let is_closing = self.closed_at.is_some_and(|closed_at| closed_at.elapsed() < CLOSING);
            if !charging || !is_closing {
                return Happening::Idle { charging, status };
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Everything that a charger was told "accepted" for is in the store; nothing else of a charge is known here.
    async fn look(&self) -> Result<(bool, Option<String>), StoreError> {
        let store = &self.gateway.store;
        let open = store.open_charges(self.pile_no).await?;
        let begun = open.iter().filter(|charge| charge.connector == self.connector);
        let begun: Vec<Timestamp> = begun.map(|charge| charge.started_at).collect();
        let told = store.connector_told(self.pile_no, self.connector).await?;
        let status = told.as_ref().map(|(word, at)| (word.as_str(), *at));
        Ok((is_charging(&begun, status, now()), told.map(|(word, _)| word)))
    }

    /// Puts the pile into its virtual-load mode, or takes it out.
    pub(crate) async fn test_mode(&self, on: bool) -> Happening {
        let Some(mode) = &self.test_mode else {
            return failed(false, "the plan names no vendor of a virtual-load mode".to_owned());
        };
        match self.ask(mode.call(on)).await {
            Ok(AnswerHeard::Refused { status } | AnswerHeard::Later { status }) => {
                failed(false, mode.refused(on, &status))
            }
            Ok(_) => Happening::Done,
            Err(failed) => failed,
        }
    }

    /// A fresh reading of the register, once it is committed.
    ///
    /// What counts is sampled after outputs went off. A reading that comes on request (context `Trigger`) does; one that comes by
    /// itself does if the pile's clock, set against ours, says that it was sampled later. Readings are taken from the moment of the
    /// request on and not only from its answer: a message right behind the answer may be committed before this task is woken.
    pub(crate) async fn read_register(&self) -> Happening {
        let mut watch = self.gateway.watched.watch(self.pile_no, self.connector);
        let asked_at = now();
        let call = Call::Trigger { message: "MeterValues".to_owned(), connector: Some(self.connector) };
        match self.ask(call).await {
            Ok(AnswerHeard::Refused { status }) => {
                return failed(
                    false,
                    format!(
                        "it answered {status} to the request for its register; have it read off the display instead"
                    ),
                );
            }
            Ok(_) => {}
            Err(failed) => return failed,
        }
        let mut refused = None;
        let awaited = tokio::time::timeout(REGISTER_WITHIN, self.fresh(&mut watch, asked_at, &mut refused));
        match awaited.await {
            Ok(Some(told)) => {
                Happening::Register { wh: told.wh, text: told.text, device_time: told.device_time }
            }
            Ok(None) => failed(false, "its register is read by another run".to_owned()),
            Err(_) => failed(true, missing(refused.as_ref())),
        }
    }

    /// The first fresh reading; the last one that was not is noted.
    async fn fresh(
        &self,
        watch: &mut Watch<'_>,
        asked_at: Timestamp,
        refused: &mut Option<RegisterTold>,
    ) -> Option<RegisterTold> {
        loop {
            let told = watch.next().await?;
            let offset_s = self.gateway.memory.of(self.pile_no, |memory| memory.seen.clock_offset_s());
            if is_fresh(&told, asked_at, self.settled, offset_s) {
                return Some(told);
            }
            tracing::info!(
                pile.no = self.pile_no,
                value = told.text,
                "a reading is too old for a verification"
            );
            *refused = Some(told);
        }
    }

    async fn ask(&self, call: Call) -> Result<AnswerHeard, Happening> {
        match self.gateway.ask(self.pile_no, call).await {
            Reply::Answered { heard, .. } => match *heard {
                AnswerHeard::Error { code, description } => {
                    Err(failed(false, format!("{code}: {description}")))
                }
                AnswerHeard::Unreadable { why } => Err(failed(false, format!("unreadable answer: {why}"))),
                heard => Ok(heard),
            },
            Reply::Late { .. } => Err(failed(true, "it did not answer in time".to_owned())),
            Reply::Unspeakable(error) => Err(failed(false, error.to_string())),
            Reply::Gone => Err(gone()),
            Reply::Busy => Err(failed(true, "too many calls are waiting for it".to_owned())),
        }
    }
}

fn failed(lost: bool, detail: String) -> Happening {
    Happening::Failed { party: Party::Pile, lost, detail }
}

fn gone() -> Happening {
    failed(true, "it is not connected".to_owned())
}

/// What to say where no fresh reading came.
fn missing(refused: Option<&RegisterTold>) -> String {
    let within = REGISTER_WITHIN.as_secs();
    match refused {
        None => format!("no reading of its register came within {within} s, though it promised one"),
        Some(told) => {
            let time = told.device_time.map_or_else(|| "no time".to_owned(), |time| time.to_string());
            format!(
                "within {within} s only readings that are too old came, the last sampled at {time} by its clock; check its clock"
            )
        }
    }
}

/// Whether a charge runs at a connector: it says so, or a charge is open that it has not shown to be over since.
fn is_charging(begun: &[Timestamp], status: Option<(&str, Timestamp)>, at: Timestamp) -> bool {
    let is_open = |began_at: &Timestamp| {
        // A connector with a charge is never available: the end of that charge was lost. An inoperative one may yet have a charge.
        let is_over = status.is_some_and(|(word, told_at)| word == "Available" && *began_at < told_at);
        !is_over && at.duration_since(*began_at) <= CHARGE_LONGEST
    };
    status.is_some_and(|(word, _)| BUSY.contains(&word)) || begun.iter().any(is_open)
}

/// Whether a reading was sampled late enough. `settled`: for how long outputs were off when it was asked for. `offset_s`: the
/// pile's clock less ours.
fn is_fresh(
    told: &RegisterTold,
    asked_at: Timestamp,
    settled: SignedDuration,
    offset_s: Option<i64>,
) -> bool {
    if told.received < asked_at {
        return false;
    }
    let is_answer = told.context == ReadingContext::Trigger;
    let Some((time, offset_s)) = told.device_time.zip(offset_s) else { return is_answer };
    let before = if is_answer {
        ANSWER_BEFORE_REQUEST
    } else {
        settled.min(SAMPLE_BEFORE_REQUEST).saturating_sub(CLOCK_STEP).max(SignedDuration::ZERO)
    };
    asked_at.duration_since(time).saturating_add(SignedDuration::from_secs(offset_s)) <= before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-01T{text}Z").parse().expect("literal")
    }

    #[test]
    fn a_charge_runs_if_the_connector_says_so_or_one_is_open() {
        let now = at("12:00:00");
        let long_ago = now - SignedDuration::from_hours(49);
        let check = |begun: &[Timestamp], status: Option<(&str, &str)>, expected| {
            let status = status.map(|(word, told_at)| (word, at(told_at)));
            assert_eq!(is_charging(begun, status, now), expected, "{begun:?} {status:?}");
        };
        check(&[], None, false);
        for word in ["Available", "Unavailable", "Faulted", "Reserved"] {
            check(&[], Some((word, "11:59:00")), false);
        }
        for word in BUSY {
            check(&[], Some((word, "11:59:00")), true);
        }
        check(&[at("11:00:00")], None, true);
        check(&[at("11:00:00")], Some(("Unavailable", "11:59:00")), true);
        check(&[at("11:00:00")], Some(("Available", "11:59:00")), false);
        check(&[at("11:00:00")], Some(("Available", "10:59:00")), true);
        check(&[long_ago], Some(("Unavailable", "11:59:00")), false);
    }

    // Asked for at 12:00:00 with outputs off for so many seconds; the pile's clock is a minute ahead of ours.
    #[test]
    fn a_reading_counts_if_it_was_sampled_after_outputs_went_off() {
        let check = |context, time: Option<&str>, received: &str, settled_s, expected| {
            let told = RegisterTold {
                connector: 1,
                wh: rust_decimal::Decimal::ONE,
                text: "1".to_owned(),
                context,
                device_time: time.map(at),
                received: at(received),
            };
            let settled = SignedDuration::from_secs(settled_s);
            let fresh = is_fresh(&told, at("12:00:00"), settled, Some(60));
            assert_eq!(fresh, expected, "{told:?} {settled_s}");
        };
        let (trigger, periodic) = (ReadingContext::Trigger, ReadingContext::SamplePeriodic);
        check(trigger.clone(), Some("12:01:00"), "12:00:01", 3, true);
        check(trigger.clone(), Some("12:00:51"), "12:00:01", 3, true);
        // That of a request half a minute ago.
        check(trigger.clone(), Some("12:00:30"), "12:00:01", 3, false);
        check(trigger.clone(), None, "12:00:01", 3, true);
        check(trigger, Some("12:01:00"), "11:59:59", 3, false);
        check(periodic.clone(), Some("12:01:00"), "12:00:01", 0, true);
        check(periodic.clone(), Some("12:00:58"), "12:00:01", 3, true);
        check(periodic.clone(), Some("12:00:57"), "12:00:01", 3, false);
        check(periodic.clone(), Some("12:00:54"), "12:00:01", 60, false);
        check(periodic.clone(), Some("12:00:56"), "12:00:01", 60, true);
        check(periodic.clone(), Some("12:00:59"), "12:00:01", 0, false);
        check(periodic, None, "12:00:01", 3, false);
    }

    #[test]
    fn without_a_known_clock_only_an_answer_counts() {
        let told = |context| RegisterTold {
            connector: 1,
            wh: rust_decimal::Decimal::ONE,
            text: "1".to_owned(),
            context,
            device_time: Some(at("01:00:00")),
            received: at("12:00:01"),
        };
        let settled = SignedDuration::from_secs(3);
        assert!(is_fresh(&told(ReadingContext::Trigger), at("12:00:00"), settled, None));
        assert!(!is_fresh(&told(ReadingContext::SampleClock), at("12:00:00"), settled, None));
    }
}
