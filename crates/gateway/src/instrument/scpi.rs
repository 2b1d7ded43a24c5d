//! The driver of instruments that speak SCPI (IEEE 488.2) over TCP.
//!
//! Says what a command map tells it to; waits after every command until the instrument has done it (`*OPC?`) and reads its
//! error queue, so that "done" means done. Holds one connection, opened when it is needed. It is held by who uses it and given
//! back only after a full exchange: after any fault, or where a command is dropped in the middle, it is closed, so that a late
//! answer is never taken for that of the next question.

use std::time::Duration;

use veripile_verification::instrument::map::Lines;
use veripile_verification::instrument::{InstrumentModel, MapError, Reply};
use veripile_verification::{Instrument, SourceCommand, StandardCommand};

use super::address::InstrumentAddress;
use super::link::Link;
use super::{InstrumentFault, ReferenceStandard, VirtualLoadSource};

/// Entries of an error queue read at once. IEEE 488.2 asks for room for two; makers have up to some dozens. One that has more
/// does not come to an end.
pub(super) const ERRORS_MAX: usize = 32;

/// How long an instrument may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a connection.
    pub(super) connect: Duration,
    /// For an answer.
    pub(super) answer: Duration,
    /// Until a command is done.
    pub(super) complete: Duration,
}

impl Patience {
    /// On a bench: a network of one room, questions answered from memory, relays and ramps that take seconds.
    pub(super) const USUAL: Self = Self {
        connect: Duration::from_secs(3),
        answer: Duration::from_secs(5),
        complete: Duration::from_secs(10),
    };
}

/// An instrument that speaks SCPI.
pub(super) struct Scpi {
    address: InstrumentAddress,
    model: InstrumentModel,
    patience: Patience,
    link: Option<Link>,
}

/// What is done with errors that an instrument still had when it was connected to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OldErrors {
    /// Read first and let go: they are not of what comes now.
    Forget,
    /// Nothing comes before the command.
    Leave,
}

impl Scpi {
    /// The driver of a registered instrument. Connects to nothing yet.
    pub(super) fn of(instrument: &Instrument, patience: Patience) -> Result<Self, InstrumentFault> {
        let address = InstrumentAddress::parse(&instrument.address)?;
        let model = InstrumentModel::named(&instrument.model)?;
        Ok(Self { address, model, patience, link: None })
    }

    /// Says lines and reads the answer of the question among them; empty where nothing is asked.
    async fn exchange(&mut self, lines: &Lines, old: OldErrors) -> Result<String, InstrumentFault> {
        let mut link = self.take_link(old).await?;
        let reply = self.speak(&mut link, lines).await?;
        self.link = Some(link);
        Ok(reply)
    }

    /// The open connection, or a new one. It is cleared of what nobody asked for.
    async fn take_link(&mut self, old: OldErrors) -> Result<Link, InstrumentFault> {
        if let Some(mut link) = self.link.take()
            && link.clear().await
        {
            return Ok(link);
        }
        let mut link = Link::open(&self.address, self.patience.connect).await?;
        if old == OldErrors::Forget {
            let errors = self.errors(&mut link).await?;
            if !errors.is_empty() {
                tracing::warn!(instrument.address = %self.address, ?errors, "old errors of an instrument");
            }
        }
        Ok(link)
    }

    async fn speak(&self, link: &mut Link, lines: &Lines) -> Result<String, InstrumentFault> {
        for line in &lines.send {
            tracing::debug!(instrument.address = %self.address, line, "told");
            link.send(line, self.patience.answer).await?;
        }
        let Some(question) = &lines.ask else {
            self.complete(link, &lines.send).await?;
            return Ok(String::new());
        };
        if !lines.send.is_empty() {
            self.complete(link, &lines.send).await?;
        }
        let reply = link.ask(question, self.patience.answer).await?;
        tracing::debug!(instrument.address = %self.address, question, reply, "answered");
        Ok(reply)
    }

    /// Waits until all is done; an entry in the error queue means that it was not.
    async fn complete(&self, link: &mut Link, said: &[String]) -> Result<(), InstrumentFault> {
        let question = self.model.complete();
        let reply = link.ask(question, self.patience.complete).await?;
        if reply.trim_start_matches('+') != "1" {
            return Err(self.wrong(&format!("answered {question} with {}, not with 1", short(&reply))));
        }
        let errors = self.errors(link).await?;
        if errors.is_empty() {
            return Ok(());
        }
        Err(self.wrong(&format!("refused {}: {}", said.join("; "), errors.join("; "))))
    }

