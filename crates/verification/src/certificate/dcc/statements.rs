//! What is stated: conclusion, rule set, decision rule, validity, the signed document and what it means, and the rest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use veripile_metrology::rules::RuleSet;

use super::xml::{Label, Xml, kind, trimmed};
use super::{Certificate, Issued, conformity, decided, title};
use crate::order::Reason;

/// All statements.
pub(super) fn write(xml: &mut Xml, issued: &Issued, rules: &RuleSet, address: &str) {
    let certificate = &issued.certificate;
    xml.inside("dcc:statements", |xml| {
        conclusion(xml, certificate, rules);
        rule_set(xml, certificate, rules);
        decision(xml, certificate, rules);
        validity(xml, certificate, rules);
        signed_document(xml, issued, address);
        order(xml, certificate);
        unconfirmed(xml, certificate);
        remarks(xml, certificate);
    });
}

fn statement(xml: &mut Xml, id: &str, kind: &str, label: Label, rest: impl FnOnce(&mut Xml)) {
    xml.inside_with("dcc:statement", &[("id", id), ("refType", kind)], |xml| {
        xml.label("dcc:name", label);
        rest(xml);
    });
}

fn conclusion(xml: &mut Xml, certificate: &Certificate, rules: &RuleSet) {
    let verdict = certificate.result.verdict;
    statement(xml, "conclusion", kind::CONFORMITY, Label::new("检定结论", "Conclusion"), |xml| {
        xml.filled("dcc:norm", &rules.name);
        xml.label("dcc:declaration", decided(verdict));
        xml.date("dcc:date", certificate.verified_on);
        if let Some(word) = conformity(verdict) {
            xml.text("dcc:conformity", word);
        }
    });
}

fn rule_set(xml: &mut Xml, certificate: &Certificate, rules: &RuleSet) {
    statement(xml, "ruleSet", kind::NONE, Label::new("检定依据", "Rule set"), |xml| {
        xml.filled("dcc:norm", &rules.name);
        xml.filled("dcc:reference", &certificate.result.rule_set);
        xml.both("dcc:declaration", &rules.title_zh, &rules.title_en);
    });
}

