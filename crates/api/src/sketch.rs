//! The sketch of the map, for whoever has no script or no WebGL: piles as marks of their state, those that stand too close together as one
//! circle with their number, as the map's cells. Stations at which no pile is registered are grey marks where there is room, and in no number.
//!
//! Called by [`crate::map`]. It chooses no piles and judges none.

use std::fmt::Write;

use veripile_pile::{Place, State, StationId};
use veripile_store::finder::Dot;

use crate::chart::escape;
use crate::texts::Texts;
use crate::view;

/// Marks nearer than this are joined, px: the widest, with its rim, then covers no other.
const APART: f64 = 24.0;

/// A mark, or several that are joined in the place of the first. Of stations alone where it has no pile: these come first.
struct Group<'a> {
    x: f64,
    y: f64,
    /// Identifier and state of the first; that of a station is to be drawn as what is due.
    first: (&'a str, State),
    stations: usize,
    piles: usize,
    verified: usize,
    under_review: usize,
    failed: usize,
}

impl<'a> Group<'a> {
    fn at(x: f64, y: f64, first: (&'a str, State)) -> Self {
        Self { x, y, first, stations: 0, piles: 0, verified: 0, under_review: 0, failed: 0 }
    }

    /// Adds a pile, or a station, which has no state.
    fn add(&mut self, state: Option<State>) {
        let Some(state) = state else {
            self.stations += 1;
            return;
        };
        self.piles += 1;
        self.verified += usize::from(matches!(state, State::Verified | State::VerifiedMonitored));
        self.under_review += usize::from(state == State::UnderReview);
        self.failed += usize::from(state == State::Failed);
    }

    fn draw(&self, t: &Texts) -> String {
        let stations = t.of("map.unpiled").replace("{n}", &self.stations.to_string());
        let of_piles = if self.piles > 1 { self.piles.to_string() } else { self.first.0.to_owned() };
        let title = match (self.piles, self.stations) {
            (0, 1) => format!("{of_piles} · {}", t.of("station.unregistered")),
            (0, _) => stations,
            (_, 0) => of_piles,
            _ => format!("{of_piles} · {stations}"),
        };
        if self.piles > 1 { self.cell(&title) } else { self.mark(&title) }
    }

    fn mark(&self, title: &str) -> String {
        let (state, x, y) = (self.first.1, self.x, self.y);
        let is_dark = matches!(state, State::Verified | State::VerifiedMonitored | State::Failed);
        format!(
            "<g><title>{}</title>{}<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"9\" text-anchor=\"middle\" fill=\"{}\">{}</text></g>",
            escape(title),
            shape(state, x, y),
            y + 3.2,
            if is_dark { "#fff" } else { "#222" },
            view::symbol(state)
        )
    }

    /// As a cell of the map (`map.js`), which the legend explains: green where at least half are verified; a red rim where one failed, an
    /// amber one where one is under review.
    fn cell(&self, title: &str) -> String {
        let (x, y, piles) = (self.x, self.y, self.piles);
        let fill = if piles <= 2 * self.verified { "#1a7f4b" } else { "#6d7782" };
        let (rim, width) = match (self.failed, self.under_review) {
            (0, 0) => ("#fff", 1),
            (0, _) => ("#f0a81c", 3),
            _ => ("#b3261e", 3),
        };
        let size = if piles < 1_000 { 9 } else { 7 };
        format!(
            "<g><title>{}</title><circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"10\" fill=\"{fill}\" stroke=\"{rim}\" stroke-width=\"{width}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"{size}\" text-anchor=\"middle\" fill=\"#fff\">{piles}</text></g>",
            escape(title),
            y + 3.2
        )
    }
}

/// Marks in a box of 640 × 480, north up, longitudes shortened by the cosine of the latitude; beneath, where not all are drawn, that so it is.
pub(crate) fn marks(t: &Texts, dots: &[Dot], unpiled: &[(StationId, Place)], cut: Option<&str>) -> String {
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 480\"><rect width=\"640\" height=\"480\" fill=\"#f4f1ea\"/>",
    );
    svg.extend(grouped(dots, unpiled).iter().map(|group| group.draw(t)));
    if let Some(cut) = cut {
        let _ = write!(
            svg,
            "<rect y=\"450\" width=\"640\" height=\"30\" fill=\"#fff\"/>\
             <text x=\"320\" y=\"471\" font-size=\"16\" text-anchor=\"middle\" fill=\"#222\">{}</text>",
            escape(cut)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Piles that have a place, and after them stations, in the box; each joins the first group that it is too close to.
fn grouped<'a>(dots: &'a [Dot], unpiled: &'a [(StationId, Place)]) -> Vec<Group<'a>> {
    let piles = dots.iter().filter_map(|dot| Some((dot.place?, dot.pile_id.as_str(), Some(dot.state))));
    let stations = unpiled.iter().map(|(station_id, place)| (*place, station_id.as_str(), None));
    let places: Vec<(Place, &str, Option<State>)> = piles.chain(stations).collect();
    let bounds = |pick: fn(&Place) -> f64| {
        let all = places.iter().map(|(place, ..)| pick(place));
        all.fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)))
    };
    let ((west, east), (south, north)) = (bounds(|place| place.lon), bounds(|place| place.lat));
    let shorten = (0.5 * (south + north)).to_radians().cos();
    let scale = (600.0 / ((east - west) * shorten).max(1e-6)).min(440.0 / (north - south).max(1e-6));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (place, id, state) in places {
        let x = 320.0 + (place.lon - 0.5 * (west + east)) * shorten * scale;
        let y = 240.0 - (place.lat - 0.5 * (south + north)) * scale;
        // So many fit into the box that all can be asked.
        match groups.iter_mut().find(|group| (group.x - x).hypot(group.y - y) < APART) {
            Some(group) => group.add(state),
            None => {
                let mut group = Group::at(x, y, (id, state.unwrap_or(State::Due)));
                group.add(state);
                groups.push(group);
            }
        }
    }
    groups
}

