//! OCPI's Tariffs: what a station asks for a kWh by hours of the day, each list of prices that it tells a tariff of its own.
//!
//! Prices are told digit by digit as they were registered, by which money at stake is counted, too. They are what drivers pay: OCPI's `price` is
//! one without tax, and `vat`, which would be added to it, is left out; that tax is in it stands in `tariff_alt_text` and in the object
//! `veripile`. A station of which nothing but the highest price of a day is known (`fee_cny_kwh`) has no tariff: no driver pays that all day.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;
use veripile_store::ocpi::OfferedTariff;

use super::page::Parameters;
use super::readings::Name;
use super::{OcpiSettings, Refusal, Registered, base, moment};
use crate::Site;
use crate::texts::{Language, Texts};

/// GET `/ocpi/2.2.1/tariffs`.
pub(crate) async fn list(
    Registered(party): Registered,
    request: HttpRequest,
    site: web::Data<Site>,
    parameters: web::Query<Parameters>,
) -> Result<HttpResponse, Refusal> {
    let query = parameters.query()?;
    let name = Name { list: "tariffs", party: party.name, from: query.from, to: query.to };
    let changed = site.store.ocpi_tariffs_changed(query.from, query.to);
    let (ids, total) = site.readings.page(name, &query, changed).await?;
    let tariffs = site.store.ocpi_tariffs_of(&ids).await?;
    let told: Vec<Tariff<'_>> = tariffs.iter().map(|tariff| told(tariff, &site.settings.ocpi)).collect();
    let address = format!("{}/ocpi/2.2.1/tariffs", base(&request, &site));
    Ok(parameters.answer(&told, &query, total, &address))
}

/// A tariff as OCPI has it.
#[derive(Debug, Serialize)]
struct Tariff<'a> {
    country_code: &'a str,
    party_id: &'a str,
    id: &'a str,
    currency: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    tariff_alt_text: [AltText; 2],
    elements: Vec<Element>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date_time: Option<String>,
    last_updated: String,
    veripile: OcpiTariffExtension,
}

#[derive(Debug, Serialize)]
struct AltText {
    language: &'static str,
    text: &'static str,
}

#[derive(Debug, Serialize)]
struct Element {
    price_components: Vec<PriceComponent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restrictions: Option<Restrictions>,
}

#[derive(Debug, Serialize)]
struct PriceComponent {
    #[serde(rename = "type")]
    kind: &'static str,
    price: Number,
    step_size: u8,
}

/// From and until which time of the day, where the station stands; over midnight where the end is not later.
#[derive(Debug, Serialize)]
struct Restrictions {
    start_time: String,
    end_time: String,
}

/// The extension: the object `veripile` of an OCPI Tariff. Everything else there is OCPI 2.2.1's
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OcpiTariffExtension {
    /// Whose prices these are, as `/api/v1/stations/{id}` names it
    station_id: String,
    /// The same as a Location
    location_id: String,
    /// `YES`, as OCPI 2.3.0 says it of a Tariff: prices are what drivers pay, and no tax comes on top
    tax_included: &'static str,
}

fn told<'a>(tariff: &'a OfferedTariff, us: &'a OcpiSettings) -> Tariff<'a> {
    Tariff {
        country_code: &us.country_code,
        party_id: &us.party_id,
        id: &tariff.ocpi_id,
        currency: "CNY",
        // The least: nobody told of prices for other ways to pay, or for preferences.
        kind: "REGULAR",
        tariff_alt_text: [Language::Zh, Language::En].map(|language| {
            let texts = Texts::in_language(language);
            AltText { language: texts.short(), text: texts.of("ocpi.tariff") }
        }),
        elements: elements(&tariff.list.prices),
        // Nobody reads a moment before there were clocks like ours: from ever, that is.
        start_date_time: tariff.starts_at.filter(|at| *at >= Timestamp::UNIX_EPOCH).map(moment),
        end_date_time: tariff.ends_at.map(moment),
        last_updated: moment(tariff.changed_at),
        veripile: OcpiTariffExtension {
            station_id: tariff.list.station_id.to_string(),
            location_id: tariff.location_id.clone(),
            tax_included: "YES",
        },
    }
}

/// The elements of a day, each minute in one of them; neighbours of one price are one, over midnight, too. `prices` are those of a whole day,
/// each until the next.
fn elements(prices: &[(u16, Decimal)]) -> Vec<Element> {
    let mut parts = prices.to_vec();
    parts.dedup_by_key(|(_, price)| *price);
    if matches!(&parts[..], [(_, first), .., (_, last)] if first == last) {
        parts.remove(0);
    }
    if let [(_, price)] = parts[..] {
        return vec![Element { price_components: components(price, price.is_zero()), restrictions: None }];
    }
    // The day begins where it ends: the last part goes on until the first.
    let ends = parts.iter().cycle().skip(1).map(|(minute, _)| *minute);
    let element = |((from, price), to): (&(u16, Decimal), u16)| Element {
        price_components: components(*price, false),
        restrictions: Some(Restrictions { start_time: clock(*from), end_time: clock(to) }),
    };
    parts.iter().zip(ends).map(element).collect()
}

/// What a kWh costs, to the Wh. Where the whole day is free there is the fee of nothing, too, by which OCPI knows that.
fn components(price: Decimal, is_free: bool) -> Vec<PriceComponent> {
    let component = |kind| PriceComponent { kind, price: number(price), step_size: 1 };
    let mut components = vec![component("ENERGY")];
    if is_free {
        components.push(component("FLAT"));
    }
    components
}

