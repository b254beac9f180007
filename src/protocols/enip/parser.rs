//! The encapsulation: a header of 24 bytes and what its command says is behind it. All numbers have their low byte first.

use super::slots::*;
use super::{cip, keywords};
use crate::app::Probe;
use crate::protocols::exchange::{Dialect, Exchanges, Step};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;
use crate::types::{Direction, Proto};

/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 24;

const LIST_SERVICES: u16 = 0x04;
const LIST_IDENTITY: u16 = 0x63;
const REGISTER_SESSION: u16 = 0x65;
const SEND_RR_DATA: u16 = 0x6f;
const SEND_UNIT_DATA: u16 = 0x70;

/// Items of the common packet format.
mod item {
    pub(super) const IDENTITY: u16 = 0x0c;
    pub(super) const CONNECTED: u16 = 0xb1;
    pub(super) const UNCONNECTED: u16 = 0xb2;
    pub(super) const SERVICES: u16 = 0x100;
}

struct Header {
    command: u16,
    len: usize,
    session: u32,
    status: u32,
    options: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Header> {
        let mut reader = Reader(bytes);
        let (command, len) = (reader.u16_le()?, reader.u16_le()?.into());
        let (session, status) = (reader.u32_le()?, reader.u32_le()?);
        reader.take(8)?;
        Some(Header { command, len, session, status, options: reader.u32_le()? })
    }

    fn is_sound(&self) -> bool {
        let known = keywords::COMMANDS.iter().any(|(_, number)| *number == u64::from(self.command));
        // section 2-3.6: no options are defined
        known && self.options == 0
    }
}

/// See [`crate::app::Protocol::probe`].
pub(super) fn probe(transport: Proto, bytes: &[u8]) -> Probe {
    let Some(header) = Header::read(bytes) else {
        let begins = match bytes {
            [low, high, ..] => {
                let command = u64::from(u16::from_le_bytes([*low, *high]));
                keywords::COMMANDS.iter().any(|(_, number)| *number == command)
            }
            _ => true,
        };
        return if begins && transport != Proto::UDP { Probe::More } else { Probe::No };
    };
    let whole = transport != Proto::UDP || bytes.len() == HEADER_LEN + header.len;
    let known = keywords::STATUSES.iter().any(|(_, number)| *number == u64::from(header.status));
    if header.is_sound() && whole && known { Probe::Yes } else { Probe::No }
}

/// How its messages are read: each stands for itself.
pub(super) struct Encapsulation;

impl Dialect for Encapsulation {
    const ALONE: bool = true;

    fn step(&mut self, dir: Direction, bytes: &[u8], out: &mut Exchanges) -> Result<Step, &'static str> {
        let Some(header) = Header::read(bytes) else { return Ok(Step::Needs(HEADER_LEN)) };
        if !header.is_sound() {
            return Err("malformed_header");
        }
        let end = HEADER_LEN + header.len;
        let Some(body) = bytes.get(HEADER_LEN..end) else { return Ok(Step::Needs(end)) };
        let mut values = Values::default();
        values.push_number(COMMAND, header.command);
        values.push_number(STATUS, header.status);
        let (command, status, session) = match dir {
            Direction::ToServer => (SHOWN_COMMAND, SHOWN_STATUS, SESSION),
            Direction::ToClient => (ANSWERED_COMMAND, ANSWERED_STATUS, ANSWERED_SESSION),
        };
        values.push_number(command, header.command);
        values.push_number(status, header.status);
        values.push_number(session, header.session);
        let whole = body.is_empty() || self::body(header.command, body, &mut values).is_some();
        out.single(dir, values);
        if !whole {
            out.event(dir, "malformed_message");
        }
        Ok(Step::Took(end))
    }
}

fn body(command: u16, body: &[u8], values: &mut Values) -> Option<()> {
    let mut reader = Reader(body);
    match command {
        REGISTER_SESSION => values.push_number(PROTOCOL_VERSION, reader.u16_le()?),
        LIST_SERVICES | LIST_IDENTITY => items(reader, values)?,
        SEND_RR_DATA | SEND_UNIT_DATA => {
            // handle of the interface, timeout
            reader.take(6)?;
            items(reader, values)?;
        }
        _ => {}
    }
    Some(())
}

fn items(mut reader: Reader<'_>, values: &mut Values) -> Option<()> {
    let count = reader.u16_le()?;
    for _ in 0..count {
        let kind = reader.u16_le()?;
        let len = usize::from(reader.u16_le()?);
        let mut inside = Reader(reader.take(len)?);
        match kind {
            item::IDENTITY => identity(inside, values)?,
            item::SERVICES => {
                values.push_number(PROTOCOL_VERSION, inside.u16_le()?);
                values.push_number(CAPABILITIES, inside.u16_le()?);
                let name = inside.take(inside.0.len().min(16))?;
                let end = memchr::memchr(0, name).unwrap_or(name.len());
                values.push(SERVICE_NAME, name.get(..end)?);
            }
            item::CONNECTED => {
                // which of the messages of its connection it is
                inside.u16_le()?;
                cip::read(inside.0, values).then_some(())?;
            }
            item::UNCONNECTED => cip::read(inside.0, values).then_some(())?,
            _ => {}
        }
    }
    Some(())
}

/// Section 2-4.2.3.
fn identity(mut reader: Reader<'_>, values: &mut Values) -> Option<()> {
    values.push_number(PROTOCOL_VERSION, reader.u16_le()?);
    // the address of its socket
    reader.take(16)?;
    values.push_number(VENDOR, reader.u16_le()?);
    values.push_number(DEVICE_TYPE, reader.u16_le()?);
    values.push_number(PRODUCT_CODE, reader.u16_le()?);
    values.push_number(REVISION, reader.u16()?);
    values.push_number(IDENTITY_STATUS, reader.u16_le()?);
    values.push_number(SERIAL, reader.u32_le()?);
    let len = usize::from(reader.u8()?);
    values.push(PRODUCT_NAME, reader.take(len)?);
    values.push_number(STATE, reader.u8()?);
    Some(())
}
