//! Open Charge Point Interface 2.2.1: a national access point (role NAP) that other parties read locations and tariffs from, and to which they
//! may send charge detail records to have signed values checked.
//!
//! Everything is pulled from us or pushed to us: we call nobody. So a party's own token and endpoints are neither fetched nor kept, and
//! no address that somebody sends is ever opened. Source: OCPI 2.2.1-d2, EV Roaming Foundation.

pub(crate) mod cdrs;
mod charges;
pub(crate) mod credentials;
pub(crate) mod locations;
mod page;
mod readings;
mod shape;
pub(crate) mod tariffs;
mod values;

use actix_web::body::BoxBody;
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::{
    Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError, Route, dev,
    web,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use veripile_store::StoreError;
use veripile_store::ocpi::Party;

use crate::headers::coded;
use crate::problem::Problem;
use crate::{Site, door};

/// Our address as others reach it.
pub(crate) use crate::qr::site_address as base;
pub use readings::Readings;

/// Largest body, bytes: a charge detail record with a period a minute for a day, and signed values.
const BODY_BYTES_MAX: usize = 512 << 10;

/// What is echoed, so that both sides find a request in their logs.
const ECHOED: [HeaderName; 2] =
    [HeaderName::from_static("x-request-id"), HeaderName::from_static("x-correlation-id")];

/// How a token is shown, said to who shows none that is known (RFC 9110, 11.6.1).
const CHALLENGE: &str = "Token realm=\"OCPI\"";

/// As whom we answer.
#[derive(Debug, Clone)]
pub struct OcpiSettings {
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

impl Default for OcpiSettings {
    fn default() -> Self {
        let [country_code, party_id, name] = ["CN", "VPL", "veripile"].map(str::to_owned);
        let [country, time_zone] = ["CHN", "Asia/Shanghai"].map(str::to_owned);
        Self { country_code, party_id, name, country, time_zone }
    }
}

/// Every route.
pub(crate) fn routes() -> impl HttpServiceFactory {
    web::scope("/ocpi")
        .wrap(from_fn(guard))
        .wrap(Compress::default())
        .wrap(from_fn(coded))
        .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
        .app_data(
            web::QueryConfig::default().error_handler(|error, _| Refusal::invalid(error.to_string()).into()),
        )
        .service(read("/versions", credentials::versions))
        .service(read("/2.2.1", credentials::endpoints))
        .service(
            web::resource("/2.2.1/credentials")
                .route(web::get().to(credentials::get))
                .route(web::post().to(credentials::post))
                .route(web::put().to(credentials::put))
                .route(web::delete().to(credentials::delete))
                .default_service(only("GET, POST, PUT, DELETE")),
        )
        .service(read("/2.2.1/locations", locations::list))
        .service(read("/2.2.1/locations/", locations::list))
        .service(read("/2.2.1/locations/{location}", locations::location))
        .service(read("/2.2.1/locations/{location}/{evse}", locations::evse))
        .service(read("/2.2.1/locations/{location}/{evse}/{connector}", locations::connector))
        .service(read("/2.2.1/tariffs", tariffs::list))
        .service(read("/2.2.1/tariffs/", tariffs::list))
        .service(sent("/2.2.1/cdrs"))
        .service(sent("/2.2.1/cdrs/"))
        .service(read("/2.2.1/cdrs/{reference}", cdrs::get))
        .default_service(web::to(async || {
            Refusal::missing(2000, "there is nothing at this address").error_response()
        }))
}

/// A list or an object: read, and nothing else.
fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(web::get().to(handler)).default_service(only("GET"))
}

/// Where charge detail records are sent.
fn sent(path: &str) -> Resource {
    web::resource(path).route(web::post().to(cdrs::post)).default_service(only("POST"))
}

/// What answers every other method than those that an address has.
fn only(methods: &'static str) -> Route {
    web::to(move || async move {
        let refusal = Refusal::not_allowed(&format!("{methods} and no other method is allowed here"));
        let mut answer = refusal.error_response();
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        answer
    })
}

/// Counts requests as those to the query API, and echoes what ties them to others.
async fn guard(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let echoed = ECHOED.map(|name| (request.headers().get(&name).cloned(), name));
    let (admitted, allowance) = door::admit(request.request()).await;
    let mut response = match admitted {
        Ok(()) => next.call(request).await?,
        Err(problem) => request.into_response(Refusal::from(problem).error_response()),
    };
    for (value, name) in echoed {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(allowance) = allowance {
        door::tell(response.headers_mut(), allowance);
    }
    Ok(response)
}

/// What every answer is wrapped in.
pub(crate) fn answer(data: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .json(json!({ "data": data, "status_code": 1000, "timestamp": moment(Timestamp::now()) }))
}

/// A moment as OCPI writes it: to the second, in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A request that is not answered as it was meant.
#[derive(Debug)]
pub(crate) struct Refusal {
    http: StatusCode,
    /// OCPI's status code.
    code: u16,
    message: String,
}

impl Refusal {
    /// Parameters or a body that cannot be.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { http: StatusCode::BAD_REQUEST, code: 2001, message: message.into() }
    }

    /// Something that is not there.
    pub(crate) fn missing(code: u16, message: &str) -> Self {
        Self { http: StatusCode::NOT_FOUND, code, message: message.to_owned() }
    }

    /// A method that is not for this party, as it stands.
    pub(crate) fn not_allowed(message: &str) -> Self {
        Self { http: StatusCode::METHOD_NOT_ALLOWED, code: 2000, message: message.to_owned() }
    }

    /// A record under the identifier of another one.
    pub(crate) fn another() -> Self {
        let message = "another record with this id came before and stands as it was, since a CDR cannot be changed; this one is kept \
                       beside it and counts for nothing: send a credit CDR for the first, and this one under an id of its own";
        Self { http: StatusCode::CONFLICT, code: 2000, message: message.to_owned() }
    }

    /// The answer, with what can be told all the same.
    pub(crate) fn with(&self, data: &Value) -> HttpResponse {
        HttpResponse::build(self.http).json(json!({
            "data": data, "status_code": self.code, "status_message": self.message, "timestamp": moment(Timestamp::now()),
        }))
    }

    fn unknown() -> Self {
        let message = "no party has this token: Authorization: Token, and the token in Base64";
        Self { http: StatusCode::UNAUTHORIZED, code: 2000, message: message.to_owned() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let code = if problem.status < 500 { 2000 } else { 3000 };
        Self { http: problem.status_code(), code, message: problem.detail }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.http
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.http);
        if self.http == StatusCode::UNAUTHORIZED {
            answer.insert_header((WWW_AUTHENTICATE, CHALLENGE));
        }
        answer.json(json!({
            "status_code": self.code, "status_message": self.message, "timestamp": moment(Timestamp::now()),
        }))
    }
}

/// Who asks, whether registered or not.
pub(crate) struct Anyone {
    pub(crate) party: Party,
    /// The token that it showed.
    pub(crate) token: String,
}

/// Who asks, and has registered: a token that was handed over by mail opens nothing but the registration.
pub(crate) struct Registered(pub(crate) Party);

impl FromRequest for Anyone {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let site = request.app_data::<web::Data<Site>>().cloned();
        let tokens = tokens(request);
        Box::pin(async move {
            let site = site.ok_or_else(Refusal::unknown)?;
            for token in tokens {
                if let Some(party) = site.store.ocpi_party(&door::key_hash(&token)).await? {
                    return Ok(Self { party, token });
                }
            }
            Err(Refusal::unknown())
        })
    }
}

impl FromRequest for Registered {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let anyone = Anyone::from_request(request, payload);
        Box::pin(async move {
            let Anyone { party, .. } = anyone.await?;
            if party.is_registered { Ok(Self(party)) } else { Err(Refusal::unknown()) }
        })
    }
}

/// The token shown: as Base64, which 2.2.1 asks for, or as it is, as many send it.
fn tokens(request: &HttpRequest) -> Vec<String> {
    let Some(token) = door::credentials(request, "Token") else { return Vec::new() };
    let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.into_iter().chain([token.to_owned()]).collect()
}

/// A body as it arrived: too much of one is refused in OCPI's words, too.
pub(crate) type Body = Result<web::Bytes, Error>;

/// A body that is JSON.
pub(crate) fn body(bytes: Body) -> Result<Value, Refusal> {
    let bytes = bytes.map_err(|error| Refusal {
        http: error.as_response_error().status_code(),
        code: 2001,
        message: error.to_string(),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::invalid(format!("the body is no JSON: {error}")))
}
