//! EDL40 records in SML: a meter's list of values with one signature over 320 bytes that are put together from them.
//!
//! Called by [`super::check`]. Two of the variants are read, told apart by the OBIS code of their page number:
//!
//! | variant | curve | page | readings |
//! |---|---|---|---|
//! | ISA-EDL-40P (Isabellenhütte) | P-256 | `81 80 C7 F0 40 FF` | where the charge began, and now |
//! | EDL40 (EMH, EasyMeter) | P-192 | `81 80 81 71 01 FF` | now; which end of the charge is not said |
//!
//! Others (older lists without a page, lists with newer curves) are `unsupported`. Signed are the values, not the SML around
//! them: of the times only what the clock showed, of the status only the lowest byte. Layouts as read by S.A.F.E. e.V.'s
//! Transparenzsoftware, compared with real records; all numbers little endian.

use sha2::{Digest, Sha256};

use super::curve::Curve;
use super::dlms::{self, Register};
use super::signature::Signature;
use super::sml::{self, Malformed, Sml};
use super::{Checked, Encoding, Format, Layer, Layers, Moment, Outcome, SignedReading, decode};

/// Bytes that are signed; what no value fills is zero.
const SIGNED_BYTES: usize = 320;

/// Longest contract: what is shorter is filled with zeros.
const CONTRACT_BYTES_MAX: usize = 128;

/// Tag of the response to a request for a list.
const GET_LIST_RESPONSE: u64 = 0x0701;

/// Values of one list; real ones have five.
const ENTRIES_MAX: usize = 64;

/// Signature of ISA-EDL-40P: r and s of P-256, two bytes of the log's index.
const ISA_SIGNATURE_BYTES: usize = 66;

/// Signature of EDL40: r and s of P-192, two bytes of the log's index.
const EDL_SIGNATURE_BYTES: usize = 50;

/// Signature by a curve of 384 bits, which nobody has been seen to use yet.
const LONGER_SIGNATURE_BYTES: usize = 98;

const CONTRACT: [u8; 6] = [0x81, 0x82, 0x81, 0x54, 0x01, 0xff];
const ISA_PAGE: [u8; 6] = [0x81, 0x80, 0xc7, 0xf0, 0x40, 0xff];
const ISA_START: [u8; 6] = [0x01, 0x00, 0x01, 0x08, 0x00, 0x80];
const ISA_NOW: [u8; 6] = [0x01, 0x00, 0x01, 0x08, 0x00, 0xff];
const ISA_STATION: [u8; 6] = [0x81, 0x80, 0x81, 0x61, 0x01, 0xff];
const EDL_PAGE: [u8; 6] = [0x81, 0x80, 0x81, 0x71, 0x01, 0xff];
const EDL_NOW: [u8; 6] = [0x01, 0x00, 0x01, 0x11, 0x00, 0xff];
const EDL_SECONDS: [u8; 6] = [0x81, 0x00, 0x60, 0x08, 0x00, 0x01];

/// Names of ISA-EDL-40P's lists, up to the byte that says at which moment of a charge they were made.
const ISA_LIST: [u8; 4] = [0x81, 0x80, 0x81, 0x62];

/// What a record says, whichever variant it is.
struct Record {
    format: Format,
    curve: Curve,
    algorithm: &'static str,
    /// What is signed.
    signed: Vec<u8>,
    /// r and s.
    signature: Vec<u8>,
    meter_id: Vec<u8>,
    session: String,
    page: u32,
    readings: Vec<SignedReading>,
}

