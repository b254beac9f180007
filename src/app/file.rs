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
