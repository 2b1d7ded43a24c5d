//! Every word of documents and charts, in Chinese and English, from one table.
//!
//! Called by [`crate::certificate::pdf`], [`crate::chart`] and `api`. Words only: numbers and dates are written where they are
//! used.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// The table.
const TABLE: &str = include_str!("../documents.toml");

/// A language of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// Its code in files (RFC 3066).
    pub fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    zh: String,
    en: String,
}

/// The texts in one language.
pub struct Texts {
    /// Which.
    pub language: Language,
    texts: BTreeMap<String, String>,
}

static TEXTS: LazyLock<(Texts, Texts)> = LazyLock::new(|| {
    let table: BTreeMap<String, Entry> = toml::from_str(TABLE).expect("a test reads the table");
    let of = |language, pick: fn(&Entry) -> &String| Texts {
        language,
        texts: table.iter().map(|(key, entry)| (key.clone(), pick(entry).clone())).collect(),
    };
    (of(Language::Zh, |entry| &entry.zh), of(Language::En, |entry| &entry.en))
});

impl Texts {
    /// The texts of a language.
    pub fn in_language(language: Language) -> &'static Self {
        match language {
            Language::Zh => &TEXTS.0,
            Language::En => &TEXTS.1,
        }
    }

    /// The text of a key. A key that is not in the table shows itself; a test keeps that from happening.
    pub fn of<'a>(&'a self, key: &'a str) -> &'a str {
        self.texts.get(key).map_or(key, String::as_str)
    }

    /// The text of a kind of word, e.g. of `item` and `clock`. One that is not in the table is the word itself: files of other
    /// versions may hold words that are not known yet.
    pub fn word<'a>(&'a self, kind: &str, word: &'a str) -> &'a str {
        self.texts.get(&format!("{kind}.{word}")).map_or(word, String::as_str)
    }
}

/// A text with its places in braces filled, in one pass: what is filled in is never looked through again.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let named = after.split_once('}');
        let found = named.and_then(|(name, rest)| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value, rest))
        });
        match found {
            Some((value, behind)) => {
                filled.push_str(value);
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests;
