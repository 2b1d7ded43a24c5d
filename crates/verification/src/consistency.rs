//! A normal charge beside the virtual load: register, messages, signature and bill must say the same, to the last digit.
//!
//! A virtual load tests neither the billing chain nor firmware that knows a test when it sees one; this does. `store` fills the
//! evidence from the charge; the bill's energy is read by a person.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// How far the pile's clock, by which a charge is dated, may be off ours: more than regulations permit it (three minutes).
pub const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(5);

/// What is known of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargeEvidence {
    /// Its number in the platform.
    pub charge_no: i64,
    /// When it began, by the pile's clock; evidence from before the third format of documents does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<Timestamp>,
    /// When it ended, by the pile's clock.
    pub ended_at: Timestamp,
    /// Energy by the registers in the start and stop messages, Wh.
    pub register_wh: Option<Decimal>,
    /// Step of those registers, Wh, where their messages have no other: whole watt hours in OCPP 1.6. Evidence from before the fifth
    /// format of documents does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register_step_wh: Option<Decimal>,
    /// Energy by the samples at begin and end, Wh.
    pub samples_wh: Option<Decimal>,
    /// Energy by the signed record, Wh.
    pub signed_wh: Option<Decimal>,
    /// Verdict on that record, as `ocpp` words it (`valid` is the only good one).
    pub signed_verdict: Option<String>,
    /// Energy on the bill, kWh, as printed.
    pub bill_kwh: Option<Decimal>,
}

/// Where what should be the same differs, or is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// No register of the messages.
    NoRegister,
    /// No signed record.
    NotSigned,
    /// The signature does not hold.
    BadSignature,
    /// No bill.
    NoBill,
    /// Samples and registers differ.
    Samples,
    /// Signed record and registers differ.
    Signed,
    /// Bill and registers differ.
    Bill,
}

impl ChargeEvidence {
    /// Whether it was over before a moment, to [`CLOCK_SLACK`].
    pub fn is_before(&self, first: Timestamp) -> bool {
        self.is_in_order() && self.ended_at.duration_since(first) <= CLOCK_SLACK
    }

    /// Whether it began after a moment, to [`CLOCK_SLACK`]. Of one whose begin is not known nothing can be said: false.
    pub fn is_after(&self, last: Timestamp) -> bool {
        let begins = |began: Timestamp| last.duration_since(began) <= CLOCK_SLACK;
        self.is_in_order() && self.began_at.is_some_and(begins)
    }

    fn is_in_order(&self) -> bool {
        self.began_at.is_none_or(|began| began <= self.ended_at)
    }

    /// Everything that differs. Empty: the charge is consistent.
    ///
    /// # Formula
    /// `register == samples == signed == bill`, exact decimals. A bill with fewer digits agrees if it is the register's energy
    /// rounded or cut to them. Registers that are told in steps agree with a finer energy less than a step away: each of their two ends is
    /// rounded or cut; a bill then may follow either.
    pub fn differences(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        let Some(register_wh) = self.register_wh else {
            found.push(Difference::NoRegister);
            return found;
        };
        if self.samples_wh.is_some_and(|samples_wh| !self.registers(register_wh, samples_wh)) {
            found.push(Difference::Samples);
        }
        match (&self.signed_wh, self.signed_verdict.as_deref()) {
            (Some(signed_wh), Some("valid")) if self.registers(register_wh, *signed_wh) => {}
            (Some(_), Some("valid")) => found.push(Difference::Signed),
            (_, Some(_)) => found.push(Difference::BadSignature),
            (_, None) => found.push(Difference::NotSigned),
        }
        match self.bill_kwh {
            Some(bill_kwh) if self.bills(bill_kwh, register_wh) => {}
            Some(_) => found.push(Difference::Bill),
            None => found.push(Difference::NoBill),
        }
        found
    }

    /// Whether the registers' energy is that of what may be told in finer digits. What is in whole steps itself had ends with the same
    /// fractions, so that rounding or cutting both changed nothing.
    fn registers(&self, register_wh: Decimal, finer_wh: Decimal) -> bool {
        let off = register_wh.checked_sub(finer_wh).map(|off| off.abs());
        off.is_some_and(|off| off.is_zero() || self.finer_than(finer_wh).is_some_and(|step_wh| off < step_wh))
    }

    /// The step of the registers, where an energy is told in finer ones.
    fn finer_than(&self, energy_wh: Decimal) -> Option<Decimal> {
        let is_between =
            |step_wh: &Decimal| energy_wh.checked_rem(*step_wh).is_some_and(|rest| !rest.is_zero());
        self.register_step_wh.filter(is_between)
    }

    fn bills(&self, bill_kwh: Decimal, register_wh: Decimal) -> bool {
        let finer = [self.samples_wh, self.signed_wh].into_iter().flatten();
        let mut finer = finer.filter(|energy_wh| self.finer_than(*energy_wh).is_some());
        bills(bill_kwh, register_wh) || finer.any(|energy_wh| bills(bill_kwh, energy_wh))
    }
}

