//! Documents that say nothing any more: withdrawn, older than a repair, or overtaken by later readings.

use jiff::SignedDuration;
use veripile_pile::{PileId, State};
use veripile_store::verification::{Issuance, OrderState};
use veripile_tests::provided;

use super::{issued, now, state, store, verified};

/// Makes the newest document one of an outlet, from readings of a day later.
macro_rules! newest_moved {
    ($outlet:literal) => {
        concat!(
            "WITH c AS (UPDATE verification_certificate SET connector = ",
            $outlet,
            " WHERE certificate_no = (SELECT max(certificate_no) FROM verification_certificate) RETURNING number),
              a AS (UPDATE act SET acted_at = acted_at + interval '1 day', outlet = ",
            $outlet,
            " FROM c WHERE act.number = c.number RETURNING 1)
             SELECT count(*) FROM a"
        )
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_repaired_or_overtaken_says_nothing_any_more() {
    let Some((_, server)) = provided() else { return };
    let (database, store, piles) = store(&server, &["A", "B"]).await;
    let days = |days: i64| now() + SignedDuration::from_hours(24 * days);
    // A withdrawn notice fails nothing.
    let notice = verified(&store, &piles, "B", "5.00", 1).await;
    assert_eq!(state(&store, "B", days(23)).await, State::Failed);
    assert!(store.withdraw_certificate(&notice.number, "admin", "错表", days(1)).await.expect("withdrawn"));
    assert_eq!(state(&store, "B", days(23)).await, State::Due);
    // Who repairs between the readings and the issue does not verify next, though the certificate was issued later.
    let id = PileId::parse("A").expect("an identifier");
    verified(&store, &piles, "A", "0.40", 1).await;
    store.record_repair(&id, "赵", "换表", now() + SignedDuration::from_hours(4)).await.expect("noted");
    assert_eq!(store.repairers(&id, 1).await.expect("read"), ["赵"]);
    assert_eq!(store.repairers(&id, 2).await.expect("read"), ["赵"], "outlet 2 was never verified");
    // A later pass of the other outlet changes nothing for this one; one of this outlet does.
    let second = verified(&store, &piles, "A", "0.20", 1).await;
    database.number(newest_moved!(2)).await;
    assert_eq!(store.repairers(&id, 1).await.expect("read"), ["赵"]);
    database.number(newest_moved!(1)).await;
    assert_eq!(store.repairers(&id, 1).await.expect("read"), [""; 0]);
    // Readings older than those of a document of the same outlet certify nothing any more, and the order waits on.
    let (late, issuance) = issued(&store, &piles, "A", "0.10", 1).await;
    assert_eq!(issuance, Issuance::Overtaken(second.number));
    let waiting = store.verification(&late.number).await.expect("read").expect("there");
    assert_eq!(waiting.state, OrderState::Measured);
    assert!(store.certificate_by_number(&late.number, now()).await.expect("read").is_none());
}
