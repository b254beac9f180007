//! Transforms that undo an encoding.

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::{OUTPUT_MAX, add};
use crate::detect::RuleBuilder;
use crate::detect::inspect::ops::Transform;
use crate::keywords::base64::decode_prefix;
use crate::keywords::pcre::expression::{Expression, Flags};
use crate::keywords::row::{Row, choice, row, value};
use crate::rules::number::unsigned;
use crate::rules::value::{Pair, pairs, quoted};
use crate::rules::{OptionAst, RuleError};

pub(in super::super) static URL_DECODE: Row =
    row("url_decode", "Percent escapes and plus signs are decoded.", |o, r| {
        super::simple(o, r, "url_decode", url_decode)
    });
pub(in super::super) static FROM_BASE64: Row =
    row("from_base64", "The buffer is decoded as base64.", from_base64);
pub(in super::super) static GUNZIP: Row = row("gunzip", "The buffer is decompressed as gzip.", gunzip);
pub(in super::super) static ZLIB_DEFLATE: Row =
    row("zlib_deflate", "The buffer is decompressed as zlib's deflate.", zlib_deflate);
pub(in super::super) static PCREXFORM: Row =
    row("pcrexform", "The buffer becomes what an expression's only group captures of it.", pcrexform);

fn nibble(byte: Option<&u8>) -> Option<u8> {
    char::from(*byte?).to_digit(16).map(|digit| digit as u8)
}

fn url_decode(bytes: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match (nibble(bytes.get(at)), nibble(bytes.get(at + 1))) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    at += 2;
                }
                _ => out.push(byte),
            },
            _ => out.push(byte),
        }
    }
}

/// What base64 may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Other bytes between are left out (RFC 2045).
    Rfc2045,
    /// Decoding ends at the first other byte (RFC 4648).
    Rfc4648,
    /// All of it must be base64.
    Strict,
}

#[derive(Debug)]
struct FromBase64 {
    bytes: usize,
    offset: usize,
    mode: Mode,
}

const STRICT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

impl Transform for FromBase64 {
    fn identity(&self) -> String {
        format!("from_base64:{},{},{:?}", self.bytes, self.offset, self.mode)
    }

    /// What cannot be decoded stays as it is.
    fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let part = bytes.get(self.offset..).unwrap_or(&[]);
        let part = match self.bytes {
            0 => part,
            most => &part[..part.len().min(most)],
        };
        match self.mode {
            Mode::Rfc2045 => {
                let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
                let until = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
                let kept: Vec<u8> = part[..until].iter().copied().filter(valid).collect();
                decode_prefix(&kept, out);
            }
            Mode::Rfc4648 => decode_prefix(part, out),
            Mode::Strict => {
                if STRICT.decode_vec(part, out).is_err() {
                    out.clear();
                }
            }
        }
        if out.is_empty() {
            out.extend_from_slice(bytes);
        }
    }
}

fn from_base64(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let mut transform = FromBase64 { bytes: 0, offset: 0, mode: Mode::Rfc4648 };
    if option.value.is_some() {
        for pair in pairs(&value(option)?)? {
            match pair.key.node {
                "bytes" => transform.bytes = size(&pair)?,
                "offset" => transform.offset = size(&pair)?,
                "mode" => {
                    let modes =
                        [("rfc2045", Mode::Rfc2045), ("rfc4648", Mode::Rfc4648), ("strict", Mode::Strict)];
                    transform.mode = choice(pair.required()?, "a mode of base64", &modes)?;
                }
                _ => {
                    let hint = "one of bytes N, offset N, mode NAME";
                    return Err(pair.key.error("not an option of from_base64").hint(hint));
                }
            }
        }
    }
    add(option, rule, Arc::new(transform))
}

fn size(pair: &Pair<'_>) -> Result<usize, RuleError> {
    Ok(unsigned(pair.required()?, u64::from(u16::MAX))? as usize)
}

/// `gunzip`, `zlib_deflate`
#[derive(Debug)]
struct Inflate {
    name: &'static str,
    max: usize,
    gzip: bool,
}

