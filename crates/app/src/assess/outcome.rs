//! What follows from an assessment besides errors: signals, operators' balances, next dates, whom to visit. One pure pass over facts.
//!
//! Called by the assess role; `veripile check assessment` asks for the next dates again. What is decided is decided in `assessment`; here its
//! arguments are put together.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use rust_decimal::Decimal;
use veripile_assessment::Assessment;
use veripile_assessment::interval::{IntervalFacts, NextDate, next_date};
use veripile_assessment::signals::{
    self, FirmwareChange, SignalCharge, SignalEvidence, SignalPile, Subject, ToldRegister,
};
use veripile_assessment::targeting::{Chosen, choose};
use veripile_metrology::rules;
use veripile_pile::{Act, Estimate, OperatorId, PileId, Standing, StationId, VehiclePath};
use veripile_store::evidence::{EvidenceCharge, EvidencePile, FirmwareRow, ToldRegisterRow};
use veripile_store::next_date::DateRow;
use veripile_store::signal::{BalanceRow, SignalRow, SignalSubject};

use super::facts::{Facts, Prepared, Traveller, kwh, mean_power_kw, soc_span_percent};
use super::prices::{Prices, means};
use super::visits::{self, Verified};
use crate::assess_files::findings::{self, CHARGES_MAX};
use crate::balances::{self, Sold};
use crate::said;

/// Hours of the day, and days, are those of the place, as on every page.
const SHANGHAI: Offset = Offset::constant(8);

/// Share of piles proposed for a visit with each run: every pile is visited every few years, as the law has it, in some twenty rounds.
const VISITED_SHARE: f64 = 0.05;

/// What is known besides facts that are kept: what is told of piles as they are now.
#[derive(Default)]
pub(super) struct Now {
    pub(super) firmware: Vec<FirmwareRow>,
    /// When each pile was last heard, by number.
    pub(super) last_heard: BTreeMap<i64, Timestamp>,
    /// Registers of charges that are no evidence.
    pub(super) told: Vec<ToldRegisterRow>,
    /// The highest price of a kWh in the course of a day, CNY, where a station tells one; it counts where there are no prices by the hour.
    pub(super) prices: BTreeMap<StationId, Decimal>,
    /// Drivers' reports of wrong energy, wrong bills and broken seals, by pile number.
    pub(super) complaints: BTreeMap<i64, i64>,
    /// What this week's visits are drawn by.
    pub(super) lot: u64,
}

/// What follows.
pub(super) struct Outcome {
    pub(super) signals: Vec<SignalRow>,
    /// Whether there were too many charges to look for signals.
    pub(super) signals_skipped: bool,
    /// Signals that nothing tells enough for, by code.
    pub(super) signals_not_asked: Vec<String>,
    pub(super) balances: Vec<BalanceRow>,
    pub(super) dates: Vec<DateRow>,
}

/// Draws the conclusions.
pub(super) fn outcome(
    facts: &Facts,
    prepared: &Prepared,
    assessment: &Assessment,
    now: &Now,
) -> Result<Outcome> {
    let names = Names::of(facts);
    let signals_skipped = CHARGES_MAX < facts.charges.len();
    let (signals, signals_not_asked) = if signals_skipped {
        (Vec::new(), Vec::new())
    } else {
        find(facts, prepared, assessment, now, &names)?
    };
    let prices = prices(facts, now);
    let dates = dates((facts, prepared), assessment, (now, &prices), &signals);
    let balances = weigh(facts, prepared, assessment, &names, &prices);
    Ok(Outcome { signals, signals_skipped, signals_not_asked, balances, dates })
}

/// Stations and operators, numbered by name.
struct Names<'a> {
    stations: BTreeMap<&'a StationId, usize>,
    operators: BTreeMap<&'a OperatorId, usize>,
}

impl<'a> Names<'a> {
    fn of(facts: &'a Facts) -> Self {
        let stations: BTreeSet<_> = facts.piles.iter().filter_map(|pile| pile.station_id.as_ref()).collect();
        let operators: BTreeSet<_> =
            facts.piles.iter().filter_map(|pile| pile.operator_id.as_ref()).collect();
        Self {
            stations: stations.into_iter().zip(0..).collect(),
            operators: operators.into_iter().zip(0..).collect(),
        }
    }
}

