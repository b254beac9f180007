//! Transfer encodings (RFC 2045 section 6, uuencode), undone while the lines arrive.

/// How a body is encoded.
#[derive(Debug)]
pub(super) enum Decoder {
    /// Not at all.
    Identity,
    /// Base64: what is outside of its alphabet is passed over, as receivers do.
    Base64(Base64),
    /// Quoted-printable.
    Quoted(Quoted),
    /// uuencode, between `begin` and `end`.
    Uu(Uu),
}

/// Bits that are not a whole byte yet.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    bits: u32,
    held: u8,
}

impl Base64 {
    /// Adds what these characters stand for. Padding ends a group, and another may follow.
    pub(super) fn feed(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for &c in text {
            let value = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    self.held = 0;
                    self.bits = 0;
                    continue;
                }
                _ => continue,
            };
            self.bits = self.bits << 6 | u32::from(value);
            self.held += 6;
            if self.held >= 8 {
                self.held -= 8;
                out.push((self.bits >> self.held) as u8);
                self.bits &= (1 << self.held) - 1;
            }
        }
    }
}

/// An escape that is not whole yet, and white space that may be at the end of the line.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    held: Vec<u8>,
}

/// White space held back: more of it stands for itself.
const BLANK_MAX: usize = 256;

impl Quoted {
    /// Adds what this part of a line stands for; `ended` when it is the last. False when an escape is none.
    pub(super) fn feed(&mut self, text: &[u8], ended: bool, out: &mut Vec<u8>) -> (Line, bool) {
        let joined;
        let text = if self.held.is_empty() {
            text
        } else {
            self.held.extend_from_slice(text);
            joined = std::mem::take(&mut self.held);
            &joined
        };
        let mut valid = true;
        let blank = text.iter().rev().take(BLANK_MAX).take_while(|&&c| c == b' ' || c == b'\t').count();
        let (mut rest, tail) = text.split_at(text.len() - blank);
        let mut line = Line::Hard;
        while let Some(at) = memchr::memchr(b'=', rest) {
            out.extend_from_slice(rest.get(..at).unwrap_or_default());
            rest = rest.get(at..).unwrap_or_default();
            match (rest.get(1).copied(), rest.get(2).copied()) {
                (Some(high), Some(low)) => match (hex(high), hex(low)) {
                    (Some(high), Some(low)) => {
                        out.push(high << 4 | low);
                        rest = rest.get(3..).unwrap_or_default();
                    }
                    _ => {
                        valid = false;
                        out.push(b'=');
                        rest = rest.get(1..).unwrap_or_default();
                    }
                },
                // white space may stand between the sign and the end of the line
                (None, _) if ended => {
                    line = Line::Soft;
                    rest = &[];
                }
                (Some(_), None) if ended || blank > 0 => {
                    valid = false;
                    out.push(b'=');
                    rest = rest.get(1..).unwrap_or_default();
                }
                (None, _) if blank > 0 && !ended => break,
                _ => break,
            }
        }
        if ended {
            out.extend_from_slice(rest);
        } else if rest.first() == Some(&b'=') {
            self.held = [rest, tail].concat();
        } else {
            out.extend_from_slice(rest);
            self.held = tail.to_vec();
        }
        (line, valid)
    }
}

/// How an encoded line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// With a line end.
    Hard,
    /// The next line goes on.
    Soft,
}

fn hex(c: u8) -> Option<u8> {
    (c as char).to_digit(16).map(|digit| digit as u8)
}

/// Whether the data has begun or ended.
#[derive(Debug, Default)]
pub(super) struct Uu {
    begun: bool,
    ended: bool,
}

