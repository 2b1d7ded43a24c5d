//! The authority for chargers: a certificate is asked for, issued, delivered, and used for security profile 3; or refused, and
//! why. Requests are made and certificates checked by `openssl`, which knows nothing of ours.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use veripile_tests::{Charger, Database, Server, basic, command, free_port, provided, written};

const KEY: &str = "correct-horse-battery";

/// Everything an encrypted server with an authority needs, as files.
struct Place {
    folder: TempDir,
    database: Database,
    binary: PathBuf,
    port: u16,
}

impl Place {
    /// Piles of these identities, with a key, at a security profile.
    async fn with_piles(binary: &std::path::Path, url: &str, ids: &[&str], profile: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            database: Database::timescale(url).await,
            binary: binary.to_owned(),
            port: free_port(),
        };
        let piles: Vec<_> = ids.iter().map(|id| format!("{id},ac,2")).collect();
        let piles = format!("pile_id,kind,accuracy_class\n{}\n", piles.join("\n"));
        let piles = place.write("piles.csv", &piles);
        command(&place.binary, &place.database, &["register", "--piles", &piles]);
        place.access(ids, profile);
        place.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=server-ca -keyout server-ca.key -out server-ca.pem");
        place.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=localhost -CA server-ca.pem -CAkey \
             server-ca.key -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout server.key \
             -out server.pem",
        );
        // As the README says.
        place.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj /O=Operator/CN=Charger-CA -addext \
             keyUsage=critical,keyCertSign,cRLSign -keyout charger-ca.key -out charger-ca.pem",
        );
        place
    }

    fn access(&self, ids: &[&str], profile: &str) {
        let rows: Vec<_> = ids.iter().map(|id| format!("{id},{profile},{KEY}")).collect();
        let rows = format!("pile_id,security_profile,key\n{}\n", rows.join("\n"));
        let access = self.write("access.csv", &rows);
        command(&self.binary, &self.database, &["register", "--access", &access]);
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        written(self.folder.path(), name, content)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `openssl` in the folder; it must end well.
    fn openssl(&self, arguments: &str) -> String {
        let run = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .expect("openssl is installed");
        assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).into_owned()
    }

    /// A new P-256 key, and a request for it.
    fn request(&self, name: &str, subject: &str) -> String {
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj {subject} -keyout {name}.key -out {name}.csr"
        ));
        self.read(&format!("{name}.csr"))
    }

    async fn serve(&self, with_authority: bool) -> Server {
        let listen = format!("127.0.0.1:{}", self.port);
        let file = |name| self.path(name);
        let mut settings = vec![
            ("VERIPILE_OCPP__READINESS_ON_BOOT", "false".to_owned()),
            ("VERIPILE_TLS__LISTEN", listen),
            ("VERIPILE_TLS__CERTIFICATE_FILE", file("server.pem")),
            ("VERIPILE_TLS__KEY_FILE", file("server.key")),
        ];
        if with_authority {
            settings.push(("VERIPILE_TLS__CHARGER_CA_FILE", file("charger-ca.pem")));
            settings.push(("VERIPILE_TLS__CHARGER_CA_KEY_FILE", file("charger-ca.key")));
            settings.push(("VERIPILE_TLS__CHARGER_CERTIFICATE_DAYS", "30".to_owned()));
        }
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Server::start_with(&self.binary, &self.database, free_port(), "closed", &settings).await
    }

    /// Connects over TLS: with the pile's key, or with a certificate and its key.
    async fn connect(&self, id: &str, protocol: &str, shown: Option<(&str, &str)>) -> Result<Charger, u16> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.read("server-ca.pem").as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut headers = vec![("Sec-WebSocket-Protocol", protocol.to_owned())];
        let tls = match shown {
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                    .unwrap()
            }
            None => {
                headers.push(("Authorization", basic(id, KEY)));
                builder.with_no_client_auth()
            }
        };
        let address = format!("wss://localhost:{}/ocpp/{id}", self.port);
        Charger::connect_with(&address, &headers, Some(Arc::new(tls))).await
    }

    async fn texts(&self, query: &'static str) -> Vec<String> {
        sqlx::query_scalar(query).fetch_all(&mut self.database.connect().await).await.unwrap()
    }

    /// Waits until a query gives these texts.
    async fn until(&self, query: &'static str, expected: &[&str]) {
        for _ in 0..100 {
            if self.texts(query).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(self.texts(query).await, expected, "{query}");
    }
}

