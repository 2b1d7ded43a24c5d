//! The public state in SQL: what `veripile_pile::Standing::state` says, so that lists are counted, ordered and cut in the database.
//!
//! Used by [`crate::finder`], [`crate::map`], [`crate::listing`] and [`crate::tally`]. No state is stored: it follows from the last
//! judgement, of which columns of `standing` have what it takes, and a moment; that both agree is a test (`tests/states.rs`).

/// Whether a pile has been silent for so long that it counts as out of use, by its live row, which may be missing.
macro_rules! is_silent {
    ($now:literal) => {
        concat!("coalesce(live.last_seen < ", $now, " - interval '720 hours', false)")
    };
}
pub(crate) use is_silent;

/// A join that finds the silent piles only, for whoever looks at all: they are few, and the live rows of the others need not be joined.
macro_rules! join_silent {
    ($now:literal) => {
        concat!(
            " LEFT JOIN pile_live AS silent ON silent.pile_no = pile.pile_no AND silent.last_seen < ",
            $now,
            " - interval '720 hours' "
        )
    };
}
pub(crate) use join_silent;

/// The place of a pile's state in `State::ALL` at a moment; `standing` must be joined, and whether the pile is silent said in SQL.
macro_rules! state_at {
    ($now:literal, $silent:expr) => {
        concat!(
            "(CASE
                WHEN standing.failed_after IS NOT NULL THEN CASE WHEN standing.failed_after < ",
            $now,
            " THEN 4 ELSE 3 END
                WHEN standing.stopped OR ",
            $silent,
            " THEN 5
                WHEN standing.certified_from <= ",
            $now,
            " AND standing.certified_until >= ",
            $now,
            " THEN CASE WHEN standing.conform_to >= ",
            $now,
            " - interval '336 hours' THEN 0 ELSE 1 END
                ELSE 2 END)"
        )
    };
}
pub(crate) use state_at;

/// Whether a pile is in a state, by its place in `State::ALL` (`state as i32`); null: in any. The same as [`state_at`], said state by
/// state in conditions on columns, so that the planner knows what is rare, and goes by its index (it plans for these very values: ask with
/// `persistent(false)`).
macro_rules! in_state {
    ($state:literal, $now:literal, $silent:expr) => {
        concat!(
            "CASE ",
            $state,
            "::int
                WHEN 4 THEN standing.failed_after < ",
            $now,
            "
                WHEN 3 THEN standing.failed_after >= ",
            $now,
            "
                WHEN 5 THEN standing.failed_after IS NULL AND (standing.stopped OR ",
            $silent,
            ") AND pile.pile_no = ANY(ARRAY
                     (SELECT pile_no FROM standing WHERE stopped
                      UNION ALL SELECT pile_no FROM pile_live WHERE last_seen < ",
            $now,
            " - interval '720 hours'))
                WHEN 0 THEN standing.failed_after IS NULL AND NOT standing.stopped AND NOT ",
            $silent,
            "
                     AND standing.certified_from <= ",
            $now,
            " AND standing.certified_until >= ",
            $now,
            "
                     AND standing.conform_to >= ",
            $now,
            " - interval '336 hours'
                WHEN 1 THEN standing.failed_after IS NULL AND NOT standing.stopped AND NOT ",
            $silent,
            "
                     AND standing.certified_from <= ",
            $now,
            " AND standing.certified_until >= ",
            $now,
            "
                     AND (standing.conform_to >= ",
            $now,
            " - interval '336 hours') IS NOT TRUE
                WHEN 2 THEN standing.failed_after IS NULL AND standing.stopped IS NOT TRUE AND NOT ",
            $silent,
            "
                     AND (standing.certified_from <= ",
            $now,
            " AND standing.certified_until >= ",
            $now,
            ") IS NOT TRUE
                ELSE true END"
        )
    };
}
pub(crate) use in_state;
