//! Metering readiness: a charger's configuration is read and judged when it boots, and when somebody orders it.
//!
//! [`crate::reception`] asks what a charger that boots is told; [`crate::commands`] hands in orders. The verdict is
//! `ocpp::readiness`'s; whatever becomes of a check, its result is stored. A charger that waits in the inbox or is relayed is
//! never asked anything unasked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use veripile_ocpp::boot::Registered;
use veripile_ocpp::call::{AnswerHeard, Call};
use veripile_ocpp::readiness::{self, Ended, Light, Line, LineCode, Observed, Order, Report};
use veripile_ocpp::{ConfigurationEntry, Heard, Version, configuration};
use veripile_pile::{Mark, ReadingContext, ReceiveTime};
use veripile_store::readiness::MeteringSeen;

use crate::Gateway;
use crate::desk::Reply;
use crate::reception::{Reception, now};

/// Boots answered with Pending in a row; then the charger is accepted whatever is known. With half a minute between boots that
/// is the two minutes of the setting.
const BOOTS_PENDING_MAX: u32 = 5;

/// How long a check holds for further boots: a configuration hardly changes within the hour, and many chargers boot at every
/// reconnection.
const HOLDS: Duration = Duration::from_secs(3600);

/// Entries asked for at once; small chargers take no more. One that takes fewer is asked one by one.
const NAMES_AT_ONCE: usize = 10;

/// Steps tried for one line: a few keys, each with a few values.
const STEPS_MAX: usize = 24;

/// Clock offsets remembered: the newest messages, but enough that some of them were not late.
const OFFSETS_MAX: usize = 16;

/// Where a pile's check at its boot stands.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// First of the boots that wait.
    since: Option<Instant>,
    boots: u32,
    /// The connection over which a check runs.
    running: Option<Uuid>,
    /// When the last check ended.
    ended: Option<Instant>,
}

/// What becomes of a boot.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Accept,
    Wait,
    Begin,
}

impl Progress {
    /// The charger boots.
    fn boot(&mut self, connection: Uuid, now: Instant, limit: Duration) -> Turn {
        let checked = self.ended.is_some_and(|ended| now - ended < HOLDS);
        let since = *self.since.get_or_insert(now);
        self.boots += 1;
        if checked || self.boots > BOOTS_PENDING_MAX || now - since >= limit {
            // One that was given up on is not kept waiting again at once.
            (self.since, self.boots, self.ended) = (None, 0, self.ended.filter(|_| checked).or(Some(now)));
            return Turn::Accept;
        }
        if self.running.replace(connection) == Some(connection) { Turn::Wait } else { Turn::Begin }
    }

    /// A check ended; whether the charger still waits for it. One that left in the middle is checked again.
    fn end(&mut self, connection: Uuid, how: Ended, now: Instant) -> bool {
        if self.running != Some(connection) {
            return false;
        }
        self.running = None;
        if how == Ended::Gone {
            // It waits anew when it comes back; its boots go on counting.
            return self.since.take().is_some();
        }
        self.ended = Some(now);
        self.since.is_some()
    }
}

/// What was seen in a pile's messages that bears on its readiness. Lost at a restart, like all of [`crate::memory`].
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The version it speaks.
    pub(crate) version: Option<Version>,
    offsets_s: VecDeque<i64>,
    has_bad_clock: bool,
    has_begin_register: bool,
}

impl Seen {
    /// Notes a call.
    pub(crate) fn note(&mut self, version: Version, heard: &Heard, received: ReceiveTime) {
        self.version = Some(version);
        let mut marks = heard.readings.iter().flat_map(|reading| &reading.marks).chain(&heard.marks);
        match heard.time {
            Some(time) => {
                if self.offsets_s.len() == OFFSETS_MAX {
                    self.offsets_s.pop_front();
                }
                self.offsets_s.push_back(time.0.duration_since(received.0).as_secs());
                self.has_bad_clock = false;
            }
            None if marks.any(|mark| *mark == Mark::BadTimestamp) => {
                self.offsets_s.clear();
                self.has_bad_clock = true;
            }
            None => {}
        }
        self.has_begin_register |= heard.readings.iter().any(|reading| {
            reading.context == ReadingContext::TransactionBegin
                && reading.measurand.is_energy_register()
                && reading.number.is_some()
        });
    }

