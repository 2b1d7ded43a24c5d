//! Tiles of the web map: squares of the Web Mercator plane, and the key by which places sort along them.
//!
//! Used by `api::atlas`. Pure arithmetic on WGS-84 degrees; nothing here knows what is drawn.
//!
//! # Formula
//! `x = (λ + 180°)/360°`, `y = (1 − ln(tan φ + sec φ)/π)/2` (EPSG:3857 with its square cut to one): the north-west corner of the
//! plane is (0, 0), the south-east one (1, 1). A tile of zoom z is one of 2^z × 2^z squares; its quadkey has one digit of base four
//! a zoom, `x's bit + 2 · y's bit`, the coarsest first (Microsoft, "Bing Maps Tile System").

use crate::Place;

/// Deepest zoom of a tile: 9.6 m wide at the equator, finer than any place is known.
pub const ZOOM_MAX: u8 = 22;

/// Bits of each coordinate in a [`PlaceKey`]: 9 mm at the equator.
const BITS: u8 = 32;

/// A square of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    z: u8,
    x: u32,
    y: u32,
}

/// Where a place lies on the plane, the bits of both coordinates in turns: a quadkey of 32 digits. All places of a tile follow each
/// other in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceKey(u64);

impl Tile {
    /// A tile, if there is one at this zoom.
    pub fn new(z: u8, x: u32, y: u32) -> Option<Self> {
        (z <= ZOOM_MAX && x < 1 << z && y < 1 << z).then_some(Self { z, x, y })
    }

    /// Its zoom.
    pub fn zoom(self) -> u8 {
        self.z
    }

    /// Column, from the west, and row, from the north.
    pub fn column_row(self) -> (u32, u32) {
        (self.x, self.y)
    }

    /// The tile of this zoom in which a place lies.
    pub fn of(place: PlaceKey, z: u8) -> Self {
        let z = z.min(ZOOM_MAX);
        let (x, y) = place.coordinates();
        let shift = BITS - z;
        // Shifted by all of its bits an integer would be what it was.
        Self { z, x: x.checked_shr(shift.into()).unwrap_or(0), y: y.checked_shr(shift.into()).unwrap_or(0) }
    }

    /// The first and the last key of its places.
    pub fn keys(self) -> (PlaceKey, PlaceKey) {
        let shift = u32::from(2 * (BITS - self.z));
        let first = interleaved(self.x, self.y).checked_shl(shift).unwrap_or(0);
        let others = 1_u64.checked_shl(shift).map_or(u64::MAX, |keys| keys - 1);
        (PlaceKey(first), PlaceKey(first | others))
    }

    /// Where a place lies in it, in units of a square `extent` wide, from its north-west corner; both numbers are below the extent.
    pub fn position(self, place: PlaceKey, extent: u32) -> (u32, u32) {
        let side = 1_u64 << (BITS - self.z);
        let scaled = |coordinate: u32| {
            let within = u64::from(coordinate) & (side - 1);
            u32::try_from(within * u64::from(extent) / side).unwrap_or(extent)
        };
        let (x, y) = place.coordinates();
        (scaled(x), scaled(y))
    }
}

impl PlaceKey {
    /// The key of a place. What lies beyond 85.05° north or south, where the plane ends, is put on its edge.
    pub fn of(place: Place) -> Self {
        let latitude = place.lat.to_radians();
        let y = (1.0 - latitude.tan().asinh() / std::f64::consts::PI) / 2.0;
        let x = (place.lon + 180.0) / 360.0;
        // The conversion saturates: west of the first column there is nothing, east of the last one neither.
        let cut = |share: f64| (share.clamp(0.0, 1.0) * f64::from(BITS).exp2()) as u32;
        Self(interleaved(cut(x), cut(y)))
    }

    fn coordinates(self) -> (u32, u32) {
        (gathered(self.0), gathered(self.0 >> 1))
    }
}

/// The bits of x at even places, those of y at odd ones.
fn interleaved(x: u32, y: u32) -> u64 {
    spread(x) | spread(y) << 1
}

