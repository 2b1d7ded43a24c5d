//! Where an instrument listens, as a person wrote it: `HOST:PORT`. Parsed once, before anything is sent.

use std::fmt;

use super::InstrumentFault;

/// Longest name of a host: DNS allows 253 characters.
const HOST_CHARS_MAX: usize = 253;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstrumentAddress {
    /// Name or number, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl InstrumentAddress {
    /// Reads `HOST:PORT`; an IPv6 number stands in brackets.
    pub(crate) fn parse(text: &str) -> Result<Self, InstrumentFault> {
        let wrong = || {
            InstrumentFault::Wrong(format!(
                "the address {text:?} is not HOST:PORT, such as 192.0.2.10:5025 or [2001:db8::10]:5025; correct it in the \
                 register of instruments and order again"
            ))
        };
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match bracketed {
            Some(number) => number.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let can_stand = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
                !host.is_empty() && host.len() <= HOST_CHARS_MAX && host.chars().all(can_stand)
            }
        };
        let host = bracketed.unwrap_or(host).to_owned();
        if is_host { Ok(Self { host, port }) } else { Err(wrong()) }
    }
}

impl fmt::Display for InstrumentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("192.0.2.10:5025", "192.0.2.10", 5025),
            (" bench-2.lab:1 ", "bench-2.lab", 1),
            ("[2001:db8::10]:5025", "2001:db8::10", 5025),
        ] {
            let address = InstrumentAddress::parse(text).expect("readable");
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
            assert_eq!(address.to_string(), text.trim());
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_next_step() {
        for text in [
            "",
            "bench",
            "bench:",
            ":5025",
            "bench:0",
            "bench:65536",
            "2001:db8::10:5025",
            "[bench]:5025",
            "tcp://bench:5025",
            "TCPIP0::192.0.2.10::5025",
            "192.0.2.10 : 5025",
        ] {
            let fault = InstrumentAddress::parse(text).expect_err(text);
            assert!(!fault.is_lost(), "{text}");
            assert!(fault.to_string().contains("register of instruments"), "{fault}");
        }
    }
}
