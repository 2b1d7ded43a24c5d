//! What tables may say, row by row.

use super::*;

/// As many characters as stand on a line, of whatever script: one more is told with line and column.
#[test]
fn names_are_held_to_a_line() {
    let assumed = Assumed::default();
    for (header, row, column) in [
        ("station_id,operator_id,name_zh,lon,lat", "S1,O1,NAME,120.3,31.6", "name_zh"),
        ("station_id,operator_id,name_zh,name_en,lon,lat", "S1,O1,站,NAME,120.3,31.6", "name_en"),
        ("station_id,operator_id,name,lon,lat", "S1,O1,NAME,120.3,31.6", "name"),
        ("pile_id,kind,accuracy_class,model", "P1,ac,2,NAME", "model"),
    ] {
        let read = |chars: usize| {
            let named = row.replace("NAME", &"站".repeat(chars));
            import(&format!("{header}\n{named}\n"), &assumed)
        };
        let fits = read(255);
        assert!(fits.errors.is_empty() && fits.stations.len() + fits.piles.len() == 1, "{fits:?}");
        let told = read(256);
        let [error] = &told.errors[..] else { panic!("{column}: {told:?}") };
        let expected = format!("column {column}: longer than 255 characters");
        assert_eq!((error.line, &error.reason), (2, &expected));
    }
    let operators = |chars: usize| {
        let text = format!("operator_id,name_zh,name_en\nO1,甲,{}\n", "x".repeat(chars));
        Table::of_text(&text, &[]).and_then(|table| table.rows(|row| operator(&row).map(drop)))
    };
    assert!(operators(255).is_ok());
    let error = operators(256).expect_err("too long").to_string();
    assert_eq!(error, "column name_en: longer than 255 characters");
}

/// A power that no pile has is told with line and column; 200 kW AC and 5 MW DC are the most there is.
#[test]
fn power_is_what_a_pile_can_have() {
    let read = |kind: &str, kw: &str| {
        import(&format!("pile_id,kind,accuracy_class,power_kw\nP1,{kind},2,{kw}\n"), &Assumed::default())
    };
    for (kind, kw) in [("ac", ""), ("ac", "0.5"), ("ac", "200"), ("dc", "5000.0")] {
        assert_eq!(read(kind, kw).piles.len(), 1, "{kind} {kw}: {:?}", read(kind, kw));
    }
    for (kind, kw) in [
        ("ac", "0"),
        ("ac", "-7"),
        ("ac", "200.1"),
        ("dc", "5001"),
        ("dc", "70000000000000000000000000000"),
        ("dc", "1e4"),
        ("dc", "NaN"),
    ] {
        let told = read(kind, kw);
        let [error] = &told.errors[..] else { panic!("{kind} {kw}: {told:?}") };
        assert!(error.line == 2 && error.reason.starts_with("column power_kw: "), "{kind} {kw}: {error:?}");
    }
}

/// The database can hold none: the row and the column are told, of stations and of piles.
#[test]
fn a_nul_in_a_text_is_told_with_line_and_column() {
    for (header, row, column) in [
        ("station_id,operator_id,name,lon,lat", "S1,O1,a\0b,120.3,31.6", "name"),
        ("station_id,operator_id,name,lon,lat,fee_note", "S1,O1,a,120.3,31.6,\0", "fee_note"),
        ("pile_id,kind,accuracy_class,meter_serial", "P1,ac,2,7\0", "meter_serial"),
    ] {
        let told = import(&format!("{header}\n{row}\n"), &Assumed::default());
        let [error] = &told.errors[..] else { panic!("{column}: {told:?}") };
        assert_eq!(error.line, 2);
        assert!(error.reason.starts_with(&format!("column {column}: has a NUL")), "{error:?}");
    }
}

/// A station always has a name; any other empty cell says that there is none.
#[test]
fn an_empty_name_is_unsaid() {
    let read = |cells: &str| {
        let table =
            format!("station_id,operator_id,name_zh,name_en,phone,lon,lat\nS1,O1,{cells},,120.3,31.6\n");
        import(&table, &Assumed::default()).stations.remove(0).unsaid
    };
    let names = [Field::NameZh, Field::NameEn];
    let unsaid = |cells: &str| names.map(|field| read(cells).contains(&field));
    assert_eq!((unsaid(","), unsaid("甲,"), unsaid("甲,A")), ([true, true], [false, true], [false, false]));
    assert!(!read(",").contains(&Field::Phone));
}

