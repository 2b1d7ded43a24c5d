//! Certificates for chargers: a SignCertificate is judged, issued and ordered to be delivered, or refused; either is kept.
//!
//! Called by [`crate::reception`] once the message is stored, and by [`crate::commands`] to deliver: CertificateSigned goes out
//! like any order, after our answer. Never signs for a charger whose connection does not prove who it is.

use jiff::SignedDuration;
use serde_json::Value;
use veripile_ocpp::Version;
use veripile_ocpp::call::{AnswerHeard, Call};
use veripile_ocpp::signing::{self, Reason, Refused};
use veripile_store::certificate::Certificate;

use crate::Gateway;
use crate::admission::Proof;
use crate::authority::Issued;
use crate::desk::Reply;
use crate::reception::{Reception, now};

/// Certificates issued for one pile in a day. A renewal needs one; a charger that cannot install it asks again, three times by
/// OCPP's default.
const ISSUED_A_DAY_MAX: i64 = 5;

/// The action served here.
const ACTION: &str = "SignCertificate";

/// Ends the first certificate of a chain.
const END: &str = "-----END CERTIFICATE-----\n";

/// What a connection says for a request to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// The charger has proven who it is, and nobody listens: its key or certificate over TLS.
    Proven,
    /// It has not, or everybody on the way may have listened.
    Unproven,
    /// Its certificates are its upstream's to sign.
    Relayed,
}

impl Ground {
    /// Of a charger that was let in by a proof, over TLS or not, with an upstream or without.
    pub(crate) fn of(proof: Proof, over_tls: bool, is_relayed: bool) -> Self {
        match proof {
            _ if is_relayed => Self::Relayed,
            Proof::Certificate => Self::Proven,
            Proof::Key | Proof::PreviousKey if over_tls => Self::Proven,
            Proof::Key | Proof::PreviousKey | Proof::None => Self::Unproven,
        }
    }
}

/// Whether a call is for us.
pub(crate) fn is_asked(action: &str) -> bool {
    action == ACTION
}

/// Serves a SignCertificate that is stored; our answer.
pub(crate) async fn answer(reception: &Reception, id: &str, payload: &str) -> String {
    let Reception { gateway, pile_no, pile_id, version, .. } = reception;
    let outcome = sign(reception, payload).await;
    if let Err(refused) = &outcome
        && reception.ground != Ground::Relayed
    {
        let reason = refused.reason.code();
        tracing::warn!(pile.id = %pile_id, reason, detail = refused.detail, "a certificate was refused");
        let noted = gateway.store.certificate_refused(*pile_no, reason, &refused.detail, now()).await;
        if let Err(error) = noted {
            tracing::error!(pile.id = %pile_id, %error, "the refusal of a certificate could not be noted");
        }
    }
    signing::answer(*version, id, outcome.as_ref().copied())
}

async fn sign(reception: &Reception, payload: &str) -> Result<(), Refused> {
    let Reception { gateway, pile_no, pile_id, version, ground, .. } = reception;
    let refused = |reason| Err(Refused::new(reason, ""));
    let Some(authority) = gateway.authority.as_ref().filter(|_| *ground != Ground::Relayed) else {
        return refused(Reason::NoAuthority);
    };
    if *ground == Ground::Unproven {
        return refused(Reason::NotProven);
    }
    let wanted = signing::judge(*version, payload, pile_id)?;
    let internal = |error: String| Refused::new(Reason::Internal, error);
    let now = now();
    let issued = authority.issue(pile_id, &wanted.public_key, rand::random(), now);
    let certificate = certificate(issued.map_err(|error| internal(error.to_string()))?, wanted.request_id);
    let since = now - SignedDuration::from_hours(24);
    let kept = gateway.store.keep_certificate(*pile_no, &certificate, since, ISSUED_A_DAY_MAX, now).await;
    match kept {
        Ok(true) => {
            let serial = &certificate.serial;
            tracing::info!(pile.id = %pile_id, serial, until = %certificate.not_after, "a certificate was issued");
            Ok(())
        }
        Ok(false) => {
            Err(Refused::new(Reason::TooMany, format!("{ISSUED_A_DAY_MAX} were issued within a day")))
        }
        Err(error) => {
            tracing::error!(pile.id = %pile_id, %error, "a certificate could not be kept");
            Err(internal("it could not be stored".to_owned()))
        }
    }
}

fn certificate(issued: Issued, request_id: Option<i32>) -> Certificate {
    let Issued { serial, subject, not_before, not_after, pem } = issued;
    Certificate { serial, subject, not_before, not_after, pem, request_id }
}

/// Number of the certificate that an order is to deliver, if it is such an order.
pub(crate) fn ordered(order: &Value) -> Option<i64> {
    order.get("certificate")?.as_i64()
}

/// The call that delivers a certificate; an error in words.
pub(crate) async fn delivery(gateway: &Gateway, pile_no: i64, certificate_no: i64) -> Result<Call, String> {
    let found = gateway.store.certificate(certificate_no).await.map_err(|error| error.to_string())?;
    let (mut pem, request_id) = found.ok_or("there is no such certificate")?;
    if let Some(own) = own_part(&pem)
        && longest_chain(gateway, pile_no).await.is_some_and(|chars_max| pem.len() > chars_max)
    {
        pem.truncate(own);
    }
    Ok(Call::SendSignedCertificate { pem, request_id })
}

/// Where the charger's own certificate ends, if more follow that could be left out: we know them without being told.
fn own_part(pem: &str) -> Option<usize> {
    let end = pem.find(END)? + END.len();
    (end < pem.len()).then_some(end)
}

/// Characters that a charger takes, as it says itself; none if it does not.
async fn longest_chain(gateway: &Gateway, pile_no: i64) -> Option<usize> {
    let name = match gateway.version(pile_no)? {
        Version::V16 => "CertificateSignedMaxChainSize",
        Version::V201 | Version::V21 => "SecurityCtrlr.MaxCertificateChainSize",
    };
    match gateway.ask(pile_no, Call::ReadConfiguration { names: vec![name.to_owned()] }).await {
        Reply::Answered { heard, .. } => match *heard {
            AnswerHeard::Configuration(entries) => entries.first()?.value.as_ref()?.trim().parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_proof_over_tls_counts_and_a_relayed_pile_is_its_upstream_s() {
        let of = Ground::of;
        for (proof, plain, encrypted) in [
            (Proof::None, Ground::Unproven, Ground::Unproven),
            (Proof::Key, Ground::Unproven, Ground::Proven),
            (Proof::PreviousKey, Ground::Unproven, Ground::Proven),
            (Proof::Certificate, Ground::Proven, Ground::Proven),
        ] {
            assert_eq!((of(proof, false, false), of(proof, true, false)), (plain, encrypted), "{proof:?}");
            assert_eq!(of(proof, true, true), Ground::Relayed);
        }
    }

    #[test]
    fn of_a_chain_all_but_the_first_can_be_left_out() {
        let one = format!("-----BEGIN CERTIFICATE-----\nMA==\n{END}");
        assert_eq!(own_part(&one), None);
        assert_eq!(own_part(&one.repeat(2)), Some(one.len()));
    }
}
