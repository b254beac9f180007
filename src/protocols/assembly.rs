//! A file that is read or written in pieces, put together in the order of their offsets.

use std::collections::BTreeMap;

use crate::app::file::{Digesting, Digests};
use crate::app::{Body, File, FileState};

/// Bytes of a file that are kept for inspection.
pub(super) const KEPT_MAX: usize = 256 << 10;
/// What is kept of a file when there is little room.
const KEPT_LITTLE: usize = 8 << 10;
/// Bytes inspected again before new ones.
const WINDOW: usize = 4096;

/// What became of a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// It repeats bytes that were there.
    pub(super) overlap: bool,
    /// It would have to wait, and there is no room.
    pub(super) too_large: bool,
    /// The same, for the number of pieces.
    pub(super) too_many: bool,
}

/// Room for pieces that wait, of the whole flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    /// Most bytes and pieces, what is used.
    pub(super) max: (u64, u64),
    pub(super) used: (u64, u64),
}

/// One file of one direction.
#[derive(Debug)]
pub(super) struct Assembly {
    file: [File; 1],
    /// Offset of the byte that comes next.
    next: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    kept: Vec<u8>,
    kept_from: u64,
    digesting: Digesting,
}

impl Assembly {
    pub(super) fn new(name: Vec<u8>, digests: Digests) -> Self {
        Assembly {
            file: [File::new(name)],
            next: 0,
            waiting: BTreeMap::new(),
            kept: Vec::new(),
            kept_from: 0,
            digesting: Digesting::new(digests),
        }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.file
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.file[0].name
    }

    fn is_open(&self) -> bool {
        self.file[0].state == FileState::Opened
    }

    /// Adds a piece. With `little` room, little of the file is kept.
    pub(super) fn add(&mut self, offset: u64, bytes: &[u8], little: bool, queue: &mut Queue) -> Added {
        let mut added = Added::default();
        if !self.is_open() || bytes.is_empty() {
            return added;
        }
        if offset > self.next {
            let (bytes_used, pieces_used) = queue.used;
            added.too_large = bytes_used.saturating_add(bytes.len() as u64) > queue.max.0;
            // what continues a piece that waits is part of it: a piece comes in as many parts as it has segments
            if !added.too_large
                && let Some((start, before)) = self.waiting.range_mut(..offset).next_back()
                && start.saturating_add(before.len() as u64) == offset
            {
                before.extend_from_slice(bytes);
                queue.used.0 += bytes.len() as u64;
                return added;
            }
            added.too_many = pieces_used >= queue.max.1;
            if added.too_large || added.too_many {
                return added;
            }
            if let Some(old) = self.waiting.insert(offset, bytes.to_vec()) {
                added.overlap = true;
                queue.used.0 -= old.len() as u64;
                queue.used.1 -= 1;
            }
            queue.used.0 += bytes.len() as u64;
            queue.used.1 += 1;
            return added;
        }
        if offset < self.next {
            // as the reference engine has it: such a piece is left out
            added.overlap = true;
            return added;
        }
        self.append(offset, bytes, little);
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= self.next
        {
            let (offset, bytes) = entry.remove_entry();
            queue.used.0 = queue.used.0.saturating_sub(bytes.len() as u64);
            queue.used.1 = queue.used.1.saturating_sub(1);
            self.append(offset, &bytes, little);
        }
        added
    }

