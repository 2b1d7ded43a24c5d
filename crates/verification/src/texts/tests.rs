//! Tests of the table: every key that the program uses is there, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::certificate::CertificateKind;
use crate::instrument::InstrumentRole;
use crate::item::ItemCode;
use crate::order::Reason;
use crate::result::RiskBearer;
use crate::run::Why;

/// Codes of budget lines and of distributions, as [`crate::result::BudgetLine`] names them.
const BUDGET: [&str; 9] = [
    "standard",
    "standard_drift",
    "repeatability",
    "resolution",
    "register_time",
    "phase",
    "ripple",
    "self_heating",
    "cable",
];
const DISTRIBUTIONS: [&str; 5] = ["normal", "student", "rectangular", "triangular", "u_shaped"];

/// Keys in quotes after `.of(` or `heading(` in the sources, and those made of a kind and a word.
fn used() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                for begin in [".of(\"", ".heading(\""] {
                    let keys = text.split(begin).skip(1);
                    used.extend(keys.filter_map(|part| part.split('"').next()).map(str::to_owned));
                }
            }
        }
    }
    let kinds: [(&str, Vec<&str>); 8] = [
        ("reason", Reason::ALL.iter().map(|reason| reason.word()).collect()),
        ("item", ItemCode::ALL.iter().map(|item| item.word()).collect()),
        ("trouble", Why::ALL.iter().map(|why| why.word()).collect()),
        ("role", vec![InstrumentRole::Source.word(), InstrumentRole::Standard.word()]),
        ("conclusion", vec![CertificateKind::Certificate.word(), CertificateKind::Notice.word()]),
        ("risk", vec![RiskBearer::Consumer.word(), RiskBearer::Producer.word()]),
        ("budget", BUDGET.to_vec()),
        ("distribution", DISTRIBUTIONS.to_vec()),
    ];
    for (kind, words) in kinds {
        used.extend(words.iter().map(|word| format!("{kind}.{word}")));
    }
    used
}

#[test]
fn the_table_holds_every_key_that_is_used_and_no_other() {
    let known: BTreeSet<String> = TEXTS.0.texts.keys().cloned().collect();
    let used = used();
    let missing: Vec<_> = used.difference(&known).collect();
    let idle: Vec<_> = known.difference(&used).collect();
    assert!(missing.is_empty(), "used and not in the table: {missing:?}");
    assert!(idle.is_empty(), "in the table and not used: {idle:?}");
}

#[test]
fn both_languages_say_something_and_fill_in_the_same() {
    let places = |text: &str| -> BTreeSet<String> {
        text.split('{').skip(1).filter_map(|part| part.split('}').next()).map(str::to_owned).collect()
    };
    for (key, zh) in &TEXTS.0.texts {
        let en = &TEXTS.1.texts[key];
        assert!(!zh.trim().is_empty() && !en.trim().is_empty(), "{key}");
        assert_eq!(places(zh), places(en), "{key}");
    }
}

#[test]
fn what_is_filled_in_is_not_looked_through_again() {
    assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "2")]), "{b} and 2");
    assert_eq!(fill("{unknown} {a", &[("a", "1")]), "{unknown} {a");
}

#[test]
fn an_unknown_word_is_shown_as_it_is() {
    let texts = Texts::in_language(Language::En);
    assert_eq!(texts.word("budget", "standard_drift"), "drift of the standard");
    assert_eq!(texts.word("budget", "magnetism"), "magnetism");
}
