//! Numbers as sentences: what an error means for a driver, what a finding says.

use veripile_store::signal::Saying;
use veripile_verification::texts::fill;

use crate::texts::{Language, Texts};

/// Energy on the display for which the sentence is made, kWh.
const SHOWN_KWH: f64 = 50.0;

/// What was really received when 50 kWh were shown, for an interval of the relative error.
///
/// # Formula
/// `W_true = W_shown / (1 + e)`; the upper error gives the lower energy.
pub(crate) fn received(t: &Texts, interval: (f64, f64)) -> String {
    let (lower, upper) = (SHOWN_KWH / (1.0 + interval.1), SHOWN_KWH / (1.0 + interval.0));
    t.of("sentence.received")
        .replace("{shown}", &format!("{SHOWN_KWH:.0}"))
        .replace("{lower}", &format!("{lower:.1}"))
        .replace("{upper}", &format!("{upper:.1}"))
}

/// What a finding says: its phrases after one another. One whose key the table has not is left out: a newer version's.
///
/// In the table `{more}` stands for an effect with its uncertainty as words, since a sign says little: `0.42 % less (u = 0.10 %)`.
pub(crate) fn said(t: &Texts, sayings: &[Saying]) -> String {
    let words = |saying: &Saying| {
        let mut values: Vec<(&str, &str)> =
            saying.values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let effect = saying.values.get("effect").map_or("", String::as_str);
        let (less, size) = match effect.strip_prefix('-') {
            Some(size) => (true, size),
            None => (false, effect.trim_start_matches('+')),
        };
        let u = saying.values.get("u").map_or("", String::as_str);
        let more =
            fill(if less { t.of("said.less") } else { t.of("said.more") }, &[("size", size), ("u", u)]);
        values.push(("more", &more));
        fill(t.of_owned(&format!("said.{}", saying.key)), &values)
    };
    sayings.iter().map(words).collect()
}

/// What a finding says, in English: for files, whose columns are read by programs and people of any language.
pub fn told_in_english(sayings: &[Saying]) -> String {
    said(Texts::in_language(Language::En), sayings)
}

/// A figure as it is shown: one that is nothing to its last decimal has no sign, since `-0.00` would claim one.
pub fn figure(text: String) -> String {
    let bare = text.trim_start_matches(['+', '-']);
    if bare.bytes().all(|byte| matches!(byte, b'0' | b'.')) { bare.to_owned() } else { text }
}

/// A fraction as a signed percentage.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{} %", figure(format!("{:+.2}", 100.0 * fraction)))
}

/// A duration in the largest unit that makes sense.
pub(crate) fn age(t: &Texts, seconds: i64) -> String {
    let (number, key) = match seconds {
        s if s < 60 => return t.of("age.now").to_owned(),
        s if s < 3600 => (s / 60, t.of("age.minutes")),
        s if s < 86_400 => (s / 3600, t.of("age.hours")),
        s => (s / 86_400, t.of("age.days")),
    };
    key.replace("{n}", &number.to_string())
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn an_over_registering_pile_gives_less_than_it_shows() {
        // 50/1.01 = 49.505, 50/0.998 = 50.100.
        let zh = received(Texts::in_language(Language::Zh), (-0.002, 0.01));
        assert!(zh.contains("49.5") && zh.contains("50.1"), "{zh}");
        assert_eq!(percent(0.0123), "+1.23 %");
    }

    #[test]
    fn what_is_nothing_when_rounded_has_no_sign() {
        for (fraction, expected) in [
            (-0.000_04, "0.00 %"),
            (0.000_04, "0.00 %"),
            (0.0, "0.00 %"),
            (-0.000_06, "-0.01 %"),
            (0.2, "+20.00 %"),
        ] {
            assert_eq!(percent(fraction), expected);
        }
        let kwh = |value: f64| figure(format!("{value:+.0}"));
        assert_eq!([-0.4, 0.4, -10.0, 100.0].map(kwh), ["0", "0", "-10", "+100"]);
        let money = |text: &str| figure(format!("{:+}", text.parse::<Decimal>().expect("literal").round()));
        assert_eq!(["-0.4", "0.3", "-1.6", "1000"].map(money), ["0", "0", "-2", "+1000"]);
    }

    fn saying(key: &str, values: &[(&str, &str)]) -> Saying {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Saying { key: key.into(), values: values.collect() }
    }

    /// The sentences that `signals.csv` had before its findings were data, word for word; and one that goes on in parts.
    #[test]
    fn findings_are_said_as_before_in_english_and_in_chinese() {
        let step =
            |effect| [saying("step_since", &[("date", "2026-01-05"), ("effect", effect), ("u", "0.10")])];
        for (effect, en, zh) in [
            ("+1.20", "1.20 % more (u = 0.10 %)", "多计 1.20 %"),
            ("-0.42", "0.42 % less (u = 0.10 %)", "少计 0.42 %"),
        ] {
            assert_eq!(
                told_in_english(&step(effect)),
                format!("since 2026-01-05 the pile registers {en} than before")
            );
            let told = said(Texts::in_language(Language::Zh), &step(effect));
            assert!(
                told.contains(zh) && told.contains("2026-01-05") && told.contains("u = 0.10 %"),
                "{told}"
            );
        }
        let clock = [
            saying("clock_off", &[("offset", "+600"), ("limit", "180")]),
            saying("clock_drift", &[("slope", "+0.5")]),
            saying("clock_cost", &[("amount", "+6.00")]),
            saying("clock_cost_of", &[("count", "5"), ("of", "7")]),
        ];
        assert_eq!(
            told_in_english(&clock),
            "the clock is off by +600 s (limit 180 s), drifting by +0.5 s a day; if bills go by it, customers paid CNY +6.00 too much for \
             hours that were not theirs, by the station's prices and at even power; this is of the 5 of 7 charges with a known \
             clock whose prices are known"
        );
        let version = [
            saying("firmware", &[("version", "{u}"), ("effect", "+1.00"), ("u", "0.10")]),
            saying("newer", &[]),
        ];
        let told = told_in_english(&version);
        assert_eq!(told, "with firmware {u} the pile registers 1.00 % more (u = 0.10 %) than before");
    }

    #[test]
    fn ages_are_in_words() {
        let t = Texts::in_language(Language::En);
        for (seconds, expected) in
            [(5, "just now"), (120, "2 min ago"), (7300, "2 h ago"), (200_000, "2 d ago")]
        {
            assert_eq!(age(t, seconds), expected);
        }
    }
}
