//! Buffers: named bytes that rules look into, and where each protocol has them.

use crate::app::{FrameKind, ProtocolId, Slot};
use crate::decode::Packet;
use crate::types::Direction;

/// A buffer: the index into [`super::Registry::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u16);

impl BufferId {
    /// What a rule looks into before it names a buffer: the payload of the packet or the stream.
    pub const PAYLOAD: BufferId = BufferId(0);
    /// What `base64_decode` made.
    pub const BASE64: BufferId = BufferId(1);
}

/// How a source offers its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One buffer a transaction.
    Bytes,
    /// Any number of them (`nth` counts up to the first `None`); a rule matches within one.
    Multi,
    /// It grows while the message arrives.
    Body,
}

/// One place a protocol has a buffer or number: a row of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The direction whose bytes make it.
    pub dir: Direction,
    /// What the transaction is asked for.
    pub slot: Slot,
    /// It is there once the direction's progress is at least this.
    pub progress: u8,
    /// How it is offered.
    pub kind: Kind,
}

/// Looks at a literal for a buffer; `Err` says why it can never match there.
pub type LiteralCheck = fn(&[u8]) -> Result<(), &'static str>;

/// A buffer as a protocol declares it. Protocols that share a name (`file.data`) share the buffer.
#[derive(Clone, Copy, Debug)]
pub struct BufferSpec {
    /// The sticky keyword.
    pub name: &'static str,
    /// Older names of the same sticky keyword (`file_data`, `tls_sni`).
    pub aliases: &'static [&'static str],
    /// The content modifier of old (`http_uri`), if there is one.
    pub modifier: Option<&'static str>,
    /// One sentence.
    pub help: &'static str,
    /// Where this protocol has it.
    pub places: &'static [Place],
    /// What a literal in it must be like; `Err` says why it can never match.
    pub check: Option<LiteralCheck>,
}

/// A number as a protocol declares it; the keyword takes the usual integer operators.
#[derive(Clone, Copy, Debug)]
pub struct NumberSpec {
    /// The keyword.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
    /// Where this protocol has it.
    pub places: &'static [Place],
    /// Names that stand for numbers (`A` for 1 in `dns.rrtype`).
    pub names: &'static [(&'static str, u64)],
}

/// A place with its protocol.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Whose.
    pub protocol: ProtocolId,
    /// Where.
    pub place: Place,
}

/// Takes a part of a packet; `None` when it has no such part.
pub type PacketBytes = for<'p> fn(&'p Packet<'p>) -> Option<&'p [u8]>;

/// Where a buffer's bytes come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Packet payload or stream.
    Payload,
    /// Made by another option of the same rule.
    Derived,
    /// A part of the packet.
    Packet(PacketBytes),
    /// Frames of that type, each on its own.
    Frame(ProtocolId, FrameKind),
    /// Transactions.
    App(Vec<Source>),
}

/// A buffer as the registry holds it.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Its sticky keyword.
    pub name: &'static str,
    /// Where its bytes come from.
    pub origin: Origin,
    /// What a literal in it must be like.
    pub check: Option<LiteralCheck>,
}

impl Buffer {
    /// Whether some protocol offers it as [`Kind::Multi`].
    pub fn is_multi(&self) -> bool {
        matches!(&self.origin, Origin::App(sources) if sources.iter().any(|s| s.place.kind == Kind::Multi))
    }
}
