//! A fuzzer's bytes read as choices: each byte decides one thing; when they are used up, everything is the first choice.
//!
//! Used by the structured targets.

/// Longest piece of free text taken from the input; longer than any word that is kept whole.
const TEXT_BYTES_MAX: usize = 120;

/// The bytes not yet read.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All of an input.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left to choose.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        let two = usize::from(self.byte()) << 8 | usize::from(self.byte());
        two % limit.max(1)
    }

    /// One of a list.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }

    /// Text straight from the input, its length in front.
    pub fn text(&mut self) -> String {
        let length = (usize::from(self.byte()) % TEXT_BYTES_MAX).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    /// All that is left, as text.
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(std::mem::take(&mut self.0)).into_owned()
    }
}
