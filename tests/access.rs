//! Who may connect: security profiles, the inbox, and the list of attempts.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use veripile_tests::{Charger, Database, Server, basic, command, free_port, header, provided, written};

const KEY: &str = "correct-horse-battery";

/// Registers piles with their access.
fn register(binary: &std::path::PathBuf, database: &Database, folder: &Path, access: &str) {
    let ids: Vec<_> = access.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let piles: Vec<_> = ids.iter().map(|id| format!("{id},ac,2")).collect();
    let piles = written(folder, "piles.csv", format!("pile_id,kind,accuracy_class\n{}\n", piles.join("\n")));
    let access = written(folder, "access.csv", access);
    let out = folder.join("keys.csv");
    let _ = std::fs::remove_file(&out);
    command(
        binary,
        database,
        &["register", "--piles", &piles, "--access", &access, "--keys-out", out.to_str().unwrap()],
    );
}

#[tokio::test]
async fn a_registered_pile_needs_its_key_and_every_attempt_is_listed() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let access = format!("pile_id,security_profile,key\nA,1,{KEY}\nB,,\nC,2,{KEY}\nD,,new\n");
    register(&binary, &database, folder.path(), &access);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let ocpp = server.ocpp();
    let with = async |id: &str, key: &str| Charger::connect_with_key(&ocpp, id, "ocpp1.6", key).await;
    assert!(with("A", KEY).await.is_ok());
    assert_eq!(with("A", "wrong").await.err(), Some(401));
    assert_eq!(Charger::connect(&ocpp, "A", Some("ocpp1.6")).await.err(), Some(401));
    let other = [("Sec-WebSocket-Protocol", "ocpp1.6".to_owned()), ("Authorization", basic("B", KEY))];
    assert_eq!(Charger::connect_with(&format!("{ocpp}/A"), &other, None).await.err(), Some(401));
    assert_eq!(with("B", KEY).await.err(), Some(401), "no key was ever made");
    assert_eq!(with("C", KEY).await.err(), Some(403), "profile 2 needs TLS");
    assert_eq!(with("nobody", KEY).await.err(), Some(404));
    let drawn = std::fs::read_to_string(folder.path().join("keys.csv")).unwrap();
    let drawn = drawn.lines().nth(1).unwrap().strip_prefix("D,").unwrap().to_owned();
    assert_eq!(drawn.len(), 40);
    assert!(Charger::connect_with_key(&ocpp, "D", "ocpp1.6", &drawn).await.is_ok());
    let stored = "SELECT count(*) FROM access WHERE key_hash NOT LIKE '$argon2id$%'";
    assert_eq!(database.number(stored).await, 0, "hashes only");
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let listed: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT identity, reason, attempts FROM attempt ORDER BY identity, reason")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap();
    let listed: Vec<_> = listed.iter().map(|(id, reason, n)| (id.as_str(), reason.as_str(), *n)).collect();
    assert_eq!(
        listed,
        [
            ("A", "connected", 1),
            ("A", "no_credentials", 1),
            ("A", "wrong_key", 1),
            ("A", "wrong_user", 1),
            ("B", "no_key_made", 1),
            ("C", "no_tls", 1),
            ("D", "connected", 1),
            ("nobody", "unknown", 1),
        ]
    );
}

#[tokio::test]
async fn a_new_key_counts_beside_the_old_one_until_the_charger_has_taken_it() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = ("the-old-key-of-the-pile", "the-new-key-of-the-pile");
    register(&binary, &database, folder.path(), &format!("pile_id,key\nA,{old}\n"));
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let ocpp = server.ocpp();
    let connects = async |key: &str| Charger::connect_with_key(&ocpp, "A", "ocpp1.6", key).await.is_ok();
    assert!(connects(old).await);
    register(&binary, &database, folder.path(), &format!("pile_id,key\nA,{new}\n"));
    assert!(connects(old).await, "it has not taken the new one yet");
    assert!(connects(new).await);
    assert!(!connects(old).await, "now it has");
    // Two in a row: whichever of them reached the charger, it is not locked out.
    for key in ["a-third-key-of-the-pile", "a-fourth-key-of-the-pile"] {
        register(&binary, &database, folder.path(), &format!("pile_id,key\nA,{key}\n"));
    }
    for key in [new, "a-third-key-of-the-pile", new, "a-fourth-key-of-the-pile"] {
        assert!(connects(key).await, "{key}");
    }
    for key in [new, "a-third-key-of-the-pile"] {
        assert!(!connects(key).await, "{key}: it has come with the newest");
    }
    // However many are made, those that the charger may well have count: the one it came with, and the newest.
    for number in 0..8 {
        register(
            &binary,
            &database,
            folder.path(),
            &format!("pile_id,key\nA,key-number-{number}-of-the-pile\n"),
        );
    }
    assert!(connects("a-fourth-key-of-the-pile").await);
    assert!(connects("key-number-5-of-the-pile").await);
    assert!(!connects("key-number-1-of-the-pile").await);
    assert!(connects("key-number-7-of-the-pile").await);
    assert!(!connects("a-fourth-key-of-the-pile").await);
}

