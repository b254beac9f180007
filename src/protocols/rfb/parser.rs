//! The handshake, step by step in each direction (RFC 6143 section 7).

use super::transaction::{PixelFormat, RfbTx, Screen};
use crate::app::{FrameKind, Frames, Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::types::Direction;

/// Bytes of a name or a reason.
pub(super) const TEXT_MAX: usize = 16 << 10;

/// Bytes that a server may send while it is the client's turn.
const EARLY_MAX: usize = 4096;

/// Types of frames: one message of the handshake.
pub(super) const FRAMES: &[&str] = &["pdu"];
const FRAME_PDU: FrameKind = FrameKind(0);

/// What the client sends next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    #[default]
    Version,
    /// One of the offered kinds of security.
    Choice,
    Response,
    Init,
    /// Nothing that is read.
    Rest,
}

/// What the server sends next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Server {
    #[default]
    Version,
    /// A kind of security as 3.3 has it, or a list.
    Security,
    /// Nothing before the client has chosen.
    Wait,
    Challenge,
    Result,
    Reason,
    Init,
    Rest,
}

/// The parser of one flow.
#[derive(Default)]
pub(super) struct RfbParser {
    transactions: TxList<RfbTx>,
    client: Client,
    server: Server,
    /// Minor version by which both go on, of major 3.
    minor: u16,
    frames: Frames,
}

/// What is at the front of the bytes.
enum Step {
    Took(usize),
    Needs(usize),
    /// A message of that length, and behind it nothing is read in this direction any more.
    Last(usize),
    /// Nothing is read in this direction any more.
    All,
}

impl RfbParser {
    /// Reads on; events and texts go to the transaction, which is made with the first bytes. `None` once it is gone.
    fn tx(&mut self) -> Option<&mut RfbTx> {
        if self.transactions.is_empty() && self.client == Client::Version && self.server == Server::Version {
            return Some(self.transactions.push_with(RfbTx::new));
        }
        self.transactions.last_mut()
    }

    fn stop(&mut self) -> Step {
        self.client = Client::Rest;
        self.server = Server::Rest;
        Step::All
    }

    fn event(&mut self, dir: Direction, name: &'static str, over: bool) -> Step {
        if let Some(tx) = self.tx() {
            tx.event(dir, name);
            if over {
                tx.finish();
            }
        }
        self.stop()
    }

    /// The kind of security is agreed on.
    fn security(&mut self, dir: Direction, kind: u32) -> Step {
        if let Some(tx) = self.tx() {
            tx.security = Some(kind);
        }
        match kind {
            1 => {
                self.client = Client::Init;
                // RFC 6143 section 7.1.3: since 3.8 a result follows in any case
                self.server = if self.minor >= 8 { Server::Result } else { Server::Init };
            }
            2 => {
                self.client = Client::Response;
                self.server = Server::Challenge;
            }
            _ => return self.event(dir, "unimplemented_security_type", false),
        }
        Step::Took(0)
    }

    fn read_client(&mut self, bytes: &[u8]) -> Step {
        let dir = Direction::ToServer;
        match self.client {
            Client::Version => {
                let Some(version) = bytes.first_chunk::<12>() else { return Step::Needs(12) };
                let Some(version) = version_of(version) else {
                    return self.event(dir, "malformed_message", true);
                };
                // what is no number is as new as can be
                let number = |text: [u8; 3]| {
                    std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(999)
                };
                self.minor = if number(version.0) == 3 { number(version.1) } else { 8 };
                if let Some(tx) = self.tx() {
                    tx.versions[0] = Some(version);
                }
                // 3.3 leaves no choice
                self.client = if self.minor < 7 { Client::Init } else { Client::Choice };
                if self.server == Server::Version {
                    return Step::Took(12);
                }
                self.server = Server::Security;
                Step::Took(12)
            }
            Client::Choice => match bytes.first() {
                None => Step::Needs(1),
                Some(kind) => match self.security(dir, (*kind).into()) {
                    Step::Took(_) => Step::Took(1),
                    step => step,
                },
            },
            Client::Response => {
                let Some(response) = bytes.first_chunk::<16>() else { return Step::Needs(16) };
                if let Some(tx) = self.tx() {
                    tx.response = Some(*response);
                }
                self.client = Client::Init;
                Step::Took(16)
            }
            Client::Init => {
                let Some(shared) = bytes.first() else { return Step::Needs(1) };
                if let Some(tx) = self.tx() {
                    tx.shared = Some(*shared != 0);
                }
                self.client = Client::Rest;
                Step::Took(1)
            }
            Client::Rest => Step::All,
        }
    }

