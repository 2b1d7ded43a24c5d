//! Something made of the whole database, kept until it is old: the map's atlas, an edition of the dumps.
//!
//! Used by [`crate::tiles`] and [`crate::dumps`]. It is made when somebody asks, never by two at once, and on a runtime where no requests
//! are answered; while a newer one is being made the last one does.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use veripile_store::StoreError;

use crate::problem::Problem;

/// It is kept for this many times as long as it took to make, at least: a nation's takes no more than a twentieth of a processor.
const REST: u32 = 20;

/// For so many times as long, at least, it does while a newer one is being made: where somebody asks all the time nobody ever waits.
const SHOWN: u32 = 2 * REST;

/// How long a request waits for the first one: less than proxies do.
const WAIT: Duration = Duration::from_secs(20);

/// The newest, and whose turn it is to make a newer one.
pub(crate) struct Fresh<T> {
    newest: RwLock<Option<Arc<Made<T>>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    runtime: Handle,
    limits: Limits,
}

/// How old it may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From this age on a newer one is made when somebody asks.
    pub(crate) fresh: Duration,
    /// From this age on who asks waits for it: after a quiet night. Never before [`SHOWN`].
    pub(crate) stale: Duration,
}

struct Made<T> {
    began: Instant,
    took: Duration,
    what: Arc<T>,
}