impl Uu {
    /// Adds what this line stands for; the name when it is the first.
    pub(super) fn line<'t>(&mut self, text: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
        if self.ended {
            return None;
        }
        if !self.begun {
            let rest = text.strip_prefix(b"begin ")?;
            let space = memchr::memchr(b' ', rest)?;
            self.begun = true;
            return rest.get(space + 1..).map(<[u8]>::trim_ascii);
        }
        if text.trim_ascii_end() == b"end" {
            self.ended = true;
            return None;
        }
        let (&len, text) = text.split_first()?;
        let mut left = usize::from(len.wrapping_sub(32) & 63);
        for group in text.chunks(4) {
            let mut bits = 0u32;
            for nth in 0..4 {
                bits = bits << 6 | u32::from(group.get(nth).map_or(0, |c| c.wrapping_sub(32) & 63));
            }
            let take = left.min(3);
            out.extend_from_slice(bits.to_be_bytes().get(1..1 + take).unwrap_or_default());
            left -= take;
            if left == 0 {
                break;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(pieces: &[&str]) -> Vec<u8> {
        let (mut decoder, mut out) = (Base64::default(), Vec::new());
        pieces.iter().for_each(|piece| decoder.feed(piece.as_bytes(), &mut out));
        out
    }

    #[test]
    fn base64_is_read_as_receivers_do() {
        assert_eq!(base64(&["aGVsbG8gd29ybGQ="]), b"hello world");
        assert_eq!(base64(&["aGVs!!b", "G8g\td29", "ybGQ"]), b"hello world");
        assert_eq!(base64(&["aGVsbG8=aGVsbG8=", "aGVsbG8="]), b"hellohellohello");
        assert_eq!(base64(&["aGVsbG8gd29ybGQ", "ZZZ", "===="]).len(), 13);
        assert_eq!(base64(&["====", "A", ""]), b"");
    }

    fn quoted(text: &[&str]) -> (Vec<u8>, Line, bool) {
        let (mut decoder, mut out) = (Quoted::default(), Vec::new());
        let (mut line, mut valid) = (Line::Hard, true);
        for (nth, piece) in text.iter().enumerate() {
            let (how, good) = decoder.feed(piece.as_bytes(), nth + 1 == text.len(), &mut out);
            line = how;
            valid &= good;
        }
        (out, line, valid)
    }

    #[test]
    fn quoted_printable_is_the_same_however_it_is_cut() {
        for (text, expected, line, valid) in [
            ("a=20b=3D=3d", "a b==", Line::Hard, true),
            ("soft=", "soft", Line::Soft, true),
            ("soft= \t ", "soft", Line::Soft, true),
            ("end  \t", "end", Line::Hard, true),
            ("a  b", "a  b", Line::Hard, true),
            ("=zz", "=zz", Line::Hard, false),
            ("x =4", "x =4", Line::Hard, false),
            ("x=4 ", "x=4", Line::Hard, false),
            ("= x", "= x", Line::Hard, false),
            ("==41", "=A", Line::Hard, false),
            ("", "", Line::Hard, true),
        ] {
            let whole = (expected.as_bytes().to_vec(), line, valid);
            assert_eq!(quoted(&[text]), whole, "{text}");
            for at in 0..=text.len() {
                assert_eq!(quoted(&[&text[..at], &text[at..]]), whole, "{text} {at}");
            }
            let bytes: Vec<String> = text.chars().map(String::from).collect();
            if !bytes.is_empty() {
                let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
                assert_eq!(quoted(&bytes), whole, "{text} in bytes");
            }
        }
    }

    #[test]
    fn uuencode_has_a_name_and_an_end() {
        let (mut uu, mut out) = (Uu::default(), Vec::new());
        assert_eq!(uu.line(b"hello", &mut out), None);
        assert_eq!(uu.line(b"begin 644 a file.exe", &mut out), Some(&b"a file.exe"[..]));
        for line in ["+:&5L;&\\@=V]R;&0 ", "`", "end", "+:&5L;&\\@=V]R;&0 "] {
            assert_eq!(uu.line(line.as_bytes(), &mut out), None);
        }
        assert_eq!(out, b"hello world");
        let (mut uu, mut out) = (Uu::default(), Vec::new());
        uu.line(b"begin 6 x", &mut out);
        for first in 0..=255u8 {
            uu.line(&[first], &mut out);
            uu.line(&[first, first], &mut out);
        }
    }
}
