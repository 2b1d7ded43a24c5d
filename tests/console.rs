//! The operators' pages: signing in, whose piles one sees, import with errors, orders, the message log, the inbox.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

#[path = "console/language.rs"]
mod language;
#[path = "console/made_in.rs"]
mod made_in;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use veripile_tests::{Charger, Database, Server, command, free_port, provided, written};

const SETTINGS: [(&str, &str); 2] =
    [("VERIPILE_OCPP__LEAST_SECURITY_PROFILE", "0"), ("VERIPILE_OCPP__READINESS_ON_BOOT", "false")];

/// Somebody at the console.
struct Visitor<'a> {
    server: &'a Server,
    cookie: String,
    token: String,
}

impl<'a> Visitor<'a> {
    async fn sign_in(server: &'a Server, name: &str, password: &str) -> Result<Self, u16> {
        let form = [("name", name), ("password", password)];
        let (status, headers, _) = server.post_as("/op/sign-in?lang=en", "", &form).await;
        let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: ")).ok_or(status)?;
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = server.get_as("/op/import?lang=en", &cookie).await.2;
        let token =
            page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Ok(Self { server, cookie, token })
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, headers, body) = self.server.get_as(path, &self.cookie).await;
        assert!(status != 200 || headers.contains("no-store"), "{path} must not be cached");
        (status, body)
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let form: Vec<_> = form.iter().copied().chain([("token", self.token.as_str())]).collect();
        let (status, _, body) = self.server.post_as(path, &self.cookie, &form).await;
        (status, body)
    }

    /// The page of a pile once it contains a text.
    async fn until(&self, path: &str, text: &str) -> String {
        for _ in 0..60 {
            let (_, page) = self.get(path).await;
            if page.contains(text) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path} never says {text:?}: {}", self.get(path).await.1);
    }
}

/// Two operators with a pile each, an account for one and for an administrator.
fn prepare(binary: &PathBuf, database: &Database) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\nO2,乙,Two\n");
    let stations = file(
        "stations.csv",
        "station_id,operator_id,name_zh,name_en,lon,lat\nS1,O1,站,Station One,120.3,31.5\nS2,O2,站,Two,120.3,31.5\n",
    );
    let piles = file(
        "piles.csv",
        "pile_id,station_id,operator_id,kind,accuracy_class\nP1,S1,O1,ac,2\nP2,S2,O2,dc,2\n",
    );
    command(
        binary,
        database,
        &["register", "--operators", &operators, "--stations", &stations, "--piles", &piles],
    );
    let password = file("password", "a password of mine\n");
    command(binary, database, &["account", "one", "--operator", "O1", "--password-file", &password]);
    let told = command(binary, database, &["account", "root"]);
    told.trim().rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn one_signs_in_and_sees_ones_own_piles_only() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let password = prepare(&binary, &database);
    let server = Server::start_with(&binary, &database, free_port(), "inbox", &SETTINGS).await;
    for path in [
        "/op",
        "/op/import",
        "/op/reports",
        "/op/piles/P1",
        "/op/piles/P1/messages",
        "/op/piles/P1/messages.ndjson",
        "/op/piles/P1/label.pdf",
    ] {
        let (status, headers, _) = server.get_as(path, "veripile_session=made-up").await;
        assert!(status == 303 && headers.contains("location: /op/sign-in"), "{path}: {status} {headers}");
    }
    assert_eq!(Visitor::sign_in(&server, "one", "wrong").await.err(), Some(403));
    assert_eq!(Visitor::sign_in(&server, "nobody", "wrong").await.err(), Some(403));
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let (_, page) = one.get("/op?lang=en").await;
    assert!(
        page.contains("/op/piles/P1") && !page.contains("/op/piles/P2") && !page.contains("id=\"inbox\"")
    );
    assert_eq!(one.get("/op/piles/P2").await.0, 404);
    assert_eq!(one.post("/op/piles/P2/key", &[]).await.0, 404);
    assert_eq!(one.post("/op/piles/P2/order", &[("order", "reset_hard")]).await.0, 404);
    assert_eq!(one.post("/op/inbox/P1/dismiss", &[]).await.0, 403);
    let (status, _, _) =
        server.post_as("/op/piles/P1/key", &one.cookie, &[("token", "another site's")]).await;
    assert_eq!(status, 403, "a form of another site changes nothing");
    let root = Visitor::sign_in(&server, "root", &password).await.unwrap();
    let (_, page) = root.get("/op?lang=en").await;
    assert!(page.contains("/op/piles/P1") && page.contains("/op/piles/P2") && page.contains("id=\"inbox\""));
    assert_eq!(server.post_as("/op/sign-out", &root.cookie, &[("token", "another site's")]).await.0, 403);
    assert_eq!(root.get("/op").await.0, 200, "another site signs nobody out");
    root.post("/op/sign-out", &[]).await;
    assert_eq!(root.get("/op").await.0, 303, "the session has ended");
    let hashes = "SELECT count(*) FROM account WHERE password_hash NOT LIKE '$argon2id$%'";
    assert_eq!(database.number(hashes).await, 0);
}

