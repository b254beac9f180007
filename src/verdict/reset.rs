//! The packets that tell the ends of a rejection: a reset of the connection (RFC 9293, section 3.5.2), or "administratively
//! prohibited" (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).

use std::net::IpAddr;

use super::RejectTo;
use crate::types::Proto;

/// The segment that was rejected.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Bytes of payload.
    pub len: u32,
}

/// The packet that was rejected.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// What is above IP.
    pub proto: Option<Proto>,
    /// Its TCP header.
    pub tcp: Option<Segment>,
    /// Its bytes from the IP header on: an ICMP error quotes them. Empty when they are not to be had.
    pub quoted: &'a [u8],
    /// A copy of it was judged: it has reached its receiver.
    pub arrived: bool,
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const HOPS: u8 = 64;
/// Bytes that an ICMP error quotes at most: what fits into any path (RFC 1812 section 4.3.2.3, RFC 4443).
const QUOTED_MAX: usize = 528;

/// The packets that tell, from the IP header on; checksums are filled in.
pub fn replies(rejected: &Rejected<'_>, to: RejectTo) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    match rejected.tcp {
        // a reset is not answered with one
        Some(segment) if segment.flags & RST == 0 => {
            if matches!(to, RejectTo::Source | RejectTo::Both) {
                packets.extend(to_source(rejected, &segment));
            }
            if matches!(to, RejectTo::Destination | RejectTo::Both) {
                packets.extend(to_destination(rejected, &segment));
            }
        }
        Some(_) => {}
        None => packets.extend(unreachable(rejected)),
    }
    packets
}

/// Whom a packet is addressed to.
pub fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => packet.get(16..)?.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
        6 => packet.get(24..)?.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
        _ => None,
    }
}

fn to_source(rejected: &Rejected<'_>, segment: &Segment) -> Option<Vec<u8>> {
    let used = segment.len + u32::from(segment.flags & SYN != 0) + u32::from(segment.flags & FIN != 0);
    let (seq, ack, flags) = match segment.flags & ACK != 0 {
        // what it has acknowledged is what it waits for
        true => (segment.ack, segment.seq.wrapping_add(used), RST | ACK),
        false => (0, segment.seq.wrapping_add(used), RST | ACK),
    };
    let header = tcp_header((segment.destination, segment.source), seq, ack, flags);
    packet(rejected.destination, rejected.source, Proto::TCP, &header)
}

fn to_destination(rejected: &Rejected<'_>, segment: &Segment) -> Option<Vec<u8>> {
    // what the receiver waits for: its first byte, or where it has arrived what is behind it
    let used = segment.len + u32::from(segment.flags & SYN != 0) + u32::from(segment.flags & FIN != 0);
    let seq = segment.seq.wrapping_add(if rejected.arrived { used } else { 0 });
    let flags = RST | segment.flags & ACK;
    let header = tcp_header((segment.source, segment.destination), seq, segment.ack, flags);
    packet(rejected.source, rejected.destination, Proto::TCP, &header)
}

fn tcp_header((source, destination): (u16, u16), seq: u32, ack: u32, flags: u8) -> [u8; 20] {
    let mut header = [0; 20];
    header[..2].copy_from_slice(&source.to_be_bytes());
    header[2..4].copy_from_slice(&destination.to_be_bytes());
    header[4..8].copy_from_slice(&seq.to_be_bytes());
    header[8..12].copy_from_slice(&ack.to_be_bytes());
    header[12] = 5 << 4;
    header[13] = flags;
    header
}

/// Only the sender can be told: nothing of the packet arrived. An error is not answered with one, nor is what went to many.
fn unreachable(rejected: &Rejected<'_>) -> Option<Vec<u8>> {
    if rejected.destination.is_multicast()
        || rejected.source.is_multicast()
        || rejected.source.is_unspecified()
    {
        return None;
    }
    let quoted =
        rejected.quoted.get(..rejected.quoted.len().min(QUOTED_MAX)).filter(|bytes| !bytes.is_empty())?;
    let (proto, kind, code) = match rejected.source {
        IpAddr::V4(_) => (Proto::ICMP, 3, 13),
        IpAddr::V6(_) => (Proto::ICMPV6, 1, 1),
    };
    if is_error(rejected) {
        return None;
    }
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(quoted);
    packet(rejected.destination, rejected.source, proto, &message)
}

fn is_error(rejected: &Rejected<'_>) -> bool {
    match rejected.proto {
        Some(Proto::ICMP) => {
            let len = usize::from(rejected.quoted.first().copied().unwrap_or(0) & 15) * 4;
            !matches!(rejected.quoted.get(len), Some(0 | 8 | 13..=18))
        }
        // errors have numbers below 128; where extension headers hide it, nothing is said
        Some(Proto::ICMPV6) => !matches!(rejected.quoted.get(40), Some(128..)),
        _ => false,
    }
}

