//! What keyword values are made of: quoted text, bytes, lists, key-value pairs, sizes and times.
//! Numbers are in [`super::number`].
//!
//! Everything works on a [`Spanned`] piece of the rule's text, so that every mistake is told at its very place.

use std::borrow::Cow;
use std::ops::Range;

use super::ast::Spanned;
use super::report::{RuleError, excerpt};

/// A piece of a rule's text and where it stands.
pub type Piece<'t> = Spanned<&'t str>;

/// Most parts of one list; what has more is no rule.
pub const PARTS_MAX: usize = 4096;

impl<'t> Spanned<&'t str> {
    /// A part of the piece, by offsets into it; empty where they do not fit.
    pub fn part(&self, range: Range<usize>) -> Piece<'t> {
        match self.node.get(range.clone()) {
            Some(node) => Spanned { node, span: self.span.start + range.start..self.span.start + range.end },
            None => Spanned { node: "", span: self.span.end..self.span.end },
        }
    }

    /// Without the blanks at its ends.
    pub fn trim(&self) -> Piece<'t> {
        let start = self.node.len() - self.node.trim_ascii_start().len();
        let part = self.node.trim_ascii();
        Spanned { node: part, span: self.span.start + start..self.span.start + start + part.len() }
    }

    /// Behind that prefix, trimmed; `None` when it does not begin so.
    pub fn strip(&self, prefix: &str) -> Option<Piece<'t>> {
        self.node.strip_prefix(prefix).map(|_| self.part(prefix.len()..self.node.len()).trim())
    }

    /// Both sides of the first occurrence of a separator, trimmed.
    pub fn split_at_first(&self, separator: &str) -> Option<(Piece<'t>, Piece<'t>)> {
        let at = self.node.find(separator)?;
        Some((self.part(0..at).trim(), self.part(at + separator.len()..self.node.len()).trim()))
    }

    /// A mistake about the whole piece.
    pub fn error(&self, message: impl Into<String>) -> RuleError {
        RuleError::new(self.span.clone(), message)
    }

    /// A mistake about one character of the piece.
    pub fn error_at(&self, offset: usize, message: impl Into<String>) -> RuleError {
        let width = self.node.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        RuleError::new(self.span.start + offset..self.span.start + offset + width, message)
    }
}

/// A keyword's text value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted<'t> {
    /// A `!` stood before the quotes.
    pub negated: bool,
    /// What stands between the quotes, escapes as written.
    pub text: Piece<'t>,
}

/// Reads `"…"` or `!"…"`; anything else is a mistake.
pub fn quoted<'t>(value: &Piece<'t>) -> Result<Quoted<'t>, RuleError> {
    let text = text(value)?;
    if text.text.span.end == value.trim().span.end {
        let hint = format!("write \"{}\"", text.text.node.chars().take(40).collect::<String>());
        return Err(text.text.error("this value must stand in double quotes").hint(hint));
    }
    Ok(text)
}

/// Reads `"…"`, `…`, each with an optional `!` before it.
pub fn text<'t>(value: &Piece<'t>) -> Result<Quoted<'t>, RuleError> {
    let value = value.trim();
    let (negated, rest) = match value.strip("!") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let Some(inner) = rest.node.strip_prefix('"') else {
        return Ok(Quoted { negated, text: rest });
    };
    match inner.strip_suffix('"') {
        Some(inner) => Ok(Quoted { negated, text: rest.part(1..1 + inner.len()) }),
        None => {
            Err(rest.error_at(0, "this quote is never closed").hint("close it with \" before the semicolon"))
        }
    }
}

/// Refuses quotes, for keywords which take none.
pub fn unquoted<'t>(value: &Piece<'t>) -> Result<Piece<'t>, RuleError> {
    let value = value.trim();
    if value.node.starts_with('"') {
        return Err(value.error_at(0, "this keyword takes no quotes").hint("take the quotes away"));
    }
    Ok(value)
}

