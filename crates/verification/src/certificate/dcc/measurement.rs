//! How the error was measured: methods, software, equipment, conditions; then its results, load point by load point.

use rust_decimal::Decimal;
use veripile_metrology::rules::RuleSet;

use super::points::{self, Point};
use super::xml::{Label, Tag, Xml, kind, trimmed, unit};
use super::{Certificate, administrative};
use crate::instrument::{Instrument, InstrumentRole};
use crate::plan::{Load, Method, RegisterSource, Tap};
use crate::run::{Indication, Taken};

/// The measurement of the error.
pub(super) fn write(xml: &mut Xml, certificate: &Certificate, rules: &RuleSet, points: &[Point<'_>]) {
    xml.inside_with("dcc:measurementResult", &[("id", "operatingError")], |xml| {
        xml.both("dcc:name", "工作误差", "Operating error");
        xml.inside("dcc:usedMethods", |xml| methods(xml, certificate, rules));
        xml.inside("dcc:usedSoftware", |xml| {
            let text = trimmed(&certificate.software);
            let (name, release) = text.rsplit_once(' ').unwrap_or((text, ""));
            administrative::software(xml, name, release, "application");
        });
        xml.inside("dcc:measuringEquipments", |xml| {
            certificate.order.instruments.iter().enumerate().for_each(|(index, instrument)| {
                equipment(xml, &format!("equipment{}", index + 1), instrument);
            });
        });
        xml.inside("dcc:influenceConditions", |xml| conditions(xml, certificate));
        xml.inside("dcc:results", |xml| {
            points.iter().for_each(|point| points::write(xml, certificate, rules, point));
        });
        if !certificate.troubles.is_empty() {
            xml.inside("dcc:measurementMetaData", |xml| troubles(xml, certificate));
        }
    });
}

/// How the register was read: under a load that went on, over the line, or by a person.
fn register_method(certificate: &Certificate) -> Label {
    let is_running = |taken: &Taken| matches!(taken.indication, Indication::Running { .. });
    if certificate.taken.iter().any(is_running) {
        return Label::new(
            "误差 = (止示值 − 起示值 − 标准电能) / 标准电能；示值由通信读取，读取时充电不停：询问前与应答后各读一次标准，取其中值，\
             其间的电能计入不确定度（register_time）。",
            "Error = (stop − start − reference energy) / reference energy; the register is read over the communication line while \
             the charge goes on: the standard is read before the question and after the answer, the middle is taken, and the \
             energy in between is a part of the uncertainty (register_time).",
        );
    }
    match certificate.order.plan.register {
        RegisterSource::Ocpp => Label::new(
            "误差 = (止示值 − 起示值 − 标准电能) / 标准电能；示值由通信读取，读取时输出断开。",
            "Error = (stop − start − reference energy) / reference energy; the register is read over the communication line \
             with outputs off.",
        ),
        RegisterSource::Display => Label::new(
            "误差 = (止示值 − 起示值 − 标准电能) / 标准电能；示值由人员读自显示屏，读取时输出断开。",
            "Error = (stop − start − reference energy) / reference energy; the register is read off the display by a person \
             with outputs off.",
        ),
    }
}

fn methods(xml: &mut Xml, certificate: &Certificate, rules: &RuleSet) {
    let plan = &certificate.order.plan;
    let (load, what) = match plan.load {
        Load::Virtual => (
            Label::new("虚负荷法", "Virtual load"),
            Label::new(
                "电压回路与电流回路由各自的源供电，不产生实际功率。",
                "Voltage and current circuits are fed from separate sources, so that no real power flows.",
            ),
        ),
        Load::Real => (
            Label::new("实负荷法", "Real load"),
            Label::new(
                "由车辆或负载箱经标准表充电，实际消耗电能，不用源。",
                "A vehicle or a load bank is charged through the reference standard and takes the energy; there is no source.",
            ),
        ),
    };
    method(xml, kind::CALIBRATION_METHOD, load, what, &[&rules.name]);
    let uses_register = plan.points.iter().any(|point| point.method == Method::Register);
    if uses_register {
        let what = register_method(certificate);
        let label = Label::new("起止示值法", "Start-stop register method");
        method(xml, kind::CALIBRATION_METHOD, label, what, &[&rules.name]);
    }
    if plan.points.iter().any(|point| point.method != Method::Register) {
        let what = Label::new(
            "误差 = (m0 − m) / m；m 为被检桩 N 个脉冲期间标准的脉冲数，m0 = 标准常数 × N / 桩常数。",
            "Error = (m0 − m) / m; m: pulses of the standard during N pulses of the pile; m0 = constant of the standard × N / \
             constant of the pile.",
        );
        method(xml, kind::CALIBRATION_METHOD, Label::new("脉冲法", "Pulse method"), what, &[&rules.name]);
    }
    let tap = match plan.tap {
        Tap::Connector => Label::new(
            "标准的电压取自车辆接口处。",
            "The standard takes its voltage at the vehicle connector.",
        ),
        Tap::Terminals => Label::new(
            "标准的电压取自电能表端子处；实负荷时按电缆电阻修正压降。",
            "The standard takes its voltage at the meter's terminals; with a real load the cable's drop is corrected.",
        ),
    };
    method(xml, kind::NONE, Label::new("电压取样位置", "Tap of the voltage"), tap, &[]);
    let combined = Label::new(
        "各分量按方和根合成；包含因子由有效自由度（韦尔奇-萨特思韦特公式）按 95 % 包含概率确定，且不小于 2。",
        "Components are combined by the root of the sum of squares; the coverage factor is that of the effective degrees of \
         freedom (Welch-Satterthwaite) for a coverage probability of 95 %, and 2 at least.",
    );
    let label = Label::new("测量不确定度评定", "Evaluation of the measurement uncertainty");
    method(xml, kind::UNCERTAINTY_METHOD, label, combined, &["JCGM 100:2008"]);
    if certificate.result.points.iter().any(|point| point.monte_carlo.is_some()) {
        let checked = Label::new(
            "各分量按其分布经完整模型传播，种子由读数导出；线性评定的区间与之比较。",
            "The components with their distributions are propagated through the whole model, from a seed that follows from the \
             readings, and the linear budget's interval is compared with what comes out.",
        );
        let label = Label::new("不确定度评定的核对", "Check of the evaluation");
        method(xml, kind::UNCERTAINTY_METHOD, label, checked, &["JCGM 101:2008"]);
    }
}

fn method(xml: &mut Xml, kind: &str, label: Label, what: Label, norms: &[&str]) {
    xml.inside_with("dcc:usedMethod", &[("refType", kind)], |xml| {
        xml.label("dcc:name", label);
        xml.label("dcc:description", what);
        norms.iter().for_each(|norm| xml.filled("dcc:norm", norm));
    });
}

/// An instrument with its certificate. `dcc:certificate` wants a digest of that certificate's file, which nobody registered; so
/// its number is an identification, and what it says stands in the description and the quantities. Nor is there a model: the name
/// of the command map is none.
fn equipment(xml: &mut Xml, id: &str, instrument: &Instrument) {
    let calibration = &instrument.calibration;
    let (label, kind) = match instrument.role {
        InstrumentRole::Source => (Label::new("虚负荷源", "Virtual-load source"), kind::NONE),
        InstrumentRole::Standard => (Label::new("标准表", "Reference standard"), kind::MEASUREMENT_STANDARD),
    };
    let zh = format!(
        "校准证书 {}，{} 出具，校准时间 {}，有效期至 {}",
        calibration.number, calibration.issuer, calibration.calibrated_at, calibration.valid_until
    );
    let en = format!(
        "Calibration certificate {} by {}, calibrated at {}, valid until {}",
        calibration.number, calibration.issuer, calibration.calibrated_at, calibration.valid_until
    );
    xml.inside_with("dcc:measuringEquipment", &[("id", id), ("refType", kind)], |xml| {
        xml.label("dcc:name", label);
        xml.both("dcc:description", &zh, &en);
        xml.inside("dcc:identifications", |xml| {
            let mut identify = |issuer, kind, value: &str, zh, en| {
                administrative::identification(xml, issuer, kind, value, Label::new(zh, en));
            };
            identify("manufacturer", kind::SERIAL_NUMBER, &instrument.serial, "出厂编号", "Serial number");
            let number = &instrument.instrument_id;
            identify("calibrationLaboratory", kind::NONE, number, "设备编号", "Number in the register");
            identify("other", kind::NONE, &instrument.model, "命令表", "Command map");
            let number = &calibration.number;
            identify("other", kind::NONE, number, "校准证书编号", "Number of the calibration certificate");
        });
        xml.inside("dcc:measuringEquipmentQuantities", |xml| {
            let (uncertainty, factor, drift) =
                (format!("{id}uncertainty"), format!("{id}factor"), format!("{id}drift"));
            let mut number = |id: &str, zh, en, value: Decimal, unit| {
                let tag = Tag::new(id, kind::NONE, Label::new(zh, en));
                xml.quantity_as("dcc:measuringEquipmentQuantity", tag, |xml| {
                    xml.real_at(value, unit, calibration.calibrated_at);
                });
            };
            let expanded = calibration.expanded_uncertainty_percent;
            number(
                &uncertainty,
                "电能的相对扩展不确定度",
                "Relative expanded uncertainty of energy",
                expanded,
                unit::PERCENT,
            );
            number(&factor, "其包含因子", "Its coverage factor", calibration.coverage_factor, unit::ONE);
            let yearly = calibration.drift_percent_per_year;
            number(&drift, "一年内漂移的界限", "Bound of the drift in a year", yearly, unit::PERCENT);
        });
    });
}

fn conditions(xml: &mut Xml, certificate: &Certificate) {
    let recorded = &certificate.conditions;
    let mut condition = |id, kind, label: Label, value: Decimal, unit| {
        xml.inside_with("dcc:influenceCondition", &[("id", id), ("refType", kind)], |xml| {
            xml.label("dcc:name", label);
            xml.inside("dcc:data", |xml| {
                xml.quantity(Tag::new(&format!("{id}Value"), kind, label), |xml| {
                    xml.real_at(value, unit, recorded.at);
                });
            });
        });
    };
    let temperature = Label::new("环境温度", "Ambient temperature");
    condition("temperature", kind::TEMPERATURE, temperature, recorded.temperature_c, unit::DEGREE_CELSIUS);
    let humidity = Label::new("相对湿度", "Relative humidity");
    condition("humidity", kind::HUMIDITY, humidity, recorded.humidity_percent, unit::PERCENT);
    let plan = &certificate.order.plan;
    if Decimal::ZERO < plan.frequency_hz {
        let frequency = Label::new("频率（设定）", "Frequency (set)");
        condition("frequency", kind::NONE, frequency, plan.frequency_hz, unit::HERTZ);
    }
    if Decimal::ZERO < plan.effects.cable_mohm {
        let cable = Label::new("电缆往返电阻", "Resistance of the cable, both ways");
        condition("cable", kind::NONE, cable, plan.effects.cable_mohm, unit::MILLIOHM);
    }
}

fn troubles(xml: &mut Xml, certificate: &Certificate) {
    for (index, trouble) in certificate.troubles.iter().enumerate() {
        let id = format!("trouble{}", index + 1);
        xml.inside_with("dcc:metaData", &[("id", &id)], |xml| {
            xml.both("dcc:name", "过程中的异常", "Trouble on the way");
            let text = format!("{} {}: {}", trouble.at, trouble.why.word(), trouble.detail);
            xml.typed("dcc:description", &text);
        });
    }
}