/// An IP packet around that; `None` for two addresses of different families.
fn packet(source: IpAddr, destination: IpAddr, proto: Proto, inside: &[u8]) -> Option<Vec<u8>> {
    let mut sum = Sum::default();
    let mut bytes = Vec::with_capacity(40 + inside.len());
    let len = u16::try_from(inside.len()).ok()?;
    match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            bytes.extend_from_slice(&[0x45, 0]);
            bytes.extend_from_slice(&(len.checked_add(20)?).to_be_bytes());
            bytes.extend_from_slice(&[0, 0, 0x40, 0, HOPS, proto.0, 0, 0]);
            bytes.extend_from_slice(&from.octets());
            bytes.extend_from_slice(&to.octets());
            let mut header = Sum::default();
            header.bytes(&bytes);
            bytes[10..12].copy_from_slice(&header.complement());
            if proto != Proto::ICMP {
                sum.bytes(&from.octets());
                sum.bytes(&to.octets());
                sum.bytes(&[0, proto.0]);
                sum.bytes(&len.to_be_bytes());
            }
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            bytes.extend_from_slice(&[0x60, 0, 0, 0]);
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(&[proto.0, HOPS]);
            bytes.extend_from_slice(&from.octets());
            bytes.extend_from_slice(&to.octets());
            sum.bytes(&from.octets());
            sum.bytes(&to.octets());
            sum.bytes(&len.to_be_bytes());
            sum.bytes(&[0, proto.0]);
        }
        _ => return None,
    }
    let start = bytes.len();
    bytes.extend_from_slice(inside);
    sum.bytes(inside);
    let at = start + if proto == Proto::TCP { 16 } else { 2 };
    bytes.get_mut(at..at + 2)?.copy_from_slice(&sum.complement());
    Some(bytes)
}

/// The Internet checksum (RFC 1071) of what is made here.
#[derive(Default)]
struct Sum(u32);

impl Sum {
    /// Adds bytes; an odd one at the end is padded.
    fn bytes(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks(2) {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            self.0 += u32::from(word);
        }
    }

    fn complement(&self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(source: &str, destination: &str, flags: u8) -> Rejected<'static> {
        let tcp = Segment { source: 40_000, destination: 80, seq: 1000, ack: 77, flags, len: 10 };
        Rejected {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            proto: Some(Proto::TCP),
            tcp: Some(tcp),
            quoted: &[],
            arrived: false,
        }
    }

    /// The sum over an IP packet's header and over its inside with the pseudo header, both with their checksums, is zero.
    fn is_right(bytes: &[u8]) -> bool {
        let mut sum = Sum::default();
        let (inside, proto) = match bytes[0] >> 4 {
            4 => {
                let mut header = Sum::default();
                header.bytes(&bytes[..20]);
                assert_eq!(header.complement(), [0, 0]);
                assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), bytes.len());
                if bytes[9] != 1 {
                    sum.bytes(&bytes[12..20]);
                }
                (&bytes[20..], bytes[9])
            }
            _ => {
                sum.bytes(&bytes[8..40]);
                (&bytes[40..], bytes[6])
            }
        };
        if proto != 1 {
            sum.bytes(&[0, proto]);
            sum.bytes(&(inside.len() as u16).to_be_bytes());
        }
        sum.bytes(inside);
        sum.complement() == [0, 0]
    }

    #[test]
    fn both_ends_of_a_connection_are_reset() {
        for (a, b, ip) in [("10.0.0.1", "10.0.0.2", 20), ("fd00::1", "fd00::2", 40)] {
            let packets = replies(&rejected(a, b, ACK | 8), RejectTo::Both);
            let [source, destination] = packets.as_slice() else { panic!("two packets") };
            assert!(is_right(source) && is_right(destination));
            // to the source: what it waits for, everything acknowledged
            assert_eq!(source[ip..ip + 4], [0, 80, 0x9c, 0x40]);
            assert_eq!(source[ip + 4..ip + 12], [0, 0, 0, 77, 0, 0, 3, 242]);
            assert_eq!(source[ip + 13], RST | ACK);
            // to the destination: in place of the segment
            assert_eq!(destination[ip..ip + 4], [0x9c, 0x40, 0, 80]);
            assert_eq!(destination[ip + 4..ip + 12], [0, 0, 3, 232, 0, 0, 0, 77]);
        }
    }

    #[test]
    fn one_end_or_the_other() {
        assert_eq!(
            replies(&rejected("10.0.0.1", "10.0.0.2", ACK), RejectTo::Source)[0][16..20],
            [10, 0, 0, 1]
        );
        assert_eq!(
            replies(&rejected("10.0.0.1", "10.0.0.2", ACK), RejectTo::Destination)[0][16..20],
            [10, 0, 0, 2]
        );
        assert!(replies(&rejected("10.0.0.1", "10.0.0.2", RST), RejectTo::Both).is_empty());
        assert!(replies(&rejected("10.0.0.1", "fd00::2", ACK), RejectTo::Both).is_empty());
        // a SYN is answered as a closed port would
        let syn = &replies(&rejected("10.0.0.1", "10.0.0.2", SYN), RejectTo::Source)[0];
        assert_eq!(syn[24..32], [0, 0, 0, 0, 0, 0, 3, 243]);
    }

    #[test]
    fn datagrams_are_answered_with_an_error_that_quotes_them() {
        let quoted = [0x45; 1500];
        let udp = Rejected {
            tcp: None,
            proto: Some(Proto::UDP),
            quoted: &quoted,
            ..rejected("10.0.0.1", "10.0.0.2", 0)
        };
        let packets = replies(&udp, RejectTo::Both);
        assert!(packets.len() == 1 && is_right(&packets[0]));
        assert_eq!(packets[0][20..22], [3, 13]);
        assert_eq!(packets[0].len(), 28 + QUOTED_MAX);
        let v6 = Rejected {
            quoted: &[0x60; 61],
            ..Rejected { tcp: None, proto: Some(Proto::UDP), ..rejected("fd00::1", "fd00::2", 0) }
        };
        let packets = replies(&v6, RejectTo::Source);
        assert!(is_right(&packets[0]));
        assert_eq!(packets[0][40..42], [1, 1]);
        let many = Rejected { destination: "224.0.0.1".parse().unwrap(), ..udp };
        assert!(replies(&many, RejectTo::Both).is_empty());
        let mut error = [0x45; 60];
        error[20] = 3;
        let error = Rejected { proto: Some(Proto::ICMP), quoted: &error, ..udp };
        assert!(replies(&error, RejectTo::Both).is_empty());
    }
}
