//! The atlas: where all piles stand and how, and stations at which none is registered, sorted along the map's tiles, and the tiles drawn from it.
//!
//! Held by [`crate::tiles`], which answers requests from it. It is read from the database as a whole, in the background, and never changed:
//! a newer one takes its place. No pile is left out of a tile: where they are too many to be drawn one by one, cells tell how many. Stations
//! without a pile are in no cell, since nothing there is counted; each tile says how many there are.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use actix_web::web::Bytes;
use fast_mvt::{MvtCoord, MvtGeomType, MvtResult, MvtTileBuilder, MvtValueRef};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use rust_decimal::prelude::ToPrimitive;
use sha2::{Digest, Sha256};
use veripile_pile::{PileKind, Place, PlaceKey, State, Tile};
use veripile_store::{Spot, Store, StoreError};

use crate::api::LICENSE;
use crate::door::TAG_CHARS;

/// From this zoom on piles are drawn one by one: a tile is then 8 km wide in Wuxi, a part of a city.
pub(crate) const PILES_FROM_ZOOM: u8 = 12;

/// Up to this zoom cells are drawn beside piles, for maps that rather tell numbers: a station's piles are then still one spot.
const CELLS_TO_ZOOM: u8 = 13;

/// Tiles up to this zoom are drawn with the atlas: they hold the most piles and are asked for by everybody. All of China has some two thousand
/// that are not empty.
const DRAWN_TO_ZOOM: u8 = 9;

/// Width of a tile in its own units.
const EXTENT: u32 = 4096;

/// Zooms from a tile to the squares that piles are counted in: 16 × 16, each 32 pixels wide on a tile of 512.
const SQUARE_ZOOMS: u32 = 4;

/// Squares whose piles stand nearer than this, on average, are one cell: 40 pixels, as much as a symbol with a number in it takes. Else
/// a place that an edge between squares cuts would be two symbols, one upon the other.
const CELL_WIDTH: f64 = 320.0;

/// Piles drawn one by one in a tile, at most, and stations; more would cover each other, and could not be told in [`TILE_BYTES_MAX`].
const PILES_PER_TILE_MAX: usize = 2_000;

/// Largest tile, bytes before it is compressed: what a slow connection gets in a second.
const TILE_BYTES_MAX: usize = 60_000;

/// Tiles drawn on request are kept up to so many bytes; then they are all forgotten, as with a newer atlas.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// A tile as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    /// Compressed with gzip.
    pub(crate) gzip: Bytes,
    /// Its tag: of what it says, whatever way it is compressed.
    pub(crate) tag: String,
}

/// All piles with a place, and all stations without one.
pub(crate) struct Atlas {
    dots: Vec<Dot>,
    stations: Vec<Station>,
    /// Their identifiers, one after the other.
    names: String,
    drawn: HashMap<Tile, Sheet>,
    kept: Mutex<Kept>,
}

/// Tiles drawn on request.
#[derive(Default)]
struct Kept {
    bytes: usize,
    sheets: HashMap<Tile, Sheet>,
}

/// A pile, in 32 bytes: a million of them stand in memory.
struct Dot {
    key: PlaceKey,
    name: Name,
    state: State,
    kind: PileKind,
    power_kw: Option<f32>,
    /// Unix time of the judgement, s; 0: none.
    judged_s: u32,
}

/// A station at which no pile is registered.
struct Station {
    key: PlaceKey,
    name: Name,
}

/// Where an identifier stands among all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    at: u32,
    bytes: u16,
}

/// Piles of one square, or of a cell: sums of their positions, and their numbers.
#[derive(Default, Clone, Copy)]
struct Square {
    x: u64,
    y: u64,
    piles: u32,
    by_state: [u32; State::ALL.len()],
}

