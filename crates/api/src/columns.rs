//! The columns of the dumps: what each means, and how a row is written as CSV, as JSON, as GeoJSON.
//!
//! Used by [`crate::dumps`]. A row is taken from what the query API says of a pile or a station, so that both say the same; the dictionary
//! is the table that the rows are written by.

use serde::Serialize;
use serde_json::{Map, Number, Value};
use utoipa::ToSchema;

/// Begins a formula in a spreadsheet, or what becomes one when blanks are dropped. The full-width ones count in East Asian versions.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A column, as the dictionary tells it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Column {
    /// Its name: header in CSV, key in JSON
    name: &'static str,
    /// text, number, boolean, time (RFC 3339), list (texts, in CSV with blanks between)
    #[serde(rename = "type")]
    kind: Kind,
    /// What it says, and in which unit
    meaning: &'static str,
    /// Where it stands in the query API's answer.
    #[serde(skip)]
    pointer: &'static str,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Text,
    Number,
    Boolean,
    Time,
    List,
}

const fn column(name: &'static str, kind: Kind, pointer: &'static str, meaning: &'static str) -> Column {
    Column { name, kind, meaning, pointer }
}

use Kind::{Boolean, List, Number as Num, Text, Time};

/// Of piles: pointers into a feature of `/api/v1/piles`.
pub(crate) const PILES: &[Column] = &[
    column("pile_id", Text, "/id", "Identifier"),
    column("lon", Num, "/geometry/coordinates/0", "Longitude, WGS-84, degrees"),
    column("lat", Num, "/geometry/coordinates/1", "Latitude, WGS-84, degrees"),
    column("station_id", Text, "/properties/station/id", "Station"),
    column("station_name_zh", Text, "/properties/station/name_zh", "Its name in Chinese"),
    column("station_name_en", Text, "/properties/station/name_en", "Its name in English"),
    column("operator_id", Text, "/properties/operator/id", "Operator"),
    column("operator_name_zh", Text, "/properties/operator/name_zh", "Its name in Chinese"),
    column("operator_name_en", Text, "/properties/operator/name_en", "Its name in English"),
    column("kind", Text, "/properties/kind", "ac or dc"),
    column(
        "accuracy_class",
        Text,
        "/properties/accuracy_class",
        "Accuracy class on the plate; 2 where unknown",
    ),
    column("power_kw", Num, "/properties/power_kw", "Rated power, kW"),
    column("connectors", List, "/properties/connectors", "gbt_ac, gbt_dc, type1, type2, ccs1, ccs2, chademo"),
    column("vendor", Text, "/properties/vendor", "Maker, as the pile tells it"),
    column("model", Text, "/properties/model", "Model on the plate, else as the pile tells it"),
    column("firmware", Text, "/properties/firmware", "Firmware, as the pile tells it"),
    column("charges", Num, "/properties/charges", "Charges on record"),
    column(
        "state",
        Text,
        "/properties/verification/state",
        "verified_monitored, verified, due, under_review, failed or out_of_use, on the record date",
    ),
    column(
        "state_basis",
        Text,
        "/properties/verification/basis",
        "What the state rests on: certificate, question (of the certificate), case, stopped, unseen or none",
    ),
    column(
        "state_since",
        Time,
        "/properties/verification/since",
        "When the state began to hold; null of a pile that never was anything but due",
    ),
    column(
        "document_number",
        Text,
        "/properties/verification/number",
        "Number of the document that the state rests on: certificate, case or order to stop use",
    ),
    column("issued_by", Text, "/properties/verification/issued_by", "Who issued it; none where nobody said"),
    column(
        "certificate_number",
        Text,
        "/properties/verification/certificate_number",
        "Number of the last certificate, whatever the state rests on",
    ),
    column(
        "certificate_issued_by",
        Text,
        "/properties/verification/certificate_issued_by",
        "Who issued that certificate",
    ),
    column(
        "verified_at",
        Time,
        "/properties/verification/verified_at",
        "Date of its verification; null where it is in question or a failure is public",
    ),
    column(
        "valid_until",
        Time,
        "/properties/verification/valid_until",
        "End of its validity, over or not; null where it is in question or a failure is public",
    ),
    column(
        "was_verified_at",
        Time,
        "/properties/verification/was_verified_at",
        "Date of its verification where that does not count any more: it is in question, or a failure is public",
    ),
    column(
        "questioned_at",
        Time,
        "/properties/verification/question/since",
        "Since when the certificate is in question; null where it is not",
    ),
    column(
        "questioned_because",
        Text,
        "/properties/verification/question/because",
        "Why: seal_broken, firmware_changed, repaired or other; null where nobody said, or where it is not in question",
    ),
    column(
        "certificate_url",
        Text,
        "/properties/verification/certificate_url",
        "Path of the certificate's signed file below this server's address, where it was issued here; .pdf and .dcc.xml beside it",
    ),
    column(
        "evidence_url",
        Text,
        "/properties/verification/evidence_url",
        "Path of the evidence from afar below this server's address: evidence, not a verification",
    ),
    column(
        "assessed_as_of",
        Time,
        "/properties/assessment/as_of",
        "Date of the remote assessment: evidence, not a verification",
    ),
    column(
        "assessed_verdict",
        Text,
        "/properties/assessment/verdict",
        "conform, nonconform, undecided or not_comparable",
    ),
    column(
        "error_percent",
        Num,
        "/properties/assessment/error_percent",
        "Estimated relative error of indication, %; positive: the customer pays for too much",
    ),
    column(
        "standard_uncertainty_percent",
        Num,
        "/properties/assessment/standard_uncertainty_percent",
        "Its standard uncertainty (k = 1), %",
    ),
    column(
        "lower95_percent",
        Num,
        "/properties/assessment/lower95_percent",
        "Lower end of its 95 % interval, %",
    ),
    column(
        "upper95_percent",
        Num,
        "/properties/assessment/upper95_percent",
        "Upper end of its 95 % interval, %",
    ),
    column(
        "probability_conform",
        Num,
        "/properties/assessment/probability_conform",
        "Probability that the error is within the limit",
    ),
    column("limit_percent", Num, "/properties/assessment/limit_percent", "Maximum permissible error, ± %"),
    column("assessed_charges", Num, "/properties/assessment/charges", "Charges that the estimate rests on"),
    column(
        "grounded",
        Boolean,
        "/properties/assessment/grounded",
        "Whether an on-site result, a reference vehicle or an energy balance gives the estimate its level",
    ),
    column("live_status", Text, "/properties/live/status", "Connector status in OCPP's word"),
    column("live_status_at", Time, "/properties/live/status_at", "Since when"),
    column("last_seen", Time, "/properties/live/last_seen", "When the pile was last heard of"),
    // Behind those of former editions, so that nobody's columns move.
    column("meter_serial", Text, "/properties/meter_serial", "Number of its meter, as registered"),
    column("live_protocol", Text, "/properties/live/protocol", "Version of OCPP that the pile last spoke"),
    column(
        "assessed_rule",
        Text,
        "/properties/assessment/rule",
        "Rule that the assessed verdict was given by, with its version",
    ),
];

