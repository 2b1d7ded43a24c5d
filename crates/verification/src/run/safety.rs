//! What a run does when something goes wrong: outputs off first, then wait and take the reading again, or give up.

use jiff::Timestamp;

use super::step::Off;
use super::{Answered, Command, Draft, Ending, Event, Happening, Party, Run, Step, Trouble, Why};

/// Restarts of the server in one run: a server that falls over so often is no place to finish it, and the list of troubles stays
/// one that can be read.
pub(super) const RESTARTS_MAX: u32 = 50;

/// What is told of a source whose outputs are on after an off.
const STILL_ON: &str = "outputs are on after they were switched off";

/// Whether a stored happening cannot be of a look at the source's outputs: after an off the first version never spoke to the
/// source next, except to switch it off again.
fn is_of_the_step_after_an_off(what: &Happening) -> bool {
    match what {
        Happening::State { .. } => false,
        Happening::Failed { party, .. } => *party != Party::Source,
        other => other.answer().is_some(),
    }
}

/// The same of a look at the pile while outputs are on: the first version asked the standard next.
fn is_of_the_step_after_a_poll(what: &Happening) -> bool {
    matches!(what, Happening::Measured { .. } | Happening::Failed { party: Party::Standard, .. })
}

/// Whether a stored happening is of opening the outlet, which the first versions did although the pile did not leave its
/// virtual-load mode, at once: now that is waited for.
fn is_of_the_outlet(what: &Happening) -> bool {
    matches!(what, Happening::Availability { .. } | Happening::Failed { party: Party::Pile, .. })
}

impl Run {
    /// A server took the run up again: what it was doing is not known to have been done.
    pub(super) fn resumed(&mut self, at: Timestamp) -> Vec<Command> {
        if self.step == Step::Waiting {
            return self.begin(at);
        }
        self.restarts += 1;
        if RESTARTS_MAX < self.restarts && !self.step.gives_up() {
            return self.give_up(Why::ServerRestarted, format!("{} times", self.restarts), at);
        }
        if self.restarts <= RESTARTS_MAX {
            self.note(at, Why::ServerRestarted, String::new());
        }
        match self.step {
            _ if !self.has_source() => {
                self.is_warm = false;
                self.discard();
                self.begin(at)
            }
            step if step.gives_up() => self.go(Step::GiveUpOff, at),
            step if step.finishes() => self.go(Step::LastOff, at),
            _ => {
                // How long it stood still nobody knows.
                self.is_warm = false;
                self.discard();
                self.go(Step::SafeOff, at)
            }
        }
    }

    pub(super) fn failed(&mut self, party: Party, lost: bool, detail: &str, at: Timestamp) -> Vec<Command> {
        let why = match (party, lost) {
            (Party::Source, true) => Why::SourceLost,
            (Party::Standard, true) => Why::StandardLost,
            (Party::Pile, true) => Why::PileLost,
            (Party::Source | Party::Standard, false) => Why::InstrumentError,
            (Party::Pile, false) => Why::PileError,
        };
        match self.step {
            // Nothing has begun, or nothing is being done but waiting until it is safe: a late failure changes nothing.
            Step::Waiting | Step::SafeWait | Step::GiveUpWait | Step::LeaveWait | Step::GiveUpTestWait => {
                Vec::new()
            }
            Step::GiveUpOff | Step::ReadBack(Off::GiveUp) => self.off_failed(why, detail, at),
            // A pile that may be in its virtual-load mode registers what nobody is given: it is asked once more, and if it does not
            // leave, the outlet stays closed. Where it stays closed anyway, nothing is won by asking again.
            Step::GiveUpTest if !self.may.be_on => {
                self.note(at, why, detail.to_owned());
                self.go(Step::GiveUpTestWait, at)
            }
            Step::GiveUpTest | Step::GiveUpTestAgain => {
                self.note(at, why, detail.to_owned());
                self.end_abandoned(false)
            }
            Step::GiveUpOperative => self.end_abandoned(false),
            Step::LeaveTest => {
                self.note(at, why, detail.to_owned());
                self.go(Step::LeaveWait, at)
            }
            // Everything is measured: a pile that cannot be opened again costs no result, but it is told.
            Step::LeaveAgain | Step::MakeOperative => {
                self.note(at, why, detail.to_owned());
                self.end(Ending::Measured)
            }
            _ => self.trouble(why, detail.to_owned(), at),
        }
    }

    /// The source does not confirm its last off: once its dead man is waited out and it is asked again.
    fn off_failed(&mut self, why: Why, detail: &str, at: Timestamp) -> Vec<Command> {
        self.outputs_off = false;
        self.note(at, why, detail.to_owned());
        if self.may.be_on && !self.is_waited_out {
            self.is_waited_out = true;
            return self.go(Step::GiveUpWait, at);
        }
        self.leave_test_or_open(at)
    }

