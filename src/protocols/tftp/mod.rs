//! TFTP (RFC 1350): what is asked for on port 69.
//!
//! A request to read or to write is a transaction; answers come from another port and are not looked at. Bounds: a name and a mode
//! of `NAME_MAX` bytes.
//!
//! Settings: none.

#[cfg(test)]
mod tests;

use crate::app::{
    Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings, Transactions, TxList,
};
use crate::json::JsonWriter;
use crate::protocols::single::{MessageTx, Record};
use crate::protocols::values::Values;
use crate::types::{Direction, Proto};

/// What the list of protocols holds.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &TFTP, buffers: &[], numbers: &[], keywords: &[] };

/// The registry's entry.
pub static TFTP: Tftp = Tftp;

const PORT: u16 = 69;

/// Bytes of a name, and of a mode.
const NAME_MAX: usize = 512;

/// The protocol.
#[derive(Debug)]
pub struct Tftp;

impl Protocol for Tftp {
    fn name(&self) -> &'static str {
        "tftp"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::UDP]
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        match bytes {
            [0, 1..=5, _, _, ..] if port == PORT => Probe::Yes,
            _ => Probe::No,
        }
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(TftpParser::default())
    }
}

/// What is asked for.
#[derive(Debug)]
struct Request {
    writes: bool,
    file: Vec<u8>,
    mode: String,
}

impl Record for Request {
    fn log(&self, _values: &Values, out: &mut JsonWriter) {
        out.open_object("tftp");
        out.text("packet", if self.writes { "write" } else { "read" });
        out.bytes("file", &self.file);
        out.text("mode", &self.mode);
        out.close();
    }

    fn memory(&self) -> usize {
        self.file.capacity() + self.mode.capacity()
    }
}

/// RFC 1350 section 5; `None` for what asks for nothing.
fn request(bytes: &[u8]) -> Option<Request> {
    let [0, kind @ (1 | 2), rest @ ..] = bytes else { return None };
    let mut texts = rest.split(|byte| *byte == 0);
    let (file, mode) = (texts.next()?, texts.next()?);
    texts.next()?;
    let mode = std::str::from_utf8(mode).ok()?.to_ascii_lowercase();
    let sound = file.len() <= NAME_MAX && matches!(&mode[..], "netascii" | "octet" | "mail");
    sound.then(|| Request { writes: *kind == 2, file: file.to_vec(), mode })
}

/// The parser of one flow.
#[derive(Default)]
struct TftpParser {
    transactions: TxList<MessageTx<Request>>,
}

impl Parser for TftpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if let Some(request) = request(input.bytes) {
            self.transactions.push_with(|id| MessageTx::new(id, input.dir, Values::default(), request, &[]));
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, _dir: Direction, _len: u64) -> Result<(), ParseError> {
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.transactions.iter().map(MessageTx::memory).sum::<usize>()
    }
}
