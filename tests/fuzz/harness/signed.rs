//! Signed records: a good one, the edits of the fuzzer, and the one thing that must hold: what was changed is never valid.
//!
//! Called by the targets of the formats. The first byte of an input chooses: any text as a record, edits of the good record,
//! edits of its key.

use veripile_ocpp::signed::{Encoding, Format, Record, Verdict, check};

use crate::choices::Choices;

/// Texts an edit may put in; each is something that a lenient reader would forgive or that means something in a record.
const TOKENS: [&str; 16] = [
    " ",
    "\n",
    "\t",
    "\u{2}",
    "\"",
    ",",
    "|",
    "{",
    "}",
    "0",
    "\\u0030",
    "\"RV\":13,",
    "\"SD\":\"00\",",
    "\"SE\":\"base64\",",
    "(RV:0013.000*kWh)",
    "(SG:00)",
];

/// A record that somebody signed with another library.
pub struct Signed {
    /// Its format.
    pub format: Format,
    /// The public key, hexadecimal.
    pub key: &'static str,
    /// The record.
    pub record: &'static str,
    /// Ends what stands before the signature: all up to and with this must be there to the letter.
    pub before_signature: &'static str,
    /// Characters around a record that are no part of it.
    pub around: &'static [char],
}

impl Signed {
    /// From a file of two lines, key and record.
    pub fn of(
        format: Format,
        file: &'static str,
        before_signature: &'static str,
        around: &'static [char],
    ) -> Self {
        let (key, record) = file.trim_end().split_once('\n').expect("a key and a record");
        Self { format, key, record, before_signature, around }
    }

    /// Judges what an input makes of the record.
    pub fn judge(&self, input: &[u8]) {
        let mut choices = Choices::new(input);
        match choices.byte() % 3 {
            0 => self.judge_record(&choices.rest()),
            1 => self.judge_record(&edited(self.record, &mut choices)),
            _ => self.judge_key(&edited(self.key, &mut choices)),
        }
    }

    /// Only a record that says the same under the same signature is valid.
    fn judge_record(&self, text: &str) {
        let valid = is_valid(self.format, text, self.key, Encoding::Plain);
        if text == self.record {
            assert!(valid, "the record as it was signed");
        }
        if valid {
            assert!(self.is_untouched(text), "altered and yet valid: {text:?}");
        }
        for encoding in [Encoding::Hex, Encoding::Base64] {
            assert!(!is_valid(self.format, text, self.key, encoding), "{encoding:?}: {text:?}");
        }
    }

    /// Only the same point is the key.
    fn judge_key(&self, key: &str) {
        let valid = is_valid(self.format, self.record, key, Encoding::Plain);
        assert!(valid || key != self.key, "the key as it was given");
        if valid {
            assert!(
                bare(key).contains(&self.key[self.key.len() - 128..]),
                "another key and yet valid: {key:?}"
            );
        }
    }

    fn is_untouched(&self, text: &str) -> bool {
        let end =
            self.record.rfind(self.before_signature).expect("a signature") + self.before_signature.len();
        let (covered, signature) = self.record.split_at(end);
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || self.around.contains(&c));
        let Some(tail) = text.strip_prefix(covered) else { return false };
        let tail = unescaped(&bare(tail));
        numbers(&hexadecimal(signature)).iter().all(|number| tail.contains(number))
    }
}

fn is_valid(format: Format, text: &str, key: &str, encoding: Encoding) -> bool {
    let record = Record {
        signed_data: text,
        encoding,
        format: Some(format),
        public_key: Some(key),
        ..Record::default()
    };
    let checked = check(&record);
    assert!(!checked.billable || checked.verdict == Verdict::Valid, "a bill rests on a valid record only");
    checked.verdict == Verdict::Valid
}

/// A text after the edits.
pub(crate) fn edited(text: &str, choices: &mut Choices<'_>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    edit(&mut bytes, choices);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Edits bytes: each edit flips bits of one, takes one out, doubles a piece or puts a token in.
pub(crate) fn edit(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    while !choices.is_empty() && !bytes.is_empty() {
        let kind = choices.byte() % 4;
        let at = choices.below(bytes.len());
        match kind {
            0 => bytes[at] ^= choices.byte() & 0x7f,
            1 => drop(bytes.remove(at)),
            2 => {
                let end = (at + usize::from(choices.byte() % 32)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => drop(bytes.splice(at..at, choices.pick(&TOKENS).bytes())),
        }
    }
}

/// Lower case, without blanks.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>().to_lowercase()
}

/// With `\u00xx` as the character it stands for.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u00");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                plain.push(char::from(code).to_ascii_lowercase());
                plain.push_str(&part[2..]);
            }
            None => plain.push_str(part),
        }
    }
    plain.retain(|c| !c.is_ascii_whitespace());
    plain
}

/// The longest run of hexadecimal digits: the signature in DER.
fn hexadecimal(text: &str) -> String {
    let runs = text.split(|c: char| !c.is_ascii_hexdigit());
    runs.max_by_key(|run| run.len()).unwrap_or_default().to_owned()
}

/// r and s of a signature in DER (`30 len 02 len r 02 len s`), hexadecimal, without leading zeros.
fn numbers(der: &str) -> [String; 2] {
    let length = |at: usize| usize::from_str_radix(&der[at..at + 2], 16).expect("DER") * 2;
    let r = &der[8..8 + length(6)];
    let s = &der[8 + r.len() + 4..];
    [r, s].map(|number| number.trim_start_matches('0').to_owned())
}
