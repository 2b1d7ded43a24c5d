//! What the verifications' tests stand in: a server that knows the body it serves, benches with their piles, people at the pages and
//! the forms they fill in.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::sync::watch;
use veripile_pile::PileId;
use veripile_simulator::bench::{self, BenchServer, BenchSettings, WatchdogClock};
use veripile_simulator::link::Line;
use veripile_simulator::{Progress, Protocol};
use veripile_store::Store;
use veripile_store::verification::{OrderRow, OrderState};
use veripile_tests::{Database, Server, command, free_port, provided, written};
use veripile_verification::Run;

use super::{PASSWORD, RUN_S_MAX, SPEED};

/// Somebody at the pages.
pub(crate) struct Visitor<'a> {
    pub(crate) server: &'a Server,
    pub(crate) cookie: String,
    pub(crate) token: String,
}

impl<'a> Visitor<'a> {
    pub(crate) async fn sign_in(server: &'a Server, name: &str) -> Self {
        let form = [("name", name), ("password", PASSWORD)];
        let (_, headers, body) = server.post_as("/op/sign-in?lang=en", "", &form).await;
        let cookie = headers.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.unwrap_or_else(|| panic!("{name}: {body}")).split(';').next().unwrap().to_owned();
        let page = server.get_as("/ver/orders?lang=en", &cookie).await.2;
        let token = page.split("name=\"token\" value=\"").nth(1).map(|rest| rest.split('"').next().unwrap());
        let token = token.unwrap_or_else(|| panic!("{name} has no form: {page}")).to_owned();
        Self { server, cookie, token }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.server.get_as(path, &self.cookie).await;
        (status, body)
    }

    /// Posts a form: status, where it leads, body.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, String, String) {
        let form: Vec<_> = form.iter().copied().chain([("token", self.token.as_str())]).collect();
        let (status, headers, body) = self.server.post_as(path, &self.cookie, &form).await;
        let leads = headers.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
        (status, leads.to_owned(), body)
    }

    pub(crate) async fn done(&self, path: &str, form: &[(&str, &str)]) -> String {
        let (status, leads, body) = self.post(path, form).await;
        assert_eq!(status, 303, "{path} {form:?}: {body}");
        leads
    }
}

/// A bench with its pile, connected to a server.
pub(crate) struct Bench {
    pub(crate) server: BenchServer,
    pub(crate) pile: String,
    pub(crate) stop: watch::Sender<bool>,
}

impl Bench {
    pub(crate) async fn start(number: u32, ocpp: &str, protocol: Protocol, settings: BenchSettings) -> Self {
        Self::start_at(SPEED, number, ocpp, protocol, settings).await
    }

