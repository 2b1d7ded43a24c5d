//! What others embed: a pile's badge as a picture, and a small page for frames. Neither needs a script.
//!
//! Mounted by [`crate::routes`] at `/badge/{pile}.svg` and `/widget/{pile}`. Both say what the pile page says first: state, basis,
//! issuer, date and validity, evaluated now.

use std::fmt::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::Timestamp;
use veripile_pile::{Certification, PileId, State};
use veripile_store::PileRecord;

use crate::Site;
use crate::chart::escape;
use crate::pile;
use crate::problem::{Problem, html};
use crate::texts::Texts;
use crate::view::{self, Line};

/// How long whoever embeds may keep them: a state changes by the day, and bad news must not linger.
const KEPT: &str = "public, max-age=300";

/// The page for frames may stand in anybody's, and loads nothing but our style sheet.
const FRAMED: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *";

/// Room for a line of the badge, beside the block and a margin.
const ROOM: f64 = 248.0;

/// How wide letters that are not bold are, of the width of bold ones.
const REGULAR: f64 = 0.9;

/// Sizes of letters that are not bold, for three lines and for four.
const SIZES: [u32; 4] = [11, 10, 9, 9];

#[derive(Template)]
#[template(path = "widget.html")]
struct WidgetPage<'a> {
    t: &'a Texts,
    simulated: bool,
    line: Line,
    basis: Vec<(&'a str, String)>,
}

/// What stands in the frame of a pile that is not here: a page of the site's own could be shown in none.
#[derive(Template)]
#[template(path = "widget_missing.html")]
struct MissingWidget<'a> {
    t: &'a Texts,
    simulated: bool,
}

async fn find(site: &Site, id: &str) -> Result<Option<PileRecord>, Problem> {
    Ok(match PileId::parse(id) {
        Ok(pile_id) => site.store.pile(&pile_id).await?,
        Err(_) => None,
    })
}

/// GET `/badge/{pile}.svg`.
pub(crate) async fn badge(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let pile = find(&site, &id).await?.ok_or_else(|| Problem::missing("no such pile"))?;
    let svg = svg(Texts::of_request(&request), &pile, Timestamp::now(), site.settings.simulated);
    let mut answer = HttpResponse::Ok().content_type("image/svg+xml").body(svg);
    kept(&mut answer);
    Ok(answer)
}

/// GET `/widget/{pile}`.
pub(crate) async fn widget(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let t = Texts::of_request(&request);
    let Some(pile) = find(&site, &id).await? else {
        let page = MissingWidget { t, simulated: site.settings.simulated };
        return Ok(framed(html(StatusCode::NOT_FOUND, &page)));
    };
    let now = Timestamp::now();
    let page = WidgetPage {
        t,
        simulated: site.settings.simulated,
        line: view::line(t, &pile, now),
        basis: pile::basis(t, &pile, now),
    };
    let mut answer = framed(html(StatusCode::OK, &page));
    kept(&mut answer);
    Ok(answer)
}

/// May stand in a frame.
fn framed(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAMED));
    answer
}

/// May be kept, by language.
fn kept(answer: &mut HttpResponse) {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(KEPT));
    answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Language"));
}

