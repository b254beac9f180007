//! How much there is: `isdataat`, `bsize`, `dsize`; `pkt_data`, `absent`, `entropy`.

use super::content::{arg, variable};
use super::row::{Row, bare, choice, once, plain, row, value};
use crate::detect::inspect::ops::{Arg, Op, Test, View};
use crate::detect::rule::{Absent, PacketTest, PacketView};
use crate::detect::{BufferId, RuleBuilder};
use crate::rules::number::{IntTest, unsigned};
use crate::rules::value::{Piece, pairs, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static ISDATAAT: Row =
    row("isdataat", "The buffer has (or with ! has not) that many bytes, or more.", isdataat);
pub(super) static BSIZE: Row = row("bsize", "The length of the buffer in force.", bsize);
pub(super) static DSIZE: Row = row("dsize", "The length of the packet's payload.", dsize);
pub(super) static PKT_DATA: Row = row("pkt_data", "What follows is asked of the payload again.", pkt_data);
pub(super) static ABSENT: Row =
    row("absent", "The buffer in force must not be there (or_else: or hold what follows).", absent);
pub(super) static ENTROPY: Row =
    row("entropy", "Shannon's entropy of the buffer, bits per byte, 0 to 8.", entropy);

/// `isdataat:[!]N[,relative][,rawbytes]`
#[derive(Debug)]
struct IsDataAt {
    at: Arg,
    relative: bool,
    negated: bool,
}

impl Test for IsDataAt {
    fn test(&self, view: &mut View<'_>) -> bool {
        let wanted = i128::from(self.at.value(view.vars));
        let len = view.bytes.len() as i128;
        let there = match self.relative {
            true => view.at as i128 + wanted <= len,
            // the byte at that position, counted from the start of the whole
            false => wanted < len + i128::from(view.offset),
        };
        match self.negated {
            // what is not there yet may still come
            true => view.to_end && !there,
            false => there,
        }
    }

    fn is_relative(&self) -> bool {
        self.relative
    }
}

fn isdataat(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let Some((first, flags)) = parts.split_first() else { return Ok(()) };
    let negated = first.node.starts_with('!');
    let first = first.strip("!").unwrap_or_else(|| first.clone());
    let at = arg(&first, rule, 0, i64::from(u16::MAX))?;
    let mut relative = false;
    for flag in flags {
        relative |= choice(flag, "an option of isdataat", &[("relative", true), ("rawbytes", false)])?;
    }
    rule.push_relative(Op::Test(Box::new(IsDataAt { at, relative, negated })));
    Ok(())
}

/// `bsize`
#[derive(Debug)]
struct Bsize(IntTest<u64>);

impl Test for Bsize {
    fn test(&self, view: &mut View<'_>) -> bool {
        let len = view.offset.saturating_add(view.bytes.len() as u64);
        // what grows is at least as long as it is now
        let grown = view.to_end || matches!(self.0, IntTest::Gt(_) | IntTest::Ge(_));
        grown && self.0.matches(len)
    }

    fn length_max(&self) -> Option<(u64, u64)> {
        self.0.upper()
    }
}

fn bsize(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let test = IntTest::<u64>::parse(&plain(option)?)?;
    if !rule.is_sticky() {
        let hint = "write the buffer before it, or dsize for the packet's payload";
        return Err(option.name.error("bsize stands behind no sticky buffer").hint(hint));
    }
    rule.push(Op::Test(Box::new(Bsize(test))));
    Ok(())
}

/// `dsize`
#[derive(Debug)]
struct Dsize(IntTest<u16>);

impl PacketTest for Dsize {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let len = view.packet.payload.len();
        let unread = view.packet.is_fragment() || view.flow.is_some_and(|flow| flow.no_payload);
        if len > 0 && unread {
            return false;
        }
        // as the reference engine: a packet without payload is not "other than n bytes"
        (len > 0 || !matches!(self.0, IntTest::Ne(_))) && self.0.matches(len as u64)
    }

    fn lengths(&self) -> (u64, u64) {
        self.0.bounds()
    }

    fn length_max(&self) -> Option<(u64, u64)> {
        self.0.upper()
    }
}

fn dsize(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let test = IntTest::<u16>::parse(&plain(option)?)?;
    once(option, rule, "dsize")?;
    rule.packet_tests.push(Box::new(Dsize(test)));
    rule.packet_payload = true;
    Ok(())
}

fn pkt_data(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    rule.deselect();
    Ok(())
}

