//! What the demo has told so far, kept beside its database: a history that was interrupted is told again from its first day, with
//! the same seed and the same clock, and what is stored already changes nothing.
//!
//! Used by [`crate::demo`] only.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The story of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Seed of the city.
    pub seed: u64,
    /// Days of history.
    pub days: u32,
    /// The moment that ends the history.
    pub until: Timestamp,
    /// Whether all of it is stored.
    pub is_told: bool,
}

impl Story {
    /// Goes on with the story of a folder, or begins one.
    pub fn open(folder: &Path, seed: u64, days: u32, now: Timestamp) -> Result<Self> {
        let file = file(folder);
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let story: Self = serde_json::from_str(&text)
                    .with_context(|| format!("{} does not read back; remove the folder", file.display()))?;
                if story.seed != seed {
                    bail!(
                        "{} holds the city of seed {}, not {seed}: remove it, or name another folder with --data",
                        folder.display(),
                        story.seed
                    );
                }
                Ok(story)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let story = Self { seed, days, until: now, is_told: false };
                story.save(folder)?;
                Ok(story)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Notes that the history is stored.
    pub fn told(mut self, folder: &Path) -> Result<()> {
        self.is_told = true;
        self.save(folder)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(draft, "{}", serde_json::to_string_pretty(self)?)?;
        draft.persist(file(folder))?;
        Ok(())
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("story.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_story_goes_on_with_its_own_days_and_clock() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        let begun = Story::open(folder.path(), 1, 30, first).expect("begun");
        assert_eq!(Story::open(folder.path(), 1, 7, later).expect("resumed"), begun);
        assert!(Story::open(folder.path(), 2, 30, later).is_err(), "another city");
        begun.told(folder.path()).expect("noted");
        assert!(Story::open(folder.path(), 1, 30, later).expect("read").is_told);
    }
}
