//! What a protocol must offer: recognition from bytes, and a parser that turns two byte streams into transactions.

use std::any::Any;
use std::sync::Arc;

use super::frame::Frames;
use super::settings::Settings;
use super::transaction::Transactions;
use crate::types::{Direction, Proto, Timestamp};

/// Which protocol: the index into the registry of protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolId(pub u8);

/// A protocol as the registry lists it.
pub trait Protocol: Sync {
    /// The name of the rule protocol, of `app_proto` and of the event type: lower case, unique.
    fn name(&self) -> &'static str;

    /// Further names that rules may use for it.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The transports that carry it.
    fn transports(&self) -> &'static [Proto];

    /// Looks at the first bytes of one direction (a whole datagram for UDP). `port` is the server's.
    fn probe(&self, transport: Proto, dir: Direction, port: u16, bytes: &[u8]) -> Probe;

    /// Whether the server may speak first; of another protocol that is told as odd.
    fn either_begins(&self) -> bool {
        false
    }

    /// The port that [`Protocol::probe`] trusts more than others. Ports that the configuration names under
    /// `detection-ports.dp` are probed as this one.
    fn usual_port(&self) -> Option<u16> {
        None
    }

    /// The protocol whose rules are about this one too: rules of `http` are about HTTP/2.
    fn family(&self) -> Option<&'static str> {
        None
    }

    /// The event type of its records.
    fn event_type(&self) -> &'static str {
        self.name()
    }

    /// The server speaks first: what it has said is parsed before the client's first words, which may be what the protocol is
    /// recognised by.
    fn server_speaks_first(&self) -> bool {
        false
    }

    /// The end of a side counts once the other side has acknowledged it, as it does for Suricata, and not at once: a talk that
    /// goes back and forth, where nothing hangs on the end.
    fn ends_when_acknowledged(&self) -> bool {
        false
    }

    /// Nothing comes of its parser over that transport but its transactions: no other protocol follows, no flow is announced, no part
    /// of the flow is said to be encrypted or of no interest, and no raw stream is looked at for their sake
    /// ([`super::Transaction::ends_stream_chunk`]). When nobody looks at them, its flows need not be parsed.
    fn stands_alone(&self, transport: Proto) -> bool {
        let _ = transport;
        false
    }

    /// The protocol that may carry it: rules on it look at that one's flows too.
    fn carried_in(&self) -> Option<&'static str> {
        None
    }

    /// What its flows are called from when its parser says so ([`Parsed::carries`]): the name of a protocol without a parser of its own,
    /// whose rules, and those that it may carry ([`Protocol::carried_in`]), look at these transactions then.
    fn may_be_called(&self) -> Option<&'static str> {
        None
    }

    /// The entry under `eve-log.types` that switches its records on.
    fn logger(&self) -> &'static str {
        self.name()
    }

    /// The names of its `app-layer-event`s and anomalies, without the protocol's name in front.
    fn events(&self) -> &'static [&'static str] {
        &[]
    }

    /// Records name its events in capitals, as Suricata does for some protocols.
    fn events_in_capitals(&self) -> bool {
        false
    }

    /// The names of its frames, which `frame:` looks into (see [`super::frame`]).
    fn frames(&self) -> &'static [&'static str] {
        &[]
    }

    /// Steps of its transactions that rules may be looked at (`http1:request_line`): name, direction, and the progress from
    /// which. What every protocol has (`request_started`, `response_complete`, …) need not stand here.
    fn hooks(&self) -> &'static [(&'static str, Direction, u8)] {
        &[]
    }

    /// Reads the settings once and answers with what makes parsers.
    fn factory(&self, settings: &Settings) -> Box<dyn ParserFactory>;
}

/// Makes the parser of one flow.
pub trait ParserFactory: Send + Sync {
    /// A fresh parser for a flow over this transport. Ports are as the client sees them.
    fn parser(&self, transport: Proto, client_port: u16, server_port: u16) -> Box<dyn Parser>;

    /// Whether the settings let the protocol be looked for over that transport (one of [`Protocol::transports`]).
    fn speaks(&self, transport: Proto) -> bool {
        let _ = transport;
        true
    }

    /// How much of each side's stream is put together for this protocol, bytes, 0 without a limit; `None`: as for all.
    fn stream_depth(&self) -> Option<u64> {
        None
    }

    /// The parser of a flow that another one announced, with what was announced of it ([`Expected::context`]). `None`: a
    /// fresh parser serves.
    fn expected(&self, context: &(dyn Any + Send + Sync)) -> Option<Box<dyn Parser>> {
        let _ = context;
        None
    }
}

