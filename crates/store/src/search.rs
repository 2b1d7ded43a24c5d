//! What piles are found by: the numbers and names of their stations, the names of operators, district and address, and the pinyin of the Chinese
//! ones, whole and by initials; and how a text is searched, whatever its letters' width and case, whether there are hyphens or apostrophes, and whether it is in
//! traditional or simplified characters.
//!
//! `search/simplified.txt` has traditional characters in its first line, in the order of their numbers, and below them what is simplified for each: the
//! first that `TSCharacters.txt` of OpenCC (Apache-2.0) has. Written beside stations and operators whenever they are registered; read by [`crate::finder`].

use std::sync::LazyLock;

use pinyin::ToPinyinMulti;
use unicode_normalization::UnicodeNormalization;

/// Readings kept of one name: characters with two readings multiply (长江路: cjl, zjl), names with many are rare.
const READINGS_MAX: usize = 16;

/// The same of an address, which is several times as long.
const ADDRESS_READINGS_MAX: usize = 4;

/// Traditional characters with the simplified ones, in the order of the former.
static SIMPLIFIED: LazyLock<Vec<(char, char)>> = LazyLock::new(|| {
    let (traditional, simplified) =
        include_str!("search/simplified.txt").split_once('\n').unwrap_or_default();
    traditional.chars().zip(simplified.chars()).collect()
});

/// A text as it is searched: compatible characters are one (NFKC: full-width ones, ligatures), lower case, simplified, without hyphens, underlines,
/// blanks and apostrophes (`xi'an`), which nobody remembers, and without what nobody sees.
pub fn plain(text: &str) -> String {
    let letters = text.nfkc().flat_map(char::to_lowercase).nfkc();
    let is_joint = |c: char| matches!(c, '-' | '_' | '\u{2010}'..='\u{2015}' | '\'' | '’' | 'ʼ');
    let is_read = |c: &char| !c.is_whitespace() && !is_unseen(*c) && !is_joint(*c);
    letters.filter(is_read).map(simplified).collect()
}

/// The words of a search, which are parted by blanks and by marks between parts of a sentence; each as it is searched. Marks that stand in
/// numbers of piles (`BE*BEC*E1`, `P.1`) part nothing.
pub fn words(text: &str) -> Vec<String> {
    let text: Vec<char> = text.nfkc().collect();
    let letters = text.iter().enumerate().map(|(at, c)| if is_apostrophe(&text, at) { '\'' } else { *c });
    let text: String = letters.collect();
    let parts = text.split(|c: char| c.is_whitespace() || is_between(c));
    parts.map(plain).filter(|word| !word.is_empty()).collect()
}

/// Whether a closing quotation mark is an apostrophe: it stands within a word of Latin letters (xi’an), and parts nothing.
fn is_apostrophe(text: &[char], at: usize) -> bool {
    let is_latin = |at: usize| text.get(at).is_some_and(|c| c.is_alphabetic() && *c < '\u{250}');
    text.get(at) == Some(&'’') && at.checked_sub(1).is_some_and(is_latin) && is_latin(at + 1)
}

/// Character by character: what turns whole words would turn one in a part of a name otherwise than in the whole.
fn simplified(c: char) -> char {
    SIMPLIFIED.binary_search_by_key(&c, |(traditional, _)| *traditional).map_or(c, |at| SIMPLIFIED[at].1)
}

/// Marks of format, which come along when something is pasted: soft hyphen, zero width, direction, byte order, variation.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

/// Compatible marks are these by now: the full-width comma is the comma.
fn is_between(c: char) -> bool {
    matches!(
        c,
        ',' | ';' | '!' | '?' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '|' | '·' | '•' | '…'
            | '、' | '。' | '「'..='』' | '《'..='》' | '〈' | '〉' | '【' | '】' | '“' | '”' | '‘' | '’'
    )
}

/// The text of a station in which each word of a search may stand: its number, its names, its address and its region.
pub(crate) fn station_text(
    id: &str,
    names: [&str; 2],
    address: Option<&str>,
    region: Option<&str>,
) -> String {
    let mut parts = vec![plain(id)];
    parts.extend(name_parts(names[0], names[1]));
    for (text, most) in [(address, ADDRESS_READINGS_MAX), (region, READINGS_MAX)] {
        if let Some(text) = text.map(plain) {
            parts.extend(by_pinyin(&text, most));
            parts.push(text);
        }
    }
    parts.join(" ")
}

/// The text of an operator in which each word of a search may stand.
pub(crate) fn operator_text(name_zh: &str, name_en: &str) -> String {
    name_parts(name_zh, name_en).join(" ")
}

fn name_parts(name_zh: &str, name_en: &str) -> Vec<String> {
    let mut parts = vec![plain(name_zh), plain(name_en)];
    parts.extend(by_pinyin(&plain(name_zh), READINGS_MAX));
    parts
}

/// The readings of a text by initials, then whole; none of one without a Chinese character, which reads as it stands.
fn by_pinyin(text: &str, most: usize) -> Vec<String> {
    let initials = readings(text, most, |sound| sound.chars().take(1).collect());
    let whole = readings(text, most, str::to_owned);
    initials.into_iter().chain(whole).filter(|reading| reading != text).collect()
}

