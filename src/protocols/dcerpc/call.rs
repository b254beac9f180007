//! One call, a bind or another exchange, put together from its fragments; and the interfaces of an association. SMB's pipes
//! carry the same.

use std::fmt;
use std::sync::Arc;

use super::pdu::{self, Context, Header};
use super::slots;
use crate::app::Slot;
use crate::json::JsonWriter;

/// Bytes of one direction of a call that are kept.
pub const STUB_MAX: usize = 1 << 20;

/// Interfaces of an association.
const INTERFACES_MAX: usize = 256;

/// An interface that was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What was asked for.
    pub context: Context,
    /// What the server said: result and reason.
    pub answer: Option<(u16, u16)>,
}

/// [`Interface::packed`]
pub const PACKED_LEN: usize = 20;

impl Interface {
    /// The bytes that [`slots::INTERFACE`] answers with: the UUID, major and minor version, big-endian.
    pub fn packed(&self) -> [u8; PACKED_LEN] {
        let mut packed = [0; PACKED_LEN];
        packed[..16].copy_from_slice(&self.context.uuid);
        packed[16..18].copy_from_slice(&self.context.version.0.to_be_bytes());
        packed[18..].copy_from_slice(&self.context.version.1.to_be_bytes());
        packed
    }
}

/// The interfaces of an association.
#[derive(Clone, Debug, Default)]
pub struct Interfaces(Arc<Vec<Interface>>);

impl Interfaces {
    /// Adds what a bind asks for.
    pub fn add(&mut self, contexts: &[Context]) {
        let room = INTERFACES_MAX.saturating_sub(self.0.len());
        let new = contexts.iter().take(room).map(|context| Interface { context: *context, answer: None });
        Arc::make_mut(&mut self.0).extend(new);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0 = Arc::default();
    }

    /// Takes in the answers to the last `asked` interfaces.
    pub fn answer(&mut self, asked: usize, answers: &[(u16, u16)]) {
        let all = Arc::make_mut(&mut self.0);
        let from = all.len().saturating_sub(asked);
        for (interface, answer) in all[from..].iter_mut().zip(answers) {
            interface.answer = Some(*answer);
        }
    }

    /// All of them.
    pub fn list(&self) -> &[Interface] {
        &self.0
    }
}

/// One exchange.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Its number in the association.
    pub id: u32,
    /// Kind of the request and of the response, once seen.
    pub request: Option<u8>,
    /// See [`Call::request`].
    pub response: Option<u8>,
    /// Which interface a request is for, and which operation.
    pub context: u16,
    /// See [`Call::context`].
    pub opnum: u16,
    /// All fragments of the request, of the response, are there.
    pub done: [bool; 2],
    /// Fragments that had a stub.
    pub fragments: [u16; 2],
    /// What they carried.
    pub stubs: [Vec<u8>; 2],
    /// Bytes beyond [`STUB_MAX`] were left out.
    pub cut: bool,
    /// The last unit of the request, of the response, was little-endian.
    pub little: [bool; 2],
    /// Interfaces of the association when it was asked, or those that a bind asks for.
    pub interfaces: Interfaces,
    /// Those of them that the request is for.
    matching: Vec<[u8; PACKED_LEN]>,
}

impl Call {
    /// Begins one with that request.
    pub fn asked(header: &Header) -> Self {
        Call { id: header.call_id, request: Some(header.kind), ..Call::default() }
    }

    /// Begins one whose request was lost.
    pub fn answered(header: &Header) -> Self {
        Call { id: header.call_id, done: [true, false], ..Call::default() }
    }

