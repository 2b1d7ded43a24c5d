//! The first part of a document: who certifies what of which pile, until when; and the conditions it was found under.
//!
//! Called by [`super::pdf`].

use qrcode::{Color, EcLevel, QrCode};

use super::number::{day, given, moment};
use super::sheet::{SIDE, SMALL, Style, TOP, WIDTH};
use super::table::{Cell, Column, Table};
use super::{Document, PdfError, title};
use crate::certificate::CertificateKind;
use crate::chart;
use crate::order::Order;
use crate::plan::{Load, RegisterSource, Tap};
use crate::result::Verdict;
use crate::shape::{Anchor, Ink, Shape, Weight};
use crate::texts::{Language, fill};
use veripile_pile::PileKind;

/// Side of the QR code: 25 mm, read from a hand's distance on paper.
const CODE: f64 = 71.0;
/// What the title keeps free on both sides for the code.
const BESIDE: f64 = CODE + 12.0;

const TITLE: Style = Style { size: 22.0, leading: 30.0, weight: Weight::Bold, ink: Ink::Black };
const ISSUER: Style = Style { size: 12.0, leading: 17.0, weight: Weight::Regular, ink: Ink::Black };
const NUMBER: Style = Style { size: 9.5, leading: 14.0, weight: Weight::Regular, ink: Ink::Black };
const CONCLUSION: Style = Style { size: 13.0, leading: 18.0, weight: Weight::Bold, ink: Ink::Black };

