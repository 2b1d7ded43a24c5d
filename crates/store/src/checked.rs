//! In SQL: whether an act tells the public that its pile was checked on site.
//!
//! Used by [`crate::finder`] and [`crate::tally`]. What the public is not told of, lists and statistics must not tell either: that somebody
//! measured a pile of which nothing is on record says that it was found beyond its limit. Which acts are public `api::ver::access` decides
//! act by act; here the same is said of the case that is public now. A failure that was public and ended without a new certificate is the
//! one difference: its check is not counted any more.

/// The limit of a pile's error, percent: the class on its plate, by the rules for both kinds; none of another class.
macro_rules! limit_percent {
    () => {
        "CASE WHEN pile.kind IN ('ac', 'dc') AND pile.accuracy_class IN (1, 2) THEN pile.accuracy_class END"
    };
}
pub(crate) use limit_percent;

/// Whether an act that measured a pile beyond its limit, or a notice of such a result, is public at a moment: the failure that it led to is.
macro_rules! is_of_public_failure {
    ($now:literal) => {
        concat!(
            "standing.failed_after < ",
            $now,
            " AND CASE act.kind
                   WHEN 'notice' THEN act.number = standing.body #>> '{case,number}' AND coalesce(act.reply_until < ",
            $now,
            ", true)
                   ELSE EXISTS (SELECT FROM act AS second
                                WHERE second.pile_no = act.pile_no AND second.kind = 'failure_confirmed'
                                  AND second.number = standing.body #>> '{case,number}' AND act.acted_at <= second.acted_at
                                  AND coalesce(second.outlet = act.outlet, true) AND coalesce(second.reply_until < ",
            $now,
            ", true)) END"
        )
    };
}
pub(crate) use is_of_public_failure;

/// Whether an act tells of a check; `act`, `pile` and `standing` must be joined. A result within the limit is good news and public at once.
macro_rules! tells_of_check {
    ($now:literal) => {
        concat!(
            "(act.kind = 'certificate' OR act.kind IN ('measured', 'notice')
              AND (act.kind = 'measured' AND (act.error_percent IS NULL OR abs(act.error_percent) <= ",
            $crate::checked::limit_percent!(),
            ") OR ",
            $crate::checked::is_of_public_failure!($now),
            "))"
        )
    };
}
pub(crate) use tells_of_check;

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use veripile_metrology::rules;

    #[test]
    fn a_pile_s_limit_is_the_class_on_its_plate() {
        for kind in ["ac", "dc"] {
            let rules = rules::for_kind(kind).expect("known");
            let limits: Vec<_> =
                rules.classes.iter().map(|class| (class.number(), class.mpe_percent)).collect();
            let classes = [Decimal::ONE, Decimal::TWO];
            assert_eq!(limits, classes.map(|class| (Some(class), class)), "{kind}");
        }
    }
}