/// A flow that a parser has read the announcement of: FTP's data, TFTP's answers, SIP's media. It runs between the same two
/// addresses as the announcing flow, whatever address the announcement names: who could name another one could have us take
/// any flow for harmless.
#[derive(Clone)]
pub struct Expected {
    /// The end of the announcing flow that has the port: the receiver of that direction.
    pub listener: Direction,
    /// That port.
    pub port: u16,
    /// Over what.
    pub transport: Proto,
    /// The protocol it will speak.
    pub protocol: &'static str,
    /// What its parser is told: see [`ParserFactory::expected`].
    pub context: Arc<dyn Any + Send + Sync>,
}

/// What a probe says of some first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It is this protocol.
    Yes,
    /// It is this protocol, and the bytes came from the server although the flow thinks that the client sent them.
    Reversed,
    /// It may be: ask again with more bytes.
    More,
    /// It is not.
    No,
}

/// Bytes for a parser.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Who sent them.
    pub dir: Direction,
    /// In order, without gaps since the last call; a whole datagram for UDP. Empty only with `eof`.
    pub bytes: &'a [u8],
    /// Nothing more will come from this side.
    pub eof: bool,
    /// Time of the packet that made them readable.
    pub timestamp: Timestamp,
}

/// What a parser did with its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Bytes taken from the front of the input; the rest is given again. Datagrams are always taken whole.
    pub consumed: usize,
    /// With bytes left over: do not call again before this many are there, counted from `consumed` (0: with any more).
    pub needs: usize,
    /// The flow speaks another protocol from here on.
    pub change: Option<Change>,
    /// Nothing more in this flow is worth parsing: from here on it is encrypted or opaque.
    pub opaque: bool,
    /// With [`Parsed::opaque`]: the configuration lets the rest of the flow go by.
    pub bypass: bool,
    /// What the flow carries has that name, and it is called so from here on; the parser goes on.
    pub carries: Option<&'static str>,
}

impl Parsed {
    /// All of `input` was taken.
    pub fn all(input: &Input<'_>) -> Self {
        Parsed { consumed: input.bytes.len(), ..Parsed::default() }
    }
}

/// A change of protocol in mid-stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To the protocol of that name (h2c).
    To(&'static str),
    /// To whatever the bytes that follow say (CONNECT).
    Probe,
    /// As [`Change::Probe`], and the protocol of that name is what was agreed on (STARTTLS).
    Expect(&'static str),
}

/// The parser cannot go on: the flow's protocol is given up for this direction, and an anomaly is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError(pub &'static str);

/// Two ordered byte streams (or datagrams) in, transactions out.
pub trait Parser: Send {
    /// Takes bytes. Ok is progress.
    fn parse(&mut self, input: Input<'_>) -> Result<Parsed, ParseError>;

    /// Bytes of a stream were lost, those among them that were given and not taken. An error gives the direction up.
    fn gap(&mut self, dir: Direction, len: u64) -> Result<(), ParseError>;

    /// The change of protocol that it asked for is not made.
    fn change_refused(&mut self) {}

    /// The transactions that are alive.
    fn transactions(&self) -> &dyn Transactions;

    /// The same, to remove those that are done and inspected.
    fn transactions_mut(&mut self) -> &mut dyn Transactions;

    /// The flow is over but for its timeout: memory that nothing uses now is given back.
    fn shrink(&mut self) {}

    /// What the parser of the protocol that the flow changes to must know of what was said before.
    fn hand_over(&mut self) -> Option<Box<dyn std::any::Any + Send>> {
        None
    }

    /// Takes what the parser before has handed over.
    fn take_over(&mut self, from: Box<dyn std::any::Any + Send>) {
        let _ = from;
    }

    /// The flow spoke that protocol before.
    fn follows(&mut self, protocol: &'static str) {
        let _ = protocol;
    }

    /// Where it tells of its frames, when its protocol has some (see [`super::frame`]).
    fn frames(&mut self) -> Option<&mut Frames> {
        None
    }

    /// Whether what the flow carries is encrypted from here on: from the next packet on no rule looks into payload or raw streams.
    /// Transactions and frames go on.
    fn is_encrypted(&self) -> bool {
        false
    }

    /// Whether the last call completed something (a message, a step of a handshake) that makes it worth looking into the raw stream
    /// now. That is so anyway when a transaction is done.
    fn flushes(&mut self) -> bool {
        false
    }

    /// Flows that were announced since the last call.
    fn take_expected(&mut self) -> Vec<Expected> {
        Vec::new()
    }

    /// Memory held for this flow, bytes, roughly.
    fn memory(&self) -> usize {
        0
    }
}
