//! Lists of more piles than fit into one answer: counts, order and pages are those of all piles, and who asks for what is rare finds it.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::path::PathBuf;

use serde_json::Value;
use veripile_store::Store;
use veripile_tests::{Database, Server, free_port, provided};

/// 6,010 piles at 601 stations: 600 stations of ten piles around the place, and far from it and last by identifier one with a failed pile,
/// five verified ones, and four of which nothing is known.
const MANY: &[&str] = &[
    "INSERT INTO operator (operator_id, name_zh, name_en, search) VALUES ('O1', '甲', 'One', NULL), ('O2', '太湖充电', 'Taihu', NULL)",
    "UPDATE operator SET committed_on = '2026-01-01' WHERE operator_id = 'O2'",
    "INSERT INTO station (station_id, operator_id, name_zh, name_en, lon, lat, region)
     SELECT 'S' || lpad(i::text, 3, '0'), CASE i WHEN 600 THEN 'O2' ELSE 'O1' END, '站' || i, 'Station ' || i,
            120.3 + i * 0.0001 + CASE i WHEN 600 THEN 5 ELSE 0 END, 31.59, '梁溪区' FROM generate_series(0, 600) AS i",
    "INSERT INTO pile (pile_id, station_id, operator_id, kind, accuracy_class, lon, lat, registered, connectors)
     SELECT 'WX-' || lpad(n::text, 4, '0'), station_id, operator_id, 'dc', 2, lon, lat, true, '{gbt_dc}'
     FROM generate_series(0, 6009) AS n JOIN station ON station_id = 'S' || lpad((n / 10)::text, 3, '0')",
    "INSERT INTO standing (pile_no, judged_at, body)
     SELECT pile_no, now(), CASE WHEN pile_id = 'WX-6000' THEN
            '{\"case\": {\"number\": \"K\", \"issuer\": \"I\", \"at\": \"2026-01-05T00:00:00Z\",
                         \"confirmed_at\": \"2026-01-06T00:00:00Z\", \"reply_until\": \"2026-02-06T00:00:00Z\"}}'::jsonb
        ELSE '{\"certificate\": {\"number\": \"C\", \"issuer\": \"I\", \"at\": \"2026-01-05T00:00:00Z\",
                                 \"valid_until\": \"2099-01-05T00:00:00Z\"}}' END
     FROM pile WHERE pile_id BETWEEN 'WX-6000' AND 'WX-6005'",
    // Four were checked, one of them twice; that a case was opened or a certificate withdrawn is no check, and of what two were measured
    // beyond their limit of 2 %, or a notice says, the public knows nothing.
    "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, error_percent, expanded_uncertainty_percent, coverage_factor)
     SELECT pile_no, told.kind, told.number, 'I', 'P', '2026-01-05Z', error, 0.1, 2 FROM pile JOIN (VALUES
         ('WX-6001', 'certificate', 'N', 0.1), ('WX-6001', 'measured', 'N', 0.1), ('WX-6002', 'measured', 'N', NULL),
         ('WX-0003', 'measured', 'N', -2.0), ('WX-6000', 'notice', 'K', 3.2), ('WX-0006', 'measured', 'N', 3.2),
         ('WX-0007', 'measured', 'N', -2.001), ('WX-0008', 'notice', 'N', 3.2), ('WX-0004', 'case_opened', 'N', NULL),
         ('WX-0005', 'certificate_withdrawn', 'N', NULL)) AS told(pile_id, kind, number, error) USING (pile_id)",
    "ANALYZE",
];

