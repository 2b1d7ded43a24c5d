//! Commands that people ordered: claimed for the chargers connected here, sent, and their answers noted beside them.
//!
//! Started once by [`crate::Gateway::new`]. Woken by orders of this process; those of others are found by looking.

use std::sync::Arc;
use std::time::Duration;

use veripile_ocpp::call::{AnswerHeard, Call};
use veripile_ocpp::readiness::Order;
use veripile_store::command::Claimed;

use crate::Gateway;
use crate::desk::Reply;
use crate::reception::now;
use crate::{key, readiness, signing};

/// How often orders of other processes are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Carries commands until the server stops.
pub(crate) async fn run(gateway: Arc<Gateway>) {
    let mut stopping = gateway.stopping.clone();
    loop {
        tokio::select! {
            _ = tokio::time::timeout(LOOK_EVERY, gateway.store.order_arrived()) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = gateway.end_unproven().await {
            tracing::warn!(%error, "who was let in could not be looked up");
        }
        let connected = gateway.connected();
        match gateway.store.claim_commands(&connected, now()).await {
            // Each waits for its own charger.
            Ok(claimed) => claimed.into_iter().for_each(|command| {
                tokio::spawn(carry(Arc::clone(&gateway), command));
            }),
            Err(error) => tracing::warn!(%error, "commands could not be looked for"),
        }
    }
}

async fn carry(gateway: Arc<Gateway>, command: Claimed) {
    let Claimed { command_no, pile_no, call } = command;
    if key::is_ordered(&call) {
        let (outcome, answer) = key::send(&gateway, pile_no).await;
        note(&gateway, command_no, None, outcome, &answer).await;
        return;
    }
    if let Ok(order) = serde_json::from_value::<Order>(call.clone()) {
        let (outcome, answer) = readiness::carry_out(&gateway, pile_no, order).await;
        note(&gateway, command_no, None, outcome, &answer).await;
        return;
    }
    let call = match signing::ordered(&call) {
        Some(certificate_no) => signing::delivery(&gateway, pile_no, certificate_no).await,
        None => serde_json::from_value::<Call>(call).map_err(|error| error.to_string()),
    };
    let reply = match call {
        Ok(call) => gateway.ask(pile_no, call).await,
        Err(error) => {
            note(&gateway, command_no, None, "unspeakable", &error).await;
            return;
        }
    };
    match reply {
        Reply::Answered { message_id, heard, text } => {
            let outcome = match *heard {
                AnswerHeard::Refused { .. } => "refused",
                AnswerHeard::Error { .. } | AnswerHeard::Unreadable { .. } => "error",
                _ => "accepted",
            };
            let text = gateway.key.without_identities(&text);
            note(&gateway, command_no, Some(&message_id), outcome, &text).await;
        }
        Reply::Late { message_id } => {
            note(&gateway, command_no, Some(&message_id), "late", "the charger did not answer in time").await;
        }
        Reply::Unspeakable(error) => {
            note(&gateway, command_no, None, "unspeakable", &error.to_string()).await;
        }
        Reply::Gone => note(&gateway, command_no, None, "gone", "the charger is not connected").await,
        Reply::Busy => {
            note(&gateway, command_no, None, "busy", "too many calls are waiting for this charger").await;
        }
    }
}

async fn note(gateway: &Gateway, command_no: i64, message_id: Option<&str>, outcome: &str, answer: &str) {
    let noted = gateway.store.command_answered(command_no, message_id, outcome, answer, now()).await;
    if let Err(error) = noted {
        tracing::error!(command.no = command_no, outcome, %error, "a command's answer could not be noted");
    }
}
