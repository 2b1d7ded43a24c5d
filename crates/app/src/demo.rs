//! `veripile demo`: a simulated city on the embedded database, one process, one folder, one command.
//!
//! History comes from the simulator through the same sockets and the same code as real traffic; afterwards the piles go on
//! living at real speed.

mod verification;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use veripile_api::{Basemap, OcpiSettings, SiteSettings};
use veripile_gateway::GatewaySettings;
use veripile_pile::case::Rules;
use veripile_simulator::link::Line;
use veripile_simulator::{City, Progress, SimulatorError, Stands, history, live};
use veripile_store::account::PersonRole;
use veripile_store::{Admission, Store};

use crate::account;
use crate::assess::AssessSettings;
use crate::config::{REQUESTS_PER_MINUTE, Role};
use crate::server::{Server, ServerSettings};
use crate::story::Story;
use crate::{identity, signals, signing};

/// Piles of the simulated city.
const PILES: usize = 400;

/// While history streams in, the map is judged anew this often.
const ASSESS_EVERY: Duration = Duration::from_secs(8);

/// All of it is assessed anew at least this often: the city is small, and whoever looks wants to see it move.
const WHOLE_EVERY: Duration = Duration::from_secs(60);

/// Days of charges assessed: all of the history.
const WINDOW_DAYS: u32 = 182;

/// Operators of the simulated city that have committed themselves to honest metering.
const COMMITTED: usize = 3;

/// The body that verifies in the simulated city.
const BODY: &str = "无锡计量所（模拟）";

/// Names of who verifies and who reviews in the simulated city: they stand in its documents.
const VERIFIER: &str = "demo-verifier";
const REVIEWER: &str = "demo-reviewer";

/// Who may sign in: name, roles, and what they find where. Their passwords are drawn at each start and printed.
const PEOPLE: [(&str, &[PersonRole], &str, &str); 3] = [
    ("demo", &[], "经营者工作台 / operator's console", "/op"),
    (VERIFIER, &[PersonRole::Verifier], "检定员 / verifier", "/ver/orders"),
    (REVIEWER, &[PersonRole::Reviewer], "核验员 / reviewer", "/ver/orders"),
];

/// What `demo` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Address of the page
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub http: SocketAddr,
    /// Folder for everything the demo keeps; remove it to start anew
    #[arg(long, default_value = "veripile-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Days of history
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=365))]
    pub days: u32,
    /// Seed of the city: the same seed is the same city
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Runs the demo until told to stop.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let began = Instant::now();
    let store = Store::embedded(&args.data.join("database")).await.with_context(|| {
        format!(
            "the embedded database cannot start in {}: is another demo running there?",
            args.data.display()
        )
    })?;
    let ran = on_store(args, store.clone(), began).await;
    store.close().await;
    ran
}

async fn on_store(args: &DemoArgs, mut store: Store, began: Instant) -> Result<()> {
    store.migrate().await?;
    let city = Arc::new(City::wuxi(args.seed, PILES));
    let story = Story::open(&args.data, args.seed, args.days, Timestamp::now())?;
    register(&store, &city, &story).await?;
    let server = Server::start(&store, settings(args)?)?;
    say(&format!("veripile demo · 模拟城市 / a simulated city · {PILES} 桩 / piles · {}", store.engine()));
    say(&format!("打开 / open  http://{}/", server.address));
    let passwords = PEOPLE.map(|_| account::drawn());
    for ((name, roles, what, path), password) in PEOPLE.into_iter().zip(&passwords) {
        account::save(&store, name, None, roles, password).await?;
        say(&format!("{what}  http://{}{path}  {name} {password}", server.address));
    }
    let [_, verifier_password, reviewer_password] = passwords;
    let (stop, stopping) = watch::channel(false);
    let line = Line {
        url: format!("ws://{}/ocpp", server.address),
        progress: Progress::new(),
        ledger: None,
        stopping: stopping.clone(),
    };
    let scene = verification::Scene {
        store: store.clone(),
        line: line.clone(),
        site: server.address,
        verifier_password,
        reviewer_password,
        body: BODY,
        station: city.stations.first().context("the city has no station")?.clone(),
        seed: args.seed,
        stopping,
    };
    let bench = tokio::spawn(async move {
        // The city goes on without its bench.
        if let Err(error) = verification::show(scene).await {
            tracing::warn!(%error, "the verification of the demo ended early");
        }
    });
    // A history that was interrupted is told again from where its registers stood at first.
    let stands = if story.is_told { Stands::new(store.register_stands().await?) } else { Stands::default() };
    let simulation = tokio::spawn(simulate(city, line.clone(), story, stands, args.data.clone(), began));
    tokio::select! {
        () = signals::stop() => {}
        ended = simulation => ended??,
    }
    say("正在停止 / stopping");
    let _ = stop.send(true);
    let stopped = server.stop().await;
    bench.await?;
    stopped
}

