//! The rule keywords of Multicast DNS (RFC 6762).

use crate::detect::BufferSpec;
use crate::protocols::dns::relative::places;
use crate::protocols::dns::slots::*;
use crate::protocols::exchange::buffer;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("mdns.queries.rrname", "each name that is asked for", &places(QUERIES_RRNAME)),
    buffer("mdns.answers.rrname", "each owner name in the answer section", &places(ANSWERS_RRNAME)),
    buffer(
        "mdns.authorities.rrname",
        "each owner name in the authority section",
        &places(AUTHORITIES_RRNAME),
    ),
    buffer(
        "mdns.additionals.rrname",
        "each owner name in the additional section",
        &places(ADDITIONALS_RRNAME),
    ),
    buffer("mdns.response.rrname", "every name of a response", &places(RESPONSE_RRNAME)),
];
