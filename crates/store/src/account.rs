//! Accounts and sessions of people who sign in. Passwords and tokens are here as hashes only.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::FromRow;
use veripile_pile::OperatorId;

use crate::row::{corrupt, storable};
use crate::{Store, StoreError};

/// Sessions of one account, the newest kept: a person has a few devices.
const SESSIONS_MAX: i64 = 20;

/// People told of one role.
const PEOPLE_MAX: i64 = 1000;

/// What a person may do in verifications. No person holds two of these on one pile: an order is checked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PersonRole {
    /// Verifies (检定员).
    Verifier,
    /// Reviews results (核验员).
    Reviewer,
    /// Repairs piles (修理).
    Repairer,
    /// Inspects (监督检查).
    Inspector,
}

impl PersonRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Verifier, Self::Reviewer, Self::Repairer, Self::Inspector];

    /// The word used in database, commands and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verifier => "verifier",
            Self::Reviewer => "reviewer",
            Self::Repairer => "repairer",
            Self::Inspector => "inspector",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Name to sign in with.
    pub name: String,
    /// Hash of the password (argon2id, PHC form).
    pub password_hash: String,
    /// Whose piles it sees; none: all, and the inbox.
    pub operator_id: Option<OperatorId>,
    /// What it may do in verifications.
    pub roles: Vec<PersonRole>,
}

#[derive(FromRow)]
struct Row {
    name: String,
    password_hash: String,
    operator_id: Option<String>,
    roles: Vec<String>,
}

impl Row {
    fn account(self) -> Result<Account, StoreError> {
        let parse = |id: String| OperatorId::parse(&id).map_err(|_| corrupt("operator", &id));
        let operator_id = self.operator_id.map(parse).transpose()?;
        let role = |word: &String| PersonRole::from_word(word).ok_or_else(|| corrupt("role", word));
        let roles = self.roles.iter().map(role).collect::<Result<_, _>>()?;
        Ok(Account { name: self.name, password_hash: self.password_hash, operator_id, roles })
    }
}

impl Store {
    /// Makes an account, or gives it a new password; its sessions end.
    pub async fn save_account(&self, account: &Account) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO account (name, password_hash, operator_id, roles) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash, operator_id = excluded.operator_id,
                 roles = excluded.roles",
        )
        .bind(&account.name)
        .bind(&account.password_hash)
        .bind(account.operator_id.as_ref().map(OperatorId::as_str))
        .bind(account.roles.iter().map(|role| role.word()).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM session WHERE name = $1")
            .bind(&account.name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes an account with its sessions; whether there was one.
    pub async fn remove_account(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM account WHERE name = $1").bind(name).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }

    /// An account by its name.
    pub async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let row: Option<Row> =
            sqlx::query_as("SELECT name, password_hash, operator_id, roles FROM account WHERE name = $1")
                .bind(storable(name))
                .fetch_optional(&self.pool)
                .await?;
        row.map(Row::account).transpose()
    }

    /// Names of those who hold a role.
    pub async fn people_with(&self, role: PersonRole) -> Result<Vec<String>, StoreError> {
        let names =
            sqlx::query_scalar("SELECT name FROM account WHERE $1 = ANY(roles) ORDER BY name LIMIT $2")
                .bind(role.word())
                .bind(PEOPLE_MAX)
                .fetch_all(&self.pool)
                .await?;
        Ok(names)
    }

    /// Opens a session; expired ones, and this account's oldest beyond the limit, go.
    pub async fn open_session(
        &self,
        token_sha256: &[u8],
        name: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO session (token_sha256, name, expires_at) VALUES ($1, $2, $3)")
            .bind(token_sha256)
            .bind(name)
            .bind(expires_at.to_sqlx())
            .execute(&self.pool)
            .await?;
        sqlx::query(
            "DELETE FROM session WHERE expires_at < $1 OR token_sha256 IN (
                 SELECT token_sha256 FROM session WHERE name = $2 ORDER BY expires_at DESC OFFSET $3)",
        )
        .bind(now.to_sqlx())
        .bind(name)
        .bind(SESSIONS_MAX)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whose session this is, if it has not expired.
    pub async fn session(&self, token_sha256: &[u8], now: Timestamp) -> Result<Option<Account>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT name, password_hash, operator_id, roles FROM session JOIN account USING (name)
             WHERE token_sha256 = $1 AND expires_at > $2",
        )
        .bind(token_sha256)
        .bind(now.to_sqlx())
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::account).transpose()
    }

    /// Ends a session.
    pub async fn close_session(&self, token_sha256: &[u8]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM session WHERE token_sha256 = $1")
            .bind(token_sha256)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
