//! The station page: fee, free piles, telephone, address, and the piles, verified ones first. Whole without any script.
//!
//! Mounted by [`crate::routes`]. It shows last judgements and live states with their age; it computes none.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;
use veripile_metrology::payment::PAY_DECIMALS;
use veripile_metrology::rounding::in_full;
use veripile_pile::{Operator, State, Station, StationId};
use veripile_store::card::StationCard;
use veripile_store::finder::{ByState, best};
use veripile_store::price::Tariff;

use crate::problem::{Problem, html, missing_page};
use crate::texts::Texts;
use crate::view::{self, Line};
use crate::{Site, navigate, sentence};

/// Piles on a page, unless their identifiers are long.
const PILES_PER_PAGE: usize = 40;

/// Bytes of all lines of a page, so that it stays under 40 KB with long names and addresses above them; and of one line, but for the pile's
/// identifier.
const LINES_BYTES_MAX: usize = 26 * 1024;
const LINE_BYTES: usize = 400;

/// Bytes of a character that HTML has in numbers (`&#60;`).
const ESCAPED_BYTES: usize = 5;

/// What comes before an extension.
const EXTENSIONS: [&str; 4] = ["转", "轉", "分机", "分機"];

#[derive(Template)]
#[template(path = "station.html")]
struct StationPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    name: String,
    /// How many piles are free, with its age, and its style.
    idle: (String, &'static str),
    facts: Vec<(&'a str, String)>,
    /// As written, and as a telephone dials it, where it can.
    phone: Option<(String, Option<String>)>,
    /// Maps and their addresses.
    navigation: Vec<(&'a str, String)>,
    lines: Vec<Line>,
    /// Where it has fewer pages: the address of the first.
    beyond: Option<String>,
    before: Option<String>,
    next: Option<String>,
    /// That there are more than are listed on any page.
    rest: Option<String>,
}

/// Which page of the piles, from 1.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    page: usize,
}

/// GET `/s/{station}`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
    asked: Result<web::Query<Asked>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let asked = asked.map_err(|_| Problem::parameter("page", "a number from 1"))?;
    let path = format!("/s/{}", view::segment(&id));
    let number = asked.page.max(1);
    let here = format!("{path}?page={number}");
    let found = match StationId::parse(&id) {
        Ok(station_id) => site.store.station(&station_id).await?,
        Err(_) => None,
    };
    let Some((station, operator)) = found else {
        return Ok(missing_page(t, site.settings.simulated, here));
    };
    let now = Timestamp::now();
    // Numbers are of all its piles, as in lists of stations; so many are listed as are read.
    let one = std::slice::from_ref(&station.station_id);
    let cards = site.store.station_cards(one, view::live_since(now), now).await?;
    let Some(card) = cards.first() else {
        return Ok(missing_page(t, site.settings.simulated, here));
    };
    let mut piles = site.store.station_piles(&station.station_id).await?;
    piles.sort_by_cached_key(|pile| (pile.state(now), pile.pile_id.clone()));
    let to = |number: usize| format!("{path}?page={number}&lang={}", t.short());
    let on_page = piles_per_page(piles.iter().map(|pile| pile.pile_id.as_str()));
    let pages = piles.len().div_ceil(on_page).max(1);
    let shown = piles.iter().skip((number - 1).saturating_mul(on_page)).take(on_page);
    let name = view::name(t.pick(&station.name_zh, &station.name_en));
    let mut facts = facts(t, &station, &operator, card);
    if let Some(list) = site.store.prices_today(&station.station_id).await? {
        facts.extend(hours(&list).map(|hours| (t.of("station.hours"), hours)));
    }
    let page = StationPage {
        t,
        simulated: site.settings.simulated,
        here,
        name: name.clone(),
        idle: idle(t, card, now),
        facts,
        phone: station.phone.as_deref().map(|phone| (view::name(phone), dialled(phone))),
        navigation: navigate::links(t, station.place, &name),
        lines: shown.map(|pile| view::line(t, pile, now)).collect(),
        beyond: (number > pages && !piles.is_empty()).then(|| to(1)),
        before: (number > 1).then(|| to(pages.min(number - 1))),
        next: (number.saturating_mul(on_page) < piles.len()).then(|| to(number + 1)),
        rest: ((piles.len() as u64) < card.piles())
            .then(|| t.of("stats.rest").replace("{n}", &piles.len().to_string())),
    };
    Ok(html(StatusCode::OK, &page))
}

