//! A file of stations' prices by the hour of the day, as `veripile register --prices` takes it.
//!
//! Called by [`crate::register`]. A day must be whole: hours that are missing, or have two prices, are an error with file and line. What
//! prices are for is [`crate::assess`]'s.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use jiff::civil::Date;
use rust_decimal::Decimal;
use veripile_pile::StationId;
use veripile_store::price::Tariff;

use crate::places::FEE_MAX_CNY_KWH;
use crate::table::{Row, Table, Unread};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Prices of a day, at most: one each quarter of an hour.
const PRICES_MAX: usize = 96;

/// Columns that say when a price holds, by either pair of names.
const HOURS: [[&str; 2]; 2] = [["from", "to"], ["from_hour", "to_hour"]];

/// From when to when on a day a price holds, minutes; and where it stands in the file.
struct Part {
    from: u16,
    to: u16,
    price: Decimal,
    line: u64,
}

/// Reads `station_id,from,to,cny_kwh[,valid_from]`, by station and day.
pub(crate) fn read(file: &Path, unread: &mut Unread) -> Result<Vec<Tariff>> {
    let table = Table::open(file, &["station_id", "cny_kwh"])?;
    let (tariffs, unasked) = tariffs(table, &file.display().to_string())?;
    unread.of(file, unasked);
    Ok(tariffs)
}

/// A station, and the day from which on its prices hold.
type Day = (StationId, Option<Date>);

/// The prices, and the columns that nobody asked for.
fn tariffs(table: Table, name: &str) -> Result<(Vec<Tariff>, Vec<String>)> {
    let mut days: BTreeMap<Day, Vec<Part>> = BTreeMap::new();
    let unasked = table.rows(|row| {
        let (day, parts) =
            row.fits().and_then(|()| parts(&row)).with_context(|| format!("{name}, line {}", row.line))?;
        days.entry(day).or_default().extend(parts);
        Ok(())
    })?;
    let whole = |((station_id, valid_from), parts): (Day, Vec<Part>)| {
        let of = || {
            let day = valid_from.map(|day| format!(" from {day} on")).unwrap_or_default();
            format!("{name}: prices of station {station_id}{day}")
        };
        let prices = whole(parts).with_context(of)?;
        Ok(Tariff { station_id, valid_from, prices, time_zone: None })
    };
    let tariffs: Result<Vec<Tariff>> = days.into_iter().map(whole).collect();
    Ok((tariffs?, unasked))
}

/// What a row says: hours over midnight are two parts of a day.
fn parts(row: &Row<'_>) -> Result<(Day, Vec<Part>)> {
    let need = |column: &str| row.text(column).ok_or_else(|| anyhow!("column {column} is empty"));
    let station_id = StationId::parse(need("station_id")?).context("column station_id")?;
    let valid_from = row.text("valid_from").map(|text| {
        text.parse::<Date>()
            .map_err(|_| anyhow!("column valid_from: {text:?} is no day; write it as 2026-07-01"))
    });
    let Some([from_column, to_column]) = HOURS.into_iter().find(|pair| pair.iter().all(|name| row.has(name)))
    else {
        bail!("no columns from and to (as 08:30), or from_hour and to_hour (as 8): add them to the header");
    };
    let minute = |column: &str| minute(need(column)?).with_context(|| format!("column {column}"));
    let (from, to) = (minute(from_column)?, minute(to_column)?);
    if from == to {
        bail!("column {to_column}: the same as {from_column}; the whole day is from 00:00 to 24:00");
    }
    if from == DAY {
        bail!("column {from_column}: no day goes on at 24:00; write 00:00");
    }
    let price: Decimal =
        need("cny_kwh")?.parse().map_err(|_| anyhow!("column cny_kwh: no decimal number"))?;
    if price.is_sign_negative() || FEE_MAX_CNY_KWH < price {
        bail!("column cny_kwh: not between 0 and {FEE_MAX_CNY_KWH} CNY a kWh");
    }
    let part = |from, to| Part { from, to, price, line: row.line };
    let mut parts = if from < to { vec![part(from, to)] } else { vec![part(from, DAY), part(0, to)] };
    parts.retain(|part| part.from < part.to);
    Ok(((station_id, valid_from.transpose()?), parts))
}

/// Minute of the day of `8`, `08` or `08:30`, up to 24:00.
fn minute(text: &str) -> Result<u16> {
    let wrong = || anyhow!("{text:?} is no time of day; write it as 08:30, up to 24:00");
    let number = |digits: &str| {
        let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| is_number)
    };
    let (hours, minutes) = text.split_once(':').unwrap_or((text, "0"));
    let (hours, minutes) = (number(hours).ok_or_else(wrong)?, number(minutes).ok_or_else(wrong)?);
    Some(60 * hours + minutes).filter(|minute| minutes < 60 && *minute <= DAY).ok_or_else(wrong)
}

