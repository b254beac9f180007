//! Lines of the control connection, put together to transactions.

use super::Options;
use super::address;
use super::transaction::{FtpTx, Verb};
use crate::app::{Change, Expected, Input, ParseError, Parsed, Parser, Transactions, TxList};
use crate::protocols::ftp_data::Transfer;
use crate::types::{Direction, Proto};

/// A command longer than a line may be.
pub(super) const REQUEST_TOO_LONG: &str = "request_command_too_long";
/// A line of a reply longer than that.
pub(super) const RESPONSE_TOO_LONG: &str = "response_command_too_long";

/// Announcements that wait for the engine to take them.
const EXPECTED_MAX: usize = 64;
/// Bytes of a command's name that are kept.
const NAME_MAX: usize = 32;

/// The parser of one flow.
pub(super) struct FtpParser {
    options: Options,
    transactions: TxList<FtpTx>,
    /// The rest of a line that was too long is passed over, by direction.
    skipping: [bool; 2],
    /// Where the next data connection will arrive: at that end, on that port.
    data: Option<(Direction, u16)>,
    /// The transaction whose reply goes over several lines, and the code that ends it.
    open_reply: Option<(u64, [u8; 3])>,
    /// A line of the server was seen.
    greeted: bool,
    expected: Vec<Expected>,
    /// TLS begins with the next byte.
    secured: bool,
}

impl FtpParser {
    pub(super) fn new(options: Options) -> Self {
        FtpParser {
            options,
            transactions: TxList::default(),
            skipping: [false; 2],
            data: None,
            open_reply: None,
            greeted: false,
            expected: Vec::new(),
            secured: false,
        }
    }

    fn line(&mut self, dir: Direction, line: &[u8], truncated: bool) {
        match dir {
            Direction::ToServer => self.command(line, truncated),
            Direction::ToClient => self.reply(line, truncated),
        }
    }

    fn push(&mut self) -> &mut FtpTx {
        if self.transactions.len() >= self.options.tx_max
            && let Some(oldest) = self.transactions.iter_mut().find(|tx| !tx.is_done())
        {
            oldest.give_up();
        }
        self.transactions.push_with(FtpTx::new)
    }

    fn command(&mut self, line: &[u8], truncated: bool) {
        let line = line.trim_ascii_start();
        if line.is_empty() {
            return;
        }
        let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let data = rest.get(1..).unwrap_or_default();
        let name = name.get(..NAME_MAX).unwrap_or(name).to_ascii_uppercase();
        let announced = match &*name {
            b"PORT" => address::comma_separated(data).map(|(ip, port)| (ip.into(), port)),
            b"EPRT" => address::extended(data),
            _ => None,
        };
        let verb = match &*name {
            b"PORT" | b"EPRT" => Verb::Active,
            b"PASV" | b"EPSV" => Verb::Passive,
            b"AUTH" if is_tls(data) => Verb::Tls,
            _ => Verb::Other,
        };
        let upload = match &*name {
            b"RETR" => Some(false),
            b"STOR" => Some(true),
            _ => None,
        };
        if let Some((_, port)) = announced {
            self.data = Some((Direction::ToClient, port));
        }
        if let (Some(upload), Some((listener, port))) = (upload, self.data)
            && self.expected.len() < EXPECTED_MAX
        {
            // a port serves one file
            self.data = None;
            self.expected.push(Expected {
                listener,
                port,
                transport: Proto::TCP,
                protocol: "ftp-data",
                context: std::sync::Arc::new(Transfer { name: data.trim_ascii_end().to_vec(), upload }),
            });
        }
        let tx = self.push();
        tx.command = name;
        tx.data = data.to_vec();
        tx.verb = verb;
        tx.truncated = truncated;
        (tx.address, tx.port) = (announced.map(|(ip, _)| ip), announced.map(|(_, port)| port));
        if truncated {
            tx.event(Direction::ToServer, REQUEST_TOO_LONG);
        }
    }

