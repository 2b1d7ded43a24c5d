//! What an operator replies to a case on its pile: as it stated it, appended, one after another.
//!
//! Called by `store::case`, for `veripile case` and the operators' pages. A reply moves no case and ends no time to reply; when the public
//! is told of it, `api::ver::access` judges. It writes nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Act, open_cases};

/// Longest reply, characters: a page of a letter. It stands whole on the pile's page, which is to open on a bad line.
pub const REPLY_CHARS_MAX: usize = 2_000;

/// Most lines of a reply: what is longer is empty lines.
pub const REPLY_LINES_MAX: usize = 60;

/// Replies to one case: to its opening, to what was found, to the decision, and some more of each.
pub const REPLIES_MAX: usize = 20;

/// By whose hand a reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyBy {
    /// Somebody of the operator wrote it on the operator's page.
    Operator,
    /// It came on paper; somebody of the body that leads the case wrote it down.
    Authority,
}

impl ReplyBy {
    /// Everybody.
    pub const ALL: [Self; 2] = [Self::Operator, Self::Authority];

    /// The word used in database and API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Authority => "authority",
        }
    }

    /// Reads [`Self::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The case.
    pub number: String,
    /// When.
    pub at: Timestamp,
    /// By whose hand.
    pub by: ReplyBy,
    /// Who that was; never public.
    pub person: String,
    /// What it says, as stated; by [`words`].
    pub words: String,
}

/// Why a reply is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplyRefusal {
    /// Nobody replies to what is over, or never was.
    #[error("no case of this number is open on the pile")]
    NotOpen,
    /// There are as many as are kept.
    #[error("the operator has replied {REPLIES_MAX} times to this case; no more are taken")]
    TooMany,
    /// It says nothing, or too much.
    #[error("a reply has 1 to {REPLY_CHARS_MAX} characters on at most {REPLY_LINES_MAX} lines")]
    Length,
    /// It has characters that are for machines.
    #[error("a reply has no control characters")]
    Unreadable,
}

/// The words of a reply: as they were written, but for the blanks around them and the way in which lines end. What is too long is refused and
/// never cut: half a sentence is another statement.
pub fn words(text: &str) -> Result<String, ReplyRefusal> {
    let words = text.replace("\r\n", "\n").replace('\r', "\n");
    let words = words.trim();
    if words.is_empty() || REPLY_CHARS_MAX < words.chars().count() || REPLY_LINES_MAX < words.lines().count()
    {
        return Err(ReplyRefusal::Length);
    }
    if words.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(ReplyRefusal::Unreadable);
    }
    Ok(words.to_owned())
}