    /// Bytes of which those before [`Assembly::next`] are there already.
    fn append(&mut self, offset: u64, bytes: &[u8], little: bool) {
        let known = usize::try_from(self.next - offset).unwrap_or(usize::MAX);
        let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) else { return };
        self.next += new.len() as u64;
        self.file[0].size += new.len() as u64;
        self.digesting.update(new);
        self.digesting.note(&mut self.file[0]);
        self.keep(new, little);
    }

    fn keep(&mut self, new: &[u8], little: bool) {
        let max = if little { KEPT_LITTLE } else { KEPT_MAX };
        self.kept.extend_from_slice(new);
        // dropping in big steps keeps the copying linear
        if self.kept.len() > max.saturating_mul(2) {
            let front = self.kept.len() - max;
            self.kept.drain(..front);
            self.kept_from += front as u64;
            self.kept.shrink_to(max.saturating_mul(2));
        }
    }

    /// Bytes were lost: what follows is not next to what came before.
    pub(super) fn gap(&mut self, len: u64) {
        if self.is_open() {
            self.next = self.next.saturating_add(len);
            self.file[0].size = self.file[0].size.saturating_add(len);
            self.file[0].gaps = true;
            self.kept.clear();
            self.kept_from = self.next;
        }
    }

    /// Nothing more will come; `whole` when it was closed by who read or wrote it.
    pub(super) fn close(&mut self, whole: bool, queue: &mut Queue) {
        if !self.is_open() {
            return;
        }
        let whole = whole && self.waiting.is_empty() && !self.file[0].gaps;
        for bytes in std::mem::take(&mut self.waiting).into_values() {
            queue.used.0 = queue.used.0.saturating_sub(bytes.len() as u64);
            queue.used.1 = queue.used.1.saturating_sub(1);
        }
        self.file[0].state = if whole { FileState::Closed } else { FileState::Truncated };
        self.digesting.finish(&mut self.file[0]);
    }

    /// As inspection sees it.
    pub(super) fn body(&self) -> Option<Body<'_>> {
        if self.next == 0 {
            return None;
        }
        let state = self.file[0].state;
        Some(Body {
            bytes: &self.kept,
            offset: self.kept_from,
            complete: state != FileState::Opened,
            end_seen: state == FileState::Closed,
            inspect_min: 0,
            window: WINDOW,
        })
    }

    /// Bytes kept for inspection.
    pub(super) fn kept(&self) -> usize {
        self.kept.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue { max: (100, 3), used: (0, 0) }
    }

    fn file() -> Assembly {
        Assembly::new(b"a".to_vec(), Digests::default())
    }

    #[test]
    fn pieces_are_put_in_order() {
        let (mut queue, mut file) = (queue(), file());
        file.add(4, b"efgh", false, &mut queue);
        file.add(8, b"ij", false, &mut queue);
        assert_eq!(queue.used, (6, 1));
        file.add(0, b"abcd", false, &mut queue);
        assert_eq!(queue.used, (0, 0));
        file.close(true, &mut queue);
        let body = file.body().unwrap();
        assert_eq!((body.bytes, body.end_seen, file.files()[0].size), (&b"abcdefghij"[..], true, 10));
    }

    #[test]
    fn repeated_bytes_are_told_and_left_out() {
        let (mut queue, mut file) = (queue(), file());
        assert!(!file.add(0, b"abcd", false, &mut queue).overlap);
        assert!(file.add(2, b"xxef", false, &mut queue).overlap);
        assert_eq!(file.body().unwrap().bytes, b"abcd");
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut queue, mut file) = (queue(), file());
        assert!(file.add(10, &[0; 101], false, &mut queue).too_large);
        for offset in 0..3 {
            assert_eq!(file.add(10 + 10 * offset, b"x", false, &mut queue), Added::default());
        }
        assert!(file.add(90, b"x", false, &mut queue).too_many);
        file.close(true, &mut queue);
        assert_eq!(queue.used, (0, 0));
        assert_eq!(file.files()[0].state, FileState::Truncated);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut queue, mut file) = (queue(), file());
        for n in 0..1000 {
            file.add(n * 4096, &[n as u8; 4096], n > 500, &mut queue);
            let max = if n > 500 { KEPT_LITTLE } else { KEPT_MAX };
            assert!(file.kept.len() <= 2 * max);
        }
        assert_eq!(file.body().unwrap().offset + file.kept.len() as u64, 4_096_000);
    }
}
