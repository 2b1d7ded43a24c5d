//! The font that documents are set in: how wide a text is, where it may be broken, and its glyphs.
//!
//! Called by the other files of [`super`]. Text is set character by character, upright and from left to right, which is all that
//! Chinese and English need; there is no shaping.

use krilla::text::{GlyphId, KrillaGlyph};
use skrifa::charmap::Charmap;
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider};

use super::PdfError;

/// A subset of Noto Sans CJK SC: GB 2312, Latin, Greek, signs (`fonts/manifest.toml`).
static FILE: &[u8] = include_bytes!("../../../fonts/NotoSansCJKsc-Regular-subset.otf");

/// Signs that may not begin a line, and such that may not end one.
const NOT_FIRST: &str = "，。、；：？！）》」』】〉〕”’％‰℃°…—·,.;:?!)]}%";
const NOT_LAST: &str = "（《「『【〈〔“‘([{";

/// The font.
pub(super) struct Font {
    characters: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    unit: f32,
    embedded: krilla::text::Font,
}

impl Font {
    /// Reads it.
    pub(super) fn new() -> Result<Self, PdfError> {
        let font = FontRef::new(FILE).map_err(|error| PdfError::Font(error.to_string()))?;
        let embedded = krilla::text::Font::new(FILE.into(), 0);
        let embedded = embedded.ok_or_else(|| PdfError::Font("it cannot be embedded".to_owned()))?;
        Ok(Self {
            characters: font.charmap(),
            metrics: font.glyph_metrics(Size::unscaled(), LocationRef::default()),
            unit: embedded.units_per_em(),
            embedded,
        })
    }

    /// The font for the file's writer.
    pub(super) fn embedded(&self) -> krilla::text::Font {
        self.embedded.clone()
    }

    /// The text as it can be printed: a character that the font does not have by its code point, `[U+1F600]`, which says more
    /// than an empty box; breaks and other control characters as spaces.
    pub(super) fn printable(&self, text: &str) -> String {
        let mut printable = String::with_capacity(text.len());
        for character in text.chars() {
            if character.is_control() || character.is_whitespace() {
                printable.push(' ');
            } else if self.characters.map(character).is_some() {
                printable.push(character);
            } else {
                printable.push_str(&format!("[U+{:04X}]", u32::from(character)));
            }
        }
        printable
    }

    /// Width of a printable text at a size.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        self.units(text) / f64::from(self.unit) * size
    }

    /// Glyphs of a printable text, each with the character that it stands for.
    pub(super) fn glyphs(&self, text: &str) -> Vec<KrillaGlyph> {
        let glyph = |(at, character): (usize, char)| {
            let (glyph, advance) = self.glyph(character);
            let range = at..at + character.len_utf8();
            KrillaGlyph::new(glyph, advance / self.unit, 0.0, 0.0, 0.0, range, None)
        };
        text.char_indices().map(glyph).collect()
    }

    fn glyph(&self, character: char) -> (GlyphId, f32) {
        let glyph = self.characters.map(character).unwrap_or_default();
        (GlyphId::new(glyph.to_u32()), self.metrics.advance_width(glyph).unwrap_or(self.unit))
    }

    /// A text in lines that are no wider than that. A break of its own breaks it; what has no place to break is cut.
    pub(super) fn lines(&self, text: &str, size: f64, width: f64) -> Vec<String> {
        text.lines().flat_map(|line| self.paragraph(&self.printable(line), size, width)).collect()
    }

    fn paragraph(&self, text: &str, size: f64, width: f64) -> Vec<String> {
        let mut lines = Lines {
            room: width / size * f64::from(self.unit),
            used: 0.0,
            done: Vec::new(),
            open: String::new(),
        };
        for piece in pieces(text) {
            let needed = self.units(piece.trim_end());
            lines.make_room(needed);
            if needed <= lines.room {
                lines.push(piece, self.units(piece));
                continue;
            }
            // No place to break: it is cut wherever a line is full.
            for (at, character) in piece.char_indices() {
                let units = f64::from(self.glyph(character).1);
                if character != ' ' {
                    lines.make_room(units);
                }
                lines.push(&piece[at..at + character.len_utf8()], units);
            }
        }
        lines.end()
    }

    /// Width of a printable text in the font's units, which are whole numbers: sums of them are exact.
    fn units(&self, text: &str) -> f64 {
        text.chars().map(|character| f64::from(self.glyph(character).1)).sum()
    }
}

/// Lines being filled; widths in the font's units.
struct Lines {
    room: f64,
    used: f64,
    done: Vec<String>,
    open: String,
}

impl Lines {
    /// Begins a new line if so much does not fit on this one.
    fn make_room(&mut self, needed: f64) {
        if !self.open.is_empty() && self.room < self.used + needed {
            self.done.push(self.open.trim_end().to_owned());
            self.open.clear();
            self.used = 0.0;
        }
    }

