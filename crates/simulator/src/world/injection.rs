//! Errors injected into piles of a world: constant, from a day on, by hour, by size, by power.

use std::fmt;
use std::str::FromStr;

/// An error of one kind, injected into so many piles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Injection {
    /// Which error.
    pub kind: InjectionKind,
    /// How many piles have it.
    pub piles: usize,
}

/// A kind of error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InjectionKind {
    /// The same for every charge.
    Constant {
        /// Error, percent.
        percent: f64,
    },
    /// From the beginning of a day on.
    Step {
        /// Error, percent.
        percent: f64,
        /// First day, from 0.
        day: u32,
    },
    /// In some hours of the local day.
    Hours {
        /// Error, percent.
        percent: f64,
        /// First hour.
        from: u32,
        /// Hour after the last; may be smaller than the first: over midnight.
        to: u32,
    },
    /// The same energy on every charge.
    Offset {
        /// Energy, kWh.
        energy_kwh: f64,
    },
    /// Above a mean power.
    Power {
        /// Error, percent.
        percent: f64,
        /// The power, kW.
        above_kw: f64,
    },
}

/// What an error may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// Days since the start of the world.
    pub day: f64,
    /// Local hour.
    pub hour: u32,
    /// True energy, kWh.
    pub energy_kwh: f64,
    /// Mean power, kW.
    pub power_kw: f64,
}

impl InjectionKind {
    /// The error under circumstances, fraction.
    pub fn error(self, at: &Circumstances) -> f64 {
        let percent = match self {
            Self::Constant { percent } => percent,
            Self::Step { percent, day } if f64::from(day) <= at.day => percent,
            Self::Hours { percent, from, to } if is_between(at.hour, from, to) => percent,
            Self::Offset { energy_kwh } => 100.0 * energy_kwh / at.energy_kwh,
            Self::Power { percent, above_kw } if above_kw < at.power_kw => percent,
            _ => 0.0,
        };
        percent / 100.0
    }

    /// Its word in files and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Step { .. } => "step",
            Self::Hours { .. } => "hours",
            Self::Offset { .. } => "offset",
            Self::Power { .. } => "power",
        }
    }

    /// Its size: percent, or kWh for an offset.
    pub fn size(self) -> f64 {
        match self {
            Self::Constant { percent }
            | Self::Step { percent, .. }
            | Self::Hours { percent, .. }
            | Self::Power { percent, .. } => percent,
            Self::Offset { energy_kwh } => energy_kwh,
        }
    }
}

fn is_between(hour: u32, from: u32, to: u32) -> bool {
    if from <= to { from <= hour && hour < to } else { from <= hour || hour < to }
}

/// How an injection is written.
const FORMS: &str = "constant:PERCENT:PILES, step:PERCENT:PILES:DAY, hours:PERCENT:PILES:FROM-TO, offset:KWH:PILES, \
                     power:PERCENT:PILES:ABOVE_KW";

/// Largest error that is injected, percent or kWh: more makes charges that nobody would compare.
const SIZE_MAX: f64 = 50.0;

/// As it is read.
impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind.word(), self.kind.size(), self.piles)?;
        match self.kind {
            InjectionKind::Constant { .. } | InjectionKind::Offset { .. } => Ok(()),
            InjectionKind::Step { day, .. } => write!(f, ":{day}"),
            InjectionKind::Hours { from, to, .. } => write!(f, ":{from}-{to}"),
            InjectionKind::Power { above_kw, .. } => write!(f, ":{above_kw}"),
        }
    }
}

impl FromStr for Injection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        read(text).ok_or_else(|| format!("{text:?} is no injected error; write one of {FORMS}"))
    }
}

fn read(text: &str) -> Option<Injection> {
    let parts: Vec<&str> = text.split(':').collect();
    let [word, size, piles, rest @ ..] = parts.as_slice() else { return None };
    let size: f64 = size.parse().ok().filter(|size: &f64| size.abs() <= SIZE_MAX && *size != 0.0)?;
    let kind = match (*word, rest) {
        ("constant", []) => InjectionKind::Constant { percent: size },
        ("step", [day]) => InjectionKind::Step { percent: size, day: day.parse().ok()? },
        ("hours", [hours]) => {
            let (from, to) = hours.split_once('-')?;
            let hour = |text: &str| text.parse().ok().filter(|hour: &u32| *hour <= 24);
            InjectionKind::Hours { percent: size, from: hour(from)?, to: hour(to)? }
        }
        ("offset", []) => InjectionKind::Offset { energy_kwh: size },
        ("power", [above]) => {
            let above_kw: f64 = above.parse().ok()?;
            InjectionKind::Power { percent: size, above_kw: Some(above_kw).filter(|kw| 0.0 <= *kw)? }
        }
        _ => return None,
    };
    Some(Injection { kind, piles: piles.parse().ok()? })
}