/// The bytes of a `content` between its quotes: text, `|41 42|` in hexadecimal, and the escapes `\\ \" \; \:`.
pub fn content_bytes(text: &Piece<'_>) -> Result<Vec<u8>, RuleError> {
    let mut out = Vec::with_capacity(text.node.len());
    let mut hex_open: Option<usize> = None;
    let mut high: Option<(usize, u8)> = None;
    let mut chars = text.node.char_indices();
    while let Some((at, c)) = chars.next() {
        if let Some(open) = hex_open {
            match c {
                '|' => {
                    if let Some((at, _)) = high {
                        return Err(text.error_at(at, "half a byte: an odd number of hexadecimal digits"));
                    }
                    hex_open = None;
                }
                ' ' | ',' | '\t' => {}
                _ => match (c.to_digit(16), high.take()) {
                    (Some(digit), None) => high = Some((at, digit as u8)),
                    (Some(digit), Some((_, first))) => out.push(first << 4 | digit as u8),
                    (None, _) => {
                        let message = format!("{} is not a hexadecimal digit", excerpt(&c.to_string(), 1));
                        let hint = match text.node.get(open + 1..).unwrap_or("").contains('|') {
                            true => "bytes between bars are hexadecimal: |0d 0a|; a bar itself is |7C|",
                            false => "a bar is written |7C|",
                        };
                        return Err(text.error_at(at, message).hint(hint));
                    }
                },
            }
            continue;
        }
        match c {
            '|' => hex_open = Some(at),
            '\\' => match chars.next() {
                Some((_, escaped @ ('\\' | '"' | ';' | ':'))) => out.push(escaped as u8),
                _ => {
                    return Err(text
                        .error_at(at, "a backslash stands before \\ \" ; or : only")
                        .hint("a backslash itself is written \\\\, a bar |7C|, other bytes in hexadecimal"));
                }
            },
            '"' => {
                return Err(text.error_at(at, "a double quote within the text").hint("write \\\" or |22|"));
            }
            c => {
                let mut utf8 = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            }
        }
    }
    if let Some(open) = hex_open {
        return Err(text
            .error_at(open, "this bar is never closed")
            .hint("bytes in hexadecimal stand between two bars"));
    }
    Ok(out)
}

/// Text with the escapes `\\ \" \; \:` replaced; a backslash before anything else stays.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(&next @ ('\\' | '"' | ';' | ':')) if c == '\\' => {
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The parts between commas outside quotes, trimmed. An empty part is a mistake.
pub fn split_commas<'t>(value: &Piece<'t>) -> Result<Vec<Piece<'t>>, RuleError> {
    let parts = split_commas_loosely(value);
    if parts.len() > PARTS_MAX {
        return Err(value.error(format!("more than {PARTS_MAX} parts")));
    }
    match parts.iter().find(|part| part.node.is_empty()) {
        Some(part) if parts.len() == 1 => Err(part.error("a value is missing")),
        Some(part) => Err(part
            .error("nothing stands at this side of the comma")
            .hint("take the superfluous comma away")),
        None => Ok(parts),
    }
}

/// As [`split_commas`]; empty parts are kept.
pub fn split_commas_loosely<'t>(value: &Piece<'t>) -> Vec<Piece<'t>> {
    split(value, b',')
}

/// The parts between a separator outside quotes, trimmed, with empty ones.
pub fn split<'t>(value: &Piece<'t>, separator: u8) -> Vec<Piece<'t>> {
    let mut parts = Vec::new();
    let (mut start, mut quotes, mut escaped) = (0, false, false);
    for (at, byte) in value.node.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quotes = !quotes,
            _ if byte == separator && byte.is_ascii() && !quotes && parts.len() <= PARTS_MAX => {
                parts.push(value.part(start..at).trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value.part(start..value.node.len()).trim());
    parts
}

/// The words between blanks.
pub fn words<'t>(value: &Piece<'t>) -> Vec<Piece<'t>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, byte) in value.node.bytes().enumerate() {
        match (start, byte.is_ascii_whitespace()) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                words.push(value.part(from..at));
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        words.push(value.part(from..value.node.len()));
    }
    words
}

/// A word of a list and what belongs to it: `count 5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<'t> {
    /// The first word.
    pub key: Piece<'t>,
    /// What follows it, trimmed; `None` for a word alone.
    pub value: Option<Piece<'t>>,
}

/// `type limit, track by_src, count 1, seconds 60`: parts between commas, each a key and, behind blanks, its value.
pub fn pairs<'t>(value: &Piece<'t>) -> Result<Vec<Pair<'t>>, RuleError> {
    Ok(split_commas(value)?.iter().map(pair).collect())
}

