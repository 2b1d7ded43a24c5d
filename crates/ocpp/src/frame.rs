//! The OCPP-J envelope: a JSON array whose first element says what it is.
//!
//! Called by `gateway::socket` on every text frame. The message id survives whatever is wrong with the rest, so that the
//! charger can be answered.

use serde_json::value::RawValue;
use thiserror::Error;

/// Longest message id kept (OCPP allows 36 characters; chargers exceed it).
const MESSAGE_ID_CHARS_MAX: usize = 128;

/// Longest action name kept; the longest of OCPP 2.1 has 33 characters.
const ACTION_CHARS_MAX: usize = 64;

/// An envelope, opened.
#[derive(Debug)]
pub enum Frame<'a> {
    /// `[2, id, action, payload]`, and in 2.1 `[6, id, action, payload]` (SEND: never answered).
    Call {
        /// Message id.
        id: String,
        /// Action.
        action: String,
        /// Payload, exactly as sent.
        payload: &'a RawValue,
        /// Whether the sender waits for an answer.
        answered: bool,
    },
    /// `[3, id, payload]`: the answer to a call of ours.
    Result {
        /// Message id of our call.
        id: String,
        /// Payload, exactly as sent.
        payload: &'a RawValue,
    },
    /// `[4, id, code, description, details]`: our call was refused. In 2.1 also `[5, …]`: our answer was.
    Error {
        /// Message id.
        id: String,
        /// Error code.
        code: String,
        /// Description.
        description: String,
        /// Whether it was an answer of ours that was refused (CALLRESULTERROR), not a call.
        of_answer: bool,
    },
}

/// Why a text is no OCPP frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct FrameError {
    /// The message id, if one could be read.
    pub id: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl<'a> Frame<'a> {
    /// Opens an envelope.
    pub fn open(text: &'a str) -> Result<Self, FrameError> {
        let fail = |id: Option<&str>, reason: &str| FrameError {
            id: id.map(str::to_owned),
            reason: reason.to_owned(),
        };
        let elements: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| fail(None, &format!("not a JSON array: {error}")))?;
        let kind = elements.first().map(|first| first.get().trim_matches('"'));
        let id = elements.get(1).and_then(|id| scalar(id)).map(|id| clip(&id, MESSAGE_ID_CHARS_MAX));
        let Some(id) = id else {
            return Err(fail(None, "the second element, the message id, is missing or no string"));
        };
        match kind {
            Some("2" | "6") => {
                let action = elements.get(2).and_then(|action| scalar(action));
                let Some(action) = action else {
                    return Err(fail(Some(&id), "the third element, the action, is missing or no string"));
                };
                let Some(payload) = elements.get(3) else {
                    return Err(fail(Some(&id), "the fourth element, the payload, is missing"));
                };
                let action = clip(&action, ACTION_CHARS_MAX);
                Ok(Self::Call { id, action, payload, answered: kind == Some("2") })
            }
            Some("3") => match elements.get(2) {
                Some(payload) => Ok(Self::Result { id, payload }),
                None => Err(fail(Some(&id), "the third element, the payload, is missing")),
            },
            Some("4" | "5") => {
                let text =
                    |at: usize| elements.get(at).and_then(|element| scalar(element)).unwrap_or_default();
                Ok(Self::Error {
                    id,
                    code: clip(&text(2), ACTION_CHARS_MAX),
                    description: text(3),
                    of_answer: kind == Some("5"),
                })
            }
            _ => Err(fail(Some(&id), "the first element is none of 2, 3, 4 (and in 2.1: 5, 6)")),
        }
    }
}

/// A string's content, or a number's text (some chargers number their messages).
fn scalar(value: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(value.get()).ok().or_else(|| {
        serde_json::from_str::<serde_json::Number>(value.get()).ok().map(|number| number.to_string())
    })
}

fn clip(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_keeps_its_payload_to_the_letter() {
        let text = r#"[2,"19","MeterValues",{"value": 12.500 }]"#;
        let Ok(Frame::Call { id, action, payload, answered: true }) = Frame::open(text) else {
            panic!("no call")
        };
        assert_eq!(
            (id.as_str(), action.as_str(), payload.get()),
            ("19", "MeterValues", r#"{"value": 12.500 }"#)
        );
    }

    #[test]
    fn a_numeric_message_id_is_taken_as_text() {
        let Ok(Frame::Call { id, .. }) = Frame::open(r#"[2,7,"Heartbeat",{}]"#) else { panic!("no call") };
        assert_eq!(id, "7");
    }

    #[test]
    fn an_error_says_whether_our_call_or_our_answer_was_refused() {
        for (kind, expected) in [(4, false), (5, true)] {
            let text = format!(r#"[{kind},"7","InternalError","why",{{}}]"#);
            let Ok(Frame::Error { id, code, description, of_answer }) = Frame::open(&text) else {
                panic!("no error")
            };
            assert_eq!((id.as_str(), code.as_str(), description.as_str()), ("7", "InternalError", "why"));
            assert_eq!(of_answer, expected);
        }
    }

    #[test]
    fn what_is_no_frame_says_why_and_keeps_the_id_if_it_can() {
        let check = |text: &str, id: Option<&str>| {
            let error = Frame::open(text).expect_err(text);
            assert_eq!(error.id.as_deref(), id, "{text}");
            assert!(!error.reason.is_empty());
        };
        check("", None);
        check("hello", None);
        check("{}", None);
        check("[]", None);
        check("[2]", None);
        check(r#"[2,{"a":1},"Heartbeat",{}]"#, None);
        check(r#"[2,"a"]"#, Some("a"));
        check(r#"[2,"a","Heartbeat"]"#, Some("a"));
        check(r#"[9,"a","Heartbeat",{}]"#, Some("a"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Frame::open(&text);
        }
    }
}
