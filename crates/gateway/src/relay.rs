//! The relay: a charger's frames pass to the operator's own central system and back, byte for byte, and are recorded here.
//!
//! One for each connection whose pile names an upstream. [`crate::socket`] hands it what the charger said and sends what it
//! gives; a task of its own keeps the connection to the upstream. While the upstream is down, the charger's calls wait in
//! their [`Backlog`]; the charger is answered by us only for the actions that the configuration names, and the upstream's
//! late answers to those are kept to ourselves. Never alters a text.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use uuid::Uuid;
use veripile_ocpp::{Frame, credential, secret};
use veripile_pile::PileId;
use veripile_store::intake::SentKind;

use crate::Gateway;
use crate::backlog::{Backlog, Waiting};
use crate::handshake::FRAME_BYTES_MAX;
use crate::reception::{Reception, now};

/// Answers of the charger, or texts of the upstream, waiting to be passed on.
const TEXTS_MAX: usize = 100;

/// Starts remembered whose transaction id the upstream has yet to issue.
const STARTS_MAX: usize = 2_000;

/// First and longest pause between attempts to reach the upstream.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long a charger may take over the upstream's call before the next one is passed on.
const CALL_WITHIN: Duration = Duration::from_secs(60);

/// How long the upstream may take over a call that we answered before the next one is sent.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long an attempt to reach the upstream, or to send it something, may take.
const WITHIN: Duration = Duration::from_secs(20);

/// An upstream that has been silent for so long is pinged.
const PING_EVERY: Duration = Duration::from_secs(15);

/// Pings without any sign of life after which the upstream is given up.
const PINGS_UNANSWERED_MAX: u32 = 2;

/// Where a relay leads.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// The upstream's address, identity included.
    pub(crate) url: String,
    /// Sub-protocol agreed on with the charger.
    pub(crate) subprotocol: &'static str,
    /// The charger's own credentials, passed on untouched.
    pub(crate) authorization: Option<Vec<u8>>,
}

/// What the upstream says.
#[derive(Debug)]
pub(crate) enum FromUpstream {
    /// A text for the charger.
    Text(String),
    /// It is connected, or why it is not.
    State(Result<(), String>),
}

/// The relay of one connection.
pub(crate) struct Relay {
    gateway: Arc<Gateway>,
    pile_no: i64,
    pile_id: PileId,
    connection: Uuid,
    calls: Arc<Backlog>,
    answers: mpsc::Sender<String>,
    down: mpsc::Receiver<FromUpstream>,
    is_up: Arc<AtomicBool>,
    /// Starts of 1.6 on their way: message id, and our own transaction id.
    starts: HashMap<String, String>,
    /// Calls of the upstream that wait for the charger to be free.
    held: VecDeque<(String, String)>,
    /// The upstream's call that the charger is at.
    asking: Option<Asking>,
}

/// A call of the upstream that the charger is at.
struct Asking {
    id: String,
    /// Until when we wait for its answer.
    until: Instant,
    /// Hash of the key that the call gives to the charger.
    key_hash: Option<String>,
}

impl Relay {
    /// Opens the relay of a connection. Its connection to the upstream lives as long as it does.
    pub(crate) fn open(
        gateway: Arc<Gateway>,
        (pile_no, pile_id): (i64, PileId),
        connection: Uuid,
        route: Route,
    ) -> Self {
        let calls = gateway.backlogs.begin(pile_no, connection);
        let (answers, answers_waiting) = mpsc::channel(TEXTS_MAX);
        let (texts, down) = mpsc::channel(TEXTS_MAX);
        let is_up = Arc::new(AtomicBool::new(false));
        let line = Line {
            route,
            connection,
            calls: Arc::clone(&calls),
            answers: answers_waiting,
            texts,
            is_up: Arc::clone(&is_up),
        };
        tokio::spawn(line.run());
        let (starts, held) = Default::default();
        Self {
            gateway,
            pile_no,
            pile_id,
            connection,
            calls,
            answers,
            down,
            is_up,
            starts,
            held,
            asking: None,
        }
    }

    /// Passes a call of the charger on; whether we answer it ourselves.
    pub(crate) fn pass_call_up(
        &mut self,
        id: &str,
        action: &str,
        text: &str,
        transaction: Option<String>,
    ) -> bool {
        // While it catches up, a call would wait too long for its answer.
        let is_away = !self.is_up.load(Ordering::Acquire) || self.calls.owes();
        let owed = is_away && self.gateway.settings.answered_while_down.iter().any(|ours| ours == action);
        if !self.calls.push(Waiting { id: id.to_owned(), text: text.to_owned(), owed }) {
            tracing::warn!(pile.id = %self.pile_id, id, action, "too much waits for the upstream: the charger must send this again");
            return false;
        }
        if let Some(transaction) = transaction.filter(|_| action == "StartTransaction") {
            if self.starts.len() >= STARTS_MAX {
                self.starts.clear();
            }
            self.starts.insert(id.to_owned(), transaction);
        }
        owed
    }

