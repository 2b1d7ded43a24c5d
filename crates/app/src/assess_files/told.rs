//! What people should know of a run before they use its numbers: why nothing can be told, what was left out and which rows are probably
//! slips of the pen; each with the next step, in Chinese and English.
//!
//! Called by `assess_files` after the assessment. It decides nothing and changes no number.

mod balances;
mod kinds;
mod levels;
mod sets;
mod vehicles;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use veripile_assessment::{Assessment, ChangedPile, ComparableCharge, DoubtedValues, Updated};
use veripile_pile::{PileId, RemoteVerdict};

use super::reference::AnchorRow;
use super::rows::printable;
use super::{Inputs, Prepared, findings};

/// Names in one remark at most; the rest are counted.
const NAMES_MAX: usize = 5;

/// Scale of the noise below which vehicles' values are better than any vehicle's meter, percent, and charges from which it is known.
/// metrology.md §2.1 has 2 %; what is read on a current sensor and a voltage scatters by some tenths.
const NOISE_LEAST_PERCENT: f64 = 0.2;
const CHARGES_OF_NOISE: usize = 100;

/// Remarks of one kind at most: each anchor that contradicts has its own, and `run.json` has them all.
const ALIKE_MAX: usize = 20;

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Remark {
    /// For machines.
    pub(crate) code: &'static str,
    zh: String,
    en: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.zh, self.en)
    }
}

/// Names in it are as files have them.
fn remark(code: &'static str, zh: impl AsRef<str>, en: impl AsRef<str>) -> Remark {
    Remark { code, zh: printable(zh.as_ref()), en: printable(en.as_ref()) }
}

/// Every remark, the most important first.
pub(super) fn remarks(
    inputs: &Inputs,
    prepared: &Prepared,
    assessment: &Assessment,
    signals: Option<&BTreeMap<&'static str, usize>>,
    operators: &BTreeMap<&'static str, usize>,
) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = unended(inputs).into_iter().collect();
    remarks.extend(diagnosis(inputs, prepared, assessment));
    remarks.extend(kinds::of_other_kind(prepared, assessment));
    remarks.extend(levels::contradictory(assessment));
    remarks.extend(levels::unchecked(assessment.facts.anchors_unchecked));
    remarks.extend(levels::contradictory_references(prepared, assessment));
    remarks.extend(levels::contradictory_balances(prepared, assessment));
    remarks.extend(vehicles::of_many(prepared, assessment));
    remarks.extend(vehicles::overlapping(assessment));
    remarks.extend(doubted(&assessment.facts.doubted_values));
    remarks.extend(changed(inputs, prepared, assessment));
    remarks.extend(updated(prepared, &assessment.facts.updated));
    remarks.extend(misnamed(inputs, prepared));
    remarks.extend(fit(assessment));
    remarks.extend(balances::remarks(inputs, prepared, assessment));
    remarks.extend(found(signals, operators));
    remarks
}

/// Chinese of a reason why a row was set aside or rejected; the code stands beside it.
pub(super) fn reason_zh(code: &str) -> &'static str {
    match code {
        "vehicle_energy_missing" => "无车辆侧电量",
        "vehicle_unknown" => "未写明车辆",
        "after_as_of" => "晚于评估时刻",
        "energy_too_small" => "电量太小",
        "energies_incomparable" => "两侧电量相差过大",
        "vehicle_value_copied" => "车辆侧电量即桩自己的电量",
        "vehicle_id_of_many" => "车辆编号由多辆车共用",
        "vehicle_value_doubted" => "桩转报的车辆侧电量似非车辆所报",
        "wrong_number_of_fields" => "列数不符",
        "charge_id_empty" => "无充电编号",
        "pile_id_unusable" => "桩编号不可用",
        "not_a_time" => "时间有误",
        "ends_before_it_starts" => "结束早于开始",
        "before_any_charge" => "早于 2009 年",
        "lasts_too_long" => "历时过长",
        "power_implausible" => "功率不可能",
        "not_a_number" => "不是数字",
        "energy_not_positive" => "电量不大于零",
        "energy_implausible" => "电量不可能",
        "charge_repeated" => "除编号外与另一行相同",
        "duplicate_charge_id" => "充电编号重复",
        "vehicle_path_unknown" => "车辆数据来源未知",
        "vehicle_id_too_long" => "车辆编号过长",
        "vehicle_model_too_long" => "车型过长",
        "signed_unknown" => "签名一栏有误",
        _ => "其他",
    }
}

