//! What stations' energy balances did not say, and why: each with the next step.
//!
//! Called by [`super::remarks`] and [`super::nothing_compared`]. It decides nothing: `metrology::balance` did.

use rust_decimal::Decimal;
use veripile_assessment::Assessment;
use veripile_assessment::evidence::TimedFeeder;
use veripile_metrology::balance::{BalanceError, HOURS_MAX, Usage};
use veripile_metrology::comparison::GROUNDING_U_MAX;

use super::{ALIKE_MAX, Remark, remark, sets};
use crate::assess_files::{Inputs, Prepared};

/// What balances did not say, and which rows none makes use of.
pub(super) fn remarks(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment) -> Vec<Remark> {
    let mut told = silent(prepared, assessment);
    told.extend(sets::without_piles(prepared));
    told.extend(sets::unmatched(prepared.unmatched_registers));
    let as_of = prepared.evidence.as_of;
    let rows = inputs.masters.iter().chain(&inputs.registers).filter(|row| row.to <= as_of);
    let fallen = rows.filter(|row| row.energy_kwh.is_some_and(|energy| energy < Decimal::ZERO)).count();
    if 0 < fallen {
        told.push(remark(
            "register_fell",
            format!("{fallen} 行总表或桩电量为负（表计清零或更换），这些时段未用于电能平衡"),
            format!(
                "{fallen} rows of masters and registers are below zero, as after a reset or an exchange: the balance leaves these intervals out"
            ),
        ));
    }
    told
}

/// Stations whose balance says nothing. Of one without piles that is told, not that its balance says nothing, and what holds other energy than
/// its piles is told with what contradicts.
fn silent(prepared: &Prepared, assessment: &Assessment) -> Vec<Remark> {
    let stations = prepared.stations.iter().zip(&assessment.balances).zip(&prepared.evidence.feeders);
    let stations = stations.filter(|(_, fed)| !fed.feeder.instruments.is_empty());
    let silent = stations.filter_map(|((station, told), fed)| Some((station, told.as_ref().err()?, fed)));
    let silent: Vec<_> =
        silent.filter(|(_, error, _)| !matches!(error, BalanceError::Unlike { .. })).collect();
    let mut told: Vec<Remark> = silent
        .iter()
        .take(ALIKE_MAX)
        .map(|(station, error, fed)| {
            let [zh, en] = why(error, fed);
            remark(
                "balance_silent",
                format!("场站 {station} 的电能平衡得不出结论：{zh}"),
                format!("the energy balance of station {station} says nothing: {en}"),
            )
        })
        .collect();
    let more = silent.len().saturating_sub(ALIKE_MAX);
    if 0 < more {
        told.push(remark(
            "balance_silent",
            format!("另有 {more} 个场站如此"),
            format!("so it is with {more} more stations"),
        ));
    }
    told
}

/// Why a balance says nothing, and what would help, in both languages.
fn why(error: &BalanceError, fed: &TimedFeeder) -> [String; 2] {
    match error {
        BalanceError::NoInterval(usage) => unused(usage),
        BalanceError::NoLoad(_) => {
            let [zh, en] = sums(fed);
            [format!("各桩的电量都没有增加{zh}"), format!("no energy passed through its piles{en}")]
        }
        BalanceError::Singular => {
            let [zh, en] = sums(fed);
            [
                format!("总表与各桩的电量互不相容{zh}；请核对单位、倍率以及该场站有哪些桩"),
                format!(
                    "the energies of master and piles do not fit together{en}; look at their units and factors, and at which piles stand there"
                ),
            ]
        }
        BalanceError::TooLarge(piles, intervals) => [
            format!("{piles} 个桩、{intervals} 个时段，超过一次平衡所能处理的；请按馈线或更短时间给出"),
            format!(
                "{piles} piles and {intervals} intervals are more than one balance takes; give a feeder, or a shorter time, at a time"
            ),
        ],
        other => [format!("所给数据不可用（{other}）"), other.to_string()],
    }
}

/// What was the matter with the intervals, none of which could be used.
fn unused(usage: &Usage) -> [String; 2] {
    let of = [
        (
            usage.too_long,
            format!("长于 {HOURS_MAX} 小时（请给每小时或更短时段的电量）"),
            format!("longer than {HOURS_MAX} h (give energies by the hour or less)"),
        ),
        (usage.master_gaps, "无总表读数".to_owned(), "without a reading of the master".to_owned()),
        (
            usage.instrument_gaps,
            "缺该场站某个桩的读数（每个桩每个时段都须有）".to_owned(),
            "without a reading of some pile of the station (each needs one in each)".to_owned(),
        ),
        (usage.resets, "有表计清零或更换".to_owned(), "with a register that fell".to_owned()),
        (
            usage.impossible,
            "电量两倍于可能的最大值".to_owned(),
            "with twice the energy that can be".to_owned(),
        ),
    ];
    let found = || of.iter().filter(|(count, ..)| 0 < *count);
    if found().next().is_none() {
        let [zh, en] = [
            "在桩的最近一次变化之后没有时段",
            "there is no interval since the last change of a pile behind it",
        ];
        return [zh.to_owned(), en.to_owned()];
    }
    let zh: Vec<String> = found().map(|(count, zh, _)| format!("{count} 个{zh}")).collect();
    let en: Vec<String> = found().map(|(count, _, en)| format!("{count} {en}")).collect();
    [format!("没有一个时段可用：{}", zh.join("，")), format!("no interval can be used, {}", en.join(", "))]
}

