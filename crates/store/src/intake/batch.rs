//! One transaction of intake: frames, readings, charges and live state of many messages at once.
//!
//! Called by the task in [`super`]. Every statement takes arrays, so the number of statements does not grow with the batch.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use uuid::Uuid;
use veripile_pile::{Mark, Phase, Reading};

use super::copy::Rows;
use super::register::{self, Registers};
use super::{Arrival, Boot, Effect, Outcome, Sent, Status, sent};
use crate::row::{SqlTime, brief, codes, storable};
use crate::{Store, StoreError, charge, presence, signed};

/// `last_seen` of a pile is written at most this often; pages show its age in minutes.
const SEEN_EVERY: SignedDuration = SignedDuration::from_secs(20);

/// Series kept in memory; beyond it the cache starts anew.
const SERIES_CACHED_MAX: usize = 500_000;

/// What tells one series of a pile from another, in the order of the columns of `series`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct SeriesKey<'a> {
    connector: i64,
    measurand: Cow<'a, str>,
    phase: Cow<'a, str>,
    location: Cow<'a, str>,
    unit: Cow<'a, str>,
}

/// The numbers of each pile's series. A pile has some ten, and one that makes words up as many as it likes.
type SeriesNumbers = HashMap<i64, HashMap<SeriesKey<'static>, i64>>;

/// Writes batches; remembers which series exist and when each pile was last noted as seen.
pub(super) struct Writer {
    store: Store,
    series: SeriesNumbers,
    series_cached: usize,
    seen: HashMap<i64, Timestamp>,
    registers: Registers,
    /// Texts that chargers were sent since the last commit.
    pub(super) sent: Vec<Sent>,
}

