//! One conversation.

use std::net::IpAddr;

use super::app_layer::AppLayer;
use super::inspected::Inspected;
use super::key::FlowKey;
use super::vars::Vars;
use crate::stream::{Session, State};
use crate::types::{Direction, Endpoint, Proto, Timestamp};
use crate::verdict::{Reason, RejectTo};

/// EVE's `flow_id`: unique within a run, the same for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(pub u64);

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowState {
    /// One side spoke.
    New,
    /// Both did, or TCP's handshake is complete.
    Established,
    /// TCP said goodbye.
    Closed,
    /// The kernel forwards it without us.
    Bypassed,
}

impl FlowState {
    /// EVE's text.
    pub const fn name(self) -> &'static str {
        match self {
            FlowState::New => "new",
            FlowState::Established => "established",
            FlowState::Closed => "closed",
            FlowState::Bypassed => "bypassed",
        }
    }
}

/// What is done with all packets of a flow from here on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlowAction {
    /// Judged one by one.
    #[default]
    None,
    /// Forwarded without inspection.
    Pass,
    /// Dropped.
    Drop(Reason),
    /// Dropped, and the ends were told.
    Reject(Reason, RejectTo),
}

/// What one side sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Packets, ICMP errors about the other side's included.
    pub packets: u64,
    /// A packet of the flow's own protocol was among them.
    pub spoke: bool,
    /// Bytes, headers included.
    pub bytes: u64,
    /// Lowest and highest TTL seen.
    pub ttl: Option<(u8, u8)>,
}

/// Link addresses of both ends, for records: a few of each, in the order they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macs([Vec<[u8; 6]>; 2]);

impl Macs {
    /// Addresses of one end that are kept.
    const MAX: usize = 8;

    /// The end that sends in that direction has that address.
    pub fn add(&mut self, dir: Direction, mac: [u8; 6]) {
        let known = &mut self.0[dir.index()];
        if known.len() < Self::MAX && !known.contains(&mac) {
            known.push(mac);
        }
    }

    /// Addresses of the end that sends in that direction.
    pub fn of(&self, dir: Direction) -> &[[u8; 6]] {
        &self.0[dir.index()]
    }

    /// Client and server change places.
    pub fn swap(&mut self) {
        self.0.swap(0, 1);
    }
}

/// What is left of a rule's wish to see the packets that follow (`tag:session`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// So many packets.
    Packets(u32),
    /// So many bytes.
    Bytes(u64),
    /// Until then.
    Until(Timestamp),
}

impl Tagged {
    /// What is left behind a packet of that size and time; `None` when it is beyond the wish already.
    pub fn after(self, bytes: usize, now: Timestamp) -> Option<Tagged> {
        match self {
            Tagged::Packets(left) => Some(Tagged::Packets(left.checked_sub(1)?)),
            Tagged::Bytes(0) => None,
            Tagged::Bytes(left) => Some(Tagged::Bytes(left.saturating_sub(bytes as u64))),
            Tagged::Until(end) => (now <= end).then_some(self),
        }
    }
}

/// A conversation between two ends.
pub struct Flow {
    /// Its id.
    pub id: FlowId,
    /// The flow that announced it.
    pub parent: Option<FlowId>,
    /// Its key in the table.
    pub key: FlowKey,
    /// Who opened it.
    pub client: Endpoint,
    /// Whom to.
    pub server: Endpoint,
    /// IP protocol.
    pub proto: Proto,
    /// VLAN identifiers of its first packet.
    pub vlans: crate::decode::Vlans,
    /// Its first packet.
    pub first: Timestamp,
    /// Its last packet.
    pub last: Timestamp,
    /// Number of its first packet.
    pub first_number: u64,
    /// What the client and the server sent.
    pub sides: [Side; 2],
    /// TCP only.
    pub session: Option<Box<Session>>,
    /// What it speaks.
    pub app: AppLayer,
    /// What rules wrote.
    pub vars: Vars,
    /// What detection did.
    pub inspected: Inspected,
    /// What happens to its packets.
    pub action: FlowAction,
    /// Bypassed: not inspected, the kernel may forward it.
    pub bypassed: bool,
    /// The payload of its packets and its raw streams are not inspected: they are encrypted. Its transactions and frames are.
    pub no_payload: bool,
    /// Some rule alerted on it.
    pub alerted: bool,
    /// A drop of a packet of that direction was recorded.
    pub drop_recorded: [bool; 2],
    /// Exception policies that were applied, by target and policy.
    pub exceptions: Vec<(Reason, crate::verdict::ExceptionPolicy)>,
    /// Packets that follow are recorded.
    pub tagged: Option<Tagged>,
    /// Link addresses, where records have them.
    pub macs: Option<Box<Macs>>,
    /// TCP flags seen, by direction.
    pub tcp_flags: [u8; 2],
    /// The kind (type and code) of its first ICMP packet each way.
    pub icmp: [Option<(u8, u8)>; 2],
}

impl Flow {
    /// The sending end of that direction.
    pub fn source(&self, dir: Direction) -> Endpoint {
        match dir {
            Direction::ToServer => self.client,
            Direction::ToClient => self.server,
        }
    }

    /// The receiving end of that direction.
    pub fn destination(&self, dir: Direction) -> Endpoint {
        self.source(dir.opposite())
    }

    /// Where it stands.
    pub fn state(&self) -> FlowState {
        if self.bypassed {
            return FlowState::Bypassed;
        }
        match &self.session {
            // both ends have said their last word, though it may not be acknowledged yet
            Some(session) if matches!(session.state(), State::LastAck | State::TimeWait | State::Closed) => {
                FlowState::Closed
            }
            Some(session) if session.is_established() => FlowState::Established,
            Some(session) if session.state() != State::None => FlowState::New,
            _ if self.sides.iter().all(|side| side.spoke) => FlowState::Established,
            _ => FlowState::New,
        }
    }

    /// The state by whose timeout it is kept: one that a SYN opened behind a dropped connection as long as that one would have been, until
    /// the SYN has its answer. Else an attacker would only have to be silent until all is forgotten.
    pub fn kept_as(&self) -> FlowState {
        match self.state() {
            FlowState::New if self.session.as_ref().is_some_and(|session| session.is_behind_dropped()) => {
                FlowState::Established
            }
            state => state,
        }
    }

    /// As `flow:established` means it: TCP's handshake is complete (or was picked up in mid-stream), of others both sides spoke.
    pub fn is_established(&self) -> bool {
        match &self.session {
            Some(session) => session.is_established(),
            None => self.sides.iter().all(|side| side.spoke),
        }
    }

    /// The direction of a packet with that source.
    pub fn direction_of(&self, source: Endpoint) -> Direction {
        if source == self.client { Direction::ToServer } else { Direction::ToClient }
    }

    /// Client and server change places: the first packet seen was the server's.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.client, &mut self.server);
        self.sides.swap(0, 1);
        self.icmp.swap(0, 1);
        self.tcp_flags.swap(0, 1);
        self.macs.iter_mut().for_each(|macs| macs.swap());
        self.drop_recorded.swap(0, 1);
        self.inspected.addresses.swap(0, 1);
        self.inspected.members.swap(0, 1);
    }

    /// Both addresses, client first.
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        (self.client.ip, self.server.ip)
    }
}
