//! Why some piles are not comparable where others are, set by set, and which rows of registers no balance makes use of.
//!
//! Called by [`super::diagnosis`] and [`super::balances`]. It decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use veripile_assessment::Assessment;
use veripile_metrology::comparison::{CHECKED_MAX, GROUNDING_U_MAX};
use veripile_pile::{Estimate, PileId, RemoteVerdict};

use super::{Remark, listed, remark};
use crate::assess_files::Prepared;
use crate::assess_files::feeders::Unmatched;

/// Why a connected set of piles has no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    /// What speaks of it is too uncertain.
    TooUncertain,
    /// What speaks of it contradicts itself, or all else, and was left out.
    Contradictory,
    /// What speaks of it are calibrations beyond those that can be held against everything else.
    Beyond,
    /// What speaks of it is later than the moment of the assessment.
    Later,
    /// Nothing speaks of it, and no vehicle joins it to what has a level.
    Nothing,
}

/// Why some piles are not comparable where others are: those without a charge, and the others by what their sets lack.
pub(super) fn some_silent(prepared: &Prepared, assessment: &Assessment) -> Vec<Remark> {
    let estimates = assessment.estimates.iter().map(|(_, estimate)| estimate);
    let silent: Vec<&Estimate> =
        estimates.filter(|estimate| estimate.verdict == RemoteVerdict::NotComparable).collect();
    let without_charge = silent.iter().filter(|estimate| estimate.charges == 0).count();
    let givers = Givers::of(prepared, assessment);
    let mut lacking: BTreeMap<Lack, usize> = BTreeMap::new();
    for estimate in silent.iter().filter(|estimate| 0 < estimate.charges) {
        *lacking.entry(givers.lack(estimate.component)).or_default() += 1;
    }
    let charges = (0 < without_charge).then(|| {
        remark(
            "piles_without_charge",
            format!("没有可比充电、因而不可比的桩：{without_charge} 个；请补充其带有车辆侧电量的充电"),
            format!(
                "piles not comparable for want of a charge that could be compared: {without_charge}; add charges of theirs with the vehicle's \
                 own energy"
            ),
        )
    });
    let lacking = lacking.into_iter().map(|(lack, piles)| told(lack, piles, prepared));
    charges.into_iter().chain(lacking).chain(alone(assessment.facts.alone)).collect()
}

/// Piles of which nothing but their own results speaks.
pub(super) fn alone(piles: usize) -> Option<Remark> {
    (0 < piles).then(|| {
        remark(
            "piles_alone",
            format!(
                "只有自己的现场结果、没有一辆车使之与别的桩相连、因而不作判断的桩：{piles} 个；请补充同一批车辆在别的桩上的充电，或时间更长的充电"
            ),
            format!(
                "piles of which nothing but their own on-site results speaks, since no vehicle joins them to another, so that nothing is \
                 decided of them: {piles}; add charges of the same vehicles at other piles, or of a longer time"
            ),
        )
    })
}

/// Which sets anything speaks of that could give a level, and what became of it.
#[derive(Default)]
struct Givers {
    used: BTreeSet<u32>,
    left_out: BTreeSet<u32>,
    beyond: BTreeSet<u32>,
    later: BTreeSet<u32>,
}

impl Givers {
    fn of(prepared: &Prepared, assessment: &Assessment) -> Self {
        let (evidence, facts) = (&prepared.evidence, &assessment.facts);
        // By pile and vehicle: what goes with the one that is named is its older results and its other outlets.
        let out = facts.contradictory_anchors.iter().filter(|anchor| !anchor.is_used);
        let piles_out: BTreeSet<&PileId> = out.map(|anchor| &anchor.pile_id).collect();
        let out = facts.contradictory_references.iter().filter(|reference| !reference.is_used);
        let vehicles_out: BTreeSet<usize> = out.map(|reference| reference.vehicle).collect();
        let used: BTreeSet<usize> = facts.used_references.iter().map(|reference| reference.vehicle).collect();
        let mut givers = Self::default();
        for anchor in &evidence.anchors {
            let (pile_id, estimate) = &assessment.estimates[anchor.pile];
            givers.add(estimate.component, piles_out.contains(pile_id), evidence.as_of < anchor.at);
        }
        for reference in &evidence.references {
            let Some(found) = &assessment.vehicles[reference.vehicle] else { continue };
            let (is_out, is_later) =
                (vehicles_out.contains(&reference.vehicle), evidence.as_of < reference.at);
            if is_later || is_out || used.contains(&reference.vehicle) {
                givers.add(found.component, is_out, is_later);
            } else {
                givers.beyond.insert(found.component);
            }
        }
        let out = facts.contradictory_balances.iter().filter(|balance| !balance.is_used);
        let feeders_out: BTreeSet<usize> = out.map(|balance| balance.feeder).collect();
        for (feeder, (fed, balance)) in evidence.feeders.iter().zip(&assessment.balances).enumerate() {
            let is_out = feeders_out.contains(&feeder);
            let piles = fed.feeder.instruments.iter().filter(|_| is_out || balance.is_ok());
            piles.for_each(|pile| givers.add(assessment.estimates[pile.index].1.component, is_out, false));
        }
        givers
    }

    fn add(&mut self, component: u32, is_out: bool, is_later: bool) {
        let sets = match (is_later, is_out) {
            (true, _) => &mut self.later,
            (false, true) => &mut self.left_out,
            (false, false) => &mut self.used,
        };
        sets.insert(component);
    }

