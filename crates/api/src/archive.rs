//! A map in one file: pictures of a PMTiles archive (version 3), read where they lie and served by ourselves.
//!
//! Opened by [`crate::basemap`] when the program starts: what cannot be shown is refused there, with what to do. Read for each tile that a
//! browser asks. Of the file it keeps its first directory and nothing else. It never maps it into memory: a mapped file that is cut short ends
//! the process, which talks to chargers; read like this, a tile fails.

use std::fs::File;
use std::future;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::FutureExt;
use pmtiles::{
    AsyncBackend, AsyncPmTilesReader, BackendResponse, Compression, Header, PmtError, PmtResult, TileCoord,
    TileType,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Site;
use crate::problem::Problem;

/// Bytes of the header (specification, 3).
const HEADER_BYTES: usize = 127;

/// Bytes read at once at most. A picture has some 100 KB, a directory fewer.
const READ_BYTES_MAX: usize = 4 << 20;

/// How long a tile may be shown without asking again: a year, since another file has other addresses ([`Archive::tag`]).
const CACHE: &str = "public, max-age=31536000, immutable";

/// An archive that is open.
pub(crate) struct Archive {
    reader: AsyncPmTilesReader<Pieces>,
    /// Of this file: another, or the same after a change, has another one.
    tag: String,
}

impl Archive {
    /// Opens it.
    ///
    /// # Errors
    /// If it is not there, no archive, not whole, or has no pictures.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let unreadable = |error: io::Error| format!("{shown} cannot be read: {error}");
        let other = |error: PmtError| format!("{shown} is no PMTiles archive of version 3: {error}");
        let file = File::open(path).map_err(unreadable)?;
        let facts = file.metadata().map_err(unreadable)?;
        let head = piece(&file, 0, HEADER_BYTES).map_err(unreadable)?;
        let header = Header::try_from_bytes(head.clone().into()).map_err(other)?;
        shows_pictures(&header).map_err(|why| format!("{shown} {why}"))?;
        if facts.len() < end(&head) {
            return Err(format!(
                "{shown} is not whole: it has {} of {} bytes; copy it again",
                facts.len(),
                end(&head)
            ));
        }
        let changed = facts.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let told = format!("{} {changed:?}", facts.len());
        let hash = Sha256::new().chain_update(&head).chain_update(told).finalize();
        let opened = AsyncPmTilesReader::try_from_source(Pieces(file)).now_or_never();
        let reader = opened.unwrap_or(Err(PmtError::InvalidHeader)).map_err(other)?;
        Ok(Self { reader, tag: hex::encode(&hash[..8]) })
    }

    /// What the map's script is told of it: addresses and zooms, and what it covers, where it says so.
    pub(crate) fn told(&self) -> Value {
        let header = self.reader.get_header();
        let sides = [header.min_longitude, header.min_latitude, header.max_longitude, header.max_latitude];
        let bounds = (sides[0] < sides[2] && sides[1] < sides[3]).then_some(sides);
        json!({
            "kind": "tiles", "tiles": [format!("/basemap/{{z}}/{{x}}/{{y}}?v={}", self.tag)],
            "zoom_min": header.min_zoom, "zoom_max": header.max_zoom, "bounds": bounds,
        })
    }

    /// A tile; none where it has none.
    fn tile(&self, place: TileCoord) -> PmtResult<Option<Bytes>> {
        self.reader.get_tile(place).now_or_never().unwrap_or(Err(PmtError::InvalidEntry))
    }
}

