//! The XML file of S.A.F.E.

use super::super::container::{
    CONTAINER_BYTES_MAX, Contained, ContainerError, SuppliedKey, VALUES_MAX, open,
};
use super::super::pair::join;
use super::*;

fn value(half: &Known, context: &str, format: &str) -> String {
    let data = half.signed_data.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<value transactionId=\"7\" context=\"Transaction.{context}\">\n <signedData format=\"{format}\" encoding=\"plain\">{data}\
         </signedData><publicKey encoding=\"hex\">{}</publicKey></value>\n",
        half.public_key
    )
}

fn judged(contained: &Contained) -> Checked {
    let key = contained.self_supplied_key.as_ref().expect("it came along");
    check(&contained.record(Some(&key.text), key.encoding))
}

#[test]
fn both_records_of_a_charge_come_out_of_a_file_and_are_joined() {
    for (format, begin, end) in [("EDL_40_P", "edl40 begin", "edl40 end"), ("OCMF", "ocmf begin", "ocmf end")]
    {
        let values = [value(&half(begin), "Begin", format), value(&half(end), "End", format)].concat();
        let file = format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- two --><values>{values}</values>\n"
        );
        let contained = open(&file).expect("it opens");
        let [first, last] = contained.as_slice() else { panic!("{contained:?}") };
        assert_eq!(
            (first.context.as_deref(), last.context.as_deref()),
            (Some("Transaction.Begin"), Some("Transaction.End"))
        );
        assert_eq!(
            (first.transaction_id.as_deref(), first.format_name.as_deref()),
            (Some("7"), Some(format))
        );
        assert_eq!(first.signed_data, half(begin).signed_data);
        let key = SuppliedKey { text: half(begin).public_key, encoding: Some(Encoding::Hex) };
        assert_eq!(first.self_supplied_key, Some(key));
        assert_eq!(check(&first.record(None, None)).verdict, Verdict::NoKey, "the key is not taken unasked");
        assert!(join(&judged(first), &judged(last)).billable);
    }
}

#[test]
fn text_arrives_as_it_was_meant() {
    let data = |inner: &str| {
        let file = format!(
            "<values><other><deep/></other><value x='1'><signedData>{inner}</signedData></value></values>"
        );
        open(&file).map(|contained| contained[0].signed_data.clone())
    };
    let check = |inner: &str, expected: &str| assert_eq!(data(inner).as_deref(), Ok(expected), "{inner}");
    check("a &lt;&amp;&gt;&quot;&apos; b", "a <&>\"' b");
    check("&#65;&#x42;", "AB");
    check("<![CDATA[OCMF|{\"a\":\"&<\"}]]>|x", "OCMF|{\"a\":\"&<\"}|x");
    check("a\r\nb", "a\nb");
    check("a<!-- not this -->b<?nor this?>c", "abc");
    assert_eq!(data("&nbsp;"), Err(ContainerError::Entity("nbsp".to_owned())));
    assert!(data("&#0;").is_err() && data("&#x110000;").is_err());
    assert!(matches!(data("a<b/>c"), Err(ContainerError::Xml(_))));
    assert_eq!(data(" "), Err(ContainerError::NoSignedData));
}

#[test]
fn a_file_that_is_not_whole_or_not_this_one_is_refused() {
    let check = |file: &str, expected: &ContainerError| {
        assert_eq!(open(file).as_ref(), Err(expected), "{}", &file[..file.len().min(100)]);
    };
    let bomb = "<!DOCTYPE values [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><values>&b;</values>";
    check(bomb, &ContainerError::DocumentType);
    check("<values><value/></values>", &ContainerError::NoSignedData);
    check("<values><value><publicKey>04</publicKey></value></values>", &ContainerError::NoSignedData);
    check("<current></current>", &ContainerError::NotValues);
    check("<values/><values/>", &ContainerError::NotValues);
    check("", &ContainerError::NotValues);
    check("OCMF|{}|{}", &ContainerError::NotValues);
    let twice = "<values><value><signedData>a</signedData><signedData>b</signedData></value></values>";
    check(twice, &ContainerError::Twice("signedData"));
    let keys = "<values><value><publicKey>a</publicKey><publicKey>b</publicKey></value></values>";
    check(keys, &ContainerError::Twice("publicKey"));
    let rot = "<values><value><signedData encoding='rot13'>a</signedData></value></values>";
    check(rot, &ContainerError::Encoding("rot13".to_owned()));
    check(&"<values>".repeat(20), &ContainerError::TooDeep);
    check(&" ".repeat(CONTAINER_BYTES_MAX + 1), &ContainerError::TooLong);
    let many = "<value><signedData>a</signedData></value>".repeat(VALUES_MAX + 1);
    check(&format!("<values>{many}</values>"), &ContainerError::TooMany);
    for cut in [
        "<values>",
        "<values><value><signedData>a</signedData>",
        "<values></value></values>",
        "<values",
        "</values>",
    ] {
        assert!(matches!(open(cut), Err(ContainerError::Xml(_))), "{cut}");
    }
    assert_eq!(open("<values/>"), Ok(Vec::new()));
    let unknown = "<values><value><signedData format='EDL_40_SIG'>a</signedData></value></values>";
    let contained = open(unknown).expect("it opens");
    assert_eq!((contained[0].format, contained[0].format_name.as_deref()), (None, Some("EDL_40_SIG")));
}

proptest! {
    #[test]
    fn no_file_makes_us_panic(text in "\\PC{0,100}", tags in "[<>/=&;'\"a-z#x0 ]{0,100}") {
        let _ = open(&text);
        let _ = open(&tags);
        let _ = open(&format!("<values><value {tags}><signedData {text}>{tags}</signedData></value></values>"));
        let _ = open(&format!("<values><value><signedData>{tags}{text}</signedData></value></values>"));
    }
}
