//! What can go wrong on the bench, by name, and when.
//!
//! Used by all parts of [`crate::bench`]. A fault acts from a moment on, until another, and at most so many times; what one
//! time means is said with each fault.

use std::str::FromStr;

/// Injections kept; a test injects a handful, and beyond this the oldest is forgotten.
const INJECTIONS_MAX: usize = 64;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchFault {
    /// The source's controller hangs: lines are taken and neither obeyed nor answered, nor do they feed the watchdog. One
    /// time is one line.
    SourceSilent,
    /// The source closes the connection at the next line. One time is one connection.
    SourceDrops,
    /// As [`Self::SourceSilent`], of the standard.
    StandardSilent,
    /// As [`Self::SourceDrops`], of the standard.
    StandardDrops,
    /// Replies of both instruments come in pieces with pauses. One time is one reply.
    PartialLines,
    /// Numeric replies of both instruments are no numbers. One time is one reply.
    Garbage,
    /// Both instruments refuse what would set or start something, into the error queue. Switching off and the common
    /// commands work. One time is one refused command.
    ErrorQueue,
    /// The source's output stage heats up until it switches off. It lasts; its times are not counted.
    OverTemperature,
    /// The source's voltage creeps away from what was set. It lasts; its times are not counted.
    VoltageDrift,
    /// The source's outputs go off by themselves, some seconds after they went on. One time is one trip.
    OutputTrips,
    /// The source takes "outputs off" without an error and leaves them on. One time is one such command.
    OffIgnored,
    /// Both instruments say they are something else. One time is one reply to `*IDN?`.
    WrongIdentity,
    /// The pile shows the same register whatever it meters. It lasts; its times are not counted.
    RegisterStuck,
    /// The pile's register jumps ahead by a kWh while the standard takes a reading. One time is one jump.
    RegisterJump,
    /// The pile does not answer TriggerMessage. One time is one call.
    PileSilent,
    /// The pile drops its connection at TriggerMessage. One time is one connection.
    PileDrops,
    /// The pile says that a charge is running: it puts off a change of availability and reports itself charging. It lasts;
    /// its times are not counted.
    ChargeRunning,
}

impl BenchFault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::SourceSilent,
        Self::SourceDrops,
        Self::StandardSilent,
        Self::StandardDrops,
        Self::PartialLines,
        Self::Garbage,
        Self::ErrorQueue,
        Self::OverTemperature,
        Self::VoltageDrift,
        Self::OutputTrips,
        Self::OffIgnored,
        Self::WrongIdentity,
        Self::RegisterStuck,
        Self::RegisterJump,
        Self::PileSilent,
        Self::PileDrops,
        Self::ChargeRunning,
    ];

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::SourceSilent => "source_silent",
            Self::SourceDrops => "source_drops",
            Self::StandardSilent => "standard_silent",
            Self::StandardDrops => "standard_drops",
            Self::PartialLines => "partial_lines",
            Self::Garbage => "garbage",
            Self::ErrorQueue => "error_queue",
            Self::OverTemperature => "over_temperature",
            Self::VoltageDrift => "voltage_drift",
            Self::OutputTrips => "output_trips",
            Self::OffIgnored => "off_ignored",
            Self::WrongIdentity => "wrong_identity",
            Self::RegisterStuck => "register_stuck",
            Self::RegisterJump => "register_jump",
            Self::PileSilent => "pile_silent",
            Self::PileDrops => "pile_drops",
            Self::ChargeRunning => "charge_running",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.word() == word)
    }

    /// Whether it is an event that happens once unless somebody says how often.
    fn is_event(self) -> bool {
        matches!(self, Self::OutputTrips | Self::RegisterJump)
    }
}

/// A fault and when it acts, in seconds of bench time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Injection {
    /// What goes wrong.
    pub fault: BenchFault,
    /// From when on, s.
    pub from_s: f64,
    /// Until when, s; none: for good.
    pub until_s: Option<f64>,
    /// How often it acts at most; none: as often as it can.
    pub times: Option<u32>,
}

impl Injection {
    /// A fault from the beginning on, for good; an event (a trip, a jump) once.
    pub fn permanent(fault: BenchFault) -> Self {
        Self { fault, from_s: 0.0, until_s: None, times: fault.is_event().then_some(1) }
    }

    /// A fault that acts so many times.
    pub fn times(fault: BenchFault, times: u32) -> Self {
        Self { times: Some(times), ..Self::permanent(fault) }
    }

