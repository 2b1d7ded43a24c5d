//! Reporting a problem with a pile: a form of fixed reasons, a receipt number, a limit to each client.
//!
//! Mounted by [`crate::routes`]. Who reports is never stored: clients are told apart by a digest keyed with a secret that is drawn
//! anew each day and stays in memory, and is gone with it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use veripile_pile::PileId;
use veripile_store::report::{Report, ReportReason};

use crate::client::{client, network};
use crate::problem::{Problem, html, message_page, missing_page};
use crate::session::private;
use crate::texts::Texts;
use crate::{Site, same_site, view};

/// Reports from one client in a day: a driver meets a few piles; a fleet's office writes to the operator.
const PER_CLIENT_MAX: u32 = 10;

/// Reports from one client on one pile in a day: a second thing may be wrong with it.
const PER_CLIENT_AND_PILE_MAX: u32 = 2;

/// Reports on one pile in a day, whoever sends them: beyond it nothing new is learnt, and the list stays readable.
const PER_PILE_MAX: u32 = 50;

/// Counters kept; beyond it all are counted anew. Some 10 MB.
const COUNTERS_MAX: usize = 200_000;

/// Digits of receipt numbers (Crockford's base 32): none looks like another, read aloud or written by hand.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Counts reports of a day.
#[derive(Default)]
pub struct Reporters(Mutex<Day>);

#[derive(Default)]
struct Day {
    number: i64,
    salt: [u8; 32],
    counts: HashMap<[u8; 16], u32>,
}

impl Reporters {
    /// Whether one more report may come from a client on a pile; it counts if so.
    fn admit(&self, client: IpAddr, pile_id: &PileId, now: Timestamp) -> bool {
        let mut day = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_second().div_euclid(86_400);
        if day.number != number || day.counts.len() >= COUNTERS_MAX {
            *day = Day { number, salt: rand::random(), counts: HashMap::new() };
        }
        let client = network(client).to_string();
        let limits = [
            (day.key(&client, ""), PER_CLIENT_MAX),
            (day.key(&client, pile_id.as_str()), PER_CLIENT_AND_PILE_MAX),
            (day.key("", pile_id.as_str()), PER_PILE_MAX),
        ];
        if limits.iter().any(|(key, most)| day.counts.get(key).copied().unwrap_or_default() >= *most) {
            return false;
        }
        for (key, _) in limits {
            *day.counts.entry(key).or_default() += 1;
        }
        true
    }
}

impl Day {
    fn key(&self, client: &str, pile: &str) -> [u8; 16] {
        let digest =
            Sha256::new().chain_update(self.salt).chain_update(format!("{client} {pile}")).finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        key
    }
}

/// A receipt number of 60 random bits.
fn receipt(random: u64) -> String {
    let digit = |n: u32| char::from(DIGITS[(random >> (5 * n) & 31) as usize]);
    (0..12)
        .map(|n| if n > 0 && n % 4 == 0 { format!("-{}", digit(n)) } else { digit(n).to_string() })
        .collect()
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    /// The pile's identifier as it is shown.
    id: String,
    /// Path of its page.
    path: String,
    reasons: Vec<(&'static str, &'a str)>,
}

/// The text of a reason.
pub(crate) fn reason_text(t: &Texts, reason: ReportReason) -> &str {
    t.of_owned(&format!("report.{}", reason.word()))
}

/// GET `/p/{pile}/report`.
pub(crate) async fn form(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let path = format!("/p/{}", view::segment(&id));
    let here = format!("{path}/report?");
    let simulated = site.settings.simulated;
    let found = match PileId::parse(&id) {
        Ok(pile_id) => site.store.pile(&pile_id).await?,
        Err(_) => None,
    };
    let Some(pile) = found else { return Ok(missing_page(t, simulated, here)) };
    let reasons = ReportReason::ALL.map(|reason| (reason.word(), reason_text(t, reason))).to_vec();
    Ok(html(
        StatusCode::OK,
        &ReportPage { t, simulated, here, id: view::name(pile.pile_id.as_str()), path, reasons },
    ))
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Given {
    reason: String,
}

/// POST `/p/{pile}/report`.
pub(crate) async fn send(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
    given: Result<web::Form<Given>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    same_site::own(&request, site.settings.public_url.as_deref())?;
    let t = Texts::of_request(&request);
    let back = format!("/p/{}/report", view::segment(&id));
    let expected = || Problem::parameter("reason", &ReportReason::ALL.map(ReportReason::word).join(", "));
    let reason = given.ok().and_then(|given| ReportReason::from_word(&given.reason)).ok_or_else(expected)?;
    let missing = || missing_page(t, site.settings.simulated, format!("{back}?"));
    let Ok(pile_id) = PileId::parse(&id) else { return Ok(missing()) };
    if site.store.pile(&pile_id).await?.is_none() {
        return Ok(missing());
    }
    let now = Timestamp::now();
    let client = client(&request, site.settings.behind_proxy).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    if !site.reporters.admit(client, &pile_id, now) {
        let (title, text) = (t.of("report.too_often"), t.of("report.too_often.why"));
        let status = StatusCode::TOO_MANY_REQUESTS;
        return Ok(message_page(t, status, title, text, site.settings.simulated, format!("{back}?")));
    }
    let report = Report { receipt: receipt(rand::random()), pile_id, reason, reported_at: now };
    if !site.store.record_report(&report).await? {
        return Ok(missing());
    }
    tracing::info!(pile.id = %report.pile_id, reason = reason.word(), "a problem was reported");
    let to = format!("{back}/{}?lang={}", report.receipt, t.short());
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, to)).finish())
}

