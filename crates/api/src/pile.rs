//! The pile page: what the QR on the pile opens. Whole without any script.

mod documents;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::case::reply::Reply;
use veripile_pile::{Act, Certification, PileId, State};
use veripile_store::PileRecord;

use self::documents::Papers;
use crate::history::{self, History};
use crate::problem::{Problem, missing_page, rendered};
use crate::reply::{self, ReplyView};
use crate::texts::Texts;
use crate::ver::access;
use crate::view::{self, ChargeLine, EstimateView, Line};
use crate::{Site, navigate, qr};

/// Pages of the public stay under this, so that they open on a bad line.
const PAGE_BYTES_MAX: usize = 40 * 1024;

/// Charges on the page, unless it would be too large.
const CHARGES: u32 = 30;

/// Events on the page, the newest: with steps, firmware and results of some years.
const EVENTS_MAX: usize = 12;

/// Acts on the page, the newest; a pile in trouble has a dozen.
const ACTS_MAX: usize = 20;

/// Replies to a case beside the state, the newest; the others stand in the query API.
const REPLIES_MAX: usize = 5;

#[derive(Template)]
#[template(path = "pile.html")]
struct PilePage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    line: Line,
    facts: Vec<(&'a str, String)>,
    basis: Vec<(&'a str, String)>,
    /// What the operator replied to the case that the state rests on, newest first; and what is said where it failed and nothing was replied.
    replies: Vec<ReplyView<'a>>,
    replies_total: usize,
    unanswered: Option<&'a str>,
    estimate: Option<EstimateView>,
    chart: String,
    /// How the error went, in a sentence.
    course: Option<String>,
    /// Day, kind and words.
    events: Vec<(String, &'static str, String)>,
    events_total: usize,
    /// The next date by state, or why there is none.
    date: Option<history::Proposed>,
    charges: Vec<ChargeLine>,
    total: i64,
    acts: Vec<ActLine>,
    acts_total: usize,
    papers: Papers<'a>,
    /// Address of the document that the state rests on, where it was issued here.
    document: Option<String>,
    /// Maps and their addresses.
    navigation: Vec<(&'a str, String)>,
    /// The address of this page, and its code.
    address: String,
    code: Option<String>,
    /// Whether the code was left out for its size.
    is_without_code: bool,
    /// Whether any list was cut for its size.
    shortened: bool,
}

impl PilePage<'_> {
    /// The page, the older ones left out where it would be too large: of one kind after the other, first of those that are read least.
    fn fitted(mut self) -> askama::Result<String> {
        loop {
            let page = self.render()?;
            if page.len() < PAGE_BYTES_MAX || !self.shorten() {
                return Ok(page);
            }
        }
    }

    /// Whether there was something to leave out.
    fn shorten(&mut self) -> bool {
        if self.cut_first() {
            self.shortened = true;
            return true;
        }
        if self.code.take().is_some() {
            self.is_without_code = true;
            return true;
        }
        let is_cut = cut(&mut self.charges, 0, 5) || cut(&mut self.acts, 0, 3);
        self.shortened |= is_cut;
        is_cut
    }

    /// Cuts one of the lists, down to what goes before the code.
    fn cut_first(&mut self) -> bool {
        cut(&mut self.charges, 10, 5)
            || cut(&mut self.papers.signed, 3, 7)
            || cut(&mut self.papers.keys, 1, 1)
            || cut(&mut self.replies, 2, 3)
            || cut(&mut self.papers.documents, 4, 4)
            || cut(&mut self.acts, 6, 7)
            || cut(&mut self.events, 4, 4)
            || cut(&mut self.papers.seals, 8, 6)
            || cut(&mut self.charges, 5, 5)
            || cut(&mut self.papers.documents, 2, 2)
            || cut(&mut self.acts, 3, 3)
            || cut(&mut self.papers.seals, 3, 5)
            || cut(&mut self.replies, 1, 1)
    }
}

/// Takes some off the end of a list, of which so many stay; whether there were more.
fn cut<T>(list: &mut Vec<T>, stay: usize, step: usize) -> bool {
    let fewer = list.len().saturating_sub(step).max(stay);
    let were_more = fewer < list.len();
    list.truncate(fewer);
    were_more
}

/// An act, or what the operator replied: day, what, words of a reply to a case that is over, address of its document, by whom.
pub(crate) struct ActLine {
    pub(crate) day: String,
    pub(crate) what: String,
    pub(crate) words: Option<String>,
    pub(crate) href: Option<String>,
    pub(crate) issuer: String,
}

/// GET `/p/{pile}`.
pub(crate) async fn page(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let here = format!("/p/{}?", view::segment(&id));
    let found = match PileId::parse(&id) {
        Ok(pile_id) => site.store.pile(&pile_id).await?,
        Err(_) => None,
    };
    let Some(pile) = found else { return Ok(missing_page(t, site.settings.simulated, here)) };
    let charges = site.store.charges(&pile.pile_id, CHARGES).await?;
    let acts = site.store.acts(&pile.pile_id).await?;
    let history = History::of(&site, &pile, &acts).await?;
    let now = Timestamp::now();
    let papers = Papers::of(t, &site, &pile.pile_id, &acts, now).await?;
    let acts = access::public_acts(&acts, access::limit_percent(&pile), now);
    let address = qr::pile_address(&request, &site, pile.pile_id.as_str());
    let events = history.events(t, now);
    let replies = reply::beside(&pile.standing, &history.replies);
    let lines = act_lines(t, &acts, &history.replies, &pile, &papers);
    let page = PilePage {
        t,
        simulated: site.settings.simulated,
        here,
        line: view::line(t, &pile, now),
        facts: facts(t, &pile),
        basis: basis(t, &pile, now),
        replies_total: replies.len(),
        unanswered: (replies.is_empty() && pile.state(now) == State::Failed).then(|| t.of("reply.none")),
        replies: replies.into_iter().take(REPLIES_MAX).map(|reply| reply::told(t, reply)).collect(),
        estimate: pile.standing.estimate.as_ref().map(|estimate| view::estimate(t, estimate)),
        chart: history.chart(t, now),
        course: history.sentence(t),
        events_total: events.len(),
        events: events.into_iter().take(EVENTS_MAX).collect(),
        date: history.date.as_ref().map(|date| history::next_date(t, date, now)),
        charges: charges.iter().map(|charge| view::charge(t, charge)).collect(),
        total: pile.charges,
        acts_total: lines.len(),
        acts: lines.into_iter().take(ACTS_MAX).collect(),
        navigation: pile
            .place
            .map_or_else(Vec::new, |place| navigate::links(t, place, &view::station(t, &pile))),
        code: qr::svg(&address, t.of("pile.code")),
        address,
        document: document(t, &pile),
        papers,
        is_without_code: false,
        shortened: false,
    };
    Ok(rendered(StatusCode::OK, page.fitted()))
}

/// Address of the document that the state rests on, where it was issued here for this very pile: elsewhere the number may be another's.
fn document(t: &Texts, pile: &PileRecord) -> Option<String> {
    let certificate = pile.standing.certificate.as_ref().filter(|_| pile.has_document)?;
    Some(format!("/c/{}?lang={}", view::segment(&certificate.number), t.short()))
}

fn facts<'a>(t: &'a Texts, pile: &PileRecord) -> Vec<(&'a str, String)> {
    let or_unknown =
        |text: &Option<String>| text.as_deref().map_or_else(|| t.of("unknown").to_owned(), view::name);
    let told = [&pile.vendor, &pile.model].into_iter().flatten();
    let model = told.map(|text| view::name(text)).collect::<Vec<_>>().join(" ");
    vec![
        (t.of("pile.operator"), view::operator(t, pile)),
        (t.of("pile.station"), view::station(t, pile)),
        (t.of("pile.model"), if model.is_empty() { t.of("unknown").to_owned() } else { model }),
        (t.of("pile.firmware"), or_unknown(&pile.firmware)),
        (t.of("pile.meter"), or_unknown(&pile.meter_serial)),
        (t.of("pile.class"), pile.class.0.normalize().to_string()),
        (t.of("pile.power"), view::power(t, pile)),
        (t.of("filter.connector"), view::connectors(t, pile)),
        (t.of("pile.protocol"), or_unknown(&pile.protocol.as_deref().map(view::protocol))),
    ]
}

/// What the state rests on: since when it holds, document, issuer, date, validity; of a certificate in question what was once, since when it is and why.
pub(crate) fn basis<'a>(t: &'a Texts, pile: &PileRecord, now: Timestamp) -> Vec<(&'a str, String)> {
    let standing = &pile.standing;
    let mut basis = Vec::new();
    // Of a verified pile that is the day of its verification, which stands below.
    let is_verified = matches!(pile.state(now), State::Verified | State::VerifiedMonitored);
    if let Some(since) = pile.since(now).filter(|_| !is_verified) {
        basis.push((t.of("basis.state_since"), view::day(since)));
    }
    if let Some(case) = &standing.case {
        basis.push((t.of("basis.case"), view::name(&case.number)));
        basis.push((t.of("basis.issuer"), view::body(t, case.said_by(now))));
        basis.push((t.of("basis.opened"), view::day(case.at)));
        if let Some(until) = case.reply_until {
            basis.push((t.of("basis.reply"), view::day(until)));
        }
    }
    if let Some(stopped) = standing.stopped_at {
        basis.push((t.of("basis.stopped"), view::day(stopped)));
        if let Some(by) = &standing.stopped_by {
            basis.push((t.of("basis.stopped_by"), view::name(&by.number)));
            basis.push((t.of("basis.issuer"), view::body(t, &by.issuer)));
        }
    }
    if standing.stopped_at.is_none()
        && let Some(seen) = pile.last_seen.filter(|_| pile.state(now) == State::OutOfUse)
    {
        basis.push((t.of("basis.unseen"), view::day(seen)));
    }
    let Some(certification) = standing.certification(now) else {
        basis.push((t.of("basis.certificate"), t.of("basis.none").to_owned()));
        return basis;
    };
    let certificate = certification.certificate();
    basis.push((t.of("basis.certificate"), view::name(&certificate.number)));
    basis.push((t.of("basis.issuer"), view::body(t, &certificate.issuer)));
    match certification {
        Certification::Stands(_) => {
            basis.push((t.of("basis.date"), view::day(certificate.at)));
            basis.push((t.of("basis.until"), view::day(certificate.valid_until)));
        }
        Certification::Questioned(_, since) => {
            basis.push((t.of("basis.was_verified"), view::day(certificate.at)));
            basis.push((t.of("basis.questioned"), view::questioned(t, pile, since)));
        }
        Certification::Overtaken(_) => {
            basis.push((t.of("basis.was_verified"), view::day(certificate.at)));
        }
    }
    basis
}

