//! What a list of stations or piles says nothing of, so that it stays as it was.
//!
//! A column that a table does not have, a property that an object does not have: nothing is said. One that is there and empty says that
//! there is none. Of a name it says nothing: a station always has one. Filled by whoever reads lists, applied by the store with what is registered already.

use std::collections::BTreeSet;

use crate::{Pile, Station};

/// A part of a registration that a list need not speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Chinese name of a station.
    NameZh,
    /// English name of a station.
    NameEn,
    /// District of a station.
    Region,
    /// Street address of a station.
    Address,
    /// Telephone number of a station.
    Phone,
    /// Price of a kWh at a station.
    Fee,
    /// Note on that price.
    FeeNote,
    /// Country of a station.
    Country,
    /// Time zone of a station.
    TimeZone,
    /// How many piles a station is said to have.
    ToldPiles,
    /// Station of a pile.
    Station,
    /// Operator of a pile.
    Operator,
    /// AC or DC.
    Kind,
    /// Accuracy class.
    Class,
    /// Rated power.
    Power,
    /// What can be plugged in.
    Connectors,
    /// Where a pile stands.
    Place,
    /// Model on the plate.
    Model,
    /// Serial number of the meter.
    MeterSerial,
}

/// A record of a list, and what the list said nothing of. Those parts of the record hold what a new one gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<T> {
    /// The record.
    pub record: T,
    /// What stays as it was, if it was.
    pub unsaid: BTreeSet<Field>,
}

impl Told<Station> {
    /// The station, the rest of it as it was.
    pub fn over(self, was: &Station) -> Station {
        let Self { record: mut station, unsaid } = self;
        let is_named = !unsaid.contains(&Field::NameZh);
        for field in unsaid {
            match field {
                Field::NameZh => station.name_zh.clone_from(&was.name_zh),
                // Where there was one name for both, the new one is for both, too.
                Field::NameEn if !is_named || was.name_en != was.name_zh => {
                    station.name_en.clone_from(&was.name_en);
                }
                Field::Region => station.region.clone_from(&was.region),
                Field::Address => station.address.clone_from(&was.address),
                Field::Phone => station.phone.clone_from(&was.phone),
                Field::Fee => station.fee_cny_kwh = was.fee_cny_kwh,
                Field::FeeNote => station.fee_note.clone_from(&was.fee_note),
                Field::Country => station.country.clone_from(&was.country),
                Field::TimeZone => station.time_zone.clone_from(&was.time_zone),
                Field::ToldPiles => station.told_piles = was.told_piles,
                _ => {}
            }
        }
        station
    }
}

impl Told<Pile> {
    /// The pile, the rest of it as it was. One that moves to another station does not keep its operator, nor its place where the new
    /// station's is known, nor ever one that was only its station's: one without a place gets its station's afterwards.
    pub fn over(self, was: &Pile) -> Pile {
        let Self { record: mut pile, unsaid } = self;
        // In the order of the fields: the station before what depends on it.
        for field in unsaid {
            match field {
                Field::Station => pile.station_id.clone_from(&was.station_id),
                Field::Operator if pile.station_id.is_none() || pile.station_id == was.station_id => {
                    pile.operator_id.clone_from(&was.operator_id);
                }
                Field::Kind => pile.kind = was.kind,
                Field::Class => pile.class = was.class,
                Field::Power => pile.power_kw = was.power_kw,
                Field::Connectors => pile.connectors.clone_from(&was.connectors),
                Field::Place if keeps_place(was, &pile) => {
                    pile.place = was.place;
                    pile.given.clone_from(&was.given);
                }
                Field::Model => pile.model.clone_from(&was.model),
                Field::MeterSerial => pile.meter_serial.clone_from(&was.meter_serial),
                _ => {}
            }
        }
        pile
    }
}

/// Whether a place of which nothing is said stays: its own as long as no other is known, or the pile stays; its station's as long as both hold.
fn keeps_place(was: &Pile, pile: &Pile) -> bool {
    let (is_unknown, stays) = (pile.place.is_none(), !has_left(was, pile));
    if was.given.is_some() { is_unknown || stays } else { is_unknown && stays }
}