/// Piles on each page of a station: fewer where an identifier is so long that a page of lines like its would be too large. It stands in a line
/// twice, in the address with up to twelve letters a character.
fn piles_per_page<'a>(ids: impl Iterator<Item = &'a str>) -> usize {
    let bytes = |c: char| if "<>&\"'".contains(c) { ESCAPED_BYTES } else { c.len_utf8() };
    let shown = |id: &str| id.chars().map(bytes).sum::<usize>();
    let longest = ids.map(|id| view::segment(id).len() + shown(id)).max().unwrap_or(0);
    (LINES_BYTES_MAX / (LINE_BYTES + longest)).clamp(1, PILES_PER_PAGE)
}

/// What is told of the station in all: the minimum that Wuxi publishes, and how many piles are verified.
fn facts<'a>(
    t: &'a Texts,
    station: &Station,
    operator: &Operator,
    card: &StationCard,
) -> Vec<(&'a str, String)> {
    let unknown = || t.of("unknown").to_owned();
    let by_state = State::ALL.into_iter().zip(card.by_state);
    let good = by_state.filter(|(state, _)| matches!(state, State::Verified | State::VerifiedMonitored));
    let verified = t
        .of("station.verified_of")
        .replace("{good}", &good.map(|(_, count)| count).sum::<u64>().to_string())
        .replace("{all}", &card.piles().to_string());
    let verified = if card.piles() > 0 { verified } else { t.of("station.unregistered").to_owned() };
    let fee = station.fee_cny_kwh.map(|fee| price(t, fee));
    let mut facts =
        vec![(t.of("station.verified"), verified), (t.of("station.fee"), fee.unwrap_or_else(unknown))];
    if let Some(told) = card.fee_told_cny_kwh {
        facts.push((t.of("station.fee_told"), t.of("station.fee_beyond").replace("{fee}", &price(t, told))));
    }
    if let Some(note) = &station.fee_note {
        facts.push((t.of("station.fee_note"), view::note(note)));
    }
    if card.told_piles.is_some() {
        facts.push((t.of("station.piles"), told_piles(t, card).0));
    }
    facts.push((t.of("station.address"), station.address.as_deref().map_or_else(unknown, view::note)));
    facts.push((t.of("pile.operator"), view::name(t.pick(&operator.name_zh, &operator.name_en))));
    facts
}

/// A day ends at 24:00.
const DAY_MINUTES: u16 = 24 * 60;

/// Parts of a day that are shown, a price an hour; OCPI's Tariffs have them all.
const HOURS_SHOWN: usize = 24;

/// A day's prices, hour by hour, with every digit that was told; none where it is one all day, which is told already.
fn hours(list: &Tariff) -> Option<String> {
    let mut prices = list.prices.clone();
    prices.dedup_by_key(|(_, price)| *price);
    let ends = prices.iter().skip(1).map(|(minute, _)| *minute).chain([DAY_MINUTES]);
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let parts = prices.iter().zip(ends).map(|((from, price), to)| {
        format!("{}–{} {}", clock(*from), clock(to), in_full(*price, PAY_DECIMALS))
    });
    let shown: Vec<String> = parts.take(HOURS_SHOWN).collect();
    let rest = if prices.len() > HOURS_SHOWN { " …" } else { "" };
    (prices.len() > 1).then(|| shown.join(" · ") + rest)
}

/// The price of a kWh in fen at least, and in all its digits: it is said to be the highest, and the filter by price takes it for what it is.
pub(crate) fn price(t: &Texts, fee: Decimal) -> String {
    t.of("station.fee_unit").replace("{fee}", &in_full(fee, PAY_DECIMALS))
}

/// What a card says first: the best standing among its piles, or among those that match, with how many of all have it; monitored ones count
/// as verified where others are verified, too. Then, whatever is asked, how many failed or are under review.
pub(crate) fn standing(t: &Texts, card: &StationCard, matching: Option<&ByState>) -> Option<(State, String)> {
    let matching = matching.filter(|matching| best(matching).is_some()).unwrap_or(&card.by_state);
    let count = |state: State| card.by_state[state as usize];
    let (state, text) = match best(matching)? {
        State::VerifiedMonitored | State::Verified if 0 < matching[State::Verified as usize] => {
            let good = count(State::VerifiedMonitored) + count(State::Verified);
            (State::Verified, format!("{} {good}", t.of("station.verified")))
        }
        state => (state, format!("{} {}", view::state_text(t, state), count(state))),
    };
    let mut text = format!("{text}/{}", card.piles());
    for bad in [State::Failed, State::UnderReview].into_iter().filter(|bad| *bad != state && 0 < count(*bad))
    {
        text = format!("{text} · {} {}", view::state_text(t, bad), count(bad));
    }
    Some((state, text))
}

/// How many piles a list says that a station has, in grey: whether any is free nobody knows.
pub(crate) fn told_piles(t: &Texts, card: &StationCard) -> (String, &'static str) {
    let told = |count: u32| t.of("station.told_piles").replace("{n}", &count.to_string());
    let text = card.told_piles.map_or_else(|| t.of("unknown").to_owned(), told);
    (text, view::live_style(false, false))
}

