//! The public state as data: what it is, since when, what it rests on, and what may be said of the certificate beside it.
//!
//! Called wherever a pile is told to programs: query API, dumps, OCPI. It decides nothing: state, moment and what holds of a certificate
//! are `veripile_pile::Standing`'s, as on pages and badges.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use veripile_pile::{Certification, State};
use veripile_store::PileRecord;
use veripile_store::verification::QuestionReason;

use crate::view::segment;

/// The public state, on the strength of acts of authority.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verification {
    /// verified_monitored, verified, due, under_review, failed or out_of_use
    state: &'static str,
    /// What the state rests on: certificate, question (of the certificate), case, stopped, unseen, or none
    basis: &'static str,
    /// When the state began to hold: verified, certificate over or put in question, case opened, failure public, use stopped, silent for
    /// thirty days; later where a case or a stop that is over came in between. Null of a pile that never was anything but due
    since: Option<String>,
    /// Number of the document that the state rests on
    number: Option<String>,
    issued_by: Option<String>,
    /// Number of the last certificate, whatever the state rests on
    certificate_number: Option<String>,
    certificate_issued_by: Option<String>,
    /// Date of its verification; null where it is in question or a failure is public
    verified_at: Option<String>,
    /// End of its validity, over or not; null where it is in question or a failure is public: it is valid for nothing then
    valid_until: Option<String>,
    /// Date of its verification where that does not count any more: it is in question, or a failure is public
    was_verified_at: Option<String>,
    /// Where it is in question: what was verified once, and since when and why that does not count
    question: Option<InQuestion>,
    /// Address of its signed file, where it was issued here; `.pdf` and `.dcc.xml` stand beside it. Below our own address here, whole over
    /// OCPI
    certificate_url: Option<String>,
    /// Address of the evidence from afar: weeks, assessments, events, on-site results. Below our own address here, whole over OCPI
    evidence_url: String,
}

/// A certificate in question: the pile is not verified, whatever the certificate says of its validity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InQuestion {
    /// Date of the verification that it was issued for
    was_verified_at: String,
    /// Since when it is in question
    since: String,
    /// seal_broken, firmware_changed, repaired or other; null where nobody said
    because: Option<&'static str>,
}

impl Verification {
    pub(crate) fn of(pile: &PileRecord, now: Timestamp) -> Self {
        let (basis, document) = basis(pile, now);
        let (number, issued_by) = document.unzip();
        let certification = pile.standing.certification(now);
        let certificate = certification.map(Certification::certificate);
        let (stands, was) = match certification {
            Some(Certification::Stands(one)) => (Some(one), None),
            Some(Certification::Questioned(one, _) | Certification::Overtaken(one)) => (None, Some(one)),
            None => (None, None),
        };
        let question = certification.and_then(|told| match told {
            Certification::Questioned(one, since) => Some(InQuestion {
                was_verified_at: one.at.to_string(),
                since: since.to_string(),
                because: pile.questioned_because.map(QuestionReason::word),
            }),
            Certification::Stands(_) | Certification::Overtaken(_) => None,
        });
        let address = |number: &str| format!("/api/v1/certificates/{}.json", segment(number));
        Self {
            state: pile.state(now).word(),
            basis,
            since: pile.since(now).map(|since| since.to_string()),
            number,
            issued_by: issued_by.as_deref().and_then(issuer),
            certificate_number: certificate.map(|one| one.number.clone()),
            certificate_issued_by: certificate.and_then(|one| issuer(&one.issuer)),
            verified_at: stands.map(|one| one.at.to_string()),
            valid_until: stands.map(|one| one.valid_until.to_string()),
            was_verified_at: was.map(|one| one.at.to_string()),
            question,
            certificate_url: certificate.filter(|_| pile.has_document).map(|one| address(&one.number)),
            evidence_url: format!("/api/v1/piles/{}/history", segment(pile.pile_id.as_str())),
        }
    }

    /// The same with whole addresses, for those who read it elsewhere.
    pub(crate) fn at(self, base: &str) -> Self {
        Self {
            certificate_url: self.certificate_url.map(|path| format!("{base}{path}")),
            evidence_url: format!("{base}{}", self.evidence_url),
            ..self
        }
    }
}

/// Who issued something; none where nobody said.
fn issuer(told: &str) -> Option<String> {
    veripile_pile::body(told).map(str::to_owned)
}