/// Findings, and codes of signals that could not be asked for.
fn find(
    facts: &Facts,
    prepared: &Prepared,
    assessment: &Assessment,
    now: &Now,
    names: &Names<'_>,
) -> Result<(Vec<SignalRow>, Vec<String>)> {
    let piles = piles(facts, assessment, now, names);
    let prices = Prices::of(facts);
    let charges = charges(facts, prepared, assessment, &prices);
    let biases: Vec<Option<f64>> =
        assessment.vehicles.iter().map(|found| found.as_ref().map(|found| found.bias)).collect();
    let station_at: BTreeMap<&str, usize> =
        names.stations.iter().map(|(id, at)| (id.as_str(), *at)).collect();
    let pile_at: BTreeMap<&str, usize> =
        facts.piles.iter().enumerate().map(|(at, pile)| (pile.pile_id.as_str(), at)).collect();
    let (masters, registers) = facts.intervals();
    let masters = findings::masters(&masters, &station_at, facts.as_of);
    let registers = findings::registers(&registers, &pile_at, facts.as_of);
    let time_zone = TimeZone::fixed(SHANGHAI);
    let evidence = SignalEvidence {
        piles: &piles,
        charges: &charges,
        vehicle_biases: &biases,
        vehicle_models: &prepared.evidence.vehicle_models,
        interaction_sd: assessment.facts.learnt.interaction_sd,
        masters: &masters,
        registers: &registers,
        steps: &assessment.steps,
        told: &told(prepared, now),
        time_zone: Some(&time_zone),
    };
    let stations: Vec<&StationId> = names.stations.keys().copied().collect();
    let operators: Vec<&OperatorId> = names.operators.keys().copied().collect();
    let row = |finding: signals::Finding| SignalRow {
        subject: match finding.subject {
            Subject::Pile(at) => {
                SignalSubject::Pile(facts.piles[at].pile_no, facts.piles[at].pile_id.clone())
            }
            Subject::Station(at) => SignalSubject::Station(stations[at].clone()),
            Subject::Operator(at) => SignalSubject::Operator(operators[at].clone()),
        },
        code: finding.code.word(),
        severity: finding.severity.word(),
        statistic: finding.statistic,
        p_value: finding.p_value,
        from: finding.from,
        to: finding.to,
        said: said::sayings(&finding.said),
        charges: finding.evidence.iter().map(|at| facts.charges[*at].charge_no).collect(),
    };
    let found = signals::find(&evidence, &signals::Settings::default())?.into_iter().map(row).collect();
    let not_asked = signals::unasked(&evidence).into_iter().map(|code| code.word().to_owned());
    Ok((found, not_asked.collect()))
}

fn piles(facts: &Facts, assessment: &Assessment, now: &Now, names: &Names<'_>) -> Vec<SignalPile> {
    let mut firmware: BTreeMap<i64, Vec<FirmwareChange>> = BTreeMap::new();
    for change in now.firmware.iter().filter(|change| change.at <= facts.as_of) {
        let told = FirmwareChange { at: change.at, version: change.version.clone() };
        firmware.entry(change.pile_no).or_default().push(told);
    }
    let both = facts.piles.iter().zip(&assessment.estimates);
    both.map(|(pile, (pile_id, estimate))| SignalPile {
        pile_id: pile_id.clone(),
        kind: Some(pile.kind),
        limit: estimate.limit,
        model: pile.model.clone(),
        station: pile.station_id.as_ref().map(|id| names.stations[id]),
        operator: pile.operator_id.as_ref().map(|id| names.operators[id]),
        firmware_changes: firmware.remove(&pile.pile_no).unwrap_or_default(),
        level: balances::level(estimate),
    })
    .collect()
}

/// What registers counted in charges that are no evidence.
fn told(prepared: &Prepared, now: &Now) -> Vec<ToldRegister> {
    let told = now.told.iter().filter_map(|row| {
        Some(ToldRegister {
            pile: *prepared.pile_at.get(&row.pile_no)?,
            outlet: u32::try_from(row.connector).ok()?,
            start_kwh: kwh(row.start_wh),
            end_kwh: kwh(row.end_wh),
        })
    });
    told.collect()
}

