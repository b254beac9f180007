//! Uploads in `multipart/form-data` (RFC 7578): which parts are files, and their bytes.

use super::events;
use super::line::{holds, parameter};

/// Bytes of a part's headers.
const PART_HEADERS_MAX: usize = 16 << 10;
/// Bytes of a boundary (RFC 2046 section 5.1.1 has 70).
const BOUNDARY_MAX: usize = 200;

/// What is found in the stream of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A file begins; its name.
    Open(Vec<u8>),
    /// Bytes of the file.
    Data(&'a [u8]),
    /// The file ended.
    Close,
    /// Something is wrong.
    Event(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Headers,
    File,
    Field,
    End,
}

/// A reader of one body.
#[derive(Debug)]
pub(super) struct Multipart {
    /// `\n--boundary`
    delimiter: Vec<u8>,
    held: Vec<u8>,
    state: State,
}

/// The boundary of a `multipart/form-data` content type.
pub(super) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    if !holds(content_type, "multipart/form-data") {
        return None;
    }
    parameter(content_type, "boundary").filter(|b| !b.is_empty() && b.len() <= BOUNDARY_MAX)
}

impl Multipart {
    /// With that boundary.
    pub(super) fn new(boundary: &[u8]) -> Self {
        let mut delimiter = b"\n--".to_vec();
        delimiter.extend_from_slice(boundary);
        // the first boundary has no line end before it
        Multipart { delimiter, held: b"\n".to_vec(), state: State::Preamble }
    }

