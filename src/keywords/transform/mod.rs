//! Transforms: keywords behind a sticky buffer that change its bytes before they are inspected.
//!
//! What grows is capped: a transform never writes more than [`OUTPUT_MAX`] bytes.

mod bytes;
mod decode;
mod digest;
mod names;

pub(super) use bytes::{
    COMPRESS_WHITESPACE, DOTPREFIX, HEADER_LOWERCASE, STRIP_PSEUDO_HEADERS, STRIP_WHITESPACE, TO_LOWERCASE,
    TO_UPPERCASE, XOR,
};
pub(super) use decode::{FROM_BASE64, GUNZIP, PCREXFORM, URL_DECODE, ZLIB_DEFLATE};
pub(super) use digest::{TO_MD5, TO_SHA1, TO_SHA256};
pub(super) use names::{DOMAIN, LUAXFORM, TLD};

use std::fmt;
use std::sync::Arc;

use super::row::bare;
use crate::detect::RuleBuilder;
use crate::detect::inspect::ops::Transform;
use crate::rules::{OptionAst, RuleError};

/// Most bytes that a transform makes of one buffer.
const OUTPUT_MAX: usize = 1 << 20;

/// A transform without arguments.
struct Simple {
    name: &'static str,
    apply: fn(&[u8], &mut Vec<u8>),
}

impl fmt::Debug for Simple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Transform for Simple {
    fn identity(&self) -> String {
        self.name.to_owned()
    }

    fn apply(&self, bytes: &[u8], out: &mut Vec<u8>) {
        (self.apply)(bytes, out);
    }

    fn can_contain(&self, literal: &[u8]) -> bool {
        const IDEMPOTENT: &[&str] =
            &["to_lowercase", "to_uppercase", "strip_whitespace", "compress_whitespace"];
        if !IDEMPOTENT.contains(&self.name) {
            return true;
        }
        let mut out = Vec::new();
        (self.apply)(literal, &mut out);
        out == literal
    }
}

/// Adds a transform without arguments.
fn simple(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    name: &'static str,
    apply: fn(&[u8], &mut Vec<u8>),
) -> Result<(), RuleError> {
    bare(option)?;
    add(option, rule, Arc::new(Simple { name, apply }))
}

fn add(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    transform: Arc<dyn Transform>,
) -> Result<(), RuleError> {
    rule.transform(transform).map_err(|message| {
        option.name.error(message).hint(format!("write BUFFER; {}; content:\"…\";", option.name.node))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, mutate, transformed, with};

    /// Every transform with a value it takes.
    const ALL: &[&str] = &[
        "dotprefix;",
        "strip_whitespace;",
        "compress_whitespace;",
        "to_md5;",
        "to_sha1;",
        "to_sha256;",
        "to_lowercase;",
        "to_uppercase;",
        "url_decode;",
        "xor:\"0d0ac8ff\";",
        "pcrexform:\"a(.*)b\";",
        "header_lowercase;",
        "strip_pseudo_headers;",
        "from_base64;",
        "gunzip;",
        "zlib_deflate;",
        "domain;",
        "tld;",
    ];

    #[test]
    fn identities_differ() {
        let mut identities: Vec<String> = ALL.iter().map(|text| transformed(text, b"").0).collect();
        identities.push(transformed("xor:\"0d\";", b"").0);
        identities.push(transformed("from_base64:bytes 3;", b"").0);
        identities.push(transformed("pcrexform:\"(x)\";", b"").0);
        let len = identities.len();
        identities.sort();
        identities.dedup();
        assert_eq!(identities.len(), len);
    }

    #[test]
    fn hostile_bytes_are_transformed_without_a_panic() {
        let seed = b"a %41%4 %u0041: MTIz\r\n:Path: x\t\tb.example.co.uk\x1f\x8b\x08\x00";
        for text in ALL {
            mutate(seed, 300, |bytes| {
                transformed(text, bytes);
            });
        }
    }

    #[test]
    fn a_transform_is_about_what_follows_it() {
        with(
            "http.uri; content:\"a\"; http.host; dotprefix; content:\"b\"; http.uri; dotprefix; content:\"c\";",
            |rule| {
                let parts = &rule.unwrap().parts;
                assert_eq!(
                    parts.iter().map(|p| (p.transforms.len(), p.ops.len())).collect::<Vec<_>>(),
                    [(0, 1), (1, 1), (1, 1)]
                );
            },
        );
        with("http.uri; bsize:3; content:\"a\"; dotprefix; to_md5; bsize:16;", |rule| {
            let parts = &rule.unwrap().parts;
            assert_eq!(
                parts.iter().map(|p| (p.transforms.len(), p.ops.len())).collect::<Vec<_>>(),
                [(0, 2), (2, 1)]
            );
        });
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            (
                "http.uri; dotprefix; content:\"a\"; to_lowercase;",
                "a transform must stand before what is asked of the buffer",
            ),
            ("dotprefix; content:\".a\";", "a transform needs a sticky buffer before it"),
            ("pkt_data; to_lowercase;", "a transform needs a sticky buffer before it"),
            ("http.uri; dotprefix:a;", "dotprefix takes no value"),
            ("http.uri; xor:0d0a;", "this value must stand in double quotes"),
            ("http.uri; xor:\"zz\";", "a key is hexadecimal, two digits a byte"),
            ("http.uri; xor:\"0d0\";", "a key is hexadecimal, two digits a byte"),
            ("http.uri; pcrexform:\"a.*b\";", "pcrexform needs one captured group, here are 0"),
            ("http.uri; pcrexform:\"(a)(b)\";", "pcrexform needs one captured group, here are 2"),
            ("http.uri; pcrexform:\"(a\";", "the expression is wrong here: missing closing parenthesis"),
            ("http.uri; from_base64:mode foo;", "\"foo\" is not a mode of base64"),
            ("http.uri; from_base64:size 3;", "not an option of from_base64"),
            ("http.uri; luaxform:x.lua;", "luaxform is not supported yet"),
        ]);
    }
}
