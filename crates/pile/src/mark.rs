//! Marks: coded remarks on what arrived. A marked value is kept and shown; it is never dropped.
//!
//! `ocpp` puts marks on readings while it normalises; [`crate::charge`] puts them on charges; `store` keeps the codes as
//! text, pages and metrics count them.

use serde::{Deserialize, Serialize};

macro_rules! marks {
    ($($(#[$doc:meta])* $name:ident => $code:literal,)*) => {
        /// One remark on a message, a reading or a charge.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Mark {
            $($(#[$doc])* $name,)*
        }

        impl Mark {
            /// Every mark there is.
            pub const ALL: &'static [Mark] = &[$(Mark::$name,)*];

            /// The stable code, as stored and exported.
            pub fn code(self) -> &'static str {
                match self {
                    $(Mark::$name => $code,)*
                }
            }

            /// Reads [`Self::code`] back.
            pub fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Mark::$name),)*
                    _ => None,
                }
            }
        }
    };
}

marks! {
    /// The value is not a decimal number.
    BadNumber => "bad_number",
    /// A number was sent where OCPP wants a string.
    NumberNotText => "number_not_text",
    /// The measurand is none of OCPP's.
    UnknownMeasurand => "unknown_measurand",
    /// The unit is none of OCPP's for this measurand.
    UnknownUnit => "unknown_unit",
    /// No unit was sent; OCPP's default for the measurand was taken.
    MissingUnit => "missing_unit",
    /// The context is none of OCPP's.
    UnknownContext => "unknown_context",
    /// The phase is none of OCPP's.
    UnknownPhase => "unknown_phase",
    /// The location is none of OCPP's.
    UnknownLocation => "unknown_location",
    /// The timestamp is missing, unreadable, before 2010 or ahead of ours; receive time was taken.
    BadTimestamp => "bad_timestamp",
    /// The timestamp names no time zone; UTC was taken.
    ZonelessTimestamp => "zoneless_timestamp",
    /// The register stands lower than before.
    RegisterFalling => "register_falling",
    /// A signed value, kept verbatim and not checked: there were too many in one message.
    SignedUnchecked => "signed_unchecked",
    /// The signature is not of these bytes by the meter's key.
    SignedInvalid => "signed_invalid",
    /// The signed container cannot be read.
    SignedMalformed => "signed_malformed",
    /// No public key of the meter is known.
    SignedNoKey => "signed_no_key",
    /// The container's format or curve is none that can be checked.
    SignedUnsupported => "signed_unsupported",
    /// The signature was checked with a key that this pile supplied itself.
    KeyOnFirstUse => "key_on_first_use",
    /// The signature is good, but by another meter than the one registered.
    KeyOfAnotherMeter => "key_of_another_meter",
    /// Signed and unsigned registers of one charge differ.
    SignedDiffers => "signed_differs",
    /// A word or identifier is far longer than OCPP allows; its beginning stands for it here, the frame has it whole.
    TooLong => "too_long",
    /// The message carries no sample at all.
    EmptySample => "empty_sample",
    /// A field has not the shape that OCPP gives it.
    BadShape => "bad_shape",
    /// The message names no transaction that we know; where its connector and time tell the charge, it went there.
    NoTransaction => "no_transaction",
    /// The charge ended but its start was never seen.
    OrphanStop => "orphan_stop",
    /// Sample registers and start/stop registers of one charge differ by more than rounding.
    RegisterMismatch => "register_mismatch",
    /// A thousandfold lies between the registers of one charge, or between its energy and its power: kWh labelled Wh, most
    /// likely. Nothing was rescaled.
    UnitSuspect => "unit_suspect",
    /// The samples count the session, start and stop registers the lifetime.
    SessionRegister => "session_register",
    /// The register began to count anew during the charge, or was set; energy is what was counted before and after.
    RegisterRestarted => "register_restarted",
    /// The register stood at 0 at the start and then at its real value: 0 was a placeholder and is no baseline.
    PlaceholderStart => "placeholder_start",
    /// Too little energy for the step in which the register counts.
    CoarseRegister => "coarse_register",
    /// The register went on rising after the charge had ended.
    EnergyAfterStop => "energy_after_stop",
    /// Of the numbered messages of the charge one is missing.
    SequenceGap => "sequence_gap",
    /// The charger was offline during the charge and told of it later.
    Offline => "offline",
    /// The charge has no energy on record.
    NoEnergy => "no_energy",
    /// The charge delivered nothing.
    ZeroEnergy => "zero_energy",
    /// The register fell during the charge.
    NegativeEnergy => "negative_energy",
    /// More energy than any vehicle takes, or than the pile can give in the time.
    ImplausibleEnergy => "implausible_energy",
    /// Mean power over the rating on the pile's plate by more than a tenth.
    PowerOverRating => "power_over_rating",
    /// The charge ended when or before it began.
    NonPositiveDuration => "nonpositive_duration",
    /// The charge has no end yet and a later one began on its connector.
    NeverEnded => "never_ended",
    /// The charge began before the one before it on the connector had ended.
    Overlap => "overlap",
    /// The charger gave this charge the transaction id of an earlier one.
    ReusedTransaction => "reused_transaction",
    /// Somebody said it who had not yet proven to be this pile: the charger was waiting in the inbox. It counts for nothing.
    Unproven => "unproven",
    /// Vehicle-side values do not span the same time as the pile's.
    VehicleSpanDiffers => "vehicle_span_differs",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for mark in Mark::ALL {
            assert_eq!(Mark::from_code(mark.code()), Some(*mark));
        }
        assert_eq!(Mark::from_code("no such mark"), None);
    }
}