/// Whether a pile stood at a station and stands at another now.
fn has_left(was: &Pile, pile: &Pile) -> bool {
    was.station_id.is_some() && was.station_id != pile.station_id
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::{
        AccuracyClass, CoordinateSystem, GivenPlace, OperatorId, PileId, PileKind, Place, StationId,
    };

    fn pile(station: &str, operator: &str) -> Pile {
        Pile {
            pile_id: PileId::parse("P").expect("literal"),
            station_id: Some(StationId::parse(station).expect("literal")),
            operator_id: Some(OperatorId::parse(operator).expect("literal")),
            kind: PileKind::Dc,
            class: AccuracyClass(Decimal::ONE),
            power_kw: Some(Decimal::TEN),
            connectors: Vec::new(),
            place: Place::new(120.0, 31.0),
            given: None,
            model: Some("M".to_owned()),
            meter_serial: None,
        }
    }

    #[test]
    fn what_is_unsaid_stays_and_what_is_said_to_be_none_goes() {
        let was = pile("S", "O1");
        let bare = Pile { power_kw: None, model: None, operator_id: None, ..pile("S", "O1") };
        let over = |record: &Pile, unsaid: &[Field]| {
            Told { record: record.clone(), unsaid: unsaid.iter().copied().collect() }.over(&was)
        };
        let same = over(&bare, &[Field::Model, Field::Operator]);
        assert_eq!((same.power_kw, same.model.as_deref()), (None, Some("M")));
        assert_eq!(same.operator_id, was.operator_id);
        let moved = Pile { operator_id: None, place: None, ..pile("T", "O1") };
        let moved = over(&moved, &[Field::Operator, Field::Place]);
        assert_eq!((moved.operator_id, moved.place), (None, None), "it was its station's");
        let nowhere = Pile { station_id: None, place: None, ..pile("S", "O1") };
        assert_eq!(over(&nowhere, &[Field::Place]).place, None);
        let same = Pile { place: None, ..pile("S", "O1") };
        assert_eq!(over(&same, &[Field::Place]).place, was.place);
        assert_eq!(
            over(&Pile { place: None, ..moved_to("T") }, &[Field::Station, Field::Place]).place,
            was.place
        );
        let left = Pile { station_id: None, operator_id: None, ..pile("S", "O1") };
        assert_eq!(
            over(&left, &[Field::Operator]).operator_id,
            was.operator_id,
            "it stands nowhere, and is whose it was"
        );
        assert_eq!(over(&moved_to("T"), &[Field::Station, Field::Operator]).operator_id, was.operator_id);
    }

    /// As a list of stations has it, which gives a pile without coordinates its station's place.
    #[test]
    fn a_place_of_its_own_stays_until_the_pile_moves() {
        let own = GivenPlace::read(Some(CoordinateSystem::Wgs84), 120.001, 31.001).expect("on the globe");
        let was = Pile { place: Some(own.0), given: Some(own.1), ..pile("S", "O1") };
        let of_station = |station: &str| Pile { place: Place::new(121.0, 32.0), ..pile(station, "O1") };
        let over = |record: Pile, was: &Pile| {
            let over = Told { record, unsaid: BTreeSet::from([Field::Place]) }.over(was);
            (over.place, over.given.is_some())
        };
        assert_eq!(over(of_station("S"), &was), (Some(own.0), true));
        assert_eq!(over(of_station("T"), &was), (Place::new(121.0, 32.0), false), "it left");
        let stood_alone = Pile { station_id: None, ..was.clone() };
        assert_eq!(over(of_station("T"), &stood_alone), (Some(own.0), true));
        let (shared, own_at_s) = (Pile { given: None, ..was.clone() }, was);
        assert_eq!(over(of_station("S"), &shared), (Place::new(121.0, 32.0), false), "its station's only");
        // As a table of piles without coordinates has it: of its own place nobody says that it is another.
        let bare = |station: &str| Pile { place: None, ..pile(station, "O1") };
        assert_eq!(over(bare("T"), &own_at_s), (Some(own.0), true));
        assert_eq!(over(bare("T"), &shared), (None, false));
    }

    fn moved_to(station: &str) -> Pile {
        Pile { operator_id: None, ..pile(station, "O1") }
    }
}
