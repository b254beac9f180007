//! Frames of Initial packets (RFC 9000 section 12.4): what is not of the handshake is passed over.

use super::header::{Broken, Cursor};

/// Bytes of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crypto<'a> {
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
}

/// All CRYPTO frames of a payload, up to a frame that Initial packets may not have (and whose length is therefore not known).
pub(super) fn crypto(payload: &[u8]) -> Result<Vec<Crypto<'_>>, Broken> {
    let mut cursor = Cursor(payload);
    let mut found = Vec::new();
    while let Some(&first) = cursor.0.first() {
        let kind = cursor.varint()?;
        if u64::from(first) != kind {
            return Ok(found);
        }
        match kind {
            // PADDING, PING
            0 | 1 => {}
            // ACK, with and without counts of congestion marks
            2 | 3 => {
                cursor.varint()?;
                cursor.varint()?;
                let ranges = cursor.varint()?;
                cursor.varint()?;
                // each turn takes bytes
                for _ in 0..ranges {
                    cursor.varint()?;
                    cursor.varint()?;
                }
                if kind == 3 {
                    for _ in 0..3 {
                        cursor.varint()?;
                    }
                }
            }
            6 => {
                let offset = cursor.varint()?;
                let len = cursor.length()?;
                found.push(Crypto { offset, bytes: cursor.take(len)? });
            }
            _ => return Ok(found),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &[u8], expected: Result<&[(u64, &[u8])], Broken>) {
        let found = crypto(payload).map(|all| all.iter().map(|c| (c.offset, c.bytes)).collect::<Vec<_>>());
        assert_eq!(found, expected.map(<[_]>::to_vec));
    }

    #[test]
    fn handshake_bytes_are_found_between_other_frames() {
        check(b"", Ok(&[]));
        check(b"\0\0\x01\x06\0\x02ab\x06\x42\x00\x01c\0", Ok(&[(0, b"ab"), (0x200, b"c")]));
        check(b"\x02\x05\0\x01\0\x01\x01\x06\0\x01a", Ok(&[(0, b"a")]));
        check(b"\x03\x05\0\0\0\x01\x02\x03\x06\0\x01a", Ok(&[(0, b"a")]));
        // CONNECTION_CLOSE, and a type that is longer than it need be
        check(b"\x06\0\x01a\x1c\0\0\0\x06\x01\x01b", Ok(&[(0, b"a")]));
        check(b"\x40\x06\0\x01a", Ok(&[]));
        check(b"\x06\0\x05abc", Err(Broken));
        check(b"\x02\x05\0\x3f\0\x01\x01", Err(Broken));
        check(b"\xff\xff", Err(Broken));
    }
}
