//! Rows of a CSV file: streamed, with physical line numbers and each row's text exactly as it stands in the file.
//!
//! Called by the readers beside it. Understands byte-order mark, CRLF, quoted newlines and gzip (by its first bytes).
//! It never skips what it cannot read: such a file is an error that names line and column. The `csv` crate is not used for
//! reading, as it gives neither the verbatim text of a row nor its line after blank lines.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

/// A row is at most this long, bytes. Real rows have a few hundred; a longer one is a quote that was never closed.
const ROW_BYTES_MAX: u64 = 1 << 20;

/// Buffer of the file, bytes: few system calls, little memory.
const BUFFER_BYTES: usize = 1 << 17;

/// Rows that are read ahead of who takes them, in batches of so many or of so many bytes; and how many batches.
const BATCH_ROWS: usize = 512;
const BATCH_BYTES: usize = 1 << 18;
const BATCHES: usize = 4;

/// Room of a row that is kept for the next one, bytes: one long row must not take memory for good.
const KEPT_BYTES: usize = 1 << 12;

/// First bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is said of a header with carriage returns and no line feed after them: the whole file would be its header.
const LONE_RETURNS: &str = ", line 1: lines end in a carriage return alone, as old spreadsheets write them; save the file as CSV with LF or CRLF";

/// Characters of a file's text that an error shows.
const SHOWN_CHARS_MAX: usize = 120;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// An open file, its header read.
pub(crate) struct Rows {
    name: String,
    input: Box<dyn BufRead + Send>,
    seen: Arc<Mutex<Seen>>,
    bar: ProgressBar,
    columns: Vec<String>,
    /// Physical lines read so far.
    lines: u64,
    raw: Vec<u8>,
}

/// What a file was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileFacts {
    /// Name without folder.
    pub(crate) name: String,
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// SHA-256 of these, hexadecimal.
    pub(crate) sha256: String,
}

/// One row. Kept by the caller and filled again and again.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Physical line it starts on; the header is line 1.
    pub(crate) line: u64,
    /// As in the file, without the line end.
    pub(crate) text: String,
    /// The file ends with it, and no line end follows.
    pub(crate) is_unended: bool,
    values: String,
    ends: Vec<usize>,
}

