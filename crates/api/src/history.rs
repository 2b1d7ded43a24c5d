//! How a pile's error went: weeks by the filter, days by assessments, and what happened meanwhile. Chart, sentence, API.
//!
//! Called by the pile page and mounted at `/api/v1/piles/{id}/history`. Remote evidence throughout: nothing here is a verification.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use veripile_pile::case::reply::Reply;
use veripile_pile::proposal::Withdrawn;
use veripile_pile::{Act, ActKind, Estimate, PileId};
use veripile_store::map::PileRecord;
use veripile_store::next_date::DateRecord;
use veripile_store::weekly::{ErrorStep, WeeklyError};

use crate::Site;
use crate::api::{Assessment, Meta, json};
use crate::chart::{self, Event, EventKind, Point};
use crate::problem::{self, Problem};
use crate::reply;
use crate::sentence;
use crate::texts::Texts;
use crate::ver::access;
use crate::view;

/// Weeks on a page and in an answer: a year.
const WEEKS: u32 = 52;

/// Days of assessments in a chart.
const DAYS: u32 = 60;

/// Days on a page of the API where the request does not say, and at most: a year.
const LIMIT_DEFAULT: u32 = 90;
const LIMIT_MAX: u32 = 366;

/// Events of each kind in a chart; with three times as many it is read, and its page opens on a bad line.
const MARKS_PER_KIND: usize = 10;

/// Weeks are numbered from Monday, 29 December 1969.
const FIRST_MONDAY_S: i64 = -3 * 86_400;
const WEEK_S: i64 = 7 * 86_400;

/// 97.5 % quantile of the normal distribution.
const NORMAL_975: f64 = 1.959_963_984_540_054;

/// Everything that a pile's history shows.
pub(crate) struct History {
    /// Weeks with charges, oldest first; none where the pile's set has no level: the filter's numbers would say nothing.
    weeks: Vec<WeeklyError>,
    /// Newest first.
    days: Vec<Estimate>,
    steps: Vec<ErrorStep>,
    firmware: Vec<(Timestamp, String)>,
    /// On-site results with their numbers, oldest first.
    results: Vec<Found>,
    /// What the operator replied to cases, as far as it is public, oldest first.
    pub(crate) replies: Vec<Reply>,
    limit: Option<f64>,
    pub(crate) date: Option<DateRecord>,
}

/// An on-site result that is told.
struct Found {
    act: Act,
    /// Since when its certificate is in question.
    questioned_at: Option<Timestamp>,
}

/// What an authority found, of public acts; a notice has a page of its own. What a withdrawn certificate says was not found.
fn results(acts: &[&Act]) -> Vec<Found> {
    let first = |kind: ActKind, number: &str| {
        acts.iter().filter(|act| act.kind == kind && act.number == number).map(|act| act.acted_at).min()
    };
    let is_told = |act: &&Act| {
        act.result.is_some()
            && matches!(act.kind, ActKind::Certificate | ActKind::Measured)
            && first(ActKind::CertificateWithdrawn, &act.number).is_none()
    };
    let found = |act: &Act| Found {
        act: act.clone(),
        questioned_at: first(ActKind::CertificateQuestioned, &act.number),
    };
    acts.iter().copied().filter(is_told).map(found).collect()
}

/// The first moment of a week.
fn beginning(week: i32) -> Timestamp {
    Timestamp::from_second(i64::from(week) * WEEK_S + FIRST_MONDAY_S).unwrap_or(Timestamp::MAX)
}

fn ending(week: i32) -> Timestamp {
    beginning(week.saturating_add(1))
}

fn interval95(week: &WeeklyError) -> (f64, f64) {
    let half = NORMAL_975 * week.standard_uncertainty;
    (week.error - half, week.error + half)
}

/// The weeks in which something was compared, oldest first, of the newest first: of the others the filter has what was found on site, or weeks
/// before, which is no error by charges of that week.
fn of_charges(weeks: Vec<WeeklyError>) -> Vec<WeeklyError> {
    weeks.into_iter().rev().filter(|week| 0 < week.charges).collect()
}

