//! JA3 and JA3S as Salesforce published them, JA4 (TLS client) as FoxIO specified it.

use std::fmt::{Display, Write as _};

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::hello::{ClientHello, ServerHello, is_grease};

/// A fingerprint's text and its MD5 in lower-case hexadecimal.
#[derive(Clone, Debug, Default)]
pub(super) struct Fingerprint {
    pub(super) string: String,
    pub(super) hash: String,
}

impl Fingerprint {
    fn of(string: String) -> Self {
        let hash = hex(&Md5::digest(&string));
        Fingerprint { string, hash }
    }
}

/// `version,ciphers,extensions,groups,formats`, decimal, without GREASE.
pub(super) fn ja3(hello: &ClientHello) -> Fingerprint {
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
pub(super) fn ja3s(hello: &ServerHello) -> Fingerprint {
    Fingerprint::of(format!("{},{},{}", hello.legacy.0, hello.cipher, dashed(hello.extensions.iter())))
}

/// `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub(super) fn ja4(hello: &ClientHello) -> String {
    let mut ciphers: Vec<u16> = sound(&hello.ciphers).collect();
    let mut extensions: Vec<u16> = sound(&hello.extensions).collect();
    let mut text = format!(
        "t{}{}{:02}{:02}",
        hello.version().ja4(),
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
    let mut tail = commas(&extensions);
    if !signatures.is_empty() {
        tail.push('_');
        tail.push_str(&commas(&signatures));
    }
    for part in [commas(&ciphers), tail] {
        text.push('_');
        text.push_str(&truncated_sha256(&part));
    }
    text
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

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