    fn read_server(&mut self, bytes: &[u8]) -> Step {
        let dir = Direction::ToClient;
        match self.server {
            Server::Version => {
                let Some(version) = bytes.first_chunk::<12>() else { return Step::Needs(12) };
                let Some(version) = version_of(version) else {
                    return self.event(dir, "malformed_message", true);
                };
                if let Some(tx) = self.tx() {
                    tx.versions[1] = Some(version);
                }
                self.server = if self.client == Client::Version { Server::Wait } else { Server::Security };
                Step::Took(12)
            }
            Server::Wait if bytes.len() > EARLY_MAX => self.event(dir, "confused_state", true),
            Server::Wait => Step::Needs(bytes.len() + 1),
            Server::Security if self.minor < 7 => {
                let Some(kind) = bytes.first_chunk::<4>() else { return Step::Needs(4) };
                let kind = u32::from_be_bytes(*kind);
                if kind == 0 {
                    if let Some(tx) = self.tx() {
                        tx.security = Some(0);
                    }
                    self.server = Server::Reason;
                    return Step::Took(4);
                }
                match self.security(dir, kind) {
                    Step::Took(_) => Step::Took(4),
                    step => step,
                }
            }
            Server::Security => {
                let Some((count, kinds)) = bytes.split_first() else { return Step::Needs(1) };
                if *count == 0 {
                    self.server = Server::Reason;
                    return Step::Took(1);
                }
                let len = 1 + usize::from(*count);
                if kinds.len() + 1 < len {
                    return Step::Needs(len);
                }
                self.server = Server::Wait;
                Step::Took(len)
            }
            Server::Challenge => {
                let Some(challenge) = bytes.first_chunk::<16>() else { return Step::Needs(16) };
                if let Some(tx) = self.tx() {
                    tx.challenge = Some(*challenge);
                }
                self.server = Server::Result;
                Step::Took(16)
            }
            Server::Result => {
                let Some(result) = bytes.first_chunk::<4>() else { return Step::Needs(4) };
                let result = u32::from_be_bytes(*result);
                let reason = self.minor >= 8;
                let Some(tx) = self.tx() else { return self.stop() };
                tx.result = Some(result.min(3) as u8);
                match result {
                    0 => self.server = Server::Init,
                    1 if reason => self.server = Server::Reason,
                    1 => {
                        tx.finish();
                        return self.stop();
                    }
                    _ => return self.event(dir, "unknown_security_result", true),
                }
                Step::Took(4)
            }
            Server::Reason => match text_of(bytes) {
                Ok(reason) => {
                    if let Some(tx) = self.tx() {
                        tx.reason = Some(reason.to_vec());
                        tx.finish();
                    }
                    let len = 4 + reason.len();
                    self.stop();
                    Step::Last(len)
                }
                Err(Some(needs)) => Step::Needs(needs),
                Err(None) => self.event(dir, "malformed_message", true),
            },
            Server::Init => {
                let Some((head, rest)) = bytes.split_first_chunk::<20>() else { return Step::Needs(20) };
                match text_of(rest) {
                    Ok(name) => {
                        if let Some(tx) = self.tx() {
                            tx.screen = Some(screen_of(head, name));
                            tx.finish();
                        }
                        self.server = Server::Rest;
                        Step::Last(24 + name.len())
                    }
                    Err(Some(needs)) => Step::Needs(20 + needs),
                    Err(None) => self.event(dir, "malformed_message", true),
                }
            }
            Server::Rest => Step::All,
        }
    }
}

/// Major and minor version of `RFB 003.008\n`.
fn version_of(line: &[u8; 12]) -> Option<([u8; 3], [u8; 3])> {
    match *line {
        [b'R', b'F', b'B', b' ', a, b, c, _, d, e, f, _] => Some(([a, b, c], [d, e, f])),
        _ => None,
    }
}

/// A text behind its length; or how many bytes it needs, or `None` when it is too long.
fn text_of(bytes: &[u8]) -> Result<&[u8], Option<usize>> {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else { return Err(Some(4)) };
    let len = u32::from_be_bytes(*len) as usize;
    if len > TEXT_MAX {
        return Err(None);
    }
    rest.get(..len).ok_or(Some(4 + len))
}

/// RFC 6143 sections 7.3.2 and 7.4.
fn screen_of(head: &[u8; 20], name: &[u8]) -> Screen {
    let [w1, w0, h1, h0, bits, depth, big, color, r1, r0, g1, g0, b1, b0, red, green, blue, ..] = *head;
    Screen {
        width: u16::from_be_bytes([w1, w0]),
        height: u16::from_be_bytes([h1, h0]),
        format: PixelFormat {
            bits,
            depth,
            big_endian: big != 0,
            true_color: color != 0,
            max: [[r1, r0], [g1, g0], [b1, b0]].map(u16::from_be_bytes),
            shift: [red, green, blue],
        },
        name: name.to_vec(),
    }
}

impl Parser for RfbParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let mut at = 0;
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let step = match input.dir {
                Direction::ToServer => self.read_client(rest),
                Direction::ToClient => self.read_server(rest),
            };
            match step {
                Step::Took(taken) => {
                    self.frames.report(input.dir, FRAME_PDU, at, Some(taken), None);
                    at += taken;
                }
                Step::Last(len) => {
                    self.frames.report(input.dir, FRAME_PDU, at, Some(len), None);
                    return Ok(Parsed::all(&input));
                }
                Step::Needs(needs) => return Ok(Parsed { consumed: at, needs, ..Parsed::default() }),
                Step::All => return Ok(Parsed::all(&input)),
            }
        }
        Ok(Parsed::all(&input))
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        // within a handshake nothing can be found again
        match dir {
            Direction::ToServer => self.client = Client::Rest,
            Direction::ToClient => self.server = Server::Rest,
        }
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn frames(&mut self) -> Option<&mut Frames> {
        Some(&mut self.frames)
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.transactions.iter().map(RfbTx::memory).sum::<usize>()
    }
}
