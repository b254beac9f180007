//! Whether the checksums of a capture can be trusted.
//!
//! A capture taken on the host that sends holds checksums that the network card had yet to fill in. With
//! `checksum-checks: auto` the first packets tell: when too many of them are wrong, no checksum is looked at from there on.

use crate::capture::Frame;
use crate::decode::{Counter, DecodeConfig, Decoder};
use crate::verdict::Verdict;

/// Frames after which it is decided, once.
pub(super) const FRAMES: u64 = 1000;

/// Whether so many wrong checksums in the first [`FRAMES`] mean that nobody computed them: more than a tenth.
pub(super) fn are_offloaded(wrong: u64) -> bool {
    wrong > FRAMES / 10
}

/// Looks at the first frames of a capture that is spread over workers, none of which sees them all.
pub(super) struct Trial {
    decoder: Option<Decoder>,
    seen: u64,
}

impl Trial {
    /// With `auto` there is something to find out.
    pub(super) fn new(config: &DecodeConfig, auto: bool) -> Self {
        Trial { decoder: (auto && config.checksums).then(|| Decoder::new(config)), seen: 0 }
    }

    /// Takes the next frame; true once, when from the frame after it on checksums are not to be looked at.
    pub(super) fn frame(&mut self, frame: &Frame<'_>) -> bool {
        let Some(decoder) = &mut self.decoder else { return false };
        decoder.decode(frame, &mut |_| Verdict::Forward);
        self.seen += 1;
        if self.seen < FRAMES {
            return false;
        }
        let offloaded = are_offloaded(decoder.counters().count(Counter::BadChecksum));
        self.decoder = None;
        offloaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;
    use crate::types::{IfaceId, Timestamp};

    /// An IPv4 header alone, of a protocol without a checksum of its own.
    fn header(right: bool) -> [u8; 20] {
        let mut bytes = [0x45, 0, 0, 20, 0, 1, 0, 0, 64, 99, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        bytes[10..12].copy_from_slice(&if right { sum } else { !sum }.to_be_bytes());
        bytes
    }

    /// Frame after which checksums do not count, when that many of the first 1000 are wrong.
    fn check(wrong: u64, auto: bool, expected: Option<u64>) {
        let mut trial = Trial::new(&DecodeConfig::default(), auto);
        let found = (1..=2 * FRAMES).find(|number| {
            let bytes = header(*number > wrong);
            trial.frame(&Frame {
                number: *number,
                timestamp: Timestamp::default(),
                iface: IfaceId::default(),
                link: LinkType(101),
                bytes: &bytes,
                wire_len: 20,
                checksums: true,
                changed: None,
            })
        });
        assert_eq!(found, expected, "{wrong} wrong, auto {auto}");
    }

    #[test]
    fn more_than_a_tenth_of_the_first_frames_decides() {
        check(0, true, None);
        check(100, true, None);
        check(101, true, Some(FRAMES));
        check(FRAMES, true, Some(FRAMES));
        check(FRAMES, false, None);
    }
}