impl Rows {
    /// Opens a file and reads its header; every one of `required` must be there, once.
    pub(crate) fn open(path: &Path, required: &[&str]) -> Result<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let file = File::open(path)
            .with_context(|| format!("{}: cannot be opened; check the path", path.display()))?;
        let bar = progress(&file, &name)?;
        let seen = Arc::new(Mutex::new(Seen { hash: Sha256::new(), bytes: 0 }));
        let watched = Watched { file, seen: Arc::clone(&seen), bar: bar.clone() };
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, watched);
        let start = plain.fill_buf().with_context(|| format!("{name}: cannot be read"))?;
        let input: Box<dyn BufRead + Send> = if start.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        let mut rows = Self { name, input, seen, bar, columns: Vec::new(), lines: 0, raw: Vec::new() };
        rows.read_header(required)?;
        Ok(rows)
    }

    fn read_header(&mut self, required: &[&str]) -> Result<()> {
        let mut header = Row::default();
        if !self.next(&mut header)? {
            bail!(
                "{}: the file is empty; its first line must name the columns: {}",
                self.name,
                required.join(",")
            );
        }
        self.columns =
            (0..header.ends.len()).map(|at| header.field(at).trim().to_ascii_lowercase()).collect();
        for name in required {
            match self.columns.iter().filter(|column| column == name).count() {
                1 => {}
                0 => bail!(
                    "{}, line {}: the column `{name}` is missing (found: {}); add it, separated by commas",
                    self.name,
                    header.line,
                    short(&self.columns.join(","))
                ),
                _ => return Err(self.twice(name, header.line)),
            }
        }
        // Any other, too: of two columns of one name nobody knows which is meant. Spreadsheets leave several without a name.
        let mut names = BTreeSet::new();
        match self.columns.iter().find(|name| !name.is_empty() && !names.insert(name.as_str())) {
            Some(name) => Err(self.twice(name, header.line)),
            None => Ok(()),
        }
    }

    fn twice(&self, column: &str, line: u64) -> anyhow::Error {
        let column = short(column);
        anyhow::anyhow!("{}, line {line}: the column `{column}` stands twice; remove one", self.name)
    }

    /// The file's name without folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes on disk when it was opened; none where that is not known.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.bar.length()
    }

    /// Position of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Names of the columns.
    pub(crate) fn names(&self) -> &[String] {
        &self.columns
    }

    /// Number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Reads the next row that is not blank; false at the end of the file.
    pub(crate) fn next(&mut self, row: &mut Row) -> Result<bool> {
        loop {
            row.line = self.lines + 1;
            if !self.read_raw()? {
                self.bar.finish_and_clear();
                return Ok(false);
            }
            let text = std::str::from_utf8(&self.raw)
                .map_err(|error| self.not_utf8(row.line, error.valid_up_to()))?;
            let text = if row.line == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text };
            let text = text.strip_suffix('\n').unwrap_or(text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if self.columns.is_empty() && has_lone_return(text.as_bytes()) {
                bail!("{}{LONE_RETURNS}", self.name);
            }
            if !text.trim().is_empty() {
                row.fill(text);
                row.is_unended = !self.raw.ends_with(b"\n");
                return Ok(true);
            }
        }
    }

    /// Gives `take` every row that is left, in order, while a thread reads on; then tells what the file was.
    pub(crate) fn each(self, mut take: impl FnMut(&Row) -> Result<()>) -> Result<FileFacts> {
        let (full, filled) = sync_channel(BATCHES);
        let (empty, emptied) = channel();
        thread::scope(|scope| {
            let reading = scope.spawn(move || self.read_ahead(&full, &emptied));
            for batch in filled {
                let batch: Vec<Row> = batch;
                batch.iter().try_for_each(&mut take)?;
                // Where reading has ended, nobody wants it back.
                let _ = empty.send(batch);
            }
            reading.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Sends the rows in batches until there is none, or nobody who takes them.
    fn read_ahead(mut self, full: &SyncSender<Vec<Row>>, emptied: &Receiver<Vec<Row>>) -> Result<FileFacts> {
        loop {
            let mut batch = emptied.try_recv().unwrap_or_default();
            let (mut rows, mut bytes) = (0, 0);
            let mut more = Ok(true);
            while rows < BATCH_ROWS && bytes < BATCH_BYTES {
                if rows == batch.len() {
                    batch.push(Row::default());
                }
                more = self.next(&mut batch[rows]);
                if !matches!(more, Ok(true)) {
                    break;
                }
                (rows, bytes) = (rows + 1, bytes + batch[rows].text.len());
            }
            // What was read before an error comes before it.
            batch.truncate(rows);
            if full.send(batch).is_err() || !more? {
                return Ok(self.facts());
            }
        }
    }

    /// Reads physical lines until no quote is open; false at the end of the file.
    fn read_raw(&mut self) -> Result<bool> {
        self.raw.clear();
        let first = self.lines + 1;
        let mut at = At::Start;
        loop {
            let before = self.raw.len();
            let room = ROW_BYTES_MAX.saturating_sub(self.raw.len() as u64);
            let read = self.input.by_ref().take(room).read_until(b'\n', &mut self.raw);
            let read = read.with_context(|| {
                format!(
                    "{}, line {}: the file breaks off or is damaged; fetch it again",
                    self.name,
                    self.lines + 1
                )
            })?;
            // Only what is new: with a quote open, the row may have a million lines.
            at = at.after(&self.raw[before..]);
            let open = at == At::Quoted;
            let whole_line = self.raw.ends_with(b"\n");
            if read == 0 && self.raw.is_empty() {
                return Ok(false);
            }
            let too_long = !whole_line && self.raw.len() as u64 >= ROW_BYTES_MAX;
            if too_long && self.columns.is_empty() && has_lone_return(&self.raw) {
                bail!("{}{LONE_RETURNS}", self.name);
            }
            if (open && read == 0) || too_long {
                bail!(
                    "{}, line {first}, column {}: {}; close the quote or remove it",
                    self.name,
                    last_quote(&self.raw),
                    if open { "a quote is opened and never closed" } else { "the row is longer than 1 MiB" }
                );
            }
            self.lines += u64::from(read > 0);
            if !open {
                return Ok(true);
            }
        }
    }

    fn not_utf8(&self, first: u64, valid: usize) -> anyhow::Error {
        let good = &self.raw[..valid];
        let line = first + good.split(|byte| *byte == b'\n').count() as u64 - 1;
        let start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&good[start..]).chars().count() + 1;
        anyhow::anyhow!(
            "{}, line {line}, column {column}: the text is not UTF-8; save the file as UTF-8",
            self.name
        )
    }

    /// What the file was. To be asked after its last row.
    pub(crate) fn facts(&self) -> FileFacts {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        FileFacts {
            name: self.name.clone(),
            bytes: seen.bytes,
            sha256: hex::encode(seen.hash.clone().finalize()),
        }
    }
}

impl Row {
    fn fill(&mut self, text: &str) {
        if KEPT_BYTES < self.text.capacity() {
            *self = Self { line: self.line, ..Self::default() };
        }
        self.text.clear();
        self.text.push_str(text);
        self.values.clear();
        self.ends.clear();
        let mut rest = text;
        loop {
            rest = match rest.strip_prefix('"') {
                Some(quoted) => self.take_quoted(quoted),
                None => self.take_plain(rest),
            };
            self.ends.push(self.values.len());
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return,
            }
        }
    }

    fn take_plain<'a>(&mut self, rest: &'a str) -> &'a str {
        let end = rest.find(',').unwrap_or(rest.len());
        self.values.push_str(&rest[..end]);
        &rest[end..]
    }

    fn take_quoted<'a>(&mut self, mut rest: &'a str) -> &'a str {
        while let Some(end) = rest.find('"') {
            self.values.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(more) => {
                    self.values.push('"');
                    rest = more;
                }
                None => return self.take_plain(rest),
            }
        }
        self.values.push_str(rest);
        ""
    }

    /// Number of fields.
    pub(crate) fn fields(&self) -> usize {
        self.ends.len()
    }

    /// A field without surrounding blanks; empty where the row has none.
    pub(crate) fn field(&self, at: usize) -> &str {
        let start = if at == 0 { Some(0) } else { self.ends.get(at - 1).copied() };
        match (start, self.ends.get(at)) {
            (Some(start), Some(end)) => self.values[start..*end].trim(),
            _ => "",
        }
    }

    /// A field that may have no column.
    pub(crate) fn optional(&self, at: Option<usize>) -> &str {
        at.map_or("", |at| self.field(at))
    }
}

