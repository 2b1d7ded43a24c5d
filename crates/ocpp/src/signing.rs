//! A charger's request for a certificate (SignCertificate): read, judged, and answered.
//!
//! Called by `gateway::signing`, which issues what is found good here and keeps the reason of what is not. Whatever the charger
//! asks for besides a key and a name (extensions, validity, other parts of its name) is nobody's to certify and is ignored.
//! Never signs anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use veripile_pile::PileId;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS,
    OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use crate::{Version, json as members};

/// Longest request read, characters: the most of every version's schema.
const REQUEST_CHARS_MAX: usize = 5_500;

/// Smallest RSA key, bits (NIST SP 800-131A; OCPP's security chapters ask for as much).
const RSA_BITS_MIN: usize = 2_048;

/// Largest RSA key, bits: a larger one gains nothing over P-384, and checks of it cost cubically more.
const RSA_BITS_MAX: usize = 8_192;

/// Longest detail of a refusal, part of which are the charger's words: what 2.x has room for in an answer (`additionalInfo`).
const DETAIL_CHARS_MAX: usize = 512;

/// The only kind of certificate signed here.
const OURS: &str = "ChargingStationCertificate";

/// Labels that a request may have in PEM (RFC 7468 §7; the longer one is older).
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// Algorithms with which a request may be signed: nothing with SHA-1.
const SIGNATURES: [Oid<'static>; 6] = [
    OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384,
    OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA,
    OID_PKCS1_RSASSAPSS,
];

/// A request that may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The charger's public key: SubjectPublicKeyInfo in DER. Its owner has proven to have the private one.
    pub public_key: Vec<u8>,
    /// Under which the certificate is to come (2.1).
    pub request_id: Option<i32>,
}

/// Why a request is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no authority to sign with.
    NoAuthority,
    /// The connection does not prove who the charger is.
    NotProven,
    /// The certificate is to serve another purpose (vehicle-to-grid).
    Purpose,
    /// No certificate request.
    Unreadable,
    /// Its signature does not prove that the charger has the private key.
    Signature,
    /// Its common name is not the charger's identity.
    Name,
    /// A key too weak, or of a kind that is not used here.
    Key,
    /// The charger asks too often.
    TooMany,
    /// Our own fault.
    Internal,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::NoAuthority,
        Self::NotProven,
        Self::Purpose,
        Self::Unreadable,
        Self::Signature,
        Self::Name,
        Self::Key,
        Self::TooMany,
        Self::Internal,
    ];

    /// The stable code, as stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoAuthority => "no_authority",
            Self::NotProven => "not_proven",
            Self::Purpose => "purpose",
            Self::Unreadable => "unreadable",
            Self::Signature => "signature",
            Self::Name => "name",
            Self::Key => "key",
            Self::TooMany => "too_many",
            Self::Internal => "internal",
        }
    }

    /// OCPP 2.x's word (part 2, appendix of reason codes).
    fn word(self) -> &'static str {
        match self {
            Self::NoAuthority => "UnsupportedRequest",
            Self::NotProven => "NotEnabled",
            Self::Purpose => "UnsupportedParam",
            Self::Unreadable | Self::Signature | Self::Name | Self::Key => "InvalidCSR",
            Self::TooMany => "Unspecified",
            Self::Internal => "InternalError",
        }
    }
}

/// A request that is not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// What was found, in words.
    pub detail: String,
}

impl Refused {
    /// A refusal; what is too long of its detail is cut off.
    pub fn new(reason: Reason, detail: impl AsRef<str>) -> Self {
        Self { reason, detail: detail.as_ref().chars().take(DETAIL_CHARS_MAX).collect() }
    }
}

/// Judges the payload of a SignCertificate by a charger of this identity.
///
/// # Errors
/// The first thing that speaks against it: purpose, readability, kind and size of the key, proof of possession, name.
pub fn judge(version: Version, payload: &str, identity: &PileId) -> Result<Wanted, Refused> {
    let payload: Value = serde_json::from_str(payload).unwrap_or_default();
    let purpose = members::text(&payload, "certificateType").filter(|_| version != Version::V16);
    if let Some(purpose) = purpose.filter(|purpose| purpose != OURS) {
        return Err(Refused::new(Reason::Purpose, purpose));
    }
    let text = members::text(&payload, "csr").ok_or_else(|| unreadable("it has no csr"))?;
    let public_key = judge_request(&text, identity)?;
    let request_id = payload.get("requestId").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
    Ok(Wanted { public_key, request_id: request_id.filter(|_| version == Version::V21) })
}

