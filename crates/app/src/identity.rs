//! The identity key: 32 secret bytes in a file of their own, made where there is none.
//!
//! Whoever has this file and the database can test whether a card charged somewhere; keep it apart from backups of the
//! database.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use veripile_ocpp::IdentityKey;

/// Reads the key, or makes one.
pub fn key(file: &Path) -> Result<IdentityKey> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text).with_context(|| format!("identity key {}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(file),
        Err(error) => Err(error).with_context(|| format!("cannot read the identity key {}", file.display())),
    }
}

fn parse(text: &str) -> Result<IdentityKey> {
    let mut bytes = [0; 32];
    if hex::decode_to_slice(text.trim(), &mut bytes).is_err() {
        bail!("64 hexadecimal digits are expected; restore the file from its backup");
    }
    Ok(IdentityKey::new(bytes))
}

fn make(file: &Path) -> Result<IdentityKey> {
    let bytes: [u8; 32] = rand::random();
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut handle =
        options.open(file).with_context(|| format!("cannot make the identity key {}", file.display()))?;
    writeln!(handle, "{}", hex::encode(bytes))?;
    tracing::info!(file = %file.display(), "an identity key was made; keep it, and keep it apart from the database");
    Ok(IdentityKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_back() {
        let folder = std::env::temp_dir().join(format!("veripile-identity-{}", std::process::id()));
        let file = folder.join("key");
        let first = key(&file).expect("made");
        let second = key(&file).expect("read");
        assert_eq!(first.vehicle("card"), second.vehicle("card"));
        std::fs::write(&file, "short").expect("writable");
        assert!(key(&file).is_err());
        std::fs::remove_dir_all(folder).expect("removable");
    }
}