async fn call(charger: &mut Charger) -> Value {
    serde_json::from_str(&charger.receive().await.unwrap()).unwrap()
}

async fn reply(charger: &mut Charger, call: &Value, payload: Value) {
    charger.say(&json!([3, call[1], payload]).to_string()).await;
}

const REFUSED: &str =
    "SELECT reason || ' ' || count || ' ' || detail FROM certificate_refusal ORDER BY first_at";
const OUTCOMES: &str = "SELECT outcome FROM certificate JOIN command USING (command_no) WHERE outcome IS NOT NULL ORDER BY certificate_no";

#[tokio::test]
async fn a_charger_with_a_key_gets_a_certificate_and_comes_back_with_it() {
    let Some((binary, url)) = provided() else { return };
    let piles = ["C16", "C201", "C21"];
    let place = Place::with_piles(&binary, &url, &piles, "2").await;
    let _server = place.serve(true).await;
    for (id, protocol) in piles.into_iter().zip(["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]) {
        let csr = place.request(id, &format!("/O=Whatever/C=CN/CN={id}"));
        let mut charger = place.connect(id, protocol, None).await.unwrap();
        let asked = match protocol {
            "ocpp1.6" => json!({ "csr": csr }),
            "ocpp2.0.1" => json!({ "csr": csr, "certificateType": "ChargingStationCertificate" }),
            _ => json!({ "csr": csr, "certificateType": "ChargingStationCertificate", "requestId": 77 }),
        };
        let answer = charger.call("SignCertificate", &asked).await;
        assert_eq!(answer[2], json!({ "status": "Accepted" }), "{protocol}");
        let signed = call(&mut charger).await;
        assert_eq!(signed[2], "CertificateSigned");
        let chain = signed[3]["certificateChain"].as_str().unwrap().to_owned();
        let expected = match protocol {
            "ocpp1.6" => json!({ "certificateChain": chain }),
            "ocpp2.0.1" => {
                json!({ "certificateChain": chain, "certificateType": "ChargingStationCertificate" })
            }
            _ => {
                json!({ "certificateChain": chain, "certificateType": "ChargingStationCertificate", "requestId": 77 })
            }
        };
        assert_eq!(signed[3], expected);
        reply(&mut charger, &signed, json!({ "status": "Accepted" })).await;
        place.write("leaf.pem", &chain);
        let verified =
            place.openssl("verify -x509_strict -purpose sslclient -CAfile charger-ca.pem leaf.pem");
        assert_eq!(verified, "leaf.pem: OK\n");
        let shown = place.openssl("x509 -in leaf.pem -noout -subject -nameopt RFC2253 -ext basicConstraints,keyUsage,extendedKeyUsage,subjectAltName");
        for part in [&format!("subject=CN={id},O=Operator"), "CA:FALSE", "TLS Web Client Authentication\n"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.contains("Digital Signature\n") && !shown.contains("Server"), "{shown}");
        let (own, asked) = (
            place.openssl("x509 -in leaf.pem -noout -pubkey"),
            place.openssl(&format!("pkey -in {id}.key -pubout")),
        );
        assert_eq!(own, asked, "the charger's own key");
        place.openssl("x509 -in leaf.pem -noout -checkend 2505600"); // 29 days
        let ends = Command::new("openssl")
            .args(["x509", "-noout", "-checkend", "2678400", "-in", &place.path("leaf.pem")])
            .output()
            .unwrap();
        assert!(!ends.status.success(), "of 30 days");
        place.write(&format!("{id}.pem"), &chain);
        let serial = place.openssl("x509 -in leaf.pem -noout -serial").trim().replace("serial=", "");
        let kept = place.texts("SELECT serial FROM certificate ORDER BY certificate_no DESC LIMIT 1").await;
        assert_eq!(kept, [serial.to_lowercase()]);
    }
    place.until(OUTCOMES, &["accepted"; 3]).await;
    place.access(&piles, "3");
    for (id, protocol) in piles.into_iter().zip(["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]) {
        let (chain, key) = (place.read(&format!("{id}.pem")), place.read(&format!("{id}.key")));
        assert_eq!(place.connect(id, protocol, None).await.err(), Some(403), "a key is not enough any more");
        let other = if id == "C16" { "C21" } else { "C16" };
        assert_eq!(place.connect(other, protocol, Some((&chain, &key))).await.err(), Some(403));
        let mut charger = place.connect(id, protocol, Some((&chain, &key))).await.unwrap();
        assert!(charger.call("Heartbeat", &json!({})).await[2]["currentTime"].is_string());
        // And renews it.
        let again =
            charger.call("SignCertificate", &json!({ "csr": place.request(id, &format!("/CN={id}")) })).await;
        assert_eq!(again[2]["status"], "Accepted");
        let signed = call(&mut charger).await;
        reply(&mut charger, &signed, json!({ "status": "Rejected" })).await;
        // Heard before it leaves.
        charger.call("Heartbeat", &json!({})).await;
    }
    place.until(OUTCOMES, &["accepted", "accepted", "accepted", "refused", "refused", "refused"]).await;
    assert!(place.texts(REFUSED).await.is_empty());
    let keys = "SELECT count(*) FROM sent WHERE body LIKE '%PRIVATE KEY%'";
    assert_eq!(place.database.number(keys).await, 0);
}

#[tokio::test]
async fn what_does_not_prove_itself_is_refused_and_says_why() {
    let Some((binary, url)) = provided() else { return };
    let place = Place::with_piles(&binary, &url, &["CP"], "").await;
    let server = place.serve(true).await;
    let good = place.request("good", "/CN=CP");
    let named = place.request("named", "/CN=CQ");
    // One byte of the signature's end, then PEM again.
    place.openssl("req -in good.csr -outform DER -out good.der");
    let mut bytes = std::fs::read(place.path("good.der")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let tampered = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let tampered =
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{tampered}\n-----END CERTIFICATE REQUEST-----\n");
    place.openssl("req -new -newkey rsa:1024 -noenc -subj /CN=CP -keyout weak.key -out weak.csr");
    let weak = place.read("weak.csr");
    let mut old = place.connect("CP", "ocpp1.6", None).await.unwrap();
    for csr in [&named, &tampered, &weak, "nonsense"] {
        let answer = old.call("SignCertificate", &json!({ "csr": csr })).await;
        assert_eq!(answer[2], json!({ "status": "Rejected" }), "{csr}");
    }
    let mut new = place.connect("CP", "ocpp2.0.1", None).await.unwrap();
    let answer = new.call("SignCertificate", &json!({ "csr": weak })).await;
    let detail = "RSA of 1024 bits; 2048 to 8192 are taken";
    let info = json!({ "reasonCode": "InvalidCSR", "additionalInfo": detail });
    assert_eq!(answer[2], json!({ "status": "Rejected", "statusInfo": info }));
    let purpose = json!({ "csr": good, "certificateType": "V2GCertificate" });
    assert_eq!(new.call("SignCertificate", &purpose).await[2]["status"], "Rejected");
    let mut plain = Charger::connect_with_key(&server.ocpp(), "CP", "ocpp2.0.1", KEY).await.unwrap();
    let answer = plain.call("SignCertificate", &json!({ "csr": good })).await;
    assert_eq!(answer[2], json!({ "status": "Rejected", "statusInfo": { "reasonCode": "NotEnabled" } }));
    let expected = [
        "name 1 its common name is “CQ”, the identity is “CP”".to_owned(),
        "signature 1 it is not signed with the key that it names".to_owned(),
        format!("key 2 {detail}"),
        "unreadable 1 it is no certificate request in PEM".to_owned(),
        "purpose 1 V2GCertificate".to_owned(),
        "not_proven 1 ".to_owned(),
    ];
    assert_eq!(place.texts(REFUSED).await, expected);
    assert_eq!(place.database.number("SELECT count(*) FROM certificate").await, 0);
    let stored = "SELECT count(*) FROM frame WHERE action = 'SignCertificate' AND body LIKE '%csr%'";
    assert_eq!(place.database.number(stored).await, 7, "refused requests are kept too");
    let mut charger = place.connect("CP", "ocpp1.6", None).await.unwrap();
    for _ in 0..5 {
        assert_eq!(charger.call("SignCertificate", &json!({ "csr": good })).await[2]["status"], "Accepted");
        let signed = call(&mut charger).await;
        reply(&mut charger, &signed, json!({ "status": "Accepted" })).await;
    }
    assert_eq!(charger.call("SignCertificate", &json!({ "csr": good })).await[2]["status"], "Rejected");
    assert_eq!(place.database.number("SELECT count(*) FROM certificate").await, 5);
    assert_eq!(place.texts(REFUSED).await.last().unwrap(), "too_many 1 5 were issued within a day");
}

#[tokio::test]
async fn without_an_authority_requests_are_declined_and_that_is_kept() {
    let Some((binary, url)) = provided() else { return };
    let place = Place::with_piles(&binary, &url, &["CP"], "2").await;
    let _server = place.serve(false).await;
    let csr = place.request("CP", "/CN=CP");
    for (protocol, expected) in [
        ("ocpp1.6", json!({ "status": "Rejected" })),
        ("ocpp2.0.1", json!({ "status": "Rejected", "statusInfo": { "reasonCode": "UnsupportedRequest" } })),
    ] {
        let mut charger = place.connect("CP", protocol, None).await.unwrap();
        assert_eq!(charger.call("SignCertificate", &json!({ "csr": csr })).await[2], expected);
    }
    assert_eq!(place.texts(REFUSED).await, ["no_authority 2 "]);
    assert_eq!(place.database.number("SELECT count(*) FROM certificate").await, 0);
}

#[tokio::test]
async fn a_chain_goes_along_unless_the_charger_says_it_is_too_long() {
    let Some((binary, url)) = provided() else { return };
    let place = Place::with_piles(&binary, &url, &["CP"], "2").await;
    // Above the authority for chargers stands a root that signs others, too.
    place.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -noenc -subj /CN=Root -keyout root.key -out root.pem");
    place.openssl(
        "req -x509 -newkey rsa:2048 -noenc -subj /O=Operator/CN=Below -CA root.pem -CAkey root.key -addext \
         basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign -keyout charger-ca.key -out below.pem",
    );
    place.write("charger-ca.pem", &format!("{}{}", place.read("below.pem"), place.read("root.pem")));
    place.openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=CP -CA root.pem -CAkey root.key -addext \
         basicConstraints=critical,CA:FALSE -keyout others.key -out others.pem",
    );
    let _server = place.serve(true).await;
    let csr = place.request("CP", "/CN=CP");
    for (protocol, size, certificates) in
        [("ocpp1.6", "1500", 1), ("ocpp1.6", "10000", 2), ("ocpp2.0.1", "1500", 1), ("ocpp2.0.1", "none", 2)]
    {
        let mut charger = place.connect("CP", protocol, None).await.unwrap();
        let answer = charger.call("SignCertificate", &json!({ "csr": csr })).await;
        assert_eq!(answer[2]["status"], "Accepted");
        let asked = call(&mut charger).await;
        let answer = if protocol == "ocpp1.6" {
            assert_eq!(asked[3], json!({ "key": ["CertificateSignedMaxChainSize"] }));
            json!({ "configurationKey": [{ "key": "CertificateSignedMaxChainSize", "readonly": true, "value": size }] })
        } else {
            let component = json!({ "name": "SecurityCtrlr" });
            let variable = json!({ "name": "MaxCertificateChainSize" });
            assert_eq!(
                asked[3]["getVariableData"],
                json!([{ "component": component, "variable": variable }])
            );
            json!({ "getVariableResult": [{ "component": component, "variable": variable,
                "attributeStatus": if size == "none" { "UnknownVariable" } else { "Accepted" }, "attributeValue": size }] })
        };
        reply(&mut charger, &asked, answer).await;
        let signed = call(&mut charger).await;
        let chain = signed[3]["certificateChain"].as_str().unwrap().to_owned();
        assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), certificates, "{protocol} {size}: {chain}");
        reply(&mut charger, &signed, json!({ "status": "Accepted" })).await;
        place.write("leaf.pem", &chain);
        let verified =
            place.openssl("verify -purpose sslclient -CAfile root.pem -untrusted below.pem leaf.pem");
        assert_eq!(verified, "leaf.pem: OK\n");
        place.access(&["CP"], "3");
        assert!(place.connect("CP", protocol, Some((&chain, &place.read("CP.key")))).await.is_ok());
        let others = (place.read("others.pem"), place.read("others.key"));
        let others = place.connect("CP", protocol, Some((&others.0, &others.1))).await;
        assert_eq!(others.err(), Some(0), "what the root signs for others opens nothing here");
        place.access(&["CP"], "2");
    }
}

