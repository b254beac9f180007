//! Numbers in the bytes of a buffer: `byte_test`, `byte_jump`, `byte_extract`, `byte_math`.
//!
//! Their evaluation is checked against the reference engine: a place outside of the buffer never holds (negated or not), text
//! is read as C's `strtoul` does, only a value that was read moves the place that relative options count from.

use super::content::{arg, variable};
use super::row::{Row, choice, plain, row};
use super::size::byte_count;
use crate::detect::RuleBuilder;
use crate::detect::inspect::ops::{Arg, Op, Test, VarId, View};
use crate::rules::number::{signed, unsigned};
use crate::rules::value::{Pair, Piece, pair, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static BYTE_TEST: Row = row("byte_test", "Compares a number in the buffer.", byte_test);
pub(super) static BYTE_JUMP: Row =
    row("byte_jump", "Moves on by a number in the buffer; relative options count from there.", byte_jump);
pub(super) static BYTE_EXTRACT: Row =
    row("byte_extract", "Keeps a number of the buffer in a variable of the rule.", byte_extract);
pub(super) static BYTE_MATH: Row =
    row("byte_math", "Computes with a number of the buffer and keeps the result in a variable.", byte_math);

/// Bytes of a binary number.
const BINARY_MAX: i64 = 8;
/// Bytes of a number written as text: 2^64 in octal, with a sign.
const TEXT_MAX: i64 = 23;
/// Offsets, either way.
const OFFSET_MAX: i64 = 65_535;

/// How the bytes of a number are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Big,
    Little,
    /// As the message says.
    Message,
    /// Digits; base 0 finds out by the prefix (`0x`, `0`).
    Text(u32),
}

/// Where a number stands and how it is read.
#[derive(Clone, Copy, Debug)]
struct Number {
    bytes: Arg,
    offset: Arg,
    relative: bool,
    reading: Reading,
}

impl Number {
    /// The number and the place after it.
    fn read(&self, view: &View<'_>) -> Option<(u64, usize)> {
        let offset = self.offset.value(view.vars);
        let base = if self.relative { view.at as i128 } else { -i128::from(view.offset) };
        let start = usize::try_from(base + i128::from(offset)).ok()?;
        let count = usize::try_from(self.bytes.value(view.vars)).ok()?;
        let end = start.checked_add(count)?;
        let bytes = view.bytes.get(start..end)?;
        let value = match self.reading {
            Reading::Text(base) => text_number(bytes, base)?,
            _ if count > BINARY_MAX as usize => return None,
            Reading::Message if view.little => little_number(bytes),
            Reading::Big | Reading::Message => bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            Reading::Little => little_number(bytes),
        };
        Some((value, end))
    }
}

fn little_number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// As C's `strtoul`: blanks, a sign, a prefix by base, digits up to the first other byte; a minus wraps around.
fn text_number(bytes: &[u8], base: u32) -> Option<u64> {
    if bytes.len() > TEXT_MAX as usize {
        return None;
    }
    let mut rest = bytes.trim_ascii_start();
    let negative = rest.first() == Some(&b'-');
    if let Some(b'-' | b'+') = rest.first() {
        rest = &rest[1..];
    }
    let hex = matches!(rest, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit());
    let base = match base {
        0 if hex => 16,
        0 if rest.first() == Some(&b'0') => 8,
        0 => 10,
        base => base,
    };
    if base == 16 && hex {
        rest = &rest[2..];
    }
    let mut value = None::<u64>;
    for byte in rest {
        let Some(digit) = char::from(*byte).to_digit(base) else { break };
        value = Some(value.unwrap_or(0).checked_mul(u64::from(base))?.checked_add(u64::from(digit))?);
    }
    value.map(|value| if negative { value.wrapping_neg() } else { value })
}

/// The masked value, moved down by the zeros at the end of the mask.
fn masked(value: u64, mask: Option<u64>) -> u64 {
    match mask {
        Some(0) => 0,
        Some(mask) => (value & mask) >> mask.trailing_zeros(),
        None => value,
    }
}

