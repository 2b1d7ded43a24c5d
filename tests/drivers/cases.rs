//! What drivers are told of a case, from its opening to its end, and who may move it.

use std::path::PathBuf;

use veripile_tests::{Database, Server, free_port, provided};

use super::{found, prepare, row};

#[tokio::test]
async fn each_of_two_cases_counts_for_itself() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let step = |number: &str, to: &str, person: &str, more: &[&str]| {
        let arguments =
            ["--number", number, "--issuer", "市监局", "--to", to, "--person", person, "--reason", "why"];
        case(&binary, &database, &[arguments.as_slice(), more].concat())
    };
    assert!(step("A", "open", "anna", &[]).0);
    for (to, person) in [("open", "anna"), ("on_site", "anna"), ("proposed", "zhang")] {
        assert!(step("B", to, person, &[]).0, "{to}");
    }
    for person in ["Zhang", "ZHANG ", "ｚｈａｎｇ"] {
        let (taken, told) = step("B", "confirmed", person, &[]);
        assert!(!taken && told.contains("another person must confirm"), "{person}: {told}");
    }
    assert!(step("B", "confirmed", "boris", &[]).0);
    let (taken, told) = step("B", "served", "anna", &["--reply-waived"]);
    assert!(taken && told.contains("P01 is failed"), "{told}");
    let (_, page) = server.get("/p/P01?lang=en").await;
    assert!(page.contains("badge failed") && page.matches("Failure confirmed").count() >= 2, "{page}");
    assert!(server.get("/badge/P01.svg?lang=en").await.1.contains("B · 市监局"));
    let (taken, told) = step("A", "dismissed", "anna", &[]);
    assert!(taken && told.contains("P01 is failed"), "B is still served: {told}");
    // The statistics count as the state does: one pile, of 45 at the station, failed and in a case.
    let (_, page) = server.get("/stats?lang=en").await;
    let rows: Vec<(String, Vec<i64>)> = page.split("<th scope=\"row\">").skip(1).map(row).collect();
    let one = rows.iter().find(|(name, _)| name == "One").map(|(_, cells)| cells.as_slice());
    assert_eq!(one, Some([45, 0, 0, 1, 1, 0].as_slice()), "{rows:?}");
    for list in ["state=failed", "only=in_case"] {
        assert_eq!(found(&server, list).await.0, 1, "{list}");
    }
    assert!(step("B", "dismissed", "anna", &[]).1.contains("P01 is due"));
}

#[tokio::test]
async fn a_case_is_opened_by_a_body_and_stays_with_it() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let step = |to: &str, more: &[&str]| {
        let arguments = ["--number", "K-9", "--to", to, "--person", "anna", "--reason", "why"];
        case(&binary, &database, &[arguments.as_slice(), more].concat())
    };
    assert!(step("signal", &[]).0 && step("triage", &[]).0);
    let (taken, told) = step("open", &[]);
    assert!(!taken && told.contains("the body that leads it is needed (--issuer)"), "{told}");
    assert!(step("open", &["--issuer", "市监局"]).0);
    assert!(step("on_site", &["--issuer", "另一个局"]).0);
    let (_, page) = server.get("/p/P01?lang=en").await;
    assert!(page.contains("市监局") && !page.contains("另一个局"), "{page}");
    assert!(server.get("/badge/P01.svg?lang=en").await.1.contains("K-9 · 市监局"));
}

