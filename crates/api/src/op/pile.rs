//! `/op/piles/{pile}`: everything an operator sets up and looks at of one pile: open cases with its replies, address, key, relay, readiness,
//! findings, orders with their answers, attempts.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::http::uri::Authority;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use veripile_ocpp::conformance::{self, Severity};
use veripile_ocpp::credential;
use veripile_ocpp::readiness::{self, LineCode, Report};
use veripile_pile::PileId;
use veripile_store::console::{ConnectorRegister, ConsolePile};
use veripile_store::finding::Finding;

use super::cases::{self, CaseView};
use super::certificates::{self, CertificateLine, RefusalLine};
use super::orders::{self, OrderLine};
use super::overview::{self, AttemptLine, PileLine, Token};
use crate::pile::{self, ActLine};
use crate::problem::{Problem, html, missing_page};
use crate::session::{Person, private};
use crate::signals::{self, SignalLine};
use crate::texts::Texts;
use crate::{Site, SiteSettings, client, contradictions, doubts, history, view};

/// One line of metering readiness.
struct ReadyLine {
    colour: &'static str,
    name: String,
    code: &'static str,
    reason: String,
    found: String,
    key: String,
    wanted: String,
    can_set: bool,
    readonly: bool,
}

/// One finding about how the charger speaks.
struct FindingLine {
    name: String,
    severity: &'static str,
    action: String,
    times: String,
    advice: String,
    example: String,
}

#[derive(Template)]
#[template(path = "op_pile.html")]
struct PilePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    person: &'a Person,
    line: PileLine,
    signals: Vec<SignalLine>,
    /// That nobody looked for any.
    not_looked_for: Option<String>,
    /// Open cases; an operator's own people reply to them.
    cases: Vec<CaseView<'a>>,
    /// On-site results, not yet public ones too.
    acts: Vec<ActLine>,
    /// The next date by state, or why there is none.
    date: Option<history::Proposed>,
    path: String,
    /// Full address for the charger.
    address: String,
    /// The key, on the one page that shows it.
    key: Option<String>,
    key_made: Option<String>,
    key_pending: bool,
    profile_unset: bool,
    profiles: [(i16, bool); 4],
    upstream_url: String,
    facts: Vec<(&'a str, String)>,
    ready_at: Option<String>,
    ready: Vec<ReadyLine>,
    ready_detail: Option<String>,
    score: Option<u8>,
    findings: Vec<FindingLine>,
    certificates: Vec<CertificateLine>,
    refusals: Vec<RefusalLine>,
    kinds: Vec<(&'a str, &'a str)>,
    orders: Vec<OrderLine>,
    attempts: Vec<AttemptLine>,
}

/// GET `/op/piles/{pile}`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    show(&request, &site, &person, &id, None).await
}

/// POST `/op/piles/{pile}/key`: makes a key and shows it, this once.
pub(crate) async fn new_key(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    given: web::Form<Token>,
) -> Result<HttpResponse, Problem> {
    person.owns_form(&given.token)?;
    let pile = known(&site, &person, &id).await?;
    let key = credential::text(rand::random());
    let hash = credential::hash(&key, rand::random());
    site.store.set_key(&pile.pile_id, &hash, Timestamp::now()).await?;
    tracing::info!(pile.id = %pile.pile_id, person = person.name, "a key was made");
    show(&request, &site, &person, &id, Some(key)).await
}

/// How a pile is to connect.
#[derive(Deserialize)]
pub(crate) struct AccessForm {
    token: String,
    profile: String,
    upstream: String,
}

/// POST `/op/piles/{pile}/access`.
pub(crate) async fn access(
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    given: web::Form<AccessForm>,
) -> Result<HttpResponse, Problem> {
    person.owns_form(&given.token)?;
    let pile = known(&site, &person, &id).await?;
    let profile = match given.profile.as_str() {
        "" => None,
        text => Some(
            text.parse::<i16>()
                .ok()
                .filter(|profile| (0..=3).contains(profile))
                .ok_or_else(|| Problem::parameter("profile", "0 to 3"))?,
        ),
    };
    let upstream = Some(given.upstream.trim()).filter(|url| !url.is_empty());
    if upstream.is_some_and(|url| !url.starts_with("ws://") && !url.starts_with("wss://")) {
        return Err(Problem::parameter("upstream", "an address that begins with ws:// or wss://"));
    }
    site.store.set_profile(&pile.pile_id, profile).await?;
    site.store.set_upstream(&pile.pile_id, upstream).await?;
    let address = format!("/op/piles/{}", view::segment(&id));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, address)).finish())
}

