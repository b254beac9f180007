//! Versions, and what each protects its Initial packets with.

use std::fmt;

/// A version as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(pub(super) u32);

/// What the keys of Initial packets follow from, beside the connection id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secrets {
    pub(super) salt: [u8; 20],
    /// Labels of key, initialisation vector and header protection.
    pub(super) labels: [&'static str; 3],
}

/// RFC 9001 section 5.2, the drafts from 33 on.
const SALT_1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];
/// RFC 9369 section 3.3.1.
const SALT_2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
    0xbd, 0x2e, 0xd9,
];
/// draft-ietf-quic-tls-29 to 32.
const SALT_29: [u8; 20] = [
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
    0x90, 0xa8, 0x99,
];
/// draft-ietf-quic-tls-23 to 28.
const SALT_23: [u8; 20] = [
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
    0xf9, 0xf5, 0x02,
];
/// Google's Q050.
const SALT_Q050: [u8; 20] = [
    0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3,
    0xb5, 0x6b, 0x45,
];

impl Version {
    /// Version negotiation.
    pub(super) const NEGOTIATION: Version = Version(0);
    const V1: Version = Version(1);
    const V2: Version = Version(0x6b33_43cf);

    /// RFC 9369: the long header's types have other numbers.
    pub(super) fn is_v2(self) -> bool {
        self == Version::V2
    }

    /// Of Google's own, one whose long header has both lengths of connection ids in one byte.
    pub(super) fn has_nibbles(self) -> bool {
        self.0 == 0x5130_3436
    }

    /// Of Google's own, one that had no long header like this.
    pub(super) fn has_no_long_header(self) -> bool {
        matches!(self.0, 0x5130_3433..=0x5130_3435)
    }

    /// Digits of one of Google's versions that a CYU fingerprint is made of.
    pub(super) fn cyu(self) -> Option<&'static str> {
        match self.0 {
            0x5130_3433 => Some("43"),
            // the reference engine names both so
            0x5130_3434 | 0x5130_3435 => Some("44"),
            0x5130_3436 => Some("46"),
            _ => None,
        }
    }

    /// How Initial packets are protected; `None` when that is not known.
    pub(super) fn secrets(self) -> Option<Secrets> {
        const FIRST: [&str; 3] = ["quic key", "quic iv", "quic hp"];
        let (salt, labels) = match self.0 {
            1 | 0xff00_0021..=0xff00_0022 => (SALT_1, FIRST),
            0x6b33_43cf => (SALT_2, ["quicv2 key", "quicv2 iv", "quicv2 hp"]),
            0xff00_001d..=0xff00_0020 => (SALT_29, FIRST),
            0xff00_0017..=0xff00_001c | 0xface_b002 => (SALT_23, FIRST),
            0x5130_3530 => (SALT_Q050, FIRST),
            _ => return None,
        };
        Some(Secrets { salt, labels })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            _ if *self == Version::V1 => f.write_str("1"),
            _ if self.is_v2() => f.write_str("v2"),
            0x5130_3339 => f.write_str("Q039"),
            0x5130_3433 => f.write_str("Q043"),
            0x5130_3434 => f.write_str("Q044"),
            0x5130_3435 => f.write_str("Q045"),
            0x5130_3436 => f.write_str("Q046"),
            other => write!(f, "{other:x}"),
        }
    }
}
