//! Numbers in keyword values: plain, with units, and the tests of the integer keywords (user guide, "Integer Keywords").

use super::report::{RuleError, excerpt};
use super::value::Piece;

/// An unsigned integer, decimal or hexadecimal (`0x1f`), at most `max`.
pub fn unsigned(piece: &Piece<'_>, max: u64) -> Result<u64, RuleError> {
    let piece = piece.trim();
    let digits = piece.node;
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok(),
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    match parsed {
        Some(number) if number <= max => Ok(number),
        _ if digits.is_empty() => Err(piece.error("a number is missing")),
        None if !looks_numeric(digits) => Err(piece
            .error(format!("{} is not a number", excerpt(digits, 24)))
            .hint("write it as 26 or 0x1a")),
        _ => Err(piece.error(format!("{} is out of range", excerpt(digits, 24))).hint(format!("0 to {max}"))),
    }
}

/// A signed integer, decimal or hexadecimal, within bounds.
pub fn signed(piece: &Piece<'_>, min: i64, max: i64) -> Result<i64, RuleError> {
    let piece = piece.trim();
    let negative = piece.node.starts_with('-');
    let digits = match piece.node.strip_prefix(['-', '+']) {
        Some(_) => piece.part(1..piece.node.len()),
        None => piece.clone(),
    };
    if digits.node.is_empty() {
        return Err(piece.error("a number is missing"));
    }
    if !looks_numeric(digits.node) {
        return Err(piece
            .error(format!("{} is not a number", excerpt(piece.node, 24)))
            .hint("write it as -26, 26 or 0x1a"));
    }
    let number = unsigned(&digits, u64::MAX).ok().map(i128::from).map(|n| if negative { -n } else { n });
    match number.and_then(|n| i64::try_from(n).ok()) {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(piece
            .error(format!("{} is out of range", excerpt(piece.node, 24)))
            .hint(format!("{min} to {max}"))),
    }
}

fn looks_numeric(digits: &str) -> bool {
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// An unsigned integer that may carry a unit: `kb`/`kib`, `mb`/`mib`, `gb`/`gib`, in any case; binary multiples.
pub fn size(piece: &Piece<'_>, max: u64) -> Result<u64, RuleError> {
    let piece = piece.trim();
    let hex = piece.node.starts_with("0x") || piece.node.starts_with("0X");
    let unit_at = match hex {
        true => piece.node.len(),
        false => piece.node.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(piece.node.len()),
    };
    let unit = piece.part(unit_at..piece.node.len());
    let shift = match unit.node.to_ascii_lowercase().as_str() {
        "" => return unsigned(&piece, max),
        "kb" | "kib" => 10,
        "mb" | "mib" => 20,
        "gb" | "gib" => 30,
        _ if unit_at == 0 => {
            return Err(piece
                .error(format!("{} is not a number", excerpt(piece.node, 24)))
                .hint("write it as 26 or 0x1a"));
        }
        _ => {
            return Err(unit
                .error(format!("{} is not a unit", excerpt(unit.node, 16)))
                .hint("one of kb, mb, gb"));
        }
    };
    let number = unsigned(&piece.part(0..unit_at), u64::MAX)?;
    match number.checked_mul(1 << shift) {
        Some(bytes) if bytes <= max => Ok(bytes),
        _ => Err(piece
            .error(format!("{} is out of range", excerpt(piece.node, 24)))
            .hint(format!("0 to {max}"))),
    }
}

/// A time in seconds, with an optional unit `s`, `m`, `h`, `d` or `w`.
pub fn seconds(piece: &Piece<'_>, max: u64) -> Result<u64, RuleError> {
    let piece = piece.trim();
    let unit_at = piece.node.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(piece.node.len());
    let unit = piece.part(unit_at..piece.node.len());
    let factor = match unit.node.to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ if unit_at == 0 => return Err(piece.error(format!("{} is not a number", excerpt(piece.node, 24)))),
        _ => {
            return Err(unit
                .error(format!("{} is not a unit of time", excerpt(unit.node, 16)))
                .hint("one of s, m, h, d, w"));
        }
    };
    match unsigned(&piece.part(0..unit_at), u64::MAX)?.checked_mul(factor) {
        Some(seconds) if seconds <= max => Ok(seconds),
        _ => Err(piece
            .error(format!("{} is out of range", excerpt(piece.node, 24)))
            .hint(format!("0 to {max} seconds"))),
    }
}

/// The unsigned integers an [`IntTest`] can be about.
pub trait Unsigned: Copy + Ord + Into<u64> + TryFrom<u64> + std::fmt::Debug {
    /// The largest.
    const MAX: u64;
}

impl Unsigned for u8 {
    const MAX: u64 = u8::MAX as u64;
}
impl Unsigned for u16 {
    const MAX: u64 = u16::MAX as u64;
}
impl Unsigned for u32 {
    const MAX: u64 = u32::MAX as u64;
}
impl Unsigned for u64 {
    const MAX: u64 = u64::MAX;
}