/// A pile that this person sees.
async fn find(site: &Site, person: &Person, id: &str) -> Result<Option<ConsolePile>, Problem> {
    if person.scope.is_none() && !person.is_administrator() {
        return Ok(None);
    }
    match PileId::parse(id) {
        Ok(pile_id) => Ok(site.store.console_pile(person.scope.as_ref(), &pile_id).await?),
        Err(_) => Ok(None),
    }
}

/// The same, or that there is none.
pub(crate) async fn known(site: &Site, person: &Person, id: &str) -> Result<ConsolePile, Problem> {
    find(site, person, id).await?.ok_or_else(|| Problem::missing("no such pile"))
}

async fn show(
    request: &HttpRequest,
    site: &Site,
    person: &Person,
    id: &str,
    key: Option<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(request);
    let path = format!("/op/piles/{}", view::segment(id));
    let Some(pile) = find(site, person, id).await? else {
        return Ok(missing_page(t, site.settings.simulated, format!("{path}?")));
    };
    let now = Timestamp::now();
    let orders = site.store.commands(&pile.pile_id).await?;
    let attempts = site.store.attempts(Some(pile.pile_id.as_str())).await?;
    let spoken = site.store.findings(&pile.pile_id).await?;
    let registers = site.store.registers(pile.pile_no).await?;
    let (issued, refused) = site.store.certificates(&pile.pile_id).await?;
    let contradictory = site.store.contradictions(person.scope.as_ref(), Some(&pile.pile_id)).await?;
    let doubted = site.store.doubts(person.scope.as_ref(), Some(&pile.pile_id)).await?;
    let mut signals = contradictions::lines(t, &contradictory).0;
    signals.extend(doubts::lines(t, &doubted).0);
    signals.extend(
        site.store.signals_of_pile(&pile.pile_id).await?.iter().map(|signal| signals::line(t, signal)),
    );
    let skipped = site.store.signals_not_looked_for().await?;
    let date = site.store.next_date(&pile.pile_id).await?;
    let acts = pile::on_site(t, site, &pile.pile_id, now).await?;
    let cases = cases::of_pile(t, site, &pile.pile_id, now).await?;
    let (ready_detail, ready) = ready(t, &pile);
    let page = PilePage {
        t,
        simulated: site.settings.simulated,
        here: format!("{path}?"),
        person,
        address: address(request, site, &pile),
        key,
        key_made: pile.key_made_at.map(view::minute),
        key_pending: pile.key_pending,
        profile_unset: pile.security_profile.is_none(),
        profiles: [0, 1, 2, 3].map(|n| (n, pile.security_profile == Some(n))),
        upstream_url: pile.upstream_url.clone().unwrap_or_default(),
        facts: facts(t, &pile, &registers),
        ready_at: pile.readiness.as_ref().map(|(at, _)| view::minute(*at)),
        ready,
        ready_detail,
        score: conformance::score(
            u64::try_from(pile.messages.0).unwrap_or(0),
            spoken
                .findings
                .iter()
                .map(|found| (found.code.as_str(), u64::try_from(found.count).unwrap_or(0))),
        ),
        findings: spoken.findings.iter().map(|found| finding(t, found)).collect(),
        certificates: issued.into_iter().map(|row| certificates::issued(t, row)).collect(),
        refusals: refused.into_iter().map(|row| certificates::refused(t, row)).collect(),
        kinds: certificates::KINDS.map(|kind| (kind, t.of_owned(&format!("root.{kind}")))).to_vec(),
        orders: orders.iter().map(|row| orders::line(t, row)).collect(),
        attempts: attempts.iter().map(|row| overview::attempt(t, row, now)).collect(),
        line: overview::line(t, &pile, now),
        signals,
        not_looked_for: skipped.map(|skipped| signals::not_looked_for(t, skipped)),
        date: date.as_ref().map(|date| history::next_date(t, date, now)),
        cases,
        acts,
        path,
    };
    Ok(private(html(StatusCode::OK, &page)))
}

