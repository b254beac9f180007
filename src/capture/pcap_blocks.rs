//! The two formats of captures: headers of frames, without the frames.
//!
//! pcap: draft-ietf-opsawg-pcap. pcapng: draft-ietf-opsawg-pcapng.

use super::LinkType;
use super::error::CaptureError;
use super::source::Source;
use crate::types::{IfaceId, Timestamp};

/// The largest frame, bytes; captures of loopback and of offloading cards go up to this.
pub(super) const FRAME_MAX: usize = 256 * 1024;
/// The largest interface description, bytes.
const DESCRIPTION_MAX: u32 = 1 << 20;
/// The largest block that is passed over, bytes.
const BLOCK_MAX: u32 = 256 << 20;
/// What is kept of an interface's name, bytes.
const NAME_MAX: usize = 256;

/// Where a frame lies: from the source's position on, `header_len` bytes before it, `total_len` in all.
pub(super) struct Record {
    pub(super) timestamp: Timestamp,
    pub(super) iface: IfaceId,
    pub(super) link: LinkType,
    pub(super) captured: usize,
    pub(super) wire_len: u32,
    pub(super) header_len: usize,
    pub(super) total_len: usize,
}

/// What a capture is written in.
#[derive(Debug)]
pub(super) enum Format {
    Classic(Classic),
    Next(NextGeneration),
}

#[derive(Debug)]
pub(super) struct Classic {
    big_endian: bool,
    nanos: bool,
    /// 24 for the modified format, which adds interface and protocol.
    header_len: usize,
    link: LinkType,
}

#[derive(Debug, Default)]
pub(super) struct NextGeneration {
    big_endian: bool,
    /// Interfaces of this section begin here in the list of all.
    section: usize,
    interfaces: Vec<Interface>,
    names: Vec<String>,
    last: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snap_len: u32,
    /// `if_tsresol`: a power of ten, or of two with the upper bit.
    resolution: u8,
    /// `if_tsoffset`, seconds.
    offset: i64,
}

impl Format {
    /// By the first bytes; the header of a classic capture is consumed.
    pub(super) fn detect(source: &mut Source) -> Result<Format, CaptureError> {
        let start = source.peek(24)?;
        let magic = start.first_chunk().map(|magic| u32::from_be_bytes(*magic));
        let (big_endian, nanos, header_len) = match magic {
            Some(0x0a0d_0d0a) => return Ok(Format::Next(NextGeneration::default())),
            Some(0xa1b2_c3d4) => (true, false, 16),
            Some(0xd4c3_b2a1) => (false, false, 16),
            Some(0xa1b2_3c4d) => (true, true, 16),
            Some(0x4d3c_b2a1) => (false, true, 16),
            Some(0xa1b2_cd34) => (true, false, 24),
            Some(0x34cd_b2a1) => (false, false, 24),
            _ => {
                let start: Vec<u8> = start.iter().take(8).copied().collect();
                let looks_like = looks_like(&start);
                return Err(CaptureError::NotACapture { path: source.path().to_owned(), start, looks_like });
            }
        };
        let Some(link) = word(start, 20, big_endian) else {
            let cause = format!("cut short in the file header: {} of 24 bytes are there", start.len());
            return Err(CaptureError::Broken { path: source.path().to_owned(), offset: 0, cause });
        };
        source.consume(24);
        // The upper bits tell of frame check sequences, which are beyond the IP length and so of no matter.
        let link = LinkType(u16::try_from(link & 0x03ff_ffff).unwrap_or(u16::MAX));
        Ok(Format::Classic(Classic { big_endian, nanos, header_len, link }))
    }

    pub(super) fn interfaces(&self) -> &[String] {
        match self {
            Format::Classic(_) => &[],
            Format::Next(format) => &format.names,
        }
    }

    /// Where the next frame is; `number` is what it will be called. All of it is there.
    pub(super) fn next(&mut self, source: &mut Source, number: u64) -> Result<Option<Record>, CaptureError> {
        match self {
            Format::Classic(format) => format.next(source, number),
            Format::Next(format) => format.next(source, number),
        }
    }
}

impl Classic {
    #[inline]
    fn next(&mut self, source: &mut Source, number: u64) -> Result<Option<Record>, CaptureError> {
        let header = source.peek(self.header_len)?;
        if header.is_empty() {
            return Ok(None);
        }
        let there = header.len();
        let big = self.big_endian;
        let (Some(seconds), Some(fraction), Some(captured), Some(wire_len), true) = (
            word(header, 0, big),
            word(header, 4, big),
            word(header, 8, big),
            word(header, 12, big),
            there == self.header_len,
        ) else {
            let wanted = self.header_len;
            return Err(broken(
                source,
                format!("cut short in the header of packet {number}: {there} of {wanted} bytes are there"),
            ));
        };
        let captured = frame_len(source, number, captured)?;
        let total_len = self.header_len + captured;
        let there = source.peek(total_len)?.len();
        if there < total_len {
            return Err(cut_short(source, number, there - self.header_len.min(there), captured));
        }
        let nanos = if self.nanos { u64::from(fraction) } else { u64::from(fraction) * 1000 };
        Ok(Some(Record {
            timestamp: Timestamp(u64::from(seconds) * 1_000_000_000 + nanos),
            iface: IfaceId(0),
            link: self.link,
            captured,
            wire_len,
            header_len: self.header_len,
            total_len,
        }))
    }
}

