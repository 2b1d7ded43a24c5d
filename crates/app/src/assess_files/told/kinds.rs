//! Piles of one kind whose level rests on results of the other kind alone: whether vehicles read alike on AC and on DC nothing tells.
//!
//! Called by [`super::remarks`]. It decides nothing, and moves no estimate.

use std::collections::BTreeSet;

use jiff::Timestamp;
use veripile_assessment::Assessment;
use veripile_pile::{PileId, PileKind};

use super::{Remark, remark};
use crate::assess_files::Prepared;

/// What rests on the other kind, if anything does. A reference vehicle speaks of whatever it charges at.
pub(super) fn of_other_kind(prepared: &Prepared, assessment: &Assessment) -> Option<Remark> {
    let evidence = &prepared.evidence;
    if !evidence.references.is_empty() {
        return None;
    }
    let kind = |pile: usize| evidence.piles[pile].kind;
    let out = assessment.facts.contradictory_anchors.iter().filter(|anchor| !anchor.is_used);
    let left_out: BTreeSet<(&PileId, Timestamp)> = out.map(|anchor| (&anchor.pile_id, anchor.at)).collect();
    let used = evidence.anchors.iter().filter(|anchor| {
        anchor.at <= evidence.as_of && !left_out.contains(&(&evidence.piles[anchor.pile].pile_id, anchor.at))
    });
    // Of an efficiency that is presumed of all piles a master tells no level.
    let balanced = evidence.feeders.iter().flat_map(|timed| &timed.feeder.instruments);
    let balanced = balanced.filter(|instrument| instrument.efficiency_common == 0.0).map(|at| at.index);
    let speaking: Vec<Option<PileKind>> = used.map(|anchor| anchor.pile).chain(balanced).map(kind).collect();
    let count = |wanted: PileKind| {
        let grounded = assessment.estimates.iter().zip(&evidence.piles);
        grounded.filter(|((_, estimate), pile)| estimate.grounded && pile.kind == Some(wanted)).count()
    };
    let rests = |wanted: PileKind, other: PileKind| {
        let speaks = |kind: PileKind| speaking.contains(&Some(kind));
        (speaks(other) && !speaks(wanted) && !speaking.contains(&None)).then(|| count(wanted))
    };
    let (piles, [zh, en], [other_zh, other_en]) = [
        (rests(PileKind::Ac, PileKind::Dc), ["交流", "AC"], ["直流", "DC"]),
        (rests(PileKind::Dc, PileKind::Ac), ["直流", "DC"], ["交流", "AC"]),
    ]
    .into_iter()
    .find_map(|(piles, own, other)| Some((piles.filter(|piles| 0 < *piles)?, own, other)))?;
    Some(remark(
        "level_of_other_kind",
        format!(
            "{piles} 个{zh}桩的水平只来自{other_zh}桩的现场结果：若车辆在交流与直流充电时报数的口径不同（例如车载充电机之前或之后），其误差整体偏移；请给出一两个{zh}桩的现场结果"
        ),
        format!(
            "what gives the {piles} {en} piles a level are results of {other_en} piles alone: if vehicles do not read alike on both (before or behind \
             the on-board charger, say), the errors are off by that; give on-site results of one or two {en} piles"
        ),
    ))
}
