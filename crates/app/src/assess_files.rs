//! `veripile assess` on files: charges, piles and anchors as CSV in, estimates as CSV out, no database.
//!
//! Called by [`crate::assess_command`]. It never prints: the caller shows the [`ExitSummary`]. Nothing is left in the folder unless the
//! whole run succeeded. The same rows in another order give the same estimates, byte for byte.

pub(crate) mod charges;
pub(crate) mod feeders;
pub(crate) mod findings;
pub(crate) mod reference;
mod repeated;
mod results;
pub(crate) mod room;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
mod told;
mod unasked;
pub(crate) mod vehicles;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use veripile_api::figure;
use veripile_assessment::evidence::{COVARIATES_MAX, lasted_s};
use veripile_assessment::{Anchor, Assessment, ComparableCharge, Evidence, PileFact, assess};
use veripile_metrology::comparison::Settings;
use veripile_pile::{Estimate, PileId, RemoteVerdict};

use charges::{COVARIATES, ChargeRow, Charges, Setting};
use feeders::Unmatched;
use reference::{AnchorRow, IntervalRow, Plate, ReferenceRow};
use results::Folder;
use rows::FileFacts;
use told::Remark;
use vehicles::{Numbers, Vehicle};

use crate::plausible::{STATION_POWER_MAX_KW, power_max_kw};

/// Which files, and where the results go; what the command line says of each stands in [`crate::assess_command`].
#[derive(Debug, Clone)]
pub(crate) struct AssessArgs {
    pub(crate) charges: PathBuf,
    pub(crate) piles: Option<PathBuf>,
    pub(crate) anchors: Option<PathBuf>,
    pub(crate) masters: Option<PathBuf>,
    pub(crate) registers: Option<PathBuf>,
    pub(crate) references: Option<PathBuf>,
    pub(crate) as_of: Option<Timestamp>,
    pub(crate) time_zone: TimeZone,
    pub(crate) out: PathBuf,
}

/// What a finished run did, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExitSummary {
    /// Piles by verdict, in the order of [`VERDICTS`].
    pub(crate) piles: [usize; 4],
    /// Charges compared, set aside and rejected.
    pub(crate) charges: [u64; 3],
    /// Charges set aside and rejected, by reason.
    pub(crate) reasons: [BTreeMap<&'static str, u64>; 2],
    /// What people should know before they use the numbers.
    pub(crate) remarks: Vec<Remark>,
    /// Signals that the files tell too little for, by code.
    pub(crate) not_asked: Vec<&'static str>,
    /// Where the results are.
    pub(crate) folder: PathBuf,
    /// The same and more for machines: what stands in `run.json`.
    pub(crate) run: Value,
}

/// Every verdict, in the order of the summary.
const VERDICTS: [RemoteVerdict; 4] = [
    RemoteVerdict::Conform,
    RemoteVerdict::Nonconform,
    RemoteVerdict::Undecided,
    RemoteVerdict::NotComparable,
];

impl fmt::Display for ExitSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [conform, nonconform, undecided, not_comparable] = self.piles;
        let [compared, set_aside, rejected] = self.charges;
        writeln!(
            f,
            "充电桩 piles: 限内 conform {conform} · 限外 nonconform {nonconform} · 待定 undecided {undecided} · 不可比 not comparable {not_comparable}"
        )?;
        writeln!(
            f,
            "充电 charges: 参与比对 compared {compared} · 未参与 set aside {set_aside} · 拒收 rejected {rejected}"
        )?;
        for (words, reasons) in ["未参与 set aside", "拒收 rejected"].iter().zip(&self.reasons) {
            if !reasons.is_empty() {
                let reason =
                    |(code, count): (&&str, &u64)| format!("{} {code} {count}", told::reason_zh(code));
                writeln!(f, "  {words}: {}", reasons.iter().map(reason).collect::<Vec<_>>().join(" · "))?;
            }
        }
        for remark in &self.remarks {
            writeln!(f, "注意 note: {remark}")?;
        }
        if !self.not_asked.is_empty() {
            let codes = self.not_asked.join(", ");
            writeln!(
                f,
                "缺少所需的列或同类桩、未查找的信号 signals not asked for want of columns or of piles of a kind: {codes}"
            )?;
        }
        writeln!(f, "远程证据，不是检定 / remote evidence, not a verification")?;
        write!(f, "结果 results: {}", self.folder.display())
    }
}

