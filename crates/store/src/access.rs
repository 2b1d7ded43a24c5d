//! Access: how a pile proves who it is, and where its messages are relayed to. Written by registration and the console,
//! read by the gateway at the handshake. Keys are here as hashes only.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{FromRow, Postgres};
use veripile_pile::{AccuracyClass, PileId, PileKind};

use crate::search::plain;
use crate::{Store, StoreError, pile_number};

/// Chargers waiting in the inbox; beyond it, unknown ones are refused. A rollout is a few hundred.
pub const INBOX_MAX: i64 = 1_000;

/// Keys before the newest that count beside it.
const PREVIOUS_MAX: i32 = 4;

/// What happens to an identity that nobody registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Only registered piles connect.
    RegisteredOnly,
    /// An unknown one connects and waits to be let in: it is told to wait, and shown to nobody but operators.
    Inbox,
    /// Any identity connects; an unknown one gets a bare pile row (closed networks, tests, demos).
    Anyone,
}

/// A pile that may try to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Its number, by which everything else refers to it.
    pub pile_no: i64,
    /// Whether it waits in the inbox.
    pub inbox: bool,
    /// How it proves who it is.
    pub access: Access,
}

/// How a pile proves who it is, and where its messages go besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Access {
    /// Security profile of OCPP (0–3) asked of it; none: the server's least.
    pub security_profile: Option<i16>,
    /// Hash of its Basic key.
    pub key_hash: Option<String>,
    /// Hashes of keys before it, newest first, which count until the charger has come with the newest one.
    pub previous_hashes: Vec<String>,
    /// The operator's own central system, without the identity; none: no relay.
    pub upstream_url: Option<String>,
}

impl Store {
    /// Finds the pile of an identity; none if it may not connect.
    pub async fn admit(
        &self,
        pile_id: &PileId,
        admission: Admission,
    ) -> Result<Option<Admitted>, StoreError> {
        let known: Option<(i64, bool)> = sqlx::query_as("SELECT pile_no, inbox FROM pile WHERE pile_id = $1")
            .bind(pile_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let found = match (known, admission) {
            (Some((_, true)) | None, Admission::RegisteredOnly) => None,
            (Some(known), _) => Some(known),
            (None, Admission::Inbox) if self.waiting().await? >= INBOX_MAX => None,
            (None, Admission::Inbox) => Some((self.add_bare_pile(pile_id, true).await?, true)),
            (None, Admission::Anyone) => Some((self.add_bare_pile(pile_id, false).await?, false)),
        };
        let Some((pile_no, inbox)) = found else { return Ok(None) };
        let access = self.access(pile_no).await?;
        Ok(Some(Admitted { pile_no, inbox, access }))
    }

    /// How a pile proves who it is.
    pub async fn access(&self, pile_no: i64) -> Result<Access, StoreError> {
        let access: Option<Access> = sqlx::query_as(
            "SELECT security_profile, key_hash, previous_hashes, upstream_url FROM access WHERE pile_no = $1",
        )
        .bind(pile_no)
        .fetch_optional(&self.pool)
        .await?;
        Ok(access.unwrap_or_default())
    }

    /// Gives a pile a new key. Those before it count until [`Store::key_taken`]: the one that the pile has come with, and the
    /// newest of those made since, which it may have or not.
    pub async fn set_key(&self, pile_id: &PileId, key_hash: &str, now: Timestamp) -> Result<(), StoreError> {
        write_key(&mut *self.pool.acquire().await?, pile_id, key_hash, now).await
    }

    /// The charger did not take a new key: those beside it count again as if it had not been made.
    pub async fn key_refused(&self, pile_no: i64, key_hash: &str) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE access SET
                 key_hash = CASE WHEN key_hash = $2 THEN previous_hashes[1] ELSE key_hash END,
                 previous_hashes = CASE WHEN key_hash = $2 THEN previous_hashes[2:]
                                        ELSE array_remove(previous_hashes, $2) END
             WHERE pile_no = $1",
        )
        .bind(pile_no)
        .bind(key_hash)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The identity of a pile.
    pub async fn pile_id(&self, pile_no: i64) -> Result<PileId, StoreError> {
        let id: String = sqlx::query_scalar("SELECT pile_id FROM pile WHERE pile_no = $1")
            .bind(pile_no)
            .fetch_one(&self.pool)
            .await?;
        PileId::parse(&id).map_err(|_| crate::row::corrupt("pile", &id))
    }

