//! One charger's connection: frames in, one after the other; each answered after its commit; our own calls in between.
//!
//! Started by [`crate::handshake`]. Reading the next frame only after the last was answered keeps a charger's messages in
//! order and holds back one that sends faster than the database writes.

use std::time::Duration;

use actix_ws::{AggregatedMessage, CloseCode, CloseReason, MessageStream, ProtocolError, Session};
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::time::Instant;
use veripile_store::intake::{Sent, SentKind};

use crate::desk::{Desk, Order, Reply};
use crate::handshake::FRAME_BYTES_MAX;
use crate::reception::{Received, Reception, now};
use crate::relay::{FromUpstream, Relay};

/// A charger that has been silent for so long is pinged.
const PING_EVERY: Duration = Duration::from_secs(60);

/// Pings without any sign of life after which the connection is given up.
const PINGS_UNANSWERED_MAX: u32 = 3;

/// That a charger answers pings is noted at most this often: well before what it said of itself counts as too old, whatever else it says,
/// and seldom enough for as many as are connected.
const ALIVE_EVERY: Duration = Duration::from_secs(4 * 60);

/// Unreadable frames in a row after which the connection is closed: what speaks there is no charger.
const UNREADABLE_MAX: u32 = 10;

/// One connection.
pub(crate) struct Socket {
    pub(crate) reception: Reception,
    pub(crate) session: Session,
    /// The operator's own central system behind us, if there is one.
    pub(crate) relay: Option<Relay>,
}

/// Why a connection ends.
enum End {
    /// The charger closed it or vanished.
    Gone,
    /// We close it, for this reason.
    Close(CloseCode, &'static str),
}

/// What the loop turns to next.
enum Turn {
    Frame(Option<Result<AggregatedMessage, ProtocolError>>),
    Silence,
    Order(Order),
    Upstream(FromUpstream),
    Nothing,
}

impl Socket {
    /// Serves the connection to its end.
    pub(crate) async fn serve(mut self, stream: MessageStream) {
        let (gateway, pile_no) = (std::sync::Arc::clone(&self.reception.gateway), self.reception.pile_no);
        let (pile_id, connection) = (self.reception.pile_id.clone(), self.reception.connection);
        tracing::info!(pile.id = %pile_id, protocol = self.reception.version.subprotocol(), "connected");
        let mut heard = self.reception.since;
        let end = self.exchange(stream, &mut heard).await;
        gateway.leave(pile_no, connection);
        if let Err(error) = gateway.store.disconnected(pile_no, connection, heard, now()).await {
            tracing::warn!(pile.id = %pile_id, %error, "the end of a connection could not be noted");
        }
        match end {
            End::Gone => tracing::info!(pile.id = %pile_id, "disconnected"),
            End::Close(code, why) => {
                tracing::info!(pile.id = %pile_id, why, "closed");
                let _ =
                    self.session.close(Some(CloseReason { code, description: Some(why.to_owned()) })).await;
            }
        }
    }

