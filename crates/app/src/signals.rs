//! Signals that ask the program to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the program is asked to stop, by Ctrl-C or by the service manager.
pub async fn stop() {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be heard; Ctrl-C works");
            let _ = tokio::signal::ctrl_c().await;
            return;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
