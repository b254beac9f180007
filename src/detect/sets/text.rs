//! Files of data sets: one value a line, with a score behind a comma where there are scores.
//!
//! Strings are base64, digests hexadecimal, addresses as they are written. Blanks at the ends of a line, empty lines and those
//! that begin with `#` are left out without a word.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::table::Table;

/// Base64 with or without its padding, as such files have it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Characters of a value that messages show.
const SHOWN_MAX: usize = 40;

/// What the values of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any bytes, at least one: a file has no way to write none.
    String,
    /// 16 bytes.
    Md5,
    /// 32 bytes.
    Sha256,
    /// 4 bytes.
    Ipv4,
    /// 16 bytes; IPv4 addresses as `::ffff:a.b.c.d`.
    Ip,
}

impl Kind {
    /// Names in rules and configuration.
    pub const NAMES: &'static [(&'static str, Kind)] = &[
        ("string", Kind::String),
        ("md5", Kind::Md5),
        ("sha256", Kind::Sha256),
        ("ipv4", Kind::Ipv4),
        ("ip", Kind::Ip),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Calls `with` with the bytes under which a set keeps a value of the traffic; `None` when it cannot be one of its values.
    pub fn key<R>(self, bytes: &[u8], with: impl FnOnce(&[u8]) -> R) -> Option<R> {
        match (self, bytes.len()) {
            (Kind::String, 1..) | (Kind::Md5 | Kind::Ip, 16) | (Kind::Sha256, 32) | (Kind::Ipv4, 4) => {
                Some(with(bytes))
            }
            (Kind::Ip, 4) => {
                let four = <[u8; 4]>::try_from(bytes).ok()?;
                Some(with(&Ipv4Addr::from(four).to_ipv6_mapped().octets()))
            }
            _ => None,
        }
    }

    /// The value that a file has written so, into `out`.
    pub(super) fn parse(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
        out.clear();
        match self {
            Kind::String => match LENIENT.decode_vec(text, out) {
                Ok(()) if !out.is_empty() => Ok(()),
                Ok(()) => Err("the value is missing"),
                Err(_) => Err("it is not base64"),
            },
            Kind::Md5 => hex(text, 16, out).ok_or("an MD5 has 32 hexadecimal digits"),
            Kind::Sha256 => hex(text, 32, out).ok_or("a SHA-256 has 64 hexadecimal digits"),
            Kind::Ipv4 | Kind::Ip => {
                let address = std::str::from_utf8(text).ok().and_then(|text| text.parse::<IpAddr>().ok());
                match (self, address) {
                    (Kind::Ipv4, Some(IpAddr::V4(v4))) => out.extend(v4.octets()),
                    (Kind::Ip, Some(IpAddr::V4(v4))) => out.extend(v4.to_ipv6_mapped().octets()),
                    (Kind::Ip, Some(IpAddr::V6(v6))) => out.extend(v6.octets()),
                    (Kind::Ipv4, _) => return Err("it is not an IPv4 address"),
                    _ => return Err("it is not an address"),
                }
                Ok(())
            }
        }
    }

    /// Appends the value as a file has it.
    fn write(self, value: &[u8], out: &mut String) {
        use std::fmt::Write as _;
        let _ = match (self, value.len()) {
            (Kind::String, _) => {
                base64::engine::general_purpose::STANDARD.encode_string(value, out);
                Ok(())
            }
            (Kind::Ipv4 | Kind::Ip, _) => match (<[u8; 4]>::try_from(value), <[u8; 16]>::try_from(value)) {
                (Ok(four), _) => write!(out, "{}", Ipv4Addr::from(four)),
                (_, Ok(sixteen)) => write!(out, "{}", Ipv6Addr::from(sixteen).to_canonical()),
                _ => Ok(()),
            },
            _ => value.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
        };
    }
}

fn hex(text: &[u8], bytes: usize, out: &mut Vec<u8>) -> Option<()> {
    if text.len() != bytes * 2 {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    for pair in text.chunks_exact(2) {
        out.push(nibble(pair[0])? << 4 | nibble(pair[1])?);
    }
    Some(())
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Lines that were left out.
    pub bad: usize,
    /// The first of them: its number, from 1, and what is wrong with it.
    pub first_bad: Option<(usize, String)>,
    /// There was no room for all.
    pub full: bool,
}

/// Adds the values of a file to a set that may hold `max` bytes.
pub fn read(kind: Kind, text: &[u8], table: &mut Table, max: u64) -> Read {
    let mut told = Read::default();
    let lines = memchr::memchr_iter(b'\n', text).count() + 1;
    let size = match kind {
        Kind::String => text.len().saturating_sub(lines) / 4 * 3,
        Kind::Md5 | Kind::Ip => lines * 16,
        Kind::Sha256 => lines * 32,
        Kind::Ipv4 => lines * 4,
    };
    if (size as u64).saturating_add(lines as u64 * super::table::ENTRY_COST) <= max {
        table.reserve(lines, size);
    }
    let mut value = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let mut parts = line.splitn(3, |byte| *byte == b',').map(<[u8]>::trim_ascii);
        let text = parts.next().unwrap_or_default();
        let read = match parts.next().map(score) {
            Some(None) => Err("a score is a number from 0 to 65535"),
            Some(Some(score)) => kind.parse(text, &mut value).map(|()| score),
            None => kind.parse(text, &mut value).map(|()| 0),
        };
        match read {
            Ok(score) => {
                if table.insert(&value, score, max).is_none() {
                    told.full = true;
                    return told;
                }
            }
            Err(why) => {
                told.bad += 1;
                told.first_bad.get_or_insert_with(|| {
                    let shown: String = String::from_utf8_lossy(line).chars().take(SHOWN_MAX).collect();
                    (at + 1, format!("{shown:?}: {why}"))
                });
            }
        }
    }
    told
}

