//! Vehicles that are none: ids of many.
//!
//! Called by [`super::remarks`]. It decides nothing.

use std::collections::BTreeSet;

use veripile_assessment::{Assessment, Screened};

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
