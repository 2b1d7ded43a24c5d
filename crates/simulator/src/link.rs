//! A charger's side of an OCPP connection: one call at a time, repeated after a lost connection until it is answered.
//!
//! Used by [`crate::speaker`] and [`crate::bench::pile`]. Calls of the central system are answered in between, as the two
//! directions are independent: by the charger's configuration, or by the owner of the link where it says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::configuration::Configuration;
use crate::ledger::{Entry, Ledger};
use crate::{Progress, Protocol, SimulatorError};

/// Tries before a charger gives up on a server that cannot be reached.
const TRIES_MAX: u32 = 60;

/// Longest wait between tries.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// How long a charger waits for an answer before it takes the connection for dead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Read buffer of a connection: answers are short, and there are hundreds of connections.
const BUFFER_BYTES: usize = 4096;

/// Times a refused message is sent again (OCPP's `TransactionMessageAttempts`), and the wait between.
const ATTEMPTS: u32 = 5;
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// Boots in a row that may be answered with Pending, and the longest wait between two whatever the central system asks for.
const BOOTS_MAX: u32 = 12;
const PENDING_WAIT_MAX: Duration = Duration::from_secs(10);

/// Calls that wait for the link's owner. A central system may have one open call at a time (OCPP-J, 4.1.1); some do not care.
const ASKED_MAX: usize = 16;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where a charger connects and what it shares with the others.
#[derive(Clone)]
pub struct Line {
    /// `ws://HOST:PORT/ocpp`, without the identity.
    pub url: String,
    /// Counters.
    pub progress: Arc<Progress>,
    /// Ledger, if one is kept.
    pub ledger: Option<Arc<Ledger>>,
    /// Turns true when the simulation is to stop.
    pub stopping: watch::Receiver<bool>,
}

/// What a call was answered with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// CALLRESULT.
    Result(Value),
    /// CALLERROR.
    Refused,
}

/// A call of the central system that the link's owner answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    id: String,
    /// What is asked.
    pub(crate) action: String,
    /// With what.
    pub(crate) payload: Value,
}

/// A connected charger.
pub(crate) struct Link {
    line: Line,
    pub(crate) identity: String,
    pub(crate) protocol: Protocol,
    socket: Option<Socket>,
    next_id: u64,
    /// Sent after every reconnection, before anything else.
    boot: Option<Value>,
    configuration: Configuration,
    /// Actions that the owner answers.
    owned: &'static [&'static str],
    asked: VecDeque<Asked>,
}

impl Link {
    pub(crate) fn new(line: Line, identity: String, protocol: Protocol) -> Self {
        Self {
            line,
            identity,
            protocol,
            socket: None,
            next_id: 1,
            boot: None,
            configuration: Configuration::default(),
            owned: &[],
            asked: VecDeque::new(),
        }
    }

    /// A link whose charger has this value in its configuration.
    pub(crate) fn with_value(mut self, key: &str, value: &str) -> Self {
        self.configuration.preset(key, value);
        self
    }