/// The options of all four that say how a number is read.
#[derive(Debug, Default)]
struct Options {
    relative: bool,
    endian: Option<Reading>,
    string: bool,
    base: Option<u32>,
    dce: bool,
}

impl Options {
    /// Takes one; false when it is none of these.
    fn take(&mut self, pair: &Pair<'_>) -> bool {
        if pair.value.is_some() {
            return false;
        }
        match pair.key.node {
            "relative" => self.relative = true,
            "big" => self.endian = Some(Reading::Big),
            "little" => self.endian = Some(Reading::Little),
            "string" => self.string = true,
            "hex" => self.base = Some(16),
            "dec" => self.base = Some(10),
            "oct" => self.base = Some(8),
            "dce" => self.dce = true,
            _ => return false,
        }
        true
    }

    fn reading(&self, value: &Piece<'_>) -> Result<Reading, RuleError> {
        if self.base.is_some() && !self.string {
            return Err(value.error("hex, dec and oct need string").hint("write string,dec"));
        }
        if self.dce && (self.string || self.endian.is_some()) {
            return Err(value
                .error("dce says the byte order itself")
                .hint("take big, little and string away, or write them in place of dce"));
        }
        Ok(match self.endian {
            _ if self.string => Reading::Text(self.base.unwrap_or(0)),
            Some(endian) => endian,
            None if self.dce => Reading::Message,
            None => Reading::Big,
        })
    }
}

/// Refuses more bytes than a number of that kind has.
fn checked_count(piece: &Piece<'_>, count: Arg, reading: Reading) -> Result<Arg, RuleError> {
    let (max, kind) = match reading {
        Reading::Text(_) => (TEXT_MAX, "a number written as text"),
        _ => (BINARY_MAX, "a binary number"),
    };
    match count {
        Arg::Value(count) if count > max => Err(piece
            .error(format!("{kind} has at most {max} bytes"))
            .hint("longer ones are text: add string,dec")),
        count => Ok(count),
    }
}

fn unknown(pair: &Pair<'_>, keyword: &str, options: &str) -> RuleError {
    pair.key.error(format!("not an option of {keyword}")).hint(format!("one of {options}"))
}

/// A bit mask: hexadecimal, with or without `0x`.
fn bitmask(piece: &Piece<'_>) -> Result<u64, RuleError> {
    let digits =
        piece.node.strip_prefix("0x").or_else(|| piece.node.strip_prefix("0X")).unwrap_or(piece.node);
    match u64::from_str_radix(digits, 16) {
        Ok(mask) if mask <= u64::from(u32::MAX) && !digits.starts_with('+') => Ok(mask),
        _ => Err(piece.error("not a bit mask").hint("up to eight hexadecimal digits: bitmask 0x00ff")),
    }
}

/// What `byte_test` asks of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    LessEqual,
    More,
    MoreEqual,
    /// Some bit is in both.
    And,
    /// Some bit differs.
    Xor,
}

#[derive(Debug)]
struct ByteTest {
    number: Number,
    compare: Compare,
    negated: bool,
    with: Arg,
    mask: Option<u64>,
}

impl Test for ByteTest {
    fn test(&self, view: &mut View<'_>) -> bool {
        let Some((value, _)) = self.number.read(view) else { return false };
        let value = masked(value, self.mask);
        let with = match self.with {
            // written numbers are kept as they are, beyond i64 too
            Arg::Value(with) => with as u64,
            Arg::Var(VarId(id)) => view.vars.get(usize::from(id)).copied().unwrap_or(0),
        };
        let holds = match self.compare {
            Compare::Equal => value == with,
            Compare::Less => value < with,
            Compare::LessEqual => value <= with,
            Compare::More => value > with,
            Compare::MoreEqual => value >= with,
            Compare::And => value & with != 0,
            Compare::Xor => value ^ with != 0,
        };
        holds != self.negated
    }

    fn is_relative(&self) -> bool {
        self.number.relative
    }
}