async fn many(url: &str) -> Database {
    let database = Database::timescale(url).await;
    let mut store = Store::connect(&database.url).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    for statement in MANY {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    database
}

/// Without the assessment, which would judge from acts what stands here without any.
async fn serve(binary: &PathBuf, database: &Database) -> Server {
    Server::start_with(binary, database, free_port(), "closed", &[("VERIPILE_ROLES", "api")]).await
}

/// How many piles the list says there are, their identifiers on the page, and the page.
async fn found(server: &Server, query: &str) -> (usize, Vec<String>, String) {
    let (status, page) = server.get(&format!("/?lang=en&{query}")).await;
    assert_eq!(status, 200, "{query}: {page}");
    let sentence = page.split("id=\"asked\"").nth(1).unwrap().split("</b>").next().unwrap();
    let number = sentence.rsplit(' ').next().unwrap().parse().unwrap();
    let ids = page.split("<a href=\"/p/").skip(1).map(|rest| rest.split('?').next().unwrap().to_owned());
    (number, ids.collect(), page)
}

#[tokio::test]
async fn of_thousands_of_piles_the_rare_ones_are_found_counted_and_come_first() {
    let Some((binary, url)) = provided() else { return };
    let database = many(&url).await;
    let server = serve(&binary, &database).await;
    let verified: Vec<String> = (6_001..=6_005).map(|n| format!("WX-{n}")).collect();
    assert_eq!(found(&server, "state=failed").await.1, ["WX-6000"]);
    assert_eq!(found(&server, "state=verified").await.1, verified);
    let (count, ids, page) = found(&server, "state=verified_any").await;
    assert_eq!((count, ids), (5, verified.clone()));
    assert!(page.contains("Piles “Verified, monitored or not”: 5"), "{page}");
    assert!(page.contains("<option value=\"verified_any\" selected>"), "{page}");
    assert_eq!(found(&server, "only=in_case").await.0, 1);
    let (all, first, page) = found(&server, "").await;
    assert_eq!((all, first.len(), &first[..5]), (6_010, 50, &verified[..]));
    assert!(page.contains("page=2") && !page.contains("The map shows the first"), "{page}");
    let (_, last, page) = found(&server, "page=121").await;
    assert_eq!(last.last().map(String::as_str), Some("WX-6000"), "{last:?}");
    assert!(last.len() == 10 && !page.contains("class=\"pager\""), "{page}");
    for beyond in ["page=122", "page=200", "view=stations&page=14"] {
        let (all, ids, page) = found(&server, beyond).await;
        assert!(all == 6_010 && ids.is_empty() && page.contains("The list has fewer pages."), "{page}");
        assert!(!page.contains("No pile matches") && !page.contains("class=\"pager\""), "{page}");
    }
    let (_, _, page) = found(&server, "q=nothing&page=2").await;
    assert!(page.contains("No pile matches") && !page.contains("fewer pages"), "{page}");
    let (_, _, page) = found(&server, "view=stations").await;
    assert!(page.matches("<li class=\"station\">").count() == 50 && page.contains("page=2"), "{page}");
    assert!(page.find("Station 600").unwrap() < page.find("Station 0<").unwrap());
    // A station's numbers are of all its piles, whatever is asked; what matches stands beside, and the sign is that of the best of it.
    for (asked, sign, matching) in [
        ("state=failed", ("failed", "Failed 1/10"), Some(1)),
        ("state=due&q=wx600", ("due", "Verification due 4/10"), Some(4)),
        ("state=verified", ("verified", "Verified 5/10"), Some(5)),
        ("q=wx6003", ("verified", "Verified 5/10"), Some(1)),
        ("q=wx6000", ("failed", "Failed 1/10"), Some(1)),
        ("only=in_case", ("failed", "Failed 1/10"), Some(1)),
        ("q=wx600", ("verified", "Verified 5/10"), Some(10)),
        ("bbox=125,31,126,32", ("verified", "Verified 5/10 · Failed 1"), None),
        ("state=verified_any", ("verified", "Verified 5/10"), Some(5)),
    ] {
        let (_, _, page) = found(&server, &format!("view=stations&{asked}")).await;
        let card = page.split("<li class=\"station\">").nth(1).unwrap();
        let (word, text) = sign;
        let badge = format!("class=\"badge {word}\"");
        assert!(card.contains(&badge) && card.contains(&format!("<small>{text} ")), "{asked}: {card}");
        assert!(
            card.contains("0 free of 10") && card.matches("class=\"badge").count() == 1,
            "{asked}: {card}"
        );
        let told = matching.map(|count| format!("{count} of them match"));
        assert!(told.as_ref().is_none_or(|told| card.contains(told)), "{asked}: {card}");
        assert_eq!(told.is_some(), card.contains("of them match"), "{asked}: {card}");
    }
    // Statistics open the list that they count.
    let (_, page) = server.get("/stats?lang=en").await;
    let row =
        page.split("<th scope=\"row\" lang=\"zh-CN\">梁溪区").nth(1).unwrap().split("</tr>").next().unwrap();
    let links: Vec<&str> = row.split("href=\"/?lang=en&#38;").skip(1).collect();
    for (link, expected) in links.iter().zip([6_010, 4, 1, 1]) {
        let (href, cell) = link.split_once('"').unwrap();
        assert!(cell.starts_with(&format!(">{expected}<")), "{href}: {cell}");
        assert_eq!(found(&server, &href.replace("&#38;", "&")).await.0, expected, "{href}");
    }
    assert_eq!(links.len(), 4);
    assert_eq!(found(&server, "only=checked").await.1, ["WX-6001", "WX-6002", "WX-0003", "WX-6000"]);
    // Nor is one that was measured beyond its limit told from one that nobody looked at.
    assert_eq!(found(&server, "only=checked&q=WX-0006").await.0, 0);
    // Of both operators piles were checked on site, and O2 has committed itself.
    let checked = vec![("Taihu", 3), ("One", 1)];
    for (only, operators) in [("checked", checked), ("committed", vec![("Taihu", 10)])] {
        let href = format!("/stats/operators?lang=en&region=%E6%A2%81%E6%BA%AA%E5%8C%BA&only={only}");
        let escaped = href.replace('&', "&#38;");
        let cell = format!("<a rel=\"nofollow\" class=\"target\" href=\"{escaped}\">{}</a>", operators.len());
        assert!(row.contains(&cell), "{cell}: {row}");
        let (_, list) = server.get(&href).await;
        assert_eq!(list.matches("<th scope=\"row\">").count(), operators.len(), "{list}");
        for (name, piles) in operators {
            let line = list.split(&format!("<th scope=\"row\">{name}</th>")).nth(1).unwrap();
            let link = line.split("href=\"").nth(1).unwrap().split_once("\">").unwrap();
            assert!(link.1.starts_with(&format!("{piles}<")), "{line}");
            let asked = link.0.replace("&#38;", "&").replace("&lang=en", "");
            assert_eq!(found(&server, asked.trim_start_matches("/?")).await.0, piles);
        }
    }
    pages_of_statistics(&server).await;
    in_a_part_of_the_map(&server).await;
    nearest(&server).await;
    cut(&server).await;
    operators(&server, &database).await;
    a_large_station(&server, &database).await;
    checks_of_failures(&server, &database).await;
    server.stop();
}

/// A check that found a pile beyond its limit is told with the failure that it led to: when two have confirmed it and the operator's time to
/// reply is over, and of no other case.
async fn checks_of_failures(server: &Server, database: &Database) {
    for (statement, is_told) in [
        ("UPDATE act SET number = 'OTHER' WHERE kind = 'notice' AND number = 'K'", false),
        (
            "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, error_percent, expanded_uncertainty_percent, coverage_factor)
             SELECT pile_no, 'measured', 'M', 'I', 'P', '2026-01-05Z', 3.2, 0.1, 2 FROM pile WHERE pile_id = 'WX-6000'",
            false,
        ),
        (
            "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at)
             SELECT pile_no, 'failure_confirmed', 'K', 'I', 'Q', '2026-01-06Z' FROM pile WHERE pile_id = 'WX-6000'",
            true,
        ),
        ("UPDATE act SET acted_at = '2026-01-07Z' WHERE kind = 'measured' AND number = 'M'", false),
        ("UPDATE act SET acted_at = '2026-01-05Z' WHERE kind = 'measured' AND number = 'M'", true),
        (
            "UPDATE standing SET body = jsonb_set(body, '{case,reply_until}', '\"2099-01-01T00:00:00Z\"')
             WHERE body #>> '{case,number}' = 'K'",
            false,
        ),
    ] {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
        let told = found(server, "only=checked&q=WX-6000").await.0;
        assert_eq!(told, usize::from(is_told), "{statement}");
    }
}

async fn pages_of_statistics(server: &Server) {
    assert_eq!(server.get("/stats?by=nothing").await.0, 400);
    assert_eq!(server.get("/stats?by=region&page=0").await.0, 400);
    for path in ["/stats?page=", "/stats?by=region&page=", "/stats?by=region&page=99"] {
        let (status, page) = server.get(&format!("{path}&lang=en")).await;
        assert!(status == 200 && page.contains("<th scope=\"row\" lang=\"zh-CN\">梁溪区"), "{path}: {page}");
    }
}

async fn in_a_part_of_the_map(server: &Server) {
    // The five stations from 120.3000° to 120.3004°.
    let (count, ids, page) = found(server, "bbox=120.29,31.5,120.30045,31.7").await;
    assert_eq!((count, ids.len()), (50, 50));
    assert!(page.contains("Piles in this part of the map: 50") && page.contains("The whole list"), "{page}");
    let (count, _, page) = found(server, "bbox=120.29,31.5,120.31,31.7&operator=O1").await;
    assert_eq!(count, 1_010);
    assert!(
        page.contains("&#38;page=2")
            && page.contains("bbox=120.29%2C31.5%2C120.31%2C31.7&#38;lang=en&#38;page=2")
    );
    // A driver who looks at a far part of the map sees what is there.
    let (count, ids, _) = found(server, "near=120.3,31.59&bbox=125,31,126,32").await;
    assert_eq!((count, ids[0].as_str(), ids[9].as_str()), (10, "WX-6001", "WX-6000"));
    // There the form does not say that only what is near is listed, but keeps the place for the next search.
    for (part, is_said) in [("", true), ("&bbox=125,31,126,32", false)] {
        let (_, _, page) = found(server, &format!("near=120.3,31.59{part}")).await;
        let tick = page.split("id=\"near-only\"").nth(1).unwrap().split("</label>").next().unwrap();
        assert_eq!(!tick.starts_with(" hidden"), is_said, "{part}: {tick}");
        assert!(tick.contains("name=\"near\" value=\"120.3,31.59\" checked"), "{tick}");
    }
    for bad in ["bbox=1,2,3", "bbox=2,1,1,2", "bbox=a,b,c,d"] {
        assert_eq!(server.get(&format!("/?{bad}")).await.0, 400, "{bad}");
    }
}

/// Whatever does not show all says so, and whatever shows all does not.
async fn cut(server: &Server) {
    let json = |body: &str| serde_json::from_str::<Value>(body).unwrap();
    for (query, drawn, is_cut) in
        [("kind=dc", 5_000, true), ("state=verified", 5, false), ("q=wx60", 10, false)]
    {
        let found = json(&server.get(&format!("/found.geojson?{query}")).await.1);
        assert_eq!(found["features"].as_array().unwrap().len(), drawn, "{query}");
        assert_eq!(found["meta"]["is_cut"], is_cut, "{query}");
        let (_, picture) = server.get(&format!("/mini-map.svg?{query}&lang=en")).await;
        // Piles that stand too close together are one circle, which tells how many.
        let told = picture.split("<title>").skip(1).map(|rest| rest.split('<').next().unwrap());
        let piles: usize = told.map(|told| told.parse().unwrap_or(1)).sum();
        assert_eq!(piles, drawn.min(2_000), "{query}");
        assert_eq!(picture.contains("The first 2000 piles only"), is_cut, "{query}");
    }
    // Of a part of the map: of 500 stations are exactly as many as are drawn.
    for (query, drawn, is_cut) in [
        ("bbox=120,31,120.34995,32&operator=O1", 5_000, false),
        ("bbox=120,31,120.35005,32&operator=O1", 5_000, true),
        ("bbox=120,31,126,32", 5_000, true),
        ("bbox=125,31,126,32&state=failed", 1, false),
        ("bbox=120,31,121,32&state=failed", 0, false),
    ] {
        let found = json(&server.get(&format!("/found.geojson?{query}")).await.1);
        assert_eq!(found["features"].as_array().unwrap().len(), drawn, "{query}");
        assert_eq!(found["meta"]["is_cut"], is_cut, "{query}");
    }
    let found = json(&server.get("/found.geojson?state=failed").await.1);
    assert_eq!(found["features"][0]["id"], "WX-6000");
    assert_eq!(found["features"][0]["properties"]["verification"]["state"], "failed");
    let place = found["features"][0]["geometry"]["coordinates"].as_array().unwrap();
    assert!((place[0].as_f64().unwrap() - 125.36).abs() < 1e-6 && place[1] == 31.59, "{place:?}");
    // There are five: a page of exactly five is the last.
    for (limit, has_next) in [(4, true), (5, false), (6, false)] {
        let list = json(&server.get(&format!("/api/v1/piles?state=verified&limit={limit}")).await.1);
        assert_eq!(list["features"].as_array().unwrap().len(), limit.min(5));
        assert_eq!(list["meta"]["next"].is_string(), has_next, "{limit}");
    }
    // Of the 601 stations those in the box are three.
    for (limit, has_next) in [(2, true), (3, false), (4, false)] {
        let path = format!("/api/v1/stations?bbox=120.2995,31.5,120.30025,31.7&limit={limit}");
        let list = json(&server.get(&path).await.1);
        assert_eq!(list["features"].as_array().unwrap().len(), limit.min(3), "{list}");
        assert_eq!(list["meta"]["next"], if has_next { Value::from("S001") } else { Value::Null }, "{limit}");
    }
    let rest = "/api/v1/stations?bbox=120.2995,31.5,120.30025,31.7&limit=2&cursor=S001";
    let list = json(&server.get(rest).await.1);
    assert_eq!((&list["features"][0]["id"], &list["meta"]["next"]), (&"S002".into(), &Value::Null));
    for path in ["/found.geojson?state=failed", "/mini-map.svg?state=failed"] {
        let (_, headers, _) = server.get_with(path, &[]).await;
        assert!(headers.contains("ratelimit: \"minute\""), "{path}: {headers}");
    }
    let (status, page) = server.get("/?lang=en&page=201").await;
    assert!(status == 400 && page.contains("from 1 to 200"), "{page}");
    let (_, page) = server.get("/?lang=en&q=a+b+c+d+e+f").await;
    assert!(page.contains("Only the first 5 words"), "{page}");
}

/// The form has room for a hundred, those with most piles first; one that is not among them keeps its name, and the list of all is a step
/// away.
async fn operators(server: &Server, database: &Database) {
    let (_, page) = server.get("/?lang=en").await;
    assert!(!page.contains("More operators"), "{page}");
    // A pile each; X99, the last by its identifier, has three.
    for statement in [
        "INSERT INTO operator (operator_id, name_zh, name_en) SELECT 'X' || n, '另' || n, 'Other ' || n FROM generate_series(1, 100) AS n",
        "INSERT INTO pile (pile_id, operator_id, kind, accuracy_class, registered)
         SELECT 'A-' || n, 'X' || n, 'ac', 2, true FROM generate_series(1, 100) AS n
         UNION ALL SELECT 'B-' || n, 'X99', 'ac', 2, true FROM generate_series(1, 2) AS n",
    ] {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    let href = "<a class=\"target\" href=\"/stats/operators?kind=dc&#38;lang=en\">More operators</a>";
    let mut page = String::new();
    // They are counted with all piles, now and then.
    for _ in 0..100 {
        page = server.get("/?lang=en&kind=dc&operator=X98").await.1;
        if page.contains(href) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(page.contains(href) && page.contains("selected>Other 98</option>"), "{page}");
    assert!(page.matches("<option value=\"X").count() == 99 && page.contains("of Other 98"), "{page}");
    let places = ["O1", "O2", "X99", "X1", "X98"].map(|id| page.find(&format!("<option value=\"{id}\"")));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {page}");
    // With most piles first; who has none is not listed.
    let (_, list) = server.get("/stats/operators?lang=en&kind=dc").await;
    let names: Vec<&str> =
        list.split("<th scope=\"row\">").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(names, ["One", "Taihu"], "{list}");
    assert!(list.contains("Piles DC") && list.contains(">6000</a>"), "{list}");
    assert_eq!(server.get("/stats/operators?kind=x").await.0, 400);
    let (_, list) = server.get("/stats/operators?lang=en&operator=O2").await;
    assert!(list.contains("Piles of Taihu"), "{list}");
    // Whoever searches among them keeps what was asked: of Taihu's ten piles one failed, and five are verified.
    for (state, piles) in [("failed", 1), ("verified", 5)] {
        let asked = format!("lang=en&kind=dc&connector=gbt_dc&state={state}&view=stations");
        let (_, list) = server.get(&format!("/stats/operators?{asked}&q=wx")).await;
        let form = list.split("action=\"/stats/operators\"").nth(1).unwrap().split("</form>").next().unwrap();
        let hidden = form.split("<input type=\"hidden\" name=\"").skip(1).map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"").unwrap();
            format!("{name}={}", rest.split('"').next().unwrap())
        });
        let hidden = hidden.collect::<Vec<_>>().join("&");
        let (_, list) = server.get(&format!("/stats/operators?{hidden}&q=taihu")).await;
        assert!(list.contains(&format!("&#38;lang=en\">{piles}</a>")), "{hidden}: {list}");
        assert_eq!(list.matches("<th scope=\"row\">").count(), 1, "{list}");
    }
}