#[derive(Template)]
#[template(path = "report_receipt.html")]
struct ReceiptPage<'a> {
    t: &'a Texts,
    simulated: bool,
    here: String,
    report: &'a Report,
    /// The pile's identifier as it is shown.
    id: String,
    reason: &'a str,
    at: String,
    href: String,
}

/// GET `/p/{pile}/report/{receipt}`.
pub(crate) async fn receipt_page(
    request: HttpRequest,
    site: web::Data<Site>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let (pile, receipt) = path.into_inner();
    let here = format!("/p/{}/report/{}?", view::segment(&pile), view::segment(&receipt));
    let simulated = site.settings.simulated;
    let found = site.store.report(&receipt).await?.filter(|report| report.pile_id.as_str() == pile);
    let Some(report) = found else { return Ok(missing_page(t, simulated, here)) };
    let page = ReceiptPage {
        t,
        simulated,
        here,
        id: view::name(report.pile_id.as_str()),
        reason: reason_text(t, report.reason),
        at: view::minute(report.reported_at),
        href: format!("/p/{}?lang={}", view::segment(&pile), t.short()),
        report: &report,
    };
    Ok(private(html(StatusCode::OK, &page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reports_a_pile_twice_a_day_and_others_are_not_kept_from_it() {
        let (reporters, now) =
            (Reporters::default(), Timestamp::from_second(1_800_000_000).expect("in range"));
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let pile = |text: &str| PileId::parse(text).expect("an identity");
        let admit = |from: &str, of: &str| reporters.admit(address(from), &pile(of), now);
        assert!(admit("192.0.2.1", "P1") && admit("192.0.2.1", "P1") && !admit("192.0.2.1", "P1"));
        assert!(!admit("::ffff:192.0.2.1", "P1"), "the same address, written as IPv6");
        assert!(admit("192.0.2.2", "P1") && admit("192.0.2.1", "P2"));
        assert!(admit("2001:db8::1", "P1") && admit("2001:db8::2", "P1") && !admit("2001:db8::3", "P1"));
        assert!(admit("2001:db8:0:1::1", "P1"), "the next household");
        let tomorrow = Timestamp::from_second(1_800_086_400).expect("in range");
        assert!(reporters.admit(address("192.0.2.1"), &pile("P1"), tomorrow));
    }

    #[test]
    fn neither_a_client_nor_a_pile_floods_the_list() {
        let (reporters, now) =
            (Reporters::default(), Timestamp::from_second(1_800_000_000).expect("in range"));
        let admit = |from: String, of: String| {
            reporters.admit(from.parse().expect("an address"), &PileId::parse(&of).expect("an identity"), now)
        };
        let by_one = (0..100).filter(|n| admit("192.0.2.1".to_owned(), format!("P{n}"))).count();
        assert_eq!(by_one, 10);
        let on_one = (0..200).filter(|n| admit(format!("198.51.100.{n}"), "Q".to_owned())).count();
        assert_eq!(on_one, 50);
    }

    #[test]
    fn a_receipt_is_twelve_digits_in_three_groups() {
        assert_eq!(receipt(0), "0000-0000-0000");
        // 1 + 2·32 + 31·32¹¹: lowest digit first.
        assert_eq!(receipt(1 + 2 * 32 + 31 * 32_u64.pow(11)), "1200-0000-000Z");
        assert_eq!(receipt(u64::MAX), "ZZZZ-ZZZZ-ZZZZ");
    }
}
