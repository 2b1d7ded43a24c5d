//! Piles that relay vehicles' values which no vehicle seems to have said, in words and as data.
//!
//! Called by [`crate::signals`] and the page of a pile at `/op`. It says what follows from it; it is no verdict: a test can be passed by a liar, and
//! failed by a fleet of a kind that nobody thought of.

use std::collections::BTreeMap;

use veripile_store::doubt::Doubt;
use veripile_verification::texts::fill;

use crate::signals::{Said, Signal, SignalLine, href};
use crate::texts::{Language, Texts};
use crate::view;

/// Its code in the query API, beside those of findings: the name of the list in a run's facts.
const CODE: &str = "doubted_values";

/// No honest pile makes values up.
const SEVERITY: &str = "critical";

/// Lines, and how many more there are.
pub(crate) fn lines(t: &Texts, (told, total): &(Vec<Doubt>, u64)) -> (Vec<SignalLine>, Option<String>) {
    let more = total.saturating_sub(told.len() as u64);
    let more = (0 < more).then(|| fill(t.of("unsaid.more"), &[("n", &more.to_string())]));
    (told.iter().map(|one| line(t, one)).collect(), more)
}

fn line(t: &Texts, told: &Doubt) -> SignalLine {
    SignalLine {
        href: Some(href(t, &told.pile_id)),
        subject: told.pile_id.clone(),
        severity: SEVERITY,
        severity_text: t.of("severity.critical").to_owned(),
        name: t.of("unsaid.name").to_owned(),
        detail: detail(t, told),
        is_english: false,
        when: view::day(told.as_of),
        p_value: format!("p = {:.1e}", told.p_value),
        charges: String::new(),
    }
}

/// Values of a sentence by name; none of a run of before.
fn numbers(told: &Doubt) -> Vec<(&'static str, String)> {
    let numbers = told.evidence.map(|evidence| {
        [
            ("charges", evidence.charges.to_string()),
            ("vehicles", evidence.vehicles.to_string()),
            ("share", format!("{:.0}", evidence.share_percent)),
        ]
    });
    numbers.into_iter().flatten().collect()
}

fn detail(t: &Texts, told: &Doubt) -> String {
    let numbers = numbers(told);
    let numbers: Vec<(&str, &str)> = numbers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let found = match (told.test.as_str(), numbers.is_empty()) {
        (_, true) => String::new(),
        ("too_good", false) => fill(t.of("unsaid.too_good"), &numbers),
        ("relayed", false) => fill(t.of("unsaid.relayed"), &numbers),
        ("alike", false) => fill(t.of("unsaid.alike"), &numbers),
        (_, false) => fill(t.of("unsaid.deaf"), &numbers),
    };
    found + t.of("unsaid.follows")
}

/// For the query API.
pub(crate) fn signal(told: &Doubt) -> Signal {
    let mut values = BTreeMap::from([("test".to_owned(), told.test.clone())]);
    values.extend(numbers(told).into_iter().map(|(name, value)| (name.to_owned(), value)));
    Signal {
        as_of: told.as_of.to_string(),
        code: CODE.to_owned(),
        severity: SEVERITY.to_owned(),
        statistic: told.evidence.map_or(0.0, |evidence| evidence.share_percent),
        p_value: Some(told.p_value),
        from: None,
        to: None,
        detail: detail(Texts::in_language(Language::En), told),
        detail_zh: detail(Texts::in_language(Language::Zh), told),
        said: vec![Said { key: CODE.to_owned(), values }],
        charges: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use veripile_store::doubt::DoubtEvidence;

    use super::*;

    fn told(test: &str, evidence: Option<DoubtEvidence>) -> Doubt {
        let as_of = Timestamp::UNIX_EPOCH;
        Doubt { as_of, pile_id: "P 1".to_owned(), test: test.to_owned(), p_value: 2.5e-12, evidence }
    }

    const EVIDENCE: DoubtEvidence = DoubtEvidence { share_percent: 21.4, charges: 200, vehicles: 40 };

    #[test]
    fn a_doubt_is_told_in_both_languages_with_its_evidence_and_what_follows() {
        let [zh, en] = [Language::Zh, Language::En].map(Texts::in_language);
        let all = (vec![told("too_good", Some(EVIDENCE)), told("deaf", Some(EVIDENCE))], 25);
        let (lines_en, more) = lines(en, &all);
        assert_eq!(
            lines_en[0].detail,
            "vehicles' values of 200 charges by 40 vehicles scatter by 21 % of what vehicles' values scatter by; the pile is not held to conform, \
             and its estimate and its errors by week leave these values out"
        );
        assert!(lines_en[1].detail.starts_with("in 200 charges by 40 vehicles their own errors"));
        assert!(lines_en[1].detail.contains("show here by 21 %"), "{}", lines_en[1].detail);
        assert!(lines_en[0].href.as_ref().is_some_and(|href| href.contains("P%201")));
        assert_eq!((lines_en[0].p_value.as_str(), more.as_deref()), ("p = 2.5e-12", Some("and 23 more")));
        let (lines_zh, more) = lines(zh, &(all.0, 2));
        assert!(lines_zh.iter().all(|line| line.detail.contains("40 辆车") && line.detail.contains("21 %")));
        assert_eq!(more, None);
        let alike = told("alike", Some(EVIDENCE));
        assert!(
            detail(en, &alike).contains("hardly differ from each other, by 21 % of what vehicles differ by")
        );
        assert!(detail(zh, &alike).contains("本桩有 40 辆车的 200 次充电"), "{}", detail(zh, &alike));
        let less = detail(en, &told("relayed", Some(DoubtEvidence { share_percent: 2.9, ..EVIDENCE })));
        assert!(less.starts_with("in 200 charges by 40 vehicles this pile shows 3 % less with"), "{less}");
        // A run of before told no numbers.
        assert_eq!(
            detail(en, &told("deaf", None)),
            "the pile is not held to conform, and its estimate and its errors by week leave these values out"
        );
    }

    #[test]
    fn programs_get_the_test_and_its_numbers() {
        let signal = signal(&told("deaf", Some(EVIDENCE)));
        assert_eq!((signal.code.as_str(), signal.p_value), ("doubted_values", Some(2.5e-12)));
        let values: Vec<(&str, &str)> =
            signal.said[0].values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("charges", "200"), ("share", "21"), ("test", "deaf"), ("vehicles", "40")]);
    }
}
