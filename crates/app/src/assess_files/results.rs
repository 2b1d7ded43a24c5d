//! What `assess` leaves behind: a folder with all its files or with none of them.
//!
//! Called by `assess_files`. Files grow under temporary names and get their own only at the end, `estimates.csv` last, so that
//! whoever sees it sees a finished run.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The files, in the order in which they appear.
const FILES: [&str; 6] =
    ["rejected.csv", "vehicles.csv", "signals.csv", "operators.csv", "run.json", "estimates.csv"];

/// Ending of a file that is not finished.
const PARTIAL: &str = ".partial";

/// A folder being filled. Dropped before [`Folder::publish`], it leaves nothing.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder and removes an earlier run's files from it; refuses one whose files are among the inputs.
    pub(super) fn prepare<'a>(path: &Path, inputs: impl Iterator<Item = &'a PathBuf>) -> Result<Self> {
        let name = || format!("{}: cannot be written to; choose another --out", path.display());
        fs::create_dir_all(path).with_context(name)?;
        let folder = path.canonicalize().with_context(name)?;
        for input in inputs {
            if let Ok(real) = input.canonicalize()
                && FILES.iter().any(|file| real == folder.join(file))
            {
                bail!("{}: the results would overwrite it; choose another --out", input.display());
            }
        }
        for file in FILES {
            remove(&path.join(file)).with_context(name)?;
        }
        Ok(Self { path: path.to_owned() })
    }

    /// A CSV file with its header.
    pub(super) fn csv(&self, file: &str, header: &[&str]) -> Result<csv::Writer<BufWriter<File>>> {
        let mut writer = csv::Writer::from_writer(self.file(file)?);
        writer.write_record(header)?;
        Ok(writer)
    }

    /// Any file.
    pub(super) fn file(&self, file: &str) -> Result<BufWriter<File>> {
        let path = self.partial(file);
        Ok(BufWriter::new(
            File::create(&path).with_context(|| format!("{}: cannot be written", path.display()))?,
        ))
    }

    /// Gives the files their names.
    pub(super) fn publish(self) -> Result<()> {
        for file in FILES {
            fs::rename(self.partial(file), self.path.join(file))
                .with_context(|| format!("{file}: cannot be written"))?;
        }
        Ok(())
    }

    fn partial(&self, file: &str) -> PathBuf {
        self.path.join(format!("{file}{PARTIAL}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for file in FILES {
            // A leftover cannot be mistaken for a result; the error that brought us here matters more.
            let _ = fs::remove_file(self.partial(file));
        }
    }
}

/// Writes a CSV file out to the disk.
pub(super) fn finish(writer: csv::Writer<BufWriter<File>>) -> Result<()> {
    let mut inner =
        writer.into_inner().map_err(|error| anyhow::anyhow!("cannot be written: {}", error.error()))?;
    inner.flush().context("cannot be written")
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