/// Every charge, in the order of the facts.
fn charges<'a>(
    facts: &'a Facts,
    prepared: &Prepared,
    assessment: &Assessment,
    prices: &'a Prices<'_>,
) -> Vec<SignalCharge<'a>> {
    let mut residuals = vec![None; facts.charges.len()];
    for (row, residual) in prepared.rows.iter().zip(&assessment.residuals) {
        residuals[*row] = *residual;
    }
    let has_references = facts.charges.iter().any(|charge| path(charge) == Some(VehiclePath::Reference));
    let charge =
        |(charge, residual): (&'a EvidenceCharge, Option<veripile_metrology::comparison::Residual>)| {
            let pile = prepared.pile_at.get(&charge.pile_no).copied().unwrap_or(usize::MAX);
            let [register_start_kwh, register_end_kwh] = charge.register_wh.map(|wh| wh.map(kwh));
            SignalCharge {
                outlet: charge.connector.and_then(|connector| u32::try_from(connector).ok()).unwrap_or(1),
                vehicle: vehicle(charge).and_then(|vehicle| prepared.vehicles.get(&vehicle).copied()),
                energy_vehicle_kwh: charge.vehicle_energy().map(|(energy, _)| kwh(energy)),
                energy_relayed_kwh: relayed(charge).map(kwh),
                residual: residual
                    .map(|residual| signals::Residual { z: residual.standardised, sigma: residual.scale }),
                local_hour: Some(local_hour(charge.started_at)),
                mean_power_kw: mean_power_kw(charge),
                soc_span: soc_span_percent(charge).map(|percent| percent / 100.0),
                signed: Some(charge.signed),
                vehicle_path: path(charge),
                is_known_vehicle: has_references.then(|| path(charge) == Some(VehiclePath::Reference)),
                bill: charge.bill().map(|bill| signals::Bill { parts: &bill.parts, amount: bill.amount }),
                prices: prices.around(charge),
                register_start_kwh,
                register_end_kwh,
                clock_offset_s: charge.clock_offset_s,
                signature_key: charge.signature_key,
                record_digest: charge.record_digest,
                ..SignalCharge::new(pile, charge.started_at, charge.ended_at, kwh(charge.energy_pile_wh))
            }
        };
    facts.charges.iter().zip(residuals).map(charge).collect()
}

/// What the pile relayed of the vehicle's energy, where something else is compared.
fn relayed(charge: &EvidenceCharge) -> Option<Decimal> {
    charge.energy_vehicle_wh.filter(|_| path(charge) != Some(VehiclePath::Relayed))
}

/// Whose vehicle it was, whether or not it can be compared.
fn vehicle(charge: &EvidenceCharge) -> Option<Traveller> {
    Some((charge.vehicle_key()?, path(charge) == Some(VehiclePath::Reference)))
}

/// On which way the energy came that a charge is compared by.
fn path(charge: &EvidenceCharge) -> Option<VehiclePath> {
    charge.vehicle_energy().map(|(_, path)| path)
}

/// The day in China.
pub(super) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).date()
}

/// Hour of the day in China, 0 to 24.
fn local_hour(at: Timestamp) -> f64 {
    let time = at.to_zoned(TimeZone::fixed(SHANGHAI)).time();
    f64::from(time.hour()) + f64::from(time.minute()) / 60.0 + f64::from(time.second()) / 3_600.0
}

/// Every charge up to the moment.
fn sold(facts: &Facts, prepared: &Prepared) -> impl Iterator<Item = Sold> {
    let charges = facts.charges.iter().filter(move |charge| charge.ended_at <= facts.as_of);
    charges.filter_map(move |charge| {
        Some(Sold {
            pile: *prepared.pile_at.get(&charge.pile_no)?,
            ended_at: charge.ended_at,
            energy_kwh: kwh(charge.energy_pile_wh),
        })
    })
}

/// Energy registered by each pile in the window, kWh.
pub(super) fn energies(facts: &Facts, prepared: &Prepared) -> Vec<Decimal> {
    let mut energies = vec![Decimal::ZERO; facts.piles.len()];
    for charge in sold(facts, prepared) {
        energies[charge.pile] = energies[charge.pile].saturating_add(charge.energy_kwh);
    }
    energies
}

/// Price of a kWh at each pile, CNY: the mean of what its station tells by the hour, or else the highest of a day that it tells.
pub(super) fn prices(facts: &Facts, now: &Now) -> Vec<Option<Decimal>> {
    let means = means(facts);
    let price = |pile: &EvidencePile| {
        let station = pile.station_id.as_ref()?;
        means.get(station).or_else(|| now.prices.get(station)).copied()
    };
    facts.piles.iter().map(price).collect()
}

/// An amount in fen; none where it is no amount.
fn amount([value, lower, upper]: [f64; 3]) -> Option<[Decimal; 3]> {
    let fen = |amount: f64| Decimal::try_from(amount).ok().map(|amount| amount.round_dp(2));
    Some([fen(value)?, fen(lower)?, fen(upper)?])
}

