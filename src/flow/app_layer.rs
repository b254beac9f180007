//! What a flow speaks: recognition of the protocol from the bytes of both directions, and the feeding of its parser.

use crate::app::{
    Change, Input, ParseError, Parser, ParserFactory, Probe, Protocol, ProtocolId, Settings, Transactions,
};
use crate::stream::{Readable, Session};
use crate::types::{Direction, Proto, Timestamp};

/// Bytes of one direction after which an unrecognised flow is given up.
const PROBE_MAX: usize = 4096;

/// Bytes of an unrecognised direction that are kept until the other direction has told what the flow speaks.
const UNKNOWN_MAX: usize = 16 << 10;

/// Times a flow may change its protocol.
const CHANGES_MAX: u8 = 8;

/// The protocols that are switched on, with what makes their parsers.
pub struct Protocols {
    list: Vec<(ProtocolId, &'static dyn Protocol, Box<dyn ParserFactory>)>,
    names: Vec<&'static str>,
    /// Ports that are probed as the usual one of a protocol.
    ports: Vec<NamedPorts>,
}

/// Ranges of ports over one transport.
type NamedPorts = (ProtocolId, Proto, Vec<(u16, u16)>);

impl Protocols {
    /// From the registry's list; `settings` answers `None` for a protocol that is switched off.
    pub fn new(
        all: &[&'static dyn Protocol],
        mut settings: impl FnMut(&'static str) -> Option<Settings>,
    ) -> Self {
        let (mut list, mut ports) = (Vec::new(), Vec::new());
        for (at, protocol) in all.iter().enumerate() {
            if let Some(settings) = settings(protocol.name()) {
                for (transport, key) in
                    [(Proto::TCP, "tcp."), (Proto::UDP, "udp."), (Proto::TCP, ""), (Proto::UDP, "")]
                {
                    let named = settings.ports(&format!("{key}detection-ports.dp"));
                    if !named.is_empty() && protocol.usual_port().is_some() {
                        ports.push((ProtocolId(at as u8), transport, named));
                    }
                }
                list.push((ProtocolId(at as u8), *protocol, protocol.factory(&settings)));
            }
        }
        Protocols { list, names: all.iter().map(|p| p.name()).collect(), ports }
    }

    /// The port that a protocol is probed with.
    fn port(&self, id: ProtocolId, protocol: &dyn Protocol, transport: Proto, port: u16) -> u16 {
        let named = self.ports.iter().any(|(known, over, ranges)| {
            *known == id
                && *over == transport
                && ranges.iter().any(|(low, high)| (*low..=*high).contains(&port))
        });
        protocol.usual_port().filter(|_| named).unwrap_or(port)
    }

    /// The `event_type` of a protocol's records, and the entry under `eve-log.types` that switches them on.
    pub fn event_type(&self, id: ProtocolId) -> (&'static str, &'static str) {
        self.entry(id)
            .map_or(("unknown", "unknown"), |(_, protocol, _)| (protocol.event_type(), protocol.logger()))
    }

    /// The name of a protocol.
    pub fn name(&self, id: ProtocolId) -> &'static str {
        self.names.get(usize::from(id.0)).copied().unwrap_or("unknown")
    }

    fn entry(&self, id: ProtocolId) -> Option<&(ProtocolId, &'static dyn Protocol, Box<dyn ParserFactory>)> {
        self.list.iter().find(|(known, ..)| *known == id)
    }

    /// The protocol of that name, if it is switched on.
    pub fn named(&self, name: &str) -> Option<ProtocolId> {
        self.list.iter().find(|(_, p, _)| p.name() == name).map(|(id, ..)| *id)
    }
}

/// How far recognition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// No bytes yet, or not enough.
    Open,
    /// Known.
    Known(ProtocolId),
    /// Nothing we know.
    Failed,
}

/// Application events that belong to the flow and not to a transaction, as EVE and `app-layer-event` name them.
pub mod layer_events {
    /// The two directions speak different protocols.
    pub const MISMATCH: &str = "applayer_mismatch_protocol_both_directions";
    /// Not what the port promises.
    pub const WRONG_DIRECTION: &str = "applayer_wrong_direction_first_data";
    /// Only one direction was recognised.
    pub const ONE_DIRECTION: &str = "applayer_detect_protocol_only_one_direction";
    /// Recognition was given up.
    pub const SKIPPED: &str = "applayer_proto_detection_skipped";
    /// TLS was promised and did not come.
    pub const NO_TLS: &str = "applayer_no_tls_after_starttls";
    /// A change of protocol was announced and failed.
    pub const CHANGE_FAILED: &str = "applayer_unexpected_protocol";
}

/// What the last step did, for detection and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Bytes were parsed, or the side ended: transactions may have moved.
    pub moved: bool,
    /// The protocol was recognised, or given up, just now.
    pub recognised: bool,
    /// The parser failed just now.
    pub error: Option<ParseError>,
    /// Nothing more is worth inspecting in this flow.
    pub opaque: bool,
    /// Nothing more of it need be looked at at all.
    pub bypass: bool,
    /// The first bytes came from the server: client and server must be swapped.
    pub reversed: bool,
}

