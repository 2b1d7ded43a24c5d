//! Which stations or tariffs changed, kept while a party reads them page by page: finding them takes a look at every pile, or price, a page
//! only at its own.
//!
//! Used by [`super::locations`] and [`super::tariffs`]. So the pages of one reading are parts of one list, with one total, whatever changes
//! meanwhile: that is found by the next reading. What is told of a station or tariff is never kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use veripile_store::StoreError;

use super::page::Query;

/// Readings kept; a country's has 100,000 identifiers, some 5 MB, and of tariffs as many times as stations have lists (13 at most). Of more,
/// the one that waits longest goes, and is looked up anew.
const KEPT_MAX: usize = 8;

/// Who asks for no further page within this time has ended, or begins anew.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Longest reading: a thousand pages at a page every four seconds.
const AGE_MAX: Duration = Duration::from_secs(4_000);

/// Of what it is, whose, and of which time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) list: &'static str,
    pub(super) party: String,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

/// Readings under way.
#[derive(Debug, Default)]
pub struct Readings(Mutex<Vec<Reading>>);

#[derive(Debug)]
struct Reading {
    name: Name,
    ids: Arc<[String]>,
    began: Instant,
    asked: Instant,
}

impl Readings {
    /// What stands on a page of a reading, and how many things are on all of them. They are looked for with the first page, and kept for the
    /// others.
    pub(super) async fn page(
        &self,
        name: Name,
        query: &Query,
        looked_for: impl Future<Output = Result<Vec<String>, StoreError>>,
    ) -> Result<(Vec<String>, u64), StoreError> {
        let going_on = if query.offset == 0 { None } else { self.going_on(&name, Instant::now()) };
        let ids = if let Some(ids) = going_on {
            ids
        } else {
            let ids: Arc<[String]> = looked_for.await?.into();
            self.keep(name, Arc::clone(&ids), Instant::now());
            ids
        };
        let first = usize::try_from(query.offset).unwrap_or(usize::MAX).min(ids.len());
        let end = first.saturating_add(query.limit as usize).min(ids.len());
        Ok((ids[first..end].to_vec(), ids.len() as u64))
    }

    /// What is on the pages of a reading that goes on.
    fn going_on(&self, name: &Name, now: Instant) -> Option<Arc<[String]>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| {
            now.duration_since(one.asked) < PAUSE_MAX && now.duration_since(one.began) < AGE_MAX
        });
        let one = kept.iter_mut().find(|one| one.name == *name)?;
        one.asked = now;
        Some(Arc::clone(&one.ids))
    }

    /// Keeps what a reading that begins has found.
    fn keep(&self, name: Name, ids: Arc<[String]>, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|one| one.name != name);
        if KEPT_MAX <= kept.len()
            && let Some(oldest) = (0..kept.len()).min_by_key(|at| kept[*at].asked)
        {
            kept.swap_remove(oldest);
        }
        kept.push(Reading { name, ids, began: now, asked: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_kept_while_it_goes_on_and_few_are() {
        let readings = Readings::default();
        let name = |party: &str| {
            let (party, from) = (party.to_owned(), Some(Timestamp::UNIX_EPOCH));
            Name { list: "locations", party, from, to: None }
        };
        let ids = |id: &str| -> Arc<[String]> { Arc::from([id.to_owned()]) };
        let began = Instant::now();
        let after = |s: u64| began + Duration::from_secs(s);
        readings.keep(name("a"), ids("S1"), began);
        assert_eq!(readings.going_on(&name("a"), after(299)), Some(ids("S1")));
        assert_eq!(readings.going_on(&name("b"), after(299)), None, "another party's");
        assert_eq!(
            readings.going_on(&Name { to: name("a").from, ..name("a") }, after(299)),
            None,
            "of another time"
        );
        assert_eq!(
            readings.going_on(&Name { list: "tariffs", ..name("a") }, after(299)),
            None,
            "of another list"
        );
        readings.keep(name("a"), ids("S2"), after(300));
        assert_eq!(readings.going_on(&name("a"), after(300)), Some(ids("S2")), "begun anew");
        assert_eq!(readings.going_on(&name("a"), after(600)), None, "after a pause");
        // However often it is asked for, it ends.
        readings.keep(name("a"), ids("S1"), began);
        for s in (200..4_000).step_by(200) {
            assert!(readings.going_on(&name("a"), after(s)).is_some(), "{s}");
        }
        assert_eq!(readings.going_on(&name("a"), after(4_000)), None);
        for n in 0..=KEPT_MAX {
            readings.keep(name(&n.to_string()), ids("S1"), after(4_000 + n as u64));
        }
        let kept = |n: usize| readings.going_on(&name(&n.to_string()), after(4_100)).is_some();
        assert!(!kept(0) && (1..=KEPT_MAX).all(kept));
    }
}