fn score(text: &[u8]) -> Option<u16> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// A set as a file, in pieces of bounded size, each of whole lines.
pub fn write(
    kind: Kind,
    table: &Table,
    out: &mut dyn FnMut(&str) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut text = String::new();
    for (value, _) in table.entries() {
        kind.write(value, &mut text);
        text.push('\n');
        if text.len() >= 1 << 16 {
            out(&text)?;
            text.clear();
        }
    }
    out(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(kind: Kind, text: &str) -> (Table, Read) {
        let mut table = Table::default();
        let told = read(kind, text.as_bytes(), &mut table, u64::MAX);
        (table, told)
    }

    fn saved(kind: Kind, table: &Table) -> String {
        let mut out = String::new();
        write(kind, table, &mut |text| {
            out.push_str(text);
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn what_was_saved_is_what_was_loaded() {
        for (kind, text, expected) in [
            (
                Kind::String,
                "dXNlcmFnZW50MQ==\n\n# a comment\nZ29vZ2xlLmNvbQ\r\n",
                "dXNlcmFnZW50MQ==\nZ29vZ2xlLmNvbQ==\n",
            ),
            (Kind::Md5, "AA7F2ADD16E128B70E4038184DCBD01D", "aa7f2add16e128b70e4038184dcbd01d\n"),
            (Kind::Ipv4, "10.0.0.1\n10.0.0.1,7", "10.0.0.1\n"),
            (Kind::Ip, "::ffff:10.0.0.1\n2001:DB8::1\n10.0.0.2", "10.0.0.1\n2001:db8::1\n10.0.0.2\n"),
        ] {
            let (table, told) = loaded(kind, text);
            assert_eq!((saved(kind, &table).as_str(), told), (expected, Read::default()), "{text}");
            assert_eq!(saved(kind, &loaded(kind, expected).0), expected);
        }
    }

    #[test]
    fn bad_lines_are_left_out_and_the_first_is_told() {
        for (kind, text, good, line) in [
            (Kind::String, "!!\nYQ==", 1, 1),
            (Kind::String, "YQ==\n,5\n", 1, 2),
            (Kind::String, "YQ==\nYg==,x\nYw==,70000\n", 1, 2),
            (Kind::Md5, "aa7f2add16e128b70e4038184dcbd0\naa7f2add16e128b70e4038184dcbd0zz", 0, 1),
            (Kind::Sha256, "aa7f2add16e128b70e4038184dcbd01d", 0, 1),
            (Kind::Ipv4, "10.0.0.0/8\n::1\n10.0.0.256\n10.0.0.1", 1, 1),
            (Kind::Ip, "10.0.0.1\nhost", 1, 2),
        ] {
            let (table, told) = loaded(kind, text);
            assert_eq!((table.len(), told.first_bad.map(|(line, _)| line)), (good, Some(line)), "{text}");
        }
    }

    #[test]
    fn scores_stand_behind_the_first_comma() {
        let (table, _) = loaded(Kind::String, "YQ==,100\nYg==, 65535,rest\nYw==\n");
        let scores: Vec<u16> = table.entries().map(|(_, score)| score).collect();
        assert_eq!(scores, [100, 65535, 0]);
    }

    #[test]
    fn hostile_files_never_panic() {
        let mut seed = 1u64;
        for _ in 0..500 {
            let bytes: Vec<u8> = (0..60)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    b"aA0=,:.\n\r#\xff "[(seed >> 33) as usize % 12]
                })
                .collect();
            for (_, kind) in Kind::NAMES {
                let mut table = Table::default();
                read(*kind, &bytes, &mut table, 200);
                assert!(table.used() <= 200);
                saved(*kind, &table);
            }
        }
    }

    #[test]
    fn a_file_beyond_the_limit_is_cut_and_told() {
        let text: String = (0..1000).map(|n| format!("10.0.{}.{}\n", n / 256, n % 256)).collect();
        let mut table = Table::default();
        let told = read(Kind::Ipv4, text.as_bytes(), &mut table, 5000);
        assert!(told.full && table.len() > 100 && table.used() <= 5000);
    }
}
