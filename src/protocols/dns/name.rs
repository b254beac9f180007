//! Domain names on the wire: labels and compression pointers (RFC 1035 sections 3.1 and 4.1.4), followed with a bound.

use std::ops::Range;

/// The longest name kept, bytes of text with dots. RFC 1035 allows 255; more is kept so that tunnels are seen.
pub const NAME_MAX: usize = 1025;

/// Labels and pointers read for one name.
const STEPS_MAX: usize = 255;

/// The text of all names of one message together: what compression may blow 64 KiB up to.
const TEXT_MAX: usize = 4 << 20;

/// What was odd about a name that could still be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddity {
    /// Cut at [`NAME_MAX`], or given up in its middle.
    pub(super) truncated: bool,
    /// More than [`STEPS_MAX`] labels and pointers.
    pub(super) too_many_labels: bool,
    /// A pointer to itself was reached.
    pub(super) infinite_loop: bool,
}

/// A name: where its text stands in [`Names`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    start: u32,
    len: u32,
    /// Cut, or given up.
    pub(super) truncated: bool,
}

/// Why something on the wire cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ends in the middle.
    Incomplete,
    /// No amount of further bytes would help.
    Invalid,
}

/// The text of the names and other data of one message, one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    text: Vec<u8>,
    /// Target of the last name that was nothing but a pointer, and what it read as: most owners repeat it.
    last: Option<(usize, Name, Oddity)>,
    /// Everything that was odd about any name.
    pub(super) odd: Oddity,
}

impl Names {
    /// The text of a name, or nothing for one of another message.
    pub(super) fn text(&self, name: Name) -> &[u8] {
        let start = name.start as usize;
        self.text.get(start..start + name.len as usize).unwrap_or_default()
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        self.text.capacity()
    }

    /// Keeps other bytes as they are.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Name {
        let room = TEXT_MAX.saturating_sub(self.text.len()).min(bytes.len());
        let start = self.text.len();
        self.text.extend_from_slice(&bytes[..room]);
        Name { start: start as u32, len: room as u32, truncated: room < bytes.len() }
    }

    /// Reads the name at `range.start`; what comes before its first pointer must end before `range.end`.
    /// Answers with the position behind it.
    pub(super) fn read(&mut self, message: &[u8], range: Range<usize>) -> Result<(Name, usize), Broken> {
        if let Some((last, name, odd)) = self.last
            && pointer(message, range.start) == Some(last)
            && last != range.start
            && range.start + 2 <= range.end
        {
            self.note(odd);
            return Ok((name, range.start + 2));
        }
        let start = self.text.len();
        match self.follow(message, range.clone()) {
            Ok((odd, end)) => {
                let name = Name {
                    start: start as u32,
                    len: (self.text.len() - start) as u32,
                    truncated: odd.truncated,
                };
                self.note(odd);
                if let Some(target) = pointer(message, range.start) {
                    self.last = Some((target, name, odd));
                }
                Ok((name, end))
            }
            Err(broken) => {
                self.text.truncate(start);
                Err(broken)
            }
        }
    }

    fn note(&mut self, odd: Oddity) {
        self.odd.truncated |= odd.truncated;
        self.odd.too_many_labels |= odd.too_many_labels;
        self.odd.infinite_loop |= odd.infinite_loop;
    }

    fn follow(&mut self, message: &[u8], range: Range<usize>) -> Result<(Oddity, usize), Broken> {
        let limit = NAME_MAX.min(TEXT_MAX.saturating_sub(self.text.len()));
        let start = self.text.len();
        let mut odd = Oddity::default();
        let mut at = range.start;
        let mut area = message.get(..range.end).ok_or(Broken::Incomplete)?;
        let mut end = None;
        for _ in 0..=STEPS_MAX {
            let length = *area.get(at).ok_or(Broken::Incomplete)?;
            match length {
                0 => return Ok((odd, end.unwrap_or(at + 1))),
                1..=0x3f => {
                    let label = area.get(at + 1..at + 1 + usize::from(length)).ok_or(Broken::Incomplete)?;
                    let dot = self.text.len() > start;
                    let room = (limit + start).saturating_sub(self.text.len() + usize::from(dot));
                    if room < label.len() {
                        odd.truncated = true;
                    }
                    if dot && self.text.len() < limit + start {
                        self.text.push(b'.');
                    }
                    self.text.extend_from_slice(&label[..room.min(label.len())]);
                    at += 1 + usize::from(length);
                }
                0xc0.. => {
                    let low = *area.get(at + 1).ok_or(Broken::Incomplete)?;
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if target == at {
                        // Only behind a followed pointer is it known where the message goes on.
                        let end = end.ok_or(Broken::Invalid)?;
                        odd.infinite_loop = true;
                        return Ok((odd, end));
                    }
                    if target >= message.len() {
                        return Err(Broken::Invalid);
                    }
                    end.get_or_insert(at + 2);
                    area = message;
                    at = target;
                }
                0x40..=0xbf => return Err(Broken::Invalid),
            }
        }
        let end = end.ok_or(Broken::Invalid)?;
        odd.truncated = true;
        odd.too_many_labels = true;
        Ok((odd, end))
    }
}

