//! A packet of which some bytes of payload are others, with its checksum made right again.

use super::checksum::Sum;
use super::packet::{Origin, Packet, Transport};
use super::transport::pseudo;
use crate::types::Proto;

/// The whole frame of a packet with those bytes at those places of its payload. The length stays.
///
/// `whole`: the checksum that is in it covers everything; it stays as right or as wrong as it was. Otherwise hardware was to fill
/// it in, or nobody knows: then it is computed.
///
/// `None` where nobody could send it instead: out of a tunnel or of fragments; SCTP (another checksum); a place beyond the payload.
pub fn change(packet: &Packet<'_>, edits: &[(usize, Vec<u8>)], whole: bool) -> Option<Vec<u8>> {
    if packet.origin != Origin::Wire || packet.is_fragment() {
        return None;
    }
    let payload = place(packet, packet.payload)?;
    let end = payload + packet.payload.len();
    // where the checksum is: what it covers from where on, its own place there, and whose pseudo header
    let (start, field, proto) = match &packet.transport {
        Transport::Tcp(tcp) => (place(packet, tcp.header())?, 16, Some(Proto::TCP)),
        Transport::Udp(udp) => (place(packet, udp.header())?, 6, Some(Proto::UDP)),
        Transport::Icmp4(icmp) => (place(packet, icmp.message())?, 2, None),
        Transport::Icmp6(icmp) => (place(packet, icmp.message())?, 2, Some(Proto::ICMPV6)),
        _ => return None,
    };
    let mut frame = packet.bytes.to_vec();
    let covered = frame.get_mut(start..end)?;
    let old: [u8; 2] = *covered.get(field..)?.first_chunk()?;
    covered.get_mut(field..field + 2)?.fill(0);
    let before = Sum::default().bytes(covered).complement();
    for (at, new) in edits {
        let from = (payload - start).checked_add(*at)?;
        covered.get_mut(from..from.checked_add(new.len())?)?.copy_from_slice(new);
    }
    let none = matches!(packet.transport, Transport::Udp(_)) && old == [0, 0];
    if !none {
        let beside = match (whole, proto) {
            // RFC 1624: what stands beside these bytes is known from the old sum
            (true, _) => Sum::default().word(!u16::from_be_bytes(old)).word(u16::from_be_bytes(before)),
            (false, Some(proto)) => pseudo(&packet.net, proto, covered.len()),
            (false, None) => Sum::default(),
        };
        let mut new = beside.bytes(covered).complement();
        if proto == Some(Proto::UDP) && new == [0, 0] {
            new = [0xff, 0xff];
        }
        covered.get_mut(field..field + 2)?.copy_from_slice(&new);
    }
    Some(frame)
}

