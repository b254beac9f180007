//! A request target: split into its parts and normalised as a lenient server would read it.
//!
//! The parts are RFC 3986's; what is decoded how is the configured [`Decoding`]. Everything malformed is kept, never refused.

use super::bestfit::best_fit;

/// What to do with `%` that does not begin an escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadEscape {
    /// Keep the `%`.
    Keep,
    /// Drop the `%`.
    Drop,
    /// Take the two characters as if they were hexadecimal digits.
    Decode,
}

/// How paths and queries are decoded (`personality`, and the switches that change it).
#[derive(Clone, Copy, Debug)]
pub(super) struct Decoding {
    pub(super) double_path: bool,
    pub(super) double_query: bool,
    pub(super) backslash_is_slash: bool,
    pub(super) lowercase: bool,
    pub(super) compress_slashes: bool,
    pub(super) decode_slashes: bool,
    pub(super) plus_is_space: bool,
    pub(super) nul_ends: bool,
    pub(super) encoded_nul_ends: bool,
    pub(super) decode_u: bool,
    pub(super) utf8_best_fit: bool,
    pub(super) bad_escape: BadEscape,
    pub(super) whole: bool,
}

impl Decoding {
    /// As much decoding as any server may do: `personality: IDS`.
    pub(super) const IDS: Decoding = Decoding {
        double_path: false,
        double_query: false,
        backslash_is_slash: true,
        lowercase: false,
        compress_slashes: true,
        decode_slashes: true,
        plus_is_space: false,
        nul_ends: false,
        encoded_nul_ends: false,
        decode_u: true,
        utf8_best_fit: true,
        bad_escape: BadEscape::Keep,
        whole: false,
    };

    /// A server personality by its name in the configuration; `None` for an unknown one.
    pub(super) fn personality(name: &str) -> Option<Self> {
        let generic = Decoding { decode_u: false, utf8_best_fit: false, ..Self::IDS };
        Some(match name.to_ascii_lowercase().as_str() {
            "ids" => Self::IDS,
            "minimal" => Decoding {
                backslash_is_slash: false,
                compress_slashes: false,
                decode_slashes: false,
                ..generic
            },
            "generic" | "iis_4_0" | "iis_5_0" | "iis_5_1" => generic,
            "iis_6_0" | "iis_7_0" | "iis_7_5" => Decoding { decode_u: true, ..generic },
            "apache" | "apache_2" | "tomcat_6_0" => {
                Decoding { backslash_is_slash: false, decode_slashes: false, ..generic }
            }
            _ => return None,
        })
    }
}

/// The parts of a target as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) scheme: Option<&'a [u8]>,
    pub(super) user: Option<&'a [u8]>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) port: Option<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    pub(super) query: Option<&'a [u8]>,
    pub(super) fragment: Option<&'a [u8]>,
}

/// Splits a target. An authority is looked for only behind a scheme: `//x/y` is a path.
pub(super) fn split(target: &[u8]) -> Parts<'_> {
    let mut parts = Parts::default();
    let mut rest = target;
    if !rest.starts_with(b"/")
        && let Some(colon) = memchr::memchr(b':', rest)
        && !rest[..colon].iter().any(|c| matches!(c, b'?' | b'#'))
    {
        parts.scheme = Some(&rest[..colon]);
        rest = &rest[colon + 1..];
        if rest.starts_with(b"//") && !rest.starts_with(b"///") {
            rest = &rest[2..];
            let end = rest.iter().position(|c| matches!(c, b'/' | b'?' | b'#')).unwrap_or(rest.len());
            let mut authority = &rest[..end];
            if let Some(at) = memchr::memrchr(b'@', authority) {
                parts.user = Some(&authority[..at]);
                authority = &authority[at + 1..];
            }
            let (host, port) = host_port(authority);
            parts.host = Some(host);
            parts.port = port;
            rest = &rest[end..];
        }
    }
    if let Some(hash) = memchr::memchr(b'#', rest) {
        parts.fragment = Some(&rest[hash + 1..]);
        rest = &rest[..hash];
    }
    if let Some(mark) = memchr::memchr(b'?', rest) {
        parts.query = Some(&rest[mark + 1..]);
        rest = &rest[..mark];
    }
    if !rest.is_empty() {
        parts.path = Some(rest);
    }
    parts
}