/// Public acts, and what was replied to cases, newest first.
fn act_lines(
    t: &Texts,
    acts: &[&Act],
    replies: &[Reply],
    pile: &PileRecord,
    papers: &Papers<'_>,
) -> Vec<ActLine> {
    let mut lines: Vec<_> = acts.iter().map(|one| (one.acted_at, act(t, one, papers))).collect();
    // Words to the case that the state rests on stand beside the state.
    let open = pile.standing.case.as_ref().map(|case| case.number.as_str());
    lines.extend(replies.iter().map(|reply| (reply.at, replied(t, reply, open))));
    // What is of one moment stays in its order, acts before replies.
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().rev().map(|(_, line)| line).collect()
}

fn act(t: &Texts, act: &Act, papers: &Papers<'_>) -> ActLine {
    let (what, href) = (what(t, act), papers.href(&act.number));
    ActLine { day: view::day(act.acted_at), what, words: None, href, issuer: view::body(t, &act.issuer) }
}

fn replied(t: &Texts, reply: &Reply, open: Option<&str>) -> ActLine {
    ActLine {
        day: view::day(reply.at),
        what: format!("{} {}", t.of("reply.title"), view::name(&reply.number)),
        words: (open != Some(reply.number.as_str())).then(|| reply::told(t, reply).words),
        href: None,
        issuer: reply::by(t, reply.by).to_owned(),
    }
}