impl History {
    /// Asks the store for it.
    pub(crate) async fn of(site: &Site, pile: &PileRecord, acts: &[Act]) -> Result<Self, Problem> {
        let estimate = pile.standing.estimate.as_ref();
        let has_level = estimate.is_some_and(|estimate| estimate.grounded);
        let (mut weeks, mut steps) = (Vec::new(), Vec::new());
        if has_level {
            weeks = of_charges(site.store.weekly_errors(&pile.pile_id, WEEKS).await?);
            steps = site.store.error_steps(&pile.pile_id).await?;
        }
        let now = Timestamp::now();
        Ok(Self {
            weeks,
            days: site.store.estimates(&pile.pile_id, None, DAYS).await?,
            steps,
            firmware: site.store.firmware_of_pile(&pile.pile_id).await?,
            results: results(&access::public_acts(acts, access::limit_percent(pile), now)),
            replies: reply::public_of(site, &pile.pile_id, acts, now).await?,
            limit: estimate.map(|estimate| estimate.limit),
            date: site.store.next_date(&pile.pile_id).await?,
        })
    }

    /// The chart: weeks where there are at least two, else days. The open week ends now.
    pub(crate) fn chart(&self, t: &Texts, now: Timestamp) -> String {
        let Some(limit) = self.limit else { return String::new() };
        if self.weeks.len() < 2 {
            return chart::errors(&self.days, t.of("chart.label"));
        }
        let point = |week: &WeeklyError| {
            let (lower, upper) = interval95(week);
            Point { at: ending(week.week).min(now).as_second(), error: week.error, lower, upper }
        };
        let points: Vec<Point> = self.weeks.iter().map(point).collect();
        let first = points.first().map_or(i64::MAX, |point| point.at);
        let is_in = |at: Timestamp| first <= at.as_second();
        let event = |at: Timestamp, kind: EventKind| Event {
            at: at.as_second(),
            kind,
            title: t.of_owned(kind.key()).to_owned(),
        };
        let steps = self.telling_steps(is_in).into_iter();
        let steps = steps.map(|step| event(beginning(step.first_week), EventKind::Step));
        let firmware = self.firmware.iter().map(|(at, _)| *at).filter(|at| is_in(*at));
        let firmware = firmware.take(MARKS_PER_KIND).map(|at| event(at, EventKind::Firmware));
        let results = self.results.iter().rev().filter(|found| is_in(found.act.acted_at));
        let results = results.take(MARKS_PER_KIND).map(|found| {
            let mut event = event(found.act.acted_at, EventKind::OnSite);
            if found.questioned_at.is_some() {
                event.title = [event.title.as_str(), t.of("comma"), t.of("basis.questioned")].concat();
            }
            event
        });
        let events: Vec<Event> = steps.chain(firmware).chain(results).collect();
        chart::over_time(&points, &events, limit, t.of("chart.weeks"))
    }

    /// The steps that a chart marks, of those within it: the newest half, and of the others the largest.
    fn telling_steps(&self, is_in: impl Fn(Timestamp) -> bool) -> Vec<&ErrorStep> {
        let mut steps: Vec<&ErrorStep> =
            self.steps.iter().filter(|step| is_in(beginning(step.first_week))).collect();
        if steps.len() > MARKS_PER_KIND {
            steps[MARKS_PER_KIND / 2..].sort_by(|a, b| b.size.abs().total_cmp(&a.size.abs()));
            steps.truncate(MARKS_PER_KIND);
        }
        steps
    }