/// Class 2 permits 2 %.
const RESULTS: &str = "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor,number
P1,2026-01-10T00:00:00Z,-1.9,0.2,2,FINE
P1,2026-01-11T00:00:00Z,3.1,0.2,2,TOO-MUCH
";

#[tokio::test]
async fn a_bad_result_on_site_is_its_operator_s_until_the_failure_is_public() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let password = prepare(&binary, &database);
    let folder = tempfile::tempdir().unwrap();
    let results = written(folder.path(), "anchors.csv", RESULTS);
    command(&binary, &database, &["register", "--anchors", &results]);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let step = |to: &str, person: &str, more: &[&str]| {
        let step = ["case", "P1", "--number", "K", "--issuer", "市监局", "--reason", "why"];
        let taken = ["--to", to, "--person", person];
        command(&binary, &database, &[step.as_slice(), &taken, more].concat())
    };
    for is_public in [false, true] {
        for path in ["/p/P1?lang=en", "/api/v1/piles/P1/history"] {
            let (status, body) = server.get(path).await;
            let told = [body.contains("FINE"), body.contains("TOO-MUCH")];
            assert_eq!((status, told), (200, [true, is_public]), "{path}: {body}");
        }
        for (name, password) in [("one", "a password of mine"), ("root", password.as_str())] {
            let person = Visitor::sign_in(&server, name, password).await.unwrap();
            for path in ["/op/piles/P1?lang=en", "/ver/piles/P1?lang=en"] {
                let (_, page) = person.get(path).await;
                assert!(page.contains("FINE · -1.9 %") && page.contains("TOO-MUCH · +3.1 %"), "{page}");
                assert_eq!(page.matches(" · not public").count(), usize::from(!is_public), "{page}");
            }
        }
        if !is_public {
            for (to, person) in [("open", "a"), ("on_site", "a"), ("proposed", "a"), ("confirmed", "b")] {
                step(to, person, &[]);
            }
            assert!(
                !server.get("/p/P1?lang=en").await.1.contains("TOO-MUCH"),
                "the operator was not told yet"
            );
            step("served", "c", &["--reply-waived"]);
        }
    }
}

/// Bare wires of last year stand before 5,000 reports of today on one's other piles, each of which is on some page.
#[tokio::test]
async fn no_report_drops_out_of_sight() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let mut connection = database.connect().await;
    for query in [
        "INSERT INTO pile (pile_id, operator_id, kind, accuracy_class, registered)
         SELECT 'Q' || n, 'O1', 'ac', 2, true FROM generate_series(100, 249) AS n",
        "INSERT INTO report (receipt, pile_no, reason, reported_at)
         SELECT 'DANGER', pile_no, 'danger', now() - interval '400 days' FROM pile WHERE pile_id = 'P1'",
        "INSERT INTO report (receipt, pile_no, reason, reported_at)
         SELECT pile_id || '-' || n, pile_no, 'price', now() FROM pile, generate_series(1, 33) AS n WHERE pile_id LIKE 'Q%'",
        "INSERT INTO report (receipt, pile_no, reason, reported_at)
         SELECT 'OTHERS', pile_no, 'danger', now() FROM pile WHERE pile_id = 'P2'",
    ] {
        sqlx::query(query).execute(&mut connection).await.unwrap();
    }
    let server = Server::start_with(&binary, &database, free_port(), "closed", &SETTINGS).await;
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let reports = async |path: &str| {
        let (status, page) = one.get(path).await;
        assert_eq!(status, 200);
        let section =
            page.split("id=\"reports\"").nth(1).unwrap().split("</section>").next().unwrap().to_owned();
        assert!(!section.contains("OTHERS"), "{path}");
        section
    };
    let (first, second) = (reports("/op?lang=en").await, reports("/op/reports?page=2&lang=en").await);
    // 150 × 33 and the one.
    assert!(first.contains("<small>4951</small>") && second.contains("<small>4951</small>"), "{first}");
    assert!(first.find("DANGER").unwrap() < first.find("The bill is not").unwrap(), "{first}");
    assert_eq!((first.matches("<tr><td>").count(), second.matches("<tr><td>").count()), (100, 51));
    assert!(first.contains(">33</td>") && first.contains("/op/reports?page=2"), "{first}");
    let all = format!("{first}{second}");
    assert!((100..250).all(|n| all.contains(&format!(">Q{n}</a>"))), "{all}");
    assert!(!second.contains("page=3"), "{second}");
    assert_eq!(one.get("/op/reports?page=two").await.0, 400);
}