/// Energies of the piles and of the master in the intervals in which all were read: who wrote one in another unit sees it.
fn sums(fed: &TimedFeeder) -> [String; 2] {
    let (mut of_piles, mut of_master) = (0.0, 0.0);
    for interval in &fed.feeder.intervals {
        let piles: Option<f64> = interval.instruments_kwh.iter().copied().sum();
        if let (Some(piles), Some(master)) = (piles, interval.master_kwh) {
            of_piles += piles;
            of_master += master;
        }
    }
    [
        format!("（各桩合计 {of_piles:.1} kWh，总表 {of_master:.1} kWh）"),
        format!(" ({of_piles:.1} kWh by its piles, {of_master:.1} kWh by its master)"),
    ]
}

/// Why balances give no level where no charge has the vehicle's own energy; none where nobody gave masters.
pub(super) fn no_level(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment) -> Option<Remark> {
    if inputs.masters.is_empty() {
        return None;
    }
    let Some(best) = assessment.balances.iter().flatten().copied().min_by(f64::total_cmp) else {
        return Some(remark(
            "balances_silent",
            "没有一次充电带有车辆侧电量，总表与桩电量的平衡也得不出结论，原因见下",
            "no charge has the vehicle's own energy, and the balances of masters and registers say nothing either, for the reasons below",
        ));
    };
    let is_uncertain = |fed: &TimedFeeder| {
        fed.feeder.instruments.iter().any(|instrument| 0.0 < instrument.efficiency_uncertainty)
    };
    let [by_zh, by_en] = if prepared.evidence.feeders.iter().any(is_uncertain) {
        [
            "（总表准确度，以及直流桩的效率未测）",
            " (the masters' accuracy, and efficiencies of DC piles that nobody measured)",
        ]
    } else {
        ["（总表准确度）", " (the masters' accuracy)"]
    };
    let (best, most) = (100.0 * best, 100.0 * GROUNDING_U_MAX);
    Some(remark(
        "balances_too_uncertain",
        format!(
            "没有一次充电带有车辆侧电量；总表给出的水平的标准不确定度至少为 {best:.2} %{by_zh}，须不大于 {most} % 才能得出误差。请以 --anchors 给出一两个桩的现场结果，或补上 energy_vehicle_kwh"
        ),
        format!(
            "no charge has the vehicle's own energy, and the level that masters give has a standard uncertainty of {best:.2} % at best{by_en}, where \
             {most} % is the most that tells an error; give the on-site results of one or two piles by --anchors, or fill in energy_vehicle_kwh"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use veripile_metrology::balance::{Feeder, Instrument, Interval};

    use super::*;

    /// A master of two piles; in the second interval one was not read.
    fn fed() -> TimedFeeder {
        let instrument = |index| Instrument {
            index,
            efficiency: 1.0,
            efficiency_uncertainty: 0.0,
            efficiency_common: 0.0,
        };
        let interval = |master: f64, piles: [Option<f64>; 2]| Interval {
            hours: 1.0,
            master_kwh: Some(master),
            instruments_kwh: piles.to_vec(),
        };
        let feeder = Feeder {
            master_uncertainty: 0.003,
            instruments: [0, 1].map(instrument).to_vec(),
            intervals: vec![interval(30_000.0, [Some(10.0), Some(20.5)]), interval(7.0, [Some(7.0), None])],
        };
        TimedFeeder { feeder, begins: Vec::new() }
    }

    #[test]
    fn a_silent_balance_says_why_and_what_would_help_in_both_languages() {
        let check = |error: BalanceError, parts: [&str; 2]| {
            let told = why(&error, &fed());
            for (told, part) in told.iter().zip(parts) {
                assert!(told.contains(part), "{told}");
            }
            assert!(told[1].is_ascii());
        };
        let too_long = Usage { too_long: 360, ..Usage::default() };
        check(BalanceError::NoInterval(too_long), ["360 个长于 1.1 小时", "360 longer than 1.1 h (give"]);
        let gaps = Usage { master_gaps: 2, instrument_gaps: 3, ..Usage::default() };
        check(
            BalanceError::NoInterval(gaps),
            ["2 个无总表读数，3 个缺", "2 without a reading of the master, 3 "],
        );
        check(BalanceError::NoInterval(Usage::default()), ["最近一次变化之后", "since the last change"]);
        let sums =
            ["各桩合计 30.5 kWh，总表 30000.0 kWh", "30.5 kWh by its piles, 30000.0 kWh by its master"];
        check(BalanceError::Singular, sums);
        check(BalanceError::NoLoad(Usage::default()), sums);
        check(BalanceError::TooLarge(201, 5), ["201 个桩", "201 piles"]);
        check(BalanceError::MalformedFeeder, ["所给数据不可用", "malformed"]);
    }
}
