//! A run as its page shows it while it goes on: stage, progress, chart, readings, troubles. The fragment of `…/live` is the same
//! template as in the page.

use askama::Template;
use rust_decimal::Decimal;
use veripile_metrology::rounding::{written, written_with_sign};
use veripile_store::verification::{OrderRow, OrderState};
use veripile_verification::chart::Chart;
use veripile_verification::order::Order;
use veripile_verification::plan::LoadPoint;
use veripile_verification::result::{self, PointResult};
use veripile_verification::run::{Indication, Progress, Run, Taken};

use super::{orders, words};
use crate::texts::Texts;

/// Troubles listed, the newest.
const TROUBLES_MAX: usize = 50;

/// One reading's row.
struct ReadingLine {
    point: usize,
    repeat: u32,
    at: String,
    indication: String,
    reference: String,
    error: String,
    measured: String,
    discarded: u32,
}

/// One load point's row.
struct PointLine {
    number: usize,
    load: String,
    readings: usize,
    error: String,
    expanded: String,
    limit: String,
    verdict: &'static str,
    verdict_text: String,
}

/// The part of the page that is fetched anew.
#[derive(Template)]
#[template(path = "ver_live.html")]
pub(crate) struct Live<'a> {
    t: &'a Texts,
    /// Where the forms of the page change: a page of another phase is loaded anew.
    phase: String,
    /// Whether it changes by itself.
    pub(crate) is_running: bool,
    state: &'static str,
    state_text: String,
    stage: String,
    taken: usize,
    total: usize,
    at_hand: Option<String>,
    /// What a load that is awaited measures now; or that it holds.
    missed: Option<String>,
    energy: Option<(String, String, String)>,
    ending: Option<String>,
    look: Vec<String>,
    chart: String,
    points: Vec<PointLine>,
    readings: Vec<ReadingLine>,
    troubles: Vec<(String, String, String)>,
    troubles_total: usize,
}

impl<'a> Live<'a> {
    /// Of an order and its run.
    pub(crate) fn of(t: &'a Texts, row: &OrderRow, run: &Run) -> Self {
        let progress = run.progress();
        let order = &row.order;
        let is_running = matches!(row.state, OrderState::Queued | OrderState::Running);
        let at_hand = (row.state == OrderState::Running && progress.taken < progress.total)
            .then(|| order.plan.points.get(progress.point))
            .flatten();
        let found = found(order, run.taken());
        let (ending, look) = ending(t, row, run);
        Self {
            t,
            phase: phase(row, run),
            is_running,
            state: row.state.word(),
            state_text: orders::state_text(t, row.state).to_owned(),
            stage: if row.state == OrderState::Queued {
                t.of("live.waits").to_owned()
            } else {
                stage(t, run, progress.stage).to_owned()
            },
            taken: progress.taken,
            total: progress.total,
            at_hand: at_hand.map(|point| reading_at_hand(t, order, &progress, point)),
            missed: (progress.stage == "awaiting_point" && is_running).then(|| match progress.missed {
                Some(missed) => format!("{} {missed}", t.of("live.missed")),
                None => t.of("live.held").to_owned(),
            }),
            energy: progress.energy_wh.filter(|_| at_hand.is_some()).map(|energy| {
                let text = format!("{} / {} Wh", written(energy, 3), progress.energy_target_wh.normalize());
                (energy.to_string(), progress.energy_target_wh.to_string(), text)
            }),
            ending,
            look,
            chart: Chart::so_far(order, run.taken(), t.document_language())
                .filter(|_| !run.taken().is_empty())
                .map_or_else(String::new, |chart| chart.svg()),
            points: order
                .plan
                .points
                .iter()
                .zip(&found)
                .enumerate()
                .map(|(index, (point, found))| point_line(t, index, point, run.taken(), found.as_ref()))
                .collect(),
            readings: run.taken().iter().rev().map(|taken| reading_line(t, taken)).collect(),
            troubles: run
                .troubles()
                .iter()
                .rev()
                .take(TROUBLES_MAX)
                .map(|trouble| words::trouble(t, trouble))
                .collect(),
            troubles_total: run.troubles().len(),
        }
    }
}

/// How a run ended, and what to look at on the bench. Of one that is issued or called off, its state says what came of it.
fn ending(t: &Texts, row: &OrderRow, run: &Run) -> (Option<String>, Vec<String>) {
    let is_said = matches!(row.state, OrderState::Issued | OrderState::Cancelled);
    match run.ending().filter(|_| !is_said) {
        Some(ending) => {
            let (sentence, look) = words::ending(t, run, ending);
            (Some(sentence), look)
        }
        None if row.state == OrderState::Cancelled && is_unended(run) => (None, words::left_alone(t, run)),
        None => (None, Vec::new()),
    }
}