fn judge_request(text: &str, identity: &PileId) -> Result<Vec<u8>, Refused> {
    let der = der(text)?;
    let (rest, request) =
        X509CertificationRequest::from_der(&der).map_err(|_| unreadable("it is no PKCS #10 request"))?;
    if !rest.is_empty() {
        return Err(unreadable("something stands behind the request"));
    }
    let info = &request.certification_request_info;
    check_key(&info.subject_pki)?;
    if !SIGNATURES.contains(&request.signature_algorithm.algorithm) {
        let oid = request.signature_algorithm.algorithm.to_id_string();
        return Err(Refused::new(Reason::Signature, format!("signed with {oid}, which is not taken here")));
    }
    request
        .verify_signature()
        .map_err(|_| Refused::new(Reason::Signature, "it is not signed with the key that it names"))?;
    check_name(&info.subject, identity)?;
    Ok(info.subject_pki.raw.to_vec())
}

fn unreadable(why: &str) -> Refused {
    Refused::new(Reason::Unreadable, why)
}

/// The bytes of the one request in a PEM text.
fn der(text: &str) -> Result<Vec<u8>, Refused> {
    if text.chars().count() > REQUEST_CHARS_MAX {
        return Err(unreadable("it is longer than 5500 characters"));
    }
    let text = text.trim();
    let body = LABELS.iter().find_map(|label| {
        let rest = text.strip_prefix(&format!("-----BEGIN {label}-----"))?;
        rest.strip_suffix(&format!("-----END {label}-----"))
    });
    let body = body.ok_or_else(|| unreadable("it is no certificate request in PEM"))?;
    let digits: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(digits).map_err(|_| unreadable("its PEM is no base64"))
}

/// P-256, P-384, or RSA of a fair size.
fn check_key(key: &SubjectPublicKeyInfo<'_>) -> Result<(), Refused> {
    let refused = |detail: String| Err(Refused::new(Reason::Key, detail));
    let curve = || key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    match (key.parsed(), &key.algorithm.algorithm) {
        (Ok(PublicKey::RSA(rsa)), kind) if *kind == OID_PKCS1_RSAENCRYPTION => {
            let bits = bits(rsa.modulus);
            if (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                Ok(())
            } else {
                refused(format!("RSA of {bits} bits; {RSA_BITS_MIN} to {RSA_BITS_MAX} are taken"))
            }
        }
        (Ok(PublicKey::EC(_)), kind) if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY => match curve() {
            Some(oid) if oid == OID_EC_P256 || oid == OID_NIST_EC_P384 => Ok(()),
            Some(oid) => refused(format!("a curve ({}) that is neither P-256 nor P-384", oid.to_id_string())),
            None => refused("its curve is not named".to_owned()),
        },
        (_, kind) => refused(format!("a key ({}) that is neither P-256, P-384 nor RSA", kind.to_id_string())),
    }
}

/// Length of a number, leading zeros left out.
fn bits(number: &[u8]) -> usize {
    let significant = &number[number.iter().take_while(|byte| **byte == 0).count()..];
    significant.len() * 8 - significant.first().map_or(0, |first| first.leading_zeros() as usize)
}

/// One common name, the identity: by that name the charger will be known at the handshake (security profile 3).
fn check_name(subject: &X509Name<'_>, identity: &PileId) -> Result<(), Refused> {
    let names: Vec<_> = subject.iter_common_name().map(|name| name.as_str().unwrap_or_default()).collect();
    if names == [identity.as_str()] {
        return Ok(());
    }
    let found = names.join(", ");
    Err(Refused::new(Reason::Name, format!("its common name is “{found}”, the identity is “{identity}”")))
}

