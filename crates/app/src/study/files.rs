//! The study's files as texts: CSV for programs, JSON for machines. Same seeds, same bytes: no times, no places.
//!
//! Called by [`super`].

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};
use veripile_assessment::signals::Subject;
use veripile_metrology::change_point::{ALARM, CONFIRMED, REFERENCE};
use veripile_metrology::normal;
use veripile_simulator::world::WorldSettings;

use super::goal::Reached;
use super::measures::{Lacking, Measure, Study, Unit, world_name};
use super::run::{SeedSeen, WINDOW_DAYS};
use super::signals::{AtClean, Found};
use super::tables::{ToldStep, VERDICTS};
use super::weeks::{Tally, WeekSeen};
use crate::said;

/// Name and text of each CSV file.
pub(super) fn tables(study: &Study, seeds: &[SeedSeen]) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("summary.csv", summary(study)?),
        ("piles.csv", piles(seeds)?),
        ("detection.csv", detection(study)?),
        ("steps.csv", steps(study)?),
        ("step_detection.csv", step_detection(study)?),
        ("alarms.csv", alarms(seeds)?),
        ("signals.csv", signals(seeds)?),
        ("signal_detection.csv", signal_detection(study)?),
        ("signal_false_alarms.csv", signal_false_alarms(study)?),
        ("weeks.csv", weeks(seeds)?),
        ("anchors.csv", anchors(seeds)?),
        ("on_site.csv", on_site(seeds)?),
        ("concordance.csv", concordance(study)?),
    ])
}

/// Everything for machines.
pub(super) fn json(settings: &WorldSettings, study: &Study, seeds: &[SeedSeen]) -> Value {
    json!({
        "software": concat!("veripile ", env!("CARGO_PKG_VERSION")),
        "world": world_name(settings),
        "seeds": seeds.iter().map(|seed| json!({
            "seed": seed.seed, "days": seed.days, "piles": seed.piles.len(), "charges": seed.charges,
            "converged": seed.converged, "windows": seed.windows,
        })).collect::<Vec<_>>(),
        "settings": settings_facts(settings).into_iter().map(|(_, key, value)| (key.to_owned(), Value::String(value)))
            .collect::<serde_json::Map<_, _>>(),
        "study": study,
    })
}

/// What a world was made of: name in Chinese, key, value.
pub(super) fn settings_facts(settings: &WorldSettings) -> Vec<(&'static str, &'static str, String)> {
    let percent = |fraction: f64| format!("{} %", rounded(100.0 * fraction, 3));
    let injections: Vec<String> = settings.injections.iter().map(ToString::to_string).collect();
    let drawn = matches!(world_name(settings).as_str(), "reference" | "anhui");
    let mut facts = vec![("噪声", "noise", settings.noise.word().to_owned())];
    if drawn {
        let piles = settings.cities * settings.stations_per_city * settings.piles_per_station;
        facts.extend([
            ("天数", "days", settings.days.to_string()),
            ("充电桩", "piles", piles.to_string()),
            ("车辆", "vehicles", settings.vehicles.to_string()),
            ("车型", "models", settings.models.to_string()),
            ("每桩每天充电", "charges_per_day", settings.charges_per_day.to_string()),
            ("跨市充电", "travel", percent(settings.travel)),
        ]);
    }
    facts.extend([
        ("σ_0", "noise_sd", percent(settings.noise_sd)),
        ("δ", "noise_kwh", format!("{} kWh", settings.noise_kwh)),
        ("σ_b", "vehicle_sd", percent(settings.vehicle_sd)),
        ("σ_m", "model_sd", percent(settings.model_sd)),
        ("σ_c", "common_sd", percent(settings.common_sd)),
        ("有车辆数据的充电", "vehicle_share", percent(settings.vehicle_share)),
        ("基准桩", "anchors", settings.anchors.to_string()),
        ("期末现场检定", "on_site", settings.on_site.to_string()),
        ("现场扩展不确定度", "on_site_u", format!("{} % (k = 2)", settings.on_site_expanded_percent)),
        ("注入误差", "injected", if injections.is_empty() { "–".to_owned() } else { injections.join("; ") }),
        ("窗口", "windows", format!("{WINDOW_DAYS} d")),
        ("周报警", "weekly_alarm", format!("CUSUM {REFERENCE} / {ALARM}, 2 ln Λ ≥ {CONFIRMED}")),
    ]);
    facts
}

