//! Small conversions between rows and nouns, shared by the files of this crate.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::{self, Date};
use jiff_sqlx::ToSqlx;
use veripile_pile::Mark;

use crate::StoreError;

/// A timestamp as the database driver wants it.
pub(crate) type SqlTime = jiff_sqlx::Timestamp;

/// Wraps an optional timestamp.
pub(crate) fn sql_time(time: Option<Timestamp>) -> Option<SqlTime> {
    time.map(ToSqlx::to_sqlx)
}

/// The first moment and the first day that PostgreSQL has (4714 BC); what requests name may lie before. Its last ones no request can name.
const FIRST_MOMENT: Timestamp = Timestamp::constant(-210_866_803_200, 0);
const FIRST_DAY: Date = civil::date(-4713, 11, 24);

/// A moment that somebody asks about, or the nearest one that there is: nothing is stored before, so the answer is the same.
pub(crate) fn asked_time(time: Timestamp) -> SqlTime {
    time.max(FIRST_MOMENT).to_sqlx()
}

/// A day that somebody asks about, likewise.
pub(crate) fn asked_day(day: Date) -> jiff_sqlx::Date {
    day.max(FIRST_DAY).to_sqlx()
}

/// Unwraps an optional timestamp.
pub(crate) fn jiff_time(time: Option<SqlTime>) -> Option<Timestamp> {
    time.map(SqlTime::to_jiff)
}

/// Marks as comma-separated codes: arrays of arrays do not travel through `unnest`. None for no marks.
pub(crate) fn codes(marks: &[Mark]) -> Option<String> {
    (!marks.is_empty()).then(|| marks.iter().map(|mark| mark.code()).collect::<Vec<_>>().join(","))
}

/// Reads codes back.
pub(crate) fn marks(codes: &[String]) -> Result<Vec<Mark>, StoreError> {
    codes.iter().map(|code| Mark::from_code(code).ok_or_else(|| corrupt("mark", code))).collect()
}

/// A stored value that does not read back.
pub(crate) fn corrupt(what: &'static str, value: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what, value: value.to_string() }
}

/// Text fit for a `text` column: PostgreSQL has no NUL, so it becomes its visible symbol.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

/// Longest maker, model, firmware, meter and status that is kept of what a pile says: OCPP allows 50 characters at most, and what is kept
/// stands in lists and addresses. The frame is kept whole.
const TOLD_CHARS_MAX: usize = 255;

/// What a pile says of itself, or its meter, as far as anybody reads it.
pub(crate) fn brief(text: &str) -> String {
    storable(text).chars().take(TOLD_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Day 0 of the Julian period in the proleptic Gregorian calendar, 2,440,588 days before 1970: PostgreSQL takes nothing earlier.
    #[test]
    fn what_is_asked_about_is_a_moment_that_the_database_has() {
        let at = |text: &str| text.parse::<Timestamp>().expect("literal");
        let first = at("-004713-11-24T00:00:00Z");
        assert_eq!(first.as_second(), -2_440_588 * 86_400);
        for (asked, expected) in [
            (Timestamp::MIN, first),
            (at("-004713-11-23T23:59:59Z"), first),
            (first, first),
            (at("-004713-11-24T00:00:01Z"), at("-004713-11-24T00:00:01Z")),
            (Timestamp::MAX, Timestamp::MAX),
        ] {
            assert_eq!(asked_time(asked).to_jiff(), expected);
        }
        assert_eq!(asked_day(Date::MIN).to_jiff(), civil::date(-4713, 11, 24));
        assert_eq!(asked_day(civil::date(2027, 1, 31)).to_jiff(), civil::date(2027, 1, 31));
    }
}
