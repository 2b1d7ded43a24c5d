//! Texts that chargers were sent: our answers and calls, and what a relay's upstream said.
//!
//! Noted by the gateway, written with the next commit of intake, read by the message log.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::copy::Rows;
use crate::StoreError;
use crate::row::storable;

/// Who said it, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentKind {
    /// Our answer to the charger.
    Answer,
    /// A call of ours.
    Call,
    /// The upstream's answer to the charger, passed on.
    UpstreamAnswer,
    /// A call of the upstream, passed on.
    UpstreamCall,
}

impl SentKind {
    /// Its word, as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Call => "call",
            Self::UpstreamAnswer => "upstream_answer",
            Self::UpstreamCall => "upstream_call",
        }
    }
}

/// A text that a charger was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// To which pile.
    pub pile_no: i64,
    /// Over which connection.
    pub connection: Uuid,
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub kind: SentKind,
    /// Its message id, where it has one.
    pub message_id: Option<String>,
    /// The text, with identities replaced.
    pub body: String,
}

/// Writes texts.
pub(super) async fn insert(connection: &mut PgConnection, sent: &[Sent]) -> Result<(), StoreError> {
    if sent.is_empty() {
        return Ok(());
    }
    let mut rows = Rows::new(6);
    for text in sent {
        rows.row()
            .field(text.pile_no)?
            .field(text.at.to_sqlx())?
            .field(text.connection)?
            .field(text.kind.word())?
            .field(text.message_id.as_deref().map(storable).as_deref())?
            .field(&*storable(&text.body))?;
    }
    rows.copy(
        connection,
        "COPY sent (pile_no, time, connection, kind, message_id, body) FROM STDIN (FORMAT binary)",
    )
    .await
}
