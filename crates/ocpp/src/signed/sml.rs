//! SML, the Smart Message Language (BSI TR-03109-1, annex IV): the transport with its check sum, and what it carries.
//!
//! Called by [`super::edl40`]. Version 1 of the transport only. The check sum covers every byte of the file, so those of the
//! single messages are passed over. It guards against accidents, not against forgery: only what a signature covers is signed.

/// Escape sequence of the transport.
const ESCAPE: [u8; 4] = [0x1b; 4];

/// What follows the first escape sequence: version 1.
const BEGIN: [u8; 4] = [0x01; 4];

/// First byte of the end mark.
const END: u8 = 0x1a;

/// How deep lists may lie in each other; those of meters have seven levels.
const DEPTH_MAX: usize = 16;

/// Bytes a type-and-length field may have; four bits of length each, so that 16 bits are more than any record has.
const LENGTH_BYTES_MAX: usize = 4;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sml {
    /// Octets. None at all stands for an optional value that is left out.
    Bytes(Vec<u8>),
    /// True or false.
    Bool(bool),
    /// A signed number of up to 64 bits.
    Integer(i64),
    /// An unsigned number of up to 64 bits.
    Unsigned(u64),
    /// A list.
    List(Vec<Sml>),
    /// End of a message.
    End,
}

/// Why a file cannot be read: a code and what exactly.
pub(super) type Malformed = (&'static str, String);

impl Sml {
    /// The octets.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The members of a list.
    pub(super) fn list(&self) -> Option<&[Sml]> {
        if let Self::List(members) = self { Some(members) } else { None }
    }

    /// A list with exactly as many members.
    pub(super) fn members<const N: usize>(&self) -> Option<&[Sml; N]> {
        self.list()?.try_into().ok()
    }

    /// A number that is not negative.
    pub(super) fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// The bodies of the messages of one file, each with its tag.
pub(super) fn open(file: &[u8]) -> Result<Vec<(u64, Sml)>, Malformed> {
    let carried = unpack(file)?;
    let mut reader = Reader { rest: &carried };
    let mut bodies = Vec::new();
    while !reader.rest.is_empty() {
        let message = reader.value(0).map_err(|why| ("sml_unreadable", why))?;
        bodies.push(body(message).ok_or(("sml_unreadable", "a message has another shape".to_owned()))?);
    }
    Ok(bodies)
}

/// A message: transaction, group, what to do on errors, body, check sum, end.
fn body(message: Sml) -> Option<(u64, Sml)> {
    let [_, _, _, body, _, Sml::End] = <[Sml; 6]>::try_from(into_list(message)?).ok()? else { return None };
    let [tag, body] = <[Sml; 2]>::try_from(into_list(body)?).ok()?;
    Some((tag.unsigned()?, body))
}

fn into_list(value: Sml) -> Option<Vec<Sml>> {
    if let Sml::List(members) = value { Some(members) } else { None }
}

/// What the transport carries, without escapes and filling bytes.
fn unpack(file: &[u8]) -> Result<Vec<u8>, Malformed> {
    let shape = |why: &str| ("transport_unreadable", why.to_owned());
    let inner = file
        .strip_prefix(&ESCAPE)
        .and_then(|rest| rest.strip_prefix(&BEGIN))
        .ok_or_else(|| shape("it does not begin with 1B1B1B1B 01010101"))?;
    let mut carried = Vec::with_capacity(inner.len());
    let mut at = 0;
    let filled = loop {
        match inner.get(at..at + 4) {
            None => return Err(shape("its end mark is missing")),
            Some(four) if four != ESCAPE => {
                carried.push(inner[at]);
                at += 1;
            }
            Some(_) => match inner.get(at + 4..at + 8) {
                Some(&[END, filled, ..]) => break usize::from(filled),
                Some(escaped) if escaped == ESCAPE => {
                    carried.extend_from_slice(escaped);
                    at += 8;
                }
                _ => return Err(shape("an escape sequence is unknown or cut off")),
            },
        }
    };
    let end = file.len() - inner.len() + at + 8;
    if file.len() != end {
        return Err(("more_than_a_record", "something follows the end mark".to_owned()));
    }
    let (covered, sum) = file.split_at(end - 2);
    if check_sum(covered).to_le_bytes() != *sum {
        return Err(("check_sum_differs", "the check sum of the transport is another".to_owned()));
    }
    let length = carried.len().checked_sub(filled).filter(|_| filled < 4);
    let length = length.filter(|length| carried[*length..].iter().all(|byte| *byte == 0));
    carried.truncate(length.ok_or_else(|| shape("its filling bytes are none"))?);
    Ok(carried)
}

/// CRC-16/X-25 (ISO/IEC 13239): polynomial 0x1021 reflected, begun with and turned over by 0xFFFF.
pub(super) fn check_sum(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0xffff_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| (sum >> 1) ^ (0x8408 * (sum & 1)))
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it ends within a value")?;
        self.rest = rest;
        Ok(taken)
    }

    fn value(&mut self, depth: usize) -> Result<Sml, String> {
        if depth == DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} levels"));
        }
        let (kind, header, length) = self.header()?;
        if (kind, length) == (0, 0) {
            return Ok(Sml::End);
        }
        if kind == 7 {
            let members = (0..length).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?;
            return Ok(Sml::List(members));
        }
        // The length counts the bytes that say it.
        let bytes = self.take(length.checked_sub(header).ok_or("a length is too small")?)?;
        match (kind, bytes.len()) {
            (0, _) => Ok(Sml::Bytes(bytes.to_vec())),
            (4, 1) => Ok(Sml::Bool(bytes[0] != 0)),
            (5, 1..=8) => Ok(Sml::Integer(signed(bytes))),
            (6, 1..=8) => Ok(Sml::Unsigned(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))),
            _ => Err(format!("type {kind} with {} bytes", bytes.len())),
        }
    }

    /// Type, bytes of the type-and-length field, length.
    fn header(&mut self) -> Result<(u8, usize, usize), String> {
        let mut byte = self.take(1)?[0];
        let (kind, mut header, mut length) = (byte >> 4 & 7, 1, usize::from(byte & 0x0f));
        while byte & 0x80 != 0 {
            if header == LENGTH_BYTES_MAX {
                return Err(format!("a length of more than {LENGTH_BYTES_MAX} bytes"));
            }
            byte = self.take(1)?[0];
            header += 1;
            length = length << 4 | usize::from(byte & 0x0f);
        }
        Ok((kind, header, length))
    }
}