fn byte_test(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let [count, operator, with, offset, flags @ ..] = parts.as_slice() else {
        return Err(value
            .error("byte_test has four values and options")
            .hint("write byte_test:BYTES,OPERATOR,VALUE,OFFSET[,relative][,little][,string,dec]…;"));
    };
    let (mut options, mut mask) = (Options::default(), None);
    for flag in flags {
        let pair = pair(flag);
        if options.take(&pair) {
            continue;
        }
        match pair.key.node {
            "bitmask" => mask = Some(bitmask(pair.required()?)?),
            _ => {
                let known = "relative, big, little, string, hex, dec, oct, dce, bitmask MASK";
                return Err(unknown(&pair, "byte_test", known));
            }
        }
    }
    let reading = options.reading(&value)?;
    let negated = operator.node.starts_with('!');
    let sign = operator.strip("!").unwrap_or_else(|| operator.clone());
    let compare = match sign.node {
        "" if negated => Compare::Equal,
        "=" => Compare::Equal,
        "<" => Compare::Less,
        "<=" => Compare::LessEqual,
        ">" => Compare::More,
        ">=" => Compare::MoreEqual,
        "&" => Compare::And,
        "^" => Compare::Xor,
        _ => {
            return Err(operator
                .error("not an operator")
                .hint("one of < > = <= >= & ^, each with ! before it"));
        }
    };
    let bytes = checked_count(count, byte_count(count, rule, TEXT_MAX.max(0xffff))?, reading)?;
    let with = match with.node.starts_with(|c: char| c.is_ascii_digit()) {
        true => Arg::Value(unsigned(with, u64::MAX)? as i64),
        false => arg(with, rule, i64::MIN, i64::MAX)?,
    };
    let number = Number {
        bytes,
        offset: arg(offset, rule, -OFFSET_MAX - 1, OFFSET_MAX + 1)?,
        relative: options.relative,
        reading,
    };
    rule.push_relative(Op::Test(Box::new(ByteTest { number, compare, negated, with, mask })));
    Ok(())
}

/// Where a jump counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// The place after the number.
    Here,
    /// The start of the buffer.
    Start,
    /// Its end.
    End,
}

#[derive(Debug)]
struct ByteJump {
    number: Number,
    multiplier: u64,
    align: bool,
    from: From,
    post_offset: Arg,
}

impl Test for ByteJump {
    fn test(&self, view: &mut View<'_>) -> bool {
        let Some((value, after)) = self.number.read(view) else { return false };
        let mut far = i128::from(value) * i128::from(self.multiplier);
        if self.align {
            far = (far + 3) & !3;
        }
        far += i128::from(self.post_offset.value(view.vars));
        let from = match self.from {
            From::Here => after as i128,
            From::Start => -i128::from(view.offset),
            From::End => view.bytes.len() as i128,
        };
        // before the start is the start; behind the end there is nothing
        let target = (from + far).max(0);
        match usize::try_from(target) {
            Ok(target) if target <= view.bytes.len() => {
                view.at = target;
                true
            }
            _ => false,
        }
    }

    fn is_relative(&self) -> bool {
        self.number.relative
    }
}

