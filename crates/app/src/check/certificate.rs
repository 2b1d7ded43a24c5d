//! `veripile check certificate FILE`: the signed file of a certificate or notice, or the one in its PDF or DCC, layer by layer, in
//! words or as JSON.
//!
//! The layers are judged in `veripile_verification::certificate::check`, which computes the result again from the readings inside;
//! here files are read and the outcome is told. A key that comes with the file proves nothing: without keys that were fetched from
//! the platform, nothing is good.

mod inside;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use inside::Container;
use serde::Deserialize;
use veripile_verification::certificate::check::{self, Checked, Layer};
use veripile_verification::certificate::{CertificateKind, PublicKey};

/// Largest file of keys read, bytes: thousands of keys.
const KEYS_BYTES_MAX: usize = 1 << 20;

/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 64;

/// What `check certificate` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct CertificateArgs {
    /// The signed file (JSON), or the document's PDF or DCC with it inside
    file: PathBuf,
    /// Keys to believe: a file as served at /.well-known/veripile-keys.json, or one key of 64 hexadecimal digits
    #[arg(long, value_name = "KEYS.json|HEX")]
    keys: Option<String>,
    /// Tells the outcome as JSON
    #[arg(long)]
    json: bool,
}

/// The keys as they are served (a JSON Web Key Set, whose members are not all looked at).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    hex: Option<String>,
}

/// Checks a file; whether all of it is good.
pub fn run(args: &CertificateArgs) -> Result<bool> {
    let bytes = read(&args.file, inside::BYTES_MAX)?;
    let found = inside::signed_file(bytes).with_context(|| args.file.display().to_string());
    let (container, text) = found?;
    let keys = args.keys.as_deref().map(keys).transpose()?.unwrap_or_default();
    let checked = check::check(&text, &keys);
    let told = if args.json {
        serde_json::to_string_pretty(&checked)?
    } else {
        format!("{}{}", found_in(container), words(&checked))
    };
    crate::say(told.trim_end())?;
    Ok(checked.is_good())
}

/// What is to be said of a file that has the signed one inside: somebody may have changed the rest.
fn found_in(container: Container) -> &'static str {
    match container {
        Container::Bare => "",
        Container::Pdf => {
            "Checked is the signed file attached to this PDF. Its pages are not: where they say anything else, the signed file is right.\n"
        }
        Container::Dcc => {
            "Checked is the signed file inside this DCC. Its other elements are not: where they say anything else, the signed file is \
             right.\n"
        }
    }
}

fn read(file: &Path, bytes_max: usize) -> Result<Vec<u8>> {
    let size = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    if size > bytes_max as u64 {
        bail!("{} has {size} bytes; at most {bytes_max} are read", file.display());
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Keys of a file, or one that is given itself.
fn keys(given: &str) -> Result<Vec<PublicKey>> {
    if given.len() == KEY_DIGITS
        && let Some(key) = PublicKey::from_hex(given)
    {
        return Ok(vec![key]);
    }
    let file = Path::new(given);
    let expected = "expected what is served at /.well-known/veripile-keys.json, or 64 hexadecimal digits";
    if !file.exists() {
        bail!("--keys: {given:?} is neither a file nor a key of 64 hexadecimal digits; {expected}");
    }
    let text = read(file, KEYS_BYTES_MAX)?;
    let set: KeySet =
        serde_json::from_slice(&text).with_context(|| format!("{}: {expected}", file.display()))?;
    let read = set.keys.iter().filter_map(|key| PublicKey::from_hex(key.hex.as_deref()?));
    let found: Vec<PublicKey> = read.collect();
    if found.is_empty() {
        bail!("{} has no key with a member hex of 64 digits: {expected}", file.display());
    }
    Ok(found)
}

/// The outcome, a line a layer.
fn words(checked: &Checked) -> String {
    let mut text = String::new();
    let kind = match checked.kind {
        Some(CertificateKind::Certificate) => "certificate (passed)",
        Some(CertificateKind::Notice) => "notice of result (not passed)",
        None => "not a document that can be read",
    };
    let _ = writeln!(text, "{} {kind}", checked.number.as_deref().unwrap_or("-"));
    for (layer, name) in [
        (checked.syntax, "syntax: reads as a document, written as documents are"),
        (checked.signature, "signature: nothing was changed after signing"),
        (checked.key, "key: signed by a key that you gave"),
        (checked.result, "result: verdict, uncertainties and dates follow from the readings"),
    ] {
        let outcome = match layer {
            Layer::Ok => "ok         ",
            Layer::Failed => "FAILED     ",
            Layer::NotChecked => "not checked",
        };
        let _ = writeln!(text, "  {outcome}  {name}");
    }
    for finding in &checked.findings {
        let _ = writeln!(text, "  - {}: {}", finding.code, finding.detail);
    }
    if let Some(certificate) = &checked.certificate {
        let until = certificate.valid_until.map_or(String::new(), |day| format!(", valid until {day}"));
        let order = &certificate.order;
        let _ = writeln!(
            text,
            "pile {}, outlet {}, {}, verified on {}{until}, by {} ({}, reviewed by {})",
            order.plate.pile_id,
            order.connector,
            certificate.result.rule_set,
            certificate.verified_on,
            order.body,
            order.verifier,
            order.reviewer,
        );
    }
    if checked.signature == Layer::Ok && checked.key == Layer::NotChecked {
        let _ = writeln!(
            text,
            "Whose key signed it is not known: a key that comes with a file proves nothing. Fetch the keys from the platform's own \
             address, https://HOST/.well-known/veripile-keys.json, and give that file with --keys."
        );
    }
    let _ = writeln!(
        text,
        "{}",
        if checked.is_good() {
            "All good. Whether it was withdrawn or put in question since, only the platform can say: /c/NUMBER."
        } else {
            "Not good as it stands."
        }
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, 7.1, TEST 1.
    const HEX: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn keys_are_given_themselves_or_in_a_file_as_served() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys.json");
        let path = file.to_str().expect("UTF-8");
        let served = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"1","x":"","hex":"{HEX}"}},{{"kty":"EC"}}]}}"#
        );
        std::fs::write(&file, served).expect("written");
        for given in [HEX, path] {
            assert_eq!(keys(given).expect("one").iter().map(PublicKey::hex).collect::<Vec<_>>(), [HEX]);
        }
        for bad in ["{\"keys\":[]}", "{}", "no JSON"] {
            std::fs::write(&file, bad).expect("written");
            assert!(keys(path).is_err(), "{bad}");
        }
        // One digit too few, one that is none, one key too many, no file.
        for bad in [&HEX[1..], &HEX.replace('d', "g"), &format!("{HEX}{HEX}"), "/absent", ""] {
            let told = keys(bad).expect_err(bad).to_string();
            assert!(told.contains("neither a file nor a key of 64 hexadecimal digits"), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_and_is_not_good() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("c.json");
        let args = |file: &Path| CertificateArgs { file: file.to_owned(), keys: None, json: false };
        assert!(run(&args(&file)).is_err(), "it could not run");
        std::fs::write(&file, "{}").expect("written");
        assert!(!run(&args(&file)).expect("ran"));
        let told = words(&check::check("{}", &[]));
        assert!(told.contains("FAILED") && told.contains("Not good"), "{told}");
    }
}
