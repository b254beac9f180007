//! One side's handshake, put together from CRYPTO frames of any packets in any order.
//!
//! Of bytes sent twice the first count. Bounds: [`LEN_MAX`] bytes of the handshake, as many waiting behind a hole,
//! [`PIECES_MAX`] pieces waiting.

use std::collections::BTreeMap;

use super::frames::Crypto;

/// How far into a handshake bytes are kept.
pub(super) const LEN_MAX: usize = 65_535;

/// Pieces that wait for those before them.
const PIECES_MAX: usize = 512;

/// What has arrived.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    front: Vec<u8>,
    waiting: BTreeMap<usize, Vec<u8>>,
    waiting_len: usize,
}

/// More than is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl CryptoStream {
    /// Takes a frame.
    pub(super) fn add(&mut self, frame: Crypto<'_>) -> Result<(), TooLong> {
        let offset = usize::try_from(frame.offset).map_err(|_| TooLong)?;
        if offset.checked_add(frame.bytes.len()).is_none_or(|end| end > LEN_MAX) {
            return Err(TooLong);
        }
        if offset > self.front.len() {
            return self.wait(offset, frame.bytes);
        }
        self.append(offset, frame.bytes);
        while let Some(piece) = self.waiting.first_entry().filter(|piece| *piece.key() <= self.front.len()) {
            let (offset, bytes) = piece.remove_entry();
            self.waiting_len -= bytes.len();
            self.append(offset, &bytes);
        }
        Ok(())
    }

    /// What is beyond the front; `offset` is not.
    fn append(&mut self, offset: usize, bytes: &[u8]) {
        let known = self.front.len() - offset;
        self.front.extend_from_slice(bytes.get(known..).unwrap_or_default());
    }

    fn wait(&mut self, offset: usize, bytes: &[u8]) -> Result<(), TooLong> {
        let known = self.waiting.get(&offset).map_or(0, Vec::len);
        let Some(more) = bytes.get(known..).filter(|more| !more.is_empty()) else { return Ok(()) };
        if self.waiting_len + more.len() > LEN_MAX || (known == 0 && self.waiting.len() >= PIECES_MAX) {
            return Err(TooLong);
        }
        self.waiting_len += more.len();
        self.waiting.entry(offset).or_default().extend_from_slice(more);
        Ok(())
    }

    /// The first handshake message once it is whole: its type and its body.
    pub(super) fn message(&self) -> Option<(u8, &[u8])> {
        let (&[kind, high, middle, low], body) = self.front.split_first_chunk::<4>()?;
        let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        Some((kind, body.get(..len)?))
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        self.front.capacity() + self.waiting_len + self.waiting.len() * size_of::<(usize, Vec<u8>)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(stream: &mut CryptoStream, offset: u64, bytes: &[u8]) -> Result<(), TooLong> {
        stream.add(Crypto { offset, bytes })
    }

    #[test]
    fn any_order_and_overlap_give_the_same_message() {
        const MESSAGE: &[u8] = b"\x01\0\0\x08abcdefgh";
        for order in
            [&[0..6, 6..12][..], &[0..5, 5..12], &[5..12, 0..5], &[8..12, 3..9, 0..4], &[0..7, 2..5, 4..12]]
        {
            let mut stream = CryptoStream::default();
            for (nth, piece) in order.iter().enumerate() {
                assert!(stream.message().is_none(), "{order:?} {nth}");
                add(&mut stream, piece.start as u64, &MESSAGE[piece.clone()]).unwrap();
            }
            assert_eq!(stream.message(), Some((1, &MESSAGE[4..])), "{order:?}");
            assert_eq!(stream.waiting_len, 0);
        }
    }

    #[test]
    fn what_came_first_counts() {
        let mut stream = CryptoStream::default();
        add(&mut stream, 0, b"\x01\0\0\x03a").unwrap();
        add(&mut stream, 0, b"\x01\0\0\x03zbc").unwrap();
        assert_eq!(stream.message(), Some((1, &b"abc"[..])));
    }

    #[test]
    fn there_is_a_limit_to_length_and_pieces() {
        let mut stream = CryptoStream::default();
        assert_eq!(add(&mut stream, 65_535, b"a"), Err(TooLong));
        assert_eq!(add(&mut stream, u64::MAX, b"a"), Err(TooLong));
        assert_eq!(add(&mut stream, 65_534, b"a"), Ok(()));
        let fitting = (0..2000).filter(|at| add(&mut stream, 10 + 3 * at, b"a").is_ok()).count();
        assert_eq!(fitting, PIECES_MAX - 1);
        // repeating is no more
        assert_eq!(add(&mut stream, 65_534, b"a"), Ok(()));
        let mut stream = CryptoStream::default();
        let piece = vec![0; 60_000];
        let fitting = (1..100).filter(|at| add(&mut stream, *at, &piece).is_ok()).count();
        assert_eq!(fitting, 1);
        assert!(stream.memory() < 200_000);
    }
}