/// Splits `host:port`; brackets of an IPv6 address stay with the host. Spaces at the ends are dropped.
pub(super) fn host_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let authority = authority.trim_ascii();
    let from = match authority.first() {
        Some(b'[') => memchr::memchr(b']', authority).map_or(authority.len(), |end| end + 1),
        _ => 0,
    };
    match memchr::memchr(b':', &authority[from..]) {
        Some(colon) => {
            (authority[..from + colon].trim_ascii_end(), Some(authority[from + colon + 1..].trim_ascii()))
        }
        None => (authority, None),
    }
}

/// Something to report of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Decoding a second time changed the path or the query.
    pub(super) double_encoded: bool,
}

/// The normalised target: path, query and fragment (all of it with `uri-include-all`).
pub(super) fn normalise(parts: &Parts<'_>, how: &Decoding, out: &mut Vec<u8>) -> Found {
    let mut found = Found::default();
    if how.whole {
        if let Some(scheme) = parts.scheme {
            out.extend(scheme.iter().map(u8::to_ascii_lowercase));
            out.extend_from_slice(b"://");
        }
        if let Some(user) = parts.user {
            decode(user, how, out);
            out.push(b'@');
        }
        if let Some(host) = parts.host {
            out.extend(host.iter().map(u8::to_ascii_lowercase));
        }
        if let Some(port) = parts.port {
            out.push(b':');
            out.extend_from_slice(port);
        }
    }
    if let Some(path) = parts.path {
        let clean = normalise_path(path, how);
        if how.double_path {
            let before = out.len();
            decode(&clean, how, out);
            found.double_encoded |= out.len() - before < clean.len();
        } else {
            out.extend_from_slice(&clean);
        }
    }
    if let Some(query) = parts.query {
        out.push(b'?');
        if how.double_query {
            let mut once = Vec::with_capacity(query.len());
            decode(query, how, &mut once);
            let before = out.len();
            decode(&once, how, out);
            found.double_encoded |= out.len() - before < once.len();
        } else {
            decode(query, how, out);
        }
    }
    if let Some(fragment) = parts.fragment {
        out.push(b'#');
        decode(fragment, how, out);
    }
    found
}

/// A path decoded, mapped to one byte a character, and without dot segments.
pub(super) fn normalise_path(path: &[u8], how: &Decoding) -> Vec<u8> {
    let mut out = decode_path(path, how);
    if how.utf8_best_fit && !out.is_ascii() {
        out = utf8_best_fit(&out);
    }
    remove_dot_segments(&mut out);
    out
}

fn hex(c: u8) -> Option<u8> {
    (c as char).to_digit(16).map(|digit| digit as u8)
}

/// Two hexadecimal digits, or what a careless server makes of any two bytes.
fn pair(digits: &[u8], careless: bool) -> Option<u8> {
    let &[a, b] = digits else { return None };
    match (hex(a), hex(b)) {
        (Some(a), Some(b)) => Some(a << 4 | b),
        _ if careless => {
            let digit = |c: u8| {
                if c >= b'A' { (c & 0xdf).wrapping_sub(b'A').wrapping_add(10) } else { c.wrapping_sub(b'0') }
            };
            Some((digit(a) << 4).wrapping_add(digit(b)))
        }
        _ => None,
    }
}

