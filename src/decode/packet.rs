//! The decoded packet: views into the frame, checked once here and trusted afterwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::events::Events;
use crate::capture::LinkType;
use crate::types::{Endpoint, IfaceId, Proto, Timestamp};

/// One packet. Owns nothing; every slice borrows from the frame or from the defragmenter.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// 1-based number of the frame within its capture (`pcap_cnt`); 0 for none.
    pub number: u64,
    /// When the frame was seen.
    pub timestamp: Timestamp,
    /// Where it was seen.
    pub iface: IfaceId,
    /// How this packet came to be.
    pub origin: Origin,
    /// Bytes of this packet from its first header on, payload included (of the whole frame for `Wire`).
    pub bytes: &'a [u8],
    /// What the first of these bytes belongs to.
    pub link: LinkType,
    /// Ethernet destination and source, where the link has them.
    pub ethernet: Option<[[u8; 6]; 2]>,
    /// VLAN identifiers, outermost first.
    pub vlans: Vlans,
    /// The tunnel this packet came out of, if any (the innermost one).
    pub tunnel: Option<Tunnel>,
    /// Network layer.
    pub net: Net<'a>,
    /// Transport layer.
    pub transport: Transport<'a>,
    /// What the transport layer carries; of an IP packet whose transport is unknown, what IP carries.
    pub payload: &'a [u8],
    /// What was wrong with it.
    pub events: Events,
    /// Both ends, once they were read.
    ends: Option<(Endpoint, Endpoint)>,
}

/// How a packet came to be (EVE's `pkt_src`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Seen on the wire.
    #[default]
    Wire,
    /// Put together from fragments.
    Defragmented,
    /// Carried by a tunnel.
    Tunnel(TunnelKind),
    /// Made at the end of a flow, so that what is left in its streams is inspected.
    StreamEnd,
}

/// What carried a tunnelled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelKind {
    /// GRE, RFC 2784.
    Gre,
    /// ERSPAN I, II or III over GRE.
    Erspan,
    /// VXLAN, RFC 7348.
    Vxlan,
    /// Geneve, RFC 8926.
    Geneve,
    /// Teredo, RFC 4380.
    Teredo,
    /// IPv4 in IPv4, RFC 2003.
    Ipv4InIpv4,
    /// IPv6 in IPv4 (6in4), RFC 4213.
    Ipv6InIpv4,
    /// IPv4 in IPv6, RFC 2473.
    Ipv4InIpv6,
    /// IPv6 in IPv6, RFC 2473.
    Ipv6InIpv6,
}

/// The outer packet of a tunnelled one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// What it is.
    pub kind: TunnelKind,
    /// Its source.
    pub source: Endpoint,
    /// Its destination.
    pub destination: Endpoint,
    /// Protocol of the outer packet.
    pub proto: Proto,
    /// How many tunnels are around this packet, 1..=16.
    pub depth: u8,
}

/// Up to three VLAN identifiers, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vlans {
    ids: [u16; 3],
    len: u8,
}

impl Vlans {
    /// Adds an inner one; false when there are three already.
    pub fn push(&mut self, id: u16) -> bool {
        let Some(slot) = self.ids.get_mut(usize::from(self.len)) else { return false };
        *slot = id & 0x0fff;
        self.len += 1;
        true
    }

    /// Outermost first.
    pub fn as_slice(&self) -> &[u16] {
        &self.ids[..usize::from(self.len)]
    }
}

