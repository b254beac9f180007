//! Files that transactions carry: what is known of one, for records, keywords and the store.
//!
//! A protocol keeps a [`File`] for each file and, while it arrives, a [`Digesting`] that sees all its bytes: digests, the
//! type by its first bytes, and the bytes themselves are made or kept only when some rule or output wants them
//! ([`Digests`], from the protocol's settings).
//!
//! Limits: [`CONTENT_MAX`] bytes of one file are kept for the store, [`CONTENTS_MAX`] of all files of the process together;
//! a file beyond is not stored, and says so ([`File::unstorable`]).

use std::sync::atomic::{AtomicU64, Ordering};

use super::magic;
use super::settings::Settings;

/// Bytes kept of one file that may have to be stored.
pub const CONTENT_MAX: usize = 64 << 20;
/// Bytes kept of all files that may have to be stored.
pub const CONTENTS_MAX: u64 = 512 << 20;

/// Bytes in all [`Content`]s.
static HELD: AtomicU64 = AtomicU64::new(0);

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
    /// What it is by its first bytes, in libmagic's words; once some are there, if wanted.
    pub magic: Option<String>,
    /// More bytes would not change [`File::magic`].
    pub magic_final: bool,
    /// All its bytes, once closed, if it may have to be stored.
    pub content: Option<Content>,
    /// It should have been kept, and is too long, has gaps, or found no room.
    pub unstorable: bool,
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
            magic: None,
            magic_final: false,
            content: None,
            unstorable: false,
        }
    }
}

/// Bytes of a file, counted against [`CONTENTS_MAX`] as long as they live.
#[derive(Debug, Default)]
pub struct Content(Vec<u8>);

impl Content {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds bytes; false when there is no room, of this file or of all.
    fn add(&mut self, bytes: &[u8]) -> bool {
        let more = bytes.len() as u64;
        if self.0.len().saturating_add(bytes.len()) > CONTENT_MAX {
            return false;
        }
        if HELD.fetch_add(more, Ordering::Relaxed).saturating_add(more) > CONTENTS_MAX {
            HELD.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.0.extend_from_slice(bytes);
        true
    }
}

impl Clone for Content {
    fn clone(&self) -> Self {
        HELD.fetch_add(self.0.len() as u64, Ordering::Relaxed);
        Content(self.0.clone())
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0.len() as u64, Ordering::Relaxed);
    }
}

/// What is wanted of files: digests, their type, their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
    /// SHA-256.
    pub sha256: bool,
    /// The type by the first bytes.
    pub magic: bool,
    /// The bytes, as a rule or the configuration may have the file stored.
    pub content: bool,
}

impl Digests {
    /// What rules and outputs want, as the engine writes it into the settings of each protocol.
    pub fn new(settings: &Settings) -> Self {
        let flag = |key: &str| settings.flag(key).unwrap_or(false);
        Digests {
            md5: flag("hash-md5"),
            sha1: flag("hash-sha1"),
            sha256: flag("hash-sha256"),
            magic: flag("file-magic"),
            content: flag("file-content"),
        }
    }
}

/// Digests of a file while it arrives.
#[derive(Clone, Default)]
pub struct Digesting {
    md5: Option<md5::Md5>,
    sha1: Option<sha1::Sha1>,
    sha256: Option<sha2::Sha256>,
    head: Option<Head>,
    content: Option<Content>,
    /// The content was given up.
    overflowed: bool,
}

/// The first bytes of a file.
#[derive(Clone, Default)]
struct Head {
    bytes: Vec<u8>,
    /// How many of them were looked at.
    told: usize,
}

