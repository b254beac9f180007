//! Which literal of a rule goes into the prefilter: the rarest, not only the longest.
//!
//! **The model.** A byte is worth how rare it is in traffic, in eighths of a bit; the table is one of classes, not of one
//! corpus. A text is worth the sum over its bytes, up to a limit beyond which more length does not help. Two corrections make
//! it see what single bytes do not show: a run of one byte is hardly rarer than the byte where that is padding, and windows of four bytes
//! out of what protocols say all the time (`HTTP/1.1`, `User-Agent: Mozilla/5.0`, `.com`, the names of attributes in certificates) are
//! worth little. Letters are counted without case, since the prefilter ignores it.
//!
//! **The choice.** Two things cost: a look at each place where a literal's *window* stands (the prefilter searches windows of
//! four bytes), and the evaluation of the rule where the *whole* literal stands, which costs about 32 times as much. So a
//! literal scores `min(worth of its best stretch, worth of the whole - 40)`. A literal that must stand at few places
//! (`startswith`, `offset` and `depth`) is that much rarer, and is only looked for there. Literals under seven bytes that may
//! stand anywhere pay for the finer stride with which the whole set is then searched. A rule that asks for one of its literals
//! (`fast_pattern`) gets it unless another is four times as rare, and in any case where it is rare: beyond that, whoever wrote the rule knows
//! more of the traffic than the model.
//!
//! Worked examples (of the tests below):
//!
//! | literals | chosen | why |
//! | --- | --- | --- |
//! | `GET /`, `\x90\x90\xcc\xe8` | the second | five bytes that every request has against four rare ones |
//! | `User-Agent: `, `sqlmap/1` | the second | shorter, but the first is commonplace |
//! | `\x00\x00\x00\x00\x00\x00\x00\x00`, `cmd` | the second | padding is in all binary data |
//! | `\xff` with `depth:1`, `abqd` | the second | one byte at one place is met by one packet in 256 |
//! | `\x06\x03\x55\x04\x03`, `\x0ebad.example` | the second | all certificates have the first |
//! | `SMB` with `offset:5; depth:3`, `\x00{\x005\x007\x00D` | the second | all of that protocol has the first |
//! | `SMB` with `depth:8`, `cmd.exe` | the second | the same, though `.exe` is common too |
//! | `\x05\xff\x03\x0b\x01` with `depth:5`, `password` | the first | rarer, and met by one place of a packet only |

use std::sync::OnceLock;

use super::inspect::ops::{Arg, Content, FastPattern};

/// Bytes of a literal beyond which it does not get rarer.
const USEFUL: usize = 24;

/// A window that is commonplace is worth this at the most: met every 32 bytes or so.
const COMMONPLACE: u32 = 40;

/// Eighths of a bit by which a look at a window is cheaper than an evaluation.
const LOOK: u32 = 40;

/// What a literal of at most so many bytes pays when it may stand anywhere.
const SHORT: [(usize, u32); 4] = [(2, 80), (3, 56), (4, 36), (6, 24)];

/// Eighths of a bit that a literal gets because the rule asks for it.
const ASKED: u32 = 16;

/// A literal that the rule asks for and that is worth this serves, whatever the others are worth.
const RARE: u32 = 112;

/// Eighths of a bit that a literal gets because it may stand at few places only, and how many are few.
const PLACED: (u32, u32) = (16, 64);

/// What is worth less than this is seen everywhere.
pub const WORTH_MIN: u32 = 84;

/// What protocols say all the time.
const COMMON: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: www.",
    "POST / HTTP/1.0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nServer: Apache nginx Microsoft-IIS\r\nDate: Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT\r\n",
    "Content-Type: text/html; charset=utf-8\r\nContent-Length: Content-Encoding: gzip\r\nContent-Disposition: attachment",
    "Connection: keep-alive close\r\nCache-Control: no-cache max-age=0 no-store\r\nPragma: no-cache\r\nExpires: Vary: ",
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/ Safari/537.36",
    "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; Trident/ .NET CLR 2.0.",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n",
    "Accept-Encoding: gzip, deflate\r\nReferer: http://www. https://\r\nCookie: Set-Cookie: path=/; expires=; domain=",
    "application/x-www-form-urlencoded application/octet-stream application/json multipart/form-data; boundary=",
    "<!DOCTYPE html><html><head><title></title><meta name=\"<script src=\"<link rel=\"stylesheet\" href=\"</head><body>",
    "</div><div class=\" id=\" <a href=\" <img src=\" type=\"text/javascript\"></script> function( return var this. document.",
    "index.html index.php .php? .asp .aspx .cgi?id= &amp; /images/ .jpg .png .gif .css .js .com .net .org .exe .dll",
    "This program cannot be run in DOS mode",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
];

