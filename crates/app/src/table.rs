//! CSV files as people send them: with or without BOM, CRLF, gzip; columns by name in any order; errors that name file, line
//! and column.
//!
//! Used by `register`; the far larger files of `assess` have a reader of their own that keeps rejected rows verbatim. Nothing of a file is
//! dropped unsaid: a row that has cells beyond the header is refused, and columns that nobody asked for are named.

use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use csv::StringRecord;
use flate2::read::MultiGzDecoder;
use veripile_pile::Field;

use crate::assess_files::rows::short;

/// What tables are separated by instead of commas, and how that is called.
const SEPARATORS: [(char, &str); 3] = [(';', "semicolons"), ('\t', "tabs"), ('，', "full-width commas")];

/// An open table.
pub struct Table {
    file: PathBuf,
    reader: csv::Reader<Lines>,
    columns: HashMap<String, Column>,
    /// How many columns the header has.
    width: usize,
}

/// A column of a table.
struct Column {
    /// Which it is, from 0.
    at: usize,
    /// Whether anybody asked for a text in it.
    is_asked: Cell<bool>,
}

/// One row of it.
pub struct Row<'a> {
    /// Physical line on which it begins; the header is line 1.
    pub line: u64,
    record: &'a StringRecord,
    columns: &'a HashMap<String, Column>,
    width: usize,
}

/// Columns of files that nobody asked for.
#[derive(Debug, Default)]
pub struct Unread(BTreeMap<PathBuf, Vec<String>>);

impl Unread {
    /// Notes them of a file, which may be read more than once: what nobody asked for any time.
    pub fn of(&mut self, file: &Path, columns: Vec<String>) {
        match self.0.get_mut(file) {
            Some(unread) => unread.retain(|column| columns.contains(column)),
            None => {
                self.0.insert(file.to_owned(), columns);
            }
        }
    }

    /// Each file that has such columns, with them.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[String])> {
        let files = self.0.iter().map(|(file, columns)| (file.as_path(), columns.as_slice()));
        files.filter(|(_, columns)| !columns.is_empty())
    }
}

/// Where each identifier of a list stands: two rows of one would each undo the other.
#[derive(Debug, Default)]
pub struct Seen(HashMap<String, String>);

impl Seen {
    /// Notes where an identifier stands, unless it stands somewhere already.
    pub fn once(&mut self, what: &str, id: &str, place: &str) -> Result<()> {
        match self.0.entry(id.to_owned()) {
            Entry::Occupied(first) => {
                bail!("{what} {id} stands in {} already; keep one of the two", first.get())
            }
            Entry::Vacant(free) => {
                free.insert(place.to_owned());
                Ok(())
            }
        }
    }
}

impl Table {
    /// Opens a file; every one of `required` must be among its columns, and no name may stand twice.
    pub fn open(file: &Path, required: &[&str]) -> Result<Self> {
        let handle = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        let buffered = BufReader::new(handle);
        let plain: Box<dyn Read> = if file.extension().is_some_and(|extension| extension == "gz") {
            Box::new(MultiGzDecoder::new(buffered))
        } else {
            Box::new(buffered)
        };
        Self::over(file, plain, required)
    }

    /// Reads a text as if it were a file.
    pub fn of_text(text: &str, required: &[&str]) -> Result<Self> {
        Self::over(Path::new("table"), Box::new(std::io::Cursor::new(text.to_owned())), required)
    }

