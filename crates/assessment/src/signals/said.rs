//! What findings say, as data: each phrase is a key and values by name, so that whoever shows a finding has the words in any language.
//!
//! Made by every signal; `api` has a sentence in each language for each key. Nothing is translated here, and no value is a word:
//! values are numbers, dates, and names that piles and chargers bear.

use serde::Serialize;

/// Makes [`Phrase`] from one list, so that no key and no value can be said that [`Phrase::ALL`] does not name.
macro_rules! phrases {
    ($($(#[$doc:meta])* $phrase:ident $key:literal { $($value:ident),* })*) => {
        /// One thing said. A percentage `effect` has its sign, `u` is its standard uncertainty in percent.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub enum Phrase {
            $($(#[$doc])* $phrase { $($value: String),* },)*
        }

        impl Phrase {
            /// Every key with the names of its values.
            pub const ALL: &[(&str, &[&str])] = &[$(($key, &[$(stringify!($value)),*])),*];

            /// Its key.
            pub fn key(&self) -> &'static str {
                match self {
                    $(Self::$phrase { .. } => $key,)*
                }
            }

            /// Its values by name.
            pub fn values(&self) -> Vec<(&'static str, &str)> {
                match self {
                    $(Self::$phrase { $($value),* } => vec![$((stringify!($value), $value.as_str())),*],)*
                }
            }
        }
    };
}

phrases! {
    /// Since a date the pile registers otherwise than before; `date` is a day of the place.
    StepSince "step_since" { date, effect, u }
    /// With a firmware it registers otherwise than before.
    Firmware "firmware" { version, effect, u }
    /// All piles of a model that got a firmware register otherwise than before, against those that did not; `count` of them, some by name.
    FirmwareOfMany "firmware_of_many" { version, model, count, piles, effect, u }
    /// At night otherwise than at other times; hours of the day.
    AtNight "at_night" { from, to, effect, u }
    /// In office hours likewise.
    InOfficeHours "in_office_hours" { from, to, effect, u }
    /// Between hours that the residuals themselves show.
    BetweenHours "between_hours" { from, to, effect, u }
    /// In a window of whole hours.
    FromHourToHour "from_hour_to_hour" { from, to, effect, u }
    /// A charge of usual size otherwise than a very large one.
    Size "size" { effect, u }
    /// At high power otherwise than at low power.
    Power "power" { effect, u }
    /// Long fills otherwise than short ones.
    Fill "fill" { effect, u }
    /// Goes on from that: it may be what is told of the charges' sizes, which is clearer.
    MayBeSize "may_be_size" { }
    /// Goes on from what is told of sizes: it may be what is told of long fills, which is clearer.
    MayBeFill "may_be_fill" { }
    /// Unsigned charges otherwise than signed ones.
    Unsigned "unsigned" { effect, u }
    /// Unknown vehicles otherwise than known ones.
    Stranger "stranger" { effect, u }
    /// With vehicle values that the pile relayed otherwise than with others.
    Relayed "relayed" { effect, u }
    /// Vehicle values that the pile relayed are not what others told of the same charges.
    RelayedApart "relayed_apart" { count, effect, u }
    /// Relayed values scatter by this share of the usual, percent.
    TooGood "too_good" { share }
    /// So many of them are the pile's own; `chance` of them by chance at most.
    Copied "copied" { same, of, chance }
    /// Vehicles' own errors show by this share of what they show elsewhere; percent.
    Deaf "deaf" { share, u }
    /// In so many of its charges the pile's energy is more than twice or less than half the vehicle's; the middle one of those ratios.
    EnergiesApart "energies_apart" { count, of, ratio }
    /// The clock is off; seconds.
    ClockOff "clock_off" { offset, limit }
    /// Goes on from that: by so many seconds a day more.
    ClockDrift "clock_drift" { slope }
    /// Goes on from that: what customers paid too much for it, CNY.
    ClockCost "clock_cost" { amount }
    /// Goes on from that: in so many charges whose prices are known, `of` so many whose clock is.
    ClockCostOf "clock_cost_of" { count, of }
    /// Bills are not energy times tariff; too much in sum, in their currency.
    WrongBills "wrong_bills" { count, amount }
    /// Parts of bills are not the energy of the charge; kWh too much in sum.
    WrongParts "wrong_parts" { count, kwh }
    /// More energy out than any converter can give.
    EfficiencyAbove "efficiency_above" { given, taken, share, most }
    /// More of each further kWh, what is taken at all times left aside.
    EfficiencyFurtherAbove "efficiency_further_above" { given, taken, share, further, most }
    /// A pile of a station gives more of each further kWh than any converter can.
    EfficiencyOfPileAbove "efficiency_of_pile_above" { share, u, most }
    /// Far less than one should give.
    EfficiencyOfPileBelow "efficiency_of_pile_below" { share, u, least }
    /// Far less out than one should give, of each further kWh.
    EfficiencyBelow "efficiency_below" { given, taken, share, further, least }
    /// Outlets are exchanged; `gain` is 2 Δ ln L.
    Exchanged "exchanged" { pairs, gain }
    /// A signed record proves several charges.
    RecordTwice "record_twice" { count }
    /// A meter's key signs at other piles at the same time, or there and back within less than a day.
    KeyAtOnce "key_at_once" { piles }
    /// And at other times.
    KeyMoved "key_moved" { piles }
    /// The register fell and counts energy twice; kWh in sum, and the largest fall.
    RegisterFell "register_fell" { count, kwh, from, to }
    /// The register fell because it was exchanged or set to zero.
    RegisterReset "register_reset" { count, kwh, from, to }
    /// The register went on between charges.
    RegisterWentOn "register_went_on" { kwh, gaps }
    /// Billed energies are not the register's differences; kWh in sum, positive: too much.
    BilledOtherwise "billed_otherwise" { count, kwh }
    /// Energy was never told of, in gaps that come in clusters; kWh and percent.
    NeverTold "never_told" { kwh, share, gaps }
    /// Charges beside gaps register otherwise than the rest.
    BesideGaps "beside_gaps" { gaps, effect, u }
    /// Billed energies have a favourite last digit.
    DigitBilled "digit_billed" { count, of, digit }
    /// Relayed vehicle values have one.
    DigitRelayed "digit_relayed" { count, of, digit }
    /// Errors crowd below the limit: so many from that share of it to 100 %, so many as far beyond it.
    Crowded "crowded" { near, from, beyond }
}

/// An effect and its standard uncertainty as phrases say them, percent, from fractions.
pub(super) fn effect((effect, uncertainty): (f64, f64)) -> (String, String) {
    (format!("{:+.2}", 100.0 * effect), format!("{:.2}", 100.0 * uncertainty))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_phrase_is_its_key_and_its_values_and_no_key_is_used_twice() {
        let said = Phrase::Copied { same: "19".into(), of: "20".into(), chance: "0.1".into() };
        assert_eq!(
            (said.key(), said.values()),
            ("copied", vec![("same", "19"), ("of", "20"), ("chance", "0.1")])
        );
        assert!(Phrase::ALL.contains(&("copied", &["same", "of", "chance"])));
        let keys: BTreeSet<_> = Phrase::ALL.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), Phrase::ALL.len());
        assert_eq!(effect((-0.0125, 0.001)), ("-1.25".into(), "0.10".into()));
    }
}
