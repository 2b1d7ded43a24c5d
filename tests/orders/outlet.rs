//! Documents of the only outlet of a pile are of the whole pile; and what was said before they were stays what it said.

use jiff::SignedDuration;
use veripile_pile::{Act, ActKind, PileId, Standing, State};
use veripile_store::Store;
use veripile_tests::provided;

use super::{at, now, store, verified};

fn id(pile: &str) -> PileId {
    PileId::parse(pile).expect("an identifier")
}

/// Of all acts on a pile, in the summer after all of them.
async fn judged(store: &Store, pile: &str) -> State {
    let acts = store.acts(&id(pile)).await.expect("read");
    Standing::judge(&acts, None).state(at("2026-08-01T00:00:00Z"), None)
}

/// A, B, D and G tell of one outlet, all others of two; the charger itself, connector 0, is none.
const TOLD: &str = "
    WITH told AS (INSERT INTO connector_live (pile_no, connector, status, status_at)
                  SELECT pile_no, n, 'Available', now()
                  FROM pile, generate_series(0, CASE WHEN pile_id IN ('A', 'B', 'D', 'G') THEN 1 ELSE 2 END) AS n RETURNING 1)
    SELECT count(*) FROM told";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_the_only_outlet_is_of_the_whole_pile() {
    let Some((_, server)) = provided() else { return };
    let (database, store, piles) = store(&server, &["A", "B", "C"]).await;
    assert_eq!(database.number(TOLD).await, 7);
    // Somebody certified another outlet of B, whatever it tells.
    let other = "WITH a AS (INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, outlet)
                            SELECT pile_no, 'certificate', 'B2', '所', '王', '2022-01-01Z', 2 FROM pile WHERE pile_id = 'B' RETURNING 1)
                 SELECT count(*) FROM a";
    assert_eq!(database.number(other).await, 1);
    for (pile, outlet) in [("A", None), ("B", Some(1)), ("C", Some(1))] {
        let certificate = verified(&store, &piles, pile, "0.40", 1).await;
        let acts = store.acts(&id(pile)).await.expect("read");
        let issued = acts.iter().find(|act| act.number == certificate.number).expect("there");
        assert_eq!(issued.outlet, outlet, "{pile}");
    }
    let past = "WITH past AS (UPDATE act SET acted_at = acted_at - interval '1 day' RETURNING 1) SELECT count(*) FROM past";
    assert_eq!(database.number(past).await, 4);
    // What a notice found wrongly is closed, and the certificate of before holds again.
    assert_eq!(judged(&store, "A").await, State::Verified);
    let notice = verified(&store, &piles, "A", "5.00", 1).await;
    let acts = store.acts(&id("A")).await.expect("read");
    assert_eq!(acts.iter().map(|act| act.outlet).collect::<Vec<_>>(), [None; 4]);
    assert_eq!(judged(&store, "A").await, State::Failed);
    let closed = Act {
        kind: ActKind::CaseClosed,
        number: notice.number,
        outlet: None,
        issuer: "市监".to_owned(),
        person: "王".to_owned(),
        acted_at: now() + SignedDuration::from_hours(48),
        valid_until: None,
        reply_until: None,
        result: None,
    };
    store.record_acts(&[(id("A"), closed)]).await.expect("recorded");
    assert_eq!(judged(&store, "A").await, State::Verified);
}

/// Cases of the whole pile that two people confirmed, and that the operator had three weeks to reply to: F's after it was verified, all
/// others before. And B's certificate of before, of the whole pile and over.
const CASES: &str = "
    INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, reply_until)
    SELECT pile_no, said.kind, 'K', '市监', said.person, opened.at + said.late,
           CASE said.kind WHEN 'failure_confirmed' THEN opened.at + interval '22 days' END
    FROM pile
    JOIN (VALUES ('A', '2026-01-01Z'::timestamptz), ('C', '2026-01-01Z'), ('E', '2026-01-01Z'), ('F', '2026-06-01Z'))
        AS opened(pile_id, at) USING (pile_id),
    (VALUES ('case_opened', '王', interval '0'), ('failure_confirmed', '王', interval '1 day'),
            ('failure_confirmed', '赵', interval '1 day')) AS said(kind, person, late);
    INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, valid_until)
    SELECT pile_no, 'certificate', 'OLD', '所', '王', '2022-01-01Z', '2025-01-01Z' FROM pile WHERE pile_id = 'B'";

