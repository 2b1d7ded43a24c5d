//! A registration under way: operators, stations, piles and all that files say of them, in one transaction.
//!
//! Used by `veripile register` and by imports of `api`. Each table is written where it is at home; here is only that all of it is
//! written, or nothing.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::{Postgres, Transaction};
use tokio::sync::Notify;
use veripile_pile::{Act, MeterKey, Operator, OperatorId, Pile, PileId, Station};

use crate::evidence::{self, Efficiency, EnergyInterval};
use crate::price::{self, Tariff};
use crate::registration::{Hands, Removed};
use crate::witness::{self, Calibration};
use crate::{Store, StoreError, access, registration, signed, tally};

/// Nothing of it is there before [`Registering::commit`]; dropped without, it never was.
pub struct Registering {
    transaction: Transaction<'static, Postgres>,
    evidence: Arc<Notify>,
}

impl Store {
    /// Begins a registration. It holds a connection, on the embedded database the only one: who waits for anything else meanwhile waits
    /// for ever.
    pub async fn registering(&self) -> Result<Registering, StoreError> {
        Ok(Registering { transaction: self.pool.begin().await?, evidence: Arc::clone(&self.evidence) })
    }
}

impl Registering {
    /// As [`Store::register_operators`].
    pub async fn operators(&mut self, operators: &[Operator]) -> Result<(), StoreError> {
        registration::write_operators(&mut self.transaction, operators).await
    }

    /// As [`Store::note_commitments`].
    pub async fn commitments(&mut self, commitments: &[(OperatorId, Date)]) -> Result<(), StoreError> {
        tally::write_commitments(&mut self.transaction, commitments).await
    }

    /// As [`Store::register_stations`]; where hands stay it fails with [`StoreError::OfOthers`] if one is another operator's by now.
    pub async fn stations(&mut self, stations: &[Station], hands: Hands) -> Result<(), StoreError> {
        registration::write_stations(&mut self.transaction, stations, hands).await
    }

    /// As [`Store::register_piles`]; hands as with stations.
    pub async fn piles(&mut self, piles: &[Pile], hands: Hands) -> Result<(), StoreError> {
        registration::write_piles(&mut self.transaction, piles, hands).await
    }

    /// Years in which piles were made; none takes one back. Fails if a pile is not registered.
    pub async fn made_in(&mut self, years: &[(PileId, Option<i16>)]) -> Result<(), StoreError> {
        registration::write_made_in(&mut self.transaction, years).await
    }

    /// What is told of piles' efficiencies; none takes one back. Fails if a pile is not registered.
    pub async fn efficiencies(&mut self, told: &[(PileId, Option<Efficiency>)]) -> Result<(), StoreError> {
        registration::write_efficiencies(&mut self.transaction, told).await
    }

    /// Takes piles from the stations that their own operators say them to be gone from; which these were. One with an open case stays.
    pub async fn take_away(&mut self, removed: &[Removed]) -> Result<HashSet<String>, StoreError> {
        registration::take_away(&mut self.transaction, removed).await
    }

    /// As [`Store::record_acts`].
    pub async fn acts(&mut self, acts: &[(PileId, Act)]) -> Result<(), StoreError> {
        registration::write_acts(&mut self.transaction, acts).await
    }

    /// Public keys of meters. Fails if a pile is not registered.
    pub async fn meter_keys(&mut self, keys: &[(PileId, MeterKey)]) -> Result<(), StoreError> {
        signed::write_meter_keys(&mut self.transaction, keys).await
    }

    /// Intervals of energy; one that stands there already with the same energy is not repeated. Gives how many are new. Fails if a
    /// station or pile is not registered.
    pub async fn energy(&mut self, intervals: &[EnergyInterval]) -> Result<u64, StoreError> {
        evidence::write_energy(&mut self.transaction, intervals).await
    }

    /// Calibrations of reference vehicles; one that stands there already with the same result is not repeated. Gives how many are new.
    pub async fn calibrations(&mut self, calibrations: &[Calibration]) -> Result<u64, StoreError> {
        witness::write_calibrations(&mut self.transaction, calibrations).await
    }

    /// Prices by hours of the day; those that stand there already are not repeated. Gives how many are new. Fails if a station is not
    /// registered.
    pub async fn tariffs(&mut self, tariffs: &[Tariff]) -> Result<u64, StoreError> {
        price::write_tariffs(&mut self.transaction, tariffs).await
    }

    /// How a pile proves who it is: the profile asked of it, where its messages go besides, and the hash of a new key, if there is one.
    pub async fn access(
        &mut self,
        pile_id: &PileId,
        profile: Option<i16>,
        upstream: Option<&str>,
        key_hash: Option<&str>,
    ) -> Result<(), StoreError> {
        access::write_profile(&mut self.transaction, pile_id, profile).await?;
        access::write_upstream(&mut self.transaction, pile_id, upstream).await?;
        match key_hash {
            Some(key_hash) => {
                access::write_key(&mut self.transaction, pile_id, key_hash, Timestamp::now()).await
            }
            None => Ok(()),
        }
    }

    /// Makes all of it count.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        self.evidence.notify_one();
        Ok(())
    }
}