/// Files read, and how long each step took.
struct Inputs {
    charges: Charges,
    /// Rows that told a charge again; they are not among the charges.
    repeated: u64,
    plates: Option<BTreeMap<PileId, Plate>>,
    anchors: Vec<AnchorRow>,
    masters: Vec<IntervalRow>,
    registers: Vec<IntervalRow>,
    references: Vec<ReferenceRow>,
    files: Vec<(&'static str, FileFacts)>,
}

/// The evidence, and what was left out of it and why.
struct Prepared {
    evidence: Evidence,
    vehicles: Vec<Vehicle>,
    set_aside: BTreeMap<&'static str, u64>,
    later_anchors: usize,
    /// By pile of the evidence.
    plates: Vec<Plate>,
    /// Row of each charge of the evidence.
    rows: Vec<u32>,
    /// Numbers in the evidence of the rows' piles and vehicles.
    pile_numbers: Vec<usize>,
    vehicle_numbers: Numbers,
    /// Stations with a master, in the order of the evidence's feeders.
    stations: Vec<String>,
    unmatched_registers: Unmatched,
}

/// Assesses. Errors name file, line and column and the next step, and leave no result.
pub(crate) fn run(args: &AssessArgs) -> Result<ExitSummary> {
    let files = [&args.piles, &args.anchors, &args.masters, &args.registers, &args.references];
    let inputs = std::iter::once(Some(&args.charges)).chain(files.map(Option::as_ref));
    let folder = Folder::prepare(&args.out, inputs.flatten())?;
    let started = Instant::now();
    let inputs = read(args, &folder)?;
    let read_in = started.elapsed();
    let prepared = prepare(args.as_of.unwrap_or_else(|| latest(&inputs, Timestamp::now())), &inputs);
    let spinner = ProgressBar::new_spinner().with_message("比对 comparing");
    spinner.enable_steady_tick(Duration::from_millis(100));
    let settings = Settings::default();
    let assessment = assess(&prepared.evidence, &settings)?;
    spinner.set_message("信号 signals");
    let assessed_in = started.elapsed();
    write_estimates(&folder, &assessment)?;
    vehicles::write(&folder, &prepared, &assessment)?;
    let signals = findings::write_signals(&folder, &inputs, &prepared, &assessment, &args.time_zone)?;
    let operators = findings::write_operators(&folder, &inputs, &prepared, &assessment)?;
    let remarks = told::remarks(&inputs, &prepared, &assessment, signals.as_ref(), &operators);
    let mut run = facts(&inputs, &prepared, &assessment, &settings);
    run["remarks"] = json!(remarks);
    let not_asked = unasked::not_asked(&inputs, &prepared);
    run["not_asked"] = json!(not_asked);
    run["settings"]["time_zone"] = json!(args.time_zone.iana_name());
    run["counts"]["signals"] = json!(signals);
    run["counts"]["operators"] = json!(operators);
    run["timings_s"] = json!({
        "read": read_in.as_secs_f64(),
        "assess": (assessed_in.checked_sub(read_in).unwrap_or_default()).as_secs_f64(),
        "total": started.elapsed().as_secs_f64(),
    });
    spinner.finish_and_clear();
    let mut file = folder.file("run.json")?;
    serde_json::to_writer_pretty(&mut file, &run)?;
    file.flush().context("run.json: cannot be written")?;
    drop(file);
    folder.publish()?;
    Ok(ExitSummary { not_asked, run, ..summary(args, &inputs, &prepared, &assessment, remarks) })
}

fn read(args: &AssessArgs, folder: &Folder) -> Result<Inputs> {
    let mut files = Vec::new();
    let mut plates = None;
    if let Some(path) = &args.piles {
        let (piles, facts) = reference::read_piles(path)?;
        plates = Some(piles);
        files.push(("piles", facts));
    }
    let mut anchors = Vec::new();
    if let Some(path) = &args.anchors {
        let (rows, facts) = reference::read_anchors(path)?;
        anchors = rows;
        files.push(("anchors", facts));
    }
    let mut masters = Vec::new();
    if let Some(path) = &args.masters {
        let (rows, facts) = reference::read_intervals(path, "station_id", |_| STATION_POWER_MAX_KW)?;
        masters = rows;
        files.push(("masters", facts));
    }
    let mut registers = Vec::new();
    if let Some(path) = &args.registers {
        let plate = |id: &str| plates.as_ref()?.get(&PileId::parse(id).ok()?);
        let most = |id: &str| power_max_kw(plate(id).and_then(|plate| plate.kind));
        let (rows, facts) = reference::read_intervals(path, "pile_id", most)?;
        registers = rows;
        files.push(("registers", facts));
    }
    let mut references = Vec::new();
    if let Some(path) = &args.references {
        let (rows, facts) = reference::read_references(path)?;
        references = rows;
        files.push(("references", facts));
    }
    let mut rejected = folder.csv("rejected.csv", &["line", "reason", "row"])?;
    let mut reject = |line: u64, reason: &str, row: &str| {
        rejected
            .write_record([line.to_string().as_str(), reason, row])
            .context("rejected.csv: cannot be written")
    };
    let most = |pile_id: &PileId| power_max_kw(plates.as_ref().and_then(|plates| plates.get(pile_id)?.kind));
    let setting = Setting { zone: &args.time_zone, power_max_kw: &most };
    let (mut charges, facts) = charges::read(&args.charges, setting, &mut reject)?;
    let repeated = repeated::drop_repeated(&mut charges.rows);
    if charges.read == 0 && masters.is_empty() {
        bail!("{}: the file has a header and no charge below it; give a file with charges", facts.name);
    }
    results::finish(rejected).context("rejected.csv")?;
    files.push(("charges", facts));
    Ok(Inputs { charges, repeated, plates, anchors, masters, registers, references, files })
}

/// Puts the evidence in an order of its own: piles, vehicles and models by name, charges by vehicle, pile and time.
fn prepare(as_of: Timestamp, inputs: &Inputs) -> Prepared {
    let charges = &inputs.charges;
    let plates = plates(inputs);
    let piles: Vec<PileFact> = plates
        .iter()
        .map(|(pile_id, plate)| PileFact { pile_id: pile_id.clone(), kind: plate.kind, class: plate.class })
        .collect();
    let pile_at: BTreeMap<&PileId, usize> =
        piles.iter().enumerate().map(|(at, pile)| (&pile.pile_id, at)).collect();
    let pile_numbers: Vec<usize> = charges.piles.iter().map(|id| pile_at[id]).collect();
    let (vehicles, vehicle_numbers) = vehicles::vehicles(charges);
    let models: BTreeSet<&str> = vehicles.iter().filter_map(|vehicle| vehicle.model.as_deref()).collect();
    let model_at: BTreeMap<&str, usize> = models.iter().enumerate().map(|(at, model)| (*model, at)).collect();

    let used: Vec<usize> = (0..COVARIATES.len())
        .filter(|at| charges.rows.iter().any(|row| row.covariates[*at].is_finite()))
        .collect();
    let mut set_aside = BTreeMap::new();
    if 0 < inputs.repeated {
        set_aside.insert("charge_repeated", inputs.repeated);
    }
    let mut comparable = Vec::with_capacity(charges.rows.len());
    for (row, number) in charges.rows.iter().zip(0_u32..) {
        match comparable_charge(row, as_of, &pile_numbers, &vehicle_numbers, &used) {
            Ok(charge) => comparable.push((charge, number)),
            Err(reason) => *set_aside.entry(reason).or_insert(0) += 1,
        }
    }
    comparable.sort_by(|(a, _), (b, _)| order(a, b));
    let (comparable, rows): (Vec<_>, Vec<_>) = comparable.into_iter().unzip();
    let fed = feeders::feeders(&inputs.masters, &inputs.registers, &plates, &pile_at, as_of);
    let read_off = vehicles.iter().enumerate().filter(|(_, vehicle)| vehicle.is_reference);
    let vehicle_at: BTreeMap<&str, usize> = read_off.map(|(at, vehicle)| (vehicle.id.as_str(), at)).collect();
    let references = inputs.references.iter().filter_map(|row| row.reference(&vehicle_at)).collect();
    let evidence = Evidence {
        as_of,
        vehicle_models: vehicles
            .iter()
            .map(|vehicle| vehicle.model.as_deref().map(|model| model_at[model]))
            .collect(),
        models: models.len(),
        covariates: used.iter().map(|at| COVARIATES[*at]).collect(),
        charges: comparable,
        anchors: inputs.anchors.iter().map(|row| anchor(row, &pile_at)).collect(),
        references,
        feeders: fed.feeders,
        piles,
    };
    Prepared {
        evidence,
        vehicles,
        set_aside,
        later_anchors: later_anchors(inputs, as_of),
        plates: plates.into_values().collect(),
        rows,
        pile_numbers,
        vehicle_numbers,
        stations: fed.stations,
        unmatched_registers: fed.unmatched,
    }
}

fn anchor(row: &AnchorRow, pile_at: &BTreeMap<&PileId, usize>) -> Anchor {
    Anchor {
        pile: pile_at[&row.pile_id],
        outlet: row.outlet,
        at: row.at,
        error_percent: row.error_percent,
        expanded_uncertainty_percent: row.expanded_uncertainty_percent,
        coverage_factor: row.coverage_factor,
    }
}

/// On-site results and calibrations of after the moment of the assessment.
fn later_anchors(inputs: &Inputs, as_of: Timestamp) -> usize {
    let moments = inputs.anchors.iter().map(|anchor| anchor.at);
    moments.chain(inputs.references.iter().map(ReferenceRow::at)).filter(|at| as_of < *at).count()
}

/// The latest charge, anchor, calibration or interval that is not of the future: one slip of the pen in a year must not age every anchor. A charge
/// that only tells what was billed counts, too: of operators and signals it tells all the same. Now where there is none.
fn latest(inputs: &Inputs, now: Timestamp) -> Timestamp {
    let charges = inputs.charges.rows.iter().map(|row| row.ended_at);
    let anchors = inputs.anchors.iter().map(|anchor| anchor.at);
    let references = inputs.references.iter().map(ReferenceRow::at);
    let intervals = inputs.masters.iter().chain(&inputs.registers).map(|row| row.to);
    let all = charges.chain(anchors).chain(references).chain(intervals);
    all.filter(|at| *at <= now).max().unwrap_or(now)
}

/// Every pile of the piles file, and every other that a charge or an anchor names, by name. A register's needs a station,
/// which only that file tells.
fn plates(inputs: &Inputs) -> BTreeMap<PileId, Plate> {
    let mut plates = inputs.plates.clone().unwrap_or_default();
    for pile_id in inputs.charges.piles.iter().chain(inputs.anchors.iter().map(|anchor| &anchor.pile_id)) {
        plates.entry(pile_id.clone()).or_insert(Plate::UNKNOWN);
    }
    plates
}

/// A row as evidence, or why it says nothing.
fn comparable_charge(
    row: &ChargeRow,
    as_of: Timestamp,
    piles: &[usize],
    vehicles: &Numbers,
    covariates: &[usize],
) -> Result<ComparableCharge, &'static str> {
    let energy_vehicle_kwh = row.energy_vehicle_kwh.ok_or("vehicle_energy_missing")?;
    let vehicle = vehicles.of(row).ok_or("vehicle_unknown")?;
    if as_of < row.ended_at {
        return Err("after_as_of");
    }
    Ok(ComparableCharge {
        pile: piles[row.pile],
        vehicle,
        ended_at: row.ended_at,
        lasted_s: lasted_s(row.started_at, row.ended_at),
        energy_pile_kwh: row.energy_pile_kwh,
        energy_vehicle_kwh,
        path: row.path,
        covariates: used(row, covariates),
    })
}

