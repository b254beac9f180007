//! One message: header, function, and what comes with it.

use super::function::{self, access, category};
use crate::app::Probe;
use crate::protocols::reader::Reader;
use crate::types::Direction;

/// Bytes before the unit identifier.
pub(super) const HEADER_LEN: usize = 6;
/// What the header may say of the length: unit, function and at most 252 bytes more.
pub(super) const LENGTH_MIN: usize = 2;
pub(super) const LENGTH_MAX: usize = 254;

/// What was found wrong, as bits: EVE's `error_flags`.
pub(super) mod flaw {
    pub(crate) const DATA_VALUE: u8 = 1;
    pub(crate) const DATA_LENGTH: u8 = 2;
    pub(crate) const EXC_CODE: u8 = 4;
    pub(crate) const FUNC_CODE: u8 = 8;
}

/// What comes with a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Exception(u8),
    Diagnostic(u16, Vec<u8>),
    Interface(u8, Vec<u8>),
    /// A range that is asked for, and what is written where, of "read/write multiple".
    Access {
        read: Option<(u16, u16)>,
        write: Option<Write>,
    },
    /// What was read.
    Values(Vec<u8>),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// One coil or register; of a response to many, how many.
    One {
        address: u16,
        value: u16,
    },
    Many {
        address: u16,
        quantity: u16,
        data: Vec<u8>,
    },
    Mask {
        address: u16,
        and: u16,
        or: u16,
    },
}

impl Write {
    pub(super) fn address(&self) -> u16 {
        match self {
            Write::One { address, .. } | Write::Many { address, .. } | Write::Mask { address, .. } => {
                *address
            }
        }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) transaction: u16,
    pub(super) unit: u8,
    /// With the bit of an exception.
    pub(super) raw: u8,
    pub(super) access: u8,
    pub(super) category: u8,
    pub(super) flaws: u8,
    pub(super) content: Content,
}

/// Whether bytes begin with a message.
pub(super) fn probe(bytes: &[u8]) -> Probe {
    match *bytes {
        [_, _, 0, 0, high, low, _, function, ..] => {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let sound =
                (LENGTH_MIN..=LENGTH_MAX).contains(&length) && function::known(function & 0x7f).is_some();
            if sound { Probe::Yes } else { Probe::No }
        }
        [_, _, first, ..] if first != 0 => Probe::No,
        [_, _, _, second, ..] if second != 0 => Probe::No,
        _ if bytes.len() < HEADER_LEN + 2 => Probe::More,
        _ => Probe::No,
    }
}

impl Message {
    /// Reads what is behind the header: unit, function, data. `None` when there is no function.
    pub(super) fn read(dir: Direction, transaction: u16, body: &[u8]) -> Option<Message> {
        let mut reader = Reader(body);
        let (unit, raw) = (reader.u8()?, reader.u8()?);
        let function = raw & 0x7f;
        let (_, touched) = function::known(function).unwrap_or(("Unknown", 0));
        let mut message = Message {
            transaction,
            unit,
            raw,
            access: if raw & 0x80 == 0 { touched } else { 0 },
            category: function::category(function),
            flaws: 0,
            content: Content::Bytes(Vec::new()),
        };
        let rest = reader.0;
        message.content = match (raw & 0x80 != 0, dir) {
            (true, _) => message.exception(rest),
            _ if function::known(function).is_none() => {
                message.flaws |= flaw::FUNC_CODE;
                Content::Bytes(rest.to_vec())
            }
            (false, Direction::ToServer) => {
                message.request(function, rest).unwrap_or_else(|| message.short(rest))
            }
            (false, Direction::ToClient) => {
                message.response(function, rest).unwrap_or_else(|| message.short(rest))
            }
        };
        Some(message)
    }

    fn short(&mut self, rest: &[u8]) -> Content {
        self.flaws |= flaw::DATA_LENGTH;
        Content::Bytes(rest.to_vec())
    }

    fn exception(&mut self, rest: &[u8]) -> Content {
        let code = rest.first().copied().unwrap_or_default();
        if rest.len() != 1 {
            self.flaws |= flaw::DATA_LENGTH;
        }
        if function::exception(code).is_none() {
            self.flaws |= flaw::EXC_CODE;
        }
        Content::Exception(code)
    }

    fn diagnostic(&mut self, rest: &[u8], of_request: bool) -> Option<Content> {
        let mut reader = Reader(rest);
        let number = reader.u16()?;
        if function::diagnostic(number).is_none() {
            self.category = category::RESERVED;
        }
        let data = reader.0;
        // what these may carry is said in section 6.8
        let value = data.first_chunk::<2>().map(|data| u16::from_be_bytes(*data));
        let sound = match number {
            1 => matches!(value, Some(0 | 0xff00)),
            3 => matches!(data, [_, 0]),
            2 | 4 | 10..=18 | 20 if of_request => value == Some(0),
            _ => true,
        };
        if !sound && data.len() == 2 {
            self.flaws |= flaw::DATA_VALUE;
        }
        if matches!(number, 1..=4 | 10..=20) && data.len() != 2 {
            self.flaws |= flaw::DATA_LENGTH;
        }
        Some(Content::Diagnostic(number, data.to_vec()))
    }

    fn interface(&mut self, rest: &[u8]) -> Option<Content> {
        let (kind, data) = rest.split_first()?;
        if function::interface(*kind).is_none() {
            self.category = category::RESERVED;
        }
        Some(Content::Interface(*kind, data.to_vec()))
    }

    fn wrong_value(&mut self, is_wrong: bool) {
        if is_wrong {
            self.flaws |= flaw::DATA_VALUE;
        }
    }