/// Starts a server that must not start; what it says.
fn refused_start(place: &Place, files: [&str; 2]) -> String {
    let run = Command::new(&place.binary)
        .arg("serve")
        .env("VERIPILE_DATABASE_URL", &place.database.url)
        .env("VERIPILE_HTTP__LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("VERIPILE_IDENTITY__KEY_FILE", place.path("identity.key"))
        .env("VERIPILE_VERIFICATION__KEY_FILE", place.path("signing.key"))
        .env("VERIPILE_TLS__CHARGER_CA_FILE", place.path(files[0]))
        .env("VERIPILE_TLS__CHARGER_CA_KEY_FILE", place.path(files[1]))
        .env("VERIPILE_LOG", "trace")
        .output()
        .unwrap();
    assert!(!run.status.success(), "{files:?}");
    format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr))
}

#[tokio::test]
async fn an_authority_that_cannot_sign_is_told_at_the_start_and_never_its_key() {
    let Some((binary, url)) = provided() else { return };
    let place = Place::with_piles(&binary, &url, &["CP"], "2").await;
    let made = |name: &str, subject: &str, more: &str| {
        place.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj {subject} -keyout {name}.key -out {name}.pem {more}"
        ));
    };
    made("leaf", "/CN=x", "-addext basicConstraints=critical,CA:FALSE");
    made("idle", "/CN=x", "-addext keyUsage=critical,digitalSignature");
    made("twice", "/DC=org/DC=example/CN=x", "");
    place.openssl("ec -in charger-ca.key -out sec1.key");
    place.write("text.pem", "no certificate");
    for (files, expected) in [
        (["absent.pem", "charger-ca.key"], "README"),
        (["text.pem", "charger-ca.key"], "cannot be read"),
        (["leaf.pem", "leaf.key"], "CA:TRUE"),
        (["idle.pem", "idle.key"], "keyCertSign"),
        (["charger-ca.pem", "server-ca.key"], "do not fit"),
        (["charger-ca.pem", "sec1.key"], "openssl pkcs8"),
        (["twice.pem", "twice.key"], "name"),
    ] {
        let said = refused_start(&place, files);
        assert!(said.contains(expected), "{files:?}: {said}");
        if let Ok(key) = std::fs::read_to_string(place.path(files[1])) {
            let secret = key.lines().find(|line| !line.starts_with('-')).unwrap();
            assert!(!said.contains(secret), "{files:?}");
        }
    }
}

