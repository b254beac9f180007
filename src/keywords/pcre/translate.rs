//! Perl-compatible expression → the same in the syntax of `regex`, where both mean the same for every input.
//!
//! Answers `None` whenever there is a doubt; `pcre2` serves then. What both share: leftmost-first matching, ASCII classes,
//! `.` without newline. What is translated away: `$`, which matches before a newline at the end too; escapes of punctuation;
//! literals in classes. What is refused: look-around, back-references, possessive and atomic groups, options in mid-pattern,
//! repeated groups that may match nothing (both engines leave such loops in their own way), and all that is rare.

use std::fmt::Write as _;

use super::expression::Flags;

/// How deep groups may be nested.
const DEPTH_MAX: u8 = 64;
/// The largest count in braces that is translated; larger ones make large automata.
const REPEAT_MAX: u32 = 4096;

/// An expression for `regex::bytes` with Unicode off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    /// Its text: ASCII only.
    pub(super) text: String,
    /// Flags, with those that stood at its start.
    pub(super) flags: Flags,
    /// Every capturing group in it stands for the newline that `$` does not take.
    pub(super) dollar: bool,
}

/// Translates, or not.
pub(super) fn translate(pattern: &str, mut flags: Flags) -> Option<Translated> {
    if flags.extended {
        return None;
    }
    let mut rest = pattern;
    while let Some((options, after)) = leading_options(rest) {
        flags.caseless |= options.contains('i');
        flags.dot_all |= options.contains('s');
        flags.multi_line |= options.contains('m');
        rest = after;
    }
    let mut scan = Scan {
        bytes: rest.as_bytes(),
        at: 0,
        out: String::with_capacity(rest.len() * 2),
        flags,
        caret: false,
    };
    if flags.anchored {
        scan.out.push_str(r"\A(?:");
    }
    let shape = scan.alternatives(0)?;
    (scan.at == scan.bytes.len()).then_some(())?;
    if flags.anchored {
        scan.out.push(')');
    }
    // with m, a circumflex does not match behind a newline that ends the subject; that matters to empty matches only
    (!scan.caret || !shape.empty).then_some(())?;
    Some(Translated { text: scan.out, flags, dollar: shape.dollar })
}

/// `(?i)` and the like at the very start.
fn leading_options(pattern: &str) -> Option<(&str, &str)> {
    let (options, after) = pattern.strip_prefix("(?")?.split_once(')')?;
    (!options.is_empty() && options.bytes().all(|b| matches!(b, b'i' | b's' | b'm')))
        .then_some((options, after))
}

/// What is known of a piece of an expression.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    /// It may match nothing.
    empty: bool,
    /// It has a `$`, so that nothing may follow.
    dollar: bool,
    /// It is an assertion and takes no quantifier.
    assertion: bool,
}

