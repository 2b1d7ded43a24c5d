//! Writing the XML: elements, texts in two languages, quantities. Knows the shapes that the two schemas repeat everywhere.
//!
//! Leaves never fail; what no schema could accept is remembered and told by [`Xml::finish`].

use std::borrow::Cow;
use std::fmt::Display;

use jiff::Timestamp;
use jiff::civil::Date;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use rust_decimal::Decimal;

use super::DccError;

/// Units, as D-SI writes them.
pub(super) mod unit {
    pub const AMPERE: &str = r"\ampere";
    pub const DEGREE_CELSIUS: &str = r"\degreecelsius";
    pub const HERTZ: &str = r"\hertz";
    pub const KILOWATT: &str = r"\kilo\watt";
    pub const KILOWATT_HOUR: &str = r"\kilo\watt\hour";
    pub const MEGOHM: &str = r"\mega\ohm";
    pub const MILLIOHM: &str = r"\milli\ohm";
    pub const ONE: &str = r"\one";
    pub const PERCENT: &str = r"\percent";
    pub const PER_KILOWATT_HOUR: &str = r"\kilo\watt\tothe{-1}\hour\tothe{-1}";
    pub const SECOND: &str = r"\second";
    pub const VOLT: &str = r"\volt";
    pub const WATT: &str = r"\watt";
    pub const WATT_HOUR: &str = r"\watt\hour";
}

/// Kinds that readers of DCCs look for: the `basic` vocabulary of PTB's good practice. Other quantities are told apart by `id`.
pub(super) mod kind {
    pub const NONE: &str = "";
    pub const CALIBRATION_METHOD: &str = "basic_calibrationMethod";
    pub const CONFORMITY: &str = "basic_conformity";
    pub const HUMIDITY: &str = "basic_humidityRelative";
    pub const MEASURED_VALUE: &str = "basic_measuredValue";
    pub const MEASUREMENT_ERROR: &str = "basic_measurementError";
    pub const MEASUREMENT_STANDARD: &str = "basic_measurementStandard";
    pub const NOMINAL_VALUE: &str = "basic_nominalValue";
    pub const REFERENCE_VALUE: &str = "basic_referenceValue";
    pub const SERIAL_NUMBER: &str = "basic_serialNumber";
    pub const TEMPERATURE: &str = "basic_temperature";
    pub const UNCERTAINTY_METHOD: &str = "basic_methodMeasurementUncertainty";
}

/// Coverage probability of stated uncertainties, as [`crate::result`] computes their coverage factors.
const COVERAGE_PROBABILITY: &str = "0.95";

/// What stands where the schema wants a text and there is none.
const NO_TEXT: &str = "—";

/// A name in two languages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub zh: &'static str,
    pub en: &'static str,
}

impl Label {
    pub const fn new(zh: &'static str, en: &'static str) -> Self {
        Self { zh, en }
    }
}

/// How a quantity is found and read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag<'a> {
    /// Unique in the document.
    pub id: &'a str,
    /// One of [`kind`].
    pub kind: &'static str,
    /// Name.
    pub label: Label,
}

impl<'a> Tag<'a> {
    pub fn new(id: &'a str, kind: &'static str, label: Label) -> Self {
        Self { id, kind, label }
    }
}

/// A value's expanded uncertainty, in the unit of the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expanded {
    pub uncertainty: Decimal,
    pub coverage_factor: Decimal,
    pub distribution: &'static str,
}

/// The document as far as it is written.
pub(super) struct Xml {
    writer: Writer<Vec<u8>>,
    fault: Option<DccError>,
}

impl Default for Xml {
    fn default() -> Self {
        let mut xml = Self { writer: Writer::new_with_indent(Vec::new(), b' ', 1), fault: None };
        xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        xml
    }
}

impl Xml {
    /// The whole text, or what was wrong with a value.
    pub fn finish(self) -> Result<String, DccError> {
        match self.fault {
            Some(fault) => Err(fault),
            None => {
                let mut text = String::from_utf8(self.writer.into_inner()).expect("texts are UTF-8");
                text.push('\n');
                Ok(text)
            }
        }
    }

    fn event(&mut self, event: Event<'_>) {
        self.writer.write_event(event).expect("memory takes what is written");
    }

    /// Remembers the first thing that no schema could accept.
    pub fn fail(&mut self, fault: DccError) {
        self.fault.get_or_insert(fault);
    }

    /// An element with children.
    pub fn inside(&mut self, name: &str, children: impl FnOnce(&mut Self)) {
        self.inside_with(name, &[], children);
    }

    /// An element with attributes and children. Attributes without a value are left out.
    pub fn inside_with(&mut self, name: &str, attributes: &[(&str, &str)], children: impl FnOnce(&mut Self)) {
        let mut start = BytesStart::new(name);
        attributes
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .for_each(|attribute| start.push_attribute(*attribute));
        self.event(Event::Start(start));
        children(self);
        self.event(Event::End(BytesEnd::new(name)));
    }

