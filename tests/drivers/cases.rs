//! What drivers are told of a case, from its opening to its end, and who may move it.

use std::path::PathBuf;

use serde_json::Value;
use veripile_tests::{Database, Server, free_port, provided};

use super::{PAGE_BYTES_MAX, found, prepare, row};

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
    let rows: Vec<(String, Vec<i64>)> = page.split("<th scope=\"row\"").skip(1).map(row).collect();
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
    assert!(page.contains("badge under_review") && page.contains("<dd lang=\"zh-CN\">市监局</dd>"), "{page}");
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
    three_weeks_pass(&database).await;
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

async fn three_weeks_pass(database: &Database) {
    for query in [
        "WITH t AS (UPDATE act SET acted_at = acted_at - interval '22 days', reply_until = reply_until - interval '22 days' RETURNING 1) SELECT count(*) FROM t",
        "WITH t AS (UPDATE case_step SET taken_at = taken_at - interval '22 days' RETURNING 1) SELECT count(*) FROM t",
        "WITH t AS (UPDATE standing SET body = jsonb_set(body, '{case,reply_until}', to_jsonb((body #>> '{case,reply_until}')::timestamptz - interval '22 days'))
         WHERE body ->> 'case' IS NOT NULL RETURNING 1) SELECT count(*) FROM t",
    ] {
        assert!(database.number(query).await > 0);
    }
}

/// Somebody of an operator: cookie and token of forms.
async fn signed_in(server: &Server, name: &str) -> (String, String) {
    let password = format!("a password of {name}");
    let form = [("name", name), ("password", password.as_str())];
    let (_, headers, _) = server.post_as("/op/sign-in?lang=en", "", &form).await;
    let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let page = server.get_as("/op/import?lang=en", &cookie).await.2;
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    (cookie, token.to_owned())
}

