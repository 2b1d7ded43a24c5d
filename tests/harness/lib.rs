//! What the end-to-end tests share: the real binary on a fresh database, a hand-made charger, a little HTTP.
//!
//! `tests/run` provides the server (`VERIPILE_TEST_DATABASE_URL`) and the binary (`VERIPILE_BIN`); without them a test says
//! so and passes over, so that `cargo test` alone works on any machine. `tests/run` sets `VERIPILE_TEST_REQUIRED` too: there,
//! to pass over is to fail.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::missing_panics_doc, clippy::unwrap_used)]

pub mod synthetic;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The binary, or why there is none.
pub fn binary() -> Option<PathBuf> {
    provide(std::env::var_os("VERIPILE_BIN").map(PathBuf::from))
}

/// The binary and the database server, or why there is none.
pub fn provided() -> Option<(PathBuf, String)> {
    let url = std::env::var("VERIPILE_TEST_DATABASE_URL").ok();
    provide(std::env::var_os("VERIPILE_BIN").map(PathBuf::from).zip(url))
}

fn provide<T>(what: Option<T>) -> Option<T> {
    match what {
        Some(what) => Some(what),
        _ if std::env::var_os("VERIPILE_TEST_REQUIRED").is_some() => panic!("no binary or no database"),
        _ => {
            println!("skipped: VERIPILE_BIN and VERIPILE_TEST_DATABASE_URL are not set; tests/run sets them");
            None
        }
    }
}

/// Python with the packages of `tests/*requirements.txt`, or why there is none.
pub fn python() -> Option<PathBuf> {
    match std::env::var_os("VERIPILE_TEST_PYTHON") {
        Some(python) => Some(python.into()),
        None if std::env::var_os("VERIPILE_TEST_REQUIRED").is_some() => panic!("no Python"),
        None => {
            println!("skipped: VERIPILE_TEST_PYTHON is not set; tests/run sets it");
            None
        }
    }
}

/// What a script beside the tests prints; what it complains of where it does not end well.
pub fn script<'a>(
    python: &Path,
    name: &str,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let output = Command::new(python).arg(script).args(arguments).output().expect("Python starts");
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(told(&output.stdout)) } else { Err(told(&output.stderr)) }
}

/// Real data beside the repository (`VERIPILE_SHARED_DATA`, or `../shared/data`), or a message that it is absent.
///
/// It may not be copied into the repository, so a machine may lack it. What is passed over for that is told in a line of the file
/// that `VERIPILE_TEST_SKIPPED` names, which `tests/run` shows at its end; with `VERIPILE_TEST_DATA_REQUIRED` it is a failure.
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VERIPILE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    assert!(
        std::env::var_os("VERIPILE_TEST_DATA_REQUIRED").is_none(),
        "{} is not here, and VERIPILE_TEST_DATA_REQUIRED is set",
        file.display()
    );
    skipped(path);
    None
}

/// Tells that the test at hand is passed over, or a part of it, for want of a file of the shared data.
fn skipped(path: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    println!("skipped: {test}: shared data {path} is not here");
    if let Some(list) = std::env::var_os("VERIPILE_TEST_SKIPPED") {
        let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).expect("opens");
        writeln!(list, "{test}: {path}").expect("written");
    }
}

/// A database of its own for a test, and the keys of the servers on it, which go when it is dropped.
pub struct Database {
    /// Its address.
    pub url: String,
    keys: tempfile::TempDir,
}

impl Database {
    /// Makes one as the server's superuser: TimescaleDB is used.
    pub async fn timescale(server: &str) -> Self {
        let (name, _) = Self::create(server).await;
        Self::at(with_name(server, &name))
    }

