//! etcd: version 2 and the JSON gateway of version 3 over HTTP/1, gRPC over HTTP/2.
//!
//! Of a transaction (`Txn`) the operations that it may carry out are read, those inside of further ones are not. Messages of gRPC that
//! are compressed are not read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::{self, Scalar};
use super::{FIRST, Request, VALUES_MAX, View, asked, cut, in_body, in_body_each};
use crate::app::Slot;
use crate::protocols::exchange::{Field, Shape, buffer};
use crate::protocols::reader::Reader;
use crate::protocols::values::Values;

const ACTION: Slot = Slot(FIRST + 0x200);
const KEY: Slot = Slot(FIRST + 0x201);
const RANGE_END: Slot = Slot(FIRST + 0x203);
const USER: Slot = Slot(FIRST + 0x204);

pub(super) const VIEW: View = View {
    name: "etcd",
    buffers: &[
        buffer(
            "etcd.action",
            "what etcd is asked for: range, put, deleterange, txn, watch, snapshot",
            &[asked(ACTION)],
        ),
        buffer("etcd.key", "each key, or the first key of a range", &[in_body_each(KEY)]),
        buffer(
            "etcd.range_end",
            "the key that ends a range; one zero byte is the end of all keys",
            &[in_body_each(RANGE_END)],
        ),
        buffer("etcd.user", "the name that a client signs in with, or a user that is made", &[in_body(USER)]),
    ],
    request,
    body,
    fields: &[
        Field("action", ACTION, Shape::Text),
        Field("keys", KEY, Shape::List),
        Field("range_ends", RANGE_END, Shape::List),
        Field("user", USER, Shape::Text),
    ],
};

/// What the gateway has under a version.
const SERVICES: &[&[u8]] =
    &[b"kv", b"watch", b"lease", b"cluster", b"maintenance", b"auth", b"election", b"lock"];

fn request(request: &Request<'_>, values: &mut Values) -> bool {
    let path = request.path();
    if let Some(method) = path.strip_prefix(b"/etcdserverpb.") {
        let Some(at) = memchr::memchr(b'/', method) else { return false };
        values.push(ACTION, &cut(method.get(at + 1..).unwrap_or_default()).to_ascii_lowercase());
        return true;
    }
    if !path.starts_with(b"/v3") && !path.starts_with(b"/v2/keys") {
        return false;
    }
    let segments = request.segments();
    match &segments[..] {
        [v2, keys, rest @ ..] if v2 == b"v2" && keys == b"keys" => {
            let action: &[u8] = match request.method {
                b"PUT" | b"POST" => b"put",
                b"DELETE" => b"deleterange",
                _ if request.parameter(b"wait").is_some() => b"watch",
                _ => b"range",
            };
            values.push(ACTION, action);
            values.push(KEY, cut(&[b"/", &rest.join(&b'/')[..]].concat()));
            true
        }
        [version, service, rest @ ..]
            if matches!(&version[..], b"v3" | b"v3alpha" | b"v3beta") && SERVICES.contains(&&service[..]) =>
        {
            let named = match &service[..] {
                b"kv" => rest.join(&b'/'),
                _ if rest.is_empty() => service.clone(),
                _ => [&service[..], b"/", &rest.join(&b'/')].concat(),
            };
            values.push(ACTION, cut(&named));
            true
        }
        _ => false,
    }
}

fn body(request: &Request<'_>, body: &[u8], values: &mut Values) {
    let path = request.path();
    if let Some(method) = path.strip_prefix(b"/etcdserverpb.") {
        return message(method, body, values);
    }
    if !path.starts_with(b"/v3") {
        return;
    }
    let mut left = VALUES_MAX;
    json::walk(body, &mut |path, value| {
        let (Some(name), Scalar::Text(text)) = (path.last(), value) else { return };
        let compared = path.iter().any(|name| name == b"compare");
        let slot = match &name[..] {
            b"key" if !compared => KEY,
            b"range_end" | b"rangeEnd" if !compared => RANGE_END,
            b"name" | b"user" if path.len() == 1 => USER,
            _ => return,
        };
        if left > 0 {
            left -= 1;
            match STANDARD.decode(&text) {
                Ok(bytes) if slot != USER => values.push(slot, cut(&bytes)),
                _ => values.push(slot, cut(&text)),
            }
        }
    });
}

/// A message of gRPC: whether it is compressed, its length, itself.
fn message(method: &[u8], body: &[u8], values: &mut Values) {
    let mut front = Reader(body);
    while let (Some(packed), Some(len)) = (front.u8(), front.u32()) {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(front.0.len());
        let Some(message) = front.take(len) else { return };
        if packed != 0 {
            return;
        }
        match method {
            b"KV/Range" | b"KV/DeleteRange" => range(message, true, values),
            b"KV/Put" => range(message, false, values),
            b"KV/Txn" => fields(message, |number, operation| {
                // what is done when the comparison holds, and when it does not
                if number == 2 || number == 3 {
                    fields(operation, |number, inner| match number {
                        1 | 3 => range(inner, true, values),
                        2 => range(inner, false, values),
                        _ => {}
                    });
                }
            }),
            b"Watch/Watch" => fields(message, |number, inner| {
                if number == 1 {
                    range(inner, true, values);
                }
            }),
            b"Auth/Authenticate" | b"Auth/UserAdd" => fields(message, |number, name| {
                if number == 1 {
                    values.push(USER, cut(name));
                }
            }),
            _ => {}
        }
    }
}

fn range(message: &[u8], ended: bool, values: &mut Values) {
    fields(message, |number, bytes| match number {
        1 => values.push(KEY, cut(bytes)),
        2 if ended => values.push(RANGE_END, cut(bytes)),
        _ => {}
    });
}

/// Each field of a message that has a length: its number and its bytes.
fn fields(message: &[u8], mut each: impl FnMut(u64, &[u8])) {
    let mut front = Reader(message);
    while let Some(tag) = front.varint() {
        let taken = match tag & 7 {
            0 => front.varint().map(|_| ()),
            1 => front.take(8).map(|_| ()),
            5 => front.take(4).map(|_| ()),
            2 => front
                .varint()
                .and_then(|len| front.take(usize::try_from(len).ok()?))
                .map(|bytes| each(tag >> 3, bytes)),
            _ => None,
        };
        if taken.is_none() {
            return;
        }
    }
}