struct Scan<'p> {
    bytes: &'p [u8],
    at: usize,
    out: String,
    flags: Flags,
    /// There is a circumflex that looks for line starts.
    caret: bool,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn literal(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            self.out.push(char::from(byte));
        } else {
            // writing to a string cannot fail
            let _ = write!(self.out, "\\x{byte:02x}");
        }
    }

    fn alternatives(&mut self, depth: u8) -> Option<Shape> {
        (depth < DEPTH_MAX).then_some(())?;
        let mut shape = self.sequence(depth)?;
        while self.eat(b'|') {
            self.out.push('|');
            let next = self.sequence(depth)?;
            shape.empty |= next.empty;
            shape.dollar |= next.dollar;
        }
        Some(shape)
    }

    fn sequence(&mut self, depth: u8) -> Option<Shape> {
        let mut shape = Shape { empty: true, ..Shape::default() };
        while let Some(byte) = self.peek() {
            if matches!(byte, b'|' | b')') {
                break;
            }
            if shape.dollar {
                return None;
            }
            let mut item = self.item(byte, depth)?;
            self.quantifier(&mut item)?;
            shape.empty &= item.empty;
            shape.dollar |= item.dollar;
        }
        Some(shape)
    }

    fn item(&mut self, byte: u8, depth: u8) -> Option<Shape> {
        let assertion = Shape { empty: true, assertion: true, dollar: false };
        match byte {
            b'^' => {
                if self.flags.multi_line {
                    // elsewhere a newline before it could be the last byte
                    (self.at == 0).then_some(())?;
                    self.caret = true;
                }
                self.out.push_str(if self.flags.multi_line { "^" } else { r"\A" });
                self.at += 1;
                Some(assertion)
            }
            b'$' => {
                self.at += 1;
                if self.flags.multi_line {
                    self.out.push('$');
                    return Some(assertion);
                }
                if self.flags.dollar_end_only {
                    self.out.push_str(r"\z");
                    return Some(assertion);
                }
                self.out.push_str(r"(\n)?\z");
                Some(Shape { dollar: true, ..assertion })
            }
            b'.' => {
                self.out.push('.');
                self.at += 1;
                Some(Shape::default())
            }
            b'[' => self.class(),
            b'(' => self.group(depth),
            b'\\' => self.escape(),
            b'*' | b'+' | b'?' => None,
            // counts with nothing before them, or in a form that not every release reads as counts: {,5}, { 1, 5 }
            b'{' if self.braces().is_some() || self.odd_braces() => None,
            _ => {
                self.literal(byte);
                self.at += 1;
                Some(Shape::default())
            }
        }
    }

    fn group(&mut self, depth: u8) -> Option<Shape> {
        self.at += 1;
        let rest = self.bytes.get(self.at..)?;
        match rest {
            [b'?', b':', ..] => {
                self.at += 2;
                self.out.push_str("(?:");
            }
            [b'?', b'P', b'<', ..] => self.name(3)?,
            [b'?', b'<', next, ..] if !matches!(next, b'=' | b'!') => self.name(2)?,
            [b'?', ..] => {
                let colon = rest.iter().position(|b| *b == b':')?;
                let options = rest.get(1..colon)?;
                let known = !options.is_empty() && options.iter().all(|b| matches!(b, b'i' | b's'));
                known.then_some(())?;
                self.at += colon + 1;
                self.out.push_str("(?");
                self.out.extend(options.iter().map(|b| char::from(*b)));
                self.out.push(':');
            }
            [b'*', ..] => return None,
            _ => self.out.push_str("(?:"),
        }
        let shape = self.alternatives(depth + 1)?;
        self.eat(b')').then_some(())?;
        self.out.push(')');
        Some(Shape { assertion: false, ..shape })
    }

    fn name(&mut self, skip: usize) -> Option<()> {
        let rest = self.bytes.get(self.at + skip..)?;
        let end = rest.iter().position(|b| *b == b'>')?;
        let word = rest.get(..end)?;
        let valid = !word.is_empty()
            && end <= 32
            && !word[0].is_ascii_digit()
            && word.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        valid.then_some(())?;
        self.at += skip + end + 1;
        self.out.push_str("(?:");
        Some(())
    }

    fn escape(&mut self) -> Option<Shape> {
        let byte = *self.bytes.get(self.at + 1)?;
        match byte {
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' => {
                self.at += 2;
                self.out.push('\\');
                self.out.push(char::from(byte));
                Some(Shape::default())
            }
            b'b' | b'B' | b'A' | b'z' => {
                self.at += 2;
                self.out.push('\\');
                self.out.push(char::from(byte));
                Some(Shape { empty: true, assertion: true, dollar: false })
            }
            _ => {
                let literal = self.escaped_literal()?;
                self.literal(literal);
                Some(Shape::default())
            }
        }
    }

    /// A single byte behind a backslash.
    fn escaped_literal(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at + 1)?;
        self.at += 2;
        Some(match byte {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'f' => 0x0c,
            b'a' => 0x07,
            b'e' => 0x1b,
            b'x' => return self.hex(),
            _ if byte.is_ascii_alphanumeric() || !byte.is_ascii() => return None,
            _ => byte,
        })
    }

    /// Exactly two digits, or one or two in braces.
    fn hex(&mut self) -> Option<u8> {
        let rest = self.bytes.get(self.at..)?;
        let (digits, len) = if rest.first() == Some(&b'{') {
            let end = rest.iter().take(4).position(|b| *b == b'}')?;
            (rest.get(1..end)?, end + 1)
        } else {
            (rest.get(..2)?, 2)
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += len;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn class(&mut self) -> Option<Shape> {
        self.at += 1;
        self.out.push('[');
        if self.eat(b'^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let byte = self.peek()?;
            if byte == b']' && !first {
                self.at += 1;
                self.out.push(']');
                return Some(Shape::default());
            }
            first = false;
            match self.class_item(byte)? {
                // what follows a set with a dash is read in different ways
                None => (self.peek()? != b'-' || self.bytes.get(self.at + 1) == Some(&b']')).then_some(())?,
                Some(low) => self.range(low)?,
            }
        }
    }

    /// A single byte of a class (`Some`), or a set that was written out (`None` within).
    fn class_item(&mut self, byte: u8) -> Option<Option<u8>> {
        match byte {
            b'[' if matches!(self.bytes.get(self.at + 1), Some(b':' | b'.' | b'=')) => {
                let rest = self.bytes.get(self.at..)?;
                // "[:" without its end is a bracket and a colon
                let end = rest.windows(2).position(|pair| pair == b":]")?;
                let name = std::str::from_utf8(rest.get(2..end)?).ok()?;
                let bare = name.strip_prefix('^').unwrap_or(name);
                (rest.get(1) == Some(&b':') && POSIX.contains(&bare)).then_some(())?;
                self.at += end + 2;
                let _ = write!(self.out, "[:{name}:]");
                Some(None)
            }
            b'\\' => match *self.bytes.get(self.at + 1)? {
                set @ (b'd' | b'D' | b'w' | b'W' | b's' | b'S') => {
                    self.at += 2;
                    self.out.push('\\');
                    self.out.push(char::from(set));
                    Some(None)
                }
                b'b' => {
                    self.at += 2;
                    Some(Some(8))
                }
                _ => self.escaped_literal().map(Some),
            },
            _ => {
                self.at += 1;
                Some(Some(byte))
            }
        }
    }

    /// Writes a byte of a class, or the range that it begins.
    fn range(&mut self, low: u8) -> Option<()> {
        self.literal(low);
        let dash = self.peek()? == b'-' && self.bytes.get(self.at + 1).is_some_and(|next| *next != b']');
        if !dash {
            return Some(());
        }
        self.at += 1;
        let high = self.class_item(self.peek()?)??;
        (low <= high).then_some(())?;
        self.out.push('-');
        self.literal(high);
        Some(())
    }

    fn quantifier(&mut self, item: &mut Shape) -> Option<()> {
        let start = self.at;
        let (least, most) = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => match self.braces() {
                Some(counts) => counts,
                None => return Some(()),
            },
            _ => return Some(()),
        };
        if self.at == start {
            self.at += 1;
        }
        // nothing follows a dollar, and an assertion is not repeated
        (!item.dollar && !item.assertion).then_some(())?;
        (!item.empty || most == Some(1)).then_some(())?;
        (least <= REPEAT_MAX && most.is_none_or(|most| least <= most && most <= REPEAT_MAX)).then_some(())?;
        match (least, most) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (least, None) => drop(write!(self.out, "{{{least},}}")),
            (least, Some(most)) => drop(write!(self.out, "{{{least},{most}}}")),
        }
        if self.eat(b'?') {
            self.out.push('?');
        }
        // possessive, or repeated once more
        let again = matches!(self.peek(), Some(b'+' | b'*' | b'?'))
            || (self.peek() == Some(b'{') && self.braces().is_some());
        (!again).then_some(())?;
        item.empty |= least == 0;
        Some(())
    }

    /// Digits, commas and blanks between braces.
    fn odd_braces(&self) -> bool {
        let rest = self.bytes.get(self.at + 1..).unwrap_or(&[]);
        let end = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b',' | b' ' | b'\t'));
        end.is_some_and(|end| end > 0 && rest[end] == b'}')
    }

    /// `{n}`, `{n,}`, `{n,m}`; moves only when it is one.
    fn braces(&mut self) -> Option<(u32, Option<u32>)> {
        let rest = self.bytes.get(self.at + 1..)?;
        let end = rest.iter().take(16).position(|b| *b == b'}')?;
        let text = std::str::from_utf8(rest.get(..end)?).ok()?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
        };
        let counts = match text.split_once(',') {
            None => (number(text)?, Some(number(text)?)),
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        self.at += end + 2;
        Some(counts)
    }
}

