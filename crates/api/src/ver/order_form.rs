//! The form of an order, between entries and order: what rule set and plate propose, written into fields; fields read into an
//! order, with everything that is wrong with it said in words.
//!
//! Pure: the page around it is [`super::new_order`]'s. Whether an order may be carried out is the engine's to say
//! ([`Order::check`]); here only what cannot even be read is refused.

use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_metrology::rules::{self, RuleSet, Status};
use veripile_pile::PileKind;
use veripile_store::verification::PlateFacts;
use veripile_verification::instrument::{Instrument, InstrumentRole};
use veripile_verification::item::ItemCode;
use veripile_verification::order::{Order, OrderError, Plate, Reason};
use veripile_verification::plan::{Effects, Load, LoadPoint, Method, Pace, Plan, RegisterSource, Tap};

use super::words;
use crate::entries::{Entries, Fault, Reader, decimal};
use crate::texts::Texts;

/// Rows for load points in the form: blank ones are passed over, so that rows can be added and removed without a script.
pub(crate) const ROWS: usize = 8;

/// Rated current where neither plate nor power tells it, A: the usual single-phase pile.
const CURRENT_USUAL_A: i64 = 32;

/// The number of an order that has none yet, so that it can be checked.
const UNNUMBERED: &str = "-";

/// Numbers of a plan beyond its load points: field, and key of its label.
pub(crate) const EFFECTS: [(&str, &str); 6] = [
    ("phase_deg", "plan.phase_deg"),
    ("ripple_percent", "plan.ripple_percent"),
    ("self_heating_percent", "plan.self_heating_percent"),
    ("cable_mohm", "plan.cable_mohm"),
    ("cable_bound_percent", "plan.cable_bound_percent"),
    ("register_age_s", "plan.register_age_s"),
];

/// How fast: field, and key of its label.
pub(crate) const PACE: [(&str, &str); 7] = [
    ("warm_up_s", "plan.warm_up_s"),
    ("settle_ms", "plan.settle_ms"),
    ("poll_ms", "plan.poll_ms"),
    ("watchdog_s", "plan.watchdog_s"),
    ("retry_wait_s", "plan.retry_wait_s"),
    ("failures_max", "plan.failures_max"),
    ("patience", "plan.patience"),
];

/// What an order is made from besides the form.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    /// The pile as registered.
    pub(crate) facts: &'a PlateFacts,
    /// The register of instruments.
    pub(crate) instruments: &'a [Instrument],
    /// Names of those who may verify.
    pub(crate) verifiers: &'a [String],
    /// Names of those who may review.
    pub(crate) reviewers: &'a [String],
    /// Who repaired the pile since its last certificate.
    pub(crate) repairers: &'a [String],
    /// Who fills the form in.
    pub(crate) person: &'a str,
    /// When.
    pub(crate) now: Timestamp,
}

/// Rule sets for a kind of pile: those in force first, then superseded ones, then those of elsewhere.
pub(crate) fn rule_sets(kind: PileKind) -> Vec<RuleSet> {
    let applies = |rules: &RuleSet| rules.applies_to.split(',').any(|word| word.trim() == kind.word());
    let mut found: Vec<RuleSet> = rules::all().unwrap_or_default().into_iter().filter(applies).collect();
    found.sort_by_key(|rules| match rules.status {
        Status::Current => 0,
        Status::Superseded => 1,
        Status::Foreign => 2,
    });
    found
}

/// The form as it is first shown.
pub(crate) fn proposed(ground: &Ground<'_>, body: &str) -> Entries {
    let pile = &ground.facts.pile;
    let voltage_v = Plate::assumed_voltage_v(pile.kind);
    let current_a = pile.power_kw.and_then(|power| Plate::current_from_power(power, voltage_v));
    let mut entries = Entries::default();
    let holds = |role| {
        let good =
            |instrument: &&Instrument| instrument.role == role && instrument.calibration.holds(ground.now);
        ground.instruments.iter().find(good).map_or("", |instrument| instrument.instrument_id.as_str())
    };
    let verifies = ground.verifiers.iter().find(|name| *name == ground.person).or(ground.verifiers.first());
    let verifier = verifies.map_or("", String::as_str);
    let reviewer = ground.reviewers.iter().find(|name| *name != verifier).map_or("", String::as_str);
    let rules = rule_sets(pile.kind).into_iter().next();
    for (name, text) in [
        ("pile", pile.pile_id.as_str()),
        ("connector", "1"),
        ("reason", Reason::First.word()),
        ("body", body),
        ("verifier", verifier),
        ("reviewer", reviewer),
        ("source", holds(InstrumentRole::Source)),
        ("standard", holds(InstrumentRole::Standard)),
        ("register_step_wh", "1"),
    ] {
        entries.set(name, text);
    }
    entries.set("rule_set", rules.as_ref().map_or_else(String::new, RuleSet::reference));
    entries.set("voltage_v", text(voltage_v));
    entries.set("current_max_a", text(current_a.unwrap_or_else(|| CURRENT_USUAL_A.into())));
    propose_plan(&mut entries, ground.facts);
    entries
}