/// What stands in all certificates, in DER: names of attributes (2.5.4), of extensions (2.5.29) and of algorithms (1.2.840.113549.1),
/// with what leads to them (RFC 5280 appendix A, RFC 8017 appendix C).
const COMMON_BINARY: &[&[u8]] = &[
    b"\x06\x03\x55\x04\x03",
    b"\x06\x03\x55\x04\x06\x13\x02",
    b"\x06\x03\x55\x04\x07",
    b"\x06\x03\x55\x04\x08",
    b"\x06\x03\x55\x04\x0a",
    b"\x06\x03\x55\x04\x0b",
    b"\x30\x09\x06\x03\x55\x04",
    b"\x06\x03\x55\x1d\x0e",
    b"\x06\x03\x55\x1d\x0f",
    b"\x06\x03\x55\x1d\x11",
    b"\x06\x03\x55\x1d\x13",
    b"\x06\x03\x55\x1d\x23",
    b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01",
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00",
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01\x16",
    b"\xa0\x03\x02\x01\x02\x02",
];

/// What every message of a protocol begins with, in lower case: common where its rules look, however rare elsewhere.
const MAGIC: &[&[u8]] = &[b"smb"];

/// What is worth this is met by every message of a protocol.
const MAGIC_WORTH: u32 = 32;

/// How rare a byte is in traffic, in eighths of a bit.
const fn rarity(byte: u8) -> u32 {
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

/// Which two bytes of a literal are rarest, the rarest first; of those alike the first. The same one twice when there is no other.
pub fn rarest(literal: &[u8]) -> [u16; 2] {
    let best = |but: Option<u16>| {
        let others = literal.iter().zip(0..=u16::MAX).filter(|(_, at)| Some(*at) != but);
        others.max_by_key(|(byte, at)| (rarity(**byte), std::cmp::Reverse(*at))).map(|(_, at)| at)
    };
    let first = best(None).unwrap_or(0);
    [first, best(Some(first)).unwrap_or(first)]
}

/// Commonplace windows of four bytes, letters in lower case: sorted.
fn commonplaces() -> &'static [[u8; 4]] {
    static ALL: OnceLock<Vec<[u8; 4]>> = OnceLock::new();
    ALL.get_or_init(|| {
        let windows = |text: &[u8]| -> Vec<[u8; 4]> {
            let text = text.to_ascii_lowercase();
            text.windows(4).filter_map(|window| window.try_into().ok()).collect()
        };
        let texts = COMMON.iter().map(|text| text.as_bytes()).chain(COMMON_BINARY.iter().copied());
        let mut all: Vec<_> = texts.flat_map(windows).collect();
        all.sort_unstable();
        all.dedup();
        all
    })
}

fn is_commonplace(window: [u8; 4]) -> bool {
    commonplaces().binary_search(&window.map(|byte| byte.to_ascii_lowercase())).is_ok()
}

fn is_magic(window: &[u8]) -> bool {
    MAGIC.iter().any(|magic| window.windows(magic.len()).any(|here| here.eq_ignore_ascii_case(magic)))
}

fn sum(text: &[u8]) -> u32 {
    let mut sum = 0;
    let mut previous = None;
    for &byte in text.iter().take(USEFUL) {
        // a run of one byte is hardly rarer than the byte where that is padding, and somewhat where it is not
        sum += match byte {
            _ if previous != Some(byte) => rarity(byte),
            0 | 0xff | b' ' => rarity(byte) / 8,
            _ => rarity(byte) / 2,
        };
        previous = Some(byte);
    }
    sum
}

/// What a window of at most four bytes is worth; higher is rarer.
pub fn worth_of_window(window: &[u8]) -> u32 {
    if is_magic(window) {
        return MAGIC_WORTH;
    }
    match <[u8; 4]>::try_from(window) {
        Ok(four) if is_commonplace(four) => COMMONPLACE.min(sum(window)),
        _ => sum(window),
    }
}