#[tokio::test]
async fn a_pile_is_onboarded_from_its_page() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start_with(
        &binary,
        &database,
        free_port(),
        "closed",
        &[("VERIPILE_OCPP__READINESS_ON_BOOT", "false")],
    )
    .await;
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let (_, page) = one.get("/op/piles/P1?lang=en").await;
    let address = format!("ws://127.0.0.1:{}/ocpp/P1", server.port);
    assert!(page.contains(&address) && page.contains("No key yet"), "{page}");
    assert_eq!(Charger::connect(&server.ocpp(), "P1", Some("ocpp1.6")).await.err(), Some(401));
    one.until("/op/piles/P1?lang=en", "no key made").await;
    let (_, page) = one.post("/op/piles/P1/key?lang=en", &[]).await;
    let key = page.split("id=\"key\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(!one.get("/op/piles/P1").await.1.contains(&key), "shown once");
    let mut charger = Charger::connect_with_key(&server.ocpp(), "P1", "ocpp1.6", &key).await.unwrap();
    one.until("/op/piles/P1?lang=en", "Nothing to do.").await;
    let boot = json!({ "chargePointVendor": "Vendor<script>", "chargePointModel": "Model" });
    assert_eq!(charger.call("BootNotification", &boot).await[2]["status"], "Accepted");
    assert_eq!(charger.send(r#"[2,"odd","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-03-01T08:00:00Z","sampledValue":[{"value":"x"}]}]}]"#).await[0], 3);

    let answers = [
        ("trigger", "Heartbeat", "TriggerMessage", r#"{"status":"Accepted"}"#, "accepted"),
        ("reset_soft", "", "Reset", r#"{"status":"Rejected"}"#, "refused"),
        ("start_charge", "CARD-7", "RemoteStartTransaction", r#"{"status":"Rejected"}"#, "refused"),
        (
            "read_configuration",
            "HeartbeatInterval",
            "GetConfiguration",
            r#"{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"300"}]}"#,
            "accepted",
        ),
    ];
    for (order, name, action, answer, outcome) in answers {
        assert_eq!(one.post("/op/piles/P1/order", &[("order", order), ("name", name)]).await.0, 303);
        let call: Value = serde_json::from_str(&charger.receive().await.unwrap()).unwrap();
        assert_eq!(call[2], action);
        charger.say(&format!("[3,{},{answer}]", call[1])).await;
        let page = one.until("/op/piles/P1?lang=en", &format!("outcome {outcome}")).await;
        assert!(page.contains("ms</b>"), "with its latency");
    }
    assert_eq!(one.post("/op/piles/P1/order", &[("order", "trigger"), ("name", "")]).await.0, 400);
    let page = one.until("/op/piles/P1/messages?lang=en", "GetConfiguration").await;
    assert!(
        page.contains("BootNotification")
            && page.contains("Vendor&#60;script&#62;")
            && !page.contains("<script>")
    );
    // What is sent is logged twice a second.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let log = one.get("/op/piles/P1/messages.ndjson").await.1;
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(log.len(), 6, "two calls of the charger, four of ours");
    let cards = "SELECT count(*) FROM command WHERE call::text LIKE '%CARD-7%'";
    assert_eq!(database.number(cards).await, 0, "a card is kept no longer than until it is sent");
    assert!(log.iter().all(|line| line["answer"].is_string() && line["answered_at"].is_string()), "{log:?}");
    let (status, before_all) = one.get("/op/piles/P1/messages.ndjson?before=-009000-01-01T00:00:00Z").await;
    assert_eq!((status, before_all.as_str()), (200, ""));
    let marked = one.get("/op/piles/P1/messages.ndjson?marked=yes").await.1;
    assert_eq!(marked.lines().count(), 0, "marks on readings are not on the frame");
    let only = one.get("/op/piles/P1/messages.ndjson?action=MeterValues").await.1;
    assert_eq!(only.lines().count(), 1);
    // More than an export holds: it says where it stops.
    let many = "INSERT INTO frame (pile_no, time, digest, received_at, connection, protocol, message_id, action, body, mac)
                SELECT pile_no, t, gen_random_uuid(), t, gen_random_uuid(), 'ocpp1.6', 'm', 'Heartbeat', '[2,\"m\",\"Heartbeat\",{}]', ''
                FROM pile, generate_series(timestamptz '2026-01-01', timestamptz '2026-01-01 05:33:20', '1 s') AS t
                WHERE pile_id = 'P1'";
    sqlx::query(many).execute(&mut database.connect().await).await.unwrap();
    let heartbeats = one.get("/op/piles/P1/messages.ndjson?action=Heartbeat").await.1;
    let last: Value = serde_json::from_str(heartbeats.lines().last().unwrap()).unwrap();
    assert_eq!(
        (heartbeats.lines().count(), &last),
        (20_001, &json!({ "more_before": "2026-01-01T00:00:01Z" }))
    );
    let rest = format!("/op/piles/P1/messages.ndjson?action=Heartbeat&before={}", "2026-01-01T00:00:01Z");
    assert_eq!(one.get(&rest).await.1.lines().count(), 1);
    let (status, headers, body) = server.get_as("/op/piles/P1/label.pdf", &one.cookie).await;
    assert!(status == 200 && headers.contains("application/pdf") && body.starts_with("%PDF-"));
}

#[tokio::test]
async fn a_session_is_for_encrypted_pages_where_the_site_is_reached_so() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    for (public, is_encrypted) in [("https://piles.example", true), ("http://piles.example", false)] {
        let settings = [("VERIPILE_HTTP__PUBLIC_URL", public)];
        let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
        let form = [("name", "one"), ("password", "a password of mine")];
        let (_, headers, _) = server.post_as("/op/sign-in", "", &form).await;
        let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        assert_eq!(cookie.contains("; Secure"), is_encrypted, "{headers}");
        assert_eq!(headers.contains("strict-transport-security: "), is_encrypted, "{headers}");
        assert!(server.stop());
    }
}

#[tokio::test]
async fn a_table_of_piles_tells_each_bad_row() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let password = prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let table = "pile_id,kind,accuracy_class,station_id\nN1,ac,2,S1\nN2,cc,2,S1\nN3,ac,seven,S1\nN4,ac,2,S2\nP2,ac,2,\nN5,dc,1,S1\n";
    let (_, page) = one.post("/op/import?lang=en", &[("table", table)]).await;
    for words in [
        "<td>3</td>",
        "neither ac nor dc",
        "<td>4</td>",
        "N4: column station_id",
        "P2: column pile_id: registered with another operator, O2",
        "Nothing was registered",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(database.number("SELECT count(*) FROM pile").await, 2);
    let (_, page) = one.post("/op/import?lang=en", &[("table", table), ("skip", "yes")]).await;
    assert!(page.contains("Registered: <b>2</b>"), "{page}");
    let own = "SELECT count(*) FROM pile WHERE pile_id IN ('N1', 'N5') AND operator_id = 'O1'";
    assert_eq!(database.number(own).await, 2);
    // Without coordinates they stand at their station; one that has none is told.
    assert!(!page.contains("id=\"placeless\""), "{page}");
    let placed = "SELECT count(*) FROM pile JOIN station USING (station_id)
                  WHERE pile_id IN ('N1', 'N5') AND pile.lon = station.lon AND pile.lat = station.lat AND pile.given_lon IS NULL";
    assert_eq!(database.number(placed).await, 2);
    let (_, page) =
        one.post("/op/import?lang=en", &[("table", "pile_id,kind,accuracy_class\nN6,ac,2\n")]).await;
    assert!(
        page.contains("Piles without a place <small>1</small>") && page.contains("<td>N6</td>"),
        "{page}"
    );
    assert!(
        page.contains("coordinate_system,region,address"),
        "the help names what statistics count by: {page}"
    );
    let stations = "station_id,operator_id,name_zh,name_en,lon,lat\nS9,O1,九,Nine,120.3,31.5\nS8,O2,八,Eight,120.3,31.5\nS2,O1,乙,Two,120.3,31.5\nS7,O1,七,Seven,999,31.5\n";
    let (_, page) = one.post("/op/import?lang=en", &[("table", stations)]).await;
    for words in [
        "S8: column operator_id: not yours",
        "S2: column station_id",
        "not on the globe",
        "Nothing was registered",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let (_, page) = one.post("/op/import?lang=en", &[("table", stations), ("skip", "yes")]).await;
    assert!(page.contains("Registered: <b>1</b>"), "{page}");
    assert_eq!(database.number("SELECT count(*) FROM station WHERE operator_id = 'O1'").await, 2);
    let misspelt = "pile_id,kind,accuracy_class,station_id,maker\nN7,ac,2,S1,甲\n";
    let (_, page) = one.post("/op/import?lang=en", &[("table", misspelt)]).await;
    assert!(page.contains("Registered: <b>1</b>") && page.contains("<li><code>maker</code></li>"), "{page}");
    // A location brings its piles along, also where nobody knew it before.
    let location = r#"[{"id": "S10", "name": "十", "coordinates": {"latitude": "31.5", "longitude": "120.3"},
        "evses": [{"uid": "E1", "connectors": [{"standard": "GBT_DC", "power_type": "DC"}]}]}]"#;
    let (_, page) = one.post("/op/import?lang=en", &[("table", location)]).await;
    assert!(page.contains("Registered: <b>2</b>"), "{page}");
    let with_it =
        "SELECT count(*) FROM pile WHERE pile_id = 'E1' AND station_id = 'S10' AND operator_id = 'O1'";
    assert_eq!(database.number(with_it).await, 1);
    // A plug that is not known is left out and named, and the pile comes without it.
    let other = location.replace("GBT_DC", "TESLA_<b>");
    let (_, page) = one.post("/op/import?lang=en", &[("table", &other)]).await;
    let left_out = page.split("id=\"plugs\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(left_out.contains("<td>E1</td>") && left_out.contains("TESLA_&"), "{page}");
    assert!(page.contains("Registered: <b>2</b>") && !left_out.contains("TESLA_<"), "{page}");
    let (_, page) = one.post("/op/import?lang=en", &[("table", "name\nx\n")]).await;
    assert!(page.contains("no column pile_id, kind, accuracy_class"), "{page}");
    let twice = "pile_id,kind,accuracy_class\nN6,ac,2\nN6,dc,1\n";
    let (_, page) = one.post("/op/import?lang=en", &[("table", twice)]).await;
    assert!(
        page.contains("pile N6 stands in line 2 already") && page.contains("Nothing was registered"),
        "{page}"
    );
    // What is not to be shown publicly is left out and named, also where it is here from before.
    let private = location.replace("\"id\": \"S10\"", "\"publish\": false, \"id\": \"S10\"");
    for (id, still) in [("S10", true), ("S11", false)] {
        let (_, page) = one.post("/op/import?lang=en", &[("table", &private.replace("S10", id))]).await;
        let left_out = page.split("id=\"private\"").nth(1).unwrap().split("</section>").next().unwrap();
        assert!(
            left_out.contains("<small>1</small>") && left_out.contains(&format!("<td>{id}</td>")),
            "{page}"
        );
        assert_eq!(left_out.contains("public still"), still, "{page}");
        assert!(page.contains("Registered: <b>0</b>"), "{page}");
    }
    others_stay_theirs(&server, &database, &password).await;
}

/// What the database would refuse is told with row and column, and registers nothing.
#[tokio::test]
async fn a_bad_table_is_told_and_never_a_failure_of_the_server() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let password = prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let root = Visitor::sign_in(&server, "root", &password).await.unwrap();
    for (table, words) in [
        ("station_id,operator_id,name,lon,lat\nS3,O1,a\0b,120.3,31.5\n", "column name: has a NUL character"),
        ("pile_id,kind,accuracy_class,model\nN1,ac,2,\0\n", "column model: has a NUL character"),
        ("pile_id,operator_id,kind,accuracy_class\nN1,O7,ac,2\n", "N1: column operator_id: no such operator"),
    ] {
        let (status, page) = root.post("/op/import?lang=en", &[("table", table)]).await;
        assert!(status == 200 && page.contains(words), "{words}: {status} {page}");
        assert!(page.contains("Nothing was registered"), "{page}");
    }
    // Of a list that says nothing of a part, what it makes with that part is held against what there can be.
    let full = "pile_id,station_id,kind,accuracy_class,power_kw,connectors\nN2,S1,dc,1,240,gbt_dc\n";
    let (_, page) = root.post("/op/import?lang=en", &[("table", full)]).await;
    assert!(page.contains("Registered: <b>1</b>"), "{page}");
    for (table, words) in [
        ("pile_id,kind,accuracy_class\nN2,ac,2\n", "N2: column power_kw: 240 kW, and no ac pile exceeds 200"),
        (
            "pile_id,kind,accuracy_class,power_kw\nN2,ac,2,7\n",
            "N2: column connectors: gbt_dc on a pile of kind ac",
        ),
    ] {
        let (_, page) = root.post("/op/import?lang=en", &[("table", table)]).await;
        assert!(page.contains(words) && page.contains("Nothing was registered"), "{words}: {page}");
    }
    let whole = "pile_id,kind,accuracy_class,power_kw,connectors\nN2,ac,2,7,gbt_ac\n";
    let (_, page) = root.post("/op/import?lang=en", &[("table", whole)]).await;
    assert!(page.contains("Registered: <b>1</b>"), "{page}");
    // What its operator says to be removed leaves its station, and is named; as long as nothing is registered it stands there.
    let removed = r#"[{"id": "S1", "coordinates": {"latitude": "31.5", "longitude": "120.3"}, "country_code": "CN", "party_id": "X",
        "evses": [{"uid": "P1", "status": "REMOVED", "connectors": []}]}]"#;
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let told = async || {
        let (_, page) = one.post("/op/import?lang=en", &[("table", removed)]).await;
        page.split("id=\"removed\"").nth(1).unwrap().split("</section>").next().unwrap().to_owned()
    };
    let bad = removed.replace("}]}]", "}]}, {\"id\": \"S9\"}]");
    let (_, page) = one.post("/op/import?lang=en", &[("table", bad.as_str())]).await;
    assert!(page.contains("Nothing was registered") && page.contains("still registered there"), "{page}");
    let section = told().await;
    assert!(section.contains("<td>P1</td>") && !section.contains("still registered there"), "{section}");
    assert_eq!(database.number("SELECT count(*) FROM former_pile WHERE station_id = 'S1'").await, 1);
    let section = told().await;
    assert!(section.contains("<td>P1</td>") && !section.contains("still registered there"), "{section}");
}

/// Not even an administrator takes over what another operator has: both of them count from one.
async fn others_stay_theirs(server: &Server, database: &Database, password: &str) {
    let root = Visitor::sign_in(server, "root", password).await.unwrap();
    let third = "INSERT INTO operator (operator_id, name_zh, name_en) VALUES ('CN-ABC', '丙', 'Three')";
    sqlx::query(third).execute(&mut database.connect().await).await.unwrap();
    let location = |id: &str, uid: &str| {
        format!(
            r#"[{{"id": "{id}", "country_code": "CN", "party_id": "ABC", "coordinates": {{"latitude": "31.5", "longitude": "120.3"}},
                "evses": [{{"uid": "{uid}", "connectors": []}}]}}]"#
        )
    };
    for (id, uid, words) in [
        (
            "S1",
            "E9",
            vec!["S1: column station_id: registered with another operator, O1", "E9: column station_id"],
        ),
        ("S12", "P1", vec!["P1: column pile_id: registered with another operator, O1", "--change-operator"]),
    ] {
        let (_, page) = root.post("/op/import?lang=en", &[("table", &location(id, uid))]).await;
        assert!(words.iter().all(|words| page.contains(words)), "{words:?}: {page}");
        assert!(page.contains("Nothing was registered"), "{page}");
    }
    let theirs = "SELECT count(*) FROM station WHERE operator_id = 'CN-ABC'";
    assert_eq!(database.number(theirs).await, 0);
    let (_, page) = root.post("/op/import?lang=en", &[("table", &location("S12", "E9"))]).await;
    assert!(page.contains("Registered: <b>2</b>"), "{page}");
}