    /// Makes one for a role that may not create extensions: plain PostgreSQL as far as the program can tell.
    pub async fn plain(server: &str) -> Self {
        let (name, mut connection) = Self::create(server).await;
        let role = format!("{name}_role");
        for statement in
            [format!("CREATE ROLE {role} LOGIN"), format!("REVOKE CREATE ON DATABASE {name} FROM {role}")]
        {
            sqlx::query(&statement).execute(&mut connection).await.expect("role made");
        }
        let mut inside = PgConnection::connect(&with_name(server, &name)).await.expect("connects");
        for statement in [
            "DROP EXTENSION IF EXISTS timescaledb".to_owned(),
            format!("GRANT ALL ON SCHEMA public TO {role}"),
        ] {
            sqlx::query(&statement).execute(&mut inside).await.expect("prepared");
        }
        Self::at(with_name(server, &name).replacen("postgres@", &format!("{role}@"), 1))
    }

    fn at(url: String) -> Self {
        Self { url, keys: tempfile::tempdir().expect("a folder for keys") }
    }

    async fn create(server: &str) -> (String, PgConnection) {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let mut connection = PgConnection::connect(server).await.expect("the test database server answers");
        let statement = format!("CREATE DATABASE {name} TEMPLATE template0");
        sqlx::query(&statement).execute(&mut connection).await.expect("database made");
        (name, connection)
    }

    /// One number from a query.
    pub async fn number(&self, query: &'static str) -> i64 {
        let mut connection = PgConnection::connect(&self.url).await.expect("connects");
        sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("answers")
    }

    /// Piles that are said to have another number of charges than there are, or of unproven ones.
    pub async fn miscounted(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM (SELECT pile_no, count(*) AS there, count(*) FILTER (WHERE 'unproven' = ANY(marks)) AS unproven
                                   FROM charge GROUP BY pile_no) AS counted
             FULL JOIN pile_live USING (pile_no)
             WHERE coalesce(there, 0) <> coalesce(charges, 0) OR coalesce(unproven, 0) <> coalesce(unproven_charges, 0)",
        )
        .await
    }

    /// Counts the charges of each pile anew: for who writes charges into the table itself.
    pub async fn count_charges(&self) {
        let statement = "INSERT INTO pile_live (pile_no, charges, unproven_charges)
             SELECT pile_no, count(*), count(*) FILTER (WHERE 'unproven' = ANY(marks)) FROM charge GROUP BY pile_no
             ON CONFLICT (pile_no) DO UPDATE SET charges = excluded.charges, unproven_charges = excluded.unproven_charges";
        sqlx::query(statement).execute(&mut self.connect().await).await.expect("counted");
    }

    /// Removes it at once: one that is large.
    pub async fn drop(self) {
        let (server, name) = self.url.rsplit_once('/').expect("an address ends in a database's name");
        let mut connection = PgConnection::connect(&format!("{server}/postgres")).await.expect("connects");
        let statement = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::query(&statement).execute(&mut connection).await.expect("dropped");
    }

    /// A connection for anything else.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("connects")
    }
}