    /// Reads the error queue until it is empty.
    async fn errors(&self, link: &mut Link) -> Result<Vec<String>, InstrumentFault> {
        let question = self.model.error();
        let mut errors = Vec::new();
        while errors.len() <= ERRORS_MAX {
            let reply = link.ask(question, self.patience.answer).await?;
            if InstrumentModel::is_no_error(&reply) {
                return Ok(errors);
            }
            if !is_entry(&reply) {
                let reply = short(&reply);
                return Err(
                    self.wrong(&format!("answered {question} with {reply}, which is no error and no end"))
                );
            }
            errors.push(short(&reply));
        }
        let first = errors.first().cloned().unwrap_or_default();
        Err(self.wrong(&format!("has more than {ERRORS_MAX} errors, first {first}")))
    }

    fn wrong(&self, what: &str) -> InstrumentFault {
        InstrumentFault::Wrong(format!("{} {what}", self.address))
    }

    /// A reply that does not read may be another question's: the connection is not used again.
    fn read(&mut self, read: Result<Reply, MapError>) -> Result<Reply, InstrumentFault> {
        if read.is_err() {
            self.link = None;
        }
        Ok(read?)
    }
}

/// A source that speaks SCPI.
pub(crate) struct ScpiSource(pub(super) Scpi);

impl ScpiSource {
    /// The driver of a registered source.
    pub(crate) fn of(instrument: &Instrument) -> Result<Self, InstrumentFault> {
        Scpi::of(instrument, Patience::USUAL).map(Self)
    }

    /// Nothing is asked before the outputs are told to go off, and where the instrument has errors to tell, old ones among them,
    /// its state says whether they are.
    async fn switch_off(&mut self, lines: &Lines) -> Result<Reply, InstrumentFault> {
        let refused = match self.0.exchange(lines, OldErrors::Leave).await {
            Ok(_) => return Ok(Reply::Done),
            Err(InstrumentFault::Wrong(reason)) => reason,
            Err(lost) => return Err(lost),
        };
        let state = SourceCommand::OutputState;
        let question = self.0.model.source_lines(&state)?;
        let reply = self.0.exchange(&question, OldErrors::Forget).await?;
        match self.0.model.source_reply(&state, &reply) {
            Ok(Reply::State(false)) => {
                tracing::warn!(instrument.address = %self.0.address, refused, "its outputs are off all the same");
                Ok(Reply::Done)
            }
            _ => Err(InstrumentFault::Wrong(refused)),
        }
    }
}

impl VirtualLoadSource for ScpiSource {
    async fn perform(&mut self, command: &SourceCommand) -> Result<Reply, InstrumentFault> {
        let lines = self.0.model.source_lines(command)?;
        if *command == SourceCommand::OutputOff {
            return self.switch_off(&lines).await;
        }
        let reply = self.0.exchange(&lines, OldErrors::Forget).await?;
        let read = self.0.model.source_reply(command, &reply);
        self.0.read(read)
    }
}

/// A reference standard that speaks SCPI.
pub(crate) struct ScpiStandard(pub(super) Scpi);

impl ScpiStandard {
    /// The driver of a registered standard.
    pub(crate) fn of(instrument: &Instrument) -> Result<Self, InstrumentFault> {
        Scpi::of(instrument, Patience::USUAL).map(Self)
    }
}

impl ReferenceStandard for ScpiStandard {
    async fn perform(&mut self, command: &StandardCommand) -> Result<Reply, InstrumentFault> {
        let lines = self.0.model.standard_lines(command)?;
        let reply = self.0.exchange(&lines, OldErrors::Forget).await?;
        let read = self.0.model.standard_reply(command, &reply);
        self.0.read(read)
    }
}

impl From<MapError> for InstrumentFault {
    fn from(error: MapError) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// Whether a reply is an entry of an error queue: it begins with a number.
fn is_entry(reply: &str) -> bool {
    reply.split(',').next().is_some_and(|number| number.trim().parse::<i64>().is_ok())
}

/// Enough of a reply to show.
fn short(reply: &str) -> String {
    /// Characters: an error's text has some dozens.
    const CHARS_MAX: usize = 160;
    reply.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
