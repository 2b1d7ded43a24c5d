//! The authority that signs chargers' certificates, read from its files.
//!
//! Used by `serve`. What is wrong with it is told at the start, with what to do; its key is in no message.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use veripile_gateway::{Authority, DAYS_MAX};

use crate::config::Tls;

/// The configured authority; none if none is.
pub fn read(tls: &Tls, now: Timestamp) -> Result<Option<Authority>> {
    let (certificate, key) = match (&tls.charger_ca_file, &tls.charger_ca_key_file) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => bail!("section [tls]: charger_ca_file and charger_ca_key_file are needed together"),
    };
    let days = tls.charger_certificate_days;
    ensure!(
        (1..=DAYS_MAX).contains(&days),
        "section [tls]: charger_certificate_days is {days}; 1 to {DAYS_MAX} make sense"
    );
    let authority = Authority::new(&text(certificate)?, &text(key)?, days, now);
    authority.map(Some).with_context(|| {
        format!("the authority for chargers in {} and {}", certificate.display(), key.display())
    })
}

fn text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read {} of the authority for chargers: the README says how to make one; without charger_ca_file \
             nothing is signed",
            file.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_authority_is_an_error_and_none_is_none() {
        let error = |tls: &Tls| format!("{:#}", read(tls, Timestamp::UNIX_EPOCH).expect_err("an error"));
        assert!(read(&Tls::default(), Timestamp::UNIX_EPOCH).expect("fine").is_none());
        let half = Tls { charger_ca_file: Some("/absent/ca.pem".into()), ..Tls::default() };
        assert!(error(&half).contains("together"), "{}", error(&half));
        let whole = Tls { charger_ca_key_file: Some("/absent/ca.key".into()), ..half };
        assert!(error(&whole).contains("cannot read /absent/ca.pem"), "{}", error(&whole));
        let long = Tls { charger_certificate_days: 36_500, ..whole };
        assert!(error(&long).contains("36500"), "{}", error(&long));
    }
}
