//! The key that signs documents of verifications, and those that did before.
//!
//! Whoever has the file can issue documents in this platform's name; whoever loses it signs with another key from then on, and
//! publishes the former one's public half in `former_keys`, so that old documents still check.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use veripile_verification::certificate::{PublicKey, SigningKey};

use crate::secret::secret;

/// Reads the key, or makes one.
pub fn key(file: &Path) -> Result<Arc<SigningKey>> {
    Ok(Arc::new(SigningKey::from_seed(secret(file, "signing key")?)))
}

/// Public keys, hexadecimal, with commas between.
pub fn former(text: &str) -> Result<Vec<PublicKey>> {
    let listed = text.split(',').map(str::trim).filter(|key| !key.is_empty());
    listed
        .map(|key| {
            PublicKey::from_hex(key)
                .with_context(|| format!("verification.former_keys: {key:?} is not 64 hexadecimal digits"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, 7.1: public keys of TEST 1 and TEST 2.
    #[test]
    fn former_keys_are_read_or_refused() {
        let one = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let two = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(former("").expect("none").len(), 0);
        let keys = former(&format!("{one}, {two},")).expect("two");
        assert_eq!(keys.iter().map(PublicKey::hex).collect::<Vec<_>>(), [one, two]);
        assert!(former("abc").is_err());
    }
}
