//! A message (RFC 5322) taken apart line by line: headers, parts (RFC 2046), attachments, URLs.

use std::sync::Arc;

use super::config::Config;
use super::decoding::{Base64, Decoder, Line, Quoted, Uu};
use super::events;
use super::files::Files;
use super::header::{field, parameter, token};
use super::url::Urls;

/// Parts within parts; deeper ones are read as text.
const NESTING_MAX: usize = 32;
/// Parts of one message; later ones are read as text of the part before.
const PARTS_MAX: u16 = 2048;
/// Headers kept of the message.
const HEADERS_MAX: usize = 512;
/// Bytes of them.
const HEADER_BYTES_MAX: usize = 128 << 10;
/// Bytes of a header with its folded lines that parameters are looked for in.
const FIELD_MAX: usize = 8192;
/// Bytes of a header's name (RFC 5322 has no limit; a line should have 78).
const NAME_MAX: usize = 75;
/// Bytes of a line (RFC 5322 section 2.1.1).
const LINE_MAX: usize = 998;
/// Bytes of an encoded line (RFC 2045 section 6.7 and 6.8).
const ENCODED_LINE_MAX: usize = 76;
/// Bytes of a boundary beyond which it is told of (RFC 2046 section 5.1.1 has 70).
const BOUNDARY_MAX: usize = 254;

/// How far the reading is, as records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    HeaderReady,
    HeaderStarted,
    HeaderDone,
    BodyStarted,
    BodyEndBound,
    Done,
    Error,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Status::HeaderReady => "HEADER_READY",
            Status::HeaderStarted => "HEADER_STARTED",
            Status::HeaderDone => "HEADER_DONE",
            Status::BodyStarted => "BODY_STARTED",
            Status::BodyEndBound => "BODY_END_BOUND",
            Status::Done => "PARSE_DONE",
            Status::Error => "PARSE_ERROR",
        }
    }
}

/// What the headers of a part say of its body.
#[derive(Debug, Default)]
struct Described {
    content_type: Vec<u8>,
    encoding: Vec<u8>,
    disposition: Vec<u8>,
}

/// A part that is being read.
#[derive(Debug)]
struct Part {
    number: u16,
    in_headers: bool,
    described: Described,
    decoder: Decoder,
    /// What is said of a message within the message that is encoded as a whole, against the rules: when it does not begin with
    /// a header, it is what was said.
    instead: Option<Described>,
    /// `--boundary` of its parts, when it has some and their end was not seen.
    delimiter: Option<Vec<u8>>,
}

/// A message.
#[derive(Debug)]
pub(in crate::protocols) struct Message {
    config: Arc<Config>,
    status: Status,
    failed: bool,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    header_bytes: usize,
    /// The field that is being read: name, value, whether its value is too long.
    field: Option<(Vec<u8>, Vec<u8>)>,
    parts: Vec<Part>,
    made: u16,
    pub(in crate::protocols) files: Files,
    pub(in crate::protocols) urls: Urls,
    /// The end of the last line, which is the delimiter's when one follows.
    line_end: &'static [u8],
    /// Bytes of the line so far.
    line_len: usize,
    decoded: Vec<u8>,
    digest: Option<md5::Md5>,
    body_md5: Option<[u8; 16]>,
    told: Vec<&'static str>,
    found: Vec<&'static str>,
    /// Its body has begun.
    has_body: bool,
    ended: bool,
}

impl Message {
    /// One of which nothing was read.
    pub(in crate::protocols) fn new(config: Arc<Config>) -> Self {
        Message {
            status: Status::HeaderReady,
            failed: false,
            headers: Vec::new(),
            header_bytes: 0,
            field: None,
            parts: vec![Part::new(0)],
            made: 1,
            files: Files::default(),
            urls: Urls::default(),
            line_end: b"",
            line_len: 0,
            decoded: Vec::new(),
            digest: config.body_md5.then(md5::Md5::default),
            body_md5: None,
            told: Vec::new(),
            found: Vec::new(),
            has_body: false,
            ended: false,
            config,
        }
    }

