//! URLs in the text of a message.

use std::net::{Ipv4Addr, Ipv6Addr};

/// URLs kept of one message.
const URLS_MAX: usize = 512;
/// Bytes of one URL.
const URL_MAX: usize = 2048;
/// Bytes of a line of text that are searched at once.
const LINE_MAX: usize = 8192;

/// Endings of programs and scripts.
const PROGRAMS: &[&str] = &["exe", "vbs", "bin", "cmd", "bat", "ps1", "js", "hta", "jar", "sh"];

/// What was found in a message.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Urls {
    /// Part of the message, and the URL in lower case.
    found: Vec<(u16, Vec<u8>)>,
    line: Vec<u8>,
    part: u16,
}

/// What kinds of URL there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    /// One whose host is an IPv4 address.
    pub(super) ipv4: bool,
    /// One whose host is an IPv6 address.
    pub(super) ipv6: bool,
    /// One of a program.
    pub(super) program: bool,
}

impl Urls {
    /// Text of that part of the message.
    pub(super) fn text(&mut self, part: u16, mut bytes: &[u8], schemes: &[Vec<u8>], keep_scheme: bool) {
        if self.part != part {
            self.finish(schemes, keep_scheme);
            self.part = part;
        }
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let take =
                end.map_or(bytes.len(), |at| at + 1).min(LINE_MAX.saturating_sub(self.line.len()).max(1));
            let (line, rest) = bytes.split_at(take.min(bytes.len()));
            self.line.extend_from_slice(line);
            bytes = rest;
            if self.line.last() == Some(&b'\n') || self.line.len() >= LINE_MAX {
                self.finish(schemes, keep_scheme);
            }
        }
    }

    /// The text of the part is over.
    pub(super) fn finish(&mut self, schemes: &[Vec<u8>], keep_scheme: bool) {
        let line = std::mem::take(&mut self.line);
        for scheme in schemes {
            self.search(&line, scheme, keep_scheme);
        }
        self.line = line;
        self.line.clear();
    }

    fn search(&mut self, line: &[u8], scheme: &[u8], keep_scheme: bool) {
        let Some(&last) = scheme.last() else { return };
        let mut at = 0;
        // every scheme ends in "//"
        while let Some(hit) = line.get(at..).and_then(|rest| memchr::memchr(last, rest)) {
            let end = at + hit + 1;
            at = end;
            let start = end.wrapping_sub(scheme.len());
            if !line.get(start..end).is_some_and(|text| text.eq_ignore_ascii_case(scheme)) {
                continue;
            }
            let rest = line.get(end..).unwrap_or_default();
            let bracket = rest.first() == Some(&b'[');
            let len = rest.iter().position(|c| is_end(*c, bracket)).unwrap_or(rest.len());
            at = end + len;
            let from = if keep_scheme { start } else { end };
            let len = (end - from + len).min(URL_MAX);
            let url = line.get(from..from + len).unwrap_or_default().to_ascii_lowercase();
            if at > end
                && self.found.len() < URLS_MAX
                && !self.found.iter().any(|(part, known)| *part == self.part && *known == url)
            {
                self.found.push((self.part, url));
            }
        }
    }

    /// The `nth` that was found.
    pub(in crate::protocols) fn nth(&self, nth: usize) -> Option<&[u8]> {
        self.found.get(nth).map(|(_, url)| url.as_slice())
    }

    /// Part by part, in each the last one first.
    pub(super) fn in_record_order(&self) -> impl Iterator<Item = &[u8]> {
        let mut order: Vec<usize> = (0..self.found.len()).rev().collect();
        order.sort_by_key(|at| self.found.get(*at).map(|(part, _)| *part));
        order.into_iter().filter_map(|at| self.nth(at))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What there is among them.
    pub(super) fn kinds(&self) -> Kinds {
        let mut kinds = Kinds::default();
        for (_, url) in &self.found {
            let text = memchr::memmem::find(url, b"://").and_then(|at| url.get(at + 3..)).unwrap_or(url);
            let host = text.split(|c| matches!(c, b'/' | b'?' | b'#')).next().unwrap_or_default();
            let host = std::str::from_utf8(host).unwrap_or_default();
            let plain = host.split(':').next().unwrap_or_default();
            let inner = host.strip_prefix('[').and_then(|host| host.split(']').next()).unwrap_or(host);
            kinds.ipv4 |= plain.parse::<Ipv4Addr>().is_ok();
            kinds.ipv6 |= inner.parse::<Ipv6Addr>().is_ok();
            let path = text.split(|c| matches!(c, b'?' | b'#')).next().unwrap_or_default();
            kinds.program |= PROGRAMS.iter().any(|ending| {
                path.strip_suffix(ending.as_bytes()).is_some_and(|stem| stem.last() == Some(&b'.'))
            });
        }
        kinds
    }

    pub(super) fn memory(&self) -> usize {
        self.line.capacity()
            + self.found.iter().map(|(_, url)| size_of::<(u16, Vec<u8>)>() + url.capacity()).sum::<usize>()
    }
}

