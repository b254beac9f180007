//! DNS over HTTPS (RFC 8484) and its relative in JSON, where HTTP is in clear or its TLS ends before us: which names are asked for.
//!
//! Known by `application/dns-message`, by the parameter `dns`, or by a name asked of `/resolve` or `/dns-query`. What is answered is not read,
//! and rules of `dns` do not look at it.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{FIRST, Request, View, in_body_each};
use crate::app::Slot;
use crate::protocols::dns::relative::questions;
use crate::protocols::exchange::{Field, Shape, buffer};
use crate::protocols::values::Values;

const NAME: Slot = Slot(FIRST + 0x400);
const TYPE: Slot = Slot(FIRST + 0x401);

/// Both spellings of the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) const VIEW: View = View {
    name: "doh",
    buffers: &[
        buffer("doh.rrname", "each name that is asked for over HTTP", &[in_body_each(NAME)]),
        buffer("doh.rrtype", "the type of each record that is asked for (A, TXT)", &[in_body_each(TYPE)]),
    ],
    request,
    body,
    fields: &[Field("rrname", NAME, Shape::List), Field("rrtype", TYPE, Shape::List)],
};

fn request(request: &Request<'_>, values: &mut Values) -> bool {
    if request.method == b"POST" {
        let kind = (request.header)("content-type").unwrap_or_default();
        return kind.trim_ascii().to_ascii_lowercase().starts_with(b"application/dns-message");
    }
    if let Some(encoded) = request.parameter(b"dns") {
        let message = BASE64.decode(&encoded).ok();
        return message.is_some_and(|message| told(&message, values));
    }
    let path = request.path();
    let Some(name) = request.parameter(b"name").filter(|_| matches!(path, b"/resolve" | b"/dns-query"))
    else {
        return false;
    };
    values.push(NAME, &name);
    if let Some(kind) = request.parameter(b"type") {
        values.push(TYPE, &kind);
    }
    true
}

fn body(_request: &Request<'_>, body: &[u8], values: &mut Values) {
    told(body, values);
}

fn told(message: &[u8], values: &mut Values) -> bool {
    questions(message, &mut |name, kind| {
        values.push(NAME, name);
        values.push(TYPE, kind.as_bytes());
    })
}
