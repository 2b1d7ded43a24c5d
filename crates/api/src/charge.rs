//! One charge by its number: `/api/v1/charges/{number}`, and what `/check` says of it.
//!
//! Whatever stands here stands on the pile's page, too, line by line; nobody's name or card does. Verdicts on signed values are those that
//! were given when they came in (`veripile_ocpp::signed`).

use actix_web::{HttpResponse, web};
use rust_decimal::Decimal;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;
use veripile_metrology::rounding::{written, written_with_sign};
use veripile_pile::VehiclePath;
use veripile_store::history::OneCharge;
use veripile_store::signed::SignedLine;

use crate::Site;
use crate::api::{Meta, json};
use crate::check;
use crate::problem::Problem;
use crate::texts::Texts;
use crate::view;

/// A charge
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Charge {
    meta: Meta,
    /// Its number
    charge: i64,
    pile_id: String,
    connector: Option<i64>,
    started_at: Option<String>,
    /// None while it runs
    ended_at: Option<String>,
    /// By the pile's meter
    energy_kwh: Option<String>,
    /// By the vehicle's own meter
    energy_vehicle_kwh: Option<String>,
    /// How that came: relayed (by the pile), telematics, app; which charges were a reference vehicle's is nowhere told
    vehicle_path: Option<&'static str>,
    /// What is remarkable about how it was told, e.g. `no_start`
    marks: Vec<&'static str>,
    /// Signed values that came with it, the newest first, 50 at most
    signed: Vec<Signed>,
    /// How many came with it in all
    signed_total: usize,
}

/// A signed value and what it is worth
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Signed {
    at: String,
    format: Option<String>,
    /// valid, valid_unregistered, other_meter, invalid, malformed, no_key, unsupported, unchecked
    verdict: &'static str,
    meter_serial: Option<String>,
}

/// One charge and the verdicts on its signed values
#[utoipa::path(get, path = "/api/v1/charges/{number}", params(("number" = String, Path, description = "Number of the charge")), responses(
    (status = 200, description = "The charge", body = Charge),
    (status = 404, description = "No such charge", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn charge(
    site: web::Data<Site>,
    number: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let missing =
        || Problem::missing("no charge has this number; it stands beside the charge on its pile's page");
    let (one, signed, signed_total) = found(&site, &number).await?.ok_or_else(missing)?;
    let time = |at: jiff::Timestamp| at.to_string();
    let record = &one.record;
    let signed = signed.iter().map(|line| Signed {
        at: time(line.at),
        format: line.format.clone(),
        verdict: check::stored_word(line),
        meter_serial: line.meter_serial.clone(),
    });
    let charge = Charge {
        meta: Meta::new(record.ended_at.or(record.started_at), None),
        charge: record.charge_no,
        pile_id: one.pile_id,
        connector: record.connector,
        started_at: record.started_at.map(time),
        ended_at: record.ended_at.map(time),
        energy_kwh: record.energy_pile_wh.map(kwh),
        energy_vehicle_kwh: record.energy_vehicle_wh.map(kwh),
        vehicle_path: record.vehicle_path.map(VehiclePath::word),
        marks: record.marks.iter().map(|mark| mark.code()).collect(),
        signed: signed.collect(),
        signed_total,
    };
    Ok(json("application/json", &charge))
}

fn kwh(wh: Decimal) -> String {
    (wh / Decimal::ONE_THOUSAND).normalize().to_string()
}

/// The number of a charge, as it is written beside it or typed; full-width digits are digits.
fn number_of(text: &str) -> Option<i64> {
    let text: String = text.nfkc().collect();
    text.trim().trim_start_matches('#').parse().ok()
}

/// A charge, its newest signed values and how many it has; none where the text is no number of one.
async fn found(site: &Site, number: &str) -> Result<Option<(OneCharge, Vec<SignedLine>, usize)>, Problem> {
    let Some(number) = number_of(number) else { return Ok(None) };
    let Some(charge) = site.store.charge(number).await? else { return Ok(None) };
    let (signed, all) = site.store.signed_values_of(number).await?;
    Ok(Some((charge, signed, all)))
}

/// What `/check` says of a charge.
pub(crate) struct ChargeView<'a> {
    pub(crate) number: i64,
    pub(crate) pile: String,
    pub(crate) href: String,
    pub(crate) line: view::ChargeLine,
    /// Energy that is signed, and by how much it is more than the charge's own.
    pub(crate) signed_kwh: Option<String>,
    pub(crate) signed_more: Option<String>,
    pub(crate) signed: Vec<SignedView<'a>>,
    /// That there are more.
    pub(crate) cut: Option<String>,
}

/// A signed value, as it was judged when it came in.
pub(crate) struct SignedView<'a> {
    pub(crate) at: String,
    pub(crate) word: &'static str,
    pub(crate) title: &'a str,
    pub(crate) why: &'a str,
    /// Without particulars: anybody sees this page, and they may quote what only the holder of a record knows.
    pub(crate) layers: Vec<check::LayerView<'a>>,
}

/// The charge of a number, as `/check` shows it.
pub(crate) async fn shown<'a>(
    site: &Site,
    t: &'a Texts,
    number: &str,
) -> Result<Option<ChargeView<'a>>, Problem> {
    let Some((one, signed, all)) = found(site, number).await? else { return Ok(None) };
    let said = |line: &SignedLine| {
        let word = check::stored_word(line);
        SignedView {
            at: view::minute(line.at),
            word,
            title: t.of_owned(&format!("check.{word}")),
            why: t.of_owned(&format!("check.{word}.why")),
            layers: check::stored_layers(t, line),
        }
    };
    let told = |wh: Decimal| format!("{} kWh", written(wh / Decimal::ONE_THOUSAND, 3));
    let own = one.record.energy_pile_wh;
    let more = one.energy_signed_wh.zip(own).and_then(|(signed, own)| signed.checked_sub(own));
    Ok(Some(ChargeView {
        number: one.record.charge_no,
        href: format!("/p/{}?lang={}", view::segment(&one.pile_id), t.short()),
        pile: one.pile_id,
        line: view::charge(t, &one.record),
        signed_kwh: one.energy_signed_wh.map(told),
        signed_more: more.map(|wh| format!("{} kWh", written_with_sign(wh / Decimal::ONE_THOUSAND, 3))),
        signed: signed.iter().map(said).collect(),
        cut: check::cut(t.of("check.signed_cut"), signed.len(), all),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_is_typed() {
        for text in ["9", " #9 ", "９", "＃９", "\u{3000}09"] {
            assert_eq!(number_of(text), Some(9), "{text}");
        }
        for text in ["", "#", "九", "9.5", "99999999999999999999"] {
            assert_eq!(number_of(text), None, "{text}");
        }
    }
}