/// What one flow speaks.
#[derive(Default)]
pub struct AppLayer {
    protocol: Option<ProtocolId>,
    /// What each direction was recognised as.
    by_side: [Option<ProtocolId>; 2],
    /// Whether that is final, by direction.
    side_done: [bool; 2],
    /// The side that spoke first.
    first: Option<Direction>,
    /// What it spoke before it changed.
    original: Option<ProtocolId>,
    /// What it has agreed to speak from the next byte on.
    next: Option<ProtocolId>,
    parser: Option<Box<dyn Parser>>,
    /// Position in the stream up to which the parser has taken bytes.
    at: [u64; 2],
    /// Do not call the parser before this position is readable.
    wanted: [u64; 2],
    eof: [bool; 2],
    /// Given up, by direction: no protocol, a parser error, or opaque.
    given_up: [bool; 2],
    /// The parser failed in this direction.
    errors: [bool; 2],
    /// That side's bytes are of no protocol we know.
    unknown: [bool; 2],
    failed: bool,
    opaque: bool,
    changes: u8,
    /// Position where probing starts (behind a change of protocol).
    probe_from: [u64; 2],
    events: Vec<(Direction, &'static str)>,
}

impl AppLayer {
    /// The protocol, once known.
    pub fn protocol(&self) -> Option<ProtocolId> {
        self.protocol
    }

    /// Whose transactions [`AppLayer::transactions`] are: behind a change of protocol those of the one before, until the
    /// next is known.
    pub fn parser_protocol(&self) -> Option<ProtocolId> {
        self.parser.as_ref().and(self.protocol.or(self.original))
    }

    /// The protocol recognised from that side.
    pub fn side(&self, dir: Direction) -> Option<ProtocolId> {
        self.by_side[dir.index()]
    }

    /// Whether recognition from that side has an answer, be it that there is none.
    pub fn is_side_decided(&self, dir: Direction) -> bool {
        self.side_done[dir.index()]
    }

    /// What it spoke before it changed.
    pub fn original(&self) -> Option<ProtocolId> {
        self.original
    }

    /// Recognition was given up.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// Recognition has an answer, or that side's was given up.
    pub fn is_decided(&self) -> bool {
        self.protocol.is_some() || self.failed
    }

    /// The rest of the flow cannot be read.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Stream position up to which that side was taken.
    pub fn position(&self, dir: Direction) -> u64 {
        self.at[dir.index()]
    }

    /// Whether bytes of that side are still wanted.
    pub fn wants(&self, dir: Direction) -> bool {
        !self.given_up[dir.index()]
    }

    /// Whether that side's parser failed: nothing more will come of it.
    pub fn gave_up(&self, dir: Direction) -> bool {
        self.errors[dir.index()]
    }

    /// The live transactions, of a flow that has a parser.
    pub fn transactions(&self) -> Option<&dyn Transactions> {
        self.parser.as_deref().map(|parser| parser.transactions())
    }

