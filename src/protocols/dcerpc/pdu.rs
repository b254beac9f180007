//! Protocol data units of connection-oriented DCERPC (C706 chapter 12), and of the datagram form.

/// Bytes of the common header.
pub const HEADER_LEN: usize = 16;
/// Bytes of the header of a datagram.
pub const DATAGRAM_HEADER_LEN: usize = 80;

/// Kinds of unit.
pub const REQUEST: u8 = 0;
/// See [`REQUEST`].
pub const RESPONSE: u8 = 2;
/// See [`REQUEST`].
pub const FAULT: u8 = 3;
/// See [`REQUEST`].
pub const BIND: u8 = 11;
/// See [`REQUEST`].
pub const BINDACK: u8 = 12;
/// See [`REQUEST`].
pub const BINDNAK: u8 = 13;
/// See [`REQUEST`].
pub const ALTER_CONTEXT: u8 = 14;
/// See [`REQUEST`].
pub const ALTER_CONTEXT_RESP: u8 = 15;
/// See [`REQUEST`].
pub const AUTH3: u8 = 16;

const FLAG_FIRST: u8 = 0x01;
const FLAG_LAST: u8 = 0x02;

/// Contexts of one bind that are read; the count is one byte.
const CONTEXTS_MAX: usize = 255;

/// EVE's word for a kind of unit.
pub fn kind_name(kind: u8) -> Option<&'static str> {
    const NAMES: &[&str] = &[
        "REQUEST",
        "PING",
        "RESPONSE",
        "FAULT",
        "WORKING",
        "NOCALL",
        "REJECT",
        "ACK",
        "CL_CANCEL",
        "FACK",
        "CANCEL_ACK",
        "BIND",
        "BINDACK",
        "BINDNAK",
        "ALTER_CONTEXT",
        "ALTER_CONTEXT_RESP",
        "AUTH3",
        "SHUTDOWN",
        "CO_CANCEL",
        "ORPHANED",
    ];
    NAMES.get(usize::from(kind)).copied()
}

/// The common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Major and minor version.
    pub version: (u8, u8),
    /// What it is.
    pub kind: u8,
    flags: u8,
    /// Numbers are little-endian.
    pub little: bool,
    /// Bytes of the unit, header included.
    pub length: u16,
    /// Bytes of its authentication value.
    pub auth_length: u16,
    /// Which call it is of.
    pub call_id: u32,
}

impl Header {
    /// Of the first bytes of a unit, whatever they say; `None` when there are too few.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let &[major, minor, kind, flags, order, _, _, _, l0, l1, a0, a1, c0, c1, c2, c3] =
            bytes.first_chunk::<HEADER_LEN>()?;
        let little = order & 0xf0 == 0x10;
        let short = |pair| if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
        let call_id = [c0, c1, c2, c3];
        Some(Header {
            version: (major, minor),
            kind,
            flags,
            little,
            length: short([l0, l1]),
            auth_length: short([a0, a1]),
            call_id: if little { u32::from_le_bytes(call_id) } else { u32::from_be_bytes(call_id) },
        })
    }

    /// The first fragment of its call.
    pub fn is_first(&self) -> bool {
        self.flags & FLAG_FIRST != 0
    }

    /// The last fragment of its call.
    pub fn is_last(&self) -> bool {
        self.flags & FLAG_LAST != 0
    }
}

/// Reads numbers in the byte order of their unit.
struct Reader<'a> {
    rest: &'a [u8],
    little: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let (&pair, rest) = self.rest.split_first_chunk::<2>()?;
        self.rest = rest;
        Some(if self.little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    }

    /// In the order in which it is written down.
    fn uuid(&mut self) -> Option<[u8; 16]> {
        let (&bytes, rest) = self.rest.split_first_chunk::<16>()?;
        self.rest = rest;
        Some(if self.little { in_text_order(bytes) } else { bytes })
    }
}

/// A UUID whose first three fields are little-endian, in the order of its text.
fn in_text_order(mut uuid: [u8; 16]) -> [u8; 16] {
    uuid[..4].reverse();
    uuid[4..6].reverse();
    uuid[6..8].reverse();
    uuid
}