/// A test of an unsigned integer. Comparisons and ranges are strict unless `=` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntTest<T> {
    /// `5`, `=5`
    Eq(T),
    /// `!5`, `!=5`
    Ne(T),
    /// `<5`
    Lt(T),
    /// `<=5`
    Le(T),
    /// `>5`
    Gt(T),
    /// `>=5`
    Ge(T),
    /// `5-10`, `5<>10`: more than the first, less than the second.
    Range(T, T),
    /// `!5-10`: at most the first, or at least the second.
    NotRange(T, T),
    /// `&0xc0=0x80`: masked, it is that.
    Mask(T, T),
    /// `&0xc0!=0`, and `&0xc0`, which is short for it: masked, it is not that.
    NotMask(T, T),
}

impl<T: Unsigned> IntTest<T> {
    /// Does the number pass?
    pub fn matches(&self, number: u64) -> bool {
        match *self {
            IntTest::Eq(a) => number == a.into(),
            IntTest::Ne(a) => number != a.into(),
            IntTest::Lt(a) => number < a.into(),
            IntTest::Le(a) => number <= a.into(),
            IntTest::Gt(a) => number > a.into(),
            IntTest::Ge(a) => number >= a.into(),
            IntTest::Range(a, b) => number > a.into() && number < b.into(),
            IntTest::NotRange(a, b) => number <= a.into() || number >= b.into(),
            IntTest::Mask(mask, value) => number & mask.into() == value.into(),
            IntTest::NotMask(mask, value) => number & mask.into() != value.into(),
        }
    }

    /// No number below the first or above the second passes.
    pub fn bounds(&self) -> (u64, u64) {
        match *self {
            IntTest::Eq(a) => (a.into(), a.into()),
            IntTest::Lt(a) => (0, a.into().saturating_sub(1)),
            IntTest::Le(a) => (0, a.into()),
            IntTest::Gt(a) => (a.into().saturating_add(1), u64::MAX),
            IntTest::Ge(a) => (a.into(), u64::MAX),
            IntTest::Range(a, b) => (a.into().saturating_add(1), b.into().saturating_sub(1)),
            IntTest::Ne(_) | IntTest::NotRange(..) | IntTest::Mask(..) | IntTest::NotMask(..) => {
                (0, u64::MAX)
            }
        }
    }

    /// The largest number that passes, and the one that is written as the upper end (for `<5`: 4 and 5); `None` without an
    /// upper end.
    pub fn upper(&self) -> Option<(u64, u64)> {
        match *self {
            IntTest::Eq(a) | IntTest::Le(a) => Some((a.into(), a.into())),
            IntTest::Lt(a) | IntTest::Range(_, a) => Some((a.into().saturating_sub(1), a.into())),
            _ => None,
        }
    }

    /// Reads a test. One that no number or every number passes is a mistake.
    pub fn parse(value: &Piece<'_>) -> Result<Self, RuleError> {
        let value = value.trim();
        let one = |piece: &Piece<'_>| size(piece, T::MAX).and_then(|n| narrow::<T>(piece, n));
        if let Some(rest) = value.strip("&") {
            return mask(&rest);
        }
        let parsed = if let Some(rest) = value.strip(">=") {
            IntTest::Ge(one(&rest)?)
        } else if let Some(rest) = value.strip(">") {
            IntTest::Gt(one(&rest)?)
        } else if let Some(rest) = value.strip("<=") {
            IntTest::Le(one(&rest)?)
        } else if let Some(rest) = value.strip("<") {
            IntTest::Lt(one(&rest)?)
        } else if let Some(rest) = value.strip("!=") {
            IntTest::Ne(one(&rest)?)
        } else if let Some(rest) = value.strip("!") {
            match range(&rest)? {
                Some((a, b)) => IntTest::NotRange(a, b),
                None => IntTest::Ne(one(&rest)?),
            }
        } else if let Some(rest) = value.strip("=") {
            IntTest::Eq(one(&rest)?)
        } else {
            match range(&value)? {
                Some((a, b)) => IntTest::Range(a, b),
                None => IntTest::Eq(one(&value)?),
            }
        };
        match parsed {
            IntTest::Lt(a) if 0_u64 == a.into() => Err(value.error("no number is below 0")),
            IntTest::Gt(a) if T::MAX == a.into() => {
                Err(value.error(format!("no number here is above {}", T::MAX)))
            }
            _ => Ok(parsed),
        }
    }
}

/// `5-10` or `5<>10`; at least one number must lie between.
fn range<T: Unsigned>(value: &Piece<'_>) -> Result<Option<(T, T)>, RuleError> {
    let Some((low, high)) = value.split_at_first("<>").or_else(|| value.split_at_first("-")) else {
        return Ok(None);
    };
    let (a, b) = (size(&low, T::MAX)?, size(&high, T::MAX)?);
    if a >= b || b - a < 2 {
        let hint = "ranges are exclusive: 5-10 passes 6, 7, 8 and 9";
        return Err(value.error("no number lies in this range").hint(hint));
    }
    Ok(Some((narrow(&low, a)?, narrow(&high, b)?)))
}

