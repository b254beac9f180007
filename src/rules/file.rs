//! A file of rules → its rules, each one line with the place it came from. The caller reads the file.
//!
//! One rule a line; a backslash at the end of a line continues it; `#` begins a comment line (which a backslash does not
//! continue). A rule behind `#` counts as disabled. LF and CRLF, with or without a byte order mark.

use std::borrow::Cow;

use super::parser::{RULE_MAX, action};
use super::report::{Report, RuleError};

/// A file of rules, taken apart into rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFile<'f> {
    /// Its rules, in order.
    pub rules: Vec<RuleText<'f>>,
    /// How many rules stand behind a `#`.
    pub disabled: usize,
    /// What is not a rule at all: lines that are not UTF-8, or too long.
    pub faults: Vec<FileError>,
}

/// The text of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText<'f> {
    /// The line it begins on, from 1.
    pub line: u32,
    /// The rule, continued lines joined, without blanks at its ends.
    pub text: Cow<'f, str>,
    /// Where the text came from: (offset into it, line, column there in bytes from 0), ascending; the first is at offset 0.
    pieces: Vec<(usize, u32, usize)>,
}

impl RuleText<'_> {
    /// Line and column, both from 1, the column in characters, of an offset into the text.
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let at = self.pieces.partition_point(|(start, _, _)| *start <= offset);
        let Some(&(start, line, column)) = at.checked_sub(1).and_then(|at| self.pieces.get(at)) else {
            return (self.line, 1);
        };
        let characters =
            self.text.get(start..offset).map_or(offset.saturating_sub(start), |part| part.chars().count());
        (line, (column + characters + 1).try_into().unwrap_or(u32::MAX))
    }

    /// One mistake of this rule, ready to be shown.
    pub fn report<'a>(&'a self, file: &'a str, error: &'a RuleError) -> Report<'a> {
        let (line, column) = self.position(error.span.start);
        Report { file, line, column, text: &self.text, error }
    }
}

/// A mistake on a line of a file (of rules, or of one of the configuration files beside them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The line, from 1.
    pub line: u32,
    /// The line's text, cut short; what is not UTF-8 is replaced.
    pub text: String,
    /// What is wrong; its span is in bytes of `text`.
    pub error: RuleError,
}

impl FileError {
    /// A mistake of that line.
    pub(super) fn new(line: u32, text: &str, error: RuleError) -> Self {
        FileError { line, text: text.chars().take(4096).collect(), error }
    }

    /// Ready to be shown.
    pub fn report<'a>(&'a self, file: &'a str) -> Report<'a> {
        let before = self.text.get(..self.error.span.start).unwrap_or("");
        let column = (before.chars().count() + 1).try_into().unwrap_or(u32::MAX);
        Report { file, line: self.line, column, text: &self.text, error: &self.error }
    }
}

impl<'f> RuleFile<'f> {
    /// Takes the bytes of a file apart.
    pub fn new(bytes: &'f [u8]) -> Self {
        let mut file = RuleFile::default();
        let mut lines = lines(bytes);
        while let Some((number, line)) = lines.next() {
            let trimmed = line.trim_ascii();
            if trimmed.is_empty() {
                continue;
            }
            if let Some(comment) = trimmed.strip_prefix(b"#") {
                file.disabled += usize::from(is_disabled_rule(comment));
                continue;
            }
            if !trimmed.ends_with(b"\\") {
                file.push_line(number, line, trimmed);
                continue;
            }
            let mut joined = Joined::default();
            joined.add(number, line);
            while joined.continued {
                let Some((number, line)) = lines.next() else { break };
                joined.add(number, line);
            }
            file.push_joined(number, joined);
        }
        file
    }

    fn push_line(&mut self, number: u32, line: &'f [u8], trimmed: &'f [u8]) {
        match std::str::from_utf8(trimmed) {
            Ok(text) => {
                let column = line.len() - line.trim_ascii_start().len();
                let pieces = vec![(0, number, column)];
                self.rules.push(RuleText { line: number, text: Cow::Borrowed(text), pieces });
            }
            Err(error) => self.not_utf8(number, trimmed, error),
        }
    }