impl Digesting {
    /// Of nothing yet.
    pub fn new(wanted: Digests) -> Self {
        Digesting {
            md5: wanted.md5.then(md5::Md5::default),
            sha1: wanted.sha1.then(sha1::Sha1::default),
            sha256: wanted.sha256.then(sha2::Sha256::default),
            head: wanted.magic.then(Head::default),
            content: wanted.content.then(Content::default),
            overflowed: false,
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
        if let Some(head) = &mut self.head {
            let room = magic::HEAD_MAX.saturating_sub(head.bytes.len());
            head.bytes.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
        if let Some(content) = &mut self.content
            && !content.add(bytes)
        {
            self.content = None;
            self.overflowed = true;
        }
    }

    /// Writes into an open file what is known of its type by now. To be called behind [`Digesting::update`]: rules need not
    /// wait for the end of the file then.
    pub fn note(&mut self, file: &mut File) {
        let Some(head) = &mut self.head else { return };
        let full = head.bytes.len() >= magic::HEAD_MAX;
        // each look at twice as many bytes as the last one: linear in the bytes
        if !file.magic_final && (full || head.bytes.len() >= head.told.saturating_mul(2).max(1)) {
            head.told = head.bytes.len();
            file.magic = Some(magic::describe(&head.bytes));
            file.magic_final = full;
        }
    }

    /// Writes what was wanted into the file; further bytes are not counted.
    pub fn finish(&mut self, file: &mut File) {
        use sha2::Digest as _;
        let Digesting { md5, sha1, sha256, head, content, overflowed } = std::mem::take(self);
        if let Some(head) = head
            && !file.magic_final
        {
            file.magic = Some(magic::describe(&head.bytes));
            file.magic_final = true;
        }
        // what has a hole is not the file
        file.unstorable = overflowed || (content.is_some() && file.gaps);
        file.content = content.filter(|_| !file.gaps);
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
        let mut digesting = Digesting::new(Digests { md5: true, sha256: true, ..Digests::default() });
        digesting.update(b"ab");
        digesting.update(b"c");
        digesting.finish(&mut file);
        assert_eq!(file.md5.unwrap()[..4], [0x90, 0x01, 0x50, 0x98]);
        assert_eq!(file.sha256.unwrap()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert!(file.sha1.is_none() && file.magic.is_none() && file.content.is_none());
    }

    #[test]
    fn the_type_is_known_before_the_end() {
        let mut file = File::new(b"a".to_vec());
        let mut digesting = Digesting::new(Digests { magic: true, ..Digests::default() });
        digesting.update(b"%PDF-1.");
        digesting.note(&mut file);
        assert!(!file.magic_final);
        digesting.update(b"5\n%more");
        digesting.note(&mut file);
        assert_eq!(file.magic.as_deref(), Some("PDF document, version 1.5"));
        for _ in 0..magic::HEAD_MAX {
            digesting.update(b"x");
            digesting.note(&mut file);
        }
        assert!(file.magic_final);
        digesting.finish(&mut file);
        assert_eq!(file.magic.as_deref(), Some("PDF document, version 1.5"));
    }

    #[test]
    fn content_is_bounded_and_never_has_a_hole() {
        let wanted = Digests { content: true, ..Digests::default() };
        let mut file = File::new(b"a".to_vec());
        let mut digesting = Digesting::new(wanted);
        digesting.update(b"abc");
        digesting.finish(&mut file);
        assert_eq!(file.content.as_ref().map(Content::bytes), Some(&b"abc"[..]));
        assert!(!file.unstorable);
        let mut holey = File { gaps: true, ..File::new(b"b".to_vec()) };
        let mut digesting = Digesting::new(wanted);
        digesting.update(b"abc");
        digesting.finish(&mut holey);
        assert!(holey.content.is_none() && holey.unstorable);
        let mut long = File::new(b"c".to_vec());
        let mut digesting = Digesting::new(wanted);
        let piece = vec![0; 1 << 20];
        for _ in 0..=CONTENT_MAX >> 20 {
            digesting.update(&piece);
        }
        digesting.finish(&mut long);
        assert!(long.content.is_none() && long.unstorable);
    }
}