/// One interface that a bind asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// What requests will name it by.
    pub id: u16,
    /// Which interface, in the order of its text.
    pub uuid: [u8; 16],
    /// Major and minor version.
    pub version: (u16, u16),
}

/// The interfaces of a bind or of a change of context; `None` when it is cut.
pub fn contexts(body: &[u8], little: bool) -> Option<Vec<Context>> {
    let mut reader = Reader { rest: body, little };
    reader.take(8)?;
    let &[count, ..] = reader.take(4)? else { return None };
    let mut contexts = Vec::new();
    for _ in 0..usize::from(count).min(CONTEXTS_MAX) {
        let id = reader.u16()?;
        let &[transfers, _] = reader.take(2)? else { return None };
        let uuid = reader.uuid()?;
        let version = (reader.u16()?, reader.u16()?);
        reader.take(usize::from(transfers) * 20)?;
        contexts.push(Context { id, uuid, version });
    }
    Some(contexts)
}

/// Result and reason for each interface of a bind, in its order; `None` when it is cut.
pub fn results(body: &[u8], little: bool) -> Option<Vec<(u16, u16)>> {
    let mut reader = Reader { rest: body, little };
    reader.take(8)?;
    let address = usize::from(reader.u16()?);
    reader.take(address)?;
    // what follows begins at a multiple of four from the start of the unit, which is one of four behind the header
    reader.take((4 - (10 + address) % 4) % 4)?;
    let &[count, ..] = reader.take(4)? else { return None };
    let mut results = Vec::new();
    for _ in 0..usize::from(count).min(CONTEXTS_MAX) {
        results.push((reader.u16()?, reader.u16()?));
        reader.take(20)?;
    }
    Some(results)
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Of which interface.
    pub context: u16,
    /// Which operation.
    pub opnum: u16,
    /// Its arguments, this fragment.
    pub stub: &'a [u8],
}

/// A request behind its header; `None` when it is cut.
pub fn request<'a>(header: &Header, body: &'a [u8]) -> Option<Request<'a>> {
    let mut reader = Reader { rest: body, little: header.little };
    reader.take(4)?;
    let (context, opnum) = (reader.u16()?, reader.u16()?);
    // the object that a request may name stays with its stub, as in the reference engine
    Some(Request { context, opnum, stub: reader.rest })
}

/// The stub of a response behind its header; `None` when it is cut.
pub fn response(body: &[u8]) -> Option<&[u8]> {
    body.get(8..)
}

/// The header of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramHeader {
    /// What it is.
    pub kind: u8,
    /// Numbers are little-endian.
    pub little: bool,
    /// Which conversation.
    pub activity: [u8; 16],
    /// Which interface, in the order of its text.
    pub interface: [u8; 16],
    /// Its major and minor version.
    pub version: (u16, u16),
    /// Which call of the conversation.
    pub sequence: u32,
    /// Which operation.
    pub opnum: u16,
    /// Bytes of this fragment behind the header.
    pub length: u16,
    /// More fragments come.
    pub more: bool,
}

impl DatagramHeader {
    /// Of the first bytes of a datagram; `None` when it is none.
    pub fn read(bytes: &[u8]) -> Option<DatagramHeader> {
        let bytes = bytes.first_chunk::<DATAGRAM_HEADER_LEN>()?;
        let &[version, kind, flags, _, order, ..] = bytes;
        if version != 4 || kind > 10 || order & 0xee != 0 {
            return None;
        }
        let little = order & 0xf0 == 0x10;
        let mut reader = Reader { rest: &bytes[24..], little };
        let interface = reader.uuid()?;
        let activity = reader.uuid()?;
        reader.take(4)?;
        let version = (reader.u16()?, reader.u16()?);
        let sequence = reader.take(4)?.first_chunk::<4>()?;
        let sequence = if little { u32::from_le_bytes(*sequence) } else { u32::from_be_bytes(*sequence) };
        let opnum = reader.u16()?;
        reader.take(4)?;
        let length = reader.u16()?;
        // the version of an interface is one number of 32 bits: major is its low half
        let version = if little { version } else { (version.1, version.0) };
        Some(DatagramHeader {
            kind,
            little,
            activity,
            interface,
            version,
            sequence,
            opnum,
            length,
            more: flags & 0x04 != 0 && flags & 0x02 == 0,
        })
    }
}