/// A number with so many decimals, without needless zeros.
pub(super) fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A measure's number as people read it.
pub(super) fn shown(measure: &Measure, value: f64) -> String {
    match measure.unit {
        Unit::ErrorPercent => format!("{value:.4} %"),
        Unit::Share => format!("{} %", rounded(100.0 * value, 2)),
        Unit::Number => format!("{value:.3}"),
        Unit::Days => format!("{} d", rounded(value, 1)),
    }
}

/// Empty where there is no number.
fn text(value: Option<f64>, decimals: usize) -> String {
    value.filter(|value| value.is_finite()).map_or(String::new(), |value| format!("{value:.decimals$}"))
}

/// A CSV file: identifiers of piles may have commas and quotes in them.
fn table(header: &str, rows: impl Iterator<Item = Vec<String>>) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.split(','))?;
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn summary(study: &Study) -> Result<String> {
    table(
        "measure,value,lower95,upper95,observations,goal_from,goal_to,reached,lacking,observations_needed",
        study.measures.iter().map(|m| {
            vec![
                m.key.to_owned(),
                text(m.value, 6),
                text(m.interval.map(|i| i.0), 6),
                text(m.interval.map(|i| i.1), 6),
                m.observations.to_string(),
                text(m.goal.map(|g| g.from), 4),
                text(m.goal.map(|g| g.to), 4),
                m.reached.map_or("", Reached::word).to_owned(),
                m.lacking.map_or("", |lacking| lacking.words().0).to_owned(),
                m.needed.map_or(String::new(), |needed| needed.to_string()),
            ]
        }),
    )
}

fn piles(seeds: &[SeedSeen]) -> Result<String> {
    let rows = seeds.iter().flat_map(|seed| seed.piles.iter().map(move |pile| (seed.seed, pile)));
    let percent = |value: Option<f64>| text(value.map(|value| 100.0 * value), 5);
    table(
        "seed,pile_id,limit_percent,injected,size,true_error_percent,is_constant,is_anchor,grounded,charges,error_percent,\
         standard_uncertainty_percent,bound_percent,verdict,windows,windows_nonconform,alarmed_day,signals",
        rows.map(|(seed, pile)| {
            vec![
                seed.to_string(),
                pile.id.clone(),
                percent(Some(pile.limit)),
                pile.injected.map_or(String::new(), |kind| kind.word().to_owned()),
                pile.injected.map_or(String::new(), |kind| kind.size().to_string()),
                percent(Some(pile.truth)),
                pile.is_constant.to_string(),
                pile.is_anchor.to_string(),
                pile.grounded.to_string(),
                pile.charges.to_string(),
                percent(pile.error),
                percent(pile.standard_uncertainty),
                percent(pile.bound),
                pile.verdict.word().to_owned(),
                pile.windows.to_string(),
                pile.windows_nonconform.to_string(),
                pile.alarmed_day.map_or(String::new(), |day| day.to_string()),
                pile.signals.iter().map(|code| code.word()).collect::<Vec<_>>().join(";"),
            ]
        }),
    )
}

fn detection(study: &Study) -> Result<String> {
    table(
        "kind,size,limit_percent,piles,found,windows,windows_found",
        study.detections.iter().map(|d| {
            vec![
                d.kind.to_owned(),
                d.size.to_string(),
                rounded(d.limit_percent, 4),
                d.piles.to_string(),
                d.found.to_string(),
                d.windows.to_string(),
                d.windows_found.to_string(),
            ]
        }),
    )
}

