//! Long-lived connections to the field: chargers over OCPP-J, relays to operators' own systems, instruments on the bench.
//!
//! Mounted by `app` on the same port as the pages. A charger's message goes handshake → socket → `ocpp` → `store::intake`,
//! and its answer leaves only after the commit. A verification goes `runner` → `verification::Run` → the pile and the instruments.
//! Never judges a reading, never renders a page.

mod admission;
mod attempts;
mod authority;
mod backlog;
mod commands;
mod desk;
mod findings;
mod handshake;
mod instrument;
mod key;
mod memory;
mod metrics;
mod pile_under_test;
mod readiness;
mod reception;
mod refused;
mod relay;
mod runner;
mod signatures;
mod signing;
mod socket;
mod test_mode;
mod watched;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;
use veripile_ocpp::call::{AnswerHeard, Call};
use veripile_ocpp::conformance::Breach;
use veripile_ocpp::{IdentityKey, Version};
use veripile_store::{Admission, Intake, Store, StoreError};

use crate::desk::{Order, Reply};
use crate::reception::Reception;

pub use admission::TlsPeer;
pub use authority::{Authority, AuthorityError, DAYS_MAX};
pub use metrics::GatewayMetrics;

/// How the gateway treats those who connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// What happens to an identity that nobody registered.
    pub admission: Admission,
    /// Least security profile of OCPP (0–3) asked of every pile.
    pub least_profile: i16,
    /// Whether a proxy in front of us terminates TLS, so that its `X-Forwarded-…` headers are believed.
    pub behind_proxy: bool,
    /// Whether a charger that boots waits until its configuration was read.
    pub readiness_on_boot: bool,
    /// How long it waits at most.
    pub pending_max: Duration,
    /// Actions of relayed chargers that we answer while their upstream is down.
    pub answered_while_down: Arc<[String]>,
}

/// Everything a connection needs.
pub struct Gateway {
    store: Store,
    intake: Intake,
    key: IdentityKey,
    settings: GatewaySettings,
    /// Signs certificates of chargers, where there is one.
    authority: Option<Authority>,
    metrics: GatewayMetrics,
    notebook: attempts::Notebook,
    throttle: admission::Throttle,
    verified: admission::Verified,
    memory: memory::Memory,
    /// Who waits for register readings of which outlet.
    watched: watched::Watched,
    findings: findings::Findings,
    /// What waits for the upstreams of relayed piles.
    backlogs: backlog::Backlogs,
    /// The connection of each pile.
    connections: Mutex<HashMap<i64, Connection>>,
    stopping: watch::Receiver<bool>,
}

/// A connection, as others see it.
struct Connection {
    id: Uuid,
    version: Version,
    /// Whether it waits in the inbox.
    inbox: bool,
    /// Ends it when a newer one comes.
    end: oneshot::Sender<()>,
    orders: mpsc::Sender<Order>,
}

impl Gateway {
    /// Opens the gateway. It closes its connections when `stopping` turns true.
    pub fn new(
        store: Store,
        intake: Intake,
        key: IdentityKey,
        settings: GatewaySettings,
        authority: Option<Authority>,
        metrics: GatewayMetrics,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let backlogs = backlog::Backlogs::new(metrics.relay_waiting_bytes.clone());
        let gateway = Arc::new(Self {
            notebook: attempts::Notebook::open(store.clone()),
            throttle: admission::Throttle::default(),
            verified: admission::Verified::default(),
            store,
            intake,
            key,
            settings,
            authority,
            metrics,
            memory: memory::Memory::default(),
            watched: watched::Watched::default(),
            findings: findings::Findings::default(),
            backlogs,
            connections: Mutex::default(),
            stopping,
        });
        tokio::spawn(commands::run(Arc::clone(&gateway)));
        let last_write = gateway.store.announce_last_write();
        tokio::spawn(findings::run(Arc::clone(&gateway), last_write));
        gateway
    }

