//! Header blocks: lines into names and values, the way lenient servers and browsers read them.
//!
//! A request's lines end with LF, a CR before it is dropped. A response's lines end with LF, CR, CRLF or LFCR. A line that
//! begins with a space or tab continues the value before it (RFC 9112 section 5.2), except in a response where it looks like
//! a header of its own. A line without a colon is a header without a name.

use super::line::{is_space, is_token, trim};

/// Continuation lines of one header; the next one ends it.
const FOLDS_MAX: usize = 128;
/// Repetitions of headers that are still joined in one message.
const REPEATS_MAX: u32 = 64;

/// The headers of a message in order of their first appearance, with repetitions joined by `, `.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// `name: value` of each, one after the other.
    text: Vec<u8>,
    list: Vec<Entry>,
    repeats: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name_len: usize,
    end: usize,
    repeated: bool,
}

/// What became of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is new.
    New,
    /// There was one of its name.
    Repeated,
    /// It is a further one of its name, and there are too many of those to be joined.
    Excess,
    /// The limits are reached.
    TooMany,
}

impl Headers {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn memory(&self) -> usize {
        self.text.capacity() + self.list.capacity() * size_of::<Entry>()
    }

    pub(super) fn clear(&mut self) {
        *self = Headers::default();
    }

    /// The `nth` as `name: value`.
    pub(super) fn whole(&self, nth: usize) -> Option<&[u8]> {
        self.list.get(nth).map(|entry| self.slice(entry.start, entry.end))
    }

    fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.text.get(from..to).unwrap_or_default()
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        self.slice(entry.start, entry.start + entry.name_len)
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        self.slice(entry.start + entry.name_len + 2, entry.end)
    }

    /// Names and values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.list.iter().map(|entry| (self.name(entry), self.value(entry)))
    }

    /// The value of a header by its name in any case.
    pub(super) fn find(&self, name: &str) -> Option<&[u8]> {
        let entry = self.list.iter().find(|entry| self.name(entry).eq_ignore_ascii_case(name.as_bytes()))?;
        Some(self.value(entry))
    }

    /// The same with NUL bytes in the name ignored, as some receivers do; and whether it came more than once.
    pub(super) fn find_lenient(&self, name: &str) -> Option<(&[u8], bool)> {
        let same = |entry: &&Entry| {
            let theirs = self.name(entry);
            theirs.len() >= name.len()
                && theirs
                    .iter()
                    .filter(|&&c| c != 0)
                    .map(u8::to_ascii_lowercase)
                    .eq(name.bytes().map(|c| c.to_ascii_lowercase()))
        };
        let entry = self.list.iter().find(same)?;
        Some((self.value(entry), entry.repeated))
    }

    /// Adds a header. `join` false keeps the first value of a repeated one.
    pub(super) fn add(
        &mut self,
        name: &[u8],
        value: &[u8],
        join: bool,
        count_max: usize,
        bytes_max: usize,
    ) -> Added {
        if self.text.len() + name.len() + value.len() > bytes_max {
            return Added::TooMany;
        }
        let at = self.list.iter().position(|entry| self.name(entry).eq_ignore_ascii_case(name));
        let Some(at) = at else {
            if self.list.len() > count_max {
                return Added::TooMany;
            }
            let start = self.text.len();
            self.text.extend_from_slice(name);
            self.text.extend_from_slice(b": ");
            self.text.extend_from_slice(value);
            self.list.push(Entry { start, name_len: name.len(), end: self.text.len(), repeated: false });
            return Added::New;
        };
        let Some(entry) = self.list.get_mut(at) else { return Added::TooMany };
        if entry.repeated {
            if self.repeats >= REPEATS_MAX {
                return Added::Excess;
            }
            self.repeats += 1;
        }
        entry.repeated = true;
        if join {
            if entry.end != self.text.len() {
                if self.text.len() + (entry.end - entry.start) > bytes_max {
                    return Added::TooMany;
                }
                let start = self.text.len();
                self.text.extend_from_within(entry.start..entry.end);
                entry.start = start;
            }
            self.text.extend_from_slice(b", ");
            self.text.extend_from_slice(value);
            entry.end = self.text.len();
        }
        Added::Repeated
    }
}

