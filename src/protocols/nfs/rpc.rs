//! Headers of RPC (RFC 5531 section 9) and its record marking (section 11).

use crate::app::Probe;
use crate::protocols::reader::Reader;
use crate::types::{Direction, Proto};

/// NFS's program.
pub(super) const PROGRAM: u32 = 100_003;
/// Bytes of a record mark.
pub(super) const MARK_LEN: usize = 4;
/// Bytes of names and lists of a sender, section 8.2.
const OPAQUE_MAX: usize = 400;

/// Who calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    pub(super) flavor: u32,
    pub(super) unix: Option<(Vec<u8>, u32, u32)>,
}

/// A call or a reply, and how many bytes of the message are before what it carries.
#[derive(Debug)]
pub(super) enum Header {
    Call {
        xid: u32,
        program: u32,
        version: u32,
        procedure: u32,
        credentials: Credentials,
    },
    /// Accepted, or denied.
    Reply {
        xid: u32,
        accepted: bool,
        status: u32,
    },
}

/// Text or bytes behind their length, filled up to four.
pub(super) fn opaque<'a>(reader: &mut Reader<'a>, most: usize) -> Option<&'a [u8]> {
    let len = reader.u32()? as usize;
    if len > most {
        return None;
    }
    let bytes = reader.take(len)?;
    reader.take(len.wrapping_neg() & 3)?;
    Some(bytes)
}

/// The header at the front of a message.
pub(super) fn header(reader: &mut Reader<'_>) -> Option<Header> {
    let (xid, kind) = (reader.u32()?, reader.u32()?);
    match kind {
        0 => {
            if reader.u32()? != 2 {
                return None;
            }
            let (program, version, procedure) = (reader.u32()?, reader.u32()?, reader.u32()?);
            let flavor = reader.u32()?;
            let body = opaque(reader, OPAQUE_MAX)?;
            reader.u32()?;
            opaque(reader, OPAQUE_MAX)?;
            let unix = if flavor == 1 { unix(body) } else { None };
            let credentials = Credentials { flavor, unix };
            Some(Header::Call { xid, program, version, procedure, credentials })
        }
        1 => match reader.u32()? {
            0 => {
                reader.u32()?;
                opaque(reader, OPAQUE_MAX)?;
                Some(Header::Reply { xid, accepted: true, status: reader.u32()? })
            }
            1 => Some(Header::Reply { xid, accepted: false, status: 0 }),
            _ => None,
        },
        _ => None,
    }
}

fn unix(body: &[u8]) -> Option<(Vec<u8>, u32, u32)> {
    let mut reader = Reader(body);
    reader.u32()?;
    let machine = opaque(&mut reader, 255)?.to_vec();
    Some((machine, reader.u32()?, reader.u32()?))
}

/// Whether bytes begin with a call of NFS, or a reply.
pub(super) fn probe(transport: Proto, dir: Direction, bytes: &[u8]) -> Probe {
    let mark = if transport == Proto::TCP { MARK_LEN } else { 0 };
    let Some(message) = bytes.get(mark..) else { return Probe::More };
    let word = |at: usize| message.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word));
    let (kind, third, program) = (word(4), word(8), word(12));
    let is = match (kind, third, program) {
        (Some(0), Some(2), Some(program)) => program == PROGRAM,
        (Some(1), Some(0 | 1), Some(_)) => true,
        (Some(0), Some(2) | None, None) | (Some(1), Some(0 | 1) | None, None) | (None, ..)
            if transport == Proto::TCP =>
        {
            return Probe::More;
        }
        _ => false,
    };
    match (is, kind, dir) {
        (false, ..) => Probe::No,
        (true, Some(0), Direction::ToClient) | (true, Some(1), Direction::ToServer) => Probe::Reversed,
        (true, ..) => Probe::Yes,
    }
}
