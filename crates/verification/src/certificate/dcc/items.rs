//! Items looked at besides the error: each with what its finding rests on and whether it is passed.

use rust_decimal::Decimal;

use super::Certificate;
use super::xml::{Label, Tag, Xml, kind, trimmed, unit};
use crate::clock::MeasuredOffset;
use crate::consistency::ChargeEvidence;
use crate::item::{
    BillLine, Evidence, InsulationReading, ItemCode, ItemRecord, Seal, indication_error_percent,
};

/// A second measurement with one result for each item; none where no item was recorded.
pub(super) fn write(xml: &mut Xml, certificate: &Certificate) {
    if certificate.items.is_empty() {
        return;
    }
    xml.inside_with("dcc:measurementResult", &[("id", "otherItems")], |xml| {
        xml.both("dcc:name", "其他检定项目", "Other items of verification");
        xml.inside("dcc:results", |xml| {
            certificate.items.iter().enumerate().for_each(|(index, record)| {
                let found = certificate.result.items.iter().find(|found| found.code == record.code);
                item(xml, &format!("item{}", index + 1), record, found.map(|found| found.passed));
            });
        });
    });
}

fn item(xml: &mut Xml, id: &str, record: &ItemRecord, passed: Option<bool>) {
    let label = label(record.code);
    xml.inside_with("dcc:result", &[("id", id)], |xml| {
        xml.label("dcc:name", label);
        let zh = format!("{} 记录于 {}", record.person, record.at);
        let en = format!("Recorded by {} at {}", record.person, record.at);
        xml.both("dcc:description", &zh, &en);
        xml.inside("dcc:data", |xml| {
            evidence(xml, id, &record.evidence);
            if !trimmed(&record.note).is_empty() {
                let tag_id = format!("{id}note");
                xml.typed_quantity(Tag::new(&tag_id, kind::NONE, Label::new("备注", "Note")), &record.note);
            }
            if let Some(passed) = passed {
                conclusion(xml, id, passed);
            }
        });
    });
}

fn label(code: ItemCode) -> Label {
    match code {
        ItemCode::Appearance => Label::new("外观", "Appearance and plate"),
        ItemCode::Display => Label::new("显示", "Display"),
        ItemCode::Seal => Label::new("封印", "Seals"),
        ItemCode::Clock => Label::new("时钟时刻误差", "Clock time error"),
        ItemCode::Payment => Label::new("付费金额", "Payment"),
        ItemCode::Insulation => Label::new("绝缘电阻", "Insulation resistance"),
        ItemCode::IndicationError => Label::new("示值误差", "Indication error"),
        ItemCode::ConsistencyBefore => {
            Label::new("一致性（检定前充电）", "Consistency, charge before the test")
        }
        ItemCode::ConsistencyAfter => {
            Label::new("一致性（检定后充电）", "Consistency, charge after the test")
        }
    }
}

fn conclusion(xml: &mut Xml, id: &str, passed: bool) {
    let (label, word) = if passed {
        (Label::new("合格", "Passed"), "pass")
    } else {
        (Label::new("不合格", "Not passed"), "fail")
    };
    let (tag_id, meta_id) = (format!("{id}conclusion"), format!("{id}decision"));
    xml.quantity(Tag::new(&tag_id, kind::NONE, Label::new("单项结论", "Conclusion of the item")), |xml| {
        xml.label("dcc:noQuantity", label);
        xml.inside("dcc:measurementMetaData", |xml| {
            xml.inside_with("dcc:metaData", &[("id", &meta_id), ("refType", kind::CONFORMITY)], |xml| {
                xml.text("dcc:conformity", word);
            });
        });
    });
}