#[tokio::test]
async fn whose_an_old_case_is_can_be_said_afterwards() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    // Nobody judges it anew meanwhile.
    let settings = [("VERIPILE_ROLES", "api")];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    let arguments =
        ["--number", "K-9", "--to", "open", "--person", "anna", "--reason", "why", "--issuer", "市监局"];
    assert!(case(&binary, &database, &arguments).0);
    // As it stood when no body was needed to open one.
    for statement in [
        "UPDATE act SET issuer = '-'",
        "UPDATE case_step SET issuer = '-'",
        "UPDATE standing SET body = jsonb_set(body, '{case,issuer}', '\"-\"') WHERE body ->> 'case' IS NOT NULL",
    ] {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    let told = async |issued_by: &str, on_badge: &str| {
        let (_, pile) = server.get("/api/v1/piles/P01").await;
        assert!(pile.contains(&format!("\"issued_by\":{issued_by}")), "{pile}");
        assert!(server.get("/badge/P01.svg?lang=en").await.1.contains(&format!("K-9 · {on_badge}")));
        server.get("/p/P01?lang=en").await.1
    };
    let page = told("null", "not told").await;
    assert!(page.matches("<dd>not told</dd>").count() == 1 && page.contains("<td>not told</td>"), "{page}");
    assert!(server.get("/p/P01?lang=zh").await.1.contains("<dd>未说明</dd>"));
    let say = |more: &[&str]| {
        let step = ["--number", "K-9", "--person", "boris"];
        case(&binary, &database, &[step.as_slice(), more].concat())
    };
    let (taken, said) = say(&["--reason", "file 12"]);
    assert!(!taken && said.contains("--issuer alone which body leads it"), "{said}");
    let (taken, said) = say(&["--issuer", "市监局"]);
    assert!(!taken && said.contains("a reason is needed to go to named"), "{said}");
    let (taken, said) = say(&["--issuer", "市监局", "--reason", "file 12"]);
    assert!(taken && said.contains("K-9: open -> named by boris (市监局) file 12"), "{said}");
    let page = told("\"市监局\"", "市监局").await;
    assert!(page.contains("badge under_review") && page.contains("<dd>市监局</dd>"), "{page}");
    assert!(page.contains("Body that leads the case recorded K-9"), "{page}");
    let (taken, said) = say(&["--issuer", "另一个局", "--reason", "file 13"]);
    assert!(!taken && said.contains("the case is led by 市监局"), "{said}");
    // What was written then stays what it said, and it goes on from where it stood.
    assert_eq!(database.number("SELECT count(*) FROM act WHERE issuer = '-'").await, 1);
    let (_, said) = case(&binary, &database, &[]);
    assert!(said.contains("K-9: - -> open by anna (body not told) why"), "{said}");
    let (taken, said) = say(&["--to", "on_site"]);
    assert!(taken && said.contains("named -> on_site by boris (市监局)"), "{said}");
}

/// Runs `veripile case` on P01; whether it was taken, and what it said.
fn case(binary: &PathBuf, database: &Database, arguments: &[&str]) -> (bool, String) {
    let output = std::process::Command::new(binary)
        .args([&["case", "P01"], arguments].concat())
        .env("VERIPILE_DATABASE_URL", &database.url)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}

