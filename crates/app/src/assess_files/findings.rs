//! What the files say besides errors: signals of tampering, and operators whose errors do not balance. `signals.csv`, `operators.csv`.
//!
//! Called by `assess_files` after the assessment, with its residuals. It decides nothing: `assessment::signals` and
//! `assessment::operators` do.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use veripile_api::figure;
use veripile_assessment::Assessment;
use veripile_assessment::operators;
use veripile_assessment::signals::{
    self, MasterInterval, RegisterInterval, SignalCharge, SignalEvidence, SignalPile, Subject,
};
use veripile_pile::{PileId, VehiclePath};

use super::charges::ChargeRow;
use super::reference::{IntervalRow, Plate};
use super::results::{self, Folder};
use super::{Inputs, Prepared, percent};
use crate::balances::{self, Sold};
use crate::said;

/// Charges that signals are looked for in at most: each takes a third of a kilobyte here, 1.4 GB in all.
pub(crate) const CHARGES_MAX: usize = 4_000_000;

/// Looks for signals and writes `signals.csv`; their number by code. None where there are too many charges.
pub(super) fn write_signals(
    folder: &Folder,
    inputs: &Inputs,
    prepared: &Prepared,
    assessment: &Assessment,
    time_zone: &TimeZone,
) -> Result<Option<BTreeMap<&'static str, usize>>> {
    const HEADER: [&str; 8] = ["pile_id", "code", "severity", "statistic", "p_value", "from", "to", "detail"];
    let mut writer = folder.csv("signals.csv", &HEADER)?;
    if inputs.charges.rows.len() > CHARGES_MAX {
        results::finish(writer).context("signals.csv")?;
        return Ok(None);
    }
    let names = Names::of(prepared);
    let piles = piles(prepared, assessment, &names);
    let charges = charges(inputs, prepared, assessment);
    let biases: Vec<Option<f64>> =
        assessment.vehicles.iter().map(|found| found.as_ref().map(|found| found.bias)).collect();
    let as_of = prepared.evidence.as_of;
    let masters = masters(&inputs.masters, &names.stations, as_of);
    let pile_at: BTreeMap<&str, usize> =
        prepared.evidence.piles.iter().enumerate().map(|(at, pile)| (pile.pile_id.as_str(), at)).collect();
    let registers = registers(&inputs.registers, &pile_at, as_of);
    let evidence = SignalEvidence {
        piles: &piles,
        charges: &charges,
        vehicle_biases: &biases,
        vehicle_models: &prepared.evidence.vehicle_models,
        interaction_sd: assessment.facts.learnt.interaction_sd,
        masters: &masters,
        registers: &registers,
        steps: &assessment.steps,
        told: &[],
        time_zone: Some(time_zone),
    };
    let mut counts = BTreeMap::new();
    for finding in signals::find(&evidence, &signals::Settings::default())? {
        *counts.entry(finding.code.word()).or_insert(0) += 1;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        writer
            .write_record([
                names.subject(prepared, finding.subject),
                finding.code.word().to_owned(),
                finding.severity.word().to_owned(),
                format!("{:.4}", finding.statistic),
                finding.p_value.map(|p| format!("{p:.3e}")).unwrap_or_default(),
                time(finding.from),
                time(finding.to),
                veripile_api::told_in_english(&said::sayings(&finding.said)),
            ])
            .context("signals.csv: cannot be written")?;
    }
    results::finish(writer).context("signals.csv")?;
    Ok(Some(counts))
}

/// What masters told up to the moment, by number of the station.
pub(crate) fn masters(
    rows: &[IntervalRow],
    stations: &BTreeMap<&str, usize>,
    as_of: Timestamp,
) -> Vec<MasterInterval> {
    let interval = |row: &IntervalRow| {
        let station = *stations.get(row.id.as_str())?;
        Some(MasterInterval { station, from: row.from, to: row.to, energy_kwh: counted(row)? })
    };
    rows.iter().filter(|row| row.to <= as_of).filter_map(interval).collect()
}

/// What piles' registers told up to the moment, by index of the pile.
pub(crate) fn registers(
    rows: &[IntervalRow],
    piles: &BTreeMap<&str, usize>,
    as_of: Timestamp,
) -> Vec<RegisterInterval> {
    let interval = |row: &IntervalRow| {
        let pile = *piles.get(row.id.as_str())?;
        Some(RegisterInterval { pile, from: row.from, to: row.to, energy_kwh: counted(row)? })
    };
    rows.iter().filter(|row| row.to <= as_of).filter_map(interval).collect()
}

/// A register that fell was reset or exchanged: what passed meanwhile nobody knows.
fn counted(row: &IntervalRow) -> Option<Decimal> {
    row.energy_kwh.filter(|energy| Decimal::ZERO <= *energy)
}

