//! What lies beneath the piles on the map: the drawing in the binary, tiles of somebody else, an archive of tiles in a file, or nothing.
//!
//! Made by `app` from the configuration, read by [`crate::map`]. It asks nobody for tiles: browsers do, of the one host that the policy of
//! the map's page then names, or of us ([`crate::archive`]).

use std::path::Path;
use std::sync::Arc;

use actix_web::http::uri::Authority;
use serde_json::json;

use crate::archive::Archive;
use crate::texts::Texts;

/// Longest address of tiles, attribution or approval number, characters.
const CHARS_MAX: usize = 300;

/// Deepest zoom of tiles that anybody has.
const ZOOM_MAX: u8 = 22;

/// 天地图: one of its hosts. Its tiles lie in CGCS2000, which is WGS-84 to within a metre.
const TIANDITU: &str = "https://t0.tianditu.gov.cn";

/// What is drawn beneath the piles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basemap {
    ground: Ground,
    /// 审图号: by which the map was approved for publication.
    approval: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Ground {
    #[default]
    Builtin,
    Nothing,
    Tiles(Tiles),
    /// With whose map it is.
    File(Arc<Archive>, String),
}

/// Tiles of somebody else, in Web Mercator of WGS-84.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tiles {
    /// Addresses with `{z}`, `{x}`, `{y}`, the lowest first: for readers of Chinese, and of English.
    layers: [Vec<String>; 2],
    /// Scheme and authority.
    origin: String,
    attribution: String,
    zoom_max: u8,
}

impl Basemap {
    /// The drawing in the binary.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Nothing: piles on an even ground.
    pub fn nothing() -> Self {
        Self { ground: Ground::Nothing, approval: None }
    }

    /// Tiles at an address with `{z}`, `{x}`, `{y}`, and whose they are.
    ///
    /// # Errors
    /// If that is no such address, or nobody is named.
    pub fn xyz(url: &str, attribution: &str, zoom_max: u8) -> Result<Self, String> {
        let origin = origin(url)?;
        if let Some(missing) = ["{z}", "{x}", "{y}"].into_iter().find(|part| !url.contains(part)) {
            return Err(format!("url: {missing} is missing in {url:?}"));
        }
        let layers = [vec![url.to_owned()], vec![url.to_owned()]];
        Self::of_tiles(Tiles { layers, origin, attribution: attribution.trim().to_owned(), zoom_max })
    }

