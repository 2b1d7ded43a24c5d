//! Configuration: one TOML file, every key also as `VERIPILE_<SECTION>__<KEY>`; unknown keys are refused.
//!
//! The only place that reads the environment. Each part of the program gets its own small struct by value.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use jiff::SignedDuration;
use serde::Deserialize;
use toml::{Table, Value};
use veripile_api::{Basemap, OcpiSettings};
use veripile_pile::case::Rules;

/// Prefix of environment variables.
const PREFIX: &str = "VERIPILE_";

/// Variables with the prefix that are not configuration: they steer tests and logs.
const NOT_CONFIGURATION: [&str; 4] =
    ["VERIPILE_TEST_", "VERIPILE_SHARED_DATA", "VERIPILE_BIN", "VERIPILE_LOG"];

/// Twenty a second: a map that is dragged asks a few, and a household or an office has one address.
pub const REQUESTS_PER_MINUTE: u32 = 1_200;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What this process does.
    pub roles: Vec<Role>,
    /// Pages, API and the chargers' address.
    pub http: Http,
    /// Where everything is kept.
    pub database: Database,
    /// The map on the front page.
    pub map: Map,
    /// As whom we answer other parties.
    pub ocpi: Ocpi,
    /// Chargers.
    pub ocpp: Ocpp,
    /// A second port, encrypted.
    pub tls: Tls,
    /// The secret under which cards are hashed.
    pub identity: Identity,
    /// The remote assessment.
    pub assess: Assess,
    /// Verifications on site.
    pub verification: Verification,
    /// Supervision: cases.
    pub supervision: Supervision,
}

/// One of the things a process can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Connections of chargers.
    Gateway,
    /// Pages and API.
    Api,
    /// The remote assessment.
    Assess,
    /// Virtual-load verifications, over the connections of the gateway in the same process.
    #[serde(rename = "verify-runner")]
    VerifyRunner,
}

/// Section `http`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Address under which the public reaches us, for links; none = relative links.
    pub public_url: Option<String>,
    /// Requests to the query API that one address may make in a minute without a key; 0: none.
    pub requests_per_minute: u32,
}

/// Section `map`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Map {
    /// What lies beneath the piles.
    pub basemap: Ground,
    /// Of `xyz`: address of a tile, with `{z}`, `{x}` and `{y}`.
    pub url: String,
    /// Of `pmtiles`: the archive of tiles.
    pub file: String,
    /// Of `tianditu`: the token that it gave out.
    pub token: String,
    /// Whose tiles they are.
    pub attribution: String,
    /// 审图号; `tianditu` needs one.
    pub approval_number: String,
    /// Deepest zoom for which there are tiles; an archive knows its own.
    pub zoom_max: u8,
}

/// What lies beneath the piles on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ground {
    /// The drawing in the binary.
    Builtin,
    /// Tiles at an address.
    Xyz,
    /// 天地图.
    Tianditu,
    /// Tiles in a file, which we serve.
    Pmtiles,
    /// Nothing.
    None,
}

impl Default for Map {
    fn default() -> Self {
        Self {
            basemap: Ground::Builtin,
            url: String::new(),
            file: String::new(),
            token: String::new(),
            attribution: String::new(),
            approval_number: String::new(),
            zoom_max: 18,
        }
    }
}

