//! Open cases on an operator's piles, with what it replied, and the form by which it replies.
//!
//! A list stands on `/op`, each case on its pile's page. Only people of the pile's own operator reply here; what comes on paper is written
//! down with `veripile case`. A reply moves no case.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::Deserialize;
use veripile_pile::case::reply::{self, REPLY_CHARS_MAX, Reply, ReplyBy, ReplyRefusal};
use veripile_pile::{OpenCase, PileId, State, open_cases};
use veripile_store::case::OPEN_CASES_MAX;

use super::pile::known;
use crate::Site;
use crate::problem::Problem;
use crate::reply::{ReplyView, told};
use crate::session::Person;
use crate::texts::Texts;
use crate::ver::access;
use crate::view;

/// Bytes of a form: the longest reply with four bytes a character, percent-encoded, and the rest.
pub(super) const FORM_BYTES_MAX: usize = 12 * REPLY_CHARS_MAX + 8_192;

/// Longest number of a case that is looked for, characters; those of cases have a hundred.
const NUMBER_CHARS_MAX: usize = 200;

/// A pile with an open case, in the list.
pub(crate) struct CaseLine {
    pub(crate) pile: String,
    pub(crate) href: String,
    pub(crate) number: String,
    pub(crate) issuer: String,
    pub(crate) opened: String,
    pub(crate) state_text: String,
    /// Until when it may reply before the failure is public.
    pub(crate) until: String,
}

/// A list of them, and whether there are more.
pub(crate) struct CaseLines {
    pub(crate) lines: Vec<CaseLine>,
    pub(crate) has_more: bool,
}

/// A case on its pile's page.
pub(crate) struct CaseView<'a> {
    /// As it is, for the form, and as it is shown.
    pub(crate) number: String,
    pub(crate) name: String,
    pub(crate) facts: Vec<(&'a str, String)>,
    /// Newest first, each with what is to be said of it: that it is not public yet.
    pub(crate) replies: Vec<(ReplyView<'a>, &'a str)>,
}

fn state(case: &OpenCase, now: Timestamp) -> State {
    if case.is_failed(now) { State::Failed } else { State::UnderReview }
}

/// What stands of cases on `/op`.
pub(super) async fn list(
    t: &Texts,
    site: &Site,
    person: &Person,
    now: Timestamp,
) -> Result<CaseLines, Problem> {
    let mut found = site.store.piles_in_case(person.scope.as_ref()).await?;
    let has_more = view::cut_to_page(&mut found, OPEN_CASES_MAX).is_some();
    Ok(CaseLines {
        lines: found.iter().map(|(pile_id, case)| line(t, pile_id, case, now)).collect(),
        has_more,
    })
}

fn line(t: &Texts, pile_id: &PileId, case: &OpenCase, now: Timestamp) -> CaseLine {
    CaseLine {
        pile: view::name(pile_id.as_str()),
        href: format!("/op/piles/{}?lang={}#cases", view::segment(pile_id.as_str()), t.short()),
        number: view::name(&case.number),
        issuer: view::name(&case.issuer),
        opened: view::day(case.at),
        state_text: view::state_text(t, state(case, now)),
        until: case.reply_until.map(view::day).unwrap_or_default(),
    }
}

/// The open cases of a pile.
pub(super) async fn of_pile<'a>(
    t: &'a Texts,
    site: &Site,
    pile_id: &PileId,
    now: Timestamp,
) -> Result<Vec<CaseView<'a>>, Problem> {
    let acts = site.store.acts(pile_id).await?;
    let replies = site.store.case_replies(pile_id).await?;
    let case = |case: &OpenCase| {
        let of_case = replies.iter().rev().filter(|reply| reply.number == case.number);
        let mut facts = vec![
            (t.of("basis.issuer"), view::name(&case.issuer)),
            (t.of("basis.opened"), view::day(case.at)),
            (t.of("op.case_state"), view::state_text(t, state(case, now))),
        ];
        facts.extend(case.reply_until.map(|until| (t.of("basis.reply"), view::day(until))));
        let with_note = |reply: &Reply| {
            let is_public = access::is_reply_public(&acts, reply, now);
            (told(t, reply), if is_public { "" } else { t.of("pile.unpublished") })
        };
        CaseView {
            number: case.number.clone(),
            name: view::name(&case.number),
            facts,
            replies: of_case.map(with_note).collect(),
        }
    };
    Ok(open_cases(&acts).iter().map(case).collect())
}

/// What an operator replies to a case.
#[derive(Deserialize)]
pub(crate) struct ReplyForm {
    token: String,
    number: String,
    words: String,
}

/// POST `/op/piles/{pile}/reply`.
pub(crate) async fn reply(
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    given: web::Form<ReplyForm>,
) -> Result<HttpResponse, Problem> {
    person.owns_form(&given.token)?;
    if person.scope.is_none() {
        return Err(Problem::forbidden("only people of the pile's operator reply here"));
    }
    let pile = known(&site, &person, &id).await?;
    if NUMBER_CHARS_MAX < given.number.chars().count() {
        return Err(refused(&ReplyRefusal::NotOpen));
    }
    let reply = Reply {
        number: given.number.clone(),
        at: Timestamp::now(),
        by: ReplyBy::Operator,
        person: person.name.clone(),
        words: reply::words(&given.words).map_err(|refusal| refused(&refusal))?,
    };
    let taken = site.store.take_case_reply(&pile.pile_id, &reply).await?;
    if taken.map_err(|refusal| refused(&refusal))? {
        tracing::info!(pile.id = %pile.pile_id, person = person.name, "an operator replied to a case");
    }
    let address = format!("/op/piles/{}#cases", view::segment(&id));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, address)).finish())
}

fn refused(refusal: &ReplyRefusal) -> Problem {
    match refusal {
        ReplyRefusal::NotOpen => Problem::forbidden("no case of this number is open on the pile"),
        ReplyRefusal::TooMany => Problem::forbidden("the operator has replied often enough to this case"),
        ReplyRefusal::Length | ReplyRefusal::Unreadable => Problem::parameter(
            "words",
            "1 to 2,000 characters on at most 60 lines, without control characters",
        ),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use veripile_pile::case::reply::REPLY_LINES_MAX;

    use super::*;

    #[test]
    fn what_is_refused_says_what_to_change_with_the_limits_that_there_are() {
        assert_eq!((REPLY_CHARS_MAX, REPLY_LINES_MAX), (2_000, 60), "as the refusal says");
        let status = |refusal: ReplyRefusal| refused(&refusal).status_code().as_u16();
        assert_eq!(status(ReplyRefusal::Length), 400);
        assert_eq!(status(ReplyRefusal::Unreadable), 400);
        assert_eq!(status(ReplyRefusal::NotOpen), 403);
        assert_eq!(status(ReplyRefusal::TooMany), 403);
    }
}
