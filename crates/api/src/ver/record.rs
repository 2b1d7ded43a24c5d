//! What people record of an order while it goes on: items, conditions, a display read, a stop. A form becomes an event of the run.
//!
//! Pure: the handlers around it are [`super::record_handlers`]'. Whether an item is passed follows from what was recorded
//! ([`veripile_verification::item::ItemRecord::passed`]); no form has a box for it where there is something to compute.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_metrology::rules::RuleSet;
use veripile_verification::clock::MeasuredOffset;
use veripile_verification::consistency::{CLOCK_SLACK, ChargeEvidence, Difference};
use veripile_verification::item::{
    BillLine, Conditions, Evidence, InsulationReading, ItemCode, ItemRecord, Seal, Unfit, clock_limit_s,
    indication_error_percent,
};
use veripile_verification::order::Order;
use veripile_verification::run::Run;

use crate::entries::{Entries, Fault, Reader};
use crate::texts::Texts;
use crate::view;

/// Rows for seals and for lines of a bill in the forms; blank ones are passed over.
pub(crate) const ROWS: usize = 6;

/// Digits after the point of a measured offset, s: hardly a pile's clock is known better.
const CLOCK_DIGITS: u32 = 2;

/// How long before and after a run a charge still stands beside it: the same working day.
const BESIDE: SignedDuration = SignedDuration::from_hours(24);

/// Who records, and when.
pub(crate) struct By<'a> {
    pub(crate) person: &'a str,
    pub(crate) at: Timestamp,
}

/// What is wrong with the choice of a charge: one beside a run ends within [`BESIDE`] before its first reading, or begins and ends so
/// after its last, by the pile's clock, which may be [`CLOCK_SLACK`] off; and the charges before and after are two.
pub(crate) fn charge_fault(
    t: &Texts,
    code: ItemCode,
    charge: &ChargeEvidence,
    run: &Run,
    now: Timestamp,
) -> Option<Fault> {
    let is_after = code == ItemCode::ConsistencyAfter;
    let taken = run.taken();
    let first = taken.iter().map(|reading| reading.began_at).min().unwrap_or(now);
    let last = taken.iter().map(|reading| reading.ended_at).max();
    let (from, until) = match last.filter(|_| run.ending().is_some()) {
        Some(last) if is_after => (last, last + BESIDE),
        _ if is_after => {
            return Some(Fault::new(t.of("fault.charge_early"), t.of("fault.charge_early.next")));
        }
        _ => (first - BESIDE, first),
    };
    let is_beside = if is_after { charge.is_after(from) } else { charge.is_before(until) };
    if !is_beside || charge.ended_at < from - CLOCK_SLACK || until + CLOCK_SLACK < charge.ended_at {
        let what = if is_after { t.of("fault.charge_not_after") } else { t.of("fault.charge_not_before") };
        return Some(Fault::new(what, t.of("fault.no_charge.next")));
    }
    let is_other = |record: &&ItemRecord| {
        record.code != code
            && matches!(&record.evidence, Evidence::Charge(other) if other.charge_no == charge.charge_no)
    };
    run.items()
        .into_iter()
        .find(is_other)
        .map(|_| Fault::new(t.of("fault.charge_twice"), t.of("fault.no_charge.next")))
}

/// What the platform knows that goes into a record beside what a form says.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Of the charge that a form of consistency names.
    pub(crate) charge: Option<ChargeEvidence>,
    /// The clock's offset as measured.
    pub(crate) measured: Option<MeasuredOffset>,
}

