//! A world as evidence for `assess`. The one place of the study that knows what evidence looks like.

use anyhow::{Context, Result};
use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_assessment::evidence::{COVARIATES_MAX, TimedFeeder};
use veripile_assessment::signals::{Residual, SignalCharge, SignalPile};
use veripile_assessment::weekly::{OnSite, WeekCharge};
use veripile_assessment::{Anchor, Assessment, ComparableCharge, Evidence, PileFact};
use veripile_metrology::balance::{Feeder, Instrument, Interval, class_uncertainty};
use veripile_pile::{AccuracyClass, Estimate, PileId, PileKind};
use veripile_simulator::world::{Noise, World, WorldCharge};

use crate::assess_files::feeders::DC_EFFICIENCY;
use crate::balances;

/// As `veripile assess` names them on files.
const COVARIATES: [&str; COVARIATES_MAX] = ["ambient_c", "mean_power_kw", "soc_span"];

/// A world knows neither operators nor models of piles: they go around, as in the files of `--write`.
const OPERATORS: usize = 3;
const MODELS: usize = 4;

/// What of a world is given to the assessment, in both languages, for the page.
pub(super) const USED: (&str, &str) = (
    "评估使用车辆数据与基准桩；有总表的站，逐周误差与运行中一样联合其能量平衡，另作一次联合能量平衡的评估，只用于相应的两行。",
    "The assessment uses vehicles' values and anchors; where stations have master meters, errors by week join their energy balances as in \
     live use, and so does another assessment, for the rows that say so only.",
);

/// The stations' balances, hour by hour; none in a world without master meters.
pub(super) fn feeders(world: &World) -> Option<Vec<TimedFeeder>> {
    let hours = world.hours()?;
    let master_uncertainty = class_uncertainty(0.5);
    let feeder = |(station, masters): (usize, &Vec<f64>)| {
        let piles: Vec<usize> =
            (0..world.piles.len()).filter(|at| world.piles[*at].station == station).collect();
        let instruments = piles.iter().map(|at| {
            let is_dc = world.piles[*at].kind == PileKind::Dc;
            let (efficiency, efficiency_uncertainty) = if is_dc { DC_EFFICIENCY } else { (1.0, 0.0) };
            // The world draws each efficiency about its nominal one: nothing is presumed of all alike.
            Instrument { index: *at, efficiency, efficiency_uncertainty, efficiency_common: 0.0 }
        });
        let intervals = masters.iter().enumerate().map(|(hour, energy)| Interval {
            hours: 1.0,
            master_kwh: Some(*energy),
            instruments_kwh: piles.iter().map(|at| Some(hours.registers[*at][hour])).collect(),
        });
        let feeder =
            Feeder { master_uncertainty, instruments: instruments.collect(), intervals: intervals.collect() };
        let hour = |hour: usize| world.start.as_second() + 3_600 * hour as i64;
        let begins = (0..masters.len()).map(|at| Timestamp::from_second(hour(at)).unwrap_or(world.start));
        TimedFeeder { feeder, begins: begins.collect() }
    };
    Some(hours.masters.iter().enumerate().map(feeder).collect())
}

/// The same as far as they were read by the end of a day.
pub(super) fn until(feeders: &[TimedFeeder], day: u32) -> Vec<TimedFeeder> {
    let until = |fed: &TimedFeeder| {
        let hours = fed.begins.len().min(24 * day as usize);
        let (intervals, begins) = (fed.feeder.intervals[..hours].to_vec(), fed.begins[..hours].to_vec());
        let instruments = fed.feeder.instruments.clone();
        TimedFeeder { feeder: Feeder { intervals, instruments, ..fed.feeder }, begins }
    };
    feeders.iter().map(until).collect()
}

/// The piles of a world as the assessment knows them.
pub(super) fn piles(world: &World) -> Result<Vec<PileFact>> {
    let fact = |pile: &veripile_simulator::world::WorldPile| {
        let pile_id = PileId::parse(&pile.id)
            .with_context(|| format!("{:?} cannot be a pile's identifier; rename it in the file", pile.id))?;
        Ok(PileFact { pile_id, kind: Some(pile.kind), class: AccuracyClass(Decimal::from(pile.class)) })
    };
    world.piles.iter().map(fact).collect()
}

