//! The answer to a BootNotification: accepted, or told to wait.
//!
//! Called by `gateway`. A charger that is told to wait boots again after the interval.

use jiff::Timestamp;
use serde_json::json;

use crate::answer::HEARTBEAT_INTERVAL_S;
use crate::time::millis;

/// Seconds after which a charger that was told to wait boots again.
const WAIT_S: i32 = 30;

/// What becomes of a charger that boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It may work.
    Accepted,
    /// It waits: for its configuration to be read, or for somebody to let it in.
    Pending,
}

/// A CALLRESULT frame; all versions spell it alike.
pub fn answer(id: &str, registered: Registered, now: Timestamp) -> String {
    let (status, interval) = match registered {
        Registered::Accepted => ("Accepted", HEARTBEAT_INTERVAL_S),
        Registered::Pending => ("Pending", WAIT_S),
    };
    json!([3, id, { "currentTime": millis(now), "interval": interval, "status": status }]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_waits_comes_again_sooner() {
        let now: Timestamp = "2026-03-01T08:00:00.25Z".parse().expect("literal");
        let pending =
            r#"[3,"7",{"currentTime":"2026-03-01T08:00:00.250Z","interval":30,"status":"Pending"}]"#;
        assert_eq!(answer("7", Registered::Pending, now), pending);
        assert!(answer("7", Registered::Accepted, now).contains(r#""interval":300,"status":"Accepted""#));
    }
}