impl<T: Send + Sync + 'static> Fresh<T> {
    /// Nothing yet.
    pub(crate) fn new(runtime: Handle, limits: Limits) -> Self {
        Self { newest: RwLock::default(), turn: Arc::default(), runtime, limits }
    }

    /// What there is, if it is not too old; else what `make` makes.
    pub(crate) async fn get<F>(self: &Arc<Self>, make: impl FnOnce() -> F) -> Result<Arc<T>, Problem>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let made = self.within(WAIT, make).await?;
        made.ok_or_else(|| Problem::unavailable("this is being made of all piles; try again in a minute"))
    }

    /// The same for who can do with an older one, or with none, where making takes longer than `wait`; it goes on all the same.
    pub(crate) async fn soon<F>(
        self: &Arc<Self>,
        wait: Duration,
        make: impl FnOnce() -> F,
    ) -> Result<Option<Arc<T>>, Problem>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let made = self.within(wait, make).await?;
        Ok(made.or_else(|| Some(Arc::clone(&self.newest()?.what))))
    }

    /// Begins to make the first one, and waits for nothing.
    pub(crate) fn begin<F>(self: &Arc<Self>, make: impl FnOnce() -> F)
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        if self.newest().is_none()
            && let Ok(turn) = Arc::clone(&self.turn).try_lock_owned()
        {
            self.runtime.spawn(Arc::clone(self).make(make(), turn));
        }
    }

    async fn within<F>(
        self: &Arc<Self>,
        wait: Duration,
        make: impl FnOnce() -> F,
    ) -> Result<Option<Arc<T>>, Problem>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        match self.newest() {
            Some(made) if made.is_within(self.limits.fresh, REST) => return Ok(Some(Arc::clone(&made.what))),
            Some(made) if made.is_within(self.limits.stale, SHOWN) => {
                if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
                    self.runtime.spawn(Arc::clone(self).make(make(), turn));
                }
                return Ok(Some(Arc::clone(&made.what)));
            }
            _ => {}
        }
        let waited = tokio::time::timeout(wait, async {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            match self.newest().filter(|made| made.is_within(self.limits.fresh, REST)) {
                Some(made) => Ok(Ok(Arc::clone(&made.what))),
                None => self.runtime.spawn(Arc::clone(self).make(make(), turn)).await,
            }
        });
        match waited.await {
            Ok(Ok(made)) => Ok(Some(made?)),
            Ok(Err(error)) => {
                tracing::error!(%error, "what is made of the whole database could not be made");
                Err(Problem::unavailable("this cannot be made now; try again in a minute"))
            }
            Err(_) => Ok(None),
        }
    }

    async fn make(
        self: Arc<Self>,
        making: impl Future<Output = Result<T, StoreError>>,
        _turn: tokio::sync::OwnedMutexGuard<()>,
    ) -> Result<Arc<T>, StoreError> {
        let began = Instant::now();
        let what =
            making.await.map(Arc::new).inspect_err(|error| tracing::error!(%error, "not made anew"))?;
        let made = Made { began, took: began.elapsed(), what: Arc::clone(&what) };
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(made));
        Ok(what)
    }

    fn newest(&self) -> Option<Arc<Made<T>>> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Made<T> {
    /// Whether it is younger than this, or than so many times what it took.
    fn is_within(&self, age: Duration, times: u32) -> bool {
        self.began.elapsed() < age.max(times * self.took)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    static MADE: AtomicU32 = AtomicU32::new(0);

    async fn next() -> Result<u32, StoreError> {
        tokio::task::yield_now().await;
        Ok(MADE.fetch_add(1, Ordering::SeqCst))
    }

    fn fresh<T: Send + Sync + 'static>(fresh: Duration, stale: Duration) -> Arc<Fresh<T>> {
        Arc::new(Fresh::new(Handle::current(), Limits { fresh, stale }))
    }

    #[tokio::test]
    async fn it_is_made_once_and_anew_when_it_is_old() {
        let long = Duration::from_secs(3600);
        let kept = fresh(long, long);
        let (one, two) = futures_util::join!(kept.get(next), kept.get(next));
        assert_eq!(
            (*one.expect("made"), *two.expect("the same")),
            (0, 0),
            "two who ask at once get the same"
        );
        // Old at once, yet not stale: the last is given while the next is made.
        let aging = fresh(Duration::ZERO, long);
        let slow = |ms| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(ms)
        };
        assert_eq!(*aging.get(|| slow(0)).await.expect("made"), 0);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(*aging.get(|| slow(1)).await.expect("the last"), 0);
        while *aging.newest().expect("there").what == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let failing = || async { Err(StoreError::Unknown("it".to_owned())) };
        let none: Arc<Fresh<u32>> = fresh(long, long);
        assert_eq!(none.get(failing).await.expect_err("fails").status, 503);
        assert_eq!(*none.get(|| async { Ok(7) }).await.expect("tried again"), 7);
    }

    #[tokio::test]
    async fn the_first_one_can_be_begun_before_somebody_waits_for_it() {
        let long = Duration::from_secs(3600);
        let kept: Arc<Fresh<u32>> = fresh(long, long);
        let slow = |what: u32| {
            move || async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(what)
            }
        };
        kept.begin(slow(1));
        assert!(kept.newest().is_none(), "it did not wait");
        tokio::task::yield_now().await;
        assert_eq!(*kept.get(slow(2)).await.expect("made"), 1, "the one that was begun");
        kept.begin(slow(3));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(*kept.get(slow(4)).await.expect("kept"), 1, "there is one");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_newer_one_where_somebody_asks_all_the_time() {
        let kept = fresh(Duration::ZERO, Duration::ZERO);
        let slow = |what: u32, ms: u64| {
            move || async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(what)
            }
        };
        assert_eq!(*kept.get(slow(1, 50)).await.expect("made"), 1);
        while kept.newest().expect("there").is_within(Duration::ZERO, REST) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let began = Instant::now();
        assert_eq!(*kept.get(slow(2, 600)).await.expect("the last"), 1);
        assert!(began.elapsed() < Duration::from_millis(300), "it did not wait");
        while *kept.newest().expect("there").what == 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // After a quiet time who asks waits.
        let quick = fresh(Duration::ZERO, Duration::ZERO);
        assert_eq!(*quick.get(slow(3, 0)).await.expect("made"), 3);
        while quick.newest().expect("there").is_within(Duration::ZERO, SHOWN) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(*quick.get(slow(4, 0)).await.expect("made anew"), 4);
    }

    #[tokio::test]
    async fn who_cannot_wait_gets_an_older_one_or_none_and_it_is_made_all_the_same() {
        let old = fresh(Duration::ZERO, Duration::ZERO);
        let (told, asked) = tokio::sync::watch::channel(0);
        let make = |what: u32| {
            let mut asked = asked.clone();
            move || async move {
                asked.wait_for(|allowed| what <= *allowed).await.expect("somebody tells");
                Ok(what)
            }
        };
        let wait = Duration::from_millis(20);
        assert!(old.soon(wait, make(1)).await.expect("no error").is_none());
        told.send_replace(1);
        while old.newest().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It took 20 ms or longer, and is kept twenty times as long.
        while old.newest().expect("there").is_within(Duration::ZERO, REST) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(*old.soon(wait, make(2)).await.expect("no error").expect("the older one"), 1);
        told.send_replace(2);
        while *old.newest().expect("there").what == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