/// The network layer.
#[derive(Clone, Debug, Default)]
pub enum Net<'a> {
    /// None that we know.
    #[default]
    None,
    /// ARP, the bytes of it.
    Arp(&'a [u8]),
    /// IPv4.
    V4(Ipv4<'a>),
    /// IPv6.
    V6(Ipv6<'a>),
}

/// An IPv4 header with its options: 20..=60 bytes, as long as its length field says (RFC 791).
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    header: &'a [u8],
    /// The header checksum is right, or was not computed.
    pub checksum_ok: bool,
}

impl<'a> Ipv4<'a> {
    /// `None` when shorter than 20 bytes or than its own header length.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let len = usize::from(bytes.first()? & 15) * 4;
        (len >= 20).then_some(())?;
        Some(Ipv4 { header: bytes.get(..len)?, checksum_ok: true })
    }

    /// The same, with what is known of its checksum.
    #[must_use]
    pub fn with_checksum(self, checksum_ok: bool) -> Self {
        Ipv4 { checksum_ok, ..self }
    }

    /// The header's bytes, options included.
    pub fn header(&self) -> &'a [u8] {
        self.header
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.header[at], self.header[at + 1]])
    }

    /// Type of service.
    pub fn tos(&self) -> u8 {
        self.header[1]
    }

    /// Total length field, bytes.
    pub fn total_len(&self) -> u16 {
        self.u16(2)
    }

    /// Identification.
    pub fn id(&self) -> u16 {
        self.u16(4)
    }

    /// Flags, the upper three bits: 4 reserved, 2 don't fragment, 1 more fragments.
    pub fn flags(&self) -> u8 {
        self.header[6] >> 5
    }

    /// Fragment offset, bytes.
    pub fn fragment_offset(&self) -> u32 {
        u32::from(self.u16(6) & 0x1fff) * 8
    }

    /// Time to live.
    pub fn ttl(&self) -> u8 {
        self.header[8]
    }

    /// Protocol carried.
    pub fn proto(&self) -> Proto {
        Proto(self.header[9])
    }

    /// Source.
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.header[12], self.header[13], self.header[14], self.header[15])
    }

    /// Destination.
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.header[16], self.header[17], self.header[18], self.header[19])
    }

    /// Option bytes.
    pub fn options(&self) -> &'a [u8] {
        &self.header[20..]
    }

    /// The kinds of its options in order, the end of the list and no-operations included, up to the first malformed one.
    pub fn option_kinds(&self) -> impl Iterator<Item = u8> + use<'a> {
        let mut rest = self.options();
        std::iter::from_fn(move || {
            let (&kind, after) = rest.split_first()?;
            rest = match kind {
                0 => &[],
                1 => after,
                _ => match after.first().map(|&len| usize::from(len)) {
                    Some(len) if len >= 2 => rest.get(len..)?,
                    _ => return None,
                },
            };
            Some(kind)
        })
    }
}

/// An IPv6 header with its extension headers (RFC 8200).
#[derive(Clone, Copy, Debug)]
pub struct Ipv6<'a> {
    header: &'a [u8; 40],
    extensions: &'a [u8],
    upper: Proto,
    fragment: Option<Fragment>,
    headers: &'a [u8],
}

/// What an IPv6 fragment header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset, bytes.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
    /// Identification.
    pub id: u32,
}

impl<'a> Ipv6<'a> {
    /// A view of the fixed header, the extension headers after it, the protocol that follows them, and the fragment header
    /// if one was among them.
    pub fn new(header: &'a [u8; 40], extensions: &'a [u8], upper: Proto, fragment: Option<Fragment>) -> Self {
        Ipv6 { header, extensions, upper, fragment, headers: header }
    }

    /// The same, with the bytes in which the fixed header and the extension headers stand one behind the other.
    #[must_use]
    pub fn with_headers(self, headers: &'a [u8]) -> Self {
        Ipv6 { headers, ..self }
    }

    /// The fixed header and the extension headers behind it; of an incomplete fragment the fixed header alone.
    pub fn headers(&self) -> &'a [u8] {
        self.headers
    }

    /// The 40 bytes of the fixed header.
    pub fn header(&self) -> &'a [u8; 40] {
        self.header
    }

    /// The bytes of the extension headers.
    pub fn extensions(&self) -> &'a [u8] {
        self.extensions
    }

    /// The fragment header, if there is one.
    pub fn fragment(&self) -> Option<Fragment> {
        self.fragment
    }

    /// Traffic class.
    pub fn traffic_class(&self) -> u8 {
        (self.header[0] << 4) | (self.header[1] >> 4)
    }

    /// Payload length field, bytes, extension headers included.
    pub fn payload_len(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// The first next-header field.
    pub fn next_header(&self) -> Proto {
        Proto(self.header[6])
    }

    /// The protocol after the extension headers.
    pub fn upper(&self) -> Proto {
        self.upper
    }

    /// Hop limit.
    pub fn hop_limit(&self) -> u8 {
        self.header[7]
    }

    /// Source.
    pub fn source(&self) -> Ipv6Addr {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.header[8..24]);
        Ipv6Addr::from(bytes)
    }

    /// Destination.
    pub fn destination(&self) -> Ipv6Addr {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.header[24..40]);
        Ipv6Addr::from(bytes)
    }
}