/// Where the best stretch of `len` bytes begins, the first of those alike, and what the most common of its first four windows is
/// worth; `None` when there are fewer bytes.
pub fn stretch(text: &[u8], len: usize) -> Option<(usize, u32)> {
    let worths: Vec<u32> = text.windows(4).map(worth_of_window).collect();
    let windows = len.checked_sub(3)?.min(4);
    (0..=text.len().checked_sub(len)?)
        .filter_map(|at| Some((at, *worths.get(at..at + windows)?.iter().min()?)))
        .max_by_key(|(at, worth)| (*worth, std::cmp::Reverse(*at)))
}

/// What a literal is worth; higher is rarer.
pub fn worth(literal: &[u8]) -> u32 {
    let literal = &literal[..literal.len().min(USEFUL)];
    // of windows that are said together the first tells of the others
    let common = |window: &&[u8]| worth_of_window(window) <= COMMONPLACE;
    let said = literal.windows(4).filter(common).count() as u32;
    let all = sum(literal);
    if literal.len() >= 4 && said == literal.len() as u32 - 3 {
        // nothing but commonplaces: each further byte makes it a little rarer
        return all.min(COMMONPLACE + 4 * said);
    }
    all.saturating_sub(said * 20)
}

/// Whether a literal without bounds is in so much traffic that looking for it tells nothing.
pub fn is_everywhere(literal: &[u8]) -> bool {
    literal.len() < 2 || sum(literal) < WORTH_MIN
}

/// Where a literal must begin, counted from the start of its buffer: first and last place.
pub type Bounds = (u32, u32);

/// Bounds of a literal that may stand anywhere.
pub const UNBOUND: Bounds = (0, u32::MAX);

/// A literal as a fast pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'c> {
    /// Its bytes, in the case in which the rule has them.
    pub bytes: &'c [u8],
    /// The rule asks for it.
    pub asked: bool,
    /// Where it must begin.
    pub bounds: Bounds,
}

impl Candidate<'_> {
    /// How well it serves: higher is rarer, or searched at less cost.
    pub fn score(&self) -> u32 {
        let bytes = &self.bytes[..self.bytes.len().min(1 << 12)];
        let stretch = |len: usize| stretch(bytes, len).map_or(0, |(_, worth)| worth);
        let window = match self.bytes.len() {
            0..=4 => worth_of_window(self.bytes),
            5..=6 => stretch(5),
            _ => stretch(7),
        };
        let places = self.bounds.1.saturating_sub(self.bounds.0).saturating_add(1);
        // what messages begin with is there whenever it is looked for
        let few = if places <= PLACED.1 && !is_magic(bytes) { PLACED.0 } else { 0 };
        let short = match self.bounds {
            UNBOUND => SHORT.iter().find(|(len, _)| self.bytes.len() <= *len).map_or(0, |(_, pays)| *pays),
            _ => 0,
        };
        let asked = if self.asked { ASKED } else { 0 };
        (window.min(worth(self.bytes).saturating_sub(LOOK)) + few + asked).saturating_sub(short)
    }

    /// By what one of a rule's literals is taken, the highest: a rare one that the rule asks for, then by score.
    pub fn rank(&self) -> (bool, u32) {
        let score = self.score();
        (self.asked && score >= RARE + ASKED, score)
    }
}

/// A content as a fast pattern; `None` when it cannot serve.
pub fn candidate(content: &Content) -> Option<Candidate<'_>> {
    if content.negated || content.pattern.is_empty() {
        return None;
    }
    let (bytes, asked, skipped) = match content.fast_pattern {
        Some(FastPattern::Chop(offset, length)) => {
            let start = usize::from(offset);
            let chopped = content.pattern.get(start..start + usize::from(length))?;
            (chopped, true, u32::from(offset))
        }
        Some(FastPattern::Whole | FastPattern::Only) => (&*content.pattern, true, 0),
        None => (&*content.pattern, false, 0),
    };
    let (low, high) = bounds(content);
    let shifted = |place: u32| if place == u32::MAX { place } else { place.saturating_add(skipped) };
    (!bytes.is_empty()).then_some(Candidate { bytes, asked, bounds: (shifted(low), shifted(high)) })
}