    fn reply(&mut self, line: &[u8], truncated: bool) {
        if line.trim_ascii().is_empty() && self.open_reply.is_none() {
            return;
        }
        let code = code(line);
        // the greeting answers no command, though one may have been read before it
        let greets =
            !std::mem::replace(&mut self.greeted, true) && matches!(&code, Some((b"220" | b"120", _)));
        let open = self.open_reply;
        let waits = match open {
            Some((id, _)) => Some(id),
            None if greets => None,
            None => self.transactions.iter().find(|tx| !tx.is_done()).map(crate::app::Transaction::id),
        };
        let known = waits.is_some_and(|id| self.transactions.by_id_mut(id).is_some());
        let tx = match waits.filter(|_| known).and_then(|id| self.transactions.by_id_mut(id)) {
            Some(tx) => tx,
            None => {
                self.push();
                match self.transactions.iter_mut().next_back() {
                    Some(tx) => tx,
                    None => return,
                }
            }
        };
        let id = crate::app::Transaction::id(tx);
        let (value, text) = match code {
            Some((value, more)) => {
                let text = line.get(4..).unwrap_or_default();
                match open {
                    // within a reply of several lines only its own code ends it (RFC 959 section 4.2)
                    Some((_, end)) if end == *value && !more => self.open_reply = None,
                    Some(_) => {}
                    None if more => self.open_reply = Some((id, *value)),
                    None => {}
                }
                (Some(*value), text)
            }
            None => (None, line),
        };
        if truncated {
            tx.reply_truncated = true;
            tx.event(Direction::ToClient, RESPONSE_TOO_LONG);
        }
        tx.reply(value, text);
        if self.open_reply.is_some() {
            return;
        }
        match (tx.verb, value) {
            (_, Some([b'1', ..])) => return,
            (Verb::Passive, Some([b'2', ..])) => {
                let port = match &*tx.command {
                    b"EPSV" => address::extended_passive(text),
                    _ => address::comma_separated(text).map(|(_, port)| port),
                };
                tx.port = port;
                if let Some(port) = port {
                    self.data = Some((Direction::ToServer, port));
                }
            }
            (Verb::Tls, Some([b'2', b'3', b'4'])) => self.secured = true,
            _ => {}
        }
        tx.finish();
    }
}

/// The code at the front of a line, and whether more lines follow.
fn code(line: &[u8]) -> Option<(&[u8; 3], bool)> {
    let code = line.first_chunk::<3>().filter(|code| code.iter().all(u8::is_ascii_digit))?;
    match line.get(3) {
        None | Some(b' ') => Some((code, false)),
        Some(b'-') => Some((code, true)),
        Some(_) => None,
    }
}

/// `TLS`, `TLS-C`, `SSL` (RFC 4217 section 4 and 17).
fn is_tls(mechanism: &[u8]) -> bool {
    let mechanism = mechanism.trim_ascii().to_ascii_uppercase();
    matches!(&*mechanism, b"TLS" | b"TLS-C" | b"SSL" | b"TLS-P")
}

impl Parser for FtpParser {
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError> {
        let side = input.dir.index();
        let mut at = 0;
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            let front = rest.get(..self.options.line_max).unwrap_or(rest);
            let end = memchr::memchr(b'\n', front);
            match end {
                Some(end) => {
                    at += end + 1;
                    if std::mem::take(&mut self.skipping[side]) {
                        continue;
                    }
                    let line = front.get(..end).unwrap_or_default();
                    self.line(input.dir, line.strip_suffix(b"\r").unwrap_or(line), false);
                    if self.secured {
                        self.secured = false;
                        return Ok(Parsed {
                            consumed: at,
                            change: Some(Change::To("tls")),
                            ..Parsed::default()
                        });
                    }
                }
                None if front.len() >= self.options.line_max => {
                    at += front.len();
                    if !std::mem::replace(&mut self.skipping[side], true) {
                        self.line(input.dir, front, true);
                    }
                }
                None if self.skipping[side] => {
                    return Ok(Parsed::all(&input));
                }
                None => {
                    if input.eof && !front.is_empty() {
                        at += front.len();
                        self.line(input.dir, front, false);
                    }
                    return Ok(Parsed { consumed: at, ..Parsed::default() });
                }
            }
        }
    }

    fn gap(&mut self, dir: Direction, _len: u64) -> Result<(), ParseError> {
        // what follows begins somewhere in a line
        self.skipping[dir.index()] = true;
        if dir == Direction::ToClient {
            self.open_reply = None;
            // the replies that were lost may have been those of any command
            self.transactions.iter_mut().filter(|tx| !tx.is_done()).for_each(FtpTx::give_up);
        }
        Ok(())
    }

    fn transactions(&self) -> &dyn Transactions {
        &self.transactions
    }

    fn transactions_mut(&mut self) -> &mut dyn Transactions {
        &mut self.transactions
    }

    fn take_expected(&mut self) -> Vec<Expected> {
        std::mem::take(&mut self.expected)
    }

    fn memory(&self) -> usize {
        self.transactions.iter().map(FtpTx::memory).sum()
    }
}
