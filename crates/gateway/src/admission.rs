//! Admission: whether a client is the pile whose identity it names, by the security profile asked of that pile.
//!
//! Called by [`crate::handshake`]. Profiles are OCPP's: 0 nothing, 1 Basic, 2 Basic over TLS, 3 a client certificate whose
//! common name is the identity. A pile's own profile counts where it is stricter than the server's least.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use veripile_ocpp::IdentityKey;
use veripile_ocpp::credential::Basic;
use veripile_pile::PileId;
use veripile_store::Access;

use crate::refused::Refused;

/// Attempts of one identity from one address in [`WINDOW`]; a charger with back-off makes a few, one without some thirty.
const ATTEMPTS_MAX: u32 = 60;

/// What the limit counts over.
const WINDOW: Duration = Duration::from_secs(60);

/// Clients remembered; beyond it all are counted anew.
const CLIENTS_MAX: usize = 100_000;

/// What TLS told of a client. Put beside the connection by whoever terminates TLS (`app`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPeer {
    /// Common name of its certificate, if it showed one that a trusted authority signed.
    pub common_name: Option<String>,
}

/// What a client shows of itself.
pub(crate) struct Shown {
    pub(crate) tls: Option<TlsPeer>,
    pub(crate) basic: Option<Basic>,
}

/// How a client was found to be the pile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It need not prove anything.
    None,
    /// By the pile's key.
    Key,
    /// By a key before it, while the charger has not come with the newest one.
    PreviousKey,
    /// By its certificate.
    Certificate,
}

/// Judges what a client shows. `least_profile` is the server's.
pub(crate) fn judge(
    pile_id: &PileId,
    access: &Access,
    least_profile: i16,
    shown: &Shown,
    verified: &Verified,
    key: &IdentityKey,
) -> Result<Proof, Refused> {
    let profile = access.security_profile.unwrap_or(least_profile).max(least_profile);
    match profile {
        ..=0 => Ok(Proof::None),
        2.. if shown.tls.is_none() => Err(Refused::NoTls),
        3.. => {
            let name = shown.tls.as_ref().and_then(|tls| tls.common_name.as_deref());
            if name == Some(pile_id.as_str()) { Ok(Proof::Certificate) } else { Err(Refused::Certificate) }
        }
        1 | 2 => by_key(pile_id, access, shown.basic.as_ref(), verified, key),
    }
}

fn by_key(
    pile_id: &PileId,
    access: &Access,
    basic: Option<&Basic>,
    verified: &Verified,
    key: &IdentityKey,
) -> Result<Proof, Refused> {
    let current = access.key_hash.as_deref().ok_or(Refused::NoKeyMade)?;
    let basic = basic.ok_or(Refused::NoCredentials)?;
    if basic.user != pile_id.as_str() {
        return Err(Refused::WrongUser);
    }
    let previous = access.previous_hashes.iter().map(|hash| (hash.as_str(), Proof::PreviousKey));
    let mut hashes = std::iter::once((current, Proof::Key)).chain(previous);
    let found = hashes.find(|(hash, _)| verified.is_key_of(basic, hash, key));
    found.map(|(_, proof)| proof).ok_or(Refused::WrongKey)
}

/// Keys that were found right before, by a keyed digest: a storm of reconnections computes no hash twice.
#[derive(Default)]
pub(crate) struct Verified(Mutex<HashMap<String, [u8; 32]>>);

impl Verified {
    fn is_key_of(&self, basic: &Basic, hash: &str, key: &IdentityKey) -> bool {
        let digest = key.mac(&[b"verified", &basic.password]);
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known().get(hash) == Some(&digest) {
            return true;
        }
        if !basic.is_key_of(hash) {
            return false;
        }
        let mut known = known();
        if known.len() >= CLIENTS_MAX {
            known.clear();
        }
        known.insert(hash.to_owned(), digest);
        true
    }
}

/// Counts attempts of each client.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<(String, String), (Instant, u32)>>);

impl Throttle {
    /// Counts an attempt; an error if there were too many.
    pub(crate) fn count(&self, identity: &str, address: &str, now: Instant) -> Result<(), Refused> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        let entry = clients.entry((identity.to_owned(), address.to_owned())).or_insert((now, 0));
        if now.duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
        if entry.1 > ATTEMPTS_MAX { Err(Refused::TooOften) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use veripile_ocpp::credential;

    use super::*;

    #[test]
    fn each_profile_asks_for_its_own_proof() {
        let pile = PileId::parse("CP").expect("an identity");
        let hashed = |key: &str| Some(credential::hash(key, [1; 16]));
        let basic =
            |user: &str, key: &str| Basic { user: user.to_owned(), password: key.as_bytes().to_vec() };
        let tls = |name: Option<&str>| Some(TlsPeer { common_name: name.map(str::to_owned) });
        let (verified, secret) = (Verified::default(), IdentityKey::new([1; 32]));
        let check =
            |profile, least, hash: &Option<String>, tls: Option<TlsPeer>, basic: Option<Basic>, expected| {
                let access = Access {
                    security_profile: profile,
                    key_hash: hash.clone(),
                    previous_hashes: hash.iter().filter_map(|_| hashed("before")).collect(),
                    upstream_url: None,
                };
                let shown = Shown { tls, basic };
                for _ in 0..2 {
                    let found = judge(&pile, &access, least, &shown, &verified, &secret);
                    assert_eq!(found, expected, "profile {profile:?}, least {least}");
                }
            };
        let key = hashed("right");
        let right = || Some(basic("CP", "right"));
        check(None, 0, &None, None, None, Ok(Proof::None));
        check(Some(0), 1, &key, None, None, Err(Refused::NoCredentials));
        check(None, 1, &None, None, right(), Err(Refused::NoKeyMade));
        check(Some(1), 0, &key, None, right(), Ok(Proof::Key));
        check(Some(1), 0, &key, None, Some(basic("CP", "before")), Ok(Proof::PreviousKey));
        check(Some(1), 0, &key, None, Some(basic("CP", "wrong")), Err(Refused::WrongKey));
        check(Some(1), 0, &key, None, Some(basic("Other", "right")), Err(Refused::WrongUser));
        check(Some(2), 1, &key, None, right(), Err(Refused::NoTls));
        check(Some(2), 1, &key, tls(None), right(), Ok(Proof::Key));
        check(Some(3), 1, &key, tls(None), right(), Err(Refused::Certificate));
        check(Some(3), 1, &key, tls(Some("Other")), right(), Err(Refused::Certificate));
        check(Some(3), 1, &None, tls(Some("CP")), None, Ok(Proof::Certificate));
        check(Some(3), 1, &None, None, None, Err(Refused::NoTls));
    }

    #[test]
    fn a_client_that_tries_too_often_waits_and_others_do_not() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..ATTEMPTS_MAX {
            assert_eq!(throttle.count("CP", "1", start), Ok(()));
        }
        assert_eq!(throttle.count("CP", "1", start), Err(Refused::TooOften));
        assert_eq!(throttle.count("CP", "2", start), Ok(()));
        assert_eq!(throttle.count("other", "1", start), Ok(()));
        assert_eq!(throttle.count("CP", "1", start + WINDOW), Ok(()));
    }
}