impl Map {
    /// What it comes to; what belongs to another kind of map is refused, so that nobody believes it is in use.
    pub fn basemap(&self) -> Result<Basemap> {
        let given = [
            ("url", &self.url),
            ("file", &self.file),
            ("token", &self.token),
            ("attribution", &self.attribution),
        ];
        let known: &[&str] = match self.basemap {
            Ground::Builtin | Ground::None => &[],
            Ground::Xyz => &["url", "attribution"],
            Ground::Tianditu => &["token", "attribution"],
            Ground::Pmtiles => &["file", "attribution"],
        };
        if let Some((name, _)) = given.iter().find(|(name, text)| !text.is_empty() && !known.contains(name)) {
            bail!("map.{name} does not go with map.basemap {:?}", self.basemap);
        }
        if self.basemap == Ground::Tianditu && self.approval_number.trim().is_empty() {
            bail!("map.approval_number: 天地图 may be shown with its 审图号 only");
        }
        if self.basemap == Ground::Pmtiles && self.file.is_empty() {
            bail!("map.file: expected the archive of tiles (*.pmtiles)");
        }
        let basemap = match self.basemap {
            Ground::Builtin => Ok(Basemap::builtin()),
            Ground::None => Ok(Basemap::nothing()),
            Ground::Xyz => Basemap::xyz(&self.url, &self.attribution, self.zoom_max),
            Ground::Tianditu => Basemap::tianditu(&self.token, &self.attribution, self.zoom_max),
            Ground::Pmtiles => Basemap::pmtiles(Path::new(&self.file), &self.attribution),
        };
        basemap.and_then(|map| map.approved(&self.approval_number)).map_err(|why| anyhow!("map.{why}"))
    }
}

/// Section `ocpi`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ocpi {
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    /// Three characters.
    pub party_id: String,
    /// Name of the business.
    pub name: String,
    /// ISO 3166-1 alpha-3 of stations whose country nobody told, and whose place does not tell it either.
    pub country: String,
    /// Time zone of such stations, by the IANA's name.
    pub time_zone: String,
}

/// Section `database`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://…`
    pub url: Option<String>,
    /// Whether `serve` leaves the schema alone.
    pub skip_migrations: bool,
}

/// Section `ocpp`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ocpp {
    /// Who may connect.
    pub registration: Registration,
    /// Least security profile (0–3) asked of every pile; none: 0 where registration is open, else 1.
    pub least_security_profile: Option<i16>,
    /// Whether a proxy in front of us terminates TLS.
    pub behind_proxy: bool,
    /// Whether a charger that boots waits until its configuration was read; none: unless registration is open.
    pub readiness_on_boot: Option<bool>,
    /// Seconds that it waits at most; then it is accepted, whatever its configuration.
    pub pending_s_max: u64,
    /// Actions of relayed chargers that we answer while their upstream is down, with commas between.
    pub answer_while_upstream_is_down: String,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Registered piles only.
    Closed,
    /// Registered piles; others connect and wait until somebody lets them in.
    Inbox,
    /// Any identity: closed networks, tests, demos.
    Open,
}

/// Section `tls`: everything that `http.listen` serves, encrypted, on a port of its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Address to listen on; none: no TLS.
    pub listen: Option<SocketAddr>,
    /// Our certificate and its chain, PEM.
    pub certificate_file: Option<PathBuf>,
    /// Its key, PEM.
    pub key_file: Option<PathBuf>,
    /// Authorities whose client certificates count (security profile 3), PEM; none: profile 3 is refused.
    pub client_ca_file: Option<PathBuf>,
    /// Our own authority for chargers, which signs what they ask for (SignCertificate): its certificate, PEM, followed by those
    /// above it if it is no root; none: nothing is signed. Its certificates count as those of `client_ca_file`.
    pub charger_ca_file: Option<PathBuf>,
    /// Its key, PEM (PKCS #8).
    pub charger_ca_key_file: Option<PathBuf>,
    /// Days that a charger's certificate is valid.
    pub charger_certificate_days: u32,
}

/// Section `identity`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// File with 64 hexadecimal digits; made, readable by its owner only, where there is none.
    pub key_file: PathBuf,
}

/// Section `assess`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assess {
    /// Least seconds between two runs.
    pub interval_s: u64,
    /// All evidence is compared anew at least this often, seconds; in between it is when that can change a verdict.
    pub whole_every_s: u64,
    /// Days of charges that a run looks back on.
    pub window_days: u32,
}

/// Section `verification`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verification {
    /// The body that verifies (检定机构), as documents name it; empty: every order must name one.
    pub body: String,
    /// File with the secret that signs documents, 64 hexadecimal digits; made, readable by its owner only, where there is none.
    pub key_file: PathBuf,
    /// Public keys that signed documents before, hexadecimal, with commas between.
    pub former_keys: String,
}