    /// Registers a connection; the older one of the same pile, if any, is told to end.
    fn take_over(&self, reception: &Reception) -> (oneshot::Receiver<()>, mpsc::Receiver<Order>) {
        let Reception { pile_no, connection: id, version, inbox, .. } = *reception;
        let (end, ended) = oneshot::channel();
        let (orders, incoming) = mpsc::channel(desk::ORDERS_MAX);
        let mut connections = self.connections();
        if let Some(older) = connections.insert(pile_no, Connection { id, version, inbox, end, orders }) {
            let _ = older.end.send(());
        }
        self.metrics.connections.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
        (ended, incoming)
    }

    /// Forgets a connection, unless a newer one has taken its place.
    fn leave(&self, pile_no: i64, id: Uuid) {
        let mut connections = self.connections();
        if connections.get(&pile_no).is_some_and(|current| current.id == id) {
            connections.remove(&pile_no);
        }
        self.metrics.connections.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
    }

    /// Asks a charger something; returns when it has answered, or cannot any more.
    async fn ask(&self, pile_no: i64, call: Call) -> Reply {
        let orders = self.connections().get(&pile_no).map(|connection| connection.orders.clone());
        let Some(orders) = orders else { return Reply::Gone };
        let (reply, answer) = oneshot::channel();
        let version = self.memory.of(pile_no, |memory| memory.seen.version);
        let action = version.and_then(|version| call.action(version).ok()).unwrap_or(findings::OTHER);
        let reply = match orders.try_send(Order { call, reply }) {
            Ok(()) => answer.await.unwrap_or(Reply::Gone),
            Err(mpsc::error::TrySendError::Full(_)) => Reply::Busy,
            Err(mpsc::error::TrySendError::Closed(_)) => Reply::Gone,
        };
        self.note_breach(pile_no, action, &reply);
        reply
    }

    /// Notes an answer that is late, or none to what was asked. Its example is the message id, under which the log has it.
    fn note_breach(&self, pile_no: i64, action: &str, reply: &Reply) {
        let (breach, id) = match reply {
            Reply::Late { message_id } => (Breach::LateAnswer, message_id),
            Reply::Answered { message_id, heard, .. }
                if matches!(**heard, AnswerHeard::Unreadable { .. }) =>
            {
                (Breach::UnreadableAnswer, message_id)
            }
            _ => return,
        };
        self.findings.note(pile_no, breach, action, id, reception::now());
    }

    /// Whether a pile is connected over this connection.
    fn is_connected_by(&self, pile_no: i64, id: Uuid) -> bool {
        self.connections().get(&pile_no).is_some_and(|current| current.id == id)
    }

    /// The version that a connected charger speaks.
    fn version(&self, pile_no: i64) -> Option<Version> {
        self.connections().get(&pile_no).map(|connection| connection.version)
    }

    /// Ends connections of chargers that wait in the inbox no longer: whoever was let in has to come back and prove who it is.
    async fn end_unproven(&self) -> Result<(), StoreError> {
        let unproven: Vec<i64> =
            self.connections().iter().filter(|(_, known)| known.inbox).map(|(pile_no, _)| *pile_no).collect();
        if unproven.is_empty() {
            return Ok(());
        }
        for pile_no in self.store.not_waiting(&unproven).await? {
            if let Some(known) = self.connections().remove(&pile_no) {
                let _ = known.end.send(());
            }
        }
        Ok(())
    }

    /// Piles that may be verified over this gateway: connected, and not waiting to be let in.
    fn verifiable(&self) -> Vec<i64> {
        let connections = self.connections();
        connections.iter().filter(|(_, known)| !known.inbox).map(|(pile_no, _)| *pile_no).collect()
    }

    /// Carries out verifications of the piles connected here, until the server stops. What this gives ends when the last run has
    /// let go of its instruments.
    pub fn run_verifications(self: &Arc<Self>) -> JoinHandle<()> {
        tokio::spawn(runner::run(Arc::clone(self)))
    }

    /// Piles connected to this gateway.
    fn connected(&self) -> Vec<i64> {
        self.connections().keys().copied().collect()
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<i64, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Mounts the gateway's one address, `/ocpp/{identity}`.
pub fn routes(gateway: Arc<Gateway>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::from(gateway))
            .route("/ocpp/{identity}", web::get().to(handshake::connect));
    }
}