/// The record that a form makes of an item.
pub(crate) fn item(
    t: &Texts,
    code: ItemCode,
    entries: &Entries,
    known: Known,
    by: &By<'_>,
) -> Result<ItemRecord, Vec<Fault>> {
    let mut reader = Reader::new(t, entries);
    let evidence = match code {
        ItemCode::Appearance => looked(t, entries, &mut reader),
        ItemCode::Display if entries.get("display_kwh").is_empty() => looked(t, entries, &mut reader),
        ItemCode::Display => Evidence::Display {
            display_kwh: reader.decimal("display_kwh", t.of("record.display_kwh")),
            register_wh: reader.decimal("register_wh", t.of("record.register_wh")),
        },
        ItemCode::Seal => seals(t, entries, &mut reader),
        ItemCode::Clock => clock(t, entries, known.measured, &mut reader),
        ItemCode::Payment => payment(t, entries, &mut reader),
        ItemCode::Insulation => insulation(t, entries, &mut reader),
        ItemCode::IndicationError => indication(t, &mut reader),
        ItemCode::ConsistencyBefore | ItemCode::ConsistencyAfter => match known.charge {
            Some(charge) => Evidence::Charge(ChargeEvidence {
                bill_kwh: reader.optional("bill_kwh", t.of("record.bill_kwh")),
                ..charge
            }),
            None => {
                reader.faults.push(Fault::new(t.of("fault.no_charge"), t.of("fault.no_charge.next")));
                Evidence::Looked { good: false }
            }
        },
    };
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let note = entries.get("note").to_owned();
    Ok(ItemRecord { code, evidence, note, person: by.person.to_owned(), at: by.at })
}

/// Who read no other time off the pile takes over what was measured.
fn clock(
    t: &Texts,
    entries: &Entries,
    measured: Option<MeasuredOffset>,
    reader: &mut Reader<'_>,
) -> Evidence {
    let offset_s = match &measured {
        Some(measured) if entries.get("offset_s").is_empty() => measured.offset_s,
        _ => reader.decimal("offset_s", t.of("record.offset_s")),
    };
    Evidence::Clock { offset_s, measured }
}

/// What is missing of a record of the clock that contradicts what was measured: a word on why.
pub(crate) fn overrides(t: &Texts, order: &Order, record: &ItemRecord) -> Option<Fault> {
    let rules = order.rules().ok()?;
    let measured = record.contradicted(&rules, order).filter(|_| record.note.trim().is_empty())?;
    let what = t.of("fault.clock_contradicts").replace("{measured}", &measured_text(t, measured));
    Some(Fault::new(what, t.of("fault.clock_contradicts.next")))
}

/// A measured offset in a line.
pub(crate) fn measured_text(t: &Texts, measured: &MeasuredOffset) -> String {
    t.of("record.measured")
        .replace("{offset}", &format!("{:+}", measured.offset_s.round_dp(CLOCK_DIGITS)))
        .replace("{half}", &measured.half_width_s.round_dp(CLOCK_DIGITS).to_string())
        .replace("{at}", &view::minute(measured.at))
        .replace("{messages}", &measured.messages.to_string())
        .replace("{round_trip}", &measured.round_trip_s.to_string())
}

fn looked(t: &Texts, entries: &Entries, reader: &mut Reader<'_>) -> Evidence {
    let good = entries.get("good");
    if good != "yes" && good != "no" {
        reader.wrong("good", t.of("record.looked"));
    }
    Evidence::Looked { good: good == "yes" }
}

fn seals(t: &Texts, entries: &Entries, reader: &mut Reader<'_>) -> Evidence {
    let mut seals = Vec::new();
    for row in 0..ROWS {
        let [number, place, photo] = ["number", "place", "photo"].map(|name| entries.row(name, &row));
        if number.is_empty() && place.is_empty() {
            continue;
        }
        if number.is_empty() {
            reader.wrong(&format!("number_{row}"), t.of("record.seal_number"));
        }
        let photo = photo.to_ascii_lowercase();
        let is_hash = photo.len() == 64 && photo.chars().all(|c| c.is_ascii_hexdigit());
        if !photo.is_empty() && !is_hash {
            reader.wrong(&format!("photo_{row}"), t.of("record.photo_sha256"));
        }
        seals.push(Seal {
            number: number.to_owned(),
            place: place.to_owned(),
            photo_sha256: is_hash.then_some(photo),
        });
    }
    if seals.is_empty() {
        reader.wrong("number_0", t.of("record.seal_number"));
    }
    let whole = entries.get("whole");
    if whole != "yes" && whole != "no" {
        reader.wrong("whole", t.of("record.whole"));
    }
    Evidence::Seals { seals, whole: whole == "yes" }
}

