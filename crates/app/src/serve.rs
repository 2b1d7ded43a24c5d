//! `veripile serve`, `migrate`, `healthcheck`: production.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use veripile_api::SiteSettings;
use veripile_store::{Admission, Store};

use crate::assess::AssessSettings;
use crate::config::{Config, Registration};
use crate::server::{Server, ServerSettings};
use crate::{identity, signals};

/// How long `healthcheck` waits for its answer.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the configured roles until told to stop.
pub async fn serve(config: &Config) -> Result<()> {
    let mut store = connect(config).await?;
    if !config.database.skip_migrations {
        store.migrate().await.context("the schema could not be brought up to date")?;
    }
    let server = Server::start(&store, settings(config)?)?;
    tracing::info!(
        address = %server.address,
        database = store.engine(),
        registration = ?config.ocpp.registration,
        roles = ?config.roles,
        "serving; chargers connect to ws://{}/ocpp/{{identity}}", server.address,
    );
    signals::stop().await;
    tracing::info!("stopping");
    server.stop().await?;
    store.close().await;
    tracing::info!("stopped; everything acknowledged is stored");
    Ok(())
}

/// Applies migrations.
pub async fn migrate(config: &Config) -> Result<()> {
    let mut store = connect(config).await?;
    store.migrate().await?;
    tracing::info!(database = store.engine(), "the schema is up to date");
    store.close().await;
    Ok(())
}

/// Asks the local server whether it is well.
pub async fn healthcheck(config: &Config) -> Result<()> {
    let answer = tokio::time::timeout(HEALTHCHECK_TIMEOUT, ask(config)).await;
    let answer = answer.context("the server does not answer in time")??;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { bail!("the server answers: {answer}") }
}

async fn ask(config: &Config) -> Result<String> {
    let mut address = config.http.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let mut stream =
        TcpStream::connect(address).await.with_context(|| format!("no server listens on {address}"))?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Connects to the configured database.
pub async fn connect(config: &Config) -> Result<Store> {
    let url = config.database_url()?;
    Store::connect(url).await.context(
        "the database cannot be reached: check VERIPILE_DATABASE_URL, and that the server runs and knows user and database",
    )
}

fn settings(config: &Config) -> Result<ServerSettings> {
    Ok(ServerSettings {
        roles: config.roles.clone(),
        listen: config.http.listen,
        key: identity::key(Path::new(&config.identity.key_file))?,
        admission: match config.ocpp.registration {
            Registration::Closed => Admission::RegisteredOnly,
            Registration::Open => Admission::Anyone,
        },
        site: SiteSettings { simulated: false, public_url: config.http.public_url.clone() },
        assess: AssessSettings {
            interval: Duration::from_secs(config.assess.interval_s.max(1)),
            window_days: config.assess.window_days,
        },
    })
}