/// The transport layer.
#[derive(Clone, Debug, Default)]
pub enum Transport<'a> {
    /// None that we know: see the IP header for its number.
    #[default]
    None,
    /// TCP.
    Tcp(Tcp<'a>),
    /// UDP.
    Udp(Udp<'a>),
    /// ICMP for IPv4.
    Icmp4(Icmp<'a>),
    /// ICMP for IPv6.
    Icmp6(Icmp<'a>),
    /// SCTP.
    Sctp(Sctp<'a>),
}

/// A TCP header with its options: 20..=60 bytes, as long as its offset field says (RFC 9293).
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    header: &'a [u8],
    /// What its options say.
    pub options: TcpOptions,
    /// The checksum is right, or was not computed.
    pub checksum_ok: bool,
}

/// TCP options that anyone here asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size, bytes.
    pub mss: Option<u16>,
    /// Window scale, a shift of 0..=14.
    pub window_scale: Option<u8>,
    /// Selective acknowledgement permitted.
    pub sack_permitted: bool,
    /// Number of SACK blocks.
    pub sack_blocks: u8,
    /// Timestamp value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// TCP fast open: the length of its cookie, bytes.
    pub fast_open: Option<u8>,
}

impl<'a> Tcp<'a> {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// PSH.
    pub const PSH: u8 = 0x08;
    /// ACK.
    pub const ACK: u8 = 0x10;
    /// URG.
    pub const URG: u8 = 0x20;
    /// ECE.
    pub const ECE: u8 = 0x40;
    /// CWR.
    pub const CWR: u8 = 0x80;

    /// `None` when shorter than 20 bytes or than its own header length. `options` are what the caller read from it.
    pub fn new(bytes: &'a [u8], options: TcpOptions, checksum_ok: bool) -> Option<Self> {
        let len = usize::from(bytes.get(12)? >> 4) * 4;
        (len >= 20).then_some(())?;
        Some(Tcp { header: bytes.get(..len)?, options, checksum_ok })
    }

    /// The header's bytes, options included.
    pub fn header(&self) -> &'a [u8] {
        self.header
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.header[at], self.header[at + 1]])
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.header[at], self.header[at + 1], self.header[at + 2], self.header[at + 3]])
    }

    /// Source port.
    pub fn source_port(&self) -> u16 {
        self.u16(0)
    }

    /// Destination port.
    pub fn destination_port(&self) -> u16 {
        self.u16(2)
    }

    /// Sequence number.
    pub fn seq(&self) -> u32 {
        self.u32(4)
    }

    /// Acknowledgement number.
    pub fn ack(&self) -> u32 {
        self.u32(8)
    }

    /// The eight flag bits.
    pub fn flags(&self) -> u8 {
        self.header[13]
    }

    /// Whether all of these flags are set.
    pub fn has(&self, flags: u8) -> bool {
        self.flags() & flags == flags
    }

    /// Window field, unscaled.
    pub fn window(&self) -> u16 {
        self.u16(14)
    }

    /// Urgent pointer.
    pub fn urgent_pointer(&self) -> u16 {
        self.u16(18)
    }
}

/// A UDP header (RFC 768).
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    header: &'a [u8; 8],
    /// The checksum is right, absent, or was not computed.
    pub checksum_ok: bool,
}

impl<'a> Udp<'a> {
    /// `None` when shorter than 8 bytes.
    pub fn new(bytes: &'a [u8], checksum_ok: bool) -> Option<Self> {
        Some(Udp { header: bytes.first_chunk()?, checksum_ok })
    }

    /// The header's bytes.
    pub fn header(&self) -> &'a [u8; 8] {
        self.header
    }

    /// Source port.
    pub fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    /// Destination port.
    pub fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }
}

/// An ICMP or ICMPv6 header: type, code, checksum, and four bytes by type (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug)]
pub struct Icmp<'a> {
    message: &'a [u8],
    /// The checksum is right, or was not computed.
    pub checksum_ok: bool,
}

impl<'a> Icmp<'a> {
    /// `None` when shorter than 4 bytes. `message` is the whole ICMP message.
    pub fn new(message: &'a [u8], checksum_ok: bool) -> Option<Self> {
        (message.len() >= 4).then_some(Icmp { message, checksum_ok })
    }

