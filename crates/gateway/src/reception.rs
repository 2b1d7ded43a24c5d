//! What becomes of a frame: understood, judged, committed; and our answer to it.
//!
//! Called by [`crate::socket`] with each frame of a charger. An answer is given out only after the commit. Never sends.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use uuid::Uuid;
use veripile_ocpp::answer::{self, Refusal};
use veripile_ocpp::boot;
use veripile_ocpp::conformance::Breach;
use veripile_ocpp::{Frame, FrameError, Heard, Meaning, PlugStatus, Stands, Version, hear};
use veripile_pile::charge::{ChargeEvent, Stage};
use veripile_pile::{Mark, PileId, ReceiveTime};
use veripile_store::StoreError;
use veripile_store::intake::{self, Arrival, Boot, Effect, Outcome, Sealed, Status};

use crate::findings::Found;
use crate::memory::Contribution;
use crate::{Gateway, readiness, signatures, signing};

/// Where the frames of one connection are received.
pub(crate) struct Reception {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) pile_no: i64,
    pub(crate) pile_id: PileId,
    pub(crate) version: Version,
    pub(crate) connection: Uuid,
    /// When it began, by our clock.
    pub(crate) since: Timestamp,
    /// Whether the charger waits in the inbox.
    pub(crate) inbox: bool,
    /// What its connection says for a request to sign a certificate.
    pub(crate) ground: signing::Ground,
}

/// What a frame was.
pub(crate) enum Received {
    /// A call of the charger. `answer` is ours; none where none is due (SEND). `transaction` is the id of its charge, with us.
    Call { id: String, action: String, answer: Option<String>, transaction: Option<String> },
    /// The charger's answer to a call that it was sent.
    Answer { id: String, content: Result<String, (String, String)> },
    /// No OCPP.
    Unreadable { answer: String },
}

impl Reception {
    /// Handles one text frame.
    pub(crate) async fn receive(&self, text: &str) -> Received {
        let (started, received) = (Instant::now(), ReceiveTime(now()));
        let what = match Frame::open(text) {
            Ok(Frame::Call { id, action, payload, answered }) => {
                let breach = (!answered && self.version != Version::V21).then_some(Breach::SendNotInVersion);
                let (answer, transaction) =
                    self.call(text, &id, &action, payload.get(), received, breach).await;
                Received::Call { id, action, answer: answered.then_some(answer), transaction }
            }
            Ok(Frame::Result { id, payload }) => {
                let content = Ok(payload.get().to_owned());
                self.keep_answer(text, &id, received, None).await;
                Received::Answer { id, content }
            }
            Ok(Frame::Error { id, code, description, of_answer }) => {
                self.keep_answer(text, &id, received, of_answer.then_some(Breach::AnswerRefused)).await;
                if of_answer {
                    tracing::warn!(pile.id = %self.pile_id, id, code, description, "the charger refused our answer");
                }
                Received::Answer { id, content: Err((code, description)) }
            }
            Err(error) => Received::Unreadable { answer: self.unreadable(text, &error, received).await },
        };
        self.gateway.metrics.answer_seconds.observe(started.elapsed().as_secs_f64());
        what
    }

    /// Keeps an answer of the charger's.
    async fn keep_answer(&self, text: &str, id: &str, received: ReceiveTime, breach: Option<Breach>) {
        let arrival = self.arrival(text, Some(id.to_owned()), None, received, Heard::empty());
        let kept = self.commit(arrival, breach).await;
        self.count("answer", if kept.is_ok() { "answered" } else { "refused" });
    }

    async fn unreadable(&self, text: &str, error: &FrameError, received: ReceiveTime) -> String {
        tracing::warn!(pile.id = %self.pile_id, reason = %error, "a frame is no OCPP");
        let mut heard = Heard::empty();
        heard.marks.push(Mark::BadShape);
        self.count("other", "unreadable");
        let id = error.id.as_deref();
        let arrival = self.arrival(text, error.id.clone(), None, received, heard);
        match self.commit(arrival, Some(Breach::UnreadableFrame)).await {
            Ok(_) => answer::error(self.version, id, Refusal::Format, &error.reason),
            Err(error) => answer::error(self.version, id, Refusal::Internal, &error.to_string()),
        }
    }