    fn push(&mut self, text: &str, units: f64) {
        self.open.push_str(text);
        self.used += units;
    }

    fn end(mut self) -> Vec<String> {
        let last = self.open.trim_end();
        if !last.is_empty() || self.done.is_empty() {
            self.done.push(last.to_owned());
        }
        self.done
    }
}

/// The text in pieces between which a line may end.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let mut before = None;
    for (at, character) in text.char_indices() {
        if before.is_some_and(|before| may_end_between(before, character)) {
            pieces.push(&text[begin..at]);
            begin = at;
        }
        before = Some(character);
    }
    pieces.push(&text[begin..]);
    pieces
}

fn may_end_between(before: char, after: char) -> bool {
    if after == ' ' || NOT_FIRST.contains(after) || NOT_LAST.contains(before) {
        return false;
    }
    before == ' ' || before == '/' || is_wide(before) || is_wide(after)
}

/// Whether a character is Chinese: lines may end beside it.
fn is_wide(character: char) -> bool {
    ('\u{2e80}'..='\u{ffef}').contains(&character)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use sha2::{Digest, Sha256};

    use super::*;

    #[derive(Deserialize)]
    struct Manifest {
        file: Vec<File>,
    }

    #[derive(Deserialize)]
    struct File {
        path: String,
        licence_file: String,
        sha256: String,
    }

    fn font() -> Font {
        Font::new().expect("embedded")
    }

    #[test]
    fn the_font_is_that_of_the_manifest_to_the_byte_and_its_licence_is_beside_it() {
        let manifest: Manifest =
            toml::from_str(include_str!("../../../fonts/manifest.toml")).expect("readable");
        let [file] = &manifest.file[..] else { panic!("one font") };
        assert_eq!(file.path, "NotoSansCJKsc-Regular-subset.otf");
        assert_eq!(hex::encode(Sha256::digest(FILE)), file.sha256);
        assert_eq!(file.licence_file, "OFL.txt");
        assert!(include_str!("../../../fonts/OFL.txt").contains("SIL OPEN FONT LICENSE Version 1.1"));
    }

    // 啊 and 齄 are the first and the last hanzi of GB 2312, 丂 is in neither of its levels.
    #[test]
    fn what_the_font_lacks_is_shown_by_its_code_point() {
        let font = font();
        let has = "啊座亍齄（）％≤≥±−×φΩμ°℃✓√χ²①é";
        assert_eq!(font.printable(has), has);
        assert_eq!(font.printable("a\u{1F600}b\tc\u{4E02}"), "a[U+1F600]b c[U+4E02]");
    }

    // Digits are 0.555 of the size in this font and hanzi 1.0, by the font's own table as fonttools prints it.
    #[test]
    fn widths_are_those_of_the_font() {
        let font = font();
        assert!((font.width("桩桩", 10.0) - 20.0).abs() < 1e-4);
        assert!((font.width("00", 10.0) - 11.1).abs() < 1e-4, "{}", font.width("00", 10.0));
    }

    #[test]
    fn lines_end_where_they_may() {
        let font = font();
        let check = |text: &str, width: f64, expected: &[&str]| {
            assert_eq!(font.lines(text, 10.0, width), expected, "{text}");
        };
        check("", 50.0, &[]);
        check("one", 50.0, &["one"]);
        check("one two", 25.0, &["one", "two"]);
        check("充电桩检定", 30.0, &["充电桩", "检定"]);
        // A full stop goes with the sign before it, a bracket with what follows.
        check("充电桩。检定", 30.0, &["充电", "桩。检", "定"]);
        check("充电（桩）检", 30.0, &["充电", "（桩）", "检"]);
        check("a\nb", 50.0, &["a", "b"]);
        // No place to break: it is cut.
        check("0000000", 23.0, &["0000", "000"]);
        check("桩", 1.0, &["桩"]);
        check("桩桩", 1.0, &["桩", "桩"]);
    }

    #[test]
    fn a_word_without_end_is_cut_in_no_time() {
        let lines = font().lines(&"0".repeat(1_000_000), 10.0, 111.0);
        assert_eq!(lines.len(), 50_000);
    }

    #[test]
    fn no_line_is_too_wide_and_nothing_is_lost() {
        let font = font();
        let text = "型号 ABC-7kW/32A（单相）由 https://example.org/p/0123456789012345678901234567890123456789 生产，\
                    编号 2026-03-000001；固件 v1.2.3-rc1+build.4567890 及其他。";
        for width in [20.0, 37.0, 61.0, 90.0, 200.0] {
            let lines = font.lines(text, 9.0, width);
            assert!(lines.iter().all(|line| font.width(line, 9.0) <= width), "{lines:?}");
            let bare = |text: &str| text.replace(' ', "");
            assert_eq!(bare(&lines.concat()), bare(text));
        }
    }
}