/// Checks a record with a key.
pub fn check(bytes: &[u8], public_key: Option<&str>, key_encoding: Option<Encoding>) -> Checked {
    let record = file(bytes).and_then(|file| {
        let bodies = sml::open(&file)?;
        let list = List::find(&bodies)?;
        match (list.get(ISA_PAGE), list.get(EDL_PAGE), list.signature.len()) {
            (Some(_), _, ISA_SIGNATURE_BYTES) => isa(&list).map(Some),
            (None, Some(_), EDL_SIGNATURE_BYTES) => edl(&list).map(Some),
            (None, None, _) | (.., ISA_SIGNATURE_BYTES | EDL_SIGNATURE_BYTES | LONGER_SIGNATURE_BYTES) => {
                Ok(None)
            }
            (.., other) => Err(("signature_unreadable", format!("{other} bytes of signature"))),
        }
    });
    match record {
        Ok(Some(record)) => judge(record, public_key, key_encoding),
        Ok(None) => {
            let mut syntax = Layer::ok();
            syntax.remark(
                "variant_unknown",
                "a list of values without a page is signed in a way not known here",
            );
            Checked::stopped(super::Verdict::Unsupported, None, syntax)
        }
        Err((code, why)) => Checked::malformed(None, code, why),
    }
}

/// The bytes, which may have come as text.
fn file(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    if bytes.starts_with(&[0x1b; 4]) {
        return Ok(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ("not_utf8", error.to_string()))?;
    decode(text, Encoding::Hex)
        .or_else(|_| decode(text, Encoding::Base64))
        .map_err(|why| ("bad_encoding", why))
}

fn judge(record: Record, public_key: Option<&str>, key_encoding: Option<Encoding>) -> Checked {
    let hash = Sha256::digest(&record.signed);
    let signature = Signature {
        curve: record.curve,
        algorithm: record.algorithm,
        bytes: Ok(record.signature),
        hash: &hash,
    };
    let (verdict, signature, key) = signature.check(public_key, key_encoding);
    let transaction = transaction(&record.readings);
    Checked {
        verdict,
        billable: verdict == super::Verdict::Valid && transaction.outcome == Outcome::Ok,
        layers: Layers { syntax: Layer::ok(), signature, key, transaction },
        format: Some(record.format),
        meter_serial: Some(hex::encode_upper(record.meter_id)),
        session: Some(record.session),
        page: Some(u64::from(record.page)),
        readings: record.readings,
    }
}

fn transaction(readings: &[SignedReading]) -> Layer {
    let mut layer = Layer::ok();
    readings.iter().for_each(|reading| dlms::object(&mut layer, reading));
    if let [first, last] = readings {
        if last.energy_wh() < first.energy_wh() {
            layer.object("register_falls", format!("{:?} after {:?}", last.register, first.register));
        }
        if super::pair::runs_back(first, last) != Some(false) {
            layer.object("time_runs_back", format!("{} after {}", last.time, first.time));
        }
    }
    let last = readings.last().map_or(Moment::Other, |last| last.moment);
    if layer.outcome == Outcome::Ok && (readings.len() == 1 || last != Moment::End) {
        layer.outcome = Outcome::NotChecked;
        layer.remark("one_reading", super::missing_half(last));
    }
    layer
}

/// ISA-EDL-40P: the first 33 bytes are the meter's own signed value, then come that value's signature and the charge.
fn isa(list: &List<'_>) -> Result<Record, Malformed> {
    let (start, now) = (list.required(ISA_START)?, list.required(ISA_NOW)?);
    let own_signature = now.signature.filter(|bytes| bytes.len() == ISA_SIGNATURE_BYTES);
    let own_signature = own_signature.ok_or_else(|| shape("the value's own signature has not 66 bytes"))?;
    let (signature, log) = list.signature();
    let station = list.required(ISA_STATION)?.value.bytes().filter(|bytes| bytes.len() == 20);
    let page = list.required(ISA_PAGE)?.number()?;
    let mut signed = Composed::default();
    signed.put(&list.meter_id).put(&now.time()?.to_le_bytes()).put(&[now.status()?]);
    signed.put_register(&now.register(ISA_NOW)?).put(log).put(own_signature);
    signed.put(&list.contract()?).put(&start.time()?.to_le_bytes());
    signed
        .put(station.ok_or_else(|| shape("the station's identity has not 20 bytes"))?)
        .put(&[start.status()?]);
    signed.put_register(&start.register(ISA_START)?).put(&list.name).put(&page.to_le_bytes());
    let moment = match list.name.strip_prefix(&ISA_LIST) {
        Some([0, 0xff]) => Moment::Begin,
        Some([1, 0xff]) => Moment::During,
        Some([2, 0xff]) => Moment::End,
        _ => Moment::Other,
    };
    Ok(Record {
        format: Format::IsaEdl40P,
        curve: Curve::Secp256r1,
        algorithm: "ECDSA-secp256r1-SHA256",
        signed: signed.filled(),
        signature: signature.to_vec(),
        meter_id: list.meter_id.to_vec(),
        session: list.session()?,
        page,
        readings: vec![start.reading(ISA_START, Moment::Begin)?, now.reading(ISA_NOW, moment)?],
    })
}

/// EDL40: P-192, so that of the SHA-256 the first 24 bytes count.
fn edl(list: &List<'_>) -> Result<Record, Malformed> {
    let (contract, now) = (list.required(CONTRACT)?, list.required(EDL_NOW)?);
    let (signature, log) = list.signature();
    let page = list.required(EDL_PAGE)?.number()?;
    let seconds = list.required(EDL_SECONDS)?.seconds()?;
    let mut signed = Composed::default();
    signed.put(&list.meter_id).put(&now.time()?.to_le_bytes()).put(&[now.status()?]);
    signed.put(&seconds.to_le_bytes()).put(&page.to_le_bytes());
    signed.put_register(&now.register(EDL_NOW)?).put(log);
    signed.put(&list.contract()?).put(&contract.time()?.to_le_bytes());
    Ok(Record {
        format: Format::Edl40P,
        curve: Curve::Secp192r1,
        algorithm: "ECDSA-secp192r1-SHA256",
        signed: signed.filled(),
        signature: signature.to_vec(),
        meter_id: list.meter_id.to_vec(),
        session: format!("{}/{}", list.session()?, hex::encode_upper(log)),
        page,
        readings: vec![now.reading(EDL_NOW, Moment::Other)?],
    })
}

/// The bytes that are signed, put one after the other.
#[derive(Default)]
struct Composed(Vec<u8>);

impl Composed {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn put_register(&mut self, register: &Register) -> &mut Self {
        self.put(&register.obis).put(&[register.unit]).put(&register.scaler.to_le_bytes());
        self.put(&register.value.to_le_bytes())
    }

    fn filled(mut self) -> Vec<u8> {
        self.0.resize(SIGNED_BYTES, 0);
        self.0
    }
}

/// The response that carries the values.
struct List<'a> {
    meter_id: [u8; 10],
    name: [u8; 6],
    entries: Vec<([u8; 6], Entry<'a>)>,
    signature: &'a [u8],
}

impl<'a> List<'a> {
    fn find(bodies: &'a [(u64, Sml)]) -> Result<Self, Malformed> {
        let mut lists = bodies.iter().filter(|(tag, _)| *tag == GET_LIST_RESPONSE);
        match (lists.next(), lists.next()) {
            (Some((_, list)), None) => Self::read(list),
            (None, _) => Err(("list_missing", "no message carries a list of values".to_owned())),
            (Some(_), Some(_)) => {
                Err(("list_twice", "more than one message carries a list of values".to_owned()))
            }
        }
    }

    fn read(list: &'a Sml) -> Result<Self, Malformed> {
        let [_, meter, name, _, values, signature, _] =
            list.members().ok_or_else(|| shape("the list's message has not seven parts"))?;
        let values = values.list().filter(|values| values.len() <= ENTRIES_MAX);
        let mut entries: Vec<([u8; 6], Entry<'_>)> = Vec::new();
        for value in values.ok_or_else(|| shape("the values are no list, or too many"))? {
            let (code, entry) = Entry::read(value).ok_or_else(|| shape("a value has another shape"))?;
            if entries.iter().any(|(known, _)| *known == code) {
                return Err(("field_twice", hex::encode_upper(code)));
            }
            entries.push((code, entry));
        }
        let signature = signature.bytes().filter(|bytes| !bytes.is_empty());
        Ok(Self {
            meter_id: exactly(meter).ok_or_else(|| shape("the meter's identity has not ten bytes"))?,
            name: exactly(name).ok_or_else(|| shape("the list's name has not six bytes"))?,
            entries,
            signature: signature.ok_or(("signature_missing", "the list is not signed".to_owned()))?,
        })
    }

    fn get(&self, code: [u8; 6]) -> Option<&Entry<'a>> {
        self.entries.iter().find(|(known, _)| *known == code).map(|(_, entry)| entry)
    }

    fn required(&self, code: [u8; 6]) -> Result<&Entry<'a>, Malformed> {
        self.get(code).ok_or_else(|| ("field_missing", hex::encode_upper(code)))
    }

    /// The signature's numbers, and the two bytes after them: the index of the meter's log.
    fn signature(&self) -> (&[u8], &[u8]) {
        self.signature.split_at(self.signature.len().saturating_sub(2))
    }

    fn contract(&self) -> Result<Vec<u8>, Malformed> {
        let contract = self.required(CONTRACT)?.value.bytes();
        let contract = contract.filter(|bytes| bytes.len() <= CONTRACT_BYTES_MAX);
        let mut contract = contract.ok_or_else(|| shape("the contract is too long or no text"))?.to_vec();
        contract.resize(CONTRACT_BYTES_MAX, 0);
        Ok(contract)
    }

    /// The contract, in hexadecimal without the zeros that fill it.
    fn session(&self) -> Result<String, Malformed> {
        let contract = self.contract()?;
        let length = contract.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(hex::encode_upper(&contract[..length]))
    }
}

