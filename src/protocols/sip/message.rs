//! One SIP message: its first line, the headers that rules ask for, and the SDP in its body.

use super::slots;
use crate::app::{Probe, Slot};
use crate::protocols::values::Values;
use crate::types::Direction;

/// Bytes of a head over TCP after which the stream is given up.
pub(super) const HEAD_MAX: usize = 32 << 10;

/// A body over TCP that is longer is passed over without a look.
pub(super) const BODY_MAX: usize = 64 << 10;

/// Bytes of a first line.
const LINE_MAX: usize = 8 << 10;

/// Lines of a head that are looked at.
const HEADERS_MAX: usize = 512;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The head is not whole.
    Incomplete,
    /// It is no head.
    Invalid,
}

/// What is kept of one message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) values: Values,
    /// Bytes of the first line, its end included.
    pub(super) line: usize,
    /// Bytes of the head, its empty line included.
    pub(super) head: usize,
    /// What `Content-Length` says.
    pub(super) body: Option<u64>,
    sdp: bool,
}

impl Message {
    /// A whole message: what is behind the head is the body.
    pub(super) fn read(dir: Direction, bytes: &[u8]) -> Result<Message, Broken> {
        let mut message = Message::read_head(dir, bytes)?;
        let body = bytes.get(message.head..).unwrap_or_default();
        let len = message.body.map_or(body.len(), |len| usize::try_from(len).unwrap_or(usize::MAX));
        message.read_body(&body[..len.min(body.len())]);
        Ok(message)
    }

    /// The head alone.
    pub(super) fn read_head(dir: Direction, bytes: &[u8]) -> Result<Message, Broken> {
        let mut values = Values::default();
        let (line, mut at) = line_of(bytes).ok_or(Broken::Incomplete)?;
        match dir {
            Direction::ToServer => {
                let (method, uri, version) = request_line(line).ok_or(Broken::Invalid)?;
                values.push(slots::METHOD, method);
                values.push(slots::URI, uri);
                values.push(slots::PROTOCOL, version);
                values.push(slots::REQUEST_LINE, line);
            }
            Direction::ToClient => {
                let (version, code, reason) = response_line(line).ok_or(Broken::Invalid)?;
                values.push(slots::PROTOCOL, version);
                values.push(slots::STAT_CODE, code);
                values.push(slots::STAT_MSG, reason);
                values.push(slots::RESPONSE_LINE, line);
            }
        }
        let mut message = Message { values, line: at, head: 0, body: None, sdp: false };
        let mut unfolded = Vec::new();
        for _ in 0..HEADERS_MAX {
            let (line, len) = line_of(bytes.get(at..).unwrap_or_default()).ok_or(Broken::Incomplete)?;
            at += len;
            if line.is_empty() {
                message.head = at;
                return Ok(message);
            }
            let colon = line.iter().position(|byte| *byte == b':').ok_or(Broken::Invalid)?;
            let (name, value) = line.split_at(colon);
            let name = name.trim_ascii_end();
            if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
                return Err(Broken::Invalid);
            }
            let mut value = value[1..].trim_ascii();
            unfolded.clear();
            while let Some(b' ' | b'\t') = bytes.get(at) {
                let (line, len) = line_of(&bytes[at..]).ok_or(Broken::Incomplete)?;
                at += len;
                if unfolded.is_empty() {
                    unfolded.extend_from_slice(value);
                }
                unfolded.push(b' ');
                unfolded.extend_from_slice(line.trim_ascii());
            }
            if !unfolded.is_empty() {
                value = &unfolded;
            }
            message.header(name, value);
        }
        Err(Broken::Invalid)
    }

    fn header(&mut self, name: &[u8], value: &[u8]) {
        const KNOWN: &[(&str, &str, Slot)] = &[
            ("From", "f", slots::FROM),
            ("To", "t", slots::TO),
            ("Via", "v", slots::VIA),
            ("User-Agent", "", slots::USER_AGENT),
            ("Content-Type", "c", slots::CONTENT_TYPE),
            ("Content-Length", "l", slots::CONTENT_LENGTH),
        ];
        let known = KNOWN.iter().find(|(long, short, _)| {
            name.eq_ignore_ascii_case(long.as_bytes()) || name.eq_ignore_ascii_case(short.as_bytes())
        });
        let Some((_, _, slot)) = known else { return };
        match *slot {
            slots::CONTENT_LENGTH if self.body.is_none() => {
                self.body = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            }
            slots::CONTENT_TYPE => {
                let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                self.sdp = kind.eq_ignore_ascii_case(b"application/sdp");
            }
            _ => {}
        }
        self.values.push(*slot, value);
    }

    /// Looks into the body, whole.
    pub(super) fn read_body(&mut self, body: &[u8]) {
        if !self.sdp {
            return;
        }
        let mut media = false;
        for line in body.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(([kind, b'='], value)) = line.split_first_chunk::<2>() else { continue };
            media |= *kind == b'm';
            let slot = match (kind, media) {
                (b'o', _) => slots::SDP_ORIGIN,
                (b's', _) => slots::SDP_SESSION_NAME,
                (b'i', false) => slots::SDP_SESSION_INFO,
                (b'u', _) => slots::SDP_URI,
                (b'e', _) => slots::SDP_EMAIL,
                (b'p', _) => slots::SDP_PHONE_NUMBER,
                (b'c', false) => slots::SDP_CONNECTION_DATA,
                (b'b', _) => slots::SDP_BANDWIDTH,
                (b't', _) => slots::SDP_TIME,
                (b'r', _) => slots::SDP_REPEAT_TIME,
                (b'z', _) => slots::SDP_TIMEZONE,
                (b'k', false) => slots::SDP_ENCRYPTION_KEY,
                (b'a', _) => slots::SDP_ATTRIBUTE,
                (b'm', _) => slots::SDP_MEDIA,
                (b'i', true) => slots::SDP_MEDIA_SESSION_INFO,
                (b'c', true) => slots::SDP_MEDIA_CONNECTION_DATA,
                (b'k', true) => slots::SDP_MEDIA_ENCRYPTION_KEY,
                _ => continue,
            };
            self.values.push(slot, value);
        }
    }
}