    /// The same, to remove some.
    pub fn transactions_mut(&mut self) -> Option<&mut dyn Transactions> {
        self.parser.as_deref_mut().map(|parser| parser.transactions_mut())
    }

    /// Events of the flow's application layer since the last call.
    pub fn take_events(&mut self) -> Vec<(Direction, &'static str)> {
        std::mem::take(&mut self.events)
    }

    /// Whether there are such events.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The flow was announced by another: what it speaks is known before its first byte.
    pub fn expect(
        &mut self,
        protocols: &Protocols,
        id: ProtocolId,
        context: &(dyn std::any::Any + Send + Sync),
        ports: (u16, u16),
        transport: Proto,
    ) {
        let Some((_, _, factory)) = protocols.entry(id) else { return };
        self.parser =
            Some(factory.expected(context).unwrap_or_else(|| factory.parser(transport, ports.0, ports.1)));
        self.protocol = Some(id);
        self.by_side = [Some(id); 2];
        self.side_done = [true; 2];
        self.given_up = [false; 2];
        self.unknown = [false; 2];
        self.failed = false;
    }

    /// Flows that the parser has read the announcement of since the last call.
    pub fn take_expected(&mut self) -> Vec<crate::app::Expected> {
        self.parser.as_deref_mut().map(|parser| parser.take_expected()).unwrap_or_default()
    }

    /// Feeds what has become readable of one side of a TCP session.
    pub fn stream(
        &mut self,
        protocols: &Protocols,
        session: &Session,
        dir: Direction,
        ports: (u16, u16),
        timestamp: Timestamp,
    ) -> Advance {
        let mut done = Advance::default();
        let side = dir.index();
        // every turn either consumes bytes, or ends: bounded by the readable bytes
        loop {
            if self.given_up[side] {
                return done;
            }
            if self.protocol.is_none() && !self.probe_stream(protocols, session, dir, ports, &mut done) {
                return done;
            }
            if self.given_up[side] || self.protocol.is_none() {
                return done;
            }
            if !self.side_done[side] {
                self.probe_other_side(protocols, session, dir, ports);
            }
            // the other side may have been waiting for recognition: its caller feeds it
            match session.readable(dir, self.at[side]) {
                Readable::Bytes(bytes) => {
                    let ended = session.is_ended(dir);
                    if self.at[side] + (bytes.len() as u64) < self.wanted[side] && !ended {
                        return done;
                    }
                    let input = Input { dir, bytes, eof: ended, timestamp };
                    let took = self.feed(protocols, input, &mut done);
                    if took == 0 && !ended {
                        return done;
                    }
                    if ended {
                        if took < bytes.len() && took > 0 {
                            continue;
                        }
                        self.end(protocols, dir, timestamp, &mut done);
                        return done;
                    }
                }
                Readable::Gap(len) => {
                    self.at[side] += len;
                    self.wanted[side] = self.at[side];
                    done.moved = true;
                    if let Some(parser) = &mut self.parser
                        && let Err(error) = parser.gap(dir, len)
                    {
                        done.error = Some(error);
                        self.given_up[side] = true;
                        self.errors[side] = true;
                    }
                }
                Readable::Nothing => {
                    if session.is_ended(dir) {
                        self.end(protocols, dir, timestamp, &mut done);
                    }
                    return done;
                }
            }
        }
    }

    /// Feeds one datagram.
    pub fn datagram(
        &mut self,
        protocols: &Protocols,
        transport: Proto,
        dir: Direction,
        ports: (u16, u16),
        bytes: &[u8],
        timestamp: Timestamp,
    ) -> Advance {
        let mut done = Advance::default();
        let mut dir = dir;
        if self.failed || bytes.is_empty() || self.given_up[dir.index()] {
            return done;
        }
        if self.protocol.is_none() {
            let mut found = None;
            for (id, protocol, factory) in &protocols.list {
                if !protocol.transports().contains(&transport) {
                    continue;
                }
                let port = protocols.port(*id, *protocol, transport, ports.1);
                match protocol.probe(transport, dir, port, bytes) {
                    Probe::Yes => found = Some((*id, factory, false)),
                    Probe::Reversed => found = Some((*id, factory, true)),
                    Probe::More | Probe::No => continue,
                }
                break;
            }
            done.recognised = true;
            let Some((id, factory, reversed)) = found else {
                self.failed = true;
                self.given_up = [true; 2];
                self.side_done = [true; 2];
                return done;
            };
            done.reversed = reversed;
            if reversed {
                dir = dir.opposite();
            }
            self.protocol = Some(id);
            self.by_side[dir.index()] = Some(id);
            self.parser = Some(factory.parser(transport, ports.0, ports.1));
        }
        self.by_side[dir.index()] = self.protocol;
        self.side_done[dir.index()] = true;
        let input = Input { dir, bytes, eof: false, timestamp };
        self.feed(protocols, input, &mut done);
        done
    }

