//! Style sheet, scripts, vendored libraries and base map: in the binary, read from disk in debug builds.
//!
//! Packed when somebody first asks, and kept: the map's library takes longer to pack than a browser takes to read it, and each first visit
//! would wait for that again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use crate::tiles::takes;
use crate::{door, problem};

/// How hard brotli tries, of 11, and in how large a window: a tenth smaller than what the middleware makes of an answer on its way (3), in some
/// tenths of a second for all.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW_BITS: u32 = 22;

/// Bytes that brotli hands on at once.
const BROTLI_BUFFER_BYTES: usize = 32 * 1024;

/// Assets as they were packed, by path and coding, each with the tag of what was packed: as many as there are, in two codings at most.
type Packed = HashMap<(String, Coding), (String, Bytes)>;

static PACKED: LazyLock<Mutex<Packed>> = LazyLock::new(Mutex::default);

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/assets"]
struct Assets;

/// GET `/assets/{path}`. The browser asks again each time and gets "unchanged" by hash.
pub(crate) async fn serve(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let Some(asset) = Assets::get(&path) else { return problem::not_found(request).await };
    let tag = format!("\"{}\"", hex::encode(&asset.metadata.sha256_hash()[..16]));
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((ETAG, tag.as_str()))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((VARY, "accept-encoding"))
        .content_type(content_type(&path));
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| door::is_known(known, &tag)) {
        return answer.status(StatusCode::NOT_MODIFIED).finish();
    }
    let bytes = match asset.data {
        Cow::Borrowed(embedded) => Bytes::from_static(embedded),
        Cow::Owned(read) => Bytes::from(read),
    };
    let Some(coding) = Coding::of(&request, &path) else { return answer.body(bytes) };
    match packed(path.into_inner(), coding, tag, bytes.clone()).await {
        Some(packed) => answer.insert_header((CONTENT_ENCODING, coding.word())).body(packed),
        None => answer.body(bytes),
    }
}

/// How an asset goes over the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// The better one of those that a reader takes, of a text; pictures are packed already.
    fn of(request: &HttpRequest, path: &str) -> Option<Self> {
        let accepted = request.headers().get(ACCEPT_ENCODING)?.to_str().ok()?;
        let is_text = content_type(path) != "image/png";
        [Self::Brotli, Self::Gzip].into_iter().find(|coding| is_text && takes(accepted, coding.word()))
    }

    fn word(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let (quality, window) = (BROTLI_QUALITY, BROTLI_WINDOW_BITS);
                let mut packer =
                    brotli::CompressorWriter::new(Vec::new(), BROTLI_BUFFER_BYTES, quality, window);
                packer.write_all(bytes)?;
                Ok(packer.into_inner())
            }
            Self::Gzip => {
                let mut packer = GzEncoder::new(Vec::new(), Compression::default());
                packer.write_all(bytes)?;
                packer.finish()
            }
        }
    }
}

/// An asset packed, where nobody else's request waits; as it is kept, if it is.
async fn packed(path: String, coding: Coding, tag: String, bytes: Bytes) -> Option<Bytes> {
    let kept = || PACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (path, coding);
    if let Some((_, packed)) = kept().get(&key).filter(|(known, _)| *known == tag) {
        return Some(packed.clone());
    }
    let packed = web::block(move || coding.pack(&bytes)).await.map_err(io::Error::other).flatten();
    let packed = packed.inspect_err(|error| tracing::error!(%error, "an asset cannot be packed")).ok()?;
    let packed = Bytes::from(packed);
    // Of two that packed it at once the first one's is kept.
    let mut all = kept();
    let one = all.entry(key).and_modify(|one| {
        if one.0 != tag {
            *one = (tag.clone(), packed.clone());
        }
    });
    Some(one.or_insert((tag, packed)).1.clone())
}

/// GET `/favicon.ico`.
pub(crate) async fn favicon(request: HttpRequest) -> HttpResponse {
    serve(request, web::Path::from("icon.svg".to_owned())).await
}

/// GET `/manifest.webmanifest`: lets the site be installed.
pub(crate) async fn manifest(request: HttpRequest) -> HttpResponse {
    serve(request, web::Path::from("manifest.webmanifest".to_owned())).await
}

