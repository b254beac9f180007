//! Captures in files: pcap and pcapng, also compressed, also from standard input.

use std::io::{self, Read};
use std::path::Path;

use super::pcap_blocks::{Format, Record};
use super::source::Source;
use super::{Capture, CaptureError, Frame};
use crate::verdict::Verdict;

/// A capture in a file.
#[derive(Debug)]
pub struct PcapFile {
    source: Source,
    format: Format,
    number: u64,
    /// What ended it, to be told by the next poll.
    broken: Option<CaptureError>,
    ended: bool,
}

impl PcapFile {
    /// Opens a capture; `-` is standard input. What it is is told by its first bytes, never by its name.
    pub fn open(path: &Path) -> Result<PcapFile, CaptureError> {
        Self::from_source(Source::open(path)?)
    }

    /// A capture from any bytes; `path` is how errors name it.
    pub fn from_reader(path: &Path, reader: Box<dyn Read + Send>) -> Result<PcapFile, CaptureError> {
        Self::from_source(Source::new(path, reader, None)?)
    }

    fn from_source(mut source: Source) -> Result<PcapFile, CaptureError> {
        let format = Format::detect(&mut source)?;
        Ok(PcapFile { source, format, number: 0, broken: None, ended: false })
    }

    /// Names of the interfaces seen so far, by [`crate::types::IfaceId`]; empty names where the capture has none, and no
    /// interfaces at all in the classic format.
    pub fn interfaces(&self) -> &[String] {
        self.format.interfaces()
    }

    /// Bytes of the file that were read, and how many it has (not known of standard input).
    pub fn progress(&self) -> (u64, Option<u64>) {
        self.source.progress()
    }

    /// The next frame's place: `Ok(None)` at the end.
    fn next(&mut self) -> Result<Option<Record>, CaptureError> {
        self.format.next(&mut self.source, self.number + 1)
    }
}

impl Capture for PcapFile {
    fn poll(&mut self, budget: usize, handle: &mut dyn FnMut(Frame<'_>) -> Verdict) -> io::Result<usize> {
        if let Some(error) = self.broken.take() {
            return Err(error.into());
        }
        let mut handed = 0;
        while handed < budget && !self.ended {
            let record = match self.next() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(error) => {
                    self.ended = true;
                    if handed == 0 {
                        return Err(error.into());
                    }
                    self.broken = Some(error);
                    break;
                }
            };
            self.number += 1;
            handed += 1;
            let whole = self.source.peek(record.header_len + record.captured)?;
            handle(Frame {
                number: self.number,
                timestamp: record.timestamp,
                iface: record.iface,
                link: record.link,
                bytes: whole.get(record.header_len..).unwrap_or(&[]),
                wire_len: record.wire_len,
            });
            self.source.consume(record.total_len);
        }
        Ok(handed)
    }
}