    /// What happened, newest first: day, kind, in words.
    pub(crate) fn events(&self, t: &Texts, now: Timestamp) -> Vec<(String, &'static str, String)> {
        let mut events: Vec<(Timestamp, EventKind, String)> = Vec::new();
        for step in &self.steps {
            let text = t
                .of("history.step")
                .replace("{size}", &sentence::percent(step.size))
                .replace("{u}", &format!("{:.2} %", 200.0 * step.standard_uncertainty))
                .replace("{from}", &view::day(beginning(step.range.0)))
                .replace("{to}", &view::day(ending(step.range.1).min(now)));
            events.push((beginning(step.first_week), EventKind::Step, text));
        }
        for (at, version) in &self.firmware {
            events.push((
                *at,
                EventKind::Firmware,
                t.of("history.firmware").replace("{version}", &view::name(version)),
            ));
        }
        for Found { act, questioned_at } in &self.results {
            let Some(result) = act.result else { continue };
            let text = match questioned_at {
                Some(since) => t.of("history.on_site_questioned").replace("{since}", &view::day(*since)),
                None => t.of("history.on_site").to_owned(),
            };
            let text = text
                .replace("{error}", &format!("{:+} %", result.error_percent))
                .replace("{number}", &view::name(&act.number));
            events.push((act.acted_at, EventKind::OnSite, text));
        }
        events.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        events.into_iter().map(|(at, kind, text)| (view::day(at), kind.word(), text)).collect()
    }

    /// How the error went, in a sentence; none without two weeks. Without a step what is within the 95 % intervals of both ends is no change:
    /// a number that went from −3 to −1 % sounds like one, and both may be the same pile's noise.
    pub(crate) fn sentence(&self, t: &Texts) -> Option<String> {
        let (first, last) = (self.weeks.first()?, self.weeks.last()?);
        if first.week == last.week {
            return None;
        }
        // Those that the chart marks, too: a step into the first week shows in none of both.
        let steps =
            self.steps.iter().filter(|step| (first.week + 1..=last.week).contains(&step.first_week)).count();
        let ((lower, upper), (low, high)) = (interval95(first), interval95(last));
        let key = match steps {
            0 if lower <= high && low <= upper => "history.unchanged",
            0 => "history.steady",
            _ => "history.stepped",
        };
        let with_uncertainty = |week: &WeeklyError| {
            let half = 100.0 * NORMAL_975 * week.standard_uncertainty;
            format!("{} ± {half:.2} %", sentence::percent(week.error))
        };
        Some(
            t.of_owned(key)
                .replace("{weeks}", &(last.week - first.week + 1).to_string())
                .replace("{from}", &with_uncertainty(first))
                .replace("{to}", &with_uncertainty(last))
                .replace("{steps}", &steps.to_string()),
        )
    }
}

/// A next date in words.
pub(crate) struct Proposed {
    /// The day, if it holds now.
    pub(crate) due: Option<String>,
    /// What holds where there is none.
    pub(crate) without: &'static str,
    /// Why there is none.
    pub(crate) reasons: Vec<String>,
    /// When its assessment was made.
    pub(crate) as_of: String,
}

/// A next date in words as it is now: the day or why there is none. However old its assessment is, what has lapsed since is told.
pub(crate) fn next_date(t: &'static Texts, date: &DateRecord, now: Timestamp) -> Proposed {
    let lapsed = date.lapsed(now);
    let days = (now.duration_since(date.as_of).as_hours() / 24).to_string();
    let reason = |word: &&str| t.of_owned(&format!("withdrawn.{word}")).replace("{days}", &days);
    Proposed {
        due: date.due_on.filter(|_| lapsed.is_empty()).map(|due| due.to_string()),
        without: without(t, &lapsed),
        reasons: lapsed.iter().map(reason).collect(),
        as_of: view::minute(date.as_of),
    }
}

/// What holds where no date is proposed: of a pile whose interval is over no legal interval applies any more, and of one that failed or
/// is under review or stopped it is not the point.
fn without(t: &'static Texts, lapsed: &[&str]) -> &'static str {
    let any = |reasons: [Withdrawn; 3]| reasons.iter().any(|reason| lapsed.contains(&reason.word()));
    if any([Withdrawn::Stopped, Withdrawn::Failed, Withdrawn::UnderReview]) {
        t.of("next.none_now")
    } else if any([Withdrawn::CertificateExpired, Withdrawn::NeverVerified, Withdrawn::LegallyDue]) {
        t.of("next.overdue")
    } else {
        t.of("next.withdrawn")
    }
}

/// An error at the end of a week, by the filter.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Week {
    /// Monday on which the week began (UTC)
    week_of: String,
    error_percent: f64,
    standard_uncertainty_percent: f64,
    lower95_percent: f64,
    upper95_percent: f64,
    /// Comparisons of that week
    charges: i64,
}

