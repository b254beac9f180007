//! `base64_decode` and the buffer it makes, `base64_data`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

use super::row::{Row, bare, row, value};
use crate::detect::inspect::ops::{Op, Test, View};
use crate::detect::{BufferId, RuleBuilder};
use crate::rules::number::unsigned;
use crate::rules::value::pairs;
use crate::rules::{OptionAst, RuleError};

pub(super) static BASE64_DECODE: Row = row(
    "base64_decode",
    "Decodes base64 in the buffer in force; base64_data looks into the result.",
    base64_decode,
);
pub(super) static BASE64_DATA: Row = row("base64_data", "What base64_decode made.", base64_data);

/// A sextet more or less at the end does no harm.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// Appends what the base64 at the start of `bytes` stands for: up to the first byte that is none.
pub(super) fn decode_prefix(bytes: &[u8], out: &mut Vec<u8>) {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut len = bytes.iter().position(|byte| !valid(byte)).unwrap_or(bytes.len());
    if len % 4 == 1 {
        // six bits are no byte
        len -= 1;
    }
    // cannot fail: the alphabet and the length were checked
    let _ = LENIENT.decode_vec(&bytes[..len], out);
}

#[derive(Debug)]
struct Decode {
    /// Bytes of base64, 0 for all there are.
    bytes: usize,
    offset: usize,
    relative: bool,
}

impl Test for Decode {
    fn test(&self, view: &mut View<'_>) -> bool {
        let from = if self.relative { view.at } else { 0 };
        let Some(bytes) = from.checked_add(self.offset).and_then(|at| view.bytes.get(at..)) else {
            return false;
        };
        let bytes = match self.bytes {
            0 => bytes,
            most => &bytes[..bytes.len().min(most)],
        };
        view.decoded.clear();
        decode_prefix(bytes, view.decoded);
        !view.decoded.is_empty()
    }

    fn is_relative(&self) -> bool {
        self.relative
    }
}

fn base64_decode(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let mut decode = Decode { bytes: 0, offset: 0, relative: false };
    if option.value.is_some() {
        for pair in pairs(&value(option)?)? {
            match (pair.key.node, &pair.value) {
                ("bytes", _) => decode.bytes = unsigned(pair.required()?, u64::from(u16::MAX))? as usize,
                ("offset", _) => decode.offset = unsigned(pair.required()?, u64::from(u16::MAX))? as usize,
                ("relative", None) => decode.relative = true,
                _ => {
                    let hint = "one of bytes N, offset N, relative";
                    return Err(pair.key.error("not an option of base64_decode").hint(hint));
                }
            }
        }
    }
    rule.once("base64_decode");
    rule.push_relative(Op::Test(Box::new(decode)));
    Ok(())
}

fn base64_data(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    if !rule.has("base64_decode") {
        return Err(option
            .name
            .error("base64_data stands before any base64_decode")
            .hint("write base64_decode; before it"));
    }
    rule.select(BufferId::BASE64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, with};
    use super::*;

    fn decoded(option: &str, bytes: &[u8], at: usize) -> Option<Vec<u8>> {
        with(option, |rule| {
            let rule = rule.unwrap();
            let Op::Test(test) = &rule.parts[0].ops[0] else { panic!() };
            let mut out = b"old".to_vec();
            let (from_start, to_end) = (true, true);
            let mut view = View {
                bytes,
                at,
                offset: 0,
                from_start,
                to_end,
                little: true,
                vars: &mut [],
                decoded: &mut out,
            };
            test.test(&mut view).then_some(out)
        })
    }

    #[test]
    fn base64_is_decoded_up_to_what_is_none() {
        for (option, bytes, at, expected) in [
            ("base64_decode;", &b"MTIzNDU2Nzg5MA=="[..], 0, Some(&b"1234567890"[..])),
            ("base64_decode;", b"MTIz*NDU2", 0, Some(b"123")),
            ("base64_decode;", b"MTIz\r\nNDU2", 0, Some(b"123")),
            ("base64_decode;", b"MTIzN", 0, Some(b"123")),
            ("base64_decode;", b"MTIzND", 0, Some(b"1234")),
            ("base64_decode;", b"MTIz-_", 0, Some(b"123")),
            ("base64_decode;", b"MT", 0, Some(b"1")),
            ("base64_decode;", b"MTI", 0, Some(b"12")),
            ("base64_decode;", b"M", 0, None),
            ("base64_decode;", b"  MTIz", 0, None),
            ("base64_decode;", b"*MTIz", 0, None),
            ("base64_decode;", b"", 0, None),
            ("base64_decode:offset 4;", b"abc MTIz", 0, Some(b"123")),
            ("base64_decode:offset 200;", b"abc MTIz", 0, None),
            ("base64_decode:bytes 8, offset 4;", b"abc MTIzNDU2Nzg5", 0, Some(b"123456")),
            ("base64_decode:bytes 6;", b"MTIzNDU2", 0, Some(b"1234")),
            ("base64_decode:relative,offset 1;", b"abc MTIz", 3, Some(b"123")),
        ] {
            assert_eq!(decoded(option, bytes, at).as_deref(), expected, "{option} {bytes:?}");
        }
    }

    #[test]
    fn the_result_needs_the_decoding() {
        check_loads(&[
            "base64_decode; base64_data; content:\"a\";",
            "http.uri; base64_decode:bytes 3; base64_data; content:\"a\"; pkt_data; content:\"b\";",
        ]);
        check_errors(&[
            ("base64_data; content:\"a\";", "base64_data stands before any base64_decode"),
            ("base64_decode:foo 3;", "not an option of base64_decode"),
            ("base64_decode:bytes;", "bytes needs a value"),
            ("base64_decode:offset 70000;", "\"70000\" is out of range"),
        ]);
    }
}
