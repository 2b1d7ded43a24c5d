//! What pages show of a pile: every text ready, so that templates only place it.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rust_decimal::Decimal;
use veripile_metrology::decision::{ASSURED_ZONES, THREE_ZONES};
use veripile_metrology::rounding::{written, written_with_sign};
use veripile_pile::standing::STATUS_FRESH;
use veripile_pile::{ConnectorType, Estimate, Mark, PileKind, Place, RemoteVerdict, State, VehiclePath};
use veripile_store::{ChargeRecord, PileRecord};

use crate::sentence;
use crate::texts::Texts;

/// A live status older than this is stale and goes grey.
pub(crate) const STALE_S: i64 = STATUS_FRESH.as_secs();

/// What a stored rule says of a pile behind a master meter (`assessment`), in the place of its charges.
const BY_BALANCE: &str = "with an energy balance, from any number of charges";

/// What may stand unescaped in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Shanghai has had no summer time since 1991.
const SHANGHAI: Offset = Offset::constant(8);

/// A moment in Shanghai's time, to the minute.
pub(crate) fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A moment in Shanghai's time, to the second.
pub(crate) fn minute_second(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment in Shanghai's time, to the millisecond.
pub(crate) fn second(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

/// A moment's day in Shanghai.
pub(crate) fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(SHANGHAI)).strftime("%Y-%m-%d").to_string()
}

/// A path segment.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A path segment of a link in a page, where letters and digits of all scripts may stand as they are (WHATWG's URLs): a third as long.
fn linked(text: &str) -> String {
    let written =
        |c: char| if c.is_alphanumeric() { c.to_string() } else { segment(c.encode_utf8(&mut [0; 4])) };
    text.chars().map(written).collect()
}

/// The page of a pile, linked.
fn pile_page(t: &Texts, id: &str) -> String {
    format!("/p/{}?lang={}", linked(id), t.short())
}

/// The page of a station, linked.
pub(crate) fn station_page(t: &Texts, id: &str) -> String {
    format!("/s/{}?lang={}", linked(id), t.short())
}

/// Longest name that a page shows, characters, and longest other text that somebody else wrote. The whole stands in the query API.
const NAME_CHARS_MAX: usize = 100;
const TEXT_CHARS_MAX: usize = 200;

/// A name as a page shows it: cut visibly where it is too long, and without anything that changes what stands around it.
pub(crate) fn name(text: &str) -> String {
    shown(text, NAME_CHARS_MAX)
}

/// The body that issued something, as a page shows it: in words where nobody said which.
pub(crate) fn body(t: &Texts, issuer: &str) -> String {
    veripile_pile::body(issuer).map_or_else(|| t.of("basis.not_told").to_owned(), name)
}

/// An address or a note as a page shows it.
pub(crate) fn note(text: &str) -> String {
    shown(text, TEXT_CHARS_MAX)
}

fn shown(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(visible).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// A character of somebody else's text: one that is for machines, turns the direction of writing or may not stand in XML becomes the sign
/// for what cannot be shown.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFFE}' | '\u{FFFF}' => '\u{FFFD}',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}

/// Keeps a page of what was read, which is one more where there are more; then the last that is kept, after which the next page begins.
pub(crate) fn cut_to_page<T>(rows: &mut Vec<T>, most: usize) -> Option<&T> {
    let has_more = most < rows.len();
    rows.truncate(most);
    rows.last().filter(|_| has_more)
}

/// A state's mark: shape and symbol stand together with word and colour everywhere.
pub(crate) fn symbol(state: State) -> &'static str {
    match state {
        State::VerifiedMonitored | State::Verified => "✓",
        State::Due => "○",
        State::UnderReview => "?",
        State::Failed => "✕",
        State::OutOfUse => "–",
    }
}

