//! When what is told of a station over OCPI last changed, and which stations changed since a moment.
//!
//! Called by `api::ocpi`, and by [`super`], which tells the moment of each. It is one rule in two forms: [`stations_changed`] takes the latest of
//! all moments of a station, [`changed_since`] finds the stations that have one at a moment or later, each kind of moment by an index of its own
//! (migration 0048). That both say the same is a test (`tests/ocpi/changes.rs`). Reads only.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{Store, StoreError};

/// No station was registered before 2000, and its registration is a change: who asks for what changed since an earlier moment is answered the
/// same. What is subtracted from a moment would leave what the database has.
const FIRST: Timestamp = Timestamp::constant(946_684_800, 0);

/// The moment from which on a pile's status was too old to be told (as `view::live` has it: 600 whole seconds), if that has passed and its use
/// is not stopped; `pile` and `standing` must be there.
macro_rules! silent_at {
    () => {
        concat!(
            "(SELECT moment
              FROM (SELECT greatest(said.status_at, live.last_seen) + interval '601 seconds' AS moment
                    FROM (",
            $crate::plug::status_told!(),
            ") AS said LEFT JOIN pile_live AS live ON live.pile_no = pile.pile_no) AS silent
              WHERE moment <= now() AND standing.body ->> 'stopped_at' IS NULL)"
        )
    };
}
pub(super) use silent_at;

/// The last moment that has passed since the judgement before and after which a pile's state is another: certificate begun or ended, reply window
/// of a confirmed failure over, remote evidence too old (336 hours), nothing heard for 720 hours; `pile` and `standing` must be there.
macro_rules! turned_at {
    () => {
        concat!(
            "(SELECT max(moment)
              FROM (SELECT last_seen FROM pile_live WHERE pile_live.pile_no = pile.pile_no) AS live
              RIGHT JOIN (SELECT) AS always ON true,
              LATERAL (VALUES
                  ((standing.body #>> '{certificate,at}')::timestamptz),
                  ((standing.body #>> '{certificate,valid_until}')::timestamptz),
                  ((standing.body #>> '{case,reply_until}')::timestamptz),
                  ((standing.body #>> '{estimate,period,1}')::timestamptz + interval '336 hours'),
                  (live.last_seen + interval '720 hours')) AS passed(moment)
              WHERE moment <= now() AND (standing.judged_at IS NULL OR standing.judged_at < moment) AND ",
            crate::state::state_at!(
                "(passed.moment - interval '1 microsecond')",
                crate::state::is_silent!("(passed.moment - interval '1 microsecond')")
            ),
            " <> ",
            crate::state::state_at!(
                "(passed.moment + interval '1 microsecond')",
                crate::state::is_silent!("(passed.moment + interval '1 microsecond')")
            ),
            ")"
        )
    };
}
pub(super) use turned_at;

/// When what is told of a pile last changed: registered, judged, a status told (by our clock), heard of again; or nothing but time went
/// by. A pile that fell silent or came back has another status than before, unless its use is stopped, whatever else is to say of it: then it
/// has none.
macro_rules! pile_changed {
    () => {
        concat!(
            "greatest(pile.changed_at, standing.judged_at,
                  (SELECT max(coalesce(told_at, least(status_at, now()))) FROM connector_live WHERE connector_live.pile_no = pile.pile_no),
                  (SELECT back_at FROM pile_live WHERE pile_live.pile_no = pile.pile_no
                   AND standing.body ->> 'stopped_at' IS NULL),
                  ",
            $crate::ocpi::changed::silent_at!(),
            ",
                  ",
            $crate::ocpi::changed::turned_at!(),
            ")"
        )
    };
}
pub(super) use pile_changed;

/// When what is told of each station last changed (its operator's name included: that moves its own moment); `station` must be selected from
/// as here.
macro_rules! stations_changed {
    ($station:literal) => {
        concat!(
            "SELECT station.station_id, station.address, station.country, station.time_zone, ",
            $crate::ocpi::ocpi_id!("station.station_id"),
            " AS ocpi_id, tariffs.changed_at AS tariffs_changed_at,
                    greatest(station.changed_at, piles.changed_at, former.changed_at, tariffs.changed_at) AS changed_at
             FROM ",
            $station,
            " AS station
             LEFT JOIN LATERAL (SELECT max(",
            $crate::ocpi::changed::pile_changed!(),
            ") AS changed_at
                 FROM pile LEFT JOIN standing USING (pile_no)
                 WHERE pile.station_id = station.station_id AND NOT pile.inbox) AS piles ON true
             LEFT JOIN LATERAL (SELECT max(left_at) AS changed_at FROM former_pile
                 WHERE former_pile.station_id = station.station_id) AS former ON true
             LEFT JOIN LATERAL (",
            $crate::ocpi::tariffs::tariffs_changed!(),
            ") AS tariffs ON true "
        )
    };
}
pub(super) use stations_changed;

/// The standing of each of few piles: read one by one, whatever the planner expects of their number.
macro_rules! stands {
    () => {
        " LEFT JOIN LATERAL (SELECT * FROM standing WHERE standing.pile_no = pile.pile_no OFFSET 0) AS standing ON true "
    };
}
pub(super) use stands;

/// Whether a time and what comes so long after it lies between a moment and now, to a microsecond, which is what [`turned_at`] looks past.
macro_rules! passed_since {
    ($column:literal, $after:literal, $moment:literal) => {
        concat!(
            $column,
            " BETWEEN ",
            $moment,
            " - interval '",
            $after,
            "' - interval '1 microsecond' AND now() - interval '",
            $after,
            "' + interval '1 microsecond'"
        )
    };
}
pub(super) use passed_since;

/// Piles of which a moment lies between one and now at which nothing happened but that time went by. Which they may be is read off indexes of
/// what those moments follow from, and then it is looked at as ever. `seen_about` is at most five minutes before `last_seen`.
macro_rules! passed_by {
    ($moment:literal) => {
        concat!(
            "SELECT pile.pile_no FROM (
                 SELECT pile_no FROM pile_live
                 WHERE seen_about BETWEEN ", $moment, " - interval '901 seconds' AND now() - interval '601 seconds'
                   AND last_seen BETWEEN ", $moment, " - interval '601 seconds' AND now() - interval '601 seconds'
                 UNION SELECT plug.pile_no FROM connector_live AS plug LEFT JOIN pile_live AS live USING (pile_no)
                 WHERE greatest(plug.status_at, plug.told_at) >= ", $moment, " - interval '601 seconds'
                   AND plug.status_at BETWEEN ", $moment, " - interval '601 seconds' AND now() - interval '601 seconds'
                   AND (live.last_seen <= now() - interval '601 seconds') IS NOT FALSE) AS pile",
            $crate::ocpi::changed::stands!(),
            "WHERE ", $crate::ocpi::changed::silent_at!(), " >= ", $moment,
            " UNION ALL SELECT pile.pile_no FROM (
                 SELECT pile_no FROM standing WHERE ",
            $crate::ocpi::changed::passed_since!("failed_after", "0 hours", $moment),
            " OR ",
            $crate::ocpi::changed::passed_since!("certified_from", "0 hours", $moment),
            " OR ",
            $crate::ocpi::changed::passed_since!("certified_until", "0 hours", $moment),
            " OR ",
            $crate::ocpi::changed::passed_since!("conform_to", "336 hours", $moment),
            " UNION SELECT pile_no FROM pile_live
                 WHERE seen_about BETWEEN ", $moment, " - interval '721 hours' AND now() - interval '719 hours' AND ",
            $crate::ocpi::changed::passed_since!("last_seen", "720 hours", $moment),
            ") AS pile",
            $crate::ocpi::changed::stands!(),
            "WHERE ", $crate::ocpi::changed::turned_at!(), " >= ", $moment
        )
    };
}
pub(super) use passed_by;

/// Stations of which something told changed at a moment or later, some of them more than once. Each part is a moment of [`stations_changed`]:
/// the greatest is not earlier than a moment if and only if one of them is not.
macro_rules! changed_since {
    ($moment:literal) => {
        concat!(
            "SELECT station_id FROM station WHERE changed_at >= ",
            $moment,
            " UNION ALL SELECT station_id FROM former_pile WHERE left_at >= ",
            $moment,
            " UNION ALL SELECT station.station_id FROM (
                  SELECT station_id FROM station_price WHERE recorded_at >= ",
            $moment,
            "     UNION SELECT station_id FROM station_price
                  WHERE starts_at BETWEEN ",
            $moment,
            " AND now()) AS station
              CROSS JOIN LATERAL (",
            $crate::ocpi::tariffs::tariffs_changed!(),
            ") AS tariffs WHERE tariffs.changed_at >= ",
            $moment,
            " UNION ALL SELECT station_id FROM pile WHERE changed_at >= ",
            $moment,
            " AND NOT inbox AND station_id IS NOT NULL
              UNION ALL SELECT pile.station_id FROM pile JOIN (
                  SELECT pile_no FROM standing WHERE judged_at >= ",
            $moment,
            "     UNION ALL SELECT pile_no FROM connector_live
                  WHERE greatest(status_at, told_at) >= ",
            $moment,
            " AND coalesce(told_at, least(status_at, now())) >= ",
            $moment,
            "     UNION ALL SELECT pile.pile_no FROM pile_live AS pile",
            $crate::ocpi::changed::stands!(),
            "     WHERE back_at >= ",
            $moment,
            " AND standing.body ->> 'stopped_at' IS NULL
                  UNION ALL ",
            $crate::ocpi::changed::passed_by!($moment),
            ") AS told USING (pile_no)
              WHERE NOT pile.inbox AND pile.station_id IS NOT NULL"
        )
    };
}

impl Store {
    /// Stations of which something told changed at a moment or later, and before another, in the order of their identifiers.
    pub async fn ocpi_changed(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<String>, StoreError> {
        let sql = match (from, to) {
            (Some(_), Some(_)) => concat!(
                "SELECT station_id FROM station WHERE station_id IN (",
                changed_since!("$1"),
                ") AND station_id NOT IN (",
                changed_since!("$2"),
                ") ORDER BY station_id"
            ),
            (Some(_), None) => concat!(
                "SELECT station_id FROM station WHERE station_id IN (",
                changed_since!("$1"),
                ") ORDER BY station_id"
            ),
            (None, Some(_)) => concat!(
                "SELECT station_id FROM station WHERE station_id NOT IN (",
                changed_since!("$1"),
                ") ORDER BY station_id"
            ),
            (None, None) => "SELECT station_id FROM station ORDER BY station_id",
        };
        let mut query = sqlx::query_scalar::<sqlx::Postgres, String>(sql);
        for moment in [from, to].into_iter().flatten() {
            query = query.bind(moment.max(FIRST).to_sqlx());
        }
        // Planned for these very moments: of a minute all is read off indexes, of a day it is not.
        Ok(query.persistent(false).fetch_all(&self.pool).await?)
    }
}

#[cfg(test)]
mod tests {
    use veripile_pile::standing::{EVIDENCE_FRESH, STATUS_FRESH, UNSEEN_AFTER};

    #[test]
    fn the_times_in_sql_are_those_that_states_are_judged_by() {
        for limit in [EVIDENCE_FRESH, UNSEEN_AFTER] {
            let hours = format!("interval '{} hours'", limit.as_hours());
            assert!(pile_changed!().contains(&hours) && changed_since!("$1").contains(&hours), "{hours}");
        }
        // From its first whole second beyond.
        let old = format!("interval '{} seconds'", STATUS_FRESH.as_secs() + 1);
        assert!(pile_changed!().contains(&old) && changed_since!("$1").contains(&old), "{old}");
        assert!(crate::presence::back_at!().contains(&old), "{old}");
        // No pile that was heard of a moment ago is looked at for its silence: what is cut off `seen_about` is shorter than that.
        let cut = STATUS_FRESH.as_secs() + 1 + 300;
        assert!(changed_since!("$1").contains(&format!("interval '{cut} seconds'")));
    }
}
