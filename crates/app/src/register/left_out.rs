//! What a registration tells of columns that it does not know, of places that look wrong, of what a list says is not to be shown or is no
//! more, and of plugs that it left out.
//!
//! Called by `register`, after all is written. It only tells: nothing is decided here.

use std::collections::HashSet;

use anyhow::Result;
use veripile_pile::{ConnectorType, OperatorId, Pile, PileId, PlaceDoubt, StationId};
use veripile_store::Removed;

use crate::table::Unread;

/// Stations and piles named where some are left out; of more the list itself tells.
const NAMED_MAX: usize = 100;

/// Tells which columns of which files say nothing here: exports have more, and a name may be misspelt.
pub(super) fn tell_unread(unread: &Unread) -> Result<()> {
    for (file, columns) in unread.files() {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        crate::say(&format!(
            "{}: columns that are not known here and were ignored, {}",
            file.display(),
            named(&columns)
        ))?;
    }
    Ok(())
}

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

/// Tells which piles have no place: neither one of their own nor a station.
pub(super) fn tell_placeless(piles: &[Pile]) -> Result<()> {
    let placeless = piles.iter().filter(|pile| pile.place.is_none());
    let ids: Vec<&str> = placeless.map(|pile| pile.pile_id.as_str()).collect();
    if !ids.is_empty() {
        crate::say(&format!(
            "on no map, since neither they nor a station of theirs has a place, {}",
            named(&ids)
        ))?;
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

/// Tells which plugs were left out since their standards are none that we know, each with its pile.
pub(super) fn tell_unknown_plugs(plugs: &[(PileId, String)]) -> Result<()> {
    if !plugs.is_empty() {
        let named: Vec<String> = plugs.iter().map(|(pile_id, word)| format!("{pile_id} ({word})")).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        crate::say(&format!(
            "connectors not imported, since their standard is none of {}, {}",
            ConnectorType::words(),
            self::named(&named)
        ))?;
    }
    Ok(())
}

/// Tells which piles a list says to be removed: those that left their stations by that, those that stood there and stay, and those that were
/// not there.
pub(super) fn tell_removed(
    removed: &[Removed],
    standing: &HashSet<String>,
    gone: &HashSet<String>,
) -> Result<()> {
    let left = ids(removed, |id| gone.contains(id));
    let stayed = ids(removed, |id| !gone.contains(id) && standing.contains(id));
    let absent = ids(removed, |id| !gone.contains(id) && !standing.contains(id));
    for (ids, what) in [
        (left, "taken from their stations and places, since the list says REMOVED of them"),
        (
            stayed,
            "left where they stand, though the list says REMOVED of them, since they have an open case or are another operator's",
        ),
        (absent, "not imported, since they are REMOVED"),
    ] {
        if !ids.is_empty() {
            crate::say(&format!("{what}, {}", named(&ids)))?;
        }
    }
    Ok(())
}

fn ids(removed: &[Removed], is_it: impl Fn(&str) -> bool) -> Vec<&str> {
    removed.iter().map(|one| one.pile_id.as_str()).filter(|id| is_it(id)).collect()
}

/// How many there are, and the first by name.
fn named(ids: &[&str]) -> String {
    let more = if NAMED_MAX < ids.len() { ", …" } else { "" };
    format!("{}: {}{more}", ids.len(), ids[..ids.len().min(NAMED_MAX)].join(", "))
}
