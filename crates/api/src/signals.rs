//! What assessments found remarkable, how operators' errors balance, and next dates: for those in charge, never for the public.
//!
//! `/op/signals`, `/op/dates`, and `/api/v1/piles/{id}/signals`, `/api/v1/balances` for whoever is signed in; results that contradict
//! everything else ([`crate::contradictions`]) and piles that relay what no vehicle said ([`crate::doubts`]) stand beside findings. A finding is a
//! reason to look: pages say so, and an operator sees its own.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use veripile_pile::PileId;
use veripile_store::next_date::DATES_PER_PAGE_MAX;
use veripile_store::signal::{BalanceRecord, NotLookedFor, SIGNALS_PER_PAGE_MAX, Saying, SignalRecord};

use crate::Site;
use crate::api::json;
use crate::contradictions;
use crate::doubts;
use crate::history::{self, Proposed};
use crate::problem::{Problem, html};
use crate::sentence;
use crate::session::{Person, Visitor, private};
use crate::texts::{Language, Texts};
use crate::view;

/// Severities, the gravest first.
pub(crate) const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

/// What stands in the query API in the place of findings where nobody looked for any.
const NOT_LOOKED_FOR: &str = "not_looked_for";

/// A finding's line.
pub(crate) struct SignalLine {
    pub(crate) subject: String,
    /// Of a pile: its page.
    pub(crate) href: Option<String>,
    pub(crate) severity: &'static str,
    pub(crate) severity_text: String,
    pub(crate) name: String,
    pub(crate) detail: String,
    /// Whether that is a sentence of before, which is English on every page.
    pub(crate) is_english: bool,
    pub(crate) when: String,
    pub(crate) p_value: String,
    pub(crate) charges: String,
}

struct BalanceLine {
    operator: String,
    word: String,
    balance: String,
    mean: String,
    energy: String,
    excess: String,
    /// In money, and over what share of the energy prices are known.
    money: String,
    piles: i64,
}

struct DateLine {
    pile: String,
    href: String,
    due: Option<String>,
    without: &'static str,
    reasons: Vec<String>,
}

#[derive(Template)]
#[template(path = "op_signals.html")]
struct SignalsPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    severity: &'a str,
    severities: Vec<(&'static str, String)>,
    as_of: Option<String>,
    balances: Vec<BalanceLine>,
    contradictions: Vec<SignalLine>,
    /// How many more contradict, in words.
    more: Option<String>,
    /// Piles that relay what no vehicle said.
    doubts: Vec<SignalLine>,
    /// How many more of them there are, in words.
    more_doubts: Option<String>,
    /// That nobody looked for any.
    not_looked_for: Option<String>,
    /// For which of them nothing tells enough.
    not_asked: Option<String>,
    signals: Vec<SignalLine>,
    next: Option<i32>,
}

#[derive(Template)]
#[template(path = "op_dates.html")]
struct DatesPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    as_of: Option<String>,
    dates: Vec<DateLine>,
    next: Option<String>,
}

/// Which findings.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    after: i32,
}

/// GET `/op/signals`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    in_charge(&person)?;
    let t = Texts::of_request(&request);
    let severity = SEVERITIES.into_iter().find(|word| *word == asked.severity);
    let scope = person.scope.as_ref();
    let mut signals = site.store.signals(scope, severity, asked.after, SIGNALS_PER_PAGE_MAX + 1).await?;
    let next = view::cut_to_page(&mut signals, SIGNALS_PER_PAGE_MAX as usize).map(|last| last.place);
    let (mut balances, mut contradictory, mut doubted) = (Vec::new(), (Vec::new(), 0), (Vec::new(), 0));
    if asked.after == 0 {
        balances = site.store.balances(scope).await?;
        contradictory = site.store.contradictions(scope, None).await?;
        doubted = site.store.doubts(scope, None).await?;
    }
    let (contradictions, more) = contradictions::lines(t, &contradictory);
    let (doubts, more_doubts) = doubts::lines(t, &doubted);
    let skipped = site.store.signals_not_looked_for().await?;
    let as_of = signals.first().map(|signal| signal.as_of).or(balances.first().map(|balance| balance.as_of));
    let as_of = as_of.or(skipped.map(|skipped| skipped.as_of));
    let page = SignalsPage {
        t,
        simulated: site.settings.simulated,
        here: format!("/op/signals?severity={}", severity.unwrap_or_default()),
        person: &person,
        severity: severity.unwrap_or_default(),
        severities: SEVERITIES
            .map(|word| (word, t.of_owned(&format!("severity.{word}")).to_owned()))
            .to_vec(),
        as_of: as_of.map(view::minute),
        balances: balances.iter().map(|balance| self::balance(t, balance)).collect(),
        contradictions,
        more,
        doubts,
        more_doubts,
        not_looked_for: skipped.map(|skipped| not_looked_for(t, skipped)),
        not_asked: not_asked(t, &site.store.signals_not_asked().await?),
        signals: signals.iter().map(|signal| line(t, signal)).collect(),
        next,
    };
    Ok(private(html(StatusCode::OK, &page)))
}