/// Which reading of which load point is being taken, in a sentence.
fn reading_at_hand(t: &Texts, order: &Order, progress: &Progress, point: &LoadPoint) -> String {
    t.of("live.at_hand")
        .replace("{point}", &(progress.point + 1).to_string())
        .replace("{points}", &order.plan.points.len().to_string())
        .replace("{load}", &load(t, point))
        .replace("{reading}", &(progress.repeat + 1).to_string())
        .replace("{readings}", &order.plan.repeats.to_string())
}

/// What is being done, in words. Under a real load nothing is switched.
fn stage<'a>(t: &'a Texts, run: &Run, stage: &str) -> &'a str {
    match stage {
        "preparing" if !run.has_source() => t.of("stage_loaded.preparing"),
        "troubled" if !run.has_source() => t.of("stage_loaded.troubled"),
        _ => t.of_owned(&format!("stage.{stage}")),
    }
}

/// Whether a run began and did not come to an end of its own: nobody knows how it left the bench.
fn is_unended(run: &Run) -> bool {
    run.ending().is_none() && run.progress().stage != "waiting"
}

/// What decides which forms the page has.
pub(crate) fn phase(row: &OrderRow, run: &Run) -> String {
    let asks = if run.progress().asks_display { "-display" } else { "" };
    format!("{}{asks}", row.state.word())
}

/// What is known so far of each load point; none of those with fewer than two readings.
pub(crate) fn found(order: &Order, taken: &[Taken]) -> Vec<Option<PointResult>> {
    let mut results = result::so_far(order, taken).into_iter().peekable();
    let points = order.plan.points.iter();
    points.map(|point| results.next_if(|result| result.point == *point)).collect()
}

/// A load point in a line: `220 V · 32 A · cosφ 0.5`.
pub(crate) fn load(t: &Texts, point: &LoadPoint) -> String {
    let mut text = format!("{} V · {} A", point.voltage_v.normalize(), point.current_a.normalize());
    if let Some(factor) = point.power_factor {
        text += &format!(" · {} {}", t.of("plan.factor_short"), factor.normalize());
    }
    text
}

/// A percentage with its sign, to a thousandth.
pub(crate) fn signed_percent(value: Decimal) -> String {
    format!("{} %", written_with_sign(value, 3))
}

fn point_line(
    t: &Texts,
    index: usize,
    point: &LoadPoint,
    taken: &[Taken],
    found: Option<&PointResult>,
) -> PointLine {
    let dash = || t.of("dash").to_owned();
    PointLine {
        number: index + 1,
        load: load(t, point),
        readings: taken.iter().filter(|reading| reading.point == index).count(),
        error: found.map_or_else(dash, |found| signed_percent(found.error_percent)),
        expanded: found.map_or_else(dash, |found| {
            format!(
                "{} % (k = {})",
                written(found.expanded_uncertainty_percent, 3),
                found.coverage_factor.normalize()
            )
        }),
        limit: found.map_or_else(dash, |found| format!("±{} %", found.limit_percent.normalize())),
        verdict: found.map_or("", |found| found.verdict.word()),
        verdict_text: found
            .map_or_else(dash, |found| t.of_owned(&format!("found.{}", found.verdict.word())).to_owned()),
    }
}

fn reading_line(t: &Texts, taken: &Taken) -> ReadingLine {
    let (indication, unit) = match (&taken.indication, taken.indication.registers()) {
        (Indication::Pulses { pulses, pile_constant, .. }, _) => {
            (format!("{pulses} imp · {} imp/kWh", pile_constant.normalize()), "imp")
        }
        (_, registers) => {
            let (start, stop) = registers.unwrap_or_default();
            (format!("{} → {} Wh", start.normalize(), stop.normalize()), "Wh")
        }
    };
    let mut measured = format!(
        "{} V · {} A · {} W",
        written(taken.voltage_v, 2),
        written(taken.current_a, 3),
        written(taken.power_w, 1)
    );
    if let Some(celsius) = taken.source_c_max {
        measured += &format!(" · {} °C", written(celsius, 1));
    }
    ReadingLine {
        point: taken.point + 1,
        repeat: taken.repeat + 1,
        at: crate::view::minute_second(taken.ended_at),
        indication,
        reference: format!("{} {unit}", taken.reference.normalize()),
        error: result::reading_percent(taken).map_or_else(|| t.of("dash").to_owned(), signed_percent),
        measured,
        discarded: taken.discarded,
    }
}
