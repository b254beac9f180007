//! Numbers and texts at the front of a message, in either byte order, nothing copied.

/// What is still to be read. Every step answers `None` when there is too little.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_twice_or_behind_the_end() {
        let mut reader = Reader(&[1, 0, 2, 0, 0, 0, 3, 4, 0, 9, 9]);
        assert_eq!(
            (reader.u8(), reader.u16(), reader.u32(), reader.u16_le()),
            (Some(1), Some(2), Some(3), Some(4))
        );
        assert_eq!((reader.u32(), reader.take(3), reader.take(2)), (None, None, Some(&[9, 9][..])));
        assert!(reader.is_empty() && reader.u8().is_none() && reader.take(0).is_some());
        assert_eq!(hex(b"\x00\xffa"), "00ff61");
    }

    #[test]
    fn what_is_not_there_is_none() {
        let mut reader = Reader(b"\x01\x02\x03\x04ab\0\xac\x02\x01");
        assert_eq!((reader.u16(), reader.u16_le()), (Some(0x102), Some(0x403)));
        assert_eq!((reader.text(), reader.varint(), reader.text()), (Some(&b"ab"[..]), Some(300), None));
        assert_eq!((reader.u32(), reader.u64_le(), reader.u8(), reader.u8()), (None, None, Some(1), None));
        assert_eq!(
            (Reader(&[0x80; 20]).varint(), reader.take(0), reader.take(1)),
            (None, Some(&b""[..]), None)
        );
    }
}