/// One header as read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) flaws: Flaws,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flaws {
    pub(super) no_colon: bool,
    pub(super) not_token: bool,
    pub(super) leading_space: bool,
}

/// One step through a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A header was read into the one given; that many bytes were used.
    Header(usize),
    /// The empty line was met; that many bytes were used.
    End(usize),
    /// More bytes are needed to tell.
    More,
}

/// Reads headers of one kind of message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    /// CR alone ends lines.
    pub(super) response: bool,
    /// No more bytes will come.
    pub(super) complete: bool,
}

impl Reader {
    /// The next step at the beginning of a line of `data`.
    pub(super) fn next(&self, data: &[u8], header: &mut Header) -> Read {
        match data {
            [b'\n', ..] => return Read::End(1),
            [b'\r', b'\n', ..] => return Read::End(2),
            [b'\r', ..] | [] if data.len() < 2 && !self.complete => return Read::More,
            [b'\r', ..] if self.response => return Read::End(1),
            [] => return Read::End(0),
            _ => {}
        }
        header.name.clear();
        header.value.clear();
        header.flaws = Flaws::default();
        let Some(colon) = self.name_end(data) else { return Read::More };
        let from = match colon {
            Ok(colon) => {
                let name = data.get(..colon).unwrap_or_default();
                header.flaws.leading_space = name.first().is_some_and(|&c| is_space(c));
                let trailing = name.last().is_some_and(|&c| is_space(c));
                let name = trim(name);
                header.flaws.not_token = trailing || name.is_empty() || !name.iter().all(|&c| is_token(c));
                header.name.extend_from_slice(name);
                colon + 1
            }
            Err(()) => {
                header.flaws.no_colon = true;
                0
            }
        };
        match self.value(data, from, &mut header.value) {
            Some(used) => {
                let end = trim(&header.value).len();
                let start = header.value.iter().take_while(|&&c| is_space(c)).count();
                header.value.drain(..start.min(header.value.len()));
                header.value.truncate(end);
                Read::Header(used)
            }
            None => Read::More,
        }
    }

    /// Where the colon behind the name is; `Err` when the line has none; `None` when more bytes may bring one.
    /// A name may be continued on a line that begins with a space.
    fn name_end(&self, data: &[u8]) -> Option<Result<usize, ()>> {
        let mut i = 0;
        loop {
            let c = match data.get(i) {
                Some(&c) => c,
                None if self.complete => return Some(Err(())),
                None => return None,
            };
            match c {
                b':' => return Some(Ok(i)),
                // a request's name ends at a NUL, a response's goes on behind it
                0 if !self.response => return Some(Err(())),
                b'\n' | b'\r' => match self.line_end(data, i) {
                    None => return None,
                    Some(0) => i += 1,
                    Some(used) => match data.get(i + used) {
                        Some(b' ') => i += used,
                        Some(_) => return Some(Err(())),
                        None if self.complete => return Some(Err(())),
                        None => return None,
                    },
                },
                _ => i += 1,
            }
        }
    }

    /// Reads a value with its continuation lines; the number of bytes used, from the beginning of `data`.
    fn value(&self, data: &[u8], from: usize, value: &mut Vec<u8>) -> Option<usize> {
        let mut i = from;
        let mut folds = 0;
        loop {
            let rest = data.get(i..).unwrap_or_default();
            let len = match self.text_len(rest) {
                Some(len) => len,
                None if self.complete => {
                    value.extend_from_slice(rest);
                    return Some(data.len());
                }
                None => return None,
            };
            let text = rest.get(..len).unwrap_or_default();
            value.extend_from_slice(text);
            let end = self.line_end(data, i + len)?;
            let next = i + len + end;
            match data.get(next) {
                Some(&fold @ (b' ' | b'\t' | 0)) => {
                    folds += 1;
                    if folds > FOLDS_MAX {
                        return Some(next);
                    }
                    let after = data.get(next + 1..).unwrap_or_default();
                    // a line of one blank is the empty line, unless that follows by itself
                    if end == 1 && after.first() == Some(&b'\n') {
                        return match after.get(1) {
                            Some(b'\n') => Some(next + 2),
                            Some(_) => Some(next + 1),
                            None => self.complete.then_some(next + 1),
                        };
                    }
                    if self.response {
                        match looks_like_header(after) {
                            Some(true) => return Some(next),
                            Some(false) => {}
                            None if self.complete => {}
                            None => return None,
                        }
                    }
                    if !value.is_empty() {
                        value.push(if fold == 0 { b' ' } else { fold });
                    }
                    i = next + 1;
                }
                Some(_) => return Some(next),
                None if self.complete => return Some(next),
                None => return None,
            }
        }
    }

