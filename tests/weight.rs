//! A pile's page with as much on it as can be: it opens on a bad line all the same, and says what it leaves out.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use veripile_tests::{Database, Server, command, free_port, provided, written};

/// Pages of the public stay under this, bytes.
const PAGE_BYTES_MAX: usize = 40 * 1024;

/// Everything that a pile's page lists, of each more than it lists, with long names: 60 charges, a year of weeks, 51 steps, 100 versions of
/// firmware, 40 acts, 15 documents, 25 seals, 6 keys of RSA with 4,096 bits, 20 signed values of meters with serial numbers of 10 kB.
const FULL: [&str; 11] = [
    "UPDATE pile SET model = repeat('型', 200), meter_serial = repeat('9', 200)",
    "INSERT INTO charge (pile_no, reference, connector, started_at, ended_at, energy_pile_wh, energy_vehicle_wh, marks, updated_at)
     SELECT pile_no, 'R' || n, 1, now() - n * interval '3 hours', now() - n * interval '3 hours' + interval '2 hours', 123456.789, 120000,
            '{offline,sequence_gap,power_over_rating,vehicle_span_differs}', now() FROM pile, generate_series(1, 60) AS n",
    "INSERT INTO weekly_error SELECT pile_no, week - n, 0.001 * (n % 7 - 3), 0.001, 20
     FROM pile, generate_series(0, 51) AS n, (SELECT floor((extract(epoch FROM now()) + 259200) / 604800)::int AS week) AS this",
    "INSERT INTO error_step SELECT pile_no, week - n, week - n, week - n - 1, week - n, 0.002 + 0.0001 * n, 0.0005, 20
     FROM pile, generate_series(0, 50) AS n, (SELECT floor((extract(epoch FROM now()) + 259200) / 604800)::int AS week) AS this",
    "INSERT INTO firmware_change SELECT pile_no, now() - n * interval '3 days', 'version ' || n || repeat('x', 40)
     FROM pile, generate_series(0, 100) AS n",
    "INSERT INTO act (pile_no, kind, number, issuer, person, acted_at, valid_until, error_percent, expanded_uncertainty_percent, coverage_factor)
     SELECT pile_no, 'certificate', 'JD-2026-' || pile_no || '-' || n, repeat('计量所', 10), 'P', now() - n * interval '8 days',
            now() + interval '1 year', 0.123, 0.2, 2 FROM pile, generate_series(1, 40) AS n",
    "INSERT INTO verification_order (number, pile_no, state, instruments, body, made_at)
     SELECT 'O-' || pile_no || '-' || n, pile_no, 'issued', '{}', '{}', now() FROM pile, generate_series(1, 15) AS n",
    "INSERT INTO verification_certificate (order_no, number, pile_no, connector, kind, issuer, verified_on, valid_until, issued_at, json, sha256, pdf)
     SELECT order_no, '检定-2026-' || order_no, pile_no, 1, 'certificate', '计量所', now()::date, now()::date + 365, now(), '{}', '', ''
     FROM verification_order",
    "INSERT INTO seal SELECT max(certificate_no), 'SEAL-' || pile_no || '-' || n, repeat('电表箱门', 5), NULL
     FROM verification_certificate, generate_series(1, 25) AS n GROUP BY pile_no, n",
    "INSERT INTO meter_key (pile_no, public_key, meter_serial) SELECT pile_no, lpad(n::text, 1100, '0a'), repeat('9', 10000)
     FROM pile, generate_series(1, 6) AS n",
    "INSERT INTO signed_value (pile_no, at, received_at, connector, digest, container, sealed, verdict, layers, meter_serial)
     SELECT pile_no, now() - n * interval '1 hour', now(), 1, gen_random_uuid(), 'c' || n, '', 'valid', '{}', repeat('9', 10000)
     FROM pile, generate_series(1, 20) AS n",
];

/// What is said of both piles, with an estimate that has a level.
const STANDING: &str = "INSERT INTO standing (pile_no, judged_at, body)
     SELECT pile_no, now(), jsonb_build_object(
         'certificate', jsonb_build_object('number', 'JD-2026-' || pile_no || '-1', 'issuer', repeat('计量所', 10), 'at', now(),
             'valid_until', now() + interval '1 year'),
         'estimate', jsonb_build_object('as_of', now(), 'component', 0, 'grounded', true, 'charges', 300, 'limit', 0.02,
             'period', jsonb_build_array(now() - interval '180 days', now()), 'error', 0.001, 'standard_uncertainty', 0.001,
             'probability_conform', 0.99, 'rule', 'test', 'verdict', 'conform'))
     FROM pile ON CONFLICT (pile_no) DO UPDATE SET judged_at = excluded.judged_at, body = excluded.body";

