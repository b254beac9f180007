//! Request and status lines, and the small values of headers that frame a message.

use super::uri::host_port;

/// White space as a lenient server sees it.
pub(super) fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

/// A token's character (RFC 9110 section 5.6.2).
pub(super) fn is_token(c: u8) -> bool {
    c.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&c)
}

/// Without white space at its ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&c| !is_space(c)).unwrap_or(text.len());
    let end = text.iter().rposition(|&c| !is_space(c)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}

/// Without line ends at its end.
pub(super) fn chomp(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|c| !matches!(c, b'\r' | b'\n')).map_or(0, |at| at + 1);
    line.get(..end).unwrap_or_default()
}

/// Whether `text` holds `word` (lower case) in any case, NUL bytes ignored.
pub(super) fn holds(text: &[u8], word: &str) -> bool {
    let plain: Vec<u8> = text.iter().filter(|&&c| c != 0).map(u8::to_ascii_lowercase).collect();
    memchr::memmem::find(&plain, word.as_bytes()).is_some()
}

/// Methods that begin a request.
pub(super) const METHODS: &[&str] = &[
    "GET",
    "PUT",
    "POST",
    "HEAD",
    "TRACE",
    "OPTIONS",
    "CONNECT",
    "DELETE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "MERGE",
    "INVALID",
    "VERSION-CONTROL",
    "BASELINE-CONTROL",
];

/// Whether the word is a known method; case matters.
pub(super) fn is_method(word: &[u8]) -> bool {
    METHODS.iter().any(|method| method.as_bytes() == word)
}

/// A protocol version as far as it changes the parsing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// Not a version.
    #[default]
    Invalid,
    /// 0.9
    Http09,
    /// 1.0
    Http10,
    /// 1.1
    Http11,
}

/// Reads `HTTP/1.1`; white space around the slash and leading zeros are let through.
pub(super) fn version(text: &[u8]) -> Version {
    let text = text.trim_ascii();
    let Some((word, rest)) = text.split_at_checked(4) else { return Version::Invalid };
    if !word.eq_ignore_ascii_case(b"HTTP") {
        return Version::Invalid;
    }
    let Some(rest) = rest.trim_ascii_start().strip_prefix(b"/") else { return Version::Invalid };
    let skip = rest.iter().take_while(|c| c.is_ascii_whitespace() || **c == b'0').count();
    match rest.get(skip..).unwrap_or_default() {
        b".9" => Version::Http09,
        b"1.0" => Version::Http10,
        b"1.1" => Version::Http11,
        _ => Version::Invalid,
    }
}

/// A request line's parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) protocol: &'a [u8],
    pub(super) leading_space: bool,
    pub(super) odd_method_end: bool,
    pub(super) odd_target_end: bool,
}

/// Splits a request line (without its line end) at white space.
pub(super) fn request_line(line: &[u8]) -> RequestLine<'_> {
    let mut out = RequestLine::default();
    let start = line.iter().take_while(|&&c| is_space(c)).count();
    out.leading_space = start > 0;
    let line = line.get(start..).unwrap_or_default();
    let len = line.iter().position(|&c| is_space(c)).unwrap_or(line.len());
    let (method, rest) = line.split_at(len);
    out.method = method;
    let gap = rest.iter().take_while(|&&c| is_space(c)).count();
    out.odd_method_end = rest.iter().take(gap).any(|&c| c != b' ');
    let rest = trim(rest);
    let mut end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    out.odd_target_end = rest.iter().take(end).any(|&c| is_space(c));
    if out.odd_target_end && end == rest.len() {
        end = rest.iter().position(|&c| is_space(c)).unwrap_or(end);
    }
    let (target, protocol) = rest.split_at(end);
    out.target = target;
    out.protocol = trim(protocol);
    out
}

/// A status line's parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StatusLine<'a> {
    pub(super) protocol: &'a [u8],
    pub(super) code: &'a [u8],
    pub(super) message: &'a [u8],
}