/// One value of the list.
struct Entry<'a> {
    status: &'a Sml,
    time: &'a Sml,
    unit: &'a Sml,
    scaler: &'a Sml,
    value: &'a Sml,
    signature: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    fn read(entry: &'a Sml) -> Option<([u8; 6], Self)> {
        let [code, status, time, unit, scaler, value, signature] = entry.members()?;
        Some((exactly(code)?, Self { status, time, unit, scaler, value, signature: signature.bytes() }))
    }

    /// Lowest byte of the status: no more of it is signed.
    fn status(&self) -> Result<u8, Malformed> {
        let status = self.status.unsigned().ok_or_else(|| shape("a status is no number"))?;
        Ok(status.to_le_bytes()[0])
    }

    /// What the clock showed, in seconds since 1970: either as it is, or as UTC with two offsets in minutes.
    fn time(&self) -> Result<u32, Malformed> {
        let read = || match self.time.members()? {
            [tag, time] if tag.unsigned()? == 2 => time.unsigned().map(i128::from),
            [tag, time] if tag.unsigned()? == 3 => {
                let [time, zone, season] = time.members()?;
                let minutes = i128::from(zone.integer()?) + i128::from(season.integer()?);
                Some(i128::from(time.unsigned()?) + 60 * minutes)
            }
            _ => None,
        };
        read().and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(|| shape("a time cannot be read"))
    }

    /// Seconds the meter has run, counted by itself: a list of one type, which is a time of another.
    fn seconds(&self) -> Result<u32, Malformed> {
        let read = || {
            let [_, time] = self.value.members()?;
            let [tag, seconds] = time.members()?;
            (tag.unsigned()? == 1).then_some(u32::try_from(seconds.unsigned()?).ok()?)
        };
        read().ok_or_else(|| shape("the seconds index cannot be read"))
    }

    fn number(&self) -> Result<u32, Malformed> {
        let number = self.value.unsigned().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| shape("the page is no number of 32 bits"))
    }

    fn register(&self, obis: [u8; 6]) -> Result<Register, Malformed> {
        let read = || {
            let unit = u8::try_from(self.unit.unsigned()?).ok()?;
            let scaler = i8::try_from(self.scaler.integer()?).ok()?;
            Some(Register { obis, unit, scaler, value: self.value.integer()? })
        };
        read().ok_or_else(|| {
            ("bad_register", format!("{} is no number with unit and scaler", hex::encode_upper(obis)))
        })
    }

    fn reading(&self, obis: [u8; 6], moment: Moment) -> Result<SignedReading, Malformed> {
        Ok(self.register(obis)?.read(moment, dlms::local_time(self.time()?)))
    }
}

fn exactly<const N: usize>(value: &Sml) -> Option<[u8; N]> {
    value.bytes()?.try_into().ok()
}

fn shape(why: &str) -> Malformed {
    ("sml_unreadable", why.to_owned())
}