/// GET `/sw.js`: keeps pages for who is offline. At the root, since it may answer for what lies below it only.
pub(crate) async fn service_worker(request: HttpRequest) -> HttpResponse {
    serve(request, web::Path::from("sw.js".to_owned())).await
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("geojson") => "application/geo+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use flate2::read::GzDecoder;
    use serde::Deserialize;
    use sha2::{Digest, Sha256};

    use super::*;

    /// The same text, however it comes, and packed no second time.
    #[tokio::test]
    async fn a_text_is_packed_once_and_a_picture_never() {
        let asked = async |path: &str, accepted: &str| {
            let request = TestRequest::default().insert_header((ACCEPT_ENCODING, accepted)).to_http_request();
            let answer = serve(request, web::Path::from(path.to_owned())).await;
            let coding =
                answer.headers().get(CONTENT_ENCODING).map(|word| word.to_str().expect("text").to_owned());
            (coding, to_bytes(answer.into_body()).await.expect("whole"))
        };
        let plain = Assets::get("site.css").expect("embedded").data;
        let mut unpacked = Vec::new();
        let (coding, brotli) = asked("site.css", "gzip, deflate, br").await;
        brotli::Decompressor::new(&brotli[..], 4096).read_to_end(&mut unpacked).expect("brotli");
        assert_eq!((coding.as_deref(), unpacked.as_slice()), (Some("br"), &*plain));
        let (coding, gzip) = asked("site.css", "gzip").await;
        unpacked.clear();
        GzDecoder::new(&gzip[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!((coding.as_deref(), unpacked.as_slice()), (Some("gzip"), &*plain));
        assert!(brotli.len() < gzip.len() && gzip.len() < plain.len() / 2, "{} {}", brotli.len(), gzip.len());
        for (path, accepted) in
            [("site.css", "identity"), ("site.css", "br;q=0"), ("icon-192.png", "gzip, br")]
        {
            let (coding, bytes) = asked(path, accepted).await;
            assert_eq!((coding, &bytes[..]), (None, &*Assets::get(path).expect("embedded").data), "{path}");
        }
        assert_eq!(asked("site.css", "br").await.1, brotli);
        let kept = PACKED.lock().expect("unharmed").keys().filter(|(path, _)| path == "site.css").count();
        assert_eq!(kept, 2);
    }

    #[tokio::test]
    async fn what_is_known_is_not_sent_again() {
        let asked = async |known: &str| {
            let request = TestRequest::default().insert_header((IF_NONE_MATCH, known)).to_http_request();
            let answer = serve(request, web::Path::from("site.css".to_owned())).await;
            let tag = answer.headers().get(ETAG).map(|tag| tag.to_str().expect("text").to_owned());
            assert_eq!(answer.headers().get(VARY).expect("it varies"), "accept-encoding");
            let status = answer.status().as_u16();
            (status, tag.expect("a tag"), to_bytes(answer.into_body()).await.expect("whole").is_empty())
        };
        let (status, tag, is_empty) = asked("\"another\"").await;
        assert_eq!((status, is_empty), (200, false));
        for known in [tag.clone(), format!("\"another\", W/{tag}"), "*".to_owned()] {
            assert_eq!(asked(&known).await, (304, tag.clone(), true), "{known}");
        }
    }

    /// What was packed of a file that is another by now is packed anew.
    #[tokio::test]
    async fn what_was_packed_goes_by_its_tag() {
        let pack = async |tag: &str, text: &'static str| {
            packed("a file".to_owned(), Coding::Gzip, tag.to_owned(), Bytes::from_static(text.as_bytes()))
                .await
        };
        let first = pack("1", "one").await.expect("packed");
        assert_eq!(pack("1", "never looked at").await, Some(first.clone()));
        assert_ne!(pack("2", "two").await, Some(first));
    }

    #[derive(Deserialize)]
    struct Manifest {
        file: Vec<File>,
    }

    #[derive(Deserialize)]
    struct File {
        path: String,
        sha256: String,
    }

    #[test]
    fn vendored_files_are_those_of_the_manifest_to_the_byte() {
        let text = Assets::get("vendor/manifest.toml").expect("the manifest is embedded");
        let manifest: Manifest =
            toml::from_str(std::str::from_utf8(&text.data).expect("UTF-8")).expect("readable");
        let vendored = Assets::iter().filter(|path| path.starts_with("vendor/")).count();
        assert_eq!(manifest.file.len() + 1, vendored, "every vendored file stands in the manifest");
        for file in manifest.file {
            let asset = Assets::get(&format!("vendor/{}", file.path)).expect("listed and there");
            assert_eq!(hex::encode(Sha256::digest(&asset.data)), file.sha256, "{}", file.path);
        }
    }
}
