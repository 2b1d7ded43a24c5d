//! The relay: a charger's frames pass to the operator's own central system and back, byte for byte, and are recorded here.
//!
//! One for each connection whose pile names an upstream. [`crate::socket`] hands it what the charger said and sends what it
//! gives; a task of its own keeps the connection to the upstream. While the upstream is down, frames wait in order, within a
//! limit; the charger is answered by us only for the actions that the configuration names, and the upstream's late answers
//! to those are kept to ourselves. Never alters a text.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use veripile_ocpp::Frame;
use veripile_store::intake::SentKind;

use crate::reception::Reception;

/// Frames waiting for the upstream. A charger that gets no answers sends no more than one call; one that we answer is no
/// longer answered when this is full, and keeps the rest itself.
const WAITING_MAX: usize = 1_000;

/// Texts of the upstream waiting to be passed on.
const UPSTREAM_MAX: usize = 100;

/// Message ids remembered on either side.
const REMEMBERED_MAX: usize = 2_000;

/// First and longest pause between attempts to reach the upstream.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long a charger may take over the upstream's call before the next one is passed on.
const CALL_WITHIN: Duration = Duration::from_secs(60);

/// How long an attempt to reach the upstream may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

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
    up: mpsc::Sender<String>,
    down: mpsc::Receiver<FromUpstream>,
    is_up: Arc<AtomicBool>,
    /// Actions that we answer while the upstream is down.
    answered_by_us: Arc<[String]>,
    /// Ids of calls that we answered, so that the upstream's own answer is not passed on.
    answered: HashSet<String>,
    /// Starts of 1.6 on their way: message id, and our own transaction id.
    starts: HashMap<String, String>,
    /// Calls of the upstream that wait for the charger to be free.
    held: VecDeque<(String, String)>,
    /// The upstream's call that the charger is at, and until when we wait for it.
    asking: Option<(String, Instant)>,
}

impl Relay {
    /// Opens a relay. Its connection to the upstream lives as long as it does.
    pub(crate) fn open(route: Route, answered_by_us: Arc<[String]>) -> Self {
        let (up, waiting) = mpsc::channel(WAITING_MAX);
        let (texts, down) = mpsc::channel(UPSTREAM_MAX);
        let is_up = Arc::new(AtomicBool::new(false));
        tokio::spawn(Line { route, waiting, texts, is_up: Arc::clone(&is_up), unsent: None }.run());
        Self {
            up,
            down,
            is_up,
            answered_by_us,
            answered: HashSet::new(),
            starts: HashMap::new(),
            held: VecDeque::new(),
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
        let answered_by_us =
            !self.is_up.load(Ordering::Acquire) && self.answered_by_us.iter().any(|ours| ours == action);
        if self.up.try_send(text.to_owned()).is_err() {
            tracing::warn!(id, action, "the upstream's queue is full: the charger must send this again");
            return false;
        }
        if answered_by_us && self.answered.len() < REMEMBERED_MAX {
            self.answered.insert(id.to_owned());
            return true;
        }
        if let Some(transaction) = transaction.filter(|_| action == "StartTransaction") {
            if self.starts.len() >= REMEMBERED_MAX {
                self.starts.clear();
            }
            self.starts.insert(id.to_owned(), transaction);
        }
        false
    }

    /// Passes an answer of the charger on.
    pub(crate) fn pass_answer_up(&mut self, id: &str, text: &str) {
        if self.asking.as_ref().is_some_and(|(asked, _)| asked == id) {
            self.asking = None;
        }
        if self.up.try_send(text.to_owned()).is_err() {
            tracing::warn!(id, "the upstream's queue is full: an answer of the charger is lost to it");
        }
    }

    /// Whether the charger is at a call of the upstream.
    pub(crate) fn is_asking(&self) -> bool {
        self.asking.as_ref().is_some_and(|(_, until)| Instant::now() < *until)
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
        if self.answered.remove(&id) {
            return None;
        }
        Some((SentKind::UpstreamAnswer, id, text))
    }

    fn hold(&mut self, id: String, text: String) {
        if self.held.len() < UPSTREAM_MAX {
            self.held.push_back((id, text));
        } else {
            tracing::warn!(id, "the charger does not answer the upstream's calls: one more was let go");
        }
    }

    /// The next call of the upstream that may be passed on now.
    pub(crate) fn next_call(&mut self) -> Option<(String, String)> {
        if self.is_asking() {
            return None;
        }
        let (id, text) = self.held.pop_front()?;
        self.asking = Some((id.clone(), Instant::now() + CALL_WITHIN));
        Some((id, text))
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
    waiting: mpsc::Receiver<String>,
    texts: mpsc::Sender<FromUpstream>,
    is_up: Arc<AtomicBool>,
    /// A frame that could not be sent; it goes first when the upstream is back.
    unsent: Option<String>,
}

impl Line {
    async fn run(mut self) {
        let mut pause = PAUSE.0;
        // The relay is gone when nobody takes the upstream's texts any more.
        while !self.texts.is_closed() {
            let connected = tokio::time::timeout(CONNECT_WITHIN, self.connect()).await;
            let why = match connected.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                Ok(upstream) => {
                    pause = PAUSE.0;
                    self.is_up.store(true, Ordering::Release);
                    let _ = self.texts.send(FromUpstream::State(Ok(()))).await;
                    let why = self.pump(upstream).await;
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
        match connect_async(request).await {
            Ok((upstream, _)) => Ok(upstream),
            Err(Error::Http(response)) => Err(format!("refused with HTTP {}", response.status().as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Carries texts both ways until the connection ends; why it did.
    async fn pump(&mut self, mut upstream: Upstream) -> String {
        loop {
            if let Some(text) = self.unsent.take()
                && let Err(error) = upstream.send(Message::text(text.clone())).await
            {
                self.unsent = Some(text);
                return error.to_string();
            }
            tokio::select! {
                text = self.waiting.recv() => match text {
                    Some(text) => self.unsent = Some(text),
                    None => {
                        let _ = upstream.close(None).await;
                        return "the charger left".to_owned();
                    }
                },
                message = upstream.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        if self.texts.send(FromUpstream::Text(text.to_string())).await.is_err() {
                            return "the charger left".to_owned();
                        }
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return frame.map_or_else(|| "closed".to_owned(), |frame| format!("closed: {}", frame.reason));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error.to_string(),
                    None => return "closed".to_owned(),
                },
            }
        }
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