/// What the state rests on, in a word, and number and issuer of that document.
fn basis(pile: &PileRecord, now: Timestamp) -> (&'static str, Option<(String, String)>) {
    let standing = &pile.standing;
    if let Some(case) = &standing.case {
        return ("case", Some((case.number.clone(), case.said_by(now).to_owned())));
    }
    if standing.stopped_at.is_some() {
        let by = standing.stopped_by.as_ref();
        return ("stopped", by.map(|by| (by.number.clone(), by.issuer.clone())));
    }
    if pile.state(now) == State::OutOfUse {
        return ("unseen", None);
    }
    let Some(certificate) = &standing.certificate else { return ("none", None) };
    let word = if certificate.questioned_at.is_some() { "question" } else { "certificate" };
    (word, Some((certificate.number.clone(), certificate.issuer.clone())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use veripile_pile::{Certified, OpenCase, Standing};

    use super::*;
    use crate::view::bare_pile;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("literal")
    }

    fn told(pile: &PileRecord, now: &str) -> Value {
        serde_json::to_value(Verification::of(pile, at(now))).expect("JSON")
    }

    fn pile() -> PileRecord {
        let certificate = Certified {
            number: "C 1".to_owned(),
            issuer: "计量所".to_owned(),
            at: at("2023-09-07T00:00:00Z"),
            valid_until: at("2026-09-06T00:00:00Z"),
            questioned_at: None,
        };
        let mut pile = bare_pile(Standing { certificate: Some(certificate), ..Standing::default() });
        pile.has_document = true;
        pile
    }

    // It is due since its certificate ran out, not since it was verified three years before.
    #[test]
    fn a_pile_that_is_due_says_since_when() {
        let due = told(&pile(), "2026-11-28T00:00:00Z");
        assert_eq!(
            (&due["state"], &due["basis"], &due["since"]),
            (&json!("due"), &json!("certificate"), &json!("2026-09-06T00:00:00Z"))
        );
        assert_eq!(due["valid_until"], "2026-09-06T00:00:00Z");
        let before = told(&pile(), "2026-09-05T00:00:00Z");
        assert_eq!(
            (&before["state"], &before["since"]),
            (&json!("verified"), &json!("2023-09-07T00:00:00Z"))
        );
    }

    // While the operator may reply its certificate stands, with the state named; when the failure is public it was verified once.
    #[test]
    fn a_case_leaves_the_certificate_its_dates_until_the_failure_is_public() {
        let mut pile = pile();
        pile.standing.case = Some(OpenCase {
            number: "K-1".to_owned(),
            issuer: "市监局".to_owned(),
            at: at("2025-10-24T00:00:00Z"),
            confirmed_by: None,
            confirmed_at: Some(at("2025-10-25T00:00:00Z")),
            reply_until: Some(at("2025-11-14T00:00:00Z")),
        });
        let reviewed = told(&pile, "2025-11-01T00:00:00Z");
        for (name, value) in [
            ("state", json!("under_review")),
            ("basis", json!("case")),
            ("since", json!("2025-10-24T00:00:00Z")),
            ("number", json!("K-1")),
            ("issued_by", json!("市监局")),
            ("certificate_number", json!("C 1")),
            ("certificate_issued_by", json!("计量所")),
            ("verified_at", json!("2023-09-07T00:00:00Z")),
            ("valid_until", json!("2026-09-06T00:00:00Z")),
            ("was_verified_at", Value::Null),
            ("certificate_url", json!("/api/v1/certificates/C%201.json")),
        ] {
            assert_eq!(reviewed[name], value, "{name}");
        }
        let failed = told(&pile, "2025-11-28T00:00:00Z");
        for (name, value) in [
            ("state", json!("failed")),
            ("since", json!("2025-11-14T00:00:00Z")),
            ("verified_at", Value::Null),
            ("valid_until", Value::Null),
            ("was_verified_at", json!("2023-09-07T00:00:00Z")),
            ("question", Value::Null),
        ] {
            assert_eq!(failed[name], value, "{name}");
        }
    }

    #[test]
    fn a_certificate_in_question_stays_so_beside_a_stop() {
        let mut pile = pile();
        if let Some(certificate) = &mut pile.standing.certificate {
            certificate.questioned_at = Some(at("2025-01-01T00:00:00Z"));
        }
        pile.standing.stopped_at = Some(at("2025-02-01T00:00:00Z"));
        let stopped = told(&pile, "2025-11-01T00:00:00Z");
        assert_eq!(
            (&stopped["basis"], &stopped["since"], &stopped["number"]),
            (&json!("stopped"), &json!("2025-02-01T00:00:00Z"), &Value::Null)
        );
        assert_eq!(stopped["question"]["since"], "2025-01-01T00:00:00Z");
        assert_eq!((&stopped["valid_until"], &stopped["verified_at"]), (&Value::Null, &Value::Null));
        assert_eq!(stopped["was_verified_at"], "2023-09-07T00:00:00Z");
    }
}