/// Fills the form with what an earlier order of the pile asked for; what is no more to be had is refused when it is made.
pub(crate) fn repeat(entries: &mut Entries, earlier: &Order) {
    let plate = &earlier.plate;
    let named =
        |role| earlier.instrument(role).map_or("", |instrument| instrument.instrument_id.as_str()).to_owned();
    for (name, text) in [
        ("connector", earlier.connector.to_string()),
        ("reason", earlier.reason.word().to_owned()),
        ("cause", earlier.cause.clone().unwrap_or_default()),
        ("rule_set", earlier.rule_set.clone()),
        ("body", earlier.body.clone()),
        ("verifier", earlier.verifier.clone()),
        ("reviewer", earlier.reviewer.clone()),
        ("source", named(InstrumentRole::Source)),
        ("standard", named(InstrumentRole::Standard)),
        ("voltage_v", text(plate.voltage_v)),
        ("current_max_a", text(plate.current_max_a)),
        ("register_step_wh", text(plate.register_step_wh)),
        ("pulse_constant", plate.pulse_constant.map_or(String::new(), text)),
    ] {
        entries.set(name, text);
    }
    write_plan(entries, &earlier.plan);
}

/// Writes the plan that the form's rule set and plate propose over whatever plan stands in it.
pub(crate) fn propose_plan(entries: &mut Entries, facts: &PlateFacts) {
    let Ok(rules) = rules::named(entries.get("rule_set")) else { return };
    let rules = rules.for_reason(entries.get("reason"));
    let plate = Plate {
        voltage_v: decimal(entries.get("voltage_v")).unwrap_or_default(),
        current_max_a: decimal(entries.get("current_max_a")).unwrap_or_default(),
        register_step_wh: decimal(entries.get("register_step_wh")).unwrap_or_default(),
        pulse_constant: decimal(entries.get("pulse_constant")),
        ..plate_of(facts)
    };
    let plan = Plan::propose(&plate, &rules);
    let is_real = load_of(entries) == Load::Real;
    write_plan(entries, &if is_real { plan.under_real_load(&plate, &rules) } else { plan });
}

fn load_of(entries: &Entries) -> Load {
    if entries.get("load") == "real" { Load::Real } else { Load::Virtual }
}

/// Writes a plan into the form, over whatever plan stands in it.
pub(crate) fn write_plan(entries: &mut Entries, plan: &Plan) {
    for row in 0..rows(entries).max(ROWS) {
        for name in ["voltage", "current", "factor", "energy", "pulses"] {
            entries.set(format!("{name}_{row}"), "");
        }
    }
    for (row, point) in plan.points.iter().enumerate() {
        entries.set(format!("voltage_{row}"), text(point.voltage_v));
        entries.set(format!("current_{row}"), text(point.current_a));
        entries.set(format!("factor_{row}"), point.power_factor.map_or(String::new(), text));
        entries.set(format!("energy_{row}"), text(point.energy_wh));
        if let Method::Pulse { pulses } = point.method {
            entries.set(format!("pulses_{row}"), pulses.to_string());
        }
    }
    entries.set("load", if plan.load == Load::Real { "real" } else { "virtual" });
    entries.set("tap", if plan.tap == Tap::Connector { "connector" } else { "terminals" });
    entries.set("register", if plan.register == RegisterSource::Ocpp { "ocpp" } else { "display" });
    entries.set("repeats", plan.repeats.to_string());
    entries.set("test_mode_vendor", plan.test_mode_vendor.clone().unwrap_or_default());
    let (effects, pace) = (&plan.effects, &plan.pace);
    for (name, value) in [
        ("frequency_hz", plan.frequency_hz),
        ("set_point_percent", plan.set_point_percent),
        ("temperature_c_max", plan.temperature_c_max),
        ("phase_deg", effects.phase_deg),
        ("ripple_percent", effects.ripple_percent),
        ("self_heating_percent", effects.self_heating_percent),
        ("cable_mohm", effects.cable_mohm),
        ("cable_bound_percent", effects.cable_bound_percent),
        ("register_age_s", effects.register_age_s),
        ("warm_up_s", pace.warm_up_s.into()),
        ("settle_ms", pace.settle_ms.into()),
        ("poll_ms", pace.poll_ms.into()),
        ("watchdog_s", pace.watchdog_s.into()),
        ("retry_wait_s", pace.retry_wait_s.into()),
        ("failures_max", pace.failures_max.into()),
        ("patience", pace.patience.into()),
    ] {
        entries.set(name, text(value));
    }
    entries.clear("item");
    for item in &plan.items {
        entries.add("item", item.word());
    }
}