fn decision(xml: &mut Xml, certificate: &Certificate, rules: &RuleSet) {
    let mut words: Vec<&str> = certificate.result.points.iter().map(|point| point.rule.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    let compared = if rules.decision.on_rounded {
        Label::new(
            "以化整后的误差与最大允许误差比较；判定规则及其版本见引用。未化整的误差及其不确定度一并给出。",
            "The rounded error is compared with the maximum permissible error, by the rule and version referred to. The error \
             before rounding and its uncertainty are stated beside it.",
        )
    } else {
        Label::new(
            "以未化整的误差与最大允许误差比较；判定规则及其版本见引用。",
            "The error, not rounded, is compared with the maximum permissible error, by the rule and version referred to.",
        )
    };
    statement(xml, "decisionRule", kind::NONE, Label::new("判定规则", "Decision rule"), |xml| {
        xml.filled("dcc:norm", &rules.name);
        words.iter().for_each(|word| xml.filled("dcc:reference", word));
        xml.label("dcc:declaration", compared);
    });
}

fn validity(xml: &mut Xml, certificate: &Certificate, rules: &RuleSet) {
    statement(xml, "validity", kind::NONE, Label::new("有效期", "Validity"), |xml| {
        xml.filled("dcc:norm", &rules.name);
        let Some(until) = certificate.valid_until else {
            xml.both("dcc:declaration", "无有效期", "There is no period of validity.");
            xml.date("dcc:date", certificate.verified_on);
            return;
        };
        let (zh, en) = (format!("有效期至 {until}（含当日）"), format!("Valid to the end of {until}."));
        xml.both("dcc:declaration", &zh, &en);
        xml.date("dcc:date", certificate.verified_on);
        if let Some(interval) = &rules.interval {
            xml.text("dcc:period", &format!("P{}Y", interval.years));
        }
    });
}

/// The file goes here and not into `dcc:document`, which is the place of a version for human eyes.
fn signed_document(xml: &mut Xml, issued: &Issued, address: &str) {
    let name = title(issued.certificate.kind);
    let zh = format!(
        "本数字校准证书由附于此处、经签名的{}（JSON 文件）生成，载有同一检定的数据；检定在法律意义上以该签名文件为准，\
         两者如有不一致，亦以该文件为准。任何人均可离线核验其签名并由所附读数重新计算结果。本 XML 文件自身未签名。",
        name.zh
    );
    let en = format!(
        "This Digital Calibration Certificate was made from the signed document attached here ({}, a JSON file) and carries the \
         data of the same verification. A verification in the legal sense is that signed document; should the two differ, it is \
         the one that holds. Anybody can check its signature offline and compute the result again from the readings in it. This \
         XML itself is not signed.",
        name.en
    );
    statement(xml, "signedDocument", kind::NONE, Label::new("签名文件", "Signed document"), |xml| {
        xml.filled_if_any("dcc:reference", address);
        xml.filled("dcc:reference", &format!("SHA-256 {}", issued.sha256));
        xml.both("dcc:declaration", &zh, &en);
        xml.inside("dcc:data", |xml| {
            xml.inside_with("dcc:byteData", &[("id", "signedFile")], |xml| {
                xml.label("dcc:name", name);
                xml.filled("dcc:fileName", &file_name(&issued.certificate.number));
                xml.text("dcc:mimeType", "application/json");
                xml.text("dcc:dataBase64", &STANDARD.encode(&issued.json));
            });
        });
    });
}

/// A name that is safe in a folder: whatever is not a letter, a digit or `-` becomes `_`.
fn file_name(number: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = trimmed(number).chars().map(safe).collect();
    format!("{stem}.json")
}

fn order(xml: &mut Xml, certificate: &Certificate) {
    let order = &certificate.order;
    let reason = match order.reason {
        Reason::First => Label::new("首次检定", "First verification"),
        Reason::Periodic => Label::new("后续检定", "Subsequent verification"),
        Reason::AfterRepair => Label::new("修理后检定", "Verification after repair"),
        Reason::Case => Label::new("因案件检定", "Verification for a case"),
    };
    let cause = order.cause.as_ref().map_or_else(String::new, |cause| format!(" {cause}"));
    let zh = format!("{}{cause}；委托人：{}；委托时间：{}", reason.zh, order.ordered_by, order.ordered_at);
    let en = format!("{}{cause}; ordered by {} at {}", reason.en, order.ordered_by, order.ordered_at);
    statement(xml, "order", kind::NONE, Label::new("检定类别与委托", "Reason and order"), |xml| {
        xml.filled_if_any("dcc:reference", &order.number);
        xml.both("dcc:declaration", &zh, &en);
    });
}

/// What was taken as a number of the regulation without having been compared with it.
fn unconfirmed(xml: &mut Xml, certificate: &Certificate) {
    let result = &certificate.result;
    let (zh, en) = (&result.unconfirmed_zh, &result.unconfirmed);
    if zh.is_empty() && en.is_empty() {
        return;
    }
    let label =
        Label::new("尚待与规程原文核对的数据", "Numbers still to be confirmed against the regulation itself");
    statement(xml, "unconfirmed", kind::NONE, label, |xml| {
        xml.inside("dcc:declaration", |xml| {
            zh.iter().for_each(|line| xml.content("zh", line));
            en.iter().for_each(|line| xml.content("en", line));
        });
    });
}

fn remarks(xml: &mut Xml, certificate: &Certificate) {
    if !trimmed(&certificate.remarks).is_empty() {
        statement(xml, "remarks", kind::NONE, Label::new("备注", "Remarks"), |xml| {
            xml.typed("dcc:declaration", &certificate.remarks);
        });
    }
}
