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

/// Makes the key whole under another name first, so that servers started together agree on one.
fn make(file: &Path) -> Result<IdentityKey> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || format!("cannot make the identity key {}", file.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    writeln!(draft, "{}", hex::encode(rand::random::<[u8; 32]>()))?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(file) {
        Ok(_) => {
            tracing::info!(file = %file.display(), "an identity key was made; keep it, and keep it apart from the database");
        }
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(refused) => return Err(refused.error).with_context(cannot),
    }
    parse(&std::fs::read_to_string(file)?)
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
        let shared = folder.join("shared");
        let made: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| key(&shared).expect("made or read"))).collect();
            starts.into_iter().map(|start| start.join().expect("no panic").vehicle("card")).collect()
        });
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "servers started together share one key");
        std::fs::write(&file, "short").expect("writable");
        assert!(key(&file).is_err());
        std::fs::remove_dir_all(folder).expect("removable");
    }
}
