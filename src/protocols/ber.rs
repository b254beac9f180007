//! ASN.1 in its basic and distinguished encodings (X.690), read from the front, nothing copied.
//!
//! Only definite lengths and tags below 31: SNMP and Kerberos have no others. Bounds: none are needed, nesting is the caller's.

/// The bit of a tag that says so.
const CONSTRUCTED: u8 = 0x20;
/// INTEGER
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING
pub(super) const OCTETS: u8 = 0x04;
/// OBJECT IDENTIFIER
pub(super) const OID: u8 = 0x06;
/// SEQUENCE
pub(super) const SEQUENCE: u8 = 0x30;

/// What is at the front of the bytes is not what was asked for, or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Elements that are still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag that comes next.
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and what is in it.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (tag, rest) = self.0.split_first().ok_or(Malformed)?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (len, header) = length(rest).ok_or(Malformed)?;
        let rest = rest.get(header..).ok_or(Malformed)?;
        let (inner, behind) = rest.split_at_checked(len).ok_or(Malformed)?;
        self.0 = behind;
        Ok((*tag, inner))
    }

    /// The next element, of that tag; whether it says that it is made of others does not matter.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        if self.peek().is_none_or(|found| found & !CONSTRUCTED != tag & !CONSTRUCTED) {
            return Err(Malformed);
        }
        self.any().map(|(_, inner)| inner)
    }

    /// The next element, of that tag, to be read.
    pub(super) fn enter(&mut self, tag: u8) -> Result<Reader<'a>, Malformed> {
        self.expect(tag).map(Reader)
    }

    /// The next element if it is of that tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        if self.peek() == Some(tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// The next element, an integer.
    pub(super) fn integer(&mut self) -> Result<i64, Malformed> {
        integer(self.expect(INTEGER)?)
    }
}

/// A length and how many bytes it takes; `None` for one that is indefinite, not whole or beyond 32 bits.
pub(super) fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    match *first {
        short @ 0..0x80 => Some((usize::from(short), 1)),
        long => {
            let count = usize::from(long & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let len = rest.get(..count)?.iter().fold(0usize, |len, byte| len << 8 | usize::from(*byte));
            Some((len, 1 + count))
        }
    }
}

/// What is in an integer, of at most eight bytes; of none it is 0.
pub(super) fn integer(bytes: &[u8]) -> Result<i64, Malformed> {
    let first = bytes.first().copied().unwrap_or_default();
    if bytes.len() > 8 {
        return Err(Malformed);
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(bytes.iter().fold(start, |number, byte| number << 8 | i64::from(*byte)))
}

/// What is in an object identifier, as `1.3.6.1`; `None` for one that ends within a number or has one beyond 63 bits.
pub(super) fn dotted(bytes: &[u8]) -> Option<String> {
    use std::fmt::Write as _;
    let (first, _) = bytes.split_first()?;
    let mut text = String::new();
    let mut number = 0u64;
    let mut rest = bytes;
    // the first byte holds two numbers
    if *first < 0x80 {
        let _ = write!(text, "{}.{}", (first / 40).min(2), if *first < 80 { first % 40 } else { first - 80 });
        rest = &bytes[1..];
    }
    let mut inside = false;
    let mut septets = 0;
    for byte in rest {
        // zeros in front count too
        septets += 1;
        if septets > 9 {
            return None;
        }
        number = number << 7 | u64::from(byte & 0x7f);
        inside = byte & 0x80 != 0;
        if !inside {
            if text.is_empty() {
                let _ = write!(text, "2.{}", number.saturating_sub(80));
            } else {
                let _ = write!(text, ".{number}");
            }
            number = 0;
            septets = 0;
        }
    }
    (!inside).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_from_the_front() {
        let mut reader = Reader::new(b"\x30\x05\x02\x01\x07\x04\x00\x02\x81\x01\xff");
        let mut inner = reader.enter(SEQUENCE).unwrap();
        assert_eq!(
            (inner.integer(), inner.optional(OID), inner.expect(OCTETS)),
            (Ok(7), Ok(None), Ok(&b""[..]))
        );
        assert!(inner.is_empty() && inner.any().is_err());
        assert_eq!((reader.peek(), reader.integer(), reader.peek()), (Some(2), Ok(-1), None));
        for broken in [
            &b"\x30"[..],
            b"\x30\x01",
            b"\x30\x80",
            b"\x30\x85\0\0\0\0\x01x",
            b"\x30\x84\xff\xff\xff\xffx",
            b"\x1f\x01x",
        ] {
            assert_eq!(Reader::new(broken).any(), Err(Malformed), "{}", broken.escape_ascii());
        }
        assert_eq!((integer(b""), integer(&[1; 9])), (Ok(0), Err(Malformed)));
        assert_eq!(integer(b"\0\xff"), Ok(255));
    }

    #[test]
    fn identifiers_are_written_with_dots() {
        for (bytes, expected) in [
            (&b"\x2b\x06\x01"[..], Some("1.3.6.1")),
            (b"\x01", Some("0.1")),
            (b"\x77\x86\x8d\x40", Some("2.39.100032")),
            (b"\x88\x37\x03", Some("2.999.3")),
            (b"\x2b\x86", None),
            (b"\x2b\x80\x80\x80\x80\x80\x80\x80\x80\x80\0", None),
            (b"\x2b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", None),
            (b"", None),
        ] {
            assert_eq!(dotted(bytes).as_deref(), expected);
        }
    }
}
