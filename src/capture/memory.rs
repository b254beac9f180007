//! Frames in memory, for tests, and a writer of captures to make some.

use std::io::{self, Write};

use super::{Capture, Frame, LinkType};
use crate::types::{IfaceId, Timestamp};
use crate::verdict::Verdict;

/// A capture that was there all the time.
#[derive(Clone, Debug)]
pub struct Memory {
    link: LinkType,
    frames: Vec<(Timestamp, Vec<u8>)>,
    next: usize,
    verdicts: Vec<Verdict>,
}

impl Memory {
    /// A capture of these frames.
    pub fn new(link: LinkType, frames: impl IntoIterator<Item = (Timestamp, Vec<u8>)>) -> Self {
        Memory { link, frames: frames.into_iter().collect(), next: 0, verdicts: Vec::new() }
    }

    /// What was answered, frame by frame.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl Capture for Memory {
    fn poll(&mut self, budget: usize, handle: &mut dyn FnMut(Frame<'_>) -> Verdict) -> io::Result<usize> {
        let left = self.frames.get(self.next..).unwrap_or(&[]);
        let mut handed = 0;
        for (timestamp, bytes) in left.iter().take(budget) {
            handed += 1;
            self.verdicts.push(handle(Frame {
                number: (self.next + handed) as u64,
                timestamp: *timestamp,
                iface: IfaceId(0),
                link: self.link,
                bytes,
                wire_len: bytes.len() as u32,
                checksums: true,
                changed: None,
            }));
        }
        self.next += handed;
        Ok(handed)
    }
}

/// Writes frames as a classic capture with nanoseconds, little-endian.
pub fn write_pcap<'a>(
    out: &mut impl Write,
    link: LinkType,
    frames: impl IntoIterator<Item = (Timestamp, &'a [u8])>,
) -> io::Result<()> {
    out.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?;
    out.write_all(&2u16.to_le_bytes())?;
    out.write_all(&4u16.to_le_bytes())?;
    out.write_all(&[0; 8])?;
    out.write_all(&262_144u32.to_le_bytes())?;
    out.write_all(&u32::from(link.0).to_le_bytes())?;
    for (timestamp, bytes) in frames {
        out.write_all(&(timestamp.seconds() as u32).to_le_bytes())?;
        out.write_all(&((timestamp.0 % 1_000_000_000) as u32).to_le_bytes())?;
        let len = (bytes.len() as u32).to_le_bytes();
        out.write_all(&len)?;
        out.write_all(&len)?;
        out.write_all(bytes)?;
    }
    Ok(())
}
