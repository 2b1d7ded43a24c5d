//! One charger's connection: frames in, one after the other; each answered after its commit.
//!
//! Started by [`crate::handshake`]. Reading the next frame only after the last was answered keeps a charger's messages in
//! order and holds back one that sends faster than the database writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_ws::{AggregatedMessage, CloseCode, CloseReason, MessageStream, ProtocolError, Session};
use futures_util::StreamExt;
use jiff::Timestamp;
use uuid::Uuid;
use veripile_ocpp::answer::{self, Refusal};
use veripile_ocpp::{Frame, FrameError, Heard, Meaning, Stands, Version, hear};
use veripile_pile::charge::{ChargeEvent, Stage};
use veripile_pile::{Mark, PileId, ReceiveTime};
use veripile_store::StoreError;
use veripile_store::intake::{self, Arrival, Boot, Effect, Outcome, Sealed, Status};

use crate::handshake::FRAME_BYTES_MAX;
use crate::{Gateway, signatures};

/// A charger that has been silent for so long is pinged.
const PING_EVERY: Duration = Duration::from_secs(60);

/// Pings without any sign of life after which the connection is given up.
const PINGS_UNANSWERED_MAX: u32 = 3;

/// Unreadable frames in a row after which the connection is closed: what speaks there is no charger.
const UNREADABLE_MAX: u32 = 10;

/// One connection.
pub(crate) struct Socket {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) session: Session,
    pub(crate) pile_no: i64,
    pub(crate) pile_id: PileId,
    pub(crate) version: Version,
    pub(crate) connection: Uuid,
}

/// Why a connection ends.
enum End {
    /// The charger closed it or vanished.
    Gone,
    /// We close it, for this reason.
    Close(CloseCode, &'static str),
}

impl Socket {
    /// Serves the connection to its end.
    pub(crate) async fn serve(mut self, stream: MessageStream) {
        tracing::info!(pile.id = %self.pile_id, protocol = self.version.subprotocol(), "connected");
        let end = self.exchange(stream).await;
        self.gateway.leave(self.pile_no, self.connection);
        if let Err(error) = self.gateway.store.disconnected(self.pile_no, self.connection, now()).await {
            tracing::warn!(pile.id = %self.pile_id, %error, "the end of a connection could not be noted");
        }
        match end {
            End::Gone => tracing::info!(pile.id = %self.pile_id, "disconnected"),
            End::Close(code, why) => {
                tracing::info!(pile.id = %self.pile_id, why, "closed");
                let _ =
                    self.session.close(Some(CloseReason { code, description: Some(why.to_owned()) })).await;
            }
        }
    }

    async fn exchange(&mut self, stream: MessageStream) -> End {
        let mut replaced = self.gateway.take_over(self.pile_no, self.connection);
        let mut stopping = self.gateway.stopping.clone();
        let mut stream = stream.aggregate_continuations().max_continuation_size(FRAME_BYTES_MAX);
        let mut silent_pings = 0;
        let mut unreadable = 0;
        loop {
            let message = tokio::select! {
                message = tokio::time::timeout(PING_EVERY, stream.next()) => message,
                _ = &mut replaced => return End::Close(CloseCode::Policy, "a newer connection took over"),
                _ = stopping.wait_for(|stop| *stop) => return End::Close(CloseCode::Away, "the server is stopping"),
            };
            let Ok(message) = message else {
                silent_pings += 1;
                if silent_pings > PINGS_UNANSWERED_MAX || self.session.ping(b"").await.is_err() {
                    return End::Close(CloseCode::Policy, "no sign of life");
                }
                continue;
            };
            silent_pings = 0;
            match message {
                Some(Ok(AggregatedMessage::Text(text))) => {
                    let (answer, readable) = self.receive(&text).await;
                    unreadable = if readable { 0 } else { unreadable + 1 };
                    if let Some(answer) = answer
                        && self.session.text(answer).await.is_err()
                    {
                        return End::Gone;
                    }
                    if unreadable == UNREADABLE_MAX {
                        return End::Close(CloseCode::Policy, "these are no OCPP frames");
                    }
                }
                Some(Ok(AggregatedMessage::Ping(bytes))) => {
                    if self.session.pong(&bytes).await.is_err() {
                        return End::Gone;
                    }
                }
                Some(Ok(AggregatedMessage::Pong(_))) => {}
                Some(Ok(AggregatedMessage::Binary(_))) => {
                    return End::Close(CloseCode::Unsupported, "OCPP-J frames are text");
                }
                Some(Err(ProtocolError::Overflow)) => {
                    return End::Close(CloseCode::Size, "the frame is too large");
                }
                Some(Err(error)) => {
                    tracing::debug!(pile.id = %self.pile_id, %error, "connection lost");
                    return End::Gone;
                }
                Some(Ok(AggregatedMessage::Close(_))) | None => return End::Gone,
            }
        }
    }

