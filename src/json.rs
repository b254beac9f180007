//! A writer of JSON into a byte buffer that is reused from event to event.
//!
//! Knows nothing of events. Text from the network is rarely UTF-8: [`JsonWriter::bytes`] writes what is not printable
//! ASCII as `\xNN`, so that no byte is lost and the line stays valid JSON.

use std::fmt::{Display, Write as _};

/// Writes one JSON value. Keys and values are written in the order of the calls; nesting is the caller's.
#[derive(Default, Debug)]
pub struct JsonWriter {
    out: Vec<u8>,
    /// A comma is due before the next key or array element.
    comma: bool,
}

impl JsonWriter {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    /// Takes what was written and leaves the writer empty.
    pub fn take(&mut self) -> Vec<u8> {
        self.comma = false;
        std::mem::take(&mut self.out)
    }

    /// Forgets what was written, keeps the memory.
    pub fn clear(&mut self) {
        self.out.clear();
        self.comma = false;
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    /// `{`, as the top value or an array element.
    pub fn open(&mut self) {
        self.separate();
        self.out.push(b'{');
        self.comma = false;
    }

    /// `"key":{`
    pub fn open_object(&mut self, key: &'static str) {
        self.key(key);
        self.out.push(b'{');
        self.comma = false;
    }

    /// `"key":[`
    pub fn open_array(&mut self, key: &'static str) {
        self.key(key);
        self.out.push(b'[');
        self.comma = false;
    }

    /// `}`
    pub fn close(&mut self) {
        self.out.push(b'}');
        self.comma = true;
    }

    /// `]`
    pub fn close_array(&mut self) {
        self.out.push(b']');
        self.comma = true;
    }

    /// Keys are part of the program: nothing in them is to be escaped.
    fn key(&mut self, key: &'static str) {
        debug_assert!(key.bytes().all(is_plain), "{key:?}");
        self.out.reserve(key.len() + 4);
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// `"name":` where the name is not part of the program: an element that follows is its value.
    pub fn named(&mut self, name: &str) {
        self.separate();
        self.quoted_utf8(name);
        self.out.push(b':');
        self.comma = false;
    }

    /// A number in decimal digits.
    fn digits(&mut self, number: i128) {
        match u64::try_from(number) {
            Ok(number) => self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            Err(_) => self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    /// `"key":"value"` for text that is ours or known to be UTF-8.
    pub fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.quoted_utf8(value);
    }

    /// `"key":"value"` for bytes from the network.
    pub fn bytes(&mut self, key: &'static str, value: &[u8]) {
        self.key(key);
        self.quoted(value);
    }

    /// `"key":"value"` for anything that prints as plain ASCII without quotes (addresses, times).
    pub fn plain(&mut self, key: &'static str, value: impl Display) {
        self.key(key);
        self.out.push(b'"');
        self.display(value);
        self.out.push(b'"');
    }

    /// `"key":"value"` for bytes that are printable ASCII without quotes and backslashes: they are copied.
    pub fn ascii(&mut self, key: &'static str, value: &[u8]) {
        debug_assert!(value.iter().all(|byte| is_plain(*byte)), "{key:?}");
        self.key(key);
        self.out.reserve(value.len() + 2);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    /// `"key":7`
    pub fn number(&mut self, key: &'static str, value: impl Into<i128>) {
        self.key(key);
        self.digits(value.into());
    }

    /// `"key":true`
    pub fn flag(&mut self, key: &'static str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// `"key":` and a value that is JSON already.
    pub fn raw(&mut self, key: &'static str, json: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(json);
    }

    /// Members of an object that are JSON already (`"a":1,"b":2`), without braces; nothing when empty.
    pub fn raw_members(&mut self, members: &[u8]) {
        if !members.is_empty() {
            self.separate();
            self.out.extend_from_slice(members);
        }
    }

    /// `[`, as an array element.
    pub fn open_list(&mut self) {
        self.separate();
        self.out.push(b'[');
        self.comma = false;
    }

    /// An array element: text from the network.
    pub fn element(&mut self, value: &[u8]) {
        self.separate();
        self.quoted(value);
    }

    /// An array element: text that is ours or known to be UTF-8.
    pub fn element_text(&mut self, value: &str) {
        self.separate();
        self.quoted_utf8(value);
    }

    /// An array element: a number.
    pub fn element_number(&mut self, value: impl Into<i128>) {
        self.separate();
        self.digits(value.into());
    }

    fn display(&mut self, value: impl Display) {
        struct Sink<'a>(&'a mut Vec<u8>);
        impl std::fmt::Write for Sink<'_> {
            fn write_str(&mut self, s: &str) -> std::fmt::Result {
                self.0.extend_from_slice(s.as_bytes());
                Ok(())
            }
        }
        let _ = write!(Sink(&mut self.out), "{value}");
    }

    fn quoted_utf8(&mut self, value: &str) {
        self.runs(value.as_bytes(), |byte| is_plain(byte) || byte >= 0x80);
    }

    fn quoted(&mut self, value: &[u8]) {
        self.runs(value, is_plain);
    }

    /// Bytes in quotes: what is as it is in runs, the others one by one.
    #[inline]
    fn runs(&mut self, value: &[u8], stays: impl Fn(u8) -> bool) {
        self.out.push(b'"');
        let mut rest = value;
        while !rest.is_empty() {
            let run = plain_run(rest);
            let run = rest[run..].iter().position(|byte| !stays(*byte)).map_or(rest.len(), |more| run + more);
            let (run, behind) = rest.split_at(run);
            self.out.extend_from_slice(run);
            rest = match behind.split_first() {
                Some((&byte, behind)) => {
                    self.escaped(byte);
                    behind
                }
                None => behind,
            };
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, byte: u8) {
        match byte {
            b'"' => self.out.extend_from_slice(b"\\\""),
            b'\\' => self.out.extend_from_slice(b"\\\\"),
            b'\n' => self.out.extend_from_slice(b"\\n"),
            b'\r' => self.out.extend_from_slice(b"\\r"),
            b'\t' => self.out.extend_from_slice(b"\\t"),
            8 => self.out.extend_from_slice(b"\\b"),
            12 => self.out.extend_from_slice(b"\\f"),
            0x20..=0x7e => self.out.push(byte),
            0..=0x1f => {
                self.out.extend_from_slice(b"\\u00");
                self.out.extend_from_slice(&hex(byte));
            }
            0x7f.. => {
                self.out.extend_from_slice(b"\\\\x");
                self.out.extend_from_slice(&hex(byte));
            }
        }
    }
}

/// A byte in two hexadecimal digits, small letters.
pub fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Bytes at the front, eight at a time, that are plain: there may be more of them.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    // the top bit of each byte that is zero; of those behind the first one perhaps more
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let special = |word: u64| {
        let control = word.wrapping_sub(ONES * 0x20);
        let quote = zeros(word ^ (ONES * u64::from(b'"')));
        let backslash = zeros(word ^ (ONES * u64::from(b'\\')));
        let delete = zeros(word ^ (ONES * 0x7f));
        (word | control) & TOPS | quote | backslash | delete
    };
    let words = bytes.chunks_exact(8).map_while(|chunk| Some(u64::from_le_bytes(chunk.try_into().ok()?)));
    words.take_while(|word| special(*word) == 0).count() * 8
}

/// Printable ASCII that stands for itself in a JSON text.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plain_is_found_wherever_it_stands() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut text = [b'x'; 20];
                text[at] = byte;
                let mut json = JsonWriter::new();
                json.element(&text);
                let mut expected = JsonWriter::new();
                expected.out.push(b'"');
                for byte in text {
                    expected.escaped(byte);
                }
                expected.out.push(b'"');
                assert_eq!(json.as_bytes(), expected.as_bytes(), "{byte} at {at}");
                let run = plain_run(&text);
                assert!(text[..run].iter().copied().all(is_plain), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn names_from_outside_are_escaped() {
        let mut json = JsonWriter::new();
        json.open();
        json.named("a\"b\\");
        json.element(b"1");
        json.named("c");
        json.open_list();
        json.element_number(2u8);
        json.element_number(3u8);
        json.close_array();
        json.named("d");
        json.open();
        json.close();
        json.flag("e", true);
        json.close();
        assert_eq!(json.as_bytes(), br#"{"a\"b\\":"1","c":[2,3],"d":{},"e":true}"#);
    }

    #[test]
    fn any_bytes_make_valid_json() {
        let all: Vec<u8> = (0..=255).collect();
        let mut json = JsonWriter::new();
        json.open();
        json.bytes("b", &all);
        json.text("t", "ñ \"q\" \u{1}");
        json.open_array("a");
        json.element(b"x");
        json.element_number(7u8);
        json.open();
        json.number("n", -1i64);
        json.close();
        json.close_array();
        json.open_object("o");
        json.close();
        json.flag("f", true);
        json.close();
        let value: serde_json::Value = serde_json::from_slice(json.as_bytes()).unwrap();
        assert_eq!(value["t"], "ñ \"q\" \u{1}");
        assert_eq!(value["a"][2]["n"], -1);
        assert!(value["b"].as_str().unwrap().ends_with("\\xfe\\xff"));
    }
}