    /// After the last off of a run that is given up, confirmed or not.
    pub(super) fn leave_test_or_open(&mut self, at: Timestamp) -> Vec<Command> {
        if self.may.be_in_test_mode { self.go(Step::GiveUpTest, at) } else { self.open_or_end(at) }
    }

    /// The outlet is opened again, unless its meter may still be fed by the source: then a person must look first.
    pub(super) fn open_or_end(&mut self, at: Timestamp) -> Vec<Command> {
        match (self.may.be_closed, self.may.be_on) {
            (false, _) => self.end_abandoned(true),
            (true, true) => self.end_abandoned(false),
            (true, false) => self.go(Step::GiveUpOperative, at),
        }
    }

    /// Something is wrong: outputs off, wait, and take the reading again; given up after too many.
    pub(super) fn trouble(&mut self, why: Why, detail: String, at: Timestamp) -> Vec<Command> {
        self.failures += 1;
        if self.failures > self.order.plan.pace.failures_max {
            return self.give_up(why, detail, at);
        }
        self.note(at, why, detail);
        self.discard();
        if !self.has_source() {
            return self.go(Step::SafeWait, at);
        }
        // It may have lost its power, not only its connection.
        self.is_warm &= why != Why::SourceLost;
        // A source that does not confirm that it is off is left alone until its dead man must have acted.
        let is_silent = matches!(self.step, Step::SafeOff | Step::ReadBack(Off::Safe));
        self.go(if is_silent { Step::SafeWait } else { Step::SafeOff }, at)
    }

    pub(super) fn give_up(&mut self, why: Why, detail: String, at: Timestamp) -> Vec<Command> {
        self.discard();
        if self.why.is_none() {
            self.note(at, why, detail.clone());
            self.why = Some((why, detail));
        }
        if self.step == Step::Waiting || !self.has_source() {
            // Nothing was switched on or closed, and instruments and outlet may be in the hands of another run, or of a person.
            return self.end_abandoned(true);
        }
        self.go(Step::GiveUpOff, at)
    }

    pub(super) fn note(&mut self, at: Timestamp, why: Why, detail: String) {
        self.troubles.push(Trouble { at, why, detail });
    }

    /// Throws the reading at hand away. It counts if its outputs were, or may have been, switched on.
    pub(super) fn discard(&mut self) {
        if self.draft.is_tried {
            self.discarded += 1;
        }
        self.draft = Draft::default();
        self.energy_wh = None;
    }

    /// The source said whether its outputs are off. An off that was obeyed and did nothing is one that failed.
    pub(super) fn read_back(&mut self, off: Off, is_on: bool, at: Timestamp) -> Vec<Command> {
        if is_on {
            // Whoever switched them on: nothing is opened while they are.
            self.may.be_on = true;
            return self.failed(Party::Source, false, STILL_ON, at);
        }
        self.outputs_off = true;
        self.may.be_on = false;
        match off {
            Off::Reset => self.go(Step::ResetStandard, at),
            Off::Before => self.go(Step::SettleBefore, at),
            Off::After => self.go(Step::SettleAfter, at),
            Off::Last if self.may.be_in_test_mode => self.go(Step::LeaveTest, at),
            Off::Last => self.go(Step::MakeOperative, at),
            Off::Safe => self.go(Step::SafeWait, at),
            Off::GiveUp => self.leave_test_or_open(at),
        }
    }

    /// Takes in what was stored before, by this version or the first, as [`Run::step`] takes in what happens now. The first did
    /// not read an off back, nor look at the pile while outputs were on: what came next then is no answer to the look that is at
    /// hand here, and the look counts as good, as it did. Nor did it keep an outlet closed whose pile did not leave its virtual-load
    /// mode: what came of opening it comes instead of the wait.
    pub fn step_stored(&mut self, event: &Event) -> Vec<Command> {
        match self.step {
            Step::ReadBack(off) if is_of_the_step_after_an_off(&event.what) => {
                self.read_back(off, false, event.at);
            }
            Step::WarmIdle { .. } | Step::PollIdle if is_of_the_step_after_a_poll(&event.what) => {
                self.answered(&Answered::Idle(false), event.at);
            }
            Step::LeaveWait if is_of_the_outlet(&event.what) => self.step = Step::MakeOperative,
            Step::GiveUpTestWait if is_of_the_outlet(&event.what) => self.step = Step::GiveUpOperative,
            _ => {}
        }
        self.step(event)
    }

    pub(super) fn end_abandoned(&mut self, operative: bool) -> Vec<Command> {
        let (why, detail) = self.why.clone().unwrap_or((Why::Stopped, String::new()));
        self.end(Ending::Abandoned { why, detail, outputs_off: self.outputs_off, operative })
    }

    pub(super) fn end(&mut self, ending: Ending) -> Vec<Command> {
        self.step = Step::Ended;
        self.ending = Some(ending.clone());
        vec![Command::End(ending)]
    }
}