/// Signals by code that could not be asked for; none where all were.
fn not_asked(t: &Texts, codes: &[String]) -> Option<String> {
    let names: Vec<&str> = codes.iter().map(|code| t.of_owned(&format!("signal.{code}"))).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    (!names.is_empty()).then(|| t.of("signals.not_asked").replace("{names}", &names.join(t.of("comma"))))
}

/// After which date.
#[derive(Deserialize, Default)]
pub(crate) struct After {
    #[serde(default)]
    due: String,
    #[serde(default)]
    after: String,
}

/// GET `/op/dates`.
pub(crate) async fn dates(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    asked: web::Query<After>,
) -> Result<HttpResponse, Problem> {
    in_charge(&person)?;
    let t = Texts::of_request(&request);
    let due: Option<Date> = match asked.due.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| Problem::parameter("due", "a day, e.g. 2027-01-31"))?),
    };
    let after = Some((due, asked.after.as_str())).filter(|(_, pile)| !pile.is_empty());
    let mut dates = site.store.next_dates(person.scope.as_ref(), after, DATES_PER_PAGE_MAX + 1).await?;
    let next = view::cut_to_page(&mut dates, DATES_PER_PAGE_MAX as usize).map(|last| {
        let due = last.due_on.map(|due| due.to_string()).unwrap_or_default();
        format!("due={due}&after={}", view::segment(&last.pile_id))
    });
    let now = Timestamp::now();
    let page = DatesPage {
        t,
        simulated: site.settings.simulated,
        here: "/op/dates?".to_owned(),
        person: &person,
        as_of: dates.first().map(|date| view::minute(date.as_of)),
        dates: dates
            .iter()
            .map(|date| {
                let Proposed { due, without, reasons, .. } = history::next_date(t, date, now);
                DateLine { href: href(t, &date.pile_id), pile: date.pile_id.clone(), due, without, reasons }
            })
            .collect(),
        next,
    };
    Ok(private(html(StatusCode::OK, &page)))
}

/// Operators see their own, administrators all, others nothing.
pub(crate) fn in_charge(person: &Person) -> Result<(), Problem> {
    if person.scope.is_some() || person.is_administrator() {
        Ok(())
    } else {
        Err(Problem::forbidden("only an operator or an administrator sees findings"))
    }
}

pub(crate) fn href(t: &Texts, pile_id: &str) -> String {
    format!("/op/piles/{}?lang={}", view::segment(pile_id), t.short())
}

/// What is said of a finding, in a language.
fn detail(t: &Texts, signal: &SignalRecord) -> String {
    if signal.said.is_empty() { signal.detail.clone() } else { sentence::said(t, &signal.said) }
}

/// That findings were not looked for, and why: no finding is then no good sign.
pub(crate) fn not_looked_for(t: &Texts, skipped: NotLookedFor) -> String {
    t.of("signals.not_looked_for").replace("{n}", &skipped.charges.to_string())
}

/// The same for the query API, where findings stand.
fn nothing_looked_for(skipped: NotLookedFor) -> Signal {
    Signal {
        as_of: skipped.as_of.to_string(),
        code: NOT_LOOKED_FOR.to_owned(),
        severity: "info".to_owned(),
        statistic: skipped.charges as f64,
        p_value: None,
        from: None,
        to: None,
        detail: not_looked_for(Texts::in_language(Language::En), skipped),
        detail_zh: not_looked_for(Texts::in_language(Language::Zh), skipped),
        said: vec![Said {
            key: NOT_LOOKED_FOR.to_owned(),
            values: BTreeMap::from([("charges".to_owned(), skipped.charges.to_string())]),
        }],
        charges: Vec::new(),
    }
}

/// Makes a finding's line.
pub(crate) fn line(t: &Texts, signal: &SignalRecord) -> SignalLine {
    let severity = SEVERITIES.into_iter().find(|word| *word == signal.severity).unwrap_or("info");
    let subject = match (&signal.pile_id, &signal.station_id, &signal.operator_id) {
        (Some(pile), ..) => pile.clone(),
        (None, Some(station), _) => format!("{} {station}", t.of("pile.station")),
        (None, None, Some(operator)) => format!("{} {operator}", t.of("pile.operator")),
        (None, None, None) => String::new(),
    };
    let when = match (signal.from, signal.to) {
        (Some(from), Some(to)) => format!("{} – {}", view::day(from), view::day(to)),
        (Some(at), None) | (None, Some(at)) => view::day(at),
        (None, None) => String::new(),
    };
    SignalLine {
        href: signal.pile_id.as_ref().map(|pile| href(t, pile)),
        subject,
        severity,
        severity_text: t.of_owned(&format!("severity.{severity}")).to_owned(),
        name: t.of_owned(&format!("signal.{}", signal.code)).to_owned(),
        detail: detail(t, signal),
        is_english: signal.said.is_empty(),
        when,
        p_value: signal.p_value.map(|p| format!("p = {p:.1e}")).unwrap_or_default(),
        charges: signal.charges.iter().map(|charge| format!("#{charge}")).collect::<Vec<_>>().join(" "),
    }
}