/// The target of a pointer at that position.
fn pointer(message: &[u8], at: usize) -> Option<usize> {
    let pair = message.get(at..at.checked_add(2)?)?;
    (pair[0] >= 0xc0).then(|| usize::from(pair[0] & 0x3f) << 8 | usize::from(pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &[u8], at: usize, expected: Result<(&[u8], usize, Oddity), Broken>) {
        let mut names = Names::default();
        let read = names.read(message, at..message.len());
        match (read, expected) {
            (Ok((name, end)), Ok((text, expected_end, odd))) => {
                assert_eq!(names.text(name), text);
                assert_eq!((end, names.odd), (expected_end, odd));
                assert_eq!(name.truncated, odd.truncated);
                // The answer of the cache is that of the first reading.
                let again = names.read(message, at..message.len()).unwrap();
                assert_eq!((names.text(again.0), again.1), (text, expected_end));
            }
            (read, expected) => assert_eq!(read.map(drop), expected.map(drop)),
        }
    }

    const PLAIN: Oddity = Oddity { truncated: false, too_many_labels: false, infinite_loop: false };

    #[test]
    fn labels_and_pointers_are_followed() {
        check(b"\0", 0, Ok((b"", 1, PLAIN)));
        check(b"\x01a\x02bc\0x", 0, Ok((b"a.bc", 6, PLAIN)));
        check(b"\x01a\0\x01b\xc0\x00x", 3, Ok((b"b.a", 7, PLAIN)));
        check(b"\xc0\x02\x01a\0", 0, Ok((b"a", 2, PLAIN)));
        check(b"\x03a.b\0", 0, Ok((b"a.b", 5, PLAIN)));
    }

    #[test]
    fn broken_names_are_refused() {
        for (message, broken) in [
            (&b""[..], Broken::Incomplete),
            (b"\x02a", Broken::Incomplete),
            (b"\x01a", Broken::Incomplete),
            (b"\xc0", Broken::Incomplete),
            (b"\xc0\x00", Broken::Invalid),
            (b"\xc0\x09", Broken::Invalid),
            (b"\x41a\0", Broken::Invalid),
            (b"\x80a\0", Broken::Invalid),
        ] {
            check(message, 0, Err(broken));
        }
    }

    #[test]
    fn loops_end() {
        check(b"\xc0\x02\xc0\x02", 0, Ok((b"", 2, Oddity { infinite_loop: true, ..PLAIN })));
        // A label and a pointer in turn: half of the steps are labels.
        let text = ["a"; 128].join(".");
        check(
            b"\x01a\xc0\x00",
            0,
            Ok((text.as_bytes(), 4, Oddity { truncated: true, too_many_labels: true, ..PLAIN })),
        );
        check(&b"\x01a".repeat(256), 0, Err(Broken::Invalid));
        let mut longest = b"\x01a".repeat(255);
        longest.push(0);
        check(&longest, 0, Ok((["a"; 255].join(".").as_bytes(), 511, PLAIN)));
    }

    #[test]
    fn long_names_are_cut() {
        let mut message = [&[60][..], &[b'x'; 60]].concat().repeat(20);
        message.push(0);
        let mut text = ["x".repeat(60).as_str(); 20].join(".").into_bytes();
        text.truncate(NAME_MAX);
        check(&message, 0, Ok((&text, message.len(), Oddity { truncated: true, ..PLAIN })));
    }

    #[test]
    fn a_name_must_not_leave_its_record() {
        let mut names = Names::default();
        assert_eq!(names.read(b"\x01a\0", 0..2), Err(Broken::Incomplete));
        assert_eq!(names.read(b"\x01a\0", 0..9), Err(Broken::Incomplete));
        assert!(names.read(b"\x01a\0", 0..3).is_ok());
    }
}
