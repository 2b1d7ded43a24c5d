//! What stands beside the measurement: standards used, items looked at, seals, troubles, remarks, the signature.
//!
//! Called by [`super::pdf`].

use super::number::{day, given, moment, plain, signed};
use super::sheet::{BODY, SMALL};
use super::table::{Cell, Column, Table};
use super::{Document, PdfError, Sealed, file_name};
use crate::certificate;
use crate::clock::MeasuredOffset;
use crate::item::{Evidence, ItemRecord, clock_limit_s, indication_error_percent};
use crate::result::Verdict;
use crate::texts::fill;

/// Digits after the point of a measured offset, s: hardly a pile's clock is known better.
const CLOCK_DIGITS: u32 = 2;

impl Document<'_, '_> {
    /// The standards used, with their traceability.
    pub(super) fn standards(&mut self) -> Result<(), PdfError> {
        self.heading("section.standards", 70.0)?;
        let (texts, order) = (self.texts, &self.certificate().order);
        let columns = vec![
            Column::left(texts.of("column.instrument"), 10.5),
            Column::left(texts.of("column.model"), 12.5),
            Column::left(texts.of("column.serial"), 11.5),
            Column::left(texts.of("column.certificate"), 13.0),
            Column::left(texts.of("column.issuer"), 15.5),
            Column::middle(texts.of("column.accuracy"), 12.0),
            Column::middle(texts.of("column.until"), 12.0),
        ];
        let mut table = Table::begin(self.sheets, columns)?;
        for instrument in &order.instruments {
            let calibration = &instrument.calibration;
            let expanded = given(calibration.expanded_uncertainty_percent);
            table.row(&[
                Cell::plain(texts.word("role", instrument.role.word())),
                Cell::plain(instrument.model.as_str()),
                Cell::plain(instrument.serial.as_str()),
                Cell::plain(calibration.number.as_str()),
                Cell::plain(calibration.issuer.as_str()),
                Cell::plain(format!("{expanded} % (k = {})", given(calibration.coverage_factor))),
                Cell::plain(day(certificate::day(calibration.valid_until), texts)),
            ])?;
        }
        table.end();
        Ok(())
    }

    /// The items, with what was found and what follows.
    pub(super) fn items(&mut self) -> Result<(), PdfError> {
        self.heading("section.items", 70.0)?;
        let (texts, certificate) = (self.texts, self.certificate());
        let verdict_of = |passed: bool| if passed { Verdict::Conform } else { Verdict::Nonconform };
        let mut rows = vec![vec![
            Cell::plain(texts.of("item.operating_error")),
            Cell::plain(texts.of("item.operating_error.found")),
            Cell::plain(certificate.order.verifier.as_str()),
            self.of_points(),
        ]];
        for item in &certificate.result.items {
            let record = certificate.items.iter().find(|record| record.code == item.code);
            let verdict = verdict_of(item.passed);
            let by = record.map(|record| format!("{} {}", record.person, moment(record.at)));
            rows.push(vec![
                Cell::plain(texts.word("item", item.code.word())),
                Cell::plain(record.map(|record| self.found(record)).unwrap_or_default()),
                Cell::plain(by.unwrap_or_default()),
                Cell::verdict(self.verdict(verdict), verdict),
            ]);
        }
        let columns = vec![
            Column::left(texts.of("column.item"), 18.0),
            Column::left(texts.of("column.found"), 46.0),
            Column::left(texts.of("column.person"), 22.0),
            Column::middle(texts.of("column.conclusion"), 12.0),
        ];
        Table::whole(self.sheets, columns, &rows)
    }

    /// The conclusion on the load points together.
    fn of_points(&self) -> Cell {
        let points = &self.certificate().result.points;
        let has = |verdict| points.iter().any(|point| point.verdict == verdict);
        let verdict = if has(Verdict::Nonconform) {
            Verdict::Nonconform
        } else if has(Verdict::Undecided) || points.is_empty() {
            Verdict::Undecided
        } else {
            Verdict::Conform
        };
        Cell::verdict(self.verdict(verdict), verdict)
    }

