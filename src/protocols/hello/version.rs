//! Protocol versions and their names.

use std::fmt;

/// A version as sent, 0 for none, 2 for SSLv2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocols) struct Version(pub(in crate::protocols) u16);

impl Version {
    pub(in crate::protocols) const SSL2: Version = Version(2);
    pub(in crate::protocols) const TLS13: Version = Version(0x0304);
    /// The last draft of TLS 1.3 before servers named theirs in an extension.
    pub(in crate::protocols) const EARLY_DRAFT: Version = Version(0x7f0f);

    /// TLS 1.3 or one of its drafts.
    pub(in crate::protocols) fn is_tls13(self) -> bool {
        self == Version::TLS13 || self.0 >> 8 == 0x7f
    }

    /// One that exists.
    pub(in crate::protocols) fn is_known(self) -> bool {
        matches!(self.0, 2 | 0x0300..=0x0304 | 0x7f01..=0x7f1c)
    }

    /// Orders drafts below TLS 1.3 and above TLS 1.2.
    pub(in crate::protocols) fn rank(self) -> u32 {
        match self.0 {
            0x0304 => u32::from(u16::MAX) + 2,
            draft if draft >> 8 == 0x7f => u32::from(u16::MAX) + 1,
            known @ 0x0300..=0x0303 => known.into(),
            _ => 0,
        }
    }

    /// The two characters of JA4.
    pub(in crate::protocols) fn ja4(self) -> &'static str {
        match self.0 {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            2 => "s2",
            _ => "00",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("UNDETERMINED"),
            2 => f.write_str("SSLv2"),
            0x0300 => f.write_str("SSLv3"),
            0x0301 => f.write_str("TLSv1"),
            0x0302 => f.write_str("TLS 1.1"),
            0x0303 => f.write_str("TLS 1.2"),
            0x0304 => f.write_str("TLS 1.3"),
            0x7f01..=0x7f0f => f.write_str("TLS 1.3 draft-<16"),
            draft @ 0x7f10..=0x7f1c => write!(f, "TLS 1.3 draft-{}", draft & 0xff),
            other => write!(f, "0x{other:04x}"),
        }
    }
}