#[tokio::test]
async fn an_administrator_lets_a_waiting_charger_in_or_sends_it_away() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let password = prepare(&binary, &database);
    let server = Server::start_with(&binary, &database, free_port(), "inbox", &SETTINGS).await;
    let root = Visitor::sign_in(&server, "root", &password).await.unwrap();
    let boot = json!({ "chargePointVendor": "ACME", "chargePointModel": "M7" });
    for id in ["NEW 1", "NEW2"] {
        let mut charger =
            Charger::connect(&server.ocpp(), &id.replace(' ', "%20"), Some("ocpp1.6")).await.unwrap();
        assert_eq!(charger.call("BootNotification", &boot).await[2]["status"], "Pending");
    }
    let page = root.until("/op?lang=en", "NEW 1").await;
    assert!(page.contains("ACME · M7"));
    // Stations are offered, and may be typed; one that nobody registered is told off.
    assert!(
        page.contains("<option value=\"S1\">") && page.contains("name=\"station\" list=\"stations\""),
        "{page}"
    );
    let typed = [("kind", "dc"), ("class", "1"), ("station", "S404")];
    assert_eq!(root.post("/op/inbox/NEW%201/let-in", &typed).await.0, 400);
    let form = [("kind", "dc"), ("class", "1"), ("station", "S1")];
    assert_eq!(root.post("/op/inbox/NEW%201/let-in", &form).await.0, 303);
    let known = "SELECT count(*) FROM pile JOIN station USING (station_id, lon, lat)
                 WHERE pile_id = 'NEW 1' AND NOT inbox AND kind = 'dc' AND station_id = 'S1' AND pile.given_lon IS NULL";
    assert_eq!(database.number(known).await, 1);
    assert_eq!(root.post("/op/inbox/P1/let-in", &form).await.0, 404, "a registered pile is not let in again");
    assert_eq!(root.post("/op/inbox/NEW2/dismiss", &[]).await.0, 303);
    assert!(!root.get("/op?lang=en").await.1.contains("/op/inbox/NEW2/"));
    assert_eq!(database.number("SELECT count(*) FROM frame").await, 2, "what they said is kept");
}

