//! Single messages (CQL Binary Protocol, `native_protocol_v3.spec` to `v5`).

use super::slots;
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;

/// Statements of a batch that are kept.
pub(super) const STATEMENTS_MAX: usize = 64;

/// Kinds of messages.
pub(super) mod opcode {
    pub(in super::super) const ERROR: u8 = 0;
    pub(in super::super) const STARTUP: u8 = 1;
    pub(in super::super) const READY: u8 = 2;
    pub(in super::super) const AUTHENTICATE: u8 = 3;
    pub(in super::super) const QUERY: u8 = 7;
    pub(in super::super) const RESULT: u8 = 8;
    pub(in super::super) const PREPARE: u8 = 9;
    pub(in super::super) const EVENT: u8 = 12;
    pub(in super::super) const BATCH: u8 = 13;
    pub(in super::super) const AUTH_RESPONSE: u8 = 15;
}

/// Flags of a message.
pub(super) const COMPRESSED: u8 = 1;

/// What stands in front of every message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) version: u8,
    pub(super) response: bool,
    pub(super) flags: u8,
    pub(super) stream: u16,
    pub(super) opcode: u8,
    pub(super) len: usize,
}

/// Bytes of it.
pub(super) const HEADER: usize = 9;

impl Header {
    /// `None` without all of it.
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let mut front = Reader(bytes);
        let version = front.u8()?;
        Some(Header {
            version: version & 0x7f,
            response: version & 0x80 != 0,
            flags: front.u8()?,
            stream: front.u16()?,
            opcode: front.u8()?,
            len: front.u32()? as usize,
        })
    }

    pub(super) fn is_sound(&self) -> bool {
        // the server's own limit is 256 MiB
        (3..=5).contains(&self.version) && self.flags < 0x20 && self.opcode <= 16 && self.len <= 256 << 20
    }
}

fn long_text<'a>(front: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(front.u32()?).ok()?;
    // of what was cut off what is there
    front.take(len.min(front.0.len()))
}

fn text<'a>(front: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = front.u16()?;
    front.take(len.into())
}

/// What a request says.
pub(super) fn request(header: &Header, body: &[u8], values: &mut Values) -> Option<()> {
    let mut front = Reader(body);
    match header.opcode {
        opcode::STARTUP => {
            for _ in 0..front.u16()?.min(64) {
                let (name, value) = (text(&mut front)?, text(&mut front)?);
                if name == b"DRIVER_NAME" {
                    values.push(slots::DRIVER, value);
                }
            }
        }
        opcode::QUERY | opcode::PREPARE => values.push(slots::QUERY, long_text(&mut front)?),
        opcode::AUTH_RESPONSE => {
            let token = long_text(&mut front)?;
            values.push(slots::USER, token.split(|byte| *byte == 0).nth(1)?);
        }
        opcode::BATCH => {
            front.take(1)?;
            for _ in 0..usize::from(front.u16()?).min(STATEMENTS_MAX) {
                match front.u8()? {
                    0 => values.push(slots::QUERY, long_text(&mut front)?),
                    _ => {
                        text(&mut front)?;
                    }
                }
                for _ in 0..front.u16()? {
                    // a value that is null or not set has a negative length
                    let len = front.u32()? as i32;
                    front.take(usize::try_from(len).unwrap_or(0))?;
                }
            }
        }
        _ => {}
    }
    Some(())
}

/// What an answer says.
pub(super) fn response(header: &Header, body: &[u8], values: &mut Values) -> Option<()> {
    values.push_number(slots::ANSWER, header.opcode);
    let mut front = Reader(body);
    match header.opcode {
        opcode::ERROR => {
            values.push_number(slots::ERROR_CODE, front.u32()?);
            values.push(slots::ERROR, text(&mut front)?);
        }
        // a keyspace was chosen
        opcode::RESULT if front.u32()? == 3 => values.push(slots::KEYSPACE, text(&mut front)?),
        _ => {}
    }
    Some(())
}