/// A file of charges whose last row has all its fields and no line end: so programs write that are not careful, and so files are cut.
fn unended(inputs: &Inputs) -> Option<Remark> {
    let line = inputs.charges.unended?;
    Some(remark(
        "charges_unended",
        format!(
            "充电文件的末行（第 {line} 行）没有换行：若文件被截断，其最后一列可能不全，其后可能还有充电；请核对行数"
        ),
        format!(
            "the last row of the file of charges (line {line}) has no line end: if the file was cut, its last field may not be whole and more \
             charges may be missing; check the number of rows"
        ),
    ))
}

/// Why some or all piles are not comparable, and what would help.
fn diagnosis(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment) -> Vec<Remark> {
    let estimates = || assessment.estimates.iter().map(|(_, estimate)| estimate);
    let silent = || estimates().filter(|estimate| estimate.verdict == RemoteVerdict::NotComparable);
    if silent().count() == 0 && !assessment.estimates.is_empty() {
        let alone = (0 < assessment.facts.alone).then(|| unconnected(prepared, assessment)).flatten();
        return alone.or(sets::alone(assessment.facts.alone)).into_iter().collect();
    }
    if silent().count() < assessment.estimates.len() {
        return sets::some_silent(prepared, assessment);
    }
    if assessment.facts.charges == 0 {
        return nothing_compared(inputs, prepared, assessment).into_iter().collect();
    }
    let mut told = Vec::new();
    told.extend(unconnected(prepared, assessment));
    told.push(levels::no_level(inputs, prepared, assessment));
    told
}

/// Why no charge was compared.
fn nothing_compared(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment) -> Option<Remark> {
    let charges = &inputs.charges;
    let rejected: u64 = charges.rejected.values().sum();
    let good = charges.read - rejected - inputs.repeated;
    let balanced = || balances::no_level(inputs, prepared, assessment);
    if charges.read == 0 {
        return balanced();
    }
    if good == 0 {
        return Some(remark(
            "all_rejected",
            format!("全部 {rejected} 行均被拒收，无从评估；请按 rejected.csv 所写原因改正后再评估"),
            format!(
                "all {rejected} rows were rejected, so nothing can be told; mend them by the reasons in rejected.csv and assess again"
            ),
        ));
    }
    let is_all = |reason: &str| prepared.set_aside.get(reason) == Some(&good);
    if is_all("after_as_of") {
        let first = charges.rows.iter().map(|row| row.ended_at).min()?;
        let as_of = prepared.evidence.as_of;
        return Some(remark(
            "as_of_before_all",
            format!(
                "评估时刻 {as_of} 早于所有充电（最早一次结束于 {first}），无从评估；请给更晚的 --as-of，或省略它"
            ),
            format!(
                "{as_of} is before every charge (the first ended {first}), so nothing can be told; give a later --as-of or leave it out"
            ),
        ));
    }
    if is_all("vehicle_energy_missing") {
        let unbalanced = || {
            remark(
                "no_vehicle_energy",
                "没有一次充电带有车辆侧电量；只凭桩的计费电量不能判断误差。请补上 energy_vehicle_kwh，或以 --masters 和 --registers 给出总表与各桩的电量",
                "no charge has the vehicle's own energy, and billed energy alone tells no error; fill in energy_vehicle_kwh, or give the \
                 energies of master meters and registers by --masters and --registers",
            )
        };
        return Some(balanced().unwrap_or_else(unbalanced));
    }
    if is_all("vehicle_unknown") {
        return Some(remark(
            "no_vehicle_id",
            "没有一次充电写明车辆，桩与桩之间无从比对；请补上 vehicle_id，同一辆车处处用同一编号",
            "no charge names its vehicle, so piles cannot be compared; fill in vehicle_id, the same for a vehicle wherever it charges",
        ));
    }
    Some(remark(
        "nothing_compared",
        format!("{good} 次充电无一可比，原因见上；请补齐所缺"),
        format!("none of {good} charges could be compared, for the reasons above; supply what is missing"),
    ))
}