/// Moves each bit to twice its place ("Interleave bits by Binary Magic Numbers", Bit Twiddling Hacks).
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// The way back of [`spread`].
fn gathered(spread: u64) -> u32 {
    let mut bits = spread & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(lon: f64, lat: f64) -> PlaceKey {
        PlaceKey::of(Place { lon, lat })
    }

    #[test]
    fn places_lie_in_the_tiles_of_published_examples() {
        let check = |lon, lat, z, x, y| {
            assert_eq!(Tile::of(key(lon, lat), z), Tile { z, x, y }, "{lon}, {lat} at {z}");
        };
        // OpenStreetMap wiki, "Slippy map tilenames": 35.6590699, 139.7006793.
        check(139.700_679_3, 35.659_069_9, 18, 232_798, 103_246);
        // mercantile's documentation: the upper left of (486, 332, 10) is -9.140625, 53.33087298301705.
        check(-9.140_6, 53.330_8, 10, 486, 332);
        // Microsoft, "Bing Maps Tile System": the globe at zoom 1, by its quadrants.
        check(-90.0, 45.0, 1, 0, 0);
        check(90.0, -45.0, 1, 1, 1);
        check(120.3, 31.5, 0, 0, 0);
        // Off the plane, on its edge.
        check(0.0, 90.0, 3, 4, 0);
        check(180.0, -90.0, 3, 7, 7);
        check(-180.0, 0.0, 2, 0, 2);
    }

    /// Microsoft, "Bing Maps Tile System": tile (3, 5) of zoom 3 has the quadkey 213.
    #[test]
    fn a_quadkey_is_the_published_one() {
        let (first, last) = Tile::new(3, 3, 5).expect("a tile").keys();
        let digits = |key: PlaceKey| key.0 >> (64 - 6);
        assert_eq!((digits(first), digits(last)), (0b10_01_11, 0b10_01_11));
        assert_eq!((first.0 << 6, last.0 << 6), (0, !63), "all keys that begin with it");
        assert_eq!(Tile::new(0, 0, 0).expect("the globe").keys(), (PlaceKey(0), PlaceKey(u64::MAX)));
    }

    #[test]
    fn there_is_no_tile_beyond_the_plane() {
        for (z, x, y) in [(3, 8, 0), (3, 0, 8), (23, 0, 0), (0, 1, 0), (255, 0, 0)] {
            assert_eq!(Tile::new(z, x, y), None, "{z}/{x}/{y}");
        }
    }

    #[test]
    fn a_place_lies_where_it_should_in_every_tile_that_holds_it() {
        let (lon, lat) = (120.301_9, 31.574_7);
        let place = key(lon, lat);
        // By the formula with the logarithm, in plain numbers.
        let phi = f64::to_radians(lat);
        let (x, y) =
            ((lon + 180.0) / 360.0, 0.5 - (phi.tan() + 1.0 / phi.cos()).ln() / std::f64::consts::TAU);
        for z in 0..=ZOOM_MAX {
            let tile = Tile::of(place, z);
            let (first, last) = tile.keys();
            assert!(first <= place && place <= last, "{z}");
            let (column, row) = tile.position(place, 4096);
            let expected = |share: f64, of: u32| (share * f64::from(z).exp2() - f64::from(of)) * 4096.0;
            for (got, expected) in [(column, expected(x, tile.x)), (row, expected(y, tile.y))] {
                // A unit, and at the deepest zoom the 9 mm of the key.
                assert!((f64::from(got) + 0.5 - expected).abs() <= 0.5 + 4.1, "{z}: {got} {expected}");
                assert!(z > 20 || (f64::from(got) + 0.5 - expected).abs() <= 0.51, "{z}: {got} {expected}");
            }
        }
    }

    #[test]
    fn bits_spread_and_gather() {
        for bits in [0, 1, 2, 0x8000_0000, u32::MAX, 0x1234_5678] {
            assert_eq!(gathered(spread(bits)), bits);
        }
        assert_eq!(interleaved(0b011, 0b101), 0b10_01_11);
    }
}
