//! The files of one direction of a transaction.

use crate::app::body::{BodyLimits, Kept};
use crate::app::file::{Digesting, Digests, File, FileState};

/// Files in one direction, the last of them perhaps still open.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Files {
    list: Vec<File>,
    /// The bytes of each file of a multipart body; empty when the body itself is the file.
    kept: Vec<Kept>,
    digesting: Digesting,
    open: bool,
}

/// Bytes of a file name that are kept.
const NAME_MAX: usize = 4096;
/// Files in one direction of a transaction.
const FILES_MAX: usize = 128;

impl Files {
    pub(in crate::protocols) fn list(&self) -> &[File] {
        &self.list
    }

    /// Begins a file; `own` when its bytes are to be kept apart from the body. False when there are too many, or the name is
    /// too long and was cut.
    pub(in crate::protocols) fn open(&mut self, mut name: Vec<u8>, digests: Digests, own: bool) -> bool {
        if self.open {
            self.close(false);
        }
        if self.list.len() >= FILES_MAX {
            return false;
        }
        let fits = name.len() <= NAME_MAX;
        name.truncate(NAME_MAX);
        self.list.push(File::new(name));
        if own {
            self.kept.push(Kept::default());
        }
        self.digesting = Digesting::new(digests);
        self.open = true;
        fits
    }

    pub(in crate::protocols) fn is_open(&self) -> bool {
        self.open
    }

    /// The first and last byte and the whole size of the open file's part.
    pub(in crate::protocols) fn set_range(&mut self, range: (u64, u64, u64)) {
        if let Some(file) = self.list.last_mut() {
            file.range = Some(range);
        }
    }

    /// Bytes of the open file.
    pub(in crate::protocols) fn add(&mut self, bytes: &[u8], limits: &BodyLimits) {
        if let (true, Some(file)) = (self.open, self.list.last_mut()) {
            file.size += bytes.len() as u64;
            self.digesting.update(bytes);
            self.digesting.note(file);
            if let Some(kept) = self.kept.last_mut() {
                kept.add(bytes, limits);
            }
        }
    }

    /// Bytes of the open file were lost.
    pub(in crate::protocols) fn gap(&mut self, len: u64) {
        if let (true, Some(file)) = (self.open, self.list.last_mut()) {
            file.size += len;
            file.gaps = true;
            if let Some(kept) = self.kept.last_mut() {
                kept.gap(len);
            }
        }
    }

    /// Ends the open file; `whole` when its end was seen.
    pub(in crate::protocols) fn close(&mut self, whole: bool) {
        if let (true, Some(file)) = (self.open, self.list.last_mut()) {
            let whole = whole && !file.gaps;
            file.state = if whole { FileState::Closed } else { FileState::Truncated };
            self.digesting.finish(file);
            if let Some(kept) = self.kept.last_mut() {
                kept.finish(whole);
            }
            self.open = false;
        }
    }

    /// The bytes of the `nth` file of a multipart body.
    pub(in crate::protocols) fn kept(&self, nth: usize) -> Option<&Kept> {
        self.kept.get(nth)
    }

    pub(in crate::protocols) fn memory(&self) -> usize {
        self.list.iter().map(|file| size_of::<File>() + file.name.capacity()).sum::<usize>()
            + self.kept.iter().map(Kept::memory).sum::<usize>()
    }
}