    pub(crate) async fn start_at(
        speed: f64,
        number: u32,
        ocpp: &str,
        protocol: Protocol,
        settings: BenchSettings,
    ) -> Self {
        let settings = BenchSettings {
            speed,
            watchdog_clock: WatchdogClock::Client,
            source_serial: format!("S-{number}"),
            standard_serial: format!("R-{number}"),
            charge_s: 600.0,
            signing_key: Some([7; 32]),
            ..settings
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let server = BenchServer::start(settings, u64::from(number), any, any).await.expect("listens");
        let (stop, stopping) = watch::channel(false);
        let pile = format!("BENCH-{number}");
        let line = Line { url: ocpp.to_owned(), progress: Progress::new(), ledger: None, stopping };
        tokio::spawn(bench::pile::run(server.handle(), line, pile.clone(), protocol));
        Self { server, pile, stop }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// Piles, people and a server that knows the body it serves.
pub(crate) struct House {
    pub(crate) binary: PathBuf,
    pub(crate) database: Database,
    pub(crate) store: Store,
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn build(piles: &[(&str, &str, &str)]) -> Option<Self> {
        let (binary, url) = provided()?;
        let database = Database::timescale(&url).await;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| written(folder.path(), name, content);
        let rows: Vec<String> = piles
            .iter()
            .map(|(pile, kind, class)| {
                let power = if *kind == "ac" { "7" } else { "120" };
                format!("{pile},S1,O1,{kind},{class},{power},M1\n")
            })
            .collect();
        let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲充电,One\n");
        let stations = file(
            "stations.csv",
            "station_id,operator_id,name_zh,name_en,lon,lat\nS1,O1,太湖站,Taihu,120.3,31.5\n",
        );
        let table =
            format!("pile_id,station_id,operator_id,kind,accuracy_class,power_kw,model\n{}", rows.concat());
        let piles = file("piles.csv", &table);
        let registered = ["register", "--operators", &operators, "--stations", &stations, "--piles", &piles];
        command(&binary, &database, &registered);
        let password = file("password", PASSWORD);
        for (name, role) in [("zhang", "verifier"), ("li", "reviewer")] {
            command(&binary, &database, &["account", name, "--role", role, "--password-file", &password]);
        }
        let both = ["--role", "repairer", "--role", "verifier", "--password-file", &password];
        command(&binary, &database, &[&["account", "zhao"], &both[..]].concat());
        command(&binary, &database, &["account", "root", "--password-file", &password]);
        let store = Store::connect(&database.url).await.expect("connects");
        Some(Self { binary, database, store, port: free_port(), folder })
    }

    pub(crate) async fn serve(&self) -> Server {
        let key = self.folder.path().join("certificate.key");
        let settings = [
            ("VERIPILE_OCPP__LEAST_SECURITY_PROFILE", "0"),
            ("VERIPILE_OCPP__READINESS_ON_BOOT", "false"),
            ("VERIPILE_VERIFICATION__BODY", "无锡市计量测试院"),
            ("VERIPILE_VERIFICATION__KEY_FILE", key.to_str().unwrap()),
        ];
        Server::start_with(&self.binary, &self.database, self.port, "closed", &settings).await
    }

    pub(crate) fn ocpp(&self) -> String {
        format!("ws://127.0.0.1:{}/ocpp", self.port)
    }

    pub(crate) async fn order(&self, number: &str) -> OrderRow {
        self.store.verification(number).await.expect("read").expect("there")
    }

    /// Waits until the order is in one of these states.
    pub(crate) async fn until(&self, number: &str, states: &[OrderState]) -> OrderRow {
        for _ in 0..RUN_S_MAX * 5 {
            let row = self.order(number).await;
            if states.contains(&row.state) {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let row = self.order(number).await;
        let events = self.store.all_run_events(row.order_no).await.expect("read");
        let tail: Vec<_> = events.iter().rev().take(8).collect();
        panic!("{number} stays {:?}: {tail:?}", row.state);
    }

    /// The run of an order as it is stored.
    pub(crate) async fn run(&self, number: &str) -> Run {
        let row = self.order(number).await;
        let events = self.store.all_run_events(row.order_no).await.expect("read");
        Run::replay(row.order, &events)
    }

    /// What `veripile check certificate` says of a file, signed or with a signed one inside: its exit code, and what it prints.
    pub(crate) async fn check_offline(
        &self,
        server: &Server,
        document: impl AsRef<[u8]>,
    ) -> (Option<i32>, String) {
        let [keys, file] = ["keys.json", "document"].map(|name| self.folder.path().join(name));
        std::fs::write(&keys, server.get("/.well-known/veripile-keys.json").await.1).unwrap();
        std::fs::write(&file, document).unwrap();
        let output = Command::new(&self.binary)
            .args(["check", "certificate", file.to_str().unwrap(), "--keys", keys.to_str().unwrap()])
            .output()
            .expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits until a pile is connected.
    pub(crate) async fn until_connected(&self, pile: &str) {
        for _ in 0..300 {
            let known = self.store.pile(&PileId::parse(pile).unwrap()).await.expect("read").expect("there");
            if known.last_seen.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{pile} does not connect");
    }
}

pub(crate) async fn register_instruments(
    root: &Visitor<'_>,
    bench: &Bench,
    number: u32,
    models: (&str, &str),
) {
    let [source, standard] = [bench.server.source, bench.server.standard].map(|address| address.to_string());
    let (s, r) = (format!("S-{number}"), format!("R-{number}"));
    for (id, model, address) in [(&s, models.0, &source), (&r, models.1, &standard)] {
        let form = [
            ("id", id.as_str()),
            ("model", model),
            ("serial", id),
            ("address", address),
            ("certificate", "JZ-2026-1"),
            ("issuer", "中国计量科学研究院"),
            ("calibrated_on", "2026-01-10"),
            ("valid_until", "2099-01-09"),
            ("expanded", "0.05"),
            ("factor", "2"),
            ("drift", "0.01"),
        ];
        root.done("/ver/instruments?lang=en", &form).await;
    }
}

/// The form of an order as it is proposed, changed where a test wants it.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) async fn proposed(visitor: &Visitor<'_>, pile: &str, number: u32) -> Self {
        let (status, page) = visitor.get(&format!("/ver/orders/new?pile={pile}&lang=en")).await;
        assert_eq!(status, 200, "{page}");
        let mut form = Self(fields(&page));
        form.set("source", &format!("S-{number}"));
        form.set("standard", &format!("R-{number}"));
        for (name, value) in [
            ("warm_up_s", "1"),
            ("settle_ms", "20"),
            ("poll_ms", "100"),
            ("watchdog_s", "5"),
            ("retry_wait_s", "1"),
            ("reviewer", "li"),
            ("verifier", "zhang"),
        ] {
            form.set(name, value);
        }
        form
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.iter().filter(|(name, _)| name != "token").map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }
}

/// Fields of the form of an order in a page, as a browser would send them: inputs, checked boxes, selected options.
pub(crate) fn fields(page: &str) -> Vec<(String, String)> {
    let form = page.split("<form").find(|form| form.contains("name=\"rule_set\"")).expect("a form");
    let form = form.split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
        Some(rest.split('"').next().unwrap().replace("&#38;", "&").replace("&#39;", "'"))
    };
    let mut fields = Vec::new();
    for tag in form.split("<input").skip(1) {
        let tag = &format!(" {}", tag.split('>').next().unwrap());
        let Some(name) = attribute(tag, "name") else { continue };
        let kind = attribute(tag, "type").unwrap_or_default();
        let is_on = !matches!(kind.as_str(), "checkbox" | "radio") || tag.contains(" checked");
        if is_on && kind != "submit" {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    for select in form.split("<select").skip(1) {
        let head = format!(" {}", select.split('>').next().unwrap());
        let body = select.split("</select>").next().unwrap();
        let options: Vec<&str> = body.split("<option").skip(1).collect();
        let chosen = options.iter().find(|option| option.split('>').next().unwrap().contains("selected"));
        if let (Some(name), Some(option)) = (attribute(&head, "name"), chosen.or(options.first())) {
            let tag = format!(" {}", option.split('>').next().unwrap());
            fields.push((name, attribute(&tag, "value").unwrap_or_default()));
        }
    }
    fields
}
