//! Sequence numbers of a charge's messages, to notice one that is missing (OCPP 2.x `seqNo`; 1.6 has none).
//!
//! Filled by [`crate::Charge::apply`], kept as text by `store`. Forgets order and repeats: only which numbers came counts.

use std::fmt;
use std::str::FromStr;

/// Stretches kept apart; with more, so much is missing that which numbers no longer matters.
const STRETCHES_MAX: usize = 64;

/// The numbers that came, as stretches without a gap, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequence(Vec<(u32, u32)>);

impl Sequence {
    /// Adds a number.
    pub fn add(&mut self, number: u32) {
        let place = self.0.partition_point(|(_, last)| last.saturating_add(1) < number);
        let stretches = self.0.len();
        match self.0.get_mut(place) {
            Some((first, last)) if first.saturating_sub(1) <= number => {
                (*first, *last) = ((*first).min(number), (*last).max(number));
                self.join(place);
            }
            _ if stretches < STRETCHES_MAX => self.0.insert(place, (number, number)),
            _ => {}
        }
    }

    fn join(&mut self, place: usize) {
        if let (Some((_, last)), Some((next, end))) = (self.0.get(place), self.0.get(place + 1))
            && last.saturating_add(1) >= *next
        {
            self.0[place].1 = *end;
            self.0.remove(place + 1);
        }
    }

    /// Whether a number between the lowest and the highest is missing.
    pub fn has_gap(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether no number came at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(formatter, "{comma}{first}-{last}")?;
        }
        Ok(())
    }
}

impl FromStr for Sequence {
    type Err = std::num::ParseIntError;

    /// Reads what `to_string` wrote.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let stretch = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Ok((first.parse()?, last.parse()?))
        };
        text.split(',').filter(|part| !part.is_empty()).map(stretch).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_number_is_a_gap_until_it_comes() {
        let check = |numbers: &[u32], text: &str, gap| {
            let mut sequence = Sequence::default();
            numbers.iter().for_each(|number| sequence.add(*number));
            assert_eq!((sequence.to_string().as_str(), sequence.has_gap()), (text, gap), "{numbers:?}");
            assert_eq!(text.parse::<Sequence>(), Ok(sequence));
        };
        check(&[], "", false);
        check(&[0, 1, 2], "0-2", false);
        check(&[2, 0, 1, 1], "0-2", false);
        check(&[0, 1, 3], "0-1,3-3", true);
        check(&[5, 3, 0, 4], "0-0,3-5", true);
        check(&[7, 5, 6], "5-7", false);
        check(&[u32::MAX, u32::MAX - 1, 0], "0-0,4294967294-4294967295", true);
    }
}