    /// Takes the next bytes of the body.
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut dyn FnMut(Piece<'_>)) {
        if self.state == State::End {
            return;
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let used = self.walk(&held, found);
        self.held = held;
        self.held.drain(..used.min(self.held.len()));
    }

    /// The body ended: an open file is closed. True when the closing boundary was seen.
    pub(super) fn finish(&mut self, found: &mut dyn FnMut(Piece<'_>)) -> bool {
        let whole = self.state == State::End;
        match self.state {
            State::File => {
                found(Piece::Data(&self.held));
                found(Piece::Close);
            }
            State::Headers if !self.held.is_empty() => found(Piece::Event(events::MULTIPART_GENERIC_ERROR)),
            _ => {}
        }
        self.held = Vec::new();
        self.state = State::End;
        whole
    }

    pub(super) fn memory(&self) -> usize {
        self.held.capacity() + self.delimiter.capacity()
    }

    fn walk(&mut self, data: &[u8], found: &mut dyn FnMut(Piece<'_>)) -> usize {
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            match self.state {
                State::End => return data.len(),
                State::Headers => match part_headers(rest) {
                    Some(len) => {
                        let headers = rest.get(..len).unwrap_or_default();
                        self.state = State::Field;
                        match file_name(headers) {
                            Ok(Some(name)) => {
                                found(Piece::Open(name));
                                self.state = State::File;
                            }
                            Ok(None) => {}
                            Err(event) => found(Piece::Event(event)),
                        }
                        // the line end before the part may be the one before its boundary
                        at += len - 1;
                        if self.state == State::File {
                            at += 1;
                            if data.get(at..).is_some_and(|rest| rest.starts_with(&self.delimiter[1..])) {
                                at -= 1;
                            }
                        }
                    }
                    None if rest.len() > PART_HEADERS_MAX => {
                        found(Piece::Event(events::MULTIPART_INVALID_HEADER));
                        self.state = State::Field;
                    }
                    None => return at,
                },
                State::Preamble | State::File | State::Field => {
                    match memchr::memmem::find(rest, &self.delimiter) {
                        Some(hit) => {
                            let after = hit + self.delimiter.len();
                            // "--" or a line end decides; wait for both bytes
                            let Some(tail) = rest.get(after..after + 2) else {
                                let keep = hit.saturating_sub(1);
                                if self.state == State::File {
                                    found(Piece::Data(rest.get(..keep).unwrap_or_default()));
                                }
                                return at + keep;
                            };
                            if self.state == State::File {
                                let end = match rest.get(hit.wrapping_sub(1)) {
                                    Some(b'\r') => hit - 1,
                                    _ => hit,
                                };
                                found(Piece::Data(rest.get(..end).unwrap_or_default()));
                                found(Piece::Close);
                            }
                            if tail == b"--" {
                                self.state = State::End;
                                return data.len();
                            }
                            at += after;
                            match memchr::memchr(b'\n', data.get(at..).unwrap_or_default()) {
                                Some(lf) if lf <= 2 => at += lf + 1,
                                // a longer word that only begins like the boundary, or padding: headers follow
                                Some(_) | None => {}
                            }
                            self.state = State::Headers;
                        }
                        None => {
                            // the last bytes may be the beginning of a delimiter, a CR before it included
                            let keep = rest.len().saturating_sub(self.delimiter.len());
                            if self.state == State::File {
                                found(Piece::Data(rest.get(..keep).unwrap_or_default()));
                            }
                            return at + keep;
                        }
                    }
                }
            }
        }
    }
}

/// The length of a part's headers with their empty line.
fn part_headers(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let lf = from + memchr::memchr(b'\n', data.get(from..)?)?;
        match data.get(from..lf)? {
            b"" | b"\r" => return Some(lf + 1),
            _ => from = lf + 1,
        }
    }
}

/// The file name that a part's headers give; an event when they are malformed.
fn file_name(headers: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    const NAME: &[u8] = b"content-disposition:";
    for line in headers.split(|&c| c == b'\n') {
        let Some((name, value)) = line.split_at_checked(NAME.len()) else { continue };
        if name.eq_ignore_ascii_case(NAME) {
            if !holds(value, "form-data") && !holds(value, "attachment") && !holds(value, "file") {
                return Err(events::MULTIPART_INVALID_HEADER);
            }
            return Ok(parameter(value, "filename"));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(body: &[u8], step: usize) -> (Vec<(String, String)>, bool) {
        let mut out: Vec<(String, String)> = Vec::new();
        let mut open = false;
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Open(name) => {
                out.push((String::from_utf8(name).unwrap(), String::new()));
                open = true;
            }
            Piece::Data(bytes) => {
                assert!(open);
                out.last_mut().unwrap().1.push_str(std::str::from_utf8(bytes).unwrap());
            }
            Piece::Close => open = false,
            Piece::Event(_) => {}
        };
        let mut parts = Multipart::new(b"XX");
        for piece in body.chunks(step) {
            parts.feed(piece, &mut take);
        }
        let whole = parts.finish(&mut take);
        (out, whole)
    }

    #[test]
    fn files_are_found_however_the_body_is_cut() {
        let body = b"--XX\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nval\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nfile\r\n-data\r\n--XX\r\n\
            Content-Disposition: form-data; filename=b; name=g\r\n\r\n\r\n--XX\r\n\
            content-disposition: form-data; filename=c\r\n\r\n--X\r\n--XX--\r\n";
        let expected = [("a.txt", "file\r\n-data"), ("b", ""), ("c", "--X")];
        for step in 1..body.len() {
            let (got, whole) = files(body, step);
            let got: Vec<(&str, &str)> = got.iter().map(|(n, d)| (n.as_str(), d.as_str())).collect();
            assert_eq!(got, expected, "step {step}");
            assert!(whole);
        }
    }

    #[test]
    fn a_body_cut_short_keeps_what_came() {
        let body = b"--XX\r\nContent-Disposition: form-data; filename=a\r\n\r\nabc\r\n--X";
        let (got, whole) = files(body, 7);
        assert_eq!(got, [("a".to_owned(), "abc\r\n--X".to_owned())]);
        assert!(!whole);
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary(b"multipart/form-data; boundary=\"a b\"").unwrap(), b"a b");
        assert_eq!(boundary(b"Multipart/Form-Data;boundary=x;charset=y").unwrap(), b"x");
        assert_eq!(boundary(b"text/plain; boundary=x"), None);
        assert_eq!(boundary(b"multipart/form-data"), None);
    }
}
