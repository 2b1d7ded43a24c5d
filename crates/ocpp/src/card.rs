//! Cards and vehicles: identities are replaced by keyed hashes before anything is stored.
//!
//! Called by `gateway::socket` on every frame. Without the key, nobody can get from a hash back to a card, not even by trying
//! all cards there are; that is why frames are digested with the same key and never plainly.

use std::borrow::Cow;

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::Aead;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use veripile_pile::VehicleKey;

use crate::secret;

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

/// Names of members whose value is, or may be, a signed container.
const CONTAINING: [&str; 2] = ["signedMeterData", "value"];

/// What a text with containers contains: samples, a container's own beginning, or escapes that may hide either. The `value` of
/// anything else, a configuration for one, is no container.
const HOLDING: [&str; 4] = ["sampledValue", "OCMF|", "signedMeterData", "\\u"];

/// Vendors' own content, which may be JSON as text.
const VENDORS: &str = "data";

/// Length of the cipher's nonce, bytes (RFC 8439).
const NONCE_BYTES: usize = 12;

/// Longest value of a reading that can be a number; a longer one is a signed container.
const NUMBER_CHARS_MAX: usize = 40;

/// Begins the name under which a signed container stands in a stored frame.
const CONTAINER_SIGN: char = '§';

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

    /// The name of a signed container in stored frames and readings: `§` and a keyed digest. Containers name the card that
    /// charged, and cannot be altered without breaking the signature; so they are kept apart, sealed.
    pub fn container(&self, data: &str) -> String {
        format!("{CONTAINER_SIGN}{}", hex::encode(self.digest(&[b"container", data.as_bytes()])))
    }

    /// Encrypts a signed container (ChaCha20-Poly1305, RFC 8439). The nonce is a keyed digest of the text: the same text gives
    /// the same bytes, and no two texts share a nonce.
    pub fn seal(&self, text: &str) -> Vec<u8> {
        let nonce = &self.mac(&[b"nonce", text.as_bytes()])[..NONCE_BYTES];
        let sealed = self.cipher().encrypt(&nonce_of(nonce), text.as_bytes());
        [nonce, &sealed.expect("texts are far shorter than the cipher's limit of 256 GB")].concat()
    }

    /// Opens what [`Self::seal`] made; none if it was altered or sealed with another key.
    pub fn open(&self, sealed: &[u8]) -> Option<String> {
        let (nonce, body) = sealed.split_at_checked(NONCE_BYTES)?;
        String::from_utf8(self.cipher().decrypt(&nonce_of(nonce), body).ok()?).ok()
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.mac(&[b"seal"]).into())
    }

    /// The text of a frame with identities replaced by `#` and their key in hex, signed containers by their names, and a charger's
    /// own key blotted out; every other character stays as sent.
    pub fn without_identities(&self, text: &str) -> String {
        self.clean(&secret::blotted(text), true)
    }

    fn clean(&self, text: &str, looks_within: bool) -> String {
        let mut clean = String::with_capacity(text.len() + 32);
        let mut rest = text;
        let has_samples = HOLDING.iter().any(|sign| rest.contains(sign));
        while let Some((before, name, after)) = next_string(rest) {
            let value = after.trim_start().strip_prefix(':').map(str::trim_start);
            match value.and_then(|value| self.replaced(&plain(name), value, has_samples, looks_within)) {
                Some((replacement, behind)) => {
                    clean.push_str(&rest[..rest.len() - value.map_or(0, str::len)]);
                    clean.push_str(&format!("\"{replacement}\""));
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

    /// What stands for a member's value, and what follows the value; none for one that may stay.
    fn replaced<'a>(
        &self,
        name: &str,
        value: &'a str,
        has_samples: bool,
        looks_within: bool,
    ) -> Option<(String, &'a str)> {
        if IDENTIFYING.contains(&name) {
            let (identity, behind) = scalar(value)?;
            return Some((format!("#{}", hex::encode(self.vehicle(&identity).0)), behind));
        }
        if name == VENDORS && looks_within {
            return self.vendors(value);
        }
        let length = || value.strip_prefix('"').and_then(closing_quote).unwrap_or(0);
        let may_contain = name != "value" || (has_samples && length() > NUMBER_CHARS_MAX);
        if !CONTAINING.contains(&name) || length() == 0 || !may_contain {
            return None;
        }
        let (content, behind) = scalar(value)?;
        let inner = serde_json::from_str::<serde_json::Value>(&content).ok();
        let data =
            inner.as_ref().and_then(|inner| inner.get("signedMeterData")?.as_str()).unwrap_or(&content);
        Some((self.container(data), behind))
    }
}

impl IdentityKey {
    /// A vendor's JSON as text, if it names identities, without them; what it stands for in JSON.
    fn vendors<'a>(&self, value: &'a str) -> Option<(String, &'a str)> {
        let (content, behind) = value.starts_with('"').then(|| scalar(value))??;
        // One level: the text within a text within a text is nobody's message.
        let clean = content.contains('{').then(|| self.clean(&content, false))?;
        (clean != content).then(|| (escaped(&clean), behind))
    }
}

/// A text as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn nonce_of(bytes: &[u8]) -> chacha20poly1305::Nonce {
    chacha20poly1305::Nonce::try_from(bytes).expect("cut to the length of a nonce")
}

