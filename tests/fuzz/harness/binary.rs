//! Signed records whose signature covers bytes picked out of them: what the edits of the fuzzer leave valid says the same as before.
//!
//! Called by the targets of Alfen and EDL40, with records that another library signed. The first byte of an input chooses: any
//! text as a record, edits of its text, edits of its bytes with the check sum made right again, edits of its key.

use serde_json::Value;
use veripile_ocpp::signed::{Checked, Encoding, Format, Moment, Record, Verdict, check};

use crate::choices::Choices;
use crate::signed::{edit, edited};

/// Records and keys, one a line.
const RECORDS: &str = include_str!("../../../crates/ocpp/src/signed/halves.jsonl");

/// How a format's bytes lie in its text.
#[derive(Clone, Copy)]
pub enum Layout {
    /// Base32 in the last two of six fields.
    Alfen,
    /// Hexadecimal, ended by a check sum.
    Sml,
}

/// A signed record.
pub struct Sealed {
    format: Format,
    layout: Layout,
    text: String,
    key: String,
    told: Told,
}

/// What a record says that is signed: registers with unit, scale and time, meter, charge, page. At which end of a charge a reading
/// was taken is signed in some formats only.
#[derive(Debug, PartialEq)]
struct Told {
    readings: Vec<String>,
    meter: Option<String>,
    session: Option<String>,
    page: Option<u64>,
}

impl Told {
    fn of(checked: &Checked, moment_is_signed: bool) -> Self {
        let readings = checked.readings.iter().cloned().map(|mut reading| {
            if !moment_is_signed {
                reading.moment = Moment::Other;
            }
            format!("{reading:?}")
        });
        Self {
            readings: readings.collect(),
            meter: checked.meter_serial.clone(),
            session: checked.session.clone(),
            page: checked.page,
        }
    }
}

impl Sealed {
    /// The record of a name.
    pub fn of(name: &str, format: Format, layout: Layout) -> Self {
        let mut lines = RECORDS.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let record = lines.find(|record| record["name"] == name).expect("a record of that name");
        let part = |field: &str| record[field].as_str().expect("text").to_owned();
        let (text, key) = (part("signed_data"), part("public_key"));
        let checked = checked(format, &text, Some(&key), Encoding::Plain);
        assert_eq!(checked.verdict, Verdict::Valid, "{name} as it was signed");
        assert!(!checked.readings.is_empty(), "{name} says something");
        let told = Told::of(&checked, layout.signs_moments());
        Self { format, layout, text, key, told }
    }

    /// Judges what an input makes of the record.
    pub fn judge(&self, choices: &mut Choices<'_>) {
        match choices.byte() % 4 {
            0 => {
                let encoding =
                    [Encoding::Plain, Encoding::Hex, Encoding::Base64][usize::from(choices.byte() % 3)];
                let text = choices.rest();
                for key in [Some(self.key.as_str()), None] {
                    self.judge_record(&text, key, encoding);
                }
            }
            1 => {
                self.judge_record(&edited(&self.text, choices), Some(&self.key), Encoding::Plain);
            }
            2 => {
                let mut bytes = self.layout.unpack(&self.text);
                edit(&mut bytes, choices);
                let text = self.layout.pack(&self.text, bytes);
                self.judge_record(&text, Some(&self.key), Encoding::Plain);
            }
            _ => {
                let key = edited(&self.key, choices);
                let valid = self.judge_record(&self.text, Some(&key), Encoding::Plain);
                assert!(valid || key != self.key, "the key as it was given");
                assert!(!valid || same_key(&self.key, &key), "another key and yet valid: {key:?}");
            }
        }
    }

    fn judge_record(&self, text: &str, key: Option<&str>, encoding: Encoding) -> bool {
        let checked = checked(self.format, text, key, encoding);
        let valid = checked.verdict == Verdict::Valid;
        assert!(valid || !checked.billable, "a bill rests on a valid record only");
        if valid {
            assert!(key.is_some(), "valid without a key: {text:?}");
            assert_eq!(
                Told::of(&checked, self.layout.signs_moments()),
                self.told,
                "altered and yet valid: {text:?}"
            );
        }
        valid
    }
}

fn checked(format: Format, text: &str, public_key: Option<&str>, encoding: Encoding) -> Checked {
    check(&Record { signed_data: text, encoding, format: Some(format), public_key, ..Record::default() })
}

/// Whether a key is the same but for its writing: letters of another size, blanks, what says the encoding or the curve.
fn same_key(key: &str, other: &str) -> bool {
    let bare =
        |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    bare(other).contains(&bare(key))
}

impl Layout {
    fn signs_moments(self) -> bool {
        matches!(self, Self::Sml)
    }

    /// The bytes that stand in a record.
    fn unpack(self, text: &str) -> Vec<u8> {
        match self {
            Self::Alfen => {
                let fields = text.split(';').skip(4).take(2);
                fields
                    .flat_map(|field| data_encoding::BASE32.decode(field.as_bytes()).expect("base32"))
                    .collect()
            }
            Self::Sml => hex::decode(text).expect("hexadecimal"),
        }
    }

    /// The record with other bytes in it.
    fn pack(self, text: &str, mut bytes: Vec<u8>) -> String {
        match self {
            Self::Alfen => {
                let head: Vec<&str> = text.split(';').take(4).collect();
                let signature = bytes.split_off(bytes.len().saturating_sub(48));
                let field = |bytes: &[u8]| data_encoding::BASE32.encode(bytes);
                format!("{};{};{};", head.join(";"), field(&bytes), field(&signature))
            }
            Self::Sml => {
                bytes.truncate(bytes.len().saturating_sub(2));
                let sum = check_sum(&bytes).to_le_bytes();
                bytes.extend(sum);
                hex::encode(bytes)
            }
        }
    }
}

/// CRC-16/X-25 (ISO/IEC 13239), bit by bit.
fn check_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0xffff_u16;
    for byte in bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0x8408 } else { sum >> 1 };
        }
    }
    !sum
}