/// Splits a status line (without its line end) at white space.
pub(super) fn status_line(line: &[u8]) -> StatusLine<'_> {
    let word = |text: &'_ [u8]| text.iter().position(|&c| is_space(c)).unwrap_or(text.len());
    let skip = line.iter().take_while(|&&c| is_space(c) || c == 0).count();
    let line = line.get(skip..).unwrap_or_default();
    let (protocol, rest) = line.split_at(word(line));
    let rest = rest.get(rest.iter().take_while(|&&c| is_space(c)).count()..).unwrap_or_default();
    let (code, rest) = rest.split_at(word(rest));
    let message = rest.get(rest.iter().take_while(|&&c| is_space(c)).count()..).unwrap_or_default();
    StatusLine { protocol, code, message }
}

/// A status code, 100..=999, or 0.
pub(super) fn status(code: &[u8]) -> u16 {
    match code {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => 0,
    }
}

/// Whether a line of a response is a status line: browsers ask for no more than `http` at its beginning.
pub(super) fn is_status_line(line: &[u8]) -> bool {
    let skip = line.iter().take_while(|&&c| is_space(c) || c == 0).count();
    line.get(skip..skip + 4).is_some_and(|word| word.eq_ignore_ascii_case(b"http"))
}

/// Whether it may still become one.
pub(super) fn may_be_status_line(line: &[u8]) -> bool {
    let skip = line.iter().take_while(|&&c| is_space(c) || c == 0).count();
    let word = line.get(skip..).unwrap_or_default();
    word.iter().zip(b"http").all(|(a, b)| a.to_ascii_lowercase() == *b)
}

/// `Content-Length`: the first run of digits, whatever stands around it.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().skip_while(|c| !c.is_ascii_digit()).take_while(|c| c.is_ascii_digit());
    let mut length: Option<u64> = None;
    for digit in digits {
        length = Some(length.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?);
    }
    length
}

/// A chunk's header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// Only white space: look at the next line.
    Empty,
    /// So many bytes follow; whether there was an extension.
    Length(u64, bool),
    /// It is none.
    Invalid,
}

/// Most bytes of one chunk.
const CHUNK_MAX: u64 = i32::MAX as u64;

/// Reads a chunk's header line: hexadecimal digits, white space before them, anything behind them.
pub(super) fn chunk_length(line: &[u8]) -> Chunk {
    let text = trim(line);
    if text.is_empty() {
        return Chunk::Empty;
    }
    let mut length = 0u64;
    let mut digits = 0;
    for &c in text {
        let Some(digit) = (c as char).to_digit(16) else { break };
        length = length << 4 | u64::from(digit);
        digits += 1;
        if length > CHUNK_MAX {
            return Chunk::Invalid;
        }
    }
    if digits == 0 {
        return Chunk::Invalid;
    }
    Chunk::Length(length, text.contains(&b';'))
}

/// Whether the beginning of a chunk's header line can still become one.
pub(super) fn may_be_chunk_length(line: &[u8]) -> bool {
    line.iter().find(|&&c| !is_space(c)).is_none_or(u8::is_ascii_hexdigit)
}

/// What a `Host` header (or the authority of a target) says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::protocols) struct Host {
    /// Lower case, without port.
    pub(in crate::protocols) name: Vec<u8>,
    /// The port, when there is a valid one.
    pub(in crate::protocols) port: Option<u16>,
    /// The name or the port is malformed.
    pub(in crate::protocols) invalid: bool,
}

/// Reads `host:port`.
pub(in crate::protocols) fn host(value: &[u8]) -> Host {
    let (name, port_text) = host_port(value);
    let port =
        port_text.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).filter(|&port| port > 0);
    Host {
        name: name.to_ascii_lowercase(),
        port,
        invalid: !valid_host(name) || (port_text.is_some() && port.is_none()),
    }
}

