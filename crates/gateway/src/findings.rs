//! Findings about how chargers speak: counted as messages come, written every few seconds.
//!
//! Filled by [`crate::reception`] (what a message has) and [`crate::Gateway::ask`] (answers that are late or no answers). A
//! message counts once for each code it has, however many of its samples have it; a repeat counts for nothing. Never asks the
//! database while a message waits.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use veripile_ocpp::conformance::{self, Breach};
use veripile_ocpp::{Version, action};
use veripile_store::LastWrite;
use veripile_store::finding::{Finding, MessageCount};
use veripile_store::intake::Arrival;

use crate::Gateway;

/// How often counts are written: seldom enough to cost nothing, often enough for somebody who watches a charger.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// How often a stopping server writes until its last connection has ended and nothing waits, and for how long it tries.
const WRITE_LAST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Longest example kept; a sample or two and all of a boot message fit.
const EXAMPLE_CHARS_MAX: usize = 2_000;

/// Codes and actions of one pile waiting to be written. All codes on all actions that exist are more, but no charger does
/// everything wrong in five seconds; the counts of messages go on.
const WAITING_MAX: usize = 1_000;

/// The action of an answer, and of what has none that is known.
const ANSWER: &str = "answer";
pub(crate) const OTHER: &str = "other";

/// What was found in one message.
pub(crate) struct Found {
    codes: BTreeSet<&'static str>,
    action: String,
    example: String,
    at: Timestamp,
}

impl Found {
    /// Looks at a message before it is stored.
    pub(crate) fn in_message(version: Version, arrival: &Arrival, breach: Option<Breach>) -> Self {
        let marks = arrival.readings.iter().flat_map(|reading| &reading.marks).chain(&arrival.frame.marks);
        let marks = marks.filter(|mark| conformance::is_finding(version, **mark)).map(|mark| mark.code());
        let codes: BTreeSet<_> = match breach {
            // What is no frame has no shape either: one finding says it.
            Some(Breach::UnreadableFrame) => BTreeSet::from([Breach::UnreadableFrame.code()]),
            breach => marks.chain(breach.map(Breach::code)).collect(),
        };
        let action = match &arrival.frame.action {
            Some(name) if action::does(version, name).is_some() => name.as_str(),
            None if breach.is_none() => ANSWER,
            Some(_) | None => OTHER,
        };
        let example = if codes.is_empty() { String::new() } else { cut(&arrival.frame.body) };
        Self { codes, action: action.to_owned(), example, at: arrival.received.0 }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(EXAMPLE_CHARS_MAX).collect()
}

/// What waits to be written of one pile.
#[derive(Default)]
struct Tally {
    count: MessageCount,
    findings: HashMap<(String, String), Finding>,
}

impl Tally {
    fn add(&mut self, code: &str, action: &str, example: &str, at: Timestamp) {
        let room = self.findings.len() < WAITING_MAX;
        let key = (code.to_owned(), action.to_owned());
        if !room && !self.findings.contains_key(&key) {
            return;
        }
        let finding = self.findings.entry(key).or_insert_with(|| Finding {
            code: code.to_owned(),
            action: action.to_owned(),
            count: 0,
            first_at: at,
            last_at: at,
            example: String::new(),
        });
        finding.count += 1;
        finding.last_at = finding.last_at.max(at);
        example.clone_into(&mut finding.example);
    }
}

/// What waits to be written of all piles: never more piles than spoke since the last write that went well.
#[derive(Default)]
pub(crate) struct Findings(Mutex<HashMap<i64, Tally>>);

impl Findings {
    /// Counts a message that was stored.
    pub(crate) fn count(&self, pile_no: i64, found: &Found) {
        let mut waiting = self.waiting();
        let tally = waiting.entry(pile_no).or_default();
        tally.count.messages += 1;
        tally.count.clean += i64::from(found.codes.is_empty());
        for code in &found.codes {
            tally.add(code, &found.action, &found.example, found.at);
        }
    }