/// Somebody signed in at the console: their cookie and their forms' token.
async fn sign_in(place: &Place, server: &Server) -> (String, String) {
    let told = command(&place.binary, &place.database, &["account", "root"]);
    let password = told.trim().rsplit(' ').next().unwrap();
    let form = [("name", "root"), ("password", password)];
    let (_, headers, _) = server.post_as("/op/sign-in?lang=en", "", &form).await;
    let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let page = server.get_as("/op/import?lang=en", &cookie).await.2;
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (cookie, token)
}

#[tokio::test]
async fn an_operator_sees_certificates_and_manages_those_installed() {
    let Some((binary, url)) = provided() else { return };
    let place = Place::with_piles(&binary, &url, &["CP"], "2").await;
    let server = place.serve(true).await;
    let (cookie, token) = sign_in(&place, &server).await;
    let order = async |order: &str, name: &str, value: &str| {
        let form = [("token", token.as_str()), ("order", order), ("name", name), ("value", value)];
        server.post_as("/op/piles/CP/order?lang=en", &cookie, &form).await.0
    };
    let until = async |text: &str| {
        for _ in 0..60 {
            let page = server.get_as("/op/piles/CP?lang=en", &cookie).await.2;
            if page.contains(text) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never {text:?}: {}", server.get_as("/op/piles/CP?lang=en", &cookie).await.2);
    };
    assert!(until("None issued yet.").await.contains("Ask for renewal"));
    let address = format!("wss://127.0.0.1:{}/ocpp/CP<", place.port);
    assert!(
        until("None issued yet.").await.contains(&address),
        "its security profile asks for the encrypted one"
    );
    let mut charger = place.connect("CP", "ocpp1.6", None).await.unwrap();
    // Asked to renew, it first asks under a wrong name.
    assert_eq!(order("trigger", "SignChargingStationCertificate", "").await, 303);
    let asked = call(&mut charger).await;
    assert_eq!(asked[2], "ExtendedTriggerMessage");
    assert_eq!(asked[3], json!({ "requestedMessage": "SignChargePointCertificate" }));
    reply(&mut charger, &asked, json!({ "status": "Accepted" })).await;
    charger.call("SignCertificate", &json!({ "csr": place.request("wrong", "/CN=SERIAL-5") })).await;
    let page = until("Request declined: its name is not").await;
    assert!(page.contains("SERIAL-5") && page.contains("the last part of the charger"), "{page}");
    charger.call("SignCertificate", &json!({ "csr": place.request("right", "/CN=CP") })).await;
    let signed = call(&mut charger).await;
    place.write("leaf.pem", signed[3]["certificateChain"].as_str().unwrap());
    let serial =
        place.openssl("x509 -in leaf.pem -noout -serial").trim().replace("serial=", "").to_lowercase();
    let page = until(&serial).await;
    assert!(page.contains("sent, waiting") || page.contains("waiting to be sent"), "{page}");
    reply(&mut charger, &signed, json!({ "status": "Accepted" })).await;
    let issued =
        |page: &str| page.split("id=\"issued\"").nth(1).unwrap().split("</table>").next().unwrap().to_owned();
    for _ in 0..60 {
        if issued(&until(&serial).await).contains("outcome accepted") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(issued(&until(&serial).await).contains("outcome accepted"));
    // Roots: install, list, delete what the list names.
    let root = place.read("charger-ca.pem");
    assert_eq!(order("install_certificate", "central_system_root", &root).await, 303);
    let asked = call(&mut charger).await;
    assert_eq!(asked[2], "InstallCertificate");
    let kind = "CentralSystemRootCertificate";
    assert_eq!(asked[3], json!({ "certificateType": kind, "certificate": root.trim() }));
    reply(&mut charger, &asked, json!({ "status": "Failed" })).await;
    until("{&#34;status&#34;:&#34;Failed&#34;}").await;
    assert_eq!(order("list_certificates", "central_system_root", "").await, 303);
    let asked = call(&mut charger).await;
    assert_eq!(
        (&asked[2], &asked[3]),
        (&json!("GetInstalledCertificateIds"), &json!({ "certificateType": kind }))
    );
    let hash = json!({ "hashAlgorithm": "SHA256", "issuerNameHash": "0a", "issuerKeyHash": "0b", "serialNumber": "c0ffee" });
    reply(&mut charger, &asked, json!({ "status": "Accepted", "certificateHashData": [hash] })).await;
    let page = until("value=\"delete_certificate\"").await;
    let row = page.split("value=\"delete_certificate\"").next().unwrap();
    let button = row.rsplit("name=\"value\" value=\"").next().unwrap().split('"').next().unwrap();
    let button = button.replace("&#34;", "\"");
    assert_eq!(order("delete_certificate", "", &button).await, 303);
    let asked = call(&mut charger).await;
    assert_eq!(
        (&asked[2], &asked[3]),
        (&json!("DeleteCertificate"), &json!({ "certificateHashData": hash }))
    );
    reply(&mut charger, &asked, json!({ "status": "NotFound" })).await;
    until("NotFound").await;
    assert_eq!(order("delete_certificate", "", "nothing").await, 400);
}