/// Weighs each operator's errors and writes `operators.csv`; operators by word of the decision.
pub(super) fn write_operators(
    folder: &Folder,
    inputs: &Inputs,
    prepared: &Prepared,
    assessment: &Assessment,
) -> Result<BTreeMap<&'static str, usize>> {
    const HEADER: [&str; 10] = [
        "operator_id",
        "piles",
        "energy_kwh",
        "mean_error_percent",
        "standard_uncertainty_percent",
        "p_value",
        "balance",
        "excess_kwh",
        "excess_kwh_lower95",
        "excess_kwh_upper95",
    ];
    let names = Names::of(prepared);
    let operator =
        |plate: &Plate| plate.operator.as_deref().and_then(|name| names.operators.get(name).copied());
    let operator_of: Vec<Option<usize>> = prepared.plates.iter().map(operator).collect();
    let mut writer = folder.csv("operators.csv", &HEADER)?;
    let mut counts = BTreeMap::new();
    let sold = sold(inputs, prepared);
    let found = balances::weigh(assessment, sold, &operator_of, &[], names.operators.len());
    for (name, found) in names.operators.keys().zip(found) {
        *counts.entry(found.balance.word()).or_insert(0) += 1;
        let excess = |end: fn(&operators::Interval95) -> f64| {
            found.excess_kwh.as_ref().map(|excess| figure(format!("{:.3}", end(excess)))).unwrap_or_default()
        };
        writer
            .write_record([
                (*name).to_owned(),
                found.piles.to_string(),
                found.energy_kwh.to_string(),
                percent(found.mean_error),
                percent(found.standard_uncertainty),
                found.adjusted_p_value.map(|p| format!("{p:.3e}")).unwrap_or_default(),
                found.balance.word().to_owned(),
                excess(|excess| excess.value),
                excess(|excess| excess.lower),
                excess(|excess| excess.upper),
            ])
            .context("operators.csv: cannot be written")?;
    }
    results::finish(writer).context("operators.csv")?;
    Ok(counts)
}

/// Every good charge up to the moment.
fn sold(inputs: &Inputs, prepared: &Prepared) -> impl Iterator<Item = Sold> {
    let rows = inputs.charges.rows.iter().filter(move |row| row.ended_at <= prepared.evidence.as_of);
    rows.map(move |row| Sold {
        pile: prepared.pile_numbers[row.pile],
        ended_at: row.ended_at,
        energy_kwh: row.energy_pile_kwh,
    })
}

/// Stations and operators, numbered by name.
struct Names<'a> {
    stations: BTreeMap<&'a str, usize>,
    operators: BTreeMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn of(prepared: &'a Prepared) -> Self {
        let numbered = |name: fn(&Plate) -> Option<&str>| {
            let names: BTreeSet<&str> = prepared.plates.iter().filter_map(name).collect();
            names.into_iter().zip(0..).collect()
        };
        Self {
            stations: numbered(|plate| plate.station.as_deref()),
            operators: numbered(|plate| plate.operator.as_deref()),
        }
    }

    /// What stands in the column `pile_id`: of a station or an operator its own name, marked as such.
    fn subject(&self, prepared: &Prepared, subject: Subject) -> String {
        let name = |names: &BTreeMap<&str, usize>, number| {
            names
                .iter()
                .find(|(_, known)| **known == number)
                .map_or(String::new(), |(name, _)| (*name).to_owned())
        };
        match subject {
            Subject::Pile(index) => prepared.evidence.piles[index].pile_id.to_string(),
            Subject::Station(number) => format!("station:{}", name(&self.stations, number)),
            Subject::Operator(number) => format!("operator:{}", name(&self.operators, number)),
        }
    }
}

fn piles(prepared: &Prepared, assessment: &Assessment, names: &Names<'_>) -> Vec<SignalPile> {
    let as_of = prepared.evidence.as_of;
    let of = |((pile_id, estimate), plate): (&(PileId, veripile_pile::Estimate), &Plate)| SignalPile {
        pile_id: pile_id.clone(),
        kind: plate.kind,
        limit: estimate.limit,
        model: plate.model.clone(),
        station: plate.station.as_deref().map(|name| names.stations[name]),
        operator: plate.operator.as_deref().map(|name| names.operators[name]),
        firmware_changes: plate.firmware.iter().filter(|change| change.at <= as_of).cloned().collect(),
        level: balances::level(estimate),
    };
    assessment.estimates.iter().zip(&prepared.plates).map(of).collect()
}

/// Every good row up to the moment, in an order of content.
fn charges(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment) -> Vec<SignalCharge<'static>> {
    let rows = &inputs.charges.rows;
    let mut residuals = vec![None; rows.len()];
    for (row, residual) in prepared.rows.iter().zip(&assessment.residuals) {
        residuals[*row as usize] = *residual;
    }
    let has_references = rows.iter().any(|row| row.path == Some(VehiclePath::Reference));
    let charge =
        |(row, residual): (&ChargeRow, &Option<veripile_metrology::comparison::Residual>)| SignalCharge {
            vehicle: prepared.vehicle_numbers.of(row),
            energy_vehicle_kwh: row.energy_vehicle_kwh,
            residual: residual
                .map(|residual| signals::Residual { z: residual.standardised, sigma: residual.scale }),
            local_hour: Some(f64::from(row.hour)).filter(|hour| hour.is_finite()),
            mean_power_kw: Some(f64::from(row.covariates[1])).filter(|power| power.is_finite()),
            soc_span: Some(f64::from(row.covariates[2]) / 100.0).filter(|span| span.is_finite()),
            signed: row.signed,
            vehicle_path: row.path,
            is_known_vehicle: has_references.then_some(row.path == Some(VehiclePath::Reference)),
            ..SignalCharge::new(
                prepared.pile_numbers[row.pile],
                row.started_at,
                row.ended_at,
                row.energy_pile_kwh,
            )
        };
    let until = prepared.evidence.as_of;
    let mut charges: Vec<SignalCharge<'static>> =
        rows.iter().zip(&residuals).filter(|(row, _)| row.ended_at <= until).map(charge).collect();
    charges.sort_by(|a, b| {
        let key = |charge: &SignalCharge<'_>| {
            (
                charge.pile,
                charge.started_at,
                charge.ended_at,
                charge.vehicle,
                charge.energy_pile_kwh,
                charge.energy_vehicle_kwh,
            )
        };
        key(a).cmp(&key(b))
    });
    charges
}
