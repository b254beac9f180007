//! A rule as it is evaluated, and the words its parts are made of.

use std::fmt;
use std::sync::Arc;

use super::buffer::BufferId;
use super::inspect::ops::{Op, Transform};
use crate::app::file::Digests;
use crate::app::{File, ProtocolId, Transaction};
use crate::decode::Packet;
use crate::flow::{Flow, Vars};
use crate::rules::{Action, AddressSet, PortSet, Scope};
use crate::types::{Direction, Endpoint, Proto, Timestamp};

/// What a rule is about: the word after its action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleProtocol {
    /// `pkthdr`: any packet, decoded or not.
    Any,
    /// `ip`, `ipv4`, `ipv6`.
    Ip(Option<u8>),
    /// `tcp`: packets and the stream.
    Tcp,
    /// `tcp-pkt`: packets only.
    TcpPacket,
    /// `tcp-stream`: the stream only.
    TcpStream,
    /// `udp`
    Udp,
    /// `icmp`, `icmpv4`, `icmpv6`.
    Icmp(Option<u8>),
    /// `sctp`
    Sctp,
    /// Another IP protocol by number or name.
    Other(Proto),
    /// An application protocol.
    App(ProtocolId),
    /// Either of two that carry the same messages (`http`: HTTP/1 and HTTP/2).
    Either(ProtocolId, ProtocolId),
}

impl RuleProtocol {
    /// Whether it is about that application protocol and no transport.
    pub fn is_app(self, id: ProtocolId) -> bool {
        match self {
            RuleProtocol::App(of) => of == id,
            RuleProtocol::Either(one, other) => one == id || other == id,
            _ => false,
        }
    }
}

/// Addresses, ports and direction of a rule's head.
#[derive(Clone, Debug)]
pub struct Header {
    /// Left addresses.
    pub source: Arc<AddressSet>,
    /// Left ports.
    pub source_ports: Arc<PortSet>,
    /// Right addresses.
    pub destination: Arc<AddressSet>,
    /// Right ports.
    pub destination_ports: Arc<PortSet>,
    /// `<>`
    pub both_ways: bool,
}

/// What `flow:` asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTest {
    /// `to_server`, `from_client` / `to_client`, `from_server`.
    pub dir: Option<Direction>,
    /// `established` / `not_established`.
    pub established: Option<bool>,
    /// `stateless`
    pub stateless: bool,
    /// `only_stream`
    pub only_stream: bool,
    /// `no_stream`
    pub no_stream: bool,
    /// `only_frag` / `no_frag`.
    pub fragments: Option<bool>,
}

/// What a test of a packet may see.
pub struct PacketView<'a> {
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// Its flow.
    pub flow: Option<&'a Flow>,
    /// Its direction in the flow.
    pub dir: Direction,
    /// Stream events that this packet raised.
    pub stream_events: crate::stream::StreamEvents,
    /// Application events that are the flow's, not a transaction's (`applayer_…`).
    pub layer_events: &'a [&'static str],
    /// Whether this is the first packet of its direction in the flow, or there is no flow.
    pub first: bool,
}

/// A test of the packet or its flow.
pub trait PacketTest: Send + Sync + fmt::Debug {
    /// Whether it holds.
    fn test(&self, view: &PacketView<'_>) -> bool;

    /// Whether it needs the packet itself, so that the rule is not about the stream.
    fn needs_packet(&self) -> bool {
        true
    }

    /// Whether it holds only for packets whose decoding or stream handling raised events, or that have no flow.
    fn is_event(&self) -> bool {
        false
    }

    /// Whether it asks nothing but addresses and the IP protocol (the rule stays one on addresses alone).
    fn is_address(&self) -> bool {
        false
    }

    /// Whether it asks only which application protocol the flow speaks.
    fn is_detection(&self) -> bool {
        false
    }

    /// It holds only for payloads of at least and at most so many bytes.
    fn lengths(&self) -> (u64, u64) {
        (0, u64::MAX)
    }

    /// The one IP protocol with which it can hold, if there is one.
    fn ip_protocol(&self) -> Option<Proto> {
        None
    }

    /// The greatest length of the payload with which it holds, and how it is written; `None` where it sets none.
    fn length_max(&self) -> Option<(u64, u64)> {
        None
    }
}

/// A test of a transaction.
pub trait TxTest: Send + Sync + fmt::Debug {
    /// Whether it holds.
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool;

