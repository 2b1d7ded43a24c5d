//! The curves of signed records, by the libraries of RustCrypto.
//!
//! Called by the formats. Checked against signatures made by an independent implementation (`records.jsonl`). secp192k1 has no
//! maintained library and is `unsupported`.

use ecdsa::signature::hazmat::PrehashVerifier;

/// A named curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-192.
    Secp192r1,
    /// NIST P-256.
    Secp256r1,
    /// Koblitz curve of 256 bits.
    Secp256k1,
    /// NIST P-384.
    Secp384r1,
    /// NIST P-521.
    Secp521r1,
    /// RFC 5639, 256 bits.
    BrainpoolP256r1,
    /// RFC 5639, 384 bits.
    BrainpoolP384r1,
}

/// Curve, object identifier (SEC 2, RFC 5480, RFC 5639), names in `SA` of OCMF.
const CURVES: [(Curve, &str, &[&str]); 7] = [
    (Curve::Secp192r1, "1.2.840.10045.3.1.1", &["secp192r1"]),
    (Curve::Secp256r1, "1.2.840.10045.3.1.7", &["secp256r1"]),
    (Curve::Secp256k1, "1.3.132.0.10", &["secp256k1"]),
    (Curve::Secp384r1, "1.3.132.0.34", &["secp384r1"]),
    (Curve::Secp521r1, "1.3.132.0.35", &["secp521r1"]),
    (Curve::BrainpoolP256r1, "1.3.36.3.3.2.8.1.1.7", &["brainpool256r1", "brainpoolP256r1"]),
    (Curve::BrainpoolP384r1, "1.3.36.3.3.2.8.1.1.11", &["brainpool384r1", "brainpoolP384r1"]),
];

/// Why a signature could not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// The point is none of the curve.
    Point,
    /// The signature is neither a DER sequence of two numbers in range nor the two numbers one after the other.
    Signature,
}

macro_rules! verify {
    ($curve:ty, $point:expr, $bytes:expr, $hash:expr) => {{
        let key = ecdsa::VerifyingKey::<$curve>::from_sec1_bytes($point).map_err(|_| Unusable::Point)?;
        let signature = ecdsa::Signature::<$curve>::from_der($bytes)
            .or_else(|_| ecdsa::Signature::<$curve>::from_slice($bytes))
            .map_err(|_| Unusable::Signature)?;
        // A meter does not care which of the two signs s has; a library that forbids one of them must not decide here.
        let either = [signature, signature.normalize_s()];
        Ok(either.iter().any(|signature| key.verify_prehash($hash, signature).is_ok()))
    }};
}

macro_rules! uncompressed {
    ($curve:ty, $point:expr) => {
        ecdsa::VerifyingKey::<$curve>::from_sec1_bytes($point)
            .ok()
            .map(|key| key.to_sec1_point(false).as_bytes().to_vec())
    };
}

impl Curve {
    /// Every one, with its object identifier in dotted form.
    pub(super) fn all() -> impl Iterator<Item = (Self, &'static str)> {
        CURVES.iter().map(|(curve, oid, _)| (*curve, *oid))
    }

    /// By a name in OCMF's `SA`.
    pub fn from_name(name: &str) -> Option<Self> {
        CURVES.iter().find(|(.., names)| names.contains(&name)).map(|(curve, ..)| *curve)
    }

    /// By an object identifier in dotted form.
    pub fn from_oid(oid: &str) -> Option<Self> {
        CURVES.iter().find(|(_, known, ..)| *known == oid).map(|(curve, ..)| *curve)
    }

    /// Whether `signature` is one of the hash by the key whose point is `point` (SEC 1, uncompressed or compressed).
    ///
    /// The signature is a DER sequence of r and s, or, as some meters write it, r and s one after the other.
    pub fn verify(self, point: &[u8], signature: &[u8], hash: &[u8]) -> Result<bool, Unusable> {
        match self {
            Self::Secp192r1 => verify!(p192::NistP192, point, signature, hash),
            Self::Secp256r1 => verify!(p256::NistP256, point, signature, hash),
            Self::Secp256k1 => verify!(k256::Secp256k1, point, signature, hash),
            Self::Secp384r1 => verify!(p384::NistP384, point, signature, hash),
            Self::Secp521r1 => verify!(p521::NistP521, point, signature, hash),
            Self::BrainpoolP256r1 => verify!(bp256::BrainpoolP256r1, point, signature, hash),
            Self::BrainpoolP384r1 => verify!(bp384::BrainpoolP384r1, point, signature, hash),
        }
    }

    /// A point written in full (SEC 1, uncompressed), to compare keys; none if it is no point of the curve.
    pub fn uncompressed(self, point: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Secp192r1 => uncompressed!(p192::NistP192, point),
            Self::Secp256r1 => uncompressed!(p256::NistP256, point),
            Self::Secp256k1 => uncompressed!(k256::Secp256k1, point),
            Self::Secp384r1 => uncompressed!(p384::NistP384, point),
            Self::Secp521r1 => uncompressed!(p521::NistP521, point),
            Self::BrainpoolP256r1 => uncompressed!(bp256::BrainpoolP256r1, point),
            Self::BrainpoolP384r1 => uncompressed!(bp384::BrainpoolP384r1, point),
        }
    }
}
