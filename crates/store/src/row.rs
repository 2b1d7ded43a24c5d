//! Small conversions between rows and nouns, shared by the files of this crate.

use std::borrow::Cow;

use jiff::Timestamp;
use veripile_pile::Mark;

use crate::StoreError;

/// A timestamp as the database driver wants it.
pub(crate) type SqlTime = jiff_sqlx::Timestamp;

/// Wraps an optional timestamp.
pub(crate) fn sql_time(time: Option<Timestamp>) -> Option<SqlTime> {
    time.map(jiff_sqlx::ToSqlx::to_sqlx)
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
