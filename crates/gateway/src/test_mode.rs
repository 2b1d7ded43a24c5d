//! How a vendor's virtual-load mode is spelt in a DataTransfer: data by vendor, in `test_modes.toml`.
//!
//! Called by [`crate::pile_under_test`]. Text in, a call out; never speaks to a pile, and never says whether one has such a mode.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use veripile_ocpp::call::Call;

/// The file, in the program.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::parse(include_str!("../test_modes.toml")).expect("read by a test of this file"));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// For whoever is not listed.
    usual: Spelling,
    vendor: BTreeMap<String, Spelling>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelling {
    message: String,
    start: String,
    stop: String,
    /// Whether it is assumed, and no manual says so.
    assumed: bool,
}

/// The virtual-load mode of a vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestMode {
    vendor: String,
    spelling: Spelling,
}

impl Table {
    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// OCPP 1.6 does not tell small letters of a vendor id from great ones.
    fn spelling(&self, vendor: &str) -> &Spelling {
        let listed = self.vendor.iter().find(|(name, _)| name.eq_ignore_ascii_case(vendor));
        listed.map_or(&self.usual, |(_, spelling)| spelling)
    }
}

impl TestMode {
    /// That of a vendor id; the usual spelling where it is not listed.
    pub(crate) fn of(vendor: &str) -> Self {
        Self { vendor: vendor.to_owned(), spelling: TABLE.spelling(vendor).clone() }
    }

    /// The call that puts a pile into the mode, or takes it out.
    pub(crate) fn call(&self, on: bool) -> Call {
        Call::DataTransfer {
            vendor: self.vendor.clone(),
            message: Some(self.spelling.message.clone()),
            data: Some(self.data(on).to_owned()),
        }
    }

    fn data(&self, on: bool) -> &str {
        if on { &self.spelling.start } else { &self.spelling.stop }
    }

    /// What to say of an answer that is no yes, and what to look at next.
    pub(crate) fn refused(&self, on: bool, status: &str) -> String {
        let (vendor, message, data) = (&self.vendor, &self.spelling.message, self.data(on));
        let next = if self.spelling.assumed {
            "that spelling is assumed: check the vendor id in the plan, and the pile's manual"
        } else {
            "check the vendor id in the plan"
        };
        format!(
            "it answered {status} to DataTransfer {vendor} {message} {data}, its virtual-load mode; {next}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: &str = r#"
        [usual]
        message = "VirtualLoad"
        start = "start"
        stop = "stop"
        assumed = true
        [vendor."com.example"]
        message = "XuFuHe"
        start = "1"
        stop = "0"
        assumed = false
    "#;

    #[test]
    fn a_listed_vendor_has_its_spelling_and_everybody_else_the_usual_one() {
        let check = |mode: &TestMode, message: &str, start: &str, stop: &str| {
            for (on, data) in [(true, start), (false, stop)] {
                let expected = Call::DataTransfer {
                    vendor: mode.vendor.clone(),
                    message: Some(message.into()),
                    data: Some(data.into()),
                };
                assert_eq!(mode.call(on), expected);
            }
        };
        check(&TestMode::of("veripile"), "VirtualLoad", "{\"action\":\"start\"}", "{\"action\":\"stop\"}");
        check(&TestMode::of("anybody"), "VirtualLoad", "start", "stop");
        let other = Table::parse(OTHER).expect("reads");
        for (vendor, message) in
            [("com.example", "XuFuHe"), ("COM.Example", "XuFuHe"), ("com", "VirtualLoad")]
        {
            let (start, stop) = if message == "XuFuHe" { ("1", "0") } else { ("start", "stop") };
            let mode = TestMode { vendor: vendor.into(), spelling: other.spelling(vendor).clone() };
            check(&mode, message, start, stop);
        }
    }

    #[test]
    fn a_refusal_says_what_was_asked_and_whether_a_manual_says_so() {
        let told = TestMode::of("anybody").refused(true, "UnknownVendorId");
        assert!(told.contains("UnknownVendorId to DataTransfer anybody VirtualLoad start"), "{told}");
        assert!(told.contains("assumed"), "{told}");
        assert!(!TestMode::of("veripile").refused(false, "Rejected").contains("assumed"));
    }

    #[test]
    fn a_table_with_something_missing_or_unknown_does_not_read() {
        for (from, to) in [
            ("assumed = false", ""),
            ("stop = \"0\"", ""),
            ("[usual]", "[most]"),
            ("start = \"1\"", "begin = \"1\""),
        ] {
            let spoiled = OTHER.replacen(from, to, 1);
            assert_ne!(spoiled, OTHER);
            assert!(Table::parse(&spoiled).is_err(), "{from}");
        }
    }
}