/// The shape of a state, as on the map (`map.js`) and in the legend: colour alone tells nothing to many.
fn shape(state: State, x: f64, y: f64) -> String {
    let paint = format!("fill=\"{}\" stroke=\"#333\"", colour(state));
    let circle = format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\" {paint}");
    match state {
        State::Verified | State::Due => format!("{circle}/>"),
        State::VerifiedMonitored => {
            format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"9\" fill=\"none\" stroke=\"#1a7f4b\"/>{circle}/>"
            )
        }
        State::UnderReview => format!("<path d=\"M{x:.1} {:.1}l8 8l-8 8l-8-8z\" {paint}/>", y - 8.0),
        State::Failed => {
            format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" {paint}/>", x - 6.0, y - 6.0)
        }
        State::OutOfUse => format!("{circle} stroke-dasharray=\"3 2\"/>"),
    }
}

fn colour(state: State) -> &'static str {
    match state {
        State::Verified | State::VerifiedMonitored => "#1a7f4b",
        State::Due => "#c9c9c9",
        State::UnderReview => "#e09b12",
        State::Failed => "#c0392b",
        State::OutOfUse => "#ffffff",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    fn drawn(dots: &[Dot], unpiled: &[(StationId, Place)]) -> String {
        marks(Texts::in_language(Language::En), dots, unpiled, None)
    }

    fn dot(pile_id: &str, lon: f64, state: State) -> Dot {
        Dot { pile_id: pile_id.to_owned(), place: Place::new(lon, 31.5), state }
    }

    /// The two ends are 600 px apart: a thousandth of the way is 0.6 px.
    #[test]
    fn no_mark_covers_another_and_those_that_stand_together_are_counted() {
        use veripile_pile::State::{Due, Failed, UnderReview, Verified, VerifiedMonitored};
        let cell = |states: &[State]| {
            let mut dots: Vec<Dot> = states.iter().map(|state| dot("a", 120.0, *state)).collect();
            dots.push(dot("far", 121.0, Due));
            drawn(&dots, &[])
        };
        for (states, fill, rim, told) in [
            (&[Verified, VerifiedMonitored, Due, Due][..], "#1a7f4b", "#fff", "4"),
            (&[Verified, Due, Due][..], "#6d7782", "#fff", "3"),
            (&[Verified, Verified, UnderReview][..], "#1a7f4b", "#f0a81c", "3"),
            (&[Verified, UnderReview, Failed][..], "#6d7782", "#b3261e", "3"),
            (&[Failed; 1_200][..], "#6d7782", "#b3261e", "1200"),
        ] {
            let svg = cell(states);
            let circle = format!("fill=\"{fill}\" stroke=\"{rim}\"");
            assert!(svg.contains(&circle) && svg.contains(&format!(">{told}</text>")), "{svg}");
            // One circle with a number, and the mark that stands alone.
            assert_eq!(svg.matches("<g>").count(), 2, "{svg}");
            assert!(svg.contains("<title>far</title>"), "{svg}");
        }
        // At 23.4 px the second joins the first, at 24.6 it stands alone; nothing is lost.
        for (lon, groups) in [(120.039, 2), (120.041, 3)] {
            let dots = [dot("a", 120.0, Verified), dot("b", lon, Failed), dot("c", 121.0, Due)];
            let found = grouped(&dots, &[]);
            assert_eq!((found.len(), found.iter().map(|group| group.piles).sum::<usize>()), (groups, 3));
        }
        // A single one, and none, are no fault.
        assert!(drawn(&[dot("a", 120.0, Failed)], &[]).contains("<rect x=\"314.0\" y=\"234.0\""));
        assert!(!drawn(&[], &[]).contains("<g>"));
    }

    #[test]
    fn stations_without_a_pile_are_marks_and_in_no_number() {
        let station = |id: &str, lon: f64| {
            (StationId::parse(id).expect("literal"), Place::new(lon, 31.5).expect("literal"))
        };
        let piles =
            [dot("a", 120.0, State::Failed), dot("b", 120.0, State::Due), dot("c", 121.0, State::Failed)];
        let alone = "No pile registered here yet: unverified";
        let [one, two, far] = [station("S1", 120.5), station("S2", 120.5), station("S3", 120.0)];
        let svg = drawn(&piles, &[one.clone(), far]);
        assert!(svg.contains(&format!("<title>S1 · {alone}</title>")), "{svg}");
        // Of those joined to piles the number is that of piles.
        assert!(
            svg.contains(">2</text>")
                && svg.contains("<title>2 · stations without a registered pile: 1</title>"),
            "{svg}"
        );
        assert_eq!(svg.matches("<g>").count(), 3, "{svg}");
        let svg = drawn(&piles[2..], &[one, two]);
        assert!(svg.contains("<title>stations without a registered pile: 2</title>"), "{svg}");
        assert_eq!((svg.matches("<g>").count(), svg.matches("○").count()), (2, 1), "{svg}");
    }

    /// Without their colours: each pair of states differs by shape, or, verified and due, by the symbol alone.
    #[test]
    fn states_differ_in_the_sketch_by_more_than_colour() {
        let bare = |state| (shape(state, 10.0, 20.0).replace(colour(state), ""), view::symbol(state));
        for (index, state) in State::ALL.into_iter().enumerate() {
            for other in &State::ALL[index + 1..] {
                assert_ne!(bare(state), bare(*other), "{state:?} {other:?}");
            }
        }
        // A diamond around 10, 20 of eight either way; a square of six either way.
        assert!(shape(State::UnderReview, 10.0, 20.0).contains("d=\"M10.0 12.0l8 8l-8 8l-8-8z\""));
        assert!(shape(State::Failed, 10.0, 20.0).contains("<rect x=\"4.0\" y=\"14.0\" width=\"12\""));
        assert!(!shape(State::Failed, 10.0, 20.0).contains("<circle"));
    }
}
