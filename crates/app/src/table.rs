//! CSV files as people send them: with or without BOM, CRLF, gzip; columns by name in any order; errors that name file, line
//! and column.
//!
//! Used by `register`; the far larger files of `assess` have a reader of their own that keeps rejected rows verbatim.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use csv::StringRecord;
use flate2::read::MultiGzDecoder;
use veripile_pile::Field;

/// An open table.
pub struct Table {
    file: PathBuf,
    reader: csv::Reader<Box<dyn Read>>,
    columns: HashMap<String, usize>,
}

/// One row of it.
pub struct Row<'a> {
    /// Physical line on which it begins; the header is line 1.
    pub line: u64,
    record: &'a StringRecord,
    columns: &'a HashMap<String, usize>,
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
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(plain);
        let header = reader.headers().map_err(|error| explain(file, &error))?;
        let name = |name: &str| name.trim_start_matches('\u{feff}').trim().to_owned();
        let names: Vec<String> = header.iter().map(name).collect();
        if let Some(twice) = twice(&names) {
            bail!("{}, line 1: the column {twice} stands twice; remove one", file.display());
        }
        let columns: HashMap<String, usize> = names.into_iter().zip(0..).collect();
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
            bail!(
                "{}, line 1: no column {}; add it, or correct its name in the header",
                file.display(),
                missing.join(", ")
            );
        }
        Ok(Self { file: file.to_owned(), reader, columns })
    }

    /// Calls `take` with every row.
    ///
    /// # Errors
    /// If the file cannot be read to its end, naming the line reached.
    pub fn rows(mut self, mut take: impl FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        let mut record = StringRecord::new();
        loop {
            match self.reader.read_record(&mut record) {
                Ok(true) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    take(Row { line, record: &record, columns: &self.columns })?;
                }
                Ok(false) => return Ok(()),
                Err(error) => {
                    let line = self.reader.position().line();
                    return Err(explain(&self.file, &error).context(format!("near line {line}")));
                }
            }
        }
    }
}

impl Row<'_> {
    /// Where it stands, as errors name it.
    pub fn place(&self) -> String {
        format!("line {}", self.line)
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
        let at = *self.columns.get(column)?;
        self.record.get(at).map(str::trim).filter(|text| !text.is_empty())
    }
}

/// The first name that stands there again: of two columns of one name nobody knows which is meant. Spreadsheets leave several without a name.
fn twice(names: &[String]) -> Option<&str> {
    let mut seen = BTreeSet::new();
    names.iter().map(String::as_str).find(|name| !name.is_empty() && !seen.insert(*name))
}

fn explain(file: &Path, error: &csv::Error) -> anyhow::Error {
    let name = file.display();
    match error.kind() {
        csv::ErrorKind::Utf8 { pos, err } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            anyhow!("{name}, line {line}, column {}: not UTF-8; save the file as UTF-8", err.field() + 1)
        }
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            anyhow!("{name}: the compressed file ends too early; fetch it again")
        }
        _ => anyhow!("{name} cannot be read: {error}"),
    }
}