/// On-site results, the newest first, for the operator and the authority's people: those too that are not public, which they say.
pub(crate) async fn on_site(
    t: &Texts,
    site: &Site,
    pile_id: &PileId,
    now: Timestamp,
) -> Result<Vec<ActLine>, Problem> {
    let Some(pile) = site.store.pile(pile_id).await? else { return Ok(Vec::new()) };
    let acts = site.store.acts(pile_id).await?;
    let public = access::public_acts(&acts, access::limit_percent(&pile), now);
    let line = |act: &Act| {
        let is_public = public.iter().any(|public| std::ptr::eq(*public, act));
        let unpublished = if is_public { "" } else { t.of("pile.unpublished") };
        let what = format!("{}{unpublished}", what(t, act));
        let issuer = view::body(t, &act.issuer);
        ActLine { day: view::day(act.acted_at), what, words: None, href: None, issuer }
    };
    Ok(acts.iter().rev().filter(|act| act.result.is_some()).take(ACTS_MAX).map(line).collect())
}

/// An act in words, with its result where it has one.
fn what(t: &Texts, act: &Act) -> String {
    let kind = t.of(&format!("act.{}", act.kind.word())).to_owned();
    let mut what = format!("{kind} {}", view::name(&act.number));
    if let Some(result) = act.result {
        what.push_str(&format!(
            " · {:+} % (U = {} %, k = {})",
            result.error_percent, result.expanded_uncertainty_percent, result.coverage_factor
        ));
    }
    what
}

#[cfg(test)]
mod tests {
    use veripile_pile::{Certified, Standing};

    use super::*;
    use crate::texts::Language;

    #[test]
    fn a_number_leads_to_a_document_of_this_pile_only() {
        let at: Timestamp = "2026-01-05T00:00:00Z".parse().expect("literal");
        let certificate = Certified {
            number: "C 1".to_owned(),
            issuer: "计量所".to_owned(),
            at,
            valid_until: at,
            questioned_at: None,
        };
        let mut pile = view::bare_pile(Standing { certificate: Some(certificate), ..Standing::default() });
        let t = Texts::in_language(Language::En);
        assert_eq!(document(t, &pile), None, "another pile's, or nobody's here");
        pile.has_document = true;
        assert_eq!(document(t, &pile).as_deref(), Some("/c/C%201?lang=en"));
    }
}