fn byte_jump(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let [count, offset, flags @ ..] = parts.as_slice() else {
        return Err(value
            .error("byte_jump has two values and options")
            .hint("write byte_jump:BYTES,OFFSET[,relative][,little][,multiplier N][,align]…;"));
    };
    let mut options = Options::default();
    let (mut multiplier, mut align, mut from, mut post_offset) = (1, false, From::Here, Arg::Value(0));
    for flag in flags {
        let pair = pair(flag);
        if options.take(&pair) {
            continue;
        }
        match (pair.key.node, &pair.value) {
            ("align", None) => align = true,
            ("from_beginning", None) | ("from_end", None) => {
                let new = if pair.key.node == "from_end" { From::End } else { From::Start };
                if from != From::Here && from != new {
                    return Err(pair.key.error("from_beginning and from_end contradict each other"));
                }
                from = new;
            }
            ("multiplier", _) => multiplier = factor(pair.required()?)?,
            ("post_offset", _) => post_offset = arg(pair.required()?, rule, -OFFSET_MAX, OFFSET_MAX)?,
            _ => {
                let known = "relative, big, little, string, hex, dec, oct, dce, align, from_beginning, from_end, \
                             multiplier N, post_offset N";
                return Err(unknown(&pair, "byte_jump", known));
            }
        }
    }
    let reading = options.reading(&value)?;
    let bytes = checked_count(count, byte_count(count, rule, 0xffff)?, reading)?;
    let number = Number {
        bytes,
        offset: arg(offset, rule, -OFFSET_MAX, OFFSET_MAX)?,
        relative: options.relative,
        reading,
    };
    rule.push_relative(Op::Test(Box::new(ByteJump { number, multiplier, align, from, post_offset })));
    Ok(())
}

fn factor(piece: &Piece<'_>) -> Result<u64, RuleError> {
    match unsigned(piece, OFFSET_MAX as u64)? {
        0 => Err(piece.error("a multiplier of 0 goes nowhere").hint("1 to 65535")),
        factor => Ok(factor),
    }
}

#[derive(Debug)]
struct ByteExtract {
    number: Number,
    multiplier: u64,
    /// 0, 2 or 4 bytes.
    align: u64,
    into: VarId,
}

impl Test for ByteExtract {
    fn test(&self, view: &mut View<'_>) -> bool {
        let Some((value, after)) = self.number.read(view) else { return false };
        let mut value = value.wrapping_mul(self.multiplier);
        if self.align > 0 {
            value = value.checked_next_multiple_of(self.align).unwrap_or(value);
        }
        keep(view, self.into, value, after)
    }

    fn is_relative(&self) -> bool {
        self.number.relative
    }
}

fn keep(view: &mut View<'_>, into: VarId, value: u64, after: usize) -> bool {
    let Some(slot) = view.vars.get_mut(usize::from(into.0)) else { return false };
    *slot = value;
    view.at = after;
    true
}

/// A new variable, or one that is written again.
fn name(piece: &Piece<'_>, rule: &mut RuleBuilder<'_>) -> Result<VarId, RuleError> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let bare_number = piece.node.bytes().all(|b| b.is_ascii_digit());
    if piece.node.is_empty() || bare_number || !piece.node.chars().all(word) {
        return Err(piece
            .error("not a name of a variable")
            .hint("letters, digits, dots, dashes and underscores"));
    }
    rule.var(piece.node, true).ok_or_else(|| piece.error("this rule has 255 variables already"))
}

fn byte_extract(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let [count, offset, into, flags @ ..] = parts.as_slice() else {
        return Err(value
            .error("byte_extract has three values and options")
            .hint("write byte_extract:BYTES,OFFSET,NAME[,relative][,little][,multiplier N][,align 4]…;"));
    };
    let mut options = Options::default();
    let (mut multiplier, mut align) = (1, 0);
    for flag in flags {
        let pair = pair(flag);
        if options.take(&pair) {
            continue;
        }
        match pair.key.node {
            "multiplier" => multiplier = factor(pair.required()?)?,
            "align" => align = choice(pair.required()?, "an alignment", &[("2", 2), ("4", 4)])?,
            _ => {
                let known =
                    "relative, big, little, string, hex, dec, oct, dce, multiplier N, align 2, align 4";
                return Err(unknown(&pair, "byte_extract", known));
            }
        }
    }
    if options.string && options.endian.is_some() {
        return Err(value.error("text has no byte order").hint("take big or little away"));
    }
    let reading = options.reading(&value)?;
    let bytes = checked_count(count, byte_count(count, rule, 0xffff)?, reading)?;
    let offset = arg(offset, rule, -OFFSET_MAX, OFFSET_MAX)?;
    let into = name(into, rule)?;
    let number = Number { bytes, offset, relative: options.relative, reading };
    rule.push_relative(Op::Test(Box::new(ByteExtract { number, multiplier, align, into })));
    Ok(())
}

