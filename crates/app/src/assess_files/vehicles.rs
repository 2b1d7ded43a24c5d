//! Vehicles of the files: who is one and the same to the comparison, and `vehicles.csv`.
//!
//! Called by `assess_files`; the assess role names vehicles of a run's facts in the same way. A vehicle read off by an authority
//! (`vehicle_path` is `reference`) is another than the same one in values that came otherwise, as in the running platform: a calibration
//! speaks of what was read off the vehicle, not of what a pile says that it told.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use veripile_assessment::{Assessment, RunFacts};
use veripile_pile::VehiclePath;

use super::charges::{ChargeRow, Charges};
use super::results::{self, Folder};
use super::{Prepared, percent};

/// A vehicle as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vehicle {
    pub(super) id: String,
    pub(super) model: Option<String>,
    /// Whether its values were read off it as off a reference vehicle.
    pub(super) is_reference: bool,
}

/// Number of each vehicle of the rows: by other ways, and as a reference.
pub(super) struct Numbers(Vec<[usize; 2]>);

impl Numbers {
    /// Of a row's vehicle; none where the row names none.
    pub(super) fn of(&self, row: &ChargeRow) -> Option<usize> {
        row.vehicle.map(|vehicle| self.0[vehicle][usize::from(is_reference(row))])
    }
}

fn is_reference(row: &ChargeRow) -> bool {
    row.path == Some(VehiclePath::Reference)
}

/// Every vehicle that a row names, by name, and last the reference.
pub(super) fn vehicles(charges: &Charges) -> (Vec<Vehicle>, Numbers) {
    let mut occurs = vec![[false; 2]; charges.vehicles.len()];
    for row in &charges.rows {
        row.vehicle.iter().for_each(|vehicle| occurs[*vehicle][usize::from(is_reference(row))] = true);
    }
    let mut by_name: Vec<usize> = (0..charges.vehicles.len()).collect();
    by_name.sort_by(|a, b| charges.vehicles[*a].cmp(&charges.vehicles[*b]));
    let (mut vehicles, mut numbers) = (Vec::with_capacity(by_name.len()), vec![[0; 2]; by_name.len()]);
    for at in by_name {
        for is_reference in [false, true].into_iter().filter(|is| occurs[at][usize::from(*is)]) {
            numbers[at][usize::from(is_reference)] = vehicles.len();
            let (id, model) = (charges.vehicles[at].clone(), charges.models[at].clone());
            vehicles.push(Vehicle { id, model, is_reference });
        }
    }
    (vehicles, Numbers(numbers))
}

/// Writes `vehicles.csv`.
pub(super) fn write(folder: &Folder, prepared: &Prepared, assessment: &Assessment) -> Result<()> {
    const HEADER: [&str; 8] = [
        "vehicle_id",
        "model",
        "component",
        "grounded",
        "charges",
        "bias_percent",
        "standard_uncertainty_percent",
        "reference",
    ];
    let mut writer = folder.csv("vehicles.csv", &HEADER)?;
    for (vehicle, estimate) in prepared.vehicles.iter().zip(&assessment.vehicles) {
        let number = |text: fn(&veripile_assessment::VehicleEstimate) -> String| estimate.as_ref().map(text);
        writer
            .write_record([
                vehicle.id.clone(),
                vehicle.model.clone().unwrap_or_default(),
                number(|found| found.component.to_string()).unwrap_or_default(),
                number(|found| found.grounded.to_string()).unwrap_or_default(),
                number(|found| found.charges.to_string()).unwrap_or_else(|| "0".to_owned()),
                percent(estimate.map(|found| found.bias)),
                percent(estimate.map(|found| found.standard_uncertainty)),
                vehicle.is_reference.to_string(),
            ])
            .context("vehicles.csv: cannot be written")?;
    }
    results::finish(writer).context("vehicles.csv")
}

/// How the fit went, with a name in place of each reference vehicle's index, be it used or contradictory, and a station's in place of each
/// feeder's.
pub(crate) fn fit_facts(facts: &RunFacts, name: impl Fn(usize) -> String, stations: &[String]) -> Value {
    let mut fit = json!(facts);
    let contradictory = facts.contradictory_references.iter().map(|reference| reference.vehicle);
    let used = facts.used_references.iter().map(|reference| reference.vehicle);
    for (list, vehicles) in
        [("contradictory_references", contradictory.collect::<Vec<_>>()), ("used_references", used.collect())]
    {
        let named = fit[list].as_array_mut().into_iter().flatten();
        named.zip(vehicles).for_each(|(told, vehicle)| told["vehicle"] = Value::from(name(vehicle)));
    }
    let named = fit["contradictory_balances"].as_array_mut().into_iter().flatten();
    for (told, balance) in named.zip(&facts.contradictory_balances) {
        told["station"] = Value::from(stations.get(balance.feeder).cloned());
        told.as_object_mut().map(|told| told.remove("feeder"));
    }
    fit
}
