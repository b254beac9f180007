//! Views: what an API over HTTP is asked for, as buffers and as an object in the record beside `http`.
//!
//! A view is no protocol: the flow is HTTP's, rules are rules of `http`. It reads a request that HTTP/1 or HTTP/2 has already taken
//! apart: method, target and headers once they are there, the body once it is whole. Nothing is read before a rule asks for one of
//! the buffers or a record is written; a request that no view is about costs each of them a comparison of its path then.
//!
//! To add one: a file here with a [`View`], its `mod`, and one line in [`ALL`]. Its slots are from [`FIRST`] on and its own.
//!
//! Bounds: the first [`SEGMENTS_MAX`] segments of a path and as many parameters; of bodies what HTTP keeps; [`VALUES_MAX`] values of a
//! body, `json` as deep as [`json::DEPTH_MAX`]. What an API answers is not read.

mod docker;
pub(super) mod doh;
mod elasticsearch;
mod etcd;
mod k8s;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;

use super::exchange::{Field, Format};
use super::http::slots::HEADERS;
use super::json;
use super::values::Values;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, Place};
use crate::json::JsonWriter;
use crate::types::Direction;

/// Every view, in the order in which they are asked whether a request is theirs.
const ALL: &[&View] = &[&k8s::VIEW, &docker::VIEW, &etcd::VIEW, &elasticsearch::VIEW, &doh::VIEW];

/// The first slot that is not HTTP's own.
pub(super) const FIRST: u16 = 0x4000;

/// Segments of a path, and parameters behind it, that are looked at.
const SEGMENTS_MAX: usize = 16;
/// Values taken from a body.
const VALUES_MAX: usize = 256;
/// Bytes of one value.
const VALUE_MAX: usize = 1024;

/// How one API is seen.
#[derive(Debug)]
struct View {
    /// The object in records.
    name: &'static str,
    buffers: &'static [BufferSpec],
    /// Whether the request is of this API, and what its line and headers say.
    request: fn(&Request<'_>, &mut Values) -> bool,
    /// What its body says.
    body: fn(&Request<'_>, &[u8], &mut Values),
    fields: &'static [Field],
}

/// How many buffers there are with those of all views.
pub(super) const fn count(own: &[BufferSpec]) -> usize {
    let (mut count, mut at) = (own.len(), 0);
    while at < ALL.len() {
        count += ALL[at].buffers.len();
        at += 1;
    }
    count
}

/// The buffers of a version of HTTP, and those of all views behind them.
pub(super) const fn with<const N: usize>(own: &[BufferSpec]) -> [BufferSpec; N] {
    let mut all = [own[0]; N];
    let (mut next, mut at) = (0, 0);
    while next < own.len() {
        all[next] = own[next];
        next += 1;
    }
    while at < ALL.len() {
        let mut row = 0;
        while row < ALL[at].buffers.len() {
            all[next] = ALL[at].buffers[row];
            next += 1;
            row += 1;
        }
        at += 1;
    }
    all
}

/// A buffer of the request's line and headers.
const fn asked(slot: Slot) -> Place {
    Place { dir: Direction::ToServer, slot, progress: HEADERS, kind: Kind::Bytes }
}

/// A buffer that the request's body may have: rules look at it once the body is whole.
const fn in_body(slot: Slot) -> Place {
    Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Bytes }
}

/// Any number of them.
const fn in_body_each(slot: Slot) -> Place {
    Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Multi }
}

