//! Who is signed in: the form, the cookie, the token that every form of the pages must carry.
//!
//! A [`Person`] is extracted by every handler of the console and of verifications; without a session it is sent to the form,
//! and from there back. A [`Visitor`] may be nobody. The cookie is for this site's own pages only and hidden from scripts; the
//! database knows its SHA-256.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use askama::Template;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use veripile_pile::OperatorId;
use veripile_store::account::PersonRole;

use crate::entries::Entries;
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::{Site, client};

/// Passwords hashed at once: each takes 19 MiB and a core for some tens of milliseconds; others wait.
const HASHING_MAX: usize = 4;

static HASHING: Semaphore = Semaphore::const_new(HASHING_MAX);

/// The cookie's name.
pub(crate) const COOKIE: &str = "veripile_session";

/// How long a session lasts: a working day.
const LASTS: SignedDuration = SignedDuration::from_hours(12);

/// Attempts to sign in to one account in a minute.
const ATTEMPTS_MAX: u32 = 10;

/// Names whose attempts are counted; beyond it all are counted anew.
const NAMES_MAX: usize = 10_000;

/// Longest password looked at, characters.
const PASSWORD_CHARS_MAX: usize = 256;

/// Longest address that one returns to after signing in, bytes.
const RETURN_BYTES_MAX: usize = 2000;

/// A hash that no password has, so that an unknown name takes as long as a wrong password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The hash of a password (argon2id with the library's defaults, 19 MiB and two passes), with a salt drawn by the caller.
pub fn password_hash(password: &str, salt: [u8; 16]) -> String {
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.expect("default parameters, and a salt of fixed length").to_string()
}

/// Somebody signed in.
pub(crate) struct Person {
    pub(crate) name: String,
    /// Whose piles they see; none: all.
    pub(crate) scope: Option<OperatorId>,
    /// What they do in verifications.
    pub(crate) roles: Vec<PersonRole>,
    /// What every form must carry.
    pub(crate) form_token: String,
}

impl Person {
    /// Whether they keep the platform: of no operator, and with no role in verifications, since who verifies keeps neither the
    /// register of instruments nor chargers' keys.
    pub(crate) fn is_administrator(&self) -> bool {
        self.scope.is_none() && self.roles.is_empty()
    }

    /// Whether they have a role.
    pub(crate) fn is(&self, role: PersonRole) -> bool {
        self.roles.contains(&role)
    }

    /// An error unless a form carries this session's token: then another site made the browser send it.
    pub(crate) fn owns_form(&self, token: &str) -> Result<(), Problem> {
        if token == self.form_token {
            Ok(())
        } else {
            Err(Problem::forbidden("this form is of another session; reload the page"))
        }
    }
}

/// Why nobody is signed in.
#[derive(Debug)]
pub(crate) enum Stranger {
    /// To the form, and back to this address of ours if it can be returned to.
    SignIn(Option<String>),
    /// The database cannot say.
    Unavailable(Problem),
}

impl std::fmt::Display for Stranger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not signed in")
    }
}

impl ResponseError for Stranger {
    fn status_code(&self) -> StatusCode {
        StatusCode::SEE_OTHER
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn(back) => {
                let query = back.as_ref().map_or(String::new(), |back| {
                    format!("?next={}", utf8_percent_encode(back, NON_ALPHANUMERIC))
                });
                HttpResponse::SeeOther().insert_header((LOCATION, format!("/op/sign-in{query}"))).finish()
            }
            Self::Unavailable(problem) => problem.error_response(),
        }
    }
}

impl FromRequest for Person {
    type Error = Stranger;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Stranger>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let back = (request.method() == Method::GET).then(|| request.uri().to_string());
        let known = signed_in(request);
        Box::pin(async move { known.await?.ok_or(Stranger::SignIn(back)) })
    }
}

/// Whoever looks at a public page: somebody signed in, or nobody.
pub(crate) struct Visitor(pub(crate) Option<Person>);

impl FromRequest for Visitor {
    type Error = Stranger;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Stranger>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = signed_in(request);
        Box::pin(async move { known.await.map(Self) })
    }
}

/// Whose session a request carries.
fn signed_in(request: &HttpRequest) -> impl Future<Output = Result<Option<Person>, Stranger>> + use<> {
    let site = request.app_data::<web::Data<Site>>().cloned();
    let token = request.cookie(COOKIE).map(|cookie| cookie.value().to_owned());
    async move {
        let (Some(site), Some(token)) = (site, token) else { return Ok(None) };
        let found = site.store.session(&digest(&[&token]), Timestamp::now()).await;
        let account = found.map_err(|error| Stranger::Unavailable(error.into()))?;
        Ok(account.map(|account| Person {
            name: account.name,
            scope: account.operator_id,
            roles: account.roles,
            form_token: hex::encode(&digest(&["form", &token])[..16]),
        }))
    }
}

/// An address of this site to return to: a path, and nothing that a browser could read as another host.
fn local(address: &str) -> Option<&str> {
    let is_path = address.starts_with('/') && !address.starts_with("//");
    let is_plain = !address.chars().any(|c| c == '\\' || c.is_control() || c.is_whitespace());
    (is_path && is_plain && address.len() <= RETURN_BYTES_MAX).then_some(address)
}

