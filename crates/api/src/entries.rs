//! What a form sent, as it was typed: so that a form with something wrong in it comes back with every entry kept.
//!
//! Used by the pages of verifications, whose forms have rows. Reads numbers and times; says what is wrong as a [`Fault`].

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use rust_decimal::Decimal;

use crate::texts::Texts;

/// Fields that one form may send: the largest has some 250.
const FIELDS_MAX: usize = 1000;

/// What the button of the other language sends beside a form, so that nothing comes of it but the same page.
pub(crate) const SHOW: &str = "show";

/// Longest text of one field, characters: a remark, not a book.
const TEXT_CHARS_MAX: usize = 2000;

/// Dates of forms are China's, which has had no summer time since 1991.
const SHANGHAI: Offset = Offset::constant(8);

/// Something wrong with what was entered: what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) next: String,
}

impl Fault {
    /// Makes one.
    pub(crate) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into() }
    }

    /// A field that does not read as it should.
    pub(crate) fn field(t: &Texts, label: &str, given: &str) -> Self {
        let what = if given.is_empty() {
            t.of("fault.empty").replace("{field}", label)
        } else {
            t.of("fault.unread").replace("{field}", label).replace("{given}", given)
        };
        Self::new(what, t.of("fault.fill"))
    }
}

/// Fields by name, in the order sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries(Vec<(String, String)>);

impl Entries {
    /// From the fields of a request. Control characters, which a database and a document cannot hold, become blanks.
    pub(crate) fn new(fields: Vec<(String, String)>) -> Self {
        let clean = |text: String| -> String {
            let plain = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
            text.chars().take(TEXT_CHARS_MAX).map(plain).collect()
        };
        Self(fields.into_iter().take(FIELDS_MAX).map(|(name, text)| (name, clean(text))).collect())
    }

    /// The text of a field without blanks around it; empty if it was not sent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, text)| text.trim())
    }

    /// The text of a field of a row.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    pub(crate) fn row(&self, name: &str, row: &usize) -> &str {
        self.get(&format!("{name}_{row}"))
    }

    /// Whether a field has a value: of boxes and choices, of which several may be sent.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(known, text)| known == name && text == value)
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        let name = name.into();
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, text.into()));
    }

    /// Adds a value to a field that may have several.
    pub(crate) fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.push((name.into(), text.into()));
    }

    /// Removes a field with all its values.
    pub(crate) fn clear(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}

/// Reads fields, and keeps what is wrong with them.
pub(crate) struct Reader<'a> {
    t: &'a Texts,
    entries: &'a Entries,
    /// What is wrong so far.
    pub(crate) faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    /// Begins.
    pub(crate) fn new(t: &'a Texts, entries: &'a Entries) -> Self {
        Self { t, entries, faults: Vec::new() }
    }

    /// Notes that a field cannot be read.
    pub(crate) fn wrong(&mut self, name: &str, label: &str) {
        self.faults.push(Fault::field(self.t, label, self.entries.get(name)));
    }

    /// A number; zero, and a fault, if there is none.
    pub(crate) fn decimal(&mut self, name: &str, label: &str) -> Decimal {
        let number = decimal(self.entries.get(name));
        if number.is_none() {
            self.wrong(name, label);
        }
        number.unwrap_or_default()
    }

    /// A number that need not be there.
    pub(crate) fn optional(&mut self, name: &str, label: &str) -> Option<Decimal> {
        if self.entries.get(name).is_empty() { None } else { Some(self.decimal(name, label)) }
    }

    /// A whole number from zero.
    pub(crate) fn whole(&mut self, name: &str, label: &str) -> u32 {
        let number = self.entries.get(name).parse();
        if number.is_err() {
            self.wrong(name, label);
        }
        number.unwrap_or_default()
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &str, label: &str) -> String {
        let text = self.entries.get(name).to_owned();
        if text.is_empty() {
            self.wrong(name, label);
        }
        text
    }

    /// A day: its first moment in China.
    pub(crate) fn day(&mut self, name: &str, label: &str) -> Timestamp {
        let first = day(self.entries.get(name));
        if first.is_none() {
            self.wrong(name, label);
        }
        first.unwrap_or_default()
    }
}

/// A decimal number; a decimal comma, as some write it, is taken for a point.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    text.trim().replace(',', ".").parse().ok()
}

/// Years that a day in a form may lie in: those of what documents speak of, far from where calendars and what is added to a day end.
const YEARS: RangeInclusive<i16> = 1900..=2999;

/// The first moment of a day in China.
pub(crate) fn day(text: &str) -> Option<Timestamp> {
    let date: Date = text.trim().parse().ok().filter(|date: &Date| YEARS.contains(&date.year()))?;
    Some(date.to_zoned(TimeZone::fixed(SHANGHAI)).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    fn entries(fields: &[(&str, &str)]) -> Entries {
        Entries::new(fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn fields_are_kept_as_typed_without_what_no_document_can_hold() {
        let mut form = entries(&[("a", " x\u{0}y "), ("b_1", "2"), ("c", "one"), ("c", "two")]);
        assert_eq!((form.get("a"), form.row("b", &1), form.get("absent")), ("x y", "2", ""));
        assert!(form.has("c", "two") && !form.has("c", "three"));
        form.set("c", "three");
        assert!(form.has("c", "three") && !form.has("c", "one"));
        assert_eq!(entries(&vec![("n", "x"); FIELDS_MAX + 5]).0.len(), FIELDS_MAX);
    }

    #[test]
    fn every_field_that_does_not_read_is_a_fault_with_its_label() {
        let t = Texts::in_language(Language::En);
        let form = entries(&[("good", "1,5"), ("bad", "many"), ("day", "2026-03-01"), ("whole", "-1")]);
        let mut reader = Reader::new(t, &form);
        assert_eq!(reader.decimal("good", "Good"), Decimal::new(15, 1));
        assert_eq!(reader.day("day", "Day").to_string(), "2026-02-28T16:00:00Z");
        assert_eq!(reader.optional("absent", "Absent"), None);
        assert!(reader.faults.is_empty());
        reader.decimal("bad", "Bad");
        reader.decimal("absent", "Absent");
        reader.day("bad", "Day");
        reader.whole("whole", "Whole");
        reader.text("absent", "Text");
        assert_eq!(reader.faults.len(), 5);
        // A day more than these ends no calendar.
        for (text, is_day) in [
            ("1899-12-31", false),
            ("1900-01-01", true),
            ("2999-12-31", true),
            ("3000-01-01", false),
            ("9999-12-31", false),
            ("-004800-01-01", false),
        ] {
            assert_eq!(day(text).is_some(), is_day, "{text}");
        }
        assert!(reader.faults[0].what.contains("Bad") && reader.faults[0].what.contains("many"));
    }
}
