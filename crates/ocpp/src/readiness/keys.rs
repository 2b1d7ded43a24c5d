//! Which configuration entries bear on metering, in the words of each version.

use crate::Version;
use crate::configuration::{ConfigurationEntry, METER};

/// Outlets looked at for public keys: a pile has one or two, a cabinet with satellites four.
const OUTLETS: u32 = 4;

/// The keys of a version.
pub(super) struct Keys {
    /// Measurands sampled during a charge.
    pub samples: &'static str,
    /// Most entries in that list.
    pub samples_max: &'static str,
    /// Pause between samples, s.
    pub interval: &'static str,
    /// Measurands at the begin of a charge.
    pub begin: &'static str,
    /// Measurands at its end.
    pub end: &'static str,
    /// Switches sampling on.
    pub enabled: Option<&'static str>,
    /// Measurands on the clock.
    pub aligned: &'static str,
    /// Pause between them, s.
    pub aligned_interval: &'static str,
    /// Switches them on.
    pub aligned_enabled: Option<&'static str>,
    /// The charger's time.
    pub time: &'static str,
    /// Where it takes it from.
    pub time_source: &'static str,
    /// Pause between heartbeats, s.
    pub heartbeat: &'static str,
    /// Signs what is sampled at begin and end.
    pub sign: &'static str,
    /// Whether the public key is sent with signed values.
    pub key_sent: &'static str,
    /// Number of connectors.
    pub connectors: &'static str,
    /// Others worth reading.
    pub others: &'static [&'static str],
}

/// OCPP 1.6 §9 and the paper on signed meter values. It has no entries for the time and its source: those names match none.
const OF_16: Keys = Keys {
    samples: "MeterValuesSampledData",
    samples_max: "MeterValuesSampledDataMaxLength",
    interval: "MeterValueSampleInterval",
    begin: "StartTxnSampledData",
    end: "StopTxnSampledData",
    enabled: None,
    aligned: "MeterValuesAlignedData",
    aligned_interval: "ClockAlignedDataInterval",
    aligned_enabled: None,
    time: "",
    time_source: "",
    heartbeat: "HeartbeatInterval",
    sign: "SampledDataSignReadings",
    key_sent: "PublicKeyWithSignedMeterValue",
    connectors: "NumberOfConnectors",
    others: &["StopTxnAlignedData", "SampledDataSignStartedReadings", "SampledDataSignUpdatedReadings"],
};

/// OCPP 2.0.1 part 2, referenced components and variables; the same in 2.1.
const OF_2: Keys = Keys {
    samples: "SampledDataCtrlr.TxUpdatedMeasurands",
    samples_max: "",
    interval: "SampledDataCtrlr.TxUpdatedInterval",
    begin: "SampledDataCtrlr.TxStartedMeasurands",
    end: "SampledDataCtrlr.TxEndedMeasurands",
    enabled: Some("SampledDataCtrlr.Enabled"),
    aligned: "AlignedDataCtrlr.Measurands",
    aligned_interval: "AlignedDataCtrlr.Interval",
    aligned_enabled: Some("AlignedDataCtrlr.Enabled"),
    time: "ClockCtrlr.DateTime",
    time_source: "ClockCtrlr.TimeSource",
    heartbeat: "OCPPCommCtrlr.HeartbeatInterval",
    sign: "SampledDataCtrlr.SignReadings",
    key_sent: "OCPPCommCtrlr.PublicKeyWithSignedMeterValue",
    connectors: "",
    others: &["SampledDataCtrlr.TxEndedInterval", METER[0], METER[1]],
};

/// In 1.6, a number follows: the connector.
const KEY_16: &str = "MeterPublicKey";

/// In 2.x, of the station or of an EVSE.
const KEY_2: &str = "FiscalMetering.PublicKey";

impl Keys {
    pub(super) fn of(version: Version) -> &'static Self {
        match version {
            Version::V16 => &OF_16,
            Version::V201 | Version::V21 => &OF_2,
        }
    }
}

/// The entries to read, as [`crate::configuration`] spells them.
pub fn names_to_read(version: Version) -> Vec<String> {
    let keys = Keys::of(version);
    let named = [
        keys.samples,
        keys.samples_max,
        keys.interval,
        keys.begin,
        keys.end,
        keys.enabled.unwrap_or_default(),
        keys.aligned,
        keys.aligned_interval,
        keys.aligned_enabled.unwrap_or_default(),
        keys.time,
        keys.time_source,
        keys.heartbeat,
        keys.sign,
        keys.key_sent,
        keys.connectors,
    ];
    let named =
        named.iter().chain(keys.others).filter(|name| !name.is_empty()).map(|name| (*name).to_owned());
    let of_outlet = |outlet| match version {
        Version::V16 => format!("{KEY_16}{outlet}"),
        Version::V201 | Version::V21 => evse_key(outlet),
    };
    named.chain((1..=OUTLETS).map(of_outlet)).collect()
}

/// Those of [`names_to_read`] of which nothing was told yet.
pub fn missing_names(version: Version, entries: &[ConfigurationEntry]) -> Vec<String> {
    let told = |name: &String| entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name));
    names_to_read(version).into_iter().filter(|name| !told(name)).collect()
}

/// The public key of an EVSE (2.x).
pub(super) fn evse_key(evse: u32) -> String {
    format!("EVSE:{evse}/{KEY_2}")
}

/// Whose public key an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// The charger as a whole.
    Station,
    /// A connector, or EVSE in 2.x.
    Connector(u32),
}

impl Holder {
    pub fn connector(self) -> Option<u32> {
        match self {
            Self::Station => None,
            Self::Connector(connector) => Some(connector),
        }
    }
}

/// Whose public key an entry of this name holds; none if it holds no meter's.
pub(super) fn holder_of(name: &str) -> Option<Holder> {
    let (of_connector, number) = match name.strip_prefix(KEY_16) {
        Some(number) => (!number.is_empty(), number),
        None => {
            let place = name.strip_suffix(KEY_2)?.trim_end_matches('/');
            let number = place.strip_prefix("EVSE:").unwrap_or(place).split(':').next()?;
            (!place.is_empty(), number)
        }
    };
    if of_connector { number.parse().ok().map(Holder::Connector) } else { Some(Holder::Station) }
}
