//! What a pile says of itself in SQL: the status that a driver goes by, out of what its connectors and the pile as a whole told.
//!
//! Used by [`crate::map`], [`crate::card`], [`crate::finder`] and [`crate::ocpi`]. Nothing is stored: `connector_live` keeps what each told last.
//!
//! Connector 0 is the charge point itself (OCPP 1.6, 4.9; in 2.x the charging station and an EVSE 0). What it tells of itself is no plug, so
//! it counts where no connector has told anything. But a pile that says that it is faulted or out of service lends no plug, whatever its
//! connectors said before or say since, until it says otherwise. One that booted since, and has told something since, has left that behind:
//! after a boot all is told anew, and many tell of connectors alone.

/// Whether `$own`, a row of `connector_live`, is the pile itself saying that it cannot be used.
macro_rules! is_out {
    ($own:literal) => {
        concat!(
            $own,
            ".connector = 0 AND ",
            $own,
            ".status IN ('Faulted', 'Unavailable')
             AND NOT EXISTS (SELECT FROM pile_live AS life JOIN connector_live AS since USING (pile_no)
                             WHERE life.pile_no = ",
            $own,
            ".pile_no AND ",
            $own,
            ".told_at < life.booted_at AND life.booted_at <= since.told_at)"
        )
    };
}
pub(crate) use is_out;

/// Status of `pile`, and since when: its own where it cannot be used, else that of the connector that a driver would take (an available one,
/// else the one that changed last), else its own.
macro_rules! status_told {
    () => {
        concat!(
            "SELECT plug.status, plug.status_at FROM connector_live AS plug WHERE plug.pile_no = pile.pile_no
             ORDER BY CASE WHEN ",
            $crate::plug::is_out!("plug"),
            " THEN 0 WHEN plug.connector <> 0 THEN 1 ELSE 2 END, plug.status <> 'Available', plug.status_at DESC LIMIT 1"
        )
    };
}
pub(crate) use status_told;

/// Whether that status of `pile` is available, and it or its pile, `live`, was heard of after `$since`. Said in joins, so that the planner asks
/// all piles at once.
macro_rules! is_free {
    ($since:literal) => {
        concat!(
            "EXISTS (SELECT FROM connector_live AS plug WHERE plug.pile_no = pile.pile_no AND plug.status = 'Available'
                     AND (plug.status_at > ",
            $since,
            " OR live.last_seen > ",
            $since,
            ")
                     AND (plug.connector <> 0 OR NOT EXISTS (SELECT FROM connector_live AS other
                                                             WHERE other.pile_no = plug.pile_no AND other.connector <> 0)))
             AND NOT EXISTS (SELECT FROM connector_live AS own WHERE own.pile_no = pile.pile_no AND ",
            $crate::plug::is_out!("own"),
            ")"
        )
    };
}
pub(crate) use is_free;
