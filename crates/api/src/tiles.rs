//! Vector tiles of all piles, and of stations without one, for maps of other sites and ours.
//!
//! Answers from the newest [`Atlas`]; counts, encodes and judges nothing itself.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::runtime::Handle;
use veripile_pile::Tile;
use veripile_store::Store;

use crate::Site;
use crate::atlas::Atlas;
use crate::door;
use crate::fresh::{Fresh, Limits};
use crate::problem::Problem;

/// A city's map is some seconds behind; a nation's, whose piles take longer to read, some minutes ([`Fresh`]).
const LIMITS: Limits = Limits { fresh: Duration::from_secs(3), stale: Duration::from_secs(10) };

/// How long a tile may be shown without asking again: our map asks when it is over, and a state should not stay on it longer.
const CACHE: &str = "public, max-age=10";

/// The newest atlas.
pub struct Tiles(Arc<Fresh<Atlas>>);

impl Tiles {
    /// Reads atlases on this runtime: not where requests are answered.
    pub fn new(runtime: Handle) -> Self {
        Self(Arc::new(Fresh::new(runtime, LIMITS)))
    }

    /// Begins to read the first atlas, if there is none yet: whoever gets the page of the map will ask for tiles.
    pub(crate) fn begin(&self, store: &Store) {
        let store = store.clone();
        self.0.begin(|| async move { Atlas::read(&store).await });
    }

    async fn atlas(&self, store: &Store) -> Result<Arc<Atlas>, Problem> {
        let store = store.clone();
        self.0.get(|| async move { Atlas::read(&store).await }).await
    }
}

/// Piles as a Mapbox vector tile (version 2): Web Mercator, 4096 units wide, nothing beyond its edges. Layer `tile`: one feature with
/// `piles` (how many there are), `drawn` (`piles` or `cells`), `license`, `last_updated` (the newest judgement). From zoom 12 on layer
/// `piles`: `id`, `state`, `kind`, `power_kw` where known. Up to zoom 13, and instead of it where a tile has more than 2,000 piles or would
/// exceed 60 KB, layer `cells`: piles that stand close together, `piles` of them, and how many in each state. No pile is left out. At
/// `stations` stations of the tile no pile is registered: they have no state and are in no cell; from zoom 12 on, where there is room for all
/// of them, layer `stations` has the `id` of each. A tile is some seconds old, with a million piles some minutes
#[utoipa::path(get, path = "/api/v1/tiles/piles/{z}/{x}/{y}.mvt",
    params(("z" = u8, Path, description = "Zoom, 0 to 22"), ("x" = u32, Path, description = "Column, from the west"),
           ("y" = u32, Path, description = "Row, from the north")),
    responses(
    (status = 200, description = "The tile", body = String, content_type = "application/vnd.mapbox-vector-tile"),
    (status = 304, description = "As it was"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such tile", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn tile(
    request: HttpRequest,
    site: web::Data<Site>,
    address: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (z, x, y) = &*address;
    let tile = match (z.parse(), x.parse(), y.parse()) {
        (Ok(z), Ok(x), Ok(y)) => Tile::new(z, x, y),
        _ => None,
    };
    let missing = "zooms are 0 to 22; column and row are whole numbers from 0 to 2^zoom - 1";
    let tile = tile.ok_or_else(|| Problem::missing(missing))?;
    let sheet = site.tiles.atlas(&site.store).await?.sheet(tile);
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut response = HttpResponse::Ok();
    response
        .content_type("application/vnd.mapbox-vector-tile")
        .insert_header((CACHE_CONTROL, CACHE))
        .insert_header((ETAG, sheet.tag.as_str()))
        .insert_header((VARY, "accept-encoding"));
    if header(IF_NONE_MATCH).is_some_and(|list| door::is_known(list, &sheet.tag)) {
        return Ok(response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    if header(ACCEPT_ENCODING).is_some_and(|accepted| takes(accepted, "gzip")) {
        return Ok(response.insert_header((CONTENT_ENCODING, "gzip")).body(sheet.gzip));
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&sheet.gzip[..]).read_to_end(&mut plain).map_err(|error| {
        tracing::error!(%error, "a tile cannot be unpacked");
        Problem::unavailable("the tile cannot be read; try again")
    })?;
    Ok(response.body(plain))
}

/// Whether a client takes a coding, by name or by `*`, with a weight above zero (RFC 9110, 12.5.3).
pub(crate) fn takes(accepted: &str, coding: &str) -> bool {
    let weight = |parameters: &str| {
        let value = parameters.split(';').find_map(|one| one.trim().strip_prefix("q="));
        value.is_none_or(|value| value.trim().parse::<f32>().is_ok_and(|q| q > 0.0))
    };
    let of = |wanted: &str| {
        accepted.split(',').find_map(|one| {
            let (name, parameters) = one.split_once(';').unwrap_or((one, ""));
            name.trim().eq_ignore_ascii_case(wanted).then(|| weight(parameters))
        })
    };
    of(coding).or_else(|| of("*")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let takes_gzip = |accepted| takes(accepted, "gzip");
        for accepted in ["gzip", "br, gzip;q=0.5", "*", "deflate, GZIP ; q=1.0"] {
            assert!(takes_gzip(accepted), "{accepted}");
        }
        assert!(takes("gzip, br", "br") && !takes("gzip, br;q=0", "br") && !takes("gzip", "br"));
        for accepted in ["", "br", "gzip;q=0", "*;q=0", "identity", "gzip;q=0, *"] {
            assert!(!takes_gzip(accepted), "{accepted}");
        }
    }
}
