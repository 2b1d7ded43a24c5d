//! The public state in SQL: what `veripile_pile::Standing::state` says, so that lists are counted, ordered and cut in the database.
//!
//! Used by [`crate::finder`], [`crate::map`], [`crate::listing`] and [`crate::tally`]. Nothing is stored: the state follows from the last
//! judgement and a moment, as there; that both agree is a test (`tests/lists.rs`).

/// The place of a pile's state in `State::ALL` at a moment; `standing` and `live` must be joined.
macro_rules! state_at {
    ($now:literal) => {
        concat!(
            "(CASE
                WHEN standing.body ->> 'case' IS NOT NULL THEN
                    CASE WHEN standing.body #>> '{case,confirmed_at}' IS NOT NULL
                          AND (standing.body #>> '{case,reply_until}')::timestamptz < ",
            $now,
            " THEN 4 ELSE 3 END
                WHEN standing.body ->> 'stopped_at' IS NOT NULL OR live.last_seen < ",
            $now,
            " - interval '720 hours' THEN 5
                WHEN standing.body #>> '{certificate,number}' IS NOT NULL
                 AND standing.body #>> '{certificate,questioned_at}' IS NULL
                 AND (standing.body #>> '{certificate,at}')::timestamptz <= ",
            $now,
            "
                 AND (standing.body #>> '{certificate,valid_until}')::timestamptz >= ",
            $now,
            " THEN
                    CASE WHEN standing.body #>> '{estimate,verdict}' = 'conform'
                          AND (standing.body #>> '{estimate,charges}')::bigint >= 20
                          AND (standing.body #>> '{estimate,period,1}')::timestamptz >= ",
            $now,
            " - interval '336 hours'
                         THEN 0 ELSE 1 END
                ELSE 2 END)"
        )
    };
}
pub(crate) use state_at;

/// Whether a pile is in a state, by its place in `State::ALL` (`state as i32`); null: in any. What the state implies is said beside it, so
/// that the planner knows what is rare, and goes by its index (it plans for these very values: ask with `persistent(false)`).
macro_rules! in_state {
    ($state:literal, $now:literal) => {
        concat!(
            "(",
            $state,
            "::int IS NULL OR ",
            crate::state::state_at!($now),
            " = ",
            $state,
            ")
             AND (",
            $state,
            "::int IS NULL OR ",
            $state,
            " NOT IN (3, 4) OR standing.body ->> 'case' IS NOT NULL)
             AND (",
            $state,
            "::int IS NULL OR ",
            $state,
            " NOT IN (0, 1) OR standing.body #>> '{certificate,number}' IS NOT NULL)
             AND (",
            $state,
            "::int IS NULL OR ",
            $state,
            " <> 5 OR pile.pile_no IN
                  (SELECT pile_no FROM standing WHERE body ->> 'stopped_at' IS NOT NULL
                   UNION ALL SELECT pile_no FROM pile_live WHERE last_seen < ",
            $now,
            " - interval '720 hours'))"
        )
    };
}
pub(crate) use in_state;