/// Piles between which no vehicle went.
fn unconnected(prepared: &Prepared, assessment: &Assessment) -> Option<Remark> {
    let mut pile_of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut piles = BTreeSet::new();
    let mut is_shared = false;
    for (charge, residual) in prepared.evidence.charges.iter().zip(&assessment.residuals) {
        if residual.is_some() {
            piles.insert(charge.pile);
            is_shared |= *pile_of.entry(charge.vehicle).or_insert(charge.pile) != charge.pile;
        }
    }
    if let (1, Some(only)) = (piles.len(), piles.first()) {
        let pile_id = &prepared.evidence.piles[*only].pile_id;
        return Some(remark(
            "one_pile",
            format!("只有桩 {pile_id} 有可比充电，没有别的桩可与之比对；请加入同一批车辆充过电的其他桩"),
            format!(
                "only pile {pile_id} has charges that could be compared, and there is no other to compare it with; add other piles at \
                 which the same vehicles charged"
            ),
        ));
    }
    (!is_shared).then(|| {
        remark(
            "no_shared_vehicle",
            "没有一辆车在两个桩上充过电，桩与桩之间无从比对；请给更长时间或更大范围的充电，并核对同一辆车的 vehicle_id 处处相同",
            "no vehicle charged at two piles, so piles cannot be compared with each other; give a longer time or a wider area, and see that \
             a vehicle has the same vehicle_id wherever it charges",
        )
    })
}

/// Of more than [`ALIKE_MAX`] alike how many are not told one by one, in both languages.
fn rest(code: &'static str, all: usize, [zh, en]: [&str; 2]) -> Option<Remark> {
    let more = all.saturating_sub(ALIKE_MAX);
    let told = || {
        remark(
            code,
            format!("另有 {more} {zh}，见 run.json 的 fit"),
            format!("{more} more {en}: run.json, fit"),
        )
    };
    (0 < more).then(told)
}

/// Piles whose vehicles' values no vehicle said. That a pile relayed them is said where it is known.
fn doubted(all: &[DoubtedValues]) -> Vec<Remark> {
    let (alike, one_by_one): (Vec<_>, Vec<_>) = all.iter().partition(|doubted| doubted.test == "alike");
    let told = one_by_one.iter().take(ALIKE_MAX).map(|doubted| {
        let pile_id = &doubted.pile_id;
        let (values_zh, values_en) = match doubted.relayed {
            0 => (
                format!("桩 {pile_id} 的车辆侧电量（来源 vehicle_path 未写明）"),
                format!("vehicle values of charges at {pile_id}, of which nobody says how they came (vehicle_path),"),
            ),
            relayed if relayed == doubted.charges => {
                (format!("桩 {pile_id} 转报的车辆侧电量"), format!("vehicle values that {pile_id} relays"))
            }
            _ => (
                format!("桩 {pile_id} 转报或未写明来源（vehicle_path）的车辆侧电量"),
                format!("vehicle values that {pile_id} relays, or of which nobody says how they came (vehicle_path),"),
            ),
        };
        let (zh, en) = match doubted.test {
            "too_good" => ("离散程度远小于车辆数据应有的程度", "scatter by far less than vehicles' values do"),
            "relayed" => (
                "使该桩比按车厂或车主所报的少计",
                "make it show less than what vehicles' makers and drivers tell of its charges",
            ),
            _ => ("不随车辆而异", "do not differ by vehicle as they do elsewhere"),
        };
        remark(
            "vehicle_values_doubted",
            format!("{values_zh}{zh}，似非车辆所报：不予计入，该桩不判为合格"),
            format!(
                "{values_en} {en}: no vehicle seems to have said them, they do not count, and the pile is not held to conform"
            ),
        )
    });
    let more = rest("vehicle_values_doubted", one_by_one.len(), ["个桩如此", "piles likewise"]);
    vehicles::alike(&alike).into_iter().chain(told).chain(more).collect()
}