    /// Notes a breach that is no message: one that did not come.
    pub(crate) fn note(&self, pile_no: i64, breach: Breach, action: &str, example: &str, at: Timestamp) {
        self.waiting().entry(pile_no).or_default().add(breach.code(), action, &cut(example), at);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<i64, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_findings(&self) -> Vec<(i64, Finding)> {
        let mut taken = Vec::new();
        for (pile_no, tally) in self.waiting().iter_mut() {
            taken.extend(tally.findings.drain().map(|(_, finding)| (*pile_no, finding)));
        }
        taken
    }

    /// Takes back what could not be written, with what came meanwhile.
    fn put_back(&self, findings: Vec<(i64, Finding)>) {
        let mut waiting = self.waiting();
        for (pile_no, older) in findings {
            let tally = waiting.entry(pile_no).or_default();
            match tally.findings.entry((older.code.clone(), older.action.clone())) {
                Entry::Occupied(mut newer) => {
                    let newer = newer.get_mut();
                    newer.count += older.count;
                    newer.first_at = older.first_at;
                }
                Entry::Vacant(place) => {
                    place.insert(older);
                }
            }
        }
    }

    fn counts(&self) -> Vec<(i64, MessageCount)> {
        let waiting = self.waiting();
        waiting
            .iter()
            .filter(|(_, tally)| tally.count.messages > 0)
            .map(|(pile_no, tally)| (*pile_no, tally.count))
            .collect()
    }

    /// Takes away what was written; what came meanwhile stays.
    fn written(&self, counts: &[(i64, MessageCount)], done: &[i64]) {
        let done: HashSet<_> = done.iter().collect();
        let mut waiting = self.waiting();
        for (pile_no, count) in counts.iter().filter(|(pile_no, _)| done.contains(pile_no)) {
            if let Some(tally) = waiting.get_mut(pile_no) {
                tally.count.messages -= count.messages;
                tally.count.clean -= count.clean;
            }
        }
    }

    /// Forgets the piles of which nothing waits.
    fn forget_the_silent(&self) {
        self.waiting().retain(|_, tally| tally.count.messages > 0 || !tally.findings.is_empty());
    }
}

/// Writes until the server has stopped, and then what is left.
pub(crate) async fn run(gateway: Arc<Gateway>, last_write: Option<LastWrite>) {
    let mut stopping = gateway.stopping.clone();
    while tokio::time::timeout(WRITE_EVERY, stopping.wait_for(|stop| *stop)).await.is_err() {
        write(&gateway).await;
    }
    let until = Instant::now() + WRITE_LAST.1;
    loop {
        let last = gateway.connected().is_empty();
        write(&gateway).await;
        if last && gateway.findings.waiting().is_empty() || Instant::now() >= until {
            break;
        }
        tokio::time::sleep(WRITE_LAST.0).await;
    }
    drop(last_write);
}

async fn write(gateway: &Gateway) {
    let counts = gateway.findings.counts();
    if !counts.is_empty() {
        match gateway.store.count_messages(&counts).await {
            Ok(done) => gateway.findings.written(&counts, &done),
            Err(error) => tracing::warn!(%error, "messages could not be counted; trying again"),
        }
    }
    let findings = gateway.findings.take_findings();
    if !findings.is_empty()
        && let Err(error) = gateway.store.note_findings(&findings).await
    {
        tracing::warn!(%error, findings = findings.len(), "findings could not be noted; trying again");
        gateway.findings.put_back(findings);
    }
    gateway.findings.forget_the_silent();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(codes: &[&'static str]) -> Found {
        Found {
            codes: codes.iter().copied().collect(),
            action: "MeterValues".to_owned(),
            example: "text".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_came_while_counts_were_written_is_written_next() {
        let findings = Findings::default();
        findings.count(1, &found(&[]));
        findings.count(2, &found(&["bad_number", "missing_unit"]));
        let counts = findings.counts();
        findings.count(2, &found(&[]));
        // Pile 1's row was held by intake.
        findings.written(&counts, &[2]);
        let mut again = findings.counts();
        again.sort_by_key(|(pile_no, _)| *pile_no);
        let one = MessageCount { messages: 1, clean: 1 };
        assert_eq!(again, [(1, one), (2, one)]);
        assert_eq!(findings.take_findings().len(), 2);
        findings.written(&again, &[1, 2]);
        findings.forget_the_silent();
        assert!(findings.waiting().is_empty(), "nothing is kept of piles that are silent");
    }

    #[test]
    fn what_could_not_be_written_is_added_to_what_came_meanwhile() {
        let findings = Findings::default();
        findings.count(1, &found(&["bad_number"]));
        let taken = findings.take_findings();
        findings.count(1, &found(&["bad_number"]));
        findings.put_back(taken);
        let counts: Vec<_> = findings.take_findings().iter().map(|(_, finding)| finding.count).collect();
        assert_eq!(counts, [2]);
    }

    #[test]
    fn a_code_is_counted_for_each_message_and_keeps_its_last_example() {
        let mut tally = Tally::default();
        tally.add("bad_number", "MeterValues", "one", Timestamp::UNIX_EPOCH);
        tally.add("bad_number", "MeterValues", "two", Timestamp::MAX);
        tally.add("bad_number", "StopTransaction", "three", Timestamp::UNIX_EPOCH);
        let finding = &tally.findings[&("bad_number".to_owned(), "MeterValues".to_owned())];
        assert_eq!((finding.count, finding.example.as_str(), finding.last_at), (2, "two", Timestamp::MAX));
        assert_eq!(tally.findings.len(), 2);
    }
}