/// One part of [`pairs`].
pub fn pair<'t>(part: &Piece<'t>) -> Pair<'t> {
    match part.node.find(|c: char| c.is_ascii_whitespace()) {
        Some(at) => Pair { key: part.part(0..at), value: Some(part.part(at..part.node.len()).trim()) },
        None => Pair { key: part.clone(), value: None },
    }
}

impl<'t> Pair<'t> {
    /// The value, or a mistake that names the key.
    pub fn required(&self) -> Result<&Piece<'t>, RuleError> {
        self.value.as_ref().filter(|value| !value.node.is_empty()).ok_or_else(|| {
            self.key
                .error(format!("{} needs a value", self.key.node))
                .hint(format!("write {} VALUE", self.key.node))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> Piece<'_> {
        Spanned { node: text, span: 100..100 + text.len() }
    }

    #[test]
    fn contents_become_bytes_or_a_mistake_at_its_place() {
        type Expected<'a> = Result<&'a [u8], (usize, &'a str)>;
        let check = |text: &str, expected: Expected<'_>| {
            let got = content_bytes(&piece(text)).map_err(|e| (e.span.start - 100, e.message));
            assert_eq!(got.as_deref().map_err(|(at, m)| (*at, m.as_str())), expected, "{text}");
        };
        check("abc", Ok(b"abc"));
        check("a b  c ", Ok(b"a b  c "));
        check("|41 42|c|0D0a|", Ok(b"ABc\r\n"));
        check("|4 1|", Ok(b"A"));
        check("|41,42|", Ok(b"AB"));
        check("||", Ok(b""));
        check(r#"a\\b\"c\;d\:e"#, Ok(br#"a\b"c;d:e"#));
        check("a:b", Ok(b"a:b"));
        check("ñ", Ok("ñ".as_bytes()));
        check("x|41 4|", Err((5, "half a byte: an odd number of hexadecimal digits")));
        check("|4G|", Err((2, "\"G\" is not a hexadecimal digit")));
        check("|0x41|", Err((2, "\"x\" is not a hexadecimal digit")));
        check("a|41", Err((1, "this bar is never closed")));
        check(r"a\nb", Err((1, "a backslash stands before \\ \" ; or : only")));
        check(r"a\", Err((1, "a backslash stands before \\ \" ; or : only")));
        check(r#"abc"def"#, Err((3, "a double quote within the text")));
    }

    #[test]
    fn quotes_are_taken_off() {
        let get = |value: &str| {
            quoted(&piece(value)).map(|q| (q.negated, q.text.node.to_owned(), q.text.span.start - 100))
        };
        assert_eq!(get("\"abc\""), Ok((false, "abc".into(), 1)));
        assert_eq!(get("! \"abc\""), Ok((true, "abc".into(), 3)));
        assert_eq!(get("\"\""), Ok((false, "".into(), 1)));
        assert_eq!(get("abc").unwrap_err().message, "this value must stand in double quotes");
        assert_eq!(get("\"abc").unwrap_err().message, "this quote is never closed");
        assert_eq!(get("\"").unwrap_err().message, "this quote is never closed");
        assert_eq!(text(&piece("!abc")).unwrap().text.node, "abc");
        assert!(unquoted(&piece("\"1\"")).is_err());
        assert_eq!(unescape(r#"a\;b\"c\\d\n"#), r#"a;b"c\d\n"#);
    }

    #[test]
    fn lists_are_split_outside_quotes() {
        let parts = |value| {
            split_commas(&piece(value)).map(|p| p.iter().map(|p| p.node.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(parts("a, b ,\"c,d\"").unwrap(), ["a", "b", "\"c,d\""]);
        assert_eq!(parts("url,a\\,b").unwrap(), ["url", "a\\,b"]);
        assert_eq!(parts("a,,b").unwrap_err().span, 102..102);
        assert_eq!(parts("").unwrap_err().message, "a value is missing");
        let pairs = pairs(&piece("type limit, track by_src,x")).unwrap();
        assert_eq!(pairs[1].key.node, "track");
        assert_eq!(pairs[1].value.as_ref().unwrap().node, "by_src");
        assert_eq!(pairs[1].value.as_ref().unwrap().span, 118..124);
        assert_eq!(pairs[2].required().unwrap_err().message, "x needs a value");
        assert_eq!(words(&piece(" a  bc d")).len(), 3);
    }
}