/// More piles than are read of one station: its numbers are of all, and that not all are listed is said.
async fn a_large_station(server: &Server, database: &Database) {
    let (_, page) = server.get("/s/S600?lang=en").await;
    assert!(page.contains("0 free of 10") && !page.contains("rows are listed here"), "{page}");
    for statement in [
        "INSERT INTO station (station_id, operator_id, name_zh, name_en, lon, lat) VALUES ('S700', 'O1', '大站', 'Large', 120, 31)",
        "INSERT INTO pile (pile_id, station_id, operator_id, kind, accuracy_class, registered)
         SELECT 'L-' || n, 'S700', 'O1', 'dc', 2, true FROM generate_series(1, 2100) AS n",
    ] {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    let (_, page) = server.get("/s/S700?lang=en").await;
    assert!(page.contains("0 free of 2100") && page.contains("At most 2000 rows are listed here"), "{page}");
}

async fn nearest(server: &Server) {
    for (path, expected) in [
        ("piles?near=120.30,31.59&state=failed", vec!["WX-6000"]),
        ("piles?near=120.30,31.59&state=verified&limit=2", vec!["WX-6001", "WX-6002"]),
        ("stations?near=120.30,31.59&state=failed", vec!["S600"]),
        ("stations?near=120.30,31.59&state=out_of_use", vec![]),
        ("stations?state=verified", vec!["S600"]),
        ("piles?state=failed", vec!["WX-6000"]),
    ] {
        let (status, body) = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!(status, 200, "{path}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let ids: Vec<&str> =
            body["features"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{path}");
    }
}

#[tokio::test]
async fn identifiers_have_one_collation_and_stations_find_their_piles_by_index() {
    let Some((_, url)) = provided() else { return };
    let database = many(&url).await;
    let apart = "SELECT count(*) FROM pg_constraint AS c, unnest(c.conkey, c.confkey) AS pair(here, there)
                 JOIN LATERAL (SELECT attcollation FROM pg_attribute WHERE attrelid = c.conrelid AND attnum = here) AS a ON true
                 JOIN LATERAL (SELECT attcollation FROM pg_attribute WHERE attrelid = c.confrelid AND attnum = there) AS b ON true
                 WHERE c.contype = 'f' AND a.attcollation <> b.attcollation";
    assert_eq!(database.number(apart).await, 0, "a column has another collation than what it refers to");
    let others = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'text'
                  AND column_name IN ('pile_id', 'station_id', 'operator_id') AND collation_name IS DISTINCT FROM 'C'";
    assert_eq!(database.number(others).await, 0, "an identifier is compared in another way than the rest");
    let connection = &mut database.connect().await;
    for setting in ["SET enable_hashjoin = off", "SET enable_mergejoin = off"] {
        sqlx::query(setting).execute(&mut *connection).await.unwrap();
    }
    let plan: Vec<(String,)> = sqlx::query_as(
        "EXPLAIN SELECT station_id FROM station WHERE EXISTS
            (SELECT FROM pile WHERE pile.station_id = station.station_id AND 'chademo' = ANY(connectors) OFFSET 0)",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let plan: Vec<&str> = plan.iter().map(|(line,)| line.as_str()).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("pile_by_station") && !plan.contains("Seq Scan on pile"), "{plan}");
}

/// What an upgrade leaves behind is found by index; and standings of before say by what use was stopped.
#[tokio::test]
async fn what_former_versions_wrote_is_completed() {
    let Some((binary, url)) = provided() else { return };
    let database = many(&url).await;
    for statement in [
        "UPDATE station SET search = 'x'",
        "UPDATE operator SET search = 'x'",
        "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at)
         SELECT pile_no, told.kind, told.number, '市监', 'P', told.at::timestamptz FROM pile JOIN (VALUES
             ('WX-0010', 'use_stopped', 'S-0', '2026-01-01Z'), ('WX-0010', 'use_resumed', 'R-0', '2026-01-02Z'),
             ('WX-0010', 'use_stopped', 'S-1', '2026-02-01Z'), ('WX-0011', 'use_stopped', 'S-2', '2026-02-01Z'))
             AS told(pile_id, kind, number, at) USING (pile_id)",
        "INSERT INTO standing (pile_no, judged_at, body)
         SELECT pile_no, '2026-02-01Z', told.body::jsonb FROM pile JOIN (VALUES
             ('WX-0010', '{\"stopped_at\": \"2026-02-01T00:00:00Z\", \"stopped_by\": null}'),
             ('WX-0011', '{\"stopped_at\": \"2026-02-01T00:00:00Z\", \"stopped_by\": {\"number\": \"KEPT\", \"issuer\": \"I\"}}'),
             ('WX-0012', '{\"stopped_at\": \"2026-02-01T00:00:00Z\"}')) AS told(pile_id, body) USING (pile_id)",
        "DROP INDEX station_without_search, operator_without_search",
        include_str!("../crates/store/migrations/0031_without.sql"),
        "ANALYZE",
    ] {
        sqlx::raw_sql(statement).execute(&mut database.connect().await).await.unwrap();
    }
    let server = serve(&binary, &database).await;
    for (pile, number, issuer) in [
        ("WX-0010", "S-1".into(), "市监".into()),
        ("WX-0011", "KEPT".into(), "I".into()),
        ("WX-0012", Value::Null, Value::Null),
    ] {
        let (_, body) = server.get(&format!("/api/v1/piles/{pile}")).await;
        let told = serde_json::from_str::<Value>(&body).unwrap()["verification"].take();
        assert_eq!(
            (&told["state"], &told["number"], &told["issued_by"]),
            (&"out_of_use".into(), &number, &issuer),
            "{pile}"
        );
    }
    let connection = &mut database.connect().await;
    sqlx::query("SET enable_seqscan = off").execute(&mut *connection).await.unwrap();
    let query = "EXPLAIN SELECT name_zh FROM station WHERE search IS NULL ORDER BY station_id LIMIT 500";
    let plan: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut *connection).await.unwrap();
    assert!(plan.join("\n").contains("station_without_search"), "{plan:?}");
    server.stop();
}

#[tokio::test]
async fn piles_are_found_without_hyphen_in_any_width_and_by_their_operator() {
    let Some((binary, url)) = provided() else { return };
    // Its texts are written when the server starts, as after an upgrade.
    let database = many(&url).await;
    let other = "INSERT INTO pile (pile_id, kind, accuracy_class, registered) VALUES ('ÄЯ-1', 'ac', 2, true)";
    sqlx::query(other).execute(&mut database.connect().await).await.unwrap();
    let server = serve(&binary, &database).await;
    for (query, expected) in [
        // äя1, ÄЯ-1 and, as some keyboards send it, A with a mark that follows.
        ("q=%C3%A4%D1%8F1", 1),
        ("q=%C3%84%D0%AF-1", 1),
        ("q=A%CC%88%D0%AF1", 1),
        ("q=WX-0003", 1),
        ("q=wx0003", 1),
        // ＷＸ-0003, and with full-width hyphen and digits; a hyphen of typographers.
        ("q=%EF%BC%B7%EF%BC%B8-0003", 1),
        ("q=%EF%BC%B7%EF%BC%B8%EF%BC%8D%EF%BC%90%EF%BC%90%EF%BC%90%EF%BC%93", 1),
        ("q=wx%E2%80%910003", 1),
        // 太湖充电, its initials, its English name; with a full-width blank between two words.
        ("q=%E5%A4%AA%E6%B9%96%E5%85%85%E7%94%B5", 10),
        ("q=thcd", 10),
        ("q=TAIHU", 10),
        ("q=Taihu%E3%80%806003", 1),
        ("q=-", 6_011),
        ("q=wx99990003", 0),
    ] {
        assert_eq!(found(&server, query).await.0, expected, "{query}");
    }
    // What other hands write while it runs is found soon: öж2, and 后来站 by its initials.
    for statement in [
        "INSERT INTO station (station_id, operator_id, name_zh, name_en, lon, lat) VALUES ('S999', 'O1', '后来站', 'Later', 120, 31)",
        "INSERT INTO pile (pile_id, station_id, kind, accuracy_class, registered) VALUES ('ÖЖ-2', 'S999', 'ac', 2, true)",
    ] {
        sqlx::query(statement).execute(&mut database.connect().await).await.unwrap();
    }
    for query in ["q=%C3%B6%D0%B62", "q=hlz"] {
        let mut seconds = 0..30;
        while found(&server, query).await.0 != 1 {
            assert!(seconds.next().is_some(), "{query}");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
    assert!(server.stop(), "also in the middle of it");
}
