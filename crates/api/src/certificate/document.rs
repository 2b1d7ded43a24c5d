//! The files of a document: the signed JSON byte for byte, PDF, digital calibration certificate. What is public may be cached and is
//! known by its hash; what is not is for nobody's cache.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, IF_NONE_MATCH, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use veripile_store::verification::CertificateRow;
use veripile_verification::certificate::{Issued, dcc, pdf};
use veripile_verification::texts::Language;

use super::{Sight, acts_on, address, read, sight};
use crate::problem::Problem;
use crate::session::{Visitor, private};
use crate::{Site, door};

/// A form of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Pdf,
    Dcc,
}

/// In which language.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Language of a PDF: zh (as issued) or en
    lang: Option<String>,
}

/// A document in the form that the request accepts: signed JSON, PDF or DCC
#[utoipa::path(get, path = "/api/v1/certificates/{number}",
    params(("number" = String, Path, description = "Number of the document"), Asked),
    responses(
        (status = 200, description = "application/json (signed file, byte for byte), application/pdf or application/xml",
            content((serde_json::Value = "application/json"), (String = "application/pdf"), (String = "application/xml"))),
        (status = 404, description = "No such document, or one that is not public", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn any(
    request: HttpRequest,
    site: web::Data<Site>,
    visitor: Visitor,
    number: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    serve(&request, &site, &visitor, &number, &asked, form(accepts)).await
}

/// The signed file, byte for byte
#[utoipa::path(get, path = "/api/v1/certificates/{number}.json",
    params(("number" = String, Path, description = "Number of the document")),
    responses(
        (status = 200, description = "Canonical JSON (RFC 8785) of document and Ed25519 signature", body = serde_json::Value, content_type = "application/json"),
        (status = 404, description = "No such document, or one that is not public", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn json(
    request: HttpRequest,
    site: web::Data<Site>,
    visitor: Visitor,
    number: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    serve(&request, &site, &visitor, &number, &asked, Form::Json).await
}

/// The document in print: Chinese as issued, or English
#[utoipa::path(get, path = "/api/v1/certificates/{number}.pdf",
    params(("number" = String, Path, description = "Number of the document"), Asked),
    responses(
        (status = 200, description = "PDF", body = String, content_type = "application/pdf"),
        (status = 404, description = "No such document, or one that is not public", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn print(
    request: HttpRequest,
    site: web::Data<Site>,
    visitor: Visitor,
    number: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    serve(&request, &site, &visitor, &number, &asked, Form::Pdf).await
}

/// The document as a Digital Calibration Certificate (PTB DCC)
#[utoipa::path(get, path = "/api/v1/certificates/{number}.dcc.xml",
    params(("number" = String, Path, description = "Number of the document")),
    responses(
        (status = 200, description = "DCC", body = String, content_type = "application/xml"),
        (status = 404, description = "No such document, or one that is not public", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn calibration(
    request: HttpRequest,
    site: web::Data<Site>,
    visitor: Visitor,
    number: web::Path<String>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, Problem> {
    serve(&request, &site, &visitor, &number, &asked, Form::Dcc).await
}

/// The first form that a list of media types names; JSON for whoever takes anything.
fn form(accepts: &str) -> Form {
    let types = accepts.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    types
        .filter_map(|media| match media {
            "application/json" => Some(Form::Json),
            "application/pdf" => Some(Form::Pdf),
            "application/xml" | "text/xml" => Some(Form::Dcc),
            _ => None,
        })
        // Browsers accept XML besides pages, and mean no DCC.
        .find(|form| *form != Form::Dcc || !accepts.contains("text/html"))
        .unwrap_or(Form::Json)
}

async fn serve(
    request: &HttpRequest,
    site: &Site,
    visitor: &Visitor,
    number: &str,
    asked: &Asked,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::missing("no document has this number; /api/v1/verifications lists them");
    let now = Timestamp::now();
    let row = site.store.certificate_by_number(number, now).await?.ok_or_else(missing)?;
    let sight = sight(visitor.0.as_ref(), &row, &acts_on(site, &row).await?, now);
    if sight == Sight::Hidden {
        return Err(missing());
    }
    let english = asked.lang.as_deref().is_some_and(|lang| lang.starts_with("en"));
    // The file never changes, and print and DCC are made from it by this version of the program.
    let kind = match form {
        Form::Json => "json",
        Form::Pdf if english => "pdf-en",
        Form::Pdf => "pdf",
        Form::Dcc => "dcc",
    };
    let tag = format!("\"{}-{kind}-{}\"", &row.sha256[..row.sha256.len().min(32)], env!("CARGO_PKG_VERSION"));
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if sight == Sight::Public && known.is_some_and(|known| door::is_known(known, &tag)) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let mut answer = match form {
        Form::Json => HttpResponse::Ok().content_type("application/json").body(row.json.clone()),
        Form::Pdf => HttpResponse::Ok()
            .content_type("application/pdf")
            .insert_header((CONTENT_DISPOSITION, inline(&row.number, "pdf")))
            .body(printed(request, site, &row, english).await?),
        Form::Dcc => HttpResponse::Ok()
            .content_type("application/xml")
            .insert_header((CONTENT_DISPOSITION, inline(&row.number, "dcc.xml")))
            .body(calibration_xml(request, site, &row)?),
    };
    if sight == Sight::Confidential {
        return Ok(private(answer));
    }
    let headers = answer.headers_mut();
    for (name, value) in [(ETAG, tag.as_str()), (CACHE_CONTROL, "no-cache"), (VARY, "Accept")] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

/// A name under which a browser keeps the file. Numbers are ours and plain; anything else is left out.
fn inline(number: &str, ending: &str) -> String {
    let plain: String = number.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("inline; filename=\"{plain}.{ending}\"")
}

/// Chinese as it was printed when it was issued; English anew, from the signed file.
async fn printed(
    request: &HttpRequest,
    site: &Site,
    row: &CertificateRow,
    english: bool,
) -> Result<Vec<u8>, Problem> {
    if !english {
        let kept = site.store.certificate_pdf(&row.number).await?;
        return kept.ok_or_else(|| Problem::missing("no document has this number"));
    }
    let address = address(request, site, &row.number);
    pdf::pdf(&issued(row)?, Language::En, &address).map_err(|error| {
        tracing::error!(%error, number = row.number, "a document could not be printed");
        Problem::unavailable("the document cannot be printed now")
    })
}

fn calibration_xml(request: &HttpRequest, site: &Site, row: &CertificateRow) -> Result<String, Problem> {
    let address = address(request, site, &row.number);
    dcc::dcc(&issued(row)?, &address).map_err(|error| {
        tracing::error!(%error, number = row.number, "a document could not be written as a DCC");
        Problem::unavailable("the document cannot be written as a DCC now")
    })
}

fn issued(row: &CertificateRow) -> Result<Issued, Problem> {
    Ok(Issued { certificate: read(row)?, json: row.json.clone(), sha256: row.sha256.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_first_that_is_accepted_and_json_for_anything() {
        for (accepts, expected) in [
            ("", Form::Json),
            ("*/*", Form::Json),
            ("application/pdf", Form::Pdf),
            ("application/xml;q=0.9, application/pdf", Form::Dcc),
            ("text/xml", Form::Dcc),
            ("application/json, application/pdf", Form::Json),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Json),
            ("image/png", Form::Json),
        ] {
            assert_eq!(form(accepts), expected, "{accepts}");
        }
    }

    #[test]
    fn a_file_s_name_cannot_break_its_header() {
        assert_eq!(inline("VP2026-000001", "pdf"), "inline; filename=\"VP2026-000001.pdf\"");
        assert_eq!(inline("a\"b\r\n<script>", "pdf"), "inline; filename=\"abscript.pdf\"");
    }
}