impl NextGeneration {
    fn next(&mut self, source: &mut Source, number: u64) -> Result<Option<Record>, CaptureError> {
        loop {
            let header = source.peek(28)?;
            if header.is_empty() {
                return Ok(None);
            }
            if header.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
                match header.get(8..12) {
                    Some([0x1a, 0x2b, 0x3c, 0x4d]) => self.big_endian = true,
                    Some([0x4d, 0x3c, 0x2b, 0x1a]) => self.big_endian = false,
                    Some(_) => {
                        return Err(broken(
                            source,
                            "a section header without its byte-order magic".to_owned(),
                        ));
                    }
                    None => return Err(broken(source, "cut short in a section header".to_owned())),
                }
                self.section = self.interfaces.len();
            }
            let big = self.big_endian;
            let (Some(kind), Some(len)) = (word(header, 0, big), word(header, 4, big)) else {
                let there = header.len();
                return Err(broken(
                    source,
                    format!(
                        "cut short in a block header after packet {}: {there} of 8 bytes are there",
                        number - 1
                    ),
                ));
            };
            if len < 12 || len % 4 != 0 || len > BLOCK_MAX {
                return Err(broken(source, format!("a block of {len} bytes after packet {}", number - 1)));
            }
            match kind {
                1 => self.interface(source, len)?,
                2 | 3 | 6 => return self.packet(source, number, kind, len).map(Some),
                _ => {
                    let there = source.skip(u64::from(len))?;
                    if there < u64::from(len) {
                        return Err(broken(
                            source,
                            format!(
                                "cut short in a block after packet {}: {there} of {len} bytes are there",
                                number - 1
                            ),
                        ));
                    }
                }
            }
        }
    }

    /// An interface description: link type, snap length, and of its options name, time resolution and offset.
    fn interface(&mut self, source: &mut Source, len: u32) -> Result<(), CaptureError> {
        let big = self.big_endian;
        if !(20..=DESCRIPTION_MAX).contains(&len) {
            return Err(broken(source, format!("an interface description of {len} bytes")));
        }
        if self.interfaces.len() > usize::from(u16::MAX) {
            return Err(broken(source, "more than 65536 interfaces".to_owned()));
        }
        let block = source.peek(len as usize)?;
        if block.len() < len as usize {
            let there = block.len();
            return Err(broken(
                source,
                format!("cut short in an interface description: {there} of {len} bytes are there"),
            ));
        }
        let mut interface = Interface {
            link: LinkType(half(block, 8, big).unwrap_or(u16::MAX)),
            snap_len: word(block, 12, big).unwrap_or(0),
            resolution: 6,
            offset: 0,
        };
        let mut name = String::new();
        let mut options = block.get(16..len as usize - 4).unwrap_or(&[]);
        while let (Some(code), Some(size)) = (half(options, 0, big), half(options, 2, big)) {
            let Some(value) = options.get(4..4 + usize::from(size)).filter(|_| code != 0) else { break };
            match code {
                2 => name = String::from_utf8_lossy(value.get(..NAME_MAX).unwrap_or(value)).into_owned(),
                9 => interface.resolution = value.first().copied().unwrap_or(6),
                14 => {
                    if let (Some(first), Some(second)) = (word(value, 0, big), word(value, 4, big)) {
                        let (high, low) = if big { (first, second) } else { (second, first) };
                        interface.offset = (u64::from(high) << 32 | u64::from(low)) as i64;
                    }
                }
                _ => {}
            }
            options = options.get(4 + usize::from(size).next_multiple_of(4)..).unwrap_or(&[]);
        }
        self.interfaces.push(interface);
        self.names.push(name);
        source.consume(len as usize);
        Ok(())
    }

    /// An enhanced (6), simple (3) or obsolete (2) packet block.
    fn packet(
        &mut self,
        source: &mut Source,
        number: u64,
        kind: u32,
        len: u32,
    ) -> Result<Record, CaptureError> {
        let big = self.big_endian;
        let header = source.peek(28)?;
        let field = |at| word(header, at, big);
        // Interface, time stamp, captured length, length on the wire, length of the header.
        let fields = match kind {
            6 => field(8).zip(field(12).zip(field(16))).zip(field(20)).zip(field(24)).map(
                |(((iface, (high, low)), captured), wire)| (iface, Some((high, low)), captured, wire, 28),
            ),
            2 => half(header, 8, big).zip(field(12).zip(field(16))).zip(field(20)).zip(field(24)).map(
                |(((iface, (high, low)), captured), wire)| {
                    (u32::from(iface), Some((high, low)), captured, wire, 28)
                },
            ),
            _ => field(8).map(|wire| (0, None, wire, wire, 12)),
        };
        let Some((iface, time, mut captured, wire_len, header_len)) = fields else {
            let there = header.len();
            return Err(broken(
                source,
                format!("cut short in the header of packet {number}: {there} bytes are there"),
            ));
        };
        let at = self.section + iface as usize;
        let Some(interface) = self.interfaces.get(at).copied() else {
            return Err(broken(
                source,
                format!("packet {number} is of interface {iface}, which was not described"),
            ));
        };
        let room = len.saturating_sub(header_len + 4);
        if kind == 3 {
            captured = captured.min(room);
            if interface.snap_len != 0 {
                captured = captured.min(interface.snap_len);
            }
        }
        let captured = frame_len(source, number, captured)?;
        if captured > room as usize {
            return Err(broken(
                source,
                format!("packet {number} has {captured} bytes in a block with room for {room}"),
            ));
        }
        let header_len = header_len as usize;
        if len as usize > 2 * FRAME_MAX {
            return Err(broken(source, format!("packet {number} is in a block of {len} bytes")));
        }
        let there = source.peek(len as usize)?.len();
        if there < header_len + captured {
            return Err(cut_short(source, number, there.saturating_sub(header_len), captured));
        }
        if let Some((high, low)) = time {
            self.last = interface.timestamp(u64::from(high) << 32 | u64::from(low));
        }
        Ok(Record {
            timestamp: self.last,
            iface: IfaceId(at as u16),
            link: interface.link,
            captured,
            wire_len,
            header_len,
            total_len: len as usize,
        })
    }
}

