//! What gives a level: why nothing does, and which on-site results and calibrations contradict everything else.
//!
//! Called by [`super::remarks`]. It decides nothing: `assessment::levels` did.

use std::collections::BTreeSet;

use veripile_assessment::Assessment;
use veripile_metrology::comparison::{CHECKED_MAX, GROUNDING_U_MAX};
use veripile_pile::PileId;

use super::{ALIKE_MAX, Remark, remark, rest};
use crate::assess_files::{Inputs, Prepared};

/// Why no pile is held against its limit, though charges were compared: mostly no connected set has a level.
pub(super) fn no_level(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment) -> Remark {
    let only_differences =
        ["只能得出桩与桩之差，不能得出误差", "only differences between piles can be told, no error"];
    let [zh, en] = only_differences;
    let facts = &assessment.facts;
    let left_out = facts.contradictory_anchors.iter().any(|anchor| !anchor.is_used)
        || facts.contradictory_references.iter().any(|reference| !reference.is_used)
        || facts.contradictory_balances.iter().any(|balance| !balance.is_used);
    let given = inputs.anchors.len() + inputs.references.len();
    if 0 < facts.grounded_components {
        return remark(
            "charges_before_change",
            "参与比对的充电都在桩的最近一次变化之前（见下），此后没有可比充电，现在的桩因而不可比；请补充此后的充电，若现场结果有笔误请改正",
            "every charge that was compared is of before its pile changed (see below), and there is none since, so that no pile as it is now can              be compared; add charges of since then, or correct the file of anchors where a result is a slip of the pen",
        );
    }
    if given == 0 && !left_out {
        return remark(
            "no_level",
            format!("没有现场检定结果、标准车或总表给出水平，{zh}；请以 --anchors 给出一两个桩的现场结果"),
            format!(
                "no on-site result, reference vehicle or master meter gives a level: {en}; give the on-site results of one or two piles by --anchors"
            ),
        );
    }
    if is_too_uncertain(prepared, assessment) {
        let most = 100.0 * GROUNDING_U_MAX;
        return remark(
            "level_too_uncertain",
            format!(
                "参与比对的桩的现场结果与标准车校准不确定度过大（标准不确定度须不大于 {most} %，含此后的漂移和标准车充电的噪声），{zh}；请给出更准、更近的结果"
            ),
            format!(
                "what on-site results and reference vehicles say of the piles that were compared is too uncertain (more than {most} % of standard \
                 uncertainty, with the drift since and the noise of a vehicle's charges): {en}; give better or newer ones"
            ),
        );
    }
    if left_out {
        return remark(
            "anchors_contradict",
            format!(
                "参与比对的桩的现场结果、标准车校准与总表相互矛盾，无从判断孰是孰非，全部略去，{zh}；请核对下列各项，或再给一个桩的现场结果"
            ),
            format!(
                "on-site results, calibrations of reference vehicles and master meters contradict each other, nobody can say which are right, and \
                 all were left out: {en}; look into those named below, or give the result of one more pile"
            ),
        );
    }
    if prepared.later_anchors == given {
        let as_of = prepared.evidence.as_of;
        return remark(
            "anchors_after_as_of",
            format!("所有现场结果与校准都晚于评估时刻 {as_of}，{zh}；请给更晚的 --as-of，或更早的结果"),
            format!(
                "every on-site result and calibration is later than {as_of}: {en}; give a later --as-of, or earlier ones"
            ),
        );
    }
    remark(
        "level_elsewhere",
        format!("现场结果与标准车都不在有可比充电的桩群中，{zh}；请核对其编号，或给出这些桩的现场结果"),
        format!(
            "no on-site result and no reference vehicle belongs to the piles that were compared: {en}; look at the names in their files, or \
             give on-site results of these piles"
        ),
    )
}

/// Whether an on-site result or a calibration that was not left out speaks of what was compared: where nothing has a level, it is too weak. A
/// result does that, too, of a pile without a charge that a master meter joins to piles with some.
fn is_too_uncertain(prepared: &Prepared, assessment: &Assessment) -> bool {
    let (evidence, facts) = (&prepared.evidence, &assessment.facts);
    let out = facts.contradictory_anchors.iter().filter(|anchor| !anchor.is_used);
    let piles_out: BTreeSet<&PileId> = out.map(|anchor| &anchor.pile_id).collect();
    let out = facts.contradictory_references.iter().filter(|reference| !reference.is_used);
    let vehicles_out: BTreeSet<usize> = out.map(|reference| reference.vehicle).collect();
    let compared: BTreeSet<u32> =
        assessment.vehicles.iter().flatten().map(|vehicle| vehicle.component).collect();
    let anchors = evidence.anchors.iter().filter(|anchor| anchor.at <= evidence.as_of);
    let mut piles = anchors.map(|anchor| &assessment.estimates[anchor.pile]);
    let references = evidence.references.iter().filter(|reference| reference.at <= evidence.as_of);
    let mut vehicles = references.map(|reference| reference.vehicle);
    piles.any(|(pile_id, estimate)| compared.contains(&estimate.component) && !piles_out.contains(pile_id))
        || vehicles.any(|at| assessment.vehicles[at].is_some() && !vehicles_out.contains(&at))
}

/// What is the matter with one, in both languages.
fn why(normalised_error: Option<f64>) -> [String; 2] {
    match normalised_error {
        Some(error) => [
            format!("与其余一切矛盾（E_n {error:.1}）"),
            format!("contradicts everything else (E_n {error:.1})"),
        ],
        None => [
            "所在桩群中相互矛盾的不少于相符的，或仅此一项而按它多数桩超限，无从判断孰是孰非".to_owned(),
            "is of a set in which as many contradict as agree, or the only one of a set most of whose piles would be outside the limit by it, so that \
             nobody can say which are right"
                .to_owned(),
        ],
    }
}

