//! `/api/v1/verifications`: documents as issued, newest first, with what they are worth today. Verifications are acts with legal effect;
//! remote assessments are elsewhere.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use veripile_pile::PileId;
use veripile_store::verification::{CertificateQuery, CertificateRow, CertificateStatus};
use veripile_verification::PointResult;

use super::{Sight, acts, read, sight, status};
use crate::Site;
use crate::api::LICENSE;
use crate::problem::{self, Problem};
use crate::session::{Visitor, private};
use crate::view;

/// Documents on a page where the request does not say, and at most.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Which documents.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Of this pile
    pile: Option<String>,
    /// Where the page before ended (`meta.next`)
    #[param(value_type = Option<i64>)]
    cursor: Option<String>,
    /// The same as `cursor`, by its former name
    #[param(value_type = Option<i64>)]
    before: Option<String>,
    /// At most this many documents looked at, 1 to 200
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Ignored; pages pass it on
    #[param(ignore)]
    #[serde(rename = "lang")]
    _lang: Option<String>,
}

impl Parameters {
    fn query(&self) -> Result<CertificateQuery, Problem> {
        let limit = problem::limit(self.limit.as_deref(), LIMIT_DEFAULT, LIMIT_MAX)?;
        let number = |name, text: &Option<String>| match text.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                let expected = "what meta.next said: a whole number";
                text.parse().map(Some).map_err(|_| Problem::parameter(name, expected))
            }
            None => Ok(None),
        };
        let before = number("cursor", &self.cursor)?.or(number("before", &self.before)?);
        let pile = self.pile.as_deref().filter(|id| !id.is_empty()).map(PileId::parse).transpose();
        let pile = pile.map_err(|error| Problem::parameter("pile", &format!("an identifier ({error})")))?;
        Ok(CertificateQuery { pile, before, limit, ..CertificateQuery::default() })
    }
}

/// What was found at one load point. Decimals as texts, as in the document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadPointResult {
    voltage_v: String,
    current_a: String,
    power_factor: Option<String>,
    /// Mean error of indication, unrounded, positive when the pile over-registers
    error_percent: String,
    /// As rounded for the decision, where the rule set rounds
    rounded_percent: Option<String>,
    expanded_uncertainty_percent: String,
    coverage_factor: String,
    limit_percent: String,
    /// Decision rule and version
    rule: String,
    /// conform, nonconform or undecided
    verdict: &'static str,
}

/// A document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuedDocument {
    number: String,
    /// certificate (passed) or notice (not passed)
    kind: &'static str,
    /// valid, in_question, superseded, withdrawn, expired or notice; evaluated now
    status: &'static str,
    superseded_by: Option<String>,
    pile_id: String,
    /// Connector of OCPP 1.6, EVSE of 2.x
    outlet: i64,
    issued_by: String,
    verified_on: String,
    valid_until: Option<String>,
    issued_at: String,
    /// Rule set and version
    rule_set: String,
    verdict: &'static str,
    points: Vec<LoadPointResult>,
    /// SHA-256 of the signed file
    sha256: String,
    /// Address of the signed file; `.pdf` and `.dcc.xml` stand beside it
    url: String,
}

/// What stands beside a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListMeta {
    license: &'static str,
    /// When anything in the list last changed: issued, in question, withdrawn
    last_updated: Option<String>,
    /// Cursor of the next page
    next: Option<i64>,
}

/// Documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerificationList {
    meta: ListMeta,
    verifications: Vec<IssuedDocument>,
}

