//! The authority that issues certificates for chargers: its name, its key, and the one kind of certificate it makes.
//!
//! Read by `app` at the start, used by [`crate::signing`]. Clock, serial numbers and what is to be signed are arguments. Its key
//! is shown nowhere, in no error and no log. Never decides whether a request may be signed; that is `ocpp::signing`'s.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SubjectPublicKeyInfo,
};
use thiserror::Error;
use veripile_pile::PileId;
use veripile_pile::identity::IDENTIFIER_CHARS_MAX;
use x509_parser::certificate::X509Certificate;

/// A certificate is valid from so long before its making: chargers' clocks are late.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// Longest validity that can be configured, days: ten years, about as long as a charger stands.
pub const DAYS_MAX: u32 = 3_650;

/// Longest chain that CertificateSigned carries in any version, characters.
const CHAIN_CHARS_MAX: usize = 10_000;

/// Ends a certificate in PEM.
const END: &str = "-----END CERTIFICATE-----";

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own organisation, which every charger's certificate names too (1.6 security extension, 2.x part 2 A00).
    organization: Option<String>,
    /// Subordinate authorities that a chain needs, itself first, in PEM; empty if it is a root.
    chain: String,
    not_after: Timestamp,
    validity: SignedDuration,
}

/// A certificate made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    /// Its serial number, hex without leading zeros.
    pub(crate) serial: String,
    /// Its subject, as text.
    pub(crate) subject: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// With the chain that it needs, the charger's own first.
    pub(crate) pem: String,
}

/// Why an authority cannot be used. None of them repeats anything of its key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// No certificate in PEM.
    #[error(
        "the authority's certificate cannot be read: give one in PEM, followed by those above it if it is no root"
    )]
    Unreadable,
    /// A certificate that may not sign others.
    #[error(
        "the certificate is no authority's: make one with basicConstraints CA:TRUE and keyUsage keyCertSign"
    )]
    NoAuthority,
    /// Out of date.
    #[error("the authority's certificate is not valid now: renew it")]
    NotValid,
    /// A key that cannot be used.
    #[error(
        "the authority's key cannot be used: give an unencrypted PKCS #8 key (P-256, P-384 or RSA) in PEM; \
         `openssl pkcs8 -topk8 -nodes -in OLD -out NEW` makes one of other forms"
    )]
    Key,
    /// The key of another certificate.
    #[error(
        "certificate and key of the authority do not fit: the first certificate in the file must be that of the key"
    )]
    Mismatch,
    /// A name that cannot be repeated exactly, so that nothing signed would lead back to it.
    #[error(
        "the authority's name cannot be written again as it is (a part of it stands twice, or in a rare encoding): make an \
         authority for chargers below it, with a plain name"
    )]
    Name,
    /// Too many authorities above.
    #[error("the chain is too long for OCPP (10000 characters): leave out what chargers do not need")]
    ChainTooLong,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority(until {}, …)", self.not_after)
    }
}

impl Authority {
    /// Takes an authority over from PEM texts, for certificates of so many days; signs once, to see that it works.
    ///
    /// # Errors
    /// What is wrong with certificate or key, with what to do about it.
    pub fn new(certificates: &str, key: &str, days: u32, now: Timestamp) -> Result<Self, AuthorityError> {
        let blocks = blocks(certificates)?;
        let own = blocks.first().ok_or(AuthorityError::Unreadable)?;
        let certificate = read(&own.der)?;
        check(&certificate, now)?;
        let key = KeyPair::from_pem(key).map_err(|_| AuthorityError::Key)?;
        if key.subject_public_key_info() != certificate.public_key().raw {
            return Err(AuthorityError::Mismatch);
        }
        let issuer = Issuer::from_ca_cert_der(&own.der.as_slice().into(), key);
        let authority = Self {
            issuer: issuer.map_err(|_| AuthorityError::Name)?,
            organization: organization(&certificate),
            chain: chain(&blocks),
            not_after: second(certificate.validity().not_after.timestamp()),
            validity: SignedDuration::from_hours(24 * i64::from(days)),
        };
        authority.try_out(&certificate, now)?;
        Ok(authority)
    }

    /// Signs its own key in another's name, and looks whether that leads back to its certificate.
    fn try_out(&self, own: &X509Certificate<'_>, now: Timestamp) -> Result<(), AuthorityError> {
        let name = PileId::parse(&"x".repeat(IDENTIFIER_CHARS_MAX)).expect("as long as identities may be");
        let issued = self.issue(&name, own.public_key().raw, [0x7f; 16], now)?;
        let blocks = blocks(&issued.pem)?;
        let made = read(&blocks.first().ok_or(AuthorityError::Unreadable)?.der)?;
        if made.issuer().as_raw() != own.subject().as_raw() {
            return Err(AuthorityError::Name);
        }
        made.verify_signature(Some(own.public_key())).map_err(|_| AuthorityError::Key)?;
        if issued.pem.len() > CHAIN_CHARS_MAX { Err(AuthorityError::ChainTooLong) } else { Ok(()) }
    }

