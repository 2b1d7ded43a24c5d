//! What a pile's page says of its papers: documents with their files, seals, signed values and the keys that signed them.
//!
//! Called by [`crate::pile`]. Who may see a document is decided in [`crate::certificate`]; this asks as somebody who is not signed in.

use jiff::Timestamp;
use veripile_pile::{Act, KeySource, MeterKey, PileId};
use veripile_store::signed::SignedLine;
use veripile_store::verification::{CertificateQuery, CertificateRow, CertificateStatus};

use crate::Site;
use crate::certificate::{self, Sight};
use crate::check;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::view;

/// Documents on the page, the newest: two outlets have some dozen in all their years.
const DOCUMENTS_MAX: u32 = 12;

/// Signed values on the page, the newest: those of the last few charges.
const SIGNED_MAX: usize = 10;

/// Keys on the page: two meters, each exchanged once.
const KEYS_MAX: usize = 4;

/// Longest key shown, characters: that of RSA with 4,096 bits has 1,100 in hexadecimal.
const KEY_CHARS_MAX: usize = 1_200;

/// Seals on the page.
const SEALS_MAX: usize = 20;

/// A document's line.
pub(crate) struct DocumentView {
    pub(crate) number: String,
    pub(crate) href: String,
    pub(crate) kind: String,
    pub(crate) outlet: i64,
    pub(crate) verified_on: String,
    pub(crate) valid_until: String,
    pub(crate) status: &'static str,
    pub(crate) status_text: String,
    /// Kind and address of its files.
    pub(crate) files: [(&'static str, String); 3],
}

/// A signed value: when, verdict, of which meter.
pub(crate) struct SignedView<'a> {
    pub(crate) at: String,
    pub(crate) verdict: &'static str,
    pub(crate) title: &'a str,
    pub(crate) meter: String,
}

/// A meter's public key.
pub(crate) struct KeyView<'a> {
    pub(crate) meter: String,
    pub(crate) source: &'a str,
    pub(crate) key: String,
}

/// Everything.
pub(crate) struct Papers<'a> {
    pub(crate) documents: Vec<DocumentView>,
    /// Number and place of each seal.
    pub(crate) seals: Vec<(String, String)>,
    /// What its signed values are worth, in a sentence.
    pub(crate) signing: String,
    pub(crate) signed: Vec<SignedView<'a>>,
    pub(crate) keys: Vec<KeyView<'a>>,
}

impl<'a> Papers<'a> {
    /// Asks the store for them; the acts on the pile are known.
    pub(crate) async fn of(
        t: &'a Texts,
        site: &Site,
        pile_id: &PileId,
        acts: &[Act],
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let query = CertificateQuery {
            pile: Some(pile_id.clone()),
            limit: DOCUMENTS_MAX,
            ..CertificateQuery::default()
        };
        let mut documents = Vec::new();
        for row in site.store.certificates_page(&query, now).await? {
            if certificate::sight(None, &row, acts, now) == Sight::Public {
                let (status, _) = certificate::status(None, &row, acts, now);
                documents.push(document(t, &row, status.word()));
            }
        }
        let seals = site.store.seals(pile_id).await?.into_iter().take(SEALS_MAX);
        let signed = site.store.signed_values(pile_id).await?;
        let keys = site.store.meter_keys_of_pile(pile_id).await?;
        Ok(Self {
            documents,
            seals: seals.map(|(number, place, _)| (view::name(&number), view::name(&place))).collect(),
            signing: signing(t, &signed),
            signed: signed.iter().take(SIGNED_MAX).map(|line| self::signed(t, line)).collect(),
            keys: keys
                .iter()
                .filter(|key| key.public_key.len() <= KEY_CHARS_MAX)
                .take(KEYS_MAX)
                .map(|key| self::key(t, key))
                .collect(),
        })
    }

    /// Address of the document of a number, if it is here and public.
    pub(crate) fn href(&self, number: &str) -> Option<String> {
        self.documents.iter().find(|document| document.number == number).map(|document| document.href.clone())
    }
}

fn document(t: &Texts, row: &CertificateRow, status: &'static str) -> DocumentView {
    let segment = view::segment(&row.number);
    let file = |ending: &str| format!("/api/v1/certificates/{segment}.{ending}");
    DocumentView {
        number: row.number.clone(),
        href: format!("/c/{segment}?lang={}", t.short()),
        kind: t.of_owned(&format!("document.{}", row.kind.word())).to_owned(),
        outlet: row.connector,
        verified_on: row.verified_on.to_string(),
        // One in question is valid for nothing, whatever it says.
        valid_until: row
            .valid_until
            .filter(|_| status != CertificateStatus::InQuestion.word())
            .map_or_else(|| t.of("dash").to_owned(), |day| day.to_string()),
        status,
        status_text: t.of_owned(&format!("status_of.{status}")).to_owned(),
        files: [
            ("PDF", format!("{}?lang={}", file("pdf"), t.short())),
            ("DCC", file("dcc.xml")),
            ("JSON", file("json")),
        ],
    }
}

fn signed<'a>(t: &'a Texts, line: &SignedLine) -> SignedView<'a> {
    let verdict = check::stored_word(line);
    SignedView {
        at: view::minute(line.at),
        verdict,
        title: t.of_owned(&format!("check.{verdict}")),
        meter: line.meter_serial.as_deref().map(view::name).unwrap_or_default(),
    }
}

fn key<'a>(t: &'a Texts, key: &MeterKey) -> KeyView<'a> {
    KeyView {
        meter: key.meter_serial.as_deref().map_or_else(|| t.of("unknown").to_owned(), view::name),
        source: match key.source {
            KeySource::Register => t.of("check.key_register"),
            KeySource::FirstUse | KeySource::Message => t.of("check.key_first_use"),
        },
        key: key.public_key.clone(),
    }
}

/// How many of the newest signed values are good.
fn signing(t: &Texts, lines: &[SignedLine]) -> String {
    if lines.is_empty() {
        return t.of("signed.none").to_owned();
    }
    let words: Vec<&str> = lines.iter().map(check::stored_word).collect();
    let count = |wanted: &[&str]| words.iter().filter(|word| wanted.contains(word)).count();
    let (good, bad) = (count(&["valid", "valid_unregistered"]), count(&["invalid", "other_meter"]));
    t.of("signed.counts")
        .replace("{n}", &words.len().to_string())
        .replace("{good}", &good.to_string())
        .replace("{bad}", &bad.to_string())
        .replace("{rest}", &(words.len() - good - bad).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    #[test]
    fn signed_values_are_counted_by_what_they_are_worth() {
        let line = |verdict: &str, key_source| SignedLine {
            at: Timestamp::UNIX_EPOCH,
            connector: 1,
            format: None,
            verdict: verdict.to_owned(),
            key_source,
            meter_serial: None,
            layers: "{}".to_owned(),
            reference: None,
            sealed: Vec::new(),
        };
        let t = Texts::in_language(Language::En);
        assert_eq!(signing(t, &[]), t.of("signed.none"));
        let lines = [
            line("valid", Some(KeySource::Register)),
            line("valid", Some(KeySource::FirstUse)),
            line("invalid", None),
            line("no_key", None),
        ];
        assert_eq!(
            signing(t, &lines),
            "Of the last 4 signed values 2 are valid, 1 invalid, 1 could not be checked."
        );
    }
}
