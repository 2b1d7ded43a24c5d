//! On-site results, calibrations of reference vehicles and stations' energy balances that contradict everything else, in words and as data.
//!
//! Called by [`crate::signals`] and the page of a pile at `/op`. One side is wrong, nobody knows which: no line is a verdict.

use std::collections::BTreeMap;

use veripile_store::contradiction::Contradiction;
use veripile_verification::texts::fill;

use crate::signals::{Said, Signal, SignalLine, href};
use crate::texts::{Language, Texts};
use crate::view;

/// Its code in the query API, beside those of findings.
const CODE: &str = "contradictory_result";

/// That of a station's energy balance.
const BALANCE_CODE: &str = "contradictory_balance";

/// It is to be looked into by people, whoever is wrong.
const SEVERITY: &str = "warning";

/// Lines, and how many more there are.
pub(crate) fn lines(
    t: &Texts,
    (told, total): &(Vec<Contradiction>, u64),
) -> (Vec<SignalLine>, Option<String>) {
    let more = total.saturating_sub(told.len() as u64);
    let more = (0 < more).then(|| fill(t.of("contradiction.more"), &[("n", &more.to_string())]));
    (told.iter().map(|one| line(t, one)).collect(), more)
}

fn line(t: &Texts, told: &Contradiction) -> SignalLine {
    let other = || match (&told.station, &told.vehicle) {
        (Some(station), _) => format!("{} {station}", t.of("contradiction.station")),
        (None, vehicle) => {
            format!("{} {}", t.of("contradiction.vehicle"), vehicle.as_deref().unwrap_or_default())
        }
    };
    let name =
        if told.station.is_some() { t.of("contradiction.balance_name") } else { t.of("contradiction.name") };
    SignalLine {
        href: told.pile_id.as_ref().map(|pile| href(t, pile)),
        subject: told.pile_id.clone().unwrap_or_else(other),
        severity: SEVERITY,
        severity_text: t.of("severity.warning").to_owned(),
        name: name.to_owned(),
        detail: detail(t, told),
        is_english: false,
        when: view::day(told.at),
        p_value: String::new(),
        charges: String::new(),
    }
}

fn detail(t: &Texts, told: &Contradiction) -> String {
    let used = if told.is_used { t.of("contradiction.used") } else { t.of("contradiction.left_out") };
    let kwh = |energy: f64| format!("{energy:.1}");
    let why = match (told.energies_kwh, told.normalised_error, told.shape) {
        (Some((master, registers)), ..) => fill(
            t.of("contradiction.of_energies"),
            &[("master", &kwh(master)), ("registers", &kwh(registers))],
        ),
        (None, Some(error), _) => {
            fill(t.of("contradiction.of_number"), &[("number", &format!("{error:.1}"))])
        }
        (None, None, Some(shape)) => {
            fill(t.of("contradiction.of_shape"), &[("number", &format!("{shape:.1}"))])
        }
        (None, None, None) => t.of("contradiction.of_like").to_owned(),
    };
    let at = view::day(told.at);
    let found = told.error_percent.as_deref().unwrap_or_default();
    let text = match (&told.pile_id, &told.station) {
        (Some(_), _) => t.of("contradiction.result"),
        (None, Some(_)) => t.of("contradiction.balance"),
        (None, None) => t.of("contradiction.calibration"),
    };
    let station = told.station.as_deref().unwrap_or_default();
    fill(text, &[("at", &at), ("why", &why), ("found", found), ("used", used), ("station", station)])
}