impl Atlas {
    /// Reads every pile, and draws what is asked for most.
    pub(crate) async fn read(store: &Store) -> Result<Self, StoreError> {
        let (mut dots, mut names) = (Vec::new(), String::new());
        let mut after = Some(0);
        while let Some(number) = after {
            let (spots, next) = store.spots(number).await?;
            dots.extend(spots.iter().filter_map(|spot| Dot::of(spot, &mut names)));
            after = next;
        }
        let (mut stations, mut after) = (Vec::new(), Some(String::new()));
        while let Some(id) = after {
            let (spots, has_more) = store.unpiled_spots(&id).await?;
            stations
                .extend(spots.iter().filter_map(|(id, place)| Station::of(id.as_str(), *place, &mut names)));
            after = spots.last().filter(|_| has_more).map(|(id, _)| id.to_string());
        }
        let drawn = tokio::task::spawn_blocking(move || Self::of(dots, stations, names)).await;
        drawn.map_err(|error| StoreError::Panicked(error.to_string()))
    }

    fn of(mut dots: Vec<Dot>, mut stations: Vec<Station>, names: String) -> Self {
        dots.sort_by_key(|dot| (dot.key, dot.name));
        stations.sort_by_key(|station| (station.key, station.name));
        let kept = Mutex::default();
        let mut atlas = Self { dots, stations, names, drawn: HashMap::new(), kept };
        for zoom in 0..=DRAWN_TO_ZOOM {
            let mut tiles: Vec<Tile> = atlas.dots.iter().map(|dot| Tile::of(dot.key, zoom)).collect();
            tiles.dedup();
            for tile in tiles {
                let sheet = atlas.draw(tile);
                atlas.drawn.insert(tile, sheet);
            }
        }
        atlas
    }

    /// A tile; drawn if it has not been yet.
    pub(crate) fn sheet(&self, tile: Tile) -> Sheet {
        if let Some(sheet) = self.drawn.get(&tile) {
            return sheet.clone();
        }
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sheet) = kept().sheets.get(&tile) {
            return sheet.clone();
        }
        let sheet = self.draw(tile);
        let mut kept = kept();
        if kept.bytes > KEPT_BYTES_MAX {
            *kept = Kept::default();
        }
        kept.bytes += sheet.gzip.len() + size_of::<Sheet>() + TAG_CHARS;
        kept.sheets.insert(tile, sheet.clone());
        sheet
    }

    fn draw(&self, tile: Tile) -> Sheet {
        let bytes = self.encoded(tile).unwrap_or_else(|error| {
            tracing::error!(%error, "a tile could not be written");
            Vec::new()
        });
        Sheet {
            tag: format!("W/\"{}\"", &hex::encode(Sha256::digest(&bytes))[..TAG_CHARS]),
            gzip: compressed(&bytes).into(),
        }
    }

    /// The tile uncompressed, [`TILE_BYTES_MAX`] at most. From [`PILES_FROM_ZOOM`] on there are stations in it where they are few enough and
    /// piles leave room: deeper down both are so.
    fn encoded(&self, tile: Tile) -> MvtResult<Vec<u8>> {
        let dots = within(&self.dots, tile, |dot| dot.key);
        let stations = within(&self.stations, tile, |station| station.key);
        let mut bytes = self.piles(tile, dots, stations.len())?;
        let are_drawn = tile.zoom() >= PILES_FROM_ZOOM && (1..=PILES_PER_TILE_MAX).contains(&stations.len());
        if are_drawn {
            // Layers are a repeated field: two tiles, one behind the other, are one with the layers of both.
            let more = self.of_stations(tile, stations)?;
            if bytes.len() + more.len() <= TILE_BYTES_MAX {
                bytes.extend(more);
            }
        }
        Ok(bytes)
    }

    /// A tile of piles: one by one where they are few enough, else in cells.
    fn piles(&self, tile: Tile, dots: &[Dot], stations: usize) -> MvtResult<Vec<u8>> {
        if tile.zoom() >= PILES_FROM_ZOOM && dots.len() <= PILES_PER_TILE_MAX {
            let bytes = self.one_by_one(tile, dots, stations)?;
            if bytes.len() <= TILE_BYTES_MAX {
                return Ok(bytes);
            }
        }
        Ok(cells(summary(dots, stations, "cells")?, tile, dots)?.encode())
    }

    fn one_by_one(&self, tile: Tile, dots: &[Dot], stations: usize) -> MvtResult<Vec<u8>> {
        let mut layer = summary(dots, stations, "piles")?.layer("piles")?;
        for dot in dots {
            let mut feature = layer.feature_of(MvtGeomType::Point);
            feature.points([position(dot.key, tile)])?;
            feature.tag_ref("id", MvtValueRef::String(self.name(dot.name)))?;
            feature.tag_ref("state", MvtValueRef::String(dot.state.word()))?;
            feature.tag_ref("kind", MvtValueRef::String(dot.kind.word()))?;
            if let Some(power_kw) = dot.power_kw {
                feature.tag_float("power_kw", power_kw)?;
            }
            layer = feature.end();
        }
        let drawn = layer.end();
        Ok(if tile.zoom() <= CELLS_TO_ZOOM { cells(drawn, tile, dots)? } else { drawn }.encode())
    }

    /// A tile of nothing but stations. They have no state.
    fn of_stations(&self, tile: Tile, stations: &[Station]) -> MvtResult<Vec<u8>> {
        let mut layer = MvtTileBuilder::new().layer("stations")?;
        for station in stations {
            let mut feature = layer.feature_of(MvtGeomType::Point);
            feature.points([position(station.key, tile)])?;
            feature.tag_ref("id", MvtValueRef::String(self.name(station.name)))?;
            layer = feature.end();
        }
        Ok(layer.end().encode())
    }

    fn name(&self, name: Name) -> &str {
        &self.names[name.at as usize..][..usize::from(name.bytes)]
    }
}