    /// 天地图, with the token that it gave out: streets, and their names above.
    ///
    /// # Errors
    /// If the token is none.
    pub fn tianditu(token: &str, attribution: &str, zoom_max: u8) -> Result<Self, String> {
        if token.is_empty() || token.len() > 64 || !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("token: expected the letters and digits that 天地图 gave out".to_owned());
        }
        let layer = |name: &str| {
            format!(
                "{TIANDITU}/{name}_w/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER={name}&STYLE=default&TILEMATRIXSET=w\
                 &FORMAT=tiles&TILEMATRIX={{z}}&TILEROW={{y}}&TILECOL={{x}}&tk={token}"
            )
        };
        let layers = [vec![layer("vec"), layer("cva")], vec![layer("vec"), layer("eva")]];
        let attribution = if attribution.trim().is_empty() { "天地图" } else { attribution.trim() };
        let (origin, attribution) = (TIANDITU.to_owned(), attribution.to_owned());
        Self::of_tiles(Tiles { layers, origin, attribution, zoom_max })
    }

    /// Pictures of a PMTiles archive, which we serve ourselves, and whose they are.
    ///
    /// # Errors
    /// If the file is no such archive, or nobody is named.
    pub fn pmtiles(file: &Path, attribution: &str) -> Result<Self, String> {
        let attribution = attribution.trim().to_owned();
        is_named(&attribution)?;
        let archive = Archive::open(file).map_err(|why| format!("file: {why}"))?;
        Ok(Self { ground: Ground::File(Arc::new(archive), attribution), approval: None })
    }

    fn of_tiles(tiles: Tiles) -> Result<Self, String> {
        is_named(&tiles.attribution)?;
        if !(1..=ZOOM_MAX).contains(&tiles.zoom_max) {
            return Err(format!("zoom_max: {} is not between 1 and {ZOOM_MAX}", tiles.zoom_max));
        }
        Ok(Self { ground: Ground::Tiles(tiles), approval: None })
    }

    /// The same with the number by which it was approved for publication (审图号); empty: none.
    ///
    /// # Errors
    /// If that is not one line.
    pub fn approved(self, number: &str) -> Result<Self, String> {
        let number = number.trim();
        if !is_line(number) {
            return Err(format!("approval_number: expected one line of up to {CHARS_MAX} characters"));
        }
        Ok(Self { approval: Some(number.to_owned()).filter(|number| !number.is_empty()), ..self })
    }

    /// The host that browsers ask for tiles, with its scheme and port; none: ourselves.
    pub(crate) fn origin(&self) -> Option<&str> {
        match &self.ground {
            Ground::Tiles(tiles) => Some(&tiles.origin),
            Ground::Builtin | Ground::Nothing | Ground::File(..) => None,
        }
    }

    /// The archive that is served, if that is what lies there.
    pub(crate) fn archive(&self) -> Option<Arc<Archive>> {
        match &self.ground {
            Ground::File(archive, _) => Some(Arc::clone(archive)),
            Ground::Builtin | Ground::Nothing | Ground::Tiles(_) => None,
        }
    }

    /// What the map's script is told.
    pub(crate) fn told(&self, t: &Texts) -> String {
        let told = match &self.ground {
            Ground::Builtin => json!({ "kind": "builtin" }),
            Ground::Nothing => json!({ "kind": "none" }),
            Ground::Tiles(tiles) => {
                let [zh, en] = &tiles.layers;
                let layers = if t.short() == "zh" { zh } else { en };
                json!({ "kind": "tiles", "tiles": layers, "attribution": tiles.attribution, "zoom_max": tiles.zoom_max })
            }
            Ground::File(archive, attribution) => {
                let mut told = archive.told();
                told["attribution"] = json!(attribution);
                told
            }
        };
        told.to_string()
    }

    /// Whose map it is and by which number it was approved, for the page itself.
    pub(crate) fn note(&self, t: &Texts) -> Option<String> {
        let attribution = match &self.ground {
            Ground::Tiles(tiles) => Some(&tiles.attribution),
            Ground::File(_, attribution) => Some(attribution),
            Ground::Builtin | Ground::Nothing => None,
        };
        let whose = attribution.map(|whose| t.of("map.whose").replace("{attribution}", whose));
        let approval = self.approval.as_ref().map(|number| t.of("map.approval").replace("{number}", number));
        let parts: Vec<String> = whose.into_iter().chain(approval).collect();
        (!parts.is_empty()).then(|| parts.join(t.of("comma")))
    }
}

/// Fails where nobody is named as whose map it is.
fn is_named(attribution: &str) -> Result<(), String> {
    if attribution.is_empty() || !is_line(attribution) {
        return Err(format!(
            "attribution: expected whose map it is, on one line of up to {CHARS_MAX} characters"
        ));
    }
    Ok(())
}

fn is_line(text: &str) -> bool {
    text.chars().count() <= CHARS_MAX && !text.chars().any(char::is_control)
}

