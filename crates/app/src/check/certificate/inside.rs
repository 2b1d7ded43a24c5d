//! The signed file inside of what somebody holds: itself, or what a document's PDF has attached, or its DCC has as data.
//!
//! Called by [`super`]. Only what this program's own documents are made like is found: one attachment as a stream of its own, one
//! element `dcc:dataBase64`. Where there are two, none is chosen: which one a reader shows nobody knows. Never looks at the pages.

use std::io::Read;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use veripile_verification::certificate::check;

/// Largest file read, bytes: a signed file of the longest in Base64, with as much again around it.
pub(super) const BYTES_MAX: usize = 3 * check::FILE_BYTES_MAX;

/// Longest dictionary before an attachment's content, bytes: this program's have some hundred.
const DICTIONARY_BYTES_MAX: usize = 4096;

/// The names of an attachment's type, spelt as programs spell it.
const ATTACHED: [&[u8]; 2] = [b"/Type/EmbeddedFile", b"/Type /EmbeddedFile"];

/// What stands before that content.
const KEYWORD: &[u8] = b"stream";

/// The element of a DCC that holds a file.
const DATA: (&str, &str) = ("<dcc:dataBase64>", "</dcc:dataBase64>");

/// What the signed file was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// Nothing: it is the file.
    Bare,
    /// The PDF of a document.
    Pdf,
    /// Its digital calibration certificate.
    Dcc,
}

/// The signed file, and what it was found in.
pub(super) fn signed_file(bytes: Vec<u8>) -> Result<(Container, String)> {
    if bytes.starts_with(b"%PDF-") {
        let file = attached(&bytes).context("in the PDF")?;
        return Ok((Container::Pdf, text(file)?));
    }
    let read = text(bytes)?;
    if read.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        let file = data(&read).context("in the XML")?;
        return Ok((Container::Dcc, text(file)?));
    }
    Ok((Container::Bare, read))
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).context("the signed file is no text (UTF-8)")
}

/// Where a pattern stands in bytes, each time.
fn places<'a>(bytes: &'a [u8], pattern: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(pattern.len()).enumerate().filter(move |(_, found)| *found == pattern).map(|(at, _)| at)
}

/// The one file attached to a PDF (ISO 32000-1, 7.11.4: an embedded file stream), which deflate packs.
fn attached(pdf: &[u8]) -> Result<Vec<u8>> {
    let mut found = ATTACHED.iter().flat_map(|name| places(pdf, name).map(move |at| at + name.len()));
    let at = found.next().context("no file is attached to it in a way that can be read here")?;
    if found.next().is_some() {
        bail!("more than one file is attached to it; take the signed one out and give that");
    }
    let dictionary = &pdf[at..pdf.len().min(at + DICTIONARY_BYTES_MAX)];
    let keyword = places(dictionary, KEYWORD).next().context("the file attached to it has no content")?;
    let content = &pdf[at + keyword + KEYWORD.len()..];
    // After the keyword a line ends: with a line feed, or with a carriage return before it (7.3.8.1).
    let content = content.strip_prefix(b"\r").unwrap_or(content);
    unpacked(content.strip_prefix(b"\n").unwrap_or(content))
}

fn unpacked(packed: &[u8]) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    // One byte more than may be: else what was cut would seem whole.
    let most = check::FILE_BYTES_MAX as u64 + 1;
    ZlibDecoder::new(packed)
        .take(most)
        .read_to_end(&mut file)
        .context("the attached file does not unpack")?;
    Ok(file)
}

/// The one file in a DCC.
fn data(xml: &str) -> Result<Vec<u8>> {
    let mut parts = xml.split(DATA.0);
    let rest = parts.nth(1).context("it has no element dcc:dataBase64 with a signed file")?;
    if parts.next().is_some() {
        bail!("it has more than one file in it; take the signed one out and give that");
    }
    let coded = rest.split_once(DATA.1).context("the element dcc:dataBase64 has no end")?.0;
    let coded: String = coded.split_whitespace().collect();
    STANDARD.decode(coded).context("what is in dcc:dataBase64 is no Base64")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).expect("in memory");
        encoder.finish().expect("in memory")
    }

    /// A PDF as far as it matters, with these contents of attachments.
    fn pdf(contents: &[&[u8]]) -> Vec<u8> {
        let mut bytes =
            b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Names<</EmbeddedFiles 2 0 R>>>>\nendobj\n".to_vec();
        for content in contents {
            let head =
                format!("<</Length {}/Type/EmbeddedFile/Filter/FlateDecode>>\nstream\n", content.len());
            bytes.extend(head.as_bytes());
            bytes.extend(*content);
            bytes.extend(b"\nendstream\nendobj\n");
        }
        bytes
    }

    #[test]
    fn the_one_file_inside_is_found_whatever_is_around_it() {
        let json = r#"{"certificate":{}}"#;
        let mut spaced = pdf(&[]);
        spaced.extend(b"<</Type /EmbeddedFile /Length 9>>\r\nstream\r\n");
        spaced.extend(packed(json.as_bytes()));
        spaced.extend(b"\r\nendstream");
        // RFC 4648's alphabet, written by coreutils' base64.
        let dcc = "\u{feff}<?xml version=\"1.0\"?>\n<a><dcc:dataBase64>\neyJjZXJ0aWZp\n Y2F0ZSI6e319 </dcc:dataBase64></a>";
        for (bytes, container) in [
            (json.as_bytes().to_vec(), Container::Bare),
            (pdf(&[&packed(json.as_bytes())]), Container::Pdf),
            (spaced, Container::Pdf),
            (dcc.as_bytes().to_vec(), Container::Dcc),
        ] {
            assert_eq!(signed_file(bytes).expect("found"), (container, json.to_owned()));
        }
    }

    #[test]
    fn where_none_or_two_are_inside_none_is_chosen() {
        let one = packed(b"{}");
        let two = "<a><dcc:dataBase64>e30=</dcc:dataBase64><dcc:dataBase64>e30=</dcc:dataBase64></a>";
        for (bytes, told) in [
            (pdf(&[]), "no file is attached"),
            (pdf(&[&one, &one]), "more than one file"),
            (pdf(&[b"not packed"]), "does not unpack"),
            (b"%PDF-1.7 /Type/EmbeddedFile".to_vec(), "no content"),
            (b"<a/>".to_vec(), "no element dcc:dataBase64"),
            (two.into(), "more than one file"),
            (b"<a><dcc:dataBase64>e30=".to_vec(), "no end"),
            (b"<a><dcc:dataBase64>?</dcc:dataBase64></a>".to_vec(), "no Base64"),
            (b"\xff".to_vec(), "no text"),
        ] {
            let error = format!("{:#}", signed_file(bytes).expect_err(told));
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn what_unpacks_without_end_is_cut_and_not_taken_for_whole() {
        let long = vec![b' '; 2 * check::FILE_BYTES_MAX];
        let (_, file) = signed_file(pdf(&[&packed(&long)])).expect("unpacked so far");
        assert_eq!(file.len(), check::FILE_BYTES_MAX + 1);
        assert!(!check::check(&file, &[]).is_good());
    }
}