    /// Passes an answer of the charger on. `payload` is none for a CALLERROR.
    pub(crate) async fn pass_answer_up(&mut self, id: &str, text: &str, payload: Option<&str>) {
        if let Some(asking) = self.asking.take_if(|asking| asking.id == id)
            && let Some(key_hash) = asking.key_hash.filter(|_| !payload.is_some_and(secret::is_taken))
            && let Err(error) = self.gateway.store.key_refused(self.pile_no, &key_hash).await
        {
            tracing::warn!(pile.id = %self.pile_id, %error, "a key that the charger refused could not be struck out");
        }
        if self.answers.try_send(text.to_owned()).is_err() {
            tracing::warn!(pile.id = %self.pile_id, id, "too much waits for the upstream: an answer of the charger is lost to it");
        }
    }

    /// Whether the charger is at a call of the upstream.
    pub(crate) fn is_asking(&self) -> bool {
        self.asking.as_ref().is_some_and(|asking| Instant::now() < asking.until)
    }

    /// The upstream's next word.
    pub(crate) async fn next(&mut self) -> FromUpstream {
        match self.down.recv().await {
            Some(text) => text,
            None => std::future::pending().await,
        }
    }

    /// Sorts a text of the upstream: an answer to pass on; a call is held until the charger is free.
    pub(crate) async fn sort(
        &mut self,
        from: FromUpstream,
        reception: &Reception,
    ) -> Option<(SentKind, String, String)> {
        let text = match from {
            FromUpstream::Text(text) => text,
            FromUpstream::State(state) => {
                if state.is_err() {
                    // Who called is gone; it would not know the answers.
                    self.held.clear();
                }
                note_state(reception, state).await;
                return None;
            }
        };
        let (id, transaction) = match Frame::open(&text) {
            Ok(Frame::Call { id, .. }) => {
                self.hold(id, text);
                return None;
            }
            Ok(Frame::Result { id, payload }) => {
                let issued =
                    self.starts.remove(&id).zip(veripile_ocpp::answer::transaction_in(payload.get()));
                (id, issued)
            }
            Ok(Frame::Error { id, .. }) => (id, None),
            // Not ours to judge: passed on as it came.
            Err(error) => (error.id.unwrap_or_default(), None),
        };
        if let Some((ours, theirs)) = transaction {
            reception.adopt(&ours, &theirs).await;
        }
        Some((SentKind::UpstreamAnswer, id, text))
    }

    fn hold(&mut self, id: String, text: String) {
        if self.held.len() < TEXTS_MAX {
            self.held.push_back((id, text));
        } else {
            tracing::warn!(id, "the charger does not answer the upstream's calls: one more was let go");
        }
    }

    /// The next call of the upstream that may be passed on now.
    ///
    /// A key that it gives to the charger counts from now on beside the one before, as one of ours would.
    pub(crate) async fn next_call(&mut self) -> Option<(String, String)> {
        if self.is_asking() {
            return None;
        }
        let (id, text) = self.held.pop_front()?;
        let key_hash = match Frame::open(&text) {
            Ok(Frame::Call { action, payload, .. }) => secret::given(&action, payload.get()),
            _ => None,
        };
        let key_hash = key_hash.map(|key| credential::hash(&key, rand::random()));
        if let Some(key_hash) = &key_hash
            && let Err(error) = self.gateway.store.set_key(&self.pile_id, key_hash, now()).await
        {
            tracing::error!(pile.id = %self.pile_id, %error, "the key that the upstream gives could not be noted: the charger may be refused with it");
        }
        self.asking = Some(Asking { id: id.clone(), until: Instant::now() + CALL_WITHIN, key_hash });
        Some((id, text))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let owed = self.gateway.backlogs.end(self.pile_no, self.connection);
        if owed > 0 {
            tracing::warn!(
                pile.id = %self.pile_id,
                calls = owed,
                "answered, but not passed on: they wait in memory for the charger's next connection"
            );
        }
    }
}

/// Notes whether the upstream is reached, for the operator to see.
async fn note_state(reception: &Reception, state: Result<(), String>) {
    let pile_id = &reception.pile_id;
    let word = match &state {
        Ok(()) => {
            tracing::info!(pile.id = %pile_id, "the upstream is connected");
            "connected".to_owned()
        }
        Err(why) => {
            tracing::warn!(pile.id = %pile_id, why, "the upstream is not connected");
            why.clone()
        }
    };
    if let Err(error) = reception.gateway.store.note_upstream(reception.pile_no, &word).await {
        tracing::warn!(pile.id = %pile_id, %error, "the upstream's state could not be noted");
    }
}

type Upstream = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// The task that keeps the connection to the upstream.
struct Line {
    route: Route,
    connection: Uuid,
    calls: Arc<Backlog>,
    answers: mpsc::Receiver<String>,
    texts: mpsc::Sender<FromUpstream>,
    is_up: Arc<AtomicBool>,
}

