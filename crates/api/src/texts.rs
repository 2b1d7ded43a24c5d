//! Every text that people read, in Chinese and English, from one table.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::http::header::{AcceptLanguage, Quality};
use actix_web::{HttpMessage, HttpRequest};
use serde::Deserialize;

/// The table.
const TABLE: &str = include_str!("../texts.toml");

#[derive(Deserialize)]
struct Entry {
    zh: String,
    en: String,
}

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Zh,
    En,
}

impl Language {
    /// Of a tag such as `zh`, `en-US` or `EN`; none of another language.
    fn of(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

/// Of the languages that a browser tells, the first of ours by their weights.
fn preferred(request: &HttpRequest) -> Option<Language> {
    let mut told = request.get_header::<AcceptLanguage>()?.0;
    told.retain(|one| Quality::ZERO < one.quality);
    told.sort_by_key(|one| Reverse(one.quality));
    told.iter().find_map(|one| Language::of(one.item.item()?.primary_language()))
}

/// The texts in one language.
pub(crate) struct Texts {
    pub(crate) language: Language,
    texts: BTreeMap<String, String>,
}

static TEXTS: LazyLock<(Texts, Texts)> = LazyLock::new(|| {
    let table: BTreeMap<String, Entry> = toml::from_str(TABLE).expect("a test reads the table");
    let of = |language, pick: fn(&Entry) -> &String| Texts {
        language,
        texts: table.iter().map(|(key, entry)| (key.clone(), pick(entry).clone())).collect(),
    };
    (of(Language::Zh, |entry| &entry.zh), of(Language::En, |entry| &entry.en))
});

impl Texts {
    /// The texts of a language.
    pub(crate) fn in_language(language: Language) -> &'static Self {
        match language {
            Language::Zh => &TEXTS.0,
            Language::En => &TEXTS.1,
        }
    }

    /// The texts that a request asks for: by `lang` in its address, else in whichever of ours it would rather read, else in Chinese.
    pub(crate) fn of_request(request: &HttpRequest) -> &'static Self {
        let mut asked = request.query_string().split('&').filter_map(|part| part.strip_prefix("lang="));
        let language = asked.find_map(Language::of).or_else(|| preferred(request));
        Self::in_language(language.unwrap_or(Language::Zh))
    }

    /// The text of a key. A key that is not in the table shows itself; a test keeps that from happening.
    pub(crate) fn of<'a>(&'a self, key: &'a str) -> &'a str {
        self.texts.get(key).map_or(key, String::as_str)
    }

    /// The text of a key made at run time; tests name all such keys. One that is not in the table is empty.
    pub(crate) fn of_owned(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// What a problem says in this language: the table has it under its English words ([`key_of_problem`]), without what stands in
    /// brackets behind them. Codes stay as they are. None in Chinese where the table does not have it.
    pub(crate) fn problem<'a>(&'a self, english: &'a str) -> Option<&'a str> {
        let is_code = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        };
        if !self.is_zh() || english.split(", ").all(is_code) {
            return Some(english);
        }
        let bare = english.split(" (").next().unwrap_or(english);
        self.texts.get(&key_of_problem(bare)).map(String::as_str)
    }

    /// Whether Chinese.
    pub(crate) fn is_zh(&self) -> bool {
        self.language == Language::Zh
    }

    /// Language code for HTML.
    pub(crate) fn code(&self) -> &'static str {
        if self.is_zh() { "zh-CN" } else { "en" }
    }

    /// The language of documents and their charts.
    pub(crate) fn document_language(&self) -> veripile_verification::texts::Language {
        match self.language {
            Language::Zh => veripile_verification::texts::Language::Zh,
            Language::En => veripile_verification::texts::Language::En,
        }
    }

    /// Short code for links.
    pub(crate) fn short(&self) -> &'static str {
        if self.is_zh() { "zh" } else { "en" }
    }

    /// What the element of a name or an address says of its language, with a blank before; nothing where it is the page's. A name in Chinese on
    /// an English page is read out wrongly without it; whoever reads Chinese aloud reads Latin letters, too.
    pub(crate) fn lang_of(&self, text: &str) -> &'static str {
        let is_han = |c: char| matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}');
        if !self.is_zh() && text.chars().any(is_han) { " lang=\"zh-CN\"" } else { "" }
    }

    /// Picks the name in this language.
    pub(crate) fn pick<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        if self.is_zh() { zh } else { en }
    }
}

