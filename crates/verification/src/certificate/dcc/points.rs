//! One load point: what was set, every reading as taken, the error with its uncertainty, the budget, the decision.

use rust_decimal::Decimal;
use veripile_metrology::rules::RuleSet;

use super::xml::{Expanded, Label, Tag, Xml, kind, unit};
use super::{Certificate, DccError, conformity, decided};
use crate::plan::Method;
use crate::result::{BudgetLine, MonteCarlo, PointResult, RiskBearer};
use crate::run::{Indication, Taken};

const VOLTAGE: Label = Label::new("电压", "Voltage");
const CURRENT: Label = Label::new("电流", "Current");
const POWER_FACTOR: Label = Label::new("功率因数", "Power factor");

/// A load point's result with its readings.
pub(super) struct Point<'a> {
    /// From 1.
    number: usize,
    result: &'a PointResult,
    /// Each reading with the energy that the pile showed, where it showed one, Wh; and its error, percent.
    readings: Vec<(&'a Taken, Option<Decimal>, Decimal)>,
}

/// Pairs results and readings; refuses what could not be written truly.
pub(super) fn paired(certificate: &Certificate) -> Result<Vec<Point<'_>>, DccError> {
    if certificate.result.points.is_empty() {
        return Err(DccError::NoPoints);
    }
    let points = certificate.result.points.iter().enumerate();
    points.map(|(index, result)| pair(certificate, index, result)).collect()
}

fn pair<'a>(
    certificate: &'a Certificate,
    index: usize,
    result: &'a PointResult,
) -> Result<Point<'a>, DccError> {
    let number = index + 1;
    let taken: Vec<&Taken> = certificate.taken.iter().filter(|reading| reading.point == index).collect();
    let errors = &result.errors_percent;
    if taken.len() != errors.len() || taken.is_empty() {
        return Err(DccError::Readings { point: number, readings: taken.len(), errors: errors.len() });
    }
    let wrong =
        |what, value: Decimal| Err(DccError::Number { what, point: number, value: value.to_string() });
    if result.expanded_uncertainty_percent.is_sign_negative() {
        return wrong("the expanded uncertainty", result.expanded_uncertainty_percent);
    }
    if result.coverage_factor < Decimal::ONE {
        return wrong("the coverage factor", result.coverage_factor);
    }
    let mut readings = Vec::with_capacity(taken.len());
    for (reading, error) in taken.into_iter().zip(errors) {
        let indicated = match reading.indication.registers() {
            Some((start_wh, stop_wh)) => match stop_wh.checked_sub(start_wh) {
                Some(energy) => Some(energy),
                None => return wrong("the register", stop_wh),
            },
            None => None,
        };
        readings.push((reading, indicated, *error));
    }
    Ok(Point { number, result, readings })
}

/// One `dcc:result`.
pub(super) fn write(xml: &mut Xml, certificate: &Certificate, rules: &RuleSet, point: &Point<'_>) {
    let id = format!("point{}", point.number);
    xml.inside_with("dcc:result", &[("id", &id)], |xml| {
        let number = point.number;
        xml.both("dcc:name", &format!("负荷点 {number}"), &format!("Load point {number}"));
        xml.inside("dcc:data", |xml| {
            setting(xml, &id, point.result);
            let readings_id = format!("{id}readings");
            xml.list(Tag::new(&readings_id, kind::NONE, Label::new("读数", "Readings")), |xml| {
                for (index, (taken, indicated, error)) in point.readings.iter().enumerate() {
                    reading(xml, &format!("{id}reading{}", index + 1), taken, *indicated, *error);
                }
            });
            errors(xml, &id, certificate, rules, point.result);
            uncertainty(xml, &id, point.result);
        });
    });
}