    /// Bytes before the end of the line; `None` when the end is not there yet.
    fn text_len(&self, data: &[u8]) -> Option<usize> {
        if self.response {
            memchr::memchr2(b'\n', b'\r', data)
        } else {
            let lf = memchr::memchr(b'\n', data)?;
            Some(if lf > 0 && data.get(lf - 1) == Some(&b'\r') { lf - 1 } else { lf })
        }
    }

    /// How long the line end at `i` is, 0 when there is none; `None` when the next byte decides and is not there yet.
    fn line_end(&self, data: &[u8], i: usize) -> Option<usize> {
        let missing = if self.complete { Some(()) } else { None };
        let at = |n: usize| data.get(i + n).copied();
        match (at(0), at(1)) {
            (None, _) => missing.map(|()| 0),
            (Some(b'\r'), Some(b'\n')) => {
                if !self.response || at(2) != Some(b'\r') {
                    return Some(2);
                }
                // CR LF CR (CR SP HT)+ LF? is one end unless an empty line follows
                let odd = data.get(i + 3..).unwrap_or_default();
                let blanks = odd.iter().take_while(|c| matches!(c, b'\r' | b' ' | b'\t')).count();
                let mut tail = odd.get(blanks..).unwrap_or_default();
                if tail.is_empty() {
                    return missing.map(|()| if blanks == 0 { 2 } else { 3 + blanks });
                }
                if blanks == 0 {
                    return Some(2);
                }
                let mut used = 3 + blanks;
                if let Some(more) = tail.strip_prefix(b"\n") {
                    tail = more;
                    used += 1;
                }
                match tail {
                    [b'\n', ..] | [b'\r', b'\n', ..] => Some(2),
                    [] | [b'\r'] => missing.map(|()| used),
                    _ => Some(used),
                }
            }
            (Some(b'\r'), None) => missing.map(|()| usize::from(self.response)),
            (Some(b'\r'), Some(_)) => Some(usize::from(self.response)),
            (Some(b'\n'), Some(b'\r')) if self.response => match (at(2), at(3)) {
                (Some(b'\n'), _) => Some(1),
                // LF CR CR LF in front of an empty line is one end
                (Some(b'\r'), Some(b'\n')) => match (at(4), at(5)) {
                    (Some(b'\n'), _) | (Some(b'\r'), Some(b'\n')) => Some(4),
                    (None, _) | (Some(b'\r'), None) => missing.map(|()| 2),
                    _ => Some(2),
                },
                (Some(b'\r'), None) | (None, _) => missing.map(|()| 2),
                _ => Some(2),
            },
            (Some(b'\n'), None) if self.response => missing.map(|()| 1),
            (Some(b'\n'), _) => Some(1),
            _ => Some(0),
        }
    }
}

