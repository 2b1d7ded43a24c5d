//! Style sheet, scripts, vendored libraries and base map: in the binary, read from disk in debug builds.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::RustEmbed;

use crate::problem;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/assets"]
struct Assets;

/// GET `/assets/{path}`. The browser asks again each time and gets "unchanged" by hash.
pub(crate) async fn serve(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let Some(asset) = Assets::get(&path) else { return problem::not_found(request).await };
    let tag = format!("\"{}\"", hex::encode(&asset.metadata.sha256_hash()[..16]));
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.contains(&tag)) {
        return HttpResponse::NotModified().insert_header((ETAG, tag)).finish();
    }
    HttpResponse::Ok()
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .content_type(content_type(&path))
        .body(asset.data.into_owned())
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
    use serde::Deserialize;
    use sha2::{Digest, Sha256};

    use super::*;

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