/// Readings of a text, at most so many, each character by what `part` takes of its pinyin; what has no pinyin stays.
fn readings(name: &str, most: usize, part: fn(&str) -> String) -> Vec<String> {
    let mut readings = vec![String::new()];
    for (character, sounds) in name.chars().zip(name.to_pinyin_multi()) {
        let all: Vec<String> = match sounds {
            Some(sounds) => sounds.into_iter().flat_map(|sound| typed(sound.plain())).collect(),
            None => vec![character.to_lowercase().collect()],
        };
        // The usual reading is the first: of a long name it is the only one that there is room for.
        let mut sounds: Vec<String> = Vec::new();
        for sound in all.iter().map(|sound| part(sound)) {
            if !sounds.contains(&sound) {
                sounds.push(sound);
            }
        }
        let room = most / readings.len();
        sounds.truncate(room.max(1));
        readings = readings
            .iter()
            .flat_map(|begun| sounds.iter().map(move |sound| format!("{begun}{sound}")))
            .collect();
    }
    readings
}

/// A reading as it is typed: keyboards have no ü, and pinyin is typed with v, in passports and on signs with u.
fn typed(sound: &str) -> Vec<String> {
    if !sound.contains('ü') {
        return vec![sound.to_owned()];
    }
    ["v", "u", "ü"].map(|letter| sound.replace('ü', letter)).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_is_found_by_its_names_its_initials_and_its_pinyin() {
        // Readings from the Xinhua dictionary.
        let text =
            station_text("SZ-1001", ["三阳广场充电站", "Sanyang Plaza"], Some("中山路 1 号"), Some("滨湖区"));
        for word in [
            "sz1001",
            "三阳",
            "sanyangplaza",
            "sygccdz",
            "sanyangguangchangchongdianzhan",
            "中山路1号",
            "zhongshanlu1hao",
            "zsl1h",
            "滨湖区",
            "bhq",
            "binhuqu",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        for region in ["锡山区", "錫山區"] {
            let text = station_text("SZ-1001", ["甲", ""], None, Some(region));
            for word in ["xsq", "xishan", "xishanqu", "锡山区"] {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
        let text = station_text("SZ-1001", ["重庆长江路", ""], None, None);
        for word in ["cqcjl", "zqzjl"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn a_text_is_searched_without_width_case_hyphens_and_blanks() {
        for text in ["wx0003", "WX-0003", "ＷＸ－０００３", "wx 0003", "Wx‐0003", "wx_0003", "WX\u{3000}0003"]
        {
            assert_eq!(plain(text), "wx0003", "{text}");
        }
        assert_eq!(plain("太湖充电"), "太湖充电");
        assert!(operator_text("太湖充电", "Taihu Charging").contains("thcd"));
    }

    /// Pinyin has an apostrophe before a syllable that begins with a vowel (GB/T 16159): Xi'an, Yan'an, Lü'an.
    #[test]
    fn an_apostrophe_is_not_looked_for() {
        let text = station_text("SZ-1001", ["西安站", "Xi'an Rail"], None, Some("六安’s"));
        for typed in ["xi'an", "Xi’an", "XI＇AN", "xiʼan", "xian", "xi'anzhan", "xi'anrail"] {
            let words = words(typed);
            assert!(words.len() == 1 && text.contains(&words[0]), "{typed}: {words:?} in {text}");
        }
        assert_eq!(words("lü’an ‘三阳’广场 ‘xi an’"), ["lüan", "三阳", "广场", "xi", "an"]);
        assert!(!text.contains(['\'', '’']), "{text}");
    }

    #[test]
    fn a_long_name_is_found_by_the_usual_reading_of_each_character() {
        let text = station_text("SZ-1001", ["无锡太湖广场南区停车场充电站", ""], None, None);
        for word in ["nanqu", "wuxitaihuguangchangnanqutingchechangchongdianzhan", "wxthgcnqtcccdz"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let text = station_text("SZ-1001", ["吕巷充电站", ""], None, None);
        for word in ["lvxiang", "luxiang", "lüxiang", "lxcdz"] {
            assert!(text.contains(&plain(word)), "{word}: {text}");
        }
    }

    #[test]
    fn a_text_is_searched_in_traditional_characters_and_in_parts() {
        // Characters of the 1986 list of simplified ones (简化字总表).
        for (traditional, expected) in
            [("三陽廣場", "三阳广场"), ("無錫東區", "无锡东区"), ("充電樁", "充电桩"), ("三阳", "三阳")]
        {
            assert_eq!(plain(traditional), expected);
        }
        assert!(SIMPLIFIED.len() > 3_000 && SIMPLIFIED.is_sorted_by_key(|(traditional, _)| *traditional));
        assert!(SIMPLIFIED.iter().all(|(_, to)| simplified(*to) == *to), "once is enough");
        assert_eq!(plain("W\u{200b}X-\u{feff}0003\u{200e}"), "wx0003");
        let found = |text: &str| words(text).join("+");
        assert_eq!(found("三阳、广场"), "三阳+广场");
        assert_eq!(found("三阳，广场（地下）"), "三阳+广场+地下");
        assert_eq!(found(" BE*BEC*E1, p.2 - "), "be*bec*e1+p.2");
        assert_eq!(found("\u{200b}、"), "");
    }

    #[test]
    fn a_name_of_many_readings_and_a_long_one_stay_small() {
        for most in [READINGS_MAX, ADDRESS_READINGS_MAX] {
            assert!(readings(&"长".repeat(50), most, |plain| plain[..1].to_owned()).len() <= most);
        }
        assert_eq!(readings("A座-1", READINGS_MAX, str::to_owned), ["azuo-1"]);
        assert_eq!(station_text("SZ-1001", ["taihu", "taihu"], Some("1 Rd"), None), "sz1001 taihu taihu 1rd");
    }
}