    /// Notes in `heard` when the charger gave its last sign of life: a vanished one is noticed minutes later.
    async fn exchange(&mut self, stream: MessageStream, heard: &mut Timestamp) -> End {
        let gateway = std::sync::Arc::clone(&self.reception.gateway);
        let (mut replaced, orders) = gateway.take_over(&self.reception);
        let mut desk = Desk::new(orders);
        let mut stopping = gateway.stopping.clone();
        let mut stream = stream.aggregate_continuations().max_continuation_size(FRAME_BYTES_MAX);
        let (mut silent_pings, mut unreadable) = (0, 0);
        let mut silent_from = Instant::now();
        let mut noted: Option<Instant> = None;
        loop {
            let may_ask = !self.relay.as_ref().is_some_and(Relay::is_asking);
            let turn = tokio::select! {
                message = stream.next() => Turn::Frame(message),
                () = tokio::time::sleep_until(silent_from + PING_EVERY) => Turn::Silence,
                order = desk.next(), if may_ask => order.map_or(Turn::Nothing, Turn::Order),
                text = upstream(self.relay.as_mut()) => Turn::Upstream(text),
                _ = &mut replaced => return End::Close(CloseCode::Policy, "a newer connection took over"),
                _ = stopping.wait_for(|stop| *stop) => return End::Close(CloseCode::Away, "the server is stopping"),
            };
            let done = match turn {
                Turn::Frame(message) => {
                    if let Some(Ok(message)) = &message {
                        *heard = now();
                        // What it says is noted where it is kept.
                        if is_pulse(message) && is_due(noted, Instant::now()) {
                            noted = Some(Instant::now());
                            gateway.intake.alive(self.reception.pile_no, *heard);
                        }
                    }
                    silent_pings = 0;
                    silent_from = Instant::now();
                    self.hear(message, &mut desk, &mut unreadable).await
                }
                Turn::Silence => {
                    silent_pings += 1;
                    silent_from = Instant::now();
                    if silent_pings > PINGS_UNANSWERED_MAX || self.session.ping(b"").await.is_err() {
                        return End::Close(CloseCode::Policy, "no sign of life");
                    }
                    Ok(())
                }
                Turn::Order(order) => self.ask(&mut desk, order).await,
                Turn::Upstream(text) => self.pass_down(text).await,
                Turn::Nothing => Ok(()),
            };
            if let Err(end) = done {
                return end;
            }
            if let Err(end) = self.pass_held_calls(&desk).await {
                return end;
            }
        }
    }

    /// Takes what came from the charger.
    async fn hear(
        &mut self,
        message: Option<Result<AggregatedMessage, ProtocolError>>,
        desk: &mut Desk,
        unreadable: &mut u32,
    ) -> Result<(), End> {
        match message {
            Some(Ok(AggregatedMessage::Text(text))) => {
                let received = self.reception.receive(&text).await;
                *unreadable =
                    if matches!(received, Received::Unreadable { .. }) { *unreadable + 1 } else { 0 };
                self.turn_to(&text, received, desk).await?;
                if *unreadable == UNREADABLE_MAX {
                    return Err(End::Close(CloseCode::Policy, "these are no OCPP frames"));
                }
                Ok(())
            }
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                self.session.pong(&bytes).await.map_err(|_| End::Gone)
            }
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Binary(_))) => {
                Err(End::Close(CloseCode::Unsupported, "OCPP-J frames are text"))
            }
            Some(Err(ProtocolError::Overflow)) => Err(End::Close(CloseCode::Size, "the frame is too large")),
            Some(Err(error)) => {
                tracing::debug!(pile.id = %self.reception.pile_id, %error, "connection lost");
                Err(End::Gone)
            }
            Some(Ok(AggregatedMessage::Close(_))) | None => Err(End::Gone),
        }
    }

    /// Answers a frame, passes it on, or gives it to who waits for it.
    async fn turn_to(&mut self, text: &str, received: Received, desk: &mut Desk) -> Result<(), End> {
        match received {
            Received::Answer { id, content } if desk.is_ours(&id) => {
                if !desk.answered(self.reception.version, &id, &content) {
                    tracing::info!(pile.id = %self.reception.pile_id, id, "an answer came too late, or twice");
                }
                Ok(())
            }
            Received::Answer { id, content } => {
                if let Some(relay) = &mut self.relay {
                    relay.pass_answer_up(&id, text, content.ok().as_deref()).await;
                }
                Ok(())
            }
            Received::Call { id, action, answer, transaction } => {
                let passed =
                    self.relay.as_mut().map(|relay| relay.pass_call_up(&id, &action, text, transaction));
                match (passed, answer) {
                    (None | Some(true), Some(answer)) => self.tell(SentKind::Answer, Some(id), answer).await,
                    _ => Ok(()),
                }
            }
            // What is no OCPP is answered by us: an upstream could not tell whose it is.
            Received::Unreadable { answer } => self.tell(SentKind::Answer, None, answer).await,
        }
    }

    /// Sends a call of ours.
    async fn ask(&mut self, desk: &mut Desk, order: Order) -> Result<(), End> {
        let id = Desk::id();
        match order.call.frame(self.reception.version, &id) {
            Ok(text) => {
                let noted = order.call.blotted().frame(self.reception.version, &id).unwrap_or_default();
                desk.sent(id.clone(), order);
                self.note(SentKind::Call, Some(id), &noted);
                self.session.text(text).await.map_err(|_| End::Gone)
            }
            Err(error) => {
                let _ = order.reply.send(Reply::Unspeakable(error));
                Ok(())
            }
        }
    }

    /// Takes what came from the upstream.
    async fn pass_down(&mut self, from: FromUpstream) -> Result<(), End> {
        let Some(relay) = &mut self.relay else { return Ok(()) };
        match relay.sort(from, &self.reception).await {
            Some((kind, id, text)) => self.tell(kind, Some(id), text).await,
            None => Ok(()),
        }
    }

    /// Passes the upstream's next call on, if the charger is free to take one.
    async fn pass_held_calls(&mut self, desk: &Desk) -> Result<(), End> {
        let Some(relay) = self.relay.as_mut().filter(|_| !desk.is_open()) else { return Ok(()) };
        match relay.next_call().await {
            Some((id, text)) => self.tell(SentKind::UpstreamCall, Some(id), text).await,
            None => Ok(()),
        }
    }

    /// Sends a text to the charger and notes it.
    async fn tell(&mut self, kind: SentKind, message_id: Option<String>, text: String) -> Result<(), End> {
        self.note(kind, message_id, &text);
        self.session.text(text).await.map_err(|_| End::Gone)
    }

    /// Notes a text for the message log.
    fn note(&self, kind: SentKind, message_id: Option<String>, text: &str) {
        let Reception { gateway, pile_no, connection, .. } = &self.reception;
        // Our own answers name nobody.
        let body =
            if kind == SentKind::Answer { text.to_owned() } else { gateway.key.without_identities(text) };
        gateway.intake.note(Sent {
            pile_no: *pile_no,
            connection: *connection,
            at: now(),
            kind,
            message_id,
            body,
        });
    }
}