/// One line of the list.
pub(crate) struct Line {
    /// Its identifier as it is shown.
    pub(crate) id: String,
    /// Path of its page, and the address with the language.
    pub(crate) path: String,
    pub(crate) href: String,
    pub(crate) state: &'static str,
    pub(crate) symbol: &'static str,
    pub(crate) state_text: String,
    /// Where it stands, if that is known.
    pub(crate) place: Option<Place>,
    pub(crate) station: String,
    /// Address of its station's page.
    pub(crate) station_href: Option<String>,
    pub(crate) operator: String,
    pub(crate) power: String,
    pub(crate) status: String,
    /// Style of the status: `stale`, `live free` or `live`.
    pub(crate) live: &'static str,
}

/// Makes a line.
pub(crate) fn line(t: &Texts, pile: &PileRecord, now: Timestamp) -> Line {
    let state = pile.state(now);
    Line {
        id: name(pile.pile_id.as_str()),
        href: pile_page(t, pile.pile_id.as_str()),
        path: format!("/p/{}", segment(pile.pile_id.as_str())),
        state: state.word(),
        symbol: symbol(state),
        state_text: state_text(t, state),
        place: pile.place,
        station: station(t, pile),
        station_href: pile.station.as_ref().map(|(id, _, _)| station_page(t, id.as_str())),
        operator: operator(t, pile),
        power: power(t, pile),
        status: status(t, pile, now),
        live: live(pile, now),
    }
}

/// When anything was last heard of a pile. A status holds until it changes; what ages is this.
fn heard(pile: &PileRecord) -> Option<Timestamp> {
    pile.status.as_ref().map(|(_, at)| *at).max(pile.last_seen)
}

fn says_free(pile: &PileRecord) -> bool {
    pile.status.as_ref().is_some_and(|(word, _)| word == "Available")
}

/// Style of the live status: `stale`, `live free` or `live`. A pile that is out of use, failed or under review is free to nobody,
/// whatever its connectors say.
pub(crate) fn live(pile: &PileRecord, now: Timestamp) -> &'static str {
    let is_free = says_free(pile) && !pile.is_out_of_use(now) && pile.standing.case.is_none();
    let is_stale = heard(pile).is_none_or(|at| now.duration_since(at).as_secs() > STALE_S);
    live_style(!is_stale, is_free)
}

/// Style of what is told of now, or of before.
pub(crate) fn live_style(is_of_now: bool, is_free: bool) -> &'static str {
    match (is_of_now, is_free) {
        (false, _) => "stale",
        (true, true) => "live free",
        (true, false) => "live",
    }
}

/// As [`live`] counts: a status counts as of now that was heard of after this moment. It is old when its whole seconds are more than
/// [`STALE_S`].
pub(crate) fn live_since(now: Timestamp) -> Timestamp {
    now - SignedDuration::from_secs(STALE_S + 1)
}

/// How many piles are free now, and of how many the status is old or unknown: these count as neither free nor taken.
pub(crate) fn idle<'a>(piles: impl Iterator<Item = &'a PileRecord>, now: Timestamp) -> (usize, usize) {
    piles.fold((0, 0), |(free, stale), pile| match live(pile, now) {
        "live free" => (free + 1, stale),
        "stale" => (free, stale + 1),
        _ => (free, stale),
    })
}

pub(crate) fn state_text(t: &Texts, state: State) -> String {
    t.of(&format!("state.{}", state.word())).to_owned()
}

/// Since when a pile's certificate is in question, and why, where somebody said.
pub(crate) fn questioned(t: &Texts, pile: &PileRecord, since: Timestamp) -> String {
    let reason = pile.questioned_because.map(|reason| t.of_owned(&format!("question.{}", reason.word())));
    let text = if reason.is_some() { t.of("basis.since_because") } else { t.of("basis.since") };
    text.replace("{day}", &day(since)).replace("{why}", reason.unwrap_or_default())
}

pub(crate) fn station(t: &Texts, pile: &PileRecord) -> String {
    name(pile.station.as_ref().map_or(t.of("unknown"), |(_, zh, en)| t.pick(zh, en)))
}

pub(crate) fn operator(t: &Texts, pile: &PileRecord) -> String {
    name(pile.operator.as_ref().map_or(t.of("unknown"), |(_, zh, en)| t.pick(zh, en)))
}