/// As documents were written before: of their outlet, whatever else the pile has. G's is in question, and others verified that outlet anew.
const BEFORE: &str = "
    UPDATE act SET outlet = 1 WHERE number IN (SELECT number FROM verification_certificate) AND kind <> 'certificate_withdrawn';
    INSERT INTO act (pile_no, kind, number, issuer, person, acted_at)
    SELECT pile_no, 'certificate_questioned', number, issuer, '王', '2026-05-15Z'
    FROM verification_certificate JOIN pile USING (pile_no) WHERE pile_id = 'G';
    INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, valid_until, outlet)
    SELECT pile_no, 'certificate', 'NEWER', '所', '王', '2026-06-01Z', '2028-01-01Z', 1 FROM pile WHERE pile_id = 'G';
    ALTER TABLE ocpi_party DROP COLUMN cdrs, DROP COLUMN cdr_bytes";

const PILES: [&str; 7] = ["A", "B", "C", "D", "E", "F", "G"];

/// Of each pile, what the rules of before said of its acts.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_verified_before_certificates_were_of_the_whole_pile_stays_so() {
    use State::{Due, Failed, Verified};
    let Some((_, server)) = provided() else { return };
    let (database, store, piles) = store(&server, &PILES).await;
    assert_eq!(database.number(TOLD).await, 17);
    let connection = &mut database.connect().await;
    sqlx::raw_sql(CASES).execute(&mut *connection).await.expect("written");
    for pile in ["A", "B", "C", "F", "G"] {
        verified(&store, &piles, pile, "0.40", 1).await;
    }
    verified(&store, &piles, "D", "5.00", 1).await;
    // What a withdrawn certificate says is nothing, then as now.
    let withdrawn = verified(&store, &piles, "E", "0.40", 1).await;
    assert!(store.withdraw_certificate(&withdrawn.number, "admin", "错号", now()).await.expect("withdrawn"));
    sqlx::raw_sql(BEFORE).execute(&mut *connection).await.expect("written");
    let all = async || {
        let mut all = Vec::new();
        for pile in PILES {
            all.push(judged(&store, pile).await);
        }
        all
    };
    assert_eq!(all().await, [Failed, Due, Failed, Failed, Failed, Failed, Verified], "without what follows");
    let migration = include_str!("../../crates/store/migrations/0041_only_outlet.sql");
    sqlx::raw_sql(migration).execute(&mut *connection).await.expect("migrated");
    assert_eq!(all().await, [Verified, Verified, Verified, Failed, Failed, Failed, Verified]);
    let of_whole_piles = "SELECT count(*) FROM act JOIN verification_certificate USING (pile_no, number)
                          WHERE outlet IS NULL AND act.kind IN ('certificate', 'notice', 'failure_confirmed')";
    // One of A, of B and of G, and a notice of D that two confirmed.
    assert_eq!(database.number(of_whole_piles).await, 6);
    let closed = "SELECT count(*) FROM act AS closed JOIN act AS by USING (pile_no, issuer, person, acted_at)
                  WHERE closed.kind = 'case_closed' AND closed.number = 'K' AND by.kind = 'certificate' AND by.outlet = 1";
    assert_eq!(database.number(closed).await, 1);
    assert_eq!(database.number("SELECT count(*) FROM act WHERE kind = 'case_closed'").await, 1, "only C's");
}
