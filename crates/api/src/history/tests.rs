//! What a pile's history says, and of which weeks.

use super::*;
use crate::texts::Language;

fn week(week: i32, error: f64) -> WeeklyError {
    WeeklyError { week, error, standard_uncertainty: 0.001, charges: 10, innovation: None }
}

fn history(weeks: Vec<WeeklyError>, steps: Vec<ErrorStep>) -> History {
    History {
        weeks,
        days: Vec::new(),
        steps,
        firmware: vec![("2026-11-01T00:00:00Z".parse().expect("literal"), "v<2>".to_owned())],
        results: Vec::new(),
        replies: Vec::new(),
        limit: Some(0.02),
        date: None,
    }
}

// 2026-11-23 is a Monday; 20,780 days after 1970-01-01, so (20,780 + 3) / 7 = 2,969 weeks after the first Monday.
#[test]
fn a_week_begins_on_its_monday() {
    assert_eq!(beginning(2_969).to_string(), "2026-11-23T00:00:00Z");
    assert_eq!(ending(2_968), beginning(2_969));
}

#[test]
fn the_sentence_says_whether_it_stepped_and_a_single_week_says_nothing() {
    let t = Texts::in_language(Language::En);
    assert_eq!(history(vec![week(2_969, 0.01)], Vec::new()).sentence(t), None);
    let weeks = vec![week(2_960, 0.001), week(2_969, 0.012)];
    let steady = history(weeks.clone(), Vec::new()).sentence(t).expect("two weeks");
    assert!(steady.contains("10") && steady.contains("+0.10 %") && steady.contains("+1.20 %"), "{steady}");
    let step = ErrorStep {
        found_week: 2_968,
        first_week: 2_966,
        range: (2_965, 2_967),
        size: 0.011,
        standard_uncertainty: 0.002,
        statistic: 30.0,
    };
    let earlier = ErrorStep { first_week: 2_960, ..step };
    assert_eq!(history(weeks.clone(), vec![earlier]).sentence(t), Some(steady.clone()));
    let of_both = history(weeks.clone(), vec![earlier, step]).sentence(t).expect("two weeks");
    assert!(of_both.contains("1 step(s)"), "{of_both}");
    let stepped = history(weeks, vec![step]);
    assert_ne!(stepped.sentence(t).expect("two weeks"), steady);
    let now: Timestamp = "2026-11-25T04:00:00Z".parse().expect("literal");
    let events = stepped.events(t, now);
    assert_eq!(
        events.iter().map(|(day, kind, _)| (day.as_str(), *kind)).collect::<Vec<_>>(),
        [("2026-11-02", "step"), ("2026-11-01", "firmware")]
    );
    assert!(events[0].2.contains("+1.10 %") && events[0].2.contains("0.40 %"), "{events:?}");
    // Week 2,967 ended on Monday, 16 November 2026; no step ends later than the hour.
    let latest = |now: &str| super::events(&stepped, now.parse().expect("literal"))[0].latest.clone();
    for (now, expected) in [
        ("2026-11-25T04:00:00Z", "2026-11-16T00:00:00Z"),
        ("2026-11-11T04:00:00.000000001Z", "2026-11-11T04:00:00Z"),
        ("2026-11-11T04:59:59.999999999Z", "2026-11-11T04:00:00Z"),
        ("2026-11-11T05:00:00Z", "2026-11-11T05:00:00Z"),
    ] {
        assert_eq!(latest(now).as_deref(), Some(expected));
    }
    let svg = stepped.chart(t, now);
    // Week 2,969 began on Monday, 23 November 2026, and is open.
    assert!(svg.contains(">2026-11-25</text>") && !svg.contains("2026-11-30"), "{svg}");
    assert!(stepped.chart(t, Timestamp::MAX).contains(">2026-11-30</text>"));
    assert_eq!((svg.matches("class=\"point\"").count(), svg.matches("class=\"event").count()), (2, 2));
    assert!(!svg.contains("v<2>"));
}

/// Of a pile that never charged a vehicle the filter has its on-site result, week after week.
#[test]
fn a_week_without_charges_is_no_error_by_charges() {
    let silent = |at| WeeklyError { charges: 0, ..week(at, 0.001) };
    let weeks = of_charges(vec![week(2_969, 0.012), silent(2_968), week(2_967, 0.011), silent(2_966)]);
    assert_eq!(weeks.iter().map(|week| week.week).collect::<Vec<_>>(), [2_967, 2_969]);
    assert!(of_charges(vec![silent(2_969), silent(2_968)]).is_empty());
}

// By hand: −3.28 ± 4.53 (1.96 × 2.31) and −1.00 ± 1.63 (1.96 × 0.83) overlap; 0.1 and 1.2 with 0.2 do not.
#[test]
fn what_may_be_noise_is_not_told_as_a_change() {
    let t = Texts::in_language(Language::En);
    let of = |ends: [(f64, f64); 2]| {
        let week = |(at, (error, standard_uncertainty)): (i32, (f64, f64))| WeeklyError {
            standard_uncertainty,
            ..week(at, error)
        };
        let weeks = [2_965, 2_969].into_iter().zip(ends).map(week).collect();
        history(weeks, Vec::new()).sentence(t).expect("two weeks")
    };
    let noise = of([(-0.032_8, 0.023_1), (-0.01, 0.008_3)]);
    assert!(noise.contains("did not change beyond its uncertainty"), "{noise}");
    assert!(noise.contains("-3.28 % ± 4.53 %") && noise.contains("-1.00 % ± 1.63 %"), "{noise}");
    let change = of([(0.001, 0.001), (0.012, 0.001)]);
    assert!(change.contains("went from +0.10 % ± 0.20 % to +1.20 % ± 0.20 %"), "{change}");
}