impl Interface {
    fn timestamp(&self, units: u64) -> Timestamp {
        let nanos = match self.resolution {
            6 => u128::from(units) * 1000,
            9 => u128::from(units),
            power @ 0..=0x7f => match 10u128.checked_pow(u32::from(power)) {
                Some(per_second) => u128::from(units) * 1_000_000_000 / per_second,
                None => 0,
            },
            power => match u32::from(power & 0x7f) {
                shift @ 0..=96 => (u128::from(units) * 1_000_000_000) >> shift,
                _ => 0,
            },
        };
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX);
        let nanos = nanos.saturating_add(i128::from(self.offset) * 1_000_000_000);
        Timestamp(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

fn frame_len(source: &Source, number: u64, captured: u32) -> Result<usize, CaptureError> {
    match captured as usize {
        len if len <= FRAME_MAX => Ok(len),
        len => Err(broken(
            source,
            format!("packet {number} claims {len} bytes, more than {FRAME_MAX}: the file is damaged here"),
        )),
    }
}

#[cold]
fn broken(source: &Source, cause: String) -> CaptureError {
    CaptureError::Broken { path: source.path().to_owned(), offset: source.offset(), cause }
}

#[cold]
fn cut_short(source: &Source, number: u64, there: usize, captured: usize) -> CaptureError {
    broken(source, format!("cut short in packet {number}: {there} of {captured} bytes are there"))
}

#[inline]
fn word(bytes: &[u8], at: usize, big_endian: bool) -> Option<u32> {
    let bytes = *bytes.get(at..)?.first_chunk()?;
    Some(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

#[inline]
fn half(bytes: &[u8], at: usize, big_endian: bool) -> Option<u16> {
    let bytes = *bytes.get(at..)?.first_chunk()?;
    Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

/// What other files begin with that are named by mistake.
fn looks_like(start: &[u8]) -> Option<&'static str> {
    const KNOWN: &[(&[u8], &str)] = &[
        (&[0xff, 0xd8, 0xff], "JPEG image"),
        (b"\x89PNG", "PNG image"),
        (b"GIF8", "GIF image"),
        (b"%PDF", "PDF document"),
        (b"PK\x03\x04", "ZIP archive: unpack it first"),
        (b"BZh", "bzip2: decompress it first"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4: decompress it first"),
        (b"7z\xbc\xaf", "7-Zip archive: unpack it first"),
        (b"Rar!", "RAR archive: unpack it first"),
        (b"\x7fELF", "program"),
        (b"MZ", "Windows program"),
        (b"snoop\0\0\0", "Solaris snoop capture: convert it with editcap"),
        (b"GMBU", "Microsoft Network Monitor capture: convert it with editcap"),
        (b"RTSS", "Microsoft Network Monitor capture: convert it with editcap"),
        (b"TRSN", "NetScaler trace: convert it with editcap"),
        (b"<!DO", "HTML page"),
        (b"<htm", "HTML page"),
        (b"<?xm", "XML document"),
        (b"version ", "Git LFS pointer: fetch the file itself"),
        (b"{\"", "JSON text"),
        (b"alert ", "rules: load them with -S"),
        (b"%YAML", "YAML text: a configuration is given with -c"),
    ];
    KNOWN.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name)
}