fn setting(xml: &mut Xml, id: &str, result: &PointResult) {
    let point = &result.point;
    let list_id = format!("{id}setting");
    xml.list(Tag::new(&list_id, kind::NONE, Label::new("设定", "Setting")), |xml| {
        let mut number = |name, label, value: Decimal, unit| {
            xml.number(Tag::new(&format!("{list_id}{name}"), kind::NOMINAL_VALUE, label), value, unit);
        };
        number("Voltage", VOLTAGE, point.voltage_v, unit::VOLT);
        number("Current", CURRENT, point.current_a, unit::AMPERE);
        if let Some(factor) = point.power_factor {
            number("PowerFactor", POWER_FACTOR, factor, unit::ONE);
        }
        match point.method {
            Method::Register => {
                let energy = Label::new("每次读数的最小电能", "Least energy of a reading");
                number("Energy", energy, point.energy_wh, unit::WATT_HOUR);
            }
            Method::Pulse { pulses } => {
                let pulses_label = Label::new("被检桩脉冲数", "Pulses of the pile");
                number("Pulses", pulses_label, Decimal::from(pulses), unit::ONE);
            }
        }
    });
}

/// One reading as it was taken.
fn reading(xml: &mut Xml, id: &str, taken: &Taken, indicated: Option<Decimal>, error: Decimal) {
    xml.list(Tag::new(id, kind::NONE, Label::new("读数", "Reading")), |xml| {
        xml.moment("dcc:dateTime", taken.ended_at);
        let mut number = |name, kind, zh, en, value: Decimal, unit| {
            xml.number(Tag::new(&format!("{id}{name}"), kind, Label::new(zh, en)), value, unit);
        };
        let (basic, measured) = (kind::REFERENCE_VALUE, kind::MEASURED_VALUE);
        if let Some((start_wh, stop_wh)) = taken.indication.registers() {
            let energy = unit::WATT_HOUR;
            number("Reference", basic, "标准电能", "Reference energy", taken.reference, energy);
            number("Start", kind::NONE, "起示值", "Register at the start", start_wh, energy);
            number("Stop", kind::NONE, "止示值", "Register at the stop", stop_wh, energy);
            if let Some(indicated) = indicated {
                number("Indicated", measured, "示值电能", "Indicated energy", indicated, energy);
            }
        }
        if let Indication::Pulses { pulses, pile_constant, standard_constant } = &taken.indication {
            let (count, constant) = (unit::ONE, unit::PER_KILOWATT_HOUR);
            number("Reference", basic, "标准脉冲数", "Pulses of the standard", taken.reference, count);
            let pulses = Decimal::from(*pulses);
            number("Indicated", measured, "被检桩脉冲数", "Pulses of the pile", pulses, count);
            let (name, zh, en) = ("PileConstant", "被检桩脉冲常数", "Pulse constant of the pile");
            number(name, kind::NONE, zh, en, *pile_constant, constant);
            let (name, zh, en) = ("StandardConstant", "标准脉冲常数", "Pulse constant of the standard");
            number(name, kind::NONE, zh, en, *standard_constant, constant);
        }
        number("Error", kind::MEASUREMENT_ERROR, "误差", "Error", error, unit::PERCENT);
        number("Voltage", kind::NONE, "平均电压", "Mean voltage", taken.voltage_v, unit::VOLT);
        number("Current", kind::NONE, "平均电流", "Mean current", taken.current_a, unit::AMPERE);
        number("Power", kind::NONE, "平均功率", "Mean power", taken.power_w, unit::WATT);
        if let Some(celsius) = taken.source_c_max {
            let (zh, en) = ("源的最高温度", "Highest temperature of the source");
            number("SourceTemperature", kind::NONE, zh, en, celsius, unit::DEGREE_CELSIUS);
        }
        let (zh, en) = ("此前作废的次数", "Tries before it that were thrown away");
        number("Discarded", kind::NONE, zh, en, Decimal::from(taken.discarded), unit::ONE);
        // Moments count nanoseconds within some twenty thousand years: 21 digits, of the 28 that a decimal has.
        let duration = taken.ended_at.duration_since(taken.began_at);
        let duration_s = Decimal::from_i128_with_scale(duration.as_nanos(), 9).normalize();
        number("Duration", kind::NONE, "持续时间", "Duration", duration_s, unit::SECOND);
    });
}

