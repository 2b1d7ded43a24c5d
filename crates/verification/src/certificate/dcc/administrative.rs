//! Who, what, when and where: the first ring of a DCC, up to its statements.

use veripile_pile::PileKind;

use super::xml::{Label, Tag, Xml, kind, unit};
use super::{Certificate, Issued, title};
use crate::certificate::day;
use crate::order::Plate;

/// The country whose regulations these are.
const COUNTRY: &str = "CN";

const NOT_STATED: Label = Label::new("未登记", "not registered");

/// Software, core data, item, body, people and customer.
pub(super) fn write(xml: &mut Xml, issued: &Issued) {
    let certificate = &issued.certificate;
    let order = &certificate.order;
    xml.inside("dcc:dccSoftware", |xml| software(xml, "veripile", env!("CARGO_PKG_VERSION"), "application"));
    xml.inside("dcc:coreData", |xml| core(xml, issued));
    xml.inside("dcc:items", |xml| {
        xml.inside_with("dcc:item", &[("id", "pile")], |xml| pile(xml, certificate));
    });
    xml.inside("dcc:calibrationLaboratory", |xml| {
        xml.inside("dcc:contact", |xml| {
            xml.typed("dcc:name", &order.body);
            country(xml);
        });
    });
    xml.inside("dcc:respPersons", |xml| {
        person(xml, "reviewer", &order.reviewer, Label::new("核验员", "Reviewer"), "true");
        person(xml, "verifier", &order.verifier, Label::new("检定员", "Verifier"), "false");
    });
    xml.inside("dcc:customer", |xml| {
        match &order.plate.operator {
            Some(operator) => xml.typed("dcc:name", operator),
            None => xml.label("dcc:name", NOT_STATED),
        }
        country(xml);
    });
}

/// One program: name, version, what it is.
pub(super) fn software(xml: &mut Xml, name: &str, release: &str, what: &str) {
    xml.inside("dcc:software", |xml| {
        xml.typed("dcc:name", name);
        xml.filled("dcc:release", release);
        xml.text("dcc:type", what);
    });
}

/// One identification. Without a value it says `—`.
pub(super) fn identification(xml: &mut Xml, issuer: &str, kind: &str, value: &str, label: Label) {
    xml.inside_with("dcc:identification", &[("refType", kind)], |xml| {
        xml.text("dcc:issuer", issuer);
        xml.filled("dcc:value", value);
        xml.label("dcc:name", label);
    });
}

/// The schema wants a place of everybody; the country is what is known.
fn country(xml: &mut Xml) {
    xml.inside("dcc:location", |xml| xml.text("dcc:countryCode", COUNTRY));
}

/// A pile is verified where it stands: nothing is received, so that there is no date of receipt.
fn core(xml: &mut Xml, issued: &Issued) {
    let certificate = &issued.certificate;
    let began_on = certificate.taken.iter().map(|reading| reading.began_at).min().map(day);
    xml.text("dcc:countryCodeISO3166_1", COUNTRY);
    xml.text("dcc:usedLangCodeISO639_1", "zh");
    xml.text("dcc:usedLangCodeISO639_1", "en");
    xml.text("dcc:mandatoryLangCodeISO639_1", "zh");
    xml.filled("dcc:uniqueIdentifier", &certificate.number);
    xml.inside("dcc:identifications", |xml| {
        let kind_label = Label::new("文件种类", "Kind of document");
        identification(xml, "calibrationLaboratory", kind::NONE, title(certificate.kind).zh, kind_label);
        let digest_label = Label::new("签名文件的 SHA-256", "SHA-256 of the signed file");
        identification(xml, "calibrationLaboratory", kind::NONE, &issued.sha256, digest_label);
    });
    xml.date("dcc:beginPerformanceDate", began_on.unwrap_or(certificate.verified_on));
    xml.date("dcc:endPerformanceDate", certificate.verified_on);
    xml.text("dcc:performanceLocation", "customer");
    xml.date("dcc:issueDate", day(certificate.issued_at));
}

fn pile(xml: &mut Xml, certificate: &Certificate) {
    let plate = &certificate.order.plate;
    xml.label(
        "dcc:name",
        match plate.kind {
            PileKind::Ac => Label::new("电动汽车交流充电桩", "AC charging pile for electric vehicles"),
            PileKind::Dc => Label::new("电动汽车非车载充电机", "Off-board DC charger for electric vehicles"),
        },
    );
    if let Some(firmware) = &plate.firmware {
        xml.inside("dcc:installedSoftwares", |xml| software(xml, "firmware", firmware, "firmware"));
    }
    xml.inside("dcc:manufacturer", |xml| xml.label("dcc:name", NOT_STATED));
    xml.filled_if_any("dcc:model", plate.model.as_deref().unwrap_or_default());
    xml.inside("dcc:identifications", |xml| identifications(xml, certificate));
    xml.inside("dcc:itemQuantities", |xml| plate_quantities(xml, plate));
}

fn identifications(xml: &mut Xml, certificate: &Certificate) {
    let order = &certificate.order;
    let plate = &order.plate;
    let mut owner = |value: &str, label| identification(xml, "owner", kind::NONE, value, label);
    owner(plate.pile_id.as_str(), Label::new("桩号", "Pile number"));
    owner(&order.connector.to_string(), Label::new("枪号", "Outlet"));
    if let Some(station) = &plate.station {
        owner(station, Label::new("充电站", "Station"));
    }
    if let Some(serial) = &plate.meter_serial {
        let label = Label::new("电能表编号", "Serial number of the meter");
        identification(xml, "manufacturer", kind::SERIAL_NUMBER, serial, label);
    }
    for seal in certificate.seals() {
        let label = Label::new("封印编号", "Seal number");
        identification(xml, "calibrationLaboratory", kind::NONE, &seal.number, label);
    }
}

fn plate_quantities(xml: &mut Xml, plate: &Plate) {
    let mut number = |id, zh, en, value: &dyn std::fmt::Display, unit| {
        let tag = Tag::new(id, kind::NOMINAL_VALUE, Label::new(zh, en));
        xml.quantity_as("dcc:itemQuantity", tag, |xml| xml.real(value, unit));
    };
    number("plateClass", "准确度等级", "Accuracy class", &plate.class.0, unit::ONE);
    if let Some(power) = &plate.power_kw {
        number("platePower", "额定功率", "Rated power", power, unit::KILOWATT);
    }
    number("plateVoltage", "标称电压", "Nominal voltage", &plate.voltage_v, unit::VOLT);
    number("plateCurrent", "额定电流", "Rated current", &plate.current_max_a, unit::AMPERE);
    let step = &plate.register_step_wh;
    number("plateStep", "电量示值分辨力", "Least step of the register", step, unit::WATT_HOUR);
    if let Some(constant) = &plate.pulse_constant {
        number("plateConstant", "脉冲常数", "Pulse constant", constant, unit::PER_KILOWATT_HOUR);
    }
}

fn person(xml: &mut Xml, role: &str, name: &str, label: Label, is_main: &str) {
    xml.inside_with("dcc:respPerson", &[("id", role)], |xml| {
        xml.inside("dcc:person", |xml| xml.typed("dcc:name", name));
        xml.label("dcc:description", label);
        xml.text("dcc:role", role);
        xml.text("dcc:mainSigner", is_main);
    });
}
