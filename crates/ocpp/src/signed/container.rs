//! The XML file in which S.A.F.E.'s programs keep signed records:
//! `<values><value transactionId=".." context=".."><signedData format=".." encoding="..">..</signedData>
//! <publicKey encoding="..">..</publicKey></value></values>`.
//!
//! Called by whoever is handed such a file; each record then goes to [`super::check`]. Nothing but the signed data is signed:
//! transaction, context and key are what the sender says. Never expands an entity beyond XML's own five and never fetches
//! anything. Line ends are read as XML asks for, so that a record with `\r\n` inside arrives with `\n`.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::{Encoding, Format, Record};

/// Longest file opened, bytes: some hundred records of the largest size seen.
pub const CONTAINER_BYTES_MAX: usize = 4 << 20;

/// Values in one file; the largest seen holds a dozen charges.
pub const VALUES_MAX: usize = 1_000;

/// How deep elements may lie in each other; the file needs three.
const DEPTH_MAX: usize = 16;

/// A record with what the file says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contained {
    /// The record.
    pub signed_data: String,
    /// How it is written.
    pub encoding: Encoding,
    /// Its format, if the file names one that is known.
    pub format: Option<Format>,
    /// The format's name as it stands there.
    pub format_name: Option<String>,
    /// The key that came along. It proves nothing: the caller decides whether it is the meter's.
    pub self_supplied_key: Option<SuppliedKey>,
    /// Number of the charge, not signed.
    pub transaction_id: Option<String>,
    /// `Transaction.Begin`, `Transaction.End` or anything else, not signed.
    pub context: Option<String>,
}

/// A key that came with the record it is to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppliedKey {
    /// The key.
    pub text: String,
    /// How it is written; none: not said.
    pub encoding: Option<Encoding>,
}

impl Contained {
    /// The record, to be checked with a key that the caller trusts, or with none.
    pub fn record<'a>(&'a self, public_key: Option<&'a str>, encoding: Option<Encoding>) -> Record<'a> {
        Record {
            signed_data: &self.signed_data,
            encoding: self.encoding,
            format: self.format,
            public_key,
            public_key_encoding: encoding,
        }
    }
}

/// Why a file cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// Too many bytes.
    #[error("more than {CONTAINER_BYTES_MAX} bytes")]
    TooLong,
    /// Too many values.
    #[error("more than {VALUES_MAX} values")]
    TooMany,
    /// Elements lie too deep in each other.
    #[error("more than {DEPTH_MAX} levels of elements")]
    TooDeep,
    /// No XML, or cut off.
    #[error("no whole XML: {0}")]
    Xml(String),
    /// A document type, through which entities could be declared.
    #[error("a document type is not accepted")]
    DocumentType,
    /// An entity that is none of XML's five.
    #[error("unknown entity {0:?}")]
    Entity(String),
    /// Another root than `values`.
    #[error("the root is no <values>")]
    NotValues,
    /// An element that may stand once in a value stands there twice.
    #[error("<{0}> stands twice in a value")]
    Twice(&'static str),
    /// A value without a record.
    #[error("a value without <signedData>")]
    NoSignedData,
    /// An encoding of another name than plain, hex, base64, base32.
    #[error("unknown encoding {0:?}")]
    Encoding(String),
}