fn absent(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let absent = match &option.value {
        None => Absent::Only,
        Some(value) => choice(value, "an option of absent", &[("or_else", Absent::OrElse)])?,
    };
    if !rule.is_sticky() || rule.buffer() == BufferId::PAYLOAD {
        return Err(option
            .name
            .error("absent stands behind no sticky buffer")
            .hint("write the buffer before it"));
    }
    let part = rule.part();
    if !part.ops.is_empty() || part.absent.is_some() {
        return Err(option.name.error("absent stands before all that is asked of its buffer"));
    }
    part.absent = Some(absent);
    Ok(())
}

/// `entropy`
#[derive(Debug)]
struct Entropy {
    offset: usize,
    bytes: usize,
    test: FloatTest,
}

/// A comparison with a decimal fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum FloatTest {
    Less(f64),
    LessEqual(f64),
    More(f64),
    MoreEqual(f64),
    Equal(f64),
    NotEqual(f64),
    /// More than the first, less than the second.
    Between(f64, f64),
}

impl FloatTest {
    fn matches(self, x: f64) -> bool {
        match self {
            FloatTest::Less(a) => x < a,
            FloatTest::LessEqual(a) => x <= a,
            FloatTest::More(a) => x > a,
            FloatTest::MoreEqual(a) => x >= a,
            FloatTest::Equal(a) => (x - a).abs() < f64::EPSILON,
            FloatTest::NotEqual(a) => (x - a).abs() >= f64::EPSILON,
            FloatTest::Between(a, b) => x > a && x < b,
        }
    }

    fn parse(piece: &Piece<'_>) -> Result<Self, RuleError> {
        let number = |piece: &Piece<'_>| match piece.node.parse::<f64>() {
            Ok(value) if (0.0..=8.0).contains(&value) => Ok(value),
            _ => Err(piece.error("not an entropy").hint("a decimal fraction of 0 to 8")),
        };
        type Make = fn(f64) -> FloatTest;
        let operators: [(&str, Make); 7] = [
            ("<=", FloatTest::LessEqual),
            (">=", FloatTest::MoreEqual),
            ("!=", FloatTest::NotEqual),
            ("<", FloatTest::Less),
            (">", FloatTest::More),
            ("=", FloatTest::Equal),
            ("!", FloatTest::NotEqual),
        ];
        for (operator, make) in operators {
            if let Some(rest) = piece.strip(operator) {
                return Ok(make(number(&rest)?));
            }
        }
        match piece.split_at_first("<>").or_else(|| piece.split_at_first("-")) {
            Some((low, high)) => Ok(FloatTest::Between(number(&low)?, number(&high)?)),
            None => Ok(FloatTest::Equal(number(piece)?)),
        }
    }
}

impl Test for Entropy {
    fn test(&self, view: &mut View<'_>) -> bool {
        let bytes = view.bytes.get(self.offset..).unwrap_or(&[]);
        let bytes = match self.bytes {
            0 => bytes,
            most => &bytes[..bytes.len().min(most)],
        };
        !bytes.is_empty() && self.test.matches(shannon(bytes))
    }
}

/// Bits per byte.
fn shannon(bytes: &[u8]) -> f64 {
    let mut counts = [0u64; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|count| **count > 0).fold(0.0, |sum, count| {
        let share = *count as f64 / total;
        sum - share * share.log2()
    })
}

fn entropy(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = value(option)?;
    let (mut offset, mut bytes, mut test) = (0, 0, None);
    for pair in pairs(&value)? {
        match pair.key.node {
            "offset" => offset = unsigned(pair.required()?, u64::from(u16::MAX))? as usize,
            "bytes" => bytes = unsigned(pair.required()?, u64::from(u16::MAX))? as usize,
            "value" => test = Some(FloatTest::parse(pair.required()?)?),
            _ => {
                return Err(pair.key.error("not an option of entropy").hint("one of value, bytes, offset"));
            }
        }
    }
    let Some(test) = test else {
        return Err(value.error("entropy needs a value").hint("write entropy:value >= 7.5;"));
    };
    rule.push(Op::Test(Box::new(Entropy { offset, bytes, test })));
    Ok(())
}