/// A fact and what it is called.
type Fact = (&'static str, String);

impl Document<'_, '_> {
    /// Title, number, code, the pile and the conclusion.
    pub(super) fn cover(&mut self, address: &str) -> Result<(), PdfError> {
        self.code(address)?;
        let certificate = self.certificate();
        self.centred(&certificate.order.body, ISSUER)?;
        self.sheets.skip(4.0);
        self.centred(title(certificate, self.texts), TITLE)?;
        self.centred(&fill(self.texts.of("number"), &[("number", &certificate.number)]), NUMBER)?;
        let below = TOP - 8.0 + CODE + 26.0;
        self.sheets.advance((below - self.sheets.y()).max(8.0));
        self.facts(&self.about())?;
        self.conclusion()
    }

    /// The QR code at the upper right, with what it is for.
    fn code(&mut self, address: &str) -> Result<(), PdfError> {
        let code = QrCode::with_error_correction_level(address, EcLevel::M);
        let code = code.map_err(|_| PdfError::Address(address.len()))?;
        let (left, top) = (SIDE + WIDTH - CODE, TOP - 8.0);
        let modules = code.width();
        let module = CODE / modules as f64;
        let colours = code.to_colors();
        for (row, line) in colours.chunks(modules).enumerate() {
            for (column, length) in dark(line) {
                let at = (left + column as f64 * module, top + row as f64 * module);
                self.sheets.put(Shape::block(at, (length as f64 * module, module), Ink::Black));
            }
        }
        let text = self.sheets.font.printable(self.texts.of("scan"));
        self.sheets.write((left + CODE / 2.0, top + CODE + 17.0), Anchor::Middle, SMALL, &text);
        Ok(())
    }

    /// Lines in the middle, beside the code.
    fn centred(&mut self, text: &str, style: Style) -> Result<(), PdfError> {
        let middle = SIDE + WIDTH / 2.0;
        for line in self.sheets.font.lines(text, style.size, WIDTH - 2.0 * BESIDE) {
            self.sheets.need(style.leading)?;
            let place = (middle, self.sheets.y() + 0.76 * style.leading);
            self.sheets.write(place, Anchor::Middle, style, &line);
            self.sheets.advance(style.leading);
        }
        Ok(())
    }

    /// What the document is about.
    fn about(&self) -> Vec<Fact> {
        let (texts, certificate) = (self.texts, self.certificate());
        let (order, plate) = (&certificate.order, &certificate.order.plate);
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "—".to_owned());
        let object = match plate.kind {
            PileKind::Ac => texts.of("object.ac"),
            PileKind::Dc => texts.of("object.dc"),
        };
        let until = match certificate.valid_until {
            Some(until) => day(until, texts),
            None => texts.of("valid.none").to_owned(),
        };
        let rules = match (order.rules(), texts.language) {
            (Ok(rules), Language::Zh) => format!("{} {}", certificate.result.rule_set, rules.title_zh),
            (Ok(rules), Language::En) => format!("{} {}", certificate.result.rule_set, rules.title_en),
            (Err(_), _) => certificate.result.rule_set.clone(),
        };
        let pulses = plate.pulse_constant.map(|constant| format!("{} imp/kWh", given(constant)));
        vec![
            (texts.of("fact.object"), object.to_owned()),
            (texts.of("fact.pile"), plate.pile_id.as_str().to_owned()),
            (texts.of("fact.operator"), or_none(&plate.operator)),
            (texts.of("fact.station"), or_none(&plate.station)),
            (texts.of("fact.model"), or_none(&plate.model)),
            (texts.of("fact.meter"), or_none(&plate.meter_serial)),
            (texts.of("fact.firmware"), or_none(&plate.firmware)),
            (texts.of("fact.outlet"), order.connector.to_string()),
            (texts.of("fact.class"), given(plate.class.0)),
            (texts.of("fact.ratings"), self.ratings()),
            (texts.of("fact.step"), format!("{} Wh", given(plate.register_step_wh))),
            (texts.of("fact.pulses"), or_none(&pulses)),
            (texts.of("fact.reason"), with_cause(texts.word("reason", order.reason.word()), order)),
            (texts.of("fact.rules"), rules),
            (texts.of("fact.verified_on"), day(certificate.verified_on, texts)),
            (texts.of("fact.valid_until"), until),
            (texts.of("fact.verifier"), order.verifier.clone()),
            (texts.of("fact.reviewer"), order.reviewer.clone()),
            (texts.of("fact.issued_at"), moment(certificate.issued_at)),
            (texts.of("fact.software"), certificate.software.clone()),
        ]
    }

    fn ratings(&self) -> String {
        let plate = &self.certificate().order.plate;
        let (voltage, current) = (given(plate.voltage_v), given(plate.current_max_a));
        match plate.power_kw {
            Some(power) => format!("{voltage} V, {current} A, {} kW", given(power)),
            None => format!("{voltage} V, {current} A"),
        }
    }

    /// Facts, two in a row.
    fn facts(&mut self, facts: &[Fact]) -> Result<(), PdfError> {
        let columns = vec![
            Column::left("", 15.0),
            Column::left("", 35.0),
            Column::left("", 15.0),
            Column::left("", 35.0),
        ];
        let mut table = Table::begin(self.sheets, columns)?;
        for pair in facts.chunks(2) {
            let cells =
                pair.iter().flat_map(|(name, value)| [Cell::name(*name), Cell::plain(value.as_str())]);
            table.row(&cells.collect::<Vec<_>>())?;
        }
        table.end();
        Ok(())
    }

    /// The conclusion in a frame.
    fn conclusion(&mut self) -> Result<(), PdfError> {
        let certificate = self.certificate();
        let (verdict, ink) = match certificate.kind {
            CertificateKind::Certificate => (Verdict::Conform, Ink::Band),
            CertificateKind::Notice => (Verdict::Nonconform, Ink::Wash),
        };
        let class = given(certificate.order.plate.class.0);
        let text = fill(self.texts.word("conclusion", certificate.kind.word()), &[("class", &class)]);
        let until = certificate.valid_until.map(|until| day(until, self.texts));
        let until =
            until.map(|until| fill(self.texts.of("valid.until"), &[("date", &until)])).unwrap_or_default();
        let until = self.sheets.font.printable(&until);
        let beside = self.sheets.font.width(&until, NUMBER.size) + 14.0;
        let lines = self.sheets.font.lines(&text, CONCLUSION.size, WIDTH - 44.0 - beside);
        let tall = lines.len() as f64 * CONCLUSION.leading + 14.0;
        self.sheets.need(tall + 6.0)?;
        self.sheets.skip(6.0);
        let top = self.sheets.y();
        self.sheets.put(Shape::block((SIDE, top), (WIDTH, tall), ink));
        self.sheets.put(chart::mark((SIDE + 18.0, top + tall / 2.0), 6.5, Some(verdict)));
        for (number, line) in lines.iter().enumerate() {
            let place = (SIDE + 34.0, top + 7.0 + (number as f64 + 0.74) * CONCLUSION.leading);
            self.sheets.write(place, Anchor::Start, CONCLUSION, line);
        }
        let place = (SIDE + WIDTH - 14.0, top + tall / 2.0 + 0.36 * NUMBER.size);
        self.sheets.write(place, Anchor::End, NUMBER, &until);
        self.sheets.advance(tall);
        Ok(())
    }

    /// Conditions, and how it was measured.
    pub(super) fn conditions(&mut self) -> Result<(), PdfError> {
        self.heading("section.conditions", 60.0)?;
        let (texts, certificate) = (self.texts, self.certificate());
        let (conditions, plan) = (&certificate.conditions, &certificate.order.plan);
        let load = match plan.load {
            Load::Virtual => texts.of("load.virtual"),
            Load::Real => texts.of("load.real"),
        };
        let tap = match plan.tap {
            Tap::Connector => texts.of("tap.connector"),
            Tap::Terminals => texts.of("tap.terminals"),
        };
        let register = match plan.register {
            RegisterSource::Ocpp => texts.of("register.ocpp"),
            RegisterSource::Display => texts.of("register.display"),
        };
        let frequency = if plan.frequency_hz.is_zero() {
            texts.of("frequency.dc").to_owned()
        } else {
            format!("{} Hz", given(plan.frequency_hz))
        };
        let read = format!("{}  {}", conditions.person, moment(conditions.at));
        self.facts(&[
            (texts.of("fact.temperature"), format!("{} °C", given(conditions.temperature_c))),
            (texts.of("fact.humidity"), format!("{} %", given(conditions.humidity_percent))),
            (texts.of("fact.read_by"), read),
            (texts.of("fact.load"), load.to_owned()),
            (texts.of("fact.tap"), tap.to_owned()),
            (texts.of("fact.frequency"), frequency),
            (texts.of("fact.register"), register.to_owned()),
            (texts.of("fact.repeats"), plan.repeats.to_string()),
        ])
    }
}

/// Runs of dark modules in a row of the code: where each begins and how long it is.
fn dark(line: &[Color]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (column, colour) in line.iter().enumerate() {
        if *colour != Color::Dark {
            continue;
        }
        match runs.last_mut() {
            Some((begin, length)) if *begin + *length == column => *length += 1,
            _ => runs.push((column, 1)),
        }
    }
    runs
}

/// Why it was verified, with the number of the case or repair where the order names one.
fn with_cause(reason: &str, order: &Order) -> String {
    order.cause.as_ref().map_or_else(|| reason.to_owned(), |cause| format!("{reason} · {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dark_modules_beside_each_other_are_one_run() {
        let (dark_, light) = (Color::Dark, Color::Light);
        assert_eq!(dark(&[dark_, dark_, light, dark_]), [(0, 2), (3, 1)]);
        assert_eq!(dark(&[light]), []);
    }
}