/// A request, as both versions of HTTP have it.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a [u8],
    /// As sent.
    pub(super) target: &'a [u8],
    /// The value of the header of that name, which is in small letters.
    pub(super) header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Path and query as sent; the host of an absolute target is none of it.
    fn parts(&self) -> (&'a [u8], &'a [u8]) {
        let mut target = self.target;
        if !target.starts_with(b"/")
            && let Some(at) = memchr::memmem::find(target, b"://")
        {
            let rest = target.get(at + 3..).unwrap_or_default();
            let path = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            target = rest.get(path..).unwrap_or_default();
        }
        while target.starts_with(b"//") {
            target = target.get(1..).unwrap_or_default();
        }
        let end = memchr::memchr(b'#', target).unwrap_or(target.len());
        let target = target.get(..end).unwrap_or_default();
        match memchr::memchr(b'?', target) {
            Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..).unwrap_or_default()),
            None => (target, b""),
        }
    }

    fn path(&self) -> &'a [u8] {
        self.parts().0
    }

    /// The segments of the path, decoded; empty ones are left out, `.` and `..` are followed.
    fn segments(&self) -> Vec<Vec<u8>> {
        let mut out: Vec<Vec<u8>> = Vec::new();
        for raw in self.path().split(|byte| *byte == b'/').take(2 * SEGMENTS_MAX) {
            match &*decoded(raw, false) {
                b"" | b"." => {}
                b".." => {
                    out.pop();
                }
                segment if out.len() < SEGMENTS_MAX => out.push(cut(segment).to_vec()),
                _ => break,
            }
        }
        out
    }

    /// The parameters of that name, decoded.
    fn parameters(&self, name: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let pairs = self.parts().1.split(|byte| *byte == b'&').take(4 * SEGMENTS_MAX);
        pairs.filter_map(move |pair| {
            let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (key, value) = pair.split_at(at);
            (decoded(key, true) == name)
                .then(|| cut(&decoded(value.get(1..).unwrap_or_default(), true)).to_vec())
        })
    }

    fn parameter(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.parameters(name).next()
    }
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..VALUE_MAX).unwrap_or(text)
}

/// Percent signs undone, in a query also what stands for a space.
fn decoded(text: &[u8], query: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'%' => {
                let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(byte) => {
                        out.push(byte);
                        rest = behind.get(2..).unwrap_or_default();
                    }
                    None => out.push(b'%'),
                }
            }
            b'+' if query => out.push(b' '),
            byte => out.push(*byte),
        }
    }
    out
}

/// A transaction that views look at.
pub(super) trait Viewed {
    /// Its request, once the headers are there, given to the one who asks.
    fn request(&self, look: &mut dyn FnMut(&Request<'_>));

    /// Its request's body, once it is whole.
    fn request_body(&self) -> Option<&[u8]>;
}

/// What views have seen of one transaction: nothing until somebody asks.
#[derive(Debug, Default)]
pub(super) struct Seen(OnceCell<Option<Box<Found>>>);

#[derive(Debug)]
struct Found {
    view: &'static View,
    values: Values,
    body: OnceCell<Values>,
}

impl Seen {
    fn found(&self, tx: &dyn Viewed) -> Option<&Found> {
        if let Some(found) = self.0.get() {
            return found.as_deref();
        }
        let mut seen = None;
        tx.request(&mut |request| {
            let mut values = Values::default();
            let view = ALL.iter().find(|view| (view.request)(request, &mut values));
            seen = Some(view.map(|view| Box::new(Found { view, values, body: OnceCell::new() })));
        });
        let seen = seen?;
        self.0.get_or_init(|| seen).as_deref()
    }

    fn body<'s>(found: &'s Found, tx: &dyn Viewed) -> Option<&'s Values> {
        if let Some(values) = found.body.get() {
            return Some(values);
        }
        let body = tx.request_body()?;
        let mut values = Values::default();
        tx.request(&mut |request| (found.view.body)(request, body, &mut values));
        Some(found.body.get_or_init(|| values))
    }

    /// The `nth` text of that slot, which is one of a view.
    pub(super) fn text(&self, tx: &dyn Viewed, slot: Slot, nth: usize) -> Option<&[u8]> {
        let found = self.found(tx)?;
        // what line and headers say of it counts more than what the body says
        match found.values.text(slot, 0) {
            Some(_) => found.values.text(slot, nth),
            None => Self::body(found, tx)?.text(slot, nth),
        }
    }

    /// Writes the object of the view that the request is of, if there is one.
    pub(super) fn log(&self, tx: &dyn Viewed, out: &mut JsonWriter) {
        let Some(found) = self.found(tx) else { return };
        out.open_object(found.view.name);
        let body = Self::body(found, tx);
        for field in found.view.fields {
            match body {
                Some(body) if found.values.text(field.1, 0).is_none() => {
                    Format::members(std::slice::from_ref(field), body, out);
                }
                _ => Format::members(std::slice::from_ref(field), &found.values, out),
            }
        }
        out.close();
    }

    /// Memory held, bytes.
    pub(super) fn memory(&self) -> usize {
        self.0.get().and_then(Option::as_deref).map_or(0, |found| {
            size_of::<Found>() + found.values.memory() + found.body.get().map_or(0, Values::memory)
        })
    }
}