/// The first line, without its line break, and its length with it.
fn line_of(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    // a line feed alone ends nothing
    let line = bytes.get(..end)?.strip_suffix(b"\r")?;
    Some((line, end + 1))
}

/// RFC 3261 section 25.1.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

fn is_version(text: &[u8]) -> bool {
    text.strip_prefix(b"SIP/").and_then(|version| version.split_first()).is_some_and(|(major, rest)| {
        major.is_ascii_digit() && matches!(rest, [b'.', minor] if minor.is_ascii_digit())
    })
}

fn request_line(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, uri, version) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = !method.is_empty()
        && method.iter().all(u8::is_ascii_alphabetic)
        && !uri.is_empty()
        && is_version(version)
        && parts.next().is_none();
    sound.then_some((method, uri, version))
}

fn response_line(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (version, code, reason) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = is_version(version) && code.len() == 3 && code.iter().all(u8::is_ascii_digit);
    sound.then_some((version, code, reason))
}

/// Whether a stream of that direction begins with a first line.
pub(super) fn probe_line(dir: Direction, bytes: &[u8]) -> Probe {
    match first_line(bytes) {
        Some(line) if is_first(dir, line) => Probe::Yes,
        Some(_) => Probe::No,
        None if bytes.len() >= LINE_MAX || !may_begin(dir, bytes) => Probe::No,
        None => Probe::More,
    }
}

fn is_first(dir: Direction, line: &[u8]) -> bool {
    match dir {
        Direction::ToServer => request_line(line).is_some(),
        Direction::ToClient => response_line(line).is_some(),
    }
}

fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = bytes.get(..end)?;
    Some(line.strip_suffix(b"\r").unwrap_or(b""))
}

/// Of a line that is not whole: whether it may become one.
fn may_begin(dir: Direction, bytes: &[u8]) -> bool {
    match dir {
        Direction::ToServer => {
            let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
            method.len() <= 32 && method.iter().all(u8::is_ascii_alphabetic)
        }
        Direction::ToClient => {
            let len = bytes.len().min(4);
            bytes[..len] == b"SIP/"[..len]
        }
    }
}

/// Where in a stream that lost bytes the next message begins, or with none, how many bytes from the front are none.
pub(super) fn resync(dir: Direction, bytes: &[u8]) -> Result<usize, usize> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match first_line(rest) {
            Some(line) if is_first(dir, line) => return Ok(at),
            Some(_) => at += memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1),
            None if rest.len() > LINE_MAX => return Err(bytes.len()),
            None => return Err(at),
        }
    }
}
