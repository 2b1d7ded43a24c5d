//! What the gateway remembers of a pile between messages and across reconnections: where its registers stood, on which
//! connector a transaction runs, what the samples of each connector's latest charge add up to, and how far its readiness
//! check is.
//!
//! Used by [`crate::reception`]. Lost at a restart: a connector is then looked up in the store, as are the open charges, once;
//! a register is followed from its next sample on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use veripile_ocpp::{Heard, Meaning, Registers};
use veripile_pile::charge::{ChargeEvent, ChargeReference, Stage, powers_w};
use veripile_pile::{Course, Mark, ReceiveTime, RegisterSample, Stand};

use crate::readiness::{self, Progress};

/// Transactions remembered per pile, the oldest forgotten first; a pile has a few connectors, and a finished charge's late
/// samples come soon.
const TRANSACTIONS_MAX: usize = 64;

/// Connectors whose latest charge is remembered; a cabinet with many outlets has some dozens. Beyond it, the others' late and
/// nameless samples are kept as readings only.
const CONNECTORS_MAX: usize = 64;

/// A sample that names no transaction still belongs to a charge so long after its end, if it says that it was taken there
/// (lbbrhzn/ocpp#2075 sends it within seconds).
const AFTER_STOP: SignedDuration = SignedDuration::from_mins(5);

/// A sample may be stamped so much earlier than the charge it begins.
const BEFORE_START: SignedDuration = SignedDuration::from_mins(1);

/// What is remembered of one pile.
#[derive(Default)]
pub(crate) struct PileMemory {
    pub(crate) registers: Registers,
    /// Where its check at its boot stands.
    pub(crate) readiness: Progress,
    /// What its messages told that bears on its readiness.
    pub(crate) seen: readiness::Seen,
    /// Whether the charges that were open before are known.
    pub(crate) knows_open: bool,
    connectors: VecDeque<(String, u32)>,
    /// Last word of each plug, by EVSE and plug.
    plugs: HashMap<(u32, u32), String>,
    latest: HashMap<u32, Latest>,
}

/// The latest charge of a connector.
struct Latest {
    /// As the charger names it.
    transaction: String,
    /// As it is stored: another where the charger has given one id twice.
    reference: String,
    started_at: Timestamp,
    start_wh: Option<Decimal>,
    ended_at: Option<Timestamp>,
    course: Course,
}

/// What a message adds to the course of the charge on its connector; to be remembered once the message is stored.
#[derive(Default)]
pub(crate) struct Contribution {
    connector: u32,
    /// The transaction that the message names, if it can be one.
    named: Option<String>,
    /// When, and at which register, if a charge begins.
    begins: Option<(Timestamp, Option<Decimal>)>,
    /// When, if one ends.
    ends: Option<Timestamp>,
    /// Whether the times are the charger's.
    timed: bool,
    stands: Vec<Stand>,
    powers_w: Vec<(Timestamp, Decimal)>,
}

impl Contribution {
    /// What of a message bears on a course.
    pub(crate) fn of(heard: &Heard) -> Self {
        let mut connector = heard.readings.first().map(|reading| reading.connector);
        // Connector 0 is the main meter, none of a charge, or with a charge's own message one that it does not name.
        let is_main_meter = matches!(heard.meaning, Meaning::Samples) && connector == Some(0);
        if !heard.is_metering() || is_main_meter {
            return Self::default();
        }
        let (mut begins, mut ends) = (None, None);
        if let Meaning::Charge(event) = &heard.meaning {
            connector = connector.or(event.connector);
            match event.stage {
                Stage::Begin => begins = Some((event.at, event.register_wh)),
                Stage::End => ends = Some(event.at),
                Stage::Progress => {}
            }
        }
        Self {
            connector: connector.unwrap_or(0),
            named: heard.named().filter(|_| !heard.is_nameless()).map(str::to_owned),
            begins,
            ends,
            timed: heard.time.is_some() && heard.readings.iter().all(|reading| reading.device_time.is_some()),
            stands: RegisterSample::all(&heard.readings)
                .iter()
                .filter_map(RegisterSample::pile_stand)
                .collect(),
            powers_w: powers_w(&heard.readings),
        }
    }

    /// Lets a course follow the samples, but for those of an earlier charge that come late.
    fn follow(&self, course: &mut Course, started_at: Timestamp) {
        let is_in = |at: Timestamp| started_at <= at.saturating_add(BEFORE_START).unwrap_or(at);
        let mut stands: Vec<Stand> = self.stands.iter().copied().filter(|stand| is_in(stand.at)).collect();
        stands.sort_unstable();
        stands.into_iter().for_each(|stand| course.sample(stand, self.timed));
        let powers_w = self.powers_w.iter().filter(|(at, _)| is_in(*at));
        powers_w.for_each(|(at, power_w)| course.power(*at, *power_w));
    }
}

