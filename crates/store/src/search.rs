//! What a station is found by: its names, its address, and the pinyin of the Chinese ones, whole and by initials.
//!
//! Written beside a station whenever it is registered; read by [`crate::finder`].

use pinyin::ToPinyinMulti;

/// Readings kept of one name: characters with two readings multiply (长江路: cjl, zjl), names with many are rare.
const READINGS_MAX: usize = 16;

/// The text in which each word of a search must stand. Lower case.
pub(crate) fn search_text(name_zh: &str, name_en: &str, address: Option<&str>) -> String {
    let mut parts = vec![name_zh.to_lowercase(), name_en.to_lowercase()];
    parts.extend(address.map(str::to_lowercase));
    parts.extend(readings(name_zh, |plain| plain.chars().take(1).collect()));
    parts.extend(readings(name_zh, str::to_owned));
    parts.join(" ")
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
        let text = search_text("三阳广场充电站", "Sanyang Plaza", Some("中山路 1 号"));
        for word in ["三阳", "sanyang plaza", "sygccdz", "sanyangguangchangchongdianzhan", "中山路"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let text = search_text("重庆长江路", "", None);
        for word in ["cqcjl", "zqzjl"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn a_name_of_many_readings_and_a_long_one_stay_small() {
        assert!(readings(&"长".repeat(50), |plain| plain[..1].to_owned()).len() <= READINGS_MAX);
        assert_eq!(readings("A座-1", str::to_owned), ["azuo-1"]);
    }
}