fn balance(t: &Texts, balance: &BalanceRecord) -> BalanceLine {
    let kwh = |value: f64| sentence::figure(format!("{value:+.0}"));
    BalanceLine {
        operator: t.pick(&balance.names.0, &balance.names.1).to_owned(),
        word: balance.balance.clone(),
        balance: t.of_owned(&format!("balance.{}", balance.balance)).to_owned(),
        mean: match (balance.mean_error, balance.standard_uncertainty) {
            (Some(mean), Some(u)) => format!("{} (u = {:.2} %)", sentence::percent(mean), 100.0 * u),
            _ => t.of("dash").to_owned(),
        },
        energy: balance.energy_kwh.round().to_string(),
        excess: balance.excess_kwh.map_or(t.of("dash").to_owned(), |[value, lower, upper]| {
            format!("{} ({} … {})", kwh(value), kwh(lower), kwh(upper))
        }),
        money: money(t, balance),
        piles: balance.piles,
    }
}

/// A phrase as data.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Said {
    /// Which, e.g. `step_since`
    pub(crate) key: String,
    /// Numbers, dates and names by name; `effect` is a signed percentage, `u` its standard uncertainty in percent
    pub(crate) values: BTreeMap<String, String>,
}

impl From<Saying> for Said {
    fn from(Saying { key, values }: Saying) -> Self {
        Self { key, values }
    }
}

/// The money at stake with its interval, and, unless it is all of it, the share of the energy whose price is known.
fn money(t: &Texts, balance: &BalanceRecord) -> String {
    let Some([value, lower, upper]) = balance.excess_cny else { return t.of("dash").to_owned() };
    let [value, lower, upper] =
        [value, lower, upper].map(|amount| sentence::figure(format!("{:+}", amount.round())));
    let told = format!("{value} ({lower} … {upper})");
    match balance.priced_share.filter(|share| *share < 0.995) {
        Some(share) => {
            let share = format!("{:.0} %", 100.0 * share);
            format!("{told} · {}", t.of("balance.priced").replace("{share}", &share))
        }
        None => told,
    }
}

/// Something remarkable about a pile: a reason to look, never a verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Signal {
    pub(crate) as_of: String,
    /// What, e.g. `step`, `register_gap`, `forged_vehicle_data`; `contradictory_result` is of its on-site result and
    /// `contradictory_balance` of its station's master meter, not of its charges; by
    /// `doubted_values` no vehicle said what it relays, and it is not held to conform; `not_looked_for` says that the
    /// assessment had too many charges to look for any
    pub(crate) code: String,
    /// info, warning or critical
    pub(crate) severity: String,
    pub(crate) statistic: f64,
    /// Probability of as much by chance, over all questions asked; none for a finding that follows from arithmetic
    pub(crate) p_value: Option<f64>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    /// What is said of it, in English
    pub(crate) detail: String,
    /// The same in Chinese; English, too, in findings of before
    pub(crate) detail_zh: String,
    /// The same as data: phrases that follow one another; empty in findings of before
    pub(crate) said: Vec<Said>,
    /// Numbers of the charges it rests on most
    pub(crate) charges: Vec<i64>,
}

