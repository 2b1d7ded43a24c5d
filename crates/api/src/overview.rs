//! What the front page says of all piles: how many there are of everything, in each state, and where their middle is.
//!
//! Held for [`crate::map`]. It is counted when somebody asks and kept for twenty times as long as counting took ([`Fresh`]): some
//! milliseconds in a city, half a minute where there are a million piles. What is asked of fewer piles is counted anew each time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use veripile_pile::Place;
use veripile_store::finder::{ByState, FindQuery};
use veripile_store::{Counts, Store};

use crate::fresh::{Fresh, Limits};
use crate::problem::Problem;

/// As soon as it may be counted again, who asks waits for it.
const LIMITS: Limits = Limits { fresh: Duration::ZERO, stale: Duration::ZERO };

/// The newest.
pub struct Overviews(Arc<Fresh<Overview>>);

/// Counts of one moment.
pub(crate) struct Overview {
    pub(crate) counts: Counts,
    pub(crate) by_state: ByState,
    pub(crate) center: Option<Place>,
}

impl Overviews {
    /// Counts on this runtime.
    pub fn new(runtime: Handle) -> Self {
        Self(Arc::new(Fresh::new(runtime, LIMITS)))
    }

    pub(crate) async fn overview(&self, store: &Store) -> Result<Arc<Overview>, Problem> {
        let store = store.clone();
        let count = || async move {
            Ok(Overview {
                counts: store.counts().await?,
                by_state: store.count_found(&FindQuery::default(), Timestamp::now()).await?,
                center: store.center().await?,
            })
        };
        self.0.get(count).await
    }
}