/// Judges a reply after those before, with the acts on the pile so far: whether it is a new one. One that says again what the last one said is
/// a form that was sent twice.
pub fn is_new(acts: &[Act], before: &[Reply], reply: &Reply) -> Result<bool, ReplyRefusal> {
    if !open_cases(acts).iter().any(|case| case.number == reply.number) {
        return Err(ReplyRefusal::NotOpen);
    }
    let mut of_case = before.iter().filter(|one| one.number == reply.number);
    if of_case.clone().next_back().is_some_and(|last| (last.by, &last.words) == (reply.by, &reply.words)) {
        return Ok(false);
    }
    match of_case.nth(REPLIES_MAX - 1) {
        Some(_) => Err(ReplyRefusal::TooMany),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ActKind;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + n * 86_400).expect("in range")
    }

    fn act(kind: ActKind, number: &str, on: i64) -> Act {
        Act {
            kind,
            number: number.to_owned(),
            outlet: None,
            issuer: "市监局".to_owned(),
            person: "a".to_owned(),
            acted_at: day(on),
            valid_until: None,
            reply_until: None,
            result: None,
        }
    }

    fn reply(number: &str, by: ReplyBy, words: &str) -> Reply {
        Reply { number: number.to_owned(), at: day(5), by, person: "one".to_owned(), words: words.to_owned() }
    }

    #[test]
    fn a_reply_is_to_an_open_case_and_a_repeated_form_is_no_second_one() {
        let operator = ReplyBy::Operator;
        let acts = [act(ActKind::CaseOpened, "K1", 0), act(ActKind::CaseOpened, "K2", 1)];
        let one = reply("K1", operator, "不同意");
        assert_eq!(is_new(&acts, &[], &one), Ok(true));
        assert_eq!(is_new(&acts[..0], &[], &one), Err(ReplyRefusal::NotOpen));
        assert_eq!(is_new(&acts, &[], &reply("K3", operator, "x")), Err(ReplyRefusal::NotOpen));
        let closed = [&acts[..], &[act(ActKind::CaseClosed, "K1", 3)]].concat();
        assert_eq!(is_new(&closed, &[], &one), Err(ReplyRefusal::NotOpen));
        // A notice of result opens a case without anybody's step.
        assert_eq!(is_new(&[act(ActKind::Notice, "N1", 0)], &[], &reply("N1", operator, "x")), Ok(true));
        let before = [one.clone(), reply("K2", operator, "另一案")];
        assert_eq!(is_new(&acts, &before, &one), Ok(false), "sent twice");
        assert_eq!(is_new(&acts, &before, &reply("K1", ReplyBy::Authority, "不同意")), Ok(true));
        assert_eq!(is_new(&acts, &before, &reply("K1", operator, "再次陈述")), Ok(true));
        let again = [&before[..], &[reply("K1", operator, "再次陈述")]].concat();
        assert_eq!(is_new(&acts, &again, &one), Ok(true), "said again after another is a statement");
    }

    #[test]
    fn a_case_has_so_many_replies_each_case_for_itself() {
        let acts = [act(ActKind::CaseOpened, "K1", 0), act(ActKind::CaseOpened, "K2", 1)];
        let all = |n: usize| -> Vec<Reply> {
            (0..n).map(|n| reply("K1", ReplyBy::Operator, &n.to_string())).collect()
        };
        let next = |number| reply(number, ReplyBy::Operator, "next");
        assert_eq!(is_new(&acts, &all(REPLIES_MAX - 1), &next("K1")), Ok(true));
        assert_eq!(is_new(&acts, &all(REPLIES_MAX), &next("K1")), Err(ReplyRefusal::TooMany));
        assert_eq!(is_new(&acts, &all(REPLIES_MAX), &next("K2")), Ok(true));
        assert!(ReplyRefusal::TooMany.to_string().contains(" 20 times"), "{}", ReplyRefusal::TooMany);
    }

    #[test]
    fn words_stay_as_they_were_written_or_are_refused() {
        assert_eq!(
            words(" 一\r\n\r\n<b>二</b>\r三\t\u{202e}四 \n"),
            Ok("一\n\n<b>二</b>\n三\t\u{202e}四".to_owned())
        );
        for (text, refused) in [
            ("", ReplyRefusal::Length),
            (" \r\n\t ", ReplyRefusal::Length),
            (&*"字".repeat(REPLY_CHARS_MAX + 1), ReplyRefusal::Length),
            (&*"x\n".repeat(REPLY_LINES_MAX + 1), ReplyRefusal::Length),
            ("a\0b", ReplyRefusal::Unreadable),
            ("a\u{1b}[2Jb", ReplyRefusal::Unreadable),
        ] {
            assert_eq!(words(text), Err(refused), "{text:?}");
        }
        assert!(words(&"字".repeat(REPLY_CHARS_MAX)).is_ok());
        assert!(words(&"x\n".repeat(REPLY_LINES_MAX)).is_ok());
        assert!(ReplyRefusal::Length.to_string().contains("2000 characters on at most 60 lines"));
        for by in ReplyBy::ALL {
            assert_eq!(ReplyBy::from_word(by.word()), Some(by));
        }
    }
}
