//! The Internet checksum (RFC 1071).

/// A running sum. In memory order rather than network order: the carry wraps around, so only the end needs a fold.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even offset of what is summed; an odd one at the end is padded with zero.
    #[inline]
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Sum {
        // Four independent sums of 32-bit words: the compiler makes vector additions of them.
        let mut lanes = [0u64; 4];
        let mut blocks = bytes.chunks_exact(16);
        for block in &mut blocks {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(4)) {
                *lane += u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
            }
        }
        self.0 += lanes.iter().sum::<u64>();
        let mut pairs = blocks.remainder().chunks_exact(2);
        for pair in &mut pairs {
            self.0 += u64::from(u16::from_ne_bytes([pair[0], pair[1]]));
        }
        if let [last] = pairs.remainder() {
            self.0 += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        self
    }

    /// Adds a number of 16 bits.
    #[inline]
    pub(super) fn word(mut self, word: u16) -> Sum {
        self.0 += u64::from(u16::from_ne_bytes(word.to_be_bytes()));
        self
    }

    /// Whether the sum over data that holds its own checksum is right.
    #[inline]
    pub(super) fn is_right(self) -> bool {
        self.fold() == 0xffff
    }

    /// The checksum field that makes the sum right, as bytes of the packet.
    pub(super) fn complement(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_1071_example() {
        // Section 3: the sum of these is ddf2, so its complement 220d makes it right.
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().bytes(&data).fold().to_ne_bytes(), [0xdd, 0xf2]);
        assert!(Sum::default().bytes(&data).word(0x220d).is_right());
        assert!(!Sum::default().bytes(&data).word(0x220e).is_right());
    }

    #[test]
    fn as_a_plain_loop_for_every_length() {
        let data: Vec<u8> = (0..200u32).map(|i| (i * 37 + 11) as u8).collect();
        for len in 0..data.len() {
            let mut plain = 0u32;
            for pair in data[..len].chunks(2) {
                plain += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            }
            while plain > 0xffff {
                plain = (plain & 0xffff) + (plain >> 16);
            }
            assert_eq!(Sum::default().bytes(&data[..len]).fold().to_ne_bytes(), (plain as u16).to_be_bytes());
        }
    }
}