/// What a list tells of the number of piles is kept, and only if a station can have so many.
#[test]
fn the_number_of_piles_that_is_told_is_kept() {
    let read = |header: &str, cell: &str| {
        let table = format!("station_id,operator_id,name,lon,lat{header}\nS1,O1,a,120.3,31.6{cell}\n");
        import(&table, &Assumed::default())
    };
    for (cell, told) in [(",20", Some(20)), (",0", Some(0)), (",", None)] {
        let station = read(",piles", cell).stations.remove(0);
        assert_eq!(
            (station.record.told_piles, station.unsaid.contains(&Field::ToldPiles)),
            (told, false),
            "{cell}"
        );
    }
    assert!(read("", "").stations.remove(0).unsaid.contains(&Field::ToldPiles));
    for cell in [",-1", ",many", ",2.5", ",10001"] {
        let told = read(",piles", cell);
        let [error] = &told.errors[..] else { panic!("{cell}: {told:?}") };
        assert!(error.line == 2 && error.reason.starts_with("column piles: "), "{cell}: {error:?}");
    }
}

/// Two rows of one identifier are told with both lines; the first is none the worse for it.
#[test]
fn an_identifier_twice_names_both_lines() {
    for (table, what) in [
        (
            "station_id,operator_id,name,lon,lat\nS1,O1,a,120.3,31.6\nS2,O1,b,120.3,31.6\nS1,O1,c,120.3,31.6\n",
            "station S1",
        ),
        ("pile_id,kind,accuracy_class\nP1,ac,2\nP2,ac,2\nP1,dc,1\n", "pile P1"),
    ] {
        let told = import(table, &Assumed::default());
        let [error] = &told.errors[..] else { panic!("{told:?}") };
        let expected = format!("{what} stands in line 2 already; keep one of the two");
        assert_eq!((error.line, &error.reason), (4, &expected));
        assert_eq!(told.stations.len() + told.piles.len(), 2);
    }
}

/// Of two columns of one name nobody knows which is meant, needed or not; columns without a name are no two of one.
#[test]
fn a_column_twice_is_told_by_its_name() {
    for (header, column) in [
        ("pile_id,kind,accuracy_class,kind", "kind"),
        ("pile_id,kind,accuracy_class,model, model ", "model"),
        ("\u{feff}pile_id,kind,accuracy_class,pile_id", "pile_id"),
        ("station_id,operator_id,name,lon,lat,remark,remark", "remark"),
    ] {
        let told = import(&format!("{header}\nP1,ac,2,A,B\n"), &Assumed::default());
        let [error] = &told.errors[..] else { panic!("{header}: {told:?}") };
        assert_eq!(error.reason, format!("table, line 1: the column {column} stands twice; remove one"));
        assert!(told.piles.is_empty() && told.stations.is_empty(), "{told:?}");
    }
    let told = import("pile_id,kind,accuracy_class,,\nP1,ac,2,,\n", &Assumed::default());
    assert_eq!((told.piles.len(), told.errors.len()), (1, 0), "{told:?}");
}

