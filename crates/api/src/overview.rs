//! What is said of all piles: by the front page how many there are of everything, in each state, and where their middle is; by the page of
//! statistics its tables.
//!
//! Held for [`crate::map`] and [`crate::stats`]. It is counted when somebody asks and kept for twenty times as long as counting took, and for as long
//! again while it is counted anew ([`Fresh`]): some milliseconds in a city, half a minute where there are a million piles. What is asked of fewer
//! piles is counted anew each time. The front page does not wait for it long: after a start it says that piles are being counted.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use veripile_pile::{Operator, Place};
use veripile_store::finder::{ByState, FindQuery};
use veripile_store::tally::{GroupBy, Tally};
use veripile_store::{Counts, Store};

use crate::fresh::{Fresh, Limits};
use crate::problem::Problem;

/// What is older than counting it allows, who asks waits for.
const LIMITS: Limits = Limits { fresh: Duration::ZERO, stale: Duration::ZERO };

/// How long a page waits for newer counts, where a nation's piles take longer; then it shows what there is.
const WAIT: Duration = Duration::from_secs(1);

/// The newest of each.
pub struct Overviews {
    overview: Arc<Fresh<Overview>>,
    tallies: Arc<Fresh<Tallies>>,
}

/// Operators to choose from in the front page's form; where there are more, it leads to the list of all.
pub(crate) const OPERATORS_LISTED: u32 = 100;

/// Counts of one moment.
pub(crate) struct Overview {
    pub(crate) counts: Counts,
    pub(crate) by_state: ByState,
    pub(crate) center: Option<Place>,
    /// Those with most piles first, one more than the form lists where there are more.
    pub(crate) operators: Vec<Operator>,
}

/// The tables of statistics as of one moment.
pub(crate) struct Tallies {
    pub(crate) as_of: Timestamp,
    pub(crate) tables: Vec<(GroupBy, Vec<Tally>)>,
}

impl Overviews {
    /// Counts on this runtime.
    pub fn new(runtime: Handle) -> Self {
        Self {
            overview: Arc::new(Fresh::new(runtime.clone(), LIMITS)),
            tallies: Arc::new(Fresh::new(runtime, LIMITS)),
        }
    }

    /// None: being counted for the first time.
    pub(crate) async fn overview(&self, store: &Store) -> Result<Option<Arc<Overview>>, Problem> {
        let store = store.clone();
        let count = || async move {
            let (all, now) = (FindQuery::default(), Timestamp::now());
            let operators = store.operators_found(&all, now, 0, OPERATORS_LISTED + 1).await?;
            Ok(Overview {
                counts: store.counts().await?,
                by_state: store.count_found(&all, now).await?,
                center: store.center().await?,
                operators: operators.into_iter().map(|(operator, _)| operator).collect(),
            })
        };
        self.overview.soon(WAIT, count).await
    }

    /// Older ones where counting takes long: the page says as of when.
    pub(crate) async fn tallies(&self, store: &Store) -> Result<Arc<Tallies>, Problem> {
        let count = || {
            let store = store.clone();
            async move {
                let as_of = Timestamp::now();
                Ok(Tallies { as_of, tables: store.tallies(as_of).await? })
            }
        };
        match self.tallies.soon(WAIT, count).await? {
            Some(tallies) => Ok(tallies),
            None => self.tallies.get(count).await,
        }
    }
}
