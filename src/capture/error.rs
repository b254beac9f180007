//! What is wrong with a capture, for a person to read.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a capture cannot be read, or not to its end.
#[derive(Debug)]
pub enum CaptureError {
    /// The system said no.
    Io {
        /// The file, or `-`.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// There is nothing in it.
    Empty {
        /// The file, or `-`.
        path: PathBuf,
    },
    /// It is a folder where a file is needed, or a folder without captures.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What to do instead.
        remedy: &'static str,
    },
    /// It is something else.
    NotACapture {
        /// The file, or `-`.
        path: PathBuf,
        /// Its first bytes, eight at most.
        start: Vec<u8>,
        /// What they are known for, and what to do about it.
        looks_like: Option<&'static str>,
    },
    /// It is damaged or cut short; what was before that place was handed over.
    Broken {
        /// The file, or `-`.
        path: PathBuf,
        /// Where, bytes from the start of the (decompressed) capture.
        offset: u64,
        /// What is wrong there.
        cause: String,
    },
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Io { path, error } => {
                write!(f, "{}: {error}", path.display())?;
                match error.kind() {
                    io::ErrorKind::NotFound => {
                        write!(f, "; give the path of a capture, a folder, or - for standard input")
                    }
                    io::ErrorKind::PermissionDenied => write!(f, "; make it readable for this user"),
                    _ => Ok(()),
                }
            }
            CaptureError::Empty { path } => {
                write!(f, "{}: empty; expected pcap, pcapng or a gzip/xz/zstd of one", path.display())
            }
            CaptureError::Folder { path, remedy } => write!(f, "{}: {remedy}", path.display()),
            CaptureError::NotACapture { path, start, looks_like } => {
                write!(f, "{}: not a capture: starts with", path.display())?;
                for byte in start.iter().take(if looks_like.is_some() { 3 } else { 8 }) {
                    write!(f, " {byte:02x}")?;
                }
                if let Some(known) = looks_like {
                    write!(f, " ({known})")?;
                }
                write!(f, "; expected pcap, pcapng or a gzip/xz/zstd of one")
            }
            CaptureError::Broken { path, offset, cause } => {
                write!(f, "{}: at byte {offset}: {cause}", path.display())
            }
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CaptureError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<CaptureError> for io::Error {
    fn from(error: CaptureError) -> Self {
        let kind = match &error {
            CaptureError::Io { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
