//! The filter of a search, as RFC 4515 writes it: `(&(objectClass=user)(cn=a*))`.

use crate::protocols::ber::{Malformed, OCTETS, Reader, SEQUENCE};

/// Filters within filters.
const DEPTH_MAX: u8 = 16;

/// Bytes of the text; what is beyond is left out.
const TEXT_MAX: usize = 4096;

/// The filter at the front, as text; what is nested too deeply is `(…)`.
pub(super) fn written(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    filter(reader, 0, &mut out)?;
    out.truncate(TEXT_MAX);
    Ok(out)
}

fn filter(reader: &mut Reader<'_>, depth: u8, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (tag, bytes) = reader.any()?;
    let mut inner = Reader::new(bytes);
    if depth >= DEPTH_MAX || out.len() >= TEXT_MAX {
        out.extend_from_slice(b"(...)");
        return Ok(());
    }
    out.push(b'(');
    match tag {
        0xa0..=0xa2 => {
            out.push(b"&|!"[usize::from(tag - 0xa0)]);
            while !inner.is_empty() {
                filter(&mut inner, depth + 1, out)?;
            }
        }
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            out.extend_from_slice(inner.expect(OCTETS)?);
            out.extend_from_slice(match tag {
                0xa3 => b"=",
                0xa5 => b">=",
                0xa6 => b"<=",
                _ => b"~=",
            });
            value(inner.expect(OCTETS)?, out);
        }
        0xa4 => {
            out.extend_from_slice(inner.expect(OCTETS)?);
            out.push(b'=');
            let mut parts = inner.enter(SEQUENCE)?;
            let mut open = false;
            while !parts.is_empty() {
                let (kind, text) = parts.any()?;
                if kind != 0x80 && !open {
                    out.push(b'*');
                }
                value(text, out);
                open = kind != 0x82;
                if open {
                    out.push(b'*');
                }
            }
        }
        0x87 => {
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"=*");
        }
        0xa9 => {
            let (rule, kind) = (inner.optional(0x81)?, inner.optional(0x82)?);
            out.extend_from_slice(kind.unwrap_or_default());
            let matched = inner.expect(0x83)?;
            if inner.optional(0x84)?.is_some_and(|flag| flag != [0]) {
                out.extend_from_slice(b":dn");
            }
            if let Some(rule) = rule {
                out.push(b':');
                out.extend_from_slice(rule);
            }
            out.extend_from_slice(b":=");
            value(matched, out);
        }
        _ => return Err(Malformed),
    }
    out.push(b')');
    Ok(())
}

/// Section 3: these are told by their number. Other bytes stay as they are, as a rule would write them.
fn value(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes.iter().take(TEXT_MAX) {
        match byte {
            b'*' => out.extend_from_slice(b"\\2a"),
            b'(' => out.extend_from_slice(b"\\28"),
            b')' => out.extend_from_slice(b"\\29"),
            b'\\' => out.extend_from_slice(b"\\5c"),
            0 => out.extend_from_slice(b"\\00"),
            byte => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_written() {
        for (bytes, expected) in [
            (&b"\x87\x0bobjectClass"[..], "(objectClass=*)"),
            (b"\xa3\x08\x04\x02cn\x04\x02a*", "(cn=a\\2a)"),
            (b"\xa0\x0c\x87\x02cn\xa2\x06\xa5\x04\x04\x01u\x04\x00", "!"),
            (b"\xa4\x0e\x04\x02cn\x30\x08\x80\x01a\x81\x01b\x82\x00", "(cn=a*b*)"),
            (b"\xa4\x09\x04\x02cn\x30\x03\x82\x01z", "(cn=*z)"),
            (b"\xa9\x13\x81\x031.2\x82\x02cn\x83\x01x\x84\x01\xff", "!"),
            (b"\xa9\x0f\x81\x031.2\x82\x02cn\x83\x01x\x84\x01\xff", "(cn:dn:1.2:=x)"),
            (b"\xab\x00", "!"),
        ] {
            let found = written(&mut Reader::new(bytes));
            match expected {
                "!" => assert!(found.is_err(), "{}", bytes.escape_ascii()),
                _ => assert_eq!(String::from_utf8(found.unwrap()).unwrap(), expected),
            }
        }
        let mut deep = b"\x87\x01a".to_vec();
        for _ in 0..60 {
            deep = [&[0xa2, 0x82, (deep.len() >> 8) as u8, deep.len() as u8][..], &deep].concat();
        }
        let text = written(&mut Reader::new(&deep)).unwrap();
        assert!(text.starts_with(b"(!(!") && text.windows(5).any(|part| part == b"(...)"));
    }
}
