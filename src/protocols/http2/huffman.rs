//! The Huffman code of RFC 7541 appendix B. It is canonical: codes of one length follow each other in the order of their symbols, behind
//! those of the length before, so the symbols by length are all there is to it.

/// How long codes are, how many have that length, in the order of [`SYMBOLS`].
const LENGTHS: [(u8, u16); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    // the end of a text, which may not be sent, is the last of these
    (30, 3),
];

#[rustfmt::skip]
const SYMBOLS: [u8; 256] = [
    // 5
    b'0', b'1', b'2', b'a', b'c', b'e', b'i', b'o', b's', b't',
    // 6
    b' ', b'%', b'-', b'.', b'/', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'=', b'A', b'_', b'b', b'd', b'f', b'g', b'h',
    b'l', b'm', b'n', b'p', b'r', b'u',
    // 7
    b':', b'B', b'C', b'D', b'E', b'F', b'G', b'H', b'I', b'J', b'K', b'L', b'M', b'N', b'O', b'P', b'Q', b'R', b'S', b'T',
    b'U', b'V', b'W', b'Y', b'j', b'k', b'q', b'v', b'w', b'x', b'y', b'z',
    // 8
    b'&', b'*', b',', b';', b'X', b'Z',
    // 10
    b'!', b'"', b'(', b')', b'?',
    // 11
    b'\'', b'+', b'|',
    // 12
    b'#', b'>',
    // 13
    0, b'$', b'@', b'[', b']', b'~',
    // 14
    b'^', b'}',
    // 15
    b'<', b'`', b'{',
    // 19
    b'\\', 195, 208,
    // 20
    128, 130, 131, 162, 184, 194, 224, 226,
    // 21
    153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230,
    // 22
    129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228,
    232, 233,
    // 23
    1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183,
    188, 191, 197, 231, 239,
    // 24
    9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237,
    // 25
    199, 207, 234, 235,
    // 26
    192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255,
    // 27
    203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254,
    // 28
    2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249,
    // 30
    10, 13, 22,
];

/// Undoes it; `None` when the bits are no code. Padding is not looked at. The output has at most 8/5 of the length.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() * 8 / 5);
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    loop {
        // `first`: the first code of the length that is reached, `at`: its symbol
        let (mut code, mut len, mut first, mut at) = (0u32, 0u8, 0u32, 0usize);
        let symbol = 'code: {
            for (next, count) in LENGTHS {
                first <<= next - len;
                while len < next {
                    let Some(bit) = bits.next() else { return Some(out) };
                    code = code << 1 | bit;
                    len += 1;
                }
                let within = code.checked_sub(first)?;
                if within < u32::from(count) {
                    break 'code SYMBOLS.get(at + within as usize)?;
                }
                first += u32::from(count);
                at += usize::from(count);
            }
            return None;
        };
        out.push(*symbol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_complete() {
        let room: u64 = LENGTHS.iter().map(|(len, count)| u64::from(*count) << (30 - len)).sum();
        assert_eq!(room + 1, 1 << 30);
        assert_eq!(LENGTHS.iter().map(|(_, count)| usize::from(*count)).sum::<usize>(), 256);
        let mut symbols = SYMBOLS;
        symbols.sort_unstable();
        assert!(symbols.iter().enumerate().all(|(at, symbol)| at == usize::from(*symbol)));
    }

    /// RFC 7541 appendix C.4 and C.6.
    #[test]
    fn examples_of_the_specification() {
        for (coded, plain) in [
            (
                &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..],
                "www.example.com",
            ),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf], "custom-value"),
            (
                &[
                    0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82, 0xae,
                    0x43, 0xd3,
                ],
                "https://www.example.com",
            ),
        ] {
            assert_eq!(decode(coded).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(decode(&[0xff; 4]), None);
        assert_eq!(decode(b""), Some(Vec::new()));
    }
}
