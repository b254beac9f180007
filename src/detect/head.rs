//! The head of a rule as a few bits: protocol, direction and state, held against what is known of a packet.
//!
//! What a packet is, is found out once ([`Facts`]); a rule asks for bits of it ([`Head`]), so that most rules are told from
//! one word, without looking at the rule itself. Ports come next, addresses last.

use super::evaluate::Inspection;
use super::rule::{FlowTest, Header, Rule, RuleProtocol};
use crate::decode::{Net, Origin, Packet};
use crate::flow::Flow;
use crate::types::{Direction, Endpoint, Proto};

const IP: u32 = 1;
const IPV4: u32 = 1 << 1;
const IPV6: u32 = 1 << 2;
const TCP: u32 = 1 << 3;
const UDP: u32 = 1 << 4;
const ICMP: u32 = 1 << 5;
const ICMPV6: u32 = 1 << 6;
const SCTP: u32 = 1 << 7;
const TO_SERVER: u32 = 1 << 8;
const TO_CLIENT: u32 = 1 << 9;
const ESTABLISHED: u32 = 1 << 10;
const NOT_ESTABLISHED: u32 = 1 << 11;
const FRAGMENT: u32 = 1 << 12;
const WHOLE: u32 = 1 << 13;

/// What is known of a packet and its flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    bits: u32,
    ends: Option<(Endpoint, Endpoint)>,
    ports: bool,
}

impl Facts {
    pub(super) fn new(inspection: &Inspection<'_>, flow: Option<&Flow>) -> Self {
        let packet = inspection.packet;
        let mut bits = match packet.net {
            Net::None | Net::Arp(_) => 0,
            Net::V4(_) => IP | IPV4,
            Net::V6(_) => IP | IPV6,
        };
        bits |= match packet.proto() {
            Some(Proto::TCP) => TCP,
            Some(Proto::UDP) => UDP,
            Some(Proto::ICMP) => ICMP,
            Some(Proto::ICMPV6) => ICMPV6,
            Some(Proto::SCTP) => SCTP,
            _ => 0,
        };
        bits |= if packet.origin == Origin::Defragmented { FRAGMENT } else { WHOLE };
        if let Some(flow) = flow {
            bits |= match inspection.dir {
                Direction::ToServer => TO_SERVER,
                Direction::ToClient => TO_CLIENT,
            };
            let established = flow.is_established() && !inspection.opening;
            bits |= if established { ESTABLISHED } else { NOT_ESTABLISHED };
        }
        // a fragment tells no ports: they count as 0, as in the reference engine
        Facts { bits, ends: packet.ends(), ports: bits & (TCP | UDP | SCTP) != 0 }
    }
}

/// What a rule asks of [`Facts`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    /// All of these.
    all: u32,
    /// One of these, unless there are none.
    any: u32,
    /// The protocol is not told by bits.
    protocol: bool,
    /// Ports or addresses are asked for.
    ends: bool,
    /// Tests of the packet stand behind.
    tests: bool,
}

impl Head {
    pub(super) fn new(rule: &Rule) -> Self {
        let (mut all, any, protocol) = match rule.protocol {
            RuleProtocol::Any => (0, 0, false),
            RuleProtocol::Ip(None) => (IP, 0, false),
            RuleProtocol::Ip(Some(4)) => (IPV4, 0, false),
            RuleProtocol::Ip(Some(_)) => (IPV6, 0, false),
            RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => (TCP, 0, false),
            RuleProtocol::Udp => (UDP, 0, false),
            RuleProtocol::Icmp(None) => (0, ICMP | ICMPV6, false),
            RuleProtocol::Icmp(Some(4)) => (ICMP, 0, false),
            RuleProtocol::Icmp(Some(_)) => (ICMPV6, 0, false),
            RuleProtocol::Sctp => (SCTP, 0, false),
            RuleProtocol::Other(_) | RuleProtocol::App(_) | RuleProtocol::Either(..) => (0, 0, true),
        };
        all |= flow_bits(rule.flow.unwrap_or_default());
        let header = &rule.header;
        let ends = !(header.source.is_any()
            && header.destination.is_any()
            && header.source_ports.is_any()
            && header.destination_ports.is_any());
        Head { all, any, protocol, ends, tests: !rule.packet_tests.is_empty() }
    }

    /// What the bits alone say.
    #[inline]
    pub(super) fn may_hold(&self, facts: &Facts) -> bool {
        facts.bits & self.all == self.all && (self.any == 0 || facts.bits & self.any != 0)
    }

    /// Whether the head holds, but for tests of the packet.
    #[inline]
    pub(super) fn holds(&self, rule: &Rule, facts: &Facts, packet: &Packet<'_>, flow: Option<&Flow>) -> bool {
        self.may_hold(facts)
            && (!self.protocol || protocol_holds(rule, packet, flow))
            && (!self.ends || ends_hold(&rule.header, facts))
    }

    /// Whether tests of the packet are left to make.
    pub(super) fn has_tests(&self) -> bool {
        self.tests
    }
}

/// A packet without a flow has no direction and no state.
fn flow_bits(test: FlowTest) -> u32 {
    let dir = match test.dir {
        None => 0,
        Some(Direction::ToServer) => TO_SERVER,
        Some(Direction::ToClient) => TO_CLIENT,
    };
    let state = match test.established {
        _ if test.stateless => 0,
        None => 0,
        Some(true) => ESTABLISHED,
        Some(false) => NOT_ESTABLISHED,
    };
    let fragments = match test.fragments {
        None => 0,
        Some(true) => FRAGMENT,
        Some(false) => WHOLE,
    };
    dir | state | fragments
}

/// Protocols that no bit tells.
fn protocol_holds(rule: &Rule, packet: &Packet<'_>, flow: Option<&Flow>) -> bool {
    match rule.protocol {
        RuleProtocol::Other(proto) => packet.proto() == Some(proto),
        RuleProtocol::App(_) | RuleProtocol::Either(..) => flow.is_some_and(|flow| {
            let spoken = [flow.app.protocol(), flow.app.original()];
            spoken.into_iter().flatten().any(|id| rule.protocol.is_app(id) || rule.carrier == Some(id))
        }),
        _ => true,
    }
}

fn ends_hold(header: &Header, facts: &Facts) -> bool {
    let Some((source, destination)) = facts.ends else { return false };
    // a protocol without ports has none that could match
    if !facts.ports
        && facts.bits & (ICMP | ICMPV6) == 0
        && !(header.source_ports.is_any() && header.destination_ports.is_any())
    {
        return false;
    }
    let one_way = |from: Endpoint, to: Endpoint| {
        (!facts.ports
            || (header.source_ports.contains(from.port) && header.destination_ports.contains(to.port)))
            && header.source.contains(from.ip)
            && header.destination.contains(to.ip)
    };
    one_way(source, destination) || (header.both_ways && one_way(destination, source))
}
