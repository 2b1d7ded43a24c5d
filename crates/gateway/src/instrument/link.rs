//! A connection to an instrument: lines out, lines in, each ended by a line feed (IEEE 488.2 over TCP).
//!
//! Used by [`super::scpi`], which knows what is said. Every wait has an end. After a fault a link is dropped, never used again:
//! an answer that comes late goes down with its connection.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::InstrumentFault;
use super::address::InstrumentAddress;

/// Longest line that is read, bytes: a line of readings has some dozens, the longest known answer some hundreds.
pub(super) const LINE_BYTES_MAX: usize = 4096;

/// Bytes that nobody asked for and that are thrown away before a question; an instrument that sends more talks by itself, and
/// the connection is opened anew.
const STALE_BYTES_MAX: usize = 16 * LINE_BYTES_MAX;

/// How long bytes that nobody asked for are listened for: what has arrived is there at once.
const STALE_WITHIN: Duration = Duration::from_millis(1);

/// An open connection.
pub(super) struct Link {
    stream: TcpStream,
    /// Read, and not yet given out.
    bytes: Vec<u8>,
    /// For messages.
    address: String,
}

impl Link {
    /// Connects.
    pub(super) async fn open(address: &InstrumentAddress, within: Duration) -> Result<Self, InstrumentFault> {
        let host = (address.host.as_str(), address.port);
        let lost = |why: &dyn std::fmt::Display| {
            InstrumentFault::Lost(format!(
                "{address} cannot be reached: {why}; check that the instrument is on, in remote mode and at this address"
            ))
        };
        match timeout(within, TcpStream::connect(host)).await {
            Ok(Ok(stream)) => {
                // Lines are short, and each waits for its answer.
                stream.set_nodelay(true).map_err(|error| lost(&error))?;
                Ok(Self { stream, bytes: Vec::with_capacity(LINE_BYTES_MAX), address: address.to_string() })
            }
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(lost(&format_args!("no connection within {} ms", within.as_millis()))),
        }
    }

    /// Throws away what nobody asked for. False if the link is of no more use: closed by the other side, or never silent.
    pub(super) async fn clear(&mut self) -> bool {
        let mut stale = self.bytes.len();
        self.bytes.clear();
        while stale <= STALE_BYTES_MAX {
            match timeout(STALE_WITHIN, self.stream.read_buf(&mut self.bytes)).await {
                Err(_) => {
                    if 0 < stale {
                        tracing::warn!(
                            instrument.address = self.address,
                            bytes = stale,
                            "nobody asked for these"
                        );
                    }
                    return true;
                }
                Ok(Ok(bytes)) if 0 < bytes => stale += bytes,
                Ok(_) => return false,
            }
            self.bytes.clear();
        }
        false
    }

    /// Sends a line.
    pub(super) async fn send(&mut self, line: &str, within: Duration) -> Result<(), InstrumentFault> {
        let text = format!("{line}\n");
        match timeout(within, self.stream.write_all(text.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.closed(line, &error)),
            Err(_) => Err(self.lost(&format!("took no line within {} ms: {line}", within.as_millis()))),
        }
    }

    /// Sends a question; reads the line that answers it. What came before it is no answer to it.
    pub(super) async fn ask(&mut self, question: &str, within: Duration) -> Result<String, InstrumentFault> {
        if !self.clear().await {
            return Err(self.closed(question, &io::ErrorKind::UnexpectedEof.into()));
        }
        self.send(question, within).await?;
        let deadline = Instant::now() + within;
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return self.text(question, line);
            }
            if LINE_BYTES_MAX < self.bytes.len() {
                return Err(self.wrong(&format!("answered {question} with more than {LINE_BYTES_MAX} bytes")));
            }
            match timeout_at(deadline, self.stream.read_buf(&mut self.bytes)).await {
                Ok(Ok(0)) => return Err(self.closed(question, &io::ErrorKind::UnexpectedEof.into())),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.closed(question, &error)),
                Err(_) => {
                    let ms = within.as_millis();
                    return Err(self.lost(&format!("did not answer {question} within {ms} ms")));
                }
            }
        }
    }

    fn text(&self, question: &str, line: Vec<u8>) -> Result<String, InstrumentFault> {
        if LINE_BYTES_MAX < line.len() {
            return Err(self.wrong(&format!("answered {question} with more than {LINE_BYTES_MAX} bytes")));
        }
        match String::from_utf8(line) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(self.wrong(&format!("answered {question} with bytes that are no text"))),
        }
    }

    fn closed(&self, line: &str, error: &io::Error) -> InstrumentFault {
        self.lost(&format!("closed the connection at {line}: {error}"))
    }

    fn lost(&self, what: &str) -> InstrumentFault {
        InstrumentFault::Lost(format!("{} {what}", self.address))
    }

    fn wrong(&self, what: &str) -> InstrumentFault {
        InstrumentFault::Wrong(format!("{} {what}", self.address))
    }
}