/// Rows of load points that the form shows: all that are filled, with some to spare.
pub(crate) fn rows(entries: &Entries) -> usize {
    let most = veripile_verification::plan::POINTS_MAX;
    let filled = (0..most).rev().find(|row| !is_blank(entries, *row)).map_or(0, |row| row + 1);
    (filled + 2).clamp(ROWS, most)
}

fn is_blank(entries: &Entries, row: usize) -> bool {
    ["voltage", "current", "energy", "pulses"].iter().all(|name| entries.row(name, &row).is_empty())
}

/// The order that a form asks for, without its number; else everything that is wrong with it.
pub(crate) fn order(t: &Texts, entries: &Entries, ground: &Ground<'_>) -> Result<Order, Vec<Fault>> {
    let mut reader = Reader::new(t, entries);
    let plate = read_plate(t, &mut reader, ground.facts);
    let reason = Reason::from_word(entries.get("reason"));
    if reason.is_none() {
        reader.wrong("reason", t.of("ver.reason"));
    }
    let connector = reader.whole("connector", t.of("ver.outlet"));
    let plan = read_plan(t, &mut reader, entries, plate.kind);
    let order = Order {
        number: UNNUMBERED.to_owned(),
        connector,
        reason: reason.unwrap_or(Reason::First),
        rule_set: entries.get("rule_set").to_owned(),
        plan,
        body: entries.get("body").to_owned(),
        verifier: entries.get("verifier").to_owned(),
        reviewer: entries.get("reviewer").to_owned(),
        cause: Some(entries.get("cause").trim().to_owned()).filter(|cause| !cause.is_empty()),
        instruments: chosen(entries, ground.instruments),
        ordered_by: ground.person.to_owned(),
        ordered_at: ground.now,
        plate,
    };
    let mut faults = reader.faults;
    // Where a number could not be read, a zero stands in for it: what the engine says of numbers would be about that.
    let is_read = faults.is_empty();
    let is_of_numbers = |error: &OrderError| matches!(error, OrderError::Plan(_) | OrderError::Outlet);
    faults.extend(without_role(t, &order, ground));
    if let Err(errors) = order.check(ground.now, ground.repairers) {
        let true_ones = errors.iter().filter(|error| is_read || !is_of_numbers(error));
        faults.extend(true_ones.map(|error| words::order_fault(t, error)));
    }
    faults.dedup();
    if faults.is_empty() { Ok(Order { number: String::new(), ..order }) } else { Err(faults) }
}

/// People named who do not hold the role.
fn without_role(t: &Texts, order: &Order, ground: &Ground<'_>) -> Vec<Fault> {
    let named = [
        (&order.verifier, ground.verifiers, t.of("ver.verifier")),
        (&order.reviewer, ground.reviewers, t.of("ver.reviewer")),
    ];
    let unfit = named.into_iter().filter(|(name, people, _)| !name.is_empty() && !people.contains(name));
    unfit
        .map(|(name, _, role)| {
            let what = t.of("fault.no_role").replace("{name}", name).replace("{role}", role);
            Fault::new(what, t.of("fault.no_role.next"))
        })
        .collect()
}

fn chosen(entries: &Entries, register: &[Instrument]) -> Vec<Instrument> {
    let find = |name: &str, role| {
        let is_meant = |known: &&Instrument| known.role == role && known.instrument_id == entries.get(name);
        register.iter().find(is_meant).cloned()
    };
    let source = find("source", InstrumentRole::Source).filter(|_| load_of(entries) == Load::Virtual);
    [source, find("standard", InstrumentRole::Standard)].into_iter().flatten().collect()
}