/// Those covariates of a row that any row has, in their order.
fn used(row: &ChargeRow, covariates: &[usize]) -> [f32; COVARIATES_MAX] {
    let mut used = [f32::NAN; COVARIATES_MAX];
    used.iter_mut().zip(covariates).for_each(|(value, at)| *value = row.covariates[*at]);
    used
}

/// A total order of charges by content, so that the order of rows in the file cannot show; equal charges are interchangeable.
fn order(a: &ComparableCharge, b: &ComparableCharge) -> std::cmp::Ordering {
    let key = |charge: &ComparableCharge| {
        let energies = (charge.energy_pile_kwh, charge.energy_vehicle_kwh);
        (charge.vehicle, charge.pile, charge.ended_at, charge.lasted_s, energies, charge.path)
    };
    key(a).cmp(&key(b)).then_with(|| {
        let pairs = a.covariates.iter().zip(&b.covariates);
        pairs.map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    })
}

fn write_estimates(folder: &Folder, assessment: &Assessment) -> Result<()> {
    const HEADER: [&str; 10] = [
        "pile_id",
        "component",
        "grounded",
        "charges",
        "error_percent",
        "standard_uncertainty_percent",
        "lower95_percent",
        "upper95_percent",
        "probability_conform",
        "verdict",
    ];
    let mut writer = folder.csv("estimates.csv", &HEADER)?;
    for (pile_id, estimate) in &assessment.estimates {
        writer.write_record(estimate_row(pile_id, estimate)).context("estimates.csv: cannot be written")?;
    }
    results::finish(writer).context("estimates.csv")
}