/// The prices of a whole day, each until the next.
fn whole(mut parts: Vec<Part>) -> Result<Vec<(u16, Decimal)>> {
    parts.sort_by_key(|part| (part.from, part.to, part.line));
    if PRICES_MAX < parts.len() {
        bail!("{} in one day, and {PRICES_MAX} are the most: one each quarter of an hour", parts.len());
    }
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let gap =
        |from, to| anyhow!("none from {} to {}: add a row, a day must be whole", clock(from), clock(to));
    let (mut until, mut line) = (0, 0);
    for part in &parts {
        if part.from < until {
            bail!(
                "two from {} to {}, by lines {line} and {}: leave one of them",
                clock(part.from),
                clock(until.min(part.to)),
                part.line
            );
        }
        if until < part.from {
            return Err(gap(until, part.from));
        }
        (until, line) = (part.to, part.line);
    }
    if until < DAY {
        return Err(gap(until, DAY));
    }
    Ok(parts.into_iter().map(|part| (part.from, part.price)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Tariff>, String> {
        let table = Table::of_text(text, &["station_id", "cny_kwh"]).expect("a table");
        tariffs(table, "prices.csv").map(|(tariffs, _)| tariffs).map_err(|error| format!("{error:#}"))
    }

    fn prices(tariff: &Tariff) -> Vec<(u16, String)> {
        tariff.prices.iter().map(|(minute, price)| (*minute, price.to_string())).collect()
    }

    // By hand: 22:00 to 06:00 is minutes 1320 to 1440 and 0 to 360.
    #[test]
    fn a_day_is_read_over_midnight_by_either_names_and_for_each_day_that_prices_changed() {
        let told = read(
            "station_id,from,to,cny_kwh,valid_from\nS1,22:00,06:00,0.45,\nS1,06:00,22:00,1.20,\nS1,0,24,0.9000,2026-07-01\n",
        )
        .expect("whole");
        assert_eq!(told.len(), 2);
        assert_eq!((told[0].station_id.as_str(), told[0].valid_from), ("S1", None));
        let of = |minute: u16, price: &str| (minute, price.to_owned());
        assert_eq!(prices(&told[0]), [of(0, "0.45"), of(360, "1.20"), of(1320, "0.45")]);
        assert_eq!(told[1].valid_from, Some(jiff::civil::date(2026, 7, 1)));
        assert_eq!(prices(&told[1]), [of(0, "0.9000")], "as it was written");
        let hours = read("station_id,cny_kwh,from_hour,to_hour\nS1,1,0,8\nS1,2,8,0\n").expect("whole");
        assert_eq!(prices(&hours[0]), [of(0, "1"), of(480, "2")]);
    }

    #[test]
    fn a_day_that_is_not_whole_is_refused_with_its_lines() {
        let wrong = |rows: &str, expected: &str| {
            let told = read(&format!("station_id,from,to,cny_kwh\n{rows}")).expect_err(expected);
            assert!(told.contains(expected), "{told}");
        };
        wrong("S1,00:00,08:00,1\nS1,09:00,24:00,2\n", "station S1: none from 08:00 to 09:00");
        wrong("S1,01:00,24:00,2\n", "none from 00:00 to 01:00");
        wrong("S1,00:00,23:00,2\n", "none from 23:00 to 24:00");
        wrong("S1,00:00,08:00,1\nS1,07:30,24:00,2\n", "two from 07:30 to 08:00, by lines 2 and 3");
        wrong("S1,00:00,24:00,1\nS1,07:30,08:00,2\n", "two from 07:30 to 08:00, by lines 2 and 3");
        wrong("S1,00:00,24:00,1\nS1,00:00,24:00,1\n", "two from 00:00 to 24:00");
        let clock = |minute: i32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let many: Vec<String> = (0..97).map(|n| format!("S1,{},{},1\n", clock(n), clock(n + 1))).collect();
        wrong(&many.concat(), "97 in one day");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_line_and_column() {
        let wrong = |row: &str, expected: &str| {
            let told = read(&format!("station_id,from,to,cny_kwh,valid_from\n{row}\n")).expect_err(expected);
            assert!(told.starts_with("prices.csv, line 2: ") && told.contains(expected), "{told}");
        };
        wrong(",0,24,1,", "column station_id is empty");
        wrong("S1,0,24:01,1,", "column to: \"24:01\" is no time of day");
        wrong("S1,+8,24,1,", "column from: \"+8\" is no time of day");
        wrong("S1,8:60,24,1,", "column from: \"8:60\"");
        wrong("S1,24,8,1,", "column from: no day goes on at 24:00");
        wrong("S1,8,8,1,", "column to: the same as from");
        wrong("S1,0,24,-1,", "column cny_kwh: not between 0 and 100");
        wrong("S1,0,24,100.01,", "column cny_kwh: not between");
        wrong("S1,0,24,a lot,", "column cny_kwh: no decimal number");
        wrong("S1,0,24,1,July", "column valid_from: \"July\" is no day");
        let told = read("station_id,cny_kwh\nS1,1\n").expect_err("no hours");
        assert!(told.contains("no columns from and to"), "{told}");
    }
}
