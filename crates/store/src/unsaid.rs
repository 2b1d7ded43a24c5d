//! Lists completed with what is registered already, where they say nothing.
//!
//! Called by `app` and `api` between reading a list and registering it. It writes nothing; whoever registers the same station at the
//! same time is last or first, as ever.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sqlx::FromRow;
use veripile_pile::{
    AccuracyClass, ConnectorType, CoordinateSystem, GivenPlace, OperatorId, Pile, PileId, PileKind, Place,
    PlaceDoubt, Station, StationId, Told,
};

use crate::row::corrupt;
use crate::station::StationRow;
use crate::{Store, StoreError};

impl Store {
    /// Stations as a list tells them, the rest of each as it is registered.
    pub async fn complete_stations(&self, told: Vec<Told<Station>>) -> Result<Vec<Station>, StoreError> {
        let ids: Vec<&str> = told.iter().map(|one| one.record.station_id.as_str()).collect();
        let rows: Vec<StationRow> = sqlx::query_as(
            "SELECT station_id, operator_id, name_zh, name_en, lon, lat, region, address, phone, fee_cny_kwh, fee_note,
                    country, time_zone, told_piles
             FROM station WHERE station_id = ANY($1)",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let known: HashMap<StationId, Station> = rows
            .into_iter()
            .map(|row| row.station().map(|station| (station.station_id.clone(), station)))
            .collect::<Result<_, _>>()?;
        let complete = |one: Told<Station>| match known.get(&one.record.station_id) {
            Some(was) => one.over(was),
            None => one.record,
        };
        Ok(told.into_iter().map(complete).collect())
    }

    /// Piles as a list tells them, the rest of each as it is registered. Of one that only knocked nothing is. One without a place of its own
    /// stands where its station is: as the same list has it, else as it is registered.
    pub async fn complete_piles(
        &self,
        told: Vec<Told<Pile>>,
        stations: &[Station],
    ) -> Result<Vec<Pile>, StoreError> {
        let ids: Vec<&str> = told.iter().map(|one| one.record.pile_id.as_str()).collect();
        let rows: Vec<PileRow> = sqlx::query_as(
            "SELECT pile_id, station_id, operator_id, kind, accuracy_class, power_kw, connectors, lon, lat,
                    given_system, given_lon, given_lat, place_doubts, model, meter_serial
             FROM pile WHERE pile_id = ANY($1) AND registered",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let known: HashMap<PileId, Pile> = rows
            .into_iter()
            .map(|row| row.pile().map(|pile| (pile.pile_id.clone(), pile)))
            .collect::<Result<_, _>>()?;
        let complete = |one: Told<Pile>| match known.get(&one.record.pile_id) {
            Some(was) => one.over(was),
            None => one.record,
        };
        let mut piles: Vec<Pile> = told.into_iter().map(complete).collect();
        self.put_at_stations(&mut piles, stations).await?;
        Ok(piles)
    }

    /// Gives piles their stations' places: those without one, and those that stand where their station has stood so far, since the list may
    /// move it.
    async fn put_at_stations(&self, piles: &mut [Pile], stations: &[Station]) -> Result<(), StoreError> {
        let shared = piles.iter().filter(|pile| pile.given.is_none());
        let ids: Vec<&str> = shared.filter_map(|pile| Some(pile.station_id.as_ref()?.as_str())).collect();
        let registered: HashMap<String, Place> = self.station_places(&ids).await?.into_iter().collect();
        let listed: HashMap<&str, Place> =
            stations.iter().map(|station| (station.station_id.as_str(), station.place)).collect();
        for pile in piles.iter_mut().filter(|pile| pile.given.is_none()) {
            let Some(id) = pile.station_id.as_ref().map(StationId::as_str) else { continue };
            let so_far = registered.get(id).copied();
            if pile.place.is_none() || pile.place == so_far {
                pile.place = listed.get(id).copied().or(so_far);
            }
        }
        Ok(())
    }
}

#[derive(FromRow)]
struct PileRow {
    pile_id: String,
    station_id: Option<String>,
    operator_id: Option<String>,
    kind: String,
    accuracy_class: Decimal,
    power_kw: Option<Decimal>,
    connectors: Vec<String>,
    lon: Option<f64>,
    lat: Option<f64>,
    given_system: Option<String>,
    given_lon: Option<f64>,
    given_lat: Option<f64>,
    place_doubts: Vec<String>,
    model: Option<String>,
    meter_serial: Option<String>,
}

impl PileRow {
    fn pile(self) -> Result<Pile, StoreError> {
        let system = self.given_system.as_deref().and_then(CoordinateSystem::from_word);
        let given = system.zip(self.given_lon.zip(self.given_lat)).map(|(system, (lon, lat))| GivenPlace {
            system,
            lon,
            lat,
            doubts: PlaceDoubt::ALL
                .into_iter()
                .filter(|doubt| self.place_doubts.iter().any(|code| code == doubt.code()))
                .collect(),
        });
        Ok(Pile {
            pile_id: PileId::parse(&self.pile_id).map_err(|_| corrupt("pile", &self.pile_id))?,
            station_id: self
                .station_id
                .map(|id| StationId::parse(&id).map_err(|_| corrupt("station", &id)))
                .transpose()?,
            operator_id: self
                .operator_id
                .map(|id| OperatorId::parse(&id).map_err(|_| corrupt("operator", &id)))
                .transpose()?,
            kind: PileKind::from_word(&self.kind).ok_or_else(|| corrupt("kind", &self.kind))?,
            class: AccuracyClass(self.accuracy_class),
            power_kw: self.power_kw,
            connectors: self.connectors.iter().filter_map(|word| ConnectorType::from_word(word)).collect(),
            place: self.lon.zip(self.lat).and_then(|(lon, lat)| Place::new(lon, lat)),
            given,
            model: self.model,
            meter_serial: self.meter_serial,
        })
    }
}