    fn over(file: &Path, plain: Box<dyn Read>, required: &[&str]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(Lines::of(plain));
        let header = reader.headers().map_err(|error| explain(file, &error))?;
        let name = |name: &str| name.trim_start_matches('\u{feff}').trim().to_owned();
        let names: Vec<String> = header.iter().map(name).collect();
        if let Some(twice) = twice(&names) {
            bail!("{}, line 1: the column {twice} stands twice; remove one", file.display());
        }
        let width = names.len();
        let column = |(name, at)| (name, Column { at, is_asked: Cell::new(false) });
        let columns: HashMap<String, Column> = names.into_iter().zip(0..).map(column).collect();
        if columns.is_empty() || columns.keys().all(String::is_empty) {
            bail!(
                "{}: the file is empty; the first line must name the columns {}",
                file.display(),
                required.join(",")
            );
        }
        let missing: Vec<&str> =
            required.iter().filter(|name| !columns.contains_key(**name)).copied().collect();
        if !missing.is_empty() {
            if let Some(separator) = separator(&columns, &missing) {
                bail!(
                    "{}, line 1: the columns seem to be separated by {separator}, and commas are expected; save the table as CSV with commas",
                    file.display()
                );
            }
            bail!(
                "{}, line 1: no column {}; add it, or correct its name in the header",
                file.display(),
                missing.join(", ")
            );
        }
        Ok(Self { file: file.to_owned(), reader, columns, width })
    }

    /// Calls `take` with every row; gives the named columns that nobody asked a row for, in the order of the header.
    ///
    /// # Errors
    /// If the file cannot be read to its end, naming the line reached.
    pub fn rows(mut self, mut take: impl FnMut(Row<'_>) -> Result<()>) -> Result<Vec<String>> {
        let mut record = StringRecord::new();
        loop {
            match self.reader.read_record(&mut record) {
                Ok(true) => {
                    let line = self.line_at(record.position().map_or(0, csv::Position::byte));
                    take(Row { line, record: &record, columns: &self.columns, width: self.width })?;
                }
                Ok(false) => return Ok(self.unasked()),
                Err(error) => {
                    let at = match error.kind() {
                        csv::ErrorKind::Utf8 { pos: Some(pos), .. } => pos.byte(),
                        _ => self.reader.position().byte(),
                    };
                    let line = self.line_at(at);
                    return Err(explain_at(&self.file, &error, line).context(format!("near line {line}")));
                }
            }
        }
    }

    /// None of a table without a row: nobody was there to ask.
    fn unasked(&self) -> Vec<String> {
        if !self.columns.values().any(|column| column.is_asked.get()) {
            return Vec::new();
        }
        let is_unasked = |(name, column): &(&String, &Column)| !name.is_empty() && !column.is_asked.get();
        let unasked = self.columns.iter().filter(is_unasked).map(|(name, column)| (column.at, name));
        unasked.collect::<BTreeMap<_, _>>().into_values().cloned().collect()
    }

    /// The physical line of what begins at this byte, or after the line ends that stand there.
    fn line_at(&mut self, byte: u64) -> u64 {
        self.reader.get_mut().line_at(byte)
    }
}

/// The bytes of a table on their way to the `csv` crate, which counts lines of its own: after CRLF it is still on the line before, and a
/// row that follows blank lines begins with them.
struct Lines {
    plain: Box<dyn Read>,
    /// How many bytes were read, the line they end on, whether anything but line ends stands on it, and whether they end in a carriage return.
    bytes: u64,
    line: u64,
    is_begun: bool,
    is_after_return: bool,
    /// Of lines that are not blank: the byte at which each begins, and its number; from the one asked for last to what was read ahead.
    begins: VecDeque<(u64, u64)>,
}

impl Lines {
    fn of(plain: Box<dyn Read>) -> Self {
        Self { plain, bytes: 0, line: 1, is_begun: false, is_after_return: false, begins: VecDeque::new() }
    }

    fn take(&mut self, byte: u8) {
        match byte {
            b'\n' if self.is_after_return => {}
            b'\n' | b'\r' => {
                self.line += 1;
                self.is_begun = false;
            }
            _ if self.is_begun => {}
            _ => {
                self.begins.push_back((self.bytes, self.line));
                self.is_begun = true;
            }
        }
        self.is_after_return = byte == b'\r';
        self.bytes += 1;
    }