/// For the query API.
pub(crate) fn signal(told: &Contradiction) -> Signal {
    let code = if told.station.is_some() { BALANCE_CODE } else { CODE };
    let used = if told.is_used { "used" } else { "left_out" };
    let mut values = BTreeMap::from([("level".to_owned(), used.to_owned())]);
    values.extend(told.station.clone().map(|station| ("station".to_owned(), station)));
    values.extend(told.normalised_error.map(|error| ("normalised_error".to_owned(), format!("{error:.1}"))));
    Signal {
        as_of: told.as_of.to_string(),
        code: code.to_owned(),
        severity: SEVERITY.to_owned(),
        statistic: told.normalised_error.unwrap_or_default(),
        p_value: None,
        from: Some(told.at.to_string()),
        to: None,
        detail: detail(Texts::in_language(Language::En), told),
        detail_zh: detail(Texts::in_language(Language::Zh), told),
        said: vec![Said { key: code.to_owned(), values }],
        charges: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn told(pile_id: Option<&str>) -> Contradiction {
        Contradiction {
            as_of: Timestamp::UNIX_EPOCH,
            pile_id: pile_id.map(str::to_owned),
            vehicle: pile_id.is_none().then(|| "00ab".to_owned()),
            station: None,
            shape: None,
            energies_kwh: None,
            at: "2026-01-04T20:00:00Z".parse().expect("literal"),
            error_percent: pile_id.is_none().then(|| "1.50".to_owned()),
            normalised_error: Some(-3.13),
            is_used: pile_id.is_none(),
        }
    }

    /// The day is China's: at 20 h UTC the next one has begun there.
    #[test]
    fn a_contradiction_is_told_in_both_languages_with_day_number_and_what_became_of_it() {
        let [zh, en] = [Language::Zh, Language::En].map(Texts::in_language);
        let all = (vec![told(Some("P 1")), told(None)], 25);
        let (lines_en, more) = lines(en, &all);
        assert_eq!(
            lines_en[0].detail,
            "the on-site result of 2026-01-05 contradicts everything else (E_n -3.1) and was left out; look into it"
        );
        assert!(
            lines_en[0].href.as_ref().is_some_and(|href| href.contains("P%201")),
            "{:?}",
            lines_en[0].href
        );
        assert_eq!(lines_en[1].subject, "reference vehicle 00ab");
        assert!(
            lines_en[1].detail.contains("(1.50 %)") && lines_en[1].detail.contains("used all the same"),
            "{}",
            lines_en[1].detail
        );
        assert_eq!(more.as_deref(), Some("and 23 more"));
        let (lines_zh, more) = lines(zh, &(all.0, 2));
        assert!(
            lines_zh[0].detail.contains("未予采用") && lines_zh[1].detail.contains("1.50 %"),
            "{}",
            lines_zh[0].detail
        );
        assert_eq!(more, None);
        let alike = Contradiction { normalised_error: None, ..told(Some("P1")) };
        assert_eq!(
            detail(en, &alike),
            "the on-site result of 2026-01-05 is of a set in which as many contradict as agree, or the only one of a set most of whose piles \
             would be outside the limit by it, so that nobody can say which are right, and was left out; look into it"
        );
    }

    #[test]
    fn a_stations_balance_is_told_with_what_contradicts() {
        let en = Texts::in_language(Language::En);
        let balance = Contradiction {
            station: Some("S2".to_owned()),
            vehicle: None,
            error_percent: None,
            is_used: false,
            ..told(None)
        };
        let of_line = line(en, &balance);
        assert_eq!((of_line.subject.as_str(), of_line.href), ("station S2", None));
        assert!(of_line.detail.contains("S2") && of_line.detail.contains("(E_n -3.1)"), "{}", of_line.detail);
        let unlike = Contradiction { energies_kwh: Some((10.0, 912.34)), normalised_error: None, ..balance };
        let detail = detail(en, &unlike);
        assert!(detail.contains("10.0 kWh") && detail.contains("912.3 kWh"), "{detail}");
        let signal = signal(&unlike);
        assert_eq!((signal.code.as_str(), signal.said[0].values["station"].as_str()), (BALANCE_CODE, "S2"));
    }

    #[test]
    fn programs_get_the_number_and_what_became_of_it() {
        let signal = signal(&told(Some("P1")));
        assert!((signal.statistic + 3.13).abs() < 1e-12);
        let values: Vec<(&str, &str)> =
            signal.said[0].values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("level", "left_out"), ("normalised_error", "-3.1")]);
    }
}
