//! What rows name that nobody registered: the operator of a station or a pile, and the station of a pile.
//!
//! Called by `register` before anything is written, so that the row can be named: the database would tell a rule of its own. It refuses and
//! changes nothing.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use veripile_pile::{Operator, Pile, Station};
use veripile_store::Store;

use super::RegisterArgs;
use crate::table::Table;

/// Refuses what would stand without its operator or its station, naming the first row.
pub(super) async fn refuse(
    store: &Store,
    args: &RegisterArgs,
    told: &[Operator],
    stations: &[Station],
    piles: &[Pile],
) -> Result<()> {
    let of_stations = stations.iter().map(|station| station.operator_id.as_str());
    let of_piles = piles.iter().filter_map(|pile| Some(pile.operator_id.as_ref()?.as_str()));
    let named: Vec<&str> = of_stations.chain(of_piles).collect();
    let mut operators = store.registered_operators(&named).await?;
    operators.extend(told.iter().map(|operator| operator.operator_id.to_string()));
    for Station { station_id, operator_id, .. } in stations {
        if !operators.contains(operator_id.as_str()) {
            let row = row(args.stations.as_ref(), "station_id", station_id.as_str());
            bail!("{row}: operator {operator_id} is not registered; register it first (--operators)");
        }
    }
    let named: Vec<&str> = piles.iter().filter_map(|pile| Some(pile.station_id.as_ref()?.as_str())).collect();
    let mut known: HashSet<String> = store.station_operators(&named).await?.into_keys().collect();
    known.extend(stations.iter().map(|station| station.station_id.to_string()));
    for pile in piles {
        let row = || row(args.piles.as_ref(), "pile_id", pile.pile_id.as_str());
        if let Some(station_id) = pile.station_id.as_ref().filter(|id| !known.contains(id.as_str())) {
            bail!("{}: station {station_id} is not registered; register it first (--stations)", row());
        }
        if let Some(operator_id) = pile.operator_id.as_ref().filter(|id| !operators.contains(id.as_str())) {
            bail!("{}: operator {operator_id} is not registered; register it first (--operators)", row());
        }
    }
    Ok(())
}

/// Where an identifier stands: the line of a table, which is read once more for it; of a list in JSON the file, and the identifier.
fn row(file: Option<&PathBuf>, column: &str, id: &str) -> String {
    let Some(file) = file else { return id.to_owned() };
    let mut line = None;
    let read = Table::open(file, &[column]).and_then(|table| {
        table.rows(|row| {
            if line.is_none() && row.text(column) == Some(id) {
                line = Some(row.line);
            }
            Ok(())
        })
    });
    match (read, line) {
        (Ok(_), Some(line)) => format!("{}, line {line}", file.display()),
        _ => format!("{}, {id}", file.display()),
    }
}