    /// The whole message, header included.
    pub fn message(&self) -> &'a [u8] {
        self.message
    }

    /// Type.
    pub fn kind(&self) -> u8 {
        self.message[0]
    }

    /// Code.
    pub fn code(&self) -> u8 {
        self.message[1]
    }

    fn rest(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes([*self.message.get(at)?, *self.message.get(at + 1)?]))
    }

    /// Identifier, where the message is long enough (whether the type has one is the caller's to know).
    pub fn id(&self) -> Option<u16> {
        self.rest(4)
    }

    /// Sequence number, where the message is long enough.
    pub fn seq(&self) -> Option<u16> {
        self.rest(6)
    }
}

/// An SCTP common header (RFC 9260).
#[derive(Clone, Copy, Debug)]
pub struct Sctp<'a> {
    header: &'a [u8; 12],
}

impl<'a> Sctp<'a> {
    /// `None` when shorter than 12 bytes.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        Some(Sctp { header: bytes.first_chunk()? })
    }

    /// Source port.
    pub fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.header[0], self.header[1]])
    }

    /// Destination port.
    pub fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }
}

impl<'a> Packet<'a> {
    /// An empty packet of a frame: everything below the link is still to be found.
    pub fn new(number: u64, timestamp: Timestamp, iface: IfaceId, bytes: &'a [u8]) -> Self {
        Packet {
            number,
            timestamp,
            iface,
            origin: Origin::Wire,
            bytes,
            link: LinkType::ETHERNET,
            ethernet: None,
            vlans: Vlans::default(),
            tunnel: None,
            net: Net::None,
            transport: Transport::None,
            payload: &[],
            events: Events::default(),
            ends: None,
        }
    }

    /// Source address, of an IP packet.
    pub fn source_ip(&self) -> Option<IpAddr> {
        match &self.net {
            Net::V4(ip) => Some(ip.source().into()),
            Net::V6(ip) => Some(ip.source().into()),
            Net::None | Net::Arp(_) => None,
        }
    }

    /// Destination address, of an IP packet.
    pub fn destination_ip(&self) -> Option<IpAddr> {
        match &self.net {
            Net::V4(ip) => Some(ip.destination().into()),
            Net::V6(ip) => Some(ip.destination().into()),
            Net::None | Net::Arp(_) => None,
        }
    }

    /// Source and destination port; `None` where the transport has none.
    #[inline]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let there = matches!(self.transport, Transport::Tcp(_) | Transport::Udp(_) | Transport::Sctp(_));
        let (source, destination) = self.ends().filter(|_| there)?;
        Some((source.port, destination.port))
    }

    fn read_ports(&self) -> Option<(u16, u16)> {
        match &self.transport {
            Transport::Tcp(tcp) => Some((tcp.source_port(), tcp.destination_port())),
            Transport::Udp(udp) => Some((udp.source_port(), udp.destination_port())),
            Transport::Sctp(sctp) => Some((sctp.source_port(), sctp.destination_port())),
            Transport::None | Transport::Icmp4(_) | Transport::Icmp6(_) => None,
        }
    }

    /// Both ends, of an IP packet that is whole ([`Packet::find_ends`]); ports are 0 where there are none.
    #[inline]
    pub fn ends(&self) -> Option<(Endpoint, Endpoint)> {
        self.ends
    }

    /// Reads both ends once, as all stages ask for them: everything below is known now.
    pub fn find_ends(&mut self) {
        let (source, destination) = self.read_ports().unwrap_or((0, 0));
        let end = |ip: Option<IpAddr>, port| Some(Endpoint { ip: ip?, port });
        self.ends = end(self.source_ip(), source).zip(end(self.destination_ip(), destination));
    }

    /// The protocol above IP, of an IP packet: after extension headers for IPv6.
    pub fn proto(&self) -> Option<Proto> {
        match &self.net {
            Net::V4(ip) => Some(ip.proto()),
            Net::V6(ip) => Some(ip.upper()),
            Net::None | Net::Arp(_) => None,
        }
    }

    /// The TCP header, of a TCP packet.
    pub fn tcp(&self) -> Option<&Tcp<'a>> {
        match &self.transport {
            Transport::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// Whether this is a fragment that is not whole (offset or more-fragments set).
    pub fn is_fragment(&self) -> bool {
        match &self.net {
            Net::V4(ip) => ip.flags() & 1 != 0 || ip.fragment_offset() != 0,
            Net::V6(ip) => ip.fragment().is_some_and(|f| f.more || f.offset != 0),
            Net::None | Net::Arp(_) => false,
        }
    }
}
