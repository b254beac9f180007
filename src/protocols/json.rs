//! JSON, read once from front to back: every value that is not a container, with the names that lead to it.
//!
//! What is wrong or cut off ends the reading; what stood before it has been told. Several texts in a row (NDJSON) are read as one
//! after the other.

/// Containers inside of each other that are followed.
pub(super) const DEPTH_MAX: usize = 64;

/// A value without others in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text(Vec<u8>),
    /// With its value, if it is whole and not negative.
    Number(Option<u64>),
    Bool(bool),
    Null,
}

/// Tells each value: the names from the outside in (an element of a list has an empty one), and the value.
pub(super) fn walk(bytes: &[u8], each: &mut dyn FnMut(&[Vec<u8>], Scalar)) {
    let mut reader = Reader { rest: bytes };
    let mut path: Vec<Vec<u8>> = Vec::new();
    // whether the open containers are lists
    let mut lists: Vec<bool> = Vec::new();
    while reader.value(&mut path, &mut lists, each).is_some() {}
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        let skip = self.rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.rest = self.rest.get(skip..)?;
        self.rest.first().copied()
    }

    fn eat(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// A text, its opening quote in front.
    fn text(&mut self) -> Option<Vec<u8>> {
        self.eat();
        let mut out = Vec::new();
        loop {
            let at = memchr::memchr2(b'"', b'\\', self.rest)?;
            out.extend_from_slice(self.rest.get(..at)?);
            let end = self.rest.get(at) == Some(&b'"');
            self.rest = self.rest.get(at + 1..)?;
            if end {
                return Some(out);
            }
            let escape = *self.rest.first()?;
            self.eat();
            match escape {
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'u' => {
                    let digits = std::str::from_utf8(self.rest.get(..4)?).ok()?;
                    let code = u32::from_str_radix(digits, 16).ok()?;
                    self.rest = self.rest.get(4..)?;
                    let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                other => out.push(other),
            }
        }
    }

    /// One value, or the next step inside of the open containers; `None` at the end.
    fn value(
        &mut self,
        path: &mut Vec<Vec<u8>>,
        lists: &mut Vec<bool>,
        each: &mut dyn FnMut(&[Vec<u8>], Scalar),
    ) -> Option<()> {
        let first = self.peek()?;
        match first {
            b',' => {
                self.eat();
                return Some(());
            }
            b']' | b'}' => {
                self.eat();
                lists.pop()?;
                path.pop();
                return Some(());
            }
            _ => {}
        }
        let named = lists.last() == Some(&false);
        if named {
            if first != b'"' {
                return None;
            }
            let name = self.text()?;
            if self.peek()? != b':' {
                return None;
            }
            self.eat();
            path.push(name);
        } else if !lists.is_empty() {
            path.push(Vec::new());
        }
        let scalar = match self.peek()? {
            open @ (b'{' | b'[') => {
                if lists.len() >= DEPTH_MAX {
                    return None;
                }
                self.eat();
                lists.push(open == b'[');
                return Some(());
            }
            b'"' => Scalar::Text(self.text()?),
            _ => {
                let len = self
                    .rest
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                    .count();
                let (word, rest) = self.rest.split_at(len);
                self.rest = rest;
                match word {
                    b"" => return None,
                    b"true" => Scalar::Bool(true),
                    b"false" => Scalar::Bool(false),
                    b"null" => Scalar::Null,
                    word => Scalar::Number(std::str::from_utf8(word).ok().and_then(|word| word.parse().ok())),
                }
            }
        };
        each(path, scalar);
        if !lists.is_empty() {
            path.pop();
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut out = Vec::new();
        walk(text.as_bytes(), &mut |path, value| {
            let path: Vec<_> = path.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            let value = match value {
                Scalar::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                Scalar::Number(_) => "Number".to_owned(),
                other => format!("{other:?}"),
            };
            out.push(format!("{}={value}", path.join("/")));
        });
        out
    }

    #[test]
    fn values_have_their_names() {
        assert_eq!(
            told(r#" {"a":{"b":[1,"x",{"c":true}],"d":null},"e":"\u0041\n\"" , "f":false} {"g":"h"}"#),
            ["a/b/=Number", "a/b/=x", "a/b//c=Bool(true)", "a/d=Null", "e=A\n\"", "f=Bool(false)", "g=h"]
        );
        assert_eq!(told(r#"["a",["b"]]"#), ["=a", "/=b"]);
        assert_eq!(told(r#""a" 1"#), ["=a", "=Number"]);
    }

    #[test]
    fn what_is_wrong_ends_it() {
        for text in [
            "",
            "{",
            "}",
            "]",
            r#"{"a""#,
            r#"{"a":"#,
            r#"{"a":"b"#,
            r#"{a:1}"#,
            "{]",
            r#""\u12"#,
            ":",
            "[[[[",
        ] {
            assert!(told(text).is_empty(), "{text}");
        }
        assert_eq!(told(r#"{"a":1,"b":"#), ["a=Number"]);
        let mut numbers = Vec::new();
        walk(b"[7,-1,1.5,18446744073709551616]", &mut |_, value| numbers.push(value));
        assert_eq!(numbers, [Some(7), None, None, None].map(Scalar::Number));
        assert!(told(&"[".repeat(1000)).is_empty());
        assert!(told(&format!("{}1", "[".repeat(DEPTH_MAX + 1))).is_empty());
    }
}
