//! Looking for a pile: what may be asked in the address of the front page, and said back as one sentence.
//!
//! Used by [`crate::map`]. Everything asked lives in the address, so that a search can be sent to somebody else.

use std::iter;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};
use unicode_normalization::UnicodeNormalization;
use veripile_pile::{ConnectorType, OperatorId, PileKind, Place, State};
use veripile_store::BoundingBox;
use veripile_store::finder::{FindQuery, NEAR_KM, Only};
use veripile_store::search;
use veripile_store::tally::NONE;

use crate::api::bounding_box;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::view;

/// What the form calls verified piles, monitored or not: to a driver they are one, to the query API two states.
const VERIFIED: &str = "verified_any";

/// Longest search text, characters; that the rest is cut is said.
const TEXT_CHARS_MAX: usize = 80;

/// Longest name of a district or a maker, characters: no longer one is kept.
const NAME_CHARS_MAX: usize = 255;

/// Longest place, bytes; of a part of the map, which has two: twice as much.
const PLACE_BYTES_MAX: usize = 64;

/// Words looked for; that more are not is said ([`Wish::unsearched`]).
const WORDS_MAX: usize = 5;

/// Pages of a list: whoever goes on through ten thousand lines wants all of them, which the dumps have, or other conditions. What stands on
/// the pages before is read anew for each.
pub(crate) const PAGES_MAX: usize = 200;

/// What is said to who asks for more.
const PAGES: &str = "a number from 1 to 200; narrow the search instead";

/// Powers to choose from, kW: AC three-phase, DC, fast, faster.
pub(crate) const POWERS_KW: [u32; 4] = [11, 60, 120, 240];

/// What may be asked. An empty value is one that was not asked for; what messengers and trackers hang on an address is nothing. Its
/// language is read by [`Texts::of_request`].
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pub(crate) q: String,
    pub(crate) state: String,
    pub(crate) operator: String,
    pub(crate) region: String,
    pub(crate) maker: String,
    pub(crate) only: String,
    pub(crate) kind: String,
    pub(crate) connector: String,
    pub(crate) min_power_kw: String,
    pub(crate) max_fee: String,
    #[serde(deserialize_with = "wanted")]
    pub(crate) free: String,
    pub(crate) near: String,
    /// The part of the map that is looked at.
    pub(crate) bbox: String,
    pub(crate) view: String,
    pub(crate) page: String,
}

/// What was asked, understood.
pub(crate) struct Wish {
    pub(crate) query: FindQuery,
    /// Page of the list, from 1.
    pub(crate) page: usize,
    /// Whether the text has more words or characters than are looked for.
    is_cut: bool,
}

impl Wish {
    /// Whether only piles around the driver are looked for; in a part of the map the place gives distances and order alone.
    pub(crate) fn is_around(&self) -> bool {
        self.query.near.is_some() && self.query.bounding_box.is_none()
    }

    /// That not all of the text was looked for, if so.
    pub(crate) fn unsearched(&self, t: &Texts) -> Option<String> {
        let text = t.of("find.q_cut").replace("{words}", &WORDS_MAX.to_string());
        self.is_cut.then(|| text.replace("{chars}", &TEXT_CHARS_MAX.to_string()))
    }
}

impl Asked {
    /// What of it is looked at: what stands around words and numbers falls away, and a text beyond what is searched. A page tells it back in each of
    /// its addresses, so that otherwise whoever sends one around makes it as large as he likes.
    pub(crate) fn brief(mut self) -> Self {
        let conditions = [
            &mut self.state,
            &mut self.operator,
            &mut self.only,
            &mut self.kind,
            &mut self.connector,
            &mut self.min_power_kw,
            &mut self.max_fee,
            &mut self.near,
            &mut self.bbox,
            &mut self.free,
        ];
        for text in conditions {
            let bare = text.trim().to_owned();
            *text = bare;
        }
        // One character more than is searched, by which the page knows that there is more.
        self.q = self.q.trim().chars().take(TEXT_CHARS_MAX + 1).collect();
        if !self.free.is_empty() {
            "yes".clone_into(&mut self.free);
        }
        if self.view != "stations" {
            self.view.clear();
        }
        self
    }