/// The whole address that a charger is to be pointed at: an encrypted one where its security profile asks for it.
fn address(request: &HttpRequest, site: &Site, pile: &ConsolePile) -> String {
    let SiteSettings { public_url, tls_port, least_profile, behind_proxy, .. } = &site.settings;
    let (is_https, host) = (client::scheme(request, *behind_proxy) == "https", client::host(request));
    let encrypted = pile.security_profile.unwrap_or(0).max(*least_profile) >= 2;
    let base = match (public_url, tls_port, host.parse::<Authority>()) {
        (Some(url), ..) => url.trim_end_matches('/').replacen("http", "ws", 1),
        (None, Some(port), Ok(authority)) if encrypted && !is_https => {
            format!("wss://{}:{port}", authority.host())
        }
        _ => format!("{}://{host}", if is_https { "wss" } else { "ws" }),
    };
    format!("{base}/ocpp/{}", view::segment(pile.pile_id.as_str()))
}

fn facts<'a>(t: &'a Texts, pile: &ConsolePile, registers: &[ConnectorRegister]) -> Vec<(&'a str, String)> {
    let [vendor, model, firmware, meter] = pile.identity.clone().map(Option::unwrap_or_default);
    let model = format!("{vendor} {model}");
    let mut facts = vec![
        (
            t.of("pile.station"),
            pile.station.as_ref().map_or(String::new(), |(zh, en)| t.pick(zh, en).to_owned()),
        ),
        (t.of("pile.protocol"), pile.protocol.clone().unwrap_or_default()),
        (t.of("pile.model"), model.trim().to_owned()),
        (t.of("pile.firmware"), firmware),
        (t.of("pile.meter"), meter),
        (t.of("op.connectors"), pile.statuses.join(", ")),
        (
            t.of("op.registers"),
            registers.iter().map(|known| register(t, known)).collect::<Vec<_>>().join("; "),
        ),
    ];
    if pile.messages.0 > 0 {
        facts.push((
            t.of("op.messages"),
            format!("{} · {} {}", pile.messages.0, pile.messages.1, t.of("op.clean")),
        ));
    }
    if let Some(upstream) = pile.upstream_url.as_ref().and(pile.upstream.clone()) {
        facts.push((t.of("op.upstream"), upstream));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// How a connector's register counts: `1: lifetime · step 100 Wh · began anew 2 ×`.
fn register(t: &Texts, known: &ConnectorRegister) -> String {
    let mut text = format!("{}: {}", known.connector, t.of_owned(&format!("register.{}", known.kind.word())));
    if let Some(step_wh) = known.step_wh {
        text += &format!(" · {} {step_wh} Wh", t.of("register.step"));
    }
    if known.restarts > 0 {
        text += &format!(" · {} {} ×", t.of("register.restarts"), known.restarts);
    }
    text
}

/// The lines of a stored report; none if there is none, or one of another version of this program.
fn ready(t: &Texts, pile: &ConsolePile) -> (Option<String>, Vec<ReadyLine>) {
    let report =
        pile.readiness.as_ref().and_then(|(_, body)| serde_json::from_value::<Report>(body.clone()).ok());
    let Some(report) = report else { return (None, Vec::new()) };
    let line = |line: &readiness::Line| {
        let reason = serde_json::to_value(line.reason).ok();
        let reason = reason.as_ref().and_then(|reason| reason.as_str()).unwrap_or_default();
        ReadyLine {
            colour: line.light.word(),
            name: t.of_owned(&format!("ready.{}", line.code.word())).to_owned(),
            code: line.code.word(),
            reason: t.of_owned(&format!("reason.{reason}")).to_owned(),
            found: match (line.code, &line.found) {
                (LineCode::Clock, Some(seconds)) => format!("{seconds} s"),
                (_, found) => found.clone().unwrap_or_default(),
            },
            key: line.key.clone().unwrap_or_default(),
            wanted: line.wanted.clone().unwrap_or_default(),
            can_set: !line.steps.is_empty(),
            readonly: line.readonly,
        }
    };
    (report.detail.clone(), report.lines.iter().map(line).collect())
}

fn finding(t: &Texts, finding: &Finding) -> FindingLine {
    FindingLine {
        name: match t.of_owned(&format!("mark.{}", finding.code)) {
            "" => t.of_owned(&format!("breach.{}", finding.code)).to_owned(),
            mark => mark.to_owned(),
        },
        severity: match conformance::severity(&finding.code) {
            Severity::Grave => "grave",
            Severity::Fault => "fault",
            Severity::Quirk => "quirk",
            Severity::Remark => "remark",
        },
        action: match t.of_owned(&format!("finding.{}", finding.action)) {
            "" => finding.action.clone(),
            word => word.to_owned(),
        },
        times: format!("{} × · {}", finding.count, view::minute(finding.last_at)),
        advice: t.of_owned(&format!("advice.{}", finding.code)).to_owned(),
        example: finding.example.clone(),
    }
}