fn weigh(
    facts: &Facts,
    prepared: &Prepared,
    assessment: &Assessment,
    names: &Names<'_>,
    prices: &[Option<Decimal>],
) -> Vec<BalanceRow> {
    let operator_of: Vec<Option<usize>> =
        facts.piles.iter().map(|pile| pile.operator_id.as_ref().map(|id| names.operators[id])).collect();
    let found =
        balances::weigh(assessment, sold(facts, prepared), &operator_of, prices, names.operators.len());
    let row = |(id, found): (&&OperatorId, veripile_assessment::operators::OperatorBalance)| BalanceRow {
        operator_id: (*id).clone(),
        piles: found.piles,
        energy_kwh: found.energy_kwh,
        mean_error: found.mean_error,
        standard_uncertainty: found.standard_uncertainty,
        p_value: found.adjusted_p_value,
        balance: found.balance.word(),
        excess_kwh: found.excess_kwh.map(|excess| [excess.value, excess.lower, excess.upper]),
        excess_cny: found.excess_money.and_then(|excess| amount([excess.value, excess.lower, excess.upper])),
        priced_share: found.priced_share,
    };
    names.operators.keys().zip(found).map(row).collect()
}

/// By when a pile is to be verified next, or the words of why there is no date.
pub(crate) type NextByState = (Option<Date>, Vec<String>);

/// The next date of each pile, in the order of the facts; `last_heard` says of a pile when it was heard last.
pub(crate) fn next_dates(
    facts: &Facts,
    assessment: &Assessment,
    last_heard: impl Fn(&EvidencePile) -> Option<Timestamp>,
) -> Vec<NextByState> {
    next_by_state(facts, assessment, &verified(facts), last_heard)
}

fn next_by_state(
    facts: &Facts,
    assessment: &Assessment,
    verified: &[Verified],
    last_heard: impl Fn(&EvidencePile) -> Option<Timestamp>,
) -> Vec<NextByState> {
    let of_pile = |((pile, verified), (_, estimate)): ((&EvidencePile, &Verified), &(PileId, Estimate))| {
        let next = next_date(&IntervalFacts {
            as_of: facts.as_of,
            today: day(facts.as_of),
            estimate,
            standing: &verified.standing,
            verified_on: verified.on,
            valid_until: verified.valid_until,
            legal_years: verified.legal_years,
            last_heard_at: last_heard(pile),
            newest_level_at: assessment.levels.get(&estimate.component).copied(),
        });
        match next {
            NextDate::By(date) => (Some(date), Vec::new()),
            NextDate::Withdrawn(reasons) => {
                (None, reasons.into_iter().map(|reason| reason.word().to_owned()).collect())
            }
        }
    };
    facts.piles.iter().zip(verified).zip(&assessment.estimates).map(of_pile).collect()
}

fn dates(
    (facts, prepared): (&Facts, &Prepared),
    assessment: &Assessment,
    (now, prices): (&Now, &[Option<Decimal>]),
    signals: &[SignalRow],
) -> Vec<DateRow> {
    let verified = verified(facts);
    let heard = |pile: &EvidencePile| now.last_heard.get(&pile.pile_no).copied();
    let next = next_by_state(facts, assessment, &verified, heard);
    let risks = visits::risks((facts, prepared), assessment, (now, prices), signals, &verified);
    let visits = (VISITED_SHARE * facts.piles.len() as f64).ceil() as usize;
    let chosen: BTreeMap<usize, Chosen> = choose(&risks, visits, now.lot).into_iter().collect();
    let row = |(at, (due_on, withdrawn)): (usize, NextByState)| DateRow {
        pile_no: facts.piles[at].pile_no,
        due_on,
        withdrawn,
        risk_kwh: Some(risks[at].probability_nonconform * risks[at].energy_kwh),
        chosen: chosen.get(&at).map(|chosen| match chosen {
            Chosen::ByLot => "by_lot",
            Chosen::ByRisk => "by_risk",
        }),
    };
    next.into_iter().enumerate().map(row).collect()
}