    pub(crate) fn wish(&self, now: Timestamp) -> Result<Wish, Problem> {
        let states = || {
            let words: Vec<&str> = iter::once(VERIFIED).chain(State::ALL.map(State::word)).collect();
            Problem::parameter("state", &words.join(", "))
        };
        let is_verified = some(&self.state) == Some(VERIFIED);
        let state = some(&self.state).filter(|_| !is_verified);
        let operator = |error| Problem::parameter("operator", &format!("an identifier ({error})"));
        let (words, is_cut) = words(&self.q);
        Ok(Wish {
            is_cut,
            query: FindQuery {
                words,
                operator: some(&self.operator).map(OperatorId::parse).transpose().map_err(operator)?,
                region: named(&self.region, "region")?,
                maker: named(&self.maker, "maker")?,
                only: read(&self.only, "only", &Only::ALL.map(Only::word).join(", "), Only::from_word)?,
                kind: read(&self.kind, "kind", "ac or dc", PileKind::from_word)?,
                connector: read(
                    &self.connector,
                    "connector",
                    &ConnectorType::words(),
                    ConnectorType::from_word,
                )?,
                min_power_kw: number(&self.min_power_kw, "min_power_kw")?,
                max_fee_cny_kwh: number(&self.max_fee, "max_fee")?,
                free_since: some(&self.free).map(|_| now - SignedDuration::from_secs(view::STALE_S)),
                near: read(&self.near, "near", "longitude,latitude in degrees", near)?,
                bounding_box: some(&self.bbox).map(part).transpose()?,
                state: state.map(|word| State::from_word(word).ok_or_else(states)).transpose()?,
                verified: is_verified,
                stations: Vec::new(),
            },
            page: read(&self.page, "page", PAGES, |text| {
                text.parse().ok().filter(|page| (1..=PAGES_MAX).contains(page))
            })?
            .unwrap_or(1),
        })
    }