/// What lies in a tile, of what is sorted by its keys.
fn within<T>(sorted: &[T], tile: Tile, key: fn(&T) -> PlaceKey) -> &[T] {
    let (first, last) = tile.keys();
    let begin = sorted.partition_point(|one| key(one) < first);
    let count = sorted[begin..].partition_point(|one| key(one) <= last);
    &sorted[begin..begin + count]
}

fn position(key: PlaceKey, tile: Tile) -> MvtCoord {
    let (x, y) = tile.position(key, EXTENT);
    MvtCoord { x: x.cast_signed(), y: y.cast_signed() }
}

/// Adds cells with the number of their piles, in all and by state, where those stand on average.
fn cells(drawn: MvtTileBuilder, tile: Tile, dots: &[Dot]) -> MvtResult<MvtTileBuilder> {
    let mut layer = drawn.layer("cells")?;
    for cell in joined(squares(tile, dots)) {
        let mut feature = layer.feature_of(MvtGeomType::Point);
        let mean = |sum: u64| i32::try_from(sum / u64::from(cell.piles)).unwrap_or(0);
        feature.points([MvtCoord { x: mean(cell.x), y: mean(cell.y) }])?;
        feature.tag_uint("piles", cell.piles.into())?;
        for (state, piles) in State::ALL.iter().zip(cell.by_state) {
            if piles > 0 {
                feature.tag_uint(state.word(), piles.into())?;
            }
        }
        layer = feature.end();
    }
    Ok(layer.end())
}

/// The squares that have piles, the fullest first.
fn squares(tile: Tile, dots: &[Dot]) -> Vec<Square> {
    let side = EXTENT >> SQUARE_ZOOMS;
    let mut squares: HashMap<(u32, u32), Square> = HashMap::new();
    for dot in dots {
        let (x, y) = tile.position(dot.key, EXTENT);
        let square = squares.entry((y / side, x / side)).or_default();
        square.x += u64::from(x);
        square.y += u64::from(y);
        square.piles += 1;
        square.by_state[dot.state as usize] += 1;
    }
    let mut squares: Vec<_> = squares.into_iter().collect();
    squares.sort_by_key(|(at, square)| (Reverse(square.piles), *at));
    squares.into_iter().map(|(_, square)| square).collect()
}

/// Joins to each square, the fullest first, those that are too near to it and not yet joined to another.
fn joined(mut squares: Vec<Square>) -> Vec<Square> {
    let mut cells = Vec::new();
    while let Some(first) = squares.first() {
        let (x, y) = first.middle();
        let is_near = |square: &Square| (square.middle().0 - x).hypot(square.middle().1 - y) < CELL_WIDTH;
        let (near, rest): (Vec<_>, Vec<_>) = squares.into_iter().partition(is_near);
        cells.extend(near.into_iter().reduce(Square::plus));
        squares = rest;
    }
    cells
}