/// Of stations: pointers into a feature of `/api/v1/stations`.
pub(crate) const STATIONS: &[Column] = &[
    column("station_id", Text, "/id", "Identifier"),
    column("lon", Num, "/geometry/coordinates/0", "Longitude, WGS-84, degrees"),
    column("lat", Num, "/geometry/coordinates/1", "Latitude, WGS-84, degrees"),
    column("name_zh", Text, "/properties/name_zh", "Name in Chinese"),
    column("name_en", Text, "/properties/name_en", "Name in English"),
    column("operator_id", Text, "/properties/operator/id", "Operator"),
    column("operator_name_zh", Text, "/properties/operator/name_zh", "Its name in Chinese"),
    column("operator_name_en", Text, "/properties/operator/name_en", "Its name in English"),
    column(
        "given_system",
        Text,
        "/properties/given/coordinate_system",
        "System of the place as given: wgs84, gcj02, bd09",
    ),
    column("given_lon", Num, "/properties/given/coordinates/0", "Longitude as given, degrees"),
    column("given_lat", Num, "/properties/given/coordinates/1", "Latitude as given, degrees"),
    column(
        "place_doubts",
        List,
        "/properties/given/doubts",
        "system_assumed, not_shifted, looks_exchanged, looks_gcj02, looks_bd09, at_zero",
    ),
    column("region", Text, "/properties/region", "District or county"),
    column("address", Text, "/properties/address", "Street address"),
    column("phone", Text, "/properties/phone", "Telephone number of its service"),
    column(
        "fee_cny_kwh",
        Num,
        "/properties/fee_cny_kwh",
        "Highest price of a kWh that may apply on the record date, service included, CNY: as told, or of the prices by hours, whichever is higher",
    ),
    column("fee_note", Text, "/properties/fee_note", "What else there is to say of the price"),
    column("piles", Num, "/properties/piles", "Number of registered piles"),
    column(
        "idle_piles",
        Num,
        "/properties/idle_piles",
        "Of these, free on the record date, heard of in the ten minutes before",
    ),
    column("silent_piles", Num, "/properties/silent_piles", "Of these, with an older status or none"),
    column(
        "verified_monitored",
        Num,
        "/properties/states/verified_monitored",
        "Of these, verified and monitored",
    ),
    column("verified", Num, "/properties/states/verified", "Of these, verified"),
    column("due", Num, "/properties/states/due", "Of these, to be verified"),
    column("under_review", Num, "/properties/states/under_review", "Of these, under review"),
    column("failed", Num, "/properties/states/failed", "Of these, failed"),
    column("out_of_use", Num, "/properties/states/out_of_use", "Of these, out of use"),
    column("max_power_kw", Num, "/properties/max_power_kw", "Rated power of its strongest pile, kW"),
    column("connectors", List, "/properties/connectors", "gbt_ac, gbt_dc, type1, type2, ccs1, ccs2, chademo"),
    column(
        "fee_told_cny_kwh",
        Num,
        "/properties/fee_told_cny_kwh",
        "What was told as the highest price, CNY, where prices by hours of the record date go beyond it and so contradict it",
    ),
    column(
        "told_piles",
        Num,
        "/properties/told_piles",
        "Number of piles that a list of stations says it has, registered or not",
    ),
];

