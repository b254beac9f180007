//! FTP's data connections: a file, in one direction. Nothing in the bytes tells what they are: a flow is one because an
//! FTP control connection announced it ([`Expected`]), with the name of the file and the way it goes.
//!
//! One transaction a flow, id 0. Its file is complete when the side that sends it ends.
//!
//! Settings: those of [`Digests`]. Bounds: [`KEPT_MAX`] bytes are kept for inspection.
//!
//! [`Expected`]: crate::app::Expected

pub mod keywords;
mod parser;
#[cfg(test)]
mod tests;

use std::any::Any;

use crate::app::body::BodyLimits;
use crate::app::file::Digests;
use crate::app::{Parser, ParserFactory, Probe, Protocol, Settings};
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry = crate::detect::ProtocolEntry {
    protocol: &FTP_DATA,
    buffers: keywords::BUFFERS,
    numbers: &[],
    keywords: keywords::KEYWORDS,
};

/// The registry's entry.
pub static FTP_DATA: FtpData = FtpData;

/// Bytes of a file kept for inspection at once.
pub const KEPT_MAX: usize = 100 << 10;

/// The protocol.
#[derive(Debug)]
pub struct FtpData;

/// What the control connection said of a data connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The file's name, as the command gave it.
    pub name: Vec<u8>,
    /// To the FTP server (`STOR`), not from it (`RETR`).
    pub upload: bool,
}

impl Protocol for FtpData {
    fn name(&self) -> &'static str {
        "ftp-data"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn probe(&self, _transport: Proto, _dir: Direction, _port: u16, _bytes: &[u8]) -> Probe {
        Probe::No
    }

    fn event_type(&self) -> &'static str {
        "ftp_data"
    }

    fn logger(&self) -> &'static str {
        "ftp"
    }

    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Options {
            digests: Digests::new(settings),
            limits: BodyLimits {
                limit: u64::MAX,
                kept_max: KEPT_MAX,
                inspect_min: 32 << 10,
                window: 4 << 10,
            },
        })
    }
}

/// What the settings say, once.
#[derive(Clone, Copy, Debug)]
struct Options {
    digests: Digests,
    limits: BodyLimits,
}

impl ParserFactory for Options {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(parser::DataParser::new(*self, Transfer { name: Vec::new(), upload: false }))
    }

    fn expected(&self, context: &(dyn Any + Send + Sync)) -> Option<Box<dyn Parser>> {
        let transfer = context.downcast_ref::<Transfer>()?.clone();
        Some(Box::new(parser::DataParser::new(*self, transfer)))
    }
}