fn steps(study: &Study) -> Result<String> {
    table(
        "seed,pile_id,size_percent,day,delay_days,told_size_percent,told_standard_uncertainty_percent,told_from_day,told_to_day",
        study.steps.iter().map(|step| {
            let mut row = vec![
                step.seed.to_string(),
                step.pile.clone(),
                step.size_percent.to_string(),
                step.day.to_string(),
                step.delay_days.map_or(String::new(), |days| days.to_string()),
            ];
            row.extend(told(step.told));
            row
        }),
    )
}

/// Size, uncertainty and dates of a step as told; empty where nothing was.
fn told(step: Option<ToldStep>) -> [String; 4] {
    let Some(step) = step else { return Default::default() };
    [
        format!("{:.4}", step.size_percent),
        format!("{:.4}", step.standard_uncertainty_percent),
        format!("{:.2}", step.began_from),
        format!("{:.2}", step.began_to),
    ]
}

fn step_detection(study: &Study) -> Result<String> {
    table(
        "size_percent,steps,found,found_in_four_weeks,delay_median_days,delay_ninth_decile_days",
        study.step_sizes.iter().map(|size| {
            vec![
                size.size_percent.to_string(),
                size.steps.to_string(),
                size.found.to_string(),
                size.found_in_month.to_string(),
                text(size.delay_median, 0),
                text(size.delay_ninth, 0),
            ]
        }),
    )
}

/// Every step that the filter told of, true or not.
fn alarms(seeds: &[SeedSeen]) -> Result<String> {
    let rows = seeds.iter().flat_map(|seed| seed.alarms.iter().map(move |alarm| (seed, alarm)));
    table(
        "seed,pile_id,injected,day,size_percent,standard_uncertainty_percent,from_day,to_day,statistic",
        rows.map(|(seed, alarm)| {
            let pile = &seed.piles[alarm.pile];
            let mut row = vec![
                seed.seed.to_string(),
                pile.id.clone(),
                pile.injected.map_or(String::new(), |kind| kind.word().to_owned()),
                alarm.day.to_string(),
            ];
            row.extend(told(Some(ToldStep::of(alarm))));
            row.push(format!("{:.2}", alarm.statistic));
            row
        }),
    )
}

/// Every signal, true or not, as `assess` writes them.
fn signals(seeds: &[SeedSeen]) -> Result<String> {
    let rows = seeds.iter().flat_map(|seed| seed.signals.iter().map(move |finding| (seed, finding)));
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    table(
        "seed,pile_id,injected,size,code,severity,statistic,p_value,from,to,detail",
        rows.map(|(seed, finding)| {
            let (subject, injected) = match finding.subject {
                Subject::Pile(at) => (seed.piles[at].id.clone(), seed.piles[at].injected),
                Subject::Station(number) => (format!("station:{number}"), None),
                Subject::Operator(number) => (format!("operator:OP{number}"), None),
            };
            vec![
                seed.seed.to_string(),
                subject,
                injected.map_or(String::new(), |kind| kind.word().to_owned()),
                injected.map_or(String::new(), |kind| kind.size().to_string()),
                finding.code.word().to_owned(),
                finding.severity.word().to_owned(),
                format!("{:.4}", finding.statistic),
                finding.p_value.map(|p| format!("{p:.3e}")).unwrap_or_default(),
                time(finding.from),
                time(finding.to),
                veripile_api::told_in_english(&said::sayings(&finding.said)),
            ]
        }),
    )
}

/// One row for each way in which errors of one kind and size were found.
fn signal_detection(study: &Study) -> Result<String> {
    let rows = study.signals.found.iter().flat_map(|found| {
        let ways = [("verdict", found.by_verdict), ("signal", found.by_signal), ("either", found.by_either)];
        let codes = found.by_code.iter().map(|(code, count)| (code.word(), *count));
        ways.into_iter().chain(codes).map(move |(way, count)| {
            vec![
                found.kind.to_owned(),
                found.size.to_string(),
                rounded(found.limit_percent, 4),
                found.piles.to_string(),
                way.to_owned(),
                count.to_string(),
            ]
        })
    });
    table("kind,size,limit_percent,piles,found_by,found", rows)
}