impl PileMemory {
    /// Remembers on which connector a transaction runs.
    pub(crate) fn note(&mut self, transaction: &str, connector: u32) {
        self.connectors.retain(|(known, _)| known != transaction);
        if self.connectors.len() == TRANSACTIONS_MAX {
            self.connectors.pop_front();
        }
        self.connectors.push_back((transaction.to_owned(), connector));
    }

    /// The connector of a transaction, if remembered.
    pub(crate) fn connector(&self, transaction: &str) -> Option<u32> {
        self.connectors.iter().find(|(known, _)| known == transaction).map(|(_, connector)| *connector)
    }

    /// A transaction is known by another id from now on.
    pub(crate) fn rename(&mut self, ours: &str, theirs: &str) {
        if let Some(connector) = self.connector(ours) {
            self.note(theirs, connector);
        }
        for latest in self.latest.values_mut().filter(|latest| latest.reference == ours) {
            theirs.clone_into(&mut latest.transaction);
            theirs.clone_into(&mut latest.reference);
        }
    }

    /// The status of an EVSE with several plugs, of which one has just told its own: that of a charge before that of a free plug,
    /// that before any other.
    pub(crate) fn status_of(&mut self, evse: u32, plug: u32, word: &str) -> String {
        if plug == 0 || (self.plugs.len() == CONNECTORS_MAX && !self.plugs.contains_key(&(evse, plug))) {
            return word.to_owned();
        }
        self.plugs.insert((evse, plug), word.to_owned());
        let of_evse = || self.plugs.iter().filter(|((known, _), _)| *known == evse).map(|(_, word)| word);
        let said = |wanted: &str| of_evse().any(|word| word == wanted);
        let first = ["Occupied", "Available"].into_iter().find(|wanted| said(wanted));
        first.unwrap_or(word).to_owned()
    }

    /// Remembers a charge that is open; one that began before another that is open too is not followed.
    pub(crate) fn open(
        &mut self,
        connector: u32,
        reference: &str,
        started_at: Timestamp,
        start_wh: Option<Decimal>,
    ) {
        let known = self.latest.get(&connector);
        let is_late = known.is_some_and(|known| known.ended_at.is_none() && started_at < known.started_at);
        if connector == 0 || is_late || (known.is_none() && self.latest.len() == CONNECTORS_MAX) {
            return;
        }
        let (transaction, reference) = (reference.to_owned(), reference.to_owned());
        let (ended_at, course) = (None, Course::default());
        let latest = Latest { transaction, reference, started_at, start_wh, ended_at, course };
        self.latest.insert(connector, latest);
    }

    /// Puts a message that names no charge, or names it too late, where it belongs.
    pub(crate) fn place(&self, heard: &mut Heard, received: ReceiveTime) {
        match &heard.meaning {
            Meaning::Charge(ChargeEvent { stage: Stage::End, .. }) => self.place_stop(heard),
            Meaning::Charge(ChargeEvent {
                stage: Stage::Progress,
                reference: ChargeReference::Issued(_),
                ..
            })
            | Meaning::Samples => self.place_samples(heard, received),
            _ => {}
        }
    }

    /// A stop under no possible id ends the one charge that is open and can end there.
    fn place_stop(&self, heard: &mut Heard) {
        let is_known = heard.named().is_some_and(|id| self.connector(id).is_some());
        let Meaning::Charge(event) = &heard.meaning else { return };
        if is_known || !heard.is_nameless() {
            return;
        }
        let can_end = |latest: &&Latest| {
            latest.ended_at.is_none()
                && latest.started_at <= event.at
                && latest.start_wh.zip(event.register_wh).is_none_or(|(start, stop)| start <= stop)
        };
        let mut open = self.latest.iter().filter(|(_, latest)| can_end(latest));
        let (Some((connector, latest)), None) = (open.next(), open.next()) else { return };
        heard.put_on(*connector);
        heard.marks.push(Mark::NoTransaction);
        if let Meaning::Charge(event) = &mut heard.meaning {
            event.reference = ChargeReference::Issued(latest.reference.clone());
            event.circumstances.placed = true;
        }
    }

