//! `veripile serve`, `migrate`, `healthcheck`: production.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use veripile_api::{OcpiSettings, SiteSettings};
use veripile_gateway::GatewaySettings;
use veripile_store::{Admission, Store};

use crate::assess::AssessSettings;
use crate::config::{Assess, Config, Ocpi, Registration, Role};
use crate::server::{Server, ServerSettings};
use crate::{authority, identity, places, signals, signing, tls};

/// Actions whose answer carries an id that only the upstream can issue.
const ISSUING: [&str; 1] = ["StartTransaction"];

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

/// What this process does.
fn roles(config: &Config) -> Result<Vec<Role>> {
    let does = |role| config.roles.contains(&role);
    if does(Role::VerifyRunner) && !does(Role::Gateway) {
        bail!(
            "the role verify-runner works over the chargers' connections: add gateway to `roles`, or take verify-runner out of it"
        );
    }
    Ok(config.roles.clone())
}

/// Where anybody may connect, nobody can be asked for a key; elsewhere a key is asked for unless that is switched off.
fn gateway(config: &Config) -> Result<GatewaySettings> {
    let (admission, least_profile) = match config.ocpp.registration {
        Registration::Closed => (Admission::RegisteredOnly, 1),
        Registration::Inbox => (Admission::Inbox, 1),
        Registration::Open => (Admission::Anyone, 0),
    };
    let least_profile = config.ocpp.least_security_profile.unwrap_or(least_profile);
    if !(0..=3).contains(&least_profile) {
        bail!("ocpp.least_security_profile is {least_profile}; OCPP's profiles are 0 to 3");
    }
    let actions = config.ocpp.answer_while_upstream_is_down.split(',').map(str::trim);
    let actions: Vec<String> = actions.filter(|action| !action.is_empty()).map(str::to_owned).collect();
    if let Some(action) = actions.iter().find(|action| ISSUING.contains(&action.as_str())) {
        bail!(
            "ocpp.answer_while_upstream_is_down: {action} cannot be answered for another, who issues its transaction ids"
        );
    }
    Ok(GatewaySettings {
        admission,
        least_profile,
        behind_proxy: config.ocpp.behind_proxy,
        readiness_on_boot: config.ocpp.readiness_on_boot.unwrap_or(admission != Admission::Anyone),
        pending_max: Duration::from_secs(config.ocpp.pending_s_max),
        answered_while_down: actions.into(),
    })
}

/// OCPI's identifiers have fixed lengths, which others rely on.
fn ocpi(config: &Ocpi) -> Result<OcpiSettings> {
    let is_code = |text: &str, chars| text.len() == chars && text.chars().all(|c| c.is_ascii_alphanumeric());
    if !is_code(&config.country_code, 2) || !is_code(&config.party_id, 3) {
        bail!(
            "ocpi.country_code has two letters and ocpi.party_id three letters or digits; they are {:?} and {:?}",
            config.country_code,
            config.party_id
        );
    }
    let needed = |told: Option<String>, name: &str| told.with_context(|| format!("ocpi.{name} is empty"));
    let country = places::country(Some(&config.country)).context("section ocpi")?;
    let time_zone = places::time_zone(Some(&config.time_zone)).context("section ocpi")?;
    let Ocpi { country_code, party_id, name, .. } = config.clone();
    Ok(OcpiSettings {
        country_code,
        party_id,
        name,
        country: needed(country, "country")?,
        time_zone: needed(time_zone, "time_zone")?,
    })
}

fn settings(config: &Config) -> Result<ServerSettings> {
    let gateway = gateway(config)?;
    Ok(ServerSettings {
        roles: roles(config)?,
        listen: config.http.listen,
        key: identity::key(Path::new(&config.identity.key_file))?,
        authority: authority::read(&config.tls, Timestamp::now())?,
        tls: config.tls.listen.zip(tls::configuration(&config.tls)?),
        site: SiteSettings {
            simulated: false,
            public_url: config.http.public_url.clone(),
            tls_port: config.tls.listen.map(|address| address.port()),
            behind_proxy: config.ocpp.behind_proxy,
            least_profile: gateway.least_profile,
            body: config.verification.body.clone(),
            requests_per_minute: config.http.requests_per_minute,
            rules: config.supervision.rules()?,
            ocpi: ocpi(&config.ocpi)?,
            basemap: config.map.basemap()?,
        },
        signing: signing::key(&config.verification.key_file)?,
        former_keys: signing::former(&config.verification.former_keys)?,
        gateway,
        assess: assess_settings(&config.assess),
    })
}

/// How the remote assessment runs.
pub(crate) fn assess_settings(config: &Assess) -> AssessSettings {
    AssessSettings {
        interval: Duration::from_secs(config.interval_s.max(1)),
        whole_every: Duration::from_secs(config.whole_every_s.max(1)),
        window_days: config.window_days,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifications_need_the_chargers_in_the_same_process() {
        let of = |roles: &[Role]| super::roles(&Config { roles: roles.to_vec(), ..Config::default() });
        assert!(of(&[Role::Gateway, Role::VerifyRunner]).is_ok());
        assert!(of(&[Role::Api]).is_ok());
        let error = of(&[Role::Api, Role::VerifyRunner]).expect_err("no gateway");
        assert!(error.to_string().contains("add gateway"), "{error}");
    }
}
