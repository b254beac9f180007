//! Text: its encoding, its line ends, and what language it is in.

use std::fmt::Write as _;

/// A line of more bytes is a very long one.
const LONG_LINE: usize = 300;
/// Bytes at the front in which a language shows itself.
const LANGUAGE_MAX: usize = 1024;

/// `None` for what is not text.
pub(super) fn describe(head: &[u8]) -> Option<String> {
    let (encoding, text) = encoding(head)?;
    let trimmed = text.trim_ascii_start();
    let mut out = String::new();
    let script = trimmed.strip_prefix(b"#!").map(script);
    match (script, language(trimmed)) {
        (Some(script), _) => {
            let _ = write!(out, "{script} script, {encoding} executable");
        }
        (None, Some(language)) => {
            let _ = write!(out, "{language}, {encoding}");
        }
        (None, None) => out.push_str(encoding),
    }
    if !encoding.contains("UTF-16") {
        lines(text, &mut out);
    }
    Some(out)
}

/// The encoding, and the bytes behind its mark.
fn encoding(head: &[u8]) -> Option<(&'static str, &[u8])> {
    if let Some(rest) = head.strip_prefix(b"\xef\xbb\xbf") {
        return Some(("Unicode text, UTF-8 (with BOM) text", rest));
    }
    if let Some(rest) = head.strip_prefix(b"\xff\xfe") {
        return Some(("Unicode text, UTF-16, little-endian text", rest));
    }
    if let Some(rest) = head.strip_prefix(b"\xfe\xff") {
        return Some(("Unicode text, UTF-16, big-endian text", rest));
    }
    let printable = |byte: &u8| matches!(byte, 7..=13 | 27 | 32..=126 | 128..=255);
    if !head.iter().all(printable) {
        return None;
    }
    if head.is_ascii() {
        return Some(("ASCII text", head));
    }
    match std::str::from_utf8(head) {
        Ok(_) => Some(("Unicode text, UTF-8 text", head)),
        // the head may end within a letter
        Err(error) if error.error_len().is_none() => Some(("Unicode text, UTF-8 text", head)),
        Err(_) if head.iter().any(|byte| matches!(byte, 128..=159)) => {
            Some(("Non-ISO extended-ASCII text", head))
        }
        Err(_) => Some(("ISO-8859 text", head)),
    }
}

/// What is odd about its lines.
fn lines(text: &[u8], out: &mut String) {
    let (mut crlf, mut lf, mut cr, mut longest, mut begin) = (false, false, false, 0, 0);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' => {
                match at.checked_sub(1).and_then(|before| text.get(before)) {
                    Some(b'\r') => crlf = true,
                    _ => lf = true,
                }
                longest = longest.max(at - begin);
                begin = at + 1;
            }
            b'\r' if text.get(at + 1) != Some(&b'\n') => cr = true,
            _ => {}
        }
    }
    longest = longest.max(text.len() - begin);
    if longest > LONG_LINE {
        let _ = write!(out, ", with very long lines ({longest})");
    }
    match (crlf, lf, cr) {
        (false, true, false) => {}
        (false, false, false) => out.push_str(", with no line terminators"),
        _ => {
            let kinds: Vec<&str> = [(crlf, "CRLF"), (cr, "CR"), (lf, "LF")]
                .iter()
                .filter_map(|(there, name)| there.then_some(*name))
                .collect();
            let _ = write!(out, ", with {} line terminators", kinds.join(", "));
        }
    }
}

/// The name of what runs a script, from its first line.
fn script(line: &[u8]) -> String {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let mut words = line.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty());
    let mut program = words.next().unwrap_or_default();
    if program.ends_with(b"/env") {
        program = words.find(|word| !word.starts_with(b"-")).unwrap_or_default();
    }
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match name {
        b"sh" | b"dash" => "POSIX shell".to_owned(),
        b"bash" => "Bourne-Again shell".to_owned(),
        b"ksh" => "Korn shell".to_owned(),
        b"zsh" => "Paul Falstad's zsh".to_owned(),
        b"csh" | b"tcsh" => "C shell".to_owned(),
        name if name.starts_with(b"python") => "Python".to_owned(),
        name if name.starts_with(b"perl") => "Perl".to_owned(),
        name if name.starts_with(b"ruby") => "Ruby".to_owned(),
        name if name.starts_with(b"php") => "PHP".to_owned(),
        name if name.starts_with(b"node") => "Node.js".to_owned(),
        _ => format!("a {}", line.get(..64).unwrap_or(line).escape_ascii()),
    }
}

fn language(text: &[u8]) -> Option<&'static str> {
    let front = text.get(..LANGUAGE_MAX).unwrap_or(text);
    let lower = front.to_ascii_lowercase();
    let begins = |word: &[u8]| lower.starts_with(word);
    if begins(b"<?xml") {
        return Some(match (lower.get(..64).unwrap_or(&lower), find(&lower, b"<svg")) {
            (_, true) => "SVG Scalable Vector Graphics image",
            (start, _) if find(start, b"1.1") => "XML 1.1 document",
            _ => "XML 1.0 document",
        });
    }
    if begins(b"<?php") || begins(b"<?\n") || begins(b"<?\r") {
        return Some("PHP script");
    }
    if begins(b"<svg") {
        return Some("SVG Scalable Vector Graphics image");
    }
    for word in [
        &b"<!doctype html"[..],
        b"<html",
        b"<head",
        b"<title",
        b"<body",
        b"<script",
        b"<style",
        b"<table",
        b"<iframe",
        b"<h1",
        b"<a href=",
    ] {
        if begins(word) {
            return Some("HTML document");
        }
    }
    if begins(b"-----begin certificate-----") {
        return Some("PEM certificate");
    }
    if begins(b"-----begin rsa private") {
        return Some("PEM RSA private key");
    }
    if begins(b"-----begin openssh private") {
        return Some("OpenSSH private key");
    }
    if begins(b"-----begin pgp public key") {
        return Some("PGP public key block Public-Key (old)");
    }
    if begins(b"-----begin pgp message") {
        return Some("PGP message");
    }
    if begins(b"@echo off") || begins(b"@echo  off") {
        return Some("DOS batch file");
    }
    if begins(b"[internetshortcut]") {
        return Some("MS Windows 95 Internet shortcut text");
    }
    if begins(b"windows registry editor") || begins(b"regedit4") {
        return Some("Windows Registry text");
    }
    if begins(b"received:") || begins(b"return-path:") {
        return Some("SMTP mail");
    }
    if find(&lower, b"\n<html") || find(&lower, b"<!doctype html") {
        return Some("HTML document");
    }
    None
}

fn find(bytes: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(bytes, word).is_some()
}