/// Piles that are others than before, by their charges or by on-site results that differ.
fn changed(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment) -> Vec<Remark> {
    let all = &assessment.facts.changed;
    let told = all.iter().take(ALIKE_MAX).map(|changed| match changed.size_percent {
        _ if changed.on_site => changed_on_site(inputs, prepared, changed),
        size => {
            let (pile_id, at) = (&changed.pile_id, changed.at);
            let size = size.map(|(size, u)| format!(" ({size:+.2} %, u = {u:.2} %)")).unwrap_or_default();
            remark(
                "pile_changed",
                format!("桩 {pile_id} 自 {at} 起误差变化{size}：估计与结论只说此后"),
                format!("the error of {pile_id} changed at {at}{size}: estimate and verdict speak of the time since"),
            )
        }
    });
    told.chain(rest("pile_changed", all.len(), ["个桩如此", "piles changed likewise"])).collect()
}

/// Models, and single vehicles, that read otherwise since a date, by their names in the file.
fn updated(prepared: &Prepared, all: &[Updated]) -> Vec<Remark> {
    let told = all.iter().take(ALIKE_MAX).map(|updated| {
        let (at, size) = (updated.at, updated.size_percent);
        let [zh, en] = if let Some(vehicle) = updated.vehicle {
            let id = &prepared.vehicles[vehicle].id;
            [format!("车辆 {id}"), format!("vehicle {id} reads")]
        } else {
            let vehicle = prepared.evidence.vehicle_models.iter().position(|model| *model == updated.model);
            let model = vehicle.and_then(|vehicle| prepared.vehicles[vehicle].model.as_deref()).unwrap_or_default();
            [format!("车型 {model} 的车辆"), format!("vehicles of model {model} read")]
        };
        remark(
            "vehicles_updated",
            format!("{zh}自 {at} 起读数变化约 {size:+.1} %：此后按别的车辆处理，不归因于任何桩"),
            format!(
                "{en} some {size:+.1} % otherwise since {at}: they count as other vehicles from then on, and no pile is held to have changed \
                 for it"
            ),
        )
    });
    told.chain(rest("vehicles_updated", all.len(), ["个车型或车辆如此", "models or vehicles likewise"]))
        .collect()
}

/// A pile whose results on site differ.
fn changed_on_site(inputs: &Inputs, prepared: &Prepared, changed: &ChangedPile) -> Remark {
    let pile_id = &changed.pile_id;
    let is_before = |charge: &&ComparableCharge| {
        charge.ended_at < changed.at && prepared.evidence.piles[charge.pile].pile_id == *pile_id
    };
    let count = prepared.evidence.charges.iter().filter(is_before).count();
    let of_pile = inputs.anchors.iter().filter(|anchor| anchor.pile_id == *pile_id);
    let anchors: Vec<&AnchorRow> = of_pile.filter(|anchor| anchor.at <= changed.at).collect();
    let widest = anchors
        .windows(2)
        .filter(|two| two[1].at == changed.at)
        .max_by(|a, b| difference(a).total_cmp(&difference(b)));
    let Some([earlier, later]) = widest else {
        return remark(
            "pile_changed",
            format!("桩 {pile_id} 的现场结果前后不一，此前 {count} 次充电只用于车辆"),
            format!("the on-site results of {pile_id} differ; {count} earlier charges tell of vehicles only"),
        );
    };
    let result = |anchor: &AnchorRow| {
        format!("{} {} ± {} %", anchor.at, anchor.error_percent, anchor.expanded_uncertainty_percent)
    };
    let (earlier, later) = (result(earlier), result(later));
    remark(
        "pile_changed",
        format!(
            "桩 {pile_id} 的两次现场结果（{earlier}；{later}）之差超出两者的不确定度：按维修或更换处理，此前 {count} 次充电只用于车辆；若为笔误，请改正现场结果文件"
        ),
        format!(
            "the on-site results of {pile_id} ({earlier}; {later}) differ by more than their uncertainties: it counts as another pile \
             since, and {count} earlier charges tell of vehicles only; if one is a slip of the pen, correct the file of anchors"
        ),
    )
}

