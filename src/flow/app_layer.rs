//! What a flow speaks: recognition of the protocol from the bytes of both directions, and the feeding of its parser.

use crate::app::{
    Change, Frames, Input, ParseError, Parser, ParserFactory, Probe, Protocol, ProtocolId, Settings,
    Transactions,
};
use crate::stream::{Readable, Session};
use crate::types::{Direction, Proto, Timestamp};

/// Bytes of one direction after which an unrecognised flow is given up.
const PROBE_MAX: usize = 4096;

/// Bytes of an unrecognised direction that are kept until the other direction has told what the flow speaks.
const UNKNOWN_MAX: usize = 16 << 10;

/// Packets for which a change of protocol is put off, until transactions of the one before are inspected.
const PUT_OFF_MAX: u8 = 4;

/// Times a flow may change its protocol.
const CHANGES_MAX: u8 = 8;

/// The protocols that are switched on, with what makes their parsers.
pub struct Protocols {
    list: Vec<(ProtocolId, &'static dyn Protocol, Box<dyn ParserFactory>)>,
    names: Vec<&'static str>,
    event_types: Vec<&'static str>,
    /// Ports that are probed as the usual one of a protocol.
    ports: Vec<NamedPorts>,
    /// Protocols that are recognised and not parsed: nobody wants what would come of it.
    idle: Vec<(ProtocolId, Proto)>,
    /// Transports over which the configuration has a protocol not looked for (`tcp.enabled: no`).
    off: Vec<(ProtocolId, Proto)>,
}

/// Ranges of ports over one transport.
type NamedPorts = (ProtocolId, Proto, Vec<(u16, u16)>);

impl Protocols {
    /// From the registry's list; `settings` answers `None` for a protocol that is switched off.
    pub fn new(
        all: &[&'static dyn Protocol],
        mut settings: impl FnMut(&'static str) -> Option<Settings>,
    ) -> Self {
        let (mut list, mut ports, mut off) = (Vec::new(), Vec::new(), Vec::new());
        for (at, protocol) in all.iter().enumerate() {
            if let Some(settings) = settings(protocol.name()) {
                for (transport, key) in [(Proto::TCP, "tcp.enabled"), (Proto::UDP, "udp.enabled")] {
                    if settings.flag(key) == Some(false) {
                        off.push((ProtocolId(at as u8), transport));
                    }
                }
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
        Protocols {
            list,
            names: all.iter().map(|p| p.name()).collect(),
            event_types: all.iter().map(|p| p.event_type()).collect(),
            ports,
            idle: Vec::new(),
            off,
        }
    }

    /// Flows of those protocols are recognised and not parsed, as nobody wants their transactions. One whose parser has more to
    /// say than transactions ([`Protocol::stands_alone`]) is parsed all the same.
    pub fn leave_idle(&mut self, unwanted: impl Fn(ProtocolId, &'static dyn Protocol) -> bool) {
        let transports = [Proto::TCP, Proto::UDP];
        let all = self.list.iter().flat_map(|entry| transports.map(|transport| (entry, transport)));
        let idle = all.filter(|((id, protocol, _), transport)| {
            protocol.stands_alone(*transport) && unwanted(*id, *protocol)
        });
        self.idle = idle.map(|((id, ..), transport)| (*id, transport)).collect();
    }

    /// Whether flows of that protocol are not parsed over that transport.
    pub fn is_idle(&self, id: ProtocolId, transport: Proto) -> bool {
        self.idle.contains(&(id, transport))
    }

    /// The protocols that are looked for over that transport, in their order.
    fn over(
        &self,
        transport: Proto,
    ) -> impl Iterator<Item = &(ProtocolId, &'static dyn Protocol, Box<dyn ParserFactory>)> {
        self.list.iter().filter(move |(id, protocol, factory)| {
            protocol.transports().contains(&transport)
                && factory.speaks(transport)
                && !self.off.contains(&(*id, transport))
        })
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

    /// The name of a protocol.
    pub fn name(&self, id: ProtocolId) -> &'static str {
        self.names.get(usize::from(id.0)).copied().unwrap_or("unknown")
    }

    /// The event type of a protocol's records.
    pub fn event_type(&self, id: ProtocolId) -> &'static str {
        self.event_types.get(usize::from(id.0)).copied().unwrap_or("unknown")
    }

    /// The entry under `eve-log.types` that switches a protocol's records on.
    pub fn logger(&self, id: ProtocolId) -> &'static str {
        self.entry(id).map_or("unknown", |(_, protocol, _)| protocol.logger())
    }

    /// Whether records name its events in capitals.
    pub fn events_in_capitals(&self, id: ProtocolId) -> bool {
        self.entry(id).is_some_and(|(_, protocol, _)| protocol.events_in_capitals())
    }

    /// How much of its streams that protocol wants, if it says so.
    pub fn stream_depth(&self, id: ProtocolId) -> Option<u64> {
        self.entry(id).and_then(|(_, _, factory)| factory.stream_depth())
    }

    /// The names of a protocol's frames.
    pub fn frames(&self, id: ProtocolId) -> &'static [&'static str] {
        self.entry(id).map_or(&[], |(_, protocol, _)| protocol.frames())
    }

    fn entry(&self, id: ProtocolId) -> Option<&(ProtocolId, &'static dyn Protocol, Box<dyn ParserFactory>)> {
        self.list.get(self.list.binary_search_by_key(&id, |(known, ..)| *known).ok()?)
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
    /// The raw stream of this side is worth inspecting now.
    pub flush: bool,
    /// Nothing more of it need be looked at at all.
    pub bypass: bool,
    /// The first bytes came from the server: client and server must be swapped.
    pub reversed: bool,
    /// Recognised, and not fed yet: what the other side said before comes first.
    pub deferred: bool,
    /// Another protocol is agreed on, or was recognised: the transactions so far are over.
    pub changed: bool,
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
    /// What it should speak since then.
    expected: Option<ProtocolId>,
    /// What is carried by what it speaks, when that was told.
    carried: Option<ProtocolId>,
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
    /// What it speaks from the next bytes on, and how often that was put off for transactions that are not inspected yet.
    next: Option<(ProtocolId, u8)>,
    /// Position where probing starts (behind a change of protocol).
    probe_from: [u64; 2],
    events: Vec<(Direction, &'static str)>,
    frames: Frames,
}

impl AppLayer {
    /// Of a flow whose frames some rule may want.
    pub fn watching(frames: Frames) -> Self {
        AppLayer { frames, ..AppLayer::default() }
    }

    /// Frames that are not inspected to their end.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The same, to take note of what was inspected.
    pub fn frames_mut(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The protocol, once known.
    pub fn protocol(&self) -> Option<ProtocolId> {
        self.protocol
    }

    /// The protocol as records name it: what is carried, once that was told (DNS over HTTP/2).
    pub fn shown(&self) -> Option<ProtocolId> {
        self.protocol.and(self.carried).or(self.protocol)
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

    /// What was agreed on, when something else is spoken or nothing yet.
    pub fn expected(&self) -> Option<ProtocolId> {
        self.expected.filter(|expected| self.protocol != Some(*expected))
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

    /// The flow is over but for its timeout: memory that nothing uses now is given back.
    pub fn shrink(&mut self) {
        if let Some(parser) = &mut self.parser {
            parser.shrink();
        }
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

    /// Feeds what has become readable of one side of a TCP session. `acknowledged`: if it has ended, the other side knows.
    pub fn stream(
        &mut self,
        protocols: &Protocols,
        session: &Session,
        dir: Direction,
        ports: (u16, u16),
        timestamp: Timestamp,
        acknowledged: bool,
    ) -> Advance {
        let mut done = Advance::default();
        let side = dir.index();
        // every turn either consumes bytes, or ends: bounded by the readable bytes
        loop {
            if self.given_up[side] {
                return done;
            }
            if self.protocol.is_none() {
                if !self.probe_stream(protocols, session, dir, ports, &mut done) {
                    return done;
                }
                if self.other_side_first(protocols, session, dir) {
                    done.deferred = true;
                    return done;
                }
            }
            if self.given_up[side] || self.protocol.is_none() {
                return done;
            }
            if !self.side_done[side] {
                self.probe_other_side(protocols, session, dir, ports);
            }
            let ended = session.is_ended(dir) && (acknowledged || !self.waits_for_the_end(protocols));
            // the other side may have been waiting for recognition: its caller feeds it
            match session.readable(dir, self.at[side]) {
                Readable::Bytes(bytes) => {
                    let held = bytes.len() as u64;
                    let eof = ended && hole_behind(session, dir, self.at[side] + held).is_none();
                    let mut took = 0;
                    if self.at[side] + held >= self.wanted[side] || eof {
                        let input = Input { dir, bytes, eof, timestamp };
                        took = self.feed(protocols, input, true, &mut done);
                    }
                    if eof {
                        if took < bytes.len() && took > 0 {
                            continue;
                        }
                        self.end(protocols, dir, timestamp, &mut done);
                        return done;
                    }
                    if took == 0 {
                        // what waits for more in front of a hole will not get it: it is lost with the hole
                        match hole_behind(session, dir, self.at[side] + held) {
                            Some(len) => self.lose(dir, held + len, &mut done),
                            None => return done,
                        }
                    }
                }
                Readable::Gap(len) => self.lose(dir, len, &mut done),
                Readable::Nothing => {
                    if ended {
                        self.end(protocols, dir, timestamp, &mut done);
                    }
                    return done;
                }
            }
        }
    }

    /// The parser is told of lost bytes.
    fn lose(&mut self, dir: Direction, len: u64, done: &mut Advance) {
        let side = dir.index();
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

    fn waits_for_the_end(&self, protocols: &Protocols) -> bool {
        let entry = self.protocol.and_then(|id| protocols.entry(id));
        entry.is_some_and(|(_, protocol, _)| protocol.ends_when_acknowledged())
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
        if bytes.is_empty() {
            // nothing to know it by; a datagram behind it may tell
            done.recognised = self.protocol.is_none() && !std::mem::replace(&mut self.failed, true);
            return done;
        }
        if self.given_up[dir.index()] {
            return done;
        }
        if self.protocol.is_none() {
            let mut found = None;
            for (id, protocol, factory) in protocols.over(transport) {
                let port = protocols.port(*id, *protocol, transport, ports.1);
                match protocol.probe(transport, dir, port, bytes) {
                    Probe::Yes => found = Some((*id, factory, false)),
                    Probe::Reversed => found = Some((*id, factory, true)),
                    Probe::More | Probe::No => continue,
                }
                break;
            }
            let Some((id, factory, reversed)) = found else {
                // the other side may still tell
                done.recognised = !std::mem::replace(&mut self.failed, true);
                self.given_up[dir.index()] = true;
                self.side_done[dir.index()] = true;
                return done;
            };
            done.recognised = true;
            self.failed = false;
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
        self.feed(protocols, input, false, &mut done);
        if done.error.is_some() {
            // the next datagram stands for itself
            self.given_up[dir.index()] = false;
            self.errors[dir.index()] = false;
        }
        done
    }

    /// Tells the parser that a side has ended.
    fn end(&mut self, protocols: &Protocols, dir: Direction, timestamp: Timestamp, done: &mut Advance) {
        if std::mem::replace(&mut self.eof[dir.index()], true) || self.given_up[dir.index()] {
            return;
        }
        if self.parser.is_some() {
            self.feed(protocols, Input { dir, bytes: &[], eof: true, timestamp }, true, done);
            done.moved = true;
        }
    }

    /// One call of the parser; returns the bytes taken.
    fn feed(&mut self, protocols: &Protocols, input: Input<'_>, stream: bool, done: &mut Advance) -> usize {
        let side = input.dir.index();
        let transport = if stream { Proto::TCP } else { Proto::UDP };
        if self.protocol.is_some_and(|id| protocols.is_idle(id, transport)) {
            self.at[side] += input.bytes.len() as u64;
            self.wanted[side] = self.at[side];
            return input.bytes.len();
        }
        let Some(parser) = &mut self.parser else { return 0 };
        done.moved = true;
        // the parser reports its frames into those of the flow
        if let (Some(frames), Some(id)) = (parser.frames(), self.protocol) {
            std::mem::swap(frames, &mut self.frames);
            let has_frames =
                protocols.entry(id).is_some_and(|(_, protocol, _)| !protocol.frames().is_empty());
            frames.begin(id, has_frames, input.dir, stream.then_some(self.at[side]));
        }
        let parsed = parser.parse(input);
        if let (Some(frames), Some(_)) = (parser.frames(), self.protocol) {
            std::mem::swap(frames, &mut self.frames);
        }
        match parsed {
            Ok(parsed) => {
                done.flush |= parser.flushes();
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
                if let Some(carried) = parsed.carries.and_then(|name| protocols.named(name)) {
                    self.carried = Some(carried);
                }
                if let Some(change) = parsed.change {
                    done.changed |= self.change(protocols, change);
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

    /// True when the transactions so far are to be worked off before others are made.
    fn change(&mut self, protocols: &Protocols, change: Change) -> bool {
        if self.expected().is_some() {
            // one change was agreed on and not kept to: who asks for another is not believed
            if let Some(parser) = &mut self.parser {
                parser.change_refused();
            }
            return false;
        }
        self.changes += 1;
        if self.changes > CHANGES_MAX {
            self.given_up = [true; 2];
            return false;
        }
        self.original = self.protocol.or(self.original);
        self.by_side = [None; 2];
        self.unknown = [false; 2];
        self.side_done = [false; 2];
        self.first = None;
        self.probe_from = self.at;
        self.wanted = self.at;
        match change {
            Change::To(name) => match protocols.named(name) {
                Some(id) => {
                    // what was spoken before keeps its transactions until they are inspected
                    self.protocol = None;
                    self.next = Some((id, 0));
                }
                None => {
                    self.given_up = [true; 2];
                }
            },
            Change::Probe => {
                self.protocol = None;
                return true;
            }
            Change::Expect(name) => {
                self.protocol = None;
                match protocols.named(name) {
                    Some(id) => self.expected = Some(id),
                    // nobody would understand it
                    None => self.given_up = [true; 2],
                }
                return true;
            }
        }
        false
    }

    /// Whether the other side spoke first, as that side does in this protocol, and was not understood before: a request whose method
    /// nobody knows is read before its answer.
    fn other_side_first(&self, protocols: &Protocols, session: &Session, dir: Direction) -> bool {
        let other = dir.opposite();
        let Some((_, protocol, _)) = self.protocol.and_then(|id| protocols.entry(id)) else { return false };
        (other == Direction::ToClient) == protocol.server_speaks_first()
            && self.first == Some(other)
            && !self.given_up[other.index()]
            && matches!(session.readable(other, self.at[other.index()]), Readable::Bytes(bytes) if !bytes.is_empty())
    }

    fn become_protocol(&mut self, protocols: &Protocols, id: ProtocolId, ports: (u16, u16)) {
        self.protocol = Some(id);
        self.carried = None;
        if let Some((_, _, factory)) = protocols.entry(id) {
            let mut parser = factory.parser(Proto::TCP, ports.0, ports.1);
            if self.next.take().is_some()
                && let Some(before) = self.parser.as_mut().and_then(|before| before.hand_over())
            {
                parser.take_over(before);
            }
            if let Some(original) = self.original {
                parser.follows(protocols.name(original));
            }
            self.parser = Some(parser);
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
            Readable::Nothing => {
                // what was agreed on does not come
                if self.expected.is_some() && session.is_ended(dir) && !self.failed {
                    self.unexpected(dir, None);
                    self.fail();
                    done.recognised = true;
                }
                return false;
            }
        };
        if let Some((id, put_off)) = self.next {
            let pending = self.parser.as_ref().is_some_and(|parser| parser.transactions().count() > 0);
            if pending && put_off < PUT_OFF_MAX && !session.is_ended(dir) {
                self.next = Some((id, put_off + 1));
                return false;
            }
            done.recognised = true;
            done.moved = true;
            self.by_side = [Some(id); 2];
            self.side_done = [true; 2];
            self.become_protocol(protocols, id, ports);
            return true;
        }
        let first = *self.first.get_or_insert(dir);
        let mut more = false;
        let mut found = None;
        for (id, protocol, _) in protocols.over(Proto::TCP) {
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
        if found.is_none() && session.midstream() && self.changes == 0 {
            // who was seen first may be the server: its port tells
            let (turned, waits) = probe_turned(protocols, dir, ports.0, bytes);
            found = turned.map(|id| (id, true));
            more |= waits;
        }
        match found {
            Some((id, reversed)) => {
                done.recognised = true;
                self.unexpected(dir, Some(id));
                done.reversed = reversed && self.at[dir.opposite().index()] == 0;
                self.by_side[side] = Some(id);
                self.side_done[side] = true;
                let odd = !protocols.entry(id).is_some_and(|(_, protocol, _)| protocol.either_begins());
                if odd && first == Direction::ToClient && dir == first && !done.reversed && self.changes == 0
                {
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
            None if more
                && bytes.len() < PROBE_MAX
                && !session.is_ended(dir)
                && hole_behind(session, dir, self.at[side] + bytes.len() as u64).is_none() =>
            {
                false
            }
            None => {
                // this side is nothing we know; the other may still tell, and its bytes are kept for that time
                self.unknown[side] = true;
                self.side_done[side] = true;
                let waits = bytes.len() < UNKNOWN_MAX && !self.unknown[dir.opposite().index()];
                if !waits {
                    self.unexpected(dir, None);
                    self.fail();
                }
                done.recognised = self.failed;
                false
            }
        }
    }

    fn fail(&mut self) {
        self.failed = true;
        self.given_up = [true; 2];
        self.side_done = [true; 2];
    }

    /// Tells when something else was agreed on than what is spoken.
    fn unexpected(&mut self, dir: Direction, found: Option<ProtocolId>) {
        if self.expected.is_some_and(|expected| found != Some(expected)) {
            self.events.push((dir, layer_events::CHANGE_FAILED));
            self.events.push((dir, layer_events::NO_TLS));
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
        } else if let Some((other, ..)) = protocols.over(Proto::TCP).find(|entry| probe(entry) == Probe::Yes)
        {
            self.by_side[side] = Some(*other);
            self.events.push((dir, layer_events::MISMATCH));
        } else {
            self.events.push((dir, layer_events::ONE_DIRECTION));
        }
    }

    /// Whether what it carries is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.parser.as_ref().is_some_and(|parser| parser.is_encrypted())
    }

    /// Client and server change places.
    pub fn swap(&mut self) {
        self.by_side.swap(0, 1);
        self.frames.swap();
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

/// How many bytes were lost at that position, behind which others came.
fn hole_behind(session: &Session, dir: Direction, at: u64) -> Option<u64> {
    match session.readable(dir, at) {
        Readable::Gap(len) => Some(len),
        Readable::Bytes(_) | Readable::Nothing => None,
    }
}

/// What bytes are when they come from the other end, whose port is the usual one of a protocol; and whether more of them may tell.
fn probe_turned(
    protocols: &Protocols,
    dir: Direction,
    port: u16,
    bytes: &[u8],
) -> (Option<ProtocolId>, bool) {
    let mut more = false;
    for (id, protocol, _) in protocols.over(Proto::TCP) {
        let port = protocols.port(*id, *protocol, Proto::TCP, port);
        if protocol.usual_port() != Some(port) {
            continue;
        }
        match protocol.probe(Proto::TCP, dir.opposite(), port, bytes) {
            Probe::Yes => return (Some(*id), false),
            Probe::More => more = true,
            Probe::Reversed | Probe::No => {}
        }
    }
    (None, more)
}