    /// The same for a test that must know more than the transaction; the default is [`TxTest::test`].
    fn test_beside(&self, tx: &dyn Transaction, dir: Direction, beside: Beside) -> bool {
        let _ = beside;
        self.test(tx, dir)
    }

    /// The progress of `dir` from which its answer is final; before it a `false` may become `true`.
    fn progress(&self, protocol: ProtocolId, dir: Direction) -> Option<u8>;
}

/// What a [`TxTest`] may know beside the transaction.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// The client of the flow.
    pub client: Endpoint,
    /// The packet's time.
    pub now: Timestamp,
}

/// A test of a file that a transaction carries. All tests of a rule must hold for one and the same file.
pub trait FileTest: Send + Sync + fmt::Debug {
    /// Whether it holds by now; a file that is still open may be asked about again.
    fn test(&self, file: &File) -> bool;

    /// What must be known of files for it.
    fn wants(&self) -> Digests {
        Digests::default()
    }
}

/// `filestore`: which files are stored when the rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStore {
    /// Going that way; `None`: both.
    pub dir: Option<FileDirection>,
    /// How many.
    pub scope: FileScope,
}

/// The directions of [`FileStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileDirection {
    /// As the match.
    Matched,
    /// That one.
    Is(Direction),
}

/// The scopes of [`FileStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileScope {
    /// The file that matched.
    File,
    /// All of the transaction.
    Transaction,
    /// All of the flow from now on.
    Flow,
}

/// A test of what the flow remembers (flowbits, flowint), made when all else matched.
pub trait VarTest: Send + Sync + fmt::Debug {
    /// Whether it holds.
    fn test(&self, vars: &Vars) -> bool;
}

/// What a match changes in what the flow remembers.
pub trait VarAction: Send + Sync + fmt::Debug {
    /// Does it.
    fn act(&self, vars: &mut Vars);
}

/// Who a host-scoped option is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// `by_src`, `ip_src`, `src`
    Source,
    /// `by_dst`, `ip_dst`, `dst`
    Destination,
    /// `by_both`, `ip_pair`
    Both,
    /// `by_rule`
    Rule,
    /// `by_flow`
    Flow,
    /// `tx`: the transaction.
    Tx,
}

/// `xbits` and `hostbits`: bits that hosts carry from flow to flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostBit {
    /// Which bit; names are shared by all rules.
    pub bit: u32,
    /// What is done or asked.
    pub op: BitOp,
    /// Whose.
    pub track: Track,
    /// Seconds until it is forgotten; 0 = never by time.
    pub expire: u32,
}

/// What is done with a bit or asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOp {
    /// Sets it.
    Set,
    /// Clears it.
    Unset,
    /// Flips it.
    Toggle,
    /// It must be set.
    IsSet,
    /// It must not be set.
    IsNotSet,
}

/// `threshold` and `detection_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// What it does.
    pub kind: ThresholdKind,
    /// Counted by.
    pub track: Track,
    /// How many.
    pub count: u32,
    /// Seconds; 0 with [`ThresholdKind::Backoff`], which knows no time.
    pub seconds: u32,
    /// [`ThresholdKind::Backoff`]: what `count` is multiplied with after each alert; 0 otherwise.
    pub multiplier: u32,
    /// Matches count only if this port was not seen among those of the same time: scans are many ports, not many packets.
    pub unique: Option<PortOf>,
}

/// `unique_on`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortOf {
    /// `src_port`
    Source,
    /// `dst_port`
    Destination,
}

/// The types of [`Threshold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdKind {
    /// At most `count` alerts in `seconds`.
    Limit,
    /// Every `count`th match within `seconds`.
    Threshold,
    /// Once, at the `count`th match within `seconds`.
    Both,
    /// All after the first `count` within `seconds`.
    DetectionFilter,
    /// The `count`th match, then that times the multiplier, and so on.
    Backoff,
}

/// `tag`: log packets that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The session, or packets of a host.
    pub host: Option<Direction>,
    /// How many.
    pub count: u32,
    /// Of what.
    pub metric: TagMetric,
}

/// What [`Tag::count`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagMetric {
    /// Packets.
    Packets,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// `target`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `src_ip`
    Source,
    /// `dest_ip`
    Destination,
}

/// Pairs of texts, all of them in one piece of memory: the rules of a host have a quarter of a million.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Box<str>);

