//! The bench on TCP: one port for each instrument, and a clock that makes bench time of the machine's.
//!
//! Called by `app` and by tests; `nc` can talk to it. Several connections to an instrument are served at once and talk to the one
//! instrument: what one sets the other sees, they share the error queue, and a line from any feeds the watchdog. Lines end
//! with `\n` or `\r\n`. The mutex of the bench is never held across an await.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::{Bench, BenchFault, BenchSettings, BenchState, Exchange, Injection, Manner, Which};
use crate::SimulatorError;

/// Longest line, bytes; instruments of this kind take about as much. A longer one is thrown away with error -363.
const LINE_BYTES_MAX: usize = 1024;

/// Connections to one instrument at a time: a driver, one it gave up, somebody who looks. One more is closed at once.
const CONNECTIONS_MAX: usize = 8;

/// How often physics goes on when nobody asks.
const TICK: Duration = Duration::from_millis(20);

/// Fastest clock: at this a tick is two hundred seconds of bench time.
const SPEED_MAX: f64 = 10_000.0;

/// Bytes of a piece and the pause after it, where replies come in pieces.
const PIECE_BYTES: usize = 3;
const PIECE_PAUSE: Duration = Duration::from_millis(15);

/// A bench with its clock, shared.
struct Shared {
    bench: Mutex<(Bench, Instant)>,
    speed: f64,
}

impl Shared {
    /// The bench as it is now.
    fn now(&self) -> MutexGuard<'_, (Bench, Instant)> {
        // A panic elsewhere leaves a bench that is still a bench.
        let mut guard = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
        let (bench, last) = &mut *guard;
        let now = Instant::now();
        bench.advance(now.duration_since(*last).as_secs_f64() * self.speed);
        *last = now;
        guard
    }
}

/// A way to a running bench, for its pile and for tests.
#[derive(Clone)]
pub struct BenchHandle(Arc<Shared>);

impl BenchHandle {
    /// A running bench without sockets.
    pub fn start(settings: BenchSettings, seed: u64) -> Self {
        // A speed that is no number is none.
        let speed = if settings.speed.is_nan() { 0.0 } else { settings.speed.clamp(0.0, SPEED_MAX) };
        Self(Arc::new(Shared { bench: Mutex::new((Bench::new(settings, seed), Instant::now())), speed }))
    }

    /// Does something with the bench as it is now.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Bench) -> T) -> T {
        work(&mut self.0.now().0)
    }

    /// How the bench was made.
    pub fn settings(&self) -> BenchSettings {
        self.with(|bench| bench.settings().clone())
    }

    /// What the bench looks like now.
    pub fn state(&self) -> BenchState {
        self.with(|bench| bench.state())
    }

    /// What the pile's register shows now, Wh.
    pub fn register_wh(&self) -> Decimal {
        self.with(|bench| bench.register_wh())
    }

    /// True relative error of the pile at its rated current, as a fraction.
    pub fn true_error(&self) -> f64 {
        self.with(|bench| bench.true_error())
    }

    /// Sets the pile's true errors at its rated current and at a tenth of it, percent.
    pub fn set_true_error(&self, error_percent: f64, error_at_tenth_percent: f64) {
        self.with(|bench| bench.set_true_error(error_percent, error_at_tenth_percent));
    }

    /// Lets a vehicle draw so much, A, for so long from the begin of the charge, s: the one that runs and those to come.
    pub fn set_vehicle(&self, current_a: f64, charge_s: f64) {
        self.with(|bench| bench.set_vehicle(current_a, charge_s));
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: BenchFault) {
        self.inject_when(Injection::permanent(fault));
    }

    /// Lets something go wrong at its time.
    pub fn inject_when(&self, injection: Injection) {
        self.with(|bench| bench.inject(injection));
    }

    /// Ends a fault.
    pub fn clear(&self, fault: BenchFault) {
        self.with(|bench| bench.clear(fault));
    }
}

/// A bench on TCP; it ends when this is dropped.
pub struct BenchServer {
    /// Address of the source.
    pub source: SocketAddr,
    /// Address of the standard.
    pub standard: SocketAddr,
    handle: BenchHandle,
    tasks: Vec<AbortHandle>,
}