    /// The charger's clock less ours, s: the most of the newest messages, since one that waited in a queue lags behind.
    pub(crate) fn clock_offset_s(&self) -> Option<i64> {
        self.offsets_s.iter().max().copied()
    }
}

/// What a charger that boots is told; begins a check where one is due.
pub(crate) async fn at_boot(reception: &Reception) -> Registered {
    let Reception { gateway, pile_no, version, connection, inbox, .. } = reception;
    if *inbox {
        return Registered::Pending;
    }
    if !gateway.settings.readiness_on_boot || is_relayed(gateway, *pile_no).await {
        return Registered::Accepted;
    }
    let limit = gateway.settings.pending_max;
    let boot =
        |memory: &mut crate::memory::PileMemory| memory.readiness.boot(*connection, Instant::now(), limit);
    match gateway.memory.of(*pile_no, boot) {
        Turn::Accept => Registered::Accepted,
        Turn::Wait => Registered::Pending,
        Turn::Begin => {
            let asker = Asker {
                gateway: Arc::clone(gateway),
                pile_no: *pile_no,
                version: *version,
                connection: Some(*connection),
            };
            tokio::spawn(check_at_boot(asker, *connection, limit));
            Registered::Pending
        }
    }
}

/// Whether the operator's own central system answers its boots. If that cannot be found out, nothing is asked.
async fn is_relayed(gateway: &Gateway, pile_no: i64) -> bool {
    match gateway.store.access(pile_no).await {
        Ok(access) => access.upstream_url.is_some(),
        Err(error) => {
            tracing::warn!(pile.no = pile_no, %error, "no readiness check: the pile's access could not be read");
            true
        }
    }
}

async fn check_at_boot(asker: Asker, connection: Uuid, limit: Duration) {
    let mut read = Read::default();
    let stopped = match tokio::time::timeout(limit, asker.read(&mut read)).await {
        Ok(stopped) => stopped,
        Err(_) => Stopped::new(Ended::Mute, format!("no answers within {} s", limit.as_secs())),
    };
    asker.conclude(&stopped, &read).await;
    let ends =
        |memory: &mut crate::memory::PileMemory| memory.readiness.end(connection, stopped.0, Instant::now());
    let waits = asker.gateway.memory.of(asker.pile_no, ends);
    if waits && matches!(stopped.0, Ended::Complete | Ended::Errors) {
        // If it declines, it boots again when the time that it was given is over.
        let again = Call::Trigger { message: "BootNotification".to_owned(), connector: None };
        asker.ask(again).await;
    }
}

/// Carries out an order; outcome and answer, as a command's row has them.
pub(crate) async fn carry_out(gateway: &Arc<Gateway>, pile_no: i64, order: Order) -> (&'static str, String) {
    let protocol = match gateway.store.metering_seen(pile_no).await {
        Ok(seen) => seen.protocol,
        Err(error) => return ("error", error.to_string()),
    };
    let Some(version) = protocol.as_deref().and_then(Version::agree) else {
        return ("gone", "the charger never connected".to_owned());
    };
    let asker = Asker { gateway: Arc::clone(gateway), pile_no, version, connection: None };
    match order {
        Order::Check => asker.check().await,
        Order::Set { line } => asker.set(line).await,
    }
}

/// Asks one charger.
struct Asker {
    gateway: Arc<Gateway>,
    pile_no: i64,
    version: Version,
    /// Only over this connection; none: over whichever there is.
    connection: Option<Uuid>,
}