/// The answer to a SignCertificate: Accepted if its certificate will come, else Rejected, in 2.x with the reason.
pub fn answer(version: Version, id: &str, outcome: Result<(), &Refused>) -> String {
    let payload = match (outcome, version) {
        (Ok(()), _) => json!({ "status": "Accepted" }),
        (Err(_), Version::V16) => json!({ "status": "Rejected" }),
        (Err(refused), _) => {
            let mut info = json!({ "reasonCode": refused.reason.word() });
            if !refused.detail.is_empty() {
                info["additionalInfo"] = json!(refused.detail);
            }
            json!({ "status": "Rejected", "statusInfo": info })
        }
    };
    json!([3, id, payload]).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUESTS: &str = include_str!("signing/requests.pem");

    fn request(name: &str) -> &'static str {
        let from = REQUESTS.split_once(&format!("# {name}\n")).expect("a request of this name").1;
        from.split("\n\n").next().expect("ends")
    }

    fn judged(version: Version, payload: &Value) -> Result<Wanted, (Reason, String)> {
        let identity = PileId::parse("CP-1").expect("an identity");
        judge(version, &payload.to_string(), &identity).map_err(|refused| (refused.reason, refused.detail))
    }

    #[test]
    fn a_request_with_a_fair_key_proof_and_name_may_be_signed() {
        for name in ["p256", "p256_sha384", "p384", "rsa2048", "rsa2048_pss", "asks_for_ca"] {
            for version in [Version::V16, Version::V201, Version::V21] {
                let wanted = judged(version, &json!({ "csr": request(name) })).expect(name);
                let (rest, key) = SubjectPublicKeyInfo::from_der(&wanted.public_key).expect("a key");
                assert!(rest.is_empty() && key.parsed().is_ok() && wanted.request_id.is_none());
            }
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let check = |name: &str, expected: Reason, part: &str| {
            let (reason, detail) = judged(Version::V16, &json!({ "csr": request(name) })).expect_err(name);
            assert_eq!(reason, expected, "{name}: {detail}");
            assert!(detail.contains(part), "{name}: {detail}");
        };
        check("rsa1024", Reason::Key, "1024 bits");
        check("p521", Reason::Key, "1.3.132.0.35");
        check("k256", Reason::Key, "1.3.132.0.10");
        check("ed", Reason::Key, "1.3.101.112");
        check("sha1", Reason::Signature, "1.2.840.113549.1.1.5");
        check("tampered_name", Reason::Signature, "not signed with the key");
        check("other_name", Reason::Name, "CP-2");
        check("two_names", Reason::Name, "CP-1, CP-2");
        check("no_name", Reason::Name, "“”");
        check("trailing", Reason::Unreadable, "behind");
    }

    #[test]
    fn texts_that_are_no_request_are_refused_and_nothing_panics() {
        let whole = request("p256");
        let folded = whole.replace('\n', "\r\n").replace("CERTIFICATE REQ", "NEW CERTIFICATE REQ");
        assert!(judged(Version::V16, &json!({ "csr": format!("\n {folded}\n\n") })).is_ok());
        let long = format!("{}{whole}", " ".repeat(REQUEST_CHARS_MAX));
        for text in [
            "",
            "-----BEGIN CERTIFICATE REQUEST-----",
            &long,
            &whole.replacen("MI", "M", 1),
            &whole.repeat(2),
        ] {
            let refused = judged(Version::V21, &json!({ "csr": text })).expect_err(text);
            assert_eq!(refused.0, Reason::Unreadable, "{text}");
        }
        for payload in [json!({}), json!([]), json!(null), json!({ "csr": 5 })] {
            assert_eq!(judged(Version::V16, &payload).expect_err("no csr").0, Reason::Unreadable);
        }
        // Every byte of a good request wrong once: what passes differs in nothing that counts, since that is signed. (It may in
        // how the kind of the signature is written, which is not.)
        let good = judged(Version::V16, &json!({ "csr": whole })).expect("good");
        let bytes = der(whole).expect("readable");
        for place in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[place] ^= 1;
            let text = format!(
                "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----",
                STANDARD.encode(bytes)
            );
            let judged = judged(Version::V16, &json!({ "csr": text }));
            assert!(judged.is_err() || judged == Ok(good.clone()), "byte {place}");
        }
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_nothing_panics_and_nothing_else_is_signed(
            place in 0usize..250,
            cut in 0usize..60,
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            name in prop::sample::select(vec!["p256", "rsa2048", "asks_for_ca", "two_names"]),
        ) {
            let mut der = der(request(name)).expect("readable");
            let place = place.min(der.len());
            let end = (place + cut).min(der.len());
            let good = judged(Version::V16, &json!({ "csr": request(name) }));
            der.splice(place..end, bytes);
            let text = STANDARD.encode(der);
            let text =
                format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----");
            let judged = judged(Version::V16, &json!({ "csr": text }));
            prop_assert!(judged.is_err() || judged == good);
        }
    }

    #[test]
    fn only_the_charger_s_own_certificate_is_signed_and_2_1_gives_it_a_number() {
        let with = |kind: &str| json!({ "csr": request("p256"), "certificateType": kind, "requestId": 7 });
        for kind in ["V2GCertificate", "V2G20Certificate", &"x".repeat(1_000)] {
            let (reason, detail) = judged(Version::V21, &with(kind)).expect_err(kind);
            assert!(reason == Reason::Purpose && detail.len() <= DETAIL_CHARS_MAX);
        }
        let number = |version| judged(version, &with(OURS)).expect("good").request_id;
        assert_eq!([Version::V16, Version::V201, Version::V21].map(number), [None, None, Some(7)]);
    }

    #[test]
    fn lengths_are_counted_in_bits() {
        assert_eq!([&b""[..], b"\0", b"\0\x80\0", b"\x01\0"].map(bits), [0, 0, 16, 9]);
    }

    #[test]
    fn a_refusal_says_why_where_the_version_has_words_for_it() {
        let refused = Refused::new(Reason::Key, "RSA of 1024 bits");
        assert_eq!(answer(Version::V16, "1", Err(&refused)), r#"[3,"1",{"status":"Rejected"}]"#);
        assert_eq!(
            answer(Version::V21, "1", Err(&refused)),
            r#"[3,"1",{"status":"Rejected","statusInfo":{"additionalInfo":"RSA of 1024 bits","reasonCode":"InvalidCSR"}}]"#
        );
        assert_eq!(answer(Version::V201, "1", Ok(())), r#"[3,"1",{"status":"Accepted"}]"#);
    }
}
