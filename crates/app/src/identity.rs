//! The identity key: whoever has this file and the database can test whether a card charged somewhere; keep it apart from backups
//! of the database.

use std::path::Path;

use anyhow::Result;
use veripile_ocpp::IdentityKey;

use crate::secret::secret;

/// Reads the key, or makes one.
pub fn key(file: &Path) -> Result<IdentityKey> {
    Ok(IdentityKey::new(secret(file, "identity key")?))
}
