//! A new key for a charger, written to it over OCPP: nobody sees it, no log has it.
//!
//! Ordered through the table of commands as `{"key":"send"}`. The hash is stored before the key is sent, and the last key that
//! the charger has come with counts until it comes with the new one; so it is never locked out.

use veripile_ocpp::call::{AnswerHeard, Call};
use veripile_ocpp::credential;

use crate::Gateway;
use crate::desk::Reply;
use crate::reception::now;

/// Whether an order is for a new key.
pub(crate) fn is_ordered(order: &serde_json::Value) -> bool {
    order.get("key").and_then(serde_json::Value::as_str) == Some("send")
}

/// Makes a key and sends it; outcome and answer for the command.
pub(crate) async fn send(gateway: &Gateway, pile_no: i64) -> (&'static str, String) {
    let Some(version) = gateway.version(pile_no) else {
        return ("gone", "the charger is not connected".to_owned());
    };
    let key = credential::text(rand::random());
    let hash = credential::hash(&key, rand::random());
    let stored = async {
        let pile_id = gateway.store.pile_id(pile_no).await?;
        gateway.store.set_key(&pile_id, &hash, now()).await
    };
    if let Err(error) = stored.await {
        return ("error", error.to_string());
    }
    match gateway.ask(pile_no, Call::new_key(version, key)).await {
        Reply::Answered { heard, .. } if is_taken(&heard) => {
            ("accepted", "the charger has its new key; it counts from its next connection on".to_owned())
        }
        Reply::Answered { text, .. } => match gateway.store.key_refused(pile_no, &hash).await {
            Ok(()) => ("refused", text),
            Err(error) => ("error", error.to_string()),
        },
        // It may have taken the key or not: both count.
        Reply::Late { .. } => ("late", "the charger did not answer in time; both keys count".to_owned()),
        Reply::Unspeakable(error) => ("unspeakable", error.to_string()),
        Reply::Gone => ("gone", "the charger left before it answered; both keys count".to_owned()),
        Reply::Busy => ("busy", "too many calls are waiting for this charger".to_owned()),
    }
}

fn is_taken(heard: &AnswerHeard) -> bool {
    matches!(heard, AnswerHeard::Accepted | AnswerHeard::Later { .. })
}
