//! The identity key: whoever has this file and the database can test whether a card charged somewhere; keep it apart from backups
//! of the database.

use std::path::Path;

use anyhow::{Result, bail};
use veripile_ocpp::IdentityKey;

use crate::secret::secret;

/// Reads the server's key. Another one would make other vehicles of the same: it is not made here.
pub fn existing(file: &Path) -> Result<IdentityKey> {
    if !file.exists() {
        bail!(
            "{}: no identity key; run this where `veripile serve` runs, or name its key with VERIPILE_IDENTITY__KEY_FILE",
            file.display()
        );
    }
    key(file)
}

/// Reads the key, or makes one.
pub fn key(file: &Path) -> Result<IdentityKey> {
    Ok(IdentityKey::new(secret(file, "identity key")?))
}
