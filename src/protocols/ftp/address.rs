//! Ends of data connections as commands and replies name them.

use std::net::{IpAddr, Ipv4Addr};

/// `h1,h2,h3,h4,p1,p2`, wherever it stands in the text (RFC 959 section 4.1.2 and 4.2: servers differ in what is around it).
pub(super) fn comma_separated(text: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let inner = match text.iter().position(|byte| *byte == b'(') {
        Some(open) => &text[open + 1..],
        None => text,
    };
    let start = inner.iter().position(u8::is_ascii_digit)?;
    let mut numbers = [0u8; 6];
    let mut rest = inner.get(start..)?;
    for (nth, number) in numbers.iter_mut().enumerate() {
        if nth > 0 {
            rest = rest.strip_prefix(b",")?.trim_ascii_start();
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *number = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
        rest = rest.get(digits..)?;
    }
    let [a, b, c, d, high, low] = numbers;
    Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])))
}

/// `|1|132.235.1.2|6275|` (RFC 2428 section 2): the first byte is what separates.
pub(super) fn extended(text: &[u8]) -> Option<(IpAddr, u16)> {
    let text = text.trim_ascii();
    let mark = *text.first()?;
    let mut parts = text.get(1..)?.split(|byte| *byte == mark);
    let _family = parts.next()?;
    let address = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let port = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    Some((address, port))
}

/// `Entering Extended Passive Mode (|||6446|)` (RFC 2428 section 3).
pub(super) fn extended_passive(text: &[u8]) -> Option<u16> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let inner = text.get(open + 1..)?;
    let mark = *inner.first()?;
    let port = inner.strip_prefix(&[mark, mark, mark])?.split(|byte| *byte == mark).next()?;
    std::str::from_utf8(port).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let local = Ipv4Addr::new(10, 0, 0, 2);
        for (text, expected) in [
            (&b"10,0,0,2,200,10"[..], Some((local, 51_210))),
            (b"Entering Passive Mode (10,0,0,2,200,10).", Some((local, 51_210))),
            (b"Entering Passive Mode 10,0,0,2,200,10", Some((local, 51_210))),
            (b"10,0,0,2,200", None),
            (b"10,0,0,256,1,1", None),
            (b"(", None),
            (b"", None),
        ] {
            assert_eq!(comma_separated(text), expected, "{}", text.escape_ascii());
        }
        assert_eq!(extended(b"|1|10.0.0.2|5282|"), Some((local.into(), 5282)));
        assert_eq!(extended(b"!2!::1!5282!"), Some((std::net::Ipv6Addr::LOCALHOST.into(), 5282)));
        assert_eq!(extended(b"|1|10.0.0.2|70000|"), None);
        assert_eq!(extended(b""), None);
        assert_eq!(extended_passive(b"Entering Extended Passive Mode (|||6446|)"), Some(6446));
        assert_eq!(extended_passive(b"(||6446|)"), None);
        assert_eq!(extended_passive(b"("), None);
    }
}
