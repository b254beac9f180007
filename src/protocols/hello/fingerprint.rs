//! JA3 and JA3S as Salesforce published them, JA4 (TLS client) as FoxIO specified it.

use std::fmt::{Display, Write as _};

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::messages::{ClientHello, GREASE, ServerHello, is_grease};
use super::version::Version;
use crate::protocols::reader::hex;

/// A fingerprint's text and its MD5 in lower-case hexadecimal.
#[derive(Clone, Debug, Default)]
pub(in crate::protocols) struct Fingerprint {
    pub(in crate::protocols) string: String,
    pub(in crate::protocols) hash: String,
}

impl Fingerprint {
    fn of(string: String) -> Self {
        let hash = hex(&Md5::digest(&string));
        Fingerprint { string, hash }
    }
}

/// `version,ciphers,extensions,groups,formats`, decimal, without GREASE.
pub(in crate::protocols) fn ja3(hello: &ClientHello) -> Fingerprint {
    Fingerprint::of(format!(
        "{},{},{},{},{}",
        hello.legacy.0,
        dashed(sound(&hello.ciphers)),
        dashed(sound(&hello.extensions)),
        dashed(sound(&hello.groups)),
        dashed(hello.formats.iter()),
    ))
}

/// `version,cipher,extensions`, decimal.
pub(in crate::protocols) fn ja3s(hello: &ServerHello) -> Fingerprint {
    Fingerprint::of(format!("{},{},{}", hello.legacy.0, hello.cipher, dashed(hello.extensions.iter())))
}

/// JA3 over QUIC as the reference engine makes it: GREASE stays, and every such extension counts as [`GREASE`].
pub(in crate::protocols) fn ja3_with_grease(hello: &ClientHello) -> Fingerprint {
    Fingerprint::of(format!(
        "{},{},{},{},{}",
        hello.legacy.0,
        dashed(hello.ciphers.iter()),
        dashed(uniform(&hello.extensions)),
        dashed(hello.groups.iter()),
        dashed(hello.formats.iter()),
    ))
}

/// JA3S over QUIC, as [`ja3_with_grease`].
pub(in crate::protocols) fn ja3s_with_grease(hello: &ServerHello) -> Fingerprint {
    Fingerprint::of(format!("{},{},{}", hello.legacy.0, hello.cipher, dashed(uniform(&hello.extensions))))
}

/// What a hello came in: the first letter of JA4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocols) enum Carrier {
    Tcp,
    Quic,
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(in crate::protocols) fn ja4(hello: &ClientHello, carrier: Carrier) -> String {
    let mut ciphers: Vec<u16> = sound(&hello.ciphers).collect();
    let mut extensions: Vec<u16> = sound(&hello.extensions).collect();
    let mut text = format!(
        "{}{}{}{:02}{:02}",
        match carrier {
            Carrier::Tcp => 't',
            Carrier::Quic => 'q',
        },
        highest(hello).ja4(),
        if hello.extensions.contains(&0) { 'd' } else { 'i' },
        ciphers.len().min(99),
        extensions.len().min(99),
    );
    for c in alpn(hello.alpn.first().map(Vec::as_slice).unwrap_or_default()) {
        text.push(c);
    }
    ciphers.sort_unstable();
    extensions.sort_unstable();
    extensions.retain(|kind| !matches!(kind, 0 | 16));
    let signatures: Vec<u16> = sound(&hello.signatures).collect();
    // without signatures FoxIO's text ends before the underscore; the reference engine's does not
    let tail = format!("{}_{}", commas(&extensions), commas(&signatures));
    for part in [commas(&ciphers), tail] {
        text.push('_');
        text.push_str(&truncated_sha256(&part));
    }
    text
}

/// The version with the highest number: a draft's is higher than that of TLS 1.3.
fn highest(hello: &ClientHello) -> Version {
    sound(&hello.versions).max().map_or(hello.legacy, Version)
}

/// First and last character of the first protocol, of its hexadecimal form if either is not alphanumeric.
fn alpn(name: &[u8]) -> [char; 2] {
    match (name.first(), name.last()) {
        (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            [char::from(*first), char::from(*last)]
        }
        (Some(first), Some(last)) => [nibble(first >> 4), nibble(last & 15)],
        _ => ['0', '0'],
    }
}

fn nibble(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0')
}

fn truncated_sha256(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let mut digest = hex(&Sha256::digest(text));
    digest.truncate(12);
    digest
}

fn sound(values: &[u16]) -> impl Iterator<Item = u16> + '_ {
    values.iter().copied().filter(|&value| !is_grease(value))
}

fn uniform(extensions: &[u16]) -> impl Iterator<Item = u16> + '_ {
    extensions.iter().map(|&kind| if is_grease(kind) { GREASE } else { kind })
}

fn dashed(values: impl Iterator<Item = impl Display>) -> String {
    let mut text = String::new();
    for value in values {
        let _ = write!(text, "{}{value}", if text.is_empty() { "" } else { "-" });
    }
    text
}

fn commas(values: &[u16]) -> String {
    let mut text = String::new();
    for value in values {
        let _ = write!(text, "{}{value:04x}", if text.is_empty() { "" } else { "," });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FoxIO's specification, with GREASE around it.
    fn chrome() -> ClientHello {
        ClientHello {
            legacy: Version(0x0303),
            ciphers: vec![
                0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
                0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x1a1a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
                0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
            ],
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            signatures: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            versions: vec![0x6a6a, 0x0304, 0x0303],
            ..ClientHello::default()
        }
    }

    #[track_caller]
    fn check(change: impl Fn(&mut ClientHello), expected: &str) {
        let mut hello = chrome();
        change(&mut hello);
        assert_eq!(ja4(&hello, Carrier::Tcp), expected);
    }

    #[test]
    fn ja4_follows_the_specification_and_the_reference() {
        check(|_| {}, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        check(|hello| hello.extensions.reverse(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        check(|hello| hello.ciphers.reverse(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        check(|hello| hello.versions.clear(), "t12d1516h2_8daaf6152771_e5627efa2ab1");
        check(|hello| hello.alpn.clear(), "t13d151600_8daaf6152771_e5627efa2ab1");
        check(|hello| hello.alpn[0] = b"\xab\xcd".to_vec(), "t13d1516ad_8daaf6152771_e5627efa2ab1");
        check(|hello| hello.alpn[0] = b"x".to_vec(), "t13d1516xx_8daaf6152771_e5627efa2ab1");
        check(|hello| hello.ciphers.clear(), "t13d0016h2_000000000000_e5627efa2ab1");
        check(
            |hello| {
                hello.extensions.clear();
                hello.signatures.clear();
            },
            "t13i1500h2_8daaf6152771_d2e2adf7177b",
        );
        check(|hello| hello.ciphers = vec![0x1301; 120], "t13d9916h2_f125fc3a8012_e5627efa2ab1");
    }

    #[test]
    fn ja3_follows_the_publication() {
        let mut hello = chrome();
        hello.groups = vec![0x3a3a, 29, 23, 24];
        hello.formats = vec![0];
        assert_eq!(
            ja3(&hello).string,
            "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53,\
             27-0-51-16-17513-23-45-13-5-35-18-43-65281-11-10-21,29-23-24,0"
        );
        let nothing = ja3(&ClientHello::default());
        assert_eq!((nothing.string.as_str(), nothing.hash.len()), ("0,,,,", 32));
    }
}
