//! What a registration tells of places that look wrong, and of what a list says is not to be shown or is no more.
//!
//! Called by `register`, after all is written. It only tells: nothing is decided here.

use std::collections::HashSet;

use anyhow::Result;
use veripile_pile::{OperatorId, PileId, PlaceDoubt, StationId};

/// Stations and piles named where some are left out; of more the list itself tells.
const NAMED_MAX: usize = 100;

/// Tells what looks wrong with places: how many there are of each kind, and the first.
pub(super) fn tell(doubts: &[(String, PlaceDoubt)]) -> Result<()> {
    for kind in PlaceDoubt::ALL {
        let mut ids = doubts.iter().filter(|(_, doubt)| *doubt == kind).map(|(id, _)| id.as_str());
        if let Some(first) = ids.next() {
            crate::say(&format!("doubtful places, {}: {}, the first {first}", kind.code(), 1 + ids.count()))?;
        }
    }
    Ok(())
}

/// Tells which stations were left out since they are not for the public, and which of them are here all the same, from before.
pub(super) fn tell_private(private: &[(StationId, OperatorId)], public_still: &[StationId]) -> Result<()> {
    if !private.is_empty() {
        let ids: Vec<&str> = private.iter().map(|(station_id, _)| station_id.as_str()).collect();
        crate::say(&format!(
            "not imported, since they are not to be shown publicly (publish is false), {}",
            named(&ids)
        ))?;
    }
    if !public_still.is_empty() {
        let ids: Vec<&str> = public_still.iter().map(StationId::as_str).collect();
        crate::say(&format!(
            "of these registered before, left as they are and public still, {}",
            named(&ids)
        ))?;
    }
    Ok(())
}

/// Tells which piles a list says to be removed, which of them stand at their stations all the same, and what takes them away.
pub(super) fn tell_removed(removed: &[(PileId, StationId)], still: &HashSet<String>) -> Result<()> {
    let ids: Vec<&str> = removed.iter().map(|(pile_id, _)| pile_id.as_str()).collect();
    if !ids.is_empty() {
        crate::say(&format!("not imported, since they are REMOVED, {}", named(&ids)))?;
    }
    let ids: Vec<&str> = ids.into_iter().filter(|id| still.contains(*id)).collect();
    if !ids.is_empty() {
        crate::say(&format!(
            "of these registered before, left as they are and public still, {}; a table of piles with pile_id, kind, accuracy_class and \
             with nothing in station_id, lon and lat takes them from their stations",
            named(&ids)
        ))?;
    }
    Ok(())
}

/// How many there are, and the first by name.
fn named(ids: &[&str]) -> String {
    let more = if NAMED_MAX < ids.len() { ", …" } else { "" };
    format!("{}: {}{more}", ids.len(), ids[..ids.len().min(NAMED_MAX)].join(", "))
}