impl Writer {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            series: HashMap::new(),
            series_cached: 0,
            seen: HashMap::new(),
            registers: Registers::default(),
            sent: Vec::new(),
        }
    }

    /// Stores the arrivals in one transaction; outcomes in the order of the arrivals.
    pub(super) async fn commit(&mut self, arrivals: &[Arrival]) -> Result<Vec<Outcome>, StoreError> {
        let mut connection = self.store.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        let fresh = match arrivals {
            [] => Vec::new(),
            _ => insert_frames(&mut transaction, arrivals).await?,
        };
        let found = self.resolve_series(&mut transaction, arrivals, &fresh).await?;
        self.insert_readings(&mut transaction, arrivals, &fresh, &found).await?;
        register::insert_epochs(&mut transaction, arrivals, &fresh).await?;
        let charge::Applied { transactions, comparable, registers } =
            charge::apply(&mut transaction, arrivals, &fresh, &self.registers).await?;
        signed::insert(&mut transaction, arrivals, &fresh, &transactions).await?;
        let seen = self.update_live(&mut transaction, arrivals, &fresh).await?;
        sent::insert(&mut transaction, &self.sent).await?;
        transaction.commit().await?;
        self.sent.clear();
        // Only now: a rolled-back series number must not be remembered.
        self.remember(found);
        self.registers.remember(registers);
        self.seen.extend(seen);
        if comparable {
            self.store.evidence.notify_one();
        }
        Ok(fresh
            .into_iter()
            .zip(transactions)
            .map(|(fresh, transaction)| Outcome { duplicate: !fresh, transaction })
            .collect())
    }

    /// Numbers of the series that are not in the cache yet.
    async fn resolve_series(
        &self,
        connection: &mut PgConnection,
        arrivals: &[Arrival],
        fresh: &[bool],
    ) -> Result<SeriesNumbers, StoreError> {
        let missing: BTreeSet<(i64, SeriesKey<'_>)> = readings(arrivals, fresh)
            .map(|(arrival, reading)| (arrival.pile_no, series_key(reading)))
            .filter(|(pile_no, key)| number_of(&self.series, *pile_no, key).is_none())
            .collect();
        let mut found = SeriesNumbers::new();
        if missing.is_empty() {
            return Ok(found);
        }
        let column =
            |pick: fn(&SeriesKey<'_>) -> String| missing.iter().map(|(_, key)| pick(key)).collect::<Vec<_>>();
        // The update of a column to itself makes RETURNING give existing rows too.
        let rows: Vec<(i64, i64, i64, String, String, String, String)> = sqlx::query_as(
            "INSERT INTO series (pile_no, connector, measurand, phase, location, unit)
             SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
             ON CONFLICT (pile_no, connector, measurand, phase, location, unit)
             DO UPDATE SET unit = excluded.unit
             RETURNING series_no, pile_no, connector, measurand, phase, location, unit",
        )
        .bind(missing.iter().map(|(pile_no, _)| *pile_no).collect::<Vec<_>>())
        .bind(missing.iter().map(|(_, key)| key.connector).collect::<Vec<_>>())
        .bind(column(|key| key.measurand.to_string()))
        .bind(column(|key| key.phase.to_string()))
        .bind(column(|key| key.location.to_string()))
        .bind(column(|key| key.unit.to_string()))
        .fetch_all(connection)
        .await?;
        for (series_no, pile_no, connector, measurand, phase, location, unit) in rows {
            let key = SeriesKey {
                connector,
                measurand: measurand.into(),
                phase: phase.into(),
                location: location.into(),
                unit: unit.into(),
            };
            found.entry(pile_no).or_default().insert(key, series_no);
        }
        Ok(found)
    }

    fn remember(&mut self, found: SeriesNumbers) {
        self.series_cached += found.values().map(HashMap::len).sum::<usize>();
        if self.series_cached > SERIES_CACHED_MAX {
            self.series.clear();
            self.series_cached = 0;
        }
        for (pile_no, series) in found {
            self.series.entry(pile_no).or_default().extend(series);
        }
    }

    async fn insert_readings(
        &self,
        connection: &mut PgConnection,
        arrivals: &[Arrival],
        fresh: &[bool],
        found: &SeriesNumbers,
    ) -> Result<(), StoreError> {
        let mut numbered: Vec<(i64, &Arrival, &Reading)> = readings(arrivals, fresh)
            .map(|(arrival, reading)| {
                let key = series_key(reading);
                let series_no = number_of(&self.series, arrival.pile_no, &key)
                    .or_else(|| number_of(found, arrival.pile_no, &key))
                    .expect("resolve_series numbered every series");
                (series_no, arrival, reading)
            })
            .collect();
        if numbered.is_empty() {
            return Ok(());
        }
        // In the order of the index the server finds its pages warm.
        numbered.sort_by_key(|(series_no, ..)| *series_no);
        let mut rows = Rows::new(9);
        for (series_no, arrival, reading) in numbered {
            rows.row()
                .field(series_no)?
                .field(reading.time().to_sqlx())?
                .field(reading.received.0.to_sqlx())?
                .field(reading.device_time.is_some())?
                .field(&*storable(reading.context.word()))?
                .field(&*storable(&reading.value))?
                .field(reading.number)?
                .field(arrival.frame.digest)?
                .field(marks(&reading.marks))?;
        }
        rows.copy(
            connection,
            "COPY reading (series_no, time, received_at, device_time, context, value, number, digest, marks)
             FROM STDIN (FORMAT binary)",
        )
        .await
    }

    /// Updates `pile_live` and `connector_live`; returns the piles whose `last_seen` was written. A repeat is a sign of life,
    /// but says nothing new.
    async fn update_live(
        &self,
        connection: &mut PgConnection,
        arrivals: &[Arrival],
        fresh: &[bool],
    ) -> Result<HashMap<i64, Timestamp>, StoreError> {
        let mut seen: BTreeMap<i64, Timestamp> = BTreeMap::new();
        let mut statuses: BTreeMap<(i64, i64), (&Status, &Arrival)> = BTreeMap::new();
        let mut boots: BTreeMap<i64, (&Boot, &Arrival)> = BTreeMap::new();
        let mut meters: BTreeMap<i64, (Option<&str>, Option<&str>)> = BTreeMap::new();
        for (arrival, fresh) in arrivals.iter().zip(fresh) {
            let (pile_no, received) = (arrival.pile_no, arrival.received.0);
            match &arrival.effect {
                Effect::Status(told) if *fresh => {
                    for status in told {
                        let key = (pile_no, i64::from(status.connector));
                        let latest = statuses.entry(key).or_insert((status, arrival));
                        if counts_after(*latest, (status, arrival)) {
                            *latest = (status, arrival);
                        }
                    }
                }
                Effect::Boot(boot) if *fresh => {
                    boots.insert(pile_no, (boot, arrival));
                }
                Effect::Meter { meter_type, meter_serial } if *fresh => {
                    meters.insert(pile_no, (meter_type.as_deref(), meter_serial.as_deref()));
                }
                _ => {}
            }
            if self.seen.get(&pile_no).is_none_or(|last| received.duration_since(*last) >= SEEN_EVERY) {
                seen.insert(pile_no, received);
            }
        }
        save_seen(connection, &seen).await?;
        save_statuses(connection, &statuses).await?;
        save_boots(connection, &boots).await?;
        for (pile_no, (meter_type, meter_serial)) in meters {
            presence::note_meter(connection, pile_no, meter_type, meter_serial).await?;
        }
        Ok(seen.into_iter().collect())
    }
}

async fn save_seen(connection: &mut PgConnection, seen: &BTreeMap<i64, Timestamp>) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!(
        "INSERT INTO pile_live (pile_no, last_seen) SELECT * FROM unnest($1::bigint[], $2::timestamptz[])
         ON CONFLICT (pile_no) DO UPDATE SET last_seen = greatest(pile_live.last_seen, excluded.last_seen), back_at = ",
        presence::back_at!()
    ))
    .bind(seen.keys().copied().collect::<Vec<_>>())
    .bind(seen.values().map(|at| at.to_sqlx()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether the second status counts, told after the first: by the charger's clock only where it is told late, and over one connection.
/// A clock that jumped back would hold what was told before, and a queue must not take back what holds since. Connections of one process
/// are numbered in their order, whatever its clock does; so are those of one batch.
fn counts_after(first: (&Status, &Arrival), second: (&Status, &Arrival)) -> bool {
    match first.1.connection.cmp(&second.1.connection) {
        Ordering::Less => true,
        Ordering::Equal => !second.0.late || first.0.at <= second.0.at,
        Ordering::Greater => false,
    }
}

/// Keeps the newest status of each connector, as [`counts_after`] has it. Intake is one task: nobody writes between.
///
/// What is stored may be of a process whose clock was ahead of ours, so that its connection has the greater number. The one that the pile
/// has now is the later one all the same; only where it has neither, numbers decide, and a clock that stepped back is believed.
async fn save_statuses(
    connection: &mut PgConnection,
    statuses: &BTreeMap<(i64, i64), (&Status, &Arrival)>,
) -> Result<(), StoreError> {
    if statuses.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO connector_live (pile_no, connector, status, status_at, connection, told_at)
         SELECT told.pile_no, told.connector, told.status, told.status_at, told.connection, told.told_at
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::uuid[], $6::timestamptz[], $7::boolean[])
              AS told(pile_no, connector, status, status_at, connection, told_at, late)
         LEFT JOIN connector_live AS known ON known.pile_no = told.pile_no AND known.connector = told.connector
         LEFT JOIN pile_live AS live ON live.pile_no = told.pile_no
         WHERE known.connection IS NULL
            OR CASE WHEN known.connection = told.connection THEN NOT told.late OR known.status_at <= told.status_at
                    WHEN live.connection = told.connection THEN true
                    WHEN live.connection = known.connection THEN false
                    ELSE known.connection < told.connection END
         ON CONFLICT (pile_no, connector) DO UPDATE SET status = excluded.status, status_at = excluded.status_at,
             connection = excluded.connection, told_at = excluded.told_at",
    )
    .bind(statuses.keys().map(|(pile_no, _)| *pile_no).collect::<Vec<_>>())
    .bind(statuses.keys().map(|(_, connector)| *connector).collect::<Vec<_>>())
    .bind(statuses.values().map(|(status, _)| brief(&status.word)).collect::<Vec<_>>())
    .bind(statuses.values().map(|(status, _)| status.at.to_sqlx()).collect::<Vec<_>>())
    .bind(statuses.values().map(|(_, arrival)| arrival.connection).collect::<Vec<_>>())
    .bind(statuses.values().map(|(_, arrival)| arrival.received.0.to_sqlx()).collect::<Vec<_>>())
    .bind(statuses.values().map(|(status, _)| status.late).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_boots(
    connection: &mut PgConnection,
    boots: &BTreeMap<i64, (&Boot, &Arrival)>,
) -> Result<(), StoreError> {
    if boots.is_empty() {
        return Ok(());
    }
    // What comes on the same connection now is told by another life of the charger, whose clock may have lost its time.
    sqlx::query(
        "UPDATE connector_live SET connection = NULL
         FROM unnest($1::bigint[], $2::uuid[]) AS boot(pile_no, connection)
         WHERE connector_live.pile_no = boot.pile_no AND connector_live.connection = boot.connection",
    )
    .bind(boots.keys().copied().collect::<Vec<_>>())
    .bind(boots.values().map(|(_, arrival)| arrival.connection).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    let column = |pick: fn(&Boot) -> Option<&String>| {
        boots.values().map(|(boot, _)| pick(boot).map(|text| brief(text))).collect::<Vec<_>>()
    };
    sqlx::query(
        "INSERT INTO firmware_change (pile_no, at, version)
         SELECT boot.pile_no, boot.at, boot.firmware
         FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) AS boot(pile_no, firmware, at)
         LEFT JOIN pile_live live USING (pile_no)
         WHERE boot.firmware IS NOT NULL AND boot.firmware IS DISTINCT FROM live.firmware
         ON CONFLICT DO NOTHING",
    )
    .bind(boots.keys().copied().collect::<Vec<_>>())
    .bind(column(|boot| boot.firmware.as_ref()))
    .bind(boots.values().map(|(_, arrival)| arrival.received.0.to_sqlx()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO pile_live (pile_no, vendor, model, firmware, meter_type, meter_serial, booted_at)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
         ON CONFLICT (pile_no) DO UPDATE SET
             vendor = excluded.vendor, model = excluded.model, firmware = excluded.firmware,
             meter_type = coalesce(excluded.meter_type, pile_live.meter_type),
             meter_serial = coalesce(excluded.meter_serial, pile_live.meter_serial), booted_at = excluded.booted_at",
    )
    .bind(boots.keys().copied().collect::<Vec<_>>())
    .bind(column(|boot| boot.vendor.as_ref()))
    .bind(column(|boot| boot.model.as_ref()))
    .bind(column(|boot| boot.firmware.as_ref()))
    .bind(column(|boot| boot.meter_type.as_ref()))
    .bind(column(|boot| boot.meter_serial.as_ref()))
    .bind(boots.values().map(|(_, arrival)| arrival.received.0.to_sqlx()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Readings of the arrivals that are not repeats.
fn readings<'a>(
    arrivals: &'a [Arrival],
    fresh: &'a [bool],
) -> impl Iterator<Item = (&'a Arrival, &'a Reading)> {
    arrivals
        .iter()
        .zip(fresh)
        .filter(|(_, fresh)| **fresh)
        .flat_map(|(arrival, _)| arrival.readings.iter().map(move |reading| (arrival, reading)))
}

fn series_key(reading: &Reading) -> SeriesKey<'_> {
    SeriesKey {
        connector: i64::from(reading.connector),
        measurand: storable(&reading.measurand.0),
        phase: match &reading.phase {
            Phase::Total => Cow::Borrowed(""),
            Phase::Named(name) => storable(name),
        },
        location: storable(reading.location.word()),
        unit: storable(&reading.unit),
    }
}

fn number_of(numbers: &SeriesNumbers, pile_no: i64, key: &SeriesKey<'_>) -> Option<i64> {
    let of_pile: &HashMap<SeriesKey<'_>, i64> = numbers.get(&pile_no)?;
    of_pile.get(key).copied()
}

/// Codes of the marks as an array; none for no marks.
fn marks(marks: &[Mark]) -> Option<Vec<&'static str>> {
    (!marks.is_empty()).then(|| marks.iter().map(|mark| mark.code()).collect())
}

/// Stores the frames; for each arrival whether its frame is new.
async fn insert_frames(connection: &mut PgConnection, arrivals: &[Arrival]) -> Result<Vec<bool>, StoreError> {
    let fresh: Vec<(i64, SqlTime, Uuid)> = sqlx::query_as(
        "INSERT INTO frame (pile_no, time, digest, received_at, connection, protocol, message_id, action, body, mac, marks)
         SELECT pile_no, time, digest, received_at, connection, protocol, message_id, action, body, mac,
                string_to_array(marks, ',')
         FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[], $4::timestamptz[], $5::uuid[], $6::text[], $7::text[],
                     $8::text[], $9::text[], $10::bytea[], $11::text[])
              AS f(pile_no, time, digest, received_at, connection, protocol, message_id, action, body, mac, marks)
         ON CONFLICT DO NOTHING
         RETURNING pile_no, time, digest",
    )
    .bind(arrivals.iter().map(|a| a.pile_no).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.frame.time.to_sqlx()).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.frame.digest).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.received.0.to_sqlx()).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.connection).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.protocol).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.frame.message_id.as_deref().map(storable)).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.frame.action.as_deref().map(storable)).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| storable(&a.frame.body)).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| a.frame.mac.to_vec()).collect::<Vec<_>>())
    .bind(arrivals.iter().map(|a| codes(&a.frame.marks)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut fresh: HashSet<(i64, i64, Uuid)> = fresh
        .into_iter()
        .map(|(pile, time, digest)| (pile, time.to_jiff().as_microsecond(), digest))
        .collect();
    // Removing makes the second of two equal messages in one batch a repeat, as it would be in two.
    Ok(arrivals
        .iter()
        .map(|a| fresh.remove(&(a.pile_no, a.frame.time.as_microsecond(), a.frame.digest)))
        .collect())
}
