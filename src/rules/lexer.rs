//! The letters of a rule: where its header ends, its fields, and its options. Knows nothing of what they mean.
//!
//! Fields are parted by blanks outside brackets; the first `(` outside brackets opens the options; a `;` ends an option
//! unless a backslash stands right before it, even within quotes.

use std::ops::Range;

use super::report::RuleError;

/// A field of the header: its place.
pub(super) type Field = Range<usize>;

/// The header's fields, and where the options' opening parenthesis stands.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) fields: Vec<Field>,
    pub(super) options: Option<usize>,
}

/// More fields than any rule has; what follows is one mistake, not a thousand.
const FIELDS_MAX: usize = 32;

/// Splits the header.
pub(super) fn header(text: &str, errors: &mut Vec<RuleError>) -> Header {
    let mut fields: Vec<Field> = Vec::with_capacity(7);
    let mut open: Option<usize> = None;
    let mut brackets: Vec<usize> = Vec::new();
    let mut options = None;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => brackets.push(at),
            b']' => {
                brackets.pop();
            }
            b'(' => {
                options = Some(at);
                break;
            }
            _ => {}
        }
        let blank = byte.is_ascii_whitespace() && brackets.is_empty();
        match open {
            Some(start) if blank => {
                fields.push(start..at);
                open = None;
            }
            None if !blank => open = Some(at),
            _ => {}
        }
        if fields.len() > FIELDS_MAX {
            break;
        }
    }
    let end = options.unwrap_or(text.len());
    if let Some(start) = open {
        let end = start + text.get(start..end).unwrap_or("").trim_end().len();
        if options.is_some_and(|paren| paren == end) {
            errors.push(
                RuleError::new(start..end + 1, "no blank before the options")
                    .hint("write a blank before the opening parenthesis"),
            );
        }
        fields.push(start..end);
    }
    if let Some(&bracket) = brackets.first() {
        errors.push(
            RuleError::new(bracket..bracket + 1, "this bracket is never closed")
                .hint("close the list with ]"),
        );
    }
    Header { fields, options }
}

/// One option before its value is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawOption {
    pub(super) name: Range<usize>,
    pub(super) value: Option<Range<usize>>,
}

/// Walks over the options between the parentheses.
pub(super) struct Options<'t> {
    text: &'t str,
    at: usize,
}

/// What [`Options::next`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Option(RawOption),
    /// The closing parenthesis, at that offset.
    Close(usize),
    /// The text ended first.
    End,
}

impl<'t> Options<'t> {
    /// From the byte behind the opening parenthesis.
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Options { text, at }
    }

    /// The next option, or the end. Mistakes are told and stepped over.
    pub(super) fn next(&mut self, errors: &mut Vec<RuleError>) -> Step {
        self.skip_blanks();
        let Some(first) = self.peek(0) else { return Step::End };
        if first == b')' {
            return Step::Close(self.at);
        }
        let start = self.at;
        let bytes = self.text.as_bytes();
        let name_end = bytes[start..]
            .iter()
            .position(|b| matches!(b, b':' | b';' | b'"' | b'('))
            .map_or(bytes.len(), |n| start + n);
        let name = self.trimmed(start..name_end);
        match self.text.as_bytes().get(name_end) {
            Some(b':') => {
                let value = self.value(name_end + 1, errors);
                Step::Option(RawOption { name, value: Some(value) })
            }
            Some(b';') => {
                self.at = name_end + 1;
                Step::Option(RawOption { name, value: None })
            }
            Some(_) => {
                errors.push(
                    RuleError::new(name.start..name_end + 1, "no colon between the keyword and its value")
                        .hint("write keyword:value;"),
                );
                let value = self.value(name_end, errors);
                Step::Option(RawOption { name, value: Some(value) })
            }
            None => {
                // `… sid:1)`: the option before had no semicolon, or this one has none
                let name = self.without_parenthesis(name);
                errors.push(missing_semicolon(name.clone()));
                self.at = self.text.len();
                Step::Option(RawOption { name, value: None })
            }
        }
    }

    /// The value that begins there, up to its semicolon.
    fn value(&mut self, start: usize, errors: &mut Vec<RuleError>) -> Range<usize> {
        let Some(end) = semicolon(self.text, start) else {
            let value = self.without_parenthesis(self.trimmed(start..self.text.len()));
            errors.push(missing_semicolon(value.clone()));
            self.at = self.text.len();
            return value;
        };
        self.at = end + 1;
        let mut value = self.trimmed(start..end);
        let Some(quote) = opening_quote(self.text, &value) else { return value };
        match closing_quote(self.text, quote + 1, value.end) {
            Some(close) if close + 1 == value.end => {}
            Some(close) => {
                // `pcre:"/a"b/"` is in use: only a value which does not end in a quote is surely wrong
                let rest = self.trimmed(close + 1..value.end);
                if !self.text[rest.clone()].ends_with('"') || another_keyword(&self.text[rest.clone()]) {
                    errors.push(
                        RuleError::new(rest, "text behind the closing quote")
                            .hint("is a semicolon missing before it?"),
                    );
                }
            }
            None => {
                errors.push(
                    RuleError::new(end..end + 1, "this semicolon ends the value before its closing quote")
                        .hint("write \\; for a semicolon within quotes, or close the quotes"),
                );
                // go on behind what was likely meant as the value
                if let Some(close) = closing_quote(self.text, end + 1, self.text.len())
                    && let Some(end) = semicolon(self.text, close)
                    && self.text[close + 1..end].trim().is_empty()
                {
                    self.at = end + 1;
                    value.end = close + 1;
                }
            }
        }
        value
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek(0).is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        trimmed(self.text, range)
    }

    fn without_parenthesis(&self, range: Range<usize>) -> Range<usize> {
        match self.text[range.clone()].strip_suffix(')') {
            Some(shorter) => self.trimmed(range.start..range.start + shorter.len()),
            None => range,
        }
    }
}

/// The range without the blanks at its ends.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(part) = text.get(range.clone()) else { return range.start..range.start };
    let start = range.start + (part.len() - part.trim_ascii_start().len());
    start..start + part.trim_ascii().len()
}

fn missing_semicolon(span: Range<usize>) -> RuleError {
    RuleError::new(span, "no semicolon ends this option").hint("every option ends in ; — the last one too")
}

/// The first semicolon from there on that has no backslash before it.
fn semicolon(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b';', bytes.get(from..)?)
        .map(|n| from + n)
        .find(|&at| at == from || bytes[at - 1] != b'\\')
}

/// Where the value's opening quote stands, when it has one (`"…`, `!"…`).
fn opening_quote(text: &str, value: &Range<usize>) -> Option<usize> {
    let part = &text[value.clone()];
    let rest = part.strip_prefix('!').map_or(part, |rest| rest.trim_ascii_start());
    rest.starts_with('"').then(|| value.start + part.len() - rest.len())
}

/// The first quote in the range that is not escaped.
fn closing_quote(text: &str, from: usize, to: usize) -> Option<usize> {
    let mut escaped = false;
    for (n, &byte) in text.as_bytes().get(from..to)?.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(from + n),
            _ => {}
        }
    }
    None
}

/// Does ` content:"…` stand there?
fn another_keyword(rest: &str) -> bool {
    let name = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    name.len() < rest.len()
        && rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.trim_start().strip_prefix(':').is_some_and(|value| value.trim_start().starts_with(['"', '!']))
}
