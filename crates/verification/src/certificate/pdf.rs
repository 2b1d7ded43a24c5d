//! A certificate or notice as an A4 PDF: what people print, file and show. Made from the signed document and from nothing else.
//!
//! Called by `api` when somebody asks for it; nothing of it is stored. The same document, language and address give the same
//! bytes: there is no clock in it and nothing random. The signed JSON is attached to the file (PDF/A-3b), and its hash printed.

mod besides;
mod cover;
mod file;
mod font;
mod measured;
mod number;
mod sheet;
mod table;

use serde_json::Value;
use thiserror::Error;

use crate::certificate::{Certificate, CertificateKind, Issued};
use crate::result::Verdict;
use crate::shape::{Anchor, Ink, Shape};
use crate::texts::{Language, Texts, fill};
use font::Font;
use sheet::{PAPER, SIDE, SMALL, Sheets, TOP, WIDTH};

/// Why there is no PDF.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PdfError {
    /// The font of the program does not read.
    #[error("font of documents: {0}")]
    Font(String),
    /// The address has no room in a QR code.
    #[error("the address of {0} bytes is too long for a QR code")]
    Address(usize),
    /// The file is not a signed document.
    #[error("the file is not a signed document: {0}")]
    Json(String),
    /// The texts need more sheets than a document may have.
    #[error("the document needs more than {} pages", sheet::SHEETS_MAX)]
    TooLong,
    /// The file cannot be written.
    #[error("PDF: {0}")]
    Write(String),
}

/// The document as a PDF. `address`: where the document can be looked up, for its QR code.
pub fn pdf(issued: &Issued, language: Language, address: &str) -> Result<Vec<u8>, PdfError> {
    let font = Font::new()?;
    let sheets = sheets(&font, issued, language, address)?;
    let certificate = &issued.certificate;
    let texts = Texts::in_language(language);
    let facts = file::Facts {
        title: format!("{} {}", title(certificate, texts), certificate.number),
        author: &certificate.order.body,
        software: &certificate.software,
        at: certificate.issued_at,
        language: language.code(),
        id: &issued.sha256,
        attached: (file_name(&certificate.number), texts.of("signature.attached"), &issued.json),
    };
    file::write(&sheets, &font, &facts)
}

/// The sheets of a document, each as shapes.
fn sheets(
    font: &Font,
    issued: &Issued,
    language: Language,
    address: &str,
) -> Result<Vec<Vec<Shape>>, PdfError> {
    let texts = Texts::in_language(language);
    let mut paper = Sheets::new(font);
    let mut document = Document { sheets: &mut paper, texts, issued, section: 0 };
    document.cover(address)?;
    document.conditions()?;
    document.standards()?;
    document.items()?;
    document.points()?;
    document.chart()?;
    document.decisions()?;
    document.budgets()?;
    document.seals()?;
    document.troubles()?;
    document.remarks()?;
    document.signature(&Sealed::of(&issued.json)?, address)?;
    let certificate = &issued.certificate;
    let head = font.printable(&format!("{}  {}", title(certificate, texts), certificate.number));
    Ok(paper.finish(|page, count| running(font, texts, &head, page, count)))
}

/// What stands on every sheet: the number above, except over the title, and the page below.
fn running(font: &Font, texts: &Texts, head: &str, page: usize, count: usize) -> Vec<Shape> {
    let head = font.lines(head, SMALL.size, WIDTH).into_iter().next().unwrap_or_default();
    let pages = [("page", page.to_string()), ("count", count.to_string())];
    let pages = fill(texts.of("page"), &pages.each_ref().map(|(name, value)| (*name, value.as_str())));
    let bottom = PAPER.1 - 38.0;
    let mut shapes = vec![
        Shape::line((SIDE, bottom - 11.0), (SIDE + WIDTH, bottom - 11.0), Ink::Pale, 0.4),
        sheet::label((SIDE + WIDTH, bottom), Anchor::End, SMALL, &pages),
    ];
    let room = WIDTH - font.width(&pages, SMALL.size) - 12.0;
    let foot = font.lines(&head, SMALL.size, room).into_iter().next().unwrap_or_default();
    shapes.push(sheet::label((SIDE, bottom), Anchor::Start, SMALL, &foot));
    if 1 < page {
        shapes.push(sheet::label((SIDE, TOP - 20.0), Anchor::Start, SMALL, &head));
        shapes.push(Shape::line((SIDE, TOP - 14.0), (SIDE + WIDTH, TOP - 14.0), Ink::Pale, 0.4));
    }
    shapes
}

/// What kind of document it is, in its law's words.
fn title<'a>(certificate: &Certificate, texts: &'a Texts) -> &'a str {
    match certificate.kind {
        CertificateKind::Certificate => texts.of("title.certificate"),
        CertificateKind::Notice => texts.of("title.notice"),
    }
}

/// Name of the attached file: the document's number as far as every system's files may be called so.
fn file_name(number: &str) -> String {
    const LENGTH_MAX: usize = 64;
    let safe = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    format!("{}.json", number.chars().take(LENGTH_MAX).map(safe).collect::<String>())
}

/// The signature that a file ends in.
struct Sealed {
    key_id: String,
    public_key: String,
    value: String,
    algorithm: String,
}

impl Sealed {
    fn of(json: &str) -> Result<Self, PdfError> {
        let file: Value = serde_json::from_str(json).map_err(|error| PdfError::Json(error.to_string()))?;
        let text = |name: &str| {
            let found = file["signature"][name].as_str().map(str::to_owned);
            found.ok_or_else(|| PdfError::Json(format!("it has no signature.{name}")))
        };
        Ok(Self {
            key_id: text("key_id")?,
            public_key: text("public_key")?,
            value: text("value")?,
            algorithm: text("algorithm")?,
        })
    }
}

/// A document being written. Its parts stand in the files beside this one.
struct Document<'d, 'a> {
    sheets: &'d mut Sheets<'a>,
    texts: &'static Texts,
    issued: &'d Issued,
    section: usize,
}

impl<'d> Document<'d, '_> {
    fn certificate(&self) -> &'d Certificate {
        &self.issued.certificate
    }

    /// A numbered heading, kept together with so much of what follows.
    fn heading(&mut self, key: &'static str, following: f64) -> Result<(), PdfError> {
        self.section += 1;
        let text = format!("{}  {}", self.section, self.texts.of(key));
        self.sheets.heading(&text, following)
    }

    /// The word of a verdict on an item or a load point.
    fn verdict(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Conform => self.texts.of("verdict.conform"),
            Verdict::Nonconform => self.texts.of("verdict.nonconform"),
            Verdict::Undecided => self.texts.of("verdict.undecided"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