fn payment(t: &Texts, entries: &Entries, reader: &mut Reader<'_>) -> Evidence {
    let mut lines = Vec::new();
    for row in 0..ROWS {
        if ["energy", "price"].iter().all(|name| entries.row(name, &row).is_empty()) {
            continue;
        }
        lines.push(BillLine {
            energy_kwh: reader.decimal(&format!("energy_{row}"), t.of("record.energy_kwh")),
            price: reader.decimal(&format!("price_{row}"), t.of("record.price")),
            service: reader.optional(&format!("service_{row}"), t.of("record.service")).unwrap_or_default(),
        });
    }
    if lines.is_empty() {
        reader.wrong("energy_0", t.of("record.energy_kwh"));
    }
    Evidence::Payment { lines, amount: reader.decimal("amount", t.of("record.amount")) }
}

fn insulation(t: &Texts, entries: &Entries, reader: &mut Reader<'_>) -> Evidence {
    let test_voltage_v = reader.decimal("test_voltage_v", t.of("record.test_voltage_v"));
    let mut readings = Vec::new();
    for row in 0..ROWS {
        if ["between", "megohm"].iter().all(|name| entries.row(name, &row).is_empty()) {
            continue;
        }
        readings.push(InsulationReading {
            between: reader.text(&format!("between_{row}"), t.of("record.between")),
            resistance_megohm: reader.decimal(&format!("megohm_{row}"), t.of("record.megohm")),
        });
    }
    if readings.is_empty() {
        reader.wrong("megohm_0", t.of("record.megohm"));
    }
    Evidence::Insulation { test_voltage_v, readings }
}

/// People read both in kWh.
fn indication(t: &Texts, reader: &mut Reader<'_>) -> Evidence {
    let start_kwh = reader.decimal("start_kwh", t.of("record.start_kwh"));
    let stop_kwh = reader.decimal("stop_kwh", t.of("record.stop_kwh"));
    let reference_kwh = reader.decimal("reference_kwh", t.of("record.reference_kwh"));
    let reference_wh = reference_kwh.checked_mul(Decimal::ONE_THOUSAND);
    if reference_wh.is_none() {
        reader.wrong("reference_kwh", t.of("record.reference_kwh"));
    }
    Evidence::Indication { start_kwh, stop_kwh, reference_wh: reference_wh.unwrap_or_default().normalize() }
}

/// What is wrong with evidence that says nothing either way: it is measured again rather than recorded.
pub(crate) fn unfit(t: &Texts, unfit: &Unfit) -> Fault {
    match unfit {
        Unfit::Nothing => Fault::new(t.of("fault.unfit_nothing"), t.of("fault.fill")),
        Unfit::NoLimit => Fault::new(t.of("fault.unfit_no_limit"), t.of("fault.rules.next")),
        Unfit::Voltage { least_v } => Fault::new(
            t.of("fault.unfit_voltage"),
            t.of("fault.unfit_voltage.next").replace("{volts}", &least_v.normalize().to_string()),
        ),
        Unfit::Energy { least_wh } => Fault::new(
            t.of("fault.unfit_energy"),
            t.of("fault.unfit_energy.next").replace("{energy}", &least_wh.normalize().to_string()),
        ),
    }
}

/// The conditions that a form tells.
pub(crate) fn conditions(t: &Texts, entries: &Entries, by: &By<'_>) -> Result<Conditions, Vec<Fault>> {
    let mut reader = Reader::new(t, entries);
    let temperature_c = reader.decimal("temperature_c", t.of("record.temperature_c"));
    let humidity_percent = reader.decimal("humidity_percent", t.of("record.humidity_percent"));
    let mut within = |name, label: &str, value: Decimal, least: i64, most: i64| {
        if reader.faults.is_empty() && !(Decimal::from(least) <= value && value <= Decimal::from(most)) {
            let range = t
                .of("fault.range")
                .replace("{least}", &least.to_string())
                .replace("{most}", &most.to_string());
            reader.faults.push(Fault::new(format!("{label}: {}", entries.get(name)), range));
        }
    };
    within("temperature_c", t.of("record.temperature_c"), temperature_c, -50, 80);
    within("humidity_percent", t.of("record.humidity_percent"), humidity_percent, 0, 100);
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    Ok(Conditions { temperature_c, humidity_percent, person: by.person.to_owned(), at: by.at })
}