/// Two's complement, shortened to as many bytes as needed.
fn signed(bytes: &[u8]) -> i64 {
    let begin = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
    bytes.iter().fold(begin, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sum_is_that_of_the_catalogue() {
        // CRC RevEng, catalogue of parametrised CRC algorithms: CRC-16/IBM-SDLC, check value of "123456789".
        assert_eq!(check_sum(b"123456789"), 0x906e);
    }

    #[test]
    fn values_are_read_by_their_type_and_length() {
        let check = |text: &str, expected: Option<Sml>| {
            let bytes = hex::decode(text).expect("hexadecimal");
            assert_eq!(Reader { rest: &bytes }.value(0).ok(), expected, "{text}");
        };
        check("01", Some(Sml::Bytes(vec![])));
        check("03aabb", Some(Sml::Bytes(vec![0xaa, 0xbb])));
        check("8302aa", None);
        check("810299", None);
        check("8103aa", None);
        check("4201", Some(Sml::Bool(true)));
        check("52ff", Some(Sml::Integer(-1)));
        check("560000000b66", Some(Sml::Integer(2918)));
        check("598000000000000000", Some(Sml::Integer(i64::MIN)));
        check("69ffffffffffffffff", Some(Sml::Unsigned(u64::MAX)));
        check("6a00000000000000ff01", None);
        check("726201430000", None);
        check("72620101", Some(Sml::List(vec![Sml::Unsigned(1), Sml::Bytes(vec![])])));
        check("00", Some(Sml::End));
        check("2201", None);
        check("", None);
        check(&"71".repeat(DEPTH_MAX + 1), None);
        check("ffffffffff", None);
    }

    #[test]
    fn an_escaped_escape_is_what_it_stands_for() {
        let wrap = |inner: &str| {
            let mut file = hex::decode(format!("1b1b1b1b01010101{inner}")).expect("hexadecimal");
            let sum = check_sum(&file).to_le_bytes();
            file.extend(sum);
            unpack(&file)
        };
        assert_eq!(
            wrap("aa1b1b1b1b1b1b1b1bbb00001b1b1b1b1a02"),
            Ok(hex::decode("aa1b1b1b1bbb").expect("hex"))
        );
        assert_eq!(
            wrap("aabb1b1b1b1b02020202001b1b1b1b1a01").map_err(|(code, _)| code),
            Err("transport_unreadable")
        );
        assert_eq!(wrap("aabbcc111b1b1b1b1a01").map_err(|(code, _)| code), Err("transport_unreadable"));
        assert_eq!(wrap("001b1b1b1b1a03").map_err(|(code, _)| code), Err("transport_unreadable"));
        assert_eq!(wrap("aabbcc").map_err(|(code, _)| code), Err("transport_unreadable"));
    }
}
