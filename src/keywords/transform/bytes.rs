//! Transforms of single bytes and lines.

use std::sync::Arc;

use super::{add, simple};
use crate::detect::RuleBuilder;
use crate::detect::inspect::ops::Transform;
use crate::keywords::row::{Row, row, value};
use crate::rules::value::quoted;
use crate::rules::{OptionAst, RuleError};

pub(in super::super) static DOTPREFIX: Row =
    row("dotprefix", "A dot before the buffer, so that .example.com is looked for with its dot.", |o, r| {
        simple(o, r, "dotprefix", dotprefix)
    });
pub(in super::super) static STRIP_WHITESPACE: Row =
    row("strip_whitespace", "The buffer without blanks.", |o, r| {
        simple(o, r, "strip_whitespace", strip_whitespace)
    });
pub(in super::super) static COMPRESS_WHITESPACE: Row =
    row("compress_whitespace", "Each run of blanks becomes one space.", |o, r| {
        simple(o, r, "compress_whitespace", compress_whitespace)
    });
pub(in super::super) static TO_LOWERCASE: Row =
    row("to_lowercase", "The buffer in lower case.", |o, r| simple(o, r, "to_lowercase", to_lowercase));
pub(in super::super) static TO_UPPERCASE: Row =
    row("to_uppercase", "The buffer in upper case.", |o, r| simple(o, r, "to_uppercase", to_uppercase));
pub(in super::super) static HEADER_LOWERCASE: Row =
    row("header_lowercase", "Names of headers in lower case, their values as they are.", |o, r| {
        simple(o, r, "header_lowercase", header_lowercase)
    });
pub(in super::super) static STRIP_PSEUDO_HEADERS: Row =
    row("strip_pseudo_headers", "The headers without those of HTTP/2 that begin with a colon.", |o, r| {
        simple(o, r, "strip_pseudo_headers", strip_pseudo_headers)
    });
pub(in super::super) static XOR: Row = row("xor", "The buffer combined with a key in hexadecimal.", xor);

fn dotprefix(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'.');
    out.extend_from_slice(bytes);
}

/// As C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn strip_whitespace(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().filter(|byte| !is_space(**byte)));
}

fn compress_whitespace(bytes: &[u8], out: &mut Vec<u8>) {
    let mut before = false;
    for &byte in bytes {
        let space = is_space(byte);
        if !space {
            out.push(byte);
        } else if !before {
            out.push(b' ');
        }
        before = space;
    }
}

fn to_lowercase(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().map(u8::to_ascii_lowercase));
}

fn to_uppercase(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().map(u8::to_ascii_uppercase));
}

/// Everything up to the first colon of each line.
fn header_lowercase(bytes: &[u8], out: &mut Vec<u8>) {
    let mut in_name = true;
    // a colon that begins a line belongs to the name of a pseudo header
    let mut begins = true;
    for &byte in bytes {
        out.push(if in_name { byte.to_ascii_lowercase() } else { byte });
        match byte {
            b'\n' => (in_name, begins) = (true, true),
            b':' if !begins => in_name = false,
            _ => begins = false,
        }
    }
}

fn strip_pseudo_headers(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.first() != Some(&b':') {
            out.extend_from_slice(line);
        }
    }
}

/// `xor`
#[derive(Debug)]
struct Xor(Box<[u8]>);

impl Transform for Xor {
    fn identity(&self) -> String {
        self.0.iter().fold("xor:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend(bytes.iter().zip(self.0.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
}

fn xor(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let text = quoted(&value(option)?)?.text;
    let digits = text.node.as_bytes();
    let valid = !digits.is_empty() && digits.len() % 2 == 0 && digits.iter().all(u8::is_ascii_hexdigit);
    if !valid {
        return Err(text.error("a key is hexadecimal, two digits a byte").hint("write xor:\"0d0ac8ff\";"));
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
    let key = digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect();
    add(option, rule, Arc::new(Xor(key)))
}

#[cfg(test)]
mod tests {
    use crate::keywords::testing::transformed;

    #[test]
    fn bytes_are_changed() {
        for (text, bytes, expected) in [
            ("dotprefix;", &b"a.com"[..], &b".a.com"[..]),
            ("dotprefix;", b"", b"."),
            ("strip_whitespace;", b" a\t\r\nb\x0b\x0cc ", b"abc"),
            ("compress_whitespace;", b"  a\t\r\nb c ", b" a b c "),
            ("to_lowercase;", b"aBC\xc4", b"abc\xc4"),
            ("to_uppercase;", b"aBc\xe4", b"ABC\xe4"),
            ("xor:\"0D0a\";", b"\x0d\x0a\x00", b"\x00\x00\x0d"),
            ("header_lowercase;", b"Host: A\r\nX-Y:Z: B\r\n:Path: C", b"host: A\r\nx-y:Z: B\r\n:path: C"),
            ("strip_pseudo_headers;", b":method: GET\r\nhost: a\r\n:path: /", b"host: a\r\n"),
        ] {
            assert_eq!(transformed(text, bytes).1, expected, "{text}");
        }
    }
}