/// How far two results of a pile are apart, in units of their expanded uncertainty.
fn difference(two: &[&AnchorRow]) -> f64 {
    let number = |decimal: Decimal| decimal.to_f64().unwrap_or(0.0);
    let u = |row: &AnchorRow| number(row.expanded_uncertainty_percent) / number(row.coverage_factor);
    (number(two[1].error_percent) - number(two[0].error_percent)).abs()
        / u(two[0]).hypot(u(two[1])).max(f64::MIN_POSITIVE)
}

/// Results of piles and vehicles that nothing else names, and results that are too late.
fn misnamed(inputs: &Inputs, prepared: &Prepared) -> Vec<Remark> {
    let charged: BTreeSet<&str> = inputs.charges.piles.iter().map(PileId::as_str).collect();
    let is_known = |anchor: &&AnchorRow| {
        charged.contains(anchor.pile_id.as_str())
            || inputs.plates.as_ref().is_some_and(|plates| plates.contains_key(&anchor.pile_id))
    };
    let unknown: BTreeSet<&str> =
        inputs.anchors.iter().filter(|anchor| !is_known(anchor)).map(|a| a.pile_id.as_str()).collect();
    let read = prepared.vehicles.iter().filter(|vehicle| vehicle.is_reference);
    let vehicles: BTreeSet<&str> = read.map(|vehicle| vehicle.id.as_str()).collect();
    let absent: BTreeSet<&str> = inputs
        .references
        .iter()
        .map(super::reference::ReferenceRow::vehicle_id)
        .filter(|id| !vehicles.contains(id))
        .collect();
    let mut told = Vec::new();
    if let Some((zh, en)) = listed(&unknown) {
        told.push(remark(
            "anchor_of_unknown_pile",
            format!("现场结果所写的桩既不在充电中、也不在桩文件中，可能写错：{zh}；请核对 pile_id"),
            format!("on-site results name piles that are in neither charges nor piles, probably misspelt: {en}; look at pile_id"),
        ));
    }
    if let Some((zh, en)) = listed(&absent) {
        told.push(remark(
            "reference_without_charge",
            format!(
                "标准车没有一次 vehicle_path 为 reference（由标准车自己测得）的充电，其校准未被采用：{zh}；请核对 vehicle_id 与 vehicle_path"
            ),
            format!(
                "of these reference vehicles no charge has vehicle_path reference (read off the vehicle itself), so their calibrations say \
                 nothing: {en}; look at vehicle_id and vehicle_path"
            ),
        ));
    }
    if 0 < prepared.later_anchors {
        let (later, as_of) = (prepared.later_anchors, prepared.evidence.as_of);
        told.push(remark(
            "anchors_later",
            format!("{later} 个现场结果或校准晚于评估时刻 {as_of}，未予采用"),
            format!("{later} on-site results or calibrations are later than {as_of} and do not count"),
        ));
    }
    told
}

/// The first names of a set and how many more there are; none of an empty set.
fn listed(names: &BTreeSet<&str>) -> Option<(String, String)> {
    let first: Vec<&str> = names.iter().take(NAMES_MAX).copied().collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let (zh, en) = match (first.len(), more) {
        (0, _) => return None,
        (_, 0) => (String::new(), String::new()),
        _ => (format!("等，另有 {more} 个"), format!(" and {more} more")),
    };
    Some((format!("{}{zh}", first.join("、")), format!("{}{en}", first.join(", "))))
}

