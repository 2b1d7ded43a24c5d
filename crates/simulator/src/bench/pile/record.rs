//! The signed record of a charge: OCMF 1.2 with its first and last reading, signed with the meter's key on secp256r1.
//!
//! Used by [`super`]. It is written from the format's description, not with our reader of it.

use jiff::Timestamp;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::EncodePublicKey;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;

/// A key for a simulated meter, drawn from a seed. Whoever knows the seed knows the key: it protects nothing.
pub(super) fn drawn_key(seed: u64) -> [u8; 32] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    loop {
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        if SigningKey::from_slice(&secret).is_ok() {
            return secret;
        }
    }
}

/// A meter that signs.
pub(super) struct SigningMeter {
    key: SigningKey,
    meter_serial: String,
    /// Records so far: OCMF's pagination.
    page: u64,
}

/// A reading to be signed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stand {
    pub(super) at: Timestamp,
    pub(super) register_wh: Decimal,
}

impl SigningMeter {
    /// None if the bytes are no key of the curve.
    pub(super) fn new(secret: &[u8; 32], meter_serial: String) -> Option<Self> {
        Some(Self { key: SigningKey::from_slice(secret).ok()?, meter_serial, page: 0 })
    }

    /// The public key: hexadecimal of its DER SubjectPublicKeyInfo.
    pub(super) fn public_key(&self) -> Option<String> {
        let key = VerifyingKey::from(&self.key);
        Some(hex::encode(key.to_public_key_der().ok()?.as_bytes()))
    }

    /// The record of a charge.
    pub(super) fn record(&mut self, card: &str, begin: Stand, end: Stand) -> String {
        self.page += 1;
        let card = serde_json::Value::from(card);
        let payload = format!(
            "{{\"FV\":\"1.2\",\"GI\":\"veripile simulator\",\"GS\":\"{serial}\",\"PG\":\"T{page}\",\"MV\":\"SIM\",\
             \"MM\":\"BENCH\",\"MS\":\"{serial}\",\"IS\":true,\"IF\":[],\"IT\":\"CENTRAL\",\"ID\":{card},\
             \"RD\":[{},{}]}}",
            reading("B", begin),
            reading("E", end),
            serial = self.meter_serial,
            page = self.page,
        );
        let signature: Signature = self.key.sign(payload.as_bytes());
        let der = hex::encode(signature.to_der().as_bytes());
        format!("OCMF|{payload}|{{\"SA\":\"ECDSA-secp256r1-SHA256\",\"SD\":\"{der}\"}}")
    }
}

fn reading(moment: &str, stand: Stand) -> String {
    let at = stand.at.strftime("%Y-%m-%dT%H:%M:%S,%3f+0000 S");
    let kwh = stand.register_wh / Decimal::ONE_THOUSAND;
    format!(
        "{{\"TM\":\"{at}\",\"TX\":\"{moment}\",\"RV\":{kwh:.*},\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"EF\":\"\",\"ST\":\"G\"}}",
        kwh_places(stand.register_wh)
    )
}

/// Places of a register in kWh that show all there are in Wh.
pub(super) fn kwh_places(register_wh: Decimal) -> usize {
    register_wh.scale() as usize + 3
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::DerSignature;
    use p256::ecdsa::signature::Verifier;
    use p256::pkcs8::DecodePublicKey;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_record_holds_both_readings_and_the_key_verifies_it() {
        let mut meter = SigningMeter::new(&[7; 32], "SIM-M-1".to_owned()).expect("a key");
        let at = |second| Timestamp::from_second(second).expect("a time");
        let stand = |second, wh| Stand { at: at(second), register_wh: wh };
        let record =
            meter.record("A\"B", stand(0, Decimal::new(12_345, 1)), stand(60, Decimal::new(20_000, 1)));
        let parts: Vec<_> = record.splitn(3, '|').collect();
        let payload: Value = serde_json::from_str(parts[1]).expect("JSON");
        let signature: Value = serde_json::from_str(parts[2]).expect("JSON");
        assert_eq!((parts[0], &payload["PG"], &payload["ID"]), ("OCMF", &"T1".into(), &"A\"B".into()));
        assert_eq!(payload["RD"][0]["TM"], "1970-01-01T00:00:00,000+0000 S");
        assert_eq!(payload["RD"][0]["RV"].to_string(), "1.2345");
        assert_eq!(payload["RD"][1]["RV"].to_string(), "2.0000", "zeros at the end are part of the reading");
        let der = hex::decode(signature["SD"].as_str().expect("text")).expect("hexadecimal");
        let public = hex::decode(meter.public_key().expect("a key")).expect("hexadecimal");
        let public = VerifyingKey::from_public_key_der(&public).expect("a key");
        let signature = DerSignature::from_bytes(&der).expect("DER");
        assert!(public.verify(parts[1].as_bytes(), &signature).is_ok());
        let altered = parts[1].replace("2.0000", "2.0001");
        assert!(public.verify(altered.as_bytes(), &signature).is_err());
    }

    #[test]
    fn zero_is_no_key_and_what_is_drawn_is_one() {
        assert_ne!(drawn_key(1), drawn_key(2));
        assert!(SigningMeter::new(&drawn_key(1), String::new()).is_some());
        assert!(SigningMeter::new(&[0; 32], String::new()).is_none());
    }
}
