//! A page that answers a form, in the other language: nothing that was given is lost, and nothing comes of it.

use veripile_tests::{Database, Server, free_port, provided};

use super::{Visitor, prepare};

/// Whether a page's other language is a button that sends the form, to this address, and no link that drops it.
fn keeps(page: &str, address: &str) -> bool {
    let to = format!("{}\"", address.replace("&lang", "&amp;lang"));
    page.contains(&format!("formaction=\"{to}")) && !page.contains(&format!("<a href=\"{to}"))
}

#[tokio::test]
async fn a_table_is_kept_in_the_other_language_and_not_registered() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let [zh, en] = ["/op/import?&lang=zh", "/op/import?&lang=en"];
    let (_, page) = one.get(en).await;
    assert!(!keeps(&page, zh) && page.contains("<a href=\"/op/import?&amp;lang=zh\""), "{page}");
    let form = |table: &'static str| [("table", table), ("coordinate_system", "gcj02"), ("skip", "yes")];
    let bad = "pile_id,kind,accuracy_class\nN1,xy,2\n";
    let (_, page) = one.post(en, &form(bad)).await;
    assert!(keeps(&page, zh) && page.contains("column kind"), "{page}");
    // A good one, too: only the button of the page itself registers it.
    let good = "pile_id,kind,accuracy_class\nN1,ac,2\n";
    for (table, told) in [(bad, true), (good, false)] {
        let (status, page) = one.post(zh, &[&form(table)[..], &[("do", "show")]].concat()).await;
        assert!(status == 200 && keeps(&page, en) && page.contains(table), "{status} {page}");
        assert!(
            page.contains("value=\"gcj02\" selected") && page.contains("value=\"yes\" checked"),
            "{page}"
        );
        assert_eq!(page.contains("column kind"), told, "{page}");
        assert_eq!(database.number("SELECT count(*) FROM pile WHERE pile_id = 'N1'").await, 0);
    }
    let (_, page) = one.post(zh, &form(good)).await;
    assert!(!keeps(&page, en), "it is done: {page}");
    assert_eq!(database.number("SELECT count(*) FROM pile WHERE pile_id = 'N1'").await, 1);
    // What cannot be kept is said to be lost.
    let (_, page) = one.post("/op/piles/P1/key?lang=en", &[]).await;
    assert!(page.contains("and not again in the other language"), "{page}");
}

#[tokio::test]
async fn forms_of_verifications_are_kept_in_the_other_language() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let password = prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let root = Visitor::sign_in(&server, "root", &password).await.unwrap();
    let model = [("model", "M-7"), ("firmware", "")];
    let (status, page) = root.post("/ver/firmware?&lang=en", &model).await;
    assert!(status == 422 && keeps(&page, "/ver/firmware?&lang=zh"), "{status} {page}");
    for (firmware, expected) in [("", 422), ("1.0", 200)] {
        let form = [("model", "M-7"), ("firmware", firmware), ("do", "show")];
        let (status, page) = root.post("/ver/firmware?&lang=zh", &form).await;
        assert!(status == expected && page.contains("value=\"M-7\""), "{status} {page}");
        assert!(keeps(&page, "/ver/firmware?&lang=en"), "{page}");
    }
    assert!(!root.get("/ver/firmware").await.1.contains("<td>M-7</td>"), "nothing was approved");

    let (status, page) = root.post("/ver/instruments?&lang=en", &[("id", "SRC-7")]).await;
    assert!(status == 422 && keeps(&page, "/ver/instruments?&lang=zh"), "{status} {page}");
    let (status, page) = root.post("/ver/instruments?&lang=zh", &[("id", "SRC-7"), ("do", "show")]).await;
    assert!(status == 422 && page.contains("value=\"SRC-7\""), "{status} {page}");

    // A plan that was proposed has no faults yet; an order that was refused has them in both languages.
    let [zh, en] = ["zh", "en"].map(|language| format!("/ver/orders/new?pile=P1&lang={language}"));
    for (act, status, kept, is_at_fault) in [
        ("propose", 200, "show", false),
        ("show", 200, "show", false),
        ("make", 422, "judge", true),
        ("judge", 422, "judge", true),
    ] {
        let form = [("pile", "P1"), ("connector", "1"), ("cause", "a scratch"), ("do", act)];
        let (answered, page) = root.post(&en, &form).await;
        assert!(answered == status && keeps(&page, &zh), "{act}: {answered} {page}");
        assert!(page.contains(&format!("name=\"do\" value=\"{kept}\"")), "{act}: {page}");
        assert_eq!(
            (page.contains("id=\"faults\""), page.contains("value=\"a scratch\"")),
            (is_at_fault, true),
            "{act}"
        );
    }
    assert_eq!(database.number("SELECT count(*) FROM verification_order").await, 0);
}