impl Line {
    /// Connects, carries, and connects again, until the relay is gone: then nobody takes the upstream's texts any more.
    async fn run(mut self) {
        let mut pause = PAUSE.0;
        loop {
            let connected = tokio::select! {
                connected = timeout(WITHIN, self.connect()) => connected,
                () = self.texts.closed() => return,
            };
            let why = match connected.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok(mut upstream) => {
                    pause = PAUSE.0;
                    // What the charger answered meanwhile was meant for an earlier connection.
                    while self.answers.try_recv().is_ok() {}
                    self.is_up.store(true, Ordering::Release);
                    let _ = self.texts.send(FromUpstream::State(Ok(()))).await;
                    let why = self.carry(&mut upstream).await;
                    self.is_up.store(false, Ordering::Release);
                    why
                }
                Err(why) => why,
            };
            if self.texts.send(FromUpstream::State(Err(why))).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.texts.closed() => return,
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn connect(&self) -> Result<Upstream, String> {
        let request = request(&self.route).map_err(|error| format!("bad address: {error}"))?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        match connect_async_with_config(request, Some(limits), false).await {
            Ok((upstream, _)) => Ok(upstream),
            Err(Error::Http(response)) => Err(format!("refused with HTTP {}", response.status().as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Carries texts both ways until the connection ends; why it did.
    async fn carry(&mut self, upstream: &mut Upstream) -> String {
        let (mut silent_from, mut silent_pings) = (Instant::now(), 0);
        // The call that we answered and the upstream is at, and until when we wait for it.
        let mut owed: Option<(Waiting, Instant)> = None;
        loop {
            let patience = owed.as_ref().map_or(silent_from + PING_EVERY, |(_, until)| *until);
            let sent = tokio::select! {
                Some(answer) = self.answers.recv() => send(upstream, Message::text(answer)).await,
                call = self.calls.first(self.connection), if owed.is_none() => {
                    let Some(call) = call else { return "a newer connection took over".to_owned() };
                    let sent = send(upstream, Message::text(call.text.clone())).await;
                    if sent.is_ok() && call.owed {
                        owed = Some((call, Instant::now() + ANSWER_WITHIN));
                    } else if sent.is_ok() {
                        self.calls.done(self.connection, &call, false);
                    }
                    sent
                }
                () = sleep_until(patience), if owed.is_some() => {
                    if let Some((call, _)) = owed.take() {
                        tracing::warn!(id = call.id, "the upstream did not answer a call in time");
                        self.calls.done(self.connection, &call, true);
                    }
                    Ok(())
                }
                () = self.texts.closed() => {
                    let _ = send(upstream, Message::Close(None)).await;
                    return "the charger left".to_owned();
                }
                () = sleep_until(silent_from + PING_EVERY) => {
                    silent_pings += 1;
                    silent_from = Instant::now();
                    if silent_pings > PINGS_UNANSWERED_MAX {
                        return "no sign of life".to_owned();
                    }
                    send(upstream, Message::Ping(Vec::new().into())).await
                }
                message = upstream.next() => {
                    (silent_from, silent_pings) = (Instant::now(), 0);
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            self.take(text.to_string(), &mut owed).await;
                            Ok(())
                        }
                        Some(Ok(Message::Close(frame))) => {
                            return frame.map_or_else(|| "closed".to_owned(), |frame| format!("closed: {}", frame.reason));
                        }
                        Some(Ok(_)) => Ok(()),
                        Some(Err(error)) => Err(error.to_string()),
                        None => Err("closed".to_owned()),
                    }
                }
            };
            if let Err(why) = sent {
                return why;
            }
        }
    }

    /// Takes a text of the upstream: an answer to a call that we have answered stays here, anything else is for the charger.
    async fn take(&self, text: String, owed: &mut Option<(Waiting, Instant)>) {
        let answered = match Frame::open(&text) {
            Ok(Frame::Result { id, .. } | Frame::Error { id, .. }) => Some(id),
            _ => None,
        };
        if let Some(id) = answered {
            if let Some((call, _)) = owed.take_if(|(call, _)| call.id == id) {
                self.calls.done(self.connection, &call, false);
                return;
            }
            if self.calls.was_late(&id) {
                return;
            }
        }
        let _ = self.texts.send(FromUpstream::Text(text)).await;
    }
}

/// Sends something, or says why it could not be sent.
async fn send(upstream: &mut Upstream, message: Message) -> Result<(), String> {
    match timeout(WITHIN, upstream.send(message)).await {
        Ok(sent) => sent.map_err(|error| error.to_string()),
        Err(_) => Err("it takes nothing in".to_owned()),
    }
}

fn request(route: &Route) -> Result<Request<()>, Error> {
    let mut request = route.url.as_str().into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(route.subprotocol));
    if let Some(authorization) = &route.authorization {
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(authorization)?);
    }
    Ok(request)
}