fn fit(assessment: &Assessment) -> Vec<Remark> {
    let facts = &assessment.facts;
    let (rounds, noise) = (facts.rounds, facts.noise_percent);
    let unsettled = (!facts.converged).then(|| {
        remark(
            "not_settled",
            format!("拟合在 {rounds} 轮内未稳定"),
            format!("the fit did not settle in {rounds} rounds"),
        )
    });
    let is_too_good = CHARGES_OF_NOISE <= facts.charges && noise < NOISE_LEAST_PERCENT;
    let too_good = is_too_good.then(|| {
        remark(
            "vehicles_too_good",
            format!("车辆侧与桩侧电量只差 {noise:.2} %（σ₀），好于车辆自身的计量：多半是抄自桩的示数，请核实其来源"),
            format!(
                "vehicles' and piles' energies differ by {noise:.2} % (σ₀) only, less than vehicles measure: they are probably copied from the \
                 piles; find out where they come from"
            ),
        )
    });
    unsettled.into_iter().chain(too_good).collect()
}

/// What signals and operators' balances found.
fn found(
    signals: Option<&BTreeMap<&'static str, usize>>,
    operators: &BTreeMap<&'static str, usize>,
) -> Vec<Remark> {
    let counted = |counts: &BTreeMap<&'static str, usize>| {
        counts.iter().map(|(word, count)| format!("{word} {count}")).collect::<Vec<_>>().join(", ")
    };
    let mut told = Vec::new();
    match signals {
        Some(counts) if counts.is_empty() => {}
        Some(counts) => told.push(remark(
            "signals",
            "有可疑信号，见 signals.csv",
            format!("signals to look into, in signals.csv: {}", counted(counts)),
        )),
        None => told.push(remark(
            "signals_skipped",
            format!("充电多于 {} 次，未查找可疑信号；请按城市或按月分批给出", findings::CHARGES_MAX),
            format!(
                "signals were not looked for in more than {} charges; give a city or a month at a time",
                findings::CHARGES_MAX
            ),
        )),
    }
    if operators.contains_key("biased") {
        told.push(remark(
            "operators_biased",
            "有运营商误差偏向一侧，见 operators.csv",
            format!("operators whose errors do not balance, in operators.csv: {}", counted(operators)),
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(charges: usize, relayed: usize) -> Remark {
        let doubted = DoubtedValues {
            pile_id: PileId::parse("P5").expect("literal"),
            test: "deaf",
            p_value: 1e-12,
            share_percent: 3.0,
            charges,
            relayed,
            vehicles: 40,
        };
        super::doubted(&[doubted]).pop().expect("told")
    }

    /// Of a fleet of which each pile is in doubt for the same reason there is one remark, before those of single piles.
    #[test]
    fn vehicles_that_are_all_alike_are_told_once() {
        let one = |pile_id: &str, test| DoubtedValues {
            pile_id: PileId::parse(pile_id).expect("literal"),
            test,
            p_value: 1e-12,
            share_percent: 3.0,
            charges: 200,
            relayed: 0,
            vehicles: 40,
        };
        let told = super::doubted(&[one("A", "alike"), one("B", "deaf"), one("C", "alike")]);
        let codes: Vec<&str> = told.iter().map(|remark| remark.code).collect();
        assert_eq!(codes, ["vehicles_alike", "vehicle_values_doubted"]);
        assert!(told[0].en.contains("2 piles are not held to conform"), "{}", told[0]);
        assert!(
            told[0].zh.starts_with("未写明来源") && told[0].zh.contains("2 个桩不判为合格"),
            "{}",
            told[0]
        );
        assert!(told[1].en.contains("charges at B"), "{}", told[1]);
    }

    /// Files may leave the way open: then nobody knows that the pile relayed anything.
    #[test]
    fn a_pile_is_said_to_relay_only_what_is_known_to_be_relayed() {
        let (none, some, all) = (told(200, 0), told(200, 50), told(200, 200));
        assert!(!none.en.contains("relay") && none.en.contains("nobody says how they came"), "{none}");
        assert!(!none.zh.contains("转报") && none.zh.contains("未写明"), "{none}");
        assert!(some.en.contains("relays, or of which nobody says") && some.zh.contains("转报或未写明来源"));
        assert!(
            all.en.starts_with("vehicle values that P5 relays do not differ") && !all.zh.contains("未写明")
        );
    }
}
