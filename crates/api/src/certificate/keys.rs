//! `/.well-known/veripile-keys.json`: the public keys under which documents are signed, as a JSON Web Key Set (RFC 7517, RFC 8037).
//!
//! Whoever checks a document offline, in a page of another site too, fetches these once. Keys of former days stay in the list: documents are read for ever.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;
use veripile_verification::certificate::PublicKey;

use crate::Site;
use crate::problem::Problem;

/// The alphabet of base64url (RFC 4648, section 5).
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Key {
    /// OKP
    kty: &'static str,
    /// Ed25519
    crv: &'static str,
    /// EdDSA
    alg: &'static str,
    /// sig
    #[serde(rename = "use")]
    usage: &'static str,
    /// Name of the key: `signature.key_id` of a document
    kid: String,
    /// The key, base64url without padding
    x: String,
    /// The key, hexadecimal: `signature.public_key` of a document
    hex: String,
}

/// A key set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

/// Every key of ours, the one in use first.
pub(crate) fn all(site: &Site) -> Vec<PublicKey> {
    let mut keys = vec![site.signing.public()];
    keys.extend(site.former_keys.iter().filter(|key| **key != keys[0]).copied().collect::<Vec<_>>());
    keys
}

/// The keys under which documents are signed
#[utoipa::path(get, path = "/.well-known/veripile-keys.json", responses(
    (status = 200, description = "JSON Web Key Set, the key in use first", body = KeySet),
    (status = 304, description = "As it was"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn serve(site: web::Data<Site>) -> HttpResponse {
    let set = KeySet { keys: all(&site).iter().map(key).collect() };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(set)
}

fn key(key: &PublicKey) -> Key {
    Key {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        usage: "sig",
        kid: key.key_id(),
        x: base64url(key.bytes()),
        hex: key.hex(),
    }
}

/// Base64url without padding.
fn base64url(bytes: &[u8]) -> String {
    let digits = |three: &[u8]| {
        let group =
            three.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        (0..=three.len()).map(move |digit| BASE64URL[(group >> (18 - 6 * digit)) as usize & 63] as char)
    };
    bytes.chunks(3).flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4648, section 10, without padding.
    #[test]
    fn base64url_as_the_rfc_has_it() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64url(text.as_bytes()), expected);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    // RFC 8037, appendix A.2: an Ed25519 key as a JSON Web Key.
    #[test]
    fn a_key_is_written_as_rfc_8037_has_it() {
        let hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let known = key(&PublicKey::from_hex(hex).expect("64 digits"));
        assert_eq!(known.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!((known.kty, known.crv, known.hex.as_str()), ("OKP", "Ed25519", hex));
        assert_eq!(known.kid.len(), 16);
    }
}