/// When each pile was last verified.
fn verified(facts: &Facts) -> Vec<Verified> {
    let mut acts_of: BTreeMap<i64, Vec<Act>> = BTreeMap::new();
    for (pile_no, act) in &facts.acts {
        acts_of.entry(*pile_no).or_default().push(act.clone());
    }
    let of_pile = |pile: &EvidencePile| {
        let acts = acts_of.get(&pile.pile_no).map_or(&[][..], Vec::as_slice);
        let standing = Standing::judge(acts, None);
        let certificate = standing.certificate.as_ref();
        let holds = certificate.filter(|certificate| certificate.questioned_at.is_none());
        let interval = rules::for_kind(pile.kind.word()).ok().and_then(|rules| rules.interval);
        Verified {
            on: holds.map(|certificate| day(certificate.at)),
            valid_until: holds.map(|certificate| day(certificate.valid_until)),
            legal_years: interval.map_or(0, |interval| interval.years),
            standing,
        }
    };
    facts.piles.iter().map(of_pile).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::SignedDuration;
    use veripile_metrology::comparison::Settings;
    use veripile_pile::{AccuracyClass, PileKind};
    use veripile_store::evidence::{EnergyInterval, EnergyMeter};

    use super::*;

    fn pile(pile_no: i64) -> EvidencePile {
        EvidencePile {
            pile_no,
            pile_id: PileId::parse(&format!("P{pile_no}")).expect("literal"),
            kind: PileKind::Ac,
            class: AccuracyClass(Decimal::TWO),
            station_id: Some(StationId::parse(&format!("S{pile_no}")).expect("literal")),
            operator_id: None,
            model: None,
            efficiency: None,
        }
    }

    fn charge(pile_no: i64, as_of: Timestamp) -> EvidenceCharge {
        let times = [25, 24].map(|hours| as_of - SignedDuration::from_hours(hours));
        EvidenceCharge::new(pile_no, pile_no, times, Decimal::from(10_000))
    }

    /// So many equal piles of which nobody can say anything.
    pub(in crate::assess) fn world(count: i64) -> (Facts, Prepared, Assessment) {
        let as_of = Timestamp::from_second(1_770_000_000).expect("in range");
        let facts = Facts {
            as_of,
            piles: (1..=count).map(pile).collect(),
            charges: (1..=count).map(|pile_no| charge(pile_no, as_of)).collect(),
            acts: Vec::new(),
            energy: Vec::new(),
            calibrations: Vec::new(),
            tariffs: Vec::new(),
        };
        let prepared = facts.prepare();
        let assessment =
            veripile_assessment::assess(&prepared.evidence, &Settings::default()).expect("assessed");
        (facts, prepared, assessment)
    }

    // By hand: in a hundred hours a DC pile gave 1,000 kWh of the 1,100 that its master counted, 91 %; with an exchange of the master by
    // −200 kWh, in an hour of 10 kWh, it were 1,010 of 900. Of 900 kWh it gives more than it took.
    #[test]
    fn a_master_that_was_exchanged_accuses_nobody() {
        let is_impossible = |master_kwh: i64, exchange_kwh: i64| {
            let (mut facts, ..) = world(1);
            facts.piles[0].kind = PileKind::Dc;
            let interval = |meter: EnergyMeter, hour: i64, kwh: i64| EnergyInterval {
                meter,
                from: facts.as_of - SignedDuration::from_hours(hour + 1),
                to: facts.as_of - SignedDuration::from_hours(hour),
                energy_kwh: Some(Decimal::from(kwh)),
                class: None,
            };
            let (station, pile) =
                (StationId::parse("S1").expect("literal"), PileId::parse("P1").expect("literal"));
            let of_hour = |hour: i64| {
                let master = if hour == 50 { exchange_kwh } else { master_kwh };
                [
                    interval(EnergyMeter::Master(station.clone()), hour, master),
                    interval(EnergyMeter::Register(pile.clone()), hour, 10),
                ]
            };
            facts.energy = (0..=100).flat_map(of_hour).collect();
            let prepared = facts.prepare();
            let assessment =
                veripile_assessment::assess(&prepared.evidence, &Settings::default()).expect("assessed");
            let found = outcome(&facts, &prepared, &assessment, &Now::default()).expect("drawn");
            found.signals.iter().any(|signal| signal.code == signals::Code::Efficiency.word())
        };
        assert!(!is_impossible(11, -200));
        assert!(is_impossible(9, 9));
    }

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        let at = |text: &str| day(text.parse().expect("literal")).to_string();
        assert_eq!(at("2026-06-30T15:59:59Z"), "2026-06-30");
        assert_eq!(at("2026-06-30T16:00:00Z"), "2026-07-01");
    }

    #[test]
    fn amounts_are_told_to_the_fen() {
        let told = amount([12.345_6, -0.004, 1e9]).map(|amounts| amounts.map(|amount| amount.to_string()));
        assert_eq!(told, Some(["12.35", "0.00", "1000000000"].map(str::to_owned)));
        assert_eq!(amount([f64::NAN, 0.0, 0.0]), None);
    }
}
