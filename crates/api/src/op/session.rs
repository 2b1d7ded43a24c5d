//! Who is signed in: the form, the cookie, the token that every form of the pages must carry.
//!
//! A [`Person`] is extracted by every handler of the console; without a session it is sent to the form. The cookie is for
//! this site's own pages only and hidden from scripts; the database knows its SHA-256.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use askama::Template;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use veripile_pile::OperatorId;

use crate::Site;
use crate::problem::{Problem, html};
use crate::texts::Texts;

/// Passwords hashed at once: each takes 19 MiB and a core for some tens of milliseconds; others wait.
const HASHING_MAX: usize = 4;

static HASHING: Semaphore = Semaphore::const_new(HASHING_MAX);

/// The cookie's name.
const COOKIE: &str = "veripile_session";

/// How long a session lasts: a working day.
const LASTS: SignedDuration = SignedDuration::from_hours(12);

/// Attempts to sign in to one account in a minute.
const ATTEMPTS_MAX: u32 = 10;

/// Names whose attempts are counted; beyond it all are counted anew.
const NAMES_MAX: usize = 10_000;

/// Longest password looked at, characters.
const PASSWORD_CHARS_MAX: usize = 256;

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
    /// What every form must carry.
    pub(crate) form_token: String,
}

impl Person {
    /// Whether they see everything.
    pub(crate) fn is_administrator(&self) -> bool {
        self.scope.is_none()
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
    /// To the form.
    SignIn,
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
            Self::SignIn => HttpResponse::SeeOther().insert_header((LOCATION, "/op/sign-in")).finish(),
            Self::Unavailable(problem) => problem.error_response(),
        }
    }
}

impl FromRequest for Person {
    type Error = Stranger;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Stranger>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let site = request.app_data::<web::Data<Site>>().cloned();
        let token = request.cookie(COOKIE).map(|cookie| cookie.value().to_owned());
        Box::pin(async move {
            let (Some(site), Some(token)) = (site, token) else { return Err(Stranger::SignIn) };
            let found = site.store.session(&digest(&[&token]), Timestamp::now()).await;
            match found.map_err(|error| Stranger::Unavailable(error.into()))? {
                Some(account) => Ok(Self {
                    name: account.name,
                    scope: account.operator_id,
                    form_token: hex::encode(&digest(&["form", &token])[..16]),
                }),
                None => Err(Stranger::SignIn),
            }
        })
    }
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
    wrong: Option<&'a str>,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct SignIn {
    name: String,
    password: String,
}

/// GET `/op/sign-in`.
pub(crate) async fn form(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    show(&request, &site, StatusCode::OK, None)
}

/// POST `/op/sign-in`.
pub(crate) async fn sign_in(
    request: HttpRequest,
    site: web::Data<Site>,
    doorman: web::Data<Doorman>,
    given: web::Form<SignIn>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let SignIn { name, password } = given.into_inner();
    if !doorman.admits(&name, Instant::now()) {
        return Ok(show(&request, &site, StatusCode::TOO_MANY_REQUESTS, Some(t.of("op.too_often"))));
    }
    let account = site.store.account(&name).await?;
    let hash = account.as_ref().map_or(NOBODY, |account| &account.password_hash).to_owned();
    let Ok(_turn) = HASHING.acquire().await else { return Err(Problem::busy("try again")) };
    let is_right = web::block(move || is_password_of(&password, &hash)).await.unwrap_or(false);
    let Some(account) = account.filter(|_| is_right) else {
        tracing::warn!(name, "somebody did not sign in: wrong name or password");
        return Ok(show(&request, &site, StatusCode::FORBIDDEN, Some(t.of("op.wrong"))));
    };
    let token = hex::encode(rand::random::<[u8; 32]>());
    let now = Timestamp::now();
    site.store.open_session(&digest(&[&token]), &account.name, now, now + LASTS).await?;
    tracing::info!(name = account.name, "signed in");
    let cookie = cookie(&request, token).finish();
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/op")).cookie(cookie).finish())
}

/// POST `/op/sign-out`.
pub(crate) async fn sign_out(request: HttpRequest, site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    if let Some(cookie) = request.cookie(COOKIE) {
        site.store.close_session(&digest(&[cookie.value()])).await?;
    }
    let mut gone = cookie(&request, String::new()).finish();
    gone.make_removal();
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/op/sign-in")).cookie(gone).finish())
}

fn cookie(request: &HttpRequest, token: String) -> actix_web::cookie::CookieBuilder<'static> {
    let secure = request.connection_info().scheme() == "https";
    Cookie::build(COOKIE, token).path("/op").http_only(true).same_site(SameSite::Strict).secure(secure)
}

fn is_password_of(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    password.chars().count() <= PASSWORD_CHARS_MAX
        && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

fn show(request: &HttpRequest, site: &Site, status: StatusCode, wrong: Option<&str>) -> HttpResponse {
    let t = Texts::of_request(request);
    let here = "/op/sign-in?".to_owned();
    private(html(status, &SignInPage { t, simulated: site.settings.simulated, here, wrong }))
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
    fn whoever_tries_too_often_waits() {
        let (doorman, now) = (Doorman::default(), Instant::now());
        assert!((0..ATTEMPTS_MAX).all(|_| doorman.admits("a", now)));
        assert!(!doorman.admits("a", now) && doorman.admits("b", now));
        assert!(doorman.admits("a", now + Duration::from_mins(1)));
    }
}
