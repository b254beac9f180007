//! `asn1`: three old attacks on decoders of ASN.1's basic encoding (X.690), found by a bounded walk over the elements.

use super::row::{Row, plain, row};
use crate::detect::RuleBuilder;
use crate::detect::inspect::ops::{Op, Test, View};
use crate::rules::number::{signed, unsigned};
use crate::rules::value::{pairs, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static ASN1: Row = row("asn1", "Checks an ASN.1 structure for malformed elements.", asn1);

/// Elements that are looked at in one structure.
const ELEMENTS_MAX: usize = 256;
/// How deep they may be nested.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Default)]
struct Asn1 {
    /// A bit string that claims more unused bits than it has.
    bitstring_overflow: bool,
    /// A real number in decimal with more than 256 digits.
    double_overflow: bool,
    /// An element longer than that.
    oversize_length: Option<u64>,
    offset: i64,
    relative: bool,
}

impl Test for Asn1 {
    fn test(&self, view: &mut View<'_>) -> bool {
        let from = if self.relative { view.at as i128 } else { -i128::from(view.offset) };
        let Ok(start) = usize::try_from(from + i128::from(self.offset)) else { return false };
        let Some(bytes) = view.bytes.get(start..) else { return false };
        let mut found = false;
        walk(bytes, |element| {
            found |= self.matches(element);
            !found
        });
        found
    }

    fn is_relative(&self) -> bool {
        self.relative
    }
}

impl Asn1 {
    fn matches(&self, element: &Element<'_>) -> bool {
        let len = element.content.len() as u64;
        let first = element.content.first().copied();
        let primitive = element.universal && !element.constructed;
        let bitstring =
            || primitive && element.tag == 3 && first.is_some_and(|unused| u64::from(unused) > len * 8);
        let double =
            || primitive && element.tag == 9 && len > 256 && first.is_some_and(|kind| kind & 0xc0 == 0);
        (self.bitstring_overflow && bitstring())
            || (self.double_overflow && double())
            || self.oversize_length.is_some_and(|max| len > max)
    }
}

/// One element: identifier and content.
#[derive(Debug)]
struct Element<'a> {
    tag: u32,
    universal: bool,
    constructed: bool,
    content: &'a [u8],
}

/// Calls `visit` for the elements, outer ones first, until it answers false, something is malformed, or a limit is reached.
fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(&Element<'a>) -> bool) {
    // what is left of each open element, the innermost last
    let mut open = Vec::with_capacity(4);
    let mut rest = bytes;
    for _ in 0..ELEMENTS_MAX {
        while rest.is_empty() {
            match open.pop() {
                Some(outer) => rest = outer,
                None => return,
            }
        }
        let Some((element, after)) = element(rest) else { return };
        if !visit(&element) {
            return;
        }
        rest = after;
        if element.constructed {
            if open.len() >= DEPTH_MAX {
                return;
            }
            open.push(after);
            rest = element.content;
        }
    }
}

/// The element at the front and what follows it; `None` when it is malformed or cut short.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let mut tag = u32::from(first & 0x1f);
    if tag == 0x1f {
        tag = 0;
        for round in 0.. {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            tag = tag << 7 | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
            (round < 3).then_some(())?;
        }
    }
    let (&length, mut rest) = rest.split_first()?;
    let mut len = usize::from(length & 0x7f);
    let mut indefinite = false;
    if length & 0x80 != 0 {
        indefinite = len == 0;
        let (digits, tail) = rest.split_at_checked(len)?;
        (digits.len() <= 4).then_some(())?;
        len = digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = tail;
    }
    let (content, after) = if indefinite { (rest, &[][..]) } else { rest.split_at_checked(len)? };
    let element = Element { tag, universal: first & 0xc0 == 0, constructed: first & 0x20 != 0, content };
    Some((element, after))
}

fn asn1(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let mut asn1 = Asn1::default();
    split_commas(&value)?;
    for pair in pairs(&value)? {
        match (pair.key.node, &pair.value) {
            ("bitstring_overflow", None) => asn1.bitstring_overflow = true,
            ("double_overflow", None) => asn1.double_overflow = true,
            ("oversize_length", _) => {
                asn1.oversize_length = Some(unsigned(pair.required()?, u64::from(u32::MAX))?)
            }
            ("absolute_offset", _) => {
                asn1.offset = signed(pair.required()?, 0, i64::from(u16::MAX))?;
                asn1.relative = false;
            }
            ("relative_offset", _) => {
                asn1.offset = signed(pair.required()?, -i64::from(u16::MAX), i64::from(u16::MAX))?;
                asn1.relative = true;
            }
            _ => {
                let hint = "one of bitstring_overflow, double_overflow, oversize_length N, absolute_offset N, \
                            relative_offset N";
                return Err(pair.key.error("not an option of asn1").hint(hint));
            }
        }
    }
    rule.push_relative(Op::Test(Box::new(asn1)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, holds, mutate};

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        match content.len() {
            len @ 0..=127 => out.push(len as u8),
            len => out.extend([0x82, (len >> 8) as u8, len as u8]),
        }
        out.extend(content);
        out
    }

    #[test]
    fn malformed_elements_are_found_as_the_reference_engine_does() {
        let long = |first: u8, len: usize| {
            let mut content = vec![b'1'; len];
            content[0] = first;
            content
        };
        let payloads = [
            b"warm".to_vec(),
            tlv(0x30, &tlv(2, b"\x01")),
            tlv(3, b"\x05"),
            tlv(3, b"\x09\x00"),
            tlv(3, b"\x09"),
            tlv(4, &[b'x'; 300]),
            tlv(9, &long(0x80, 300)),
            tlv(9, &long(0, 261)),
            tlv(0x30, &tlv(4, &[b'x'; 300])),
            [b"XX".to_vec(), tlv(3, b"\x09")].concat(),
            tlv(3, b""),
            tlv(0x30, &tlv(3, b"\x09")),
            b"\x04\x83\x01\x00\x00xx".to_vec(),
        ];
        for (option, at, expected) in [
            ("asn1:bitstring_overflow;", 0, &[5, 12][..]),
            ("asn1:double_overflow;", 0, &[8]),
            ("asn1:oversize_length 299;", 0, &[6, 7, 9]),
            ("asn1:oversize_length 303;", 0, &[9]),
            ("asn1:bitstring_overflow,absolute_offset 2;", 0, &[10, 12]),
            ("asn1:bitstring_overflow, relative_offset 0;", 2, &[10, 12]),
            ("asn1:bitstring_overflow, relative_offset -2;", 2, &[5, 12]),
            ("asn1:bitstring_overflow, relative_offset 4;", 2, &[]),
        ] {
            let held: Vec<_> =
                (0..payloads.len()).filter(|n| holds(option, &payloads[*n], at).0).map(|n| n + 1).collect();
            assert_eq!(held, expected, "{option}");
        }
        check_errors(&[
            ("asn1:foo;", "not an option of asn1"),
            ("asn1:oversize_length;", "oversize_length needs a value"),
        ]);
    }

    #[test]
    fn hostile_structures_end() {
        let nested = [0x30, 0x80].repeat(100_000);
        assert!(!holds("asn1:bitstring_overflow;", &nested, 0).0);
        let seed =
            tlv(0x30, &[tlv(0x31, &tlv(3, b"\x09")), tlv(0x3f, b"\x81\x01abc"), tlv(9, &[0; 300])].concat());
        mutate(&seed, 2000, |bytes| {
            holds("asn1:bitstring_overflow,double_overflow,oversize_length 9;", bytes, 0);
        });
    }
}
