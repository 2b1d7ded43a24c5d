//! What a charger told of its configuration, looked at by key: settings, lists, numbers, switches.

use veripile_pile::Measurand;

use super::keys::{Keys, evse_key};
use crate::Version;
use crate::configuration::ConfigurationEntry;

/// A configuration, looked at.
pub(super) struct View<'a> {
    pub version: Version,
    pub keys: &'static Keys,
    pub entries: &'a [ConfigurationEntry],
}

/// What the charger says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting<'a> {
    /// Nothing: not asked, not answered, or not to be read.
    Unread,
    /// That it does not know it.
    Unknown,
    /// Its value.
    Told { text: &'a str, readonly: bool },
}

impl<'a> View<'a> {
    pub fn is_16(&self) -> bool {
        self.version == Version::V16
    }

    pub fn setting(&self, key: &str) -> Setting<'a> {
        // A version that lacks a key spells it as nothing.
        let named = |entry: &&ConfigurationEntry| !key.is_empty() && entry.name.eq_ignore_ascii_case(key);
        let Some(entry) = self.entries.iter().find(named) else { return Setting::Unread };
        match &entry.value {
            _ if !entry.known => Setting::Unknown,
            Some(text) => Setting::Told { text, readonly: entry.readonly },
            // OCPP 1.6 §7.29: a key without a value is one that is not set. In 2.x the charger declined to tell.
            None if self.is_16() => Setting::Told { text: "", readonly: entry.readonly },
            None => Setting::Unread,
        }
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.setting(key) {
            Setting::Told { text, .. } => Some(text),
            Setting::Unread | Setting::Unknown => None,
        }
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.text(key)?.trim().parse().ok()
    }

    /// The entries of a comma list; blanks around them are many chargers' habit.
    pub fn list(&self, key: &str) -> Vec<&'a str> {
        let entries = self.text(key).unwrap_or_default().split(',').map(str::trim);
        entries.filter(|entry| !entry.is_empty()).collect()
    }

    pub fn lists(&self, key: &str, wanted: &str) -> bool {
        self.list(key).iter().any(|entry| entry.eq_ignore_ascii_case(wanted))
    }

    /// Whether a measurand is listed with phases only, as 1.6 appends them (`….L1`).
    pub fn lists_phases_of(&self, key: &str, wanted: &str) -> bool {
        self.list(key)
            .iter()
            .any(|entry| entry.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(".L")))
    }

    /// Lists to try that have an entry more: with all the others, without the last of them (the list may be full), and, since
    /// what stands there already may be what is refused, alone.
    pub fn lists_with(&self, key: &str, wanted: &str) -> Vec<String> {
        let listed = self.list(key);
        let mut tries = self.lists_added(key, wanted);
        if listed.len() > 1 {
            tries.push([&listed[..listed.len() - 1], &[wanted]].concat().join(","));
        }
        if !listed.is_empty() {
            tries.push(wanted.to_owned());
        }
        tries
    }

    /// The list with an entry more, if it has room.
    pub fn lists_added(&self, key: &str, wanted: &str) -> Vec<String> {
        let listed = self.list(key);
        let full = key == self.keys.samples
            && self.number(self.keys.samples_max).is_some_and(|max| max <= listed.len() as u64);
        if full { Vec::new() } else { vec![[&listed[..], &[wanted]].concat().join(",")] }
    }

    pub fn is_on(&self, key: &str) -> bool {
        self.text(key).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
    }

    /// Whether a switch says that it is off; one that is not told counts as on, its default.
    pub fn is_off(&self, key: &str) -> bool {
        self.text(key).is_some_and(|text| text.trim().eq_ignore_ascii_case("false"))
    }

    /// Whether registers come on the clock.
    pub fn is_aligned(&self) -> bool {
        self.number(self.keys.aligned_interval).is_some_and(|seconds| seconds > 0)
            && self.lists(self.keys.aligned, Measurand::ENERGY_IMPORT_REGISTER)
            && !self.keys.aligned_enabled.is_some_and(|key| self.is_off(key))
    }

    /// Whether the charger says that it has one connector, or one EVSE that can have a key.
    pub fn has_one_connector(&self) -> bool {
        match self.version {
            Version::V16 => self.number(self.keys.connectors) == Some(1),
            Version::V201 | Version::V21 => self.setting(&evse_key(2)) == Setting::Unknown,
        }
    }
}