/// The plate as registered. Names in Chinese, in which documents are printed first.
fn plate_of(facts: &PlateFacts) -> Plate {
    let pile = &facts.pile;
    let name = |names: &Option<(String, String)>| names.as_ref().map(|(zh, _)| zh.clone());
    Plate {
        pile_id: pile.pile_id.clone(),
        kind: pile.kind,
        class: pile.class,
        model: pile.model.clone(),
        meter_serial: pile.meter_serial.clone(),
        firmware: facts.firmware.clone(),
        power_kw: pile.power_kw,
        voltage_v: Decimal::ZERO,
        current_max_a: Decimal::ZERO,
        register_step_wh: Decimal::ZERO,
        pulse_constant: None,
        station: name(&facts.station),
        operator: name(&facts.operator),
    }
}

fn read_plate(t: &Texts, reader: &mut Reader<'_>, facts: &PlateFacts) -> Plate {
    Plate {
        voltage_v: reader.decimal("voltage_v", t.of("plan.voltage_v")),
        current_max_a: reader.decimal("current_max_a", t.of("plate.current_max_a")),
        register_step_wh: reader.decimal("register_step_wh", t.of("plate.register_step_wh")),
        pulse_constant: reader.optional("pulse_constant", t.of("plan.pulse_constant")),
        ..plate_of(facts)
    }
}

fn read_plan(t: &Texts, reader: &mut Reader<'_>, entries: &Entries, kind: PileKind) -> Plan {
    let points = (0..veripile_verification::plan::POINTS_MAX).filter(|row| !is_blank(entries, *row));
    let points: Vec<LoadPoint> = points.map(|row| read_point(t, reader, entries, row, kind)).collect();
    let number =
        |reader: &mut Reader<'_>, name: &str| reader.decimal(name, t.of_owned(&format!("plan.{name}")));
    let count = |reader: &mut Reader<'_>, name: &str| reader.whole(name, t.of_owned(&format!("plan.{name}")));
    Plan {
        load: load_of(entries),
        tap: if entries.get("tap") == "terminals" { Tap::Terminals } else { Tap::Connector },
        frequency_hz: number(reader, "frequency_hz"),
        points,
        repeats: count(reader, "repeats"),
        register: if entries.get("register") == "display" {
            RegisterSource::Display
        } else {
            RegisterSource::Ocpp
        },
        set_point_percent: number(reader, "set_point_percent"),
        temperature_c_max: number(reader, "temperature_c_max"),
        effects: Effects {
            phase_deg: number(reader, "phase_deg"),
            ripple_percent: number(reader, "ripple_percent"),
            self_heating_percent: number(reader, "self_heating_percent"),
            cable_mohm: number(reader, "cable_mohm"),
            cable_bound_percent: number(reader, "cable_bound_percent"),
            register_age_s: number(reader, "register_age_s"),
        },
        pace: Pace {
            warm_up_s: count(reader, "warm_up_s"),
            settle_ms: count(reader, "settle_ms"),
            poll_ms: count(reader, "poll_ms"),
            watchdog_s: count(reader, "watchdog_s"),
            retry_wait_s: count(reader, "retry_wait_s"),
            failures_max: count(reader, "failures_max"),
            patience: count(reader, "patience"),
        },
        items: ItemCode::ALL.into_iter().filter(|item| entries.has("item", item.word())).collect(),
        test_mode_vendor: Some(entries.get("test_mode_vendor"))
            .filter(|vendor| !vendor.is_empty())
            .map(str::to_owned),
    }
}

/// A row of the form. A number of pulses makes it a count of pulses; else the register is read.
fn read_point(
    t: &Texts,
    reader: &mut Reader<'_>,
    entries: &Entries,
    row: usize,
    kind: PileKind,
) -> LoadPoint {
    let label =
        |key: &str| format!("{}{}", t.of("fault.point").replace("{point}", &(row + 1).to_string()), key);
    let pulses = entries.row("pulses", &row);
    let method = if pulses.is_empty() {
        Method::Register
    } else {
        let count = reader.whole(&format!("pulses_{row}"), &label(t.of("plan.pulses")));
        Method::Pulse { pulses: u64::from(count) }
    };
    let energy = format!("energy_{row}");
    let energy_wh = match method {
        Method::Pulse { .. } if entries.get(&energy).is_empty() => Decimal::ZERO,
        _ => reader.decimal(&energy, &label(t.of("plan.energy_wh"))),
    };
    LoadPoint {
        voltage_v: reader.decimal(&format!("voltage_{row}"), &label(t.of("plan.voltage_v"))),
        current_a: reader.decimal(&format!("current_{row}"), &label(t.of("plan.current_a"))),
        power_factor: match kind {
            PileKind::Ac => Some(reader.decimal(&format!("factor_{row}"), &label(t.of("plan.power_factor")))),
            PileKind::Dc => reader.optional(&format!("factor_{row}"), &label(t.of("plan.power_factor"))),
        },
        energy_wh,
        method,
    }
}

