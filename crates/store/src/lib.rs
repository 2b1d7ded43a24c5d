//! The only crate that knows SQL.
//!
//! One [`Store`] serves TimescaleDB, plain PostgreSQL and the embedded database with the same statements. Messages of
//! chargers come in through [`intake`], which answers only after the commit; everything else reads, or writes one table
//! of its own. What it never does: judge, compute a statistic, speak OCPP or HTTP.

mod access;
pub mod account;
mod alone;
mod api_key;
mod assessment;
mod atlas;
mod attempt;
pub mod batch;
pub mod card;
pub mod case;
pub mod certificate;
mod charge;
mod checked;
mod clock;
pub mod command;
pub mod console;
pub mod contradiction;
pub mod doubt;
#[cfg(feature = "embedded")]
mod embedded;
pub mod evidence;
pub mod finder;
pub mod finding;
pub mod history;
pub mod intake;
pub mod listing;
pub mod map;
pub mod message;
pub mod next_date;
pub mod ocpi;
mod pile_number;
mod plug;
mod presence;
pub mod price;
pub mod queue;
pub mod readiness;
mod registering;
mod registration;
pub mod report;
mod row;
pub mod search;
pub mod signal;
pub mod signed;
mod standing;
mod state;
pub mod station;
pub mod stats;
pub mod tally;
mod timescale;
mod unpiled;
mod unsaid;
pub mod verification;
pub mod weekly;
pub mod witness;
mod words;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use thiserror::Error;
use tokio::sync::{Notify, OwnedRwLockReadGuard, RwLock};

pub use access::{Access, Admission, Admitted, INBOX_MAX};
pub use alone::AssessLock;
pub use assessment::{AssessmentRun, StoredRun, VerdictChange};
pub use atlas::Spot;
pub use attempt::{Attempt, AttemptRow};
pub use history::ChargeRecord;
pub use intake::{Arrival, Effect, Intake, IntakeError, Outcome};
pub use map::{BoundingBox, PilePage, PileQuery, PileRecord};
pub use queue::QueueRow;
pub use registering::Registering;
pub use registration::{Hands, Removed};
pub use stats::Counts;

/// Connections to a server database; few, since writes share commits and reads are short.
const CONNECTIONS_MAX: u32 = 10;

/// How long a request waits for a connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long closing waits for last writes that were announced: longer than any of them goes on trying.
const LAST_WRITES_WITHIN: Duration = Duration::from_secs(6);

/// What went wrong between us and the database.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The embedded database could not be started.
    #[error("embedded database: {0}")]
    Embedded(String),
    /// A stored row does not read back; the database was written by another version or by hand.
    #[error("stored {what} does not read back: {value}")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// What stands there.
        value: String,
    },
    /// A pile, station or operator that must exist does not.
    #[error("{0} is not registered; register it first")]
    Unknown(String),
    /// A list would take over what is registered with another operator: none of it may count.
    #[error(
        "{count} of these are another operator's and stay with it: {named}. Give yours identifiers of their own; what changed hands is \
         registered with veripile register --change-operator"
    )]
    OfOthers {
        /// How many stations, or piles.
        count: u64,
        /// The first of them, and whose they are.
        named: String,
    },
    /// What was read could not be written to a file.
    #[error("file: {0}")]
    Unwritten(String),
    /// Our own code gave up on a message: a defect to report.
    #[error("a defect in veripile, please report it: {0}")]
    Panicked(String),
}

impl StoreError {
    /// Whether the database cannot be reached at all, so that trying a part of the work alone is no use.
    fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Database(
                sqlx::Error::Io(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::Tls(_)
            )
        )
    }
}

/// A handle on the database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    engine: Arc<str>,
    /// Woken when a charge with both energies has been committed, or an act recorded.
    evidence: Arc<Notify>,
    /// Woken when somebody has ordered something of a charger.
    orders: Arc<Notify>,
    /// Woken when a run was queued, or somebody said something of one.
    runs: Arc<Notify>,
    /// Held for reading by those who have still to write when the server stops.
    last_writes: Arc<RwLock<()>>,
    #[cfg(feature = "embedded")]
    _embedded: Option<Arc<embedded::Embedded>>,
}

/// A write still to come; see [`Store::announce_last_write`].
#[derive(Debug)]
pub struct LastWrite(#[expect(dead_code, reason = "held, never looked at")] OwnedRwLockReadGuard<()>);

impl Store {
    /// Connects to a PostgreSQL or TimescaleDB server. Does not touch the schema: see [`Store::migrate`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        // Notices tell at every start that the schema is there already.
        let options = PgConnectOptions::from_str(url)?.options([("client_min_messages", "warning")]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        Self::over(pool).await
    }

    /// Starts the embedded database in a folder and connects to it. One connection, one process.
    #[cfg(feature = "embedded")]
    pub async fn embedded(folder: &std::path::Path) -> Result<Self, StoreError> {
        let database = embedded::Embedded::start(folder.to_owned()).await?;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(database.options())
            .await?;
        let mut store = Self::over(pool).await?;
        store.engine = format!("embedded {}", store.engine).into();
        store._embedded = Some(Arc::new(database));
        Ok(store)
    }

    async fn over(pool: PgPool) -> Result<Self, StoreError> {
        let engine = timescale::engine(&pool).await?.into();
        Ok(Self {
            pool,
            engine,
            evidence: Arc::new(Notify::new()),
            orders: Arc::new(Notify::new()),
            runs: Arc::new(Notify::new()),
            last_writes: Arc::default(),
            #[cfg(feature = "embedded")]
            _embedded: None,
        })
    }

    /// Brings the schema up to date: base schema, then hypertables where TimescaleDB is there. Idempotent.
    pub async fn migrate(&mut self) -> Result<(), StoreError> {
        sqlx::migrate!().run(&self.pool).await?;
        while self.complete_texts().await? > 0 {}
        price::keep_to_clocks(&mut *self.pool.acquire().await?, None).await?;
        self.make_text_index().await?;
        if timescale::make_hypertables(&self.pool).await? {
            self.engine = timescale::engine(&self.pool).await?.into();
        }
        Ok(())
    }

    /// What runs below: `timescaledb 2.19.3 on postgresql 17.11`, `postgresql 15.18`, `embedded postgresql 17.5`.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// Answers when the database does.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Waits until there may be new evidence to assess.
    pub async fn evidence_arrived(&self) {
        self.evidence.notified().await;
    }

    /// Announces a write when the server stops: [`Store::close`] waits until what this gives is dropped. None if it is closing.
    pub fn announce_last_write(&self) -> Option<LastWrite> {
        Arc::clone(&self.last_writes).try_read_owned().ok().map(LastWrite)
    }

    /// Closes all connections, once the last writes announced are done; an embedded database is flushed and stopped.
    pub async fn close(self) {
        if tokio::time::timeout(LAST_WRITES_WITHIN, self.last_writes.write()).await.is_err() {
            tracing::warn!("a last write took too long; closing without it");
        }
        self.pool.close().await;
    }
}