/// A host name (relaxed: underscores pass), an address, or a bracketed IPv6 address.
fn valid_host(name: &[u8]) -> bool {
    if name.is_empty() || name.len() > 255 {
        return false;
    }
    if let Some(inner) = name.strip_prefix(b"[") {
        let inner = inner.strip_suffix(b"]").and_then(|inner| std::str::from_utf8(inner).ok());
        return inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    name.split(|&c| c == b'.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label.iter().all(|&c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    })
}

/// `Content-Range: bytes 0-9/100` as first byte, last byte and whole size; what is `*` is `None`.
pub(super) type ContentRange = (Option<u64>, Option<u64>, Option<u64>);

/// Reads `Content-Range` (RFC 9110 section 14.4).
pub(super) fn content_range(value: &[u8]) -> Option<ContentRange> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let rest = text.strip_prefix("bytes")?.trim_start();
    let (range, size) = rest.split_once('/')?;
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    if range.trim() == "*" {
        return size.map(|size| (None, None, Some(size)));
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    if last < first {
        return None;
    }
    Some((Some(first), Some(last), size))
}

/// A parameter of a header value (`attachment; filename="a b"`), unquoted.
pub(super) fn parameter(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut i = memchr::memchr(b';', value)? + 1;
    while i < value.len() {
        let rest = value.get(i..)?;
        let skip = rest.iter().take_while(|&&c| is_space(c) || c == b';').count();
        let rest = rest.get(skip..)?;
        i += skip;
        let equals = rest.iter().position(|&c| c == b'=' || c == b';').unwrap_or(rest.len());
        let key = trim(rest.get(..equals)?);
        i += equals;
        if rest.get(equals) != Some(&b'=') {
            continue;
        }
        i += 1;
        let text = rest.get(equals + 1..)?;
        let blank = text.iter().take_while(|&&c| is_space(c)).count();
        let text = text.get(blank..)?;
        i += blank;
        let mut out = Vec::new();
        if text.first() == Some(&b'"') {
            let mut at = 1;
            loop {
                match text.get(at) {
                    Some(b'\\') if matches!(text.get(at + 1), Some(b'"')) => {
                        out.push(b'"');
                        at += 2;
                    }
                    Some(b'"') | None => break,
                    Some(&c) => {
                        out.push(c);
                        at += 1;
                    }
                }
            }
            i += at + 1;
        } else {
            let end = memchr::memchr(b';', text).unwrap_or(text.len());
            out.extend_from_slice(trim(text.get(..end)?));
            i += end;
        }
        if key.eq_ignore_ascii_case(name.as_bytes()) {
            return Some(out);
        }
    }
    None
}

/// Where the next status line begins; bytes before it are of something else.
pub(super) fn next_status_line(data: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(data, b"HTTP/1.").find(|&at| at == 0 || data[at - 1] == b'\n')
}

/// Where the next request line with a version begins; bytes before it are of something else. Each line is looked at once.
pub(super) fn next_request_line(data: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(data.get(from..)?, b" HTTP/1.").map(|at| from + at) {
        let start = memchr::memrchr(b'\n', data.get(from..at)?).map_or(from, |lf| from + lf + 1);
        let line = data.get(start..=at)?;
        let method = memchr::memchr(b' ', line).unwrap_or(0);
        if method > 0 && line.iter().take(method).all(u8::is_ascii_uppercase) {
            return Some(start);
        }
        // the rest of this line says nothing more
        from = at + memchr::memchr(b'\n', data.get(at..)?)? + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        for (line, method, target, protocol) in [
            ("GET / HTTP/1.1", "GET", "/", "HTTP/1.1"),
            (" GET  /a b c HTTP/1.1", "GET", "/a", "b c HTTP/1.1"),
            ("GET\t/ HTTP/1.1", "GET", "/", "HTTP/1.1"),
            ("GET /a\tb HTTP/1.1", "GET", "/a\tb", "HTTP/1.1"),
            ("GET /a\tHTTP/1.1", "GET", "/a", "HTTP/1.1"),
            ("GET  HTTP/1.1", "GET", "HTTP/1.1", ""),
            ("GET /x", "GET", "/x", ""),
            ("GET", "GET", "", ""),
            ("", "", "", ""),
        ] {
            let got = request_line(line.as_bytes());
            assert_eq!(
                (got.method, got.target, got.protocol),
                (method.as_bytes(), target.as_bytes(), protocol.as_bytes()),
                "{line:?}"
            );
        }
    }

    #[test]
    fn status_lines() {
        let got = status_line(b"HTTP/7.1  200  OK  x ");
        assert_eq!((got.protocol, got.code, got.message), (&b"HTTP/7.1"[..], &b"200"[..], &b"OK  x "[..]));
        assert_eq!((status(b"200"), status(b"99"), status(b"abc"), status(b"2000")), (200, 0, 0, 0));
        assert!(is_status_line(b"\0 HtTp") && !is_status_line(b"HTT") && may_be_status_line(b"HTT"));
        assert!(!may_be_status_line(b"HTX") && may_be_status_line(b"HTTP/1.1 200"));
    }

    #[test]
    fn versions() {
        for (text, expected) in [
            ("HTTP/1.1", Version::Http11),
            ("http / 01.0", Version::Http10),
            ("HTTP/.9", Version::Http09),
            ("HTTP/1.1x", Version::Invalid),
            ("HTTP/2.0", Version::Invalid),
            ("", Version::Invalid),
        ] {
            assert_eq!(version(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn lengths() {
        for (text, length) in [
            ("5", Some(5)),
            (" 5 ", Some(5)),
            ("a3b4", Some(3)),
            ("x", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(content_length(text.as_bytes()), length, "{text}");
        }
        for (line, chunk) in [
            ("5\r\n", Chunk::Length(5, false)),
            (" 1F;a=b\r\n", Chunk::Length(31, true)),
            ("\r\n", Chunk::Empty),
            ("zz\r\n", Chunk::Invalid),
            ("ffffffff\r\n", Chunk::Invalid),
            ("0000000000000000000000005\n", Chunk::Length(5, false)),
        ] {
            assert_eq!(chunk_length(line.as_bytes()), chunk, "{line:?}");
        }
    }

    #[test]
    fn hosts() {
        for (text, name, port, invalid) in [
            ("ExAmple.com:8080", "example.com", Some(8080), false),
            ("a.b.", "a.b.", None, false),
            ("a..b:99999", "a..b", None, true),
            ("[::1]:80", "[::1]", Some(80), false),
            ("[::x]", "[::x]", None, true),
            ("a, b", "a, b", None, true),
            ("a_b:0", "a_b", None, true),
        ] {
            let got = host(text.as_bytes());
            assert_eq!(
                (got.name.as_slice(), got.port, got.invalid),
                (name.as_bytes(), port, invalid),
                "{text}"
            );
        }
    }

    #[test]
    fn ranges_and_parameters() {
        assert_eq!(content_range(b"bytes 0-9/100"), Some((Some(0), Some(9), Some(100))));
        assert_eq!(content_range(b"bytes 0-1/*"), Some((Some(0), Some(1), None)));
        assert_eq!(content_range(b"bytes */5"), Some((None, None, Some(5))));
        assert_eq!(content_range(b"bites"), None);
        assert_eq!(content_range(b"bytes 9-1/10"), None);
        let value = b"form-data; name=\"f\"; FileName=\"a \\\"b\\\".txt\"; x=y ";
        assert_eq!(parameter(value, "filename").unwrap(), b"a \"b\".txt");
        assert_eq!(parameter(value, "x").unwrap(), b"y");
        assert_eq!(parameter(value, "z"), None);
        assert_eq!(parameter(b"a; b; c=\"", "c").unwrap(), b"");
    }

    #[test]
    fn the_next_request_line_is_found_behind_other_bytes() {
        for (data, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(0)),
            (b"rest of a body\r\nPOST /a HTTP/1.0\r\n", Some(16)),
            (b"see / HTTP/1.1 for more\nHEAD / HTTP/1.1\r\n", Some(24)),
            (b" HTTP/1.1\r\nGET / HTTP/1.1", Some(11)),
            (b"nothing HTTP/1.1 here", None),
            (b"", None),
        ] {
            assert_eq!(next_request_line(data), expected, "{}", data.escape_ascii());
        }
        // one long line of hits is passed over once, not once a hit
        let mut data = vec![b'x'];
        data.extend(b" HTTP/1.".repeat(1 << 19));
        assert_eq!(next_request_line(&data), None);
        data.extend(b"\nGET / HTTP/1.1\r\n");
        assert_eq!(next_request_line(&data), Some(data.len() - 16));
    }
}
