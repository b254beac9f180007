//! Digests of a buffer: their bytes, not their hexadecimal form.

use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;

use super::simple;
use crate::keywords::row::{Row, row};

pub(in super::super) static TO_MD5: Row =
    row("to_md5", "The MD5 of the buffer, 16 bytes.", |o, r| simple(o, r, "to_md5", digest::<Md5>));
pub(in super::super) static TO_SHA1: Row =
    row("to_sha1", "The SHA-1 of the buffer, 20 bytes.", |o, r| simple(o, r, "to_sha1", digest::<Sha1>));
pub(in super::super) static TO_SHA256: Row =
    row("to_sha256", "The SHA-256 of the buffer, 32 bytes.", |o, r| {
        simple(o, r, "to_sha256", digest::<Sha256>)
    });

fn digest<D: md5::Digest>(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&D::digest(bytes));
}

#[cfg(test)]
mod tests {
    use crate::keywords::testing::transformed;

    /// RFC 1321, RFC 3174, FIPS 180-2: the digests of "abc".
    #[test]
    fn digests_are_those_of_their_standards() {
        for (text, start, len) in [
            ("to_md5;", [0x90, 0x01, 0x50, 0x98], 16),
            ("to_sha1;", [0xa9, 0x99, 0x3e, 0x36], 20),
            ("to_sha256;", [0xba, 0x78, 0x16, 0xbf], 32),
        ] {
            let out = transformed(text, b"abc").1;
            assert_eq!((&out[..4], out.len()), (&start[..], len), "{text}");
        }
    }
}