#[tokio::test]
async fn a_case_turns_a_pile_red_after_two_people_and_the_reply_window() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let step = |to: &str, person: &str, more: &[&str]| {
        let arguments =
            ["--number", "K-1", "--issuer", "市监局", "--to", to, "--person", person, "--reason", "why"];
        case(&binary, &database, &[arguments.as_slice(), more].concat())
    };
    let (taken, told) = step("proposed", "anna", &[]);
    assert!(!taken && told.contains("there is no case of this number"), "{told}");
    for (to, person) in [("open", "anna"), ("on_site", "anna"), ("proposed", "anna")] {
        assert!(step(to, person, &[]).0, "{to}");
    }
    let (_, page) = server.get("/p/P01?lang=en").await;
    assert!(page.contains("Under review") && page.contains("K-1") && page.contains("市监局"), "{page}");
    let (taken, told) = step("confirmed", "anna", &[]);
    assert!(!taken && told.contains("another person must confirm"), "{told}");
    assert!(step("confirmed", "boris", &[]).0);
    let (taken, told) = step("published", "boris", &[]);
    assert!(!taken && told.contains("next can be: served, dismissed"), "{told}");
    let (taken, told) = step("served", "anna", &["--evidence-sha256", &"0a".repeat(32)]);
    assert!(taken && told.contains("P01 is under_review"), "{told}");
    let (taken, told) = step("published", "anna", &[]);
    assert!(!taken && told.contains("the operator may reply until"), "{told}");
    let (_, page) = server.get("/p/P01?lang=en").await;
    assert!(
        !page.contains("Failure confirmed") && page.contains("Operator may reply until"),
        "bad news waits: {page}"
    );
    // What stands behind the regulator's queue can be opened by its address; it is evidence and the public state, and nothing of the case.
    let (status, page) = server.get("/reg/queue/P01?lang=en").await;
    assert!(status == 200 && page.contains("badge under_review"), "{status} {page}");
    for said in ["K-1", "市监局", "confirmed", "reply", "boris"] {
        assert!(!page.contains(said), "{said}: {page}");
    }
    let days = "SELECT round(extract(epoch FROM max(reply_until) - max(acted_at)) / 86400)::bigint FROM act";
    assert_eq!(database.number(days).await, 21);
    // Three weeks pass.
    for query in [
        "WITH t AS (UPDATE act SET acted_at = acted_at - interval '22 days', reply_until = reply_until - interval '22 days' RETURNING 1) SELECT count(*) FROM t",
        "WITH t AS (UPDATE case_step SET taken_at = taken_at - interval '22 days' RETURNING 1) SELECT count(*) FROM t",
        "WITH t AS (UPDATE standing SET body = jsonb_set(body, '{case,reply_until}', to_jsonb((body #>> '{case,reply_until}')::timestamptz - interval '22 days'))
         WHERE body ->> 'case' IS NOT NULL RETURNING 1) SELECT count(*) FROM t",
    ] {
        assert!(database.number(query).await > 0);
    }
    let (taken, told) = step("published", "anna", &[]);
    assert!(taken && told.contains("P01 is failed"), "{told}");
    let (_, page) = server.get("/p/P01?lang=en").await;
    assert!(page.contains("badge failed") && page.contains("Failure confirmed"), "{page}");
    assert_eq!(found(&server, "state=failed").await.0, 1);
    assert_eq!(found(&server, "only=in_case").await.0, 1);
    assert!(server.get("/badge/P01.svg?lang=en").await.1.contains("K-1 · 市监局"));
    served_again(&server, &database, &step).await;
    assert!(step("dismissed", "carl", &[]).1.contains("P01 is due"));
    let (_, told) = case(&binary, &database, &[]);
    assert_eq!(told.lines().filter(|line| line.contains("K-1: ")).count(), 12, "{told}");
    assert!(!step("dismissed", "carl", &["--evidence-sha256", "zz"]).0);
}

/// The same two people find it bad again after its repair: both confirm again, and the operator has its time to reply again.
async fn served_again(
    server: &Server,
    database: &Database,
    step: &impl Fn(&str, &str, &[&str]) -> (bool, String),
) {
    let confirmations = "SELECT count(*) FROM act WHERE kind = 'failure_confirmed'";
    let judged = "SELECT extract(epoch FROM judged_at)::bigint FROM standing JOIN pile USING (pile_no) WHERE pile_id = 'P01'";
    let (before, was) = (database.number(confirmations).await, database.number(judged).await);
    for (to, person) in
        [("rectified", "carl"), ("on_site", "anna"), ("proposed", "anna"), ("confirmed", "boris")]
    {
        assert!(step(to, person, &[]).0, "{to}");
    }
    assert_eq!(database.number(judged).await, was, "what is no act is nobody else's business");
    let (taken, told) = step("served", "anna", &[]);
    assert!(taken && told.contains("P01 is failed"), "nobody verified it since: {told}");
    assert_eq!(database.number(confirmations).await, before + 2);
    let (taken, told) = step("published", "anna", &[]);
    assert!(!taken && told.contains("the operator may reply until"), "{told}");
    let (taken, told) = step("served", "anna", &["--reply-waived"]);
    assert!(
        !taken && told.contains("the case went to served") && told.contains("nothing was done"),
        "{told}"
    );
    assert_eq!(database.number(confirmations).await, before + 2);
    let (_, page) = server.get("/p/P01?lang=en").await;
    assert_eq!(
        page.matches("Failure confirmed").count(),
        2,
        "of the second service, not before its window is over"
    );
}