    /// As records name it.
    pub(in crate::protocols) fn status(&self) -> &'static str {
        if self.failed { Status::Error.name() } else { self.status.name() }
    }

    /// The headers of the message itself were read.
    pub(in crate::protocols) fn has_headers(&self) -> bool {
        self.ended || self.parts.len() > 1 || self.parts.first().is_some_and(|part| !part.in_headers)
    }

    /// The values of the headers of that name, the last one first.
    pub(in crate::protocols) fn headers(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .rev()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }

    /// The value of the last header of that name, unless it is empty.
    pub(in crate::protocols) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers(name).next().filter(|value| !value.is_empty())
    }

    /// MD5 of the body as sent, hexadecimal, once it is over.
    pub(in crate::protocols) fn body_md5_text(&self) -> Option<String> {
        Some(self.body_md5?.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The next message behind it: files and URLs go on in its lists, so that those of all are bounded together.
    pub(super) fn next(&mut self) -> Message {
        Message {
            files: std::mem::take(&mut self.files),
            urls: std::mem::take(&mut self.urls),
            ..Message::new(Arc::clone(&self.config))
        }
    }

    /// What was found wrong since the last call.
    pub(in crate::protocols) fn take_events(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.found)
    }

    /// A line, or a part of one: `start` is its beginning, `end` its line end when it is the last part.
    pub(in crate::protocols) fn line(&mut self, text: &[u8], start: bool, end: Option<&'static [u8]>) {
        if start {
            self.line_len = 0;
        }
        self.line_len += text.len();
        if self.line_len > LINE_MAX {
            self.event(events::MIME_LONG_LINE);
        }
        if start && self.at_delimiter(text) {
            self.digest(text, end);
            return;
        }
        let in_headers = self.parts.last().is_some_and(|part| part.in_headers);
        if in_headers && !self.header_line(text, start, end) {
            if self.parts.len() > 1 {
                self.digest(text, end);
            }
            return;
        }
        self.digest(text, end);
        self.status = Status::BodyStarted;
        self.body_line(text, start, end);
    }

    /// Bytes were lost.
    pub(in crate::protocols) fn gap(&mut self) {
        self.files.gap();
        if let Some(part) = self.parts.last_mut() {
            match &mut part.decoder {
                Decoder::Base64(decoder) => *decoder = Base64::default(),
                Decoder::Quoted(decoder) => *decoder = Quoted::default(),
                Decoder::Identity | Decoder::Uu(_) => {}
            }
        }
        self.line_end = b"";
        self.digest = None;
    }

    /// The message is over; `whole` when its end was seen.
    pub(in crate::protocols) fn finish(&mut self, whole: bool) {
        if self.ended {
            return;
        }
        self.ended = true;
        if self.parts.last().is_some_and(|part| part.in_headers) {
            self.finish_field();
        }
        if whole && self.parts.iter().any(|part| part.delimiter.is_some()) {
            self.event(events::MIME_MALFORMED_MSG);
        }
        self.files.close(whole);
        self.urls.finish(&self.config.schemes, self.config.url_scheme);
        if whole {
            self.status = Status::Done;
            if let Some(digest) = self.digest.take() {
                use sha2::Digest as _;
                // a message without a body has none
                self.body_md5 = self.has_body.then(|| digest.finalize().into());
            }
        }
        self.parts.truncate(1);
        self.field = None;
        self.decoded = Vec::new();
    }

    pub(in crate::protocols) fn memory(&self) -> usize {
        let part = |part: &Part| {
            size_of::<Part>()
                + part.delimiter.as_ref().map_or(0, Vec::capacity)
                + part.described.content_type.capacity()
                + part.described.disposition.capacity()
        };
        self.files.memory()
            + self.urls.memory()
            + self.header_bytes
            + self.headers.capacity() * size_of::<(Vec<u8>, Vec<u8>)>()
            + self.parts.iter().map(part).sum::<usize>()
            + self.decoded.capacity()
    }

    fn event(&mut self, name: &'static str) {
        if !self.told.contains(&name) {
            self.told.push(name);
            self.found.push(name);
        }
    }

    fn digest(&mut self, text: &[u8], end: Option<&'static [u8]>) {
        use sha2::Digest as _;
        self.has_body = true;
        if let Some(digest) = &mut self.digest {
            digest.update(text);
            digest.update(end.unwrap_or_default());
        }
    }

    /// Whether the line is a delimiter of a part, and what becomes of the parts.
    fn at_delimiter(&mut self, text: &[u8]) -> bool {
        if !text.starts_with(b"--") {
            return false;
        }
        // the innermost first: the delimiter of another may begin with the same letters
        let found = self.parts.iter().enumerate().rev().find_map(|(at, part)| {
            let tail = text.strip_prefix(part.delimiter.as_deref()?)?;
            match tail.strip_prefix(b"--") {
                Some(_) => Some((at, true)),
                None => tail.trim_ascii().is_empty().then_some((at, false)),
            }
        });
        let Some((at, last)) = found else { return false };
        if !last && self.made >= PARTS_MAX {
            self.event(events::MIME_PARSE_FAILED);
            return false;
        }
        self.end_part(at);
        if last {
            self.status = Status::BodyEndBound;
            if let Some(part) = self.parts.get_mut(at) {
                part.delimiter = None;
            }
        } else {
            self.status = Status::HeaderReady;
            self.parts.push(Part::new(self.made));
            self.made += 1;
        }
        true
    }

    /// Ends all parts within that one.
    fn end_part(&mut self, at: usize) {
        if self.parts.last().is_some_and(|part| part.in_headers) {
            self.finish_field();
        }
        let inner = self.parts.get(at + 1..).unwrap_or_default();
        if inner.iter().any(|part| part.delimiter.is_some()) {
            self.event(events::MIME_MALFORMED_MSG);
        }
        self.files.close(true);
        self.parts.truncate(at + 1);
        self.line_end = b"";
    }

    /// A line of headers; true when it is none and the body begins with it.
    fn header_line(&mut self, text: &[u8], start: bool, end: Option<&'static [u8]>) -> bool {
        if start && text.is_empty() && end.is_some() {
            self.finish_field();
            self.status = Status::HeaderDone;
            self.begin_body();
            return false;
        }
        let folded = matches!(text.first(), Some(b' ' | b'\t'));
        match field(text).filter(|_| start && !folded) {
            Some((name, value)) => {
                self.finish_field();
                self.status = Status::HeaderStarted;
                if name.len() > NAME_MAX {
                    self.event(events::MIME_LONG_HEADER_NAME);
                }
                let name = name.get(..name.len().min(NAME_MAX)).unwrap_or_default();
                self.field = Some((name.to_vec(), Vec::new()));
                self.add_value(value);
            }
            // what is no field goes on with the one before
            None if self.field.is_some() => self.add_value(text),
            None => {
                if let Some(part) = self.parts.last_mut()
                    && let Some(instead) = part.instead.take()
                {
                    part.described = instead;
                }
                self.begin_body();
                return true;
            }
        }
        false
    }

    fn add_value(&mut self, text: &[u8]) {
        let mut long = false;
        if let Some((_, value)) = &mut self.field {
            let room = FIELD_MAX.saturating_sub(value.len()).min(text.len());
            value.extend_from_slice(text.get(..room).unwrap_or_default());
            long = room < text.len() || value.trim_ascii().len() > self.config.header_value_max;
        }
        if long {
            self.event(events::MIME_LONG_HEADER_VALUE);
        }
    }

    fn finish_field(&mut self) {
        let Some((name, value)) = self.field.take() else { return };
        let value = value.trim_ascii();
        let at_root = self.parts.len() == 1;
        if let Some(part) = self.parts.last_mut() {
            let described = &mut part.described;
            for (known, slot) in [
                ("content-type", &mut described.content_type),
                ("content-transfer-encoding", &mut described.encoding),
                ("content-disposition", &mut described.disposition),
            ] {
                if name.eq_ignore_ascii_case(known.as_bytes()) {
                    *slot = value.to_vec();
                }
            }
        }
        let kept = value.len().min(self.config.header_value_max);
        let bytes = name.len() + kept;
        if at_root && self.headers.len() < HEADERS_MAX && self.header_bytes + bytes <= HEADER_BYTES_MAX {
            self.header_bytes += bytes;
            self.headers.push((name, value.get(..kept).unwrap_or_default().to_vec()));
        }
    }

    /// The headers of the innermost part are over: what its body is.
    fn begin_body(&mut self) {
        let depth = self.parts.len() - 1;
        let Some(part) = self.parts.last_mut() else { return };
        part.in_headers = false;
        let described = std::mem::take(&mut part.described);
        let kind = token(&described.content_type);
        let encoding = token(&described.encoding);
        self.line_end = b"";
        if kind.starts_with(b"multipart/")
            && depth < NESTING_MAX
            && let Some(boundary) = parameter(&described.content_type, "boundary").filter(|b| !b.is_empty())
        {
            let long = boundary.len() > BOUNDARY_MAX;
            part.delimiter = Some([b"--", boundary.as_slice()].concat());
            if long {
                self.event(events::MIME_LONG_BOUNDARY);
                self.event(events::MIME_PARSE_FAILED);
                self.failed = true;
            }
            return;
        }
        if kind == b"message/rfc822" && depth < NESTING_MAX && self.made < PARTS_MAX {
            let mut inner = Part::new(self.made);
            let kind_len = memchr::memchr(b';', &described.content_type).unwrap_or(usize::MAX);
            let encoded = matches!(encoding.as_slice(), b"base64" | b"quoted-printable");
            inner.instead = encoded.then(|| Described {
                content_type: described.content_type.get(kind_len..).unwrap_or_default().to_vec(),
                ..described
            });
            self.parts.push(inner);
            self.made += 1;
            self.status = Status::HeaderReady;
            return;
        }
        part.decoder = match encoding.as_slice() {
            b"base64" if self.config.base64 => Decoder::Base64(Base64::default()),
            b"quoted-printable" if self.config.quoted_printable => Decoder::Quoted(Quoted::default()),
            b"uuencode" | b"x-uuencode" | b"x-uue" | b"uue" => Decoder::Uu(Uu::default()),
            _ => Decoder::Identity,
        };
        let name = parameter(&described.disposition, "filename")
            .or_else(|| parameter(&described.content_type, "name"));
        if let Some(name) = name {
            self.open_file(name, depth);
        }
    }

    fn open_file(&mut self, name: Vec<u8>, depth: usize) {
        if self.files.is_full() {
            self.event(events::MIME_PARSE_FAILED);
        }
        if !self.files.open(name, depth, self.config.digests) {
            self.event(events::MIME_LONG_FILENAME);
        }
    }

    fn body_line(&mut self, text: &[u8], start: bool, end: Option<&'static [u8]>) {
        let line_end = match start {
            true => std::mem::take(&mut self.line_end),
            false => b"",
        };
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let depth = self.parts.len() - 1;
        let Some(part) = self.parts.last_mut() else { return };
        let number = part.number;
        let encoded = matches!(part.decoder, Decoder::Base64(_) | Decoder::Quoted(_));
        let mut invalid = false;
        let mut name = None;
        match &mut part.decoder {
            Decoder::Identity => {
                decoded.extend_from_slice(line_end);
                decoded.extend_from_slice(text);
                self.line_end = end.unwrap_or_default();
            }
            Decoder::Base64(decoder) => decoder.feed(text, &mut decoded),
            Decoder::Quoted(decoder) => {
                let (line, valid) = decoder.feed(text, end.is_some(), &mut decoded);
                invalid = !valid;
                // as Suricata has it: the end of the last line is part of what was encoded, digests are of both
                if let (Some(end), Line::Hard) = (end, line) {
                    decoded.extend_from_slice(end);
                }
            }
            // its lines are short: of a long one only the beginning counts
            Decoder::Uu(decoder) if start => name = decoder.line(text, &mut decoded).map(<[u8]>::to_vec),
            Decoder::Uu(_) => {}
        }
        if encoded && self.line_len > ENCODED_LINE_MAX {
            self.event(events::MIME_LONG_ENC_LINE);
        }
        if invalid {
            self.event(events::MIME_INVALID_QP);
        }
        if let Some(name) = name.filter(|_| !self.files.is_open()) {
            self.open_file(name, depth);
        }
        if self.files.is_open() {
            self.files.add(&decoded, &self.config.files);
        } else if !self.config.schemes.is_empty() {
            self.urls.text(number, &decoded, &self.config.schemes, self.config.url_scheme);
        }
        self.decoded = decoded;
    }
}

impl Part {
    fn new(number: u16) -> Self {
        Part {
            number,
            in_headers: true,
            described: Described::default(),
            decoder: Decoder::Identity,
            instead: None,
            delimiter: None,
        }
    }
}