/// What no URL holds. A closing bracket ends it, too, unless its host is an address in brackets.
fn is_end(c: u8, bracket: bool) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'<' | b'>') || (c == b']' && !bracket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(texts: &[(u16, &str)], schemes: &[&str], keep: bool) -> Urls {
        let schemes: Vec<Vec<u8>> = schemes.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut urls = Urls::default();
        texts.iter().for_each(|(part, text)| urls.text(*part, text.as_bytes(), &schemes, keep));
        urls.finish(&schemes, keep);
        urls
    }

    fn texts(urls: &Urls) -> Vec<String> {
        urls.in_record_order().map(|url| String::from_utf8_lossy(url).into_owned()).collect()
    }

    #[test]
    fn urls_are_found_and_end_where_they_should() {
        for (text, expected) in [
            ("see http://A.B/C?d=e&f#g now", &["a.b/c?d=e&f#g"][..]),
            ("<a href=\"http://q.uote/x\">t</a>", &["q.uote/x"]),
            ("http://a.b/c'd http://c.d/x>y http://e.f/x]y", &["e.f/x", "c.d/x", "a.b/c"]),
            ("(http://par.en/) http://a/x}y{z", &["a/x}y{z", "par.en/)"]),
            ("http://[::1]/x", &["[::1]/x"]),
            ("http:// http://no.slash", &["no.slash"]),
            ("http://x/http://y", &["x/http://y"]),
            ("http://dup/ http://dup/", &["dup/"]),
            ("http:/x http//y ttp://z https://s", &[]),
            ("http://", &[]),
        ] {
            assert_eq!(texts(&find(&[(0, text)], &["http://"], false)), expected, "{text}");
        }
        let parts = [(0, "http://pre/ x"), (1, "http://one/"), (0, "http://post/")];
        assert_eq!(texts(&find(&parts, &["http://"], false)), ["post/", "pre/", "one/"]);
        let urls = find(&[(0, "ftp://c HTTPS://b http://a")], &["http://", "https://", "ftp://"], true);
        assert_eq!(texts(&urls), ["ftp://c", "https://b", "http://a"]);
        let urls = find(&[(0, "ht"), (0, "tp://a."), (0, "b/x\n")], &["http://"], false);
        assert_eq!(texts(&urls), ["a.b/x"]);
    }

    #[test]
    fn kinds_of_urls() {
        for (url, ipv4, ipv6, program) in [
            ("http://1.2.3.4/x", true, false, false),
            ("http://1.2.3.4:80", true, false, false),
            ("http://256.1.1.1/x", false, false, false),
            ("http://[2001:db8::1]:80/x", false, true, false),
            ("http://a.b/x.EXE?y", false, false, true),
            ("http://a.b/x.exe/y", false, false, false),
            ("http://a.b/exe", false, false, false),
            ("http://x.js#top", false, false, true),
        ] {
            for keep in [true, false] {
                let kinds = find(&[(0, url)], &["http://"], keep).kinds();
                assert_eq!(kinds, Kinds { ipv4, ipv6, program }, "{url}");
            }
        }
    }

    #[test]
    fn there_is_a_bound() {
        let many: String = (0..3000).map(|n| format!("http://h{n}/{} ", "x".repeat(n))).collect();
        let urls = find(&[(0, &many)], &["http://"], false);
        assert!(urls.found.len() <= URLS_MAX && urls.found.iter().all(|(_, url)| url.len() <= URL_MAX));
        assert!(urls.memory() < 4 << 20);
    }
}
