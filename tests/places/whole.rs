//! A registration is whole or is none: with a bad row in any of its files nothing is written, and no key.

use veripile_tests::{Database, command, provided};

use super::{location, owners, refused, written};

/// Whatever is wrong with one file, nothing of the others is registered, and no key that was drawn is left lying about.
#[tokio::test]
async fn with_a_bad_row_in_any_file_nothing_is_registered() {
    let Some((binary, url)) = provided() else { return };
    let database = Database::timescale(&url).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| written(folder.path(), name, content);
    let operators = file("operators.csv", "operator_id,name_zh,name_en\nO1,甲,One\n");
    command(&binary, &database, &["register", "--operators", &operators]);
    let more = file("more.csv", "operator_id,name_zh,name_en\nO1,新,New\nO2,乙,Two\n");
    let stations = file("stations.csv", "station_id,operator_id,name,lon,lat\nS1,O2,a,120.3,31.6\n");
    let piles = file("piles.csv", "pile_id,station_id,kind,accuracy_class\nP1,S1,ac,2\n");
    let (keys, locations) = (folder.path().join("keys.csv"), location("L1", "AAA", "P1", true));
    let locations = file("locations.json", &locations);
    let twice = "keep one of the two";
    for (argument, name, table, why) in [
        (
            "--operators",
            "o2.csv",
            "operator_id,name_zh,name_en\nO2,a,a\nO2,b,b\n",
            ["line 3", "line 2", twice],
        ),
        (
            "--stations",
            "s2.csv",
            "station_id,operator_id,name,lon,lat\nS1,O2,a,120.3,31.6\nS1,O2,b,120.3,31.6\n",
            ["line 3", "line 2", twice],
        ),
        (
            "--piles",
            "p2.csv",
            "pile_id,station_id,kind,accuracy_class\nP1,S1,ac,2\nP2,S1,ac,2\nP1,S1,dc,1\n",
            ["line 4", "line 2", twice],
        ),
        ("--access", "a2.csv", "pile_id,key\nP1,new\nP1,new\n", ["line 3", "line 2", twice]),
        // As a spreadsheet writes it, with an empty line.
        (
            "--piles",
            "p3.csv",
            "pile_id,station_id,kind,accuracy_class\r\nP2,S1,ac,2\r\n\r\nP1,S404,ac,2\r\n",
            ["p3.csv, line 4: station S404 is not registered; register it first (--stations)", "", ""],
        ),
        (
            "--piles",
            "p4.csv",
            "pile_id,operator_id,kind,accuracy_class\nP1,O404,ac,2\n",
            ["p4.csv, line 2: operator O404 is not registered; register it first (--operators)", "", ""],
        ),
        (
            "--stations",
            "s3.csv",
            "station_id,operator_id,name,lon,lat\nS1,O2,a,120.3,31.6\nS2,O404,b,120.3,31.6\n",
            ["s3.csv, line 3: operator O404 is not registered; register it first (--operators)", "", ""],
        ),
        (
            "--access",
            "a3.csv",
            "pile_id,key\nP1,new\nP404,new\n",
            ["access of pile P404", "not registered", ""],
        ),
    ] {
        let bad = file(name, table);
        let mut arguments = vec!["--keys-out", keys.to_str().unwrap(), argument, &bad];
        for (other, good) in [("--operators", &more), ("--stations", &stations), ("--piles", &piles)] {
            if other != argument {
                arguments.extend([other, good]);
            }
        }
        let told = refused(&binary, &database, &arguments);
        assert!(why.iter().all(|words| told.contains(words)), "{name}: {told}");
        assert!(owners(&database).await.is_empty(), "{name}");
        assert_eq!(database.number("SELECT count(*) FROM operator WHERE name_zh = '甲'").await, 1, "{name}");
        assert_eq!(database.number("SELECT count(*) FROM operator").await, 1, "{name}");
        assert!(!keys.exists(), "{name}");
    }
    // A pile in two files is one identifier twice, too.
    let arguments = ["--operator", "O1", "--stations", &locations, "--piles", &piles];
    let told = refused(&binary, &database, &arguments);
    assert!(told.contains("pile P1 stands in") && told.contains("locations.json already"), "{told}");
    assert!(owners(&database).await.is_empty());
}