/// Where a content must begin, as far as the rule says it in numbers.
fn bounds(content: &Content) -> Bounds {
    if content.is_relative() {
        return UNBOUND;
    }
    if content.startswith {
        return (0, 0);
    }
    let number = |arg: Option<Arg>| match arg {
        None => Some(None),
        Some(Arg::Value(value)) => u32::try_from(value).ok().map(Some),
        Some(Arg::Var(_)) => None,
    };
    let (Some(offset), Some(depth)) = (number(content.offset), number(content.depth)) else { return UNBOUND };
    let low = offset.unwrap_or(0);
    let high = depth.map_or(u32::MAX, |depth| {
        low.saturating_add(depth).saturating_sub(content.pattern.len() as u32).min(u32::MAX - 1)
    });
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate_of(text: &'static [u8], bounds: Bounds) -> Candidate<'static> {
        Candidate { bytes: text, asked: false, bounds }
    }

    #[test]
    fn rare_beats_long_and_padding_is_worthless() {
        assert!(worth(b"\x90\x91\x92\xe8") > worth(b"GET /"));
        assert!(worth(b"GET /index") > worth(b"GET /"));
        assert!(worth(&[0; 64]) < worth(b"abc"));
        assert!(worth(b"User-Agent|3a|") > worth(b"a"));
        assert!(worth(b"User-Agent: Mozilla/5.0") < worth(b"sqlmap"));
    }

    #[test]
    fn the_worked_examples_of_the_module_hold() {
        let anywhere = |text| candidate_of(text, UNBOUND).score();
        let at = |text, low, high| candidate_of(text, (low, high)).score();
        assert!(anywhere(b"\x90\x90\xcc\xe8") > anywhere(b"GET /"));
        assert!(anywhere(b"sqlmap/1") > anywhere(b"User-Agent: "));
        assert!(anywhere(b"cmd") > anywhere(&[0; 8]));
        assert!(anywhere(b"abqd") > at(b"\xff", 0, 0));
        assert!(at(b"\x05\xff\x03\x0b\x01", 0, 0) > anywhere(b"password"));
        assert!(anywhere(b"\0{\x005\x007\0D") > at(b"SMB", 5, 5));
        assert!(anywhere(b"cmd.exe") > at(b"SMB", 0, 5));
        assert!(anywhere(b"longer one") > anywhere(b"short"));
        assert!(anywhere(b"\x0ebad.example") > anywhere(b"\x06\x03\x55\x04\x03"));
    }

    #[test]
    fn what_a_rule_asks_for_is_taken_unless_it_is_much_commoner() {
        let asked = |bytes| Candidate { bytes, asked: true, bounds: UNBOUND };
        assert!(asked(&b"password="[..]).score() > candidate_of(b"passwords", UNBOUND).score());
        assert!(asked(&b"GET"[..]).score() < candidate_of(b"/gate.php?u=", UNBOUND).score());
        let rarer = candidate_of(b"\x90\x91\x92\x93\x94\x95\x96\x97\x98", UNBOUND);
        assert!(asked(&b"\x0ebad-server.example"[..]).score() < rarer.score());
        assert!(asked(&b"\x0ebad-server.example"[..]).rank() > rarer.rank(), "rare as well");
        assert!(asked(&b"GET"[..]).rank() < rarer.rank());
    }

    #[test]
    fn places_are_what_offset_and_depth_leave() {
        let content = |change: fn(&mut Content)| {
            let mut content = Content { pattern: (*b"abcd").into(), ..Content::default() };
            change(&mut content);
            bounds(&content)
        };
        assert_eq!(content(|_| {}), UNBOUND);
        assert_eq!(content(|c| c.startswith = true), (0, 0));
        assert_eq!(content(|c| c.depth = Some(Arg::Value(4))), (0, 0));
        assert_eq!(content(|c| c.offset = Some(Arg::Value(8))), (8, u32::MAX));
        assert_eq!(
            content(|c| {
                c.offset = Some(Arg::Value(8));
                c.depth = Some(Arg::Value(10));
            }),
            (8, 14)
        );
        assert_eq!(content(|c| c.distance = Some(Arg::Value(4))), UNBOUND);
    }
}
