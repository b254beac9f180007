//! The attachments of a message: what is known of each, and what is kept of its bytes.

use super::config::FileLimits;
use crate::app::Body;
use crate::app::file::{Digesting, Digests, File, FileState};

/// Attachments of one message.
const FILES_MAX: usize = 128;
/// Bytes of a file's name.
const NAME_MAX: usize = 255;

/// Bytes of one attachment.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    offset: u64,
    total: u64,
    /// Bytes beyond the limit were not kept.
    cut: bool,
    complete: bool,
    whole: bool,
}

/// Attachments, the last of them perhaps still open.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Files {
    list: Vec<File>,
    kept: Vec<Kept>,
    /// Depth of the part that each one is: 0 for the message itself.
    depths: Vec<u8>,
    digesting: Digesting,
    open: bool,
}

impl Files {
    pub(in crate::protocols) fn list(&self) -> &[File] {
        &self.list
    }

    pub(in crate::protocols) fn is_open(&self) -> bool {
        self.open
    }

    /// No further file will be begun.
    pub(in crate::protocols) fn is_full(&self) -> bool {
        self.list.len() >= FILES_MAX
    }

    /// Those that are parts of the message rather than the message itself.
    pub(in crate::protocols) fn attachments(&self) -> impl Iterator<Item = &File> {
        self.list.iter().zip(&self.depths).filter(|(_, depth)| **depth > 0).map(|(file, _)| file)
    }

    /// Begins a file. False when its name is too long and was cut. Beyond the limit nothing is begun.
    pub(in crate::protocols) fn open(&mut self, mut name: Vec<u8>, depth: usize, digests: Digests) -> bool {
        self.close(false);
        if self.is_full() {
            return true;
        }
        let fits = name.len() <= NAME_MAX;
        name.truncate(NAME_MAX);
        self.list.push(File::new(name));
        self.kept.push(Kept::default());
        self.depths.push(u8::try_from(depth).unwrap_or(u8::MAX));
        self.digesting = Digesting::new(digests);
        self.open = true;
        fits
    }

    /// Bytes of the open file.
    pub(in crate::protocols) fn add(&mut self, bytes: &[u8], limits: &FileLimits) {
        let (true, Some(file), Some(kept)) = (self.open, self.list.last_mut(), self.kept.last_mut()) else {
            return;
        };
        file.size += bytes.len() as u64;
        self.digesting.update(bytes);
        self.digesting.note(file);
        let room = usize::try_from(limits.content.saturating_sub(kept.total)).unwrap_or(usize::MAX);
        kept.total += bytes.len() as u64;
        kept.cut |= room < bytes.len();
        kept.bytes.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        // dropping in big steps keeps the copying linear
        let kept_max = limits.kept_max.max(limits.inspect_min.saturating_add(limits.window));
        if kept.bytes.len() > kept_max.saturating_mul(2) {
            let drop = kept.bytes.len() - kept_max;
            kept.bytes.drain(..drop);
            kept.offset += drop as u64;
        }
    }

    /// Bytes of the open file were lost; how many it would have been decoded is not known.
    pub(in crate::protocols) fn gap(&mut self) {
        if let (true, Some(file), Some(kept)) = (self.open, self.list.last_mut(), self.kept.last_mut()) {
            file.gaps = true;
            kept.offset = kept.total;
            kept.bytes.clear();
        }
    }

    /// Ends the open file; `whole` when its end was seen.
    pub(in crate::protocols) fn close(&mut self, whole: bool) {
        if let (true, Some(file), Some(kept)) = (self.open, self.list.last_mut(), self.kept.last_mut()) {
            let whole = whole && !file.gaps;
            file.state = if whole { FileState::Closed } else { FileState::Truncated };
            self.digesting.finish(file);
            kept.complete = true;
            kept.whole = whole;
            self.open = false;
        }
    }

    /// The `nth` as inspection sees it.
    pub(in crate::protocols) fn body(&self, nth: usize, limits: &FileLimits) -> Option<Body<'_>> {
        let kept = self.kept.get(nth)?;
        Some(Body {
            bytes: &kept.bytes,
            offset: kept.offset,
            // what is cut off will never be inspected
            complete: kept.complete || kept.cut,
            end_seen: kept.whole && !kept.cut,
            inspect_min: limits.inspect_min,
            window: limits.window,
        })
    }

    pub(in crate::protocols) fn memory(&self) -> usize {
        self.list.iter().map(|file| size_of::<File>() + file.name.capacity()).sum::<usize>()
            + self.kept.iter().map(|kept| kept.bytes.capacity()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FileLimits = FileLimits { content: 10, kept_max: 10, inspect_min: 2, window: 1 };

    #[test]
    fn limits_cut() {
        let mut files = Files::default();
        files.add(b"nothing is open", &LIMITS);
        assert!(files.open(b"a".to_vec(), 1, Digests { md5: true, ..Digests::default() }));
        files.add(b"0123456", &LIMITS);
        assert!(!files.body(0, &LIMITS).unwrap().complete);
        files.add(b"789abc", &LIMITS);
        files.close(true);
        let body = files.body(0, &LIMITS).unwrap();
        assert_eq!((body.bytes, body.complete, body.end_seen), (&b"0123456789"[..], true, false));
        assert_eq!((files.list()[0].size, files.list()[0].state), (13, FileState::Closed));
        assert!(files.list()[0].md5.is_some());
        assert!(!files.open(vec![b'x'; 300], 0, Digests::default()));
        assert_eq!((files.list()[1].name.len(), files.attachments().count()), (NAME_MAX, 1));
        files.gap();
        files.close(true);
        assert_eq!(files.list()[1].state, FileState::Truncated);
        for _ in 0..1000 {
            files.open(Vec::new(), 1, Digests::default());
        }
        assert_eq!(files.list().len(), FILES_MAX);
    }

    #[test]
    fn without_a_limit_memory_stays_bounded() {
        let limits = FileLimits { content: u64::MAX, ..LIMITS };
        let mut files = Files::default();
        files.open(Vec::new(), 0, Digests::default());
        for n in 0..1000u32 {
            files.add(&n.to_be_bytes(), &limits);
        }
        files.close(true);
        let body = files.body(0, &limits).unwrap();
        assert_eq!(body.offset + body.bytes.len() as u64, 4000);
        assert!(body.bytes.ends_with(&999u32.to_be_bytes()) && body.end_seen && files.memory() < 1000);
    }
}