    /// Handles one text frame; the answer, if one is due, and whether the frame was OCPP.
    async fn receive(&self, text: &str) -> (Option<String>, bool) {
        let (started, received) = (Instant::now(), ReceiveTime(now()));
        let answer = match Frame::open(text) {
            Ok(Frame::Call { id, action, payload, answered }) => {
                let answer = self.call(text, &id, &action, payload.get(), received).await;
                (answered.then_some(answer), true)
            }
            // Answers to calls of ours: kept; nobody here waits for one yet.
            Ok(Frame::Result { id, .. } | Frame::Error { id, .. }) => {
                let kept = self.commit(self.arrival(text, Some(id), None, received, Heard::empty())).await;
                self.count("answer", if kept.is_ok() { "answered" } else { "refused" });
                (None, true)
            }
            Err(error) => (Some(self.unreadable(text, &error, received).await), false),
        };
        self.gateway.metrics.answer_seconds.observe(started.elapsed().as_secs_f64());
        answer
    }

    async fn unreadable(&self, text: &str, error: &FrameError, received: ReceiveTime) -> String {
        tracing::warn!(pile.id = %self.pile_id, reason = %error, "a frame is no OCPP");
        let mut heard = Heard::empty();
        heard.marks.push(Mark::BadShape);
        self.count("other", "unreadable");
        let id = error.id.as_deref();
        match self.commit(self.arrival(text, error.id.clone(), None, received, heard)).await {
            Ok(_) => answer::error(self.version, id, Refusal::Format, &error.reason),
            Err(error) => answer::error(self.version, id, Refusal::Internal, &error.to_string()),
        }
    }

    async fn call(&self, text: &str, id: &str, action: &str, payload: &str, received: ReceiveTime) -> String {
        let mut heard = hear(self.version, action, id, payload, received, &self.gateway.key);
        let recalled = match self.recall(&mut heard).await {
            Ok(recalled) => self.judge(&mut heard).await.map(|signed| (recalled, signed)),
            Err(error) => Err(error),
        };
        let ((begins_on, stands), signed) = match recalled {
            Ok(recalled) => recalled,
            Err(error) => {
                return answer::error(self.version, Some(id), Refusal::Internal, &error.to_string());
            }
        };
        let refusal = match heard.meaning {
            Meaning::Unknown => Some(Refusal::NotImplemented),
            Meaning::NotForUs => Some(Refusal::NotSupported),
            _ => None,
        };
        let label = if refusal == Some(Refusal::NotImplemented) { "other" } else { action };
        let mut arrival = self.arrival(text, Some(id.to_owned()), Some((action, payload)), received, heard);
        arrival.signed = signed;
        match (self.commit(arrival).await, refusal) {
            (Ok(_), Some(refusal)) => {
                self.count(label, "refused");
                answer::error(self.version, Some(id), refusal, &format!("{action} is not served here"))
            }
            (Ok(outcome), None) => {
                self.count(label, if outcome.duplicate { "repeated" } else { "answered" });
                self.gateway.memory.of(self.pile_no, |memory| {
                    memory.registers.remember(stands);
                    if let (Some(transaction), Some(connector)) = (&outcome.transaction, begins_on) {
                        memory.note(transaction, connector);
                    }
                });
                answer::result(self.version, action, id, outcome.transaction.as_deref(), now())
            }
            (Err(error), _) => {
                self.count(label, "refused");
                answer::error(self.version, Some(id), Refusal::Internal, &error.to_string())
            }
        }
    }

    /// Fills in what earlier messages told; gives the connector on which a charge begins, and where registers stand.
    async fn recall(&self, heard: &mut Heard) -> Result<(Option<u32>, Stands), StoreError> {
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
        let stands =
            self.gateway.memory.of(self.pile_no, |memory| memory.registers.follow(&mut heard.readings));
        let begins_on = match &heard.meaning {
            Meaning::Charge(ChargeEvent { stage: Stage::Begin, connector, .. }) => *connector,
            _ => None,
        };
        Ok((begins_on, stands))
    }

    /// Judges the signed values in a message.
    async fn judge(&self, heard: &mut Heard) -> Result<Vec<Sealed>, StoreError> {
        if !signatures::are_in(heard) {
            return Ok(Vec::new());
        }
        let known = self.gateway.store.meter_keys(self.pile_no).await?;
        Ok(signatures::judge(heard, &known, &self.gateway.key))
    }

    async fn commit(&self, arrival: Arrival) -> Result<Outcome, intake::IntakeError> {
        let marks = arrival.readings.iter().flat_map(|reading| &reading.marks).chain(&arrival.frame.marks);
        for mark in marks {
            self.gateway.metrics.marks.with_label_values(&[mark.code()]).inc();
        }
        self.gateway.intake.commit(arrival).await
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
        let at = heard.time.map_or(received.0, |time| time.0);
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
            effect: effect(heard.meaning, at),
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

fn effect(meaning: Meaning, at: Timestamp) -> Effect {
    match meaning {
        Meaning::Boot(boot) => Effect::Boot(Boot {
            vendor: boot.vendor,
            model: boot.model,
            firmware: boot.firmware,
            meter_type: boot.meter_type,
            meter_serial: boot.meter_serial,
        }),
        Meaning::Status { connector, word } => Effect::Status(Status { connector, word, at }),
        Meaning::Charge(event) => Effect::Charge(event),
        Meaning::Samples | Meaning::Other | Meaning::NotForUs | Meaning::Unknown => Effect::None,
    }
}

/// Our clock, in the microseconds that the database keeps.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}