impl BenchServer {
    /// Starts a bench; port 0 takes any that is free.
    pub async fn start(
        settings: BenchSettings,
        seed: u64,
        source: SocketAddr,
        standard: SocketAddr,
    ) -> Result<Self, SimulatorError> {
        let (source_listener, standard_listener) = (listen(source).await?, listen(standard).await?);
        let address = |listener: &TcpListener, asked: SocketAddr| listener.local_addr().unwrap_or(asked);
        let (source, standard) = (address(&source_listener, source), address(&standard_listener, standard));
        let handle = BenchHandle::start(settings, seed);
        let tasks = vec![
            tokio::spawn(serve(source_listener, Which::Source, handle.clone())).abort_handle(),
            tokio::spawn(serve(standard_listener, Which::Standard, handle.clone())).abort_handle(),
            tokio::spawn(tick(handle.clone())).abort_handle(),
        ];
        Ok(Self { source, standard, handle, tasks })
    }

    /// A way to the bench.
    pub fn handle(&self) -> BenchHandle {
        self.handle.clone()
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: BenchFault) {
        self.handle.inject(fault);
    }

    /// Sets the pile's true errors at its rated current and at a tenth of it, percent.
    pub fn set_true_error(&self, error_percent: f64, error_at_tenth_percent: f64) {
        self.handle.set_true_error(error_percent, error_at_tenth_percent);
    }
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, SimulatorError> {
    TcpListener::bind(address).await.map_err(|error| SimulatorError::Connection {
        identity: format!("instrument on {address}"),
        reason: error.to_string(),
    })
}

async fn tick(handle: BenchHandle) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        handle.with(|_| ());
    }
}

async fn serve(listener: TcpListener, which: Which, handle: BenchHandle) {
    // Connections end with this task, as the set is dropped with it.
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "an instrument cannot accept a connection");
                tokio::time::sleep(TICK).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(max = CONNECTIONS_MAX, "too many connections to an instrument; one was closed");
            continue;
        };
        let handle = handle.clone();
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = converse(socket, which, &handle).await {
                tracing::debug!(%error, "a connection to an instrument ended");
            }
        });
    }
}

/// Answers the lines of a connection until it ends or is dropped.
async fn converse(mut socket: TcpStream, which: Which, handle: &BenchHandle) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut buffer, mut lines) = ([0; LINE_BYTES_MAX], Lines::default());
    loop {
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        for line in lines.take(&buffer[..count]) {
            let Ok(line) = line else {
                handle.with(|bench| bench.overrun(which));
                continue;
            };
            let exchange = handle.with(|bench| bench.exchange(which, &line));
            if exchange.manner == Manner::Dropped {
                return Ok(());
            }
            reply(&mut socket, &exchange).await?;
        }
    }
}

async fn reply(socket: &mut TcpStream, exchange: &Exchange) -> std::io::Result<()> {
    if exchange.replies.is_empty() {
        return Ok(());
    }
    let text = format!("{}\n", exchange.replies.join(";"));
    if exchange.manner == Manner::Whole {
        return socket.write_all(text.as_bytes()).await;
    }
    for piece in text.as_bytes().chunks(PIECE_BYTES) {
        socket.write_all(piece).await?;
        tokio::time::sleep(PIECE_PAUSE).await;
    }
    Ok(())
}

/// A line was too long.
#[derive(Debug, PartialEq, Eq)]
struct Overlong;

/// Makes lines of what a socket delivers.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    is_overlong: bool,
}

impl Lines {
    /// The lines that are whole now. Bytes that are no ASCII stay wrong on the way: the instrument refuses their line.
    fn take(&mut self, bytes: &[u8]) -> Vec<Result<String, Overlong>> {
        let mut whole = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.is_overlong) => {
                    self.begun.clear();
                    whole.push(Err(Overlong));
                }
                b'\n' => {
                    let line = std::mem::take(&mut self.begun);
                    let text = String::from_utf8_lossy(&line);
                    whole.push(Ok(text.strip_suffix('\r').unwrap_or(&text).to_owned()));
                }
                _ if self.begun.len() == LINE_BYTES_MAX => self.is_overlong = true,
                byte => self.begun.push(*byte),
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests;
