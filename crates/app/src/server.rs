//! The server: roles wired to one port. Used by `serve` on a real database and by `demo` on the embedded one.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::{Context, Result};
use prometheus::{IntGaugeVec, Opts, Registry};
use tokio::sync::watch;
use veripile_api::{Checks, Dumps, Limiter, Overviews, Readings, Reporters, Site, SiteSettings, Tiles};
use veripile_gateway::{Authority, Gateway, GatewayMetrics, GatewaySettings};
use veripile_ocpp::IdentityKey;
use veripile_store::Store;
use veripile_store::intake::{Intake, IntakeMetrics};
use veripile_verification::certificate::{PublicKey, SigningKey};

use crate::assess::{self, AssessMetrics, AssessSettings};
use crate::config::Role;
use crate::{register, tls};

/// Threads that serve HTTP and WebSocket. The work is in the database; two keep both cores of a small machine busy.
const WORKERS: usize = 2;

/// Seconds that open requests get to finish when the server stops.
const SHUTDOWN_S: u64 = 5;

/// How soon what other hands wrote into the database is searched. Where there is nothing to do three short questions are asked.
const TEXTS_EVERY: Duration = Duration::from_secs(10);

/// Batches at once: some 200,000 piles, so that a large list does not keep the database busy for minutes.
const TEXT_BATCHES_MAX: u32 = 20;

/// What a server needs.
pub struct ServerSettings {
    /// What it does.
    pub roles: Vec<Role>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it listens encrypted, and how.
    pub tls: Option<(SocketAddr, rustls::ServerConfig)>,
    /// Secret for identities.
    pub key: IdentityKey,
    /// How those who connect are treated.
    pub gateway: GatewaySettings,
    /// Who signs chargers' certificates, if anybody does.
    pub authority: Option<Authority>,
    /// Pages.
    pub site: SiteSettings,
    /// Signs documents of verifications.
    pub signing: Arc<SigningKey>,
    /// Keys that signed documents before.
    pub former_keys: Vec<PublicKey>,
    /// Remote assessment.
    pub assess: AssessSettings,
}

/// A running server.
pub struct Server {
    /// The address it really listens on.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    http: tokio::task::JoinHandle<std::io::Result<()>>,
    handle: actix_web::dev::ServerHandle,
    assess: Option<tokio::task::JoinHandle<()>>,
    verifications: Option<tokio::task::JoinHandle<()>>,
    texts: Option<tokio::task::JoinHandle<()>>,
}

impl Server {
    /// Binds the port and starts the roles.
    pub fn start(store: &Store, settings: ServerSettings) -> Result<Self> {
        // First of all: nothing has begun if the port is taken.
        let listener = bind(settings.listen)?;
        let registry = registry()?;
        let (stop, stopping) = watch::channel(false);
        let gateway = if settings.roles.contains(&Role::Gateway) {
            let intake = Intake::start(store.clone(), IntakeMetrics::register(&registry)?);
            let metrics = GatewayMetrics::register(&registry)?;
            let key = settings.key.clone();
            let (gateway, authority) = (settings.gateway, settings.authority);
            Some(Gateway::new(store.clone(), intake, key, gateway, authority, metrics, stopping.clone()))
        } else {
            None
        };
        let runs = settings.roles.contains(&Role::VerifyRunner);
        let verifications = gateway.as_ref().filter(|_| runs).map(Gateway::run_verifications);
        let assess = if settings.roles.contains(&Role::Assess) {
            let metrics = AssessMetrics::register(&registry)?;
            let key = settings.key.clone();
            Some(tokio::spawn(assess::run(store.clone(), settings.assess, key, metrics, stopping.clone())))
        } else {
            None
        };
        let pages = settings.roles.contains(&Role::Api);
        let texts = pages.then(|| tokio::spawn(complete_texts(store.clone(), stopping)));
        let site = web::Data::new(Site {
            store: store.clone(),
            registry,
            settings: settings.site,
            import: register::import,
            signing: settings.signing,
            former_keys: settings.former_keys,
            checks: Checks::default(),
            readings: Readings::default(),
            limiter: Limiter::default(),
            tiles: Tiles::new(tokio::runtime::Handle::current()),
            dumps: Dumps::new(tokio::runtime::Handle::current()),
            overviews: Overviews::new(tokio::runtime::Handle::current()),
            reporters: Reporters::default(),
        });
        let server = HttpServer::new(move || {
            let (gateway, site) = (gateway.clone(), site.clone());
            App::new()
                .wrap(from_fn(veripile_api::head))
                .wrap(from_fn(veripile_api::for_people))
                .wrap(from_fn(veripile_api::pages))
                .wrap(veripile_api::headers())
                .wrap(from_fn(veripile_api::encrypted_only))
                .configure(move |config| mount(config, gateway, site, pages))
        })
        .workers(WORKERS)
        .shutdown_timeout(SHUTDOWN_S)
        .disable_signals()
        .on_connect(tls::note_peer)
        .listen(listener)?;
        let server = match settings.tls {
            Some((address, config)) => {
                let listener = bind(address)?;
                tracing::info!(%address, "serving encrypted too");
                server.listen_rustls_0_23(listener, config)?
            }
            None => server,
        };
        let address = server.addrs().first().copied().unwrap_or(settings.listen);
        let server = server.run();
        let handle = server.handle();
        Ok(Self { address, stop, http: tokio::spawn(server), handle, assess, verifications, texts })
    }

    /// Stops: chargers are told, running requests finish, what waits for its commit is committed, instruments are let go.
    pub async fn stop(self) -> Result<()> {
        let _ = self.stop.send(true);
        self.handle.stop(true).await;
        self.http.await?.context("the HTTP server ended with an error")?;
        for task in [self.assess, self.verifications, self.texts].into_iter().flatten() {
            task.await?;
        }
        Ok(())
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}: is another server running there? Choose another address")
    })
}

/// Lets what other hands write into the database be found: a few batches at a time, until told to stop.
async fn complete_texts(store: Store, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TEXTS_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        for _ in 0..TEXT_BATCHES_MAX {
            if *stopping.borrow() {
                return;
            }
            match store.complete_texts().await {
                Ok(0) => break,
                Ok(rows) => tracing::info!(rows, "written by other hands; they can be searched for now"),
                Err(error) => {
                    tracing::warn!(%error, "what other hands wrote cannot be searched for yet");
                    break;
                }
            }
        }
    }
}

fn mount(config: &mut web::ServiceConfig, gateway: Option<Arc<Gateway>>, site: web::Data<Site>, pages: bool) {
    if let Some(gateway) = gateway {
        veripile_gateway::routes(gateway)(config);
    }
    if pages {
        veripile_api::routes(site)(config);
    } else {
        veripile_api::health_routes(site)(config);
    }
}

fn registry() -> Result<Registry> {
    let registry = Registry::new();
    let build =
        IntGaugeVec::new(Opts::new("veripile_build_info", "Version of the running program."), &["version"])?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    registry.register(Box::new(build))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(registry)
}
