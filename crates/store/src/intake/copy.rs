//! Rows in PostgreSQL's binary COPY format: what many readings cost the database least in.
//!
//! Called by [`super::batch`]. Measured on 800,000 readings beside INSERT from arrays and COPY of text; the numbers are in
//! `crates/DECISIONS.md`. Knows no table: the caller writes the fields in the order of the columns it names.

use sqlx::encode::{Encode, IsNull};
use sqlx::postgres::{PgArgumentBuffer, PgConnection, Postgres};

use crate::StoreError;

/// Signature, flags and length of the header's extension, as the manual's chapter on COPY gives them.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Number of fields of the row that ends the data.
const TRAILER: i16 = -1;

/// Length of a field that is null.
const NULL: i32 = -1;

/// Rows on their way to the server.
pub(super) struct Rows {
    buffer: PgArgumentBuffer,
    fields: i16,
}

impl Rows {
    /// No rows yet, of so many fields each.
    pub(super) fn new(fields: i16) -> Self {
        let mut buffer = PgArgumentBuffer::default();
        buffer.extend_from_slice(HEADER);
        Self { buffer, fields }
    }

    /// Begins a row; exactly the number of fields given to [`Rows::new`] must follow.
    pub(super) fn row(&mut self) -> &mut Self {
        self.buffer.extend_from_slice(&self.fields.to_be_bytes());
        self
    }

    /// Adds a field, whose type must be its column's: COPY converts nothing.
    pub(super) fn field<'q>(&mut self, value: impl Encode<'q, Postgres>) -> Result<&mut Self, StoreError> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&NULL.to_be_bytes());
        if let IsNull::No = value.encode(&mut self.buffer).map_err(sqlx::Error::Encode)? {
            let length = i32::try_from(self.buffer.len() - start - 4)
                .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
            self.buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(self)
    }

    /// Sends all rows with a `COPY … FROM STDIN (FORMAT binary)`.
    pub(super) async fn copy(
        mut self,
        connection: &mut PgConnection,
        statement: &str,
    ) -> Result<(), StoreError> {
        self.buffer.extend_from_slice(&TRAILER.to_be_bytes());
        let mut copy = connection.copy_in_raw(statement).await?;
        copy.send(self.buffer.as_slice()).await?;
        copy.finish().await?;
        Ok(())
    }
}
