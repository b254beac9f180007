//! DNS over HTTPS (RFC 8484) and its relative in JSON, where HTTP is in clear or its TLS ends before us: which names are asked for.
//!
//! Known by `application/dns-message`, by the parameter `dns`, or by a name asked of `/resolve` or `/dns-query`. What is answered is not
//! read here. Messages of DNS in HTTP/2 are read as DNS too (`crate::protocols::doh2`); rules of `dns` do not look into HTTP/1.

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

/// Whether a body of that content type is a message of DNS.
pub(in crate::protocols) fn is_message(content_type: Option<&[u8]>) -> bool {
    let kind = content_type.unwrap_or_default();
    kind.trim_ascii().to_ascii_lowercase().starts_with(b"application/dns-message")
}

/// The message of DNS that a GET has in its parameter.
pub(in crate::protocols) fn asked_in(request: &Request<'_>) -> Option<Vec<u8>> {
    let message = BASE64.decode(request.parameter(b"dns")?).ok()?;
    questions(&message, &mut |_, _| {}).then_some(message)
}

fn request(request: &Request<'_>, values: &mut Values) -> bool {
    if request.method == b"POST" {
        return is_message((request.header)("content-type"));
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
