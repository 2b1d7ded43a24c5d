//! The files of a document as the server serves them, read by programs that know nothing of ours: the DCC by an XML-schema validator,
//! the PDF by a renderer and a reader of QR codes, and the numbers of both held against the signed JSON's (`tests/documents.py`).

use std::path::Path;

use veripile_tests::{Server, python, script, shared_data};

/// Gets the files of a document and has them read.
pub(crate) async fn read(server: &Server, cookie: &str, number: &str) {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, served) in [
        ("document.json", "json"),
        ("document.dcc.xml", "dcc.xml"),
        ("zh.pdf", "pdf"),
        ("en.pdf", "pdf?lang=en"),
    ] {
        let file = server.file(&format!("/api/v1/certificates/{number}.{served}"), cookie).await;
        std::fs::write(at(name), file).unwrap();
    }
    let address = format!("http://127.0.0.1:{}/c/{number}", server.port);
    let look = |address: &str| script(&python, "documents.py", [folder.path().as_os_str(), address.as_ref()]);
    print!("{number}: {}", look(&address).expect("everything says what is signed"));
    // The reader is one that finds fault: with another address, and with another number in the signed file, DCC and print are wrong.
    let other = look(&format!("{address}0")).expect_err("another address");
    assert_eq!(other.matches("its QR codes say").count(), 2, "{other}");
    let signed = std::fs::read_to_string(at("document.json")).unwrap();
    let spoiled = signed.replacen("\"error_percent\":\"", "\"error_percent\":\"1", 1);
    assert_ne!(spoiled, signed);
    std::fs::write(at("document.json"), spoiled).unwrap();
    let other = look(&address).expect_err("another error");
    for what in ["DCC: point1error is", "zh.pdf: mean of load point 1 is", "en.pdf: mean of load point 1 is"]
    {
        assert!(other.contains(what), "{what}: {other}");
    }
    if let Some(schema) = shared_data("dcc/dcc_3_2_0.xsd") {
        let schemas = schema.parent().map(Path::as_os_str).unwrap();
        let valid = script(&python, "dcc_validate.py", [schemas, at("document.dcc.xml").as_os_str()]);
        assert_eq!(valid.expect("runs").trim(), "valid", "{number}");
    }
}