/// The badge: the state with its mark, then what it rests on, in three lines of 320 × 64; in four where that is not the certificate.
fn svg(t: &Texts, pile: &PileRecord, now: Timestamp, is_simulated: bool) -> String {
    let state = pile.state(now);
    let state_text = view::state_text(t, state);
    let mut title = format!("{} {state_text}", pile.pile_id);
    if let Some(since) = pile.standing.certificate.as_ref().and_then(|certificate| certificate.questioned_at)
    {
        // The picture has no room for the reason.
        let questioned = view::questioned(t, pile, since);
        title = format!("{title}{}{} {questioned}", t.of("comma"), t.of("basis.questioned"));
    }
    let [ground, ink] = colours(state);
    let site = if is_simulated { t.of("badge.simulated") } else { t.of("badge.site") };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"320\" height=\"64\" viewBox=\"0 0 320 64\" role=\"img\" aria-label=\"{title}\" \
         font-family=\"system-ui,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif\"><title>{title}</title>\
         <rect x=\".5\" y=\".5\" width=\"319\" height=\"63\" rx=\"8\" fill=\"#fff\" stroke=\"#8a939d\"/>\
         <path d=\"M8.5 .5h47.5v63h-47.5a8 8 0 0 1-8-8v-47a8 8 0 0 1 8-8z\" fill=\"{ground}\"/>\
         {shape}<text x=\"28\" y=\"35\" font-size=\"22\" font-weight=\"700\" text-anchor=\"middle\" fill=\"{ink}\">{}</text>\
         <text x=\"28\" y=\"57\" font-size=\"10\" text-anchor=\"middle\" fill=\"{ink}\">{site}</text>",
        view::symbol(state),
        shape = shape(state, ink),
        site = escape(site),
        title = escape(&title),
    );
    let first = format!("{state_text} · {}", pile.pile_id);
    let told = lines(t, pile, now);
    let heights: &[u32] = if told.len() < 3 { &[21, 38, 54] } else { &[17, 31, 45, 58] };
    let bold = ("#1c2430", " font-weight=\"700\"", fitted(&first, [15, 14, 13, 12], 1.0));
    let plain = told.iter().map(|line| ("#4c555f", "", fitted(line, SIZES, REGULAR)));
    for (y, (fill, weight, (size, text))) in heights.iter().zip(std::iter::once(bold).chain(plain)) {
        let _ = write!(
            svg,
            "<text x=\"66\" y=\"{y}\" font-size=\"{size}\"{weight} fill=\"{fill}\">{}</text>",
            escape(&text)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// What the state rests on, and, where that is not the certificate, what may be said of the certificate beside it.
fn lines(t: &Texts, pile: &PileRecord, now: Timestamp) -> Vec<String> {
    let is_beside = pile.standing.case.is_some() || pile.is_out_of_use(now);
    let certification = pile.standing.certification(now).filter(|_| is_beside);
    basis(t, pile, now).into_iter().chain(certification.map(|told| validity(t, told))).collect()
}

fn validity(t: &Texts, told: Certification<'_>) -> String {
    let text = match told {
        Certification::Stands(one) => t.of("badge.valid").replace("{until}", &view::day(one.valid_until)),
        Certification::Questioned(_, since) => t.of("badge.questioned").replace("{since}", &view::day(since)),
        Certification::Overtaken(_) => t.of("badge.was_verified").to_owned(),
    };
    text.replace("{from}", &view::day(told.certificate().at))
}

/// What the state rests on, and from when until when.
fn basis(t: &Texts, pile: &PileRecord, now: Timestamp) -> [String; 2] {
    let standing = &pile.standing;
    if let Some(case) = &standing.case {
        let dates = match case.reply_until {
            Some(until) => t.of("badge.reply").replace("{until}", &view::day(until)),
            None => t.of("badge.case").to_owned(),
        };
        return [
            named(&case.number, &view::body(t, case.said_by(now))),
            dates.replace("{from}", &view::day(case.at)),
        ];
    }
    if let Some(stopped) = standing.stopped_at {
        let (what, day) = (t.of("basis.stopped"), view::day(stopped));
        return match &standing.stopped_by {
            Some(by) => [named(&by.number, &view::body(t, &by.issuer)), format!("{what} {day}")],
            None => [what.to_owned(), day],
        };
    }
    if let Some(seen) = pile.last_seen.filter(|_| pile.state(now) == State::OutOfUse) {
        return [t.of("basis.unseen").to_owned(), view::day(seen)];
    }
    match standing.certification(now) {
        Some(told) => {
            let certificate = told.certificate();
            let dates = match told {
                Certification::Stands(one) => {
                    format!("{} – {}", view::day(one.at), view::day(one.valid_until))
                }
                _ => validity(t, told),
            };
            [named(&certificate.number, &view::body(t, &certificate.issuer)), dates]
        }
        None => [format!("{}: {}", t.of("basis.certificate"), t.of("basis.none")), view::day(now)],
    }
}

/// A document's number and who issued it. Where both have no room in the least letters, each is cut for itself: neither takes more than half of the
/// line from the other, so that a long number leaves its issuer to be read.
fn named(number: &str, issuer: &str) -> String {
    const BETWEEN: &str = " · ";
    // A little less, since sums of floats differ by their order.
    let room = ROOM / (f64::from(SIZES[3]) * REGULAR) - width(BETWEEN) - 0.01;
    let number = cut(number, (room - width(issuer)).max(room / 2.0));
    let issuer = cut(issuer, room - width(&number));
    format!("{number}{BETWEEN}{issuer}")
}

/// Ground and ink of the mark.
fn colours(state: State) -> [&'static str; 2] {
    match state {
        State::VerifiedMonitored | State::Verified => ["#1a7f4b", "#fff"],
        State::Due => ["#eceff2", "#4c555f"],
        State::UnderReview => ["#f2b53a", "#3d2800"],
        State::Failed => ["#b3261e", "#fff"],
        State::OutOfUse => ["#fff", "#5b6675"],
    }
}

/// The shape of a state, as on the map and in lists.
fn shape(state: State, ink: &str) -> String {
    let line = format!("fill=\"none\" stroke=\"{ink}\" stroke-width=\"2\"");
    let circle = |radius: &str| format!("<circle cx=\"28\" cy=\"27\" r=\"{radius}\" {line}");
    match state {
        State::Verified | State::Due => format!("{}/>", circle("17")),
        State::VerifiedMonitored => format!("{}/>{}/>", circle("16"), circle("20.5")),
        State::UnderReview => format!("<path d=\"M28 7l20 20l-20 20l-20-20z\" {line}/>"),
        State::Failed => format!("<rect x=\"12\" y=\"11\" width=\"32\" height=\"32\" {line}/>"),
        State::OutOfUse => format!("{} stroke-dasharray=\"5 3\"/>", circle("17")),
    }
}

/// A line in the largest of some sizes in which there is room for it, and as much of it as has room in the least. `weight` is how wide its
/// letters are, of bold ones.
fn fitted(text: &str, sizes: [u32; 4], weight: f64) -> (u32, String) {
    let room = |size: u32| ROOM / (f64::from(size) * weight);
    let size = sizes.into_iter().find(|size| width(text) <= room(*size)).unwrap_or(sizes[3]);
    (size, cut(text, room(size)))
}

/// As much of a text as fits, in widths of a Chinese character; that it was cut is seen.
fn cut(text: &str, room: f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut left = room - em('…');
    let fits = |c: &char| {
        left -= em(*c);
        0.0 <= left
    };
    let short: String = text.chars().take_while(fits).collect();
    format!("{short}…")
}

fn width(text: &str) -> f64 {
    text.chars().map(em).sum()
}

/// About how wide a bold letter is, in widths of a Chinese character. The reader's font is not known: of the usual ones DejaVu's are widest.
fn em(c: char) -> f64 {
    match c {
        ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | 'i' | 'j' | 'l' | 'I' | '·' => 0.4,
        '!' | '"' | '(' | ')' | '[' | ']' | '-' | '/' | '\\' | 'f' | 'r' | 't' => 0.53,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.11,
        'a'..='z' | '0'..='9' | '_' => 0.72,
        c if c.is_ascii() => 0.88,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use veripile_pile::{Certified, OpenCase, Standing, StoppedBy};
    use veripile_store::verification::QuestionReason;

    use super::*;
    use crate::texts::Language;

    fn certified(questioned_at: Option<&str>) -> PileRecord {
        let at = |text: &str| text.parse::<Timestamp>().expect("literal");
        let certificate = Certified {
            number: "C-1".to_owned(),
            issuer: "计量所".to_owned(),
            at: at("2026-01-05T00:00:00Z"),
            valid_until: at("2029-01-04T00:00:00Z"),
            questioned_at: questioned_at.map(at),
        };
        view::bare_pile(Standing { certificate: Some(certificate), ..Standing::default() })
    }

    #[test]
    fn a_pile_whose_certificate_is_in_question_gives_no_validity() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().expect("literal");
        for t in [Language::Zh, Language::En].map(Texts::in_language) {
            let all = |pile: &PileRecord| {
                let told = serde_json::to_value(crate::api::Pile::of(pile, now)).expect("JSON");
                (
                    svg(t, pile, now, false),
                    format!("{:?}", pile::basis(t, pile, now)),
                    told["verification"].clone(),
                )
            };
            let (badge, basis, told) = all(&certified(None));
            assert!([&badge, &basis, &told.to_string()].iter().all(|text| text.contains("2029-01-04")));
            assert_eq!(
                (&told["basis"], &told["question"]),
                (&"certificate".into(), &serde_json::Value::Null)
            );
            let mut pile = certified(Some("2026-05-01T00:00:00Z"));
            for because in [None, Some(QuestionReason::SealBroken)] {
                pile.questioned_because = because;
                let (badge, basis, told) = all(&pile);
                let why = t.of("question.seal_broken");
                for text in [&badge, &basis, &told.to_string()] {
                    assert!(!text.contains("2029") && text.contains("2026-05-01"), "{text}");
                }
                assert!([&badge, &basis].iter().all(|text| text.contains("2026-01-05")));
                assert!([&badge, &basis].iter().all(|text| text.contains(why) == because.is_some()));
                assert_eq!(told["question"]["because"], serde_json::json!(because.map(QuestionReason::word)));
                assert_eq!((&told["state"], &told["basis"]), (&"due".into(), &"question".into()));
                assert!(told["verified_at"].is_null() && told["valid_until"].is_null(), "{told}");
                assert_eq!(told["question"]["was_verified_at"], "2026-01-05T00:00:00Z");
            }
        }
    }

    #[test]
    fn a_pile_out_of_use_says_why_and_by_whom_and_its_certificate_beside() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().expect("literal");
        let mut unseen = certified(None);
        unseen.last_seen = Some("2026-03-01T00:00:00Z".parse().expect("literal"));
        let mut stopped = unseen.clone();
        stopped.standing.stopped_at = Some("2026-02-03T00:00:00Z".parse().expect("literal"));
        let by = StoppedBy { number: "S-7".to_owned(), issuer: "市监局".to_owned() };
        stopped.standing.stopped_by = Some(by);
        for t in [Language::Zh, Language::En].map(Texts::in_language) {
            for (pile, basis, told) in [
                (&unseen, "unseen", &[t.of("basis.unseen"), "2026-03-01"][..]),
                (&stopped, "stopped", &[t.of("basis.stopped"), "2026-02-03", "S-7", "市监局"][..]),
            ] {
                let badge = svg(t, pile, now, false);
                // The mark says out of use, the second line why; the certificate stands all the same.
                assert!(badge.contains("2029-01-04") && !badge.contains("C-1"), "{badge}");
                let page = format!("{:?}", pile::basis(t, pile, now));
                assert!(
                    told.iter().all(|text| badge.contains(text) && page.contains(text)),
                    "{badge} {page}"
                );
                let verification = serde_json::to_value(crate::api::Pile::of(pile, now)).expect("JSON");
                let verification = &verification["verification"];
                assert_eq!(
                    (&verification["state"], &verification["basis"]),
                    (&"out_of_use".into(), &basis.into())
                );
                let by = pile.standing.stopped_by.as_ref();
                assert_eq!(verification["number"], serde_json::json!(by.map(|by| &by.number)));
                assert_eq!(verification["issued_by"], serde_json::json!(by.map(|by| &by.issuer)));
                assert_eq!(verification["valid_until"], "2029-01-04T00:00:00Z");
            }
        }
    }

    // Page, widget (which has the page's facts), badge and API say the same of the certificate of a pile under review, and of one that failed.
    #[test]
    fn a_case_leaves_the_certificate_its_validity_everywhere_until_the_failure_is_public() {
        let at = |text: &str| text.parse::<Timestamp>().expect("literal");
        let mut pile = certified(None);
        pile.standing.case = Some(OpenCase {
            number: "K-7".to_owned(),
            issuer: "市监局".to_owned(),
            at: at("2026-05-03T00:00:00Z"),
            confirmed_by: None,
            confirmed_at: Some(at("2026-05-04T00:00:00Z")),
            reply_until: Some(at("2026-05-24T00:00:00Z")),
        });
        for t in [Language::Zh, Language::En].map(Texts::in_language) {
            for (now, is_valid, since) in
                [("2026-05-20T00:00:00Z", true, "2026-05-03"), ("2026-06-01T00:00:00Z", false, "2026-05-24")]
            {
                let now = at(now);
                let told = serde_json::to_value(crate::api::Pile::of(&pile, now)).expect("JSON");
                let told = told["verification"].to_string();
                let page = format!("{:?}", pile::basis(t, &pile, now));
                for text in [&svg(t, &pile, now, false), &page, &told] {
                    assert!(text.contains("2026-01-05"), "it was verified once: {text}");
                    assert_eq!(text.contains("2029-01-04"), is_valid, "{text}");
                    assert!(text.contains("K-7") && text.contains(since), "{text}");
                }
            }
        }
    }

    /// Each badge has an issuer on it (product.md), also where the number is long.
    #[test]
    fn a_long_number_leaves_its_issuer() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().expect("literal");
        let mut pile = certified(None);
        for (number, issuer, expected) in [
            ("9".repeat(38), "江苏省计量科学研究院", "9… · 江苏省计量科学研究院<"),
            ("9".repeat(20), "江苏省计量科学研究院", "9 · 江苏省计量科学研究院<"),
            ("C-1".to_owned(), &*"院".repeat(99), "C-1 · 院院院院"),
            ("9".repeat(255), &*"院".repeat(99), "9… · 院院院院"),
        ] {
            if let Some(certificate) = &mut pile.standing.certificate {
                (certificate.number, certificate.issuer) = (number, issuer.to_owned());
            }
            for t in [Language::Zh, Language::En].map(Texts::in_language) {
                let badge = svg(t, &pile, now, false);
                assert!(badge.contains(expected), "{expected}: {badge}");
                assert!(!badge.contains("……"), "{badge}");
            }
        }
    }

    /// Widths in DejaVu Sans Bold, of its em, as another program (Pillow 11) measures them.
    #[test]
    fn no_line_runs_out_of_the_picture() {
        for (text, ems) in [
            ("Out of use or unseen · WX-0058", 17.874),
            ("Verified, monitored · WX-0058", 17.0),
            ("Verification due · WX-0058", 14.98),
            ("Under review · WX-0058", 13.593),
            ("Failed · WX-0058", 9.447),
        ] {
            let (size, told) = fitted(text, [15, 14, 13, 12], 1.0);
            assert!(told == text && ems * f64::from(size) <= ROOM, "{told} in {size}");
        }
        assert_eq!(fitted("Failed · WX-0058", [15, 14, 13, 12], 1.0).0, 15);
        let (size, told) = fitted(&format!("Verified · {}", "W".repeat(64)), [15, 14, 13, 12], 1.0);
        assert!(size == 12 && told.ends_with("W…") && told.starts_with("Verified · W"), "{told}");
        assert!((1.103 * told.matches('W').count() as f64 + 1.0) * 12.0 <= ROOM, "{told}");
    }

    /// Without their colours: each pair of states differs by shape, or, verified and due, by the symbol alone.
    #[test]
    fn states_differ_in_the_badge_by_more_than_colour() {
        let bare = |state| (shape(state, "ink"), view::symbol(state));
        for (index, state) in State::ALL.into_iter().enumerate() {
            for other in &State::ALL[index + 1..] {
                assert_ne!(bare(state), bare(*other), "{state:?} {other:?}");
            }
        }
        let t = Texts::in_language(Language::En);
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().expect("literal");
        let drawn = svg(t, &certified(None), now, false);
        assert!(drawn.contains(&shape(State::Verified, "#fff")), "{drawn}");
    }

    #[test]
    fn a_text_is_cut_by_its_width_and_that_is_seen() {
        assert_eq!(cut("abcdef", 4.33), "abcdef");
        assert_eq!(cut("abcdefgh", 4.33), "abcd…");
        assert_eq!(cut("检定证书", 4.0), "检定证书");
        assert_eq!(cut("检定证书", 3.0), "检定…");
        assert_eq!(cut("", 0.0), "");
    }
}