fn errors(xml: &mut Xml, id: &str, certificate: &Certificate, rules: &RuleSet, result: &PointResult) {
    let correction = Label::new("电缆压降修正", "Correction for the cable's drop");
    let tag_id = format!("{id}correction");
    xml.number(Tag::new(&tag_id, kind::NONE, correction), result.correction_percent, unit::PERCENT);
    let error_id = format!("{id}error");
    let label = Label::new("平均误差（修正后，未化整）", "Mean error, corrected, not rounded");
    xml.quantity(Tag::new(&error_id, kind::MEASUREMENT_ERROR, label), |xml| {
        let expanded = Expanded {
            uncertainty: result.expanded_uncertainty_percent,
            coverage_factor: result.coverage_factor,
            distribution: match result.effective_degrees_of_freedom {
                Some(_) => "student",
                None => "normal",
            },
        };
        xml.real_expanded(result.error_percent, unit::PERCENT, expanded);
        xml.inside("dcc:measurementMetaData", |xml| {
            decision(xml, &format!("{id}decision"), certificate, rules, result);
        });
    });
    if let Some(rounded) = result.rounded_percent {
        let tag_id = format!("{id}rounded");
        xml.number(
            Tag::new(&tag_id, kind::NONE, Label::new("化整后的误差", "Rounded error")),
            rounded,
            unit::PERCENT,
        );
    }
    let limit = Label::new("最大允许误差（±）", "Maximum permissible error (±)");
    xml.number(Tag::new(&format!("{id}limit"), kind::NONE, limit), result.limit_percent, unit::PERCENT);
}

fn decision(xml: &mut Xml, id: &str, certificate: &Certificate, rules: &RuleSet, result: &PointResult) {
    xml.inside_with("dcc:metaData", &[("id", id), ("refType", kind::CONFORMITY)], |xml| {
        xml.both("dcc:name", "符合性判定", "Decision on conformity");
        xml.filled("dcc:norm", &rules.name);
        xml.filled("dcc:reference", &result.rule);
        xml.label("dcc:declaration", decided(result.verdict));
        xml.date("dcc:date", certificate.verified_on);
        if let Some(word) = conformity(result.verdict) {
            xml.text("dcc:conformity", word);
        }
    });
}

fn uncertainty(xml: &mut Xml, id: &str, result: &PointResult) {
    let mut number = |name, label, value: Decimal, unit| {
        xml.number(Tag::new(&format!("{id}{name}"), kind::NONE, label), value, unit);
    };
    let combined = Label::new("合成标准不确定度", "Combined standard uncertainty");
    number("standardUncertainty", combined, result.standard_uncertainty_percent, unit::PERCENT);
    if let Some(degrees) = result.effective_degrees_of_freedom {
        let label = Label::new("有效自由度", "Effective degrees of freedom");
        number("degreesOfFreedom", label, degrees, unit::ONE);
    }
    let probability = Label::new(
        "真误差不超过最大允许误差的概率",
        "Probability that the true error lies within the maximum permissible error",
    );
    number("probability", probability, result.probability_conform, unit::ONE);
    if let Some(risk) = &result.risk {
        let label = match risk.bearer {
            RiskBearer::Consumer => Label::new(
                "特定消费者风险（JCGM 106）",
                "Specific consumer's risk of the decision (JCGM 106)",
            ),
            RiskBearer::Producer => Label::new(
                "特定生产者风险（JCGM 106）",
                "Specific producer's risk of the decision (JCGM 106)",
            ),
        };
        number("risk", label, risk.specific, unit::ONE);
    }
    if let Some(checked) = &result.monte_carlo {
        monte_carlo(xml, &format!("{id}monteCarlo"), checked);
    }
    if result.budget.is_empty() {
        return;
    }
    let list_id = format!("{id}budget");
    xml.list(Tag::new(&list_id, kind::NONE, Label::new("不确定度分量", "Uncertainty budget")), |xml| {
        for (index, line) in result.budget.iter().enumerate() {
            component(xml, &format!("{list_id}{}", index + 1), line);
        }
    });
}