/// The next JSON string in a text: where its opening quote stands, its raw content, and what follows its closing quote.
pub(crate) fn next_string(text: &str) -> Option<(usize, &str, &str)> {
    let open = text.find('"')?;
    let content = &text[open + 1..];
    let close = closing_quote(content)?;
    Some((open, &content[..close], &content[close + 1..]))
}

/// A member's name, unescaped: `"idT\u0061g"` is `idTag` too.
pub(crate) fn plain(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return Cow::Borrowed(name);
    }
    serde_json::from_str(&format!("\"{name}\"")).map_or(Cow::Borrowed(name), Cow::Owned)
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

/// The string or number at the start of a value, unescaped, and what follows it; none for an object or a literal.
fn scalar(value: &str) -> Option<(String, &str)> {
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
        let text = r#"[2, "1","X", {"idTag":"CARD1" ,"idToken":{"idToken" : "a\"b","type":"eMAID"},"vin":"V1", "idTag":77,"value":"idTag","idT\u0061g":"77"}]"#;
        let expected = format!(
            r#"[2, "1","X", {{"idTag":"{}" ,"idToken":{{"idToken" : "{}","type":"eMAID"}},"vin":"{}", "idTag":"{}","value":"idTag","idT\u0061g":"{}"}}]"#,
            hash("CARD1"),
            hash("a\"b"),
            hash("V1"),
            hash("77"),
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
    fn signed_containers_stand_under_their_names_and_open_with_the_key_only() {
        let data = r#"OCMF|{"ID":"CARD-7","RD":[{"RV":1.0}]}|{"SD":"00"}"#;
        let name = key().container(data);
        let nested = serde_json::json!({ "signedMeterData": data, "encodingMethod": "OCMF" });
        let frame = |value: &str| format!(r#"[2,"1","X",{{"value":{value},"unit":"Wh"}}]"#);
        let text = |value: &str| serde_json::to_string(value).expect("a string");
        for sent in [text(data), text(&nested.to_string())] {
            assert_eq!(key().without_identities(&frame(&sent)), frame(&text(&name)));
        }
        let inner = |data: &str| frame(&format!(r#"{{"signedMeterData":{}}}"#, text(data)));
        assert_eq!(key().without_identities(&inner(data)), inner(&name));
        let sealed = key().seal(data);
        assert_eq!(key().open(&sealed).as_deref(), Some(data));
        assert_eq!(IdentityKey::new([4; 32]).open(&sealed), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key().open(&altered), None);
        }
        assert_eq!(key().open(b"short"), None);
    }

    #[test]
    fn letter_case_and_blanks_do_not_distinguish_cards() {
        assert_eq!(key().vehicle("AbC "), key().vehicle("abc"));
        assert_ne!(key().vehicle("abc"), key().vehicle("abd"));
        assert_ne!(key().vehicle("abc"), IdentityKey::new([4; 32]).vehicle("abc"));
    }

    /// Configuration and variables are evidence, however long; only samples hold containers.
    #[test]
    fn a_long_value_that_is_no_sample_stays_as_sent() {
        let list = "Energy.Active.Import.Register,Power.Active.Import,Voltage,SoC";
        for text in [
            format!(
                r#"[3,"1",{{"configurationKey":[{{"key":"MeterValuesSampledData","value":"{list}"}}]}}]"#
            ),
            format!(
                r#"[2,"1","NotifyReport",{{"reportData":[{{"variableAttribute":[{{"value":"{list}"}}]}}]}}]"#
            ),
        ] {
            assert_eq!(key().without_identities(&text), text);
        }
    }

    #[test]
    fn a_card_in_a_vendors_json_as_text_is_replaced_too() {
        let text = r#"[2,"1","DataTransfer",{"vendorId":"V","data":"{\"idTag\":\"CARD1\", \"n\":1}"}]"#;
        let expected = text.replace("CARD1", &hash("CARD1"));
        assert_eq!(key().without_identities(text), expected);
        for text in
            [r#"{"data":"{\"a\": 1}"}"#, r#"{"data":"plain"}"#, r#"{"data":7}"#, r#"{"data":{"a":1}}"#]
        {
            assert_eq!(key().without_identities(text), text);
        }
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
