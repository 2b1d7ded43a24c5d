//! Somebody at the pages: signs in, reads a page, sends a form, as a browser does.
//!
//! Used by the demo's verification, whose two persons do at the pages what people do there. HTTP/1.1 over one connection a request,
//! to this process's own address; never anything else, and never without an end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest that a page may take: while history streams in, the server has much to do.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Longest answer, bytes: the page of an order has some hundred thousand.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Somebody who signed in.
pub(super) struct Visitor {
    site: SocketAddr,
    cookie: String,
    token: String,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Visitor {
    /// Signs in.
    pub(super) async fn sign_in(site: SocketAddr, name: &str, password: &str) -> Result<Self> {
        let mut visitor = Self { site, cookie: String::new(), token: String::new() };
        let answer = visitor.send("/op/sign-in", &[("name", name), ("password", password)]).await?;
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        visitor.cookie = cookie.with_context(|| format!("{name} cannot sign in"))?.to_owned();
        let page = visitor.get("/ver/orders").await?;
        visitor.token = value(&page, "token").with_context(|| format!("{name} finds no form"))?;
        Ok(visitor)
    }

    /// A page.
    pub(super) async fn get(&self, path: &str) -> Result<String> {
        let answer = self.exchange("GET", path, "").await?;
        if answer.status != 200 {
            bail!("{path} answers {}", answer.status);
        }
        Ok(answer.body)
    }

    /// Sends a form, which must be taken.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<()> {
        let status = self.send(path, form).await?.status;
        if status != 303 {
            bail!("{path} does not take {form:?}: {status}");
        }
        Ok(())
    }

    async fn send(&self, path: &str, form: &[(&str, &str)]) -> Result<Answer> {
        let token = ("token", self.token.as_str());
        let pairs = form.iter().chain(std::iter::once(&token));
        let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        self.exchange("POST", path, &pairs.join("&")).await
    }

    async fn exchange(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: text/html\r\nCookie: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.site,
            self.cookie,
            body.len()
        );
        let told = async {
            let mut stream = TcpStream::connect(self.site).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut bytes = Vec::new();
            stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await?;
            std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text =
            timeout(ANSWER_WITHIN, told).await.with_context(|| format!("{path} does not answer"))??;
        let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("{path} answers no HTTP"))?;
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("{path} answers no HTTP"))?;
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }
}

/// The value of a hidden field of a page.
pub(super) fn value(page: &str, name: &str) -> Option<String> {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
    rest.split('"').next().map(str::to_owned)
}

fn encoded(text: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_spelt_and_a_hidden_field_is_found() {
        // RFC 3986, 2.1: the octets of UTF-8, in hexadecimal.
        assert_eq!(encoded("a 桩&=1"), "a%20%E6%A1%A9%26%3D1");
        let page = r#"<input type="hidden" name="token" value="t1"><input name="seen" value="12">"#;
        assert_eq!(value(page, "seen").as_deref(), Some("12"));
        assert_eq!(value(page, "none"), None);
    }
}