pub(crate) fn power(t: &Texts, pile: &PileRecord) -> String {
    let kind = if pile.kind == PileKind::Dc { t.of("kind.dc") } else { t.of("kind.ac") };
    match pile.power_kw {
        Some(kw) => format!("{kind} {} kW", kw.normalize()),
        None => kind.to_owned(),
    }
}

/// A sub-protocol as people know it: `OCPP 1.6`.
pub(crate) fn protocol(word: &str) -> String {
    word.strip_prefix("ocpp").map_or_else(|| word.to_owned(), |version| format!("OCPP {version}"))
}

/// A rule as it is stored, in the page's language; one that is not known stays as it is.
fn rule(t: &Texts, rule: &str) -> String {
    let parts = || {
        let (rule_set, decision) = rule.split_once("; ")?;
        let (zones, least) = match decision.strip_prefix(ASSURED_ZONES) {
            Some(least) => (t.of("remote.assured_zones"), least),
            // Of runs of before.
            None => (t.of("remote.three_zones"), decision.strip_prefix(THREE_ZONES)?),
        };
        let least = match least.strip_prefix(", ")? {
            BY_BALANCE => t.of("remote.by_balance").to_owned(),
            other => {
                let charges = other.strip_prefix("from ")?.strip_suffix(" charges")?;
                t.of("remote.from_charges").replace("{n}", charges)
            }
        };
        Some(format!("{rule_set}; {zones}; {least}"))
    };
    parts().unwrap_or_else(|| rule.to_owned())
}

/// What a connector is called.
pub(crate) fn connector(t: &Texts, connector: ConnectorType) -> String {
    t.of_owned(&format!("connector.{}", connector.word())).to_owned()
}

/// What can be plugged into a pile, as far as anybody said.
pub(crate) fn connectors(t: &Texts, pile: &PileRecord) -> String {
    if pile.connectors.is_empty() {
        return t.of("unknown").to_owned();
    }
    pile.connectors.iter().map(|one| connector(t, *one)).collect::<Vec<_>>().join(t.of("comma"))
}

/// The live status with its age.
pub(crate) fn status(t: &Texts, pile: &PileRecord, now: Timestamp) -> String {
    let Some(at) = heard(pile) else { return t.of("status.never").to_owned() };
    let age = sentence::age(t, now.duration_since(at).as_secs());
    match &pile.status {
        Some(_) if pile.standing.stopped_at.is_some() && says_free(pile) => {
            format!("{} · {age}", t.of("status.stopped"))
        }
        Some((word, _)) => format!("{} · {age}", name(status_word(t, word))),
        None => age,
    }
}

/// A probability in percent; none is ever shown as certain.
fn probability(p: f64) -> String {
    match p {
        p if p > 0.999 => "> 99.9 %".to_owned(),
        p if p < 0.001 => "< 0.1 %".to_owned(),
        p => format!("{:.1} %", 100.0 * p),
    }
}

/// OCPP's words for a connector's status, with the key of ours; an unknown word is shown as sent.
pub(crate) const STATUS_TEXTS: [(&str, &str); 10] = [
    ("Available", "status.available"),
    ("Occupied", "status.occupied"),
    ("Charging", "status.occupied"),
    ("Preparing", "status.occupied"),
    ("Finishing", "status.occupied"),
    ("SuspendedEV", "status.occupied"),
    ("SuspendedEVSE", "status.occupied"),
    ("Reserved", "status.reserved"),
    ("Faulted", "status.faulted"),
    ("Unavailable", "status.faulted"),
];

fn status_word<'a>(t: &'a Texts, word: &'a str) -> &'a str {
    STATUS_TEXTS.iter().find(|(known, _)| *known == word).map_or(word, |(_, key)| t.of(key))
}

/// A row of the list of charges.
pub(crate) struct ChargeLine {
    pub(crate) number: i64,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) pile_kwh: String,
    pub(crate) vehicle_kwh: String,
    pub(crate) difference: String,
    pub(crate) marks: String,
}