#[tokio::test]
async fn one_that_tries_too_often_is_told_to_wait() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let mut statuses = Vec::new();
    for _ in 0..70 {
        statuses.push(Charger::connect(&server.ocpp(), "X", Some("ocpp1.6")).await.err().unwrap());
    }
    assert_eq!((statuses[0], statuses[59], statuses[60], statuses[69]), (404, 404, 429, 429));
    assert_eq!(
        Charger::connect(&server.ocpp(), "Y", Some("ocpp1.6")).await.err(),
        Some(404),
        "another does not wait"
    );
}

#[tokio::test]
async fn an_unknown_charger_waits_in_the_inbox_until_it_is_let_in() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let settings =
        [("VERIPILE_OCPP__LEAST_SECURITY_PROFILE", "0"), ("VERIPILE_OCPP__READINESS_ON_BOOT", "false")];
    let server = Server::start_with(&binary, &database, free_port(), "inbox", &settings).await;
    let mut charger = Charger::connect(&server.ocpp(), "NEW", Some("ocpp1.6")).await.unwrap();
    let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1.2" });
    let answer: Value = charger.call("BootNotification", &boot).await;
    assert_eq!(answer[2]["status"], "Pending");
    assert_eq!(server.get("/p/NEW").await.0, 404, "nobody is shown it");
    assert_eq!(
        database.number("SELECT count(*) FROM pile_live WHERE vendor = 'V'").await,
        1,
        "operators are"
    );
    let at = |minute| format!("2026-03-01T08:{minute:02}:00Z");
    let start = json!({ "connectorId": 1, "idTag": "CARD", "meterStart": 0, "timestamp": at(0) });
    let transaction = charger.call("StartTransaction", &start).await[2]["transactionId"].clone();
    let stop = json!({ "transactionId": transaction, "meterStop": 9000, "timestamp": at(40) });
    charger.call("StopTransaction", &stop).await;
    let number = database.number("SELECT charge_no FROM charge").await;
    let charge = async || {
        let (status, _) = server.get(&format!("/api/v1/charges/{number}")).await;
        let (_, page) = server.get(&format!("/check?charge={number}&lang=en")).await;
        (status, page.contains("/p/NEW"))
    };
    assert_eq!(charge().await, (404, false), "nor what it charged");
    let folder = tempfile::tempdir().unwrap();
    register(&binary, &database, folder.path(), "pile_id\nNEW\n");
    assert_eq!(charge().await, (200, true));
    assert_eq!(charger.receive().await, None, "whoever was let in must come back and prove who it is");
    let unproven = "SELECT count(*) FROM charge WHERE marks = '{unproven}'";
    assert_eq!(database.number(unproven).await, 1, "what a stranger told counts for nothing");
    assert_eq!(database.miscounted().await, 0, "but it is on record");
    let mut charger = Charger::connect(&server.ocpp(), "NEW", Some("ocpp1.6")).await.unwrap();
    assert_eq!(charger.call("BootNotification", &boot).await[2]["status"], "Accepted");
    assert_eq!(server.get("/p/NEW").await.0, 200);
}

/// An authority, a server's certificate and clients' certificates, as files and as a client's configuration.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// A certificate and its key, PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn client(&self, certificate: Option<(String, String)>) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.issuer.pem().as_bytes()).unwrap()).unwrap();
        let builder =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
        Arc::new(match certificate {
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        })
    }
}

