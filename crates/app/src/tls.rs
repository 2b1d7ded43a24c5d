//! TLS for chargers (and pages): our certificate, and the authorities whose client certificates count.
//!
//! Used by [`crate::server`]. A client without a certificate is let through to the handshake, which asks for one only by
//! security profile 3; one with a certificate of an unknown authority is refused here.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use anyhow::{Context, Result, anyhow};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use veripile_gateway::TlsPeer;

use crate::config::Tls;

/// The TLS configuration; none if none is configured.
pub fn configuration(tls: &Tls) -> Result<Option<ServerConfig>> {
    let (Some(certificate), Some(key)) = (&tls.certificate_file, &tls.key_file) else {
        anyhow::ensure!(
            tls.listen.is_none(),
            "section [tls]: listen needs certificate_file and key_file beside it"
        );
        return Ok(None);
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("cannot read the key {}", key.display()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = match client_roots(tls)? {
        Some(roots) => {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).context("certificate and key do not fit")?;
    // WebSocket needs HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(config))
}

/// Authorities whose client certificates count: those named, and the one that we sign with ourselves. Those above it do not:
/// they may have signed others.
fn client_roots(tls: &Tls) -> Result<Option<RootCertStore>> {
    let mut trusted = Vec::new();
    if let Some(file) = &tls.client_ca_file {
        trusted.extend(certificates(file)?.into_iter().map(|certificate| (file, certificate)));
    }
    if let Some(file) = &tls.charger_ca_file {
        trusted.extend(certificates(file)?.into_iter().take(1).map(|certificate| (file, certificate)));
    }
    let mut roots = RootCertStore::empty();
    for (file, certificate) in trusted {
        roots.add(certificate).with_context(|| format!("in {}", file.display()))?;
    }
    Ok((!roots.is_empty()).then_some(roots))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || -> Result<Vec<_>> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)?.collect();
        let found = found?;
        anyhow::ensure!(!found.is_empty(), "it has no certificate");
        Ok(found)
    };
    read().with_context(|| format!("cannot read the certificates {}", file.display()))
}

/// Puts beside a connection what TLS told of its client.
pub fn note_peer(connection: &dyn Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() {
        let certificates = stream.get_ref().1.peer_certificates();
        let common_name = certificates.and_then(|chain| common_name(chain.first()?));
        extensions.insert(TlsPeer { common_name });
    }
}

/// The subject's common name; none if there is none, or more than one.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_configuration_is_an_error_and_none_is_none() {
        let listen = Some("127.0.0.1:0".parse().expect("literal"));
        assert!(configuration(&Tls::default()).expect("fine").is_none());
        assert!(configuration(&Tls { listen, ..Tls::default() }).is_err());
        let files = Tls {
            listen,
            certificate_file: Some("/absent/certificate".into()),
            key_file: Some("/absent/key".into()),
            ..Tls::default()
        };
        let error = format!("{:#}", configuration(&files).expect_err("absent"));
        assert!(error.contains("/absent/certificate"), "{error}");
    }
}
