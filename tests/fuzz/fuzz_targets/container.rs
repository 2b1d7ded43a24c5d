//! The XML file of signed records: nothing makes it fall over, what is found lay in the file, and written out again it is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veripile_ocpp::signed::container::{CONTAINER_BYTES_MAX, VALUES_MAX, open};
use veripile_ocpp::signed::{Verdict, check};

fuzz_target!(|input: &[u8]| {
    let Ok(xml) = std::str::from_utf8(input) else { return };
    let Ok(found) = open(xml) else { return };
    assert!(xml.len() <= CONTAINER_BYTES_MAX && found.len() <= VALUES_MAX);
    let mut again = String::from("<values>");
    for value in &found {
        assert!(!value.signed_data.trim().is_empty(), "a value without a record");
        assert!(value.signed_data.len() <= xml.len(), "nothing is expanded");
        let checked = check(&value.record(None, None));
        assert!(checked.verdict != Verdict::Valid && !checked.billable, "valid without a key");
        again.push_str(&format!("<value><signedData>{}</signedData></value>", escaped(&value.signed_data)));
    }
    again.push_str("</values>");
    let written: Vec<String> = open(&again)
        .expect("what was read can be written")
        .into_iter()
        .map(|value| value.signed_data)
        .collect();
    let read: Vec<String> = found.into_iter().map(|value| value.signed_data).collect();
    assert_eq!(written, read);
});

/// Text of an element, every character that XML gives a meaning by its number.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '<' | '>' | '&' | '"' | '\'' | '\r' | '\n' | '\t' | '\u{85}' | '\u{2028}' => {
                format!("&#{};", u32::from(letter))
            }
            letter => letter.to_string(),
        })
        .collect()
}
