//! The operator's replies to cases, as pages and the query API tell them: word by word, by whose hand, never by whom.
//!
//! Used by the pile page, the API's answer for one pile, its history and the operators' pages. When a reply is public is asked of
//! [`crate::ver::access`].

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use veripile_pile::case::reply::{Reply, ReplyBy};
use veripile_pile::{Act, PileId, Standing};

use crate::Site;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::ver::access;
use crate::view;

/// What an operator replied to a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperatorReply {
    /// Number of the case
    pub(crate) number: String,
    pub(crate) replied_at: String,
    /// operator: written by its own people; authority: came on paper and was written down by the body that leads the case
    pub(crate) by: &'static str,
    /// As stated; nothing in it was checked
    pub(crate) text: String,
}

impl From<&Reply> for OperatorReply {
    fn from(reply: &Reply) -> Self {
        Self {
            number: reply.number.clone(),
            replied_at: reply.at.to_string(),
            by: reply.by.word(),
            text: reply.words.clone(),
        }
    }
}

/// A reply on a page.
pub(crate) struct ReplyView<'a> {
    pub(crate) at: String,
    pub(crate) by: &'a str,
    pub(crate) words: String,
}

/// A reply as a page shows it.
pub(crate) fn told<'a>(t: &'a Texts, reply: &Reply) -> ReplyView<'a> {
    ReplyView { at: view::minute(reply.at), by: by(t, reply.by), words: shown(&reply.words) }
}

/// By whose hand.
pub(crate) fn by(t: &Texts, by: ReplyBy) -> &str {
    match by {
        ReplyBy::Operator => t.of("reply.by_operator"),
        ReplyBy::Authority => t.of("reply.by_authority"),
    }
}

/// The words line by line, without what would turn the text around them.
fn shown(words: &str) -> String {
    let line = |line: &str| line.chars().map(view::visible).collect::<String>();
    words.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What was replied to a pile's cases, as far as anybody may see it; oldest first.
pub(crate) async fn public_of(
    site: &Site,
    pile_id: &PileId,
    acts: &[Act],
    now: Timestamp,
) -> Result<Vec<Reply>, Problem> {
    let replies = site.store.case_replies(pile_id).await?;
    Ok(access::public_replies(acts, &replies, now).into_iter().cloned().collect())
}

/// Of public replies those to the case that the state rests on; newest first.
pub(crate) fn beside<'a>(standing: &Standing, replies: &'a [Reply]) -> Vec<&'a Reply> {
    let Some(case) = &standing.case else { return Vec::new() };
    replies.iter().rev().filter(|reply| reply.number == case.number).collect()
}

#[cfg(test)]
mod tests {
    use veripile_pile::OpenCase;

    use super::*;
    use crate::texts::Language;

    fn reply(number: &str, second: i64, words: &str) -> Reply {
        Reply {
            number: number.to_owned(),
            at: Timestamp::from_second(second).expect("in range"),
            by: ReplyBy::Authority,
            person: "PERSON".to_owned(),
            words: words.to_owned(),
        }
    }

    #[test]
    fn words_keep_their_lines_and_turn_nothing_around_them() {
        let told = told(Texts::in_language(Language::En), &reply("K1", 0, "one\n\ntwo\u{202e}three\tfour"));
        assert_eq!(told.words, "one\n\ntwo\u{fffd}three four");
        assert_eq!((told.at.as_str(), told.by), ("1970-01-01 08:00", "written down by the authority"));
    }

    #[test]
    fn beside_a_state_stands_what_was_replied_to_its_case_and_no_name() {
        let case = OpenCase {
            number: "K1".to_owned(),
            issuer: "市监局".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            confirmed_by: None,
            confirmed_at: None,
            reply_until: None,
        };
        let standing = Standing { case: Some(case), ..Standing::default() };
        let replies = [reply("K1", 1, "first"), reply("K2", 2, "another case"), reply("K1", 3, "second")];
        let told = beside(&standing, &replies);
        assert_eq!(told.iter().map(|one| one.words.as_str()).collect::<Vec<_>>(), ["second", "first"]);
        assert!(beside(&Standing::default(), &replies).is_empty());
        let told = serde_json::to_value(OperatorReply::from(&replies[0])).expect("JSON");
        let expected = serde_json::json!({
            "number": "K1", "replied_at": "1970-01-01T00:00:01Z", "by": "authority", "text": "first",
        });
        assert_eq!(told, expected);
    }
}
