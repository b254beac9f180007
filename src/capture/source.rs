//! The bytes of a capture, decompressed where needed, through one large window.
//!
//! Not mapped: a capture that is still written or rotated may shrink, and a mapped one would then end the process.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::CaptureError;

/// Bytes asked of the file at a time: as many as the caches hold until they are looked at.
const WINDOW: usize = 128 << 10;
/// Memory that an xz stream may ask for, bytes: 128 MiB covers every preset.
const XZ_MEMORY_MAX: u64 = 128 << 20;
/// The largest zstd window, as a power of two; that of the `zstd` tool.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A window over the bytes of a capture.
pub(super) struct Source {
    path: PathBuf,
    reader: Box<dyn Read + Send>,
    /// `start..end` is read and not yet consumed.
    window: Vec<u8>,
    start: usize,
    end: usize,
    finished: bool,
    /// Consumed so far, after decompression.
    offset: u64,
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Source {
    /// Opens a file, or standard input for `-`, and looks through its compression.
    pub(super) fn open(path: &Path) -> Result<Source, CaptureError> {
        let failed = |error| CaptureError::Io { path: path.to_owned(), error };
        if path.as_os_str() == "-" {
            return Source::new(path, Box::new(io::stdin()), None);
        }
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(CaptureError::Folder {
                path: path.to_owned(),
                remedy: "a folder; name the captures in it",
            });
        }
        let total = metadata.is_file().then_some(metadata.len());
        Source::new(path, Box::new(file), total)
    }

    /// Over any bytes; `total` is how many there are, where known.
    pub(super) fn new(
        path: &Path,
        reader: Box<dyn Read + Send>,
        total: Option<u64>,
    ) -> Result<Source, CaptureError> {
        let read = Arc::new(AtomicU64::new(0));
        let mut source = Source {
            path: path.to_owned(),
            reader: Box::new(Counted { reader, read: Arc::clone(&read) }),
            window: Vec::new(),
            start: 0,
            end: 0,
            finished: false,
            offset: 0,
            read,
            total,
        };
        let start = source.peek(8)?;
        if start.is_empty() {
            return Err(CaptureError::Empty { path: path.to_owned() });
        }
        let compression = match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => return Ok(source),
        };
        let failed = |error| CaptureError::Io { path: path.to_owned(), error };
        // What was read to look at it comes first.
        let begun = io::Cursor::new(source.window[source.start..source.end].to_vec());
        let all = begun.chain(std::mem::replace(&mut source.reader, Box::new(io::empty())));
        source.reader = match compression {
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(all)),
            Compression::Xz => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, liblzma::stream::CONCATENATED)
                        .map_err(|error| failed(error.into()))?;
                Box::new(liblzma::read::XzDecoder::new_stream(all, stream))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(all).map_err(failed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(failed)?;
                Box::new(decoder)
            }
        };
        (source.start, source.end, source.finished) = (0, 0, false);
        Ok(source)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes consumed, after decompression.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes read of the file itself, and how many it has.
    pub(super) fn progress(&self) -> (u64, Option<u64>) {
        let buffered = if self.total.is_some() && self.read.load(Ordering::Relaxed) == self.offset_end() {
            (self.end - self.start) as u64
        } else {
            0
        };
        (self.read.load(Ordering::Relaxed) - buffered, self.total)
    }

    fn offset_end(&self) -> u64 {
        self.offset + (self.end - self.start) as u64
    }

    /// The next `len` bytes, fewer when the capture ends before.
    #[inline]
    pub(super) fn peek(&mut self, len: usize) -> Result<&[u8], CaptureError> {
        if self.end - self.start < len {
            self.fill(len)?;
        }
        let end = self.end.min(self.start + len);
        Ok(self.window.get(self.start..end).unwrap_or(&[]))
    }

    /// Takes the next `len` bytes, which were peeked at.
    #[inline]
    pub(super) fn consume(&mut self, len: usize) {
        let len = len.min(self.end - self.start);
        self.start += len;
        self.offset += len as u64;
    }

    /// Passes over `len` bytes without holding them; returns how many there were.
    pub(super) fn skip(&mut self, len: u64) -> Result<u64, CaptureError> {
        let mut left = len;
        while left > 0 {
            let step = left.min(WINDOW as u64) as usize;
            let there = self.peek(step)?.len();
            self.consume(there);
            left -= there as u64;
            if there < step {
                break;
            }
        }
        Ok(len - left)
    }

    #[cold]
    fn fill(&mut self, len: usize) -> Result<(), CaptureError> {
        if self.finished {
            return Ok(());
        }
        self.window.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let size = len.max(WINDOW);
        if self.window.len() < size {
            self.window.resize(size, 0);
        }
        while self.end < len {
            let Some(free) = self.window.get_mut(self.end..) else { break };
            match self.reader.read(free) {
                Ok(0) => {
                    self.finished = true;
                    break;
                }
                Ok(read) => self.end += read.min(free.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.finished = true;
                    return Err(CaptureError::Broken {
                        path: self.path.clone(),
                        offset: self.offset_end(),
                        cause: format!("cannot be read further: {error}"),
                    });
                }
            }
        }
        Ok(())
    }
}

enum Compression {
    Gzip,
    Xz,
    Zstd,
}

/// Counts what is read of the file itself, below the decompression.
struct Counted {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
