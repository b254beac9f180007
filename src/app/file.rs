//! Files that transactions carry: what is known of one, for records and keywords. Bytes stay with the transaction's body.

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// More is expected.
    Opened,
    /// It was seen whole.
    Closed,
    /// Its end was not seen, or bytes of it were lost.
    Truncated,
    /// The parser gave up.
    Error,
}

impl FileState {
    /// EVE's text.
    pub const fn name(self) -> &'static str {
        match self {
            FileState::Opened => "UNKNOWN",
            FileState::Closed => "CLOSED",
            FileState::Truncated => "TRUNCATED",
            FileState::Error => "ERROR",
        }
    }
}

/// One file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name or path, as the protocol gave it.
    pub name: Vec<u8>,
    /// Where it stands.
    pub state: FileState,
    /// Bytes seen of it.
    pub size: u64,
    /// Bytes are missing in the middle.
    pub gaps: bool,
    /// First byte and last byte in the whole file, for a partial transfer, and the whole size.
    pub range: Option<(u64, u64, u64)>,
    /// Digests, once closed and wanted.
    pub md5: Option<[u8; 16]>,
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
}

impl File {
    /// One that was just begun, of that name.
    pub fn new(name: Vec<u8>) -> Self {
        File {
            name,
            state: FileState::Opened,
            size: 0,
            gaps: false,
            range: None,
            md5: None,
            sha1: None,
            sha256: None,
        }
    }
}

/// Which digests are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
}

/// Digests of a file while it arrives.
#[derive(Clone, Default)]
pub struct Digesting {
    md5: Option<md5::Md5>,
    sha1: Option<sha1::Sha1>,
    sha256: Option<sha2::Sha256>,
}

impl Digesting {
    /// Of nothing yet.
    pub fn new(wanted: Digests) -> Self {
        Digesting {
            md5: wanted.md5.then(md5::Md5::default),
            sha1: wanted.sha1.then(sha1::Sha1::default),
            sha256: wanted.sha256.then(sha2::Sha256::default),
        }
    }

    /// The next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        use sha2::Digest as _;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Writes what was wanted into the file; further bytes are not counted.
    pub fn finish(&mut self, file: &mut File) {
        use sha2::Digest as _;
        let Digesting { md5, sha1, sha256 } = std::mem::take(self);
        file.md5 = md5.map(|state| state.finalize().into());
        file.sha1 = sha1.map(|state| state.finalize().into());
        file.sha256 = sha256.map(|state| state.finalize().into());
    }
}

impl std::fmt::Debug for Digesting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digesting").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_digests_are_made() {
        let mut file = File::new(b"a".to_vec());
        let mut digesting = Digesting::new(Digests { md5: true, sha1: false, sha256: true });
        digesting.update(b"ab");
        digesting.update(b"c");
        digesting.finish(&mut file);
        assert_eq!(file.md5.unwrap()[..4], [0x90, 0x01, 0x50, 0x98]);
        assert_eq!(file.sha256.unwrap()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert!(file.sha1.is_none());
    }
}
