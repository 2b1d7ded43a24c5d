//! Keys of chargers: drawn, hashed for the database, and written once to a file for whoever sets the chargers up.
//!
//! Used by `veripile register --access`. Nothing here logs or prints a key.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use veripile_ocpp::credential;
use veripile_pile::PileId;
use veripile_store::Registering;

use crate::table::Row;

/// Shortest and longest key: OCPP 2.0.1 wants 16 to 40 characters.
const KEY_CHARS: std::ops::RangeInclusive<usize> = 16..=40;

/// How one pile proves who it is, from a row of the file.
#[derive(Debug)]
pub struct AccessRow {
    pile_id: PileId,
    profile: Option<i16>,
    key: Key,
    upstream: Option<String>,
}

/// The key of a row.
enum Key {
    /// Given in the file.
    Given(String),
    /// To be drawn.
    Drawn,
    /// None is needed, or the one it has stays.
    Unchanged,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given(…)",
            Self::Drawn => "Drawn",
            Self::Unchanged => "Unchanged",
        })
    }
}

/// Reads a row: `pile_id[,security_profile,key,upstream_url]`; key `new` draws one.
pub fn row(row: &Row<'_>) -> Result<AccessRow> {
    let id = row.text("pile_id").ok_or_else(|| anyhow!("column pile_id is empty"))?;
    let profile = row.text("security_profile").map(|text| match text.parse::<i16>() {
        Ok(profile) if (0..=3).contains(&profile) => Ok(profile),
        _ => Err(anyhow!("column security_profile: {text:?} is none of 0, 1, 2, 3")),
    });
    let key = match row.text("key") {
        None => Key::Unchanged,
        Some("new") => Key::Drawn,
        Some(key) if KEY_CHARS.contains(&key.chars().count()) => Key::Given(key.to_owned()),
        Some(_) => bail!("column key: `new`, or 16 to 40 characters"),
    };
    let upstream = row.text("upstream_url").map(str::to_owned);
    if let Some(url) = &upstream
        && !url.starts_with("ws://")
        && !url.starts_with("wss://")
    {
        bail!("column upstream_url: {url:?} begins with neither ws:// nor wss://");
    }
    Ok(AccessRow { pile_id: PileId::parse(id)?, profile: profile.transpose()?, key, upstream })
}

impl AccessRow {
    /// Whose access it is.
    pub fn pile_id(&self) -> &PileId {
        &self.pile_id
    }
}

/// Rows of access with the hashes of their keys, and the file of those drawn: it goes again unless [`Prepared::keep`] says that they may count.
pub struct Prepared<'a> {
    rows: Vec<(&'a AccessRow, Option<String>)>,
    file: Option<PathBuf>,
}

impl<'a> Prepared<'a> {
    /// Draws keys, writes them to a new file that only its owner can read, and hashes them.
    pub fn of(rows: &'a [AccessRow], out: Option<&PathBuf>) -> Result<Self> {
        let draws = rows.iter().any(|row| matches!(row.key, Key::Drawn));
        let mut prepared = Self { rows: Vec::with_capacity(rows.len()), file: None };
        let mut file = match (draws, out) {
            (false, _) => None,
            (true, None) => bail!("keys are to be drawn: name a new file for them with --keys-out"),
            (true, Some(path)) => {
                let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
                let made = made
                    .with_context(|| format!("cannot make {}: it must not be there yet", path.display()))?;
                prepared.file = Some(path.clone());
                Some(made)
            }
        };
        if let Some(file) = &mut file {
            writeln!(file, "pile_id,key")?;
        }
        for row in rows {
            let key = match &row.key {
                Key::Given(key) => Some(key.clone()),
                Key::Drawn => Some(credential::text(rand::random())),
                Key::Unchanged => None,
            };
            let hash = key.as_deref().map(|key| credential::hash(key, rand::random()));
            prepared.rows.push((row, hash));
            if let (Some(file), Some(key), Key::Drawn) = (&mut file, key, &row.key) {
                writeln!(file, "{},{key}", row.pile_id)?;
            }
        }
        Ok(prepared)
    }

    /// Writes them as part of a registration.
    pub async fn register(&self, registering: &mut Registering) -> Result<()> {
        for (row, hash) in &self.rows {
            let AccessRow { pile_id, profile, upstream, .. } = row;
            registering
                .access(pile_id, *profile, upstream.as_deref(), hash.as_deref())
                .await
                .with_context(|| format!("access of pile {pile_id}"))?;
        }
        Ok(())
    }

    /// The registration is about to be committed: from here on the keys in the file may count, and it stays whatever becomes of that. Gives
    /// the file, if there is one.
    pub fn keep(mut self) -> Option<PathBuf> {
        self.file.take()
    }
}

/// What to do where a commit came to an end that nobody knows: the database may have committed, and only its word of that was lost.
pub fn uncertain(kept: Option<&Path>) -> String {
    let again = "the connection ended with the commit, and whether this was registered is not known. Run the same command again: what is \
                 registered already stays as it is";
    match kept {
        None => again.to_owned(),
        Some(file) => format!(
            "{again}. The keys in {} may count: keep this file until chargers have newer ones, and name another file with --keys-out",
            file.display()
        ),
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.file.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, file = %path.display(), "nothing was registered: the keys in this file count for nothing; remove it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_keys_goes_before_a_commit_and_stays_from_there_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys.csv");
        let rows = [AccessRow {
            pile_id: PileId::parse("P1").expect("literal"),
            profile: None,
            key: Key::Drawn,
            upstream: None,
        }];
        drop(Prepared::of(&rows, Some(&file)).expect("drawn"));
        assert!(!file.exists());
        let kept = Prepared::of(&rows, Some(&file)).expect("drawn").keep();
        assert!(file.exists() && kept.as_ref() == Some(&file));
        let said = uncertain(kept.as_deref());
        assert!(said.contains("keys.csv may count") && !uncertain(None).contains("keys"), "{said}");
    }
}