/// History, then the present.
async fn simulate(
    city: Arc<City>,
    line: Line,
    story: Story,
    stands: Stands,
    folder: PathBuf,
    began: Instant,
) -> Result<()> {
    let (days, until) = if story.is_told { (0, Timestamp::now()) } else { (story.days, story.until) };
    let bar = progress_bar(u64::from(days) * PILES as u64);
    let shown = tokio::spawn(show(bar.clone(), Arc::clone(&line.progress), line.stopping.clone()));
    let told = async {
        let from = until - SignedDuration::from_hours(24 * i64::from(days));
        let fleet = history::connect(city, &line, from, &stands).await?;
        history::tell(fleet, &line, days, until).await
    };
    let fleet = match told.await {
        Ok(fleet) => fleet,
        Err(SimulatorError::Stopped) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    shown.abort();
    bar.finish_and_clear();
    story.told(&folder)?;
    if days > 0 {
        say(&format!(
            "{days} 天历史已入库 / days of history stored: {} 次充电 / charges, {} 条消息 / messages, {:.0} s",
            line.progress.charges.load(Ordering::Relaxed),
            line.progress.acknowledged.load(Ordering::Relaxed),
            began.elapsed().as_secs_f64(),
        ));
    }
    say("实时运行，Ctrl-C 结束 / live now; Ctrl-C ends it");
    live::run(fleet).await?;
    Ok(())
}

async fn show(bar: ProgressBar, progress: Arc<Progress>, mut stopping: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => {
                bar.finish_and_clear();
                return;
            }
        }
        bar.set_position(progress.done.load(Ordering::Relaxed));
        bar.set_message(progress.charges.load(Ordering::Relaxed).to_string());
    }
}

fn progress_bar(total: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("历史 / history {bar:40} {percent}% · {msg} 次充电 / charges · {eta}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn register(store: &Store, city: &City, story: &Story) -> Result<()> {
    store.register_operators(&city.operators).await?;
    let day = story.until.to_zoned(TimeZone::UTC).date();
    let commitments: Vec<_> =
        city.operators.iter().take(COMMITTED).map(|o| (o.operator_id.clone(), day)).collect();
    store.note_commitments(&commitments).await?;
    store.register_stations(&city.stations).await?;
    let piles: Vec<_> = city.piles.iter().map(|simulated| simulated.pile.clone()).collect();
    store.register_piles(&piles).await?;
    store.record_acts(&city.acts(story.until, story.days)).await?;
    Ok(())
}

fn settings(args: &DemoArgs) -> Result<ServerSettings> {
    let key_file: &Path = &args.data.join("identity.key");
    Ok(ServerSettings {
        roles: vec![Role::Gateway, Role::Api, Role::Assess, Role::VerifyRunner],
        listen: args.http,
        key: identity::key(key_file)?,
        tls: None,
        authority: None,
        gateway: GatewaySettings {
            admission: Admission::Anyone,
            least_profile: 0,
            behind_proxy: false,
            readiness_on_boot: false,
            pending_max: Duration::ZERO,
            answered_while_down: Arc::new([]),
        },
        site: SiteSettings {
            simulated: true,
            public_url: None,
            tls_port: None,
            behind_proxy: false,
            least_profile: 0,
            body: BODY.to_owned(),
            requests_per_minute: REQUESTS_PER_MINUTE,
            rules: Rules::default(),
            ocpi: OcpiSettings::default(),
            basemap: Basemap::builtin(),
        },
        signing: signing::key(&args.data.join("signing.key"))?,
        former_keys: Vec::new(),
        assess: AssessSettings { interval: ASSESS_EVERY, whole_every: WHOLE_EVERY, window_days: WINDOW_DAYS },
    })
}

/// Tells the person at the terminal; the demo goes on where nobody reads any more.
fn say(line: &str) {
    if let Err(error) = crate::say(line) {
        tracing::warn!(%error, "a line could not be told");
    }
}