/// What the query API tells of replies: to the case that the state rests on, and in the pile's history; newest first.
async fn replies_told(server: &Server) -> [Vec<String>; 2] {
    let read = async |path: &str| serde_json::from_str::<Value>(&server.get(path).await.1).unwrap();
    let pile = read("/api/v1/piles/P01").await;
    let history = read("/api/v1/piles/P01/history").await;
    assert!(!format!("{pile}{history}").contains("penelope"), "nobody's name is public: {pile} {history}");
    let texts = |of: &Value| {
        let of = of.as_array().unwrap().iter();
        let of = of.filter(|one| one.get("kind").is_none_or(|kind| kind == "reply"));
        of.map(|one| one["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    [texts(&pile["operator_replies"]), texts(&history["events"])]
}

#[tokio::test]
async fn the_operator_s_reply_stands_beside_the_state_and_waits_with_what_is_not_public() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let step = |to: &str, person: &str| {
        let arguments =
            ["--number", "K-1", "--issuer", "市监局", "--to", to, "--person", person, "--reason", "why"];
        case(&binary, &database, &arguments)
    };
    let on_paper = |words: &str| {
        case(&binary, &database, &["--number", "K-1", "--person", "penelope", "--reply", words])
    };
    let (taken, told) = on_paper("to nothing");
    assert!(!taken && told.contains("no case of this number is open"), "{told}");
    assert!(step("open", "anna").0);
    let ((one, token), two) = (signed_in(&server, "one").await, signed_in(&server, "two").await);
    for (cookie, is_theirs) in [(&one, true), (&two.0, false)] {
        let (_, _, list) = server.get_as("/op?lang=en", cookie).await;
        assert_eq!(list.contains("/op/piles/P01?lang=en#cases"), is_theirs, "{list}");
    }
    let (_, _, own) = server.get_as("/op/piles/P01?lang=en", &one).await;
    assert!(own.contains("name=\"number\" value=\"K-1\"") && own.contains("name=\"words\""), "{own}");
    let reply = async |cookie: &str, token: &str, number: &str, words: &str| {
        let form = [("token", token), ("number", number), ("words", words)];
        server.post_as("/op/piles/P01/reply", cookie, &form).await.0
    };
    let first = "我们不同意 <b>x</b>\nsecond line \u{202e}abc";
    only_its_own_people(&reply, [&one, &token], [&two.0, &two.1]).await;
    // The form sent twice.
    for _ in 0..2 {
        assert_eq!(reply(&one, &token, "K-1", first).await, 303);
    }
    let page = async || server.get("/p/P01?lang=en").await.1;
    let shown = "我们不同意 &#60;b&#62;x&#60;/b&#62;\nsecond line \u{fffd}abc";
    let told = page().await;
    for words in
        ["Under review", "The operator&#39;s reply", "written by the operator", shown, "dir=\"auto\""]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(replies_told(&server).await, [vec![first.to_owned()], vec![first.to_owned()]]);
    let in_chinese = server.get("/p/P01?lang=zh").await.1;
    assert!(in_chinese.contains("经营者的陈述") && in_chinese.contains(shown), "{in_chinese}");
    // What is said of a failure that is not public yet waits with it, and moves nothing.
    for (to, person) in
        [("on_site", "anna"), ("proposed", "anna"), ("confirmed", "boris"), ("served", "anna")]
    {
        assert!(step(to, person).0, "{to}");
    }
    let (taken, told) = on_paper("of the finding");
    assert!(taken && told.contains("P01 is under_review"), "{told}");
    assert!(!page().await.contains("of the finding"));
    assert_eq!(replies_told(&server).await, [vec![first.to_owned()], vec![first.to_owned()]]);
    let (_, _, own) = server.get_as("/op/piles/P01?lang=en", &one).await;
    assert!(own.contains("of the finding") && own.contains("not public"), "{own}");
    let (taken, told) = step("published", "anna");
    assert!(!taken && told.contains("the operator may reply until"), "a reply ends no window: {told}");
    three_weeks_pass(&database).await;
    let moved = "WITH t AS (UPDATE case_reply SET replied_at = replied_at - interval '22 days' RETURNING 1) SELECT count(*) FROM t";
    assert_eq!(database.number(moved).await, 2);
    let both = vec!["of the finding".to_owned(), first.to_owned()];
    assert_eq!(replies_told(&server).await, [both.clone(), both.clone()]);
    let told = page().await;
    assert!(told.contains("badge failed") && told.contains("written down by the authority"), "{told}");
    let places = ["of the finding", shown].map(|words| told.find(words).expect("it stands there"));
    assert!(places[0] < places[1] && !told.contains("penelope"), "the newest first: {told}");
    as_many_as_are_taken(&server, &reply, &one, &token).await;
    // What is over keeps its words among the acts; nothing stands beside the state, and nobody replies any more.
    assert!(step("dismissed", "carl").1.contains("P01 is due"));
    let [beside, of_history] = replies_told(&server).await;
    assert_eq!((beside.len(), of_history.len(), &of_history[18..]), (0, 20, both.as_slice()));
    let told = page().await;
    assert!(!told.contains("id=\"reply\"") && told.contains("<blockquote class=\"told\""), "{told}");
    let (taken, told) = on_paper("too late");
    assert!(!taken && told.contains("no case of this number is open"), "{told}");
    assert_eq!(reply(&one, &token, "K-1", "too late").await, 403);
    let (_, told) = case(&binary, &database, &[]);
    assert_eq!(told.lines().filter(|line| line.contains("K-1: the operator replied")).count(), 20, "{told}");
}

/// Another operator, another session, another case, nothing and too much: none is a reply.
async fn only_its_own_people(
    reply: &impl AsyncFn(&str, &str, &str, &str) -> u16,
    [one, token]: [&str; 2],
    [two, of_two]: [&str; 2],
) {
    assert_eq!(reply(one, "another site's", "K-1", "x").await, 403);
    assert_eq!(reply(two, token, "K-1", "x").await, 403);
    assert_eq!(reply(two, of_two, "K-1", "x").await, 404, "of another operator");
    assert_eq!(reply(one, token, "K-2", "x").await, 403, "no such case");
    for words in [" \n ", "a\0b", "字".repeat(2_001).as_str(), "x\n".repeat(61).as_str()] {
        assert_eq!(reply(one, token, "K-1", words).await, 400, "{} bytes", words.len());
    }
}

/// Twenty replies of the longest kind: no more are taken, and the page still opens on a bad line.
async fn as_many_as_are_taken(
    server: &Server,
    reply: &impl AsyncFn(&str, &str, &str, &str) -> u16,
    cookie: &str,
    token: &str,
) {
    let words = |n: u32| format!("{n:02}{}", "𠀀".repeat(1_998));
    for n in 3..=20 {
        assert_eq!(reply(cookie, token, "K-1", &words(n)).await, 303, "{n}");
    }
    assert_eq!(reply(cookie, token, "K-1", &words(21)).await, 403);
    let page = server.get("/p/P01?lang=en").await.1;
    assert!(page.len() < PAGE_BYTES_MAX && page.contains(&words(20)), "{} bytes", page.len());
    assert!(page.contains("Earlier replies, not listed:"), "{page}");
    assert_eq!(replies_told(server).await.map(|told| told.len()), [20, 20]);
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