/// What `byte_math` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Left,
    Right,
}

#[derive(Debug)]
struct ByteMath {
    number: Number,
    operator: Operator,
    right: Arg,
    mask: Option<u64>,
    into: VarId,
}

impl Test for ByteMath {
    fn test(&self, view: &mut View<'_>) -> bool {
        let Some((value, after)) = self.number.read(view) else { return false };
        let right = match self.right {
            Arg::Value(right) => right as u64,
            Arg::Var(VarId(id)) => view.vars.get(usize::from(id)).copied().unwrap_or(0),
        };
        let result = match self.operator {
            Operator::Add => value.wrapping_add(right),
            Operator::Subtract => value.wrapping_sub(right),
            Operator::Multiply => value.wrapping_mul(right),
            Operator::Divide => match value.checked_div(right) {
                Some(result) => result,
                None => return false,
            },
            Operator::Left => shifted(right).map_or(0, |by| value << by),
            Operator::Right => shifted(right).map_or(0, |by| value >> by),
        };
        keep(view, self.into, masked(result, self.mask), after)
    }

    fn is_relative(&self) -> bool {
        self.number.relative
    }
}

fn shifted(by: u64) -> Option<u32> {
    u32::try_from(by).ok().filter(|by| *by < u64::BITS)
}

fn byte_math(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let mut options = Options::default();
    let (mut bytes, mut offset, mut operator, mut right, mut into, mut mask) =
        (None, None, None, None, None, None);
    for part in split_commas(&value)? {
        let pair = pair(&part);
        match pair.key.node {
            "bytes" => bytes = Some(pair.required()?.clone()),
            "offset" => offset = Some(arg(pair.required()?, rule, -OFFSET_MAX, OFFSET_MAX)?),
            "oper" => operator = Some(choice(pair.required()?, "an operator", OPERATORS)?),
            "rvalue" => right = Some(rvalue(pair.required()?, rule)?),
            "result" => into = Some(pair.required()?.clone()),
            "bitmask" => mask = Some(bitmask(pair.required()?)?),
            "relative" if pair.value.is_none() => options.relative = true,
            "dce" if pair.value.is_none() => options.dce = true,
            "endian" => match pair.required()?.node {
                "big" => options.endian = Some(Reading::Big),
                "little" => options.endian = Some(Reading::Little),
                "dce" => options.dce = true,
                _ => return Err(pair.required()?.error("not a byte order").hint("one of big, little, dce")),
            },
            "string" => {
                options.string = true;
                options.base =
                    Some(choice(pair.required()?, "a base", &[("hex", 16), ("dec", 10), ("oct", 8)])?);
            }
            _ => {
                let known = "bytes N, offset N, oper OP, rvalue N, result NAME, relative, endian ORDER, string BASE, \
                             dce, bitmask MASK";
                return Err(unknown(&pair, "byte_math", known));
            }
        }
    }
    let missing = |what: &str| {
        value
            .error(format!("byte_math needs {what}"))
            .hint("write byte_math:bytes N,offset N,oper +,rvalue N,result NAME;")
    };
    let reading = options.reading(&value)?;
    let count = bytes.ok_or_else(|| missing("bytes"))?;
    let bytes = checked_count(&count, byte_count(&count, rule, TEXT_MAX)?, reading)?;
    if bytes == Arg::Value(0) {
        return Err(count.error("a number has at least one byte"));
    }
    let number = Number {
        bytes,
        offset: offset.ok_or_else(|| missing("offset"))?,
        relative: options.relative,
        reading,
    };
    let operator = operator.ok_or_else(|| missing("oper"))?;
    let right = right.ok_or_else(|| missing("rvalue"))?;
    let into = name(&into.ok_or_else(|| missing("result"))?, rule)?;
    rule.push_relative(Op::Test(Box::new(ByteMath { number, operator, right, mask, into })));
    Ok(())
}