    /// Tells the parser that a side has ended.
    fn end(&mut self, protocols: &Protocols, dir: Direction, timestamp: Timestamp, done: &mut Advance) {
        if std::mem::replace(&mut self.eof[dir.index()], true) || self.given_up[dir.index()] {
            return;
        }
        if self.parser.is_some() {
            self.feed(protocols, Input { dir, bytes: &[], eof: true, timestamp }, done);
            done.moved = true;
        }
    }

    /// One call of the parser; returns the bytes taken.
    fn feed(&mut self, protocols: &Protocols, input: Input<'_>, done: &mut Advance) -> usize {
        let side = input.dir.index();
        let Some(parser) = &mut self.parser else { return 0 };
        done.moved = true;
        match parser.parse(input) {
            Ok(parsed) => {
                let took = parsed.consumed.min(input.bytes.len());
                self.at[side] += took as u64;
                let rest = input.bytes.len() - took;
                self.wanted[side] = if rest > 0 || parsed.needs > 0 {
                    self.at[side] + (parsed.needs as u64).max(rest as u64 + 1)
                } else {
                    self.at[side]
                };
                if parsed.opaque {
                    self.opaque = true;
                    self.given_up = [true; 2];
                    done.opaque = true;
                    done.bypass = parsed.bypass;
                }
                if let Some(change) = parsed.change {
                    self.change(protocols, change);
                    done.recognised |= self.protocol.is_some();
                }
                took
            }
            Err(error) => {
                done.error = Some(error);
                self.given_up[side] = true;
                self.errors[side] = true;
                input.bytes.len()
            }
        }
    }

    fn change(&mut self, protocols: &Protocols, change: Change) {
        self.changes += 1;
        if self.changes > CHANGES_MAX {
            self.given_up = [true; 2];
            return;
        }
        self.original = self.protocol.or(self.original);
        self.by_side = [None; 2];
        self.unknown = [false; 2];
        self.side_done = [false; 2];
        self.first = None;
        self.probe_from = self.at;
        self.wanted = self.at;
        match change {
            // what was spoken before keeps its transactions until they are inspected: the parser stays until the next byte
            Change::To(name) => match protocols.named(name) {
                Some(id) => {
                    self.protocol = None;
                    self.next = Some(id);
                }
                None => {
                    self.given_up = [true; 2];
                }
            },
            Change::Probe => self.protocol = None,
        }
    }

    fn become_protocol(&mut self, protocols: &Protocols, id: ProtocolId, ports: (u16, u16)) {
        self.protocol = Some(id);
        if let Some((_, _, factory)) = protocols.entry(id) {
            self.parser = Some(factory.parser(Proto::TCP, ports.0, ports.1));
        }
    }