    /// The first line that begins there or later and is not blank. Bytes asked for never go back.
    fn line_at(&mut self, byte: u64) -> u64 {
        while self.begins.front().is_some_and(|(begin, _)| *begin < byte) {
            self.begins.pop_front();
        }
        self.begins.front().map_or(self.line, |(_, line)| *line)
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.plain.read(buffer)?;
        for byte in buffer.iter().take(count) {
            self.take(*byte);
        }
        Ok(count)
    }
}

impl Row<'_> {
    /// Where it stands, as errors name it.
    pub fn place(&self) -> String {
        format!("line {}", self.line)
    }

    /// Refuses a row that has cells beyond the header: one of its commas belongs to a text, and all after it would be read of the wrong
    /// column or of none. Empty cells at the end are nothing, and spreadsheets write them.
    pub fn fits(&self) -> Result<()> {
        match self.record.iter().skip(self.width).find(|cell| !cell.trim().is_empty()) {
            Some(cell) => bail!(
                "{} cells, and the header has {} columns: {:?} is beyond the last; put a cell that has a comma in it between double quotes",
                self.record.len(),
                self.width,
                short(cell)
            ),
            None => Ok(()),
        }
    }

    /// Whether the table has a column: one that it has not says nothing of what is registered.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Which of these fields the table says nothing of: those of whose columns it has none.
    pub fn unsaid(&self, fields: &[(Field, &[&str])]) -> BTreeSet<Field> {
        let is_unsaid = |columns: &[&str]| !columns.iter().any(|column| self.has(column));
        fields.iter().filter(|(_, columns)| is_unsaid(columns)).map(|(field, _)| *field).collect()
    }

    /// A field's text; none where the column or the text is missing.
    pub fn text(&self, column: &str) -> Option<&str> {
        let column = self.columns.get(column)?;
        column.is_asked.set(true);
        self.record.get(column.at).map(str::trim).filter(|text| !text.is_empty())
    }
}

/// The first name that stands there again: of two columns of one name nobody knows which is meant. Spreadsheets leave several without a name.
fn twice(names: &[String]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    names.iter().map(String::as_str).find(|name| !name.is_empty() && !seen.insert(*name))
}

/// What separates the names of a header that has none of the columns that are missing, but a name that holds one of them.
fn separator(columns: &HashMap<String, Column>, missing: &[&str]) -> Option<&'static str> {
    let is_it = |(separator, _): &&(char, &str)| {
        let mut held = columns.keys().filter(|name| name.contains(*separator));
        held.any(|name| name.split(*separator).any(|part| missing.contains(&part.trim().trim_matches('"'))))
    };
    SEPARATORS.iter().find(is_it).map(|(_, name)| *name)
}

/// Of the header.
fn explain(file: &Path, error: &csv::Error) -> anyhow::Error {
    explain_at(file, error, 1)
}