const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pattern: &str) -> Option<String> {
        translate(pattern, Flags::default()).map(|t| t.text)
    }

    #[test]
    fn what_means_the_same_is_translated() {
        for (pattern, expected) in [
            ("abc", "abc"),
            (r"^a\/b\.c", r"\Aa\x2fb\x2ec"),
            (r"a|b*?c+", "a|b*?c+"),
            (r"(a)(?:b)(?P<x>c)(?<y>d)", "(?:a)(?:b)(?:c)(?:d)"),
            (r"[^a-z\d\-]{2,5}", r"[^a-z\d\x2d]{2,5}"),
            (r"[]a][a-]", r"[\x5da][a\x2d]"),
            (r"[[:alpha:]_&&~~-]", r"[[:alpha:]\x5f\x26\x26\x7e\x7e\x2d]"),
            (r"a$", r"a(\n)?\z"),
            (r"(?:a|b$)", r"(?:a|b(\n)?\z)"),
            (r"a{x{}", r"a\x7bx\x7b\x7d"),
            (r"\x41\x{ff}\t", r"A\xff\x09"),
            ("é", r"\xc3\xa9"),
            (r"(?i:a)b", "(?i:a)b"),
            (r"(?i)a", "a"),
            (r"\<\>", r"\x3c\x3e"),
            ("", ""),
            (r"a{3}", "a{3,3}"),
            (r"(?:a?)?", "(?:a?)?"),
        ] {
            assert_eq!(text(pattern).as_deref(), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn what_differs_is_not() {
        for pattern in [
            r"(?=a)",
            r"(?!a)",
            r"(?<=a)",
            r"(?<!a)",
            r"(?>a)",
            r"(a)\1",
            r"a++",
            r"a*+",
            r"a{2}{3}",
            r"a$b",
            r"(a$)+",
            r"(a*)*",
            r"(a|b?)+",
            r"\Ga",
            r"a\Kb",
            r"\h",
            r"\R",
            r"\Qa\E",
            r"\101",
            r"\x4",
            r"\x{100}",
            r"[\d-z]",
            r"[a-\d]",
            r"[z-a]",
            r"a(?i)b",
            r"(?x)a",
            r"(*UTF)a",
            r"a{1,5000}",
            r"a**",
            "(a",
            "a)",
            "[a",
            "*a",
            "a{,3}",
            "a{ 1,3}",
            "{2}",
            "a|{1,}",
            r"\",
            r"[[.a.]]",
            r"(?|a)",
            r"^*",
            r"\b+",
            r"(?#x)a",
            r"(?P=x)",
            r"[\h]",
            r"a\Z",
        ] {
            assert_eq!(text(pattern), None, "{pattern}");
        }
        let multi = Flags { multi_line: true, ..Flags::default() };
        assert!(translate("^a", multi).is_some());
        assert!(translate("^a*$", multi).is_none());
        assert!(translate("a|^b", multi).is_none());
        assert!(translate("a", Flags { extended: true, ..Flags::default() }).is_none());
        assert_eq!(text(&"(".repeat(10_000)), None);
    }
}
