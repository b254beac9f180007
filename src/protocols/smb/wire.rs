//! Little-endian numbers and texts of messages.

/// Bytes of a name that are kept.
pub(super) const NAME_MAX: usize = 4096;

/// Reads from the front; everything is `None` once there is too little.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
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
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn guid(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    /// Text up to a zero, in two-byte or one-byte characters; all that is there when no zero comes.
    pub(super) fn text(&mut self, unicode: bool) -> Vec<u8> {
        if unicode {
            let end = self.0.chunks_exact(2).position(|pair| pair == [0, 0]);
            let len = end.map_or(self.0.len() & !1, |at| at * 2);
            let text = self.0.get(..len).unwrap_or_default();
            self.0 = self.0.get(len + 2..).unwrap_or_default();
            narrow(text)
        } else {
            let end = memchr::memchr(0, self.0);
            let len = end.unwrap_or(self.0.len());
            let text = self.0.get(..len.min(NAME_MAX)).unwrap_or_default().to_vec();
            self.0 = self.0.get(len + 1..).unwrap_or_default();
            text
        }
    }
}

/// The low bytes of two-byte characters: names in rules are written in one-byte characters.
pub(super) fn narrow(text: &[u8]) -> Vec<u8> {
    text.chunks_exact(2).take(NAME_MAX).map(|pair| pair[0]).collect()
}

/// Those of a name of that form, without a zero at its end.
pub(super) fn name(bytes: &[u8], unicode: bool) -> Vec<u8> {
    let mut name = match unicode {
        true => narrow(bytes),
        false => bytes.get(..bytes.len().min(NAME_MAX)).unwrap_or_default().to_vec(),
    };
    while name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// Seconds since 1970 of a time of Windows (100 ns since 1601); 0 for none.
pub(super) fn seconds(time: u64) -> i64 {
    const EPOCH: i64 = 11_644_473_600;
    match time {
        0 => 0,
        time => i64::try_from(time / 10_000_000).unwrap_or(i64::MAX) - EPOCH,
    }
}

/// A GUID as EVE has it: all its numbers are little-endian.
pub(super) struct Guid<'a>(pub(super) &'a [u8; 16]);

impl std::fmt::Display for Guid<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 9, 8, 11, 10, 15, 14, 13, 12];
        for (at, place) in ORDER.into_iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[place])?;
        }
        Ok(())
    }
}