/// How far reading is, told on a terminal; of a pipe nobody knows how much is to come.
fn progress(file: &File, name: &str) -> Result<ProgressBar> {
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|facts| facts.len());
    let (bar, template) = match size {
        Some(bytes) => (ProgressBar::new(bytes), "{prefix} {wide_bar} {bytes}/{total_bytes} {eta}"),
        None => (ProgressBar::new_spinner(), "{prefix} {spinner} {bytes} {bytes_per_sec}"),
    };
    bar.set_style(ProgressStyle::with_template(template).context("the template is valid")?);
    bar.set_prefix(name.to_owned());
    Ok(bar)
}

/// A text of a file as an error shows it: its begin, on one line.
pub(crate) fn short(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown = printable(&chars.by_ref().take(SHOWN_CHARS_MAX).collect::<String>());
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A text of a file as a terminal may get it: control characters, which would move its cursor or rename its window, are written out.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a carriage return stands before anything but a line feed.
fn has_lone_return(raw: &[u8]) -> bool {
    raw.windows(2).any(|two| two[0] == b'\r' && two[1] != b'\n')
}

/// Where in a row its text ends so far. A quote opens a field only at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    Closed,
}

impl At {
    fn after(self, more: &[u8]) -> Self {
        more.iter().fold(self, |at, byte| match (at, byte) {
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, _) | (Self::Start | Self::Closed, b'"') => Self::Quoted,
            (_, b',') => Self::Start,
            _ => Self::Plain,
        })
    }
}

/// Column of the last quote, counted in characters of the row.
fn last_quote(raw: &[u8]) -> usize {
    let at = raw.iter().rposition(|byte| *byte == b'"').unwrap_or(0);
    String::from_utf8_lossy(&raw[..at]).chars().count() + 1
}

struct Seen {
    hash: Sha256,
    bytes: u64,
}

/// A file whose bytes are hashed and counted as they are read.
struct Watched {
    file: File,
    seen: Arc<Mutex<Seen>>,
    bar: ProgressBar,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.hash.update(&buffer[..read]);
        seen.bytes += read as u64;
        self.bar.set_position(seen.bytes);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Vec<String> {
        let mut row = Row::default();
        row.fill(text);
        (0..row.fields()).map(|at| row.field(at).to_owned()).collect()
    }

    #[test]
    fn fields_are_split_as_rfc_4180_says() {
        assert_eq!(row("a,b,,d"), ["a", "b", "", "d"]);
        assert_eq!(row("\"a,1\",\"say \"\"hi\"\"\",\"x\ny\""), ["a,1", "say \"hi\"", "x\ny"]);
        assert_eq!(row("5\" pile,b,"), ["5\" pile", "b", ""]);
        assert_eq!(row("桩-1, 2 "), ["桩-1", "2"]);
    }