impl Transform for Inflate {
    fn identity(&self) -> String {
        format!("{}:{}", self.name, self.max)
    }

    /// As much as can be read, up to the cap; nothing when it is not compressed so.
    fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) {
        let most = self.max as u64;
        // a broken end does not undo what came before it
        let _ = match self.gzip {
            true => flate2::read::GzDecoder::new(bytes).take(most).read_to_end(out),
            false => flate2::read::ZlibDecoder::new(bytes).take(most).read_to_end(out),
        };
    }
}

fn gunzip(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    inflate(option, rule, "gunzip", true)
}

fn zlib_deflate(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    inflate(option, rule, "zlib_deflate", false)
}

/// Bytes that are decompressed when the rule does not say.
const INFLATE_DEFAULT: usize = 1024;

fn inflate(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    name: &'static str,
    gzip: bool,
) -> Result<(), RuleError> {
    let mut max = INFLATE_DEFAULT;
    if option.value.is_some() {
        for pair in pairs(&value(option)?)? {
            if pair.key.node != "max-size" {
                return Err(pair.key.error(format!("not an option of {name}")).hint("max-size N"));
            }
            max = unsigned(pair.required()?, OUTPUT_MAX as u64)? as usize;
        }
    }
    add(option, rule, Arc::new(Inflate { name, max, gzip }))
}

/// `pcrexform`
#[derive(Debug)]
struct PcreXform {
    text: Box<str>,
    expression: Expression,
}

impl Transform for PcreXform {
    fn identity(&self) -> String {
        format!("pcrexform:{}", self.text)
    }

    /// Without a match, or when the group holds nothing, the buffer stays as it is.
    fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(
            self.expression.capture(bytes).filter(|part| !part.is_empty()).unwrap_or(bytes),
        );
    }
}

fn pcrexform(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let text = quoted(&value(option)?)?.text;
    let expression = Expression::new(&text, Flags::default(), rule.environment.pcre_limits)?;
    match expression.captures() {
        1 => add(option, rule, Arc::new(PcreXform { text: text.node.into(), expression })),
        other => Err(text
            .error(format!("pcrexform needs one captured group, here are {other}"))
            .hint("put ( ) around the part to keep, and (?: ) around others")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crate::keywords::testing::transformed;

    #[test]
    fn encodings_are_undone() {
        for (text, bytes, expected) in [
            ("url_decode;", &b"a%41+b%4%zz%"[..], &b"aA b%4%zz%"[..]),
            ("from_base64;", b"MTIz*NDU2", b"123"),
            ("from_base64:mode rfc2045;", b"MT\r\nIz NDU2=x", b"123456"),
            ("from_base64:mode strict;", b"MTIzNA==", b"1234"),
            ("from_base64:mode strict;", b"MTIzNA", b"MTIzNA"),
            ("from_base64:bytes 4, offset 2;", b"xxMTIzNDU2", b"123"),
            ("from_base64:offset 20;", b"*", b"*"),
            ("pcrexform:\"[a-z]+\\s+(.*)\\s+HTTP\";", b"get /x HTTP", b"/x"),
            ("pcrexform:\"[a-z]+\\s+(.*)\\s+HTTP\";", b"none", b"none"),
            ("pcrexform:\"/(x*)\";", b"/abc", b"/abc"),
        ] {
            assert_eq!(transformed(text, bytes).1, expected, "{text}");
        }
    }

    #[test]
    fn decompression_is_capped() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&[7; 100_000]).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(b"hello").unwrap();
        let zlib = zlib.finish().unwrap();
        assert_eq!(transformed("gunzip;", &gzip).1, [7; 1024]);
        assert_eq!(transformed("gunzip:max-size 5000;", &gzip).1, [7; 5000]);
        assert_eq!(transformed("gunzip;", &zlib).1, b"");
        assert_eq!(transformed("zlib_deflate;", &zlib).1, b"hello");
        assert_eq!(transformed("zlib_deflate;", &zlib[..zlib.len() - 2]).1, b"hello");
    }
}