fn signal_false_alarms(study: &Study) -> Result<String> {
    table(
        "code,clean_piles,signalled,share_per_half_year,lower95,upper95",
        study.signals.at_clean.iter().map(|clean| {
            vec![
                clean.word().to_owned(),
                clean.piles.to_string(),
                clean.signalled.to_string(),
                text(Some(clean.per_half_year), 6),
                text(Some(clean.interval.0), 6),
                text(Some(clean.interval.1), 6),
            ]
        }),
    )
}

fn weeks(seeds: &[SeedSeen]) -> Result<String> {
    let cells = |tally: &Tally| {
        let (rms, stated) = tally.percent().unzip();
        [tally.estimates.to_string(), tally.covered.to_string(), text(rms, 5), text(stated, 5)]
    };
    table(
        "week,end_day,estimates,covered95,rmse_percent,stated_percent,smoothed_estimates,smoothed_covered95,smoothed_rmse_percent,\
         smoothed_stated_percent",
        by_week(seeds).iter().enumerate().map(|(at, week)| {
            let mut row = vec![(at + 1).to_string(), week.end_day.to_string()];
            row.extend(cells(&week.filtered));
            row.extend(cells(&week.smoothed));
            row
        }),
    )
}

/// Weeks of all seeds together.
pub(super) fn by_week(seeds: &[SeedSeen]) -> Vec<WeekSeen> {
    let count = seeds.iter().map(|seed| seed.weeks.len()).max().unwrap_or(0);
    let mut weeks = vec![WeekSeen::default(); count];
    for seed in seeds {
        for (sum, week) in weeks.iter_mut().zip(&seed.weeks) {
            *sum = WeekSeen {
                end_day: week.end_day,
                filtered: sum.filtered.with(&week.filtered),
                smoothed: sum.smoothed.with(&week.smoothed),
            };
        }
    }
    weeks
}

fn anchors(seeds: &[SeedSeen]) -> Result<String> {
    let rows = seeds.iter().flat_map(|seed| seed.anchors.iter().map(move |anchor| (seed.seed, anchor)));
    table(
        "seed,pile_id,normalized_error",
        rows.map(|(seed, anchor)| {
            vec![seed.to_string(), anchor.pile.clone(), text(Some(anchor.normalized_error), 4)]
        }),
    )
}

fn on_site(seeds: &[SeedSeen]) -> Result<String> {
    let rows = seeds.iter().flat_map(|seed| seed.pairs.iter().map(move |pair| (seed, pair)));
    table(
        "seed,pile_id,remote_error_percent,remote_expanded_percent,on_site_error_percent,on_site_expanded_percent,normalized_error,\
         remote_verdict,on_site_passes,is_constant",
        rows.map(|(seed, pair)| {
            let pile = &seed.piles[pair.pile];
            vec![
                seed.seed.to_string(),
                pile.id.clone(),
                text(pair.remote.map(|r| r.0), 4),
                text(pair.remote.map(|r| r.1), 4),
                text(Some(pair.on_site.0), 4),
                text(Some(pair.on_site.1), 4),
                text(pair.normalized_error, 4),
                pile.verdict.word().to_owned(),
                pair.passes_on_site.to_string(),
                pile.is_constant.to_string(),
            ]
        }),
    )
}

fn concordance(study: &Study) -> Result<String> {
    let rows = VERDICTS.iter().zip(&study.concordance.table);
    table(
        "remote_verdict,passes_on_site,fails_on_site",
        rows.map(|(verdict, [passes, fails])| {
            vec![verdict.word().to_owned(), passes.to_string(), fails.to_string()]
        }),
    )
}