    /// What is known to be too weak is told before what was left out, and that before what does not count yet.
    fn lack(&self, component: u32) -> Lack {
        let of = |sets: &BTreeSet<u32>, lack| sets.contains(&component).then_some(lack);
        of(&self.used, Lack::TooUncertain)
            .or(of(&self.left_out, Lack::Contradictory))
            .or(of(&self.beyond, Lack::Beyond))
            .or(of(&self.later, Lack::Later))
            .unwrap_or(Lack::Nothing)
    }
}

fn told(lack: Lack, piles: usize, prepared: &Prepared) -> Remark {
    match lack {
        Lack::TooUncertain => {
            let most = 100.0 * GROUNDING_U_MAX;
            remark(
                "piles_level_too_uncertain",
                format!(
                    "现场结果、标准车校准或总表不确定度过大（标准不确定度须不大于 {most} %，含此后的漂移和充电的噪声）、因而不可比的桩：{piles} 个；请给出更准、更近的结果"
                ),
                format!(
                    "piles not comparable because their on-site results, reference vehicles or master meters are too uncertain (more than {most} % of \
                     standard uncertainty, with the drift since and the noise of charges): {piles}; give better or newer ones"
                ),
            )
        }
        Lack::Contradictory => remark(
            "piles_anchors_contradict",
            format!(
                "现场结果、标准车校准与总表相互矛盾、无从判断孰是孰非而略去、因而不可比的桩：{piles} 个；请核对下列各项，或再给其中一个桩的现场结果"
            ),
            format!(
                "piles not comparable because their on-site results, calibrations of reference vehicles and master meters contradict each other, so \
                 that nobody can say which are right, and were left out: {piles}; look into those named below, or give the result of one more of these piles"
            ),
        ),
        Lack::Beyond => remark(
            "piles_references_beyond",
            format!(
                "标准车多于 {CHECKED_MAX} 辆、其校准未予采用、因而不可比的桩：{piles} 个；请分城市评估，或给出这些桩的现场结果"
            ),
            format!(
                "piles not comparable because the calibrations that speak of them are not used, more reference vehicles being given than {CHECKED_MAX}: \
                 {piles}; assess a city at a time, or give on-site results of these piles"
            ),
        ),
        Lack::Later => {
            let as_of = prepared.evidence.as_of;
            remark(
                "piles_anchors_after_as_of",
                format!(
                    "现场结果与校准都晚于评估时刻 {as_of}、因而不可比的桩：{piles} 个；请给更晚的 --as-of，或更早的结果"
                ),
                format!(
                    "piles not comparable because their on-site results and calibrations are all later than {as_of}: {piles}; give a later --as-of, \
                     or earlier ones"
                ),
            )
        }
        Lack::Nothing => remark(
            "piles_without_level",
            format!(
                "与有现场结果、标准车或总表的桩没有共同车辆、因而不可比的桩：{piles} 个；请补充其中一两个的现场结果，或时间更长的充电"
            ),
            format!(
                "piles not comparable because they share no vehicle with one that has an on-site result, a reference vehicle or a master meter: \
                 {piles}; add on-site results of one or two of them, or charges of a longer time"
            ),
        ),
    }
}

/// Stations with a master of which nobody says which piles they have.
pub(super) fn without_piles(prepared: &Prepared) -> Option<Remark> {
    let both = prepared.stations.iter().zip(&prepared.evidence.feeders);
    let empty = both.filter(|(_, fed)| fed.feeder.instruments.is_empty());
    let (zh, en) = listed(&empty.map(|(station, _)| station.as_str()).collect())?;
    Some(remark(
        "stations_without_piles",
        format!("总表所在场站没有写明有哪些桩：{zh}；请以 --piles 给出 piles.csv，写明各桩的 station_id"),
        format!(
            "of these stations with a master nobody says which piles they have: {en}; give piles.csv with each pile's station_id by --piles"
        ),
    ))
}

/// Rows of registers that no balance makes use of, and what would help.
pub(super) fn unmatched(rows: Unmatched) -> Vec<Remark> {
    let Unmatched { without_station, without_master, other_times } = rows;
    let stationless = (0 < without_station).then(|| {
        remark(
            "registers_without_station",
            format!(
                "{without_station} 行桩电量不知属于哪个场站，未用于电能平衡；请以 --piles 给出 piles.csv，写明各桩的 station_id"
            ),
            format!(
                "{without_station} rows of registers are of piles whose station nobody names, so no balance makes use of them; give piles.csv with \
                 each pile's station_id by --piles"
            ),
        )
    });
    let masterless = (0 < without_master).then(|| {
        remark(
            "registers_without_master",
            format!("{without_master} 行桩电量所属的场站没有总表电量；请在 --masters 中补上，并核对 station_id"),
            format!(
                "{without_master} rows of registers are of piles at stations without a master; add their masters by --masters, and look at station_id"
            ),
        )
    });
    let untimely = (0 < other_times).then(|| {
        remark(
            "registers_unmatched",
            format!("{other_times} 行桩电量与总表的时段都不相符；请使两者起止时间一致"),
            format!("{other_times} rows of registers fit no interval of a master; give both the same times"),
        )
    });
    [stationless, masterless, untimely].into_iter().flatten().collect()
}
