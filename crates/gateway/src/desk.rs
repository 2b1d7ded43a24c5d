//! The desk of one connection: our calls to its charger, one at a time, each paired with its answer.
//!
//! [`crate::socket`] sends what the desk gives it and brings back the answers; whoever wants to ask a charger something hands
//! an [`Order`] in through [`crate::Gateway::ask`]. OCPP-J allows one open call in each direction; the charger's own is none
//! of the desk's business.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;
use veripile_ocpp::call::{AnswerHeard, Call, CallError};

/// Orders waiting at one desk; an operator's clicks and a readiness check fit.
pub(crate) const ORDERS_MAX: usize = 64;

/// How long a charger has for its answer; some write their configuration to slow flash first.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Ids of our calls that are remembered: an answer to one that was given up is still ours, and never an upstream's.
const ISSUED_MAX: usize = 64;

/// Something to ask a charger.
pub(crate) struct Order {
    pub(crate) call: Call,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// The charger answered.
    Answered {
        /// Message id of our call.
        message_id: String,
        /// What the answer says.
        heard: Box<AnswerHeard>,
        /// Its payload, or error, as text.
        text: String,
    },
    /// It did not answer in time.
    Late {
        /// Message id of our call.
        message_id: String,
    },
    /// The version does not know such a call.
    Unspeakable(CallError),
    /// The charger is not connected, or left before it answered.
    Gone,
    /// Too many orders are waiting for this charger.
    Busy,
}

/// The desk.
pub(crate) struct Desk {
    orders: mpsc::Receiver<Order>,
    open: Option<Open>,
    issued: VecDeque<String>,
}

/// A call on its way.
struct Open {
    id: String,
    call: Call,
    reply: oneshot::Sender<Reply>,
    deadline: Instant,
}

impl Desk {
    pub(crate) fn new(orders: mpsc::Receiver<Order>) -> Self {
        Self { orders, open: None, issued: VecDeque::new() }
    }

    /// Whether a call of ours is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Waits for the next order, or until the open call is late, which is then told to who asked. Safe to drop and ask again.
    pub(crate) async fn next(&mut self) -> Option<Order> {
        match &self.open {
            Some(open) => {
                tokio::time::sleep_until(open.deadline).await;
                if let Some(Open { id, reply, .. }) = self.open.take() {
                    let _ = reply.send(Reply::Late { message_id: id });
                }
                None
            }
            None => match self.orders.recv().await {
                Some(order) => Some(order),
                None => std::future::pending().await,
            },
        }
    }

    /// A new message id.
    pub(crate) fn id() -> String {
        // 36 characters, OCPP's most.
        Uuid::now_v7().to_string()
    }

    /// Whether an id is of a call of ours, open or late.
    pub(crate) fn is_ours(&self, id: &str) -> bool {
        self.issued.iter().any(|issued| issued == id)
    }

    /// Notes that an order was sent.
    pub(crate) fn sent(&mut self, id: String, order: Order) {
        let Order { call, reply } = order;
        self.issued.truncate(ISSUED_MAX - 1);
        self.issued.push_front(id.clone());
        self.open = Some(Open { id, call, reply, deadline: Instant::now() + ANSWER_WITHIN });
    }

    /// Gives an answer to who asked; false if no call of ours with this id is open.
    pub(crate) fn answered(
        &mut self,
        version: veripile_ocpp::Version,
        id: &str,
        content: &Result<String, (String, String)>,
    ) -> bool {
        let Some(Open { id, call, reply, .. }) = self.open.take_if(|open| open.id == id) else {
            return false;
        };
        let (heard, text) = match content {
            Ok(payload) => (veripile_ocpp::call::hear_answer(version, &call, payload), payload.clone()),
            Err((code, description)) => {
                let heard = AnswerHeard::Error { code: code.clone(), description: description.clone() };
                (heard, format!("{code}: {description}"))
            }
        };
        let _ = reply.send(Reply::Answered { message_id: id, heard: Box::new(heard), text });
        true
    }
}
