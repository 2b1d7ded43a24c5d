//! What was found of documents, kept for a while: the check computes the uncertainty anew by Monte Carlo, which takes a second of a
//! processor for a large plan, and a signed file never changes.
//!
//! Held for [`super::page`]. What a document is worth today (withdrawn, superseded, in question, over) is no part of it and never kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::error::BlockingError;
use actix_web::web;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use veripile_verification::certificate::PublicKey;
use veripile_verification::certificate::check::{self, Checked};

/// Documents of which it is kept: a megabyte, and more than are opened in a day. Of more the oldest go.
const KEPT_MAX: usize = 1_000;

/// Filled by the first who asks; others wait for it.
type Kept = Arc<OnceCell<Arc<Checked>>>;

/// What was found of files, by file and keys.
#[derive(Debug, Default)]
pub struct Checks(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    by_name: HashMap<[u8; 32], Kept>,
    oldest_first: VecDeque<[u8; 32]>,
}

impl Checks {
    /// What the check of a file against these keys finds, but for the document itself. It is made where nobody else's request waits.
    pub(crate) async fn of(&self, text: &str, keys: Vec<PublicKey>) -> Result<Arc<Checked>, BlockingError> {
        let kept = self.kept(name(text, &keys));
        let made = kept.get_or_try_init(|| {
            let text = text.to_owned();
            web::block(move || Arc::new(Checked { certificate: None, ..check::check(&text, &keys) }))
        });
        made.await.cloned()
    }

    fn kept(&self, name: [u8; 32]) -> Kept {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = shelf.by_name.get(&name) {
            return Arc::clone(kept);
        }
        if KEPT_MAX <= shelf.oldest_first.len()
            && let Some(oldest) = shelf.oldest_first.pop_front()
        {
            shelf.by_name.remove(&oldest);
        }
        shelf.oldest_first.push_back(name);
        Arc::clone(shelf.by_name.entry(name).or_default())
    }
}

/// SHA-256 of the file's SHA-256 and the keys.
fn name(text: &str, keys: &[PublicKey]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(text.as_bytes()));
    for key in keys {
        hash.update(key.bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use veripile_verification::certificate::SigningKey;

    use super::*;
    use crate::ver::fixture;

    #[tokio::test]
    async fn a_file_is_checked_once_against_the_same_keys_and_few_are_kept() {
        let issued = fixture::issued(fixture::order(), 0);
        let (key, other) = (fixture::key().public(), SigningKey::from_seed([8; 32]).public());
        let checks = Checks::default();
        let of = async |text: &str, keys: &[PublicKey]| {
            checks.of(text, keys.to_vec()).await.expect("nothing gives up")
        };
        let ours = [key];
        let (first, beside) = futures_util::join!(of(&issued.json, &ours), of(&issued.json, &ours));
        assert!(first.is_good() && Arc::ptr_eq(&first, &beside), "two who ask at once");
        assert!(Arc::ptr_eq(&first, &of(&issued.json, &ours).await), "who asks later");
        assert!(!of(&issued.json, &[other]).await.is_good(), "other keys");
        assert!(of(&issued.json, &[other, key]).await.is_good(), "more keys");
        let spoiled = issued.json.replacen("VP2026-000001", "VP2026-000002", 1);
        assert!(!of(&spoiled, &ours).await.is_good(), "another file");
        for n in 0..KEPT_MAX {
            of(&n.to_string(), &[]).await;
        }
        let kept = || {
            let shelf = checks.0.lock().expect("nobody gave up");
            (shelf.by_name.len(), shelf.oldest_first.len())
        };
        assert_eq!(kept(), (KEPT_MAX, KEPT_MAX));
        let again = of(&issued.json, &ours).await;
        assert!(again.is_good() && !Arc::ptr_eq(&first, &again), "it was kept no longer");
    }
}