/// Makes a row.
pub(crate) fn charge(t: &Texts, charge: &ChargeRecord) -> ChargeLine {
    let time = |at: Option<Timestamp>| at.map_or_else(|| t.of("dash").to_owned(), minute);
    let kwh = |wh: Option<Decimal>| {
        wh.map_or_else(|| t.of("dash").to_owned(), |wh| written(wh / Decimal::ONE_THOUSAND, 3))
    };
    let difference = charge
        .energy_pile_wh
        .zip(charge.energy_vehicle_wh)
        .filter(|(_, vehicle)| *vehicle > Decimal::ZERO)
        .and_then(|(pile, vehicle)| {
            pile.checked_sub(vehicle)?.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(vehicle)
        })
        .map_or_else(|| t.of("dash").to_owned(), |percent| format!("{} %", written_with_sign(percent, 2)));
    let marks: Vec<&str> = charge.marks.iter().map(|mark| mark_text(t, *mark)).collect();
    ChargeLine {
        number: charge.charge_no,
        start: time(charge.started_at),
        end: time(charge.ended_at),
        pile_kwh: kwh(charge.energy_pile_wh),
        vehicle_kwh: kwh(charge.energy_vehicle_wh) + &way(t, charge.vehicle_path),
        difference,
        marks: marks.join(t.of("comma")),
    }
}

/// How a vehicle's energy came, in brackets; nothing where the pile relayed it, as most are.
fn way(t: &Texts, path: Option<VehiclePath>) -> String {
    let text = match path {
        None | Some(VehiclePath::Relayed | VehiclePath::Reference) => return String::new(),
        Some(VehiclePath::Telematics) => t.of("way.telematics"),
        Some(VehiclePath::App) => t.of("way.app"),
    };
    format!(" {text}")
}

fn mark_text(t: &Texts, mark: Mark) -> &str {
    let key =
        MARK_KEYS.iter().find(|(known, _)| *known == mark.code()).map_or("unknown", |(_, key)| key.as_str());
    t.of(key)
}

static MARK_KEYS: std::sync::LazyLock<Vec<(&'static str, String)>> = std::sync::LazyLock::new(|| {
    Mark::ALL.iter().map(|mark| (mark.code(), format!("mark.{}", mark.code()))).collect()
});

/// Charges from which an undecided estimate is told as a sentence: those from which a verdict is given.
const CHARGES_SAID: u32 = 10;

/// The remote estimate in words and numbers.
pub(crate) struct EstimateView {
    pub(crate) verdict: &'static str,
    pub(crate) verdict_text: String,
    pub(crate) why: String,
    pub(crate) received: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) expanded: Option<String>,
    pub(crate) interval: Option<String>,
    pub(crate) probability: Option<String>,
    pub(crate) outside: Option<String>,
    pub(crate) charges: u32,
    /// Within how many days its charges were; none of a single one.
    pub(crate) span: Option<String>,
    pub(crate) limit: String,
    pub(crate) rule: String,
    pub(crate) as_of: String,
    pub(crate) grounded: bool,
}

/// Within how many days.
fn span(t: &Texts, time: SignedDuration) -> String {
    let days = (time.as_secs_f64() / 86_400.0).ceil();
    if days > 1.0 {
        t.of("remote.within").replace("{n}", &format!("{days:.0}"))
    } else {
        t.of("remote.within_a_day").to_owned()
    }
}