impl PartialEq for Archive {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for Archive {}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// Why its tiles cannot be shown, if they cannot.
fn shows_pictures(header: &Header) -> Result<(), String> {
    match header.tile_type {
        TileType::Png | TileType::Jpeg | TileType::Webp | TileType::Avif => {}
        TileType::Mvt | TileType::Mlt | TileType::Unknown => {
            return Err(
                "has no pictures but vector tiles, which are not drawn here: make an archive of PNG, JPEG, WebP or AVIF of it, or let \
                 a tile server draw it (map.basemap xyz)"
                    .to_owned(),
            );
        }
    }
    match header.tile_compression {
        Compression::None | Compression::Unknown => Ok(()),
        packed @ (Compression::Gzip | Compression::Brotli | Compression::Zstd) => Err(format!(
            "has pictures packed once more ({packed:?}), which browsers do not unpack: write it without"
        )),
    }
}

/// Where the last of its four parts ends: directory, description, more directories, tiles, each as offset and length.
fn end(head: &[u8]) -> u64 {
    let number = |at: usize| {
        let eight = head.get(at..at + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        eight.map_or(0, u64::from_le_bytes)
    };
    [8, 24, 40, 56].into_iter().map(|at| number(at).saturating_add(number(at + 8))).max().unwrap_or_default()
}

/// A file that is read piece by piece. What it gives is there at once, so that nobody who asks it ever waits for a future.
struct Pieces(File);

impl AsyncBackend for Pieces {
    fn read(&self, offset: u64, length: usize) -> impl Future<Output = PmtResult<BackendResponse>> + Send {
        let read = piece(&self.0, offset, length);
        future::ready(read.map(|bytes| BackendResponse::new(bytes.into())).map_err(PmtError::from))
    }
}

/// So many bytes from there; fewer where the file ends.
fn piece(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    if READ_BYTES_MAX < length {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{length} bytes in one piece, more than {READ_BYTES_MAX}"),
        ));
    }
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// GET `/basemap/{z}/{x}/{y}`: a tile of the archive, where one lies beneath the piles. Where it has none nothing is drawn.
pub(crate) async fn tile(
    site: web::Data<Site>,
    address: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (z, x, y) = &*address;
    let place = match (z.parse(), x.parse(), y.parse()) {
        (Ok(z), Ok(x), Ok(y)) => TileCoord::new(z, x, y).ok(),
        _ => None,
    };
    let archive = site.settings.basemap.archive();
    let (archive, place) = archive.zip(place).ok_or_else(|| Problem::missing("no such tile"))?;
    let content_type = archive.reader.get_header().tile_type.content_type();
    let found = web::block(move || archive.tile(place)).await.map_err(|error| broken(&error))?;
    Ok(match found.map_err(|error| broken(&error))? {
        Some(picture) => {
            HttpResponse::Ok().content_type(content_type).insert_header((CACHE_CONTROL, CACHE)).body(picture)
        }
        None => HttpResponse::NoContent().insert_header((CACHE_CONTROL, CACHE)).finish(),
    })
}

fn broken(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "a tile of the base map cannot be read; was the file changed? Start again with a whole one");
    Problem::unavailable("the tile cannot be read; try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zoom 0 and three tiles of zoom 1, made by the reference library (`quarters.py`): 69 bytes each, from byte 183 on.
    const QUARTERS: &[u8] = include_bytes!("../../../tests/tiles/quarters.pmtiles");

    fn at(z: u8, x: u32, y: u32) -> TileCoord {
        TileCoord::new(z, x, y).expect("a tile")
    }

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        file
    }

    #[test]
    fn tiles_are_those_that_another_library_wrote() {
        let file = written(QUARTERS);
        let archive = Archive::open(file.path()).expect("good");
        for (n, place) in [at(0, 0, 0), at(1, 0, 0), at(1, 0, 1), at(1, 1, 0)].into_iter().enumerate() {
            let from = 183 + 69 * n;
            let tile = archive.tile(place).expect("readable").expect("there");
            assert_eq!(tile, &QUARTERS[from..from + 69], "{place:?}");
        }
        for place in [at(1, 1, 1), at(2, 0, 0)] {
            assert_eq!(archive.tile(place).expect("readable"), None, "{place:?}");
        }
        let told = archive.told();
        assert_eq!(told["bounds"], json!([73.0, 18.0, 135.0, 54.0]));
        assert_eq!((&told["zoom_min"], &told["zoom_max"]), (&json!(0), &json!(1)));
        let address = told["tiles"][0].as_str().expect("an address");
        assert!(address.starts_with("/basemap/{z}/{x}/{y}?v="), "{address}");
        // Another file has other addresses.
        let other = written(&[QUARTERS, b" "].concat());
        assert_ne!(Archive::open(other.path()).expect("good").told()["tiles"], told["tiles"]);
    }

    #[test]
    fn what_cannot_be_shown_is_refused_with_what_to_do() {
        let with = |at: usize, byte: u8| {
            let mut bytes = QUARTERS.to_vec();
            bytes[at] = byte;
            bytes
        };
        for (bytes, why) in [
            (with(99, 1), "vector tiles, which are not drawn here: make an archive of PNG"),
            (with(98, 2), "packed once more (Gzip)"),
            (QUARTERS[..458].to_vec(), "is not whole: it has 458 of 459 bytes; copy it again"),
            (QUARTERS[..150].to_vec(), "is not whole"),
            (QUARTERS[..100].to_vec(), "is no PMTiles archive of version 3"),
            (Vec::new(), "is no PMTiles archive of version 3"),
            (b"SQLite format 3\0".to_vec(), "is no PMTiles archive of version 3: Invalid magic number"),
            (with(127, 0), "is no PMTiles archive of version 3"),
        ] {
            let file = written(&bytes);
            let told = Archive::open(file.path()).expect_err(why);
            assert!(told.contains(why) && told.contains(&file.path().display().to_string()), "{told}");
        }
        let told = Archive::open(Path::new("/nowhere/map.pmtiles")).expect_err("absent");
        assert!(told.contains("/nowhere/map.pmtiles cannot be read: No such file"), "{told}");
    }

    #[test]
    fn a_file_that_is_cut_short_meanwhile_fails_a_tile_and_nothing_else() {
        let file = written(QUARTERS);
        let archive = Archive::open(file.path()).expect("good");
        std::fs::write(file.path(), &QUARTERS[..300]).expect("written");
        assert!(archive.tile(at(0, 0, 0)).is_ok_and(|tile| tile.is_some()));
        assert!(archive.tile(at(1, 1, 0)).is_err());
    }
}
