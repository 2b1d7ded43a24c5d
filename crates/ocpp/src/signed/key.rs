//! Public keys as they come with meters: DER SubjectPublicKeyInfo or the bare point, in hexadecimal, base64 or base32.
//!
//! Called by the formats, and by whoever looks for a key among others. The printed form of OCA's signed-meter-values paper, `oca:base16:asn1:<key>`, is read too, PEM, and
//! hexadecimal after `0x`; and so is base64 of any of these texts, as it comes with OCPP. Never trusts a key: whose it is, the caller knows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use spki::SubjectPublicKeyInfoRef;
use spki::der::asn1::ObjectIdentifier;
use spki::der::{Decode, Reader, SliceReader};

use super::curve::Curve;
use super::{Encoding, decode};

/// id-ecPublicKey (RFC 5480).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// A key, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its curve, where the key names one.
    pub curve: Option<Curve>,
    /// The point, SEC 1.
    pub point: Vec<u8>,
}

/// How often a text may stand within a text: base64 of `oca:base16:asn1:<hex>` is the deepest in use.
const TEXTS_MAX: usize = 3;

/// What PEM has around a SubjectPublicKeyInfo (RFC 7468, section 13).
const ARMOUR: [&str; 2] = ["-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"];

/// Hexadecimal digits of the shortest key, a compressed point of 192 bits; what has fewer is bytes that look like digits.
const DIGITS_MIN: usize = 50;

/// Reads a key. The reason if it cannot be read.
///
/// Without an encoding (or with `plain`) hexadecimal, base64 and base32 are tried in this order.
pub fn read(text: &str, encoding: Option<Encoding>) -> Result<PublicKey, String> {
    read_text(text, encoding, TEXTS_MAX)
}

/// How the same key is usually written, to look for it among texts: in full, in each curve on which its point lies, and as the bare point with
/// and without its first byte; each in hexadecimal of either case, in base64, and as `oca:` prints them. Of what cannot be read only itself.
pub fn writings(text: &str) -> Vec<String> {
    let mut all = vec![text.trim().to_owned()];
    let Ok(key) = read(text, None) else { return all };
    for (curve, oid) in Curve::all().filter(|(curve, _)| key.curve.is_none_or(|named| named == *curve)) {
        let Some(point) = curve.uncompressed(&key.point) else { continue };
        for bytes in [&info_of(oid, &point)[..], &point[..], &point[1..]] {
            let (digits, base64) = (hex::encode(bytes), STANDARD.encode(bytes));
            let printed = [format!("oca:base16:asn1:{digits}"), format!("oca:base64:asn1:{base64}")];
            all.extend(printed);
            all.extend([digits.to_uppercase(), digits, base64]);
        }
    }
    all
}

/// The SubjectPublicKeyInfo of a point (RFC 5480), DER.
fn info_of(curve: &str, point: &[u8]) -> Vec<u8> {
    let sequence = |parts: &[Vec<u8>]| element(0x30, &parts.concat());
    let oid = |oid: ObjectIdentifier| element(0x06, oid.as_bytes());
    let algorithm = sequence(&[oid(EC_PUBLIC_KEY), oid(ObjectIdentifier::new_unwrap(curve))]);
    sequence(&[algorithm, element(0x03, &[&[0], point].concat())])
}

/// An element of DER of less than 256 bytes; the longest of ours, P-521's, has 158.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head[..], content].concat()
}

fn read_text(text: &str, encoding: Option<Encoding>, texts: usize) -> Result<PublicKey, String> {
    let text = trimmed(text);
    let (body, printed) = match text.strip_prefix("oca:") {
        Some(rest) => printed_form(rest)?,
        None => bare(text),
    };
    let mut why = None;
    for encoding in candidates(printed.or(encoding)) {
        match decode(body, *encoding).map(|bytes| read_bytes(&bytes, texts)) {
            Ok(Ok(key)) => return Ok(key),
            // What could be decoded says more than what could not.
            Ok(Err(reason)) => why = why.or(Some(reason)),
            Err(_) => {}
        }
    }
    Err(why.unwrap_or_else(|| "it is neither hexadecimal nor base64 nor base32".to_owned()))
}

fn candidates(encoding: Option<Encoding>) -> &'static [Encoding] {
    match encoding {
        None | Some(Encoding::Plain) => &[Encoding::Hex, Encoding::Base64, Encoding::Base32],
        Some(Encoding::Hex) => &[Encoding::Hex],
        Some(Encoding::Base64) => &[Encoding::Base64],
        Some(Encoding::Base32) => &[Encoding::Base32],
    }
}

/// A key, or a text in which one is printed.
fn read_bytes(bytes: &[u8], texts: usize) -> Result<PublicKey, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if texts > 1 && is_printed(text) => read_text(text, None, texts - 1),
        _ => parse(bytes),
    }
}

/// Programs write a byte order mark before a text that is saved as UTF-8.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

fn is_printed(text: &str) -> bool {
    let text = trimmed(text);
    text.starts_with("oca:")
        || text.starts_with(ARMOUR[0])
        || DIGITS_MIN <= text.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What stands in PEM (RFC 7468), which is base64, or after the `0x` that programs write before hexadecimal; else the text as it is.
fn bare(text: &str) -> (&str, Option<Encoding>) {
    let [begin, end] = ARMOUR;
    if let Some((body, _)) = text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)) {
        return (body, Some(Encoding::Base64));
    }
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.chars().all(|c| c.is_ascii_hexdigit() || c.is_ascii_whitespace()) => {
            (digits, Some(Encoding::Hex))
        }
        _ => (text, None),
    }
}

fn printed_form(rest: &str) -> Result<(&str, Option<Encoding>), String> {
    let mut parts = rest.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("base16"), Some("asn1"), Some(body)) => Ok((body, Some(Encoding::Hex))),
        (Some("base64"), Some("asn1"), Some(body)) => Ok((body, Some(Encoding::Base64))),
        _ => Err("after `oca:` stands neither `base16:asn1:` nor `base64:asn1:`".to_owned()),
    }
}

fn parse(bytes: &[u8]) -> Result<PublicKey, String> {
    match (bytes.first(), bytes.len()) {
        (Some(0x02..=0x04), 25 | 33 | 49 | 65 | 67 | 97 | 133) => {
            Ok(PublicKey { curve: None, point: bytes.to_vec() })
        }
        // x and y without the byte that says so; no SubjectPublicKeyInfo of our curves has one of these lengths.
        (Some(_), 48 | 64 | 96 | 132) => Ok(PublicKey { curve: None, point: [&[0x04], bytes].concat() }),
        (Some(0x30), _) => info(bytes),
        (_, length) => Err(format!("{length} bytes are neither a SubjectPublicKeyInfo nor a point")),
    }
}

fn info(bytes: &[u8]) -> Result<PublicKey, String> {
    let mut reader = SliceReader::new(bytes).map_err(|error| error.to_string())?;
    let info = SubjectPublicKeyInfoRef::decode(&mut reader).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())?;
    if info.algorithm.oid != EC_PUBLIC_KEY {
        return Err(format!("the key is of algorithm {}, not of an elliptic curve", info.algorithm.oid));
    }
    let oid = info.algorithm.parameters_oid().map_err(|error| error.to_string())?;
    let curve = Curve::from_oid(&oid.to_string()).ok_or_else(|| format!("unknown curve {oid}"))?;
    let point = info.subject_public_key.as_bytes().ok_or("the point is no whole number of bytes")?;
    Ok(PublicKey { curve: Some(curve), point: point.to_vec() })
}