/// Where a part of a packet begins in it.
fn place(packet: &Packet<'_>, part: &[u8]) -> Option<usize> {
    let at = part.as_ptr().addr().checked_sub(packet.bytes.as_ptr().addr())?;
    (at.checked_add(part.len())? <= packet.bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Frame, LinkType};
    use crate::decode::{DecodeConfig, Decoder};
    use crate::types::{IfaceId, Timestamp};
    use crate::verdict::Verdict;

    fn frame(bytes: &[u8], checksums: bool) -> Frame<'_> {
        Frame {
            number: 1,
            timestamp: Timestamp::new(1, 0),
            iface: IfaceId(0),
            link: LinkType::RAW_IP,
            bytes,
            wire_len: bytes.len() as u32,
            checksums,
            changed: None,
        }
    }

    /// The packet changed; whether its checksums are right then.
    fn changed(bytes: &[u8], edits: &[(usize, Vec<u8>)], whole: bool) -> Option<(Vec<u8>, bool)> {
        let mut decoder = Decoder::new(&DecodeConfig::default());
        let mut found = None;
        decoder.decode(&frame(bytes, whole), &mut |packet| {
            found = change(packet, edits, whole);
            Verdict::Forward
        });
        let new = found?;
        let mut right = false;
        decoder.decode(&frame(&new, true), &mut |packet| {
            right = match &packet.transport {
                Transport::Tcp(tcp) => tcp.checksum_ok,
                Transport::Udp(udp) => udp.checksum_ok,
                Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => icmp.checksum_ok,
                _ => false,
            };
            Verdict::Forward
        });
        Some((new, right))
    }

    /// A packet without a checksum.
    fn packet(v6: bool, proto: u8, inside: &[u8]) -> Vec<u8> {
        let mut bytes = match v6 {
            false => {
                let mut ip = vec![0x45, 0, 0, (20 + inside.len()) as u8, 0, 1, 0, 0, 64, proto, 0, 0];
                ip.extend([10, 0, 0, 1, 10, 0, 0, 2]);
                let sum = Sum::default().bytes(&ip).complement();
                ip[10..12].copy_from_slice(&sum);
                ip
            }
            true => {
                let mut ip = vec![0x60, 0, 0, 0, 0, inside.len() as u8, proto, 64];
                ip.extend([0xfd; 16]);
                ip.extend([0xfe; 16]);
                ip
            }
        };
        bytes.extend(inside);
        bytes
    }

    #[test]
    fn a_changed_packet_has_a_right_checksum_whatever_it_had() {
        let tcp =
            |data: &[u8]| [&[0, 9, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 24, 9, 9, 0, 0, 0, 0], data].concat();
        let udp = |data: &[u8]| [&[0, 9, 0, 53, 0, (8 + data.len()) as u8, 7, 7], data].concat();
        let echo = |kind: u8, data: &[u8]| [&[kind, 0, 0, 0, 0, 1, 0, 1], data].concat();
        for data in [&b"hello world"[..], b"hello worlds"] {
            for (v6, proto, inside) in [
                (false, 6, tcp(data)),
                (true, 6, tcp(data)),
                (false, 17, udp(data)),
                (true, 17, udp(data)),
                (false, 1, echo(8, data)),
                (true, 58, echo(128, data)),
            ] {
                let bytes = packet(v6, proto, &inside);
                for at in 0..5 {
                    let edits = [(at, b"there".to_vec()), (0, b"H".to_vec())];
                    let (new, right) = changed(&bytes, &edits, false).expect("it can be changed");
                    assert!(right, "{v6} {proto} {at}");
                    assert_eq!(new.len(), bytes.len());
                    // once more, from the sum that is there now
                    let (again, right) = changed(&new, &[(at, b"other".to_vec())], true).expect("again");
                    assert!(right && again != new, "{v6} {proto} {at}");
                    // what was wrong stays wrong: a receiver that would have thrown it away still does
                    let mut wrong = again.clone();
                    let last = wrong.len() - 1;
                    wrong[last] ^= 0x55;
                    let (_, right) =
                        changed(&wrong, &[(at, b"third".to_vec())], true).expect("it is changed");
                    assert!(!right, "{v6} {proto} {at}");
                }
            }
        }
        let nothing = packet(false, 17, &[0, 9, 0, 53, 0, 13, 0, 0, 1, 2, 3, 4, 5]);
        let (new, _) = changed(&nothing, &[(1, vec![9])], true).expect("it is changed");
        assert_eq!(new[26..28], [0, 0], "no checksum stays none");
    }

    #[test]
    fn what_cannot_be_changed_stays() {
        let bytes = packet(false, 17, &[0, 9, 0, 53, 0, 13, 7, 7, 1, 2, 3, 4, 5]);
        assert!(changed(&bytes, &[(4, vec![1, 2])], true).is_none(), "beyond its end");
        assert!(changed(&bytes, &[(usize::MAX, vec![1])], true).is_none());
        assert!(changed(&packet(false, 132, &[0; 20]), &[(0, vec![1])], true).is_none(), "SCTP");
        let mut fragment = bytes.clone();
        fragment[6] = 0x20;
        assert!(changed(&fragment, &[(0, vec![1])], true).is_none());
    }
}