    fn acts_at(&self, now_s: f64) -> bool {
        self.from_s <= now_s
            && self.until_s.is_none_or(|until_s| now_s < until_s)
            && self.times.is_none_or(|times| 0 < times)
    }
}

impl FromStr for Injection {
    type Err = String;

    /// Reads `NAME[@SECONDS[+SECONDS]]`: which fault, from when on, for how long.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, when) = text.split_once('@').map_or((text, None), |(name, when)| (name, Some(when)));
        let fault = BenchFault::from_word(name).ok_or_else(|| {
            let words: Vec<_> = BenchFault::ALL.iter().map(|fault| fault.word()).collect();
            format!("no fault is called {name:?}; there are {}", words.join(", "))
        })?;
        let Some(when) = when else { return Ok(Self::permanent(fault)) };
        let (from, lasts) = when.split_once('+').map_or((when, None), |(from, lasts)| (from, Some(lasts)));
        let from_s = seconds(from)?;
        let until_s = lasts.map(seconds).transpose()?.map(|lasts_s| from_s + lasts_s);
        Ok(Self { from_s, until_s, ..Self::permanent(fault) })
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let read = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && 0.0 <= *seconds);
    read.ok_or_else(|| format!("{text:?} is no number of seconds"))
}

/// The faults of a bench.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Vec<Injection>);

impl Faults {
    pub(super) fn new(injections: &[Injection]) -> Self {
        let mut faults = Self::default();
        injections.iter().for_each(|injection| faults.inject(*injection));
        faults
    }

    pub(super) fn inject(&mut self, injection: Injection) {
        if self.0.len() == INJECTIONS_MAX {
            self.0.remove(0);
        }
        self.0.push(injection);
    }

    /// Ends a fault, whoever injected it.
    pub(super) fn clear(&mut self, fault: BenchFault) {
        self.0.retain(|injection| injection.fault != fault);
    }

    /// Whether a fault acts now; counts nothing.
    pub(super) fn acts(&self, fault: BenchFault, now_s: f64) -> bool {
        self.0.iter().any(|injection| injection.fault == fault && injection.acts_at(now_s))
    }

    /// Whether a fault acts now, which is one of its times.
    pub(super) fn strikes(&mut self, fault: BenchFault, now_s: f64) -> bool {
        let acting = self.0.iter_mut().find(|injection| injection.fault == fault && injection.acts_at(now_s));
        let Some(injection) = acting else { return false };
        injection.times = injection.times.map(|times| times - 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for fault in BenchFault::ALL {
            assert_eq!(BenchFault::from_word(fault.word()), Some(fault));
        }
        assert_eq!(BenchFault::from_word("nonsense"), None);
    }

    #[test]
    fn an_injection_is_read_with_its_time() {
        let read = |text: &str| text.parse::<Injection>();
        let at = |fault, from_s, until_s, times| Ok(Injection { fault, from_s, until_s, times });
        assert_eq!(read("garbage"), at(BenchFault::Garbage, 0.0, None, None));
        assert_eq!(read("garbage@2.5"), at(BenchFault::Garbage, 2.5, None, None));
        assert_eq!(read("source_silent@10+5"), at(BenchFault::SourceSilent, 10.0, Some(15.0), None));
        assert_eq!(read("register_jump@60"), at(BenchFault::RegisterJump, 60.0, None, Some(1)));
        for wrong in ["nonsense", "garbage@", "garbage@x", "garbage@1+", "garbage@-1", "garbage@inf"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fault_acts_in_its_time_and_so_often_as_it_may() {
        let window =
            Injection { from_s: 1.0, until_s: Some(2.0), ..Injection::times(BenchFault::Garbage, 2) };
        let mut faults = Faults::new(&[window]);
        for (now_s, acts) in [(0.9, false), (1.0, true), (1.9, true), (2.0, false)] {
            assert_eq!(faults.acts(BenchFault::Garbage, now_s), acts, "{now_s}");
        }
        let struck: Vec<_> = (0..3).map(|_| faults.strikes(BenchFault::Garbage, 1.5)).collect();
        assert_eq!(struck, [true, true, false]);
        faults.inject(Injection::permanent(BenchFault::Garbage));
        assert!(faults.strikes(BenchFault::Garbage, 1e6));
        faults.clear(BenchFault::Garbage);
        assert!(!faults.acts(BenchFault::Garbage, 1e6));
    }
}
