//! Parts of domain names.
//!
//! Without the list of public suffixes: the suffix is the last label, or the last two where the last is a country's and the
//! one before it is one of those that countries put there (`co.uk`).

use super::simple;
use crate::detect::RuleBuilder;
use crate::keywords::row::{Row, row, unsupported};
use crate::rules::{OptionAst, RuleError};

pub(in super::super) static DOMAIN: Row =
    row("domain", "The registered domain of a name.", |o, r| simple(o, r, "domain", domain));
pub(in super::super) static TLD: Row =
    row("tld", "The top-level domain of a name, or its public suffix.", |o, r| simple(o, r, "tld", tld));
pub(in super::super) static LUAXFORM: Row = row("luaxform", "A script changes the buffer.", luaxform);

/// Labels that countries put before their own.
const SECOND: &[&[u8]] =
    &[b"ac", b"co", b"com", b"edu", b"gob", b"gov", b"mil", b"net", b"ne", b"nom", b"or", b"org"];

/// Where the public suffix begins; `None` for a name without a dot or with an empty label at its end.
fn suffix_at(name: &[u8]) -> Option<usize> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    let last = &name[dot + 1..];
    if last.is_empty() {
        return None;
    }
    let before = name[..dot].iter().rposition(|byte| *byte == b'.');
    match before {
        Some(before)
            if last.len() == 2 && SECOND.contains(&name[before + 1..dot].to_ascii_lowercase().as_slice()) =>
        {
            Some(before + 1)
        }
        _ => Some(dot + 1),
    }
}

fn domain(bytes: &[u8], out: &mut Vec<u8>) {
    let Some(suffix) = suffix_at(bytes) else { return };
    let label = bytes[..suffix - 1].iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot + 1);
    out.extend_from_slice(&bytes[label..]);
}

fn tld(bytes: &[u8], out: &mut Vec<u8>) {
    let Some(suffix) = suffix_at(bytes) else { return };
    out.extend_from_slice(&bytes[suffix..]);
}

fn luaxform(option: &OptionAst<'_>, _: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    Err(unsupported(option, "scripts come with a later version"))
}

#[cfg(test)]
mod tests {
    use crate::keywords::testing::transformed;

    #[test]
    fn names_are_taken_apart() {
        for (name, domain, tld) in [
            ("www.example.com", "example.com", "com"),
            ("example.com", "example.com", "com"),
            ("a.b.example.co.uk", "example.co.uk", "co.uk"),
            ("a.b.example.CO.uk", "example.CO.uk", "CO.uk"),
            ("b.example.uk", "example.uk", "uk"),
            ("localhost", "", ""),
            ("example.com.", "", ""),
            ("", "", ""),
            (".", "", ""),
            (".com", ".com", "com"),
        ] {
            assert_eq!(transformed("domain;", name.as_bytes()).1, domain.as_bytes(), "{name}");
            assert_eq!(transformed("tld;", name.as_bytes()).1, tld.as_bytes(), "{name}");
        }
    }
}