    fn push_joined(&mut self, number: u32, joined: Joined) {
        if joined.too_long {
            let message = format!("a rule continued over lines is longer than {RULE_MAX} bytes");
            let hint = "is there a stray backslash at the end of a line?";
            let text = String::from_utf8_lossy(joined.bytes.get(..200).unwrap_or(&joined.bytes)).into_owned();
            self.faults.push(FileError::new(number, &text, RuleError::new(0..0, message).hint(hint)));
            return;
        }
        match String::from_utf8(joined.bytes) {
            Ok(text) => {
                let text = text.trim_ascii_end().to_owned();
                if !text.is_empty() {
                    self.rules.push(RuleText { line: number, text: Cow::Owned(text), pieces: joined.pieces });
                }
            }
            Err(error) => self.not_utf8(number, error.as_bytes(), error.utf8_error()),
        }
    }

    fn not_utf8(&mut self, line: u32, bytes: &[u8], error: std::str::Utf8Error) {
        let at = error.valid_up_to();
        let text = String::from_utf8_lossy(bytes);
        let width = char::REPLACEMENT_CHARACTER.len_utf8();
        let error = RuleError::new(at..at + width, "the rule is not UTF-8 text")
            .hint("write other bytes in hexadecimal within a content: |ff fe|");
        self.faults.push(FileError::new(line, &text, error));
    }
}

/// Lines that continue each other.
#[derive(Default)]
struct Joined {
    bytes: Vec<u8>,
    pieces: Vec<(usize, u32, usize)>,
    continued: bool,
    too_long: bool,
}

impl Joined {
    fn add(&mut self, number: u32, line: &[u8]) {
        let end = line.trim_ascii_end();
        let (part, continued) = match end.strip_suffix(b"\\") {
            Some(part) => (part, true),
            None => (end, false),
        };
        // blanks before the first line are not part of the rule; between lines they part its words
        let column = if self.pieces.is_empty() { part.len() - part.trim_ascii_start().len() } else { 0 };
        self.continued = continued;
        if self.bytes.len() + part.len() > RULE_MAX {
            self.too_long = true;
            return;
        }
        self.pieces.push((self.bytes.len(), number, column));
        self.bytes.extend_from_slice(part.get(column..).unwrap_or(&[]));
    }
}

/// The lines of a file with their numbers from 1, without line ends and without a byte order mark.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes
        .split(|&b| b == b'\n')
        .enumerate()
        .map(|(n, line)| (u32::try_from(n + 1).unwrap_or(u32::MAX), line.strip_suffix(b"\r").unwrap_or(line)))
}

/// Does a rule stand behind the `#`?
fn is_disabled_rule(comment: &[u8]) -> bool {
    let comment = comment.trim_ascii_start();
    let end = comment.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(comment.len());
    let word = comment.get(..end).and_then(|word| std::str::from_utf8(word).ok()).unwrap_or("");
    action(word).is_some()
        && comment.contains(&b'(')
        && comment.windows(2).any(|two| two == b"->" || two == b"<>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_apart_into_rules() {
        let bytes = b"\xef\xbb\xbf# a comment \\\r\nalert one\r\n\r\n#alert tcp any any -> any any (sid:1;)\n#  drop ip a b <> c d (x)\n# alert the admin\n  alert two \\\n  three\\\n\tfour \n\nbad \xff line\nlast";
        let file = RuleFile::new(bytes);
        let rules: Vec<(u32, &str)> = file.rules.iter().map(|r| (r.line, &*r.text)).collect();
        assert_eq!(rules, [(2, "alert one"), (7, "alert two   three\tfour"), (12, "last")]);
        assert_eq!(file.disabled, 2);
        assert_eq!(file.faults.len(), 1);
        assert_eq!((file.faults[0].line, file.faults[0].error.span.clone()), (11, 4..7));
        assert_eq!(file.faults[0].report("f").column, 5);
        // offsets lead back to the lines they came from
        let continued = &file.rules[1];
        assert_eq!(continued.position(0), (7, 3));
        assert_eq!(continued.position(continued.text.find("three").unwrap()), (8, 3));
        assert_eq!(continued.position(continued.text.find("four").unwrap()), (9, 2));
        assert_eq!(file.rules[0].position(6), (2, 7));
        assert_eq!(file.rules[0].position(9999), (2, 10_000));
    }

    #[test]
    fn a_backslash_without_end_is_a_fault_not_memory() {
        let mut bytes = Vec::new();
        for _ in 0..3000 {
            bytes.extend_from_slice(&[b'x'; 100]);
            bytes.extend_from_slice(b"\\\n");
        }
        let file = RuleFile::new(&bytes);
        assert_eq!((file.rules.len(), file.faults.len()), (0, 1));
        assert_eq!(RuleFile::new(b"\\").rules, []);
        assert_eq!(RuleFile::new(b"a \\").rules[0].text, "a");
    }
}