    /// Probes a stream; true when the parser may be fed.
    fn probe_stream(
        &mut self,
        protocols: &Protocols,
        session: &Session,
        dir: Direction,
        ports: (u16, u16),
        done: &mut Advance,
    ) -> bool {
        let side = dir.index();
        let from = self.at[side];
        if self.unknown[side] && session.known_to(dir).saturating_sub(from) < UNKNOWN_MAX as u64 {
            return false;
        }
        let bytes = match session.readable(dir, from) {
            Readable::Bytes(bytes) => bytes,
            Readable::Gap(len) => {
                self.at[side] += len;
                self.probe_from[side] = self.at[side];
                match session.readable(dir, self.at[side]) {
                    Readable::Bytes(bytes) => bytes,
                    _ => return false,
                }
            }
            Readable::Nothing => return false,
        };
        let first = *self.first.get_or_insert(dir);
        if let Some(next) = self.next.take() {
            done.recognised = true;
            self.become_protocol(protocols, next, ports);
            return true;
        }
        let mut more = false;
        let mut found = None;
        for (id, protocol, _) in &protocols.list {
            if !protocol.transports().contains(&Proto::TCP) {
                continue;
            }
            let port = protocols.port(*id, *protocol, Proto::TCP, ports.1);
            match protocol.probe(Proto::TCP, dir, port, bytes) {
                Probe::Yes => found = Some((*id, false)),
                Probe::Reversed => found = Some((*id, true)),
                Probe::More => {
                    more = true;
                    continue;
                }
                Probe::No => continue,
            }
            break;
        }
        match found {
            Some((id, reversed)) => {
                done.recognised = true;
                done.reversed = reversed && self.at[dir.opposite().index()] == 0;
                self.by_side[side] = Some(id);
                self.side_done[side] = true;
                if first == Direction::ToClient && dir == first && !done.reversed {
                    self.events.push((dir, layer_events::WRONG_DIRECTION));
                }
                if self.side_done[dir.opposite().index()] {
                    // the other side spoke before, and nobody knew its words
                    self.events.push((dir, layer_events::ONE_DIRECTION));
                }
                self.become_protocol(protocols, id, ports);
                // a reversed flow is fed again by its caller once both ends are swapped
                !done.reversed
            }
            None if more && bytes.len() < PROBE_MAX && !session.is_ended(dir) => false,
            None => {
                // this side is nothing we know; the other may still tell, and its bytes are kept for that time
                self.unknown[side] = true;
                self.side_done[side] = true;
                let waits = bytes.len() < UNKNOWN_MAX && !self.unknown[dir.opposite().index()];
                if !waits {
                    self.failed = true;
                    self.given_up = [true; 2];
                    self.side_done = [true; 2];
                }
                done.recognised = self.failed;
                false
            }
        }
    }

    /// The protocol is known from one side: whether the other speaks it too. The parser gets its bytes whatever the answer, and
    /// the answer is given on the first bytes, as they are gone afterwards.
    fn probe_other_side(
        &mut self,
        protocols: &Protocols,
        session: &Session,
        dir: Direction,
        ports: (u16, u16),
    ) {
        let side = dir.index();
        let (Some(known), Readable::Bytes(bytes)) = (self.protocol, session.readable(dir, self.at[side]))
        else {
            return;
        };
        if bytes.is_empty() {
            return;
        }
        self.side_done[side] = true;
        let probe = |entry: &(ProtocolId, &'static dyn Protocol, Box<dyn ParserFactory>)| {
            let (id, protocol, _) = entry;
            protocol.probe(Proto::TCP, dir, protocols.port(*id, *protocol, Proto::TCP, ports.1), bytes)
        };
        let own = protocols.entry(known).map(probe);
        if matches!(own, Some(Probe::Yes | Probe::More)) {
            self.by_side[side] = Some(known);
        } else if let Some((other, ..)) = protocols
            .list
            .iter()
            .find(|entry| entry.1.transports().contains(&Proto::TCP) && probe(entry) == Probe::Yes)
        {
            self.by_side[side] = Some(*other);
            self.events.push((dir, layer_events::MISMATCH));
        } else {
            self.events.push((dir, layer_events::ONE_DIRECTION));
        }
    }

    /// Client and server change places.
    pub fn swap(&mut self) {
        self.by_side.swap(0, 1);
        self.side_done.swap(0, 1);
        self.first = self.first.map(Direction::opposite);
        self.at.swap(0, 1);
        self.wanted.swap(0, 1);
        self.eof.swap(0, 1);
        self.given_up.swap(0, 1);
        self.unknown.swap(0, 1);
        self.errors.swap(0, 1);
        self.probe_from.swap(0, 1);
    }
}