/// A charger whose register restarts in each charge (Java-OCA-OCPP#331).
#[tokio::test]
async fn how_a_register_counts_and_what_its_charges_lack_is_told_with_advice() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start_with(&binary, &database, free_port(), "open", &SETTINGS).await;
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let mut charger = Charger::connect(&server.ocpp(), "P1", Some("ocpp1.6")).await.unwrap();
    for hour in 8..12 {
        let at = |minute: u32| format!("2026-03-01T{hour:02}:{minute:02}:00Z");
        let start = json!({ "connectorId": 1, "idTag": "CARD", "meterStart": 0, "timestamp": at(0) });
        let transaction = charger.call("StartTransaction", &start).await[2]["transactionId"].clone();
        for (minute, wh) in [(10, "3000"), (20, "100")] {
            let values = json!({ "connectorId": 1, "transactionId": transaction,
                "meterValue": [{ "timestamp": at(minute), "sampledValue": [{ "value": wh, "unit": "Wh" }] }] });
            charger.call("MeterValues", &values).await;
        }
        let stop = json!({ "transactionId": transaction, "meterStop": 2101, "timestamp": at(40) });
        charger.call("StopTransaction", &stop).await;
    }
    let page = one.until("/op/piles/P1?lang=en", "1: begins anew at each boot").await;
    assert!(page.contains("began anew 4 ×"), "{page}");
    assert!(page.contains("register restarted") && page.contains("<bdi>charges</bdi> · 4 ×"), "{page}");
    assert!(page.contains("Do not let the register start again during a charge"), "{page}");
    assert!(page.contains("&#34;energyWh&#34;: 5001"), "3000 before the fall and 2001 after it: {page}");
    assert!(!page.contains("CARD"));
}