/// What follows a `%`: the byte (or none, when it is dropped) and how many bytes behind the `%` were used.
fn escape(after: &[u8], how: &Decoding, with_u: bool) -> (Option<u8>, usize) {
    let careless = how.bad_escape == BadEscape::Decode;
    let percent = if how.bad_escape == BadEscape::Drop { None } else { Some(b'%') };
    match after.first() {
        Some(b'u' | b'U') if with_u => match after.get(1..5) {
            Some(digits) => match (pair(&digits[..2], careless), pair(&digits[2..], careless)) {
                (Some(high), Some(low)) => (Some(best_fit(u32::from(high) << 8 | u32::from(low))), 5),
                _ => (percent, 0),
            },
            None => (percent, 0),
        },
        // without %u decoding the escape stays as it is
        Some(b'u' | b'U') => (Some(b'%'), 0),
        _ => match after.get(..2).and_then(|digits| pair(digits, careless)) {
            Some(byte) => (Some(byte), 2),
            None => (percent, 0),
        },
    }
}

fn decode_path(path: &[u8], how: &Decoding) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut i = 0;
    while let Some(&raw) = path.get(i) {
        i += 1;
        let mut byte = raw;
        if raw == b'%' {
            let (decoded, used) = escape(&path[i..], how, how.decode_u);
            let Some(decoded) = decoded else { continue };
            let separator = decoded == b'/' || (how.backslash_is_slash && decoded == b'\\');
            if used == 2 && separator && !how.decode_slashes {
                out.push(b'%');
                continue;
            }
            i += used;
            byte = decoded;
            if used > 0 && byte == 0 && how.encoded_nul_ends {
                break;
            }
        } else if raw == 0 && how.nul_ends {
            break;
        }
        if byte == b'\\' && how.backslash_is_slash {
            byte = b'/';
        }
        if how.lowercase {
            byte = byte.to_ascii_lowercase();
        }
        if byte == b'/' && how.compress_slashes && out.last() == Some(&b'/') {
            continue;
        }
        out.push(byte);
    }
    out
}

/// Decodes a query (or another part that is not a path).
fn decode(text: &[u8], how: &Decoding, out: &mut Vec<u8>) {
    let mut i = 0;
    while let Some(&raw) = text.get(i) {
        i += 1;
        match raw {
            b'%' => {
                let (decoded, used) = escape(&text[i..], how, false);
                i += used;
                match decoded {
                    Some(0) if used > 0 && how.encoded_nul_ends => break,
                    Some(byte) => out.push(byte),
                    None => {}
                }
            }
            b'+' if how.plus_is_space => out.push(b' '),
            0 if how.nul_ends => break,
            _ => out.push(raw),
        }
    }
}

/// UTF-8, overlong forms too, to one byte a character; `?` for what is not UTF-8.
fn utf8_best_fit(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while let Some(&first) = text.get(i) {
        i += 1;
        let (more, bits) = match first {
            0..0x80 => {
                out.push(first);
                continue;
            }
            0xc0..0xe0 => (1, first & 0x1f),
            0xe0..0xf0 => (2, first & 0x0f),
            0xf0..0xf5 => (3, first & 0x07),
            _ => {
                out.push(b'?');
                continue;
            }
        };
        let mut code = u32::from(bits);
        let tail = text[i..].iter().take(more).take_while(|&&c| c & 0xc0 == 0x80);
        let mut seen = 0;
        for &c in tail {
            code = code << 6 | u32::from(c & 0x3f);
            seen += 1;
        }
        i += seen;
        match seen {
            _ if seen == more => out.push(best_fit(code)),
            // cut short by the end: one for each byte but the first
            _ if i == text.len() => out.extend(std::iter::repeat_n(b'?', seen)),
            _ => out.push(b'?'),
        }
    }
    out
}