/// Whether a line begins with a token and a colon; `None` when more bytes decide.
fn looks_like_header(line: &[u8]) -> Option<bool> {
    let blank = |c: &&u8| matches!(c, b' ' | b'\t');
    let spaces = line.iter().take_while(blank).count();
    let token = line.iter().skip(spaces).take_while(|&&c| is_token(c)).count();
    let after = line.iter().skip(spaces + token).take_while(blank).count();
    match line.get(spaces + token + after) {
        Some(b':') => Some(token > 0),
        Some(_) => Some(false),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: bool, text: &str) -> (Vec<(String, String)>, Option<String>) {
        let reader = Reader { response, complete: false };
        let mut data = text.as_bytes();
        let mut header = Header::default();
        let mut out = Vec::new();
        loop {
            match reader.next(data, &mut header) {
                Read::Header(used) => {
                    assert!(used > 0);
                    data = &data[used..];
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    out.push((text(&header.name), text(&header.value)));
                }
                Read::End(used) => return (out, Some(String::from_utf8_lossy(&data[used..]).into_owned())),
                Read::More => return (out, None),
            }
        }
    }

    fn check(response: bool, text: &str, headers: &[(&str, &str)], body: Option<&str>) {
        let (got, rest) = read(response, text);
        let got: Vec<(&str, &str)> = got.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(got, headers, "{text:?}");
        assert_eq!(rest.as_deref(), body, "{text:?}");
    }

    #[test]
    fn plain_blocks() {
        for response in [false, true] {
            check(response, "A: b\r\nC:d\r\n\r\nxy", &[("A", "b"), ("C", "d")], Some("xy"));
            check(response, "A: b\nC:d\n\nxy", &[("A", "b"), ("C", "d")], Some("xy"));
            check(response, "\r\nxy", &[], Some("xy"));
            check(response, "A: b\r\n", &[], None);
            check(response, "A: b\r\nC", &[("A", "b")], None);
            check(response, "A: b\r\n\r", if response { &[] } else { &[("A", "b")] }, None);
        }
    }

    #[test]
    fn flawed_lines_in_a_request() {
        check(
            false,
            "Host: a\r\nnocolon\r\n: empty\r\nA : lws\r\n B: fold\r\n\tc\r\nX:\r\nY:  z  \r\n\r\n",
            &[("Host", "a"), ("", "nocolon"), ("", "empty"), ("A", "lws B: fold\tc"), ("X", ""), ("Y", "z")],
            Some(""),
        );
        check(false, "A: b\rc\r\n\r\n", &[("A", "b\rc")], Some(""));
        check(false, "A\0: b\r\n\r\n", &[("", "A\0: b")], Some(""));
    }

    #[test]
    fn flawed_lines_in_a_response() {
        check(
            true,
            "A : lws\r\n B: header\r\n\tc\r\n d e\r\n\r\nbody",
            &[("A", "lws"), ("B", "header\tc d e")],
            Some("body"),
        );
        check(true, "A: b\rC: d\r\rbody", &[("A", "b"), ("C", "d")], Some("body"));
        check(true, "A: b\n\rC: d\n\r\nbody", &[("A", "b"), ("C", "d")], Some("body"));
        check(true, "A: b\r\n\r \nC: d\r\n\r\nbody", &[("A", "b"), ("C", "d")], Some("body"));
        check(true, "A: 88\n\t\n\nbody", &[("A", "88")], Some("body"));
        check(true, "A: 88\n\t\nbody", &[("A", "88")], Some("body"));
        check(true, "A\0b: c\0d\r\n\r\n", &[("A\0b", "c\0d")], Some(""));
        check(true, "Transfer-Encoding\r\n : chunked\r\n\r\n", &[("Transfer-Encoding", "chunked")], Some(""));
    }

    #[test]
    fn repetitions_are_joined() {
        let mut headers = Headers::default();
        assert_eq!(headers.add(b"A", b"1", true, 9, 999), Added::New);
        assert_eq!(headers.add(b"B", b"2", true, 9, 999), Added::New);
        assert_eq!(headers.add(b"a", b"3", true, 9, 999), Added::Repeated);
        assert_eq!(headers.add(b"A", b"4", true, 9, 999), Added::Repeated);
        assert_eq!(headers.whole(0), Some(&b"A: 1, 3, 4"[..]));
        for _ in 0..REPEATS_MAX {
            assert_eq!(headers.add(b"B", b"x", false, 9, 999), Added::Repeated);
        }
        assert_eq!(headers.add(b"B", b"x", true, 9, 999), Added::Excess);
        assert_eq!(headers.find("b"), Some(&b"2"[..]));
        assert_eq!(headers.add(b"C", b"4", true, 1, 999), Added::TooMany);
        assert_eq!(headers.add(b"C", b"4", true, 9, 9), Added::TooMany);
    }
}
