//! Header fields of messages and their parameters (RFC 5322 section 2.2, RFC 2045 section 5.1, RFC 2231).

/// Bytes of a parameter's value.
const PARAMETER_MAX: usize = 4096;
/// Pieces of a parameter that is cut up (RFC 2231 section 3).
const PIECES_MAX: usize = 64;

/// Splits `name: value`; `None` when the line is no field.
pub(super) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at(colon);
    let valid = !name.is_empty() && name.iter().all(|c| (33..=126).contains(c));
    valid.then(|| (name, value.get(1..).unwrap_or_default()))
}

/// The value up to its first parameter, in lower case.
pub(super) fn token(value: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase()
}

/// The value of a parameter: plain, quoted, percent-encoded, or in numbered pieces.
pub(super) fn parameter(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut whole = None;
    let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
    let rest = value.get(memchr::memchr(b';', value)?..).unwrap_or_default();
    for (key, text) in (Parameters { rest }) {
        let Some(tail) = strip_prefix_ignoring_case(key, name.as_bytes()) else { continue };
        match tail {
            b"" => whole = whole.or(Some(text)),
            b"*" => return Some(extended(&text, true)),
            [b'*', number @ ..] => {
                let (number, encoded) = match number.split_last() {
                    Some((b'*', number)) => (number, true),
                    _ => (number, false),
                };
                let number = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok());
                if let (Some(number), true) = (number, pieces.len() < PIECES_MAX) {
                    let text = if encoded { extended(&text, number == 0) } else { text };
                    pieces.push((number, text));
                }
            }
            _ => {}
        }
    }
    if pieces.is_empty() {
        return whole;
    }
    pieces.sort_by_key(|(number, _)| *number);
    let mut joined: Vec<u8> = pieces.into_iter().flat_map(|(_, text)| text).collect();
    joined.truncate(PARAMETER_MAX);
    Some(joined)
}

/// Addresses between commas, as they are written; a comma within quotes is none.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let comma = text.iter().position(|&c| {
            quoted ^= c == b'"';
            c == b',' && !quoted
        });
        let (item, tail) = match comma {
            Some(at) => (text.get(..at)?, text.get(at + 1..)),
            None => (text, None),
        };
        rest = tail;
        Some(item.trim_ascii())
    })
    .filter(|item| !item.is_empty())
}

struct Parameters<'v> {
    /// From a semicolon on.
    rest: &'v [u8],
}

impl<'v> Iterator for Parameters<'v> {
    type Item = (&'v [u8], Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let skip = self.rest.iter().take_while(|&&c| c == b';' || c.is_ascii_whitespace()).count();
            let rest = self.rest.get(skip..).filter(|rest| !rest.is_empty())?;
            let end = rest.iter().position(|&c| c == b'=' || c == b';').unwrap_or(rest.len());
            let (key, rest) = rest.split_at(end);
            let Some(text) = rest.strip_prefix(b"=") else {
                self.rest = rest;
                continue;
            };
            let blank = text.iter().take_while(|c| c.is_ascii_whitespace()).count();
            let text = text.get(blank..).unwrap_or_default();
            let (value, rest) = match text.strip_prefix(b"\"") {
                Some(quoted) => unquote(quoted),
                None => {
                    let end = memchr::memchr(b';', text).unwrap_or(text.len());
                    let (value, rest) = text.split_at(end);
                    let value = value.trim_ascii();
                    (value.get(..value.len().min(PARAMETER_MAX)).unwrap_or_default().to_vec(), rest)
                }
            };
            self.rest = rest;
            return Some((key.trim_ascii(), value));
        }
    }
}

/// Up to the closing quote. Only a quote is escaped: a backslash before anything else is part of a path.
fn unquote(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        at += 1;
        match c {
            b'"' => break,
            b'\\' if text.get(at) == Some(&b'"') => {
                value.push(b'"');
                at += 1;
            }
            _ => value.push(c),
        }
    }
    value.truncate(PARAMETER_MAX);
    (value, text.get(at..).unwrap_or_default())
}

/// `utf-8'en'a%20b` without its character set and language, when it has them.
fn extended(text: &[u8], first: bool) -> Vec<u8> {
    let mut rest = text;
    if first {
        for _ in 0..2 {
            let Some(at) = memchr::memchr(b'\'', rest) else { break };
            rest = rest.get(at + 1..).unwrap_or_default();
        }
    }
    let digit = |at: usize| rest.get(at).and_then(|&c| (c as char).to_digit(16));
    let mut value = Vec::with_capacity(rest.len());
    let mut at = 0;
    while let Some(&c) = rest.get(at) {
        match (c, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                value.push((high << 4 | low) as u8);
                at += 3;
            }
            _ => {
                value.push(c);
                at += 1;
            }
        }
    }
    value
}

fn strip_prefix_ignoring_case<'k>(key: &'k [u8], prefix: &[u8]) -> Option<&'k [u8]> {
    let (head, tail) = key.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_every_spelling() {
        for (value, expected) in [
            ("x/y", None),
            ("x/y; name=a.b", Some("a.b")),
            ("x/y;NAME=\"a b.exe\"; q=1", Some("a b.exe")),
            ("x/y; name = \"a.exe\"", Some("a.exe")),
            ("x/y; foo; name=a b.exe ; q=1", Some("a b.exe")),
            ("x/y; name=\"a;b\\\"c\\d\"", Some("a;b\"c\\d")),
            ("x/y; name=\"open", Some("open")),
            ("x/y; name=", Some("")),
            ("x/y; name=one; name=two", Some("one")),
            ("x/y; filename=no", None),
            ("x/y; name*=utf-8''a%20b%zz.exe", Some("a b%zz.exe")),
            ("x/y; name=plain; name*=utf-8'en'ext", Some("ext")),
            ("x/y; name*1=\"def.exe\"; name*0=\"abc\"", Some("abcdef.exe")),
            ("x/y; name*0*=utf-8''a%2e; name*1*=b%2e; name*2=c", Some("a.b.c")),
            ("x/y; name*x=1; name*=%", Some("%")),
            (";;;=;==", None),
        ] {
            let found = parameter(value.as_bytes(), "name");
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{value}");
        }
        let many: String = (0..1000).map(|n| format!("; name*{n}={}", "x".repeat(100))).collect();
        assert_eq!(parameter(many.as_bytes(), "name").unwrap().len(), PARAMETER_MAX);
    }

    #[test]
    fn fields_and_lists() {
        assert_eq!(field(b"From: a"), Some((&b"From"[..], &b" a"[..])));
        assert_eq!(field(b"From : a"), None);
        assert_eq!(field(b": a"), None);
        assert_eq!(field(b"no field"), None);
        let items: Vec<&[u8]> = list(b"\"A, B\" <x@y>, c@d,, e ,").collect();
        assert_eq!(items, [&b"\"A, B\" <x@y>"[..], b"c@d", b"e"]);
        assert_eq!(list(b"").count(), 0);
        assert_eq!(token(b" Multipart/MIXED ; boundary=x"), b"multipart/mixed");
    }
}