/// What was read so far.
#[derive(Default)]
struct Read {
    entries: Vec<ConfigurationEntry>,
    /// When the charger's time was read.
    time_read_at: Option<jiff::Timestamp>,
    /// The last error.
    error: Option<String>,
}

/// How reading ended, and why if not well.
#[derive(Debug)]
struct Stopped(Ended, Option<String>);

impl Stopped {
    fn new(ended: Ended, why: impl Into<String>) -> Self {
        Self(ended, Some(why.into()))
    }

    /// The outcome of a command that could not be carried out.
    fn outcome(&self) -> &'static str {
        match self.0 {
            Ended::Complete => "accepted",
            Ended::Errors => "error",
            Ended::Mute => "late",
            Ended::Gone => "gone",
        }
    }
}

impl Asker {
    async fn ask(&self, call: Call) -> Reply {
        let is_over = |connection| !self.gateway.is_connected_by(self.pile_no, connection);
        if self.connection.is_some_and(is_over) {
            return Reply::Gone;
        }
        self.gateway.ask(self.pile_no, call).await
    }

    /// Reads what bears on metering.
    async fn read(&self, read: &mut Read) -> Stopped {
        match self.read_all(read).await {
            Err(stopped) => stopped,
            Ok(()) => match read.error.take() {
                Some(why) if !readiness::missing_names(self.version, &read.entries).is_empty() => {
                    Stopped::new(Ended::Errors, why)
                }
                _ => Stopped(Ended::Complete, None),
            },
        }
    }

    async fn read_all(&self, read: &mut Read) -> Result<(), Stopped> {
        // In 1.6 all keys come at once, a vendor's own among them.
        if self.version == Version::V16 {
            self.read_names(&[], read).await?;
        }
        for names in readiness::missing_names(self.version, &read.entries).chunks(NAMES_AT_ONCE) {
            if self.read_names(names, read).await? {
                continue;
            }
            for name in names {
                self.read_names(std::slice::from_ref(name), read).await?;
            }
        }
        Ok(())
    }

    /// Reads entries; whether the charger told any.
    async fn read_names(&self, names: &[String], read: &mut Read) -> Result<bool, Stopped> {
        let reply = self.ask(Call::ReadConfiguration { names: names.to_vec() }).await;
        match heard(reply)? {
            AnswerHeard::Configuration(found) => {
                if readiness::tells_time(self.version, &found) {
                    read.time_read_at = Some(now());
                }
                read.entries.extend(found);
                Ok(true)
            }
            other => {
                read.error = Some(refusal(&other));
                Ok(false)
            }
        }
    }

    /// Judges what was read.
    fn judge(&self, read: &Read, known: &MeteringSeen) -> Vec<Line> {
        let seen = |memory: &mut crate::memory::PileMemory| Observed {
            read_at: read.time_read_at.unwrap_or_else(now),
            clock_offset_s: memory.seen.clock_offset_s(),
            has_bad_clock: memory.seen.has_bad_clock,
            has_readings: known.has_readings,
            has_begin_register: memory.seen.has_begin_register,
            has_vehicle_values: known.has_vehicle_values,
            has_vehicle_energy: known.has_vehicle_energy,
            has_signed_values: known.has_signed_values,
        };
        let observed = self.gateway.memory.of(self.pile_no, seen);
        readiness::judge(self.version, &read.entries, &observed)
    }

    async fn known(&self) -> MeteringSeen {
        self.gateway.store.metering_seen(self.pile_no).await.unwrap_or_else(|error| {
            tracing::warn!(pile.no = self.pile_no, %error, "readiness is judged by the configuration alone");
            MeteringSeen::default()
        })
    }

    /// Judges and stores; the lines.
    async fn conclude(&self, stopped: &Stopped, read: &Read) -> Vec<Line> {
        let known = self.known().await;
        let report = Report {
            ended: stopped.0,
            detail: stopped.1.clone(),
            lines: self.judge(read, &known),
            public_keys: readiness::public_keys(&read.entries),
        };
        if let Err(error) = self.store(&report, read, &known).await {
            tracing::error!(pile.no = self.pile_no, %error, "a readiness check could not be stored");
        }
        report.lines
    }