    fn request(&mut self, function: u8, rest: &[u8]) -> Option<Content> {
        let mut reader = Reader(rest);
        let content = match function {
            8 => return self.diagnostic(rest, true),
            43 => return self.interface(rest),
            1..=4 => {
                let range = (reader.u16()?, reader.u16()?);
                let most = if function < 3 { 2000 } else { 125 };
                self.wrong_value(range.1 == 0 || range.1 > most);
                Content::Access { read: Some(range), write: None }
            }
            5 | 6 => {
                let (address, value) = (reader.u16()?, reader.u16()?);
                self.wrong_value(function == 5 && !matches!(value, 0 | 0xff00));
                Content::Access { read: None, write: Some(Write::One { address, value }) }
            }
            15 | 16 => {
                let (address, quantity, count) = (reader.u16()?, reader.u16()?, reader.u8()?);
                let data = reader.take(count.into())?;
                self.many(function == 15, quantity, data.len());
                Content::Access {
                    read: None,
                    write: Some(Write::Many { address, quantity, data: data.to_vec() }),
                }
            }
            22 => {
                let (address, and, or) = (reader.u16()?, reader.u16()?, reader.u16()?);
                Content::Access { read: None, write: Some(Write::Mask { address, and, or }) }
            }
            23 => {
                let read = (reader.u16()?, reader.u16()?);
                self.wrong_value(read.1 == 0 || read.1 > 125);
                let mut write = || {
                    let (address, quantity, count) = (reader.u16()?, reader.u16()?, reader.u8()?);
                    let data = reader.take(count.into())?.to_vec();
                    Some(Write::Many { address, quantity, data })
                };
                let Some(write) = write() else {
                    self.flaws |= flaw::DATA_LENGTH;
                    return Some(Content::Access { read: Some(read), write: None });
                };
                if let Write::Many { quantity, data, .. } = &write {
                    self.many(false, *quantity, data.len());
                }
                Content::Access { read: Some(read), write: Some(write) }
            }
            7 | 11 | 12 | 17 => {
                if !rest.is_empty() {
                    self.flaws |= flaw::DATA_LENGTH;
                }
                return Some(Content::Bytes(rest.to_vec()));
            }
            24 => {
                if rest.len() != 2 {
                    self.flaws |= flaw::DATA_LENGTH;
                }
                return Some(Content::Bytes(rest.to_vec()));
            }
            _ => return Some(Content::Bytes(rest.to_vec())),
        };
        if !reader.is_empty() {
            self.flaws |= flaw::DATA_LENGTH;
        }
        Some(content)
    }

    /// What is written to many must be as much as is said.
    fn many(&mut self, coils: bool, quantity: u16, len: usize) {
        let quantity = usize::from(quantity);
        let (bytes, most) = if coils { (quantity.div_ceil(8), 1968) } else { (quantity * 2, 123) };
        self.wrong_value(quantity == 0 || quantity > most || bytes != len);
    }

    fn response(&mut self, function: u8, rest: &[u8]) -> Option<Content> {
        let mut reader = Reader(rest);
        let content = match function {
            8 => return self.diagnostic(rest, false),
            43 => return self.interface(rest),
            1..=4 | 23 => {
                let count = reader.u8()?;
                Content::Values(reader.take(count.into())?.to_vec())
            }
            5 | 6 | 15 | 16 => {
                let (address, value) = (reader.u16()?, reader.u16()?);
                Content::Access { read: None, write: Some(Write::One { address, value }) }
            }
            22 => {
                let (address, and, or) = (reader.u16()?, reader.u16()?, reader.u16()?);
                Content::Access { read: None, write: Some(Write::Mask { address, and, or }) }
            }
            _ => return Some(Content::Bytes(rest.to_vec())),
        };
        if !reader.is_empty() {
            self.flaws |= flaw::DATA_LENGTH;
        }
        Some(content)
    }

    /// Whether a response says what its request asked for.
    pub(super) fn answers(&self, request: &Message) -> bool {
        match (&request.content, &self.content) {
            (Content::Access { read: Some((_, quantity)), .. }, Content::Values(data)) => {
                let quantity = usize::from(*quantity);
                let bits = request.access & (access::COILS | access::DISCRETES) != 0;
                data.len() == if bits { quantity.div_ceil(8) } else { quantity * 2 }
            }
            (Content::Access { write: Some(asked), .. }, Content::Access { write: Some(done), .. }) => {
                match (asked, done) {
                    (Write::Many { address, quantity, .. }, Write::One { address: at, value }) => {
                        address == at && quantity == value
                    }
                    _ => asked == done,
                }
            }
            (Content::Diagnostic(0..=4 | 10, asked), Content::Diagnostic(_, done)) => {
                // a register is read by 2
                matches!(request.content, Content::Diagnostic(2, _)) || asked == done
            }
            _ => true,
        }
    }

    /// Memory held beside itself, bytes.
    pub(super) fn memory(&self) -> usize {
        match &self.content {
            Content::Diagnostic(_, data) | Content::Interface(_, data) => data.capacity(),
            Content::Values(data) | Content::Bytes(data) => data.capacity(),
            Content::Access { write: Some(Write::Many { data, .. }), .. } => data.capacity(),
            Content::Access { .. } | Content::Exception(_) => 0,
        }
    }

    /// Events of what is wrong with it.
    pub(super) fn events(&self) -> impl Iterator<Item = &'static str> {
        let found = [
            (flaw::DATA_VALUE, "invalid_value"),
            (flaw::DATA_LENGTH, "invalid_length"),
            (flaw::EXC_CODE, "invalid_exception_code"),
            (flaw::FUNC_CODE, "invalid_function_code"),
        ];
        let flaws = self.flaws;
        found.into_iter().filter(move |(bit, _)| flaws & bit != 0).map(|(_, name)| name)
    }
}