fn with_name(server: &str, name: &str) -> String {
    let (host, _) = server.rsplit_once('/').expect("an address ends in a database's name");
    format!("{host}/{name}")
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

/// Runs a command of the binary on a database; it must end well.
pub fn command(binary: &PathBuf, database: &Database, arguments: &[&str]) -> String {
    let output = Command::new(binary)
        .args(arguments)
        .env("VERIPILE_DATABASE_URL", &database.url)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes a file into a folder; its path, as a command takes it.
pub fn written(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let file = folder.join(name);
    std::fs::write(&file, content).expect("written");
    file.to_str().expect("a path in UTF-8").to_owned()
}

/// A header of an answer, by its name.
pub fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers.lines().find_map(|line| {
        let (one, value) = line.split_once(": ")?;
        one.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// A Basic header.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// A free port on loopback, below those the system hands to outgoing connections: one of these could take it in the
/// moment before the server does. No two tests of a process are given the same.
pub fn free_port() -> u16 {
    static GIVEN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 20_000;
    for _ in 0..PORTS {
        let step = GIVEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let port = u16::try_from(FIRST + (std::process::id().wrapping_mul(37) + step) % PORTS)
            .expect("below 30,000");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// A running `veripile serve`.
pub struct Server {
    child: Child,
    /// Its port.
    pub port: u16,
}

impl Server {
    /// Starts it and waits until it is ready. `registration`: `open` or `closed`.
    pub async fn start(binary: &PathBuf, database: &Database, port: u16, registration: &str) -> Self {
        Self::start_with(binary, database, port, registration, &[]).await
    }

    /// Starts it with more settings, as environment variables.
    pub async fn start_with(
        binary: &PathBuf,
        database: &Database,
        port: u16,
        registration: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        // One that starts again finds its keys; none is ever written where the tests run, which is the repository.
        let [identity, signing] = ["identity.key", "signing.key"].map(|name| database.keys.path().join(name));
        let child = Command::new(binary)
            .arg("serve")
            .env("VERIPILE_DATABASE_URL", &database.url)
            .env("VERIPILE_HTTP__LISTEN", format!("127.0.0.1:{port}"))
            .env("VERIPILE_OCPP__REGISTRATION", registration)
            .env("VERIPILE_IDENTITY__KEY_FILE", identity)
            .env("VERIPILE_VERIFICATION__KEY_FILE", signing)
            .env("VERIPILE_ASSESS__INTERVAL_S", "1")
            .env("VERIPILE_ASSESS__WHOLE_EVERY_S", "2")
            .env("VERIPILE_ASSESS__WINDOW_DAYS", "36500")
            .env("VERIPILE_LOG", "warn")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut server = Self { child, port };
        for _ in 0..200 {
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("the server ended at its start: {status}");
            }
            if server.try_get("/readyz").await.is_some_and(|answer| answer.0 == 200) {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server was not ready in 20 s");
    }

    /// Number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without warning.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop; whether it ended well.
    pub fn stop(mut self) -> bool {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// Where chargers connect.
    pub fn ocpp(&self) -> String {
        format!("ws://127.0.0.1:{}/ocpp", self.port)
    }

    /// GET: status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).await.expect("the server answers")
    }

    /// POST of a form: status and body.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let (status, _, body) = self.post_as(path, "", form).await;
        (status, body)
    }

    /// POST of a form with a cookie: status, headers and body.
    pub async fn post_as(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> (u16, String, String) {
        let answer = exchange(self.port, form_request(self.port, path, cookie, form)).await;
        answer.expect("the server answers").told()
    }

    /// Posts a form and does not wait: what came of it, or nothing where the server was killed before it answered.
    pub fn post_aside(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> JoinHandle<Option<u16>> {
        let (port, request) = (self.port, form_request(self.port, path, cookie, form));
        tokio::spawn(async move { exchange(port, request).await.map(|answer| answer.status) })
    }

    /// GET with a cookie: status, headers and body.
    pub async fn get_as(&self, path: &str, cookie: &str) -> (u16, String, String) {
        self.ask(path, cookie).await.expect("the server answers").told()
    }

    /// GET with headers: status, headers and body.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String, Vec<u8>) {
        self.ask_with("GET", path, headers).await
    }

    /// Any method with headers: status, headers and body.
    pub async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, String, Vec<u8>) {
        self.ask_whole(method, path, headers, "").await
    }

    /// POST of JSON with headers: status, headers and body.
    pub async fn post_json(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (u16, String, Vec<u8>) {
        let body = body.to_string();
        let length = body.len().to_string();
        let more = [("Content-Type", "application/json"), ("Content-Length", length.as_str())];
        self.ask_whole("POST", path, &[headers, &more[..]].concat(), &body).await
    }

    async fn ask_whole(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String, Vec<u8>) {
        let more: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let more = more.concat();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{more}\r\n{body}",
            self.port
        );
        let answer = exchange(self.port, request).await.expect("the server answers");
        (answer.status, answer.headers, answer.body)
    }

    /// GET of a file, byte for byte; it must be there.
    pub async fn file(&self, path: &str, cookie: &str) -> Vec<u8> {
        let answer = self.ask(path, cookie).await.expect("the server answers");
        assert_eq!(answer.status, 200, "{path}");
        answer.body
    }

    async fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let (status, _, body) = self.ask(path, "").await?.told();
        Some((status, body))
    }

    async fn ask(&self, path: &str, cookie: &str) -> Option<Answer> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nAccept: text/html\r\nCookie: {cookie}\r\n\r\n",
            self.port
        );
        exchange(self.port, request).await
    }
}

/// What a server answered.
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    /// Status, headers and body, as texts.
    fn told(self) -> (u16, String, String) {
        (self.status, self.headers, String::from_utf8_lossy(&self.body).into_owned())
    }
}

fn form_request(port: u16, path: &str, cookie: &str, form: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let body = pairs.join("&");
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAccept: text/html\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn exchange(port: u16, request: String) -> Option<Answer> {
    const END: &[u8] = b"\r\n\r\n";
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    // A server that refuses a long body closes while we still write.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(END.len()).position(|window| window == END)?;
    let body = bytes.split_off(end + END.len());
    bytes.truncate(end);
    let headers = String::from_utf8_lossy(&bytes).into_owned();
    Some(Answer { status: headers.get(9..12)?.parse().ok()?, headers, body })
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A hand-made charger.
pub struct Charger {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u32,
}

impl Charger {
    /// Connects, or gives the HTTP status of the refusal; 0 if no sub-protocol was agreed on.
    pub async fn connect(url: &str, identity: &str, protocol: Option<&str>) -> Result<Self, u16> {
        let headers: Vec<_> =
            protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol.to_owned())).into_iter().collect();
        Self::connect_with(&format!("{url}/{identity}"), &headers, None).await
    }

    /// Connects with the key of a pile as Basic credentials.
    pub async fn connect_with_key(url: &str, identity: &str, protocol: &str, key: &str) -> Result<Self, u16> {
        let headers =
            [("Sec-WebSocket-Protocol", protocol.to_owned()), ("Authorization", basic(identity, key))];
        Self::connect_with(&format!("{url}/{identity}"), &headers, None).await
    }

    /// Connects with any headers, over TLS if told how.
    pub async fn connect_with(
        address: &str,
        headers: &[(&'static str, String)],
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Result<Self, u16> {
        let mut request = address.into_client_request().expect("an address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let connector = tls.map(Connector::Rustls);
        match connect_async_tls_with_config(request, None, true, connector).await {
            Ok((socket, _)) => Ok(Self { socket, next: 0 }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            // Refused by TLS itself; or this client gave up on a server that agrees to none of its sub-protocols.
            Err(
                tokio_tungstenite::tungstenite::Error::Io(_)
                | tokio_tungstenite::tungstenite::Error::Tls(_)
                | tokio_tungstenite::tungstenite::Error::Protocol(_),
            ) => Err(0),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a text without waiting for anything.
    pub async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("sent");
    }

    /// Answers a ping, if only one that nobody sent: a sign of life that says nothing.
    pub async fn pong(&mut self) {
        self.socket.send(Message::Pong(Vec::<u8>::new().into())).await.expect("sent");
    }

    /// Calls and gives the whole answer frame.
    pub async fn call(&mut self, action: &str, payload: &Value) -> Value {
        self.next += 1;
        let id = format!("m{}", self.next);
        self.send(&json!([2, id, action, payload]).to_string()).await
    }

    /// Sends any text and gives the next text frame.
    pub async fn send(&mut self, text: &str) -> Value {
        self.socket.send(Message::text(text)).await.expect("sent");
        match self.receive().await {
            Some(text) => serde_json::from_str(&text).expect("JSON"),
            None => Value::Null,
        }
    }

    /// The next text frame; none when the connection was closed.
    pub async fn receive(&mut self) -> Option<String> {
        loop {
            let next =
                tokio::time::timeout(Duration::from_secs(20), self.socket.next()).await.expect("in time");
            match next {
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}
