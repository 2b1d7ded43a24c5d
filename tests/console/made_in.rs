//! Years in which piles were made, from the table of the operators' page of import, as from that of the command.

use veripile_tests::{Database, Server, free_port, provided};

use super::{Visitor, prepare};

#[tokio::test]
async fn the_page_takes_the_year_that_a_pile_was_made_in() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    prepare(&binary, &database);
    let server = Server::start(&binary, &database, free_port(), "closed").await;
    let one = Visitor::sign_in(&server, "one", "a password of mine").await.unwrap();
    let years = async || -> Vec<(String, Option<i16>)> {
        sqlx::query_as("SELECT pile_id, made_in FROM pile ORDER BY pile_id")
            .fetch_all(&mut database.connect().await)
            .await
            .unwrap()
    };
    let told = |rows: &[(&str, Option<i16>)]| -> Vec<(String, Option<i16>)> {
        rows.iter().map(|(id, year)| ((*id).to_owned(), *year)).collect()
    };
    let (_, page) = one.get("/op/import?lang=en").await;
    assert!(page.contains("meter_serial,made_in"), "the help names it: {page}");

    let table = "pile_id,station_id,kind,accuracy_class,made_in\nN1,S1,ac,2,2019\nP1,S1,ac,2,2021\n";
    let (_, page) = one.post("/op/import?lang=en", &[("table", table)]).await;
    assert!(page.contains("Registered: <b>2</b>"), "{page}");
    assert_eq!(years().await, told(&[("N1", Some(2019)), ("P1", Some(2021)), ("P2", None)]));

    // A table without the column leaves it, an empty cell takes it back.
    for (table, expected) in [
        ("pile_id,kind,accuracy_class,model\nP1,ac,2,M\n", Some(2021)),
        ("pile_id,kind,accuracy_class,made_in\nP1,ac,2,\n", None),
    ] {
        let (_, page) = one.post("/op/import?lang=en", &[("table", table)]).await;
        assert!(page.contains("Registered: <b>1</b>"), "{page}");
        assert_eq!(years().await, told(&[("N1", Some(2019)), ("P1", expected), ("P2", None)]));
    }

    // No year, and another operator's pile: both are told, and where bad rows are passed over neither has a year by it.
    let bad =
        "pile_id,station_id,kind,accuracy_class,made_in\nN1,S1,ac,2,1889\nP2,S2,dc,2,2020\nP1,S1,ac,2,2022\n";
    let (_, page) = one.post("/op/import?lang=en", &[("table", bad)]).await;
    assert!(page.contains("<td>2</td><td>column made_in: 1889 is no year from 1990 to "), "{page}");
    assert!(page.contains("P2: column") && page.contains("Nothing was registered"), "{page}");
    assert_eq!(years().await, told(&[("N1", Some(2019)), ("P1", None), ("P2", None)]));
    let (_, page) = one.post("/op/import?lang=en", &[("table", bad), ("skip", "yes")]).await;
    assert!(page.contains("Registered: <b>1</b>"), "{page}");
    assert_eq!(years().await, told(&[("N1", Some(2019)), ("P1", Some(2022)), ("P2", None)]));
}
