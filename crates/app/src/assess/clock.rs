//! Whether clocks may say of which moment an assessment speaks: moments only grow, and one of the future would hold for every later assessment,
//! whose window then holds no charge.
//!
//! Called by [`super::Assessor`] before anything is taken in. It sets no clock.

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};
use veripile_store::Store;

use super::weekly::week_of;

/// Clocks that differ by more are not both right. A few minutes are no harm: moments grow all the same, and windows are days.
const APART_MAX: SignedDuration = SignedDuration::from_mins(5);

/// The time, where this machine's clock and the database's agree on it and nothing was taken in after it.
pub(super) async fn agreed(store: &Store, taken_in_at: Option<Timestamp>) -> Result<Timestamp> {
    let now = time(store).await?;
    not_of_the_future(now, taken_in_at)?;
    Ok(now)
}

/// Withdraws what was assessed under moments of the future; all of it is to be assessed anew.
pub(super) async fn forget_future(store: &Store) -> Result<()> {
    let now = time(store).await?;
    let runs = store.forget_future(now, week_of(now)).await?;
    tracing::warn!(runs, "what was assessed under moments of the future is withdrawn");
    Ok(())
}

/// Whether a moment cannot be one of an assessment made by now.
pub(super) fn is_future(now: Timestamp, at: Timestamp) -> bool {
    APART_MAX < at.duration_since(now)
}

async fn time(store: &Store) -> Result<Timestamp> {
    let (now, ahead) = store.time().await?;
    agree(now, ahead)?;
    Ok(now)
}

fn agree(now: Timestamp, ahead: SignedDuration) -> Result<()> {
    if ahead.abs() <= APART_MAX {
        return Ok(());
    }
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    bail!(
        "this machine's clock is {:#} {side} the database's, which says {now}: nothing was taken in, since every later assessment would have \
         to speak of later moments still. Set the one that is wrong (on Linux: timedatectl set-ntp true), and try again",
        ahead.abs()
    )
}

fn not_of_the_future(now: Timestamp, taken_in_at: Option<Timestamp>) -> Result<()> {
    match taken_in_at.filter(|at| is_future(now, *at)) {
        None => Ok(()),
        Some(at) => bail!(
            "the last assessment speaks of {at}, and now it is {now}: it was made by a machine with a wrong clock, and no assessment can speak of \
             now until then. Nothing was taken in. `veripile assess --forget-future` withdraws what was assessed under such moments and \
             assesses everything anew"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_minutes_assess_and_by_more_do_not() {
        let now: Timestamp = "2026-01-05T00:00:00Z".parse().expect("literal");
        for seconds in [-300, 0, 300] {
            assert!(agree(now, SignedDuration::from_secs(seconds)).is_ok(), "{seconds}");
        }
        for (seconds, words) in [(301, "ahead of"), (-301, "behind"), (4 * 366 * 86_400, "ahead of")] {
            let said = agree(now, SignedDuration::from_secs(seconds)).expect_err("apart").to_string();
            assert!(
                said.contains(words) && said.contains("2026-01-05") && said.contains("timedatectl"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_moment_of_the_future_is_named_with_the_next_step() {
        let now: Timestamp = "2026-01-05T00:00:00Z".parse().expect("literal");
        let of = |at: &str| not_of_the_future(now, Some(at.parse().expect("literal")));
        assert!(not_of_the_future(now, None).is_ok() && of("2026-01-05T00:05:00Z").is_ok());
        assert!(of("2020-01-05T00:00:00Z").is_ok());
        let said = of("2030-01-01T00:00:00Z").expect_err("of the future").to_string();
        assert!(said.contains("2030-01-01") && said.contains("--forget-future"), "{said}");
    }
}