/// How many piles are free now with the age of that, and its style as of a pile's status. A pile whose status is old counts as neither
/// free nor taken, and the reader is told.
pub(crate) fn idle(t: &Texts, card: &StationCard, now: Timestamp) -> (String, &'static str) {
    if card.piles() == 0 {
        return (t.of("unknown").to_owned(), view::live_style(false, false));
    }
    let (free, all) = (card.idle.to_string(), card.piles().to_string());
    let mut text = t.of("station.idle_of").replace("{free}", &free).replace("{all}", &all);
    if card.silent > 0 {
        text += t.of("comma");
        text += &t.of("station.idle_unknown").replace("{n}", &card.silent.to_string());
    }
    if let Some(heard) = card.heard {
        text = format!("{text} · {}", sentence::age(t, now.duration_since(heard).as_secs()));
    }
    let is_of_now = card.heard.is_some_and(|heard| heard > view::live_since(now));
    (text, view::live_style(is_of_now, card.idle > 0))
}

/// What a telephone dials (RFC 3966 without visual separators): the first number that is told, without its extension, which is dialled by
/// hand; none where nothing can be one.
fn dialled(phone: &str) -> Option<String> {
    let text: String = phone.nfkc().collect();
    let main =
        EXTENSIONS.iter().fold(text.as_str(), |text, word| text.split(word).next().unwrap_or_default());
    // Blanks and visual separators belong to a number; at anything else the next one begins.
    let is_of_number = |c: char| {
        c.is_ascii_digit()
            || c.is_whitespace()
            || matches!(c, '+' | '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}')
    };
    main.split(|c: char| !is_of_number(c)).find_map(number)
}