/// Whether a bill's energy is the register's, rounded or cut to the bill's digits.
fn bills(bill_kwh: Decimal, register_wh: Decimal) -> bool {
    let Some(register_kwh) = register_wh.checked_div(Decimal::ONE_THOUSAND) else { return false };
    let digits = bill_kwh.scale();
    let away = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    bill_kwh == register_kwh.round_dp_with_strategy(digits, away)
        || bill_kwh == register_kwh.trunc_with_scale(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("literal")
    }

    fn consistent() -> ChargeEvidence {
        ChargeEvidence {
            charge_no: 7,
            began_at: None,
            ended_at: Timestamp::UNIX_EPOCH,
            register_wh: Some(decimal("1234")),
            register_step_wh: None,
            samples_wh: Some(decimal("1234.000")),
            signed_wh: Some(decimal("1234")),
            signed_verdict: Some("valid".into()),
            bill_kwh: Some(decimal("1.23")),
        }
    }

    #[test]
    fn what_says_the_same_has_no_differences() {
        assert_eq!(consistent().differences(), []);
        let rounded = ChargeEvidence { register_wh: Some(decimal("1236")), ..consistent() };
        let rounded = ChargeEvidence { samples_wh: None, signed_wh: rounded.register_wh, ..rounded };
        for (bill, agrees) in
            [("1.24", true), ("1.23", true), ("1.236", true), ("1.25", false), ("1.235", false)]
        {
            let charge = ChargeEvidence { bill_kwh: Some(decimal(bill)), ..rounded.clone() };
            assert_eq!(charge.differences().is_empty(), agrees, "{bill}");
        }
    }

    // 1000.7 Wh before and 2345.2 Wh after, 1344.5 Wh: the messages say 1000 and 2345 where they are cut, 1001 and 2345 where they are
    // rounded. In tenths: every pair of ends, cut and rounded by hand.
    #[test]
    fn a_register_in_whole_watt_hours_agrees_with_a_finer_one() {
        let whole_only = ChargeEvidence { register_step_wh: Some(Decimal::ONE), ..consistent() };
        for (start, stop) in
            (0..10).flat_map(|start| (0..10).map(move |stop| (10_000 + start, 23_450 + stop)))
        {
            let finer = Decimal::new(stop - start, 1);
            for whole in [stop / 10 - start / 10, (stop + 5) / 10 - (start + 5) / 10].map(Decimal::from) {
                assert!(whole_only.registers(whole, finer), "{whole} {finer}");
                // Two watt hours off, or one off what is whole, is another energy.
                assert!(!whole_only.registers(whole + Decimal::TWO, finer), "{whole} {finer}");
                assert!(!whole_only.registers(finer.trunc() + Decimal::ONE, finer.trunc()));
                assert_eq!(consistent().registers(whole, finer), whole == finer, "{whole} {finer}");
            }
        }
        assert!(!consistent().registers(decimal("1344.4"), decimal("1344.5")), "to the last digit");
        // A bill of the finer energy: 1344.5 Wh, told as 1344.
        let charge = ChargeEvidence {
            register_wh: Some(decimal("1344")),
            samples_wh: Some(decimal("1344.5")),
            signed_wh: Some(decimal("1344.5")),
            ..whole_only
        };
        for (bill, agrees) in [("1.344", true), ("1.345", true), ("1.34", true), ("1.346", false)] {
            let charge = ChargeEvidence { bill_kwh: Some(decimal(bill)), ..charge.clone() };
            assert_eq!(charge.differences().is_empty(), agrees, "{bill}");
        }
    }

    // Five minutes are what the pile's clock may be off.
    #[test]
    fn a_charge_is_before_or_after_a_moment_to_the_slack_of_its_clock() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let charge = |began_at, ended_at| ChargeEvidence { began_at, ended_at: at(ended_at), ..consistent() };
        for (moment, before) in [(-299, true), (-300, true), (-301, false), (0, true), (900, true)] {
            assert_eq!(charge(None, 0).is_before(at(moment)), before, "{moment}");
            assert_eq!(charge(Some(at(-60)), 0).is_before(at(moment)), before, "{moment}");
        }
        for (moment, after) in [(299, true), (300, true), (301, false), (0, true), (-900, true)] {
            assert_eq!(charge(Some(at(0)), 60).is_after(at(moment)), after, "{moment}");
        }
        assert!(!charge(None, 60).is_after(at(-900)), "its begin is not known");
        let backwards = charge(Some(at(1)), 0);
        assert!(!backwards.is_before(at(900)) && !backwards.is_after(at(-900)), "ends before it begins");
    }

    #[test]
    fn each_difference_has_its_name() {
        let check = |change: fn(&mut ChargeEvidence), expected: &[Difference]| {
            let mut charge = consistent();
            change(&mut charge);
            assert_eq!(charge.differences(), expected);
        };
        check(|charge| charge.register_wh = None, &[Difference::NoRegister]);
        check(|charge| charge.samples_wh = Some(decimal("1233")), &[Difference::Samples]);
        check(|charge| charge.signed_wh = Some(decimal("1235.1")), &[Difference::Signed]);
        check(|charge| charge.signed_verdict = Some("invalid".into()), &[Difference::BadSignature]);
        check(|charge| charge.signed_verdict = None, &[Difference::NotSigned]);
        check(|charge| charge.bill_kwh = Some(decimal("1.3")), &[Difference::Bill]);
        check(|charge| charge.bill_kwh = None, &[Difference::NoBill]);
    }
}
