//! Packet headers: RFC 9000 section 17.2, RFC 9369 section 3.2, and the public header of Google's QUIC.

use super::version::Version;

/// Lengths inside contradict each other, or bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Reads from the front of some bytes.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Broken)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        let (first, rest) = self.0.split_first().ok_or(Broken)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Broken> {
        self.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| Broken)
    }

    /// Bytes behind a length of one byte.
    fn short(&mut self) -> Result<&'a [u8], Broken> {
        let len = self.byte()?;
        self.take(len.into())
    }

    /// RFC 9000 section 16.
    pub(super) fn varint(&mut self) -> Result<u64, Broken> {
        let first = self.byte()?;
        let more = self.take((1 << (first >> 6)) - 1)?;
        Ok(more.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A length in this form.
    pub(super) fn length(&mut self) -> Result<usize, Broken> {
        usize::try_from(self.varint()?).map_err(|_| Broken)
    }
}

/// What a packet with a long header is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
    /// Version negotiation.
    Negotiation,
    /// One of Google's QUIC, in the clear behind its number.
    Google,
}

/// A packet with a long header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long<'a> {
    pub(super) version: Version,
    pub(super) kind: Kind,
    pub(super) destination: &'a [u8],
    pub(super) source: &'a [u8],
    /// The packet, as far as its length says.
    pub(super) packet: &'a [u8],
    /// Where in it the packet number begins.
    pub(super) number_at: usize,
}

/// Whether that byte begins a long header.
pub(super) fn is_long(first: u8) -> bool {
    first & 0x80 != 0
}

impl<'a> Long<'a> {
    /// Off the front of a datagram.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Broken> {
        let mut cursor = Cursor(bytes);
        let first = cursor.byte()?;
        let version = Version(cursor.u32()?);
        if version.has_no_long_header() {
            return Err(Broken);
        }
        let (destination, source) = if version.has_nibbles() {
            let lengths = cursor.byte()?;
            let len = |nibble: u8| if nibble == 0 { 0 } else { usize::from(nibble) + 3 };
            (cursor.take(len(lengths >> 4))?, cursor.take(len(lengths & 15))?)
        } else {
            (cursor.short()?, cursor.short()?)
        };
        let kind = if version == Version::NEGOTIATION {
            Kind::Negotiation
        } else if version.has_nibbles() {
            Kind::Google
        } else {
            match (first >> 4 & 3, version.is_v2()) {
                (0, false) | (1, true) => Kind::Initial,
                (1, false) | (2, true) => Kind::ZeroRtt,
                (2, false) | (3, true) => Kind::Handshake,
                _ => Kind::Retry,
            }
        };
        let framed = match kind {
            Kind::Initial => {
                let token = cursor.length()?;
                cursor.take(token)?;
                true
            }
            Kind::ZeroRtt | Kind::Handshake => true,
            Kind::Retry | Kind::Negotiation | Kind::Google => false,
        };
        let length = if framed { cursor.length()? } else { cursor.0.len() };
        let number_at = bytes.len() - cursor.0.len();
        cursor.take(length)?;
        let packet = bytes.get(..number_at + length).ok_or(Broken)?;
        Ok(Long { version, kind, destination, source, packet, number_at })
    }

    /// What is behind the header.
    pub(super) fn body(&self) -> &'a [u8] {
        self.packet.get(self.number_at..).unwrap_or_default()
    }
}

/// A packet with the public header of Google's QUIC that names its version; others are opaque.
#[derive(Clone, Copy, Debug)]
pub(super) struct Public<'a> {
    pub(super) version: Version,
    /// How long its number is, bytes.
    pub(super) number_len: usize,
    /// Behind the number.
    pub(super) body: &'a [u8],
}

impl<'a> Public<'a> {
    /// `Ok(None)` for a short header that names no version.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Option<Self>, Broken> {
        let mut cursor = Cursor(bytes);
        let flags = cursor.byte()?;
        if flags & 0xc1 != 1 {
            return Ok(None);
        }
        cursor.take(usize::from(flags & 8))?;
        let version = Version(cursor.u32()?);
        let number_len = [1, 2, 4, 6][usize::from(flags >> 4 & 3)];
        cursor.take(number_len)?;
        Ok(Some(Public { version, number_len, body: cursor.0 }))
    }
}

/// Whether the header of a datagram's first packet can be read.
pub(super) fn is_readable(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(&first) if is_long(first) => Long::read(bytes).is_ok(),
        Some(_) => Public::read(bytes).is_ok(),
        None => false,
    }
}