    /// As a file that is no text at all has them in its first line; the terminal's title would else be what the file says.
    #[test]
    fn a_header_s_control_characters_do_not_reach_the_terminal() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("charges.csv");
        std::fs::write(&path, "a\u{1b}]0;mine\u{7}\u{9b}2J桩,b\n1,2\n").expect("written");
        let error = Rows::open(&path, &["c"]).err().expect("refused").to_string();
        assert!(error.contains("(found: a\\u{1b}]0;mine\\u{7}\\u{9b}2j桩,b)"), "{error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
        assert_eq!(short(&"\t".repeat(SHOWN_CHARS_MAX)), "\\t".repeat(SHOWN_CHARS_MAX), "whole");
        assert!(short(&"x".repeat(SHOWN_CHARS_MAX + 1)).ends_with("x…"));
    }

    #[test]
    fn a_column_that_stands_twice_is_refused_unless_it_has_no_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("charges.csv");
        let open = |header: &str| {
            std::fs::write(&path, format!("{header}\n")).expect("written");
            Rows::open(&path, &["a"]).err().map(|error| error.to_string())
        };
        assert_eq!(open("a,ambient_c,,"), None);
        let expected = "charges.csv, line 1: the column `ambient_c` stands twice; remove one";
        assert_eq!(open("a,ambient_c, Ambient_C").as_deref(), Some(expected));
    }

    #[test]
    fn a_quote_is_open_only_where_it_opened_a_field() {
        for (text, open) in [
            ("a,\"b", true),
            ("a,\"b\"", false),
            ("a,\"b\"\"", true),
            ("a,\"b\"\"\"", false),
            ("5\" pile,b", false),
            ("\"a\nb\",\"", true),
        ] {
            assert_eq!(At::Start.after(text.as_bytes()) == At::Quoted, open, "{text}");
            // Piece by piece it is the same.
            let pieces = text.as_bytes().chunks(1).fold(At::Start, At::after);
            assert_eq!(pieces == At::Quoted, open, "{text}");
        }
    }

    /// More rows than all batches hold, one of them longer than a batch, and a row that cannot be read behind them.
    #[test]
    fn rows_read_ahead_come_in_order_and_before_what_cannot_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("charges.csv");
        let rows = 3 * BATCHES * BATCH_ROWS;
        let long = "x".repeat(BATCH_BYTES + 1);
        let text = |row: usize| if row == rows / 2 { format!("{row},{long}\n") } else { format!("{row},\n") };
        let good: String = (0..rows).map(text).collect();
        let read = |more: &str, until: usize| {
            std::fs::write(&path, format!("n,x\n{good}{more}")).expect("written");
            let mut taken = Vec::new();
            let read = Rows::open(&path, &["n"]).expect("opens").each(|row| {
                taken.push((row.line, row.field(0).to_owned()));
                if taken.len() == until {
                    bail!("enough")
                }
                Ok(())
            });
            (taken, read.map_err(|error| error.to_string()))
        };
        let all: Vec<(u64, String)> = (0..rows).map(|row| (row as u64 + 2, row.to_string())).collect();
        let (taken, facts) = read("", usize::MAX);
        assert_eq!(taken, all);
        let bytes = std::fs::read(&path).expect("there");
        let expected = hex::encode(Sha256::digest(&bytes));
        assert_eq!(facts.map(|facts| (facts.bytes, facts.sha256)), Ok((bytes.len() as u64, expected)));
        let (taken, error) = read("\"", usize::MAX);
        assert_eq!(taken, all);
        let line = format!("charges.csv, line {}, column 1: a quote is opened", rows + 2);
        assert!(error.expect_err("open").starts_with(&line));
        let (taken, error) = read("", 7);
        assert_eq!((taken.len(), error), (7, Err("enough".to_owned())));
    }

    /// Looking at all of the row again after each line would be 5 · 10¹¹ steps.
    #[test]
    fn a_quote_left_open_before_two_million_empty_lines_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("charges.csv");
        std::fs::write(&path, format!("a,b\n1,\"{}", "\n".repeat(2_000_000))).expect("written");
        let mut rows = Rows::open(&path, &["a"]).expect("opens");
        let error = rows.next(&mut Row::default()).expect_err("too long").to_string();
        assert!(error.starts_with("charges.csv, line 2, column 3: a quote is opened"), "{error}");
    }
}
