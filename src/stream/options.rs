//! TCP options that only the stream engine asks for, read from the header's bytes.

use crate::decode::Tcp;

/// The options of a header: kind and content.
fn options<'a>(tcp: &Tcp<'a>) -> impl Iterator<Item = (u8, &'a [u8])> {
    let mut rest = tcp.header().get(20..).unwrap_or_default();
    std::iter::from_fn(move || {
        while let [1, after @ ..] = rest {
            rest = after;
        }
        let (&kind, &len) = (rest.first().filter(|kind| **kind != 0)?, rest.get(1)?);
        let content = rest.get(2..usize::from(len))?;
        rest = rest.get(usize::from(len)..)?;
        Some((kind, content))
    })
}

/// Whether a header has a signature option: MD5 (kind 19, RFC 2385) or TCP-AO (kind 29, RFC 5925).
pub(super) fn is_signed(tcp: &Tcp<'_>) -> bool {
    options(tcp).any(|(kind, _)| kind == 19 || kind == 29)
}

/// Whether a SYN has the fast open option of the experiment (RFC 7413 §4.1.1: kind 254, magic 0xF989).
pub(super) fn offers_experimental_fast_open(tcp: &Tcp<'_>) -> bool {
    options(tcp).any(|(kind, content)| kind == 254 && content.starts_with(&[0xf9, 0x89]))
}

/// Bytes that the receiver has behind a hole, as far as a header's SACK blocks say (kind 5, RFC 2018), at most 2^30.
pub(super) fn sacked(tcp: &Tcp<'_>) -> u32 {
    let blocks = options(tcp).find(|(kind, _)| *kind == 5).map_or(&[][..], |(_, content)| content);
    let total: u64 = blocks
        .chunks_exact(8)
        .filter_map(|block| {
            let (left, right) = (block.first_chunk::<4>()?, block.last_chunk::<4>()?);
            let len = u32::from_be_bytes(*right).wrapping_sub(u32::from_be_bytes(*left));
            (len < 1 << 30).then_some(u64::from(len))
        })
        .sum();
    total.min(1 << 30) as u32
}