fn estimate_row(pile_id: &PileId, estimate: &Estimate) -> [String; 10] {
    let interval = estimate.interval95();
    [
        pile_id.to_string(),
        estimate.component.to_string(),
        estimate.grounded.to_string(),
        estimate.charges.to_string(),
        percent(estimate.error),
        percent(estimate.standard_uncertainty),
        percent(interval.map(|(lower, _)| lower)),
        percent(interval.map(|(_, upper)| upper)),
        estimate.probability_conform.map(|p| format!("{p:.6}")).unwrap_or_default(),
        estimate.verdict.word().to_owned(),
    ]
}

/// Percent with six decimals: a hundredth of the best uncertainty reached has four.
fn percent(fraction: Option<f64>) -> String {
    fraction.map(|value| figure(format!("{:.6}", 100.0 * value))).unwrap_or_default()
}

/// Everything `run.json` tells, but for the timings.
fn facts(inputs: &Inputs, prepared: &Prepared, assessment: &Assessment, settings: &Settings) -> Value {
    let file = |(role, facts): &(&str, FileFacts)| json!({ "role": role, "name": facts.name, "bytes": facts.bytes, "sha256": facts.sha256 });
    let verdicts = count_verdicts(assessment);
    let rules: BTreeSet<&str> =
        assessment.estimates.iter().map(|(_, estimate)| estimate.rule.as_str()).collect();
    let charges = &inputs.charges;
    json!({
        "software": { "name": "veripile", "version": env!("CARGO_PKG_VERSION") },
        "as_of": prepared.evidence.as_of.to_string(),
        "inputs": inputs.files.iter().map(file).collect::<Vec<_>>(),
        "settings": {
            "noise": settings.noise,
            "noise_kwh": settings.noise_size,
            "vehicle_sd": settings.traveller_sd,
            "interaction_sd": settings.interaction_sd,
            "class_sd": settings.class_sd,
            "model_sd": settings.model_sd,
            "common_sd": settings.common_sd,
            "linked_sd": settings.linked_sd,
            "covariate_sd": settings.covariate_sd,
            "covariates": prepared.evidence.covariates,
        },
        "rules": rules,
        "counts": {
            "rows": charges.read,
            "rejected": charges.rejected,
            "set_aside": set_aside(prepared, assessment),
            "compared": assessment.facts.charges,
            "covariates_unbelievable": charges.unbelievable_covariates,
            "piles": prepared.evidence.piles.len(),
            "vehicles": prepared.vehicles.len(),
            "anchors": inputs.anchors.len(),
            "anchors_after_as_of": prepared.later_anchors,
            "registers_unmatched": prepared.unmatched_registers.all(),
            "verdicts": VERDICTS.iter().zip(verdicts).map(|(v, n)| (v.word(), n)).collect::<BTreeMap<_, _>>(),
        },
        "fit": vehicles::fit_facts(
            &assessment.facts,
            |at| prepared.vehicles[at].id.clone(),
            &prepared.stations,
        ),
    })
}

/// Good rows that were not compared, by reason: ours and the assessment's.
fn set_aside(prepared: &Prepared, assessment: &Assessment) -> BTreeMap<&'static str, u64> {
    let mut all = prepared.set_aside.clone();
    for (reason, count) in &assessment.facts.screened {
        *all.entry(reason).or_insert(0) += *count as u64;
    }
    all
}

fn count_verdicts(assessment: &Assessment) -> [usize; 4] {
    VERDICTS.map(|verdict| {
        assessment.estimates.iter().filter(|(_, estimate)| estimate.verdict == verdict).count()
    })
}

fn summary(
    args: &AssessArgs,
    inputs: &Inputs,
    prepared: &Prepared,
    assessment: &Assessment,
    remarks: Vec<Remark>,
) -> ExitSummary {
    let reasons = [set_aside(prepared, assessment), inputs.charges.rejected.clone()];
    let [aside, rejected] = reasons.each_ref().map(|counts| counts.values().sum());
    ExitSummary {
        piles: count_verdicts(assessment),
        charges: [assessment.facts.charges as u64, aside, rejected],
        reasons,
        remarks,
        not_asked: Vec::new(),
        folder: args.out.clone(),
        run: Value::Null,
    }
}