    /// What a finding rests on, in words, with its remark.
    fn found(&self, record: &ItemRecord) -> String {
        let found = self.evidence(&record.evidence);
        let rules = self.certificate().order.rules().ok();
        let contradicts =
            rules.is_some_and(|rules| record.contradicted(&rules, &self.certificate().order).is_some());
        let contradicted = if contradicts { self.texts.of("found.clock.contradicted") } else { "" };
        let lines = [found.as_str(), contradicted, record.note.trim()];
        lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn evidence(&self, evidence: &Evidence) -> String {
        let (texts, order) = (self.texts, &self.certificate().order);
        match evidence {
            Evidence::Looked { good: true } => texts.of("found.good").to_owned(),
            Evidence::Looked { good: false } => texts.of("found.bad").to_owned(),
            Evidence::Clock { offset_s, measured } => {
                let limit = order.rules().ok().and_then(|rules| clock_limit_s(&rules, order.reason));
                let limit = limit.map_or_else(|| "—".to_owned(), given);
                let offset = signed(*offset_s, offset_s.scale());
                let found = fill(texts.of("found.clock"), &[("offset", &offset), ("limit", &limit)]);
                let measured = measured.as_ref().map(|measured| self.measured_offset(measured));
                measured.map_or_else(|| found.clone(), |measured| format!("{found}\n{measured}"))
            }
            Evidence::Display { display_kwh, register_wh } => fill(
                texts.of("found.display"),
                &[("display", &display_kwh.to_string()), ("register", &given(*register_wh))],
            ),
            Evidence::Seals { seals, whole } => {
                let count = seals.len().to_string();
                let text =
                    if *whole { texts.of("found.seals.whole") } else { texts.of("found.seals.broken") };
                fill(text, &[("count", &count)])
            }
            Evidence::Payment { lines, amount } => fill(
                texts.of("found.payment"),
                &[("count", &lines.len().to_string()), ("amount", &amount.to_string())],
            ),
            Evidence::Insulation { test_voltage_v, readings } => {
                let limit = order.rules().ok().and_then(|rules| Some(rules.insulation?.least_megohm));
                let listed: Vec<String> = readings
                    .iter()
                    .map(|reading| format!("{} {} MΩ", reading.between, given(reading.resistance_megohm)))
                    .collect();
                let limit = limit.map_or_else(|| "—".to_owned(), given);
                fill(
                    texts.of("found.insulation"),
                    &[
                        ("readings", listed.join("; ").as_str()),
                        ("voltage", &given(*test_voltage_v)),
                        ("limit", &limit),
                    ],
                )
            }
            Evidence::Indication { start_kwh, stop_kwh, reference_wh } => {
                let error = indication_error_percent(*start_kwh, *stop_kwh, *reference_wh);
                let class = order.plate.class.0;
                let limit = order.rules().ok().and_then(|rules| rules.indication_limit_percent(class));
                let or_none = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
                fill(
                    texts.of("found.indication"),
                    &[
                        ("error", &or_none(error.map(|error| signed(error, error.scale().max(2))))),
                        ("limit", &or_none(limit.map(given))),
                        ("start", &start_kwh.to_string()),
                        ("stop", &stop_kwh.to_string()),
                        ("reference", &given(*reference_wh)),
                    ],
                )
            }
            Evidence::Charge(charge) => {
                let or_none = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
                let energy = |wh: Option<_>| or_none(wh.map(given));
                let found = fill(
                    texts.of("found.charge"),
                    &[
                        ("number", &charge.charge_no.to_string()),
                        ("began", &or_none(charge.began_at.map(moment))),
                        ("ended", &moment(charge.ended_at)),
                        ("register", &energy(charge.register_wh)),
                        ("samples", &energy(charge.samples_wh)),
                        ("signed", &energy(charge.signed_wh)),
                        ("bill", &or_none(charge.bill_kwh.map(|bill| bill.to_string()))),
                    ],
                );
                let differences = charge.differences();
                let words = differences.iter().map(|difference| match difference {
                    crate::consistency::Difference::NoRegister => texts.of("difference.no_register"),
                    crate::consistency::Difference::NotSigned => texts.of("difference.not_signed"),
                    crate::consistency::Difference::BadSignature => texts.of("difference.bad_signature"),
                    crate::consistency::Difference::NoBill => texts.of("difference.no_bill"),
                    crate::consistency::Difference::Samples => texts.of("difference.samples"),
                    crate::consistency::Difference::Signed => texts.of("difference.signed"),
                    crate::consistency::Difference::Bill => texts.of("difference.bill"),
                });
                let words: Vec<&str> = words.collect();
                if words.is_empty() { found } else { format!("{found}\n{}", words.join("; ")) }
            }
        }
    }

    /// The clock's offset as measured, in words.
    fn measured_offset(&self, measured: &MeasuredOffset) -> String {
        fill(
            self.texts.of("found.clock.measured"),
            &[
                ("offset", &signed(measured.offset_s, CLOCK_DIGITS)),
                ("half", &plain(measured.half_width_s, CLOCK_DIGITS)),
                ("at", &moment(measured.at)),
                ("messages", &measured.messages.to_string()),
                ("round_trip", &given(measured.round_trip_s)),
            ],
        )
    }

    /// The seals, where there are any.
    pub(super) fn seals(&mut self) -> Result<(), PdfError> {
        let (texts, seals) = (self.texts, self.certificate().seals());
        if seals.is_empty() {
            return Ok(());
        }
        self.heading("section.seals", 60.0)?;
        let columns = vec![
            Column::left(texts.of("column.seal"), 20.0),
            Column::left(texts.of("column.place"), 30.0),
            Column::left(texts.of("column.photo"), 50.0),
        ];
        let mut table = Table::begin(self.sheets, columns)?;
        for seal in seals {
            table.row(&[
                Cell::plain(seal.number.as_str()),
                Cell::plain(seal.place.as_str()),
                Cell::plain(seal.photo_sha256.as_deref().unwrap_or("—")),
            ])?;
        }
        table.end();
        Ok(())
    }

    /// What went wrong on the way, where anything did.
    pub(super) fn troubles(&mut self) -> Result<(), PdfError> {
        let (texts, certificate) = (self.texts, self.certificate());
        if certificate.troubles.is_empty() {
            return Ok(());
        }
        self.heading("section.troubles", 70.0)?;
        let columns = vec![
            Column::left(texts.of("column.moment"), 22.0),
            Column::left(texts.of("column.trouble"), 28.0),
            Column::left(texts.of("column.detail"), 50.0),
        ];
        let mut table = Table::begin(self.sheets, columns)?;
        for trouble in &certificate.troubles {
            table.row(&[
                Cell::plain(moment(trouble.at)),
                Cell::plain(texts.word("trouble", trouble.why.word())),
                Cell::plain(trouble.detail.as_str()),
            ])?;
        }
        table.end();
        let discarded: u32 =
            certificate.taken.iter().map(|reading| reading.discarded).fold(0, u32::saturating_add);
        let text = fill(texts.of("troubles.note"), &[("count", &discarded.to_string())]);
        self.sheets.paragraph(&text, SMALL)
    }

    /// The reviewer's remarks, and what of the rules is still to be confirmed.
    pub(super) fn remarks(&mut self) -> Result<(), PdfError> {
        let (texts, certificate) = (self.texts, self.certificate());
        let (unconfirmed, _) = certificate.result.unconfirmed_in(texts.language);
        if !certificate.remarks.trim().is_empty() {
            self.heading("section.remarks", 20.0)?;
            self.sheets.paragraph(&certificate.remarks, BODY)?;
        }
        if unconfirmed.is_empty() {
            return Ok(());
        }
        self.heading("section.unconfirmed", 40.0)?;
        let text = fill(texts.of("unconfirmed.note"), &[("rules", &certificate.result.rule_set)]);
        self.sheets.paragraph(&text, BODY)?;
        for (number, line) in unconfirmed.iter().enumerate() {
            self.sheets.paragraph(&format!("({}) {line}", number + 1), SMALL)?;
        }
        Ok(())
    }

    /// The electronic signature, and how to check it.
    pub(super) fn signature(&mut self, sealed: &Sealed, address: &str) -> Result<(), PdfError> {
        self.heading("section.signature", 160.0)?;
        let texts = self.texts;
        let name = file_name(&self.certificate().number);
        self.sheets.paragraph(&fill(texts.of("signature.note"), &[("file", &name)]), BODY)?;
        self.sheets.skip(3.0);
        let mut table = Table::begin(self.sheets, vec![Column::left("", 20.0), Column::left("", 80.0)])?;
        for (name, value) in [
            (texts.of("signature.algorithm"), sealed.algorithm.as_str()),
            (texts.of("signature.key_id"), sealed.key_id.as_str()),
            (texts.of("signature.public_key"), sealed.public_key.as_str()),
            (texts.of("signature.value"), sealed.value.as_str()),
            (texts.of("signature.sha256"), self.issued.sha256.as_str()),
            (texts.of("signature.address"), address),
        ] {
            table.row(&[Cell::name(name), Cell::plain(value)])?;
        }
        table.end();
        self.sheets.skip(6.0);
        self.sheets.paragraph(texts.of("end"), SMALL)
    }
}