fn evidence(xml: &mut Xml, id: &str, evidence: &Evidence) {
    match evidence {
        Evidence::Looked { good } => {
            let tag_id = format!("{id}looked");
            let seen = if *good { Label::new("良好", "Good") } else { Label::new("不良", "Not good") };
            xml.word(Tag::new(&tag_id, kind::NONE, Label::new("目测", "Looked at")), seen);
        }
        Evidence::Clock { offset_s, measured } => {
            let (tag_id, label) = (format!("{id}offset"), Label::new("时钟偏差", "Offset of the clock"));
            xml.number(Tag::new(&tag_id, kind::MEASUREMENT_ERROR, label), offset_s, unit::SECOND);
            if let Some(measured) = measured {
                measured_offset(xml, &format!("{id}measured"), measured);
            }
        }
        Evidence::Display { display_kwh, register_wh } => {
            let (tag_id, label) = (format!("{id}display"), Label::new("显示电能", "Energy on the display"));
            xml.number(Tag::new(&tag_id, kind::MEASURED_VALUE, label), display_kwh, unit::KILOWATT_HOUR);
            let (tag_id, label) = (format!("{id}register"), Label::new("通信示值", "Register as told"));
            xml.number(Tag::new(&tag_id, kind::REFERENCE_VALUE, label), register_wh, unit::WATT_HOUR);
        }
        Evidence::Seals { seals, whole } => {
            seals.iter().enumerate().for_each(|(index, found)| {
                seal(xml, &format!("{id}seal{}", index + 1), found);
            });
            let (tag_id, label) = (format!("{id}whole"), Label::new("封印状态", "State of the seals"));
            let seen = if *whole { Label::new("完好", "Whole") } else { Label::new("破损", "Broken") };
            xml.word(Tag::new(&tag_id, kind::NONE, label), seen);
        }
        Evidence::Payment { lines, amount } => {
            lines.iter().enumerate().for_each(|(index, line)| {
                bill_line(xml, &format!("{id}line{}", index + 1), line);
            });
            // Money has no unit in the SI.
            let (tag_id, label) = (format!("{id}amount"), Label::new("付费金额", "Amount asked for"));
            xml.typed_quantity(Tag::new(&tag_id, kind::NONE, label), &amount.to_string());
        }
        Evidence::Charge(charge) => consistency(xml, id, charge),
        Evidence::Insulation { test_voltage_v, readings } => insulation(xml, id, test_voltage_v, readings),
        Evidence::Indication { start_kwh, stop_kwh, reference_wh } => {
            let (tag_id, label) =
                (format!("{id}start"), Label::new("显示电能，开始", "Display at the start"));
            xml.number(Tag::new(&tag_id, kind::NONE, label), start_kwh, unit::KILOWATT_HOUR);
            let (tag_id, label) = (format!("{id}stop"), Label::new("显示电能，结束", "Display at the end"));
            xml.number(Tag::new(&tag_id, kind::NONE, label), stop_kwh, unit::KILOWATT_HOUR);
            let (tag_id, label) =
                (format!("{id}reference"), Label::new("标准电能", "Energy by the standard"));
            xml.number(Tag::new(&tag_id, kind::REFERENCE_VALUE, label), reference_wh, unit::WATT_HOUR);
            if let Some(error) = indication_error_percent(*start_kwh, *stop_kwh, *reference_wh) {
                let (tag_id, label) = (format!("{id}error"), Label::new("示值误差", "Indication error"));
                xml.number(Tag::new(&tag_id, kind::MEASUREMENT_ERROR, label), error, unit::PERCENT);
            }
        }
    }
}

fn insulation(xml: &mut Xml, id: &str, test_voltage_v: &Decimal, readings: &[InsulationReading]) {
    let (tag_id, label) = (format!("{id}voltage"), Label::new("试验电压", "Test voltage"));
    xml.number(Tag::new(&tag_id, kind::NONE, label), test_voltage_v, unit::VOLT);
    for (index, reading) in readings.iter().enumerate() {
        let list_id = format!("{id}insulation{}", index + 1);
        xml.list(Tag::new(&list_id, kind::NONE, Label::new("绝缘电阻", "Insulation")), |xml| {
            let (tag_id, label) = (format!("{list_id}Between"), Label::new("测量部位", "Between"));
            xml.typed_quantity(Tag::new(&tag_id, kind::NONE, label), &reading.between);
            let (tag_id, label) = (format!("{list_id}Resistance"), Label::new("电阻", "Resistance"));
            let tag = Tag::new(&tag_id, kind::MEASURED_VALUE, label);
            xml.number(tag, reading.resistance_megohm, unit::MEGOHM);
        });
    }
}