#[test]
fn a_date_of_an_old_assessment_is_none_and_says_how_old_it_is() {
    let as_of: Timestamp = "2026-11-01T00:00:00Z".parse().expect("literal");
    let (due_on, standing) = (Some(jiff::civil::date(2028, 1, 1)), veripile_pile::Standing::default());
    let date = DateRecord {
        as_of,
        pile_id: "P".to_owned(),
        due_on,
        withdrawn: vec![],
        standing,
        last_heard_at: None,
    };
    let now = as_of + jiff::SignedDuration::from_hours(15 * 24 + 1);
    let told = next_date(Texts::in_language(Language::En), &date, now);
    assert!(told.due.is_none() && told.reasons.join("").contains("the assessment is 15 days old"));
    assert_eq!((told.as_of.as_str(), NextDate::of(&date, now).due_on), ("2026-11-01 08:00", None));
}

// "The legal interval applies" stood above "the legal interval is over".
#[test]
fn where_no_date_is_proposed_is_said_what_holds_instead() {
    let as_of: Timestamp = "2026-11-01T00:00:00Z".parse().expect("literal");
    let certificate = veripile_pile::Certified {
        number: "C".to_owned(),
        issuer: "计量所".to_owned(),
        at: as_of - jiff::SignedDuration::from_hours(24 * 365),
        valid_until: as_of + jiff::SignedDuration::from_hours(24 * 365),
        questioned_at: None,
    };
    let stopped_at = Some(as_of);
    let good = veripile_pile::Standing { certificate: Some(certificate), ..Default::default() };
    let stopped = veripile_pile::Standing { stopped_at, ..good.clone() };
    for (withdrawn, standing, key) in [
        ("few_charges", &good, "next.withdrawn"),
        ("legally_due", &good, "next.overdue"),
        ("certificate_expired", &good, "next.overdue"),
        ("few_charges", &veripile_pile::Standing::default(), "next.overdue"),
        ("legally_due", &stopped, "next.none_now"),
        ("under_review", &good, "next.none_now"),
    ] {
        let date = DateRecord {
            as_of,
            pile_id: "P".to_owned(),
            due_on: None,
            withdrawn: vec![withdrawn.to_owned()],
            standing: standing.clone(),
            last_heard_at: Some(as_of),
        };
        for t in [Language::Zh, Language::En].map(Texts::in_language) {
            assert_eq!(next_date(t, &date, as_of).without, t.of(key), "{withdrawn}");
        }
    }
}

#[test]
fn of_a_withdrawn_certificate_nothing_is_told_and_one_in_question_says_so() {
    let at = |day: &str| format!("2026-{day}T00:00:00Z").parse::<Timestamp>().expect("literal");
    let act = |kind, number: &str, day| {
        let error_percent = rust_decimal::Decimal::new(3, 1);
        let result = veripile_pile::OnSiteResult {
            error_percent,
            expanded_uncertainty_percent: error_percent,
            coverage_factor: rust_decimal::Decimal::TWO,
        };
        Act {
            kind,
            number: number.to_owned(),
            outlet: None,
            issuer: "计量所".to_owned(),
            person: "v".to_owned(),
            acted_at: at(day),
            valid_until: None,
            reply_until: None,
            result: matches!(kind, ActKind::Certificate | ActKind::Measured).then_some(result),
        }
    };
    let acts = [
        act(ActKind::Certificate, "GONE", "10-01"),
        act(ActKind::Certificate, "OPEN", "10-02"),
        act(ActKind::Measured, "M", "10-03"),
        act(ActKind::CertificateWithdrawn, "GONE", "11-02"),
        act(ActKind::CertificateQuestioned, "OPEN", "11-04"),
        act(ActKind::CertificateQuestioned, "OPEN", "11-03"),
    ];
    let mut told = history(vec![week(2_960, 0.001), week(2_969, 0.012)], Vec::new());
    told.results = results(&acts.iter().collect::<Vec<_>>());
    let (t, now) = (Texts::in_language(Language::En), at("11-25"));
    let texts = told.events(t, now).into_iter().map(|(_, _, text)| text).collect::<Vec<_>>().join("\n");
    let expected = ["+0.3 % (M)", "+0.3 % (OPEN; certificate in question since 2026-11-03)"];
    assert!(expected.iter().all(|text| texts.contains(text)) && !texts.contains("GONE"), "{texts}");
    let events = serde_json::to_value(super::events(&told, now)).expect("JSON");
    let of = |number: &str| events.as_array()?.iter().find(|event| event["number"] == number);
    assert!(of("GONE").is_none(), "{events}");
    assert_eq!(of("OPEN").expect("told")["questioned_at"], "2026-11-03T00:00:00Z");
    assert!(of("M").expect("told")["questioned_at"].is_null());
    let svg = told.chart(t, now);
    assert_eq!(
        (svg.matches("class=\"event on_site\"").count(), svg.matches("Certificate in question").count()),
        (2, 1),
        "{svg}"
    );
}
