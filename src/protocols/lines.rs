//! Protocols of lines: one at a time from the front of what a side says, ended by LF with or without CR.

use memchr::memchr;

/// What is at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line without its end, and how many bytes it takes with it.
    Whole(&'a [u8], usize),
    /// More than a line may have, without an end.
    Long,
    /// The end is still to come.
    Open,
}

/// The line at the front, of at most `max` bytes.
pub(super) fn front(bytes: &[u8], max: usize) -> Line<'_> {
    let seen = bytes.get(..max).unwrap_or(bytes);
    match memchr(b'\n', seen) {
        Some(end) => {
            let line = bytes.get(..end).unwrap_or_default();
            Line::Whole(line.strip_suffix(b"\r").unwrap_or(line), end + 1)
        }
        None if bytes.len() >= max => Line::Long,
        None => Line::Open,
    }
}

/// The first word, and what is behind the spaces after it.
pub(super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b' ', text) {
        Some(at) => {
            let (word, rest) = text.split_at(at);
            (word, rest.trim_ascii_start())
        }
        None => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_from_the_front() {
        assert_eq!(front(b"ab\r\ncd", 10), Line::Whole(b"ab", 4));
        assert_eq!(front(b"\ncd", 10), Line::Whole(b"", 1));
        assert_eq!(
            (front(b"abc", 4), front(b"abcd\n", 4), front(b"", 4)),
            (Line::Open, Line::Long, Line::Open)
        );
        assert_eq!(
            (word(b"a  b c"), word(b"a"), word(b"")),
            ((&b"a"[..], &b"b c"[..]), (&b"a"[..], &b""[..]), (&b""[..], &b""[..]))
        );
    }
}