/// The charges of days `from..to` and the anchors, one of them left out if asked for. Covariates are given where they matter.
pub(super) fn evidence(
    world: &World,
    piles: &[PileFact],
    days: (u32, u32),
    without: Option<usize>,
) -> Evidence {
    let has_covariates = world.settings.noise == Noise::Nuisances;
    let charges = world.charges_in(days.0, days.1).filter_map(|charge| {
        Some(ComparableCharge {
            pile: charge.pile,
            vehicle: charge.vehicle,
            ended_at: Timestamp::from_second(charge.ended_s).ok()?,
            lasted_s: u32::try_from(charge.ended_s - charge.started_s).ok()?,
            energy_pile_kwh: Decimal::new(charge.energy_pile_wh, 3),
            energy_vehicle_kwh: Decimal::new(charge.energy_vehicle_wh?, 3),
            path: None,
            covariates: covariates(charge),
        })
    });
    let anchors = world.anchors.iter().enumerate().filter(|(at, _)| Some(*at) != without);
    let anchors = anchors.map(|(_, anchor)| Anchor {
        pile: anchor.pile,
        outlet: None,
        at: anchor.at,
        error_percent: decimal(anchor.error_percent),
        expanded_uncertainty_percent: decimal(anchor.expanded_percent),
        coverage_factor: Decimal::TWO,
    });
    Evidence {
        as_of: world.day(days.1),
        piles: piles.to_vec(),
        vehicle_models: world.vehicles.iter().map(|vehicle| vehicle.model).collect(),
        models: world.models,
        covariates: if has_covariates { COVARIATES.to_vec() } else { Vec::new() },
        charges: charges.collect(),
        anchors: anchors.collect(),
        ..Evidence::default()
    }
}

/// The same for the weekly filter: every charge of which both sides told, and the anchors, each by time.
pub(super) fn weeks(world: &World) -> (Vec<WeekCharge<usize, usize>>, Vec<OnSite<usize>>) {
    let charge = |charge: &WorldCharge| {
        Some(WeekCharge {
            pile: charge.pile,
            vehicle: charge.vehicle,
            model: world.vehicles[charge.vehicle].model.map(|model| model.to_string()),
            ended_at: Timestamp::from_second(charge.ended_s).ok()?,
            energy_pile_kwh: Decimal::new(charge.energy_pile_wh, 3),
            energy_vehicle_kwh: Decimal::new(charge.energy_vehicle_wh?, 3),
            path: None,
            covariates: covariates(charge),
        })
    };
    let result = |result: &veripile_simulator::world::OnSite| OnSite {
        pile: result.pile,
        outlet: None,
        at: result.at,
        error_percent: decimal(result.error_percent),
        expanded_uncertainty_percent: decimal(result.expanded_percent),
        coverage_factor: Decimal::TWO,
    };
    let mut on_site: Vec<OnSite<usize>> = world.anchors.iter().map(result).collect();
    on_site.sort_by_key(|result| (result.at, result.pile));
    let mut charges: Vec<WeekCharge<usize, usize>> =
        world.charges_in(0, world.days).filter_map(charge).collect();
    charges.sort_by_key(|charge| (charge.ended_at, charge.pile, charge.vehicle));
    (charges, on_site)
}

/// The piles as signals know them, with the levels of an assessment.
pub(super) fn signal_piles(world: &World, assessment: &Assessment) -> Vec<SignalPile> {
    let of = |(at, (pile_id, estimate)): (usize, &(PileId, Estimate))| SignalPile {
        pile_id: pile_id.clone(),
        kind: Some(world.piles[at].kind),
        limit: estimate.limit,
        model: Some(format!("SIM-{}", at % MODELS)),
        station: Some(world.piles[at].station),
        operator: Some(at % OPERATORS),
        firmware_changes: Vec::new(),
        level: balances::level(estimate),
    };
    assessment.estimates.iter().enumerate().map(of).collect()
}

/// Every charge as signals know it, with what the assessment of [`evidence`] of all days left over of it.
pub(super) fn signal_charges(world: &World, assessment: &Assessment) -> Vec<SignalCharge<'static>> {
    let mut residuals = assessment.residuals.iter().copied();
    let charge = |charge: &WorldCharge| {
        let ended_at = Timestamp::from_second(charge.ended_s).ok()?;
        let energy_vehicle_kwh = charge.energy_vehicle_wh.map(|wh| Decimal::new(wh, 3));
        // There are as many as charges of which both sides told, in the same order.
        let residual = energy_vehicle_kwh.and_then(|_| residuals.next().flatten());
        let started_at = Timestamp::from_second(charge.started_s).ok()?;
        let past_the_hour = charge.started_s.rem_euclid(3_600) as f64 / 3_600.0;
        Some(SignalCharge {
            vehicle: Some(charge.vehicle),
            energy_vehicle_kwh,
            residual: residual.map(|residual| Residual { z: residual.standardised, sigma: residual.scale }),
            local_hour: Some(f64::from(charge.hour()) + past_the_hour),
            mean_power_kw: Some(charge.power_kw()),
            soc_span: Some((charge.soc.1 - charge.soc.0) / 100.0),
            vehicle_path: energy_vehicle_kwh.map(|_| charge.path),
            ..SignalCharge::new(charge.pile, started_at, ended_at, Decimal::new(charge.energy_pile_wh, 3))
        })
    };
    world.charges_in(0, world.days).filter_map(charge).collect()
}

/// As [`COVARIATES`].
fn covariates(charge: &WorldCharge) -> [f32; COVARIATES_MAX] {
    [charge.ambient_c, charge.power_kw(), charge.soc.1 - charge.soc.0].map(|value| value as f32)
}

/// Percent with the four decimals that on-site results have.
fn decimal(percent: f64) -> Decimal {
    Decimal::new((percent * 1e4).round() as i64, 4)
}