/// A register read off the display, Wh. People read kWh.
pub(crate) fn display(t: &Texts, entries: &Entries) -> Result<Decimal, Vec<Fault>> {
    let mut reader = Reader::new(t, entries);
    let kwh = reader.decimal("display_kwh", t.of("record.display_kwh"));
    let wh = kwh.checked_mul(Decimal::ONE_THOUSAND).filter(|wh| Decimal::ZERO <= *wh);
    if wh.is_none() {
        reader.wrong("display_kwh", t.of("record.display_kwh"));
    }
    match wh {
        Some(wh) if reader.faults.is_empty() => Ok(wh.normalize()),
        _ => Err(reader.faults),
    }
}

/// What a record rests on, in a line.
pub(crate) fn evidence_text(
    t: &Texts,
    order: &Order,
    rules: Option<&RuleSet>,
    record: &ItemRecord,
) -> String {
    match &record.evidence {
        Evidence::Looked { good: true } => t.of("record.good").to_owned(),
        Evidence::Looked { good: false } => t.of("record.bad").to_owned(),
        Evidence::Clock { offset_s, measured } => {
            let limit = rules.and_then(|rules| clock_limit_s(rules, order.reason));
            let limit = limit.map_or(String::new(), |limit| format!(" (±{} s)", limit.normalize()));
            let read = format!("{:+} s{limit}", offset_s.normalize());
            let measured = measured.as_ref().map(|measured| measured_text(t, measured));
            let contradicts = rules.and_then(|rules| record.contradicted(rules, order));
            let contradicts = contradicts.map(|_| format!("⚠ {}", t.of("record.contradicted")));
            [Some(read), measured, contradicts].into_iter().flatten().collect::<Vec<_>>().join(" · ")
        }
        Evidence::Display { display_kwh, register_wh } => {
            format!("{display_kwh} kWh · {} {} Wh", t.of("check.register"), register_wh.normalize())
        }
        Evidence::Seals { seals, whole } => {
            let listed = seals.iter().map(|seal| {
                let photo = if seal.photo_sha256.is_some() { " 📷" } else { "" };
                format!("{} {}{photo}", seal.number, seal.place).trim().to_owned()
            });
            let state = if *whole { t.of("record.all_whole") } else { t.of("record.not_whole") };
            format!("{} · {state}", listed.collect::<Vec<_>>().join(t.of("comma")))
        }
        Evidence::Payment { lines, amount } => {
            let listed = lines
                .iter()
                .map(|line| format!("{} kWh × ({} + {})", line.energy_kwh, line.price, line.service));
            format!("{} · {} {amount}", listed.collect::<Vec<_>>().join(" + "), t.of("record.amount"))
        }
        Evidence::Charge(charge) => charge_text(t, charge),
        Evidence::Insulation { test_voltage_v, readings } => {
            let listed = readings
                .iter()
                .map(|reading| format!("{} {} MΩ", reading.between, reading.resistance_megohm));
            let limit = rules.and_then(|rules| rules.insulation.as_ref());
            let limit =
                limit.map_or(String::new(), |limit| format!(" (≥ {} MΩ)", limit.least_megohm.normalize()));
            format!("{} · {test_voltage_v} V{limit}", listed.collect::<Vec<_>>().join(t.of("comma")))
        }
        Evidence::Indication { start_kwh, stop_kwh, reference_wh } => {
            let error = indication_error_percent(*start_kwh, *stop_kwh, *reference_wh);
            let error = error.map_or_else(|| "—".to_owned(), |error| format!("{error:+}"));
            let limit = rules.and_then(|rules| rules.indication_limit_percent(order.plate.class.0));
            let limit = limit.map_or(String::new(), |limit| format!(" (±{} %)", limit.normalize()));
            let standard = t.of("instrument.standard");
            format!("{error} %{limit} · {start_kwh} → {stop_kwh} kWh · {standard} {reference_wh} Wh")
        }
    }
}

