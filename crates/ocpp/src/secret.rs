//! Basic keys of chargers in texts that are to be kept: a charger that is asked for its configuration may tell its own key, and an
//! upstream may set one through a relay.
//!
//! Used by [`crate::IdentityKey::without_identities`], [`crate::call`] and the gateway's relay. Only the key is blotted out; every other character stays as
//! it was sent.

use std::borrow::Cow;

use serde_json::Value;

use crate::card;

/// What the names of such keys contain, in small letters: `AuthorizationKey` of 1.6, `SecurityCtrlr.BasicAuthPassword` of 2.x.
const NAMES: [&str; 2] = ["authorizationkey", "basicauthpassword"];

/// What stands for a key.
pub(crate) const BLOT: &str = "***";

/// Whether a configuration key or variable holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|secret| name.contains(secret))
}

/// The text of a frame with the keys in it blotted out.
pub(crate) fn blotted(text: &str) -> Cow<'_, str> {
    if !is_secret(text) {
        return Cow::Borrowed(text);
    }
    let mut secrets = Vec::new();
    if let Ok(frame) = serde_json::from_str::<Value>(text) {
        find(&frame, &mut secrets);
    }
    if secrets.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(without(text, &secrets)) }
}

/// The key that a call gives to a charger, if it is one that does (ChangeConfiguration, SetVariables). `payload` is JSON text.
pub fn given(action: &str, payload: &str) -> Option<String> {
    if !matches!(action, "ChangeConfiguration" | "SetVariables") || !is_secret(payload) {
        return None;
    }
    let mut secrets = Vec::new();
    find(&serde_json::from_str(payload).ok()?, &mut secrets);
    secrets.pop()
}

/// Whether a charger's answer to such a call says that it took the key. `payload` is JSON text.
pub fn is_taken(payload: &str) -> bool {
    let Ok(answer) = serde_json::from_str::<Value>(payload) else { return false };
    let results = answer.get("setVariableResult").and_then(Value::as_array).into_iter().flatten();
    let mut words = results
        .filter(|result| is_setting(result))
        .map(|result| result.get("attributeStatus"))
        .chain([answer.get("status")])
        .flatten()
        .filter_map(Value::as_str);
    words.any(|word| matches!(word, "Accepted" | "RebootRequired"))
}

/// Collects the values beside names of secrets.
fn find(value: &Value, secrets: &mut Vec<String>) {
    if is_setting(value) {
        collect(value, secrets);
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| find(item, secrets)),
        Value::Object(members) => members.values().for_each(|member| find(member, secrets)),
        _ => {}
    }
}

/// Whether this is `{key: AuthorizationKey, …}` or `{variable: {name: BasicAuthPassword}, …}`.
fn is_setting(value: &Value) -> bool {
    let variable = value.get("variable").and_then(|variable| variable.get("name"));
    value.get("key").or(variable).and_then(Value::as_str).is_some_and(is_secret)
}

fn collect(setting: &Value, secrets: &mut Vec<String>) {
    let attributes = setting.get("variableAttribute").and_then(Value::as_array).into_iter().flatten();
    let values = attributes.map(|attribute| attribute.get("value"));
    let values = values.chain([setting.get("value"), setting.get("attributeValue")]).flatten();
    secrets.extend(values.filter_map(Value::as_str).filter(|secret| !secret.is_empty()).map(str::to_owned));
}

/// The text without the strings that are secrets.
fn without(text: &str, secrets: &[String]) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, content, after)) = card::next_string(rest) {
        let blot = secrets.iter().any(|secret| *secret == card::plain(content));
        clean.push_str(&rest[..=before]);
        clean.push_str(if blot { BLOT } else { content });
        clean.push('"');
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_given_by_another_is_seen_and_whether_it_was_taken() {
        let change = r#"{"key":"AuthorizationKey","value":"s3cret"}"#;
        assert_eq!(given("ChangeConfiguration", change).as_deref(), Some("s3cret"));
        assert_eq!(given("DataTransfer", change), None);
        assert_eq!(given("ChangeConfiguration", r#"{"key":"HeartbeatInterval","value":"60"}"#), None);
        let set = r#"{"setVariableData":[
            {"attributeValue":"60","component":{"name":"OCPPCommCtrlr"},"variable":{"name":"HeartbeatInterval"}},
            {"attributeValue":"s3cret","component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}"#;
        assert_eq!(given("SetVariables", set).as_deref(), Some("s3cret"));
        let result = |word: &str| {
            format!(
                r#"{{"setVariableResult":[
                {{"attributeStatus":"Accepted","component":{{"name":"X"}},"variable":{{"name":"HeartbeatInterval"}}}},
                {{"attributeStatus":"{word}","component":{{"name":"SecurityCtrlr"}},"variable":{{"name":"BasicAuthPassword"}}}}]}}"#
            )
        };
        assert!(is_taken(&result("Accepted")) && is_taken(&result("RebootRequired")));
        assert!(!is_taken(&result("Rejected")));
        assert!(is_taken(r#"{"status":"Accepted"}"#) && !is_taken(r#"{"status":"Rejected"}"#));
        assert!(!is_taken("[") && !is_taken("{}"));
    }

    #[test]
    fn the_key_is_blotted_out_wherever_a_charger_or_an_upstream_tells_it() {
        let check = |text: &str| {
            let clean = blotted(text);
            assert_eq!(clean, text.replace("s3cret", BLOT).replace(r"s3\u0063ret", BLOT), "{text}");
            assert!(!clean.contains("s3"), "{clean}");
        };
        check(
            r#"[3, "1",{"configurationKey":[{"value":"s3cret" ,"key":"AuthorizationKey","readonly":false}]}]"#,
        );
        check(
            r#"[3,"1",{"configurationKey":[{"key":"authorizationKEY","readonly":false,"value":"s3\u0063ret"},{"key":"A","value":"b"}]}]"#,
        );
        check(r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"s3cret"}]"#);
        check(
            r#"[3,"1",{"getVariableResult":[{"attributeStatus":"Accepted","attributeValue":"s3cret","component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"}}]}]"#,
        );
        check(
            r#"[2,"1","NotifyReport",{"reportData":[{"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"},"variableAttribute":[{"type":"Actual","value":"s3cret"}]}]}]"#,
        );
    }

    #[test]
    fn nothing_else_is_touched() {
        for text in [
            r#"[3,"1",{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"300"}]}]"#,
            r#"[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false}],"unknownKey":["x"]}]"#,
            r#"[3,"1",{"unknownKey":["AuthorizationKey"]}]"#,
            r#"AuthorizationKey "and no JSON"#,
        ] {
            assert_eq!(blotted(text), text);
        }
    }
}