/// The cells of a row, in the order of the columns; null where nothing is known.
pub(crate) fn cells(columns: &[Column], feature: &Value) -> Vec<Value> {
    let cell = |column: &Column| match feature.pointer(column.pointer) {
        // The API tells decimal numbers as text, so that no digit is lost; here they stay numbers, digit by digit.
        Some(Value::String(text)) if column.kind == Num => {
            text.parse::<Number>().map_or(Value::Null, Value::Number)
        }
        Some(value) => value.clone(),
        None => Value::Null,
    };
    columns.iter().map(cell).collect()
}

/// The header of a CSV file.
pub(crate) fn csv_header(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    names.join(",") + "\r\n"
}

/// A row of CSV (RFC 4180). Texts are in quotes, so that an empty cell without any is null and nothing else.
pub(crate) fn csv_row(cells: &[Value]) -> String {
    let cell = |cell: &Value| match cell {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        Value::Array(list) => quoted(&list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n"
}

/// A text in quotes. One that a spreadsheet would take for a formula begins with an apostrophe (OWASP, "CSV Injection").
fn quoted(text: &str) -> String {
    let guard = if text.trim_start_matches(' ').starts_with(FORMULA) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A row as an object, a key for every column.
pub(crate) fn object(columns: &[Column], cells: Vec<Value>) -> Map<String, Value> {
    columns.iter().map(|column| column.name.to_owned()).zip(cells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_can_be_no_formula_and_null_is_told_from_an_empty_text() {
        let check = |cell: Value, expected: &str| {
            assert_eq!(csv_row(&[cell.clone(), Value::Null]), format!("{expected},\r\n"), "{cell}");
        };
        check(json!("=1+2"), "\"'=1+2\"");
        check(json!("  @SUM(A1)"), "\"'  @SUM(A1)\"");
        check(json!("＝cmd|' /C calc'!A0"), "\"'＝cmd|' /C calc'!A0\"");
        check(json!("-5"), "\"'-5\"");
        check(json!(-5.25), "-5.25");
        check(json!("无锡,\"A\"\nB"), "\"无锡,\"\"A\"\"\nB\"");
        check(json!(""), "\"\"");
        check(json!(["gbt_ac", "type2"]), "\"gbt_ac type2\"");
        check(json!(true), "true");
        check(Value::Null, "");
    }

    /// Where the values of a schema stand, lists and maps as one each.
    fn places(schemas: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().expect("a name");
            assert!(schemas[name].is_object(), "{name}");
            places(schemas, &schemas[name], at, found);
        } else if let Some(all) = schema["oneOf"].as_array() {
            all.iter().filter(|one| one["type"] != "null").for_each(|one| places(schemas, one, at, found));
        } else if let Some(properties) = schema["properties"].as_object() {
            properties.iter().for_each(|(name, one)| places(schemas, one, &format!("{at}/{name}"), found));
        } else {
            found.push(at.to_owned());
        }
    }

    /// What the query API says of a pile or a station stands in the dumps, but for what is said twice, and the distance from a place asked for.
    #[test]
    fn whatever_the_api_tells_has_a_column() {
        let agreed: Value = serde_json::from_str(include_str!("../openapi.json")).expect("JSON");
        let schemas = &agreed["components"]["schemas"];
        for (schema, columns, count, elsewhere) in [
            (
                "Feature",
                PILES,
                40,
                &["/properties/pile_id", "/distance_m", "/properties/verification/question/was_verified_at"]
                    [..],
            ),
            ("StationFeature", STATIONS, 20, &["/properties/station_id", "/properties/distance_m"][..]),
        ] {
            let mut found = Vec::new();
            places(schemas, &schemas[schema], "", &mut found);
            assert!(count < found.len(), "{schema}: {found:?}");
            let is_told = |place: &str| {
                columns.iter().any(|column| {
                    let rest = column.pointer.strip_prefix(place);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
            };
            let untold: Vec<&String> = found
                .iter()
                .filter(|place| !place.ends_with("/type") && !elsewhere.contains(&place.as_str()))
                .filter(|place| !is_told(place))
                .collect();
            assert!(untold.is_empty(), "{schema}: {untold:?}");
            assert!(
                elsewhere.iter().all(|place| found.iter().any(|one| one == place)),
                "{schema}: {found:?}"
            );
        }
    }

    #[test]
    fn a_row_has_a_cell_for_every_column_and_numbers_keep_their_digits() {
        let feature =
            json!({ "id": "P", "geometry": null, "properties": { "power_kw": "120.50", "connectors": [] } });
        let row = object(PILES, cells(PILES, &feature));
        assert_eq!(row.len(), PILES.len());
        assert_eq!(row["power_kw"].to_string(), "120.50");
        assert_eq!(
            (&row["lon"], &row["station_id"], &row["connectors"]),
            (&Value::Null, &Value::Null, &json!([]))
        );
    }
}
