//! Long-lived connections to the field. Now: chargers over OCPP-J; relays and instruments move in later.
//!
//! Mounted by `app` on the same port as the pages. A charger's message goes handshake → socket → `ocpp` → `store::intake`,
//! and its answer leaves only after the commit. Never judges a reading, never renders a page.

mod handshake;
mod memory;
mod metrics;
mod signatures;
mod socket;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::web;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;
use veripile_ocpp::IdentityKey;
use veripile_store::{Admission, Intake, Store};

pub use metrics::GatewayMetrics;

/// Everything a connection needs.
pub struct Gateway {
    store: Store,
    intake: Intake,
    key: IdentityKey,
    admission: Admission,
    metrics: GatewayMetrics,
    memory: memory::Memory,
    /// The connection of each pile, and how to end it when a newer one comes.
    connections: Mutex<HashMap<i64, (Uuid, oneshot::Sender<()>)>>,
    stopping: watch::Receiver<bool>,
}

impl Gateway {
    /// Opens the gateway. It closes its connections when `stopping` turns true.
    pub fn new(
        store: Store,
        intake: Intake,
        key: IdentityKey,
        admission: Admission,
        metrics: GatewayMetrics,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            intake,
            key,
            admission,
            metrics,
            memory: memory::Memory::default(),
            connections: Mutex::default(),
            stopping,
        })
    }

    /// Registers a connection; the older one of the same pile, if any, is told to end.
    fn take_over(&self, pile_no: i64, connection: Uuid) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, older)) = connections.insert(pile_no, (connection, end)) {
            let _ = older.send(());
        }
        self.metrics.connections.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
        ended
    }

    /// Forgets a connection, unless a newer one has taken its place.
    fn leave(&self, pile_no: i64, connection: Uuid) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if connections.get(&pile_no).is_some_and(|(current, _)| *current == connection) {
            connections.remove(&pile_no);
        }
        self.metrics.connections.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
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