/// Section `supervision`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Supervision {
    /// Days that an operator has to reply before a failure is published, 1 to 365.
    pub reply_days: u16,
}

impl Supervision {
    /// The rules of cases.
    pub fn rules(&self) -> Result<Rules> {
        if !(1..=365).contains(&self.reply_days) {
            bail!("supervision.reply_days: {} is not between 1 and 365", self.reply_days);
        }
        Ok(Rules { reply_window: SignedDuration::from_hours(24 * i64::from(self.reply_days)) })
    }
}

impl Default for Supervision {
    fn default() -> Self {
        Self { reply_days: 21 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            roles: vec![Role::Gateway, Role::Api, Role::Assess, Role::VerifyRunner],
            http: Http::default(),
            map: Map::default(),
            ocpi: Ocpi::default(),
            database: Database::default(),
            ocpp: Ocpp::default(),
            tls: Tls::default(),
            identity: Identity::default(),
            assess: Assess::default(),
            verification: Verification::default(),
            supervision: Supervision::default(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            requests_per_minute: REQUESTS_PER_MINUTE,
        }
    }
}

impl Default for Ocpi {
    fn default() -> Self {
        let OcpiSettings { country_code, party_id, name, country, time_zone } = OcpiSettings::default();
        Self { country_code, party_id, name, country, time_zone }
    }
}

impl Default for Ocpp {
    fn default() -> Self {
        Self {
            registration: Registration::Closed,
            least_security_profile: None,
            behind_proxy: false,
            readiness_on_boot: None,
            pending_s_max: 120,
            answer_while_upstream_is_down: String::new(),
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            listen: None,
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            charger_ca_file: None,
            charger_ca_key_file: None,
            charger_certificate_days: 365,
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self { key_file: PathBuf::from("veripile-identity.key") }
    }
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            body: String::new(),
            key_file: PathBuf::from("veripile-signing.key"),
            former_keys: String::new(),
        }
    }
}

impl Default for Assess {
    fn default() -> Self {
        Self { interval_s: 60, whole_every_s: 86_400, window_days: 182 }
    }
}

impl Config {
    /// Reads the file, if one is named, and the environment over it.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration {}", path.display()))?,
            None => String::new(),
        };
        let name = file.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
        Self::from_parts(&text, std::env::vars()).with_context(|| format!("configuration from {name}"))
    }

    fn from_parts(text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut table: Table = text.parse()?;
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            if NOT_CONFIGURATION.iter().any(|other| name.starts_with(other)) {
                continue;
            }
            put(&mut table, path, &value).with_context(|| format!("environment variable {name}"))?;
        }
        Ok(Value::Table(table).try_into()?)
    }

    /// The database's address.
    ///
    /// # Errors
    /// If none is configured, saying where to put it.
    pub fn database_url(&self) -> Result<&str> {
        match self.database.url.as_deref() {
            Some(url) => Ok(url),
            None => bail!(
                "no database is configured: set VERIPILE_DATABASE_URL=postgres://USER:PASSWORD@HOST/NAME, or `url` in \
                 section [database] of the file given with --config"
            ),
        }
    }
}

/// Puts one variable where it belongs: `HTTP__LISTEN` is key `listen` of section `http`; `DATABASE_URL` is short for
/// `DATABASE__URL`.
fn put(table: &mut Table, path: &str, text: &str) -> Result<()> {
    let path = if path == "DATABASE_URL" { "DATABASE__URL" } else { path };
    let path = path.to_ascii_lowercase();
    match path.split_once("__") {
        Some((section, key)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            match section {
                Value::Table(section) => section.insert(key.to_owned(), scalar(text)),
                _ => bail!("the configuration file has a value where a section is meant"),
            };
        }
        None => {
            // The only key outside a section is a list of words.
            let words = text.split(',').map(|word| Value::String(word.trim().to_owned()));
            table.insert(path, Value::Array(words.collect()));
        }
    }
    Ok(())
}

