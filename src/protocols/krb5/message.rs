//! One message of the two services, or an error of theirs (RFC 4120 section 5).

use super::slots;
use crate::app::Probe;
use crate::protocols::ber::{self, Malformed, Reader, SEQUENCE};
use crate::protocols::values::Values;

/// Kinds of messages, RFC 4120 section 7.5.7; the tags of applications too.
pub(super) const AS_REQ: u8 = 10;
pub(super) const AS_REP: u8 = 11;
pub(super) const TGS_REQ: u8 = 12;
pub(super) const TGS_REP: u8 = 13;
pub(super) const ERROR: u8 = 30;

/// Types of encryption, IANA "Kerberos Encryption Type Numbers".
pub(super) const ENCRYPTION: &[(i64, &str)] = &[
    (1, "des-cbc-crc"),
    (2, "des-cbc-md4"),
    (3, "des-cbc-md5"),
    (5, "des3-cbc-md5"),
    (7, "des3-cbc-sha1"),
    (16, "des3-cbc-sha1-kd"),
    (17, "aes128-cts-hmac-sha1-96"),
    (18, "aes256-cts-hmac-sha1-96"),
    (19, "aes128-cts-hmac-sha256-128"),
    (20, "aes256-cts-hmac-sha384-192"),
    (23, "rc4-hmac"),
    (24, "rc4-hmac-exp"),
    (25, "camellia128-cts-cmac"),
    (26, "camellia256-cts-cmac"),
];

/// Encryption that is broken: all of DES and RC4 (RFC 6649, RFC 8429).
pub(super) fn is_weak(kind: i64) -> bool {
    !matches!(kind, 17..=20 | 25 | 26)
}

/// What is kept of one message.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) kind: u8,
    /// Realm of the client.
    pub(super) realm: Option<Vec<u8>>,
    /// Type of encryption of the answer, and of the ticket in it.
    pub(super) encryption: Option<i64>,
    pub(super) ticket: Option<i64>,
    pub(super) error: Option<i64>,
    pub(super) values: Values,
}

/// The tag of a member of a sequence.
const fn member(number: u8) -> u8 {
    0xa0 | number
}

/// Whether a message of that length begins so.
pub(super) fn probe(bytes: &[u8], len: usize) -> Probe {
    let Some((tag, rest)) = bytes.split_first() else { return Probe::More };
    if !matches!(tag.checked_sub(0x60), Some(AS_REQ | AS_REP | TGS_REQ | TGS_REP | ERROR)) {
        return Probe::No;
    }
    if rest.len() < 5 && rest.len() + 1 < len {
        return Probe::More;
    }
    match ber::length(rest) {
        // the message is all there is
        Some((inner, head)) if 1 + head + inner == len => match rest.get(head) {
            Some(&SEQUENCE) => Probe::Yes,
            None if rest.len() + 1 < len => Probe::More,
            _ => Probe::No,
        },
        _ => Probe::No,
    }
}

impl Message {
    /// The message at the front of the bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Message, Malformed> {
        let (tag, inner) = Reader::new(bytes).any()?;
        let mut message = Message { kind: tag & 0x1f, ..Message::default() };
        if tag & 0xc0 != 0x40 {
            return Err(Malformed);
        }
        let mut body = Reader::new(inner).enter(SEQUENCE)?;
        match message.kind {
            AS_REQ | TGS_REQ => message.request(&mut body)?,
            AS_REP | TGS_REP => message.reply(&mut body)?,
            ERROR => message.failure(&mut body)?,
            _ => return Err(Malformed),
        }
        message.values.push_number(slots::MSG_TYPE, message.kind);
        Ok(message)
    }

    /// Version and kind of message, as members of these numbers.
    fn head(&self, body: &mut Reader<'_>, first: u8) -> Result<(), Malformed> {
        let version = body.enter(member(first))?.integer()?;
        let kind = body.enter(member(first + 1))?.integer()?;
        if version == 5 && kind == i64::from(self.kind) { Ok(()) } else { Err(Malformed) }
    }

    /// KDC-REQ
    fn request(&mut self, body: &mut Reader<'_>) -> Result<(), Malformed> {
        self.head(body, 1)?;
        body.optional(member(3))?;
        let mut asked = body.enter(member(4))?.enter(SEQUENCE)?;
        asked.expect(member(0))?;
        if let Some(name) = asked.optional(member(1))? {
            self.name(slots::CNAME, name)?;
        }
        self.realm = Some(text(asked.expect(member(2))?)?.to_vec());
        if let Some(name) = asked.optional(member(3))? {
            self.name(slots::SNAME, name)?;
        }
        Ok(())
    }

    /// KDC-REP
    fn reply(&mut self, body: &mut Reader<'_>) -> Result<(), Malformed> {
        self.head(body, 0)?;
        body.optional(member(2))?;
        self.realm = Some(text(body.expect(member(3))?)?.to_vec());
        self.name(slots::CNAME, body.expect(member(4))?)?;
        let (_, ticket) = body.enter(member(5))?.any()?;
        let mut ticket = Reader::new(ticket).enter(SEQUENCE)?;
        ticket.expect(member(0))?;
        ticket.expect(member(1))?;
        self.name(slots::SNAME, ticket.expect(member(2))?)?;
        let kind = encrypted(ticket.expect(member(3))?)?;
        self.ticket = Some(kind);
        self.values.push_number(slots::TICKET_ENCRYPTION, kind.cast_unsigned());
        self.encryption = Some(encrypted(body.expect(member(6))?)?);
        Ok(())
    }

    /// KRB-ERROR
    fn failure(&mut self, body: &mut Reader<'_>) -> Result<(), Malformed> {
        self.head(body, 0)?;
        body.optional(member(2))?;
        body.optional(member(3))?;
        body.expect(member(4))?;
        body.expect(member(5))?;
        let code = body.enter(member(6))?.integer()?;
        self.error = Some(code);
        if let Ok(code) = u64::try_from(code) {
            self.values.push_number(slots::ERR_CODE, code);
        }
        self.realm = body.optional(member(7))?.map(text).transpose()?.map(<[u8]>::to_vec);
        if let Some(name) = body.optional(member(8))? {
            self.name(slots::CNAME, name)?;
        }
        body.expect(member(9))?;
        self.name(slots::SNAME, body.expect(member(10))?)
    }

    /// PrincipalName
    fn name(&mut self, slot: crate::app::Slot, bytes: &[u8]) -> Result<(), Malformed> {
        let mut name = Reader::new(bytes).enter(SEQUENCE)?;
        name.expect(member(0))?;
        let mut parts = name.enter(member(1))?.enter(SEQUENCE)?;
        while !parts.is_empty() {
            self.values.push(slot, parts.any()?.1);
        }
        Ok(())
    }

    /// Memory held beside itself, bytes.
    pub(super) fn memory(&self) -> usize {
        self.values.memory() + self.realm.as_ref().map_or(0, Vec::len)
    }
}

/// The one text that is in a member.
fn text(bytes: &[u8]) -> Result<&[u8], Malformed> {
    Reader::new(bytes).any().map(|(_, text)| text)
}

/// The type in an EncryptedData.
fn encrypted(bytes: &[u8]) -> Result<i64, Malformed> {
    Reader::new(bytes).enter(SEQUENCE)?.enter(member(0))?.integer()
}
