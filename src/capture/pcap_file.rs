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
                checksums: true,
                changed: None,
            });
            self.source.consume(record.total_len);
        }
        Ok(handed)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::capture::LinkType;
    use crate::capture::memory::write_pcap;
    use crate::types::{IfaceId, Timestamp};

    #[derive(Debug, PartialEq, Eq, Clone)]
    struct Taken {
        number: u64,
        timestamp: Timestamp,
        iface: u16,
        link: u16,
        bytes: Vec<u8>,
        wire_len: u32,
    }

    /// All frames of a capture, its interfaces, and what ended it.
    fn read(bytes: &[u8]) -> (Vec<Taken>, Vec<String>, Option<String>) {
        let path = Path::new("test.pcap");
        let mut file = match PcapFile::from_reader(path, Box::new(Cursor::new(bytes.to_vec()))) {
            Ok(file) => file,
            Err(error) => return (Vec::new(), Vec::new(), Some(error.to_string())),
        };
        let mut taken = Vec::new();
        let mut ended = None;
        loop {
            let polled = file.poll(3, &mut |frame| {
                taken.push(Taken {
                    number: frame.number,
                    timestamp: frame.timestamp,
                    iface: frame.iface.0,
                    link: frame.link.0,
                    bytes: frame.bytes.to_vec(),
                    wire_len: frame.wire_len,
                });
                Verdict::Forward
            });
            match polled {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    assert!(ended.is_none(), "an error is told once");
                    ended = Some(error.to_string());
                }
            }
        }
        (taken, file.interfaces().to_vec(), ended)
    }

    fn frames() -> Vec<(Timestamp, Vec<u8>)> {
        (0..20u8)
            .map(|n| (Timestamp::new(1000 + u64::from(n), 123_456_789), vec![n; 60 + usize::from(n)]))
            .collect()
    }

    fn classic() -> Vec<u8> {
        let frames = frames();
        let mut out = Vec::new();
        write_pcap(&mut out, LinkType(1), frames.iter().map(|(time, bytes)| (*time, bytes.as_slice())))
            .unwrap();
        out
    }

    fn check_frames(taken: &[Taken]) {
        assert_eq!(taken.len(), 20);
        for (nth, (taken, (timestamp, bytes))) in taken.iter().zip(frames()).enumerate() {
            assert_eq!((taken.number, taken.timestamp), (nth as u64 + 1, timestamp));
            assert_eq!((&taken.bytes, taken.wire_len as usize, taken.link), (&bytes, bytes.len(), 1));
        }
    }

    #[test]
    fn classic_captures_compressed_or_not() {
        let plain = classic();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&plain[..100]).unwrap();
        // Two members, as `cat a.gz b.gz` makes them.
        let mut both = gz.finish().unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&plain[100..]).unwrap();
        both.extend(gz.finish().unwrap());
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&plain).unwrap();
        let zst = zstd::encode_all(&plain[..], 1).unwrap();
        for bytes in [&plain, &both, &xz.finish().unwrap(), &zst] {
            let (taken, interfaces, ended) = read(bytes);
            assert_eq!((ended, interfaces.len()), (None, 0));
            check_frames(&taken);
        }
        let (taken, _, ended) = read(&both[..both.len() - 30]);
        assert!(taken.len() < 20);
        assert!(ended.unwrap().contains("cannot be read further"));
    }

    #[test]
    fn byte_orders_and_units_of_time() {
        let number = |value: u32, big: bool| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        for (magic, nanos, modified) in
            [(0xa1b2_c3d4, false, false), (0xa1b2_3c4d, true, false), (0xa1b2_cd34, false, true)]
        {
            for big in [false, true] {
                let mut bytes = Vec::new();
                for value in [magic, 0, 0, 0, 65_535, 0xf000_0071] {
                    bytes.extend(number(value, big));
                }
                for value in [1_700_000_000, 999_999, 4, 1500] {
                    bytes.extend(number(value, big));
                }
                if modified {
                    bytes.extend([0; 8]);
                }
                bytes.extend(b"abcd");
                let (taken, _, ended) = read(&bytes);
                assert_eq!((ended, taken.len()), (None, 1));
                let fraction = if nanos { 999_999 } else { 999_999_000 };
                assert_eq!(taken[0].timestamp, Timestamp::new(1_700_000_000, fraction));
                assert_eq!(
                    (taken[0].link, taken[0].wire_len, &taken[0].bytes[..]),
                    (0x71, 1500, &b"abcd"[..])
                );
            }
        }
    }

    struct Blocks {
        big: bool,
        out: Vec<u8>,
    }

    impl Blocks {
        fn block(&mut self, kind: u32, body: &[u8]) {
            let padded = body.len().next_multiple_of(4);
            let len = 12 + padded as u32;
            self.word(kind);
            self.word(len);
            self.out.extend(body);
            self.out.resize(self.out.len() + padded - body.len(), 0);
            self.word(len);
        }

        fn word(&mut self, value: u32) {
            self.out.extend(if self.big { value.to_be_bytes() } else { value.to_le_bytes() });
        }

        fn body(&self, words: &[u32], rest: &[u8]) -> Vec<u8> {
            let mut inner = Blocks { big: self.big, out: Vec::new() };
            for &word in words {
                inner.word(word);
            }
            inner.out.extend(rest);
            inner.out
        }

        fn half(&self, value: u16) -> [u8; 2] {
            if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
        }

        fn section(&mut self) {
            let body = self.body(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX], &[]);
            self.block(0x0a0d_0d0a, &body);
        }

        fn interface(&mut self, link: u16, snap: u32, options: &[(u16, &[u8])]) {
            let mut body = [self.half(link), [0, 0]].concat();
            body.extend(self.body(&[snap], &[]));
            for (code, value) in options {
                body.extend(self.half(*code));
                body.extend(self.half(value.len() as u16));
                body.extend(*value);
                body.resize(body.len().next_multiple_of(4), 0);
            }
            self.block(1, &body);
        }
    }

    fn next_generation(big: bool) -> Vec<u8> {
        let mut blocks = Blocks { big, out: Vec::new() };
        blocks.section();
        blocks.interface(1, 0, &[(2, b"eth0")]);
        blocks.interface(101, 0, &[(2, b"tun0"), (9, &[9])]);
        let micros = 1_700_000_000_123_456_u64;
        let body = blocks.body(&[0, (micros >> 32) as u32, micros as u32, 5, 9], b"first");
        blocks.block(6, &body);
        blocks.block(0x0bad_0bad, &[7; 100]);
        let nanos = 1_700_000_001_123_456_789_u64;
        let body = blocks.body(&[1, (nanos >> 32) as u32, nanos as u32, 6, 6], b"second");
        blocks.block(6, &body);
        // A section of its own: interfaces are counted from 0 again. Half seconds, one second later.
        blocks.section();
        let offset = if big { 1u64.to_be_bytes() } else { 1u64.to_le_bytes() };
        blocks.interface(113, 4, &[(9, &[0x81]), (14, &offset)]);
        let mut body = [blocks.half(0), blocks.half(0)].concat();
        body.extend(blocks.body(&[0, 3, 5, 5], b"third"));
        blocks.block(2, &body);
        let body = blocks.body(&[6], b"four");
        blocks.block(3, &body);
        blocks.out
    }

    #[test]
    fn sections_and_interfaces_of_pcapng() {
        for big in [false, true] {
            let (taken, interfaces, ended) = read(&next_generation(big));
            assert_eq!(ended, None);
            assert_eq!(interfaces, ["eth0", "tun0", ""]);
            let seen: Vec<_> =
                taken.iter().map(|t| (t.iface, t.link, t.timestamp, &t.bytes[..], t.wire_len)).collect();
            assert_eq!(
                seen,
                [
                    (0, 1, Timestamp::new(1_700_000_000, 123_456_000), &b"first"[..], 9),
                    (1, 101, Timestamp::new(1_700_000_001, 123_456_789), b"second", 6),
                    (2, 113, Timestamp::new(2, 500_000_000), b"third", 5),
                    (2, 113, Timestamp::new(2, 500_000_000), b"four", 6),
                ]
            );
        }
    }

    #[test]
    fn captures_cut_anywhere_give_what_is_whole() {
        for whole in [classic(), next_generation(false)] {
            let (all, _, _) = read(&whole);
            for cut in 0..whole.len() {
                let (taken, _, ended) = read(&whole[..cut]);
                assert_eq!(taken, all[..taken.len()], "cut at {cut}");
                assert!(taken.len() < all.len() || ended.is_none() || cut > whole.len() - 8, "cut at {cut}");
            }
        }
        let whole = classic();
        let (taken, _, ended) = read(&whole[..whole.len() - 19]);
        assert_eq!(taken.len(), 19);
        assert_eq!(
            ended.unwrap(),
            "test.pcap: at byte 1639: cut short in packet 20: 60 of 79 bytes are there"
        );
    }

    #[test]
    fn damaged_captures_stop_with_the_place() {
        let mut bytes = classic();
        bytes[24 + 76 + 8..][..4].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
        let (taken, _, ended) = read(&bytes);
        assert_eq!(taken.len(), 1);
        let ended = ended.unwrap();
        assert!(ended.contains("at byte 100: packet 2 claims 2147483647 bytes"), "{ended}");
    }

    #[test]
    fn what_is_no_capture_is_said() {
        for (bytes, message) in [
            (&b""[..], "test.pcap: empty; expected pcap, pcapng or a gzip/xz/zstd of one"),
            (
                &[0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F'],
                "test.pcap: not a capture: starts with ff d8 ff (JPEG image); expected pcap, pcapng or a gzip/xz/zstd of one",
            ),
            (
                &[1, 2, 3],
                "test.pcap: not a capture: starts with 01 02 03; expected pcap, pcapng or a gzip/xz/zstd of one",
            ),
        ] {
            assert_eq!(read(bytes).2.unwrap(), message);
        }
        let error = PcapFile::open(&std::env::temp_dir()).unwrap_err().to_string();
        assert!(error.ends_with("a folder; name the captures in it"), "{error}");
        assert!(
            PcapFile::open(Path::new("/nonexistent/x.pcap"))
                .unwrap_err()
                .to_string()
                .contains("No such file")
        );
    }

    #[test]
    fn progress_reaches_the_end() {
        let path = std::env::temp_dir().join(format!("mamparo-progress-{}.pcap", std::process::id()));
        std::fs::write(&path, classic()).unwrap();
        let mut file = PcapFile::open(&path).unwrap();
        let total = classic().len() as u64;
        assert_eq!(file.progress(), (24, Some(total)));
        let mut ifaces = Vec::new();
        while file
            .poll(100, &mut |frame| {
                ifaces.push(frame.iface);
                Verdict::Forward
            })
            .unwrap()
            > 0
        {}
        assert_eq!(file.progress(), (total, Some(total)));
        assert_eq!(ifaces, [IfaceId(0); 20]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn seeded_mutations_never_panic() {
        let mut random = 0x1234_5678_9abc_def1_u64;
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        let seeds = [classic(), next_generation(false), next_generation(true)];
        for _ in 0..2000 {
            let mut bytes = seeds[next(3)].clone();
            for _ in 0..=next(6) {
                let at = next(bytes.len());
                bytes[at] = [next(256) as u8, 0, 0xff, bytes[at] ^ (1 << next(8))][next(4)];
            }
            read(&bytes);
        }
    }
}
