//! The Basic key of a charger (OCPP security profiles 1 and 2): read from the handshake, hashed, compared.
//!
//! Called by `gateway` at the handshake, and by whoever makes keys. A key is shown once and kept as an argon2id hash only;
//! nothing here writes it anywhere.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Memory of one hash, KiB. Our keys are 160 random bits, which nobody can guess however fast the hash is; this little keeps
/// a storm of reconnections cheap (some 2 ms each) and still slows down guesses at a key that a person chose.
const MEMORY_KIB: u32 = 2_048;

/// Longest password compared, bytes; OCPP's longest has 40 characters (2.1: 64).
const PASSWORD_BYTES_MAX: usize = 128;

/// User and password of a Basic `Authorization` header.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// User: in OCPP the charger's identity.
    pub user: String,
    /// Password, as bytes: some chargers send the key's 20 bytes, others its 40 hexadecimal digits.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Basic({}, …)", self.user)
    }
}

impl Basic {
    /// Reads a header's value; none if it is not Basic or not readable.
    pub fn read(header: &str) -> Option<Self> {
        let (scheme, encoded) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let bytes = STANDARD.decode(encoded.trim()).ok()?;
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        let user = String::from_utf8(bytes[..colon].to_vec()).ok()?;
        Some(Self { user, password: bytes[colon + 1..].to_vec() })
    }

    /// Whether this is the key that was hashed, sent as text or as the bytes that the text is the hexadecimal form of.
    pub fn is_key_of(&self, hash: &str) -> bool {
        if self.password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let Ok(hash) = PasswordHash::new(hash) else { return false };
        let is = |password: &[u8]| hasher().verify_password(password, &hash).is_ok();
        is(&self.password) || is(hex::encode(&self.password).as_bytes())
    }
}

/// A key as text: 20 random bytes as 40 hexadecimal digits, which fits OCPP 1.6's AuthorizationKey and 2.x's
/// BasicAuthPassword.
pub fn text(random: [u8; 20]) -> String {
    hex::encode(random)
}

/// The hash of a key, in PHC form (`$argon2id$…`), with a salt that the caller draws at random.
pub fn hash(key: &str, salt: [u8; 16]) -> String {
    let hash = hasher().hash_password_with_salt(key.as_bytes(), &salt);
    hash.expect("fixed parameters, and a salt of fixed length").to_string()
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, 1, 1, None).expect("fixed and in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233";

    fn basic(user: &str, password: &[u8]) -> Basic {
        let encoded = STANDARD.encode([user.as_bytes(), b":", password].concat());
        Basic::read(&format!("Basic {encoded}")).expect("readable")
    }

    #[test]
    fn a_key_is_recognised_as_text_and_as_bytes_and_no_other_is() {
        let hash = hash(KEY, [7; 16]);
        assert!(!hash.contains(KEY), "{hash}");
        assert!(basic("CP", KEY.as_bytes()).is_key_of(&hash));
        assert!(basic("CP", &hex::decode(KEY).expect("hex")).is_key_of(&hash));
        for wrong in [&b""[..], b"0011", &KEY.as_bytes()[1..], &[0; 500]] {
            assert!(!basic("CP", wrong).is_key_of(&hash));
        }
        assert!(!basic("CP", KEY.as_bytes()).is_key_of("no hash"));
    }

    #[test]
    fn a_header_reads_whatever_its_case_and_never_shows_its_password() {
        let read = Basic::read("basic Q1A6MTplYXN0OjI=").expect("readable");
        assert_eq!((read.user.as_str(), read.password.as_slice()), ("CP", &b"1:east:2"[..]));
        assert_eq!(format!("{read:?}"), "Basic(CP, …)");
        for bad in ["", "Basic", "Basic !!", "Bearer Q1A6", "Basic Q1A="] {
            assert_eq!(Basic::read(bad), None, "{bad}");
        }
    }
}
