//! Answers over HTTP.
use actix_web::{HttpResponse, web};
use veripile_store::Store;
pub struct SiteSettings { pub simulated: bool, pub public_url: Option<String> }
pub struct Site { pub store: Store, pub registry: prometheus::Registry, pub settings: SiteSettings }
pub fn headers() -> actix_web::middleware::DefaultHeaders { actix_web::middleware::DefaultHeaders::new() }
pub fn routes(site: web::Data<Site>) -> impl FnOnce(&mut web::ServiceConfig) { health_routes(site) }
pub fn health_routes(site: web::Data<Site>) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| { config.app_data(site).route("/healthz", web::get().to(|| async { HttpResponse::Ok().body("ok") }))
      .route("/readyz", web::get().to(|site: web::Data<Site>| async move { match site.store.counts().await { Ok(c) => HttpResponse::Ok().body(format!("{c:?}")), Err(e) => HttpResponse::ServiceUnavailable().body(e.to_string()) } }))
      .route("/metrics", web::get().to(|site: web::Data<Site>| async move { HttpResponse::Ok().body(prometheus::TextEncoder::new().encode_to_string(&site.registry.gather()).unwrap_or_default()) })); }
}