impl Pairs {
    /// Adds some at the end. A text of a rule has no line break; in one that had there would be a blank for it.
    pub fn extend<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut all = String::from(std::mem::take(&mut self.0));
        for text in pairs.into_iter().flat_map(|(one, other)| [one, other]) {
            all.extend(text.chars().map(|c| if c == '\n' { ' ' } else { c }));
            all.push('\n');
        }
        self.0 = all.into_boxed_str();
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut texts = self.0.split_terminator('\n');
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }
}

/// What an alert says of its rule.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Generator, 1 unless said.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// `msg`
    pub msg: Box<str>,
    /// Short name of the class.
    pub class: Arc<str>,
    /// Description of the class (EVE's `category`).
    pub category: Arc<str>,
    /// 1 (worst) to 255.
    pub priority: u8,
    /// `metadata` pairs, in order.
    pub metadata: Pairs,
    /// `reference` pairs: system and id.
    pub references: Pairs,
    /// `target`
    pub target: Option<Target>,
    /// The rule as written, where records have it.
    pub text: Option<Box<str>>,
}

/// What a rule asks of one buffer.
#[derive(Debug)]
pub struct Part {
    /// Which.
    pub buffer: BufferId,
    /// What is done to its bytes first.
    pub transforms: Vec<Arc<dyn Transform>>,
    /// What is asked, in order.
    pub ops: Vec<Op>,
    /// `absent`: the buffer must not be there; with `or_else` the operations serve when it is.
    pub absent: Option<Absent>,
}

/// The `absent` keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It must not be there.
    Only,
    /// It must not be there, or what follows must hold.
    OrElse,
}

/// A compiled rule.
#[derive(Debug)]
pub struct Rule {
    /// What it says of itself.
    pub meta: Meta,
    /// What it does.
    pub action: Action,
    /// Whether it acts on the packet or the flow, where the rule says so.
    pub scope: Option<Scope>,
    /// What it is about.
    pub protocol: RuleProtocol,
    /// Another application protocol that may carry that one: the rule is about its flows too.
    pub carrier: Option<ProtocolId>,
    /// Its head.
    pub header: Header,
    /// `flow`
    pub flow: Option<FlowTest>,
    /// The payload it asks for is the packet's, never the stream's (`dsize`, `flow:no_stream`).
    pub packet_payload: bool,
    /// Tests of the packet or its flow, cheapest first.
    pub packet_tests: Vec<Box<dyn PacketTest>>,
    /// Tests of the transaction.
    pub tx_tests: Vec<Box<dyn TxTest>>,
    /// Tests of a file; with them is a [`TxTest`] that there is one.
    pub file_tests: Vec<Box<dyn FileTest>>,
    /// `filestore`
    pub file_store: Option<FileStore>,
    /// What it asks of buffers.
    pub parts: Vec<Part>,
    /// What it asks of the flow's memory.
    pub var_tests: Vec<Box<dyn VarTest>>,
    /// What it asks of hosts' bits.
    pub host_tests: Vec<HostBit>,
    /// What a match changes in the flow's memory.
    pub var_actions: Vec<Box<dyn VarAction>>,
    /// What a match changes in hosts' bits.
    pub host_actions: Vec<HostBit>,
    /// `threshold`, `detection_filter`
    pub threshold: Option<Threshold>,
    /// `tag`
    pub tags: Vec<Tag>,
    /// `alert`: a rule that lets pass tells of it.
    pub alert: bool,
    /// `noalert`, `flowbits:noalert`
    pub noalert: bool,
    /// `bypass`
    pub bypass: bool,
    /// `config:logging disable`: the transaction makes no record.
    pub unlogged: bool,
    /// `dataset:set`, `dataset:unset`: looking into its buffers changes a set, so all else is asked first.
    pub changes_sets: bool,
    /// `prefilter`: a rule without a literal that asks to be tested early.
    pub prefilter: bool,
    /// How many variables it has.
    pub vars: u8,
    /// Where its text began when it was compiled; a set that takes it over may have it on another line.
    pub line: u32,
    /// A number of the text that alone has made it ([`super::Compiler::took_over`]); `None` when more has.
    pub text: Option<u64>,
}

impl Rule {
    /// Whether it asks for application protocols, and that is one of them.
    pub fn speaks(&self, id: ProtocolId) -> bool {
        let asks = matches!(self.protocol, RuleProtocol::App(_) | RuleProtocol::Either(..));
        asks && (self.protocol.is_app(id) || self.carrier == Some(id))
    }
}
