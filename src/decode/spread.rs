//! Which worker a frame goes to, without decoding it.

use super::decoder::{be16, be32};
use super::link::ether;
use crate::capture::Frame;

/// A symmetric hash of the IP addresses of a frame: the same for both directions and for all fragments of a datagram. Looks
/// through VLAN, MPLS and PPPoE; 0 for what is not IP.
pub fn spread(frame: &Frame<'_>) -> u64 {
    addresses(frame).unwrap_or(0)
}

fn addresses(frame: &Frame<'_>) -> Option<u64> {
    let bytes = frame.bytes;
    match frame.link.0 {
        1 => by_type(be16(bytes, 12)?, bytes.get(14..)?),
        0 | 108 => ip(bytes.get(4..)?),
        9 | 50 | 104 if bytes.starts_with(&[0xff, 0x03]) => ip(bytes.get(4..)?),
        9 => ip(bytes.get(2..)?),
        50 | 104 => by_type(be16(bytes, 2)?, bytes.get(4..)?),
        51 => ip(bytes.get(8..)?),
        12 | 14 | 101 | 228 | 229 => ip(bytes),
        113 => by_type(be16(bytes, 14)?, bytes.get(16..)?),
        276 => by_type(be16(bytes, 0)?, bytes.get(20..)?),
        _ => None,
    }
}

fn by_type(mut kind: u16, mut bytes: &[u8]) -> Option<u64> {
    for _ in 0..8 {
        match kind {
            ether::IPV4 | ether::IPV6 => return ip(bytes),
            ether::VLAN | ether::QINQ | ether::QINQ_OLD => {
                kind = be16(bytes, 2)?;
                bytes = bytes.get(4..)?;
            }
            ether::PPPOE_SESSION => return ip(bytes.get(8..)?),
            ether::MPLS | ether::MPLS_MULTICAST => {
                for _ in 0..16 {
                    let shim = be32(bytes, 0)?;
                    bytes = bytes.get(4..)?;
                    if shim & 0x100 != 0 {
                        break;
                    }
                }
                if bytes.first()? >> 4 != 0 {
                    return ip(bytes);
                }
                kind = be16(bytes, 16)?;
                bytes = bytes.get(18..)?;
            }
            ether::I_TAG => {
                kind = be16(bytes, 16)?;
                bytes = bytes.get(18..)?;
            }
            ether::VN_TAG => {
                kind = be16(bytes, 4)?;
                bytes = bytes.get(6..)?;
            }
            ether::DCE => {
                kind = be16(bytes, 14)?;
                bytes = bytes.get(16..)?;
            }
            _ => return None,
        }
    }
    None
}

fn ip(bytes: &[u8]) -> Option<u64> {
    let (a, b) = match bytes.first()? >> 4 {
        4 => {
            let about = unreachable(bytes).unwrap_or(bytes);
            (u64::from(be32(about, 12)?), u64::from(be32(about, 16)?))
        }
        6 => (fold(bytes.get(8..24)?), fold(bytes.get(24..40)?)),
        _ => return None,
    };
    // Sum and difference are symmetric; two rounds of multiply and shift (splitmix64) spread them over all bits.
    let mut hash = a.wrapping_add(b).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (a ^ b);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Some((hash ^ (hash >> 31)).max(1))
}

/// The packet that an ICMP "destination unreachable" quotes: the message belongs to the flow of that one (RFC 792).
fn unreachable(bytes: &[u8]) -> Option<&[u8]> {
    let whole = be16(bytes, 6)? & 0x3fff == 0;
    let message = bytes.get(usize::from(bytes.first()? & 15) * 4..)?;
    let quoted = message.get(8..).filter(|quoted| quoted.len() >= 20)?;
    (whole && *bytes.get(9)? == 1 && *message.first()? == 3 && *quoted.first()? >> 4 == 4).then_some(quoted)
}

fn fold(address: &[u8]) -> u64 {
    address.chunks_exact(4).fold(0, |hash, word| {
        (hash ^ u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]])))
            .wrapping_mul(0x0000_0100_0000_01b3)
    })
}