/// What a table says of a pile's efficiency: nothing without a column for it, and none with an empty one.
#[test]
fn an_efficiency_is_a_fraction_with_its_uncertainty() {
    let read = |columns: &str, cells: &str| -> Result<Vec<(PileId, Option<Efficiency>)>> {
        let text = format!("pile_id,kind,accuracy_class{columns}\nP1,dc,1{cells}\n");
        let mut told = Vec::new();
        Table::of_text(&text, &PILE_COLUMNS)?.rows(|row| {
            told.extend(efficiency(&row)?);
            Ok(())
        })?;
        Ok(told)
    };
    let both = ",efficiency,efficiency_u";
    let of = |ratio: &str, u: Option<&str>| {
        let decimal = |text: &str| text.parse::<Decimal>().expect("literal");
        Efficiency { ratio: decimal(ratio), standard_uncertainty: u.map(decimal) }
    };
    for (columns, cells, expected) in [
        (both, ",0.93,0.001", Some(of("0.93", Some("0.001")))),
        (both, ",0.5,0.1", Some(of("0.5", Some("0.1")))),
        (both, ",1.00,", Some(of("1", None))),
        (",efficiency", ",0.93", Some(of("0.93", None))),
        (",efficiency", ",", None),
        (both, ",,", None),
    ] {
        let told = read(columns, cells).expect("good");
        assert_eq!(told, [(PileId::parse("P1").expect("literal"), expected)], "{columns} {cells}");
    }
    for (columns, cells) in [("", ""), (",efficiency_u", ",")] {
        assert!(read(columns, cells).expect("good").is_empty(), "{columns}");
    }
    for (columns, cells, expected) in [
        (both, ",93,", "column efficiency: 93 is no fraction from 0.5 to 1"),
        (both, ",0.499,", "column efficiency: 0.499 is no fraction from 0.5 to 1"),
        (both, ",1.001,", "column efficiency: 1.001 is no fraction from 0.5 to 1"),
        (both, ",93 %,", "column efficiency: \"93 %\" cannot be read"),
        (both, ",0.93,0", "column efficiency_u: 0 is no fraction above 0 and up to 0.1"),
        (both, ",0.93,-0.01", "column efficiency_u: -0.01 is no fraction above 0 and up to 0.1"),
        (both, ",0.93,0.5", "column efficiency_u: 0.5 is no fraction above 0 and up to 0.1"),
        (both, ",,0.01", "column efficiency_u: 0.01 is of no efficiency; "),
        (",efficiency_u", ",0.01", "column efficiency_u: 0.01 is of no efficiency; "),
    ] {
        let error = read(columns, cells).expect_err("refused").to_string();
        assert!(error.starts_with(expected), "{columns} {cells}: {error}");
    }
}

/// A comma in a text that nobody quoted would cut it; a misspelt column would say nothing.
#[test]
fn nothing_of_a_table_is_dropped_unsaid() {
    let header = "station_id,operator_id,name_zh,lon,lat,telephone,address";
    let read = |row: &str| import(&format!("{header}\n{row}\nS2,O1,乙,120.3,31.6,,\n"), &Assumed::default());
    let told = read("S1,O1,甲,120.3,31.6,0510,中山路1号,2楼");
    let [error] = &told.errors[..] else { panic!("{told:?}") };
    assert!(error.line == 2 && error.reason.contains("\"2楼\" is beyond the last"), "{error:?}");
    assert_eq!(told.stations.len(), 1, "the other row is good");
    let told = read("S1,O1,甲,120.3,31.6,0510,\"中山路1号,2楼\"");
    assert!(told.errors.is_empty() && told.stations.len() == 2, "{told:?}");
    assert_eq!(told.unread, ["telephone"]);
    for empty in [header, "[]", "pile_id,kind,accuracy_class\n"] {
        let told = import(empty, &Assumed::default());
        let [error] = &told.errors[..] else { panic!("{empty}: {told:?}") };
        assert_eq!(error.reason, "the table has no rows", "{empty}");
    }
}

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: RegisterArgs,
}

#[test]
fn what_register_reads_of_files_it_says() {
    use clap::Parser;
    let folder = tempfile::tempdir().expect("a folder");
    let written = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let read = |arguments: &[&str]| {
        let command = Command::try_parse_from(["register"].iter().chain(arguments)).expect("arguments");
        Files::read(&command.args, &Config::default())
    };
    let told = |arguments: &[&str]| format!("{:#}", read(arguments).err().expect("refused"));
    assert!(told(&[]).starts_with("nothing to register: name a file with --operators, "), "{}", told(&[]));
    let (bare, list) = (written("bare.csv", "station_id,lon,lat\n"), written("list.json", "[]"));
    for file in [&bare, &list] {
        assert_eq!(told(&["--stations", file]), format!("nothing to register: {file} has no rows"));
    }
    let piles =
        written("piles.csv", "pile_id,kind,accuracy_class,made_in,efficiency,maker\nP1,dc,1,2024,0.94,甲\n");
    let files = read(&["--piles", &piles]).expect("good");
    let unread: Vec<(&Path, Vec<String>)> =
        files.unread.files().map(|(file, columns)| (file, columns.to_vec())).collect();
    assert_eq!(unread, [(Path::new(&piles), vec!["maker".to_owned()])]);
    let long = written("long.csv", "pile_id,kind,accuracy_class\nP1,dc,1,2024\n");
    let error = told(&["--piles", &long]);
    assert!(error.starts_with(&format!("{long}, line 2: 4 cells, and the header has 3 columns")), "{error}");
}