    /// The charger has come with its newest key: those before it count no longer. Nothing is done if a newer one has been made since.
    pub async fn key_taken(&self, pile_no: i64, key_hash: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE access SET previous_hashes = '{}' WHERE pile_no = $1 AND key_hash = $2")
            .bind(pile_no)
            .bind(key_hash)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Sets the security profile asked of a pile; none: the server's least.
    pub async fn set_profile(&self, pile_id: &PileId, profile: Option<i16>) -> Result<(), StoreError> {
        write_profile(&mut *self.pool.acquire().await?, pile_id, profile).await
    }

    /// Sets where a pile's messages are relayed to; none: nowhere.
    pub async fn set_upstream(&self, pile_id: &PileId, url: Option<&str>) -> Result<(), StoreError> {
        write_upstream(&mut *self.pool.acquire().await?, pile_id, url).await
    }

    async fn waiting(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM pile WHERE inbox AND dismissed_at IS NULL")
            .fetch_one(&self.pool)
            .await?)
    }

    /// Those among these piles that do not wait in the inbox: let in, registered, or sent away.
    pub async fn not_waiting(&self, piles: &[i64]) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT pile_no FROM pile WHERE pile_no = ANY($1) AND (NOT inbox OR dismissed_at IS NOT NULL)",
        )
        .bind(piles)
        .fetch_all(&self.pool)
        .await?)
    }

    async fn add_bare_pile(&self, pile_id: &PileId, inbox: bool) -> Result<i64, StoreError> {
        let pile_no = sqlx::query_scalar(
            "INSERT INTO pile (pile_id, kind, accuracy_class, registered, inbox, search) VALUES ($1, $2, $3, false, $4, $5)
             ON CONFLICT (pile_id) DO UPDATE SET pile_id = excluded.pile_id
             RETURNING pile_no",
        )
        .bind(pile_id.as_str())
        .bind(PileKind::Ac.word())
        .bind(AccuracyClass::ASSUMED.0)
        .bind(inbox)
        .bind(plain(pile_id.as_str()))
        .fetch_one(&self.pool)
        .await?;
        Ok(pile_no)
    }
}

/// Gives a pile a new key; see [`Store::set_key`].
pub(crate) async fn write_key(
    connection: &mut PgConnection,
    pile_id: &PileId,
    key_hash: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "INSERT INTO access (pile_no, key_hash, key_made_at)
         SELECT pile_no, $2, $3 FROM pile WHERE pile_id = $1
         ON CONFLICT (pile_no) DO UPDATE SET
             previous_hashes = CASE
                 WHEN access.key_hash IS NULL THEN access.previous_hashes
                 WHEN cardinality(access.previous_hashes) < $4 THEN access.key_hash || access.previous_hashes
                 ELSE access.key_hash || access.previous_hashes[:$4 - 2] || access.previous_hashes[$4] END,
             key_hash = excluded.key_hash, key_made_at = excluded.key_made_at",
    );
    let statement = statement.bind(pile_id.as_str()).bind(key_hash).bind(now.to_sqlx()).bind(PREVIOUS_MAX);
    of_pile(connection, pile_id, statement).await
}

/// Sets the security profile asked of a pile; see [`Store::set_profile`].
pub(crate) async fn write_profile(
    connection: &mut PgConnection,
    pile_id: &PileId,
    profile: Option<i16>,
) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "INSERT INTO access (pile_no, security_profile) SELECT pile_no, $2 FROM pile WHERE pile_id = $1
         ON CONFLICT (pile_no) DO UPDATE SET security_profile = excluded.security_profile",
    );
    of_pile(connection, pile_id, statement.bind(pile_id.as_str()).bind(profile)).await
}

/// Sets where a pile's messages are relayed to; see [`Store::set_upstream`].
pub(crate) async fn write_upstream(
    connection: &mut PgConnection,
    pile_id: &PileId,
    url: Option<&str>,
) -> Result<(), StoreError> {
    let statement = sqlx::query(
        "INSERT INTO access (pile_no, upstream_url) SELECT pile_no, $2 FROM pile WHERE pile_id = $1
         ON CONFLICT (pile_no) DO UPDATE SET upstream_url = excluded.upstream_url",
    );
    of_pile(connection, pile_id, statement.bind(pile_id.as_str()).bind(url)).await
}

/// Runs a statement that touches the row of one pile; an error if there is no such pile.
async fn of_pile(
    connection: &mut PgConnection,
    pile_id: &PileId,
    statement: Query<'_, Postgres, PgArguments>,
) -> Result<(), StoreError> {
    match statement.execute(connection).await?.rows_affected() {
        0 => Err(pile_number::unknown(pile_id)),
        _ => Ok(()),
    }
}