fn digest(parts: &[&str]) -> Vec<u8> {
    Sha256::digest(parts.join(":")).to_vec()
}

/// Counts attempts to sign in.
#[derive(Default)]
pub(crate) struct Doorman(Mutex<HashMap<String, (Instant, u32)>>);

impl Doorman {
    fn admits(&self, name: &str, now: Instant) -> bool {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        let entry = names.entry(name.to_owned()).or_insert((now, 0));
        if now.duration_since(entry.0) >= Duration::from_mins(1) {
            *entry = (now, 0);
        }
        entry.1 += 1;
        entry.1 <= ATTEMPTS_MAX
    }
}

#[derive(Template)]
#[template(path = "op_sign_in.html")]
struct SignInPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    next: &'a str,
    wrong: Option<&'a str>,
}

/// Where one came from.
#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct SignIn {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// GET `/op/sign-in`.
pub(crate) async fn form(
    request: HttpRequest,
    site: web::Data<Site>,
    asked: web::Query<Asked>,
) -> HttpResponse {
    show(&request, &site, StatusCode::OK, &asked.next, None)
}

/// POST `/op/sign-in`.
pub(crate) async fn sign_in(
    request: HttpRequest,
    site: web::Data<Site>,
    doorman: web::Data<Doorman>,
    given: web::Form<SignIn>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let SignIn { name, password, next } = given.into_inner();
    if !doorman.admits(&name, Instant::now()) {
        let wrong = Some(t.of("op.too_often"));
        return Ok(show(&request, &site, StatusCode::TOO_MANY_REQUESTS, &next, wrong));
    }
    let account = site.store.account(&name).await?;
    let hash = account.as_ref().map_or(NOBODY, |account| &account.password_hash).to_owned();
    let Ok(_turn) = HASHING.acquire().await else { return Err(Problem::busy("try again")) };
    let is_right = web::block(move || is_password_of(&password, &hash)).await.unwrap_or(false);
    let Some(account) = account.filter(|_| is_right) else {
        tracing::warn!(name, "somebody did not sign in: wrong name or password");
        return Ok(show(&request, &site, StatusCode::FORBIDDEN, &next, Some(t.of("op.wrong"))));
    };
    let token = hex::encode(rand::random::<[u8; 32]>());
    let now = Timestamp::now();
    site.store.open_session(&digest(&[&token]), &account.name, now, now + LASTS).await?;
    tracing::info!(name = account.name, "signed in");
    let cookie = cookie(&request, &site, token).finish();
    let back = local(&next).unwrap_or("/op");
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, back)).cookie(cookie).finish())
}

/// POST `/op/sign-out`.
pub(crate) async fn sign_out(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    fields: web::Form<Vec<(String, String)>>,
) -> Result<HttpResponse, Problem> {
    person.owns_form(Entries::new(fields.into_inner()).get("token"))?;
    if let Some(cookie) = request.cookie(COOKIE) {
        site.store.close_session(&digest(&[cookie.value()])).await?;
    }
    let mut gone = cookie(&request, &site, String::new()).finish();
    gone.make_removal();
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/op/sign-in")).cookie(gone).finish())
}

fn cookie(request: &HttpRequest, site: &Site, token: String) -> actix_web::cookie::CookieBuilder<'static> {
    let secure = client::is_encrypted(request, &site.settings);
    Cookie::build(COOKIE, token).path("/").http_only(true).same_site(SameSite::Strict).secure(secure)
}

fn is_password_of(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    password.chars().count() <= PASSWORD_CHARS_MAX
        && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

fn show(
    request: &HttpRequest,
    site: &Site,
    status: StatusCode,
    next: &str,
    wrong: Option<&str>,
) -> HttpResponse {
    let t = Texts::of_request(request);
    let next = local(next).unwrap_or_default();
    let here = format!("/op/sign-in?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC));
    private(html(status, &SignInPage { t, simulated: site.settings.simulated, here, next, wrong }))
}

/// Keeps an answer out of every cache.
pub(crate) fn private(mut response: HttpResponse) -> HttpResponse {
    let value = actix_web::http::header::HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_its_own_and_nobody_has_none() {
        let hash = password_hash("a long password", [5; 16]);
        assert!(is_password_of("a long password", &hash));
        assert!(!is_password_of("another", &hash));
        assert!(!is_password_of("", NOBODY) && PasswordHash::new(NOBODY).is_ok());
        assert!(!is_password_of(&"x".repeat(10_000), &hash));
    }

    #[test]
    fn one_returns_to_addresses_of_this_site_only() {
        for good in ["/ver/orders", "/ver/orders/new?pile=a%2Fb&lang=en", "/"] {
            assert_eq!(local(good), Some(good));
        }
        let long = format!("/{}", "x".repeat(RETURN_BYTES_MAX));
        for bad in
            ["", "ver", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/a b", &long]
        {
            assert_eq!(local(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn whoever_tries_too_often_waits() {
        let (doorman, now) = (Doorman::default(), Instant::now());
        assert!((0..ATTEMPTS_MAX).all(|_| doorman.admits("a", now)));
        assert!(!doorman.admits("a", now) && doorman.admits("b", now));
        assert!(doorman.admits("a", now + Duration::from_mins(1)));
    }
}
