//! A pile's clock, measured by what it sent and how fast it answers.

use jiff::{SignedDuration, Timestamp};
use veripile_pile::PileId;
use veripile_tests::provided;

use super::{decimal, store};

/// Two piles' messages: A's clock is 2.25 s ahead. Its messages came 20 ms and 0.5 s late; others bear no time of their own, or are a day
/// old. It answered calls after 40 and 90 ms. B was never called.
const MESSAGES: &str = "
    INSERT INTO frame (pile_no, time, digest, received_at, connection, protocol, message_id, action, body, mac)
    SELECT pile_no, now() - arrived + ahead, gen_random_uuid(), now() - arrived, '00000000-0000-0000-0000-000000000001',
           'ocpp1.6', message_id, action, '', ''
    FROM pile, (VALUES
        ('A', interval '2 minutes', interval '2.23 seconds', 'm1', 'StatusNotification'),
        ('A', interval '9 minutes', interval '1.75 seconds', 'm2', 'MeterValues'),
        ('A', interval '3 minutes', interval '0', 'm3', 'Heartbeat'),
        ('A', interval '24 hours', interval '1000 seconds', 'm4', 'StatusNotification'),
        ('A', interval '59.96 seconds', interval '0', 'c1', NULL),
        ('A', interval '69.91 seconds', interval '0', 'c2', NULL),
        ('B', interval '2 minutes', interval '1 second', 'm5', 'StatusNotification')
    ) AS told (pile_id, arrived, ahead, message_id, action) WHERE pile.pile_id = told.pile_id";

const CALLS: &str = "
    INSERT INTO sent (pile_no, time, connection, kind, message_id, body)
    SELECT pile_no, now() - gone, '00000000-0000-0000-0000-000000000001', asked.kind, message_id, ''
    FROM pile, (VALUES (interval '60 seconds', 'c1', 'call'), (interval '70 seconds', 'c2', 'call'),
                       (interval '59.97 seconds', 'c1', 'answer'), (interval '50 seconds', 'c3', 'call')
    ) AS asked (gone, message_id, kind) WHERE pile_id = 'A'";

// By hand: the fastest message says 2.23 s at least, and half of the 40 ms of the fastest round trip is added.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_is_measured_by_its_messages_and_the_round_trip_of_calls() {
    let Some((_, server)) = provided() else { return };
    let (database, store, _) = store(&server, &["A", "B"]).await;
    let mut connection = database.connect().await;
    // In one transaction `now()` is one moment.
    let mut transaction = sqlx::Connection::begin(&mut connection).await.expect("begins");
    for statement in [MESSAGES, CALLS] {
        sqlx::query(statement).execute(&mut *transaction).await.expect("inserted");
    }
    transaction.commit().await.expect("committed");
    let of = |id: &str| PileId::parse(id).expect("an identifier");
    let now = Timestamp::now();
    let found = store.measured_offset(&of("A"), now).await.expect("read").expect("measured");
    assert_eq!((found.messages, found.round_trip_s), (2, decimal("0.04")));
    assert_eq!((found.offset_s, found.half_width_s), (decimal("2.25"), decimal("0.02")));
    let age = now.duration_since(found.at);
    assert!(SignedDuration::from_secs(115) < age && age < SignedDuration::from_secs(180), "{age}");
    assert_eq!(store.measured_offset(&of("B"), now).await.expect("read"), None, "its delay is not known");
    let before = now - SignedDuration::from_hours(1);
    assert_eq!(store.measured_offset(&of("A"), before).await.expect("read"), None, "nothing in that time");
}