fn charge_text(t: &Texts, charge: &ChargeEvidence) -> String {
    let found = charge.differences();
    let said = if found.is_empty() {
        t.of("record.consistent").to_owned()
    } else {
        let words: Vec<&str> =
            found.iter().map(|difference| t.of_owned(difference_key(*difference))).collect();
        words.join(t.of("comma"))
    };
    format!("{} {} · {} · {said}", t.of("record.charge"), charge.charge_no, view::minute(charge.ended_at))
}

/// Key of the text of a difference.
pub(crate) fn difference_key(difference: Difference) -> &'static str {
    match difference {
        Difference::NoRegister => "difference.no_register",
        Difference::NotSigned => "difference.not_signed",
        Difference::BadSignature => "difference.bad_signature",
        Difference::NoBill => "difference.no_bill",
        Difference::Samples => "difference.samples",
        Difference::Signed => "difference.signed",
        Difference::Bill => "difference.bill",
    }
}

#[cfg(test)]
mod tests {
    use veripile_verification::run::{Event, Happening};

    use super::*;
    use crate::texts::Language;
    use crate::ver::fixture;

    fn entries(fields: &[(&str, &str)]) -> Entries {
        Entries::new(fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn recorded(code: ItemCode, fields: &[(&str, &str)]) -> Result<ItemRecord, Vec<Fault>> {
        let by = By { person: "赵工", at: fixture::at() };
        item(Texts::in_language(Language::Zh), code, &entries(fields), Known::default(), &by)
    }

    #[test]
    fn each_item_is_recorded_from_its_form_and_refused_without_what_it_needs() {
        let hash = "AB".repeat(32);
        let good: [(ItemCode, &[(&str, &str)]); 8] = [
            (ItemCode::Appearance, &[("good", "yes"), ("note", "<script>")]),
            (ItemCode::Display, &[("good", "no")]),
            (ItemCode::Display, &[("display_kwh", "12.34"), ("register_wh", "12340")]),
            (
                ItemCode::Seal,
                &[
                    ("number_0", "A1"),
                    ("place_0", "门"),
                    ("photo_0", &hash),
                    ("number_3", "A2"),
                    ("whole", "yes"),
                ],
            ),
            (ItemCode::Clock, &[("offset_s", "-2.5")]),
            (
                ItemCode::Payment,
                &[("energy_0", "10"), ("price_0", "0.6"), ("service_0", "0.4"), ("amount", "10.00")],
            ),
            (
                ItemCode::Insulation,
                &[("test_voltage_v", "500"), ("between_1", "L—PE"), ("megohm_1", "550"), ("note", "")],
            ),
            // 2.010 kWh against 2.0034 kWh: +0.33 %.
            (
                ItemCode::IndicationError,
                &[("start_kwh", "120.003"), ("stop_kwh", "122.013"), ("reference_kwh", "2.0034")],
            ),
        ];
        let order = Order { rule_set: "JJG 1148-2018 v2".to_owned(), ..fixture::order() };
        let rules = order.rules().expect("known");
        let passes = [true, false, true, true, true, true, true, true];
        for ((code, fields), passes) in good.into_iter().zip(passes) {
            let record = recorded(code, fields).unwrap_or_else(|faults| panic!("{code:?}: {faults:?}"));
            assert_eq!(record.passed(&rules, &order), passes, "{record:?}");
            for language in [Language::Zh, Language::En] {
                let t = Texts::in_language(language);
                assert!(!evidence_text(t, &order, Some(&rules), &record).is_empty());
            }
        }
        let bad: [(ItemCode, &[(&str, &str)]); 14] = [
            (ItemCode::Appearance, &[]),
            (ItemCode::Display, &[("display_kwh", "x"), ("register_wh", "1")]),
            (ItemCode::Display, &[("display_kwh", "1")]),
            (ItemCode::Seal, &[("whole", "yes")]),
            (ItemCode::Seal, &[("number_0", "A1")]),
            (ItemCode::Seal, &[("number_0", "A1"), ("photo_0", "abc"), ("whole", "yes")]),
            (ItemCode::Clock, &[("offset_s", "slow")]),
            (ItemCode::Payment, &[("amount", "1")]),
            (ItemCode::ConsistencyBefore, &[("bill_kwh", "1")]),
            (ItemCode::Insulation, &[("between_0", "L—PE"), ("megohm_0", "550")]),
            (ItemCode::Insulation, &[("test_voltage_v", "500")]),
            (ItemCode::Insulation, &[("test_voltage_v", "500"), ("megohm_0", "550")]),
            (ItemCode::Insulation, &[("test_voltage_v", "500"), ("between_0", "L—PE"), ("megohm_0", ">550")]),
            (ItemCode::IndicationError, &[("start_kwh", "1"), ("stop_kwh", "2")]),
        ];
        for (code, fields) in bad {
            assert!(recorded(code, fields).is_err(), "{code:?} {fields:?}");
        }
    }

    // By the rule set's file: 500 V; and class 2 with a display of 0.01 kWh: 5 kWh.
    #[test]
    fn evidence_that_says_nothing_is_to_be_measured_again() {
        let order = Order { rule_set: "JJG 1148-2018 v2".to_owned(), ..fixture::order() };
        let rules = order.rules().expect("known");
        let said = |code, fields: &[(&str, &str)]| {
            let record = recorded(code, fields).expect("reads");
            let fault =
                record.unfit(&rules, &order).map(|found| unfit(Texts::in_language(Language::En), &found));
            fault.map(|fault| fault.next)
        };
        let insulation = |volts| {
            said(
                ItemCode::Insulation,
                &[("test_voltage_v", volts), ("between_0", "L—PE"), ("megohm_0", "550")],
            )
        };
        assert!(insulation("250").is_some_and(|next| next.contains("500 V")));
        assert_eq!(insulation("500"), None);
        let indication = |stop| {
            said(
                ItemCode::IndicationError,
                &[("start_kwh", "120.00"), ("stop_kwh", stop), ("reference_kwh", "2.0034")],
            )
        };
        assert!(indication("122.01").is_some_and(|next| next.contains("5000 Wh")));
        assert!(indication("119.00").is_some());
    }

    #[test]
    fn a_seal_keeps_the_hash_of_its_photo() {
        let hash = "AB".repeat(32);
        let record = recorded(ItemCode::Seal, &[("number_1", "A1"), ("photo_1", &hash), ("whole", "no")]);
        let Ok(ItemRecord { evidence: Evidence::Seals { seals, whole }, .. }) = record else {
            panic!("{record:?}")
        };
        assert_eq!((seals.len(), whole), (1, false));
        assert_eq!(seals[0].photo_sha256.as_deref(), Some("ab".repeat(32).as_str()));
    }

    #[test]
    fn a_charge_is_consistent_or_its_differences_are_named() {
        let charge = ChargeEvidence {
            charge_no: 7,
            began_at: None,
            ended_at: fixture::at(),
            register_wh: Some(Decimal::from(1234)),
            samples_wh: None,
            signed_wh: Some(Decimal::from(1234)),
            signed_verdict: Some("valid".to_owned()),
            bill_kwh: None,
        };
        let by = By { person: "赵工", at: fixture::at() };
        let t = Texts::in_language(Language::En);
        let (code, order) = (ItemCode::ConsistencyAfter, fixture::order());
        let text = |bill: &str| {
            let known = Known { charge: Some(charge.clone()), ..Known::default() };
            let record = item(t, code, &entries(&[("bill_kwh", bill)]), known, &by);
            evidence_text(t, &order, None, &record.expect("good"))
        };
        assert!(text("1.234").contains(t.of("record.consistent")));
        assert!(text("1.3").contains(t.of_owned("difference.bill")));
        assert!(text("").contains(t.of_owned("difference.no_bill")));
    }

    // Of ± 5 s at a first verification.
    #[test]
    fn a_measured_clock_is_offered_and_not_overridden_without_a_word() {
        let (order, t) = (fixture::order(), Texts::in_language(Language::En));
        let measured = MeasuredOffset {
            offset_s: Decimal::new(1342, 3),
            half_width_s: Decimal::new(530, 3),
            at: fixture::at(),
            messages: 16,
            round_trip_s: Decimal::new(60, 3),
        };
        let by = By { person: "赵工", at: fixture::at() };
        let recorded = |fields: &[(&str, &str)]| {
            let known = Known { measured: Some(measured.clone()), ..Known::default() };
            item(t, ItemCode::Clock, &entries(fields), known, &by).expect("reads")
        };
        let (rules, text) = (order.rules().expect("known"), "measured +1.34 s ± 0.53 s");
        let check = |fields: &[(&str, &str)], offset_s: &str, is_refused, is_contradicted| {
            let record = recorded(fields);
            let said = evidence_text(t, &order, Some(&rules), &record);
            assert!(said.contains(text), "{said}");
            assert_eq!(said.contains(t.of("record.contradicted")), is_contradicted, "{said}");
            let fault = overrides(t, &order, &record);
            assert_eq!(fault.is_some(), is_refused, "{fields:?}");
            assert!(fault.is_none_or(|fault| fault.what.contains(text)));
            let kept = Evidence::Clock {
                offset_s: offset_s.parse().expect("literal"),
                measured: Some(measured.clone()),
            };
            assert_eq!(record.evidence, kept);
        };
        check(&[("offset_s", "")], "1.342", false, false);
        check(&[("offset_s", "6.342")], "6.342", false, false);
        check(&[("offset_s", "-4")], "-4", true, true);
        check(&[("offset_s", "-4"), ("note", "桩时区设置有误")], "-4", false, true);
        let nothing = item(t, ItemCode::Clock, &entries(&[("offset_s", "")]), Known::default(), &by);
        assert!(nothing.is_err(), "nothing was measured");
    }

    #[test]
    fn a_charge_stands_beside_the_run_and_not_for_both_sides_of_it() {
        let t = Texts::in_language(Language::En);
        let (order, began) = (fixture::order(), fixture::at());
        let charge = |number, minutes| ChargeEvidence {
            charge_no: number,
            began_at: None,
            ended_at: began + SignedDuration::from_mins(minutes),
            register_wh: None,
            samples_wh: None,
            signed_wh: None,
            signed_verdict: None,
            bill_kwh: None,
        };
        let before = |number, minutes, run: &Run| {
            charge_fault(t, ItemCode::ConsistencyBefore, &charge(number, minutes), run, began).is_none()
        };
        let mut run = Run::new(order.clone());
        for (minutes, expected) in
            [(0, true), (-10, true), (4, true), (6, false), (-60 * 24, true), (-60 * 25, false)]
        {
            assert_eq!(before(1, minutes, &run), expected, "{minutes}");
        }
        let after = charge_fault(t, ItemCode::ConsistencyAfter, &charge(2, 0), &run, began);
        assert_eq!(after.map(|fault| fault.what).as_deref(), Some(t.of("fault.charge_early")));
        let record = ItemRecord {
            code: ItemCode::ConsistencyAfter,
            evidence: Evidence::Charge(charge(7, 0)),
            note: String::new(),
            person: "赵工".to_owned(),
            at: began,
        };
        run.step(&Event { at: began, what: Happening::Item(record) });
        assert!(before(8, 0, &run) && !before(7, 0, &run), "one charge is not two");
    }

    #[test]
    fn conditions_and_displays_are_read_in_people_s_units() {
        let t = Texts::in_language(Language::En);
        let by = By { person: "赵工", at: fixture::at() };
        let read = |celsius, humidity| {
            conditions(t, &entries(&[("temperature_c", celsius), ("humidity_percent", humidity)]), &by)
        };
        assert_eq!(read("23.5", "45").expect("good").humidity_percent, Decimal::from(45));
        for (celsius, humidity) in [("", "45"), ("warm", "45"), ("23", "145"), ("230", "45"), ("23", "-1")] {
            assert!(read(celsius, humidity).is_err(), "{celsius} {humidity}");
        }
        assert_eq!(display(t, &entries(&[("display_kwh", "12.345")])), Ok(Decimal::from(12_345)));
        for bad in ["", "x", "-1", "79228162514264337593543950335"] {
            assert!(display(t, &entries(&[("display_kwh", bad)])).is_err(), "{bad}");
        }
    }
}