/// The layer that says what the tile holds: how many piles, drawn how, judged until when, how many stations without one, under which licence.
fn summary(dots: &[Dot], stations: usize, drawn: &str) -> MvtResult<MvtTileBuilder> {
    let mut feature = MvtTileBuilder::new().layer("tile")?.feature_of(MvtGeomType::Point);
    let middle = (EXTENT / 2).cast_signed();
    feature.points([MvtCoord { x: middle, y: middle }])?;
    feature.tag_uint("piles", dots.len() as u64)?;
    feature.tag_uint("stations", stations as u64)?;
    feature.tag_ref("drawn", MvtValueRef::String(drawn))?;
    feature.tag_ref("license", MvtValueRef::String(LICENSE))?;
    let judged_s = dots.iter().map(|dot| dot.judged_s).max().filter(|judged_s| *judged_s > 0);
    if let Some(judged_at) = judged_s.and_then(|s| Timestamp::from_second(s.into()).ok()) {
        feature.tag_string("last_updated", judged_at.to_string())?;
    }
    Ok(feature.end().end())
}

impl Square {
    /// Where its piles stand on average.
    fn middle(&self) -> (f64, f64) {
        (self.x as f64 / f64::from(self.piles), self.y as f64 / f64::from(self.piles))
    }

    fn plus(mut self, other: Self) -> Self {
        self.x += other.x;
        self.y += other.y;
        self.piles += other.piles;
        self.by_state.iter_mut().zip(other.by_state).for_each(|(sum, piles)| *sum += piles);
        self
    }
}

impl Name {
    /// Puts an identifier behind the others; none beyond four gigabytes of them: more than there will be.
    fn put(id: &str, names: &mut String) -> Option<Self> {
        let name = Self { at: u32::try_from(names.len()).ok()?, bytes: u16::try_from(id.len()).ok()? };
        names.push_str(id);
        Some(name)
    }
}

impl Dot {
    fn of(spot: &Spot, names: &mut String) -> Option<Self> {
        Some(Self {
            key: PlaceKey::of(spot.place),
            name: Name::put(&spot.pile_id, names)?,
            state: spot.state,
            kind: spot.kind,
            power_kw: spot.power_kw.and_then(|power_kw| power_kw.to_f32()),
            judged_s: spot.judged_at.and_then(|at| u32::try_from(at.as_second()).ok()).unwrap_or(0),
        })
    }
}

impl Station {
    fn of(id: &str, place: Place, names: &mut String) -> Option<Self> {
        Some(Self { key: PlaceKey::of(place), name: Name::put(id, names)? })
    }
}