/// Anchors that contradict everything else.
pub(super) fn contradictory(assessment: &Assessment) -> Vec<Remark> {
    let all = &assessment.facts.contradictory_anchors;
    let told = all.iter().take(ALIKE_MAX).map(|anchor| {
        let (zh, en) =
            if anchor.is_used { ("仍予采用", "used all the same") } else { ("未予采用", "left out") };
        let (pile_id, at, [why_zh, why_en]) = (&anchor.pile_id, anchor.at, why(anchor.normalised_error));
        remark(
            "contradictory_anchor",
            format!("桩 {pile_id} {at} 的现场结果{why_zh}，{zh}；请核查"),
            format!("the on-site result of {pile_id} of {at} {why_en}; {en}; look into it"),
        )
    });
    told.chain(rest(
        "contradictory_anchor",
        all.len(),
        ["个现场结果与其余一切矛盾", "on-site results contradict everything else"],
    ))
    .collect()
}

/// How many on-site results nothing was held against.
pub(super) fn unchecked(anchors: usize) -> Option<Remark> {
    (0 < anchors).then(|| {
        remark(
            "anchors_unchecked",
            format!("现场结果太多、无法逐一核对：最准的 {CHECKED_MAX} 个已与其余一切核对，另有 {anchors} 个未经核对仍予采用；请分城市评估"),
            format!(
                "more on-site results than can be held against everything else in so large a network: the {CHECKED_MAX} best were, and {anchors} \
                 are used unchecked; assess a city at a time"
            ),
        )
    })
}

/// Calibrations of reference vehicles that contradict everything else, and how many nothing could be held against.
pub(super) fn contradictory_references(prepared: &Prepared, assessment: &Assessment) -> Vec<Remark> {
    let all = &assessment.facts.contradictory_references;
    let told = all.iter().take(ALIKE_MAX).map(|reference| {
        let (zh, en) =
            if reference.is_used { ("仍予采用", "used all the same") } else { ("未予采用", "left out") };
        let (vehicle, at) = (&prepared.vehicles[reference.vehicle].id, reference.at);
        let (found, [why_zh, why_en]) = (reference.error_percent, why(reference.normalised_error));
        remark(
            "contradictory_reference",
            format!("标准车 {vehicle} {at} 的校准（{found} %）{why_zh}，{zh}；请核查"),
            format!(
                "the calibration of reference vehicle {vehicle} of {at} ({found} %) {why_en}; {en}; look into it"
            ),
        )
    });
    let beyond = assessment.facts.references_beyond;
    let unused = (0 < beyond).then(|| {
        remark(
            "references_beyond",
            format!("标准车多于 {CHECKED_MAX} 辆、无法逐一核对：采用最准的 {CHECKED_MAX} 项校准，其余 {beyond} 项未予采用；请分城市评估"),
            format!(
                "more reference vehicles than can be held against everything else: the {CHECKED_MAX} best calibrations are used, and {beyond} are \
                 not; assess a city at a time"
            ),
        )
    });
    told.chain(rest(
        "contradictory_reference",
        all.len(),
        ["项标准车校准与其余一切矛盾", "calibrations contradict everything else"],
    ))
    .chain(unused)
    .collect()
}

/// Energy balances that contradict everything else, or whose master and registers cannot tell of the same energy.
pub(super) fn contradictory_balances(prepared: &Prepared, assessment: &Assessment) -> Vec<Remark> {
    let all = &assessment.facts.contradictory_balances;
    let told = all.iter().take(ALIKE_MAX).map(|balance| {
        let station = prepared.stations.get(balance.feeder).map_or("", String::as_str);
        let (zh, en) =
            if balance.is_used { ("仍予采用", "used all the same") } else { ("未予采用", "left out") };
        let [why_zh, why_en] = match (balance.energies_kwh, balance.normalised_error, balance.shape) {
            (Some([master, registers]), ..) => [
                format!("有负荷的时段里，总表为 {master:.1} kWh，各桩合计 {registers:.1} kWh，不可能是同一电量"),
                format!(
                    "has {master:.1} kWh by the master in intervals with load and {registers:.1} kWh by its piles, which cannot be the same energy"
                ),
            ],
            (None, None, Some(shape)) => [
                format!("逐桩看与其余一切矛盾（χ² 相当于 {shape:.1} 个标准差）"),
                format!("contradicts everything else pile by pile (χ² as improbable as {shape:.1} standard deviations)"),
            ],
            (None, normalised_error, _) => why(normalised_error),
        };
        remark(
            "contradictory_balance",
            format!(
                "场站 {station} 的电能平衡{why_zh}，{zh}；请核查总表的倍率、单位与时间，以及该站所写的桩是否齐全"
            ),
            format!(
                "the energy balance of station {station} {why_en}; {en}; look into the master's ratio, unit and clock, and whether all its piles are named"
            ),
        )
    });
    told.chain(rest(
        "contradictory_balance",
        all.len(),
        ["个场站的电能平衡与其余一切矛盾", "stations' energy balances contradict everything else"],
    ))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_that_nothing_was_held_against_are_counted() {
        assert_eq!(unchecked(0), None);
        let told = unchecked(7).expect("told").to_string();
        for part in ["200", "另有 7 个未经核对", "7 are used unchecked"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
