//! Orders to one charger: a form for each, and the answers beside them.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use veripile_ocpp::call::Call;
use veripile_store::command::CommandRow;

use super::certificates::{self, InstalledLine};
use super::pile::known;
use crate::Site;
use crate::problem::Problem;
use crate::session::Person;
use crate::texts::Texts;
use crate::view;

/// Ids of requests that chargers answer with later messages lie below this (OCPP: 32 bits).
const REQUEST_ID_MAX: i32 = 1 << 30;

/// An order with its answer.
pub(crate) struct OrderLine {
    pub(crate) at: String,
    pub(crate) what: String,
    pub(crate) person: String,
    pub(crate) outcome: &'static str,
    pub(crate) outcome_text: String,
    pub(crate) answer: String,
    pub(crate) waits: bool,
    /// Certificates that the answer lists.
    pub(crate) installed: Vec<InstalledLine>,
}

/// What the forms send. Fields that an order has no use for stay empty.
#[derive(Deserialize)]
pub(crate) struct OrderForm {
    token: String,
    order: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    connector: String,
}

/// POST `/op/piles/{pile}/order`.
pub(crate) async fn order(
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
    given: web::Form<OrderForm>,
) -> Result<HttpResponse, Problem> {
    person.owns_form(&given.token)?;
    let pile = known(&site, &person, &id).await?;
    let call = call(&given)?;
    let number = site.store.order(&pile.pile_id, &call, &person.name, Timestamp::now()).await?;
    if number.is_none() {
        return Err(Problem::busy(
            "too many orders are waiting for this charger; see what became of them first",
        ));
    }
    let address = format!("/op/piles/{}#orders", view::segment(&id));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, address)).finish())
}

/// The call that a form asks for, as JSON.
fn call(form: &OrderForm) -> Result<Value, Problem> {
    let number =
        || form.connector.trim().parse::<u32>().map_err(|_| Problem::parameter("connector", "a number"));
    let optional = || if form.connector.trim().is_empty() { Ok(None) } else { number().map(Some) };
    let need = |what: &str, text: &str| match text.trim() {
        "" => Err(Problem::parameter(what, "a text")),
        text => Ok(text.to_owned()),
    };
    let request_id = || rand::random_range(1..REQUEST_ID_MAX);
    let call = match form.order.as_str() {
        "send_key" => return Ok(json!({ "key": "send" })),
        "check_readiness" => return Ok(json!({ "readiness": "check" })),
        "set_readiness" => return Ok(json!({ "readiness": "set", "line": need("name", &form.name)? })),
        "trigger" => {
            json!({ "call": "trigger", "message": need("name", &form.name)?, "connector": optional()? })
        }
        "read_configuration" => {
            let names: Vec<_> = form.name.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            json!({ "call": "read_configuration", "names": names })
        }
        "write_configuration" => {
            json!({ "call": "write_configuration", "name": need("name", &form.name)?, "value": form.value.trim() })
        }
        "start_charge" => {
            json!({ "call": "start_charge", "connector": optional()?, "token": need("name", &form.name)?,
            "remote_start_id": request_id() })
        }
        "stop_charge" => json!({ "call": "stop_charge", "transaction": need("name", &form.name)? }),
        "open" => json!({ "call": "change_availability", "connector": number()?, "operative": true }),
        "close" => json!({ "call": "change_availability", "connector": number()?, "operative": false }),
        "reset_soft" => json!({ "call": "reset", "hard": false }),
        "reset_hard" => json!({ "call": "reset", "hard": true }),
        "unlock" => json!({ "call": "unlock_connector", "connector": number()? }),
        "log" => json!({ "call": "get_log", "kind": "diagnostics", "request_id": request_id(),
            "url": need("name", &form.name)?, "since": null }),
        "security_log" => json!({ "call": "get_log", "kind": "security", "request_id": request_id(),
            "url": need("name", &form.name)?, "since": null }),
        "firmware" => {
            json!({ "call": "update_firmware", "request_id": request_id(), "url": need("name", &form.name)?,
            "retrieve_at": Timestamp::now(), "signature": null })
        }
        "install_certificate" => {
            json!({ "call": "install_certificate", "kind": need("name", &form.name)?, "pem": need("value", &form.value)? })
        }
        "list_certificates" => {
            json!({ "call": "get_installed_certificates", "kind": need("name", &form.name)? })
        }
        "delete_certificate" => {
            let certificate = certificates::named(&form.value);
            let certificate =
                certificate.ok_or_else(|| Problem::parameter("value", "one of those installed"))?;
            json!({ "call": "delete_certificate", "certificate": certificate })
        }
        _ => return Err(Problem::parameter("order", "one of the orders of the page")),
    };
    match serde_json::from_value::<Call>(call.clone()) {
        Ok(known) if known.is_secret() => Err(Problem::parameter(
            "name",
            "anything but the key: keys are sent with the button that makes them",
        )),
        Ok(_) => Ok(call),
        Err(error) => Err(Problem::parameter("order", &error.to_string())),
    }
}