    async fn store(
        &self,
        report: &Report,
        read: &Read,
        known: &MeteringSeen,
    ) -> Result<(), veripile_store::StoreError> {
        let store = &self.gateway.store;
        let body = serde_json::to_value(report).unwrap_or_default();
        store.save_readiness(self.pile_no, now(), &body).await?;
        if let Some(meter) = configuration::meter_in(&read.entries) {
            store.note_meter(self.pile_no, meter.model.as_deref(), meter.serial.as_deref()).await?;
        }
        match readiness::sole_public_key(self.version, &read.entries) {
            Some(key) => store.note_first_key(self.pile_no, known.meter_serial.as_deref(), &key, now()).await,
            None => Ok(()),
        }
    }

    async fn check(&self) -> (&'static str, String) {
        let mut read = Read::default();
        let stopped = self.read(&mut read).await;
        let lines = self.conclude(&stopped, &read).await;
        let lights: Vec<_> =
            lines.iter().map(|line| format!("{} {}", line.code.word(), line.light.word())).collect();
        (stopped.outcome(), [stopped.1.into_iter().collect(), lights].concat().join("; "))
    }

    /// Tries the steps of a line one by one; what the charger accepts stays.
    async fn set(&self, code: LineCode) -> (&'static str, String) {
        let mut read = Read::default();
        let stopped = self.read(&mut read).await;
        if matches!(stopped.0, Ended::Mute | Ended::Gone) {
            self.conclude(&stopped, &read).await;
            return (stopped.outcome(), stopped.1.unwrap_or_default());
        }
        let (set, refused, stopped) = self.take_steps(code, &mut read).await;
        let (outcome, mut told) = match stopped {
            Some(Stopped(ended, why)) => (Stopped(ended, None).outcome(), why.into_iter().collect()),
            None => (if set.is_empty() { "refused" } else { "accepted" }, Vec::new()),
        };
        let mut again = Read::default();
        let stopped = self.read(&mut again).await;
        let lines = self.conclude(&stopped, &again).await;
        let light = lines.iter().find(|line| line.code == code).map_or(Light::Unknown, |line| line.light);
        let outcome = if outcome == "refused" && light == Light::Green { "accepted" } else { outcome };
        told.extend(set.iter().map(|step| format!("set {step}")));
        told.extend(refused.iter().map(|step| format!("refused {step}")));
        if set.is_empty() && refused.is_empty() {
            told.push("nothing to set".to_owned());
        }
        told.push(format!("{} {}", code.word(), light.word()));
        (outcome, told.join("; "))
    }

    /// What was set, what was refused, and what ended it before its time.
    async fn take_steps(
        &self,
        code: LineCode,
        read: &mut Read,
    ) -> (Vec<String>, Vec<String>, Option<Stopped>) {
        let known = self.known().await;
        let (mut set, mut refused, mut tried) = (Vec::new(), Vec::new(), Vec::new());
        while tried.len() < STEPS_MAX {
            let lines = self.judge(read, &known);
            let steps = lines.into_iter().filter(|line| line.code == code).flat_map(|line| line.steps);
            let Some(step) = steps.into_iter().find(|step| !tried.contains(step)) else { break };
            tried.push(step.clone());
            match heard(self.ask(step.clone()).await) {
                Ok(AnswerHeard::Accepted) => set.push(setting(&step, None)),
                Ok(AnswerHeard::Later { status }) => set.push(setting(&step, Some(&status))),
                Ok(other) => {
                    refused.push(setting(&step, Some(&refusal(&other))));
                    continue;
                }
                Err(stopped) => return (set, refused, Some(stopped)),
            }
            readiness::apply(&mut read.entries, &step);
        }
        (set, refused, None)
    }
}

