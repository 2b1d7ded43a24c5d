//! The energy of a record: the last reading minus the first of one register, the one that a bill rests on.
//!
//! Called by the formats, and by whoever tells the energy of a checked record. A record may tell several registers of one meter, such as
//! import and export; a difference across two of them is no energy. Which one was billed is never guessed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::SignedReading;

/// The readings of the register that a bill rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed<'a> {
    /// In their order; at least one.
    pub readings: Vec<&'a SignedReading>,
    /// How many registers the record tells in all.
    pub registers: usize,
}

impl<'a> Billed<'a> {
    /// Of a record's readings: those of its only register, or of several of the only one that counts import, or import at every rate.
    /// None where there is no such, or more than one.
    pub fn of(readings: impl IntoIterator<Item = &'a SignedReading>) -> Option<Self> {
        let mut by_register: BTreeMap<&str, Vec<&SignedReading>> = BTreeMap::new();
        for reading in readings.into_iter().filter(|reading| reading.register.is_some()) {
            by_register.entry(register(&reading.obis)).or_default().push(reading);
        }
        let registers = by_register.len();
        by_register.retain(|obis, _| registers == 1 || import(obis).is_some());
        if by_register.len() > 1 {
            by_register.retain(|obis, _| import(obis) == Some(Rates::All));
        }
        let mut candidates = by_register.into_values();
        let readings = candidates.next()?;
        candidates.next().is_none().then_some(Self { readings, registers })
    }

    /// Its first reading and its last; none where there is but one.
    pub fn ends(&self) -> Option<(&'a SignedReading, &'a SignedReading)> {
        match self.readings.as_slice() {
            [first, .., last] => Some((*first, *last)),
            _ => None,
        }
    }

    /// Energy in Wh; none where there is but one reading, or no unit of energy.
    pub fn energy_wh(&self) -> Option<Decimal> {
        let (first, last) = self.ends()?;
        last.energy_wh()?.checked_sub(first.energy_wh()?)
    }

    /// Energy as it is written, with its unit; none where the two ends have different units.
    pub fn energy(&self) -> Option<(Decimal, &'a str)> {
        let (first, last) = self.ends()?;
        let energy = last.register?.checked_sub(first.register?)?;
        (first.unit == last.unit).then_some((energy, last.unit.as_str()))
    }

    /// The register's OBIS code, as written.
    pub fn obis(&self) -> &'a str {
        self.readings.first().map_or("", |reading| reading.obis.as_str())
    }
}

/// Which rates a register counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rates {
    All,
    One,
}

/// A code without its billing period: meters store the value of the beginning under another one (`1-0:1.8.0*128`).
fn register(obis: &str) -> &str {
    obis.split('*').next().unwrap_or_default().trim()
}

/// Whether a code is of imported active energy: 1, by OCMF's table also B0 to B3. Written in decimal or hexadecimal digits, with the rate as
/// a number or as OCMF's `e`.
fn import(obis: &str) -> Option<Rates> {
    let code = obis.to_ascii_uppercase();
    let mut groups = code.rsplit(':').next()?.split('.').map(|group| group.trim_start_matches('0'));
    let is_import = matches!(groups.next()?, "1" | "B0" | "B1" | "B2" | "B3") && groups.next()? == "8";
    let rates = if matches!(groups.next(), None | Some("" | "E")) { Rates::All } else { Rates::One };
    is_import.then_some(rates)
}

#[cfg(test)]
mod tests {
    use super::super::Moment;
    use super::*;

    fn reading(obis: &str, register: i64, unit: &str) -> SignedReading {
        let (moment, time) = (Moment::Begin, String::new());
        SignedReading {
            moment,
            time,
            register: Some(register.into()),
            unit: unit.to_owned(),
            obis: obis.to_owned(),
        }
    }

    #[test]
    fn energy_is_of_one_register_and_of_the_one_that_is_billed() {
        let check = |rows: &[(&str, i64)], expected: Option<i64>| {
            let readings: Vec<_> =
                rows.iter().map(|(obis, register)| reading(obis, *register, "kWh")).collect();
            let billed = Billed::of(&readings);
            assert_eq!(
                billed.and_then(|billed| billed.energy_wh()),
                expected.map(|kwh| Decimal::from(kwh * 1000)),
                "{rows:?}"
            );
        };
        check(&[("1.8.0", 100), ("1.8.0", 110)], Some(10));
        check(&[("1.8.0", 100), ("2.8.0", 5), ("1.8.0", 110), ("2.8.0", 5)], Some(10));
        check(&[("2.8.0", 5), ("1.8.0", 100), ("2.8.0", 6), ("1.8.0", 110)], Some(10));
        // As Isabellenhütte's meters write it.
        check(&[("1-b:1.8.e", 7), ("1-b:2.8.e", 5), ("1-b:1.8.e", 9), ("1-b:2.8.e", 5)], Some(2));
        check(
            &[
                ("01-00:B2.08.00*FF", 0),
                ("01-00:C2.08.00*FF", 3),
                ("01-00:B2.08.00*FF", 4),
                ("01-00:C2.08.00*FF", 9),
            ],
            Some(4),
        );
        check(&[("1-0:1.8.0*128", 1), ("1-0:1.8.0*255", 3)], Some(2));
        check(&[("2.8.0", 1), ("2.8.0", 3)], Some(2));
        check(&[("1.8.1", 1), ("1.8.0", 8), ("1.8.1", 2), ("1.8.0", 11)], Some(3));
        // Two rates and no sum, two of import, none of import, one register at each end.
        check(&[("1.8.1", 1), ("1.8.2", 8), ("1.8.1", 2), ("1.8.2", 11)], None);
        check(&[("B2.8.0", 1), ("B3.8.0", 1), ("B2.8.0", 3), ("B3.8.0", 2)], None);
        check(&[("2.8.0", 1), ("3.8.0", 1), ("2.8.0", 3), ("3.8.0", 2)], None);
        check(&[("1.8.0", 100), ("2.8.0", 105)], None);
        check(&[("1.8.0", 100)], None);
        check(&[], None);
    }

    #[test]
    fn energy_is_told_as_it_is_written_or_not_at_all() {
        let (first, last, other) =
            (reading("1.8.0", 5, "Wh"), reading("1.8.0", 7, "Wh"), reading("1.8.0", 7, "kWh"));
        let told =
            |last| Billed::of([&first, last]).and_then(|billed| billed.energy().map(|(e, _)| e.to_string()));
        assert_eq!((told(&last).as_deref(), told(&other)), (Some("2"), None));
    }
}