/// Something that happened to the pile or its error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoryEvent {
    /// step, firmware, on_site or reply (of the operator to a case)
    kind: &'static str,
    at: String,
    /// Size of a step, or the error found on site, percent
    error_percent: Option<f64>,
    standard_uncertainty_percent: Option<f64>,
    /// Of a step: the range in time that holds 95 % of the probability
    earliest: Option<String>,
    latest: Option<String>,
    /// Firmware that came
    version: Option<String>,
    /// Number of the document; of a reply, of the case
    number: Option<String>,
    /// Since when the certificate of that number is in question: what was found then says nothing of today
    questioned_at: Option<String>,
    /// Of a reply: operator, written by its own people; authority, came on paper and was written down by the body that leads the case
    by: Option<&'static str>,
    /// Of a reply: its words as stated; nothing in them was checked
    text: Option<String>,
}

/// A proposal from the pile's state, no verification and no duty.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NextDate {
    /// When the assessment was made that it is of
    as_of: String,
    /// Day by which the pile is proposed to be verified; none where the proposal is withdrawn
    due_on: Option<String>,
    /// Why there is none now: also what has lapsed since the assessment, and that it is too old (`assessment_old`)
    withdrawn: Vec<String>,
}

/// A pile's history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PileHistory {
    meta: Meta,
    pile_id: String,
    /// Always: "remote evidence, not a verification"
    note: &'static str,
    limit_percent: Option<f64>,
    /// Weeks in which something was compared, oldest first; empty where the level is unknown
    weeks: Vec<Week>,
    /// The last assessment of each day (UTC), newest first, page by page
    assessments: Vec<Assessment>,
    /// Newest first
    events: Vec<HistoryEvent>,
    next_date: Option<NextDate>,
}

/// Said with everything here.
const NOTE: &str = "remote evidence, not a verification";

impl NextDate {
    pub(crate) fn of(date: &DateRecord, now: Timestamp) -> Self {
        let withdrawn: Vec<String> = date.lapsed(now).into_iter().map(str::to_owned).collect();
        Self {
            as_of: date.as_of.to_string(),
            due_on: date.due_on.filter(|_| withdrawn.is_empty()).map(|due| due.to_string()),
            withdrawn,
        }
    }
}

impl PileHistory {
    fn of(
        pile_id: &PileId,
        history: &History,
        days: &[Estimate],
        next: Option<String>,
        now: Timestamp,
    ) -> Self {
        let week = |week: &WeeklyError| {
            let (lower, upper) = interval95(week);
            Week {
                week_of: beginning(week.week).strftime("%Y-%m-%d").to_string(),
                error_percent: 100.0 * week.error,
                standard_uncertainty_percent: 100.0 * week.standard_uncertainty,
                lower95_percent: 100.0 * lower,
                upper95_percent: 100.0 * upper,
                charges: week.charges,
            }
        };
        Self {
            meta: Meta::new(days.first().map(|estimate| estimate.as_of), next),
            pile_id: pile_id.to_string(),
            note: NOTE,
            limit_percent: history.limit.map(|limit| 100.0 * limit),
            weeks: history.weeks.iter().map(week).collect(),
            assessments: days.iter().map(Assessment::from).collect(),
            events: events(history, now),
            next_date: history.date.as_ref().map(|date| NextDate::of(date, now)),
        }
    }
}

/// The whole hour before: what is open ends now, and an answer of which nothing else has changed keeps its tag that long.
fn hour(now: Timestamp) -> Timestamp {
    let second = now.as_second();
    Timestamp::from_second(second - second.rem_euclid(3_600)).unwrap_or(now)
}