/// The digits of a number, of as many as one can have: from 110 to the fifteen of E.164.
fn number(text: &str) -> Option<String> {
    let begins = text.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '+');
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plus = if begins.starts_with('+') { "+" } else { "" };
    (3..=15).contains(&digits.len()).then(|| format!("{plus}{digits}"))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use veripile_pile::Place;

    use super::*;
    use crate::texts::Language;

    fn card(by_state: ByState) -> StationCard {
        StationCard {
            station_id: StationId::parse("S").expect("literal"),
            name: [String::new(), String::new()],
            operator: [String::new(), String::new()],
            place: Place { lon: 0.0, lat: 0.0 },
            fee_cny_kwh: None,
            fee_told_cny_kwh: None,
            phone: None,
            told_piles: None,
            by_state,
            idle: 0,
            silent: 0,
            heard: None,
        }
    }

    #[test]
    fn a_card_counts_what_is_verified_and_hides_nothing_that_failed() {
        let t = Texts::in_language(Language::Zh);
        for (by_state, matching, expected) in [
            ([1, 8, 0, 0, 1, 0], None, (State::Verified, "检定合格 9/10 · 不合格 1")),
            ([0, 8, 0, 1, 1, 0], None, (State::Verified, "检定合格 8/10 · 不合格 1 · 复核中 1")),
            ([10, 0, 0, 0, 0, 0], None, (State::VerifiedMonitored, "合格·在线监测正常 10/10")),
            ([0, 0, 4, 0, 0, 6], None, (State::Due, "待检 4/10")),
            (
                [1, 8, 0, 0, 1, 0],
                Some([1, 0, 0, 0, 0, 0]),
                (State::VerifiedMonitored, "合格·在线监测正常 1/10 · 不合格 1"),
            ),
            ([1, 8, 0, 0, 1, 0], Some([0, 8, 0, 0, 0, 0]), (State::Verified, "检定合格 9/10 · 不合格 1")),
            ([1, 8, 0, 0, 1, 0], Some([0, 0, 0, 0, 1, 0]), (State::Failed, "不合格 1/10")),
            ([1, 8, 0, 0, 1, 0], Some([0; 6]), (State::Verified, "检定合格 9/10 · 不合格 1")),
        ] {
            let told = standing(t, &card(by_state), matching.as_ref()).expect("it has piles");
            assert_eq!((told.0, told.1.as_str()), expected, "{by_state:?} {matching:?}");
        }
        assert_eq!(standing(t, &card([0; 6]), None), None);
    }

    #[test]
    fn prices_by_hours_are_told_in_all_their_digits_and_not_without_end() {
        let list = |prices: &[(u16, &str)]| Tariff {
            station_id: StationId::parse("S").expect("literal"),
            valid_from: None,
            time_zone: None,
            prices: prices.iter().map(|(minute, price)| (*minute, price.parse().expect("literal"))).collect(),
        };
        assert_eq!(hours(&list(&[(0, "1.2")])), None);
        assert_eq!(hours(&list(&[(0, "1.2"), (480, "1.20")])), None, "one price in two parts");
        let told = hours(&list(&[(0, "0.4"), (390, "1.2345"), (1320, "1")])).expect("three");
        assert_eq!(told, "00:00–06:30 0.40 · 06:30–22:00 1.2345 · 22:00–24:00 1.00");
        let many: Vec<(u16, &str)> =
            (0..48).map(|half| (30 * half, if half % 2 == 0 { "1" } else { "2" })).collect();
        let told = hours(&list(&many)).expect("many");
        assert!(told.ends_with("11:30–12:00 2.00 …") && told.matches('·').count() == 23, "{told}");
    }

    // It is said to be the most that is paid: 1.209 is not 1.20.
    #[test]
    fn a_price_at_most_is_not_told_lower_than_it_is() {
        for (fee, zh, en) in [
            ("1.209", "1.209 元/度", "CNY 1.209 a kWh"),
            ("1.2", "1.20 元/度", "CNY 1.20 a kWh"),
            ("2", "2.00 元/度", "CNY 2.00 a kWh"),
        ] {
            let fee: Decimal = fee.parse().expect("literal");
            assert_eq!(
                [Language::Zh, Language::En].map(|of| price(Texts::in_language(of), fee)),
                [zh, en],
                "{fee}"
            );
        }
    }

    #[test]
    fn a_station_without_a_pile_says_so_and_what_a_list_told_of_it() {
        let none = card(ByState::default());
        let told = StationCard { told_piles: Some(20), ..none.clone() };
        let now = Timestamp::UNIX_EPOCH;
        for (language, expected) in [
            (Language::Zh, ["未知", "名录称有 20 个桩"]),
            (Language::En, ["unknown", "20 piles, says the list"]),
        ] {
            let t = Texts::in_language(language);
            assert_eq!(standing(t, &none, None), None);
            assert_eq!(idle(t, &none, now).0, expected[0]);
            assert_eq!(
                [told_piles(t, &none), told_piles(t, &told)],
                expected.map(|text| (text.to_owned(), "stale"))
            );
        }
    }

    #[test]
    fn long_identifiers_have_fewer_lines_on_a_page() {
        for (character, expected) in [("W", 40), ("桩", 22), ("🔌", 18), ("<", 29)] {
            let id = character.repeat(64);
            assert_eq!(piles_per_page(["WX-0001", id.as_str()].into_iter()), expected, "{character}");
        }
        assert_eq!(piles_per_page(["WX-0001"].into_iter()), 40);
        assert_eq!(piles_per_page(std::iter::empty()), 40);
    }

    #[test]
    fn free_piles_are_counted_with_their_age() {
        let t = Texts::in_language(Language::En);
        let now = Timestamp::from_second(1_770_000_000).expect("literal");
        let told = |idle: u64, silent: u64, seconds: Option<i64>| {
            let heard = seconds.map(|seconds| now - SignedDuration::from_secs(seconds));
            let card = StationCard { idle, silent, heard, ..card([45, 0, 0, 0, 0, 0]) };
            super::idle(t, &card, now)
        };
        let unknown = "of 45 the status is old or unknown";
        assert_eq!(told(3, 0, Some(120)), ("3 free of 45 · 2 min ago".to_owned(), "live free"));
        assert_eq!(told(0, 0, Some(600)), ("0 free of 45 · 10 min ago".to_owned(), "live"));
        assert_eq!(told(0, 45, Some(7300)), (format!("0 free of 45, {unknown} · 2 h ago"), "stale"));
        assert_eq!(told(0, 45, None), (format!("0 free of 45, {unknown}"), "stale"));
    }

    #[test]
    fn a_telephone_dials_one_number_and_no_extension() {
        for (written, expected) in [
            ("+86 (510) 8888-0000 转", Some("+8651088880000")),
            ("(+86)510–8888–0000", Some("+8651088880000")),
            ("400-123-4567转2", Some("4001234567")),
            ("0510 8888 0000 ext 12", Some("051088880000")),
            ("(0510)8888 0000 分机 12", Some("051088880000")),
            ("0510-88880000 / 13912345678", Some("051088880000")),
            ("0510-88880000、88880001", Some("051088880000")),
            ("0510-88880000；88880001", Some("051088880000")),
            ("0510-88880000 或 88880001", Some("051088880000")),
            ("０５１０－８８８８００００／１３９", Some("051088880000")),
            ("24小时热线 95598", Some("95598")),
            // Two numbers with nothing but a blank between them, and what is none.
            ("0510-88880000 13912345678", None),
            ("分机 8012", None),
            ("javascript:alert(1)", None),
            ("见现场", None),
            ("", None),
        ] {
            assert_eq!(dialled(written).as_deref(), expected, "{written}");
        }
    }
}