/// How the budget compares with a Monte Carlo propagation.
fn monte_carlo(xml: &mut Xml, id: &str, checked: &MonteCarlo) {
    let label = Label::new("蒙特卡洛法核对（JCGM 101）", "Check by a Monte Carlo method (JCGM 101)");
    xml.list(Tag::new(id, kind::NONE, label), |xml| {
        let mut number = |name, label, value: Decimal, unit| {
            xml.number(Tag::new(&format!("{id}{name}"), kind::NONE, label), value, unit);
        };
        let percent = unit::PERCENT;
        number("Trials", Label::new("试验次数", "Trials"), Decimal::from(checked.trials), unit::ONE);
        let low = Label::new("95 % 包含区间下端", "Lower end of the 95 % coverage interval");
        number("Low", low, checked.low_percent, percent);
        let high = Label::new("95 % 包含区间上端", "Upper end of the 95 % coverage interval");
        number("High", high, checked.high_percent, percent);
        let tolerance = Label::new("数值容差 δ", "Numerical tolerance δ");
        number("Tolerance", tolerance, checked.tolerance_percent, percent);
        let low = Label::new("下端之差 d(low)", "Difference of the lower ends, d(low)");
        number("LowDifference", low, checked.low_difference_percent, percent);
        let high = Label::new("上端之差 d(high)", "Difference of the upper ends, d(high)");
        number("HighDifference", high, checked.high_difference_percent, percent);
        let (tag_id, label) = (format!("{id}Validated"), Label::new("线性评定", "Linear budget"));
        let found = if checked.validated {
            Label::new("得到验证", "Validated")
        } else {
            Label::new("未得到验证", "Not validated")
        };
        xml.word(Tag::new(&tag_id, kind::NONE, label), found);
    });
}

fn component(xml: &mut Xml, id: &str, line: &BudgetLine) {
    xml.list(Tag::new(id, kind::NONE, component_label(&line.code)), |xml| {
        let mut number = |name, label, value: Decimal, unit| {
            xml.number(Tag::new(&format!("{id}{name}"), kind::NONE, label), value, unit);
        };
        let standard = Label::new("标准不确定度", "Standard uncertainty");
        number("Standard", standard, line.standard_uncertainty_percent, unit::PERCENT);
        number("Sensitivity", Label::new("灵敏系数", "Sensitivity coefficient"), line.sensitivity, unit::ONE);
        if let Some(degrees) = line.degrees_of_freedom {
            number("Degrees", Label::new("自由度", "Degrees of freedom"), degrees, unit::ONE);
        }
        number("Contribution", Label::new("分量", "Contribution"), line.contribution_percent, unit::PERCENT);
        let label = Label::new("评定类别与分布", "Evaluation and distribution");
        let text = format!("{} {} {}", line.code, line.evaluation, line.distribution);
        xml.typed_quantity(Tag::new(&format!("{id}Kind"), kind::NONE, label), &text);
    });
}

/// Names of the components that [`crate::result`] knows.
fn component_label(code: &str) -> Label {
    match code {
        "standard" => Label::new("标准", "Reference standard"),
        "standard_drift" => Label::new("标准的漂移", "Drift of the standard"),
        "repeatability" => Label::new("重复性", "Repeatability"),
        "resolution" => Label::new("分辨力", "Resolution"),
        "register_time" => Label::new("寄存器读取时刻", "Moment of the register"),
        "phase" => Label::new("相位", "Phase"),
        "ripple" => Label::new("纹波", "Ripple"),
        "self_heating" => Label::new("自热", "Self-heating"),
        "cable" => Label::new("电缆", "Cable"),
        _ => Label::new("其他分量", "Other component"),
    }
}
