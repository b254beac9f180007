//! The packet that ends a flow: made when a flow is over and something of its streams was never inspected.

use std::net::IpAddr;

use crate::decode::{Ipv4, Ipv6, Net, Origin, Packet, Tcp, TcpOptions, Transport};
use crate::flow::Flow;
use crate::types::{Direction, IfaceId, Proto};

/// Bytes of the headers of such a packet.
pub struct EndHeaders {
    ip: [u8; 40],
    tcp: [u8; 20],
    is_v4: bool,
}

impl EndHeaders {
    /// Of the flow, in that direction.
    pub fn new(flow: &Flow, dir: Direction) -> Self {
        let (source, destination) = (flow.source(dir), flow.destination(dir));
        let mut ip = [0; 40];
        let is_v4 = matches!(source.ip, IpAddr::V4(_));
        match (source.ip, destination.ip) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                ip[0] = 0x45;
                ip[3] = 40;
                ip[8] = 64;
                ip[9] = Proto::TCP.0;
                ip[12..16].copy_from_slice(&from.octets());
                ip[16..20].copy_from_slice(&to.octets());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                ip[0] = 0x60;
                ip[5] = 20;
                ip[6] = Proto::TCP.0;
                ip[7] = 64;
                ip[8..24].copy_from_slice(&from.octets());
                ip[24..40].copy_from_slice(&to.octets());
            }
            // both ends of a flow are of one family: its key is made of one packet
            _ => {}
        }
        let mut tcp = [0; 20];
        tcp[..2].copy_from_slice(&source.port.to_be_bytes());
        tcp[2..4].copy_from_slice(&destination.port.to_be_bytes());
        tcp[12] = 0x50;
        tcp[13] = Tcp::ACK;
        EndHeaders { ip, tcp, is_v4 }
    }

    /// The packet.
    pub fn packet(&self, flow: &Flow) -> Packet<'_> {
        let mut packet = Packet::new(0, flow.last, IfaceId::default(), &[]);
        packet.origin = Origin::StreamEnd;
        packet.vlans = flow.vlans;
        packet.net = if self.is_v4 {
            Ipv4::new(&self.ip[..20]).map_or(Net::None, Net::V4)
        } else {
            Net::V6(Ipv6::new(&self.ip, &[], Proto::TCP, None))
        };
        if let Some(tcp) = Tcp::new(&self.tcp, TcpOptions::default(), true) {
            packet.transport = Transport::Tcp(tcp);
        }
        packet.find_ends();
        packet
    }
}