    /// Understands and stores a call; our answer, and the transaction id of its charge.
    async fn call(
        &self,
        text: &str,
        id: &str,
        action: &str,
        payload: &str,
        received: ReceiveTime,
        breach: Option<Breach>,
    ) -> (String, Option<String>) {
        let mut heard = hear(self.version, action, id, payload, received, &self.gateway.key);
        self.gateway.memory.of(self.pile_no, |memory| memory.seen.note(self.version, &heard, received));
        let recalled = match self.recall(&mut heard, received).await {
            Ok(recalled) => self.judge(&mut heard).await.map(|signed| (recalled, signed)),
            Err(error) => Err(error),
        };
        let ((begins_on, mut stands, added), signed) = match recalled {
            Ok(recalled) => recalled,
            Err(error) => {
                return (answer::error(self.version, Some(id), Refusal::Internal, &error.to_string()), None);
            }
        };
        let boots = matches!(heard.meaning, Meaning::Boot(_));
        let refusal = match heard.meaning {
            Meaning::Unknown => Some(Refusal::NotImplemented),
            Meaning::NotForUs => Some(Refusal::NotSupported),
            _ => None,
        };
        let label = if refusal == Some(Refusal::NotImplemented) { "other" } else { action };
        let mut arrival = self.arrival(text, Some(id.to_owned()), Some((action, payload)), received, heard);
        arrival.signed = signed;
        arrival.restarts = std::mem::take(&mut stands.restarts);
        let awaited = self.gateway.watched.pick(self.pile_no, &arrival.readings);
        let breach = match refusal {
            Some(Refusal::NotImplemented) => Some(Breach::UnknownAction),
            Some(_) => Some(Breach::WrongWayRound),
            None => breach,
        };
        let outcome = match self.commit(arrival, breach).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.count(label, "refused");
                return (answer::error(self.version, Some(id), Refusal::Internal, &error.to_string()), None);
            }
        };
        if let Some(refusal) = refusal {
            self.count(label, "refused");
            let why = format!("{action} is not served here");
            return (answer::error(self.version, Some(id), refusal, &why), None);
        }
        self.count(label, if outcome.duplicate { "repeated" } else { "answered" });
        self.gateway.memory.of(self.pile_no, |memory| {
            memory.registers.remember(stands);
            if let (Some(transaction), Some(connector)) = (&outcome.transaction, begins_on) {
                memory.note(transaction, connector);
            }
            if !outcome.duplicate {
                memory.remember(&added, outcome.transaction.as_deref());
            }
        });
        if !outcome.duplicate {
            self.gateway.watched.hand_on(self.pile_no, awaited);
        }
        let answer = if boots {
            boot::answer(id, readiness::at_boot(self).await, now())
        } else if signing::is_asked(action) {
            signing::answer(self, id, payload).await
        } else {
            answer::reply(self.version, action, id, payload, outcome.transaction.as_deref(), now())
        };
        (answer, outcome.transaction)
    }

    /// A relay's upstream has issued its own transaction id for a start: the charger will use that one.
    pub(crate) async fn adopt(&self, ours: &str, theirs: &str) {
        self.gateway.memory.of(self.pile_no, |memory| memory.rename(ours, theirs));
        if let Err(error) = self.gateway.store.adopt_transaction(self.pile_no, ours, theirs).await {
            tracing::error!(pile.id = %self.pile_id, %error, ours, theirs, "the upstream's transaction id was not noted");
        }
    }

    /// Fills in what earlier messages told; gives the connector on which a charge begins, where registers stand, and what the
    /// message adds to the course of a charge.
    async fn recall(
        &self,
        heard: &mut Heard,
        received: ReceiveTime,
    ) -> Result<(Option<u32>, Stands, Contribution), StoreError> {
        if let Some(transaction) = heard.connector_of.clone() {
            let remembered = self.gateway.memory.of(self.pile_no, |memory| memory.connector(&transaction));
            let connector = match remembered {
                Some(connector) => Some(connector),
                None => self.gateway.store.connector_of(self.pile_no, &transaction).await?,
            };
            if let Some(connector) = connector {
                self.gateway.memory.of(self.pile_no, |memory| memory.note(&transaction, connector));
                heard.put_on(connector);
            }
        }
        if heard.is_metering() {
            self.know_open_charges().await?;
        }
        let (stands, added) = self.gateway.memory.of(self.pile_no, |memory| {
            if let Meaning::Status(told) = &mut heard.meaning {
                for status in told {
                    status.word = memory.status_of(status.connector, status.plug, &status.word);
                }
            }
            memory.place(heard, received);
            let added = Contribution::of(heard);
            memory.complete(heard, &added);
            (memory.registers.follow(&mut heard.readings), added)
        });
        let begins_on = match &heard.meaning {
            Meaning::Charge(ChargeEvent { stage: Stage::Begin, connector, .. }) => *connector,
            _ => None,
        };
        Ok((begins_on, stands, added))
    }

    /// Learns, once for a pile, which of its charges were open before this process began.
    async fn know_open_charges(&self) -> Result<(), StoreError> {
        if self.gateway.memory.of(self.pile_no, |memory| memory.knows_open) {
            return Ok(());
        }
        let open = self.gateway.store.open_charges(self.pile_no).await?;
        self.gateway.memory.of(self.pile_no, |memory| {
            for charge in open {
                memory.note(&charge.reference, charge.connector);
                memory.open(charge.connector, &charge.reference, charge.started_at, charge.register_start_wh);
            }
            memory.knows_open = true;
        });
        Ok(())
    }

    /// Judges the signed values in a message.
    async fn judge(&self, heard: &mut Heard) -> Result<Vec<Sealed>, StoreError> {
        if !signatures::are_in(heard) {
            return Ok(Vec::new());
        }
        let known = self.gateway.store.meter_keys(self.pile_no).await?;
        Ok(signatures::judge(heard, &known, &self.gateway.key))
    }

    async fn commit(&self, arrival: Arrival, breach: Option<Breach>) -> Result<Outcome, intake::IntakeError> {
        let marks = arrival.readings.iter().flat_map(|reading| &reading.marks).chain(&arrival.frame.marks);
        for mark in marks {
            self.gateway.metrics.marks.with_label_values(&[mark.code()]).inc();
        }
        let found = Found::in_message(self.version, &arrival, breach);
        let outcome = self.gateway.intake.commit(arrival).await?;
        if !outcome.duplicate {
            self.gateway.findings.count(self.pile_no, &found);
        }
        Ok(outcome)
    }

    fn count(&self, action: &str, outcome: &str) {
        let labels = [self.version.subprotocol(), action, outcome];
        self.gateway.metrics.frames.with_label_values(&labels).inc();
    }

    fn arrival(
        &self,
        text: &str,
        message_id: Option<String>,
        call: Option<(&str, &str)>,
        received: ReceiveTime,
        heard: Heard,
    ) -> Arrival {
        let key = &self.gateway.key;
        let (time, digest) = match call {
            Some((action, payload)) => {
                self.identify(&heard, action, payload, message_id.as_deref(), received)
            }
            None => (received.0, key.digest(&[text.as_bytes(), &received.0.as_microsecond().to_be_bytes()])),
        };
        // A clock that is ahead must not make later words look older.
        let at = heard.time.map_or(received.0, |time| time.0.min(received.0));
        Arrival {
            pile_no: self.pile_no,
            connection: self.connection,
            protocol: self.version.subprotocol(),
            received,
            frame: intake::Frame {
                time,
                digest: Uuid::from_bytes(digest),
                message_id,
                action: call.map(|(action, _)| action.to_owned()),
                body: key.without_identities(text),
                mac: key.mac(&[text.as_bytes()]),
                marks: heard.marks,
            },
            readings: heard.readings,
            signed: Vec::new(),
            restarts: Vec::new(),
            unproven: self.inbox,
            effect: effect(heard.meaning, at, at < self.since),
        }
    }

    /// By what a repeat of this call is recognised.
    ///
    /// A call with a device time: by that time and its content, whatever its message id. A metering call without: by content
    /// and message id, at a fixed moment. Anything else (a heartbeat) is never a repeat.
    fn identify(
        &self,
        heard: &Heard,
        action: &str,
        payload: &str,
        message_id: Option<&str>,
        received: ReceiveTime,
    ) -> (Timestamp, [u8; 16]) {
        let key = &self.gateway.key;
        let (action, payload) = (action.as_bytes(), payload.as_bytes());
        match heard.time {
            Some(time) => (time.0, key.digest(&[action, payload])),
            None if heard.is_metering() => {
                let id = message_id.unwrap_or_default();
                (Timestamp::UNIX_EPOCH, key.digest(&[action, payload, id.as_bytes()]))
            }
            None => (received.0, key.digest(&[action, payload, &received.0.as_microsecond().to_be_bytes()])),
        }
    }
}

fn effect(meaning: Meaning, at: Timestamp, late: bool) -> Effect {
    match meaning {
        Meaning::Boot(boot) => Effect::Boot(Boot {
            vendor: boot.vendor,
            model: boot.model,
            firmware: boot.firmware,
            meter_type: boot.meter_type,
            meter_serial: boot.meter_serial,
        }),
        Meaning::Meter(meter) => Effect::Meter { meter_type: meter.model, meter_serial: meter.serial },
        Meaning::Status(told) => Effect::Status(
            told.into_iter()
                .map(|PlugStatus { connector, word, .. }| Status { connector, word, at, late })
                .collect(),
        ),
        Meaning::Charge(event) => Effect::Charge(event),
        Meaning::Samples | Meaning::Other | Meaning::NotForUs | Meaning::Unknown => Effect::None,
    }
}

/// Our clock, in the microseconds that the database keeps.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