const OPERATORS: &[(&str, Operator)] = &[
    ("+", Operator::Add),
    ("-", Operator::Subtract),
    ("*", Operator::Multiply),
    ("/", Operator::Divide),
    ("<<", Operator::Left),
    (">>", Operator::Right),
];

fn rvalue(piece: &Piece<'_>, rule: &mut RuleBuilder<'_>) -> Result<Arg, RuleError> {
    if piece.node.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return signed(piece, 0, i64::from(u32::MAX)).map(Arg::Value);
    }
    variable(piece, rule).map(Arg::Var)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Frame, check_errors, check_loads, holds, holds_in, with};
    use super::*;
    use crate::detect::inspect::ops::View;

    /// Which of the payloads (by number) an option holds for.
    fn check(payloads: &[&[u8]], table: &[(&str, &[usize])]) {
        for (option, expected) in table {
            let held: Vec<_> =
                (0..payloads.len()).filter(|n| holds(option, payloads[*n], 0).0).map(|n| n + 1).collect();
            assert_eq!(held, *expected, "{option}");
        }
    }

    #[test]
    fn numbers_are_compared_as_the_reference_engine_does() {
        check(
            &[
                b"\x00\x00\x00\x05hello",
                b"\x05\x00\x00\x00hello",
                b"0x10 hello",
                b"  12hello",
                b"00012hello",
                b"\xff\xff\xff\xffxx",
                b"-5 hello",
                b"17hello",
                b"1g",
                b"\x80\x00\x00\x00\x00\x00\x00\x01",
                b"+7hello",
                b"12\x00\x00\x00",
                b"9999999999999999999999999",
            ],
            &[
                ("byte_test:4,=,5,0;", &[1]),
                ("byte_test:4,=,5,0,little;", &[2]),
                ("byte_test:4,=,16,0,string,hex;", &[3]),
                ("byte_test:4,=,12,0,string,dec;", &[4, 12]),
                ("byte_test:4,=,10,0,string,oct;", &[4, 12]),
                ("byte_test:5,=,12,0,string,dec;", &[4, 5, 12]),
                ("byte_test:5,=,12,0,string;", &[4, 12]),
                ("byte_test:2,=,17,0,string,dec;", &[8]),
                ("byte_test:2,=,1,0,string,dec;", &[9]),
                ("byte_test:2,=,18446744073709551611,0,string,dec;", &[7]),
                ("byte_test:2,>,0,0,string,dec;", &[7, 8, 9, 11, 12, 13]),
                ("byte_test:4,&,1,0;", &[1, 5, 6, 8, 11, 13]),
                ("byte_test:4,!&,1,0;", &[2, 3, 4, 7, 10, 12]),
                ("byte_test:4,^,5,0;", &[2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]),
                ("byte_test:4,!^,5,0;", &[1]),
                ("byte_test:4,=,4294967295,0;", &[6]),
                ("byte_test:4,!>,5,0;", &[1]),
                ("byte_test:1,!,5,0;", &[1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
                ("byte_test:8,=,9223372036854775809,0;", &[10]),
                ("byte_test:4,=,255,0,bitmask 0xff0;", &[6]),
                ("byte_test:4,=,0,0,bitmask 0;", &[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]),
                ("byte_test:4,&,5,0,bitmask 0x0000000f;", &[1, 5, 6, 8, 11, 13]),
                ("byte_test:4,=,-1,0;", &[]),
                ("byte_test:23,>,7,0,string,dec;", &[]),
                ("byte_test:4,=,0x0a,0,string,dec;", &[]),
                ("byte_test:4,!=,120,-2;", &[]),
            ],
        );
    }

    #[test]
    fn jumps_land_where_the_reference_engine_lands() {
        let payload = b"\x00\x05abcdefghij";
        for (option, at, expected) in [
            ("byte_jump:2,0;", 0, Some(7)),
            ("byte_jump:2,0,post_offset -1;", 0, Some(6)),
            ("byte_jump:2,0,post_offset 5;", 0, Some(12)),
            ("byte_jump:2,0,post_offset 6;", 0, None),
            ("byte_jump:2,0,post_offset -20;", 0, Some(0)),
            ("byte_jump:2,0,from_beginning;", 0, Some(5)),
            ("byte_jump:2,0,align;", 0, Some(10)),
            ("byte_jump:2,0,multiplier 2;", 0, Some(12)),
            ("byte_jump:2,0,little;", 0, None),
            ("byte_jump:2,0,from_end;", 0, None),
            ("byte_jump:2,0,from_end,post_offset -8;", 0, Some(9)),
            ("byte_jump:0,0,from_end,post_offset -5;", 0, Some(7)),
            ("byte_jump:1,-2,relative;", 3, Some(7)),
            ("byte_jump:1,-4,relative;", 3, None),
            ("byte_jump:2,0,string,dec;", 2, None),
            ("byte_jump:4,10;", 0, None),
        ] {
            let (held, landed) = holds(option, payload, at);
            assert_eq!(held.then_some(landed), expected, "{option}");
        }
        let frame = Frame { offset: 100, from_start: false, ..Frame::default() };
        assert_eq!(holds_in("byte_jump:2,100,from_beginning,post_offset 104;", payload, 0, frame), (true, 9));
        assert!(!holds_in("byte_jump:2,0;", payload, 0, frame).0);
    }

    /// Runs the operations of a rule in order and gives the variables.
    fn vars(text: &str, bytes: &[u8]) -> Option<(Vec<u64>, usize)> {
        with(text, |rule| {
            let rule = rule.unwrap();
            let mut vars = vec![0; usize::from(rule.var_count())];
            let mut decoded = Vec::new();
            let mut view = View {
                bytes,
                at: 0,
                offset: 0,
                from_start: true,
                to_end: true,
                little: true,
                vars: &mut vars,
                decoded: &mut decoded,
            };
            for op in &rule.parts[0].ops {
                let Op::Test(test) = op else { panic!() };
                if !test.test(&mut view) {
                    return None;
                }
            }
            let at = view.at;
            Some((vars, at))
        })
    }

    #[test]
    fn variables_are_set() {
        let payload = b"\x00\x05abc";
        for (text, expected) in [
            ("byte_extract:2,0,v;", Some((vec![5], 2))),
            ("byte_extract:2,0,v,little;", Some((vec![0x500], 2))),
            ("byte_extract:2,0,v,multiplier 3;", Some((vec![15], 2))),
            ("byte_extract:2,0,v,align 4;", Some((vec![8], 2))),
            ("byte_extract:2,0,v,align 2;", Some((vec![6], 2))),
            ("byte_extract:2,4,v;", None),
            ("byte_extract:1,1,v; byte_extract:1,0,w,relative;", Some((vec![5, 97], 3))),
            ("byte_math:bytes 2,offset 0,oper +,rvalue 2,result r;", Some((vec![7], 2))),
            ("byte_math:bytes 2,offset 0,oper -,rvalue 7,result r;", Some((vec![u64::MAX - 1], 2))),
            ("byte_math:bytes 2,offset 0,oper /,rvalue 0,result r;", None),
            ("byte_math:bytes 2,offset 0,oper <<,rvalue 4,result r;", Some((vec![80], 2))),
            ("byte_math:bytes 2,offset 0,oper <<,rvalue 70,result r;", Some((vec![0], 2))),
            ("byte_math:bytes 2,offset 0,oper +,rvalue 256,result r,bitmask 0xff00;", Some((vec![1], 2))),
            (
                "byte_extract:1,1,v; byte_math:bytes 1,offset 1,oper *,rvalue v,result r;",
                Some((vec![5, 25], 2)),
            ),
            ("byte_extract:1,1,v; byte_test:1,=,5,1; byte_test:1,=,v,1;", Some((vec![5], 2))),
            ("byte_extract:2,0,v; byte_test:1,<,v,0;", Some((vec![5], 2))),
        ] {
            assert_eq!(vars(text, payload), expected, "{text}");
        }
    }

    #[test]
    fn options_that_load() {
        check_loads(&[
            "byte_test:0,=,5,0;",
            "byte_test:23,=,5,0,string,oct;",
            "byte_test:4,=,5,0,little,big;",
            "byte_test:4,=,5,0,dce;",
            "byte_test:4,=,5,65536;",
            "byte_test:4,=,5,-65536;",
            "byte_extract:1,0,foo; byte_test:foo,=,1,foo;",
            "byte_test:4, > , 5, 0, relative, string, hex;",
            "byte_test:4,>,18446744073709551615,0;",
            "byte_jump:4,0,relative,little,align,multiplier 2,post_offset -3;",
            "byte_extract:1,0,foo; byte_jump:foo,foo;",
            "byte_extract:4,0,foo,relative,multiplier 3,big,align 4;",
            "byte_extract:4,0,foo; byte_extract:4,4,foo;",
            "byte_extract:4,0,SSL.Client_Hello.length,relative;",
            "byte_math:bytes 4, offset 0, oper +, rvalue 10, result x, relative, endian little, string hex, bitmask 0xff;",
            "byte_math:offset 5,bytes 4, oper *, result x,rvalue 2;",
            "byte_math:bytes 4, offset 0, oper +, rvalue 4, result x; byte_test:x,>,x,x; isdataat:x;",
        ]);
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("byte_test:1,==,5,0;", "not an operator"),
            ("byte_test:9,=,5,0;", "a binary number has at most 8 bytes"),
            ("byte_test:24,=,5,0,string,dec;", "a number written as text has at most 23 bytes"),
            ("byte_test:10,=,5,0,dec;", "hex, dec and oct need string"),
            ("byte_test:4,=,5,0,dce,little;", "dce says the byte order itself"),
            ("byte_test:4,=,foo,0;", "\"foo\" is neither a number nor a variable of this rule"),
            ("byte_test:4,=,5;", "byte_test has four values and options"),
            ("byte_test:4,=,5,0,foo;", "not an option of byte_test"),
            ("byte_test:4,=,5,0,bitmask;", "bitmask needs a value"),
            ("byte_test:4,=,5,0,bitmask zz;", "not a bit mask"),
            ("byte_test:4,>,18446744073709551616,0;", "\"18446744073709551616\" is out of range"),
            ("byte_jump:4,0,from_end,from_beginning;", "from_beginning and from_end contradict each other"),
            ("byte_jump:9,0;", "a binary number has at most 8 bytes"),
            ("byte_jump:4,0,multiplier 0;", "a multiplier of 0 goes nowhere"),
            ("byte_jump:4,0,post_offset 65536;", "\"65536\" is out of range"),
            ("byte_jump:4,-65536;", "\"-65536\" is out of range"),
            ("byte_jump:4;", "byte_jump has two values and options"),
            ("byte_extract:4,0,foo,align 3;", "\"3\" is not an alignment"),
            ("byte_extract:4,0,foo,string,hex,little;", "text has no byte order"),
            ("byte_extract:9,0,foo;", "a binary number has at most 8 bytes"),
            ("byte_extract:4,0,12;", "not a name of a variable"),
            (
                "byte_math:bytes 4, offset 0, oper +, rvalue 10, result x, endian little, dce;",
                "dce says the byte order itself",
            ),
            (
                "byte_math:bytes 11, offset 0, oper >>, rvalue 2, result x;",
                "a binary number has at most 8 bytes",
            ),
            ("byte_math:bytes 0, offset 0, oper -, rvalue 2, result x;", "a number has at least one byte"),
            ("byte_math:bytes 4, offset 0, oper %, rvalue 2, result x;", "\"%\" is not an operator"),
            ("byte_math:bytes 4, offset 0, oper +, result x;", "byte_math needs rvalue"),
            (
                "byte_math:bytes 4, offset 0, oper +, rvalue 4294967296, result x;",
                "\"4294967296\" is out of range",
            ),
        ]);
    }
}