/// Makes it.
pub(crate) fn estimate(t: &Texts, estimate: &Estimate) -> EstimateView {
    let verdict = estimate.verdict.word();
    let interval = estimate.interval95();
    // Of too few charges for a verdict nothing is said in bold: its interval rests on noise that is presumed.
    let is_scarce = estimate.charges < CHARGES_SAID && estimate.verdict == RemoteVerdict::Undecided;
    let period = estimate.period.filter(|_| 1 < estimate.charges);
    // It may have been measured on site itself: what it lacks are charges, not vehicles in common.
    let is_unheard = estimate.charges == 0 && estimate.verdict == RemoteVerdict::NotComparable;
    let why =
        if is_unheard { t.of("verdict.no_charge") } else { t.of_owned(&format!("verdict.{verdict}.why")) };
    EstimateView {
        verdict,
        verdict_text: t.of(&format!("verdict.{verdict}")).to_owned(),
        why: why.to_owned(),
        received: interval
            .filter(|_| estimate.grounded && !is_scarce)
            .map(|interval| sentence::received(t, interval)),
        error: estimate.error.map(sentence::percent),
        expanded: estimate.standard_uncertainty.map(|u| format!("{:.2} %", 200.0 * u)),
        interval: interval
            .map(|(lower, upper)| format!("{} … {}", sentence::percent(lower), sentence::percent(upper))),
        probability: estimate.probability_conform.map(probability),
        outside: estimate.probability_conform.map(|p| probability(1.0 - p)),
        charges: estimate.charges,
        span: period.map(|(first, last)| span(t, last.duration_since(first))),
        limit: format!("±{:.1} %", 100.0 * estimate.limit),
        rule: rule(t, &estimate.rule),
        as_of: minute(estimate.as_of),
        grounded: estimate.grounded,
    }
}