/// Certificates and published notices of result, newest first
#[utoipa::path(get, path = "/api/v1/verifications", params(Parameters), responses(
    (status = 200, description = "Documents", body = VerificationList),
    (status = 400, description = "A parameter cannot be", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn verifications(
    site: web::Data<Site>,
    visitor: Visitor,
    parameters: Result<web::Query<Parameters>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let parameters =
        parameters.map_err(|error| Problem::parameter("query", &format!("known parameters ({error})")))?;
    let query = parameters.query()?;
    let now = Timestamp::now();
    let limit = query.limit as usize;
    let one_more = CertificateQuery { limit: query.limit + 1, ..query };
    let mut rows = site.store.certificates_page(&one_more, now).await?;
    let next = view::cut_to_page(&mut rows, limit).map(|last| last.certificate_no);
    let person = visitor.0.as_ref();
    let acts = acts(&site, &rows).await?;
    let mut last_updated = None;
    let mut verifications = Vec::with_capacity(rows.len());
    for row in &rows {
        let acts = acts.get(row.pile_id.as_str()).map_or(&[][..], Vec::as_slice);
        // Documents that are not this visitor's to see are left out: a page may have fewer than asked for.
        if sight(person, row, acts, now) != Sight::Hidden {
            last_updated = last_updated.max(Some(changed_at(row)));
            verifications.push(verification(row, status(person, row, acts, now))?);
        }
    }
    let last_updated = last_updated.map(|at| at.to_string());
    let list = VerificationList { meta: ListMeta { license: LICENSE, last_updated, next }, verifications };
    let answer = HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(list);
    Ok(if person.is_some() { private(answer) } else { answer })
}

/// When what is told of a document last changed by what somebody did.
fn changed_at(row: &CertificateRow) -> Timestamp {
    let questions = row.questions.iter().map(|question| question.at);
    let withdrawal = row.withdrawn.iter().map(|withdrawal| withdrawal.at);
    questions.chain(withdrawal).fold(row.issued_at, Timestamp::max)
}

/// A document, with what it is worth and what stands in its place.
fn verification(
    row: &CertificateRow,
    (status, superseded_by): (CertificateStatus, Option<String>),
) -> Result<IssuedDocument, Problem> {
    let result = read(row)?.result;
    Ok(IssuedDocument {
        number: row.number.clone(),
        kind: row.kind.word(),
        status: status.word(),
        superseded_by,
        pile_id: row.pile_id.to_string(),
        outlet: row.connector,
        issued_by: row.issuer.clone(),
        verified_on: row.verified_on.to_string(),
        valid_until: row.valid_until.map(|day| day.to_string()),
        issued_at: row.issued_at.to_string(),
        verdict: result.verdict.word(),
        points: result.points.iter().map(point).collect(),
        rule_set: result.rule_set,
        sha256: row.sha256.clone(),
        url: format!("/api/v1/certificates/{}.json", view::segment(&row.number)),
    })
}

fn point(found: &PointResult) -> LoadPointResult {
    LoadPointResult {
        voltage_v: found.point.voltage_v.to_string(),
        current_a: found.point.current_a.to_string(),
        power_factor: found.point.power_factor.map(|factor| factor.to_string()),
        error_percent: found.error_percent.to_string(),
        rounded_percent: found.rounded_percent.map(|rounded| rounded.to_string()),
        expanded_uncertainty_percent: found.expanded_uncertainty_percent.to_string(),
        coverage_factor: found.coverage_factor.to_string(),
        limit_percent: found.limit_percent.to_string(),
        rule: found.rule.clone(),
        verdict: found.verdict.word(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_cannot_be_are_named() {
        for (parameters, name) in [
            (Parameters { limit: Some("0".to_owned()), ..Default::default() }, "limit"),
            (Parameters { limit: Some("201".to_owned()), ..Default::default() }, "limit"),
            (Parameters { limit: Some("abc".to_owned()), ..Default::default() }, "limit"),
            (Parameters { cursor: Some("abc".to_owned()), ..Default::default() }, "cursor"),
            (Parameters { before: Some("abc".to_owned()), ..Default::default() }, "before"),
            (Parameters { pile: Some("a/b".to_owned()), ..Default::default() }, "pile"),
        ] {
            let problem = parameters.query().expect_err(name);
            assert!(problem.status == 400 && problem.detail.starts_with(name), "{problem}");
        }
        let (seven, pile) = (Some("7".to_owned()), Some("P1".to_owned()));
        let former = Parameters { before: seven.clone(), pile: pile.clone(), ..Default::default() };
        let query = former.query().expect("good");
        assert_eq!((query.limit, query.before), (LIMIT_DEFAULT, Some(7)));
        let query = Parameters { cursor: seven, pile, ..Default::default() }.query().expect("good");
        assert_eq!(query.before, Some(7));
        assert!(!query.certificates_only);
    }
}
