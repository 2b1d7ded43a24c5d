//! Exact findings, each by hand and each with the honest case beside it.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use veripile_metrology::payment::Tariffed;
use veripile_pile::{PileId, PileKind};

use super::super::*;
use super::fleet::Random;
use crate::assess::FoundStep;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("literal")
}

fn at(hours: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("literal");
    start + SignedDuration::from_hours(hours)
}

fn pile(name: &str, kind: PileKind) -> SignalPile {
    SignalPile {
        pile_id: PileId::parse(name).expect("an identifier"),
        kind: Some(kind),
        limit: 0.01,
        model: None,
        station: Some(0),
        operator: None,
        firmware_changes: Vec::new(),
        level: None,
    }
}

/// An hour of charging from `from`, with registers.
fn charge(from: i64, energy: &str, start: &str, end: &str) -> SignalCharge<'static> {
    SignalCharge {
        register_start_kwh: Some(decimal(start)),
        register_end_kwh: Some(decimal(end)),
        ..SignalCharge::new(0, at(from), at(from + 1), decimal(energy))
    }
}

fn found(charges: &[SignalCharge<'_>]) -> Vec<Finding> {
    let piles = [pile("A", PileKind::Dc), pile("B", PileKind::Dc)];
    let evidence = SignalEvidence { piles: &piles, charges, ..SignalEvidence::default() };
    find(&evidence, &Settings::default()).expect("sound")
}

/// Code, severity and statistic of all findings.
fn told(charges: &[SignalCharge<'_>]) -> Vec<(Code, Severity, f64)> {
    found(charges).into_iter().map(|finding| (finding.code, finding.severity, finding.statistic)).collect()
}

// By hand: two hours of 50 W are 0.1 kWh, and 2 Wh for rounding.
#[test]
fn a_register_that_goes_on_by_itself_is_a_gap() {
    let first = charge(0, "20", "1000.000", "1020.000");
    let after = |start: &str, end: &str| [first.clone(), charge(3, "10.000", start, end)];
    assert!(told(&after("1020.000", "1030.000")).is_empty());
    assert!(told(&after("1020.102", "1030.102")).is_empty(), "standby");
    assert_eq!(told(&after("1025.000", "1035.000")), [(Code::RegisterGap, Severity::Info, 5.0)]);
    assert_eq!(told(&after("1220.000", "1230.000")), [(Code::RegisterGap, Severity::Warning, 200.0)]);
}

#[test]
fn a_register_that_goes_back_bills_twice_and_one_set_to_zero_does_not() {
    let first = charge(0, "20.000", "1000.000", "1020.000");
    let after = |start: &str, end: &str| [first.clone(), charge(3, "10.000", start, end)];
    assert_eq!(told(&after("970.000", "980.000")), [(Code::RegisterRollback, Severity::Critical, 50.0)]);
    assert_eq!(told(&after("0.000", "10.000")), [(Code::RegisterRollback, Severity::Info, 1020.0)]);
    assert!(told(&after("1019.999", "1029.999")).is_empty(), "rounding");
    let finding = &found(&after("970.000", "980.000"))[0];
    assert_eq!((finding.p_value, finding.evidence.as_slice()), (None, &[0, 1][..]));
    assert_eq!((finding.from, finding.to), (Some(at(0)), Some(at(4))));
    assert_eq!(
        (finding.said[0].key(), finding.said[0].values()),
        ("register_fell", vec![("count", "1"), ("kwh", "50.000"), ("from", "1020.000"), ("to", "970.000")])
    );
}

/// A stop that stands below its start, and the next charge goes on from where that one began: the value was misread, the register did not
/// fall. Where the next charge goes on from the lower value, it did.
#[test]
fn a_fall_within_a_charge_is_one_if_the_next_charge_says_so() {
    let misread = charge(0, "-5.000", "1000.000", "995.000");
    let next = |start: &str, end: &str| [misread.clone(), charge(3, "10.000", start, end)];
    assert!(told(&next("1000.000", "1010.000")).is_empty() && told(&next("1020.000", "1030.000")).is_empty());
    assert_eq!(told(&next("995.000", "1005.000")), [(Code::RegisterRollback, Severity::Critical, 5.0)]);
    assert!(told(&[misread]).is_empty(), "nobody knows yet");
}

/// By hand: 1020 to 1045 are 25 kWh, of which 20 are told.
#[test]
fn what_another_charge_tells_is_no_gap() {
    let ends = [charge(0, "20.000", "1000.000", "1020.000"), charge(5, "10.000", "1045.000", "1055.000")];
    let without = SignalCharge::new(0, at(2), at(3), decimal("20.000"));
    let all = |between: SignalCharge<'static>| [ends[0].clone(), between, ends[1].clone()];
    assert_eq!(told(&all(without.clone())), [(Code::RegisterGap, Severity::Info, 5.0)]);
    let whole = SignalCharge { energy_pile_kwh: decimal("25.000"), ..without.clone() };
    assert!(told(&all(whole)).is_empty(), "a charge without a register has its energy");
    let elsewhere = SignalCharge { outlet: 2, ..without };
    assert_eq!(told(&all(elsewhere)), [(Code::RegisterGap, Severity::Info, 25.0)]);
    let piles = [pile("A", PileKind::Dc)];
    let beside = |outlet: u32, start: &str, end: &str| {
        let told = [ToldRegister { pile: 0, outlet, start_kwh: decimal(start), end_kwh: decimal(end) }];
        let evidence =
            SignalEvidence { piles: &piles, charges: &ends, told: &told, ..SignalEvidence::default() };
        let found = find(&evidence, &Settings::default()).expect("sound");
        found.into_iter().map(|finding| finding.statistic).collect::<Vec<_>>()
    };
    assert!(beside(1, "1020.000", "1045.000").is_empty(), "it ended before it began, or never");
    assert_eq!(beside(1, "1020.000", "1030.000"), [15.0]);
    assert_eq!(beside(2, "1020.000", "1045.000"), [25.0], "another outlet's");
    assert_eq!(beside(1, "1000.000", "1045.000"), [25.0], "it does not lie between");
}

#[test]
fn two_outlets_have_two_registers() {
    let other = SignalCharge { outlet: 2, ..charge(3, "10.000", "500.000", "510.000") };
    assert!(told(&[charge(0, "20.000", "1000.000", "1020.000"), other]).is_empty());
}

// By hand: a step of the energy and one of the register, 2 Wh at least.
#[test]
fn what_is_billed_is_the_registers_difference() {
    let billed = |energy: &str| told(&[charge(0, energy, "1000.000", "1020.000")]);
    assert!(billed("20.002").is_empty() && billed("20.0").is_empty() && billed("20").is_empty());
    assert!(billed("20.1").is_empty(), "a step of 0.1 kWh");
    assert_eq!(billed("20.500"), [(Code::RegisterMismatch, Severity::Critical, 0.5)]);
    assert_eq!(billed("19.000"), [(Code::RegisterMismatch, Severity::Warning, -1.0)]);
}

/// Of 20,000 Wh nothing is left but "20"; what else the pile tells says in which steps it does.
#[test]
fn a_round_charge_of_a_pile_that_tells_watt_hours_is_no_step_of_a_kilowatt_hour() {
    let round = charge(0, "20", "1000", "1019.2");
    let fine = |energy: &str, end: &str| charge(30, energy, "1019.2", end);
    assert!(told(&[round.clone(), fine("10", "1029.2")]).is_empty(), "all it tells is kWh");
    assert_eq!(
        told(&[round.clone(), fine("10.123", "1029.323")]),
        [(Code::RegisterMismatch, Severity::Critical, 0.8)]
    );
    let parts = [part("19.2", "1")];
    let bill = Some(Bill { parts: &parts, amount: decimal("19.20") });
    let billed = SignalCharge { bill, register_start_kwh: None, register_end_kwh: None, ..round };
    assert!(told(&[billed.clone(), fine("10", "1029.2")]).is_empty());
    assert_eq!(told(&[billed, fine("10.123", "1029.323")]), [(Code::Amount, Severity::Warning, -0.8)]);
}

fn part(energy: &str, price: &str) -> Tariffed {
    Tariffed { energy_kwh: decimal(energy), price_per_kwh: decimal(price), service_per_kwh: Decimal::ZERO }
}

// By hand: 12 × 0.5 + 8 × 1.2 = 15.60.
#[test]
fn a_bill_is_energy_times_tariff() {
    let bill = |parts: &[Tariffed], amount: &str| {
        let bill = Bill { parts, amount: decimal(amount) };
        told(&[SignalCharge { bill: Some(bill), ..SignalCharge::new(0, at(0), at(1), decimal("20.000")) }])
    };
    let parts = [part("12", "0.5"), part("8", "1.2")];
    assert!(bill(&parts, "15.60").is_empty() && bill(&parts, "15.61").is_empty());
    assert_eq!(bill(&parts, "16.60"), [(Code::Amount, Severity::Critical, 1.0)]);
    assert_eq!(bill(&parts, "15.00"), [(Code::Amount, Severity::Warning, -0.6)]);
    let more = [part("12", "0.5"), part("10", "1.2")];
    assert_eq!(bill(&more, "18.00"), [(Code::Amount, Severity::Critical, 2.0)], "parts of 22 kWh for 20");
}

// By hand: the clock is 10 min ahead; 0.5 until 8 o'clock, 1.1 after; five charges of 12 kWh from 7:30 to 8:30 by the
// pile. Half of each is billed at 1.1; truly only 20 of 60 min lie after eight: 12 × (1/2 − 1/3) × 0.6 = 1.2 too
// much, 6 in all.
#[test]
fn a_clock_beyond_its_limit_has_a_price() {
    let prices: Vec<PricePeriod> = (0..5i64)
        .flat_map(|day| {
            let price = |from: i64, to: i64, price: &str| PricePeriod {
                from: at(24 * day + from),
                to: at(24 * day + to),
                price_per_kwh: decimal(price),
            };
            [price(0, 8, "0.5"), price(8, 24, "1.1")]
        })
        .collect();
    let charges = |offset: f64| -> Vec<SignalCharge<'_>> {
        let half = SignedDuration::from_mins(30);
        (0..5)
            .map(|day| SignalCharge {
                clock_offset_s: Some(offset),
                prices: &prices,
                ..SignalCharge::new(0, at(24 * day + 7) + half, at(24 * day + 8) + half, decimal("12"))
            })
            .collect()
    };
    assert!(told(&charges(180.0)).is_empty() && told(&charges(-180.0)).is_empty());
    let ahead = found(&charges(600.0));
    assert_eq!((ahead[0].code, ahead[0].severity, ahead.len()), (Code::Clock, Severity::Critical, 1));
    let drift = Phrase::ClockDrift { slope: "+0.0".into() };
    let cost = |amount: &str| Phrase::ClockCost { amount: amount.into() };
    let of = Phrase::ClockCostOf { count: "5".into(), of: "5".into() };
    assert_eq!(ahead[0].said[1..], [drift.clone(), cost("+6.00"), of.clone()]);
    let behind = found(&charges(-600.0));
    assert_eq!(behind[0].severity, Severity::Warning);
    assert_eq!(behind[0].said[1..], [drift, cost("-6.00"), of]);
    assert!(told(&charges(600.0)[..4]).is_empty(), "one row is five charges");
}

// By hand: five hours of 12 kWh one after the other by a clock 10 min ahead; 1.5 until the first begins, 3 after. Of the first truly 2 kWh
// were charged before: 2 × 1.5 = 3 too much. Of the others nothing. Where no price is known of those ten minutes, none is told of any.
#[test]
fn a_charge_whose_prices_are_known_in_part_has_no_price() {
    let price = |from: i64, to: i64, price: &str| PricePeriod {
        from: at(from),
        to: at(to),
        price_per_kwh: decimal(price),
    };
    let said = |prices: &[PricePeriod]| {
        let charge = |n: i64| SignalCharge {
            clock_offset_s: Some(600.0),
            prices,
            ..SignalCharge::new(0, at(n), at(n + 1), decimal("12"))
        };
        let found = found(&(0..5).map(charge).collect::<Vec<_>>()).remove(0);
        (found.severity, found.said[1..].to_vec())
    };
    let both = [price(-1, 0, "1.5"), price(0, 9, "3")];
    let cost = |count: &str| {
        let of = Phrase::ClockCostOf { count: count.into(), of: "5".into() };
        vec![Phrase::ClockCost { amount: "+3.00".into() }, of]
    };
    assert_eq!(said(&both), (Severity::Critical, cost("5")));
    // Of the two hours after the third nothing is known: what was paid in three of five charges is not what was paid.
    assert_eq!(said(&[price(-1, 0, "1.5"), price(0, 3, "3")]), (Severity::Critical, cost("3")));
    assert_eq!(said(&both[1..]), (Severity::Warning, vec![]));
    assert_eq!(said(&[price(-1, 9, "1.5")]), (Severity::Warning, vec![]), "one price all day");
}

#[test]
fn one_late_message_accuses_no_clock() {
    let charges: Vec<SignalCharge<'_>> = (0..10)
        .map(|n| SignalCharge {
            clock_offset_s: Some(if n == 3 { -4000.0 } else { 1.0 }),
            ..SignalCharge::new(0, at(n), at(n + 1), Decimal::TEN)
        })
        .collect();
    assert!(told(&charges).is_empty());
}

/// A station of one or two DC piles by the hour: gives `x`, takes `idle + x / η`.
fn station(efficiency: f64, idle: f64, piles: usize) -> Vec<Finding> {
    let energy = |value: f64| veripile_metrology::crossing::from_f64(value).expect("small");
    let facts: Vec<SignalPile> = (0..piles).map(|n| pile(&format!("P{n}"), PileKind::Dc)).collect();
    let (mut masters, mut registers) = (Vec::new(), Vec::new());
    for hour in 0..48 {
        let given = 10.0 + ((hour * 7) % 11) as f64;
        let (from, to) = (at(hour), at(hour + 1));
        let ripple = 0.05 * (((hour * 5) % 7) as f64 - 3.0);
        masters.push(MasterInterval {
            station: 0,
            from,
            to,
            energy_kwh: energy(idle + given / efficiency + ripple),
        });
        for pile in 0..piles {
            registers.push(RegisterInterval { pile, from, to, energy_kwh: energy(given / piles as f64) });
        }
    }
    let evidence = SignalEvidence {
        piles: &facts,
        masters: &masters,
        registers: &registers,
        ..SignalEvidence::default()
    };
    find(&evidence, &Settings::default()).expect("sound")
}

#[test]
fn no_converter_gives_more_than_it_takes_and_lights_are_no_losses() {
    assert!(station(0.94, 0.2, 1).is_empty());
    assert!(station(0.94, 5.0, 1).is_empty(), "a share of 0.70 by what the station takes idle");
    let impossible = &station(1.0, 0.1, 1)[0];
    assert_eq!((impossible.subject, impossible.severity), (Subject::Pile(0), Severity::Critical));
    let poor = &station(0.80, 0.2, 2)[0];
    assert_eq!(
        (poor.subject, poor.severity, poor.code),
        (Subject::Station(0), Severity::Info, Code::Efficiency)
    );
    assert!((poor.statistic - 0.80).abs() < 0.01, "{poor:?}");
}

#[test]
fn a_record_proves_one_charge_and_a_key_signs_at_one_pile() {
    let record = |pile: usize, hour: i64, key: u8, digest: u8| SignalCharge {
        signature_key: Some([key; 32]),
        record_digest: Some([digest; 32]),
        ..SignalCharge::new(pile, at(hour), at(hour + 1), Decimal::TEN)
    };
    assert!(told(&[record(0, 0, 1, 1), record(0, 2, 1, 2), record(1, 0, 2, 3)]).is_empty());
    let replayed = found(&[record(0, 0, 1, 1), record(0, 2, 1, 1), record(0, 4, 1, 2)]);
    assert_eq!((replayed.len(), replayed[0].evidence.as_slice()), (1, &[0, 1][..]));
    let both = told(&[record(0, 0, 1, 1), record(0, 5, 1, 2), record(1, 2, 1, 3)]);
    assert_eq!(both, [(Code::ReplayedRecord, Severity::Critical, 2.0); 2]);
    let moved = told(&[record(0, 0, 1, 1), record(0, 5, 1, 2), record(1, 20, 1, 3)]);
    assert_eq!(moved, [(Code::ReplayedRecord, Severity::Info, 2.0); 2]);
    let and_back = told(&[record(0, 0, 1, 1), record(1, 30, 1, 2), record(0, 60, 1, 3)]);
    assert_eq!(and_back, moved, "within days a meter can go and come back");
    // Back within a day but an hour: from the first hour's end to the 24th.
    let back = |hour: i64| told(&[record(0, 0, 1, 1), record(1, 9, 1, 2), record(0, hour, 1, 3)])[0].1;
    assert_eq!([back(24), back(25)], [Severity::Critical, Severity::Info]);
}

/// Of five piles that share a key two sign at once, and two others; the fifth had its meter before all of them.
#[test]
fn a_key_signs_at_once_only_where_charges_lie_in_one_another() {
    let piles = ["A", "B", "C", "D", "E"].map(|name| pile(name, PileKind::Dc));
    let signs = |pile: usize, hour: i64, digest: u8| SignalCharge {
        signature_key: Some([1; 32]),
        record_digest: Some([digest; 32]),
        ..SignalCharge::new(pile, at(hour), at(hour + 1), Decimal::TEN)
    };
    let charges = [signs(4, 0, 1), signs(0, 100, 2), signs(1, 100, 3), signs(2, 200, 4), signs(3, 200, 5)];
    let evidence = SignalEvidence { piles: &piles, charges: &charges, ..SignalEvidence::default() };
    let found = find(&evidence, &Settings::default()).expect("sound");
    let told: Vec<_> = found
        .iter()
        .map(|finding| (finding.severity, finding.said[0].key(), finding.said[0].values()[0].1))
        .collect();
    let at_once = |piles| (Severity::Critical, "key_at_once", piles);
    assert_eq!(
        told,
        [at_once("B"), at_once("A"), at_once("D"), at_once("C"), (Severity::Info, "key_moved", "A, B, C")]
    );
}

/// A make whose piles all share one key: each names three others.
#[test]
fn a_key_that_hundreds_of_piles_share_is_soon_told() {
    let piles: Vec<SignalPile> = (0..300).map(|n| pile(&format!("P{n}"), PileKind::Dc)).collect();
    let mut charges = Vec::new();
    for hour in 0..200_i64 {
        charges.extend((0..300).map(|pile| SignalCharge {
            signature_key: Some([1; 32]),
            ..SignalCharge::new(pile, at(30 * hour), at(30 * hour + 1), Decimal::TEN)
        }));
    }
    let evidence = SignalEvidence { piles: &piles, charges: &charges, ..SignalEvidence::default() };
    let found = find(&evidence, &Settings::default()).expect("sound");
    let at_once = found.iter().filter(|finding| finding.said[0].key() == "key_at_once");
    assert_eq!(at_once.filter(|finding| finding.said[0].values()[0].1.split(", ").count() == 3).count(), 300);
}

// By hand: of three piles with residuals one stepped, by chance once in 10⁵ looks at one pile: three looks.
#[test]
fn the_probability_of_a_known_step_is_of_all_piles_that_were_looked_at() {
    let piles = ["A", "B", "C", "D"].map(|name| pile(name, PileKind::Dc));
    let charge = |pile: usize, hours: i64| SignalCharge {
        residual: Some(Residual { z: 0.0, sigma: 0.02 }),
        ..SignalCharge::new(pile, at(hours), at(hours + 1), decimal("20"))
    };
    let charges: Vec<SignalCharge<'_>> =
        (0..3).flat_map(|pile| [charge(pile, 0), charge(pile, 48)]).collect();
    let step = FoundStep { pile: 1, at: at(48), t: 6.0, p_value: 1e-5, size: Some((0.02, 0.002)) };
    let evidence =
        SignalEvidence { piles: &piles, charges: &charges, steps: &[step], ..SignalEvidence::default() };
    let found = find(&evidence, &Settings::default()).expect("sound");
    let [told] = &found[..] else { panic!("{found:?}") };
    assert_eq!((told.subject, told.code), (Subject::Pile(1), Code::Step));
    assert!((told.p_value.expect("a probability") - 3e-5).abs() < 1e-12, "{told:?}");
}

/// 20 o'clock in Greenwich on the third day of the year is four in the morning of the fourth in China.
#[test]
fn the_day_of_a_step_is_that_of_the_place() {
    let piles = [pile("A", PileKind::Dc)];
    let steps = [FoundStep { pile: 0, at: at(68), t: 6.0, p_value: 1e-5, size: Some((0.02, 0.002)) }];
    let day = |time_zone: Option<&TimeZone>| {
        let evidence =
            SignalEvidence { piles: &piles, steps: &steps, time_zone, ..SignalEvidence::default() };
        let found = find(&evidence, &Settings::default()).expect("sound");
        found[0].said[0].values()[0].1.to_owned()
    };
    assert_eq!(day(None), "2026-01-03");
    assert_eq!(day(Some(&TimeZone::fixed(Offset::constant(8)))), "2026-01-04");
}

/// A station of four DC piles by the hour over four weeks, each with its own energies and efficiency; the last one's register is told `late` hours late.
fn piles_of_a_station(efficiencies: [f64; 4], late: f64) -> Vec<(Subject, Severity)> {
    let mut random = Random(ChaCha8Rng::seed_from_u64(21));
    let energy = |value: f64| veripile_metrology::crossing::from_f64(value).expect("small");
    let facts: Vec<SignalPile> = (0..4).map(|n| pile(&format!("P{n}"), PileKind::Dc)).collect();
    let (mut masters, mut registers, mut before) = (Vec::new(), Vec::new(), 0.0);
    for hour in 0..672 {
        let mut given = [0; 4].map(|_| if random.uniform() < 0.5 { 0.0 } else { 40.0 * random.uniform() });
        let (from, to) = (at(hour), at(hour + 1));
        let taken: f64 = given.iter().zip(efficiencies).map(|(given, efficiency)| given / efficiency).sum();
        let noise = 0.003 * taken * random.normal() + 0.02 * random.normal();
        masters.push(MasterInterval { station: 0, from, to, energy_kwh: energy(4.0 + taken + noise) });
        let now = given[3];
        given[3] = (1.0 - late) * now + late * before;
        before = now;
        for (pile, given) in given.into_iter().enumerate() {
            registers.push(RegisterInterval { pile, from, to, energy_kwh: energy(given) });
        }
    }
    let evidence = SignalEvidence {
        piles: &facts,
        masters: &masters,
        registers: &registers,
        ..SignalEvidence::default()
    };
    let mut found = find(&evidence, &Settings::default()).expect("sound");
    found.retain(|finding| finding.code == Code::Efficiency);
    found.into_iter().map(|finding| (finding.subject, finding.severity)).collect()
}

/// What the station takes at all times hides it from the station's sums, and so do its neighbours.
#[test]
fn one_pile_of_a_station_that_gives_what_no_converter_gives_is_named() {
    assert_eq!(piles_of_a_station([0.95, 0.94, 0.96, 0.93], 0.0), []);
    let two = piles_of_a_station([0.95, 0.80, 1.03, 0.94], 0.0);
    assert_eq!(two, [(Subject::Pile(1), Severity::Info), (Subject::Pile(2), Severity::Critical)]);
    let all = piles_of_a_station([1.02; 4], 0.0);
    assert_eq!(all.len(), 5, "each, and the station by further energy: {all:?}");
    assert!(all.iter().all(|(_, severity)| *severity == Severity::Critical), "{all:?}");
}

/// By hand, of independent hours a fifth late: what is given by what is taken is 0.8 times as much, what is taken by what is given 0.8/0.68, so that
/// 0.95 seems to be 0.81 at most.
#[test]
fn a_register_that_is_read_late_makes_no_poor_converter() {
    for late in [0.05, 0.1, 0.2, 0.3] {
        assert_eq!(piles_of_a_station([0.95; 4], late), [], "{late}");
    }
}

/// 0 and 5 by the toss of a coin: where 0 is the more frequent one by chance the other is no less a last digit.
#[test]
fn who_ends_in_nought_or_five_has_favourite_digits_whichever_comes_more_often() {
    let piles = [pile("A", PileKind::Dc)];
    for noughts in [190, 210, 234] {
        let charges: Vec<SignalCharge<'_>> = (0..400_i64)
            .map(|n| {
                let hundredths = 1_000 + 7 * n % 3_000;
                let last = if n * 37 % 400 < noughts { 0 } else { 5 };
                let energy = Decimal::new(10 * hundredths + last, 3);
                SignalCharge::new(0, at(2 * n), at(2 * n + 1), energy)
            })
            .collect();
        let evidence = SignalEvidence { piles: &piles, charges: &charges, ..SignalEvidence::default() };
        let found = find(&evidence, &Settings::default()).expect("sound");
        let codes: Vec<Code> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::DigitPreference], "{noughts}");
    }
}