    /// Issues a client certificate for a charger: its identity as common name, nothing of what it asked for but its key.
    ///
    /// `public_key` is a SubjectPublicKeyInfo in DER, `serial` random.
    pub(crate) fn issue(
        &self,
        identity: &PileId,
        public_key: &[u8],
        serial: [u8; 16],
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        let serial = positive(serial);
        let (not_before, not_after) = (now - BACKDATED, (now + self.validity).min(self.not_after));
        if not_after <= now {
            return Err(AuthorityError::NotValid);
        }
        // What lies before 1970 is 1970.
        let date = |time: Timestamp| {
            rcgen::date_time_ymd(1970, 1, 1)
                + Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))
        };
        let key = SubjectPublicKeyInfo::from_der(public_key).map_err(|_| AuthorityError::Key)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = self.subject(identity);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = date(not_before);
        params.not_after = date(not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&key, &self.issuer).map_err(|_| AuthorityError::Key)?;
        let subject = read(made.der())?.subject().to_string();
        let pem = format!("{}{}", made.pem(), self.chain);
        let whole = |time: Timestamp| second(time.as_second());
        Ok(Issued {
            serial: hex::encode(serial),
            subject,
            not_before: whole(not_before),
            not_after: whole(not_after),
            pem,
        })
    }

    fn subject(&self, identity: &PileId) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        if let Some(organization) = &self.organization {
            name.push(DnType::OrganizationName, organization.clone());
        }
        name.push(DnType::CommonName, identity.as_str());
        name
    }
}

/// A certificate in PEM and in DER.
struct Block<'a> {
    pem: &'a str,
    der: Vec<u8>,
}

/// The certificates in a text, in its order.
fn blocks(text: &str) -> Result<Vec<Block<'_>>, AuthorityError> {
    let texts = text.split_inclusive(END).filter(|text| text.ends_with(END));
    let block = |text| {
        let pem = str::find(text, "-----BEGIN CERTIFICATE-----").map(|from| &text[from..]);
        let pem = pem.ok_or(AuthorityError::Unreadable)?;
        let (_, read) =
            x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| AuthorityError::Unreadable)?;
        Ok(Block { pem, der: read.contents })
    };
    texts.map(block).collect()
}

fn read(der: &[u8]) -> Result<X509Certificate<'_>, AuthorityError> {
    x509_parser::parse_x509_certificate(der).map(|(_, read)| read).map_err(|_| AuthorityError::Unreadable)
}

fn check(certificate: &X509Certificate<'_>, now: Timestamp) -> Result<(), AuthorityError> {
    let may_sign = certificate.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign());
    if !certificate.is_ca() || !may_sign {
        return Err(AuthorityError::NoAuthority);
    }
    let validity = certificate.validity();
    let now = now.as_second();
    let is_valid = validity.not_before.timestamp() <= now && now < validity.not_after.timestamp();
    if is_valid { Ok(()) } else { Err(AuthorityError::NotValid) }
}

/// Its organisation, if it names exactly one.
fn organization(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut names = certificate.subject().iter_organization();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

/// All that are not roots: a charger's peer has the root already.
fn chain(blocks: &[Block<'_>]) -> String {
    let is_root = |block: &Block<'_>| {
        read(&block.der).is_ok_and(|read| read.subject().as_raw() == read.issuer().as_raw())
    };
    blocks.iter().filter(|block| !is_root(block)).flat_map(|block| [block.pem, "\n"]).collect()
}

/// A serial number of 127 bits whose first byte is neither zero nor negative, so that it has one way to be written.
fn positive(mut serial: [u8; 16]) -> [u8; 16] {
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertifiedIssuer};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("literal")
    }

    /// An authority valid in 2026 and 2027, and its key in PEM.
    fn made(days: u32, now: &str) -> (Result<Authority, AuthorityError>, String) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2028, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let text = key.serialize_pem();
        let own = CertifiedIssuer::self_signed(params, key).expect("signs");
        (Authority::new(&own.pem(), &text, days, at(now)), text)
    }

    fn issue(authority: &Authority, now: &str) -> Result<Issued, AuthorityError> {
        let key = KeyPair::generate().expect("a key");
        let name = PileId::parse("CP").expect("an identity");
        authority.issue(&name, &key.subject_public_key_info(), [0xff; 16], at(now))
    }

    #[test]
    fn an_authority_shows_nothing_of_its_key() {
        let (authority, key) = made(30, "2026-06-01T00:00:00Z");
        let authority = authority.expect("good");
        let shown = format!("{authority:?} {authority:#?}");
        assert!(shown.starts_with("Authority(until 2028-01-01T00:00:00Z, …)"), "{shown}");
        for line in key.lines().filter(|line| !line.starts_with('-')) {
            assert!(!shown.contains(line));
        }
    }

    #[test]
    fn a_certificate_begins_an_hour_ago_and_ends_with_its_authority_at_the_latest() {
        let authority = made(365, "2026-06-01T00:00:00Z").0.expect("good");
        let first = issue(&authority, "2026-06-01T00:00:00.5Z").expect("issued");
        assert_eq!(first.not_before, at("2026-05-31T23:00:00Z"));
        assert_eq!(first.not_after, at("2027-06-01T00:00:00Z"));
        assert_eq!(first.serial, format!("7f{}", "f".repeat(30)));
        assert_eq!(first.subject, "CN=CP");
        let last = issue(&authority, "2027-12-31T00:00:00Z").expect("issued");
        assert_eq!(last.not_after, at("2028-01-01T00:00:00Z"));
        assert_eq!(issue(&authority, "2028-01-01T00:00:00Z"), Err(AuthorityError::NotValid));
        // What is kept is what stands in it.
        let blocks = blocks(&last.pem).expect("PEM");
        let validity = read(&blocks[0].der).expect("a certificate").validity().clone();
        assert_eq!(validity.not_after.timestamp(), last.not_after.as_second());
        assert_eq!(validity.not_before.timestamp(), last.not_before.as_second());
    }

    #[test]
    fn one_out_of_date_is_not_taken_over() {
        for now in ["2025-12-31T23:59:59Z", "2028-01-01T00:00:00Z"] {
            assert_eq!(made(30, now).0.expect_err("not valid"), AuthorityError::NotValid);
        }
    }
}
