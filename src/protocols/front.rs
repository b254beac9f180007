//! Numbers and texts at the front of a message, in either byte order. Everything is `None` once there is too little.

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front<'a>(pub(super) &'a [u8]);

impl<'a> Front<'a> {
    /// So many bytes.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn u16_le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64_le(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Text up to a zero, which is taken too.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }

    /// A number of seven bits a byte, the lowest first (protocol buffers, Kafka's compact lengths).
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for at in 0..10 {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f).checked_shl(7 * at).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Front;

    #[test]
    fn what_is_not_there_is_none() {
        let mut front = Front(b"\x01\x02\x03\x04ab\0\xac\x02\x01");
        assert_eq!((front.u16(), front.u16_le()), (Some(0x102), Some(0x403)));
        assert_eq!((front.text(), front.varint(), front.text()), (Some(&b"ab"[..]), Some(300), None));
        assert_eq!((front.u32(), front.u64_le(), front.u8(), front.u8()), (None, None, Some(1), None));
        assert_eq!((Front(&[0x80; 20]).varint(), front.take(0), front.take(1)), (None, Some(&b""[..]), None));
    }
}