/// Scheme and authority of an address, as a policy names them.
fn origin(url: &str) -> Result<String, String> {
    let wrong = || format!("url: expected https://HOST/…{{z}}…{{x}}…{{y}}…, not {url:?}");
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"'<>\\;,`".contains(c);
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    if !["https", "http"].contains(&scheme) || url.len() > CHARS_MAX || !url.chars().all(is_plain) {
        return Err(wrong());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let parsed: Authority = authority.parse().map_err(|_| wrong())?;
    if parsed.host().is_empty() || !authority.chars().all(is_host) {
        return Err(wrong());
    }
    Ok(format!("{scheme}://{}", authority.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn tiles_name_one_host_and_whose_they_are() {
        let zh = Texts::in_language(Language::Zh);
        let map = Basemap::xyz("https://Tiles.example:8443/a/{z}/{x}/{y}.png?k=1", " <b>甲</b> ", 17)
            .expect("good");
        assert_eq!(map.origin(), Some("https://tiles.example:8443"));
        let told: serde_json::Value = serde_json::from_str(&map.told(zh)).expect("JSON");
        let tiles = json!(["https://Tiles.example:8443/a/{z}/{x}/{y}.png?k=1"]);
        assert_eq!(
            told,
            json!({ "kind": "tiles", "tiles": tiles, "attribution": "<b>甲</b>", "zoom_max": 17 })
        );
        assert_eq!(map.note(zh).as_deref(), Some("底图：<b>甲</b>"), "escaped by the page");
        let map = map.approved(" GS(2024)0001号 ").expect("good");
        assert_eq!(map.note(zh).as_deref(), Some("底图：<b>甲</b>，审图号：GS(2024)0001号"));
        let own = Basemap::builtin();
        assert_eq!((own.origin(), own.note(zh)), (None, None));
        assert_eq!(
            (own.told(zh), Basemap::nothing().told(zh)),
            (r#"{"kind":"builtin"}"#.into(), r#"{"kind":"none"}"#.into())
        );
        let own = own.approved("GS(2024)0001号").expect("good");
        assert_eq!(own.note(zh).as_deref(), Some("审图号：GS(2024)0001号"));
    }

    #[test]
    fn the_map_of_china_has_its_names_in_the_readers_language() {
        let map = Basemap::tianditu("0a1b", "", 18).expect("good");
        assert_eq!(map.origin(), Some("https://t0.tianditu.gov.cn"));
        let told = |language| map.told(Texts::in_language(language));
        let (zh, en) = (told(Language::Zh), told(Language::En));
        assert!(zh.contains("LAYER=cva&") && !zh.contains("LAYER=eva&"), "{zh}");
        assert!(
            en.contains("LAYER=eva&") && en.contains("TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk=0a1b"),
            "{en}"
        );
        for token in ["", "a b", "a&b", "锁"] {
            assert!(Basemap::tianditu(token, "", 18).is_err_and(|why| why.starts_with("token")), "{token:?}");
        }
    }

    #[test]
    fn an_archive_is_asked_of_us_and_names_whose_it_is() {
        let zh = Texts::in_language(Language::Zh);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tiles/quarters.pmtiles");
        let map = Basemap::pmtiles(&file, " 甲 ").expect("good");
        assert_eq!((map.origin(), map.note(zh).as_deref()), (None, Some("底图：甲")));
        let told: serde_json::Value = serde_json::from_str(&map.told(zh)).expect("JSON");
        assert_eq!((&told["kind"], &told["attribution"]), (&json!("tiles"), &json!("甲")));
        assert!(map.archive().is_some() && Basemap::builtin().archive().is_none());
        assert!(Basemap::pmtiles(&file, "").is_err_and(|why| why.starts_with("attribution")));
        let absent = Basemap::pmtiles(Path::new("/nowhere.pmtiles"), "A");
        assert!(absent.is_err_and(|why| why.starts_with("file: /nowhere.pmtiles cannot be read")));
    }

    #[test]
    fn what_is_no_address_of_tiles_is_refused_with_the_reason() {
        let good = "https://a.example/{z}/{x}/{y}";
        let why =
            |url: &str, attribution: &str, zoom| Basemap::xyz(url, attribution, zoom).expect_err("refused");
        for url in [
            "",
            "a.example/{z}/{x}/{y}",
            "ftp://a.example/{z}/{x}/{y}",
            "https:///{z}/{x}/{y}",
            "https://*/{z}/{x}/{y}",
            "https://*.a.example/{z}/{x}/{y}",
            "https://{s}.a.example/{z}/{x}/{y}",
            "https://u:p@a.example/{z}/{x}/{y}",
            "https://a.example; script-src *; /{z}/{x}/{y}",
            "https://a.example'/{z}/{x}/{y}",
        ] {
            assert!(why(url, "A", 18).starts_with("url: expected https"), "{url}");
        }
        assert_eq!(
            why("https://a.example/{z}/{x}", "A", 18),
            "url: {y} is missing in \"https://a.example/{z}/{x}\""
        );
        assert!(why(good, " ", 18).starts_with("attribution"));
        assert!(why(good, "A\nB", 18).starts_with("attribution"));
        assert!(why(good, "A", 0).starts_with("zoom_max") && why(good, "A", 23).starts_with("zoom_max"));
        assert!(Basemap::builtin().approved("a\nb").is_err());
    }
}