/// The answer, or why none will come.
fn heard(reply: Reply) -> Result<AnswerHeard, Stopped> {
    match reply {
        Reply::Answered { heard, .. } => Ok(*heard),
        Reply::Unspeakable(error) => Ok(AnswerHeard::Unreadable { why: error.to_string() }),
        Reply::Late { .. } => Err(Stopped::new(Ended::Mute, "the charger did not answer in time")),
        Reply::Gone => Err(Stopped::new(Ended::Gone, "the charger left in the middle")),
        Reply::Busy => Err(Stopped::new(Ended::Errors, "too many calls are waiting for this charger")),
    }
}

/// What an answer that is not the one asked for says.
fn refusal(heard: &AnswerHeard) -> String {
    match heard {
        AnswerHeard::Refused { status } => status.clone(),
        AnswerHeard::Error { code, description } => format!("{code}: {description}"),
        AnswerHeard::Unreadable { why } => why.clone(),
        _ => "an answer to another question".to_owned(),
    }
}

/// A step in words.
fn setting(step: &Call, status: Option<&str>) -> String {
    let Call::WriteConfiguration { name, value } = step else { return String::new() };
    match status {
        Some(status) => format!("{name}={value} ({status})"),
        None => format!("{name}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(120);

    fn ids() -> (Uuid, Uuid) {
        (Uuid::from_u128(1), Uuid::from_u128(2))
    }

    #[test]
    fn a_boot_waits_for_its_check_and_is_then_accepted_for_an_hour() {
        let ((one, _), start) = (ids(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut progress = Progress::default();
        assert_eq!(progress.boot(one, at(0), LIMIT), Turn::Begin);
        assert_eq!(progress.boot(one, at(30), LIMIT), Turn::Wait);
        assert!(progress.end(one, Ended::Complete, at(31)), "it still waits");
        assert_eq!(progress.boot(one, at(32), LIMIT), Turn::Accept);
        assert_eq!(progress.boot(one, at(3000), LIMIT), Turn::Accept);
        assert_eq!(progress.boot(one, at(31 + 3600), LIMIT), Turn::Begin);
    }

    #[test]
    fn no_charger_waits_longer_than_the_limits() {
        let ((one, _), start) = (ids(), Instant::now());
        let mut progress = Progress::default();
        assert_eq!(progress.boot(one, start, LIMIT), Turn::Begin);
        for _ in 1..BOOTS_PENDING_MAX {
            assert_eq!(progress.boot(one, start, LIMIT), Turn::Wait);
        }
        assert_eq!(progress.boot(one, start, LIMIT), Turn::Accept, "boots");
        assert!(!progress.end(one, Ended::Mute, start), "nobody waits any more");
        let mut progress = Progress::default();
        assert_eq!(progress.boot(one, start, LIMIT), Turn::Begin);
        assert_eq!(progress.boot(one, start + LIMIT, LIMIT), Turn::Accept, "seconds");
        assert_eq!(progress.boot(one, start + LIMIT * 2, LIMIT), Turn::Accept, "and not again at once");
    }

    #[test]
    fn one_that_left_in_the_middle_is_checked_again() {
        let ((one, two), start) = (ids(), Instant::now());
        let mut progress = Progress::default();
        assert_eq!(progress.boot(one, start, LIMIT), Turn::Begin);
        assert!(progress.end(one, Ended::Gone, start));
        assert_eq!(progress.boot(two, start, LIMIT), Turn::Begin);
        // The other way round: the new connection boots before the old one's check has noticed.
        let mut progress = Progress::default();
        assert_eq!(progress.boot(one, start, LIMIT), Turn::Begin);
        assert_eq!(progress.boot(two, start, LIMIT), Turn::Begin);
        assert!(!progress.end(one, Ended::Gone, start));
        assert_eq!(progress.boot(two, start, LIMIT), Turn::Wait);
        assert!(progress.end(two, Ended::Complete, start));
    }
}
