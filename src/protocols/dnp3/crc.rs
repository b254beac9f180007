//! The checksum of DNP3: CRC-16 with the polynomial 0x3d65, reflected, complemented.

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xa6bc } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// Of those bytes.
pub(super) fn of(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0u16, |crc, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

/// Whether the last two bytes are the checksum of those before.
pub(super) fn holds(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<2>().is_some_and(|(bytes, crc)| of(bytes) == u16::from_le_bytes(*crc))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_known_header_holds() {
        // CRC-16/DNP's check value
        assert_eq!(super::of(b"123456789"), 0xea82);
        assert!(super::holds(b"123456789\x82\xea") && !super::holds(b"x\0\0") && !super::holds(b"\0"));
    }
}
