//! One message of any version.

use super::slots;
use crate::protocols::ber::{self, Malformed, OCTETS, OID, Reader, SEQUENCE};
use crate::protocols::values::Values;

/// What an SNMPv1 trap says beside its variables, RFC 1157 section 4.1.6.
#[derive(Debug)]
pub(super) struct Trap {
    pub(super) kind: i64,
    pub(super) enterprise: String,
    pub(super) address: [u8; 4],
}

/// What is kept of one message.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// 1, 2 or 3.
    pub(super) version: u8,
    /// Number of the kind; `None` for what is encrypted.
    pub(super) kind: Option<u8>,
    /// Error status of an answer, not 0.
    pub(super) error: i64,
    pub(super) trap: Option<Trap>,
    /// Of version 3, with a security model that we do not know.
    pub(super) unknown_security: bool,
    pub(super) values: Values,
}

/// The version of what is whole and begins like a message.
pub(super) fn version(bytes: &[u8]) -> Result<u8, Malformed> {
    let mut message = Reader::new(bytes).enter(SEQUENCE)?;
    match message.integer()? {
        0 => Ok(1),
        1 => Ok(2),
        3 => Ok(3),
        _ => Err(Malformed),
    }
}

impl Message {
    /// The message at the front of the bytes; what is behind it does not matter.
    pub(super) fn read(bytes: &[u8]) -> Result<Message, Malformed> {
        let mut reader = Reader::new(bytes).enter(SEQUENCE)?;
        let mut message = Message { version: version(bytes)?, ..Message::default() };
        reader.integer()?;
        if message.version == 3 {
            message.read_v3(&mut reader)?;
        } else {
            let community = reader.expect(OCTETS)?;
            // RFC 1157 has a text here
            std::str::from_utf8(community).map_err(|_| Malformed)?;
            message.values.push(slots::COMMUNITY, community);
            message.read_pdu(&mut reader)?;
        }
        message.values.push_number(slots::VERSION, message.version);
        Ok(message)
    }

    /// RFC 3412 section 6, with the parameters of RFC 3414 section 2.4.
    fn read_v3(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let mut header = reader.enter(SEQUENCE)?;
        header.integer()?;
        header.integer()?;
        let flags = *header.expect(OCTETS)?.first().ok_or(Malformed)?;
        let model = header.integer()?;
        let parameters = reader.expect(OCTETS)?;
        if model == 3 {
            let mut usm = Reader::new(parameters).enter(SEQUENCE)?;
            usm.expect(OCTETS)?;
            usm.integer()?;
            usm.integer()?;
            let user = usm.expect(OCTETS)?;
            std::str::from_utf8(user).map_err(|_| Malformed)?;
            self.values.push(slots::USM, user);
        } else {
            self.unknown_security = true;
        }
        if flags & 2 != 0 {
            reader.expect(OCTETS)?;
            return Ok(());
        }
        let mut scoped = reader.enter(SEQUENCE)?;
        scoped.expect(OCTETS)?;
        scoped.expect(OCTETS)?;
        self.read_pdu(&mut scoped)
    }

    fn read_pdu(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let (tag, inner) = reader.any()?;
        let kind = tag & 0x1f;
        if tag & 0xc0 != 0x80 || kind > 8 {
            return Err(Malformed);
        }
        let mut pdu = Reader::new(inner);
        if kind == 4 {
            let enterprise = identifier(pdu.expect(OID)?);
            let address = pdu.any()?.1.try_into().map_err(|_| Malformed)?;
            let kind = pdu.integer()?;
            pdu.integer()?;
            pdu.any()?;
            self.trap = Some(Trap { kind, enterprise, address });
        } else {
            pdu.integer()?;
            let error = pdu.integer()?;
            pdu.integer()?;
            // GetBulk has its number of non-repeaters there
            self.error = if kind == 5 { 0 } else { error };
        }
        let mut variables = pdu.enter(SEQUENCE)?;
        while !variables.is_empty() {
            let mut variable = variables.enter(SEQUENCE)?;
            self.values.push(slots::VARIABLE, identifier(variable.any()?.1).as_bytes());
            variable.any()?;
        }
        self.kind = Some(kind);
        self.values.push_number(slots::PDU_TYPE, kind);
        Ok(())
    }
}

/// With dots; one that cannot be written so, byte by byte.
fn identifier(bytes: &[u8]) -> String {
    let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    ber::dotted(bytes).unwrap_or_else(hex)
}
