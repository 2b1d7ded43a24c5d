//! Whether two names are one person's, as far as spelling can tell.
//!
//! Asked wherever two different people are needed (`standing`, `case`, the pages of verifications). Names are what people typed: who has
//! an account is known by it, and two accounts of one person are for whoever makes accounts to prevent. Nothing is stored folded.

use unicode_normalization::UnicodeNormalization;

/// Whether two names differ in nothing but letter case, width, accents' encoding, spaces and punctuation.
///
/// Compared are letters and digits after compatibility decomposition and composition (NFKC) and case folding, so that `zhang` cannot
/// confirm what `Zhang` proposed. Names without any letter or digit are compared as they stand.
pub fn is_same_person(one: &str, other: &str) -> bool {
    match (folded(one), folded(other)) {
        (one, other) if !one.is_empty() || !other.is_empty() => one == other,
        _ => one.trim() == other.trim(),
    }
}

/// Case is folded by way of upper case, letter by letter: ß is ss then, and each sigma the same.
fn folded(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    folded.nfkc().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_spelled_otherwise_is_the_same_name() {
        for (one, other) in [
            ("zhang", "Zhang"),
            ("zhang", " ZHANG\u{a0}"),
            ("zhang san", "Zhang  San"),
            ("张三", "张 三"),
            ("张三", "张\u{200b}三"),
            ("zhang", "ｚｈａｎｇ"),
            ("Strauß", "STRAUSS"),
            ("José", "Jose\u{301}"),
            ("ΝΙΚΟΣ", "νικος"),
            ("-", " - "),
        ] {
            assert!(is_same_person(one, other), "{one:?} {other:?}");
        }
        for (one, other) in [("zhang", "zhao"), ("张三", "张四"), ("José", "Jose"), ("a", ""), ("-", "+")]
        {
            assert!(!is_same_person(one, other), "{one:?} {other:?}");
        }
    }
}
