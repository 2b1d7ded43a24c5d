//! Errors towards the outside: problem+json (RFC 9457) for programs, a page for people. Inside, they are logged once, here.

use std::fmt;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use serde::Serialize;
use utoipa::ToSchema;
use veripile_store::StoreError;

use crate::Site;
use crate::texts::Texts;

/// How a key is shown, said to who shows one that is not known (RFC 9110, 11.6.1; RFC 6750, 3).
const CHALLENGE: &str = "Bearer realm=\"veripile\", error=\"invalid_token\"";

/// How many somebody wants on a page: what they said, if it can be, else the usual number.
pub(crate) fn limit(text: Option<&str>, usual: u32, most: u32) -> Result<u32, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(usual) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Problem::parameter("limit", &format!("a number from 1 to {most}")))
}

/// What went wrong, in terms of what the client can change.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Short name of the kind of problem.
    pub(crate) title: String,
    /// HTTP status.
    pub(crate) status: u16,
    /// What to change.
    pub(crate) detail: String,
    /// Of a parameter: its name, and what was expected, for pages in another language.
    #[serde(skip)]
    expected: Option<(String, String)>,
}

impl Problem {
    /// A parameter that cannot be.
    pub(crate) fn parameter(name: &str, expected: &str) -> Self {
        Self {
            expected: Some((name.to_owned(), expected.to_owned())),
            ..Self::new("Bad parameter", 400, &format!("{name}: expected {expected}"))
        }
    }

    fn new(title: &str, status: u16, detail: &str) -> Self {
        Self { title: title.to_owned(), status, detail: detail.to_owned(), expected: None }
    }

    /// What it says on a page; none where there is no text of it in the page's language.
    fn told(&self, t: &Texts) -> Option<String> {
        let Some((name, expected)) = &self.expected else {
            return t.problem(&self.detail).map(str::to_owned);
        };
        let text = match t.problem(expected) {
            Some(expected) => t.of("problem.parameter").replace("{expected}", expected),
            None => t.of("problem.parameter_bad").to_owned(),
        };
        Some(text.replace("{name}", label(t, name).unwrap_or(name)))
    }

    /// Something that this person may not do.
    pub(crate) fn forbidden(what: &str) -> Self {
        Self::new("Forbidden", 403, what)
    }

    /// Too much at once.
    pub(crate) fn busy(what: &str) -> Self {
        Self::new("Too many requests", 429, what)
    }

    /// A key that nobody gave out.
    pub(crate) fn unknown_key() -> Self {
        Self::new("Unknown key", 401, "this key is not known; leave it out, or ask for one")
    }

    /// Something that is not there.
    pub(crate) fn missing(what: &str) -> Self {
        Self::new("Not found", 404, what)
    }

    /// More than is taken in one piece.
    pub(crate) fn too_large(what: &str) -> Self {
        Self::new("Too large", 413, what)
    }

    /// Our own fault, for now.
    pub(crate) fn unavailable(what: &str) -> Self {
        Self::new("Unavailable", 503, what)
    }
}

/// How the form calls what somebody types into it; what is chosen cannot be wrong but in an address, where it is called by its name.
fn label<'a>(t: &'a Texts, name: &str) -> Option<&'a str> {
    match name {
        "max_fee" => Some(t.of("filter.fee")),
        "min_power_kw" => Some(t.of("filter.power")),
        "words" => Some(t.of("op.reply")),
        _ => None,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request could not be answered");
        Self::unavailable("the database cannot answer now; try again in a minute")
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let body = serde_json::to_string(self).unwrap_or_default();
        let mut answer = HttpResponse::build(self.status_code());
        if self.status_code() == StatusCode::UNAUTHORIZED {
            answer.insert_header((WWW_AUTHENTICATE, CHALLENGE));
        }
        answer.content_type("application/problem+json").body(body)
    }
}

/// Of a form that a library refused.
pub(crate) const TOO_LARGE: &str = "what was sent is larger than this page takes; send less";

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage<'a> {
    t: &'a Texts,
    title: &'a str,
    message: &'a str,
    simulated: bool,
    here: String,
}

/// A page that says what is not there.
pub(crate) fn missing_page(t: &Texts, simulated: bool, here: String) -> HttpResponse {
    let (title, text) = (t.of("missing.title"), t.of("missing.text"));
    message_page(t, StatusCode::NOT_FOUND, title, text, simulated, here)
}

/// A page that says one thing.
pub(crate) fn message_page(
    t: &Texts,
    status: StatusCode,
    title: &str,
    message: &str,
    simulated: bool,
    here: String,
) -> HttpResponse {
    html(status, &MessagePage { t, title, message, simulated, here })
}

/// Renders a page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> HttpResponse {
    rendered(status, page.render())
}

