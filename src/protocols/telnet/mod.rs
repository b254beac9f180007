//! Telnet (RFC 854) on its port: recognised, and read as a stream.
//!
//! A session has no messages, so there are no transactions, no buffers of its own and no records; rules on `telnet` look at
//! payload, stream and frames: commands, and lines of text. What is on the port and nobody else's is telnet's, be it with options or
//! without. Bounds: nothing is kept.

#[cfg(test)]
mod tests;

use crate::app::{
    DONE, FrameKind, Frames, Input, ParseError, Parsed, Parser, ParserFactory, Probe, Protocol, Settings,
    Slot, Transaction, Transactions, TxList,
};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto};

/// What the list of protocols holds. It stands last there: its recognition asks for little.
pub const ENTRY: crate::detect::ProtocolEntry =
    crate::detect::ProtocolEntry { protocol: &TELNET, buffers: &[], numbers: &[], keywords: &[] };

/// The registry's entry.
pub static TELNET: Telnet = Telnet;

const PORT: u16 = 23;

/// The protocol.
#[derive(Debug)]
pub struct Telnet;

impl Protocol for Telnet {
    fn name(&self) -> &'static str {
        "telnet"
    }

    fn transports(&self) -> &'static [Proto] {
        &[Proto::TCP]
    }

    fn either_begins(&self) -> bool {
        true
    }

    fn usual_port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn probe(&self, _transport: Proto, _dir: Direction, port: u16, bytes: &[u8]) -> Probe {
        match bytes {
            _ if port != PORT => Probe::No,
            [] | [_] => Probe::More,
            _ => Probe::Yes,
        }
    }

    fn frames(&self) -> &'static [&'static str] {
        FRAMES
    }

    fn factory(&self, _settings: &Settings) -> Box<dyn ParserFactory> {
        Box::new(Factory)
    }
}

struct Factory;

impl ParserFactory for Factory {
    fn parser(&self, _transport: Proto, _client_port: u16, _server_port: u16) -> Box<dyn Parser> {
        Box::new(TelnetParser::default())
    }
}

/// Types of frames: either of the others; a command; a line of text.
const FRAMES: &[&str] = &["pdu", "ctl", "data"];
const FRAME_PDU: FrameKind = FrameKind(0);
const FRAME_CTL: FrameKind = FrameKind(1);
const FRAME_DATA: FrameKind = FrameKind(2);

/// "Interpret as command", and the commands that have more than two bytes.
const IAC: u8 = 0xff;
const SB: u8 = 0xfa;
const WILL_TO_DONT: std::ops::RangeInclusive<u8> = 0xfb..=0xfe;

#[derive(Default)]
struct TelnetParser {
    none: TxList<Never>,
    frames: Frames,
    /// What has begun in each direction and goes on until a command, or the end of the line.
    open: [Option<FrameKind>; 2],
}

impl TelnetParser {
    fn begin(&mut self, dir: Direction, kind: FrameKind, at: usize, len: Option<usize>) {
        self.frames.report(dir, FRAME_PDU, at, len, None);
        self.frames.report(dir, kind, at, len, None);
        self.open[dir.index()] = Some(kind).filter(|_| len.is_none());
    }

    fn finish(&mut self, dir: Direction, at: usize) {
        if let Some(kind) = self.open[dir.index()].take() {
            self.frames.finish(dir, FRAME_PDU, at);
            self.frames.finish(dir, kind, at);
        }
    }

    /// Tells of the frames of the bytes; gives back how many were read. What is left is the beginning of a command.
    fn read(&mut self, dir: Direction, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match *rest {
                [IAC, command, ..] => {
                    self.finish(dir, at);
                    match command {
                        SB => {
                            self.begin(dir, FRAME_CTL, at, None);
                            2
                        }
                        command if WILL_TO_DONT.contains(&command) => {
                            if rest.len() < 3 {
                                return at;
                            }
                            self.begin(dir, FRAME_CTL, at, Some(3));
                            3
                        }
                        _ => {
                            self.begin(dir, FRAME_CTL, at, Some(2));
                            2
                        }
                    }
                }
                [IAC] => return at,
                _ => {
                    if self.open[dir.index()].is_none() {
                        self.begin(dir, FRAME_DATA, at, None);
                    }
                    let text = self.open[dir.index()] == Some(FRAME_DATA);
                    let end = rest.iter().position(|byte| *byte == IAC || (text && *byte == b'\n'));
                    match end {
                        Some(end) if rest.get(end) == Some(&b'\n') => {
                            self.finish(dir, at + end + 1);
                            end + 1
                        }
                        Some(end) => end,
                        None => rest.len(),
                    }
                }
            };
        }
        at
    }
}

impl Parser for TelnetParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        if !self.frames.are_wanted() {
            return Ok(Parsed::all(&input));
        }
        let consumed = self.read(input.dir, input.bytes);
        if input.eof {
            return Ok(Parsed::all(&input));
        }
        Ok(Parsed { consumed, needs: 0, ..Parsed::default() })
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        self.open[dir.index()] = None;
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.none
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.none
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }
}

/// The transaction that there is none of.
enum Never {}

impl Transaction for Never {
    fn id(&self) -> u64 {
        0
    }

    fn progress(&self, _dir: Direction) -> u8 {
        DONE
    }

    fn bytes(&self, _slot: Slot, _nth: usize) -> Option<&[u8]> {
        None
    }

    fn log(&self, _out: &mut JsonWriter) {}
}