    /// A link whose owner answers these actions itself: they wait in [`Self::next_asked`], and [`Self::idle`] returns when one
    /// is there.
    pub(crate) fn owning(self, owned: &'static [&'static str]) -> Self {
        Self { owned, ..self }
    }

    /// The call that has waited longest for the owner.
    pub(crate) fn next_asked(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// Answers a call. A connection that is gone takes its calls with it.
    pub(crate) async fn answer(&mut self, asked: &Asked, payload: &Value) {
        let Some(socket) = self.socket.as_mut() else { return };
        let text = json!([3, asked.id, payload]).to_string();
        if socket.send(Message::text(text)).await.is_err() {
            self.disconnect();
        }
    }

    /// Ends the connection without a word.
    pub(crate) fn disconnect(&mut self) {
        self.socket = None;
        self.asked.clear();
    }

    /// The configuration's answer to a call; none for one that the owner answers.
    fn hear(&mut self, frame: &Value, id: &str) -> Option<String> {
        let action = frame[2].as_str().unwrap_or_default();
        if !self.owned.contains(&action) {
            return Some(self.configuration.reply(id, action, &frame[3]));
        }
        if self.asked.len() == ASKED_MAX {
            return Some(json!([4, id, "InternalError", "too many calls at once", {}]).to_string());
        }
        let (id, action, payload) = (id.to_owned(), action.to_owned(), frame[3].clone());
        self.asked.push_back(Asked { id, action, payload });
        None
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.line.progress
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.line.stopping.borrow()
    }

    /// Connects and boots; the boot message is repeated after every reconnection.
    pub(crate) async fn boot(&mut self, payload: Value) -> Result<(), SimulatorError> {
        self.boot = Some(payload);
        self.ensure_connected().await
    }

    /// Calls the central system and waits for its answer, over as many connections as it takes.
    pub(crate) async fn call(
        &mut self,
        action: &str,
        payload: &Value,
        transaction: &str,
        device_time: &str,
    ) -> Result<Answer, SimulatorError> {
        let id = self.next_id.to_string();
        self.next_id += 1;
        let text = json!([2, id, action, payload]).to_string();
        let mut attempts = 1;
        loop {
            self.ensure_connected().await?;
            match self.exchange(&id, &text).await {
                Ok(Answer::Refused) if attempts < ATTEMPTS => {
                    attempts += 1;
                    tokio::time::sleep(RETRY_WAIT).await;
                }
                Ok(answer) => {
                    self.note(&answer, action, &id, transaction, device_time);
                    return Ok(answer);
                }
                Err(reason) => {
                    tracing::debug!(pile.id = %self.identity, reason, "connection lost; the call will be repeated");
                    self.disconnect();
                }
            }
        }
    }

    fn note(&self, answer: &Answer, action: &str, message_id: &str, transaction: &str, device_time: &str) {
        let Answer::Result(result) = answer else {
            Progress::count(&self.line.progress.refused);
            return;
        };
        // The id of a 1.6 charge is in the answer to its start.
        let issued = result.get("transactionId").map(ToString::to_string);
        let transaction = issued.as_deref().unwrap_or(transaction);
        Progress::count(&self.line.progress.acknowledged);
        if let Some(ledger) = &self.line.ledger {
            let (pile_id, protocol) = (self.identity.as_str(), self.protocol.name());
            ledger.enter(&Entry { pile_id, protocol, action, message_id, transaction, device_time });
        }
    }

    async fn exchange(&mut self, id: &str, text: &str) -> Result<Answer, String> {
        let socket = self.socket.as_mut().ok_or("not connected")?;
        socket.send(Message::text(text)).await.map_err(|error| error.to_string())?;
        loop {
            let socket = self.socket.as_mut().ok_or("not connected")?;
            let next =
                tokio::time::timeout(ANSWER_TIMEOUT, socket.next()).await.map_err(|_| "no answer in time")?;
            let message = next.ok_or("closed")?.map_err(|error| error.to_string())?;
            let Message::Text(text) = message else {
                if message.is_close() {
                    return Err("closed".to_owned());
                }
                continue;
            };
            let frame: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            match (frame[0].as_u64(), frame[1].as_str()) {
                (Some(2), Some(call)) => {
                    if let Some(reply) = self.hear(&frame, call)
                        && let Some(socket) = self.socket.as_mut()
                    {
                        socket.send(Message::text(reply)).await.map_err(|error| error.to_string())?;
                    }
                }
                (Some(3), Some(answered)) if answered == id => return Ok(Answer::Result(frame[2].clone())),
                (Some(4), Some(answered)) if answered == id => {
                    tracing::warn!(pile.id = %self.identity, error = %text, "a call was refused");
                    return Ok(Answer::Refused);
                }
                _ => {}
            }
        }
    }

    /// Keeps the connection until `until`, answering the central system's calls; gone connections are taken up again later.
    /// Returns sooner if a call waits for the owner.
    pub(crate) async fn idle(&mut self, until: tokio::time::Instant) {
        let mut stopping = self.line.stopping.clone();
        while self.asked.is_empty() {
            let Some(socket) = self.socket.as_mut() else {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => return,
                    _ = stopping.wait_for(|stop| *stop) => return,
                }
            };
            let next = tokio::select! {
                next = socket.next() => next,
                () = tokio::time::sleep_until(until) => return,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            match next {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
                    if let (Some(2), Some(call)) = (frame[0].as_u64(), frame[1].as_str())
                        && let Some(reply) = self.hear(&frame, call)
                        && let Some(socket) = self.socket.as_mut()
                        && socket.send(Message::text(reply)).await.is_err()
                    {
                        self.disconnect();
                    }
                }
                Some(Ok(message)) if !message.is_close() => {}
                _ => self.disconnect(),
            }
        }
    }

    /// Connects and boots again if the connection is gone.
    pub(crate) async fn ensure_connected(&mut self) -> Result<(), SimulatorError> {
        let mut tries = 0;
        while self.socket.is_none() {
            if self.is_stopping() {
                return Err(SimulatorError::Stopped);
            }
            match self.connect().await {
                Ok(()) => return Ok(()),
                Err(reason) if tries == TRIES_MAX => {
                    return Err(SimulatorError::Connection { identity: self.identity.clone(), reason });
                }
                Err(reason) => {
                    tracing::debug!(pile.id = %self.identity, reason, "cannot connect; trying again");
                }
            }
            tries += 1;
            let jitter = rand::rng().random_range(0.5..1.0);
            let wait = Duration::from_millis(50 << tries.min(6)).min(BACK_OFF_MAX).mul_f64(jitter);
            let mut stopping = self.line.stopping.clone();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), String> {
        let identity = utf8_percent_encode(&self.identity, NON_ALPHANUMERIC);
        let mut request = format!("{}/{identity}", self.line.url)
            .into_client_request()
            .map_err(|error| error.to_string())?;
        let protocol = HeaderValue::from_static(self.protocol.name());
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(0);
        let connected = connect_async_with_config(request, Some(config), true).await;
        let (socket, _) = connected.map_err(|error| error.to_string())?;
        self.asked.clear();
        self.socket = Some(socket);
        let Some(payload) = self.boot.clone() else { return Ok(()) };
        let booted = self.boot_until_accepted(&payload).await;
        if booted.is_err() {
            self.disconnect();
        }
        booted
    }

    /// Boots, and again as long as the central system wants to know more first.
    async fn boot_until_accepted(&mut self, payload: &Value) -> Result<(), String> {
        for _ in 0..BOOTS_MAX {
            let id = format!("boot{}", self.next_id);
            self.next_id += 1;
            let text = json!([2, id, "BootNotification", payload]).to_string();
            let answer = self.exchange(&id, &text).await;
            let status = match &answer {
                Ok(Answer::Result(result)) => result["status"].as_str().unwrap_or_default(),
                _ => "",
            };
            match (status, &answer) {
                ("Accepted", _) => return Ok(()),
                ("Pending", Ok(Answer::Result(result))) => self.wait_to_boot(&result["interval"]).await,
                _ => return Err(format!("the boot was not accepted: {answer:?}")),
            }
        }
        Err("the boot stayed pending".to_owned())
    }

    /// Answers calls until the next boot. Nobody owns any meanwhile: a charger that was not accepted does nothing but tell its
    /// configuration.
    async fn wait_to_boot(&mut self, interval: &Value) {
        let wait = Duration::from_secs(interval.as_u64().unwrap_or(1).max(1)).min(PENDING_WAIT_MAX);
        let owned = std::mem::take(&mut self.owned);
        self.idle(tokio::time::Instant::now() + wait).await;
        self.owned = owned;
    }
}
