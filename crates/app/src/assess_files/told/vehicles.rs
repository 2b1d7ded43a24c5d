//! Vehicles that are none: ids of many, and all alike.
//!
//! Called by [`super::remarks`]. It decides nothing.

use std::collections::BTreeSet;

use veripile_assessment::{Assessment, DoubtedValues, Screened};

use super::{Remark, listed, remark};
use crate::assess_files::Prepared;

/// Ids whose charges overlap at different piles.
pub(super) fn of_many(prepared: &Prepared, assessment: &Assessment) -> Option<Remark> {
    let of_many = assessment.screened.iter().filter(|(_, reason)| *reason == Screened::ManyVehicles);
    let charges: Vec<usize> = of_many.map(|(charge, _)| *charge).collect();
    let id = |charge: &usize| prepared.vehicles[prepared.evidence.charges[*charge].vehicle].id.as_str();
    let (zh, en) = listed(&charges.iter().map(id).collect::<BTreeSet<&str>>())?;
    let count = charges.len();
    Some(remark(
        "vehicle_ids_of_many",
        format!(
            "以下 vehicle_id 的充电屡次在不同的桩上同时进行，一辆车做不到：{zh}；它们的 {count} 次充电未参与比对。\
             若为占位编号或多车共用的卡，请改填各车自己的编号或留空；若各桩时钟有误，请校正"
        ),
        format!(
            "charges with these values of vehicle_id go on at different piles at the same time, again and again, which no vehicle can: {en}; \
             their {count} charges were not compared. If they are placeholders, or cards of several vehicles, give each vehicle's own id or \
             none; if clocks of piles are wrong, set them right"
        ),
    ))
}

/// Ids that overlap as those of many do, in a file in which that tells nothing.
pub(super) fn overlapping(assessment: &Assessment) -> Option<Remark> {
    let ids = assessment.facts.overlapping;
    (0 < ids).then(|| {
        remark(
            "vehicle_ids_overlap",
            format!(
                "有 {ids} 个 vehicle_id 的充电屡次在不同的桩上同时进行，一辆车做不到；但各车普遍如此（或所占充电过多），不能据此认定其为多车共用，\
                 仍参与比对。请核实充电起止时间与车辆编号"
            ),
            format!(
                "charges with {ids} values of vehicle_id go on at different piles at the same time, again and again, which no vehicle can; but \
                 vehicles here do so in general, or too many charges are of them, so that it does not tell that these ids are of many: they were \
                 compared. Check when charges began and ended, and whose they are"
            ),
        )
    })
}

/// Vehicles' values of which none shows which vehicle it is, at any pile.
pub(super) fn alike(doubted: &[&DoubtedValues]) -> Option<Remark> {
    let (first, piles) = (doubted.first()?, doubted.len());
    let (share, p) = (first.share_percent, first.p_value);
    let is_relayed = doubted.iter().any(|doubted| 0 < doubted.relayed);
    let (of_zh, of_en) = if is_relayed {
        ("各桩转报或未写明来源", "that piles relay, or of which nobody says how they came,")
    } else {
        ("未写明来源（vehicle_path）", "of which nobody says how they came (vehicle_path)")
    };
    Some(remark(
        "vehicles_alike",
        format!(
            "{of_zh}的车辆侧电量中，车辆彼此几无差异（只有一般车辆间差异的 {share:.0} %，p = {p:.1e}）：真实车辆做不到，多半由桩的电量算得；\
             {piles} 个桩不判为合格。请核实车辆侧电量的来源"
        ),
        format!(
            "in vehicles' energies {of_en} vehicles hardly differ from each other (by {share:.0} % of what vehicles differ by, p = {p:.1e}), as no \
             vehicles do: they are probably computed from the piles' own. {piles} piles are not held to conform; find out where these values \
             come from"
        ),
    ))
}
