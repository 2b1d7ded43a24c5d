//! The signature layer: what every format does once its bytes, hash and curve are known.
//!
//! Called by the formats.

use super::curve::{Curve, Unusable};
use super::{Encoding, Layer, Verdict, key};

/// A signature to compare.
pub(super) struct Signature<'a> {
    /// By which curve.
    pub(super) curve: Curve,
    /// The algorithm's name, for findings.
    pub(super) algorithm: &'a str,
    /// Its bytes, or why they cannot be read.
    pub(super) bytes: Result<Vec<u8>, String>,
    /// The hash of what is signed.
    pub(super) hash: &'a [u8],
}

impl Signature<'_> {
    /// The verdict with its signature and key layers. Whose key it is, the caller knows: that is not asked here, which the key layer says; whoever
    /// asked the register says what it answered instead ([`super::arrived`]).
    pub(super) fn check(
        self,
        public_key: Option<&str>,
        encoding: Option<Encoding>,
    ) -> (Verdict, Layer, Layer) {
        let no_key =
            |code: &str, why: String| (Verdict::NoKey, Layer::not_checked(), Layer::failed(code, why));
        let Some(text) = public_key.filter(|text| !text.trim().is_empty()) else {
            return no_key("no_key", "no public key is known for this record".to_owned());
        };
        let key = match key::read(text, encoding) {
            Ok(key) => key,
            Err(why) => return no_key("key_unreadable", why),
        };
        if let Some(of_key) = key.curve.filter(|of_key| *of_key != self.curve) {
            let detail = format!("the key is of {of_key:?}, the record says {}", self.algorithm);
            return (Verdict::Invalid, Layer::failed("key_of_other_curve", detail), Layer::not_checked());
        }
        let mut belongs = Layer::not_checked();
        belongs.remark("no_register", "whose key this is was not asked");
        let invalid =
            |code: &str, why: String, belongs| (Verdict::Invalid, Layer::failed(code, why), belongs);
        let bytes = match self.bytes {
            Ok(bytes) => bytes,
            Err(why) => return invalid("signature_unreadable", why, belongs),
        };
        match self.curve.verify(&key.point, &bytes, self.hash) {
            Ok(true) => (Verdict::Valid, Layer::ok(), belongs),
            Ok(false) => {
                invalid("signature_differs", "these bytes were not signed with this key".to_owned(), belongs)
            }
            Err(Unusable::Signature) => {
                let why = "it is neither a DER sequence of r and s nor the two one after the other";
                invalid("signature_unreadable", why.to_owned(), belongs)
            }
            Err(Unusable::Point) => {
                no_key("key_unreadable", "the point does not lie on the curve".to_owned())
            }
        }
    }
}
