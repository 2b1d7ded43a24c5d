//! Which stored run is gone on from.

use super::*;

/// As it is stored, of 30 days.
fn stored(software: String) -> StoredRun {
    let basis = Basis {
        window_days: 30,
        charges: 9,
        piles: 2,
        acts: 1,
        intervals: 0,
        calibrations: 0,
        tariffs: 0,
        settings: Settings::default().into(),
        signals_skipped: false,
        signals_not_asked: Vec::new(),
    };
    StoredRun {
        run_no: 1,
        as_of: Timestamp::UNIX_EPOCH,
        software,
        input_sha256: Vec::new(),
        facts: serde_json::json!({ "charges": 9, "learnt": Learnt::default() }),
        basis: Some(serde_json::to_value(basis).expect("plain")),
        estimates_sha256: None,
    }
}

/// What another estimator learnt is none of this one's, though the version be the same.
#[test]
fn a_run_is_gone_on_from_only_where_this_program_would_make_it_the_same_way() {
    let goes_on = |software: String, days: u32| Whole::stored(&stored(software), days).is_some();
    assert!(goes_on(software(), 30) && !goes_on(software(), 31));
    let version = env!("CARGO_PKG_VERSION");
    assert!(!goes_on(format!("veripile {version}"), 30));
    assert!(!goes_on(format!("veripile {version}, estimator {}", REVISION + 1), 30));
}