#[tokio::test]
async fn profiles_2_and_3_over_tls() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    register(&binary, &database, folder.path(), &format!("pile_id,security_profile,key\nB,2,{KEY}\nM,3,\n"));
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.issue("localhost");
    let files = [
        written(folder.path(), "certificate.pem", &certificate),
        written(folder.path(), "key.pem", &key),
        written(folder.path(), "ca.pem", authority.issuer.pem()),
    ];
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let settings = [
        ("VERIPILE_TLS__LISTEN", listen.as_str()),
        ("VERIPILE_TLS__CERTIFICATE_FILE", &files[0]),
        ("VERIPILE_TLS__KEY_FILE", &files[1]),
        ("VERIPILE_TLS__CLIENT_CA_FILE", &files[2]),
    ];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    let wss = format!("wss://localhost:{port}/ocpp");
    let connect = async |identity: &str, key: Option<&str>, tls| {
        let mut headers = vec![("Sec-WebSocket-Protocol", "ocpp2.0.1".to_owned())];
        headers.extend(key.map(|key| ("Authorization", basic(identity, key))));
        Charger::connect_with(&format!("{wss}/{identity}"), &headers, Some(tls)).await.map(|_| ())
    };
    let encrypted = over_tls(port, authority.client(None));
    assert_eq!(header(&encrypted, "Strict-Transport-Security"), Some("max-age=31536000"), "{encrypted}");
    let unencrypted = server.get_as("/readyz", "").await.1;
    assert_eq!(header(&unencrypted, "Strict-Transport-Security"), None, "{unencrypted}");
    let plain = || authority.client(None);
    let named = |name: &str| authority.client(Some(authority.issue(name)));
    assert_eq!(connect("B", Some(KEY), plain()).await, Ok(()));
    assert_eq!(connect("B", Some("another-key-of-a-pile"), plain()).await, Err(401));
    assert_eq!(connect("M", None, named("M")).await, Ok(()));
    assert_eq!(connect("M", None, named("B")).await, Err(403), "another's certificate");
    assert_eq!(connect("M", None, plain()).await, Err(403), "no certificate");
    let forged = authority.client(Some(stranger.issue("M")));
    assert_eq!(connect("M", None, forged).await, Err(0), "an authority that nobody trusts");
    let plain = Charger::connect(&server.ocpp(), "M", Some("ocpp2.0.1")).await;
    assert_eq!(plain.err(), Some(403), "not encrypted");
    assert!(server.stop());
    // Somebody before us encrypts.
    for (public, expected) in
        [("https://piles.example", Some("max-age=31536000")), ("http://piles.example", None)]
    {
        let settings = [("VERIPILE_HTTP__PUBLIC_URL", public)];
        let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
        let headers = server.get_as("/about", "").await.1;
        assert_eq!(header(&headers, "Strict-Transport-Security"), expected, "{headers}");
    }
}

/// The whole answer to a request over TLS.
fn over_tls(port: u16, tls: Arc<rustls::ClientConfig>) -> String {
    let connection = rustls::ClientConnection::new(tls, ServerName::try_from("localhost").unwrap()).unwrap();
    let socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // A server that closes without a farewell has told all the same.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_new_key_is_written_over_ocpp_and_stands_in_no_log() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    register(&binary, &database, folder.path(), &format!("pile_id,key\nA,{KEY}\n"));
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let order = async || {
        let statement = "INSERT INTO command (pile_no, call, person, asked_at, expires_at)
             SELECT pile_no, '{\"key\":\"send\"}', 'test', now(), now() + interval '1 minute' FROM pile";
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    };
    let mut charger = Charger::connect_with_key(&server.ocpp(), "A", "ocpp1.6", KEY).await.unwrap();
    order().await;
    let call: Value = serde_json::from_str(&charger.receive().await.unwrap()).unwrap();
    assert_eq!((&call[2], &call[3]["key"]), (&json!("ChangeConfiguration"), &json!("AuthorizationKey")));
    charger.say(&json!([3, call[1], { "status": "Rejected" }]).to_string()).await;
    order().await;
    let call: Value = serde_json::from_str(&charger.receive().await.unwrap()).unwrap();
    let key = call[3]["value"].as_str().unwrap().to_owned();
    charger.say(&json!([3, call[1], { "status": "Accepted" }]).to_string()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert!(Charger::connect_with_key(&server.ocpp(), "A", "ocpp1.6", KEY).await.is_ok(), "not taken yet");
    assert!(Charger::connect_with_key(&server.ocpp(), "A", "ocpp1.6", &key).await.is_ok());
    assert_eq!(Charger::connect_with_key(&server.ocpp(), "A", "ocpp1.6", KEY).await.err(), Some(401));
    let sent: Vec<String> = sqlx::query_scalar("SELECT body FROM sent WHERE kind = 'call' ORDER BY time")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|body| body.contains("***") && !body.contains(&key)), "{sent:?}");
    let outcomes: Vec<String> = sqlx::query_scalar("SELECT outcome FROM command ORDER BY command_no")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(outcomes, ["refused", "accepted"]);
}
