//! Which literal of a rule goes into the prefilter: the rarest, not only the longest.
//!
//! Each byte costs what its place in traffic costs: a literal is worth the sum, over its bytes, of how rare each is (in
//! eighths of a bit), up to a limit beyond which more length does not help. Letters are counted without case, since the
//! prefilter ignores it. A worked example: `GET /` is five common bytes (worth 113); `\x90\x90\x90\xe8` is four rare ones
//! (worth 232) and wins.

use super::inspect::ops::{Content, FastPattern};

/// Bytes of a literal beyond which it does not get rarer.
const USEFUL: usize = 24;

/// How rare a byte is in traffic, in eighths of a bit: a model by classes, not a table of one corpus.
fn rarity(byte: u8) -> u32 {
    match byte {
        0 => 16,
        b' ' | b'e' | b'E' | b't' | b'T' | b'a' | b'A' | b'o' | b'O' | b'i' | b'I' | b'n' | b'N' => 30,
        b's' | b'S' | b'r' | b'R' | b'c' | b'C' | b'd' | b'D' | b'l' | b'L' | b'm' | b'M' | b'p' | b'P' => 34,
        b'.' | b'/' | b'-' | b'=' | b'"' | b'\r' | b'\n' | b':' | 0xff | 1 => 36,
        b'a'..=b'z' | b'A'..=b'Z' => 42,
        b'0'..=b'9' => 40,
        b'<' | b'>' | b',' | b';' | b'(' | b')' | b'_' | b'%' | b'&' | b'?' => 44,
        2..=8 | 0x10 | 0x20..=0x7e => 50,
        _ => 58,
    }
}

/// What a literal is worth as a fast pattern; higher is rarer.
pub fn worth(literal: &[u8]) -> u32 {
    let mut sum = 0;
    let mut previous = None;
    for &byte in literal.iter().take(USEFUL) {
        // runs of one byte (padding) are as common as the byte
        sum += if previous == Some(byte) { rarity(byte) / 8 } else { rarity(byte) };
        previous = Some(byte);
    }
    sum
}

/// The bytes of a content that serve as fast pattern, and whether the rule asks for them; `None` when it cannot serve.
pub fn candidate(content: &Content) -> Option<(&[u8], bool)> {
    if content.negated || content.pattern.is_empty() {
        return None;
    }
    match content.fast_pattern {
        Some(FastPattern::Chop(offset, length)) => {
            let start = usize::from(offset);
            let chopped = content.pattern.get(start..start + usize::from(length))?;
            (!chopped.is_empty()).then_some((chopped, true))
        }
        Some(FastPattern::Whole | FastPattern::Only) => Some((&content.pattern, true)),
        None => Some((&content.pattern, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_beats_long_and_padding_is_worthless() {
        assert!(worth(b"\x90\x91\x92\xe8") > worth(b"GET /"));
        assert!(worth(b"GET /index") > worth(b"GET /"));
        assert!(worth(&[0; 64]) < worth(b"abc"));
        assert!(worth(b"User-Agent|3a|") > worth(b"a"));
    }
}
