//! What the files of a registration say: read as a whole before any of it is held against what is there, and written in one transaction.
//!
//! Called by `register`, which knows what a row of each file is. It decides nothing and commits nothing.

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use veripile_api::{Assumed, Imported};
use veripile_pile::{Act, MeterKey, Operator, OperatorId, Pile, PileId, Station, StationId, Told};
use veripile_store::evidence::{Efficiency, EnergyInterval};
use veripile_store::price::Tariff;
use veripile_store::witness::Calibration;
use veripile_store::{Hands, Registering, Removed};

use super::{
    PILE_COLUMNS, RegisterArgs, anchor, calibrations, commitment, efficiency, energy, made_in, meter_key,
    more_piles, once, operator, read, stations,
};
use crate::config::Config;
use crate::keys::{self, AccessRow};
use crate::prices;
use crate::table::Unread;

/// What the files say, before any of it is held against what is there.
pub(super) struct Files {
    pub(super) operators: Vec<Operator>,
    pub(super) commitments: Vec<(OperatorId, Date)>,
    pub(super) stations: Vec<Told<Station>>,
    pub(super) piles: Vec<Told<Pile>>,
    pub(super) made_in: Vec<(PileId, Option<i16>)>,
    pub(super) efficiencies: Vec<(PileId, Option<Efficiency>)>,
    /// So many of the piles come with a list of Locations; those after them are of a table of their own.
    pub(super) of_locations: usize,
    pub(super) private: Vec<(StationId, OperatorId)>,
    pub(super) removed: Vec<Removed>,
    pub(super) unknown_plugs: Vec<(PileId, String)>,
    pub(super) anchors: Vec<(PileId, Act)>,
    pub(super) meter_keys: Vec<(PileId, MeterKey)>,
    pub(super) access: Vec<AccessRow>,
    pub(super) energy: Vec<EnergyInterval>,
    pub(super) calibrations: Vec<Calibration>,
    pub(super) tariffs: Vec<Tariff>,
    /// Columns that say nothing here.
    pub(super) unread: Unread,
}

impl Files {
    pub(super) fn read(args: &RegisterArgs, config: &Config) -> Result<Self> {
        let mut unread = Unread::default();
        let columns = ["operator_id", "name_zh", "name_en"];
        let operators = once(
            args.operators.as_ref(),
            &columns,
            &mut unread,
            "operator",
            operator,
            |operator: &Operator| operator.operator_id.as_str(),
        )?;
        let commitments = read(args.operators.as_ref(), &columns, &mut unread, commitment)?;
        let assumed = Assumed { operator: args.operator.clone(), system: args.coordinate_system };
        let Imported { stations, mut piles, private, removed, unknown_plugs, .. } =
            stations(args.stations.as_ref(), &assumed, &mut unread)?;
        let of_locations = piles.len();
        piles.extend(more_piles(args, &piles, &assumed, &mut unread)?);
        let anchor_columns =
            ["pile_id", "verified_at", "error_percent", "expanded_uncertainty_percent", "coverage_factor"];
        let made_in = read(args.piles.as_ref(), &PILE_COLUMNS, &mut unread, made_in)?;
        let efficiencies = read(args.piles.as_ref(), &PILE_COLUMNS, &mut unread, efficiency)?;
        let files = Self {
            operators,
            commitments: commitments.into_iter().flatten().collect(),
            stations,
            piles,
            made_in: made_in.into_iter().flatten().collect(),
            efficiencies: efficiencies.into_iter().flatten().collect(),
            of_locations,
            private,
            removed,
            unknown_plugs,
            anchors: read(args.anchors.as_ref(), &anchor_columns, &mut unread, anchor)?,
            meter_keys: read(args.meter_keys.as_ref(), &["pile_id", "public_key"], &mut unread, meter_key)?,
            access: once(
                args.access.as_ref(),
                &["pile_id"],
                &mut unread,
                "pile",
                keys::row,
                |access: &AccessRow| access.pile_id().as_str(),
            )?,
            energy: energy(args)?,
            calibrations: calibrations(args, config)?,
            tariffs: match &args.prices {
                Some(file) => prices::read(file, &mut unread)?,
                None => Vec::new(),
            },
            unread,
        };
        if files.rows() == 0 {
            bail!("nothing to register: {}", no_rows(args));
        }
        Ok(files)
    }

    /// How many there are, those left out among them.
    fn rows(&self) -> usize {
        let of_places = self.operators.len() + self.stations.len() + self.piles.len() + self.private.len();
        let of_piles = self.anchors.len() + self.meter_keys.len() + self.access.len();
        of_places + of_piles + self.energy.len() + self.calibrations.len() + self.tariffs.len()
    }

    /// Writes all but keys; gives how many intervals, calibrations and days of prices are new.
    pub(super) async fn write(
        &self,
        registering: &mut Registering,
        stations: &[Station],
        piles: &[Pile],
        hands: Hands,
    ) -> Result<[u64; 3]> {
        registering.operators(&self.operators).await?;
        registering.commitments(&self.commitments).await?;
        // What was nobody else's before may be by now: the writes themselves refuse it.
        registering.stations(stations, hands).await.context("stations")?;
        let (located, listed) = piles.split_at(self.of_locations);
        for (piles, hands) in [(located, hands), (listed, Hands::MayChange)] {
            registering.piles(piles, hands).await.context("piles")?;
        }
        registering.made_in(&self.made_in).await?;
        registering.efficiencies(&self.efficiencies).await?;
        registering.acts(&self.anchors).await.context("anchors")?;
        registering.meter_keys(&self.meter_keys).await.context("meter keys: is every pile registered?")?;
        let intervals = registering.energy(&self.energy).await;
        let intervals = intervals.context("masters and registers: is every station and pile registered?")?;
        let calibrated = registering.calibrations(&self.calibrations).await.context("references")?;
        let priced = registering.tariffs(&self.tariffs).await;
        Ok([intervals, calibrated, priced.context("prices: is every station registered?")?])
    }
}

/// Why there is nothing to register: no file was named, or there is nothing in those that were.
fn no_rows(args: &RegisterArgs) -> String {
    let of_places = [&args.operators, &args.stations, &args.piles, &args.prices];
    let of_piles = [&args.anchors, &args.meter_keys, &args.access];
    let of_energies = [&args.masters, &args.registers, &args.references];
    let named = of_places.into_iter().chain(of_piles).chain(of_energies).flatten();
    let told: Vec<String> = named.map(|file| format!("{} has no rows", file.display())).collect();
    if told.is_empty() {
        return "name a file with --operators, --stations, --piles, --anchors, --meter-keys, --masters, --registers, --references, --prices or --access"
            .to_owned();
    }
    told.join("; ")
}