#[tokio::test]
async fn the_page_of_a_pile_of_which_there_is_much_to_say_opens_on_a_bad_line() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let name = "站".repeat(200);
    let longest = "桩".repeat(64);
    let operators = file("operators.csv", &format!("operator_id,name_zh,name_en\nO1,{name},{name}\n"));
    let stations =
        file("stations.csv", &format!("station_id,operator_id,name,lon,lat\nS1,O1,{name},120.301,31.575\n"));
    let piles = file(
        "piles.csv",
        &format!(
            "pile_id,station_id,kind,accuracy_class,power_kw,lon,lat\nWX-0001,S1,dc,1,120,120.301,31.575\n{longest},S1,dc,1,120,120.301,31.575\n"
        ),
    );
    command(
        &binary,
        &database,
        &["register", "--operators", &operators, "--stations", &stations, "--piles", &piles],
    );
    // Nobody judges the piles anew.
    let settings = [("VERIPILE_ROLES", "api")];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    let mut connection = database.connect().await;
    for query in FULL.into_iter().chain([STANDING]) {
        sqlx::query(query).execute(&mut connection).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
    database.count_charges().await;
    for lang in ["zh", "en"] {
        for (path, charges) in [("/p/WX-0001", 5), (format!("/p/{}", "%E6%A1%A9".repeat(64)).as_str(), 0)] {
            let (status, page) = server.get(&format!("{path}?lang={lang}")).await;
            assert!(
                status == 200 && page.len() < PAGE_BYTES_MAX,
                "{path} {lang}: {status}, {} bytes",
                page.len()
            );
            // A year of weeks, and of what happened in it the newest and the largest: ten of a kind.
            assert_eq!(page.matches("class=\"point\"").count(), 52, "{page}");
            for kind in ["step", "firmware", "on_site"] {
                assert_eq!(page.matches(&format!("<g class=\"event {kind}\"")).count(), 10, "{kind}: {page}");
            }
            let listed = page.matches("<a href=\"/check?charge=").count();
            assert!(
                (charges..30).contains(&listed) && page.contains(&format!("{listed} / 60")),
                "{listed}: {page}"
            );
            // 51 steps, 100 changes of firmware and 40 results.
            let events = page.matches("class=\"event-mark ").count();
            assert!(page.contains(&format!(" {}</p>", 191 - events)), "{events}: {page}");
            let says = if lang == "zh" {
                "以上各项只列出最新的一部分"
            } else {
                "the newest of each kind only"
            };
            assert!(page.contains(says), "{page}");
        }
        let (_, page) = server.get(&format!("/p/WX-0001?lang={lang}")).await;
        assert!(page.contains("<svg class=\"qr\"") && page.contains("class=\"key\""), "{page}");
    }
}

/// Identifiers of 64 characters, each of which takes nine letters in an address, and names as long as can be.
#[tokio::test]
async fn pages_of_long_identifiers_open_on_a_bad_line_and_say_nothing_of_records_that_are_not_there() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let (name, long) = ("站".repeat(255), "长".repeat(64));
    let operators = file("operators.csv", &format!("operator_id,name_zh,name_en\nO1,{name},{name}\n"));
    let stations = file(
        "stations.csv",
        &format!(
            "station_id,operator_id,name,lon,lat,region,address,phone,fee_cny_kwh,fee_note\n\
             {long},O1,{name},120.301,31.575,{name},{name},{name},1.25,{name}\n"
        ),
    );
    let pile = |n: usize| format!("{}{n:03}", "桩".repeat(61));
    let rows: String = (0..40).fold(String::new(), |rows, n| {
        rows + &format!("{},{long},dc,1,60,{},S{n}\n", pile(n), "型".repeat(200))
    });
    let header = "pile_id,station_id,kind,accuracy_class,power_kw,model,meter_serial";
    let piles = file("piles.csv", &format!("{header}\n{rows}"));
    command(
        &binary,
        &database,
        &["register", "--operators", &operators, "--stations", &stations, "--piles", &piles],
    );
    let settings = [("VERIPILE_ROLES", "api")];
    let server = Server::start_with(&binary, &database, free_port(), "closed", &settings).await;
    let segment = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    for lang in ["zh", "en"] {
        let mut listed = 0;
        let mut path = format!("/s/{}?lang={lang}", segment(&long));
        for _ in 0..4 {
            let (status, page) = server.get(&path).await;
            assert!(status == 200 && page.len() < PAGE_BYTES_MAX, "{path}: {status}, {} bytes", page.len());
            listed += page.matches("<li><a href=\"/p/").count();
            let pager = page.split("class=\"pager\"").nth(1).and_then(|rest| rest.split("</p>").next());
            let pager = pager.unwrap_or_default();
            let Some(next) = pager.rsplit("<a href=\"").next().filter(|_| listed < 40) else { break };
            path = next.split('"').next().unwrap().replace("&#38;", "&");
        }
        assert_eq!(listed, 40, "{lang}");
        let (status, page) = server.get(&format!("/p/{}?lang={lang}", segment(&pile(0)))).await;
        assert!(status == 200 && page.len() < PAGE_BYTES_MAX, "{status}, {} bytes", page.len());
        assert!(page.contains("<svg class=\"qr\""), "{page}");
        assert!(
            !page.contains("只列出最新的一部分") && !page.contains("the newest of each kind only"),
            "{page}"
        );
    }
}