/// The records of a file, in their order.
pub fn open(xml: &str) -> Result<Vec<Contained>, ContainerError> {
    if xml.len() > CONTAINER_BYTES_MAX {
        return Err(ContainerError::TooLong);
    }
    let mut reader = Reader::from_str(xml);
    let mut file = File::default();
    loop {
        match reader.read_event().map_err(|error| ContainerError::Xml(error.to_string()))? {
            Event::Start(tag) => file.start(&tag)?,
            Event::Empty(tag) => {
                file.start(&tag)?;
                file.end()?;
            }
            Event::End(_) => file.end()?,
            Event::Text(text) => file.text(&text.xml10_content()),
            Event::CData(text) => file.text(&text.xml10_content()),
            Event::GeneralRef(reference) => file.text(&resolve(&reference)?),
            Event::DocType(_) => return Err(ContainerError::DocumentType),
            Event::Eof => return file.close(),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// A character by number, or one of XML's five entities.
fn resolve(reference: &BytesRef<'_>) -> Result<String, ContainerError> {
    let name = reference.xml10_content();
    match reference.resolve_char_ref() {
        Ok(Some(letter)) => Ok(letter.to_string()),
        Ok(None) => quick_xml::escape::resolve_predefined_entity(&name)
            .map(str::to_owned)
            .ok_or_else(|| ContainerError::Entity(name.clone().into_owned())),
        Err(_) => Err(ContainerError::Entity(name.into_owned())),
    }
}

/// An element with text, while it is read.
struct Field {
    name: &'static str,
    text: String,
    encoding: Option<Encoding>,
    format_name: Option<String>,
}

/// A value, while it is read.
#[derive(Default)]
struct Value {
    transaction_id: Option<String>,
    context: Option<String>,
    signed: Option<Field>,
    key: Option<Field>,
}

impl Value {
    fn keep(&mut self, field: Field) -> Result<(), ContainerError> {
        let name = field.name;
        let place = if name == "signedData" { &mut self.signed } else { &mut self.key };
        if place.replace(field).is_some() { Err(ContainerError::Twice(name)) } else { Ok(()) }
    }

    fn finish(self) -> Result<Contained, ContainerError> {
        let signed = self.signed.filter(|signed| !signed.text.trim().is_empty());
        let signed = signed.ok_or(ContainerError::NoSignedData)?;
        let key = self.key.filter(|key| !key.text.trim().is_empty());
        Ok(Contained {
            signed_data: signed.text,
            encoding: signed.encoding.unwrap_or_default(),
            format: signed.format_name.as_deref().and_then(format_named),
            format_name: signed.format_name,
            self_supplied_key: key.map(|key| SuppliedKey { text: key.text, encoding: key.encoding }),
            transaction_id: self.transaction_id,
            context: self.context,
        })
    }
}

/// What was read so far.
#[derive(Default)]
struct File {
    depth: usize,
    is_closed: bool,
    value: Option<Value>,
    field: Option<Field>,
    contained: Vec<Contained>,
}

impl File {
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), ContainerError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ContainerError::TooDeep);
        }
        match (self.depth, tag.local_name().as_ref()) {
            (1, "values") if !self.is_closed => {}
            (1, _) => return Err(ContainerError::NotValues),
            (2, "value") if self.contained.len() == VALUES_MAX => return Err(ContainerError::TooMany),
            (2, "value") => {
                let (transaction_id, context) =
                    (attribute(tag, "transactionId")?, attribute(tag, "context")?);
                self.value = Some(Value { transaction_id, context, ..Value::default() });
            }
            (3, "signedData") if self.value.is_some() => self.field = Some(field(tag, "signedData")?),
            (3, "publicKey") if self.value.is_some() => self.field = Some(field(tag, "publicKey")?),
            // A record is text; which part of it an element within were, nobody knows.
            _ if self.field.is_some() => {
                return Err(ContainerError::Xml("an element within a text".to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ContainerError> {
        self.depth = self.depth.saturating_sub(1);
        match (self.depth, &mut self.value) {
            (0, _) => self.is_closed = true,
            (1, value) => {
                if let Some(value) = value.take() {
                    self.contained.push(value.finish()?);
                }
            }
            (2, Some(value)) => {
                if let Some(field) = self.field.take() {
                    value.keep(field)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(field) = &mut self.field {
            field.text.push_str(text);
        }
    }

    fn close(self) -> Result<Vec<Contained>, ContainerError> {
        match (self.depth, self.is_closed) {
            (0, true) => Ok(self.contained),
            (0, false) => Err(ContainerError::NotValues),
            _ => Err(ContainerError::Xml("it is cut off".to_owned())),
        }
    }
}

fn field(tag: &BytesStart<'_>, name: &'static str) -> Result<Field, ContainerError> {
    let encoding = attribute(tag, "encoding")?.map(|name| encoding_named(&name)).transpose()?;
    Ok(Field { name, text: String::new(), encoding, format_name: attribute(tag, "format")? })
}

/// An attribute that is not empty.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, ContainerError> {
    let unreadable = |error: String| ContainerError::Xml(error);
    let attribute = tag.try_get_attribute(name).map_err(|error| unreadable(error.to_string()))?;
    let value = attribute.map(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0)).transpose();
    let value = value.map_err(|error| unreadable(error.to_string()))?;
    Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
}

fn encoding_named(name: &str) -> Result<Encoding, ContainerError> {
    match name.to_ascii_lowercase().as_str() {
        "plain" => Ok(Encoding::Plain),
        "hex" => Ok(Encoding::Hex),
        "base64" => Ok(Encoding::Base64),
        "base32" => Ok(Encoding::Base32),
        _ => Err(ContainerError::Encoding(name.to_owned())),
    }
}

fn format_named(name: &str) -> Option<Format> {
    match name {
        "OCMF" => Some(Format::Ocmf),
        "PCDF" => Some(Format::Pcdf),
        "ALFEN" => Some(Format::Alfen),
        "ISA_EDL_40_P" => Some(Format::IsaEdl40P),
        "EDL_40_P" => Some(Format::Edl40P),
        _ => None,
    }
}