    /// Samples of a beginning or an end belong to the charge on their connector at their time, whatever id they name; those
    /// after an end belong to it if the register moved. All others change no charge.
    fn place_samples(&self, heard: &mut Heard, received: ReceiveTime) {
        let Some(connector) = heard.readings.first().map(|reading| reading.connector) else { return };
        let Some(latest) = self.latest.get(&connector) else { return };
        let is_its_own = heard.named() == Some(latest.transaction.as_str());
        let is_nameless = heard.is_nameless() && heard.named().is_none_or(|id| self.connector(id).is_none());
        let at = heard.time.map_or(received.0, |time| time.0);
        if is_its_own {
            let moved = latest.ended_at.is_some_and(|ended_at| ended_at < at) && latest.has_moved(heard);
            if matches!(heard.meaning, Meaning::Samples) && moved {
                heard.belong_to(&latest.reference, received, false);
            }
        } else if is_nameless && heard.is_at_an_end() && latest.spans(at) {
            let names_another = heard.named().is_some();
            heard.belong_to(&latest.reference, received, names_another);
            if names_another {
                heard.marks.push(Mark::NoTransaction);
            }
        }
    }

    /// Gives a charge's end what its samples add up to.
    pub(crate) fn complete(&self, heard: &mut Heard, added: &Contribution) {
        let Some(ended_at) = added.ends else { return };
        let latest = self.latest.iter().find(|(connector, latest)| latest.is_meant(**connector, added));
        if let (Some((_, latest)), Meaning::Charge(event)) = (latest, &mut heard.meaning) {
            let mut course = latest.course.clone();
            added.follow(&mut course, latest.started_at);
            if let Some(stop_wh) = event.register_wh {
                course.edge(Stand::total(ended_at, stop_wh), added.timed);
            }
            event.circumstances.course = Some(Box::new(course));
        }
    }

    /// Remembers what a stored message adds. `reference` is that of its charge, if it has one.
    pub(crate) fn remember(&mut self, added: &Contribution, reference: Option<&str>) {
        if let (Some((at, start_wh)), Some(reference)) = (added.begins, reference) {
            self.begin(added, reference, at, start_wh);
        }
        for (connector, latest) in &mut self.latest {
            let is_its_own = latest.is_meant(*connector, added);
            if latest.ended_at.is_none()
                && (is_its_own || (*connector == added.connector && added.named.is_none()))
            {
                added.follow(&mut latest.course, latest.started_at);
            }
            if is_its_own {
                latest.ended_at = latest.ended_at.max(added.ends);
            }
        }
    }

    fn begin(&mut self, added: &Contribution, reference: &str, at: Timestamp, start_wh: Option<Decimal>) {
        if self.latest.get(&added.connector).is_some_and(|known| known.reference == reference) {
            return;
        }
        self.open(added.connector, reference, at, start_wh);
        if let Some(latest) =
            self.latest.get_mut(&added.connector).filter(|latest| latest.reference == reference)
        {
            if let Some(named) = &added.named {
                latest.transaction.clone_from(named);
            }
            if let Some(start_wh) = start_wh {
                latest.course.edge(Stand::total(at, start_wh), added.timed);
            }
        }
    }
}

impl Latest {
    /// Whether a message names this charge.
    fn is_meant(&self, connector: u32, added: &Contribution) -> bool {
        added.named.as_deref().is_some_and(|named| named == self.transaction || named == self.reference)
            && (added.connector == 0 || added.connector == connector)
    }

    /// Whether a moment lies in the charge, with some minutes' grace after its end.
    fn spans(&self, at: Timestamp) -> bool {
        self.started_at <= at.saturating_add(BEFORE_START).unwrap_or(at)
            && self.ended_at.is_none_or(|ended_at| at.duration_since(ended_at) <= AFTER_STOP)
    }

    /// Whether the register stands elsewhere than in the last sample of the charge.
    fn has_moved(&self, heard: &Heard) -> bool {
        let last = self.course.last.map(|last| last.energy_wh);
        RegisterSample::all(&heard.readings)
            .iter()
            .filter_map(RegisterSample::pile_stand)
            .any(|stand| Some(stand.energy_wh) != last)
    }
}

/// The memories of all piles.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<i64, PileMemory>>);

impl Memory {
    /// Looks into the memory of one pile.
    pub(crate) fn of<T>(&self, pile_no: i64, look: impl FnOnce(&mut PileMemory) -> T) -> T {
        let mut memories: MutexGuard<'_, _> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(memories.entry(pile_no).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evse_with_two_plugs_is_as_free_as_its_freest_and_as_busy_as_its_charge() {
        let mut memory = PileMemory::default();
        let mut told = |evse, plug, word: &str| memory.status_of(evse, plug, word);
        assert_eq!(told(1, 1, "Occupied"), "Occupied");
        assert_eq!(told(1, 2, "Unavailable"), "Occupied");
        assert_eq!(told(1, 1, "Faulted"), "Faulted");
        assert_eq!(told(1, 2, "Available"), "Available");
        assert_eq!(told(2, 1, "Unavailable"), "Unavailable", "another EVSE is another");
        assert_eq!(told(1, 0, "Reserved"), "Reserved", "one without plugs is as it says");
    }
}