/// The offset as the platform measured it, at the time of its newest message.
fn measured_offset(xml: &mut Xml, id: &str, measured: &MeasuredOffset) {
    let label = Label::new("平台测得的时钟偏差", "Offset of the clock as measured by the platform");
    xml.list(Tag::new(id, kind::NONE, label), |xml| {
        let mut number = |name, kind, label, value: Decimal, unit| {
            let tag_id = format!("{id}{name}");
            xml.quantity(Tag::new(&tag_id, kind, label), |xml| xml.real_at(value, unit, measured.at));
        };
        let offset = Label::new("时钟偏差", "Offset of the clock");
        number("Offset", kind::MEASUREMENT_ERROR, offset, measured.offset_s, unit::SECOND);
        let half = Label::new("偏差的半宽（均匀分布）", "Half-width of the offset (rectangular)");
        number("HalfWidth", kind::NONE, half, measured.half_width_s, unit::SECOND);
        let messages = Label::new("报文数", "Messages");
        number("Messages", kind::NONE, messages, Decimal::from(measured.messages), unit::ONE);
        let round_trip = Label::new("最短往返时间", "Shortest round trip");
        number("RoundTrip", kind::NONE, round_trip, measured.round_trip_s, unit::SECOND);
    });
}

fn seal(xml: &mut Xml, id: &str, seal: &Seal) {
    xml.list(Tag::new(id, kind::NONE, Label::new("封印", "Seal")), |xml| {
        let mut typed = |name, label, text: &str| {
            xml.typed_quantity(Tag::new(&format!("{id}{name}"), kind::NONE, label), text);
        };
        typed("Number", Label::new("编号", "Number"), &seal.number);
        typed("Place", Label::new("位置", "Place"), &seal.place);
        if let Some(digest) = &seal.photo_sha256 {
            typed("Photo", Label::new("照片的 SHA-256", "SHA-256 of the photo"), digest);
        }
    });
}

fn bill_line(xml: &mut Xml, id: &str, line: &BillLine) {
    xml.list(Tag::new(id, kind::NONE, Label::new("账单行", "Line of the bill")), |xml| {
        let (tag_id, label) = (format!("{id}Energy"), Label::new("电能", "Energy"));
        xml.number(Tag::new(&tag_id, kind::NONE, label), line.energy_kwh, unit::KILOWATT_HOUR);
        let mut money = |name, label, value: Decimal| {
            xml.typed_quantity(Tag::new(&format!("{id}{name}"), kind::NONE, label), &value.to_string());
        };
        money("Price", Label::new("每千瓦时电价", "Price per kilowatt hour"), line.price);
        money("Service", Label::new("每千瓦时服务费", "Service fee per kilowatt hour"), line.service);
    });
}

fn consistency(xml: &mut Xml, id: &str, charge: &ChargeEvidence) {
    let (tag_id, label) = (format!("{id}charge"), Label::new("充电编号", "Number of the charge"));
    xml.quantity(Tag::new(&tag_id, kind::NONE, label), |xml| {
        xml.typed("dcc:noQuantity", &charge.charge_no.to_string());
    });
    let moments = [
        ("began", Label::new("充电开始（桩时钟）", "Began, by the pile's clock"), charge.began_at),
        ("ended", Label::new("充电结束（桩时钟）", "Ended, by the pile's clock"), Some(charge.ended_at)),
    ];
    for (name, label, at) in moments {
        if let Some(at) = at {
            let tag_id = format!("{id}{name}");
            xml.typed_quantity(Tag::new(&tag_id, kind::NONE, label), &at.to_string());
        }
    }
    let mut energy = |name, label, value: Option<Decimal>, unit| {
        if let Some(value) = value {
            let tag_id = format!("{id}{name}");
            let tag = Tag::new(&tag_id, kind::MEASURED_VALUE, label);
            xml.quantity(tag, |xml| xml.real_at(value, unit, charge.ended_at));
        }
    };
    energy("register", Label::new("示值之差", "By the registers"), charge.register_wh, unit::WATT_HOUR);
    energy("samples", Label::new("采样之差", "By the samples"), charge.samples_wh, unit::WATT_HOUR);
    energy("signed", Label::new("签名记录", "By the signed record"), charge.signed_wh, unit::WATT_HOUR);
    energy("bill", Label::new("账单", "By the bill"), charge.bill_kwh, unit::KILOWATT_HOUR);
    if let Some(verdict) = &charge.signed_verdict {
        let (tag_id, label) = (format!("{id}verdict"), Label::new("签名核验", "Check of the signed record"));
        xml.typed_quantity(Tag::new(&tag_id, kind::NONE, label), verdict);
    }
}