    /// A fragment of the request; of its stub not more than `room` bytes are kept.
    pub fn add_request(
        &mut self,
        header: &Header,
        request: &pdu::Request<'_>,
        interfaces: &Interfaces,
        room: usize,
    ) {
        self.context = request.context;
        self.opnum = request.opnum;
        self.little[0] = header.little;
        if self.fragments[0] == 0 {
            self.interfaces = interfaces.clone();
            let taken =
                |i: &&Interface| i.context.id == request.context && i.answer.is_none_or(|(r, _)| r == 0);
            self.matching = interfaces.list().iter().filter(taken).map(Interface::packed).collect();
        }
        self.add(0, request.stub, room);
        self.done[0] |= header.is_last();
    }

    /// A fragment of the response.
    pub fn add_response(&mut self, header: &Header, stub: &[u8], room: usize) {
        self.response = Some(header.kind);
        self.little[1] = header.little;
        self.add(1, stub, room);
        self.done[1] |= header.is_last();
    }

    /// The request of a datagram, whose interface stands in its header.
    pub fn add_datagram(&mut self, side: usize, header: &pdu::DatagramHeader, stub: &[u8], room: usize) {
        self.opnum = header.opnum;
        self.little[side] = header.little;
        if side == 0 && self.matching.is_empty() {
            let context = Context { id: 0, uuid: header.interface, version: header.version };
            self.matching = vec![Interface { context, answer: None }.packed()];
        }
        self.add(side, stub, room);
    }

    fn add(&mut self, side: usize, stub: &[u8], room: usize) {
        if !stub.is_empty() {
            self.fragments[side] = self.fragments[side].saturating_add(1);
        }
        let kept = &mut self.stubs[side];
        let take = STUB_MAX.saturating_sub(kept.len()).min(stub.len()).min(room);
        self.cut |= take < stub.len();
        kept.extend_from_slice(stub.get(..take).unwrap_or_default());
    }

    /// Memory held, bytes.
    pub fn memory(&self) -> usize {
        self.stubs.iter().map(Vec::capacity).sum::<usize>() + self.matching.capacity() * PACKED_LEN
    }

    /// See [`slots`].
    pub fn bytes(&self, slot: Slot, nth: usize) -> Option<&[u8]> {
        match slot {
            slots::STUB_REQUEST if nth == 0 => {
                Some(&self.stubs[0]).filter(|s| !s.is_empty()).map(Vec::as_slice)
            }
            slots::STUB_RESPONSE if nth == 0 => {
                Some(&self.stubs[1]).filter(|s| !s.is_empty()).map(Vec::as_slice)
            }
            slots::INTERFACE if self.request == Some(pdu::REQUEST) => self.matching.get(nth).map(|i| &i[..]),
            _ => None,
        }
    }

    /// See [`slots`].
    pub fn number(&self, slot: Slot, nth: usize) -> Option<u64> {
        match slot {
            slots::OPNUM if nth == 0 && self.request == Some(pdu::REQUEST) => Some(self.opnum.into()),
            slots::FIRST if nth == 0 => Some(u64::from(self.fragments[0] <= 1)),
            _ => None,
        }
    }
}

/// A kind of unit as EVE has it: a word, or the number.
pub struct Kind(pub u8);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match pdu::kind_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A UUID as text.
pub struct Uuid<'a>(pub &'a [u8; 16]);

impl fmt::Display for Uuid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// `interfaces`, each with what `more` adds.
pub fn log_interfaces(
    interfaces: &Interfaces,
    more: impl Fn(&Interface, &mut JsonWriter),
    out: &mut JsonWriter,
) {
    out.open_array("interfaces");
    for interface in interfaces.list() {
        out.open();
        out.plain("uuid", Uuid(&interface.context.uuid));
        let (major, minor) = interface.context.version;
        out.plain("version", format_args!("{major}.{minor}"));
        more(interface, out);
        out.close();
    }
    out.close_array();
}

/// `frag_cnt` and `stub_data_size` of a side, in an object of that name.
pub fn log_stub(call: &Call, side: usize, out: &mut JsonWriter) {
    out.number("frag_cnt", call.fragments[side]);
    out.number("stub_data_size", call.stubs[side].len() as u64);
}
