//! What is decided of a pile from afar: its estimate with value, uncertainty, limit, rule and verdict.
//!
//! Called by [`super::assess`]. It knows of one pile's estimate alone, or of a set's; what else keeps a pile from a verdict is the caller's.

use jiff::Timestamp;
use veripile_metrology::comparison::{Fit, InstrumentEstimate};
use veripile_metrology::decision::{Decision, Zone, decide_from_comparisons};
use veripile_pile::{Estimate, RemoteVerdict};

use crate::levels::Part;

/// Comparisons from which a verdict is given; with fewer the pile is undecided, whatever the numbers.
///
/// The posterior of fewer comparisons with t₄ noise has tails far beyond those that the decision rule presumes: two
/// bad vehicle readings would make a pile nonconform.
const DECIDED_FROM: usize = 10;

/// What a rule says of a pile behind a master meter, in the place of how many charges it takes: the energy balance speaks of it by itself, and is no
/// mean of a few t₄ values.
pub const BY_BALANCE: &str = "with an energy balance, from any number of charges";

/// Whether most piles of a connected set, or of one community of it, are nonconform by the level that it has.
pub(super) fn accuses_most(
    fit: &Fit,
    (component, community): Part,
    places: &[Option<usize>],
    limits: &[(f64, String)],
) -> bool {
    let of_set = places.iter().zip(limits).filter_map(|(at, (limit, _))| {
        let found = &fit.instruments[(*at)?];
        let is_asked = found.component == component && (community.is_none() || community == found.community);
        let decision = is_asked.then(|| decision(found, *limit))??;
        Some(decision.zone == Zone::Nonconform)
    });
    let (accused, all) = of_set.fold((0, 0), |(accused, all), is| (accused + usize::from(is), all + 1));
    all < 2 * accused
}

/// What is decided of a pile from afar; none where its error is not known.
///
/// The tails of an estimate are those of its comparisons; of a balance they are no heavier than those of the fewest that decide.
fn decision(found: &InstrumentEstimate, limit: f64) -> Option<Decision> {
    // An anchor alone is a fact about its day, not an estimate from afar.
    let (error, u) = relative(found).filter(|_| found.grounded)?;
    Some(decide_from_comparisons(error, u, limit, found.comparisons.max(DECIDED_FROM)))
}

/// Relative error and its standard uncertainty.
pub(super) fn relative(found: &InstrumentEstimate) -> Option<(f64, f64)> {
    found.error.map(|(log, u)| (libm::expm1(log), u * libm::exp(log)))
}

pub(super) fn estimate(
    as_of: Timestamp,
    found: &InstrumentEstimate,
    period: Option<(Timestamp, Timestamp)>,
    limit: f64,
    rule_set: String,
) -> Estimate {
    let relative = relative(found);
    let decision = decision(found, limit);
    let verdict = match decision.as_ref().map(|decision| decision.zone) {
        Some(_) if found.comparisons < DECIDED_FROM && !found.is_balanced => RemoteVerdict::Undecided,
        Some(Zone::Conform) => RemoteVerdict::Conform,
        Some(Zone::Nonconform) => RemoteVerdict::Nonconform,
        Some(Zone::Undecided) => RemoteVerdict::Undecided,
        None => RemoteVerdict::NotComparable,
    };
    let rule = match &decision {
        Some(decision) if found.is_balanced => format!("{rule_set}; {}, {BY_BALANCE}", decision.rule),
        Some(decision) => format!("{rule_set}; {}, from {DECIDED_FROM} charges", decision.rule),
        None => rule_set,
    };
    Estimate {
        as_of,
        component: u32::try_from(found.component).unwrap_or(u32::MAX),
        grounded: found.grounded,
        charges: u32::try_from(found.comparisons).unwrap_or(u32::MAX),
        period,
        error: relative.map(|(error, _)| error),
        standard_uncertainty: relative.map(|(_, u)| u),
        probability_conform: decision.map(|decision| decision.probability_conform),
        limit,
        rule,
        verdict,
    }
}