/// RFC 3986 section 5.2.4, in place; a trailing `/.` or `/..` leaves no slash.
fn remove_dot_segments(path: &mut Vec<u8>) {
    if memchr::memchr(b'.', path).is_none() {
        return;
    }
    let input = std::mem::take(path);
    let mut rest: &[u8] = &input;
    // "./" and "../" in front of a relative path
    while let Some(tail) = rest.strip_prefix(b"../").or_else(|| rest.strip_prefix(b"./")) {
        rest = tail;
    }
    if rest == b"." || rest == b".." {
        return;
    }
    path.reserve(rest.len());
    while let Some(&first) = rest.first() {
        let from = usize::from(first == b'/');
        let end = memchr::memchr(b'/', &rest[from..]).map_or(rest.len(), |at| at + from);
        let (segment, tail) = rest.split_at(end);
        match segment {
            b"/." => {}
            b"/.." => {
                let cut = memchr::memrchr(b'/', path).unwrap_or(0);
                path.truncate(cut);
            }
            _ => path.extend_from_slice(segment),
        }
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(how: &Decoding, table: &[(&[u8], &[u8])]) {
        for (target, expected) in table {
            let mut out = Vec::new();
            normalise(&split(target), how, &mut out);
            assert_eq!(out, *expected, "{} gave {}", target.escape_ascii(), out.escape_ascii());
        }
    }

    #[test]
    fn targets_as_an_ids_reads_them() {
        check(
            &Decoding::IDS,
            &[
                (b"/a/../b//c\\d%2fe+f%u0041%41%zz?q=%41+b%2fc%u0041", b"/b/c/d/e+fAA%zz?q=A+b/c%u0041"),
                (b"/%00x", b"/\0x"),
                (b"/a%c0%afb", b"/a/b"),
                (b"/\xc3\xa9?x=\xc3\xa9", b"/\xe9?x=\xc3\xa9"),
                (b"/a%252fb?c=%2541", b"/a%2fb?c=%41"),
                (b"http://User:Pw@Host.Com:81/p/%41?q#frag", b"/p/A?q#frag"),
                (b"/%u002fa", b"/a"),
                (b"/a/./b/..", b"/a"),
                (b"/a/..", b""),
                (b"/..//../x", b"/x"),
                (b"*", b"*"),
                (b"/a%", b"/a%"),
                (b"/a%4", b"/a%4"),
                (b"/a?b?c#d%41", b"/a?b?c#dA"),
                (b"/%uff21", b"/A"),
                (b"//x/y", b"/x/y"),
                (b"/a%5cb", b"/a/b"),
                (b"/a;b=c/../d", b"/d"),
                (b"?x", b"?x"),
                (b"./a", b"a"),
                (b"/a\tb", b"/a\tb"),
                (b"/%01\x01", b"/\x01\x01"),
                (b"", b""),
                (b"/...", b"/..."),
                (b"/a/b/../../../../c", b"/c"),
            ],
        );
    }

    #[test]
    fn other_personalities_decode_less() {
        let apache = Decoding::personality("Apache_2").unwrap();
        check(&apache, &[(b"/a\\b%2fc//d%u0041", b"/a\\b%2fc/d%u0041"), (b"/%41", b"/A")]);
        let minimal = Decoding::personality("Minimal").unwrap();
        check(&minimal, &[(b"/a//b\\%2f%41", b"/a//b\\%2fA")]);
        assert!(Decoding::personality("nginx").is_none());
    }

    #[test]
    fn double_encoding_is_undone_and_told() {
        let how = Decoding { double_path: true, double_query: true, ..Decoding::IDS };
        let mut out = Vec::new();
        assert!(normalise(&split(b"/%2541?%2542"), &how, &mut out).double_encoded);
        assert_eq!(out, b"/A?B");
        out.clear();
        assert!(!normalise(&split(b"/%41?%42"), &how, &mut out).double_encoded);
    }

    #[test]
    fn bad_escapes_follow_the_setting() {
        check(&Decoding { bad_escape: BadEscape::Drop, ..Decoding::IDS }, &[(b"/a%zz%", b"/azz")]);
        check(&Decoding { bad_escape: BadEscape::Decode, ..Decoding::IDS }, &[(b"/a%4g", b"/aP")]);
    }

    #[test]
    fn authorities() {
        for (text, host, port) in [
            ("a:80", "a", Some("80")),
            ("a", "a", None),
            ("[::1]:8080", "[::1]", Some("8080")),
            ("[::1]", "[::1]", None),
            (" a : 80 ", "a", Some("80")),
            ("[::1", "[::1", None),
            ("", "", None),
        ] {
            assert_eq!(host_port(text.as_bytes()), (host.as_bytes(), port.map(str::as_bytes)), "{text}");
        }
    }
}