fn explain_at(file: &Path, error: &csv::Error, line: u64) -> anyhow::Error {
    let name = file.display();
    match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => {
            anyhow!("{name}, line {line}, column {}: not UTF-8; save the file as UTF-8", err.field() + 1)
        }
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            anyhow!("{name}: the compressed file ends too early; fetch it again")
        }
        _ => anyhow!("{name} cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u64, String)> {
        let mut lines = Vec::new();
        let table = Table::of_text(text, &["a"]).expect("a table");
        let take = |row: Row<'_>| {
            lines.push((row.line, row.text("a").unwrap_or_default().to_owned()));
            Ok(())
        };
        table.rows(take).expect("read to its end");
        lines
    }

    /// Counted by eye, as an editor numbers them.
    #[test]
    fn a_row_is_named_by_its_line_whatever_ends_lines() {
        let text = "a,b\n1,x\n\n\n2,\"y\nz\"\n3,x\n";
        let expected = [(2, "1"), (5, "2"), (7, "3")].map(|(line, a)| (line, a.to_owned()));
        assert_eq!(lines(text), expected);
        for end in ["\r\n", "\r"] {
            assert_eq!(lines(&text.replace('\n', end)), expected, "{end:?}");
        }
        let marked = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(lines(marked.trim_end()), expected);
        // Longer than what is read ahead at once.
        let long: String = (2..5_000).fold("a,b\r\n".to_owned(), |text, line| format!("{text}{line},x\r\n"));
        assert!(lines(&long).iter().all(|(line, a)| line.to_string() == *a));
    }

    #[test]
    fn what_is_not_utf_8_is_told_with_its_line() {
        let bytes = b"a,b\r\n1,x\r\n\r\n2,\xff\r\n".to_vec();
        let table = Table::over(Path::new("t.csv"), Box::new(std::io::Cursor::new(bytes)), &["a"]);
        let error = table.and_then(|table| table.rows(|_| Ok(()))).expect_err("no text");
        let told = format!("{error:#}");
        assert!(told.contains("t.csv, line 4, column 2: not UTF-8"), "{told}");
    }

    /// An address with a comma in it that nobody quoted has a cell too many.
    #[test]
    fn a_row_beyond_its_header_does_not_fit() {
        let told = |text: &str| {
            let table = Table::of_text(text, &["a"]).expect("a table");
            table.rows(|row| row.fits()).map(drop).map_err(|error| error.to_string())
        };
        let beyond = "3 cells, and the header has 2 columns: \"2楼\" is beyond the last; put a cell that has a comma in it between \
                      double quotes";
        assert_eq!(told("a,b\n1,中山路1号,2楼\n"), Err(beyond.to_owned()));
        for fits in ["a,b\n1,\"中山路1号,2楼\"\n", "a,b\n1,x,, \n", "a,b\n1\n", "a,,\n1,,x\n"] {
            assert_eq!(told(fits), Ok(()), "{fits}");
        }
    }

    #[test]
    fn columns_that_nobody_asked_for_are_named() {
        let unasked = |file: &str, columns: &[&'static str]| {
            let table = Table::of_text(file, &["a"]).expect("a table");
            let ask = |row: Row<'_>| {
                for column in columns {
                    let _ = row.text(column);
                }
                Ok(())
            };
            table.rows(ask).expect("read to its end")
        };
        let text = "a,z,b,,y\n1,2,3,4,5\n";
        assert_eq!(unasked(text, &["a", "b", "c"]), ["z", "y"]);
        assert!(unasked("a,z\n", &["a"]).is_empty(), "nothing is known of a table without rows");
        // A file that is read twice: what neither asked for.
        let mut unread = Unread::default();
        for columns in [["a", "z"], ["a", "b"]] {
            unread.of(Path::new("t.csv"), unasked(text, &columns));
        }
        unread.of(Path::new("u.csv"), Vec::new());
        let told: Vec<(&Path, Vec<String>)> =
            unread.files().map(|(file, columns)| (file, columns.to_vec())).collect();
        assert_eq!(told, [(Path::new("t.csv"), vec!["y".to_owned()])]);
    }

    #[test]
    fn another_separator_than_the_comma_is_told() {
        for (header, separator) in [
            ("a;b;c", Some("semicolons")),
            ("\u{feff}\"a\";\"b\"", Some("semicolons")),
            ("b\ta", Some("tabs")),
            ("b，a", Some("full-width commas")),
            ("b;c", None),
        ] {
            let Err(error) = Table::of_text(&format!("{header}\n"), &["a"]) else { panic!("{header}") };
            let expected = separator.map_or("table, line 1: no column a; add it, or correct its name in the header".to_owned(), |separator| {
                format!("table, line 1: the columns seem to be separated by {separator}, and commas are expected; save the table as CSV with commas")
            });
            assert_eq!(error.to_string(), expected, "{header}");
        }
    }
}