/// What the command prints.
pub(super) fn words(settings: &WorldSettings, study: &Study, seeds: &[SeedSeen]) -> String {
    let charges: usize = seeds.iter().map(|seed| seed.charges).sum();
    let mut text = format!(
        "世界 world {} · 噪声 noise {} · 种子 seeds {} · 充电 charges {charges}\n",
        world_name(settings),
        settings.noise.word(),
        seeds.len()
    );
    for measure in study.measures.iter().filter(|measure| measure.is_shown()) {
        let value = measure.value.map_or("–".to_owned(), |value| shown(measure, value));
        let lacking = measure.lacking.map(Lacking::words);
        let lacking = lacking.map_or(String::new(), |(_, zh, en)| format!(": {zh} {en}"));
        let mark = match measure.reached {
            Some(Reached::Yes) => "✓",
            Some(Reached::Open) => "○",
            Some(Reached::No) => "✗",
            None => " ",
        };
        let goal = measure.goal.map_or(String::new(), |_| format!(" · 目标 goal {}", goal(measure)));
        let n = measure.observations;
        let needed = needed(measure, seeds.len());
        let needed = needed.map_or(String::new(), |needed| format!(" · 需 would take {needed}"));
        text.push_str(&format!(
            "{mark} {value:>11}  {} {}{lacking} (n = {n}{goal}{needed})\n",
            measure.zh, measure.en
        ));
    }
    text + &signal_words(study)
}

/// What signals found, as the command prints it.
fn signal_words(study: &Study) -> String {
    let mut text = String::new();
    if !study.signals.found.is_empty() {
        text.push_str(
            "信号 signals: 注入桩 piles injected · 限外 nonconform · 有信号 with a signal · 任一 either\n",
        );
    }
    for found in &study.signals.found {
        let [piles, by_verdict, by_signal, by_either] =
            [found.piles, found.by_verdict, found.by_signal, found.by_either];
        let codes = codes(found);
        let error = error_words(found);
        text.push_str(&format!(
            "  {error:>16}  {piles} · {by_verdict} · {by_signal} · {by_either}  {codes}\n"
        ));
    }
    let Some(any) = study.signals.at_clean.first() else { return text };
    let piles = any.piles;
    text.push_str(&format!("误报信号 false signals: 无注入误差 clean piles {piles}, 每半年 per half-year\n"));
    for clean in study.signals.at_clean.iter().filter(|clean| clean.code.is_none() || 0 < clean.signalled) {
        let (share, interval) = rate(clean);
        text.push_str(&format!("  {:>20}  {} · {share} ({interval})\n", clean.word(), clean.signalled));
    }
    text
}

/// Kind and size of an injected error.
pub(super) fn error_words(found: &Found) -> String {
    format!("{} {} {}", found.kind, found.size, unit(found.kind))
}

/// Unit of an injected error's size.
pub(super) fn unit(kind: &str) -> &'static str {
    if kind == "offset" { "kWh" } else { "%" }
}

/// Codes of what was found, with the number of piles.
pub(super) fn codes(found: &Found) -> String {
    let codes: Vec<String> =
        found.by_code.iter().map(|(code, count)| format!("{} {count}", code.word())).collect();
    codes.join(", ")
}

/// A share per half-year and its 95 % interval, percent.
pub(super) fn rate(clean: &AtClean) -> (String, String) {
    let percent = |share: f64| format!("{} %", rounded(100.0 * share, 2));
    let (low, high) = clean.interval;
    (percent(clean.per_half_year), format!("{} … {}", percent(low), percent(high)))
}

/// How much an open measure would take, if its number stays what it is: observations, and the seeds that have so many.
pub(super) fn needed(measure: &Measure, seeds: usize) -> Option<String> {
    let needed = measure.needed?;
    let seeds = (needed * seeds).div_ceil(measure.observations.max(1));
    Some(format!("n ≈ {needed}, {seeds} 种子 seeds"))
}

/// A goal as people read it.
pub(super) fn goal(measure: &Measure) -> String {
    let Some(goal) = measure.goal else { return String::new() };
    let largest = if measure.unit == Unit::Share { 1.0 } else { f64::INFINITY };
    match (goal.from, goal.to) {
        (0.0, to) => format!("≤ {}", shown(measure, to)),
        (from, to) if largest <= to => format!("≥ {}", shown(measure, from)),
        (from, to) => format!("{} … {}", shown(measure, from), shown(measure, to)),
    }
}

/// Half-width of a 95 % interval in standard uncertainties, as the page explains it.
pub(super) const COVERAGE_FACTOR: f64 = normal::QUANTILE_975;