fn events(history: &History, now: Timestamp) -> Vec<HistoryEvent> {
    let bare = |kind: EventKind, at: Timestamp| HistoryEvent {
        kind: kind.word(),
        at: at.to_string(),
        error_percent: None,
        standard_uncertainty_percent: None,
        earliest: None,
        latest: None,
        version: None,
        number: None,
        questioned_at: None,
        by: None,
        text: None,
    };
    let mut events = Vec::new();
    for step in &history.steps {
        events.push(HistoryEvent {
            error_percent: Some(100.0 * step.size),
            standard_uncertainty_percent: Some(100.0 * step.standard_uncertainty),
            earliest: Some(beginning(step.range.0).to_string()),
            latest: Some(ending(step.range.1).min(hour(now)).to_string()),
            ..bare(EventKind::Step, beginning(step.first_week))
        });
    }
    for (at, version) in &history.firmware {
        events.push(HistoryEvent { version: Some(version.clone()), ..bare(EventKind::Firmware, *at) });
    }
    for Found { act, questioned_at } in &history.results {
        let Some(result) = act.result else { continue };
        let to_f64 = veripile_metrology::crossing::to_f64;
        events.push(HistoryEvent {
            error_percent: Some(to_f64(result.error_percent)),
            standard_uncertainty_percent: Some(
                to_f64(result.expanded_uncertainty_percent) / to_f64(result.coverage_factor),
            ),
            number: Some(act.number.clone()),
            questioned_at: questioned_at.map(|since| since.to_string()),
            ..bare(EventKind::OnSite, act.acted_at)
        });
    }
    for reply in &history.replies {
        events.push(HistoryEvent {
            kind: "reply",
            number: Some(reply.number.clone()),
            by: Some(reply.by.word()),
            text: Some(reply.words.clone()),
            ..bare(EventKind::OnSite, reply.at)
        });
    }
    events.sort_by(|a, b| b.at.cmp(&a.at));
    events
}

/// Which part of the past.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Where the page before ended (`meta.next`): a time
    cursor: Option<String>,
    /// At most this many days, 1 to 366
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

/// How a pile's error went: remote evidence, not a verification
#[utoipa::path(get, path = "/api/v1/piles/{id}/history",
    params(("id" = String, Path, description = "Pile identifier"), Parameters), responses(
    (status = 200, description = "Weeks, days, events and the proposed next date", body = PileHistory),
    (status = 304, description = "As it was"),
    (status = 400, description = "A parameter cannot be", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such pile", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn history(
    site: web::Data<Site>,
    id: web::Path<String>,
    parameters: Result<web::Query<Parameters>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let parameters =
        parameters.map_err(|error| Problem::parameter("query", &format!("known parameters ({error})")))?;
    let limit = problem::limit(parameters.limit.as_deref(), LIMIT_DEFAULT, LIMIT_MAX)?;
    let before = parameters.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let before: Option<Timestamp> = before
        .map(|cursor| cursor.parse().map_err(|_| Problem::parameter("cursor", "a time, RFC 3339")))
        .transpose()?;
    let pile = find(&site, &id).await?;
    let acts = site.store.acts(&pile.pile_id).await?;
    let history = History::of(&site, &pile, &acts).await?;
    // One more than is shown tells whether there is a next page.
    let mut past = site.store.estimates(&pile.pile_id, before, limit + 1).await?;
    let more = past.len() > limit as usize;
    past.truncate(limit as usize);
    let next = past.last().filter(|_| more).map(|estimate| estimate.as_of.to_string());
    Ok(json("application/json", &PileHistory::of(&pile.pile_id, &history, &past, next, Timestamp::now())))
}

pub(crate) async fn find(site: &Site, id: &str) -> Result<PileRecord, Problem> {
    let missing = || Problem::missing("no pile has this identifier; /api/v1/piles lists them");
    let pile_id = PileId::parse(id).map_err(|_| missing())?;
    site.store.pile(&pile_id).await?.ok_or_else(missing)
}

#[cfg(test)]
mod tests;
