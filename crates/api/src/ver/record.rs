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
mod tests;