/// Compressed quickly: what a higher level saves is less than it costs while somebody waits.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Piles on a grid around a place, each 0.0001° from the next, with names of a given length.
    fn atlas(piles: usize, name_chars: usize) -> Atlas {
        atlas_of(piles, 0, name_chars)
    }

    /// The same with stations on a grid of their own.
    fn atlas_of(piles: usize, stations: usize, name_chars: usize) -> Atlas {
        let mut names = String::new();
        let dots = (0..piles).map(|n| {
            let (column, row) = ((n % 100) as f64, (n / 100) as f64);
            let spot = Spot {
                pile_id: format!("{n:0>name_chars$}"),
                kind: PileKind::Ac,
                power_kw: None,
                place: Place { lon: 120.3 + 1e-4 * column, lat: 31.5 + 1e-4 * row },
                state: State::ALL[n % State::ALL.len()],
                judged_at: Timestamp::from_second(1_770_000_000 + n as i64).ok(),
            };
            Dot::of(&spot, &mut names).expect("few names")
        });
        let dots = dots.collect();
        let stations = (0..stations).map(|n| {
            let (column, row) = ((n % 100) as f64, (n / 100) as f64);
            let place = Place { lon: 120.300_05 + 1e-4 * column, lat: 31.5 + 1e-4 * row };
            Station::of(&format!("{n:0>name_chars$}"), place, &mut names).expect("few names")
        });
        let stations = stations.collect();
        Atlas::of(dots, stations, names)
    }

    /// Layers of a tile: name and number of features.
    fn layers(bytes: &[u8]) -> Vec<(String, usize)> {
        let tile = fast_mvt::MvtReaderRef::new(bytes).expect("a tile");
        tile.layers().map(|layer| (layer.name().to_owned(), layer.features().count())).collect()
    }

    #[test]
    fn no_tile_is_too_large_whatever_the_names() {
        for (piles, name_chars, singles) in [(900, 16, true), (900, 64, false), (2_500, 5, false)] {
            let atlas = atlas(piles, name_chars);
            let mut deepest = Vec::new();
            for zoom in 0..=veripile_pile::tile::ZOOM_MAX {
                let tile = Tile::of(atlas.dots[0].key, zoom);
                let bytes = atlas.encoded(tile).expect("drawn");
                assert!(bytes.len() <= TILE_BYTES_MAX, "{zoom}: {}", bytes.len());
                let layers = layers(&bytes);
                if zoom == PILES_FROM_ZOOM {
                    assert_eq!(layers[1].0, if singles { "piles" } else { "cells" }, "{piles} {name_chars}");
                } else if zoom < PILES_FROM_ZOOM {
                    assert_eq!(layers[1].0, "cells");
                }
                deepest = layers;
            }
            assert_eq!(deepest[1].0, "piles", "deep enough, all are drawn one by one");
        }
    }

    #[test]
    fn stations_are_drawn_where_there_is_room_and_each_tile_says_how_many_there_are() {
        let says = |bytes: &[u8], stations: usize| {
            let tile = fast_mvt::MvtReaderRef::new(bytes).expect("a tile");
            let summary = tile.layers().next().and_then(|layer| layer.features().next()).expect("a summary");
            summary
                .properties()
                .flatten()
                .any(|told| told == ("stations", MvtValueRef::UInt(stations as u64)))
        };
        for (piles, stations, name_chars, first) in
            [(0, 300, 8, 12), (500, 300, 16, 12), (2_500, 300, 5, 12), (10, 900, 64, 16), (10, 2_500, 5, 16)]
        {
            let atlas = atlas_of(piles, stations, name_chars);
            let mut drawn = Vec::new();
            for zoom in 0..=veripile_pile::tile::ZOOM_MAX {
                let tile = Tile::of(atlas.stations[0].key, zoom);
                let bytes = atlas.encoded(tile).expect("drawn");
                assert!(bytes.len() <= TILE_BYTES_MAX, "{zoom}: {}", bytes.len());
                let here = within(&atlas.stations, tile, |station| station.key).len();
                assert!(0 < here && says(&bytes, here), "{zoom}: {here}");
                if let Some((_, features)) = layers(&bytes).iter().find(|(name, _)| name == "stations") {
                    assert_eq!(*features, here, "all or none");
                    drawn.push(zoom);
                }
            }
            assert!((PILES_FROM_ZOOM..=first).contains(&drawn[0]), "{piles} {stations}: {drawn:?}");
            assert_eq!(drawn.last(), Some(&veripile_pile::tile::ZOOM_MAX), "deep enough there is room");
        }
    }

    #[test]
    fn a_tile_without_piles_says_so() {
        let atlas = atlas(10, 5);
        let empty = Tile::new(14, 0, 0).expect("a tile");
        assert_eq!(layers(&atlas.encoded(empty).expect("drawn")).first(), Some(&("tile".to_owned(), 1)));
    }

    #[test]
    fn tiles_drawn_on_request_are_kept_and_have_the_tag_of_what_they_say() {
        let atlas = atlas(1_000, 8);
        let tile = Tile::of(atlas.dots[0].key, 15);
        let (one, two) = (atlas.sheet(tile), atlas.sheet(tile));
        assert_eq!((&one.gzip, &one.tag), (&two.gzip, &two.tag));
        assert_eq!(one.gzip.as_ptr(), two.gzip.as_ptr(), "not drawn twice");
        let other = atlas.sheet(Tile::of(atlas.dots[0].key, 16));
        assert_ne!(one.tag, other.tag);
    }
}
