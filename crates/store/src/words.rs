//! Where the words of a search may stand: in a pile's number, or at its station or operator. These are looked up first, since they are a
//! tenth as many as piles, so that the piles are found by indexes and not by reading every one's names.
//!
//! Used by [`crate::finder`]. Texts and words are as [`crate::search::plain`] makes them.

use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres};

use crate::row::storable;
use crate::{Store, StoreError};

/// Stations, or operators, that a word is looked up for by name; where there are more, those of each pile are read.
const NAMED_MAX: usize = 1_000;

/// Values of one word's condition.
pub(crate) const VALUES: usize = 4;

/// A word, and where it stands.
pub(crate) struct Word {
    /// For LIKE.
    pattern: String,
    /// Stations; none if it is common.
    stations: Vec<String>,
    /// Operators; none if it is common.
    operators: Vec<String>,
    /// Whether it stands at more of them than can be named.
    is_common: bool,
}

impl Store {
    /// Looks words up.
    pub(crate) async fn words(&self, words: &[String]) -> Result<Vec<Word>, StoreError> {
        let mut all = Vec::with_capacity(words.len());
        for word in words {
            let pattern = pattern(&storable(word));
            let stations =
                named(&self.pool, "SELECT station_id FROM station WHERE search LIKE $1 LIMIT $2", &pattern);
            let operators =
                named(&self.pool, "SELECT operator_id FROM operator WHERE search LIKE $1 LIMIT $2", &pattern);
            let (stations, operators) = (stations.await?, operators.await?);
            let is_common = NAMED_MAX < stations.len().max(operators.len());
            let kept = |ids: Vec<String>| if is_common { Vec::new() } else { ids };
            all.push(Word { stations: kept(stations), operators: kept(operators), is_common, pattern });
        }
        Ok(all)
    }

    /// The index by which what stands in a pile's number is found, if the extension is there or can be made; else all are read.
    pub(crate) async fn make_text_index(&self) -> Result<(), StoreError> {
        let available: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')")
                .fetch_one(&self.pool)
                .await?;
        let statements = [
            "CREATE EXTENSION IF NOT EXISTS pg_trgm",
            "CREATE INDEX IF NOT EXISTS pile_by_text ON pile USING gin (search gin_trgm_ops)",
        ];
        for statement in statements.iter().filter(|_| available) {
            if let Err(error) = sqlx::query(statement).execute(&self.pool).await {
                tracing::warn!(%error, "pg_trgm is available but could not be used; searches read all piles' numbers");
                break;
            }
        }
        Ok(())
    }
}

/// Up to one more than can be named.
async fn named(pool: &PgPool, statement: &'static str, pattern: &str) -> Result<Vec<String>, StoreError> {
    let most = i64::try_from(NAMED_MAX + 1).unwrap_or(i64::MAX);
    Ok(sqlx::query_scalar(statement).bind(pattern).bind(most).fetch_all(pool).await?)
}

/// What LIKE finds a text by that stands anywhere.
pub(crate) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The condition of a word, whose values follow so many others; `pile`, `station` and `operator` must be joined.
pub(crate) fn condition(others: usize) -> String {
    let (text, stations, operators, is_common) = (others + 1, others + 2, others + 3, others + 4);
    format!(
        " AND (pile.search LIKE ${text} OR pile.station_id = ANY(${stations}) OR pile.operator_id = ANY(${operators})
           OR (${is_common} AND (station.search LIKE ${text} OR operator.search LIKE ${text})))"
    )
}

/// Binds the values of a word.
pub(crate) fn bind<'q, O>(
    query: QueryAs<'q, Postgres, O, PgArguments>,
    word: &Word,
) -> QueryAs<'q, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    query
        .bind(word.pattern.clone())
        .bind(word.stations.clone())
        .bind(word.operators.clone())
        .bind(word.is_common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_itself() {
        for (text, expected) in
            [("太湖", "%太湖%"), ("50%", "%50\\%%"), ("a_\\", "%a\\_\\\\%"), ("🔌", "%🔌%")]
        {
            assert_eq!(pattern(text), expected);
        }
    }
}