/// The same of a page that was rendered already.
pub(crate) fn rendered(status: StatusCode, page: askama::Result<String>) -> HttpResponse {
    match page {
        Ok(body) => HttpResponse::build(status).content_type("text/html; charset=utf-8").body(body),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// An address asked by another method than it has.
pub(crate) fn not_allowed(methods: &'static str) -> HttpResponse {
    let detail = format!("this address has {methods} and no other method");
    let mut answer = Problem::new("Method not allowed", 405, &detail).error_response();
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

/// What a library refuses in plain text: an answer that nobody takes as it is or compressed.
fn not_acceptable() -> HttpResponse {
    let detail =
        "answers come as they are, or with gzip or br; leave Accept-Encoding out, or allow one of these";
    let mut answer = Problem::new("Not acceptable", 406, detail).error_response();
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    answer
}

/// The middleware that shows people a page where a program gets a problem: who asks for HTML outside the interfaces for programs.
pub async fn for_people<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_program = ["/api/", "/ocpi", "/ocpp", "/.well-known", "/openapi.json"]
        .iter()
        .any(|path| request.path().starts_with(path));
    let is_person = accepts.contains("text/html") && !is_program;
    let answer = next.call(request).await?;
    let status = answer.status();
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_fault = status.is_client_error() || status.is_server_error();
    if status == StatusCode::NOT_ACCEPTABLE && !is_person {
        let (request, _) = answer.into_parts();
        return Ok(ServiceResponse::new(request, not_acceptable()).map_into_right_body());
    }
    if !is_person || !is_fault || kind.starts_with("text/html") {
        return Ok(answer.map_into_left_body());
    }
    let (request, answer) = answer.into_parts();
    let t = Texts::of_request(&request);
    let told = answer.error().and_then(|error| match error.as_error::<Problem>() {
        Some(problem) => problem.told(t),
        None if status == StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(TOO_LARGE).told(t),
        // What a library says is English.
        None => (!t.is_zh()).then(|| error.to_string()),
    });
    let what = told.unwrap_or_else(|| status.as_str().to_owned());
    let message = t.of("problem.told").replace("{text}", t.of("problem.text")).replace("{what}", &what);
    let simulated = request.app_data::<Data<Site>>().is_some_and(|site| site.settings.simulated);
    let mut page = message_page(t, status, t.of("problem.title"), &message, simulated, "/?".to_owned());
    for name in [RETRY_AFTER, ALLOW, WWW_AUTHENTICATE] {
        if let Some(value) = answer.headers().get(&name) {
            page.headers_mut().insert(name, value.clone());
        }
    }
    Ok(ServiceResponse::new(request, page).map_into_right_body())
}

/// Whatever no route takes: a page for a browser, a problem for a program.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/html") {
        let t = Texts::of_request(&request);
        let simulated = request.app_data::<Data<Site>>().is_some_and(|site| site.settings.simulated);
        return missing_page(t, simulated, "/?".to_owned());
    }
    Problem::missing("there is nothing at this address; /openapi.json lists what there is").error_response()
}

#[cfg(test)]
mod tests {
    use veripile_pile::State;

    use super::*;
    use crate::finder::Asked;
    use crate::texts::Language;

    #[test]
    fn a_page_says_what_is_wrong_in_its_own_language() {
        let [zh, en] = [Language::Zh, Language::En].map(Texts::in_language);
        let text = |text: &str| text.to_owned();
        let now = jiff::Timestamp::UNIX_EPOCH;
        for asked in [
            Asked { near: text("120"), ..Asked::default() },
            Asked { min_power_kw: text("-1"), ..Asked::default() },
            Asked { kind: text("hydrogen"), ..Asked::default() },
            Asked { page: text("0"), ..Asked::default() },
            Asked { page: text("1000000"), ..Asked::default() },
            Asked { operator: text("a/b"), ..Asked::default() },
            Asked { bbox: text("1"), ..Asked::default() },
        ] {
            let problem = asked.wish(now).err().expect("it cannot be");
            let told = problem.told(zh).expect("in the table");
            assert!(told.contains("应为") && !told.contains("expected"), "{told}");
            assert_eq!(problem.told(en), Some(problem.detail.replace("min_power_kw", "Power")));
        }
        let states = Asked { state: text("good"), ..Asked::default() }.wish(now).err().expect("it cannot be");
        assert!(states.told(zh).expect("codes stay").ends_with(&State::ALL.map(State::word).join(", ")));
        let fee = Asked { max_fee: text("cheap"), ..Asked::default() }.wish(now).err().expect("it cannot be");
        assert_eq!(fee.told(zh).as_deref(), Some("“每度不超过（元）”填得不对，应为：不小于零的数"));
        let lost = Problem::from(StoreError::Unknown(String::new()));
        assert_eq!(lost.told(zh).as_deref(), Some("数据库暂时没有应答，请一分钟后再试"));
        assert_eq!(Problem::missing("words that are in no table").told(zh), None);
        let unread = Problem::parameter("form", "words that are in no table");
        assert_eq!(unread.told(zh).as_deref(), Some("“form”填得不对"));
        assert_eq!(
            Problem::too_large(TOO_LARGE).told(zh).as_deref(),
            Some("内容太大，本页收不下，请减少后再试")
        );
    }
}