/// A pile of which nothing but its standing is known, for tests.
#[cfg(test)]
pub(crate) fn bare_pile(standing: veripile_pile::Standing) -> PileRecord {
    PileRecord {
        pile_id: veripile_pile::PileId::parse("WX-0001").expect("an identifier"),
        station: None,
        operator: None,
        kind: PileKind::Ac,
        class: veripile_pile::AccuracyClass::ASSUMED,
        power_kw: None,
        connectors: Vec::new(),
        place: None,
        vendor: None,
        model: None,
        firmware: None,
        meter_serial: None,
        protocol: None,
        status: None,
        last_seen: None,
        charges: 0,
        has_document: false,
        questioned_because: None,
        standing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn a_segment_survives_any_identifier_and_times_are_shanghai_s() {
        assert_eq!(segment("WX-0001"), "WX-0001");
        assert_eq!(segment("a b?#桩"), "a%20b%3F%23%E6%A1%A9");
        let t = Texts::in_language(Language::En);
        // A link has letters as they are, and nothing that ends it or turns what stands around it.
        assert_eq!(pile_page(t, "a b?\"<桩-1\u{202e}é"), "/p/a%20b%3F%22%3C桩-1%E2%80%AEé?lang=en");
        let at: Timestamp = "2026-03-01T20:30:00Z".parse().expect("literal");
        assert_eq!(minute(at), "2026-03-02 04:30");
    }

    #[test]
    fn a_time_is_told_in_whole_days_and_is_never_none() {
        for (hours, zh, en) in [
            (0, "一天之内", "within a day"),
            (24, "一天之内", "within a day"),
            (29, "2 天之内", "within 2 days"),
            (24 * 30, "30 天之内", "within 30 days"),
        ] {
            let time = SignedDuration::from_hours(hours);
            let told = [Language::Zh, Language::En].map(|language| span(Texts::in_language(language), time));
            assert_eq!(told, [zh, en], "{hours}");
        }
    }

    #[test]
    fn a_pile_without_charges_is_not_said_to_lack_vehicles_in_common() {
        let t = Texts::in_language(Language::En);
        let why = |charges: u32| {
            let estimate = Estimate {
                as_of: Timestamp::UNIX_EPOCH,
                component: 1,
                grounded: true,
                charges,
                period: None,
                error: None,
                standard_uncertainty: None,
                probability_conform: None,
                limit: 0.01,
                rule: "JJG 1149-2022 v1".to_owned(),
                verdict: RemoteVerdict::NotComparable,
            };
            super::estimate(t, &estimate).why
        };
        assert!(why(0).starts_with("No charge of this pile") && !why(0).contains("vehicles"), "{}", why(0));
        assert!(why(3).starts_with("Too few vehicles in common"), "{}", why(3));
    }

    // By hand: 672 of 20,953 Wh are +3.207 %; 700.1004 of 20,700.6 are 3.382 %, 0.2 of 20,001.1 are 0.001 %.
    #[test]
    fn what_a_charge_shows_is_rounded_and_not_cut_off() {
        let t = Texts::in_language(Language::En);
        let decimal = |text: &str| text.parse::<Decimal>().expect("literal");
        let line = |pile: &str, vehicle: &str| {
            let record = ChargeRecord {
                charge_no: 1,
                connector: Some(1),
                started_at: None,
                ended_at: None,
                energy_pile_wh: Some(decimal(pile)),
                energy_vehicle_wh: Some(decimal(vehicle)),
                vehicle_path: None,
                marks: Vec::new(),
            };
            let line = charge(t, &record);
            (line.pile_kwh, line.vehicle_kwh, line.difference)
        };
        let told = |pile: &str, vehicle: &str, difference: &str| {
            (pile.to_owned(), vehicle.to_owned(), difference.to_owned())
        };
        assert_eq!(line("21625", "20953"), told("21.625", "20.953", "+3.21 %"));
        assert_eq!(line("20000.4996", "20700.6"), told("20.000", "20.701", "-3.38 %"));
        assert_eq!(line("20000.9", "20001.1"), told("20.001", "20.001", "0.00 %"));
    }

    #[test]
    fn a_full_page_is_the_last_where_nothing_follows() {
        for (read, last) in
            [(vec![], None), (vec![1, 2], None), (vec![1, 2, 3], None), (vec![1, 2, 3, 4], Some(3))]
        {
            let mut rows = read.clone();
            assert_eq!(cut_to_page(&mut rows, 3).copied(), last, "{read:?}");
            assert_eq!(rows, read[..read.len().min(3)]);
        }
    }

    #[test]
    fn a_name_is_cut_visibly_and_turns_nothing_around() {
        assert_eq!(name("三阳 <b>站"), "三阳 <b>站", "templates escape");
        assert_eq!(name(&"长".repeat(100)), "长".repeat(100));
        assert_eq!(name(&"长".repeat(101)), "长".repeat(100) + "…");
        assert_eq!(note(&"长".repeat(101)), "长".repeat(101));
        assert_eq!(name("a\u{202E}b\u{2069}c\u{7}d\ne\u{85}"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}d e\u{FFFD}");
        // Marks that Arabic and Hebrew need stay.
        assert_eq!(name("\u{627}\u{200F}!"), "\u{627}\u{200F}!");
    }

    #[test]
    fn what_is_stored_as_a_code_is_told_in_words() {
        assert_eq!([protocol("ocpp2.0.1"), protocol("other")], ["OCPP 2.0.1", "other"]);
        let zh = |text: &str| rule(Texts::in_language(Language::Zh), text);
        let stored = format!("JJG 1149-2022 v1; {THREE_ZONES}, from 10 charges");
        assert_eq!(zh(&stored), "JJG 1149-2022 v1; 三区判定，单侧 95 %，v1; 至少 10 次充电");
        assert_eq!(zh("JJG 1149-2022 v1"), "JJG 1149-2022 v1");
        let en = rule(Texts::in_language(Language::En), &stored);
        assert_eq!(en, "JJG 1149-2022 v1; three zones, one-sided 95 %, v1; from 10 charges on");
        assert_eq!(BY_BALANCE, veripile_assessment::BY_BALANCE);
        let assured = format!("JJG 1149-2022 v1; {ASSURED_ZONES}, from 10 charges");
        assert_eq!(
            zh(&assured),
            "JJG 1149-2022 v1; 三区判定，单侧 95 %，超限须达 99.9 %，v2; 至少 10 次充电"
        );
        let balanced = format!("JJG 1149-2022 v1; {THREE_ZONES}, {BY_BALANCE}");
        assert_eq!(zh(&balanced), "JJG 1149-2022 v1; 三区判定，单侧 95 %，v1; 依电能平衡，不限充电次数");
    }
}
