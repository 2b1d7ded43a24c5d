//! Cards and vehicles: identities are replaced by keyed hashes before anything is stored.
//!
//! Called by `gateway::socket` on every frame. Without the key, nobody can get from a hash back to a card, not even by trying
//! all cards there are; that is why frames are digested with the same key and never plainly.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use veripile_pile::VehicleKey;

/// Names of members whose value identifies a card, a contract or a vehicle, in all versions.
const IDENTIFYING: [&str; 9] = [
    "idTag",
    "parentIdTag",
    "idToken",
    "additionalIdToken",
    "vin",
    "vehicleId",
    "evccId",
    "emaid",
    "contractId",
];

/// The secret under which identities are hashed.
#[derive(Clone)]
pub struct IdentityKey([u8; 32]);

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

impl IdentityKey {
    /// From 32 secret bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA-256 of some parts, each followed by a zero byte so that parts cannot run together.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
            mac.update(&[0]);
        }
        mac.finalize().into_bytes().into()
    }

    /// The first 16 bytes of [`Self::mac`].
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut digest = [0; 16];
        digest.copy_from_slice(&self.mac(parts)[..16]);
        digest
    }

    /// The key of a card or vehicle. Letter case and outer blanks do not distinguish cards (OCPP: CiString).
    pub fn vehicle(&self, identity: &str) -> VehicleKey {
        VehicleKey(self.digest(&[b"vehicle", identity.trim().to_lowercase().as_bytes()]))
    }

    /// The text of a frame with identities replaced by `#` and their key in hex; every other character stays as sent.
    pub fn without_identities(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len() + 32);
        let mut rest = text;
        while let Some((before, name, after)) = next_string(rest) {
            let value = after.trim_start().strip_prefix(':').map(str::trim_start);
            match value.filter(|_| IDENTIFYING.contains(&name)).and_then(identity) {
                Some((identity, behind)) => {
                    clean.push_str(&rest[..rest.len() - value.map_or(0, str::len)]);
                    clean.push_str(&format!("\"#{}\"", hex::encode(self.vehicle(&identity).0)));
                    rest = behind;
                }
                None => {
                    clean.push_str(&rest[..before + name.len() + 2]);
                    rest = after;
                }
            }
        }
        clean.push_str(rest);
        clean
    }
}

/// The next JSON string in a text: where its opening quote stands, its raw content, and what follows its closing quote.
fn next_string(text: &str) -> Option<(usize, &str, &str)> {
    let open = text.find('"')?;
    let content = &text[open + 1..];
    let close = closing_quote(content)?;
    Some((open, &content[..close], &content[close + 1..]))
}

/// Where a string's content ends.
fn closing_quote(content: &str) -> Option<usize> {
    let mut escaped = false;
    content.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// The identity at the start of a value, unescaped, and what follows it; none for an object or a literal.
fn identity(value: &str) -> Option<(String, &str)> {
    if let Some(content) = value.strip_prefix('"') {
        let close = closing_quote(content)?;
        let quoted = &value[..close + 2];
        let identity = serde_json::from_str(quoted).unwrap_or_else(|_| content[..close].to_owned());
        return Some((identity, &content[close + 1..]));
    }
    let end = value.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(value.len());
    (end > 0).then(|| (value[..end].to_owned(), &value[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> IdentityKey {
        IdentityKey::new([3; 32])
    }

    fn hash(identity: &str) -> String {
        format!("#{}", hex::encode(key().vehicle(identity).0))
    }

    #[test]
    fn every_kind_of_identity_is_replaced_and_nothing_else() {
        let text = r#"[2, "1","X", {"idTag":"CARD1" ,"idToken":{"idToken" : "a\"b","type":"eMAID"},"vin":"V1", "idTag":77,"value":"idTag"}]"#;
        let expected = format!(
            r#"[2, "1","X", {{"idTag":"{}" ,"idToken":{{"idToken" : "{}","type":"eMAID"}},"vin":"{}", "idTag":"{}","value":"idTag"}}]"#,
            hash("CARD1"),
            hash("a\"b"),
            hash("V1"),
            hash("77")
        );
        assert_eq!(key().without_identities(text), expected);
    }

    #[test]
    fn a_frame_without_identities_stays_to_the_letter() {
        for text in [r#"[2,"1","Heartbeat",{}]"#, "no json \" at all", "", r#"{"a":"\\","b":1}"#] {
            assert_eq!(key().without_identities(text), text);
        }
    }

    #[test]
    fn letter_case_and_blanks_do_not_distinguish_cards() {
        assert_eq!(key().vehicle("AbC "), key().vehicle("abc"));
        assert_ne!(key().vehicle("abc"), key().vehicle("abd"));
        assert_ne!(key().vehicle("abc"), IdentityKey::new([4; 32]).vehicle("abc"));
    }

    proptest::proptest! {
        #[test]
        fn a_card_never_survives(card in "[A-Z0-9]{8,20}", before in "\\PC{0,20}") {
            let text = serde_json::json!([2, before, "Authorize", { "idTag": card }]).to_string();
            let clean = key().without_identities(&text);
            let quoted = format!("\"{card}\"");
            proptest::prop_assert!(!clean.contains(&quoted));
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&clean).is_ok());
        }
    }
}
