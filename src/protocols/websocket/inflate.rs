//! Compressed messages of one side: one stream of deflate blocks, cut where messages end (RFC 7692 section 7.2).
//!
//! Whether a side begins anew with each message need not be known: one that does never refers back.

use flate2::{Decompress, FlushDecompress, Status};

/// Bytes taken out at a time.
const STEP: usize = 8 << 10;

/// What every message ends with and leaves out.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Why nothing more is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Too much came out of one message.
    Limit,
    /// It is not deflate, or bytes are missing.
    Broken,
}

/// The stream of one side.
#[derive(Default)]
pub(super) struct Inflate {
    engine: Option<Box<Decompress>>,
    stopped: bool,
    /// Bytes that came out of the message so far.
    out: usize,
}

impl Inflate {
    /// Whether messages can still be undone.
    pub(super) fn works(&self) -> bool {
        !self.stopped
    }

    /// Nothing that follows can be undone.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.engine = None;
    }

    /// Undoes bytes of a message; what comes out is added up to `keep` bytes of `into`.
    pub(super) fn add(
        &mut self,
        mut bytes: &[u8],
        into: &mut Vec<u8>,
        keep: usize,
        out_max: usize,
    ) -> Result<(), Stopped> {
        let mut scratch = [0; STEP];
        while !self.stopped {
            let engine = self.engine.get_or_insert_with(|| Box::new(Decompress::new(false)));
            let (before_in, before_out) = (engine.total_in(), engine.total_out());
            let status = engine.decompress(bytes, &mut scratch, FlushDecompress::Sync);
            let taken = usize::try_from(engine.total_in() - before_in).unwrap_or(usize::MAX);
            let came = usize::try_from(engine.total_out() - before_out).unwrap_or(usize::MAX);
            bytes = bytes.get(taken..).unwrap_or_default();
            self.out = self.out.saturating_add(came);
            let room = keep.saturating_sub(into.len()).min(came);
            into.extend_from_slice(scratch.get(..room).unwrap_or_default());
            match status {
                Err(_) => {
                    self.stop();
                    return Err(Stopped::Broken);
                }
                // the last block of a stream: another one may follow
                Ok(Status::StreamEnd) => self.engine = None,
                Ok(Status::Ok | Status::BufError) if taken == 0 && came == 0 => return Ok(()),
                Ok(_) => {}
            }
            if self.out > out_max {
                self.stop();
                return Err(Stopped::Limit);
            }
            if bytes.is_empty() && came < STEP {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The message ends.
    pub(super) fn end(&mut self, into: &mut Vec<u8>, keep: usize, out_max: usize) -> Result<(), Stopped> {
        let done = self.add(&TAIL, into, keep, out_max);
        self.out = 0;
        done
    }

    /// Memory held, bytes; an engine has a window of 32 KiB and its tables.
    pub(super) fn memory(&self) -> usize {
        if self.engine.is_some() { 44 << 10 } else { 0 }
    }
}