/// Findings about a pile, for its operator or an administrator signed in: reasons to look, never verdicts
#[utoipa::path(get, path = "/api/v1/piles/{id}/signals", params(("id" = String, Path, description = "Pile identifier")), responses(
    (status = 200, description = "Findings of the newest assessment, 200 at most, after its on-site result where that contradicts all else and what it relays where no vehicle said it", body = Vec<Signal>),
    (status = 403, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such pile among one's own", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn of_pile(
    site: web::Data<Site>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let Some(person) = visitor.0 else {
        return Err(Problem::forbidden(
            "findings are shown to the pile's operator and to administrators; sign in at /op",
        ));
    };
    in_charge(&person)?;
    let missing = || Problem::missing("no pile of yours has this identifier");
    let pile_id = PileId::parse(&id).map_err(|_| missing())?;
    site.store.console_pile(person.scope.as_ref(), &pile_id).await?.ok_or_else(missing)?;
    let (contradictory, _) = site.store.contradictions(person.scope.as_ref(), Some(&pile_id)).await?;
    let (doubted, _) = site.store.doubts(person.scope.as_ref(), Some(&pile_id)).await?;
    let signals = site.store.signals_of_pile(&pile_id).await?.into_iter().map(|signal| Signal {
        detail: detail(Texts::in_language(Language::En), &signal),
        detail_zh: detail(Texts::in_language(Language::Zh), &signal),
        as_of: signal.as_of.to_string(),
        code: signal.code,
        severity: signal.severity,
        statistic: signal.statistic,
        p_value: signal.p_value,
        from: signal.from.map(|at| at.to_string()),
        to: signal.to.map(|at| at.to_string()),
        said: signal.said.into_iter().map(Said::from).collect(),
        charges: signal.charges,
    });
    let skipped = site.store.signals_not_looked_for().await?.map(nothing_looked_for);
    let first = skipped.into_iter().chain(contradictory.iter().map(contradictions::signal));
    let all: Vec<Signal> = first.chain(doubted.iter().map(doubts::signal)).chain(signals).collect();
    Ok(private(json("application/json", &all)))
}

/// A quantity with its 95 % interval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Interval {
    #[schema(value_type = String)]
    value: Decimal,
    #[schema(value_type = String)]
    lower95: Decimal,
    #[schema(value_type = String)]
    upper95: Decimal,
}

impl Interval {
    fn of([value, lower95, upper95]: [Decimal; 3]) -> Self {
        Self { value, lower95, upper95 }
    }

    /// In whole watt hours; none where it is no number.
    fn of_kwh([value, lower95, upper95]: [f64; 3]) -> Option<Self> {
        let decimal = |kwh: f64| Decimal::try_from(kwh).ok().map(|kwh| kwh.round_dp(3));
        Some(Self::of([decimal(value)?, decimal(lower95)?, decimal(upper95)?]))
    }
}

/// How an operator's errors balance: legal pile by pile, and all to one side? A reason to look, never a verdict. Energies and amounts are
/// decimal numbers in strings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Balance {
    as_of: String,
    operator_id: String,
    /// Piles with a level
    piles: i64,
    /// Energy they registered, kWh
    #[schema(value_type = String)]
    energy_kwh: Decimal,
    /// Mean error, weighted by energy, percent
    mean_error_percent: Option<f64>,
    standard_uncertainty_percent: Option<f64>,
    /// Probability of so large a mean by chance, over all operators
    p_value: Option<f64>,
    /// balanced, biased or undecided
    balance: String,
    /// Energy paid for and not had, kWh
    excess_kwh: Option<Interval>,
    /// The same in money, CNY, over the energy whose price is known: at the mean of the prices by the hour that stations tell, weighted by energy, or at the highest price of the day where they tell no others
    excess_cny: Option<Interval>,
    /// Share of the energy whose price is known, 0 to 1
    priced_share: Option<f64>,
}

/// Balances of errors, for an operator its own, for an administrator all: reasons to look, never verdicts
#[utoipa::path(get, path = "/api/v1/balances", responses(
    (status = 200, description = "Balances of the newest assessment, those to the customers' cost first, 1000 at most", body = Vec<Balance>),
    (status = 403, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn balances(site: web::Data<Site>, visitor: Visitor) -> Result<HttpResponse, Problem> {
    let Some(person) = visitor.0 else {
        return Err(Problem::forbidden(
            "balances are shown to the operator and to administrators; sign in at /op",
        ));
    };
    in_charge(&person)?;
    let balances = site.store.balances(person.scope.as_ref()).await?.into_iter().map(|found| Balance {
        as_of: found.as_of.to_string(),
        operator_id: found.operator_id,
        piles: found.piles,
        energy_kwh: found.energy_kwh,
        mean_error_percent: found.mean_error.map(|error| 100.0 * error),
        standard_uncertainty_percent: found.standard_uncertainty.map(|u| 100.0 * u),
        p_value: found.p_value,
        balance: found.balance,
        excess_kwh: found.excess_kwh.and_then(Interval::of_kwh),
        excess_cny: found.excess_cny.map(Interval::of),
        priced_share: found.priced_share,
    });
    Ok(private(json("application/json", &balances.collect::<Vec<_>>())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nobody_looked_is_said_in_words_and_as_data() {
        let skipped = NotLookedFor { as_of: Timestamp::UNIX_EPOCH, charges: 4_000_001 };
        let told = nothing_looked_for(skipped);
        assert!(told.detail.contains("not looked for") && told.detail.contains("4000001"), "{}", told.detail);
        assert!(
            told.detail_zh.contains("未查找信号") && told.detail_zh.contains("4000001"),
            "{}",
            told.detail_zh
        );
        assert_eq!(
            (told.code.as_str(), told.said[0].values["charges"].as_str()),
            ("not_looked_for", "4000001")
        );
    }
}