/// A number with the digits that the decimal has.
fn number(decimal: Decimal) -> Number {
    decimal.to_string().parse().expect("digits and a point are a number")
}

/// A time of the day as OCPI writes it, where the end of the day is its beginning.
fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60 % 24, minute % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use veripile_pile::StationId;
    use veripile_store::price;

    use super::*;

    fn prices(parts: &[(u16, &str)]) -> Vec<(u16, Decimal)> {
        parts.iter().map(|(minute, price)| (*minute, price.parse().expect("literal"))).collect()
    }

    /// From when to when at which price, as it stands in the JSON.
    fn told_of(parts: &[(u16, &str)]) -> Vec<(String, String, String)> {
        let told = serde_json::to_value(elements(&prices(parts))).expect("writable");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let elements = told.as_array().expect("a list");
        let one = |element: &Value| {
            let [component] = &element["price_components"].as_array().expect("a list")[..] else {
                panic!("one component: {element}")
            };
            assert_eq!((&component["type"], &component["step_size"]), (&json!("ENERGY"), &json!(1)));
            assert_eq!(component.get("vat"), None, "nothing is added");
            let restrictions = &element["restrictions"];
            let clock = |name: &str| text(&restrictions[name]);
            (clock("start_time"), clock("end_time"), component["price"].to_string())
        };
        elements.iter().map(one).collect()
    }

    fn element(from: &str, to: &str, price: &str) -> (String, String, String) {
        (from.to_owned(), to.to_owned(), price.to_owned())
    }

    #[test]
    fn each_minute_is_in_one_element_and_prices_keep_their_digits() {
        assert_eq!(told_of(&[(0, "1.10")]), [element("-", "-", "1.10")], "the whole day");
        assert_eq!(told_of(&[(0, "1.10"), (480, "1.1")]), [element("-", "-", "1.10")], "one price");
        let day = [element("00:00", "08:00", "0.3000"), element("08:00", "00:00", "1.2345678901234567890")];
        assert_eq!(told_of(&[(0, "0.3000"), (480, "1.2345678901234567890")]), day, "to the end of the day");
        let night = [element("06:00", "22:30", "100"), element("22:30", "06:00", "0.45")];
        assert_eq!(told_of(&[(0, "0.45"), (360, "100"), (1_350, "0.45")]), night, "over midnight");
        let quarters: Vec<(u16, &str)> =
            (0..96).map(|n| (15 * n, if n % 2 == 0 { "1" } else { "2" })).collect();
        let told = told_of(&quarters);
        assert_eq!((told.len(), &told[95]), (96, &element("23:45", "00:00", "2")));
        // Free at night is no free day.
        assert_eq!(told_of(&[(0, "0"), (360, "1")])[0], element("00:00", "06:00", "0"));
    }

    #[test]
    fn a_free_day_is_what_ocpi_knows_as_one() {
        let told = serde_json::to_value(elements(&prices(&[(0, "0.00"), (360, "0")]))).expect("writable");
        let component =
            |kind: &str| json!({ "type": kind, "price": number(Decimal::new(0, 2)), "step_size": 1 });
        assert_eq!(told, json!([{ "price_components": [component("ENERGY"), component("FLAT")] }]));
        assert!(told.to_string().contains("\"price\":0.00"), "{told}");
    }

    #[test]
    fn what_holds_from_ever_has_no_beginning_and_what_nothing_follows_no_end() {
        let us = OcpiSettings::default();
        let at = |text: &str| text.parse::<Timestamp>().expect("literal");
        let first = OfferedTariff {
            ocpi_id: "7".to_owned(),
            location_id: "md5-0".to_owned(),
            list: price::Tariff {
                station_id: StationId::parse("站").expect("literal"),
                valid_from: None,
                prices: prices(&[(0, "1.10")]),
                time_zone: None,
            },
            starts_at: None,
            ends_at: Some(at("2026-06-30T16:00:00Z")),
            changed_at: at("2026-06-01T00:00:00.9Z"),
        };
        let told_as = |tariff: &OfferedTariff| serde_json::to_value(told(tariff, &us)).expect("writable");
        let told = told_as(&first);
        assert_eq!(
            (&told["end_date_time"], &told["last_updated"], &told["id"], &told["currency"], &told["type"]),
            (
                &json!("2026-06-30T16:00:00Z"),
                &json!("2026-06-01T00:00:00Z"),
                &json!("7"),
                &json!("CNY"),
                &json!("REGULAR")
            )
        );
        assert_eq!(told.get("start_date_time"), None);
        assert_eq!(
            told["veripile"],
            json!({ "station_id": "站", "location_id": "md5-0", "tax_included": "YES" })
        );
        let words: Vec<&str> = told["tariff_alt_text"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|text| text["language"].as_str().expect("text"))
            .collect();
        assert_eq!(words, ["zh", "en"]);
        let last = OfferedTariff { starts_at: first.ends_at, ends_at: None, ..first };
        let told = told_as(&last);
        assert_eq!(
            (&told["start_date_time"], told.get("end_date_time")),
            (&json!("2026-06-30T16:00:00Z"), None)
        );
        let ancient = OfferedTariff { starts_at: Some(at("0001-01-01T00:00:00Z")), ..last };
        assert_eq!(told_as(&ancient).get("start_date_time"), None);
    }
}