/// Whether a message says that the charger is there, and nothing else.
fn is_pulse(message: &AggregatedMessage) -> bool {
    matches!(message, AggregatedMessage::Ping(_) | AggregatedMessage::Pong(_))
}

/// Whether a sign of life is to be noted, after the last that was.
fn is_due(noted: Option<Instant>, now: Instant) -> bool {
    noted.is_none_or(|noted| ALIVE_EVERY <= now.duration_since(noted))
}

/// The upstream's next word; never, where there is no upstream.
async fn upstream(relay: Option<&mut Relay>) -> FromUpstream {
    match relay {
        Some(relay) => relay.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;
    use veripile_pile::standing::STATUS_FRESH;

    use super::*;

    /// Also where as many pings stay unanswered as may.
    #[test]
    fn who_answers_pings_is_noted_seldom_and_before_its_status_is_too_old() {
        let longest = ALIVE_EVERY + PING_EVERY * (PINGS_UNANSWERED_MAX + 1);
        assert!(i64::try_from(longest.as_secs()).expect("minutes") < STATUS_FRESH.as_secs());
        let begin = Instant::now();
        let mut noted = None;
        // An hour of pongs, one a minute.
        let due = (0..60).filter(|minute| {
            let now = begin + PING_EVERY * *minute;
            let is_due = is_due(noted, now);
            noted = if is_due { Some(now) } else { noted };
            is_due
        });
        assert_eq!(due.count(), 15);
    }

    #[test]
    fn what_a_charger_says_is_noted_elsewhere() {
        assert!(is_pulse(&AggregatedMessage::Pong(Bytes::new())));
        assert!(is_pulse(&AggregatedMessage::Ping(Bytes::new())));
        assert!(!is_pulse(&AggregatedMessage::Text("[3,\"1\",{}]".into())));
    }
}