/// Behind the `&`.
fn mask<T: Unsigned>(value: &Piece<'_>) -> Result<IntTest<T>, RuleError> {
    let one = |piece: &Piece<'_>| unsigned(piece, T::MAX).and_then(|n| narrow::<T>(piece, n));
    let zero = |piece: &Piece<'_>| narrow::<T>(piece, 0);
    if let Some((mask, wanted)) = value.split_at_first("!=") {
        return Ok(IntTest::NotMask(one(&mask)?, one(&wanted)?));
    }
    if let Some((mask, wanted)) = value.split_at_first("=") {
        return Ok(IntTest::Mask(one(&mask)?, one(&wanted)?));
    }
    Ok(IntTest::NotMask(one(value)?, zero(value)?))
}

fn narrow<T: Unsigned>(piece: &Piece<'_>, number: u64) -> Result<T, RuleError> {
    T::try_from(number).map_err(|_| piece.error("out of range"))
}

#[cfg(test)]
mod tests {
    use super::super::ast::Spanned;
    use super::*;

    fn piece(text: &str) -> Piece<'_> {
        Spanned { node: text, span: 0..text.len() }
    }

    #[test]
    fn integers_have_bounds() {
        assert_eq!(unsigned(&piece(" 0xFF "), 255), Ok(255));
        assert_eq!(unsigned(&piece("65535"), 65_535), Ok(65_535));
        assert_eq!(unsigned(&piece("256"), 255).unwrap_err().hint.as_deref(), Some("0 to 255"));
        assert_eq!(
            unsigned(&piece("99999999999999999999"), 255).unwrap_err().message,
            "\"99999999999999999999\" is out of range"
        );
        for bad in ["", "x", "0x", "1a", "-1", "+1", "1 2"] {
            assert!(unsigned(&piece(bad), u64::MAX).is_err(), "{bad}");
        }
        assert_eq!(signed(&piece("-65535"), -65_535, 65_535), Ok(-65_535));
        assert_eq!(signed(&piece("-9223372036854775808"), i64::MIN, i64::MAX), Ok(i64::MIN));
        for bad in ["", "-", "--1", "- 1", "9223372036854775808", "0x", "1e3"] {
            assert!(signed(&piece(bad), i64::MIN, i64::MAX).is_err(), "{bad}");
        }
        assert_eq!(size(&piece("10KB"), u64::MAX), Ok(10_240));
        assert_eq!(size(&piece("1GiB"), u64::MAX), Ok(1 << 30));
        assert_eq!(size(&piece("10xb"), u64::MAX).unwrap_err().span, 2..4);
        assert!(size(&piece("18446744073709551615gb"), u64::MAX).is_err());
        assert_eq!(seconds(&piece("5m"), u64::MAX), Ok(300));
        assert_eq!(seconds(&piece("60"), u64::MAX), Ok(60));
    }

    #[test]
    fn integer_tests_are_read_and_hold() {
        use IntTest::*;
        let check = |text: &str, expected: IntTest<u16>, yes: &[u64], no: &[u64]| {
            let test = IntTest::<u16>::parse(&piece(text)).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!(test, expected, "{text}");
            assert!(yes.iter().all(|&n| test.matches(n)) && !no.iter().any(|&n| test.matches(n)), "{text}");
        };
        check("5", Eq(5), &[5], &[4, 6, 65_541]);
        check("=0x5", Eq(5), &[5], &[4]);
        check("!5", Ne(5), &[4], &[5]);
        check("!= 5", Ne(5), &[4], &[5]);
        check("> 5", Gt(5), &[6], &[5]);
        check(">=5", Ge(5), &[5, 6], &[4]);
        check("<5", Lt(5), &[4], &[5]);
        check("<=5", Le(5), &[5], &[6]);
        check("5-10", Range(5, 10), &[6, 9], &[5, 10]);
        check("5<>10", Range(5, 10), &[6, 9], &[5, 10]);
        check("5 - 8", Range(5, 8), &[6, 7], &[5, 8]);
        check("!5-10", NotRange(5, 10), &[5, 10], &[6, 9]);
        check("&0xc0=0x80", Mask(0xc0, 0x80), &[0x80, 0xbf], &[0xc0, 0]);
        check("&0xc0!=0", NotMask(0xc0, 0), &[0x40], &[0x3f]);
        check("&0x80", NotMask(0x80, 0), &[0xff], &[0x7f]);
        check("1kb", Eq(1024), &[1024], &[1]);
        for bad in [
            "", ">", "5-6", "6-5", "5-", "-5", "<0", ">65535", "65536", "==5", "&", "5<>6", "1kx", "!",
            "a-b", "\u{e9}",
        ] {
            assert!(IntTest::<u16>::parse(&piece(bad)).is_err(), "{bad}");
        }
    }
}
