//! `veripile register`: operators, stations, piles and on-site results from CSV files into the database.
//!
//! What is registered already is brought up to date; on-site results are recorded once.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use rust_decimal::Decimal;
use veripile_pile::{
    AccuracyClass, Act, ActKind, OnSiteResult, Operator, OperatorId, Pile, PileId, PileKind, Place, Station,
    StationId,
};

use crate::config::Config;
use crate::serve;
use crate::table::{Row, Table};

/// What `register` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct RegisterArgs {
    /// TOML file; every key also as VERIPILE_<SECTION>__<KEY>
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// operator_id,name_zh,name_en
    #[arg(long, value_name = "FILE")]
    operators: Option<PathBuf>,
    /// station_id,operator_id,name_zh,name_en,lon,lat (WGS-84)
    #[arg(long, value_name = "FILE")]
    stations: Option<PathBuf>,
    /// pile_id,station_id,operator_id,kind,accuracy_class[,model,power_kw,lon,lat,meter_serial]
    #[arg(long, value_name = "FILE")]
    piles: Option<PathBuf>,
    /// pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor[,number,issuer,person,valid_until]
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
}

/// Registers what the files say; a file with a bad row registers nothing.
pub async fn run(args: &RegisterArgs) -> Result<()> {
    let config = Config::read(args.config.as_deref())?;
    let operators = read(args.operators.as_ref(), &["operator_id", "name_zh", "name_en"], operator)?;
    let stations = read(
        args.stations.as_ref(),
        &["station_id", "operator_id", "name_zh", "name_en", "lon", "lat"],
        station,
    )?;
    let piles = read(args.piles.as_ref(), &["pile_id", "kind", "accuracy_class"], pile)?;
    let anchor_columns =
        ["pile_id", "verified_at", "error_percent", "expanded_uncertainty_percent", "coverage_factor"];
    let anchors = read(args.anchors.as_ref(), &anchor_columns, anchor)?;
    if operators.len() + stations.len() + piles.len() + anchors.len() == 0 {
        bail!("nothing to register: name a file with --operators, --stations, --piles or --anchors");
    }
    let store = serve::connect(&config).await?;
    store.register_operators(&operators).await?;
    store.register_stations(&stations).await.context("stations: is every operator registered?")?;
    store.register_piles(&piles).await.context("piles: is every station and operator registered?")?;
    store.record_acts(&anchors).await.context("anchors")?;
    say(&format!(
        "registered {} operators, {} stations, {} piles, {} on-site results",
        operators.len(),
        stations.len(),
        piles.len(),
        anchors.len()
    ));
    store.close().await;
    Ok(())
}

fn read<T>(file: Option<&PathBuf>, columns: &[&str], parse: fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    Table::open(file, columns)?.rows(|row| {
        rows.push(parse(&row).with_context(|| format!("{}, line {}", file.display(), row.line))?);
        Ok(())
    })?;
    Ok(rows)
}

fn need<'a>(row: &'a Row<'_>, column: &str) -> Result<&'a str> {
    row.text(column).ok_or_else(|| anyhow!("column {column} is empty"))
}

fn parse<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> Result<T> {
    let text = need(row, column)?;
    text.parse().map_err(|_| anyhow!("column {column}: {text:?} cannot be read"))
}

fn parse_some<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    row.text(column).map(|_| parse(row, column)).transpose()
}

fn operator(row: &Row<'_>) -> Result<Operator> {
    Ok(Operator {
        operator_id: OperatorId::parse(need(row, "operator_id")?)?,
        name_zh: need(row, "name_zh")?.to_owned(),
        name_en: need(row, "name_en")?.to_owned(),
    })
}

fn place(row: &Row<'_>) -> Result<Option<Place>> {
    let (lon, lat) = (parse_some(row, "lon")?, parse_some(row, "lat")?);
    match (lon, lat) {
        (Some(lon), Some(lat)) => Ok(Some(
            Place::new(lon, lat)
                .ok_or_else(|| anyhow!("columns lon, lat: {lon}, {lat} is not on the globe"))?,
        )),
        (None, None) => Ok(None),
        _ => bail!("columns lon, lat: one is empty"),
    }
}

fn station(row: &Row<'_>) -> Result<Station> {
    Ok(Station {
        station_id: StationId::parse(need(row, "station_id")?)?,
        operator_id: OperatorId::parse(need(row, "operator_id")?)?,
        name_zh: need(row, "name_zh")?.to_owned(),
        name_en: need(row, "name_en")?.to_owned(),
        place: place(row)?.ok_or_else(|| anyhow!("columns lon, lat are empty"))?,
    })
}

fn pile(row: &Row<'_>) -> Result<Pile> {
    let kind = need(row, "kind")?;
    Ok(Pile {
        pile_id: PileId::parse(need(row, "pile_id")?)?,
        station_id: row.text("station_id").map(StationId::parse).transpose()?,
        operator_id: row.text("operator_id").map(OperatorId::parse).transpose()?,
        kind: PileKind::from_word(kind)
            .ok_or_else(|| anyhow!("column kind: {kind:?} is neither ac nor dc"))?,
        class: AccuracyClass(parse(row, "accuracy_class")?),
        power_kw: parse_some(row, "power_kw")?,
        place: place(row)?,
        model: row.text("model").map(str::to_owned),
        meter_serial: row.text("meter_serial").map(str::to_owned),
    })
}

fn anchor(row: &Row<'_>) -> Result<(PileId, Act)> {
    let pile_id = PileId::parse(need(row, "pile_id")?)?;
    let verified_at: Timestamp = parse(row, "verified_at")?;
    let (u, k): (Decimal, Decimal) =
        (parse(row, "expanded_uncertainty_percent")?, parse(row, "coverage_factor")?);
    if u <= Decimal::ZERO || k <= Decimal::ZERO {
        bail!("uncertainty and coverage factor must be greater than zero");
    }
    let text = |column: &str, default: String| row.text(column).map_or(default, str::to_owned);
    let act = Act {
        kind: ActKind::Certificate,
        number: text("number", format!("{pile_id} {verified_at}")),
        issuer: text("issuer", "-".to_owned()),
        person: text("person", "-".to_owned()),
        acted_at: verified_at,
        valid_until: parse_some(row, "valid_until")?,
        reply_until: None,
        result: Some(OnSiteResult {
            error_percent: parse(row, "error_percent")?,
            expanded_uncertainty_percent: u,
            coverage_factor: k,
        }),
    };
    Ok((pile_id, act))
}

#[expect(clippy::print_stdout, reason = "the summary is the command's output")]
fn say(line: &str) {
    println!("{line}");
}
