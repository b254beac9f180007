//! What a file is by its first bytes, in the words of libmagic 5.44: `filemagic:"PDF document"` asks for them.
//!
//! Not libmagic and not its database: the types that rules ask for and that malware comes in, with the details that stand
//! in the first [`HEAD_MAX`] bytes. What follows further on in a file (a build id, a page count) is left out of the text,
//! and what is not known here is `data` or a kind of text. The texts were compared with those of `file` over sample files;
//! none of its rules were copied.
//!
//! Knows nothing of rules and protocols. Work is linear in the bytes given, which are at most [`HEAD_MAX`].

mod binary;
mod executable;
mod text;

/// Bytes of a file that are looked at.
pub const HEAD_MAX: usize = 4096;

/// The text for a file that begins with these bytes.
pub fn describe(head: &[u8]) -> String {
    let head = head.get(..HEAD_MAX).unwrap_or(head);
    match head {
        [] => "empty".to_owned(),
        [_] => "very short file (no magic)".to_owned(),
        _ => executable::describe(head)
            .or_else(|| binary::describe(head))
            .or_else(|| text::describe(head))
            .unwrap_or_else(|| "data".to_owned()),
    }
}

/// Numbers at an offset; `None` beyond the end.
struct At<'b>(&'b [u8]);

impl At<'_> {
    fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn u16(&self, at: usize, big: bool) -> Option<u16> {
        let bytes = *self.0.get(at..)?.first_chunk::<2>()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize, big: bool) -> Option<u32> {
        let bytes = *self.0.get(at..)?.first_chunk::<4>()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&self, at: usize, big: bool) -> Option<u64> {
        let bytes = *self.0.get(at..)?.first_chunk::<8>()?;
        Some(if big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    fn starts(&self, at: usize, what: &[u8]) -> bool {
        self.0.get(at..).is_some_and(|rest| rest.starts_with(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a PE file.
    fn pe(magic: u16, machine: u16, characteristics: u16, subsystem: u16) -> Vec<u8> {
        let mut bytes = vec![0; 0x200];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x80;
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        bytes[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        bytes[0x86] = 5;
        bytes[0x96..0x98].copy_from_slice(&characteristics.to_le_bytes());
        bytes[0x98..0x9a].copy_from_slice(&magic.to_le_bytes());
        bytes[0xdc..0xde].copy_from_slice(&subsystem.to_le_bytes());
        bytes
    }

    fn check(head: &[u8], expected: &str) {
        assert_eq!(describe(head), expected, "{}", head[..head.len().min(24)].escape_ascii());
    }

    #[test]
    fn executables() {
        check(&pe(0x10b, 0x14c, 0x102, 2), "PE32 executable (GUI) Intel 80386, for MS Windows, 5 sections");
        check(
            &pe(0x10b, 0x14c, 0x2102, 3),
            "PE32 executable (DLL) (console) Intel 80386, for MS Windows, 5 sections",
        );
        check(&pe(0x20b, 0x8664, 0x22, 3), "PE32+ executable (console) x86-64, for MS Windows, 5 sections");
        check(b"MZ\x90\0", "MS-DOS executable");
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
        elf.resize(64, 0);
        check(&elf, "ELF 64-bit LSB executable, x86-64, version 1 (SYSV), statically linked");
        check(b"\xca\xfe\xba\xbe\0\0\0\x32\0\x10", "compiled Java class data, version 50.0 (Java 1.6)");
    }

    #[test]
    fn documents_pictures_archives() {
        check(b"%PDF-1.5\n%\xe2\xe3", "PDF document, version 1.5");
        check(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x24\0\0\0\x24\x08\x06\0\0\0",
            "PNG image data, 36 x 36, 8-bit/color RGBA, non-interlaced",
        );
        check(b"GIF89a\x01\0\x01\0\x80", "GIF image data, version 89a, 1 x 1");
        check(
            b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0",
            "JPEG image data, JFIF standard 1.01, aspect ratio, density 1x1, segment length 16",
        );
        check(
            b"PK\x03\x04\x14\0\0\0\x08\0aaaaaaaaaaaaaaaa\x01\0\0\0x",
            "Zip archive data, at least v2.0 to extract, compression method=deflate",
        );
        check(b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "gzip compressed data, from Unix");
        check(b"7z\xbc\xaf\x27\x1c\0\x04", "7-zip archive data, version 0.4");
        check(b"{\\rtf1\\ansi", "Rich Text Format data, version 1, ANSI");
        check(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "Composite Document File V2 Document");
    }

    #[test]
    fn texts() {
        check(b"", "empty");
        check(b"a", "very short file (no magic)");
        check(b"hello\nworld\n", "ASCII text");
        check(b"hello\r\nworld\r\n", "ASCII text, with CRLF line terminators");
        check(b"hello", "ASCII text, with no line terminators");
        check("h\u{e9}llo\n".as_bytes(), "Unicode text, UTF-8 text");
        check(b"<html><body>x</body></html>\n", "HTML document, ASCII text");
        check(b"<?xml version=\"1.0\"?>\n<a/>\n", "XML 1.0 document, ASCII text");
        check(b"#!/bin/sh\necho\n", "POSIX shell script, ASCII text executable");
        check(b"#!/usr/bin/env python3\nx\n", "Python script, ASCII text executable");
        check(b"\x00\x01\x02\x03\x04\x05", "data");
    }

    #[test]
    fn any_bytes_have_a_text() {
        let mut state = 7u32;
        let seeds: [&[u8]; 9] = [
            &pe(0x10b, 0x14c, 2, 2),
            b"\x7fELF\x01\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0\0\0\0\0\0\0\x34\0\0\0\0\0\x34\0\x20\0\x09",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x24\0\0\0\x24\x08\x06\0\0\0",
            b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08\0\x10\0\x10\x03",
            b"PK\x03\x04\x14\0\0\0\x08\0aaaaaaaaaaaaaaaa\x13\0\0\0[Content_Types].xmlPK\x03\x04word/",
            b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0",
            b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0",
            b"\x1f\x8b\x08\x08\0\0\0\0\0\x03name.txt\0",
            b"<!DOCTYPE html>\r\n<a>",
        ];
        for seed in seeds {
            for cut in 0..seed.len() {
                assert!(!describe(&seed[..cut]).is_empty());
            }
            for _ in 0..400 {
                let mut bytes = seed.to_vec();
                for _ in 0..3 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = (state >> 8) as usize % bytes.len();
                    bytes[at] = (state >> 24) as u8;
                }
                assert!(!describe(&bytes).is_empty());
            }
        }
    }
}
