//! Numbers as sentences: what an error means for a driver.

use crate::texts::Texts;

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

/// A fraction as a signed percentage.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:+.2} %", 100.0 * fraction)
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
    use super::*;
    use crate::texts::Language;

    #[test]
    fn an_over_registering_pile_gives_less_than_it_shows() {
        // 50/1.01 = 49.505, 50/0.998 = 50.100.
        let zh = received(Texts::in_language(Language::Zh), (-0.002, 0.01));
        assert!(zh.contains("49.5") && zh.contains("50.1"), "{zh}");
        assert_eq!(percent(0.0123), "+1.23 %");
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