fn text(value: Decimal) -> String {
    value.normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;
    use crate::ver::fixture;

    fn facts() -> PlateFacts {
        PlateFacts {
            pile: fixture::pile(),
            firmware: Some("1.0".to_owned()),
            station: Some(("站<script>".to_owned(), "Station".to_owned())),
            operator: None,
        }
    }

    fn with_ground<T>(facts: &PlateFacts, ask: impl Fn(&Ground<'_>) -> T) -> T {
        let (verifiers, reviewers) = (["赵工".to_owned()], ["赵工".to_owned(), "钱工".to_owned()]);
        ask(&Ground {
            facts,
            instruments: &fixture::instruments(),
            verifiers: &verifiers,
            reviewers: &reviewers,
            repairers: &["孙工".to_owned()],
            person: "赵工",
            now: fixture::at(),
        })
    }

    #[test]
    fn what_is_proposed_can_be_ordered_as_it_stands() {
        for kind in [PileKind::Ac, PileKind::Dc] {
            let mut facts = facts();
            facts.pile.kind = kind;
            with_ground(&facts, |ground| {
                let mut entries = proposed(ground, "计量所");
                let mut instruments = fixture::instruments();
                if kind == PileKind::Dc {
                    instruments[0] = fixture::instrument("D1", InstrumentRole::Source, "dc-phantom-like");
                    entries.set("source", "D1");
                }
                let ground = Ground { instruments: &instruments, ..*ground };
                let made = order(Texts::in_language(Language::En), &entries, &ground).expect("good");
                assert_eq!((made.number.as_str(), made.verifier.as_str()), ("", "赵工"));
                assert_eq!(made.reviewer, "钱工", "somebody else than the verifier");
                let rules = rules::named(&made.rule_set).expect("known");
                assert_eq!(rules.status, Status::Current);
                assert_eq!(made.plan, Plan::propose(&made.plate, &rules), "nothing is lost between");
                assert_eq!(made.instruments.len(), 2);
            });
        }
    }

    #[test]
    fn an_order_made_again_asks_for_the_same() {
        let mut earlier = fixture::order();
        earlier.connector = 2;
        earlier.reason = Reason::Case;
        earlier.cause = Some("案-17".to_owned());
        earlier.plate.pulse_constant = Some(Decimal::from(3200));
        earlier.plate.current_max_a = Decimal::from(40);
        let plan = &mut earlier.plan;
        plan.points.truncate(2);
        plan.points.push(LoadPoint { current_a: Decimal::TEN, ..plan.points[0].clone() });
        plan.points[1].method = Method::Pulse { pulses: 765 };
        plan.register = RegisterSource::Display;
        plan.tap = Tap::Terminals;
        plan.effects.phase_deg = Decimal::new(31, 3);
        plan.pace.watchdog_s = 23;
        plan.test_mode_vendor = Some("vendor".to_owned());
        plan.items.retain(|item| *item != ItemCode::Seal);
        let mut facts = facts();
        facts.station = Some(("测试站".to_owned(), "Station".to_owned()));
        facts.operator = Some(("经营者".to_owned(), "Operator".to_owned()));
        with_ground(&facts, |ground| {
            let mut entries = proposed(ground, "another body");
            repeat(&mut entries, &earlier);
            let made = order(Texts::in_language(Language::En), &entries, ground).expect("good");
            assert_eq!(Order { number: earlier.number.clone(), ..made }, earlier);
        });
    }

    #[test]
    fn rows_are_added_changed_and_removed_by_filling_and_clearing_them() {
        with_ground(&facts(), |ground| {
            let t = Texts::in_language(Language::Zh);
            let mut entries = proposed(ground, "计量所");
            let before = order(t, &entries, ground).expect("good").plan.points.len();
            for name in ["voltage_0", "current_0", "factor_0", "energy_0"] {
                entries.set(name, "");
            }
            let free = rows(&entries) - 1;
            for (name, text) in [("voltage", "220"), ("current", "16"), ("factor", "1"), ("energy", "1000")] {
                entries.set(format!("{name}_{free}"), text);
            }
            let points = order(t, &entries, ground).expect("good").plan.points;
            assert_eq!(points.len(), before);
            assert_eq!(points.last().map(|point| point.current_a), Some(Decimal::from(16)));
        });
    }

    #[test]
    fn each_thing_that_cannot_be_is_refused_and_said() {
        let check = |name: &str, text: &str, said: &str| {
            with_ground(&facts(), |ground| {
                let mut entries = proposed(ground, "计量所");
                entries.set(name, text);
                let kept = entries.clone();
                let faults = order(Texts::in_language(Language::En), &entries, ground).expect_err(name);
                assert!(faults.iter().any(|fault| fault.what.contains(said)), "{name}: {faults:?}");
                assert_eq!(entries, kept, "entries stay as typed");
            });
        };
        check("voltage_v", "high", "high");
        check("voltage_0", "", "Load point 1");
        check("current_0", "9999", "9999");
        check("repeats", "1", "1");
        check("connector", "0", "Outlet");
        check("reason", "curiosity", "curiosity");
        check("rule_set", "JJG 0", "JJG 0");
        check("rule_set", "JJG 1149-2022", "does not apply");
        check("body", "", "No verifying body");
        check("verifier", "钱工", "钱工");
        check("reviewer", "李工", "李工");
        check("source", "", "source");
        check("standard", "S1", "standard");
        check("pulses_0", "100", "Pulse constant");
        check("item", "", "item");
        check("watchdog_s", "0", "0");
        // Proposed for a virtual load: too little beside the doubt about a running register's moment.
        check("load", "real", "Energy (Wh)");
        check("reason", "case", "Number of the case or repair");
    }

    #[test]
    fn a_real_load_is_ordered_as_it_is_proposed_and_names_no_source() {
        with_ground(&facts(), |ground| {
            let mut entries = proposed(ground, "计量所");
            entries.set("load", "real");
            propose_plan(&mut entries, ground.facts);
            assert_eq!(entries.get("load"), "real");
            let made = order(Texts::in_language(Language::Zh), &entries, ground).expect("good");
            assert_eq!(made.plan.load, Load::Real);
            let roles: Vec<_> = made.instruments.iter().map(|instrument| instrument.role).collect();
            assert_eq!(roles, [InstrumentRole::Standard]);
            assert!(made.plan.points.iter().all(|point| point.power_factor == Some(Decimal::ONE)));
        });
    }

    #[test]
    fn of_a_number_that_cannot_be_read_only_that_is_said() {
        with_ground(&facts(), |ground| {
            let mut entries = proposed(ground, "");
            entries.set("current_max_a", "many");
            let faults = order(Texts::in_language(Language::En), &entries, ground).expect_err("two faults");
            let said: Vec<_> = faults.iter().map(|fault| fault.what.as_str()).collect();
            assert!(said.len() == 2 && said[0].contains("many") && said[1].contains("body"), "{said:?}");
        });
    }

    // The edition of 2018 is ordered by its newest version, and asks for insulation and indication error.
    #[test]
    fn every_rule_set_that_is_offered_can_be_ordered_by() {
        with_ground(&facts(), |ground| {
            for rules in rule_sets(PileKind::Ac) {
                let mut entries = proposed(ground, "计量所");
                entries.set("rule_set", rules.reference());
                propose_plan(&mut entries, ground.facts);
                let made = order(Texts::in_language(Language::En), &entries, ground);
                let made = made.unwrap_or_else(|faults| panic!("{}: {faults:?}", rules.name));
                let is_2018 = rules.name == "JJG 1148-2018";
                for item in [ItemCode::Insulation, ItemCode::IndicationError] {
                    assert_eq!(made.plan.items.contains(&item), is_2018, "{} {item:?}", rules.name);
                }
            }
        });
    }

    #[test]
    fn an_expired_instrument_is_not_proposed_and_refused_if_chosen() {
        let mut instruments = fixture::instruments();
        instruments[1].calibration.valid_until = fixture::at() - jiff::SignedDuration::from_secs(1);
        with_ground(&facts(), |ground| {
            let ground = Ground { instruments: &instruments, ..*ground };
            let mut entries = proposed(&ground, "计量所");
            assert_eq!(entries.get("standard"), "");
            entries.set("standard", "R1");
            let faults = order(Texts::in_language(Language::En), &entries, &ground).expect_err("expired");
            assert!(faults.iter().any(|fault| fault.what.contains("R1")), "{faults:?}");
        });
    }
}
