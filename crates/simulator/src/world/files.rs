//! A world as files, for `veripile assess` and for outside tools (interfaces.md).

use std::fmt::Display;
use std::fs::{self, File};
use std::path::Path;

use jiff::Timestamp;

use super::{World, WorldCharge};
use crate::SimulatorError;
use crate::world::station::MASTER_CLASS;

/// A file being written: names come from the file of a graph as well, and may bear commas and quotes.
type Out = csv::Writer<File>;

/// Writes `charges.csv`, `piles.csv`, `anchors.csv`, `on_site.csv`, `truth.csv`, and for stations with master meters `masters.csv` and
/// `registers.csv`. Gives the names of what was written.
pub fn write(world: &World, folder: &Path) -> Result<Vec<&'static str>, SimulatorError> {
    let fail = |file: &Path, error: &dyn Display| SimulatorError::File {
        file: file.display().to_string(),
        reason: error.to_string(),
    };
    fs::create_dir_all(folder).map_err(|error| fail(folder, &error))?;
    let mut written = Vec::new();
    let mut file = |name: &'static str, rows: &mut dyn FnMut(&mut Out) -> csv::Result<()>| {
        let path = folder.join(name);
        let mut out = csv::Writer::from_writer(File::create(&path).map_err(|error| fail(&path, &error))?);
        rows(&mut out).map_err(|error| fail(&path, &error))?;
        out.flush().map_err(|error| fail(&path, &error))?;
        written.push(name);
        Ok::<(), SimulatorError>(())
    };
    file("charges.csv", &mut |out| charges(world, out))?;
    file("piles.csv", &mut |out| piles(world, out))?;
    file("anchors.csv", &mut |out| on_site(world, &world.anchors, out))?;
    file("on_site.csv", &mut |out| on_site(world, &world.on_site, out))?;
    file("truth.csv", &mut |out| truth(world, out))?;
    if let Some(hours) = world.hours() {
        file("masters.csv", &mut |out| {
            out.write_record(["station_id", "from", "to", "energy_kwh", "accuracy_class"])?;
            let ids = world.stations.iter().map(|station| station.id.as_str());
            hourly(world, ids, &hours.masters, Some(MASTER_CLASS), out)
        })?;
        file("registers.csv", &mut |out| {
            out.write_record(["pile_id", "from", "to", "energy_kwh"])?;
            hourly(world, world.piles.iter().map(|pile| pile.id.as_str()), &hours.registers, None, out)
        })?;
    }
    Ok(written)
}

fn charges(world: &World, out: &mut Out) -> csv::Result<()> {
    out.write_record([
        "charge_id",
        "pile_id",
        "vehicle_id",
        "vehicle_model",
        "started_at",
        "ended_at",
        "energy_pile_kwh",
        "energy_vehicle_kwh",
        "ambient_c",
        "mean_power_kw",
        "soc_start",
        "soc_end",
        "vehicle_path",
    ])?;
    for (number, charge) in world.charges.iter().enumerate() {
        out.write_record(charge_row(world, number, charge))?;
    }
    Ok(())
}

fn charge_row(world: &World, number: usize, charge: &WorldCharge) -> [String; 13] {
    let vehicle = &world.vehicles[charge.vehicle];
    [
        format!("C{number:07}"),
        world.piles[charge.pile].id.clone(),
        vehicle.id.clone(),
        vehicle.model.map_or(String::new(), |model| format!("M{model:02}")),
        time(charge.started_s).to_string(),
        time(charge.ended_s).to_string(),
        kwh(charge.energy_pile_wh),
        charge.energy_vehicle_wh.map_or(String::new(), kwh),
        format!("{:.1}", charge.ambient_c),
        format!("{:.2}", charge.power_kw()),
        charge.soc.0.to_string(),
        charge.soc.1.to_string(),
        charge.energy_vehicle_wh.map_or(String::new(), |_| charge.path.word().to_owned()),
    ]
}

fn piles(world: &World, out: &mut Out) -> csv::Result<()> {
    let columns = ["pile_id", "station_id", "operator_id", "kind", "accuracy_class", "model", "firmware"];
    out.write_record(columns)?;
    for (at, pile) in world.piles.iter().enumerate() {
        let (operator, model) = (format!("OP{}", at % 3), format!("SIM-{}", at % 4));
        let (station, kind, class) =
            (&world.stations[pile.station], pile.kind.word(), pile.class.to_string());
        out.write_record([pile.id.as_str(), &station.id, &operator, kind, &class, &model, "1.0"])?;
    }
    Ok(())
}

fn on_site(world: &World, results: &[super::OnSite], out: &mut Out) -> csv::Result<()> {
    let columns =
        ["pile_id", "verified_at", "error_percent", "expanded_uncertainty_percent", "coverage_factor"];
    out.write_record(columns)?;
    for result in results {
        let error = format!("{:.4}", result.error_percent);
        let (at, expanded) = (result.at.to_string(), result.expanded_percent.to_string());
        out.write_record([world.piles[result.pile].id.as_str(), &at, &error, &expanded, "2"])?;
    }
    Ok(())
}

fn truth(world: &World, out: &mut Out) -> csv::Result<()> {
    out.write_record(["kind", "id", "error_percent", "injected", "size"])?;
    for (at, pile) in world.piles.iter().enumerate() {
        let (injected, size) = pile
            .injection
            .map_or(("", String::new()), |injection| (injection.word(), injection.size().to_string()));
        let error = format!("{:.6}", 100.0 * world.error_at_end(at));
        out.write_record(["pile", &pile.id, &error, injected, &size])?;
    }
    for vehicle in &world.vehicles {
        out.write_record(["vehicle", &vehicle.id, &format!("{:.6}", 100.0 * vehicle.bias), "", ""])?;
    }
    Ok(())
}

/// One row an hour and meter; with the class of masters.
fn hourly<'a>(
    world: &World,
    ids: impl Iterator<Item = &'a str>,
    energies: &[Vec<f64>],
    class: Option<&str>,
    out: &mut Out,
) -> csv::Result<()> {
    let start = world.start.as_second();
    let times: Vec<String> =
        (0..=24 * i64::from(world.days)).map(|hour| time(start + 3_600 * hour).to_string()).collect();
    for (id, energies) in ids.zip(energies) {
        for (span, energy) in times.windows(2).zip(energies) {
            let energy = format!("{energy:.3}");
            out.write_record([id, &span[0], &span[1], &energy].into_iter().chain(class))?;
        }
    }
    Ok(())
}

fn time(at_s: i64) -> Timestamp {
    Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Wh as kWh, exactly.
fn kwh(wh: i64) -> String {
    format!("{}{}.{:03}", if wh < 0 { "-" } else { "" }, wh.abs() / 1000, wh.abs() % 1000)
}