/// The key of a problem's text: its English letters and digits.
fn key_of_problem(english: &str) -> String {
    let lower = english.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!("problem.{}", words.join("_"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use actix_web::test::TestRequest;
    use veripile_assessment::interval::Withdrawn;
    use veripile_assessment::signals::{Code, Phrase};
    use veripile_metrology::batch::BatchDecision;
    use veripile_ocpp::conformance::Breach;
    use veripile_ocpp::signing::Reason;
    use veripile_pile::{ActKind, ConnectorType, Mark, PlaceDoubt, RemoteVerdict, State};
    use veripile_store::finder::Only;
    use veripile_store::tally::GroupBy;

    use super::*;

    #[test]
    fn a_name_in_chinese_says_so_on_an_english_page_only() {
        let told = |text: &str| [Language::Zh, Language::En].map(|one| Texts::in_language(one).lang_of(text));
        for text in ["梁溪区", "宜兴市 & Co", "𠮷野", "三阳 A"] {
            assert_eq!(told(text), ["", " lang=\"zh-CN\""], "{text}");
        }
        for text in ["", "Taihu Charging", "2026-01-05", "C-1 · №7", "Élan"] {
            assert_eq!(told(text), ["", ""], "{text}");
        }
    }

    /// Tables that people read say which of their cells are headings, and of what.
    #[test]
    fn every_heading_of_a_table_has_a_scope() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        for entry in fs::read_dir(folder).expect("templates") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a template");
            let bare = text.match_indices("<th").find(|(at, _)| {
                let rest = &text[at + 3..];
                !rest.starts_with("ead") && !rest.starts_with(" scope=\"")
            });
            assert!(bare.is_none(), "{}: {bare:?}", path.display());
        }
    }

    /// Reasons of attempts to connect, as `gateway` notes them.
    const ATTEMPTS: [&str; 13] = [
        "connected",
        "identity",
        "unknown",
        "inbox_full",
        "no_tls",
        "no_key_made",
        "no_credentials",
        "wrong_user",
        "wrong_key",
        "certificate",
        "too_often",
        "subprotocol",
        "store",
    ];

    /// Why a line of metering readiness stands as it does (`ocpp::readiness::Reason`).
    const REASONS: [&str; 19] = [
        "as_wanted",
        "not_read",
        "key_unknown",
        "sampling_off",
        "not_listed",
        "phases_only",
        "no_number",
        "too_slow",
        "too_fast",
        "whole_wh_only",
        "ends_missing",
        "no_time_seen",
        "bad_clock",
        "offset_large",
        "not_aligned",
        "not_signed",
        "no_public_key",
        "no_vehicle_energy",
        "nothing_from_vehicle",
    ];

    /// Outcomes of orders, as `gateway` notes them, and the two of one that is on its way.
    const OUTCOMES: [&str; 9] =
        ["accepted", "refused", "error", "late", "gone", "busy", "expired", "sent", "waiting"];

    /// Stages of a run (`veripile_verification::run::Progress`).
    const STAGES: [&str; 11] = [
        "waiting",
        "preparing",
        "warming_up",
        "reading",
        "finishing",
        "troubled",
        "giving_up",
        "measured",
        "abandoned",
        "awaiting_charge",
        "awaiting_point",
    ];

    /// Lines of a budget (`veripile_verification::result::BudgetLine`).
    const BUDGET: [&str; 9] = [
        "standard",
        "standard_drift",
        "repeatability",
        "resolution",
        "register_time",
        "phase",
        "ripple",
        "self_heating",
        "cable",
    ];

    /// Files whose problems are told to programs only.
    const FOR_PROGRAMS: [&str; 13] = [
        "api.rs",
        "archive.rs",
        "station_list.rs",
        "history.rs",
        "next_date.rs",
        "dumps.rs",
        "tiles.rs",
        "list.rs",
        "document.rs",
        "charge.rs",
        "door.rs",
        "health.rs",
        "problem.rs",
    ];

    /// The words of problems that a source file can tell, as far as they stand there as literals.
    fn problems(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code =
            code.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\ ", "").replace("( ", "(");
        let literal = |text: &str| {
            let text = text.trim_start_matches(['&', ' ']).strip_prefix("format!(").unwrap_or(text);
            Some(text.trim_start_matches(['&', ' ']).strip_prefix('"')?.split('"').next()?.to_owned())
        };
        let after = |call: &'static str| code.split(call).skip(1);
        let mut found = Vec::new();
        for call in ["missing(", "busy(", "forbidden(", "unavailable(", "too_large("] {
            found.extend(after(call).filter_map(literal));
        }
        let second = |text: &str| literal(text.split_once(", ")?.1);
        found.extend(after("Problem::parameter(").filter_map(second));
        let last = |text: &str| {
            let call = text.split(';').next()?;
            literal(&call[call.find('"')?..])
        };
        found.extend(after("demand(").filter_map(last));
        found.extend(after("const ORDERS: &str = ").chain(after("const KEEPS: &str = ")).filter_map(literal));
        found
    }

    /// Keys in quotes after `.of(` in templates, sources and scripts.
    fn used() -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut used = BTreeSet::new();
        for folder in ["src", "src/op", "src/ver", "src/ocpi", "src/certificate", "src/pile", "templates"] {
            for entry in fs::read_dir(root.join(folder)).expect("there") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    continue;
                }
                let is_for_people =
                    path.file_name().is_some_and(|name| !FOR_PROGRAMS.iter().any(|one| name == *one));
                let text = fs::read_to_string(path).expect("UTF-8");
                if is_for_people {
                    let bare = |words: &String| key_of_problem(words.split(" (").next().unwrap_or_default());
                    let is_code =
                        |words: &String| Texts::in_language(Language::Zh).problem(words) == Some(words);
                    used.extend(problems(&text).iter().filter(|words| !is_code(words)).map(bare));
                }
                for part in text.split(".of(\"").skip(1) {
                    used.insert(part.split('"').next().unwrap_or_default().to_owned());
                }
            }
        }
        used.extend(State::ALL.map(|state| format!("about.state.{}", state.word())));
        let states = State::ALL.iter().map(|state| format!("state.{}", state.word()));
        let marks = Mark::ALL.iter().map(|mark| format!("mark.{}", mark.code()));
        let statuses = crate::view::STATUS_TEXTS.iter().map(|(_, key)| (*key).to_owned());
        let acts = ActKind::ALL.iter().map(|kind| format!("act.{}", kind.word()));
        let verdicts = ["conform", "nonconform", "undecided", "not_comparable"];
        assert!(verdicts.iter().all(|word| RemoteVerdict::from_word(word).is_some()));
        let verdicts = verdicts.iter().flat_map(|v| [format!("verdict.{v}"), format!("verdict.{v}.why")]);
        // Told through a closure, or by the query API's own reading of a box.
        used.extend(
            [
                "the database cannot answer now; try again in a minute",
                crate::problem::TOO_LARGE,
                "a number, not negative",
                "a number from 1 to 200; narrow the search instead",
                "longitude,latitude in degrees",
                "west,south,east,north in degrees, west ≤ east and south ≤ north",
                "longitudes from -180 to 180 and latitudes from -90 to 90; over the 180th meridian ask for each side of it",
            ]
            .map(key_of_problem),
        );
        used.extend(veripile_ocpp::signed::CODES.map(|code| format!("record.{code}")));
        used.insert(format!("record.{}", crate::check::KEY_ENTERED));
        let words = crate::check::WORDS.iter().chain([&crate::check::KEY_UNREADABLE]);
        let checks = words.flat_map(|w| [format!("check.{w}"), format!("check.{w}.why")]);
        used.extend(checks);
        let made = |prefix: &'static str, words: &'static [&'static str], suffix: &'static str| {
            words.iter().map(move |word| format!("{prefix}.{word}{suffix}"))
        };
        used.extend(made("attempt", &ATTEMPTS, "").chain(made("attempt", &ATTEMPTS, ".next")));
        used.extend(made("caller", &["charger", "call", "upstream_call", "unreadable"], ""));
        used.extend(made("outcome", &OUTCOMES, ""));
        used.extend(made("register", &["lifetime", "session", "reset_on_boot", "unknown"], ""));
        used.extend(made("finding", &["charge", "answer", "other"], ""));
        let refusals = Reason::ALL.map(Reason::code);
        used.extend(refusals.iter().flat_map(|code| [format!("sign.{code}"), format!("sign.{code}.next")]));
        used.extend(Only::ALL.map(|only| format!("find.{}", only.word())));
        used.extend(GroupBy::ALL.map(|by| format!("stats.by_{}", by.word())));
        used.extend(ConnectorType::ALL.map(|one| format!("connector.{}", one.word())));
        let reasons = veripile_store::report::ReportReason::ALL;
        used.extend(reasons.map(|reason| format!("report.{}", reason.word())));
        used.extend(made("root", &crate::op::CERTIFICATE_KINDS, ""));
        used.extend(made("ready", &["register", "interval", "begin_end", "clock", "signed", "vehicle"], ""));
        let breaches = Breach::ALL.iter().map(|breach| breach.code());
        let findings = Mark::ALL.iter().map(|mark| mark.code()).chain(breaches);
        used.extend(findings.map(|code| format!("advice.{code}")));
        used.extend(Breach::ALL.iter().map(|breach| format!("breach.{}", breach.code())));
        used.extend(PlaceDoubt::ALL.iter().map(|doubt| format!("doubt.{}", doubt.code())));
        used.extend(made("reason", &REASONS, ""));
        used.extend(crate::op::SAMPLING_PERCENTAGES.map(|(.., label)| label.to_owned()));
        used.extend(of_verifications());
        used.extend(of_assessments());
        used.extend(statuses.chain(states).chain(marks).chain(acts).chain(verdicts));
        used
    }

    /// Keys made of the words of assessments, as `assessment::signals`, `operators` and `interval` write them.
    fn of_assessments() -> Vec<String> {
        let mut keys: Vec<String> =
            crate::chart::EventKind::ALL.iter().map(|kind| kind.key().to_owned()).collect();
        let mut add = |prefix: &str, words: &[&str]| {
            keys.extend(words.iter().map(|word| format!("{prefix}.{word}")));
        };
        add("severity", &crate::signals::SEVERITIES);
        add("batch", &BatchDecision::ALL.map(BatchDecision::word));
        add("signal", &Code::ALL.map(Code::word));
        add("said", &Phrase::ALL.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        add("withdrawn", &Withdrawn::ALL.map(Withdrawn::word));
        add("balance", &["balanced", "biased", "undecided"]);
        add("history", &["steady", "stepped", "unchanged"]);
        keys
    }

    /// Keys made of the words of verifications.
    fn of_verifications() -> Vec<String> {
        use veripile_store::verification::{CertificateStatus, OrderState, QuestionReason};
        use veripile_verification::consistency::Difference::{
            BadSignature, Bill, NoBill, NoRegister, NotSigned, Samples, Signed,
        };
        use veripile_verification::run::Why;
        use veripile_verification::{
            CertificateKind, InstrumentRole, ItemCode, Reason as OrderReason, Verdict,
        };

        let mut keys = Vec::new();
        let mut add = |prefix: &str, words: &[&str]| {
            keys.extend(words.iter().map(|word| format!("{prefix}.{word}")));
        };
        add("order", &OrderState::ALL.map(OrderState::word));
        add("reason_of_order", &OrderReason::ALL.map(OrderReason::word));
        add("item", &ItemCode::ALL.map(ItemCode::word));
        add("why", &Why::ALL.map(Why::word));
        add("status_of", &CertificateStatus::ALL.map(CertificateStatus::word));
        add("question", &QuestionReason::ALL.map(QuestionReason::word));
        add("found", &[Verdict::Conform, Verdict::Nonconform, Verdict::Undecided].map(Verdict::word));
        add("document", &[CertificateKind::Certificate, CertificateKind::Notice].map(CertificateKind::word));
        add("instrument", &[InstrumentRole::Source, InstrumentRole::Standard].map(InstrumentRole::word));
        add("stage", &STAGES);
        add("budget", &BUDGET);
        add("distribution", &["normal", "student", "rectangular", "triangular", "u_shaped"]);
        add("to_verify", &["question", "expiring", "expired"]);
        let whys = CertificateStatus::ALL.map(|status| format!("status_of.{}.why", status.word()));
        let differences = [NoRegister, NotSigned, BadSignature, NoBill, Samples, Signed, Bill];
        keys.extend(whys);
        keys.extend(differences.map(|difference| crate::ver::difference_key(difference).to_owned()));
        keys.extend(
            crate::ver::PLAN_WORDS.iter().chain(&crate::ver::PLAN_EXPECTED).map(|(_, key)| (*key).to_owned()),
        );
        keys
    }

    #[test]
    fn the_table_has_every_text_in_use_in_both_languages_and_no_other() {
        let table: BTreeMap<String, Entry> = toml::from_str(TABLE).expect("readable");
        for (key, entry) in &table {
            assert!(!entry.zh.is_empty() && !entry.en.is_empty(), "{key} lacks a language");
        }
        let known: BTreeSet<String> = table.into_keys().collect();
        let used = used();
        let missing: Vec<_> = used.difference(&known).collect();
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(missing.is_empty() && unused.is_empty(), "missing {missing:?}, unused {unused:?}");
    }
    /// Places in braces of a sentence; `{more}` is an effect with its uncertainty.
    fn places(text: &str) -> BTreeSet<&str> {
        let named = text.split('{').skip(1).filter_map(|part| part.split('}').next());
        named.flat_map(|name| if name == "more" { vec!["effect", "u"] } else { vec![name] }).collect()
    }

    #[test]
    fn a_reader_gets_the_first_of_our_languages_that_they_read() {
        for (address, accepted, expected) in [
            ("/", "", Language::Zh),
            ("/", "en-US,en;q=0.9", Language::En),
            ("/", "de-DE,de;q=0.9,en;q=0.8", Language::En),
            ("/", "ja,en-US;q=0.7", Language::En),
            ("/", "ja, EN-gb;q=0.7, zh;q=0.8", Language::Zh),
            ("/", "en;q=0, zh;q=0.1", Language::Zh),
            ("/", "zh-Hant-TW,en", Language::Zh),
            ("/", "fr, *;q=0.1", Language::Zh),
            ("/?q=1&lang=EN", "zh", Language::En),
            ("/?lang=zh-CN", "en", Language::Zh),
            ("/?lang=fr", "en", Language::En),
            ("/?lang=fr&lang=en", "zh", Language::En),
        ] {
            let request = TestRequest::with_uri(address).insert_header(("Accept-Language", accepted));
            let texts = Texts::of_request(&request.to_http_request());
            assert_eq!(texts.language, expected, "{address} {accepted}");
        }
    }

    #[test]
    fn whatever_a_finding_can_say_has_a_sentence_in_both_languages_with_the_same_values() {
        let table: BTreeMap<String, Entry> = toml::from_str(TABLE).expect("readable");
        for (key, values) in Phrase::ALL {
            let entry = &table[&format!("said.{key}")];
            let values: BTreeSet<&str> = values.iter().copied().collect();
            assert_eq!((places(&entry.zh), places(&entry.en)), (values.clone(), values), "{key}");
            let is_chinese = entry.zh.chars().any(|c| ('一'..='龥').contains(&c));
            assert!(is_chinese && (entry.en.is_ascii() || entry.en.contains('Δ')), "{key}");
        }
        assert_eq!(places("{a} of {more}: {b}"), BTreeSet::from(["a", "b", "effect", "u"]));
    }
}