fn scalar(text: &str) -> Value {
    match (text.parse::<i64>(), text) {
        (Ok(number), _) => Value::Integer(number),
        (_, "true") => Value::Boolean(true),
        (_, "false") => Value::Boolean(false),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config> {
        Config::from_parts(
            text,
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let config = read(
            "roles = ['api']\n[http]\nlisten = '0.0.0.0:1'\n[ocpp]\nregistration = 'open'",
            &[
                ("VERIPILE_HTTP__LISTEN", "127.0.0.1:2"),
                ("VERIPILE_DATABASE_URL", "postgres://x"),
                ("VERIPILE_ASSESS__INTERVAL_S", "5"),
                ("VERIPILE_ROLES", "gateway, verify-runner"),
                ("VERIPILE_TEST_DATABASE_URL", "ignored"),
                ("HOME", "ignored"),
            ],
        )
        .expect("readable");
        assert_eq!(config.http.listen.port(), 2);
        assert_eq!(config.database.url.as_deref(), Some("postgres://x"));
        assert_eq!(config.assess.interval_s, 5);
        assert_eq!(config.roles, vec![Role::Gateway, Role::VerifyRunner]);
        assert_eq!(config.ocpp.registration, Registration::Open);
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_refused() {
        for (text, variable) in [
            ("[http]\nlisen = 'x'", None),
            ("[nothing]", None),
            ("roles = ['cook']", None),
            ("[http]\nlisten = 'here'", None),
            ("", Some(("VERIPILE_OCPP__REGISTRATION", "sometimes"))),
            ("", Some(("VERIPILE_HTTP__LISEN", "127.0.0.1:2"))),
        ] {
            assert!(read(text, variable.as_slice()).is_err(), "{text} {variable:?}");
        }
    }

    #[test]
    fn what_lies_beneath_the_piles_is_checked() {
        let basemap =
            |text: &str| read(&format!("[map]\n{text}"), &[]).and_then(|config| config.map.basemap());
        let url = "url = 'https://tiles.example/{z}/{x}/{y}.png'\nattribution = 'A'";
        assert_eq!(basemap("").expect("the default"), Basemap::builtin());
        assert_eq!(basemap("basemap = 'none'").expect("nothing"), Basemap::nothing());
        let tiles = Basemap::xyz("https://tiles.example/{z}/{x}/{y}.png", "A", 18).expect("good");
        assert_eq!(basemap(&format!("basemap = 'xyz'\n{url}")).expect("tiles"), tiles);
        let approved = "basemap = 'tianditu'\ntoken = 'abc'\napproval_number = 'GS 1'";
        let tianditu = Basemap::tianditu("abc", "", 18).and_then(|map| map.approved("GS 1")).expect("good");
        assert_eq!(basemap(approved).expect("天地图"), tianditu);
        for (text, why) in [
            ("basemap = 'mbtiles'", "unknown variant"),
            ("basemap = 'pmtiles'\nattribution = 'A'", "map.file: expected the archive"),
            ("basemap = 'pmtiles'\nfile = '/nowhere'", "map.attribution: expected"),
            (
                "basemap = 'pmtiles'\nfile = '/nowhere'\nattribution = 'A'",
                "map.file: /nowhere cannot be read",
            ),
            ("basemap = 'none'\nfile = '/nowhere'", "map.file does not go with"),
            ("basemap = 'xyz'", "map.url: expected https://HOST"),
            ("basemap = 'xyz'\nurl = 'https://tiles.example/{z}/{x}/{y}'", "map.attribution: expected"),
            ("basemap = 'tianditu'\napproval_number = 'GS 1'", "map.token: expected"),
            ("basemap = 'tianditu'\ntoken = 'abc'", "map.approval_number: 天地图"),
            (url, "map.url does not go with map.basemap Builtin"),
            ("basemap = 'none'\ntoken = 'abc'", "map.token does not go with"),
        ] {
            let told = format!("{:#}", basemap(text).expect_err("refused"));
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn the_example_configuration_is_the_default() {
        let example = read(include_str!("../../../deploy/veripile.toml"), &[]).expect("readable");
        assert_eq!(example, Config::default());
    }

    #[test]
    fn it_listens_on_loopback_unless_told_otherwise() {
        assert!(Config::default().http.listen.ip().is_loopback());
    }
}
