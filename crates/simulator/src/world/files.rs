//! A world as files, for `veripile assess` and for outside tools (interfaces.md).

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;

use super::{World, WorldCharge};
use crate::SimulatorError;
use crate::world::station::MASTER_CLASS;

/// Writes `charges.csv`, `piles.csv`, `anchors.csv`, `on_site.csv`, `truth.csv`, and for stations with master meters `masters.csv` and
/// `registers.csv`. Gives the names of what was written.
pub fn write(world: &World, folder: &Path) -> Result<Vec<&'static str>, SimulatorError> {
    let fail = |file: &Path, error: &std::io::Error| SimulatorError::File {
        file: file.display().to_string(),
        reason: error.to_string(),
    };
    fs::create_dir_all(folder).map_err(|error| fail(folder, &error))?;
    let mut written = Vec::new();
    let mut file = |name: &'static str, rows: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>| {
        let path = folder.join(name);
        let mut out = BufWriter::new(File::create(&path).map_err(|error| fail(&path, &error))?);
        rows(&mut out).and_then(|()| out.flush()).map_err(|error| fail(&path, &error))?;
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
            writeln!(out, "station_id,from,to,energy_kwh,accuracy_class")?;
            let ids = world.stations.iter().map(|station| station.id.as_str());
            hourly(world, ids, &hours.masters, &format!(",{MASTER_CLASS}"), out)
        })?;
        file("registers.csv", &mut |out| {
            writeln!(out, "pile_id,from,to,energy_kwh")?;
            hourly(world, world.piles.iter().map(|pile| pile.id.as_str()), &hours.registers, "", out)
        })?;
    }
    Ok(written)
}

fn charges(world: &World, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "charge_id,pile_id,vehicle_id,vehicle_model,started_at,ended_at,energy_pile_kwh,energy_vehicle_kwh,ambient_c,\
         mean_power_kw,soc_start,soc_end,vehicle_path"
    )?;
    for (number, charge) in world.charges.iter().enumerate() {
        charge_row(world, number, charge, out)?;
    }
    Ok(())
}

fn charge_row(
    world: &World,
    number: usize,
    charge: &WorldCharge,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let vehicle = &world.vehicles[charge.vehicle];
    let model = vehicle.model.map_or(String::new(), |model| format!("M{model:02}"));
    let told = charge.energy_vehicle_wh.map_or(String::new(), kwh);
    let path = charge.energy_vehicle_wh.map_or("", |_| charge.path.word());
    writeln!(
        out,
        "C{number:07},{},{},{model},{},{},{},{told},{:.1},{:.2},{},{},{path}",
        world.piles[charge.pile].id,
        vehicle.id,
        time(charge.started_s),
        time(charge.ended_s),
        kwh(charge.energy_pile_wh),
        charge.ambient_c,
        charge.power_kw(),
        charge.soc.0,
        charge.soc.1,
    )
}

fn piles(world: &World, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "pile_id,station_id,operator_id,kind,accuracy_class,model,firmware")?;
    for (at, pile) in world.piles.iter().enumerate() {
        let (station, kind) = (&world.stations[pile.station], pile.kind.word());
        let (operator, model) = (at % 3, at % 4);
        writeln!(out, "{},{},OP{operator},{kind},{},SIM-{model},1.0", pile.id, station.id, pile.class)?;
    }
    Ok(())
}

fn on_site(world: &World, results: &[super::OnSite], out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "pile_id,verified_at,error_percent,expanded_uncertainty_percent,coverage_factor")?;
    for result in results {
        let (pile, at) = (&world.piles[result.pile].id, result.at);
        writeln!(out, "{pile},{at},{:.4},{},2", result.error_percent, result.expanded_percent)?;
    }
    Ok(())
}

fn truth(world: &World, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "kind,id,error_percent,injected,size")?;
    for (at, pile) in world.piles.iter().enumerate() {
        let injected =
            pile.injection.map_or(String::new(), |kind| format!("{},{}", kind.word(), kind.size()));
        let injected = if injected.is_empty() { ",".to_owned() } else { injected };
        writeln!(out, "pile,{},{:.6},{injected}", pile.id, 100.0 * world.error_at_end(at))?;
    }
    for vehicle in &world.vehicles {
        writeln!(out, "vehicle,{},{:.6},,", vehicle.id, 100.0 * vehicle.bias)?;
    }
    Ok(())
}

/// One row an hour and meter.
fn hourly<'a>(
    world: &World,
    ids: impl Iterator<Item = &'a str>,
    energies: &[Vec<f64>],
    rest: &str,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let start = world.start.as_second();
    let times: Vec<String> =
        (0..=24 * i64::from(world.days)).map(|hour| time(start + 3_600 * hour).to_string()).collect();
    for (id, energies) in ids.zip(energies) {
        for (span, energy) in times.windows(2).zip(energies) {
            writeln!(out, "{id},{},{},{energy:.3}{rest}", span[0], span[1])?;
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