/// A number of bytes or a variable that holds it.
pub(super) fn byte_count(piece: &Piece<'_>, rule: &mut RuleBuilder<'_>, max: i64) -> Result<Arg, RuleError> {
    if piece.node.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return Ok(Arg::Value(unsigned(piece, max as u64)? as i64));
    }
    variable(piece, rule).map(Arg::Var)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Frame, check_errors, check_loads, holds, holds_in, packet_test};

    #[test]
    fn isdataat_counts_as_the_reference_engine_does() {
        for (option, len, at, expected) in [
            ("isdataat:3;", 3, 0, false),
            ("isdataat:3;", 4, 0, true),
            ("isdataat:!3;", 3, 0, true),
            ("isdataat:!3;", 4, 0, false),
            ("isdataat:!0;", 1, 0, false),
            ("isdataat:3,relative;", 5, 2, true),
            ("isdataat:3,relative;", 4, 2, false),
            ("isdataat:!1,relative;", 4, 4, true),
            ("isdataat:!1, relative, rawbytes;", 4, 3, false),
            ("isdataat:65535;", 4, 0, false),
        ] {
            assert_eq!(holds(option, &vec![b'x'; len], at), (expected, at), "{option} {len} {at}");
        }
    }

    #[test]
    fn what_is_still_to_come_is_not_absent() {
        let frame = Frame { to_end: false, offset: 10, ..Frame::default() };
        for (option, expected) in [
            ("isdataat:!1,relative;", false),
            ("isdataat:12;", true),
            ("isdataat:13;", false),
            ("http.uri; bsize:13;", false),
            ("http.uri; bsize:>12;", true),
            ("http.uri; bsize:<20;", false),
        ] {
            assert_eq!(holds_in(option, b"abc", 3, frame).0, expected, "{option}");
        }
    }

    #[test]
    fn sizes_are_compared() {
        for (option, yes, no) in [
            ("bsize:3;", 3, 4),
            ("bsize:>3;", 4, 3),
            ("bsize: < 3 ;", 2, 3),
            ("bsize:3<>9;", 8, 3),
            ("bsize:3-9;", 4, 9),
            ("bsize:!3;", 0, 3),
        ] {
            for (len, expected) in [(yes, true), (no, false)] {
                assert_eq!(
                    holds(&format!("http.uri; {option}"), &vec![0; len], 0).0,
                    expected,
                    "{option} {len}"
                );
            }
        }
        for (option, yes, no) in [
            ("dsize:0;", 0, 1),
            ("dsize:<3;", 0, 3),
            ("dsize:!3;", 4, 0),
            ("dsize:3<>9;", 4, 9),
            ("dsize:>=3;", 3, 2),
        ] {
            assert!(packet_test(option, 17, &[], &vec![0; yes]), "{option} {yes}");
            assert!(!packet_test(option, 17, &[], &vec![0; no]), "{option} {no}");
        }
    }

    #[test]
    fn entropy_is_measured() {
        let all: Vec<u8> = (0..=255).collect();
        for (option, bytes, expected) in [
            ("entropy:value 8;", all.as_slice(), true),
            ("entropy: value >= 7.9;", &all, true),
            ("entropy:value < 1;", b"aaaaaaa", true),
            ("entropy:bytes 4, value 0.5-1.5;", b"abababzzq", true),
            ("entropy:offset 3, value > 0;", b"abczzz", false),
            ("entropy:value > 0;", b"", false),
        ] {
            assert_eq!(holds(option, bytes, 0).0, expected, "{option}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&[
            "http.uri; absent;",
            "http.uri; absent:or_else; content:\"a\";",
            "isdataat:!20;",
            "dsize: > 3 ;",
        ]);
        check_errors(&[
            ("isdataat:foo;", "\"foo\" is neither a number nor a variable of this rule"),
            ("isdataat:65536;", "\"65536\" is out of range"),
            ("isdataat:3,foo;", "\"foo\" is not an option of isdataat"),
            ("bsize:3;", "bsize stands behind no sticky buffer"),
            ("http.uri; bsize:9<>3;", "no number lies in this range"),
            ("http.uri; bsize:-1;", "a number is missing"),
            ("dsize:65536;", "\"65536\" is out of range"),
            ("dsize:3; dsize:4;", "dsize stands twice in this rule"),
            ("dsize:<0;", "no number is below 0"),
            ("absent;", "absent stands behind no sticky buffer"),
            ("http.uri; content:\"a\"; absent;", "absent stands before all that is asked of its buffer"),
            ("entropy:bytes 3;", "entropy needs a value"),
            ("entropy:value 9;", "not an entropy"),
        ]);
    }
}