/// Makes an order's line.
pub(crate) fn line(t: &Texts, row: &CommandRow) -> OrderLine {
    let outcome = outcome(row.outcome.as_deref(), row.sent_at.is_some());
    let latency =
        row.sent_at.zip(row.answered_at).map(|(sent, answered)| answered.duration_since(sent).as_millis());
    let text = t.of_owned(&format!("outcome.{outcome}"));
    OrderLine {
        at: view::minute(row.asked_at),
        what: what(&row.call),
        person: row.person.clone(),
        outcome,
        outcome_text: latency.map_or_else(|| text.to_owned(), |ms| format!("{text} · {ms} ms")),
        answer: row.answer.clone().unwrap_or_default(),
        waits: row.outcome.is_none(),
        installed: certificates::installed(row),
    }
}

/// The word for what became of an order, as the texts know it.
pub(crate) fn outcome(outcome: Option<&str>, is_sent: bool) -> &'static str {
    match outcome {
        Some("accepted") => "accepted",
        Some("refused") => "refused",
        Some("late") => "late",
        Some("gone") => "gone",
        Some("busy") => "busy",
        Some("expired") => "expired",
        Some(_) => "error",
        None if is_sent => "sent",
        None => "waiting",
    }
}

/// An order in one line: its name, and its fields that say something. A card is not repeated.
fn what(call: &Value) -> String {
    let Some(fields) = call.as_object() else { return String::new() };
    let name = ["call", "readiness", "key"].iter().find_map(|kind| fields.get(*kind)?.as_str());
    let name = match name.unwrap_or_default() {
        "send" => "new key",
        "" if fields.contains_key("certificate") => "deliver certificate",
        name => name,
    };
    let said = fields.iter().filter(|(key, value)| {
        !matches!(key.as_str(), "call" | "readiness" | "key" | "token" | "request_id" | "remote_start_id")
            && !value.is_null()
    });
    let said = said.map(|(key, value)| match value {
        Value::String(text) if key == "pem" => format!("{} characters", text.chars().count()),
        Value::String(text) => format!("{key} {text}"),
        Value::Object(hash) => {
            format!("{key} {}", hash.get("serial_number").and_then(Value::as_str).unwrap_or(""))
        }
        other => format!("{key} {other}"),
    });
    [name.replace('_', " ")].into_iter().chain(said).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(order: &str, name: &str, value: &str, connector: &str) -> OrderForm {
        let text = str::to_owned;
        OrderForm {
            token: text(""),
            order: text(order),
            name: text(name),
            value: text(value),
            connector: text(connector),
        }
    }

    #[test]
    fn every_order_of_the_page_is_a_call_and_anything_else_is_refused() {
        let page = concat!(
            include_str!("../../templates/op_pile.html"),
            include_str!("../../templates/op_certificates.html")
        );
        let orders: Vec<_> = page
            .split("name=\"order\" value=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap_or(""))
            .collect();
        let options =
            page.split("<option value=\"order:").skip(1).map(|rest| rest.split('"').next().unwrap_or(""));
        let orders: Vec<_> = orders.into_iter().chain(options).collect();
        assert!(orders.len() >= 18, "{orders:?}");
        let hash =
            r#"{"algorithm":"SHA256","issuer_name_hash":"0a","issuer_key_hash":"0b","serial_number":"1"}"#;
        for order in orders {
            let (name, value) = match order {
                "list_certificates" | "install_certificate" => ("central_system_root", "pem"),
                "delete_certificate" => ("", hash),
                _ => ("Heartbeat", "1"),
            };
            assert!(call(&form(order, name, value, "1")).is_ok(), "{order}");
        }
        for (order, name, connector) in [
            ("trigger", "", "1"),
            ("unlock", "", "x"),
            ("cook", "a", "1"),
            ("list_certificates", "any", ""),
            ("install_certificate", "central_system_root", ""),
            ("delete_certificate", hash, ""),
        ] {
            assert!(call(&form(order, name, "", connector)).is_err(), "{order}");
        }
    }

    #[test]
    fn a_line_says_what_was_ordered_but_never_whose_card() {
        let start = json!({ "call": "start_charge", "connector": 1, "token": "CARD", "remote_start_id": 5 });
        assert_eq!(what(&start), "start charge · connector 1");
        assert_eq!(what(&json!({ "certificate": 5 })), "deliver certificate · certificate 5");
        let install = json!({ "call": "install_certificate", "kind": "v2g_root", "pem": "-----BEGIN" });
        assert_eq!(what(&install), "install certificate · kind v2g_root · 10 characters");
    }
}
