//! The client hello of Google's own QUIC, which is in the clear: tags with values (CHLO), in a frame of stream 1.

use md5::{Digest as _, Md5};
use std::fmt::Write as _;

use super::header::{Broken, Cursor};
use super::version::Version;

/// Tags read of one hello.
const TAGS_MAX: usize = 128;

/// What is kept of a client hello.
#[derive(Clone, Debug, Default)]
pub(super) struct Chlo {
    pub(super) sni: Option<Vec<u8>>,
    pub(super) user_agent: Option<Vec<u8>>,
    /// The fingerprint, of versions that have one: its text and MD5 in lower-case hexadecimal.
    pub(super) cyu: Option<(String, String)>,
}

/// The client hello in the frames of a packet, behind its number: 12 bytes of hash, then frames.
pub(super) fn hello(version: Version, number_len: usize, body: &[u8]) -> Option<Chlo> {
    let mut cursor = Cursor(body.get(12..)?);
    while let Ok(kind) = cursor.byte() {
        match frame(kind, number_len, &mut cursor) {
            Ok(Some(data)) if data.starts_with(b"CHLO") => return Chlo::read(version, data).ok(),
            Ok(_) => {}
            Err(Broken) => return None,
        }
    }
    None
}

/// Takes one frame; the data when it is one of a stream.
fn frame<'a>(kind: u8, number_len: usize, cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Broken> {
    if kind & 0x80 != 0 {
        // 1FDOOOSS
        cursor.take(usize::from(kind & 3) + 1)?;
        let offset = usize::from(kind >> 2 & 7);
        cursor.take(if offset == 0 { 0 } else { offset + 1 })?;
        let len = if kind & 0x20 != 0 { word(cursor)? } else { cursor.0.len() };
        return cursor.take(len).map(Some);
    }
    if kind & 0x40 != 0 {
        // 01NTLLMM
        let size = |bits: u8| [1, 2, 4, 6][usize::from(bits & 3)];
        cursor.take(size(kind >> 2) + 2)?;
        let blocks = if kind & 0x20 != 0 { usize::from(cursor.byte()?) } else { 0 };
        cursor.take(size(kind) + blocks * (1 + size(kind)))?;
        let times = usize::from(cursor.byte()?);
        cursor.take(if times == 0 { 0 } else { 5 + (times - 1) * 3 })?;
        return Ok(None);
    }
    match kind {
        // PADDING, PING
        0 | 7 => Ok(None),
        // STOP_WAITING
        6 => cursor.take(number_len).map(|_| None),
        _ => Err(Broken),
    }
}

fn word(cursor: &mut Cursor<'_>) -> Result<usize, Broken> {
    let bytes = cursor.take(2)?;
    bytes.try_into().map(|bytes| usize::from(u16::from_be_bytes(bytes))).map_err(|_| Broken)
}

fn little(cursor: &mut Cursor<'_>) -> Result<usize, Broken> {
    let bytes: [u8; 4] = cursor.take(4)?.try_into().map_err(|_| Broken)?;
    usize::try_from(u32::from_le_bytes(bytes)).map_err(|_| Broken)
}

impl Chlo {
    /// `CHLO`, a count, then for each tag its name and where its value ends, then the values.
    fn read(version: Version, message: &[u8]) -> Result<Self, Broken> {
        let mut cursor = Cursor(message);
        cursor.take(4)?;
        let count = little(&mut cursor)? & 0xffff;
        if count > TAGS_MAX {
            return Err(Broken);
        }
        let mut tags = Cursor(cursor.take(count * 8)?);
        let values = cursor.0;
        let mut hello = Chlo::default();
        let mut names = String::new();
        let mut start = 0;
        while !tags.0.is_empty() {
            let tag = tags.take(4)?;
            let end = little(&mut tags)?;
            let value = values.get(start..end).unwrap_or_default();
            start = end;
            match tag {
                b"SNI\0" => hello.sni = Some(value.to_vec()),
                b"UAID" => hello.user_agent = Some(value.to_vec()),
                _ => {}
            }
            let name = tag.iter().rposition(|byte| *byte != 0).and_then(|last| tag.get(..=last));
            let _ = write!(
                names,
                "{}{}",
                if names.is_empty() { "" } else { "-" },
                String::from_utf8_lossy(name.unwrap_or_default())
            );
        }
        hello.cyu = version.cyu().map(|digits| {
            let text = format!("{digits},{names}");
            let mut hash = String::with_capacity(32);
            for byte in Md5::digest(&text) {
                let _ = write!(hash, "{byte:02x}");
            }
            (text, hash)
        });
        Ok(hello)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A hello with those tags.
    pub(in super::super) fn chlo(tags: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut message = b"CHLO".to_vec();
        message.extend_from_slice(&(tags.len() as u32).to_le_bytes());
        let mut end = 0u32;
        for (tag, value) in tags {
            end += value.len() as u32;
            message.extend_from_slice(*tag);
            message.extend_from_slice(&end.to_le_bytes());
        }
        message.extend(tags.iter().flat_map(|(_, value)| value.iter().copied()));
        message
    }

    /// In a packet's body.
    pub(in super::super) fn body(before: &[u8], message: &[u8]) -> Vec<u8> {
        let len = (message.len() as u16).to_be_bytes();
        [&[0x55; 12][..], before, &[0xa0, 1], &len, message, &[0; 20]].concat()
    }

    #[test]
    fn a_client_hello_is_found_behind_other_frames() {
        let message = chlo(&[(b"PAD\0", b"----"), (b"SNI\0", b"a.example"), (b"UAID", b"agent")]);
        for before in [&b""[..], b"\0\0\x07", b"\x40\x02\x1a\x6e\x02\0", b"\x06\x01"] {
            let hello = hello(Version(0x5130_3436), 1, &body(before, &message)).unwrap();
            assert_eq!(hello.sni.as_deref(), Some(&b"a.example"[..]));
            assert_eq!(hello.user_agent.as_deref(), Some(&b"agent"[..]));
            assert_eq!(hello.cyu.unwrap().0, "46,PAD-SNI-UAID");
        }
        assert!(hello(Version(0x5130_3339), 1, &body(b"", &message)).unwrap().cyu.is_none());
    }

    #[test]
    fn lengths_that_lie_are_survived() {
        let message = chlo(&[(b"SNI\0", b"a"), (b"UAID", b"b")]);
        for cut in 0..message.len() {
            let _ = hello(Version(0x5130_3436), 1, &body(b"", &message[..cut]));
        }
        let mut lying = chlo(&[(b"SNI\0", b"abc"), (b"UAID", b"")]);
        lying[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let hello = hello(Version(0x5130_3436), 1, &body(b"", &lying)).unwrap();
        assert_eq!(hello.sni.as_deref(), Some(&b""[..]));
        lying[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(super::hello(Version(0x5130_3436), 1, &body(b"", &lying)).is_none());
    }
}