    /// An element with a text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.text_with(name, &[], text);
    }

    fn text_with(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        let text = legal(text);
        self.inside_with(name, attributes, |xml| xml.event(Event::Text(BytesText::new(&text))));
    }

    /// An element whose text may not be empty nor have blanks at its ends.
    pub fn filled(&mut self, name: &str, text: &str) {
        let text = trimmed(text);
        self.text(name, if text.is_empty() { NO_TEXT } else { text });
    }

    /// The same, left out where there is no text.
    pub fn filled_if_any(&mut self, name: &str, text: &str) {
        if !trimmed(text).is_empty() {
            self.filled(name, text);
        }
    }

    /// A day.
    pub fn date(&mut self, name: &str, date: Date) {
        self.calendar(name, &date.to_string());
    }

    /// A moment.
    pub fn moment(&mut self, name: &str, at: Timestamp) {
        self.calendar(name, &at.to_string());
    }

    /// XML counts years from 1, with four digits.
    fn calendar(&mut self, name: &str, text: &str) {
        if text.starts_with('-') || text.starts_with("0000") {
            self.fail(DccError::Date(text.to_owned()));
        }
        self.text(name, text);
    }

    /// One text in one language.
    pub fn content(&mut self, language: &str, text: &str) {
        self.text_with("dcc:content", &[("lang", language)], text);
    }

    /// A text in both languages.
    pub fn both(&mut self, name: &str, zh: &str, en: &str) {
        self.inside(name, |xml| {
            xml.content("zh", zh);
            xml.content("en", en);
        });
    }

    /// A label.
    pub fn label(&mut self, name: &str, label: Label) {
        self.both(name, label.zh, label.en);
    }

    /// A proper name, or another text that somebody typed: of no known language.
    pub fn typed(&mut self, name: &str, text: &str) {
        let text = trimmed(text);
        self.inside(name, |xml| {
            xml.text("dcc:content", if text.is_empty() { NO_TEXT } else { text });
        });
    }

    /// A quantity: its name, then what `rest` writes.
    pub fn quantity(&mut self, tag: Tag<'_>, rest: impl FnOnce(&mut Self)) {
        self.quantity_as("dcc:quantity", tag, rest);
    }

    /// A quantity under another element's name.
    pub fn quantity_as(&mut self, name: &str, tag: Tag<'_>, rest: impl FnOnce(&mut Self)) {
        self.inside_with(name, &[("id", tag.id), ("refType", tag.kind)], |xml| {
            xml.label("dcc:name", tag.label);
            rest(xml);
        });
    }

    /// A list: its name, then what `rest` writes.
    pub fn list(&mut self, tag: Tag<'_>, rest: impl FnOnce(&mut Self)) {
        self.quantity_as("dcc:list", tag, rest);
    }

    /// A quantity with a number and a unit.
    pub fn number(&mut self, tag: Tag<'_>, value: impl Display, unit: &str) {
        self.quantity(tag, |xml| xml.real(value, unit));
    }

    /// A quantity that is a word.
    pub fn word(&mut self, tag: Tag<'_>, label: Label) {
        self.quantity(tag, |xml| xml.label("dcc:noQuantity", label));
    }

    /// A quantity that is a text somebody typed.
    pub fn typed_quantity(&mut self, tag: Tag<'_>, text: &str) {
        self.quantity(tag, |xml| xml.typed("dcc:noQuantity", text));
    }

    /// A number and its unit.
    pub fn real(&mut self, value: impl Display, unit: &str) {
        self.inside("si:real", |xml| xml.value(value, unit));
    }

    /// A number and its unit, of a moment.
    pub fn real_at(&mut self, value: impl Display, unit: &str, at: Timestamp) {
        self.inside("si:real", |xml| {
            xml.value(value, unit);
            xml.moment("si:dateTime", at);
        });
    }

    /// A number, its unit and its expanded uncertainty.
    pub fn real_expanded(&mut self, value: impl Display, unit: &str, expanded: Expanded) {
        self.inside("si:real", |xml| {
            xml.value(value, unit);
            xml.inside("si:expandedUnc", |xml| {
                xml.text("si:uncertainty", &expanded.uncertainty.to_string());
                xml.text("si:coverageFactor", &expanded.coverage_factor.to_string());
                xml.text("si:coverageProbability", COVERAGE_PROBABILITY);
                xml.text("si:distribution", expanded.distribution);
            });
        });
    }

    fn value(&mut self, value: impl Display, unit: &str) {
        self.text("si:value", &value.to_string());
        self.text("si:unit", unit);
    }
}

/// A text without XML's white space at its ends: what the schema calls not empty.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// A text with U+FFFD for what XML 1.0 (production 2, Char) does not allow.
fn legal(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_legal) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_legal(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}

fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
