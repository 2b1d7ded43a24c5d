//! Secrets of our own: 32 bytes in a file of their own, readable by its owner only, made where there is none.
//!
//! Used for the identity key ([`crate::identity`]) and the key that signs documents ([`crate::signing`]). Never printed, never
//! logged.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Reads a secret, or makes one. `what` is what messages call it.
pub fn secret(file: &Path, what: &str) -> Result<[u8; 32]> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text).with_context(|| format!("{what} {}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(file, what),
        Err(error) => Err(error).with_context(|| format!("cannot read the {what} {}", file.display())),
    }
}

fn parse(text: &str) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex::decode_to_slice(text.trim(), &mut bytes).is_err() {
        bail!("64 hexadecimal digits are expected; restore the file from its backup");
    }
    Ok(bytes)
}

/// Makes the secret whole under another name first, so that servers started together agree on one. The draft is its owner's alone
/// from the beginning.
fn make(file: &Path, what: &str) -> Result<[u8; 32]> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || format!("cannot make the {what} {}", file.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    writeln!(draft, "{}", hex::encode(rand::random::<[u8; 32]>()))?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(file) {
        Ok(_) => {
            tracing::info!(file = %file.display(), "a {what} was made; keep it, and keep it apart from the database");
        }
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(refused) => return Err(refused.error).with_context(cannot),
    }
    parse(&std::fs::read_to_string(file)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_made_once_for_its_owner_alone_and_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deep/key");
        let first = secret(&file, "key").expect("made");
        assert_eq!(secret(&file, "key").expect("read"), first);
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let shared = folder.path().join("shared");
        let made: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| secret(&shared, "key").expect("made or read"))).collect();
            starts.into_iter().map(|start| start.join().expect("no panic")).collect()
        });
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "servers started together share one key");
        std::fs::write(&file, "short").expect("writable");
        assert!(secret(&file, "key").is_err());
    }
}