    /// What is asked, without page and language.
    fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pairs = [
            ("q", &self.q),
            ("state", &self.state),
            ("operator", &self.operator),
            ("region", &self.region),
            ("maker", &self.maker),
            ("only", &self.only),
            ("kind", &self.kind),
            ("connector", &self.connector),
            ("min_power_kw", &self.min_power_kw),
            ("max_fee", &self.max_fee),
            ("free", &self.free),
            ("near", &self.near),
            ("bbox", &self.bbox),
            ("view", &self.view),
        ];
        pairs.into_iter().map(|(name, value)| (name, value.as_str())).filter(|(_, value)| !value.is_empty())
    }

    /// The address of the same search, without page and language; it ends so that `&name=value` can follow.
    pub(crate) fn address(&self) -> String {
        let pairs = self.given().map(|(name, value)| format!("{name}={}", view::segment(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Conditions that the front page's form has no field for: they stay when it is sent.
    pub(crate) fn unshown(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given().filter(|(name, _)| matches!(*name, "region" | "maker" | "only" | "bbox"))
    }

    /// All but the text: it stays when a form is sent that has a field for the text alone.
    pub(crate) fn all_but_text(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given().filter(|(name, _)| *name != "q")
    }

    /// Whether more is asked than the query API answers, so that the map draws what the server found.
    pub(crate) fn is_particular(&self) -> bool {
        let more =
            [&self.q, &self.region, &self.maker, &self.only, &self.kind, &self.connector, &self.min_power_kw];
        more.into_iter().chain([&self.max_fee, &self.free, &self.near]).any(|value| !value.is_empty())
    }
}

/// A condition to which the address says no is one that was not asked for.
fn wanted<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    let text = String::deserialize(value)?;
    let is_no = ["no", "0", "false", "off"].iter().any(|no| text.trim().eq_ignore_ascii_case(no));
    Ok(if is_no { String::new() } else { text })
}

fn some(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A name to the letter: statistics count makers as piles tell them, blanks and all, and link to the list of what they counted.
fn named(text: &str, name: &str) -> Result<Option<String>, Problem> {
    if text.chars().nth(NAME_CHARS_MAX).is_some() {
        return Err(Problem::parameter(name, "a name of up to 255 characters"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn part(text: &str) -> Result<BoundingBox, Problem> {
    if text.len() > 2 * PLACE_BYTES_MAX {
        let expected = "west,south,east,north in degrees, west ≤ east and south ≤ north";
        return Err(Problem::parameter("bbox", expected));
    }
    bounding_box(text)
}

fn read<T>(
    text: &str,
    name: &str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    some(text).map(|text| parse(text).ok_or_else(|| Problem::parameter(name, expected))).transpose()
}

/// Not negative, and short enough to be meant; full-width digits are digits.
fn number(text: &str, name: &str) -> Result<Option<Decimal>, Problem> {
    let text: String = text.nfkc().collect();
    let parse = |text: &str| text.parse().ok().filter(|number: &Decimal| !number.is_sign_negative());
    read(&text, name, "a number, not negative", |text| if text.len() <= 12 { parse(text) } else { None })
}

fn near(text: &str) -> Option<Place> {
    let (lon, lat) = text.split_once(',').filter(|_| text.len() <= PLACE_BYTES_MAX)?;
    Place::new(lon.trim().parse().ok()?, lat.trim().parse().ok()?)
}

/// The words looked for, and whether there are more.
fn words(text: &str) -> (Vec<String>, bool) {
    let text = text.trim();
    let short: String = text.chars().take(TEXT_CHARS_MAX).collect();
    let mut words = search::words(&short);
    let is_cut = short.len() < text.len() || WORDS_MAX < words.len();
    words.truncate(WORDS_MAX);
    (words, is_cut)
}

/// A distance in words: to ten metres, then to a hundred.
pub(crate) fn distance(metres: f64) -> String {
    if metres < 1000.0 {
        format!("{:.0} m", (metres / 10.0).round() * 10.0)
    } else {
        format!("{:.1} km", metres / 1000.0)
    }
}

/// A name that was asked for; in words where those without one were.
pub(crate) fn told(t: &Texts, name: &str) -> String {
    if name == NONE { t.of("unknown").to_owned() } else { view::name(name) }
}

/// What was asked, as one sentence with how many there are; none: of all piles, as long as they are being counted.
pub(crate) fn sentence(
    t: &Texts,
    asked: &Asked,
    wish: &Wish,
    operator: Option<&str>,
    found: Option<u64>,
) -> String {
    let Some(found) = found else { return t.of("find.uncounted").to_owned() };
    t.of("find.counted")
        .replace("{n}", &found.to_string())
        .replace("{piles}", &conditions(t, asked, wish, operator))
}

/// The same without how many.
pub(crate) fn conditions(t: &Texts, asked: &Asked, wish: &Wish, operator: Option<&str>) -> String {
    let mut parts: Vec<String> = Vec::new();
    // What was asked is somebody else's text: addresses are sent around.
    let mut add = |text: &str, value: &str| parts.push(text.replace("{x}", &view::name(value)));
    if !wish.query.words.is_empty() {
        add(t.of("find.q"), asked.q.trim());
    }
    if let Some(state) = wish.query.state {
        add(t.of("find.state"), &view::state_text(t, state));
    }
    if wish.query.verified {
        add(t.of("find.state"), t.of("filter.verified"));
    }
    let named = |name: &str, known, unknown| if name == NONE { unknown } else { known };
    if let Some(id) = wish.query.operator.as_ref().map(OperatorId::as_str) {
        add(named(id, t.of("find.operator"), t.of("find.operator_unknown")), operator.unwrap_or(id));
    }
    if let Some(region) = &wish.query.region {
        add(named(region, t.of("find.region"), t.of("find.region_unknown")), region);
    }
    if let Some(maker) = &wish.query.maker {
        add(named(maker, t.of("find.maker"), t.of("find.maker_unknown")), maker);
    }
    if let Some(only) = wish.query.only {
        add(t.of_owned(&format!("find.{}", only.word())), "");
    }
    if let Some(kind) = wish.query.kind {
        add(t.of("find.kind"), t.of(if kind == PileKind::Dc { "kind.dc" } else { "kind.ac" }));
    }
    if let Some(connector) = wish.query.connector {
        add(t.of("find.connector"), &view::connector(t, connector));
    }
    if let Some(kw) = wish.query.min_power_kw {
        add(t.of("find.power"), &kw.normalize().to_string());
    }
    if wish.query.free_since.is_some() {
        add(t.of("find.free"), "");
    }
    if let Some(fee) = wish.query.max_fee_cny_kwh {
        add(t.of("find.fee"), &fee.to_string());
    }
    if wish.query.bounding_box.is_some() {
        add(t.of("find.here"), "");
    }
    let text = match (parts.is_empty(), wish.is_around()) {
        (true, false) => t.of("find.everything"),
        (true, true) => t.of("find.everything_near"),
        (false, false) => t.of("find.sentence"),
        (false, true) => t.of("find.sentence_near"),
    };
    text.replace("{km}", &NEAR_KM.to_string()).replace("{what}", &parts.join(t.of("find.and")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("in range")
    }

    #[test]
    fn a_search_reads_as_one_sentence_and_lives_in_its_address() {
        let asked = Asked {
            q: " 三阳 P1 ".to_owned(),
            state: "verified".to_owned(),
            operator: "O1".to_owned(),
            region: "-".to_owned(),
            maker: "Simcharge".to_owned(),
            only: "in_case".to_owned(),
            kind: "dc".to_owned(),
            connector: "gbt_dc".to_owned(),
            min_power_kw: "60".to_owned(),
            max_fee: "1.20".to_owned(),
            free: "yes".to_owned(),
            near: "120.3,31.5".to_owned(),
            ..Asked::default()
        };
        let wish = asked.wish(now()).expect("good");
        assert_eq!(wish.query.words, ["三阳", "p1"]);
        let t = Texts::in_language(Language::En);
        assert_eq!(
            sentence(t, &asked, &wish, Some("Taihu"), Some(3)),
            "Piles matching “三阳 P1”, “Verified”, of Taihu, whose district is not known, made by Simcharge, with a case open, DC, with GB/T DC, of 60 kW or more, free now, at CNY 1.20 a kWh or less, within about 50 km of you: 3"
        );
        // Where a part of the map is looked at, that is where it is looked for.
        let part = Asked { bbox: "120,31,121,32".to_owned(), ..asked.clone() };
        let told = sentence(t, &part, &part.wish(now()).expect("good"), Some("Taihu"), Some(3));
        assert!(told.ends_with("in this part of the map: 3"), "{told}");
        let address = asked.address();
        let again: Vec<(String, String)> =
            actix_web::web::Query::<Vec<(String, String)>>::from_query(&address)
                .expect("readable")
                .into_inner();
        assert_eq!(again.len(), 12, "{address}");
        assert!(again.contains(&("q".to_owned(), asked.q.clone())), "{address}");
        assert_eq!(
            asked.all_but_text().map(|(name, _)| name).collect::<Vec<_>>(),
            again.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "q").collect::<Vec<_>>()
        );
        assert_eq!(
            asked.unshown().collect::<Vec<_>>(),
            [("region", "-"), ("maker", "Simcharge"), ("only", "in_case")]
        );
        let nothing = Asked::default();
        let wish = nothing.wish(now()).expect("good");
        assert_eq!(sentence(t, &nothing, &wish, None, Some(0)), "All piles: 0");
        assert_eq!(sentence(t, &nothing, &wish, None, None), "All piles: being counted");
        assert!(nothing.address().is_empty() && !nothing.is_particular() && asked.is_particular());
    }

    #[test]
    fn verified_piles_are_found_whether_they_are_monitored_or_not() {
        let asked = Asked { state: VERIFIED.to_owned(), ..Asked::default() };
        let wish = asked.wish(now()).expect("good");
        let states = State::ALL.into_iter().filter(|state| wish.query.asks(*state));
        assert_eq!(states.collect::<Vec<_>>(), [State::VerifiedMonitored, State::Verified]);
        let told = sentence(Texts::in_language(Language::Zh), &asked, &wish, None, Some(3));
        assert!(told.contains("“合格（含在线监测正常）”"), "{told}");
    }

    #[test]
    fn that_words_are_left_out_is_said() {
        let check = |q: &str, words: usize, is_said: bool| {
            let wish = Asked { q: q.to_owned(), ..Asked::default() }.wish(now()).expect("good");
            let said = wish.unsearched(Texts::in_language(Language::En));
            assert_eq!((wish.query.words.len(), said.is_some()), (words, is_said), "{q}");
            assert!(said.is_none_or(|said| said.contains("first 5 words and 80 characters")));
        };
        check("", 0, false);
        check("a b c d e", 5, false);
        check("a b c d e - _", 5, false);
        check("a b c d e f", 5, true);
        check(&"站".repeat(80), 1, false);
        check(&format!("{} ", "站".repeat(80)), 1, false);
        check(&"站".repeat(81), 1, true);
    }

    #[test]
    fn an_address_that_somebody_made_long_is_told_back_short() {
        let (long, blanks) = ("站".repeat(10_000), " ".repeat(10_000));
        let around = |text: &str| format!("{blanks}{text}{blanks}");
        let asked = Asked {
            q: around(&long),
            state: around("verified"),
            operator: around("O1"),
            region: "区".repeat(255),
            maker: "M".repeat(255),
            only: around("checked"),
            kind: around("dc"),
            connector: around("gbt_dc"),
            min_power_kw: around("60"),
            max_fee: around("1.2"),
            free: around("x"),
            near: around("120.3,31.5"),
            bbox: around("120,31,121,32"),
            view: long.clone(),
            page: String::new(),
        };
        let (wish, brief) = (asked.wish(now()).expect("good"), asked.brief());
        let again = brief.wish(now()).expect("good");
        assert!(again.query == wish.query && again.is_cut && wish.is_cut, "the same is looked for");
        // By hand: 81 and 255 characters of nine letters, 255 letters, and conditions of some 200.
        let bytes = brief.address().len();
        assert!((9 * 336 + 255..9 * 336 + 255 + 250).contains(&bytes), "{bytes}");
        assert!(brief.view.is_empty() && brief.free == "yes");
        let kept =
            Asked { view: "stations".to_owned(), region: " 区".to_owned(), ..Asked::default() }.brief();
        assert_eq!(
            (kept.view.as_str(), kept.region.as_str()),
            ("stations", " 区"),
            "a name is meant to the letter"
        );
    }

    #[test]
    fn full_width_digits_are_digits() {
        for text in ["１．２", "1.2", " 1.2\u{3000}", "１.2"] {
            let wish = Asked { max_fee: text.to_owned(), ..Asked::default() }.wish(now()).expect(text);
            assert_eq!(wish.query.max_fee_cny_kwh, Some(Decimal::new(12, 1)), "{text}");
        }
        let power = Asked { min_power_kw: "６０".to_owned(), ..Asked::default() };
        assert_eq!(power.wish(now()).expect("good").query.min_power_kw, Some(Decimal::from(60)));
        assert!(Asked { max_fee: "－１".to_owned(), ..Asked::default() }.wish(now()).is_err());
    }

    #[test]
    fn a_name_is_looked_for_to_the_letter() {
        for (text, expected) in [("", None), ("Sim ", Some("Sim ")), (" ", Some(" ")), ("Sim", Some("Sim"))] {
            let asked = Asked { maker: text.to_owned(), region: text.to_owned(), ..Asked::default() };
            // As a link has it; a second language is no fault.
            let address = format!("{}&lang=fr&lang=en", asked.address());
            let read = actix_web::web::Query::<Asked>::from_query(&address).expect("readable");
            let query = read.wish(now()).expect("good").query;
            assert_eq!((query.maker.as_deref(), query.region.as_deref()), (expected, expected), "{text:?}");
        }
    }

    #[test]
    fn who_says_no_to_free_piles_asks_for_all() {
        for (address, is_asked) in [
            ("free=yes", true),
            ("free=on", true),
            ("free=no", false),
            ("free=False", false),
            ("free=0", false),
        ] {
            let asked = actix_web::web::Query::<Asked>::from_query(address).expect("readable");
            assert_eq!(asked.wish(now()).expect("good").query.free_since.is_some(), is_asked, "{address}");
            assert_eq!(
                (asked.is_particular(), !asked.address().is_empty()),
                (is_asked, is_asked),
                "{address}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let check = |asked: Asked, name: &str| {
            let problem = asked.wish(now()).err().unwrap_or_else(|| panic!("{name} is refused"));
            assert!(problem.status == 400 && problem.detail.starts_with(name), "{problem}");
        };
        let text = |text: &str| text.to_owned();
        for near in ["120", "200,31", "NaN,1", "a,b", "1,2,3"] {
            check(Asked { near: text(near), ..Asked::default() }, "near");
        }
        for power in ["-1", "many", "1e400"] {
            check(Asked { min_power_kw: text(power), ..Asked::default() }, "min_power_kw");
        }
        check(Asked { state: text("good"), ..Asked::default() }, "state");
        check(Asked { kind: text("hydrogen"), ..Asked::default() }, "kind");
        check(Asked { only: text("green"), ..Asked::default() }, "only");
        check(Asked { connector: text("schuko"), ..Asked::default() }, "connector");
        for page in ["0", "201", "x"] {
            check(Asked { page: text(page), ..Asked::default() }, "page");
        }
        assert!(Asked { page: text("200"), ..Asked::default() }.wish(now()).is_ok());
        assert!(PAGES.contains(&format!("from 1 to {PAGES_MAX};")));
        check(Asked { operator: text("a/b"), ..Asked::default() }, "operator");
        // What is longer than anything that is meant.
        check(Asked { region: "区".repeat(256), ..Asked::default() }, "region");
        check(Asked { maker: "M".repeat(256), ..Asked::default() }, "maker");
        check(Asked { near: format!("120.{:060},31", 0), ..Asked::default() }, "near");
        check(Asked { bbox: format!("120.{:0130},31,121,32", 0), ..Asked::default() }, "bbox");
    }

    #[test]
    fn distances_are_those_of_the_sphere() {
        let place = |lon, lat| Place::new(lon, lat).expect("on the globe");
        // Haversine with R = 6,371,008.8 m, computed in Python: 10,627.7 m.
        let metres = place(120.301, 31.575).distance_m(place(120.369, 31.499));
        assert!((metres - 10_627.7).abs() < 5.0, "{metres}");
        assert_eq!(distance(metres), "10.6 km");
        assert_eq!(distance(443.0), "440 m");
    }
}
