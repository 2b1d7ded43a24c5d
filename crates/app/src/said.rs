//! What findings say, handed from `assessment` to `store` and `api`, which do not see it. Called by `assess` and `assess_files`.

use veripile_assessment::signals::Phrase;
use veripile_store::signal::Saying;

/// Phrases as they are stored and shown.
pub(crate) fn sayings(said: &[Phrase]) -> Vec<Saying> {
    let saying = |phrase: &Phrase| Saying {
        key: phrase.key().to_owned(),
        values: phrase
            .values()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    };
    said.iter().map(saying).collect()
}
