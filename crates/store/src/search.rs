//! What piles are found by: the names of their stations and operators, the address, and the pinyin of the Chinese ones, whole and by
//! initials; and how a text is searched, whatever its letters' width and case and whether there are hyphens.
//!
//! Written beside stations and operators whenever they are registered; read by [`crate::finder`].

use pinyin::ToPinyinMulti;
use unicode_normalization::UnicodeNormalization;

/// Readings kept of one name: characters with two readings multiply (长江路: cjl, zjl), names with many are rare.
const READINGS_MAX: usize = 16;

/// A text as it is searched: compatible characters are one (NFKC: full-width ones, ligatures), lower case, without hyphens, underlines
/// and blanks, which nobody remembers.
pub fn plain(text: &str) -> String {
    let letters = text.nfkc().flat_map(char::to_lowercase).nfkc();
    letters.filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_' | '\u{2010}'..='\u{2015}')).collect()
}

/// The text of a station in which each word of a search may stand: its names, its address and its region.
pub(crate) fn station_text(names: [&str; 2], address: Option<&str>, region: Option<&str>) -> String {
    let mut parts = name_parts(names[0], names[1]);
    parts.extend(address.map(plain));
    if let Some(region) = region.map(plain) {
        parts.extend(readings(&region, |sound| sound.chars().take(1).collect()));
        parts.push(region);
    }
    parts.join(" ")
}

/// The text of an operator in which each word of a search may stand.
pub(crate) fn operator_text(name_zh: &str, name_en: &str) -> String {
    name_parts(name_zh, name_en).join(" ")
}

fn name_parts(name_zh: &str, name_en: &str) -> Vec<String> {
    let mut parts = vec![plain(name_zh), plain(name_en)];
    parts.extend(readings(&plain(name_zh), |sound| sound.chars().take(1).collect()));
    parts.extend(readings(&plain(name_zh), str::to_owned));
    parts
}

/// Every reading of a name, each character by what `part` takes of its pinyin; what has no pinyin stays.
fn readings(name: &str, part: fn(&str) -> String) -> Vec<String> {
    let mut readings = vec![String::new()];
    for (character, sounds) in name.chars().zip(name.to_pinyin_multi()) {
        let mut sounds: Vec<String> = match sounds {
            Some(sounds) => sounds.into_iter().map(|sound| part(sound.plain())).collect(),
            None => vec![character.to_lowercase().collect()],
        };
        sounds.sort();
        sounds.dedup();
        let room = READINGS_MAX / readings.len();
        sounds.truncate(room.max(1));
        readings = readings
            .iter()
            .flat_map(|begun| sounds.iter().map(move |sound| format!("{begun}{sound}")))
            .collect();
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_station_is_found_by_its_names_its_initials_and_its_pinyin() {
        // Readings from the Xinhua dictionary.
        let text = station_text(["三阳广场充电站", "Sanyang Plaza"], Some("中山路 1 号"), Some("滨湖区"));
        for word in [
            "三阳",
            "sanyangplaza",
            "sygccdz",
            "sanyangguangchangchongdianzhan",
            "中山路1号",
            "滨湖区",
            "bhq",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let text = station_text(["重庆长江路", ""], None, None);
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

    #[test]
    fn a_name_of_many_readings_and_a_long_one_stay_small() {
        assert!(readings(&"长".repeat(50), |plain| plain[..1].to_owned()).len() <= READINGS_MAX);
        assert_eq!(readings("A座-1", str::to_owned), ["azuo-1"]);
    }
}
